//! The parts of a cluster's message.

use coordination::{TraceKind, TrialOutcome};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::rounding::rounded_nats;

/// The parameters of the test of a cluster's group.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Terms {
    /// Rate of false discoveries, 0 to 1, among all groups that are reported as passed.
    pub alpha: f64,
    /// Factor, 1 or more, on the higher of the crowd's and the near accounts' rate. It is included
    /// in each gain's `h`.
    pub safety: f64,
    /// Accounts of the proposed group, whether `accounts` names them or not.
    pub proposed: usize,
    /// When the group was proposed: only later posts are trials.
    #[schemars(with = "String")]
    pub born: Timestamp,
    /// Its number among all proposed groups, from 0. The threshold grows with it.
    pub number: u64,
    /// Discoveries before it passed; for a near miss, before now.
    pub discoveries: u64,
    /// The threshold of `log_e_leave_one_source_out`, nats: ln(2.11 m ln(m)^2 / (alpha (discoveries
    /// + 1))), m = number + 2.
    pub bar: f64,
}

/// The outcome of a post for the group: the rarest object in it that another member used shortly
/// before (in naming: shortly before or after). Rarity is the number of accounts outside the group
/// that used the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Another member's own words: a near-duplicate text.
    OwnWords,
    /// An object that hardly any account outside used.
    Rare,
    /// An object that at most one in a hundred accounts outside used.
    Middling,
    /// An object that more accounts used.
    Common,
    /// No object that another member used.
    Nothing,
}

impl Outcome {
    /// All outcomes, in the order of every array of five counts.
    pub const ALL: [Outcome; 5] =
        [Outcome::OwnWords, Outcome::Rare, Outcome::Middling, Outcome::Common, Outcome::Nothing];
}

impl From<TrialOutcome> for Outcome {
    fn from(outcome: TrialOutcome) -> Outcome {
        match outcome {
            TrialOutcome::OwnWords => Outcome::OwnWords,
            TrialOutcome::Rare => Outcome::Rare,
            TrialOutcome::Middling => Outcome::Middling,
            TrialOutcome::Common => Outcome::Common,
            TrialOutcome::Nothing => Outcome::Nothing,
        }
    }
}

/// One window of the test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Window {
    /// Another member must have used the same object at most this long before a post, seconds.
    pub seconds: i64,
    /// ln of the window's e-value: `losses` and all gains.
    pub nats: f64,
    /// Sum over the trials with a loss, nats; never positive.
    pub losses: f64,
    /// Outcomes of the group's own trials: members' posts since the group was proposed.
    pub group: [u64; 5],
    /// Outcomes of everybody else's posts.
    pub crowd: [u64; 5],
    /// Outcomes of the posts of the accounts around the group, which repeated its words before and
    /// are not tied to it.
    pub near: [u64; 5],
}

/// How the accounts of a group were named.
///
/// With o an outcome, own the account's `outcomes` if it is `proposed`, else zero, r = .05, .03,
/// .03, .1, .79 and h(o) = (`crowd`(o) + 20 r(o)) / (sum of `crowd` + 20), an account's post with
/// outcome o has v = ln(g / (safety h)), limited to -4 to 4; for *nothing* it has min(ln(g / h),
/// 0), limited to -4 or more. A share `cover` of real members' posts is like everybody else's, so
/// the post adds ln((1 - cover) exp(v) + cover). There g = (`group`(o) - own(o) + 1/2) / (sum of
/// `group` - sum of own + 5/2). The account's `log_e` L is the sum over its `outcomes` minus what
/// its `dropped` sources (and `dropped_nats`) would have added: the best one, and for a proposed
/// account also a second one before the proposal, because the account was proposed because of it.
///
/// Its `posterior` is 1 / (1 + (1 - pi) / pi exp(-L)), with L limited to -30 to 30; pi is
/// `share_proposed` for a proposed account and `share_others` for another. This is a model's
/// probability, not a guarantee.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Naming {
    /// First moment of the posts that were judged.
    #[schemars(with = "String")]
    pub from: Timestamp,
    /// Last moment of the posts that were judged.
    #[schemars(with = "String")]
    pub until: Timestamp,
    /// Outcomes of the proposed accounts' posts.
    pub group: [u64; 5],
    /// Outcomes of everybody else's posts; each account has a weight of one.
    pub crowd: [f64; 5],
    /// Share of real members' posts that is assumed to be cover, like everybody else's posts: 0 to
    /// 1.
    #[serde(default)]
    pub cover: f64,
    /// Share of real members among the proposed accounts, 0 to 1, by EM.
    pub share_proposed: f64,
    /// Share of real members among all other accounts, 0 to 1, by EM.
    pub share_others: f64,
    /// Accounts outside the group that were active in this period.
    pub others: u64,
}

/// A member of a cluster; for a near miss, an account of the proposed group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ClusterAccount {
    /// Lower-case platform name.
    pub platform: String,
    /// The platform's id.
    pub account_id: String,
    /// Handle or display name last seen; empty if names did not fit into the message.
    pub account_name: String,
    /// Evidence that this account belongs to the group, nats: see [`Naming`]. 0 if nobody was
    /// named.
    pub log_e: f64,
    /// Probability, by the model of [`Naming`], that it belongs to the group; absent if nobody was
    /// named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posterior: Option<f64>,
    /// Outcomes of its judged posts.
    #[serde(default)]
    pub outcomes: [u32; 5],
    /// Sources whose gains are not in `log_e`, at most two: see [`Naming`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<Dropped>,
    /// Sum of what dropped sources would have added that did not fit into the list, nats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped_nats: Option<f64>,
    /// Whether it was in the group as proposed; otherwise it was found afterwards.
    pub proposed: bool,
    /// Index into `namings` of the naming that its numbers come from; absent if nobody was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub naming: Option<usize>,
    /// Whether the cluster's own group does not name it, but another group that was merged into the
    /// cluster does. The model has not seen such accounts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub elsewhere: bool,
    /// Its posts that Lockstep has seen.
    pub posts: u64,
}

/// A source whose gains do not count for an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Dropped {
    /// Trace kind of the source.
    #[schemars(with = "String")]
    pub kind: TraceKind,
    /// Source of the keys.
    pub source: String,
    /// What it would have added, nats.
    pub nats: f64,
}

impl Dropped {
    pub(super) fn new(dropped: &coordination::DroppedSource) -> Dropped {
        Dropped { kind: dropped.kind, source: dropped.source.clone(), nats: rounded_nats(dropped.nats) }
    }
}

/// Nats of one source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SourceNats {
    /// Trace kind of the source: sources of different kinds are different sources.
    #[schemars(with = "String")]
    pub kind: TraceKind,
    /// Source of the keys: the registrable domain of a link; the author of a reposted post, or else
    /// that post; and the key itself for a tag, a text and anything else.
    pub source: String,
    /// Gains in the best window, nats. In messages of version 1, all evidence.
    pub nats: f64,
    /// Gains in each window, nats; zeros in messages of version 1.
    #[serde(default)]
    pub by_window: [f64; 3],
}

/// One feature's contribution to a verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Reason {
    /// Feature name.
    pub feature: String,
    /// Value in the feature's unit; null if not known.
    pub value: Option<f64>,
    /// Signed contribution to the score, nats.
    pub contribution: f64,
    /// The reason as a sentence.
    pub text: String,
}

impl Reason {
    pub(super) fn new(reason: &scoring::Reason) -> Reason {
        Reason {
            feature: reason.feature.to_owned(),
            value: reason.value,
            contribution: reason.contribution,
            text: reason.text.clone(),
        }
    }
}

/// The name of a model in the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ModelRef {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
}

/// One key that gave the group a gain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Evidence {
    /// Trace kind.
    #[schemars(with = "String")]
    pub kind: TraceKind,
    /// The object, in canonical form.
    pub key: String,
    /// Source of the key.
    pub source: String,
    /// Trace kind of its source, in `sources`.
    #[schemars(with = "String")]
    pub source_kind: TraceKind,
    /// Gains in the best window, nats. In messages of version 1, all evidence.
    pub nats: f64,
    /// Gains in each window, nats: the sum over `posts`. Zeros in messages of version 1.
    #[serde(default)]
    pub by_window: [f64; 3],
    /// The members' posts on this key, by time.
    pub posts: Vec<PostRef>,
}

/// Counts and sums of the parts that are not listed in `evidence` and in `sources`: the engine did
/// not keep them, or they did not fit into the message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Unlisted {
    /// Trials with a gain that are not in `evidence`.
    pub trials: u64,
    /// Sum of their nats in each window.
    pub nats: [f64; 3],
    /// Posts without a gain that did not fit into this message.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub posts: u64,
    /// Sources that are not in `sources`: the engine reports the 100 with the largest gains, and
    /// not all of these may fit into a message. The source that `log_e_leave_one_source_out` leaves
    /// out is always listed.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub sources: u64,
    /// Sum of their nats in each window.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub source_nats: [f64; 3],
    /// For one text by many accounts: accounts that wrote it and are not in `accounts`, because the
    /// engine remembers only some of them by name.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub accounts: u64,
    /// Ties that did not fit into this message.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub ties: u64,
}

fn is_nothing<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Identifies one post.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PostRef {
    /// The post's id on its platform.
    pub id: String,
    /// Lower-case platform name.
    pub platform: String,
    /// The account that posted it.
    pub account_id: String,
    /// Time of the post.
    #[schemars(with = "String")]
    pub created_at: Timestamp,
    /// Its position in the topic `posts`. It is absent on the topics of clusters, whose messages do
    /// not depend on how the posts arrived: there it is in the record's header
    /// [`HEADER`](super::positions::HEADER), and the service that stores the message fills it in
    /// here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub log: Option<LogPosition>,
    /// Its gains for the group through this key. Empty if the post came first, gave its gain to
    /// another key, had no bet, or was posted before the group was proposed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gains: Vec<Gain>,
}

/// A trial with a gain of min(ln(g / h), 4) nats in one window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Gain {
    /// Index into `windows`.
    pub window: usize,
    /// The outcome of the post; never *nothing*.
    pub outcome: Outcome,
    /// Rate of this outcome in the group's own earlier trials, 0 to 1.
    pub g: f64,
    /// Rate of this outcome without coordination, 0 to 1: safety x the higher of the crowd's and
    /// the near accounts' rate.
    pub h: f64,
}

impl Gain {
    /// min(ln(g / h), 4).
    pub fn nats(self) -> f64 {
        (self.g / self.h).ln().min(4.0)
    }
}

/// A tie between two members: they used more keys in common than expected by chance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Tie {
    /// Index into `accounts`.
    pub a: usize,
    /// Index into `accounts`.
    pub b: usize,
    /// Trace kind of most of the keys in common.
    #[schemars(with = "String")]
    pub kind: TraceKind,
    /// Keys that both used within a day of each other, over seven days.
    pub co_acts: u32,
    /// Expected number of such keys by chance; absent in messages of version 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<f64>,
    /// Nats: -ln of the chance of at least as many keys. In messages of version 1, the sum over its
    /// keys.
    pub nats: f64,
    /// Median time between the two uses of a key, seconds.
    pub median_lag_s: f64,
}

/// A record's position in a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LogPosition {
    /// The number of its partition.
    pub partition: i32,
    /// Its offset in the partition.
    pub offset: i64,
}

impl From<coordination::Position> for LogPosition {
    fn from(position: coordination::Position) -> LogPosition {
        LogPosition { partition: position.partition(), offset: position.offset() }
    }
}
