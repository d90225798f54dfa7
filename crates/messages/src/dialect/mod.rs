//! The dialects that posts come in from outside, one module each, all to [`coordination::Post`].

use std::fmt;
use std::str::FromStr;

use coordination::Post;

use crate::error::DecodeError;

mod bluesky;
pub mod csv;
mod document;
mod mastodon;
mod telegram;
mod x;

/// The longest foreign value that is read, in bytes: a page of posts or a whole export is one value.
pub const MAX_DOCUMENT_BYTES: usize = 2 << 30;

/// How the posts of an input are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// The native dialect, see [`crate::post`].
    Lockstep,
    /// X: API v2 posts, alone or as a page with `data` and `includes`; posts of API v1.1.
    X,
    /// Bluesky: commit events of Jetstream.
    Bluesky,
    /// Mastodon: statuses of its REST and streaming API.
    Mastodon,
    /// Telegram: Telegram Desktop's JSON export, and messages as Telethon gives them.
    Telegram,
    /// Rows under a header, see [`csv`].
    Csv,
}

impl Dialect {
    /// All dialects.
    pub const ALL: [Dialect; 6] =
        [Dialect::Lockstep, Dialect::X, Dialect::Bluesky, Dialect::Mastodon, Dialect::Telegram, Dialect::Csv];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Dialect::Lockstep => "lockstep",
            Dialect::X => "x",
            Dialect::Bluesky => "bluesky",
            Dialect::Mastodon => "mastodon",
            Dialect::Telegram => "telegram",
            Dialect::Csv => "csv",
        }
    }

    /// Reads one JSON value: a line, or a whole document. It gives no post where the value is something else that the source sends
    /// (a deletion, a like, a service message), and several for a page or an export, each with its own outcome.
    pub fn decode<'a>(self, value: &'a [u8]) -> Vec<Result<Post<'a>, DecodeError>> {
        if value.len() > MAX_DOCUMENT_BYTES {
            return vec![Err(DecodeError::new("", format!("has more than {MAX_DOCUMENT_BYTES} bytes"), value))];
        }
        match self {
            Dialect::Lockstep => vec![crate::post::decode(value)],
            Dialect::X => x::decode(value),
            Dialect::Bluesky => bluesky::decode(value),
            Dialect::Mastodon => mastodon::decode(value),
            Dialect::Telegram => telegram::decode(value),
            Dialect::Csv => vec![Err(DecodeError::new("", "rows need their header: read CSV as a file", value))],
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No dialect has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no dialect is named {0:?}; there are lockstep, x, bluesky, mastodon, telegram and csv")]
pub struct UnknownDialect(pub String);

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Dialect::ALL.into_iter().find(|dialect| dialect.name() == name).ok_or_else(|| UnknownDialect(name.to_owned()))
    }
}
