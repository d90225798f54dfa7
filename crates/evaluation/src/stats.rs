//! Estimates with their uncertainty, and figures of rankings.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use serde::Serialize;

/// Resamples of a bootstrap.
const RESAMPLES: usize = 1_000;
/// The part that an interval excludes on either side.
const TAIL: f64 = 0.025;

/// A figure and its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The figure itself.
    pub value: f64,
    /// Lower end; `None` if there is only one sample, which does not show how figures vary.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

impl fmt::Display for Estimate {
    /// The figure and its interval; to three digits unless a precision is given.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(3);
        write!(f, "{:.digits$}", self.value)?;
        match (self.low, self.high) {
            (Some(low), Some(high)) => write!(f, " ({low:.digits$} to {high:.digits$})"),
            _ => Ok(()),
        }
    }
}

/// `hits / of` with the interval of Clopper and Pearson (1934); `None` when `of` is 0.
///
/// The interval is exact for independent trials: it holds 95 % or more. Clusters of one world are
/// not quite that.
pub fn proportion(hits: u64, of: u64) -> Option<Estimate> {
    if of == 0 {
        return None;
    }
    // The ends are the probabilities at which the outcome, or a more extreme one, has a chance of
    // 2.5 %. Both chances are monotonic in p.
    let low = if hits == 0 { 0.0 } else { root(|p| at_most(of - hits, of, 1.0 - p) < TAIL) };
    let high = if hits == of { 1.0 } else { root(|p| at_most(hits, of, p) > TAIL) };
    Some(Estimate { value: hits as f64 / of as f64, low: Some(low), high: Some(high) })
}

/// The point from 0 to 1 at which `below` changes from true to false.
fn root(below: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..50 {
        let middle = f64::midpoint(low, high);
        if below(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// P(X <= k) for X binomial with `n` trials of chance `p` in (0, 1).
fn at_most(k: u64, n: u64, p: f64) -> f64 {
    let ln_factorial = |m: u64| libm::lgamma(m as f64 + 1.0);
    let term = |i: u64| {
        let ln_choose = ln_factorial(n) - ln_factorial(i) - ln_factorial(n - i);
        libm::exp(ln_choose + i as f64 * libm::log(p) + (n - i) as f64 * libm::log1p(-p))
    };
    (0..=k).map(term).sum()
}

/// A statistic of `n` samples with the interval of its percentile bootstrap (Efron 1979): samples
/// are drawn with replacement, with a fixed seed. `None` if the statistic of all samples has no
/// value.
///
/// `statistic` receives the index of each drawn sample.
pub fn bootstrap(n: usize, statistic: impl Fn(&[usize]) -> Option<f64>) -> Option<Estimate> {
    let value = statistic(&(0..n).collect::<Vec<_>>())?;
    if n < 2 {
        return Some(Estimate { value, low: None, high: None });
    }
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut drawn = vec![0; n];
    let values = (0..RESAMPLES).filter_map(|_| {
        drawn.iter_mut().for_each(|place| *place = draw(&mut rng, n));
        statistic(&drawn)
    });
    let (low, high) = ends(values.collect());
    Some(Estimate { value, low, high })
}

/// Resamples of rows by whole groups, because rows of one group resemble each other: a bootstrap
/// over rows would treat them as independent, and its intervals would be too narrow (Davison and
/// Hinkley 1997, 3.8). The same groups give the same resamples, so that two models on the same rows
/// are compared on the same draws.
pub(crate) struct Resamples {
    /// The group of each row.
    group_of: Vec<usize>,
    groups: usize,
}

impl Resamples {
    /// Resamples of the groups that these keys name, one key per row.
    pub fn by<K: Ord>(keys: impl IntoIterator<Item = K>) -> Resamples {
        let keys: Vec<K> = keys.into_iter().collect();
        let names: BTreeSet<&K> = keys.iter().collect();
        let place: BTreeMap<&K, usize> = names.into_iter().enumerate().map(|(place, key)| (key, place)).collect();
        Resamples { group_of: keys.iter().map(|key| place[key]).collect(), groups: place.len() }
    }

    /// Number of groups.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// Statistics of all rows with percentile intervals. `statistic` receives the weight of each
    /// row. There is no interval if there is only one group, or if most resamples have no value.
    pub fn estimates<const N: usize>(&self, statistic: impl Fn(&[u32]) -> [Option<f64>; N]) -> [Option<Estimate>; N] {
        let values = statistic(&vec![1; self.group_of.len()]);
        let mut resampled: [Vec<f64>; N] = std::array::from_fn(|_| Vec::new());
        let mut weights = vec![0; self.group_of.len()];
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut times = vec![0; self.groups];
        for _ in 0..if self.groups < 2 { 0 } else { RESAMPLES } {
            times.fill(0);
            (0..self.groups).for_each(|_| times[draw(&mut rng, self.groups)] += 1);
            for (weight, group) in weights.iter_mut().zip(&self.group_of) {
                *weight = times[*group];
            }
            for (kept, value) in resampled.iter_mut().zip(statistic(&weights)) {
                kept.extend(value);
            }
        }
        let mut resampled = resampled.into_iter();
        values.map(|value| {
            let resampled = resampled.next().unwrap_or_default();
            let enough = resampled.len() * 2 > RESAMPLES;
            let (low, high) = if enough { ends(resampled) } else { (None, None) };
            value.map(|value| Estimate { value, low, high })
        })
    }

    /// One statistic.
    pub fn estimate(&self, statistic: impl Fn(&[u32]) -> Option<f64>) -> Option<Estimate> {
        let [estimate] = self.estimates(|weights| [statistic(weights)]);
        estimate
    }
}

fn draw(rng: &mut ChaCha8Rng, n: usize) -> usize {
    ((u128::from(rng.next_u64()) * n as u128) >> 64) as usize
}

fn ends(mut values: Vec<f64>) -> (Option<f64>, Option<f64>) {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let place = (values.len().saturating_sub(1)) as f64 * share;
        values.get(place.round() as usize).copied()
    };
    (at(TAIL), at(1.0 - TAIL))
}

/// The median (mean of the two middle values) and the value that nine of ten do not exceed; `None`
/// if there are no values.
pub fn median_and_p90(values: &[f64]) -> Option<(f64, f64)> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let median = f64::midpoint(sorted[last / 2], sorted[last.div_ceil(2)]);
    Some((median, sorted[(last as f64 * 0.9).ceil() as usize]))
}

/// Scored accounts or clusters with their labels, by falling score.
pub struct Ranking {
    /// Score and label, highest score first.
    sorted: Vec<(f64, bool)>,
    /// The index of each before sorting.
    places: Vec<usize>,
}

/// How well a ranking puts inauthentic ones first.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RankingFigures {
    /// Accounts ranked.
    pub accounts: usize,
    /// Inauthentic ones among them.
    pub inauthentic: usize,
    /// Average precision: the sum over thresholds of (recall gained) times precision, equal scores
    /// being one threshold, as scikit-learn's `average_precision_score`. By chance it is the share
    /// of inauthentic accounts.
    pub average_precision: Estimate,
    /// The chance that an inauthentic account ranks above an organic one, ties counting half. By
    /// chance 0.5.
    pub roc_auc: Estimate,
}

impl Ranking {
    /// Ranks scores; equal scores are equal ranks.
    pub fn new(scored: Vec<(f64, bool)>) -> Ranking {
        let mut places: Vec<usize> = (0..scored.len()).collect();
        places.sort_by(|a, b| scored[*b].0.total_cmp(&scored[*a].0));
        Ranking { sorted: places.iter().map(|place| scored[*place]).collect(), places }
    }

    /// Average precision and ROC AUC with weights, given by the index before sorting; `None` unless
    /// both labels have weight.
    pub(crate) fn weighted(&self, weights: &[u32]) -> Option<(f64, f64)> {
        self.sweep(&self.places.iter().map(|place| weights[*place]).collect::<Vec<_>>(), None)
    }

    /// The same, weighted to this share of inauthentic ones: average precision depends on that
    /// share, and resamples of whole campaigns have different shares.
    pub(crate) fn weighted_at(&self, share: f64, weights: &[u32]) -> Option<(f64, f64)> {
        self.sweep(&self.places.iter().map(|place| weights[*place]).collect::<Vec<_>>(), Some(share))
    }

    /// Among the first `most`: the number of inauthentic ones, and the number taken. Of equal
    /// scores that do not all fit, each counts in part, as if drawn at random.
    pub(crate) fn top(&self, most: f64, weights: &[u32]) -> (f64, f64) {
        let (mut hits, mut taken, mut at) = (0.0, 0.0, 0);
        for group in self.sorted.chunk_by(|a, b| a.0 == b.0) {
            let weight = |i: usize| f64::from(weights[self.places[at + i]]);
            let all: f64 = (0..group.len()).map(weight).sum();
            let right: f64 = (0..group.len()).filter(|i| group[*i].1).map(weight).sum();
            let part = if all > 0.0 { ((most - taken) / all).clamp(0.0, 1.0) } else { 0.0 };
            hits += part * right;
            taken += part * all;
            at += group.len();
        }
        (hits, taken)
    }

    /// Recall and precision at every threshold, the highest first.
    pub(crate) fn curve(&self) -> Vec<(f64, f64)> {
        let inauthentic = self.sorted.iter().filter(|s| s.1).count() as f64;
        let (mut hits, mut seen) = (0.0, 0.0);
        let point = |group: &[(f64, bool)]| {
            seen += group.len() as f64;
            hits += group.iter().filter(|s| s.1).count() as f64;
            (hits / inauthentic, hits / seen)
        };
        self.sorted.chunk_by(|a, b| a.0 == b.0).map(point).collect()
    }

    /// The figures, with bootstrap intervals over accounts; `None` unless both labels occur.
    pub fn figures(&self) -> Option<RankingFigures> {
        let n = self.sorted.len();
        let (precision, auc) = self.sweep(&vec![1; n], None)?;
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let resampled: Vec<(f64, f64)> = (0..RESAMPLES)
            .filter_map(|_| {
                let mut weights = vec![0; n];
                (0..n).for_each(|_| weights[draw(&mut rng, n)] += 1);
                self.sweep(&weights, None)
            })
            .collect();
        let estimate = |value: f64, of: fn(&(f64, f64)) -> f64| {
            let (low, high) = ends(resampled.iter().map(of).collect());
            Estimate { value, low, high }
        };
        Some(RankingFigures {
            accounts: n,
            inauthentic: self.sorted.iter().filter(|s| s.1).count(),
            average_precision: estimate(precision, |s| s.0),
            roc_auc: estimate(auc, |s| s.1),
        })
    }

    /// Average precision and ROC AUC with a weight for each account, at the resulting share of
    /// inauthentic ones or at a given one.
    fn sweep(&self, weights: &[u32], share: Option<f64>) -> Option<(f64, f64)> {
        let count = |label: bool| -> f64 {
            self.sorted.iter().zip(weights).filter(|(s, _)| s.1 == label).map(|(_, w)| f64::from(*w)).sum()
        };
        let (positives, negatives) = (count(true), count(false));
        if positives == 0.0 || negatives == 0.0 {
            return None;
        }
        // The weight of an inauthentic account relative to an organic one.
        let odds = share.map_or(1.0, |share| share / (1.0 - share) * negatives / positives);
        let (mut hits, mut misses, mut precision, mut auc) = (0.0, 0.0, 0.0, 0.0);
        let mut at = 0;
        for group in self.sorted.chunk_by(|a, b| a.0 == b.0) {
            let (mut new_hits, mut new_misses) = (0.0, 0.0);
            for ((_, label), weight) in group.iter().zip(&weights[at..]) {
                *(if *label { &mut new_hits } else { &mut new_misses }) += f64::from(*weight);
            }
            at += group.len();
            auc += new_misses * (hits + new_hits / 2.0);
            hits += new_hits;
            misses += new_misses;
            if new_hits > 0.0 {
                precision += new_hits * odds * hits / (odds * hits + misses);
            }
        }
        Some((precision / positives, auc / (positives * negatives)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-4, "{a} is not {b}");
    }

    #[test]
    fn clopper_and_pearson_as_tables_have_it() {
        // R: binom.test(k, n)$conf.int
        for (hits, of, low, high) in
            [(0, 10, 0.0, 0.30850), (10, 10, 0.69150, 1.0), (1, 472, 0.0000536, 0.011747), (5, 20, 0.08657, 0.49105)]
        {
            let estimate = proportion(hits, of).unwrap();
            near(estimate.value, hits as f64 / of as f64);
            near(estimate.low.unwrap(), low);
            near(estimate.high.unwrap(), high);
        }
        assert_eq!(proportion(0, 0), None);
    }

    #[test]
    fn average_precision_and_auc_by_hand() {
        // Ranks: T F T F. AP = (1/1 + 2/3) / 2; three of four pairs in order.
        let figures = Ranking::new(vec![(0.7, true), (0.9, true), (0.8, false), (0.1, false)]).figures().unwrap();
        near(figures.average_precision.value, 5.0 / 6.0);
        near(figures.roc_auc.value, 0.75);
        assert_eq!((figures.accounts, figures.inauthentic), (4, 2));
        assert!(figures.average_precision.low.unwrap() <= 5.0 / 6.0);
        assert!(figures.average_precision.high.unwrap() >= 5.0 / 6.0);
    }

    #[test]
    fn equal_scores_are_one_threshold() {
        // One group of two (T F) and one of four (T F F F): AP = 1/2 * 1/2 + 1/2 * 2/6; AUC = (1 +
        // 3 + 1/2 + 3/2) / 8.
        let scored = [(2.0, true), (2.0, false), (1.0, true), (1.0, false), (1.0, false), (1.0, false)];
        let figures = Ranking::new(scored.to_vec()).figures().unwrap();
        near(figures.average_precision.value, 0.25 + 1.0 / 6.0);
        near(figures.roc_auc.value, 5.0 / 8.0);
        let all_equal = Ranking::new(vec![(0.0, true), (0.0, false), (0.0, false), (0.0, false)]).figures().unwrap();
        near(all_equal.average_precision.value, 0.25);
        near(all_equal.roc_auc.value, 0.5);
    }

    #[test]
    fn a_perfect_ranking_is_one_and_one_label_is_none() {
        let figures = Ranking::new(vec![(1.0, true), (0.5, true), (0.0, false)]).figures().unwrap();
        assert_eq!((figures.average_precision.value, figures.roc_auc.value), (1.0, 1.0));
        assert!(Ranking::new(vec![(1.0, true)]).figures().is_none());
        assert!(Ranking::new(vec![(1.0, false)]).figures().is_none());
        assert!(Ranking::new(vec![]).figures().is_none());
    }

    #[test]
    fn a_bootstrap_holds_its_value_and_repeats() {
        let values = [0.2, 0.9, 0.5, 0.7];
        let mean = |drawn: &[usize]| Some(drawn.iter().map(|i| values[*i]).sum::<f64>() / drawn.len() as f64);
        let estimate = bootstrap(4, mean).unwrap();
        near(estimate.value, 0.575);
        assert!(estimate.low.unwrap() < 0.5 && estimate.high.unwrap() > 0.65);
        assert_eq!(bootstrap(4, mean), Some(estimate));
        assert_eq!(bootstrap(1, mean), Some(Estimate { value: 0.2, low: None, high: None }));
        assert_eq!(bootstrap(2, |_| None), None);
    }

    #[test]
    fn weights_count_as_repeated_rows() {
        let scored = vec![(0.1, false), (0.9, true), (0.8, false), (0.7, true)];
        let ranking = Ranking::new(scored.clone());
        // The row at 0.8 twice: T F F T F, so AP = (1 + 2/4) / 2, and 1 + 1 + 1 + 1/3 of 3 pairs
        // each.
        let (precision, auc) = ranking.weighted(&[1, 1, 2, 1]).unwrap();
        near(precision, 0.75);
        near(auc, 4.0 / 6.0);
        assert_eq!(ranking.weighted(&[1, 0, 1, 0]), None);
        // The row at 0.1 counts twice, so two of five are inauthentic: for a share of one half,
        // each of them counts one and a half times. At two fifths, nothing changes.
        near(ranking.weighted_at(0.5, &[2, 1, 1, 1]).unwrap().0, (1.0 + 0.75) / 2.0);
        near(ranking.weighted_at(0.4, &[1, 1, 2, 1]).unwrap().0, precision);
        assert_eq!(ranking.curve(), vec![(0.5, 1.0), (0.5, 0.5), (1.0, 2.0 / 3.0), (1.0, 0.5)]);
    }

    #[test]
    fn the_top_of_a_ranking_shares_out_equal_scores() {
        let ranking = Ranking::new(vec![(0.9, true), (0.5, true), (0.5, false), (0.1, false)]);
        assert_eq!(ranking.top(1.0, &[1; 4]), (1.0, 1.0));
        // One of the two at 0.5 fits in, and is inauthentic with chance 1/2.
        assert_eq!(ranking.top(2.0, &[1; 4]), (1.5, 2.0));
        // The first row counts twice and fills all places.
        assert_eq!(ranking.top(2.0, &[2, 1, 1, 1]), (2.0, 2.0));
        assert_eq!(ranking.top(7.0, &[1; 4]), (2.0, 4.0));
        assert_eq!(ranking.top(2.0, &[0; 4]), (0.0, 0.0));
        assert_eq!(Ranking::new(Vec::new()).top(2.0, &[]), (0.0, 0.0));
    }

    #[test]
    fn resamples_draw_whole_groups() {
        // Two groups of two rows with equal values: every resample has a mean of 0, 1/2 or 1.
        let values = [0.0, 1.0, 0.0, 1.0];
        let resamples = Resamples::by(["a", "b", "a", "b"]);
        let mean = |weights: &[u32]| {
            assert_eq!((weights[0], weights[1]), (weights[2], weights[3]));
            let total: u32 = weights.iter().sum();
            let sum: f64 = weights.iter().zip(values).map(|(w, v)| f64::from(*w) * v).sum();
            Some(sum / f64::from(total))
        };
        let estimate = resamples.estimate(mean).unwrap();
        assert_eq!(estimate, Estimate { value: 0.5, low: Some(0.0), high: Some(1.0) });
        assert_eq!(Resamples::by(["a", "b", "a", "b"]).estimate(mean), Some(estimate), "the same draws again");
        // As if each group were one sample.
        let plain = bootstrap(2, |drawn| Some(drawn.iter().map(|i| *i as f64).sum::<f64>() / 2.0));
        assert_eq!(plain, Some(estimate));
        let one = Resamples::by(["a"; 4]).estimate(|_| Some(0.5));
        assert_eq!(one, Some(Estimate { value: 0.5, low: None, high: None }));
        // A figure that only the original rows have: no resample without a group has it.
        let rare = resamples.estimate(|weights| (weights[0] < 2 && weights[1] == 1).then_some(0.5)).unwrap();
        assert_eq!(rare.value, 0.5);
        assert_eq!(resamples.estimate(|_| None), None);
    }

    #[test]
    fn median_and_p90_of_few_values() {
        assert_eq!(median_and_p90(&[]), None);
        assert_eq!(median_and_p90(&[3.0]), Some((3.0, 3.0)));
        assert_eq!(median_and_p90(&[4.0, 1.0, 2.0, 3.0]), Some((2.5, 4.0)));
    }
}
