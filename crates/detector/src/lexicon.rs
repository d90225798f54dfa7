//! What a cluster's posts are about: regular expressions, for routing and description only.
//!
//! A lexicon never raises or lowers a score: it is read after the verdict, and nothing that it says reaches the engine or the
//! model. It names subjects (which election, which office), never opinions.
//!
//! ```toml
//! [[topic]]
//! name = "elections"
//! patterns = ['\belections?\b', '\bballots?\b']
//!
//! [[target]]
//! name = "election offices"
//! patterns = ['\belection (?:office|official)s?\b']
//! ```

use std::{
    collections::{HashMap, VecDeque},
    path::Path,
};

use regex::{RegexSet, RegexSetBuilder};
use serde::Deserialize;
use xxhash_rust::xxh3::xxh3_64;

/// The lexicon that comes with the program.
const BUNDLED: &str = include_str!("../../../config/topics.toml");
/// Memory for the regular expressions' states. With too little the engine falls back to a search that is fifty times slower.
const DFA_BYTES: usize = 64 * 1024 * 1024;
/// Posts whose subjects are remembered.
const REMEMBERED: usize = 1_000_000;
/// A cluster is about what at least this share of its posts is about ...
const SHARE: f64 = 0.1;
/// ... and at least so many of them.
const LEAST: usize = 3;

/// Why a lexicon cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LexiconError {
    /// The file cannot be read.
    #[error("cannot read the lexicon {path}: {source}")]
    Read {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is no lexicon.
    #[error("lexicon {path}: {source}")]
    Parse {
        /// Which file.
        path: String,
        /// Where and why.
        source: toml::de::Error,
    },
    /// A pattern is no regular expression, or all together are too large.
    #[error("lexicon {path}: {source}")]
    Pattern {
        /// Which file.
        path: String,
        /// Which pattern and why.
        source: regex::Error,
    },
    /// More subjects than a mask holds.
    #[error("lexicon {path}: {count} topics and targets, at most 64 are possible")]
    TooMany {
        /// Which file.
        path: String,
        /// How many.
        count: usize,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    topic: Vec<Subject>,
    #[serde(default)]
    target: Vec<Subject>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Subject {
    name: String,
    patterns: Vec<String>,
}

/// Subjects and how to recognise them, all patterns in one pass.
#[derive(Debug)]
pub struct Lexicon {
    patterns: RegexSet,
    /// Subject of each pattern.
    subjects: Vec<usize>,
    names: Vec<String>,
    /// Subjects before this one are topics, the others targets.
    topics: usize,
}

impl Lexicon {
    /// The lexicon that comes with the program.
    pub fn bundled() -> Result<Lexicon, LexiconError> {
        Lexicon::parse(BUNDLED, "bundled")
    }

    /// Reads a lexicon.
    pub fn load(path: &Path) -> Result<Lexicon, LexiconError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| LexiconError::Read { path: name.clone(), source })?;
        Lexicon::parse(&text, &name)
    }

    fn parse(text: &str, path: &str) -> Result<Lexicon, LexiconError> {
        let path = || path.to_string();
        let file: File = toml::from_str(text).map_err(|source| LexiconError::Parse { path: path(), source })?;
        let topics = file.topic.len();
        let all: Vec<Subject> = file.topic.into_iter().chain(file.target).collect();
        if all.len() > 64 {
            return Err(LexiconError::TooMany { path: path(), count: all.len() });
        }
        let subjects = all.iter().enumerate().flat_map(|(i, s)| s.patterns.iter().map(move |_| i)).collect();
        let patterns = RegexSetBuilder::new(all.iter().flat_map(|s| &s.patterns).map(|pattern| bounded(pattern)))
            .case_insensitive(true)
            .dfa_size_limit(DFA_BYTES)
            .build()
            .map_err(|source| LexiconError::Pattern { path: path(), source })?;
        Ok(Lexicon { patterns, subjects, names: all.into_iter().map(|s| s.name).collect(), topics })
    }

    /// Two lexicons whose bits mean different things differ in this.
    pub(crate) fn fingerprint(&self) -> u64 {
        xxh3_64(format!("{:?}", (&self.names, self.topics, &self.subjects, self.patterns.patterns())).as_bytes())
    }

    /// A bit per subject that the text is about.
    pub fn read(&self, text: &str) -> u64 {
        self.patterns.matches(text).into_iter().fold(0, |mask, pattern| mask | 1 << self.subjects[pattern])
    }
}

/// A word boundary at either end of a pattern, in a form that the regex engine can search fast: its own `\b` makes it ten times
/// slower on text that is not ASCII. Only whether a pattern matches is asked, so the neighbouring character may be part of it.
fn bounded(pattern: &str) -> String {
    let (start, pattern) = match pattern.strip_prefix(r"\b") {
        Some(rest) => (r"(?:^|\W)", rest),
        None => ("", pattern),
    };
    match pattern.strip_suffix(r"\b") {
        Some(rest) => format!(r"{start}(?:{rest})(?:\W|$)"),
        None => format!("{start}(?:{pattern})"),
    }
}

/// What each post of late was about.
#[derive(Debug, Default)]
pub(crate) struct Subjects {
    masks: HashMap<u64, u64, foldhash::fast::FixedState>,
    order: VecDeque<u64>,
}

impl Subjects {
    pub(crate) fn remember(&mut self, post: u64, mask: u64) {
        if self.masks.insert(post, mask).is_some() {
            return;
        }
        self.order.push_back(post);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.masks.remove(&oldest);
        }
    }

    /// Posts with their subjects, the oldest first; a checkpoint keeps them so.
    pub(crate) fn kept(&self) -> Vec<(u64, u64)> {
        self.order.iter().filter_map(|post| Some((*post, *self.masks.get(post)?))).collect()
    }

    /// As they were when they were [`kept`](Self::kept).
    pub(crate) fn again(kept: Vec<(u64, u64)>) -> Subjects {
        Subjects { order: kept.iter().map(|(post, _)| *post).collect(), masks: kept.into_iter().collect() }
    }

    /// Topics and targets of a group of posts, each in the lexicon's order.
    pub(crate) fn of<'p>(
        &self,
        lexicon: &Lexicon,
        posts: impl Iterator<Item = (&'p str, &'p str)>,
    ) -> (Vec<String>, Vec<String>) {
        let mut counts = vec![0usize; lexicon.names.len()];
        let mut all = 0;
        for (platform, id) in posts {
            all += 1;
            let mask = self.masks.get(&name(platform, id)).copied().unwrap_or(0);
            for (i, count) in counts.iter_mut().enumerate() {
                *count += usize::from(mask & (1 << i) != 0);
            }
        }
        let about = |i: &usize| counts[*i] >= LEAST && counts[*i] as f64 >= SHARE * all as f64;
        let names = |range: std::ops::Range<usize>| range.filter(about).map(|i| lexicon.names[i].clone()).collect();
        (names(0..lexicon.topics), names(lexicon.topics..lexicon.names.len()))
    }
}

/// A post's name, as a hash.
pub(crate) fn name(platform: &str, id: &str) -> u64 {
    xxh3_64(format!("{platform}\0{id}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_lexicon_reads_several_languages() {
        let lexicon = Lexicon::bundled().unwrap();
        let about = |text: &str| {
            let mask = lexicon.read(text);
            (0..64).filter(|i| mask & (1 << i) != 0).map(|i| lexicon.names[i].as_str()).collect::<Vec<_>>().join(",")
        };
        assert_eq!(about("Polling stations open at 8, bring your ballot"), "elections,voting");
        assert_eq!(about("Die Bundestagswahl steht bevor"), "elections");
        assert_eq!(about("Завтра выборы"), "elections");
        assert_eq!(about("the election officials counted all night"), "elections,election offices");
        assert_eq!(about("what a goal"), "");
    }

    #[test]
    fn a_cluster_is_about_what_enough_of_its_posts_are_about() {
        let lexicon = Lexicon::bundled().unwrap();
        let mut subjects = Subjects::default();
        for id in ["1", "2", "3"] {
            subjects.remember(name("x", id), lexicon.read("the election"));
        }
        let of = |n: usize| {
            let ids: Vec<String> = (1..=n).map(|i| i.to_string()).collect();
            subjects.of(&lexicon, ids.iter().map(|id| ("x", id.as_str()))).0
        };
        let again = Subjects::again(subjects.kept());
        assert_eq!((&again.masks, &again.order), (&subjects.masks, &subjects.order));
        assert_eq!(of(2), [""; 0]);
        assert_eq!(of(20), ["elections"]);
        assert_eq!(of(40), [""; 0]);
    }

    #[test]
    fn a_faulty_lexicon_is_named_with_its_fault() {
        assert_eq!(Lexicon::bundled().unwrap().fingerprint(), Lexicon::bundled().unwrap().fingerprint());
        let other = Lexicon::parse("[[topic]]\nname = 'a'\npatterns = ['b']", "t.toml").unwrap();
        assert_ne!(other.fingerprint(), Lexicon::bundled().unwrap().fingerprint());
        let fault = |text: &str| Lexicon::parse(text, "t.toml").unwrap_err().to_string();
        assert!(fault("[[topic]]\nname = 'a'\npatterns = ['(']").starts_with("lexicon t.toml: regex parse error"));
        assert!(fault("[[topics]]\nname = 'a'").contains("unknown field `topics`"));
    }
}
