//! The wire: decoders of posts in every dialect, and of the other topics' messages.

use std::ops::ControlFlow;

use coordination::Post;
use jiff::Timestamp;
use messages::cluster::ClusterMessage;
use messages::dead_letter::{DeadLetter, Source};
use messages::dialect::csv::Columns;
use messages::dialect::{ArchiveAccount, Context, Dialect, Layering};
use messages::feedback::Feedback;
use messages::{DecodeError, post};

/// The first byte chooses the dialect (`A` the first of [`Dialect::ALL`], and after the last the one that is recognised), the rest is
/// a document, and each of its lines a value.
pub(crate) fn dialects(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else {
        return;
    };
    let _ = ArchiveAccount::of_archive(rest);
    let recognised = Dialect::recognise(rest);
    let chosen = usize::from(choice.wrapping_sub(b'A')) % (Dialect::ALL.len() + 1);
    let Some(dialect) = Dialect::ALL.get(chosen).copied().or(recognised) else {
        return;
    };
    let context =
        Context { account: (choice & 0x80 == 0).then(|| "7:ann".parse().expect("an account")), ..Context::default() };
    Layering::of(rest, choice & 1 == 0);
    let lines = rest.split(|byte| *byte == b'\n').filter(|line| line.len() < rest.len());
    for value in messages::dialect::values(rest).chain(lines) {
        let (mut records, mut bytes) = (0_usize, 0);
        let _ = dialect.decode(value, &context, &mut |record| {
            let within = value.as_ptr_range();
            let part = record.raw.as_ptr_range();
            assert!(within.start <= part.start && part.end <= within.end, "a record is a part of its value");
            records += 1;
            bytes += record.raw.len();
            record.unreadable.iter().for_each(told);
            match record.outcome {
                Ok(Some(post)) => sound(&Ok(post)),
                Ok(None) => {}
                Err(error) => told(&error),
            }
            ControlFlow::Continue(())
        });
        assert!(records > 0, "every value has an outcome");
        assert!(bytes <= value.len().max(1) * THREADS, "records do not overlap");
    }
}

/// The only records that hold others are the posts of a thread, which are as deep as it is.
const THREADS: usize = 110;

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
        Err(error) => told(error),
    }
}

fn told(error: &DecodeError) {
    // Eighty characters, each at most `\u{10ffff}` where it was escaped, and an ellipsis.
    assert!(error.excerpt.chars().count() <= 801, "an excerpt is short");
    assert!(error.reason.chars().count() <= 1_200, "a reason is short: {}", error.reason.len());
    assert!(!error.to_string().is_empty() && !error.field().contains("[0"));
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
