//! Values of Arrow tables as cells of a file.

use std::io;

use arrow_array::{
    Array, ArrayRef, RecordBatchReader,
    cast::AsArray,
    types::{
        Date32Type, Date64Type, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
        TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type,
        UInt16Type, UInt32Type, UInt64Type,
    },
};
use arrow_cast::{
    cast,
    display::{ArrayFormatter, FormatOptions},
};
use arrow_schema::{ArrowError, DataType, TimeUnit};
use detection::input::{TableRows, float_cell};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde_json::{Map, Value};

/// The column names of a table, and its rows as cells.
pub(crate) fn table(reader: Box<dyn RecordBatchReader + Send>) -> (Vec<String>, TableRows) {
    let header = reader.schema().fields().iter().map(|field| field.name().clone()).collect();
    (header, Box::new(Rows { reader, columns: Vec::new(), rows: 0, next: 0 }))
}

/// Iterator over the rows of all batches.
struct Rows {
    reader: Box<dyn RecordBatchReader + Send>,
    /// Columns of the current batch.
    columns: Vec<ArrayRef>,
    rows: usize,
    next: usize,
}

/// The column with dictionary keys replaced by their values. Categories of pandas and polars are
/// dictionary columns.
fn spelled_out(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match column.data_type() {
        DataType::Dictionary(_, values) => cast(column, values),
        _ => Ok(column.clone()),
    }
}

impl Iterator for Rows {
    type Item = io::Result<Vec<String>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.next < self.rows {
                let row = self.next;
                self.next += 1;
                let cells: Result<Vec<String>, ArrowError> =
                    self.columns.iter().map(|column| cell(column, row)).collect();
                return Some(cells.map_err(io::Error::other));
            }
            match self.reader.next()? {
                Ok(batch) => match batch.columns().iter().map(spelled_out).collect() {
                    Ok(columns) => (self.columns, self.rows, self.next) = (columns, batch.num_rows(), 0),
                    Err(error) => return Some(Err(io::Error::other::<ArrowError>(error))),
                },
                Err(error) => return Some(Err(io::Error::other(error))),
            }
        }
    }
}

/// A value as a cell: an empty cell for null, lists and structs as JSON.
fn cell(column: &dyn Array, row: usize) -> Result<String, ArrowError> {
    Ok(match column.data_type() {
        DataType::Float16 | DataType::Float32 | DataType::Float64 if column.is_valid(row) => {
            float_cell(float(column, row))
        }
        _ => match json(column, row)? {
            Value::Null => String::new(),
            Value::String(text) => text,
            value => value.to_string(),
        },
    })
}

fn float(column: &dyn Array, row: usize) -> f64 {
    match column.data_type() {
        DataType::Float16 => column.as_primitive::<Float16Type>().value(row).to_f64(),
        DataType::Float32 => f64::from(column.as_primitive::<Float32Type>().value(row)),
        _ => column.as_primitive::<Float64Type>().value(row),
    }
}

fn json(column: &dyn Array, row: usize) -> Result<Value, ArrowError> {
    if column.is_null(row) {
        return Ok(Value::Null);
    }
    Ok(match column.data_type() {
        DataType::Null => Value::Null,
        DataType::Boolean => column.as_boolean().value(row).into(),
        DataType::Int8 => column.as_primitive::<Int8Type>().value(row).into(),
        DataType::Int16 => column.as_primitive::<Int16Type>().value(row).into(),
        DataType::Int32 => column.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).into(),
        DataType::UInt8 => column.as_primitive::<UInt8Type>().value(row).into(),
        DataType::UInt16 => column.as_primitive::<UInt16Type>().value(row).into(),
        DataType::UInt32 => column.as_primitive::<UInt32Type>().value(row).into(),
        DataType::UInt64 => column.as_primitive::<UInt64Type>().value(row).into(),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => float(column, row).into(),
        DataType::Utf8 => column.as_string::<i32>().value(row).into(),
        DataType::LargeUtf8 => column.as_string::<i64>().value(row).into(),
        DataType::Utf8View => column.as_string_view().value(row).into(),
        DataType::Binary => String::from_utf8_lossy(column.as_binary::<i32>().value(row)).into(),
        DataType::LargeBinary => String::from_utf8_lossy(column.as_binary::<i64>().value(row)).into(),
        DataType::BinaryView => String::from_utf8_lossy(column.as_binary_view().value(row)).into(),
        DataType::Timestamp(unit, zone) => time(column, row, *unit, zone.is_some()),
        DataType::Date32 => date(i64::from(column.as_primitive::<Date32Type>().value(row))),
        DataType::Date64 => date(column.as_primitive::<Date64Type>().value(row).div_euclid(86_400_000)),
        DataType::List(_) => items(&column.as_list::<i32>().value(row))?,
        DataType::LargeList(_) => items(&column.as_list::<i64>().value(row))?,
        DataType::ListView(_) => items(&column.as_list_view::<i32>().value(row))?,
        DataType::LargeListView(_) => items(&column.as_list_view::<i64>().value(row))?,
        DataType::FixedSizeList(_, _) => items(&column.as_fixed_size_list().value(row))?,
        DataType::Struct(fields) => {
            let parts = column.as_struct().columns().iter().zip(fields);
            let parts: Result<Map<String, Value>, ArrowError> =
                parts.map(|(part, field)| Ok((field.name().clone(), json(part, row)?))).collect();
            parts?.into()
        }
        // No column of a post has another type. The text only shows in the message about a bad row.
        _ => ArrayFormatter::try_new(column, &FormatOptions::default())?.value(row).try_to_string()?.into(),
    })
}

fn items(list: &dyn Array) -> Result<Value, ArrowError> {
    let items: Result<Vec<Value>, ArrowError> = (0..list.len()).map(|item| json(list, item)).collect();
    items.map(Value::from)
}

/// A moment if the column has a time zone; otherwise a local time, read as the same time in a file.
fn time(column: &dyn Array, row: usize, unit: TimeUnit, zoned: bool) -> Value {
    let number = match unit {
        TimeUnit::Second => column.as_primitive::<TimestampSecondType>().value(row),
        TimeUnit::Millisecond => column.as_primitive::<TimestampMillisecondType>().value(row),
        TimeUnit::Microsecond => column.as_primitive::<TimestampMicrosecondType>().value(row),
        TimeUnit::Nanosecond => column.as_primitive::<TimestampNanosecondType>().value(row),
    };
    let time = match unit {
        TimeUnit::Second => Timestamp::from_second(number),
        TimeUnit::Millisecond => Timestamp::from_millisecond(number),
        TimeUnit::Microsecond => Timestamp::from_microsecond(number),
        TimeUnit::Nanosecond => Timestamp::from_nanosecond(number.into()),
    };
    match time {
        Ok(time) if zoned => time.to_string().into(),
        Ok(time) => time.to_zoned(TimeZone::UTC).datetime().to_string().into(),
        // This text is then rejected as a time.
        Err(_) => format!("{number} {unit:?} since 1970, which is out of range").into(),
    }
}

/// A date without a time of day.
fn date(days: i64) -> Value {
    let day = Timestamp::from_second(days.saturating_mul(86_400)).map(|at| Date::from(at.to_zoned(TimeZone::UTC)));
    day.map_or_else(|_| format!("{days} days since 1970, which is out of range").into(), |day| day.to_string().into())
}
