//! Fields of a JSON record, read with their paths.
//!
//! A required field of a post is an error if it is missing or cannot be read. Any other field that
//! cannot be read is not known: the post is kept, and a note says which field it was and why.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};

use coordination::{Millis, Post};
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::error::DecodeError;
use crate::normalise::{Entities, normalised};
use crate::values::{millis_from_epoch, parse_count, parse_moment};

/// Optional fields of one record that could not be read, each at most once.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    unreadable: RefCell<Vec<DecodeError>>,
    /// Whether a time without an offset was read as UTC.
    local_time: Cell<bool>,
}

impl Notes {
    /// Notes a field that cannot be read.
    pub(crate) fn unreadable(&self, path: &str, reason: impl Into<Cow<'static, str>>, value: &Value) {
        let mut all = self.unreadable.borrow_mut();
        if !all.iter().any(|known| known.path == path) {
            let near = value.as_str().map_or_else(|| value.to_string().into(), Cow::Borrowed);
            all.push(DecodeError::new(path, reason, near.as_bytes()));
        }
    }

    pub(crate) fn into_inner(self) -> Vec<DecodeError> {
        self.unreadable.into_inner()
    }

    /// Whether a time without an offset was read as UTC.
    pub(crate) fn local_time(&self) -> bool {
        self.local_time.get()
    }

    fn take_back(&self, path: &str) -> Option<DecodeError> {
        let mut all = self.unreadable.borrow_mut();
        let at = all.iter().position(|known| known.path == path)?;
        Some(all.remove(at))
    }
}

/// One object of a record, with the place of fields that could not be read.
#[derive(Clone)]
pub(crate) struct Reader<'v> {
    value: &'v Value,
    notes: &'v Notes,
    prefix: Cow<'static, str>,
}

impl<'v> Reader<'v> {
    /// Reads a record.
    pub(crate) fn new(value: &'v Value, notes: &'v Notes) -> Self {
        Reader { value, notes, prefix: Cow::Borrowed("") }
    }

    /// A reader of an object elsewhere in the document, with its own path.
    pub(crate) fn beside(&self, value: &'v Value, path: &'static str) -> Reader<'v> {
        Reader { value, notes: self.notes, prefix: path.into() }
    }

    /// Notes that a time without an offset was read as UTC.
    pub(crate) fn assume_utc(&self) {
        self.notes.local_time.set(true);
    }

    /// Adds the notes of a part that was parsed separately.
    pub(crate) fn take_notes(&self, notes: Notes) {
        for note in notes.into_inner() {
            let mut all = self.notes.unreadable.borrow_mut();
            if !all.iter().any(|known| known.path == note.path) {
                all.push(note);
            }
        }
    }

    /// The object itself.
    pub(crate) fn value(&self) -> &'v Value {
        self.value
    }

    fn path(&self, path: &str) -> String {
        match (&*self.prefix, path) {
            ("", path) => path.to_owned(),
            (prefix, "") => prefix.to_owned(),
            (prefix, path) => format!("{prefix}.{path}"),
        }
    }

    /// The value at a path of names separated by dots. Null is the same as an absent field.
    pub(crate) fn get(&self, path: &str) -> Option<&'v Value> {
        let mut found = self.value;
        for (at, name) in path.split('.').enumerate() {
            found = match found {
                Value::Object(members) => members.get(name)?,
                Value::Null => return None,
                // The value that should hold the field is something else.
                other => {
                    let names: Vec<&str> = path.split('.').take(at).collect();
                    let reason = format!("{}; expected an object", kind(other));
                    self.notes.unreadable(&self.path(&names.join(".")), reason, other);
                    return None;
                }
            };
        }
        (!found.is_null()).then_some(found)
    }

    /// Whether there is a value at this path.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.get(path).is_some()
    }

    /// Notes that the value at the path cannot be read.
    pub(crate) fn unreadable(&self, path: &str, reason: impl Into<Cow<'static, str>>) {
        self.notes.unreadable(&self.path(path), reason, self.get(path).unwrap_or(&Value::Null));
    }

    fn noted<T>(&self, path: &str, read: impl FnOnce(&'v Value) -> Result<T, String>) -> Option<T> {
        let value = self.get(path)?;
        match read(value) {
            Ok(read) => Some(read),
            Err(reason) => {
                self.notes.unreadable(&self.path(path), reason, value);
                None
            }
        }
    }

    /// Text, or a whole number as its digits. Empty text means not known.
    pub(crate) fn text(&self, path: &str) -> Option<Cow<'v, str>> {
        self.noted(path, text).filter(|text| !text.is_empty())
    }

    /// The first of these that is present and can be read.
    pub(crate) fn any_text(&self, paths: &[&str]) -> Option<Cow<'v, str>> {
        paths.iter().find_map(|path| self.text(path))
    }

    /// A count.
    pub(crate) fn count(&self, path: &str) -> Option<u64> {
        self.noted(path, count)
    }

    /// A count that may be hidden: then it is negative, and not known.
    pub(crate) fn shown_count(&self, path: &str) -> Option<u64> {
        let hidden = self.get(path).and_then(Value::as_i64).is_some_and(|count| count < 0);
        if hidden { None } else { self.count(path) }
    }

    /// True or false.
    pub(crate) fn flag(&self, path: &str) -> Option<bool> {
        self.noted(path, |value| match value {
            Value::Bool(flag) => Ok(*flag),
            Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            _ => Err(format!("{}; expected true or false", kind(value))),
        })
    }

    /// A time with an offset from UTC, or an epoch number.
    pub(crate) fn moment(&self, path: &str) -> Option<Millis> {
        self.noted(path, moment)
    }

    /// An object under this path.
    pub(crate) fn object(&self, path: &str) -> Option<Reader<'v>> {
        let value = self.noted(path, |value| match value {
            Value::Object(_) => Ok(value),
            _ => Err(format!("{}; expected an object", kind(value))),
        })?;
        Some(Reader { value, notes: self.notes, prefix: self.path(path).into() })
    }

    /// A list at this path, each element with the path of the list.
    pub(crate) fn list(&self, path: &str) -> Option<Vec<Reader<'v>>> {
        let elements = self.noted(path, |value| match value {
            Value::Array(elements) => Ok(elements),
            _ => Err(format!("{}; expected a list", kind(value))),
        })?;
        let prefix = format!("{}[]", self.path(path));
        let reader = |value| Reader { value, notes: self.notes, prefix: prefix.clone().into() };
        Some(elements.iter().filter(|element| !element.is_null()).map(reader).collect())
    }

    /// A list of texts at this path. An element that is an object is read as the first of `names`
    /// that it has. Elements that cannot be read are left out; if none can be read, the list is not
    /// known.
    pub(crate) fn texts(&self, path: &str, names: &[&str]) -> Option<Vec<Cow<'v, str>>> {
        let elements = self.list(path)?;
        let texts: Vec<Cow<'v, str>> = elements.iter().filter_map(|element| element.named(names)).collect();
        (elements.is_empty() || !texts.is_empty()).then_some(texts)
    }

    /// As [`Reader::texts`], for a source that leaves empty lists out: an absent list is an empty
    /// one.
    pub(crate) fn given_texts(&self, path: &str, names: &[&str]) -> Option<Vec<Cow<'v, str>>> {
        if self.has(path) { self.texts(path, names) } else { Some(Vec::new()) }
    }

    /// The element itself if it is text, else the first of its members with these names that is
    /// text.
    pub(crate) fn named(&self, names: &[&str]) -> Option<Cow<'v, str>> {
        let found = match self.value {
            Value::Object(_) => names.iter().find_map(|name| self.get(name)),
            other => Some(other),
        };
        match found.ok_or_else(|| "is an object without a name that is known here".to_owned()).and_then(text) {
            Ok(text) => Some(text),
            Err(reason) => {
                self.notes.unreadable(&self.prefix, reason, self.value);
                None
            }
        }
    }

    /// A required id, from the first of these paths that can be read.
    pub(crate) fn id(&self, paths: &[&str]) -> Result<Cow<'v, str>, DecodeError> {
        self.needed(paths, |path| self.text(path))
    }

    /// The required time, from the first of these paths that can be read.
    pub(crate) fn time(&self, paths: &[&str]) -> Result<Millis, DecodeError> {
        self.needed(paths, |path| self.moment(path))
    }

    /// As [`Reader::time`]. A time without an offset is in this time zone or, without one, read as
    /// UTC, with a note.
    pub(crate) fn time_in(&self, paths: &[&str], zone: Option<&TimeZone>) -> Result<Millis, DecodeError> {
        self.needed(paths, |path| {
            let (millis, local) = self.noted(path, |value| moment_in(value, zone.unwrap_or(&TimeZone::UTC)))?;
            if local && zone.is_none() {
                self.assume_utc();
            }
            Some(millis)
        })
    }

    fn needed<T>(&self, paths: &[&str], read: impl Fn(&str) -> Option<T>) -> Result<T, DecodeError> {
        if let Some(found) = paths.iter().find_map(|path| read(path)) {
            return Ok(found);
        }
        let noted = paths.iter().find_map(|path| self.notes.take_back(&self.path(path)));
        Err(noted.unwrap_or_else(|| {
            let path = paths.iter().find(|path| self.has(path)).or(paths.first()).copied().unwrap_or_default();
            let reason = if self.has(path) { "is required, but empty" } else { "is required, but missing or null" };
            DecodeError::new(self.path(path), reason, self.value.to_string().as_bytes())
        }))
    }

    /// The error for a missing part.
    pub(crate) fn missing(&self, path: &str) -> DecodeError {
        DecodeError::new(self.path(path), "is required, but missing or null", self.value.to_string().as_bytes())
    }

    /// The result for a record that is a post. The words of a repost are its original's. If it is
    /// not known which post that is (`lost`), the words would count as the account's own, so they
    /// are dropped.
    pub(crate) fn post(
        &self,
        mut post: Post<'_>,
        mut entities: Entities<'_>,
        lost: bool,
    ) -> Result<Post<'static>, DecodeError> {
        if lost {
            post.text = Cow::Borrowed("");
            post.media.clear();
            entities = Entities { urls: Some(Vec::new()), hashtags: Some(Vec::new()), mentions: Some(Vec::new()) };
        }
        // The excerpt is only needed for an error, and writing it costs more than reading a post,
        // so it is made on demand.
        match normalised(post, entities, b"") {
            Ok(post) => Ok(owned(post)),
            Err(error) => Err(DecodeError::new(error.path, error.reason, self.value.to_string().as_bytes())),
        }
    }
}

/// Below this, floats can hold every whole number.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Text, or a whole number as its digits.
fn text(value: &Value) -> Result<Cow<'_, str>, String> {
    match value {
        Value::String(text) => Ok(Cow::Borrowed(text)),
        Value::Number(number) if number.is_i64() || number.is_u64() => Ok(Cow::Owned(number.to_string())),
        Value::Number(number) => match number.as_f64() {
            Some(float) if float.fract() == 0.0 && float.abs() < EXACT => Ok(Cow::Owned(format!("{float:.0}"))),
            Some(float) if float.fract() == 0.0 => {
                Err("is a number that has lost its last digits: ids have to be written as text".to_owned())
            }
            _ => Err("is a number with a fraction; expected text or a whole number".to_owned()),
        },
        _ => Err(format!("{}; expected text or a whole number", kind(value))),
    }
}

fn count(value: &Value) -> Result<u64, String> {
    let read = match value {
        Value::Number(number) => number.as_u64().or_else(|| {
            let float = number.as_f64().filter(|float| float.fract() == 0.0 && (0.0..EXACT).contains(float))?;
            Some(float as u64)
        }),
        Value::String(text) => parse_count(text).ok(),
        _ => return Err(format!("{}; expected a whole number of zero or more", kind(value))),
    };
    read.ok_or_else(|| "is not a whole number of zero or more".to_owned())
}

/// A time in the form of these tools: with an offset, as an epoch number, or in Twitter's form
/// (`Wed Oct 10 20:19:24 +0000 2018`).
fn moment(value: &Value) -> Result<Millis, String> {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(number) => millis_from_epoch(number),
            None => Err("is a number out of range".to_owned()),
        },
        Value::String(text) => strtime::parse("%a %b %d %H:%M:%S %z %Y", text.trim())
            .and_then(|parsed| parsed.to_timestamp())
            .map(|time| time.as_millisecond())
            .or_else(|_| parse_moment(text)),
        _ => Err(format!("{}; expected a time", kind(value))),
    }
}

/// As [`moment`], but a time may lack an offset and is then in this time zone. Returns the time,
/// and whether it lacked an offset.
fn moment_in(value: &Value, zone: &TimeZone) -> Result<(Millis, bool), String> {
    moment(value).map(|millis| (millis, false)).or_else(|reason| {
        let text = value.as_str().unwrap_or_default().trim();
        let naive = python(text).or_else(|| text.contains(':').then(|| text.parse::<DateTime>().ok()).flatten());
        let Some(naive) = naive else { return Err(reason) };
        let told = text.contains("timezone.utc");
        let zone = if told { TimeZone::UTC } else { zone.clone() };
        let zoned = naive.to_zoned(zone).map_err(|_| reason)?;
        Ok((zoned.timestamp().as_millisecond(), !told))
    })
}

/// A time as Python prints it: `datetime.datetime(2023, 8, 10, 17, 54, 5,
/// tzinfo=datetime.timezone.utc)`.
fn python(text: &str) -> Option<DateTime> {
    let inner = text.strip_prefix("datetime.datetime(")?.strip_suffix(')')?;
    let mut numbers = inner.split(',').map(str::trim).map_while(|part| part.parse::<i16>().ok());
    let [year, month, day] = [numbers.next()?, numbers.next()?, numbers.next()?];
    let mut clock = [0_i8; 3];
    for part in &mut clock {
        *part = numbers.next().unwrap_or(0).try_into().ok()?;
    }
    DateTime::new(year, month.try_into().ok()?, day.try_into().ok()?, clock[0], clock[1], clock[2], 0).ok()
}

/// The type of a value, for a sentence.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "is null",
        Value::Bool(_) => "is true or false",
        Value::Number(_) => "is a number",
        Value::String(_) => "is text",
        Value::Array(_) => "is a list",
        Value::Object(_) => "is an object",
    }
}

fn owned(post: Post<'_>) -> Post<'static> {
    fn one(text: Cow<'_, str>) -> Cow<'static, str> {
        Cow::Owned(text.into_owned())
    }
    fn many(texts: Vec<Cow<'_, str>>) -> Vec<Cow<'static, str>> {
        texts.into_iter().map(one).collect()
    }
    Post {
        id: one(post.id),
        platform: one(post.platform),
        account_id: one(post.account_id),
        account_name: one(post.account_name),
        created_at: post.created_at,
        text: one(post.text),
        lang: post.lang.map(one),
        urls: many(post.urls),
        hashtags: many(post.hashtags),
        mentions: many(post.mentions),
        media: many(post.media),
        repost_of: post.repost_of.map(one),
        repost_of_account: post.repost_of_account.map(one),
        reply_to: post.reply_to.map(one),
        reply_to_account: post.reply_to_account.map(one),
        quote_of: post.quote_of.map(one),
        quote_of_account: post.quote_of_account.map(one),
        client: post.client.map(one),
        followers: post.followers,
        following: post.following,
        account_created_at: post.account_created_at,
        account_posts: post.account_posts,
        default_profile: post.default_profile,
        deleted_at: post.deleted_at,
        position: post.position,
    }
}
