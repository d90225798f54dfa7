//! The audit log in the formats that security monitoring (SIEM) reads: Elastic Common Schema and
//! Common Event Format.
//!
//! Both are for reading. Only the export of [`crate::audit`] can be verified.

use std::{fmt::Write as _, str::FromStr};

use serde_json::{Value, json};

use crate::audit::Sealed;

/// Version of the Elastic Common Schema whose fields are written.
const ECS_VERSION: &str = "8.17.0";

/// A format for security monitoring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line with fields of the Elastic Common Schema.
    Ecs,
    /// One line of Common Event Format, version 0.
    Cef,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "ecs" => Ok(Format::Ecs),
            "cef" => Ok(Format::Cef),
            _ => Err("formats are ecs and cef".to_owned()),
        }
    }
}

impl Format {
    /// The entry as one line, without the line break. `version` is the version of the program.
    pub fn line(self, sealed: &Sealed, version: &str) -> String {
        match self {
            Format::Ecs => ecs(sealed).to_string(),
            Format::Cef => cef(sealed, version),
        }
    }
}

fn ecs(sealed: &Sealed) -> Value {
    let entry = &sealed.entry;
    let mut event = json!({
        "kind": "event",
        "action": entry.action,
        "dataset": "lockstep.audit",
        "provider": "lockstep",
        "sequence": sealed.seq,
        "hash": sealed.seal,
    });
    // Only for entries that a category of the schema describes.
    let category = match entry.action.as_str() {
        action if action.starts_with("log") => {
            Some(("authentication", if action == "logged_out" { "end" } else { "start" }))
        }
        action if action.starts_with("key_") || action.starts_with("token_") => Some(("iam", "admin")),
        _ => None,
    };
    if let Some((category, kind)) = category {
        event["category"] = json!([category]);
        event["type"] = json!([kind]);
    }
    json!({
        "@timestamp": entry.at.to_string(),
        "ecs": {"version": ECS_VERSION},
        "event": event,
        "message": entry.text,
        "user": {"name": entry.actor},
        "labels": {"subject": entry.subject},
    })
}

fn cef(sealed: &Sealed, version: &str) -> String {
    let entry = &sealed.entry;
    let header = |text: &str| escape(text, &['|']);
    let value = |text: &str| escape(text, &['=']);
    let mut line = format!(
        "CEF:0|Lockstep|sharing|{}|{}|{}|3",
        header(version),
        header(&entry.action),
        header(&entry.action.replace('_', " "))
    );
    // Writing to a String cannot fail.
    let _ = write!(
        line,
        "|rt={} externalId={} suser={} msg={} cs1Label=subject cs1={} cs2Label=seal cs2={}",
        entry.at.as_millisecond(),
        sealed.seq,
        value(&entry.actor),
        value(&entry.text),
        value(&entry.subject),
        sealed.seal
    );
    line
}

/// Escapes a backslash, the given characters and line breaks, as the format asks.
fn escape(text: &str, special: &[char]) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            c if c == '\\' || special.contains(&c) => out.extend(['\\', c]),
            c => out.push(c),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::audit::{Entry, GENESIS, seal};

    fn entry(action: &str) -> Sealed {
        let entry = Entry {
            at: Timestamp::from_millisecond(1_700_000_000_123).unwrap(),
            actor: "ann".to_owned(),
            subject: "case a=b|c".to_owned(),
            action: action.to_owned(),
            text: "first \\ line\nsecond = line | end".to_owned(),
        };
        seal(GENESIS, 7, entry, None)
    }

    #[test]
    fn a_line_of_cef_can_be_split_again() {
        let sealed = entry("released");
        let line = Format::Cef.line(&sealed, "0.1|0");
        let expected = format!(
            "CEF:0|Lockstep|sharing|0.1\\|0|released|released|3|rt=1700000000123 externalId=7 suser=ann \
             msg=first \\\\ line\\nsecond \\= line | end cs1Label=subject cs1=case a\\=b|c cs2Label=seal cs2={}",
            sealed.seal
        );
        assert_eq!(line, expected);
        assert!(!line.contains('\n'));
    }

    #[test]
    fn fields_of_ecs_hold_the_whole_entry() {
        let sealed = entry("token_issued");
        let line: Value = serde_json::from_str(&Format::Ecs.line(&sealed, "1")).unwrap();
        assert_eq!(line["@timestamp"], "2023-11-14T22:13:20.123Z");
        assert_eq!((&line["event"]["action"], &line["event"]["category"][0]), (&json!("token_issued"), &json!("iam")));
        assert_eq!((&line["event"]["sequence"], &line["event"]["hash"]), (&json!(7), &json!(sealed.seal)));
        assert_eq!((&line["user"]["name"], &line["message"]), (&json!("ann"), &json!(sealed.entry.text)));
        assert_eq!(line["labels"]["subject"], "case a=b|c");
        assert_eq!(ecs(&entry("released"))["event"].get("category"), None);
    }
}
