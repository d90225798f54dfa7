//! Measures how well groups are found, and how well models judge them ([`model`]), on simulated
//! worlds and on labelled files.
//!
//! The path of a measurement: [`Judge::find`] runs a [`Method`] over a world and keeps every state
//! of every cluster that it reports; [`Run::measure`] compares those with the world's truth;
//! [`Summary::of`] combines the seeds of a world, with intervals. Labelled files of posts are
//! measured by [`posts::FileFigures::measure`], or together with other methods by
//! [`real::measure`].
//!
//! # Definitions
//!
//! **Published.** A cluster counts as published as *coordinated* if the statistics find it so,
//! whatever the model's verdict, and as *flagged* if the model also finds it inauthentic. Each
//! cluster counts once, in its last published state, even if it faded afterwards. **False.** A
//! published cluster is false if fewer than half of its accounts are in one campaign. **Recall of
//! accounts.** Of the accounts of campaigns that took part in at least one action, the share that a
//! published cluster names. **Precision of accounts.** Of the accounts that published clusters
//! name, the share that belongs to a campaign. **Found.** A campaign is found if a published
//! cluster belongs to it. **Delay.** From the campaign's first action to the first publication of a
//! cluster that belongs to it: actions begun until then, and hours of event time. **False discovery
//! proportion.** Share of false clusters among the published ones. In a world with nothing planted,
//! every cluster is false, and the nominal level (0.05) bounds the share of seeds with any cluster.
//!
//! Intervals are of 95 %: Clopper and Pearson's for counts of clusters and of seeds, percentile
//! bootstrap over seeds (over accounts, for files) for the others.
//!
//! This crate has no detection logic, no files except those it is asked to read, no clocks and no
//! progress bars.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod dataset;
mod figures;
mod found;
mod method;
pub mod model;
mod page;
mod peers;
mod plot;
pub mod posts;
pub mod real;
mod report;
mod rules;
mod run;
mod stats;
pub mod suite;
mod table;
pub mod truth;

use std::path::PathBuf;

pub use figures::{
    CampaignFigures, Delay, Detection, Innocents, Pairs, Published, PublishedSummary, Run, Summary, Tally,
};
pub use found::{Found, FoundCluster, State};
pub use method::{Judge, Method};
pub use report::{MethodFigures, PointFigures, Report, SweepFigures, WorldFigures};
pub use run::{Job, run_all};
pub use stats::{Estimate, Ranking, RankingFigures, bootstrap, proportion};

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum EvaluationError {
    /// The detector's configuration or the model is invalid.
    #[error(transparent)]
    Start(#[from] detection::StartError),
    /// A cluster cannot be written as a message.
    #[error(transparent)]
    Cluster(#[from] messages::cluster::ClusterError),
    /// A file of posts cannot be read.
    #[error(transparent)]
    Input(#[from] detection::input::InputError),
    /// The detector stopped.
    #[error(transparent)]
    Detect(#[from] detection::detect::DetectError),
    /// A table of labels cannot be read.
    #[error("labels {}: {source}; expected a table separated by tabs with the columns account_id and label", path.display())]
    Labels {
        /// Which file.
        path: PathBuf,
        /// The reason.
        source: csv::Error,
    },
    /// A label is invalid.
    #[error("{place}: `{label}` is not a label: write inauthentic, organic or unknown")]
    Label {
        /// Which post, or which row of which table.
        place: String,
        /// The label in the file.
        label: String,
    },
    /// The accounts of a file have no labels.
    #[error(
        "no post has a label, and no table of labels lies beside the file: write `label` (inauthentic, organic or unknown) into the posts, \
         name a table of accounts {}, or name one on the command line", table.display()
    )]
    Unlabelled {
        /// Where the table would be.
        table: PathBuf,
    },
    /// A table of labels does not belong to this file.
    #[error("no account of the file is in {}", tables.join(", "))]
    OtherAccounts {
        /// The tables.
        tables: Vec<String>,
    },
    /// No line of a file is a post.
    #[error("no line of it is a post; {rejected} were rejected, the first: {first}")]
    NoPosts {
        /// Lines that could not be read.
        rejected: u64,
        /// The reason of the first one.
        first: String,
    },
    /// Labelled posts are read twice.
    #[error("labelled posts are read twice, so standard input cannot be used: name files")]
    StandardInput,
}
