//! Topics `posts.dead-letter` and `clusters.dead-letter`: values that could not be read, unchanged,
//! with the reason in the record's headers.
//!
//! | header | value |
//! | --- | --- |
//! | `lockstep-reason` | what is wrong, in words |
//! | `lockstep-field` | JSON path or column of the offending field; empty where the whole value is meant |
//! | `lockstep-cut-from` | only where the value is the start of a longer one: how many bytes that had |
//! | `lockstep-at` | when it was put here, RFC 3339 UTC |
//! | `lockstep-source-topic`, `lockstep-source-partition`, `lockstep-source-offset` | where a record came from |
//! | `lockstep-source-file`, `lockstep-source-line` | where a line came from, counted from 1 |
//!
//! The record's value is the original value, byte for byte, and its key the original key, so that a
//! dead letter can be put back into `posts` or `clusters.flagged` unchanged when its cause is fixed.
//! A value of more than [`MAX_LETTER_BYTES`] can never be a post and may be too large for the log:
//! only its start is kept. Headers with other names are the original record's own.

use jiff::Timestamp;

use crate::error::DecodeError;
use crate::post::MAX_VALUE_BYTES;

/// The longest value that is kept completely, in bytes: the longest possible post. A bad value
/// never makes a record that the log rejects.
pub const MAX_LETTER_BYTES: usize = MAX_VALUE_BYTES;
/// Bytes that are kept of a longer value.
const KEPT_BYTES: usize = 64 * 1024;

const CUT_FROM: &str = "lockstep-cut-from";
const REASON: &str = "lockstep-reason";
const FIELD: &str = "lockstep-field";
const AT: &str = "lockstep-at";
const TOPIC: &str = "lockstep-source-topic";
const PARTITION: &str = "lockstep-source-partition";
const OFFSET: &str = "lockstep-source-offset";
const FILE: &str = "lockstep-source-file";
const LINE: &str = "lockstep-source-line";

/// A value that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The value as read, or its start.
    pub value: Vec<u8>,
    /// Bytes of the whole value, if `value` is only its start.
    pub cut_from: Option<u64>,
    /// The reason, as text.
    pub reason: String,
    /// JSON path or column; empty if the whole value is meant.
    pub field: String,
    /// Where it was read.
    pub source: Source,
    /// When it became a dead letter.
    pub at: Timestamp,
}

/// Where a value was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A record of a topic.
    Record {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The offset in it.
        offset: i64,
    },
    /// A line of a file, or of a request's body, whose name replaces the file's.
    Line {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u64,
    },
}

impl DeadLetter {
    /// Names of the headers of a dead letter. Other headers are the original record's own.
    pub const HEADERS: [&str; 9] = [REASON, FIELD, CUT_FROM, AT, TOPIC, PARTITION, OFFSET, FILE, LINE];

    /// Combines an error with the value that it is about; of a value that is too long, only the
    /// start.
    pub fn new(value: &[u8], error: &DecodeError, source: Source, at: Timestamp) -> Self {
        DeadLetter::of_start(value, value.len() as u64, error, source, at)
    }

    /// As [`DeadLetter::new`], for a value of `length` bytes of which only `start` was kept.
    pub fn of_start(start: &[u8], length: u64, error: &DecodeError, source: Source, at: Timestamp) -> Self {
        let kept = if start.len() > MAX_LETTER_BYTES { &start[..KEPT_BYTES] } else { start };
        DeadLetter {
            value: kept.to_vec(),
            cut_from: (length > kept.len() as u64).then_some(length),
            reason: error.reason.to_string(),
            field: error.path.clone(),
            source,
            at,
        }
    }

    /// The record's headers.
    pub fn headers(&self) -> Vec<(String, Vec<u8>)> {
        let header = |name: &str, value: String| (name.to_owned(), value.into_bytes());
        let mut headers = vec![
            header(REASON, self.reason.clone()),
            header(FIELD, self.field.clone()),
            header(AT, self.at.to_string()),
        ];
        headers.extend(self.cut_from.map(|length| header(CUT_FROM, length.to_string())));
        match &self.source {
            Source::Record { topic, partition, offset } => headers.extend([
                header(TOPIC, topic.clone()),
                header(PARTITION, partition.to_string()),
                header(OFFSET, offset.to_string()),
            ]),
            Source::Line { file, line } => {
                headers.extend([header(FILE, file.clone()), header(LINE, line.to_string())]);
            }
        }
        headers
    }

    /// Reads a record of a topic of dead letters. Errors name the header.
    pub fn from_record(value: &[u8], headers: &[(String, Vec<u8>)]) -> Result<Self, DecodeError> {
        let source = match (optional(headers, TOPIC), optional(headers, FILE)) {
            (Some(topic), _) => {
                Source::Record { topic, partition: parsed(headers, PARTITION)?, offset: parsed(headers, OFFSET)? }
            }
            (None, Some(file)) => Source::Line { file, line: parsed(headers, LINE)? },
            (None, None) => return Err(DecodeError::new(TOPIC, "header is missing", value)),
        };
        Ok(DeadLetter {
            value: value.to_vec(),
            cut_from: optional(headers, CUT_FROM).map(|_| parsed(headers, CUT_FROM)).transpose()?,
            reason: required(headers, REASON)?,
            field: required(headers, FIELD)?,
            source,
            at: parsed(headers, AT)?,
        })
    }
}

/// The last header of a name counts: a value that became a dead letter twice has both reasons.
fn optional(headers: &[(String, Vec<u8>)], name: &str) -> Option<String> {
    headers.iter().rfind(|(header, _)| header == name).map(|(_, value)| String::from_utf8_lossy(value).into_owned())
}

fn required(headers: &[(String, Vec<u8>)], name: &str) -> Result<String, DecodeError> {
    optional(headers, name).ok_or_else(|| DecodeError::new(name, "header is missing", b""))
}

fn parsed<T: std::str::FromStr>(headers: &[(String, Vec<u8>)], name: &str) -> Result<T, DecodeError> {
    let text = required(headers, name)?;
    text.parse().map_err(|_| DecodeError::new(name, "header cannot be read", text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_tell_all_and_come_back() {
        let value = b"{\"id\":\"1\"}\xFF";
        let error = DecodeError::new("platform", "is required, but missing or null", value);
        let sources = [
            Source::Record { topic: "posts".into(), partition: 3, offset: 41 },
            Source::Line { file: "a.jsonl".into(), line: 7 },
        ];
        for source in sources {
            let at = "2026-11-02T10:00:00Z".parse().unwrap();
            let letter = DeadLetter::new(value, &error, source, at);
            assert_eq!(letter.value, value, "byte for byte");
            assert_eq!(DeadLetter::from_record(value, &letter.headers()), Ok(letter));
        }
    }

    #[test]
    fn headers_have_these_exact_bytes() {
        let error = DecodeError::new("urls[2]", "invalid type", b"x");
        let source = Source::Record { topic: "posts".into(), partition: 0, offset: 9 };
        let letter = DeadLetter::new(b"x", &error, source, Timestamp::UNIX_EPOCH);
        let text: Vec<String> = letter
            .headers()
            .iter()
            .map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value)))
            .collect();
        expect_test::expect![[r#"
            lockstep-reason: invalid type
            lockstep-field: urls[2]
            lockstep-at: 1970-01-01T00:00:00Z
            lockstep-source-topic: posts
            lockstep-source-partition: 0
            lockstep-source-offset: 9
        "#]]
        .assert_eq(&text.concat());
    }

    #[test]
    fn of_a_value_that_could_be_no_post_the_start_is_kept() {
        let long = vec![b'x'; MAX_LETTER_BYTES + 1];
        let error = DecodeError::new("", "is too long", &long);
        let source = || Source::Line { file: "a".into(), line: 1 };
        let letter = DeadLetter::new(&long, &error, source(), Timestamp::UNIX_EPOCH);
        assert_eq!((letter.value.len(), letter.cut_from), (KEPT_BYTES, Some(MAX_LETTER_BYTES as u64 + 1)));
        assert!(letter.headers().iter().any(|(name, value)| name == CUT_FROM && value == b"1000001"));
        assert_eq!(DeadLetter::from_record(&letter.value, &letter.headers()), Ok(letter));
        let whole = DeadLetter::new(&long[1..], &error, source(), Timestamp::UNIX_EPOCH);
        assert_eq!((whole.value.len(), whole.cut_from), (MAX_LETTER_BYTES, None));
    }

    #[test]
    fn a_missing_header_is_named() {
        let error = DeadLetter::from_record(b"x", &[(TOPIC.into(), b"posts".to_vec())]).unwrap_err();
        assert_eq!(error.path, PARTITION);
    }
}
