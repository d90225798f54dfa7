//! Labelled clusters or accounts as rows of feature values, in memory and as CSV.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use coordination::Cluster;
use sha2::{Digest, Sha256};

use crate::features::{self, Account, Subject};

/// After the one that names the subject.
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
/// Into how many parts campaigns and time are split at most.
const FOLDS: u32 = 10;
pub(crate) const INAUTHENTIC: &str = "inauthentic";
pub(crate) const ORGANIC: &str = "organic";

/// Who says what a cluster is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LabelSource {
    /// The simulator, which planted it.
    Simulator,
    /// The labels of a collection of real posts.
    Posts,
    /// A platform partner's feedback.
    Partner,
    /// A reviewer's verdict.
    Reviewer,
}

impl LabelSource {
    /// All of them.
    pub const ALL: [LabelSource; 4] =
        [LabelSource::Simulator, LabelSource::Posts, LabelSource::Partner, LabelSource::Reviewer];

    /// The name in a dataset.
    pub fn name(self) -> &'static str {
        match self {
            LabelSource::Simulator => "simulator",
            LabelSource::Posts => "posts",
            LabelSource::Partner => "partner",
            LabelSource::Reviewer => "reviewer",
        }
    }
}

/// Where a labelled cluster comes from: everything that is known of it beside its features. No model reads any of it; splits and
/// breakdowns do.
#[derive(Debug, Clone, PartialEq)]
pub struct Origin {
    /// Whether the coordination was inauthentic.
    pub inauthentic: bool,
    /// Who says so.
    pub label_source: LabelSource,
    /// How much the row counts in a fit; 1 is a row of full trust.
    pub weight: f64,
    /// The campaign, or the organic group, that the cluster belongs to.
    pub campaign: String,
    /// What kind of organic group it is, for example `fandom`; empty where it is none or that is not known.
    pub benign_class: String,
    /// The simulator's world, or the collection of real posts.
    pub world: String,
    /// The world's seed; 0 for real posts.
    pub seed: u64,
    /// The language of most of its accounts' posts; empty where not known.
    pub language: String,
}

/// A row's place in the splits of its dataset: rows of one fold are held out together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Folds {
    /// All rows of one campaign or organic group are in one fold; there are at most ten.
    pub campaign: u32,
    /// A world or collection is a fold.
    pub collection: u32,
    /// By event time within each collection, earliest first: what is held out is to be judged by what came before.
    pub time: u32,
}

/// One labelled cluster, or one labelled account.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The cluster's id, to find it again; `platform:account_id` of an account.
    pub cluster_id: String,
    /// Where it comes from, and what it is.
    pub origin: Origin,
    /// Event time of its last act, ms since the epoch.
    pub at_ms: i64,
    /// Number of accounts.
    pub accounts: u64,
    /// The platform of most of its accounts.
    pub platform: String,
    /// Its place in each split; [`Dataset::split`] gives them.
    pub folds: Folds,
    /// Feature values in the order of the subject's [features](Subject::features); `None` where not known.
    pub values: Vec<Option<f64>>,
}

impl Row {
    /// Computes the features of a labelled cluster with the code that scores in service.
    pub fn new(cluster: &Cluster, origin: Origin) -> Row {
        let mut platforms: BTreeMap<&str, usize> = BTreeMap::new();
        for member in &cluster.members {
            *platforms.entry(&member.account.platform).or_insert(0) += 1;
        }
        // Of equals, the last by name.
        let platform = platforms.into_iter().max_by_key(|(_, n)| *n).map_or("", |(name, _)| name);
        Row {
            cluster_id: cluster.id.clone(),
            origin,
            at_ms: cluster.last_seen,
            accounts: cluster.members.len() as u64,
            platform: platform.to_owned(),
            folds: Folds::default(),
            values: features::values(cluster),
        }
    }

    /// Computes the features of a labelled account with the code that ranks accounts in service.
    pub fn of_account(account: &Account, origin: Origin) -> Row {
        let name = &account.evidence.account;
        Row {
            cluster_id: format!("{}:{}", name.platform, name.account_id),
            origin,
            at_ms: account.evidence.last_post,
            accounts: 1,
            platform: name.platform.clone(),
            folds: Folds::default(),
            values: features::account_values(account),
        }
    }

    /// The campaign among all worlds and seeds: what must not be on both sides of a split.
    pub fn campaign_key(&self) -> (&str, u64, &str) {
        (&self.origin.world, self.origin.seed, &self.origin.campaign)
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

/// Labelled clusters, or labelled accounts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dataset {
    /// What the rows are.
    pub subject: Subject,
    /// The rows, in any order: training does not depend on it.
    pub rows: Vec<Row>,
}

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
        /// What stands there.
        value: String,
        /// What should.
        expected: &'static str,
    },
    /// The CSV itself is broken, or reading or writing failed.
    #[error(transparent)]
    Csv(#[from] csv::Error),
    /// Parquet could not be written.
    #[error("cannot write Parquet: {0}")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// Parquet could not be read.
    #[error("cannot read Parquet: {0}")]
    Unreadable(parquet::errors::ParquetError),
    /// The last bytes could not be written.
    #[error("cannot write the dataset: {0}")]
    Flush(#[from] std::io::Error),
    /// There is no such file, or it cannot be read.
    #[error("cannot read the dataset {}: {source}", path.display())]
    Open {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file's content is wrong.
    #[error("{}: {source}", path.display())]
    In {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        source: Box<DatasetError>,
    },
}

impl Dataset {
    /// A dataset of labelled clusters, sorted, each with its place in the splits: the same for the same rows in any order.
    pub fn split(rows: &[Row]) -> Dataset {
        Dataset::split_of(Subject::Cluster, rows)
    }

    /// The same of any subject.
    pub fn split_of(subject: Subject, rows: &[Row]) -> Dataset {
        let mut rows: Vec<Row> = sorted(rows).into_iter().cloned().collect();
        let mut campaigns: BTreeMap<(String, u64, String), u32> = BTreeMap::new();
        let mut worlds: BTreeMap<String, (u32, Vec<(i64, usize)>)> = BTreeMap::new();
        for (at, row) in rows.iter().enumerate() {
            let (world, seed, campaign) = row.campaign_key();
            let next = campaigns.len() as u32;
            campaigns.entry((world.to_owned(), seed, campaign.to_owned())).or_insert(next % FOLDS);
            let next = worlds.len() as u32;
            worlds.entry(world.to_owned()).or_insert((next, Vec::new())).1.push((row.at_ms, at));
        }
        let mut time = vec![0; rows.len()];
        for (_, times) in worlds.values_mut() {
            times.sort_unstable();
            let all = times.len();
            for (rank, (_, at)) in times.iter().enumerate() {
                time[*at] = (rank * FOLDS as usize / all) as u32;
            }
        }
        for (row, time) in rows.iter_mut().zip(time) {
            let (world, seed, campaign) = row.campaign_key();
            let campaign = (world.to_owned(), seed, campaign.to_owned());
            let collection = worlds.get(&campaign.0).map_or(0, |(fold, _)| *fold);
            row.folds = Folds { campaign: campaigns.get(&campaign).copied().unwrap_or(0), collection, time };
        }
        Dataset { subject, rows }
    }

    fn columns(subject: Subject) -> Vec<&'static str> {
        let features = subject.features().iter().map(|feature| feature.name);
        std::iter::once(subject.id_column()).chain(KEY_COLUMNS).chain(features).collect()
    }

    /// Writes a header and one line a row; a value that is not known is an empty cell. Values read back exactly.
    ///
    /// # Errors
    /// [`DatasetError::Csv`] and [`DatasetError::Flush`] where writing fails.
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

    /// Writes the same table as Parquet, for notebooks: texts, numbers and times with their types, not known is null.
    ///
    /// # Errors
    /// [`DatasetError::Parquet`] and [`DatasetError::Flush`] where writing fails.
    pub fn write_parquet(&self, out: impl Write + Send) -> Result<(), DatasetError> {
        crate::parquet::write(self.subject, &self.rows, out)
    }

    /// Reads what [`Dataset::write_csv`] wrote.
    ///
    /// # Errors
    /// [`DatasetError::Columns`] names the columns that differ; [`DatasetError::Cell`] says where a value is wrong.
    pub fn read_csv(input: impl Read) -> Result<Dataset, DatasetError> {
        crate::read::csv(input)
    }

    /// Reads a file of labelled clusters, CSV or Parquet by its content: as written here, or by a notebook that kept some of the rows.
    /// Columns may come in any order. Where none of the folds is there, the rows are split anew; every other column must be there, and
    /// one that this version does not know is refused, since a feature that is silently left out would make another model.
    ///
    /// # Errors
    /// [`DatasetError::Open`], and [`DatasetError::In`] with what is wrong.
    pub fn read(path: &Path) -> Result<Dataset, DatasetError> {
        crate::read::any(path).map_err(|source| match source {
            DatasetError::Open { .. } => source,
            _ => DatasetError::In { path: path.to_owned(), source: Box::new(source) },
        })
    }

    /// SHA-256 over the sorted rows, in hexadecimal: the same clusters have the same fingerprint in any order.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for row in sorted(&self.rows) {
            hash.update(format!("{row:?}\n").as_bytes());
        }
        text_format::hex(&hash.finalize())
    }
}

/// Rows in an order of their own, so that the order of the input cannot change a fit.
pub(crate) fn sorted(rows: &[Row]) -> Vec<&Row> {
    let mut rows: Vec<&Row> = rows.iter().collect();
    let bits = |row: &Row| -> Vec<Option<u64>> { row.values.iter().map(|v| v.map(f64::to_bits)).collect() };
    rows.sort_by(|a, b| {
        let key = |row: &'_ Row| (row.at_ms, row.accounts, row.origin.inauthentic, row.origin.label_source);
        let words = |row: &'_ Row| [row.cluster_id.clone(), row.platform.clone(), row.origin.language.clone()];
        (a.campaign_key().cmp(&b.campaign_key()))
            .then_with(|| a.cluster_id.cmp(&b.cluster_id))
            .then_with(|| key(a).cmp(&key(b)))
            .then_with(|| words(a).cmp(&words(b)))
            .then_with(|| a.origin.weight.total_cmp(&b.origin.weight))
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
    use crate::features::FEATURES;

    fn row(values: Vec<Option<f64>>) -> Row {
        Row {
            cluster_id: "c, \"1\"".into(),
            origin: Origin {
                inauthentic: true,
                label_source: LabelSource::Simulator,
                weight: 0.5,
                campaign: "planted".into(),
                benign_class: String::new(),
                world: "mixed".into(),
                seed: 7,
                language: "de".into(),
            },
            at_ms: 1_400_000_000_000,
            accounts: 12,
            platform: "x".into(),
            folds: Folds { campaign: 3, collection: 1, time: 9 },
            values,
        }
    }

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

    #[test]
    fn splits_keep_campaigns_and_collections_whole_and_time_in_order() {
        let rows: Vec<Row> = (0..200)
            .map(|n| {
                let mut row = row(vec![Some(f64::from(n)); FEATURES.len()]);
                row.at_ms = i64::from(n * 7919 % 1000);
                row.origin.world = format!("w{}", n % 3);
                row.origin.campaign = format!("c{}", n % 41);
                row
            })
            .collect();
        let dataset = Dataset::split(&rows);
        let shuffled: Vec<Row> = rows.iter().rev().cloned().collect();
        assert_eq!(dataset, Dataset::split(&shuffled));
        for a in &dataset.rows {
            for b in &dataset.rows {
                let same = |x: bool, y: bool| !x || y;
                assert!(same(a.campaign_key() == b.campaign_key(), a.folds.campaign == b.folds.campaign));
                assert_eq!(a.origin.world == b.origin.world, a.folds.collection == b.folds.collection);
                assert!(same(a.origin.world == b.origin.world && a.folds.time < b.folds.time, a.at_ms <= b.at_ms));
            }
        }
        for fold in 0..10 {
            assert!(dataset.rows.iter().any(|row| row.folds.campaign == fold));
            assert!(dataset.rows.iter().any(|row| row.folds.time == fold));
        }
    }

    #[test]
    fn the_fingerprint_does_not_depend_on_order() {
        let a = row(vec![Some(1.0); FEATURES.len()]);
        let b = row(vec![None; FEATURES.len()]);
        let one = Dataset { rows: vec![a.clone(), b.clone()], ..Dataset::default() };
        let other = Dataset { rows: vec![b, a], ..Dataset::default() };
        assert_eq!(one.fingerprint(), other.fingerprint());
    }
}
