//! Reports each entry of the audit log as an event of the program's log, once it is stored: releases, deliveries, logins, keys.
//!
//! Also entries that the command line writes beside the service. After a restart it goes on with the entry after the last one
//! reported. An entry can be reported twice, by a process that is killed before it stores the new position, or by two services on
//! one database: `seq` shows it.

use std::time::Duration;

use runtime::shutdown::Shutdown;

use super::{Inner, Sharing, SharingError};
use crate::store::AUDIT_PAGE;

const EVERY: Duration = Duration::from_secs(1);

/// Reports until `shutdown`, and what is left then.
pub(crate) async fn run(sharing: &Sharing, shutdown: &Shutdown) -> Result<(), SharingError> {
    loop {
        let stopping = shutdown.is_stopping();
        match sharing.blocking(|inner| inner.report_audit()).await {
            Ok(()) => sharing.inner.succeeded("events", "entries of the audit log are reported as events"),
            Err(error) => {
                sharing.inner.failed(
                    "events",
                    &error,
                    "cannot report entries of the audit log as events, trying again",
                );
            }
        }
        if stopping {
            return Ok(());
        }
        tokio::select! {
            () = shutdown.stopping() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

impl Inner {
    /// Reports the entries that were not reported yet.
    pub(crate) fn report_audit(&self) -> Result<(), SharingError> {
        loop {
            let from = self.store.audit_reported()?;
            let page = self.store.audit_after(from, AUDIT_PAGE)?;
            let Some(to) = page.last().map(|sealed| sealed.seq) else { return Ok(()) };
            for sealed in page {
                let entry = sealed.entry;
                tracing::info!(
                    target: "lockstep::audit",
                    event = entry.action,
                    seq = sealed.seq,
                    at = %entry.at,
                    actor = entry.actor,
                    subject = entry.subject,
                    text = entry.text,
                    "audit entry"
                );
            }
            self.store.move_audit_reported(from, to)?;
        }
    }
}
