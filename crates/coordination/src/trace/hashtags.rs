//! `hashtags`: the same hashtags in the same order, and the same single hashtag while it is new or rare.

use hashbrown::HashMap;
use unicode_normalization::UnicodeNormalization;

use super::{Past, Reader, Trace};
use crate::{
    cluster::TraceKind,
    hash::FixedState,
    params::Params,
    post::{Millis, Post},
};

/// Shortest sequence that is a key by itself.
const SEQUENCE: usize = 3;
/// More hashtags in a post than this are not read: nobody types them, and a hostile post could carry thousands.
const MOST: usize = 30;

pub(super) struct Hashtags {
    rare_acts: f64,
    forget_after: Millis,
    /// Uses of a tag of late, to find the rarest of a sequence.
    uses: HashMap<String, (u32, Millis), FixedState>,
}

impl Hashtags {
    pub(super) fn new(params: &Params) -> Hashtags {
        Hashtags {
            rare_acts: params.rare_hashtag_acts,
            forget_after: params.baseline_lag.max(params.horizon),
            uses: HashMap::default(),
        }
    }
}

impl Reader for Hashtags {
    fn read(&self, post: &Post<'_>, traces: &mut Vec<Trace>) {
        let mut tags: Vec<String> = Vec::with_capacity(post.hashtags.len().min(MOST));
        for tag in post.hashtags.iter().take(MOST) {
            let tag = fold(tag);
            if !tag.is_empty() && !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        if tags.len() >= SEQUENCE {
            // The rarest tag becomes the source when the trace is resolved.
            traces.push(Trace::new(TraceKind::Hashtags, format!("#{}", tags.join(" #")), String::new()));
        }
        for tag in tags {
            traces.push(Trace::new(TraceKind::Hashtags, format!("#{tag}"), format!("#{tag}")));
        }
    }

    fn resolve(&mut self, now: Millis, trace: &mut Trace, past: &dyn Past) -> bool {
        if trace.source.is_empty() {
            let uses = |tag: &str| self.uses.get(tag).map_or(0, |(n, _)| *n);
            let rarest = trace.key.split(' ').min_by_key(|tag| (uses(tag), *tag)).unwrap_or(&trace.key);
            trace.source = rarest.to_string();
            true
        } else {
            let seen = self.uses.entry_ref(trace.key.as_str()).or_insert((0, now));
            *seen = (seen.0.saturating_add(1), now);
            past.baseline_acts(TraceKind::Hashtags, &trace.source) <= self.rare_acts
        }
    }

    fn expire(&mut self, now: Millis) {
        self.uses.retain(|_, (_, last)| now - *last <= self.forget_after);
    }
}

fn fold(tag: &str) -> String {
    tag.trim_start_matches(['#', '＃']).nfkc().flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(tags: &[&str]) -> Vec<String> {
        let post = Post { hashtags: tags.iter().map(|t| (*t).into()).collect(), ..Post::default() };
        let mut traces = Vec::new();
        Hashtags::new(&Params::default()).read(&post, &mut traces);
        traces.into_iter().map(|t| t.key).collect()
    }

    #[test]
    fn three_tags_in_order_are_a_key_beside_each_tag() {
        assert_eq!(keys(&["B", "a", "C"]), ["#b #a #c", "#b", "#a", "#c"]);
        assert_eq!(keys(&["a", "b"]), ["#a", "#b"]);
        assert_eq!(keys(&["a", "A", "＃ａ"]), ["#a"]);
        assert_eq!(keys(&[]), [""; 0]);
    }

    #[test]
    fn ten_thousand_tags_cost_no_more_than_thirty() {
        let tags: Vec<String> = (0..10_000).map(|i| format!("t{i}")).collect();
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        assert_eq!(keys(&tags).len(), MOST + 1);
    }

    struct Known(f64);
    impl Past for Known {
        fn baseline_acts(&self, _: TraceKind, _: &str) -> f64 {
            self.0
        }
    }

    #[test]
    fn a_single_tag_is_a_key_only_while_new_or_rare() {
        let mut reader = Hashtags::new(&Params::default());
        let mut tag = Trace::new(TraceKind::Hashtags, "#a".into(), "#a".into());
        assert!(reader.resolve(0, &mut tag, &Known(0.0)));
        assert!(!reader.resolve(0, &mut tag, &Known(6.0)));
    }

    #[test]
    fn the_rarest_tag_is_the_source_of_a_sequence() {
        let mut reader = Hashtags::new(&Params::default());
        for tag in ["#a", "#c", "#c", "#b", "#b"] {
            reader.resolve(0, &mut Trace::new(TraceKind::Hashtags, tag.into(), tag.into()), &Known(0.0));
        }
        let mut sequence = Trace::new(TraceKind::Hashtags, "#c #a #b".into(), String::new());
        assert!(reader.resolve(0, &mut sequence, &Known(0.0)));
        assert_eq!(sequence.source, "#a");
    }
}
