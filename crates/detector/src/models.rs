//! The models in service, and loading new ones while the service runs.
//!
//! One model is *active*: its verdicts are published. A *shadow* model may judge the same clusters;
//! its verdicts are only counted. Both come from the registry. A watcher checks every few seconds
//! which models should be in service. It reads and verifies a new model (checksum and golden rows)
//! outside the driver, and passes it on complete. The driver puts it in service between two
//! batches, so all clusters of a batch have the verdict of one model. If a model cannot be used,
//! this is reported once, the previous model stays in service, and the watcher tries again.

use std::time::{Duration, Instant};

use detection::StartError;
use scoring::{Model, ModelName, Registry, Subject};
use tokio::{sync::mpsc, task::JoinHandle};

use crate::config::Config;

/// The role of a model in service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Its verdicts are published.
    Active,
    /// Its verdicts are counted.
    Shadow,
}

impl Role {
    pub(crate) const ALL: [Role; 2] = [Role::Active, Role::Shadow];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Role::Active => "active",
            Role::Shadow => "shadow",
        }
    }
}

/// The result of a check.
#[derive(Debug)]
pub(crate) enum News {
    /// A model to put in service, and how long it took to load and verify it.
    Loaded(Role, Box<Model>, Duration),
    /// The model that should be in service cannot be used.
    Refused(Role, String),
    /// The model that should be in service is in service again.
    Settled(Role),
}

/// Checks which models should be in service.
pub(crate) struct ModelWatcher {
    config: Config,
    /// Whether the active model is the bundled one, because there was no registry.
    bundled: bool,
    in_service: [Option<ModelName>; 2],
    /// The last reported reason why a model cannot be used.
    refused: [Option<String>; 2],
}

impl ModelWatcher {
    pub(crate) fn new(config: &Config, active: &Model) -> ModelWatcher {
        ModelWatcher {
            bundled: config.model.is_empty() && !config.models.is_dir(),
            config: config.clone(),
            in_service: [Some(active.full_name()), None],
            refused: [None, None],
        }
    }

    /// Checks once. A model that it returns counts as being in service from then on.
    pub(crate) fn check(&mut self) -> Vec<News> {
        Role::ALL.into_iter().filter_map(|role| self.check_role(role)).collect()
    }

    fn check_role(&mut self, role: Role) -> Option<News> {
        let began = Instant::now();
        let place = role as usize;
        match self.fresh(role) {
            Ok(Some(model)) => {
                self.in_service[place] = Some(model.full_name());
                self.refused[place] = None;
                self.bundled &= role != Role::Active;
                Some(News::Loaded(role, Box::new(model), began.elapsed()))
            }
            Ok(None) => self.refused[place].take().map(|_| News::Settled(role)),
            Err(error) => {
                let reason = error.to_string();
                let told = self.refused[place].replace(reason.clone());
                (told.as_ref() != Some(&reason)).then_some(News::Refused(role, reason))
            }
        }
    }

    /// The model that should be in service and is not.
    fn fresh(&self, role: Role) -> Result<Option<Model>, StartError> {
        let is_in_service = |name: &ModelName| self.in_service[role as usize].as_ref() == Some(name);
        let named = match role {
            Role::Active => self.config.detection().named_model()?,
            Role::Shadow => self.config.named_shadow_model()?,
        };
        match (named, role) {
            (Some(name), _) if is_in_service(&name) => Ok(None),
            (Some(_), Role::Active) => self.config.detection().model().map(Some),
            (_, Role::Shadow) => self.config.shadow_model(),
            (None, Role::Active) => {
                if self.bundled && !self.config.models.is_dir() {
                    return Ok(None);
                }
                let registry = Registry::open(&self.config.models)?;
                match registry.active_name(Subject::Cluster)? {
                    Some(name) if is_in_service(&name) => Ok(None),
                    Some(name) => Ok(Some(registry.load(&name.name, &name.version)?.of(Subject::Cluster)?)),
                    None => Ok(Some(registry.active()?)),
                }
            }
        }
    }

    /// Checks again and again, in a thread of its own.
    pub(crate) fn watch(self, every: Duration) -> Watch {
        let (tell, news) = mpsc::channel(Role::ALL.len());
        let task = tokio::spawn(async move {
            let mut watcher = self;
            loop {
                tokio::time::sleep(every).await;
                let checked = tokio::task::spawn_blocking(move || {
                    let seen = watcher.check();
                    (watcher, seen)
                });
                let Ok((again, seen)) = checked.await else { return };
                watcher = again;
                for news in seen {
                    if tell.send(news).await.is_err() {
                        return;
                    }
                }
            }
        });
        Watch { news, task }
    }
}

/// A running watcher. It ends when this is dropped.
pub(crate) struct Watch {
    news: mpsc::Receiver<News>,
    task: JoinHandle<()>,
}

impl Watch {
    /// The next result of a check.
    pub(crate) fn take(&mut self) -> Option<News> {
        self.news.try_recv().ok()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
pub(crate) mod tests;
