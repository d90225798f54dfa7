//! What the explanations of all versions have in common: recomputed numbers compared with the
//! recorded ones, and the model's score.

use jiff::Timestamp;
use serde::Serialize;

/// Recorded numbers are rounded to 1e-9 nats. A larger difference than this, in nats, is a
/// contradiction.
pub const TOLERANCE: f64 = 1e-6;

const NO_INTERCEPT: &str = "the model's intercept is not in this line: an older version of Lockstep wrote it";

/// A recorded number and its recomputed value: nats, or a probability.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figure {
    /// The number in the message.
    pub recorded: f64,
    /// The number recomputed from the evidence.
    pub recomputed: Option<f64>,
    /// Why it cannot be recomputed.
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

    /// Whether both numbers are the same, or only one is known.
    pub fn agrees(&self) -> bool {
        self.recomputed.is_none_or(|recomputed| same(recomputed, self.recorded))
    }

    pub(super) fn contradiction(&self, what: &str) -> Option<String> {
        let recomputed = self.recomputed.filter(|_| !self.agrees())?;
        Some(format!("{what}: {:.9} nats are recorded, but the recomputed value is {recomputed:.9}", self.recorded))
    }
}

/// Written so that NaN equals nothing.
pub(super) fn same(a: f64, b: f64) -> bool {
    (a - b).abs() <= TOLERANCE
}

/// The model's score of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    /// The model's log-odds: `intercept` plus the contributions of the reasons.
    pub score: Figure,
    /// The model's log-odds before any feature is known, nats; `None` in messages of older
    /// versions.
    pub intercept: Option<f64>,
    /// Contributions to the score, in the order of the message.
    pub reasons: Vec<Reason>,
    /// 1 / (1 + exp(-score)).
    pub probability: Figure,
}

/// The contribution of one feature to the score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reason {
    /// The feature.
    pub feature: String,
    /// Its value, in the feature's unit; `None` if not known.
    pub value: Option<f64>,
    /// Its contribution to the score, nats.
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

/// The times of the cluster must be those of its first and last post; if posts are missing in the
/// message (`all` is false), the cluster's period must contain these posts.
pub(super) fn check_times(
    [seen_first, seen_last]: [Timestamp; 2],
    posts: impl Iterator<Item = Timestamp> + Clone,
    all: bool,
    contradictions: &mut Vec<String>,
) {
    let (Some(first), Some(last)) = (posts.clone().min(), posts.max()) else { return };
    if seen_first > first || (all && seen_first != first) {
        contradictions.push(format!("first_seen: {seen_first} is recorded, but the first post was made at {first}"));
    }
    if seen_last < last || (all && seen_last != last) {
        contradictions.push(format!("last_seen: {seen_last} is recorded, but the last post was made at {last}"));
    }
}

/// Refuses an account that no member is, and a text that no key contains.
pub(super) fn check_wanted<'e>(
    cluster_id: &str,
    (mut keys, key): (impl Iterator<Item = &'e str>, Option<&str>),
    (mut members, account): (impl Iterator<Item = &'e str>, Option<&str>),
) -> Result<(), ExplainError> {
    let not_there = |what| Err(ExplainError::NotThere { cluster_id: cluster_id.to_owned(), what });
    match (account, key) {
        (Some(account), _) if !members.any(|name| is(name, account)) => not_there(format!("account {account:?}")),
        (_, Some(part)) if !keys.any(|key| key.contains(part)) => not_there(format!("key that contains {part:?}")),
        _ => Ok(()),
    }
}

/// Whether a name (`platform:id`) is the wanted one, in full or by its id alone.
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
    /// No key or account is left to show.
    #[error("cluster {cluster_id} has no {what}")]
    NotThere {
        /// The cluster.
        cluster_id: String,
        /// The text or account that was asked for.
        what: String,
    },
}
