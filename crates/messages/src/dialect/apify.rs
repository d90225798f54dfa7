//! Apify's datasets: a JSON list, or one item per line, of the scrapers of X (`createdAt`,
//! `author.userName`), TikTok (`authorMeta`), Instagram (`shortCode`, `ownerUsername`) and Facebook
//! (`postId`). Items that say that nothing was found are not posts.

use coordination::Post;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::document::{DecodedPost, record};
use super::{Flow, Take, x};
use crate::json_fields::Reader;
use crate::normalise::Entities;

pub(super) fn decode<'a>(value: &'a [u8], at: &str, take: &mut Take<'_, 'a>) -> Flow {
    record(value, at, take, read)
}

fn read(from: &Reader<'_>) -> DecodedPost {
    if from.has("noResults") || from.has("demo") || from.has("error") && !from.has("id") {
        Ok(None)
    } else if from.has("shortCode") || from.has("ownerUsername") {
        instagram(from)
    } else if from.has("authorMeta") {
        tiktok(from)
    } else if from.has("postId") || from.has("facebookUrl") {
        facebook(from)
    } else {
        tweet(from)
    }
}

fn tweet(from: &Reader<'_>) -> DecodedPost {
    let author = from.object("author").ok_or_else(|| from.missing("author"))?;
    let original = ["retweet", "retweeted_tweet", "retweetedTweet"]
        .into_iter()
        .find(|name| from.get(name).is_some_and(Value::is_object));
    let original = original.and_then(|name| from.object(name));
    let repost_of = match &original {
        Some(original) => original.text("id"),
        None => from.any_text(&["retweetId", "retweetedTweetId"]),
    };
    let said = original.as_ref().unwrap_or(from);
    let text = said.any_text(&["fullText", "text"]).unwrap_or_default();
    // `RT @name:` says as much as an original without its id.
    let lost = original.is_some() && repost_of.is_none()
        || repost_of.is_none() && from.flag("isRetweet") == Some(true) && !text.starts_with("RT @");
    let entities = match said.has("entities").then(|| said.object("entities")).flatten() {
        Some(entities) => Entities {
            urls: x::links(&entities, "urls"),
            hashtags: entities.given_texts("hashtags", &["text", "tag"]),
            mentions: entities.given_texts("user_mentions", &["screen_name", "userName"]),
        },
        None => Entities { urls: None, hashtags: None, mentions: None },
    };
    let any_count =
        |names: [&str; 2]| names.into_iter().find(|name| author.has(name)).and_then(|name| author.count(name));
    let post = Post {
        id: from.id(&["id", "id_str"])?,
        platform: x::PLATFORM.into(),
        account_id: author.id(&["id", "rest_id", "userName"])?,
        account_name: author.any_text(&["userName", "screen_name", "username"]).unwrap_or_default(),
        created_at: from.time(&["createdAt", "created_at"])?,
        text,
        lang: from.text("lang"),
        repost_of_account: original.as_ref().and_then(|original| original.any_text(&["author.id", "author.userName"])),
        repost_of,
        reply_to: from.text("inReplyToId"),
        reply_to_account: from.text("inReplyToUserId"),
        quote_of: from.any_text(&["quoteId", "quotedTweetId", "quote.id", "quoted_tweet.id"]),
        quote_of_account: from.any_text(&["quote.author.id", "quoted_tweet.author.id"]),
        client: from.text("source").map(x::inner_text),
        followers: any_count(["followers", "followersCount"]),
        following: any_count(["following", "followingCount"]),
        account_posts: author.count("statusesCount"),
        account_created_at: author.moment("createdAt"),
        ..Post::default()
    };
    from.post(post, entities, lost).map(Some)
}

fn tiktok(from: &Reader<'_>) -> DecodedPost {
    let author = from.object("authorMeta").ok_or_else(|| from.missing("authorMeta"))?;
    let post = Post {
        id: from.id(&["id"])?,
        platform: "tiktok".into(),
        account_id: author.id(&["id", "name"])?,
        account_name: author.any_text(&["name", "nickName"]).unwrap_or_default(),
        created_at: from.time(&["createTime", "createTimeISO"])?,
        text: from.text("text").unwrap_or_default(),
        lang: from.text("textLanguage"),
        followers: author.count("fans"),
        following: author.count("following"),
        account_posts: author.count("video"),
        ..Post::default()
    };
    let entities = Entities {
        urls: None,
        hashtags: from.texts("hashtags", &["name", "title"]),
        mentions: from.texts("mentions", &["name"]),
    };
    from.post(post, entities, false).map(Some)
}

fn instagram(from: &Reader<'_>) -> DecodedPost {
    let post = Post {
        id: from.id(&["shortCode", "id"])?,
        platform: "instagram".into(),
        account_id: from.id(&["ownerId", "ownerUsername"])?,
        account_name: from.text("ownerUsername").unwrap_or_default(),
        created_at: from.time(&["timestamp"])?,
        text: from.text("caption").unwrap_or_default(),
        ..Post::default()
    };
    let entities = Entities {
        urls: None,
        hashtags: from.texts("hashtags", &["name"]),
        mentions: from.texts("mentions", &["username"]),
    };
    from.post(post, entities, false).map(Some)
}

fn facebook(from: &Reader<'_>) -> DecodedPost {
    let user = from.has("user").then(|| from.object("user")).flatten();
    let account = user.as_ref().and_then(|user| user.any_text(&["id", "name"]));
    let link = from.text("link");
    let post = Post {
        id: from.id(&["postId", "url"])?,
        platform: "facebook".into(),
        account_id: match account {
            Some(account) => account,
            None => from.id(&["pageId", "pageName", "facebookUrl"])?,
        },
        account_name: user
            .as_ref()
            .and_then(|user| user.text("name"))
            .or_else(|| from.text("pageName"))
            .unwrap_or_default(),
        created_at: from.time_in(&["time", "timestamp"], Some(&TimeZone::UTC))?,
        text: from.text("text").unwrap_or_default(),
        ..Post::default()
    };
    let entities = Entities { urls: link.map(|link| vec![link]), hashtags: None, mentions: None };
    from.post(post, entities, false).map(Some)
}
