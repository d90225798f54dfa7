//! `lockstep evaluate real`: what is found in real files with labels, beside other methods.

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

/// Measures what is found in real files with labels, beside the published tools' methods and the simplest rules
///
/// Labels are `label` (inauthentic, organic or unknown) and `campaign`, the operation, beside the fields of a post in NDJSON. A table
/// of accounts beside the file takes their place, if there is one: posts.accounts.tsv for posts.jsonl.gz, with the columns account_id and
/// label, perhaps platform and campaign, separated by tabs. Detection does not see labels.
///
/// Prints one table over all files: accounts flagged, coordinated, told as single-source and close to that, by label; precision and
/// recall; each operation with the time until it was told; how well accounts are ranked, with intervals; and the same of CooRTweet,
/// coordination-network-toolkit and simple rules on the same posts, with the processor time of each. With --out, real.html shows the
/// figures with drawings and the groups, and real.json has them all.
///
/// A file that cannot be measured is named and left out; the others are measured all the same, and the exit code is 1.
#[derive(Args)]
#[command(after_help = "\
Examples:
  lockstep evaluate real labelled.jsonl.gz
  lockstep evaluate real *.jsonl.gz --out evaluation
  lockstep evaluate real posts.jsonl --labels accounts.tsv --no-peers
  lockstep evaluate real a.jsonl b.jsonl --json > figures.json")]
pub struct EvaluateReal {
    /// Files of posts, each measured by itself
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Tables of labelled accounts for every file, in place of those beside the files and of the posts' own labels
    #[arg(long, value_name = "TABLE", num_args = 1..)]
    labels: Vec<PathBuf>,
    /// Folder for real.html and real.json, made where missing; only tables are printed without it
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print all figures as JSON on standard output, in place of tables
    #[arg(long)]
    json: bool,
    /// Run the other methods, too; so it is unless --no-peers is given
    #[arg(long, overrides_with = "no_peers")]
    peers: bool,
    /// Leave the other methods out
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
            std::fs::create_dir_all(dir).with_context(|| format!("cannot make the folder {}", dir.display()))?;
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
                    // What cannot be opened says so by itself.
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
