//! What every dialect does to a post at the end: blank required fields are errors, names are
//! normalised, and links, hashtags and mentions that the source did not give are taken from the
//! text.

use std::borrow::Cow;

use coordination::Post;

use crate::error::DecodeError;
use crate::extract;

/// The longest value that is read, in bytes: Apache Kafka's default limit, minus its own overhead.
pub const MAX_VALUE_BYTES: usize = 1_000_000;

/// Links, hashtags and mentions from the source; `None` if the source does not give them.
pub(crate) struct Entities<'a> {
    pub(crate) urls: Option<Vec<Cow<'a, str>>>,
    pub(crate) hashtags: Option<Vec<Cow<'a, str>>>,
    pub(crate) mentions: Option<Vec<Cow<'a, str>>>,
}

/// The normalised post. `value` is quoted in an error.
pub(crate) fn normalised<'a>(
    mut post: Post<'a>,
    entities: Entities<'a>,
    value: &[u8],
) -> Result<Post<'a>, DecodeError> {
    post.platform = tidy_platform(post.platform);
    for (path, field) in [("id", &post.id), ("platform", &post.platform), ("account_id", &post.account_id)] {
        if field.trim().is_empty() {
            return Err(DecodeError::new(path, "is empty", value));
        }
    }
    if post.account_name.trim().is_empty() {
        post.account_name = post.account_id.clone();
    }
    for optional in [
        &mut post.lang,
        &mut post.repost_of,
        &mut post.repost_of_account,
        &mut post.reply_to,
        &mut post.reply_to_account,
        &mut post.quote_of,
        &mut post.quote_of_account,
        &mut post.client,
    ] {
        if optional.as_ref().is_some_and(|text| text.is_empty()) {
            *optional = None;
        }
    }
    if post.repost_of.is_some() {
        // A quotation in a repost is its original's.
        (post.quote_of, post.quote_of_account) = (None, None);
    }
    post.media.retain(|hash| !hash.is_empty());
    let dots = extract::Handles::of(&post.platform);
    post.urls = match entities.urls {
        Some(mut urls) => {
            urls.retain(|url| !url.trim().is_empty());
            urls
        }
        None => extract::urls(&post.text),
    };
    post.hashtags = match entities.hashtags {
        Some(hashtags) => without_sigil(hashtags, ['#', '＃']),
        None => extract::hashtags(&post.text),
    };
    post.mentions = match entities.mentions {
        Some(mentions) => without_sigil(mentions, ['@', '＠']),
        None => extract::mentions(&post.text, dots),
    };
    Ok(post)
}

fn tidy_platform(platform: Cow<'_, str>) -> Cow<'_, str> {
    if platform.bytes().all(|b| b.is_ascii_lowercase()) {
        return platform;
    }
    let trimmed = platform.trim();
    if trimmed.len() == platform.len() && !trimmed.chars().any(char::is_uppercase) {
        platform
    } else {
        Cow::Owned(trimmed.to_lowercase())
    }
}

fn without_sigil(mut tags: Vec<Cow<'_, str>>, sigils: [char; 2]) -> Vec<Cow<'_, str>> {
    for tag in &mut tags {
        if tag.starts_with(sigils) {
            *tag = match std::mem::take(tag) {
                Cow::Borrowed(text) => Cow::Borrowed(text.trim_start_matches(sigils)),
                Cow::Owned(text) => Cow::Owned(text.trim_start_matches(sigils).to_owned()),
            };
        }
    }
    tags.retain(|tag| !tag.trim().is_empty());
    tags
}

#[cold]
pub(crate) fn too_long(value: &[u8]) -> DecodeError {
    DecodeError::new("", format!("has {} bytes, the most for one post is {MAX_VALUE_BYTES}", value.len()), value)
}
