//! One writer and a few readers on one file in WAL mode.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use deadpool::managed::{Manager, Metrics, Pool, RecycleResult};
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params_from_iter, types};

use super::{Database, Dialect, Row, Session, Value, Work, migrate, pool};
use crate::store::StoreError;

pub(super) struct Sqlite {
    path: PathBuf,
    /// Device and number of the file.
    file: Option<(u64, u64)>,
    writer: Mutex<Connection>,
    readers: Pool<Readers>,
}

/// Opens connections that only read.
struct Readers {
    path: PathBuf,
}

impl Manager for Readers {
    type Type = Connection;
    type Error = StoreError;

    async fn create(&self) -> Result<Connection, StoreError> {
        // A file that is gone must not be made again: it would look like an empty database.
        let reader = connect(&self.path, OpenFlags::default() - OpenFlags::SQLITE_OPEN_CREATE)?;
        reader.pragma_update(None, "query_only", true)?;
        Ok(reader)
    }

    async fn recycle(&self, _: &mut Connection, _: &Metrics) -> RecycleResult<StoreError> {
        Ok(())
    }
}

impl Sqlite {
    /// Opens the file, made where missing, with one connection that writes and at most `connections` less one that read.
    pub fn open(path: &Path, connections: usize) -> Result<Self, StoreError> {
        let refuse = |why: String| StoreError::Open { path: path.display().to_string(), why };
        if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|e| {
                refuse(format!("its folder cannot be made: {e}; set sharing.database to a place that can be written"))
            })?;
        }
        let mut writer = connect(path, OpenFlags::default())?;
        writer.pragma_update(None, "journal_mode", "wal")?;
        // A case must be on the disk before the offset that brought it is committed, also when the power fails.
        writer.pragma_update(None, "synchronous", "full")?;
        let tx = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found: i64 = tx.query_row("pragma user_version", [], |row| row.get(0))?;
        let reached = migrate(&mut Held(&tx), found, &path.display().to_string())?;
        tx.pragma_update(None, "user_version", reached)?;
        tx.commit()?;
        let readers = pool::of(Readers { path: path.to_owned() }, connections.saturating_sub(1)).map_err(refuse)?;
        let file = file_number(path).map_err(|e| refuse(format!("{e}; check the path and its permissions")))?;
        Ok(Self { path: path.to_owned(), file, writer: Mutex::new(writer), readers })
    }
}

impl Database for Sqlite {
    fn write(&self, work: Work<'_>) -> Result<(), StoreError> {
        let mut writer = lock(&self.writer);
        let tx = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        work(&mut Held(&tx))?;
        tx.commit()?;
        Ok(())
    }

    fn read(&self, work: Work<'_>) -> Result<(), StoreError> {
        work(&mut Held(&*pool::take(&self.readers)?))
    }

    fn scrub(&self) -> Result<(), StoreError> {
        let writer = lock(&self.writer);
        // Writes all that is left to new pages, and empties the write-ahead log.
        writer.execute_batch("vacuum")?;
        let busy: i64 = writer.query_row("pragma wal_checkpoint(truncate)", [], |row| row.get(0))?;
        if busy != 0 {
            return Err(StoreError::Open {
                path: self.path.display().to_string(),
                why: "another program reads it, so that what was erased is still in its write-ahead log; stop the program and \
                      repeat the command"
                    .to_owned(),
            });
        }
        Ok(())
    }

    fn is_in_place(&self) -> Result<(), StoreError> {
        let place = self.path.display();
        match file_number(&self.path) {
            Ok(found) if found == self.file => Ok(()),
            Ok(_) => Err(StoreError::Replaced(format!(
                "the file {place} was replaced while the service runs, which still uses the one before: restart the service, which \
                 checks the new one"
            ))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(StoreError::Replaced(format!(
                "the file {place} is gone: what the service stores now is lost when it ends; put the file back, or stop the service and \
                 restore a backup"
            ))),
            Err(error) => Err(StoreError::Open { path: place.to_string(), why: error.to_string() }),
        }
    }
}

/// Device and number of a file, by which it is known under any name.
#[cfg(unix)]
fn file_number(path: &Path) -> std::io::Result<Option<(u64, u64)>> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).map(|meta| Some((meta.dev(), meta.ino())))
}

#[cfg(not(unix))]
fn file_number(path: &Path) -> std::io::Result<Option<(u64, u64)>> {
    std::fs::metadata(path).map(|_| None)
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path, flags).map_err(|e| StoreError::Open {
        path: path.display().to_string(),
        why: format!("{e}; check the path and its permissions"),
    })?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(connection)
}

// A panic elsewhere leaves the connection itself sound: its transaction was rolled back when it was dropped.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Held<'a>(&'a Connection);

impl Session for Held<'_> {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn run(&mut self, sql: &str, values: &[Value]) -> Result<u64, StoreError> {
        Ok(self.0.prepare_cached(sql)?.execute(params_from_iter(values))? as u64)
    }

    fn rows(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, StoreError> {
        let mut statement = self.0.prepare_cached(sql)?;
        let columns = statement.column_count();
        let rows = statement.query_map(params_from_iter(values), |row| {
            let value = |column| {
                Ok(match row.get::<_, types::Value>(column)? {
                    types::Value::Null => Value::Null,
                    types::Value::Integer(v) => Value::Int(v),
                    types::Value::Real(v) => Value::Real(v),
                    types::Value::Text(v) => Value::Text(v),
                    types::Value::Blob(v) => Value::Blob(v),
                })
            };
            (0..columns).map(value).collect::<rusqlite::Result<Vec<_>>>().map(Row)
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn script(&mut self, sql: &str) -> Result<(), StoreError> {
        Ok(self.0.execute_batch(sql)?)
    }
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<types::ToSqlOutput<'_>> {
        Ok(types::ToSqlOutput::Borrowed(match self {
            Value::Null => types::ValueRef::Null,
            Value::Int(v) => types::ValueRef::Integer(*v),
            Value::Real(v) => types::ValueRef::Real(*v),
            Value::Text(v) => types::ValueRef::Text(v.as_bytes()),
            Value::Blob(v) => types::ValueRef::Blob(v),
        }))
    }
}
