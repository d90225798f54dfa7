//! What one model's judgements of labelled clusters come to.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use scoring::Row;
use serde::Serialize;

use super::Judged;
use crate::stats::{Estimate, Ranking, Resamples, proportion};

/// Bins of the reliability plot and of the expected calibration error, of equal width.
const BINS: usize = 10;
/// Bars of the histogram of probabilities.
const BARS: usize = 20;
/// Under so many clusters a share says little: an interval of Clopper and Pearson is then wider than 0.16 even at none of them.
const FEW: u64 = 20;
/// Shares of inauthentic clusters in service for which precision is worked out.
const BASE_RATES: [f64; 5] = [0.01, 0.05, 0.1, 0.25, 0.5];
const DAY_MS: i64 = 86_400_000;

/// How many clusters people can look at: those that score highest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Budget {
    /// So many of the clusters of each day (UTC, event time) of each stream: a world with its seed, or a collection.
    PerDay(f64),
    /// So many of every thousand, all taken together.
    PerThousand(f64),
}

impl FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Budget, String> {
        let wrong = || format!("`{text}` is not a number of alerts: write 5/day or 100/1000");
        let (n, of) = text.split_once('/').ok_or_else(wrong)?;
        let n: f64 = n.trim().parse().ok().filter(|n: &f64| n.is_finite() && *n > 0.0).ok_or_else(wrong)?;
        match of.trim() {
            "day" => Ok(Budget::PerDay(n)),
            "1000" => Ok(Budget::PerThousand(n)),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Budget::PerDay(n) => write!(f, "{n} alerts a day and stream"),
            Budget::PerThousand(n) => write!(f, "{n} alerts of 1,000 clusters"),
        }
    }
}

/// Rows, the clusters that they are states of, and what was said of each.
pub(crate) struct Judgement<'r> {
    pub rows: Vec<&'r Row>,
    pub judged: Vec<Judged>,
    /// Clusters, each with one label.
    pub clusters: Vec<Unit>,
    /// By campaign.
    pub resamples: Resamples,
}

/// A cluster: an alert, if it is flagged. One whose states have different labels is two.
pub(crate) struct Unit {
    pub inauthentic: bool,
    /// The state that scored highest.
    pub row: usize,
    pub score: f64,
    /// Flagged in any of its states, as whoever was told once has been told.
    pub flagged: bool,
}

impl<'r> Judgement<'r> {
    pub fn new(rows: Vec<&'r Row>, judged: Vec<Judged>) -> Judgement<'r> {
        let mut clusters: BTreeMap<(&str, u64, &str, bool), Unit> = BTreeMap::new();
        for (row, (of, said)) in rows.iter().zip(&judged).enumerate() {
            let inauthentic = of.origin.inauthentic;
            let key = (of.origin.world.as_str(), of.origin.seed, of.cluster_id.as_str(), inauthentic);
            let unit = clusters.entry(key).or_insert(Unit { inauthentic, row, score: said.score, flagged: false });
            unit.flagged |= said.inauthentic;
            if said.score > unit.score {
                (unit.row, unit.score) = (row, said.score);
            }
        }
        let resamples = Resamples::by(rows.iter().map(|row| row.campaign_key()));
        Judgement { clusters: clusters.into_values().collect(), rows, judged, resamples }
    }

    /// The labels in the order of the rows.
    pub fn labels(&self) -> impl Iterator<Item = bool> {
        self.rows.iter().map(|row| row.origin.inauthentic)
    }

    /// Rows ranked by score.
    pub fn ranking(&self) -> Ranking {
        Ranking::new(self.judged.iter().map(|said| said.score).zip(self.labels()).collect())
    }

    /// Squared distance of probability and label, by row.
    pub fn squares(&self) -> Vec<f64> {
        let distance = |(said, label): (&Judged, bool)| (said.probability - f64::from(u8::from(label))).powi(2);
        self.judged.iter().zip(self.labels()).map(distance).collect()
    }

    /// The share of clusters of a label that are flagged.
    pub fn flagged_share(&self, inauthentic: bool, weights: &[u32]) -> Option<f64> {
        let of = self.clusters.iter().filter(|unit| unit.inauthentic == inauthentic);
        mean(of.map(|unit| (f64::from(u8::from(unit.flagged)), weights[unit.row])))
    }
}

/// The mean of values that count so many times; `None` of nothing.
pub(crate) fn mean(values: impl Iterator<Item = (f64, u32)>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0.0), |(sum, n), (v, w)| (sum + v * f64::from(w), n + f64::from(w)));
    (n > 0.0).then(|| sum / n)
}

/// All figures of one model on one set of labelled clusters.
///
/// Intervals are of 95 %: bootstrap over campaigns and organic groups, or of Clopper and Pearson where it says so.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// States of clusters that were judged: the first and the last of each that changed.
    pub rows: usize,
    /// Inauthentic ones among them.
    pub inauthentic: usize,
    /// Clusters.
    pub clusters: usize,
    /// Inauthentic ones among them.
    pub inauthentic_clusters: usize,
    /// Campaigns and organic groups: what the bootstrap draws.
    pub campaigns: usize,
    /// Average precision (area under the precision-recall curve) over rows. By chance it is the share of inauthentic rows. `None`
    /// unless both labels occur.
    pub average_precision: Option<Estimate>,
    /// The chance that an inauthentic row scores above an organic one. `None` unless both labels occur.
    pub roc_auc: Option<Estimate>,
    /// Mean squared distance of probability and label over rows.
    pub brier: Option<Estimate>,
    /// Expected calibration error over ten bins of equal width.
    pub calibration_error: Option<Estimate>,
    /// At the model's own threshold, in clusters.
    pub at_threshold: AtThreshold,
    /// With an alert budget, in clusters.
    pub at_budget: AtBudget,
    /// Precision at the threshold to be expected where another share of clusters is inauthentic.
    pub expected: Vec<Expected>,
    /// How probabilities fit what happened.
    pub reliability: Vec<Bin>,
    /// Rows by probability, organic and inauthentic.
    pub histogram: Vec<Bar>,
    /// Recall and precision at every threshold, at most a few hundred points.
    pub curve: Vec<(f64, f64)>,
    /// Organic clusters flagged, by platform.
    pub by_platform: Vec<FalsePositives>,
    /// By language.
    pub by_language: Vec<FalsePositives>,
    /// By kind of organic group.
    pub by_benign_class: Vec<FalsePositives>,
    /// By world or collection, with what was found there.
    pub by_collection: Vec<Collection>,
}

/// What a model's own threshold does, in clusters: one counts as flagged if it is in any of its states.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AtThreshold {
    /// Clusters flagged.
    pub flagged: usize,
    /// Organic ones among them.
    pub wrong: usize,
    /// Share of flagged clusters that are inauthentic.
    pub precision: Option<Estimate>,
    /// Share of inauthentic clusters that are flagged.
    pub recall: Option<Estimate>,
    /// Share of organic clusters that are flagged.
    pub false_positives: Option<Estimate>,
}

/// What people find who look at so many clusters, the highest scores first. A cluster's day is that of the state that scored highest.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AtBudget {
    /// The budget in words.
    pub budget: String,
    /// Days with clusters, over all streams.
    pub days: usize,
    /// Clusters that are looked at.
    pub alerts: f64,
    /// Whether that is all there are, so that no order could do better or worse.
    pub takes_all: bool,
    /// Share of them that are inauthentic.
    pub precision: Option<Estimate>,
    /// Share of inauthentic clusters among them.
    pub recall: Option<Estimate>,
}

/// Precision that a share of inauthentic clusters leads to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Expected {
    /// Share of coordinated clusters that are inauthentic.
    pub base_rate: f64,
    /// base * recall / (base * recall + (1 - base) * false positives).
    pub precision: Option<Estimate>,
}

/// One bin of the reliability plot.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bin {
    /// From this probability.
    pub from: f64,
    /// To this one.
    pub to: f64,
    /// Rows in it.
    pub rows: u64,
    /// Mean probability of them.
    pub probability: f64,
    /// Share of them that is inauthentic, with the interval of Clopper and Pearson, which takes rows as independent.
    pub inauthentic: Option<Estimate>,
}

/// One bar of the histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Bar {
    /// Organic rows.
    pub organic: u64,
    /// Inauthentic rows.
    pub inauthentic: u64,
}

/// Organic clusters of one kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FalsePositives {
    /// Which.
    pub name: String,
    /// Organic clusters.
    pub clusters: u64,
    /// Organic groups that they are of: clusters of one group are less than independent.
    pub groups: usize,
    /// Flagged ones.
    pub wrong: u64,
    /// Their share, with the interval of Clopper and Pearson.
    pub share: Option<Estimate>,
    /// Under 20 clusters: too few to say much.
    pub few: bool,
}

/// One world or collection.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Collection {
    /// Which.
    pub name: String,
    /// Rows judged.
    pub rows: usize,
    /// Inauthentic clusters.
    pub inauthentic: u64,
    /// Share of them that is flagged, with the interval of Clopper and Pearson.
    pub recall: Option<Estimate>,
    /// Average precision; `None` unless both labels occur.
    pub average_precision: Option<Estimate>,
    /// Organic clusters.
    pub organic: FalsePositives,
}

impl Figures {
    /// The figures of a model on rows.
    pub(crate) fn of(judgement: &Judgement<'_>, budget: Budget) -> Figures {
        let Judgement { rows, clusters, resamples, .. } = judgement;
        let ranking = judgement.ranking();
        let queues = queues(judgement, budget);
        let squares = judgement.squares();
        let everything = vec![1; rows.len()];
        let alerts = looked_at(judgement, &queues, &everything).1;
        let precision = |weights: &[u32]| {
            let flagged = clusters.iter().filter(|unit| unit.flagged);
            mean(flagged.map(|unit| (f64::from(u8::from(unit.inauthentic)), weights[unit.row])))
        };
        let inauthentic_units = |weights: &[u32]| -> f64 {
            clusters.iter().filter(|unit| unit.inauthentic).map(|unit| f64::from(weights[unit.row])).sum()
        };
        let [average_precision, roc_auc, brier, calibration_error, threshold_precision, recall, wrong, first, found] =
            resamples.estimates(|weights| {
                let ranked = ranking.weighted(weights);
                let (hits, taken) = looked_at(judgement, &queues, weights);
                let all = inauthentic_units(weights);
                [
                    ranked.map(|r| r.0),
                    ranked.map(|r| r.1),
                    mean(squares.iter().copied().zip(weights.iter().copied())),
                    calibration_gap(judgement, weights),
                    precision(weights),
                    judgement.flagged_share(true, weights),
                    judgement.flagged_share(false, weights),
                    (taken > 0.0).then(|| hits / taken),
                    (all > 0.0).then(|| hits / all),
                ]
            });
        let expected = resamples.estimates(|weights| {
            let (found, wrong) = (judgement.flagged_share(true, weights), judgement.flagged_share(false, weights));
            BASE_RATES.map(|base| {
                let (found, wrong) = (base * found?, (1.0 - base) * wrong?);
                (found + wrong > 0.0).then(|| found / (found + wrong))
            })
        });
        let flagged: Vec<&Unit> = clusters.iter().filter(|unit| unit.flagged).collect();
        Figures {
            rows: rows.len(),
            inauthentic: judgement.labels().filter(|label| *label).count(),
            clusters: clusters.len(),
            inauthentic_clusters: clusters.iter().filter(|unit| unit.inauthentic).count(),
            campaigns: resamples.groups(),
            average_precision,
            roc_auc,
            brier,
            calibration_error,
            at_threshold: AtThreshold {
                flagged: flagged.len(),
                wrong: flagged.iter().filter(|unit| !unit.inauthentic).count(),
                precision: threshold_precision,
                recall,
                false_positives: wrong,
            },
            at_budget: AtBudget {
                budget: budget.to_string(),
                days: days(judgement),
                alerts,
                takes_all: alerts >= clusters.len() as f64,
                precision: first,
                recall: found,
            },
            expected: BASE_RATES
                .into_iter()
                .zip(expected)
                .map(|(base_rate, precision)| Expected { base_rate, precision })
                .collect(),
            reliability: reliability(judgement),
            histogram: histogram(judgement),
            curve: if average_precision.is_some() { thinned(ranking.curve()) } else { Vec::new() },
            by_platform: false_positives(judgement, |row| or(&row.platform, "not known")),
            by_language: false_positives(judgement, |row| or(&row.origin.language, "not known")),
            by_benign_class: false_positives(judgement, |row| {
                or(&row.origin.benign_class, "none planted, or not known")
            }),
            by_collection: collections(judgement),
        }
    }
}

fn or<'r>(name: &'r str, otherwise: &'r str) -> &'r str {
    if name.is_empty() { otherwise } else { name }
}

/// A stream and a day of it.
fn day<'r>(judgement: &Judgement<'r>, unit: &Unit) -> (&'r str, u64, i64) {
    let row = judgement.rows[unit.row];
    (&row.origin.world, row.origin.seed, row.at_ms.div_euclid(DAY_MS))
}

fn days(judgement: &Judgement<'_>) -> usize {
    judgement.clusters.iter().map(|unit| day(judgement, unit)).collect::<BTreeSet<_>>().len()
}

/// Clusters that are looked at together, ranked, and how many of them at most.
struct Queue {
    ranking: Ranking,
    units: Vec<usize>,
    most: Budget,
}

fn queues(judgement: &Judgement<'_>, budget: Budget) -> Vec<Queue> {
    let mut of: BTreeMap<Option<(&str, u64, i64)>, Vec<usize>> = BTreeMap::new();
    for (at, unit) in judgement.clusters.iter().enumerate() {
        let queue = matches!(budget, Budget::PerDay(_)).then(|| day(judgement, unit));
        of.entry(queue).or_default().push(at);
    }
    let ranked = |units: &[usize]| {
        let units = units.iter().map(|at| &judgement.clusters[*at]);
        Ranking::new(units.map(|unit| (unit.score, unit.inauthentic)).collect())
    };
    of.into_values().map(|units| Queue { ranking: ranked(&units), units, most: budget }).collect()
}

/// How many of the clusters that the budget allows for are inauthentic, and how many these are.
fn looked_at(judgement: &Judgement<'_>, queues: &[Queue], weights: &[u32]) -> (f64, f64) {
    queues.iter().fold((0.0, 0.0), |(hits, taken), queue| {
        let weights: Vec<u32> = queue.units.iter().map(|at| weights[judgement.clusters[*at].row]).collect();
        let most = match queue.most {
            Budget::PerDay(n) => n,
            Budget::PerThousand(n) => n / 1_000.0 * weights.iter().map(|w| f64::from(*w)).sum::<f64>(),
        };
        let (right, seen) = queue.ranking.top(most, &weights);
        (hits + right, taken + seen)
    })
}

fn bin(probability: f64, bins: usize) -> usize {
    ((probability * bins as f64) as usize).min(bins - 1)
}

/// Expected calibration error: the distance of mean probability and share of inauthentic rows, over bins by their rows.
fn calibration_gap(judgement: &Judgement<'_>, weights: &[u32]) -> Option<f64> {
    let mut bins = [0.0; BINS];
    let mut total = 0.0;
    for ((said, label), weight) in judgement.judged.iter().zip(judgement.labels()).zip(weights) {
        let weight = f64::from(*weight);
        bins[bin(said.probability, BINS)] += weight * (said.probability - f64::from(u8::from(label)));
        total += weight;
    }
    (total > 0.0).then(|| bins.iter().map(|gap| gap.abs()).sum::<f64>() / total)
}

fn reliability(judgement: &Judgement<'_>) -> Vec<Bin> {
    let mut bins = [(0u64, 0u64, 0.0); BINS];
    for (said, label) in judgement.judged.iter().zip(judgement.labels()) {
        let bin = &mut bins[bin(said.probability, BINS)];
        *bin = (bin.0 + 1, bin.1 + u64::from(label), bin.2 + said.probability);
    }
    let edge = |at: usize| at as f64 / BINS as f64;
    let bins = bins.into_iter().enumerate().map(|(at, (rows, inauthentic, sum))| Bin {
        from: edge(at),
        to: edge(at + 1),
        rows,
        probability: if rows > 0 { sum / rows as f64 } else { f64::midpoint(edge(at), edge(at + 1)) },
        inauthentic: proportion(inauthentic, rows),
    });
    bins.collect()
}

fn histogram(judgement: &Judgement<'_>) -> Vec<Bar> {
    let mut bars = vec![Bar { organic: 0, inauthentic: 0 }; BARS];
    for (said, label) in judgement.judged.iter().zip(judgement.labels()) {
        let bar = &mut bars[bin(said.probability, BARS)];
        *(if label { &mut bar.inauthentic } else { &mut bar.organic }) += 1;
    }
    bars
}

/// Not more points than a drawing can show.
fn thinned(curve: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    const MOST: usize = 300;
    let step = curve.len().div_ceil(MOST).max(1);
    let last = curve.len().saturating_sub(1);
    curve.into_iter().enumerate().filter(|(at, _)| at % step == 0 || *at == last).map(|(_, point)| point).collect()
}

fn false_positives<'r>(judgement: &Judgement<'r>, name: impl Fn(&'r Row) -> &'r str) -> Vec<FalsePositives> {
    let mut of: BTreeMap<&str, Vec<&Unit>> = BTreeMap::new();
    for unit in judgement.clusters.iter().filter(|unit| !unit.inauthentic) {
        of.entry(name(judgement.rows[unit.row])).or_default().push(unit);
    }
    of.into_iter().map(|(name, units)| wrong_of(judgement, name, &units)).collect()
}

fn wrong_of(judgement: &Judgement<'_>, name: &str, organic: &[&Unit]) -> FalsePositives {
    let groups: BTreeSet<_> = organic.iter().map(|unit| judgement.rows[unit.row].campaign_key()).collect();
    let (clusters, wrong) = (organic.len() as u64, organic.iter().filter(|unit| unit.flagged).count() as u64);
    FalsePositives {
        name: name.to_owned(),
        clusters,
        groups: groups.len(),
        wrong,
        share: proportion(wrong, clusters),
        few: clusters < FEW,
    }
}

fn collections(judgement: &Judgement<'_>) -> Vec<Collection> {
    let mut of: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, row) in judgement.rows.iter().enumerate() {
        of.entry(&row.origin.world).or_default().push(at);
    }
    of.into_iter()
        .map(|(name, rows)| {
            let own = |unit: &&Unit| judgement.rows[unit.row].origin.world == name;
            let (inauthentic, organic): (Vec<&Unit>, Vec<&Unit>) =
                judgement.clusters.iter().filter(own).partition(|unit| unit.inauthentic);
            let found = inauthentic.iter().filter(|unit| unit.flagged).count() as u64;
            let scored =
                rows.iter().map(|at| (judgement.judged[*at].score, judgement.rows[*at].origin.inauthentic)).collect();
            let ranking = Ranking::new(scored);
            let resamples = Resamples::by(rows.iter().map(|at| judgement.rows[*at].campaign_key()));
            Collection {
                name: name.to_owned(),
                rows: rows.len(),
                inauthentic: inauthentic.len() as u64,
                recall: proportion(found, inauthentic.len() as u64),
                average_precision: resamples.estimate(|weights| Some(ranking.weighted(weights)?.0)),
                organic: wrong_of(judgement, "", &organic),
            }
        })
        .collect()
}
