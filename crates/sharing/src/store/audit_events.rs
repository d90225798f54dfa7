//! Up to which entry the audit log was reported as events of the program's log.

use super::{Store, StoreError, database::values};

impl Store {
    /// Position of the last entry that was reported.
    pub fn audit_reported(&self) -> Result<i64, StoreError> {
        let position = self.read(|db| db.value("select reported_until from audit_events where one = 1", values![]))?;
        position.ok_or_else(|| StoreError::Unreadable {
            what: "no position of reported audit entries",
            why: "the row of table audit_events is missing".to_owned(),
        })
    }

    /// Moves the position from `from` to `to`, unless another process has moved it.
    pub fn move_audit_reported(&self, from: i64, to: i64) -> Result<(), StoreError> {
        self.write(|tx| {
            let sql = "update audit_events set reported_until = ?2 where one = 1 and reported_until = ?1";
            tx.run(sql, values![from, to]).map(drop)
        })
    }
}
