//! What is counted about sharing.

use prometheus::{HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry};

/// The sharing service's metrics, registered once.
#[derive(Clone)]
pub(crate) struct Metrics {
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
    /// Errors by place: store, log, decode, policy, http.
    pub errors: IntCounterVec,
}

impl Metrics {
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            clusters: IntCounterVec::new(
                Opts::new("lockstep_sharing_clusters_total", "Flagged clusters read, by outcome"),
                &["outcome"],
            )?,
            cases: IntGaugeVec::new(Opts::new("lockstep_sharing_cases", "Cases by state"), &["state"])?,
            objects: IntCounter::new("lockstep_sharing_objects_published_total", "STIX objects added to collections")?,
            requests: IntCounterVec::new(
                Opts::new("lockstep_sharing_requests_total", "HTTP requests answered"),
                &["surface", "endpoint", "status"],
            )?,
            seconds: HistogramVec::new(
                HistogramOpts::new("lockstep_sharing_request_seconds", "Seconds to answer an HTTP request")
                    .buckets(vec![0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0]),
                &["surface", "endpoint"],
            )?,
            errors: IntCounterVec::new(Opts::new("lockstep_sharing_errors_total", "Errors, by place"), &["place"])?,
        };
        registry.register(Box::new(metrics.clusters.clone()))?;
        registry.register(Box::new(metrics.cases.clone()))?;
        registry.register(Box::new(metrics.objects.clone()))?;
        registry.register(Box::new(metrics.requests.clone()))?;
        registry.register(Box::new(metrics.seconds.clone()))?;
        registry.register(Box::new(metrics.errors.clone()))?;
        Ok(metrics)
    }
}
