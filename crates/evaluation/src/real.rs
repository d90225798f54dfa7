//! Real files with labels: the findings in each, compared with the published tools' methods and the
//! simplest rules on the same posts.
//!
//! [`measure`] handles one file: it reads the labels, runs Lockstep and every other method on the
//! same posts, and compares all of them with the labels. [`RealReport`] holds the results of all
//! files: its `Display` is the table for a terminal, [`RealReport::html`] the page.
//!
//! # Definitions
//!
//! **Status of an account.** The groups are those at the end of the file, as `lockstep detect`
//! reports them. An account counts once, with the best status of the groups that name it: flagged,
//! then coordinated, then single source, then near miss.
//! **Precision.** Inauthentic accounts among the named ones. There are two figures: with accounts
//! of unknown label counted as wrong, and without these accounts.
//! **Recall.** Named accounts among all that are labelled inauthentic; for an operation, among all
//! that are labelled with it.
//! **Time to report.** From the first post in the file of an operation's third account to the first
//! time that Lockstep reported a flagged or coordinated group with at least three of its accounts;
//! event time.
//! **Ranking.** Lockstep's is the order of `accounts.csv`; accounts without a score of a method
//! come last, all equal. Accounts of unknown label are left out. Average precision by chance is the
//! share of inauthentic accounts, ROC AUC by chance 0.5. Intervals are of 95 %, from a bootstrap
//! that draws whole operations, because accounts of one operation resemble each other; an account
//! of no operation is drawn by itself. If there are fewer than three such units, single accounts
//! are drawn. Every resample is weighted to the file's own share of inauthentic accounts, because
//! average precision depends on it.
//! **CPU.** Seconds of processor time of all threads, including the reading of the file.

mod page;
mod run;
mod table;

use std::collections::{BTreeMap, BTreeSet};

use coordination::Millis;
use messages::cluster::Status;
use serde::Serialize;
use simulator::AccountKey;

pub use run::{Clock, FileStep, Measuring, beside, measure};
pub use table::Table;

use crate::{
    peers::Verdicts,
    posts::{AccountCounts, Labels},
    stats::{Estimate, Ranking, Resamples},
};

/// An operation counts as reported from this number of its accounts in a group on.
const MEMBERS_REPORTED: usize = 3;
/// From this number of inauthentic operations and single accounts together on, whole operations are
/// drawn.
const DRAWN: usize = 3;
/// Approximate number of points of a curve.
const POINTS: usize = 200;

/// The results of all files.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RealReport {
    /// The model that flags, name and version.
    pub model: String,
    /// The nominal false discovery rate of the engine.
    pub alpha: f64,
    /// The files, in the order in which they were named.
    pub files: Vec<FileReport>,
    /// Files without figures.
    pub failed: Vec<Failed>,
}

/// A file without figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failed {
    /// Its name.
    pub file: String,
    /// The reason.
    pub error: String,
}

/// The results of one file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FileReport {
    /// Its name.
    pub file: String,
    /// Source of the labels: `posts`, or the names of tables.
    pub labels: Vec<String>,
    /// Posts read.
    pub posts: u64,
    /// Lines that could not be read.
    pub rejected_lines: u64,
    /// Where the file breaks off, if it does. The part before was measured.
    pub damaged: Vec<String>,
    /// Accounts by label.
    pub accounts: AccountCounts,
    /// Groups tested.
    pub candidates_tested: u64,
    /// Groups and accounts by status at the end of the file.
    pub at_the_end: Statuses,
    /// The same for everything that was ever reported, even if it is not valid at the end; near
    /// misses as at the end.
    pub ever: Statuses,
    /// Figures of the accounts that are flagged at the end.
    pub flagged: Named,
    /// Figures of those that are flagged or coordinated.
    pub flagged_or_coordinated: Named,
    /// Figures of those that are flagged, coordinated or single-source.
    pub reported: Named,
    /// The operations that the labels name, the largest first.
    pub operations: Vec<Operation>,
    /// The groups at the end, as reported.
    pub groups: Vec<Group>,
    /// Lockstep and, unless they were turned off, the other methods.
    pub methods: Vec<MethodReport>,
    /// Processor time of reading the file once; it is part of every method's time.
    pub reading_cpu_seconds: f64,
}

/// Groups and accounts by status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Statuses {
    /// Inauthentic, by the model.
    pub flagged: StatusCounts,
    /// Coordinated, but not flagged.
    pub coordinated: StatusCounts,
    /// Single-source.
    pub single_source: StatusCounts,
    /// Near misses.
    pub near_miss: StatusCounts,
}

/// Groups of one status, and the accounts for which it is the best status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct StatusCounts {
    /// Groups.
    pub groups: u64,
    /// Accounts by label.
    pub accounts: AccountCounts,
}

/// Precision and recall of the named accounts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Named {
    /// Inauthentic accounts among those named.
    pub precision: Precision,
    /// Named accounts among all inauthentic ones; `None` if there are none.
    pub recall: Option<f64>,
}

/// Inauthentic accounts among the named ones; `None` if nobody is named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Precision {
    /// With accounts of unknown label counted as wrong.
    pub unknown_is_wrong: Option<f64>,
    /// Without accounts of unknown label.
    pub unknown_left_out: Option<f64>,
}

/// One operation that the labels name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Operation {
    /// Its name.
    pub name: String,
    /// Its accounts.
    pub accounts: u64,
    /// Accounts that are flagged at the end.
    pub flagged: u64,
    /// Accounts whose best status is coordinated.
    pub coordinated: u64,
    /// Accounts whose best status is single-source.
    pub single_source: u64,
    /// Accounts that are at best in a near miss.
    pub near_miss: u64,
    /// Minutes from the first post of its third account to the first report of a flagged or
    /// coordinated group with three of its accounts; `None` if there was none.
    pub told_after_minutes: Option<f64>,
    /// The same to the first report of a flagged group.
    pub flagged_after_minutes: Option<f64>,
}

/// One group that was reported, in its last state.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// Its id.
    pub cluster_id: String,
    /// Its status.
    pub status: Status,
    /// Accounts that it names, by label.
    pub accounts: AccountCounts,
    /// The operation of most of them, and the number of these accounts.
    pub operation: Option<(String, u64)>,
    /// Evidence without its best source, nats.
    pub log_e_leave_one_source_out: f64,
    /// The reason, as text.
    pub why: String,
}

/// A method's results on one file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MethodReport {
    /// Its name.
    pub method: String,
    /// Accounts that it flags, by label; `None` if it only ranks.
    pub flagged: Option<AccountCounts>,
    /// Precision and recall of the flagged accounts.
    pub named: Option<Named>,
    /// Figures of its ranking; `None` unless both labels occur.
    pub ranking: Option<RankingReport>,
    /// Processor time.
    pub cpu_seconds: f64,
}

/// Figures of a method's ranking of the accounts with a known label.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RankingReport {
    /// Accounts ranked.
    pub accounts: u64,
    /// Inauthentic ones among them.
    pub inauthentic: u64,
    /// Average precision.
    pub average_precision: Estimate,
    /// Its value by chance: the share of inauthentic accounts.
    pub average_precision_by_chance: f64,
    /// ROC AUC; by chance 0.5.
    pub roc_auc: Estimate,
    /// Share of inauthentic ones among the first 50. Of accounts with equal scores that do not all
    /// fit, each counts in part.
    pub precision_at_50: f64,
    /// The same for the first 100.
    pub precision_at_100: f64,
    /// Whether whole operations or single accounts were drawn for the intervals.
    pub drawn: Drawn,
    /// Recall and precision, for the page.
    #[serde(skip)]
    curve: Vec<(f64, f64)>,
}

/// The unit of the bootstrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Drawn {
    /// Whole operations; accounts of no operation by themselves.
    Operations,
    /// Accounts.
    Accounts,
}

/// The statuses that count, the best first.
const STATUSES: [Status; 4] = [Status::Flagged, Status::Coordinated, Status::SingleSource, Status::NearMiss];

impl Statuses {
    /// Counts groups, and each account, by their best status.
    fn of<'t>(reported: impl IntoIterator<Item = (&'t str, Status, &'t [AccountKey])>, labels: &Labels) -> Statuses {
        let reported: Vec<(&str, Status, &[AccountKey])> = reported.into_iter().collect();
        let accounts =
            best(reported.iter().flat_map(|(_, status, accounts)| accounts.iter().map(|one| (one, *status))));
        let groups = best(reported.iter().map(|(id, status, _)| (*id, *status)));
        let count = |status: Status| StatusCounts {
            groups: groups.values().filter(|of| **of == status).count() as u64,
            accounts: labels.count(accounts.iter().filter(|(_, of)| **of == status).map(|(account, _)| *account)),
        };
        let [flagged, coordinated, single_source, near_miss] = STATUSES.map(count);
        Statuses { flagged, coordinated, single_source, near_miss }
    }

    /// By name.
    pub fn all(&self) -> [(&'static str, StatusCounts); 4] {
        [
            ("flagged", self.flagged),
            ("coordinated", self.coordinated),
            ("single source", self.single_source),
            ("near miss", self.near_miss),
        ]
    }
}

/// The best of these statuses of each account, or of each group.
fn best<T: Ord>(reported: impl IntoIterator<Item = (T, Status)>) -> BTreeMap<T, Status> {
    let place = |status: Status| STATUSES.iter().position(|known| *known == status);
    let mut best: BTreeMap<T, Status> = BTreeMap::new();
    for (of, status) in reported.into_iter().filter(|(_, status)| place(*status).is_some()) {
        let known = best.entry(of).or_insert(status);
        if place(status) < place(*known) {
            *known = status;
        }
    }
    best
}

impl Named {
    /// Figures of accounts with these labels, in a file with this number of inauthentic ones.
    fn of(named: AccountCounts, inauthentic: u64) -> Named {
        let share = |of: u64| (of > 0).then(|| named.inauthentic as f64 / of as f64);
        Named {
            precision: Precision {
                unknown_is_wrong: share(named.inauthentic + named.organic + named.unknown),
                unknown_left_out: share(named.inauthentic + named.organic),
            },
            recall: share(inauthentic),
        }
    }

    /// Figures of the accounts of all these statuses.
    fn of_all(reported: &[StatusCounts], inauthentic: u64) -> Named {
        let sum = reported.iter().fold(AccountCounts::default(), |sum, reported| AccountCounts {
            inauthentic: sum.inauthentic + reported.accounts.inauthentic,
            organic: sum.organic + reported.accounts.organic,
            unknown: sum.unknown + reported.accounts.unknown,
        });
        Named::of(sum, inauthentic)
    }
}

/// The results for the operations that the labels name, the largest first.
fn operations(
    labels: &Labels,
    best: &BTreeMap<&AccountKey, Status>,
    tellings: &[(Millis, Status, Vec<AccountKey>)],
) -> Vec<Operation> {
    let mut members: BTreeMap<&str, BTreeSet<&AccountKey>> = BTreeMap::new();
    for (account, _) in labels.accounts() {
        for name in labels.campaigns_of(account) {
            members.entry(name).or_default().insert(account);
        }
    }
    let of = |(name, members): (&str, BTreeSet<&AccountKey>)| {
        let count =
            |status: Status| members.iter().filter(|account| best.get(*account) == Some(&status)).count() as u64;
        let mut firsts: Vec<Millis> = members.iter().filter_map(|account| labels.first_post(account)).collect();
        firsts.sort_unstable();
        let after = |statuses: &[Status]| {
            let is_its = |(_, status, accounts): &&(Millis, Status, Vec<AccountKey>)| {
                statuses.contains(status)
                    && accounts.iter().filter(|account| members.contains(account)).count() >= MEMBERS_REPORTED
            };
            let first = tellings.iter().filter(is_its).map(|(at, _, _)| *at).min()?;
            Some((first - firsts.get(MEMBERS_REPORTED - 1)?) as f64 / 60_000.0)
        };
        let [flagged, coordinated, single_source, near_miss] = STATUSES.map(count);
        Operation {
            name: name.to_owned(),
            accounts: members.len() as u64,
            flagged,
            coordinated,
            single_source,
            near_miss,
            told_after_minutes: after(&[Status::Flagged, Status::Coordinated]),
            flagged_after_minutes: after(&[Status::Flagged]),
        }
    };
    let mut operations: Vec<Operation> = members.into_iter().map(of).collect();
    operations.sort_by(|x, y| y.accounts.cmp(&x.accounts).then_with(|| x.name.cmp(&y.name)));
    operations
}

impl MethodReport {
    fn of(method: &str, verdicts: &Verdicts, labels: &Labels, units: &Units, cpu_seconds: f64) -> MethodReport {
        let flagged = verdicts.flagged.as_ref().map(|flagged| labels.count(flagged));
        let inauthentic = labels.accounts().filter(|(_, inauthentic)| *inauthentic == Some(true)).count() as u64;
        MethodReport {
            method: method.to_owned(),
            flagged,
            named: flagged.map(|flagged| Named::of(flagged, inauthentic)),
            ranking: RankingReport::of(&verdicts.scores, labels, units),
            cpu_seconds,
        }
    }
}

/// The units of the bootstrap for all methods on one file.
struct Units {
    resamples: Resamples,
    drawn: Drawn,
}

impl Units {
    fn of(labels: &Labels) -> Units {
        let known = || labels.accounts().filter(|(_, inauthentic)| inauthentic.is_some());
        // An operation and an account may have the same name.
        let unit = |account| match labels.campaigns_of(account).next() {
            Some(campaign) => (Some(campaign), None),
            None => (None, Some(account)),
        };
        let inauthentic: BTreeSet<_> = known().filter(|(_, is)| *is == Some(true)).map(|(key, _)| unit(key)).collect();
        if inauthentic.len() < DRAWN {
            return Units { resamples: Resamples::by(known().map(|(key, _)| key)), drawn: Drawn::Accounts };
        }
        Units { resamples: Resamples::by(known().map(|(key, _)| unit(key))), drawn: Drawn::Operations }
    }
}

impl RankingReport {
    /// `None` unless both labels occur.
    fn of(scores: &BTreeMap<AccountKey, f64>, labels: &Labels, units: &Units) -> Option<RankingReport> {
        let score = |(key, inauthentic): (&AccountKey, Option<bool>)| {
            Some((scores.get(key).copied().unwrap_or(f64::NEG_INFINITY), inauthentic?))
        };
        let scored: Vec<(f64, bool)> = labels.accounts().filter_map(score).collect();
        let inauthentic = scored.iter().filter(|(_, inauthentic)| *inauthentic).count();
        let accounts = scored.len();
        let ranking = Ranking::new(scored);
        let share = inauthentic as f64 / accounts as f64;
        let [average_precision, roc_auc] =
            units.resamples.estimates(|weights| match ranking.weighted_at(share, weights) {
                Some((precision, auc)) => [Some(precision), Some(auc)],
                None => [None, None],
            });
        let at = |most: f64| {
            let (hits, taken) = ranking.top(most, &vec![1; accounts]);
            hits / taken
        };
        let curve = ranking.curve();
        let every = curve.len().div_ceil(POINTS).max(1);
        let last = curve.len().saturating_sub(1);
        Some(RankingReport {
            accounts: accounts as u64,
            inauthentic: inauthentic as u64,
            average_precision: average_precision?,
            average_precision_by_chance: share,
            roc_auc: roc_auc?,
            precision_at_50: at(50.0),
            precision_at_100: at(100.0),
            drawn: units.drawn,
            curve: curve
                .into_iter()
                .enumerate()
                .filter(|(i, _)| i % every == 0 || *i == last)
                .map(|(_, p)| p)
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests;
