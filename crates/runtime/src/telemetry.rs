//! Log lines on stderr, as text for people or as JSON for machines.
use std::{
    io::{IsTerminal, stderr},
    time::{Duration, Instant},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// The form of a log line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people, in colour on a terminal.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// How to log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Telemetry {
    /// The form of a line: text for people, JSON for programs.
    pub format: LogFormat,
    /// What to log, in the notation of tracing: `info`, `warn,runtime=debug`. The variables
    /// LOCKSTEP_LOG, then RUST_LOG, override it.
    pub filter: String,
}

impl Default for Telemetry {
    fn default() -> Self {
        Telemetry { format: LogFormat::Text, filter: "info".to_owned() }
    }
}

/// The filter is not valid, or logging was set up before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// The filter is not valid.
    #[error(
        "{origin}: the log filter {filter:?} is not valid ({reason}); write for example \"info\" or \"warn,runtime=debug\""
    )]
    Filter {
        /// The environment variable or configuration key that contains the filter.
        origin: &'static str,
        /// The filter.
        filter: String,
        /// The reason why it is not valid.
        reason: String,
    },
    /// Logging can be set up only once per process.
    #[error("logging is set up already")]
    Already,
}

/// Sets up logging for the process.
pub fn init(telemetry: &Telemetry) -> Result<(), TelemetryError> {
    let variable = |name| std::env::var(name).ok().filter(|filter| !filter.trim().is_empty());
    let (origin, filter) = ["LOCKSTEP_LOG", "RUST_LOG"]
        .into_iter()
        .find_map(|name| Some((name, variable(name)?)))
        .unwrap_or_else(|| ("telemetry.filter", telemetry.filter.clone()));
    let parsed = EnvFilter::builder().parse(&filter).map_err(|error| TelemetryError::Filter {
        origin,
        filter: filter.clone(),
        reason: error.to_string(),
    })?;
    let lines = fmt::layer().with_writer(stderr);
    let registry = tracing_subscriber::registry().with(parsed);
    match telemetry.format {
        LogFormat::Text => registry.with(lines.with_ansi(stderr().is_terminal())).try_init(),
        LogFormat::Json => {
            registry.with(lines.json().flatten_event(true).with_current_span(true).with_span_list(false)).try_init()
        }
    }
    .map_err(|_| TelemetryError::Already)
}

/// How often a failure that goes on is logged.
const AGAIN: Duration = Duration::from_secs(60);

/// Something that is tried again and again: a failure that goes on is logged once a minute, and its end
/// once.
#[derive(Debug, Default)]
pub struct Retried {
    failing_since: Option<Instant>,
    /// When a failure was logged last.
    logged: Option<Instant>,
}

impl Retried {
    /// A try failed; whether to log it.
    pub fn failed(&mut self, now: Instant) -> bool {
        self.failing_since.get_or_insert(now);
        let due = self.logged.is_none_or(|logged| now.duration_since(logged) >= AGAIN);
        if due {
            self.logged = Some(now);
        }
        due
    }

    /// A try succeeded. If a failure was logged since the last success: for how long it failed.
    pub fn succeeded(&mut self, now: Instant) -> Option<Duration> {
        let since = self.failing_since.take()?;
        self.logged.is_some_and(|logged| logged >= since).then(|| now.duration_since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_logged_once_a_minute_and_its_end_once() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut tried = Retried::default();
        assert_eq!(tried.succeeded(at(0)), None);
        let logged: Vec<u64> = (1..=150).filter(|second| tried.failed(at(*second))).collect();
        assert_eq!(logged, [1, 61, 121]);
        assert_eq!(tried.succeeded(at(151)), Some(Duration::from_secs(150)));
        assert_eq!(tried.succeeded(at(152)), None);
        // What fails and works in turn is not logged more often.
        assert!(!tried.failed(at(153)));
        assert_eq!(tried.succeeded(at(154)), None, "nobody was told of that failure");
        assert!(tried.failed(at(181)));
    }
}
