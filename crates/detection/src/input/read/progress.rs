//! Reports while reading: bad lines, notices, counts and progress.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use messages::{DecodeError, post};

use super::super::notice::{Notice, TableCounts};
use super::super::{BadLine, InputError, Progress};
use super::Reading;
use super::lines::KEPT_OF_LONG_LINE;

/// Lines between two reports of progress.
const PROGRESS_EVERY: u64 = 2048;

impl Reading<'_> {
    pub(in crate::input) fn bad(&mut self, line: u64, error: DecodeError, raw: &[u8]) {
        self.bad_start(line, error, raw, raw.len() as u64);
    }

    /// Reports a bad line of `length` bytes, of which `raw` may be only the start.
    pub(super) fn bad_start(&mut self, line: u64, error: DecodeError, raw: &[u8], length: u64) {
        self.counts.bad += 1;
        let kept = if raw.len() > post::MAX_VALUE_BYTES { &raw[..KEPT_OF_LONG_LINE] } else { raw };
        (self.on_bad)(BadLine { file: Arc::clone(&self.file), line, error, raw: kept.to_vec(), length });
    }

    pub(in crate::input) fn damaged(&mut self, line: u64, source: io::Error) {
        let byte = self.taken.load(Ordering::Relaxed) - self.before;
        let file = self.path();
        self.counts.damaged.push(InputError::Damaged { file, line, byte, source });
    }

    pub(in crate::input) fn path(&self) -> PathBuf {
        self.file.to_path_buf()
    }

    pub(in crate::input) fn file(&self) -> Arc<Path> {
        Arc::clone(&self.file)
    }

    /// Reports something about the file that is being read.
    pub(in crate::input) fn notice(&mut self, warning: bool, text: String) {
        self.options.notices.tell(&Notice { file: self.file(), warning, text });
    }

    /// One more row of a table.
    pub(in crate::input) fn count_row(&mut self) {
        self.counts.rows += 1;
    }

    /// Counts a skipped row.
    pub(in crate::input) fn passed_over_row(&mut self) {
        self.counts.passed_over += 1;
    }

    /// Counts skipped lines before a table.
    pub(in crate::input) fn passed_over(&mut self, lines: u64) {
        self.counts.rows += lines;
        self.counts.passed_over += lines;
    }

    pub(in crate::input) fn table_ended(&mut self, table: TableCounts) {
        self.counts.tables.push(table);
    }

    /// Whether the user gave the time zone of times without one.
    pub(in crate::input) fn zone_is_known(&self) -> bool {
        self.options.mapping.time_zone.is_some()
    }

    /// Counts a line, row or record, reports progress from time to time, and then stops if that was
    /// requested.
    pub(in crate::input) fn count_towards_progress(&mut self) -> Result<(), InputError> {
        self.since_progress += 1;
        if self.since_progress >= PROGRESS_EVERY {
            self.progress();
            self.options.stop.check()?;
        }
        Ok(())
    }

    /// For a source that is not read from front to back: the part that has been read, in
    /// thousandths.
    pub(in crate::input) fn took_part(&self, thousandths: u64) {
        let bytes = u128::from(self.size) * u128::from(thousandths.min(1000)) / 1000;
        self.taken.store(self.before + bytes as u64, Ordering::Relaxed);
    }

    /// For such a source: all of it has been read.
    pub(in crate::input) fn took_all(&self) {
        self.taken.store(self.before + self.size, Ordering::Relaxed);
    }

    pub(super) fn progress(&mut self) {
        self.since_progress = 0;
        (self.on_progress)(Progress {
            bytes: self.taken.load(Ordering::Relaxed),
            total: self.total,
            posts: self.counts.posts,
        });
    }
}
