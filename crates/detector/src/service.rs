//! The driver: records of `posts` in, clusters and dead letters out, committed together.
//!
//! **After a crash** the last [checkpoint](runtime::checkpoint) is taken over and the posts from its offsets up to the committed
//! ones are read again; what is found in them is thrown away, because it was published when they were committed. From there
//! on it is as if nothing had happened. Without a checkpoint that fits (none yet, another version, other parameters, another
//! log) all posts are read again, which takes as long as the topic's retention takes to read.
//!
//! **Event time** is the least of the partitions' newest post times, so that a partition that is read ahead of another does not
//! make the other's posts late, be it after a crash or after a stop of hours. A partition that has been read to its end and then
//! stayed silent for half a minute holds nothing back. Because that goes by the wall clock, event time is committed with the
//! offsets: a replay ends at the event time that the commit had, so that it finds what was published, no more and no less.
//!
//! **A model** that is promoted meanwhile is taken between two batches. The engine asks it which groups are inauthentic, and merges by what
//! it says, so a replay must ask the same: the model's name is committed with the offsets, and a checkpoint is written when another comes
//! into service. Where that model is gone, what stands in the topics of clusters counts all the same: it is read again, and versions go on
//! from there.
//!
//! Two runs give the same clusters, with kills or without, as long as each partition's posts are in order to within the allowed
//! lateness. A post that is further behind is late or not depending on how much was read at a time.
//!
//! One process detects for a whole deployment: each needs every post.

use std::{
    borrow::Cow,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use coordination::{Millis, Outcome, Position, Stats};
use detection::Pipeline;
use jiff::Timestamp;
use messages::{
    cluster::ClusterError,
    dead_letter::{DeadLetter, Source},
    post,
    topics::{CLUSTERS, CLUSTERS_FLAGGED, POSTS, POSTS_DEAD_LETTER},
};
use runtime::{
    Cleanup, Consumer, Log, LogError, NewRecord, Record, TopicSpec,
    admin::Check,
    checkpoint::{CheckpointError, Checkpoints},
    shutdown::Shutdown,
};
use tokio::sync::watch;

use crate::{
    clock::EventClock,
    config::{Config, StartError},
    drift::Window,
    metrics::DetectorMetrics,
    models::{LookOut, Role, Watch},
    state::{Ends, Note, State, StateError},
    told::{Publication, Told},
};

/// The detector's consumer group.
pub const GROUP: &str = "detector";

/// How long a poll waits for records.
const WAIT: Duration = Duration::from_millis(250);
/// How often the lag is asked for, which costs a round trip.
const LAG_EVERY: Duration = Duration::from_secs(2);
/// Failures to publish in a row before the service gives up.
const TRIES: u32 = 5;
/// Largest cluster message: what Kafka takes by default, less the record's own overhead.
const MOST_BYTES: usize = 900 * 1024;
const DAY: Duration = Duration::from_secs(86_400);

mod judging;
mod recovery;

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
    shards: u16,
    clock: EventClock,
    checkpoints: Option<Checkpoints>,
    /// Between two checkpoints.
    every: Duration,
    /// When a checkpoint was last tried.
    tried: Instant,
    /// Since when there is committed work that is in no checkpoint.
    unsaved: Option<Instant>,
    /// See [`Note`].
    lineage: u64,
    shown: Stats,
    /// What is to be published of clusters: it outlives a failed commit, because the engine will not find them again.
    unpublished: Vec<Publication>,
    /// What is published of clusters, and what stands in `unpublished`.
    told: Told,
    /// Where the topics of clusters ended when that was right.
    ends: Ends,
    /// Failures to publish in a row.
    failures: u32,
    /// Where to look for other models, until the service runs.
    look_out: Option<LookOut>,
    /// Between two looks.
    look_every: Duration,
    /// Folder of the model registry.
    models: PathBuf,
    /// What was judged lately.
    window: Window,
    /// Whether the window has changed since it was measured, and when that was.
    measured: (bool, Instant),
}

impl Service {
    /// A service on a log whose topics exist.
    pub fn new(log: Log, config: &Config, metrics: DetectorMetrics) -> Result<Service, StartError> {
        let pipeline = Pipeline::new(&config.detection()).map_err(StartError::from)?;
        let mut look_out = LookOut::new(config, pipeline.model());
        metrics.models.in_service(Role::Active, pipeline.model(), None);
        judging::say_whether_drift_is_measured(pipeline.model());
        let news = look_out.look();
        let mut service = Service {
            log,
            pipeline,
            metrics,
            batch: config.batch.max(1),
            future_tolerance: (config.future_tolerance_s as Millis).saturating_mul(1_000),
            shards: config.shards,
            clock: EventClock::default(),
            checkpoints: match config.checkpoint_every_s {
                0 => None,
                _ => Some(Checkpoints::open(&config.checkpoints)?),
            },
            every: Duration::from_secs(config.checkpoint_every_s),
            tried: Instant::now(),
            unsaved: None,
            lineage: Note::new_lineage(),
            shown: Stats::default(),
            unpublished: Vec::new(),
            told: Told::default(),
            ends: Ends::default(),
            failures: 0,
            look_out: Some(look_out),
            look_every: Duration::from_secs(config.model_check_s),
            models: config.models.clone(),
            window: Window::default(),
            measured: (false, Instant::now()),
        };
        news.into_iter().for_each(|news| service.take_models(news));
        Ok(service)
    }

    /// Works until told to stop. `ended` turns true when no more posts will come, as in a replay: when all have been read,
    /// everything that was found in them is published, and `done` is told.
    pub async fn run(
        mut self,
        ready: Check,
        shutdown: Shutdown,
        mut ended: watch::Receiver<bool>,
        done: watch::Sender<bool>,
    ) -> Result<(), ServiceError> {
        self.recover(&shutdown).await?;
        let mut consumer = self.log.consumer(GROUP, &[POSTS]).await?;
        self.clock.ends(&self.log.end_offsets(POSTS).await?);
        ready.ready();
        let look_out = self.look_out.take().filter(|_| !self.look_every.is_zero());
        let mut watch = look_out.map(|look_out| look_out.keep_looking(self.look_every));
        let mut lag_asked = None::<Instant>;
        while !shutdown.is_stopping() {
            // Here nothing is found that is not judged: what comes next has one model's verdict throughout.
            let judge = self.pipeline.model().full_name();
            while let Some(news) = watch.as_mut().and_then(Watch::take) {
                tokio::task::block_in_place(|| self.take_models(news));
            }
            if self.pipeline.model().full_name() != judge {
                // What is read again after a crash is then all for one of the two to judge.
                self.checkpoint(true).await;
            }
            tokio::task::block_in_place(|| self.measure_drift());
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
                    // Nothing can go on from an engine whose stream has ended.
                    self.checkpoints = None;
                    self.metrics.lag(GROUP, 0);
                    done.send_replace(true);
                    shutdown.stopping().await;
                    break;
                }
                self.checkpoint(false).await;
                continue;
            }
            let dead = tokio::task::block_in_place(|| self.take_in(&records, true));
            self.publish(&mut consumer, dead).await?;
            self.metrics.batch(began.elapsed().as_secs_f64());
            self.checkpoint(false).await;
        }
        self.checkpoint(true).await;
        consumer.close().await?;
        Ok(())
    }

    /// Writes a checkpoint where one is due, or `now`. To be called only where all that was read is committed.
    async fn checkpoint(&mut self, now: bool) {
        let age = self.unsaved.map(|since| since.elapsed());
        let Some(age) = age.filter(|_| self.checkpoints.is_some()) else { return };
        self.metrics.unsaved(age.as_secs_f64());
        // After a failure the engine knows posts that are not committed.
        if self.failures > 0 || !(now || self.tried.elapsed() >= self.every) {
            return;
        }
        self.tried = Instant::now();
        match ends_told(&self.log).await {
            Ok(ends) => self.ends = ends,
            Err(error) => {
                tracing::warn!(%error, "no checkpoint written; the next start takes longer");
                return;
            }
        }
        let (Some(checkpoints), state) = (
            &self.checkpoints,
            State {
                lineage: self.lineage,
                shards: self.shards,
                clock: Cow::Borrowed(&self.clock),
                told: Cow::Borrowed(&self.told),
                window: Cow::Borrowed(&self.window),
                ends: Cow::Borrowed(&self.ends),
            },
        ) else {
            return;
        };
        let written = tokio::task::block_in_place(|| {
            let state = state.write(self.pipeline.snapshot()?)?;
            Ok::<_, CannotSave>(checkpoints.save(&self.clock.offsets(), &state)?)
        });
        match written {
            Ok(bytes) => {
                let seconds = self.tried.elapsed().as_secs_f64();
                self.unsaved = None;
                self.metrics.unsaved(0.0);
                self.metrics.checkpoint(bytes, seconds);
                tracing::debug!(bytes, seconds, "checkpoint written");
            }
            Err(error) => tracing::warn!(%error, "no checkpoint written; the next start takes longer"),
        }
    }

    /// Decodes records and hands them to the pipeline; returns the dead letters. Records are counted only if `live`.
    fn take_in(&mut self, records: &[Record], live: bool) -> Vec<NewRecord> {
        let wall = wall_clock();
        let now = self.clock.now();
        let mut dead = Vec::new();
        for record in records {
            self.clock.read(record);
            let value = record.value.as_deref().unwrap_or_default();
            // By the time of its coming, not of its reading: a post that was refused is refused again in a replay.
            let came = if record.timestamp > 0 { wall.min(record.timestamp) } else { wall };
            let post = post::read(value).and_then(|(post, unreadable)| {
                if post.created_at > came.saturating_add(self.future_tolerance) {
                    let reason = format!(
                        "lies more than {} s in the future; check the clock it comes from",
                        self.future_tolerance / 1_000
                    );
                    return Err(messages::DecodeError::new("created_at", reason, value));
                }
                Ok((post, unreadable))
            });
            match post {
                Ok((mut post, unreadable)) => {
                    post.position = Position::new(record.partition, record.offset);
                    if live {
                        unreadable.iter().for_each(|error| self.metrics.unreadable(&error.field()));
                    }
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
        self.pipeline.time(self.clock.now());
        dead
    }

    /// Publishes what was found and commits what was read, in one piece.
    async fn publish(&mut self, consumer: &mut Consumer, mut outputs: Vec<NewRecord>) -> Result<(), ServiceError> {
        for judged in self.pipeline.judge() {
            let judged = judged.and_then(|judged| {
                self.watch_judgement(&judged);
                Ok((judged.message.within(MOST_BYTES)?, judged.positions, judged.absorbed))
            });
            let (message, positions, absorbed) = match judged {
                Ok(judged) => judged,
                Err(error) => {
                    // It would come again after a restart: one that cannot be told must not hold up all others.
                    self.metrics.cannot_tell();
                    tracing::error!(%error, "a cluster is not published");
                    continue;
                }
            };
            let (id, version) = (message.cluster_id.clone(), message.version);
            match self.told.tell(message, positions, &absorbed) {
                Some(publication) => self.unpublished.push(publication),
                None => {
                    tracing::info!(cluster = %id, version, "a near miss is not published: more was said of it before")
                }
            }
        }
        for publication in &self.unpublished {
            outputs.extend(records(publication)?);
        }
        let model = Some(self.pipeline.model().full_name());
        let note = Note { lineage: self.lineage, now: self.clock.now(), model };
        match consumer.publish_and_commit_noting(outputs, &note.text()).await {
            Ok(()) => {
                self.failures = 0;
                self.unsaved.get_or_insert_with(Instant::now);
            }
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
        for publication in std::mem::take(&mut self.unpublished) {
            self.metrics.told(&publication);
            let cluster = &publication.message;
            tracing::info!(
                cluster = %cluster.cluster_id,
                version = cluster.version,
                status = cluster.status.name(),
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

/// What a publication appends to the topics.
fn records(publication: &Publication) -> Result<Vec<NewRecord>, ClusterError> {
    let value = publication.message.encode()?;
    let id = publication.message.cluster_id.as_bytes();
    let headers: Vec<_> = publication.positions.header(&publication.message).into_iter().collect();
    let mut records = vec![NewRecord { headers: headers.clone(), ..NewRecord::new(CLUSTERS, id, value.clone()) }];
    if publication.to_flagged {
        records.push(NewRecord { headers, ..NewRecord::new(CLUSTERS_FLAGGED, id, value) });
    }
    records.extend(publication.removed.iter().map(|(gone, _)| NewRecord {
        topic: Arc::from(CLUSTERS),
        key: gone.clone().into_bytes(),
        value: None,
        headers: Vec::new(),
    }));
    Ok(records)
}

fn dead_letter(record: &Record, value: &[u8], error: &messages::DecodeError) -> NewRecord {
    let source = Source::Record { topic: record.topic.to_string(), partition: record.partition, offset: record.offset };
    let letter = DeadLetter::new(value, error, source, Timestamp::now());
    let mut headers = record.headers.clone();
    headers.extend(letter.headers());
    let topic = Arc::from(POSTS_DEAD_LETTER);
    let whole = NewRecord { topic, key: record.key.clone(), value: Some(letter.value.clone()), headers };
    if whole.size() <= runtime::MAX_RECORD_BYTES {
        return whole;
    }
    // Somebody's own headers fill a record, and one record must not stop the detector: they still stand where it came from.
    tracing::warn!(offset = record.offset, "the headers of a dead letter were too large and are left out");
    NewRecord { key: Vec::new(), headers: letter.headers(), ..whole }
}

/// Where the topics end that clusters are told in.
async fn ends_told(log: &Log) -> Result<Ends, LogError> {
    Ok(Ends { clusters: log.end_offsets(CLUSTERS).await?, flagged: log.end_offsets(CLUSTERS_FLAGGED).await? })
}

/// Why a checkpoint was not written.
#[derive(Debug, thiserror::Error)]
enum CannotSave {
    #[error(transparent)]
    Pipeline(#[from] detection::StateError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    File(#[from] CheckpointError),
}

fn wall_clock() -> Millis {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as Millis)
}

#[cfg(test)]
mod tests;
