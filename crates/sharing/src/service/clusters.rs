//! Flagged clusters in, cases out.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use casework::{
    Reviewers,
    attention::{self, Why},
    case::{Case, Illegal},
    demo,
    policy::Policy,
};
use jiff::Timestamp;
use messages::{
    cluster::{ClusterMessage, Status},
    topics,
};
use runtime::shutdown::Shutdown;

use super::{
    Inner, Sharing, SharingError,
    publishing::{after, share, withdraw},
};
use crate::{
    config::Config,
    fault_injection,
    store::{Change, PartnerRow, StoreError, StoredCase},
};

/// The consumer group of this service.
pub(super) const GROUP: &str = "sharing";

/// Clusters taken in one transaction.
const BATCH: usize = 64;

/// How long to wait for clusters before looking for the end.
const WAIT: Duration = Duration::from_millis(500);

/// How often the log is asked how much is left to read.
const LAG_EVERY: Duration = Duration::from_secs(1);

/// How often a transaction is tried again when somebody else changed the same case.
const ATTEMPTS: usize = 5;

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

impl Sharing {
    /// Takes flagged clusters into cases. The same version twice doubles nothing; a newer version updates its case. When it
    /// returns, everything is on the disk.
    pub async fn on_clusters(&self, batch: Vec<ClusterMessage>) -> Result<Outcomes, SharingError> {
        self.blocking(move |inner| inner.on_clusters(batch, Timestamp::now())).await
    }

    /// Reads `clusters.flagged` until `shutdown`. A case is stored before the offset that brought it is committed, so a crash
    /// between the two brings the cluster again, and the second time changes nothing.
    pub(crate) async fn read_clusters(&self, log: &runtime::Log, shutdown: &Shutdown) -> Result<(), SharingError> {
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
            fault_injection::crash_at("after poll");
            let batch = records.iter().filter_map(|record| self.inner.decode(record)).collect();
            if let Err(error) = self.on_clusters(batch).await {
                self.inner.metrics.errors.with_label_values(&["store"]).inc();
                return Err(error);
            }
            fault_injection::crash_at("before the offset is committed");
            if let Err(error) = consumer.publish_and_commit(Vec::new()).await {
                self.inner.metrics.errors.with_label_values(&["log"]).inc();
                if !error.is_retryable() {
                    return Err(error.into());
                }
                // The records come again, and nothing is doubled.
                tracing::warn!(%error, "offsets were not committed, the clusters will come again");
            }
            fault_injection::crash_at("after the offset is committed");
        }
        consumer.close().await?;
        Ok(())
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
                change.entries.extend(change.stored.case.ask_attention(Why::Absorbed, text, now));
                if !change.entries.is_empty() {
                    changes.push(change);
                }
            }
            outcomes.rejected = rejected;
            outcomes.known = size - outcomes.opened - outcomes.updated - rejected;
            match self.store.commit(&changes, now) {
                Ok(added) => {
                    fault_injection::crash_at("after the case is stored");
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
            entries.extend(attention::on_status(&mut stored.case, cluster.status, config.reviewers, now));
            stored.cluster = cluster.clone();
            (stored, now)
        }
    };
    let terms = policy.terms(cluster);
    let mut publish = Vec::new();
    if config.reviewers == Reviewers::Demo && cluster.status == Status::Flagged {
        let demo::Reviewed { entries: reviewed, released, refused } = demo::review(&mut stored.case, &terms, now);
        if let Some(refused) = refused {
            tracing::warn!(%refused, "the demo's reviewers cannot go on with a case, it waits for people");
        }
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
