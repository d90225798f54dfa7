//! Measures how well models separate inauthentic clusters from organic ones, and whether one model
//! does so better than another.
//!
//! The path of a measurement: labelled clusters ([`Row`]s) are judged by stored models ([`judge`])
//! or by learners that were trained without them ([`Split`]); [`Figures`] measure the quality,
//! [`Comparison`]s whether one model is better than another, [`Ablation`]s which features decide;
//! [`ModelReport`] holds all of it, for JSON and for the page.
//!
//! # Definitions
//!
//! **Row.** A cluster in one state: its first or its last report. Average precision, ROC AUC, Brier
//! score and calibration are over rows, and each row counts once, because in service every state is
//! judged. **Cluster.** Precision and recall at the threshold, alert budgets and false positives
//! are over clusters: a cluster counts as flagged if any of its states is. **Intervals** are of 95
//! %: percentile bootstrap over campaigns and organic groups, never over rows; those of shares in
//! small groups are Clopper and Pearson's.

mod ablation;
mod budget;
mod compare;
mod drawings;
mod figures;
mod page;
mod splits;
mod table;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, BTreeSet};

use scoring::{Dataset, Folds, LabelSource, Learner, Manifest, Model, Row, TrainingData};
use serde::Serialize;

pub use ablation::{Ablation, Group, Variant};
pub use budget::Budget;
pub use compare::{Comparison, ComparisonOutcome, Difference, MARGIN, Within};
use figures::Judgement;
pub use figures::{AtBudget, AtThreshold, Bar, Bin, Collection, Expected, FalsePositives, Figures};
pub use splits::{Fold, Split, learner};

/// A model's judgement of one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// Log-odds.
    pub score: f64,
    /// Probability.
    pub probability: f64,
    /// At or above the model's threshold.
    pub inauthentic: bool,
}

/// Judgements of all rows; `None` for a row that was not judged.
pub type Judgements = Vec<Option<Judged>>;

/// A model's judgements of rows.
pub fn judge(model: &Model, rows: &[Row]) -> Judgements {
    rows.iter().map(|row| Some(judge_row(model, row))).collect()
}

fn judge_row(model: &Model, row: &Row) -> Judged {
    let verdict = model.verdict_on(&row.values);
    Judged { score: verdict.score, probability: verdict.probability, inauthentic: verdict.inauthentic }
}

/// Why a model cannot be measured on rows.
#[derive(Debug, thiserror::Error)]
#[error(
    "{model} was trained on exactly these rows (fingerprint {fingerprint}): figures on them would say nothing; build a dataset of \
     other seeds, worlds or collections"
)]
pub struct TrainedOnThese {
    /// The model.
    pub model: String,
    /// The dataset's fingerprint.
    pub fingerprint: String,
}

/// Whether a model may have been trained on each row: on rows of its worlds with seeds that it may
/// have seen (seeds count from 1, so those up to their number), and on rows of its collections,
/// which have no seeds.
///
/// # Errors
/// [`TrainedOnThese`] if the rows are exactly its training data.
pub fn seen_in_training(rows: &[Row], manifest: &Manifest) -> Result<Vec<bool>, TrainedOnThese> {
    let TrainingData { fingerprint, worlds, seeds, .. } = &manifest.training;
    // Training may have used the rows with their folds, or before they had any.
    let mut without_folds = rows.to_vec();
    without_folds.iter_mut().for_each(|row| row.folds = Folds::default());
    let forms = [
        Dataset { rows: rows.to_vec(), ..Dataset::default() },
        Dataset { rows: without_folds, ..Dataset::default() },
        Dataset::split(rows),
    ];
    if forms.iter().any(|form| form.fingerprint() == *fingerprint) {
        let model = format!("{} {}", manifest.name, manifest.version);
        return Err(TrainedOnThese { model, fingerprint: fingerprint.clone() });
    }
    let seen = |row: &Row| worlds.contains(&row.origin.world) && row.origin.seed <= *seeds as u64;
    Ok(rows.iter().map(seen).collect())
}

/// What is measured, and how.
pub struct Plan {
    /// Origin of the rows, as text.
    pub description: String,
    /// Warnings to read before the figures.
    pub warnings: Vec<String>,
    /// The labelled clusters, with their folds.
    pub rows: Vec<Row>,
    /// Stored models by name: first the one that is compared, then the one in service.
    pub stored: Vec<(String, Model)>,
    /// Learners by name; the first is the reference.
    pub learners: Vec<(String, Learner)>,
    /// How the learners' rows are held out.
    pub splits: Vec<Split>,
    /// Rows on which the learners are trained for [`Split::Other`].
    pub taught_by: Option<Vec<Row>>,
    /// Whether to measure which features decide; for every learner, or for the logistic one if
    /// there is none.
    pub ablation: bool,
    /// How many clusters people can examine.
    pub budget: Budget,
    /// By how much a model may be worse and still count as no worse.
    pub margin: f64,
    /// Number of threads; the results do not depend on it.
    pub threads: usize,
}

/// All figures of models on one set of labelled clusters.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelReport {
    /// The judged rows.
    pub data: Data,
    /// Warnings to read before the figures.
    pub warnings: Vec<String>,
    /// The judges: stored models, and learners for each split.
    pub contenders: Vec<Contender>,
    /// Comparisons between models.
    pub comparisons: Vec<Comparison>,
    /// Which features decide.
    pub ablations: Vec<Ablation>,
}

/// Labelled clusters in numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Data {
    /// Origin of the rows.
    pub description: String,
    /// Rows: states of clusters.
    pub rows: usize,
    /// Inauthentic ones.
    pub inauthentic: usize,
    /// Campaigns and organic groups.
    pub campaigns: usize,
    /// Worlds and collections with their rows.
    pub collections: BTreeMap<String, usize>,
    /// Rows by source of their labels.
    pub label_sources: BTreeMap<&'static str, usize>,
    /// Whether all rows are simulated.
    pub synthetic: bool,
    /// [`Dataset::fingerprint`].
    pub fingerprint: String,
}

/// One model, or one learner under one split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contender {
    /// Name and version, or the learner.
    pub name: String,
    /// How rows were held out from a learner; `None` for a stored model.
    pub split: Option<Split>,
    /// The parts held out.
    pub folds: Vec<Fold>,
    /// Rows that were not judged, because no learner could be trained on the rest.
    pub unjudged: usize,
    /// Its figures.
    pub figures: Figures,
    /// Comparisons with single numbers on the same rows: the evidence alone, the number of accounts
    /// alone.
    pub baselines: Vec<Comparison>,
}

impl Contender {
    /// Name and split, as text.
    pub fn title(&self) -> String {
        match self.split {
            Some(split) => format!("{}, {}", self.name, split.description()),
            None => self.name.clone(),
        }
    }
}

impl ModelReport {
    /// Judges everything. `on_done` is called for each step, from any thread.
    pub fn run(plan: &Plan, on_done: &(dyn Fn(&str) + Sync)) -> ModelReport {
        let mut report = ModelReport {
            data: Data::of(&plan.description, &plan.rows),
            warnings: plan.warnings.clone(),
            contenders: Vec::new(),
            comparisons: Vec::new(),
            ablations: Vec::new(),
        };
        let stored: Vec<Candidate> = plan
            .stored
            .iter()
            .map(|(name, model)| {
                let said = judge(model, &plan.rows);
                on_done(name);
                Candidate { name: name.clone(), said, folds: Vec::new() }
            })
            .collect();
        // The first stored model is the candidate, the model in service is the reference.
        report.add(plan, None, &stored, |candidates| match candidates {
            [first, others @ ..] => others.iter().map(|other| (first, other)).collect(),
            [] => Vec::new(),
        });
        let splits = plan.splits.iter().copied().filter(|split| *split != Split::Other);
        for split in splits.chain(plan.taught_by.as_ref().map(|_| Split::Other)) {
            let candidates: Vec<Candidate> = plan
                .learners
                .iter()
                .map(|(name, learner)| {
                    let (said, folds) = match (&plan.taught_by, split) {
                        (Some(others), Split::Other) => {
                            let (said, fold) = splits::taught_elsewhere(&plan.rows, others, learner, &Row::clone);
                            (said, vec![fold])
                        }
                        _ => splits::hold_out(&plan.rows, learner, split, &Row::clone, plan.threads),
                    };
                    on_done(&format!("{name}, {}", split.description()));
                    Candidate { name: name.clone(), said, folds }
                })
                .collect();
            // Each learner is compared with the reference learner.
            report.add(plan, Some(split), &candidates, |candidates| match candidates {
                [yardstick, others @ ..] => others.iter().map(|other| (other, yardstick)).collect(),
                [] => Vec::new(),
            });
        }
        if plan.ablation {
            let usual = [("logistic".to_owned(), Learner::default())];
            let learners = if plan.learners.is_empty() { &usual[..] } else { &plan.learners };
            for (name, learner) in learners {
                report.ablations.extend(Ablation::run(&plan.rows, (name, learner), plan.threads, on_done));
            }
        }
        report
    }

    fn add(
        &mut self,
        plan: &Plan,
        split: Option<Split>,
        candidates: &[Candidate],
        pairs: impl Fn(&[Candidate]) -> Vec<(&Candidate, &Candidate)>,
    ) {
        for candidate in candidates {
            self.contenders.push(candidate.contend(plan, split));
        }
        let title = |name: &str| match split {
            Some(split) => format!("{name}, {}", split.description()),
            None => name.to_owned(),
        };
        self.comparisons.extend(pairs(candidates).into_iter().map(|(candidate, against)| {
            let (candidate, against) = ((title(&candidate.name), candidate), (title(&against.name), against));
            let first = (candidate.0.as_str(), candidate.1.said.as_slice());
            Comparison::of(&plan.rows, first, (&against.0, &against.1.said), plan.margin)
        }));
    }
}

impl Plan {
    /// Number of steps that [`ModelReport::run`] reports.
    pub fn steps(&self) -> usize {
        let splits = self.splits.iter().filter(|split| **split != Split::Other).count();
        let splits = splits + usize::from(self.taught_by.is_some());
        let real = |row: &Row| row.origin.label_source != LabelSource::Simulator;
        let (simulated, real) = (self.rows.iter().any(|row| !real(row)), self.rows.iter().any(real));
        let ablations = usize::from(simulated) + usize::from(simulated && real);
        let ablations = if self.ablation { ablations * self.learners.len().max(1) * ablation::variants() } else { 0 };
        self.stored.len() + splits * self.learners.len() + ablations
    }
}

/// A model or a learner with its judgements.
struct Candidate {
    name: String,
    said: Judgements,
    folds: Vec<Fold>,
}

impl Candidate {
    fn contend(&self, plan: &Plan, split: Option<Split>) -> Contender {
        let judged = plan.rows.iter().zip(&self.said).filter_map(|(row, said)| Some((row, (*said)?)));
        let (rows, said): (Vec<&Row>, Vec<Judged>) = judged.unzip();
        let judgement = Judgement::new(rows, said);
        let evidence = |row: &&Row| {
            let at = scoring::features::FEATURES.iter().position(|feature| feature.name == "log_e");
            at.and_then(|at| row.values.get(at).copied().flatten()).unwrap_or(f64::MIN)
        };
        let size = |row: &&Row| row.accounts as f64;
        let bare = |against: &str, figure: Vec<f64>| Comparison::with_figure(&judgement, &self.name, against, &figure);
        Contender {
            name: self.name.clone(),
            split,
            folds: self.folds.clone(),
            unjudged: self.said.iter().filter(|said| said.is_none()).count(),
            figures: Figures::of(&judgement, plan.budget),
            baselines: vec![
                bare("the evidence alone", judgement.rows.iter().map(evidence).collect()),
                bare("the number of accounts alone", judgement.rows.iter().map(size).collect()),
            ],
        }
    }
}

impl Data {
    fn of(description: &str, rows: &[Row]) -> Data {
        let campaigns: BTreeSet<_> = rows.iter().map(Row::campaign_key).collect();
        let mut data = Data {
            description: description.to_owned(),
            rows: rows.len(),
            inauthentic: rows.iter().filter(|row| row.origin.inauthentic).count(),
            campaigns: campaigns.len(),
            collections: BTreeMap::new(),
            label_sources: BTreeMap::new(),
            synthetic: rows.iter().all(|row| row.origin.label_source == LabelSource::Simulator),
            fingerprint: Dataset { rows: rows.to_vec(), ..Dataset::default() }.fingerprint(),
        };
        for row in rows {
            *data.collections.entry(row.origin.world.clone()).or_default() += 1;
            *data.label_sources.entry(row.origin.label_source.name()).or_default() += 1;
        }
        data
    }
}
