//! One self-contained HTML file for researchers.

use jiff::Timestamp;
use messages::cluster::ClusterMessage;

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
    /// Clusters found, in the order of the report.
    pub clusters: Vec<ClusterMessage>,
    /// Remarks for the reader, for example about the model.
    pub notes: Vec<String>,
}

/// Posts per bin of time.
#[derive(Debug, Clone, Default)]
pub struct Histogram {
    /// Start of the first bin; `None` where there is no bin.
    pub start: Option<Timestamp>,
    /// Seconds a bin.
    pub bin_seconds: u64,
    /// Posts per bin, without gaps.
    pub counts: Vec<u64>,
}

/// The report as one HTML file that needs no network.
pub fn render(input: &ReportInput) -> String {
    crate::view::report(input)
}
