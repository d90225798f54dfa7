//! `lockstep explain`: works a cluster's numbers out again, from its message alone, and holds them against those recorded.
//!
//! A message of today is explained by [`v2`]: the windows of the outcome test with their keys and sources, the source that is left out, the
//! bar, every account's naming, and the model's score. One of version 1 is explained as it was then, by [`v1`]. What a message holds only
//! as a sum of parts that had no room is taken as it is, and said.
//!
//! Nothing of the engine is called here. The formulas are those that [`messages::cluster`] documents; whoever doubts the engine can
//! follow them line by line, or write them again in another language.

mod text;
pub mod v1;
pub mod v2;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    io::{self, BufRead},
};

use messages::{DecodeError, cluster::AnyVersion};
use serde::{Deserialize, Serialize};

/// Recorded numbers are rounded to 1e-9 nats. Further apart than this, in nats, is a contradiction.
pub const TOLERANCE: f64 = 1e-6;

const NO_INTERCEPT: &str = "the model's intercept is not in this line, which an older version of Lockstep wrote";

/// A cluster's numbers, worked out again.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Explanation {
    /// Of a message of version 1.
    V1(Box<v1::Explanation>),
    /// Of a message of version 2.
    V2(Box<v2::Explanation>),
}

impl Explanation {
    /// Works all numbers of a message out again.
    pub fn of(message: &AnyVersion) -> Result<Explanation, ExplainError> {
        Ok(match message {
            AnyVersion::V1(message) => Explanation::V1(Box::new(v1::Explanation::of(message)?)),
            AnyVersion::V2(message) => Explanation::V2(Box::new(v2::Explanation::of(message)?)),
        })
    }

    /// Keeps only keys with these words in them and on which this account (an id, or `platform:id`) acted, and only this account
    /// among the members. Sums and contradictions stay those of the whole.
    pub fn narrow(&mut self, key: Option<&str>, account: Option<&str>) -> Result<(), ExplainError> {
        match self {
            Explanation::V1(explanation) => explanation.narrow(key, account),
            Explanation::V2(explanation) => explanation.narrow(key, account),
        }
    }

    /// The cluster.
    pub fn cluster_id(&self) -> &str {
        match self {
            Explanation::V1(explanation) => &explanation.cluster_id,
            Explanation::V2(explanation) => &explanation.cluster_id,
        }
    }

    /// What does not agree, in words. Empty if every number that can be worked out again is the recorded one.
    pub fn contradictions(&self) -> &[String] {
        match self {
            Explanation::V1(explanation) => &explanation.contradictions,
            Explanation::V2(explanation) => &explanation.contradictions,
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Explanation::V1(explanation) => explanation.fmt(f),
            Explanation::V2(explanation) => explanation.fmt(f),
        }
    }
}

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
    fn new(recorded: f64, recomputed: f64) -> Figure {
        Figure { recorded, recomputed: Some(recomputed), why_not: None }
    }

    fn unknown(recorded: f64, why_not: &'static str) -> Figure {
        Figure { recorded, recomputed: None, why_not: Some(why_not) }
    }

    /// Whether both numbers are the same, or there is but one.
    pub fn agrees(&self) -> bool {
        self.recomputed.is_none_or(|recomputed| same(recomputed, self.recorded))
    }

    fn contradiction(&self, what: &str) -> Option<String> {
        let recomputed = self.recomputed.filter(|_| !self.agrees())?;
        Some(format!("{what}: {:.9} nats are recorded, but it comes to {recomputed:.9}", self.recorded))
    }
}

/// Written so that a number that is none agrees with nothing.
fn same(a: f64, b: f64) -> bool {
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
    fn of(
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
fn is(name: &str, wanted: &str) -> bool {
    name == wanted || name.split_once(':').is_some_and(|(_, id)| id == wanted)
}

fn log_sum_exp<const N: usize>(x: [f64; N]) -> f64 {
    let most = x.into_iter().fold(f64::NEG_INFINITY, f64::max);
    most + x.into_iter().map(|x| (x - most).exp()).sum::<f64>().ln()
}

fn log_mean_exp(x: [f64; 3]) -> f64 {
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

/// Why a cluster cannot be found among lines.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The lines cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A line is no cluster.
    #[error("line {line} is no cluster: {error}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// Why.
        error: DecodeError,
    },
    /// There is none.
    #[error("has no cluster {id:?}{}", others(.known))]
    NotThere {
        /// What was asked for.
        id: String,
        /// The clusters that are there.
        known: Vec<String>,
    },
    /// There are several.
    #[error("has {} clusters whose ids begin with {id:?}{}", .known.len(), others(.known))]
    Ambiguous {
        /// What was asked for.
        id: String,
        /// The clusters that it fits.
        known: Vec<String>,
    },
}

fn others(known: &[String]) -> String {
    const SHOWN: usize = 5;
    match known.len() {
        0 => "; it holds no cluster at all".to_owned(),
        n => format!(": there is {}{}", known[..n.min(SHOWN)].join(", "), if n > SHOWN { ", ..." } else { "" }),
    }
}

/// The last state of the cluster with this id, or else of the only one whose id begins so, among lines as `clusters.jsonl` has them.
pub fn find(lines: impl BufRead, id: &str) -> Result<AnyVersion, FindError> {
    #[derive(Deserialize)]
    struct Head {
        cluster_id: String,
        version: u32,
    }
    let mut known = BTreeSet::new();
    let mut found: BTreeMap<String, (u32, AnyVersion)> = BTreeMap::new();
    for (number, line) in lines.split(b'\n').enumerate() {
        let line = line?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let bad = |error| FindError::Line { line: number + 1, error };
        let head: Head = serde_json::from_slice(&line).map_err(|e| bad(DecodeError::new("", e.to_string(), &line)))?;
        if head.cluster_id.starts_with(id) {
            let message = AnyVersion::decode(&line).map_err(bad)?;
            let newest = found.get(&head.cluster_id).is_none_or(|(version, _)| *version <= head.version);
            if newest {
                found.insert(head.cluster_id.clone(), (head.version, message));
            }
        }
        known.insert(head.cluster_id);
    }
    if let Some((_, exact)) = found.remove(id) {
        return Ok(exact);
    }
    if found.len() > 1 {
        return Err(FindError::Ambiguous { id: id.to_owned(), known: found.into_keys().collect() });
    }
    let only = found.into_values().next();
    only.map(|(_, message)| message)
        .ok_or_else(|| FindError::NotThere { id: id.to_owned(), known: known.into_iter().collect() })
}

#[cfg(test)]
mod tests;
