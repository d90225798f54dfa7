//! The service: flagged clusters in, cases and objects out.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use messages::{
    cluster::{ClusterMessage, Status},
    topics,
};
use runtime::{
    http::{self, HttpError},
    metrics::MetricsError,
    shutdown::Shutdown,
};
use tokio::net::TcpListener;

use crate::{
    audit::{Broken, Entry},
    case::{Case, Illegal, State, Step},
    config::{Config, Reviewers},
    crash, demo, expiry, feedback, keys,
    metrics::Metrics,
    retraction, stix,
    store::{Change, PartnerRow, Store, StoreError, StoredCase},
    webhooks,
};

/// The consumer group of this service.
const GROUP: &str = "sharing";
/// Clusters taken in one transaction.
const BATCH: usize = 64;
/// How long to wait for clusters before looking for the end.
const WAIT: Duration = Duration::from_millis(500);
/// How often the log is asked how much is left to read.
const LAG_EVERY: Duration = Duration::from_secs(1);
/// How often a transaction is tried again when somebody else changed the same case.
const ATTEMPTS: usize = 5;

/// Why sharing could not do it.
#[derive(Debug, thiserror::Error)]
pub enum SharingError {
    /// The configuration is wrong.
    #[error("{0}")]
    Config(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log failed.
    #[error("the log failed: {0}")]
    Log(#[from] runtime::LogError),
    /// A metric could not be registered.
    #[error("{0}; open sharing once per registry")]
    Metrics(#[from] MetricsError),
    /// A step was refused.
    #[error(transparent)]
    Illegal(#[from] Illegal),
    /// There is no such case.
    #[error("there is no case about cluster {0:?}")]
    NoCase(String),
    /// There is no such retraction case, or it is decided.
    #[error("there is no open retraction case {0}")]
    NoRetractionCase(i64),
    /// It makes no sense as asked.
    #[error("{0}")]
    Refused(String),
    /// Cannot listen or serve.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The work was stopped by a panic or by the end of the program.
    #[error("the work was broken off: {0}")]
    Broken(#[from] tokio::task::JoinError),
}

/// What became of a batch of clusters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// A case was opened.
    pub opened: usize,
    /// A newer version was taken into its case.
    pub updated: usize,
    /// Known already, or overtaken by a newer version in the same batch.
    pub known: usize,
    /// Not taken: it has a number that is not finite.
    pub rejected: usize,
    /// Objects added to collections.
    pub published: usize,
}

/// Objects by number of the collection.
pub(crate) type Publish = Vec<(i64, Vec<crate::store::NewObject>)>;

/// The sharing service. Cheap to clone.
#[derive(Clone)]
pub struct Sharing {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub config: Config,
    pub store: Store,
    pub metrics: Metrics,
}

impl Sharing {
    /// Opens the store, brings its tables up to date and makes its partners those of the configuration. Blocks.
    pub fn open(config: Config, metrics: &runtime::metrics::Metrics) -> Result<Self, SharingError> {
        let sharing = Self::attach(config, metrics)?;
        let Inner { config, store, .. } = &*sharing.inner;
        store.set_partners(&config.partners)?;
        store.set_inboxes()?;
        let webhooks = config.partners.iter().filter_map(|p| Some((p.name.as_str(), p.webhook.as_deref()?)));
        store.set_webhooks(webhooks, Timestamp::now())?;
        for partner in store.webhooks_without_secret()? {
            tracing::warn!(partner, "its webhook has no secret, deliveries wait; lockstep partners webhook-secret makes one");
        }
        if config.reviewers == Reviewers::Demo {
            tracing::warn!("demo reviewers approve and release every case, no person looks");
        }
        sharing.inner.count_cases();
        Ok(sharing)
    }

    /// Opens the store for a command beside a running service: its partners stay as the service has them. Blocks.
    pub fn attach(config: Config, metrics: &runtime::metrics::Metrics) -> Result<Self, SharingError> {
        config.check().map_err(SharingError::Config)?;
        let metrics = Metrics::new(metrics)?;
        let mut store = Store::open(&config.database)?;
        store.retraction_due = SignedDuration::from_hours(i64::from(config.retraction_due_h));
        Ok(Self { inner: Arc::new(Inner { config, store, metrics }) })
    }

    /// The configuration it runs with.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Takes flagged clusters into cases. The same version twice doubles nothing; a newer version updates its case. When it
    /// returns, everything is on the disk.
    pub async fn on_clusters(&self, batch: Vec<ClusterMessage>) -> Result<Outcomes, SharingError> {
        self.blocking(move |inner| inner.on_clusters(batch, Timestamp::now())).await
    }

    /// Takes a step on the case about a cluster, in the name of `by`. A release, update or retraction reaches the partners'
    /// collections in the same transaction.
    pub async fn step(&self, cluster_id: &str, step: Step, by: &str) -> Result<State, SharingError> {
        let (cluster_id, by) = (cluster_id.to_owned(), by.to_owned());
        self.blocking(move |inner| inner.step(&cluster_id, step, &by, Timestamp::now())).await
    }

    /// A new API key for a partner. This is the only time that it can be seen.
    pub async fn issue_key(&self, partner: &str) -> Result<String, SharingError> {
        let partner = partner.to_owned();
        self.blocking(move |inner| {
            let (id, key, hash) = keys::generate();
            let entry = Entry {
                at: Timestamp::now(),
                actor: "lockstep".to_owned(),
                subject: format!("partner {partner}"),
                action: "key_issued".to_owned(),
                text: format!("API key {id} was issued"),
            };
            inner.store.add_key(&id, &partner, &hash, entry)?;
            Ok(key)
        })
        .await
    }

    /// Checks the audit log: how many entries it has and its last seal, or where it is broken.
    pub async fn verify_audit(&self) -> Result<Result<(i64, String), Broken>, SharingError> {
        self.blocking(|inner| Ok(inner.store.verify_audit(None)?)).await
    }

    /// Reads `clusters.flagged`, sends webhooks, takes feedback and looks after what runs out, until `shutdown`.
    pub async fn run(&self, log: runtime::Log, shutdown: Shutdown) -> Result<(), SharingError> {
        tokio::try_join!(
            self.read_clusters(&log, &shutdown),
            webhooks::run(self, &shutdown),
            feedback::run(self, &log, &shutdown),
            expiry::run(self, &shutdown),
        )?;
        Ok(())
    }

    /// Reads `clusters.flagged` until `shutdown`. A case is stored before the offset that brought it is committed, so a crash
    /// between the two brings the cluster again, and the second time changes nothing.
    async fn read_clusters(&self, log: &runtime::Log, shutdown: &Shutdown) -> Result<(), SharingError> {
        let mut consumer = log.consumer(GROUP, &[topics::CLUSTERS_FLAGGED]).await?;
        let mut lag_asked = None::<Instant>;
        while !shutdown.is_stopping() {
            let records = tokio::select! {
                records = consumer.poll(BATCH, WAIT) => records?,
                () = shutdown.stopping() => break,
            };
            // Before the group has given this member its partitions there is no lag to speak of.
            if lag_asked.is_none_or(|asked| asked.elapsed() >= LAG_EVERY) && !consumer.assignment().is_empty() {
                lag_asked = Some(Instant::now());
                self.inner.metrics.shared.consumer_lag(GROUP, consumer.lag().await? + records.len() as u64);
            }
            if records.is_empty() {
                continue;
            }
            crash::here("after poll");
            let batch = records.iter().filter_map(|record| self.inner.decode(record)).collect();
            if let Err(error) = self.on_clusters(batch).await {
                self.inner.metrics.errors.with_label_values(&["store"]).inc();
                return Err(error);
            }
            crash::here("before the offset is committed");
            if let Err(error) = consumer.publish_and_commit(Vec::new()).await {
                self.inner.metrics.errors.with_label_values(&["log"]).inc();
                if !error.is_retryable() {
                    return Err(error.into());
                }
                // The records come again, and nothing is doubled.
                tracing::warn!(%error, "offsets were not committed, the clusters will come again");
            }
            crash::here("after the offset is committed");
        }
        consumer.close().await?;
        Ok(())
    }

    /// Listens where the configuration says.
    pub async fn bind(&self) -> Result<TcpListener, SharingError> {
        let addr = self.inner.config.listen;
        if !addr.ip().is_loopback() {
            tracing::warn!(
                %addr,
                "the console has no login and http is not encrypted: listen on loopback or put a proxy with tls and login before it"
            );
        }
        Ok(http::listen(addr).await?)
    }

    /// Serves console, JSON API and TAXII until `shutdown`, then lets requests under way end. At most 128 requests are in hand
    /// at once and none takes longer than half a minute.
    pub async fn serve(&self, listener: TcpListener, shutdown: Shutdown) -> Result<(), SharingError> {
        let router = http::bounded(self.router(), 128, Duration::from_secs(30));
        Ok(http::serve(router, listener, shutdown).await?)
    }

    /// Console, JSON API and TAXII.
    pub fn router(&self) -> axum::Router {
        crate::web::router(self.clone())
    }

    /// Runs blocking work off the async threads.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, SharingError> + Send + 'static,
    ) -> Result<T, SharingError> {
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || work(&inner)).await?
    }
}

impl Inner {
    fn decode(&self, record: &runtime::Record) -> Option<ClusterMessage> {
        let value = record.value.as_deref()?;
        let why = match ClusterMessage::decode(value) {
            Ok(cluster) => return Some(cluster),
            Err(error) => error,
        };
        self.metrics.clusters.with_label_values(&["rejected"]).inc();
        self.metrics.errors.with_label_values(&["decode"]).inc();
        tracing::error!(
            topic = %record.topic,
            partition = record.partition,
            offset = record.offset,
            %why,
            "a flagged cluster cannot be read, no case is opened for it; it stays on the topic"
        );
        None
    }

    pub(crate) fn on_clusters(&self, batch: Vec<ClusterMessage>, now: Timestamp) -> Result<Outcomes, SharingError> {
        let size = batch.len();
        let mut newest: BTreeMap<String, ClusterMessage> = BTreeMap::new();
        let mut rejected = 0;
        for cluster in batch {
            // Numbers that JSON cannot carry would be stored as something that cannot be read again.
            if let Err(error) = cluster.encode() {
                rejected += 1;
                tracing::error!(cluster = cluster.cluster_id, %error, "a flagged cluster cannot be stored, no case is opened for it");
                continue;
            }
            let kept = newest.get(&cluster.cluster_id);
            if kept.is_none_or(|kept| kept.version < cluster.version) {
                newest.insert(cluster.cluster_id.clone(), cluster);
            }
        }
        // Clusters that became part of another are told by that one's case. In the demo what was shared of them is withdrawn; where
        // people decide, the case asks for their attention.
        let demo = self.config.reviewers == Reviewers::Demo;
        let absorbed: BTreeMap<&str, &str> = newest
            .values()
            .flat_map(|by| by.lineage.iter().map(|gone| (gone.as_str(), by.cluster_id.as_str())))
            .collect();
        let partners = self.store.partners()?;
        let mut attempt = 1;
        let outcomes = loop {
            let mut outcomes = Outcomes::default();
            let mut changes = Vec::new();
            for cluster in newest.values().filter(|of| !demo || !absorbed.contains_key(of.cluster_id.as_str())) {
                let known = self.store.case(&cluster.cluster_id)?;
                let is_new = known.is_none();
                if let Some(change) = on_cluster(known, cluster, &self.config, &partners, now)? {
                    changes.push(change);
                    *(if is_new { &mut outcomes.opened } else { &mut outcomes.updated }) += 1;
                }
            }
            for (gone, by) in &absorbed {
                if demo {
                    changes.extend(on_absorbed(self.store.case(gone)?, by, &self.config, &partners, now)?);
                    continue;
                }
                // Its own last word may be in the same batch: both are one change then.
                let known = changes.iter().position(|change: &Change| change.stored.case.cluster_id == *gone);
                let mut change = match (known, self.store.case(gone)?) {
                    (Some(index), _) => changes.swap_remove(index),
                    (None, Some(stored)) => Change { stored, entries: Vec::new(), publish: Vec::new() },
                    (None, None) => continue,
                };
                let (text, now) = (format!("its cluster became part of {by}"), after(&change.stored.case, now));
                change.entries.extend(change.stored.case.ask_attention(expiry::Why::Absorbed, text, now));
                if !change.entries.is_empty() {
                    changes.push(change);
                }
            }
            outcomes.rejected = rejected;
            outcomes.known = size - outcomes.opened - outcomes.updated - rejected;
            match self.store.commit(&changes, now) {
                Ok(added) => {
                    crash::here("after the case is stored");
                    outcomes.published = added;
                    break outcomes;
                }
                // Somebody took a step on one of these cases meanwhile: look again.
                Err(StoreError::Conflict(_)) if attempt < ATTEMPTS => attempt += 1,
                Err(error) => return Err(error.into()),
            }
        };
        for (outcome, n) in [
            ("opened", outcomes.opened),
            ("updated", outcomes.updated),
            ("known", outcomes.known),
            ("rejected", outcomes.rejected),
        ] {
            self.metrics.clusters.with_label_values(&[outcome]).inc_by(n as u64);
        }
        self.metrics.objects.inc_by(outcomes.published as u64);
        self.count_cases();
        Ok(outcomes)
    }

    pub(crate) fn step(&self, cluster_id: &str, step: Step, by: &str, now: Timestamp) -> Result<State, SharingError> {
        self.change(cluster_id, now, |inner, stored, now| {
            let publishes = matches!(step, Step::Release | Step::Update);
            let retracts = matches!(step, Step::Retract { .. });
            let closes = matches!(step, Step::Close);
            let entries = vec![stored.case.take(step, by, now)?];
            if closes {
                stored.case.settle_attention();
            }
            let partners = inner.store.partners()?;
            let publish = if publishes {
                share(stored, &inner.config, &partners, now)
            } else if retracts {
                withdraw(stored, &inner.config, &partners, now)
            } else {
                Vec::new()
            };
            Ok((entries, publish))
        })
    }

    /// Loads a case, changes it, and stores it with what the audit log has to say and what partners get, in one transaction. Nothing
    /// is stored where there is nothing to say.
    pub(crate) fn change(
        &self,
        cluster_id: &str,
        now: Timestamp,
        work: impl FnOnce(&Inner, &mut StoredCase, Timestamp) -> Result<(Vec<Entry>, Publish), SharingError>,
    ) -> Result<State, SharingError> {
        let mut stored = self.store.case(cluster_id)?.ok_or_else(|| SharingError::NoCase(cluster_id.to_owned()))?;
        let now = after(&stored.case, now);
        let (entries, publish) = work(self, &mut stored, now)?;
        let state = stored.case.state;
        if entries.is_empty() {
            return Ok(state);
        }
        let added = self.store.commit(&[Change { stored, entries, publish }], now)?;
        crash::here("after a release is stored");
        self.metrics.objects.inc_by(added as u64);
        self.count_cases();
        Ok(state)
    }

    /// What every partner that may be told gets of a case.
    pub(crate) fn for_partners(
        &self,
        stored: &StoredCase,
        now: Timestamp,
        objects: impl Fn(&stix::Publication) -> Vec<crate::store::NewObject>,
    ) -> Result<Publish, SharingError> {
        Ok(for_partners(stored, &self.config, &self.store.partners()?, now, objects))
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

/// What a flagged cluster changes. Pure; `None` where it changes nothing.
fn on_cluster(
    known: Option<StoredCase>,
    cluster: &ClusterMessage,
    config: &Config,
    partners: &[PartnerRow],
    now: Timestamp,
) -> Result<Option<Change>, Illegal> {
    let mut entries = Vec::new();
    let (mut stored, now) = match known {
        // Flagged once and no longer when it gets here: nothing was shared, and there is nothing to decide.
        None if cluster.status != Status::Flagged => return Ok(None),
        None => {
            let (case, entry) = Case::nominate(&cluster.cluster_id, cluster.version, now);
            entries.push(entry);
            let stored = StoredCase { case, cluster: cluster.clone(), released: None, revision: 0 };
            (stored, now)
        }
        Some(mut stored) => {
            let now = after(&stored.case, now);
            let Some(entry) = stored.case.see(cluster.version, now) else {
                return Ok(None);
            };
            entries.push(entry);
            entries.extend(expiry::on_status(&mut stored.case, cluster.status, config.reviewers, now));
            stored.cluster = cluster.clone();
            (stored, now)
        }
    };
    let mut publish = Vec::new();
    if config.reviewers == Reviewers::Demo && cluster.status == Status::Flagged {
        let reviewed = demo::review(&mut stored.case, now)?;
        if !reviewed.is_empty() {
            entries.extend(reviewed);
            publish = share(&mut stored, config, partners, now);
        }
    } else if config.reviewers == Reviewers::Demo
        && let Some(retracted) =
            demo::retract(&mut stored.case, format!("version {} is flagged no longer", cluster.version), now)?
    {
        entries.push(retracted);
        publish = withdraw(&mut stored, config, partners, now);
    }
    Ok(Some(Change { stored, entries, publish }))
}

/// The case of a cluster that became part of another: what was shared of it is withdrawn.
fn on_absorbed(
    known: Option<StoredCase>,
    by: &str,
    config: &Config,
    partners: &[PartnerRow],
    now: Timestamp,
) -> Result<Option<Change>, Illegal> {
    let Some(mut stored) = known else { return Ok(None) };
    let now = after(&stored.case, now);
    let reason = format!("its cluster became part of {by}");
    let Some(entry) = demo::retract(&mut stored.case, reason, now)? else { return Ok(None) };
    let publish = withdraw(&mut stored, config, partners, now);
    Ok(Some(Change { stored, entries: vec![entry], publish }))
}

/// Objects for every partner that may be told of the version just released.
fn share(
    stored: &mut StoredCase,
    config: &Config,
    partners: &[PartnerRow],
    now: Timestamp,
) -> Publish {
    let cluster = retraction::without(&stored.cluster, &stored.case.left_out);
    let shared = StoredCase { cluster, ..stored.clone() };
    let publish = for_partners(&shared, config, partners, now, |p| p.objects());
    if let Some(before) = &stored.released {
        stix::note_withdrawn(&mut stored.case, before, Some(&shared.cluster));
    }
    stored.case.settle_attention();
    stored.case.valid_until = Some(expiry::valid_until(&shared.cluster, now, config.valid_days));
    stored.released = Some(shared.cluster);
    publish
}

/// Revoked versions of everything that partners have.
fn withdraw(
    stored: &mut StoredCase,
    config: &Config,
    partners: &[PartnerRow],
    now: Timestamp,
) -> Publish {
    let Some(before) = stored.released.clone() else {
        return Vec::new();
    };
    // Partners have the released version; a newer one that was never shared is nothing to them.
    let shared = StoredCase { cluster: before.clone(), ..stored.clone() };
    let publish = for_partners(&shared, config, partners, now, |p| p.retraction());
    stix::note_withdrawn(&mut stored.case, &before, None);
    stored.case.settle_attention();
    publish
}

fn for_partners(
    stored: &StoredCase,
    config: &Config,
    partners: &[PartnerRow],
    now: Timestamp,
    objects: impl Fn(&stix::Publication) -> Vec<crate::store::NewObject>,
) -> Publish {
    partners
        .iter()
        .filter(|partner| partner.tlp_ceiling >= config.tlp)
        .map(|partner| {
            let publication = stix::Publication {
                identity: &config.identity,
                tlp: config.tlp,
                valid_days: config.valid_days,
                partner: &partner.name,
                platform: &partner.platform,
                pseudonym_key: &partner.pseudonym_key,
                case: &stored.case,
                cluster: &stored.cluster,
                before: stored.released.as_ref(),
                now,
            };
            (partner.collection, objects(&publication))
        })
        .filter(|(_, objects)| !objects.is_empty())
        .collect()
}

/// A time after the case's last change, also where the clock went back: versions of an object are told apart by their time,
/// to the millisecond.
fn after(case: &Case, now: Timestamp) -> Timestamp {
    let next = case.changed_at.checked_add(SignedDuration::from_millis(1));
    now.max(next.unwrap_or(now))
}

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod way_back_tests;
