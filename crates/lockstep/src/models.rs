//! `lockstep models`: the registry.

use std::{io::Write, path::PathBuf};

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use scoring::Registry;

use crate::detect::println_json;

/// Lists, shows and promotes models.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  lockstep models list\n  lockstep models show cluster 2\n  lockstep models promote cluster 2"
)]
pub struct Models {
    #[command(subcommand)]
    action: Action,
    /// Folder of the model registry
    #[arg(long, default_value = "models", global = true)]
    models: PathBuf,
}

#[derive(Subcommand)]
enum Action {
    /// Lists all versions; the one in service is marked
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Prints a version's manifest as JSON
    Show {
        /// Name of the model
        name: String,
        /// Its version
        version: String,
    },
    /// Puts a version into service, for processes that start from now on
    Promote {
        /// Name of the model
        name: String,
        /// Its version
        version: String,
    },
}

impl Models {
    pub fn run(self) -> Result<()> {
        if !self.models.is_dir() {
            bail!(
                "there is no model registry in {}: name its folder with --models (without a registry, the model that is \
                 built in is used)",
                self.models.display()
            );
        }
        let registry = Registry::open(&self.models)?;
        let mut out = std::io::stdout();
        match self.action {
            Action::List { json } => {
                let entries = registry.list()?;
                if json {
                    let entries = entries
                        .iter()
                        .map(|e| serde_json::json!({ "name": e.name, "version": e.version, "active": e.active }));
                    return println_json(&entries.collect());
                }
                for entry in entries {
                    let mark = if entry.active { "  in service" } else { "" };
                    writeln!(out, "{} {}{mark}", entry.name, entry.version)?;
                }
            }
            Action::Show { name, version } => {
                return println_json(&serde_json::to_value(registry.show(&name, &version)?)?);
            }
            Action::Promote { name, version } => {
                registry.promote(&name, &version)?;
                eprintln!("{name} {version} is in service for processes that start from now on");
            }
        }
        Ok(())
    }
}
