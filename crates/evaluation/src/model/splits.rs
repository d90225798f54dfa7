//! Learners judged on rows that they were not trained on.

use std::collections::{BTreeMap, BTreeSet};

use scoring::{Learner, Options, Row, train};
use serde::Serialize;

use super::{Judgements, judge_row};
use crate::run::in_order;

/// Which rows a learner is not trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// Each tenth of the campaigns and organic groups is judged after training on the others.
    Campaign,
    /// Each world or collection is judged after training on the others.
    Collection,
    /// Each tenth of time is judged after training on the time before, without campaigns that
    /// continue into it.
    Time,
    /// Everything is judged after training on another dataset.
    Other,
}

impl Split {
    /// The splits within one dataset.
    pub const WITHIN: [Split; 3] = [Split::Campaign, Split::Collection, Split::Time];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Split::Campaign => "campaign",
            Split::Collection => "collection",
            Split::Time => "time",
            Split::Other => "other",
        }
    }

    /// The held-out part, as text.
    pub fn description(self) -> &'static str {
        match self {
            Split::Campaign => "campaigns held out",
            Split::Collection => "collections held out",
            Split::Time => "the later held out",
            Split::Other => "trained on another dataset",
        }
    }

    fn fold(self, row: &Row) -> u32 {
        match self {
            Split::Campaign => row.folds.campaign,
            Split::Collection => row.folds.collection,
            Split::Time => row.folds.time,
            Split::Other => 0,
        }
    }
}

/// One part of a dataset, judged after training on the rest.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fold {
    /// The part: a collection's name, or a number from 1.
    pub name: String,
    /// Rows trained on.
    pub trained_on: usize,
    /// Inauthentic ones among them.
    pub trained_on_inauthentic: usize,
    /// Rows judged.
    pub held_out: usize,
    /// Inauthentic ones among them.
    pub inauthentic: usize,
    /// Why training on the rest failed, so that these rows were not judged.
    pub refused: Option<String>,
}

/// The judgements of a learner on each row, without training on the row's fold, and the folds. Rows
/// are passed through `seen`, so that features can be left out. The work is spread over threads;
/// the result does not depend on their number.
pub(crate) fn hold_out(
    rows: &[Row],
    learner: &Learner,
    split: Split,
    seen: &(dyn Fn(&Row) -> Row + Sync),
    threads: usize,
) -> (Judgements, Vec<Fold>) {
    let folds: BTreeSet<u32> = rows.iter().map(|row| split.fold(row)).collect();
    let folds: Vec<u32> = folds.into_iter().collect();
    let results = in_order(folds.len(), threads, |at| {
        let fold = folds[at];
        let held_out: Vec<usize> = (0..rows.len()).filter(|place| split.fold(&rows[*place]) == fold).collect();
        // In the split by time, a campaign that continues into the tenth must not be on both sides.
        let campaigns: BTreeSet<_> = held_out.iter().map(|place| rows[*place].campaign_key()).collect();
        let teaches = |row: &&Row| match split {
            Split::Time => row.folds.time < fold && !campaigns.contains(&row.campaign_key()),
            _ => split.fold(row) != fold,
        };
        let rest: Vec<Row> = rows.iter().filter(teaches).map(seen).collect();
        let held: Vec<&Row> = held_out.iter().map(|place| &rows[*place]).collect();
        let name = match split {
            Split::Collection => held.first().map_or_else(String::new, |row| row.origin.world.clone()),
            _ => (at + 1).to_string(),
        };
        let (judged, fold) = teach_and_judge(name, &rest, &held, learner, seen);
        (held_out, judged, fold)
    });
    let mut judgements = vec![None; rows.len()];
    let mut folds = Vec::new();
    for (places, judged, fold) in results {
        for (place, said) in places.into_iter().zip(judged) {
            judgements[place] = said;
        }
        folds.push(fold);
    }
    (judgements, folds)
}

/// The judgements of a learner that was trained on other rows.
pub(crate) fn taught_elsewhere(
    rows: &[Row],
    others: &[Row],
    learner: &Learner,
    seen: &(dyn Fn(&Row) -> Row + Sync),
) -> (Judgements, Fold) {
    let rest: Vec<Row> = others.iter().map(seen).collect();
    let held: Vec<&Row> = rows.iter().collect();
    teach_and_judge("all".to_owned(), &rest, &held, learner, seen)
}

fn teach_and_judge(
    name: String,
    rest: &[Row],
    held: &[&Row],
    learner: &Learner,
    seen: &(dyn Fn(&Row) -> Row + Sync),
) -> (Judgements, Fold) {
    let inauthentic = |rows: &mut dyn Iterator<Item = &Row>| rows.filter(|row| row.origin.inauthentic).count();
    let mut fold = Fold {
        name,
        trained_on: rest.len(),
        trained_on_inauthentic: inauthentic(&mut rest.iter()),
        held_out: held.len(),
        inauthentic: inauthentic(&mut held.iter().copied()),
        refused: None,
    };
    let options = Options { learner: learner.clone(), ..Options::new("evaluated", "1") };
    match train(rest, &options) {
        Ok(trained) => {
            let judged = held.iter().map(|row| Some(judge_row(&trained.model, &seen(row)))).collect();
            (judged, fold)
        }
        Err(error) => {
            fold.refused = Some(error.to_string());
            (vec![None; held.len()], fold)
        }
    }
}

/// A learner by its name on the command line: `logistic` or `boosted`, optionally with settings, as
/// in `boosted:depth=2,rounds=100`.
///
/// # Errors
/// An unknown name or setting.
pub fn learner(text: &str) -> Result<Learner, String> {
    let (name, settings) = text.split_once(':').unwrap_or((text, ""));
    let mut given: BTreeMap<&str, f64> = BTreeMap::new();
    for setting in settings.split(',').filter(|setting| !setting.is_empty()) {
        let (key, value) = setting.split_once('=').ok_or_else(|| format!("`{setting}`: write it as setting=number"))?;
        let number = value.parse().map_err(|_| format!("`{setting}`: `{value}` is not a number"))?;
        given.insert(key, number);
    }
    let mut take = |key: &str, usual: f64| given.remove(key).unwrap_or(usual);
    let learner = match (name, Learner::default(), Learner::boosted()) {
        ("logistic", Learner::Logistic { alpha }, _) => Learner::Logistic { alpha: take("alpha", alpha) },
        ("boosted", _, Learner::Boosted(mut boosting)) => {
            boosting.rounds = take("rounds", boosting.rounds as f64) as usize;
            boosting.depth = take("depth", boosting.depth as f64) as usize;
            boosting.bins = take("bins", boosting.bins as f64) as usize;
            boosting.learning_rate = take("rate", boosting.learning_rate);
            boosting.l2 = take("l2", boosting.l2);
            boosting.least_weight = take("weight", boosting.least_weight);
            boosting.least_gain = take("gain", boosting.least_gain);
            Learner::Boosted(boosting)
        }
        _ => return Err(format!("there is no learner `{name}`; there are: logistic, boosted")),
    };
    match given.keys().next() {
        None => Ok(learner),
        Some(unknown) => Err(format!(
            "{name} has no setting `{unknown}`; logistic has alpha, boosted has rounds, depth, rate, l2, weight, gain, bins"
        )),
    }
}
