//! Feedback on its way in: what cannot be understood, and what is about nothing that the partner received, fails where it is posted.
//!
//! What a partner posts is in its feedback collection before it is answered. The collection is the queue: whoever reads on from
//! the [`Position`](crate::store::Position) it has reached, with all versions, sees every object once and in order, also after a
//! crash.

use casework::{audit::Entry, feedback::Outcome};
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    object::NewObject,
    publish::stix::feedback::{is_context, read, without_meaning},
    service::Inner,
    store::{CollectionRow, Inbox, StoreError},
};

/// Ids named in one message.
const NAMED: usize = 3;

/// Why an object is no feedback that could be taken; `None` where it is. Only what this partner received itself counts, so the answer
/// is the same whether an id is another partner's or nobody's.
pub(super) fn refusal(inner: &Inner, inbox: &Inbox, object: &NewObject) -> Result<Option<String>, StoreError> {
    let (outcome, why) = match serde_json::from_str::<Value>(&object.body) {
        Err(error) => (Outcome::Unreadable, error.to_string()),
        Ok(value) if is_context(&value) => return Ok(None),
        Ok(value) => match read(&value) {
            Err(why) => (Outcome::Unreadable, why),
            Ok(feedback) => {
                let unknown = inner.store.not_received(inbox.feed, &feedback.about)?;
                if !unknown.is_empty() {
                    (Outcome::Unknown, not_received(&unknown))
                } else if let Some(why) = without_meaning(&value, &feedback) {
                    (Outcome::NoVerdict, why)
                } else {
                    return Ok(None);
                }
            }
        },
    };
    inner.metrics.feedback.with_label_values(&[outcome.name()]).inc();
    Ok(Some(why))
}

fn not_received(unknown: &[String]) -> String {
    let named: Vec<String> = unknown.iter().take(NAMED).map(|id| text_format::shorten(id, 120)).collect();
    let more = match unknown.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "it is about {}{more}, which you did not receive from here as part of a finding: name only ids of indicators, accounts and \
         campaigns in your own findings collection",
        named.join(", ")
    )
}

/// What the audit log says of objects of one request that were not taken.
pub(super) fn refused_entry(inbox: &Inbox, refused: &[(String, String)], now: Timestamp) -> Option<Entry> {
    let (id, why) = refused.first()?;
    let more = match refused.len() - 1 {
        0 => String::new(),
        more => format!("; and {} more", text_format::count(more as u64, "object")),
    };
    Some(Entry {
        at: now,
        actor: format!("partner {}", inbox.partner),
        subject: format!("partner {}", inbox.partner),
        action: "feedback_not_taken".to_owned(),
        text: format!("{}: {}{more}", text_format::shorten(id, 120), text_format::shorten(why, 400)),
    })
}

/// Tells that new objects are in a collection that somebody may write to.
pub(super) fn on_objects(inner: &Inner, holder: &str, collection: &CollectionRow, added: usize) {
    inner.metrics.posted.inc_by(added as u64);
    if added > 0 {
        tracing::debug!(partner = holder, collection = collection.id, objects = added, "feedback came in");
    }
}
