//! The wire: decoders of posts in every dialect, and of the other topics' messages.

use coordination::Post;
use jiff::Timestamp;
use messages::cluster::ClusterMessage;
use messages::dead_letter::{DeadLetter, Source};
use messages::dialect::Dialect;
use messages::dialect::csv::Columns;
use messages::feedback::Feedback;
use messages::{DecodeError, post};

/// A value, or one a line, in every dialect.
pub(crate) fn posts(data: &[u8]) {
    let lines = data.split(|byte| *byte == b'\n').filter(|line| line.len() < data.len());
    for value in std::iter::once(data).chain(lines) {
        for dialect in Dialect::ALL {
            dialect.decode(value).iter().for_each(sound);
        }
    }
}

/// A table: the first line is the header, commas part its cells.
pub(crate) fn rows(data: &[u8]) {
    let mut reader = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(data);
    let mut columns = None;
    for row in reader.records().map_while(Result::ok) {
        match &columns {
            None => match Columns::new(row.iter(), Some("X")) {
                Ok(header) => columns = Some(header),
                Err(_) => return,
            },
            Some(columns) => sound(&columns.post(&row.iter().collect::<Vec<_>>())),
        }
    }
}

/// What was decoded is written in the native dialect and read back; an error says where, within bounds.
fn sound(outcome: &Result<Post<'_>, DecodeError>) {
    match outcome {
        Ok(decoded) => {
            assert!(!post::key(decoded).is_empty());
            let bytes = post::encode(decoded);
            if bytes.len() <= post::MAX_VALUE_BYTES {
                assert_eq!(post::decode(&bytes).as_ref(), Ok(decoded), "the native dialect holds all of a post");
            }
        }
        Err(error) => {
            // Eighty characters, each at most `\u{10ffff}` where it was escaped, and an ellipsis.
            assert!(error.excerpt.chars().count() <= 801, "an excerpt is short");
            assert!(!error.to_string().is_empty());
        }
    }
}

/// Messages of the other topics.
pub(crate) fn messages(data: &[u8]) {
    if let Ok(cluster) = ClusterMessage::decode(data) {
        let bytes = cluster.encode().expect("what was read can be written");
        assert_eq!(ClusterMessage::decode(&bytes).as_ref(), Ok(&cluster));
    }
    if let Ok(feedback) = Feedback::decode(data) {
        assert_eq!(Feedback::decode(&feedback.encode()).as_ref(), Ok(&feedback));
    }
    // Headers of a record, one a line: `name: value`.
    let mut headers = Vec::new();
    for line in data.split(|byte| *byte == b'\n') {
        if let Some(colon) = line.iter().position(|byte| *byte == b':') {
            headers.push((String::from_utf8_lossy(&line[..colon]).into_owned(), line[colon + 1..].to_vec()));
        }
    }
    if let Ok(letter) = DeadLetter::from_record(data, &headers) {
        assert_eq!(DeadLetter::from_record(data, &letter.headers()).as_ref(), Ok(&letter));
    }
    let error = DecodeError::new("field", "reason", data);
    let source = Source::Line { file: error.excerpt.clone(), line: data.len() as u64 };
    let letter = DeadLetter::new(data, &error, source, Timestamp::UNIX_EPOCH);
    assert_eq!(DeadLetter::from_record(data, &letter.headers()), Ok(letter));
}
