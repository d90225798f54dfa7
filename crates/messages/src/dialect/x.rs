//! X. A value is a page of API v2 (`data`, `includes`), one v2 post with its author expanded under
//! `author`, one v1.1 post, or search results of v1.1 (`statuses`). Posts in the form of tools for
//! X (an archive, Zeeschuimer, snscrape, twint, Apify) are read as well.
//!
//! A repost gets the text of the reposted post if that is part of the value, because its own text
//! is cut. Links are the expanded ones, without those to the post's own media. Deletions, limits,
//! errors and pages without posts are skipped.

use std::borrow::Cow;
use std::collections::HashMap;

use coordination::Post;
use serde_json::Value;

use super::document::{DecodedPost, element, parse, part, record};
use super::{Context, Dialect, Flow, Record, Take, recognise, scan};
use crate::json_fields::Reader;
use crate::normalise::Entities;

pub(super) const PLATFORM: &str = "twitter";

pub(super) fn decode<'a>(value: &'a [u8], at: &str, context: &Context, take: &mut Take<'_, 'a>) -> Flow {
    let (mut data, mut includes, mut statuses) = (None, None, None);
    for (name, member) in scan::members(value) {
        match &*name {
            "data" => data = Some(member),
            "includes" => includes = Some(member),
            "statuses" => statuses = Some(member),
            _ => {}
        }
    }
    match recognise::tool(value) {
        // The archive's posts do not name their account, which is an error there and nowhere else.
        Some(Dialect::X) | None => {}
        Some(other) => return other.one(value, at, context, take),
    }
    let (list, posts) = match (data, statuses) {
        (Some(data), _) => ("data", data),
        (None, Some(statuses)) if statuses.starts_with(b"[") => ("statuses", statuses),
        _ => return record(value, at, take, |from| single(from, &Included::default())),
    };
    let includes = includes.and_then(|includes| parse(includes).ok()).unwrap_or_default();
    let included = Included::of(&includes);
    match posts.first() {
        Some(b'[') => {
            let mut none = true;
            for (number, post) in scan::elements(posts).enumerate() {
                none = false;
                record(post, &element(at, list, number), take, |from| single(from, &included))?;
            }
            if none { take(Record::new(value, Ok(None))) } else { Flow::Continue(()) }
        }
        Some(b'{') => part(value, posts, &path(at, list), take, |from| single(from, &included)),
        // A page without posts.
        _ => record(value, at, take, |_| Ok(None)),
    }
}

fn path(at: &str, name: &str) -> String {
    if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") }
}

/// Users and posts that a page contains once, next to its posts.
#[derive(Default)]
struct Included<'v> {
    users: HashMap<Cow<'v, str>, &'v Value>,
    posts: HashMap<Cow<'v, str>, &'v Value>,
}

impl<'v> Included<'v> {
    fn of(includes: &'v Value) -> Self {
        let by_id = |list: &str| {
            let all = includes.get(list).and_then(Value::as_array);
            let pairs = all.into_iter().flatten().filter_map(|value| match value.get("id")? {
                Value::String(id) => Some((Cow::Borrowed(id.as_str()), value)),
                Value::Number(id) => Some((Cow::Owned(id.to_string()), value)),
                _ => None,
            });
            pairs.collect()
        };
        Included { users: by_id("users"), posts: by_id("tweets") }
    }
}

fn single(from: &Reader<'_>, included: &Included<'_>) -> DecodedPost {
    let has = |name: &str| from.value().get(name).is_some();
    if has("user") || has("id_str") || has("full_text") {
        v1(from)
    } else if has("id") {
        v2(from, included)
    } else if ["delete", "limit", "warning", "scrub_geo", "meta", "errors"].into_iter().any(has)
        || has("title") && has("detail")
    {
        Ok(None)
    } else {
        Err(from.missing("id"))
    }
}

fn v2(from: &Reader<'_>, included: &Included<'_>) -> DecodedPost {
    let author_id = from.id(&["author_id", "author.id", "author_user.id"])?;
    let author = ["author", "author_user"]
        .into_iter()
        .find(|name| from.has(name))
        .and_then(|name| from.object(name))
        .or_else(|| Some(from.beside(included.users.get(&*author_id)?, "includes.users[]")));
    let references = from.list("referenced_tweets").unwrap_or_default();
    let reference = |kind: &str| references.iter().find(|reference| reference.text("type").as_deref() == Some(kind));
    let reposted = reference("retweeted");
    let repost_of = reposted.and_then(|reposted| reposted.text("id"));
    let original = repost_of.as_ref().and_then(|id| included.posts.get(&**id));
    let original = original.map(|original| from.beside(original, "includes.tweets[]"));
    let replied = reference("replied_to");
    let quoted = reference("quoted");
    let quote_of = quoted.and_then(|quoted| quoted.text("id"));
    let quotation = quote_of.as_ref().and_then(|id| included.posts.get(&**id));
    let quotation = quotation.map(|quotation| from.beside(quotation, "includes.tweets[]"));

    let said = [original.as_ref(), reposted, Some(from)];
    let said = || said.into_iter().flatten();
    let entities = said().find_map(|said| {
        ["note_tweet.entities", "entities"].into_iter().find(|path| said.has(path)).and_then(|path| said.object(path))
    });
    let entities = match &entities {
        Some(entities) => Entities {
            urls: links(entities, "urls"),
            hashtags: entities.given_texts("hashtags", &["tag", "text"]),
            mentions: entities.given_texts("mentions", &["username", "screen_name"]),
        },
        None => Entities { urls: None, hashtags: None, mentions: None },
    };
    let of_author = |path: &str| author.as_ref().and_then(|author| author.count(path));
    let post = Post {
        id: from.id(&["id"])?,
        platform: PLATFORM.into(),
        account_name: author.as_ref().and_then(|author| author.text("username")).unwrap_or_default(),
        created_at: from.time(&["created_at"])?,
        text: said().find_map(|said| said.any_text(&["note_tweet.text", "text"])).unwrap_or_default(),
        lang: from.text("lang"),
        repost_of_account: original
            .as_ref()
            .and_then(|original| original.text("author_id"))
            .or_else(|| reposted.and_then(|reposted| reposted.any_text(&["author_id", "author.id"]))),
        reply_to: replied.and_then(|replied| replied.text("id")),
        reply_to_account: from.text("in_reply_to_user_id"),
        quote_of_account: quotation
            .and_then(|quotation| quotation.text("author_id"))
            .or_else(|| quoted.and_then(|quoted| quoted.any_text(&["author_id", "author.id"]))),
        quote_of,
        client: from.text("source"),
        followers: of_author("public_metrics.followers_count"),
        following: of_author("public_metrics.following_count"),
        account_posts: of_author("public_metrics.tweet_count"),
        account_created_at: author.as_ref().and_then(|author| author.moment("created_at")),
        account_id: author_id,
        ..Post::default()
    };
    let lost = reposted.is_some() && repost_of.is_none();
    from.post(Post { repost_of, ..post }, entities, lost).map(Some)
}

fn v1(from: &Reader<'_>) -> DecodedPost {
    let user = from.object("user").ok_or_else(|| from.missing("user"))?;
    let known = Known { id: from.id(&["id_str", "id"])?, account_id: user.id(&["id_str", "id"])?, user: Some(user) };
    status(from, known, from.object("retweeted_status"), "retweeted_status").map(Some)
}

/// What is known about a post of v1.1 before its fields are read.
pub(super) struct Known<'v> {
    pub(super) id: Cow<'v, str>,
    pub(super) account_id: Cow<'v, str>,
    /// The profile, as v1.1 writes it.
    pub(super) user: Option<Reader<'v>>,
}

/// A post with the fields of v1.1, wherever the author and the original of a repost are; `repost`
/// is the path of the original.
pub(super) fn status(
    from: &Reader<'_>,
    known: Known<'_>,
    original: Option<Reader<'_>>,
    repost: &str,
) -> Result<Post<'static>, crate::DecodeError> {
    let said = original.as_ref().unwrap_or(from);
    let text = said.any_text(&["extended_tweet.full_text", "full_text", "text"]);
    let entities = ["extended_tweet.entities", "entities"].into_iter().find(|path| said.has(path));
    let entities = match entities.and_then(|path| said.object(path)) {
        Some(entities) => Entities {
            urls: links(&entities, "urls"),
            hashtags: entities.given_texts("hashtags", &["text", "tag"]),
            mentions: entities.given_texts("user_mentions", &["screen_name", "username"]),
        },
        None => Entities { urls: None, hashtags: None, mentions: None },
    };
    let repost_of = original.as_ref().and_then(|original| original.any_text(&["id_str", "id"]));
    let lost = repost_of.is_none() && from.has(repost);
    let quoted = from.has("quoted_status").then(|| from.object("quoted_status")).flatten();
    let user = known.user.as_ref();
    let of_user = |path: &str| user.and_then(|user| user.count(path));
    let post = Post {
        platform: PLATFORM.into(),
        account_name: user.and_then(|user| user.text("screen_name")).unwrap_or_default(),
        created_at: from.time(&["created_at", "timestamp_ms"])?,
        text: text.unwrap_or_default(),
        lang: from.text("lang"),
        repost_of,
        repost_of_account: original.as_ref().and_then(|o| o.any_text(&["user.id_str", "user.id", "user_id_str"])),
        reply_to: from.any_text(&["in_reply_to_status_id_str", "in_reply_to_status_id"]),
        reply_to_account: from.any_text(&["in_reply_to_user_id_str", "in_reply_to_user_id"]),
        quote_of: from.any_text(&["quoted_status_id_str", "quoted_status_id"]),
        quote_of_account: quoted.and_then(|quoted| quoted.any_text(&["user.id_str", "user.id"])),
        client: from.text("source").map(inner_text),
        followers: of_user("followers_count"),
        following: of_user("friends_count"),
        account_posts: of_user("statuses_count"),
        account_created_at: user.and_then(|user| user.moment("created_at")),
        default_profile: user.and_then(|user| user.flag("default_profile")),
        id: known.id,
        account_id: known.account_id,
        ..Post::default()
    };
    from.post(post, entities, lost)
}

/// Links except those to the post's own pictures and videos; an absent list is an empty one.
pub(super) fn links<'v>(from: &Reader<'v>, path: &str) -> Option<Vec<Cow<'v, str>>> {
    if !from.has(path) {
        return Some(Vec::new());
    }
    let links = from.list(path)?;
    let own = links.iter().filter(|link| link.value().get("media_key").is_none());
    Some(own.filter_map(|link| link.named(&["unwound_url", "expanded_url", "url"])).collect())
}

/// The client of v1.1 is an HTML link around its name.
pub(super) fn inner_text(html: Cow<'_, str>) -> Cow<'_, str> {
    let inner = match (html.find('>'), html.rfind("</")) {
        (Some(open), Some(close)) if html.starts_with('<') && open < close => open + 1..close,
        _ => return html,
    };
    match html {
        Cow::Borrowed(html) => Cow::Borrowed(&html[inner]),
        Cow::Owned(html) => Cow::Owned(html[inner].to_owned()),
    }
}
