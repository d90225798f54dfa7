//! The scoreboard: what became of findings at each partner.

use casework::scoreboard::{Score, scores};
use jiff::{SignedDuration, Timestamp};

use super::{Inner, SharingError};

/// Days over which the metrics are counted, and the scoreboard where nobody names another number.
pub(crate) const DAYS: u32 = 90;

/// The numbers of releases since a time.
pub(crate) struct Scoreboard {
    pub since: Timestamp,
    pub all: Score,
    /// By name.
    pub partners: Vec<Score>,
}

impl Inner {
    /// The scoreboard of so many days.
    pub(crate) fn scoreboard(&self, days: u32, now: Timestamp) -> Result<Scoreboard, SharingError> {
        let since = now.checked_sub(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MIN);
        let found = self.store.releases_since(since, now)?;
        let (all, partners) = scores(&found.releases, (found.undecided, &found.undecided_by_partner));
        Ok(Scoreboard { since, all, partners })
    }

    /// Brings the metrics of the scoreboard up to date.
    pub(crate) fn count_releases(&self, now: Timestamp) -> Result<(), SharingError> {
        let Scoreboard { all, partners, .. } = self.scoreboard(DAYS, now)?;
        self.metrics.scoreboard.show(&all, &partners);
        Ok(())
    }
}
