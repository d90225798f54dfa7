//! `lockstep documents`: the documents that people give to a recipient.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use casework::policy::Product;
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::{config::ConfigFile, detect::println_json};

/// Writes the documents about a case for a recipient, as HTML and PDF.
///
/// The documents are about the released version. Before a release they are about the newest
/// version, and every page is marked as a draft. For a retracted case the document is the
/// withdrawal. The command sends nothing and records nothing. It needs sharing.contact.
#[derive(Args)]
#[command(after_help = "\
Examples:
  lockstep documents c-4f1a --recipient nevada --out letters
  lockstep documents c-4f1a --recipient vane-campaign --product briefing --out letters --json")]
pub struct Documents {
    /// The id of a case or of its cluster, or a unique beginning of it
    case: String,
    /// The recipient's name, as in the file that sharing.recipients names
    #[arg(long, value_name = "NAME")]
    recipient: String,
    /// One of the documents that the recipient's class receives; all if not given
    #[arg(long)]
    product: Option<Kind>,
    /// Use the newest version, even if an earlier one was released
    #[arg(long)]
    newest: bool,
    /// Output folder; created if it is missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print the list of files as JSON, with the SHA-256 of each
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigFile,
}

/// Kind of document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Notification letter
    Letter,
    /// Defensive briefing for a candidate
    Briefing,
    /// Public notice
    Notice,
}

impl Documents {
    pub fn run(self) -> Result<()> {
        let product = self.product.map(|kind| match kind {
            Kind::Letter => Product::NotificationLetter,
            Kind::Briefing => Product::DefensiveBriefing,
            Kind::Notice => Product::PublicNotice,
        });
        let config = self.config.load()?.sharing;
        let now = jiff::Timestamp::now();
        let made = sharing::make_documents(&config, &self.case, &self.recipient, product, self.newest, now)?;
        fs::create_dir_all(&self.out).with_context(|| format!("cannot create {}", self.out.display()))?;
        let mut written = Vec::new();
        for (product, document) in &made {
            let name = format!("{}-{}", self.recipient, product.label().replace(' ', "-"));
            let html = write(&self.out, &format!("{name}.html"), document.html.as_bytes())?;
            #[cfg(feature = "pdf")]
            let pdf = json!({
                "path": write(&self.out, &format!("{name}.pdf"), &document.pdf)?,
                "sha256": document.pdf_sha256,
            });
            #[cfg(not(feature = "pdf"))]
            let pdf = serde_json::Value::Null;
            if document.draft {
                eprintln!("{}: a draft, because this version of the case is not released", document.title);
            }
            written.push(json!({
                "product": product,
                "title": document.title,
                "draft": document.draft,
                "html": { "path": html, "sha256": document.html_sha256 },
                "pdf": pdf,
            }));
        }
        if !cfg!(feature = "pdf") {
            eprintln!("this build writes documents as HTML only: build with the Cargo feature `pdf` for PDF files");
        }
        if self.json {
            return println_json(&json!(written));
        }
        let mut out = std::io::stdout().lock();
        for file in written.iter().flat_map(|document| [&document["html"], &document["pdf"]]) {
            if file.is_null() {
                continue;
            }
            // In the format of sha256sum, for `sha256sum -c`.
            writeln!(
                out,
                "{}  {}",
                file["sha256"].as_str().unwrap_or_default(),
                file["path"].as_str().unwrap_or_default()
            )
            .context("cannot write to standard output")?;
        }
        Ok(())
    }
}

fn write(dir: &Path, name: &str, bytes: &[u8]) -> Result<String> {
    let path = dir.join(name);
    fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path.display().to_string())
}
