//! `lockstep explain`: recomputes a cluster's numbers from its message alone and compares them with
//! the recorded ones.
//!
//! [`v2`] explains a message of today's version: the windows of the outcome test with their keys
//! and sources, the source that is left out, the threshold, the naming of every account, and the
//! model's score. [`v1`] explains a message of version 1 by the arithmetic of that version. A sum
//! of parts that did not fit into the message is used as it is recorded, and the text says so.
//!
//! This module calls nothing of the engine. The formulas are those that [`messages::cluster`]
//! documents: a reader who doubts the engine can follow them line by line, or write them again in
//! another language.

mod arithmetic;
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

pub use self::arithmetic::{ExplainError, Figure, Reason, Score, TOLERANCE};

/// A cluster's numbers, recomputed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Explanation {
    /// Of a message of version 1.
    V1(Box<v1::Explanation>),
    /// Of a message of version 2.
    V2(Box<v2::Explanation>),
}

impl Explanation {
    /// Recomputes all numbers of a message.
    pub fn of(message: &AnyVersion) -> Result<Explanation, ExplainError> {
        Ok(match message {
            AnyVersion::V1(message) => Explanation::V1(Box::new(v1::Explanation::of(message)?)),
            AnyVersion::V2(message) => Explanation::V2(Box::new(v2::Explanation::of(message)?)),
        })
    }

    /// Keeps only keys that contain this text and on which this account (an id, or `platform:id`)
    /// acted, and only this account among the members. Sums and contradictions remain those of the
    /// whole cluster.
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

    /// The contradictions, as text. Empty if every number that can be recomputed equals the
    /// recorded one.
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

/// Why a cluster was not found among the lines.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The lines cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A line is not a cluster.
    #[error("line {line} is not a cluster: {error}")]
    Line {
        /// Line number, from 1.
        line: usize,
        /// The reason.
        error: DecodeError,
    },
    /// No cluster has this id.
    #[error("has no cluster {id:?}{}", others(.known))]
    NotThere {
        /// The id that was asked for.
        id: String,
        /// The clusters in the file.
        known: Vec<String>,
    },
    /// Several ids begin with this text.
    #[error("has {} clusters whose ids begin with {id:?}{}", .known.len(), others(.known))]
    Ambiguous {
        /// The text that was asked for.
        id: String,
        /// The clusters whose ids begin with it.
        known: Vec<String>,
    },
}

fn others(known: &[String]) -> String {
    const SHOWN: usize = 5;
    match known.len() {
        0 => "; the file holds no clusters".to_owned(),
        n => format!(": it has {}{}", known[..n.min(SHOWN)].join(", "), if n > SHOWN { ", ..." } else { "" }),
    }
}

/// The last state of the cluster with this id, or else of the only cluster whose id begins with it.
/// The lines are those of `clusters.jsonl`.
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
