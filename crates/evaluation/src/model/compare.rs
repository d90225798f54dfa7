//! Compares two models on the same labelled clusters.

use std::{collections::BTreeSet, fmt};

use scoring::Row;
use serde::Serialize;

use super::{Judged, figures::Judgement, figures::mean};
use crate::stats::{Estimate, Ranking, Resamples};

/// By how much a candidate may be worse and still count as no worse, in average precision, Brier
/// score and share of false positives.
pub const MARGIN: f64 = 0.01;

/// A candidate compared with another model, on the same rows and the same resamples of campaigns.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The candidate.
    pub candidate: String,
    /// The reference.
    pub against: String,
    /// Rows that both judged.
    pub rows: usize,
    /// Campaigns and organic groups among them.
    pub campaigns: usize,
    /// Average precision; more is better.
    pub average_precision: Option<Difference>,
    /// ROC AUC; more is better.
    pub roc_auc: Option<Difference>,
    /// Brier score; less is better. `None` if the reference is not a probability.
    pub brier: Option<Difference>,
    /// Share of organic clusters flagged at each model's own threshold; less is better.
    pub false_positives: Option<Difference>,
    /// Share of inauthentic clusters flagged at each model's own threshold; more is better.
    pub recall: Option<Difference>,
    /// Average precision within each world or collection that has both labels, if there are
    /// several. The figures above mix scores of learners that were trained on different parts;
    /// these do not.
    pub by_collection: Vec<Within>,
    /// By how much a candidate may be worse and still count as no worse.
    pub margin: f64,
    /// The outcome.
    pub outcome: ComparisonOutcome,
}

/// A figure of both, and the candidate's minus the reference's, with a paired interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Difference {
    /// The candidate's.
    pub candidate: f64,
    /// The reference's.
    pub against: f64,
    /// The candidate's minus the reference's.
    pub difference: Estimate,
}

/// A comparison within one world or collection.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Within {
    /// The world or collection.
    pub collection: String,
    /// Rows that both judged.
    pub rows: usize,
    /// Average precision.
    pub average_precision: Difference,
}

/// The outcome of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ComparisonOutcome {
    /// Average precision is higher, its interval excludes 0, and neither the Brier score nor the
    /// false positives are worse with an interval that excludes 0.
    Better,
    /// Not better, but the intervals exclude that any of the three is worse by more than the
    /// margin.
    NoWorse,
    /// Average precision, Brier score or false positives are worse with an interval that excludes
    /// 0, and average precision is not better with such an interval.
    Worse,
    /// None of these: too few campaigns, or better in one figure and worse in another.
    NotDecided,
}

impl fmt::Display for ComparisonOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ComparisonOutcome::Better => "better",
            ComparisonOutcome::NoWorse => "no worse",
            ComparisonOutcome::Worse => "worse",
            ComparisonOutcome::NotDecided => "not decided",
        })
    }
}

impl Comparison {
    /// Compares two models on the rows that both judged.
    pub fn of(
        rows: &[Row],
        (candidate, judged): (&str, &[Option<Judged>]),
        (against, other): (&str, &[Option<Judged>]),
        margin: f64,
    ) -> Comparison {
        let both: Vec<(&Row, Judged, Judged)> =
            rows.iter().zip(judged).zip(other).filter_map(|((row, a), b)| Some((row, (*a)?, (*b)?))).collect();
        let rows = || both.iter().map(|(row, _, _)| *row).collect::<Vec<&Row>>();
        let a = Side::new(Judgement::new(rows(), both.iter().map(|(_, a, _)| *a).collect()));
        let b = Side::new(Judgement::new(rows(), both.iter().map(|(_, _, b)| *b).collect()));
        let resamples = &a.judgement.resamples;
        let paired = |of: Figure| difference(resamples, |weights| Some((of(&a, weights)?, of(&b, weights)?)));
        let mut comparison = Comparison {
            candidate: candidate.to_owned(),
            against: against.to_owned(),
            rows: both.len(),
            campaigns: resamples.groups(),
            average_precision: paired(|side, weights| Some(side.ranking.weighted(weights)?.0)),
            roc_auc: paired(|side, weights| Some(side.ranking.weighted(weights)?.1)),
            brier: paired(|side, weights| mean(side.squares.iter().copied().zip(weights.iter().copied()))),
            false_positives: paired(|side, weights| side.judgement.flagged_share(false, weights)),
            recall: paired(|side, weights| side.judgement.flagged_share(true, weights)),
            by_collection: within(&both),
            margin,
            outcome: ComparisonOutcome::NotDecided,
        };
        comparison.outcome = comparison.decide();
        comparison
    }

    /// Compares a model's order of rows with the order by a single number.
    pub(crate) fn with_figure(judgement: &Judgement<'_>, name: &str, against: &str, figure: &[f64]) -> Comparison {
        let ranking = judgement.ranking();
        let plain = Ranking::new(figure.iter().copied().zip(judgement.labels()).collect());
        let of = |which: fn((f64, f64)) -> f64| {
            difference(&judgement.resamples, |weights| {
                Some((which(ranking.weighted(weights)?), which(plain.weighted(weights)?)))
            })
        };
        let mut comparison = Comparison {
            candidate: name.to_owned(),
            against: against.to_owned(),
            rows: judgement.rows.len(),
            campaigns: judgement.resamples.groups(),
            average_precision: of(|ranked| ranked.0),
            roc_auc: of(|ranked| ranked.1),
            brier: None,
            false_positives: None,
            recall: None,
            by_collection: Vec::new(),
            margin: MARGIN,
            outcome: ComparisonOutcome::NotDecided,
        };
        comparison.outcome = comparison.decide();
        comparison
    }

    fn decide(&self) -> ComparisonOutcome {
        // Each figure as a loss: the interval of how much worse the candidate is.
        let Some((precise_from, precise_to)) = ends(self.average_precision).map(|(low, high)| (-high, -low)) else {
            return ComparisonOutcome::NotDecided;
        };
        // A loss that does not apply, or whose variation is not known, is no evidence for the
        // candidate.
        let others = [self.brier, self.false_positives];
        let others: Vec<(f64, f64)> =
            others.into_iter().flatten().map(|d| ends(Some(d)).unwrap_or((f64::NEG_INFINITY, f64::INFINITY))).collect();
        let better = precise_to < 0.0;
        let worse_elsewhere = others.iter().any(|(from, _)| *from > 0.0);
        let within = |to: f64| to <= self.margin;
        match (better, precise_from > 0.0 || worse_elsewhere) {
            (true, false) => ComparisonOutcome::Better,
            (true, true) => ComparisonOutcome::NotDecided,
            (false, true) => ComparisonOutcome::Worse,
            (false, false) if within(precise_to) && others.iter().all(|(_, to)| within(*to)) => {
                ComparisonOutcome::NoWorse
            }
            (false, false) => ComparisonOutcome::NotDecided,
        }
    }
}

/// One of the two models, prepared for repeated measurements.
struct Side<'r> {
    judgement: Judgement<'r>,
    ranking: Ranking,
    squares: Vec<f64>,
}

type Figure = fn(&Side<'_>, &[u32]) -> Option<f64>;

impl<'r> Side<'r> {
    fn new(judgement: Judgement<'r>) -> Side<'r> {
        Side { ranking: judgement.ranking(), squares: judgement.squares(), judgement }
    }
}

fn within(both: &[(&Row, Judged, Judged)]) -> Vec<Within> {
    let collections: BTreeSet<&str> = both.iter().map(|(row, _, _)| row.origin.world.as_str()).collect();
    if collections.len() < 2 {
        return Vec::new();
    }
    let differences = collections.into_iter().filter_map(|name| {
        let own: Vec<_> = both.iter().filter(|(row, _, _)| row.origin.world == name).collect();
        let ranked = |of: fn(&(&Row, Judged, Judged)) -> f64| {
            Ranking::new(own.iter().map(|one| (of(one), one.0.origin.inauthentic)).collect())
        };
        let (a, b) = (ranked(|one| one.1.score), ranked(|one| one.2.score));
        let resamples = Resamples::by(own.iter().map(|one| one.0.campaign_key()));
        let average_precision =
            difference(&resamples, |weights| Some((a.weighted(weights)?.0, b.weighted(weights)?.0)))?;
        Some(Within { collection: name.to_owned(), rows: own.len(), average_precision })
    });
    differences.collect()
}

fn ends(difference: Option<Difference>) -> Option<(f64, f64)> {
    let Estimate { low, high, .. } = difference?.difference;
    low.zip(high)
}

fn difference(resamples: &Resamples, of: impl Fn(&[u32]) -> Option<(f64, f64)>) -> Option<Difference> {
    let [candidate, against, difference] = resamples.estimates(|weights| {
        let both = of(weights);
        [both.map(|b| b.0), both.map(|b| b.1), both.map(|b| b.0 - b.1)]
    });
    Some(Difference { candidate: candidate?.value, against: against?.value, difference: difference? })
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}  {:.3}   {:+.4}", self.candidate, self.against, self.difference.value)?;
        match self.difference.low.zip(self.difference.high) {
            Some((low, high)) => write!(f, " ({low:+.4} to {high:+.4})"),
            None => write!(f, " (no interval)"),
        }
    }
}

impl fmt::Display for Comparison {
    /// A table whose last line is the outcome.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} against {}, on {} states of clusters of {} campaigns and organic groups",
            self.candidate, self.against, self.rows, self.campaigns
        )?;
        writeln!(f, "                                        first  second  difference")?;
        let lines = [
            ("average precision (more is better)", self.average_precision),
            ("ROC AUC (more is better)", self.roc_auc),
            ("Brier score (less is better)", self.brier),
            ("organic clusters flagged (less)", self.false_positives),
            ("inauthentic clusters flagged (more)", self.recall),
        ];
        for (name, difference) in lines {
            match difference {
                Some(difference) => writeln!(f, "  {name:<38}{difference}")?,
                None => writeln!(f, "  {name:<38}none")?,
            }
        }
        for Within { collection, rows, average_precision } in &self.by_collection {
            writeln!(f, "  {:<38}{average_precision}", format!("average precision in {collection} ({rows})"))?;
        }
        writeln!(f, "{}: {}", self.candidate, self.outcome)
    }
}
