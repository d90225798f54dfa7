//! Reads datasets from files, as written by Lockstep or by a notebook that kept some of the rows.
//! Columns are found by name, in any order, in CSV and in Parquet.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use parquet::basic::{ConvertedType, LogicalType, TimeUnit};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;

use super::DatasetError;
use crate::dataset::Dataset;
use crate::features::Subject;
use crate::row::{Folds, INAUTHENTIC, LabelSource, ORGANIC, Origin, Row};

/// The first bytes of a Parquet file.
const MAGIC: &[u8] = b"PAR1";
/// Required columns of text, besides the identifier.
const TEXTS: [&str; 6] = ["label_source", "campaign", "benign_class", "world", "platform", "language"];
const WHOLES: [&str; 2] = ["seed", "accounts"];
const FOLDS: [&str; 3] = ["campaign_fold", "collection_fold", "time_fold"];
/// The label as a word or as a flag, and the time in milliseconds or as a time: CSV has the first
/// form, Parquet the second.
const LABEL: [&str; 2] = ["label", "inauthentic"];
const TIME: [&str; 2] = ["at_ms", "at"];
/// Names of the column that pandas adds for its row numbers.
const ROW_NUMBERS: [&str; 3] = ["", "Unnamed: 0", "__index_level_0__"];

pub(crate) fn any(path: &Path) -> Result<Dataset, DatasetError> {
    let cannot = |source| DatasetError::Open { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(cannot)?;
    let mut begins = [0; MAGIC.len()];
    let is_parquet = file.read_exact(&mut begins).is_ok() && begins == MAGIC;
    file.rewind().map_err(cannot)?;
    if is_parquet { parquet(file) } else { csv(BufReader::new(file)) }
}

pub(crate) fn csv(mut input: impl Read) -> Result<Dataset, DatasetError> {
    let mut text = Vec::new();
    input.read_to_end(&mut text)?;
    let mut reader = csv::Reader::from_reader(&*text);
    let columns = Columns::find(reader.headers()?.iter().map(str::to_owned).collect())?;
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record?;
        let begins = record.position().map_or(0, csv::Position::byte) as usize;
        let cell = |text: &str| if text.is_empty() { Cell::Missing } else { Cell::Text(text.to_owned()) };
        let cells: Vec<Cell> = record.iter().map(cell).collect();
        rows.push(columns.row(&cells, || format!("line {}", line_at(&text, begins)))?);
    }
    Ok(columns.dataset(rows))
}

/// The number of the line on which a record begins. The CSV reader's own count is one too low after
/// each line end of the form `\r
/// `.
fn line_at(text: &[u8], begins: usize) -> usize {
    let ends = text[begins..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    1 + text[..begins + ends].iter().filter(|byte| **byte == b'\n').count()
}

fn parquet(file: File) -> Result<Dataset, DatasetError> {
    let reader = guarded(|| SerializedFileReader::new(file))?;
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    let names = schema.root_schema().get_fields().iter().map(|field| field.name().to_owned()).collect();
    let columns = Columns::find(names)?;
    let units: Vec<i64> = schema
        .columns()
        .iter()
        .map(|column| match (column.logical_type_ref(), column.converted_type()) {
            (Some(LogicalType::Timestamp(time)), _) => match time.unit {
                TimeUnit::MILLIS => 1,
                TimeUnit::MICROS => 1_000,
                TimeUnit::NANOS => 1_000_000,
            },
            (_, ConvertedType::TIMESTAMP_MICROS) => 1_000,
            _ => 1,
        })
        .collect();
    if units.len() != columns.names.len() {
        return Err(DatasetError::Columns("a column is nested".to_owned()));
    }
    let mut rows = Vec::new();
    let mut found = guarded(|| reader.get_row_iter(None))?;
    for number in 1_u64.. {
        let Some(row) = guarded(|| found.next().transpose())? else { break };
        let cells = row.get_column_iter().zip(&units);
        let cells: Vec<Cell> = cells.map(|((_, field), unit)| Cell::of(field, *unit)).collect();
        rows.push(columns.row(&cells, || format!("row {number}"))?);
    }
    Ok(columns.dataset(rows))
}

/// The library panics on some damaged files; this counts as damage. Nothing is used after a panic.
fn guarded<T>(read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, DatasetError> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(ParquetError::General("its pages contradict each other".to_owned())))
        .map_err(DatasetError::Unreadable)
}

/// The content of a cell.
enum Cell {
    Missing,
    Text(String),
    Flag(bool),
    Whole(i64),
    Number(f64),
    /// A value of a type that no column has.
    Other(String),
}

impl Cell {
    /// `per_ms` is the number of the time's units in a millisecond.
    fn of(field: &Field, per_ms: i64) -> Cell {
        match field {
            Field::Null => Cell::Missing,
            Field::Str(text) => Cell::Text(text.clone()),
            Field::Bool(flag) => Cell::Flag(*flag),
            Field::Byte(n) => Cell::Whole((*n).into()),
            Field::Short(n) => Cell::Whole((*n).into()),
            Field::Int(n) => Cell::Whole((*n).into()),
            Field::UByte(n) => Cell::Whole((*n).into()),
            Field::UShort(n) => Cell::Whole((*n).into()),
            Field::UInt(n) => Cell::Whole((*n).into()),
            // Seeds in the upper half of the range are written as the negative numbers with the
            // same bits.
            Field::ULong(n) => Cell::Whole(*n as i64),
            Field::Long(n) | Field::TimestampMillis(n) | Field::TimestampMicros(n) => Cell::Whole(n.div_euclid(per_ms)),
            // Notebooks write NaN for a missing value.
            Field::Double(x) if x.is_nan() => Cell::Missing,
            Field::Float(x) if x.is_nan() => Cell::Missing,
            Field::Double(x) => Cell::Number(*x),
            Field::Float(x) => Cell::Number((*x).into()),
            other => Cell::Other(other.to_string()),
        }
    }

    fn text(&self) -> Option<String> {
        match self {
            Cell::Missing => Some(String::new()),
            Cell::Text(text) => Some(text.clone()),
            // Some programs turn names that are all digits into numbers.
            Cell::Whole(n) => Some(n.to_string()),
            _ => None,
        }
    }

    fn flag(&self) -> Option<bool> {
        match self {
            Cell::Flag(flag) => Some(*flag),
            Cell::Text(text) => match text.as_str() {
                INAUTHENTIC | "true" | "True" => Some(true),
                ORGANIC | "false" | "False" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    fn whole(&self) -> Option<i64> {
        match self {
            Cell::Whole(n) => Some(*n),
            // The same number in another form; from 2^53 on it would not be exact.
            Cell::Number(x) if x.fract() == 0.0 && x.abs() < 9e15 => Some(*x as i64),
            Cell::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Cell::Whole(n) => Some(*n as f64),
            Cell::Number(x) => Some(*x),
            Cell::Text(text) => text.parse().ok(),
            _ => None,
        }
        .filter(|x| x.is_finite())
    }

    fn shown(&self) -> String {
        match self {
            Cell::Missing => String::new(),
            Cell::Text(text) | Cell::Other(text) => text.clone(),
            Cell::Flag(flag) => flag.to_string(),
            Cell::Whole(n) => n.to_string(),
            Cell::Number(x) => x.to_string(),
        }
    }
}

/// The place of each column of a dataset in a table.
struct Columns {
    subject: Subject,
    names: Vec<String>,
    id: usize,
    texts: [usize; TEXTS.len()],
    label: usize,
    weight: usize,
    at: usize,
    wholes: [usize; WHOLES.len()],
    /// `None` if the table has none of them: then the rows are split again.
    folds: Option<[usize; FOLDS.len()]>,
    features: Vec<usize>,
}

impl Columns {
    fn find(names: Vec<String>) -> Result<Columns, DatasetError> {
        // The name of a table's identifier column shows its subject.
        let named = |subject: &Subject| names.iter().any(|name| name == subject.id_column());
        let subject = Subject::ALL.into_iter().find(named).unwrap_or_default();
        let mut used = vec![false; names.len()];
        let mut missing = Vec::new();
        let mut one = |wanted: &[&'static str]| -> usize {
            let at = names.iter().position(|name| wanted.contains(&name.as_str()));
            match at {
                Some(at) => used[at] = true,
                None => missing.push(wanted.join(" or ")),
            }
            at.unwrap_or_default()
        };
        let id = one(&[subject.id_column()]);
        let texts = TEXTS.map(|name| one(&[name]));
        let (label, weight, at) = (one(&LABEL), one(&["weight"]), one(&TIME));
        let wholes = WHOLES.map(|name| one(&[name]));
        let split = FOLDS.iter().any(|fold| names.iter().any(|name| name == fold));
        let folds = split.then(|| FOLDS.map(|name| one(&[name])));
        let features = subject.features().iter().map(|feature| one(&[feature.name])).collect();
        let left = names.iter().zip(&used).filter(|(name, used)| !**used && !ROW_NUMBERS.contains(&name.as_str()));
        let left: Vec<&str> = left.map(|(name, _)| name.as_str()).collect();
        let mut parts = Vec::new();
        if !missing.is_empty() {
            parts.push(format!("missing {}", missing.join(", ")));
        }
        if !left.is_empty() {
            parts.push(format!("unknown {}", left.join(", ")));
        }
        let none = !used.iter().any(|used| *used);
        if none {
            parts = vec!["it has none of them".to_owned()];
        }
        if parts.is_empty() {
            return Ok(Columns { subject, id, texts, label, weight, at, wholes, folds, features, names });
        }
        Err(DatasetError::Columns(parts.join("; ")))
    }

    fn row(&self, cells: &[Cell], place: impl Fn() -> String) -> Result<Row, DatasetError> {
        let cell = |at: usize| cells.get(at).unwrap_or(&Cell::Missing);
        let wrong = |at: usize, expected: &'static str| DatasetError::Cell {
            place: place(),
            column: self.names[at].clone(),
            value: cell(at).shown(),
            expected,
        };
        let text = |of: usize| cell(self.texts[of]).text().ok_or_else(|| wrong(self.texts[of], "a text"));
        let whole = |at: usize| cell(at).whole().ok_or_else(|| wrong(at, "a whole number"));
        let unsigned = |at: usize| u32::try_from(whole(at)?).map_err(|_| wrong(at, "a whole number"));
        let id = cell(self.id).text().ok_or_else(|| wrong(self.id, "a text"));
        let [said_by, campaign, benign_class, world, platform, language] = std::array::from_fn(text);
        let said_by = said_by?;
        let label_source = LabelSource::ALL.into_iter().find(|source| source.name() == said_by);
        let weight = cell(self.weight).number().filter(|weight| *weight >= 0.0);
        let inauthentic = cell(self.label).flag();
        let [seed, accounts] = self.wholes;
        let seed_value = match cell(seed) {
            Cell::Text(text) => text.parse::<u64>().ok(),
            other => other.whole().map(|n| n as u64),
        };
        let accounts_value = cell(accounts).whole().and_then(|n| u64::try_from(n).ok());
        let folds = match self.folds {
            Some([campaign, collection, time]) => {
                Folds { campaign: unsigned(campaign)?, collection: unsigned(collection)?, time: unsigned(time)? }
            }
            None => Folds::default(),
        };
        let value = |at: &usize| match cell(*at) {
            Cell::Missing => Ok(None),
            known => known.number().map(Some).ok_or_else(|| wrong(*at, "a finite number or empty")),
        };
        Ok(Row {
            cluster_id: id?,
            origin: Origin {
                inauthentic: inauthentic.ok_or_else(|| match self.names[self.label].as_str() {
                    "label" => wrong(self.label, "inauthentic or organic"),
                    _ => wrong(self.label, "true or false"),
                })?,
                label_source: label_source
                    .ok_or_else(|| wrong(self.texts[0], "simulator, posts, partner or reviewer"))?,
                weight: weight.ok_or_else(|| wrong(self.weight, "a number that is not negative"))?,
                campaign: campaign?,
                benign_class: benign_class?,
                world: world?,
                seed: seed_value.ok_or_else(|| wrong(seed, "a whole number"))?,
                language: language?,
            },
            at_ms: cell(self.at).whole().ok_or_else(|| wrong(self.at, "a time in whole milliseconds since 1970"))?,
            accounts: accounts_value.ok_or_else(|| wrong(accounts, "a whole number"))?,
            platform: platform?,
            folds,
            values: self.features.iter().map(value).collect::<Result<_, _>>()?,
        })
    }

    fn dataset(&self, rows: Vec<Row>) -> Dataset {
        match self.folds {
            Some(_) => Dataset { subject: self.subject, rows },
            None => Dataset::split_of(self.subject, &rows),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    const CASES: u32 = 64;

    fn rows() -> Vec<Row> {
        let mut rows = sample::rows(0.3);
        for (n, row) in rows.iter_mut().enumerate() {
            row.values[n % 7] = None;
            row.origin.weight = 1.0 / (n + 1) as f64;
            row.origin.seed = if n == 0 { u64::MAX } else { n as u64 };
        }
        Dataset::split(&rows).rows
    }

    fn written(dataset: &Dataset) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        dataset.write_csv(File::create(dir.path().join("a.csv")).unwrap()).unwrap();
        dataset.write_parquet(File::create(dir.path().join("a.parquet")).unwrap()).unwrap();
        dir
    }

    #[test]
    fn both_forms_read_back_exactly_whatever_the_file_is_called() {
        let dataset = Dataset { subject: Subject::Cluster, rows: rows() };
        let dir = written(&dataset);
        for name in ["a.csv", "a.parquet"] {
            let other = dir.path().join("other");
            std::fs::rename(dir.path().join(name), &other).unwrap();
            assert_eq!(Dataset::read(&other).unwrap(), dataset, "{name}");
        }
        let empty = written(&Dataset::default());
        for name in ["a.csv", "a.parquet"] {
            assert_eq!(Dataset::read(&empty.path().join(name)).unwrap(), Dataset::default(), "{name}");
        }
    }

    /// The CSV with its columns changed: reversed, some removed, some added.
    fn changed(dataset: &Dataset, keep: impl Fn(&str) -> bool, add: &str) -> String {
        let mut bytes = Vec::new();
        dataset.write_csv(&mut bytes).unwrap();
        let mut reader = csv::Reader::from_reader(bytes.as_slice());
        let headers = reader.headers().unwrap().clone();
        let at: Vec<usize> = (0..headers.len()).rev().filter(|at| keep(&headers[*at])).collect();
        let mut writer = csv::Writer::from_writer(Vec::new());
        let line = |record: &csv::StringRecord, more: &str| -> Vec<String> {
            at.iter().map(|at| record[*at].to_owned()).chain([more.to_owned()]).collect()
        };
        writer.write_record(line(&headers, add)).unwrap();
        for record in reader.records() {
            writer.write_record(line(&record.unwrap(), "7")).unwrap();
        }
        String::from_utf8(writer.into_inner().unwrap()).unwrap()
    }

    #[test]
    fn a_notebook_may_order_the_columns_and_leave_out_the_folds() {
        let dataset = Dataset { subject: Subject::Cluster, rows: rows() };
        // pandas writes its row numbers under an empty name.
        let text = changed(&dataset, |_| true, "");
        assert_eq!(Dataset::read_csv(text.as_bytes()).unwrap(), dataset);
        let text = changed(&dataset, |name| !name.ends_with("_fold"), "");
        assert_eq!(Dataset::read_csv(text.as_bytes()).unwrap(), dataset, "split as before");
    }

    #[test]
    fn columns_that_are_missing_or_unknown_are_named() {
        let dataset = Dataset { subject: Subject::Cluster, rows: rows() };
        let refused = |text: String| Dataset::read_csv(text.as_bytes()).unwrap_err().to_string();
        let text = refused(changed(&dataset, |name| name != "tie_density" && name != "time_fold", "mood"));
        assert!(text.contains("missing time_fold, tie_density; unknown mood"), "{text}");
        let text = refused(changed(&dataset, |name| name != "label", "tie_density"));
        assert!(
            text.contains("missing label or inauthentic; unknown tie_density"),
            "a name that is there twice: {text}"
        );
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(CASES))]
        #[test]
        fn damaged_files_are_datasets_or_errors(edits in proptest::collection::vec(proptest::arbitrary::any::<(u16, u8)>(), 1..6), cut: u16) {
            let dir = written(&Dataset { subject: Subject::Cluster, rows: rows().into_iter().take(12).collect() });
            for name in ["a.csv", "a.parquet"] {
                let path = dir.path().join(name);
                let mut bytes = std::fs::read(&path).unwrap();
                for (at, byte) in &edits {
                    let at = usize::from(*at) % bytes.len();
                    bytes[at] = *byte;
                }
                if cut % 3 == 0 {
                    bytes.truncate(usize::from(cut) % bytes.len());
                }
                std::fs::write(&path, &bytes).unwrap();
                if let Err(error) = Dataset::read(&path) {
                    proptest::prop_assert!(!error.to_string().is_empty());
                }
            }
        }
    }

    #[test]
    fn what_is_no_dataset_is_refused_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let missing = Dataset::read(&path).unwrap_err().to_string();
        assert!(missing.starts_with(&format!("cannot read the dataset {}", path.display())), "{missing}");
        for (bytes, expected) in [
            (&b"PAR1 and nothing else"[..], "Parquet"),
            (b"a,b\n1,2\n", "it has none of them"),
            (b"", "it has none of them"),
        ] {
            std::fs::write(&path, bytes).unwrap();
            let refused = Dataset::read(&path).unwrap_err().to_string();
            assert!(refused.contains(expected), "{refused}");
        }
    }
}
