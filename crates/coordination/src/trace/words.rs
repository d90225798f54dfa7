//! The words of a text that are the author's own, as hashes.
//!
//! Quoted passages, links, mentions, digits and signs are not words, and a text that names another
//! author has none.

use unicode_normalization::{IsNormalized, UnicodeNormalization, char::is_combining_mark, is_nfkc_quick};
use xxhash_rust::xxh3::xxh3_64;

/// Words read of a text.
const MOST_WORDS: usize = 96;
/// Characters read of a text; of a longer text only the start counts.
const MOST_CHARS: usize = 4_000;

/// The words of a text, by their hashes. The lowest bit marks a character of a script without
/// spaces.
pub(crate) type Words = Box<[u64]>;

/// Whether a word is a character of a script without spaces.
pub(super) fn is_sign(word: u64) -> bool {
    word & 1 == 1
}

/// The words of a text; none if it is not the author's own.
pub(super) fn words(text: &str) -> Words {
    let mut words = Vec::new();
    if attributed(text) {
        return words.into();
    }
    let cut = text.char_indices().nth(MOST_CHARS).map_or(text.len(), |(end, _)| end);
    let unquoted = without_quotes(&text[..cut]);
    let mut reader = WordReader { words: &mut words, word: String::new(), last: None };
    if is_nfkc_quick(unquoted.chars()) == IsNormalized::Yes {
        reader.read(&unquoted);
    } else {
        let folded: String = unquoted.nfkc().take(MOST_CHARS).collect();
        reader.read(&folded);
    }
    words.into()
}

/// Whether a text names another author: `RT @name`, `MT`, `"@name: ...`, `Retweeted`.
fn attributed(text: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let start = text.trim_start_matches(|c: char| !is_word(c));
    for mark in ["RT", "MT", "Retweeted"] {
        let whole = |rest: &str| !rest.starts_with(is_word);
        if start.strip_prefix(mark).is_some_and(whole) && (mark != "Retweeted" || text.starts_with(mark)) {
            return true;
        }
    }
    let quoted = text.trim_start().strip_prefix(['"', '\u{201c}', '\u{201d}', '\u{ab}', '\u{201e}']);
    let handle =
        |rest: &str| rest.trim_start().strip_prefix(['@', '\u{ff20}']).is_some_and(|name| name.starts_with(is_word));
    if quoted.is_some_and(handle) {
        return true;
    }
    text.match_indices("RT").any(|(at, _)| {
        !text[..at].ends_with(is_word) && text[at + 2..].trim_start().starts_with(['@', '\u{ff20}', ':'])
    })
}

/// Quoted passages of at least eight characters become spaces.
fn without_quotes(text: &str) -> std::borrow::Cow<'_, str> {
    const QUOTES: [(char, char); 5] = [
        ('"', '"'),
        ('\u{201c}', '\u{201d}'),
        ('\u{ab}', '\u{bb}'),
        ('\u{201e}', '\u{201c}'),
        ('\u{201e}', '\u{201d}'),
    ];
    if !text.contains(['"', '\u{201c}', '\u{ab}', '\u{201e}']) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.chars().next() {
        let after = &rest[open.len_utf8()..];
        let passage = QUOTES.iter().filter(|(left, _)| *left == open).find_map(|(left, right)| {
            let end = after.find([*left, *right])?;
            (after[end..].starts_with(*right) && after[..end].chars().count() >= 8).then_some(end + right.len_utf8())
        });
        match passage {
            Some(end) => {
                out.push(' ');
                rest = &after[end..];
            }
            None => {
                out.push(open);
                rest = after;
            }
        }
    }
    out.into()
}

struct WordReader<'w> {
    words: &'w mut Vec<u64>,
    word: String,
    /// The last letter, and how often it was written in a row.
    last: Option<(char, u32)>,
}

impl WordReader<'_> {
    fn read(&mut self, text: &str) {
        for token in text.split_whitespace() {
            if self.words.len() >= MOST_WORDS {
                return;
            }
            let token = &token[..link(token)];
            let mut chars = token.chars().peekable();
            while let Some(c) = chars.next() {
                match c {
                    '@' | '\u{ff20}' => {
                        self.end();
                        while chars.next_if(|c| c.is_alphanumeric() || *c == '_' || *c == '.').is_some() {}
                    }
                    '\'' | '\u{2019}' | '`' | '\u{b4}' | '\u{2018}' => {}
                    '[' if self.smiley(&mut chars) => {}
                    _ if c.is_ascii_alphabetic() => self.letter(c.to_ascii_lowercase()),
                    _ if c.is_ascii() => self.end(),
                    _ if is_combining_mark(c) => {}
                    _ if unspaced(c) => {
                        self.end();
                        let mut bytes = [0; 4];
                        self.push(xxh3_64(c.encode_utf8(&mut bytes).as_bytes()) | 1);
                    }
                    _ if c.is_alphabetic() => {
                        c.to_lowercase().filter(|c| !is_combining_mark(*c)).for_each(|c| self.letter(c))
                    }
                    _ => self.end(),
                }
            }
            self.end();
        }
    }

    /// Weibo writes smileys as one to four ideographs in brackets.
    fn smiley(&mut self, chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> bool {
        self.end();
        let mut ahead = chars.clone();
        let signs = std::iter::from_fn(|| ahead.next_if(|c| ('\u{3400}'..='\u{9fff}').contains(c))).take(5).count();
        if !(1..=4).contains(&signs) || ahead.next() != Some(']') {
            return false;
        }
        *chars = ahead;
        true
    }

    fn letter(&mut self, c: char) {
        let run = self.last.map_or(0, |(last, run)| if last == c { run } else { 0 });
        self.last = Some((c, run + 1));
        // A letter that occurs three or more times in a row counts as two.
        if run < 2 {
            self.word.push(c);
        }
    }

    fn end(&mut self) {
        if !self.word.is_empty() {
            let hash = xxh3_64(self.word.as_bytes()) & !1;
            self.word.clear();
            self.push(hash);
        }
        self.last = None;
    }

    fn push(&mut self, hash: u64) {
        if self.words.len() < MOST_WORDS {
            self.words.push(hash);
        }
    }
}

/// Whether its script has no spaces between words: Thai, Lao, Burmese, Khmer, Chinese and Japanese.
fn unspaced(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{3040}'..='\u{30ff}'
        | '\u{3400}'..='\u{9fff}' | '\u{20000}'..='\u{2ffff}')
        && c.is_alphabetic()
}

/// The start of a link in a token without white space; the token's length if there is none.
fn link(token: &str) -> usize {
    let scheme = token.find("://").map(|at| {
        let start = &token[..at];
        at - start.bytes().rev().take_while(u8::is_ascii_alphabetic).count()
    });
    if let Some(at) = scheme.or_else(|| token.find("www.")) {
        return at;
    }
    // A URL without a scheme: letters, digits and hyphens in labels, the last of them one of these
    // endings.
    const ENDINGS: [&str; 13] = ["com", "net", "org", "info", "ly", "co", "tv", "me", "us", "eu", "uk", "ru", "de"];
    let host_end = token.find(['/', '\\']).unwrap_or(token.len());
    let host = token[..host_end].trim_end_matches(|c: char| !c.is_alphanumeric());
    let start = host
        .rfind(|c: char| !(c.is_alphanumeric() || "_-.".contains(c)))
        .map_or(0, |at| at + host[at..].chars().next().map_or(1, char::len_utf8));
    let is_address = host[start..].rsplit_once('.').is_some_and(|(labels, ending)| {
        ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)) && !labels.is_empty() && !labels.ends_with('.')
    });
    if is_address { start } else { token.len() }
}
