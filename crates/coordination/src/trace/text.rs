//! `text`: an account's own words, when they repeat another text too closely for chance.
//!
//! A text joins the class of the earlier text whose words it repeats most improbably, if that is improbable enough. With P learnt from the
//! stream itself (pairs of neighbouring words, Dirichlet smoothing; in scripts without spaces characters in threes):
//!
//! T = sum of -ln P(word | the word before) over the different pairs of words that both texts have; a run of them begins with -ln P(word)
//! c = T / the same sum over all words of the longer (more surprising) of the two texts
//! a copy: T sqrt(c) - ln(texts of the last day) >= 22 nats
//!
//! The logarithm pays for the choice among that many texts. A text is learnt when it is six hours old, and without what it repeated, so that
//! neither a burst nor the number of its copies can make its words look common. Before 2,000 texts are learnt nothing is known to be
//! common: a copy then needs five shared pairs of words.
//!
//! Words are known by their hashes and compared for equality only; their prior is one constant. So a one-to-one replacement of words
//! changes no class. Of equal candidates the newest counts, never one by its hash.
//!
//! What is no text of one's own has no class: reposts, posts that name another as their author ([`words`](super::words)). A class whose posts all carry one and the same link belongs to that page (a share button wrote it) and is
//! nobody's own words, until a post of it carries another link or none.

use std::collections::VecDeque;

use hashbrown::hash_map::Entry;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::words::is_sign;
use crate::{
    hash::Map,
    post::{DAY, HOUR, Millis},
};

/// How long a text can be found repeated, and the age at which its words are learnt.
const HORIZON: Millis = 7 * DAY;
const LEARN: Millis = 6 * HOUR;
/// Newest texts remembered per pair of words, and texts compared.
const RING: usize = 16;
const TRIES: usize = 6;
/// Pairs of words counted; when there are more, all counts are halved.
const MOST_PAIRS: usize = 4_000_000;
/// Weight of the prior: for words in words, for pairs in occurrences.
const PRIOR_WORDS: f64 = 2_000.0;
const PRIOR_PAIRS: f64 = 3.0;
/// -ln of the prior probability of any word.
const PRIOR_NATS: f64 = 8.25;
/// Until so many texts are learnt, a copy shares at least so many pairs of words.
const WARM: u64 = 2_000;
const COLD_PAIRS: usize = 5;

/// A pair of neighbouring words, in scripts without spaces three characters in a row.
#[derive(Clone, Copy)]
struct Gram {
    id: u64,
    before: u64,
    word: u64,
    /// Both of them.
    pair: u64,
    /// Whether it has the text's beginning in it.
    first: bool,
    /// Whether there is no word before.
    opening: bool,
}

/// What stands before the first word.
const BEGINNING: u64 = 0;

fn join(a: u64, b: u64) -> u64 {
    xxh3_64_with_seed(&b.to_le_bytes(), a)
}

/// The different pairs of neighbouring words, in order.
fn grams(words: &[u64]) -> Vec<Gram> {
    let mut grams: Vec<Gram> = Vec::with_capacity(words.len());
    for (at, &word) in words.iter().enumerate() {
        let before = if at == 0 { BEGINNING } else { words[at - 1] };
        let earlier = if at < 2 { BEGINNING } else { words[at - 2] };
        let pair = join(before, word);
        let sign = is_sign(word);
        let id = if sign && at > 0 { join(earlier ^ 0x5bd1_e995, pair) } else { pair };
        let first = at == 0 || (sign && at == 1);
        if !grams.iter().any(|known| known.id == id) {
            grams.push(Gram { id, before, word, pair, first, opening: at == 0 });
        }
    }
    grams
}

/// How often each word and each pair of words is written.
#[derive(Default, Serialize, Deserialize)]
struct Frequency {
    one: Map<u64, u32>,
    two: Map<u64, u32>,
    all: f64,
    learnt: u64,
}

impl Frequency {
    fn learn(&mut self, fresh: &[(u64, u64)]) {
        for &(before, word) in fresh {
            *self.one.entry(word).or_insert(0) += 1;
            *self.two.entry(join(before, word)).or_insert(0) += 1;
        }
        self.all += fresh.len() as f64;
        self.learnt += 1;
        if self.two.len() > MOST_PAIRS {
            for counts in [&mut self.one, &mut self.two] {
                counts.retain(|_, n| {
                    *n /= 2;
                    *n > 0
                });
            }
            // Whole numbers: the order of a sum makes no difference.
            self.all = self.one.values().map(|n| f64::from(*n)).sum();
        }
    }

    /// Probability of a word, `less` occurrences set aside.
    fn word(&self, word: u64, less: u32) -> f64 {
        let n = self.one.get(&word).map_or(0, |n| n.saturating_sub(less));
        (f64::from(n) + PRIOR_WORDS * (-PRIOR_NATS).exp()) / (self.all + PRIOR_WORDS)
    }

    /// Probability of a word after another.
    fn after(&self, gram: &Gram, less: u32) -> f64 {
        let pair = f64::from(self.two.get(&gram.pair).map_or(0, |n| n.saturating_sub(less)));
        let one = f64::from(self.one.get(&gram.before).map_or(0, |n| n.saturating_sub(less)));
        (pair + PRIOR_PAIRS * self.word(gram.word, less)) / (one.max(pair) + PRIOR_PAIRS)
    }

    fn nats(&self, gram: &Gram) -> f64 {
        let chance = if gram.opening { self.word(gram.word, 0) } else { self.after(gram, 0) };
        -chance.ln()
    }
}

/// A text that can be found repeated.
#[derive(Serialize, Deserialize)]
struct Text {
    at: Millis,
    class: u64,
    /// Its pairs of words, in order of their ids.
    grams: Box<[u64]>,
    /// Pairs of words that it did not take from the text that it repeats, until they are learnt.
    fresh: Box<[(u64, u64)]>,
    /// Surprise of all its words, nats.
    whole: f64,
    learnt: bool,
}

/// A class of texts that repeat one another.
#[derive(Serialize, Deserialize)]
struct Class {
    /// Texts of it that can be found repeated.
    texts: u32,
    page: Page,
}

#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Page {
    /// All posts so far carry this link.
    Of(u64),
    /// They do not.
    None,
}

/// Newest texts with a pair of words, oldest first, as serial numbers.
type Newest = SmallVec<[u32; 4]>;

/// Classes of near-duplicate texts.
#[derive(Serialize, Deserialize)]
pub(crate) struct Classes {
    least: f64,
    most: usize,
    frequency: Frequency,
    texts: VecDeque<Text>,
    classes: Map<u64, Class>,
    index: Map<u64, Newest>,
    /// Serial numbers: of the oldest text, the oldest that is not learnt, the oldest of the last day. They wrap round.
    first: u32,
    lag: u32,
    day: u32,
    evicted: u64,
    /// Of texts that share pairs of words with the one that is looked at, by their places: the sum of the pairs' surprise, nats. Empty
    /// between two texts.
    #[serde(skip)]
    sums: Map<u32, f64>,
}

/// What a text is.
pub(crate) struct Found {
    /// Its class, by the number that the first text of it brought.
    pub class: u64,
    /// Whether it is somebody's own words, and no page's.
    pub own: bool,
    /// Thousandths of its surprise that it shares with the text that it repeats; `None` where it repeats none.
    pub copied: Option<u16>,
}

impl Classes {
    /// Classes of texts that repeat another with so much net surprise or more, in nats; so many texts are remembered at most.
    pub(crate) fn new(least: f64, most: usize) -> Classes {
        Classes {
            least,
            most,
            frequency: Frequency::default(),
            texts: VecDeque::new(),
            classes: Map::default(),
            index: Map::default(),
            first: 0,
            lag: 0,
            day: 0,
            evicted: 0,
            sums: Map::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }

    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Texts beyond the horizon go; texts old enough are learnt.
    pub(crate) fn expire(&mut self, now: Millis) {
        while self.texts.front().is_some_and(|text| text.at < now - HORIZON) || self.texts.len() > self.most {
            let Some(text) = self.texts.pop_front() else { return };
            self.evicted += u64::from(text.at >= now - HORIZON);
            for gram in &text.grams {
                if let Entry::Occupied(mut newest) = self.index.entry(*gram) {
                    newest.get_mut().retain(|serial| *serial != self.first);
                    if newest.get().is_empty() {
                        newest.remove();
                    }
                }
            }
            if let Entry::Occupied(mut class) = self.classes.entry(text.class) {
                class.get_mut().texts -= 1;
                if class.get().texts == 0 {
                    class.remove();
                }
            }
            if self.lag == self.first {
                self.lag = self.lag.wrapping_add(1);
            }
            if self.day == self.first {
                self.day = self.day.wrapping_add(1);
            }
            self.first = self.first.wrapping_add(1);
        }
        while let Some(text) = self.texts.get(self.day.wrapping_sub(self.first) as usize)
            && text.at < now - DAY
        {
            self.day = self.day.wrapping_add(1);
        }
        while let Some(text) = self.texts.get_mut(self.lag.wrapping_sub(self.first) as usize)
            && text.at < now - LEARN
        {
            text.learnt = true;
            self.frequency.learn(&std::mem::take(&mut text.fresh));
            self.lag = self.lag.wrapping_add(1);
        }
    }

    /// Surprise, nats, and number of the pairs of words that a text shares with an older one.
    fn shared(&self, old: &Text, new: &[(Gram, f64)]) -> (f64, usize) {
        // The older text is no evidence that its own words are common.
        let less = u32::from(old.learnt);
        let (mut nats, mut pairs, mut last) = (0.0, 0, None);
        for (gram, surprise) in new {
            if gram.first || old.grams.binary_search(&gram.id).is_err() {
                continue;
            }
            let chance = || self.frequency.after(gram, less);
            nats += if less > 0 { -chance().ln() } else { *surprise };
            if last != Some(gram.before) {
                nats -= self.frequency.word(gram.before, less).ln();
            }
            last = Some(gram.word);
            pairs += 1;
        }
        (nats, pairs)
    }

    /// Takes in a text, in order of time: `number` names its class if it begins one, `link` is the page that it leads to. `None` for texts
    /// of one word or none.
    pub(crate) fn add(&mut self, at: Millis, words: &[u64], link: Option<u64>, number: u64) -> Option<Found> {
        if words.len() < 2 {
            return None;
        }
        self.expire(at);
        let new: Vec<(Gram, f64)> = grams(words).into_iter().map(|gram| (gram, self.frequency.nats(&gram))).collect();
        let whole: f64 = new.iter().map(|(_, nats)| nats).sum();
        let serial = self.first.wrapping_add(self.texts.len() as u32);
        // Sums of one text's grams in its own order, whatever the others: the same to the last bit.
        for (gram, nats) in new.iter().filter(|(gram, _)| !gram.first) {
            for serial in self.index.get(&gram.id).into_iter().flatten() {
                *self.sums.entry(serial.wrapping_sub(self.first)).or_insert(0.0) += nats;
            }
        }
        // The likeliest few, of equal ones the newest.
        let mut found: Vec<(u32, f64)> = self.sums.drain().collect();
        let likelier = |x: &(u32, f64), y: &(u32, f64)| y.1.total_cmp(&x.1).then(y.0.cmp(&x.0));
        if found.len() > TRIES {
            found.select_nth_unstable_by(TRIES - 1, likelier);
            found.truncate(TRIES);
        }
        found.sort_unstable_by(likelier);
        let chance = f64::from(serial.wrapping_sub(self.day).saturating_add(1)).ln();
        let cold = self.frequency.learnt < WARM;
        let mut best: Option<(f64, f64, usize)> = None;
        for &(text, _) in &found {
            let old = &self.texts[text as usize];
            let (nats, pairs) = self.shared(old, &new);
            let coverage = (nats / whole.max(old.whole)).min(1.0);
            let net = nats * coverage.sqrt() - chance;
            if net >= best.map_or(self.least, |(net, ..)| net) && !(cold && pairs < COLD_PAIRS) {
                let better = best.is_none_or(|(other, ..)| net > other);
                if better {
                    best = Some((net, coverage, text as usize));
                }
            }
        }
        let old = best.map(|(.., text)| &self.texts[text]);
        let class = old.map_or(number, |old| old.class);
        let fresh = new
            .iter()
            .filter(|(gram, _)| old.is_none_or(|old| old.grams.binary_search(&gram.id).is_err()))
            .map(|(gram, _)| (gram.before, gram.word))
            .collect();
        let mut ids: Vec<u64> = new.iter().map(|(gram, _)| gram.id).collect();
        ids.sort_unstable();
        self.texts.push_back(Text { at, class, grams: ids.into(), fresh, whole, learnt: false });
        for (gram, _) in new.iter().filter(|(gram, _)| !gram.first) {
            let newest = self.index.entry(gram.id).or_default();
            if newest.len() == RING {
                newest.remove(0);
            }
            newest.push(serial);
        }
        let page = link.map_or(Page::None, Page::Of);
        let known = self.classes.entry(class).or_insert(Class { texts: 0, page });
        known.texts += 1;
        if known.page != page {
            known.page = Page::None;
        }
        let own = known.page == Page::None;
        Some(Found { class, own, copied: best.map(|(_, coverage, _)| (coverage * 1_000.0).round() as u16) })
    }
}
