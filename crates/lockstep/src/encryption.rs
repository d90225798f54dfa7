//! `lockstep encryption`: keys of the secrets in the sharing database.

use std::io::Write;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::{config::ConfigFile, partners::operator};

/// Manages the keys that encrypt the secrets in the sharing database.
///
/// The secrets of webhooks and the keys of pseudonyms are encrypted with a key that is not in the
/// database: in the file of sharing.encryption.key_file, which the service makes, or in
/// sharing.encryption.key. Keep a copy of the key apart from the backups of the database.
#[derive(Args)]
#[command(after_help = "\
Examples:
  lockstep encryption status --config config/lockstep.toml
  lockstep encryption rotate              a new key; the old key stays in the file for backups
  lockstep encryption reset --accept-loss   the key is lost: go on without the secrets")]
pub struct Encryption {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Shows which keys there are and which one encrypted the secrets; never a key
    Status {
        /// Print as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Puts a new key before the others and encrypts all secrets with it; services may keep running
    Rotate(ConfigFile),
    /// Gives up the secrets whose key is lost
    Reset {
        /// Confirms that webhooks lose their secrets and that the pseudonyms of accounts change
        #[arg(long)]
        accept_loss: bool,
        #[command(flatten)]
        config: ConfigFile,
    },
}

impl Encryption {
    pub fn run(self) -> Result<()> {
        match self.action {
            Action::Status { json, config } => {
                let state = sharing::encryption_state(&config.load()?.sharing)?;
                let mut out = std::io::stdout().lock();
                if json {
                    let shown =
                        json!({"place": state.place, "keys": state.keys, "encrypted_with": state.encrypted_with});
                    writeln!(out, "{shown}")?;
                    return Ok(());
                }
                match state.keys.as_slice() {
                    [] => writeln!(out, "{}: no key yet; the service makes it at its start", state.place)?,
                    [first, others @ ..] => {
                        writeln!(
                            out,
                            "{}: key {first} encrypts; keys that decrypt, too: {}",
                            state.place,
                            list(others)
                        )?;
                    }
                }
                match state.encrypted_with {
                    Some(key) => writeln!(out, "the secrets in the database are encrypted with key {key}")?,
                    None => writeln!(out, "the secrets in the database are not encrypted yet")?,
                }
                Ok(())
            }
            Action::Rotate(config) => {
                let config = config.load()?.sharing;
                let secrets = sharing::rotate_encryption(&config)?;
                let state = sharing::encryption_state(&config)?;
                let [first, others @ ..] = state.keys.as_slice() else { bail!("{} has no key any more", state.place) };
                eprintln!(
                    "{secrets} secrets are encrypted with the new key {first}; {} still holds {}, for backups and for other instances: \
                     remove what no backup needs, and copy the file to every instance",
                    state.place,
                    list(others)
                );
                Ok(())
            }
            Action::Reset { accept_loss, config } => {
                let config = config.load()?.sharing;
                if !accept_loss {
                    bail!(
                        "webhooks lose their secrets and the pseudonyms of accounts change; if the key is really lost, confirm with \
                         --accept-loss"
                    );
                }
                sharing::reset_encryption(&config, &operator())?;
                eprintln!(
                    "the database has new keys; give every partner with a webhook a new secret: lockstep partners webhook-secret NAME"
                );
                Ok(())
            }
        }
    }
}

fn list(keys: &[String]) -> String {
    if keys.is_empty() { "none".to_owned() } else { keys.join(", ") }
}
