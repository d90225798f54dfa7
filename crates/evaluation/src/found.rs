//! The findings of a method in a world.

use coordination::Millis;
use messages::cluster::Status;
use simulator::AccountKey;

/// The findings of a method in a world.
#[derive(Debug, Default)]
pub struct Found {
    /// Every cluster that it ever reported, by id.
    pub clusters: Vec<FoundCluster>,
    /// Posts read.
    pub posts: u64,
    /// Hypotheses tested, if the method tests any.
    pub candidates_tested: Option<u64>,
    /// Whether the method has a model that flags.
    pub judged: bool,
    /// Pairs of accounts that the method reports as acting together, if it publishes any; each
    /// once, by indexes into `accounts`.
    pub pairs: Option<Vec<(u32, u32)>>,
    /// The accounts of the pairs.
    pub accounts: Vec<AccountKey>,
}

/// A cluster with all its reports.
#[derive(Debug)]
pub struct FoundCluster {
    /// Id, which never changes.
    pub id: String,
    /// Its states by time, at least one.
    pub states: Vec<State>,
    /// Whether it is active at the end of the stream.
    pub stands: bool,
}

/// One report of a cluster.
#[derive(Debug)]
pub struct State {
    /// Event time of the report; `None` if the method needs all posts first.
    pub at: Option<Millis>,
    /// The status.
    pub status: Status,
    /// Its accounts.
    pub accounts: Vec<AccountKey>,
}
