//! From labelled clusters to a calibrated model. The same rows give the same bytes.

mod options;
mod raw;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use linfa::ParamGuard;
use linfa::composing::platt_scaling::{Platt, platt_newton_method};
use ndarray::Array1;

use crate::card::card;
use crate::dataset::{Dataset, sorted};
use crate::drift::Reference;
use crate::features::Subject;
use crate::metrics::{Metrics, measure, threshold_for_precision};
use crate::model::{
    Calibration, Golden, MANIFEST_FILE, MODEL_FILE, Manifest, Model, ModelError, Settings, TrainingData, check_name,
    corrupt, logistic, write,
};
use crate::rounding::{five_decimals, six_decimals, twelve_digits};
use crate::row::Row;

pub use options::{Learner, Options, TrainError};
use raw::{Raw, repeated};

const FOLDS: usize = 10;

/// A fitted model and its origin.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainedModel {
    /// The model.
    pub model: Model,
    /// Its manifest.
    pub manifest: Manifest,
    files: [(&'static str, Vec<u8>); 3],
}

/// The squares of such values can be summed without overflow.
const LARGEST_VALUE: f64 = 1e100;

/// Fits linfa's logistic regression to standardised features, or boosted trees to unchanged
/// features, and calibrates.
///
/// - In the logistic model, unknown values count as the mean of the known ones, so they do not move
///   a score; trees send them to the side that fits.
/// - Rows count by their weight, in the fit, the calibration and the threshold. Classes have no
///   weights: a logistic model with an intercept expresses unequal classes in its intercept alone,
///   which Platt's calibration and, if `prior` is given, prior correction adjust (King and Zeng
///   2001).
/// - Platt's a and b come from the scores of rows held out by world and seed, in at most ten folds;
///   the threshold and the figures in the manifest come from the same rows.
/// - Rows are sorted first and weights rounded, so the order of the rows has no effect.
///
/// # Errors
/// [`TrainError`] says what is missing in the rows or options.
pub fn train(rows: &[Row], options: &Options) -> Result<TrainedModel, TrainError> {
    check(rows, options)?;
    let mut rows = sorted(rows);
    rows.retain(|row| row.origin.weight > 0.0);
    let (times, _) = repeated(&rows);
    let by_seed = held_out_scores(&rows, options, |row| (row.origin.world.as_str(), row.origin.seed))?;
    let by_world = held_out_scores(&rows, options, |row| row.origin.world.as_str())?;

    let calibration = calibrate(&rows, &times, &by_seed, options)?;
    let probabilities = |scores: &[Option<f64>], shift: f64| -> Vec<(f64, bool)> {
        let scored = times.iter().filter_map(|&at| Some((scores[at]?, rows[at].origin.inauthentic)));
        scored.map(|(raw, y)| (logistic(calibration.log_odds(raw) - calibration.prior_shift + shift), y)).collect()
    };
    let in_service = probabilities(&by_seed, calibration.prior_shift);
    let weight = calibration.prior_shift.exp();
    let threshold = twelve_digits(threshold_for_precision(&in_service, options.precision, weight));
    let as_trained = logistic((threshold / (1.0 - threshold)).ln() - calibration.prior_shift);

    let mut model = calibrated(Raw::fit(&rows, options.subject, &options.learner)?, calibration, threshold, options);
    model.golden = golden(&model, &rows);
    let held_out = times.iter().filter_map(|&at| Some(calibration.log_odds(by_seed[at]?)));
    model.reference = Some(Reference::new(&rows, held_out));
    let (bytes, checksum) = model.encode()?;

    let held_out = measure(&probabilities(&by_seed, 0.0), as_trained).ok_or(TrainError::Groups(0))?;
    let (evidence, rule) = match options.subject {
        Subject::Cluster => ("nats_per_trial", "own_words_share"),
        Subject::Account => ("log_e", "suspicion"),
    };
    let alone = |feature: &str| {
        let at = options.subject.features().iter().position(|f| f.name == feature);
        baseline(&rows, &by_seed, |row| row.values[at?])
    };
    let manifest = Manifest {
        subject: options.subject,
        name: options.name.clone(),
        version: options.version.clone(),
        learner: options.learner.description().to_owned(),
        code_version: env!("CARGO_PKG_VERSION").to_owned(),
        features: options.subject.features().iter().map(|feature| feature.name.to_owned()).collect(),
        feature_schema: options.subject.schema_hash(),
        threshold,
        training: describe(&rows, options),
        settings: Settings {
            alpha: match options.learner {
                Learner::Logistic { alpha } => Some(alpha),
                Learner::Boosted(_) => None,
            },
            boosting: match &options.learner {
                Learner::Logistic { .. } => None,
                Learner::Boosted(boosting) => Some(boosting.clone()),
            },
            precision: options.precision,
            prior: options.prior,
        },
        calibration,
        held_out: rounded(held_out),
        held_out_worlds: measure(&probabilities(&by_world, 0.0), as_trained).map(rounded),
        baseline_evidence: alone(evidence),
        baseline_rule: Some(alone(rule)),
        baseline_size: baseline(&rows, &by_seed, |row| Some((row.accounts.max(1) as f64).ln())),
        model_checksum: checksum,
    };
    let mut manifest_bytes = serde_json::to_vec_pretty(&manifest)?;
    manifest_bytes.push(b'\n');
    let card = card(&model, &manifest).into_bytes();
    let files = [(MODEL_FILE, bytes), (MANIFEST_FILE, manifest_bytes), ("card.md", card)];
    Ok(TrainedModel { model, manifest, files })
}

impl TrainedModel {
    /// Writes `model.json`, `manifest.json` and `card.md` to `models_dir/<name>/<version>/`, and
    /// returns that folder.
    ///
    /// # Errors
    /// [`ModelError::Exists`] if the version holds another model: versions never change.
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
    let alpha = match options.learner {
        Learner::Logistic { alpha } => alpha,
        Learner::Boosted(_) => 1.0,
    };
    let settings = [
        ("alpha", alpha, 1e-6..1e6, "from 0.000001 to 1000000"),
        ("precision", options.precision, 0.0..1.0 + f64::EPSILON, "from 0 to 1"),
        ("prior", options.prior.unwrap_or(0.5), 1e-6..1.0 - 1e-6, "between 0 and 1"),
    ];
    for (setting, value, range, expected) in settings {
        if !range.contains(&value) {
            return Err(TrainError::Setting { setting, value, expected });
        }
    }
    let expected = options.subject.features().len();
    if let Some(row) = rows.iter().find(|row| row.values.len() != expected) {
        let cluster_id = format!("{} {}", options.subject, row.cluster_id);
        return Err(TrainError::Width { cluster_id, found: row.values.len(), expected });
    }
    for row in rows {
        let values = options.subject.features().iter().zip(&row.values);
        let mut known = values.filter_map(|(feature, value)| Some((feature.name, (*value)?)));
        if let Some((feature, value)) = known.find(|(_, value)| value.abs() > LARGEST_VALUE) {
            let cluster_id = format!("{} {}", options.subject, row.cluster_id);
            return Err(TrainError::TooLarge { cluster_id, feature, value });
        }
    }
    let inauthentic = rows.iter().filter(|row| row.origin.inauthentic).count();
    let organic = rows.len() - inauthentic;
    if inauthentic == 0 || organic == 0 {
        return Err(TrainError::Labels { inauthentic, organic });
    }
    Ok(())
}

/// Scores every row with a model that was trained without the rows of its group; `None` if the rest
/// has only one label.
fn held_out_scores<'r, G: Ord>(
    rows: &[&'r Row],
    options: &Options,
    group: impl Fn(&'r Row) -> G,
) -> Result<Vec<Option<f64>>, TrainError> {
    let groups: BTreeSet<G> = rows.iter().map(|row| group(row)).collect();
    let groups: Vec<G> = groups.into_iter().collect();
    let fold = |row: &'r Row| groups.binary_search(&group(row)).unwrap_or_default() % FOLDS;
    let folds: Vec<usize> = rows.iter().map(|row| fold(row)).collect();
    let mut scores = vec![None; rows.len()];
    for held_out in 0..groups.len().min(FOLDS) {
        let rest: Vec<&Row> = rows.iter().zip(&folds).filter(|(_, f)| **f != held_out).map(|(row, _)| *row).collect();
        let inauthentic = rest.iter().filter(|row| row.origin.inauthentic).count();
        if inauthentic == 0 || inauthentic == rest.len() {
            continue;
        }
        let model = Raw::fit(&rest, options.subject, &options.learner)?;
        for at in (0..rows.len()).filter(|&at| folds[at] == held_out) {
            scores[at] = Some(model.score(rows[at]));
        }
    }
    Ok(scores)
}

fn calibrate(
    rows: &[&Row],
    times: &[usize],
    scores: &[Option<f64>],
    options: &Options,
) -> Result<Calibration, TrainError> {
    let scored: Vec<(f64, bool)> =
        times.iter().filter_map(|&at| Some((scores[at]?, rows[at].origin.inauthentic))).collect();
    let inauthentic = scored.iter().filter(|s| s.1).count();
    if inauthentic == 0 || inauthentic == scored.len() {
        let groups: BTreeSet<_> = rows.iter().map(|row| (&row.origin.world, row.origin.seed)).collect();
        return Err(TrainError::Groups(groups.len()));
    }
    let raw: Array1<f64> = scored.iter().map(|s| s.0).collect();
    let labels: Array1<bool> = scored.iter().map(|s| s.1).collect();
    let (a, b) = platt_newton_method(raw.view(), labels.view(), &Platt::<f64, ()>::params().check()?)?;
    if a.is_nan() || a >= 0.0 {
        return Err(TrainError::NoSkill(a));
    }
    let log_odds = |share: f64| (share / (1.0 - share)).ln();
    let trained = times.iter().filter(|at| rows[**at].origin.inauthentic).count() as f64 / times.len() as f64;
    let prior_shift = options.prior.map_or(0.0, |prior| log_odds(prior) - log_odds(trained));
    Ok(Calibration { a: five_decimals(a), b: five_decimals(b), prior_shift: twelve_digits(prior_shift) })
}

/// Includes the calibration in the weights or leaves, so that a score is a calibrated log-odds and
/// contributions are in its nats.
fn calibrated(raw: Raw, calibration: Calibration, threshold: f64, options: &Options) -> Model {
    let (intercept, terms, trees) = match raw {
        Raw::Linear(linear) => {
            let mut terms = linear.terms;
            for term in &mut terms {
                term.weight = twelve_digits(-calibration.a * term.weight) + 0.0;
            }
            (twelve_digits(calibration.log_odds(linear.intercept)), terms, None)
        }
        Raw::Trees(trees, terms) => {
            let trees = trees.rescaled(-calibration.a, calibration.log_odds(0.0));
            (0.0, terms, Some(trees))
        }
    };
    let (name, version) = (options.name.clone(), options.version.clone());
    let subject = options.subject;
    Model { subject, name, version, intercept, threshold, terms, golden: Vec::new(), trees, reference: None }
}

fn golden(model: &Model, rows: &[&Row]) -> Vec<Golden> {
    let picked: BTreeSet<usize> = [0, rows.len() / 3, 2 * rows.len() / 3, rows.len() - 1].into();
    let rows = picked.into_iter().map(|at| rows[at]);
    rows.map(|row| {
        let values: Vec<Option<f64>> = row.values.iter().map(|v| v.map(twelve_digits)).collect();
        let score = twelve_digits(model.verdict_on(&values).score);
        Golden { values, score }
    })
    .collect()
}

fn describe(rows: &[&Row], options: &Options) -> TrainingData {
    let worlds: BTreeSet<&str> = rows.iter().map(|row| row.origin.world.as_str()).collect();
    let campaigns: BTreeSet<(&str, u64, &str)> = rows.iter().map(|row| row.campaign_key()).collect();
    let seeds: BTreeSet<u64> = rows.iter().map(|row| row.origin.seed).collect();
    TrainingData {
        description: options.data.clone(),
        fingerprint: Dataset { subject: options.subject, rows: rows.iter().map(|&row| row.clone()).collect() }
            .fingerprint(),
        rows: rows.len(),
        inauthentic: rows.iter().filter(|row| row.origin.inauthentic).count(),
        campaigns: campaigns.len(),
        worlds: worlds.into_iter().map(str::to_owned).collect(),
        seeds: seeds.len(),
    }
}

/// Average precision of one number alone, on the rows on which the model was measured.
fn baseline(rows: &[&Row], scores: &[Option<f64>], number: impl Fn(&Row) -> Option<f64>) -> f64 {
    let value = |row: &Row| logistic(number(row).unwrap_or(f64::MIN));
    let scored: Vec<(f64, bool)> = rows
        .iter()
        .zip(scores)
        .filter(|(_, score)| score.is_some())
        .map(|(row, _)| (value(row), row.origin.inauthentic))
        .collect();
    measure(&scored, 0.5).map_or(0.0, |metrics| six_decimals(metrics.average_precision))
}

fn rounded(metrics: Metrics) -> Metrics {
    Metrics {
        average_precision: six_decimals(metrics.average_precision),
        roc_auc: six_decimals(metrics.roc_auc),
        brier: six_decimals(metrics.brier),
        calibration_error: six_decimals(metrics.calibration_error),
        precision: six_decimals(metrics.precision),
        recall: six_decimals(metrics.recall),
        ..metrics
    }
}

#[cfg(test)]
mod tests;
