//! X. A value is a page of API v2 (`data`, `includes`), one v2 post with its author expanded under `author`, or one v1.1 post.
//!
//! A repost says what the reposted post says, if that is part of the value: its own text is cut. Links are the expanded ones; those
//! to the post's own media are left out. Deletions, limits and pages without posts give nothing.

use std::borrow::Cow;
use std::collections::HashMap;

use coordination::{Millis, Post};
use jiff::fmt::strtime;
use serde::Deserialize;
use serde_json::Value;

use super::document::{finished, missing, or_default, parse, part};
use crate::error::DecodeError;
use crate::post::Entities;
use crate::values::{Count, Text, parse_moment};

const PLATFORM: &str = "twitter";

pub(super) fn decode(value: &[u8]) -> Vec<Result<Post<'static>, DecodeError>> {
    let document = match parse(value) {
        Ok(document) => document,
        Err(error) => return vec![Err(error)],
    };
    if let Some(data) = document.get("data") {
        let includes = match document.get("includes").map(part::<Includes<'_>>).transpose() {
            Ok(includes) => includes.unwrap_or_default(),
            Err(error) => return vec![Err(error.inside("includes"))],
        };
        let context = Context::of(includes);
        return match data {
            Value::Array(posts) => posts
                .iter()
                .enumerate()
                .map(|(at, post)| v2(post, &context).map_err(|e| e.inside(&format!("data[{at}]"))))
                .collect(),
            post => vec![v2(post, &context).map_err(|e| e.inside("data"))],
        };
    }
    let has = |name: &str| document.get(name).is_some();
    if has("user") || has("id_str") {
        vec![v1(&document)]
    } else if has("id") {
        vec![v2(&document, &Context::default())]
    } else if ["delete", "limit", "warning", "scrub_geo", "meta", "errors"].into_iter().any(has) {
        Vec::new()
    } else {
        vec![Err(missing("id", &document))]
    }
}

#[derive(Deserialize, Default)]
struct Includes<'a> {
    #[serde(borrow, default, deserialize_with = "or_default")]
    users: Vec<User<'a>>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    tweets: Vec<V2<'a>>,
}

#[derive(Default)]
struct Context<'a> {
    users: HashMap<Cow<'a, str>, User<'a>>,
    tweets: HashMap<Cow<'a, str>, V2<'a>>,
}

impl<'a> Context<'a> {
    fn of(includes: Includes<'a>) -> Self {
        Context {
            users: includes.users.into_iter().map(|user| (user.id.0.clone(), user)).collect(),
            tweets: includes.tweets.into_iter().filter_map(|post| Some((post.id.as_ref()?.0.clone(), post))).collect(),
        }
    }
}

#[derive(Deserialize)]
struct User<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    username: Option<Text<'a>>,
    #[serde(borrow)]
    created_at: Option<Text<'a>>,
    public_metrics: Option<Metrics>,
}

#[derive(Deserialize)]
struct Metrics {
    followers_count: Option<Count>,
    following_count: Option<Count>,
    tweet_count: Option<Count>,
}

#[derive(Deserialize)]
struct V2<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    text: Option<Text<'a>>,
    #[serde(borrow)]
    note_tweet: Option<Note<'a>>,
    #[serde(borrow)]
    author_id: Option<Text<'a>>,
    #[serde(borrow)]
    author: Option<User<'a>>,
    #[serde(borrow)]
    created_at: Option<Text<'a>>,
    #[serde(borrow)]
    lang: Option<Text<'a>>,
    #[serde(borrow)]
    source: Option<Text<'a>>,
    #[serde(borrow)]
    in_reply_to_user_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    referenced_tweets: Vec<Reference<'a>>,
    #[serde(borrow)]
    entities: Option<V2Entities<'a>>,
}

#[derive(Deserialize)]
struct Note<'a> {
    #[serde(borrow)]
    text: Option<Text<'a>>,
    #[serde(borrow)]
    entities: Option<V2Entities<'a>>,
}

#[derive(Deserialize)]
struct Reference<'a> {
    #[serde(borrow)]
    r#type: Text<'a>,
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    author_id: Option<Text<'a>>,
    #[serde(borrow)]
    text: Option<Text<'a>>,
    #[serde(borrow)]
    entities: Option<V2Entities<'a>>,
}

#[derive(Deserialize)]
struct V2Entities<'a> {
    #[serde(borrow, default, deserialize_with = "or_default")]
    urls: Vec<Link<'a>>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    hashtags: Vec<Tag<'a>>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    mentions: Vec<Mention<'a>>,
}

#[derive(Deserialize)]
struct Link<'a> {
    #[serde(borrow)]
    url: Option<Text<'a>>,
    #[serde(borrow)]
    expanded_url: Option<Text<'a>>,
    #[serde(borrow)]
    unwound_url: Option<Text<'a>>,
    #[serde(borrow)]
    media_key: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Tag<'a> {
    #[serde(borrow, alias = "text")]
    tag: Text<'a>,
}

#[derive(Deserialize)]
struct Mention<'a> {
    #[serde(borrow, alias = "screen_name")]
    username: Text<'a>,
}

fn v2(value: &Value, context: &Context<'_>) -> Result<Post<'static>, DecodeError> {
    let post: V2<'_> = part(value)?;
    let author_id = post
        .author_id
        .as_ref()
        .or(post.author.as_ref().map(|user| &user.id))
        .ok_or_else(|| missing("author_id", value))?;
    let author = post.author.as_ref().or_else(|| context.users.get(&author_id.0));
    let metrics = author.and_then(|user| user.public_metrics.as_ref());
    let reference = |kind: &str| post.referenced_tweets.iter().find(|r| r.r#type.0 == kind);
    let reposted = reference("retweeted");
    let original = reposted.and_then(|r| context.tweets.get(&r.id.0));
    let replied = reference("replied_to");

    let own = post.note_tweet.as_ref();
    let text = original
        .and_then(|o| o.note_tweet.as_ref().and_then(|n| n.text.as_ref()).or(o.text.as_ref()))
        .or(reposted.and_then(|r| r.text.as_ref()))
        .or(own.and_then(|n| n.text.as_ref()))
        .or(post.text.as_ref());
    let entities = original
        .and_then(|o| o.entities.as_ref())
        .or(reposted.and_then(|r| r.entities.as_ref()))
        .or(own.and_then(|n| n.entities.as_ref()))
        .or(post.entities.as_ref());
    let entities = Entities {
        urls: entities.map(|e| e.urls.iter().filter_map(link).collect()),
        hashtags: entities.map(|e| e.hashtags.iter().map(|tag| tag.tag.0.clone()).collect()),
        mentions: entities.map(|e| e.mentions.iter().map(|m| m.username.0.clone()).collect()),
    };
    let created_at = post.created_at.as_ref().ok_or_else(|| missing("created_at", value))?;
    let out = Post {
        id: post.id.as_ref().ok_or_else(|| missing("id", value))?.0.clone(),
        platform: PLATFORM.into(),
        account_id: author_id.0.clone(),
        account_name: author.and_then(|user| clone(&user.username)).unwrap_or_default(),
        created_at: moment(created_at)
            .map_err(|reason| DecodeError::new("created_at", reason, created_at.0.as_bytes()))?,
        text: text.map(|t| t.0.clone()).unwrap_or_default(),
        lang: clone(&post.lang),
        repost_of: reposted.map(|r| r.id.0.clone()),
        repost_of_account: original
            .and_then(|o| clone(&o.author_id))
            .or_else(|| reposted.and_then(|r| clone(&r.author_id))),
        reply_to: replied.map(|r| r.id.0.clone()),
        reply_to_account: clone(&post.in_reply_to_user_id),
        client: clone(&post.source),
        followers: metrics.and_then(|m| m.followers_count).map(|n| n.0),
        following: metrics.and_then(|m| m.following_count).map(|n| n.0),
        account_posts: metrics.and_then(|m| m.tweet_count).map(|n| n.0),
        account_created_at: author.and_then(|user| user.created_at.as_ref()).and_then(|time| moment(time).ok()),
        ..Post::default()
    };
    finished(out, entities, value)
}

#[derive(Deserialize)]
struct V1<'a> {
    #[serde(borrow)]
    id_str: Option<Text<'a>>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    created_at: Option<Text<'a>>,
    #[serde(borrow)]
    user: Option<V1User<'a>>,
    #[serde(borrow)]
    full_text: Option<Text<'a>>,
    #[serde(borrow)]
    text: Option<Text<'a>>,
    #[serde(borrow)]
    extended_tweet: Option<Extended<'a>>,
    #[serde(borrow)]
    entities: Option<V1Entities<'a>>,
    #[serde(borrow)]
    retweeted_status: Option<Box<V1<'a>>>,
    #[serde(borrow)]
    in_reply_to_status_id_str: Option<Text<'a>>,
    #[serde(borrow)]
    in_reply_to_user_id_str: Option<Text<'a>>,
    #[serde(borrow)]
    lang: Option<Text<'a>>,
    #[serde(borrow)]
    source: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct V1User<'a> {
    #[serde(borrow)]
    id_str: Option<Text<'a>>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    screen_name: Option<Text<'a>>,
    #[serde(borrow)]
    created_at: Option<Text<'a>>,
    followers_count: Option<Count>,
    friends_count: Option<Count>,
    statuses_count: Option<Count>,
    default_profile: Option<bool>,
}

#[derive(Deserialize)]
struct Extended<'a> {
    #[serde(borrow)]
    full_text: Option<Text<'a>>,
    #[serde(borrow)]
    entities: Option<V1Entities<'a>>,
}

#[derive(Deserialize)]
struct V1Entities<'a> {
    #[serde(borrow, default, deserialize_with = "or_default")]
    urls: Vec<Link<'a>>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    hashtags: Vec<Tag<'a>>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    user_mentions: Vec<Mention<'a>>,
}

fn v1(value: &Value) -> Result<Post<'static>, DecodeError> {
    let post: V1<'_> = part(value)?;
    let user = post.user.as_ref().ok_or_else(|| missing("user", value))?;
    let account_id = user.id_str.as_ref().or(user.id.as_ref());
    let original = post.retweeted_status.as_deref();
    let said = original.unwrap_or(&post);
    let extended = said.extended_tweet.as_ref();
    let text = extended.and_then(|e| e.full_text.as_ref()).or(said.full_text.as_ref()).or(said.text.as_ref());
    let entities = extended.and_then(|e| e.entities.as_ref()).or(said.entities.as_ref());
    let entities = Entities {
        urls: entities.map(|e| e.urls.iter().filter_map(link).collect()),
        hashtags: entities.map(|e| e.hashtags.iter().map(|tag| tag.tag.0.clone()).collect()),
        mentions: entities.map(|e| e.user_mentions.iter().map(|m| m.username.0.clone()).collect()),
    };
    let created_at = post.created_at.as_ref().ok_or_else(|| missing("created_at", value))?;
    let out = Post {
        id: post.id_str.as_ref().or(post.id.as_ref()).ok_or_else(|| missing("id_str", value))?.0.clone(),
        platform: PLATFORM.into(),
        account_id: account_id.ok_or_else(|| missing("user.id_str", value))?.0.clone(),
        account_name: clone(&user.screen_name).unwrap_or_default(),
        created_at: moment(created_at)
            .map_err(|reason| DecodeError::new("created_at", reason, created_at.0.as_bytes()))?,
        text: text.map(|t| t.0.clone()).unwrap_or_default(),
        lang: clone(&post.lang),
        repost_of: original.and_then(|o| clone(&o.id_str).or_else(|| clone(&o.id))),
        repost_of_account: original
            .and_then(|o| o.user.as_ref())
            .and_then(|user| clone(&user.id_str).or_else(|| clone(&user.id))),
        reply_to: clone(&post.in_reply_to_status_id_str),
        reply_to_account: clone(&post.in_reply_to_user_id_str),
        client: post.source.as_ref().map(|source| Cow::Borrowed(inner_text(&source.0))),
        followers: user.followers_count.map(|n| n.0),
        following: user.friends_count.map(|n| n.0),
        account_posts: user.statuses_count.map(|n| n.0),
        account_created_at: user.created_at.as_ref().and_then(|time| moment(time).ok()),
        default_profile: user.default_profile,
        ..Post::default()
    };
    finished(out, entities, value)
}

fn clone<'a>(text: &Option<Text<'a>>) -> Option<Cow<'a, str>> {
    text.as_ref().map(|text| text.0.clone())
}

fn link<'a>(link: &Link<'a>) -> Option<Cow<'a, str>> {
    if link.media_key.is_some() {
        return None;
    }
    clone(&link.unwound_url).or_else(|| clone(&link.expanded_url)).or_else(|| clone(&link.url))
}

/// v2 writes RFC 3339, v1.1 writes `Wed Oct 10 20:19:24 +0000 2018`.
fn moment(text: &Text<'_>) -> Result<Millis, String> {
    strtime::parse("%a %b %d %H:%M:%S %z %Y", text.0.as_bytes())
        .and_then(|parsed| parsed.to_timestamp())
        .map(|time| time.as_millisecond())
        .or_else(|_| parse_moment(&text.0))
}

/// The client of v1.1 is an HTML link around its name.
fn inner_text(html: &str) -> &str {
    match (html.find('>'), html.rfind("</")) {
        (Some(open), Some(close)) if html.starts_with('<') && open < close => &html[open + 1..close],
        _ => html,
    }
}
