//! The archive that X gives an account of its own posts: `tweets.js` (older: `tweet.js`, and one
//! file a month with `Grailbird.data`).
//!
//! A file is a script that assigns a list. Its posts are those of API v1.1 without their author.
//! The author is in `account.js` next to the file, so the account must be given
//! ([`super::Context::account`]). A repost in an archive has no original except `RT @name:` in its
//! text.

use serde_json::Value;

use super::document::{DecodedPost, parse, record};
use super::x::{Known, status};
use super::{ArchiveAccount, Context, Flow, Take, scan};
use crate::error::DecodeError;
use crate::json_fields::{Notes, Reader};

pub(super) fn decode<'a>(value: &'a [u8], at: &str, context: &Context, take: &mut Take<'_, 'a>) -> Flow {
    record(value, at, take, |from| read(from, context.account.as_ref()))
}

fn read(from: &Reader<'_>, account: Option<&ArchiveAccount>) -> DecodedPost {
    let wrapped = from.has("tweet").then(|| from.object("tweet").ok_or_else(|| from.missing("tweet"))).transpose()?;
    let tweet = wrapped.as_ref().unwrap_or(from);
    if !tweet.has("created_at") && !tweet.has("full_text") && !tweet.has("text") {
        // Likes, direct messages, and other contents of an archive.
        return Ok(None);
    }
    let own = tweet.has("user").then(|| tweet.object("user")).flatten();
    let account_id = match (&own, account) {
        (Some(user), _) if user.has("id_str") || user.has("id") => user.id(&["id_str", "id"])?,
        (_, Some(account)) => account.id.as_str().into(),
        (_, None) => {
            let reason = "an archive's posts do not name their account: put account.js beside the file, or name the \
                          account (on the command line with --account ID:NAME)";
            return Err(DecodeError::new("account", reason, b""));
        }
    };
    let known = Known { id: tweet.id(&["id_str", "id"])?, account_id, user: own };
    let mut post = status(tweet, known, tweet.object("retweeted_status"), "retweeted_status")?;
    if let Some(account) = account {
        if post.account_name == post.account_id && !account.name.is_empty() {
            post.account_name = account.name.clone().into();
        }
        post.account_created_at = post.account_created_at.or(account.created_at);
    }
    Ok(Some(post))
}

/// Reads `account.js`.
pub(super) fn account(script: &[u8]) -> Result<ArchiveAccount, DecodeError> {
    let value = parse(scan::content(script))?;
    let first = match &value {
        Value::Array(all) => all.first().unwrap_or(&Value::Null),
        one => one,
    };
    let notes = Notes::default();
    let from = Reader::new(first, &notes);
    let from = from.object("account").unwrap_or_else(|| from.clone());
    Ok(ArchiveAccount {
        id: from.id(&["accountId", "account_id", "id"])?.into_owned(),
        name: from.any_text(&["username", "screen_name"]).unwrap_or_default().into_owned(),
        created_at: from.moment("createdAt"),
    })
}
