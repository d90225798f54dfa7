//! Messages of version 2: does a group repeat itself more than everybody else does, and more than the people around it do?
//!
//! The windows of the test with their keys and sources first, then the source that is left out and the bar, then the accounts and their
//! naming, then the model's score. The formulas are those that [`messages::cluster`] documents.
//!
//! What cannot be worked out from a message is how often everybody else had each outcome at the time of a post: `h` of a gain is held
//! against what it can be at least, and counts against each other.

mod members;
mod outcomes;
mod test;
mod text;

use std::collections::BTreeSet;

use jiff::Timestamp;
use messages::cluster::{ClusterMessage, Status, Terms, Unlisted, Why};
use serde::Serialize;

use super::arithmetic::{ExplainError, Figure, Score, is, same};

pub use members::{Dropped, Member, Naming};
pub use test::{Bar, KeyArithmetic, Kind, Post, Source, Window};

/// A cluster's numbers, worked out again.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The cluster.
    pub cluster_id: String,
    /// Which of its published states.
    pub version: u32,
    /// The cluster that it split from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split_from: Option<String>,
    /// Near misses that its groups were reported as before they passed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub near_misses: Vec<String>,
    /// What is said of it.
    pub status: Status,
    /// Why it is on a single source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
    /// Time of the first post in the evidence.
    pub first_seen: Timestamp,
    /// Time of the last.
    pub last_seen: Timestamp,
    /// What the test went by; `None` for one text by many accounts.
    pub terms: Option<Terms>,
    /// The test, window by window; empty for one text by many accounts.
    pub windows: Vec<Window>,
    /// Index of the window with the most nats, of equal ones the first.
    pub best_window: usize,
    /// Keys in the order of the message.
    pub keys: Vec<KeyArithmetic>,
    /// What is not listed.
    pub unlisted: Unlisted,
    /// Sources in the order of the message.
    pub sources: Vec<Source>,
    /// Gains by trace kind in the best window.
    pub traces: Vec<Kind>,
    /// ln of the mean of e^nats over the windows.
    pub log_e: Figure,
    /// Index into `sources` of the one that is left out; `None` where no source gave anything.
    pub left_out: Option<usize>,
    /// `log_e` without it.
    pub log_e_leave_one_source_out: Figure,
    /// What had to be reached; `None` for one text by many accounts.
    pub bar: Option<Bar>,
    /// How accounts were named.
    pub namings: Vec<Naming>,
    /// Indexes of the namings that members are from whom the cluster's own group names.
    #[serde(skip)]
    own_namings: BTreeSet<usize>,
    /// How many accounts the message has.
    pub accounts: usize,
    /// Accounts in the order of the message.
    pub members: Vec<Member>,
    /// What the model says; `None` where none has judged: near misses, and one text by many accounts.
    #[serde(flatten)]
    pub score: Option<Score>,
    /// What does not agree, in words. Empty if every number that can be worked out again is the recorded one.
    pub contradictions: Vec<String>,
}

impl Explanation {
    /// Works all numbers of a message out again.
    pub fn of(message: &ClusterMessage) -> Result<Explanation, ExplainError> {
        let one_text = message.why == Some(Why::OneText);
        if message.windows.is_empty() && !one_text {
            // One of version 1 that was read and written again has no arithmetic any more.
            return Err(ExplainError::Older(message.cluster_id.clone()));
        }
        let mut contradictions = Vec::new();
        check_shape(message, &mut contradictions);
        let test = test::Test::of(message, &mut contradictions);
        check_times(message, &mut contradictions);
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

    /// Keeps only keys with these words in them and on which this account (an id, or `platform:id`) posted, and only this account
    /// among the members. Sums and contradictions stay those of the whole.
    pub fn narrow(&mut self, key: Option<&str>, account: Option<&str>) -> Result<(), ExplainError> {
        let not_there = |what| ExplainError::NotThere { cluster_id: self.cluster_id.clone(), what };
        if let Some(account) = account {
            if !self.members.iter().any(|member| is(&member.account, account)) {
                return Err(not_there(format!("account {account:?}")));
            }
            self.members.retain(|member| is(&member.account, account));
        }
        if let Some(words) = key
            && !self.keys.iter().any(|key| key.key.contains(words))
        {
            return Err(not_there(format!("key with {words:?} in it")));
        }
        self.keys.retain(|entry| {
            let posted = |account| entry.posts.iter().any(|post| is(&post.account, account));
            key.is_none_or(|words| entry.key.contains(words)) && account.is_none_or(posted)
        });
        Ok(())
    }
}

/// What a status must have with it, and what it must not.
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
    wrong(goes, "which does not go with its `why`");
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
        wrong(message.windows.len() == 3 && message.test.is_some(), "but its test has no three windows or no terms");
    }
}

/// The cluster was seen while its posts were made: from the first to the last of them, where all that it was told with are there.
fn check_times(message: &ClusterMessage, contradictions: &mut Vec<String>) {
    let posts = || message.evidence.iter().flat_map(|evidence| &evidence.posts);
    let times = || posts().map(|post| post.created_at);
    let (Some(first), Some(last)) = (times().min(), times().max()) else { return };
    let all = message.unlisted.trials == 0 && message.unlisted.posts == 0;
    let (seen_first, seen_last) = (message.first_seen, message.last_seen);
    if seen_first > first || (all && seen_first != first) {
        contradictions.push(format!("first_seen: {seen_first} is recorded, but the first post was made at {first}"));
    }
    if seen_last < last || (all && seen_last != last) {
        contradictions.push(format!("last_seen: {seen_last} is recorded, but the last post was made at {last}"));
    }
}

/// A tie's nats are -ln of the chance that a Poisson number with its mean is that great or greater.
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
        // So small a chance is itself the sum of rounded numbers.
        if !same(comes_to / tie.nats.abs().max(1.0), tie.nats / tie.nats.abs().max(1.0)) {
            contradictions.push(format!("{what}: {:.9} nats are recorded, but it comes to {comes_to:.9}", tie.nats));
        }
    }
}

/// ln of the chance that a Poisson number with this mean is `least` or greater.
fn log_tail(mean: f64, least: u32) -> f64 {
    let least = f64::from(least);
    let first = least * mean.ln() - mean - log_factorial(least);
    // Each further term is the one before times mean / k.
    let (mut term, mut sum, mut k) = (1.0, 1.0, least);
    while term > sum * 1e-17 && k < least + 1e5 {
        k += 1.0;
        term *= mean / k;
        sum += term;
    }
    if least == 0.0 { 0.0 } else { first + sum.ln() }
}

/// ln n!, by Stirling's series where n is not small.
fn log_factorial(n: f64) -> f64 {
    if n < 64.0 {
        return (2..=n as u32).map(|k| f64::from(k).ln()).sum();
    }
    let (n, tau) = (n + 1.0, std::f64::consts::TAU);
    (n - 0.5) * n.ln() - n + 0.5 * tau.ln() + 1.0 / (12.0 * n) - 1.0 / (360.0 * n.powi(3))
}

#[cfg(test)]
mod tests;
