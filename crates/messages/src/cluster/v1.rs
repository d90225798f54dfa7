//! Cluster messages of version 1: read, never written. Their statistic was the first design's: who acts next on a key, in proportion to
//! activity?
//!
//! Evidence is in nats: the natural logarithm of an e-value against "these accounts act independently".
//! - A key's `nats` come from its `test`, as [`KeyTest`] says.
//! - `log_e` is the sum of `evidence` and `unlisted`, and also that of `sources`, and of `traces`.
//! - `log_e_leave_one_source_out` is `log_e` less the first of `sources`, if that is positive.
//! - `test.alpha` is what it had to stand up to: a cluster stands while its statistic is at least ln(1 / alpha) nats, which is
//!   `log_e_leave_one_source_out` for one that is flagged or coordinated and `log_e` for one on a single source.
//! - `score` is the sum of `intercept` and the contributions of `reasons`, and `probability` is 1 / (1 + exp(-score)).
//! - An account's `log_e` comes from its part in every test, as [`ClusterAccount`] says.
//!
//! `explain` works these numbers out again. Everybody else reads such a message as one of today's:
//! [`ClusterMessage::decode`](super::ClusterMessage::decode) says what becomes of its fields.

use std::collections::BTreeMap;

use coordination::TraceKind;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ModelRef, Reason, Status, Why};

/// One cluster at one moment of its life.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ClusterMessage {
    /// Version of this schema.
    pub schema_version: u32,
    /// Stable over the cluster's life.
    pub cluster_id: String,
    /// Counts the published states of the cluster, from 1.
    pub version: u32,
    /// Clusters absorbed or split from.
    #[serde(default)]
    pub lineage: Vec<String>,
    /// What is said of it.
    pub status: Status,
    /// Members, strongest first.
    pub accounts: Vec<ClusterAccount>,
    /// Time of the first post in the evidence.
    pub first_seen: Timestamp,
    /// Time of the last post in the evidence.
    pub last_seen: Timestamp,
    /// Total evidence, nats.
    pub log_e: f64,
    /// Evidence without the best source, nats.
    pub log_e_leave_one_source_out: f64,
    /// Candidates tested beside this one.
    pub candidates_tested: u64,
    /// What the tests went by; absent in messages that were written without their arithmetic.
    #[serde(default)]
    pub test: Option<Terms>,
    /// Hours of baseline behind the verdict when the candidate was born.
    pub history_hours: f64,
    /// Nats per trace kind.
    pub traces: BTreeMap<TraceKind, f64>,
    /// Nats per source, largest first: the first, if positive, is the one that `log_e_leave_one_source_out` leaves out.
    pub sources: Vec<SourceNats>,
    /// The model's log-odds, nats: `intercept` and the contributions of `reasons`.
    pub score: f64,
    /// Where the model starts, before it knows anything of the cluster, nats; absent in messages of older versions.
    #[serde(default)]
    pub intercept: Option<f64>,
    /// Calibrated probability that the coordination is inauthentic: 1 / (1 + exp(-score)).
    pub probability: f64,
    /// What moved the score, largest first.
    pub reasons: Vec<Reason>,
    /// Every feature that a model may read, by name; null where not known. A label that comes later makes a training row of them.
    #[serde(default)]
    pub features: BTreeMap<String, Option<f64>>,
    /// The model that scored it.
    pub model: ModelRef,
    /// Keys on which members acted together, with their posts.
    pub evidence: Vec<Evidence>,
    /// Keys that were tested too: `log_e` is the sum of `evidence` and of these.
    #[serde(default)]
    pub unlisted: Unlisted,
    /// Ties among the members, strongest first.
    pub ties: Vec<Tie>,
    /// What the cluster's posts are about, for routing only.
    pub topics: Vec<String>,
    /// Who is spoken of, for routing only.
    pub targets: Vec<String>,
}

impl From<ClusterMessage> for super::ClusterMessage {
    fn from(old: ClusterMessage) -> super::ClusterMessage {
        let account = |account: ClusterAccount| super::ClusterAccount {
            platform: account.platform,
            account_id: account.account_id,
            account_name: account.account_name,
            log_e: account.log_e,
            posterior: None,
            outcomes: [0; 5],
            dropped: Vec::new(),
            dropped_nats: None,
            // Only accounts that some candidate was proposed with could be named.
            proposed: true,
            naming: None,
            elsewhere: account.elsewhere,
            posts: account.posts,
        };
        let source = |source: SourceNats| super::SourceNats {
            kind: source.kind,
            source: source.source,
            nats: source.nats,
            by_window: [0.0; 3],
        };
        let post = |post: PostRef| super::PostRef {
            id: post.id,
            platform: post.platform,
            account_id: post.account_id,
            created_at: post.created_at,
            log: None,
            gains: Vec::new(),
        };
        let evidence = |evidence: Evidence| super::Evidence {
            source_kind: evidence.source_kind.unwrap_or(evidence.kind),
            kind: evidence.kind,
            key: evidence.key,
            source: evidence.source,
            nats: evidence.nats,
            by_window: [0.0; 3],
            posts: evidence.posts.into_iter().map(post).collect(),
        };
        let tie = |tie: Tie| super::Tie {
            a: tie.a,
            b: tie.b,
            kind: tie.kind,
            co_acts: tie.co_acts,
            expected: None,
            nats: tie.nats,
            median_lag_s: tie.median_lag_s,
        };
        super::ClusterMessage {
            schema_version: super::SCHEMA_VERSION,
            cluster_id: old.cluster_id,
            version: old.version,
            lineage: old.lineage,
            split_from: None,
            near_misses: Vec::new(),
            status: old.status,
            why: (old.status == Status::SingleSource).then_some(Why::BestSource),
            accounts: old.accounts.into_iter().map(account).collect(),
            first_seen: old.first_seen,
            last_seen: old.last_seen,
            first_reported: None,
            last_reported: None,
            active: None,
            log_e: old.log_e,
            log_e_leave_one_source_out: old.log_e_leave_one_source_out,
            candidates_tested: old.candidates_tested,
            test: None,
            history_hours: old.history_hours,
            windows: Vec::new(),
            namings: Vec::new(),
            traces: old.traces,
            sources: old.sources.into_iter().map(source).collect(),
            score: Some(old.score),
            intercept: old.intercept,
            probability: Some(old.probability),
            reasons: old.reasons,
            features: old.features,
            model: Some(old.model),
            evidence: old.evidence.into_iter().map(evidence).collect(),
            unlisted: super::Unlisted::default(),
            ties: old.ties.into_iter().map(tie).collect(),
            topics: old.topics,
            targets: old.targets,
        }
    }
}

/// What the tests of a cluster went by.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// Rate of false discoveries, 0 to 1, among candidates and among the members of one.
    pub alpha: f64,
    /// Factor, 1 or more, on every share of acts that is expected of an account by habit.
    pub safety: f64,
    /// Accounts of the group as it was proposed, named in `accounts` or not.
    pub proposed: usize,
}

/// A member of a cluster.
///
/// Its `log_e` is ln of the mean, over pi = 0.2, 0.5 and 0.8, of the product of its trials. A trial is a key with a `test` in whose
/// `steps` at least two others appear: pi / p if it appears in them itself, else (1 - pi) / (1 - p), with p in place of a pi that is
/// less. There p = 1 - exp(-safety x share x acts), held in 1e-9 to 0.99; `share` is its own in the key's `shares`, and `acts` is two
/// and all that count after the act that opened the test: `others_after`, and for every later step its `others` and one. Of trials
/// on keys that are not listed, `rest` has the logs of the products. It is named if it passes e-BH (Wang and Ramdas 2022) within the
/// group: with k accounts named, `log_e` is at least ln(proposed / (alpha x k)).
///
/// Where `elsewhere` is true, the same holds of its `trials` in place of the keys' tests: a cluster unites candidates that have members
/// in common, and an account that several of them name has the `log_e` of the one that speaks most for it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ClusterAccount {
    /// Lower-case platform name.
    pub platform: String,
    /// The platform's id.
    pub account_id: String,
    /// Handle or display name last seen.
    pub account_name: String,
    /// Evidence that this account acts with the others, nats.
    pub log_e: f64,
    /// Whether `log_e` comes from tests that are not in `evidence`: those of another candidate that was united with this cluster, or,
    /// in a faded cluster, none: then it is 0, and nothing is claimed of the account.
    #[serde(default)]
    pub elsewhere: bool,
    /// The trials by that other candidate. Absent where `elsewhere` is false, where nothing is claimed of the account, and in messages of
    /// older versions.
    #[serde(default)]
    pub trials: Option<Trials>,
    /// The sum of its trials by the cluster's own candidate on keys that are not in `evidence`. Absent where all are, and for an account
    /// that was not in the group as it was proposed.
    #[serde(default)]
    pub rest: Option<TrialSum>,
    /// Posts seen.
    pub posts: u64,
}

/// An account's trials by another candidate than the one that the cluster's numbers are of.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Trials {
    /// Accounts of that candidate as it was proposed.
    pub proposed: usize,
    /// How many of them it names; all of them are in `accounts`. `log_e` is at least ln(proposed / (alpha x named)).
    pub named: usize,
    /// One for each of its keys on which at least two others of it acted, the key that spoke most for it first.
    pub keys: Vec<KeyTrial>,
    /// The sum of its trials on keys that are not listed; absent where all are.
    #[serde(default)]
    pub rest: Option<TrialSum>,
}

/// One trial of an account: see [`ClusterAccount`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct KeyTrial {
    /// Index into `evidence` of the key, with a post of the account if it took part; absent for a key that is not there, because those
    /// who acted on it are not named, this account apart.
    #[serde(default)]
    pub evidence: Option<usize>,
    /// That key.
    #[serde(default)]
    pub key: Option<KeyName>,
    /// Whether the account acted on it, too.
    #[serde(default)]
    pub took_part: bool,
    /// Share, 0 to 1, of acts on this key's source that is expected of the account by habit.
    pub share: f32,
    /// Acts on the key among which it could have been, and two more.
    pub acts: u32,
}

/// What a key is called.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct KeyName {
    /// Trace kind.
    pub kind: TraceKind,
    /// The canonical thing acted on.
    pub key: String,
    /// Whom it comes from.
    pub source: String,
}

/// Trials that are not told one by one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
pub struct TrialSum {
    /// How many.
    pub trials: u32,
    /// What they add to ln of the product for pi = 0.2, 0.5 and 0.8, nats.
    pub log_lr: [f64; 3],
}

/// Nats that one source gave.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct SourceNats {
    /// Trace kind.
    pub kind: TraceKind,
    /// Whom the keys come from.
    pub source: String,
    /// Evidence, nats.
    pub nats: f64,
}

/// One key on which members acted.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Evidence {
    /// Trace kind.
    pub kind: TraceKind,
    /// The canonical thing acted on.
    pub key: String,
    /// Whom it comes from.
    pub source: String,
    /// Trace kind in `sources` of its source, where that is not `kind`: a text beside a link comes from the link's site.
    #[serde(default)]
    pub source_kind: Option<TraceKind>,
    /// Evidence, nats.
    pub nats: f64,
    /// The members' posts on this key, by time.
    pub posts: Vec<PostRef>,
    /// The arithmetic of `nats`. Absent for a key that counts nothing, which is listed because members named by other candidates acted
    /// on it; and in messages of older versions, or where those had no room for it.
    #[serde(default)]
    pub test: Option<KeyTest>,
}

/// The arithmetic of one key: how likely were these acts if members act together, and how likely by habit?
///
/// For q = 0.1, 0.3 and 0.7, each raised to the `chance` at hand where that is greater, ln LR_q is the sum over all `steps` but the
/// first, which opened the test, of others x ln((1 - q) / (1 - chance)) + ln(q / chance), and of others_after x ln((1 - q) / (1 -
/// chance_after)). Of the others at each place, only the first 20, 6 and 2 count for the three q; where there were so many, the member's
/// act after them adds nothing. Nor does anything where the chance is 1e-9: no member is left then. The key's nats are
/// ln((1 - epsilon) + epsilon x mean of the LR_q).
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct KeyTest {
    /// Weight, 0 to 1, of "they act together", fixed before the test began.
    pub epsilon: f64,
    /// First acts of members of the proposed group on this key, by time.
    pub steps: Vec<Step>,
    /// Acts by accounts outside the group after the last step.
    pub others_after: u32,
    /// Probability that, by habit, the next act would have been a first one by a member.
    pub chance_after: f64,
    /// By index into `accounts`: the share, 0 to 1, of acts on this key's source that is expected of the account by habit; null for an
    /// account that was not in the proposed group.
    pub shares: Vec<Option<f32>>,
}

/// A member's first act on a key.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Step {
    /// Index into `accounts`; null for one of the proposed group who is not named.
    pub member: Option<usize>,
    /// Acts by accounts outside the group since the step before.
    pub others: u32,
    /// Probability that, by habit, the next act would be a first one by a member: safety x the shares of all who had not acted yet,
    /// held in 1e-9 to 0.9. 0 for the step that opened the test.
    pub chance: f64,
}

/// Keys that were tested but are not listed as evidence: nobody followed the member who acted first, or there was no room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Unlisted {
    /// How many.
    pub keys: u64,
    /// How many of them a second member acted on, so that the accounts' `log_e` rest on them too.
    #[serde(default)]
    pub followed: u64,
    /// Their evidence, nats; mostly negative.
    pub nats: f64,
    /// Keys beside these that would count nothing, and are not listed for want of room: of other candidates.
    #[serde(default)]
    pub of_others: u64,
    /// Sources that are not in `sources` for want of room: of no listed key, and none of them the best.
    #[serde(default)]
    pub sources: u64,
    /// Their evidence, nats: `log_e` is the sum of `sources` and of this.
    #[serde(default)]
    pub source_nats: f64,
}

/// Names one post.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PostRef {
    /// The post's id on its platform.
    pub id: String,
    /// Lower-case platform name.
    pub platform: String,
    /// Who posted it.
    pub account_id: String,
    /// When.
    pub created_at: Timestamp,
}

/// A tie between two members.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Tie {
    /// Index into `accounts`.
    pub a: usize,
    /// Index into `accounts`.
    pub b: usize,
    /// Trace kind.
    pub kind: TraceKind,
    /// Credited co-acts.
    pub co_acts: u32,
    /// Evidence, nats.
    pub nats: f64,
    /// Median time between the two acts, seconds.
    pub median_lag_s: f64,
}
