//! Labelled clusters or accounts as rows of feature values, with the splits that training needs.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::features::Subject;
use crate::row::{Folds, Row};

/// The most folds of campaigns and of time.
const FOLDS: u32 = 10;

/// Labelled clusters, or labelled accounts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dataset {
    /// Whether rows are clusters or accounts.
    pub subject: Subject,
    /// The rows, in any order: training does not depend on it.
    pub rows: Vec<Row>,
}

impl Dataset {
    /// A dataset of labelled clusters, sorted, each with its folds. The result does not depend on
    /// the order of the rows.
    pub fn split(rows: &[Row]) -> Dataset {
        Dataset::split_of(Subject::Cluster, rows)
    }

    /// The same for any subject.
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

    /// SHA-256 over the sorted rows, in hexadecimal: the same clusters have the same fingerprint in
    /// any order.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for row in sorted(&self.rows) {
            hash.update(format!("{row:?}\n").as_bytes());
        }
        text_format::hex(&hash.finalize())
    }
}

/// Rows in a canonical order, so that the order of the input cannot change a fit.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::FEATURES;
    use crate::row::tests::row;

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
