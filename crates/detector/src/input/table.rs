//! CSV and Parquet.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

use jiff::Timestamp;
use messages::DecodeError;
use messages::dialect::csv::Columns;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use serde_json::Value;

use super::read::Reading;
use super::{InputError, PeerRow};

impl Reading<'_> {
    pub(super) fn table(&mut self, content: Box<dyn BufRead>, delimiter: u8) -> Result<(), InputError> {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            .has_headers(false)
            .from_reader(Kept { inner: content, bytes: Vec::new(), start: 0 });
        let mut row = csv::ByteRecord::new();
        let mut columns = None;
        let mut next_line = 1;
        loop {
            let start = reader.position().byte();
            reader.get_mut().forget(start);
            let outcome = reader.read_byte_record(&mut row);
            let end = reader.position().byte();
            // What the row before left of its line end, and blank lines, come before the row proper.
            let bytes = reader.get_ref().until(end);
            let raw = bytes.trim_ascii_start();
            let line = next_line + newlines(&bytes[..bytes.len() - raw.len()]);
            next_line += newlines(bytes);
            match outcome {
                Ok(false) => return Ok(()),
                Ok(true) => {}
                Err(error) => {
                    let rest = reader.get_ref().bytes.trim_ascii();
                    if !rest.is_empty() {
                        self.bad(line, DecodeError::new("", "breaks off with its file", rest), rest);
                    }
                    self.damaged(line, into_io(error));
                    return Ok(());
                }
            }
            let Some(columns) = &columns else {
                let header: Vec<String> = row.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
                columns = Some(self.columns(&header)?);
                continue;
            };
            let cells: Result<Vec<&str>, _> = row.iter().map(std::str::from_utf8).collect();
            let outcome = match &cells {
                Ok(cells) => columns.post(cells).map(|post| (post, PeerRow::new(columns, cells))),
                Err(_) => Err(DecodeError::new("", "is not UTF-8", raw)),
            };
            match outcome {
                Ok((post, row)) => self.foreign(&post, row.as_ref(), line, || raw.trim_ascii_end().to_vec())?,
                Err(error) => self.bad(line, error, raw.trim_ascii_end()),
            }
            self.count_towards_progress();
        }
    }

    pub(super) fn parquet(&mut self, content: File) -> Result<(), InputError> {
        let size = content.metadata().map_or(0, |about| about.len());
        let reader = match guarded(|| SerializedFileReader::new(content)) {
            Ok(reader) => reader,
            Err(error) => {
                self.damaged(1, io::Error::from(error));
                return Ok(());
            }
        };
        let about = reader.metadata().file_metadata();
        let rows = about.num_rows().max(1) as u64;
        let header: Vec<String> = about.schema().get_fields().iter().map(|field| field.name().to_owned()).collect();
        let columns = self.columns(&header)?;
        let iterator = match guarded(|| reader.get_row_iter(None)) {
            Ok(iterator) => iterator,
            Err(error) => {
                self.damaged(1, io::Error::from(error));
                return Ok(());
            }
        };
        let mut iterator = iterator;
        for number in 1_u64.. {
            let row = match guarded(|| iterator.next().transpose()) {
                Ok(Some(row)) => row,
                Ok(None) => break,
                Err(error) => {
                    self.damaged(number, io::Error::from(error));
                    return Ok(());
                }
            };
            let cells: Vec<Cow<'_, str>> = row.get_column_iter().map(|(_, field)| cell(field)).collect();
            let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).collect();
            let raw = || Value::from(cells.clone()).to_string().into_bytes();
            match columns.post(&cells) {
                Ok(post) => self.foreign(&post, PeerRow::new(&columns, &cells).as_ref(), number, raw)?,
                Err(error) => self.bad(number, error, &raw()),
            }
            if number % 1024 == 0 {
                // Columns are not read front to back: rows tell the progress.
                self.took((u128::from(size) * u128::from(number) / u128::from(rows)) as u64);
            }
            self.count_towards_progress();
        }
        self.took(size);
        Ok(())
    }

    fn columns(&self, header: &[String]) -> Result<Columns, InputError> {
        Columns::new(header.iter().map(String::as_str), self.options.platform.as_deref())
            .map_err(|error| InputError::Header { file: self.path(), error })
    }
}

/// The library panics on some damaged files; that is one more way for a file to be damaged. Nothing is used after a panic.
fn guarded<T>(read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(ParquetError::General("its pages contradict each other".to_owned())))
}

/// The longest row: beyond it, a quote was opened and never closed.
const MAX_ROW: usize = 64 << 20;

/// Keeps the bytes of the row that is being read, so that a bad one can be shown as it was, and its lines counted.
struct Kept<R> {
    inner: R,
    bytes: Vec<u8>,
    /// Place of the first kept byte in the content.
    start: u64,
}

impl<R> Kept<R> {
    fn forget(&mut self, before: u64) {
        self.bytes.drain(..(before - self.start) as usize);
        self.start = before;
    }

    fn until(&self, end: u64) -> &[u8] {
        &self.bytes[..(end - self.start) as usize]
    }
}

impl<R: Read> Read for Kept<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.bytes.len() > MAX_ROW {
            return Err(io::Error::other(format!(
                "one row has more than {MAX_ROW} bytes: a quote is opened and not closed"
            )));
        }
        let read = self.inner.read(buffer)?;
        self.bytes.extend_from_slice(&buffer[..read]);
        Ok(read)
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|b| **b == b'\n').count() as u64
}

fn into_io(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// A value as the cell of a table: nothing for null, lists as JSON.
fn cell(field: &Field) -> Cow<'_, str> {
    match field {
        Field::Null => "".into(),
        Field::Str(text) => text.into(),
        scalar => match json(scalar) {
            Value::String(text) => text.into(),
            value => value.to_string().into(),
        },
    }
}

fn json(field: &Field) -> Value {
    let time = |time: Result<Timestamp, jiff::Error>| time.map_or(Value::Null, |time| time.to_string().into());
    match field {
        Field::Null => Value::Null,
        Field::Bool(v) => (*v).into(),
        Field::Byte(v) => (*v).into(),
        Field::Short(v) => (*v).into(),
        Field::Int(v) => (*v).into(),
        Field::Long(v) => (*v).into(),
        Field::UByte(v) => (*v).into(),
        Field::UShort(v) => (*v).into(),
        Field::UInt(v) => (*v).into(),
        Field::ULong(v) => (*v).into(),
        Field::Float(v) => f64::from(*v).into(),
        Field::Double(v) => (*v).into(),
        Field::Str(v) => v.as_str().into(),
        Field::Bytes(v) => String::from_utf8_lossy(v.data()).into(),
        Field::TimestampMillis(v) => time(Timestamp::from_millisecond(*v)),
        Field::TimestampMicros(v) => time(Timestamp::from_microsecond(*v)),
        Field::Date(v) => time(Timestamp::from_second(i64::from(*v) * 86_400)),
        Field::ListInternal(list) => list.elements().iter().map(json).collect(),
        // No column of a post is of any other kind: its text is an answer to whoever looks for one in a bad row.
        other => other.to_string().into(),
    }
}
