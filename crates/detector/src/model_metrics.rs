//! Metrics of the models in service: names, differences between the active and the shadow model,
//! and drift from the training data.

use std::time::Duration;

use runtime::metrics::{
    Gauge, GaugeVec, Histogram, IntCounterVec, IntGauge, IntGaugeVec, Label, Metrics, MetricsError,
};
use scoring::{Model, ModelName, Verdict, drift::Drift, features::FEATURES};

use crate::models::Role;

/// Metrics of the models, registered once with the detector's.
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
        let role = || Label::listed("role", Role::ALL.map(Role::name));
        let verdict = |name| Label::listed(name, [true, false].map(word));
        let made = ModelMetrics {
            info: metrics.gauges(
                "lockstep_model_info",
                "Always 1; the models in service are in the labels. role: active, or shadow, which decides nothing.",
                &[role(), Label::open("name", "name of a model"), Label::open("version", "version of a model")],
            )?,
            refused: metrics.gauges(
                "lockstep_model_refused",
                "1 while the model that should be in service cannot be used; the model before stays in service.",
                &[role()],
            )?,
            reloads: metrics.counters(
                "lockstep_model_reloads_total",
                "Models put into service while the process ran (taken), and models that could not be used (refused).",
                &[role(), Label::listed("outcome", ["taken", "refused"])],
            )?,
            load: metrics.histogram(
                "lockstep_model_load_seconds",
                "Seconds to read and verify a model, in parallel with the processing of posts.",
                &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.0],
            )?,
            swap: metrics.histogram(
                "lockstep_model_swap_seconds",
                "Seconds that posts wait while a loaded model is put into service.",
                &[0.00001, 0.0001, 0.001, 0.005, 0.025, 0.1, 0.5],
            )?,
            probability: metrics.histogram(
                "lockstep_cluster_probability",
                "Probabilities of the active model for states of coordinated clusters.",
                &[0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95],
            )?,
            shadow_verdicts: metrics.counters(
                "lockstep_shadow_verdicts_total",
                "States of coordinated clusters that both models scored, by the verdicts of the active and the shadow model.",
                &[verdict("active"), verdict("shadow")],
            )?,
            shadow_difference: metrics.histogram(
                "lockstep_shadow_probability_difference",
                "Absolute difference between the probabilities of the active and the shadow model for a state of a cluster.",
                &[0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75],
            )?,
            window: metrics.gauge(
                "lockstep_drift_clusters",
                "Coordinated clusters from which drift is measured: the last published, at most 500.",
            )?,
            training: metrics.gauge(
                "lockstep_drift_training_groups",
                "Campaigns and organic groups that the active model was trained on; 0 if unknown, then no drift is measured.",
            )?,
            feature_psi: metrics.float_gauges(
                "lockstep_drift_feature_psi",
                "Population stability index of a feature, last published clusters against training, minus the value expected by chance; 0 below 100 clusters.",
                &[Label::open("feature", "name of a feature of clusters, as in the manifest of a model")],
            )?,
            score_psi: metrics.float_gauge(
                "lockstep_drift_score_psi",
                "Population stability index of the score, last published clusters against held-out training rows, minus the value expected by chance.",
            )?,
        };
        // Counters start at zero with all labels, so that an alert works from the start.
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

    /// Records that a model is in service in this role, instead of `before`.
    pub(crate) fn in_service(&self, role: Role, model: &Model, before: Option<&ModelName>) {
        if let Some(before) = before {
            // Fails only if there is no such row.
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

    /// Records the score of a state of a coordinated cluster, and of the shadow model if there is
    /// one.
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
