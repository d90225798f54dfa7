//! Files of posts: whatever their format, compression and order, to posts by event time.
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
//! A file may be NDJSON, JSON values printed one after another, a JSON array or document, a table as text (cells parted by `,`, `;`, tab or `|`), as Parquet or as a workbook
//! (.xlsx, .xls, .ods); plain, or packed by gzip (also of several members), Zstandard, xz, bzip2 or in a .zip; in UTF-8, UTF-16,
//! Windows-1252 or the encoding that [`Options::encoding`] names. `-` is standard input. Content decides, not the name, also which
//! tool's or platform's JSON it is: `FORMATS.md` beside this crate has a row for each.
//!
//! **Tables.** What each column is taken for is told before the first post ([`Notice`]), and counted ([`Counts::tables`]). A table whose
//! columns would be misread is refused ([`InputError::Columns`]); [`Options::mapping`] says what is what. Every row is one of
//! [`Counts::rows`], and each of these is a post, a duplicate, bad, or passed over.
//!
//! Native posts come as the very bytes that were read, with any unknown fields (labels, say) still in them; decoding drops those. To
//! pass a post on, write it anew with [`messages::post::encode`].
//!
//! **Nothing is lost silently.** A line that cannot be read is handed to the caller, with its place and the reason; of a document, the record
//! that cannot be read is, and the others are taken. An optional field that cannot be read costs the field, and is counted by name in
//! [`Counts::unreadable`]. A file that breaks off gives what could be read, and its damage is in [`Counts::damaged`].
//!
//! **Order.** [`Input::sorted`] gives posts by (`created_at`, `id`), then platform, then order of reading, in bounded memory: runs
//! of at most [`Options::memory_mib`] are sorted in memory and, if there are several, spilled to a temporary file and merged. Beside
//! that, 10 to 21 bytes a post are kept to find duplicates.
//!
//! **Duplicates.** The second and later posts of one (platform, id) are dropped and counted; rows of CooRTweet's layout only if they have
//! the same object, too, because there one post with two objects is two rows: the second has its object behind its id. Two ids are held equal if their 64-bit hashes are: among
//! ten million posts, the chance that one is dropped wrongly is about 3 in a million.

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

/// How an [`Input`] is read.
#[derive(Debug, Clone)]
pub struct Options {
    /// The dialect of JSON values; where it is not told, every file's is recognised ([`Dialect::recognise`]), and is
    /// [`Dialect::Lockstep`] if it is not known. Then, and with [`Dialect::Lockstep`], CSV and Parquet are taken, too;
    /// [`Dialect::Csv`] takes nothing else than CSV.
    pub dialect: Option<Dialect>,
    /// Whose posts an archive holds. Where it is not told, `account.js` beside the file is looked at.
    pub account: Option<ArchiveAccount>,
    /// The platform of rows that name none.
    pub platform: Option<String>,
    /// Memory for one sorted run, in MiB.
    pub memory_mib: usize,
    /// Whether the posts are for a peer's method: later posts of the same platform and id are kept, because it counts them, and times are
    /// numbers from any start, because it looks at their differences only.
    pub keep_duplicates: bool,
    /// Where runs are spilled; the system's temporary folder if not given.
    pub spill_dir: Option<PathBuf>,
    /// Posts later than this are rejected: their clock, or the unit of their time, is wrong. `None` takes any time.
    pub latest: Option<Millis>,
    /// What the user says of tables, and the zone of times that name none, in JSON too: where it is not told they are taken as UTC.
    pub mapping: Mapping,
    /// The encoding of text; seen from the text where it is `None`.
    pub encoding: Option<&'static encoding_rs::Encoding>,
    /// The sheet of a workbook, by its name or its number from 1; the first that holds something where it is `None`.
    pub sheet: Option<String>,
    /// Who is told what files and columns were taken for, and what became of cells.
    pub notices: NoticeSink,
}

impl Options {
    /// The mapping, with the platform of rows that name none.
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
    /// A table: what messages call it, its header and its rows.
    Table(PathBuf, Vec<String>, TableRows),
    Posts(MemoryPosts),
}

/// The rows of a table in memory, each with a cell for each column; an error ends the table.
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
        Ok(Input { source: InputSource::Files(files.to_vec()), total, options })
    }

    /// A table in memory. Its header is read as that of a file would be, and so are its cells: a time, a number or a list is written as
    /// it would be in CSV, and an empty cell is not known. `name` stands in messages in place of a file's.
    pub fn table(name: &str, header: Vec<String>, rows: TableRows, options: Options) -> Input {
        Input { source: InputSource::Table(name.into(), header, rows), total: None, options }
    }

    /// Posts in memory, each with all its links, hashtags and mentions, which are not taken from its text. Each is checked as if it stood in
    /// a file in the native dialect: one that lacks what every post needs is a bad line, numbered from 1.
    pub fn posts(posts: impl IntoIterator<Item = Post<'static>, IntoIter: Send + 'static>, options: Options) -> Input {
        Input { source: InputSource::Posts(Box::new(posts.into_iter())), total: None, options }
    }

    /// Size of all files as stored; `None` where one of them is a pipe or standard input, and for what is in memory.
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
            let object = peer.filter(|row| row.layout == Layout::CooRTweet).map(|row| row.object);
            let outcome = match seen.see(post, object) {
                Sight::First => on_post(post, raw, peer),
                Sight::Again => {
                    duplicates += 1;
                    return Ok(());
                }
                Sight::OtherObject(object) => {
                    // The engine takes each id once: the next object of a content is a post with an id of its own.
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

    /// What would be done with the tables, from their first rows: nothing else is read.
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

/// What would be done with a table.
#[derive(Debug, Clone)]
pub struct Preview {
    /// The file, as given; of an archive with the name of its member.
    pub file: Arc<Path>,
    /// The layout of its columns, or how else it is written.
    pub layout: String,
    /// The platform of rows that name none.
    pub platform: Option<String>,
    /// Its columns; none where it is no table.
    pub columns: Vec<PreviewColumn>,
    /// What the first rows give: posts in the native dialect, or why there is none.
    pub posts: Vec<Result<String, String>>,
    /// What is doubtful, and why it would not be read.
    pub concerns: Concerns,
}

/// A column of a table.
#[derive(Debug, Clone)]
pub struct PreviewColumn {
    /// Its name in the header.
    pub column: String,
    /// What it is taken for.
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
    /// Optional fields that are there and cannot be read, by name. The posts were read without them.
    pub unreadable: BTreeMap<String, Unreadable>,
    /// Posts whose time has no offset from UTC and was taken as UTC for want of a zone.
    pub local_times: u64,
    /// Lines of tables that are no rows: before the header, and headers that come again.
    pub passed_over: u64,
    /// Rows, lines and values: each is a post, a duplicate, bad, no post or passed over.
    pub rows: u64,
    /// What became of each table, in the order of reading.
    pub tables: Vec<TableCounts>,
    /// Files that broke off: all before the break was read.
    pub damaged: Vec<InputError>,
}

impl Counts {
    /// By name, in how many posts each field that could not be read was such.
    pub fn unreadable_fields(&self) -> BTreeMap<&str, u64> {
        self.unreadable.iter().map(|(field, unreadable)| (field.as_str(), unreadable.posts)).collect()
    }

    /// What became of the columns of all tables, an entry a column, for `summary.json`.
    pub fn column_entries(&self) -> Vec<serde_json::Value> {
        self.tables.iter().flat_map(TableCounts::entries).collect()
    }
}

/// An optional field that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Posts in which it could not be read; they do without it.
    pub posts: u64,
    /// The first one, with its place and why.
    pub first: String,
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
    /// The line as read; of a document the record. Of a Parquet row its cells, as a JSON array; of what is too long for any post, its
    /// start.
    pub raw: Vec<u8>,
    /// Bytes that were read: more than `raw` has, if that is the start only.
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
