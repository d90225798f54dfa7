//! How many groups and accounts were found. The terminal, the report and `summary.json` all count with this.

use std::collections::BTreeSet;

use super::{ClusterMessage, Status, Why};

/// Groups of one status and the accounts that they name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StatusTally {
    /// Groups.
    pub groups: u64,
    /// Different accounts that these groups name: one that two of them name counts once. With accounts that a group of one text does not
    /// remember by name, which count once for each group.
    pub accounts: u64,
}

/// Groups and accounts by status. An account counts once in each status whose groups name it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Coordinated and inauthentic.
    pub flagged: StatusTally,
    /// Coordinated and not flagged.
    pub coordinated: StatusTally,
    /// On one source only, one text by many accounts among them.
    pub single_source: StatusTally,
    /// Of `single_source`, one text by many accounts.
    pub one_text: StatusTally,
    /// Contradicted by later posts.
    pub faded: StatusTally,
    /// Came close and did not pass: their accounts are those that were proposed, and nobody is named.
    pub near_miss: StatusTally,
    /// All that passed once: all of these but near misses. Here, too, an account counts once.
    pub found: StatusTally,
    /// Of `found`, groups with an account that was active at the end.
    pub active: u64,
}

impl Tally {
    /// Counts groups; each must be there once.
    pub fn of<'c>(clusters: impl IntoIterator<Item = &'c ClusterMessage>) -> Tally {
        let clusters: Vec<&ClusterMessage> = clusters.into_iter().collect();
        let count = |counts: &dyn Fn(&ClusterMessage) -> bool| {
            let mut named: BTreeSet<(&str, &str)> = BTreeSet::new();
            let (mut groups, mut nameless) = (0, 0_u64);
            for cluster in clusters.iter().filter(|cluster| counts(cluster)) {
                groups += 1;
                nameless = nameless.saturating_add(cluster.unlisted.accounts);
                named.extend(cluster.accounts.iter().map(|account| (&*account.platform, &*account.account_id)));
            }
            StatusTally { groups, accounts: nameless.saturating_add(named.len() as u64) }
        };
        let of = |status: Status| count(&|cluster| cluster.status == status);
        let found = |cluster: &ClusterMessage| cluster.status != Status::NearMiss;
        Tally {
            flagged: of(Status::Flagged),
            coordinated: of(Status::Coordinated),
            single_source: of(Status::SingleSource),
            one_text: count(&|cluster| cluster.why == Some(Why::OneText)),
            faded: of(Status::Faded),
            near_miss: of(Status::NearMiss),
            found: count(&found),
            active: count(&|cluster| found(cluster) && cluster.active == Some(true)).groups,
        }
    }

    /// Groups on their best source: of `single_source`, those that are not one text by many accounts.
    pub fn best_source_groups(&self) -> u64 {
        self.single_source.groups - self.one_text.groups
    }
}
