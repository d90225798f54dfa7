//! Messages of the topics `clusters` and `clusters.flagged`, and lines of `clusters.jsonl`: one
//! cluster with its evidence and verdict.
//!
//! Evidence is in nats: the natural logarithm of an e-value against "these accounts repeat each
//! other at most twice as often as everybody else does, and as the accounts around them do". A
//! message holds everything that is needed to recompute its numbers, without the posts and without
//! Lockstep. Outcomes are in the order own words, rare, middling, common, nothing ([`Outcome`]);
//! windows in the order of `windows`, the narrowest first. In a window of a day or more, only own
//! words count.
//!
//! - **A gain**: each of a post's `gains` is min(ln(g / h), 4) nats in its window. A key's
//!   `by_window` is the sum over its `posts`.
//! - **A window**: its `nats` are its `losses` plus the gains of all `evidence` and those in
//!   `unlisted`. They are also its `losses` plus the gains of all `sources` and
//!   `unlisted.source_nats`, unless there are more than 3,072 sources: the engine does not
//!   distinguish so many.
//! - **The best window** is the one with the most `nats`, the first of equal ones. `nats` of
//!   sources and keys are their gains in it. `traces` are its gains by kind: with its `losses` they
//!   sum to its `nats`.
//! - `log_e` is ln of the mean of exp(`nats`) over the windows.
//! - `log_e_leave_one_source_out` is the least, over `sources`, of the same mean with the source's
//!   `by_window` subtracted from each window's nats. It is `log_e` if there is no source.
//! - `test.bar` is the threshold that `log_e_leave_one_source_out` had to reach for the group to
//!   pass: ln(2.11 m ln(m)^2 / (alpha (discoveries + 1))) with m = `number` + 2 (e-LOND, Xu and
//!   Ramdas 2024). A group that passed once keeps that, whatever its evidence is later. A cluster
//!   on its best source reached it only with `log_e`.
//! - An account's `log_e` and `posterior` follow from its `outcomes` and its naming, as [`Naming`]
//!   says.
//! - A tie's `nats` are -ln of the chance that a Poisson number with mean `expected` is `co_acts`
//!   or more.
//! - `score` is the sum of `intercept` and the contributions of `reasons`, and `probability` is 1 /
//!   (1 + exp(-score)).
//!
//! A cluster that is *one text by many accounts* (`why` is `one_text`) has no e-value and no
//! probability: it is a count. For a *near miss*, which did not pass, `accounts` are those of the
//! proposed group: nobody is named, and no model has judged it.
//!
//! Parts that do not fit are replaced by their sum ([`Unlisted`],
//! [`ClusterAccount::dropped_nats`]), so that all of this is also true of a shortened message.
//!
//! Nats are rounded to 1e-9, so that sums agree to 1e-6, and a sum that should be 0 is exactly 0.

mod build;
mod error;
mod finite;
mod kinds;
mod parts;
pub mod positions;
mod rounding;
mod status;
mod tally;
pub mod v1;

pub use coordination::TraceKind;
pub use error::ClusterError;
pub use parts::{
    ClusterAccount, Dropped, Evidence, Gain, LogPosition, ModelRef, Naming, Outcome, PostRef, Reason, SourceNats,
    Terms, Tie, Unlisted, Window,
};
pub use rounding::rounded_nats;
pub use status::{Status, Why};
pub use tally::{StatusTally, Tally};

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::DecodeError;
use crate::version;

/// The version of this schema that is written.
pub const SCHEMA_VERSION: u32 = 2;

/// One cluster at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ClusterMessage {
    /// Version of this schema.
    pub schema_version: u32,
    /// Id of the cluster, which never changes.
    pub cluster_id: String,
    /// Number of this published state of the cluster, from 1.
    pub version: u32,
    /// Clusters that became part of this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lineage: Vec<String>,
    /// The cluster that this one split from: most of its accounts were in that one, which continues
    /// with others. Absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_from: Option<String>,
    /// The `cluster_id`s of near misses as which this cluster's groups were reported before they
    /// passed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub near_misses: Vec<String>,
    /// The status of the cluster.
    pub status: Status,
    /// Why it is `single_source`, or `coordinated` in spite of its probability; absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
    /// Named accounts, strongest first; for a near miss, the proposed accounts.
    pub accounts: Vec<ClusterAccount>,
    /// Time of the first post in the evidence.
    #[schemars(with = "String")]
    pub first_seen: Timestamp,
    /// Time of the last post in the evidence.
    #[schemars(with = "String")]
    pub last_seen: Timestamp,
    /// Event time at which a run over files first reported the group. Absent on topics, where each
    /// message is one report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub first_reported: Option<Timestamp>,
    /// Event time at which a run over files last reported a change of the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub last_reported: Option<Timestamp>,
    /// For a run over files: whether an account of the group posted in the last `retention_days`
    /// before the last post. A group that is not active keeps its status, because silence
    /// contradicts nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// Evidence, nats; 0 for one text by many accounts.
    pub log_e: f64,
    /// Evidence without the source whose removal costs most, nats: the statistic of the test.
    pub log_e_leave_one_source_out: f64,
    /// Number of groups that had been proposed at the time of this report.
    pub candidates_tested: u64,
    /// The parameters of the test; absent for one text by many accounts, and in messages of version
    /// 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<Terms>,
    /// Hours from the stream's first use of a key to the group's proposal.
    pub history_hours: f64,
    /// The test, window by window; empty for one text by many accounts, and in messages of version
    /// 1.
    #[serde(default)]
    pub windows: Vec<Window>,
    /// How accounts were named: by the cluster's own group first, then by other groups that were
    /// merged into the cluster. Empty if nobody was named: near misses, one text by many accounts,
    /// and messages of version 1.
    #[serde(default)]
    pub namings: Vec<Naming>,
    /// Gains per trace kind in the best window, nats.
    #[serde(serialize_with = "kinds::by_name")]
    #[schemars(with = "BTreeMap<String, f64>")]
    pub traces: BTreeMap<TraceKind, f64>,
    /// Gains per source, largest in the best window first.
    pub sources: Vec<SourceNats>,
    /// The model's log-odds, nats: `intercept` plus the contributions of `reasons`. Like all fields
    /// of the model, it is absent for near misses and for one text by many accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// The model's log-odds before any feature is known, nats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intercept: Option<f64>,
    /// Calibrated probability that the coordination is inauthentic: 1 / (1 + exp(-score)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// Contributions to the score, largest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
    /// Every feature that a model may use, by name; null if not known. With a later label they are
    /// a training row.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub features: BTreeMap<String, Option<f64>>,
    /// The model that scored it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelRef>,
    /// Keys that gave the group a gain, with the members' posts; most nats first.
    pub evidence: Vec<Evidence>,
    /// Gains that are not in `evidence`.
    #[serde(default)]
    pub unlisted: Unlisted,
    /// Ties among the members, strongest first.
    pub ties: Vec<Tie>,
    /// Subjects of the cluster's posts, for routing only.
    pub topics: Vec<String>,
    /// Whom the posts are about, for routing only.
    pub targets: Vec<String>,
}

impl ClusterMessage {
    /// Writes the message, without a line end. Fails on NaN and infinity, which JSON does not have.
    pub fn encode(&self) -> Result<Vec<u8>, ClusterError> {
        self.check()?;
        serde_json::to_vec(self).map_err(|error| self.not_json(&error))
    }

    /// Reads a message of this or an older schema version.
    ///
    /// A message of version 1 is converted as far as possible. Its accounts, times, `log_e`,
    /// verdict and posts keep their fields, and so do the nats of its sources and keys: they sum to
    /// `log_e`, and are not split by window. Unknown fields are empty or absent: `test`, `windows`,
    /// `namings`, every `by_window` and `gains`, `unlisted`, and of accounts `posterior`,
    /// `outcomes` and `naming`. Its arithmetic is dropped; [`v1::ClusterMessage`] has it.
    pub fn decode(value: &[u8]) -> Result<ClusterMessage, DecodeError> {
        AnyVersion::decode(value).map(ClusterMessage::from)
    }

    /// Index in `windows` of the window with the most nats; the first of equal ones. 0 if there are
    /// no windows.
    pub fn best_window(&self) -> usize {
        best_window(&self.windows)
    }

    fn not_json(&self, error: &serde_json::Error) -> ClusterError {
        ClusterError::Json { cluster_id: self.cluster_id.clone(), reason: error.to_string() }
    }
}

/// A message in the version that it was written in.
#[derive(Debug, Clone, PartialEq)]
pub enum AnyVersion {
    /// Version 1.
    V1(Box<v1::ClusterMessage>),
    /// Version 2.
    V2(Box<ClusterMessage>),
}

impl AnyVersion {
    /// Reads a message of this or an older schema version.
    pub fn decode(value: &[u8]) -> Result<AnyVersion, DecodeError> {
        match version::of(value, SCHEMA_VERSION)? {
            1 => version::decode(value, 1).map(|message| AnyVersion::V1(Box::new(message))),
            _ => version::decode(value, SCHEMA_VERSION).map(|message| AnyVersion::V2(Box::new(message))),
        }
    }
}

impl From<AnyVersion> for ClusterMessage {
    fn from(message: AnyVersion) -> ClusterMessage {
        match message {
            AnyVersion::V1(old) => ClusterMessage::from(*old),
            AnyVersion::V2(message) => *message,
        }
    }
}

fn best_window(windows: &[Window]) -> usize {
    let nats = |at: usize| windows.get(at).map_or(f64::NEG_INFINITY, |window| window.nats);
    (1..windows.len()).fold(0, |best, at| if nats(at) > nats(best) { at } else { best })
}
