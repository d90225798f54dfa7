//! `reply`: an answer to the same post.

use super::{Reader, Reading, Trace, TraceKind, on_platform};

pub(super) struct Replies;

impl Reader for Replies {
    fn read(&self, reading: &Reading<'_>, traces: &mut Vec<Trace>) {
        let post = reading.post;
        let Some(target) = post.reply_to.as_deref().filter(|target| !target.is_empty()) else {
            return;
        };
        // An account that answers itself writes a thread; that is not an act on another account's
        // post.
        if post.reply_to_account.as_deref().is_some_and(|account| account == post.account_id) {
            return;
        }
        let key = on_platform(post, target);
        // An account that is reposted and answered is one source; if the author is not known, the
        // post is the source.
        let source = post.reply_to_account.as_deref().map_or_else(|| key.clone(), |author| on_platform(post, author));
        traces.push(Trace { kind: TraceKind::Reply, key, source, source_kind: TraceKind::Repost });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::post::Post;

    fn read(reply_to: Option<&'static str>, account: Option<&'static str>) -> Vec<(String, String)> {
        let post = Post {
            platform: "x".into(),
            account_id: "ann".into(),
            reply_to: reply_to.map(Into::into),
            reply_to_account: account.map(Into::into),
            ..Post::default()
        };
        let mut traces = Vec::new();
        Replies.read(&Reading::of(&post), &mut traces);
        traces.into_iter().map(|t| (t.key, t.source)).collect()
    }

    #[test]
    fn the_answered_post_is_the_key_and_its_author_the_source() {
        assert_eq!(read(Some("7"), Some("bob")), [("x:7".to_owned(), "x:bob".to_owned())]);
        assert_eq!(read(Some("7"), None), [("x:7".to_owned(), "x:7".to_owned())]);
        assert_eq!(read(None, Some("bob")), []);
        assert_eq!(read(Some("7"), Some("ann")), [], "a thread of one's own");
    }
}
