//! What operators see of the models in service: which they are, how they differ, and how far their clusters lie from training.

use std::time::Duration;

use runtime::metrics::{Gauge, GaugeVec, Histogram, IntCounterVec, IntGauge, IntGaugeVec, Metrics, MetricsError};
use scoring::{Model, ModelName, Verdict, drift::Drift, features::FEATURES};

use crate::models::Role;

/// Registered once, with the detector's.
#[derive(Clone)]
pub(crate) struct ModelMetrics {
    info: IntGaugeVec,
    refused: IntGaugeVec,
    reloads: IntCounterVec,
    load: Histogram,
    swap: Histogram,
    probability: Histogram,
    shadow_verdicts: IntCounterVec,
    shadow_difference: Histogram,
    window: IntGauge,
    training: IntGauge,
    feature_psi: GaugeVec,
    score_psi: Gauge,
}

impl ModelMetrics {
    pub(crate) fn new(metrics: &Metrics) -> Result<ModelMetrics, MetricsError> {
        let made = ModelMetrics {
            info: metrics.gauges(
                "lockstep_model_info",
                "Always 1; the models in service are in the labels. role: active, or shadow, which decides nothing.",
                &["role", "name", "version"],
            )?,
            refused: metrics.gauges(
                "lockstep_model_refused",
                "1 while the model that ought to be in service cannot be used; the one before it goes on.",
                &["role"],
            )?,
            reloads: metrics.counters(
                "lockstep_model_reloads_total",
                "Models put in service while the process ran (taken), and those that could not be used (refused).",
                &["role", "outcome"],
            )?,
            load: metrics.histogram(
                "lockstep_model_load_seconds",
                "Seconds to read and verify a model, beside the work on posts.",
                &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.0],
            )?,
            swap: metrics.histogram(
                "lockstep_model_swap_seconds",
                "Seconds that posts wait while a model that was read is put in service.",
                &[0.00001, 0.0001, 0.001, 0.005, 0.025, 0.1, 0.5],
            )?,
            probability: metrics.histogram(
                "lockstep_cluster_probability",
                "Probability that the active model gives states of coordinated clusters.",
                &[0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95],
            )?,
            shadow_verdicts: metrics.counters(
                "lockstep_shadow_verdicts_total",
                "States of coordinated clusters that both models judged, by what the active and what the shadow model says.",
                &["active", "shadow"],
            )?,
            shadow_difference: metrics.histogram(
                "lockstep_shadow_probability_difference",
                "Absolute difference of the probabilities that the active and the shadow model give one state of a cluster.",
                &[0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75],
            )?,
            window: metrics.gauge(
                "lockstep_drift_clusters",
                "Coordinated clusters that drift is measured on: those told last, at most 500.",
            )?,
            training: metrics.gauge(
                "lockstep_drift_training_groups",
                "Campaigns and organic groups that the active model was trained on; 0 where it does not say, then no drift is measured.",
            )?,
            feature_psi: metrics.float_gauges(
                "lockstep_drift_feature_psi",
                "Population stability index of a feature, clusters told last against training, less what chance gives; 0 under 100 clusters.",
                &["feature"],
            )?,
            score_psi: metrics.float_gauge(
                "lockstep_drift_score_psi",
                "Population stability index of the score, clusters told last against rows held out in training, less what chance gives.",
            )?,
        };
        // What has never happened stands at zero, so that an alert on it works from the start.
        for role in Role::ALL {
            made.refused.with_label_values(&[role.name()]);
            for outcome in ["taken", "refused"] {
                made.reloads.with_label_values(&[role.name(), outcome]);
            }
        }
        for active in [true, false] {
            for shadow in [true, false] {
                made.shadow_verdicts.with_label_values(&[word(active), word(shadow)]);
            }
        }
        made.drift(None);
        Ok(made)
    }

    /// A model is in service in this role, in place of `before`.
    pub(crate) fn in_service(&self, role: Role, model: &Model, before: Option<&ModelName>) {
        if let Some(before) = before {
            // Fails only where there is no such row.
            let _ = self.info.remove_label_values(&[role.name(), &before.name, &before.version]);
        }
        self.info.with_label_values(&[role.name(), model.name(), model.version()]).set(1);
        self.refused.with_label_values(&[role.name()]).set(0);
        if role == Role::Active {
            self.training.set(model.reference().map_or(0, |reference| reference.groups() as i64));
        }
    }

    pub(crate) fn taken(&self, role: Role, load: Duration, swap: Duration) {
        self.reloads.with_label_values(&[role.name(), "taken"]).inc();
        self.load.observe(load.as_secs_f64());
        self.swap.observe(swap.as_secs_f64());
    }

    pub(crate) fn refused(&self, role: Role) {
        self.reloads.with_label_values(&[role.name(), "refused"]).inc();
        self.refused.with_label_values(&[role.name()]).set(1);
    }

    pub(crate) fn settled(&self, role: Role) {
        self.refused.with_label_values(&[role.name()]).set(0);
    }

    /// A state of a coordinated cluster was judged, by the shadow too where there is one.
    pub(crate) fn judged(&self, probability: f64, inauthentic: bool, shadow: Option<&Verdict>) {
        self.probability.observe(probability);
        if let Some(shadow) = shadow {
            self.shadow_verdicts.with_label_values(&[word(inauthentic), word(shadow.inauthentic)]).inc();
            self.shadow_difference.observe((shadow.probability - probability).abs());
        }
    }

    pub(crate) fn window(&self, clusters: usize) {
        self.window.set(clusters as i64);
    }

    pub(crate) fn drift(&self, drift: Option<&Drift>) {
        for (at, feature) in FEATURES.iter().enumerate() {
            let psi = drift.and_then(|drift| drift.features.get(at)).copied().unwrap_or(0.0);
            self.feature_psi.with_label_values(&[feature.name]).set(psi);
        }
        self.score_psi.set(drift.map_or(0.0, |drift| drift.score));
    }
}

fn word(inauthentic: bool) -> &'static str {
    if inauthentic { "inauthentic" } else { "organic" }
}
