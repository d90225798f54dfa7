use std::fs;

use coordination::TraceKind;

use super::*;
use crate::sample::{cluster, rows};
use crate::{Options, TrainedModel, train};

fn trained() -> TrainedModel {
    train(&rows(0.4), &Options::new("cluster", "1")).unwrap()
}

/// Saves a model, changes its file, and returns the error of loading it.
fn refusal(change: impl Fn(String) -> String) -> String {
    let models = tempfile::tempdir().unwrap();
    let dir = trained().save(models.path()).unwrap();
    let path = dir.join(MODEL_FILE);
    let text = fs::read_to_string(&path).unwrap();
    let changed = change(text.clone());
    assert_ne!(changed, text, "the change must change something");
    fs::write(&path, changed).unwrap();
    let error = Model::load(&dir).unwrap_err().to_string();
    error.replace(&format!("{}: ", path.display()), "")
}

/// Rewrites the checksum as well, as someone who edits a model by hand might.
fn rechecked(text: &str) -> String {
    let mut value: serde_json::Value = serde_json::from_str(text).unwrap();
    let model: Model = serde_json::from_value(value["model"].clone()).unwrap();
    value["checksum"] = model.checksum().unwrap().into();
    value.to_string()
}

#[test]
fn contributions_sum_to_the_score_exactly() {
    let model = trained().model;
    for seed in 0..50 {
        let verdict = model.verdict(&cluster(seed % 2 == 0, 0.3, 1_000 + seed));
        let sum = verdict.reasons.iter().fold(model.intercept, |sum, reason| sum + reason.contribution);
        assert_eq!(sum.to_bits(), verdict.score.to_bits());
        assert_eq!(verdict.probability, 1.0 / (1.0 + (-verdict.score).exp()));
        assert_eq!(verdict.inauthentic, verdict.probability >= model.threshold());
        assert!(verdict.reasons.is_sorted_by(|a, b| a.contribution.abs() >= b.contribution.abs()));
    }
}

#[test]
fn a_value_that_is_not_known_counts_neither_way() {
    let model = trained().model;
    let nothing = model.verdict_on(&[]);
    assert_eq!(nothing.score, model.intercept);
    assert!(nothing.reasons.iter().all(|r| r.value.is_none() && r.contribution == 0.0));
    assert!(nothing.reasons[0].text.ends_with("is not known and counts neither way"), "{}", nothing.reasons[0].text);
}

#[test]
fn a_value_beyond_training_counts_as_the_nearest_seen() {
    let model = trained().model;
    for (at, term) in model.terms.iter().enumerate() {
        let score = |value: f64| {
            let mut values = vec![None; model.terms.len()];
            values[at] = Some(value);
            model.verdict_on(&values).score
        };
        assert_eq!(score(1e300), score(term.most));
        assert_eq!(score(-1e300), score(term.least));
    }
}

#[test]
fn reasons_are_words_for_a_reviewer() {
    let model = trained().model;
    let verdict = model.verdict(&cluster(true, 0.0, 4_711));
    let reason = verdict.reasons.iter().find(|r| r.feature == "delay_p50").unwrap();
    assert!(
        reason.text.starts_with("the time between members acting on the same object, in half of the cases, is ")
            && reason.text.contains("(the average group in training has ")
            && reason.text.contains(&format!("raises the score by {:.2}", reason.contribution)),
        "{}",
        reason.text
    );
}

#[test]
fn a_saved_model_reads_back_whole() {
    let models = tempfile::tempdir().unwrap();
    let trained = trained();
    let dir = trained.save(models.path()).unwrap();
    assert_eq!(Model::load(&dir).unwrap(), trained.model);
    assert_eq!(Manifest::load(&dir).unwrap(), trained.manifest);
    let bytes = fs::read(dir.join(MODEL_FILE)).unwrap();
    assert_eq!(Model::from_bytes(&bytes).unwrap(), trained.model);
}

#[test]
fn a_damaged_model_is_refused_with_the_reason() {
    let cut = |text: String| text[..text.len() / 2].to_owned();
    assert!(refusal(cut).starts_with("not JSON: EOF"), "{}", refusal(cut));
    assert_eq!(
        refusal(|text| text.replace(MAGIC, "lockstep-muddle")),
        "not a Lockstep model; restore the file or train the model again"
    );
    assert_eq!(
        refusal(|text| text.replace("\"format\": 1", "\"format\": 3")),
        "model format 3, this version reads 1 and 2; train the model again"
    );
    assert_eq!(
        refusal(|text| text.replacen("\"threshold\": 0.", "\"threshold\": 0.1", 1)),
        "its checksum does not match its content; restore the file or train the model again"
    );
    let unknown = refusal(|text| text.replacen("\"golden\"", "\"gilded\"", 1));
    assert!(unknown.starts_with("not a model: unknown field `gilded`"), "{unknown}");
}

#[test]
fn every_changed_digit_is_noticed() {
    let (bytes, checksum) = trained().model.encode().unwrap();
    let path = Path::new(MODEL_FILE);
    let (model, _) = Model::decode(&bytes, path).unwrap();
    let digits = (0..bytes.len()).filter(|&at| bytes[at].is_ascii_digit()).step_by(7);
    for at in digits {
        let mut damaged = bytes.clone();
        damaged[at] = if damaged[at] == b'9' { b'8' } else { damaged[at] + 1 };
        if let Ok((read, sum)) = Model::decode(&damaged, path) {
            assert_eq!((&read, &sum), (&model, &checksum), "byte {at}");
        }
    }
}

#[test]
fn another_feature_list_is_refused_by_name() {
    let renamed = refusal(|text| rechecked(&text.replace("\"tie_density\"", "\"sentiment\"")));
    assert_eq!(renamed, "fitted on other features: missing tie_density; unknown sentiment; train the model again");
    let redefined = refusal(|text| rechecked(&text.replace("pairs of members with a tie of any kind", "tied pairs")));
    assert!(
        redefined
            .contains("tie_density is now pairs of members with a tie of any kind / pairs of members (share), was tied pairs / pairs of"),
        "{redefined}"
    );
}

#[test]
fn a_model_that_scores_otherwise_is_refused() {
    let edited = refusal(|text| {
        let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
        value["model"]["intercept"] = 42.0.into();
        rechecked(&value.to_string())
    });
    assert!(edited.starts_with("a golden row scores "), "{edited}");
}

#[test]
fn a_manifest_of_another_model_is_refused() {
    let models = tempfile::tempdir().unwrap();
    let one = trained().save(models.path()).unwrap();
    let other = train(&rows(0.2), &Options::new("cluster", "2")).unwrap().save(models.path()).unwrap();
    fs::copy(one.join(MANIFEST_FILE), other.join(MANIFEST_FILE)).unwrap();
    let error = Model::load(&other).unwrap_err().to_string();
    assert!(error.contains("describes another model than the one beside it"), "{error}");
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for name in ["", "..", "../x", "a/b", "A", "-x", "x y"] {
        assert!(check_name(name).is_err(), "{name}");
    }
    assert!(check_name("cluster-2026.1_a").is_ok());
}

#[test]
fn reposts_of_unknown_authors_alone_make_nobody_inauthentic() {
    let mut group = crate::sample::cluster(true, 0.0, 1);
    group.terms.bar = 6.0;
    let parts = group.evidence.len();
    for (n, evidence) in group.evidence.iter_mut().enumerate() {
        (evidence.kind, evidence.key, evidence.nats) = (TraceKind::Repost, format!("x:{n}"), [10.0; 3]);
        (evidence.source, evidence.source_kind) = ("x:ann".to_owned(), TraceKind::Repost);
    }
    for window in &mut group.windows {
        window.nats = 10.0 * parts as f64 - 3.0;
    }
    let nameless = |group: &Cluster, some: usize| {
        let mut group = group.clone();
        group.evidence.iter_mut().take(some).for_each(|evidence| evidence.source = evidence.key.clone());
        group
    };
    assert!(is_plain(&group) && is_plain(&nameless(&group, parts - 1)));
    assert!(!is_plain(&nameless(&group, parts)));
    // Parts that are not listed are assumed to be like the listed ones.
    group.unlisted.nats = [20.0; 3];
    group.windows.iter_mut().for_each(|window| window.nats += 20.0);
    assert!(is_plain(&group) && is_plain(&nameless(&group, 1)) && !is_plain(&nameless(&group, parts)));
}
