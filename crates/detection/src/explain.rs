//! `lockstep explain`: works a cluster's numbers out again, from its message alone, and holds them against those recorded.
//!
//! A message of today is explained by [`v2`]: the windows of the outcome test with their keys and sources, the source that is left out, the
//! bar, every account's naming, and the model's score. One of version 1 is explained as it was then, by [`v1`]. What a message holds only
//! as a sum of parts that had no room is taken as it is, and said.
//!
//! Nothing of the engine is called here. The formulas are those that [`messages::cluster`] documents; whoever doubts the engine can
//! follow them line by line, or write them again in another language.

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
