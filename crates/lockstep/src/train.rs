//! `lockstep train`: a model from simulated worlds.

use std::{fs::File, path::PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use evaluation::dataset::{Seen, accounts::Accounts};
use scoring::{Dataset, Learner, Options, Subject, train};

use crate::{progress, simulate};

/// Trains the model that says whether coordination is inauthentic, on clusters found in simulated worlds.
///
/// Every world is run through the engine with each seed; what it finds is labelled by the world's truth. The model goes to
/// a new version in the registry and is not in service until `lockstep models promote`.
#[derive(Args)]
#[command(after_help = "\
Example (the bundled model):
  lockstep train --version 2 --seeds 8 --models models
  lockstep train --subject account --version 1 --seeds 8 --models models")]
pub struct Train {
    /// Built-in worlds or world files
    #[arg(long = "world", value_name = "WORLD", default_values_t = ["training", "lookalikes", "innocents"].map(String::from))]
    worlds: Vec<String>,
    /// How many seeds of each world, from 1
    #[arg(long, default_value_t = 12)]
    seeds: u64,
    /// What the model judges: groups, or single accounts with any evidence against them (with the scores of the model of clusters
    /// that is in service in the registry)
    #[arg(long, value_parser = ["cluster", "account"], default_value = "cluster")]
    subject: String,
    /// What is fitted: logistic regression, or gradient-boosted trees
    #[arg(long, value_parser = ["logistic", "boosted"], default_value = "logistic")]
    learner: String,
    /// Name of the model; that of the subject if not given
    #[arg(long)]
    name: Option<String>,
    /// Its version
    #[arg(long)]
    version: String,
    /// Folder of the model registry
    #[arg(long, default_value = "models")]
    models: PathBuf,
    /// Also write the labelled clusters to this CSV file
    #[arg(long, value_name = "FILE")]
    dataset: Option<PathBuf>,
}

impl Train {
    pub fn run(self) -> Result<()> {
        let subject = if self.subject == "account" { Subject::Account } else { Subject::Cluster };
        let mut rows = Vec::new();
        let mut accounts = Accounts::default();
        // Accounts are judged by the groups that name them too.
        let config = detector::Config { models: self.models.clone(), ..detector::Config::default() };
        let cluster_model = (subject == Subject::Account).then(|| config.model()).transpose()?;
        let bar =
            progress::bar(Some(self.worlds.len() as u64 * self.seeds), "training {bar:30} {pos}/{len} worlds {msg}");
        for name in &self.worlds {
            let world = simulate::world(name)?;
            for seed in 1..=self.seeds {
                let seen = Seen::new(&world, name, seed)?;
                match &cluster_model {
                    None => rows.extend(seen.clusters()),
                    Some(model) => accounts.add(seen.accounts(model)?.thinned()),
                }
                bar.inc(1);
                bar.set_message(format!("{} {subject}s", rows.len() + accounts.rows.len()));
            }
        }
        bar.finish_and_clear();
        let worlds = format!("the simulated worlds {}, seeds 1 to {}", self.worlds.join(", "), self.seeds);
        let mut options = match subject {
            Subject::Cluster => Options {
                data: format!("synthetic: clusters that the engine found in {worlds}"),
                ..Options::new("cluster", &self.version)
            },
            Subject::Account => accounts.options(&self.version, &worlds),
        };
        if let Some(name) = self.name {
            options.name = name;
        }
        if self.learner == "boosted" {
            options.learner = Learner::boosted_of(subject);
        }
        rows.extend(accounts.rows);
        if let Some(path) = &self.dataset {
            let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
            Dataset::split_of(subject, &rows).write_csv(file)?;
        }
        let trained = train(&rows, &options)?;
        let dir = trained.save(&self.models)?;
        let inauthentic = rows.iter().filter(|row| row.origin.inauthentic).count();
        eprintln!(
            "trained on {} {subject}s, {inauthentic} of them inauthentic (synthetic); {} holds the model, its manifest and card",
            rows.len(),
            dir.display()
        );
        Ok(())
    }
}
