//! Options of training, and errors of training.

use linfa::composing::platt_scaling::PlattError;

use crate::boost::{BoostError, Boosting};
use crate::features::Subject;
use crate::model::ModelError;

/// Options of training.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Whether rows are clusters or accounts.
    pub subject: Subject,
    /// Name of the model: its folder in `models/`.
    pub name: String,
    /// Version: the folder below.
    pub version: String,
    /// Origin of the labelled clusters, as text for the model card.
    pub data: String,
    /// The learner.
    pub learner: Learner,
    /// Wanted share of inauthentic clusters among flagged ones: the threshold is the least that
    /// achieves it on held-out rows.
    pub precision: f64,
    /// Share of inauthentic clusters expected in service; `None` means that of the training data.
    pub prior: Option<f64>,
}

/// The learner, before calibration.
#[derive(Debug, Clone, PartialEq)]
pub enum Learner {
    /// linfa's logistic regression on standardised features.
    Logistic {
        /// Strength of the L2 penalty, in units of one row's loss.
        alpha: f64,
    },
    /// Gradient-boosted trees, monotone in the direction of
    /// [`Feature::monotone`](crate::features::Feature::monotone).
    Boosted(Boosting),
}

impl Default for Learner {
    fn default() -> Self {
        Learner::Logistic { alpha: 1.0 }
    }
}

impl Learner {
    /// Trees with the usual settings: few and shallow, because there are few labelled clusters.
    pub fn boosted() -> Learner {
        Learner::boosted_of(Subject::Cluster)
    }

    /// The same for any subject.
    pub fn boosted_of(subject: Subject) -> Learner {
        let monotone = subject.features().iter().map(|feature| feature.monotone).collect();
        Learner::Boosted(Boosting { monotone, ..Boosting::default() })
    }

    pub(super) fn description(&self) -> &'static str {
        match self {
            Learner::Logistic { .. } => "linfa-logistic, L2, Platt-calibrated",
            Learner::Boosted(_) => "gradient-boosted trees, monotone where sense demands it, Platt-calibrated",
        }
    }
}

impl Options {
    /// The usual settings for a model of this name and version.
    pub fn new(name: &str, version: &str) -> Options {
        Options {
            subject: Subject::Cluster,
            name: name.to_owned(),
            version: version.to_owned(),
            data: "synthetic: clusters that the engine found in simulated worlds".to_owned(),
            learner: Learner::default(),
            precision: 0.95,
            prior: None,
        }
    }
}

/// Why a model could not be trained.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// There are not rows of both labels.
    #[error("{inauthentic} inauthentic and {organic} organic clusters: there must be some of both")]
    Labels {
        /// Inauthentic rows.
        inauthentic: usize,
        /// Organic rows.
        organic: usize,
    },
    /// Calibration needs rows that the fit has not seen, of both labels.
    #[error(
        "{0} worlds and seeds: with each held out in turn, both labels must be among the rest and among those scored; \
         add worlds or seeds"
    )]
    Groups(usize),
    /// A row does not have as many values as there are features.
    #[error("{cluster_id} has {found} values, there are {expected} features")]
    Width {
        /// The row.
        cluster_id: String,
        /// Its values.
        found: usize,
        /// The subject's features.
        expected: usize,
    },
    /// A value is so large that a model trained on it could not be written.
    #[error("{cluster_id}: {feature} is {value:e}; values must be between -1e100 and 1e100")]
    TooLarge {
        /// The row.
        cluster_id: String,
        /// The feature.
        feature: &'static str,
        /// Its value.
        value: f64,
    },
    /// A setting is out of range.
    #[error("{setting} is {value}; it must be {expected}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// Its value.
        value: f64,
        /// The allowed values.
        expected: &'static str,
    },
    /// The scores of held-out rows do not rise with the label: such a model must not be used.
    #[error(
        "on worlds held out the scores do not tell inauthentic from organic (Platt's slope is {0:.3}, not negative)"
    )]
    NoSkill(f64),
    /// linfa could not fit.
    #[error("cannot fit: {0}")]
    Fit(#[from] linfa_logistic::error::Error),
    /// The trees could not be fitted.
    #[error("cannot fit trees: {0}")]
    Boost(#[from] BoostError),
    /// linfa could not calibrate.
    #[error("cannot calibrate: {0}")]
    Calibrate(#[from] PlattError),
    /// The artefact could not be created.
    #[error("cannot encode the model: {0}")]
    Encode(#[from] serde_json::Error),
    /// Name or version is invalid.
    #[error(transparent)]
    Model(#[from] ModelError),
}
