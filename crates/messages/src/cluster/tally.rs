//! Numbers of groups and accounts that were found. The terminal, the report and `summary.json` all
//! use these.

use std::collections::BTreeSet;

use super::{ClusterMessage, Status, Why};

/// Groups of one status and the accounts that they name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StatusTally {
    /// Groups.
    pub groups: u64,
    /// Different accounts that these groups name: an account that two of them name counts once.
    /// Accounts of a group of one text that the engine does not remember by name are added, once
    /// for each group.
    pub accounts: u64,
}

/// Groups and accounts by status. An account counts once in each status whose groups name it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Coordinated and inauthentic.
    pub flagged: StatusTally,
    /// Coordinated and not flagged.
    pub coordinated: StatusTally,
    /// On one source only, including one text by many accounts.
    pub single_source: StatusTally,
    /// The part of `single_source` that is one text by many accounts.
    pub one_text: StatusTally,
    /// Contradicted by later posts.
    pub faded: StatusTally,
    /// Almost passed: their accounts are those that were proposed, and nobody is named.
    pub near_miss: StatusTally,
    /// All that passed once: all of the above except near misses. An account counts once here as
    /// well.
    pub found: StatusTally,
    /// The part of `found` with an account that was active at the end.
    pub active: u64,
}

impl Tally {
    /// Counts groups; each group must occur once.
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

    /// Groups on their best source: the part of `single_source` that is not one text by many
    /// accounts.
    pub fn best_source_groups(&self) -> u64 {
        self.single_source.groups - self.one_text.groups
    }
}
