//! Reading a topic of findings: what the readers of flagged clusters and of the watch list have in common. An outage of the log or of
//! the database ends neither.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use runtime::{Consumer, Log, NewRecord, Record, shutdown::Shutdown};

use super::{Sharing, SharingError};

/// Records taken in one transaction.
const BATCH: usize = 64;
/// How long to wait for records before looking for the end.
const WAIT: Duration = Duration::from_millis(500);
/// How often the log is asked how much is left to read.
const LAG_EVERY: Duration = Duration::from_secs(1);
/// How long to wait before what failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// A reader of a topic.
pub(super) struct Reading<'a> {
    sharing: &'a Sharing,
    shutdown: &'a Shutdown,
    consumer: Consumer,
    group: &'static str,
    lag_asked: Option<Instant>,
}

impl<'a> Reading<'a> {
    /// A reader in a consumer group.
    pub async fn new(
        sharing: &'a Sharing,
        log: &Log,
        (group, topic): (&'static str, &str),
        shutdown: &'a Shutdown,
    ) -> Result<Self, SharingError> {
        let consumer = log.consumer(group, &[topic]).await?;
        Ok(Self { sharing, shutdown, consumer, group, lag_asked: None })
    }

    /// The next records; `None` at the end of the service.
    pub async fn next(&mut self) -> Result<Option<Vec<Record>>, SharingError> {
        while !self.shutdown.is_stopping() {
            let records = tokio::select! {
                records = self.consumer.poll(BATCH, WAIT) => records,
                () = self.shutdown.stopping() => break,
            };
            let records = match records {
                Ok(records) => records,
                Err(error) if error.is_retryable() => {
                    tracing::warn!(%error, group = self.group, "reading failed, trying again");
                    self.pause().await;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            self.ask_lag(records.len() as u64).await;
            if !records.is_empty() {
                return Ok(Some(records));
            }
        }
        Ok(None)
    }

    async fn ask_lag(&mut self, in_hand: u64) {
        // Before the group has given this member its partitions there is no lag to speak of.
        if self.lag_asked.is_some_and(|asked| asked.elapsed() < LAG_EVERY) || self.consumer.assignment().is_empty() {
            return;
        }
        self.lag_asked = Some(Instant::now());
        match self.consumer.lag().await {
            Ok(lag) => self.sharing.inner.metrics.shared.consumer_lag(self.group, lag + in_hand),
            // A number for a metric is no reason to end.
            Err(error) => tracing::warn!(%error, group = self.group, "the lag is not known"),
        }
    }

    /// Stores what was read. A database that cannot be used for a while does not end the service: /ready says so, nothing is committed
    /// meanwhile, and it is tried again. Returns false if the service ends before that. `place` counts the errors, `what` says what could
    /// not be done.
    pub async fn store<F>(
        &self,
        place: &'static str,
        what: &str,
        mut work: impl FnMut() -> F,
    ) -> Result<bool, SharingError>
    where
        F: Future<Output = Result<(), SharingError>>,
    {
        while let Err(error) = work().await {
            if !matches!(error, SharingError::Store(_)) {
                self.sharing.inner.metrics.errors.with_label_values(&[place]).inc();
                return Err(error);
            }
            self.sharing.inner.failed(place, &error, what);
            if self.pause().await {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Publishes dead letters and commits what was read. Returns false if that failed: the records come again, and nothing is doubled.
    pub async fn commit(&mut self, dead: Vec<NewRecord>) -> Result<bool, SharingError> {
        let Err(error) = self.consumer.publish_and_commit(dead).await else { return Ok(true) };
        self.sharing.inner.metrics.errors.with_label_values(&["log"]).inc();
        if !error.is_retryable() {
            return Err(error.into());
        }
        tracing::warn!(%error, group = self.group, "offsets were not committed, the records will come again");
        self.pause().await;
        Ok(false)
    }

    /// Waits before the next try; returns whether the service ends.
    async fn pause(&self) -> bool {
        tokio::select! {
            () = self.shutdown.stopping() => true,
            () = tokio::time::sleep(RETRY) => false,
        }
    }

    /// Leaves the group.
    pub async fn close(self) -> Result<(), SharingError> {
        Ok(self.consumer.close().await?)
    }
}
