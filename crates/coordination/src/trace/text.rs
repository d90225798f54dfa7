//! `text`: nearly the same words.
//!
//! A text is normalised (no URLs, mentions, digits, punctuation; NFKC, case-folded) and described by a one-permutation MinHash of
//! its character 5-grams (64 bins, empty bins filled by optimal densification, Shrivastava 2017). Texts that share an LSH
//! band are compared by the share of equal bins, which estimates their Jaccard similarity; the first text of a class names it.
//!
//! The source of a text is what habit could explain it: the site it links to (a share button writes the title beside the
//! link, and so has one source with it), else its language and its opening words, because texts made from one template open alike.

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::{Reader, Trace, url::canonical};
use crate::{
    cluster::TraceKind,
    hash::Map,
    params::Params,
    post::{Millis, Post},
};

const BINS: usize = 64;
const BANDS: usize = 16;
const SHINGLE: usize = 5;
/// Classes that are looked at for one band, the newest ones: texts written to share bands, yet not to be alike, would otherwise cost
/// time with the square of their number.
const BAND: usize = 128;
/// Longest normalised text that is read, in characters; the start of a longer one stands for it.
const MOST: usize = 4_000;
/// Words that open a template.
const OPENING: usize = 3;

/// A one-permutation MinHash.
type Signature = [u32; BINS];

pub(super) struct Texts {
    min_words: usize,
}

impl Texts {
    pub(super) fn new(params: &Params) -> Texts {
        Texts { min_words: params.text_min_words }
    }
}

impl Reader for Texts {
    fn read(&self, post: &Post<'_>, traces: &mut Vec<Trace>) {
        let text = normalise(&post.text);
        // An ideograph counts as a word, so scripts without spaces are read too.
        if text.unicode_words().take(self.min_words).count() < self.min_words {
            return;
        }
        let Some(signature) = signature(&text) else {
            return;
        };
        let (source, source_kind) = match post.urls.iter().find_map(|u| canonical(u)) {
            Some((_, domain)) => (domain, TraceKind::Url),
            None => {
                let opening: Vec<&str> = text.split(' ').take(OPENING).collect();
                let template = format!("{} \"{} ...\"", post.lang.as_deref().unwrap_or("und"), opening.join(" "));
                (template, TraceKind::Text)
            }
        };
        traces.push(Trace {
            kind: TraceKind::Text,
            key: format!("{:016x}", xxh3_64(text.as_bytes())),
            source,
            source_kind,
            signature: Some(Box::new(signature)),
        });
    }
}

/// Classes of near-duplicate texts.
#[derive(Serialize, Deserialize)]
pub(super) struct Classes {
    similarity: f64,
    horizon: Millis,
    classes: Map<u64, Class>,
    /// Classes by the hash of one band of their first text's signature.
    bands: Map<u64, Vec<u64>>,
}

#[derive(Serialize, Deserialize)]
struct Class {
    signature: Box<[u32]>,
    last: Millis,
    source: String,
    source_kind: TraceKind,
}

impl Classes {
    pub(super) fn new(params: &Params) -> Classes {
        Classes {
            similarity: params.text_similarity,
            horizon: params.horizon,
            classes: Map::default(),
            bands: Map::default(),
        }
    }

    /// Gives a text the key and the source of the class that it belongs to, or begins one.
    pub(super) fn resolve(&mut self, now: Millis, trace: &mut Trace) -> bool {
        let Some(signature) = trace.signature.take() else {
            return false;
        };
        let mut best: Option<(u32, u64)> = None;
        for band in band_hashes(&signature) {
            for id in self.bands.get(&band).into_iter().flatten() {
                let Some(class) = self.classes.get(id).filter(|class| now - class.last <= self.horizon) else {
                    continue;
                };
                let equal = equal_bins(&class.signature, &signature);
                // The better match; of equal ones the lesser id, so that order of insertion cannot matter.
                if best.is_none_or(|(n, other)| equal > n || (equal == n && *id < other)) {
                    best = Some((equal, *id));
                }
            }
        }
        if let Some((equal, id)) = best
            && f64::from(equal) >= self.similarity * BINS as f64
            && let Some(class) = self.classes.get_mut(&id)
        {
            class.last = now;
            trace.key = format!("{id:016x}");
            trace.source.clone_from(&class.source);
            trace.source_kind = class.source_kind;
            return true;
        }
        let id = u64::from_str_radix(&trace.key, 16).unwrap_or_default();
        for band in band_hashes(&signature) {
            let ids = self.bands.entry(band).or_default();
            if !ids.contains(&id) {
                if ids.len() == BAND {
                    ids.remove(0);
                }
                ids.push(id);
            }
        }
        self.classes
            .insert(id, Class { signature, last: now, source: trace.source.clone(), source_kind: trace.source_kind });
        true
    }

    pub(super) fn expire(&mut self, now: Millis) {
        let before = self.classes.len();
        self.classes.retain(|_, class| now - class.last <= self.horizon);
        if self.classes.len() < before {
            let classes = &self.classes;
            self.bands.retain(|_, ids| {
                ids.retain(|id| classes.contains_key(id));
                !ids.is_empty()
            });
        }
    }
}

/// Lower-case letters in words parted by single spaces; links, mentions, digits and punctuation gone.
fn normalise(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(MOST * 4));
    let mut length = 0;
    for word in text.split_whitespace() {
        if word.starts_with(['@', '＠']) || word.contains("://") || word.starts_with("www.") {
            continue;
        }
        let before = out.len();
        if before > 0 {
            out.push(' ');
        }
        let start = out.len();
        for c in word.nfkc().flat_map(char::to_lowercase).filter(|c| c.is_alphabetic()) {
            out.push(c);
            length += 1;
            if length >= MOST {
                return out;
            }
        }
        if out.len() == start {
            out.truncate(before);
        }
    }
    out
}

/// `None` for a text shorter than one shingle.
fn signature(text: &str) -> Option<Signature> {
    let starts: Vec<usize> = text.char_indices().map(|(i, _)| i).chain([text.len()]).collect();
    let mut bins = [u32::MAX; BINS];
    let mut any = false;
    for window in starts.windows(SHINGLE + 1) {
        let hash = xxh3_64(&text.as_bytes()[window[0]..window[SHINGLE]]);
        let bin = (hash >> 58) as usize;
        bins[bin] = bins[bin].min(hash as u32 >> 1);
        any = true;
    }
    any.then(|| densify(bins))
}

/// Fills each empty bin from a filled one, chosen by a hash of the empty bin's number alone, so that two alike texts fill alike.
fn densify(bins: Signature) -> Signature {
    let mut dense = bins;
    for (i, bin) in dense.iter_mut().enumerate() {
        let mut attempt = 0u64;
        while *bin == u32::MAX {
            let from = (xxh3_64_with_seed(&attempt.to_le_bytes(), i as u64) >> 58) as usize;
            *bin = bins[from];
            attempt += 1;
        }
    }
    dense
}

/// The lowest bit of each value: see [`Manner::Wording`](crate::cluster::Manner).
pub(crate) fn wording(signature: &[u32]) -> u64 {
    signature.iter().take(BINS).enumerate().fold(0, |bits, (place, value)| bits | u64::from(value & 1) << place)
}

fn equal_bins(a: &[u32], b: &[u32]) -> u32 {
    a.iter().zip(b).map(|(x, y)| u32::from(x == y)).sum()
}

fn band_hashes(signature: &[u32]) -> impl Iterator<Item = u64> + '_ {
    signature.chunks_exact(BINS / BANDS).enumerate().map(|(i, band)| {
        let mut bytes = [0u8; BINS / BANDS * 4];
        for (to, value) in bytes.chunks_exact_mut(4).zip(band) {
            to.copy_from_slice(&value.to_le_bytes());
        }
        xxh3_64_with_seed(&bytes, i as u64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(texts: &[&str]) -> Vec<usize> {
        let reader = Texts::new(&Params::default());
        let mut classes = Classes::new(&Params::default());
        let mut names: Vec<String> = Vec::new();
        texts
            .iter()
            .map(|text| {
                let mut traces = Vec::new();
                reader.read(&Post { text: (*text).into(), ..Post::default() }, &mut traces);
                assert_eq!(traces.len(), 1, "{text}");
                assert!(classes.resolve(0, &mut traces[0]));
                match names.iter().position(|n| *n == traces[0].key) {
                    Some(i) => i,
                    None => {
                        names.push(traces[0].key.clone());
                        names.len() - 1
                    }
                }
            })
            .collect()
    }

    #[test]
    fn small_edits_stay_in_the_class() {
        assert_eq!(
            classes(&[
                "The water in our town is not safe to drink, please tell everybody you know!",
                "the WATER in our town is not safe to drink -- please tell everybody you know https://e.example/1",
                "@bob The water in our town is not safe to drink please tell everyone you know 2",
                "The library opens late on Thursdays and the café is closed in August this year",
            ]),
            [0, 0, 0, 1]
        );
    }

    #[test]
    fn other_scripts_work() {
        assert_eq!(
            classes(&[
                "Завтра в нашем городе отключат воду, передайте соседям и друзьям",
                "Завтра в нашем городе отключат воду!!! Передайте соседям и друзьям",
                "Сегодня вечером начинается новый сезон любимого сериала",
            ]),
            [0, 0, 1]
        );
    }

    #[test]
    fn short_texts_leave_no_trace() {
        let reader = Texts::new(&Params::default());
        let mut traces = Vec::new();
        for text in ["", "so true", "@a @b @c @d https://e.example 1 2 3"] {
            reader.read(&Post { text: text.into(), ..Post::default() }, &mut traces);
        }
        assert_eq!(traces, []);
    }

    #[test]
    fn a_shared_title_has_the_site_for_its_source() {
        let reader = Texts::new(&Params::default());
        let mut traces = Vec::new();
        reader.read(
            &Post {
                text: "Ten things to see this summer".into(),
                urls: vec!["https://www.news.example/a".into()],
                ..Post::default()
            },
            &mut traces,
        );
        reader.read(
            &Post { text: "Ten things to see this summer".into(), lang: Some("en".into()), ..Post::default() },
            &mut traces,
        );
        assert_eq!(traces[0].source, "news.example");
        assert_eq!(traces[1].source, "en \"ten things to ...\"");
        assert_eq!(traces[0].key, traces[1].key);
    }

    #[test]
    fn hostile_text_is_bounded() {
        let reader = Texts::new(&Params::default());
        let mut traces = Vec::new();
        for text in ["\u{0}\u{202e} a\u{0301}".repeat(100_000), "字".repeat(1_000_000), "ab ".repeat(400_000)] {
            reader.read(&Post { text: text.into(), ..Post::default() }, &mut traces);
        }
        assert!(traces.len() <= 3);
    }
}
