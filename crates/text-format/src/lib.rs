//! Values as text for people: counts, numbers, times, and foreign text made safe to show.
//!
//! Pure, and without knowledge of what is described.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

use std::sync::LazyLock;

use jiff::{Timestamp, tz::TimeZone};
use regex::Regex;

/// Whether a text shows nothing: it is empty, or has only spaces and characters that are not drawn, such as U+200B.
pub fn is_blank(text: &str) -> bool {
    #[expect(clippy::expect_used, reason = "a constant expression, which a test compiles")]
    static BLANK: LazyLock<Regex> = LazyLock::new(|| {
        // Controls, formats, separators, fillers, and the braille pattern without dots.
        Regex::new(r"^[\p{C}\p{Z}\s\p{Default_Ignorable_Code_Point}\u{2800}]*$").expect("a regular expression")
    });
    BLANK.is_match(text)
}

/// A part of a whole as a percentage; only exactly zero shows as none, and only the whole as all.
pub fn part(part: u64, whole: u64) -> String {
    match part {
        _ if whole == 0 => "none seen".to_owned(),
        0 => "0 %".to_owned(),
        part if part == whole => "100 %".to_owned(),
        part => percent(part as f64 / whole as f64),
    }
}

/// Items with commas, and "and" before the last.
pub fn list<S: AsRef<str>>(items: &[S]) -> String {
    match items {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [start @ .., last] => {
            let start: Vec<&str> = start.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", start.join(", "), last.as_ref())
        }
    }
}

/// A number with its noun, in the plural unless the number is 1.
pub fn count(n: u64, noun: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{} {noun}{s}", thousands(n))
}

/// A number with commas: 1234567 as `1,234,567`.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number with about three significant digits and a minus sign (U+2212).
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return "not known".to_owned();
    }
    let magnitude = value.abs();
    let text = if magnitude >= 1e15 {
        format!("{magnitude:.2e}")
    } else if magnitude >= 1000.0 {
        thousands(magnitude.round() as u64)
    } else if magnitude >= 100.0 {
        format!("{magnitude:.0}")
    } else if magnitude >= 10.0 {
        format!("{magnitude:.1}")
    } else {
        format!("{magnitude:.2}")
    };
    let zero = text.bytes().all(|b| b"0.".contains(&b));
    if value < 0.0 && !zero { format!("\u{2212}{text}") } else { text }
}

/// A probability as a percentage, never rounded to 0 % or 100 %.
pub fn percent(probability: f64) -> String {
    match probability * 100.0 {
        p if !p.is_finite() => "not known".to_owned(),
        p if p > 99.9 => "> 99.9 %".to_owned(),
        p if p < 0.1 => "< 0.1 %".to_owned(),
        p if !(1.0..=99.0).contains(&p) => format!("{p:.1} %"),
        p => format!("{p:.0} %"),
    }
}

/// A duration given in seconds.
pub fn seconds_in_words(seconds: f64) -> String {
    match seconds {
        s if !s.is_finite() => "an unknown time".to_owned(),
        s if s < 10.0 => format!("{s:.1} s"),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.0} days", s / 86_400.0),
    }
}

/// A duration given in hours.
pub fn hours_in_words(hours: f64) -> String {
    match hours {
        h if !h.is_finite() => "an unknown time".to_owned(),
        h if h < 2.0 => format!("{:.0} min", h * 60.0),
        h if h < 72.0 => format!("{h:.0} h"),
        h => count((h / 24.0).round() as u64, "day"),
    }
}

/// The duration between two times.
pub fn span_in_words(from: Timestamp, to: Timestamp) -> String {
    let seconds = (to.as_millisecond() - from.as_millisecond()).max(0) as f64 / 1000.0;
    match seconds {
        s if s < 120.0 => count(s.round() as u64, "second"),
        s if s < 7200.0 => count((s / 60.0).round() as u64, "minute"),
        s if s < 172_800.0 => count((s / 3600.0).round() as u64, "hour"),
        s => count((s / 86_400.0).round() as u64, "day"),
    }
}

/// `9 Oct 2016` in UTC.
pub fn day(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).strftime("%-d %b %Y").to_string()
}

/// `2016-10-09 14:03` in UTC.
pub fn minute(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M").to_string()
}

/// `2016-10-09 14:03:27` in UTC.
pub fn second(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Foreign text made safe to show: without control characters and bidirectional characters that
/// reorder the text around them, without stacks of combining marks, and cut to `max` characters.
pub fn shorten(text: &str, max: usize) -> String {
    let mut out = String::new();
    let mut marks = 0;
    for (shown, c) in text.chars().enumerate() {
        if shown >= max {
            out.push('…');
            break;
        }
        marks = if is_mark(c) { marks + 1 } else { 0 };
        if is_hidden(c) {
            out.push('\u{FFFD}');
        } else if marks <= 2 {
            out.push(c);
        }
    }
    if out.trim().is_empty() {
        out = "(empty)".to_owned();
    }
    out
}

/// Whether a character is invisible or reorders the text around it.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            | '\u{061C}' | '\u{FEFF}' | '\u{2028}' | '\u{2029}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

/// The first character of a typed text that is invisible or reorders the text around it, with its place. Line breaks, tabs and the
/// joiners U+200C and U+200D, which words and emoji need, are none.
pub fn hidden_character(text: &str) -> Option<(usize, char)> {
    text.chars().enumerate().find(|(_, c)| is_unwanted(*c))
}

/// A typed text without characters that are invisible or reorder the text around them. Other marks of a line's end become line breaks.
pub fn without_hidden(text: &str) -> String {
    text.chars()
        .map(|c| if matches!(c, '\u{B}' | '\u{C}' | '\u{85}' | '\u{2028}' | '\u{2029}') { '\n' } else { c })
        .filter(|c| !is_unwanted(*c))
        .collect()
}

fn is_unwanted(c: char) -> bool {
    is_hidden(c) && !matches!(c, '\n' | '\r' | '\t' | '\u{200C}' | '\u{200D}')
}

/// Whether a character is a combining mark, drawn above or below the character before it.
pub fn is_mark(c: char) -> bool {
    matches!(c, '\u{0300}'..='\u{036F}' | '\u{0483}'..='\u{0489}' | '\u{1AB0}'..='\u{1AFF}'
        | '\u{1DC0}'..='\u{1DFF}' | '\u{20D0}'..='\u{20FF}' | '\u{FE20}'..='\u{FE2F}')
}

/// Appends a text to HTML or SVG with its markup characters escaped; also safe within a quoted
/// attribute.
pub fn escape_into(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shows_nothing_is_blank() {
        for blank in
            ["", " \t\n", "\u{200b}", "\u{feff}\u{2060}", "\u{3164}", "\u{2800} \u{ad}", "\u{202e}", "\u{e0020}"]
        {
            assert!(is_blank(blank), "{blank:?}");
        }
        for text in ["a", "\u{200b}.", "0", "é", "ا", "字", "👍"] {
            assert!(!is_blank(text), "{text:?}");
        }
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([count(1, "line"), count(1_000, "line")], ["1 line", "1,000 lines"]);
        assert_eq!(number(-3.456), "\u{2212}3.46");
        assert_eq!(number(f64::NAN), "not known");
        assert_eq!(number(-0.001), "0.00");
        assert_eq!(percent(0.99999), "> 99.9 %");
        assert_eq!(percent(0.87), "87 %");
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
        assert_eq!([part(0, 9), part(9, 9), part(1, 4), part(0, 0)], ["0 %", "100 %", "25 %", "none seen"]);
    }

    #[test]
    fn hostile_text_is_tamed() {
        assert_eq!(shorten("a\u{202E}b\nc", 10), "a\u{FFFD}b\u{FFFD}c");
        assert_eq!(shorten(&"x".repeat(10_000), 5), "xxxxx…");
        assert_eq!(shorten(&format!("e{}", "\u{0301}".repeat(500)), 1000).chars().count(), 3);
        assert_eq!(shorten("", 5), "(empty)");
    }
}
