//! What the report is made of.

use jiff::Timestamp;
use messages::cluster::ClusterMessage;

use crate::{network::NetworkTie, periods::Histogram, posts::Posts};

/// What a run of the detector found, and in what.
#[derive(Debug, Clone, Default)]
pub struct ReportInput {
    /// Heading, for example the name of the data set.
    pub title: String,
    /// Names of the files read.
    pub files: Vec<String>,
    /// Posts read.
    pub posts: u64,
    /// Accounts seen.
    pub accounts: u64,
    /// Lines that could not be read.
    pub rejected: u64,
    /// Candidate groups tested.
    pub candidates_tested: u64,
    /// Time of the first and of the last post; `None` where there was no post.
    pub period: Option<(Timestamp, Timestamp)>,
    /// Posts over time.
    pub histogram: Histogram,
    /// Clusters found, and groups that came close, in any order.
    pub clusters: Vec<ClusterMessage>,
    /// Remarks for the reader, for example about the model.
    pub notes: Vec<String>,
    /// What the posts in evidence say.
    pub posted: Posts,
    /// All ties of the network.
    pub ties: Vec<NetworkTie>,
    /// The accounts that stand out most, for a reader of a report in which nothing is flagged.
    pub suspects: Vec<Suspect>,
    /// What other methods say of the same posts; `None` where they were not asked.
    pub others: Option<Vec<OtherMethod>>,
}

/// An account that stands out.
#[derive(Debug, Clone)]
pub struct Suspect {
    /// Platform.
    pub platform: String,
    /// Id on it.
    pub account_id: String,
    /// Handle or display name; may be empty.
    pub name: String,
    /// Posts seen.
    pub posts: u64,
    /// What speaks for it, less what accounts as active have on average.
    pub suspicion: f64,
    /// Its strongest tie, nats.
    pub tie_nats: f64,
    /// Own texts.
    pub texts: u64,
    /// Those of them that repeat another account's.
    pub copies: u64,
    /// Status of the group that names it; empty where none does.
    pub status: String,
}

/// What another method joins.
#[derive(Debug, Clone)]
pub struct OtherMethod {
    /// Tool, trace and window.
    pub title: String,
    /// Accounts with a tie.
    pub accounts: u64,
    /// Ties.
    pub ties: u64,
    /// The heaviest: two account ids and the weight.
    pub strongest: Vec<(String, String, u32)>,
    /// The command that writes them all.
    pub command: String,
}
