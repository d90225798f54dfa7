//! Reads the parameters of a TAXII request.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::Endpoint;
use crate::{
    object::time,
    store::{Position, Versions},
};

/// What a request asks for.
#[derive(Debug, PartialEq)]
pub(super) struct Asked {
    pub ids: Vec<String>,
    pub kinds: Vec<String>,
    pub spec_versions: Vec<String>,
    pub versions: Versions,
    /// The later of `added_after` and the cursor.
    pub after: Position,
    pub limit: Option<usize>,
}

/// Values a filter may name; more would make one request cost as much as many.
const MOST_VALUES: usize = 200;
/// Types a filter may name; STIX 2.1 has about forty.
const MOST_TYPES: usize = 100;
/// What a request gets that names no version.
const LAST: Versions = Versions::Some { first: false, last: true, at: Vec::new() };

/// Reads the query string of a DELETE. It is for every version unless it says for which.
pub(super) fn read_delete(raw: &str, collection: &str) -> Result<Asked, String> {
    read_or(raw, Endpoint::Object, collection, Versions::All)
}

/// Reads a query string, or says which parameter is malformed. Parameters that TAXII does not define are ignored, and so is a
/// filter where the endpoint has none of that name.
pub(super) fn read(raw: &str, endpoint: Endpoint, collection: &str) -> Result<Asked, String> {
    read_or(raw, endpoint, collection, if endpoint == Endpoint::Versions { Versions::All } else { LAST })
}

fn read_or(raw: &str, endpoint: Endpoint, collection: &str, versions_unnamed: Versions) -> Result<Asked, String> {
    let mut asked = Asked {
        ids: Vec::new(),
        kinds: Vec::new(),
        spec_versions: Vec::new(),
        versions: versions_unnamed,
        after: Position::START,
        limit: None,
    };
    let whole = matches!(endpoint, Endpoint::Objects | Endpoint::Manifest);
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
                asked.after = asked.after.max(Position::after(after));
            }
            "next" => {
                let after = read_cursor(collection, &value).ok_or("next is not one that this collection gave out")?;
                asked.after = asked.after.max(after);
            }
            "limit" => asked.limit = Some(limit(&value).ok_or("limit is no positive whole number")?),
            "match[id]" if whole => asked.ids = values(&name, &value, MOST_VALUES)?,
            "match[type]" if whole => asked.kinds = values(&name, &value, MOST_TYPES)?,
            "match[spec_version]" => asked.spec_versions = values(&name, &value, MOST_VALUES)?,
            "match[version]" if !matches!(endpoint, Endpoint::Versions) => {
                asked.versions = versions(values(&name, &value, MOST_VALUES)?)?;
            }
            _ => {}
        }
    }
    Ok(asked)
}

fn values(name: &str, value: &str, most: usize) -> Result<Vec<String>, String> {
    let mut values: Vec<String> = value.split(',').map(str::to_owned).collect();
    if values.iter().any(String::is_empty) {
        return Err(format!("{name} has an empty value"));
    }
    if values.iter().any(|value| value.chars().any(char::is_control)) {
        return Err(format!("{name} has a value with a control character"));
    }
    if values.len() > most {
        return Err(format!("{name} has more than {most} values"));
    }
    values.sort_unstable();
    values.dedup();
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

/// A cursor: a place in the collection, with a check that it belongs to it.
pub(super) fn cursor(collection: &str, at: Position) -> String {
    let mut bytes = at.date_added.to_be_bytes().to_vec();
    bytes.extend_from_slice(&at.number.to_be_bytes());
    bytes.extend_from_slice(&check(collection, at));
    URL_SAFE_NO_PAD.encode(bytes)
}

fn read_cursor(collection: &str, text: &str) -> Option<Position> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (date_added, rest) = bytes.split_first_chunk::<8>()?;
    let (number, found) = rest.split_first_chunk::<8>()?;
    let at = Position { date_added: i64::from_be_bytes(*date_added), number: i64::from_be_bytes(*number) };
    (found == check(collection, at)).then_some(at)
}

fn check(collection: &str, at: Position) -> [u8; 8] {
    let Position { date_added, number } = at;
    let digest = Sha256::digest(format!("cursor\u{1f}{collection}\u{1f}{date_added}\u{1f}{number}").as_bytes());
    let mut check = [0; 8];
    check.copy_from_slice(&digest[..8]);
    check
}
