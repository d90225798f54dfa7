//! Times in the cells of tables, as tools write them. An implausible time is refused with the
//! reason: an error costs one row, while a wrong time would move a post to another year.

mod names;

use std::str::FromStr;
use std::sync::LazyLock;

use coordination::Millis;
use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::strtime;
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};
use regex::Regex;

use self::names::{ABBREVIATIONS, MONTHS, capital, is_weekday, month, offset};

/// No social network that is read here is older: 2004-01-01T00:00:00Z.
const EARLIEST: Millis = 1_072_915_200_000;
/// Days from 1899-12-30, Excel's day 0, to 1970-01-01.
const EXCEL_EPOCH_DAYS: f64 = 25_569.0;
/// Days of Excel from 2004 to 2064, for the hint in an error.
const EXCEL_DAYS: std::ops::Range<f64> = 37_987.0..60_000.0;

/// All accepted forms, for errors and help.
pub const TIME_FORMS: &str = "2026-11-02T10:00:00Z (also with a blank or / in it, with +01:00, [Europe/Berlin], UTC or EST at its end, or without a \
     zone), 20261102100000, Mon Nov 02 10:00:00 +0000 2026, Mon, 02 Nov 2026 10:00:00 GMT, Nov 2, 2026 10:00 AM, \
     2 Nov 2026 10:00, 02.11.2026 10:00, 2/11/2026 10:00 (with --time-format day-first or month-first where that is \
     open), an epoch number in seconds, milliseconds, microseconds or nanoseconds, a spreadsheet's day number with \
     --time-format excel, and any other form with --time-format and a pattern such as \"%d.%m.%Y %Hh%M\"";

/// How the times of a table are written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum TimeFormat {
    /// Any of [`TIME_FORMS`]. The whole column decides whether a numeric date has its day or its
    /// month first.
    #[default]
    Auto,
    /// As `Auto`; numeric dates have the day first.
    DayFirst,
    /// As `Auto`; numeric dates have the month first.
    MonthFirst,
    /// As `Auto`; numbers are days since 1899-12-30, as in spreadsheets.
    Excel,
    /// A pattern of `strftime`, such as `%d.%m.%Y %H:%M`.
    Pattern(String),
}

impl FromStr for TimeFormat {
    type Err = String;

    fn from_str(name: &str) -> Result<TimeFormat, String> {
        match name {
            "auto" => Ok(TimeFormat::Auto),
            "day-first" => Ok(TimeFormat::DayFirst),
            "month-first" => Ok(TimeFormat::MonthFirst),
            "excel" => Ok(TimeFormat::Excel),
            pattern if pattern.contains('%') => Ok(TimeFormat::Pattern(pattern.to_owned())),
            _ => Err(format!(
                "{name:?} is not a time format: expected auto, day-first, month-first, excel or a pattern such as \"%d.%m.%Y %H:%M\""
            )),
        }
    }
}

/// Reads a time zone by its IANA name (`Europe/Berlin`), `UTC`, or an offset (`+02:00`).
pub fn time_zone(name: &str) -> Result<TimeZone, String> {
    if let Some(offset) = offset(name) {
        return Ok(TimeZone::fixed(offset));
    }
    TimeZone::get(name).map_err(|_| {
        format!(
            "{name:?} is not a time zone: expected an IANA name such as Europe/Berlin, UTC, or an offset such as +02:00"
        )
    })
}

/// A time that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TableTime {
    pub(crate) millis: Millis,
    /// Whether its text contains an offset or a time zone, or is an epoch number.
    pub(crate) zoned: bool,
}

/// The order of a column's numeric dates, such as `1/5/2021`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct NumericDates {
    /// Cells in which either number can be the day.
    pub(crate) open: u64,
    /// Cells whose first number can only be a day.
    day_first: u64,
    /// Cells whose second number can only be a day.
    month_first: u64,
}

/// Reads the times of a table.
#[derive(Debug, Clone)]
pub(crate) struct TableTimes {
    format: TimeFormat,
    zone: Option<TimeZone>,
    possible: std::ops::RangeInclusive<Millis>,
    day_first: Option<bool>,
}

impl TableTimes {
    /// `zone` is the time zone of times without one, UTC if `None`. Times after `latest` are
    /// refused, and also times before social networks existed, unless `any_time`.
    pub(crate) fn new(format: TimeFormat, zone: Option<TimeZone>, latest: Millis, any_time: bool) -> TableTimes {
        let day_first = match format {
            TimeFormat::DayFirst => Some(true),
            TimeFormat::MonthFirst => Some(false),
            _ => None,
        };
        let possible = if any_time { Millis::MIN..=Millis::MAX } else { EARLIEST..=latest };
        TableTimes { format, zone, possible, day_first }
    }

    /// Decides the order of numeric dates from the cells of one column, unless it was chosen.
    pub(crate) fn settle<'c>(&mut self, cells: impl Iterator<Item = &'c str>) -> NumericDates {
        let mut found = NumericDates::default();
        for cell in cells {
            let Some(captures) = NUMERIC_DATE.captures(cell) else { continue };
            let number = |group: &str| captures.name(group).and_then(|m| m.as_str().parse::<u32>().ok()).unwrap_or(0);
            if &captures["separator"] == "." {
                continue;
            }
            match (number("first"), number("second")) {
                (first, _) if first > 12 => found.day_first += 1,
                (_, second) if second > 12 => found.month_first += 1,
                (first, second) if first != second => found.open += 1,
                _ => {}
            }
        }
        if self.day_first.is_none() {
            self.day_first = match (found.day_first > 0, found.month_first > 0) {
                (true, false) => Some(true),
                (false, true) => Some(false),
                _ => None,
            };
        }
        found
    }

    /// Whether the order of numeric dates is known.
    pub(crate) fn settled(&self) -> bool {
        self.day_first.is_some()
    }

    /// Reads one cell. With `day_is_enough`, a date without a time of day means its midnight, which
    /// is only suitable for an account's age.
    pub(crate) fn read(&self, text: &str, day_is_enough: bool) -> Result<TableTime, String> {
        let text = text.trim();
        let time = match (&self.format, text.parse::<f64>()) {
            (TimeFormat::Excel, Ok(days)) if days.is_finite() => {
                let millis = ((days - EXCEL_EPOCH_DAYS) * 86_400_000.0).round();
                let utc = Timestamp::from_millisecond(millis as i64).map_err(|_| not_a_time())?;
                self.local(TimeZone::UTC.to_datetime(utc))?
            }
            (TimeFormat::Pattern(pattern), _) => self.by_pattern(pattern, text)?,
            _ => self.any(text, day_is_enough)?,
        };
        self.possible(time, text)
    }

    fn possible(&self, time: TableTime, text: &str) -> Result<TableTime, String> {
        if self.possible.contains(&time.millis) {
            return Ok(time);
        }
        if text.parse::<f64>().is_ok_and(|number| EXCEL_DAYS.contains(&number)) {
            return Err(
                "is not a valid epoch number; if it is a spreadsheet's day number, say --time-format excel".to_owned()
            );
        }
        let year = Timestamp::from_millisecond(time.millis).map_or(9999, |time| TimeZone::UTC.to_datetime(time).year());
        Err(match time.millis < EARLIEST {
            true => format!("is a time in the year {year}, before social networks existed (2004): it cannot be right"),
            false => format!("is a time in the year {year}, more than a year from now: it cannot be right"),
        })
    }

    fn any(&self, text: &str, day_is_enough: bool) -> Result<TableTime, String> {
        let zoned = |millis| TableTime { millis, zoned: true };
        if text.ends_with(']')
            && let Ok(time) = text.parse::<Zoned>()
        {
            return Ok(zoned(time.timestamp().as_millisecond()));
        }
        if let Ok(time) = text.parse::<Timestamp>() {
            return Ok(zoned(time.as_millisecond()));
        }
        if text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b)) && text.parse::<f64>().is_ok() {
            return self.number(text, day_is_enough);
        }
        if text.contains(':')
            && !text.ends_with(']')
            && let Ok(time) = text.parse::<DateTime>()
        {
            return self.local(time);
        }
        self.words(text, day_is_enough)
    }

    /// A number: digits of a date, or an epoch number whose size shows its unit.
    fn number(&self, text: &str, day_is_enough: bool) -> Result<TableTime, String> {
        let zoned = |millis| Ok(TableTime { millis, zoned: true });
        if let Some((mantissa, exponent)) = text.split_once(['e', 'E']) {
            let decimals = mantissa.split_once('.').map_or(0, |(_, decimals)| decimals.len() as i32);
            let exponent: i32 = exponent.parse().map_err(|_| not_a_time())?;
            // The number in seconds, whatever its unit.
            let unit = [(9, 0), (12, 3), (15, 6), (18, 9)].into_iter().find(|(size, _)| exponent <= *size);
            if unit.is_none_or(|(_, unit)| exponent - decimals > unit) {
                return Err("is rounded, as spreadsheets show large numbers: export times as text".to_owned());
            }
        }
        if text.bytes().all(|b| b.is_ascii_digit()) {
            let dated = text.starts_with("20") || text.starts_with("19");
            match text.len() {
                8 if dated => {
                    let date = date_of_digits(text)?;
                    return self.day(date, day_is_enough);
                }
                12 | 14 if dated => {
                    let date = date_of_digits(&text[..8])?;
                    let part =
                        |at: usize| text.get(at..at + 2).map_or(Ok(0), |d| d.parse::<i8>().map_err(|_| not_a_time()));
                    let time = Time::new(part(8)?, part(10)?, part(12)?, 0).map_err(|_| not_a_time())?;
                    return self.local(DateTime::from_parts(date, time));
                }
                _ => {}
            }
        }
        if let Ok(whole) = text.parse::<i64>() {
            return zoned(match whole.unsigned_abs() {
                0..100_000_000_000 => whole * 1_000,
                100_000_000_000..100_000_000_000_000 => whole,
                100_000_000_000_000..100_000_000_000_000_000 => whole.div_euclid(1_000),
                _ => whole.div_euclid(1_000_000),
            });
        }
        let number: f64 = text.parse().map_err(|_| not_a_time())?;
        let millis = match number.abs() {
            size if size < 1e11 => (number * 1e3).round(),
            size if size < 1e14 => number,
            size if size < 1e17 => number / 1e3,
            size if size < 1e20 => number / 1e6,
            _ => return Err(not_a_time()),
        };
        zoned(millis.floor() as Millis)
    }

    fn day(&self, date: Date, day_is_enough: bool) -> Result<TableTime, String> {
        if day_is_enough {
            return self.local(date.to_datetime(Time::midnight()));
        }
        Err("is a date without a time of day: name the column that has it with --column time=NAME".to_owned())
    }

    fn local(&self, time: DateTime) -> Result<TableTime, String> {
        let zone = self.zone.clone().unwrap_or(TimeZone::UTC);
        let time = zone.to_ambiguous_timestamp(time).compatible().map_err(|_| not_a_time())?;
        Ok(TableTime { millis: time.as_millisecond(), zoned: false })
    }

    fn by_pattern(&self, pattern: &str, text: &str) -> Result<TableTime, String> {
        let wrong = || format!("does not match --time-format {pattern:?}");
        let parsed = strtime::parse(pattern, text).map_err(|_| wrong())?;
        if let Ok(time) = parsed.to_timestamp() {
            return Ok(TableTime { millis: time.as_millisecond(), zoned: true });
        }
        self.local(parsed.to_datetime().map_err(|_| wrong())?)
    }

    /// A date in words or numbers, a time of day, and a time zone, in any order.
    fn words(&self, text: &str, day_is_enough: bool) -> Result<TableTime, String> {
        let clock = CLOCK.captures(text);
        let (before, after) = match &clock {
            Some(clock) => {
                let start = clock.name("hour").map_or(0, |hour| hour.start());
                (&text[..start], &text[clock.get(0).map_or(start, |all| all.end())..])
            }
            None => (text, ""),
        };
        let mut parts = Parts::default();
        let before = before.strip_suffix(['T', 't']).unwrap_or(before);
        for (place, side) in [before, after].into_iter().enumerate() {
            // The part in brackets repeats the time zone in words.
            let side = side.split_once('(').map_or(side, |(side, _)| side);
            for word in side.split(|c: char| c.is_whitespace() || c == ',' || c == '\u{202F}') {
                self.word(word, place == 1, &mut parts)?;
            }
        }
        let date = match (parts.date, parts.year, parts.month, parts.day) {
            (Some(date), None, None, None) => date,
            (None, Some(year), Some(month), Some(day)) => Date::new(year, month, day).map_err(|_| not_a_time())?,
            _ => return Err(not_a_time()),
        };
        let Some(clock) = clock else { return self.day(date, day_is_enough) };
        let number = |group: &str| -> Result<i32, String> {
            clock.name(group).map_or(Ok(0), |m| m.as_str().parse::<i32>().map_err(|_| not_a_time()))
        };
        let half = clock.name("half").map(|half| half.as_str().to_ascii_lowercase());
        let hour = match (number("hour")?, half.as_deref().map(|half| half.starts_with('p'))) {
            (hour, None) => hour,
            (hour @ 1..=12, Some(afternoon)) => hour % 12 + if afternoon { 12 } else { 0 },
            _ => return Err(not_a_time()),
        };
        let nanos = clock.name("fraction").map_or(0, |fraction| {
            let digits: String = fraction.as_str().chars().chain("000000000".chars()).take(9).collect();
            digits.parse::<i32>().unwrap_or(0)
        });
        let narrow = |number: i32| i8::try_from(number).map_err(|_| not_a_time());
        let time = Time::new(narrow(hour)?, narrow(number("minute")?)?, narrow(number("second")?)?, nanos)
            .map_err(|_| not_a_time())?;
        let time = DateTime::from_parts(date, time);
        match parts.zone {
            None => self.local(time),
            Some(zone) => {
                let time = zone.to_ambiguous_timestamp(time).compatible().map_err(|_| not_a_time())?;
                Ok(TableTime { millis: time.as_millisecond(), zoned: true })
            }
        }
    }

    fn word(&self, word: &str, after_clock: bool, parts: &mut Parts) -> Result<(), String> {
        let lower = word.trim_end_matches('.').to_lowercase();
        if lower.is_empty()
            || ["@", "at", "on", "um", "le", "-", "·", "of"].contains(&lower.as_str())
            || is_weekday(&lower)
        {
            return Ok(());
        }
        if let Some(month) = month(&lower) {
            return set(&mut parts.month, month);
        }
        if lower.len() == 4 && lower.bytes().all(|b| b.is_ascii_digit()) && (!after_clock || parts.month.is_some()) {
            return set(&mut parts.year, lower.parse().map_err(|_| not_a_time())?);
        }
        let day = lower.trim_end_matches(['s', 't', 'n', 'd', 'r', 'h']);
        if (1..=2).contains(&day.len()) && day.bytes().all(|b| b.is_ascii_digit()) {
            return set(&mut parts.day, day.parse().map_err(|_| not_a_time())?);
        }
        if let Some(captures) = YEAR_FIRST.captures(&lower) {
            let number = |group: usize| captures[group].parse::<i8>().map_err(|_| not_a_time());
            let year = captures[1].parse::<i16>().map_err(|_| not_a_time())?;
            return set(&mut parts.date, Date::new(year, number(2)?, number(3)?).map_err(|_| not_a_time())?);
        }
        if let Some(captures) = NUMERIC_DATE.captures(&lower) {
            return set(&mut parts.date, self.numeric_date(&captures)?);
        }
        if let Some(captures) = NAMED_DATE.captures(&lower) {
            let month = month(&captures[2]).ok_or_else(not_a_time)?;
            let day = captures[1].parse().map_err(|_| not_a_time())?;
            return set(&mut parts.date, Date::new(full_year(&captures[3])?, month, day).map_err(|_| not_a_time())?);
        }
        if let Some(offset) = offset(word) {
            return set(&mut parts.zone, TimeZone::fixed(offset));
        }
        if let Some(hours) = ABBREVIATIONS.iter().find(|(name, _)| *name == word).map(|(_, quarters)| *quarters) {
            let offset = Offset::from_seconds(i32::from(hours) * 900).map_err(|_| not_a_time())?;
            return set(&mut parts.zone, TimeZone::fixed(offset));
        }
        if word.contains('/') && word.bytes().next().is_some_and(|b| b.is_ascii_uppercase()) {
            return set(&mut parts.zone, TimeZone::get(word).map_err(|_| not_a_time())?);
        }
        let abbreviation = (2..=5).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_uppercase());
        match (&self.zone, abbreviation && after_clock) {
            // A given time zone decides what its abbreviation means.
            (Some(zone), true) => set(&mut parts.zone, zone.clone()),
            (None, true) => Err(format!(
                "ends with {word}, which is an ambiguous or unknown time zone: name it with --timezone, for example Europe/Berlin"
            )),
            _ => Err(not_a_time()),
        }
    }

    fn numeric_date(&self, captures: &regex::Captures<'_>) -> Result<Date, String> {
        let number = |group: &str| captures[group].parse::<i8>().map_err(|_| not_a_time());
        let (first, second, year) = (number("first")?, number("second")?, full_year(&captures["year"])?);
        let day_first = match (&captures["separator"], self.day_first) {
            (".", None) => true,
            (_, Some(day_first)) => day_first,
            _ if first > 12 => true,
            _ if second > 12 || first == second => false,
            _ => {
                let name = |month: i8| MONTHS.get(month as usize - 1).copied().unwrap_or_default();
                return Err(format!(
                    "may be {first} {} or {second} {}: say which with --time-format day-first or --time-format month-first",
                    capital(name(second)),
                    capital(name(first)),
                ));
            }
        };
        let (day, month) = if day_first { (first, second) } else { (second, first) };
        Date::new(year, month, day).map_err(|_| {
            let order = if day_first { "day" } else { "month" };
            format!("is not a date with its {order} first, unlike the others of its column or --time-format")
        })
    }
}

#[derive(Default)]
struct Parts {
    date: Option<Date>,
    year: Option<i16>,
    month: Option<i8>,
    day: Option<i8>,
    zone: Option<TimeZone>,
}

/// A part that occurs twice is not a time.
fn set<T>(part: &mut Option<T>, value: T) -> Result<(), String> {
    match part.replace(value) {
        None => Ok(()),
        Some(_) => Err(not_a_time()),
    }
}

#[cold]
fn not_a_time() -> String {
    format!("is not a time; accepted forms: {TIME_FORMS}")
}

fn date_of_digits(digits: &str) -> Result<Date, String> {
    let part =
        |range: std::ops::Range<usize>| digits.get(range).and_then(|d| d.parse::<i16>().ok()).ok_or_else(not_a_time);
    let narrow = |number: i16| i8::try_from(number).map_err(|_| not_a_time());
    Date::new(part(0..4)?, narrow(part(4..6)?)?, narrow(part(6..8)?)?).map_err(|_| not_a_time())
}

fn full_year(text: &str) -> Result<i16, String> {
    let year: i16 = text.parse().map_err(|_| not_a_time())?;
    Ok(if text.len() == 2 { 2000 + year } else { year })
}

static CLOCK: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        r"(?:^|\D)(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?(?:\s*(?P<half>[AaPp]\.?[Mm]\b\.?))?",
    )
});
static YEAR_FIRST: LazyLock<Regex> = LazyLock::new(|| compile(r"^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})$"));
static NUMERIC_DATE: LazyLock<Regex> = LazyLock::new(|| {
    compile(r"^\s*(?P<first>\d{1,2})(?P<separator>[-/.])(?P<second>\d{1,2})[-/.](?P<year>\d{4}|\d{2})(?:[\sT,]|$)")
});
static NAMED_DATE: LazyLock<Regex> = LazyLock::new(|| compile(r"^(\d{1,2})[-/.]([a-z]{3,9})[-/.](\d{4}|\d{2})$"));

#[expect(clippy::expect_used, reason = "the patterns are constants, and every one is used in a test")]
fn compile(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant pattern")
}

#[cfg(test)]
mod tests;
