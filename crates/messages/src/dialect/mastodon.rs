//! Mastodon: a status of the REST API, the `payload` of an `update` event of the streaming API, or
//! the `statuses` of a search. For an account's archive (`outbox.json`) see [`super::activity`].
//!
//! The same status or account has different ids on different servers, so the URLs (`uri`; for an
//! account `uri` or `url`) are the ids here if they are given. The post that a status answers is
//! only given by its id on the server.

use std::borrow::Cow;

use coordination::Post;

use super::document::{DecodedPost, element, parse, record};
use super::{Flow, Record, Take, activity, html, scan};
use crate::json_fields::{Notes, Reader};
use crate::normalise::Entities;

pub(super) fn decode<'a>(value: &'a [u8], at: &str, take: &mut Take<'_, 'a>) -> Flow {
    let list = scan::members(value)
        .find(|(name, list)| ["statuses", "orderedItems", "items"].contains(&&**name) && list.starts_with(b"["));
    let Some((name, list)) = list else {
        return record(value, at, take, read);
    };
    let mut none = true;
    for (number, item) in scan::elements(list).enumerate() {
        none = false;
        record(item, &element(at, &name, number), take, read)?;
    }
    if none { take(Record::new(value, Ok(None))) } else { Flow::Continue(()) }
}

fn read(from: &Reader<'_>) -> DecodedPost {
    if activity::is(from) {
        return activity::read(from);
    }
    if !from.has("event") {
        return status(from, "mastodon");
    }
    if from.text("event").as_deref() != Some("update") {
        return Ok(None);
    }
    // The streaming API gives the status as text inside the event.
    match from.text("payload").filter(|text| text.starts_with('{')) {
        Some(payload) => {
            let payload = parse(payload.as_bytes()).map_err(|error| error.inside("payload"))?;
            // A note's path refers to the event, which lives longer; the fields are the status's
            // own.
            let notes = Notes::default();
            let outcome = status(&Reader::new(&payload, &notes), "mastodon").map_err(|error| error.inside("payload"));
            from.take_notes(notes);
            outcome
        }
        None => status(&from.object("payload").ok_or_else(|| from.missing("payload"))?, "mastodon"),
    }
}

/// A status, of Mastodon or of another service with its API.
pub(super) fn status(from: &Reader<'_>, platform: &'static str) -> DecodedPost {
    let account = from.object("account").ok_or_else(|| from.missing("account"))?;
    let original = from.object("reblog");
    let said = original.as_ref().unwrap_or(from);
    let content = said.text("content").unwrap_or_default();
    let entities = Entities {
        urls: Some(html::links(&content)),
        hashtags: said.texts("tags", &["name"]),
        mentions: said.texts("mentions", &["acct", "username"]),
    };
    let repost_of = original.as_ref().and_then(address);
    let lost = from.has("reblog") && repost_of.is_none();
    // Mastodon wraps the quoted status, with the state of its author's consent; other services give
    // the status itself.
    let quoted = ["quote.quoted_status", "quote"]
        .into_iter()
        .find(|path| from.has(path))
        .and_then(|path| from.object(path))
        .filter(|quoted| quoted.has("account"));
    let post = Post {
        id: from.id(&["uri", "id"])?,
        platform: platform.into(),
        account_id: account.id(&["uri", "url", "id"])?,
        account_name: account.any_text(&["acct", "username"]).unwrap_or_default(),
        created_at: from.time(&["created_at"])?,
        text: html::text_of(&content).into(),
        lang: said.text("language"),
        repost_of,
        repost_of_account: original
            .as_ref()
            .and_then(|original| original.any_text(&["account.uri", "account.url", "account.id"])),
        reply_to: from.text("in_reply_to_id"),
        reply_to_account: from.text("in_reply_to_account_id"),
        quote_of: quoted.as_ref().and_then(address).or_else(|| from.any_text(&["quote.quoted_status_id", "quote_id"])),
        quote_of_account: quoted
            .as_ref()
            .and_then(|quoted| quoted.any_text(&["account.uri", "account.url", "account.id"])),
        client: from.text("application.name"),
        followers: account.shown_count("followers_count"),
        following: account.shown_count("following_count"),
        account_posts: account.shown_count("statuses_count"),
        account_created_at: account.moment("created_at"),
        ..Post::default()
    };
    from.post(post, entities, lost).map(Some)
}

fn address<'v>(status: &Reader<'v>) -> Option<Cow<'v, str>> {
    status.any_text(&["uri", "id"])
}
