//! Cluster messages of version 1, which are read but never written. Their statistic was the first
//! design's: who acts next on a key, in proportion to activity?
//!
//! Evidence is in nats: the natural logarithm of an e-value against "these accounts act
//! independently".
//! - A key's `nats` come from its `test`, as [`KeyTest`] says.
//! - `log_e` is the sum of `evidence` and `unlisted`, and also that of `sources`, and of `traces`.
//! - `log_e_leave_one_source_out` is `log_e` minus the first of `sources`, if that is positive.
//! - `test.alpha` sets the threshold: a cluster remains valid while its statistic is at least ln(1
//!   / alpha) nats. The statistic is `log_e_leave_one_source_out` for a flagged or coordinated
//!   cluster, and `log_e` for a single-source one.
//! - `score` is the sum of `intercept` and the contributions of `reasons`, and `probability` is 1 /
//!   (1 + exp(-score)).
//! - An account's `log_e` comes from its part in every test, as [`ClusterAccount`] says.
//!
//! `explain` recomputes these numbers. All other readers convert such a message to today's version:
//! [`ClusterMessage::decode`](super::ClusterMessage::decode) says what happens to its fields.

use std::collections::BTreeMap;

use coordination::TraceKind;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ModelRef, Reason, Status, Why};

/// One cluster at one moment.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ClusterMessage {
    /// Version of this schema.
    pub schema_version: u32,
    /// Id of the cluster, which never changes.
    pub cluster_id: String,
    /// Number of this published state of the cluster, from 1.
    pub version: u32,
    /// Clusters that it absorbed or split from.
    #[serde(default)]
    pub lineage: Vec<String>,
    /// The status of the cluster.
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
    /// Number of other candidates that were tested.
    pub candidates_tested: u64,
    /// The parameters of the tests; absent in messages that were written without their arithmetic.
    #[serde(default)]
    pub test: Option<Terms>,
    /// Hours of baseline before the candidate was proposed.
    pub history_hours: f64,
    /// Nats per trace kind.
    pub traces: BTreeMap<TraceKind, f64>,
    /// Nats per source, largest first: the first, if positive, is the one that
    /// `log_e_leave_one_source_out` leaves out.
    pub sources: Vec<SourceNats>,
    /// The model's log-odds, nats: `intercept` and the contributions of `reasons`.
    pub score: f64,
    /// The model's log-odds before any feature is known, nats; absent in messages of older
    /// versions.
    #[serde(default)]
    pub intercept: Option<f64>,
    /// Calibrated probability that the coordination is inauthentic: 1 / (1 + exp(-score)).
    pub probability: f64,
    /// Contributions to the score, largest first.
    pub reasons: Vec<Reason>,
    /// Every feature that a model may use, by name; null if not known. With a later label they are
    /// a training row.
    #[serde(default)]
    pub features: BTreeMap<String, Option<f64>>,
    /// The model that scored it.
    pub model: ModelRef,
    /// Keys on which members acted together, with their posts.
    pub evidence: Vec<Evidence>,
    /// Further keys that were tested: `log_e` is the sum of `evidence` and of these.
    #[serde(default)]
    pub unlisted: Unlisted,
    /// Ties among the members, strongest first.
    pub ties: Vec<Tie>,
    /// Subjects of the cluster's posts, for routing only.
    pub topics: Vec<String>,
    /// Whom the posts are about, for routing only.
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
            // Only accounts of a proposed candidate could be named.
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

/// The parameters of a cluster's tests.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// Rate of false discoveries, 0 to 1, among candidates and among the members of a candidate.
    pub alpha: f64,
    /// Factor, 1 or more, on every share of acts that is expected of an account by habit.
    pub safety: f64,
    /// Accounts of the proposed group, whether `accounts` names them or not.
    pub proposed: usize,
}

/// A member of a cluster.
///
/// Its `log_e` is ln of the mean, over pi = 0.2, 0.5 and 0.8, of the product of its trials. A trial
/// is a key with a `test` in whose `steps` at least two others appear. Its factor is pi / p if the
/// account appears in them itself, else (1 - pi) / (1 - p); a pi below p is replaced by p. There p
/// = 1 - exp(-safety x share x acts), limited to 1e-9 to 0.99; `share` is the account's own in the
/// key's `shares`, and `acts` is two plus all that count after the act that opened the test:
/// `others_after`, and for every later step its `others` plus one. For trials on keys that are not
/// listed, `rest` has the logs of the products. The account is named if it passes e-BH (Wang and
/// Ramdas 2022) within the group: with k accounts named, `log_e` is at least ln(proposed / (alpha x
/// k)).
///
/// If `elsewhere` is true, the same applies to its `trials` instead of the keys' tests: a cluster
/// merges candidates with common members, and an account that several of them name has the `log_e`
/// of the candidate with the most evidence for it.
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
    /// Whether `log_e` comes from tests that are not in `evidence`: those of another candidate that
    /// was merged with this cluster; or, in a faded cluster, from no tests: then it is 0, and
    /// nothing is claimed about the account.
    #[serde(default)]
    pub elsewhere: bool,
    /// The trials by that other candidate. Absent if `elsewhere` is false, if nothing is claimed
    /// about the account, and in messages of older versions.
    #[serde(default)]
    pub trials: Option<Trials>,
    /// The sum of its trials by the cluster's own candidate on keys that are not in `evidence`.
    /// Absent if all keys are, and for an account that was not in the proposed group.
    #[serde(default)]
    pub rest: Option<TrialSum>,
    /// Its posts that Lockstep has seen.
    pub posts: u64,
}

/// An account's trials by a candidate other than the one that the cluster's numbers come from.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Trials {
    /// Accounts of that candidate as proposed.
    pub proposed: usize,
    /// How many of them it names; all of them are in `accounts`. `log_e` is at least ln(proposed /
    /// (alpha x named)).
    pub named: usize,
    /// One trial for each of its keys on which at least two others of its accounts acted; the key
    /// with the most evidence for the account first.
    pub keys: Vec<KeyTrial>,
    /// The sum of its trials on keys that are not listed; absent if all are.
    #[serde(default)]
    pub rest: Option<TrialSum>,
}

/// One trial of an account: see [`ClusterAccount`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct KeyTrial {
    /// Index into `evidence` of the key, with a post of the account if it took part. Absent for a
    /// key that is not in `evidence`, because no other account that acted on it is named.
    #[serde(default)]
    pub evidence: Option<usize>,
    /// That key.
    #[serde(default)]
    pub key: Option<KeyName>,
    /// Whether the account acted on it as well.
    #[serde(default)]
    pub took_part: bool,
    /// Share, 0 to 1, of acts on this key's source that is expected of the account by habit.
    pub share: f32,
    /// Acts on the key among which its own could have been, plus two.
    pub acts: u32,
}

/// Names a key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct KeyName {
    /// Trace kind.
    pub kind: TraceKind,
    /// The object, in canonical form.
    pub key: String,
    /// Source of the key.
    pub source: String,
}

/// Trials that are not listed one by one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
pub struct TrialSum {
    /// How many.
    pub trials: u32,
    /// Their sum of ln of the product for pi = 0.2, 0.5 and 0.8, nats.
    pub log_lr: [f64; 3],
}

/// Nats of one source.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct SourceNats {
    /// Trace kind.
    pub kind: TraceKind,
    /// Source of the keys.
    pub source: String,
    /// Evidence, nats.
    pub nats: f64,
}

/// One key on which members acted.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Evidence {
    /// Trace kind.
    pub kind: TraceKind,
    /// The object, in canonical form.
    pub key: String,
    /// Source of the key.
    pub source: String,
    /// Trace kind of its source in `sources`, if that is not `kind`: a text with a link comes from
    /// the link's site.
    #[serde(default)]
    pub source_kind: Option<TraceKind>,
    /// Evidence, nats.
    pub nats: f64,
    /// The members' posts on this key, by time.
    pub posts: Vec<PostRef>,
    /// The arithmetic of `nats`. Absent for a key that does not count, which is listed because
    /// members that other candidates named acted on it; and in messages of older versions, or if it
    /// did not fit into those.
    #[serde(default)]
    pub test: Option<KeyTest>,
}

/// The arithmetic of one key: how likely were these acts if members act together, and how likely by
/// habit?
///
/// For q = 0.1, 0.3 and 0.7, each raised to the current `chance` if that is greater, ln LR_q is the
/// sum over all `steps` except the first, which opened the test, of others x ln((1 - q) / (1 -
/// chance)) + ln(q / chance), plus others_after x ln((1 - q) / (1 - chance_after)). Of the others
/// in each step, only the first 20, 6 and 2 count for the three q; after that many, the member's
/// act adds nothing. Nothing is added either if the chance is 1e-9: no member is left then. The
/// key's nats are ln((1 - epsilon) + epsilon x mean of the LR_q).
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct KeyTest {
    /// Weight, 0 to 1, of "they act together", fixed before the test began.
    pub epsilon: f64,
    /// First acts of members of the proposed group on this key, by time.
    pub steps: Vec<Step>,
    /// Acts by accounts outside the group after the last step.
    pub others_after: u32,
    /// Probability that, by habit, the next act would have been a member's first act.
    pub chance_after: f64,
    /// By index into `accounts`: the share, 0 to 1, of acts on this key's source that is expected
    /// of the account by habit; null for an account that was not in the proposed group.
    pub shares: Vec<Option<f32>>,
}

/// A member's first act on a key.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Step {
    /// Index into `accounts`; null for an account of the proposed group that is not named.
    pub member: Option<usize>,
    /// Acts by accounts outside the group since the step before.
    pub others: u32,
    /// Probability that, by habit, the next act would be a member's first act: safety x the shares
    /// of all members that had not acted yet, limited to 1e-9 to 0.9. 0 for the step that opened
    /// the test.
    pub chance: f64,
}

/// Keys that were tested but are not listed as evidence: nobody followed the member who acted
/// first, or they did not fit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Unlisted {
    /// How many.
    pub keys: u64,
    /// Number of them on which a second member acted, so that the accounts' `log_e` depend on them
    /// as well.
    #[serde(default)]
    pub followed: u64,
    /// Their evidence, nats; mostly negative.
    pub nats: f64,
    /// Further keys of other candidates that do not count and are not listed because they did not
    /// fit.
    #[serde(default)]
    pub of_others: u64,
    /// Sources that are not in `sources` because they did not fit. None of them has a listed key,
    /// and none is the best.
    #[serde(default)]
    pub sources: u64,
    /// Their evidence, nats: `log_e` is the sum of `sources` and of this.
    #[serde(default)]
    pub source_nats: f64,
}

/// Identifies one post.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PostRef {
    /// The post's id on its platform.
    pub id: String,
    /// Lower-case platform name.
    pub platform: String,
    /// The account that posted it.
    pub account_id: String,
    /// Time of the post.
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
    /// Co-acts that count.
    pub co_acts: u32,
    /// Evidence, nats.
    pub nats: f64,
    /// Median time between the two acts, seconds.
    pub median_lag_s: f64,
}
