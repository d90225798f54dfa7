//! What a post did that others could do too: one small file per kind, behind one trait.
//!
//! Reading a post is pure and may happen in any order; [`Resolver::resolve`] looks at what the stream has shown so far and
//! is called in event-time order. A new kind is one file here and one line in [`Readers::new`].

mod hashtags;
mod media;
mod mention;
mod reply;
mod repost;
mod text;
mod url;

use std::{borrow::Cow, cell::OnceCell, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    cluster::TraceKind,
    hash::{Map, hash_strs},
    params::Params,
    post::{Millis, Post},
};

/// A trace as read from one post, before the stream has been looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trace {
    pub kind: TraceKind,
    /// The canonical thing acted on, unique within its kind.
    pub key: String,
    /// Whom it comes from.
    pub source: String,
    /// Whose kind of source that is: a text beside a link comes from the site that the link leads to, as the link itself does, and
    /// whoever is reposted, answered, mentioned or copied is one source, however it is done.
    pub source_kind: TraceKind,
    /// What near-duplicates are recognised by.
    pub signature: Option<Box<[u32]>>,
}

impl Trace {
    fn new(kind: TraceKind, key: String, source: String) -> Trace {
        Trace { kind, key, source, source_kind: kind, signature: None }
    }
}

pub(crate) use text::wording;

/// A post, and what more than one reader asks of it.
pub(crate) struct Reading<'p> {
    post: &'p Post<'p>,
    tags: Vec<Cow<'p, str>>,
    links: OnceCell<Vec<url::Address<'p>>>,
}

impl<'p> Reading<'p> {
    fn of(post: &'p Post<'p>) -> Reading<'p> {
        Reading { post, tags: hashtags::tags(post), links: OnceCell::new() }
    }

    /// Where the post links to.
    fn links(&self) -> &[url::Address<'p>] {
        self.links.get_or_init(|| url::links(self.post))
    }

    /// Hashes of the post's hashtags.
    fn tag_keys(&self) -> Vec<u64> {
        let sign = hash_strs(0, &["#"]);
        self.tags.iter().map(|tag| hash_strs(sign, &[tag])).collect()
    }
}

/// One kind of trace. Reading is pure: it may happen on any thread and in any order.
pub(crate) trait Reader: Send + Sync {
    /// Pushes the traces of a post.
    fn read(&self, reading: &Reading<'_>, traces: &mut Vec<Trace>);
}

/// One reader per kind, in the order of [`TraceKind::ALL`].
#[derive(Clone)]
pub(crate) struct Readers(Arc<[Box<dyn Reader>; TraceKind::ALL.len()]>);

impl Readers {
    pub(crate) fn new(params: &Params) -> Readers {
        Readers(Arc::new([
            Box::new(url::Urls::new(params)),
            Box::new(repost::Reposts),
            Box::new(hashtags::Hashtags),
            Box::new(text::Texts::new(params)),
            Box::new(media::Media),
            Box::new(reply::Replies),
            Box::new(mention::Mentions),
        ]))
    }

    /// What a post did, and hashes of all its hashtags. A repost repeats the original's links, hashtags, words and pictures along with
    /// it: only the repeating is its author's act, and counting the rest too would make two sources out of one.
    pub(crate) fn read(&self, post: &Post<'_>) -> (Vec<Trace>, Vec<u64>) {
        let mut traces = Vec::new();
        let reading = Reading::of(post);
        self.0[TraceKind::Repost as usize].read(&reading, &mut traces);
        if traces.is_empty() {
            self.0.iter().for_each(|reader| reader.read(&reading, &mut traces));
        }
        for trace in &mut traces {
            bound(&mut trace.key);
            bound(&mut trace.source);
        }
        (traces, reading.tag_keys())
    }
}

/// Longest key or source, in bytes. Tables are bounded by their entries, so that entries must be bounded too.
const LONGEST: usize = 2_048;

/// A longer name is known by its start and a hash of all of it.
fn bound(name: &mut String) {
    if name.len() > LONGEST {
        let hash = hash_strs(0, &[name]);
        let most = LONGEST - 20;
        name.truncate((most - 3..=most).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0));
        name.push_str(&format!("~{hash:016x}"));
    }
}

/// What the stream has shown so far, where a trace cannot be settled without it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Resolver {
    hashtags: hashtags::Uses,
    texts: text::Classes,
    /// The source that a key was first seen with is its source, until it has been silent for a horizon.
    sources: Map<u64, (Box<str>, Millis)>,
    horizon: Millis,
    next_sweep: Millis,
}

impl Resolver {
    pub(crate) fn new(params: &Params) -> Resolver {
        Resolver {
            hashtags: hashtags::Uses::new(params),
            texts: text::Classes::new(params),
            sources: Map::default(),
            horizon: params.horizon,
            next_sweep: Millis::MIN,
        }
    }

    /// Takes note of a post before its traces are settled.
    pub(crate) fn begin(&mut self, now: Millis, traces: &[Trace]) {
        self.hashtags.begin(now, traces);
    }

    /// Settles a trace of the post that was begun, in event-time order; `false` drops it.
    pub(crate) fn resolve(&mut self, now: Millis, trace: &mut Trace) -> bool {
        match trace.kind {
            TraceKind::Hashtags => {
                let left = self.hashtags.resolve(trace);
                if left == Some(hashtags::Form::Sequence) {
                    self.settle_source(now, trace);
                }
                left.is_some()
            }
            TraceKind::Text => self.texts.resolve(now, trace),
            // An address and a set of mentions tell their source by themselves; posts on one original may know its author or not.
            TraceKind::Url => true,
            TraceKind::Repost | TraceKind::Media | TraceKind::Reply | TraceKind::Mention => {
                self.settle_source(now, trace);
                true
            }
        }
    }

    fn settle_source(&mut self, now: Millis, trace: &mut Trace) {
        let key = hash_strs(trace.kind as u64 + 1, &[&trace.key]);
        let known = self.sources.entry(key).or_insert_with(|| (trace.source.as_str().into(), now));
        if now - known.1 > self.horizon {
            known.0 = trace.source.as_str().into();
        } else if *known.0 != *trace.source {
            trace.source = known.0.to_string();
        }
        known.1 = now;
    }

    /// Forgets what is older than the horizon, now and then; called at every tick.
    pub(crate) fn expire(&mut self, now: Millis) {
        if now < self.next_sweep {
            return;
        }
        self.next_sweep = now + self.horizon / 2;
        self.hashtags.expire(now);
        self.texts.expire(now);
        let horizon = self.horizon;
        self.sources.retain(|_, (_, last)| now - *last <= horizon);
    }
}

/// An old-style repost, `RT @author: text`: its author and the text.
pub(crate) fn quoted_repost<'t>(post: &'t Post<'_>) -> Option<(&'t str, &'t str)> {
    let rest = post.text.trim_start().strip_prefix("RT @")?;
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.'))?;
    (end > 0).then(|| (&rest[..end], rest[end..].trim_start_matches([':', ' '])))
}

/// The name of an account or a post among all platforms'.
fn on_platform(post: &Post<'_>, id: &str) -> String {
    [&post.platform, ":", id].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(post: &Post<'_>) -> Vec<&'static str> {
        Readers::new(&Params::default()).read(post).0.iter().map(|t| t.kind.name()).collect()
    }

    #[test]
    fn a_repost_is_nothing_but_a_repost() {
        let mut post = Post {
            platform: "x".into(),
            text: "five words are in here #one #two #three https://e.example/1".into(),
            urls: vec!["https://e.example/1".into()],
            hashtags: vec!["one".into(), "two".into(), "three".into()],
            media: vec!["f00d".into()],
            mentions: vec!["ann".into(), "bob".into()],
            ..Post::default()
        };
        assert_eq!(kinds(&post), ["url", "hashtags", "hashtags", "hashtags", "hashtags", "text", "media", "mention"]);
        post.repost_of = Some("7".into());
        assert_eq!(kinds(&post), ["repost"]);
        post.repost_of = None;
        post.text = "RT @ann: five words are in here".into();
        assert_eq!(kinds(&post), ["repost"]);
    }

    #[test]
    fn a_thread_s_mentions_are_not_chosen() {
        let post = Post {
            platform: "x".into(),
            reply_to: Some("7".into()),
            mentions: vec!["ann".into(), "bob".into()],
            ..Post::default()
        };
        assert_eq!(kinds(&post), ["reply"]);
    }

    #[test]
    fn the_first_source_of_a_key_is_its_source() {
        let params = Params::default();
        let mut resolver = Resolver::new(&params);
        let media = |account: &str| {
            let post = Post {
                platform: "x".into(),
                account_id: account.to_owned().into(),
                media: vec!["F00D".into()],
                ..Post::default()
            };
            Readers::new(&params).read(&post).0.remove(0)
        };
        let (mut first, mut second, mut later) = (media("ann"), media("bob"), media("cem"));
        assert!(resolver.resolve(0, &mut first) && resolver.resolve(1, &mut second));
        assert_eq!((first.source.as_str(), second.source.as_str()), ("x:ann", "x:ann"));
        assert_eq!(first.source_kind, TraceKind::Repost, "an account is one source, whatever is taken from it");
        resolver.resolve(params.horizon + 2, &mut later);
        assert_eq!(later.source, "x:cem", "after a horizon of silence the story is a new one");
    }
}
