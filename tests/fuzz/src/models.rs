//! What a data scientist brings: a model's file, its trees, a table of labelled clusters.

use ndarray::array;
use scoring::boost::Boosted;
use scoring::{Dataset, Model};

/// A model's file, and trees without the checksum that guards them in one.
pub(crate) fn models(data: &[u8]) {
    if let Err(refused) = Model::from_bytes(data) {
        assert!(!refused.to_string().is_empty());
    }
    let Ok(trees) = serde_json::from_slice::<Boosted>(data) else { return };
    if !trees.is_sound(4) {
        return;
    }
    for row in [array![0.0, 0.5, 1.0, -1.0], array![f64::NAN, 2.0, f64::NAN, 1e9]] {
        let score = trees.score(row.view());
        let (base, parts) = trees.contributions(row.view());
        let sum = base + parts.iter().sum::<f64>();
        let size = 1.0 + score.abs() + base.abs() + parts.iter().map(|part| part.abs()).sum::<f64>();
        assert!(!sum.is_finite() || !score.is_finite() || (sum - score).abs() <= 1e-6 * size, "{sum} is not {score}");
    }
}

/// A dataset as CSV: what is accepted reads back the same.
pub(crate) fn datasets(data: &[u8]) {
    match Dataset::read_csv(data) {
        Ok(dataset) => {
            let mut written = Vec::new();
            dataset.write_csv(&mut written).expect("memory can be written to");
            assert_eq!(Dataset::read_csv(&written[..]).expect("what was written can be read"), dataset);
            Dataset::split(&dataset.rows).fingerprint();
        }
        Err(refused) => assert!(!refused.to_string().is_empty()),
    }
}
