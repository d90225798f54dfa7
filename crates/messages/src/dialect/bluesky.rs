//! Bluesky: commit events of Jetstream that create an `app.bsky.feed.post` or an
//! `app.bsky.feed.repost`, as Jetstream writes them today (`kind`, `operation`) and wrote them
//! until September 2024 (`type` of `com`, `c`); and the AppView's posts, alone or in a feed
//! (`feed`), a list (`posts`) or a thread.
//!
//! - The post's id is its `at://` URI; the account's id is its DID. An event does not contain the
//!   handle, the AppView does.
//! - The time is that of the network: the event's (`time_us`), or the AppView's `indexedAt`.
//!   `createdAt` is the author's own claim and may be anything; it is used only if there is no
//!   other time.
//! - A repost in a feed is the post with a reason: the account that reposted it, and when.
//! - Deletions name a post but say nothing about it; likes, follows, identities and accounts are
//!   not posts. All of these are skipped.

use std::borrow::Cow;

use coordination::{Millis, Post};

use super::document::{DecodedPost, element, record};
use super::{Flow, Record, Take, scan};
use crate::error::DecodeError;
use crate::json_fields::Reader;
use crate::normalise::Entities;

const POST: &str = "app.bsky.feed.post";
const REPOST: &str = "app.bsky.feed.repost";
const PLATFORM: &str = "bluesky";

/// The AppView's lists of posts.
const LISTS: [&str; 2] = ["feed", "posts"];

pub(super) fn decode<'a>(value: &'a [u8], at: &str, take: &mut Take<'_, 'a>) -> Flow {
    let list = scan::members(value).find(|(name, list)| LISTS.contains(&&**name) && list.starts_with(b"["));
    if let Some((name, list)) = list {
        let mut none = true;
        for (number, item) in scan::elements(list).enumerate() {
            none = false;
            record(item, &element(at, &name, number), take, read)?;
        }
        return if none { take(Record::new(value, Ok(None))) } else { Flow::Continue(()) };
    }
    if let Some(thread) = scan::member(value, "thread") {
        return in_thread(thread, at, THREAD_DEPTH, take);
    }
    record(value, at, take, read)
}

/// The parser cannot read deeper threads anyway.
const THREAD_DEPTH: usize = 100;

/// A post of a thread, then the answers to it.
fn in_thread<'a>(view: &'a [u8], at: &str, depth: usize, take: &mut Take<'_, 'a>) -> Flow {
    match scan::member(view, "post") {
        Some(post) => record(post, at, take, read)?,
        // Deleted, or hidden from the account that made the request.
        None => take(Record::new(view, Ok(None)))?,
    }
    if let Some(replies) = scan::member(view, "replies").filter(|_| depth > 0) {
        for reply in scan::elements(replies) {
            in_thread(reply, at, depth - 1, take)?;
        }
    }
    Flow::Continue(())
}

fn read(from: &Reader<'_>) -> DecodedPost {
    if from.has("commit") || from.has("did") || from.has("time_us") || from.has("kind") {
        return event(from);
    }
    match from.object("post") {
        Some(post) => in_feed(&post, from.object("reason").as_ref()),
        None => view(from).map(Some),
    }
}

/// An event of Jetstream.
fn event(from: &Reader<'_>) -> DecodedPost {
    let kind = from.any_text(&["kind", "type"]).ok_or_else(|| from.missing("kind"))?;
    if kind != "commit" && kind != "com" {
        return Ok(None);
    }
    let commit = from.object("commit").ok_or_else(|| from.missing("commit"))?;
    let operation = commit.id(&["operation", "type"])?;
    let collection = commit.id(&["collection"])?;
    if operation != "create" && operation != "c" || collection != POST && collection != REPOST {
        return Ok(None);
    }
    let did = from.id(&["did"])?;
    let key = commit.id(&["rkey"])?;
    let content = commit.object("record").ok_or_else(|| commit.missing("record"))?;
    let created_at = seen(from, "time_us", &content)?;
    let id = format!("at://{did}/{collection}/{key}").into();
    let post = Post { id, account_id: did, created_at, ..Post::default() };
    said(from, &content, post, collection == REPOST).map(Some)
}

/// A post of a feed, and the reason why it is there.
fn in_feed(post: &Reader<'_>, reason: Option<&Reader<'_>>) -> DecodedPost {
    let reposted = reason.filter(|reason| reason.text("$type").is_some_and(|kind| kind.ends_with("#reasonRepost")));
    let original = view(post)?;
    let Some(reason) = reposted else { return Ok(Some(original)) };
    let by = reason.id(&["by.did"])?;
    let repost = Post {
        // Only newer answers contain the repost's own URI. One account reposts one post once.
        id: reason.text("uri").unwrap_or_else(|| format!("at://{by}/{REPOST}/of/{}", original.id).into()),
        account_name: reason.text("by.handle").unwrap_or_default(),
        account_created_at: reason.moment("by.createdAt"),
        created_at: reason.time(&["indexedAt"])?,
        account_id: by,
        platform: PLATFORM.into(),
        repost_of: Some(original.id.clone()),
        repost_of_account: Some(original.account_id.clone()),
        text: original.text.clone(),
        lang: original.lang.clone(),
        ..Post::default()
    };
    let entities = Entities {
        urls: Some(original.urls.clone()),
        hashtags: Some(original.hashtags.clone()),
        mentions: Some(original.mentions.clone()),
    };
    reason.post(repost, entities, false).map(Some)
}

/// A post in the AppView's form.
fn view(from: &Reader<'_>) -> Result<Post<'static>, DecodeError> {
    let content = from.object("record").or_else(|| from.object("value")).ok_or_else(|| from.missing("record"))?;
    let post = Post {
        id: from.id(&["uri"])?,
        account_id: from.id(&["author.did"])?,
        account_name: from.text("author.handle").unwrap_or_default(),
        account_created_at: from.moment("author.createdAt"),
        created_at: seen(from, "indexedAt", &content)?,
        followers: from.count("author.followersCount"),
        following: from.count("author.followsCount"),
        account_posts: from.count("author.postsCount"),
        ..Post::default()
    };
    said(from, &content, post, false)
}

/// When the network saw the post. The author's claim is used only if that cannot be read.
fn seen(from: &Reader<'_>, path: &str, content: &Reader<'_>) -> Result<Millis, DecodeError> {
    match from.moment(path).or_else(|| content.moment("createdAt")) {
        Some(millis) => Ok(millis),
        None => from.time(&[path]),
    }
}

/// The fields of a record in the author's repository.
fn said(
    from: &Reader<'_>,
    content: &Reader<'_>,
    post: Post<'_>,
    is_repost: bool,
) -> Result<Post<'static>, DecodeError> {
    let facets = content.list("facets");
    let features: Vec<Reader<'_>> =
        facets.iter().flatten().filter_map(|facet| facet.list("features")).flatten().collect();
    let of = |name: &str| -> Vec<Cow<'_, str>> { features.iter().filter_map(|feature| feature.text(name)).collect() };
    let mut links = of("uri");
    let card = ["embed.external.uri", "embed.media.external.uri"].into_iter().find_map(|path| content.text(path));
    if let Some(card) = card.filter(|card| !links.contains(card)) {
        links.push(card);
    }
    let mut tags = of("tag");
    tags.extend(content.texts("tags", &[]).unwrap_or_default());
    let told = facets.is_some();
    let entities = Entities {
        urls: (told || !links.is_empty()).then_some(links),
        hashtags: (told || !tags.is_empty()).then_some(tags),
        mentions: told.then(|| of("did")),
    };
    let repost_of = if is_repost { content.text("subject.uri") } else { None };
    if is_repost && repost_of.is_none() && !content.has("subject") {
        return Err(content.missing("subject"));
    }
    let reply_to = content.text("reply.parent.uri");
    // A quoted post is embedded, alone or together with a picture or a card. Other embedded records
    // (a list, a feed) are not posts.
    let quote_of = ["embed.record.uri", "embed.record.record.uri"]
        .into_iter()
        .find_map(|path| content.text(path))
        .filter(|address| address.split('/').nth(3) == Some(POST));
    let author = |address: &Option<Cow<'_, str>>| address.as_deref().and_then(author).map(|did| did.to_owned().into());
    let lang = content.texts("langs", &[]).and_then(|langs| langs.into_iter().next());
    let post = Post {
        platform: PLATFORM.into(),
        text: content.text("text").unwrap_or_default(),
        lang,
        repost_of_account: author(&repost_of),
        reply_to_account: author(&reply_to),
        reply_to,
        quote_of_account: author(&quote_of),
        quote_of,
        ..post
    };
    let lost = is_repost && repost_of.is_none();
    from.post(Post { repost_of, ..post }, entities, lost)
}

/// The author's DID in `at://did/collection/key`.
fn author(uri: &str) -> Option<&str> {
    uri.strip_prefix("at://")?.split('/').next()
}
