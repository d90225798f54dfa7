//! Topic `posts`, and the native dialect: one post as one JSON object.
//!
//! ```json
//! {"id":"1","platform":"twitter","account_id":"7","account_name":"ann","created_at":"2026-11-02T10:00:00Z","text":"#vote now"}
//! ```
//!
//! Required are `id`, `platform`, `account_id` and `created_at`; they may not be blank.
//! `account_name` belongs to the contract as well, but real collections are often pseudonymised and
//! have `null`: if it is missing, null or blank, the account's id replaces it. Everything else is
//! optional: null, an absent field, and an empty text all mean "not known". Unknown fields are
//! ignored, whatever they contain and however deep they are nested.
//!
//! **An optional field that cannot be read does not cost the post.** It is then not known, and
//! [`read`] reports the field and the reason. Elements of a list that can be read are kept. A
//! repost whose original cannot be read keeps none of its words: they are the original's, and would
//! count as the account's own.
//!
//! - Ids given as whole numbers become their decimal text.
//! - `created_at`, `account_created_at`, `deleted_at`: RFC 3339 with any offset, or an epoch
//!   number, whose size shows its unit (below 1e11 seconds, below 1e14 milliseconds, else
//!   microseconds).
//! - `platform` is trimmed and lower-cased. A leading `#` or `@` of given hashtags and mentions is
//!   removed.
//! - `urls`, `hashtags` and `mentions` are taken from the text if the field is absent or null; an
//!   empty list means that there are none.
//! - A value may have at most [`MAX_VALUE_BYTES`].
//!
//! Strings are borrowed from the input unless they contain JSON escapes.
//!
//! # Choice of parser
//!
//! serde_json. Measured on one thread of a shared two-core machine, for borrowing decodes of real
//! posts, in microseconds per post: 0.68 (sonic-rs 0.5: 0.53) at 329 bytes per post without text,
//! 0.76 (0.65) at 424 bytes with short text, 2.1 (1.0) at 1,165 bytes of mostly escaped Cyrillic.
//! sonic-rs would save little compared with the engine's time for a post. It would cost unsafe SIMD
//! code, whose speed and fallbacks depend on the CPU that it was compiled for, and a second JSON
//! parser in the tree. serde_json is safe against deep nesting (it recurses at most 128 levels),
//! checks all UTF-8 that it keeps, and reports where an error is. Since that measurement, checking
//! UTF-8 once per post, and not for each string, has saved a fifth of its time.

use std::borrow::Cow;

use coordination::Post;
use serde::{Deserialize, Serialize};

use crate::error::{DecodeError, from_json};
use crate::json_fields::{Notes, Reader};
use crate::normalise::{Entities, normalised, too_long};
use crate::values::{Count, Moment, Text, Texts, timestamp};

pub use crate::normalise::MAX_VALUE_BYTES;

/// Reads one post in the native dialect, without [`read`]'s report of fields that cannot be read.
///
/// ```
/// use messages::post;
///
/// let line = br#"{"id":"1","platform":"x","account_id":"7","created_at":"2026-09-14T08:00:00Z","text":"Read this #vote"}"#;
/// let read = post::decode(line)?;
/// assert_eq!(read.hashtags, ["vote"]);
/// assert_eq!(post::key(&read), "x:7");
///
/// let error = post::decode(br#"{"id":"1","platform":"x","account_id":"7","created_at":"yesterday"}"#).unwrap_err();
/// assert_eq!(error.path, "created_at");
/// # Ok::<(), messages::DecodeError>(())
/// ```
pub fn decode(value: &[u8]) -> Result<Post<'_>, DecodeError> {
    read(value).map(|(post, _)| post)
}

/// Reads one post in the native dialect. Also returns an error for each optional field that cannot
/// be read.
pub fn read(value: &[u8]) -> Result<(Post<'_>, Vec<DecodeError>), DecodeError> {
    if value.len() > MAX_VALUE_BYTES {
        return Err(too_long(value));
    }
    // Serde would also accept an array with the fields in order.
    if !value.trim_ascii_start().starts_with(b"{") {
        return Err(DecodeError::new("", "is not a JSON object", value));
    }
    match from_json::<WirePost<'_>>(value) {
        Ok(post) => post.into_post(value).map(|post| (post, Vec::new())),
        Err(error) => by_field(value, error),
    }
}

/// Reads a post field by field, if reading it at once gave an error.
#[cold]
fn by_field(value: &[u8], error: DecodeError) -> Result<(Post<'static>, Vec<DecodeError>), DecodeError> {
    // A value that is not JSON, or not UTF-8 in a part that is kept, is wrong as a whole.
    let Ok(document) = from_json::<serde_json::Value>(value) else { return Err(error) };
    let notes = Notes::default();
    let post = fields(&Reader::new(&document, &notes))?;
    Ok((post, notes.into_inner()))
}

fn fields(from: &Reader<'_>) -> Result<Post<'static>, DecodeError> {
    let repost_of = from.text("repost_of");
    let lost = repost_of.is_none() && from.get("repost_of").is_some_and(|id| id.as_str() != Some(""));
    let post = Post {
        id: from.id(&["id"])?,
        platform: from.id(&["platform"])?,
        account_id: from.id(&["account_id"])?,
        account_name: from.text("account_name").unwrap_or_default(),
        created_at: from.time(&["created_at"])?,
        text: from.text("text").unwrap_or_default(),
        lang: from.text("lang"),
        media: from.texts("media", &["hash"]).unwrap_or_default(),
        repost_of,
        repost_of_account: from.text("repost_of_account"),
        reply_to: from.text("reply_to"),
        reply_to_account: from.text("reply_to_account"),
        quote_of: from.text("quote_of"),
        quote_of_account: from.text("quote_of_account"),
        client: from.text("client"),
        followers: from.count("followers"),
        following: from.count("following"),
        account_created_at: from.moment("account_created_at"),
        account_posts: from.count("account_posts"),
        default_profile: from.flag("default_profile"),
        deleted_at: from.moment("deleted_at"),
        ..Post::default()
    };
    let entities = Entities {
        urls: from.texts("urls", &["expanded_url", "url"]),
        hashtags: from.texts("hashtags", &["tag", "text", "name"]),
        mentions: from.texts("mentions", &["username", "screen_name", "acct"]),
    };
    from.post(post, entities, lost)
}

/// Writes one post in the native dialect, without a line end. `decode` returns the same post,
/// provided that its required fields are not blank and its times are in the years -9999 to 9999.
pub fn encode(post: &Post<'_>) -> Vec<u8> {
    let out = WireOut {
        id: &post.id,
        platform: &post.platform,
        account_id: &post.account_id,
        account_name: &post.account_name,
        created_at: timestamp(post.created_at),
        text: &post.text,
        lang: post.lang.as_deref(),
        urls: &post.urls,
        hashtags: &post.hashtags,
        mentions: &post.mentions,
        media: &post.media,
        repost_of: post.repost_of.as_deref(),
        repost_of_account: post.repost_of_account.as_deref(),
        reply_to: post.reply_to.as_deref(),
        reply_to_account: post.reply_to_account.as_deref(),
        quote_of: post.quote_of.as_deref(),
        quote_of_account: post.quote_of_account.as_deref(),
        client: post.client.as_deref(),
        followers: post.followers,
        following: post.following,
        account_created_at: post.account_created_at.map(timestamp),
        account_posts: post.account_posts,
        default_profile: post.default_profile,
        deleted_at: post.deleted_at.map(timestamp),
    };
    // Only text, numbers and times: JSON can express all of them.
    serde_json::to_vec(&out).unwrap_or_default()
}

/// The Kafka key of a post: `platform:account`.
pub fn key(post: &Post<'_>) -> String {
    format!("{}:{}", post.platform, post.account_id)
}

/// One post in the native dialect. Null, an absent field and an empty text all mean "not known";
/// unknown fields are ignored.
#[derive(Deserialize, schemars::JsonSchema)]
#[schemars(title = "Post")]
pub(crate) struct WirePost<'a> {
    /// Unique on its platform.
    #[serde(borrow)]
    #[schemars(required)]
    id: Option<Text<'a>>,
    /// Name of the platform, for example `twitter`; lower-cased when read.
    #[serde(borrow)]
    #[schemars(required)]
    platform: Option<Text<'a>>,
    /// The account, unique on its platform; never reused.
    #[serde(borrow)]
    #[schemars(required)]
    account_id: Option<Text<'a>>,
    /// Handle or display name; if null or absent, the account's id replaces it.
    #[serde(borrow)]
    account_name: Option<Text<'a>>,
    /// When it was posted.
    #[schemars(required)]
    created_at: Option<Moment>,
    /// Its text, without any quoted post.
    #[serde(borrow)]
    text: Option<Text<'a>>,
    /// BCP 47 language tag.
    #[serde(borrow)]
    lang: Option<Text<'a>>,
    /// Links, in order; taken from the text if absent.
    #[serde(borrow)]
    urls: Option<Texts<'a>>,
    /// Hashtags, in order; taken from the text if absent.
    #[serde(borrow)]
    hashtags: Option<Texts<'a>>,
    /// Mentioned accounts, in order; taken from the text if absent.
    #[serde(borrow)]
    mentions: Option<Texts<'a>>,
    /// Perceptual hashes of attached media.
    #[serde(borrow)]
    media: Option<Texts<'a>>,
    /// Id of the post that this one reposts.
    #[serde(borrow)]
    repost_of: Option<Text<'a>>,
    /// Author of the post that this one reposts.
    #[serde(borrow)]
    repost_of_account: Option<Text<'a>>,
    /// Id of the post that this one answers.
    #[serde(borrow)]
    reply_to: Option<Text<'a>>,
    /// Author of the post that this one answers.
    #[serde(borrow)]
    reply_to_account: Option<Text<'a>>,
    /// Id of the post that this one quotes and adds its own words to. Not taken from a repost,
    /// whose quotation is its original's.
    #[serde(borrow)]
    quote_of: Option<Text<'a>>,
    /// Author of the post that this one quotes.
    #[serde(borrow)]
    quote_of_account: Option<Text<'a>>,
    /// The application it was posted from.
    #[serde(borrow)]
    client: Option<Text<'a>>,
    /// Accounts following this one, at the time.
    followers: Option<Count>,
    /// Accounts that this one follows, at the time.
    following: Option<Count>,
    /// When the account was created.
    account_created_at: Option<Moment>,
    /// Number of posts that the account had made by then.
    account_posts: Option<Count>,
    /// Whether the profile was never filled in.
    default_profile: Option<bool>,
    /// When the post was deleted.
    deleted_at: Option<Moment>,
}

impl<'a> WirePost<'a> {
    fn into_post(self, value: &[u8]) -> Result<Post<'a>, DecodeError> {
        let missing = |path: &'static str| move || DecodeError::new(path, "is required, but missing or null", value);
        let post = Post {
            id: self.id.ok_or_else(missing("id"))?.0,
            platform: self.platform.ok_or_else(missing("platform"))?.0,
            account_id: self.account_id.ok_or_else(missing("account_id"))?.0,
            account_name: self.account_name.unwrap_or_default().0,
            created_at: self.created_at.ok_or_else(missing("created_at"))?.0,
            text: self.text.unwrap_or_default().0,
            lang: self.lang.map(|t| t.0),
            media: self.media.map(|t| t.0).unwrap_or_default(),
            repost_of: self.repost_of.map(|t| t.0),
            repost_of_account: self.repost_of_account.map(|t| t.0),
            reply_to: self.reply_to.map(|t| t.0),
            reply_to_account: self.reply_to_account.map(|t| t.0),
            quote_of: self.quote_of.map(|t| t.0),
            quote_of_account: self.quote_of_account.map(|t| t.0),
            client: self.client.map(|t| t.0),
            followers: self.followers.map(|n| n.0),
            following: self.following.map(|n| n.0),
            account_created_at: self.account_created_at.map(|t| t.0),
            account_posts: self.account_posts.map(|n| n.0),
            default_profile: self.default_profile,
            deleted_at: self.deleted_at.map(|t| t.0),
            ..Post::default()
        };
        let entities = Entities {
            urls: self.urls.map(|t| t.0),
            hashtags: self.hashtags.map(|t| t.0),
            mentions: self.mentions.map(|t| t.0),
        };
        normalised(post, entities, value)
    }
}

#[derive(Serialize)]
struct WireOut<'a> {
    id: &'a str,
    platform: &'a str,
    account_id: &'a str,
    account_name: &'a str,
    created_at: jiff::Timestamp,
    #[serde(skip_serializing_if = "str::is_empty")]
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    lang: Option<&'a str>,
    urls: &'a [Cow<'a, str>],
    hashtags: &'a [Cow<'a, str>],
    mentions: &'a [Cow<'a, str>],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    media: &'a [Cow<'a, str>],
    #[serde(skip_serializing_if = "Option::is_none")]
    repost_of: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repost_of_account: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to_account: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quote_of: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quote_of_account: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    followers: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    following: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_created_at: Option<jiff::Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_posts: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_profile: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_at: Option<jiff::Timestamp>,
}
