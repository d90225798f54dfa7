//! How far what a model judges now lies from what it was trained on: the population stability index (PSI).
//!
//! A model keeps a picture of its training set, a histogram of each feature and of its score on rows held out: bins that hold a
//! tenth of the rows each, and one more for values that are not known. Held against a window of what was judged lately,
//!
//! PSI = sum over bins of (p - q) ln(p / q), p the window's share of a bin, q training's;
//!
//! by an old rule of thumb (Lewis 1994, An Introduction to Credit Scoring) 0.1 is a shift to look at and 0.25 a large one.
//!
//! Two samples of one population differ by chance, and PSI is never below 0: with B bins and samples of n and m it is on average
//! (B - 1)(1/n + 1/m) where nothing has changed (Yurdakul 2018, Statistical Properties of Population Stability Index). [`Drift`] holds
//! what is left when that is taken off, and no window of fewer than [`LEAST_CLUSTERS`] clusters is measured at all. Clusters are not
//! quite independent (one campaign may be several), so a little of it is left: on the simulated worlds of the bundled model, seeds held
//! against other seeds, the worst of 23 features had 0.13 to 0.23; organic groups alone had more than 1 in most.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::rounding::{six_decimals, twelve_digits};
use crate::row::Row;

/// The smallest window that is measured. At this size, PSI wanders by about 0.05 around what it would be in a large one.
pub const LEAST_CLUSTERS: usize = 100;
/// Bins of the values that are known.
const BINS: usize = 10;

/// What a model was trained on, as far as it can be told from outside that something has changed since.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Distinct campaigns and organic groups: clusters of one of them are alike, so these count as the sample's size.
    groups: usize,
    /// In the order of the model's features.
    features: Vec<Histogram>,
    /// Of the score, in nats, on rows held out: on rows that a model has seen, scores are further apart than they will ever be.
    score: Histogram,
}

/// Shares of a sample by bins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Histogram {
    /// Upper bounds of the bins, inclusive; what lies above the last has a bin of its own.
    edges: Vec<f64>,
    /// Of each bin, and last of what is not known.
    shares: Vec<f64>,
}

/// How far a window lies from training, 0 where no further than chance alone would bring it.
#[derive(Debug, Clone, PartialEq)]
pub struct Drift {
    /// PSI of each feature, in the order of the model's features.
    pub features: Vec<f64>,
    /// PSI of the score.
    pub score: f64,
}

impl Reference {
    /// The picture of a training set: its rows, and the scores that rows had when they were held out.
    pub(crate) fn new(rows: &[&Row], scores: impl Iterator<Item = f64>) -> Reference {
        let groups: BTreeSet<_> = rows.iter().map(|row| row.campaign_key()).collect();
        let features = rows.first().map_or(0, |row| row.values.len());
        let of = |at: usize| Histogram::new(rows.iter().map(|row| (row.values[at], row.origin.weight)));
        // Between two processors, sums may differ in the last digit, and bins must not.
        Reference {
            groups: groups.len(),
            features: (0..features).map(of).collect(),
            score: Histogram::new(scores.map(|raw| (Some(six_decimals(raw)), 1.0))),
        }
    }

    /// Distinct campaigns and organic groups in the training set.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// Holds clusters against the training set: feature values and score of every state of theirs that is to count, and how many
    /// clusters those are states of. `None` where they are fewer than [`LEAST_CLUSTERS`].
    pub fn drift<'a>(
        &self,
        states: impl Iterator<Item = (&'a [Option<f64>], f64)> + Clone,
        clusters: usize,
    ) -> Option<Drift> {
        if clusters < LEAST_CLUSTERS {
            return None;
        }
        let (m, n) = (self.groups as f64, clusters as f64);
        let features = self.features.iter().enumerate().map(|(at, histogram)| {
            let values = states.clone().map(|(values, _)| values.get(at).copied().flatten());
            histogram.psi(m, values, n)
        });
        let score = self.score.psi(m, states.clone().map(|(_, score)| Some(score)), n);
        Some(Drift { features: features.collect(), score })
    }

    /// Whether every part of it is there and in order.
    pub(crate) fn is_sound(&self, features: usize) -> bool {
        self.groups > 0
            && self.features.len() == features
            && self.features.iter().chain([&self.score]).all(Histogram::is_sound)
    }
}

impl Histogram {
    /// Of values with their weights: edges at the tenths of what is known, each once.
    fn new(values: impl Iterator<Item = (Option<f64>, f64)>) -> Histogram {
        let values: Vec<(Option<f64>, f64)> = values.map(|(value, weight)| (value.map(tidy), weight)).collect();
        let mut known: Vec<(f64, f64)> = values.iter().filter_map(|&(value, weight)| Some((value?, weight))).collect();
        known.sort_by(|a, b| a.0.total_cmp(&b.0));
        let all: f64 = known.iter().map(|(_, weight)| weight).sum();
        let mut edges: Vec<f64> = Vec::new();
        let (mut below, mut tenth) = (0.0, 1);
        for (value, weight) in known {
            below += weight;
            while tenth < BINS && below >= all * tenth as f64 / BINS as f64 - 1e-9 {
                tenth += 1;
                if edges.last() != Some(&value) {
                    edges.push(value);
                }
            }
        }
        let mut histogram = Histogram { edges, shares: Vec::new() };
        let total: f64 = values.iter().map(|(_, weight)| weight).sum();
        let mut shares = vec![0.0; histogram.edges.len() + 2];
        for (value, weight) in values {
            shares[histogram.bin(value)] += weight;
        }
        histogram.shares =
            shares.into_iter().map(|share| twelve_digits(share / total.max(f64::MIN_POSITIVE))).collect();
        histogram
    }

    fn bin(&self, value: Option<f64>) -> usize {
        match value.map(tidy) {
            Some(value) => self.edges.partition_point(|edge| *edge < value),
            None => self.edges.len() + 1,
        }
    }

    /// PSI of `values`, which `n` independent ones stand behind, against this sample of `m`, less what chance alone would give.
    fn psi(&self, m: f64, values: impl Iterator<Item = Option<f64>>, n: f64) -> f64 {
        let mut counts = vec![0.0; self.shares.len()];
        for value in values {
            counts[self.bin(value)] += 1.0;
        }
        let all = counts.iter().sum::<f64>().max(1.0);
        let pairs = self.shares.iter().zip(counts).map(|(q, count)| (count / all, *q));
        // Nothing is said of a bin that neither has anything in.
        let pairs: Vec<(f64, f64)> = pairs.filter(|(p, q)| *p > 0.0 || *q > 0.0).collect();
        let bins = pairs.len() as f64;
        // Half an observation more in every bin: one that is empty on one side would be infinitely far away.
        let smooth = |share: f64, size: f64| (share * size + 0.5) / (size + 0.5 * bins);
        let sum = pairs.iter().map(|&(p, q)| {
            let (p, q) = (smooth(p, n), smooth(q, m));
            (p - q) * (p / q).ln()
        });
        let by_chance = (bins - 1.0).max(0.0) * (1.0 / n + 1.0 / m);
        (sum.sum::<f64>() - by_chance).max(0.0)
    }

    fn is_sound(&self) -> bool {
        let rising = self.edges.windows(2).all(|pair| pair[0] < pair[1]);
        let whole = (self.shares.iter().sum::<f64>() - 1.0).abs() < 1e-6;
        rising && whole && self.shares.len() == self.edges.len() + 2 && self.shares.iter().all(|share| *share >= 0.0)
    }
}

/// As it stands in the file: -0 is 0.
fn tidy(value: f64) -> f64 {
    twelve_digits(value) + 0.0
}

#[cfg(test)]
mod tests;
