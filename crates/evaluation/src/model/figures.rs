//! The figures of one model's judgements of labelled clusters.

use std::collections::{BTreeMap, BTreeSet};

use scoring::Row;
use serde::Serialize;

use super::{Budget, Judged};
use crate::stats::{Estimate, Ranking, Resamples, proportion};

/// Bins of the reliability plot and of the expected calibration error, of equal width.
const BINS: usize = 10;
/// Bars of the histogram of probabilities.
const BARS: usize = 20;
/// With fewer clusters than this, a share says little: an interval of Clopper and Pearson is then
/// wider than 0.16 even at a share of 0.
const FEW: u64 = 20;
/// Shares of inauthentic clusters in service for which precision is computed.
const BASE_RATES: [f64; 5] = [0.01, 0.05, 0.1, 0.25, 0.5];
const DAY_MS: i64 = 86_400_000;

/// Rows, the clusters that they are states of, and the judgement of each row.
pub(crate) struct Judgement<'r> {
    pub rows: Vec<&'r Row>,
    pub judged: Vec<Judged>,
    /// Clusters, each with one label.
    pub clusters: Vec<Unit>,
    /// By campaign.
    pub resamples: Resamples,
}

/// A cluster: an alert, if it is flagged. A cluster whose states have different labels is two
/// units.
pub(crate) struct Unit {
    pub inauthentic: bool,
    /// The state with the highest score.
    pub row: usize,
    pub score: f64,
    /// Whether it is flagged in any of its states, because one alert is enough.
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

/// The weighted mean of values; `None` if all weights are 0.
pub(crate) fn mean(values: impl Iterator<Item = (f64, u32)>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0.0), |(sum, n), (v, w)| (sum + v * f64::from(w), n + f64::from(w)));
    (n > 0.0).then(|| sum / n)
}

/// All figures of one model on one set of labelled clusters.
///
/// Intervals are of 95 %: bootstrap over campaigns and organic groups, or as the field says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Judged states of clusters: the first and the last of each cluster that changed.
    pub rows: usize,
    /// Inauthentic ones among them.
    pub inauthentic: usize,
    /// Clusters.
    pub clusters: usize,
    /// Inauthentic ones among them.
    pub inauthentic_clusters: usize,
    /// Campaigns and organic groups: the units of the bootstrap.
    pub campaigns: usize,
    /// Average precision (area under the precision-recall curve) over rows. By chance it is the
    /// share of inauthentic rows. `None` unless both labels occur.
    pub average_precision: Option<Estimate>,
    /// The chance that an inauthentic row scores above an organic one. `None` unless both labels
    /// occur.
    pub roc_auc: Option<Estimate>,
    /// Mean squared distance of probability and label over rows.
    pub brier: Option<Estimate>,
    /// Expected calibration error over ten bins of equal width.
    pub calibration_error: Option<Estimate>,
    /// Figures at the model's own threshold, over clusters.
    pub at_threshold: AtThreshold,
    /// Figures with an alert budget, over clusters.
    pub at_budget: AtBudget,
    /// Expected precision at the threshold for other shares of inauthentic clusters.
    pub expected: Vec<Expected>,
    /// Observed shares by probability.
    pub reliability: Vec<Bin>,
    /// Number of organic and inauthentic rows by probability.
    pub histogram: Vec<Bar>,
    /// Recall and precision at every threshold, at most a few hundred points.
    pub curve: Vec<(f64, f64)>,
    /// Flagged organic clusters, by platform.
    pub by_platform: Vec<FalsePositives>,
    /// By language.
    pub by_language: Vec<FalsePositives>,
    /// By kind of organic group.
    pub by_benign_class: Vec<FalsePositives>,
    /// By world or collection, with the results there.
    pub by_collection: Vec<Collection>,
}

/// Figures at a model's own threshold, over clusters: a cluster counts as flagged if any of its
/// states is.
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

/// Results of examining the clusters with the highest scores. A cluster's day is that of the state
/// with the highest score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AtBudget {
    /// The budget, as text.
    pub budget: String,
    /// Days with clusters, over all streams.
    pub days: usize,
    /// Number of clusters that are examined.
    pub alerts: f64,
    /// Whether these are all clusters, so that the order has no effect.
    pub takes_all: bool,
    /// Share of them that are inauthentic.
    pub precision: Option<Estimate>,
    /// Share of inauthentic clusters that are examined.
    pub recall: Option<Estimate>,
}

/// Expected precision for a share of inauthentic clusters.
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
    /// Lower bound of the probability.
    pub from: f64,
    /// Upper bound of the probability.
    pub to: f64,
    /// Rows in it.
    pub rows: u64,
    /// Their mean probability.
    pub probability: f64,
    /// Share of inauthentic ones among them, with the interval of Clopper and Pearson, which treats
    /// rows as independent.
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
    /// Its name.
    pub name: String,
    /// Organic clusters.
    pub clusters: u64,
    /// Number of organic groups of these clusters: clusters of one group are not independent.
    pub groups: usize,
    /// Flagged ones.
    pub wrong: u64,
    /// Share of flagged ones, with the interval of Clopper and Pearson.
    pub share: Option<Estimate>,
    /// Fewer than 20 clusters: too few for a conclusion.
    pub few: bool,
}

/// One world or collection.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Collection {
    /// Its name.
    pub name: String,
    /// Rows judged.
    pub rows: usize,
    /// Inauthentic clusters.
    pub inauthentic: u64,
    /// Share of flagged ones among them, with the interval of Clopper and Pearson.
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

/// Stream and day of a cluster.
fn day<'r>(judgement: &Judgement<'r>, unit: &Unit) -> (&'r str, u64, i64) {
    let row = judgement.rows[unit.row];
    (&row.origin.world, row.origin.seed, row.at_ms.div_euclid(DAY_MS))
}

fn days(judgement: &Judgement<'_>) -> usize {
    judgement.clusters.iter().map(|unit| day(judgement, unit)).collect::<BTreeSet<_>>().len()
}

/// Clusters that are examined together, ranked, and the most of them that are examined.
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

/// Number of inauthentic clusters among those within the budget, and number of these clusters.
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

/// Expected calibration error: the difference between mean probability and share of inauthentic
/// rows, averaged over bins with the number of rows as weight.
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

/// Reduces the curve to the points that a drawing can show.
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
