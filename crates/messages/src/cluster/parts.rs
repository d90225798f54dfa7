//! The parts of a cluster's message.

use coordination::{TraceKind, TrialOutcome};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::rounding::rounded_nats;

/// What the test of a cluster's group went by.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Terms {
    /// Rate of false discoveries, 0 to 1, among groups that are ever told.
    pub alpha: f64,
    /// Factor, 1 or more, on the higher of the crowd's and the near accounts' rate; each gain's `h` has it in.
    pub safety: f64,
    /// Accounts of the group as it was proposed, named in `accounts` or not.
    pub proposed: usize,
    /// When the group was proposed: only later posts are trials.
    #[schemars(with = "String")]
    pub born: Timestamp,
    /// Its number among all proposed groups, from 0: the bar grows with it.
    pub number: u64,
    /// Discoveries before it passed; of a near miss, before now.
    pub discoveries: u64,
    /// What `log_e_leave_one_source_out` must reach, nats: ln(2.11 m ln(m)^2 / (alpha (discoveries + 1))), m = number + 2.
    pub bar: f64,
}

/// What became of a post against the group: the rarest thing in it that another member used shortly before (in naming: shortly before or
/// after). Rarity counts the accounts outside the group that used the thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Another member's own words: a near-duplicate text.
    OwnWords,
    /// A thing that hardly anybody outside used.
    Rare,
    /// A thing that up to one account in a hundred outside used.
    Middling,
    /// A thing that more use.
    Common,
    /// Nothing that another member used.
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
    /// How long before a post another member must have used the same thing, seconds.
    pub seconds: i64,
    /// ln of the window's e-value: `losses` and all gains.
    pub nats: f64,
    /// Sum over the trials that lost, nats; never positive.
    pub losses: f64,
    /// Outcomes of the group's own trials: members' posts since the group was proposed.
    pub group: [u64; 5],
    /// The same of the posts of everybody else.
    pub crowd: [u64; 5],
    /// The same of the posts of the people around the group, who repeated its words before and are not tied to it.
    pub near: [u64; 5],
}

/// How the accounts of a group were named.
///
/// With o an outcome, own the account's `outcomes` if it is `proposed`, else zero, r = .05, .03, .03, .1, .79 and h(o) = (`crowd`(o) +
/// 20 r(o)) / (sum of `crowd` + 20), an account's post with outcome o has by itself v = ln(g / (safety h)), held in -4 to 4, and for
/// *nothing* min(ln(g / h), 0), held at -4 or more; with the share `cover` of real members' posts like everybody else's it adds ln((1 -
/// cover) exp(v) + cover). There g = (`group`(o) - own(o) + 1/2) / (sum of `group` - sum of own + 5/2). The account's `log_e` L is the
/// sum over its `outcomes` less what its `dropped` sources (and `dropped_nats`) would have added: the best one, and of a proposed
/// account what a second one gave before the proposal, for by that it was chosen.
///
/// Its `posterior` is 1 / (1 + (1 - pi) / pi exp(-L)), L held in -30 to 30, pi being `share_proposed` for a proposed account and
/// `share_others` for another. This is a model's probability, not a guarantee.
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
    /// Outcomes of everybody else's posts; each account weighs one.
    pub crowd: [f64; 5],
    /// Share of real members' posts that is taken to be cover, like everybody else's: 0 to 1.
    #[serde(default)]
    pub cover: f64,
    /// Share of real members among the proposed accounts, 0 to 1, by EM.
    pub share_proposed: f64,
    /// Share of real members among all other accounts, 0 to 1, by EM.
    pub share_others: f64,
    /// Accounts outside the group that were active then.
    pub others: u64,
}

/// A member of a cluster; of a near miss, an account of the group as it was proposed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ClusterAccount {
    /// Lower-case platform name.
    pub platform: String,
    /// The platform's id.
    pub account_id: String,
    /// Handle or display name last seen; empty where a message had no room for names.
    pub account_name: String,
    /// Evidence that this account belongs to the group, nats: see [`Naming`]. 0 where nobody was named.
    pub log_e: f64,
    /// Probability, by the model of [`Naming`], that it belongs to the group; absent where nobody was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posterior: Option<f64>,
    /// Outcomes of its judged posts.
    #[serde(default)]
    pub outcomes: [u32; 5],
    /// Sources whose gains are not in `log_e`, at most two: see [`Naming`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<Dropped>,
    /// What dropped sources that are not listed, for want of room, would have added, nats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped_nats: Option<f64>,
    /// Whether it was in the group as it was proposed, or was found afterwards.
    pub proposed: bool,
    /// Index into `namings` of the naming that its numbers are from; absent where nobody was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub naming: Option<usize>,
    /// Whether the cluster's own group does not name it, but another that was merged into the cluster does. The model has not looked at
    /// such accounts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub elsewhere: bool,
    /// Posts seen.
    pub posts: u64,
}

/// A source whose gains are not counted for an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Dropped {
    /// Trace kind of the source.
    #[schemars(with = "String")]
    pub kind: TraceKind,
    /// Whom the keys come from.
    pub source: String,
    /// What it would have added, nats.
    pub nats: f64,
}

impl Dropped {
    pub(super) fn new(dropped: &coordination::DroppedSource) -> Dropped {
        Dropped { kind: dropped.kind, source: dropped.source.clone(), nats: rounded_nats(dropped.nats) }
    }
}

/// Nats that one source gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SourceNats {
    /// Trace kind of the source: sources of different kinds are different sources.
    #[schemars(with = "String")]
    pub kind: TraceKind,
    /// Whom the keys come from: the registrable domain of a link, the author of a reposted post or else that post, and the key itself of a
    /// tag, a text and anything else.
    pub source: String,
    /// Gains in the best window, nats. In messages of version 1, all evidence.
    pub nats: f64,
    /// Gains in each window, nats; zeros in messages of version 1.
    #[serde(default)]
    pub by_window: [f64; 3],
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

/// Names a model in the registry.
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
    /// The canonical thing acted on.
    pub key: String,
    /// Whom it comes from.
    pub source: String,
    /// Trace kind, in `sources`, of its source.
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

/// What is not listed in `evidence` and in `sources`: it was too much for the engine to keep, or for the message to hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Unlisted {
    /// Trials with a gain that are not in `evidence`.
    pub trials: u64,
    /// Their nats in each window.
    pub nats: [f64; 3],
    /// Posts without a gain that this message had no room for.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub posts: u64,
    /// Sources that are not in `sources`: the engine tells the 100 that gave most, and a message may have no room for all of these. The one
    /// that `log_e_leave_one_source_out` leaves out is not among those for which there was no room.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub sources: u64,
    /// Their nats in each window.
    #[serde(default, skip_serializing_if = "are_nothing")]
    pub source_nats: [f64; 3],
    /// Of one text by many accounts, accounts that wrote it and are not in `accounts`: the engine does not remember so many by name.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub accounts: u64,
    /// Ties that this message had no room for.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ties: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

fn are_nothing(nats: &[f64; 3]) -> bool {
    *nats == [0.0; 3]
}

/// Names one post.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
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
    /// Where it stands in the topic `posts`. Not on the topics of clusters, whose messages do not depend on the way that posts came: it is in
    /// the record's header [`HEADER`](super::positions::HEADER) there, and whoever keeps the message puts it here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub log: Option<LogPosition>,
    /// What it gave to the group through this key; nothing where it came first, gave its gain to another key, was not bet on, or was
    /// posted before the group was proposed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gains: Vec<Gain>,
}

/// A trial that gained min(ln(g / h), 4) nats in one window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Gain {
    /// Index into `windows`.
    pub window: usize,
    /// What the post did; never *nothing*.
    pub outcome: Outcome,
    /// How often the group's own trials had this outcome before, 0 to 1.
    pub g: f64,
    /// How often it happens without coordination, 0 to 1: safety x the higher of the crowd's and the near accounts' rate.
    pub h: f64,
}

impl Gain {
    /// min(ln(g / h), 4).
    pub fn nats(self) -> f64 {
        (self.g / self.h).ln().min(4.0)
    }
}

/// A tie between two members: they used more keys in common than chance explains.
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
    /// Mean number of such keys by chance; absent in messages of version 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<f64>,
    /// Surprise, nats: -ln of the chance of so many keys or more. In messages of version 1, the sum over its keys.
    pub nats: f64,
    /// Median time between the two uses of a key, seconds.
    pub median_lag_s: f64,
}

/// A record's place in a topic.
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
