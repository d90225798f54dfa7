//! Zeeschuimer's NDJSON, with the item in `data` and information about the collection around it;
//! and 4CAT's NDJSON, with the item alone (with `__import_meta` if Zeeschuimer collected it): in
//! the form of a data source, or mapped to 4CAT's own names (`thread_id`, `author`, `body`,
//! `timestamp`).

use std::borrow::Cow;

use coordination::Post;
use serde_json::Value;

use super::document::{DecodedPost, part, record};
use super::{Context, Dialect, Flow, Take, csv::UNKNOWN_PLATFORM, recognise, scan, web};
use crate::json_fields::Reader;
use crate::normalise::Entities;

pub(super) fn decode<'a>(value: &'a [u8], at: &str, take: &mut Take<'_, 'a>) -> Flow {
    let (mut data, mut site) = (None, None);
    for (name, member) in scan::members(value) {
        match &*name {
            "data" => data = Some(member),
            "source_platform" => site = serde_json::from_slice::<Cow<'_, str>>(member).ok(),
            _ => {}
        }
    }
    match data {
        Some(data) => {
            let at = if at.is_empty() { "data".to_owned() } else { format!("{at}.data") };
            part(value, data, &at, take, |from| web::read(from, site.as_deref()))
        }
        None => record(value, at, take, |from| web::read(from, None)),
    }
}

pub(super) fn decode_4cat<'a>(value: &'a [u8], at: &str, context: &Context, take: &mut Take<'_, 'a>) -> Flow {
    match recognise::item_of_4cat(value) {
        Some(Dialect::FourCat) => record(value, at, take, |from| match from.text("__import_meta.source_platform") {
            Some(site) => web::read(from, Some(&site)),
            None if from.has("__import_meta") => web::read(from, None),
            None => mapped(from, context),
        }),
        Some(other) => other.one(value, at, context, take),
        None => record(value, at, take, |from| web::read(from, None)),
    }
}

/// An item with 4CAT's own names. Lists are separated by commas; times without an offset are UTC,
/// as in 4CAT.
fn mapped(from: &Reader<'_>, context: &Context) -> DecodedPost {
    let link = from.any_text(&["link", "tiktok_url", "url", "post_url", "post_source_domain"]);
    let platform = match link.as_deref().map(web::platform) {
        Some(known) if known != UNKNOWN_PLATFORM => known,
        _ => context.platform.as_deref().unwrap_or(UNKNOWN_PLATFORM),
    };
    let listed = |name: &str| match from.get(name) {
        Some(Value::Array(_)) => from.texts(name, &["name", "text", "url"]),
        Some(_) => from.text(name).map(|text| match text {
            Cow::Borrowed(text) => parted(text).map(Cow::Borrowed).collect(),
            Cow::Owned(text) => parted(&text).map(|part| Cow::Owned(part.to_owned())).collect(),
        }),
        None => None,
    };
    let author = from.any_text(&["author_id", "author_username", "author"]);
    let id = from.id(&["id"])?;
    let thread = from.text("thread_id").filter(|thread| *thread != id);
    let post = Post {
        platform: platform.to_owned().into(),
        account_id: author.ok_or_else(|| from.missing("author"))?,
        account_name: from
            .any_text(&["author", "author_username", "author_name", "author_fullname"])
            .unwrap_or_default(),
        created_at: match from.has("unix_timestamp") {
            true => from.time(&["unix_timestamp"])?,
            false => from.time_in(&["timestamp"], Some(&jiff::tz::TimeZone::UTC))?,
        },
        text: from.any_text(&["body", "text"]).unwrap_or_default(),
        lang: from.any_text(&["language", "language_guess"]),
        reply_to: from.text("reply_to").or(thread.filter(|_| from.text("is_reply").as_deref() == Some("yes"))),
        followers: from.count("author_followers"),
        client: from.text("source"),
        id,
        ..Post::default()
    };
    let entities = Entities { urls: listed("urls"), hashtags: listed("hashtags"), mentions: listed("mentions") };
    from.post(post, entities, false).map(Some)
}

fn parted(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}
