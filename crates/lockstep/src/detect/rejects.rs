//! `rejected.jsonl`: lines that could not be read, with the reasons.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::PathBuf,
};

use anyhow::{Context, Result};
use detection::input::BadLine;

use crate::progress::counted;

/// Number of bad lines printed; all of them are in rejected.jsonl.
const SHOWN: u64 = 5;

/// Writes rejected lines with their reasons to a file, which is created for the first of them.
pub(super) struct Rejects {
    path: PathBuf,
    out: Option<BufWriter<File>>,
    count: u64,
    failed: Option<std::io::Error>,
}

impl Rejects {
    pub(super) fn new(path: PathBuf) -> Rejects {
        Rejects { path, out: None, count: 0, failed: None }
    }

    /// Keeps a line. Returns whether it should be printed.
    pub(super) fn keep(&mut self, bad: &BadLine) -> bool {
        self.count += 1;
        if let Err(error) = self.write(bad) {
            self.failed.get_or_insert(error);
        }
        self.count <= SHOWN
    }

    fn write(&mut self, bad: &BadLine) -> std::io::Result<()> {
        if self.out.is_none() {
            self.out = Some(BufWriter::new(File::create(&self.path)?));
        }
        let Some(out) = &mut self.out else { return Ok(()) };
        let mut line = serde_json::json!({
            "file": bad.file.display().to_string(),
            "line": bad.line,
            "field": bad.error.path,
            "reason": bad.error.reason,
            "raw": String::from_utf8_lossy(&bad.raw),
        });
        if bad.length > bad.raw.len() as u64 {
            // Only the start of a line that is too long for a post is kept.
            line["bytes"] = bad.length.into();
        }
        serde_json::to_writer(&mut *out, &line)?;
        out.write_all(b"\n")
    }

    pub(super) fn finish(mut self) -> Result<()> {
        if let Some(out) = &mut self.out
            && let Err(error) = out.flush()
        {
            self.failed.get_or_insert(error);
        }
        if let Some(error) = self.failed {
            return Err(error).with_context(|| format!("cannot write {}", self.path.display()));
        }
        if self.count > 0 {
            eprintln!(
                "warning: {} could not be read, see {} for all of them with the reasons",
                counted(self.count, "line"),
                self.path.display()
            );
        }
        Ok(())
    }
}
