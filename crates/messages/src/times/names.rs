//! Names of months, days and time zones in times.

use jiff::tz::Offset;

/// `Z`, `UTC`, `GMT`, each also with an offset, or an offset alone: `+01:00`, `-0500`, `+2`.
pub(super) fn offset(word: &str) -> Option<Offset> {
    let lower = word.to_ascii_lowercase();
    let rest = ["utc", "gmt", "ut", "z"].into_iter().find_map(|name| lower.strip_prefix(name));
    let signed = match rest {
        Some("") => return Some(Offset::UTC),
        Some(rest) => rest,
        None => &lower,
    };
    let sign = match signed.bytes().next()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits = signed[1..].replace(':', "");
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = match digits.len() {
        1 | 2 => (digits.parse::<i32>().ok()?, 0),
        4 => (digits[..2].parse().ok()?, digits[2..].parse().ok()?),
        _ => return None,
    };
    (hours <= 14 && minutes < 60).then(|| Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()).flatten()
}

/// Abbreviations of only one time zone, or of one that is almost always meant; in quarters of an
/// hour from UTC. `CST` (United States, China, Cuba), `IST` (India, Israel, Ireland), `BST`
/// (Britain, Bangladesh) and the like are missing on purpose.
pub(super) const ABBREVIATIONS: [(&str, i8); 27] = [
    ("EST", -20),
    ("EDT", -16),
    ("CDT", -20),
    ("MST", -28),
    ("MDT", -24),
    ("PST", -32),
    ("PDT", -28),
    ("AKST", -36),
    ("AKDT", -32),
    ("HST", -40),
    ("BRT", -12),
    ("WET", 0),
    ("WEST", 4),
    ("CET", 4),
    ("CEST", 8),
    ("MEZ", 4),
    ("MESZ", 8),
    ("EET", 8),
    ("EEST", 12),
    ("MSK", 12),
    ("TRT", 12),
    ("SAST", 8),
    ("JST", 36),
    ("AEST", 40),
    ("AEDT", 44),
    ("NZST", 48),
    ("NZDT", 52),
];

pub(super) const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
pub(super) const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

pub(super) fn month(lower: &str) -> Option<i8> {
    let place = match lower {
        "sept" => 8,
        _ => MONTHS.iter().position(|name| *name == lower || (lower.len() == 3 && name.starts_with(lower)))?,
    };
    Some(place as i8 + 1)
}

pub(super) fn is_weekday(lower: &str) -> bool {
    WEEKDAYS.iter().any(|name| *name == lower || (lower.len() >= 3 && name.starts_with(lower)))
}

pub(super) fn capital(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
