//! Bluesky: commit events of Jetstream that create an `app.bsky.feed.post` or an `app.bsky.feed.repost`.
//!
//! - The post's id is its `at://` address; the account's id is its DID. An event does not tell the handle.
//! - The time is the event's (`time_us`): `createdAt` is the author's own claim, and may be anything. It serves where the event has no
//!   time.
//! - Deletions name a post but nothing about it, and likes, follows, identities and accounts are no posts: they give nothing.

use std::borrow::Cow;

use coordination::Post;
use serde::Deserialize;
use serde_json::Value;

use super::document::{finished, missing, or_default, parse, part};
use crate::error::DecodeError;
use crate::post::Entities;
use crate::values::{Moment, Text};

const POST: &str = "app.bsky.feed.post";
const REPOST: &str = "app.bsky.feed.repost";

pub(super) fn decode(value: &[u8]) -> Vec<Result<Post<'static>, DecodeError>> {
    match parse(value).and_then(|event| read(&event)) {
        Ok(None) => Vec::new(),
        Ok(Some(post)) => vec![Ok(post)],
        Err(error) => vec![Err(error)],
    }
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    did: Option<Text<'a>>,
    time_us: Option<Moment>,
    #[serde(borrow)]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    commit: Option<Commit<'a>>,
}

#[derive(Deserialize)]
struct Commit<'a> {
    #[serde(borrow)]
    operation: Text<'a>,
    #[serde(borrow)]
    collection: Text<'a>,
    #[serde(borrow)]
    rkey: Text<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    created_at: Option<Moment>,
    #[serde(borrow)]
    text: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    langs: Vec<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    tags: Vec<Text<'a>>,
    #[serde(borrow)]
    facets: Option<Vec<Facet<'a>>>,
    #[serde(borrow)]
    embed: Option<Embed<'a>>,
    #[serde(borrow)]
    reply: Option<Reply<'a>>,
    #[serde(borrow)]
    subject: Option<Address<'a>>,
}

#[derive(Deserialize)]
struct Facet<'a> {
    #[serde(borrow, default, deserialize_with = "or_default")]
    features: Vec<Feature<'a>>,
}

#[derive(Deserialize)]
struct Feature<'a> {
    #[serde(borrow)]
    uri: Option<Text<'a>>,
    #[serde(borrow)]
    tag: Option<Text<'a>>,
    #[serde(borrow)]
    did: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Embed<'a> {
    #[serde(borrow)]
    external: Option<External<'a>>,
    #[serde(borrow)]
    media: Option<Media<'a>>,
}

#[derive(Deserialize)]
struct Media<'a> {
    #[serde(borrow)]
    external: Option<External<'a>>,
}

#[derive(Deserialize)]
struct External<'a> {
    #[serde(borrow)]
    uri: Text<'a>,
}

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow)]
    parent: Option<Address<'a>>,
}

#[derive(Deserialize)]
struct Address<'a> {
    #[serde(borrow)]
    uri: Text<'a>,
}

fn read(value: &Value) -> Result<Option<Post<'static>>, DecodeError> {
    let event: Event<'_> = part(value)?;
    let kind = event.kind.as_ref().ok_or_else(|| missing("kind", value))?;
    if kind.0 != "commit" {
        return Ok(None);
    }
    let commit = event.commit.as_ref().ok_or_else(|| missing("commit", value))?;
    if commit.operation.0 != "create" || ![POST, REPOST].contains(&&*commit.collection.0) {
        return Ok(None);
    }
    let did = event.did.as_ref().ok_or_else(|| missing("did", value))?;
    let record = value
        .pointer("/commit/record")
        .filter(|record| !record.is_null())
        .ok_or_else(|| missing("commit.record", value))?;
    let record: Record<'_> = part(record).map_err(|error| error.inside("commit.record"))?;
    let created_at = event.time_us.or(record.created_at).ok_or_else(|| missing("time_us", value))?;

    let features = || record.facets.iter().flatten().flat_map(|facet| &facet.features);
    let card = record
        .embed
        .as_ref()
        .and_then(|embed| embed.external.as_ref().or(embed.media.as_ref().and_then(|media| media.external.as_ref())));
    let mut links: Vec<Cow<'_, str>> = features().filter_map(|f| Some(f.uri.as_ref()?.0.clone())).collect();
    if let Some(card) = card.filter(|card| !links.contains(&card.uri.0)) {
        links.push(card.uri.0.clone());
    }
    let mut tags: Vec<Cow<'_, str>> = features().filter_map(|f| Some(f.tag.as_ref()?.0.clone())).collect();
    tags.extend(record.tags.iter().map(|tag| tag.0.clone()));
    let mentions: Vec<Cow<'_, str>> = features().filter_map(|f| Some(f.did.as_ref()?.0.clone())).collect();
    let told = record.facets.is_some();
    let entities = Entities {
        urls: (told || !links.is_empty()).then_some(links),
        hashtags: (told || !tags.is_empty()).then_some(tags),
        mentions: told.then_some(mentions),
    };

    let is_repost = commit.collection.0 == REPOST;
    let repost_of = match (&record.subject, is_repost) {
        (Some(subject), true) => Some(&subject.uri.0),
        (None, true) => return Err(missing("commit.record.subject", value)),
        (_, false) => None,
    };
    let reply_to = record.reply.as_ref().and_then(|reply| reply.parent.as_ref()).map(|parent| &parent.uri.0);
    let post = Post {
        id: format!("at://{}/{}/{}", did.0, commit.collection.0, commit.rkey.0).into(),
        platform: "bluesky".into(),
        account_id: did.0.clone(),
        created_at: created_at.0,
        text: record.text.as_ref().map(|text| text.0.clone()).unwrap_or_default(),
        lang: record.langs.first().map(|lang| lang.0.clone()),
        repost_of: repost_of.cloned(),
        repost_of_account: repost_of.and_then(|uri| author(uri)).map(Cow::Borrowed),
        reply_to: reply_to.cloned(),
        reply_to_account: reply_to.and_then(|uri| author(uri)).map(Cow::Borrowed),
        ..Post::default()
    };
    finished(post, entities, value).map(Some)
}

/// The author's DID in `at://did/collection/key`.
fn author(uri: &str) -> Option<&str> {
    uri.strip_prefix("at://")?.split('/').next()
}
