//! `quote`: a quotation of the same post, with words of the author's own.

use super::{Reader, Reading, Trace, TraceKind, on_platform};

pub(super) struct Quotes;

impl Reader for Quotes {
    fn read(&self, reading: &Reading<'_>, traces: &mut Vec<Trace>) {
        let post = reading.post;
        let Some(quoted) = post.quote_of.as_deref().filter(|quoted| !quoted.is_empty()) else { return };
        // An account that quotes itself continues a thread; that is not an act on another account's
        // post.
        if post.quote_of_account.as_deref().is_some_and(|account| account == post.account_id) {
            return;
        }
        let key = on_platform(post, quoted);
        // An account that is reposted, answered and quoted is one source; if the author is not
        // known, the post is the source.
        let source = post.quote_of_account.as_deref().map_or_else(|| key.clone(), |author| on_platform(post, author));
        traces.push(Trace { kind: TraceKind::Quote, key, source, source_kind: TraceKind::Repost });
    }
}

/// Removes the link to the quoted post, which platforms put into the text: it is the same act, not
/// a second source.
pub(super) fn without_its_link(traces: &mut Vec<Trace>) {
    let last_step = |key: &str| key.rsplit(['/', ':']).next().unwrap_or_default().to_owned();
    let quoted = traces.iter().find(|trace| trace.kind == TraceKind::Quote).map(|trace| last_step(&trace.key));
    if let Some(quoted) = quoted {
        traces.retain(|trace| trace.kind != TraceKind::Url || last_step(&trace.key) != quoted);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{super::Readers, *};
    use crate::post::Post;

    fn read(post: &Post<'_>, wanted: &[TraceKind]) -> Vec<(&'static str, String, String)> {
        let (traces, _) = Readers::new(wanted, &BTreeMap::new()).read(post);
        traces.into_iter().map(|trace| (trace.kind.name(), trace.key, trace.source)).collect()
    }

    fn quoting(author: Option<&'static str>) -> Post<'static> {
        Post {
            platform: "x".into(),
            account_id: "ann".into(),
            text: "see".into(),
            urls: vec!["https://x.example/bob/status/7".into()],
            quote_of: Some("7".into()),
            quote_of_account: author.map(Into::into),
            ..Post::default()
        }
    }

    #[test]
    fn the_quoted_post_is_the_key_and_its_author_the_source() {
        let of = |author, source: &str| {
            assert_eq!(read(&quoting(author), &TraceKind::ALL), [("quote", "x:7".to_owned(), source.to_owned())]);
        };
        of(Some("bob"), "x:bob");
        of(None, "x:7");
    }

    #[test]
    fn a_thread_and_a_repost_quote_nothing() {
        assert!(read(&quoting(Some("ann")), &[TraceKind::Quote]).is_empty());
        let repost = Post { repost_of: Some("9".into()), ..quoting(Some("bob")) };
        assert!(read(&repost, &[TraceKind::Quote]).is_empty());
    }

    #[test]
    fn the_link_counts_where_quotations_do_not() {
        assert!(!TraceKind::Quote.counts_by_default());
        let of = |wanted: &[TraceKind]| {
            read(&quoting(Some("bob")), wanted).into_iter().map(|trace| trace.0).collect::<Vec<_>>()
        };
        assert_eq!(of(&[TraceKind::Url]), ["url"]);
        assert_eq!(of(&[TraceKind::Url, TraceKind::Quote]), ["quote"]);
    }
}
