//! Sessions of people at the console. What makes one valid: [`crate::access`].

use jiff::Timestamp;

use super::{Store, StoreError, audit_log::append_audit, database::values};
use crate::audit::Entry;

/// A session as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SessionRow {
    pub person: String,
    /// Names of roles with a comma between.
    pub roles: String,
    pub stamp: Option<String>,
    pub csrf: String,
    pub began_at: Timestamp,
    pub seen_at: Timestamp,
}

impl Store {
    /// Keeps a new session, under the hash of its id.
    pub fn add_session(&self, hash: &[u8], row: &SessionRow, entry: Entry) -> Result<(), StoreError> {
        self.write(|tx| {
            tx.run(
                "insert into sessions (hash, person, roles, stamp, csrf, began_at, seen_at)
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                values![hash, &row.person, &row.roles, row.stamp.clone(), &row.csrf, row.began_at, row.seen_at],
            )?;
            append_audit(tx, vec![entry])
        })
    }

    /// The session of that hash.
    pub fn session(&self, hash: &[u8]) -> Result<Option<SessionRow>, StoreError> {
        self.read(|db| {
            let row = db.row(
                "select person, roles, stamp, csrf, began_at, seen_at from sessions where hash = ?1",
                values![hash],
            )?;
            row.map(|mut row| {
                Ok(SessionRow {
                    person: row.take(0)?,
                    roles: row.take(1)?,
                    stamp: row.take(2)?,
                    csrf: row.take(3)?,
                    began_at: row.take(4)?,
                    seen_at: row.take(5)?,
                })
            })
            .transpose()
        })
    }

    /// Notes that a session is in use.
    pub fn touch_session(&self, hash: &[u8], now: Timestamp) -> Result<(), StoreError> {
        self.write(|tx| tx.run("update sessions set seen_at = ?2 where hash = ?1", values![hash, now]).map(drop))
    }

    /// Ends a session.
    pub fn end_session(&self, hash: &[u8], entry: Entry) -> Result<(), StoreError> {
        self.write(|tx| match tx.run("delete from sessions where hash = ?1", values![hash])? {
            0 => Ok(()),
            _ => append_audit(tx, vec![entry]),
        })
    }

    /// Forgets sessions that began or were last seen too long ago.
    pub fn forget_sessions(&self, began_before: Timestamp, seen_before: Timestamp) -> Result<u64, StoreError> {
        self.write(|tx| {
            tx.run("delete from sessions where began_at < ?1 or seen_at < ?2", values![began_before, seen_before])
        })
    }
}
