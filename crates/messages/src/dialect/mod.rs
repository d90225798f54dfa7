//! The dialects of posts from outside, one module each. All become [`coordination::Post`].
//!
//! A value (a line, or a document) holds records: one, or many in a page or an export. Each record
//! has its own outcome, and comes with exactly the bytes that hold it. So a bad record costs only
//! itself and can be stored alone.

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

/// The longest foreign value that is read, in bytes: a page of posts or a whole export is one
/// value.
pub const MAX_DOCUMENT_BYTES: usize = 2 << 30;

/// The format of the posts of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dialect {
    /// The native dialect, see [`crate::post`].
    Lockstep,
    /// X: posts of API v2, alone or as a page with `data` and `includes`; posts of API v1.1, alone,
    /// as search results or from a stream.
    X,
    /// The archive that X gives an account of its own posts (`tweets.js`).
    TwitterArchive,
    /// Bluesky: commit events of Jetstream, old and new; posts and feeds of the AppView.
    Bluesky,
    /// Mastodon: statuses of its REST and streaming API, search results, and an account's archive
    /// (`outbox.json`).
    Mastodon,
    /// Telegram: Telegram Desktop's JSON export; messages in the form of Telethon, Pyrogram and the
    /// Bot API.
    Telegram,
    /// Zeeschuimer: items of X, TikTok and Instagram in the form that the browser receives.
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

    /// Its contents, as part of a sentence.
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

    /// Reads one JSON value, a line or a whole document, and hands over every record in it. A list
    /// is read as its elements. `take` may stop the reading.
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

    /// As [`Dialect::decode`], for a value that is not a list. `at` is its path.
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

/// The JSON values of a document, one after another, unchanged, also those that are not valid.
pub fn values(document: &[u8]) -> impl Iterator<Item = &[u8]> {
    scan::values(scan::content(document))
}

/// Whether a text is a script that assigns JSON to a name, as the files of an archive of X are.
pub fn is_script(text: &[u8]) -> bool {
    scan::script(scan::content_start(text)).is_some()
}

/// How the values of a JSON file are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layering {
    /// One value per line.
    Lines,
    /// A list or another value over several lines, or several one after another.
    Document,
}

impl Layering {
    /// Recognises the layout from the beginning of a file; `whole` if that is the whole file. A
    /// damaged first line does not turn lines into a document.
    pub fn of(head: &[u8], whole: bool) -> Layering {
        let mut lines: Vec<&[u8]> = head.split(|byte| *byte == b'\n').collect();
        if !whole && lines.len() > 1 {
            // The last line may continue.
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
            // Each line may be a list.
            !(scan::is_whole(start) && rest.iter().any(|line| scan::is_whole(line)))
        } else if scan::is_whole(start) {
            false
        } else if start.starts_with(b"{") && matches!(start.last(), Some(b'[' | b'{' | b',')) {
            true
        } else if rest.iter().any(|line| line.starts_with(b"{") && scan::is_whole(line)) {
            false
        } else {
            // A value that continues in the next line, or several values in one line.
            start.starts_with(b"{")
                && (rest.first().is_some_and(|line| !line.starts_with(b"{"))
                    || scan::values(start).count() > 1 && scan::values(start).all(scan::is_whole))
        };
        if document { Layering::Document } else { Layering::Lines }
    }
}

/// What a value does not contain and its reader may know.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// The account of the posts, if the posts do not contain it: an archive's.
    pub account: Option<ArchiveAccount>,
    /// The platform of records without a platform; [`csv::UNKNOWN_PLATFORM`] if it is not given
    /// here either.
    pub platform: Option<String>,
    /// The time zone of times without an offset from UTC. If it is not known, they are read as UTC,
    /// and [`Record::local_time`] says so.
    pub timezone: Option<TimeZone>,
}

/// An account that is given separately from its posts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArchiveAccount {
    /// Its id on its platform.
    pub id: String,
    /// Its handle; empty if it is not known.
    pub name: String,
    /// When it was created.
    pub created_at: Option<Millis>,
}

impl ArchiveAccount {
    /// Reads `account.js`, which is next to `tweets.js` in an archive.
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

/// Receives the records of a value, one after another.
pub type Take<'c, 'a> = dyn FnMut(Record<'a>) -> Flow + 'c;

/// One record of a value, with the result of reading it.
#[derive(Debug)]
pub struct Record<'a> {
    /// The bytes that hold it, a part of the value.
    pub raw: &'a [u8],
    /// A post; or `None` for something else that the source sends (a deletion, a like, a service
    /// message); or why it cannot be read, with the path in the value.
    pub outcome: Result<Option<Post<'a>>, DecodeError>,
    /// Optional fields that could not be read, with their paths in the record. The post was read
    /// without them.
    pub unreadable: Vec<DecodeError>,
    /// Whether its time has no offset from UTC and was read as UTC, because no time zone was given.
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
