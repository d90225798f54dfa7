//! Telegram: Telegram Desktop's JSON export of one chat or of all (`result.json`), or messages one by one, as Telethon's `to_dict`
//! or a flat collector's rows give them.
//!
//! A message's number is unique in its chat only, so the post's id is `chat/number`; chats have their marked ids (`-100…` for channels),
//! which do not clash with users'. Who posts is the sender, or else the chat itself,
//! as in channels. Service messages (joins, pins) give nothing. A forwarded message is a repost of `chat/number` where both are told.
//! The export's `date` is the exporter's local time; `date_unixtime` is used, and `date` taken as UTC only where it is missing.

use std::borrow::Cow;
use std::collections::HashSet;

use coordination::{Millis, Post};
use serde::Deserialize;
use serde_json::Value;

use super::document::{finished, missing, parse, part};
use crate::error::DecodeError;
use crate::post::Entities;
use crate::values::{Text, parse_moment, parse_moment_or_utc};

pub(super) fn decode(value: &[u8]) -> Vec<Result<Post<'static>, DecodeError>> {
    let document = match parse(value) {
        Ok(document) => document,
        Err(error) => return vec![Err(error)],
    };
    let mut posts = Vec::new();
    if let Some(chats) = document.pointer("/chats/list").and_then(Value::as_array) {
        for (at, chat) in chats.iter().enumerate() {
            export(chat, &format!("chats.list[{at}]"), &mut posts);
        }
    } else if document.get("messages").is_some_and(Value::is_array) {
        export(&document, "", &mut posts);
    } else if let Value::Array(messages) = &document {
        for (at, message) in messages.iter().enumerate() {
            let outcome = read(message, None).map_err(|error| error.inside(&format!("[{at}]")));
            posts.extend(outcome.transpose());
        }
    } else {
        posts.extend(read(&document, None).transpose());
    }
    posts
}

/// One chat of an export.
struct Chat<'a> {
    id: String,
    name: Option<&'a str>,
}

fn export(chat: &Value, path: &str, posts: &mut Vec<Result<Post<'static>, DecodeError>>) {
    let within = |error: DecodeError| {
        if path.is_empty() { error } else { error.inside(path) }
    };
    let id = match chat.get("id").map(part::<Text<'_>>) {
        Some(Ok(id)) => id,
        Some(Err(error)) => return posts.push(Err(within(error.inside("id")))),
        None => return posts.push(Err(within(missing("id", &Value::Null)))),
    };
    let kind = match chat.get("type").and_then(Value::as_str) {
        Some(kind) if kind.ends_with("channel") || kind.ends_with("supergroup") => "channel",
        Some(kind) if kind.ends_with("group") => "chat",
        _ => "user",
    };
    let about = Chat { id: marked(kind, &id.0), name: chat.get("name").and_then(Value::as_str) };
    let messages = chat.get("messages").and_then(Value::as_array);
    for (at, message) in messages.into_iter().flatten().enumerate() {
        let outcome = read(message, Some(&about)).map_err(|error| within(error.inside(&format!("messages[{at}]"))));
        posts.extend(outcome.transpose());
    }
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, alias = "message_id")]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    r#type: Option<Text<'a>>,
    #[serde(rename = "_", borrow)]
    class: Option<Text<'a>>,
    #[serde(borrow)]
    date: Option<Text<'a>>,
    #[serde(borrow)]
    date_unixtime: Option<Text<'a>>,
    /// Name of the sender in an export.
    #[serde(borrow)]
    from: Option<Text<'a>>,
    #[serde(borrow, alias = "sender_name", alias = "username")]
    post_author: Option<Text<'a>>,
    #[serde(borrow)]
    forwarded_from: Option<Text<'a>>,
    #[serde(borrow)]
    forwarded_from_id: Option<Text<'a>>,
    #[serde(borrow)]
    forwarded_from_message_id: Option<Text<'a>>,
    #[serde(borrow)]
    reply_to_message_id: Option<Text<'a>>,
    #[serde(borrow, alias = "reply_to_msg_id")]
    reply_to_id: Option<Text<'a>>,
}

fn read(value: &Value, chat: Option<&Chat<'_>>) -> Result<Option<Post<'static>>, DecodeError> {
    let message: Message<'_> = part(value)?;
    let is = |field: &Option<Text<'_>>, name: &str| field.as_ref().is_some_and(|t| t.0 == name);
    if is(&message.r#type, "service") || is(&message.class, "MessageService") {
        return Ok(None);
    }
    let number = message.id.as_ref().ok_or_else(|| missing("id", value))?;
    let chat_id = match chat {
        Some(chat) => Cow::Borrowed(chat.id.as_str()),
        None => peer(value, &["peer_id", "chat_id", "channel_id", "chat"]).ok_or_else(|| missing("peer_id", value))?,
    };
    let sender = peer(value, &["from_id", "sender_id"]);
    let in_channel = sender.is_none() || sender.as_ref() == Some(&chat_id);
    let name = message
        .from
        .as_ref()
        .map(|name| name.0.clone())
        .or_else(|| message.post_author.as_ref().filter(|_| !in_channel).map(|name| name.0.clone()))
        .or_else(|| chat.filter(|_| in_channel).and_then(|chat| chat.name).map(Cow::Borrowed));

    let mut said = Said::default();
    match value.get("message").or_else(|| value.get("text")) {
        Some(Value::String(text)) => said.text = Cow::Borrowed(text),
        Some(Value::Array(parts)) => parts.iter().for_each(|part| said.push(part)),
        _ => {}
    }
    if let Some(Value::Array(entities)) = value.get("entities") {
        let urls = entities.iter().filter_map(|e| e.get("url").and_then(Value::as_str));
        said.links.extend(urls.map(Cow::Borrowed));
    }
    // Formatted links are not in the text, plain ones are: both count.
    let mut urls = crate::extract::urls(&said.text);
    let mut known: HashSet<Cow<'_, str>> = urls.iter().cloned().collect();
    urls.extend(said.links.into_iter().filter(|link| known.insert(link.clone())));

    let forward = value.get("fwd_from").filter(|forward| forward.is_object());
    let from_chat = forward
        .and_then(|forward| peer(forward, &["from_id"]))
        .or_else(|| message.forwarded_from_id.as_ref().map(|id| prefixed(&id.0).into()));
    let from_number = forward
        .and_then(|forward| scalar(forward.get("channel_post")?))
        .or_else(|| message.forwarded_from_message_id.as_ref().map(|id| id.0.clone()));
    let answers = message
        .reply_to_message_id
        .as_ref()
        .or(message.reply_to_id.as_ref())
        .map(|id| id.0.clone())
        .or_else(|| scalar(value.pointer("/reply_to/reply_to_msg_id")?));

    let post = Post {
        id: format!("{chat_id}/{}", number.0).into(),
        platform: "telegram".into(),
        account_id: sender.unwrap_or_else(|| chat_id.clone()),
        account_name: name.unwrap_or_default(),
        created_at: moment(&message, value)?,
        text: said.text,
        repost_of: match (&from_chat, from_number) {
            (Some(chat), Some(number)) => Some(format!("{chat}/{number}").into()),
            _ => None,
        },
        repost_of_account: from_chat.or_else(|| message.forwarded_from.as_ref().map(|t| t.0.clone())),
        reply_to: answers.map(|number| format!("{chat_id}/{number}").into()),
        ..Post::default()
    };
    let entities = Entities { urls: Some(urls), hashtags: None, mentions: None };
    finished(post, entities, value).map(Some)
}

#[derive(Default)]
struct Said<'a> {
    text: Cow<'a, str>,
    links: Vec<Cow<'a, str>>,
}

impl<'a> Said<'a> {
    /// One run of an export's text: plain, or with a type and perhaps an address.
    fn push(&mut self, part: &'a Value) {
        let text = part.as_str().or_else(|| part.get("text").and_then(Value::as_str));
        self.text.to_mut().push_str(text.unwrap_or_default());
        if let Some(href) = part.get("href").and_then(Value::as_str) {
            self.links.push(Cow::Borrowed(href));
        }
    }
}

fn moment(message: &Message<'_>, value: &Value) -> Result<Millis, DecodeError> {
    let (path, text, parsed) = match (&message.date_unixtime, &message.date) {
        (Some(epoch), _) => ("date_unixtime", epoch, parse_moment(&epoch.0)),
        (None, Some(date)) => ("date", date, parse_moment_or_utc(&date.0)),
        (None, None) => return Err(missing("date", value)),
    };
    parsed.map_err(|reason| DecodeError::new(path, reason, text.0.as_bytes()))
}

/// A chat or user under the first of these names: a number, text, or Telethon's `{"_": "PeerChannel", "channel_id": 1}`.
fn peer<'a>(value: &'a Value, names: &[&str]) -> Option<Cow<'a, str>> {
    names.iter().find_map(|name| {
        let peer = value.get(name)?;
        match scalar(peer) {
            Some(id) if *name == "channel_id" => Some(marked("channel", &id).into()),
            Some(id) => Some(prefixed(&id).into()),
            None => ["channel", "user", "chat"].iter().find_map(|kind| {
                let id = scalar(peer.get(format!("{kind}_id"))?)?;
                Some(marked(kind, &id).into())
            }),
        }
    })
}

/// An export writes `channel123` and `user123` for a sender.
fn prefixed(id: &str) -> String {
    ["channel", "user", "chat"]
        .iter()
        .find_map(|kind| {
            let number = id.strip_prefix(kind)?;
            number.bytes().all(|b| b.is_ascii_digit()).then(|| marked(kind, number))
        })
        .unwrap_or_else(|| id.to_owned())
}

/// Telegram numbers users, groups and channels apart; its own clients tell them apart by marking groups with `-` and channels and
/// supergroups with `-100`. An id that is marked already stays.
fn marked(kind: &str, id: &str) -> String {
    if id.starts_with('-') {
        return id.to_owned();
    }
    match kind {
        "channel" => format!("-100{id}"),
        "chat" => format!("-{id}"),
        _ => id.to_owned(),
    }
}

fn scalar(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) if !text.is_empty() => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
}
