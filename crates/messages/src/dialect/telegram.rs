//! Telegram: Telegram Desktop's JSON export of one chat or of a whole account (`result.json`:
//! `chats`, `left_chats`), or single messages in the form of Telethon's `to_dict`, Pyrogram, the
//! Bot API, 4CAT or a flat collector's rows.
//!
//! A message's number is unique in its chat only, so the post's id is `chat/number`; chats have
//! their marked ids (`-100…` for channels), which cannot be equal to users' ids. The account is the
//! sender or, as in channels, the chat itself. Service messages (joins, pins), empty messages and
//! updates without a new message are not posts. A forwarded message is a repost of `chat/number` if
//! both are given.
//!
//! An export's `date` is the exporter's local time. `date_unixtime` is used, which exports have
//! since the end of 2021. Without it, the date is in the given time zone, or else read as UTC, and
//! the result says so.
//!
//! Links are those in the text, those that a part of the text is marked with (`link`, `text_link`,
//! also without `https://`) and, if there are none, the link of the page that is shown below.

use std::borrow::Cow;
use std::collections::HashSet;

use coordination::{Millis, Post};
use jiff::tz::TimeZone;
use serde_json::Value;

use super::document::{DecodedPost, element, parse, record};
use super::{Context, Flow, Record, Take, scan};
use crate::error::DecodeError;
use crate::json_fields::Reader;
use crate::normalise::Entities;

pub(super) fn decode<'a>(value: &'a [u8], at: &str, context: &Context, take: &mut Take<'_, 'a>) -> Flow {
    let export = Export { zone: context.timezone.as_ref() };
    let (mut account, mut is_chat) = (false, false);
    for (name, member) in scan::members(value) {
        account |= matches!(&*name, "chats" | "left_chats") && member.starts_with(b"{");
        is_chat |= name == "messages" && member.starts_with(b"[");
    }
    if account {
        let mut none = true;
        for (name, chats) in scan::members(value).filter(|(name, _)| matches!(&**name, "chats" | "left_chats")) {
            let Some(list) = scan::member(chats, "list") else { continue };
            let name = format!("{name}.list");
            for (number, chat) in scan::elements(list).enumerate() {
                none = false;
                export.chat(chat, &element(at, &name, number), take)?;
            }
        }
        return if none { take(Record::new(value, Ok(None))) } else { Flow::Continue(()) };
    }
    if is_chat {
        return export.chat(value, at, take);
    }
    record(value, at, take, |from| update(from, None, export.zone))
}

/// An export, and the time zone of its local times.
struct Export<'z> {
    zone: Option<&'z TimeZone>,
}

/// One chat of an export.
struct Chat {
    /// Its marked id, or why it has none.
    id: Result<String, DecodeError>,
    name: Option<String>,
}

impl Export<'_> {
    fn chat<'a>(&self, chat: &'a [u8], at: &str, take: &mut Take<'_, 'a>) -> Flow {
        let (mut about, mut messages) = (Vec::new(), None);
        for (name, member) in scan::members(chat) {
            match &*name {
                "messages" if member.starts_with(b"[") => messages = Some(member),
                "id" | "name" | "type" => about.push((name, parse(member).unwrap_or_default())),
                _ => {}
            }
        }
        let of = |wanted: &str| about.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
        let kind = match of("type").and_then(Value::as_str) {
            Some(kind) if kind.ends_with("channel") || kind.ends_with("supergroup") => "channel",
            Some(kind) if kind.ends_with("group") => "chat",
            _ => "user",
        };
        let id = of("id").and_then(scalar).map(|id| marked(kind, &id)).ok_or_else(|| {
            let reason = "the chat has no id, and a message's number is unique in its chat only";
            DecodeError::new(if at.is_empty() { "id".to_owned() } else { format!("{at}.id") }, reason, b"")
        });
        let about = Chat { id, name: of("name").and_then(Value::as_str).map(str::to_owned) };
        let mut none = true;
        for (number, message) in messages.into_iter().flat_map(scan::elements).enumerate() {
            none = false;
            match &about.id {
                Ok(_) => {
                    let at = element(at, "messages", number);
                    record(message, &at, take, |from| read(from, Some(&about), self.zone))?;
                }
                Err(error) => take(Record::new(message, Err(error.clone())))?,
            }
        }
        if none { take(Record::new(chat, Ok(None))) } else { Flow::Continue(()) }
    }
}

/// A message, or an update of the Bot API that holds one.
fn update(from: &Reader<'_>, chat: Option<&Chat>, zone: Option<&TimeZone>) -> DecodedPost {
    if !from.has("update_id") {
        return read(from, chat, zone);
    }
    match ["message", "channel_post", "business_message"].into_iter().find(|name| from.has(name)) {
        Some(name) => read(&from.object(name).ok_or_else(|| from.missing(name))?, chat, zone),
        // Edits, reactions, members: not a new message.
        None => Ok(None),
    }
}

fn read(from: &Reader<'_>, chat: Option<&Chat>, zone: Option<&TimeZone>) -> DecodedPost {
    let class = ["_", "_type"].into_iter().find_map(|name| from.value().get(name)?.as_str()).unwrap_or_default();
    let is_service = from.value().get("type").and_then(Value::as_str) == Some("service")
        || from.get("service").is_some_and(|service| service != &Value::Bool(false))
        || ["new_chat_members", "left_chat_member", "pinned_message", "new_chat_title"]
            .into_iter()
            .any(|n| from.has(n));
    if is_service || matches!(class, "MessageService" | "MessageEmpty") {
        return Ok(None);
    }
    let number = from.id(&["id", "message_id"])?;
    let chat_id: Cow<'_, str> = match chat {
        Some(chat) => chat.id.clone()?.into(),
        None => peer(from.value(), &["peer_id", "chat_id", "channel_id", "chat", "_chat"])
            .ok_or_else(|| from.missing("peer_id"))?,
    };
    // In an export, `from` is a name and not an id.
    let named = from.get("from").is_some_and(Value::is_string);
    let senders =
        ["from_id", "sender_id", if named { "from_id" } else { "from" }, "from_user", "sender_chat", "_sender"];
    let sender = peer(from.value(), &senders);
    if let Some(unknown) = from.get("from_id").filter(|_| sender.is_none())
        && unknown.as_str() != Some("")
    {
        // Without this error, the message would count as the chat's own.
        return Err(DecodeError::new("from_id", "is neither a user nor a chat", unknown.to_string().as_bytes()));
    }
    let in_channel = sender.is_none() || sender.as_ref() == Some(&chat_id);
    let name = from
        .get("from")
        .and_then(Value::as_str)
        .map(Cow::Borrowed)
        .or_else(|| username(from, &["from", "from_user", "_sender", "sender_chat"]))
        .or_else(|| from.any_text(&["post_author", "sender_name", "username"]).filter(|_| !in_channel))
        .or_else(|| chat.filter(|_| in_channel).and_then(|chat| chat.name.as_deref()).map(Cow::Borrowed))
        .or_else(|| username(from, &["chat", "_chat"]).filter(|_| in_channel));

    let said = said(from);
    let origin = Origin::of(from);
    let answers = from
        .any_text(&["reply_to_message_id", "reply_to_msg_id"])
        .or_else(|| {
            from.get("reply_to").filter(|reply| reply.is_object()).and_then(|_| from.text("reply_to.reply_to_msg_id"))
        })
        .or_else(|| {
            from.has("reply_to_message")
                .then(|| from.any_text(&["reply_to_message.message_id", "reply_to_message.id"]))?
        })
        .or_else(|| from.text("reply_to_id"));
    let post = Post {
        id: format!("{chat_id}/{number}").into(),
        platform: "telegram".into(),
        account_id: sender.unwrap_or_else(|| chat_id.clone()),
        account_name: name.unwrap_or_default(),
        created_at: moment(from, zone)?,
        text: said.text,
        repost_of: match (&origin.chat, &origin.number) {
            (Some(chat), Some(number)) => Some(format!("{chat}/{number}").into()),
            _ => None,
        },
        repost_of_account: origin.chat.or(origin.name),
        reply_to: answers.map(|number| format!("{chat_id}/{number}").into()),
        ..Post::default()
    };
    let entities = Entities { urls: Some(said.links), hashtags: None, mentions: None };
    from.post(post, entities, false).map(Some)
}

fn moment(from: &Reader<'_>, zone: Option<&TimeZone>) -> Result<Millis, DecodeError> {
    match from.moment("date_unixtime") {
        Some(millis) => Ok(millis),
        None if from.has("date") => from.time_in(&["date"], zone),
        None if from.has("date_unixtime") => from.time(&["date_unixtime"]),
        None => Err(from.missing("date")),
    }
}

/// The origin of a forwarded message, as far as it is given.
#[derive(Default)]
struct Origin<'v> {
    chat: Option<Cow<'v, str>>,
    number: Option<Cow<'v, str>>,
    name: Option<Cow<'v, str>>,
}

impl<'v> Origin<'v> {
    fn of(from: &Reader<'v>) -> Self {
        // Telethon's header, and the Bot API's since 2023.
        if let Some(header) = ["fwd_from", "forward_origin"].into_iter().find_map(|name| {
            let header = from.get(name)?;
            header.is_object().then_some(header)
        }) {
            return Origin {
                chat: peer(header, &["from_id", "chat", "sender_chat", "sender_user"]),
                number: ["channel_post", "message_id", "saved_from_msg_id"]
                    .into_iter()
                    .find_map(|name| scalar(header.get(name)?)),
                name: ["from_name", "sender_user_name"].into_iter().find_map(|name| scalar(header.get(name)?)),
            };
        }
        Origin {
            chat: peer(from.value(), &["forwarded_from_id", "forward_from_chat", "forward_from"]),
            number: from.any_text(&["forwarded_from_message_id", "forward_from_message_id"]),
            name: from.any_text(&["forwarded_from", "forward_sender_name"]),
        }
    }
}

/// The handle of the user or chat under the first of these names, or else its name.
fn username<'v>(from: &Reader<'v>, names: &[&str]) -> Option<Cow<'v, str>> {
    names.iter().find_map(|name| {
        let who = from.get(name)?;
        ["username", "title", "first_name"].into_iter().find_map(|field| scalar(who.get(field)?))
    })
}

struct Said<'v> {
    text: Cow<'v, str>,
    links: Vec<Cow<'v, str>>,
}

fn said<'v>(from: &Reader<'v>) -> Said<'v> {
    let mut text: Cow<'v, str> = Cow::Borrowed("");
    let mut marked: Vec<Cow<'v, str>> = Vec::new();
    let field = ["message", "text"].into_iter().find(|name| from.has(name));
    match field.and_then(|name| from.get(name)) {
        Some(Value::String(said)) => text = Cow::Borrowed(said),
        Some(Value::Array(parts)) => runs(parts, &mut marked, Some(text.to_mut())),
        Some(_) => from.unreadable(field.unwrap_or_default(), "is neither text nor a list of its parts"),
        None => {}
    }
    if text.is_empty()
        && let Some(caption) = from.text("caption")
    {
        text = caption;
    }
    if let Some(Value::Array(parts)) = from.get("text_entities") {
        // The whole text again; older exports do not have it.
        if text.is_empty() {
            runs(parts, &mut marked, Some(text.to_mut()));
        } else {
            runs(parts, &mut marked, None);
        }
    }
    for name in ["entities", "caption_entities"] {
        match from.get(name) {
            Some(Value::Array(entities)) => marked.extend(entities.iter().filter_map(|entity| linked(entity, &text))),
            Some(_) => from.unreadable(name, "is not a list"),
            None => {}
        }
    }
    // Formatted links are not in the text, plain links are. Both count, and each counts once, with
    // or without its `https://`.
    let mut links = crate::extract::urls(&text);
    let bare = |link: &str| link.split_once("://").map_or(link, |(_, rest)| rest).trim_end_matches('/').to_owned();
    let mut known: HashSet<String> = links.iter().map(|link| bare(link)).collect();
    links.extend(marked.into_iter().map(with_scheme).filter(|link| known.insert(bare(link))));
    if links.is_empty()
        && let Some(Value::String(page)) = from.value().pointer("/media/webpage/url")
    {
        links.push(Cow::Borrowed(page));
    }
    Said { text, links }
}

/// The runs of an export's text, each plain or with a type and possibly a URL.
fn runs<'v>(parts: &'v [Value], links: &mut Vec<Cow<'v, str>>, mut text: Option<&mut String>) {
    for part in parts {
        let said = part.as_str().or_else(|| part.get("text").and_then(Value::as_str)).unwrap_or_default();
        if let Some(text) = &mut text {
            text.push_str(said);
        }
        match (part.get("href").and_then(Value::as_str), part.get("type").and_then(Value::as_str)) {
            (Some(href), _) => links.push(Cow::Borrowed(href)),
            (None, Some("link" | "url")) if !said.is_empty() => links.push(Cow::Borrowed(said)),
            _ => {}
        }
    }
}

/// The link that an entity of a message marks: its own URL, or a range of the text in UTF-16 units.
fn linked<'v>(entity: &'v Value, text: &str) -> Option<Cow<'v, str>> {
    if let Some(url) = entity.get("url").and_then(Value::as_str).filter(|url| !url.is_empty()) {
        return Some(Cow::Borrowed(url));
    }
    let kind = ["type", "_", "_type"]
        .into_iter()
        .find_map(|name| entity.get(name)?.as_str().filter(|kind| !matches!(*kind, "MessageEntity")))?;
    if !matches!(kind, "url" | "MessageEntityUrl" | "MessageEntityType.URL") {
        return None;
    }
    let number = |name: &str| usize::try_from(entity.get(name)?.as_u64()?).ok();
    let (offset, length) = (number("offset")?, number("length")?);
    let units: Vec<u16> = text.encode_utf16().skip(offset).take(length).collect();
    String::from_utf16(&units).ok().filter(|link| !link.is_empty()).map(Cow::Owned)
}

/// A link without a scheme is a web link.
fn with_scheme(link: Cow<'_, str>) -> Cow<'_, str> {
    let scheme = link.split_once(':').is_some_and(|(scheme, rest)| {
        !scheme.contains('.') && (rest.starts_with("//") || scheme.eq_ignore_ascii_case("mailto"))
    });
    if scheme { link } else { Cow::Owned(format!("https://{link}")) }
}

/// A chat or user under the first of these names: a number, text, Telethon's `{"_": "PeerChannel",
/// "channel_id": 1}`, or an object with its id.
fn peer<'a>(value: &'a Value, names: &[&str]) -> Option<Cow<'a, str>> {
    names.iter().find_map(|name| {
        let peer = value.get(name)?;
        match scalar(peer) {
            Some(id) if *name == "channel_id" => Some(marked("channel", &id).into()),
            Some(id) => Some(prefixed(&id).into()),
            None => ["channel", "user", "chat"]
                .iter()
                .find_map(|kind| Some(marked(kind, &scalar(peer.get(format!("{kind}_id"))?)?).into()))
                .or_else(|| {
                    let class = ["_", "_type"].into_iter().find_map(|class| peer.get(class)?.as_str());
                    let kind = match class {
                        Some("Channel") => "channel",
                        Some("Chat") => "chat",
                        _ => "user",
                    };
                    Some(marked(kind, &scalar(peer.get("id")?)?).into())
                }),
        }
    })
}

/// An export writes senders as `channel123` and `user123`.
fn prefixed(id: &str) -> String {
    ["channel", "user", "chat"]
        .iter()
        .find_map(|kind| {
            let number = id.strip_prefix(kind)?;
            number.bytes().all(|b| b.is_ascii_digit()).then(|| marked(kind, number))
        })
        .unwrap_or_else(|| id.to_owned())
}

/// Telegram numbers users, groups and channels separately. Its own clients distinguish them by the
/// prefix `-` for groups and `-100` for channels and supergroups. An id that already has a prefix
/// is unchanged.
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
        Value::Number(number) if !number.is_f64() => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
}
