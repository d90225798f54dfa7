//! How a model came about: `manifest.json`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::MANIFEST_FILE;
use super::files::{ModelError, corrupt, read};
use crate::boost::Boosting;
use crate::features::Subject;
use crate::metrics::Metrics;

/// How a model came about: `manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What it judges; manifests of models of clusters say nothing.
    #[serde(default, skip_serializing_if = "Subject::is_cluster")]
    pub subject: Subject,
    /// Name of the model.
    pub name: String,
    /// Version of the model.
    pub version: String,
    /// The learner.
    pub learner: String,
    /// Version of the code that fitted it.
    pub code_version: String,
    /// Features in the order of the weights.
    pub features: Vec<String>,
    /// [`Subject::schema_hash`] at the time.
    pub feature_schema: String,
    /// Probability from which a cluster is called inauthentic.
    pub threshold: f64,
    /// What it was fitted on.
    pub training: TrainingData,
    /// How it was fitted.
    pub settings: Settings,
    /// How its scores became probabilities.
    pub calibration: Calibration,
    /// Figures on rows held out by world and seed.
    pub held_out: Metrics,
    /// Figures on rows held out by world: every seed of a kind of world at once. `None` where there is one world only.
    pub held_out_worlds: Option<Metrics>,
    /// Average precision on the held-out rows of the evidence alone, without any model: of clusters nats a trial, of accounts log-e.
    #[serde(alias = "baseline_log_e")]
    pub baseline_evidence: f64,
    /// The same of the one number by which a rule would decide: of clusters the share of own words repeated, of accounts the engine's
    /// ranking. Manifests of older models have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline_rule: Option<f64>,
    /// Average precision on the held-out rows of the number of accounts alone; of single accounts that is chance.
    pub baseline_size: f64,
    /// Checksum of the model that this describes.
    pub model_checksum: String,
}

/// What a model was fitted on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingData {
    /// In words: where the labelled clusters come from.
    pub description: String,
    /// [`crate::Dataset::fingerprint`].
    pub fingerprint: String,
    /// Number of labelled clusters.
    pub rows: usize,
    /// Inauthentic ones among them.
    pub inauthentic: usize,
    /// Distinct campaigns and organic groups.
    pub campaigns: usize,
    /// Worlds or collections, in alphabetical order.
    pub worlds: Vec<String>,
    /// Distinct seeds.
    pub seeds: usize,
}

/// How a model was fitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Strength of the L2 penalty on the weights of standardised features, where the model is logistic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    /// Settings of the trees, where the model has trees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boosting: Option<Boosting>,
    /// Precision that the threshold was chosen for.
    pub precision: f64,
    /// Share of inauthentic clusters expected in service; `None` takes the training data's.
    pub prior: Option<f64>,
}

/// How raw scores became calibrated log-odds: -(a * raw + b) + prior_shift.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Platt's slope; negative.
    pub a: f64,
    /// Platt's offset.
    pub b: f64,
    /// Difference of the log-odds of `prior` and of the training data (King and Zeng 2001).
    pub prior_shift: f64,
}

impl Manifest {
    /// Reads the manifest in a version's folder.
    ///
    /// # Errors
    /// [`ModelError::Io`] and [`ModelError::Corrupt`].
    pub fn load(dir: &Path) -> Result<Manifest, ModelError> {
        let path = dir.join(MANIFEST_FILE);
        serde_json::from_slice(&read(&path)?).map_err(|e| corrupt(&path, format!("not a manifest: {e}")))
    }
}
