//! From one file after another to posts.

use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use coordination::Post;
use messages::DecodeError;
use messages::dialect::{Dialect, MAX_DOCUMENT_BYTES};
use messages::post;
use serde_json::value::RawValue;

use super::source::{self, Source};
use super::{BadLine, Counts, InputError, Options, PeerRow, Progress};

/// The longest line of a foreign dialect: a page of posts is one line.
const MAX_FOREIGN_LINE: usize = 256 << 20;
/// The longest native line that is kept whole, to be reported: longer ones are cut.
const MAX_NATIVE_LINE: usize = 4 * post::MAX_VALUE_BYTES;
/// What is kept of a line that is too long.
const KEPT_OF_LONG_LINE: usize = 64 * 1024;
/// Lines between two reports of progress.
const PROGRESS_EVERY: u64 = 2048;

/// Receives a post, its bytes in the native dialect, and its row if that is in a peer's layout.
pub(super) type Sink<'c> = super::OnRow<'c, InputError>;

pub(super) struct Reading<'c> {
    pub(super) options: &'c Options,
    sink: &'c mut Sink<'c>,
    on_bad: &'c mut dyn FnMut(BadLine),
    on_progress: &'c mut dyn FnMut(Progress),
    total: Option<u64>,
    taken: Arc<AtomicU64>,
    /// Bytes of the files before this one.
    before: u64,
    since_progress: u64,
    file: Arc<Path>,
    counts: Counts,
}

impl<'c> Reading<'c> {
    pub(super) fn new(
        options: &'c Options,
        total: Option<u64>,
        sink: &'c mut Sink<'c>,
        on_bad: &'c mut dyn FnMut(BadLine),
        on_progress: &'c mut dyn FnMut(Progress),
    ) -> Self {
        Reading {
            options,
            sink,
            on_bad,
            on_progress,
            total,
            taken: Arc::default(),
            before: 0,
            since_progress: 0,
            file: Path::new("").into(),
            counts: Counts::default(),
        }
    }

    pub(super) fn all(mut self, files: &[PathBuf]) -> Result<Counts, InputError> {
        for file in files {
            self.file = file.as_path().into();
            self.before = self.taken.load(Ordering::Relaxed);
            match source::open(file, self.options.dialect, &self.taken)? {
                Source::Lines(content) => self.lines(content)?,
                Source::Document(content) => self.document(content)?,
                Source::Table { content, delimiter } => self.table(content, delimiter)?,
                Source::Parquet(content) => self.parquet(content)?,
            }
            self.progress();
        }
        Ok(self.counts)
    }

    fn lines(&mut self, mut content: Box<dyn BufRead>) -> Result<(), InputError> {
        let limit = match self.options.dialect {
            Dialect::Lockstep => MAX_NATIVE_LINE,
            _ => MAX_FOREIGN_LINE,
        };
        let mut line = Vec::new();
        let mut number = 0;
        loop {
            number += 1;
            let outcome = next_line(&mut content, &mut line, limit);
            let text = line.trim_ascii();
            match outcome {
                Ok(0) => return Ok(()),
                Ok(length) if length > line.len() => {
                    let reason = format!("has {length} bytes, more than the {limit} allowed in one line");
                    self.bad(number, DecodeError::new("", reason, &line), &line);
                }
                Ok(_) if text.is_empty() => {}
                Ok(_) => self.value(text, number)?,
                Err(error) => {
                    if !text.is_empty() {
                        self.bad(number, DecodeError::new("", "breaks off with its file", &line), &line);
                    }
                    self.damaged(number, error);
                    return Ok(());
                }
            }
            self.count_towards_progress();
        }
    }

    fn document(&mut self, mut content: Box<dyn BufRead>) -> Result<(), InputError> {
        let mut bytes = Vec::new();
        let limit = MAX_DOCUMENT_BYTES as u64;
        if let Err(error) = content.by_ref().take(limit + 1).read_to_end(&mut bytes) {
            let line = lines_in(&bytes);
            self.bad(
                line,
                DecodeError::new("", "breaks off, and a document is read whole or not at all", &bytes),
                &bytes,
            );
            self.damaged(line, error);
            return Ok(());
        }
        let text = bytes.trim_ascii();
        let elements = text.starts_with(b"[").then(|| serde_json::from_slice::<Vec<&RawValue>>(text));
        match elements {
            Some(Ok(elements)) => {
                let (mut line, mut at) = (1, 0);
                for element in elements {
                    let element = element.get().as_bytes();
                    // Elements lie in the document in order, so lines are counted on from one to the next.
                    let start = element.as_ptr() as usize - bytes.as_ptr() as usize;
                    line += bytes[at..start].iter().filter(|b| **b == b'\n').count() as u64;
                    at = start;
                    self.value(element, line)?;
                    self.count_towards_progress();
                }
                Ok(())
            }
            Some(Err(error)) => {
                let line = error.line() as u64;
                self.bad(line, DecodeError::new("", error.to_string(), text), text);
                Ok(())
            }
            None => self.value(text, 1),
        }
    }

    /// One JSON value.
    fn value(&mut self, value: &[u8], line: u64) -> Result<(), InputError> {
        if self.options.dialect == Dialect::Lockstep {
            return match post::decode(value) {
                Ok(post) => {
                    self.counts.posts += 1;
                    (self.sink)(&post, value, None)
                }
                Err(error) => {
                    self.bad(line, error, value);
                    Ok(())
                }
            };
        }
        let outcomes = self.options.dialect.decode(value);
        if outcomes.is_empty() {
            self.counts.not_posts += 1;
        }
        for outcome in outcomes {
            match outcome {
                Ok(post) => self.foreign(&post, None, line, || value.to_vec())?,
                Err(error) => self.bad(line, error, value),
            }
        }
        Ok(())
    }

    /// A post that was not read from the native dialect: it is written in it, and that may make it too long.
    pub(super) fn foreign(
        &mut self,
        post: &Post<'_>,
        row: Option<&PeerRow<'_>>,
        line: u64,
        raw: impl FnOnce() -> Vec<u8>,
    ) -> Result<(), InputError> {
        let native = post::encode(post);
        if native.len() > post::MAX_VALUE_BYTES {
            let reason = format!(
                "has {} bytes in the native dialect, the most for one post is {}",
                native.len(),
                post::MAX_VALUE_BYTES
            );
            let raw = raw();
            self.bad(line, DecodeError::new("", reason, &raw), &raw);
            return Ok(());
        }
        self.counts.posts += 1;
        (self.sink)(post, &native, row)
    }

    pub(super) fn bad(&mut self, line: u64, error: DecodeError, raw: &[u8]) {
        self.counts.bad += 1;
        (self.on_bad)(BadLine { file: Arc::clone(&self.file), line, error, raw: raw.to_vec() });
    }

    pub(super) fn damaged(&mut self, line: u64, source: io::Error) {
        let byte = self.taken.load(Ordering::Relaxed) - self.before;
        let file = self.path();
        self.counts.damaged.push(InputError::Damaged { file, line, byte, source });
    }

    pub(super) fn path(&self) -> PathBuf {
        self.file.to_path_buf()
    }

    pub(super) fn count_towards_progress(&mut self) {
        self.since_progress += 1;
        if self.since_progress >= PROGRESS_EVERY {
            self.progress();
        }
    }

    /// For a source that is not read from front to back.
    pub(super) fn took(&self, bytes_of_file: u64) {
        self.taken.store(self.before + bytes_of_file, Ordering::Relaxed);
    }

    fn progress(&mut self) {
        self.since_progress = 0;
        (self.on_progress)(Progress {
            bytes: self.taken.load(Ordering::Relaxed),
            total: self.total,
            posts: self.counts.posts,
        });
    }
}

/// Reads a line with its end. The length is more than that of `line` if it was over the limit and cut; 0 at the end of the file. After an
/// error, `line` holds what came before it.
fn next_line(content: &mut dyn BufRead, line: &mut Vec<u8>, limit: usize) -> io::Result<usize> {
    line.clear();
    let mut length = Read::take(&mut *content, limit as u64 + 1).read_until(b'\n', line)?;
    if length > limit {
        if line.last() != Some(&b'\n') {
            length += content.skip_until(b'\n')?;
        }
        line.truncate(KEPT_OF_LONG_LINE);
    }
    Ok(length)
}

fn lines_in(bytes: &[u8]) -> u64 {
    1 + bytes.iter().filter(|b| **b == b'\n').count() as u64
}
