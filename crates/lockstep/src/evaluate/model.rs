//! `lockstep evaluate model`: how well models distinguish inauthentic clusters from organic ones.

use std::{
    collections::BTreeSet,
    fs::File,
    path::{Path, PathBuf},
    thread::available_parallelism,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use detection::input::Options;
use evaluation::{
    dataset::of_worlds,
    model::{self, Budget, MARGIN, ModelReport, Plan, Split},
    posts::Labels,
    suite::FIRST_SEED,
};
use scoring::{Dataset, Learner, Manifest, Model, Registry, Row, Subject};

use crate::{config::ConfigFile, detect::println_json, progress, simulate};

/// Worlds with and without campaigns, most of which the bundled models were not trained on.
const WORLDS: [&str; 6] = ["training", "innocents", "lookalikes", "demo", "evasion", "prototype"];

/// Measures how well models distinguish inauthentic clusters from organic ones
///
/// Evaluates a stored model (default: the model in service), or learners that are trained on a part
/// of the labelled clusters and evaluated on the rest. The clusters come from a dataset, from
/// simulated worlds with seeds from 101 on (synthetic figures), from labelled posts, or from all of
/// these. Clusters that a stored model may have been trained on are left out.
///
/// Prints average precision with intervals, calibration, precision at an alert budget, false
/// positives by platform, language and kind of organic group, and comparisons with the model in
/// service and with the evidence and the size alone. With --out, model.html shows the figures,
/// model.json has all of them, and clusters.csv has the labelled clusters as a dataset.
#[derive(Args)]
#[command(after_help = "\
Examples:
  lockstep evaluate model --out evaluation                                the model in service, on simulated worlds
  lockstep evaluate model cluster 2 --dataset clusters.csv --out evaluation
  lockstep evaluate model cluster 2 --world demo --seeds 5 --budget 20/day
  lockstep evaluate model --posts labelled.jsonl.gz --json
  lockstep evaluate model --learner logistic --learner boosted --dataset clusters.csv --out evaluation
  lockstep evaluate model --learner logistic --learner boosted:depth=2,rounds=100 --dataset clusters.csv --split campaign
  lockstep evaluate model --learner logistic --learner boosted --train old.csv --dataset new.csv
  lockstep evaluate model --learner logistic --dataset clusters.csv --posts labelled.jsonl.gz --ablation --out evaluation")]
pub struct EvaluateModel {
    /// Name of a stored model
    name: Option<String>,
    /// Version of the stored model; the last one if not given
    version: Option<String>,
    #[command(flatten)]
    clusters: Clusters,
    /// Learners to evaluate instead of a stored model; the first is the baseline. logistic,
    /// boosted, or with settings, as logistic:alpha=3 and
    /// boosted:rounds=100,depth=2,rate=0.1,l2=1,weight=1,gain=0,bins=64
    #[arg(long = "learner", value_name = "LEARNER", value_parser = learner)]
    learners: Vec<(String, Learner)>,
    /// How rows are held out from learners: campaigns in tenths, each world or collection, or later
    /// rows from earlier ones; default: all three, or none with --train
    #[arg(long = "split", value_name = "campaign|collection|time", value_parser = split(), requires = "learners")]
    splits: Vec<Split>,
    /// A dataset to train the learners on; they are evaluated on all other clusters
    #[arg(long, value_name = "FILE", requires = "learners")]
    train: Option<PathBuf>,
    /// Also measure which features matter: learners that see only some of them
    #[arg(long)]
    ablation: bool,
    /// Number of clusters that people can review: N/day, per day (event time) of each world and
    /// seed or collection, or N/1000, of all together
    #[arg(long, value_name = "N/day|N/1000", default_value = "5/day")]
    budget: Budget,
    /// Folder for model.html, model.json and clusters.csv, created if it is missing; without it
    /// only a table is printed
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print all figures as JSON on standard output, instead of a table
    #[arg(long)]
    json: bool,
    /// Folder of the model registry
    #[arg(long, default_value = "models")]
    models: PathBuf,
}

/// The labelled clusters for an evaluation.
#[derive(Args)]
pub struct Clusters {
    /// A dataset of labelled clusters; several are combined
    #[arg(long = "dataset", value_name = "FILE")]
    datasets: Vec<PathBuf>,
    /// Built-in worlds (see lockstep simulate --list) or world files to find clusters in
    #[arg(long = "world", value_name = "WORLD")]
    worlds: Vec<String>,
    /// Number of seeds of each world, from 101
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// A file of labelled posts to find clusters in; each file is a collection
    #[arg(long = "posts", value_name = "FILE")]
    posts: Vec<PathBuf>,
    /// Labels of accounts, instead of labels in the posts: a table with the columns account_id and
    /// label, optionally platform and campaign, separated by tabs
    #[arg(long, value_name = "FILE", requires = "posts")]
    labels: Option<PathBuf>,
    /// Keep clusters that a stored model or a learner may have been trained on: the figures are
    /// then too good
    #[arg(long)]
    keep_trained_on: bool,
    /// Number of threads; default: the number of processors. The figures do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    jobs: Option<u32>,
    #[command(flatten)]
    config: ConfigFile,
}

fn learner(text: &str) -> Result<(String, Learner), String> {
    Ok((text.to_owned(), model::learner(text)?))
}

fn split() -> impl clap::builder::TypedValueParser<Value = Split> {
    use clap::builder::TypedValueParser;
    let names = Split::WITHIN.map(Split::name);
    clap::builder::PossibleValuesParser::new(names)
        .map(|name| Split::WITHIN.into_iter().find(|split| split.name() == name).unwrap_or(Split::Campaign))
}

/// A stored model with its manifest, if there is one.
pub struct Stored {
    pub name: String,
    pub model: Model,
    pub manifest: Option<Manifest>,
}

impl Stored {
    /// Loads a version from the registry.
    pub fn load(registry: &Registry, name: &str, version: &str) -> Result<Stored> {
        let (model, manifest) = (registry.load(name, version)?.of(Subject::Cluster)?, registry.show(name, version)?);
        Ok(Stored { name: format!("{name} {version}"), model, manifest: Some(manifest) })
    }

    /// Loads the version in service.
    pub fn active(registry: &Registry) -> Result<Stored> {
        let active = registry.active()?;
        Stored::load(registry, active.name(), active.version())
    }
}

impl EvaluateModel {
    pub fn run(self) -> Result<()> {
        if let Some(dir) = &self.out {
            std::fs::create_dir_all(dir).with_context(|| format!("cannot create the folder {}", dir.display()))?;
        }
        let stored = self.stored()?;
        let taught_by = self.train.as_deref().map(clusters).transpose()?;
        let mut found = self.clusters.find(&stored)?;
        if let (Some(taught_by), false) = (&taught_by, self.clusters.keep_trained_on) {
            found.leave_out_campaigns_of(taught_by)?;
        }
        let splits = match (self.splits.is_empty(), &taught_by) {
            (false, _) => self.splits.clone(),
            (true, None) if !self.learners.is_empty() => Split::WITHIN.to_vec(),
            (true, _) => Vec::new(),
        };
        let plan = Plan {
            description: found.description,
            warnings: found.warnings,
            rows: found.rows,
            stored: stored.into_iter().map(|stored| (stored.name, stored.model)).collect(),
            learners: self.learners,
            splits,
            taught_by,
            ablation: self.ablation,
            budget: self.budget,
            margin: MARGIN,
            threads: self.clusters.threads(),
        };
        let bar = progress::bar(Some(plan.steps() as u64), "evaluating {bar:30} {pos}/{len} {eta} left {msg}");
        let report = ModelReport::run(&plan, &|what| {
            bar.inc(1);
            bar.set_message(format!("({what})"));
        });
        bar.finish_and_clear();
        eprint!("{report}");
        if self.json {
            println_json(&serde_json::to_value(&report)?)?;
        }
        let Some(dir) = &self.out else { return Ok(()) };
        let write = |name: &str, bytes: &[u8]| {
            let path = dir.join(name);
            std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
        };
        write("model.json", &serde_json::to_vec_pretty(&report)?)?;
        write("model.html", report.html().as_bytes())?;
        let path = dir.join("clusters.csv");
        let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        Dataset { rows: plan.rows, ..Dataset::default() }.write_csv(file)?;
        eprintln!("results: {}", dir.join("model.html").display());
        Ok(())
    }

    /// The named model and, to compare with, the model in service; without a name only the latter.
    /// No model if learners are given.
    fn stored(&self) -> Result<Vec<Stored>> {
        if self.name.is_none() && !self.learners.is_empty() {
            return Ok(Vec::new());
        }
        let Some(name) = &self.name else {
            if self.models.is_dir() {
                return Ok(vec![Stored::active(&Registry::open(&self.models)?)?]);
            }
            let model = detection::Config { models: self.models.clone(), ..self.clusters.config.load()?.detection() }
                .model()?;
            let name = format!("{} {} (built in)", model.name(), model.version());
            return Ok(vec![Stored { name, model, manifest: None }]);
        };
        let registry = Registry::open(&self.models)?;
        let version = match &self.version {
            Some(version) => version.clone(),
            None => {
                let known = registry.list()?;
                let Some(last) = known.iter().rfind(|entry| entry.name == *name) else {
                    let known: Vec<String> =
                        known.iter().map(|entry| format!("{} {}", entry.name, entry.version)).collect();
                    bail!("{} has no model \"{name}\"; it has: {}", self.models.display(), known.join(", "));
                };
                last.version.clone()
            }
        };
        let mut stored = vec![Stored::load(&registry, name, &version)?];
        match Stored::active(&registry) {
            Ok(active) if active.name != stored[0].name => stored.push(active),
            Ok(_) => {}
            Err(error) => eprintln!("warning: not compared with the model in service: {error:#}"),
        }
        Ok(stored)
    }
}

/// Labelled clusters with their description and warnings.
pub struct Labelled {
    pub rows: Vec<Row>,
    pub description: String,
    pub warnings: Vec<String>,
}

impl Labelled {
    /// Leaves out rows of campaigns or groups that are also in `others`: a learner would be
    /// evaluated on what it was trained on.
    fn leave_out_campaigns_of(&mut self, others: &[Row]) -> Result<()> {
        let taught: BTreeSet<_> = others.iter().map(Row::campaign_key).collect();
        let all = self.rows.len();
        self.rows.retain(|row| !taught.contains(&row.campaign_key()));
        match all - self.rows.len() {
            0 => {}
            n if n == all => {
                bail!("all {n} rows are of campaigns and groups in --train: no rows are left for the evaluation")
            }
            n => self
                .warnings
                .push(format!("{n} of {all} rows are of campaigns and groups in --train, and were left out")),
        }
        Ok(())
    }
}

impl Clusters {
    pub fn threads(&self) -> usize {
        self.jobs.map_or_else(|| available_parallelism().map_or(1, usize::from), |n| n as usize)
    }

    /// The clusters to evaluate, without those that any of these models may have been trained on.
    pub fn find(&self, models: &[Stored]) -> Result<Labelled> {
        let worlds: Vec<String> = match self.datasets.is_empty() && self.posts.is_empty() && self.worlds.is_empty() {
            true => WORLDS.map(String::from).to_vec(),
            false => self.worlds.clone(),
        };
        let mut sources = Vec::new();
        let mut rows = Vec::new();
        for path in &self.datasets {
            rows.extend(clusters(path)?);
            sources.push(format!("the dataset {}", path.display()));
        }
        if !worlds.is_empty() {
            rows.extend(self.simulate(&worlds)?);
            let last = FIRST_SEED + self.seeds - 1;
            sources.push(format!("the simulated worlds {}, seeds {FIRST_SEED} to {last}", worlds.join(", ")));
        }
        for path in &self.posts {
            rows.extend(self.posts(path).with_context(|| path.display().to_string())?);
            sources.push(format!("the labelled posts {}", collection(path)));
        }
        // A single dataset keeps its folds; combined sources are split again.
        if self.datasets.len() != 1 || sources.len() > 1 {
            rows = Dataset::split(&rows).rows;
        }
        let mut warnings = Vec::new();
        for Stored { name, manifest, .. } in models {
            let Some(manifest) = manifest else {
                warnings.push(format!("it is not known what {name} was trained on: no clusters were left out"));
                continue;
            };
            let seen = model::seen_in_training(&rows, manifest)?;
            let n = seen.iter().filter(|seen| **seen).count();
            if n == 0 {
                continue;
            }
            let of = format!("{n} of {} rows may be among those that {name} was trained on", rows.len());
            if self.keep_trained_on {
                warnings.push(format!("{of}: the figures are too good"));
                continue;
            }
            let mut seen = seen.into_iter();
            rows.retain(|_| !seen.next().unwrap_or(false));
            warnings.push(format!("{of} (its worlds and seeds, or its collections), and were left out"));
            if rows.is_empty() {
                bail!(
                    "all rows may be among those that {name} was trained on ({} with {} seeds): build a dataset of other seeds, worlds \
                     or collections, or keep the rows with --keep-trained-on",
                    manifest.training.worlds.join(", "),
                    manifest.training.seeds
                );
            }
        }
        if rows.is_empty() {
            bail!("no labelled cluster was found in {}: nothing is coordinated there", sources.join(" and "));
        }
        Ok(Labelled { rows, description: format!("Labelled clusters of {}", sources.join(" and ")), warnings })
    }

    fn simulate(&self, names: &[String]) -> Result<Vec<Row>> {
        let worlds = names.iter().map(|name| Ok((name.clone(), simulate::world(name)?))).collect::<Result<Vec<_>>>()?;
        let runs = worlds.len() as u64 * self.seeds;
        let bar = progress::bar(Some(runs), "finding clusters {bar:30} {pos}/{len} worlds, {eta} left {msg}");
        let seeds = FIRST_SEED..=FIRST_SEED.saturating_add(self.seeds - 1);
        let rows = of_worlds(&worlds, seeds, self.threads(), &|seen| seen.clusters(), &|name, seed| {
            bar.inc(1);
            bar.set_message(format!("({name}, seed {seed})"));
        })?;
        bar.finish_and_clear();
        Ok(rows.into_iter().flatten().collect())
    }

    fn posts(&self, path: &Path) -> Result<Vec<Row>> {
        let files = [path.to_owned()];
        let mut labels = Labels::read(&files, Options::default())?;
        if let Some(table) = &self.labels {
            labels.overlay(table)?;
        }
        // The score of the model does not matter here, so the built-in model is used.
        let engine = self.config.load()?.detector.engine;
        let config = detection::Config { engine, models: PathBuf::new(), ..detection::Config::default() };
        let rows = evaluation::dataset::of_posts(&files, Options::default(), &labels, &collection(path), &config)?;
        if rows.is_empty() {
            eprintln!("warning: {}: no cluster in it is coordinated and has a labelled account", path.display());
        }
        Ok(rows)
    }
}

/// A file's name up to the first dot.
fn collection(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split('.').next().unwrap_or_default().to_owned()
}

/// The rows of a dataset of clusters.
fn clusters(path: &Path) -> Result<Vec<Row>> {
    let dataset = Dataset::read(path)?;
    if dataset.subject != Subject::Cluster {
        bail!("{}: its rows are {}s; models of clusters are evaluated on clusters", path.display(), dataset.subject);
    }
    Ok(dataset.rows)
}
