//! linfa models: is a coordinated cluster inauthentic, and is an account?
//!
//! The engine in `coordination` says *that* accounts act together; a model here says how likely it is that they are not
//! what they seem. A cluster's journey: [`features::values`] turns it into numbers about behaviour, [`Model::verdict`]
//! turns those into a calibrated log-odds with the part that each feature had in it, and a person reads the reasons.
//! [`features::account_values`] and [`Model::verdict_on_account`] do the same for an account with any evidence against it: a [`Subject`] has
//! a table of features of its own, and a model is of one subject.
//!
//! Models come from labelled clusters or accounts: [`Row`]s gathered in a [`Dataset`], [`train`]ed with linfa, calibrated on worlds
//! held out, [saved](TrainedModel::save) with manifest and model card under `models/<name>/<version>/`, and found again by
//! the [`Registry`].
//!
//! In service a [`ModelJudge`] lets a model decide which groups the engine flags, and [`drift`] says how far what is judged has moved away from what a model was trained on.
//!
//! A verdict is never a decision: clusters whose finding is single-source must not be flagged whatever a model says, and
//! what is shared with whom is for people to decide.

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

/// What a model says of one cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Calibrated log-odds in nats: the model's intercept plus the contributions of `reasons`, added in their order.
    pub score: f64,
    /// The model's intercept in nats, calibrated: the score of a cluster of which nothing speaks either way.
    pub intercept: f64,
    /// Calibrated probability that the coordination is inauthentic: 1 / (1 + exp(-score)).
    pub probability: f64,
    /// At or above the model's threshold, and of a group: its behaviour is plain, see [`Model::verdict`].
    pub inauthentic: bool,
    /// At or above the model's threshold, and not inauthentic all the same: the group's behaviour is not plain.
    pub held_back: bool,
    /// Every feature that moved the score, largest absolute contribution first; then those that were not known.
    pub reasons: Vec<Reason>,
    /// Name of the model, as in the registry.
    pub model: String,
    /// Version of the model.
    pub version: String,
}

/// One feature's part in a verdict.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    /// The feature's name.
    pub feature: &'static str,
    /// Its value, in the feature's unit; `None` where it was not known.
    pub value: Option<f64>,
    /// Signed contribution to the score, in nats; 0 where the value was not known.
    pub contribution: f64,
    /// The same in words for a reviewer.
    pub text: String,
}
