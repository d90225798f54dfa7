//! The service: flagged clusters in, cases and objects out.

mod act;

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
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
    audit::{Broken, Entry},
    case::{Case, Illegal, State, Step},
    config::{Config, Reviewers},
    crash, demo,
    documents::{self, Document, DocumentError},
    expiry, feedback,
    metrics::Metrics,
    policy::{Class, Explanation, Policy, Product},
    retraction, stix,
    store::{CaseQuery, CaseRow, Change, PartnerRow, ReviewerWord, Store, StoreError, StoredCase},
    taxii::Site,
    webhooks,
};

pub(crate) use act::Act;

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
    /// The seed is wrong.
    #[error("{0}")]
    Seed(String),
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
    /// There is no such case, recipient or document, or more than one.
    #[error("{0}")]
    Unknown(String),
    /// A document cannot be made.
    #[error(transparent)]
    Document(#[from] DocumentError),
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

/// What the policy says of a case: its id or that of its cluster, or as much of the beginning as no other has. Changes nothing in
/// the store, in particular not who its partners are. Blocks.
pub fn explain(config: &Config, case: &str, now: Timestamp) -> Result<Explanation, SharingError> {
    let (policy, stored) = look_up(config, case)?;
    Ok(Explanation::of(&stored, &policy, now))
}

/// The documents that a recipient gets of a case: of the version that was released, or of the newest one where none was or
/// `newest` asks for it; those say that they are drafts. `product` picks one. Changes nothing in the store. Blocks.
pub fn make_documents(
    config: &Config,
    case: &str,
    recipient: &str,
    product: Option<Product>,
    newest: bool,
    now: Timestamp,
) -> Result<Vec<(Product, Document)>, SharingError> {
    let (policy, stored) = look_up(config, case)?;
    documents_of(config, &policy, &stored, recipient, product, newest, now)
}

/// The same of a case that is at hand.
pub(crate) fn documents_of(
    config: &Config,
    policy: &Policy,
    stored: &StoredCase,
    recipient: &str,
    product: Option<Product>,
    newest: bool,
    now: Timestamp,
) -> Result<Vec<(Product, Document)>, SharingError> {
    let Some(recipient) = policy.recipients.iter().find(|known| known.name == recipient) else {
        let known: Vec<&str> = policy.recipients.iter().map(|known| known.name.as_str()).collect();
        return Err(SharingError::Unknown(format!(
            "there is no recipient {recipient:?}; {}",
            if known.is_empty() {
                "there is none at all".to_owned()
            } else {
                format!("there are {}", known.join(", "))
            }
        )));
    };
    let rule = policy.rules.class(recipient.class);
    let case = &stored.case;
    let outcome = Explanation::of(stored, policy, now).outcome;
    let decision = outcome.recipients.iter().find(|decision| decision.recipient == recipient.name);
    let was_told = case.told.as_ref().is_some_and(|told| told.contains_key(&recipient.name));
    if !was_told && !decision.is_some_and(|decision| decision.told) {
        return Err(SharingError::Unknown(format!(
            "{} is not told of {}: `lockstep policy explain {}` says by which rule",
            recipient.name, case.id, case.cluster_id
        )));
    }
    let gets = |product: &Product| rule.products.contains(product) && *product != Product::PlatformFeed;
    let products: Vec<Product> = match product {
        Some(product) if gets(&product) => vec![product],
        None if rule.products.iter().any(gets) => rule.products.iter().copied().filter(gets).collect(),
        _ => {
            let all: Vec<&str> = rule.products.iter().map(|product| product.label()).collect();
            return Err(SharingError::Unknown(format!(
                "{} gets {}: add the product to classes.{}.products in the file that sharing.recipients names",
                recipient.name,
                text_format::list(&all),
                recipient.class.name()
            )));
        }
    };
    let cluster = stored.released.as_ref().filter(|_| !newest).unwrap_or(&stored.cluster);
    let before = stored.released.as_ref().filter(|released| was_told && released.version < cluster.version);
    let statements = decision.map(|decision| &*decision.statements).unwrap_or_default();
    let make = |product: Product| {
        let document = documents::render(&documents::Request {
            identity: &config.identity,
            contact: &config.contact,
            case,
            cluster,
            before,
            recipient,
            product,
            shows: rule.shows,
            tlp: rule.tlp,
            statements,
        })?;
        Ok((product, document))
    };
    products.into_iter().map(make).collect()
}

/// The policy, and the case that a reviewer means.
fn look_up(config: &Config, case: &str) -> Result<(Policy, StoredCase), SharingError> {
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
    Ok((policy, stored))
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

/// Objects by number of the collection.
pub(crate) type Publish = Vec<(i64, Vec<crate::store::NewObject>)>;

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
    /// What the TAXII server says of itself.
    pub site: Site,
    /// The log, once the service runs on one.
    pub log: OnceLock<runtime::Log>,
}

impl Sharing {
    /// Opens the store, brings its tables up to date and makes its partners those of the configuration. Blocks.
    pub fn open(config: Config, metrics: &runtime::metrics::Metrics) -> Result<Self, SharingError> {
        let sharing = Self::attach(config, metrics)?;
        let Inner { config, policy, store, .. } = &*sharing.inner;
        store.set_partners(&policy.partners())?;
        store.index_cases()?;
        if !config.partners.is_empty() {
            tracing::warn!(
                "sharing.partners is read as recipients of class platform: name them in a file of recipients instead \
                 (sharing.recipients, see config/sharing.toml)"
            );
        }
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
        let mut store = Store::open(&config.database)?;
        store.retraction_due = SignedDuration::from_hours(i64::from(config.retraction_due_h));
        let site = Site::open(&config, &store)?;
        let access = Access::new(&config);
        Ok(Self { inner: Arc::new(Inner { config, policy, store, metrics, access, site, log: OnceLock::new() }) })
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

    /// Checks the audit log: how many entries it has and its last seal, or where it is broken.
    pub async fn verify_audit(&self) -> Result<Result<(i64, String), Broken>, SharingError> {
        self.blocking(|inner| Ok(inner.store.verify_audit(None)?)).await
    }

    /// Reads `clusters.flagged`, sends webhooks, takes feedback and looks after what runs out, until `shutdown`.
    pub async fn run(&self, log: runtime::Log, shutdown: Shutdown) -> Result<(), SharingError> {
        if self.inner.log.set(log.clone()).is_err() {
            tracing::debug!("the service runs again; posts are read from the log of its first run");
        }
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

    /// Reads certificates and users, and listens where the configuration says.
    pub async fn bind(&self) -> Result<TcpListener, SharingError> {
        self.blocking(|inner| inner.access.prepare(&inner.config)).await?;
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
            Ok(mut cluster) => {
                if let Err(error) = cluster.set_positions(&record.headers) {
                    tracing::warn!(cluster = %cluster.cluster_id, %error, "where its posts stand on the log is not known");
                }
                return Some(cluster);
            }
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
                if let Some(change) = on_cluster(known, cluster, &self.config, &self.policy, &partners, now)? {
                    changes.push(change);
                    *(if is_new { &mut outcomes.opened } else { &mut outcomes.updated }) += 1;
                }
            }
            for (gone, by) in &absorbed {
                if demo {
                    changes.extend(on_absorbed(
                        self.store.case(gone)?,
                        by,
                        &self.config,
                        &self.policy,
                        &partners,
                        now,
                    )?);
                    continue;
                }
                // Its own last word may be in the same batch: both are one change then.
                let known = changes.iter().position(|change: &Change| change.stored.case.cluster_id == *gone);
                let mut change = match (known, self.store.case(gone)?) {
                    (Some(index), _) => changes.swap_remove(index),
                    (None, Some(stored)) => Change { stored, entries: Vec::new(), publish: Vec::new(), word: None },
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

    pub(crate) fn step(
        &self,
        cluster_id: &str,
        seen: Option<i64>,
        step: Step,
        by: &str,
        now: Timestamp,
    ) -> Result<State, SharingError> {
        let note = step.reason().filter(|text| !text.is_empty()).map(|text| text_format::shorten(text, 2_000));
        let word = ReviewerWord { by: by.to_owned(), says: step.says(), note, at: now };
        self.change_saying(cluster_id, seen, now, Some(word), |inner, stored, now| {
            let publishes = matches!(step, Step::Release | Step::Update);
            let retracts = matches!(step, Step::Retract { .. });
            let closes = matches!(step, Step::Close);
            let entries = vec![stored.case.take(step, by, &inner.policy.terms(&stored.cluster), now)?];
            if closes {
                stored.case.settle_attention();
            }
            let partners = inner.store.partners()?;
            let publish = if publishes {
                share(stored, &inner.config, &inner.policy, &partners, now)
            } else if retracts {
                withdraw(stored, &inner.config, &inner.policy, &partners, now)
            } else {
                Vec::new()
            };
            Ok((entries, publish))
        })
    }

    /// Loads a case, changes it, and stores it with what the audit log has to say and what partners get, in one transaction. Nothing
    /// is stored where there is nothing to say, nor where the case is no longer what somebody has `seen`.
    pub(crate) fn change(
        &self,
        cluster_id: &str,
        seen: Option<i64>,
        now: Timestamp,
        work: impl FnOnce(&Inner, &mut StoredCase, Timestamp) -> Result<(Vec<Entry>, Publish), SharingError>,
    ) -> Result<State, SharingError> {
        self.change_saying(cluster_id, seen, now, None, work)
    }

    /// The same, with what somebody says of the finding by it.
    fn change_saying(
        &self,
        cluster_id: &str,
        seen: Option<i64>,
        now: Timestamp,
        word: Option<ReviewerWord>,
        work: impl FnOnce(&Inner, &mut StoredCase, Timestamp) -> Result<(Vec<Entry>, Publish), SharingError>,
    ) -> Result<State, SharingError> {
        let mut stored = self.store.case(cluster_id)?.ok_or_else(|| SharingError::NoCase(cluster_id.to_owned()))?;
        if seen.is_some_and(|seen| seen != stored.revision) {
            return Err(StoreError::Conflict(stored.case.id).into());
        }
        let now = after(&stored.case, now);
        let (entries, publish) = work(self, &mut stored, now)?;
        let state = stored.case.state;
        if entries.is_empty() {
            return Ok(state);
        }
        let added = self.store.commit(&[Change { stored, entries, publish, word }], now)?;
        crash::here("after a release is stored");
        self.metrics.objects.inc_by(added as u64);
        self.count_cases();
        Ok(state)
    }

    /// What every partner that was told gets of a case.
    pub(crate) fn for_partners(
        &self,
        stored: &StoredCase,
        now: Timestamp,
        objects: impl Fn(&stix::Publication) -> Vec<crate::store::NewObject>,
    ) -> Result<Publish, SharingError> {
        let told = |name: &str| stored.case.told.as_ref().is_none_or(|told| told.contains_key(name));
        Ok(for_partners(stored, &self.config, &self.policy, &self.store.partners()?, now, told, objects))
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
            entries.extend(expiry::on_status(&mut stored.case, cluster.status, config.reviewers, now));
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
    Ok(Some(Change { stored, entries, publish, word: None }))
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
    Ok(Some(Change { stored, entries: vec![entry], publish, word: None }))
}

/// Objects for every platform that the policy told of the version just released.
fn share(
    stored: &mut StoredCase,
    config: &Config,
    policy: &Policy,
    partners: &[PartnerRow],
    now: Timestamp,
) -> Publish {
    let cluster = retraction::without(&stored.cluster, &stored.case.left_out);
    stix::note_shared(&mut stored.case, &cluster, now);
    let shared = StoredCase { cluster, ..stored.clone() };
    let told = |name: &str| shared.case.told.as_ref()?.get(name).copied();
    let told_now = |name: &str| told(name).is_some_and(|versions| versions.last == shared.case.version);
    let publish = for_partners(&shared, config, policy, partners, now, told_now, |p| p.objects());
    if let Some(before) = &stored.released {
        stix::note_withdrawn(&mut stored.case, before, Some(&shared.cluster));
    }
    stored.case.settle_attention();
    stored.case.valid_until = Some(expiry::valid_until(&shared.cluster, now, config.valid_days));
    stored.released = Some(shared.cluster);
    publish
}

/// Revoked versions of everything that platforms have, for every one that was told, whatever the policy would say of it today.
fn withdraw(
    stored: &mut StoredCase,
    config: &Config,
    policy: &Policy,
    partners: &[PartnerRow],
    now: Timestamp,
) -> Publish {
    let Some(before) = stored.released.clone() else {
        return Vec::new();
    };
    // Partners have the released version; a newer one that was never shared is nothing to them.
    let shared = StoredCase { cluster: before.clone(), ..stored.clone() };
    let told = |name: &str| stored.case.told.as_ref().is_none_or(|told| told.contains_key(name));
    let publish = for_partners(&shared, config, policy, partners, now, told, |p| p.retraction());
    stix::note_withdrawn(&mut stored.case, &before, None);
    stored.case.settle_attention();
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
) -> Publish {
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
mod crash_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod way_back_tests;
