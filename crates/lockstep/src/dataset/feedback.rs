//! Feedback of partners and reviewers, with the clusters that it is about, from the log or from
//! files.

#[cfg(feature = "services")]
mod log;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use evaluation::dataset::{Heard, Trust};
use messages::{
    cluster::{ClusterMessage, Status},
    feedback::Feedback,
};
use serde::Serialize;

use crate::{config::Config, progress::counted};

/// The source of feedback.
pub enum Place<'a> {
    Log { config: &'a Config, dir: Option<&'a Path>, brokers: Option<&'a str> },
    Files { clusters: &'a [PathBuf], verdicts: &'a [PathBuf] },
}

/// Feedback, and the clusters that it is about.
#[derive(Default)]
pub struct FeedbackData {
    /// The last state of each cluster in which the model scored it: coordinated or flagged.
    pub clusters: BTreeMap<String, ClusterMessage>,
    /// The last verdict of each partner or reviewer on each account or cluster.
    pub feedback: Vec<Feedback>,
    /// Number of records that cannot be read.
    pub unreadable: usize,
}

impl Place<'_> {
    pub fn read(&self) -> Result<FeedbackData> {
        let mut data = match self {
            Place::Files { clusters, verdicts } => of_files(clusters, verdicts)?,
            Place::Log { config, dir, brokers } => log::read(config, *dir, *brokers)?,
        };
        let mentioned: BTreeSet<&str> = data.feedback.iter().map(|verdict| verdict.cluster_id.as_str()).collect();
        data.clusters.retain(|id, _| mentioned.contains(id.as_str()));
        Ok(data)
    }
}

impl FeedbackData {
    /// The model scores only coordinated clusters, so only such states are training rows.
    fn add_cluster(&mut self, cluster: ClusterMessage) {
        let judged = matches!(cluster.status, Status::Flagged | Status::Coordinated);
        let newer = |known: &ClusterMessage| known.version < cluster.version;
        if judged && self.clusters.get(&cluster.cluster_id).is_none_or(newer) {
            self.clusters.insert(cluster.cluster_id.clone(), cluster);
        }
    }
}

fn of_files(clusters: &[PathBuf], verdicts: &[PathBuf]) -> Result<FeedbackData> {
    let mut data = FeedbackData::default();
    for path in clusters {
        lines(path, |line| {
            data.add_cluster(ClusterMessage::decode(line)?);
            Ok(())
        })?;
    }
    for path in verdicts {
        lines(path, |line| {
            data.feedback.push(Feedback::decode(line)?);
            Ok(())
        })?;
    }
    Ok(data)
}

/// Reads every line that is not blank. Errors name the file and the line.
fn lines(path: &Path, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    for (number, line) in BufReader::new(file).split(b'\n').enumerate() {
        let line = line.with_context(|| format!("cannot read {}", path.display()))?;
        if !line.trim_ascii().is_empty() {
            take(&line).with_context(|| format!("{}, line {}", path.display(), number + 1))?;
        }
    }
    Ok(())
}

/// Counts of feedback that was used or left out.
#[derive(Serialize)]
pub struct Summary {
    /// Number of verdicts: the last of each partner or reviewer on each account or cluster.
    pub words: usize,
    /// Partners and reviewers with the number of their verdicts.
    pub speakers: BTreeMap<String, usize>,
    pub trust_reviewer: f64,
    pub trust_partner: f64,
    pub partner_cap: f64,
    /// For each partner over the cap, the factor by which the weight of its verdicts was reduced.
    pub capped: BTreeMap<String, f64>,
    /// Clusters on which the verdicts cancel out.
    pub undecided: BTreeSet<String>,
    /// Clusters with feedback that are not on the log, were never coordinated there, or were
    /// written without features.
    pub unknown: BTreeSet<String>,
    /// Number of clusters left out because a version with another list of features wrote them.
    pub older_features: usize,
    /// Number of records that cannot be read.
    pub unreadable: usize,
}

impl Summary {
    pub fn new(data: &FeedbackData, heard: &Heard, trust: &Trust) -> Summary {
        let mut speakers = BTreeMap::new();
        for verdict in &data.feedback {
            *speakers.entry(verdict.partner.clone()).or_insert(0) += 1;
        }
        Summary {
            words: data.feedback.len(),
            speakers,
            trust_reviewer: trust.reviewer,
            trust_partner: trust.partner,
            partner_cap: trust.cap,
            capped: heard.capped.clone(),
            undecided: heard.undecided.clone(),
            unknown: heard.unknown.clone(),
            older_features: heard.older.len(),
            unreadable: data.unreadable,
        }
    }

    /// Counts of clusters with feedback that are not among the rows, with the reasons.
    pub fn left_out(&self) -> String {
        format!(
            "{} with feedback not on the log as coordinated, {} found by a version with other features, {} undecided",
            counted(self.unknown.len() as u64, "cluster"),
            self.older_features,
            self.undecided.len()
        )
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let speakers = counted(self.speakers.len() as u64, "speaker");
        writeln!(f, "feedback: {} of {speakers}; {}", counted(self.words as u64, "verdict"), self.left_out())?;
        for (partner, factor) in &self.capped {
            writeln!(f, "  {partner} exceeds the cap on one partner: its verdicts count only {:.0} %", 100.0 * factor)?;
        }
        if self.unreadable > 0 {
            writeln!(f, "  warning: {} could not be read", counted(self.unreadable as u64, "record"))?;
        }
        Ok(())
    }
}

/// A build without the services cannot read the log.
#[cfg(not(feature = "services"))]
mod log {
    use super::*;

    pub(super) fn read(_: &Config, _: Option<&Path>, _: Option<&str>) -> Result<FeedbackData> {
        anyhow::bail!("{}", crate::without_services::sentence("feedback from the log"))
    }
}
