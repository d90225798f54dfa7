//! `hashtags`: the same hashtags in the same order, and the same single hashtag while it is new or rare.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use super::{Reader, Trace};
use crate::{
    cluster::TraceKind,
    hash::{Map, hash_strs},
    params::Params,
    post::{Millis, Post},
};

/// Shortest sequence that is a key by itself.
const SEQUENCE: usize = 3;
/// More hashtags in a post than this are not read: nobody types them, and a hostile post could carry thousands.
const MOST: usize = 30;
/// Characters of a hashtag that are read; no platform allows as many.
const LONGEST: usize = 500;

pub(super) struct Hashtags;

impl Reader for Hashtags {
    fn read(&self, post: &Post<'_>, traces: &mut Vec<Trace>) {
        let tags = tags(post);
        if tags.len() >= SEQUENCE {
            // The rarest tag becomes the source when the trace is resolved.
            traces.push(Trace::new(TraceKind::Hashtags, format!("#{}", tags.join(" #")), String::new()));
        }
        for tag in tags {
            traces.push(Trace::new(TraceKind::Hashtags, format!("#{tag}"), format!("#{tag}")));
        }
    }
}

/// How often each tag was used.
#[derive(Serialize, Deserialize)]
pub(super) struct Uses {
    rare_acts: f64,
    lag: Millis,
    half_life: f64,
    forget_after: Millis,
    tags: Map<u64, Tag>,
    /// Uses of the last day, oldest first: they are in no baseline yet.
    young: VecDeque<(Millis, u64)>,
}

#[derive(Serialize, Deserialize)]
struct Tag {
    /// Uses of late, to find the rarest of a sequence.
    uses: u32,
    last: Millis,
    /// Decayed uses before the last day, as of `baseline_at`.
    baseline: f64,
    baseline_at: Millis,
}

impl Uses {
    pub(super) fn new(params: &Params) -> Uses {
        Uses {
            rare_acts: params.rare_hashtag_acts,
            lag: params.baseline_lag,
            half_life: params.baseline_half_life as f64,
            forget_after: params.baseline_half_life.max(params.baseline_lag).max(params.horizon),
            tags: Map::default(),
            young: VecDeque::new(),
        }
    }

    /// Gives a sequence its rarest tag for a source; says whether a single tag is new or rare enough to be a key.
    pub(super) fn resolve(&mut self, now: Millis, trace: &mut Trace) -> bool {
        self.ripen(now);
        if trace.source.is_empty() {
            let uses = |tag: &str| self.tags.get(&tag_id(tag)).map_or(0, |tag| tag.uses);
            let rarest = trace.key.split(' ').min_by_key(|tag| (uses(tag), *tag)).unwrap_or(&trace.key);
            trace.source = rarest.to_string();
            return true;
        }
        let id = tag_id(&trace.key);
        self.young.push_back((now, id));
        let tag = self.tags.entry(id).or_insert(Tag { uses: 0, last: now, baseline: 0.0, baseline_at: now });
        tag.uses = tag.uses.saturating_add(1);
        tag.last = tag.last.max(now);
        tag.baseline * decay(now - tag.baseline_at, self.half_life) <= self.rare_acts
    }

    fn ripen(&mut self, now: Millis) {
        while let Some((at, id)) = self.young.front().copied()
            && now - at >= self.lag
        {
            self.young.pop_front();
            if let Some(tag) = self.tags.get_mut(&id) {
                let at = at.max(tag.baseline_at);
                tag.baseline = tag.baseline * decay(at - tag.baseline_at, self.half_life) + 1.0;
                tag.baseline_at = at;
            }
        }
    }

    pub(super) fn expire(&mut self, now: Millis) {
        self.ripen(now);
        let forget_after = self.forget_after;
        self.tags.retain(|_, tag| now - tag.last <= forget_after);
    }
}

fn tag_id(tag: &str) -> u64 {
    hash_strs(TraceKind::Hashtags as u64, &[tag])
}

/// What is left of one after so long.
fn decay(age: Millis, half_life: f64) -> f64 {
    (-(age.max(0) as f64) / half_life).exp2()
}

/// A post's hashtags, folded, each once, in order.
pub(crate) fn tags(post: &Post<'_>) -> Vec<String> {
    let mut tags: Vec<String> = Vec::with_capacity(post.hashtags.len().min(MOST));
    for tag in post.hashtags.iter().take(MOST) {
        let tag = fold(tag);
        if !tag.is_empty() && !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    tags
}

/// Normalised again after lower-casing, which may part letters from their marks; signs go last, since some become one only then.
fn fold(tag: &str) -> String {
    let start = tag.trim_start_matches(['#', '＃']).chars().take(LONGEST);
    let folded: String = start.nfkc().flat_map(char::to_lowercase).nfkc().take(LONGEST).collect();
    folded.trim_start_matches('#').to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(tags: &[&str]) -> Vec<String> {
        let post = Post { hashtags: tags.iter().map(|t| (*t).into()).collect(), ..Post::default() };
        let mut traces = Vec::new();
        Hashtags.read(&post, &mut traces);
        traces.into_iter().map(|t| t.key).collect()
    }

    #[test]
    fn three_tags_in_order_are_a_key_beside_each_tag() {
        assert_eq!(keys(&["B", "a", "C"]), ["#b #a #c", "#b", "#a", "#c"]);
        assert_eq!(keys(&["a", "b"]), ["#a", "#b"]);
        assert_eq!(keys(&["a", "A", "＃ａ", "\u{fe5f}a"]), ["#a"]);
        assert_eq!(keys(&[]), [""; 0]);
    }

    #[test]
    fn ten_thousand_tags_cost_no_more_than_thirty() {
        let tags: Vec<String> = (0..10_000).map(|i| format!("t{i}")).collect();
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        assert_eq!(keys(&tags).len(), MOST + 1);
    }

    fn tag(name: &str) -> Trace {
        Trace::new(TraceKind::Hashtags, name.into(), name.into())
    }

    #[test]
    fn a_single_tag_is_a_key_only_while_new_or_rare() {
        const DAY: Millis = 86_400_000;
        let mut uses = Uses::new(&Params::default());
        for i in 0..20 {
            assert!(uses.resolve(i, &mut tag("#a")), "a flood of one day has no baseline yet");
        }
        assert!(uses.resolve(DAY, &mut tag("#b")));
        assert!(!uses.resolve(DAY + 30, &mut tag("#a")), "20 uses a day ago");
        assert!(!uses.resolve(8 * DAY + 30, &mut tag("#a")), "half of them count a week later");
        assert!(uses.resolve(40 * DAY, &mut tag("#a")), "in the end they are forgotten");
    }

    #[test]
    fn the_rarest_tag_is_the_source_of_a_sequence() {
        let mut uses = Uses::new(&Params::default());
        for name in ["#a", "#c", "#c", "#b", "#b"] {
            uses.resolve(0, &mut tag(name));
        }
        let mut sequence = Trace::new(TraceKind::Hashtags, "#c #a #b".into(), String::new());
        assert!(uses.resolve(0, &mut sequence));
        assert_eq!(sequence.source, "#a");
    }
}
