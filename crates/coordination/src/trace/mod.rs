//! What a post did that others could do too: one small file per kind, behind one trait.
//!
//! Reading a post is pure and may happen in any order; [`Reader::resolve`] may look at what the stream has shown so far and
//! is called in event-time order. A new kind is one file here and one line in [`readers`].

mod hashtags;
mod repost;
mod text;
mod url;

use crate::{cluster::TraceKind, params::Params, post::Millis, post::Post};

pub(crate) use text::Signature;

/// A trace as read from one post, before the stream has been looked at.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Trace {
    pub kind: TraceKind,
    /// The canonical thing acted on, unique within its kind.
    pub key: String,
    /// Whom it comes from.
    pub source: String,
    /// Whose kind of source that is: a text beside a link comes from the site that the link leads to, as the link itself does.
    pub source_kind: TraceKind,
    /// What near-duplicates are recognised by.
    pub signature: Option<Box<Signature>>,
}

impl Trace {
    fn new(kind: TraceKind, key: String, source: String) -> Trace {
        Trace { kind, key, source, source_kind: kind, signature: None }
    }
}

/// What a reader may ask of the stream so far.
pub(crate) trait Past {
    /// Acts of a kind on a source in the lagged baseline (decayed).
    fn baseline_acts(&self, kind: TraceKind, source: &str) -> f64;
}

/// One kind of trace.
pub(crate) trait Reader: Send {
    /// Pushes the traces of a post.
    fn read(&self, post: &Post<'_>, traces: &mut Vec<Trace>);

    /// Settles a trace in event-time order; `false` drops it.
    fn resolve(&mut self, _now: Millis, _trace: &mut Trace, _past: &dyn Past) -> bool {
        true
    }

    /// Forgets what is older than the horizon; called at every tick.
    fn expire(&mut self, _now: Millis) {}
}

/// One reader per kind, in the order of [`TraceKind::ALL`].
pub(crate) fn readers(params: &Params) -> [Box<dyn Reader>; 4] {
    [
        Box::new(url::Urls::new(params)),
        Box::new(repost::Reposts),
        Box::new(hashtags::Hashtags::new(params)),
        Box::new(text::Texts::new(params)),
    ]
}

/// What a post did. A repost repeats the original's links, hashtags and words along with it: only the repeating is its author's
/// act, and counting the rest too would make two sources out of one.
pub(crate) fn read(readers: &[Box<dyn Reader>; 4], post: &Post<'_>) -> Vec<Trace> {
    let mut traces = Vec::new();
    readers[TraceKind::Repost as usize].read(post, &mut traces);
    if traces.is_empty() {
        readers.iter().for_each(|reader| reader.read(post, &mut traces));
    }
    traces
}

/// An old-style repost, `RT @author: text`: its author and the text.
pub(crate) fn quoted_repost<'t>(post: &'t Post<'_>) -> Option<(&'t str, &'t str)> {
    let rest = post.text.trim_start().strip_prefix("RT @")?;
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.'))?;
    (end > 0).then(|| (&rest[..end], rest[end..].trim_start_matches([':', ' '])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repost_is_nothing_but_a_repost() {
        let readers = readers(&Params::default());
        let mut post = Post {
            platform: "x".into(),
            text: "five words are in here #one #two #three https://e.example/1".into(),
            urls: vec!["https://e.example/1".into()],
            hashtags: vec!["one".into(), "two".into(), "three".into()],
            ..Post::default()
        };
        let kinds = |post: &Post<'_>| read(&readers, post).iter().map(|t| t.kind.name()).collect::<Vec<_>>();
        assert_eq!(kinds(&post), ["url", "hashtags", "hashtags", "hashtags", "hashtags", "text"]);
        post.repost_of = Some("7".into());
        assert_eq!(kinds(&post), ["repost"]);
        post.repost_of = None;
        post.text = "RT @ann: five words are in here".into();
        assert_eq!(kinds(&post), ["repost"]);
    }
}
