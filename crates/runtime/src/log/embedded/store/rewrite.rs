//! Rewriting the records of a log that no service uses, so that nothing of the old ones is left in its files.

use std::{collections::BTreeMap, fs, path::Path};

use rusqlite::params;

use super::{
    super::{
        FILE,
        headers::{decode_headers, encode_headers},
        lock,
    },
    Slot, Store,
};
use crate::log::{LogError, MAX_POLL_BYTES, Record};

/// Records read at a time.
const AT_ONCE: usize = 1_000;

/// What becomes of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It stays as it is.
    Keep,
    /// It is deleted; its offset stays empty.
    Delete,
    /// It gets another value and other headers. Its key, offset and time stay.
    Replace {
        /// The new value.
        value: Vec<u8>,
        /// The new headers.
        headers: Vec<(String, Vec<u8>)>,
    },
}

/// How many records of a topic were changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changed {
    /// Deleted records.
    pub deleted: u64,
    /// Records with a new value.
    pub replaced: u64,
}

/// The embedded log in a folder, while no service uses it.
pub struct StoppedLog {
    store: Store,
    _lock: fs::File,
}

impl StoppedLog {
    /// Opens the log of a folder, which must exist. Until it is dropped, no service can open it.
    ///
    /// # Errors
    /// [`LogError::InUse`] if a process has the log open.
    pub fn open(dir: &Path) -> Result<StoppedLog, LogError> {
        let lock = lock::take(dir)?;
        let file = dir.join(FILE);
        // An empty log must not be made where there is none.
        fs::metadata(&file).map_err(LogError::io(format!("open the log's file {}", file.display())))?;
        Ok(StoppedLog { store: Store::open(&file)?, _lock: lock })
    }

    /// Changes records, and returns how many of each topic. Then the file is written anew, without the pages
    /// and the write-ahead log in which the old records were. It takes as much free space as the log has.
    ///
    /// Records are changed some at a time: after an error, repeat it.
    pub fn rewrite(
        &mut self,
        mut change: impl FnMut(&Record) -> Change,
    ) -> Result<BTreeMap<String, Changed>, LogError> {
        let failed = || LogError::storage("rewrite the log");
        self.store.db.execute_batch("pragma secure_delete = on; pragma temp_store = file;").map_err(failed())?;
        let mut all = BTreeMap::new();
        for topic in self.store.topics()? {
            let mut changed = Changed::default();
            for slot in &topic.slots {
                let mut next = 0;
                while let Some(reached) = self.rewrite_some(slot, next, &mut change, &mut changed).map_err(failed())? {
                    next = reached;
                }
            }
            all.insert(topic.name.to_string(), changed);
        }
        self.store.db.execute_batch("vacuum; pragma wal_checkpoint(truncate);").map_err(failed())?;
        Ok(all)
    }

    /// Changes some records from an offset on. Returns the offset to continue from.
    fn rewrite_some(
        &mut self,
        slot: &Slot,
        from: i64,
        change: &mut impl FnMut(&Record) -> Change,
        changed: &mut Changed,
    ) -> rusqlite::Result<Option<i64>> {
        let tx = self.store.db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let low = slot.row(0);
        let mut changes = Vec::new();
        let (mut count, mut bytes, mut reached) = (0, 0, from);
        {
            let sql = "select id, key, value, headers, at from record where id >= ?1 and id < ?2 order by id limit ?3";
            let mut statement = tx.prepare_cached(sql)?;
            let mut rows = statement.query((slot.row(from), slot.rows().1, AT_ONCE as i64))?;
            while let Some(row) = rows.next()?.filter(|_| bytes < MAX_POLL_BYTES) {
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
                (count, bytes, reached) = (count + 1, bytes + record.size(), record.offset + 1);
                match change(&record) {
                    Change::Keep => {}
                    other => changes.push((id, other)),
                }
            }
        }
        for (id, change) in changes {
            match change {
                Change::Keep => {}
                Change::Delete => {
                    changed.deleted += tx.execute("delete from record where id = ?1", [id])? as u64;
                }
                Change::Replace { value, headers } => {
                    let sql = "update record set value = ?2, headers = ?3 where id = ?1";
                    changed.replaced += tx.execute(sql, params![id, value, encode_headers(&headers)])? as u64;
                }
            }
        }
        tx.commit()?;
        Ok((count > 0).then_some(reached))
    }

    /// Closes the log. Only its file remains, and services can open it again.
    pub fn close(self) -> Result<(), LogError> {
        let StoppedLog { store, _lock } = self;
        store.close()
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;

    use super::*;
    use crate::{Cleanup, Log, NewRecord, TopicSpec};

    #[tokio::test]
    async fn nothing_of_a_changed_record_is_left_and_the_others_keep_their_offsets() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let spec = |name, cleanup| TopicSpec { name, partitions: 2, cleanup, retention: None };
        let log = Log::open_embedded(dir).await.unwrap();
        log.create_topics(&[spec("a", Cleanup::Delete), spec("b", Cleanup::Compact)]).await.unwrap();
        for topic in ["a", "b"] {
            let many = (0..2_500).map(|n| NewRecord::new(topic, format!("key-{n}"), format!("secret-{} {n}", n % 5)));
            log.append(many.collect()).await.unwrap();
        }
        // An old state of a key, whose page is free.
        log.append(vec![NewRecord::new("b", "key-1", "other")]).await.unwrap();
        log.compact().await.unwrap();
        assert!(matches!(StoppedLog::open(dir), Err(LogError::InUse { .. })));
        let ends = log.end_offsets("a").await.unwrap();
        log.shutdown().await.unwrap();

        let mut stopped = StoppedLog::open(dir).unwrap();
        let change = |record: &Record| match record.value.as_deref().map(<[u8]>::to_vec) {
            Some(value) if value.starts_with(b"secret-1") => Change::Delete,
            Some(value) if value.starts_with(b"secret-2") => {
                Change::Replace { value: b"x".to_vec(), headers: vec![("h".to_owned(), b"y".to_vec())] }
            }
            _ => Change::Keep,
        };
        let changed = stopped.rewrite(change).unwrap();
        assert_eq!(changed["a"], Changed { deleted: 500, replaced: 500 });
        assert_eq!(changed["b"], Changed { deleted: 499, replaced: 500 });
        let again = stopped.rewrite(change).unwrap();
        assert_eq!(again["a"], Changed::default());
        stopped.close().unwrap();
        let files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        for file in &files {
            let bytes = fs::read(file).unwrap();
            for gone in ["secret-1", "secret-2"] {
                let found = bytes.windows(gone.len()).any(|window| window == gone.as_bytes());
                assert!(!found, "{gone} is left in {}", file.display());
            }
        }

        let log = Log::open_embedded(dir).await.unwrap();
        assert_eq!(log.end_offsets("a").await.unwrap(), ends);
        let records: Vec<Record> = log.read_all("a", &[]).await.unwrap().try_collect().await.unwrap();
        assert_eq!(records.len(), 2_000);
        let replaced: Vec<_> = records.iter().filter(|record| record.value.as_deref() == Some(b"x")).collect();
        assert!(replaced.len() == 500 && replaced.iter().all(|record| record.headers[0].1 == b"y"));
    }
}
