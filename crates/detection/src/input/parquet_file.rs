//! Tables in Parquet.

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use jiff::Timestamp;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::record::reader::RowIter;
use serde_json::{Map, Value};

use super::InputError;
use super::read::Reading;
use super::rows::{Rows, TableRow};

impl Reading<'_> {
    pub(super) fn parquet(&mut self, content: File) -> Result<(), InputError> {
        let reader = match guarded(|| SerializedFileReader::new(content)) {
            Ok(reader) => reader,
            Err(error) => {
                self.damaged(1, io::Error::from(error));
                return Ok(());
            }
        };
        let about = reader.metadata().file_metadata();
        let all = about.num_rows().max(1) as u64;
        let header: Vec<String> = about.schema().get_fields().iter().map(|field| field.name().to_owned()).collect();
        let iterator = match guarded(|| Ok(reader.into_iter())) {
            Ok(iterator) => iterator,
            Err(error) => {
                self.damaged(1, io::Error::from(error));
                return Ok(());
            }
        };
        let mut rows = ParquetRows { iterator, given: 0, all };
        self.table(&mut rows, header, None, &mut |_, _| {})?;
        self.took_all();
        Ok(())
    }
}

struct ParquetRows {
    iterator: RowIter<'static>,
    given: u64,
    all: u64,
}

impl Rows for ParquetRows {
    fn next(&mut self, row: &mut TableRow, _: &dyn Fn(&[&str]) -> bool) -> io::Result<bool> {
        let Some(next) = guarded(|| self.iterator.next().transpose())? else { return Ok(false) };
        self.given += 1;
        let cells: Vec<String> = next.get_column_iter().map(|(_, field)| cell(field)).collect();
        *row = TableRow::of(self.given, cells.iter().map(String::as_str));
        Ok(true)
    }

    /// Columns are not read from front to back, so the number of rows shows the progress.
    fn progress(&self) -> Option<u64> {
        Some((u128::from(self.given) * 1000 / u128::from(self.all)) as u64)
    }
}

/// The library panics on some damaged files; this counts as damage. Nothing is used after a panic.
fn guarded<T>(read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(ParquetError::General("its pages contradict each other".to_owned())))
}

/// A value as the cell of a table: empty for null; lists and groups as JSON.
fn cell(field: &Field) -> String {
    match field {
        Field::Null => String::new(),
        Field::Float(number) => float(f64::from(*number)),
        Field::Double(number) => float(*number),
        scalar => match json(scalar) {
            Value::Null => String::new(),
            Value::String(text) => text,
            value => value.to_string(),
        },
    }
}

/// A floating-point number in a form that shows whether it is an exact whole number: `102.0`, and
/// beyond 2^53 with an exponent.
pub fn float(number: f64) -> String {
    if number.abs() > 9_007_199_254_740_992.0 && number.is_finite() {
        let text = format!("{number:.16e}");
        // Without the sign, an exponent could be read as digits of an id.
        return text.replacen('e', "e+", 1);
    }
    if number.fract() == 0.0 { format!("{number:.1}") } else { number.to_string() }
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
        // A date without a time of day: the moment is unknown.
        Field::Date(v) => match Timestamp::from_second(i64::from(*v) * 86_400) {
            Ok(midnight) => midnight.strftime("%Y-%m-%d").to_string().into(),
            Err(_) => Value::Null,
        },
        Field::ListInternal(list) => list.elements().iter().map(json).collect(),
        Field::Group(group) => {
            let fields: Map<String, Value> =
                group.get_column_iter().map(|(name, field)| (name.clone(), json(field))).collect();
            fields.into()
        }
        // No column of a post is of any other kind. The text only helps whoever looks at a bad row.
        other => other.to_string().into(),
    }
}
