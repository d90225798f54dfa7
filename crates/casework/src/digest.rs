//! What the digest of a partner counts.

/// What became of a partner's collection in a period.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Cases that were first released to it.
    pub released: u64,
    /// Accounts of which the newest version was added in the period, withdrawn ones too.
    pub accounts: u64,
    /// Withdrawals.
    pub withdrawals: u64,
    /// Withdrawals of any time of which it has not taken note.
    pub unacknowledged: u64,
    /// What it said of cases and accounts.
    pub feedback: u64,
}

impl Counts {
    /// Each count with its words.
    pub fn lines(&self) -> [(u64, &'static str); 5] {
        [
            (self.released, "cases shared with you for the first time"),
            (self.accounts, "accounts shared, changed or withdrawn"),
            (self.withdrawals, "withdrawals: reverse every action that is based on them"),
            (self.unacknowledged, "withdrawals, of any time, that you have not fetched yet"),
            (self.feedback, "statements of yours about cases and accounts"),
        ]
    }
}
