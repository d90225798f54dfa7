//! Duties to tell somebody, as the table of watched cases has them.

use jiff::Timestamp;

use super::{Store, StoreError, database::values};

impl Store {
    /// Cases with a delay that is over, as cluster ids.
    pub fn delays_over(&self, now: Timestamp) -> Result<Vec<String>, StoreError> {
        self.read(|db| {
            let sql = "select cluster_id from watched where delayed_until <= ?1 order by delayed_until, cluster_id";
            db.rows(sql, values![now])?.into_iter().map(|mut row| row.take(0)).collect()
        })
    }

    /// Cases in which a duty to tell somebody may have been recorded, as cluster ids: those of an earlier version of the program do not
    /// know their duties yet.
    pub fn with_duties(&self) -> Result<Vec<String>, StoreError> {
        self.read(|db| {
            let sql = "select cluster_id from cases where life like '%\"protected\":{%' or life like '%\"breaches\":{%'
                       order by cluster_id";
            db.rows(sql, values![])?.into_iter().map(|mut row| row.take(0)).collect()
        })
    }

    /// How many duties to tell somebody are open and due, and since when the oldest.
    pub fn open_duties(&self) -> Result<(i64, Option<Timestamp>), StoreError> {
        self.read(|db| {
            let open = db.value("select coalesce(sum(duties), 0) from watched", values![])?.unwrap_or(0);
            let since: Option<Option<Timestamp>> = db.value("select min(duties_since) from watched", values![])?;
            Ok((open, since.flatten()))
        })
    }
}
