//! The user's settings for a table: which column is which field, and how times and missing values
//! are written.

use jiff::tz::TimeZone;

use super::fields::Field;
use crate::times::{TimeFormat, time_zone};

/// Spellings of a missing value, unless others are given: those of R, pandas, Python, SQL and
/// spreadsheets.
pub const MISSING: [&str; 18] = [
    "NA", "N/A", "n/a", "#N/A", "<NA>", "nan", "NaN", "-nan", "NaT", "None", "NONE", "NULL", "Null", "null", "nil",
    "\\N", "\"\"", "''",
];

/// Which cells are missing values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    words: Vec<String>,
    longest: usize,
}

impl Default for Missing {
    fn default() -> Missing {
        Missing::new(MISSING.into_iter().map(str::to_owned))
    }
}

impl Missing {
    /// These words, and blank cells.
    pub fn new(words: impl IntoIterator<Item = String>) -> Missing {
        let words: Vec<String> = words.into_iter().map(|word| word.trim().to_owned()).collect();
        Missing { longest: words.iter().map(String::len).max().unwrap_or(0), words }
    }

    /// Whether a cell holds a missing value.
    pub fn holds(&self, cell: &str) -> bool {
        let cell = cell.trim_ascii();
        cell.is_empty()
            || (cell.len() <= self.longest && self.words.iter().any(|word| word == cell))
            || cell.trim().is_empty()
    }
}

/// The user's settings for a table. The default is empty.
#[derive(Debug, Clone, Default)]
pub struct Mapping {
    /// Fields with the columns that they are taken from, best first.
    pub fields: Vec<(Field, Vec<String>)>,
    /// Columns that are not read, without a warning.
    pub ignore: Vec<String>,
    /// The platform of rows without a platform.
    pub platform: Option<String>,
    /// How times are written.
    pub time_format: TimeFormat,
    /// The time zone of times without one; UTC if `None`.
    pub time_zone: Option<TimeZone>,
    /// Which cells are missing values.
    pub missing: Missing,
    /// Whether posts of a table without ids get one that is made of their account, time and text.
    pub make_ids: bool,
    /// Whether implausible times such as 0 are accepted, for methods that only use differences of
    /// times.
    pub any_time: bool,
}

impl Mapping {
    /// Sets a value by its name: a field with its columns, or `ignore`, `platform`, `time_format`,
    /// `timezone`, `na`. A later setting of a name replaces an earlier one, except for `ignore`.
    /// The error says what is wrong.
    pub fn set(&mut self, name: &str, values: Vec<String>) -> Result<(), String> {
        let one = |values: &[String]| match values {
            [value] => Ok(value.clone()),
            _ => Err(format!("`{name}` takes one text")),
        };
        match name {
            "ignore" => self.ignore.extend(values),
            "time_format" => self.time_format = one(&values)?.parse()?,
            "timezone" => self.time_zone = Some(time_zone(&one(&values)?)?),
            "na" => self.missing = Missing::new(values),
            field => {
                let field: Field = field.parse().map_err(|reason: String| {
                    format!("{reason}; a mapping also takes platform, time_format, timezone and na")
                })?;
                if values.is_empty() {
                    return Err(format!("`{name}` names no column"));
                }
                self.fields.retain(|(known, _)| *known != field);
                self.fields.push((field, values));
            }
        }
        Ok(())
    }

    /// Sets `field=NAME`, the form of `--column`.
    pub fn set_pair(&mut self, pair: &str) -> Result<(), String> {
        match pair.split_once('=') {
            Some((name, column)) if !column.is_empty() => self.set(name.trim(), vec![column.to_owned()]),
            _ => Err(format!("{pair:?} is not a pair: expected for example text=Message, or ignore=Notes")),
        }
    }

    pub(super) fn columns(&self, field: Field) -> Option<&[String]> {
        self.fields.iter().find(|(known, _)| *known == field).map(|(_, columns)| columns.as_slice())
    }
}
