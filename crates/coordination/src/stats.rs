//! What the engine counts.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::{
    cluster::{AccountRef, TraceKind},
    post::Millis,
};

/// What became of a post; each is counted once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Waits for its turn, or has had it.
    Accepted,
    /// Came behind the watermark, but inside the horizon: counts, out of its turn.
    Late,
    /// Came after the horizon: does not count.
    TooLate,
    /// Was delivered before.
    Duplicate,
}

/// Counts since the start, and sizes now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Posts accepted.
    pub accepted: u64,
    /// Posts that came late and count.
    pub late: u64,
    /// Posts that came too late to count.
    pub too_late: u64,
    /// Posts delivered again.
    pub duplicate: u64,
    /// Acts by kind, in the order of [`TraceKind::ALL`].
    pub acts: [u64; TraceKind::ALL.len()],
    /// Candidates proposed.
    pub candidates_proposed: u64,
    /// Cluster states told.
    pub clusters_told: u64,
    /// Entries dropped for want of room.
    pub evicted: Evicted,
    /// Table sizes.
    pub sizes: Sizes,
    /// Event time up to which everything has had its turn.
    pub watermark: Millis,
}

/// Entries dropped because a table was full.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evicted {
    /// Live keys.
    pub keys: u64,
    /// Ties.
    pub ties: u64,
    /// Account and source pairs of the baseline.
    pub habits: u64,
    /// Candidates.
    pub candidates: u64,
    /// Accounts.
    pub accounts: u64,
}

impl AddAssign for Evicted {
    fn add_assign(&mut self, more: Evicted) {
        self.keys += more.keys;
        self.ties += more.ties;
        self.habits += more.habits;
        self.candidates += more.candidates;
        self.accounts += more.accounts;
    }
}

/// Entries in each table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// Posts that wait for the watermark.
    pub waiting: usize,
    /// Live keys.
    pub keys: usize,
    /// Ties.
    pub ties: usize,
    /// Accounts.
    pub accounts: usize,
    /// Account and source pairs of the baseline.
    pub habits: usize,
    /// Living candidates.
    pub candidates: usize,
    /// Open tests.
    pub open_tests: usize,
}

/// What is known against one account.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountEvidence {
    /// Who.
    pub account: AccountRef,
    /// Posts seen.
    pub posts: u64,
    /// Last post seen.
    pub last_post: Millis,
    /// Nats of its strongest tie: surprise on the past, not tested.
    pub tie_nats: f64,
    /// How much company it keeps with others on rare things (the engine's `company` has the formula): it ranks the accounts of one stream,
    /// and is neither nats nor a probability.
    pub company: f64,
    /// ln of its best e-value as a member of any candidate; `None` where it never was one.
    pub log_e: Option<f64>,
}

impl Stats {
    pub(crate) fn count(&mut self, outcome: Outcome) {
        *match outcome {
            Outcome::Accepted => &mut self.accepted,
            Outcome::Late => &mut self.late,
            Outcome::TooLate => &mut self.too_late,
            Outcome::Duplicate => &mut self.duplicate,
        } += 1;
    }
}
