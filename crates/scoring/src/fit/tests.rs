use super::*;
use crate::sample::{account_rows, cluster, rows};

fn options() -> Options {
    Options::new("cluster", "1")
}

#[test]
fn the_same_rows_give_the_same_bytes_in_any_order() {
    let rows = rows(0.4);
    let one = train(&rows, &options()).unwrap();
    let mut shuffled = rows;
    fastrand::Rng::with_seed(3).shuffle(&mut shuffled);
    assert_eq!(train(&shuffled, &options()).unwrap(), one);
}

#[test]
fn inauthentic_scores_above_organic_whichever_is_the_larger_class() {
    for flip in [false, true] {
        let mut rows = rows(0.2);
        for row in &mut rows {
            row.origin.inauthentic ^= flip;
        }
        let trained = train(&rows, &options()).unwrap();
        let mean = |label: bool| {
            let scores = rows
                .iter()
                .filter(|r| r.origin.inauthentic == label)
                .map(|r| trained.model.verdict_on(&r.values).score);
            let scores: Vec<f64> = scores.collect();
            scores.iter().sum::<f64>() / scores.len() as f64
        };
        assert!(mean(true) > mean(false) + 1.0, "flipped {flip}: {} and {}", mean(true), mean(false));
        assert!(trained.manifest.held_out.roc_auc > 0.8, "{:?}", trained.manifest.held_out);
    }
}

#[test]
fn probabilities_are_calibrated_on_clusters_not_seen() {
    let trained = train(&rows(0.4), &options()).unwrap();
    let fresh: Vec<(f64, bool)> = (0..600)
        .map(|n| {
            let inauthentic = n % 3 == 0;
            (trained.model.verdict(&cluster(inauthentic, 0.4, 50_000 + n)).probability, inauthentic)
        })
        .collect();
    let metrics = measure(&fresh, trained.model.threshold()).unwrap();
    assert!(metrics.calibration_error < 0.1, "{metrics:?}");
    assert!(metrics.roc_auc > 0.7, "{metrics:?}");
    let held_out = trained.manifest.held_out;
    assert!((metrics.roc_auc - held_out.roc_auc).abs() < 0.08, "{metrics:?} {held_out:?}");
}

#[test]
fn a_rarer_class_in_service_lowers_every_probability() {
    let rows = rows(0.4);
    let as_trained = train(&rows, &options()).unwrap();
    let rare = train(&rows, &Options { prior: Some(0.01), ..options() }).unwrap();
    let share: f64 = 80.0 / 240.0;
    let shift = (0.01f64 / 0.99).ln() - (share / (1.0 - share)).ln();
    for row in &rows {
        let difference = rare.model.verdict_on(&row.values).score - as_trained.model.verdict_on(&row.values).score;
        assert!((difference - shift).abs() < 1e-9);
    }
}

#[test]
fn labels_without_meaning_give_no_model_worth_having() {
    let mut rows = rows(0.0);
    let mut dice = fastrand::Rng::with_seed(9);
    for row in &mut rows {
        row.origin.inauthentic = dice.f64() < 0.5;
    }
    match train(&rows, &options()) {
        Err(TrainError::NoSkill(_)) => {}
        Ok(trained) => assert!(trained.manifest.held_out.roc_auc < 0.65, "{:?}", trained.manifest.held_out),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn rows_that_cannot_be_learnt_from_are_refused_with_the_reason() {
    let refuse = |rows: &[Row], options: &Options| train(rows, options).unwrap_err().to_string();
    assert_eq!(refuse(&[], &options()), "0 inauthentic and 0 organic clusters: there must be some of both");
    let mut one_group = rows(0.2);
    for row in &mut one_group {
        (row.origin.world, row.origin.seed) = ("mixed".to_owned(), 1);
    }
    assert!(refuse(&one_group, &options()).starts_with("1 worlds and seeds: "));
    let mut narrow = rows(0.2);
    narrow[0].values.pop();
    assert!(refuse(&narrow, &options()).contains("has 45 values, there are 46 features"));
    let bad = Options { learner: Learner::Logistic { alpha: 0.0 }, ..options() };
    assert_eq!(refuse(&rows(0.2), &bad), "alpha is 0; it must be from 0.000001 to 1000000");
    let bad = Options { version: "../1".to_owned(), ..options() };
    assert!(refuse(&rows(0.2), &bad).starts_with("\"../1\" cannot be a model's name or version"));
}

#[test]
fn features_that_never_vary_or_are_never_known_do_no_harm() {
    let mut rows = rows(0.2);
    for row in &mut rows {
        row.values[0] = Some(3.0);
        row.values[1] = None;
    }
    let trained = train(&rows, &options()).unwrap();
    let mut values = rows[0].values.clone();
    let before = trained.model.verdict_on(&values).score;
    values[0] = Some(1e9);
    values[1] = Some(-1e9);
    assert_eq!(trained.model.verdict_on(&values).score, before);
}

#[test]
fn a_version_never_changes_once_saved() {
    let models = tempfile::tempdir().unwrap();
    let trained = train(&rows(0.4), &options()).unwrap();
    let dir = trained.save(models.path()).unwrap();
    assert_eq!(trained.save(models.path()).unwrap(), dir);
    let other = train(&rows(0.2), &options()).unwrap();
    let error = other.save(models.path()).unwrap_err().to_string();
    assert!(error.ends_with("holds another model; choose another version"), "{error}");
    assert_eq!(Model::load(&dir).unwrap(), trained.model);
}

#[test]
fn the_card_says_what_a_reader_must_know() {
    let models = tempfile::tempdir().unwrap();
    let dir = train(&rows(0.4), &options()).unwrap().save(models.path()).unwrap();
    let card = fs::read_to_string(dir.join("card.md")).unwrap();
    for part in ["## Intended use", "Synthetic:", "Labelled clusters: 240, 80 of them", "## Limits", "`tie_density`"] {
        assert!(card.contains(part), "{part} is missing in\n{card}");
    }
    assert!(!card.contains("NaN") && !card.contains(" inf"), "{card}");
}

#[test]
fn trees_are_trained_saved_and_explained_as_the_logistic_model_is() {
    let rows = rows(0.3);
    let options = Options { learner: Learner::boosted(), ..options() };
    let trained = train(&rows, &options).unwrap();
    assert!(trained.manifest.held_out.roc_auc > 0.8, "{:?}", trained.manifest.held_out);
    let dir = tempfile::tempdir().unwrap();
    let folder = trained.save(dir.path()).unwrap();
    let loaded = Model::load(&folder).unwrap();
    for row in &rows {
        let verdict = loaded.verdict_on(&row.values);
        let sum: f64 = verdict.reasons.iter().map(|reason| reason.contribution).sum();
        let base = verdict.score - sum;
        assert!(
            (base - loaded.verdict_on(&rows[0].values).score
                + loaded.verdict_on(&rows[0].values).reasons.iter().map(|r| r.contribution).sum::<f64>())
            .abs()
                < 1e-9
        );
        assert_eq!(verdict, trained.model.verdict_on(&row.values));
    }
    let card = std::fs::read_to_string(folder.join("card.md")).unwrap();
    assert!(card.contains("| Splits |") && card.contains("trees of depth 3"), "{card}");
    let broken = std::fs::read_to_string(folder.join("model.json")).unwrap().replace("\"format\": 2", "\"format\": 1");
    std::fs::write(folder.join("model.json"), broken).unwrap();
    assert!(Model::load(&folder).unwrap_err().to_string().contains("trees"));
}

#[test]
fn a_row_without_weight_is_as_if_it_were_not_there() {
    let rows = rows(0.3);
    for learner in [Learner::default(), Learner::boosted()] {
        let options = Options { learner, ..options() };
        let mut muted = rows.clone();
        // Wrong labels, but their rows have no weight.
        for row in muted.iter_mut().step_by(3).filter(|row| row.origin.seed == 0) {
            row.origin.inauthentic ^= true;
            row.origin.weight = 0.0;
        }
        let kept: Vec<Row> = muted.iter().filter(|row| row.origin.weight > 0.0).cloned().collect();
        assert_eq!(train(&muted, &options).unwrap(), train(&kept, &options).unwrap());
    }
}

#[test]
fn a_model_of_accounts_is_trained_saved_and_kept_apart() {
    let rows = account_rows();
    for learner in [Learner::default(), Learner::boosted_of(Subject::Account)] {
        let options = Options { subject: Subject::Account, learner, ..Options::new("account", "1") };
        let trained = train(&rows, &options).unwrap();
        assert!(trained.manifest.held_out.roc_auc > 0.7, "{:?}", trained.manifest.held_out);
        // All accounts have one size, so this is chance.
        assert!((trained.manifest.baseline_size - 80.0 / 240.0).abs() < 1e-6);
        let dir = tempfile::tempdir().unwrap();
        let folder = trained.save(dir.path()).unwrap();
        let loaded = Model::load(&folder).unwrap();
        assert_eq!((&loaded, loaded.subject()), (&trained.model, Subject::Account));
        assert_eq!(Manifest::load(&folder).unwrap().subject, Subject::Account);
        let text = std::fs::read_to_string(folder.join(MODEL_FILE)).unwrap();
        assert!(text.contains("\"subject\": \"account\"") && text.contains(&Subject::Account.schema_hash()));
        let card = std::fs::read_to_string(folder.join("card.md")).unwrap();
        assert!(card.contains("Labelled accounts: 240, 80 of them") && card.contains("`suspicion`"), "{card}");
        assert!(!card.contains("number of accounts alone"), "{card}");
        assert_eq!(
            loaded.of(Subject::Cluster).unwrap_err().to_string(),
            "account 1 is a model of accounts and cannot judge clusters; choose another one"
        );
        // It cannot judge clusters, and its verdict on one shows that nothing is known.
        let nothing = trained.model.verdict(&cluster(true, 0.0, 1));
        assert!(nothing.reasons.iter().all(|reason| reason.value.is_none()));
    }
    let wrong = train(&rows, &self::options()).unwrap_err().to_string();
    assert_eq!(wrong, "cluster x:a0 has 10 values, there are 46 features");
}

#[test]
fn models_of_clusters_say_no_subject() {
    let (bytes, _) = train(&rows(0.4), &options()).unwrap().model.encode().unwrap();
    assert!(!String::from_utf8(bytes).unwrap().contains("subject"), "files written before must keep their checksum");
}
