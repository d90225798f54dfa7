//! Gradient-boosted trees behind linfa's own traits, for features that are often unknown and whose
//! direction of effect is known.
//!
//! Second-order boosting of the logistic loss on histograms (Chen and Guestrin 2016; Ke et al.
//! 2017): each tree is fitted to gradient p - y and curvature p (1 - p); a leaf's weight is
//! `-G / (H + l2)`. linfa 0.8's own trees give hard labels only, so none of its ensembles has a
//! probability that could be calibrated.
//!
//! - At each split, a value that is not known (NaN) goes to the side that fits better, the same in
//!   training and in scoring. If a split saw no unknown value in training, it goes to the side with
//!   the greater weight.
//! - A feature may be constrained to be monotone: the log-odds then never fall (or never rise) with
//!   it, whatever the other values are. Splits that violate this are not used, and the leaves below
//!   a split are bounded by the middle of its two sides.
//! - Nothing is random: the same rows in the same order give the same trees.
//!
//! [`Boosted::contributions`] are Shapley values over the trees' own paths (Lundberg, Erion and Lee
//! 2018): with the base they sum to the score.
//!
//! ```
//! use linfa::{Dataset, traits::{Fit, Predict}};
//! use ndarray::array;
//! use scoring::boost::Boosting;
//!
//! let records = array![[0.0], [1.0], [2.0], [3.0], [f64::NAN]];
//! let labels = array![false, false, true, true, true];
//! let params = Boosting { least_weight: 0.1, ..Boosting::default() }.check()?;
//! let model = params.fit(&Dataset::new(records.clone(), labels))?;
//! let log_odds = model.predict(&records);
//! assert!(log_odds[3] > 0.0 && log_odds[0] < 0.0);
//! # Ok::<(), scoring::boost::BoostError>(())
//! ```

mod shapley;
mod tree;

use linfa::dataset::{AsSingleTargets, DatasetBase};
use linfa::traits::{Fit, PredictInplace};
use ndarray::{Array1, ArrayBase, ArrayView1, ArrayView2, Data, Ix2};
use serde::{Deserialize, Serialize};

use tree::{Binned, Grower, Tree};

use crate::rounding::nine_decimals;

/// The greatest allowed depth.
const MOST_DEPTH: usize = 16;

/// Settings before validation by [`Boosting::check`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boosting {
    /// Number of trees.
    pub rounds: usize,
    /// Part of each tree that is added (shrinkage).
    pub learning_rate: f64,
    /// Most splits from root to leaf.
    pub depth: usize,
    /// Least curvature, the sum of w p (1 - p), on each side of a split.
    pub least_weight: f64,
    /// Least gain of a split, in nats of loss.
    pub least_gain: f64,
    /// L2 penalty on leaf weights.
    pub l2: f64,
    /// Most histogram bins of a feature.
    pub bins: usize,
    /// By feature: 1 if the score must not fall with it, -1 if it must not rise, 0 if it may do
    /// either. Empty means 0 for all.
    pub monotone: Vec<i8>,
}

impl Default for Boosting {
    fn default() -> Self {
        Boosting {
            rounds: 200,
            learning_rate: 0.1,
            depth: 3,
            least_weight: 1.0,
            least_gain: 1e-6,
            l2: 1.0,
            bins: 64,
            monotone: Vec::new(),
        }
    }
}

/// Validated settings.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedBoosting(Boosting);

/// Why trees cannot be fitted.
#[derive(Debug, thiserror::Error)]
pub enum BoostError {
    /// A setting is out of range.
    #[error("{setting} is {value}; it must be {expected}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// Its value.
        value: f64,
        /// The allowed values.
        expected: &'static str,
    },
    /// The rows cannot be used.
    #[error("{0}")]
    Rows(String),
    /// From linfa.
    #[error(transparent)]
    Linfa(#[from] linfa::Error),
}

impl Boosting {
    /// Validates the settings.
    ///
    /// # Errors
    /// [`BoostError::Setting`] names the first invalid one.
    pub fn check(self) -> Result<CheckedBoosting, BoostError> {
        let ranges = [
            ("rounds", self.rounds as f64, 1.0..=100_000.0, "from 1 to 100000"),
            ("learning_rate", self.learning_rate, 1e-6..=1.0, "from 0.000001 to 1"),
            ("depth", self.depth as f64, 1.0..=MOST_DEPTH as f64, "from 1 to 16"),
            ("least_weight", self.least_weight, 0.0..=1e9, "from 0 to 1e9"),
            ("least_gain", self.least_gain, 0.0..=1e9, "from 0 to 1e9"),
            ("l2", self.l2, 0.0..=1e9, "from 0 to 1e9"),
            ("bins", self.bins as f64, 2.0..=255.0, "from 2 to 255"),
        ];
        for (setting, value, range, expected) in ranges {
            if !range.contains(&value) {
                return Err(BoostError::Setting { setting, value, expected });
            }
        }
        if let Some(sign) = self.monotone.iter().find(|sign| !(-1..=1).contains(*sign)) {
            return Err(BoostError::Setting {
                setting: "monotone",
                value: f64::from(*sign),
                expected: "-1, 0 or 1 for each feature",
            });
        }
        Ok(CheckedBoosting(self))
    }
}

/// Fitted trees: a score is `base` plus one leaf of each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boosted {
    features: usize,
    base: f64,
    trees: Vec<Tree>,
}

impl<D: Data<Elem = f64>, T: AsSingleTargets<Elem = bool>> Fit<ArrayBase<D, Ix2>, T, BoostError> for CheckedBoosting {
    type Object = Boosted;

    /// Rows may have weights (`with_weights`); NaN means not known.
    fn fit(&self, dataset: &DatasetBase<ArrayBase<D, Ix2>, T>) -> Result<Boosted, BoostError> {
        let labels: Vec<f64> = dataset.as_single_targets().iter().map(|y| f64::from(u8::from(*y))).collect();
        let weights: Vec<f64> = match dataset.weights() {
            Some(weights) => weights.iter().map(|w| f64::from(*w)).collect(),
            None => vec![1.0; labels.len()],
        };
        self.0.fit(dataset.records().view(), &labels, &weights)
    }
}

impl Boosting {
    fn fit(&self, records: ArrayView2<'_, f64>, labels: &[f64], weights: &[f64]) -> Result<Boosted, BoostError> {
        let (rows, features) = records.dim();
        let refuse = |why: String| Err(BoostError::Rows(why));
        if rows != labels.len() || rows != weights.len() {
            return refuse(format!("{rows} rows with {} labels and {} weights", labels.len(), weights.len()));
        }
        if !self.monotone.is_empty() && self.monotone.len() != features {
            return refuse(format!("{features} features, but monotone has {} entries", self.monotone.len()));
        }
        if rows > u32::MAX as usize {
            return refuse(format!("{rows} rows are more than {}", u32::MAX));
        }
        if let Some(((row, feature), value)) = records.indexed_iter().find(|(_, value)| value.is_infinite()) {
            return refuse(format!(
                "row {row} has {value} for feature {feature}: values are finite, or NaN where not known"
            ));
        }
        if let Some(row) = weights.iter().position(|w| !(w.is_finite() && *w >= 0.0)) {
            return refuse(format!("row {row} weighs {}: weights are finite and not negative", weights[row]));
        }
        let total: f64 = weights.iter().sum();
        let positive: f64 = weights.iter().zip(labels).map(|(w, y)| w * y).sum();
        if positive <= 0.0 || positive >= total {
            return refuse("rows of both labels with some weight are needed".to_owned());
        }
        let base = nine_decimals((positive / (total - positive)).ln());
        let binned = Binned::new(records, self.bins);
        let mut grower = Grower::new(self, &binned);
        let mut scores = vec![base; rows];
        let mut gradients = vec![(0.0, 0.0); rows];
        let mut trees = Vec::with_capacity(self.rounds);
        for _ in 0..self.rounds {
            for (at, gradient) in gradients.iter_mut().enumerate() {
                let p = 1.0 / (1.0 + (-scores[at]).exp());
                *gradient = (weights[at] * (p - labels[at]), weights[at] * p * (1.0 - p));
            }
            let tree = grower.grow(&gradients, &mut scores);
            // Nothing more to gain: further trees would be equal to this one.
            if tree.is_a_leaf() {
                break;
            }
            trees.push(tree);
        }
        Ok(Boosted { features, base, trees })
    }
}

impl Boosted {
    /// Log-odds of one row; NaN means not known.
    ///
    /// # Panics
    /// If the row does not have as many values as the rows of the training.
    pub fn score(&self, row: ArrayView1<'_, f64>) -> f64 {
        assert_eq!(row.len(), self.features, "a row has as many values as there are features");
        self.trees.iter().fold(self.base, |sum, tree| sum + tree.score(row))
    }

    /// The mean score over the training rows, and each feature's contribution to the difference
    /// between this row and the mean. Their sum is [`score`](Self::score), up to rounding.
    ///
    /// # Panics
    /// As [`score`](Self::score).
    pub fn contributions(&self, row: ArrayView1<'_, f64>) -> (f64, Vec<f64>) {
        assert_eq!(row.len(), self.features, "a row has as many values as there are features");
        let mut parts = vec![0.0; self.features];
        let mut base = self.base;
        for tree in &self.trees {
            base += shapley::add(tree, row, &mut parts);
        }
        (base, parts)
    }

    /// By feature, the number of splits that use it.
    pub fn splits(&self) -> Vec<usize> {
        let mut splits = vec![0; self.features];
        for feature in self.trees.iter().flat_map(Tree::used) {
            splits[feature] += 1;
        }
        splits
    }

    /// Number of trees.
    pub fn len(&self) -> usize {
        self.trees.len()
    }

    /// Whether there is no tree: every score is the base.
    pub fn is_empty(&self) -> bool {
        self.trees.is_empty()
    }

    /// The same trees with every leaf and the base multiplied by `slope`, and `offset` added to the
    /// base: the result of a linear calibration of the log-odds.
    #[must_use]
    pub fn rescaled(mut self, slope: f64, offset: f64) -> Boosted {
        self.base = nine_decimals(self.base * slope + offset);
        for tree in &mut self.trees {
            tree.rescale(slope);
        }
        self
    }

    /// Whether [`score`](Self::score) can follow every split, child and value to a leaf, on rows
    /// with this number of features. Trees from a file are checked with it.
    pub fn is_sound(&self, features: usize) -> bool {
        self.features == features && self.base.is_finite() && self.trees.iter().all(|tree| tree.is_sound(self.features))
    }
}

impl<D: Data<Elem = f64>> PredictInplace<ArrayBase<D, Ix2>, Array1<f64>> for Boosted {
    /// Log-odds by row.
    fn predict_inplace(&self, records: &ArrayBase<D, Ix2>, scores: &mut Array1<f64>) {
        assert_eq!(records.nrows(), scores.len(), "as many scores as rows");
        for (row, score) in records.rows().into_iter().zip(scores) {
            *score = self.score(row);
        }
    }

    fn default_target(&self, records: &ArrayBase<D, Ix2>) -> Array1<f64> {
        Array1::zeros(records.nrows())
    }
}

#[cfg(test)]
mod tests;
