//! `lockstep evaluate`: measures detection and models.

pub mod model;
mod real;

use std::{
    io::Write,
    path::{Path, PathBuf},
    thread::available_parallelism,
};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use detection::{
    detect::detect,
    input::{Input, Options},
};
use evaluation::{
    Judge, Method, Report,
    posts::{FileFigures, Labels},
    suite::{FIRST_SEED, Scenario, Suite},
};

use crate::{config::ConfigFile, detect::println_json, progress, simulate};

const CANNOT_PRINT: &str = "cannot write to standard output";

/// Measures detection and models, on simulated worlds or on labelled posts
#[derive(Args)]
pub struct Evaluate {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Detection(Box<Detection>),
    Model(Box<model::EvaluateModel>),
    Real(real::EvaluateReal),
}

impl Evaluate {
    pub fn run(self) -> Result<()> {
        match self.what {
            What::Detection(detection) => detection.run(),
            What::Model(model) => model.run(),
            What::Real(real) => real.run(),
        }
    }
}

/// Measures detection: false clusters, precision and recall of accounts, campaigns found, delay,
/// evasion curves
///
/// By default on simulated worlds, whose truth is known, so every figure is synthetic. A suite
/// defines the runs: worlds, and sweeps of one parameter each. --world names worlds instead of a
/// suite. With --out, evaluation.html shows the figures and evaluation.json has all of them.
///
/// With --posts, on files of labelled posts instead: NDJSON with `label` (inauthentic, organic or
/// unknown) and `campaign` in addition to the fields of a post. Detection does not see labels.
/// `lockstep evaluate real` reports more about such files, and compares methods.
#[derive(Args)]
#[command(after_help = "\
Examples:
  lockstep evaluate detection --quick --out evaluation             1 to 4 minutes on two processors
  lockstep evaluate detection --out evaluation                     about 20 minutes
  lockstep evaluate detection --world demo --seeds 3
  lockstep evaluate detection --world prototype --world null --seeds 5 --jobs 2 --json > figures.json
  lockstep evaluate detection --suite my-suite.toml --method lockstep --out evaluation
  lockstep evaluate detection --posts labelled.jsonl.gz
  lockstep evaluate detection --posts a.jsonl --posts b.jsonl --json
  lockstep evaluate detection --posts posts.jsonl --labels accounts.tsv")]
pub struct Detection {
    /// The suite to run: `default`, or a TOML file
    #[arg(long, value_name = "FILE|NAME", default_value = "default", conflicts_with = "worlds")]
    suite: String,
    /// Built-in worlds (see lockstep simulate --list) or world files, instead of a suite
    #[arg(long = "world", value_name = "WORLD")]
    worlds: Vec<String>,
    /// Number of seeds per world and point, instead of the suite's numbers; 3 with --world
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    seeds: Option<u64>,
    /// The first seed; models are trained on seeds below 101
    #[arg(long, value_name = "SEED", default_value_t = FIRST_SEED)]
    first_seed: u64,
    /// Run one seed, and only the worlds and values that the suite marks as quick
    #[arg(long, conflicts_with = "worlds")]
    quick: bool,
    /// Methods to compare; default: all
    #[arg(long = "method", value_name = "METHOD", value_parser = method())]
    methods: Vec<Method>,
    /// Number of threads; default: the number of processors. The figures do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    jobs: Option<u32>,
    /// Folder for evaluation.html and evaluation.json, created if it is missing; without it only a
    /// table is printed
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// A file of labelled posts instead of worlds; several files are measured one by one
    #[arg(long = "posts", value_name = "FILE", conflicts_with_all = ["worlds", "seeds", "first_seed", "suite", "quick", "jobs", "out", "methods"])]
    posts: Vec<PathBuf>,
    /// Labels of accounts, instead of labels in the posts: a table with the columns account_id and
    /// label, optionally platform and campaign, separated by tabs
    #[arg(long, value_name = "FILE", requires = "posts")]
    labels: Option<PathBuf>,
    /// Print all figures as JSON on standard output, instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigFile,
}

/// Parser of method names, so that an error lists the valid names.
fn method() -> impl clap::builder::TypedValueParser<Value = Method> {
    use clap::builder::TypedValueParser;
    clap::builder::PossibleValuesParser::new(Method::ALL.map(Method::name)).try_map(|name| name.parse())
}

impl Detection {
    fn run(self) -> Result<()> {
        let config = self.config.load()?.detection();
        if !self.posts.is_empty() {
            return self.posts(&config);
        }
        let suite = self.suite()?;
        let judge = Judge::new(config, suite.peer_window_s)?;
        let methods = if self.methods.is_empty() { Method::ALL.to_vec() } else { self.methods.clone() };
        if let Some(dir) = &self.out {
            std::fs::create_dir_all(dir).with_context(|| format!("cannot create the folder {}", dir.display()))?;
        }
        let threads = self.jobs.map_or_else(|| available_parallelism().map_or(1, usize::from), |n| n as usize);
        let runs = suite.scenarios().map(|scenario| scenario.seeds).sum::<u64>() * methods.len() as u64;
        let bar = progress::bar(Some(runs), "evaluating {bar:30} {pos}/{len} runs, {eta} left {msg}");
        let report = Report::run(&suite, &methods, &judge, threads, &|job| {
            bar.inc(1);
            bar.set_message(format!("({} on {})", job.method, job.world.name));
        });
        bar.finish_and_clear();
        let report = report?;
        if self.json {
            println_json(&serde_json::to_value(&report)?)?;
        } else {
            write!(std::io::stdout(), "{report}").context(CANNOT_PRINT)?;
        }
        let Some(dir) = &self.out else { return Ok(()) };
        let write = |name: &str, bytes: &[u8]| {
            let path = dir.join(name);
            std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
        };
        write("evaluation.json", &serde_json::to_vec_pretty(&report)?)?;
        write("evaluation.html", report.html().as_bytes())?;
        eprintln!("results: {}", dir.join("evaluation.html").display());
        Ok(())
    }

    fn suite(&self) -> Result<Suite> {
        let mut suite = if self.worlds.is_empty() {
            Suite::open(&self.suite, self.quick)?
        } else {
            let world = |name: &String| Ok(Scenario { world: simulate::world(name)?, seeds: 3 });
            Suite {
                name: self.worlds.join(", "),
                about: "Worlds named on the command line".to_owned(),
                peer_window_s: evaluation::suite::PEER_WINDOW_S,
                first_seed: FIRST_SEED,
                worlds: self.worlds.iter().map(world).collect::<Result<_>>()?,
                sweeps: Vec::new(),
            }
        };
        if let Some(seeds) = self.seeds {
            suite.set_seeds(seeds);
        }
        suite.first_seed = self.first_seed;
        Ok(suite)
    }

    fn posts(&self, config: &detection::Config) -> Result<()> {
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

    fn file(&self, file: &Path, config: &detection::Config) -> Result<FileFigures> {
        let files = [file.to_owned()];
        let mut labels = Labels::read(&files, Options::default())?;
        if let Some(path) = &self.labels {
            labels.overlay(path)?;
        }
        let detection = detect(Input::open(&files, Options::default())?, config, &mut |_| {}, &mut |_| {})?;
        Ok(FileFigures::measure(&files, &detection, &labels))
    }
}
