//! The driver: records of `posts` in, clusters and dead letters out, committed together.
//!
//! **After a crash** the engine is rebuilt from the log: every post up to the committed offsets is read again and its clusters are
//! thrown away, because they were published when the offsets were committed. From there on it is as if nothing had happened. The
//! price is a start that takes as long as the topic's retention takes to read.
//!
//! **Event time** is the least of the partitions' newest post times, so that a partition that is read ahead of another does not
//! make the other's posts late, be it after a crash or after a stop of hours. A partition that has been read to its end and then
//! stayed silent for [`IDLE`] holds nothing back.
//!
//! One process detects for a whole deployment: each needs every post.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use coordination::{Millis, Outcome, Stats};
use jiff::Timestamp;
use messages::{
    cluster::{ClusterError, ClusterMessage, Status},
    dead_letter::{DeadLetter, Source},
    post,
    topics::{CLUSTERS, CLUSTERS_FLAGGED, POSTS, POSTS_DEAD_LETTER},
};
use runtime::{Cleanup, Consumer, Log, LogError, NewRecord, Record, TopicSpec, admin::Check, shutdown::Shutdown};
use tokio::sync::watch;

use crate::{
    config::{Config, StartError},
    metrics::DetectorMetrics,
    pipeline::Pipeline,
};

/// The detector's consumer group.
pub const GROUP: &str = "detector";

/// How long a poll waits for records.
const WAIT: Duration = Duration::from_millis(250);
/// A partition read to its end and silent for this long, by the wall clock, no longer holds event time back.
const IDLE: Duration = Duration::from_secs(30);
/// How often the lag is asked for, which costs a round trip.
const LAG_EVERY: Duration = Duration::from_secs(2);
/// Failures to publish in a row before the service gives up.
const TRIES: u32 = 5;
/// Largest cluster message: what Kafka takes by default, less the record's own overhead.
const MOST_BYTES: usize = 900 * 1024;
const DAY: Duration = Duration::from_secs(86_400);

/// Creates the topics that the detector reads and writes, where they are missing.
pub async fn create_topics(log: &Log) -> Result<(), LogError> {
    let topic = |name, partitions, cleanup, days: Option<u32>| TopicSpec {
        name,
        partitions,
        cleanup,
        retention: days.map(|days| DAY * days),
    };
    log.create_topics(&[
        topic(POSTS, 4, Cleanup::Delete, Some(30)),
        topic(POSTS_DEAD_LETTER, 1, Cleanup::Delete, Some(90)),
        topic(CLUSTERS, 1, Cleanup::Compact, None),
        topic(CLUSTERS_FLAGGED, 1, Cleanup::Delete, Some(3 * 365)),
        topic(messages::topics::FEEDBACK, 1, Cleanup::Compact, None),
    ])
    .await
}

/// Why the detector stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// It could not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The log failed, and trying again did not help.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A cluster cannot be written.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

/// The detector service.
pub struct Service {
    log: Log,
    pipeline: Pipeline,
    metrics: DetectorMetrics,
    batch: usize,
    future_tolerance: Millis,
    clock: EventClock,
    shown: Stats,
    /// Clusters found but not yet published: they outlive a failed commit, because the engine will not find them again.
    unpublished: Vec<ClusterMessage>,
    /// Clusters that were ever published as flagged.
    flagged: BTreeSet<String>,
    /// What was last published of each cluster.
    statuses: BTreeMap<String, Status>,
    /// Failures to publish in a row.
    failures: u32,
}

impl Service {
    /// A service on a log whose topics exist.
    pub fn new(log: Log, config: &Config, metrics: DetectorMetrics) -> Result<Service, StartError> {
        Ok(Service {
            log,
            pipeline: Pipeline::new(config)?,
            metrics,
            batch: config.batch.max(1),
            future_tolerance: (config.future_tolerance_s as Millis).saturating_mul(1_000),
            clock: EventClock::default(),
            shown: Stats::default(),
            unpublished: Vec::new(),
            flagged: BTreeSet::new(),
            statuses: BTreeMap::new(),
            failures: 0,
        })
    }

    /// Works until told to stop. `ended` turns true when no more posts will come, as in a replay: when all have been read,
    /// event time is moved on until every open test has closed, and `done` is told.
    pub async fn run(
        mut self,
        ready: Check,
        shutdown: Shutdown,
        mut ended: watch::Receiver<bool>,
        done: watch::Sender<bool>,
    ) -> Result<(), ServiceError> {
        self.rebuild(&shutdown).await?;
        let mut consumer = self.log.consumer(GROUP, &[POSTS]).await?;
        self.clock.ends(&self.log.end_offsets(POSTS).await?);
        ready.ready();
        let mut lag_asked = None::<Instant>;
        while !shutdown.is_stopping() {
            let records = tokio::select! {
                records = consumer.poll(self.batch, WAIT) => records?,
                () = shutdown.stopping() => break,
            };
            let began = Instant::now();
            if lag_asked.is_none_or(|asked| asked.elapsed() >= LAG_EVERY) {
                lag_asked = Some(began);
                self.metrics.lag(GROUP, consumer.lag().await?);
                self.clock.ends(&self.log.end_offsets(POSTS).await?);
            }
            if records.is_empty() {
                self.clock.nothing_left();
                if *ended.borrow_and_update() && consumer.lag().await? == 0 {
                    tokio::task::block_in_place(|| self.pipeline.finish());
                    self.publish(&mut consumer, Vec::new()).await?;
                    self.metrics.lag(GROUP, 0);
                    done.send_replace(true);
                    shutdown.stopping().await;
                    break;
                }
                continue;
            }
            let dead = tokio::task::block_in_place(|| self.take_in(&records, true));
            self.publish(&mut consumer, dead).await?;
            self.metrics.batch(began.elapsed().as_secs_f64());
        }
        consumer.close().await?;
        Ok(())
    }

    /// Brings the engine to where it was when the last offsets were committed.
    async fn rebuild(&mut self, shutdown: &Shutdown) -> Result<(), ServiceError> {
        let committed = self.log.committed(GROUP, POSTS).await?;
        self.clock.ends(&committed.iter().map(|end| end.unwrap_or(0)).collect::<Vec<_>>());
        let mut readers = Vec::new();
        for (partition, end) in committed.iter().enumerate() {
            if let Some(end) = end.filter(|end| *end > 0) {
                readers.push((partition, self.log.read_range(POSTS, partition as i32, 0..end).await?));
            }
        }
        if readers.is_empty() {
            return Ok(());
        }
        tracing::info!(partitions = readers.len(), "rebuilding the engine from the log");
        let began = Instant::now();
        let mut posts = 0;
        // In turns, a batch of each partition at a time, as they were read at first.
        while !readers.is_empty() && !shutdown.is_stopping() {
            let mut open = Vec::with_capacity(readers.len());
            for (partition, mut stream) in readers {
                let mut records = Vec::new();
                let mut more = true;
                while records.len() < self.batch {
                    match futures::StreamExt::next(&mut stream).await {
                        Some(record) => records.push(record?),
                        None => {
                            more = false;
                            break;
                        }
                    }
                }
                posts += records.len();
                tokio::task::block_in_place(|| self.take_in(&records, false));
                if more {
                    open.push((partition, stream));
                }
            }
            readers = open;
        }
        for cluster in self.pipeline.take()? {
            if cluster.status == Status::Flagged {
                self.flagged.insert(cluster.cluster_id.clone());
            }
            self.note(&cluster, false);
        }
        self.shown = self.pipeline.stats();
        tracing::info!(posts, seconds = began.elapsed().as_secs_f64(), "the engine is rebuilt");
        Ok(())
    }

    /// Takes note of a published cluster; it is counted only if it was published just now.
    fn note(&mut self, cluster: &ClusterMessage, live: bool) {
        for gone in &cluster.lineage {
            self.metrics.gone(self.statuses.remove(gone));
        }
        let before = self.statuses.insert(cluster.cluster_id.clone(), cluster.status);
        self.metrics.cluster(cluster, before, live);
    }

    /// Decodes records and hands them to the pipeline; returns the dead letters. Records are counted only if `live`.
    fn take_in(&mut self, records: &[Record], live: bool) -> Vec<NewRecord> {
        let wall = wall_clock();
        let now = self.clock.now;
        let mut dead = Vec::new();
        for record in records {
            self.clock.read(record);
            let value = record.value.as_deref().unwrap_or_default();
            let post = post::decode(value).and_then(|post| {
                if post.created_at > wall.saturating_add(self.future_tolerance) {
                    let reason = format!(
                        "lies more than {} s in the future; check the clock it comes from",
                        self.future_tolerance / 1_000
                    );
                    return Err(messages::DecodeError::new("created_at", reason, value));
                }
                Ok(post)
            });
            match post {
                Ok(post) => {
                    self.clock.see(record.partition, post.created_at);
                    let outcome = self.pipeline.post(now, &post);
                    if live {
                        self.metrics.post(outcome, value.len(), (wall - post.created_at) as f64 / 1_000.0);
                        if outcome == Outcome::TooLate {
                            tracing::debug!(post = %post.id, "post came too late to count");
                        }
                    }
                }
                Err(error) => {
                    if live {
                        self.metrics.dead_letter(value.len());
                    }
                    dead.push(dead_letter(record, value, &error));
                }
            }
        }
        self.clock.advance();
        self.pipeline.time(self.clock.now);
        dead
    }

    /// Publishes what was found and commits what was read, in one piece.
    async fn publish(&mut self, consumer: &mut Consumer, mut outputs: Vec<NewRecord>) -> Result<(), ServiceError> {
        for cluster in self.pipeline.take()? {
            self.unpublished.push(cluster.within(MOST_BYTES)?);
        }
        for cluster in &self.unpublished {
            let value = cluster.encode()?;
            let record = |topic: &str| NewRecord::new(topic, cluster.cluster_id.as_bytes(), value.clone());
            outputs.push(record(CLUSTERS));
            // Who was told that a cluster is flagged is told when it no longer is.
            if cluster.status == Status::Flagged || self.flagged.contains(&cluster.cluster_id) {
                self.flagged.insert(cluster.cluster_id.clone());
                outputs.push(record(CLUSTERS_FLAGGED));
            }
            // A cluster that became part of this one is no longer a cluster of its own.
            outputs.extend(cluster.lineage.iter().map(|gone| NewRecord {
                topic: Arc::from(CLUSTERS),
                key: gone.clone().into_bytes(),
                value: None,
                headers: Vec::new(),
            }));
        }
        match consumer.publish_and_commit(outputs).await {
            Ok(()) => self.failures = 0,
            Err(error) if error.is_retryable() && self.failures < TRIES => {
                // The records come again: the engine knows their posts by id and takes no second notice, the dead letters
                // are made anew, and the clusters found wait here.
                self.failures += 1;
                tracing::warn!(%error, failures = self.failures, "publishing failed, the batch comes again");
                tokio::time::sleep(Duration::from_millis(100 << self.failures)).await;
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        for cluster in std::mem::take(&mut self.unpublished) {
            self.note(&cluster, true);
            tracing::info!(
                cluster = %cluster.cluster_id,
                version = cluster.version,
                status = ?cluster.status,
                accounts = cluster.accounts.len(),
                probability = cluster.probability,
                "cluster published"
            );
        }
        let stats = self.pipeline.stats();
        self.metrics.engine(&self.shown, &stats);
        self.shown = stats;
        Ok(())
    }
}

/// Event time over several partitions.
#[derive(Default)]
struct EventClock {
    now: Millis,
    partitions: BTreeMap<i32, Progress>,
}

/// How far a partition has been read.
struct Progress {
    /// Time of its newest post.
    newest: Millis,
    /// Offset of its next record.
    next: i64,
    /// Since when all that it has is read; `None` while there is more.
    at_end: Option<Instant>,
}

impl EventClock {
    fn partition(&mut self, number: i32) -> &mut Progress {
        let unread = Progress { newest: Millis::MIN, next: 0, at_end: None };
        self.partitions.entry(number).or_insert(unread)
    }

    /// Takes note of where the partitions end.
    fn ends(&mut self, ends: &[i64]) {
        for (number, end) in (0..).zip(ends) {
            let partition = self.partition(number);
            if partition.next >= *end {
                partition.at_end.get_or_insert_with(Instant::now);
            }
        }
    }

    /// Nothing came although it was waited for. Ends alone would not tell: on Kafka they also count what is no record.
    fn nothing_left(&mut self) {
        for partition in self.partitions.values_mut() {
            partition.at_end.get_or_insert_with(Instant::now);
        }
    }

    fn read(&mut self, record: &Record) {
        let partition = self.partition(record.partition);
        partition.next = record.offset + 1;
        partition.at_end = None;
    }

    fn see(&mut self, partition: i32, at: Millis) {
        let partition = self.partition(partition);
        partition.newest = partition.newest.max(at);
    }

    /// Never back.
    fn advance(&mut self) {
        let active = self.partitions.values().filter(|p| p.at_end.is_none_or(|since| since.elapsed() < IDLE));
        if let Some(least) = active.map(|partition| partition.newest).min() {
            self.now = self.now.max(least);
        }
    }
}

fn dead_letter(record: &Record, value: &[u8], error: &messages::DecodeError) -> NewRecord {
    let source = Source::Record { topic: record.topic.to_string(), partition: record.partition, offset: record.offset };
    let letter = DeadLetter::new(value, error, source, Timestamp::now());
    let mut headers = record.headers.clone();
    headers.extend(letter.headers());
    NewRecord { topic: Arc::from(POSTS_DEAD_LETTER), key: record.key.clone(), value: Some(letter.value), headers }
}

fn wall_clock() -> Millis {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as Millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(clock: &mut EventClock, partition: i32, offset: i64, at: Millis) {
        let (key, value, headers) = (Vec::new(), None, Vec::new());
        clock.read(&Record { topic: Arc::from(POSTS), partition, offset, key, value, headers, timestamp: 0 });
        clock.see(partition, at);
        clock.advance();
    }

    #[test]
    fn event_time_waits_for_the_partition_that_is_read_last() {
        let mut clock = EventClock::default();
        clock.ends(&[2, 1, 0]);
        let silent = Instant::now().checked_sub(IDLE).unwrap();
        clock.partition(2).at_end = Some(silent);
        read(&mut clock, 0, 0, 10);
        read(&mut clock, 0, 1, 20);
        assert_eq!(clock.now, 0, "the second has not been read");
        read(&mut clock, 1, 0, 12);
        assert_eq!(clock.now, 12);
        clock.ends(&[9, 1, 0]);
        read(&mut clock, 0, 2, 30);
        assert_eq!(clock.now, 12, "the second ended a moment ago");
        clock.partition(1).at_end = Some(silent);
        read(&mut clock, 0, 3, 40);
        assert_eq!(clock.now, 40);
        read(&mut clock, 1, 1, 35);
        assert_eq!(clock.now, 40, "it never goes back");
    }
}
