//! The detector without its surroundings: events in, effects out. No I/O, no clock.
//!
//! The driver ([`service`](crate::service)) passes in what has happened, one [`Event`] after
//! another, with its time, and carries out the [`Effect`]s in their order. The same events at the
//! same times give the same effects. So everything that depends on time (a silent partition, a
//! checkpoint that is due, a model between two batches) is tested with times that a test passes in.

mod recovery;

use std::{sync::Arc, time::Duration};

use coordination::{Millis, Outcome, Position, Stats};
use detection::{Judged, Judgement, Pipeline, shortened};
use jiff::Timestamp;
use messages::{
    cluster::{ClusterError, Status},
    dead_letter::{DeadLetter, Source},
    post,
    topics::{CLUSTERS, CLUSTERS_FLAGGED, POSTS_DEAD_LETTER},
};
use runtime::{LogError, NewRecord, Record};
use scoring::{Model, ModelName, Verdict, drift::Drift};

use crate::{
    clock::EventClock,
    drift::Window,
    error::ServiceError,
    models::{News, Role},
    published::{Publication, Published},
    state::{Ends, Note},
};

/// How long publishing may fail although the log answers, before the service stops: longer than a
/// group and its transactions take to be in order again after an outage.
const GIVE_UP_AFTER: Duration = Duration::from_secs(180);
/// Longest time between two attempts to publish.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Time between two attempts to publish while the log does not answer.
const OUTAGE_PAUSE: Duration = Duration::from_secs(1);
/// Largest cluster message: Kafka's default limit, minus the record's own overhead.
const MOST_BYTES: usize = 900 * 1024;
/// Interval between two measurements of drift; one takes some milliseconds for a full window.
const MEASURE_EVERY: Duration = Duration::from_secs(10);

/// The time of an event, by both of the driver's clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// The wall clock, with which times of posts are compared.
    pub(crate) wall: Timestamp,
    /// How long the driver has run, by a monotonic clock; waiting times are measured with it.
    pub(crate) running: Duration,
}

/// What has happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// Records of `posts` were read.
    Read(Vec<Record>),
    /// The driver waited for records, and none came.
    NothingRead,
    /// `posts` has this many partitions.
    Partitions(usize),
    /// The number of records that are left to read in each partition of `posts`.
    Lags(Vec<(i32, u64)>),
    /// All posts were read, and no more will come.
    StreamEnded,
    /// [`Effect::Commit`] succeeded.
    Committed,
    /// [`Effect::Commit`] failed. If it is tried again, the records that were read come again.
    NotCommitted(LogError),
    /// Result of a check of the models that should be in service.
    Models(News),
    /// [`Effect::WriteCheckpoint`] succeeded.
    CheckpointWritten,
    /// The service must stop.
    Stopping,
}

/// What the driver must do.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Publish these records and commit the read offsets, with the note, in one transaction. The
    /// answer is [`Event::Committed`] or [`Event::NotCommitted`].
    Commit {
        /// Clusters and dead letters.
        records: Vec<NewRecord>,
        /// See [`Note`].
        note: String,
    },
    /// Wait this long before anything else is read.
    Pause(Duration),
    /// Stop with this error.
    GiveUp(ServiceError),
    /// Write a checkpoint of [`Machine::state`]. The answer is [`Event::CheckpointWritten`], or
    /// none if it could not be written.
    WriteCheckpoint,
    /// All findings of a stream with an end are published.
    AllPublished,
    /// Count this, and inform operators.
    Observe(Observation),
}

/// Events for metrics and log.
#[derive(Debug)]
pub(crate) enum Observation {
    /// A post was processed.
    Post {
        /// The outcome of the post.
        outcome: Outcome,
        /// Bytes of its record.
        bytes: usize,
        /// Seconds from its own time to its reading.
        delay_s: f64,
        /// Id of a post that came too late.
        too_late: Option<String>,
    },
    /// An optional field of a post could not be read.
    Unreadable(String),
    /// A record is a dead letter.
    DeadLetter {
        /// Bytes of the record.
        bytes: usize,
    },
    /// The headers of a dead letter fill a record and are left out.
    HeadersLeftOut {
        /// Offset of the record.
        offset: i64,
    },
    /// A state of a coordinated cluster was judged.
    Judged { cluster_id: String, version: u32, probability: f64, inauthentic: bool, shadow: Option<Verdict> },
    /// A cluster could not be written as a message.
    CannotTell(ClusterError),
    /// A near miss is not published, because an earlier report had a higher status.
    NearMissPassedOver { cluster_id: String, version: u32 },
    /// Publishing failed, and the batch will be read again.
    CommitFailed { error: String, failures: u32 },
    /// A new state of a cluster is published.
    Published(Box<Publication>),
    /// Counts of the engine after a commit.
    Engine(Box<Stats>),
    /// A model was put in service and replaced `before`.
    ModelTaken { role: Role, before: Option<ModelName>, load: Duration },
    /// The model that should be in service cannot be used.
    ModelRefused { role: Role, reason: String },
    /// The model that should be in service is in service again.
    ModelSettled { role: Role },
    /// How far the last reported clusters differ from training; `None` if not known.
    Drift { clusters: usize, drift: Option<Drift> },
    /// Age of the oldest committed work that is in no checkpoint.
    Unsaved(Duration),
}

/// The settings of the machine.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// A post dated further than this after its arrival becomes a dead letter, milliseconds.
    pub(crate) future_tolerance: Millis,
    /// Threads of the engine. A checkpoint with another number does not fit.
    pub(crate) threads: u16,
    /// Time between two checkpoints; `None` for none.
    pub(crate) checkpoint_every: Option<Duration>,
    /// Name of a new lineage of commits. A group that has committed before keeps its own.
    pub(crate) lineage: u64,
}

/// The detector's state.
pub(crate) struct Machine {
    settings: Settings,
    pipeline: Pipeline,
    clock: EventClock,
    /// See [`Note`].
    lineage: u64,
    /// Cluster states that are not published yet. They are kept after a failed commit, because the
    /// engine will not find them again.
    unpublished: Vec<Publication>,
    /// The published states of clusters, including those in `unpublished`.
    published: Published,
    /// The end offsets of the topics of clusters at the time of `published`.
    ends: Ends,
    /// Failed attempts to publish in a row.
    failures: u32,
    /// Since when publishing fails although the log answers.
    failing_since: Option<Duration>,
    /// The stream has ended, and the engine has reported everything.
    ended: bool,
    /// Time of the last attempt to write a checkpoint.
    tried: Duration,
    /// Time since when there is committed work that is in no checkpoint.
    unsaved: Option<Duration>,
    /// The recently judged clusters.
    window: Window,
    /// Whether the window has changed since it was measured.
    changed: bool,
    /// Time of the last measurement.
    measured: Duration,
}

impl Machine {
    /// A new, empty machine.
    pub(crate) fn new(settings: Settings, pipeline: Pipeline) -> Machine {
        Machine {
            lineage: settings.lineage,
            settings,
            pipeline,
            clock: EventClock::default(),
            unpublished: Vec::new(),
            published: Published::default(),
            ends: Ends::default(),
            failures: 0,
            failing_since: None,
            ended: false,
            tried: Duration::ZERO,
            unsaved: None,
            window: Window::default(),
            changed: false,
            measured: Duration::ZERO,
        }
    }

    /// Processes an event. Returns the effects in their order.
    pub(crate) fn on(&mut self, now: Now, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Read(records) => {
                self.measure_drift(now, &mut effects);
                let dead = self.take_in(now, &records, Some(&mut effects));
                self.publish(dead, &mut effects);
            }
            Event::NothingRead => {
                self.measure_drift(now, &mut effects);
                self.checkpoint(now, false, &mut effects);
            }
            Event::Partitions(partitions) => self.clock.partitions(partitions),
            Event::Lags(lags) => self.clock.lags(now.running, now.wall.as_millisecond(), &lags),
            Event::StreamEnded => {
                if !std::mem::replace(&mut self.ended, true) {
                    self.pipeline.finish();
                }
                // An engine whose stream has ended cannot continue from a checkpoint.
                self.settings.checkpoint_every = None;
                self.publish(Vec::new(), &mut effects);
            }
            Event::Committed => self.committed(now, &mut effects),
            Event::NotCommitted(error) => self.not_committed(now, error, &mut effects),
            Event::Models(news) => self.take_models(now, news, &mut effects),
            Event::CheckpointWritten => {
                self.unsaved = None;
                effects.push(Effect::Observe(Observation::Unsaved(Duration::ZERO)));
            }
            Event::Stopping => self.checkpoint(now, true, &mut effects),
        }
        effects
    }

    /// Decodes records and passes them to the pipeline. Returns the dead letters. Without `effects`
    /// nothing is counted.
    fn take_in(&mut self, now: Now, records: &[Record], mut effects: Option<&mut Vec<Effect>>) -> Vec<NewRecord> {
        let wall = now.wall.as_millisecond();
        let event_time = self.clock.now();
        let mut dead = Vec::new();
        let mut observe = |observation| {
            if let Some(effects) = &mut effects {
                effects.push(Effect::Observe(observation));
            }
        };
        for record in records {
            self.clock.read(record);
            let value = record.value.as_deref().unwrap_or_default();
            // The time of arrival counts, not that of reading: so a post that was refused is
            // refused again in a replay.
            let came = if record.timestamp > 0 { wall.min(record.timestamp) } else { wall };
            let post = post::read(value).and_then(|(post, unreadable)| {
                if post.created_at > came.saturating_add(self.settings.future_tolerance) {
                    let reason = format!(
                        "lies more than {} s in the future; check the clock it comes from",
                        self.settings.future_tolerance / 1_000
                    );
                    return Err(messages::DecodeError::new("created_at", reason, value));
                }
                Ok((post, unreadable))
            });
            match post {
                Ok((mut post, unreadable)) => {
                    post.position = Position::new(record.partition, record.offset);
                    unreadable.iter().for_each(|error| observe(Observation::Unreadable(error.field())));
                    let own = self.clock.newest(record.partition);
                    self.clock.see(record.partition, post.created_at, came);
                    let outcome = self.pipeline.post_after(event_time, own, &post);
                    observe(Observation::Post {
                        outcome,
                        bytes: value.len(),
                        delay_s: (wall - post.created_at) as f64 / 1_000.0,
                        too_late: (outcome == Outcome::TooLate).then(|| post.id.to_string()),
                    });
                }
                Err(error) => {
                    observe(Observation::DeadLetter { bytes: value.len() });
                    dead.push(dead_letter(record, value, &error, now.wall).unwrap_or_else(|without_headers| {
                        observe(Observation::HeadersLeftOut { offset: record.offset });
                        without_headers
                    }));
                }
            }
        }
        self.clock.advance(now.running);
        self.pipeline.time(self.clock.now());
        dead
    }

    /// Publishes the findings and commits the offsets, in one transaction.
    fn publish(&mut self, mut records: Vec<NewRecord>, effects: &mut Vec<Effect>) {
        for judged in self.pipeline.judge() {
            let judged = judged.and_then(|judged| {
                self.watch_judgement(&judged, effects);
                Ok((shortened(judged.message, MOST_BYTES)?, judged.positions, judged.absorbed))
            });
            let (message, positions, absorbed) = match judged {
                Ok(judged) => judged,
                Err(error) => {
                    // The cluster would come again after a restart. A cluster that cannot be
                    // written must not block all others.
                    effects.push(Effect::Observe(Observation::CannotTell(error)));
                    continue;
                }
            };
            let (cluster_id, version) = (message.cluster_id.clone(), message.version);
            match self.published.publish_state(message, positions, &absorbed) {
                Some(publication) => self.unpublished.push(publication),
                None => effects.push(Effect::Observe(Observation::NearMissPassedOver { cluster_id, version })),
            }
        }
        for publication in &self.unpublished {
            match records_of(publication) {
                Ok(more) => records.extend(more),
                Err(error) => {
                    effects.push(Effect::GiveUp(error.into()));
                    return;
                }
            }
        }
        let model = Some(self.pipeline.model().full_name());
        let note = Note { lineage: self.lineage, now: self.clock.now(), model }.text();
        effects.push(Effect::Commit { records, note });
    }

    fn committed(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.failures = 0;
        self.failing_since = None;
        self.unsaved.get_or_insert(now.running);
        let published = std::mem::take(&mut self.unpublished).into_iter();
        effects.extend(published.map(|publication| Effect::Observe(Observation::Published(Box::new(publication)))));
        effects.push(Effect::Observe(Observation::Engine(Box::new(self.pipeline.stats()))));
        if self.ended {
            effects.push(Effect::AllPublished);
        }
        self.checkpoint(now, false, effects);
    }

    fn not_committed(&mut self, now: Now, error: LogError, effects: &mut Vec<Effect>) {
        let outage = error.is_unreachable();
        // The time of an outage does not count.
        let since = *self.failing_since.get_or_insert(now.running);
        if outage {
            self.failing_since = None;
        }
        if !error.is_retryable() || !outage && now.running.saturating_sub(since) >= GIVE_UP_AFTER {
            effects.push(Effect::GiveUp(error.into()));
            return;
        }
        // The records come again: the engine knows their posts by id and ignores them, the dead
        // letters are created again, and the found clusters wait here. An outage is waited out.
        self.failures = if outage { self.failures.max(1) } else { self.failures + 1 };
        let failures = self.failures;
        effects.push(Effect::Observe(Observation::CommitFailed { error: error.to_string(), failures }));
        let pause = Duration::from_millis(100 << failures.min(6)).min(LONGEST_PAUSE);
        effects.push(Effect::Pause(if outage { OUTAGE_PAUSE } else { pause }));
        self.checkpoint(now, false, effects);
    }

    /// Requests a checkpoint if one is due, or `at_once`. Only if everything that was read is
    /// committed.
    fn checkpoint(&mut self, now: Now, at_once: bool, effects: &mut Vec<Effect>) {
        let (Some(since), Some(every)) = (self.unsaved, self.settings.checkpoint_every) else { return };
        effects.push(Effect::Observe(Observation::Unsaved(now.running.saturating_sub(since))));
        // After a failure the engine contains posts that are not committed.
        if self.failures > 0 || !(at_once || now.running.saturating_sub(self.tried) >= every) {
            return;
        }
        self.tried = now.running;
        effects.push(Effect::WriteCheckpoint);
    }

    /// Puts a loaded model in service, or reports why a model was not loaded.
    fn take_models(&mut self, now: Now, news: News, effects: &mut Vec<Effect>) {
        let observation = match news {
            News::Loaded(role, model, load) => {
                let before = match role {
                    Role::Active => {
                        self.changed = true;
                        Some(self.pipeline.set_model(Arc::from(model)).full_name())
                    }
                    Role::Shadow => self.pipeline.set_shadow(*model).map(|model| model.full_name()),
                };
                Observation::ModelTaken { role, before, load }
            }
            News::Refused(role, reason) => Observation::ModelRefused { role, reason },
            News::Settled(role) => Observation::ModelSettled { role },
        };
        let swapped = matches!(&observation, Observation::ModelTaken { role: Role::Active, before: Some(before), .. }
            if *before != self.pipeline.model().full_name());
        effects.push(Effect::Observe(observation));
        if swapped {
            // Then everything that is read again after a crash is judged by one of the two models
            // only.
            self.checkpoint(now, true, effects);
        }
    }

    /// Records the features of a judged cluster, for measuring drift.
    fn watch_judgement(&mut self, judged: &Judged, effects: &mut Vec<Effect>) {
        let Some(Judgement { values, probability, shadow }) = &judged.judgement else { return };
        let message = &judged.message;
        effects.push(Effect::Observe(Observation::Judged {
            cluster_id: message.cluster_id.clone(),
            version: message.version,
            probability: *probability,
            inauthentic: message.status == Status::Flagged,
            shadow: shadow.clone(),
        }));
        self.window.add(&message.cluster_id, values.clone());
        self.changed = true;
    }

    /// Measures from time to time how far the recently judged clusters differ from training.
    fn measure_drift(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.changed && now.running.saturating_sub(self.measured) >= MEASURE_EVERY {
            (self.changed, self.measured) = (false, now.running);
            let drift = self.window.drift(self.pipeline.model());
            effects.push(Effect::Observe(Observation::Drift { clusters: self.window.clusters(), drift }));
        }
    }

    /// The model whose verdicts are published.
    pub(crate) fn model(&self) -> &Model {
        self.pipeline.model()
    }

    /// The second model.
    pub(crate) fn shadow(&self) -> Option<&Model> {
        self.pipeline.shadow()
    }
}

/// The records that a publication appends to the topics.
fn records_of(publication: &Publication) -> Result<Vec<NewRecord>, ClusterError> {
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

/// The dead letter of a record. An error is a dead letter without the record's own headers, which
/// would be too large.
fn dead_letter(
    record: &Record,
    value: &[u8],
    error: &messages::DecodeError,
    at: Timestamp,
) -> Result<NewRecord, NewRecord> {
    let source = Source::Record { topic: record.topic.to_string(), partition: record.partition, offset: record.offset };
    let letter = DeadLetter::new(value, error, source, at);
    let mut headers = record.headers.clone();
    headers.extend(letter.headers());
    let topic = Arc::from(POSTS_DEAD_LETTER);
    let whole = NewRecord { topic, key: record.key.clone(), value: Some(letter.value.clone()), headers };
    if whole.size() <= runtime::MAX_RECORD_BYTES {
        return Ok(whole);
    }
    // Headers from outside are as large as a whole record, and one record must not stop the
    // detector. The headers are still in the original record.
    Err(NewRecord { key: Vec::new(), headers: letter.headers(), ..whole })
}

#[cfg(test)]
mod tests;
