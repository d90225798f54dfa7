//! Findings in words, for the console, the report and partners alike. Says how accounts behave, never what they say.

use std::collections::BTreeSet;

use jiff::{Timestamp, tz::TimeZone};
use messages::cluster::{ClusterMessage, Status};

/// Said to every platform that is told of an account.
pub(crate) const VOLUNTARY: &str =
    "Any action on these accounts is voluntary and the platform's own decision under its own rules.";

/// One sentence: who did what together, how close in time, over how long.
pub(crate) fn headline(cluster: &ClusterMessage) -> String {
    let kinds = kinds_by_nats(cluster);
    let did = match kinds.as_slice() {
        [] => "acted together".to_owned(),
        kinds => list(&kinds.iter().map(|kind| did(kind)).collect::<Vec<_>>()),
    };
    let gap = match typical_gap_s(cluster) {
        Some(seconds) => format!(", typically {} apart", seconds_in_words(seconds)),
        None => String::new(),
    };
    format!(
        "{} on {} {did}{gap}, over {}.",
        count(cluster.accounts.len() as u64, "account"),
        list(&platforms(cluster)),
        span_in_words(cluster.first_seen, cluster.last_seen),
    )
}

/// What the numbers mean, in two or three sentences.
pub(crate) fn strength(cluster: &ClusterMessage) -> String {
    let mut text = format!(
        "Over {} they acted together more often than their habits explain: the evidence is {} nats in total",
        count(cluster.evidence.len() as u64, "key"),
        number(cluster.log_e)
    );
    match cluster.sources.first() {
        Some(best) if cluster.sources.len() > 1 => text.push_str(&format!(
            ", and {} without its strongest source ({} {}).",
            number(cluster.log_e_leave_one_source_out),
            shorten(&best.kind, 24),
            shorten(&best.source, 60),
        )),
        _ => text.push_str(", all from one source."),
    }
    text.push(' ');
    text.push_str(standing(cluster.status));
    text
}

/// What the status means, in a sentence.
pub(crate) fn standing(status: Status) -> &'static str {
    match status {
        Status::Flagged => "It stands on more than one source, and the model finds the coordination inauthentic.",
        Status::SingleSource => {
            "Without that source it does not pass the test, as with a fan club or the readers of one outlet, so it is not flagged."
        }
        Status::Coordinated => {
            "The accounts are coordinated, but the model does not find the coordination inauthentic."
        }
        Status::Faded => "It passed the test once, but what the accounts did since then speaks against it.",
    }
}

/// How much history stood behind the verdict.
pub(crate) fn history(cluster: &ClusterMessage) -> String {
    let hours = cluster.history_hours;
    if hours < 24.0 {
        format!(
            "Only {} of history stood behind this verdict when the group was first proposed; under 24 h there is no \
             baseline per source, only how active each account was. Read it with more care.",
            hours_in_words(hours)
        )
    } else {
        format!("{} of history stood behind this verdict when the group was first proposed.", hours_in_words(hours))
    }
}

/// Platforms in the cluster, sorted.
pub(crate) fn platforms(cluster: &ClusterMessage) -> Vec<String> {
    let set: BTreeSet<&str> = cluster.accounts.iter().map(|a| &*a.platform).collect();
    set.into_iter().map(|name| shorten(name, 40)).collect()
}

/// Trace kinds, most evidence first, those that speak for the finding only.
pub(crate) fn kinds_by_nats(cluster: &ClusterMessage) -> Vec<&str> {
    let mut kinds: Vec<(&str, f64)> =
        cluster.traces.iter().filter(|(_, nats)| **nats > 0.0).map(|(kind, nats)| (kind.as_str(), *nats)).collect();
    kinds.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
    kinds.into_iter().map(|(kind, _)| kind).collect()
}

/// Median over the ties of their median lag.
pub(crate) fn typical_gap_s(cluster: &ClusterMessage) -> Option<f64> {
    let mut lags: Vec<f64> = cluster.ties.iter().map(|tie| tie.median_lag_s).filter(|lag| lag.is_finite()).collect();
    lags.sort_by(f64::total_cmp);
    lags.get(lags.len() / 2).copied()
}

pub(crate) fn status(status: Status) -> &'static str {
    match status {
        Status::Flagged => "flagged",
        Status::SingleSource => "single source",
        Status::Coordinated => "coordinated",
        Status::Faded => "faded",
    }
}

/// What accounts did that left traces of a kind.
pub(crate) fn did(kind: &str) -> String {
    match kind {
        "url" => "shared the same links".to_owned(),
        "repost" => "reposted the same posts".to_owned(),
        "hashtags" => "used the same hashtags".to_owned(),
        "text" => "wrote nearly the same texts".to_owned(),
        "media" => "posted the same media".to_owned(),
        "reply" => "answered the same posts".to_owned(),
        "mention" => "mentioned the same accounts".to_owned(),
        other => format!("left the same {} traces", shorten(other, 30)),
    }
}

/// A trace kind as a noun.
pub(crate) fn kind_label(kind: &str) -> String {
    match kind {
        "url" => "links".to_owned(),
        "repost" => "reposts".to_owned(),
        "hashtags" => "hashtags".to_owned(),
        "text" => "texts".to_owned(),
        other => shorten(other, 30),
    }
}

pub(crate) fn list<S: AsRef<str>>(items: &[S]) -> String {
    match items {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [start @ .., last] => {
            let start: Vec<&str> = start.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", start.join(", "), last.as_ref())
        }
    }
}

pub(crate) fn count(n: u64, noun: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{} {noun}{s}", thousands(n))
}

/// 1234567 as `1,234,567`.
pub(crate) fn thousands(n: u64) -> String {
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

/// A number for reading: three figures or so, with a true minus sign.
pub(crate) fn number(value: f64) -> String {
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

/// A probability as a percentage that never rounds to certainty.
pub(crate) fn percent(probability: f64) -> String {
    match probability * 100.0 {
        p if !p.is_finite() => "not known".to_owned(),
        p if p > 99.9 => "> 99.9 %".to_owned(),
        p if p < 0.1 => "< 0.1 %".to_owned(),
        p if !(1.0..=99.0).contains(&p) => format!("{p:.1} %"),
        p => format!("{p:.0} %"),
    }
}

pub(crate) fn seconds_in_words(seconds: f64) -> String {
    match seconds {
        s if !s.is_finite() => "an unknown time".to_owned(),
        s if s < 10.0 => format!("{s:.1} s"),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.0} days", s / 86_400.0),
    }
}

pub(crate) fn hours_in_words(hours: f64) -> String {
    match hours {
        h if !h.is_finite() => "an unknown time".to_owned(),
        h if h < 2.0 => format!("{:.0} min", h * 60.0),
        h if h < 72.0 => format!("{h:.0} h"),
        h => format!("{:.0} days", h / 24.0),
    }
}

pub(crate) fn span_in_words(from: Timestamp, to: Timestamp) -> String {
    let seconds = (to.as_millisecond() - from.as_millisecond()).max(0) as f64 / 1000.0;
    match seconds {
        s if s < 120.0 => format!("{s:.0} seconds"),
        s if s < 7200.0 => format!("{:.0} minutes", s / 60.0),
        s if s < 172_800.0 => format!("{:.0} hours", s / 3600.0),
        s => format!("{:.0} days", s / 86_400.0),
    }
}

/// `9 Oct 2016` in UTC.
pub(crate) fn day(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).strftime("%-d %b %Y").to_string()
}

/// `2016-10-09 14:03` in UTC.
pub(crate) fn minute(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M").to_string()
}

/// `2016-10-09 14:03:27` in UTC.
pub(crate) fn second(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Text from outside, made safe to look at: no control or bidirectional characters that reorder what stands around them, no
/// towers of combining marks, and at most `max` characters.
pub(crate) fn shorten(text: &str, max: usize) -> String {
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

/// Whether a character is not seen, or reorders what stands around it.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            | '\u{061C}' | '\u{FEFF}' | '\u{2028}' | '\u{2029}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

/// Whether a character stands above or below the one before it.
pub(crate) fn is_mark(c: char) -> bool {
    matches!(c, '\u{0300}'..='\u{036F}' | '\u{0483}'..='\u{0489}' | '\u{1AB0}'..='\u{1AFF}'
        | '\u{1DC0}'..='\u{1DFF}' | '\u{20D0}'..='\u{20FF}' | '\u{FE20}'..='\u{FE2F}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(number(-3.456), "\u{2212}3.46");
        assert_eq!(number(f64::NAN), "not known");
        assert_eq!(number(-0.001), "0.00");
        assert_eq!(percent(0.99999), "> 99.9 %");
        assert_eq!(percent(0.87), "87 %");
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
    }

    #[test]
    fn hostile_text_is_tamed() {
        assert_eq!(shorten("a\u{202E}b\nc", 10), "a\u{FFFD}b\u{FFFD}c");
        assert_eq!(shorten(&"x".repeat(10_000), 5), "xxxxx…");
        assert_eq!(shorten(&format!("e{}", "\u{0301}".repeat(500)), 1000).chars().count(), 3);
        assert_eq!(shorten("", 5), "(empty)");
    }
}
