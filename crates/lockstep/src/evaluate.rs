//! `lockstep evaluate`: how well groups are found.

use std::{
    io::Write,
    path::{Path, PathBuf},
    thread::available_parallelism,
};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use detector::{
    detect::detect,
    input::{Input, Options},
};
use evaluation::{
    Judge, Method, Summary,
    posts::{FileFigures, Labels},
    run_all,
};
use serde_json::json;

use crate::{config::ConfigFile, detect::println_json, progress, simulate};

const CANNOT_PRINT: &str = "cannot write to standard output";

/// Measures how well groups are found, on simulated worlds or on labelled posts
#[derive(Args)]
pub struct Evaluate {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Detection(Box<Detection>),
}

impl Evaluate {
    pub fn run(self) -> Result<()> {
        let What::Detection(detection) = self.what;
        detection.run()
    }
}

/// Measures detection: false clusters, precision and recall of accounts, campaigns found, delay, false discoveries
///
/// On simulated worlds, whose truth is known: every figure is synthetic. Or, with --posts, on files of labelled posts: NDJSON with
/// `label` (inauthentic, organic or unknown) and `campaign` beside the fields of a post; detection does not see these.
#[derive(Args)]
#[command(after_help = "\
Examples:
  lockstep evaluate detection --world demo --seeds 3
  lockstep evaluate detection --world prototype --world null --seeds 5 --jobs 2 --json > figures.json
  lockstep evaluate detection --posts labelled.jsonl.gz
  lockstep evaluate detection --posts a.jsonl --posts b.jsonl --json
  lockstep evaluate detection --posts posts.jsonl --labels accounts.tsv")]
pub struct Detection {
    /// Built-in worlds (see lockstep simulate --list) or world files
    #[arg(long = "world", value_name = "WORLD")]
    worlds: Vec<String>,
    /// How many seeds of each world, from 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    seeds: Option<u64>,
    /// Threads; as many as there are processors if not given
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// A file of labelled posts in place of worlds; several are measured one by one
    #[arg(long = "posts", value_name = "FILE", conflicts_with_all = ["worlds", "seeds"])]
    posts: Vec<PathBuf>,
    /// Labels of accounts in place of the posts' own: a table with the columns account_id and label, perhaps platform and
    /// campaign, separated by tabs
    #[arg(long, value_name = "FILE", requires = "posts")]
    labels: Option<PathBuf>,
    /// Print all figures as JSON on standard output
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigFile,
}

impl Detection {
    fn run(self) -> Result<()> {
        let config = self.config.load()?.detector;
        if !self.posts.is_empty() {
            return self.posts(&config);
        }
        let judge = Judge::new(config)?;
        let seeds = self.seeds.unwrap_or(3);
        let worlds = self.worlds.iter().map(|name| simulate::world(name)).collect::<Result<Vec<_>>>()?;
        let jobs: Vec<evaluation::Job> = worlds
            .iter()
            .flat_map(|world| (1..=seeds).map(move |seed| evaluation::Job { world, seed, method: Method::Lockstep }))
            .collect();
        let threads = self.jobs.unwrap_or_else(|| available_parallelism().map_or(1, usize::from));
        let bar = progress::bar(Some(jobs.len() as u64), "evaluating {bar:30} {pos}/{len} runs, {eta} left");
        let runs = run_all(&judge, &jobs, threads, &|_| bar.inc(1));
        bar.finish_and_clear();
        let runs = runs?;
        let mut rows = Vec::new();
        for (world, runs) in worlds.iter().zip(runs.chunks(seeds as usize)) {
            let summary = Summary::of(runs);
            if !self.json {
                write!(std::io::stdout(), "{} (synthetic)\n{summary}", world.name).context(CANNOT_PRINT)?;
            }
            rows.push(json!({ "world": world.name, "summary": summary, "runs": runs }));
        }
        if self.json { println_json(&json!({ "model": judge.model(), "worlds": rows })) } else { Ok(()) }
    }

    fn posts(&self, config: &detector::Config) -> Result<()> {
        let mut all = Vec::new();
        for file in &self.posts {
            let figures = self.file(file, config).with_context(|| file.display().to_string())?;
            if !self.json {
                write!(std::io::stdout(), "{figures}").context(CANNOT_PRINT)?;
            }
            all.push(figures);
        }
        if self.json { println_json(&serde_json::to_value(all)?) } else { Ok(()) }
    }

    fn file(&self, file: &Path, config: &detector::Config) -> Result<FileFigures> {
        let files = [file.to_owned()];
        let mut labels = Labels::read(&files, Options::default())?;
        if let Some(path) = &self.labels {
            labels.overlay(path)?;
        }
        let detection = detect(Input::open(&files, Options::default())?, config, &mut |_| {}, &mut |_| {})?;
        Ok(FileFigures::measure(&files, &detection, &labels))
    }
}
