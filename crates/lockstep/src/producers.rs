//! `lockstep producers`: API keys of those who hand in posts over HTTP.

use std::{collections::BTreeMap, io::Write, path::PathBuf};

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};
use runtime::keys::{Keys, StoredKey};

use crate::{
    config::ConfigFile,
    partners::{Lasts, duration, print_key, state, when},
};

/// The command, as the file of keys names it.
const COMMAND: &str = "lockstep producers";

/// Manages the API keys of those who hand in posts over HTTP.
///
/// The keys are in the file that intake.producers names, as hashes, readable by its owner only. A
/// key is printed once, on standard output. A running intake applies a change at its next request.
#[derive(Args)]
#[command(after_help = "\
Examples:
  lockstep producers add collector --config config/lockstep.toml > collector.key
  lockstep ingest posts.jsonl --to https://intake.example.org:8081 --key-file collector.key
  lockstep producers rotate collector --overlap 1d      a new key; the old keys expire in a day
  lockstep producers list
  lockstep producers revoke 0123456789abcdef")]
pub struct Producers {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Creates the first key of a producer
    Add {
        /// A name for the producer
        producer: String,
        #[command(flatten)]
        lasts: Lasts,
        #[command(flatten)]
        file: File,
    },
    /// Creates a new key for a producer; its other keys expire after a while
    Rotate {
        /// The producer's name
        producer: String,
        /// How long the other keys stay valid; 0d ends them immediately
        #[arg(long, value_name = "TIME", default_value = "7d", value_parser = duration)]
        overlap: SignedDuration,
        #[command(flatten)]
        lasts: Lasts,
        #[command(flatten)]
        file: File,
    },
    /// Revokes a key immediately
    Revoke {
        /// The id of the key, as shown by `list`: the 16 letters and digits after `lockstep_`
        key: String,
        #[command(flatten)]
        file: File,
    },
    /// Lists producers and their keys, without secrets
    List {
        /// Print one JSON object per key
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        file: File,
    },
}

#[derive(Args)]
struct File {
    #[command(flatten)]
    config: ConfigFile,
}

impl File {
    fn path(&self) -> Result<PathBuf> {
        let producers = self.config.load()?.intake.producers;
        if producers.is_empty() {
            bail!(
                "no file of keys is configured: set producers = \"config/producers.toml\" under [intake] in the configuration file, \
                 and give that file with --config"
            );
        }
        Ok(PathBuf::from(producers))
    }

    fn change<T>(&self, change: impl FnOnce(&mut Keys) -> Result<T>) -> Result<T> {
        let path = self.path()?;
        let mut keys = Keys::read(&path)?;
        let changed = change(&mut keys)?;
        keys.write(&path, COMMAND)?;
        Ok(changed)
    }
}

impl Producers {
    pub fn run(self) -> Result<()> {
        let now = Timestamp::now();
        match self.action {
            Action::Add { producer, lasts, file } => print_key(&file.change(|keys| {
                if let Some(key) = keys.valid(&producer, now).next() {
                    bail!(
                        "producer {producer:?} has a valid key already ({}): `{COMMAND} rotate {producer}` replaces it",
                        key.id
                    );
                }
                Ok(keys.add(&producer, now, lasts.end(now))?)
            })?),
            Action::Rotate { producer, overlap, lasts, file } => {
                print_key(&file.change(|keys| {
                    if keys.list().iter().all(|key| key.owner != producer) {
                        bail!("there is no producer {producer:?}: `{COMMAND} add {producer}` creates the first key");
                    }
                    keys.end(&producer, now, now + overlap);
                    Ok(keys.add(&producer, now, lasts.end(now))?)
                })?)?;
                eprintln!("the other keys of {producer} expire {}", when(now + overlap));
                Ok(())
            }
            Action::Revoke { key, file } => {
                // A pasted whole key stands for its id.
                let id = key.strip_prefix("lockstep_").and_then(|key| key.split('_').next()).unwrap_or(&key);
                let Some(key) = file.change(|keys| Ok(keys.revoke(id, now)))? else {
                    bail!("there is no key {id:?} in use: `{COMMAND} list` shows the ids of keys");
                };
                eprintln!("key {} of {} is no longer valid", key.id, key.owner);
                Ok(())
            }
            Action::List { json, file } => list(&Keys::read(&file.path()?)?, json, now),
        }
    }
}

fn list(keys: &Keys, json: bool, now: Timestamp) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let mut by_producer: BTreeMap<&str, Vec<&StoredKey>> = BTreeMap::new();
    for key in keys.list() {
        by_producer.entry(&key.owner).or_default().push(key);
    }
    for (producer, keys) in by_producer {
        if !json {
            writeln!(out, "{producer}")?;
        }
        for key in keys {
            if json {
                let StoredKey { id, owner, created_at, expires_at, revoked_at, .. } = key;
                let shown = serde_json::json!({"id": id, "producer": owner, "created_at": created_at,
                    "expires_at": expires_at, "revoked_at": revoked_at});
                writeln!(out, "{shown}")?;
                continue;
            }
            let state = state(key.revoked_at, key.expires_at, now);
            writeln!(out, "  {}  issued {}  {state}", key.id, when(key.created_at))?;
        }
    }
    Ok(())
}
