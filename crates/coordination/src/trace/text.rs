//! `text`: nearly the same words.
//!
//! A text is normalised (no URLs, mentions, digits, punctuation; NFKC, case-folded) and described by a one-permutation MinHash of
//! its character 5-grams (64 bins, empty bins filled by optimal densification, Shrivastava 2017). A 5-gram's hash is the rolling
//! polynomial of its code points (Karp and Rabin 1987) modulo 2^64, stirred by the finaliser of SplitMix64 (Steele, Lea and Flood 2014;
//! its constants are Stafford's "Mix13"). Texts that share an LSH band are compared by the share of equal bins, which estimates their
//! Jaccard similarity; the first text of a class names it.
//!
//! Most words are ASCII, where normalisation forms, case tables and word boundaries have nothing to say: such words take a short way to
//! the same result, and tests hold it against the long one.
//!
//! The source of a text is what habit could explain it: the site it links to (a share button writes the title beside the
//! link, and so has one source with it), else its language and its opening words, because texts made from one template open alike.

use hashbrown::hash_map::Entry;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};
use unicode_segmentation::UnicodeSegmentation;
use xxhash_rust::xxh3::xxh3_64;

use super::{Reader, Reading, Trace};
use crate::{cluster::TraceKind, hash::Map, params::Params, post::Millis};

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
    fn read(&self, reading: &Reading<'_>, traces: &mut Vec<Trace>) {
        let text = normalise(&reading.post.text);
        if !has_words(&text, self.min_words) {
            return;
        }
        let Some(signature) = signature(&text) else {
            return;
        };
        let (source, source_kind) = match reading.links().first() {
            Some(link) => (link.site().to_owned(), TraceKind::Url),
            None => (template(reading.post.lang.as_deref().unwrap_or("und"), &text), TraceKind::Text),
        };
        traces.push(Trace {
            kind: TraceKind::Text,
            key: class_key(xxh3_64(text.as_bytes())),
            source,
            source_kind,
            signature: Some(Box::new(signature)),
        });
    }
}

/// A language and the words that open a text.
fn template(lang: &str, text: &str) -> String {
    let mut gaps = text.bytes().enumerate().filter(|(_, b)| *b == b' ');
    let end = gaps.nth(OPENING - 1).map_or(text.len(), |(place, _)| place);
    [lang, " \"", &text[..end], " ...\""].concat()
}

/// The name of a class: the hash of its first text.
fn class_key(id: u64) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    (0..16).rev().map(|place| char::from(DIGITS[(id >> (place * 4) & 15) as usize])).collect()
}

/// Classes of near-duplicate texts.
#[derive(Serialize, Deserialize)]
pub(super) struct Classes {
    similarity: f64,
    horizon: Millis,
    classes: Map<u64, Class>,
    /// Classes by the hash of one band of their first text's signature.
    bands: Map<u64, Band>,
}

/// Few bands belong to more than two classes.
type Band = SmallVec<[u64; 2]>;

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
        let hashes = band_hashes(&signature);
        for band in hashes {
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
            trace.key = class_key(id);
            trace.source.clone_from(&class.source);
            trace.source_kind = class.source_kind;
            return true;
        }
        let id = u64::from_str_radix(&trace.key, 16).unwrap_or_default();
        if let Some(other) = self.classes.get(&id).filter(|class| class.signature != signature) {
            forget(&mut self.bands, id, band_hashes(&other.signature)); // two texts of one hash
        }
        for band in hashes {
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
        let (horizon, bands) = (self.horizon, &mut self.bands);
        for (id, class) in self.classes.extract_if(|_, class| now - class.last > horizon) {
            forget(bands, id, band_hashes(&class.signature));
        }
    }
}

/// Takes a class out of its bands.
fn forget(bands: &mut Map<u64, Band>, id: u64, hashes: [u64; BANDS]) {
    for hash in hashes {
        if let Entry::Occupied(mut band) = bands.entry(hash) {
            band.get_mut().retain(|other| *other != id);
            if band.get().is_empty() {
                band.remove();
            }
        }
    }
}

/// Lower-case letters in words parted by single spaces; links, mentions, digits and punctuation gone.
fn normalise(text: &str) -> String {
    if text.is_ascii() && text.len() < MOST {
        return normalise_ascii(text);
    }
    let mut out = String::with_capacity(text.len().min(MOST * 4));
    let mut length = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.bytes().position(is_white).unwrap_or(rest.len());
        let chunk = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        if chunk.is_ascii() && chunk.len() < MOST - length {
            length += push_ascii(chunk, &mut out);
        } else {
            for word in chunk.split_whitespace() {
                length += push_any(word, MOST - length, &mut out);
                if length == MOST {
                    return out;
                }
            }
        }
    }
    out
}

/// [`normalise`] for a text of ASCII that is not too long. Where a word ends is hard to foresee, so there is no branch on it.
fn normalise_ascii(text: &str) -> String {
    let text = text.as_bytes();
    let mut out = vec![0; text.len()];
    // How much is written, and whether a letter came last.
    let (mut end, mut in_word) = (0, false);
    let mut at = 0;
    while let Some(b) = text.get(at) {
        let folded = FOLDED[usize::from(*b)];
        if folded == SIGN && opens_no_word(text, at) {
            while end > 0 && out[end - 1] != b' ' {
                end -= 1;
            }
            in_word = false;
            at += text[at..].iter().position(|b| is_white(*b)).unwrap_or(text.len() - at);
            continue;
        }
        let (letter, white) = (folded > b' ', folded == b' ');
        out[end] = folded;
        end += usize::from(letter | (white & in_word));
        in_word = letter | (in_word & !white);
        at += 1;
    }
    out.truncate(if in_word { end } else { end.saturating_sub(1) });
    String::from_utf8(out).unwrap_or_default() // it is ASCII
}

/// What a sign of ASCII leaves: its lower case, a space, or nothing.
static FOLDED: [u8; 128] = {
    let mut folded = [0; 128];
    let mut b = 0;
    while b < 128 {
        folded[b as usize] = match b {
            _ if b.is_ascii_alphabetic() => b.to_ascii_lowercase(),
            _ if is_white(b) => b' ',
            b'@' | b':' | b'.' => SIGN,
            _ => 0,
        };
        b += 1;
    }
    folded
};

/// A sign that may show that its word is a mention or a link.
const SIGN: u8 = 1;

/// Whether a sign shows that its word is a mention or a link.
fn opens_no_word(text: &[u8], at: usize) -> bool {
    let starts = |word: usize| word == 0 || is_white(text[word - 1]);
    match text[at] {
        b'@' => starts(at),
        b':' => text[at..].starts_with(b"://"),
        b'.' => text[..at].ends_with(b"www") && starts(at - 3),
        _ => false,
    }
}

/// As [`char::is_whitespace`].
const fn is_white(b: u8) -> bool {
    matches!(b, b'\t'..=b'\r' | b' ')
}

/// Appends the letters of a word; returns how many there are. At most `most` are taken.
fn push_any(word: &str, most: usize, out: &mut String) -> usize {
    if word.starts_with(['@', '＠']) || word.contains("://") || word.starts_with("www.") {
        return 0;
    }
    if is_nfkc_quick(word.chars()) == IsNormalized::Yes {
        push_letters(word.chars(), most, out)
    } else {
        push_letters(word.nfkc(), most, out)
    }
}

fn push_letters(word: impl Iterator<Item = char>, most: usize, out: &mut String) -> usize {
    let before = begin_word(out);
    let mut letters = 0;
    for c in word.flat_map(char::to_lowercase).filter(|c| c.is_alphabetic()).take(most) {
        out.push(c);
        letters += 1;
    }
    if letters == 0 {
        out.truncate(before);
    }
    letters
}

/// [`push_any`] for a word of ASCII that is not too long.
fn push_ascii(word: &str, out: &mut String) -> usize {
    if word.starts_with('@') || word.starts_with("www.") {
        return 0;
    }
    let before = begin_word(out);
    let start = out.len();
    for (place, b) in word.bytes().enumerate() {
        if b.is_ascii_alphabetic() {
            out.push(char::from(b.to_ascii_lowercase()));
        } else if b == b':' && word[place..].starts_with("://") {
            out.truncate(before);
            return 0;
        }
    }
    let letters = out.len() - start;
    if letters == 0 {
        out.truncate(before);
    }
    letters
}

/// Parts a word from the one before it; returns where that one ended.
fn begin_word(out: &mut String) -> usize {
    let before = out.len();
    if before > 0 {
        out.push(' ');
    }
    before
}

/// Whether a normalised text has so many words. An ideograph counts as a word, so that scripts without spaces are read too.
fn has_words(text: &str, least: usize) -> bool {
    // Letters up to here (Latin, its accents and supplements) make one word of what stands between two spaces.
    const PLAIN: char = '\u{24f}';
    if text.is_ascii() {
        return text.bytes().filter(|b| *b == b' ').count() + usize::from(!text.is_empty()) >= least;
    }
    let mut words = 0;
    for word in text.split(' ') {
        if words >= least {
            break;
        }
        if !word.chars().all(|c| c <= PLAIN) {
            return text.unicode_words().take(least).count() >= least;
        }
        words += usize::from(!word.is_empty());
    }
    words >= least
}

/// `None` for a text shorter than one shingle.
fn signature(text: &str) -> Option<Signature> {
    if text.is_ascii() { bins(text.bytes().map(u64::from)) } else { bins(text.chars().map(u64::from)) }.map(densify)
}

/// The least hash of the shingles in each bin.
fn bins(codes: impl Iterator<Item = u64> + Clone) -> Option<Signature> {
    let mut bins = [EMPTY; BINS];
    let (mut leaving, mut entering) = (codes.clone(), codes);
    let mut polynomial = 0u64;
    for _ in 0..SHINGLE {
        polynomial = polynomial.wrapping_mul(BASE).wrapping_add(entering.next()?);
    }
    loop {
        let hash = stir(polynomial);
        let bin = &mut bins[(hash >> 58) as usize];
        *bin = (*bin).min(hash as u32 >> 1);
        let (Some(new), Some(old)) = (entering.next(), leaving.next()) else {
            return Some(bins);
        };
        polynomial = polynomial.wrapping_mul(BASE).wrapping_add(new).wrapping_sub(old.wrapping_mul(LEAVING));
    }
}

/// No shingle has this value.
const EMPTY: u32 = u32::MAX;
/// The polynomial is taken at this odd number (2^64 over the golden ratio).
const BASE: u64 = 0x9e37_79b9_7f4a_7c15;
/// What a code point is multiplied by when it leaves.
const LEAVING: u64 = BASE.wrapping_pow(SHINGLE as u32);

/// Makes every bit depend on every bit.
const fn stir(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// Fills each empty bin from a filled one, chosen by a hash of the empty bin's number alone, so that two alike texts fill alike.
fn densify(bins: Signature) -> Signature {
    let mut dense = bins;
    // A bit for each bin that is empty yet: all of them take one attempt after the other together.
    let mut empty = bins.iter().enumerate().fold(0u64, |empty, (place, bin)| empty | u64::from(*bin == EMPTY) << place);
    let mut attempt = 0;
    while empty != 0 {
        let mut rest = std::mem::take(&mut empty);
        while rest != 0 {
            let place = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            let from = if attempt < CHOICES { FROM[place][attempt] } else { choice(place, attempt) };
            dense[place] = bins[usize::from(from)];
            empty |= u64::from(dense[place] == EMPTY) << place;
        }
        attempt += 1;
    }
    dense
}

/// Which bin an empty one is filled from at an attempt.
const fn choice(place: usize, attempt: usize) -> u8 {
    (stir(((attempt as u64 + 1) << 32 | place as u64).wrapping_mul(BASE)) >> 58) as u8
}

/// Attempts whose choices stand in a table; with a text of a dozen letters, one bin in twenty needs more.
const CHOICES: usize = 16;

static FROM: [[u8; CHOICES]; BINS] = {
    let mut from = [[0; CHOICES]; BINS];
    let mut at = 0;
    while at < BINS * CHOICES {
        from[at / CHOICES][at % CHOICES] = choice(at / CHOICES, at % CHOICES);
        at += 1;
    }
    from
};

/// The lowest bit of each value: see [`Manner::Wording`](crate::cluster::Manner).
pub(crate) fn wording(signature: &[u32]) -> u64 {
    signature.iter().take(BINS).enumerate().fold(0, |bits, (place, value)| bits | u64::from(value & 1) << place)
}

fn equal_bins(a: &[u32], b: &[u32]) -> u32 {
    a.iter().zip(b).map(|(x, y)| u32::from(x == y)).sum()
}

/// Each band folded to half its bits by a multiplication, as wyhash and foldhash do; the table that it is a key of hashes it again.
fn band_hashes(signature: &[u32]) -> [u64; BANDS] {
    let mut hashes = [0; BANDS];
    for (place, (hash, band)) in hashes.iter_mut().zip(signature.chunks_exact(BINS / BANDS)).enumerate() {
        let half = |at: usize| u64::from(band[at]) << 32 | u64::from(band[at + 1]);
        let key = stir(BASE.wrapping_mul(place as u64 + 1));
        let product = u128::from(half(0) ^ key) * u128::from(half(2) ^ key.rotate_left(32));
        *hash = (product >> 64) as u64 ^ product as u64;
    }
    hashes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::post::Post;

    fn classes(texts: &[&str]) -> Vec<usize> {
        let reader = Texts::new(&Params::default());
        let mut classes = Classes::new(&Params::default());
        let mut names: Vec<String> = Vec::new();
        texts
            .iter()
            .map(|text| {
                let mut traces = Vec::new();
                reader.read(&Reading::of(&Post { text: (*text).into(), ..Post::default() }), &mut traces);
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
    fn what_expires_leaves_nothing() {
        let reader = Texts::new(&Params::default());
        let mut classes = Classes::new(&Params::default());
        let horizon = Params::default().horizon;
        for now in 0..300 {
            let mut traces = Vec::new();
            // Of three hundred texts that end alike, some share bands and some a class.
            let text = format!("{} and then all of them went to the harbour", class_key(stir(now / 2)));
            reader.read(&Reading::of(&Post { text: text.into(), ..Post::default() }), &mut traces);
            classes.resolve(now as Millis, &mut traces[0]);
        }
        let all = classes.classes.len();
        classes.expire(horizon + 200);
        assert!((1..all).contains(&classes.classes.len()));
        let known = |id: &u64| classes.classes.contains_key(id);
        assert!(classes.bands.values().all(|band| !band.is_empty() && band.iter().all(known)));
        classes.expire(horizon + 300);
        assert!(classes.classes.is_empty() && classes.bands.is_empty());
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
            reader.read(&Reading::of(&Post { text: text.into(), ..Post::default() }), &mut traces);
        }
        assert_eq!(traces, []);
    }

    #[test]
    fn a_shared_title_has_the_site_for_its_source() {
        let reader = Texts::new(&Params::default());
        let mut traces = Vec::new();
        let text = || "Ten things to see this summer".into();
        let shared = Post { text: text(), urls: vec!["https://www.news.example/a".into()], ..Post::default() };
        reader.read(&Reading::of(&shared), &mut traces);
        let plain = Post { text: text(), lang: Some("en".into()), ..Post::default() };
        reader.read(&Reading::of(&plain), &mut traces);
        assert_eq!(traces[0].source, "news.example");
        assert_eq!(traces[1].source, "en \"ten things to ...\"");
        assert_eq!(traces[0].key, traces[1].key);
    }

    #[test]
    fn hostile_text_is_bounded() {
        let reader = Texts::new(&Params::default());
        let mut traces = Vec::new();
        for text in ["\u{0}\u{202e} a\u{0301}".repeat(100_000), "字".repeat(1_000_000), "ab ".repeat(400_000)] {
            reader.read(&Reading::of(&Post { text: text.into(), ..Post::default() }), &mut traces);
        }
        assert!(traces.len() <= 3);
    }

    /// The long way: every word as if it were not ASCII, every word by the Unicode library.
    fn normalise_any(text: &str) -> String {
        let mut out = String::new();
        let mut length = 0;
        for word in text.split_whitespace() {
            if word.starts_with(['@', '＠']) || word.contains("://") || word.starts_with("www.") {
                continue;
            }
            length += push_letters(word.nfkc(), MOST - length, &mut out);
            if length == MOST {
                break;
            }
        }
        out
    }

    /// Texts of words like those that are written, of signs, and of anything.
    fn any_text() -> impl Strategy<Value = String> {
        let word = prop_oneof![
            "[a-zA-Z']{1,8}[.,!?:]?",
            "[@:./w\\t 1]{1,8}",
            "[@＠#]?[a-z]{1,3}(://|:/|//|www\\.)?[a-zäöüßéŉİªﬁ0-9]{0,4}",
            "\\PC{1,6}",
            "[\\u{300}-\\u{345}\\u{900}-\\u{94f}\\u{1100}-\\u{11ff}aA]{1,5}",
            "[а-яА-Я字ひカ]{1,8}",
            ".{0,4}",
        ];
        let gap = prop_oneof![6 => Just(" "), 1 => "[\\s\\x0b\\x1c\\x1f]{1,2}".prop_map(|gap| &*gap.leak())];
        proptest::collection::vec((word, gap), 0..12)
            .prop_map(|words| words.into_iter().flat_map(|(word, gap)| [word, gap.to_owned()]).collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]
        #[test]
        fn short_ways_lead_where_the_long_ones_do(text in any_text(), least in 0..8usize) {
            let long = normalise_any(&text);
            prop_assert_eq!(normalise(&text), long.as_str());
            let ascii: String = text.chars().map(|c| if c.is_ascii() { c } else { ':' }).collect();
            prop_assert_eq!(normalise(&ascii), normalise_any(&ascii));
            prop_assert_eq!(has_words(&long, least), long.unicode_words().count() >= least);
        }

        #[test]
        fn the_rolling_hash_is_that_of_the_shingle(text in any_text()) {
            let codes: Vec<u64> = text.chars().map(u64::from).collect();
            let mut want = [EMPTY; BINS];
            for shingle in codes.windows(SHINGLE) {
                let hash = stir(shingle.iter().fold(0, |sum, code| sum.wrapping_mul(BASE).wrapping_add(*code)));
                let bin = &mut want[(hash >> 58) as usize];
                *bin = (*bin).min(hash as u32 >> 1);
            }
            prop_assert_eq!(signature(&text), (codes.len() >= SHINGLE).then(|| densify(want)));
        }
    }

    #[test]
    fn a_long_text_is_cut_at_one_place() {
        assert_eq!((normalise(""), normalise(" . ")), (String::new(), String::new()));
        for word in ["abc", "äbc", "ab.c://", "abcd1", "字"] {
            for near in MOST - 3..MOST + 3 {
                let text = format!("{} {word} {word}{word} x ä {word}", "a".repeat(near));
                let spaced = format!("{}{word}", "ab c ".repeat(near / 3));
                for text in [text, spaced] {
                    assert_eq!(normalise(&text), normalise_any(&text));
                }
            }
        }
    }

    #[test]
    fn a_letter_that_counts_as_plain_is_no_word_by_itself() {
        for c in ('\0'..='\u{24f}').filter(|c| c.is_alphabetic()) {
            let text: String = ["a", "b"].join(&c.to_string()).nfkc().filter(|c| c.is_alphabetic()).collect();
            assert_eq!(format!("{text} {text}").unicode_words().count(), 2, "{text}");
        }
    }

    /// Of two texts, `signature` tells the share of shingles in common.
    #[test]
    fn equal_bins_estimate_the_similarity() {
        use std::collections::BTreeSet;
        let shingles =
            |text: &str| -> BTreeSet<Vec<u8>> { text.as_bytes().windows(SHINGLE).map(<[u8]>::to_vec).collect() };
        let word = |n: usize| class_key(xxh3_64(&n.to_le_bytes())).replace(|c: char| c.is_ascii_digit(), "");
        let (mut off, mut square, mut pairs) = (0.0, 0.0, 0.0);
        for pair in 0..400 {
            let text = |from: usize| (from..from + 12).map(|n| word(pair * 1_000 + n)).collect::<Vec<_>>().join(" ");
            let (a, b) = (text(0), text(pair % 12));
            let (of_a, of_b) = (shingles(&a), shingles(&b));
            let jaccard = of_a.intersection(&of_b).count() as f64 / of_a.union(&of_b).count() as f64;
            let (a, b) = (signature(&a).unwrap(), signature(&b).unwrap());
            let error = f64::from(equal_bins(&a, &b)) / BINS as f64 - jaccard;
            (off, square, pairs) = (off + error, square + error * error, pairs + 1.0);
        }
        // 64 independent bins have a standard deviation of at most a sixteenth.
        assert!(f64::abs(off / pairs) < 0.01, "{}", off / pairs);
        assert!(f64::sqrt(square / pairs) < 1.0 / 16.0, "{}", f64::sqrt(square / pairs));
    }

    /// A bit that were one more often than not would make two wordings alike that are not.
    #[test]
    fn wordings_of_different_texts_share_half_their_bits() {
        let word = |n: u64| class_key(xxh3_64(&n.to_le_bytes())).replace(|c: char| c.is_ascii_digit(), "");
        let of = |n: u64| wording(&signature(&(n * 10..n * 10 + 10).map(word).collect::<Vec<_>>().join(" ")).unwrap());
        let ones: u32 = (0..1_000).map(|n| of(n).count_ones()).sum();
        let equal: u32 = (0..1_000).map(|n| (!(of(n) ^ of(n + 1))).count_ones()).sum();
        assert!((31_000..33_000).contains(&ones) && (31_000..33_000).contains(&equal), "{ones} {equal}");
    }
}
