//! The origin of a model: `manifest.json`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::MANIFEST_FILE;
use super::files::{ModelError, corrupt, read};
use crate::boost::Boosting;
use crate::features::Subject;
use crate::metrics::Metrics;

/// The origin of a model: `manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The subject; manifests of models of clusters do not contain it.
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
    /// Its training data.
    pub training: TrainingData,
    /// Its settings.
    pub settings: Settings,
    /// How scores became probabilities.
    pub calibration: Calibration,
    /// Figures on rows held out by world and seed.
    pub held_out: Metrics,
    /// Figures on rows held out by world: all seeds of a kind of world at once. `None` if there is
    /// only one world.
    pub held_out_worlds: Option<Metrics>,
    /// Average precision on the held-out rows of the evidence alone, without any model: for
    /// clusters nats per trial, for accounts log-e.
    #[serde(alias = "baseline_log_e")]
    pub baseline_evidence: f64,
    /// The same for the one number by which a rule would decide: for clusters the share of repeated
    /// own words, for accounts the engine's ranking. Manifests of older models do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline_rule: Option<f64>,
    /// Average precision on the held-out rows of the number of accounts alone; for single accounts
    /// that is chance.
    pub baseline_size: f64,
    /// Checksum of the model that this manifest describes.
    pub model_checksum: String,
}

/// The training data of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingData {
    /// Origin of the labelled clusters, as text.
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

/// The settings of a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Strength of the L2 penalty on the weights of standardised features, if the model is
    /// logistic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    /// Settings of the trees, if the model has trees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boosting: Option<Boosting>,
    /// Precision that the threshold was chosen for.
    pub precision: f64,
    /// Share of inauthentic clusters expected in service; `None` means that of the training data.
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
