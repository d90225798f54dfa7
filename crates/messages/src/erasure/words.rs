//! Words in texts, and their replacement.

/// A text that is looked for.
#[derive(Debug, Clone)]
pub(super) struct Needle {
    /// In lower case (ASCII): what stands before, and stays.
    before: String,
    /// In lower case (ASCII): what is replaced.
    word: String,
    /// Whether an underscore is part of a word.
    underscore: bool,
}

impl Needle {
    /// A word that stands directly after this text.
    pub(super) fn after(before: &str, word: &str) -> Needle {
        Needle { before: before.to_ascii_lowercase(), word: word.to_ascii_lowercase(), underscore: true }
    }

    /// A word, wherever it stands; an underscore ends it.
    pub(super) fn word(word: &str) -> Needle {
        Needle { before: String::new(), word: word.to_ascii_lowercase(), underscore: false }
    }

    /// A name, wherever it stands.
    pub(super) fn name(name: &str) -> Needle {
        Needle { before: String::new(), word: name.to_ascii_lowercase(), underscore: true }
    }

    /// Where the word is that is to be replaced: its first place from `from` on.
    fn find(&self, lower: &str, from: usize) -> Option<(usize, usize)> {
        let whole = format!("{}{}", self.before, self.word);
        let part_of_word = |c: char| c.is_alphanumeric() || (self.underscore && c == '_');
        let mut at = from;
        while let Some(found) = lower.get(at..)?.find(&whole) {
            let (start, end) = (at + found, at + found + whole.len());
            // Before `@` anything may stand.
            let starts_word = whole.starts_with(|c: char| !c.is_alphanumeric())
                || !lower[..start].chars().next_back().is_some_and(part_of_word);
            if starts_word && !is_signed(lower, start) && !goes_on(&lower[end..], part_of_word) {
                return Some((start + self.before.len(), end));
            }
            at = start + whole.chars().next().map_or(1, char::len_utf8);
        }
        None
    }
}

/// Whether a word goes on after this place: with a letter or digit, or with a sign that ids and names of hosts have within.
fn goes_on(rest: &str, part_of_word: impl Fn(char) -> bool) -> bool {
    let mut next = rest.chars();
    match next.next() {
        Some('.' | '-' | ':') => next.next().is_some_and(char::is_alphanumeric),
        first => first.is_some_and(part_of_word),
    }
}

/// Whether the number at this place has a minus before it: groups have such ids on Telegram.
fn is_signed(text: &str, at: usize) -> bool {
    let mut before = text[..at].chars().rev();
    text[at..].starts_with(|c: char| c.is_ascii_digit())
        && before.next() == Some('-')
        && !before.next().is_some_and(char::is_alphanumeric)
}

/// The text with the token in place of each needle; `None` if it has none.
pub(super) fn replaced(text: &str, needles: &[Needle], token: &str) -> Option<String> {
    // Has the same length in bytes.
    let lower = text.to_ascii_lowercase();
    let mut out = String::new();
    let mut done = 0;
    // The longest of those that begin first.
    while let Some((start, end)) = needles
        .iter()
        .filter_map(|needle| needle.find(&lower, done))
        .min_by_key(|(start, end)| (*start, std::cmp::Reverse(*end)))
    {
        // A needle that begins before `done` has only its fixed part there.
        out.push_str(&text[done..start]);
        out.push_str(token);
        done = end;
    }
    (done > 0).then(|| out + &text[done..])
}
