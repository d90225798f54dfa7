//! The artefact: a fitted model as a file that cannot be read wrongly.
//!
//! `model.json` holds a magic word, the format's version, the feature list's hash, a checksum and
//! the model with a few golden rows. All are verified when it is loaded. `manifest.json` next to it
//! describes how the model was made.

mod files;
mod manifest;
mod plain;

use std::path::Path;

use coordination::Cluster;
use ndarray::Array1;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::boost::Boosted;
use crate::drift::Reference;
use crate::features::{self, Feature, Subject, SuspectAccount, name_difference};
use crate::{Reason, Verdict};

pub use files::ModelError;
pub(crate) use files::{check_name, corrupt, read, write};
pub use manifest::{Calibration, Manifest, Settings, TrainingData};
use plain::is_plain;

const MAGIC: &str = "lockstep-model";
/// Format of linear models.
const FORMAT: u32 = 1;
/// Format of models with trees, which older programs must not read.
const FORMAT_TREES: u32 = 2;
pub(crate) const MODEL_FILE: &str = "model.json";
pub(crate) const MANIFEST_FILE: &str = "manifest.json";

/// A calibrated model: logistic on standardised features, or gradient-boosted trees.
///
/// Logistic: score = intercept + sum over known features of weight * (clamp(value, least, most) -
/// mean) / scale. A value that is not known counts as the training mean and so contributes exactly
/// 0. A value outside the training range counts as the nearest value seen, because a straight line
/// is not valid outside its data.
///
/// Trees: score = base + one leaf of each tree, and a feature's contribution is its Shapley value.
/// A value that is not known goes to the same side as in training, so it may contribute as well;
/// the reason says so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The subject; files of models of clusters do not contain it.
    #[serde(default, skip_serializing_if = "Subject::is_cluster")]
    pub(crate) subject: Subject,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) intercept: f64,
    pub(crate) threshold: f64,
    pub(crate) terms: Vec<Term>,
    pub(crate) golden: Vec<Golden>,
    /// If there are trees, they score, and the terms' weights are 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trees: Option<Boosted>,
    /// Histograms of the training set; older models have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reference: Option<Reference>,
}

/// The parameters of one feature in a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Term {
    pub(crate) feature: String,
    pub(crate) unit: String,
    pub(crate) formula: String,
    pub(crate) mean: f64,
    pub(crate) scale: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
    pub(crate) weight: f64,
}

/// A training row with its score: scored again whenever the model is loaded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Golden {
    pub(crate) values: Vec<Option<f64>>,
    pub(crate) score: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<M> {
    magic: String,
    format: u32,
    feature_schema: String,
    checksum: String,
    model: M,
}

impl Model {
    /// Reads and verifies the model in a version's folder, `models/<name>/<version>/`.
    ///
    /// # Errors
    /// [`ModelError`] says which file is wrong, what is wrong, and what to do. A model that was
    /// fitted on another feature list is refused, and the error names the difference.
    pub fn load(dir: &Path) -> Result<Model, ModelError> {
        let path = dir.join(MODEL_FILE);
        let (model, checksum) = Model::decode(&read(&path)?, &path)?;
        let manifest = Manifest::load(dir)?;
        if manifest.model_checksum != checksum {
            return Err(corrupt(&dir.join(MANIFEST_FILE), "describes another model than the one beside it"));
        }
        Ok(model)
    }

    /// Reads and verifies the bytes of a `model.json`, for a model that is compiled into a program.
    ///
    /// # Errors
    /// As [`Model::load`], but without the manifest.
    pub fn from_bytes(bytes: &[u8]) -> Result<Model, ModelError> {
        Ok(Model::decode(bytes, Path::new(MODEL_FILE))?.0)
    }

    /// The subject that it judges.
    pub fn subject(&self) -> Subject {
        self.subject
    }

    /// The same model, if `wanted` is its subject.
    ///
    /// # Errors
    /// [`ModelError::Subject`].
    pub fn of(self, wanted: Subject) -> Result<Model, ModelError> {
        if self.subject == wanted {
            return Ok(self);
        }
        Err(ModelError::Subject { model: format!("{} {}", self.name, self.version), found: self.subject, wanted })
    }

    /// Name, as in the registry.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Version, as in the registry.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Probability from which a cluster is called inauthentic.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// Histograms of its training set, to measure how far the judged data differ from it.
    pub fn reference(&self) -> Option<&Reference> {
        self.reference.as_ref()
    }

    /// Judges a cluster. A model of accounts returns a verdict without any known feature;
    /// [`Model::of`] refuses it beforehand.
    ///
    /// The verdict is about inauthenticity alone: whether the finding has more than one source is
    /// not the model's question, and a single-source cluster must not be flagged whatever its
    /// verdict.
    ///
    /// A model has seen simulated groups only, and is most certain where it is furthest from them.
    /// So a group is called inauthentic only if its behaviour is plain as well: members' own words
    /// are repeated in at least two of five posts; or, for half of the objects that at least three
    /// members used, half of those members had used them within a minute of the first. Of the
    /// measured real groups, operations with copied texts have a share of own words of .40 to .86,
    /// and newsrooms of at most .29. In addition, the group must reach its threshold without any
    /// repost of an unknown author: all of these may have one author, and the group may be that
    /// author's fans. Every other group remains coordinated, whatever its probability.
    pub fn verdict(&self, cluster: &Cluster) -> Verdict {
        match self.subject {
            Subject::Cluster => {
                let values = features::values(cluster);
                let verdict = self.verdict_on(&values);
                let held_back = verdict.inauthentic && !is_plain(cluster);
                Verdict { inauthentic: verdict.inauthentic && !held_back, held_back, ..verdict }
            }
            Subject::Account => self.verdict_on(&[]),
        }
    }

    /// Judges an account. A model of clusters returns a verdict without any known feature.
    pub fn verdict_on_account(&self, account: &SuspectAccount) -> Verdict {
        match self.subject {
            Subject::Account => self.verdict_on(&features::account_values(account)),
            Subject::Cluster => self.verdict_on(&[]),
        }
    }

    /// Judges feature values in the order of the subject's [features](Subject::features), as in a
    /// dataset's rows. Missing values at the end are not known.
    pub fn verdict_on(&self, values: &[Option<f64>]) -> Verdict {
        let known = self.subject.features().len();
        let values: Vec<Option<f64>> = values.iter().copied().chain(std::iter::repeat(None)).take(known).collect();
        let (intercept, mut reasons) = match &self.trees {
            Some(trees) => self.by_trees(trees, &values),
            None => (self.intercept, self.by_weights(&values)),
        };
        reasons.sort_by(|a, b| {
            let size = b.contribution.abs().total_cmp(&a.contribution.abs());
            size.then_with(|| a.feature.cmp(b.feature))
        });
        let score = reasons.iter().fold(intercept, |sum, reason| sum + reason.contribution);
        let probability = logistic(score);
        Verdict {
            score,
            intercept,
            probability,
            inauthentic: probability >= self.threshold,
            held_back: false,
            reasons,
            model: self.name.clone(),
            version: self.version.clone(),
        }
    }

    fn by_weights(&self, values: &[Option<f64>]) -> Vec<Reason> {
        let terms = self.subject.features().iter().zip(&self.terms);
        terms
            .zip(values)
            .filter(|((_, term), _)| term.weight != 0.0)
            .map(|((feature, term), value)| term.reason(feature, *value, term.contribution(*value)))
            .filter(|reason| reason.contribution != 0.0 || reason.value.is_none())
            .collect()
    }

    fn by_trees(&self, trees: &Boosted, values: &[Option<f64>]) -> (f64, Vec<Reason>) {
        let row: Array1<f64> = values.iter().map(|value| value.unwrap_or(f64::NAN)).collect();
        let (base, parts) = trees.contributions(row.view());
        let splits = trees.splits();
        let used = (0..parts.len()).filter(|at| splits[*at] > 0);
        let features = self.subject.features();
        let reasons = used.map(|at| self.terms[at].reason(&features[at], values[at], parts[at]));
        (base, reasons.filter(|reason| reason.contribution != 0.0 || reason.value.is_none()).collect())
    }

    fn format(&self) -> u32 {
        if self.trees.is_some() { FORMAT_TREES } else { FORMAT }
    }

    /// The file's bytes, and their checksum.
    pub(crate) fn encode(&self) -> Result<(Vec<u8>, String), serde_json::Error> {
        let checksum = self.checksum()?;
        let envelope = Envelope {
            magic: MAGIC.to_owned(),
            format: self.format(),
            feature_schema: self.subject.schema_hash(),
            checksum: checksum.clone(),
            model: self,
        };
        let mut bytes = serde_json::to_vec_pretty(&envelope)?;
        bytes.push(b'\n');
        Ok((bytes, checksum))
    }

    fn decode(bytes: &[u8], path: &Path) -> Result<(Model, String), ModelError> {
        let value: serde_json::Value =
            serde_json::from_slice(bytes).map_err(|e| corrupt(path, format!("not JSON: {e}")))?;
        if value.get("magic").and_then(|m| m.as_str()) != Some(MAGIC) {
            return Err(corrupt(path, "not a Lockstep model"));
        }
        match value.get("format").and_then(serde_json::Value::as_u64) {
            Some(found) if [FORMAT, FORMAT_TREES].map(u64::from).contains(&found) => {}
            found => {
                let path = path.to_owned();
                return Err(ModelError::Format { path, found: found.unwrap_or_default() });
            }
        }
        let envelope: Envelope<Model> =
            serde_json::from_value(value).map_err(|e| corrupt(path, format!("not a model: {e}")))?;
        let model = envelope.model;
        let checksum = model.checksum().map_err(|e| corrupt(path, e.to_string()))?;
        if checksum != envelope.checksum {
            return Err(corrupt(path, "its checksum does not match its content"));
        }
        if let Some(difference) = model.feature_difference() {
            return Err(ModelError::Features { path: path.to_owned(), difference });
        }
        if envelope.feature_schema != model.subject.schema_hash() {
            return Err(corrupt(path, "its feature hash does not match its features"));
        }
        let broken = |term: &&Term| term.scale <= 0.0 || term.least > term.most;
        if let Some(term) = model.terms.iter().find(broken) {
            return Err(corrupt(path, format!("feature {} has no valid scale or range", term.feature)));
        }
        if envelope.format != model.format()
            || model.trees.as_ref().is_some_and(|trees| !trees.is_sound(model.subject.features().len()))
        {
            return Err(corrupt(path, "its trees are not whole"));
        }
        if model.reference.as_ref().is_some_and(|reference| !reference.is_sound(model.subject.features().len())) {
            return Err(corrupt(path, "its picture of the training set is not whole"));
        }
        for golden in &model.golden {
            let score = model.verdict_on(&golden.values).score;
            // The last digits may differ between processors; any larger difference means another
            // way of scoring.
            if (score - golden.score).abs() > 1e-6 {
                let reason = format!("a golden row scores {score}, {} when it was trained", golden.score);
                return Err(corrupt(path, reason));
            }
        }
        Ok((model, checksum))
    }

    fn checksum(&self) -> Result<String, serde_json::Error> {
        Ok(text_format::hex(&Sha256::digest(serde_json::to_vec(self)?)))
    }

    fn feature_difference(&self) -> Option<String> {
        let found: Vec<String> = self.terms.iter().map(|term| term.feature.clone()).collect();
        let features = self.subject.features();
        let expected: Vec<&str> = features.iter().map(|feature| feature.name).collect();
        name_difference(&found, &expected).or_else(|| {
            let mut pairs = features.iter().zip(&self.terms);
            let changed = pairs.find(|(f, t)| f.unit != t.unit || f.formula != t.formula);
            changed.map(|(f, t)| {
                let (name, unit, formula) = (f.name, f.unit, f.formula);
                format!("{name} is now {formula} ({unit}), was {} ({})", t.formula, t.unit)
            })
        })
    }
}

impl Term {
    /// The contribution of a value to the score, in nats.
    pub(crate) fn contribution(&self, value: Option<f64>) -> f64 {
        match value {
            Some(v) => self.weight * (v.clamp(self.least, self.most) - self.mean) / self.scale,
            None => 0.0,
        }
    }

    fn reason(&self, feature: &Feature, value: Option<f64>, contribution: f64) -> Reason {
        let label = feature.label;
        let effect = match contribution {
            c if c >= 0.005 => format!("raises the score by {c:.2}"),
            c if c <= -0.005 => format!("lowers the score by {:.2}", -c),
            _ => "hardly moves the score".to_owned(),
        };
        let text = match value {
            None if contribution == 0.0 => format!("{label} is not known and counts neither way"),
            None => format!("{label} is not known, as in some groups in training: {effect}"),
            Some(v) => {
                let (value, usual) = ((feature.show)(v), (feature.show)(self.mean));
                format!("{label} is {value} (the average group in training has {usual}): {effect}")
            }
        };
        Reason { feature: feature.name, value, contribution, text }
    }
}

pub(crate) fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests;
