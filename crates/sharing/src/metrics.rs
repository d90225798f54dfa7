//! What is counted about sharing.

use runtime::metrics::{HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, MetricsError};

/// The sharing service's metrics, registered once.
#[derive(Clone)]
pub(crate) struct Metrics {
    /// The registry, for the consumer's lag.
    pub shared: runtime::metrics::Metrics,
    /// Clusters read, by outcome: opened, updated, known, rejected.
    pub clusters: IntCounterVec,
    /// Cases by state.
    pub cases: IntGaugeVec,
    /// Objects added to collections.
    pub objects: IntCounter,
    /// Requests by surface (taxii, console, api), endpoint and status.
    pub requests: IntCounterVec,
    /// Seconds per request by surface and endpoint.
    pub seconds: HistogramVec,
    /// Tries to log in, by outcome: ok, wrong, limited, no_role, failed.
    pub logins: IntCounterVec,
    /// Refused because of too many: partner, stranger, login, connection.
    pub limited: IntCounterVec,
    /// Seconds since a partner got its newest key.
    pub key_age: IntGaugeVec,
    /// When the last of a partner's keys ends.
    pub key_expires: IntGaugeVec,
    /// When the server's certificate ends.
    pub certificate_expires: IntGauge,
    /// Errors by place: store, log, decode, policy, http.
    pub errors: IntCounterVec,
}

impl Metrics {
    pub fn new(metrics: &runtime::metrics::Metrics) -> Result<Self, MetricsError> {
        const SECONDS: [f64; 11] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0];
        Ok(Self {
            shared: metrics.clone(),
            clusters: metrics.counters(
                "lockstep_sharing_clusters_total",
                "Flagged clusters read, by outcome",
                &["outcome"],
            )?,
            cases: metrics.gauges("lockstep_sharing_cases", "Cases by state", &["state"])?,
            objects: metrics
                .counter("lockstep_sharing_objects_published_total", "STIX objects added to collections")?,
            requests: metrics.counters(
                "lockstep_sharing_requests_total",
                "HTTP requests answered",
                &["surface", "endpoint", "status"],
            )?,
            seconds: metrics.histograms(
                "lockstep_sharing_request_seconds",
                "Seconds to answer an HTTP request",
                &["surface", "endpoint"],
                &SECONDS,
            )?,
            logins: metrics.counters("lockstep_sharing_logins_total", "Tries to log in, by outcome", &["outcome"])?,
            limited: metrics.counters(
                "lockstep_sharing_limited_total",
                "Requests and connections refused because of too many, by whose limit",
                &["whose"],
            )?,
            key_age: metrics.gauges(
                "lockstep_sharing_key_age_seconds",
                "Seconds since a partner got its newest valid key",
                &["partner"],
            )?,
            key_expires: metrics.gauges(
                "lockstep_sharing_key_expires_seconds",
                "When the last valid key of a partner ends, seconds since the Unix epoch; none where one has no end",
                &["partner"],
            )?,
            certificate_expires: metrics.gauge(
                "lockstep_sharing_certificate_expires_seconds",
                "When the certificate of the listener ends, seconds since the Unix epoch; 0 without TLS",
            )?,
            errors: metrics.counters("lockstep_sharing_errors_total", "Errors, by place", &["place"])?,
        })
    }
}
