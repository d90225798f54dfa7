//! Labelled clusters as rows of feature values, in memory and as CSV.

use std::io::{Read, Write};

use coordination::Cluster;
use sha2::{Digest, Sha256};

use crate::features::{self, FEATURES};

const KEY_COLUMNS: [&str; 5] = ["cluster_id", "label", "campaign", "world", "seed"];
const INAUTHENTIC: &str = "inauthentic";
const ORGANIC: &str = "organic";

/// One labelled cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The cluster's id, to find it again.
    pub cluster_id: String,
    /// Whether the coordination was inauthentic.
    pub inauthentic: bool,
    /// The campaign, or the organic group, that the cluster belongs to.
    pub campaign: String,
    /// The simulator's world, or the collection of real posts.
    pub world: String,
    /// The world's seed; 0 for real posts.
    pub seed: u64,
    /// Feature values in the order of [`FEATURES`]; `None` where not known.
    pub values: Vec<Option<f64>>,
}

impl Row {
    /// Computes the features of a labelled cluster with the code that scores in service.
    pub fn new(cluster: &Cluster, inauthentic: bool, campaign: &str, world: &str, seed: u64) -> Row {
        Row {
            cluster_id: cluster.id.clone(),
            inauthentic,
            campaign: campaign.to_owned(),
            world: world.to_owned(),
            seed,
            values: features::values(cluster),
        }
    }
}

/// Labelled clusters.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dataset {
    /// The rows, in any order: training does not depend on it.
    pub rows: Vec<Row>,
}

/// Why a dataset could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// The columns are not those of this version.
    #[error("the dataset's columns are not those of this version: {0}; build it again with this version")]
    Columns(String),
    /// A cell does not hold what its column needs.
    #[error("line {line}, column {column}: {value:?} is not {expected}")]
    Cell {
        /// Line in the file, from 1.
        line: u64,
        /// Column name.
        column: String,
        /// What stands there.
        value: String,
        /// What should.
        expected: &'static str,
    },
    /// The CSV itself is broken, or reading or writing failed.
    #[error(transparent)]
    Csv(#[from] csv::Error),
    /// The last bytes could not be written.
    #[error("cannot write the dataset: {0}")]
    Flush(#[from] std::io::Error),
}

impl Dataset {
    /// Writes a header and one line a row; a value that is not known is an empty cell. Values read back exactly.
    ///
    /// # Errors
    /// [`DatasetError::Csv`] and [`DatasetError::Flush`] where writing fails.
    pub fn write_csv(&self, out: impl Write) -> Result<(), DatasetError> {
        let mut writer = csv::Writer::from_writer(out);
        writer.write_record(KEY_COLUMNS.into_iter().chain(FEATURES.iter().map(|f| f.name)))?;
        for row in &self.rows {
            let label = if row.inauthentic { INAUTHENTIC } else { ORGANIC };
            let keys = [&row.cluster_id, label, &row.campaign, &row.world].map(str::to_owned);
            let values = row.values.iter().map(|v| v.map(|v| v.to_string()).unwrap_or_default());
            writer.write_record(keys.into_iter().chain([row.seed.to_string()]).chain(values))?;
        }
        writer.flush()?;
        Ok(())
    }

    /// Reads what [`Dataset::write_csv`] wrote.
    ///
    /// # Errors
    /// [`DatasetError::Columns`] names the columns that differ; [`DatasetError::Cell`] says where a value is wrong.
    pub fn read_csv(input: impl Read) -> Result<Dataset, DatasetError> {
        let mut reader = csv::Reader::from_reader(input);
        let columns: Vec<String> = reader.headers()?.iter().map(str::to_owned).collect();
        let expected: Vec<&str> = KEY_COLUMNS.into_iter().chain(FEATURES.iter().map(|f| f.name)).collect();
        if let Some(difference) = name_difference(&columns, &expected) {
            return Err(DatasetError::Columns(difference));
        }
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record?;
            let line = record.position().map_or(0, csv::Position::line);
            let cell = |at: usize| record.get(at).unwrap_or_default();
            let wrong = |at: usize, expected| DatasetError::Cell {
                line,
                column: columns[at].clone(),
                value: cell(at).to_owned(),
                expected,
            };
            let inauthentic = match cell(1) {
                INAUTHENTIC => true,
                ORGANIC => false,
                _ => return Err(wrong(1, "inauthentic or organic")),
            };
            let value = |at: usize| match cell(at) {
                "" => Ok(None),
                text => match text.parse::<f64>() {
                    Ok(v) if v.is_finite() => Ok(Some(v)),
                    _ => Err(wrong(at, "a finite number or empty")),
                },
            };
            rows.push(Row {
                cluster_id: cell(0).to_owned(),
                inauthentic,
                campaign: cell(2).to_owned(),
                world: cell(3).to_owned(),
                seed: cell(4).parse().map_err(|_| wrong(4, "a whole number"))?,
                values: (KEY_COLUMNS.len()..columns.len()).map(value).collect::<Result<_, _>>()?,
            });
        }
        Ok(Dataset { rows })
    }

    /// SHA-256 over the sorted rows, in hexadecimal: the same clusters have the same fingerprint in any order.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for row in sorted(&self.rows) {
            hash.update(format!("{row:?}\n").as_bytes());
        }
        features::hex(&hash.finalize())
    }
}

/// Rows in an order of their own, so that the order of the input cannot change a fit.
pub(crate) fn sorted(rows: &[Row]) -> Vec<&Row> {
    let mut rows: Vec<&Row> = rows.iter().collect();
    let bits = |row: &Row| -> Vec<Option<u64>> { row.values.iter().map(|v| v.map(f64::to_bits)).collect() };
    rows.sort_by(|a, b| {
        (&a.world, a.seed, &a.campaign, &a.cluster_id, a.inauthentic)
            .cmp(&(&b.world, b.seed, &b.campaign, &b.cluster_id, b.inauthentic))
            .then_with(|| bits(a).cmp(&bits(b)))
    });
    rows
}

/// Says in words how a list of names differs from the expected one; `None` where it does not.
pub(crate) fn name_difference(found: &[String], expected: &[&str]) -> Option<String> {
    let missing: Vec<&str> = expected.iter().copied().filter(|e| !found.iter().any(|f| f == e)).collect();
    let unknown: Vec<&str> = found.iter().map(String::as_str).filter(|f| !expected.contains(f)).collect();
    let mut parts = Vec::new();
    if !missing.is_empty() {
        parts.push(format!("missing {}", missing.join(", ")));
    }
    if !unknown.is_empty() {
        parts.push(format!("unknown {}", unknown.join(", ")));
    }
    if parts.is_empty() && found.iter().ne(expected.iter()) {
        let at = found.iter().zip(expected).position(|(f, e)| f != e);
        parts.push(match at {
            Some(at) => format!("other order, first at {} in place of {}", found[at], expected[at]),
            None => format!("{} in place of {}", found.len(), expected.len()),
        });
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(values: Vec<Option<f64>>) -> Row {
        Row {
            cluster_id: "c, \"1\"".into(),
            inauthentic: true,
            campaign: "planted".into(),
            world: "mixed".into(),
            seed: 7,
            values,
        }
    }

    #[test]
    fn csv_reads_back_exactly() {
        let mut values = vec![None; FEATURES.len()];
        values[0] = Some(0.1 + 0.2);
        values[1] = Some(-1e-300);
        let dataset = Dataset { rows: vec![row(values)] };
        let mut bytes = Vec::new();
        dataset.write_csv(&mut bytes).unwrap();
        let back = Dataset::read_csv(bytes.as_slice()).unwrap();
        assert_eq!(back, dataset);
        assert_eq!(back.fingerprint(), dataset.fingerprint());
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
        Dataset { rows: vec![row(vec![Some(1.5); FEATURES.len()])] }.write_csv(&mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let cases = [
            (text.replace("inauthentic", "bad"), "line 2, column label: \"bad\" is not inauthentic or organic"),
            (text.replacen("1.5", "NaN", 1), "line 2, column log_e: \"NaN\" is not a finite number or empty"),
            (text.replace(",7,", ",x,"), "line 2, column seed: \"x\" is not a whole number"),
        ];
        for (text, expected) in cases {
            assert_eq!(Dataset::read_csv(text.as_bytes()).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn the_fingerprint_does_not_depend_on_order() {
        let a = row(vec![Some(1.0); FEATURES.len()]);
        let b = row(vec![None; FEATURES.len()]);
        let one = Dataset { rows: vec![a.clone(), b.clone()] };
        let other = Dataset { rows: vec![b, a] };
        assert_eq!(one.fingerprint(), other.fingerprint());
    }
}
