//! `repost`: a repost of the same original post.

use std::borrow::Cow;

use xxhash_rust::xxh3::xxh3_64;

use super::{Reader, Reading, Trace, TraceKind, on_platform, quoted_repost};

pub(super) struct Reposts;

impl Reader for Reposts {
    fn read(&self, reading: &Reading<'_>, traces: &mut Vec<Trace>) {
        let post = reading.post;
        let quoted = quoted_repost(post);
        let key: Cow<'_, str> = match (&post.repost_of, quoted) {
            (Some(original), _) => (&**original).into(),
            (None, Some((author, text))) => {
                format!("RT @{}:{:016x}", author.to_lowercase(), xxh3_64(text.trim().as_bytes())).into()
            }
            (None, None) => return,
        };
        // Ids are unique on one platform only.
        let key = on_platform(post, &key);
        let source = match (&post.repost_of_account, quoted) {
            (Some(author), _) => on_platform(post, author),
            (None, Some((author, _))) => on_platform(post, &format!("@{}", author.to_lowercase())),
            // If the author is not known, the post is the source.
            (None, None) => key.clone(),
        };
        traces.push(Trace { kind: TraceKind::Repost, key, source, source_kind: TraceKind::Repost });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::post::Post;

    fn check(post: Post<'_>, want: &[(&str, &str)]) {
        let mut traces = Vec::new();
        Reposts.read(&Reading::of(&post), &mut traces);
        let got: Vec<(&str, &str)> = traces.iter().map(|t| (t.key.as_str(), t.source.as_str())).collect();
        assert_eq!(got, want);
    }

    #[test]
    fn the_original_is_the_key_and_its_author_the_source() {
        check(
            Post {
                platform: "x".into(),
                repost_of: Some("7".into()),
                repost_of_account: Some("ann".into()),
                ..Post::default()
            },
            &[("x:7", "x:ann")],
        );
    }

    #[test]
    fn an_author_is_taken_from_the_text_where_the_field_is_missing() {
        check(
            Post {
                platform: "x".into(),
                repost_of: Some("7".into()),
                text: "RT @Ann_B: hello".into(),
                ..Post::default()
            },
            &[("x:7", "x:@ann_b")],
        );
        check(Post { platform: "x".into(), repost_of: Some("7".into()), ..Post::default() }, &[("x:7", "x:7")]);
    }

    #[test]
    fn an_old_style_repost_is_one() {
        let mut traces = Vec::new();
        for text in ["RT @Ann: hello there", "RT @ann hello there "] {
            Reposts
                .read(&Reading::of(&Post { platform: "x".into(), text: text.into(), ..Post::default() }), &mut traces);
        }
        assert_eq!(traces[0], traces[1]);
        check(Post { text: "ART @ann: hello".into(), ..Post::default() }, &[]);
        check(Post { text: "RT @".into(), ..Post::default() }, &[]);
    }
}
