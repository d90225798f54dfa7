//! The first state machine: posts in, acts out, in event-time order.

use std::sync::Arc;

use hashbrown::HashSet;
use serde::{Deserialize, Serialize};

use crate::{
    accounts::{Accounts, Profile},
    hash::{FixedState, hash_strs},
    history::{AccountId, source_id},
    order::Reorder,
    params::Params,
    post::{Millis, Post, within_reach},
    stage::{Act, Activity, KeyId, KeyName},
    stats::Outcome,
    trace::{Readers, Resolver, Trace, tag_keys},
};

/// Reads posts: what each did that others could do too. Reading needs nothing but the post, so it can be done on any thread.
#[derive(Clone)]
pub struct Reader(Readers);

impl Reader {
    pub(crate) fn new(params: &Params) -> Reader {
        Reader(Readers::new(params))
    }

    /// Reads one post for [`Engine::on_read`](crate::Engine::on_read).
    pub fn read(&self, post: &Post<'_>) -> ReadPost {
        ReadPost {
            at: within_reach(post.created_at),
            id: post.id.as_ref().into(),
            profile: Profile::of(post),
            traces: self.0.read(post),
            tags: tag_keys(post),
        }
    }
}

/// A post that has been read.
#[derive(Serialize, Deserialize)]
pub struct ReadPost {
    at: Millis,
    id: Arc<str>,
    profile: Profile,
    traces: Vec<Trace>,
    /// Hashes of all its hashtags, a repost's too.
    tags: Vec<KeyId>,
}

impl ReadPost {
    /// The platform parts posts of equal time and id.
    fn order(&self) -> (&str, &str) {
        (&self.id, &self.profile.platform)
    }
}

impl Ord for ReadPost {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

impl PartialOrd for ReadPost {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ReadPost {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for ReadPost {}

/// The trace machine.
#[derive(Serialize, Deserialize)]
pub(crate) struct Tracer {
    order: Reorder<ReadPost>,
    seen: Recent,
    pub accounts: Accounts,
    resolver: Resolver,
    /// Posts that have had their turn.
    turns: u64,
    /// Event time of the first act.
    start: Option<Millis>,
    shards: u16,
}

/// A post's turn: its acts, each with the shard that it belongs to.
pub(crate) struct Turn {
    pub at: Millis,
    pub account: AccountId,
    /// Hashes of all its hashtags, a repost's too.
    pub tags: Vec<KeyId>,
    pub acts: Vec<(Activity, Act)>,
}

impl Tracer {
    pub(crate) fn new(params: &Params, shards: u16) -> Tracer {
        Tracer {
            order: Reorder::new(params.allowed_lateness),
            seen: Recent::new(params.horizon + params.allowed_lateness),
            accounts: Accounts::default(),
            resolver: Resolver::new(params),
            turns: 0,
            start: None,
            shards,
        }
    }

    /// Takes note that event time has come to `now`.
    pub(crate) fn advance(&mut self, now: Millis) {
        self.order.advance(within_reach(now));
    }

    pub(crate) fn watermark(&self) -> Millis {
        self.order.watermark()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.order.len()
    }

    /// Event time from the first act to now.
    pub(crate) fn history(&self, now: Millis) -> Millis {
        self.start.map_or(0, |start| now.saturating_sub(start).max(0))
    }

    pub(crate) fn admit(&mut self, post: ReadPost, horizon: Millis) -> Outcome {
        let late = post.at < self.order.watermark();
        if late && post.at < self.order.watermark() - horizon {
            return Outcome::TooLate;
        }
        if !self.seen.insert(hash_strs(1, &[&post.profile.platform, &post.id]), post.at) {
            return Outcome::Duplicate;
        }
        self.order.push(post.at, post);
        if late { Outcome::Late } else { Outcome::Accepted }
    }

    /// The event time of the next post whose turn it is: behind the watermark, or at the `end` of the stream any.
    pub(crate) fn next_at(&self, end: bool) -> Option<Millis> {
        self.order.next_at(end)
    }

    /// The next post has its turn.
    pub(crate) fn turn(&mut self) -> Option<Turn> {
        let (at, post) = self.order.pop()?;
        self.turns += 1;
        let account = self.accounts.observe(post.profile);
        let mut acts = Vec::with_capacity(post.traces.len());
        self.resolver.begin(at, &post.traces);
        for mut trace in post.traces {
            if self.resolver.resolve(at, &mut trace) {
                acts.push(self.act(at, account, trace, &post.id));
            }
        }
        if !acts.is_empty() {
            self.start.get_or_insert(at);
        }
        Some(Turn { at, account, tags: post.tags, acts })
    }

    fn act(&self, at: Millis, account: AccountId, trace: Trace, post: &Arc<str>) -> (Activity, Act) {
        let (turn, kind) = (self.turns, trace.kind);
        let source = source_id(trace.source_kind, &trace.source);
        // Source and key are one name: whatever a key's source is, all acts on it meet on one shard.
        let key = hash_strs(source ^ kind as u64, &[&trace.key]);
        let shard = (source % u64::from(self.shards)) as u16;
        let name = KeyName { kind, source: trace.source.into(), source_kind: trace.source_kind, key: trace.key.into() };
        (Activity { turn, at, account, kind, shard }, Act { turn, at, account, key, source, name, post: post.clone() })
    }

    /// Forgets what is older than the horizon.
    pub(crate) fn expire(&mut self, now: Millis) {
        self.resolver.expire(now);
    }
}

/// Post ids seen of late, in two generations: a repeated delivery is told from a new post for at least one span of event time.
#[derive(Serialize, Deserialize)]
struct Recent {
    span: Millis,
    turn: Millis,
    young: HashSet<u64, FixedState>,
    old: HashSet<u64, FixedState>,
}

impl Recent {
    fn new(span: Millis) -> Recent {
        Recent { span: span.max(1), turn: Millis::MIN, young: HashSet::default(), old: HashSet::default() }
    }

    /// `false` where it was there already.
    fn insert(&mut self, id: u64, at: Millis) -> bool {
        let turn = at.div_euclid(self.span);
        if turn > self.turn {
            let next = turn == self.turn.saturating_add(1);
            let young = std::mem::take(&mut self.young);
            self.old = if next { young } else { HashSet::default() };
            self.turn = turn;
        }
        !self.old.contains(&id) && self.young.insert(id)
    }
}
