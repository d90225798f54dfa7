//! Reads the parameters of a TAXII request.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::Endpoint;
use crate::{
    object::time,
    store::{ObjectRow, Position, Versions},
};

/// What a request asks for.
#[derive(Debug, PartialEq)]
pub(super) struct Asked {
    pub ids: Vec<String>,
    pub kinds: Vec<String>,
    pub spec_versions: Vec<String>,
    pub versions: Versions,
    /// From `added_after`.
    pub after: Position,
    /// From `next`.
    pub cursor: Option<Cursor>,
    pub limit: Option<usize>,
}

/// The place where a page ended: the last object, by what the partner knows of it anyway. A row's number would tell how much others
/// receive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cursor {
    pub date_added: i64,
    object: [u8; 8],
}

/// Why a query string cannot be read.
#[derive(Debug, PartialEq)]
pub(super) enum Malformed {
    /// A parameter, with the reason.
    Parameter(String),
    /// `next` is none that this collection gave out.
    UnknownNext,
    /// `next` came with other filters than the page that gave it out.
    OtherFilters,
}

impl From<&str> for Malformed {
    fn from(why: &str) -> Self {
        Malformed::Parameter(why.to_owned())
    }
}

impl From<String> for Malformed {
    fn from(why: String) -> Self {
        Malformed::Parameter(why)
    }
}

/// Values a filter may name; more would make one request cost as much as many.
const MOST_VALUES: usize = 200;
/// Types a filter may name; STIX 2.1 has about forty.
const MOST_TYPES: usize = 100;
/// What a request gets that names no version.
const LAST: Versions = Versions::Some { first: false, last: true, at: Vec::new() };

/// Reads the query string of a DELETE. It is for every version unless it says for which.
pub(super) fn read_delete(raw: &str, collection: &str) -> Result<Asked, Malformed> {
    read_or(raw, Endpoint::Object, collection, Versions::All)
}

/// Reads a query string, or says which parameter is malformed. Parameters that TAXII does not define are ignored, and so is a
/// filter where the endpoint has none of that name.
pub(super) fn read(raw: &str, endpoint: Endpoint, collection: &str) -> Result<Asked, Malformed> {
    read_or(raw, endpoint, collection, if endpoint == Endpoint::Versions { Versions::All } else { LAST })
}

fn read_or(raw: &str, endpoint: Endpoint, collection: &str, versions_unnamed: Versions) -> Result<Asked, Malformed> {
    let mut asked = Asked {
        ids: Vec::new(),
        kinds: Vec::new(),
        spec_versions: Vec::new(),
        versions: versions_unnamed,
        after: Position::START,
        cursor: None,
        limit: None,
    };
    let mut next: Option<String> = None;
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
            return Err(format!("{name} is there twice; join values by commas").into());
        }
        seen.push(name.to_string());
        match &*name {
            "added_after" => {
                let after = time(&value).ok_or("added_after is no timestamp like 2026-01-31T12:00:00.000000Z")?;
                asked.after = Position::after(after);
            }
            "next" => next = Some(value.into_owned()),
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
    if let Some(next) = next {
        let (cursor, filters) = read_cursor(collection, &next).ok_or(Malformed::UnknownNext)?;
        if filters != asked.filters() {
            return Err(Malformed::OtherFilters);
        }
        asked.cursor = Some(cursor);
    }
    Ok(asked)
}

impl Asked {
    /// Names the filters. Clients move `added_after` and `limit` from page to page, so these two are not among them.
    fn filters(&self) -> [u8; 8] {
        let Asked { ids, kinds, spec_versions, versions, .. } = self;
        digest(&format!("{ids:?}{kinds:?}{spec_versions:?}{versions:?}"))
    }

    /// The value of `next` for a page that ends with this object.
    pub fn next(&self, collection: &str, last: &ObjectRow) -> String {
        let cursor = Cursor::of(last);
        let filters = self.filters();
        let mut bytes = cursor.date_added.to_be_bytes().to_vec();
        bytes.extend_from_slice(&cursor.object);
        bytes.extend_from_slice(&filters);
        bytes.extend_from_slice(&check(collection, cursor, filters));
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

impl Cursor {
    /// The place of an object.
    pub fn of(object: &ObjectRow) -> Self {
        Self { date_added: object.date_added, object: digest(&format!("{} {}", object.id, object.version)) }
    }
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

fn read_cursor(collection: &str, text: &str) -> Option<(Cursor, [u8; 8])> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (date_added, rest) = bytes.split_first_chunk::<8>()?;
    let (object, rest) = rest.split_first_chunk::<8>()?;
    let (filters, found) = rest.split_first_chunk::<8>()?;
    let cursor = Cursor { date_added: i64::from_be_bytes(*date_added), object: *object };
    (found == check(collection, cursor, *filters)).then_some((cursor, *filters))
}

/// Tells a cursor of this collection from anything else.
fn check(collection: &str, cursor: Cursor, filters: [u8; 8]) -> [u8; 8] {
    let Cursor { date_added, object } = cursor;
    digest(&format!("cursor\u{1f}{collection}\u{1f}{date_added}\u{1f}{object:?}\u{1f}{filters:?}"))
}

fn digest(text: &str) -> [u8; 8] {
    let mut short = [0; 8];
    short.copy_from_slice(&Sha256::digest(text.as_bytes())[..8]);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_holds_nothing_of_what_others_receive() {
        let asked = read("limit=1", Endpoint::Objects, "c").unwrap();
        let row = |number: i64| ObjectRow {
            number,
            id: "note--1".to_owned(),
            date_added: 7,
            version: 5,
            spec_version: "2.1".to_owned(),
            body: String::new(),
        };
        assert_eq!(asked.next("c", &row(1)), asked.next("c", &row(1_000_000)));
        let next = asked.next("c", &row(1));
        let read = |query: &str, collection: &str| read(query, Endpoint::Objects, collection);
        assert_eq!(read(&format!("next={next}"), "c").unwrap().cursor, Some(Cursor::of(&row(2))));
        assert_eq!(read(&format!("next={next}"), "d"), Err(Malformed::UnknownNext));
        assert_eq!(read(&format!("next={next}&match[type]=note"), "c"), Err(Malformed::OtherFilters));
        // Clients move added_after along, and may change how much they want.
        let moved = format!("next={next}&added_after=2026-01-01T00:00:00Z&limit=9");
        assert!(read(&moved, "c").is_ok());
    }
}
