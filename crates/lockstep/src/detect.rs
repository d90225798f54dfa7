//! `lockstep detect`: from files of posts to clusters, without services.

mod native;
mod peers;
mod rejects;
mod report;
mod terminal;

use std::{
    ffi::OsStr,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::{
    Arg, Args, Command,
    builder::{PossibleValue, TypedValueParser},
};
use coordination::Millis;
use detection::{
    detect::{Detection, Phase},
    input::{BadLine, Input, Options},
    peers::Trace,
};
use indicatif::ProgressBar;
use jiff::Timestamp;

use self::rejects::Rejects;
use crate::{
    config::{Config, ConfigFile},
    input::{self, InputOptions},
    progress::{self, counted},
};

/// Finds groups that act in lockstep in files of posts; needs no services
///
/// Reads NDJSON, CSV, Excel or Parquet, plain or as .gz, .zst, .xz, .bz2 or .zip; - is standard
/// input. The formats of platforms and of many tools are recognised, see
/// crates/detection/FORMATS.md. Writes to the output folder:
///   clusters.jsonl     every group that was ever reported, one per line, in its last state, with
///                      evidence and verdict; first_reported, last_reported and active say when
///                      (silence changes no status). Faded groups, which later posts contradict,
///                      come last. A merged group is in the lineage of the other group
///   near_misses.jsonl  groups that came close but did not pass the test, nearest to their bar
///                      first; their members are not named
///   ties.csv           pairs of accounts that share more than chance explains, also pairs that
///                      fell silent
///   accounts.csv       every account: accounts of flagged groups first, then by suspicion, which
///                      is the evidence minus the average of equally active accounts, and ranks
///                      accounts of one file only. probability is the account model's for the
///                      account alone, from its evidence and its group (clusters.jsonl has that of
///                      the group). log_e and posterior are of the group that names the account
///   objects.csv        objects that at least two accounts used: accounts, posts, first and last
///                      use, and the groups that used them
///   network.graphml    the ties as a network for igraph, networkx and Gephi; network.gexf is the
///                      same for Gephi
///   report.html        a report of the findings in one file; needs no network
///   summary.json       the numbers
///   rejected.jsonl     lines that could not be read, with the reason (only if there are any); for
///                      a document, the record
#[derive(Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  lockstep detect posts.jsonl.gz --out out
  zcat posts.jsonl.gz | lockstep detect - --out out --json
  lockstep detect posts.jsonl --trace url --trace repost --alpha 0.01 --out out
  lockstep detect shares.csv --platform facebook --out out
  lockstep detect export.json --dialect telegram --out out
  lockstep detect posts.xlsx --show-mapping
  lockstep detect posts.csv --column text=Message --column ignore=Notes --timezone Europe/Berlin --out out
  lockstep detect shares.csv --method coortweet --time-window 60 --edge-weight 0.9 --out out
  lockstep detect shares.csv --method coortweet --time-window 60 --fast 10 --subgraph 2 --pairs --out out
  lockstep detect posts.jsonl --method cooccurrence --trace repost --time-window 10 --min-edge-weight 1 --out out
  lockstep detect posts.jsonl --method cooccurrence --similarity 0.9 --out out"
)]
pub struct Detect {
    /// Files of posts; - is standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Folder for the results; created if it is missing
    #[arg(long, value_name = "DIR", default_value = "lockstep-out")]
    out: PathBuf,
    #[command(flatten)]
    input: InputOptions,
    /// Memory for sorting posts by time, in MiB; what does not fit is sorted in a temporary file
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    memory: u32,
    /// Write report.html (the default)
    #[arg(long, overrides_with = "no_report")]
    report: bool,
    /// Do not write report.html
    #[arg(long)]
    no_report: bool,
    /// Print the summary as JSON on standard output
    #[arg(long)]
    json: bool,
    /// Method that finds the ties; the published tools' methods are baselines, and write only
    /// ties.csv, accounts.csv and summary.json
    #[arg(long, value_name = "METHOD", default_value = "lockstep")]
    method: peers::MethodName,
    /// Kind of trace. With --method lockstep it may be given several times; default: all kinds that
    /// the configuration names. The other methods use one kind, which may be omitted if the posts
    /// have only one; similar and post are for cooccurrence only
    #[arg(long, value_name = "KIND", value_parser = TraceParser)]
    trace: Vec<Trace>,
    #[command(flatten)]
    native: native::NativeArgs,
    #[command(flatten)]
    peers: peers::PeerArgs,
    #[command(flatten)]
    config: ConfigFile,
}

impl Detect {
    pub fn run(self) -> Result<()> {
        if self.input.show_mapping {
            return self.input.show_mapping(&self.files);
        }
        let mut config = self.config.load()?;
        if let Some((method, trace)) = self.peers.method(self.method, &self.trace)? {
            self.native.refuse(self.method)?;
            return peers::run(&self, &method, trace, latest(config.detector.future_tolerance_s));
        }
        let told = config.detection().warnings();
        self.native.apply(&self.trace, &mut config.detector.engine)?;
        config.detector.check()?;
        for warning in config.detection().warnings().iter().filter(|warning| !told.contains(warning)) {
            eprintln!("warning: {warning}");
        }
        let bar = progress::bar(None, "reading   {bar:30} {bytes}/{total_bytes} {msg}");
        prepare(&self.out)?;
        let run = Run { files: &self.files, out: &self.out, report: !self.no_report, memory_mib: self.memory };
        let mut detecting = false;
        let detection = run.detect(
            &self.input,
            &config,
            &bar,
            &mut |bad| bar.suspend(|| eprintln!("warning: {bad}")),
            &mut |phase| match phase {
                Phase::Reading(now) => bar.set_position(now.bytes),
                Phase::Detecting { posts, of } => {
                    if !std::mem::replace(&mut detecting, true) {
                        bar.set_style(
                            progress::bar(None, "detecting {bar:30} {human_pos}/{human_len} posts, {eta} left").style(),
                        );
                        bar.set_length(of);
                    }
                    bar.set_position(posts);
                }
            },
        );
        bar.finish_and_clear();
        let detection = detection?;
        let counts = &detection.counts;
        if self.json {
            println_json(&detection.summary())?;
        } else {
            terminal::print_results(&detection, &self.files, &self.out, self.no_report);
        }
        // The results of what could be read are written. The exit code shows that something is
        // missing.
        for damage in &counts.damaged {
            eprintln!("error: {damage}");
        }
        if !counts.damaged.is_empty() {
            bail!("part of the input could not be read; the results cover the rest");
        }
        Ok(())
    }
}

/// A run from files of posts to a folder of results, shared by `detect` and `open`.
pub struct Run<'r> {
    /// Files of posts.
    pub files: &'r [PathBuf],
    /// Folder for the results, created by [`prepare`].
    pub out: &'r Path,
    /// Whether the report is written.
    pub report: bool,
    /// Memory for sorting, MiB.
    pub memory_mib: u32,
}

impl Run<'_> {
    /// Reads, detects and writes. `on_bad` receives the first bad lines; all of them are in
    /// rejected.jsonl.
    pub fn detect(
        &self,
        reading: &InputOptions,
        config: &Config,
        bar: &ProgressBar,
        on_bad: &mut dyn FnMut(&BadLine),
        on_phase: &mut dyn FnMut(Phase),
    ) -> Result<Detection> {
        let options = Options {
            memory_mib: self.memory_mib as usize,
            latest: Some(latest(config.detector.future_tolerance_s)),
            ..reading.options(bar)?
        };
        let input = Input::open(self.files, options)?;
        if let Some(total) = input.total_bytes() {
            bar.set_length(total);
        }
        let mut rejects = Rejects::new(self.out.join("rejected.jsonl"));
        let detection = detection::detect::detect_and_describe(
            input,
            &config.detection(),
            &mut |bad| {
                if rejects.keep(&bad) {
                    on_bad(&bad);
                }
            },
            &mut |phase| on_phase(phase),
        );
        bar.finish_and_clear();
        rejects.finish()?;
        let detection = detection?;
        let counts = &detection.counts;
        input::print_warnings(counts);
        if counts.posts == 0 {
            // Empty results would look like the finding that there are no groups.
            if let Some(damage) = counts.damaged.first() {
                bail!("no post could be read: {damage}");
            }
            bail!("no post could be read: {}", why_no_posts(self.out, reading, counts.bad, counts.not_posts));
        }
        detection.write(self.out)?;
        let path = self.out.join("report.html");
        match self.report_of(&detection) {
            Some(report) => {
                atomic_file::write(&path, atomic_file::Kind::Result, |out| out.write_all(report.as_bytes()))
                    .with_context(|| format!("cannot write {}", path.display()))?;
            }
            None => remove(&path)?,
        }
        Ok(detection)
    }

    /// The report, if requested.
    fn report_of(&self, detection: &Detection) -> Option<String> {
        self.report.then(|| report::report(self.files, detection))
    }
}

/// The reason why there is no post, as far as it is known, and what to do.
fn why_no_posts(out: &Path, reading: &InputOptions, bad: u64, not_posts: u64) -> String {
    match (bad, not_posts) {
        (0, 0) => "the input has only blank lines or a header".to_owned(),
        (0, n) => format!("{} hold no post{}", counted(n, "value"), reading.by_dialect()),
        (n, _) => format!(
            "{} rejected, see {} for the reasons; {}",
            counted(n, "line"),
            out.join("rejected.jsonl").display(),
            reading.advice(),
        ),
    }
}

/// Parses the name of a trace; the help shows all names.
#[derive(Clone)]
struct TraceParser;

impl TypedValueParser for TraceParser {
    type Value = Trace;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<Trace, clap::Error> {
        TypedValueParser::parse_ref(&|name: &str| name.parse::<Trace>(), command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue>>> {
        Some(Box::new(Trace::all().map(|trace| PossibleValue::new(trace.name()))))
    }
}

fn latest(tolerance_s: u64) -> Millis {
    let tolerance = Millis::try_from(tolerance_s).unwrap_or(Millis::MAX).saturating_mul(1_000);
    Timestamp::now().as_millisecond().saturating_add(tolerance)
}

/// Creates the folder and checks that it is writable before the long work. Removes rejected.jsonl
/// of an earlier run.
pub fn prepare(out: &Path) -> Result<()> {
    if out.exists() && !out.is_dir() {
        bail!("--out {} is a file: give a folder", out.display());
    }
    std::fs::create_dir_all(out).with_context(|| format!("cannot create the folder {}", out.display()))?;
    tempfile::tempfile_in(out).with_context(|| format!("cannot write to the folder {}", out.display()))?;
    remove(&out.join("rejected.jsonl"))
}

/// Removes a file of an earlier run, which could be mistaken for a result of this run.
fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {} of an earlier run", path.display()))
        }
        _ => Ok(()),
    }
}

pub fn println_json(value: &serde_json::Value) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let written = serde_json::to_writer_pretty(&mut out, value).map_err(anyhow::Error::from);
    written.and_then(|()| Ok(out.write_all(b"\n")?)).context("cannot write to standard output")
}
