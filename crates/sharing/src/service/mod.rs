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
    access::{self, Access, UsersError},
    audit::Broken,
    case::{Case, Illegal, State, Step},
    config::{Config, Reviewers},
    demo,
    metrics::Metrics,
    policy::{Class, Explanation, Policy},
    stix,
    store::{CaseQuery, CaseRow, Change, PartnerRow, Store, StoreError, StoredCase},
};

/// The consumer group of this service.
const GROUP: &str = "sharing";
/// Clusters taken in one transaction.
const BATCH: usize = 64;
/// How long to wait for clusters before looking for the end.
const WAIT: Duration = Duration::from_millis(500);
/// How often the log is asked how much is left to read.
const LAG_EVERY: Duration = Duration::from_secs(1);
/// More than there are cases.
const ALL_CASES: usize = 1_000_000_000;
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
    /// The file of users is not in order.
    #[error(transparent)]
    Users(#[from] UsersError),
    /// A step was refused.
    #[error(transparent)]
    Illegal(#[from] Illegal),
    /// There is no such case.
    #[error("there is no case about cluster {0:?}")]
    NoCase(String),
    /// There is no such case, or more than one.
    #[error("{0}")]
    Unknown(String),
    /// Cannot listen or serve.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The work was stopped by a panic or by the end of the program.
    #[error("the work was broken off: {0}")]
    Broken(#[from] tokio::task::JoinError),
}

/// What the policy says of a case: its id or that of its cluster, or as much of the beginning as no other has. Changes nothing in
/// the store, in particular not who its partners are. Blocks.
pub fn explain(config: &Config, case: &str, now: Timestamp) -> Result<Explanation, SharingError> {
    config.check().map_err(SharingError::Config)?;
    let policy = config.policy().map_err(SharingError::Config)?;
    let file = !config.database.starts_with("postgres");
    if file && !std::path::Path::new(&config.database).exists() {
        return Err(SharingError::Unknown(format!(
            "there is no sharing database at {}: name the configuration of the service with --config, or start it once",
            config.database
        )));
    }
    let store = Store::open(&config.database)?;
    let stored = match store.case(case)? {
        Some(stored) => stored,
        None => {
            let cluster = find_case(&store, case)?;
            store.case(&cluster)?.ok_or(SharingError::NoCase(cluster))?
        }
    };
    Ok(Explanation::of(&stored, &policy, now))
}

/// The cluster of the one case that a reviewer means.
fn find_case(store: &Store, wanted: &str) -> Result<String, SharingError> {
    let (rows, _) = store.cases(&CaseQuery { limit: ALL_CASES, ..CaseQuery::default() })?;
    if let Some(row) = rows.iter().find(|row| row.case_id == wanted) {
        return Ok(row.cluster_id.clone());
    }
    let begins = |id: &str| !wanted.is_empty() && id.starts_with(wanted);
    let found: Vec<&CaseRow> = rows.iter().filter(|row| begins(&row.case_id) || begins(&row.cluster_id)).collect();
    match found.as_slice() {
        [one] => Ok(one.cluster_id.clone()),
        [] => {
            let newest: Vec<&str> = rows.iter().take(3).map(|row| row.cluster_id.as_str()).collect();
            Err(SharingError::Unknown(match newest.as_slice() {
                [] => format!("there is no case {wanted:?}: there is none at all yet"),
                _ => format!(
                    "there is no case {wanted:?}, by its id or its cluster's: there {} {}, the newest about {}",
                    if rows.len() == 1 { "is" } else { "are" },
                    rows.len(),
                    newest.join(", ")
                ),
            }))
        }
        [first, second, ..] => Err(SharingError::Unknown(format!(
            "{} cases begin with {wanted:?}, for example {} and {}: give more of the id",
            found.len(),
            first.cluster_id,
            second.cluster_id
        ))),
    }
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

/// The sharing service. Cheap to clone.
#[derive(Clone)]
pub struct Sharing {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub config: Config,
    pub policy: Policy,
    pub store: Store,
    pub metrics: Metrics,
    pub access: Access,
}

impl Sharing {
    /// Opens the store, brings its tables up to date and makes its partners those of the configuration. Blocks.
    pub fn open(config: Config, metrics: &runtime::metrics::Metrics) -> Result<Self, SharingError> {
        config.check().map_err(SharingError::Config)?;
        let policy = config.policy().map_err(SharingError::Config)?;
        let metrics = Metrics::new(metrics)?;
        let store = Store::open(&config.database)?;
        store.set_partners(&policy.partners())?;
        store.index_cases()?;
        if !config.partners.is_empty() {
            tracing::warn!(
                "sharing.partners is read as recipients of class platform: name them in a file of recipients instead \
                 (sharing.recipients, see config/sharing.toml)"
            );
        }
        if config.reviewers == Reviewers::Demo {
            tracing::warn!("demo reviewers approve and release every case, no person looks");
        }
        let access = Access::open(&config)?;
        let sharing = Self { inner: Arc::new(Inner { config, policy, store, metrics, access }) };
        sharing.inner.count_cases();
        Ok(sharing)
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
        self.blocking(move |inner| inner.step(&cluster_id, None, step, &by, Timestamp::now())).await
    }

    /// The same for somebody who saw the case at that revision: refused as a conflict where it was changed since.
    pub(crate) async fn step_seen(
        &self,
        cluster_id: &str,
        seen: i64,
        step: Step,
        by: &str,
    ) -> Result<State, SharingError> {
        let (cluster_id, by) = (cluster_id.to_owned(), by.to_owned());
        self.blocking(move |inner| inner.step(&cluster_id, Some(seen), step, &by, Timestamp::now())).await
    }

    /// Checks the audit log: how many entries it has and its last seal, or where it is broken.
    pub async fn verify_audit(&self) -> Result<Result<(i64, String), Broken>, SharingError> {
        self.blocking(|inner| Ok(inner.store.verify_audit()?)).await
    }

    /// Reads `clusters.flagged` until `shutdown`. A case is stored before the offset that brought it is committed, so a crash
    /// between the two brings the cluster again, and the second time changes nothing.
    pub async fn run(&self, log: runtime::Log, shutdown: Shutdown) -> Result<(), SharingError> {
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
            let batch = records.iter().filter_map(|record| self.inner.decode(record)).collect();
            if let Err(error) = self.on_clusters(batch).await {
                self.inner.metrics.errors.with_label_values(&["store"]).inc();
                return Err(error);
            }
            if let Err(error) = consumer.publish_and_commit(Vec::new()).await {
                self.inner.metrics.errors.with_label_values(&["log"]).inc();
                if !error.is_retryable() {
                    return Err(error.into());
                }
                // The records come again, and nothing is doubled.
                tracing::warn!(%error, "offsets were not committed, the clusters will come again");
            }
        }
        consumer.close().await?;
        Ok(())
    }

    /// Listens where the configuration says.
    pub async fn bind(&self) -> Result<TcpListener, SharingError> {
        Ok(http::listen(self.inner.config.listen).await?)
    }

    /// Serves console, JSON API and TAXII until `shutdown`, then lets requests under way end.
    pub async fn serve(&self, listener: TcpListener, shutdown: Shutdown) -> Result<(), SharingError> {
        access::serve(self.clone(), listener, shutdown).await;
        Ok(())
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
        // people decide, they do so on the console.
        let absorbed: BTreeMap<&str, &str> = newest
            .values()
            .filter(|_| self.config.reviewers == Reviewers::Demo)
            .flat_map(|by| by.lineage.iter().map(|gone| (gone.as_str(), by.cluster_id.as_str())))
            .collect();
        let partners = self.store.partners()?;
        let mut attempt = 1;
        let outcomes = loop {
            let mut outcomes = Outcomes::default();
            let mut changes = Vec::new();
            for cluster in newest.values().filter(|cluster| !absorbed.contains_key(cluster.cluster_id.as_str())) {
                let known = self.store.case(&cluster.cluster_id)?;
                let is_new = known.is_none();
                if let Some(change) = on_cluster(known, cluster, &self.config, &self.policy, &partners, now)? {
                    changes.push(change);
                    *(if is_new { &mut outcomes.opened } else { &mut outcomes.updated }) += 1;
                }
            }
            for (gone, by) in &absorbed {
                changes.extend(on_absorbed(self.store.case(gone)?, by, &self.config, &self.policy, &partners, now)?);
            }
            outcomes.rejected = rejected;
            outcomes.known = size - outcomes.opened - outcomes.updated - rejected;
            match self.store.commit(&changes, now) {
                Ok(added) => {
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

    fn step(
        &self,
        cluster_id: &str,
        seen: Option<i64>,
        step: Step,
        by: &str,
        now: Timestamp,
    ) -> Result<State, SharingError> {
        let mut stored = self.store.case(cluster_id)?.ok_or_else(|| SharingError::NoCase(cluster_id.to_owned()))?;
        if seen.is_some_and(|seen| seen != stored.revision) {
            return Err(StoreError::Conflict(stored.case.id).into());
        }
        let now = after(&stored.case, now);
        let publishes = matches!(step, Step::Release | Step::Update);
        let retracts = matches!(step, Step::Retract { .. });
        let entries = vec![stored.case.take(step, by, &self.policy.terms(&stored.cluster), now)?];
        let partners = self.store.partners()?;
        let publish = if publishes {
            share(&mut stored, &self.config, &self.policy, &partners, now)
        } else if retracts {
            withdraw(&mut stored, &self.config, &self.policy, &partners, now)
        } else {
            Vec::new()
        };
        let state = stored.case.state;
        let change = Change { stored, entries, publish };
        let added = self.store.commit(&[change], now)?;
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

/// What a flagged cluster changes. Pure; `None` where it changes nothing.
fn on_cluster(
    known: Option<StoredCase>,
    cluster: &ClusterMessage,
    config: &Config,
    policy: &Policy,
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
            stored.cluster = cluster.clone();
            (stored, now)
        }
    };
    let terms = policy.terms(cluster);
    let mut publish = Vec::new();
    if config.reviewers == Reviewers::Demo && cluster.status == Status::Flagged {
        let (reviewed, released) = demo::review(&mut stored.case, &terms, now);
        entries.extend(reviewed);
        if released {
            publish = share(&mut stored, config, policy, partners, now);
        }
    } else if config.reviewers == Reviewers::Demo
        && let Some(retracted) =
            demo::retract(&mut stored.case, format!("version {} is flagged no longer", cluster.version), &terms, now)?
    {
        entries.push(retracted);
        publish = withdraw(&mut stored, config, policy, partners, now);
    }
    Ok(Some(Change { stored, entries, publish }))
}

/// The case of a cluster that became part of another: what was shared of it is withdrawn.
fn on_absorbed(
    known: Option<StoredCase>,
    by: &str,
    config: &Config,
    policy: &Policy,
    partners: &[PartnerRow],
    now: Timestamp,
) -> Result<Option<Change>, Illegal> {
    let Some(mut stored) = known else { return Ok(None) };
    let now = after(&stored.case, now);
    let reason = format!("its cluster became part of {by}");
    let Some(entry) = demo::retract(&mut stored.case, reason, &policy.terms(&stored.cluster), now)? else {
        return Ok(None);
    };
    let publish = withdraw(&mut stored, config, policy, partners, now);
    Ok(Some(Change { stored, entries: vec![entry], publish }))
}

/// Objects for every platform that the policy told of the version just released.
fn share(
    stored: &mut StoredCase,
    config: &Config,
    policy: &Policy,
    partners: &[PartnerRow],
    now: Timestamp,
) -> Vec<(i64, Vec<crate::store::NewObject>)> {
    let told = |name: &str| stored.case.told.as_ref()?.get(name).copied();
    let told_now = |name: &str| told(name).is_some_and(|versions| versions.last == stored.case.version);
    let publish = for_partners(stored, config, policy, partners, now, told_now, |p| p.objects());
    if let Some(before) = &stored.released {
        stix::note_withdrawn(&mut stored.case, before, Some(&stored.cluster));
    }
    stored.released = Some(stored.cluster.clone());
    publish
}

/// Revoked versions of everything that platforms have, for every one that was told, whatever the policy would say of it today.
fn withdraw(
    stored: &mut StoredCase,
    config: &Config,
    policy: &Policy,
    partners: &[PartnerRow],
    now: Timestamp,
) -> Vec<(i64, Vec<crate::store::NewObject>)> {
    let Some(before) = stored.released.clone() else {
        return Vec::new();
    };
    // Partners have the released version; a newer one that was never shared is nothing to them.
    let shared = StoredCase { cluster: before.clone(), ..stored.clone() };
    let told = |name: &str| stored.case.told.as_ref().is_none_or(|told| told.contains_key(name));
    let publish = for_partners(&shared, config, policy, partners, now, told, |p| p.retraction());
    stix::note_withdrawn(&mut stored.case, &before, None);
    publish
}

fn for_partners(
    stored: &StoredCase,
    config: &Config,
    policy: &Policy,
    partners: &[PartnerRow],
    now: Timestamp,
    told: impl Fn(&str) -> bool,
    objects: impl Fn(&stix::Publication) -> Vec<crate::store::NewObject>,
) -> Vec<(i64, Vec<crate::store::NewObject>)> {
    // A platform that is told for the first time has no earlier version, whatever others have.
    let had = |name: &str, version: u32| {
        stored.case.told.as_ref().is_none_or(|told| told.get(name).is_some_and(|versions| versions.first <= version))
    };
    partners
        .iter()
        .filter(|partner| told(&partner.name))
        .map(|partner| {
            let publication = stix::Publication {
                identity: &config.identity,
                tlp: policy.rules.class(Class::Platform).tlp,
                valid_days: config.valid_days,
                partner: &partner.name,
                platform: &partner.platform,
                pseudonym_key: &partner.pseudonym_key,
                case: &stored.case,
                cluster: &stored.cluster,
                before: stored.released.as_ref().filter(|before| had(&partner.name, before.version)),
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
mod tests;
