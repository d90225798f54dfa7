//! Metrics and log lines about the work of the machine.

use std::time::Duration;

use coordination::{Outcome, Stats};
use messages::cluster::Status;
use scoring::Model;

use crate::{
    machine::{Machine, Observation},
    metrics::DetectorMetrics,
    models::Role,
};

/// Counts and logs observations.
pub(crate) struct Observer {
    pub(crate) metrics: DetectorMetrics,
    /// The engine's counts at the last update of the metrics.
    shown: Stats,
}

impl Observer {
    pub(crate) fn new(metrics: DetectorMetrics) -> Observer {
        Observer { metrics, shown: Stats::default() }
    }

    /// Ignores what the engine has counted so far: it was counted before a restart.
    pub(crate) fn passed_over(&mut self, stats: Stats) {
        self.shown = stats;
    }

    /// Sets the number of clusters in the topics, by status.
    pub(crate) fn standing(&self, clusters: impl IntoIterator<Item = (Status, usize)>) {
        clusters.into_iter().for_each(|(status, clusters)| self.metrics.set_cluster_count(status, clusters));
    }

    /// Counts and logs something that `machine` has just done; `took` is its duration.
    pub(crate) fn observe(&mut self, observation: Observation, machine: &Machine, took: Duration) {
        let metrics = &self.metrics;
        match observation {
            Observation::Post { outcome, bytes, delay_s, too_late } => {
                metrics.post(outcome, bytes, delay_s);
                if let (Outcome::TooLate, Some(post)) = (outcome, too_late) {
                    tracing::debug!(%post, "post came too late to count");
                }
            }
            Observation::Unreadable(field) => metrics.unreadable(&field),
            Observation::DeadLetter { bytes } => metrics.dead_letter(bytes),
            Observation::HeadersLeftOut { offset } => {
                tracing::warn!(offset, "the headers of a dead letter were too large and are left out");
            }
            Observation::Judged { cluster_id, version, probability, inauthentic, shadow } => {
                metrics.models.judged(probability, inauthentic, shadow.as_ref());
                if let Some(shadow) = shadow.filter(|shadow| shadow.inauthentic != inauthentic) {
                    tracing::debug!(
                        cluster = %cluster_id,
                        version,
                        active = probability,
                        shadow = shadow.probability,
                        "the shadow model disagrees"
                    );
                }
            }
            Observation::CannotTell(error) => {
                metrics.count_not_published();
                tracing::error!(%error, "a cluster is not published");
            }
            Observation::NearMissPassedOver { cluster_id, version } => {
                tracing::info!(cluster = %cluster_id, version, "a near miss is not published: an earlier report has a higher status");
            }
            Observation::CommitFailed { error, failures } => {
                tracing::warn!(error, failures, "publishing failed, the batch will be read again");
            }
            Observation::Published(publication) => {
                metrics.published(&publication);
                let cluster = &publication.message;
                tracing::info!(
                    cluster = %cluster.cluster_id,
                    version = cluster.version,
                    status = cluster.status.name(),
                    accounts = cluster.accounts.len(),
                    probability = cluster.probability,
                    "cluster published"
                );
            }
            Observation::Engine(stats) => {
                metrics.engine(&self.shown, &stats);
                self.shown = *stats;
            }
            Observation::ModelTaken { role, before, load } => {
                metrics.models.taken(role, load, took);
                let before_it = before.as_ref().map_or_else(|| "none".to_owned(), |name| name.to_string());
                let (load_s, swap_s) = (load.as_secs_f64(), took.as_secs_f64());
                let model = match role {
                    Role::Active => Some(machine.model()),
                    Role::Shadow => machine.shadow(),
                };
                let Some(model) = model else { return };
                let name = model.full_name();
                tracing::info!(role = role.name(), model = %name, before = before_it, load_s, swap_s, "model is in service");
                metrics.models.in_service(role, model, before.as_ref());
                if role == Role::Active {
                    say_whether_drift_is_measured(model);
                    if machine.shadow().is_some_and(|shadow| shadow.full_name() == name) {
                        tracing::warn!(model = %name, "the shadow model is now the active one, so there is nothing to compare");
                    }
                }
            }
            Observation::ModelRefused { role, reason } => {
                metrics.models.refused(role);
                let role = role.name();
                tracing::error!(role, reason, "a model cannot be used, the previous one stays in service");
            }
            Observation::ModelSettled { role } => {
                metrics.models.settled(role);
                tracing::info!(role = role.name(), "the model that should be in service is in service again");
            }
            Observation::Drift { clusters, drift } => {
                metrics.models.window(clusters);
                metrics.models.drift(drift.as_ref());
            }
            Observation::Unsaved(age) => metrics.unsaved(age.as_secs_f64()),
        }
    }
}

pub(crate) fn say_whether_drift_is_measured(model: &Model) {
    if model.reference().is_none() {
        let model = model.full_name();
        tracing::info!(%model, "drift is not measured: the model has no record of its training data; train it again");
    }
}
