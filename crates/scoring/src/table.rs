//! Datasets as tables in files: CSV and Parquet.

mod parquet;
mod read;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::dataset::Dataset;
use crate::features::Subject;
use crate::row::{INAUTHENTIC, ORGANIC, Origin, Row};

/// Columns after the one that identifies the cluster or account.
const KEY_COLUMNS: [&str; 14] = [
    "label",
    "label_source",
    "weight",
    "campaign",
    "benign_class",
    "world",
    "seed",
    "at_ms",
    "accounts",
    "platform",
    "language",
    "campaign_fold",
    "collection_fold",
    "time_fold",
];

/// Why a dataset could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// The columns are not those of this version.
    #[error(
        "the dataset's columns are not those of this version: {0}; build it again with this version, and keep columns of your own out"
    )]
    Columns(String),
    /// A cell does not hold what its column needs.
    #[error("{place}, column {column}: {value:?} is not {expected}")]
    Cell {
        /// `line` and its number in CSV, `row` and its number in Parquet, both from 1.
        place: String,
        /// Column name.
        column: String,
        /// The content of the cell.
        value: String,
        /// The expected content.
        expected: &'static str,
    },
    /// The CSV itself is broken, or reading or writing failed.
    #[error(transparent)]
    Csv(#[from] csv::Error),
    /// Parquet could not be written.
    #[error("cannot write Parquet: {0}")]
    Parquet(#[from] ::parquet::errors::ParquetError),
    /// Parquet could not be read.
    #[error("cannot read Parquet: {0}")]
    Unreadable(::parquet::errors::ParquetError),
    /// The last bytes could not be written.
    #[error("cannot write the dataset: {0}")]
    Flush(#[from] std::io::Error),
    /// The file does not exist or cannot be read.
    #[error("cannot read the dataset {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// The file's content is wrong.
    #[error("{}: {source}", path.display())]
    In {
        /// The file.
        path: PathBuf,
        /// The fault.
        source: Box<DatasetError>,
    },
}

impl Dataset {
    fn columns(subject: Subject) -> Vec<&'static str> {
        let features = subject.features().iter().map(|feature| feature.name);
        std::iter::once(subject.id_column()).chain(KEY_COLUMNS).chain(features).collect()
    }

    /// Writes a header and one line per row. A value that is not known is an empty cell. Values are
    /// read back exactly.
    ///
    /// # Errors
    /// [`DatasetError::Csv`] and [`DatasetError::Flush`] if writing fails.
    pub fn write_csv(&self, out: impl Write) -> Result<(), DatasetError> {
        let mut writer = csv::Writer::from_writer(out);
        writer.write_record(Dataset::columns(self.subject))?;
        for row in &self.rows {
            let values = row.values.iter().map(|v| v.map(|v| v.to_string()).unwrap_or_default());
            writer.write_record(row.keys().into_iter().chain(values))?;
        }
        writer.flush()?;
        Ok(())
    }

    /// Writes the same table as Parquet, for notebooks: texts, numbers and times with their types;
    /// not known is null.
    ///
    /// # Errors
    /// [`DatasetError::Parquet`] and [`DatasetError::Flush`] if writing fails.
    pub fn write_parquet(&self, out: impl Write + Send) -> Result<(), DatasetError> {
        parquet::write(self.subject, &self.rows, out)
    }

    /// Reads the output of [`Dataset::write_csv`].
    ///
    /// # Errors
    /// [`DatasetError::Columns`] names the columns that differ; [`DatasetError::Cell`] says where a
    /// value is wrong.
    pub fn read_csv(input: impl Read) -> Result<Dataset, DatasetError> {
        read::csv(input)
    }

    /// Reads a file of labelled clusters, CSV or Parquet by its content: as written here, or by a
    /// notebook that kept some of the rows. Columns may be in any order. If all fold columns are
    /// missing, the rows are split again. Every other column must be present, and an unknown column
    /// is refused, because silently leaving out a feature would make another model.
    ///
    /// # Errors
    /// [`DatasetError::Open`], and [`DatasetError::In`] with what is wrong.
    pub fn read(path: &Path) -> Result<Dataset, DatasetError> {
        read::any(path).map_err(|source| match source {
            DatasetError::Open { .. } => source,
            _ => DatasetError::In { path: path.to_owned(), source: Box::new(source) },
        })
    }
}

impl Row {
    /// The cells before those of the features.
    fn keys(&self) -> [String; KEY_COLUMNS.len() + 1] {
        let Origin { inauthentic, label_source, weight, campaign, benign_class, world, seed, language } = &self.origin;
        [
            self.cluster_id.clone(),
            if *inauthentic { INAUTHENTIC } else { ORGANIC }.to_owned(),
            label_source.name().to_owned(),
            weight.to_string(),
            campaign.clone(),
            benign_class.clone(),
            world.clone(),
            seed.to_string(),
            self.at_ms.to_string(),
            self.accounts.to_string(),
            self.platform.clone(),
            language.clone(),
            self.folds.campaign.to_string(),
            self.folds.collection.to_string(),
            self.folds.time.to_string(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::FEATURES;
    use crate::row::tests::row;

    #[test]
    fn csv_reads_back_exactly() {
        let mut values = vec![None; FEATURES.len()];
        values[0] = Some(0.1 + 0.2);
        values[1] = Some(-1e-300);
        let dataset = Dataset { rows: vec![row(values)], ..Dataset::default() };
        let mut bytes = Vec::new();
        dataset.write_csv(&mut bytes).unwrap();
        let back = Dataset::read_csv(bytes.as_slice()).unwrap();
        assert_eq!(back, dataset);
        assert_eq!(back.fingerprint(), dataset.fingerprint());
    }

    #[test]
    fn a_table_of_accounts_reads_back_as_one() {
        let dataset = Dataset::split_of(Subject::Account, &crate::sample::account_rows());
        let mut bytes = Vec::new();
        dataset.write_csv(&mut bytes).unwrap();
        assert!(bytes.starts_with(b"account,label,"));
        assert_eq!(Dataset::read_csv(bytes.as_slice()).unwrap(), dataset);
        let mut parquet = Vec::new();
        dataset.write_parquet(&mut parquet).unwrap();
        assert!(parquet.starts_with(b"PAR1"));
    }

    #[test]
    fn another_feature_list_is_refused_by_name() {
        let mut bytes = Vec::new();
        Dataset::default().write_csv(&mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap().replace("tie_density", "sentiment");
        let error = Dataset::read_csv(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("missing tie_density; unknown sentiment"), "{error}");
    }

    #[test]
    fn a_bad_cell_is_named() {
        let mut bytes = Vec::new();
        Dataset { rows: vec![row(vec![Some(1.5); FEATURES.len()])], ..Dataset::default() }
            .write_csv(&mut bytes)
            .unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let cases = [
            (text.replace("inauthentic", "bad"), "line 2, column label: \"bad\" is not inauthentic or organic"),
            (text.replacen("1.5", "NaN", 1), "line 2, column nats_per_trial: \"NaN\" is not a finite number or empty"),
            (text.replace(",7,", ",x,"), "line 2, column seed: \"x\" is not a whole number"),
            (
                text.replace("simulator", "rumour"),
                "line 2, column label_source: \"rumour\" is not simulator, posts, partner or reviewer",
            ),
            (text.replace(",0.5,", ",-1,"), "line 2, column weight: \"-1\" is not a number that is not negative"),
        ];
        for (text, expected) in cases {
            assert_eq!(Dataset::read_csv(text.as_bytes()).unwrap_err().to_string(), expected);
        }
        // Python's csv ends lines with \r\n.
        let (header, row) = text.split_once('\n').unwrap();
        let table = [header, row.trim_end(), "", row.trim_end(), &row.trim_end().replace("inauthentic", "bad"), ""];
        for end in ["\n", "\r\n"] {
            let error = Dataset::read_csv(table.join(end).as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with("line 5, column label"), "{error}");
        }
    }
}
