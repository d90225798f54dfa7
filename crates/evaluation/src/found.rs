//! What a method found in a world.

use coordination::Millis;
use messages::cluster::Status;
use simulator::AccountKey;

/// What a method says of a world.
#[derive(Debug, Default)]
pub struct Found {
    /// Every cluster it ever told of, by id.
    pub clusters: Vec<FoundCluster>,
    /// Posts read.
    pub posts: u64,
    /// Hypotheses tested, where the method tests any.
    pub candidates_tested: Option<u64>,
    /// Whether the method has a model that flags.
    pub judged: bool,
    /// Pairs of accounts said to act together, where the method publishes any; each once, by places in `accounts`.
    pub pairs: Option<Vec<(u32, u32)>>,
    /// The accounts of the pairs.
    pub accounts: Vec<AccountKey>,
}

/// A cluster with all that was ever said of it.
#[derive(Debug)]
pub struct FoundCluster {
    /// Stable over its life.
    pub id: String,
    /// Its states by time, at least one.
    pub states: Vec<State>,
    /// Whether it still stands at the end of the stream.
    pub stands: bool,
}

/// A cluster as it was told.
#[derive(Debug)]
pub struct State {
    /// Event time that the stream had come to; `None` where the method waits for all posts.
    pub at: Option<Millis>,
    /// What was said of it.
    pub status: Status,
    /// Its accounts.
    pub accounts: Vec<AccountKey>,
}
