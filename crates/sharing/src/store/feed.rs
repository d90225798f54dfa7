//! What rows of the feed of accounts are made of, read a page at a time.

use std::collections::BTreeMap;

use super::{
    Store, StoreError,
    database::{Value, values},
};

/// Bodies read at once.
const AT_ONCE: i64 = 16;

/// The collection that a partner reads.
#[derive(Debug, Clone)]
pub(crate) struct FeedState {
    pub collection: i64,
    /// Its id in TAXII.
    pub id: String,
    pub platform: String,
    /// The newest `date_added` given out.
    pub last_added: i64,
    /// Indicators in it, each in its last version.
    pub indicators: i64,
}

impl Store {
    /// The collection of a partner in use.
    pub fn feed_state(&self, partner: &str) -> Result<Option<FeedState>, StoreError> {
        self.read(|db| {
            let sql = "select c.number, c.id, p.platform, c.last_added,
                       (select count(*) from objects o where o.collection = c.number and o.type = 'indicator' and o.is_last > 0)
                       from partners p join collections c on c.number = p.collection where p.name = ?1 and p.active = 1";
            let Some(mut row) = db.row(sql, values![partner])? else { return Ok(None) };
            Ok(Some(FeedState {
                collection: row.take(0)?,
                id: row.take(1)?,
                platform: row.take(2)?,
                last_added: row.take(3)?,
                indicators: row.take(4)?,
            }))
        })
    }

    /// The case with which an object was shared.
    pub fn case_of_object(&self, collection: i64, object: &str) -> Result<Option<String>, StoreError> {
        let sql = "select case_id from shared_objects where collection = ?1 and object = ?2 order by case_id limit 1";
        self.read(|db| db.value(sql, values![collection, object]))
    }

    /// Gives the campaign and the evidence of a case to `take`, each in the last version that a collection has.
    pub fn each_of_case(
        &self,
        collection: i64,
        case_id: &str,
        mut take: impl FnMut(&str) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let sql = "select o.number, o.body from shared_objects s
                   join objects o on o.collection = s.collection and o.id = s.object
                   where s.collection = ?1 and s.case_id = ?2 and s.account is null and o.is_last = 1
                   and o.type in ('campaign', 'observed-data') and o.number > ?3 order by o.number limit ?4";
        let mut last = i64::MIN;
        loop {
            let rows = self.read(|db| db.rows(sql, values![collection, case_id, last, AT_ONCE]))?;
            if rows.is_empty() {
                return Ok(());
            }
            for mut row in rows {
                last = row.take(0)?;
                take(&row.take::<String>(1)?)?;
            }
        }
    }

    /// Bodies of objects by their ids, in their last versions; of as many as a page has.
    pub fn last_bodies(&self, collection: i64, ids: &[String]) -> Result<BTreeMap<String, String>, StoreError> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let places: Vec<String> = (2..ids.len() + 2).map(|n| format!("?{n}")).collect();
        let sql = format!(
            "select id, body from objects where collection = ?1 and is_last = 1 and id in ({})",
            places.join(", ")
        );
        let mut of: Vec<Value> = vec![Value::Int(collection)];
        of.extend(ids.iter().map(Value::from));
        self.read(|db| db.rows(&sql, &of)?.into_iter().map(|mut row| Ok((row.take(0)?, row.take(1)?))).collect())
    }
}
