//! `hashtags`: the same single hashtag while it is new or rare, else the same hashtags in the same order.
//!
//! A post's hashtags are one act, so they leave one trace: of its new or rare tags the one that most others have used, and where it has
//! none, the sequence. A slogan of three tags left four traces of three sources once, and a fandom that repeats it looked like a group
//! that agrees on four things.

use std::{borrow::Cow, collections::VecDeque};

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use super::{Reader, Reading, Trace};
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
    fn read(&self, reading: &Reading<'_>, traces: &mut Vec<Trace>) {
        let tags = &reading.tags;
        // Which is the source shows when the trace is resolved: a tag that is left by itself, or the rarest of a sequence.
        let trace = |key: String| Trace::new(TraceKind::Hashtags, key, String::new());
        if tags.len() >= SEQUENCE {
            traces.push(trace(["#", &tags.join(" #")].concat()));
        }
        traces.extend(tags.iter().map(|tag| trace(["#", tag].concat())));
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
    /// The trace that the hashtags of the post at hand leave, by its key, until it is settled; between posts it means nothing.
    #[serde(skip)]
    chosen: Option<(Form, u64)>,
}

/// What a post's hashtags leave.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Form {
    Single,
    Sequence,
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
            chosen: None,
        }
    }

    /// Takes note of a post's tags, and chooses the trace that they leave.
    pub(super) fn begin(&mut self, now: Millis, traces: &[Trace]) {
        self.ripen(now);
        self.chosen = None;
        let mut most = 0;
        let traces = || traces.iter().filter(|trace| trace.kind == TraceKind::Hashtags);
        // A sequence stands before its tags, so that there is one trace more than its shortest has tags.
        let sequence = traces().count() > SEQUENCE;
        for (place, trace) in traces().enumerate() {
            let id = tag_id(&trace.key);
            if sequence && place == 0 {
                self.chosen = Some((Form::Sequence, id)); // any rare tag takes its place
                continue;
            }
            self.young.push_back((now, id));
            let tag = self.tags.entry(id).or_insert(Tag { uses: 0, last: now, baseline: 0.0, baseline_at: now });
            tag.uses = tag.uses.saturating_add(1);
            tag.last = tag.last.max(now);
            let rare = tag.baseline * decay(now - tag.baseline_at, self.half_life) <= self.rare_acts;
            if rare && tag.uses > most {
                most = tag.uses;
                self.chosen = Some((Form::Single, id));
            }
        }
    }

    /// Says whether it is this trace that the post's hashtags leave, and what it is; gives it its source, a sequence its rarest tag.
    pub(super) fn resolve(&mut self, trace: &mut Trace) -> Option<Form> {
        let (form, _) = self.chosen.take_if(|(_, id)| *id == tag_id(&trace.key))?;
        trace.source = match form {
            Form::Single => trace.key.clone(),
            Form::Sequence => {
                let uses = |tag: &str| self.tags.get(&tag_id(tag)).map_or(0, |tag| tag.uses);
                trace.key.split(' ').min_by_key(|tag| (uses(tag), *tag)).unwrap_or(&trace.key).to_owned()
            }
        };
        Some(form)
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

/// Normalised again after lower-casing, which may part letters from their marks; signs go last, since some become one only then.
fn fold_any(tag: &str) -> String {
    let start = tag.trim_start_matches(['#', '＃']).chars().take(LONGEST);
    let folded: String = start.nfkc().flat_map(char::to_lowercase).nfkc().take(LONGEST).collect();
    folded.trim_start_matches('#').to_string()
}

/// [`fold_any`] for ASCII, which every normalisation form leaves as it is.
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
    fn three_tags_in_order_are_read_beside_each_tag() {
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

    /// What a post with these tags leaves: key and source.
    fn left(uses: &mut Uses, now: Millis, tags: &[&str]) -> Vec<(String, String)> {
        let post = Post { hashtags: tags.iter().map(|t| (*t).into()).collect(), ..Post::default() };
        let mut traces = Vec::new();
        Hashtags.read(&Reading::of(&post), &mut traces);
        uses.begin(now, &traces);
        traces.retain_mut(|trace| uses.resolve(trace).is_some());
        traces.into_iter().map(|trace| (trace.key, trace.source)).collect()
    }

    fn one(key: &str, source: &str) -> Vec<(String, String)> {
        vec![(key.to_owned(), source.to_owned())]
    }

    const DAY: Millis = 86_400_000;

    #[test]
    fn a_single_tag_is_a_key_only_while_new_or_rare() {
        let mut uses = Uses::new(&Params::default());
        for i in 0..20 {
            assert_eq!(left(&mut uses, i, &["a"]), one("#a", "#a"), "a flood of one day has no baseline yet");
        }
        assert_eq!(left(&mut uses, DAY, &["b"]), one("#b", "#b"));
        assert_eq!(left(&mut uses, DAY + 30, &["a"]), [], "20 uses a day ago");
        assert_eq!(left(&mut uses, 8 * DAY + 30, &["a"]), [], "half of them count a week later");
        assert_eq!(left(&mut uses, 40 * DAY, &["a"]), one("#a", "#a"), "in the end they are forgotten");
    }

    #[test]
    fn hashtags_leave_one_trace() {
        let mut uses = Uses::new(&Params::default());
        assert_eq!(left(&mut uses, 0, &["flood", "mine", "x"]), one("#flood", "#flood"), "all are new: the first");
        assert_eq!(left(&mut uses, 1, &["y", "flood", "z"]), one("#flood", "#flood"), "that others have used");
        assert_eq!(left(&mut uses, 2, &["y"]), one("#y", "#y"));
        assert_eq!(left(&mut uses, 3, &[]), []);
    }

    #[test]
    fn a_sequence_of_common_tags_has_the_rarest_for_its_source() {
        let mut uses = Uses::new(&Params::default());
        for _ in 0..10 {
            left(&mut uses, 0, &["a", "b", "c"]);
            left(&mut uses, 0, &["c", "b"]);
        }
        assert_eq!(left(&mut uses, DAY, &["c", "a", "b"]), one("#c #a #b", "#a"));
        assert_eq!(left(&mut uses, DAY, &["c", "a", "b", "new"]), one("#new", "#new"));
        assert_eq!(left(&mut uses, DAY, &["c", "a"]), []);
    }

    proptest! {
        #[test]
        fn ascii_is_folded_as_anything_is(tag in "[ -~]{0,20}|[#aB \\x00-\\x7f]{0,600}") {
            prop_assert_eq!(fold_ascii(&tag), fold_any(&tag));
        }
    }
}
