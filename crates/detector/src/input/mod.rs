//! Files of posts: whatever their format, compression and order, to posts by event time.
//!
//! ```no_run
//! use detector::input::{Input, Options};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let input = Input::open(&["posts.jsonl.gz".into()], Options::default())?;
//! let mut posts = input.sorted(
//!     &mut |bad| eprintln!("{bad}"),
//!     &mut |progress| eprintln!("{} of {:?} bytes", progress.bytes, progress.total),
//! )?;
//! while let Some(raw) = posts.advance()? {
//!     let post = messages::post::decode(raw)?;
//! }
//! eprintln!("{:?}", posts.counts());
//! # Ok(())
//! # }
//! ```
//!
//! A file may be NDJSON, a JSON array or document, CSV (`,`, `;` or tab) or Parquet; plain, gzip (also of several members) or Zstandard;
//! `-` is standard input. Content decides, not the name.
//!
//! Native posts come as the very bytes that were read, with any unknown fields (labels, say) still in them; decoding drops those. To
//! pass a post on, write it anew with [`messages::post::encode`].
//!
//! **Nothing is lost silently.** A line that cannot be read is handed to the caller whole, with its place and the reason. A file that
//! breaks off gives what could be read, and its damage is in [`Counts::damaged`].
//!
//! **Order.** [`Input::sorted`] gives posts by (`created_at`, `id`), then platform, then order of reading, in bounded memory: runs
//! of at most [`Options::memory_mib`] are sorted in memory and, if there are several, spilled to a temporary file and merged. Beside
//! that, 10 to 21 bytes a post are kept to find duplicates.
//!
//! **Duplicates.** The second and later posts of one (platform, id) are dropped and counted; rows of CooRTweet's layout only if they have
//! the same object, too, because there one post with two objects is two rows. Two ids are held equal if their 64-bit hashes are: among
//! ten million posts, the chance that one is dropped wrongly is about 3 in a million.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod read;
mod sort;
mod source;
mod table;

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use coordination::Post;
use messages::DecodeError;
use messages::dialect::Dialect;
use messages::dialect::csv::Columns;
pub use messages::dialect::csv::Layout;
use xxhash_rust::xxh3::Xxh3Default;

use self::read::Reading;
pub use self::sort::SortedPosts;

/// How an [`Input`] is read.
#[derive(Debug, Clone)]
pub struct Options {
    /// The dialect of JSON values. [`Dialect::Lockstep`] also takes CSV and Parquet; [`Dialect::Csv`] takes nothing else than CSV.
    pub dialect: Dialect,
    /// The platform of rows that name none.
    pub platform: Option<String>,
    /// Memory for one sorted run, in MiB.
    pub memory_mib: usize,
    /// Whether later posts of the same platform and id are kept. The peers' methods count them.
    pub keep_duplicates: bool,
    /// Where runs are spilled; the system's temporary folder if not given.
    pub spill_dir: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Options { dialect: Dialect::Lockstep, platform: None, memory_mib: 256, keep_duplicates: false, spill_dir: None }
    }
}

/// Files of posts, found but not yet read.
#[derive(Debug)]
pub struct Input {
    files: Vec<PathBuf>,
    total: Option<u64>,
    options: Options,
}

impl Input {
    /// Looks at the files: each must be there, be a file and not be empty.
    pub fn open(files: &[PathBuf], options: Options) -> Result<Input, InputError> {
        if files.is_empty() {
            return Err(InputError::NoFiles);
        }
        let mut total = Some(0_u64);
        for file in files {
            if file == Path::new("-") {
                total = None;
                continue;
            }
            let about = std::fs::metadata(file).map_err(|source| InputError::Open { file: file.clone(), source })?;
            if about.is_dir() {
                return Err(InputError::Directory { file: file.clone() });
            }
            if about.is_file() && about.len() == 0 {
                return Err(InputError::Empty { file: file.clone() });
            }
            // A pipe has no size.
            total = total.filter(|_| about.is_file()).map(|total| total + about.len());
        }
        Ok(Input { files: files.to_vec(), total, options })
    }

    /// Size of all files as stored; `None` where one of them is a pipe or standard input.
    pub fn total_bytes(&self) -> Option<u64> {
        self.total
    }

    /// Reads everything, in the order of the files: each post with its bytes in the native dialect. Duplicates are dropped as by
    /// [`Input::sorted`]. An error of `on_post` ends the reading and comes back.
    pub fn each<E: From<InputError>>(
        self,
        on_post: &mut OnPost<'_, E>,
        on_bad: &mut dyn FnMut(BadLine),
        on_progress: &mut dyn FnMut(Progress),
    ) -> Result<Counts, E> {
        self.each_row(&mut |post, raw, _| on_post(post, raw), on_bad, on_progress)
    }

    /// As [`Input::each`], with what a row in a peer's layout says beside the post.
    pub fn each_row<E: From<InputError>>(
        self,
        on_post: &mut OnRow<'_, E>,
        on_bad: &mut dyn FnMut(BadLine),
        on_progress: &mut dyn FnMut(Progress),
    ) -> Result<Counts, E> {
        let mut seen = Seen::new(self.options.keep_duplicates);
        let mut duplicates = 0;
        let mut stopped = None;
        let mut sink = |post: &Post<'_>, raw: &[u8], peer: Option<&PeerRow<'_>>| {
            if seen.before(post, peer.is_some_and(|row| row.layout == Layout::CooRTweet)) {
                duplicates += 1;
                return Ok(());
            }
            on_post(post, raw, peer).map_err(|error| {
                stopped = Some(error);
                InputError::Stopped
            })
        };
        let outcome = Reading::new(&self.options, self.total, &mut sink, on_bad, on_progress).all(&self.files);
        match (outcome, stopped) {
            (_, Some(error)) => Err(error),
            (Err(error), None) => Err(error.into()),
            (Ok(mut counts), None) => {
                counts.duplicates = duplicates;
                counts.posts -= duplicates;
                Ok(counts)
            }
        }
    }

    /// Reads everything, then gives the posts by event time.
    pub fn sorted(
        self,
        on_bad: &mut dyn FnMut(BadLine),
        on_progress: &mut dyn FnMut(Progress),
    ) -> Result<SortedPosts, InputError> {
        let mut sorter = sort::Sorter::new(self.options.memory_mib, self.options.spill_dir.clone());
        let counts = self.each::<InputError>(&mut |post, raw| sorter.push(post, raw), on_bad, on_progress)?;
        sorter.finish(counts)
    }
}

/// Takes a post and its bytes in the native dialect.
pub type OnPost<'c, E> = dyn FnMut(&Post<'_>, &[u8]) -> Result<(), E> + 'c;

/// As [`OnPost`], with the row, where it is in a peer's layout.
pub type OnRow<'c, E> = dyn FnMut(&Post<'_>, &[u8], Option<&PeerRow<'_>>) -> Result<(), E> + 'c;

/// Cells of a row in a peer's layout, as they stand there: a post tidies some and drops what is finer than a millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerRow<'a> {
    /// Whose layout; never the native one.
    pub layout: Layout,
    /// CooRTweet's `object_id`; empty in the other layout.
    pub object: &'a str,
    /// coordination-network-toolkit's `urls`; empty in the other layout.
    pub urls: &'a str,
    /// The time.
    pub timestamp: &'a str,
}

impl<'a> PeerRow<'a> {
    fn new(columns: &Columns, cells: &[&'a str]) -> Option<PeerRow<'a>> {
        let cell = |name| columns.cell(cells, name).unwrap_or_default();
        let layout = columns.layout();
        let timestamp = match layout {
            Layout::Native => return None,
            Layout::CooRTweet => cell("timestamp_share"),
            Layout::CoordinationNetworkToolkit => cell("timestamp"),
        };
        Some(PeerRow { layout, object: cell("object_id"), urls: cell("urls"), timestamp })
    }
}

/// How far the reading is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes taken from the files as they are stored.
    pub bytes: u64,
    /// Bytes of all files as they are stored, where known.
    pub total: Option<u64>,
    /// Posts read.
    pub posts: u64,
}

/// What was read.
#[derive(Debug, Default)]
pub struct Counts {
    /// Posts given to the caller.
    pub posts: u64,
    /// Lines, rows or elements that could not be read; each was handed to `on_bad`.
    pub bad: u64,
    /// Later posts of the same platform and id, dropped.
    pub duplicates: u64,
    /// Values that are no posts by their dialect, such as deletions and service messages.
    pub not_posts: u64,
    /// Files that broke off: all before the break was read.
    pub damaged: Vec<InputError>,
}

/// A line, row or element that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// The file, as given; `-` for standard input.
    pub file: Arc<Path>,
    /// Its line from 1; the row, in Parquet.
    pub line: u64,
    /// Which field, why, and how it looks.
    pub error: DecodeError,
    /// The line as read. Of a Parquet row its cells, as a JSON array; of a line too long for any post, its start.
    pub raw: Vec<u8>,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", shown(&self.file), self.line, self.error)
    }
}

/// Why files could not be read at all.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// No file was named.
    #[error("no input: name at least one file, or - for standard input")]
    NoFiles,
    /// Not there, or not allowed.
    #[error("cannot open {}: {source}", file.display())]
    Open {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A folder was named.
    #[error("{} is a folder: name the files in it", file.display())]
    Directory {
        /// Which.
        file: PathBuf,
    },
    /// Nothing in it.
    #[error("{} is empty: expected posts as NDJSON, CSV or Parquet", shown(file))]
    Empty {
        /// Which file.
        file: PathBuf,
    },
    /// Bytes that are no text in a file that is not compressed in a known way.
    #[error("{} is a binary file of an unknown kind: expected NDJSON, CSV or Parquet, plain, .gz or .zst", shown(file))]
    Binary {
        /// Which file.
        file: PathBuf,
    },
    /// Text of two bytes a character, as some spreadsheets write it.
    #[error("{} is UTF-16: save it as UTF-8", shown(file))]
    Utf16 {
        /// Which file.
        file: PathBuf,
    },
    /// Text, but not what the dialect is written in.
    #[error("{}: {reason}", shown(file))]
    Format {
        /// Which file.
        file: PathBuf,
        /// What was found and what is to be done.
        reason: String,
    },
    /// A table without the columns of a post.
    #[error("{}: column {error}; {}", shown(file), columns(&error.path))]
    Header {
        /// Which file.
        file: PathBuf,
        /// Which column.
        error: DecodeError,
    },
    /// The file breaks off or its compression is damaged.
    #[error("{} breaks off in line {line}, near byte {byte}: {source}; the lines before it were read", shown(file))]
    Damaged {
        /// Which file.
        file: PathBuf,
        /// Line (Parquet: row) at which reading stopped, from 1.
        line: u64,
        /// Bytes taken from the file as stored; reading runs ahead by a buffer of at most 128 KiB.
        byte: u64,
        /// Why.
        source: io::Error,
    },
    /// No room or no right to write a sorted run.
    #[error("cannot sort with a temporary file in {}: {source}; free some space there, or allow more memory", dir.display())]
    Spill {
        /// Where.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The caller's own error ended the reading.
    #[error("stopped by the receiver of the posts")]
    Stopped,
}

/// The name of a file in a message.
fn shown(file: &Path) -> std::borrow::Cow<'_, str> {
    if file == Path::new("-") { "standard input".into() } else { file.to_string_lossy() }
}

/// What to do about a table without this column.
fn columns(missing: &str) -> &'static str {
    match missing {
        "platform" => "name the platform of all rows (on the command line with --platform), or add the column",
        _ => {
            "a table of posts has the columns id, platform, account_id, account_name and created_at, or those of CooRTweet \
             or of coordination-network-toolkit"
        }
    }
}

/// Which posts came before.
struct Seen {
    hashes: HashSet<u64, foldhash::fast::FixedState>,
    keep: bool,
}

impl Seen {
    fn new(keep: bool) -> Self {
        Seen { hashes: HashSet::default(), keep }
    }

    /// `object`: what the post acts on is part of its identity.
    fn before(&mut self, post: &Post<'_>, object: bool) -> bool {
        if self.keep {
            return false;
        }
        let mut hash = Xxh3Default::new();
        // A separator that no UTF-8 text holds keeps neighbours apart.
        let mut field = |text: &str| {
            hash.update(text.as_bytes());
            hash.update(&[0xFF]);
        };
        field(&post.platform);
        field(&post.id);
        if object {
            post.urls.iter().chain(&post.hashtags).chain(&post.repost_of).for_each(|o| field(o));
        }
        !self.hashes.insert(hash.digest())
    }
}

#[cfg(test)]
mod tests;
