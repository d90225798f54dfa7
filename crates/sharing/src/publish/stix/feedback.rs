//! What a partner's STIX object says of what it was told: a `sighting` (it sees the account do the same), an `opinion` (agree or
//! disagree) or a `note` with a label or our property extension, for what an opinion cannot say.

use casework::feedback::{Meaning, PartnerFeedback};
use jiff::Timestamp;
use messages::feedback::Verdict;
use serde_json::Value;

use super::EXTENSION;

/// Most things that one object may be about.
const MAX_REFS: usize = 1_000;
/// The labels and verdicts that are understood.
const WORDS: &str = "confirmed, rejected, actioned, already-known or acknowledged";

/// Kinds of objects that say nothing themselves and that feedback may refer to: who wrote it, and under which marking.
const CONTEXT: [&str; 3] = ["identity", "marking-definition", "extension-definition"];

/// Whether an object only stands beside feedback.
pub(crate) fn is_context(object: &Value) -> bool {
    object["type"].as_str().is_some_and(|kind| CONTEXT.contains(&kind))
}

/// Why feedback that can be read says nothing that could be kept. An opinion may be neutral, and a sighting may be that of nothing;
/// a note without a verdict would be read by nobody.
pub(crate) fn without_meaning(object: &Value, feedback: &PartnerFeedback) -> Option<String> {
    (object["type"] == "note" && feedback.meaning == Meaning::Nothing)
        .then(|| format!("labels is missing: a note says with one of them what it means ({WORDS})"))
}

/// Takes an object apart, or says what is wrong with it and how it should be.
pub(crate) fn read(object: &Value) -> Result<PartnerFeedback, String> {
    let kind = object["type"].as_str().unwrap_or_default();
    let about = match kind {
        "sighting" => match object["sighting_of_ref"].as_str() {
            Some(id) => vec![id.to_owned()],
            None => return Err("sighting_of_ref is missing: name the indicator that was sighted".to_owned()),
        },
        "opinion" | "note" => refs(&object["object_refs"])?,
        other => {
            return Err(format!(
                "type is {:?}: feedback is a sighting, an opinion or a note",
                text_format::shorten(other, 40)
            ));
        }
    };
    let at = ["modified", "created"].into_iter().find_map(|name| object[name].as_str());
    let at = at
        .and_then(|text| text.parse::<Timestamp>().ok())
        .ok_or_else(|| "modified is no time: write it like 2026-11-01T00:00:00.000Z".to_owned())?;
    let note = ["explanation", "content", "description"].into_iter().find_map(|name| object[name].as_str());
    let note = note.map(|note| text_format::shorten(note, 2_000)).filter(|note| !note.is_empty());
    let meaning = if object["revoked"] == true { Meaning::TakesBack } else { meaning_of(kind, object)? };
    Ok(PartnerFeedback { about, meaning, at, note })
}

fn refs(value: &Value) -> Result<Vec<String>, String> {
    let refs = value.as_array().filter(|refs| !refs.is_empty() && refs.len() <= MAX_REFS);
    let refs = refs.and_then(|refs| refs.iter().map(|id| id.as_str().map(str::to_owned)).collect());
    refs.ok_or_else(|| format!("object_refs must name 1 to {MAX_REFS} objects that you received"))
}

fn meaning_of(kind: &str, object: &Value) -> Result<Meaning, String> {
    // What is said in so many words goes before what an object of its kind says by itself.
    let stated = &object["extensions"][EXTENSION]["verdict"];
    if !stated.is_null() {
        let word = stated.as_str().unwrap_or_default();
        return word_of(word).ok_or_else(|| {
            format!(
                "extensions.{EXTENSION}.verdict is {stated}: use confirmed, rejected, actioned, already_known or acknowledged"
            )
        });
    }
    let mut found = None;
    for label in object["labels"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let Some(word) = label.as_str().and_then(word_of) else {
            // A misspelt verdict must not be lost among labels of the partner's own.
            let label = text_format::shorten(&label.to_string(), 60);
            return Err(format!("labels has {label}, which is not known here: use {WORDS}"));
        };
        if found.replace(word).is_some_and(|other| other != word) {
            return Err("labels say two different things: give one verdict".to_owned());
        }
    }
    if let Some(found) = found {
        return Ok(found);
    }
    Ok(match kind {
        "opinion" => match object["opinion"].as_str().unwrap_or_default() {
            "agree" | "strongly-agree" => Meaning::Opinion(Verdict::Confirmed),
            "disagree" | "strongly-disagree" => Meaning::Opinion(Verdict::Rejected),
            "neutral" => Meaning::Nothing,
            _ => {
                return Err("opinion must be strongly-disagree, disagree, neutral, agree or strongly-agree".to_owned());
            }
        },
        // Not to have seen something rejects nothing.
        "sighting" if object["count"] == 0 => Meaning::Nothing,
        "sighting" => Meaning::Opinion(Verdict::Confirmed),
        _ => Meaning::Nothing,
    })
}

fn word_of(word: &str) -> Option<Meaning> {
    Some(match word.to_ascii_lowercase().replace(['-', ' '], "_").as_str() {
        "confirmed" => Meaning::Verdict(Verdict::Confirmed),
        "rejected" => Meaning::Verdict(Verdict::Rejected),
        "actioned" => Meaning::Verdict(Verdict::Actioned),
        "already_known" => Meaning::Verdict(Verdict::AlreadyKnown),
        "acknowledged" => Meaning::Acknowledges,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const SEEN: &str = "indicator--0c7b5b88-8ff7-4a4d-aa9d-feb398cd0061";

    fn object(kind: &str, properties: Value) -> Value {
        let mut object = json!({"type": kind, "modified": "2026-11-01T00:00:00.000Z"});
        match kind {
            "sighting" => object["sighting_of_ref"] = json!(SEEN),
            _ => object["object_refs"] = json!([SEEN]),
        }
        object.as_object_mut().unwrap().extend(properties.as_object().unwrap().clone());
        object
    }

    #[test]
    fn what_is_said_follows_from_kind_scale_label_and_extension() {
        let extension = |verdict: &str| json!({"extensions": {EXTENSION: {"verdict": verdict}}});
        let cases = [
            ("sighting", json!({}), Meaning::Opinion(Verdict::Confirmed)),
            ("sighting", json!({"count": 0}), Meaning::Nothing),
            ("sighting", extension("already_known"), Meaning::Verdict(Verdict::AlreadyKnown)),
            ("opinion", json!({"opinion": "strongly-disagree"}), Meaning::Opinion(Verdict::Rejected)),
            ("opinion", json!({"opinion": "disagree"}), Meaning::Opinion(Verdict::Rejected)),
            ("opinion", json!({"opinion": "neutral"}), Meaning::Nothing),
            ("opinion", json!({"opinion": "agree"}), Meaning::Opinion(Verdict::Confirmed)),
            ("opinion", json!({"opinion": "strongly-agree"}), Meaning::Opinion(Verdict::Confirmed)),
            ("opinion", json!({"opinion": "agree", "revoked": true}), Meaning::TakesBack),
            ("note", json!({"content": "hm"}), Meaning::Nothing),
            ("note", json!({"content": "gone", "labels": ["actioned"]}), Meaning::Verdict(Verdict::Actioned)),
            ("note", json!({"labels": ["already_known", "Already-Known"]}), Meaning::Verdict(Verdict::AlreadyKnown)),
            ("note", extension("acknowledged"), Meaning::Acknowledges),
        ];
        for (kind, properties, meaning) in cases {
            let feedback = read(&object(kind, properties.clone())).unwrap();
            assert_eq!((feedback.meaning, feedback.about), (meaning, vec![SEEN.to_owned()]), "{kind} {properties}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_with_the_place() {
        let many = vec![SEEN; MAX_REFS + 1];
        for (bad, place) in [
            (json!(null), "type"),
            (json!({"type": "malware"}), "type"),
            (json!({"type": "sighting"}), "sighting_of_ref"),
            (object("opinion", json!({"object_refs": []})), "object_refs"),
            (object("opinion", json!({"object_refs": [7]})), "object_refs"),
            (object("note", json!({"object_refs": many})), "object_refs"),
            (object("opinion", json!({"opinion": "yes"})), "opinion must be"),
            (object("note", json!({"modified": "yesterday"})), "modified"),
            (object("note", json!({"labels": ["actioned", "rejected"]})), "labels say two"),
            (object("note", json!({"labels": ["x", "rejected"]})), "labels has \"x\""),
            (object("opinion", json!({"opinion": "disagree", "labels": ["declined"]})), "labels has \"declined\""),
            (object("note", json!({"labels": [7]})), "labels has 7"),
            (object("note", json!({"extensions": {EXTENSION: {"verdict": 7}}})), "verdict is 7"),
        ] {
            let refused = read(&bad).unwrap_err();
            assert!(refused.contains(place), "{refused}");
        }
    }

    /// JSON of any shape, often with the names that are read.
    fn any_json() -> impl Strategy<Value = Value> {
        let word = prop_oneof![
            ".{0,12}",
            proptest::sample::select(vec![
                "note",
                "opinion",
                "sighting",
                "agree",
                "actioned",
                "2026-11-01T00:00:00Z",
                SEEN
            ])
            .prop_map(str::to_owned),
        ];
        let name = prop_oneof![
            proptest::sample::select(vec![
                "type",
                "labels",
                "extensions",
                EXTENSION,
                "verdict",
                "object_refs",
                "sighting_of_ref",
                "opinion",
                "modified",
                "revoked",
                "count",
                "content",
            ])
            .prop_map(str::to_owned),
            ".{0,5}",
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            word.prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 8, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                proptest::collection::btree_map(name.clone(), inner, 0..8)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn nothing_that_a_partner_writes_breaks_the_reader(object in any_json()) {
            if let Ok(feedback) = read(&object) {
                prop_assert!(!feedback.about.is_empty() && feedback.about.len() <= MAX_REFS);
            }
        }
    }
}
