//! Recall and precision of the flag among the groups that the detector reported, from the answers of
//! a stratified sample.
//!
//! The rate of inauthentic groups in a stratum is the mean of its answers, weighted by the inverse
//! of the probability with which each group was drawn (Horvitz and Thompson 1952, in the ratio form
//! of Hájek 1971). Precision is the rate among flagged groups. Recall is the estimated number of
//! inauthentic groups that are flagged, divided by that of all groups.
//!
//! The intervals have 95 %: the rate of a stratum has the posterior of Jeffreys' prior (a beta
//! distribution with 1/2 added on both sides), the answers count as the effective number of Kish,
//! (sum of weights)^2 / sum of squared weights, and the groups that nobody was asked about are drawn
//! from it. So an interval is exact where every group was asked about, and wide where few were.
//!
//! Groups that were never proposed are in no stratum: this recall says nothing about them.

use std::f64::consts::FRAC_PI_2;

use serde::Serialize;

use super::sample::Stratum;

/// Points of the grid on which the distribution of a rate is computed.
const GRID: usize = 512;
/// Draws from the distributions.
const DRAWS: usize = 4_000;
/// Up to so many groups that nobody was asked about are drawn one by one.
const ONE_BY_ONE: u64 = 64;

/// What is known of a stratum.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers {
    /// The stratum.
    pub stratum: Stratum,
    /// Groups in it at the last draw.
    pub population: u64,
    /// Groups that were drawn and have no answer yet.
    pub waiting: u64,
    /// Groups about which a reviewer could not tell.
    pub unclear: u64,
    /// Of each answered group: its weight, and whether it is inauthentic.
    pub answers: Vec<(f64, bool)>,
}

/// A number with an interval of 95 %.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Estimate {
    /// Lower end of the interval.
    pub low: f64,
    /// The estimate.
    pub value: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// Precision and recall of the flag.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Figures {
    /// Share of inauthentic groups among the flagged ones. Not known without an answer about one.
    pub precision: Option<Estimate>,
    /// Share of flagged groups among the inauthentic ones that were reported. Not known as long as a
    /// stratum that has groups has no answer, or no answer says that a group is inauthentic.
    pub recall: Option<Estimate>,
}

/// The figures. The same answers and seed give the same figures.
pub fn figures(strata: &[Answers], seed: u64) -> Figures {
    let strata: Vec<&Answers> = strata.iter().filter(|stratum| stratum.population > 0).collect();
    let is_flagged = |stratum: &Answers| stratum.stratum == Stratum::Flagged;
    let answered = |stratum: &Answers| !stratum.answers.is_empty();
    let flagged: Vec<&Answers> = strata.iter().copied().filter(|stratum| is_flagged(stratum)).collect();
    let mut random = fastrand::Rng::with_seed(seed);
    let mut draw = |strata: &[&Answers], ratio: &dyn Fn(&[f64]) -> Option<f64>| {
        let value = ratio(&strata.iter().map(|stratum| rate(stratum) * stratum.population as f64).collect::<Vec<_>>())?;
        let posteriors: Vec<Posterior> = strata.iter().map(|stratum| Posterior::of(stratum)).collect();
        let mut found: Vec<f64> = (0..DRAWS)
            .filter_map(|_| ratio(&posteriors.iter().map(|of| of.draw(&mut random)).collect::<Vec<_>>()))
            .collect();
        found.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| found.get(((found.len() as f64 - 1.0) * share).round() as usize).copied();
        Some(Estimate { low: at(0.025)?.min(value), value, high: at(0.975)?.max(value) })
    };
    let precision = match flagged.as_slice() {
        [only] if answered(only) => draw(&[*only], &|totals| Some(totals[0] / only.population as f64)),
        _ => None,
    };
    let recall = match strata.iter().all(|stratum| answered(stratum)) && !flagged.is_empty() {
        true => draw(&strata, &|totals| {
            let all: f64 = totals.iter().sum();
            let hit: f64 = strata.iter().zip(totals).filter(|(stratum, _)| is_flagged(stratum)).map(|(_, n)| n).sum();
            (all > 0.0).then(|| hit / all)
        }),
        false => None,
    };
    Figures { precision, recall }
}

/// The weighted share of inauthentic groups among those answered.
fn rate(stratum: &Answers) -> f64 {
    let all: f64 = stratum.answers.iter().map(|(weight, _)| weight).sum();
    let inauthentic: f64 = stratum.answers.iter().filter(|(_, yes)| *yes).map(|(weight, _)| weight).sum();
    if all > 0.0 { inauthentic / all } else { 0.0 }
}

/// The distribution of the number of inauthentic groups in a stratum.
struct Posterior {
    /// Groups that are known to be inauthentic.
    known: f64,
    /// Groups without an answer.
    rest: u64,
    /// The rate at each point of the grid, with the probability of that point or a lower one.
    rates: Vec<(f64, f64)>,
}

impl Posterior {
    fn of(stratum: &Answers) -> Posterior {
        let sum: f64 = stratum.answers.iter().map(|(weight, _)| weight).sum();
        let squares: f64 = stratum.answers.iter().map(|(weight, _)| weight * weight).sum();
        let n = if squares > 0.0 { sum * sum / squares } else { 0.0 };
        let yes = rate(stratum) * n;
        // With p = sin(t)^2 the density of Beta(yes + 1/2, no + 1/2) is that of sin^(2 yes) cos^(2 no): without a pole.
        let logs: Vec<(f64, f64)> = (0..GRID)
            .map(|step| {
                let t = (step as f64 + 0.5) / GRID as f64 * FRAC_PI_2;
                (t.sin().powi(2), 2.0 * yes * t.sin().ln() + 2.0 * (n - yes) * t.cos().ln())
            })
            .collect();
        let top = logs.iter().map(|(_, log)| *log).fold(f64::NEG_INFINITY, f64::max);
        let mut sum = 0.0;
        let mut rates: Vec<(f64, f64)> = logs
            .into_iter()
            .map(|(rate, log)| {
                sum += (log - top).exp();
                (rate, sum)
            })
            .collect();
        rates.iter_mut().for_each(|(_, cumulated)| *cumulated /= sum);
        // Answers about earlier versions of the population may be more than it has groups now.
        let answered = (stratum.answers.len() as u64).min(stratum.population);
        let known = rate(stratum) * answered as f64;
        Posterior { known, rest: stratum.population - answered, rates }
    }

    fn draw(&self, random: &mut fastrand::Rng) -> f64 {
        let chance = random.f64();
        let place = self.rates.partition_point(|(_, cumulated)| *cumulated < chance);
        let rate = self.rates.get(place).or(self.rates.last()).map_or(0.0, |(rate, _)| *rate);
        let rest = match self.rest <= ONE_BY_ONE {
            true => (0..self.rest).filter(|_| random.f64() < rate).count() as f64,
            false => rate * self.rest as f64,
        };
        self.known + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stratum(stratum: Stratum, population: u64, yes: usize, no: usize) -> Answers {
        let weight = population as f64 / (yes + no).max(1) as f64;
        let answers = [vec![(weight, true); yes], vec![(weight, false); no]].concat();
        Answers { stratum, population, waiting: 0, unclear: 0, answers }
    }

    #[test]
    fn a_census_has_no_doubt() {
        let all = [stratum(Stratum::Flagged, 4, 3, 1), stratum(Stratum::Coordinated, 6, 1, 5)];
        let Figures { precision: Some(precision), recall: Some(recall) } = figures(&all, 1) else { panic!() };
        assert_eq!((precision.low, precision.value, precision.high), (0.75, 0.75, 0.75));
        assert_eq!((recall.low, recall.value, recall.high), (0.75, 0.75, 0.75));
    }

    #[test]
    fn without_an_answer_in_a_stratum_there_is_no_recall() {
        let all = [stratum(Stratum::Flagged, 4, 3, 1), stratum(Stratum::NearMiss, 600, 0, 0)];
        let found = figures(&all, 1);
        assert!(found.precision.is_some() && found.recall.is_none());
        assert_eq!(figures(&[], 1), Figures::default());
        assert_eq!(figures(&[stratum(Stratum::Flagged, 0, 0, 0)], 1), Figures::default());
        let nobody = [stratum(Stratum::Flagged, 4, 0, 4), stratum(Stratum::NearMiss, 9, 0, 5)];
        assert_eq!(figures(&nobody, 1).recall, None, "no group is known to be inauthentic");
    }

    #[test]
    fn a_large_stratum_with_few_answers_makes_recall_uncertain() {
        let small = [stratum(Stratum::Flagged, 20, 5, 0), stratum(Stratum::NearMiss, 20, 0, 5)];
        let large = [stratum(Stratum::Flagged, 20, 5, 0), stratum(Stratum::NearMiss, 2_000, 0, 5)];
        let (small, large) = (figures(&small, 1).recall.unwrap(), figures(&large, 1).recall.unwrap());
        assert_eq!((small.value, large.value), (1.0, 1.0));
        assert!(small.low > 0.6 && large.low < 0.15, "{small:?} {large:?}");
        assert_eq!(
            figures(&[stratum(Stratum::Flagged, 20, 5, 1)], 3),
            figures(&[stratum(Stratum::Flagged, 20, 5, 1)], 3)
        );
    }

    /// Worlds with a known truth, sampled as the program does: the intervals hold the truth about as often as they say, and the
    /// estimates are right on average.
    #[test]
    fn the_intervals_hold_the_truth() {
        const WORLDS: usize = 300;
        let strata = [(Stratum::Flagged, 60, 0.8), (Stratum::Coordinated, 150, 0.25), (Stratum::NearMiss, 400, 0.05)];
        let mut random = fastrand::Rng::with_seed(5);
        let (mut held, mut sum, mut truths) = ([0; 2], [0.0; 2], [0.0; 2]);
        for world in 0..WORLDS {
            let mut flagged = (0.0, 0.0);
            let mut all = 0.0;
            let mut answers = Vec::new();
            for (kind, population, rate) in strata {
                let groups: Vec<bool> = (0..population).map(|_| random.f64() < rate).collect();
                let inauthentic = groups.iter().filter(|yes| **yes).count() as f64;
                all += inauthentic;
                if kind == Stratum::Flagged {
                    flagged = (inauthentic, f64::from(population));
                }
                // Two draws of different sizes, so that weights differ; a group that is drawn twice counts once.
                let mut drawn = std::collections::BTreeMap::new();
                for most in [15, 25] {
                    let mut order: Vec<usize> = (0..groups.len()).collect();
                    random.shuffle(&mut order);
                    drawn.extend(order.iter().take(most).map(|group| (*group, f64::from(population) / most as f64)));
                }
                let answered = drawn.into_iter().map(|(group, weight)| (weight, groups[group])).collect();
                answers.push(Answers {
                    stratum: kind,
                    population: population as u64,
                    waiting: 0,
                    unclear: 0,
                    answers: answered,
                });
            }
            let found = figures(&answers, world as u64);
            let truth = [flagged.0 / flagged.1, flagged.0 / all];
            for (place, estimate) in [found.precision.unwrap(), found.recall.unwrap()].into_iter().enumerate() {
                held[place] += usize::from(estimate.low <= truth[place] && truth[place] <= estimate.high);
                sum[place] += estimate.value;
                truths[place] += truth[place];
            }
        }
        for ((held, sum), truth) in held.into_iter().zip(sum).zip(truths) {
            assert!(held >= WORLDS * 90 / 100, "{held} of {WORLDS}");
            let bias = (sum - truth) / WORLDS as f64;
            assert!(bias.abs() < 0.03, "{bias}");
        }
        eprintln!("of {WORLDS} intervals of 95 %, {held:?} hold precision and recall");
    }
}
