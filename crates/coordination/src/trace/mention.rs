//! `mention`: the same accounts mentioned together.

use super::{Reader, Reading, Trace};
use crate::cluster::TraceKind;

/// Fewest accounts of a set that is a key.
const LEAST: usize = 2;
/// A post that mentions more accounts than this is not read: the set would be nobody's choice.
const MOST: usize = 50;

pub(super) struct Mentions;

impl Reader for Mentions {
    fn read(&self, reading: &Reading<'_>, traces: &mut Vec<Trace>) {
        let post = reading.post;
        // An answer carries along the mentions of its thread.
        if post.reply_to.is_some() || post.mentions.len() < LEAST || post.mentions.len() > MOST {
            return;
        }
        let handle = |mention: &str| mention.trim().trim_start_matches(['@', '\u{ff20}']).to_lowercase();
        let mut set: Vec<String> = post.mentions.iter().map(|m| handle(m)).filter(|m| !m.is_empty()).collect();
        let Some(first) = set.first().cloned() else {
            return;
        };
        set.sort_unstable();
        set.dedup();
        if set.len() >= LEAST {
            let key = format!("{}:@{}", post.platform, set.join(" @"));
            let source = format!("{}:@{first}", post.platform);
            traces.push(Trace { source_kind: TraceKind::Repost, ..Trace::new(TraceKind::Mention, key, source) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::post::Post;

    fn read(mentions: &[&str]) -> Vec<(String, String)> {
        let mentions = mentions.iter().map(|m| (*m).into()).collect();
        let mut traces = Vec::new();
        Mentions.read(&Reading::of(&Post { platform: "x".into(), mentions, ..Post::default() }), &mut traces);
        traces.into_iter().map(|t| (t.key, t.source)).collect()
    }

    #[test]
    fn a_set_is_a_key_whatever_its_order() {
        assert_eq!(read(&["bob", "@Ann"]), [("x:@ann @bob".to_owned(), "x:@bob".to_owned())]);
        assert_eq!(read(&["ann", "bob", "ANN"]), [("x:@ann @bob".to_owned(), "x:@ann".to_owned())]);
    }

    #[test]
    fn one_account_is_no_set_and_hundreds_are_nobody_s_choice() {
        assert_eq!(read(&["ann"]), []);
        assert_eq!(read(&["ann", "Ann"]), []);
        assert_eq!(read(&["ann"; 200]), []);
    }
}
