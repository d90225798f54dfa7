//! The way back: what partners write about what they were told.
//!
//! A partner posts STIX 2.1 to its own collection: a `sighting` (it sees the account do the same), an `opinion` (agree or disagree) or
//! a `note` with a label or our property extension, for what an opinion cannot say. [`read`] takes such an object apart; what it is
//! about must be something that this very partner was told of. The worker reads each object once and takes it in one transaction
//! with the place it has come to; then it goes to the topic `feedback`, where the last word of a partner on an account counts, so
//! that a record written twice changes nothing.
//!
//! What reviewers say by approving, releasing or dismissing a case ([`crate::case::Step::says`]) is stored with the step, and takes the
//! same way to the topic as `reviewer:` and the name. The demo's automatic reviewers say nothing: no person looked.

use std::time::Duration;

use jiff::Timestamp;
use messages::{feedback::Verdict, topics};
use runtime::{NewRecord, shutdown::Shutdown};
use serde_json::Value;

use crate::{
    crash,
    service::{Inner, Sharing, SharingError},
    stix::EXTENSION,
    store::{ObjectQuery, Position, ReadObject, Versions},
};

/// Objects of an inbox read at a time, and records appended at a time.
const PAGE: usize = 100;
/// How often the inboxes are looked at.
const EVERY: Duration = Duration::from_secs(1);
/// Most things that one object may be about.
const MAX_REFS: usize = 1_000;

/// What an object of a partner says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Said {
    /// Ids of the objects that it is about.
    pub about: Vec<String>,
    pub says: Says,
    pub at: Timestamp,
    pub note: Option<String>,
}

/// What is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    /// A verdict in so many words.
    Verdict(Verdict),
    /// An opinion on the object: of one that was withdrawn nobody can tell what it means.
    Opinion(Verdict),
    /// That a withdrawal has arrived.
    Acknowledges,
    /// That what the same object said before no longer holds.
    TakesBack,
    /// Nothing that a label can be made of.
    Nothing,
}

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is a label now.
    Taken,
    /// A label was taken back.
    TakenBack,
    /// A withdrawal is acknowledged.
    Acknowledged,
    /// It is kept, and no label can be made of it.
    NoVerdict,
    /// It is about nothing that this partner was told of.
    Unknown,
    /// It cannot be read.
    Unreadable,
}

impl Outcome {
    pub const ALL: [Outcome; 6] = [
        Outcome::Taken,
        Outcome::TakenBack,
        Outcome::Acknowledged,
        Outcome::NoVerdict,
        Outcome::Unknown,
        Outcome::Unreadable,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Outcome::Taken => "taken",
            Outcome::TakenBack => "taken_back",
            Outcome::Acknowledged => "acknowledged",
            Outcome::NoVerdict => "no_verdict",
            Outcome::Unknown => "unknown",
            Outcome::Unreadable => "unreadable",
        }
    }
}

/// Takes an object apart, or says what is wrong with it and how it should be.
pub(crate) fn read(object: &Value) -> Result<Said, String> {
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
    let says = if object["revoked"] == true { Says::TakesBack } else { says(kind, object)? };
    Ok(Said { about, says, at, note })
}

fn refs(value: &Value) -> Result<Vec<String>, String> {
    let refs = value.as_array().filter(|refs| !refs.is_empty() && refs.len() <= MAX_REFS);
    let refs = refs.and_then(|refs| refs.iter().map(|id| id.as_str().map(str::to_owned)).collect());
    refs.ok_or_else(|| format!("object_refs must name 1 to {MAX_REFS} objects that you were told of"))
}

fn says(kind: &str, object: &Value) -> Result<Says, String> {
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
    let labels = object["labels"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut words = labels.iter().filter_map(Value::as_str).filter_map(word_of);
    if let Some(first) = words.next() {
        if words.any(|other| other != first) {
            return Err("labels say two different things: give one verdict".to_owned());
        }
        return Ok(first);
    }
    Ok(match kind {
        "opinion" => match object["opinion"].as_str().unwrap_or_default() {
            "agree" | "strongly-agree" => Says::Opinion(Verdict::Confirmed),
            "disagree" | "strongly-disagree" => Says::Opinion(Verdict::Rejected),
            "neutral" => Says::Nothing,
            _ => {
                return Err("opinion must be strongly-disagree, disagree, neutral, agree or strongly-agree".to_owned());
            }
        },
        // Not to have seen something rejects nothing.
        "sighting" if object["count"] == 0 => Says::Nothing,
        "sighting" => Says::Opinion(Verdict::Confirmed),
        _ => Says::Nothing,
    })
}

fn word_of(word: &str) -> Option<Says> {
    Some(match word.to_ascii_lowercase().replace(['-', ' '], "_").as_str() {
        "confirmed" => Says::Verdict(Verdict::Confirmed),
        "rejected" => Says::Verdict(Verdict::Rejected),
        "actioned" => Says::Verdict(Verdict::Actioned),
        "already_known" => Says::Verdict(Verdict::AlreadyKnown),
        "acknowledged" => Says::Acknowledges,
        _ => return None,
    })
}

/// Reads inboxes and writes the topic until `shutdown`.
pub(crate) async fn run(sharing: &Sharing, log: &runtime::Log, shutdown: &Shutdown) -> Result<(), SharingError> {
    while !shutdown.is_stopping() {
        if let Err(error) = turn(sharing, log).await {
            sharing.inner.metrics.errors.with_label_values(&["feedback"]).inc();
            tracing::warn!(%error, "feedback could not be taken or published, it is tried again");
        }
        tokio::select! {
            () = shutdown.stopping() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
    Ok(())
}

pub(crate) async fn turn(sharing: &Sharing, log: &runtime::Log) -> Result<(), SharingError> {
    while sharing.blocking(|inner| inner.read_inboxes(Timestamp::now())).await? > 0 {}
    loop {
        let waiting = sharing.blocking(|inner| Ok(inner.store.unpublished_feedback(PAGE)?)).await?;
        let Some(last) = waiting.last().map(|row| row.number) else { return Ok(()) };
        crash::here("after feedback is stored");
        let records = waiting.into_iter().map(|row| NewRecord {
            topic: topics::FEEDBACK.into(),
            key: row.message.key().into_bytes(),
            value: (!row.taken_back).then(|| row.message.encode()),
            headers: Vec::new(),
        });
        log.append(records.collect()).await?;
        crash::here("after feedback is published");
        sharing.blocking(move |inner| Ok(inner.store.feedback_published(last)?)).await?;
    }
}

impl Inner {
    /// Reads a page of every inbox; returns how many objects that were.
    pub(crate) fn read_inboxes(&self, now: Timestamp) -> Result<usize, SharingError> {
        let mut n = 0;
        for mut inbox in self.store.inboxes()? {
            let query = ObjectQuery {
                ids: Vec::new(),
                kinds: Vec::new(),
                spec_versions: Vec::new(),
                versions: Versions::All,
                after: Position::after(inbox.read_until),
                limit: PAGE,
                bodies: true,
            };
            for row in self.store.objects(inbox.collection, &query)?.0 {
                let object: Value = serde_json::from_str(&row.body).unwrap_or(Value::Null);
                let said = read(&object);
                let object = ReadObject { date_added: row.date_added, id: &row.id, version: row.version, said };
                if let Some(outcome) = self.store.take_feedback(&inbox, object, now)? {
                    self.metrics.feedback.with_label_values(&[outcome.name()]).inc();
                }
                inbox.read_until = row.date_added;
                n += 1;
            }
        }
        Ok(n)
    }
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
            ("sighting", json!({}), Says::Opinion(Verdict::Confirmed)),
            ("sighting", json!({"count": 0}), Says::Nothing),
            ("sighting", extension("already_known"), Says::Verdict(Verdict::AlreadyKnown)),
            ("opinion", json!({"opinion": "strongly-disagree"}), Says::Opinion(Verdict::Rejected)),
            ("opinion", json!({"opinion": "disagree"}), Says::Opinion(Verdict::Rejected)),
            ("opinion", json!({"opinion": "neutral"}), Says::Nothing),
            ("opinion", json!({"opinion": "agree"}), Says::Opinion(Verdict::Confirmed)),
            ("opinion", json!({"opinion": "strongly-agree"}), Says::Opinion(Verdict::Confirmed)),
            ("opinion", json!({"opinion": "agree", "revoked": true}), Says::TakesBack),
            ("note", json!({"content": "hm"}), Says::Nothing),
            ("note", json!({"content": "gone", "labels": ["actioned"]}), Says::Verdict(Verdict::Actioned)),
            ("note", json!({"labels": ["x", "Already-Known"]}), Says::Verdict(Verdict::AlreadyKnown)),
            ("note", extension("acknowledged"), Says::Acknowledges),
        ];
        for (kind, properties, says) in cases {
            let said = read(&object(kind, properties.clone())).unwrap();
            assert_eq!((said.says, said.about), (says, vec![SEEN.to_owned()]), "{kind} {properties}");
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
            (object("note", json!({"labels": ["actioned", "rejected"]})), "labels"),
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
            if let Ok(said) = read(&object) {
                prop_assert!(!said.about.is_empty() && said.about.len() <= MAX_REFS);
            }
        }
    }
}
