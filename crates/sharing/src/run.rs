//! The service on a log: everything that goes on by itself.

use runtime::shutdown::Shutdown;

use crate::{
    audit_watch,
    service::{Sharing, SharingError, audit_events, digest, evidence, expiry, feedback, retention, watch},
    webhooks,
};

impl Sharing {
    /// Reads `clusters.flagged` and `clusters`, keeps the posts behind findings, sends webhooks, takes feedback and looks after what runs out, until `shutdown`.
    pub async fn run(&self, log: runtime::Log, shutdown: Shutdown) -> Result<(), SharingError> {
        if self.inner.log.set(log.clone()).is_err() {
            tracing::debug!("the service runs again; posts are read from the log of its first run");
        }
        tokio::try_join!(
            self.read_clusters(&log, &shutdown),
            evidence::run(self, &log, &shutdown),
            webhooks::run(self, &shutdown),
            feedback::run(self, &log, &shutdown),
            expiry::run(self, &shutdown),
            watch::read(self, &log, &shutdown),
            watch::maintain(self, &shutdown),
            retention::run(self, &shutdown),
            audit_events::run(self, &shutdown),
            audit_watch::run(self, &shutdown),
            digest::run(self, &shutdown),
        )?;
        Ok(())
    }
}
