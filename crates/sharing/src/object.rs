//! Reads a STIX object that somebody else made: what is needed to store it, or why it cannot be taken.

use std::borrow::Cow;

use jiff::{Timestamp, tz::TimeZone};
use serde_json::Value;

/// An object for a collection.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NewObject {
    pub id: String,
    pub kind: String,
    pub spec_version: String,
    /// Microseconds; `None` for an object without a time of its own, which gets its `date_added`.
    pub version: Option<i64>,
    pub body: String,
}

impl NewObject {
    /// Whether it says that it is withdrawn.
    pub fn is_revoked(&self) -> bool {
        is_revoked(&self.body)
    }
}

/// Whether an object says that it is withdrawn.
pub(crate) fn is_revoked(body: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Revoked {
        #[serde(default)]
        revoked: bool,
    }
    serde_json::from_str::<Revoked>(body).is_ok_and(|object| object.revoked)
}

/// A timestamp as STIX and TAXII write it, in microseconds.
pub(crate) fn time(value: &str) -> Option<i64> {
    let shape = value.len() >= 20
        && value.as_bytes()[10] == b'T'
        && value.ends_with('Z')
        && value.bytes().all(|b| b.is_ascii_digit() || b"-:.TZ".contains(&b));
    if !shape {
        return None;
    }
    Some(value.parse::<Timestamp>().ok()?.as_microsecond())
}

/// A time as [`time`] reads it and TAXII writes it: RFC 3339 with exactly six digits of fraction and `Z`.
pub(crate) fn micros(time: i64) -> String {
    Timestamp::from_microsecond(time)
        .unwrap_or_default()
        .to_zoned(TimeZone::UTC)
        .strftime("%Y-%m-%dT%H:%M:%S.%6fZ")
        .to_string()
}

const STIX_20: &str = "application/stix+json;version=2.0";
const STIX_21: &str = "application/stix+json;version=2.1";
/// Of `type` and of the whole id, as STIX 2.1 bounds them.
const LONGEST_TYPE: usize = 250;

/// Domain and relationship objects, and those about objects, of STIX 2.1.
const WITH_TIMES: [&str; 23] = [
    "attack-pattern",
    "campaign",
    "course-of-action",
    "grouping",
    "identity",
    "incident",
    "indicator",
    "infrastructure",
    "intrusion-set",
    "location",
    "malware",
    "malware-analysis",
    "note",
    "observed-data",
    "opinion",
    "report",
    "threat-actor",
    "tool",
    "vulnerability",
    "relationship",
    "sighting",
    "extension-definition",
    "language-content",
];
const MARKING: &str = "marking-definition";
/// Cyber-observable objects: STIX 2.1 gives them no times, and their spec_version can be left out.
const OBSERVABLES: [&str; 18] = [
    "artifact",
    "autonomous-system",
    "directory",
    "domain-name",
    "email-addr",
    "email-message",
    "file",
    "ipv4-addr",
    "ipv6-addr",
    "mac-addr",
    "mutex",
    "network-traffic",
    "process",
    "software",
    "url",
    "user-account",
    "windows-registry-key",
    "x509-certificate",
];

/// Why an object cannot be taken, with what it says of itself for the status resource.
#[derive(Debug, PartialEq)]
pub(crate) struct Rejected {
    /// `None` where it says nothing that could be repeated.
    pub id: Option<String>,
    /// As it writes it.
    pub version: Option<String>,
    pub why: String,
}

/// The version of an object as it writes it: its `modified`, else its `created`. `None` of an object without a time of its own.
pub(crate) fn version_text(body: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Times<'a> {
        #[serde(borrow)]
        created: Option<Cow<'a, str>>,
        #[serde(borrow)]
        modified: Option<Cow<'a, str>>,
    }
    let times = serde_json::from_str::<Times<'_>>(body).ok()?;
    times.modified.or(times.created).filter(|text| time(text).is_some()).map(Cow::into_owned)
}

/// The media type of an object.
pub(crate) fn media_type(spec_version: &str) -> &'static str {
    if spec_version == "2.0" { STIX_20 } else { STIX_21 }
}

/// Reads an object as it stands in an envelope. `media_types` are those of the collection.
pub(crate) fn read(text: &str, media_types: &[String]) -> Result<NewObject, Rejected> {
    match serde_json::from_str(text) {
        Ok(value) => check(&value, text, media_types),
        Err(error) => Err(Rejected { id: None, version: None, why: format!("it cannot be read: {error}") }),
    }
}

/// The same for an object that was read; `text` is what will be stored.
pub(crate) fn check(value: &Value, text: &str, media_types: &[String]) -> Result<NewObject, Rejected> {
    let own = |name: &str| value.get(name).and_then(Value::as_str);
    let modified = own("modified").or_else(|| own("created"));
    let version = modified.and_then(time);
    let known_id = own("id").filter(|id| id.len() <= LONGEST_TYPE + 38 && !id.chars().any(char::is_control));
    let said = modified.filter(|_| version.is_some());
    let reject = |why: String| Err(Rejected { id: known_id.map(str::to_owned), version: said.map(str::to_owned), why });

    for name in ["id", "type", "spec_version", "created", "modified"] {
        if value.get(name).is_some_and(|found| !found.is_string()) {
            return reject(format!("its {name} is no text"));
        }
    }
    let Some(id) = own("id") else { return reject("it has no id".to_owned()) };
    let Some(kind) = own("type") else { return reject("it has no type".to_owned()) };
    let shaped = (3..=LONGEST_TYPE).contains(&kind.len())
        && kind.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !shaped {
        return reject("its type is not 3 to 250 of a-z, 0-9 and '-'".to_owned());
    }
    let uuid = id.strip_prefix(kind).and_then(|rest| rest.strip_prefix("--"));
    if !uuid.is_some_and(|uuid| uuid.len() == 36 && uuid::Uuid::try_parse(uuid).is_ok()) {
        return reject(format!("its id is not {kind}--UUID"));
    }
    let is_observable = OBSERVABLES.contains(&kind);
    // New types come with an extension that says so; before 2.1 their names began with x-.
    let extended = value.get("extensions").and_then(Value::as_object).is_some_and(|extensions| {
        extensions.values().any(|e| e["extension_type"].as_str().is_some_and(|kind| kind.starts_with("new-")))
    });
    if !(is_observable || WITH_TIMES.contains(&kind) || kind == MARKING || kind.starts_with("x-") || extended) {
        return reject(format!("{kind} is no type of STIX 2.1, nor a custom one (x-…, or with an extension)"));
    }
    let spec_version = own("spec_version").unwrap_or(if is_observable || extended { "2.1" } else { "2.0" });
    if !takes(media_types, spec_version) {
        return reject(match own("spec_version") {
            Some(given) => format!("this collection does not take STIX {given}"),
            None => "it has no spec_version, so it is of STIX 2.0, which this collection does not take".to_owned(),
        });
    }
    for name in ["created", "modified"] {
        if own(name).is_some_and(|text| time(text).is_none()) {
            return reject(format!("its {name} is no timestamp like 2026-01-31T12:00:00.000Z"));
        }
    }
    if let (Some(created), Some(modified)) = (own("created").and_then(time), own("modified").and_then(time))
        && modified < created
    {
        return reject("its modified is before its created".to_owned());
    }
    Ok(NewObject {
        id: id.to_owned(),
        kind: kind.to_owned(),
        spec_version: spec_version.to_owned(),
        version,
        body: text.to_owned(),
    })
}

fn takes(media_types: &[String], spec_version: &str) -> bool {
    ["2.0", "2.1"].contains(&spec_version)
        && media_types.iter().any(|media| match media.split_once("version=") {
            Some((_, version)) => version.trim_matches('"') == spec_version,
            None => true,
        })
}

/// What an object says, and of whom.
pub(crate) struct About {
    pub account: Option<String>,
    pub revoked: bool,
}

/// `None` for what is about no case: markings, the producer, relationships.
pub(crate) fn about(object: &NewObject) -> Option<About> {
    let account = match object.kind.as_str() {
        "campaign" | "grouping" | "note" | "observed-data" => return Some(About { account: None, revoked: false }),
        "indicator" | "user-account" => serde_json::from_str::<serde_json::Value>(&object.body).ok()?,
        _ => return None,
    };
    let id = match account["user_id"].as_str() {
        Some(id) => id.to_owned(),
        None => account_of_pattern(account["pattern"].as_str()?)?,
    };
    Some(About { account: Some(id), revoked: account["revoked"] == true })
}

/// The account that a pattern of ours names.
pub(crate) fn account_of_pattern(pattern: &str) -> Option<String> {
    let quoted = pattern.strip_prefix("[user-account:user_id = '")?.strip_suffix("']")?;
    let (mut id, mut escaped) = (String::with_capacity(quoted.len()), false);
    for c in quoted.chars() {
        match c {
            '\\' if !escaped => escaped = true,
            c => {
                id.push(c);
                escaped = false;
            }
        }
    }
    Some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "91a7b528-80eb-42ed-a74d-c6fbd5a26116";

    fn read(text: &str) -> Result<NewObject, String> {
        super::read(&text.replace("UUID", UUID), &[STIX_21.to_owned()]).map_err(|rejected| rejected.why)
    }

    #[test]
    fn point_24_the_version_is_modified_else_created_else_none() {
        let head = r#"{"type":"opinion","spec_version":"2.1","id":"opinion--UUID""#;
        let both = read(&format!(r#"{head},"created":"2020-01-01T00:00:00Z","modified":"2020-01-01T00:00:00.5Z"}}"#));
        assert_eq!(both.unwrap().version, Some(1_577_836_800_500_000));
        let created = read(&format!(r#"{head},"created":"2020-01-01T00:00:00Z"}}"#));
        assert_eq!(created.unwrap().version, Some(1_577_836_800_000_000));
        let account = read(r#"{"type":"user-account","id":"user-account--UUID"}"#).unwrap();
        assert_eq!((account.version, &*account.spec_version), (None, "2.1"));
    }

    #[test]
    fn what_cannot_be_taken_is_told_apart() {
        for (text, why) in [
            ("7", "no id"),
            (r#"{"type":"note"}"#, "no id"),
            (r#"{"id":"note--UUID"}"#, "no type"),
            (r#"{"id":7,"type":"note"}"#, "id is no text"),
            (r#"{"id":"note--UUID","type":"Note"}"#, "a-z"),
            (r#"{"id":"note--x","type":"note"}"#, "note--UUID"),
            (r#"{"id":"opinion--UUID","type":"note"}"#, "note--UUID"),
            (r#"{"id":"rumour--UUID","type":"rumour","spec_version":"2.1"}"#, "no type of STIX"),
            (r#"{"id":"note--UUID","type":"note"}"#, "no spec_version"),
            (r#"{"id":"note--UUID","type":"note","spec_version":"2.2"}"#, "does not take STIX 2.2"),
            (r#"{"id":"note--UUID","type":"note","spec_version":"2.1","modified":"now"}"#, "modified is no timestamp"),
            (
                r#"{"id":"note--UUID","type":"note","spec_version":"2.1","created":"2020-01-01T00:00:00Z","modified":"2019-01-01T00:00:00Z"}"#,
                "before its created",
            ),
        ] {
            let said = read(text).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        }
        let deep = format!(r#"{{"id":{}{}}}"#, "[".repeat(1000), "]".repeat(1000));
        assert!(read(&deep).unwrap_err().contains("cannot be read"));
    }

    #[test]
    fn custom_types_and_markings_are_taken() {
        for text in [
            r#"{"id":"x-thing--UUID","type":"x-thing","spec_version":"2.1"}"#,
            r#"{"id":"thing--UUID","type":"thing","extensions":{"extension-definition--UUID":{"extension_type":"new-sdo"}}}"#,
            r#"{"id":"marking-definition--UUID","type":"marking-definition","spec_version":"2.1","created":"2020-01-01T00:00:00Z"}"#,
        ] {
            assert!(read(text).is_ok(), "{text}");
        }
    }
}
