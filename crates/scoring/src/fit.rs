//! From labelled clusters to a calibrated model, the same bytes for the same rows.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use linfa::ParamGuard;
use linfa::composing::platt_scaling::{Platt, PlattError, platt_newton_method};
use linfa::traits::Fit;
use linfa_logistic::LogisticRegression;
use ndarray::{Array1, Array2};

use crate::card::card;
use crate::dataset::sorted;
use crate::features::{self, FEATURES};
use crate::metrics::{measure, threshold_for_precision};
use crate::model::{Golden, MANIFEST_FILE, MODEL_FILE, Term, check_name, corrupt, logistic, round, write};
use crate::{Calibration, Dataset, Manifest, Metrics, Model, ModelError, Row, Settings, TrainingData};

const FOLDS: usize = 10;

/// How to train.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Name of the model: its folder in `models/`.
    pub name: String,
    /// Version: the folder below.
    pub version: String,
    /// Where the labelled clusters come from, in words for the model card.
    pub data: String,
    /// Strength of the L2 penalty, in units of one row's loss.
    pub alpha: f64,
    /// Share of flagged clusters that should be inauthentic: the threshold is the least that keeps it on held-out rows.
    pub precision: f64,
    /// Share of inauthentic clusters expected in service; `None` takes the training data's.
    pub prior: Option<f64>,
}

impl Options {
    /// The usual settings for a model of this name and version.
    pub fn new(name: &str, version: &str) -> Options {
        Options {
            name: name.to_owned(),
            version: version.to_owned(),
            data: "synthetic: clusters that the engine found in simulated worlds".to_owned(),
            alpha: 1.0,
            precision: 0.95,
            prior: None,
        }
    }
}

/// A fitted model and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainedModel {
    /// The model.
    pub model: Model,
    /// Its manifest.
    pub manifest: Manifest,
    files: [(&'static str, Vec<u8>); 3],
}

/// Why a model could not be trained.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// Nothing to learn from.
    #[error("{inauthentic} inauthentic and {organic} organic clusters: there must be some of both")]
    Labels {
        /// Inauthentic rows.
        inauthentic: usize,
        /// Organic rows.
        organic: usize,
    },
    /// Calibration needs rows that the fit has not seen, of both labels.
    #[error(
        "{0} worlds and seeds: with each held out in turn, both labels must be among the rest and among those scored; \
         add worlds or seeds"
    )]
    Groups(usize),
    /// A row has another number of values than there are features.
    #[error("cluster {cluster_id} has {found} values, there are {} features", FEATURES.len())]
    Width {
        /// Which row.
        cluster_id: String,
        /// Its values.
        found: usize,
    },
    /// A setting is out of range.
    #[error("{setting} is {value}; it must be {expected}")]
    Setting {
        /// Which one.
        setting: &'static str,
        /// What it is.
        value: f64,
        /// What it must be.
        expected: &'static str,
    },
    /// The scores of held-out rows do not rise with the label: such a model must not be used.
    #[error(
        "on worlds held out the scores do not tell inauthentic from organic (Platt's slope is {0:.3}, not negative)"
    )]
    NoSkill(f64),
    /// linfa could not fit.
    #[error("cannot fit: {0}")]
    Fit(#[from] linfa_logistic::error::Error),
    /// linfa could not calibrate.
    #[error("cannot calibrate: {0}")]
    Calibrate(#[from] PlattError),
    /// The artefact could not be made.
    #[error("cannot encode the model: {0}")]
    Encode(#[from] serde_json::Error),
    /// Name or version cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// Fits linfa's logistic regression to standardised features and calibrates it.
///
/// - Values not known count as the mean of those known, so they do not move a score.
/// - Rows are not weighted: a logistic model with an intercept carries unequal classes in its intercept alone, which
///   Platt's calibration and, where `prior` is given, prior correction put right (King and Zeng 2001).
/// - Platt's a and b come from the scores of rows held out by world and seed, in at most ten folds; the threshold and
///   the figures in the manifest come from the same rows.
/// - Rows are sorted first and weights rounded, so the order of the rows changes nothing.
///
/// # Errors
/// [`TrainError`] says what the rows or options lack.
pub fn train(rows: &[Row], options: &Options) -> Result<TrainedModel, TrainError> {
    check(rows, options)?;
    let rows = sorted(rows);
    let by_seed = held_out_scores(&rows, options.alpha, |row| (row.world.as_str(), row.seed))?;
    let by_world = held_out_scores(&rows, options.alpha, |row| row.world.as_str())?;

    let calibration = calibrate(&rows, &by_seed, options)?;
    let probabilities = |scores: &[Option<f64>], shift: f64| -> Vec<(f64, bool)> {
        let scored = scores.iter().zip(&rows).filter_map(|(score, row)| Some(((*score)?, row.inauthentic)));
        scored.map(|(raw, y)| (logistic(calibration.log_odds(raw) - calibration.prior_shift + shift), y)).collect()
    };
    let in_service = probabilities(&by_seed, calibration.prior_shift);
    let weight = calibration.prior_shift.exp();
    let threshold = round(threshold_for_precision(&in_service, options.precision, weight));
    let as_trained = logistic((threshold / (1.0 - threshold)).ln() - calibration.prior_shift);

    let mut model = calibrated(Linear::fit(&rows, options.alpha)?, calibration, threshold, options);
    model.golden = golden(&model, &rows);
    let (bytes, checksum) = model.encode()?;

    let held_out = measure(&probabilities(&by_seed, 0.0), as_trained).ok_or(TrainError::Groups(0))?;
    let manifest = Manifest {
        name: options.name.clone(),
        version: options.version.clone(),
        learner: "linfa-logistic, L2, Platt-calibrated".to_owned(),
        code_version: env!("CARGO_PKG_VERSION").to_owned(),
        features: FEATURES.iter().map(|feature| feature.name.to_owned()).collect(),
        feature_schema: features::schema_hash(),
        threshold,
        training: describe(&rows, options),
        settings: Settings { alpha: options.alpha, precision: options.precision, prior: options.prior },
        calibration,
        held_out: rounded(held_out),
        held_out_worlds: measure(&probabilities(&by_world, 0.0), as_trained).map(rounded),
        baseline_log_e: baseline(&rows, &by_seed, "log_e"),
        baseline_size: baseline(&rows, &by_seed, "size"),
        model_checksum: checksum,
    };
    let mut manifest_bytes = serde_json::to_vec_pretty(&manifest)?;
    manifest_bytes.push(b'\n');
    let card = card(&model, &manifest).into_bytes();
    let files = [(MODEL_FILE, bytes), (MANIFEST_FILE, manifest_bytes), ("card.md", card)];
    Ok(TrainedModel { model, manifest, files })
}

impl TrainedModel {
    /// Writes `model.json`, `manifest.json` and `card.md` to `models_dir/<name>/<version>/`, and returns that folder.
    ///
    /// # Errors
    /// [`ModelError::Exists`] where the version holds another model: versions do not change.
    pub fn save(&self, models_dir: &Path) -> Result<PathBuf, ModelError> {
        let dir = models_dir.join(&self.manifest.name).join(&self.manifest.version);
        for (name, bytes) in &self.files {
            if fs::read(dir.join(name)).is_ok_and(|present| present != *bytes) {
                return Err(ModelError::Exists { path: dir });
            }
        }
        fs::create_dir_all(&dir).map_err(|source| ModelError::Io { action: "create", path: dir.clone(), source })?;
        for (name, bytes) in &self.files {
            write(&dir.join(name), bytes)?;
        }
        let saved = Model::load(&dir)?;
        if saved != self.model {
            return Err(corrupt(&dir.join(MODEL_FILE), "does not read back as it was written"));
        }
        Ok(dir)
    }
}

impl Calibration {
    fn log_odds(&self, raw: f64) -> f64 {
        -(self.a * raw + self.b) + self.prior_shift
    }
}

fn check(rows: &[Row], options: &Options) -> Result<(), TrainError> {
    check_name(&options.name)?;
    check_name(&options.version)?;
    let settings = [
        ("alpha", options.alpha, 1e-6..1e6, "from 0.000001 to 1000000"),
        ("precision", options.precision, 0.0..1.0 + f64::EPSILON, "from 0 to 1"),
        ("prior", options.prior.unwrap_or(0.5), 1e-6..1.0 - 1e-6, "between 0 and 1"),
    ];
    for (setting, value, range, expected) in settings {
        if !range.contains(&value) {
            return Err(TrainError::Setting { setting, value, expected });
        }
    }
    if let Some(row) = rows.iter().find(|row| row.values.len() != FEATURES.len()) {
        return Err(TrainError::Width { cluster_id: row.cluster_id.clone(), found: row.values.len() });
    }
    let inauthentic = rows.iter().filter(|row| row.inauthentic).count();
    let organic = rows.len() - inauthentic;
    if inauthentic == 0 || organic == 0 {
        return Err(TrainError::Labels { inauthentic, organic });
    }
    Ok(())
}

/// A linear score before calibration.
struct Linear {
    intercept: f64,
    terms: Vec<Term>,
}

impl Linear {
    fn fit(rows: &[&Row], alpha: f64) -> Result<Linear, TrainError> {
        let mut terms: Vec<Term> = (0..FEATURES.len()).map(|at| standardise(rows, at)).collect();
        for term in &mut terms {
            term.weight = 1.0;
        }
        let records =
            Array2::from_shape_fn((rows.len(), terms.len()), |(row, at)| terms[at].contribution(rows[row].values[at]));
        let labels: Array1<bool> = rows.iter().map(|row| row.inauthentic).collect();
        let fitted = LogisticRegression::default()
            .alpha(alpha)
            .max_iterations(1_000)
            .gradient_tolerance(1e-6)
            .fit(&linfa::Dataset::new(records, labels))?;
        // linfa calls the larger class positive, whichever that is.
        let sign = if fitted.labels().pos.class { 1.0 } else { -1.0 };
        for (term, weight) in terms.iter_mut().zip(fitted.params()) {
            term.weight = coefficient(sign * weight);
        }
        Ok(Linear { intercept: coefficient(sign * fitted.intercept()), terms })
    }

    fn score(&self, row: &Row) -> f64 {
        let terms = self.terms.iter().zip(&row.values);
        terms.fold(self.intercept, |sum, (term, value)| sum + term.contribution(*value))
    }
}

/// To five decimals: the solver stops within about 1e-6 of the one optimum, wherever its rounding errors lead it.
fn coefficient(x: f64) -> f64 {
    // Adding 0 turns -0 into 0.
    (x * 1e5).round() / 1e5 + 0.0
}

/// Mean, scale and range of a feature's known values; a feature that never varies has a range of one point and so never
/// contributes.
fn standardise(rows: &[&Row], at: usize) -> Term {
    let known: Vec<f64> = rows.iter().filter_map(|row| row.values[at]).collect();
    let n = known.len().max(1) as f64;
    let mean = round(known.iter().sum::<f64>() / n);
    let variance = known.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
    let varies = variance.sqrt() > 1e-9;
    let (least, most) = known.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, m), &v| (l.min(v), m.max(v)));
    let feature = &FEATURES[at];
    Term {
        feature: feature.name.to_owned(),
        unit: feature.unit.to_owned(),
        formula: feature.formula.to_owned(),
        mean,
        scale: if varies { round(variance.sqrt()) } else { 1.0 },
        least: if varies { round(least) } else { mean },
        most: if varies { round(most) } else { mean },
        weight: 0.0,
    }
}

/// Scores every row with a model that has seen no row of its group; `None` where the rest has one label only.
fn held_out_scores<'r, G: Ord>(
    rows: &[&'r Row],
    alpha: f64,
    group: impl Fn(&'r Row) -> G,
) -> Result<Vec<Option<f64>>, TrainError> {
    let groups: BTreeSet<G> = rows.iter().map(|row| group(row)).collect();
    let groups: Vec<G> = groups.into_iter().collect();
    let fold = |row: &'r Row| groups.binary_search(&group(row)).unwrap_or_default() % FOLDS;
    let folds: Vec<usize> = rows.iter().map(|row| fold(row)).collect();
    let mut scores = vec![None; rows.len()];
    for held_out in 0..groups.len().min(FOLDS) {
        let rest: Vec<&Row> = rows.iter().zip(&folds).filter(|(_, f)| **f != held_out).map(|(row, _)| *row).collect();
        let inauthentic = rest.iter().filter(|row| row.inauthentic).count();
        if inauthentic == 0 || inauthentic == rest.len() {
            continue;
        }
        let model = Linear::fit(&rest, alpha)?;
        for at in (0..rows.len()).filter(|&at| folds[at] == held_out) {
            scores[at] = Some(model.score(rows[at]));
        }
    }
    Ok(scores)
}

fn calibrate(rows: &[&Row], scores: &[Option<f64>], options: &Options) -> Result<Calibration, TrainError> {
    let scored: Vec<(f64, bool)> =
        scores.iter().zip(rows).filter_map(|(score, row)| Some(((*score)?, row.inauthentic))).collect();
    let inauthentic = scored.iter().filter(|s| s.1).count();
    if inauthentic == 0 || inauthentic == scored.len() {
        let groups: BTreeSet<_> = rows.iter().map(|row| (&row.world, row.seed)).collect();
        return Err(TrainError::Groups(groups.len()));
    }
    let raw: Array1<f64> = scored.iter().map(|s| s.0).collect();
    let labels: Array1<bool> = scored.iter().map(|s| s.1).collect();
    let (a, b) = platt_newton_method(raw.view(), labels.view(), &Platt::<f64, ()>::params().check()?)?;
    if a.is_nan() || a >= 0.0 {
        return Err(TrainError::NoSkill(a));
    }
    let log_odds = |share: f64| (share / (1.0 - share)).ln();
    let trained = rows.iter().filter(|row| row.inauthentic).count() as f64 / rows.len() as f64;
    let prior_shift = options.prior.map_or(0.0, |prior| log_odds(prior) - log_odds(trained));
    Ok(Calibration { a: coefficient(a), b: coefficient(b), prior_shift: round(prior_shift) })
}

/// Folds the calibration into the weights, so that a score is a calibrated log-odds and contributions are in its nats.
fn calibrated(linear: Linear, calibration: Calibration, threshold: f64, options: &Options) -> Model {
    let mut terms = linear.terms;
    for term in &mut terms {
        term.weight = round(-calibration.a * term.weight) + 0.0;
    }
    Model {
        name: options.name.clone(),
        version: options.version.clone(),
        intercept: round(calibration.log_odds(linear.intercept)),
        threshold,
        terms,
        golden: Vec::new(),
    }
}

fn golden(model: &Model, rows: &[&Row]) -> Vec<Golden> {
    let picked: BTreeSet<usize> = [0, rows.len() / 3, 2 * rows.len() / 3, rows.len() - 1].into();
    let rows = picked.into_iter().map(|at| rows[at]);
    rows.map(|row| {
        let values: Vec<Option<f64>> = row.values.iter().map(|v| v.map(round)).collect();
        let score = round(model.verdict_on(&values).score);
        Golden { values, score }
    })
    .collect()
}

fn describe(rows: &[&Row], options: &Options) -> TrainingData {
    let worlds: BTreeSet<&str> = rows.iter().map(|row| row.world.as_str()).collect();
    let campaigns: BTreeSet<(&str, u64, &str)> =
        rows.iter().map(|row| (row.world.as_str(), row.seed, row.campaign.as_str())).collect();
    let seeds: BTreeSet<u64> = rows.iter().map(|row| row.seed).collect();
    TrainingData {
        description: options.data.clone(),
        fingerprint: Dataset { rows: rows.iter().map(|&row| row.clone()).collect() }.fingerprint(),
        rows: rows.len(),
        inauthentic: rows.iter().filter(|row| row.inauthentic).count(),
        campaigns: campaigns.len(),
        worlds: worlds.into_iter().map(str::to_owned).collect(),
        seeds: seeds.len(),
    }
}

/// Average precision of one feature alone, on the rows that the model was measured on.
fn baseline(rows: &[&Row], scores: &[Option<f64>], feature: &str) -> f64 {
    let at = FEATURES.iter().position(|f| f.name == feature).unwrap_or_default();
    let scored: Vec<(f64, bool)> = rows
        .iter()
        .zip(scores)
        .filter(|(_, score)| score.is_some())
        .map(|(row, _)| (logistic(row.values[at].unwrap_or(f64::MIN)), row.inauthentic))
        .collect();
    measure(&scored, 0.5).map_or(0.0, |metrics| round6(metrics.average_precision))
}

fn rounded(metrics: Metrics) -> Metrics {
    Metrics {
        average_precision: round6(metrics.average_precision),
        roc_auc: round6(metrics.roc_auc),
        brier: round6(metrics.brier),
        calibration_error: round6(metrics.calibration_error),
        precision: round6(metrics.precision),
        recall: round6(metrics.recall),
        ..metrics
    }
}

fn round6(x: f64) -> f64 {
    (x * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests;
