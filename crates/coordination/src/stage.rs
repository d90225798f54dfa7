//! What the three state machines say to one another: acts from trace to correlate, co-acts and test reports from correlate to group,
//! orders from group back to correlate at every tick.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    cluster::{Manner, TraceKind},
    history::{AccountId, SourceId, source_id},
    post::Millis,
};

/// Hash of a key and its trace kind.
pub(crate) type KeyId = u64;
/// Number of a candidate, in order of birth.
pub(crate) type CandidateId = u32;

/// What a key is called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct KeyName {
    pub kind: TraceKind,
    pub source: Box<str>,
    /// Whose kind of source that is; see `Trace::source_kind`.
    pub source_kind: TraceKind,
    pub key: Box<str>,
}

impl KeyName {
    pub(crate) fn source_id(&self) -> SourceId {
        source_id(self.source_kind, &self.source)
    }
}

/// Names the post of an act, and says how it was made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PostMark {
    pub id: Arc<str>,
    pub manner: Manner,
}

/// One trace of one post, in its turn.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Act {
    /// Number of the post in event-time order.
    pub turn: u64,
    pub at: Millis,
    pub account: AccountId,
    pub key: KeyId,
    pub source: SourceId,
    pub name: KeyName,
    pub post: PostMark,
}

/// That an account acted, told to every shard: expectations of an account rest on all that it does.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Activity {
    pub turn: u64,
    pub at: Millis,
    pub account: AccountId,
    pub kind: TraceKind,
    /// Whose act it is, and so who is told more of it.
    pub shard: u16,
}

/// Two accounts acted on a key within a window, and that earns them something.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct CoAct {
    /// Number of the later post.
    pub turn: u64,
    pub at: Millis,
    /// Who acted now, and who shortly before.
    pub pair: (AccountId, AccountId),
    pub kind: TraceKind,
    pub key: KeyId,
    /// Time between the two acts.
    pub lag: Millis,
    pub nats: f64,
}

/// A member's first act on a key under test.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MemberAct {
    pub at: Millis,
    /// Place in the candidate's members.
    pub member: u8,
    pub post: PostMark,
    /// Acts by others since the member's act before this one.
    pub others: u32,
    /// Chance under the null that the next actor would be a member who had not acted.
    pub chance: f64,
}

/// Where a test stands at a tick. Tests that nobody has followed yet are told when they open and when they close.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Report {
    pub candidate: CandidateId,
    pub key: KeyId,
    pub name: Arc<KeyName>,
    pub closed: bool,
    pub outcome: Outcome,
}

/// What a test says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// ln of the mean likelihood ratio of "the members act together here" to "they act by habit".
    pub log_lr: f64,
    /// The members who acted, by time; the rest is told only if there are two or more.
    pub acts: Vec<MemberAct>,
    /// Acts by others since the last member's, and the chance that the next were a member's.
    pub others: u32,
    pub chance: f64,
    /// Every member's expected share of acts when the test opened.
    pub shares: Arc<[f32]>,
}

/// What the group machine orders at a tick; effective from the next act on.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Orders {
    pub born: Vec<Born>,
    pub dropped: Vec<CandidateId>,
    /// Accounts to be forgotten.
    pub forgotten: Vec<AccountId>,
}

/// A new candidate, frozen.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Born {
    pub id: CandidateId,
    /// In order of their numbers.
    pub members: Arc<[AccountId]>,
    pub at: Millis,
}
