//! linfa models. Questions: is a coordinated cluster inauthentic, and is an account?
//!
//! The engine in `coordination` says *that* accounts act together; a model here says how likely it
//! is that they are inauthentic. The path of a cluster: [`features::values`] turns it into numbers
//! about behaviour, [`Model::verdict`] turns those into a calibrated log-odds with the contribution
//! of each feature, and a person reads the reasons. [`features::account_values`] and
//! [`Model::verdict_on_account`] do the same for an account with any evidence against it: each
//! [`Subject`] has its own table of features, and a model has one subject.
//!
//! Models come from labelled clusters or accounts: [`Row`]s are collected in a [`Dataset`],
//! [`train`]ed with linfa, calibrated on held-out worlds, [saved](TrainedModel::save) with manifest
//! and model card under `models/<name>/<version>/`, and found by the [`Registry`].
//!
//! In service, a model decides as a [`ModelJudge`] which groups the engine flags, and [`drift`]
//! measures how far the judged data differ from the model's training data.
//!
//! A verdict is never a decision: single-source clusters must not be flagged whatever a model says,
//! and people decide what is shared with whom.

pub mod boost;
mod card;
mod dataset;
pub mod drift;
pub mod features;
mod fit;
mod judge;
mod metrics;
mod model;
mod registry;
mod rounding;
mod row;
#[cfg(test)]
mod sample;
mod summary;
mod table;

pub use dataset::Dataset;
pub use features::{Named, Subject, SuspectAccount};
pub use fit::{Learner, Options, TrainError, TrainedModel, train};
pub use judge::ModelJudge;
pub use metrics::Metrics;
pub use model::{Calibration, Manifest, Model, ModelError, Settings, TrainingData};
pub use registry::{Change, ChangeKind, Entry, Listed, ModelName, Registry};
pub use row::{Folds, LabelSource, Origin, Row};
pub use summary::{FeatureSummary, FoldSummary, GroupSummary, Summary};
pub use table::DatasetError;

/// A model's verdict on one cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Calibrated log-odds in nats: the model's intercept plus the contributions of `reasons`,
    /// added in their order.
    pub score: f64,
    /// The model's intercept in nats, calibrated: the score of a cluster without evidence in either
    /// direction.
    pub intercept: f64,
    /// Calibrated probability that the coordination is inauthentic: 1 / (1 + exp(-score)).
    pub probability: f64,
    /// At or above the model's threshold and, for a group, with plain behaviour: see
    /// [`Model::verdict`].
    pub inauthentic: bool,
    /// At or above the model's threshold, but not inauthentic, because the group's behaviour is not
    /// plain.
    pub held_back: bool,
    /// Every feature that moved the score, largest absolute contribution first; then the features
    /// that were not known.
    pub reasons: Vec<Reason>,
    /// Name of the model, as in the registry.
    pub model: String,
    /// Version of the model.
    pub version: String,
}

/// One feature's contribution to a verdict.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    /// The feature's name.
    pub feature: &'static str,
    /// Its value, in the feature's unit; `None` if it was not known.
    pub value: Option<f64>,
    /// Signed contribution to the score, in nats; 0 if the value was not known.
    pub contribution: f64,
    /// The reason as a sentence for a reviewer.
    pub text: String,
}
