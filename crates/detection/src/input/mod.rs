//! Files of posts: whatever their format, compression and order, they become posts sorted by event
//! time.
//!
//! ```no_run
//! use detection::input::{Input, Options};
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
//! A file may be NDJSON, JSON values one after another, a JSON array or document, or a table: as
//! text (cells separated by `,`, `;`, tab or `|`), as Parquet, or as a workbook (.xlsx, .xls,
//! .ods). It may be plain or packed by gzip (also with several members), Zstandard, xz, bzip2 or in
//! a .zip; in UTF-8, UTF-16, Windows-1252 or the encoding that [`Options::encoding`] names. `-` is
//! standard input. The content decides the format, not the file's name. It also decides which
//! tool's or platform's JSON it is: `FORMATS.md` of this crate has a row for each.
//!
//! **Tables.** Before the first post, a [`Notice`] says how each column is read, and
//! [`Counts::tables`] counts the cells. A table whose columns would be misread is refused
//! ([`InputError::Columns`]); [`Options::mapping`] says how to read them. Every row is counted in
//! [`Counts::rows`], and is a post, a duplicate, bad, or skipped.
//!
//! Native posts come as exactly the bytes that were read, with any unknown fields (labels, for
//! example). Decoding drops those fields. To pass a post on, encode it again with
//! [`messages::post::encode`].
//!
//! **Nothing is lost silently.** A line that cannot be read is handed to the caller, with its place
//! and the reason. In a document, only the unreadable record is handed over, and the others are
//! read. An optional field that cannot be read is dropped, and counted by name in
//! [`Counts::unreadable`]. Of a file that breaks off, the readable part is read, and the damage is
//! in [`Counts::damaged`].
//!
//! **Order.** [`Input::sorted`] gives posts by (`created_at`, `id`), then platform, then order of
//! reading, in bounded memory: runs of at most [`Options::memory_mib`] are sorted in memory and, if
//! there are several, spilled to a temporary file and merged. In addition, 10 to 21 bytes per post
//! are kept to find duplicates.
//!
//! **Duplicates.** The second and later posts of one (platform, id) are dropped and counted. In
//! CooRTweet's layout they are dropped only if they have the same object as well, because there one
//! post with two objects is two rows; the second row's id gets its object appended. Two ids count
//! as equal if their 64-bit hashes are equal: among ten million posts, the chance that one is
//! dropped wrongly is about 3 in a million.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod duplicates;
mod encoding;
mod error;
mod mapping;
mod notice;
mod parquet_file;
mod read;
mod rows;
mod sort;
mod source;
mod stop;
mod table;
mod workbook;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use coordination::{Millis, Post};
use messages::DecodeError;
pub use messages::dialect::csv::Layout;
use messages::dialect::csv::{Columns, Concerns, Field, Mapping, Taken};
use messages::dialect::{ArchiveAccount, Dialect};

use self::duplicates::{Seen, Sight};
pub use self::encoding::encoding;
pub use self::error::InputError;
use self::error::shown;
pub use self::mapping::read_mapping;
pub use self::notice::{ColumnCount, Notice, NoticeSink, TableCounts};
pub use self::parquet_file::float as float_cell;
use self::read::Reading;
pub use self::sort::SortedPosts;
pub use self::stop::Stop;

/// How an [`Input`] is read.
#[derive(Debug, Clone)]
pub struct Options {
    /// The dialect of JSON values. If it is not given, every file's dialect is recognised
    /// ([`Dialect::recognise`]), with [`Dialect::Lockstep`] as the default. In that case, and with
    /// [`Dialect::Lockstep`], CSV and Parquet are accepted as well; [`Dialect::Csv`] accepts CSV
    /// only.
    pub dialect: Option<Dialect>,
    /// The account whose posts an archive holds. If it is not given, `account.js` next to the file
    /// is read.
    pub account: Option<ArchiveAccount>,
    /// The platform of rows without a platform.
    pub platform: Option<String>,
    /// Memory for one sorted run, in MiB.
    pub memory_mib: usize,
    /// Whether the posts are for another tool's method. Then later posts of the same platform and
    /// id are kept, because the method counts them, and times are numbers from any start, because
    /// the method only uses their differences.
    pub keep_duplicates: bool,
    /// Folder for spilled runs; the system's temporary folder if not given.
    pub spill_dir: Option<PathBuf>,
    /// Posts later than this are rejected: their clock, or the unit of their time, is wrong. `None`
    /// accepts any time.
    pub latest: Option<Millis>,
    /// The user's settings for tables, and the time zone of times without one, also in JSON: UTC if
    /// not given.
    pub mapping: Mapping,
    /// The encoding of text; `None`: it is recognised from the text.
    pub encoding: Option<&'static encoding_rs::Encoding>,
    /// The sheet of a workbook, by its name or its number from 1; `None`: the first sheet that is
    /// not empty.
    pub sheet: Option<String>,
    /// Ends the reading, and the run that uses it, when another thread or a callback requests it.
    pub stop: Stop,
    /// Receives the notices about files, columns and cells.
    pub notices: NoticeSink,
}

impl Options {
    /// The mapping, with the platform of rows without a platform.
    fn mapping_with_platform(&self) -> Mapping {
        let any_time = self.keep_duplicates || self.mapping.any_time;
        Mapping {
            any_time,
            platform: self.platform.clone().or_else(|| self.mapping.platform.clone()),
            ..self.mapping.clone()
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            dialect: None,
            account: None,
            platform: None,
            memory_mib: 256,
            keep_duplicates: false,
            spill_dir: None,
            latest: None,
            mapping: Mapping::default(),
            encoding: None,
            sheet: None,
            stop: Stop::default(),
            notices: NoticeSink::default(),
        }
    }
}

/// Files of posts, found but not yet read, or posts in memory.
#[derive(Debug)]
pub struct Input {
    source: InputSource,
    total: Option<u64>,
    options: Options,
}

/// Where posts come from.
enum InputSource {
    Files(Vec<PathBuf>),
    /// A table: its name in messages, its header and its rows.
    Table(PathBuf, Vec<String>, TableRows),
    Posts(MemoryPosts),
}

/// The rows of a table in memory, each with a cell for each column. An error ends the table.
pub type TableRows = Box<dyn Iterator<Item = io::Result<Vec<String>>> + Send>;

type MemoryPosts = Box<dyn Iterator<Item = Post<'static>> + Send>;

impl fmt::Debug for InputSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InputSource::Files(files) => f.debug_tuple("Files").field(files).finish(),
            InputSource::Table(name, header, _) => f.debug_tuple("Table").field(name).field(header).finish(),
            InputSource::Posts(_) => f.write_str("Posts(..)"),
        }
    }
}

impl Input {
    /// Checks the files: each must exist, be a file and not be empty.
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
        Ok(Input { source: InputSource::Files(files.to_vec()), total, options })
    }

    /// A table in memory. Its header and its cells are read like those of a file: a time, a number
    /// or a list is written as in CSV, and an empty cell means unknown. `name` replaces the file's
    /// name in messages.
    pub fn table(name: &str, header: Vec<String>, rows: TableRows, options: Options) -> Input {
        Input { source: InputSource::Table(name.into(), header, rows), total: None, options }
    }

    /// Posts in memory, each with all its links, hashtags and mentions, which are not taken from
    /// its text. Each is checked like a post in a file of the native dialect: a post without a
    /// required field is a bad line, numbered from 1.
    pub fn posts(posts: impl IntoIterator<Item = Post<'static>, IntoIter: Send + 'static>, options: Options) -> Input {
        Input { source: InputSource::Posts(Box::new(posts.into_iter())), total: None, options }
    }

    /// Size of all files as stored; `None` if one of them is a pipe or standard input, and for
    /// input in memory.
    pub fn total_bytes(&self) -> Option<u64> {
        self.total
    }

    /// Reads everything, in the order of the files, and hands over each post with its bytes in the
    /// native dialect. Duplicates are dropped as by [`Input::sorted`]. An error of `on_post` ends
    /// the reading and is returned.
    pub fn each<E: From<InputError>>(
        self,
        on_post: &mut OnPost<'_, E>,
        on_bad: &mut dyn FnMut(BadLine),
        on_progress: &mut dyn FnMut(Progress),
    ) -> Result<Counts, E> {
        self.each_row(&mut |post, raw, _| on_post(post, raw), on_bad, on_progress)
    }

    /// As [`Input::each`], with the row if it is in the layout of another tool.
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
            let object = peer.filter(|row| row.layout == Layout::CooRTweet).map(|row| row.object);
            let outcome = match seen.see(post, object) {
                Sight::First => on_post(post, raw, peer),
                Sight::Again => {
                    duplicates += 1;
                    return Ok(());
                }
                Sight::OtherObject(object) => {
                    // The engine accepts each id once, so the next object of a post becomes a post
                    // with an id of its own.
                    let own = Post { id: format!("{} ({object})", post.id).into(), ..post.clone() };
                    on_post(&own, &messages::post::encode(&own), peer)
                }
            };
            outcome.map_err(|error| {
                stopped = Some(error);
                InputError::Stopped
            })
        };
        let outcome = Reading::new(&self.options, self.total, &mut sink, on_bad, on_progress).all(self.source);
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

    /// How the tables would be read, from their first rows. Nothing else is read.
    pub fn preview(self, rows: usize) -> Result<Vec<Preview>, InputError> {
        let mut sink = |_: &Post<'_>, _: &[u8], _: Option<&PeerRow<'_>>| Ok(());
        let (mut on_bad, mut on_progress) = (|_: BadLine| {}, |_: Progress| {});
        let reading = Reading::new(&self.options, self.total, &mut sink, &mut on_bad, &mut on_progress);
        reading.previews(self.source, rows)
    }

    /// Reads everything, then gives the posts by event time.
    pub fn sorted(
        self,
        on_bad: &mut dyn FnMut(BadLine),
        on_progress: &mut dyn FnMut(Progress),
    ) -> Result<SortedPosts, InputError> {
        let stop = self.options.stop.clone();
        let mut sorter = sort::Sorter::new(self.options.memory_mib, self.options.spill_dir.clone(), stop);
        let counts = self.each::<InputError>(&mut |post, raw| sorter.push(post, raw), on_bad, on_progress)?;
        sorter.finish(counts)
    }
}

/// Takes a post and its bytes in the native dialect.
pub type OnPost<'c, E> = dyn FnMut(&Post<'_>, &[u8]) -> Result<(), E> + 'c;

/// As [`OnPost`], with the row if it is in the layout of another tool.
pub type OnRow<'c, E> = dyn FnMut(&Post<'_>, &[u8], Option<&PeerRow<'_>>) -> Result<(), E> + 'c;

/// Cells of a row in the layout of another tool, unchanged. A post cleans some of them and drops
/// fractions of a millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerRow<'a> {
    /// The layout; never the native one.
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
        let layout = columns.layout();
        if matches!(layout, Layout::Native | Layout::Tool(_)) {
            return None;
        }
        let cell = |field| columns.cell_of(cells, field).unwrap_or_default();
        Some(PeerRow {
            layout,
            object: cell(Field::Object),
            urls: cell(Field::Urls),
            timestamp: cell(Field::CreatedAt),
        })
    }
}

/// How a table would be read.
#[derive(Debug, Clone)]
pub struct Preview {
    /// The file, as given; for a member of an archive, with the member's name.
    pub file: Arc<Path>,
    /// The layout of its columns, or its format if it has no columns.
    pub layout: String,
    /// The platform of rows without a platform.
    pub platform: Option<String>,
    /// Its columns; empty if it is not a table.
    pub columns: Vec<PreviewColumn>,
    /// The posts of the first rows in the native dialect, or why there is none.
    pub posts: Vec<Result<String, String>>,
    /// Doubts about the columns, and why the table would be refused.
    pub concerns: Concerns,
}

/// A column of a table.
#[derive(Debug, Clone)]
pub struct PreviewColumn {
    /// Its name in the header.
    pub column: String,
    /// How it is read.
    pub taken: Taken,
    /// Its first cells.
    pub cells: Vec<String>,
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

/// Counts of the input.
#[derive(Debug, Default)]
pub struct Counts {
    /// Posts given to the caller.
    pub posts: u64,
    /// Lines, rows or elements that could not be read. Each was handed to `on_bad`.
    pub bad: u64,
    /// Later posts of the same platform and id, which were dropped.
    pub duplicates: u64,
    /// Values that are not posts in their dialect, such as deletions and service messages.
    pub not_posts: u64,
    /// Optional fields that could not be read, by name. Their posts were read without them.
    pub unreadable: BTreeMap<String, Unreadable>,
    /// Posts whose time has no offset from UTC and was read as UTC, because no time zone was given.
    pub local_times: u64,
    /// Lines of tables that are not rows: lines before the header, and repeated headers.
    pub passed_over: u64,
    /// Rows, lines and values: each is a post, a duplicate, bad, not a post, or skipped.
    pub rows: u64,
    /// Counts of each table, in the order of reading.
    pub tables: Vec<TableCounts>,
    /// Files that broke off. Everything before the break was read.
    pub damaged: Vec<InputError>,
}

impl Counts {
    /// For each field that could not be read somewhere: its name and the number of such posts.
    pub fn unreadable_fields(&self) -> BTreeMap<&str, u64> {
        self.unreadable.iter().map(|(field, unreadable)| (field.as_str(), unreadable.posts)).collect()
    }

    /// One entry for each column of all tables, for `summary.json`.
    pub fn column_entries(&self) -> Vec<serde_json::Value> {
        self.tables.iter().flat_map(TableCounts::entries).collect()
    }
}

/// An optional field that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Posts in which it could not be read. They were read without it.
    pub posts: u64,
    /// The first of them, with its place and the reason.
    pub first: String,
}

/// A line, row or element that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// The file, as given; `-` for standard input.
    pub file: Arc<Path>,
    /// Its line from 1; the row, in Parquet.
    pub line: u64,
    /// The field, the reason, and the text.
    pub error: DecodeError,
    /// The line as read; in a document, the record; in Parquet, the row's cells as a JSON array. If
    /// it is too long for any post, only its start.
    pub raw: Vec<u8>,
    /// Bytes that were read; larger than `raw` if that is only the start.
    pub length: u64,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", shown(&self.file), self.line, self.error)?;
        if self.length > self.raw.len() as u64 {
            write!(f, " (of {} bytes, the first {} are kept)", self.length, self.raw.len())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
