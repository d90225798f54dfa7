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
//! not hold event time back, and a burst after the silence loses nothing (see `clock`). Because this depends on the wall clock, event time is committed with
//! the offsets: a replay ends at the committed event time, and so finds exactly what was published.
//!
//! **A model** that is promoted during a run is loaded between two batches. The engine asks the
//! model which groups are inauthentic, and this decides merges, so a replay must use the same
//! model. The model's name is therefore committed with the offsets, and a checkpoint is written
//! when another model comes into service. If that model no longer exists, the topics of clusters
//! are read to continue from the published versions.
//!
//! Two runs give the same clusters, with or without kills: a post is late or too late by the newest
//! post before it in its own partition, so the outcome does not depend on how fast which partition
//! is read. The exception is a post that comes into a silent partition and is older than the posts
//! that the others had meanwhile by more than the allowed lateness.
//!
//! Exactly one process detects for a whole deployment, because it needs every post. A second one
//! waits as a standby until the first has ended, then restores the state of the last commit and goes
//! on. A process that holds only a part of the partitions (see `hold`) publishes nothing.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use detection::Pipeline;
use jiff::Timestamp;
use messages::topics::{CLUSTERS, CLUSTERS_FLAGGED, POSTS};
use runtime::{
    Consumer, Log, LogError,
    admin::Check,
    checkpoint::{CheckpointError, Checkpoints},
    shutdown::Shutdown,
};
use tokio::sync::watch;

use self::hold::{Hold, Look};
use crate::{
    config::{Config, StartError},
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
/// Time between two attempts while the log does not answer.
const OUTAGE_PAUSE: Duration = Duration::from_secs(1);
/// Time between two looks at the partitions while some are not here.
const PART_PAUSE: Duration = Duration::from_millis(250);
/// Longest time to finish a commit when the service must stop.
const LAST_COMMIT: Duration = Duration::from_secs(10);

mod hold;
mod recovery;

/// The detector service.
pub struct Service {
    log: Log,
    config: Config,
    machine: Machine,
    observer: Observer,
    /// Number of records read from the log at a time.
    batch: usize,
    checkpoints: Option<Checkpoints>,
    /// Watches the registry for other models; taken when the service runs.
    model_watcher: Option<ModelWatcher>,
    /// Interval between two checks of the registry.
    registry_check_interval: Duration,
    /// The committed offset of each partition, as this process left it.
    committed: Vec<i64>,
    /// The offsets that the next commit covers.
    polled: BTreeMap<i32, i64>,
    started: Instant,
}

/// What a run of the service is told, and tells.
struct Signals {
    ready: Check,
    shutdown: Shutdown,
    ended: watch::Receiver<bool>,
    done: watch::Sender<bool>,
}

/// Why the service does not detect any more.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    /// It must stop.
    Stopped,
    /// Another process has the partitions, or had them meanwhile.
    Lost,
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
            config: config.clone(),
            machine: Machine::new(settings, pipeline),
            observer: Observer::new(metrics),
            batch: config.batch.max(1),
            checkpoints: match checkpoint_every {
                None => None,
                Some(_) => Some(Checkpoints::open(&config.checkpoints)?),
            },
            model_watcher: Some(model_watcher),
            registry_check_interval: Duration::from_secs(config.model_check_s),
            committed: Vec::new(),
            polled: BTreeMap::new(),
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
        ended: watch::Receiver<bool>,
        done: watch::Sender<bool>,
    ) -> Result<(), ServiceError> {
        let mut signals = Signals { ready, shutdown, ended, done };
        loop {
            match self.detect(&mut signals).await {
                Ok(Ended::Stopped) => return Ok(()),
                Ok(Ended::Lost) => {}
                // The state may be half restored.
                Err(ServiceError::Log(error)) if error.is_retryable() => {
                    signals.ready.not_ready(error.to_string());
                    tracing::warn!(%error, "waiting for the log");
                    tokio::select! {
                        () = signals.shutdown.stopping() => return Ok(()),
                        () = tokio::time::sleep(OUTAGE_PAUSE) => {}
                    }
                }
                Err(error) => return Err(error),
            }
            if signals.shutdown.is_stopping() {
                return Ok(());
            }
            self.begin_again()?;
        }
    }

    /// Forgets everything, to restore the state of the last commit anew.
    fn begin_again(&mut self) -> Result<(), ServiceError> {
        let metrics = self.observer.metrics.clone();
        metrics.forget_standing();
        let fresh = Service::new(self.log.clone(), &self.config, metrics)?;
        *self = Service { registry_check_interval: self.registry_check_interval, ..fresh };
        Ok(())
    }

    /// Waits for this process's turn, restores the state of the last commit and detects.
    async fn detect(&mut self, signals: &mut Signals) -> Result<Ended, ServiceError> {
        let shutdown = signals.shutdown.clone();
        if !self.wait_for_turn(&signals.ready, &shutdown).await? {
            return Ok(Ended::Stopped);
        }
        self.recover(&shutdown).await?;
        let mut consumer = self.log.consumer(GROUP, &[POSTS]).await?;
        let partitions = self.log.end_offsets(POSTS).await?.len();
        let mut hold = Hold::nothing_of(partitions, Instant::now());
        self.handle(&mut consumer, Event::Partitions(partitions), &shutdown).await?;
        let model_watcher = self.model_watcher.take().filter(|_| !self.registry_check_interval.is_zero());
        let mut watch = model_watcher.map(|model_watcher| model_watcher.watch(self.registry_check_interval));
        let mut lag_asked = None::<Instant>;
        while !shutdown.is_stopping() {
            // Models are swapped only between batches, so every cluster of a batch is scored by the
            // same model.
            while let Some(news) = watch.as_mut().and_then(Watch::take) {
                self.handle(&mut consumer, Event::Models(news), &shutdown).await?;
            }
            let records = tokio::select! {
                records = consumer.poll(self.batch, WAIT) => records?,
                () = shutdown.stopping() => break,
            };
            match hold.look(&consumer.assignment(), Instant::now()) {
                Look::Whole => {}
                Look::Gained => {
                    let committed = match self.log.committed(GROUP, POSTS).await {
                        Ok(committed) => committed,
                        Err(error) if error.is_unreachable() => {
                            signals.ready.not_ready(error.to_string());
                            consumer.rewind().await?;
                            hold = Hold::nothing_of(partitions, Instant::now());
                            continue;
                        }
                        Err(error) => return Err(error.into()),
                    };
                    if !committed.iter().map(|next| next.unwrap_or(0)).eq(self.committed.iter().copied()) {
                        tracing::warn!("another process has detected meanwhile; restoring its last commit");
                        consumer.close().await?;
                        return Ok(Ended::Lost);
                    }
                    self.observer.metrics.lacking(0);
                    signals.ready.ready();
                    tracing::info!(partitions, "all partitions of posts are here");
                }
                Look::Lacks(lacks) => {
                    consumer.rewind().await?;
                    if self.lacks(&hold, &lacks, signals).await? {
                        consumer.close().await?;
                        return Ok(Ended::Lost);
                    }
                    continue;
                }
            }
            let began = Instant::now();
            if !records.is_empty() {
                self.handle(&mut consumer, Event::Read(records), &shutdown).await?;
                self.observer.metrics.batch(began.elapsed().as_secs_f64());
            } else if *signals.ended.borrow_and_update() && consumer.lag().await? == 0 {
                let progress = self.handle(&mut consumer, Event::StreamEnded, &shutdown).await?;
                if progress == Progress::AllPublished {
                    self.observer.metrics.lag(GROUP, 0);
                    signals.done.send_replace(true);
                    shutdown.stopping().await;
                    break;
                }
            } else {
                self.handle(&mut consumer, Event::NothingRead, &shutdown).await?;
            }
            if lag_asked.is_none_or(|asked| asked.elapsed() >= LAG_EVERY) {
                lag_asked = Some(Instant::now());
                self.ask_lags(&mut consumer, &signals.ready).await;
            }
        }
        if shutdown.is_stopping() {
            self.handle(&mut consumer, Event::Stopping, &shutdown).await?;
        }
        consumer.close().await?;
        Ok(Ended::Stopped)
    }

    /// Says which partitions are not here, and waits. Returns whether this process gives way to the
    /// others.
    async fn lacks(&mut self, hold: &Hold, lacks: &[i32], signals: &Signals) -> Result<bool, ServiceError> {
        self.observer.metrics.lacking(lacks.len());
        let reason = hold.reason();
        signals.ready.not_ready(reason.as_str());
        let members = match self.log.members(GROUP).await {
            Err(error) if error.is_unreachable() => Vec::new(),
            members => members?,
        };
        if hold.gives_way(&members, Instant::now()) {
            tracing::warn!(reason, "leaving the partitions to the other members of the group");
            return Ok(true);
        }
        tokio::select! {
            () = signals.shutdown.stopping() => {}
            () = tokio::time::sleep(PART_PAUSE) => {}
        }
        Ok(false)
    }

    /// Asks how many records are left to read in each partition.
    async fn ask_lags(&mut self, consumer: &mut Consumer, ready: &Check) {
        // What is left is known as of a time before the answer.
        let now = self.now();
        match consumer.lags().await {
            Ok(lags) => {
                ready.ready();
                self.observer.metrics.lag(GROUP, lags.iter().map(|(_, lag)| lag).sum());
                let lags = lags.into_iter().map(|(partition, lag)| (partition.number, lag)).collect();
                self.machine.on(now, Event::Lags(lags));
            }
            // A number is no reason to end.
            Err(error) => {
                ready.not_ready(error.to_string());
                tracing::warn!(%error, "the lag is not known");
            }
        }
    }

    /// Passes an event to the machine and carries out the effects, until there are none.
    async fn handle(
        &mut self,
        consumer: &mut Consumer,
        event: Event,
        shutdown: &Shutdown,
    ) -> Result<Progress, ServiceError> {
        let mut progress = Progress::GoesOn;
        if let Event::Read(records) = &event {
            self.polled.extend(records.iter().map(|record| (record.partition, record.offset + 1)));
        }
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for effect in tokio::task::block_in_place(|| self.send_to_machine(event)) {
                match effect {
                    Effect::Commit { records, note } => {
                        let polled = std::mem::take(&mut self.polled);
                        let committed = tokio::select! {
                            committed = consumer.publish_and_commit_noting(records, &note) => committed,
                            () = overdue(shutdown) => Err(LogError::Unreachable {
                                action: "commit before the stop".to_owned(),
                                reason: format!("no answer after {} s", LAST_COMMIT.as_secs()),
                            }),
                        };
                        events.push_back(match committed {
                            Ok(()) => {
                                self.note_committed(polled);
                                Event::Committed
                            }
                            Err(error) => Event::NotCommitted(error),
                        });
                    }
                    Effect::Pause(time) => {
                        tokio::select! {
                            () = shutdown.stopping() => {}
                            () = tokio::time::sleep(time) => {}
                        }
                    }
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

    /// The offsets of this process's last commit in these partitions.
    fn note_committed(&mut self, polled: BTreeMap<i32, i64>) {
        for (partition, next) in polled {
            let Ok(partition) = usize::try_from(partition) else { continue };
            if self.committed.len() <= partition {
                self.committed.resize(partition + 1, 0);
            }
            if let Some(committed) = self.committed.get_mut(partition) {
                *committed = next;
            }
        }
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

/// Comes when the service should have stopped.
async fn overdue(shutdown: &Shutdown) {
    shutdown.stopping().await;
    tokio::time::sleep(LAST_COMMIT).await;
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
