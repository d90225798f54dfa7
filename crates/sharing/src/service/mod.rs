//! The service: what comes in is decided by [`casework`], stored by [`crate::store`] and rendered by [`crate::publish`]. The only place that
//! has all three.

pub(crate) mod appeals;
pub(crate) mod audit_events;
mod clusters;
mod database;
mod deliveries;
pub(crate) mod digest;
mod encryption;
pub(crate) mod erasure;
mod error;
pub(crate) mod evidence;
pub(crate) mod expiry;
mod failures;
pub(crate) mod feed;
pub(crate) mod feedback;
pub(crate) mod keys;
mod look_up;
pub(crate) mod many;
pub(crate) mod posts;
mod publishing;
mod reading;
pub(crate) mod retention;
pub(crate) mod retraction;
pub(crate) mod scoreboard;
mod seed;
pub(crate) mod site;
mod tokens;
pub(crate) mod users;
pub(crate) mod watch;

use std::sync::{Arc, OnceLock};

use casework::{
    Act, Effects, Reviewers, Settings,
    audit::Broken,
    case::{State, Step},
    policy::Policy,
};
use jiff::{SignedDuration, Timestamp};

pub use clusters::{GROUP, Outcomes};
pub use encryption::{EncryptionState, encryption_state, reset_encryption, rotate_encryption};
pub use error::SharingError;
pub(crate) use look_up::documents_of;
pub use look_up::{explain, make_documents};

use crate::{
    config::{
        Config,
        database_url::{is_postgres, without_password},
    },
    fault_injection,
    metrics::Metrics,
    store::{Store, StoreError, id_file},
};
use keys::Used;
use site::Site;

/// The sharing service. Cheap to clone.
#[derive(Clone)]
pub struct Sharing {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub config: Config,
    pub policy: Policy,
    pub store: Store,
    /// The id of the database that was opened.
    pub database_id: String,
    pub metrics: Metrics,
    /// Keys of partners used since it was last written down.
    pub used_keys: Used,
    /// Tokens for the JSON API used since it was last written down.
    pub used_tokens: Used,
    /// What the TAXII server says of itself.
    pub site: Site,
    /// The log, once the service runs on one.
    pub log: OnceLock<runtime::Log>,
    /// What is tried again at the moment.
    pub failures: failures::Failures,
    /// How much blocking work there is at a time: as much as there are connections to the database.
    slots: tokio::sync::Semaphore,
}

impl Sharing {
    /// Opens the store, brings its tables up to date and makes its partners those of the configuration. Blocks.
    pub fn open(config: Config, metrics: &runtime::metrics::Metrics) -> Result<Self, SharingError> {
        let sharing = Self::attach(config, metrics)?;
        let Inner { config, policy, store, .. } = &*sharing.inner;
        store.check_whole()?;
        if store.cover_contents(Timestamp::now())? {
            tracing::info!("the audit log covers the contents of the database from here on");
        }
        store.set_partners(&policy.partners())?;
        store.index_cases()?;
        let partners = policy.partners();
        let webhooks = partners.iter().filter_map(|p| Some((p.name.as_str(), p.webhook.as_deref()?)));
        store.set_webhooks(webhooks, Timestamp::now())?;
        for partner in store.webhooks_without_secret()? {
            tracing::warn!(
                partner,
                "its webhook has no secret, deliveries wait; lockstep partners webhook-secret makes one"
            );
        }
        if config.reviewers == Reviewers::Demo {
            tracing::warn!("demo reviewers approve and release every case, no person looks");
        }
        sharing.inner.count_cases();
        Ok(sharing)
    }

    /// Names of the partners that the configuration has.
    pub fn partner_names(&self) -> Vec<String> {
        self.inner.policy.partners().into_iter().map(|partner| partner.name).collect()
    }

    /// Opens the store for a command beside a running service: its partners stay as the service has them. Blocks.
    pub fn attach(config: Config, metrics: &runtime::metrics::Metrics) -> Result<Self, SharingError> {
        config.check().map_err(SharingError::Config)?;
        let policy = config.policy().map_err(SharingError::Config)?;
        let metrics = Metrics::new(metrics)?;
        let mut store = Store::open(&config.database, config.database_connections)?;
        let id_file = id_file(&config.database_id_file, &config.database, is_postgres(&config.database));
        if let Some(file) = id_file {
            store.check_remembered_id(&file, &without_password(&config.database))?;
        }
        let database_id = store.database_id()?;
        encryption::unlock(&mut store, &config)?;
        store.retraction_due = SignedDuration::from_hours(i64::from(config.retraction_due_h));
        let site = match &config.seed {
            Some(file) => seed::plant(file, &config, &store)?,
            None => Site::of(&config),
        };
        let slots = tokio::sync::Semaphore::new(config.database_connections.max(2));
        Ok(Self {
            inner: Arc::new(Inner {
                config,
                policy,
                store,
                database_id,
                metrics,
                used_keys: Used::default(),
                used_tokens: Used::default(),
                site,
                log: OnceLock::new(),
                failures: failures::Failures::default(),
                slots,
            }),
        })
    }

    /// The configuration it runs with.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Takes a step on the case about a cluster, in the name of `by`. A release, update or retraction reaches the partners'
    /// collections in the same transaction.
    pub async fn step(&self, cluster_id: &str, step: Step, by: &str) -> Result<State, SharingError> {
        let (cluster_id, by) = (cluster_id.to_owned(), by.to_owned());
        self.blocking(move |inner| Ok(inner.act(&cluster_id, None, Act::Step(step), &by, Timestamp::now())?.state))
            .await
    }

    /// Does something to a case for somebody who saw it at that revision: refused as a conflict where it was changed since.
    pub(crate) async fn act_seen(
        &self,
        cluster_id: &str,
        seen: i64,
        act: Act,
        by: &str,
    ) -> Result<Taken, SharingError> {
        let (id, by) = (cluster_id.to_owned(), by.to_owned());
        self.blocking(move |inner| inner.act(&id, Some(seen), act, &by, Timestamp::now())).await
    }

    /// Checks the audit log: how many entries it has and its last seal, or where it is broken.
    pub async fn verify_audit(&self) -> Result<Result<(i64, String), Broken>, SharingError> {
        self.blocking(|inner| Ok(inner.store.verify_audit(None)?)).await
    }

    /// Runs blocking work off the async threads.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, SharingError> + Send + 'static,
    ) -> Result<T, SharingError> {
        // More at a time would only wait for a connection, each on a thread of its own.
        let slot = self.inner.slots.acquire().await.map_err(|_| SharingError::Stopped)?;
        let inner = Arc::clone(&self.inner);
        let done = tokio::task::spawn_blocking(move || work(&inner)).await?;
        drop(slot);
        done
    }
}

/// What a person's act led to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    pub state: State,
    /// The approval before it no longer holds.
    pub took_approval_back: bool,
}

impl Inner {
    /// A person does something to the case about a cluster: stored with what the audit log has to say and what partners get, in one
    /// transaction. Refused as a conflict where the case is no longer what somebody has `seen`.
    pub(crate) fn act(
        &self,
        cluster_id: &str,
        seen: Option<i64>,
        act: Act,
        by: &str,
        now: Timestamp,
    ) -> Result<Taken, SharingError> {
        let record = self.record(cluster_id)?;
        if seen.is_some_and(|seen| seen != record.revision) {
            return Err(StoreError::Conflict(record.case.id).into());
        }
        self.check_appeals(&record, &act)?;
        let was_approved = record.case.approved.is_some();
        let rendered = match &act {
            Act::Step(Step::Approve { .. }) => Some(self.rendered_anew(&record)?),
            Act::Step(Step::Release | Step::Update) => Some(self.rendered(&record)?),
            _ => None,
        };
        let settings = Settings { rendered: rendered.as_ref(), ..self.settings() };
        let effects = record.on_act(act, by, &settings, now)?;
        let took_approval_back = was_approved && effects.record.case.approved.is_none();
        Ok(Taken { state: self.carry_out(effects)?, took_approval_back })
    }

    /// Stores a case with what follows from an event.
    fn carry_out(&self, effects: Effects) -> Result<State, SharingError> {
        let (state, at) = (effects.record.case.state, effects.at);
        let change = self.change_of(effects, &self.store.partners()?)?;
        let added = self.store.commit(&[change], at)?;
        fault_injection::crash_at("after a release is stored");
        self.metrics.objects.inc_by(added as u64);
        self.count_cases();
        Ok(state)
    }

    fn count_cases(&self) {
        match self.store.cases_by_state() {
            Ok(counts) => {
                for state in State::ALL {
                    let n = counts.iter().find(|(name, _)| name == state.name());
                    self.metrics.cases.with_label_values(&[state.name()]).set(n.map_or(0, |(_, n)| *n));
                }
            }
            Err(error) => {
                self.metrics.errors.with_label_values(&["store"]).inc();
                tracing::warn!(%error, "cannot count cases");
            }
        }
    }
}

#[cfg(test)]
mod tests;
