//! Reads the parameters of a TAXII request.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::Endpoint;
use crate::store::Versions;

/// What a request asks for.
#[derive(Debug, PartialEq)]
pub(super) struct Asked {
    pub ids: Vec<String>,
    pub kinds: Vec<String>,
    pub spec_versions: Vec<String>,
    pub versions: Versions,
    /// The later of `added_after` and the cursor, microseconds.
    pub after: i64,
    pub limit: Option<usize>,
}

/// Values a filter may name; more would make one request cost as much as many.
const MOST_VALUES: usize = 200;

/// Reads a query string, or says which parameter is malformed. Parameters that TAXII does not define are ignored, and so is a
/// filter where the endpoint has none of that name.
pub(super) fn read(raw: &str, endpoint: Endpoint, collection: &str) -> Result<Asked, String> {
    let mut asked = Asked {
        ids: Vec::new(),
        kinds: Vec::new(),
        spec_versions: Vec::new(),
        versions: Versions::Some { first: false, last: true, at: Vec::new() },
        after: i64::MIN,
        limit: None,
    };
    let whole = matches!(endpoint, Endpoint::Objects | Endpoint::Manifest);
    if matches!(endpoint, Endpoint::Versions) {
        asked.versions = Versions::All;
    }
    let mut seen: Vec<String> = Vec::new();
    for (name, value) in url::form_urlencoded::parse(raw.as_bytes()) {
        let known = matches!(
            &*name,
            "added_after" | "limit" | "next" | "match[id]" | "match[type]" | "match[version]" | "match[spec_version]"
        );
        if !known {
            continue;
        }
        if seen.iter().any(|n| *n == name) {
            return Err(format!("{name} is there twice; join values by commas"));
        }
        seen.push(name.to_string());
        match &*name {
            "added_after" => {
                let after = time(&value).ok_or("added_after is no timestamp like 2026-01-31T12:00:00.000000Z")?;
                asked.after = asked.after.max(after);
            }
            "next" => {
                let after = read_cursor(collection, &value).ok_or("next is not one that this collection gave out")?;
                asked.after = asked.after.max(after);
            }
            "limit" => asked.limit = Some(limit(&value).ok_or("limit is no positive whole number")?),
            "match[id]" if whole => asked.ids = values(&name, &value)?,
            "match[type]" if whole => asked.kinds = values(&name, &value)?,
            "match[spec_version]" => asked.spec_versions = values(&name, &value)?,
            "match[version]" if !matches!(endpoint, Endpoint::Versions) => {
                asked.versions = versions(values(&name, &value)?)?;
            }
            _ => {}
        }
    }
    Ok(asked)
}

fn values(name: &str, value: &str) -> Result<Vec<String>, String> {
    let values: Vec<String> = value.split(',').map(str::to_owned).collect();
    if values.iter().any(String::is_empty) {
        return Err(format!("{name} has an empty value"));
    }
    if values.len() > MOST_VALUES {
        return Err(format!("{name} has more than {MOST_VALUES} values"));
    }
    Ok(values)
}

fn versions(values: Vec<String>) -> Result<Versions, String> {
    if values.iter().any(|value| value == "all") {
        return match values.len() {
            1 => Ok(Versions::All),
            _ => Err("match[version]: all stands alone".to_owned()),
        };
    }
    let (mut first, mut last, mut at) = (false, false, Vec::new());
    for value in values {
        match value.as_str() {
            "first" => first = true,
            "last" => last = true,
            other => at.push(time(other).ok_or("match[version] is none of all, first, last or a timestamp")?),
        }
    }
    Ok(Versions::Some { first, last, at })
}

fn limit(value: &str) -> Option<usize> {
    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    let nought = value.bytes().all(|b| b == b'0');
    // Too large to count is a limit as good as none.
    (digits && !nought).then(|| value.parse().unwrap_or(usize::MAX / 2))
}

/// A timestamp as STIX and TAXII write it, in microseconds.
fn time(value: &str) -> Option<i64> {
    let shape = value.len() >= 20
        && value.as_bytes()[10] == b'T'
        && value.ends_with('Z')
        && value.bytes().all(|b| b.is_ascii_digit() || b"-:.TZ".contains(&b));
    if !shape {
        return None;
    }
    Some(value.parse::<Timestamp>().ok()?.as_microsecond())
}

/// A cursor: an instant, with a check that it belongs to the collection.
pub(super) fn cursor(collection: &str, date_added: i64) -> String {
    let mut bytes = date_added.to_be_bytes().to_vec();
    bytes.extend_from_slice(&check(collection, date_added));
    URL_SAFE_NO_PAD.encode(bytes)
}

fn read_cursor(collection: &str, text: &str) -> Option<i64> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (instant, found) = bytes.split_first_chunk::<8>()?;
    let date_added = i64::from_be_bytes(*instant);
    (found == check(collection, date_added)).then_some(date_added)
}

fn check(collection: &str, date_added: i64) -> [u8; 8] {
    let digest = Sha256::digest(format!("cursor\u{1f}{collection}\u{1f}{date_added}").as_bytes());
    let mut check = [0; 8];
    check.copy_from_slice(&digest[..8]);
    check
}
