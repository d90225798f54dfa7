//! The actions in a post that others could take as well: one small file per kind, behind one trait.
//!
//! Reading a post is pure and may happen in any order. Only the class of a text ([`Classes`])
//! depends on earlier posts, and is decided in event-time order.
//!
//! A new kind is one file here, one variant of [`TraceKind`] and one line in [`Readers::new`]. Code
//! that describes kinds to people has a match over all of them, so that the compiler asks for the
//! description.

mod hashtags;
mod media;
mod mention;
mod quote;
mod reply;
mod repost;
mod text;
mod url;
mod words;

use std::{cell::OnceCell, collections::BTreeMap, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{hash::hash_strs, post::Post};

pub(crate) use text::Classes;
pub(crate) use words::Words;

/// A kind of trace: an action that accounts can have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
    /// Quoted the same post, and added words of their own.
    Quote,
}

impl TraceKind {
    /// All kinds, in the order of their numbers in every list by kind.
    pub const ALL: [TraceKind; 8] = [
        TraceKind::Url,
        TraceKind::Repost,
        TraceKind::Hashtags,
        TraceKind::Text,
        TraceKind::Media,
        TraceKind::Reply,
        TraceKind::Mention,
        TraceKind::Quote,
    ];

    /// The name used in configuration, on the wire and in output; and whether the kind counts by
    /// default.
    fn registered(self) -> (&'static str, bool) {
        match self {
            TraceKind::Url => ("url", true),
            TraceKind::Repost => ("repost", true),
            TraceKind::Hashtags => ("hashtags", true),
            TraceKind::Text => ("text", true),
            TraceKind::Media => ("media", true),
            TraceKind::Reply => ("reply", true),
            TraceKind::Mention => ("mention", true),
            TraceKind::Quote => ("quote", false),
        }
    }

    /// The name used in configuration, on the wire and in output.
    pub fn name(self) -> &'static str {
        self.registered().0
    }

    /// The other post that a post reposts, answers or quotes, if this is such a kind and the post
    /// does so.
    pub fn other_post<'p>(self, post: &'p Post<'_>) -> Option<&'p str> {
        match self {
            TraceKind::Repost => post.repost_of.as_deref(),
            TraceKind::Reply => post.reply_to.as_deref(),
            TraceKind::Quote => post.quote_of.as_deref(),
            TraceKind::Url | TraceKind::Hashtags | TraceKind::Text | TraceKind::Media | TraceKind::Mention => None,
        }
    }

    /// Whether the kind counts if the configuration does not say so.
    pub fn counts_by_default(self) -> bool {
        self.registered().1
    }
}

impl fmt::Display for TraceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that no trace kind has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is no kind of trace: choose one of {}", TraceKind::ALL.map(TraceKind::name).join(", "))]
pub struct UnknownTraceKind {
    /// The name.
    pub name: String,
}

impl FromStr for TraceKind {
    type Err = UnknownTraceKind;

    fn from_str(name: &str) -> Result<TraceKind, UnknownTraceKind> {
        TraceKind::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| UnknownTraceKind { name: name.to_owned() })
    }
}

/// A trace in one post.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trace {
    pub kind: TraceKind,
    /// The object in canonical form, unique within its kind.
    pub key: String,
    /// Source of the key.
    pub source: String,
    /// Kind of that source: an account that is reposted or answered is one source in both cases.
    pub source_kind: TraceKind,
}

impl Trace {
    /// A key that is its own source.
    pub(crate) fn of_itself(kind: TraceKind, key: String) -> Trace {
        Trace { kind, source: key.clone(), key, source_kind: kind }
    }
}

/// A post, with the parts that several readers need.
pub(crate) struct Reading<'p> {
    post: &'p Post<'p>,
    links: OnceCell<Vec<url::Address<'p>>>,
}

impl<'p> Reading<'p> {
    fn of(post: &'p Post<'p>) -> Reading<'p> {
        Reading { post, links: OnceCell::new() }
    }

    /// The URLs in the post.
    fn links(&self) -> &[url::Address<'p>] {
        self.links.get_or_init(|| url::links(self.post))
    }
}

/// One kind of trace. Reading is pure: it may happen on any thread and in any order.
pub(crate) trait Reader: Send + Sync {
    /// Pushes the traces of a post.
    fn read(&self, reading: &Reading<'_>, traces: &mut Vec<Trace>);
}

/// The readers of traces that reposts leave as well, then of traces that only own posts leave. A
/// text's trace is decided later.
#[derive(Clone)]
pub(crate) struct Readers {
    /// Whether a kind counts, by its number.
    wanted: [bool; TraceKind::ALL.len()],
    any: Arc<[Box<dyn Reader>]>,
    own: Arc<[Box<dyn Reader>]>,
}

impl Readers {
    /// Readers of these kinds. A URL in `short_links` is replaced by its target.
    pub(crate) fn new(wanted: &[TraceKind], short_links: &BTreeMap<String, String>) -> Readers {
        Readers {
            wanted: TraceKind::ALL.map(|kind| wanted.contains(&kind)),
            any: Arc::new([
                Box::new(repost::Reposts),
                Box::new(hashtags::Hashtags),
                Box::new(url::Urls::new(short_links.clone())),
            ]),
            own: Arc::new([
                Box::new(media::Media),
                Box::new(reply::Replies),
                Box::new(mention::Mentions),
                Box::new(quote::Quotes),
            ]),
        }
    }

    /// The actions in a post, and its own words, if it has any. A repost includes the original's
    /// pictures, mentions and words: they are not its author's act.
    pub(crate) fn read(&self, post: &Post<'_>) -> (Vec<Trace>, Words) {
        let mut traces = Vec::new();
        let reading = Reading::of(post);
        self.any.iter().for_each(|reader| reader.read(&reading, &mut traces));
        let repost = traces.first().is_some_and(|trace| trace.kind == TraceKind::Repost);
        let mut own_words = Words::default();
        if !repost {
            self.own.iter().for_each(|reader| reader.read(&reading, &mut traces));
            if self.wanted[TraceKind::Text as usize] {
                own_words = words::words(&post.text);
            }
        }
        traces.retain(|trace| self.wanted[trace.kind as usize]);
        quote::without_its_link(&mut traces);
        for trace in &mut traces {
            bound(&mut trace.key);
            bound(&mut trace.source);
        }
        (traces, own_words)
    }
}

/// Longest key or source, in bytes. Tables are bounded by their number of entries, so entries must
/// be bounded as well.
const LONGEST: usize = 2_048;

/// A longer name is replaced by its start and a hash of the whole name.
fn bound(name: &mut String) {
    if name.len() > LONGEST {
        let hash = hash_strs(0, &[name]);
        let most = LONGEST - 20;
        name.truncate((most - 3..=most).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0));
        name.push_str(&format!("~{hash:016x}"));
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
        let (traces, words) = Readers::new(&TraceKind::ALL, &BTreeMap::new()).read(post);
        let words = (!words.is_empty()).then_some("text");
        traces.iter().map(|t| t.kind.name()).chain(words).collect()
    }

    #[test]
    fn a_repost_has_no_words_of_its_own() {
        let mut post = Post {
            platform: "x".into(),
            text: "five words are in here #one #two https://e.example/1".into(),
            urls: vec!["https://e.example/1".into(), "https://t.co/abc".into()],
            hashtags: vec!["one".into(), "two".into()],
            media: vec!["f00d".into()],
            mentions: vec!["ann".into(), "bob".into()],
            ..Post::default()
        };
        let own = ["hashtags", "hashtags", "url", "media", "mention", "mention", "text"];
        assert_eq!(kinds(&post), own, "a shortener's link says nothing");
        post.repost_of = Some("7".into());
        assert_eq!(kinds(&post), ["repost", "hashtags", "hashtags", "url"]);
        let only = |wanted: &[TraceKind]| -> Vec<&'static str> {
            let (traces, words) = Readers::new(wanted, &BTreeMap::new()).read(&post);
            assert!(words.is_empty());
            traces.iter().map(|trace| trace.kind.name()).collect()
        };
        assert_eq!(
            only(&[TraceKind::Url, TraceKind::Text, TraceKind::Mention]),
            ["url"],
            "it is a repost all the same"
        );
        post.repost_of = None;
        post.text = "RT @ann: five words are in here".into();
        assert_eq!(kinds(&post), ["repost", "hashtags", "hashtags", "url"]);
    }
}
