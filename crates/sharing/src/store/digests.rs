//! What a digest counts, and which digests were sent.

use jiff::Timestamp;

use super::{Store, StoreError, database::values};
use crate::config::digest::Period;
use casework::digest::Counts;

impl Store {
    /// What became of a partner's collection in a period. None of a partner that is not in use.
    pub fn digest_counts(&self, partner: &str, period: Period) -> Result<Option<Counts>, StoreError> {
        let Period { from, until } = period;
        self.read(|db| {
            let sql = "select collection from partners where name = ?1 and active = 1";
            let Some(collection) = db.value::<i64>(sql, values![partner])? else { return Ok(None) };
            let mut count = |sql: &str| {
                let found: Option<i64> = db.value(sql, values![collection, from, until])?;
                Ok::<u64, StoreError>(found.unwrap_or(0).unsigned_abs())
            };
            let released = count(
                "select count(*) from releases where collection = ?1 and released_at >= ?2 and released_at < ?3",
            )?;
            let accounts = count(
                "select count(distinct id) from objects where collection = ?1 and type = 'indicator'
                 and date_added >= ?2 and date_added < ?3",
            )?;
            let withdrawals = count("select count(*) from retractions where collection = ?1 and at >= ?2 and at < ?3")?;
            let open = "select count(*) from retractions where collection = ?1 and acked_at is null";
            let unacknowledged = db.value::<i64>(open, values![collection])?.unwrap_or(0).unsigned_abs();
            let said = "select count(*) from feedback where partner = ?1 and collection is not null
                        and said_at >= ?2 and said_at < ?3";
            let feedback = db.value::<i64>(said, values![partner, from, until])?.unwrap_or(0).unsigned_abs();
            Ok(Some(Counts { released, accounts, withdrawals, unacknowledged, feedback }))
        })
    }

    /// Claims the digest of a partner for a period; false if it is sent, or somebody else sends it.
    pub fn claim_digest(&self, partner: &str, period: Period, now: Timestamp) -> Result<bool, StoreError> {
        self.write(|tx| {
            let added = tx.run(
                "insert into digests (partner, days, until, claimed_at) values (?1, ?2, ?3, ?4)
                 on conflict (partner, days, until) do nothing",
                values![partner, period.days(), period.until, now],
            )?;
            Ok(added > 0)
        })
    }

    /// Notes that a claimed digest was sent, or gives it back to be tried again.
    pub fn end_digest(&self, partner: &str, period: Period, sent_at: Option<Timestamp>) -> Result<(), StoreError> {
        let of = "where partner = ?1 and days = ?2 and until = ?3";
        self.write(|tx| {
            match sent_at {
                Some(at) => tx.run(
                    &format!("update digests set sent_at = ?4 {of}"),
                    values![partner, period.days(), period.until, at],
                )?,
                None => tx.run(
                    &format!("delete from digests {of} and sent_at is null"),
                    values![partner, period.days(), period.until],
                )?,
            };
            Ok(())
        })
    }

    /// Partners whose digest was claimed before a time and not sent: the process ended meanwhile. Each is given up, and returned once.
    pub fn give_up_digests(&self, before: Timestamp, now: Timestamp) -> Result<Vec<String>, StoreError> {
        self.write(|tx| {
            let sql = "select distinct partner from digests where sent_at is null and claimed_at < ?1 order by partner";
            let partners: Vec<String> = tx
                .rows(sql, values![before])?
                .into_iter()
                .map(|mut row| row.take(0))
                .collect::<Result<_, StoreError>>()?;
            if !partners.is_empty() {
                let sql = "update digests set sent_at = ?2 where sent_at is null and claimed_at < ?1";
                tx.run(sql, values![before, now])?;
            }
            Ok(partners)
        })
    }
}
