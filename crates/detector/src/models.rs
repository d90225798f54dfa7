//! Which models are in service, and new ones taken while the service runs.
//!
//! One model is *active*: its verdicts are published. Beside it a *shadow* may judge the same clusters; what it says is counted and
//! goes nowhere else. Both come from the registry. A look-out reads every few seconds which of them ought to be in service; a
//! model that is not yet is read and verified, checksum and golden rows, away from the driver, and handed over whole. The driver
//! puts it in service between two batches, so every cluster has the verdict of one model. What cannot be used is told once, the
//! model before it stays, and the look-out goes on trying.

use std::time::{Duration, Instant};

use detection::StartError;
use scoring::{Model, ModelName, Registry, Subject};
use tokio::{sync::mpsc, task::JoinHandle};

use crate::config::Config;

/// What a model does in service.
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

/// What a look has brought.
#[derive(Debug)]
pub(crate) enum News {
    /// A model to put in service, and how long it took to read and verify it.
    Loaded(Role, Box<Model>, Duration),
    /// The model that ought to be in service cannot be used.
    Refused(Role, String),
    /// What ought to be in service is again.
    Settled(Role),
}

/// Looks which models ought to be in service.
pub(crate) struct LookOut {
    config: Config,
    /// The active model came with the program, because there was no registry.
    bundled: bool,
    in_service: [Option<ModelName>; 2],
    /// What was told last of a model that cannot be used.
    refused: [Option<String>; 2],
}

impl LookOut {
    pub(crate) fn new(config: &Config, active: &Model) -> LookOut {
        LookOut {
            bundled: config.model.is_empty() && !config.models.is_dir(),
            config: config.clone(),
            in_service: [Some(active.full_name()), None],
            refused: [None, None],
        }
    }

    /// Looks once. What it hands over counts as being in service from then on.
    pub(crate) fn look(&mut self) -> Vec<News> {
        Role::ALL.into_iter().filter_map(|role| self.look_at(role)).collect()
    }

    fn look_at(&mut self, role: Role) -> Option<News> {
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

    /// The model that ought to be in service and is not.
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

    /// Looks again and again, off the driver's thread.
    pub(crate) fn keep_looking(self, every: Duration) -> Watch {
        let (tell, news) = mpsc::channel(Role::ALL.len());
        let task = tokio::spawn(async move {
            let mut looking = self;
            loop {
                tokio::time::sleep(every).await;
                let looked = tokio::task::spawn_blocking(move || {
                    let seen = looking.look();
                    (looking, seen)
                });
                let Ok((again, seen)) = looked.await else { return };
                looking = again;
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

/// A look-out at work; it ends with this.
pub(crate) struct Watch {
    news: mpsc::Receiver<News>,
    task: JoinHandle<()>,
}

impl Watch {
    /// What has been seen and not yet been taken.
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
