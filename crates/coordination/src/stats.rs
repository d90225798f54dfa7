//! The engine's counters.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::{by_kind::ByKind, cluster::AccountRef, post::Millis};

/// The outcome of a post; each post is counted once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Waits for its turn, or has been processed.
    Accepted,
    /// Came behind the watermark, but inside the horizon: it counts, out of order.
    Late,
    /// Came after the horizon: does not count.
    TooLate,
    /// Was delivered before.
    Duplicate,
}

/// Counts since the start, and present sizes.
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
    /// Uses of keys by kind; an account's further uses of one key are not counted for the time of
    /// `retention`.
    pub uses: ByKind<u64>,
    /// Candidates proposed.
    pub candidates_proposed: u64,
    /// Groups that were too large to be tested.
    pub too_large: u64,
    /// Candidates that passed the test, as discoveries: similar ones count once.
    pub discoveries: u64,
    /// Near misses reported.
    pub near_misses: u64,
    /// Cluster states reported.
    pub clusters_told: u64,
    /// Entries dropped because a table was full.
    pub evicted: Evicted,
    /// Table sizes.
    pub sizes: Sizes,
    /// Event time up to which everything has been processed.
    pub watermark: Millis,
}

/// Entries dropped because a table was full.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evicted {
    /// Remembered uses of keys.
    pub uses: u64,
    /// Pairs of accounts with a key in common.
    pub ties: u64,
    /// Texts that can be recognised as repeated.
    pub texts: u64,
    /// Candidates.
    pub candidates: u64,
    /// Accounts.
    pub accounts: u64,
}

impl AddAssign for Evicted {
    fn add_assign(&mut self, more: Evicted) {
        self.uses += more.uses;
        self.ties += more.ties;
        self.texts += more.texts;
        self.candidates += more.candidates;
        self.accounts += more.accounts;
    }
}

/// Entries in each table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// Posts that wait for the watermark.
    pub waiting: usize,
    /// Keys with a remembered use.
    pub keys: usize,
    /// Remembered uses of keys.
    pub uses: usize,
    /// Pairs of accounts with a key in common.
    pub ties: usize,
    /// Texts that can be recognised as repeated.
    pub texts: usize,
    /// Accounts.
    pub accounts: usize,
    /// Living candidates.
    pub candidates: usize,
}

/// The evidence about one account.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountEvidence {
    /// Who.
    pub account: AccountRef,
    /// Handle or display name last seen; empty if there is none.
    pub account_name: String,
    /// Posts seen.
    pub posts: u64,
    /// Last post seen.
    pub last_post: Millis,
    /// Nats of its strongest tie: -ln of the chance of that number of common keys. It is not a test
    /// result.
    pub tie_nats: f64,
    /// Own texts, and the number that repeat a text of another account from the day before.
    pub texts: u32,
    /// See `texts`.
    pub copies: u32,
    /// The evidence of naming, its strongest ties and its copies, minus the mean of equally active
    /// accounts. It ranks the accounts of one stream, and is neither nats nor a probability; it may
    /// be negative. The formula is in the engine's module `ranking`.
    pub suspicion: f64,
    /// Evidence, in nats, that it belongs to the group that names it most strongly; `None` if no
    /// group judged it.
    pub log_e: Option<f64>,
    /// The probability, by that naming, that it belongs to the group.
    pub posterior: Option<f64>,
}

impl AccountEvidence {
    /// Whether there is any evidence about the account.
    pub fn any(&self) -> bool {
        self.tie_nats > 0.0 || self.copies > 0 || self.log_e.is_some()
    }
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
