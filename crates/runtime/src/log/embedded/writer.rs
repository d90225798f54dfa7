//! The only thread that changes the embedded log. Appends, commits, joins, leaves and cleaning are
//! operations in its queue, so none of them overlap: a commit comes entirely before or entirely
//! after a rebalance.
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs::File,
    sync::{Arc, mpsc},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tokio::sync::{oneshot, watch};

use super::{
    Shared,
    group::{Group, MemberId, SlotId},
    store::{Row, Slot, Store, Topic},
};
use crate::log::{Cleanup, LogError, Membership, TopicSpec};

/// Largest number of bytes written in one transaction, and so in one flush to disk.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// Interval of the cleaner.
const CLEAN_EVERY: Duration = Duration::from_secs(60);
/// A partition of a compacted topic is cleaned when it has at least this many new records, and at
/// least as many new records as it kept.
const DIRTY_RECORDS: i64 = 1000;
/// Time for which compaction keeps a tombstone, so that slow readers still see the deletion
/// (Kafka's `delete.retention.ms`).
const TOMBSTONES: Duration = Duration::from_secs(24 * 3600);

pub(super) type Reply<T> = oneshot::Sender<Result<T, LogError>>;

pub(super) enum Op {
    Write(Write),
    CreateTopics(Vec<TopicSpec>, Reply<()>),
    Join { group: Arc<str>, slots: Vec<Arc<Slot>>, reply: Reply<(MemberId, watch::Receiver<Vec<Holding>>)> },
    Leave { group: Arc<str>, member: MemberId, reply: Option<Reply<()>> },
    Members(Arc<str>, Reply<Vec<Membership>>),
    Clean(Reply<()>),
    Stop(Reply<()>),
}

/// Records to append and offsets to commit in one transaction.
pub(super) struct Write {
    pub(super) rows: Vec<(Arc<Slot>, Row)>,
    pub(super) commit: Option<Commit>,
    pub(super) reply: Reply<()>,
}

pub(super) struct Commit {
    pub(super) group: Arc<str>,
    pub(super) member: MemberId,
    pub(super) offsets: Vec<Offset>,
    pub(super) note: String,
}

pub(super) struct Offset {
    pub(super) slot: Arc<Slot>,
    pub(super) tenure: u64,
    pub(super) next: i64,
}

/// A partition as given to its holder.
#[derive(Clone)]
pub(super) struct Holding {
    pub(super) slot: Arc<Slot>,
    pub(super) tenure: u64,
    /// The committed offset when the tenure began.
    pub(super) from: i64,
}

pub(super) struct Writer {
    store: Store,
    shared: Arc<Shared>,
    groups: HashMap<Arc<str>, Group>,
    views: HashMap<MemberId, watch::Sender<Vec<Holding>>>,
    slots: HashMap<SlotId, Arc<Slot>>,
    members: MemberId,
    cleaned: HashMap<SlotId, Cleaned>,
    /// The lock on the folder, held while the thread lives.
    _lock: File,
}

#[derive(Default)]
struct Cleaned {
    up_to: i64,
    kept: i64,
}

impl Writer {
    pub(super) fn new(store: Store, shared: Arc<Shared>, lock: File) -> Writer {
        let slots = shared.topics().iter().flat_map(|t| t.slots.iter().map(|s| (s.id, s.clone()))).collect();
        Writer {
            store,
            shared,
            groups: HashMap::new(),
            views: HashMap::new(),
            slots,
            members: 0,
            cleaned: HashMap::new(),
            _lock: lock,
        }
    }

    /// Runs until it is told to stop, or until all senders are gone.
    pub(super) fn run(mut self, ops: mpsc::Receiver<Op>) {
        let mut next_clean = Instant::now() + CLEAN_EVERY;
        let mut waiting: Option<Op> = None;
        loop {
            let op = match waiting.take() {
                Some(op) => op,
                None => match ops.recv_timeout(next_clean.saturating_duration_since(Instant::now())) {
                    Ok(op) => op,
                    Err(mpsc::RecvTimeoutError::Timeout) => {
                        if let Err(error) = self.clean(false) {
                            tracing::warn!(%error, "cleaning the log failed, will be tried again");
                        }
                        next_clean = Instant::now() + CLEAN_EVERY;
                        continue;
                    }
                    Err(mpsc::RecvTimeoutError::Disconnected) => break,
                },
            };
            match op {
                Op::Write(write) => {
                    let mut bytes = write.bytes();
                    let mut batch = vec![write];
                    while bytes < BATCH_BYTES {
                        match ops.try_recv() {
                            Ok(Op::Write(write)) => {
                                bytes += write.bytes();
                                batch.push(write);
                            }
                            Ok(other) => {
                                waiting = Some(other);
                                break;
                            }
                            Err(_) => break,
                        }
                    }
                    self.write(batch);
                }
                Op::CreateTopics(specs, reply) => drop(reply.send(self.create_topics(&specs))),
                Op::Join { group, slots, reply } => drop(reply.send(self.join(group, &slots))),
                Op::Leave { group, member, reply } => {
                    let result = self.leave(&group, member);
                    match reply {
                        Some(reply) => drop(reply.send(result)),
                        None => {
                            if let Err(error) = result {
                                tracing::warn!(%group, %error, "leaving a group failed");
                            }
                        }
                    }
                }
                Op::Members(group, reply) => {
                    let members = self.groups.get(&group).into_iter().flat_map(Group::members);
                    let name = |member| format!("member {member} of process {}", std::process::id());
                    let members = members.map(|member| Membership { name: name(member), is_own: false });
                    drop(reply.send(Ok(members.collect())));
                }
                Op::Clean(reply) => drop(reply.send(self.clean(true))),
                Op::Stop(reply) => {
                    self.shared.close();
                    let Writer { store, _lock, .. } = self;
                    let closed = store.close();
                    drop(_lock);
                    drop(reply.send(closed));
                    return;
                }
            }
        }
        self.shared.close();
        if let Err(error) = self.store.close() {
            tracing::warn!(%error, "closing the log failed");
        }
    }

    /// Group commit: many writes in one transaction. If a member lost a partition, only its write
    /// is refused; a disk error refuses all writes.
    fn write(&mut self, batch: Vec<Write>) {
        let (allowed, refused): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|write| (self.check(&write), write)).partition(|(checked, _)| checked.is_ok());
        for (checked, write) in refused {
            drop(write.reply.send(checked));
        }
        if allowed.is_empty() {
            return;
        }
        let writes: Vec<Write> = allowed.into_iter().map(|(_, write)| write).collect();
        match self.store_all(&writes) {
            Ok(ends) => {
                for (slot, end) in ends.values() {
                    slot.advance(*end);
                }
                self.shared.wake();
                for write in writes {
                    drop(write.reply.send(Ok(())));
                }
            }
            Err(error) => {
                let reason = error.to_string();
                for write in writes {
                    drop(write.reply.send(Err(LogError::Io {
                        action: "write to the log".to_owned(),
                        source: std::io::Error::other(reason.clone()),
                    })));
                }
            }
        }
    }

    fn check(&self, write: &Write) -> Result<(), LogError> {
        let Some(commit) = &write.commit else {
            return Ok(());
        };
        let group = self.groups.get(&commit.group);
        let lost = commit
            .offsets
            .iter()
            .find(|offset| !group.is_some_and(|g| g.holds(commit.member, offset.slot.id, offset.tenure)));
        match lost {
            None => Ok(()),
            Some(offset) => Err(LogError::Revoked {
                group: commit.group.to_string(),
                topic: offset.slot.topic.to_string(),
                partition: offset.slot.partition,
            }),
        }
    }

    fn store_all(&mut self, writes: &[Write]) -> Result<BTreeMap<SlotId, (Arc<Slot>, i64)>, LogError> {
        let now = now_ms();
        let mut ends: BTreeMap<SlotId, (Arc<Slot>, i64)> = BTreeMap::new();
        let batch = self.store.begin()?;
        (|| {
            for write in writes {
                for (slot, row) in &write.rows {
                    let (_, end) = ends.entry(slot.id).or_insert_with(|| (slot.clone(), slot.end()));
                    batch.insert(slot, *end, row, now)?;
                    *end += 1;
                }
                if let Some(commit) = &write.commit {
                    for offset in &commit.offsets {
                        batch.set_committed(&commit.group, &offset.slot, offset.next, &commit.note)?;
                    }
                }
            }
            for (slot, end) in ends.values() {
                batch.set_next(slot, *end)?;
            }
            batch.commit()
        })()
        .map_err(LogError::storage("write to the log"))?;
        Ok(ends)
    }

    fn create_topics(&mut self, specs: &[TopicSpec]) -> Result<(), LogError> {
        for spec in specs {
            if let Ok(existing) = self.shared.topic(spec.name) {
                if existing.retention != spec.retention {
                    self.store.set_retention(spec)?;
                    tracing::info!(topic = spec.name, was = ?existing.retention, now = ?spec.retention, "the retention of a topic is changed");
                    self.shared.add_topic(existing.keeping(spec.retention));
                }
                continue;
            }
            let topic = self.store.create_topic(spec)?;
            for slot in &topic.slots {
                self.slots.insert(slot.id, slot.clone());
            }
            self.shared.add_topic(topic);
        }
        Ok(())
    }

    fn join(
        &mut self,
        name: Arc<str>,
        slots: &[Arc<Slot>],
    ) -> Result<(MemberId, watch::Receiver<Vec<Holding>>), LogError> {
        self.members += 1;
        let member = self.members;
        let (view, seen) = watch::channel(Vec::new());
        self.views.insert(member, view);
        let slots: BTreeSet<SlotId> = slots.iter().map(|slot| slot.id).collect();
        self.groups.entry(name.clone()).or_default().join(member, slots);
        match self.publish_holdings(&name) {
            Ok(()) => Ok((member, seen)),
            Err(error) => {
                self.leave(&name, member)?;
                Err(error)
            }
        }
    }

    fn leave(&mut self, name: &Arc<str>, member: MemberId) -> Result<(), LogError> {
        self.views.remove(&member);
        let Some(group) = self.groups.get_mut(name) else {
            return Ok(());
        };
        group.leave(member);
        if group.is_empty() {
            self.groups.remove(name);
            return Ok(());
        }
        self.publish_holdings(name)
    }

    /// Sends each member of a group its current partitions. No write is in progress, so the
    /// committed offsets are final.
    fn publish_holdings(&self, name: &Arc<str>) -> Result<(), LogError> {
        let Some(group) = self.groups.get(name) else {
            return Ok(());
        };
        for member in group.members() {
            let Some(view) = self.views.get(&member) else {
                continue;
            };
            let held: Vec<(Arc<Slot>, u64)> = group
                .held_by(member)
                .filter_map(|(slot, tenure)| Some((self.slots.get(&slot)?.clone(), tenure)))
                .collect();
            let slots: Vec<Arc<Slot>> = held.iter().map(|(slot, _)| slot.clone()).collect();
            let committed = self.shared.readers.committed(name, &slots)?;
            let holdings = held
                .into_iter()
                .zip(committed)
                .map(|((slot, tenure), from)| Holding { slot, tenure, from: from.map_or(0, |from| from.next) })
                .collect();
            view.send_replace(holdings);
        }
        self.shared.wake();
        Ok(())
    }

    fn clean(&mut self, all: bool) -> Result<(), LogError> {
        let now = now_ms();
        for topic in self.shared.topics() {
            for slot in &topic.slots {
                let end = slot.end();
                let cleaned = self.cleaned.entry(slot.id).or_default();
                let dirty = end - cleaned.up_to;
                let due = match topic.cleanup {
                    Cleanup::Delete => topic.retention.is_some(),
                    Cleanup::Compact => dirty >= DIRTY_RECORDS.max(cleaned.kept),
                };
                if !(due || all) {
                    continue;
                }
                let deleted = self.clean_slot(&topic, slot, now)?;
                let kept = (end - slot.start()) - deleted as i64;
                self.cleaned.insert(slot.id, Cleaned { up_to: end, kept: kept.max(0) });
            }
        }
        Ok(())
    }

    fn clean_slot(&mut self, topic: &Topic, slot: &Slot, now: i64) -> Result<usize, LogError> {
        let started = Instant::now();
        let tombstones = now - TOMBSTONES.as_millis() as i64;
        let deleted = self.store.clean(topic, slot, now, tombstones)?;
        if deleted > 0 {
            self.shared.count_deleted(topic, deleted);
            tracing::debug!(
                topic = %topic.name,
                partition = slot.partition,
                deleted,
                ms = started.elapsed().as_millis() as u64,
                "log cleaned"
            );
        }
        Ok(deleted)
    }
}

impl Write {
    fn bytes(&self) -> usize {
        let row = |row: &Row| row.key.len() + row.value.as_ref().map_or(0, Vec::len) + 64;
        self.rows.iter().map(|(_, r)| row(r)).sum()
    }
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
