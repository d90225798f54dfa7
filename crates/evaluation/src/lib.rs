//! How well groups are found, and how well models judge them ([`model`]): figures on simulated worlds and on labelled files.
//!
//! The journey: [`Judge::find`] runs a [`Method`] over a world and keeps every state of every cluster it tells of; [`Run::measure`] holds
//! those against the world's truth; [`Summary::of`] puts the seeds of a world together, with intervals. Labelled files of posts
//! take the short way: [`posts::FileFigures::measure`], or beside other methods [`real::measure`].
//!
//! # Definitions
//!
//! **Published.** A cluster counts as published as *coordinated* once the statistics find it so, whatever the model says, and as *flagged*
//! once the model finds it inauthentic, too. Each counts once, as it was published last, even if it faded afterwards.
//! **False.** A published cluster is false if fewer than half of its accounts are of one campaign.
//! **Recall of accounts.** Of the accounts of campaigns that took part in at least one action, the share that a published cluster names.
//! **Precision of accounts.** Of the accounts that published clusters name, the share that belongs to a campaign.
//! **Found.** A campaign is found if a published cluster is its. **Delay.** From the campaign's first action to the first
//! publication of a cluster that is its: actions begun until then, and hours of event time.
//! **False discovery proportion.** False clusters among those published. On a world with nothing planted, every cluster is
//! false, and the share of seeds with any is what the nominal level (0.05) bounds.
//!
//! Intervals are of 95 %: Clopper and Pearson's for counts of clusters and of seeds, percentile bootstrap over seeds (over accounts, for
//! files) for the others.
//!
//! What is absent: detection logic, files other than those it is asked to read, clocks, progress bars.

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
    /// The detector's configuration or the model is at fault.
    #[error(transparent)]
    Start(#[from] detection::StartError),
    /// A cluster cannot be put in words.
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
        /// Why.
        source: csv::Error,
    },
    /// A label that is none.
    #[error("{place}: `{label}` is no label: write inauthentic, organic or unknown")]
    Label {
        /// Which post, or which row of which table.
        place: String,
        /// What stands there.
        label: String,
    },
    /// Nothing says what the accounts of a file are.
    #[error(
        "no post has a label, and no table of labels lies beside the file: write `label` (inauthentic, organic or unknown) into the posts, \
         name a table of accounts {}, or name one on the command line", table.display()
    )]
    Unlabelled {
        /// Where a table would be looked for.
        table: PathBuf,
    },
    /// A table of labels is not of this file.
    #[error("no account of the file is in {}", tables.join(", "))]
    OtherAccounts {
        /// The tables.
        tables: Vec<String>,
    },
    /// Nothing in a file is a post.
    #[error("no line of it is a post; {rejected} were rejected, the first: {first}")]
    NoPosts {
        /// Lines that could not be read.
        rejected: u64,
        /// Why not.
        first: String,
    },
    /// Labelled posts are read twice.
    #[error("labelled posts are read twice, so standard input will not do: name files")]
    StandardInput,
}
