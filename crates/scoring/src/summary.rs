//! Counts of a dataset, for people to look at before they train on it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::rounding::six_decimals;
use crate::{Dataset, Folds, Row, Subject};

/// A dataset in numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Whether rows are clusters or accounts.
    pub subject: Subject,
    /// [`Dataset::fingerprint`].
    pub fingerprint: String,
    /// Hash of the list of features.
    pub feature_schema: String,
    /// Labelled clusters.
    pub rows: usize,
    /// Those that are inauthentic.
    pub inauthentic: usize,
    /// Campaigns and organic groups.
    pub campaigns: usize,
    /// Sum of the rows' weights.
    pub weight: f64,
    /// By source of the labels and by world or collection.
    pub groups: Vec<GroupSummary>,
    /// Organic clusters by kind of group, if known.
    pub benign_classes: BTreeMap<String, usize>,
    /// The parts of each split.
    pub folds: Vec<FoldSummary>,
    /// Feature by feature, in their order.
    pub features: Vec<FeatureSummary>,
}

/// Rows with one source of labels, of one world or collection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupSummary {
    /// Who labelled them.
    pub label_source: String,
    /// The world or collection.
    pub collection: String,
    /// Seeds of the world; 1 for real posts.
    pub seeds: usize,
    /// Labelled clusters.
    pub rows: usize,
    /// Those that are inauthentic.
    pub inauthentic: usize,
    /// Campaigns and organic groups.
    pub campaigns: usize,
    /// Sum of their weights.
    pub weight: f64,
}

/// One fold of one split: its rows are held out together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoldSummary {
    /// The column: `campaign_fold`, `collection_fold` or `time_fold`.
    pub split: String,
    /// Its number.
    pub fold: u32,
    /// Labelled clusters in it.
    pub rows: usize,
    /// Those that are inauthentic.
    pub inauthentic: usize,
}

/// One feature over all rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureSummary {
    /// Its name.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// Rows in which it is not known.
    pub missing: usize,
    /// Number of inauthentic rows among them. If its share is far from that of all rows, a known
    /// value is itself a sign of the label, perhaps because of how the rows were collected.
    pub missing_inauthentic: usize,
    /// Least known value.
    pub least: Option<f64>,
    /// Median of the known values.
    pub median: Option<f64>,
    /// Greatest known value.
    pub most: Option<f64>,
}

impl Dataset {
    /// Counts the rows.
    pub fn summary(&self) -> Summary {
        let mut by_group: BTreeMap<(&str, &str), Vec<&Row>> = BTreeMap::new();
        let mut benign_classes = BTreeMap::new();
        for row in &self.rows {
            let group = (row.origin.label_source.name(), row.origin.world.as_str());
            by_group.entry(group).or_default().push(row);
            if !row.origin.benign_class.is_empty() {
                *benign_classes.entry(row.origin.benign_class.clone()).or_insert(0) += 1;
            }
        }
        let groups = by_group.into_iter().map(|((label_source, collection), rows)| GroupSummary {
            label_source: label_source.to_owned(),
            collection: collection.to_owned(),
            seeds: rows.iter().map(|row| row.origin.seed).collect::<BTreeSet<_>>().len(),
            rows: rows.len(),
            inauthentic: inauthentic(&rows),
            campaigns: campaigns(&rows),
            weight: weight(&rows),
        });
        let all: Vec<&Row> = self.rows.iter().collect();
        Summary {
            subject: self.subject,
            fingerprint: self.fingerprint(),
            feature_schema: self.subject.schema_hash(),
            rows: all.len(),
            inauthentic: inauthentic(&all),
            campaigns: campaigns(&all),
            weight: weight(&all),
            groups: groups.collect(),
            benign_classes,
            folds: self.folds(),
            features: (0..self.subject.features().len()).map(|at| self.feature(at)).collect(),
        }
    }

    fn folds(&self) -> Vec<FoldSummary> {
        let splits = ["campaign_fold", "collection_fold", "time_fold"];
        let mut counts: BTreeMap<(usize, u32), (usize, usize)> = BTreeMap::new();
        for row in &self.rows {
            let Folds { campaign, collection, time } = row.folds;
            for place in [campaign, collection, time].into_iter().enumerate() {
                let count = counts.entry(place).or_default();
                count.0 += 1;
                count.1 += usize::from(row.origin.inauthentic);
            }
        }
        let fold = |((split, fold), (rows, inauthentic)): ((usize, u32), (usize, usize))| FoldSummary {
            split: splits[split].to_owned(),
            fold,
            rows,
            inauthentic,
        };
        counts.into_iter().map(fold).collect()
    }

    fn feature(&self, at: usize) -> FeatureSummary {
        let value = |row: &Row| row.values.get(at).copied().flatten();
        let mut known: Vec<f64> = self.rows.iter().filter_map(value).collect();
        known.sort_by(f64::total_cmp);
        let unknown: Vec<&Row> = self.rows.iter().filter(|row| value(row).is_none()).collect();
        FeatureSummary {
            name: self.subject.features()[at].name.to_owned(),
            unit: self.subject.features()[at].unit.to_owned(),
            missing: unknown.len(),
            missing_inauthentic: inauthentic(&unknown),
            least: known.first().copied(),
            // The lower one of two middle values.
            median: known.get(known.len().saturating_sub(1) / 2).copied(),
            most: known.last().copied(),
        }
    }
}

fn inauthentic(rows: &[&Row]) -> usize {
    rows.iter().filter(|row| row.origin.inauthentic).count()
}

fn campaigns(rows: &[&Row]) -> usize {
    rows.iter().map(|row| row.campaign_key()).collect::<BTreeSet<_>>().len()
}

fn weight(rows: &[&Row]) -> f64 {
    // Rounded for display: the last digits depend on the order of addition.
    six_decimals(rows.iter().map(|row| row.origin.weight).sum::<f64>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LabelSource, sample};

    #[test]
    fn everything_is_counted_once() {
        let mut rows = sample::rows(0.3);
        for (n, row) in rows.iter_mut().enumerate() {
            row.origin.world = ["a", "b", "c"][n % 3].to_owned();
            row.origin.label_source = LabelSource::ALL[n % 2];
            row.origin.weight = 0.5;
            row.values[0] = (n % 4 != 0).then_some(n as f64);
        }
        let dataset = Dataset::split(&rows);
        let summary = dataset.summary();
        let inauthentic = rows.iter().filter(|row| row.origin.inauthentic).count();
        assert_eq!(
            (summary.rows, summary.inauthentic, summary.weight),
            (rows.len(), inauthentic, rows.len() as f64 / 2.0)
        );
        assert_eq!(summary.groups.len(), 6);
        assert_eq!(summary.groups.iter().map(|group| group.rows).sum::<usize>(), rows.len());
        assert_eq!(summary.groups.iter().map(|group| group.inauthentic).sum::<usize>(), inauthentic);
        for split in ["campaign_fold", "collection_fold", "time_fold"] {
            let folds = || summary.folds.iter().filter(|fold| fold.split == split);
            assert_eq!(folds().map(|fold| fold.rows).sum::<usize>(), rows.len(), "{split}");
            assert_eq!(folds().map(|fold| fold.inauthentic).sum::<usize>(), inauthentic, "{split}");
        }
        let first = &summary.features[0];
        let unknown = rows.iter().step_by(4);
        assert_eq!(first.missing, unknown.clone().count());
        assert_eq!(first.missing_inauthentic, unknown.filter(|row| row.origin.inauthentic).count());
        let known: Vec<usize> = (0..rows.len()).filter(|n| n % 4 != 0).collect();
        assert_eq!(first.least, Some(1.0));
        assert_eq!(first.median, Some(known[(known.len() - 1) / 2] as f64));
        assert_eq!(first.most, known.last().map(|n| *n as f64));
        let nothing = Dataset::default().summary();
        assert_eq!((nothing.rows, nothing.features[0].median), (0, None));
    }
}
