//! The dialects that posts come in from outside, one module each, all to [`coordination::Post`].
//!
//! A value (a line, or a document) holds records: one, or many in a page or an export. Each record has an outcome of its own, and comes
//! with the very bytes it stands in, so that a bad one costs nothing but itself and can be put aside alone.

use std::fmt;
use std::ops::ControlFlow;
use std::str::FromStr;

use coordination::{Millis, Post};
use jiff::tz::TimeZone;

use crate::error::DecodeError;

mod activity;
mod apify;
mod archive;
mod bluesky;
pub mod csv;
pub(crate) mod document;
mod html;
mod mastodon;
mod recognise;
mod scan;
mod snscrape;
mod telegram;
mod twint;
mod web;
mod x;
mod zeeschuimer;

/// The longest foreign value that is read, in bytes: a page of posts or a whole export is one value.
pub const MAX_DOCUMENT_BYTES: usize = 2 << 30;

/// How the posts of an input are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dialect {
    /// The native dialect, see [`crate::post`].
    Lockstep,
    /// X: posts of API v2, alone or as a page with `data` and `includes`; posts of API v1.1, alone, as search results or from a stream.
    X,
    /// The archive that X gives an account of its own posts (`tweets.js`).
    TwitterArchive,
    /// Bluesky: commit events of Jetstream, old and new; posts and feeds of the AppView.
    Bluesky,
    /// Mastodon: statuses of its REST and streaming API, search results, and an account's archive (`outbox.json`).
    Mastodon,
    /// Telegram: Telegram Desktop's JSON export; messages as Telethon, Pyrogram and the Bot API give them.
    Telegram,
    /// Zeeschuimer: items of X, TikTok and Instagram as the browser gets them.
    Zeeschuimer,
    /// 4CAT: items of its datasets as NDJSON.
    FourCat,
    /// snscrape: items of its modules for Twitter, Telegram, Mastodon and others.
    Snscrape,
    /// twint: tweets as JSON.
    Twint,
    /// Apify: datasets of its scrapers of X, TikTok, Instagram and Facebook.
    Apify,
    /// Rows under a header, see [`csv`].
    Csv,
}

impl Dialect {
    /// All dialects.
    pub const ALL: [Dialect; 12] = [
        Dialect::Lockstep,
        Dialect::X,
        Dialect::TwitterArchive,
        Dialect::Bluesky,
        Dialect::Mastodon,
        Dialect::Telegram,
        Dialect::Zeeschuimer,
        Dialect::FourCat,
        Dialect::Snscrape,
        Dialect::Twint,
        Dialect::Apify,
        Dialect::Csv,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Dialect::Lockstep => "lockstep",
            Dialect::X => "x",
            Dialect::TwitterArchive => "twitter-archive",
            Dialect::Bluesky => "bluesky",
            Dialect::Mastodon => "mastodon",
            Dialect::Telegram => "telegram",
            Dialect::Zeeschuimer => "zeeschuimer",
            Dialect::FourCat => "4cat",
            Dialect::Snscrape => "snscrape",
            Dialect::Twint => "twint",
            Dialect::Apify => "apify",
            Dialect::Csv => "csv",
        }
    }

    /// What is written in it, for a sentence.
    pub fn about(self) -> &'static str {
        match self {
            Dialect::Lockstep => "Lockstep's own posts",
            Dialect::X => "posts of the X (Twitter) API",
            Dialect::TwitterArchive => "an account's archive of X (Twitter)",
            Dialect::Bluesky => "posts of Bluesky (Jetstream or AppView)",
            Dialect::Mastodon => "statuses of Mastodon",
            Dialect::Telegram => "messages of Telegram",
            Dialect::Zeeschuimer => "items collected with Zeeschuimer",
            Dialect::FourCat => "items of a 4CAT dataset",
            Dialect::Snscrape => "items of snscrape",
            Dialect::Twint => "tweets of twint",
            Dialect::Apify => "items of an Apify dataset",
            Dialect::Csv => "a table",
        }
    }

    /// Reads one JSON value, a line or a whole document, and hands over every record in it. A list is its elements. `take` may break
    /// off.
    pub fn decode<'a>(self, value: &'a [u8], context: &Context, take: &mut Take<'_, 'a>) -> Flow {
        if value.len() > MAX_DOCUMENT_BYTES {
            let error = DecodeError::new("", format!("has more than {MAX_DOCUMENT_BYTES} bytes"), value);
            return take(Record::new(value, Err(error)));
        }
        let value = scan::content(value);
        if !value.starts_with(b"[") {
            return self.one(value, "", context, take);
        }
        let mut none = true;
        for (at, element) in scan::elements(value).enumerate() {
            none = false;
            self.one(element, &format!("[{at}]"), context, take)?;
        }
        if none { take(Record::new(value, Ok(None))) } else { Flow::Continue(()) }
    }

    /// As [`Dialect::decode`], of a value that is no list. `at` is its path.
    fn one<'a>(self, value: &'a [u8], at: &str, context: &Context, take: &mut Take<'_, 'a>) -> Flow {
        match self {
            Dialect::Lockstep => {
                let (outcome, unreadable) = match crate::post::read(value) {
                    Ok((post, unreadable)) => (Ok(Some(post)), unreadable),
                    Err(error) => (Err(error.inside(at)), Vec::new()),
                };
                take(Record { raw: value, outcome, unreadable, local_time: false })
            }
            Dialect::X => x::decode(value, at, context, take),
            Dialect::TwitterArchive => archive::decode(value, at, context, take),
            Dialect::Bluesky => bluesky::decode(value, at, take),
            Dialect::Mastodon => mastodon::decode(value, at, take),
            Dialect::Telegram => telegram::decode(value, at, context, take),
            Dialect::Zeeschuimer => zeeschuimer::decode(value, at, take),
            Dialect::FourCat => zeeschuimer::decode_4cat(value, at, context, take),
            Dialect::Snscrape => snscrape::decode(value, at, take),
            Dialect::Twint => twint::decode(value, at, context, take),
            Dialect::Apify => apify::decode(value, at, take),
            Dialect::Csv => {
                let error = DecodeError::new("", "rows need their header: read CSV as a file", value);
                take(Record::new(value, Err(error)))
            }
        }
    }
}

/// The JSON values of a document, one after another, as they stand; what is not sound goes out as it is.
pub fn values(document: &[u8]) -> impl Iterator<Item = &[u8]> {
    scan::values(scan::content(document))
}

/// Whether a text is a script that assigns JSON to a name, as the files of an archive of X are.
pub fn is_script(text: &[u8]) -> bool {
    scan::script(scan::content_start(text)).is_some()
}

/// How the values of a JSON file lie in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layering {
    /// One value a line.
    Lines,
    /// A list or another value over several lines, or several one after another.
    Document,
}

impl Layering {
    /// Tells it from the beginning of a file; `whole` if that is all of it. A first line that is damaged makes no document of lines.
    pub fn of(head: &[u8], whole: bool) -> Layering {
        let mut lines: Vec<&[u8]> = head.split(|byte| *byte == b'\n').collect();
        if !whole && lines.len() > 1 {
            // It may go on.
            lines.pop();
        }
        let mut filled =
            lines.into_iter().filter(|line| !line.iter().all(|byte| byte.is_ascii_whitespace() || *byte == 0));
        let first = filled.next().unwrap_or_default();
        let rest: Vec<&[u8]> = filled.take(8).collect();
        let start = scan::content_start(first).trim_ascii_end();
        let document = if is_script(head) {
            true
        } else if start.starts_with(b"[") {
            // Lists may stand one a line.
            !(scan::is_whole(start) && rest.iter().any(|line| scan::is_whole(line)))
        } else if scan::is_whole(start) {
            false
        } else if start.starts_with(b"{") && matches!(start.last(), Some(b'[' | b'{' | b',')) {
            true
        } else if rest.iter().any(|line| line.starts_with(b"{") && scan::is_whole(line)) {
            false
        } else {
            // A value that goes on in the next line, or several in one.
            start.starts_with(b"{")
                && (rest.first().is_some_and(|line| !line.starts_with(b"{"))
                    || scan::values(start).count() > 1 && scan::values(start).all(scan::is_whole))
        };
        if document { Layering::Document } else { Layering::Lines }
    }
}

/// What a value does not say itself and its reader may know.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// Whose posts these are, where the posts do not say so: an archive's.
    pub account: Option<ArchiveAccount>,
    /// The platform of records that name none; [`csv::UNKNOWN_PLATFORM`] where this is not told either.
    pub platform: Option<String>,
    /// The zone of times that are written without an offset from UTC. Where it is not known they are taken as UTC, and said to be so
    /// ([`Record::local_time`]).
    pub timezone: Option<TimeZone>,
}

/// An account that is told beside its posts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArchiveAccount {
    /// Its id on its platform.
    pub id: String,
    /// Its handle; empty where it is not known.
    pub name: String,
    /// When it was made.
    pub created_at: Option<Millis>,
}

impl ArchiveAccount {
    /// Reads `account.js`, which lies beside `tweets.js` in an archive.
    pub fn of_archive(script: &[u8]) -> Result<ArchiveAccount, DecodeError> {
        archive::account(script)
    }
}

impl FromStr for ArchiveAccount {
    type Err = String;

    /// Reads `ID` or `ID:NAME`.
    fn from_str(text: &str) -> Result<ArchiveAccount, String> {
        let (id, name) = text.split_once(':').unwrap_or((text, ""));
        if id.trim().is_empty() {
            return Err("expected an account's id, or ID:NAME".to_owned());
        }
        Ok(ArchiveAccount {
            id: id.trim().to_owned(),
            name: name.trim().trim_start_matches('@').to_owned(),
            created_at: None,
        })
    }
}

/// Whether to go on.
pub type Flow = ControlFlow<()>;

/// Takes the records of a value, one after another.
pub type Take<'c, 'a> = dyn FnMut(Record<'a>) -> Flow + 'c;

/// One record of a value, and what it was read as.
#[derive(Debug)]
pub struct Record<'a> {
    /// The bytes it stands in, a part of the value.
    pub raw: &'a [u8],
    /// A post; or nothing, where it is something else that the source sends (a deletion, a like, a service message); or why it cannot be
    /// read, with its path in the value.
    pub outcome: Result<Option<Post<'a>>, DecodeError>,
    /// Optional fields that are there and cannot be read, with their paths in the record. The post does without them.
    pub unreadable: Vec<DecodeError>,
    /// Whether its time has no offset from UTC and was taken as UTC for want of a zone.
    pub local_time: bool,
}

impl<'a> Record<'a> {
    fn new(raw: &'a [u8], outcome: Result<Option<Post<'a>>, DecodeError>) -> Self {
        Record { raw, outcome, unreadable: Vec::new(), local_time: false }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No dialect has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no dialect is named {0:?}; there are {list}", list = names())]
pub struct UnknownDialect(pub String);

fn names() -> String {
    Dialect::ALL.map(Dialect::name).join(", ")
}

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Dialect::ALL.into_iter().find(|dialect| dialect.name() == name).ok_or_else(|| UnknownDialect(name.to_owned()))
    }
}
