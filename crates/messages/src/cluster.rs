//! Topics `clusters` and `clusters.flagged`, and a line of `clusters.jsonl`: one cluster with its evidence and verdict.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The version of this schema that is written.
pub const SCHEMA_VERSION: u32 = 1;

/// What is said of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Coordinated, on more than one source, and the model finds it inauthentic.
    Flagged,
    /// Coordinated on one source only: reported apart, never flagged by itself.
    SingleSource,
    /// Coordinated, but the model does not find it inauthentic.
    Coordinated,
}

/// One cluster at one moment of its life.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ClusterMessage {
    /// Version of this schema.
    pub schema_version: u32,
    /// Stable over the cluster's life.
    pub cluster_id: String,
    /// Counts the published states of the cluster, from 1.
    pub version: u32,
    /// Clusters absorbed or split from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lineage: Vec<String>,
    /// What is said of it.
    pub status: Status,
    /// Members, strongest first.
    pub accounts: Vec<ClusterAccount>,
    /// Time of the first post in the evidence.
    #[schemars(with = "String")]
    pub first_seen: Timestamp,
    /// Time of the last post in the evidence.
    #[schemars(with = "String")]
    pub last_seen: Timestamp,
    /// Total evidence, nats.
    pub log_e: f64,
    /// Evidence without the best source, nats.
    pub log_e_leave_one_source_out: f64,
    /// Candidates tested beside this one.
    pub candidates_tested: u64,
    /// Hours of baseline behind the verdict when the candidate was born.
    pub history_hours: f64,
    /// Nats per trace kind.
    pub traces: BTreeMap<String, f64>,
    /// Nats per source, largest first.
    pub sources: Vec<SourceNats>,
    /// The model's log-odds, nats.
    pub score: f64,
    /// Calibrated probability that the coordination is inauthentic.
    pub probability: f64,
    /// What moved the score, largest first.
    pub reasons: Vec<Reason>,
    /// The model that scored it.
    pub model: ModelRef,
    /// Keys on which members acted together, with their posts.
    pub evidence: Vec<Evidence>,
    /// Ties among the members, strongest first.
    pub ties: Vec<Tie>,
    /// What the cluster's posts are about, for routing only.
    pub topics: Vec<String>,
    /// Who is spoken of, for routing only.
    pub targets: Vec<String>,
}

/// A member of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ClusterAccount {
    /// Lower-case platform name.
    pub platform: String,
    /// The platform's id.
    pub account_id: String,
    /// Handle or display name last seen.
    pub account_name: String,
    /// Evidence that this account acts with the others, nats.
    pub log_e: f64,
    /// Posts seen.
    pub posts: u64,
}

/// Nats that one source gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SourceNats {
    /// Trace kind.
    pub kind: String,
    /// Whom the keys come from.
    pub source: String,
    /// Evidence, nats.
    pub nats: f64,
}

/// One feature's part in a verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Reason {
    /// Feature name.
    pub feature: String,
    /// Value in the feature's unit; null where not known.
    pub value: Option<f64>,
    /// Signed contribution to the score, nats.
    pub contribution: f64,
    /// In words.
    pub text: String,
}

/// Names a model in the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ModelRef {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
}

/// One key on which members acted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Evidence {
    /// Trace kind.
    pub kind: String,
    /// The canonical thing acted on.
    pub key: String,
    /// Whom it comes from.
    pub source: String,
    /// Evidence, nats.
    pub nats: f64,
    /// The members' posts on this key, by time.
    pub posts: Vec<PostRef>,
}

/// Names one post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PostRef {
    /// The post's id on its platform.
    pub id: String,
    /// Lower-case platform name.
    pub platform: String,
    /// Who posted it.
    pub account_id: String,
    /// When.
    #[schemars(with = "String")]
    pub created_at: Timestamp,
}

/// A tie between two members.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Tie {
    /// Index into `accounts`.
    pub a: usize,
    /// Index into `accounts`.
    pub b: usize,
    /// Trace kind.
    pub kind: String,
    /// Credited co-acts.
    pub co_acts: u32,
    /// Evidence, nats.
    pub nats: f64,
    /// Median time between the two acts, seconds.
    pub median_lag_s: f64,
}
