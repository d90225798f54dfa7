//! Items in the form that the web sites of X, TikTok, Instagram and Threads send to a browser.
//! Zeeschuimer collects them, and 4CAT stores them.
//!
//! A repost on X is an item of its own that contains the whole original
//! (`legacy.retweeted_status_result`). The repost gets the original's text, because its own text is
//! cut.

use std::borrow::Cow;

use coordination::Post;
use serde_json::Value;

use super::document::DecodedPost;
use super::x::{self, Known};
use super::{csv::UNKNOWN_PLATFORM, mastodon};
use crate::json_fields::Reader;
use crate::normalise::Entities;

/// Reads an item. `site` is the host that it was collected from, if given.
pub(super) fn read(from: &Reader<'_>, site: Option<&str>) -> DecodedPost {
    let site = site.unwrap_or_default();
    if from.has("legacy") || from.has("rest_id") || from.has("tweet") {
        tweet(from)
    } else if from.has("desc") || from.has("createTime") {
        tiktok(from)
    } else if from.has("cid") && from.has("create_time") {
        tiktok_comment(from)
    } else if from.has("code") || from.has("shortcode") {
        instagram(from, if site.contains("threads") { "threads" } else { "instagram" })
    } else if from.has("account") {
        mastodon::status(from, if site.contains("truthsocial") { "truthsocial" } else { "gab" })
    } else if from.value().get("__typename").and_then(Value::as_str).is_some_and(|kind| kind.starts_with("Tweet")) {
        // A post that was withheld or deleted: a tombstone.
        Ok(None)
    } else {
        let mut error = from.missing("");
        error.reason = "is not an item of X, TikTok, Instagram or Threads: items of other sites are not read".into();
        Err(error)
    }
}

/// A post of X. A post with limited replies is one level deeper.
fn tweet(from: &Reader<'_>) -> DecodedPost {
    let inner = if from.has("legacy") { None } else { from.object("tweet") };
    let from = inner.as_ref().unwrap_or(from);
    let legacy = from.object("legacy").ok_or_else(|| from.missing("legacy"))?;
    let account_id =
        from.id(&["legacy.user_id_str", "core.user_results.result.rest_id", "user.id_str", "user.rest_id"])?;
    let user = ["core.user_results.result.legacy", "user"].into_iter().find(|path| from.has(path));
    let known = Known {
        id: from.id(&["legacy.id_str", "rest_id"])?,
        account_id,
        user: user.and_then(|path| from.object(path)),
    };
    let result = "retweeted_status_result.result";
    let reposted = legacy.object(result);
    let reposted = match reposted {
        Some(outer) if !outer.has("legacy") && outer.has("tweet") => outer.object("tweet"),
        other => other,
    };
    let original = reposted.as_ref().and_then(|outer| outer.object("legacy"));
    let mut post = x::status(&legacy, known, original, "retweeted_status_result")?;
    if post.repost_of.is_none()
        && let Some(id) = reposted.as_ref().and_then(|outer| outer.text("rest_id"))
    {
        post.repost_of = Some(id.into_owned().into());
    }
    if let Some(outer) = &reposted {
        let author = outer.text("core.user_results.result.rest_id");
        post.repost_of_account = post.repost_of_account.or_else(|| Some(author?.into_owned().into()));
    }
    // The quoted post is next to `legacy`; a post with limited replies is one level deeper.
    let quoted = "quoted_status_result.result";
    if post.repost_of.is_none()
        && let Some(outer) = from.has("quoted_status_result").then(|| from.object(quoted)).flatten()
    {
        let inner = if outer.has("tweet") { outer.object("tweet") } else { None };
        let quoted = inner.as_ref().unwrap_or(&outer);
        let owned = |text: Option<Cow<'_, str>>| text.map(|text| Cow::Owned(text.into_owned()));
        post.quote_of = post.quote_of.or_else(|| owned(quoted.any_text(&["rest_id", "legacy.id_str"])));
        post.quote_of_account = owned(quoted.any_text(&["core.user_results.result.rest_id", "legacy.user_id_str"]));
    }
    // Handle and age moved out of `legacy` in 2025.
    let profile = from.object("core.user_results.result");
    let of_profile = |path: &str| profile.as_ref().and_then(|profile| profile.text(path));
    if post.account_name == post.account_id
        && let Some(name) = of_profile("core.screen_name")
    {
        post.account_name = name.into_owned().into();
    }
    post.account_created_at =
        post.account_created_at.or_else(|| profile.as_ref().and_then(|profile| profile.moment("core.created_at")));
    post.client = post.client.or_else(|| Some(x::inner_text(from.text("source")?).into_owned().into()));
    // The whole text of a long post.
    let said = reposted.as_ref().unwrap_or(from);
    if let Some(note) = said.has("note_tweet").then(|| said.object("note_tweet.note_tweet_results.result")).flatten()
        && let Some(text) = note.text("text")
    {
        post.text = text.into_owned().into();
        if let Some(entities) = note.object("entity_set") {
            let owned = |texts: Option<Vec<Cow<'_, str>>>| -> Vec<Cow<'static, str>> {
                texts.unwrap_or_default().into_iter().map(|text| Cow::Owned(text.into_owned())).collect()
            };
            post.urls = owned(x::links(&entities, "urls"));
            post.hashtags = owned(entities.given_texts("hashtags", &["text"]));
            post.mentions = owned(entities.given_texts("user_mentions", &["screen_name"]));
        }
    }
    Ok(Some(post))
}

/// A video of TikTok. Hashtags are given as challenges, or as ranges of the text.
fn tiktok(from: &Reader<'_>) -> DecodedPost {
    let author = from.get("author").is_some_and(Value::is_object);
    let challenges = from.has("challenges").then(|| from.texts("challenges", &["title", "hashtagName"])).flatten();
    let extra = from.list("textExtra");
    let of_extra = |name: &str| -> Option<Vec<Cow<'_, str>>> {
        Some(extra.as_ref()?.iter().filter_map(|stretch| stretch.text(name)).collect())
    };
    let stats =
        ["authorStats", "authorStatsV2"].into_iter().find(|name| from.has(name)).and_then(|name| from.object(name));
    let of_stats = |name: &str| stats.as_ref().and_then(|stats| stats.count(name));
    let names: &[&str] = if author { &["author.uniqueId", "author.nickname"] } else { &["author", "nickname"] };
    let post = Post {
        id: from.id(&["id"])?,
        platform: "tiktok".into(),
        account_id: from.id(if author {
            &["author.id", "authorId", "author.uniqueId"][..]
        } else {
            &["authorId", "author"]
        })?,
        account_name: from.any_text(names).unwrap_or_default(),
        created_at: from.time(&["createTime"])?,
        text: from.text("desc").unwrap_or_default(),
        lang: from.text("textLanguage"),
        followers: of_stats("followerCount"),
        following: of_stats("followingCount"),
        account_posts: of_stats("videoCount"),
        account_created_at: if author { from.moment("author.createTime") } else { None },
        ..Post::default()
    };
    let entities = Entities {
        urls: None,
        hashtags: challenges.or_else(|| of_extra("hashtagName")),
        mentions: of_extra("userUniqueId"),
    };
    from.post(post, entities, false).map(Some)
}

fn tiktok_comment(from: &Reader<'_>) -> DecodedPost {
    let post = Post {
        id: from.id(&["cid"])?,
        platform: "tiktok".into(),
        account_id: from.id(&["user.uid", "user.id", "user.unique_id"])?,
        account_name: from.any_text(&["user.unique_id", "user.nickname"]).unwrap_or_default(),
        created_at: from.time(&["create_time"])?,
        text: from.text("text").unwrap_or_default(),
        reply_to: from.any_text(&["reply_id", "aweme_id"]).filter(|id| id != "0").or_else(|| from.text("aweme_id")),
        ..Post::default()
    };
    from.post(post, Entities { urls: None, hashtags: None, mentions: None }, false).map(Some)
}

/// A post of Instagram or Threads, in the older form of a graph's node or the newer form of a
/// list's item.
fn instagram(from: &Reader<'_>, platform: &'static str) -> DecodedPost {
    let advert = from.text("product_type").as_deref() == Some("ad")
        || from.text("link").is_some_and(|link| link.starts_with("https://www.facebook.com/ads/ig_redirect"));
    if advert {
        return Ok(None);
    }
    let who = ["user", "owner"].into_iter().find(|name| from.has(name)).unwrap_or("user");
    let who = from.object(who).ok_or_else(|| from.missing("user"))?;
    let captions = from.has("edge_media_to_caption").then(|| from.list("edge_media_to_caption.edges")).flatten();
    let caption = captions.and_then(|edges| edges.first()?.text("node.text"));
    let text = caption.or_else(|| from.has("caption").then(|| from.text("caption.text")).flatten());
    let repost = "text_post_app_info.share_info.reposted_post";
    let original = from.has("text_post_app_info").then(|| from.object(repost)).flatten();
    let post = Post {
        id: from.id(&["code", "shortcode"])?,
        platform: if from.has("text_post_app_info") { "threads".into() } else { platform.into() },
        account_id: who.id(&["pk", "id", "pk_id", "username"])?,
        account_name: who.text("username").unwrap_or_default(),
        created_at: from.time(&["taken_at", "taken_at_timestamp"])?,
        text: text.unwrap_or_default(),
        repost_of: original.as_ref().and_then(|original| original.any_text(&["code", "pk"])),
        repost_of_account: original.as_ref().and_then(|original| original.any_text(&["user.pk", "user.username"])),
        followers: if who.has("follower_count") { who.count("follower_count") } else { None },
        ..Post::default()
    };
    from.post(post, Entities { urls: None, hashtags: None, mentions: None }, false).map(Some)
}

/// The platform of a URL or host.
pub(super) fn platform(address: &str) -> &'static str {
    let host = address.split_once("://").map_or(address, |(_, rest)| rest);
    let host =
        host.split(['/', ':', '?']).next().unwrap_or_default().trim_start_matches("www.").trim_start_matches("m.");
    match host {
        "twitter.com" | "x.com" | "mobile.twitter.com" => "twitter",
        "tiktok.com" => "tiktok",
        "instagram.com" => "instagram",
        "threads.net" | "threads.com" => "threads",
        "facebook.com" => "facebook",
        "linkedin.com" => "linkedin",
        "bsky.app" => "bluesky",
        "t.me" | "telegram.me" => "telegram",
        "truthsocial.com" => "truthsocial",
        "reddit.com" | "old.reddit.com" => "reddit",
        "youtube.com" | "youtu.be" => "youtube",
        "vk.com" => "vk",
        "weibo.com" | "weibo.cn" => "weibo",
        "gab.com" => "gab",
        _ => UNKNOWN_PLATFORM,
    }
}
