//! Metrics of the detector.

use coordination::{Outcome, Stats, TraceKind};
use messages::cluster::Status;
use runtime::metrics::{
    Gauge, GaugeVec, Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Label, Metrics, MetricsError,
};

use crate::{model_metrics::ModelMetrics, published::Publication};

/// Outcomes of posts.
const OUTCOMES: [&str; 5] = ["accepted", "late", "too_late", "duplicate", "dead_letter"];
/// Tables of the engine.
const TABLES: [&str; 7] = ["waiting", "keys", "uses", "ties", "texts", "accounts", "candidates"];
/// Tables of the engine that have a bound.
const BOUNDED_TABLES: [&str; 5] = ["uses", "ties", "texts", "candidates", "accounts"];

/// The detector's metrics, registered once.
#[derive(Clone)]
pub struct DetectorMetrics {
    posts: IntCounterVec,
    bytes: IntCounter,
    unreadable: IntCounterVec,
    uses: IntCounterVec,
    shared: Metrics,
    delay: Histogram,
    watermark: Gauge,
    tables: IntGaugeVec,
    evictions: IntCounterVec,
    candidates: IntCounter,
    too_large: IntCounter,
    discoveries: IntCounter,
    near_misses: IntCounter,
    clusters: IntCounterVec,
    not_published: IntCounter,
    living: IntGaugeVec,
    batch: Histogram,
    lacking: IntGauge,
    standby: IntGauge,
    unsaved: Gauge,
    checkpoint_bytes: IntGauge,
    checkpoint_seconds: Histogram,
    restore: GaugeVec,
    pub(crate) models: ModelMetrics,
}

impl DetectorMetrics {
    /// Registers the metrics.
    pub fn new(metrics: &Metrics) -> Result<DetectorMetrics, MetricsError> {
        let made = DetectorMetrics {
            posts: metrics.counters(
                "lockstep_posts_total",
                "Posts read from the log, by outcome.",
                &[Label::listed("outcome", OUTCOMES)],
            )?,
            bytes: metrics.counter("lockstep_post_bytes_total", "Bytes of posts read from the log.")?,
            unreadable: metrics.counters(
                "lockstep_unreadable_fields_total",
                "Optional fields of posts that could not be read, by name; the posts are kept without them.",
                &[Label::open("field", "name of an optional field of a post")],
            )?,
            uses: metrics.counters(
                "lockstep_uses_total",
                "Uses of keys by accounts, by trace kind; repeated uses of a key by an account within detector.engine.repeat_days are not counted.",
                &[Label::listed("kind", TraceKind::ALL.map(TraceKind::name))],
            )?,
            shared: metrics.clone(),
            delay: metrics.histogram(
                "lockstep_event_time_delay_seconds",
                "Seconds from the time of a post until it was read.",
                &[1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 21_600.0, 86_400.0, 604_800.0],
            )?,
            watermark: metrics.float_gauge(
                "lockstep_watermark_seconds",
                "Event time up to which all posts have been processed, Unix seconds.",
            )?,
            tables: metrics.gauges(
                "lockstep_table_entries",
                "Entries in the engine's tables. waiting: posts that wait for the watermark; keys: keys with a remembered use; uses: \
                 remembered uses of keys by accounts; ties: pairs of accounts with a key in common; texts: texts that can be \
                 recognised as repeated; accounts; candidates: living candidate groups.",
                &[Label::listed("table", TABLES)],
            )?,
            evictions: metrics.counters(
                "lockstep_evictions_total",
                "Entries dropped because a table was full; the tables are those of lockstep_table_entries.",
                &[Label::listed("table", BOUNDED_TABLES)],
            )?,
            candidates: metrics.counter("lockstep_candidates_total", "Candidate groups proposed for the test.")?,
            too_large: metrics.counter("lockstep_groups_too_large_total", "Groups that were too large for the test.")?,
            discoveries: metrics.counter(
                "lockstep_discoveries_total",
                "Candidate groups that passed the test; similar groups count once.",
            )?,
            near_misses: metrics.counter(
                "lockstep_near_misses_total",
                "Near misses published: groups that came close to passing the test; each publication counts.",
            )?,
            clusters: metrics.counters(
                "lockstep_clusters_total",
                "Cluster states published, by status.",
                &[Label::listed("status", Status::ALL.map(Status::name))],
            )?,
            not_published: metrics.counter(
                "lockstep_clusters_not_published_total",
                "Cluster states that were not published, because they do not fit in a message: too many accounts, or a bug in Lockstep.",
            )?,
            living: metrics.gauges(
                // Not `lockstep_clusters`: OpenMetrics reserves that name for the counter above.
                "lockstep_clusters_standing",
                "Clusters in their last published state, by status.",
                &[Label::listed("status", Status::ALL.map(Status::name))],
            )?,
            batch: metrics.histogram(
                "lockstep_batch_seconds",
                "Seconds to process a batch of records, including the commit.",
                &[0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0],
            )?,
            lacking: metrics.gauge(
                "lockstep_detector_partitions_lacking",
                "Partitions of posts that this detector needs and does not hold; it detects nothing until it holds all of them. 0 while it \
                 is a standby.",
            )?,
            standby: metrics.gauge(
                "lockstep_detector_standby",
                "1 while another process detects and this one waits to take its place, else 0.",
            )?,
            unsaved: metrics.float_gauge(
                "lockstep_checkpoint_age_seconds",
                "Age of the oldest committed work that is in no checkpoint; 0 if there is none, or without checkpoints.",
            )?,
            checkpoint_bytes: metrics.gauge("lockstep_checkpoint_bytes", "Size of the last checkpoint in bytes.")?,
            checkpoint_seconds: metrics.histogram(
                "lockstep_checkpoint_seconds",
                "Seconds to create and write a checkpoint; no post is read during this time.",
                &[0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0],
            )?,
            restore: metrics.float_gauges(
                "lockstep_restore_seconds",
                "Seconds that this start took to reach the last commit, by source: checkpoint or log.",
                &[Label::listed("from", ["checkpoint", "log"])],
            )?,
            models: ModelMetrics::new(metrics)?,
        };
        // Counters start at zero with all labels, so that an alert on their rate works from the
        // start.
        for outcome in OUTCOMES {
            made.posts.with_label_values(&[outcome]);
        }
        for status in Status::ALL {
            made.clusters.with_label_values(&[status.name()]);
            made.living.with_label_values(&[status.name()]);
        }
        Ok(made)
    }

    pub(crate) fn post(&self, outcome: Outcome, bytes: usize, delay_s: f64) {
        self.posts.with_label_values(&[name(outcome)]).inc();
        self.bytes.inc_by(bytes as u64);
        self.delay.observe(delay_s.max(0.0));
    }

    /// Counts an optional field that could not be read.
    pub(crate) fn unreadable(&self, field: &str) {
        self.unreadable.with_label_values(&[field]).inc();
    }

    pub(crate) fn dead_letter(&self, bytes: usize) {
        self.posts.with_label_values(&["dead_letter"]).inc();
        self.bytes.inc_by(bytes as u64);
    }

    /// Records the publication of a cluster's state.
    pub(crate) fn published(&self, publication: &Publication) {
        for before in publication.before.iter().chain(publication.removed.iter().map(|(_, status)| status)) {
            self.living.with_label_values(&[before.name()]).dec();
        }
        self.set_cluster_count(publication.message.status, 1);
        self.clusters.with_label_values(&[publication.message.status.name()]).inc();
    }

    /// Sets the number of clusters with a status.
    pub(crate) fn set_cluster_count(&self, status: Status, clusters: usize) {
        self.living.with_label_values(&[status.name()]).add(clusters as i64);
    }

    /// Records that a cluster could not be written and was not published.
    pub(crate) fn count_not_published(&self) {
        self.not_published.inc();
    }

    /// Forgets the number of clusters with each status.
    pub(crate) fn forget_standing(&self) {
        self.living.reset();
        for status in Status::ALL {
            self.living.with_label_values(&[status.name()]);
        }
    }

    /// The number of partitions that this detector does not hold.
    pub(crate) fn lacking(&self, partitions: usize) {
        self.lacking.set(partitions as i64);
    }

    /// Whether another process detects.
    pub(crate) fn standby(&self, standby: bool) {
        if standby {
            self.lacking.set(0);
        }
        self.standby.set(standby.into());
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

    /// Updates the metrics of the engine; `before` has the engine's counts at the last update.
    pub(crate) fn engine(&self, before: &Stats, now: &Stats) {
        for (kind, uses) in now.uses.iter() {
            self.uses.with_label_values(&[kind.name()]).inc_by(uses - before.uses[kind]);
        }
        self.candidates.inc_by(now.candidates_proposed - before.candidates_proposed);
        self.too_large.inc_by(now.too_large - before.too_large);
        self.discoveries.inc_by(now.discoveries - before.discoveries);
        self.near_misses.inc_by(now.near_misses - before.near_misses);
        self.watermark.set(now.watermark as f64 / 1_000.0);
        let sizes = &now.sizes;
        for (table, entries) in [
            ("waiting", sizes.waiting),
            ("keys", sizes.keys),
            ("uses", sizes.uses),
            ("ties", sizes.ties),
            ("texts", sizes.texts),
            ("accounts", sizes.accounts),
            ("candidates", sizes.candidates),
        ] {
            self.tables.with_label_values(&[table]).set(entries as i64);
        }
        let (then, evicted) = (&before.evicted, &now.evicted);
        for (table, entries) in [
            ("uses", evicted.uses - then.uses),
            ("ties", evicted.ties - then.ties),
            ("texts", evicted.texts - then.texts),
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
