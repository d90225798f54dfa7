use super::*;

/// Fields that are not numbers, or that no configuration sets. A new field is a parameter of the
/// table, or is listed here.
const NOT_IN_THE_TABLE: [&str; 6] = ["traces", "min_members", "same_campaign", "max_evidence", "limits", "short_links"];

#[test]
fn every_number_is_in_the_table() {
    for (field, parameter) in OF_PARAMS.iter().chain(OF_LIMITS) {
        assert_eq!(parameter.is_none(), NOT_IN_THE_TABLE.contains(field), "{field}");
    }
    let mut keys: Vec<&str> = PARAMETERS.iter().map(|parameter| parameter.key).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), PARAMETERS.len());
}

#[test]
fn defaults_are_allowed_and_usual() {
    assert_eq!(Params::default().validate(), Ok(()));
    assert_eq!(Params::default().warnings(), []);
    for Parameter { key, bounds, usual, .. } in PARAMETERS {
        assert!(bounds.hold(usual.least) && bounds.hold(usual.most), "{key}");
    }
}

#[test]
fn values_that_make_detection_blind_are_refused_by_name_with_what_is_allowed() {
    let with = |change: fn(&mut Params)| {
        let mut params = Params::default();
        change(&mut params);
        params.validate().map_err(|error| error.to_string())
    };
    type Case = (fn(&mut Params), &'static str);
    let refused: [Case; 12] = [
        (|p| p.alpha = 0.0, "alpha is 0: set 1e-12 to 0.5 (probability)"),
        (|p| p.alpha = f64::NAN, "alpha is NaN: set 1e-12 to 0.5 (probability)"),
        (|p| p.safety = f64::INFINITY, "safety is inf: set 1 to 10 (factor)"),
        (|p| p.tie_chance = 1e-300, "set 1e-12 to 0.1 (probability)"),
        (|p| p.copier_share = 1.5, "copier_share is 1.5: set 0.01 to 1 (share)"),
        (|p| p.retention = 0, "retention_days is 0: set 1 to 3650 (days)"),
        (|p| p.limits.uses = 0, "max_uses is 0: set 100 to 10000000000 (entries)"),
        (|p| p.traces.clear(), "traces is empty"),
        (|p| p.min_members = 6_000, "max_members is less than min_members"),
        (|p| p.allowed_lateness = 3 * HOUR, "horizon_s is less than allowed_lateness_s"),
        (|p| p.retention = 3 * DAY, "retention_days is 3, which is less than repeat_days (7 days)"),
        (
            |p| (p.tick, p.candidate_retention) = (DAY, DAY),
            "candidate_retention_days is 1, which is less than two times tick_min (2 days)",
        ),
    ];
    for (change, said) in refused {
        let error = with(change).unwrap_err();
        assert!(error.contains(said), "{error}");
    }
}
