//! The detector without its surroundings: events in, effects out. No I/O, no clock.
//!
//! The driver ([`service`](crate::service)) hands in what has happened, one [`Event`] after
//! another, with the time at which it happened, and carries out the [`Effect`]s in their order. The
//! same events at the same times give the same effects, so everything that depends on time (a
//! silent partition, a checkpoint that is due, a model between two batches) is tested with times
//! that a test hands in.

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

/// Failures to publish in a row before the service gives up.
const TRIES: u32 = 5;
/// Largest cluster message: what Kafka takes by default, less the record's own overhead.
const MOST_BYTES: usize = 900 * 1024;
/// How often drift is measured, which takes some milliseconds for a full window.
const MEASURE_EVERY: Duration = Duration::from_secs(10);

/// When something happened, by both of the driver's clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// The wall clock, which posts are held against.
    pub(crate) wall: Timestamp,
    /// How long the driver has run, by a clock that never goes back: waiting is measured by it.
    pub(crate) running: Duration,
}

/// What has happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// Records of `posts` were read.
    Read(Vec<Record>),
    /// Records were waited for, and none came.
    NothingRead,
    /// The partitions of `posts` end at these offsets.
    Ends(Vec<i64>),
    /// All posts were read, and no more will come.
    StreamEnded,
    /// What [`Effect::Commit`] asked for is done.
    Committed,
    /// It could not be done, and what was read comes again if it is tried again.
    NotCommitted(LogError),
    /// A look at the models that ought to be in service.
    Models(News),
    /// What [`Effect::WriteCheckpoint`] asked for is done.
    CheckpointWritten,
    /// The service is told to stop.
    Stopping,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Publish these records and commit what was read, with the note, in one transaction. The
    /// answer is [`Event::Committed`] or [`Event::NotCommitted`].
    Commit {
        /// Clusters and dead letters.
        records: Vec<NewRecord>,
        /// See [`Note`].
        note: String,
    },
    /// Wait for so long before anything else is read.
    Pause(Duration),
    /// Stop with this error.
    GiveUp(ServiceError),
    /// Write a checkpoint of [`Machine::state`]. The answer is [`Event::CheckpointWritten`], or
    /// nothing where it could not be written.
    WriteCheckpoint,
    /// Everything that was found in a stream with an end is published.
    AllPublished,
    /// Count this, and tell operators.
    Observe(Observation),
}

/// What operators see.
#[derive(Debug)]
pub(crate) enum Observation {
    /// A post was taken in.
    Post {
        /// What became of it.
        outcome: Outcome,
        /// Bytes of its record.
        bytes: usize,
        /// Seconds from its own time to its reading.
        delay_s: f64,
        /// Its id, of one that came too late.
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
        /// Where it stands.
        offset: i64,
    },
    /// A state of a coordinated cluster was judged.
    Judged { cluster_id: String, version: u32, probability: f64, inauthentic: bool, shadow: Option<Verdict> },
    /// No message can be made of a cluster.
    CannotTell(ClusterError),
    /// A near miss is not published, because more was said of it before.
    NearMissPassedOver { cluster_id: String, version: u32 },
    /// Publishing failed, and the batch comes again.
    CommitFailed { error: String, failures: u32 },
    /// The next word on a cluster is published.
    Published(Box<Publication>),
    /// Where the engine stands after a commit.
    Engine(Box<Stats>),
    /// A model was put in service, in the place of `before`.
    ModelTaken { role: Role, before: Option<ModelName>, load: Duration },
    /// The model that ought to be in service cannot be used.
    ModelRefused { role: Role, reason: String },
    /// What ought to be in service is again.
    ModelSettled { role: Role },
    /// How far the clusters told last lie from training; `None` where that is not known.
    Drift { clusters: usize, drift: Option<Drift> },
    /// Age of the oldest committed work that is in no checkpoint.
    Unsaved(Duration),
}

/// What the machine goes by.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// A post dated further than this beyond its coming is a dead letter, milliseconds.
    pub(crate) future_tolerance: Millis,
    /// Parts of the engine: a checkpoint of another number does not fit.
    pub(crate) shards: u16,
    /// Time between two checkpoints; `None` for none.
    pub(crate) checkpoint_every: Option<Duration>,
    /// The name of a new line of commits; a group that has committed before has its own.
    pub(crate) lineage: u64,
}

/// The detector's state.
pub(crate) struct Machine {
    settings: Settings,
    pipeline: Pipeline,
    clock: EventClock,
    /// See [`Note`].
    lineage: u64,
    /// What is to be published of clusters: it outlives a failed commit, because the engine will
    /// not find them again.
    unpublished: Vec<Publication>,
    /// What is published of clusters, and what stands in `unpublished`.
    published: Published,
    /// Where the topics of clusters ended when that was right.
    ends: Ends,
    /// Failures to publish in a row.
    failures: u32,
    /// The stream has ended, and the engine has told its last.
    ended: bool,
    /// When a checkpoint was last tried.
    tried: Duration,
    /// Since when there is committed work that is in no checkpoint.
    unsaved: Option<Duration>,
    /// What was judged lately.
    window: Window,
    /// Whether the window has changed since it was measured.
    changed: bool,
    /// When it was last measured.
    measured: Duration,
}

impl Machine {
    /// A machine that has seen nothing.
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
            ended: false,
            tried: Duration::ZERO,
            unsaved: None,
            window: Window::default(),
            changed: false,
            measured: Duration::ZERO,
        }
    }

    /// Takes in an event; what is to be done, in order.
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
                self.clock.nothing_left(now.running);
                self.checkpoint(now, false, &mut effects);
            }
            Event::Ends(ends) => self.clock.ends(now.running, &ends),
            Event::StreamEnded => {
                if !std::mem::replace(&mut self.ended, true) {
                    self.pipeline.finish();
                }
                // Nothing can go on from an engine whose stream has ended.
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

    /// Decodes records and hands them to the pipeline; returns the dead letters. Without `effects`
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
            // By the time of its coming, not of its reading: a post that was refused is refused
            // again in a replay.
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
                    self.clock.see(record.partition, post.created_at);
                    let outcome = self.pipeline.post(event_time, &post);
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

    /// Publishes what was found and commits what was read, in one piece.
    fn publish(&mut self, mut records: Vec<NewRecord>, effects: &mut Vec<Effect>) {
        for judged in self.pipeline.judge() {
            let judged = judged.and_then(|judged| {
                self.watch_judgement(&judged, effects);
                Ok((shortened(judged.message, MOST_BYTES)?, judged.positions, judged.absorbed))
            });
            let (message, positions, absorbed) = match judged {
                Ok(judged) => judged,
                Err(error) => {
                    // It would come again after a restart: one that cannot be told must not hold up
                    // all others.
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
        if !error.is_retryable() || self.failures >= TRIES {
            effects.push(Effect::GiveUp(error.into()));
            return;
        }
        // The records come again: the engine knows their posts by id and takes no second notice,
        // the dead letters are made anew, and the clusters found wait here.
        self.failures += 1;
        let failures = self.failures;
        effects.push(Effect::Observe(Observation::CommitFailed { error: error.to_string(), failures }));
        effects.push(Effect::Pause(Duration::from_millis(100 << failures)));
        self.checkpoint(now, false, effects);
    }

    /// Asks for a checkpoint where one is due, or at once. Only where all that was read is
    /// committed.
    fn checkpoint(&mut self, now: Now, at_once: bool, effects: &mut Vec<Effect>) {
        let (Some(since), Some(every)) = (self.unsaved, self.settings.checkpoint_every) else { return };
        effects.push(Effect::Observe(Observation::Unsaved(now.running.saturating_sub(since))));
        // After a failure the engine knows posts that are not committed.
        if self.failures > 0 || !(at_once || now.running.saturating_sub(self.tried) >= every) {
            return;
        }
        self.tried = now.running;
        effects.push(Effect::WriteCheckpoint);
    }

    /// Puts a model in service that was read and verified, or says why one was not.
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
            // What is read again after a crash is then all for one of the two to judge.
            self.checkpoint(now, true, effects);
        }
    }

    /// Remembers what was said of a cluster, for measuring drift.
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

    /// How far what was judged lately lies from training, now and then.
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

    /// The model that judges beside it.
    pub(crate) fn shadow(&self) -> Option<&Model> {
        self.pipeline.shadow()
    }
}

/// What a publication appends to the topics.
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

/// The dead letter of a record; an error is one without the record's own headers, which would fill
/// it.
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
    // Somebody's own headers fill a record, and one record must not stop the detector: they still
    // stand where it came from.
    Err(NewRecord { key: Vec::new(), headers: letter.headers(), ..whole })
}

#[cfg(test)]
mod tests;
