//! The models in service: taking new ones, and watching what they say.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use detection::{Judged, Judgement};
use messages::cluster::Status;
use scoring::Model;

use super::Service;
use crate::models::{News, Role};

/// How often drift is measured, which takes some milliseconds for a full window.
const MEASURE_EVERY: Duration = Duration::from_secs(10);

impl Service {
    /// Puts a model in service that was read and verified, or says why one was not.
    pub(super) fn take_models(&mut self, news: News) {
        let began = Instant::now();
        match news {
            News::Loaded(role, model, load) => {
                let name = model.full_name();
                let before = match role {
                    Role::Active => {
                        self.measured.0 = true;
                        Some(self.pipeline.set_model(Arc::from(model)).full_name())
                    }
                    Role::Shadow => self.pipeline.set_shadow(*model).map(|model| model.full_name()),
                };
                let swap = began.elapsed();
                self.metrics.models.taken(role, load, swap);
                let before_it = before.as_ref().map_or_else(|| "none".to_owned(), |name| name.to_string());
                let (load_s, swap_s) = (load.as_secs_f64(), swap.as_secs_f64());
                tracing::info!(role = role.name(), model = %name, before = before_it, load_s, swap_s, "model is in service");
                match (role, self.pipeline.shadow()) {
                    (Role::Active, shadow) => {
                        let model = self.pipeline.model();
                        self.metrics.models.in_service(role, model, before.as_ref());
                        say_whether_drift_is_measured(model);
                        if shadow.is_some_and(|shadow| shadow.full_name() == name) {
                            tracing::warn!(model = %name, "the shadow model is the active one now and has nothing to tell");
                        }
                    }
                    (Role::Shadow, Some(model)) => self.metrics.models.in_service(role, model, before.as_ref()),
                    (Role::Shadow, None) => {}
                }
            }
            News::Refused(role, reason) => {
                self.metrics.models.refused(role);
                let role = role.name();
                tracing::error!(role, reason, "a model cannot be used, what was in service goes on");
            }
            News::Settled(role) => {
                self.metrics.models.settled(role);
                tracing::info!(role = role.name(), "the model in service is the one that ought to be");
            }
        }
    }

    /// Counts what was said of a cluster, by the shadow too, and remembers it for measuring drift.
    pub(super) fn watch_judgement(&mut self, judged: &Judged) {
        let Some(Judgement { values, probability, shadow }) = &judged.judgement else { return };
        let message = &judged.message;
        let inauthentic = message.status == Status::Flagged;
        self.metrics.models.judged(*probability, inauthentic, shadow.as_ref());
        if let Some(shadow) = shadow.as_ref().filter(|shadow| shadow.inauthentic != inauthentic) {
            tracing::debug!(
                cluster = %message.cluster_id,
                version = message.version,
                active = probability,
                shadow = shadow.probability,
                "the shadow model says otherwise"
            );
        }
        self.window.tell(&message.cluster_id, values.clone());
        self.measured.0 = true;
    }

    /// Shows how far what was judged lately lies from training, now and then.
    pub(super) fn measure_drift(&mut self) {
        let (changed, when) = self.measured;
        if changed && when.elapsed() >= MEASURE_EVERY {
            self.measured = (false, Instant::now());
            self.metrics.models.window(self.window.clusters());
            self.metrics.models.drift(self.window.drift(self.pipeline.model()).as_ref());
        }
    }
}

pub(super) fn say_whether_drift_is_measured(model: &Model) {
    if model.reference().is_none() {
        let model = model.full_name();
        tracing::info!(%model, "drift is not measured: the model does not say what it was trained on; train it again");
    }
}
