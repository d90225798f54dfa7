//! Deletes what is finished and older than `sharing.retention` keeps it. What was deleted is counted, and each deleted case is an entry of the
//! audit log.

use std::time::Duration;

use casework::audit::Entry;
use jiff::{SignedDuration, Timestamp};
use runtime::shutdown::Shutdown;

use super::{Inner, Sharing, SharingError};

/// How often it is looked for what is old.
const EVERY: Duration = Duration::from_secs(3_600);
/// Cases in one look; further ones wait for the next.
const CASES: usize = 50;

/// Deletes what is old until `shutdown`.
pub(crate) async fn run(sharing: &Sharing, shutdown: &Shutdown) -> Result<(), SharingError> {
    while !shutdown.is_stopping() {
        if let Err(error) = sharing.blocking(|inner| inner.delete_old(Timestamp::now())).await {
            sharing.inner.failed("retention", &error, "what is old could not be deleted, it is tried again");
        }
        tokio::select! {
            () = shutdown.stopping() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
    Ok(())
}

impl Inner {
    pub(crate) fn delete_old(&self, now: Timestamp) -> Result<(), SharingError> {
        let retention = &self.config.retention;
        if let Some(before) = before(now, retention.deliveries_days) {
            let deleted = self.store.delete_deliveries_before(before)?;
            self.metrics.deleted.with_label_values(&["deliveries"]).inc_by(deleted);
        }
        let Some(before) = before(now, retention.cases_days) else { return Ok(()) };
        for cluster_id in self.store.finished_cases_before(before, CASES)? {
            let deleted = self.store.delete_finished_case(&cluster_id, before, |case_id, deleted| Entry {
                at: now,
                actor: "lockstep".to_owned(),
                subject: case_id,
                action: "case_deleted".to_owned(),
                text: format!(
                    "the case was finished for more than {} and is deleted (sharing.retention.cases_days), with {} and {}",
                    text_format::count(u64::from(retention.cases_days), "day"),
                    text_format::count(deleted.posts, "kept post"),
                    text_format::count(deleted.objects, "shared object"),
                ),
            })?;
            let Some(deleted) = deleted else { continue };
            for (what, number) in [("cases", 1), ("posts", deleted.posts), ("objects", deleted.objects)] {
                self.metrics.deleted.with_label_values(&[what]).inc_by(number);
            }
            tracing::info!(
                cluster = cluster_id,
                posts = deleted.posts,
                objects = deleted.objects,
                "a finished case is deleted"
            );
        }
        self.count_cases();
        Ok(())
    }
}

/// The time before which something is old; none if it is kept for ever.
fn before(now: Timestamp, days: u32) -> Option<Timestamp> {
    (days > 0).then(|| now.checked_sub(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MIN))
}
