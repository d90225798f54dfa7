//! `lockstep dataset`: builds and shows datasets of labelled clusters, to train models with.

mod feedback;
mod worlds;

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use detection::input::Options;
use evaluation::{
    dataset::{Trust, of_feedback, of_posts},
    posts::Labels,
};
use scoring::{Dataset, Row, Summary};
use serde::Serialize;

pub use worlds::Worlds;

use crate::{
    Usage,
    config::ConfigFile,
    detect::println_json,
    progress::{self, counted},
    table::table,
};
use feedback::Place;

/// The world name of rows from feedback.
const SERVICE: &str = "service";

/// Difference between the labels in how often a feature is missing, from which a note is printed:
/// boosted trees can learn from missing values too.
const NOTABLE_DIFFERENCE: f64 = 0.25;

/// Builds datasets of labelled clusters for training, and shows their contents
#[derive(Args)]
#[command(
    after_help = "Examples:\n  lockstep dataset build --world training --seeds 8 --feedback --config lockstep.toml --out data\n  lockstep dataset show data/clusters.parquet"
)]
pub struct DatasetCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    Build(Box<Build>),
    Show(Show),
}

impl DatasetCommand {
    pub fn run(self) -> Result<()> {
        match self.action {
            Action::Build(build) => build.run(),
            Action::Show(show) => show.run(),
        }
    }
}

/// Builds a dataset of labelled clusters with features, from simulated worlds, posts and feedback
///
/// All sources pass through the same engine and feature code as in service. Writes to the
/// output folder:
///   clusters.csv      one labelled cluster per line
///   clusters.parquet  the same for notebooks, with types; missing values are null
///   dataset.json      sources, counts, fingerprint, and what was left out and why
///
/// Feedback is the verdicts of partners and reviewers on clusters that a deployment found. It is
/// read from the log, also while the services use the log. A partner's verdict has half the weight
/// of a reviewer's. All verdicts of one partner weigh at most a twentieth of all other sources.
#[derive(Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  lockstep dataset build --world training --world innocents --seeds 8 --out data
  lockstep dataset build --posts debates=posts.jsonl.gz,accounts.tsv --posts other.jsonl --out data
  lockstep dataset build --world training --seeds 8 --feedback --config lockstep.toml --out data
  lockstep dataset build --world training --clusters clusters.jsonl --verdicts verdicts.jsonl --out data"
)]
struct Build {
    /// Folder for the dataset; created if it is missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Built-in worlds (see lockstep simulate --list) or world files, labelled by their truth
    #[arg(long = "world", value_name = "WORLD")]
    worlds: Vec<String>,
    #[command(flatten)]
    seeds: Worlds,
    /// A collection of labelled posts: a file of posts, and optionally a table of labels as in
    /// `evaluate detection --labels`. The default name is that of the file
    #[arg(long = "posts", value_name = "[NAME=]FILE[,LABELS]")]
    posts: Vec<Collection>,
    /// Use the feedback of partners and reviewers, from the log
    #[arg(long)]
    feedback: bool,
    /// With --feedback: addresses of Apache Kafka, host:port,host:port
    #[arg(long, requires = "feedback", conflicts_with = "dir")]
    brokers: Option<String>,
    /// With --feedback: folder of an embedded log; that of the configuration if not given
    #[arg(long, value_name = "DIR", requires = "feedback")]
    dir: Option<PathBuf>,
    /// Files of verdicts, instead of the log: NDJSON in the schema of the topic `feedback`; needs
    /// --clusters
    #[arg(long, value_name = "FILE", requires = "clusters", conflicts_with = "feedback")]
    verdicts: Vec<PathBuf>,
    /// The clusters of the verdicts in --verdicts: NDJSON as written by `lockstep detect`
    #[arg(long, value_name = "FILE", requires = "verdicts")]
    clusters: Vec<PathBuf>,
    /// Weight of a reviewer's verdict on a cluster; a row of a simulated world has weight 1
    #[arg(long, value_name = "WEIGHT", default_value_t = Trust::default().reviewer, value_parser = weight)]
    trust_reviewer: f64,
    /// Weight of a partner's verdict
    #[arg(long, value_name = "WEIGHT", default_value_t = Trust::default().partner, value_parser = weight)]
    trust_partner: f64,
    /// Largest weight of one partner, as a share of everything that does not come from partners
    #[arg(long, value_name = "SHARE", default_value_t = Trust::default().cap, value_parser = weight)]
    partner_cap: f64,
    /// Also print dataset.json on standard output
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigFile,
}

/// Labelled posts.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Collection {
    name: String,
    file: PathBuf,
    labels: Option<PathBuf>,
}

impl FromStr for Collection {
    type Err = String;

    fn from_str(text: &str) -> Result<Collection, String> {
        // A path may contain an equals sign or a comma.
        let (name, rest) = match text.split_once('=') {
            Some((name, rest)) if !name.contains(std::path::is_separator) => (Some(name), rest),
            _ => (None, text),
        };
        let (file, labels) = match rest.rsplit_once(',') {
            Some((file, labels)) if !Path::new(rest).exists() => (file, Some(PathBuf::from(labels))),
            _ => (rest, None),
        };
        let stem = || Some(Path::new(file).file_name()?.to_str()?.split('.').next()?.to_owned());
        let name = name.map(str::to_owned).or_else(stem).unwrap_or_default();
        if name.is_empty() || file.is_empty() || labels.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
            return Err("expected FILE, NAME=FILE or NAME=FILE,LABELS".to_owned());
        }
        Ok(Collection { name, file: file.into(), labels })
    }
}

fn weight(text: &str) -> Result<f64, String> {
    let weight = text.parse().ok().filter(|weight: &f64| (0.0..=1000.0).contains(weight));
    weight.ok_or_else(|| "expected a number from 0 to 1000".to_owned())
}

/// `dataset.json`.
#[derive(Serialize)]
struct About<'a> {
    format: u32,
    code_version: &'static str,
    sources: Sources<'a>,
    dataset: Summary,
}

#[derive(Serialize)]
struct Sources<'a> {
    worlds: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    seeds: Option<[u64; 2]>,
    posts: &'a [Collection],
    #[serde(skip_serializing_if = "Option::is_none")]
    feedback: Option<feedback::Summary>,
}

impl Build {
    fn run(self) -> Result<()> {
        let hears = self.feedback || !self.verdicts.is_empty();
        if self.worlds.is_empty() && self.posts.is_empty() && !hears {
            return Err(Usage(
                "no source of clusters is given: name simulated worlds with --world, labelled posts with --posts, or use --feedback"
                    .to_owned(),
            )
            .into());
        }
        for (at, one) in self.posts.iter().enumerate() {
            let taken = self.worlds.contains(&one.name) || one.name == SERVICE;
            if taken || self.posts[..at].iter().any(|other| other.name == one.name) {
                let problem = format!(
                    "the collection name {:?} is used twice: choose another name with --posts NAME=FILE",
                    one.name
                );
                return Err(Usage(problem).into());
            }
        }
        let config = self.config.load()?;
        std::fs::create_dir_all(&self.out)
            .with_context(|| format!("cannot create the folder {}", self.out.display()))?;
        // Feedback is read first, so that an error is found before the long work.
        let place = match (&self.dir, &self.brokers) {
            _ if !self.verdicts.is_empty() => Place::Files { clusters: &self.clusters, verdicts: &self.verdicts },
            (dir, brokers) => Place::Log { config: &config, dir: dir.as_deref(), brokers: brokers.as_deref() },
        };
        let feedback = if hears { Some(place.read()?) } else { None };
        let mut rows = if self.worlds.is_empty() { Vec::new() } else { self.seeds.rows(&self.worlds)? };
        rows.extend(self.of_posts(&config.detection())?);
        let mut about_feedback = None;
        if let Some(feedback) = feedback {
            let trust = Trust { reviewer: self.trust_reviewer, partner: self.trust_partner, cap: self.partner_cap };
            let others = rows.iter().map(|row| row.origin.weight).sum::<f64>();
            let heard = of_feedback(&feedback.clusters, &feedback.feedback, &trust, others, SERVICE);
            if rows.is_empty() && heard.rows.is_empty() && !heard.capped.is_empty() {
                bail!(
                    "feedback of partners alone is not enough for a dataset: the largest weight of one partner is a share of the other \
                     sources; add --world or --posts"
                );
            }
            let summary = feedback::Summary::new(&feedback, &heard, &trust);
            rows.extend(heard.rows);
            about_feedback = Some(summary);
        }
        if rows.is_empty() {
            bail!("no labelled cluster was found in these sources{}", why_no_rows(about_feedback.as_ref()));
        }
        let dataset = Dataset::split(&rows);
        let about = About {
            format: 1,
            code_version: env!("CARGO_PKG_VERSION"),
            sources: Sources {
                worlds: &self.worlds,
                seeds: (!self.worlds.is_empty()).then(|| self.seeds.span()),
                posts: &self.posts,
                feedback: about_feedback,
            },
            dataset: dataset.summary(),
        };
        self.write(&dataset, &about)?;
        eprint!("{}", groups(&about.dataset));
        if let Some(feedback) = &about.sources.feedback {
            eprint!("{feedback}");
        }
        let Summary { rows, inauthentic, .. } = about.dataset;
        if inauthentic == 0 || inauthentic == rows {
            eprintln!("warning: all clusters have the same label; training needs both labels");
        }
        eprintln!("dataset: {}", self.out.join("clusters.parquet").display());
        if self.json { println_json(&serde_json::to_value(&about)?) } else { Ok(()) }
    }

    fn of_posts(&self, config: &detection::Config) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        let bar = progress::bar(Some(self.posts.len() as u64), "detecting {bar:30} {pos}/{len} collections {msg}");
        for collection in &self.posts {
            bar.set_message(collection.name.clone());
            let files = [collection.file.clone()];
            let found = || -> Result<Vec<Row>> {
                let mut labels = Labels::read(&files, Options::default())?;
                if let Some(path) = &collection.labels {
                    labels.overlay(path)?;
                }
                Ok(of_posts(&files, Options::default(), &labels, &collection.name, config)?)
            };
            let found = found().with_context(|| collection.file.display().to_string())?;
            if found.is_empty() {
                bar.suspend(|| eprintln!("note: {}: no coordinated cluster with a labelled account", collection.name));
            }
            rows.extend(found);
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(rows)
    }

    fn write(&self, dataset: &Dataset, about: &About<'_>) -> Result<()> {
        let create = |name: &str| {
            let path = self.out.join(name);
            File::create(&path).map(BufWriter::new).with_context(|| format!("cannot write {}", path.display()))
        };
        dataset.write_csv(create("clusters.csv")?)?;
        dataset.write_parquet(create("clusters.parquet")?)?;
        let mut json = create("dataset.json")?;
        serde_json::to_writer_pretty(&mut json, about)?;
        json.write_all(b"\n").and_then(|()| json.flush()).context("cannot write dataset.json")
    }
}

/// Possible reasons for a dataset without rows.
fn why_no_rows(feedback: Option<&feedback::Summary>) -> String {
    match feedback {
        Some(feedback) if feedback.words == 0 => "; the log has no feedback yet".to_owned(),
        Some(feedback) => format!("; {}", feedback.left_out()),
        None => String::new(),
    }
}

/// Shows a dataset: counts, the parts of each split, features and how often each is missing
///
/// A split holds out rows that belong together, so that a model is evaluated on rows that it has
/// not seen:
///   campaign_fold    all clusters of one campaign or organic group
///   collection_fold  all clusters of one world or collection
///   time_fold        by time in each collection: train on lower folds, evaluate on higher ones
#[derive(Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  lockstep dataset show data/clusters.parquet\n  lockstep dataset show data/clusters.csv --json"
)]
struct Show {
    /// A dataset as CSV or Parquet, written by `lockstep dataset build` or by a notebook
    file: PathBuf,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

impl Show {
    fn run(self) -> Result<()> {
        let summary = read(&self.file)?.summary();
        if self.json {
            return println_json(&serde_json::to_value(&summary)?);
        }
        let text = [groups(&summary), folds(&summary), features(&summary)].join("\n");
        let mut out = std::io::stdout();
        writeln!(out, "{text}fingerprint {}", summary.fingerprint).context("cannot write to standard output")
    }
}

/// Reads a dataset. Errors name the file.
pub fn read(file: &Path) -> Result<Dataset> {
    Ok(Dataset::read(file)?)
}

fn groups(summary: &Summary) -> String {
    let row = |names: [&str; 2], seeds: String, rows: usize, inauthentic: usize, campaigns: usize, weight: f64| {
        let numbers = [rows, inauthentic, rows - inauthentic, campaigns].map(|n| progress::count(n as u64));
        let names = names.map(str::to_owned).into_iter();
        names.chain([seeds]).chain(numbers).chain([format!("{weight:.1}")]).collect::<Vec<String>>()
    };
    let mut rows: Vec<Vec<String>> = summary
        .groups
        .iter()
        .map(|of| {
            let names = [of.label_source.as_str(), of.collection.as_str()];
            row(names, of.seeds.to_string(), of.rows, of.inauthentic, of.campaigns, of.weight)
        })
        .collect();
    rows.push(row(["total", ""], String::new(), summary.rows, summary.inauthentic, summary.campaigns, summary.weight));
    let header = ["labels of", "collection", "seeds", "clusters", "inauthentic", "organic", "campaigns", "weight"];
    let mut text = table(&header, 2, &rows);
    if !summary.benign_classes.is_empty() {
        let classes = summary.benign_classes.iter().map(|(class, n)| format!("{n} {class}"));
        text += &format!("  organic groups: {}\n", classes.collect::<Vec<_>>().join(", "));
    }
    text
}

fn folds(summary: &Summary) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for fold in &summary.folds {
        let cell = format!("{}/{}", fold.inauthentic, fold.rows);
        match rows.last_mut().filter(|row| row[0] == fold.split) {
            Some(row) => row.push(cell),
            None => rows.push(vec![fold.split.clone(), cell]),
        }
    }
    let most = rows.iter().map(Vec::len).max().unwrap_or(1);
    let numbers: Vec<String> = (0..most - 1).map(|n| n.to_string()).collect();
    let header: Vec<&str> = std::iter::once("split").chain(numbers.iter().map(String::as_str)).collect();
    format!("  inauthentic of all clusters, by fold\n{}", table(&header, 1, &rows))
}

fn features(summary: &Summary) -> String {
    let organic = summary.rows - summary.inauthentic;
    let share =
        |n: usize, of: usize| if of == 0 { "-".to_owned() } else { format!("{:.0} %", 100.0 * n as f64 / of as f64) };
    // Adding 0 turns -0 into 0.
    let value = |x: Option<f64>| x.map_or_else(|| "-".to_owned(), |x| format!("{:.3}", x + 0.0));
    let rows: Vec<Vec<String>> = summary
        .features
        .iter()
        .map(|feature| {
            let missing_organic = feature.missing - feature.missing_inauthentic;
            let of = [feature.least, feature.median, feature.most].map(value);
            let shares = [share(feature.missing_inauthentic, summary.inauthentic), share(missing_organic, organic)];
            [feature.name.clone(), feature.unit.clone()].into_iter().chain(shares).chain(of).collect()
        })
        .collect();
    let header = ["feature", "unit", "missing: inauthentic", "organic", "least", "median", "most"];
    let mut text = table(&header, 2, &rows);
    let share = |n: usize, of: usize| if of == 0 { None } else { Some(n as f64 / of as f64) };
    let notable = summary.features.iter().filter(|feature| {
        let organic = share(feature.missing - feature.missing_inauthentic, organic);
        let inauthentic = share(feature.missing_inauthentic, summary.inauthentic);
        organic
            .zip(inauthentic)
            .is_some_and(|(organic, inauthentic)| (organic - inauthentic).abs() >= NOTABLE_DIFFERENCE)
    });
    let notable: Vec<&str> = notable.map(|feature| feature.name.as_str()).collect();
    if !notable.is_empty() {
        text += &format!(
            "  note: in this dataset, a missing value of these features indicates the label: {}\n",
            notable.join(", ")
        );
    }
    text
}

/// The sources of a dataset as text, for a model card.
pub fn description(dataset: &Dataset) -> String {
    let summary = dataset.summary();
    let of = |source: &str| -> Vec<&str> {
        summary.groups.iter().filter(|g| g.label_source == source).map(|g| g.collection.as_str()).collect()
    };
    let worlds = of("simulator");
    let mut parts = Vec::new();
    if !worlds.is_empty() {
        let seeds = summary.groups.iter().filter(|g| g.label_source == "simulator").map(|g| g.seeds).max();
        parts.push(format!(
            "synthetic clusters of the simulated worlds {} ({})",
            worlds.join(", "),
            counted(seeds.unwrap_or(0) as u64, "seed")
        ));
    }
    let posts = of("posts");
    if !posts.is_empty() {
        parts.push(format!("clusters of the labelled posts {}", posts.join(", ")));
    }
    for (source, words) in [("partner", "clusters judged by partners"), ("reviewer", "clusters judged by reviewers")] {
        let n: usize = summary.groups.iter().filter(|g| g.label_source == source).map(|g| g.rows).sum();
        if n > 0 {
            parts.push(format!("{n} {words}"));
        }
    }
    format!("a dataset of {}", parts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collections_are_named_by_hand_or_by_their_file() {
        let of = |text: &str| text.parse::<Collection>().map(|c| (c.name, c.file, c.labels));
        let path = |text: &str| PathBuf::from(text);
        assert_eq!(of("a/debates.jsonl.gz"), Ok(("debates".into(), path("a/debates.jsonl.gz"), None)));
        assert_eq!(of("x=p.jsonl,t.tsv"), Ok(("x".into(), path("p.jsonl"), Some(path("t.tsv")))));
        assert_eq!(of("a/b=c.jsonl"), Ok(("b=c".into(), path("a/b=c.jsonl"), None)));
        for wrong in ["", "=f", "x=", "x=f,"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}
