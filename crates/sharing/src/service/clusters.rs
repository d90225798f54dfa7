//! Flagged clusters in, cases out.

use std::{collections::BTreeMap, sync::Arc};

use casework::{Effects, Reviewers, case::Case};
use jiff::Timestamp;
use messages::{
    DecodeError,
    cluster::ClusterMessage,
    dead_letter::{DeadLetter, Source},
    topics,
};
use runtime::{NewRecord, Record, shutdown::Shutdown};

use super::{Inner, Sharing, SharingError, reading::Reading};
use crate::{
    fault_injection,
    store::{Change, StoreError},
};

/// The consumer group of this service.
pub const GROUP: &str = "sharing";

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
        let mut reading = Reading::new(self, log, (GROUP, topics::CLUSTERS_FLAGGED), shutdown).await?;
        while let Some(records) = reading.next().await? {
            fault_injection::crash_at("after poll");
            let (batch, dead) = self.inner.decode(&records, Timestamp::now());
            // The reviewers of the demo approve at once, and an approval covers the texts that are kept by then.
            if self.inner.config.reviewers == Reviewers::Demo {
                self.keep_posts_before_review(log, &batch).await;
            }
            let store = || {
                let batch = batch.clone();
                async { self.on_clusters(batch).await.map(drop) }
            };
            if !reading.store("store", "flagged clusters cannot be stored, it is tried again", store).await? {
                break;
            }
            fault_injection::crash_at("before the offset is committed");
            let letters = dead.len() as u64;
            if !reading.commit(dead).await? {
                continue;
            }
            // Counted where they are on their topic, once.
            self.inner.metrics.clusters.with_label_values(&["dead_letter"]).inc_by(letters);
            fault_injection::crash_at("after the offset is committed");
        }
        reading.close().await
    }
}

impl Inner {
    /// The clusters of records, and the dead letters of those that cannot be read.
    fn decode(&self, records: &[Record], now: Timestamp) -> (Vec<ClusterMessage>, Vec<NewRecord>) {
        let (mut clusters, mut dead) = (Vec::new(), Vec::new());
        for record in records {
            // A record without a value deletes a key; there is nothing to read.
            let Some(value) = record.value.as_deref() else { continue };
            match ClusterMessage::decode(value) {
                Ok(mut cluster) => {
                    if let Err(error) = cluster.set_positions(&record.headers) {
                        tracing::warn!(cluster = %cluster.cluster_id, %error, "where its posts stand on the log is not known");
                    }
                    clusters.push(cluster);
                }
                Err(error) => {
                    tracing::error!(
                        topic = %record.topic,
                        partition = record.partition,
                        offset = record.offset,
                        %error,
                        "a flagged cluster cannot be read, no case is opened for it; it goes to the dead letters"
                    );
                    dead.push(dead_letter(record, value, &error, now));
                }
            }
        }
        (clusters, dead)
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
        // Clusters that became part of another are told by that one's case.
        let demo = self.config.reviewers == Reviewers::Demo;
        let absorbed: BTreeMap<&str, &str> = newest
            .values()
            .flat_map(|by| by.lineage.iter().map(|gone| (gone.as_str(), by.cluster_id.as_str())))
            .collect();
        let partners = self.store.partners()?;
        let settings = self.settings();
        let mut attempt = 1;
        let outcomes = loop {
            let mut outcomes = Outcomes::default();
            let mut all: Vec<Effects> = Vec::new();
            for cluster in newest.values().filter(|of| !demo || !absorbed.contains_key(of.cluster_id.as_str())) {
                let known = self.store.case(&cluster.cluster_id)?;
                let is_new = known.is_none();
                if let Some(effects) = Case::on_cluster(known, cluster, &settings, now)? {
                    all.push(effects);
                    *(if is_new { &mut outcomes.opened } else { &mut outcomes.updated }) += 1;
                }
            }
            for (gone, by) in &absorbed {
                // Its own last word may be in the same batch: both are one change then.
                let same_batch = all.iter().position(|effects| effects.record.case.cluster_id == *gone);
                let effects = match (same_batch, self.store.case(gone)?) {
                    (Some(index), _) => all.swap_remove(index).and_absorbed(by, &settings, now)?,
                    (None, Some(record)) => record.on_absorbed(by, &settings, now)?,
                    (None, None) => continue,
                };
                all.extend(effects);
            }
            let changes: Result<Vec<Change>, SharingError> =
                all.into_iter().map(|effects| self.change_of(effects, &partners)).collect();
            let changes = changes?;
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

/// The dead letter of a record: its value, key and headers, with the reason. Headers that would make it too large for the log are left
/// out; they still stand where the record came from.
pub(super) fn dead_letter(record: &Record, value: &[u8], error: &DecodeError, now: Timestamp) -> NewRecord {
    let source = Source::Record { topic: record.topic.to_string(), partition: record.partition, offset: record.offset };
    let letter = DeadLetter::new(value, error, source, now);
    let own = letter.headers();
    let record = NewRecord {
        topic: Arc::from(topics::CLUSTERS_DEAD_LETTER),
        key: record.key.clone(),
        headers: record.headers.iter().cloned().chain(own.clone()).collect(),
        value: Some(letter.value),
    };
    match record.size() <= runtime::MAX_RECORD_BYTES {
        true => record,
        false => NewRecord { key: Vec::new(), headers: own, ..record },
    }
}
