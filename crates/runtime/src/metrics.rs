//! Metrics with an injected registry. Each subsystem creates one struct with its metrics, from the
//! [`Metrics`] that it receives.
//!
//! ```
//! use runtime::metrics::{IntCounterVec, Label, Metrics, MetricsError};
//!
//! struct Decoded {
//!     records: IntCounterVec,
//! }
//!
//! impl Decoded {
//!     fn new(metrics: &Metrics) -> Result<Self, MetricsError> {
//!         let outcome = Label::listed("outcome", ["ok", "unreadable"]);
//!         Ok(Decoded { records: metrics.counters("decoded_records_total", "Records read, by outcome.", &[outcome])? })
//!     }
//! }
//!
//! let metrics = Metrics::new()?;
//! let decoded = Decoded::new(&metrics)?;
//! decoded.records.with_label_values(&["ok"]).inc();
//! assert!(metrics.text().contains("decoded_records_total{outcome=\"ok\"} 1"));
//! # Ok::<(), MetricsError>(())
//! ```
mod described;
mod process;

use std::sync::{Arc, Mutex, PoisonError};

pub use prometheus::{Gauge, GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};
use prometheus::{HistogramOpts, Opts, Registry, TextEncoder, core::Collector};

pub use self::described::{Description, Kind, Label, Values};

/// A metric cannot be created: its name or a label is not valid, or the name is already used.
#[derive(Debug, thiserror::Error)]
#[error("metric {name:?}: {source}")]
pub struct MetricsError {
    name: String,
    source: prometheus::Error,
}

/// A registry of metrics, passed to the code that creates them. Cheap to clone; all clones share
/// one registry.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    described: Arc<Mutex<Vec<Description>>>,
    lag: IntGaugeVec,
}

impl Metrics {
    /// A new registry, with the process's memory, CPU seconds, open files and start time (on
    /// Linux).
    pub fn new() -> Result<Metrics, MetricsError> {
        const LAG: &str = "lockstep_consumer_lag_records";
        const HELP: &str =
            "Records appended but not yet read, by consumer group; absent before a group's first report.";
        let lag = IntGaugeVec::new(Opts::new(LAG, HELP), &["group"])
            .map_err(|source| MetricsError { name: LAG.to_owned(), source })?;
        let metrics = Metrics { registry: Registry::new(), described: Arc::default(), lag };
        metrics.register("process", process::Process::new())?;
        for description in process::described() {
            metrics.describe(description);
        }
        let labels = &[Label::open("group", "name of a consumer group: `detector` or `sharing`")];
        metrics.add(LAG, Kind::Gauge, HELP, labels, Ok(metrics.lag.clone()))?;
        Ok(metrics)
    }

    /// Sets how many records a consumer group still has to read. Every service that reads the log
    /// reports this.
    pub fn consumer_lag(&self, group: &str, records: u64) {
        self.lag.with_label_values(&[group]).set(i64::try_from(records).unwrap_or(i64::MAX));
    }

    /// A counter. Its name should end in `_total`.
    pub fn counter(&self, name: &str, help: &str) -> Result<IntCounter, MetricsError> {
        self.add(name, Kind::Counter, help, &[], IntCounter::new(name, help))
    }

    /// Counters with labels.
    pub fn counters(&self, name: &str, help: &str, labels: &[Label]) -> Result<IntCounterVec, MetricsError> {
        self.add(name, Kind::Counter, help, labels, IntCounterVec::new(Opts::new(name, help), &names(labels)))
    }

    /// A gauge of integers.
    pub fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, MetricsError> {
        self.add(name, Kind::Gauge, help, &[], IntGauge::new(name, help))
    }

    /// Gauges of integers with labels.
    pub fn gauges(&self, name: &str, help: &str, labels: &[Label]) -> Result<IntGaugeVec, MetricsError> {
        self.add(name, Kind::Gauge, help, labels, IntGaugeVec::new(Opts::new(name, help), &names(labels)))
    }

    /// A gauge of floating-point numbers, for example seconds.
    pub fn float_gauge(&self, name: &str, help: &str) -> Result<Gauge, MetricsError> {
        self.add(name, Kind::Gauge, help, &[], Gauge::new(name, help))
    }

    /// Gauges of floating-point numbers with labels.
    pub fn float_gauges(&self, name: &str, help: &str, labels: &[Label]) -> Result<GaugeVec, MetricsError> {
        self.add(name, Kind::Gauge, help, labels, GaugeVec::new(Opts::new(name, help), &names(labels)))
    }

    /// A histogram; `buckets` are upper bounds, in rising order.
    pub fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Result<Histogram, MetricsError> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.add(name, Kind::Histogram, help, &[], Histogram::with_opts(options))
    }

    /// Histograms with labels; `buckets` are upper bounds, in rising order.
    pub fn histograms(
        &self,
        name: &str,
        help: &str,
        labels: &[Label],
        buckets: &[f64],
    ) -> Result<HistogramVec, MetricsError> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.add(name, Kind::Histogram, help, labels, HistogramVec::new(options, &names(labels)))
    }

    /// A table of all registered metrics in Markdown, sorted by name: name, type, labels with their
    /// values, meaning.
    pub fn page(&self) -> String {
        let mut all = self.described.lock().unwrap_or_else(PoisonError::into_inner).clone();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        described::table(&all)
    }

    /// All metrics in Prometheus' text format 0.0.4, sorted by name.
    pub fn text(&self) -> String {
        let mut text = String::new();
        if let Err(error) = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "metrics cannot be written out");
        }
        text
    }

    fn add<M: Collector + Clone + 'static>(
        &self,
        name: &str,
        kind: Kind,
        help: &str,
        labels: &[Label],
        made: prometheus::Result<M>,
    ) -> Result<M, MetricsError> {
        let metric = made.map_err(|source| MetricsError { name: name.to_owned(), source })?;
        self.register(name, metric.clone())?;
        self.describe(Description { name: name.to_owned(), kind, labels: labels.to_vec(), help: help.to_owned() });
        Ok(metric)
    }

    fn describe(&self, description: Description) {
        self.described.lock().unwrap_or_else(PoisonError::into_inner).push(description);
    }

    fn register(&self, name: &str, collector: impl Collector + 'static) -> Result<(), MetricsError> {
        self.registry.register(Box::new(collector)).map_err(|source| MetricsError { name: name.to_owned(), source })
    }
}

fn names(labels: &[Label]) -> Vec<&'static str> {
    labels.iter().map(|label| label.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_shows_up_in_the_text() {
        let metrics = Metrics::new().unwrap();
        metrics.counter("a_total", "A").unwrap().inc_by(3);
        metrics.gauges("b", "B", &[Label::listed("x", ["y"])]).unwrap().with_label_values(&["y"]).set(-2);
        metrics.float_gauge("c_seconds", "C").unwrap().set(0.5);
        metrics.histogram("d_seconds", "D", &[0.1, 1.0]).unwrap().observe(0.2);
        let text = metrics.clone().text();
        for line in [
            "# HELP a_total A",
            "# TYPE a_total counter",
            "a_total 3",
            "b{x=\"y\"} -2",
            "c_seconds 0.5",
            "d_seconds_bucket{le=\"1\"} 1",
        ] {
            assert!(text.lines().any(|l| l == line), "no {line:?} in\n{text}");
        }
    }

    #[test]
    fn the_page_names_every_metric_with_its_labels() {
        let metrics = Metrics::new().unwrap();
        let labels = [Label::listed("outcome", ["ok", "late"]), Label::open("partner", "name of a partner")];
        metrics.counters("b_total", "Deliveries, by outcome.", &labels).unwrap();
        metrics.histogram("a_seconds", "Seconds.", &[1.0]).unwrap();
        let page = metrics.page();
        let rows = "\
            | `a_seconds` | histogram |  | Seconds. |\n\
            | `b_total` | counter | `outcome`: `ok`, `late`; `partner`: name of a partner | Deliveries, by outcome. |\n";
        assert!(page.contains(rows), "{page}");
        assert!(page.contains("| `process_cpu_seconds_total` | counter |  |"), "{page}");
        assert!(page.contains("| `lockstep_consumer_lag_records` | gauge | `group`: name of"), "{page}");
    }

    #[test]
    fn a_name_is_taken_once_and_must_be_legal() {
        let metrics = Metrics::new().unwrap();
        metrics.counter("a_total", "A").unwrap();
        let error = metrics.counter("a_total", "A").unwrap_err();
        assert!(error.to_string().starts_with("metric \"a_total\": "), "{error}");
        assert!(metrics.gauge("not a name", "B").is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_process_is_measured() {
        let metrics = Metrics::new().unwrap();
        let text = metrics.text();
        let value = |name: &str| -> f64 {
            let line = text.lines().find(|l| l.starts_with(&format!("{name} "))).unwrap();
            line.rsplit(' ').next().unwrap().parse().unwrap()
        };
        assert!(value("process_resident_memory_bytes") > 500_000.0);
        assert!(value("process_cpu_seconds_total") >= 0.0);
        assert!(value("process_open_fds") >= 3.0);
        assert!(value("process_max_fds") >= value("process_open_fds"));
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let age = now.as_secs_f64() - value("process_start_time_seconds");
        assert!((-2.0..3600.0).contains(&age), "started {age} seconds ago");
    }
}
