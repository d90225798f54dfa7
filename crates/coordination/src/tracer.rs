//! Puts posts in order: each post is released once, in event-time order, with the keys that it
//! used.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    accounts::{AccountId, Accounts, Profile},
    cluster::Manner,
    hash::{Map, hash_strs},
    order::Reorder,
    params::Params,
    post::{Millis, Post, PostName, within_reach},
    stats::Outcome,
    trace::{Classes, Readers, Trace, TraceKind, Words},
};

/// Time within which a repost is fast, and time within which its original is new: at most the
/// horizon, because every post is remembered that long, whatever the order of arrival.
const FAST: Millis = 60_000;
const PROMPT: Millis = 3_600_000;

/// Reads posts: the actions that others could take as well. Reading needs only the post, so it can
/// be done on any thread.
#[derive(Clone)]
pub struct Reader(Readers);

impl Reader {
    pub(crate) fn new(params: &Params) -> Reader {
        Reader(Readers::new(&params.traces, &params.short_links))
    }

    /// Reads one post for [`Engine::on_read`](crate::Engine::on_read).
    pub fn read(&self, post: &Post<'_>) -> ReadPost {
        let (traces, words) = self.0.read(post);
        ReadPost {
            at: within_reach(post.created_at),
            name: PostName { id: post.id.as_ref().into(), position: post.position },
            profile: Profile::of(post),
            original: post.repost_of.as_deref().map(|id| post_id(&post.platform, id)),
            traces,
            words,
        }
    }
}

/// A post that has been read.
#[derive(Serialize, Deserialize)]
pub struct ReadPost {
    at: Millis,
    name: PostName,
    profile: Profile,
    /// The post that it reposts.
    original: Option<u64>,
    traces: Vec<Trace>,
    /// Its own words.
    words: Words,
}

impl ReadPost {
    /// The platform separates posts with equal time and id.
    fn order(&self) -> (&str, &str) {
        (&self.name.id, self.profile.platform())
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

/// Releases posts in order.
#[derive(Serialize, Deserialize)]
pub(crate) struct Tracer {
    order: Reorder<ReadPost>,
    seen: Recent,
    pub accounts: Accounts,
    pub texts: Classes,
}

/// A released post.
pub(crate) struct Turn {
    pub at: Millis,
    pub account: AccountId,
    pub post: PostName,
    /// Time since the original, if it is a repost of a new post.
    pub lag: Option<Millis>,
    /// Its actions, including its own words.
    pub traces: Vec<Trace>,
    /// For own words that repeat an earlier text: how many thousandths of their surprise they
    /// share.
    pub copied: Option<u16>,
}

impl Turn {
    /// Further information about the post's use of a key.
    pub(crate) fn manner(&self, kind: TraceKind) -> Manner {
        match (kind, self.copied, self.lag) {
            (TraceKind::Text, Some(thousandths), _) => Manner::Copied(thousandths),
            (TraceKind::Repost, _, Some(lag)) => Manner::After(u32::try_from(lag).unwrap_or(u32::MAX)),
            _ => Manner::Plain,
        }
    }
}

impl Tracer {
    pub(crate) fn new(params: &Params) -> Tracer {
        Tracer {
            order: Reorder::new(params.allowed_lateness),
            seen: Recent::new(params.horizon + params.allowed_lateness),
            accounts: Accounts::default(),
            texts: Classes::new(params.text_nats, params.limits.texts),
        }
    }

    /// Records that event time has reached `now`.
    pub(crate) fn advance(&mut self, now: Millis) {
        self.order.advance(within_reach(now));
    }

    pub(crate) fn watermark(&self) -> Millis {
        self.order.watermark()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.order.len()
    }

    /// Takes in a post of a stream whose earlier posts had reached the event time `own`. A post behind
    /// its own stream has its turn when the others have come as far as that stream: so its turn does
    /// not depend on how far they were read.
    pub(crate) fn admit(&mut self, post: ReadPost, own: Millis, horizon: Millis) -> Outcome {
        let own = self.order.watermark_at(within_reach(own));
        let watermark = self.order.watermark().max(own);
        let late = post.at < watermark;
        if late && post.at < watermark - horizon {
            return Outcome::TooLate;
        }
        if !self.seen.insert(post_id(post.profile.platform(), &post.name.id), post.at) {
            return Outcome::Duplicate;
        }
        self.order.push(post.at.max(own), post);
        if late { Outcome::Late } else { Outcome::Accepted }
    }

    /// The event time of the next post to release: behind the watermark or, at the `end` of the
    /// stream, any.
    pub(crate) fn next_at(&self, end: bool) -> Option<Millis> {
        self.order.next_at(end)
    }

    /// Releases the next post.
    pub(crate) fn turn(&mut self) -> Option<Turn> {
        let post = self.order.pop()?.1;
        let at = post.at;
        self.seen.forget(at);
        let lag = post.original.and_then(|original| self.seen.at(original)).map(|original| at - original);
        let lag = lag.filter(|lag| (0..=PROMPT).contains(lag));
        let number = post_id(post.profile.platform(), &post.name.id);
        let account = self.accounts.observe(post.profile, lag.map(|lag| lag <= FAST));
        let mut traces = post.traces;
        let link = traces.iter().find(|trace| trace.kind == TraceKind::Url).map(|trace| hash_strs(2, &[&trace.key]));
        let found = self.texts.add(at, &post.words, link, number);
        if let Some(text) = found.as_ref().filter(|text| text.own) {
            traces.push(Trace::of_itself(TraceKind::Text, format!("{:016x}", text.class)));
        }
        let copied = found.as_ref().and_then(|text| text.copied);
        Some(Turn { at, account, post: post.name, lag, traces, copied })
    }

    /// Forgets data that are too old to matter.
    pub(crate) fn expire(&mut self, now: Millis) {
        self.texts.expire(now);
    }
}

/// A post's id among all platforms'.
fn post_id(platform: &str, id: &str) -> u64 {
    hash_strs(1, &[platform, id])
}

/// Recent posts with their times, in generations of one span of event time each. What is remembered
/// depends on the released posts and not on the arrived ones, so it does not depend on the order of
/// arrival: one partition may be read hours ahead of another.
#[derive(Serialize, Deserialize)]
struct Recent {
    span: Millis,
    generations: BTreeMap<Millis, Map<u64, Millis>>,
}

impl Recent {
    fn new(span: Millis) -> Recent {
        Recent { span: span.max(1), generations: BTreeMap::new() }
    }

    /// `false` if it was present already.
    fn insert(&mut self, id: u64, at: Millis) -> bool {
        self.at(id).is_none()
            && self.generations.entry(at.div_euclid(self.span)).or_default().try_insert(id, at).is_ok()
    }

    /// The time of a recent post.
    fn at(&self, id: u64) -> Option<Millis> {
        self.generations.values().rev().find_map(|posts| posts.get(&id)).copied()
    }

    /// Forgets posts that are a span older than a released one, and no younger post.
    fn forget(&mut self, turn: Millis) {
        let kept = turn.div_euclid(self.span).saturating_sub(1);
        while let Some(oldest) = self.generations.first_entry().filter(|oldest| *oldest.key() < kept) {
            oldest.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_is_remembered_until_others_a_span_younger_have_their_turn() {
        let mut seen = Recent::new(10);
        assert!(seen.insert(1, 5) && !seen.insert(1, 5) && !seen.insert(1, 25));
        // Read far ahead of the released posts.
        assert!(seen.insert(2, 500));
        seen.forget(15);
        assert_eq!((seen.at(1), seen.at(2)), (Some(5), Some(500)));
        seen.forget(19);
        assert!(!seen.insert(1, 5));
        seen.forget(20);
        assert_eq!((seen.at(1), seen.generations.len()), (None, 1));
    }
}
