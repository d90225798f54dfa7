//! `mention`: the same account mentioned.

use super::{Reader, Reading, Trace, TraceKind};

/// Mentions of a post that are read. An answer includes the mentions of its thread, which come
/// last.
const MOST: usize = 4;

pub(super) struct Mentions;

impl Reader for Mentions {
    fn read(&self, reading: &Reading<'_>, traces: &mut Vec<Trace>) {
        let post = reading.post;
        let before = traces.len();
        for mention in post.mentions.iter().take(MOST) {
            let handle = mention.trim().trim_start_matches(['@', '\u{ff20}']).to_lowercase();
            let key = format!("{}:@{handle}", post.platform);
            if !handle.is_empty() && !traces[before..].iter().any(|trace| trace.key == key) {
                traces.push(Trace::of_itself(TraceKind::Mention, key));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::post::Post;

    fn read(mentions: &[&str]) -> Vec<String> {
        let mentions = mentions.iter().map(|m| (*m).into()).collect();
        let mut traces = Vec::new();
        Mentions.read(&Reading::of(&Post { platform: "x".into(), mentions, ..Post::default() }), &mut traces);
        traces.into_iter().map(|t| t.key).collect()
    }

    #[test]
    fn each_account_is_a_key_of_its_own() {
        assert_eq!(read(&["bob", "@Ann", "BOB"]), ["x:@bob", "x:@ann"]);
        assert_eq!(read(&["", "@"]), [""; 0]);
        assert_eq!(read(&["a", "b", "c", "d", "e"]).len(), MOST);
    }
}
