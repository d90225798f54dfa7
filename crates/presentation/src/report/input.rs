//! Input of the report.

use jiff::Timestamp;
use messages::cluster::ClusterMessage;

use crate::{network::NetworkTie, periods::Histogram, posts::Posts};

/// The findings of a run, and its input.
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
    /// Time of the first and of the last post. `None` if there was no post.
    pub period: Option<(Timestamp, Timestamp)>,
    /// Posts over time.
    pub histogram: Histogram,
    /// Clusters found, and groups that came close, in any order.
    pub clusters: Vec<ClusterMessage>,
    /// Remarks for the reader, for example about the model.
    pub notes: Vec<String>,
    /// Content of the posts in the evidence.
    pub posted: Posts,
    /// All ties of the network.
    pub ties: Vec<NetworkTie>,
    /// The accounts with the highest suspicion, for a report in which nothing is flagged.
    pub suspects: Vec<Suspect>,
    /// Results of other methods on the same posts. `None` if they were not run.
    pub others: Option<Vec<OtherMethod>>,
}

/// An account with its suspicion.
#[derive(Debug, Clone)]
pub struct Suspect {
    /// Platform.
    pub platform: String,
    /// Id on the platform.
    pub account_id: String,
    /// Handle or display name; may be empty.
    pub name: String,
    /// Posts seen.
    pub posts: u64,
    /// Its evidence minus the average evidence of equally active accounts.
    pub suspicion: f64,
    /// Its strongest tie, nats.
    pub tie_nats: f64,
    /// Own texts.
    pub texts: u64,
    /// Own texts that repeat another account's text.
    pub copies: u64,
    /// Status of the group that names it. Empty if no group does.
    pub status: String,
}

/// The result of another method.
#[derive(Debug, Clone)]
pub struct OtherMethod {
    /// Tool, trace and window.
    pub title: String,
    /// Accounts with a tie.
    pub accounts: u64,
    /// Ties.
    pub ties: u64,
    /// The heaviest ties: two account ids and the weight.
    pub strongest: Vec<(String, String, u32)>,
    /// The command that writes all ties.
    pub command: String,
}
