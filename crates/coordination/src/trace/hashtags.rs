//! `hashtags`: the same hashtag.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

use super::{Reader, Reading, Trace, TraceKind};
use crate::post::Post;

/// More hashtags in a post than this are not read: nobody types so many, and a hostile post could
/// have thousands.
const MOST: usize = 30;
/// Longest part of a hashtag that is read, in characters; no platform allows more.
const LONGEST: usize = 500;

pub(super) struct Hashtags;

impl Reader for Hashtags {
    fn read(&self, reading: &Reading<'_>, traces: &mut Vec<Trace>) {
        traces.extend(tags(reading.post).iter().map(|tag| Trace::of_itself(TraceKind::Hashtags, ["#", tag].concat())));
    }
}

/// A post's hashtags, folded, each once, in order.
pub(super) fn tags<'p>(post: &'p Post<'_>) -> Vec<Cow<'p, str>> {
    let mut tags: Vec<Cow<'p, str>> = Vec::with_capacity(post.hashtags.len().min(MOST));
    for tag in post.hashtags.iter().take(MOST) {
        let tag = fold(tag);
        if !tag.is_empty() && !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    tags
}

fn fold(tag: &str) -> Cow<'_, str> {
    if tag.is_ascii() { fold_ascii(tag) } else { fold_any(tag).into() }
}

/// Normalised again after lower-casing, which may separate letters from their marks. Signs are
/// removed last, because some become signs only then.
fn fold_any(tag: &str) -> String {
    let start = tag.trim_start_matches(['#', '＃']).chars().take(LONGEST);
    let folded: String = start.nfkc().flat_map(char::to_lowercase).nfkc().take(LONGEST).collect();
    folded.trim_start_matches('#').to_string()
}

/// [`fold_any`] for ASCII, which no normalisation form changes.
fn fold_ascii(tag: &str) -> Cow<'_, str> {
    let tag = tag.trim_start_matches('#');
    let tag = &tag[..tag.len().min(LONGEST)];
    if tag.bytes().any(|b| b.is_ascii_uppercase()) { tag.to_ascii_lowercase().into() } else { tag.into() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(tags: &[&str]) -> Vec<String> {
        let post = Post { hashtags: tags.iter().map(|t| (*t).into()).collect(), ..Post::default() };
        let mut traces = Vec::new();
        Hashtags.read(&Reading::of(&post), &mut traces);
        traces.into_iter().map(|t| t.key).collect()
    }

    #[test]
    fn each_tag_is_a_key_of_its_own() {
        assert_eq!(keys(&["B", "a", "C"]), ["#b", "#a", "#c"]);
        assert_eq!(keys(&["a", "A", "＃ａ", "\u{fe5f}a"]), ["#a"]);
        assert_eq!(keys(&[]), [""; 0]);
    }

    #[test]
    fn ten_thousand_tags_cost_no_more_than_thirty() {
        let tags: Vec<String> = (0..10_000).map(|i| format!("t{i}")).collect();
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        assert_eq!(keys(&tags).len(), MOST);
    }

    proptest! {
        #[test]
        fn ascii_is_folded_as_anything_is(tag in "[ -~]{0,20}|[#aB \\x00-\\x7f]{0,600}") {
            prop_assert_eq!(fold_ascii(&tag), fold_any(&tag));
        }
    }
}
