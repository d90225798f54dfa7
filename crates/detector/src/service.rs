//! The driver: reads records of `posts`, hands them to the [machine](crate::machine), and does what
//! that asks for: clusters and dead letters are published and committed together.
//!
//! **After a crash** the last [checkpoint](runtime::checkpoint) is taken over and the posts from
//! its offsets up to the committed ones are read again; what is found in them is thrown away,
//! because it was published when they were committed. From there on it is as if nothing had
//! happened. Without a checkpoint that fits (none yet, another version, other parameters, another
//! log) all posts are read again, which takes as long as the topic's retention takes to read.
//!
//! **Event time** is the least of the partitions' newest post times, so that a partition that is
//! read ahead of another does not make the other's posts late, be it after a crash or after a stop
//! of hours. A partition that has been read to its end and then stayed silent for half a minute
//! holds nothing back. Because that goes by the wall clock, event time is committed with the
//! offsets: a replay ends at the event time that the commit had, so that it finds what was
//! published, no more and no less.
//!
//! **A model** that is promoted meanwhile is taken between two batches. The engine asks it which
//! groups are inauthentic, and merges by what it says, so a replay must ask the same: the model's
//! name is committed with the offsets, and a checkpoint is written when another comes into service.
//! Where that model is gone, what stands in the topics of clusters counts all the same: it is read
//! again, and versions go on from there.
//!
//! Two runs give the same clusters, with kills or without, as long as each partition's posts are in
//! order to within the allowed lateness. A post that is further behind is late or not depending on
//! how much was read at a time.
//!
//! One process detects for a whole deployment: each needs every post.

use std::{
    collections::VecDeque,
    path::PathBuf,
    time::{Duration, Instant},
};

use detection::Pipeline;
use jiff::Timestamp;
use messages::topics::{CLUSTERS, CLUSTERS_FLAGGED, POSTS, POSTS_DEAD_LETTER};
use runtime::{
    Cleanup, Consumer, Log, LogError, TopicSpec,
    admin::Check,
    checkpoint::{CheckpointError, Checkpoints},
    shutdown::Shutdown,
};
use tokio::sync::watch;

use crate::{
    config::{Config, StartError},
    error::ServiceError,
    machine::{Effect, Event, Machine, Now, Settings},
    metrics::DetectorMetrics,
    models::{LookOut, Role, Watch},
    observe::{Observer, say_whether_drift_is_measured},
    state::{Ends, Note, StateError},
};

/// The detector's consumer group.
pub const GROUP: &str = "detector";

/// How long a poll waits for records.
const WAIT: Duration = Duration::from_millis(250);
/// How often the lag is asked for, which costs a round trip.
const LAG_EVERY: Duration = Duration::from_secs(2);
const DAY: Duration = Duration::from_secs(86_400);

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

/// The detector service.
pub struct Service {
    log: Log,
    machine: Machine,
    observer: Observer,
    /// Records taken from the log at a time.
    batch: usize,
    checkpoints: Option<Checkpoints>,
    /// Where to look for other models, until the service runs.
    look_out: Option<LookOut>,
    /// Between two looks.
    look_every: Duration,
    /// Folder of the model registry.
    models: PathBuf,
    started: Instant,
}

impl Service {
    /// A service on a log whose topics exist.
    pub fn new(log: Log, config: &Config, metrics: DetectorMetrics) -> Result<Service, StartError> {
        let pipeline = Pipeline::new(&config.detection())?;
        let mut look_out = LookOut::new(config, pipeline.model());
        metrics.models.in_service(Role::Active, pipeline.model(), None);
        say_whether_drift_is_measured(pipeline.model());
        let news = look_out.look();
        let checkpoint_every = Some(Duration::from_secs(config.checkpoint_every_s)).filter(|every| !every.is_zero());
        let settings = Settings {
            future_tolerance: i64::try_from(config.future_tolerance_s).unwrap_or(i64::MAX).saturating_mul(1_000),
            shards: config.shards,
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
            look_out: Some(look_out),
            look_every: Duration::from_secs(config.model_check_s),
            models: config.models.clone(),
            started: Instant::now(),
        };
        for news in news {
            // Nothing was read yet, so that nothing is asked for but to be observed.
            service.tell_machine(Event::Models(news));
        }
        Ok(service)
    }

    /// Works until told to stop. `ended` turns true when no more posts will come, as in a replay:
    /// when all have been read, everything that was found in them is published, and `done` is told.
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
        let look_out = self.look_out.take().filter(|_| !self.look_every.is_zero());
        let mut watch = look_out.map(|look_out| look_out.keep_looking(self.look_every));
        let mut lag_asked = None::<Instant>;
        while !shutdown.is_stopping() {
            // Models are swapped only between batches, so every cluster of a batch is judged by the
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

    /// Hands an event to the machine and does what it asks for, until it asks for nothing more.
    async fn handle(&mut self, consumer: &mut Consumer, event: Event) -> Result<Progress, ServiceError> {
        let mut progress = Progress::GoesOn;
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for effect in tokio::task::block_in_place(|| self.tell_machine(event)) {
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
                    // Done by `tell_machine`.
                    Effect::Observe(_) => {}
                }
            }
        }
        Ok(progress)
    }

    /// Hands an event to the machine, with the time; returns what is to be done beside observing.
    fn tell_machine(&mut self, event: Event) -> Vec<Effect> {
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

    /// Whether a checkpoint could be written.
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
                tracing::warn!(%error, "no checkpoint written; the next start takes longer");
                false
            }
        }
    }
}

/// How far the work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    GoesOn,
    /// Everything that was found in a stream with an end is published.
    AllPublished,
}

/// Where the topics end that clusters are told in.
async fn ends_of_topics(log: &Log) -> Result<Ends, LogError> {
    Ok(Ends { clusters: log.end_offsets(CLUSTERS).await?, flagged: log.end_offsets(CLUSTERS_FLAGGED).await? })
}

/// Why a checkpoint was not written.
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
