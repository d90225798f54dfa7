//! `lockstep train`: trains a model on labelled clusters.

use std::{collections::BTreeSet, path::PathBuf};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use evaluation::dataset::accounts::Accounts;
use scoring::{Learner, Manifest, Metrics, Options, Row, Subject, boost::Boosting, train};

use crate::{
    Usage,
    dataset::{self, Worlds},
    detect::println_json,
    progress::count,
    table::table,
};

/// Worlds for training if no other source is given.
const WORLDS: [&str; 7] =
    ["training", "lookalikes", "innocents", "operations", "openly", "operations-fortnight", "openly-fortnight"];

/// Trains the model that says whether coordination is inauthentic
///
/// Trains on a dataset that `lockstep dataset build` or a notebook wrote, or on clusters found in
/// simulated worlds with known labels. The model becomes a new version in the registry; it is not
/// in service before `lockstep models promote`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  lockstep train --version 3 --dataset data/clusters.parquet
  lockstep train --name cluster-boosted --version 2 --learner boosted --dataset data/clusters.csv
  lockstep train --version 2                                 the data of the bundled models
  lockstep train --subject account --version 1")]
pub struct Train {
    /// Labelled clusters, CSV or Parquet, instead of worlds
    #[arg(long, value_name = "FILE", conflicts_with_all = ["worlds", "seeds", "first_seed", "jobs"])]
    dataset: Option<PathBuf>,
    /// Built-in worlds or world files; default: training, lookalikes and innocents
    #[arg(long = "world", value_name = "WORLD")]
    worlds: Vec<String>,
    #[command(flatten)]
    seeds: Worlds,
    /// What the model scores: groups, or single accounts with any evidence against them (using the
    /// scores of the cluster model in service in the registry); a dataset has its own subject
    #[arg(long, value_enum, default_value_t = SubjectName::Cluster, conflicts_with = "dataset")]
    subject: SubjectName,
    /// Name of the model; default: that of the subject
    #[arg(long)]
    name: Option<String>,
    /// Version of the model
    #[arg(long)]
    version: String,
    /// Folder of the model registry
    #[arg(long, value_name = "DIR", default_value = "models")]
    models: PathBuf,
    /// Kind of model: logistic regression with readable weights, or boosted trees
    #[arg(long, value_enum, default_value_t = LearnerName::Logistic)]
    learner: LearnerName,
    /// Logistic: strength of the L2 penalty, in units of one row's loss [default: 1]
    #[arg(long, value_name = "STRENGTH")]
    alpha: Option<f64>,
    /// Boosted: largest number of trees [default: 200]
    #[arg(long, value_name = "N")]
    trees: Option<usize>,
    /// Boosted: largest number of splits from root to leaf [default: 3]
    #[arg(long, value_name = "N")]
    depth: Option<usize>,
    /// Boosted: learning rate [default: 0.1]
    #[arg(long, value_name = "RATE")]
    learning_rate: Option<f64>,
    /// Boosted: L2 penalty on leaf weights [default: 1]
    #[arg(long, value_name = "STRENGTH")]
    leaf_penalty: Option<f64>,
    /// Share of flagged clusters that should be inauthentic: the threshold is the lowest that
    /// reaches it on held-out rows
    #[arg(long, value_name = "SHARE", default_value_t = 0.95)]
    precision: f64,
    /// Share of inauthentic clusters expected in service; default: that of the training data
    #[arg(long, value_name = "SHARE")]
    prior: Option<f64>,
    /// Print the manifest as JSON on standard output
    #[arg(long)]
    json: bool,
}

/// What the model scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SubjectName {
    /// A group of accounts that act together
    Cluster,
    /// One account
    Account,
}

/// Kind of model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LearnerName {
    /// linfa's logistic regression on standardised features
    Logistic,
    /// Gradient-boosted trees, with monotone features where this is justified
    Boosted,
}

impl Train {
    pub fn run(self) -> Result<()> {
        let (rows, mut options) = self.rows()?;
        let subject = options.subject;
        if let Some(name) = &self.name {
            options.name = name.clone();
        }
        options.learner = self.learner(subject)?;
        options.precision = self.precision;
        options.prior = self.prior.or(options.prior);
        let mut known = BTreeSet::new();
        let again = rows.iter().filter(|row| !known.insert(format!("{row:?}"))).count() as u64;
        if again > 0 {
            let rows = if again == 1 { "1 row is".to_owned() } else { format!("{} rows are", count(again)) };
            eprintln!("warning: {rows} identical to other rows and counted again; was a file given twice?");
        }
        let trained = train(&rows, &options)?;
        let dir = trained.save(&self.models)?;
        let Manifest { training, learner, threshold, .. } = &trained.manifest;
        eprintln!(
            "{}: {learner}\ntrained on {} {subject}s, {} of them inauthentic, from {} campaigns and organic groups; threshold {threshold:.3}",
            dir.display(),
            count(training.rows as u64),
            count(training.inauthentic as u64),
            count(training.campaigns as u64),
        );
        eprint!("{}", figures(&trained.manifest));
        if rows.iter().all(|row| row.origin.label_source == scoring::LabelSource::Simulator) {
            eprintln!("  all rows are synthetic: expect worse results on real posts");
        }
        eprintln!("put it into service: lockstep models promote {} {}", options.name, self.version);
        if self.json { println_json(&serde_json::to_value(&trained.manifest)?) } else { Ok(()) }
    }

    /// The rows to train on, and the default options for them.
    fn rows(&self) -> Result<(Vec<Row>, Options)> {
        if let Some(path) = &self.dataset {
            let dataset = dataset::read(path)?;
            let options = Options {
                subject: dataset.subject,
                data: dataset::description(&dataset),
                ..Options::new(dataset.subject.name(), &self.version)
            };
            return Ok((dataset.rows, options));
        }
        let worlds = match self.worlds.as_slice() {
            [] => WORLDS.map(str::to_owned).to_vec(),
            worlds => worlds.to_vec(),
        };
        let [first, last] = self.seeds.span();
        let said = format!("the simulated worlds {}, seeds {first} to {last}", worlds.join(", "));
        if self.subject == SubjectName::Cluster {
            let data = format!("synthetic: clusters that the engine found in {said}");
            let options = Options { data, ..Options::new(Subject::Cluster.name(), &self.version) };
            return Ok((self.seeds.rows(&worlds)?, options));
        }
        // The groups that name an account are part of its evidence.
        let model = detection::Config { models: self.models.clone(), ..detection::Config::default() }.model()?;
        let mut accounts = Accounts::default();
        for found in self.seeds.each(&worlds, &|seen| seen.accounts(&model))? {
            accounts.add(found?.thinned());
        }
        if accounts.rows.is_empty() {
            bail!("no account in {said} has any evidence against it");
        }
        let options = accounts.options(&self.version, &said);
        Ok((accounts.rows, options))
    }

    fn learner(&self, subject: Subject) -> Result<Learner> {
        let of_trees = [
            ("--trees", self.trees.is_some()),
            ("--depth", self.depth.is_some()),
            ("--learning-rate", self.learning_rate.is_some()),
            ("--leaf-penalty", self.leaf_penalty.is_some()),
        ];
        let wrong = |option: &str, learner: &str| {
            Err(Usage(format!("{option} belongs to --learner {learner}: use that learner or omit the option")).into())
        };
        match (self.learner, Learner::boosted_of(subject)) {
            (LearnerName::Boosted, Learner::Boosted(usual)) => {
                if self.alpha.is_some() {
                    return wrong("--alpha", "logistic");
                }
                Ok(Learner::Boosted(Boosting {
                    rounds: self.trees.unwrap_or(usual.rounds),
                    depth: self.depth.unwrap_or(usual.depth),
                    learning_rate: self.learning_rate.unwrap_or(usual.learning_rate),
                    l2: self.leaf_penalty.unwrap_or(usual.l2),
                    ..usual
                }))
            }
            _ => match of_trees.iter().find(|(_, given)| *given) {
                Some((option, _)) => wrong(option, "boosted"),
                None => Ok(self.alpha.map_or_else(Learner::default, |alpha| Learner::Logistic { alpha })),
            },
        }
    }
}

/// Figures on held-out rows, compared with baselines without a model.
fn figures(manifest: &Manifest) -> String {
    let held_out = &manifest.held_out;
    let number = |x: f64| format!("{x:.3}");
    let of = |name: &str, m: &Metrics| {
        let figures = [m.average_precision, m.roc_auc, m.brier, m.calibration_error, m.precision, m.recall].map(number);
        let name = [name.to_owned(), count(m.rows as u64), count(m.inauthentic as u64)];
        name.into_iter().chain(figures).collect::<Vec<String>>()
    };
    let alone = |name: &str, average_precision: f64| {
        let counts = [held_out.rows, held_out.inauthentic].map(|n| count(n as u64));
        [name.to_owned()].into_iter().chain(counts).chain([number(average_precision)]).collect::<Vec<String>>()
    };
    let mut rows = vec![of("held out by world and seed", held_out)];
    rows.extend(manifest.held_out_worlds.as_ref().map(|metrics| of("whole worlds held out", metrics)));
    let [evidence, rule] = match manifest.subject {
        Subject::Cluster => ["the evidence alone (nats for each post)", "the share of own words repeated alone"],
        Subject::Account => ["the evidence alone (log_e)", "the engine's ranking alone"],
    };
    rows.push(alone(evidence, manifest.baseline_evidence));
    rows.extend(manifest.baseline_rule.map(|rule_alone| alone(rule, rule_alone)));
    rows.push(alone("the number of accounts alone", manifest.baseline_size));
    rows.push(alone("chance", held_out.inauthentic as f64 / held_out.rows.max(1) as f64));
    let header = ["rows", "judged", "inauthentic", "avg precision", "ROC AUC", "Brier", "ECE", "precision", "recall"];
    table(&header, 1, &rows)
}
