//! Mastodon: a status of the REST API, or the `payload` of an `update` event of the streaming API; an array of statuses is a page.
//!
//! Ids of statuses and accounts differ from server to server for the same thing, so their addresses (`uri`, the account's `uri` or
//! `url`) are the ids here where they are given. What a status answers is known by its server's id alone.

use std::borrow::Cow;

use coordination::Post;
use serde::Deserialize;
use serde_json::Value;

use super::document::{finished, missing, parse, part};
use crate::error::DecodeError;
use crate::post::Entities;
use crate::values::{Count, Moment, Text};

pub(super) fn decode(value: &[u8]) -> Vec<Result<Post<'static>, DecodeError>> {
    let document = match parse(value) {
        Ok(document) => document,
        Err(error) => return vec![Err(error)],
    };
    match (&document, document.get("event").and_then(Value::as_str)) {
        (Value::Array(statuses), _) => statuses
            .iter()
            .enumerate()
            .map(|(at, status)| read(status).map_err(|error| error.inside(&format!("[{at}]"))))
            .collect(),
        (_, Some("update")) => match document.get("payload") {
            // The streaming API gives the status as text inside the event.
            Some(Value::String(payload)) => vec![
                parse(payload.as_bytes()).and_then(|status| read(&status)).map_err(|error| error.inside("payload")),
            ],
            Some(status) => vec![read(status).map_err(|error| error.inside("payload"))],
            None => vec![Err(missing("payload", &document))],
        },
        (_, Some(_)) => Vec::new(),
        (status, None) => vec![read(status)],
    }
}

#[derive(Deserialize)]
struct Status<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    uri: Option<Text<'a>>,
    created_at: Option<Moment>,
    #[serde(borrow)]
    account: Option<Account<'a>>,
    #[serde(borrow)]
    content: Option<Text<'a>>,
    #[serde(borrow)]
    language: Option<Text<'a>>,
    #[serde(borrow)]
    in_reply_to_id: Option<Text<'a>>,
    #[serde(borrow)]
    in_reply_to_account_id: Option<Text<'a>>,
    #[serde(borrow)]
    reblog: Option<Box<Status<'a>>>,
    #[serde(borrow)]
    tags: Option<Vec<Tag<'a>>>,
    #[serde(borrow)]
    mentions: Option<Vec<Mention<'a>>>,
    #[serde(borrow)]
    application: Option<Application<'a>>,
}

#[derive(Deserialize)]
struct Account<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    uri: Option<Text<'a>>,
    #[serde(borrow)]
    url: Option<Text<'a>>,
    #[serde(borrow)]
    acct: Option<Text<'a>>,
    created_at: Option<Moment>,
    followers_count: Option<i64>,
    following_count: Option<i64>,
    statuses_count: Option<Count>,
}

#[derive(Deserialize)]
struct Tag<'a> {
    #[serde(borrow)]
    name: Text<'a>,
}

#[derive(Deserialize)]
struct Mention<'a> {
    #[serde(borrow)]
    acct: Text<'a>,
}

#[derive(Deserialize)]
struct Application<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
}

impl<'a> Status<'a> {
    fn address(&self) -> Option<Cow<'a, str>> {
        self.uri.as_ref().or(self.id.as_ref()).map(|id| id.0.clone())
    }
}

impl<'a> Account<'a> {
    fn address(&self) -> Option<Cow<'a, str>> {
        [&self.uri, &self.url, &self.id].into_iter().flatten().next().map(|id| id.0.clone())
    }
}

fn read(value: &Value) -> Result<Post<'static>, DecodeError> {
    let status: Status<'_> = part(value)?;
    let account = status.account.as_ref().ok_or_else(|| missing("account", value))?;
    let original = status.reblog.as_deref();
    let said = original.unwrap_or(&status);
    let html = said.content.as_ref().map(|html| html.0.as_ref()).unwrap_or_default();
    let entities = Entities {
        urls: Some(links(html)),
        hashtags: said.tags.as_ref().map(|tags| tags.iter().map(|tag| tag.name.0.clone()).collect()),
        mentions: said.mentions.as_ref().map(|all| all.iter().map(|m| m.acct.0.clone()).collect()),
    };
    // A negative count means that the account hides it.
    let shown = |count: Option<i64>| count.and_then(|count| u64::try_from(count).ok());
    let post = Post {
        id: status.address().ok_or_else(|| missing("id", value))?,
        platform: "mastodon".into(),
        account_id: account.address().ok_or_else(|| missing("account.id", value))?,
        account_name: account.acct.as_ref().map(|acct| acct.0.clone()).unwrap_or_default(),
        created_at: status.created_at.ok_or_else(|| missing("created_at", value))?.0,
        text: text_of(html).into(),
        lang: said.language.as_ref().map(|lang| lang.0.clone()),
        repost_of: original.and_then(Status::address),
        repost_of_account: original.and_then(|o| o.account.as_ref()).and_then(Account::address),
        reply_to: status.in_reply_to_id.as_ref().map(|id| id.0.clone()),
        reply_to_account: status.in_reply_to_account_id.as_ref().map(|id| id.0.clone()),
        client: status.application.as_ref().and_then(|app| Some(app.name.as_ref()?.0.clone())),
        followers: shown(account.followers_count),
        following: shown(account.following_count),
        account_posts: account.statuses_count.map(|n| n.0),
        account_created_at: account.created_at.map(|t| t.0),
        ..Post::default()
    };
    finished(post, entities, value)
}

/// Links that are neither mentions nor hashtags. Mastodon's sanitiser leaves a small, regular subset of HTML, so that a full HTML
/// parser would have nothing to do here.
fn links(html: &str) -> Vec<Cow<'_, str>> {
    html.split("<a ")
        .skip(1)
        .filter_map(|rest| {
            let tag = &rest[..rest.find('>')?];
            let class = attribute(tag, "class").unwrap_or_default();
            if class.split_whitespace().any(|c| c == "mention" || c == "hashtag") {
                return None;
            }
            attribute(tag, "href").map(|href| Cow::Owned(unescape(href)))
        })
        .collect()
}

fn attribute<'h>(tag: &'h str, name: &str) -> Option<&'h str> {
    let start = tag.find(&format!("{name}=\""))? + name.len() + 2;
    tag[start..].split('"').next()
}

/// The text without its tags; `<br>` and the ends of paragraphs become line ends.
fn text_of(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        out.push_str(&unescape(&rest[..open]));
        let Some(close) = rest[open..].find('>') else {
            rest = "";
            break;
        };
        let tag = rest[open + 1..open + close].trim_end_matches('/').trim();
        match tag.split_whitespace().next().unwrap_or_default() {
            "br" | "/li" => out.push('\n'),
            "/p" => out.push_str("\n\n"),
            _ => {}
        }
        rest = &rest[open + close + 1..];
    }
    out.push_str(&unescape(rest));
    out.truncate(out.trim_end().len());
    out
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let character = rest.bytes().take(11).position(|b| b == b';').and_then(|end| {
            let character = match &rest[1..end] {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                "quot" => '"',
                "apos" => '\'',
                "nbsp" => ' ',
                name => {
                    let number = name.strip_prefix('#')?;
                    let code = match number.strip_prefix(['x', 'X']) {
                        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                        None => number.parse().ok()?,
                    };
                    char::from_u32(code)?
                }
            };
            Some((character, end))
        });
        match character {
            Some((character, end)) => {
                out.push(character);
                rest = &rest[end + 1..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}
