//! Shutdown: one signal that all tasks watch, and a drain with a time limit.
use std::{future::Future, io, time::Duration};

use tokio::sync::watch;

/// The signal to stop. Cheap to clone; all clones share one state.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Sender<bool>);

impl Default for Shutdown {
    fn default() -> Self {
        Shutdown::new()
    }
}

impl Shutdown {
    /// A signal that is not set.
    pub fn new() -> Shutdown {
        Shutdown(watch::Sender::new(false))
    }

    /// Stops on SIGINT (ctrl-c) and SIGTERM. A second signal exits the process immediately, with
    /// exit code 128 plus the signal's number.
    pub fn on_signals() -> io::Result<Shutdown> {
        let shutdown = Shutdown::new();
        let mut signals = Signals::new()?;
        let stopping = shutdown.clone();
        tokio::spawn(async move {
            let (name, _) = signals.next().await;
            tracing::info!(signal = name, "stopping; a second signal exits immediately");
            stopping.stop();
            let (name, number) = signals.next().await;
            tracing::warn!(signal = name, "exiting after a second signal; unfinished work is left to the next start");
            std::process::exit(128 + number);
        });
        Ok(shutdown)
    }

    /// Tells all tasks to stop.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }

    /// Whether the process is stopping.
    pub fn is_stopping(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits for the signal. May be cancelled.
    pub async fn stopping(&self) {
        let mut seen = self.0.subscribe();
        // `self` owns the sender, so waiting cannot fail.
        drop(seen.wait_for(|stop| *stop).await);
    }
}

/// Runs `work` for at most `limit`. Returns `None` and logs a warning if it takes longer.
pub async fn drain<T>(what: &str, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    match tokio::time::timeout(limit, work).await {
        Ok(value) => Some(value),
        Err(_) => {
            tracing::warn!(what, seconds = limit.as_secs_f64(), "not finished in time, abandoned");
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
