//! `lockstep train`: a model from simulated worlds.

use std::{fs::File, path::PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use scoring::{Dataset, Options, train};

use crate::{progress, simulate};

/// Trains the model that says whether coordination is inauthentic, on clusters found in simulated worlds.
///
/// Every world is run through the engine with each seed; what it finds is labelled by the world's truth. The model goes to
/// a new version in the registry and is not in service until `lockstep models promote`.
#[derive(Args)]
#[command(after_help = "\
Example (the bundled model):
  lockstep train --version 1 --seeds 8 --models models")]
pub struct Train {
    /// Built-in worlds or world files
    #[arg(long = "world", value_name = "WORLD", default_values_t = ["training", "lookalikes", "innocents"].map(String::from))]
    worlds: Vec<String>,
    /// How many seeds of each world, from 1
    #[arg(long, default_value_t = 12)]
    seeds: u64,
    /// Name of the model
    #[arg(long, default_value = "cluster")]
    name: String,
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
        let mut rows = Vec::new();
        let bar =
            progress::bar(Some(self.worlds.len() as u64 * self.seeds), "training {bar:30} {pos}/{len} worlds {msg}");
        for name in &self.worlds {
            let world = simulate::world(name)?;
            for seed in 1..=self.seeds {
                rows.extend(evaluation::dataset::of_world(&world, name, seed)?);
                bar.inc(1);
                bar.set_message(format!("{} clusters", rows.len()));
            }
        }
        bar.finish_and_clear();
        if let Some(path) = &self.dataset {
            let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
            Dataset::split(&rows).write_csv(file)?;
        }
        let mut options = Options::new(&self.name, &self.version);
        options.data = format!(
            "synthetic: clusters that the engine found in the simulated worlds {}, seeds 1 to {}",
            self.worlds.join(", "),
            self.seeds
        );
        let trained = train(&rows, &options)?;
        let dir = trained.save(&self.models)?;
        let inauthentic = rows.iter().filter(|row| row.origin.inauthentic).count();
        eprintln!(
            "trained on {} clusters, {inauthentic} of them inauthentic (synthetic); {} holds the model, its manifest and card",
            rows.len(),
            dir.display()
        );
        Ok(())
    }
}
