//! The way back: what partners write about what they were told.
//!
//! A partner posts STIX 2.1 to its own collection: a `sighting` (it sees the account do the same), an `opinion` (agree or disagree) or
//! a `note` with a label or our property extension, for what an opinion cannot say. [`read`] takes such an object apart; what it is
//! about must be something that this very partner was told of. The worker reads each object once and takes it in one transaction
//! with the place it has come to; then it goes to the topic `feedback`, where the last word of a partner on an account counts, so
//! that a record written twice changes nothing.
//!
//! What reviewers say by approving, releasing or dismissing a case ([`casework::case::Step::says`]) is stored with the step, and takes the
//! same way to the topic as `reviewer:` and the name. The demo's automatic reviewers say nothing: no person looked.

use std::time::Duration;

use jiff::Timestamp;
use messages::topics;
use runtime::{NewRecord, shutdown::Shutdown};
use serde_json::Value;

use crate::{
    fault_injection,
    publish::stix::feedback::{is_context, read},
    service::{Inner, Sharing, SharingError},
    store::{ObjectQuery, Position, ReadObject, Versions},
};

/// Objects of an inbox read at a time, and records appended at a time.
const PAGE: usize = 100;
/// How often the inboxes are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Reads inboxes and writes the topic until `shutdown`.
pub(crate) async fn run(sharing: &Sharing, log: &runtime::Log, shutdown: &Shutdown) -> Result<(), SharingError> {
    while !shutdown.is_stopping() {
        match turn(sharing, log).await {
            Ok(()) => sharing.inner.succeeded("feedback", "feedback is taken and published"),
            Err(error) => {
                let what = "feedback could not be taken or published, it is tried again";
                sharing.inner.failed("feedback", &error, what);
            }
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
        fault_injection::crash_at("after feedback is stored");
        let records = waiting.into_iter().map(|row| NewRecord {
            topic: topics::FEEDBACK.into(),
            key: row.message.key().into_bytes(),
            value: (!row.taken_back).then(|| row.message.encode()),
            headers: Vec::new(),
        });
        log.append(records.collect()).await?;
        fault_injection::crash_at("after feedback is published");
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
                spec_versions: ["2.0", "2.1"].map(str::to_owned).to_vec(),
                versions: Versions::All,
                after: Position::after(inbox.read_until),
                limit: PAGE,
            };
            for row in self.store.objects(inbox.collection, &query)?.0 {
                let object: Value = serde_json::from_str(&row.body).unwrap_or(Value::Null);
                let feedback = if is_context(&object) { Ok(None) } else { read(&object).map(Some) };
                let object = ReadObject { date_added: row.date_added, id: &row.id, version: row.version, feedback };
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
