//! `reply`: an answer to the same post.

use super::{Reader, Reading, Trace, on_platform};
use crate::cluster::TraceKind;

/// Source of an answer to an author who is not known; all of them share it, as with reposts.
const UNKNOWN_AUTHOR: &str = "unknown author";

pub(super) struct Replies;

impl Reader for Replies {
    fn read(&self, reading: &Reading<'_>, traces: &mut Vec<Trace>) {
        let post = reading.post;
        let Some(target) = post.reply_to.as_deref().filter(|target| !target.is_empty()) else {
            return;
        };
        // Whoever answers itself writes a thread; that is no act on somebody's post.
        if post.reply_to_account.as_deref().is_some_and(|account| account == post.account_id) {
            return;
        }
        let source = on_platform(post, post.reply_to_account.as_deref().unwrap_or(UNKNOWN_AUTHOR));
        let key = on_platform(post, target);
        traces.push(Trace { source_kind: TraceKind::Repost, ..Trace::new(TraceKind::Reply, key, source) });
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
        assert_eq!(read(Some("7"), None), [("x:7".to_owned(), "x:unknown author".to_owned())]);
        assert_eq!(read(None, Some("bob")), []);
        assert_eq!(read(Some("7"), Some("ann")), [], "a thread of one's own");
    }
}
