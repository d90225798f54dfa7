//! `lockstep explain`: the arithmetic behind a cluster.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use detection::explain::{Explanation, FindError, find};
use messages::cluster::AnyVersion;

use crate::{detect::println_json, progress::counted};

/// Prints the arithmetic behind a cluster and checks it
///
/// Computes every number of a cluster again from its line of clusters.jsonl (or near_misses.jsonl),
/// step by step, and compares it with the recorded number: the result of each window of the test,
/// how often members repeat each other compared with everybody else and with the accounts around
/// them, nats of each post and key, the source that is left out, the threshold, each member's evidence
/// and probability, and the model's score. Lines of older versions are explained as written.
/// Exits with 1 if a number differs from the recorded one by more than 1e-6 nats.
#[derive(Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  lockstep explain c-4f1a                             a cluster by the beginning of its id
  lockstep explain c-4f1a --from out                  of out/clusters.jsonl
  lockstep explain c-4f1a --account 2882013788        one member: its keys, and what each of its posts adds
  lockstep explain c-4f1a --key example.org/story     one key
  zcat clusters.jsonl.gz | lockstep explain c-4f1a --from - --json"
)]
pub struct Explain {
    /// The id of a cluster, or a unique beginning of it
    cluster: String,
    /// Output of detect: its folder, or a file of clusters or near misses; - is standard input
    #[arg(long, value_name = "DIR|FILE|-", default_value = "lockstep-out")]
    from: PathBuf,
    /// Show only keys that contain KEY
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Show only this account, the nats of its posts, and its keys; an id, or platform:id
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// Print the arithmetic as JSON
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub fn run(self) -> Result<()> {
        let message = self.message()?;
        let mut explanation = Explanation::of(&message)?;
        explanation.narrow(self.key.as_deref(), self.account.as_deref())?;
        if self.json {
            println_json(&serde_json::to_value(&explanation)?)?;
        } else {
            write!(io::stdout().lock(), "{explanation}").context("cannot write to standard output")?;
        }
        match explanation.contradictions() {
            [] => Ok(()),
            [first, ..] => bail!(
                "cluster {}: {} not as recorded: {first}{}",
                explanation.cluster_id(),
                counted(explanation.contradictions().len() as u64, "number"),
                if explanation.contradictions().len() > 1 { ", ..." } else { "" }
            ),
        }
    }

    /// Finds the cluster in the first file that has it.
    fn message(&self) -> Result<AnyVersion> {
        let mut not_there = Vec::new();
        for path in self.files() {
            let lines: Box<dyn BufRead> = if is_stdin(&path) {
                Box::new(io::stdin().lock())
            } else {
                let file = File::open(&path).with_context(|| {
                    format!("cannot open {}: give the output of `lockstep detect` with --from", path.display())
                })?;
                Box::new(BufReader::new(file))
            };
            let place = if is_stdin(&path) { "standard input".into() } else { path.display().to_string() };
            match find(lines, &self.cluster) {
                Err(error @ FindError::NotThere { .. }) => not_there.push(format!("{place} {error}")),
                found => return found.map_err(|error| anyhow!("{place} {error}")),
            }
        }
        bail!("{}", not_there.join("; "))
    }

    /// For a folder, the file of clusters and then the file of near misses. Old versions wrote no
    /// file of near misses.
    fn files(&self) -> Vec<PathBuf> {
        if !self.from.is_dir() {
            return vec![self.from.clone()];
        }
        let near_misses = self.from.join("near_misses.jsonl");
        let clusters = self.from.join("clusters.jsonl");
        if near_misses.exists() { vec![clusters, near_misses] } else { vec![clusters] }
    }
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}
