//! twint's JSON: one tweet per line.
//!
//! Times are in the time zone of the machine that ran twint, with an abbreviation (`2019-11-28
//! 15:14:52 CET`) or an offset. A retweet is the original together with the retweeting account
//! (`user_rt_id`, `retweet_id`): the post is the retweet, and its time follows from its id.

use std::borrow::Cow;

use coordination::{Millis, Post};
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use serde_json::Value;

use super::document::{DecodedPost, record};
use super::{Context, Flow, Take};
use crate::error::DecodeError;
use crate::json_fields::Reader;
use crate::normalise::Entities;

pub(super) fn decode<'a>(value: &'a [u8], at: &str, context: &Context, take: &mut Take<'_, 'a>) -> Flow {
    record(value, at, take, |from| read(from, context.timezone.as_ref()))
}

fn read(from: &Reader<'_>, zone: Option<&TimeZone>) -> DecodedPost {
    let id = from.id(&["id", "id_str"])?;
    let author = from.id(&["user_id", "user_id_str", "username"])?;
    let mut post = Post {
        platform: "twitter".into(),
        account_name: from.text("username").unwrap_or_default(),
        text: from.text("tweet").unwrap_or_default(),
        lang: from.text("language").filter(|lang| lang != "und"),
        client: from.text("source"),
        ..Post::default()
    };
    match from.text("retweet_id") {
        Some(retweet) => {
            post.created_at = snowflake(&retweet)?;
            post.account_id = from.id(&["user_rt_id", "user_rt"])?;
            post.account_name = from.text("user_rt").unwrap_or_default();
            post.repost_of = Some(id);
            post.repost_of_account = Some(author);
            post.id = retweet;
        }
        None => {
            post.created_at = moment(from, zone)?;
            post.account_id = author;
            (post.quote_of, post.quote_of_account) = quoted(from);
            // The conversation of an answer began with another tweet.
            post.reply_to = from.text("conversation_id").filter(|begun| *begun != id);
            post.id = id;
        }
    }
    let entities = Entities {
        urls: from.texts("urls", &["expanded_url", "url"]),
        hashtags: from.texts("hashtags", &["text"]),
        mentions: from.texts("mentions", &["screen_name", "username"]),
    };
    from.post(post, entities, false).map(Some)
}

/// The quoted tweet and its author's handle, from its URL: `https://twitter.com/ann/status/7`.
fn quoted<'v>(from: &Reader<'v>) -> (Option<Cow<'v, str>>, Option<Cow<'v, str>>) {
    let Some(address) = from.text("quote_url") else { return (None, None) };
    let mut steps = address.trim_end_matches('/').rsplit('/');
    let (number, status, author) = (steps.next(), steps.next(), steps.next());
    let is_number = |number: &&str| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    match (number.filter(is_number), status, author) {
        (Some(number), Some("status" | "statuses"), Some(author)) => {
            (Some(number.to_owned().into()), Some(author.to_owned().into()))
        }
        _ => (None, None),
    }
}

/// The time in a retweet's id. Ids contain it since the end of 2010.
pub(super) fn snowflake(id: &str) -> Result<Millis, DecodeError> {
    let number = id.parse::<u64>().ok().map(|number| number >> 22).filter(|number| *number > 0);
    number.map(|number| number as Millis + 1_288_834_974_657).ok_or_else(|| {
        DecodeError::new("retweet_id", "is not the id of a tweet, which contains the time of the post", id.as_bytes())
    })
}

fn moment(from: &Reader<'_>, zone: Option<&TimeZone>) -> Result<Millis, DecodeError> {
    let text = from.get("created_at").and_then(Value::as_str);
    if let Some((naive, written)) = text.and_then(naive) {
        let written = if written.is_empty() { from.text("timezone").unwrap_or_default() } else { written.into() };
        return zoned(from, naive, &written, zone, text.unwrap_or_default());
    }
    match (from.text("date"), from.text("time")) {
        (Some(date), Some(time)) if !from.has("created_at") => {
            let both = format!("{date} {time}");
            let (naive, _) = naive(&both).ok_or_else(|| {
                DecodeError::new("date", "is not a date, or `time` is not a time of day", both.as_bytes())
            })?;
            zoned(from, naive, &from.text("timezone").unwrap_or_default(), zone, &both)
        }
        // Older versions write milliseconds.
        _ => from.time(&["created_at"]),
    }
}

/// A date and time of day, and the time zone written after it.
fn naive(text: &str) -> Option<(DateTime, &str)> {
    let text = text.trim();
    let (time, zone) = (text.get(..19)?, text.get(19..)?.trim());
    Some((time.parse().ok()?, zone))
}

fn zoned(
    from: &Reader<'_>,
    naive: DateTime,
    written: &str,
    told: Option<&TimeZone>,
    text: &str,
) -> Result<Millis, DecodeError> {
    let zone = match (offset(written), told) {
        (Some(seconds), _) => Offset::from_seconds(seconds).map(TimeZone::fixed).ok(),
        (None, Some(told)) => Some(told.clone()),
        (None, None) if written.is_empty() => {
            from.assume_utc();
            Some(TimeZone::UTC)
        }
        (None, None) => None,
    };
    let zone = zone.ok_or_else(|| {
        let written = crate::excerpt(written.as_bytes());
        let reason = format!("{written:?} is an unknown time zone, or ambiguous: name the time zone (on the command line with --timezone)");
        DecodeError::new("created_at", reason, text.as_bytes())
    })?;
    let zoned = naive.to_zoned(zone).map_err(|_| DecodeError::new("created_at", "is not a time", text.as_bytes()))?;
    Ok(zoned.timestamp().as_millisecond())
}

/// Seconds east of UTC: from an offset, or from an abbreviation with only one meaning. Those of the
/// United States are from RFC 2822.
fn offset(zone: &str) -> Option<i32> {
    let hours = match zone {
        "UTC" | "GMT" | "Z" | "WET" => 0,
        "EDT" => -4,
        "EST" | "CDT" => -5,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" => -8,
        "CET" | "WEST" => 1,
        "CEST" | "EET" => 2,
        "EEST" | "MSK" => 3,
        "JST" | "KST" => 9,
        other => {
            let (sign, digits) = match other.split_at_checked(1)? {
                ("+", digits) => (1, digits),
                ("-", digits) => (-1, digits),
                _ => return None,
            };
            let digits = digits.replace(':', "");
            if digits.len() != 4 {
                return None;
            }
            let number: i32 = digits.parse().ok()?;
            return Some(sign * (number / 100 * 3_600 + number % 100 * 60));
        }
    };
    Some(hours * 3_600)
}
