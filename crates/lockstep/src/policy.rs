//! `lockstep policy`: the policy's outcome for a case.

use std::io::{self, Write};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};

use crate::{config::ConfigFile, detect::println_json};

/// Shows which recipients are notified of a case, by which rule, and what blocks its release.
///
/// The nine rules are in the program; recipients and the settings of the rules are in the file that
/// sharing.recipients names.
#[derive(Args)]
#[command(after_help = "\
Examples:
  lockstep policy explain c-4f1a --config config/lockstep.toml
  lockstep policy explain case-0b6e --json")]
pub struct Policy {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Shows for each recipient whether it is notified, by which rule, what is left out, what
    /// blocks the release and who must approve
    #[command(after_help = "\
Examples:
  lockstep policy explain c-4f1a              by the beginning of the cluster's id
  lockstep policy explain case-0b6e           by the beginning of the case's
  lockstep policy explain c-4f1a --json | jq '.outcome.recipients[] | select(.told) | .recipient'")]
    Explain {
        /// The id of a case or of its cluster, or a unique beginning of it
        case: String,
        /// Print as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigFile,
    },
}

impl Policy {
    pub fn run(self) -> Result<()> {
        let Action::Explain { case, json, config } = self.action;
        let explanation = sharing::explain(&config.load()?.sharing, &case, jiff::Timestamp::now())?;
        if json {
            return println_json(&serde_json::to_value(&explanation)?);
        }
        write!(io::stdout().lock(), "{explanation}").context("cannot write to standard output")
    }
}
