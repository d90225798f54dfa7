//! `lockstep evaluate real`: measures detection and other methods on real files with labels.

use std::{
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use evaluation::{
    Judge,
    real::{Failed, FileReport, FileStep, Measuring, RealReport, measure},
    suite::PEER_WINDOW_S,
};
use rustix::time::{ClockId, clock_gettime};

use super::CANNOT_PRINT;
use crate::{config::ConfigFile, detect::println_json, progress, table::table};

/// Measures detection on real files with labels, next to the published tools' methods and simple
/// rules
///
/// Labels are `label` (inauthentic, organic or unknown) and `campaign`, the operation, in addition
/// to the fields of a post in NDJSON. A table of accounts in the same folder replaces them:
/// posts.accounts.tsv for posts.jsonl.gz, with the columns account_id and label, optionally
/// platform and campaign, separated by tabs. Detection does not see labels.
///
/// Prints one table over all files: accounts that are flagged, coordinated, single-source and close
/// to single-source, by label; precision and recall; each operation with the time until it was
/// reported; and how well accounts are ranked, with intervals. The same follows for CooRTweet,
/// coordination-network-toolkit and simple rules on the same posts, with the processor time of
/// each. With --out, real.html shows the figures with charts and the groups, and real.json has all
/// figures.
///
/// A file that cannot be measured is named and skipped; the others are measured, and the exit code
/// is 1.
#[derive(Args)]
#[command(after_help = "\
Examples:
  lockstep evaluate real labelled.jsonl.gz
  lockstep evaluate real *.jsonl.gz --out evaluation
  lockstep evaluate real posts.jsonl --labels accounts.tsv --no-peers
  lockstep evaluate real a.jsonl b.jsonl --json > figures.json")]
pub struct EvaluateReal {
    /// Files of posts; each is measured separately
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Tables of labelled accounts for all files, instead of the tables next to the files and the
    /// labels in the posts
    #[arg(long, value_name = "TABLE", num_args = 1..)]
    labels: Vec<PathBuf>,
    /// Folder for real.html and real.json, created if it is missing; without it only tables are
    /// printed
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print all figures as JSON on standard output, instead of tables
    #[arg(long)]
    json: bool,
    /// Also run the other methods (the default)
    #[arg(long, overrides_with = "no_peers")]
    peers: bool,
    /// Do not run the other methods
    #[arg(long)]
    no_peers: bool,
    #[command(flatten)]
    config: ConfigFile,
}

impl EvaluateReal {
    pub fn run(self) -> Result<()> {
        let config = self.config.load()?.detection();
        let judge = Judge::new(config, PEER_WINDOW_S)?;
        let config = judge.config();
        if let Some(dir) = &self.out {
            std::fs::create_dir_all(dir).with_context(|| format!("cannot create the folder {}", dir.display()))?;
        }
        let measuring =
            Measuring { config, labels: &self.labels, peers: self.peers || !self.no_peers, clock: &cpu_seconds };
        let mut report =
            RealReport { model: judge.model(), alpha: config.engine.alpha, files: Vec::new(), failed: Vec::new() };
        for file in &self.files {
            match self.file(file, &measuring) {
                Ok(figures) => report.files.push(figures),
                Err(error) => {
                    let (file, error) = (file.display().to_string(), error.to_string());
                    // An error of opening the file names the file already.
                    let named = error.contains(&file);
                    eprintln!("{}{error}", if named { String::new() } else { format!("{file}: ") });
                    report.failed.push(Failed { file, error });
                }
            }
        }
        self.print(&report)?;
        self.write(&report)?;
        match report.failed.len() {
            0 => Ok(()),
            failed => bail!("{failed} of {} files could not be measured", self.files.len()),
        }
    }

    fn file(&self, file: &Path, measuring: &Measuring<'_>) -> Result<FileReport> {
        let bar = progress::bar(None, "{spinner} {msg} ({elapsed})");
        bar.enable_steady_tick(Duration::from_millis(120));
        let name = file.display().to_string();
        let report = measure(file, measuring, &mut |step| match step {
            FileStep::Labels => bar.set_message(format!("{name}: reading labels")),
            FileStep::Tables(tables) if self.labels.is_empty() => {
                let tables: Vec<String> = tables.iter().map(|table| table.display().to_string()).collect();
                bar.suspend(|| eprintln!("{name}: labels of {}", tables.join(", ")));
            }
            FileStep::Tables(_) => {}
            FileStep::Method(method) => bar.set_message(format!("{name}: {method}")),
        });
        bar.finish_and_clear();
        let report = report?;
        if report.rejected_lines > 0 {
            eprintln!("{name}: {} rejected", progress::counted(report.rejected_lines, "line"));
        }
        report.damaged.iter().for_each(|damage| eprintln!("{damage}"));
        Ok(report)
    }

    fn print(&self, report: &RealReport) -> Result<()> {
        if self.json {
            return println_json(&serde_json::to_value(report)?);
        }
        let mut out = std::io::stdout();
        for of in report.tables() {
            let rows = table(&of.header, of.words, &of.rows);
            write!(out, "{}\n{}\n\n{rows}\n", of.title, of.about).context(CANNOT_PRINT)?;
        }
        Ok(())
    }

    fn write(&self, report: &RealReport) -> Result<()> {
        let Some(dir) = &self.out else { return Ok(()) };
        let write = |name: &str, bytes: &[u8]| {
            let path = dir.join(name);
            std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
        };
        write("real.json", &serde_json::to_vec_pretty(report)?)?;
        write("real.html", report.html().as_bytes())?;
        eprintln!("results: {}", dir.join("real.html").display());
        Ok(())
    }
}

/// Processor time of all threads so far.
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
