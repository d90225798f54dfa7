//! `media`: the same picture or video, by the perceptual hash in the post.

use super::{Reader, Reading, Trace, TraceKind};

/// More attachments of a post than this are not read.
const MOST: usize = 10;

pub(super) struct Media;

impl Reader for Media {
    fn read(&self, reading: &Reading<'_>, traces: &mut Vec<Trace>) {
        let post = reading.post;
        let before = traces.len();
        for hash in post.media.iter().take(MOST) {
            let key = hash.trim().to_ascii_lowercase();
            if key.is_empty() || traces[before..].iter().any(|t| t.key == key) {
                continue;
            }
            traces.push(Trace::of_itself(TraceKind::Media, key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::post::Post;

    #[test]
    fn each_attachment_is_a_key_once() {
        let post = Post {
            platform: "x".into(),
            account_id: "ann".into(),
            media: vec![" AB12 ".into(), "ab12".into(), "".into(), "cd".into()],
            ..Post::default()
        };
        let mut traces = Vec::new();
        Media.read(&Reading::of(&post), &mut traces);
        let got: Vec<(&str, &str)> = traces.iter().map(|t| (t.key.as_str(), t.source.as_str())).collect();
        assert_eq!(got, [("ab12", "ab12"), ("cd", "cd")]);
    }
}
