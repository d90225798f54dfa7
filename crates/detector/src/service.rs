//! The driver. It reads records of `posts`, passes them to the [machine](crate::machine) and
//! carries out the effects: clusters and dead letters are published and committed together.
//!
//! **After a crash** the service loads the last [checkpoint](runtime::checkpoint) and reads the
//! posts from its offsets up to the committed offsets again. Clusters found in these posts are
//! discarded, because they were published when the posts were committed. Then processing continues
//! as if nothing had happened. Without a checkpoint that fits (none yet, another version, other
//! parameters, another log) the service reads all posts of the topic again.
//!
//! **Event time** is the minimum over the partitions of their newest post times, so a partition
//! that is read ahead of another does not make the other's posts late, after a crash or after a
//! stop of hours. A partition that was read to its end and was then silent for half a minute does
//! not hold event time back. Because this depends on the wall clock, event time is committed with
//! the offsets: a replay ends at the committed event time, and so finds exactly what was published.
//!
//! **A model** that is promoted during a run is loaded between two batches. The engine asks the
//! model which groups are inauthentic, and this decides merges, so a replay must use the same
//! model. The model's name is therefore committed with the offsets, and a checkpoint is written
//! when another model comes into service. If that model no longer exists, the topics of clusters
//! are read to continue from the published versions.
//!
//! Two runs give the same clusters, with or without kills, if each partition's posts are in order
//! to within the allowed lateness. Whether a post with a larger delay is late depends on how much
//! was read at a time.
//!
//! Exactly one process detects for a whole deployment, because it needs every post.

use std::{
    collections::VecDeque,
    path::PathBuf,
    time::{Duration, Instant},
};

use detection::Pipeline;
use jiff::Timestamp;
use messages::topics::{CLUSTERS, CLUSTERS_DEAD_LETTER, CLUSTERS_FLAGGED, POSTS, POSTS_DEAD_LETTER};
use runtime::{
    Cleanup, Consumer, Log, LogError, TopicSpec,
    admin::Check,
    checkpoint::{CheckpointError, Checkpoints},
    shutdown::Shutdown,
};
use tokio::sync::watch;

use crate::{
    config::{Config, StartError, TopicRetention},
    error::ServiceError,
    machine::{Effect, Event, Machine, Now, Settings},
    metrics::DetectorMetrics,
    models::{ModelWatcher, Role, Watch},
    observe::{Observer, say_whether_drift_is_measured},
    state::{Ends, Note, StateError},
};

/// The detector's consumer group.
pub const GROUP: &str = "detector";

/// How long a poll waits for records.
const WAIT: Duration = Duration::from_millis(250);
/// Interval between requests for the lag; each costs a round trip.
const LAG_EVERY: Duration = Duration::from_secs(2);
const DAY: Duration = Duration::from_secs(86_400);

mod recovery;

/// Creates the topics of all services, if they are missing. Existing topics of the embedded log get
/// these times of retention; existing topics of Kafka stay as they are, with a warning if they
/// differ.
pub async fn create_topics(log: &Log, retention: &TopicRetention) -> Result<(), LogError> {
    let topic = |name, partitions, cleanup, days: u32| TopicSpec {
        name,
        partitions,
        cleanup,
        retention: (days > 0).then(|| DAY * days),
    };
    log.create_topics(&[
        topic(POSTS, 4, Cleanup::Delete, retention.posts_days),
        topic(POSTS_DEAD_LETTER, 1, Cleanup::Delete, retention.posts_dead_letter_days),
        topic(CLUSTERS, 1, Cleanup::Compact, 0),
        topic(CLUSTERS_FLAGGED, 1, Cleanup::Delete, retention.clusters_flagged_days),
        topic(CLUSTERS_DEAD_LETTER, 1, Cleanup::Delete, retention.clusters_dead_letter_days),
        topic(messages::topics::FEEDBACK, 1, Cleanup::Compact, 0),
    ])
    .await
}

/// The detector service.
pub struct Service {
    log: Log,
    machine: Machine,
    observer: Observer,
    /// Number of records read from the log at a time.
    batch: usize,
    checkpoints: Option<Checkpoints>,
    /// Watches the registry for other models; taken when the service runs.
    model_watcher: Option<ModelWatcher>,
    /// Interval between two checks of the registry.
    registry_check_interval: Duration,
    /// Folder of the model registry.
    models: PathBuf,
    started: Instant,
}

impl Service {
    /// A service on a log with existing topics.
    pub fn new(log: Log, config: &Config, metrics: DetectorMetrics) -> Result<Service, StartError> {
        let pipeline = Pipeline::new(&config.detection())?;
        let mut model_watcher = ModelWatcher::new(config, pipeline.model());
        metrics.models.in_service(Role::Active, pipeline.model(), None);
        say_whether_drift_is_measured(pipeline.model());
        let news = model_watcher.check();
        let checkpoint_every = Some(Duration::from_secs(config.checkpoint_every_s)).filter(|every| !every.is_zero());
        let settings = Settings {
            future_tolerance: i64::try_from(config.future_tolerance_s).unwrap_or(i64::MAX).saturating_mul(1_000),
            threads: config.threads,
            checkpoint_every,
            lineage: Note::new_lineage(),
        };
        let mut service = Service {
            log,
            machine: Machine::new(settings, pipeline),
            observer: Observer::new(metrics),
            batch: config.batch.max(1),
            checkpoints: match checkpoint_every {
                None => None,
                Some(_) => Some(Checkpoints::open(&config.checkpoints)?),
            },
            model_watcher: Some(model_watcher),
            registry_check_interval: Duration::from_secs(config.model_check_s),
            models: config.models.clone(),
            started: Instant::now(),
        };
        for news in news {
            // Nothing was read yet, so the only effects are observations.
            service.send_to_machine(Event::Models(news));
        }
        Ok(service)
    }

    /// Runs until told to stop. `ended` becomes true when no more posts will come, as in a replay:
    /// after all posts were read and all findings are published, `done` is set.
    pub async fn run(
        mut self,
        ready: Check,
        shutdown: Shutdown,
        mut ended: watch::Receiver<bool>,
        done: watch::Sender<bool>,
    ) -> Result<(), ServiceError> {
        self.recover(&shutdown).await?;
        let mut consumer = self.log.consumer(GROUP, &[POSTS]).await?;
        let ends = self.log.end_offsets(POSTS).await?;
        self.handle(&mut consumer, Event::Ends(ends)).await?;
        ready.ready();
        let model_watcher = self.model_watcher.take().filter(|_| !self.registry_check_interval.is_zero());
        let mut watch = model_watcher.map(|model_watcher| model_watcher.watch(self.registry_check_interval));
        let mut lag_asked = None::<Instant>;
        while !shutdown.is_stopping() {
            // Models are swapped only between batches, so every cluster of a batch is scored by the
            // same model.
            while let Some(news) = watch.as_mut().and_then(Watch::take) {
                self.handle(&mut consumer, Event::Models(news)).await?;
            }
            let records = tokio::select! {
                records = consumer.poll(self.batch, WAIT) => records?,
                () = shutdown.stopping() => break,
            };
            let began = Instant::now();
            if lag_asked.is_none_or(|asked| asked.elapsed() >= LAG_EVERY) {
                lag_asked = Some(began);
                self.observer.metrics.lag(GROUP, consumer.lag().await?);
                let ends = self.log.end_offsets(POSTS).await?;
                self.handle(&mut consumer, Event::Ends(ends)).await?;
            }
            if !records.is_empty() {
                self.handle(&mut consumer, Event::Read(records)).await?;
                self.observer.metrics.batch(began.elapsed().as_secs_f64());
            } else if *ended.borrow_and_update() && consumer.lag().await? == 0 {
                if self.handle(&mut consumer, Event::StreamEnded).await? == Progress::AllPublished {
                    self.observer.metrics.lag(GROUP, 0);
                    done.send_replace(true);
                    shutdown.stopping().await;
                    break;
                }
            } else {
                self.handle(&mut consumer, Event::NothingRead).await?;
            }
        }
        self.handle(&mut consumer, Event::Stopping).await?;
        consumer.close().await?;
        Ok(())
    }

    /// Passes an event to the machine and carries out the effects, until there are none.
    async fn handle(&mut self, consumer: &mut Consumer, event: Event) -> Result<Progress, ServiceError> {
        let mut progress = Progress::GoesOn;
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for effect in tokio::task::block_in_place(|| self.send_to_machine(event)) {
                match effect {
                    Effect::Commit { records, note } => {
                        events.push_back(match consumer.publish_and_commit_noting(records, &note).await {
                            Ok(()) => Event::Committed,
                            Err(error) => Event::NotCommitted(error),
                        });
                    }
                    Effect::Pause(time) => tokio::time::sleep(time).await,
                    Effect::GiveUp(error) => return Err(error),
                    Effect::WriteCheckpoint => {
                        if self.write_checkpoint().await {
                            events.push_back(Event::CheckpointWritten);
                        }
                    }
                    Effect::AllPublished => progress = Progress::AllPublished,
                    // Carried out by `send_to_machine`.
                    Effect::Observe(_) => {}
                }
            }
        }
        Ok(progress)
    }

    /// Passes an event and the time to the machine. Returns the effects other than observations.
    fn send_to_machine(&mut self, event: Event) -> Vec<Effect> {
        let began = Instant::now();
        let effects = self.machine.on(self.now(), event);
        let took = began.elapsed();
        let mut left = Vec::new();
        for effect in effects {
            match effect {
                Effect::Observe(observation) => self.observer.observe(observation, &self.machine, took),
                other => left.push(other),
            }
        }
        left
    }

    fn now(&self) -> Now {
        Now { wall: Timestamp::now(), running: self.started.elapsed() }
    }

    /// Writes a checkpoint. Returns whether it was written.
    async fn write_checkpoint(&mut self) -> bool {
        let began = Instant::now();
        let Some(checkpoints) = &self.checkpoints else { return false };
        let written = match ends_of_topics(&self.log).await {
            Ok(ends) => tokio::task::block_in_place(|| {
                let (offsets, state) = self.machine.state(ends)?;
                Ok::<_, CannotSave>(checkpoints.save(&offsets, &state)?)
            }),
            Err(error) => Err(error.into()),
        };
        match written {
            Ok(bytes) => {
                let seconds = began.elapsed().as_secs_f64();
                self.observer.metrics.checkpoint(bytes, seconds);
                tracing::debug!(bytes, seconds, "checkpoint written");
                true
            }
            Err(error) => {
                tracing::warn!(%error, "checkpoint not written; the next start takes longer");
                false
            }
        }
    }
}

/// Whether the work continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    GoesOn,
    /// Everything found in a stream with an end is published.
    AllPublished,
}

/// End offsets of the topics of clusters.
async fn ends_of_topics(log: &Log) -> Result<Ends, LogError> {
    Ok(Ends { clusters: log.end_offsets(CLUSTERS).await?, flagged: log.end_offsets(CLUSTERS_FLAGGED).await? })
}

/// The reason why a checkpoint was not written.
#[derive(Debug, thiserror::Error)]
enum CannotSave {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    File(#[from] CheckpointError),
}

#[cfg(test)]
mod tests;
