//! What the JSON dialects have in common: a record is parsed once, and its posts own their text.

use coordination::Post;
use serde_json::Value;

use super::{Flow, Record, Take};
use crate::error::{DecodeError, from_json};
use crate::json_fields::{Notes, Reader};

/// Parses a whole value; nesting deeper than 128 levels is an error.
pub(crate) fn parse(value: &[u8]) -> Result<Value, DecodeError> {
    from_json::<Value>(value)
}

/// The path of an element of a list at a path.
pub(super) fn element(at: &str, list: &str, number: usize) -> String {
    if at.is_empty() { format!("{list}[{number}]") } else { format!("{at}.{list}[{number}]") }
}

/// What a record's reader returns: a post, `None` for something that is not a post, or why it
/// cannot be read.
pub(super) type DecodedPost = Result<Option<Post<'static>>, DecodeError>;

/// Parses one record, reads it and hands it over. `at` is its path in the document.
pub(super) fn record<'a>(
    raw: &'a [u8],
    at: &str,
    take: &mut Take<'_, 'a>,
    read: impl FnOnce(&Reader<'_>) -> DecodedPost,
) -> Flow {
    part(raw, raw, at, take, read)
}

/// As [`record`], if the post is in a part of the record.
pub(super) fn part<'a>(
    raw: &'a [u8],
    part: &[u8],
    at: &str,
    take: &mut Take<'_, 'a>,
    read: impl FnOnce(&Reader<'_>) -> DecodedPost,
) -> Flow {
    let value = match parse(part) {
        Ok(value) => value,
        Err(error) => return take(Record::new(raw, Err(error.inside(at)))),
    };
    let notes = Notes::default();
    let outcome = read(&Reader::new(&value, &notes)).map_err(|error| error.inside(at));
    let local_time = notes.local_time();
    take(Record { raw, outcome, unreadable: notes.into_inner(), local_time })
}
