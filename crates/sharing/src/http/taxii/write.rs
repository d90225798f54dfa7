//! POST and DELETE of objects, and the status resource that a POST gets.

use axum::http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::{
    Caller, Problem,
    answer::{Answer, PROCESSING_ERROR, is_taxii_content, malformed, not_found, refuse},
    feedback, query,
};
use crate::{
    object::{self, NewObject, Rejected, micros},
    service::{
        Inner,
        site::{self, STATUS_KEPT},
    },
    store::{
        CollectionRow,
        objects::{Added, NewStatus},
    },
};

/// Objects in one envelope.
const MOST_OBJECTS: usize = 10_000;

/// A POST of objects that may be made, before its body is read.
pub(crate) struct Posting {
    holder: String,
    root: String,
    collection: CollectionRow,
    /// Bytes.
    pub max_content: u64,
}

/// Why a body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoBody {
    TooLong,
    TooSlow,
    BrokenOff,
}

impl Posting {
    pub(super) fn begin(
        caller: Caller,
        root: &site::Root,
        row: &CollectionRow,
        headers: &HeaderMap,
    ) -> Result<Self, Problem> {
        if !is_taxii_content(headers) {
            return refuse(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Unsupported media type",
                "Send an envelope as application/taxii+json;version=2.1.",
            );
        }
        if headers.contains_key(header::CONTENT_ENCODING) {
            return refuse(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Unsupported content encoding",
                "Send the envelope as it is, without Content-Encoding.",
            );
        }
        Ok(Self {
            holder: caller.holder,
            root: root.path.clone(),
            collection: row.clone(),
            max_content: root.max_content,
        })
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    objects: Vec<&'a RawValue>,
}

/// Adds what was posted. Objects that cannot be taken fail one by one.
pub(super) fn add(
    inner: &Inner,
    posting: &Posting,
    body: Result<Vec<u8>, NoBody>,
    now: Timestamp,
) -> Result<Answer, Problem> {
    let body = match body {
        Ok(body) => body,
        Err(NoBody::TooLong) => {
            let most = format!("This API root takes up to {} bytes, see its max_content_length.", posting.max_content);
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, "Request too long", &most);
        }
        Err(NoBody::TooSlow) => {
            return refuse(StatusCode::REQUEST_TIMEOUT, "Request too slow", "The envelope did not come in time.");
        }
        Err(NoBody::BrokenOff) => return refuse(StatusCode::BAD_REQUEST, "Request broken off", "Send it again."),
    };
    let objects = read(&body)?;
    let mut good: Vec<NewObject> = Vec::new();
    let mut failures = Vec::new();
    // A collection of a seed is no inbox, and takes whatever is STIX.
    let inbox = inner.store.inbox(posting.collection.number)?;
    let mut refused = Vec::new();
    for (index, text) in objects.iter().enumerate() {
        match object::read(text.get(), &posting.collection.media_types) {
            Ok(object) => {
                let why = match &inbox {
                    Some(inbox) => feedback::refusal(inner, inbox, &object)?,
                    None => None,
                };
                let Some(why) = why else {
                    good.push(object);
                    continue;
                };
                let version = object::version_text(&object.body).unwrap_or_else(|| micros(now.as_microsecond()));
                failures.push(detail(&object.id, &version, Some(&why)));
                refused.push((object.id, why));
            }
            Err(Rejected { id, version, why }) => {
                let id = id.unwrap_or_else(|| format!("objects[{index}]"));
                failures.push(detail(&id, &version.unwrap_or_else(|| micros(now.as_microsecond())), Some(&why)));
            }
        }
    }
    let entry = inbox.as_ref().and_then(|inbox| feedback::refused_entry(inbox, &refused, now));
    let mut added = 0;
    let asked = now.as_microsecond();
    let status = inner.store.post(posting.collection.number, &good, entry, asked, |outcomes| {
        let mut successes = Vec::new();
        for (object, outcome) in good.iter().zip(outcomes) {
            let (version, why) = match outcome {
                Added::New(version) => {
                    added += 1;
                    (version, None)
                }
                Added::Known(version) => (version, None),
                Added::Differs(version) => {
                    (version, Some("another object has this id and version: give it a later modified"))
                }
                Added::TooMany(version) => {
                    (version, Some("it has as many versions here as one object may have: delete some"))
                }
            };
            let version = object::version_text(&object.body).unwrap_or_else(|| micros(*version));
            let list = if why.is_some() { &mut failures } else { &mut successes };
            list.push(detail(&object.id, &version, why));
        }
        status(posting, successes, failures, asked)
    })?;
    feedback::on_objects(inner, &posting.holder, &posting.collection, added);
    Ok(Answer { status: StatusCode::ACCEPTED, body: status.body, headers: Vec::new() })
}

/// The texts of the objects in an envelope.
pub(super) fn read(body: &[u8]) -> Result<Vec<&RawValue>, Problem> {
    let objects = match serde_json::from_slice::<Envelope<'_>>(body) {
        // A list would be read as the fields of an envelope in their order.
        Ok(_) if body.trim_ascii_start().first() != Some(&b'{') => {
            return unprocessable("the body is a list: send {\"objects\": […]}");
        }
        Ok(envelope) => envelope.objects,
        Err(error) if error.is_data() => {
            return unprocessable(&format!("the body is no envelope, {{\"objects\": […]}}: {error}"));
        }
        Err(error) => return refuse(StatusCode::BAD_REQUEST, "Not JSON", &format!("The body is not JSON: {error}")),
    };
    if objects.is_empty() || objects.len() > MOST_OBJECTS || objects.iter().any(|text| !text.get().starts_with('{')) {
        let why = format!("an envelope needs 1 to {MOST_OBJECTS} objects, and this one has {} values", objects.len());
        return unprocessable(&why);
    }
    Ok(objects)
}

fn unprocessable<T>(why: &str) -> Result<T, Problem> {
    let description = format!("While processing supplied content, an error occurred: {why}.");
    refuse(StatusCode::UNPROCESSABLE_ENTITY, PROCESSING_ERROR, &description)
}

/// Deletes the versions of an object that the parameters name, or all.
pub(super) fn delete(inner: &Inner, row: &CollectionRow, object: &str, raw_query: &str) -> Result<Answer, Problem> {
    let asked = match query::read_delete(raw_query, &row.id) {
        Ok(asked) => asked,
        Err(why) => return malformed(why),
    };
    if inner.store.delete_object(row.number, object, &asked.versions, &asked.spec_versions)? == 0 {
        return not_found();
    }
    Ok(Answer { status: StatusCode::OK, body: "{}".to_owned(), headers: Vec::new() })
}

fn detail(id: &str, version: &str, message: Option<&str>) -> Value {
    let mut detail = json!({"id": id, "version": version});
    if let Some(message) = message {
        detail["message"] = json!(message);
    }
    detail
}

/// Everything is done when the answer is given, so nothing is ever pending.
fn status(posting: &Posting, successes: Vec<Value>, failures: Vec<Value>, asked: i64) -> NewStatus {
    let id = uuid::Uuid::new_v4().to_string();
    let mut body = json!({
        "id": id,
        "status": "complete",
        "request_timestamp": micros(asked),
        "total_count": successes.len() + failures.len(),
        "success_count": successes.len(),
        "failure_count": failures.len(),
        "pending_count": 0,
    });
    for (name, list) in [("successes", successes), ("failures", failures)] {
        if !list.is_empty() {
            body[name] = Value::Array(list);
        }
    }
    NewStatus {
        id,
        root: posting.root.clone(),
        holder: posting.holder.clone(),
        expires_at: asked.saturating_add(STATUS_KEPT),
        body: body.to_string(),
    }
}
