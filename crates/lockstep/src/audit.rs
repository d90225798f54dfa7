//! `lockstep audit`: verifies and exports the audit log of the sharing service.

use std::{
    fs::File,
    io::{BufReader, BufWriter, Write},
    path::PathBuf,
};

use anyhow::{Context, Result};
use casework::{
    audit::{self, ExportError, VerifiedExport},
    audit_formats::Format,
};
use clap::{Args, Subcommand};
use serde_json::json;
use sharing::AuditLog;

use crate::config::ConfigFile;

/// Verifies or exports the audit log of what was shared.
///
/// The seal of each entry covers the seal of the entry before, so changed, removed and inserted
/// entries are found. Entries also cover the cases, the shared objects and the keys, so that these
/// are found to be changed, too. Entries cut off at the end are found by a seal kept in another
/// place: in the file of sharing.audit.seal_file, or given with --expect.
#[derive(Args)]
#[command(after_help = "\
Examples:
  lockstep audit verify --config config/lockstep.toml
  lockstep audit verify --expect 3b1f…      the log must contain this seal of an earlier run
  lockstep audit export --out audit.ndjson
  lockstep audit export --format cef --since 1200 --out audit.cef
  lockstep audit verify --file audit.ndjson  needs only the file")]
pub struct Audit {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Verifies the log and prints its last seal; fails if the log is broken
    Verify {
        /// A seal that the log must contain
        #[arg(long, value_name = "SEAL")]
        expect: Option<String>,
        /// An exported file, instead of the database of the service
        #[arg(long)]
        file: Option<PathBuf>,
        /// Print as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Writes the log as NDJSON that can be verified without the database
    Export {
        /// Write for security monitoring instead: ecs (Elastic Common Schema, JSON lines) or cef
        /// (Common Event Format). `verify --file` does not read these
        #[arg(long, value_name = "FORMAT")]
        format: Option<Format>,
        /// Only entries after this one
        #[arg(long, value_name = "SEQ", default_value_t = 0)]
        since: i64,
        /// Output file; standard output if not given
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
                    None => {
                        let config = config.load()?.sharing;
                        let seals = &config.audit.seal_file;
                        let seals = (!seals.is_empty()).then(|| std::path::Path::new(seals));
                        let log = AuditLog::open(&config.database)?;
                        let redacted = log.redacted()?;
                        log.verify(expect.as_deref(), seals)?.map(|(last, seal)| VerifiedExport {
                            since: 0,
                            last,
                            seal,
                            redacted,
                        })
                    }
                };
                said(found, json)
            }
            Action::Export { format, since, out, config } => {
                let log = AuditLog::open(&config.load()?.sharing.database)?;
                let (entries, seal) = match &out {
                    Some(path) => {
                        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
                        let mut file = BufWriter::new(file);
                        let end = export(&log, format, since, &mut file)?;
                        file.flush().with_context(|| format!("cannot write {}", path.display()))?;
                        end
                    }
                    None => export(&log, format, since, &mut std::io::stdout().lock())?,
                };
                eprintln!("exported up to entry {entries}, seal {seal}");
                Ok(())
            }
        }
    }
}

fn export(log: &AuditLog, format: Option<Format>, since: i64, out: &mut impl Write) -> Result<(i64, String)> {
    Ok(match format {
        None => log.export(since, out)?,
        Some(format) => {
            log.each_after(since, |entry| writeln!(out, "{}", format.line(&entry, env!("CARGO_PKG_VERSION"))))?
        }
    })
}

fn said(found: Result<VerifiedExport, audit::Broken>, json: bool) -> Result<()> {
    let mut out = std::io::stdout();
    match (&found, json) {
        (Ok(VerifiedExport { since, last, seal, redacted }), false) => {
            // An export may begin later than the log does.
            let places = if *since > 0 { format!(" ({} to {last})", since + 1) } else { String::new() };
            let noun = if last - since == 1 { "entry" } else { "entries" };
            let lost = match redacted {
                0 => String::new(),
                n => format!("; {n} of them lost an account by an erasure"),
            };
            writeln!(out, "{} {noun}{places}, unbroken{lost}; last seal {seal}", last - since)?;
        }
        (Ok(VerifiedExport { since, last, seal, redacted }), true) => {
            let entries = last - since;
            let said = json!({"unbroken": true, "entries": entries, "first": since + 1, "last": last, "seal": seal, "redacted": redacted});
            writeln!(out, "{said}")?;
        }
        (Err(broken), true) => {
            writeln!(out, "{}", json!({"unbroken": false, "entry": broken.seq, "what": broken.what}))?;
        }
        (Err(_), false) => {}
    }
    Ok(found.map(drop)?)
}
