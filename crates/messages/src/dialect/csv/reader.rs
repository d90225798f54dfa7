//! Reads the fields of one row.

use std::borrow::Cow;

use coordination::Millis;

use super::fields::Field;
use super::lists::Items;
use super::{CellCounts, Columns, RowError, UNKNOWN_PLATFORM, ids, lists, literal};
use crate::error::DecodeError;
use crate::values::parse_count;

/// A row that is being read.
pub(super) struct RowReader<'r, 'a> {
    pub(super) columns: &'r Columns,
    pub(super) cells: &'r [&'a str],
    pub(super) counts: &'r mut CellCounts,
}

impl<'a> RowReader<'_, 'a> {
    /// The first of a field's columns that has a value, with its index.
    pub(super) fn cell(&mut self, field: Field) -> Option<(usize, &'a str)> {
        let columns = self.columns;
        for place in columns.places[field as usize].iter().filter_map(|columns| columns.first()) {
            let cell = self.cells[*place];
            let missing = if field.is_prose() { cell.trim().is_empty() } else { columns.missing.holds(cell) };
            if !missing {
                self.counts.columns[*place].read += 1;
                return Some((*place, cell));
            }
            self.counts.columns[*place].missing += 1;
        }
        None
    }

    pub(super) fn unreadable(&mut self, place: usize) {
        let count = &mut self.counts.columns[place];
        count.read -= 1;
        count.unreadable += 1;
    }

    pub(super) fn text(&mut self, field: Field) -> Option<Cow<'a, str>> {
        self.cell(field).map(|(_, cell)| Cow::Borrowed(cell))
    }

    /// A name; of an object that represents the account, its handle.
    pub(super) fn name(&mut self) -> Option<Cow<'a, str>> {
        let (_, cell) = self.cell(Field::AccountName)?;
        if cell.starts_with('{') || cell.ends_with(')') {
            let handle = literal::Literal::read(cell)
                .and_then(|value| value.field(&["username", "screen_name", "userName", "handle"]));
            if handle.is_some() {
                return handle;
            }
        }
        Some(Cow::Borrowed(cell))
    }

    pub(super) fn id(&mut self, field: Field) -> Result<Option<Cow<'a, str>>, RowError> {
        let Some((place, cell)) = self.cell(field) else { return Ok(None) };
        match ids::read(cell) {
            Ok(id) => {
                self.counts.columns[place].repaired += u64::from(id.repaired);
                Ok((!self.columns.missing.holds(&id.text)).then_some(self.columns.without_mark(id.text)))
            }
            Err(ids::Rounded) => {
                self.unreadable(place);
                let optional = !matches!(field, Field::Id | Field::AccountId | Field::Object);
                let advice = if optional { "; or leave the column out with --column ignore=NAME" } else { "" };
                Err(RowError::Table(DecodeError::new(
                    self.columns.header[place].clone(),
                    format!(
                        "is an id that was rounded, as spreadsheets and floating-point columns do to long numbers: other ids have become the \
                         same one, so nothing is read; export the ids as text (in a spreadsheet, import the column as text; in pandas, read \
                         it with dtype=str; in R, with colClasses=\"character\"){advice}"
                    ),
                    cell.as_bytes(),
                )))
            }
        }
    }

    pub(super) fn required_id(&mut self, field: Field) -> Result<Cow<'a, str>, RowError> {
        match self.id(field)? {
            Some(id) => Ok(id),
            None => Err(self.missing(field).into()),
        }
    }

    pub(super) fn missing(&self, field: Field) -> DecodeError {
        self.fault(field, "is required, but empty", self.cells.join(",").as_bytes())
    }

    pub(super) fn fault(&self, field: Field, reason: impl Into<Cow<'static, str>>, near: &[u8]) -> DecodeError {
        let place = self.columns.places[field as usize].first().and_then(|columns| columns.first());
        DecodeError::new(place.map_or(field.name(), |place| &self.columns.header[*place]), reason, near)
    }

    pub(super) fn created_at(&mut self) -> Result<Millis, RowError> {
        let Some((place, cell)) = self.cell(Field::CreatedAt) else {
            return Err(self.missing(Field::CreatedAt).into());
        };
        let columns = self.columns;
        let times = &columns.times;
        // A date may be written as its midnight if another column has the time of day.
        let date = without_midnight(cell);
        let time = match columns.places[Field::Time as usize].is_empty() || date.contains(':') {
            true => times.read(cell, false),
            false => match self.cell(Field::Time) {
                Some((_, time)) => times.read(&format!("{} {}", date.trim(), time.trim()), false),
                None => times.read(cell, false),
            },
        };
        match time {
            Ok(time) => {
                self.counts.times_without_zone += u64::from(!time.zoned);
                Ok(time.millis)
            }
            Err(reason) => {
                self.unreadable(place);
                Err(self.fault(Field::CreatedAt, reason, cell.as_bytes()).into())
            }
        }
    }

    pub(super) fn moment(&mut self, field: Field, day_is_enough: bool) -> Option<Millis> {
        let (place, cell) = self.cell(field)?;
        let time = self.columns.times.read(cell, day_is_enough).ok();
        if time.is_none() {
            self.unreadable(place);
        }
        time.map(|time| time.millis)
    }

    pub(super) fn count(&mut self, field: Field) -> Option<u64> {
        let (place, cell) = self.cell(field)?;
        let count = parse_count(cell).ok().or_else(|| grouped(cell));
        if count.is_none() {
            self.unreadable(place);
        }
        count
    }

    pub(super) fn truth(&mut self, field: Field) -> Option<bool> {
        let (place, cell) = self.cell(field)?;
        let truth = truth(cell);
        if truth.is_none() {
            self.unreadable(place);
        }
        truth
    }

    /// A list: the columns of the first alternative that has a value, together. `None` if there is
    /// no value or it cannot be read.
    pub(super) fn list(&mut self, field: Field, items: Items) -> Option<Vec<Cow<'a, str>>> {
        let mut list: Option<Vec<Cow<'a, str>>> = None;
        let missing = &self.columns.missing;
        for columns in &self.columns.places[field as usize] {
            for place in columns {
                let cell = self.cells[*place];
                let count = &mut self.counts.columns[*place];
                if missing.holds(cell) {
                    count.missing += 1;
                    continue;
                }
                match lists::read(cell, items, missing) {
                    Some(found) => {
                        count.read += 1;
                        list.get_or_insert_default().extend(found);
                    }
                    None => count.unreadable += 1,
                }
            }
            if list.as_ref().is_some_and(|list| !list.is_empty()) {
                break;
            }
        }
        list
    }
}

/// `2021-01-05` of `2021-01-05 00:00:00`.
fn without_midnight(cell: &str) -> &str {
    match cell.trim().split_once([' ', 'T']) {
        Some((date, clock)) if clock.starts_with("00:00") && clock.bytes().all(|b| b"0:.".contains(&b)) => date,
        _ => cell,
    }
}

fn truth(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "t" | "1" | "1.0" | "yes" => Some(true),
        "false" | "f" | "0" | "0.0" | "no" => Some(false),
        _ => None,
    }
}

/// `1,203`: a count with separated thousands.
fn grouped(text: &str) -> Option<u64> {
    let mut groups = text.trim().split(',');
    let first = groups.next()?;
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let mut number = first.to_owned();
    if !(1..=3).contains(&first.len()) || !digits(first) {
        return None;
    }
    for group in groups {
        if group.len() != 3 || !digits(group) {
            return None;
        }
        number.push_str(group);
    }
    number.parse().ok()
}

/// The platform of a post's own URL.
pub(super) fn platform_of(link: &str) -> &'static str {
    let rest = link.trim().split_once("://").map_or(link.trim(), |(_, rest)| rest);
    let host = rest.split(['/', '?', '#', ':']).next().unwrap_or_default().to_lowercase();
    let is = |site: &str| host == site || host.strip_suffix(site).is_some_and(|sub| sub.ends_with('.'));
    const SITES: [(&str, &str); 16] = [
        ("twitter.com", "twitter"),
        ("x.com", "twitter"),
        ("facebook.com", "facebook"),
        ("fb.com", "facebook"),
        ("instagram.com", "instagram"),
        ("tiktok.com", "tiktok"),
        ("youtube.com", "youtube"),
        ("youtu.be", "youtube"),
        ("t.me", "telegram"),
        ("reddit.com", "reddit"),
        ("bsky.app", "bluesky"),
        ("threads.net", "threads"),
        ("threads.com", "threads"),
        ("vk.com", "vk"),
        ("linkedin.com", "linkedin"),
        ("gab.com", "gab"),
    ];
    SITES.iter().find(|(site, _)| is(site)).map_or(UNKNOWN_PLATFORM, |(_, platform)| platform)
}
