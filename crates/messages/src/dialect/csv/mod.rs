//! Posts as rows under a header. The header decides what the columns mean.
//!
//! - **Native**: the names of the [native dialect](crate::post), or the [aliases](Field::aliases)
//!   that published collections use. Lists are JSON, Python, R or PostgreSQL lists (also of objects
//!   with a known key), bracketed lists (`[a, b]`), or separated by white space or `|` and, except
//!   for links, by `,` and `;`. An empty cell means "not known", and so does `NA` and the like
//!   ([`MISSING`]), except in texts and names. Times without an offset are read as UTC unless the
//!   user names a time zone.
//! - **CooRTweet**: `object_id` and `content_id`, with an account and a time. The kind of object is
//!   not given, so it follows from the spelling: what looks like a link is a link, a leading `#`
//!   makes a hashtag, and everything else is the id of a reposted post, the kind with the fewest
//!   requirements on an id. One content with several objects is several rows, each of them a post
//!   here.
//! - **coordination-network-toolkit**: `message_id, user_id, username, repost_id, reply_id,
//!   message, timestamp, urls`. `urls` is separated by white space, and an empty cell means that
//!   there is no link.
//! - **Tools' tables**: [`TOOL_LAYOUTS`], known by their own columns.
//!
//! Each of them may have more columns, in any order. A [`Mapping`] has priority over all of this.
//! The layouts of the two published tools have no platform: it is [`UNKNOWN_PLATFORM`] unless the
//! caller names one.
//!
//! A repost without its original is read as a repost of a post that all reposts with the same text
//! share: its words are not its author's own.
//!
//! An optional field that cannot be read never costs the post: it is unknown, and [`CellCounts`]
//! counts it. An id that was rounded ends the table ([`RowError::Table`]), because rounded ids
//! merge different posts and people.

use std::borrow::Cow;

use coordination::Post;
use xxhash_rust::xxh3::Xxh3;

use super::twint;
use crate::error::DecodeError;
use crate::normalise::{Entities, MAX_VALUE_BYTES, normalised, too_long};
use crate::times::TableTimes;

mod fields;
mod header;
mod ids;
mod layouts;
mod lists;
mod literal;
mod mapping;
mod reader;

pub use self::fields::{Field, normal};
pub use self::header::{By, Concerns, Taken, known_names};
pub use self::layouts::{TOOL_LAYOUTS, ToolLayout};
pub use self::mapping::{MISSING, Mapping, Missing};
pub use crate::times::{TIME_FORMS, TimeFormat, time_zone};

use self::lists::Items;
use self::reader::{RowReader, platform_of};

/// The platform of posts from a layout without platforms.
pub const UNKNOWN_PLATFORM: &str = "unknown";

/// How a header is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// The native names or their aliases.
    Native,
    /// CooRTweet's columns.
    CooRTweet,
    /// coordination-network-toolkit's columns.
    CoordinationNetworkToolkit,
    /// The table of this tool, one of [`TOOL_LAYOUTS`].
    Tool(&'static str),
}

impl Layout {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Layout::Native => "table of posts",
            Layout::CooRTweet => "CooRTweet",
            Layout::CoordinationNetworkToolkit => "coordination-network-toolkit",
            Layout::Tool(name) => name,
        }
    }
}

/// A header whose columns are assigned to fields.
#[derive(Debug, Clone)]
pub struct Columns {
    layout: Layout,
    header: Vec<String>,
    /// The header's names in the form in which names are compared.
    names: Vec<String>,
    taken: Vec<Taken>,
    /// By field: alternatives, best first; the columns of one alternative count together.
    places: Vec<Vec<Vec<usize>>>,
    platform: Option<String>,
    times: TableTimes,
    missing: Missing,
    make_ids: bool,
}

/// Counts of a column's cells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CellCount {
    /// Cells with a value that was read.
    pub read: u64,
    /// Cells without a value.
    pub missing: u64,
    /// Cells with a value that could not be read.
    pub unreadable: u64,
    /// Cells that were read after characters around an id were removed: `102.0`, `="79"`.
    pub repaired: u64,
}

/// Counts of a table's cells, and of its times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CellCounts {
    /// By column, in the order of the header.
    pub columns: Vec<CellCount>,
    /// Posts whose time has no time zone.
    pub times_without_zone: u64,
    /// Posts that are reposts without an original.
    pub reposts_by_text: u64,
}

impl CellCounts {
    /// Zero counts for this number of columns.
    pub fn new(columns: usize) -> CellCounts {
        CellCounts { columns: vec![CellCount::default(); columns], ..CellCounts::default() }
    }
}

/// Why a row gives no post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowError {
    /// The row is faulty.
    Row(DecodeError),
    /// The table is faulty: no row of it should be used.
    Table(DecodeError),
}

impl From<DecodeError> for RowError {
    fn from(error: DecodeError) -> RowError {
        RowError::Row(error)
    }
}

impl Columns {
    /// The layout.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The platform of rows without a platform.
    pub fn platform(&self) -> Option<&str> {
        self.platform.as_deref()
    }

    /// The names in the header, unchanged.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// The cell under a name of the header (in the form of [`normal`]), unchanged; `None` if there
    /// is no such column.
    pub fn cell<'a>(&self, cells: &[&'a str], name: &str) -> Option<&'a str> {
        cells.get(self.names.iter().position(|n| n == name)?).copied()
    }

    /// The cell that a field is read from, unchanged.
    pub fn cell_of<'a>(&self, cells: &[&'a str], field: Field) -> Option<&'a str> {
        cells.get(*self.places[field as usize].first()?.first()?).copied()
    }

    /// How many columns there are.
    pub fn len(&self) -> usize {
        self.header.len()
    }

    /// Whether posts get an id made of their account, time and text: no column has ids, and the
    /// user asks for it or the tool writes no ids.
    pub fn makes_ids(&self) -> bool {
        self.places[Field::Id as usize].is_empty() && (self.make_ids || matches!(self.layout, Layout::Tool(_)))
    }

    /// Whether there are no columns.
    pub fn is_empty(&self) -> bool {
        self.header.is_empty()
    }

    /// Whether the cells are the header again, as when one file was appended to another.
    pub fn repeats<'c>(&self, cells: impl ExactSizeIterator<Item = &'c str>) -> bool {
        cells.len() == self.header.len()
            && cells.zip(&self.header).all(|(cell, name)| cell.trim().trim_start_matches('\u{feff}').trim() == name)
    }

    /// Whether the time of a post can be read from these cells: then they are a row.
    pub fn is_timed(&self, cells: &[&str]) -> bool {
        cells.len() == self.header.len()
            && self.cell_of(cells, Field::CreatedAt).is_some_and(|cell| self.times.read(cell, true).is_ok())
    }

    /// Decides from some rows whether numeric dates have the day or the month first. Returns an
    /// error if most of the times leave that open.
    pub fn settle_times(&mut self, rows: &[Vec<&str>]) -> Result<(), DecodeError> {
        let Some(place) = self.places[Field::CreatedAt as usize].first().and_then(|columns| columns.first()).copied()
        else {
            return Ok(());
        };
        let found = self.times.settle(rows.iter().filter_map(|cells| cells.get(place).copied()));
        if !self.times.settled() && found.open > 0 && found.open * 2 > rows.len() as u64 {
            let open =
                rows.iter().filter_map(|cells| cells.get(place)).find_map(|cell| self.times.read(cell, false).err());
            return Err(DecodeError::new(
                self.header[place].clone(),
                open.unwrap_or_default(),
                rows.iter().filter_map(|cells| cells.get(place)).next().unwrap_or(&"").as_bytes(),
            ));
        }
        Ok(())
    }

    /// rtweet writes an `x` before ids, so that spreadsheets do not change them.
    fn without_mark<'a>(&self, id: Cow<'a, str>) -> Cow<'a, str> {
        match (self.layout, &id) {
            (Layout::Tool("rtweet"), Cow::Borrowed(text)) => match text.strip_prefix('x') {
                Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Cow::Borrowed(digits),
                _ => id,
            },
            _ => id,
        }
    }

    /// Reads one row, given as its cells. The errors' paths are the names in the header.
    pub fn post<'a>(&self, cells: &[&'a str]) -> Result<Post<'a>, DecodeError> {
        self.read(cells, &mut CellCounts::new(self.len())).map_err(|error| match error {
            RowError::Row(error) | RowError::Table(error) => error,
        })
    }

    /// Reads one row and counts its cells.
    pub fn read<'a>(&self, cells: &[&'a str], counts: &mut CellCounts) -> Result<Post<'a>, RowError> {
        if cells.len() != self.header.len() {
            let reason = format!("has {} cells, but the header has {} columns", cells.len(), self.header.len());
            return Err(DecodeError::new("", reason, cells.join(",").as_bytes()).into());
        }
        if cells.iter().map(|cell| cell.len()).sum::<usize>() > MAX_VALUE_BYTES {
            return Err(too_long(cells.join(",").as_bytes()).into());
        }
        let mut row = RowReader { columns: self, cells, counts };
        let id = if self.makes_ids() { Cow::Borrowed("") } else { row.required_id(Field::Id)? };
        let platform = match row.text(Field::Platform) {
            Some(platform) => platform,
            None => match &self.platform {
                Some(platform) => Cow::Owned(platform.clone()),
                None => match row.text(Field::PlatformOfLink) {
                    Some(link) => Cow::Borrowed(platform_of(&link)),
                    None => return Err(row.missing(Field::Platform).into()),
                },
            },
        };
        let mut post = Post {
            id,
            platform,
            account_id: row.required_id(Field::AccountId)?,
            account_name: row.name().unwrap_or_default(),
            created_at: row.created_at()?,
            text: row.text(Field::Text).unwrap_or_default(),
            lang: row.text(Field::Lang),
            media: row.list(Field::Media, Items::Hashes).unwrap_or_default(),
            repost_of: row.id(Field::RepostOf)?,
            repost_of_account: row.id(Field::RepostOfAccount)?,
            reply_to: row.id(Field::ReplyTo)?,
            reply_to_account: row.id(Field::ReplyToAccount)?,
            quote_of: row.id(Field::QuoteOf)?,
            quote_of_account: row.id(Field::QuoteOfAccount)?,
            client: row.text(Field::Client),
            followers: row.count(Field::Followers),
            following: row.count(Field::Following),
            account_created_at: row.moment(Field::AccountCreatedAt, true),
            account_posts: row.count(Field::AccountPosts),
            default_profile: row.truth(Field::DefaultProfile),
            deleted_at: row.moment(Field::DeletedAt, false),
            ..Post::default()
        };
        let mut entities = Entities {
            urls: row.list(Field::Urls, Items::Links),
            hashtags: row.list(Field::Hashtags, Items::Tags),
            mentions: row.list(Field::Mentions, Items::Accounts),
        };
        match self.layout {
            Layout::Native | Layout::Tool(_) => {}
            Layout::CoordinationNetworkToolkit => {
                entities.urls.get_or_insert_default();
            }
            Layout::CooRTweet => {
                let object = row.required_id(Field::Object)?;
                if ids::is_link(&object) {
                    entities.urls.get_or_insert_default().push(object);
                } else if object.starts_with(['#', '＃']) {
                    entities.hashtags.get_or_insert_default().push(object);
                } else {
                    post.repost_of = Some(object);
                }
            }
        }
        if row.truth(Field::IsRepost) == Some(true)
            && post.repost_of.is_none()
            && !post.text.trim().is_empty()
            && !post.text.starts_with("RT @")
        {
            // The words are the original's. The original is not named, but reposts of one post have
            // the same text.
            post.repost_of = Some(format!("text {:016x}", named_by(&[&post.text])).into());
            row.counts.reposts_by_text += 1;
        }
        if self.layout == Layout::Tool("twint")
            && let Some(retweet) = post.repost_of.take()
        {
            // As in twint's JSON: the row is the original's, and has the reposting account next to
            // it.
            post.created_at = twint::snowflake(&retweet)?;
            post.repost_of = Some(std::mem::replace(&mut post.id, retweet));
            let by = post.repost_of_account.take().ok_or_else(|| row.missing(Field::RepostOfAccount))?;
            post.repost_of_account = Some(std::mem::replace(&mut post.account_id, by));
            post.account_name = self.cell(cells, "user_rt").unwrap_or_default().into();
        }
        if self.makes_ids() {
            let time = post.created_at.to_string();
            post.id = format!("made-{:016x}", named_by(&[&post.account_id, &time, &post.text])).into();
        }
        Ok(normalised(post, entities, b"")
            .map_err(|error| DecodeError { excerpt: crate::excerpt(cells.join(",").as_bytes()), ..error })?)
    }
}

/// A number made of some texts, the same in every run.
fn named_by(texts: &[&str]) -> u64 {
    let mut hash = Xxh3::new();
    for text in texts {
        hash.update(text.trim().as_bytes());
        hash.update(b"\0");
    }
    hash.digest()
}
