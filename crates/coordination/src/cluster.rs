//! The findings of the engine: clusters, and their evidence.

use serde::{Deserialize, Serialize};

use crate::{
    post::{Millis, Position},
    snapshot::since_8,
    trace::TraceKind,
};

/// An account, as named by its platform.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AccountRef {
    /// Lower-case platform name.
    pub platform: String,
    /// The platform's id for the account.
    pub account_id: String,
}

/// The outcome of one post for a group: the rarest object in it that another member of the group
/// used shortly before (in naming: shortly before or after). Rarity is the number of accounts
/// *outside* the group that used the object in the last six hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum TrialOutcome {
    /// T: another member's own words (a near-duplicate text).
    OwnWords,
    /// A: a key that hardly any account outside used.
    Rare,
    /// B: a key that at most one in a hundred accounts outside used.
    Middling,
    /// C: a key that more accounts used.
    Common,
    /// N: no object that another member used.
    Nothing,
}

impl TrialOutcome {
    /// All outcomes, the rarest first: the order of every `[_; 5]` below.
    pub const ALL: [TrialOutcome; 5] = [
        TrialOutcome::OwnWords,
        TrialOutcome::Rare,
        TrialOutcome::Middling,
        TrialOutcome::Common,
        TrialOutcome::Nothing,
    ];

    /// The name used in output.
    pub fn name(self) -> &'static str {
        match self {
            TrialOutcome::OwnWords => "own_words",
            TrialOutcome::Rare => "rare",
            TrialOutcome::Middling => "middling",
            TrialOutcome::Common => "common",
            TrialOutcome::Nothing => "nothing",
        }
    }
}

/// Windows of the test, in milliseconds: another member must have used the same object at most this
/// long before a post.
pub const WINDOWS: [Millis; 3] = [60_000, 7_200_000, 86_400_000];

/// A group of accounts that passed the test of coordination (or almost did), at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    /// Id of the cluster, which never changes, whatever happens to its members.
    pub id: String,
    /// Number of this published state of the cluster, from 1.
    pub version: u32,
    /// Ids of clusters that this one has absorbed, each once.
    pub lineage: Vec<String>,
    /// Clusters that became part of this one with this version. They are not reported again.
    pub absorbed: Vec<String>,
    /// If this cluster split off: the cluster that most of its accounts were in, which continues
    /// with other accounts.
    #[serde(deserialize_with = "since_8")]
    pub split_from: Option<String>,
    /// Ids of the near misses as which its groups were reported before they passed.
    #[serde(deserialize_with = "since_8")]
    pub near_misses: Vec<String>,
    /// The finding of the statistics.
    pub finding: Finding,
    /// Why it is `SingleSource`; `None` for every other finding.
    pub single_source: Option<SingleSource>,
    /// Whether the judge found the group inauthentic from which the numbers come; always false
    /// unless the finding is `Coordinated`.
    pub flagged: bool,
    /// Named accounts, strongest first, then by account. For a near miss: the proposed accounts.
    pub members: Vec<Member>,
    /// Event time of the first post in the evidence.
    pub first_seen: Millis,
    /// Event time of the last post in the evidence.
    pub last_seen: Millis,
    /// Evidence in nats: ln of the mean over `windows` of exp(nats). 0 for one text by many
    /// accounts, which has no e-value.
    pub log_e: f64,
    /// The least value of the same with the gains of one source left out: the statistic that must
    /// reach `terms.bar`.
    pub log_e_leave_one_source_out: f64,
    /// Number of groups that had been proposed at the time of this report.
    pub candidates_tested: u64,
    /// The parameters of the test.
    pub terms: Terms,
    /// Event time from the stream's first use of a key to the group's proposal, milliseconds.
    pub history: Millis,
    /// The test, window by window, in the order of [`WINDOWS`]; empty for one text by many
    /// accounts.
    pub windows: Vec<WindowSum>,
    /// How accounts were named: the cluster's own group first, then other groups that were merged
    /// into the cluster. Empty for a near miss and for one text by many accounts.
    pub namings: Vec<Naming>,
    /// Gains per trace kind in the best window (the one with the most nats); with that window's
    /// losses they sum to its nats.
    pub nats_by_kind: Vec<(TraceKind, f64)>,
    /// Gains per source, largest in the best window first: at most 100.
    pub nats_by_source: Vec<SourceNats>,
    /// One entry for each key that gave the group a gain, most nats in the best window first.
    pub evidence: Vec<Evidence>,
    /// Gains that are not listed, because the lists are bounded.
    pub unlisted: Unlisted,
    /// Ties among the members, strongest first: at most 1,000.
    pub ties: Vec<Tie>,
}

impl Cluster {
    /// Index in `windows` of the window with the most nats; the first of equal ones. 0 if there are
    /// no windows.
    pub fn best_window(&self) -> usize {
        let nats = |at: usize| self.windows.get(at).map_or(f64::NEG_INFINITY, |window| window.nats);
        (1..self.windows.len()).fold(0, |best, at| if nats(at) > nats(best) { at } else { best })
    }
}

/// The parameters of a group's test.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// Rate of false discoveries among all groups that are reported as passed, 0 to 1.
    pub alpha: f64,
    /// Factor on the higher of the crowd's and the near accounts' rate.
    pub safety: f64,
    /// Accounts of the proposed group, named or not.
    pub proposed: usize,
    /// When it was proposed, event time.
    pub born: Millis,
    /// Its number among all proposed groups, from 0. The threshold grows with it.
    pub number: u64,
    /// Discoveries before it passed (before now, for a group that has not passed).
    pub discoveries: u64,
    /// The threshold of `log_e_leave_one_source_out`, nats: ln(2.11 m ln(m)^2 / (alpha (discoveries
    /// + 1))), m = number + 2.
    pub bar: f64,
}

/// The finding of the statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Finding {
    /// Passes even when its best source is left out.
    Coordinated,
    /// Passes only with its best source, or is one text by many accounts
    /// ([`Cluster::single_source`] says which). Never flagged.
    SingleSource,
    /// Passed once, but its last seven days alone would not pass and fewer than three accounts can
    /// be named now: the earlier report is not valid any more.
    Faded,
    /// Did not pass, but almost did.
    NearMiss,
}

/// Why a cluster is [`Finding::SingleSource`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SingleSource {
    /// It passes only with its best source.
    BestSource,
    /// Many accounts wrote one text. This is a count and not a test: no e-value and no probability.
    OneText,
}

/// One window of a group's test.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct WindowSum {
    /// Another member must have used the same object at most this long before a post, milliseconds.
    pub width: Millis,
    /// ln of the window's e-value: `losses` and all gains (of `evidence` and `unlisted`).
    pub nats: f64,
    /// Sum over the trials with a loss, nats; never positive.
    pub losses: f64,
    /// Outcomes of the group's own trials (members' posts since it was proposed), in the order of
    /// [`TrialOutcome::ALL`].
    pub group: [u64; 5],
    /// Outcomes of everybody else's posts.
    pub crowd: [u64; 5],
    /// Outcomes of the posts of accounts near the group: they repeated its words before and are not
    /// tied to it.
    pub near: [u64; 5],
}

/// How the accounts of a group were named: everything that is needed to recompute every account's
/// evidence.
///
/// With o an outcome, own the account's counts if it was proposed, else zero, r = .05, .03, .03,
/// .1, .79 and h(o) = (`crowd`(o) + 20 r(o)) / (sum of `crowd` + 20), an account's post with
/// outcome o has v = ln(g/(s h)), limited to -4 to 4, where s is [`Terms::safety`]; for nothing it
/// has min(ln(g/h), 0), limited to -4 or more. There g = (`group`(o) - own(o) + 1/2) / (sum of
/// `group` - sum of own + 5/2). Real members also post other things: a share `cover` of their posts
/// is like everybody else's, so the post adds ln((1 - `cover`) exp(v) + `cover`). The evidence of
/// its best source is dropped; for a proposed account also that of a second source before the
/// proposal, because the account was proposed because of it: [`Member::dropped`]. With L the sum,
/// posterior = 1 / (1 + (1 - pi) / pi exp(-L)), with L limited to -30 to 30; pi is `share_proposed`
/// for a proposed account and `share_others` for another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Naming {
    /// First and last moment of the posts that were judged.
    pub from: Millis,
    /// See `from`.
    pub until: Millis,
    /// Outcomes of the proposed accounts' posts.
    pub group: [u64; 5],
    /// Outcomes of everybody else's posts; each account has a weight of one.
    pub crowd: [f64; 5],
    /// Share of real members' posts that is assumed to be cover, like everybody else's: of 0, 1/2,
    /// 3/4 and 9/10 the value under which the proposed accounts' posts are most likely.
    pub cover: f64,
    /// Share of real members among the proposed accounts, by EM.
    pub share_proposed: f64,
    /// Share of real members among all other accounts, by EM.
    pub share_others: f64,
    /// Accounts outside the group that were active in this period.
    pub others: u64,
}

/// A member of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Who.
    pub account: AccountRef,
    /// Handle or display name last seen.
    pub account_name: String,
    /// Evidence that this account belongs to the group, nats: see [`Naming`]. 0 if accounts were
    /// not named (near miss, one text).
    pub log_e: f64,
    /// Probability, by the model of [`Naming`], that it belongs to the group; `None` if accounts
    /// were not named.
    pub posterior: Option<f64>,
    /// Outcomes of its judged posts, in the order of [`TrialOutcome::ALL`].
    pub outcomes: [u32; 5],
    /// Sources whose gains are not in `log_e`, at most two: see [`Naming`].
    pub dropped: Vec<DroppedSource>,
    /// Whether it was in the group as proposed; otherwise it was found afterwards.
    pub proposed: bool,
    /// Index into [`Cluster::namings`] of the naming that its numbers come from.
    pub naming: usize,
    /// Whether the cluster's own group does not name it, but another group that was merged into the
    /// cluster does. The judge did not see such members: features leave them out.
    pub elsewhere: bool,
    /// Its behaviour, for the model.
    pub behaviour: Behaviour,
}

/// A source whose gains do not count for an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DroppedSource {
    /// Kind of the source: see [`SourceNats`].
    pub kind: TraceKind,
    /// Source of the keys.
    pub source: String,
    /// What it would have added, nats.
    pub nats: f64,
}

/// Behaviour of one account: counts only, nothing about the content of its posts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Behaviour {
    /// Posts seen.
    pub posts: u64,
    /// Reposts among them.
    pub reposts: u64,
    /// Its posts, of those that naming judged, that repeated other members (outcomes T, A, B and
    /// C).
    pub posts_on_cluster_keys: u64,
    /// Posts that were seen deleted.
    pub deleted: u64,
    /// Reposts whose original was seen up to the widest window (an hour) before.
    pub timed_reposts: u64,
    /// The part of them that came within the narrowest window (a minute) of the original.
    pub fast_reposts: u64,
    /// Posts by UTC hour of the day.
    pub hours: [u32; 24],
    /// First post seen.
    pub first_post: Millis,
    /// Last post seen.
    pub last_post: Millis,
    /// When the account was created.
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

/// Nats of one source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceNats {
    /// Kind of the source: sources of different kinds are different sources. The source of a link
    /// is its registrable domain; of a repost, the author of the original, or the original itself
    /// if the author is not known; of a tag, a text and anything else, the key itself.
    pub kind: TraceKind,
    /// Source of the keys, for example a registrable domain.
    pub source: String,
    /// Gains in each window, in the order of [`WINDOWS`].
    pub nats: [f64; 3],
}

/// One key on which members acted, and their posts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The kind of trace.
    pub kind: TraceKind,
    /// The object, in canonical form.
    pub key: String,
    /// Source of the key.
    pub source: String,
    /// Kind of that source; see [`SourceNats`].
    pub source_kind: TraceKind,
    /// Gains in each window, in the order of [`WINDOWS`]: the sum over the trials of `posts`.
    pub nats: [f64; 3],
    /// The members' posts on this key, by time.
    pub posts: Vec<PostRef>,
}

/// Gains that are not listed one by one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Unlisted {
    /// Trials with a gain that are not listed.
    pub trials: u64,
    /// Their nats in each window, in the order of [`WINDOWS`].
    pub nats: [f64; 3],
    /// Sources that are not in `nats_by_source`.
    pub sources: u64,
    /// Their nats in each window.
    pub source_nats: [f64; 3],
}

/// Identifies one post.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PostRef {
    /// When it was posted.
    pub created_at: Millis,
    /// Its id on its platform.
    pub id: String,
    /// Its position in the log that it was read from, if it was read from one.
    pub position: Option<Position>,
    /// The account that posted it.
    pub account: AccountRef,
    /// Further information about its use of the key.
    pub manner: Manner,
    /// Its gain for the group through this key, in each window, in the order of [`WINDOWS`]; `None`
    /// if there is none: the post came first, gave its gain to another key, had no bet, or was
    /// posted before the group was proposed.
    pub gains: [Option<Gain>; 3],
}

/// A trial with a gain: the post multiplied the window's e-value by min(g / h, e^4).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Gain {
    /// The outcome; never `Nothing`.
    pub outcome: TrialOutcome,
    /// Rate of this outcome in the group's own earlier trials.
    pub g: f64,
    /// Rate of this outcome without coordination, with the safety factor.
    pub h: f64,
}

impl Gain {
    /// ln min(g / h, e^4).
    pub fn nats(self) -> f64 {
        (self.g / self.h).ln().min(4.0)
    }
}

/// Further information about a post's use of a key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Manner {
    /// None.
    #[default]
    Plain,
    /// Own words that repeat an earlier text: the thousandths of the surprise of all its words that
    /// are in the earlier text as well (1,000 means word for word).
    Copied(u16),
    /// A repost this many milliseconds after the original, which was seen as well.
    After(u32),
}

/// Two accounts that used more keys in common than expected by chance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tie {
    /// The lesser account.
    pub a: AccountRef,
    /// The greater account.
    pub b: AccountRef,
    /// The kind of most of the keys in common.
    pub kind: TraceKind,
    /// Keys that both used within a day of each other, over seven days; keys of more than 400
    /// accounts are not counted.
    pub co_acts: u32,
    /// Expected number of such keys by chance, given how active both are and how popular keys are.
    pub expected: f64,
    /// -ln of the chance of at least as many keys (Poisson), nats.
    pub nats: f64,
    /// Median time between the two uses of a key, in seconds.
    pub median_lag_s: f64,
}
