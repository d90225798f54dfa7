//! The dataset as Parquet.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use super::DatasetError;
use crate::features::Subject;
use crate::row::Row;

/// A column of texts.
type Text = fn(&Row) -> &str;

/// Columns of text after the identifier, in their order; the columns of numbers follow.
const TEXTS: [(&str, Text); 6] = [
    ("label_source", |row| row.origin.label_source.name()),
    ("campaign", |row| &row.origin.campaign),
    ("benign_class", |row| &row.origin.benign_class),
    ("world", |row| &row.origin.world),
    ("platform", |row| &row.platform),
    ("language", |row| &row.origin.language),
];

pub(crate) fn write(subject: Subject, rows: &[Row], out: impl Write + Send) -> Result<(), DatasetError> {
    let id: (&str, Text) = (subject.id_column(), |row| &row.cluster_id);
    let texts = || std::iter::once(id).chain(TEXTS);
    let mut schema = format!("message lockstep_{subject}s {{\n");
    for (name, _) in texts() {
        schema.push_str(&format!("required byte_array {name} (utf8);\n"));
    }
    schema.push_str("required boolean inauthentic;\nrequired double weight;\n");
    // Some readers take the older `timestamp_millis` for a local time.
    schema.push_str("required int64 seed;\nrequired int64 at (timestamp(millis,true));\nrequired int64 accounts;\n");
    schema.push_str("required int64 campaign_fold;\nrequired int64 collection_fold;\nrequired int64 time_fold;\n");
    for feature in subject.features() {
        schema.push_str(&format!("optional double {};\n", feature.name));
    }
    schema.push('}');
    let properties =
        WriterProperties::builder().set_compression(Compression::SNAPPY).set_created_by("lockstep".to_owned());
    let schema = Arc::new(parse_message_type(&schema)?);
    let mut file = SerializedFileWriter::new(out, schema, Arc::new(properties.build()))?;
    let mut group = file.next_row_group()?;
    for (_, text) in texts() {
        let values: Vec<ByteArray> = rows.iter().map(|row| ByteArray::from(text(row))).collect();
        column::<ByteArrayType>(&mut group, &values, None)?;
    }
    let labels: Vec<bool> = rows.iter().map(|row| row.origin.inauthentic).collect();
    column::<BoolType>(&mut group, &labels, None)?;
    let weights: Vec<f64> = rows.iter().map(|row| row.origin.weight).collect();
    column::<DoubleType>(&mut group, &weights, None)?;
    let wholes: [fn(&Row) -> i64; 6] = [
        |row| row.origin.seed as i64,
        |row| row.at_ms,
        |row| i64::try_from(row.accounts).unwrap_or(i64::MAX),
        |row| row.folds.campaign.into(),
        |row| row.folds.collection.into(),
        |row| row.folds.time.into(),
    ];
    for whole in wholes {
        column::<Int64Type>(&mut group, &rows.iter().map(whole).collect::<Vec<_>>(), None)?;
    }
    for at in 0..subject.features().len() {
        let cells: Vec<Option<f64>> = rows.iter().map(|row| row.values.get(at).copied().flatten()).collect();
        let known: Vec<i16> = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
        let values: Vec<f64> = cells.into_iter().flatten().collect();
        column::<DoubleType>(&mut group, &values, Some(&known))?;
    }
    group.close()?;
    file.close()?;
    Ok(())
}

fn column<T: parquet::data_type::DataType>(
    group: &mut SerializedRowGroupWriter<'_, impl Write + Send>,
    values: &[T::T],
    known: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let missing = || ParquetError::General("a column too many".to_owned());
    let mut writer = group.next_column()?.ok_or_else(missing)?;
    writer.typed::<T>().write_batch(values, known, None)?;
    writer.close()
}
