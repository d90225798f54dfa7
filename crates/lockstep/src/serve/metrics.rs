//! Metrics of the process, whichever services run in it.

use messages::topics::{CLUSTERS, CLUSTERS_DEAD_LETTER, CLUSTERS_FLAGGED, FEEDBACK, POSTS, POSTS_DEAD_LETTER};
use runtime::metrics::{IntCounterVec, IntGauge, Label, Metrics, MetricsError};

/// Reasons for which the guard of a listener refuses a request.
pub(super) const REFUSALS: [&str; 3] = ["host", "site", "key"];

/// The topics of the log.
const TOPICS: [&str; 6] = [POSTS, POSTS_DEAD_LETTER, CLUSTERS, CLUSTERS_FLAGGED, CLUSTERS_DEAD_LETTER, FEEDBACK];

/// Metrics of the process, registered once.
pub(super) struct ProcessMetrics {
    /// Requests that were refused, by listener and reason.
    pub(super) refused: IntCounterVec,
    /// The result of /ready.
    pub(super) ready: IntGauge,
    /// Records that the embedded log's cleaner deleted, by topic and reason.
    pub(super) deleted: IntCounterVec,
}

impl ProcessMetrics {
    /// Registers the metrics.
    pub(super) fn new(metrics: &Metrics) -> Result<ProcessMetrics, MetricsError> {
        let build = metrics.gauges(
            "lockstep_build_info",
            "Always 1; the version is in the label.",
            &[Label::open("version", "version of the program")],
        )?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let refused = metrics.counters(
            "lockstep_http_refused_total",
            "Requests to admin pages and intake that were refused: under a foreign name (host), of a foreign page (site), without a \
             valid key (key).",
            &[Label::listed("listener", ["admin", "intake"]), Label::listed("why", REFUSALS)],
        )?;
        let ready = metrics.gauge("lockstep_ready", "1 while every readiness check passes, else 0.")?;
        let deleted = metrics.counters(
            "lockstep_log_deleted_records_total",
            "Records that the embedded log deleted: older than [topics] keeps them (retention), or replaced by a newer record of their key \
             (compaction). Apache Kafka deletes by itself, and is not counted.",
            &[Label::listed("topic", TOPICS), Label::listed("why", runtime::DELETIONS)],
        )?;
        Ok(ProcessMetrics { refused, ready, deleted })
    }
}

#[cfg(test)]
mod tests {
    use detector::{DetectorMetrics, intake::IntakeMetrics};
    use sharing::Sharing;

    use super::*;
    use crate::config::Config;

    const INTRODUCTION: &str = "\
# Metrics

All metrics that a Lockstep process can have on `/metrics`. A process has those of its role: `lockstep serve all` has all, `serve intake`,
`serve detect` and `serve share` have their own and those of the process. A metric with labels has no row before its first event, unless all its
rows start at zero. A label whose values are listed takes no others.

`_total` ends the name of a counter. A histogram has the rows `_bucket`, `_sum` and `_count`. The metrics `process_…` exist on Linux only.

The alerts of `config/alerts.yml` and the dashboard of `config/grafana` read these metrics, and `config/runbooks.md` says what to do about an
alert. [Operators](operator.md#metrics-and-alerts) says how to fetch them. This page is made by a test:
`UPDATE_EXPECT=1 cargo test --workspace --bins -- serve::metrics` writes it anew.

";

    #[test]
    fn the_page_of_metrics_is_made_from_the_registry() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default().sharing;
        config.database = dir.path().join("sharing.sqlite").display().to_string();
        let metrics = Metrics::new().unwrap();
        ProcessMetrics::new(&metrics).unwrap();
        IntakeMetrics::new(&metrics).unwrap();
        DetectorMetrics::new(&metrics).unwrap();
        let _sharing = Sharing::open(config, &metrics).unwrap();
        let page = format!("{INTRODUCTION}{}", metrics.page());
        expect_test::expect_file!["../../../../docs/metrics.md"].assert_eq(&page);
    }
}
