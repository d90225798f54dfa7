//! The SQLite database of the embedded log, and its statements.
mod rewrite;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

pub use self::rewrite::{Change, Changed, StoppedLog};
use super::headers::decode_headers;
use crate::log::{Cleanup, Committed, LogError, MAX_POLL_BYTES, Record, TopicSpec};

/// Number of bits for the offset in a record's id; the higher bits hold the slot's number.
const OFFSET_BITS: u32 = 40;
/// The file's application id ("LSLG"), which marks it as a log of Lockstep.
const APPLICATION_ID: i32 = 0x4c53_4c47;
/// Version of the file's tables (`pragma user_version`).
pub const LAYOUT: i32 = 2;
/// Rows deleted in one transaction, so that cleaning does not make the write-ahead log too large.
const CLEAN_CHUNK: usize = 10_000;
/// Number of read connections kept open.
const READERS: usize = 8;

/// A topic, as loaded in this process.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) name: Arc<str>,
    pub(super) cleanup: Cleanup,
    pub(super) retention: Option<Duration>,
    pub(super) slots: Vec<Arc<Slot>>,
}

impl Topic {
    /// The same topic with another retention time.
    pub(super) fn keeping(&self, retention: Option<Duration>) -> Topic {
        Topic { name: self.name.clone(), cleanup: self.cleanup, retention, slots: self.slots.clone() }
    }
}

/// A partition, with the range of its records.
#[derive(Debug)]
pub(super) struct Slot {
    /// Number of the partition in the file, unique over all topics.
    pub(super) id: i64,
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    /// The first offset that still exists.
    start: AtomicI64,
    /// The offset after the last durable record.
    end: AtomicI64,
}

impl Slot {
    pub(super) fn start(&self) -> i64 {
        self.start.load(Ordering::Acquire)
    }

    pub(super) fn end(&self) -> i64 {
        self.end.load(Ordering::Acquire)
    }

    /// Called by the writer when the records up to `end` are durable.
    pub(super) fn advance(&self, end: i64) {
        self.end.store(end, Ordering::Release);
    }

    fn row(&self, offset: i64) -> i64 {
        (self.id << OFFSET_BITS) | offset
    }

    fn rows(&self) -> (i64, i64) {
        (self.row(0), (self.id + 1) << OFFSET_BITS)
    }
}

/// The only writing connection, owned by the writer thread.
pub(super) struct Store {
    db: Connection,
}

impl Store {
    /// Opens the file, and creates it if it is missing.
    pub(super) fn open(file: &Path) -> Result<Store, LogError> {
        let failed = || LogError::storage(format!("open the log's file {}", file.display()));
        let db = Connection::open(file).map_err(failed())?;
        let application: i32 = db.query_row("pragma application_id", [], |row| row.get(0)).map_err(failed())?;
        let layout: i32 = db.query_row("pragma user_version", [], |row| row.get(0)).map_err(failed())?;
        let fresh = application == 0 && layout == 0;
        if !fresh && (application != APPLICATION_ID || !(1..=LAYOUT).contains(&layout)) {
            return Err(LogError::Io {
                action: format!("open the log's file {}", file.display()),
                source: std::io::Error::other(format!(
                    "it is not a log of layout {LAYOUT} (found {application:#x}, {layout}); move the file away to start with an empty log"
                )),
            });
        }
        db.execute_batch(
            "pragma page_size = 8192;
             pragma journal_mode = wal;
             pragma synchronous = full;
             pragma cache_size = -32768;
             pragma temp_store = memory;
             pragma journal_size_limit = 67108864;",
        )
        .map_err(failed())?;
        if fresh {
            db.execute_batch(&format!(
                "begin;
                 create table topic (
                   id integer primary key, name text not null unique, partitions integer not null,
                   cleanup text not null, retention_ms integer);
                 create table slot (
                   id integer primary key, topic integer not null references topic, partition integer not null,
                   next integer not null, unique (topic, partition));
                 create table record (
                   id integer primary key, key blob not null, value blob, headers blob, at integer not null);
                 create table committed (
                   grp text not null, slot integer not null, next integer not null, note text not null default '',
                   primary key (grp, slot))
                   without rowid;
                 pragma application_id = {APPLICATION_ID};
                 pragma user_version = {LAYOUT};
                 commit;"
            ))
            .map_err(failed())?;
        } else if layout == 1 {
            // Commits had no notes in that layout.
            db.execute_batch(&format!(
                "begin; alter table committed add column note text not null default ''; pragma user_version = {LAYOUT}; commit;"
            ))
            .map_err(failed())?;
        }
        Ok(Store { db })
    }

    /// Opens an existing file, only to read its topics.
    pub(super) fn open_to_read(file: &Path) -> Result<Store, LogError> {
        let failed = || LogError::storage(format!("open the log's file {}", file.display()));
        let db = read_only(file).map_err(failed())?;
        let application: i32 = db.query_row("pragma application_id", [], |row| row.get(0)).map_err(failed())?;
        let layout: i32 = db.query_row("pragma user_version", [], |row| row.get(0)).map_err(failed())?;
        if application != APPLICATION_ID || !(1..=LAYOUT).contains(&layout) {
            return Err(LogError::Io {
                action: format!("open the log's file {}", file.display()),
                source: std::io::Error::other(format!(
                    "it is not a log of layout {LAYOUT} (found {application:#x}, {layout})"
                )),
            });
        }
        Ok(Store { db })
    }

    /// Every topic of the file.
    pub(super) fn topics(&self) -> Result<Vec<Topic>, LogError> {
        self.load_topics().map_err(LogError::storage("read the topics of the log"))
    }

    fn load_topics(&self) -> rusqlite::Result<Vec<Topic>> {
        let mut topics = self.db.prepare("select id, name, cleanup, retention_ms from topic order by id")?;
        let mut slots = self.db.prepare("select id, partition, next from slot where topic = ?1 order by partition")?;
        topics
            .query_map([], |row| {
                let id: i64 = row.get(0)?;
                let name: Arc<str> = row.get::<_, String>(1)?.into();
                let compact = row.get::<_, String>(2)? == "compact";
                let retention: Option<i64> = row.get(3)?;
                let slots = slots
                    .query_map([id], |row| {
                        Ok(Slot {
                            id: row.get(0)?,
                            topic: name.clone(),
                            partition: row.get(1)?,
                            start: AtomicI64::new(0),
                            end: AtomicI64::new(row.get(2)?),
                        })
                    })?
                    .map(|slot| {
                        let slot = slot?;
                        self.find_start(&slot)?;
                        Ok(Arc::new(slot))
                    })
                    .collect::<rusqlite::Result<_>>()?;
                Ok(Topic {
                    name,
                    cleanup: if compact { Cleanup::Compact } else { Cleanup::Delete },
                    retention: retention.map(|ms| Duration::from_millis(ms.max(0) as u64)),
                    slots,
                })
            })?
            .collect()
    }

    fn find_start(&self, slot: &Slot) -> rusqlite::Result<()> {
        let (low, high) = slot.rows();
        let first: Option<i64> = self
            .db
            .prepare_cached("select id from record where id >= ?1 and id < ?2 order by id limit 1")?
            .query_row((low, high), |row| row.get(0))
            .optional()?;
        let start = first.map_or(slot.end(), |id| id - low);
        slot.start.store(start, Ordering::Release);
        Ok(())
    }

    /// Creates one topic.
    pub(super) fn create_topic(&mut self, spec: &TopicSpec) -> Result<Topic, LogError> {
        self.insert_topic(spec).map_err(LogError::storage(format!("create topic {:?}", spec.name)))
    }

    /// Changes how long a topic keeps its records.
    pub(super) fn set_retention(&mut self, spec: &TopicSpec) -> Result<(), LogError> {
        let done = self
            .db
            .execute("update topic set retention_ms = ?2 where name = ?1", params![spec.name, milliseconds(spec)]);
        done.map(drop).map_err(LogError::storage(format!("change topic {:?}", spec.name)))
    }

    fn insert_topic(&mut self, spec: &TopicSpec) -> rusqlite::Result<Topic> {
        let name: Arc<str> = spec.name.into();
        let transaction = self.db.transaction()?;
        let cleanup = match spec.cleanup {
            Cleanup::Delete => "delete",
            Cleanup::Compact => "compact",
        };
        let retention = milliseconds(spec);
        transaction.execute(
            "insert into topic (name, partitions, cleanup, retention_ms) values (?1, ?2, ?3, ?4)",
            params![spec.name, spec.partitions, cleanup, retention],
        )?;
        let topic = transaction.last_insert_rowid();
        let mut slots = Vec::new();
        for partition in 0..spec.partitions {
            transaction
                .execute("insert into slot (topic, partition, next) values (?1, ?2, 0)", params![topic, partition])?;
            slots.push(Arc::new(Slot {
                id: transaction.last_insert_rowid(),
                topic: name.clone(),
                partition,
                start: AtomicI64::new(0),
                end: AtomicI64::new(0),
            }));
        }
        transaction.commit()?;
        Ok(Topic { name, cleanup: spec.cleanup, retention: spec.retention, slots })
    }

    /// Begins the transaction for a batch of writes.
    pub(super) fn begin(&mut self) -> Result<Batch<'_>, LogError> {
        self.db
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
            .map(Batch)
            .map_err(LogError::storage("begin a transaction of the log"))
    }

    /// Deletes records that a topic no longer has to keep, and returns their number. Cleanup
    /// `delete`: records appended before `now_ms` minus the retention. Cleanup `compact`: all
    /// records of a key except its last, and tombstones appended before `tombstones_before_ms`. Writes wait until it is done.
    pub(super) fn clean(
        &mut self,
        topic: &Topic,
        slot: &Slot,
        now_ms: i64,
        tombstones_before_ms: i64,
    ) -> Result<usize, LogError> {
        match (topic.cleanup, topic.retention) {
            (Cleanup::Delete, None) => Ok(0),
            (Cleanup::Delete, Some(keep)) => {
                let keep = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
                self.expire(slot, now_ms.saturating_sub(keep))
            }
            (Cleanup::Compact, _) => self.compact(slot, tombstones_before_ms),
        }
        .and_then(|deleted| {
            if deleted > 0 {
                self.find_start(slot)?;
            }
            Ok(deleted)
        })
        .map_err(LogError::storage(format!("clean topic {:?}", topic.name)))
    }

    fn expire(&self, slot: &Slot, before_ms: i64) -> rusqlite::Result<usize> {
        let (low, high) = slot.rows();
        let mut deleted = 0;
        loop {
            // The clock may have been set back: only old records at the start are deleted.
            let kept: Option<i64> = self
                .db
                .prepare_cached(
                    "select id from (select id, at from record where id >= ?1 and id < ?2 order by id limit ?4)
                     where at >= ?3 order by id limit 1",
                )?
                .query_row((low, high, before_ms, CLEAN_CHUNK as i64), |row| row.get(0))
                .optional()?;
            let chunk = self
                .db
                .prepare_cached(
                    "delete from record where id in
                     (select id from record where id >= ?1 and id < ?2 order by id limit ?3)",
                )?
                .execute((low, kept.unwrap_or(high), CLEAN_CHUNK as i64))?;
            deleted += chunk;
            if kept.is_some() || chunk < CLEAN_CHUNK {
                return Ok(deleted);
            }
        }
    }

    fn compact(&self, slot: &Slot, tombstones_before_ms: i64) -> rusqlite::Result<usize> {
        let (low, high) = slot.rows();
        self.db
            .execute_batch("create temp table if not exists kept (id integer primary key); delete from temp.kept;")?;
        self.db
            .prepare_cached("insert into temp.kept select max(id) from record where id >= ?1 and id < ?2 group by key")?
            .execute((low, high))?;
        let mut deleted = 0;
        loop {
            let chunk = self
                .db
                .prepare_cached(
                    "delete from record where id in (select id from record where id >= ?1 and id < ?2 and
                       (id not in (select id from temp.kept) or (value is null and at < ?3)) order by id limit ?4)",
                )?
                .execute((low, high, tombstones_before_ms, CLEAN_CHUNK as i64))?;
            deleted += chunk;
            if chunk < CLEAN_CHUNK {
                return Ok(deleted);
            }
        }
    }

    /// Merges the write-ahead log into the file, so that only one file remains after closing.
    pub(super) fn close(self) -> Result<(), LogError> {
        self.db.close().map_err(|(_, error)| error).map_err(LogError::storage("close the log's file"))
    }
}

fn milliseconds(spec: &TopicSpec) -> Option<i64> {
    spec.retention.map(|keep| i64::try_from(keep.as_millis()).unwrap_or(i64::MAX))
}

/// An open transaction. Dropped without [`Batch::commit`], it changes nothing.
pub(super) struct Batch<'a>(rusqlite::Transaction<'a>);

impl Batch<'_> {
    pub(super) fn insert(&self, slot: &Slot, offset: i64, record: &Row, now_ms: i64) -> rusqlite::Result<()> {
        self.0
            .prepare_cached("insert into record (id, key, value, headers, at) values (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![slot.row(offset), record.key, record.value, record.headers, now_ms])?;
        Ok(())
    }

    pub(super) fn set_next(&self, slot: &Slot, next: i64) -> rusqlite::Result<()> {
        self.0.prepare_cached("update slot set next = ?2 where id = ?1")?.execute((slot.id, next))?;
        Ok(())
    }

    pub(super) fn set_committed(&self, group: &str, slot: &Slot, next: i64, note: &str) -> rusqlite::Result<()> {
        self.0
            .prepare_cached(
                "insert into committed (grp, slot, next, note) values (?1, ?2, ?3, ?4)
                 on conflict do update set next = excluded.next, note = excluded.note where excluded.next >= next",
            )?
            .execute((group, slot.id, next, note))?;
        Ok(())
    }

    pub(super) fn commit(self) -> rusqlite::Result<()> {
        self.0.commit()
    }
}

/// The stored fields of a record, except position and time.
pub(super) struct Row {
    pub(super) key: Vec<u8>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) headers: Option<Vec<u8>>,
}

/// Read connections, shared by all readers of the process.
pub(super) struct Readers {
    file: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(file: PathBuf) -> Readers {
        Readers { file, idle: Mutex::default() }
    }

    fn with<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, LogError> {
        let idle = self.idle.lock().unwrap_or_else(|e| e.into_inner()).pop();
        let failed = LogError::storage("read the log");
        let result = (|| {
            let db = match idle {
                Some(db) => db,
                None => read_only(&self.file)?,
            };
            let value = read(&db)?;
            let mut idle = self.idle.lock().unwrap_or_else(|e| e.into_inner());
            if idle.len() < READERS {
                idle.push(db);
            }
            Ok(value)
        })();
        result.map_err(failed)
    }

    /// Drops the idle connections.
    pub(super) fn close(&self) {
        self.idle.lock().unwrap_or_else(|e| e.into_inner()).clear();
    }

    /// Up to `max` records from offset `from` to before `to`, within the limit on bytes. The second
    /// value is the offset to continue from; after a compaction it may be greater than the last record's offset + 1.
    pub(super) fn records(&self, slot: &Slot, from: i64, to: i64, max: usize) -> Result<(Vec<Record>, i64), LogError> {
        self.with(|db| {
            let mut records = Vec::new();
            let mut bytes = 0;
            let low = slot.row(0);
            let mut statement = db.prepare_cached(
                "select id, key, value, headers, at from record where id >= ?1 and id < ?2 order by id limit ?3",
            )?;
            let mut rows = statement.query((slot.row(from), slot.row(to), i64::try_from(max).unwrap_or(i64::MAX)))?;
            let mut next = from;
            while let Some(row) = rows.next()? {
                let id: i64 = row.get(0)?;
                let record = Record {
                    topic: slot.topic.clone(),
                    partition: slot.partition,
                    offset: id - low,
                    key: row.get(1)?,
                    value: row.get(2)?,
                    headers: row.get_ref(3)?.as_blob_or_null()?.map(decode_headers).unwrap_or_default(),
                    timestamp: row.get(4)?,
                };
                next = record.offset + 1;
                bytes += record.size();
                records.push(record);
                if bytes >= MAX_POLL_BYTES {
                    return Ok((records, next));
                }
            }
            if records.len() < max {
                next = to.max(from);
            }
            Ok((records, next))
        })
    }

    pub(super) fn committed(&self, group: &str, slots: &[Arc<Slot>]) -> Result<Vec<Option<Committed>>, LogError> {
        self.with(|db| {
            let mut statement = db.prepare_cached("select next, note from committed where grp = ?1 and slot = ?2")?;
            let mut of = |slot: &Arc<Slot>| {
                let committed = |row: &rusqlite::Row<'_>| Ok(Committed { next: row.get(0)?, note: row.get(1)? });
                statement.query_row((group, slot.id), committed).optional()
            };
            slots.iter().map(&mut of).collect()
        })
    }
}

fn read_only(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(file, flags)?;
    db.busy_timeout(Duration::from_secs(10))?;
    db.execute_batch("pragma cache_size = -8192;")?;
    Ok(db)
}
