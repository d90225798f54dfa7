//! `lockstep detect`: files of posts to clusters, with no services at all.

mod peers;

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use detector::{
    detect::{Detection, Stage, short_of_bar},
    input::{BadLine, Input, Options},
};
use messages::{
    cluster::{ClusterMessage, Status, Why},
    dialect::Dialect,
};

use crate::{
    config::ConfigFile,
    progress::{self, count, counted},
};

/// Bad lines shown one by one; all of them are in rejected.jsonl.
const SHOWN: u64 = 5;

/// Finds groups that act in lockstep in files of posts; needs no services
///
/// Reads NDJSON, CSV or Parquet, plain, .gz or .zst; - is standard input. CSV with CooRTweet's or
/// coordination-network-toolkit's columns is recognised. Writes to the output folder:
///   clusters.jsonl     one cluster a line, with its evidence and verdict
///   near_misses.jsonl  groups that did not pass the test and came close, nearest to their bar first; they name nobody
///   ties.csv           pairs of accounts that have more in common than chance explains
///   accounts.csv       every account: those of flagged groups first, then by suspicion, which is the evidence less what
///                      accounts as active have on average, and ranks accounts of one file only; probability is what the
///                      model of accounts says of the account itself (of its group: clusters.jsonl), from its evidence and
///                      its group alone; log_e and posterior are of the group that names it
///   report.html        the same to look at; one file, needs no network
///   summary.json       the numbers
///   rejected.jsonl     lines that could not be read, with the reason (only where there are some)
#[derive(Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  lockstep detect posts.jsonl.gz --out out
  zcat posts.jsonl.gz | lockstep detect - --out out --json
  lockstep detect shares.csv --platform facebook --out out
  lockstep detect export.json --dialect telegram --out out
  lockstep detect shares.csv --method coortweet --time-window 60 --edge-weight 0.9 --out out
  lockstep detect shares.csv --method coortweet --time-window 60 --fast 10 --subgraph 2 --pairs --out out
  lockstep detect posts.jsonl --method cooccurrence --trace repost --time-window 10 --min-edge-weight 1 --out out
  lockstep detect posts.jsonl --method cooccurrence --similarity 0.9 --out out"
)]
pub struct Detect {
    /// Files of posts; - is standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Folder for the results, made where missing
    #[arg(long, value_name = "DIR", default_value = "lockstep-out")]
    out: PathBuf,
    /// What the files are written in: lockstep, x, bluesky, mastodon, telegram or csv
    #[arg(long, default_value = "lockstep")]
    dialect: Dialect,
    /// The platform of rows that name none
    #[arg(long, value_name = "NAME")]
    platform: Option<String>,
    /// Memory for sorting posts by time, in MiB; what does not fit goes through a temporary file
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    memory: u32,
    /// Write report.html, as is done unless --no-report says otherwise
    #[arg(long, overrides_with = "no_report")]
    report: bool,
    /// Write no report.html
    #[arg(long)]
    no_report: bool,
    /// Print the summary as JSON on standard output
    #[arg(long)]
    json: bool,
    /// What finds the ties; the published tools' methods are baselines, and write ties.csv, accounts.csv and summary.json only
    #[arg(long, value_name = "METHOD", default_value = "lockstep")]
    method: peers::MethodName,
    #[command(flatten)]
    peers: peers::PeerArgs,
    #[command(flatten)]
    config: ConfigFile,
}

impl Detect {
    pub fn run(self) -> Result<()> {
        if let Some((method, trace)) = self.peers.method(self.method)? {
            return peers::run(&self, &method, trace);
        }
        let config = self.config.load()?;
        let options = Options {
            dialect: self.dialect,
            platform: self.platform.clone(),
            memory_mib: self.memory as usize,
            ..Options::default()
        };
        let input = Input::open(&self.files, options)?;
        prepare(&self.out)?;

        let bar = progress::bar(input.total_bytes(), "reading   {bar:30} {bytes}/{total_bytes} {msg}");
        let mut rejects = Rejects::new(self.out.join("rejected.jsonl"));
        let mut detecting = false;
        let detection = detector::detect::detect(
            input,
            &config.detector,
            &mut |bad| {
                let shown = rejects.keep(&bad);
                if shown {
                    bar.suspend(|| eprintln!("warning: {bad}"));
                }
            },
            &mut |stage| match stage {
                Stage::Reading(now) => bar.set_position(now.bytes),
                Stage::Detecting { posts, of } => {
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
        rejects.finish()?;
        let detection = detection?;
        let counts = &detection.counts;
        if counts.posts == 0 {
            // Empty results would look like a finding.
            if let Some(damage) = counts.damaged.first() {
                bail!("no post could be read: {damage}");
            }
            bail!("no post could be read: {}", self.nothing(counts.bad, counts.not_posts));
        }
        detection.write(&self.out)?;
        let path = self.out.join("report.html");
        if self.no_report {
            remove(&path)?;
        } else {
            std::fs::write(&path, report(&self.files, &detection))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        if self.json {
            println_json(&detection.summary())?;
        } else {
            tell(&detection, &self.out, self.no_report);
        }
        // What could be read has been used and written; that something was missing must not go unnoticed.
        for damage in &counts.damaged {
            eprintln!("error: {damage}");
        }
        if !counts.damaged.is_empty() {
            bail!("part of the input could not be read; the results cover the rest");
        }
        Ok(())
    }

    /// Why there is no post, as far as that can be told, and what to do.
    fn nothing(&self, bad: u64, not_posts: u64) -> String {
        match (bad, not_posts) {
            (0, 0) => "there is nothing but blank lines or a header".to_owned(),
            (0, n) => format!("{} by the dialect {} hold no post", counted(n, "value"), self.dialect),
            (n, _) => format!(
                "{} rejected, see {}; if the posts are written as a platform gives them, name it with --dialect",
                counted(n, "line"),
                self.out.join("rejected.jsonl").display()
            ),
        }
    }
}

/// Makes the folder and sees that it can be written to, before the long work; takes away what an earlier run rejected.
fn prepare(out: &Path) -> Result<()> {
    if out.exists() && !out.is_dir() {
        bail!("--out {} is a file: name a folder", out.display());
    }
    std::fs::create_dir_all(out).with_context(|| format!("cannot make the folder {}", out.display()))?;
    tempfile::tempfile_in(out).with_context(|| format!("cannot write to the folder {}", out.display()))?;
    remove(&out.join("rejected.jsonl"))
}

/// Takes away a file of an earlier run, which would be taken for one of this run.
fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {} of an earlier run", path.display()))
        }
        _ => Ok(()),
    }
}

/// Keeps rejected lines with their reasons in a file that is made when the first one comes.
struct Rejects {
    path: PathBuf,
    out: Option<BufWriter<File>>,
    count: u64,
    failed: Option<std::io::Error>,
}

impl Rejects {
    fn new(path: PathBuf) -> Rejects {
        Rejects { path, out: None, count: 0, failed: None }
    }

    /// Whether this one should be shown.
    fn keep(&mut self, bad: &BadLine) -> bool {
        self.count += 1;
        if let Err(error) = self.write(bad) {
            self.failed.get_or_insert(error);
        }
        self.count <= SHOWN
    }

    fn write(&mut self, bad: &BadLine) -> std::io::Result<()> {
        if self.out.is_none() {
            self.out = Some(BufWriter::new(File::create(&self.path)?));
        }
        let Some(out) = &mut self.out else { return Ok(()) };
        let line = serde_json::json!({
            "file": bad.file.display().to_string(),
            "line": bad.line,
            "field": bad.error.path,
            "reason": bad.error.reason,
            "raw": String::from_utf8_lossy(&bad.raw),
        });
        serde_json::to_writer(&mut *out, &line)?;
        out.write_all(b"\n")
    }

    fn finish(mut self) -> Result<()> {
        if let Some(out) = &mut self.out
            && let Err(error) = out.flush()
        {
            self.failed.get_or_insert(error);
        }
        if let Some(error) = self.failed {
            return Err(error).with_context(|| format!("cannot write {}", self.path.display()));
        }
        if self.count > 0 {
            eprintln!(
                "warning: {} could not be read, see {} for all of them with the reasons",
                counted(self.count, "line"),
                self.path.display()
            );
        }
        Ok(())
    }
}

pub fn println_json(value: &serde_json::Value) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let written = serde_json::to_writer_pretty(&mut out, value).map_err(anyhow::Error::from);
    written.and_then(|()| Ok(out.write_all(b"\n")?)).context("cannot write to standard output")
}

fn tell(detection: &Detection, out: &Path, no_report: bool) {
    let counts = &detection.counts;
    let mut passed_over = String::new();
    for (n, what) in [(counts.duplicates, "duplicate"), (counts.not_posts, "other value")] {
        if n > 0 {
            passed_over.push_str(&format!(", {} dropped", counted(n, what)));
        }
    }
    eprintln!(
        "{} of {} in {:.1} s ({} posts/s){passed_over}",
        counted(counts.posts, "post"),
        counted(detection.accounts_seen, "account"),
        detection.took.as_secs_f64(),
        count((counts.posts as f64 / detection.took.as_secs_f64().max(1e-9)) as u64),
    );
    for line in findings(detection) {
        eprintln!("{line}");
    }
    let look = if no_report { "clusters.jsonl" } else { "report.html" };
    eprintln!("results: {}", out.join(look).display());
}

/// What was found, for a terminal: what it is, the flagged groups one by one, then what there is to know beside.
fn findings(detection: &Detection) -> Vec<String> {
    let tested = format!("{} tested", counted(detection.stats.candidates_proposed, "candidate group"));
    let mut lines = vec![if detection.clusters.is_empty() {
        format!("no group passed the test; {tested}")
    } else {
        let parts = [
            (detection.count(Status::Flagged), "flagged as inauthentic"),
            (detection.count(Status::Coordinated), "coordinated and not flagged"),
            (detection.count_single_source(Why::BestSource), "on one source only"),
            (detection.count_single_source(Why::OneText), "of one text by many accounts"),
        ];
        let parts: Vec<String> = parts.iter().map(|(groups, what)| format!("{groups} {what}")).collect();
        format!("{}: {}; {tested}", counted(detection.clusters.len() as u64, "group"), parts.join(", "))
    }];
    let flagged = detection.clusters.iter().filter(|cluster| cluster.status == Status::Flagged);
    lines.extend(flagged.take(10).map(flagged_line));
    lines.extend(remarks(detection));
    lines
}

fn flagged_line(cluster: &ClusterMessage) -> String {
    let mut kinds: Vec<_> = cluster.traces.iter().filter(|(_, nats)| **nats >= 0.5).collect();
    kinds.sort_by(|x, y| y.1.total_cmp(x.1));
    let kinds: Vec<String> = kinds.iter().map(|(kind, nats)| format!("{kind} {nats:.0}")).collect();
    let probability = match cluster.probability {
        None => "not known".to_owned(),
        Some(sure) if sure > 0.995 => "over 0.99".to_owned(),
        Some(probability) => format!("{probability:.2}"),
    };
    format!(
        "  {}  {} accounts, probability {probability}, {:.0} nats without the best source ({}), {} to {}",
        cluster.cluster_id,
        cluster.accounts.len(),
        cluster.log_e_leave_one_source_out,
        kinds.join(", "),
        cluster.first_seen,
        cluster.last_seen,
    )
}

/// What a reader must know beside the clusters, a sentence each: what was close, what was not tested, and what the figures rest on.
fn remarks(detection: &Detection) -> Vec<String> {
    let mut remarks = Vec::new();
    if let (near, Some(closest)) = (detection.near_misses.len(), detection.near_misses.first()) {
        let bar = closest.test.map_or(0.0, |terms| terms.bar);
        remarks.push(format!(
            "{} came close; the closest: {} accounts, {:.1} nats short of {bar:.1}; see near_misses.jsonl",
            counted(near as u64, "group"),
            closest.accounts.len(),
            short_of_bar(closest),
        ));
    }
    match detection.without_crowd() {
        0 => {}
        groups => remarks.push(format!(
            "{} tested where fewer than 50 posts of others came in: imagined rates of copying stood in for a crowd, so look at {} with care",
            if groups == 1 { "1 group was".to_owned() } else { format!("{} groups were", count(groups as u64)) },
            if groups == 1 { "it" } else { "them" },
        )),
    }
    match detection.stats.too_large {
        0 => {}
        groups => remarks.push(format!(
            "{} too large to be tested (more accounts than detector.engine.max_members)",
            if groups == 1 { "1 group was".to_owned() } else { format!("{} groups were", count(groups)) },
        )),
    }
    let evicted = &detection.stats.evicted;
    let full: Vec<String> = [
        (evicted.uses, "use of a key", "uses of keys"),
        (evicted.ties, "tie", "ties"),
        (evicted.texts, "text", "texts"),
        (evicted.candidates, "candidate group", "candidate groups"),
        (evicted.accounts, "account", "accounts"),
    ]
    .into_iter()
    .filter(|(entries, ..)| *entries > 0)
    .map(|(entries, one, many)| format!("{} {}", count(entries), if entries == 1 { one } else { many }))
    .collect();
    if !full.is_empty() {
        remarks.push(format!(
            "tables were full, and {} were forgotten: raise the limits of detector.engine to look further back",
            full.join(", ")
        ));
    }
    remarks
}

/// The report for people.
pub fn report(files: &[PathBuf], detection: &Detection) -> String {
    let names: Vec<String> =
        files.iter().map(|f| f.file_name().unwrap_or(f.as_os_str()).to_string_lossy().into_owned()).collect();
    let bins = detection.histogram.len().max(1) as f64;
    let seconds = detection.period.map_or(1.0, |(first, last)| last.duration_since(first).as_secs_f64());
    sharing::report::render(&sharing::report::ReportInput {
        title: names.join(", "),
        files: names,
        posts: detection.counts.posts,
        accounts: detection.accounts_seen,
        rejected: detection.counts.bad,
        candidates_tested: detection.stats.candidates_proposed,
        period: detection.period,
        histogram: sharing::report::Histogram {
            start: detection.period.map(|(first, _)| first),
            bin_seconds: (seconds / bins).ceil().max(1.0) as u64,
            counts: detection.histogram.clone(),
        },
        clusters: detection.clusters.iter().chain(&detection.near_misses).cloned().collect(),
        notes: remarks(detection),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use coordination::{Cluster, Stats};
    use messages::fixtures::{self, Shape};

    use super::*;

    fn message(cluster: &Cluster) -> ClusterMessage {
        let verdict = ClusterMessage::takes_verdict(cluster).then(|| fixtures::verdict(cluster.flagged));
        ClusterMessage::new(cluster, verdict.as_ref(), Vec::new(), Vec::new()).unwrap()
    }

    fn detection(clusters: &[Cluster], near_misses: &[Cluster], stats: Stats) -> Detection {
        Detection {
            clusters: clusters.iter().map(message).collect(),
            near_misses: near_misses.iter().map(message).collect(),
            tellings: Vec::new(),
            ties: Vec::new(),
            accounts: Vec::new(),
            counts: Default::default(),
            accounts_seen: 0,
            period: None,
            histogram: Vec::new(),
            stats,
            took: Duration::from_secs(1),
        }
    }

    #[test]
    fn a_reader_is_told_what_was_found_what_was_close_and_what_it_rests_on() {
        let shape = Shape::default();
        let mut near = fixtures::near_miss(shape);
        near.terms.bar = 9.8;
        near.log_e_leave_one_source_out = 6.7;
        let mut alone = fixtures::coordinated(shape, true);
        alone.windows.iter_mut().for_each(|window| window.crowd = [0, 0, 0, 0, 12]);
        let mut stats = Stats { candidates_proposed: 1_234, too_large: 1, ..Stats::default() };
        (stats.evicted.uses, stats.evicted.ties) = (5_000, 1);
        let clusters = [alone, fixtures::best_source(shape), fixtures::one_text(40)];
        let lines = findings(&detection(&clusters, &[near.clone(), near.clone()], stats));
        assert_eq!(
            lines[0],
            "3 groups: 1 flagged as inauthentic, 0 coordinated and not flagged, 1 on one source only, 1 of one text by many \
             accounts; 1,234 candidate groups tested"
        );
        assert!(lines[1].contains(&format!(" {} accounts, probability ", clusters[0].members.len())), "{}", lines[1]);
        let close = format!(
            "2 groups came close; the closest: {} accounts, 3.1 nats short of 9.8; see near_misses.jsonl",
            near.members.len()
        );
        assert_eq!(
            lines[2..],
            [
                close.as_str(),
                "1 group was tested where fewer than 50 posts of others came in: imagined rates of copying stood in for a crowd, so look at \
                 it with care",
                "1 group was too large to be tested (more accounts than detector.engine.max_members)",
                "tables were full, and 5,000 uses of keys, 1 tie were forgotten: raise the limits of detector.engine to look further back",
            ]
        );
    }

    #[test]
    fn where_nothing_is_found_nothing_else_is_said() {
        let stats = Stats { candidates_proposed: 1, ..Stats::default() };
        assert_eq!(findings(&detection(&[], &[], stats)), ["no group passed the test; 1 candidate group tested"]);
    }
}
