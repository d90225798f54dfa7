//! What operators see of the detector.

use coordination::{Outcome, Stats, TraceKind};
use messages::cluster::{ClusterMessage, Status};
use runtime::metrics::{
    Gauge, GaugeVec, Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Metrics, MetricsError,
};

use crate::{detect::status_name, model_metrics::ModelMetrics};

/// The detector's metrics, registered once.
#[derive(Clone)]
pub struct DetectorMetrics {
    posts: IntCounterVec,
    bytes: IntCounter,
    acts: IntCounterVec,
    shared: Metrics,
    delay: Histogram,
    watermark: Gauge,
    tables: IntGaugeVec,
    evictions: IntCounterVec,
    candidates: IntCounter,
    clusters: IntCounterVec,
    living: IntGaugeVec,
    batch: Histogram,
    unsaved: Gauge,
    checkpoint_bytes: IntGauge,
    checkpoint_seconds: Histogram,
    restore: GaugeVec,
    pub(crate) models: ModelMetrics,
}

impl DetectorMetrics {
    /// Registers them.
    pub fn new(metrics: &Metrics) -> Result<DetectorMetrics, MetricsError> {
        let made = DetectorMetrics {
            posts: metrics.counters(
                "lockstep_posts_total",
                "Posts taken from the log, by what became of them.",
                &["outcome"],
            )?,
            bytes: metrics.counter("lockstep_post_bytes_total", "Bytes of the posts taken from the log.")?,
            acts: metrics.counters(
                "lockstep_acts_total",
                "Acts (a trace with its account and event time), by trace kind.",
                &["kind"],
            )?,
            shared: metrics.clone(),
            delay: metrics.histogram(
                "lockstep_event_time_delay_seconds",
                "Seconds from a post's own time to its reading.",
                &[1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 21_600.0, 86_400.0, 604_800.0],
            )?,
            watermark: metrics.float_gauge(
                "lockstep_watermark_seconds",
                "Event time up to which every post has had its turn, Unix seconds.",
            )?,
            tables: metrics.gauges("lockstep_table_entries", "Entries in the engine's tables.", &["table"])?,
            evictions: metrics.counters(
                "lockstep_evictions_total",
                "Entries dropped because a table was full.",
                &["table"],
            )?,
            candidates: metrics.counter("lockstep_candidates_total", "Candidate groups proposed for the test.")?,
            clusters: metrics.counters(
                "lockstep_clusters_total",
                "Cluster states published, by status.",
                &["status"],
            )?,
            living: metrics.gauges(
                "lockstep_clusters",
                "Clusters in their last published state, by status.",
                &["status"],
            )?,
            batch: metrics.histogram(
                "lockstep_batch_seconds",
                "Seconds to take in a batch of records, commit included.",
                &[0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0],
            )?,
            unsaved: metrics.float_gauge(
                "lockstep_checkpoint_age_seconds",
                "Age of the oldest committed work that is in no checkpoint; 0 where there is none, or no checkpoints.",
            )?,
            checkpoint_bytes: metrics.gauge("lockstep_checkpoint_bytes", "Bytes of the last checkpoint.")?,
            checkpoint_seconds: metrics.histogram(
                "lockstep_checkpoint_seconds",
                "Seconds to take and write a checkpoint; no post is read meanwhile.",
                &[0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0],
            )?,
            restore: metrics.float_gauges(
                "lockstep_restore_seconds",
                "Seconds that this start took to be where the last commit was, by what from: checkpoint or log.",
                &["from"],
            )?,
            models: ModelMetrics::new(metrics)?,
        };
        // A counter that has never counted is shown as zero, so that an alert on its rate works from the start.
        for outcome in ["accepted", "late", "too_late", "duplicate", "dead_letter"] {
            made.posts.with_label_values(&[outcome]);
        }
        for status in ["flagged", "single_source", "coordinated", "faded"] {
            made.clusters.with_label_values(&[status]);
            made.living.with_label_values(&[status]);
        }
        Ok(made)
    }

    pub(crate) fn post(&self, outcome: Outcome, bytes: usize, delay_s: f64) {
        self.posts.with_label_values(&[name(outcome)]).inc();
        self.bytes.inc_by(bytes as u64);
        self.delay.observe(delay_s.max(0.0));
    }

    pub(crate) fn dead_letter(&self, bytes: usize) {
        self.posts.with_label_values(&["dead_letter"]).inc();
        self.bytes.inc_by(bytes as u64);
    }

    /// A cluster has been published; `before` is the status it had.
    pub(crate) fn cluster(&self, cluster: &ClusterMessage, before: Option<Status>) {
        self.gone(before);
        self.stands(cluster.status);
        self.clusters.with_label_values(&[status_name(cluster.status)]).inc();
    }

    /// A cluster of this status is one no longer.
    pub(crate) fn gone(&self, before: Option<Status>) {
        if let Some(before) = before {
            self.living.with_label_values(&[status_name(before)]).dec();
        }
    }

    /// A cluster of this status was published before this start.
    pub(crate) fn stands(&self, status: Status) {
        self.living.with_label_values(&[status_name(status)]).inc();
    }

    pub(crate) fn unsaved(&self, seconds: f64) {
        self.unsaved.set(seconds);
    }

    pub(crate) fn checkpoint(&self, bytes: u64, seconds: f64) {
        self.checkpoint_bytes.set(bytes as i64);
        self.checkpoint_seconds.observe(seconds);
    }

    pub(crate) fn restored(&self, from: &str, seconds: f64) {
        self.restore.with_label_values(&[from]).set(seconds);
    }

    pub(crate) fn lag(&self, group: &str, records: u64) {
        self.shared.consumer_lag(group, records);
    }

    pub(crate) fn batch(&self, seconds: f64) {
        self.batch.observe(seconds);
    }

    /// Shows where the engine stands; `before` is what it counted when it was last shown.
    pub(crate) fn engine(&self, before: &Stats, now: &Stats) {
        for (i, kind) in TraceKind::ALL.into_iter().enumerate() {
            self.acts.with_label_values(&[kind.name()]).inc_by(now.acts[i] - before.acts[i]);
        }
        self.candidates.inc_by(now.candidates_proposed - before.candidates_proposed);
        self.watermark.set(now.watermark as f64 / 1_000.0);
        let sizes = &now.sizes;
        for (table, entries) in [
            ("waiting", sizes.waiting),
            ("keys", sizes.keys),
            ("ties", sizes.ties),
            ("accounts", sizes.accounts),
            ("shares", sizes.habits),
            ("candidates", sizes.candidates),
            ("open_tests", sizes.open_tests),
        ] {
            self.tables.with_label_values(&[table]).set(entries as i64);
        }
        let (then, evicted) = (&before.evicted, &now.evicted);
        for (table, entries) in [
            ("keys", evicted.keys - then.keys),
            ("ties", evicted.ties - then.ties),
            ("shares", evicted.habits - then.habits),
            ("candidates", evicted.candidates - then.candidates),
            ("accounts", evicted.accounts - then.accounts),
        ] {
            self.evictions.with_label_values(&[table]).inc_by(entries);
        }
    }
}

fn name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted => "accepted",
        Outcome::Late => "late",
        Outcome::TooLate => "too_late",
        Outcome::Duplicate => "duplicate",
    }
}
