//! `lockstep models`: the model registry.

mod compare;

use std::{io::Write, path::PathBuf};

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use scoring::{Listed, Manifest, ModelName, Registry, Subject};
use serde_json::json;

use crate::{
    config::{Config, ConfigFile},
    detect::println_json,
};

/// Lists, shows, compares, promotes and rolls back models.
///
/// The registry is a folder. MODELS/NAME/VERSION/ has a model with its manifest and card,
/// MODELS/active.toml names the model in service, and MODELS/history.toml records which model was
/// in service when.
#[derive(Args)]
#[command(after_help = "\
Examples:
  lockstep models list
  lockstep models show cluster/2 --card
  lockstep models compare cluster/2 cluster/1 --dataset clusters.csv
  lockstep models promote cluster/2      running detectors load it within seconds
  lockstep models rollback               back to the model before")]
pub struct Models {
    #[command(subcommand)]
    action: Action,
    /// Folder of the model registry; default: that of the configuration, `models`
    #[arg(long, global = true, value_name = "DIR")]
    models: Option<PathBuf>,
    /// Configuration file; it names the folder, and may name models
    #[arg(long, global = true, value_name = "FILE", env = "LOCKSTEP_CONFIG")]
    config: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Action {
    /// Lists all versions with their figures, and marks those in service
    List {
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Prints a version's manifest as JSON, or its card
    Show {
        #[command(flatten)]
        model: Named,
        /// Print the model card (Markdown) instead of the manifest
        #[arg(long)]
        card: bool,
    },
    Compare(Box<compare::Compare>),
    /// Puts a version into service, after it was loaded and verified
    Promote {
        #[command(flatten)]
        model: Named,
    },
    /// Goes back to the version that was in service before
    Rollback {
        /// Roll back the model of accounts instead of the model of clusters
        #[arg(long)]
        accounts: bool,
    },
}

/// A model, as one argument or as two.
#[derive(Args)]
struct Named {
    /// The model, as NAME/VERSION or NAME VERSION
    name: String,
    #[arg(hide = true)]
    version: Option<String>,
}

impl Named {
    fn get(self) -> Result<ModelName> {
        Ok(match self.version {
            Some(version) => ModelName { name: self.name, version },
            None => self.name.parse()?,
        })
    }
}

impl Models {
    pub fn run(self) -> Result<()> {
        let config = ConfigFile { config: self.config }.load()?;
        let dir = self.models.unwrap_or_else(|| config.detector.models.clone());
        if !dir.is_dir() {
            bail!(
                "{} has no model registry: give its folder with --models (without a registry, the \
                 built-in model is used)",
                dir.display()
            );
        }
        let registry = Registry::open(&dir)?;
        match self.action {
            Action::List { json: true } => {
                let listed = registry.survey()?;
                return println_json(&listed.iter().map(|listed| as_json(listed, &config)).collect());
            }
            Action::List { json: false } => {
                let listed = registry.survey()?;
                std::io::stdout().write_all(table(&listed, &config).as_bytes())?;
                match registry.active_name(Subject::Cluster)? {
                    Some(_) if listed.iter().any(|listed| listed.entry.active) => {}
                    Some(name) => {
                        eprintln!("warning: active.toml names {name}, which does not exist; promote another version")
                    }
                    None => {
                        eprintln!(
                            "no model is in service: promote a version with `lockstep models promote NAME VERSION`"
                        )
                    }
                }
            }
            Action::Show { model, card } => {
                let ModelName { name, version } = model.get()?;
                let usable = registry.load(&name, &version);
                if card {
                    std::io::stdout().write_all(registry.card(&name, &version)?.as_bytes())?;
                } else {
                    println_json(&serde_json::to_value(registry.show(&name, &version)?)?)?;
                }
                if let Err(why) = usable {
                    eprintln!("warning: this version of Lockstep cannot use it: {why}");
                }
            }
            Action::Compare(compare) => return compare.run(&registry),
            Action::Promote { model } => {
                let ModelName { name, version } = model.get()?;
                let before = registry.promote(&name, &version, Timestamp::now())?;
                let subject = registry.show(&name, &version)?.subject;
                match before {
                    Some(before) if before.name == name && before.version == version => {
                        eprintln!("{before} is already in service");
                    }
                    Some(before) => {
                        eprintln!("{name}/{version} is in service instead of {before}; {}", when_used(subject))
                    }
                    None => eprintln!("{name}/{version} is in service; {}", when_used(subject)),
                }
                warn_about_configured_model(subject, &config);
            }
            Action::Rollback { accounts } => {
                let subject = if accounts { Subject::Account } else { Subject::Cluster };
                let change = registry.rollback(subject, Timestamp::now())?;
                let from = change.from.map_or_else(|| "none".to_owned(), |from| from.to_string());
                eprintln!("{} is in service again instead of {from}; {}", change.to, when_used(subject));
                warn_about_configured_model(subject, &config);
            }
        }
        Ok(())
    }
}

/// When the model that was just put into service is used, and how to roll back.
fn when_used(subject: Subject) -> &'static str {
    match subject {
        Subject::Cluster => "running detectors load it within seconds; `lockstep models rollback` goes back",
        Subject::Account => "the next `lockstep detect` uses it; `lockstep models rollback --accounts` goes back",
    }
}

fn warn_about_configured_model(subject: Subject, config: &Config) {
    if subject == Subject::Cluster && !config.detector.model.is_empty() {
        eprintln!(
            "warning: detectors with this configuration keep {}, which detector.model names",
            config.detector.model
        );
    }
}

/// Roles of a version in service: those in the registry, except if the configuration names another
/// model.
fn roles(listed: &Listed, config: &Config) -> Vec<&'static str> {
    let name = ModelName { name: listed.entry.name.clone(), version: listed.entry.version.clone() }.to_string();
    let detector = &config.detector;
    let mut roles = Vec::new();
    if listed.manifest.as_ref().is_ok_and(|manifest| manifest.subject == Subject::Account) {
        return if listed.entry.active { vec!["in service for accounts"] } else { roles };
    }
    match (listed.entry.active, detector.model.as_str()) {
        (true, "") => roles.push("in service"),
        (_, named) if named == name => roles.push("in service (detector.model)"),
        (true, _) => roles.push("promoted, but detector.model names another model"),
        (false, _) => {}
    }
    if config.shadow_model() == name {
        roles.push("shadow");
    }
    roles
}

fn as_json(listed: &Listed, config: &Config) -> serde_json::Value {
    let (entry, roles) = (&listed.entry, roles(listed, config));
    let mut row = json!({
        "name": entry.name,
        "version": entry.version,
        "active": entry.active,
        "in_service": roles.iter().any(|role| role.starts_with("in service")),
        "shadow": roles.contains(&"shadow"),
    });
    let more = match &listed.manifest {
        Ok(manifest) => json!({
            "learner": manifest.learner,
            "rows": manifest.training.rows,
            "inauthentic": manifest.training.inauthentic,
            "average_precision": manifest.held_out.average_precision,
            "baseline_evidence": manifest.baseline_evidence,
            "threshold": manifest.threshold,
            "error": null,
        }),
        Err(error) => json!({ "error": error.to_string() }),
    };
    if let (Some(row), serde_json::Value::Object(more)) = (row.as_object_mut(), more) {
        row.extend(more);
    }
    row
}

/// A table with aligned columns; a version that cannot be used has the reason below it.
fn table(listed: &[Listed], config: &Config) -> String {
    let head = ["MODEL", "VERSION", "LEARNER", "ROWS", "INAUTHENTIC", "AVERAGE PRECISION", ""].map(str::to_owned);
    let row = |listed: &Listed| {
        let (name, version) = (listed.entry.name.clone(), listed.entry.version.clone());
        let roles = roles(listed, config).join(", ");
        match &listed.manifest {
            Ok(Manifest { learner, training, held_out, .. }) => {
                let learner = learner.split(',').next().unwrap_or_default().to_owned();
                let precision = format!("{:.3}", held_out.average_precision);
                [name, version, learner, training.rows.to_string(), training.inauthentic.to_string(), precision, roles]
            }
            Err(_) => {
                let none = || "-".to_owned();
                [name, version, "cannot be used".to_owned(), none(), none(), none(), roles]
            }
        }
    };
    let rows: Vec<[String; 7]> = std::iter::once(head).chain(listed.iter().map(row)).collect();
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..7).map(width).collect();
    let line = |row: &[String; 7]| -> String {
        let cell = |(at, text): (usize, &String)| match at {
            3..=5 => format!("{text:>width$}", width = widths[at]),
            _ => format!("{text:<width$}", width = widths[at]),
        };
        let cells: Vec<String> = row.iter().enumerate().map(cell).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    let mut text = line(&rows[0]);
    for (row, listed) in rows[1..].iter().zip(listed) {
        text += &line(row);
        if let Err(error) = &listed.manifest {
            text += &format!("  {error}\n");
        }
    }
    text
}
