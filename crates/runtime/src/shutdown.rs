//! Stopping: one signal that all tasks listen to, and a drain that takes no longer than it may.
use std::{future::Future, io, time::Duration};

use tokio::sync::watch;

/// Tells every task to stop. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Sender<bool>);

impl Default for Shutdown {
    fn default() -> Self {
        Shutdown::new()
    }
}

impl Shutdown {
    /// Not stopping yet.
    pub fn new() -> Shutdown {
        Shutdown(watch::Sender::new(false))
    }

    /// Stops on SIGINT (ctrl-c) and SIGTERM; a second one ends the process at once, with 128 and the signal's number as exit
    /// code.
    pub fn on_signals() -> io::Result<Shutdown> {
        let shutdown = Shutdown::new();
        let mut signals = Signals::new()?;
        let stopping = shutdown.clone();
        tokio::spawn(async move {
            let (name, _) = signals.next().await;
            tracing::info!(signal = name, "stopping; a second signal ends at once");
            stopping.stop();
            let (name, number) = signals.next().await;
            tracing::warn!(signal = name, "ended by a second signal, work in hand is left to the next start");
            std::process::exit(128 + number);
        });
        Ok(shutdown)
    }

    /// Tells everybody to stop.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }

    /// Whether it is time to stop.
    pub fn is_stopping(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is time to stop. May be cancelled.
    pub async fn stopping(&self) {
        let mut seen = self.0.subscribe();
        // The sender lives as long as self: no error.
        drop(seen.wait_for(|stop| *stop).await);
    }
}

/// Finishes `work` within `limit`; `None`, and a line in the log, where it takes longer.
pub async fn drain<T>(what: &str, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    match tokio::time::timeout(limit, work).await {
        Ok(value) => Some(value),
        Err(_) => {
            tracing::warn!(what, seconds = limit.as_secs_f64(), "did not finish in time, given up");
            None
        }
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> (&'static str, i32) {
        tokio::select! {
            _ = self.interrupt.recv() => ("SIGINT", 2),
            _ = self.terminate.recv() => ("SIGTERM", 15),
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Signals> {
        Ok(Signals)
    }

    async fn next(&mut self) -> (&'static str, i32) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        ("ctrl-c", 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_clone_stops_and_late_listeners_too() {
        let shutdown = Shutdown::new();
        let waiting = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.stopping().await }
        });
        assert!(!shutdown.is_stopping());
        shutdown.clone().stop();
        waiting.await.unwrap();
        shutdown.stopping().await;
        assert!(shutdown.is_stopping());
    }

    #[tokio::test]
    async fn a_drain_ends_in_time() {
        assert_eq!(drain("quick", Duration::from_secs(5), async { 1 }).await, Some(1));
        let slow = std::future::pending::<()>();
        assert_eq!(drain("slow", Duration::from_millis(10), slow).await, None);
    }
}
