//! snscrape's JSON lines: one item per line, whose `_type` names the module and the kind. Tweets
//! (also those of twscrape, which has the same format), posts of Telegram channels, Mastodon,
//! Facebook, Instagram, Reddit, VKontakte and Weibo are read. Users, channels, tombstones and
//! trends are not posts.

use std::borrow::Cow;

use coordination::Post;

use super::document::{DecodedPost, record};
use super::{Flow, Take};
use crate::error::DecodeError;
use crate::json_fields::Reader;
use crate::normalise::Entities;

pub(super) fn decode<'a>(value: &'a [u8], at: &str, take: &mut Take<'_, 'a>) -> Flow {
    record(value, at, take, read)
}

fn read(from: &Reader<'_>) -> DecodedPost {
    let kind = from.id(&["_type"])?;
    let mut names = kind.rsplit('.');
    let (kind, module) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
    match (module, kind) {
        ("twitter", "Tweet") => tweet(from),
        ("telegram", "TelegramPost") => telegram(from),
        ("mastodon", "Boost") => {
            Err(DecodeError::new("date", "is required, but snscrape does not write when a post was boosted", b""))
        }
        (_, "User" | "UserRef" | "Channel" | "Tombstone" | "TweetRef" | "Trend" | "Group" | "Community" | "Guest") => {
            Ok(None)
        }
        (module, _) => other(from, module),
    }
}

fn tweet(from: &Reader<'_>) -> DecodedPost {
    let original = from.object("retweetedTweet");
    let said = original.as_ref().unwrap_or(from);
    let text = said.any_text(&["rawContent", "content", "renderedContent"]);
    let links = ["links", "outlinks"].into_iter().find(|name| said.has(name));
    let user = from.has("user").then(|| from.object("user")).flatten();
    let of_user = |name: &str| user.as_ref().and_then(|user| user.count(name));
    let repost_of = original.as_ref().and_then(|original| original.any_text(&["id", "id_str"]));
    let lost = from.has("retweetedTweet") && repost_of.is_none();
    let quoted = from.has("quotedTweet").then(|| from.object("quotedTweet")).flatten();
    let entities = Entities {
        urls: Some(links.map(|name| said.texts(name, &["url"]).unwrap_or_default()).unwrap_or_default()),
        // Versions before the end of 2021 do not have them.
        hashtags: said.has("hashtags").then(|| said.texts("hashtags", &["text"])).flatten(),
        mentions: said.has("mentionedUsers").then(|| said.texts("mentionedUsers", &["username"])).flatten(),
    };
    let post = Post {
        id: from.id(&["id", "id_str"])?,
        platform: "twitter".into(),
        account_id: from.id(if user.is_some() {
            &["user.id", "user.id_str", "user.username"][..]
        } else {
            &["username"]
        })?,
        account_name: user
            .as_ref()
            .and_then(|user| user.text("username"))
            .or_else(|| from.text("username"))
            .unwrap_or_default(),
        created_at: from.time_in(&["date"], Some(&jiff::tz::TimeZone::UTC))?,
        text: text.unwrap_or_default(),
        lang: from.text("lang"),
        repost_of,
        repost_of_account: original.as_ref().and_then(|original| original.any_text(&["user.id", "user.username"])),
        reply_to: from.text("inReplyToTweetId"),
        reply_to_account: from
            .has("inReplyToUser")
            .then(|| from.any_text(&["inReplyToUser.id", "inReplyToUser.username"]))
            .flatten(),
        quote_of: quoted.as_ref().and_then(|quoted| quoted.any_text(&["id", "id_str"])),
        quote_of_account: quoted.as_ref().and_then(|quoted| quoted.any_text(&["user.id", "user.username"])),
        client: from.text("sourceLabel"),
        followers: of_user("followersCount"),
        following: of_user("friendsCount"),
        account_posts: of_user("statusesCount"),
        account_created_at: user
            .as_ref()
            .filter(|user| user.has("created"))
            .and_then(|user| user.time_in(&["created"], Some(&jiff::tz::TimeZone::UTC)).ok()),
        ..Post::default()
    };
    from.post(post, entities, lost).map(Some)
}

/// A post of a channel's web page. Its URL contains the channel's name and the number:
/// `https://t.me/s/news/12`.
fn telegram(from: &Reader<'_>) -> DecodedPost {
    let url = from.id(&["url"])?;
    let (channel, number) = address(&url)
        .ok_or_else(|| DecodeError::new("url", "is not the URL of a post in a channel of Telegram", url.as_bytes()))?;
    let forwarded = from.text("forwardedUrl");
    let origin = forwarded.as_deref().and_then(address);
    let mut links = from.texts("outlinks", &[]);
    if let Some(links) = &mut links {
        // Hashtags are links to a search of the channel.
        links.retain(|link| !link.contains("?q=%23"));
    }
    let preview = from.has("linkPreview").then(|| from.text("linkPreview.href")).flatten();
    let mut links = links.unwrap_or_default();
    links.extend(preview.filter(|preview| !links.contains(preview)));
    let post = Post {
        id: format!("{channel}/{number}").into(),
        platform: "telegram".into(),
        account_id: Cow::Owned(channel.to_owned()),
        account_name: Cow::Owned(channel.to_owned()),
        created_at: from.time(&["date"])?,
        text: from.text("content").unwrap_or_default(),
        repost_of: origin.map(|(channel, number)| format!("{channel}/{number}").into()),
        repost_of_account: origin.map(|(channel, _)| Cow::Owned(channel.to_owned())).or_else(|| {
            from.has("forwarded").then(|| from.any_text(&["forwarded.username", "forwarded.title"])).flatten()
        }),
        ..Post::default()
    };
    from.post(post, Entities { urls: Some(links), hashtags: None, mentions: None }, false).map(Some)
}

/// Channel and number in a post's URL.
fn address(url: &str) -> Option<(&str, &str)> {
    let path = url.split_once("t.me/")?.1;
    let path = path.strip_prefix("s/").unwrap_or(path);
    let (channel, number) = path.split_once('/')?;
    let number = number.split('?').next()?;
    (!channel.is_empty() && !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
        .then_some((channel, number))
}

/// An item of one of the other modules, whose fields have similar names.
fn other(from: &Reader<'_>, module: &str) -> DecodedPost {
    let platform = match module {
        "vkontakte" => "vk",
        other => other,
    };
    let mut account = ["user.id", "user.uid", "user._url", "user.account", "user.username", "author", "username"]
        .into_iter()
        .filter(|path| path.split('.').next().is_some_and(|name| from.has(name)))
        .find_map(|path| from.text(path));
    let url = from.any_text(&["cleanUrl", "url"]);
    if account.is_none() {
        // A page's posts name the page in their URL only.
        let step =
            url.as_deref().and_then(|url| url.split_once("://")?.1.split('/').nth(1)).filter(|step| !step.is_empty());
        let step = step.map(|step| step.strip_prefix("wall").and_then(|wall| wall.split('_').next()).unwrap_or(step));
        account = step.map(|step| step.split('?').next().unwrap_or_default().to_owned().into());
    }
    let text = from.any_text(&["rawContent", "content", "text", "selftext", "body", "caption", "title"]);
    let links = ["links", "outlinks"].into_iter().find(|name| from.has(name));
    let post = Post {
        // On Mastodon, numbers of statuses are unique on one server only.
        id: if module == "mastodon" { from.id(&["url", "id"])? } else { from.id(&["id", "cleanUrl", "url"])? },
        platform: platform.to_owned().into(),
        account_name: from
            .has("user")
            .then(|| from.any_text(&["user.account", "user.username", "user.screenname"]))
            .flatten()
            .unwrap_or_default(),
        account_id: account.ok_or_else(|| from.missing("user"))?,
        created_at: from.time_in(&["date", "created", "createdAt"], Some(&jiff::tz::TimeZone::UTC))?,
        text: text.unwrap_or_default(),
        reply_to: from.text("parentId"),
        repost_of: from.has("repostedPost").then(|| from.any_text(&["repostedPost.id", "repostedPost.url"])).flatten(),
        ..Post::default()
    };
    let entities = Entities {
        urls: links.and_then(|name| from.texts(name, &["url"])),
        hashtags: from.has("hashtags").then(|| from.texts("hashtags", &[])).flatten(),
        mentions: from.has("mentionedUsers").then(|| from.texts("mentionedUsers", &["username", "account"])).flatten(),
    };
    let lost = from.has("repostedPost") && post.repost_of.is_none();
    from.post(post, entities, lost).map(Some)
}
