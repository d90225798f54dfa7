//! How the two tools prepare a text before they compare it.

use unicode_segmentation::UnicodeSegmentation;

/// coordination-network-toolkit's `message_preprocessor`: lower case, without words that start with
/// `@` (up to the next white space), and with single spaces.
pub fn normalised_message(text: &str) -> String {
    let clean = without_mentions(&text.to_lowercase());
    clean.split(is_space).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// CooRTweet's `normalize_text`: without mentions and the white space after each, without every
/// `RT`, in lower case, trimmed.
pub fn normalised_text(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('@') {
        let mut after = rest[at + 1..].chars();
        // At least one character of any kind is part of the mention.
        if after.next().is_none() {
            break;
        }
        clean.push_str(&rest[..at]);
        let tail = after.as_str();
        rest = match tail.find(char::is_whitespace) {
            Some(end) => &tail[end + tail[end..].chars().next().map_or(0, char::len_utf8)..],
            None => "",
        };
    }
    clean.push_str(rest);
    clean.replace("RT", "").to_lowercase().trim_matches([' ', '\t', '\r', '\n']).to_owned()
}

/// coordination-network-toolkit's `tokenize`, as the set that its `similarity` compares: the words
/// between Unicode's word boundaries (UAX 29), without the spaces and the apostrophe that a
/// boundary includes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens(Vec<String>);

impl Tokens {
    /// The words of a message.
    pub fn of(message: &str) -> Tokens {
        let text = without_mentions(&message.to_lowercase());
        let mut words = Vec::new();
        let mut start = 0;
        for (at, word) in text.split_word_bound_indices() {
            let end = at + word.len();
            if !holds_on(&text[start..end], &text[end..]) {
                let word = &text[start..end];
                words.extend(
                    word.strip_prefix('\'')
                        .unwrap_or(word)
                        .split(is_space)
                        .filter(|w| !w.is_empty())
                        .map(str::to_owned),
                );
                start = end;
            }
        }
        words.sort_unstable();
        words.dedup();
        Tokens(words)
    }

    /// In rising order.
    pub fn words(&self) -> &[String] {
        &self.0
    }
}

/// Removes words that start with `@`, up to the next white space or the end of the line.
fn without_mentions(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('@') {
        clean.push_str(&rest[..at]);
        rest = &rest[at..];
        rest = &rest[rest.find(char::is_whitespace).unwrap_or(rest.len())..];
    }
    clean.push_str(rest);
    clean
}

/// Whether the toolkit's regular expressions find no boundary between two words where UAX 29 has
/// one: an apostrophe is joined with a following vowel (the reverse of the rule for French and
/// Italian). They also join a combining mark at the very start of a text with the next character;
/// that is not copied.
fn holds_on(word: &str, next: &str) -> bool {
    let vowel = || {
        next.starts_with([
            'a', 'à', 'á', 'â', 'e', 'è', 'é', 'ê', 'i', 'ì', 'í', 'î', 'o', 'ò', 'ó', 'ô', 'u', 'ù', 'ú', 'û',
        ])
    };
    word.ends_with(['\'', '’']) && vowel()
}

/// The characters that Python's `str.split` treats as white space.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected values were printed by the tools' own functions.
    fn check(text: &str, message: &str, words: &[&str]) {
        assert_eq!(normalised_message(text), message, "{text:?}");
        assert_eq!(Tokens::of(text).words(), words, "{text:?}");
    }

    #[test]
    fn messages_lose_mentions_case_and_spaces() {
        check("Hello  WORLD", "hello world", &["hello", "world"]);
        check("hello @bob's dog, ok", "hello dog, ok", &[",", "dog", "hello", "ok"]);
        check("@a\nline two", "line two", &["line", "two"]);
        check("a@b c", "a c", &["a", "c"]);
        check("tab\tsep\r\nnext \u{2003} em", "tab sep next em", &["em", "next", "sep", "tab"]);
        check("@a @b", "", &[]);
        check("", "", &[]);
    }

    #[test]
    fn words_end_at_unicode_boundaries() {
        check("'orange' don't 'tis", "'orange' don't 'tis", &["don't", "orange", "tis"]);
        check("1,000.5 a.b x_y a-b", "1,000.5 a.b x_y a-b", &["-", "1,000.5", "a", "a.b", "b", "x_y"]);
        check("#One#two", "#one#two", &["#", "one", "two"]);
        check("the the fox.", "the the fox.", &[".", "fox", "the"]);
        check("them ’em ’tis", "them ’em ’tis", &["them", "tis", "’", "’em"]);
    }

    #[test]
    fn texts_lose_mentions_and_rt() {
        for (text, expected) in [
            ("RT @ann: Hello @bob  World ", "hello  world"),
            ("@ann", ""),
            ("x @", "x @"),
            // The mention is at least one character long, even if that is a space.
            ("x @ y z", "x z"),
            ("ARTIST rt", "aist rt"),
            ("a@b\tc", "ac"),
        ] {
            assert_eq!(normalised_text(text), expected, "{text:?}");
        }
    }
}
