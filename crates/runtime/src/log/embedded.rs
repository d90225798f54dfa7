//! The embedded log: SQLite in one folder, one process.
//!
//! **Why SQLite.** Measured beside fjall 3 and redb 4 in November 2026 on two cores: records of 480 bytes, 8 partitions,
//! appended in transactions of 500, flushed to disk at each (fsync is cheap on that machine: trust the ratios).
//!
//! | | appends/s | without flush | reads/s | CPU to build, release |
//! | --- | --- | --- | --- | --- |
//! | SQLite (rusqlite 0.41, WAL, rowid table) | 562 k | 556 k | 4.5 M | 39 s |
//! | redb 4 | 381 k | 656 k | 3.3 M | 16 s |
//! | fjall 3 | 575 k | 1.08 M | 2.6 M | 27 s |
//!
//! All are far above what one machine detects. SQLite reads fastest, is in the binary already, does records, offsets and
//! topics in one transaction, deletes by range in SQL, and anybody can look into the file with `sqlite3`.
//!
//! **What durable means.** WAL with `synchronous = full`: when an append or a commit returns, it survives the kill of
//! the process and a loss of power (as far as the disk honours fsync). Concurrent writes share a transaction and so a
//! flush.
//!
//! **How.** One thread writes (`writer.rs`); any number read through connections of their own and never wait for it.
//! Readers learn of new records from a counter in memory, so that waiting costs the disk nothing.
mod group;
mod lock;
mod store;
mod writer;

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    ops::Range,
    path::Path,
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use tokio::{
    sync::{oneshot, watch},
    time::{Instant, timeout_at},
};

use self::{
    store::{Readers, Row, Slot, Store, Topic, encode_headers},
    writer::{Commit, Holding, Offset, Op, Reply, Write, Writer},
};
use super::{
    LogError, MAX_POLL_BYTES, NewRecord, Partition, Record, TopicSpec, blocking, partition,
};

/// The embedded log, in one folder.
#[derive(Clone)]
pub(super) struct Embedded {
    shared: Arc<Shared>,
    ops: mpsc::Sender<Op>,
}

/// What the writer and the readers both look at.
pub(super) struct Shared {
    topics: RwLock<HashMap<Arc<str>, Arc<Topic>>>,
    readers: Readers,
    /// Counts appends and rebalances: who waits for either watches it.
    changes: watch::Sender<u64>,
    closed: AtomicBool,
}

impl Shared {
    fn topic(&self, name: &str) -> Result<Arc<Topic>, LogError> {
        let topics = self.topics.read().unwrap_or_else(|e| e.into_inner());
        topics
            .get(name)
            .cloned()
            .ok_or_else(|| LogError::UnknownTopic {
                topic: name.to_owned(),
            })
    }

    fn topics(&self) -> Vec<Arc<Topic>> {
        let topics = self.topics.read().unwrap_or_else(|e| e.into_inner());
        topics.values().cloned().collect()
    }

    fn add_topic(&self, topic: Topic) {
        let mut topics = self.topics.write().unwrap_or_else(|e| e.into_inner());
        topics.insert(topic.name.clone(), Arc::new(topic));
    }

    fn wake(&self) {
        self.changes.send_modify(|n| *n += 1);
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.readers.close();
        self.wake();
    }

    fn check_open(&self) -> Result<(), LogError> {
        match self.closed.load(Ordering::Acquire) {
            true => Err(LogError::Closed),
            false => Ok(()),
        }
    }
}

impl Embedded {
    pub(super) fn open(dir: &Path) -> Result<Embedded, LogError> {
        fs::create_dir_all(dir)
            .map_err(LogError::io(format!("make the folder {}", dir.display())))?;
        let lock = lock::take(dir)?;
        let file = dir.join("log.db");
        let store = Store::open(&file)?;
        let topics = store
            .topics()?
            .into_iter()
            .map(|topic| (topic.name.clone(), Arc::new(topic)))
            .collect();
        let shared = Arc::new(Shared {
            topics: RwLock::new(topics),
            readers: Readers::new(file),
            changes: watch::Sender::new(0),
            closed: AtomicBool::new(false),
        });
        let (ops, queue) = mpsc::channel();
        let writer = Writer::new(store, shared.clone(), lock);
        std::thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(move || writer.run(queue))
            .map_err(LogError::io("start the log's writer"))?;
        Ok(Embedded { shared, ops })
    }

    pub(super) async fn create_topics(&self, specs: Vec<TopicSpec>) -> Result<(), LogError> {
        self.ask(|reply| Op::CreateTopics(specs, reply)).await
    }

    pub(super) async fn append(&self, records: Vec<NewRecord>) -> Result<(), LogError> {
        let answer = self.submit(records, None)?;
        answer.await.map_err(|_| LogError::Closed)?
    }

    pub(super) async fn consumer(
        &self,
        group: &str,
        topics: &[&str],
    ) -> Result<GroupMember, LogError> {
        let mut slots = Vec::new();
        for topic in topics {
            slots.extend(self.shared.topic(topic)?.slots.iter().cloned());
        }
        let group: Arc<str> = group.into();
        let name = group.clone();
        let (id, view) = self
            .ask(|reply| Op::Join {
                group: name,
                slots,
                reply,
            })
            .await?;
        let mut member = GroupMember {
            changes: self.shared.changes.subscribe(),
            log: self.clone(),
            group,
            id,
            view,
            held: BTreeMap::new(),
            lost: None,
            pending: None,
            turn: 0,
        };
        member.reconcile();
        Ok(member)
    }

    pub(super) fn reader(
        &self,
        topic: &str,
        spans: Vec<(i32, Range<i64>)>,
    ) -> Result<Reader, LogError> {
        let topic = self.shared.topic(topic)?;
        let cursors = spans
            .into_iter()
            .filter_map(|(partition, span)| {
                let slot = topic.slots.get(usize::try_from(partition).ok()?)?.clone();
                let target = if span.end == i64::MAX {
                    slot.end()
                } else {
                    span.end
                };
                Some(Cursor {
                    slot,
                    next: span.start.max(0),
                    to: span.end,
                    target,
                })
            })
            .collect();
        Ok(Reader {
            changes: self.shared.changes.subscribe(),
            log: self.clone(),
            cursors,
            turn: 0,
        })
    }

    pub(super) fn end_offsets(&self, topic: &str) -> Result<Vec<i64>, LogError> {
        Ok(self
            .shared
            .topic(topic)?
            .slots
            .iter()
            .map(|s| s.end())
            .collect())
    }

    pub(super) async fn committed(
        &self,
        group: &str,
        topic: &str,
    ) -> Result<Vec<Option<i64>>, LogError> {
        let topic = self.shared.topic(topic)?;
        let shared = self.shared.clone();
        let group = group.to_owned();
        blocking("read the log", move || {
            shared.readers.committed(&group, &topic.slots)
        })
        .await
    }

    pub(super) async fn clean(&self) -> Result<(), LogError> {
        self.ask(Op::Clean).await
    }

    pub(super) fn check(&self) -> Result<(), LogError> {
        self.shared.check_open()
    }

    pub(super) async fn shutdown(&self) -> Result<(), LogError> {
        match self.ask(Op::Stop).await {
            Err(LogError::Closed) => Ok(()),
            other => other,
        }
    }

    /// Hands a write to the writer; the answer comes when it is durable.
    fn submit(
        &self,
        records: Vec<NewRecord>,
        commit: Option<Commit>,
    ) -> Result<oneshot::Receiver<Result<(), LogError>>, LogError> {
        let mut rows = Vec::with_capacity(records.len());
        let mut topic: Option<Arc<Topic>> = None;
        for record in records {
            let known = match topic.take() {
                Some(known) if known.name == record.topic => known,
                _ => self.shared.topic(&record.topic)?,
            };
            let partition = partition::of_key(&record.key, known.slots.len() as i32);
            if let Some(slot) = known.slots.get(partition as usize) {
                let headers = encode_headers(&record.headers);
                let row = Row {
                    key: record.key,
                    value: record.value,
                    headers,
                };
                rows.push((slot.clone(), row));
            }
            topic = Some(known);
        }
        let (reply, answer) = oneshot::channel();
        let write = Op::Write(Write {
            rows,
            commit,
            reply,
        });
        self.ops.send(write).map_err(|_| LogError::Closed)?;
        Ok(answer)
    }

    async fn ask<T>(&self, op: impl FnOnce(Reply<T>) -> Op) -> Result<T, LogError> {
        let (reply, answer) = oneshot::channel();
        self.ops.send(op(reply)).map_err(|_| LogError::Closed)?;
        answer.await.map_err(|_| LogError::Closed)?
    }

    /// Reads in turn from the cursors that have something.
    async fn fetch(
        &self,
        cursors: Vec<Cursor>,
        max: usize,
    ) -> Result<Vec<(Vec<Record>, i64)>, LogError> {
        let shared = self.shared.clone();
        blocking("read the log", move || {
            let share = max.div_ceil(cursors.len().max(1));
            let mut room = max;
            let mut bytes = 0;
            let mut fetched = Vec::new();
            for cursor in &cursors {
                if room == 0 || bytes >= MAX_POLL_BYTES {
                    break;
                }
                let to = cursor.slot.end().min(cursor.to);
                let batch =
                    shared
                        .readers
                        .records(&cursor.slot, cursor.next, to, share.min(room))?;
                room -= batch.0.len();
                bytes += batch.0.iter().map(Record::size).sum::<usize>();
                fetched.push(batch);
            }
            Ok(fetched)
        })
        .await
    }
}

/// A place in a partition to read on from.
#[derive(Clone)]
struct Cursor {
    slot: Arc<Slot>,
    next: i64,
    /// Where to stop.
    to: i64,
    /// Where the partition ended when the reader was opened.
    target: i64,
}

impl Cursor {
    fn has_more(&self) -> bool {
        self.next < self.slot.end().min(self.to)
    }
}

/// A reader without a group.
pub(super) struct Reader {
    log: Embedded,
    changes: watch::Receiver<u64>,
    cursors: Vec<Cursor>,
    turn: usize,
}

impl Reader {
    pub(super) async fn poll(
        &mut self,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Record>, LogError> {
        let deadline = Instant::now() + wait;
        loop {
            self.changes.borrow_and_update();
            self.log.shared.check_open()?;
            let ready: Vec<usize> = in_turn(self.cursors.len(), &mut self.turn)
                .filter(|i| self.cursors[*i].has_more())
                .collect();
            let cursors = ready.iter().map(|i| self.cursors[*i].clone()).collect();
            let mut records = Vec::new();
            if !ready.is_empty() && max > 0 {
                for (i, (batch, next)) in ready.iter().zip(self.log.fetch(cursors, max).await?) {
                    self.cursors[*i].next = next;
                    records.extend(batch);
                }
            }
            if !records.is_empty() {
                return Ok(records);
            }
            // Compaction may have emptied what seemed to be there: then look again at once.
            if self.cursors.iter().any(Cursor::has_more) && max > 0 {
                continue;
            }
            if !changed(&mut self.changes, deadline).await? {
                return Ok(records);
            }
        }
    }

    pub(super) fn at_end(&self) -> bool {
        self.cursors
            .iter()
            .all(|cursor| cursor.next >= cursor.target)
    }
}

/// A member of a group.
pub(super) struct GroupMember {
    log: Embedded,
    group: Arc<str>,
    id: u64,
    view: watch::Receiver<Vec<Holding>>,
    changes: watch::Receiver<u64>,
    held: BTreeMap<i64, Held>,
    /// A partition that went away with records polled and not committed.
    lost: Option<Partition>,
    /// The answer to a commit under way. Cancelling its caller does not cancel it.
    pending: Option<oneshot::Receiver<Result<(), LogError>>>,
    turn: usize,
}

struct Held {
    slot: Arc<Slot>,
    tenure: u64,
    /// The committed offset, as far as this member knows.
    committed: i64,
    next: i64,
}

impl GroupMember {
    pub(super) async fn poll(
        &mut self,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Record>, LogError> {
        let deadline = Instant::now() + wait;
        self.settle().await?;
        loop {
            self.changes.borrow_and_update();
            self.log.shared.check_open()?;
            self.reconcile();
            let ids: Vec<i64> = self.held.keys().copied().collect();
            let cursors: Vec<Cursor> = in_turn(ids.len(), &mut self.turn)
                .filter_map(|i| {
                    let held = self.held.get(&ids[i])?;
                    let to = i64::MAX;
                    let slot = held.slot.clone();
                    Some(Cursor {
                        slot,
                        next: held.next,
                        to,
                        target: to,
                    })
                })
                .filter(Cursor::has_more)
                .collect();
            if !cursors.is_empty() && max > 0 {
                let slots: Vec<i64> = cursors.iter().map(|c| c.slot.id).collect();
                let fetched = self.log.fetch(cursors, max).await?;
                let mut records = Vec::new();
                for (id, (batch, next)) in slots.into_iter().zip(fetched) {
                    if let Some(held) = self.held.get_mut(&id) {
                        held.next = next;
                        records.extend(batch);
                    }
                }
                if !records.is_empty() {
                    return Ok(records);
                }
                continue;
            }
            if !changed(&mut self.changes, deadline).await? {
                return Ok(Vec::new());
            }
        }
    }

    pub(super) async fn publish_and_commit(
        &mut self,
        outputs: Vec<NewRecord>,
    ) -> Result<(), LogError> {
        self.settle().await?;
        if let Some(lost) = self.lost.take() {
            self.go_back();
            return Err(LogError::Revoked {
                group: self.group.to_string(),
                topic: lost.topic.to_string(),
                partition: lost.number,
            });
        }
        let offsets: Vec<Offset> = self
            .held
            .values()
            .filter(|held| held.next > held.committed)
            .map(|held| Offset {
                slot: held.slot.clone(),
                tenure: held.tenure,
                next: held.next,
            })
            .collect();
        if outputs.is_empty() && offsets.is_empty() {
            return Ok(());
        }
        let commit = Commit {
            group: self.group.clone(),
            member: self.id,
            offsets,
        };
        match self.log.submit(outputs, Some(commit)) {
            Ok(pending) => self.pending = Some(pending),
            Err(error) => {
                self.go_back();
                return Err(error);
            }
        }
        self.settle().await
    }

    pub(super) async fn rewind(&mut self) -> Result<(), LogError> {
        self.settle().await?;
        self.go_back();
        Ok(())
    }

    fn go_back(&mut self) {
        self.lost = None;
        for held in self.held.values_mut() {
            held.next = held.committed;
        }
    }

    pub(super) fn assignment(&self) -> Vec<Partition> {
        let mut partitions: Vec<Partition> = self
            .held
            .values()
            .map(|held| partition_of(&held.slot))
            .collect();
        partitions.sort();
        partitions
    }

    pub(super) fn lag(&self) -> u64 {
        self.held
            .values()
            .map(|held| (held.slot.end() - held.next.max(held.slot.start())).max(0) as u64)
            .sum()
    }

    pub(super) async fn close(self) -> Result<(), LogError> {
        let (group, member) = (self.group.clone(), self.id);
        self.log
            .ask(|reply| Op::Leave {
                group,
                member,
                reply: Some(reply),
            })
            .await
    }

    /// Waits for the commit under way, also one whose caller went away, and goes back where it failed.
    async fn settle(&mut self) -> Result<(), LogError> {
        let Some(pending) = &mut self.pending else {
            return Ok(());
        };
        let result = pending.await.unwrap_or(Err(LogError::Closed));
        self.pending = None;
        match &result {
            Ok(()) => {
                for held in self.held.values_mut() {
                    held.committed = held.next;
                }
            }
            Err(_) => self.go_back(),
        }
        result
    }

    /// Takes over what the group now says this member holds.
    fn reconcile(&mut self) {
        let holdings = self.view.borrow_and_update().clone();
        let mut before = std::mem::take(&mut self.held);
        for holding in holdings {
            let id = holding.slot.id;
            let held = match before.remove(&id) {
                Some(held) if held.tenure == holding.tenure => held,
                gone => {
                    self.note_lost(gone);
                    Held {
                        slot: holding.slot,
                        tenure: holding.tenure,
                        committed: holding.from,
                        next: holding.from,
                    }
                }
            };
            self.held.insert(id, held);
        }
        for gone in before.into_values() {
            self.note_lost(Some(gone));
        }
    }

    fn note_lost(&mut self, gone: Option<Held>) {
        if let Some(gone) = gone.filter(|held| held.next > held.committed) {
            self.lost = Some(partition_of(&gone.slot));
        }
    }
}

impl Drop for GroupMember {
    fn drop(&mut self) {
        let leave = Op::Leave {
            group: self.group.clone(),
            member: self.id,
            reply: None,
        };
        // Where the log is closed there is no group to leave.
        drop(self.log.ops.send(leave));
    }
}

fn partition_of(slot: &Slot) -> Partition {
    Partition {
        topic: slot.topic.clone(),
        number: slot.partition,
    }
}

/// The indices 0..n, starting one further each time, so that no partition is always served first.
fn in_turn(n: usize, turn: &mut usize) -> impl Iterator<Item = usize> + use<> {
    *turn = turn.wrapping_add(1);
    let start = *turn;
    (0..n).map(move |i| start.wrapping_add(i) % n)
}

/// Waits for an append or a rebalance; false when the deadline came first.
async fn changed(changes: &mut watch::Receiver<u64>, deadline: Instant) -> Result<bool, LogError> {
    match timeout_at(deadline, changes.changed()).await {
        Ok(Ok(())) => Ok(true),
        Ok(Err(_)) => Err(LogError::Closed),
        Err(_) => Ok(false),
    }
}
