//! Whether the database can be used, for readiness.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use runtime::{admin::Check, shutdown::Shutdown};

use super::{Sharing, SharingError};

/// How often the database is read and written for a check.
const EVERY: Duration = Duration::from_secs(5);
/// How often all of it is read, which takes a while where it is large.
const WHOLE_EVERY: Duration = Duration::from_secs(3_600);

impl Sharing {
    /// Whether the database is the one that was opened, and can be read and written; with `whole`, whether any of it is damaged.
    pub async fn check_database(&self, whole: bool) -> Result<(), SharingError> {
        self.blocking(move |inner| {
            inner.store.check(&inner.database_id, Timestamp::now())?;
            if whole {
                inner.store.check_whole()?;
            }
            Ok(())
        })
        .await
    }

    /// Checks the database until `shutdown`, and shows the result in `check`. Damage stays until a check of the whole finds none.
    pub async fn watch_database(&self, check: Check, shutdown: Shutdown) {
        // The start has just read all of it.
        let mut read = Instant::now();
        let mut damaged = false;
        while !shutdown.is_stopping() {
            let whole = damaged || read.elapsed() >= WHOLE_EVERY;
            match self.check_database(whole).await {
                Ok(()) => {
                    damaged = false;
                    self.inner.succeeded("store", "the database can be used");
                    check.ready();
                }
                Err(error) => {
                    damaged |= whole;
                    self.inner.failed("store", &error, "the database cannot be used");
                    check.not_ready(error.to_string());
                }
            }
            if whole {
                read = Instant::now();
            }
            tokio::select! {
                () = shutdown.stopping() => {}
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }
}
