//! Failures of what is tried again: each is counted, and what goes on failing is logged once a minute.

use std::{
    collections::BTreeMap,
    fmt::Display,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use runtime::telemetry::Retried;

use super::Inner;

/// What is tried again, by the place of its errors in the metrics.
#[derive(Debug, Default)]
pub(crate) struct Failures(Mutex<BTreeMap<&'static str, Retried>>);

impl Failures {
    fn with<T>(&self, place: &'static str, change: impl FnOnce(&mut Retried) -> T) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(all.entry(place).or_default())
    }
}

impl Inner {
    /// Counts a failure at a place, and logs it if nothing was logged there for a minute. `what` says what could not be done.
    pub(crate) fn failed(&self, place: &'static str, error: &impl Display, what: &str) {
        self.metrics.errors.with_label_values(&[place]).inc();
        if self.failures.with(place, |tried| tried.failed(Instant::now())) {
            tracing::warn!(%error, "{what}");
        }
    }

    /// Logs that it works again, if it was logged that it does not.
    pub(crate) fn succeeded(&self, place: &'static str, what: &str) {
        if let Some(failed_for) = self.failures.with(place, |tried| tried.succeeded(Instant::now())) {
            tracing::info!(seconds = failed_for.as_secs(), "{what} again");
        }
    }
}
