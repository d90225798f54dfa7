//! What the engine finds: clusters, and the evidence behind them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::post::Millis;

/// A kind of [trace](crate): what accounts can do in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum TraceKind {
    /// Shared the same canonical URL.
    Url,
    /// Reposted the same post.
    Repost,
    /// Used the same ordered hashtag sequence, or the same new or rare hashtag.
    Hashtags,
    /// Wrote nearly the same text.
    Text,
    /// Posted the same picture or video.
    Media,
    /// Answered the same post.
    Reply,
    /// Mentioned the same accounts together.
    Mention,
}

impl TraceKind {
    /// All kinds, in the order of their wire names' first appearance in output.
    pub const ALL: [TraceKind; 7] = [
        TraceKind::Url,
        TraceKind::Repost,
        TraceKind::Hashtags,
        TraceKind::Text,
        TraceKind::Media,
        TraceKind::Reply,
        TraceKind::Mention,
    ];

    /// The name used in configuration and output.
    pub fn name(self) -> &'static str {
        match self {
            TraceKind::Url => "url",
            TraceKind::Repost => "repost",
            TraceKind::Hashtags => "hashtags",
            TraceKind::Text => "text",
            TraceKind::Media => "media",
            TraceKind::Reply => "reply",
            TraceKind::Mention => "mention",
        }
    }
}

impl fmt::Display for TraceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An account, as named by its platform.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountRef {
    /// Lower-case platform name.
    pub platform: String,
    /// The platform's id for the account.
    pub account_id: String,
}

/// A group of accounts that passed the test of coordination, at one moment of its life.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// Stable over the cluster's life, whatever happens to its membership.
    pub id: String,
    /// Counts the published states of this cluster, from 1.
    pub version: u32,
    /// Ids of clusters that this one has absorbed or split from.
    pub lineage: Vec<String>,
    /// Whether it stands without its best source.
    pub finding: Finding,
    /// Members that passed the member test, strongest first, then by account.
    pub members: Vec<Member>,
    /// Event time of the first post in the evidence.
    pub first_seen: Millis,
    /// Event time of the last post in the evidence.
    pub last_seen: Millis,
    /// Total evidence in nats: ln of the e-value against "these accounts act independently".
    pub log_e: f64,
    /// The same without the source that gives most.
    pub log_e_leave_one_source_out: f64,
    /// How many candidates were tested beside this one (the denominator of the error control).
    pub candidates_tested: u64,
    /// What its tests went by.
    pub terms: Terms,
    /// Event time that the activity baseline covered when the candidate was born, in milliseconds: how much history stands
    /// behind the verdict. Under 24 h the lagged per-source baseline is missing and verdicts rest on activity alone.
    pub history: Millis,
    /// Nats per trace kind; sums to `log_e`.
    pub nats_by_kind: Vec<(TraceKind, f64)>,
    /// Nats per source, largest first; sums to `log_e`.
    pub nats_by_source: Vec<SourceNats>,
    /// One entry a key on which at least two members acted, most nats first; keys that spoke against are included.
    pub evidence: Vec<Evidence>,
    /// Keys that are not listed, because nobody followed or for want of room: `log_e` is the sum of `evidence` and of these.
    pub silent_keys: SilentKeys,
    /// Ties among the members, strongest first.
    pub ties: Vec<Tie>,
}

/// What a cluster's tests went by, beside what each key tells of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Terms {
    /// Rate of false discoveries among candidates, and among the members of one.
    pub alpha: f64,
    /// Factor on every expected share of acts.
    pub safety: f64,
    /// Accounts of the group as it was proposed, named or not: as many members were tested.
    pub proposed: usize,
}

/// How far the statistics go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Finding {
    /// Passes even when its best source is left out.
    Coordinated,
    /// Passes only with all sources in: a fandom, or a mirror of one outlet. Never flagged by itself.
    SingleSource,
    /// Passed once, but what its members did since then speaks against it: what was said of it no longer holds.
    Faded,
}

/// A member of a cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Who.
    pub account: AccountRef,
    /// Handle or display name last seen.
    pub account_name: String,
    /// Evidence in nats that this account acts with the others.
    pub log_e: f64,
    /// Whether `log_e` is that of another candidate than the cluster's numbers are of, or, in a faded cluster, of none.
    pub elsewhere: bool,
    /// The test that gave its `log_e`, where that was another candidate's.
    pub trials: Option<Trials>,
    /// Its trials by the cluster's own candidate on keys that are not listed; `None` where all are, and for accounts that it does not
    /// hold.
    pub rest: Option<TrialSum>,
    /// How it behaves, for the model.
    pub behaviour: Behaviour,
}

/// How another candidate than the cluster's own tested one of its members.
#[derive(Debug, Clone, PartialEq)]
pub struct Trials {
    /// Accounts of that candidate as it was proposed.
    pub proposed: usize,
    /// How many of them pass.
    pub named: usize,
    /// Its trials, in the order of what their keys gave to that candidate.
    pub keys: Vec<KeyTrial>,
    /// Those on keys that are not listed; `None` where all are.
    pub rest: Option<TrialSum>,
}

/// A trial, and the key that it is on.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyTrial {
    /// The kind of trace.
    pub kind: TraceKind,
    /// The canonical thing acted on.
    pub key: String,
    /// Whom it comes from.
    pub source: String,
    /// Whose kind of source that is; see [`SourceNats`].
    pub source_kind: TraceKind,
    /// What it asked of the member.
    pub trial: Trial,
}

/// Did a member take part on a key where at least two others did?
///
/// With p = 1 - exp(-safety `share` `acts`), held in 1e-9 to 0.99, it multiplies the member's likelihood ratio for pi = 0.2, 0.5 and 0.8
/// (p where that is greater) by pi / p if it did, else by (1 - pi) / (1 - p): never by more than 1 if it did not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trial {
    /// Whether it did.
    pub took_part: bool,
    /// Share of acts on this key that was expected of it by habit.
    pub share: f32,
    /// Acts among which it could have been, and two more.
    pub acts: u32,
}

/// Trials that are summed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct TrialSum {
    /// How many.
    pub trials: u32,
    /// What they add to ln of the likelihood ratios for pi = 0.2, 0.5 and 0.8.
    pub log_lr: [f64; 3],
}

impl TrialSum {
    /// Adds one, given what it adds.
    pub(crate) fn add(&mut self, log_lr: [f64; 3]) {
        self.trials += 1;
        self.log_lr.iter_mut().zip(log_lr).for_each(|(sum, nats)| *sum += nats);
    }
}

/// How one account behaves: counts only, nothing of what it says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Behaviour {
    /// Posts seen.
    pub posts: u64,
    /// Reposts among them.
    pub reposts: u64,
    /// Posts on keys of the cluster's evidence.
    pub posts_on_cluster_keys: u64,
    /// Posts seen deleted.
    pub deleted: u64,
    /// Reposts whose original was seen up to the widest window (an hour) before.
    pub timed_reposts: u64,
    /// Those of them that came within the narrowest window (a minute) of the original.
    pub fast_reposts: u64,
    /// Posts by UTC hour of the day.
    pub hours: [u32; 24],
    /// First post seen.
    pub first_post: Millis,
    /// Last post seen.
    pub last_post: Millis,
    /// When the account was made.
    pub created_at: Option<Millis>,
    /// Last known followers.
    pub followers: Option<u64>,
    /// Last known followed accounts.
    pub following: Option<u64>,
    /// Whether the profile was never filled in.
    pub default_profile: Option<bool>,
    /// The application last posted from.
    pub client: Option<String>,
}

/// Nats that one source gave.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceNats {
    /// Whose kind of source: sources of different kinds are different sources, but a text beside a link has the link's source, which
    /// is of kind `url`.
    pub kind: TraceKind,
    /// Whom the keys come from, for example a registrable domain.
    pub source: String,
    /// Evidence in nats; negative where the source spoke against.
    pub nats: f64,
}

/// One key on which members acted, and the posts that did.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// The kind of trace.
    pub kind: TraceKind,
    /// The canonical thing acted on.
    pub key: String,
    /// Whom it comes from.
    pub source: String,
    /// Whose kind of source that is; see [`SourceNats`].
    pub source_kind: TraceKind,
    /// Evidence in nats.
    pub nats: f64,
    /// The members' posts on this key, by time.
    pub posts: Vec<PostRef>,
    /// How the nats came about; `None` for a key that counts nothing, listed only because members were seen on it.
    pub test: Option<KeyTest>,
}

/// The arithmetic of one key: with q = 0.1, 0.3 and 0.7, each raised to the step's `chance` where that is greater, every step adds
/// `others` ln((1 - q) / (1 - chance)) + ln(q / chance) to ln LR_q (the first adds nothing: it opened the test), and the end adds
/// `others_after` ln((1 - q) / (1 - chance_after)). Of the others, only the first 20, 6 and 2 count for the three q; where there were so
/// many, the member's act adds nothing. Nor does anything where the chance is 1e-9: no member is left then. The key's nats are
/// ln((1 - epsilon) + epsilon mean LR_q).
#[derive(Debug, Clone, PartialEq)]
pub struct KeyTest {
    /// Weight of "they act together" in this key's e-value, fixed before the test began.
    pub epsilon: f64,
    /// First acts of members, by time.
    pub steps: Vec<Step>,
    /// Acts by others after the last of them.
    pub others_after: u32,
    /// Chance, by habit, that the next act would have been by a member who had not acted.
    pub chance_after: f64,
    /// By member of the cluster, in order: the share of acts on this key that was expected of it by habit; `None` for those who were
    /// not in the group when it was proposed.
    pub shares: Vec<Option<f32>>,
}

/// A member's first act on a key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Place among the cluster's members; `None` for one of the proposed group who is not named.
    pub member: Option<usize>,
    /// Acts by others since the step before.
    pub others: u32,
    /// Chance, by habit, that this act would be by a member who had not acted; 0 for the act that opened the test.
    pub chance: f64,
}

/// Keys tested but not listed as evidence.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SilentKeys {
    /// How many.
    pub keys: u64,
    /// How many of them a second member acted on: they are in the members' `log_e` too.
    pub followed: u64,
    /// Their evidence in nats; mostly negative.
    pub nats: f64,
}

/// Names one post.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PostRef {
    /// When it was posted.
    pub created_at: Millis,
    /// Its id on its platform.
    pub id: String,
    /// Who posted it.
    pub account: AccountRef,
    /// How it is on its key.
    pub manner: Manner,
}

/// How a post is on its key, where there is more to tell than that it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Manner {
    /// Nothing more.
    #[default]
    Plain,
    /// A text, as one bit of each of the 64 values of its MinHash: of two texts of Jaccard similarity J, a share of about (1 + J) / 2 of
    /// the bits is equal (Li and Koenig 2010). No word can be had back from it.
    Wording(u64),
    /// A repost so many milliseconds after the original, which was seen too.
    After(u32),
}

/// Two accounts with accumulated co-act evidence of one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Tie {
    /// The lesser account.
    pub a: AccountRef,
    /// The greater account.
    pub b: AccountRef,
    /// The kind of trace.
    pub kind: TraceKind,
    /// Credited co-acts: at most one per pair in 30 minutes.
    pub co_acts: u32,
    /// Distinct keys among them.
    pub distinct_keys: u32,
    /// Evidence in nats.
    pub nats: f64,
    /// Median time between the two acts, in seconds.
    pub median_lag_s: f64,
}
