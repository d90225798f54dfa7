//! What explanations of all versions have in common: numbers held against those recorded, and the model's score.

use serde::Serialize;

/// Recorded numbers are rounded to 1e-9 nats. Further apart than this, in nats, is a contradiction.
pub const TOLERANCE: f64 = 1e-6;

const NO_INTERCEPT: &str = "the model's intercept is not in this line, which an older version of Lockstep wrote";

/// A recorded number and the same worked out again: nats, or a probability.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figure {
    /// In the message.
    pub recorded: f64,
    /// From the evidence.
    pub recomputed: Option<f64>,
    /// Why it cannot be worked out again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why_not: Option<&'static str>,
}

impl Figure {
    pub(super) fn new(recorded: f64, recomputed: f64) -> Figure {
        Figure { recorded, recomputed: Some(recomputed), why_not: None }
    }

    pub(super) fn unknown(recorded: f64, why_not: &'static str) -> Figure {
        Figure { recorded, recomputed: None, why_not: Some(why_not) }
    }

    /// Whether both numbers are the same, or there is but one.
    pub fn agrees(&self) -> bool {
        self.recomputed.is_none_or(|recomputed| same(recomputed, self.recorded))
    }

    pub(super) fn contradiction(&self, what: &str) -> Option<String> {
        let recomputed = self.recomputed.filter(|_| !self.agrees())?;
        Some(format!("{what}: {:.9} nats are recorded, but it comes to {recomputed:.9}", self.recorded))
    }
}

/// Written so that a number that is none agrees with nothing.
pub(super) fn same(a: f64, b: f64) -> bool {
    (a - b).abs() <= TOLERANCE
}

/// What a model says of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    /// The model's log-odds: `intercept` and what the reasons add.
    pub score: Figure,
    /// The model's log-odds before it knows anything of the cluster, nats; `None` in messages of older versions.
    pub intercept: Option<f64>,
    /// What moved the score, in the order of the message.
    pub reasons: Vec<Reason>,
    /// 1 / (1 + exp(-score)).
    pub probability: Figure,
}

/// What moved the score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reason {
    /// The feature.
    pub feature: String,
    /// Its value, in the feature's unit; `None` where not known.
    pub value: Option<f64>,
    /// What it adds to the score, nats.
    pub contribution: f64,
}

impl Score {
    pub(super) fn of(
        (score, intercept, probability): (f64, Option<f64>, f64),
        reasons: &[messages::cluster::Reason],
        contradictions: &mut Vec<String>,
    ) -> Score {
        let added = reasons.iter().map(|reason| reason.contribution).sum::<f64>();
        let comes_to = 1.0 / (1.0 + (-score).exp());
        let score = match intercept {
            Some(intercept) => Figure::new(score, intercept + added),
            None => Figure::unknown(score, NO_INTERCEPT),
        };
        contradictions.extend(score.contradiction("score"));
        let probability = Figure::new(probability, comes_to);
        if !probability.agrees() {
            contradictions.push(format!(
                "probability: {:.9} is recorded, but the score gives {comes_to:.9}",
                probability.recorded
            ));
        }
        let reason = |reason: &messages::cluster::Reason| Reason {
            feature: reason.feature.clone(),
            value: reason.value,
            contribution: reason.contribution,
        };
        Score { score, intercept, reasons: reasons.iter().map(reason).collect(), probability }
    }
}

/// Whether a name (`platform:id`) is the wanted one, in full or by its id.
pub(super) fn is(name: &str, wanted: &str) -> bool {
    name == wanted || name.split_once(':').is_some_and(|(_, id)| id == wanted)
}

pub(super) fn log_sum_exp<const N: usize>(x: [f64; N]) -> f64 {
    let most = x.into_iter().fold(f64::NEG_INFINITY, f64::max);
    most + x.into_iter().map(|x| (x - most).exp()).sum::<f64>().ln()
}

pub(super) fn log_mean_exp(x: [f64; 3]) -> f64 {
    log_sum_exp(x) - 3f64.ln()
}

/// Why a cluster cannot be explained.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExplainError {
    /// The message has no arithmetic.
    #[error(
        "cluster {0} has no arithmetic: it was written by an older version of Lockstep; run `lockstep detect` again"
    )]
    Older(String),
    /// Nothing is left to show.
    #[error("cluster {cluster_id} has no {what}")]
    NotThere {
        /// The cluster.
        cluster_id: String,
        /// What was asked for.
        what: String,
    },
}
