//! What the JSON dialects share: a value is parsed once, its parts are read with their paths, and the posts own their text.

use std::borrow::Cow;

use coordination::Post;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::error::{DecodeError, from_json};
use crate::post::{Entities, finish};

/// Parses a whole value; nesting deeper than 128 levels is an error.
pub(crate) fn parse(value: &[u8]) -> Result<Value, DecodeError> {
    from_json::<Value>(value)
}

/// Reads one part of a document; the error's path is within that part.
pub(crate) fn part<'v, T: Deserialize<'v>>(value: &'v Value) -> Result<T, DecodeError> {
    serde_path_to_error::deserialize(value).map_err(|located| {
        let path = located.path().to_string();
        let near = path.split('.').try_fold(value, |value, step| value.get(step)).unwrap_or(value);
        DecodeError::new(
            if path == "." { String::new() } else { path },
            located.inner().to_string(),
            near.to_string().as_bytes(),
        )
    })
}

/// Null is nothing, as an absent field is.
pub(crate) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// The outcome of one post of a document; `value` is the part it was read from.
pub(crate) fn finished(post: Post<'_>, entities: Entities<'_>, value: &Value) -> Result<Post<'static>, DecodeError> {
    // The excerpt is only wanted for an error, and writing it out costs more than reading a post: so it is made on demand.
    match finish(post, entities, b"") {
        Ok(post) => Ok(owned(post)),
        Err(error) => Err(DecodeError::new(error.path, error.reason, value.to_string().as_bytes())),
    }
}

/// The error for a part that is not there.
pub(crate) fn missing(path: &str, value: &Value) -> DecodeError {
    DecodeError::new(path, "is required, but missing or null", value.to_string().as_bytes())
}

fn owned(post: Post<'_>) -> Post<'static> {
    fn one(text: Cow<'_, str>) -> Cow<'static, str> {
        Cow::Owned(text.into_owned())
    }
    fn many(texts: Vec<Cow<'_, str>>) -> Vec<Cow<'static, str>> {
        texts.into_iter().map(one).collect()
    }
    Post {
        id: one(post.id),
        platform: one(post.platform),
        account_id: one(post.account_id),
        account_name: one(post.account_name),
        created_at: post.created_at,
        text: one(post.text),
        lang: post.lang.map(one),
        urls: many(post.urls),
        hashtags: many(post.hashtags),
        mentions: many(post.mentions),
        media: many(post.media),
        repost_of: post.repost_of.map(one),
        repost_of_account: post.repost_of_account.map(one),
        reply_to: post.reply_to.map(one),
        reply_to_account: post.reply_to_account.map(one),
        client: post.client.map(one),
        followers: post.followers,
        following: post.following,
        account_created_at: post.account_created_at,
        account_posts: post.account_posts,
        default_profile: post.default_profile,
        deleted_at: post.deleted_at,
    }
}
