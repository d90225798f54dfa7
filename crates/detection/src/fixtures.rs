//! Models for tests, of this crate and of those that use it.

use std::path::Path;

use scoring::{Folds, LabelSource, Learner, Options, Origin, Row, features::FEATURES, train};

/// Trains a model that calls every cluster inauthentic, or none: its training data has only one of
/// the two labels for evidence as strong as the engine requires.
pub fn put_model(models: &Path, version: &str, flags: bool) {
    let rows: Vec<Row> = (0..200).map(|n| row(n, flags)).collect();
    let mut options = Options::new("cluster", version);
    options.learner = Learner::Logistic { alpha: 0.1 };
    train(&rows, &options).unwrap().save(models).unwrap();
}

fn row(n: u64, flags: bool) -> Row {
    let strong = n.is_multiple_of(2);
    let evidence = if strong { 2.0 } else { -6.0 } + (n % 7) as f64 / 100.0;
    let mut values = vec![None; FEATURES.len()];
    (values[0], values[1]) = (Some(evidence), Some(evidence));
    Row {
        cluster_id: format!("made-{n}"),
        origin: Origin {
            inauthentic: strong == flags,
            label_source: LabelSource::Simulator,
            weight: 1.0,
            campaign: format!("group-{}", n % 20),
            benign_class: String::new(),
            world: "made".to_owned(),
            seed: n % 5,
            language: String::new(),
        },
        at_ms: 0,
        accounts: 5,
        platform: "x".to_owned(),
        folds: Folds::default(),
        values,
    }
}
