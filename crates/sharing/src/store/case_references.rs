//! The ids under which partners know cases. Each partner has another one for the same case, so that two partners cannot tell from
//! ids that they have the same case.

use std::collections::BTreeMap;

use super::{
    Store, StoreError,
    database::{Session, values},
    encryption::PSEUDONYM_KEY,
};
use crate::key;

impl Store {
    /// Makes the migration that brought references again, over a store that was published from without them.
    #[cfg(test)]
    pub fn migrate_references_again(&self) -> Result<(), StoreError> {
        use super::database::{MIGRATIONS, part_for};
        let migration = MIGRATIONS.iter().find(|migration| migration.contains("create table case_references"));
        self.write(|tx| {
            tx.script("drop table case_references")?;
            tx.script("alter table deliveries drop column event")?;
            // The table of shared objects had another name at that time.
            tx.script("alter table shared_objects rename to told")?;
            let dialect = tx.dialect();
            tx.script(&part_for(dialect, migration.copied().unwrap_or_default()))?;
            tx.script("alter table told rename to shared_objects")
        })
    }

    /// The references of a case that were given out, by collection.
    pub fn references_of(&self, case_id: &str) -> Result<BTreeMap<i64, String>, StoreError> {
        self.read(|db| {
            let sql = "select collection, reference from case_references where case_id = ?1";
            db.rows(sql, values![case_id])?.into_iter().map(|mut row| Ok((row.take(0)?, row.take(1)?))).collect()
        })
    }

    /// The references of a case that were given out, by partner.
    pub fn references_by_partner(&self, case_id: &str) -> Result<BTreeMap<String, String>, StoreError> {
        self.read(|db| {
            let sql = "select p.name, r.reference from case_references r join partners p on p.collection = r.collection
                       where r.case_id = ?1";
            db.rows(sql, values![case_id])?.into_iter().map(|mut row| Ok((row.take(0)?, row.take(1)?))).collect()
        })
    }

    /// Under which id a recipient knows a case, or would know it: a partner under its own, any other recipient under the case's.
    pub fn reference_for(&self, recipient: &str, case_id: &str) -> Result<String, StoreError> {
        self.read(|db| {
            let sql = "select p.pseudonym_key, r.reference from partners p
                       left join case_references r on r.collection = p.collection and r.case_id = ?2 where p.name = ?1";
            let Some(mut row) = db.row(sql, values![recipient, case_id])? else { return Ok(case_id.to_owned()) };
            let (pseudonym_key, given): (Vec<u8>, Option<String>) = (row.take(0)?, row.take(1)?);
            let made = || {
                let pseudonym_key = self.locker.decrypt(&pseudonym_key, PSEUDONYM_KEY, recipient)?;
                Ok(key::case_reference(&pseudonym_key, case_id))
            };
            given.map_or_else(made, Ok)
        })
    }

    /// The cluster of the case that a partner knows under that id.
    pub fn cluster_by_reference(&self, reference: &str) -> Result<Option<String>, StoreError> {
        self.read(|db| {
            let sql = "select c.cluster_id from case_references r join cases c on c.case_id = r.case_id
                       where r.reference = ?1 limit 1";
            db.value(sql, values![reference])
        })
    }
}

/// Keeps the id that a collection gets for a case. One that was given out stays.
pub(super) fn keep(tx: &mut dyn Session, collection: i64, case_id: &str, reference: &str) -> Result<(), StoreError> {
    tx.run(
        "insert into case_references (collection, case_id, reference) values (?1, ?2, ?3)
         on conflict (collection, case_id) do nothing",
        values![collection, case_id, reference],
    )
    .map(drop)
}
