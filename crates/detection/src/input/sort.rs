//! Posts by event time in bounded memory: runs are sorted in memory, spilled if there are several,
//! and merged when they are read.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use coordination::{Millis, Post};

use super::{Counts, InputError, Stop};

/// Bytes of one run that are read at a time while merging.
const READ_AHEAD: usize = 256 * 1024;
/// Fixed bytes of a record in a spilled run, before its key and its post.
const RECORD_HEAD: usize = 16;

/// Accepts posts in any order.
pub(super) struct Sorter {
    run: Run,
    most: usize,
    spilled: Option<Spill>,
    dir: Option<PathBuf>,
    stop: Stop,
}

impl Sorter {
    pub(super) fn new(memory_mib: usize, dir: Option<PathBuf>, stop: Stop) -> Self {
        Sorter { run: Run::default(), most: memory_mib.max(1) << 20, spilled: None, dir, stop }
    }

    #[cfg(test)]
    pub(super) fn with_bytes(most: usize) -> Self {
        Sorter { most, ..Sorter::new(1, None, Stop::default()) }
    }

    pub(super) fn push(&mut self, post: &Post<'_>, raw: &[u8]) -> Result<(), InputError> {
        if self.run.size() + raw.len() > self.most && !self.run.entries.is_empty() {
            self.spill()?;
        }
        self.run.push(post, raw);
        Ok(())
    }

    pub(super) fn finish(mut self, counts: Counts) -> Result<SortedPosts, InputError> {
        if self.spilled.is_some() && !self.run.entries.is_empty() {
            self.spill()?;
        }
        let order = match self.spilled {
            None => {
                self.run.sort();
                Order::Memory { run: self.run, next: 0 }
            }
            Some(spill) => {
                // The run's memory is freed before the readers' memory is allocated.
                drop(self.run);
                Order::Merge(Merge::new(spill)?)
            }
        };
        Ok(SortedPosts { order, counts, stop: self.stop })
    }

    fn spill(&mut self) -> Result<(), InputError> {
        self.run.sort();
        let spill = match &mut self.spilled {
            Some(spill) => spill,
            empty => {
                let dir = self.dir.clone().unwrap_or_else(std::env::temp_dir);
                let file =
                    tempfile::tempfile_in(&dir).map_err(|source| InputError::Spill { dir: dir.clone(), source })?;
                empty.insert(Spill { file, ends: Vec::new(), dir })
            }
        };
        spill.append(&self.run)?;
        tracing::debug!(runs = spill.ends.len(), posts = self.run.entries.len(), "spilled a sorted run");
        self.run.clear();
        Ok(())
    }
}

/// Posts by (`created_at`, `id`, platform, order of reading).
pub struct SortedPosts {
    order: Order,
    counts: Counts,
    stop: Stop,
}

enum Order {
    Memory { run: Run, next: usize },
    Merge(Merge),
}

impl SortedPosts {
    /// The next post's bytes in the native dialect, or `None` after the last; they decode without
    /// error. An error means that the temporary file cannot be read, or that a [`Stop`] was
    /// requested.
    pub fn advance(&mut self) -> Result<Option<&[u8]>, InputError> {
        self.stop.check()?;
        match &mut self.order {
            Order::Memory { run, next } => {
                let Some(entry) = run.entries.get(*next) else {
                    return Ok(None);
                };
                *next += 1;
                Ok(Some(run.raw(entry)))
            }
            Order::Merge(merge) => merge.advance(),
        }
    }

    /// Id and platform of the post that [`advance`](Self::advance) returned last, with a zero byte
    /// between; empty before the first.
    pub fn key(&self) -> &[u8] {
        match &self.order {
            Order::Memory { run, next } => {
                next.checked_sub(1).and_then(|last| run.entries.get(last)).map_or(&[], |entry| run.key(entry))
            }
            Order::Merge(merge) => merge.given.as_ref().map_or(&[], |(run, _)| merge.runs[*run].key()),
        }
    }

    /// The bytes of the post that [`advance`](Self::advance) returned last; empty before the first.
    pub fn raw(&self) -> &[u8] {
        match &self.order {
            Order::Memory { run, next } => {
                next.checked_sub(1).and_then(|last| run.entries.get(last)).map_or(&[], |entry| run.raw(entry))
            }
            Order::Merge(merge) => merge.given.as_ref().map_or(&[], |(run, _)| merge.runs[*run].raw()),
        }
    }

    /// Goes back before the first post, so that all posts come again in the same order.
    pub fn rewind(&mut self) -> Result<(), InputError> {
        match &mut self.order {
            Order::Memory { next, .. } => {
                *next = 0;
                Ok(())
            }
            Order::Merge(merge) => merge.rewind(),
        }
    }

    /// The request that ends the run.
    pub(crate) fn stop(&self) -> &Stop {
        &self.stop
    }

    /// Counts of the input; the posts are in [`Counts::posts`].
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The same, by value.
    pub fn into_counts(self) -> Counts {
        self.counts
    }

    /// Runs that were spilled to a temporary file; none if everything fitted into memory.
    pub fn spilled_runs(&self) -> usize {
        match &self.order {
            Order::Memory { .. } => 0,
            Order::Merge(merge) => merge.runs.len(),
        }
    }
}

/// Bytes of a chunk, which holds many posts; a longer post has a chunk of its own. One large buffer
/// would be copied whenever it grows.
const CHUNK: usize = 1 << 20;

/// Posts in memory: their bytes, and the place of each.
#[derive(Default)]
struct Run {
    chunks: Vec<Vec<u8>>,
    bytes: usize,
    entries: Vec<Entry>,
}

/// A post at `at` in a chunk: its key (id, zero byte, platform), then its bytes.
struct Entry {
    created_at: Millis,
    chunk: u32,
    at: u32,
    key: u32,
    raw: u32,
}

impl Run {
    fn size(&self) -> usize {
        self.bytes + self.entries.len() * size_of::<Entry>()
    }

    fn push(&mut self, post: &Post<'_>, raw: &[u8]) {
        let key = post.id.len() + 1 + post.platform.len();
        let size = key + raw.len();
        if self.chunks.last().is_none_or(|chunk| chunk.capacity() - chunk.len() < size) {
            self.chunks.push(Vec::with_capacity(size.max(CHUNK)));
        }
        let place = self.chunks.len() - 1;
        let chunk = &mut self.chunks[place];
        let at = chunk.len();
        chunk.extend_from_slice(post.id.as_bytes());
        chunk.push(0);
        chunk.extend_from_slice(post.platform.as_bytes());
        chunk.extend_from_slice(raw);
        self.bytes += size;
        // Neither can be near 4 GiB: a post's values are limited by its dialect, and a key consists
        // of two of them.
        let (chunk, at, key, raw) = (place as u32, at as u32, key as u32, raw.len() as u32);
        self.entries.push(Entry { created_at: post.created_at, chunk, at, key, raw });
    }

    fn key(&self, entry: &Entry) -> &[u8] {
        &self.chunks[entry.chunk as usize][entry.at as usize..][..entry.key as usize]
    }

    fn raw(&self, entry: &Entry) -> &[u8] {
        &self.chunks[entry.chunk as usize][(entry.at + entry.key) as usize..][..entry.raw as usize]
    }

    /// Stable, so that equal keys stay in the order of reading. It is fast on sorted posts, and
    /// most files are sorted.
    fn sort(&mut self) {
        let mut entries = std::mem::take(&mut self.entries);
        entries.sort_by(|a, b| a.created_at.cmp(&b.created_at).then_with(|| self.key(a).cmp(self.key(b))));
        self.entries = entries;
    }

    fn clear(&mut self) {
        self.chunks.clear();
        self.bytes = 0;
        self.entries.clear();
    }
}

/// Sorted runs, one after another in one unnamed file, which is deleted with its last handle.
struct Spill {
    file: File,
    ends: Vec<u64>,
    dir: PathBuf,
}

impl Spill {
    fn append(&mut self, run: &Run) -> Result<(), InputError> {
        let written = (|| {
            let mut out = BufWriter::with_capacity(READ_AHEAD, &self.file);
            for entry in &run.entries {
                out.write_all(&entry.created_at.to_le_bytes())?;
                out.write_all(&entry.key.to_le_bytes())?;
                out.write_all(&entry.raw.to_le_bytes())?;
                out.write_all(run.key(entry))?;
                out.write_all(run.raw(entry))?;
            }
            out.flush()?;
            drop(out);
            self.file.stream_position()
        })();
        let end = written.map_err(|source| InputError::Spill { dir: self.dir.clone(), source })?;
        self.ends.push(end);
        Ok(())
    }
}

struct Merge {
    runs: Vec<RunReader>,
    /// The first remaining record of every run: (time, key, run).
    heads: BinaryHeap<Reverse<(Millis, Vec<u8>, usize)>>,
    /// The run whose record was returned last. It moves on only when the next record is asked for.
    given: Option<(usize, Vec<u8>)>,
    dir: PathBuf,
}

impl Merge {
    fn new(spill: Spill) -> Result<Self, InputError> {
        let file = Arc::new(Mutex::new(spill.file));
        let mut start = 0;
        let mut runs = Vec::new();
        for end in spill.ends {
            runs.push(RunReader {
                file: Arc::clone(&file),
                start,
                next: start,
                end,
                buffer: Vec::new(),
                at: 0,
                record: 0,
                key: 0,
            });
            start = end;
        }
        let mut merge = Merge { heads: BinaryHeap::with_capacity(runs.len()), runs, given: None, dir: spill.dir };
        merge.rewind()?;
        Ok(merge)
    }

    fn rewind(&mut self) -> Result<(), InputError> {
        self.heads.clear();
        self.given = None;
        for run in 0..self.runs.len() {
            let reader = &mut self.runs[run];
            reader.next = reader.start;
            reader.buffer.clear();
            (reader.at, reader.record, reader.key) = (0, 0, 0);
            self.step(run, Vec::new())?;
        }
        Ok(())
    }

    fn advance(&mut self) -> Result<Option<&[u8]>, InputError> {
        if let Some((run, key)) = self.given.take() {
            self.step(run, key)?;
        }
        let Some(Reverse((_, key, run))) = self.heads.pop() else {
            return Ok(None);
        };
        self.given = Some((run, key));
        Ok(Some(self.runs[run].raw()))
    }

    /// Moves a run to its next record; `key` is a buffer for that record's key.
    fn step(&mut self, run: usize, mut key: Vec<u8>) -> Result<(), InputError> {
        let reader = &mut self.runs[run];
        let more = reader.step().map_err(|source| InputError::Spill { dir: self.dir.clone(), source })?;
        if let Some(created_at) = more {
            key.clear();
            key.extend_from_slice(reader.key());
            self.heads.push(Reverse((created_at, key, run)));
        }
        Ok(())
    }
}

struct RunReader {
    file: Arc<Mutex<File>>,
    start: u64,
    next: u64,
    end: u64,
    buffer: Vec<u8>,
    /// Start of the current record, and the lengths of its key and its post.
    at: usize,
    record: usize,
    key: usize,
}

impl RunReader {
    fn step(&mut self) -> io::Result<Option<Millis>> {
        self.at += self.record;
        self.record = 0;
        if !self.have(RECORD_HEAD)? {
            return Ok(None);
        }
        let word = |at: usize| -> [u8; 4] {
            let mut word = [0; 4];
            word.copy_from_slice(&self.buffer[self.at + at..self.at + at + 4]);
            word
        };
        let mut time = [0; 8];
        time.copy_from_slice(&self.buffer[self.at..self.at + 8]);
        let key = u32::from_le_bytes(word(8)) as usize;
        let raw = u32::from_le_bytes(word(12)) as usize;
        if !self.have(RECORD_HEAD + key + raw)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.key = key;
        self.record = RECORD_HEAD + key + raw;
        Ok(Some(Millis::from_le_bytes(time)))
    }

    fn key(&self) -> &[u8] {
        let start = self.at + RECORD_HEAD;
        &self.buffer[start..start + self.key]
    }

    fn raw(&self) -> &[u8] {
        &self.buffer[self.at + RECORD_HEAD + self.key..self.at + self.record]
    }

    /// Whether the run has `wanted` more bytes. If so, they are in the buffer.
    fn have(&mut self, wanted: usize) -> io::Result<bool> {
        if self.buffer.len() - self.at >= wanted {
            return Ok(true);
        }
        self.buffer.drain(..self.at);
        self.at = 0;
        let kept = self.buffer.len();
        let left = self.end - self.next;
        let more = left.min(READ_AHEAD.max(wanted - kept) as u64) as usize;
        self.buffer.resize(kept + more, 0);
        // The lock is only needed for `Send`: one thread merges.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.next))?;
        file.read_exact(&mut self.buffer[kept..])?;
        self.next += more as u64;
        Ok(self.buffer.len() >= wanted)
    }
}
