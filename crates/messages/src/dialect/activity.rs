//! ActivityStreams: the activities in an account's archive of Mastodon (`outbox.json`). A `Create`
//! of a note is a post, an `Announce` a repost. Other activities (likes, edits, deletions) are not
//! posts, and neither are the URLs in `likes.json`.
//!
//! Ids are URLs. The ids of the REST API are URLs here as well, so both can be read together. An
//! archive holds only the URL of a reposted post.

use coordination::Post;
use serde_json::Value;

use super::document::DecodedPost;
use super::html;
use crate::json_fields::Reader;
use crate::normalise::Entities;

/// Whether a record is an activity, or the URL of one.
pub(super) fn is(from: &Reader<'_>) -> bool {
    match from.value() {
        Value::String(_) => true,
        value => value.get("actor").is_some() || value.get("@context").is_some() || value.get("attributedTo").is_some(),
    }
}

pub(super) fn read(from: &Reader<'_>) -> DecodedPost {
    if !from.value().is_object() {
        return Ok(None);
    }
    let kind = from.text("type").unwrap_or_default();
    match &*kind {
        "Announce" => announce(from),
        "Create" => match from.object("object") {
            Some(object) => created(from, &object),
            None => Err(from.missing("object")),
        },
        // An object without its activity.
        "Note" | "Article" | "Question" | "Page" => created(from, from),
        _ => Ok(None),
    }
}

fn created(activity: &Reader<'_>, object: &Reader<'_>) -> DecodedPost {
    let kind = object.text("type").unwrap_or_default();
    if !matches!(&*kind, "" | "Note" | "Article" | "Question" | "Page" | "Video" | "Image") {
        return Ok(None);
    }
    let content = object.text("content").unwrap_or_default();
    let tags = object.list("tag");
    let tagged = |kind: &str| {
        let of_kind = tags.iter().flatten().filter(|tag| tag.text("type").as_deref() == Some(kind));
        of_kind.filter_map(|tag| tag.text("name")).collect::<Vec<_>>()
    };
    let told = tags.is_some();
    let language = object.get("contentMap").and_then(Value::as_object).and_then(|map| map.keys().next());
    let account_id = actor(activity, "actor").or_else(|| actor(object, "attributedTo"));
    let account_id = account_id.ok_or_else(|| activity.missing("actor"))?;
    let quote_of = ["quote", "quoteUrl", "quoteUri", "_misskey_quote"]
        .into_iter()
        .find(|name| object.get(name).is_some_and(Value::is_string))
        .and_then(|name| object.text(name));
    let post = Post {
        id: object.id(&["id"])?,
        platform: "mastodon".into(),
        account_name: handle(&account_id).into(),
        created_at: match object.has("published") {
            true => object.time(&["published"])?,
            false => activity.time(&["published"])?,
        },
        text: html::text_of(&content).into(),
        lang: language.map(|language| language.as_str().into()),
        reply_to: object.any_text(&["inReplyTo", "inReplyTo.id"]),
        quote_of_account: quote_of.as_deref().and_then(author).map(Into::into),
        quote_of,
        account_id: account_id.into(),
        ..Post::default()
    };
    let entities = Entities {
        urls: Some(html::links(&content)),
        hashtags: told.then(|| tagged("Hashtag")),
        mentions: told.then(|| tagged("Mention")),
    };
    activity.post(post, entities, false).map(Some)
}

fn announce(from: &Reader<'_>) -> DecodedPost {
    let account_id = actor(from, "actor").ok_or_else(|| from.missing("actor"))?;
    let repost_of = match from.get("object") {
        Some(Value::Object(_)) => from.text("object.id"),
        _ => from.text("object"),
    };
    if repost_of.is_none() && !from.has("object") {
        return Err(from.missing("object"));
    }
    let post = Post {
        id: from.id(&["id"])?,
        platform: "mastodon".into(),
        account_name: handle(&account_id).into(),
        created_at: from.time(&["published"])?,
        repost_of_account: repost_of.as_deref().and_then(author).map(Into::into),
        repost_of: repost_of.clone(),
        account_id: account_id.into(),
        ..Post::default()
    };
    let nothing = Entities { urls: Some(Vec::new()), hashtags: Some(Vec::new()), mentions: Some(Vec::new()) };
    from.post(post, nothing, repost_of.is_none()).map(Some)
}

/// An actor is a URL, or an object that has one.
fn actor(from: &Reader<'_>, name: &str) -> Option<String> {
    let path = if from.get(name).is_some_and(Value::is_object) { format!("{name}.id") } else { name.to_owned() };
    from.text(&path).map(|address| address.into_owned())
}

/// The last part of an actor's URL, which is its handle: `https://social.example/users/ann`.
fn handle(address: &str) -> String {
    address.trim_end_matches('/').rsplit('/').next().unwrap_or_default().trim_start_matches('@').to_owned()
}

/// The author of a status, from its URL: `https://social.example/users/ann/statuses/1`.
fn author(address: &str) -> Option<String> {
    address.split_once("/statuses/").map(|(author, _)| author.to_owned())
}
