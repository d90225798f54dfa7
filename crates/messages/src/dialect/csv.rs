//! Posts as rows under a header. The header decides what the columns mean.
//!
//! - **Native**: the names of the [native dialect](crate::post), or the [aliases](ALIASES) that published collections use. Lists are
//!   JSON arrays (`["a","b"]`), bracketed lists (`[a, b]`), or separated by white space, `|`, and, other than links, by `,` and `;`.
//!   An empty cell is "not known". Times without an offset are taken as UTC, which is what such collections write.
//! - **CooRTweet**: exactly `object_id, account_id, content_id, timestamp_share`, in any order. The object's kind is not told, so it is
//!   read off its spelling: with `://` it is a link, with a leading `#` a hashtag, and all else is taken as the id of the post that was
//!   repeated, the kind that needs least of an id. One content with several objects is several rows, each a post of its own here.
//! - **coordination-network-toolkit**: `message_id, user_id, username, repost_id, reply_id, message, timestamp, urls`, in any order.
//!   `urls` is separated by white space, and an empty cell means that there is no link.
//!
//! The two peers' layouts have no platform: it is [`UNKNOWN_PLATFORM`] unless the caller names one.

use std::borrow::Cow;

use coordination::Post;

use crate::error::DecodeError;
use crate::post::{Entities, MAX_VALUE_BYTES, finish, too_long};
use crate::values::{parse_count, parse_moment_or_utc};

/// The platform of posts from a layout that does not tell it.
pub const UNKNOWN_PLATFORM: &str = "unknown";

/// Column names that are understood beside the native ones, in lower case: (native name, aliases).
pub const ALIASES: [(&str, &[&str]); 20] = [
    ("id", &["post_id", "tweet_id", "tweetid", "message_id", "status_id", "content_id"]),
    ("platform", &["network", "source_platform"]),
    ("account_id", &["user_id", "userid", "author_id", "external_author_id", "author"]),
    ("account_name", &["username", "screen_name", "user_screen_name", "user_name", "author"]),
    ("created_at", &["timestamp", "date", "tweet_time", "publish_date", "timestamp_share"]),
    ("text", &["message", "tweet_text", "content", "full_text"]),
    ("lang", &["language", "tweet_language"]),
    ("urls", &["links", "expanded_urls"]),
    ("hashtags", &["hashtag", "tags"]),
    ("mentions", &["user_mentions"]),
    ("media", &["media_hashes"]),
    ("repost_of", &["repost_id", "retweet_id", "retweet_tweetid", "retweeted_status_id"]),
    ("repost_of_account", &["retweet_userid", "retweet_user_id", "retweeted_user_id"]),
    ("reply_to", &["reply_id", "in_reply_to_tweetid", "in_reply_to_status_id", "in_reply_to_id"]),
    ("reply_to_account", &["in_reply_to_userid", "in_reply_to_user_id", "in_reply_to_account_id"]),
    ("client", &["tweet_client_name", "source"]),
    ("followers", &["follower_count", "followers_count"]),
    ("following", &["following_count", "friends_count"]),
    ("account_created_at", &["account_creation_date", "user_created_at"]),
    ("account_posts", &["statuses_count", "tweet_count"]),
];

/// What a header means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// The native names or their aliases.
    Native,
    /// CooRTweet's four columns.
    CooRTweet,
    /// coordination-network-toolkit's eight columns.
    CoordinationNetworkToolkit,
}

/// A header, understood.
#[derive(Debug, Clone)]
pub struct Columns {
    layout: Layout,
    names: Vec<String>,
    /// Place of each of [`ALIASES`]' columns, then of `default_profile` and `deleted_at`.
    places: [Option<usize>; ALIASES.len() + 2],
    platform: Option<String>,
}

impl Columns {
    /// Reads a header. `platform` is that of rows which do not name one.
    pub fn new<'h>(header: impl IntoIterator<Item = &'h str>, platform: Option<&str>) -> Result<Columns, DecodeError> {
        let names: Vec<String> =
            header.into_iter().map(|name| name.trim().trim_start_matches('\u{feff}').to_lowercase()).collect();
        let is = |wanted: &[&str]| names.len() == wanted.len() && wanted.iter().all(|w| names.iter().any(|n| n == w));
        let layout = if is(&["object_id", "account_id", "content_id", "timestamp_share"]) {
            Layout::CooRTweet
        } else if is(&["message_id", "user_id", "username", "repost_id", "reply_id", "message", "timestamp", "urls"]) {
            Layout::CoordinationNetworkToolkit
        } else {
            Layout::Native
        };
        let place = |native: &str, aliases: &[&str]| {
            std::iter::once(&native).chain(aliases).find_map(|wanted| names.iter().position(|name| name == wanted))
        };
        let mut places = [None; ALIASES.len() + 2];
        for (slot, (native, aliases)) in places.iter_mut().zip(ALIASES) {
            *slot = place(native, aliases);
        }
        places[ALIASES.len()] = place("default_profile", &[]);
        places[ALIASES.len() + 1] = place("deleted_at", &[]);
        let columns = Columns {
            platform: platform
                .map(str::to_owned)
                .or_else(|| (layout != Layout::Native).then(|| UNKNOWN_PLATFORM.to_owned())),
            layout,
            places,
            names,
        };
        for required in ["id", "platform", "account_id", "created_at"] {
            let given = required == "platform" && columns.platform.is_some();
            if columns.place(required).is_none() && !given {
                return Err(DecodeError::new(
                    required,
                    "is required, but the header has no such column",
                    columns.names.join(",").as_bytes(),
                ));
            }
        }
        Ok(columns)
    }

    /// Which layout it is.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The cell under a name of the header (in lower case) as it stands in the row; `None` if there is no such column.
    pub fn cell<'a>(&self, cells: &[&'a str], name: &str) -> Option<&'a str> {
        cells.get(self.names.iter().position(|n| n == name)?).copied()
    }

    /// How many columns there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are no columns.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Reads one row, given as its cells. The errors' paths are the names in the header.
    pub fn post<'a>(&self, cells: &[&'a str]) -> Result<Post<'a>, DecodeError> {
        let row = || cells.join(",");
        if cells.len() != self.names.len() {
            let reason = format!("has {} cells, but the header has {} columns", cells.len(), self.names.len());
            return Err(DecodeError::new("", reason, row().as_bytes()));
        }
        if cells.iter().map(|cell| cell.len()).sum::<usize>() > MAX_VALUE_BYTES {
            return Err(too_long(row().as_bytes()));
        }
        let cell = |name: &str| -> Option<&'a str> {
            let text = *cells.get(self.place(name)?)?;
            (!text.trim().is_empty()).then_some(text)
        };
        let text = |name: &str| cell(name).map(Cow::Borrowed);
        let fail = |name: &str, reason: String| {
            let column = self.place(name).map_or(name, |place| &self.names[place]);
            DecodeError::new(column, reason, cell(name).unwrap_or_default().as_bytes())
        };
        let moment = |name: &str| {
            cell(name).map(|text| parse_moment_or_utc(text).map_err(|reason| fail(name, reason))).transpose()
        };
        let count =
            |name: &str| cell(name).map(|text| parse_count(text).map_err(|reason| fail(name, reason))).transpose();
        let required = |name: &str| {
            text(name).ok_or_else(|| {
                let mut error = fail(name, "is required, but empty".to_owned());
                error.excerpt = crate::excerpt(row().as_bytes());
                error
            })
        };
        let platform = match (text("platform"), &self.platform) {
            (Some(platform), _) => platform,
            (None, Some(platform)) => Cow::Owned(platform.clone()),
            (None, None) => required("platform")?,
        };
        let mut post = Post {
            id: required("id")?,
            platform,
            account_id: required("account_id")?,
            account_name: text("account_name").unwrap_or_default(),
            created_at: match moment("created_at")? {
                Some(moment) => moment,
                None => return Err(fail("created_at", "is required, but empty".to_owned())),
            },
            text: text("text").unwrap_or_default(),
            lang: text("lang"),
            media: cell("media").map(|c| list(c, false)).unwrap_or_default(),
            repost_of: text("repost_of"),
            repost_of_account: text("repost_of_account"),
            reply_to: text("reply_to"),
            reply_to_account: text("reply_to_account"),
            client: text("client"),
            followers: count("followers")?,
            following: count("following")?,
            account_created_at: moment("account_created_at")?,
            account_posts: count("account_posts")?,
            default_profile: cell("default_profile")
                .map(|text| truth(text).ok_or_else(|| fail("default_profile", "is neither true nor false".to_owned())))
                .transpose()?,
            deleted_at: moment("deleted_at")?,
            ..Post::default()
        };
        let mut entities = Entities {
            urls: cell("urls").map(|c| list(c, true)),
            hashtags: cell("hashtags").map(|c| list(c, false)),
            mentions: cell("mentions").map(|c| list(c, false)),
        };
        match self.layout {
            Layout::Native => {}
            Layout::CoordinationNetworkToolkit => {
                entities.urls.get_or_insert_default();
            }
            Layout::CooRTweet => {
                let object = self
                    .names
                    .iter()
                    .position(|name| name == "object_id")
                    .and_then(|place| cells.get(place))
                    .filter(|object| !object.trim().is_empty());
                match object {
                    None => {
                        return Err(DecodeError::new("object_id", "is required, but empty", row().as_bytes()));
                    }
                    Some(link) if link.contains("://") => entities.urls = Some(vec![Cow::Borrowed(link)]),
                    Some(tag) if tag.starts_with(['#', '＃']) => {
                        entities.hashtags = Some(vec![Cow::Borrowed(tag)]);
                    }
                    Some(id) => post.repost_of = Some(Cow::Borrowed(id)),
                }
            }
        }
        finish(post, entities, row().as_bytes())
    }

    fn place(&self, native: &str) -> Option<usize> {
        let slot = match native {
            "default_profile" => ALIASES.len(),
            "deleted_at" => ALIASES.len() + 1,
            _ => ALIASES.iter().position(|(name, _)| *name == native)?,
        };
        self.places[slot]
    }
}

fn truth(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "t" | "1" | "yes" => Some(true),
        "false" | "f" | "0" | "no" => Some(false),
        _ => None,
    }
}

/// A list in one cell. Commas are left alone inside links, unless a link begins after them.
fn list(cell: &str, links: bool) -> Vec<Cow<'_, str>> {
    let cell = cell.trim();
    if let Ok(items) = serde_json::from_str::<Vec<String>>(cell) {
        return items.into_iter().map(Cow::Owned).collect();
    }
    let inner = cell.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(cell);
    let separator = |c: char| c.is_whitespace() || c == '|' || (!links && matches!(c, ',' | ';'));
    inner
        .split(separator)
        .flat_map(|item| if links { split_links(item) } else { vec![item] })
        .map(|item| item.trim_matches(['\'', '"']))
        .filter(|item| !item.is_empty())
        .map(Cow::Borrowed)
        .collect()
}

fn split_links(item: &str) -> Vec<&str> {
    let mut links = Vec::new();
    let mut start = 0;
    for (comma, _) in item.match_indices(',') {
        if ["http", "'http", "\"http"].iter().any(|link| item[comma + 1..].starts_with(link)) {
            links.push(&item[start..comma]);
            start = comma + 1;
        }
    }
    links.push(item[start..].trim_end_matches(','));
    links
}
