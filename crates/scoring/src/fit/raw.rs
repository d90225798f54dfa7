//! Scores before calibration: a linear model on standardised features, or boosted trees.

use linfa::traits::Fit;
use linfa_logistic::LogisticRegression;
use ndarray::{Array1, Array2, Ix1};

use super::options::{Learner, TrainError};
use crate::boost::Boosted;
use crate::features::{Feature, Subject};
use crate::model::Term;
use crate::rounding::{five_decimals, twelve_digits};
use crate::row::Row;

/// A score before calibration.
pub(super) enum Raw {
    Linear(Linear),
    Trees(Boosted, Vec<Term>),
}

impl Raw {
    pub(super) fn fit(rows: &[&Row], subject: Subject, learner: &Learner) -> Result<Raw, TrainError> {
        let features = subject.features();
        let boosting = match learner {
            Learner::Logistic { alpha } => return Ok(Raw::Linear(Linear::fit(rows, features, *alpha)?)),
            Learner::Boosted(boosting) => boosting,
        };
        let records = Array2::from_shape_fn((rows.len(), features.len()), |(row, at)| unknown_as_nan(rows[row], at));
        let labels: Array1<bool> = rows.iter().map(|row| row.origin.inauthentic).collect();
        let trees = boosting.clone().check()?.fit(&weighted(rows, records, labels))?;
        Ok(Raw::Trees(trees, standardised(rows, features)))
    }

    pub(super) fn score(&self, row: &Row) -> f64 {
        match self {
            Raw::Linear(linear) => linear.score(row),
            Raw::Trees(trees, _) => {
                let values: Array1<f64> = (0..row.values.len()).map(|at| unknown_as_nan(row, at)).collect();
                trees.score(values.view())
            }
        }
    }
}

/// Row numbers, each repeated according to the row's weight, and how often a row of weight 1 is
/// repeated. A remainder is carried to the next row, so that many rows of little weight together
/// have their full weight.
pub(super) fn repeated(rows: &[&Row]) -> (Vec<usize>, f64) {
    if rows.iter().all(|row| row.origin.weight == 1.0) {
        return ((0..rows.len()).collect(), 1.0);
    }
    const UNIT: f64 = 10.0;
    let mut due = 0.0;
    let mut times = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        due += row.origin.weight * UNIT;
        while due >= 1.0 - 1e-9 {
            times.push(at);
            due -= 1.0;
        }
    }
    (times, UNIT)
}

fn weighted(rows: &[&Row], records: Array2<f64>, labels: Array1<bool>) -> linfa::Dataset<f64, bool, Ix1> {
    let weights = rows.iter().map(|row| row.origin.weight as f32).collect();
    linfa::Dataset::new(records, labels).with_weights(weights)
}

fn unknown_as_nan(row: &Row, at: usize) -> f64 {
    row.values[at].unwrap_or(f64::NAN)
}

/// A linear score before calibration.
pub(super) struct Linear {
    pub(super) intercept: f64,
    pub(super) terms: Vec<Term>,
}

impl Linear {
    fn fit(rows: &[&Row], features: &[Feature], alpha: f64) -> Result<Linear, TrainError> {
        let mut terms = standardised(rows, features);
        for term in &mut terms {
            term.weight = 1.0;
        }
        // linfa's logistic regression has no weights: a row is repeated according to its weight,
        // and the penalty grows with the number of repetitions.
        let (times, unit) = repeated(rows);
        let rows: Vec<&Row> = times.into_iter().map(|at| rows[at]).collect();
        let alpha = alpha * unit;
        let records =
            Array2::from_shape_fn((rows.len(), terms.len()), |(row, at)| terms[at].contribution(rows[row].values[at]));
        let labels: Array1<bool> = rows.iter().map(|row| row.origin.inauthentic).collect();
        let fitted = LogisticRegression::default()
            .alpha(alpha)
            .max_iterations(1_000)
            .gradient_tolerance(1e-6)
            .fit(&linfa::Dataset::new(records, labels))?;
        // linfa calls the larger class positive, whichever it is.
        let sign = if fitted.labels().pos.class { 1.0 } else { -1.0 };
        for (term, weight) in terms.iter_mut().zip(fitted.params()) {
            term.weight = five_decimals(sign * weight);
        }
        Ok(Linear { intercept: five_decimals(sign * fitted.intercept()), terms })
    }

    fn score(&self, row: &Row) -> f64 {
        let terms = self.terms.iter().zip(&row.values);
        terms.fold(self.intercept, |sum, (term, value)| sum + term.contribution(*value))
    }
}

fn standardised(rows: &[&Row], features: &[Feature]) -> Vec<Term> {
    features.iter().enumerate().map(|(at, feature)| standardise(rows, at, feature)).collect()
}

/// Mean, scale and range of a feature's known values. A feature that never varies has a range of
/// one point and so never contributes.
fn standardise(rows: &[&Row], at: usize, feature: &Feature) -> Term {
    let known: Vec<f64> = rows.iter().filter_map(|row| row.values[at]).collect();
    let n = known.len().max(1) as f64;
    let mean = twelve_digits(known.iter().sum::<f64>() / n);
    let variance = known.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
    let varies = variance.sqrt() > 1e-9;
    let (least, most) = known.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, m), &v| (l.min(v), m.max(v)));
    Term {
        feature: feature.name.to_owned(),
        unit: feature.unit.to_owned(),
        formula: feature.formula.to_owned(),
        mean,
        scale: if varies { twelve_digits(variance.sqrt()) } else { 1.0 },
        least: if varies { twelve_digits(least) } else { mean },
        most: if varies { twelve_digits(most) } else { mean },
        weight: 0.0,
    }
}
