//! Messages of version 2. Questions of the test: does a group repeat its own members more often
//! than everybody else does, and more often than the accounts around it do?
//!
//! First the windows of the test with their keys and sources; then the source that is left out and
//! the threshold; then the accounts and their naming; then the model's score. The formulas are
//! those that [`messages::cluster`] documents.
//!
//! A message does not say how often everybody else had each outcome at the time of a post. So `h`
//! of a gain is only compared with its least possible value, and counts with each other.

mod group_test;
mod members;
mod outcomes;
mod text;

use std::collections::BTreeSet;

use jiff::Timestamp;
use messages::cluster::{ClusterMessage, Status, Terms, Unlisted, Why};
use serde::Serialize;

use super::arithmetic::{ExplainError, Figure, Score, check_times, check_wanted, is, same};

pub use group_test::{Bar, KeyArithmetic, Kind, Post, Source, Window};
pub use members::{Dropped, Member, Naming};

/// A cluster's numbers, recomputed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The cluster.
    pub cluster_id: String,
    /// Which of its published states.
    pub version: u32,
    /// The cluster that it split from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split_from: Option<String>,
    /// Ids of the near misses as which its groups were reported before they passed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub near_misses: Vec<String>,
    /// The status of the cluster.
    pub status: Status,
    /// Why it is single-source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
    /// Time of the first post in the evidence.
    pub first_seen: Timestamp,
    /// Time of the last post in the evidence.
    pub last_seen: Timestamp,
    /// The parameters of the test; `None` for one text by many accounts.
    pub terms: Option<Terms>,
    /// The test, window by window; empty for one text by many accounts.
    pub windows: Vec<Window>,
    /// Index of the window with the most nats; the first of equal ones.
    pub best_window: usize,
    /// Keys in the order of the message.
    pub keys: Vec<KeyArithmetic>,
    /// Counts and sums of parts that are not listed.
    pub unlisted: Unlisted,
    /// Sources in the order of the message.
    pub sources: Vec<Source>,
    /// Gains by trace kind in the best window.
    pub traces: Vec<Kind>,
    /// ln of the mean of e^nats over the windows.
    pub log_e: Figure,
    /// Index into `sources` of the source that is left out; `None` if no source has a gain.
    pub left_out: Option<usize>,
    /// `log_e` without it.
    pub log_e_leave_one_source_out: Figure,
    /// The threshold; `None` for one text by many accounts.
    pub bar: Option<Bar>,
    /// How accounts were named.
    pub namings: Vec<Naming>,
    /// Indexes of the namings of members whom the cluster's own group names.
    #[serde(skip)]
    own_namings: BTreeSet<usize>,
    /// How many accounts the message has.
    pub accounts: usize,
    /// Accounts in the order of the message.
    pub members: Vec<Member>,
    /// The model's score; `None` if no model judged the cluster: near misses, and one text by many
    /// accounts.
    #[serde(flatten)]
    pub score: Option<Score>,
    /// The contradictions, as text. Empty if every number that can be recomputed equals the
    /// recorded one.
    pub contradictions: Vec<String>,
}

impl Explanation {
    /// Recomputes all numbers of a message.
    pub fn of(message: &ClusterMessage) -> Result<Explanation, ExplainError> {
        let one_text = message.why == Some(Why::OneText);
        if message.windows.is_empty() && !one_text {
            // A message of version 1 that was read and written again has no arithmetic.
            return Err(ExplainError::Older(message.cluster_id.clone()));
        }
        let mut contradictions = Vec::new();
        check_shape(message, &mut contradictions);
        let test = group_test::Test::of(message, &mut contradictions);
        let posts = message.evidence.iter().flat_map(|evidence| &evidence.posts).map(|post| post.created_at);
        let all = message.unlisted.trials == 0 && message.unlisted.posts == 0;
        check_times([message.first_seen, message.last_seen], posts, all, &mut contradictions);
        let (namings, members) = members::members(message, &mut contradictions);
        check_ties(message, &mut contradictions);
        let score = match (message.score, message.probability) {
            (Some(score), Some(probability)) => {
                Some(Score::of((score, message.intercept, probability), &message.reasons, &mut contradictions))
            }
            _ => None,
        };
        Ok(Explanation {
            cluster_id: message.cluster_id.clone(),
            version: message.version,
            split_from: message.split_from.clone(),
            near_misses: message.near_misses.clone(),
            status: message.status,
            why: message.why,
            first_seen: message.first_seen,
            last_seen: message.last_seen,
            terms: message.test,
            windows: test.windows,
            best_window: message.best_window(),
            keys: test.keys,
            unlisted: message.unlisted,
            sources: test.sources,
            traces: test.traces,
            log_e: test.log_e,
            left_out: test.left_out,
            log_e_leave_one_source_out: test.log_e_leave_one_source_out,
            bar: test.bar,
            namings,
            own_namings: members.iter().filter(|member| !member.elsewhere).filter_map(|member| member.naming).collect(),
            accounts: message.accounts.len(),
            members,
            score,
            contradictions,
        })
    }

    /// Keeps only keys that contain this text and on which this account (an id, or `platform:id`)
    /// posted, and only this account among the members. Sums and contradictions remain those of the
    /// whole cluster.
    pub fn narrow(&mut self, key: Option<&str>, account: Option<&str>) -> Result<(), ExplainError> {
        check_wanted(
            &self.cluster_id,
            (self.keys.iter().map(|entry| entry.key.as_str()), key),
            (self.members.iter().map(|member| member.account.as_str()), account),
        )?;
        self.members.retain(|member| account.is_none_or(|account| is(&member.account, account)));
        self.keys.retain(|entry| {
            let posted = |account| entry.posts.iter().any(|post| is(&post.account, account));
            key.is_none_or(|part| entry.key.contains(part)) && account.is_none_or(posted)
        });
        Ok(())
    }
}

/// Which fields a status must have, and which it must not have.
fn check_shape(message: &ClusterMessage, contradictions: &mut Vec<String>) {
    let status = message.status.name();
    let mut wrong = |holds: bool, what: &str| {
        if !holds {
            contradictions.push(format!("status: is {status}, {what}"));
        }
    };
    let goes = match message.why {
        None => message.status != Status::SingleSource,
        Some(Why::BestSource | Why::OneText) => message.status == Status::SingleSource,
        Some(Why::NotPlain) => message.status == Status::Coordinated,
    };
    wrong(goes, "which contradicts its `why`");
    let one_text = message.why == Some(Why::OneText);
    let judged = message.status != Status::NearMiss && !one_text;
    let verdict = [message.score.is_some(), message.probability.is_some(), message.model.is_some()];
    wrong(
        verdict == [judged; 3],
        if judged { "but no model's verdict is recorded" } else { "but a verdict is recorded" },
    );
    wrong(judged || message.namings.is_empty(), "but names accounts");
    if one_text {
        let nats = [message.log_e, message.log_e_leave_one_source_out];
        wrong(message.windows.is_empty() && message.test.is_none(), "a count of one text, but has a test");
        wrong(nats == [0.0; 2], "a count of one text, but has an e-value");
    } else {
        wrong(
            message.windows.len() == 3 && message.test.is_some(),
            "but its test lacks its three windows or its parameters",
        );
    }
}

/// A tie's nats are -ln of the chance that a Poisson number with its mean is at least `co_acts`.
fn check_ties(message: &ClusterMessage, contradictions: &mut Vec<String>) {
    for (place, tie) in message.ties.iter().enumerate() {
        let what = format!("tie {}", place + 1);
        if tie.a == tie.b || tie.a.max(tie.b) >= message.accounts.len() {
            contradictions.push(format!("{what}: is between accounts {} and {}", tie.a, tie.b));
        }
        let Some(expected) = tie.expected else {
            contradictions.push(format!("{what}: has no expected number of keys"));
            continue;
        };
        let comes_to = -log_tail(expected, tie.co_acts);
        // The sum of such small chances adds up rounding errors.
        if !same(comes_to / tie.nats.abs().max(1.0), tie.nats / tie.nats.abs().max(1.0)) {
            contradictions
                .push(format!("{what}: {:.9} nats are recorded, but the recomputed value is {comes_to:.9}", tie.nats));
        }
    }
}

/// ln of the chance that a Poisson number with this mean is at least `least`.
fn log_tail(mean: f64, least: u32) -> f64 {
    let least = f64::from(least);
    let first = least * mean.ln() - mean - log_factorial(least);
    // Each term is the one before times mean / k.
    let (mut term, mut sum, mut k) = (1.0, 1.0, least);
    while term > sum * 1e-17 && k < least + 1e5 {
        k += 1.0;
        term *= mean / k;
        sum += term;
    }
    if least == 0.0 { 0.0 } else { first + sum.ln() }
}

/// ln n!, by Stirling's series if n is not small.
fn log_factorial(n: f64) -> f64 {
    if n < 64.0 {
        return (2..=n as u32).map(|k| f64::from(k).ln()).sum();
    }
    let (n, tau) = (n + 1.0, std::f64::consts::TAU);
    (n - 0.5) * n.ln() - n + 0.5 * tau.ln() + 1.0 / (12.0 * n) - 1.0 / (360.0 * n.powi(3))
}

#[cfg(test)]
mod tests;
