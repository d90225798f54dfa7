use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::{case::Step, fixtures};

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(1_780_000_000 + second).unwrap()
}

fn released(cluster: &ClusterMessage) -> Case {
    let (mut case, _) = Case::nominate(&cluster.cluster_id, cluster.version, time(0));
    let check = Step::CheckSourcesAndMethods { finding: "public posts only".to_owned() };
    let approve = Step::Approve { comment: "clear".to_owned() };
    fixtures::take(&mut case, Step::BeginReview, "ann", time(1)).unwrap();
    for fact in fixtures::facts() {
        fixtures::take(&mut case, Step::Record(fact), "ann", time(1)).unwrap();
    }
    fixtures::take(&mut case, check, "ann", time(2)).unwrap();
    fixtures::take(&mut case, approve, "ann", time(3)).unwrap();
    fixtures::take(&mut case, Step::Release, "bob", time(4)).unwrap();
    case
}

fn publication<'a>(case: &'a Case, cluster: &'a ClusterMessage, platform: &'a str) -> Publication<'a> {
    Publication {
        identity: "Lockstep test",
        tlp: Tlp::Amber,
        valid_days: 30,
        partner: platform,
        platform,
        pseudonym_key: platform.as_bytes(),
        case,
        cluster,
        before: None,
        now: time(4),
    }
}

fn values(objects: &[NewObject]) -> Vec<Value> {
    objects.iter().map(|o| serde_json::from_str(&o.body).unwrap()).collect()
}

fn of<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|o| o["type"] == kind).collect()
}

/// Every id that an object refers to, also inside extensions.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                if name.ends_with("_ref") {
                    found.extend(value.as_str().map(str::to_owned));
                } else if name.ends_with("_refs") {
                    let refs = value.as_array().unwrap();
                    found.extend(refs.iter().map(|r| r.as_str().unwrap().to_owned()));
                } else {
                    references(value, found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn every_reference_resolves_and_points_back() {
    let cluster = fixtures::cluster("c", 1);
    let case = released(&cluster);
    for platform in ["twitter", "bluesky"] {
        let publication = publication(&case, &cluster, platform);
        for objects in [publication.objects(), Publication { before: Some(&cluster), ..publication }.retraction()] {
            let mut known = BTreeSet::new();
            let mut missing = BTreeSet::new();
            for object in values(&objects) {
                let mut wanted = BTreeSet::new();
                references(&object, &mut wanted);
                // A revoked relationship may come before the campaign that is revoked with it.
                missing.extend(wanted);
                known.insert(object["id"].as_str().unwrap().to_owned());
            }
            assert!(missing.is_subset(&known), "{:?}", missing.difference(&known));
        }
    }
}

#[test]
fn a_partner_sees_its_own_platform_and_counts_of_the_rest() {
    let cluster = fixtures::cluster("c", 1);
    let case = released(&cluster);
    for (platform, own) in [("twitter", 10), ("bluesky", 2)] {
        let objects = publication(&case, &cluster, platform).objects();
        let text: String = objects.iter().map(|o| o.body.clone()).collect();
        for account in &cluster.accounts {
            let seen = text.contains(&account.account_id) || text.contains(&account.account_name);
            assert_eq!(seen, account.platform == platform, "{}", account.account_id);
        }
        let objects = values(&objects);
        assert_eq!(of(&objects, "indicator").len(), own);
        assert_eq!(of(&objects, "user-account").len(), own);
        let campaign = of(&objects, "campaign")[0];
        let elsewhere = &campaign["extensions"][EXTENSION]["accounts_elsewhere"][0];
        assert_eq!(elsewhere["accounts"], 12 - own);
        assert_eq!(elsewhere["pseudonyms"].as_array().unwrap().len(), 12 - own);
    }
    assert!(publication(&case, &cluster, "mastodon").objects().is_empty());
}

#[test]
fn pseudonyms_are_stable_for_a_partner_and_differ_between_partners() {
    let cluster = fixtures::cluster("c", 1);
    let case = released(&cluster);
    let account = &cluster.accounts[0];
    let one = publication(&case, &cluster, "bluesky");
    let two = Publication { pseudonym_key: b"another key", ..publication(&case, &cluster, "bluesky") };
    assert_eq!(one.pseudonym(account), one.pseudonym(account));
    assert_ne!(one.pseudonym(account), two.pseudonym(account));
    assert_eq!(one.pseudonym(account).len(), 32);
}

#[test]
fn accounts_have_the_ids_that_stix_prescribes() {
    let mut account = fixtures::cluster("c", 1).accounts[0].clone();
    account.platform = "twitter".to_owned();
    account.account_id = "12345".to_owned();
    let name = r#"{"account_type":"twitter","user_id":"12345"}"#;
    let expected = Uuid::new_v5(&OBSERVABLES, name.as_bytes());
    assert_eq!(user_account_id(&account), format!("user-account--{expected}"));
}

#[test]
fn objects_are_marked_and_say_that_action_is_voluntary() {
    let cluster = fixtures::cluster("c", 1);
    let case = released(&cluster);
    let objects = values(&publication(&case, &cluster, "twitter").objects());
    for object in &objects {
        if object["type"] != "marking-definition" {
            assert_eq!(object["object_marking_refs"].as_array().unwrap().len(), 1, "{object}");
        }
    }
    assert!(of(&objects, "note")[0]["content"].as_str().unwrap().contains("voluntary"));
    let indicator = of(&objects, "indicator")[0];
    assert_eq!(indicator["indicator_types"], json!(["anomalous-activity"]));
    assert_eq!(indicator["confidence"], 96);
    let finding = &indicator["extensions"][EXTENSION];
    assert_eq!(finding["review_state"], "released");
    assert!(finding["q_value_upper_bound"].as_f64().unwrap() < 1e-6);
}

#[test]
fn patterns_hold_against_quotes() {
    assert_eq!(pattern_text(r"a'b\c"), r"a\'b\\c");
}

#[test]
fn an_update_keeps_ids_renews_versions_and_withdraws_who_left() {
    let first = fixtures::cluster("c", 1);
    let mut second = fixtures::cluster("c", 2);
    let left = second.accounts.remove(0);
    second.ties.clear();
    let mut case = released(&first);
    let before = values(&publication(&case, &first, "twitter").objects());
    case.version = 2;
    let update = Publication { before: Some(&first), now: time(9), ..publication(&case, &second, "twitter") };
    let after = values(&update.objects());
    let versions = |objects: &[Value]| -> BTreeMap<String, Value> {
        of(objects, "indicator").iter().map(|o| (id_of(o), (*o).clone())).collect()
    };
    let (old, new) = (versions(&before), versions(&after));
    assert_eq!(old.keys().collect::<Vec<_>>(), new.keys().collect::<Vec<_>>());
    for (id, indicator) in &new {
        assert!(indicator["modified"].as_str() > old[id]["modified"].as_str());
        assert_eq!(indicator["created"], old[id]["created"]);
        let gone = indicator["pattern"].as_str().unwrap().contains(&left.account_id);
        assert_eq!(indicator.get("revoked").is_some(), gone);
    }
    // Should it come back, its indicator is a new one: what was revoked stays revoked.
    note_withdrawn(&mut case, &first, Some(&second));
    let again = Publication { before: Some(&second), now: time(12), ..publication(&case, &first, "twitter") };
    let again = versions(&values(&again.objects()));
    let fresh: Vec<&Value> = again.iter().filter(|(id, _)| !old.contains_key(*id)).map(|(_, o)| o).collect();
    assert_eq!(fresh.len(), 1);
    assert!(fresh[0]["pattern"].as_str().unwrap().contains(&left.account_id));
}

#[test]
fn a_retraction_revokes_every_indicator() {
    let cluster = fixtures::cluster("c", 1);
    let case = released(&cluster);
    let publication = Publication { before: Some(&cluster), now: time(20), ..publication(&case, &cluster, "twitter") };
    let objects = values(&publication.retraction());
    assert_eq!(of(&objects, "indicator").len(), 10);
    assert!(of(&objects, "indicator").iter().all(|o| o["revoked"] == true));
    assert!(of(&objects, "campaign").iter().all(|o| o["revoked"] == true));
}

/// Writes bundles and has the OASIS validator read them. Runs where `LOCKSTEP_STIX_VALIDATOR` names the program, which
/// `tests/stix/validate.sh` sees to.
#[test]
fn outside_the_oasis_validator_finds_no_error() {
    let Some(validator) = std::env::var_os("LOCKSTEP_STIX_VALIDATOR") else {
        eprintln!("skipped: run tests/stix/validate.sh to have the bundles validated");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let clusters = [fixtures::cluster("c", 1), fixtures::hostile("<b>"), fixtures::sized("big", 3, 60, 80)];
    for (number, cluster) in clusters.iter().enumerate() {
        let mut case = released(cluster);
        for demo in [false, true] {
            case.demo = demo;
            for tlp in [Tlp::Clear, Tlp::Green, Tlp::Amber, Tlp::AmberStrict, Tlp::Red] {
                let publication = Publication { tlp, before: Some(cluster), ..publication(&case, cluster, "twitter") };
                for (what, objects) in [("shared", publication.objects()), ("withdrawn", publication.retraction())] {
                    let bundle = json!({
                        "type": "bundle",
                        "id": format!("bundle--{}", Uuid::new_v4()),
                        "objects": values(&objects),
                    });
                    let name = format!("{number}-{demo}-{}-{what}.json", tlp.label().replace(':', "-"));
                    std::fs::write(folder.path().join(name), bundle.to_string()).unwrap();
                }
            }
        }
    }
    let output = std::process::Command::new(validator)
        .args(["--version", "2.1", "--enforce-refs"])
        .arg(folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
}
