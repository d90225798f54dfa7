//! What an erasure did, place by place.

use std::io::Write;

use anyhow::Result;
use serde::Serialize;
use sharing::HeldCase;

use crate::table::table;

/// What was done at one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The key of the configuration, or the topic.
    pub place: String,
    /// What was there.
    pub what: String,
    /// How many of them.
    pub count: u64,
}

/// Something that still has the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Left {
    pub place: String,
    pub why: String,
}

/// What an erasure did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// What replaces the account in entries of the audit log and in what others wrote about it; absent if nothing was changed.
    pub token: Option<String>,
    pub erased: Vec<Line>,
    /// Cases in which it was withdrawn from partners.
    pub withdrawn: u64,
    /// Who had received it.
    pub received: Vec<String>,
    /// Cases under legal hold, which keep it.
    pub held: Vec<HeldCase>,
    pub left: Vec<Left>,
}

impl Report {
    pub fn add(&mut self, place: &str, what: &str, count: u64) {
        if count > 0 {
            self.erased.push(Line { place: place.to_owned(), what: what.to_owned(), count });
        }
    }

    pub fn leave(&mut self, place: &str, why: impl Into<String>) {
        self.left.push(Left { place: place.to_owned(), why: why.into() });
    }

    pub fn print(&self, account: &str, json: bool) -> Result<()> {
        let mut out = std::io::stdout().lock();
        if json {
            writeln!(out, "{}", serde_json::to_string(self)?)?;
            return Ok(());
        }
        let would = if self.dry_run { "would be " } else { "" };
        match self.erased.is_empty() {
            true => writeln!(out, "nothing that can be erased names {account}")?,
            false => {
                let rows: Vec<Vec<String>> = self
                    .erased
                    .iter()
                    .map(|line| vec![line.place.clone(), line.what.clone(), line.count.to_string()])
                    .collect();
                writeln!(out, "{account} {would}erased from:")?;
                write!(out, "{}", table(&["place", "what", "number"], 2, &rows))?;
            }
        }
        if self.withdrawn > 0 {
            let cases = text_format::count(self.withdrawn, "case");
            writeln!(
                out,
                "it {would}withdrawn from partners in {cases}",
                would = if self.dry_run { "would be " } else { "is " }
            )?;
        }
        if !self.received.is_empty() {
            writeln!(
                out,
                "received by {}: what they hold is theirs to erase; partners learn of the withdrawal by their feed, tell the others yourself",
                self.received.join(", ")
            )?;
        }
        for HeldCase { case, cluster_id, hold } in &self.held {
            writeln!(
                out,
                "not erased: {case} (cluster {cluster_id}) is under legal hold since {}, placed by {}: {}",
                hold.at.strftime("%Y-%m-%d"),
                hold.by,
                text_format::shorten(&hold.reason, 400)
            )?;
        }
        for Left { place, why } in &self.left {
            writeln!(out, "not erased: {place}: {why}")?;
        }
        Ok(())
    }
}
