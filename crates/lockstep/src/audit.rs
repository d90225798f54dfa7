//! `lockstep audit`: the audit log of the sharing service, checked and exported.

use std::{
    fs::File,
    io::{BufReader, BufWriter, Write},
    path::PathBuf,
};

use anyhow::{Context, Result};
use casework::audit::{self, ExportError};
use clap::{Args, Subcommand};
use serde_json::json;
use sharing::AuditLog;

use crate::config::ConfigFile;

/// Checks or exports the audit log of what was shared.
///
/// Every entry is sealed with the hash of the one before, so that what was changed, removed or put in later shows. What was cut off
/// the end does not: keep the seal that `verify` prints somewhere else, and give it with --expect next time.
#[derive(Args)]
#[command(after_help = "\
Examples:
  lockstep audit verify --config config/lockstep.toml
  lockstep audit verify --expect 3b1f…      the log must hold this entry, kept from an earlier run
  lockstep audit export --out audit.ndjson
  lockstep audit verify --file audit.ndjson  needs nothing but the file")]
pub struct Audit {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Says whether the log is whole, and its last seal; fails where it is not
    Verify {
        /// A seal that the log must hold
        #[arg(long, value_name = "SEAL")]
        expect: Option<String>,
        /// An exported file, instead of the service's database
        #[arg(long)]
        file: Option<PathBuf>,
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Writes the log as NDJSON that can be checked without the database
    Export {
        /// Entries after this one
        #[arg(long, value_name = "SEQ", default_value_t = 0)]
        since: i64,
        /// Where to; without it, to standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        config: ConfigFile,
    },
}

impl Audit {
    pub fn run(self) -> Result<()> {
        match self.action {
            Action::Verify { expect, file, json, config } => {
                let found = match file {
                    Some(path) => {
                        let open = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
                        match audit::verify_export(&mut BufReader::new(open), expect.as_deref()) {
                            Err(ExportError::Broken(broken)) => Err(broken),
                            other => Ok(other.with_context(|| format!("cannot read {}", path.display()))?),
                        }
                    }
                    None => AuditLog::open(&config.load()?.sharing.database)?.verify(expect.as_deref())?,
                };
                said(found, json)
            }
            Action::Export { since, out, config } => {
                let log = AuditLog::open(&config.load()?.sharing.database)?;
                let (entries, seal) = match &out {
                    Some(path) => {
                        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
                        let mut file = BufWriter::new(file);
                        let end = log.export(since, &mut file)?;
                        file.flush().with_context(|| format!("cannot write {}", path.display()))?;
                        end
                    }
                    None => log.export(since, &mut std::io::stdout().lock())?,
                };
                eprintln!("exported up to entry {entries}, seal {seal}");
                Ok(())
            }
        }
    }
}

fn said(found: Result<(i64, String), audit::Broken>, json: bool) -> Result<()> {
    let mut out = std::io::stdout();
    match (&found, json) {
        (Ok((entries, seal)), false) => writeln!(out, "{entries} entries, unbroken; last seal {seal}")?,
        (Ok((entries, seal)), true) => {
            writeln!(out, "{}", json!({"unbroken": true, "entries": entries, "seal": seal}))?;
        }
        (Err(broken), true) => {
            writeln!(out, "{}", json!({"unbroken": false, "entry": broken.seq, "what": broken.what}))?;
        }
        (Err(_), false) => {}
    }
    Ok(found.map(drop)?)
}
