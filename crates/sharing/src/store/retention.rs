//! What is deleted because it is old: finished cases with all that belongs to them, and finished deliveries.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{
    Store, StoreError,
    audit_log::append_covering,
    contents::{self, Covers},
    database::{Session, values},
    from_json, objects,
};
use casework::audit::Entry;

/// Rows read at a time.
const AT_ONCE: i64 = 200;

/// A case that is finished, is not under legal hold, is not looked at by anybody, and of which nothing waits to be sent.
const FINISHED: &str = "c.state in ('dismissed', 'retracted', 'closed') and c.changed_at < ?1 and c.attention = 0 and c.held = 0
    and not exists (select 1 from watched w where w.cluster_id = c.cluster_id)
    and not exists (select 1 from retractions r where r.case_id = c.case_id and r.acked_at is null)
    and not exists (select 1 from retraction_cases r where r.case_id = c.case_id and r.state = 'open')
    and not exists (select 1 from feedback f where f.case_id = c.case_id and f.published = 0)
    and not exists (select 1 from deliveries d where d.case_id = c.case_id and d.state not in ('delivered', 'discarded'))";

/// Tables whose rows belong to one case.
const OF_A_CASE: [&str; 7] =
    ["shared_objects", "case_references", "releases", "retractions", "retraction_cases", "feedback", "deliveries"];

/// What all cases have in common: it stays.
const COMMON: &str = "'identity', 'marking-definition', 'extension-definition', 'attack-pattern'";
/// What was deleted with a case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct DeletedCase {
    /// Kept posts that were evidence in no other case.
    pub posts: u64,
    /// Objects in the collections of partners.
    pub objects: u64,
}

/// A shared object that may be deleted.
struct Shared {
    number: i64,
    collection: i64,
    date_added: i64,
    id: String,
    refers_to: BTreeSet<String>,
}

impl Store {
    /// Deletes deliveries that are finished and were made before a time; returns how many.
    pub fn delete_deliveries_before(&self, time: Timestamp) -> Result<u64, StoreError> {
        let sql = "delete from deliveries where state in ('delivered', 'discarded') and created_at < ?1";
        self.write(|tx| tx.run(sql, values![time]))
    }

    /// Finished cases that were changed last before a time, by their cluster, the oldest first.
    pub fn finished_cases_before(&self, time: Timestamp, most: usize) -> Result<Vec<String>, StoreError> {
        let sql =
            format!("select c.cluster_id from cases c where {FINISHED} order by c.changed_at, c.cluster_id limit ?2");
        self.read(|db| db.rows(&sql, values![time, most])?.into_iter().map(|mut row| row.take(0)).collect())
    }

    /// Deletes such a case, with all that belongs to it. `entry` says so in the audit log, by the id of the case and what was deleted; the
    /// earlier entries stay. None if the case is not finished any more.
    pub fn delete_finished_case(
        &self,
        cluster_id: &str,
        before: Timestamp,
        entry: impl FnOnce(String, DeletedCase) -> Entry,
    ) -> Result<Option<DeletedCase>, StoreError> {
        self.write(|tx| {
            let sql = format!("select c.case_id from cases c where {FINISHED} and c.cluster_id = ?2");
            let Some(case_id) = tx.value::<String>(&sql, values![before, cluster_id])? else { return Ok(None) };
            let posts = delete_posts(tx, cluster_id)?;
            let found = objects_of(tx, &case_id)?;
            let places: Vec<(i64, i64)> = found.iter().map(|object| (object.collection, object.date_added)).collect();
            let rewritten = contents::change_covered(tx, &places, |tx| {
                for Shared { number, collection, id, .. } in &found {
                    tx.run("delete from objects where number = ?1", values![*number])?;
                    objects::mark_ends(tx, *collection, id)?;
                }
                Ok(())
            })?;
            for table in OF_A_CASE {
                tx.run(&format!("delete from {table} where case_id = ?1"), values![&case_id])?;
            }
            for table in ["case_terms", "cases"] {
                tx.run(&format!("delete from {table} where cluster_id = ?1"), values![cluster_id])?;
            }
            let deleted = DeletedCase { posts, objects: found.len() as u64 };
            let covers = Covers { rewritten, deleted: vec![case_id.clone()], ..Covers::default() };
            append_covering(tx, vec![entry(case_id, deleted)], covers.text()?)?;
            Ok(Some(deleted))
        })
    }
}

/// Deletes the kept posts of a case that are evidence in no other; returns how many.
fn delete_posts(tx: &mut dyn Session, cluster_id: &str) -> Result<u64, StoreError> {
    let rows = tx.rows("select post from evidence_of_cases where cluster_id = ?1", values![cluster_id])?;
    tx.run("delete from evidence_of_cases where cluster_id = ?1", values![cluster_id])?;
    let mut deleted = 0;
    for mut row in rows {
        deleted += tx.run(
            "delete from evidence_posts where post = ?1 and not exists (select 1 from evidence_of_cases where post = ?1)",
            values![row.take::<String>(0)?],
        )?;
    }
    Ok(deleted)
}

/// The objects that were shared of a case, without those that other objects refer to.
fn objects_of(tx: &mut dyn Session, case_id: &str) -> Result<Vec<Shared>, StoreError> {
    let sql = format!(
        "select number, date_added, id, body from objects
         where collection = ?1 and date_added > ?2 and date_added <= ?3 and type not in ({COMMON}) order by number"
    );
    let mut by_collection: BTreeMap<i64, Vec<Shared>> = BTreeMap::new();
    for span in contents::spans_of(tx, case_id)? {
        let collection = span.collection;
        for mut row in tx.rows(&sql, values![collection, span.after, span.until])? {
            let (number, date_added, id): (i64, i64, String) = (row.take(0)?, row.take(1)?, row.take(2)?);
            let refers_to = references(&row.take::<String>(3)?)?;
            let object = Shared { number, collection, date_added, id, refers_to };
            by_collection.entry(collection).or_default().push(object);
        }
    }
    let mut found = Vec::new();
    for (collection, mut candidates) in by_collection {
        let numbers: BTreeSet<i64> = candidates.iter().map(|object| object.number).collect();
        let mut used = referred_to(tx, collection, &numbers)?;
        // What stays keeps what it refers to itself.
        loop {
            let (stay, rest): (Vec<Shared>, Vec<Shared>) =
                candidates.into_iter().partition(|object| used.contains(&object.id));
            candidates = rest;
            if stay.is_empty() {
                break;
            }
            used.extend(stay.into_iter().flat_map(|object| object.refers_to));
        }
        found.extend(candidates);
    }
    Ok(found)
}

/// The ids that objects of a collection refer to, except those that may be deleted.
fn referred_to(
    tx: &mut dyn Session,
    collection: i64,
    candidates: &BTreeSet<i64>,
) -> Result<BTreeSet<String>, StoreError> {
    let sql = "select number, body from objects where collection = ?1 and number > ?2 order by number limit ?3";
    let (mut used, mut last) = (BTreeSet::new(), i64::MIN);
    loop {
        let rows = tx.rows(sql, values![collection, last, AT_ONCE])?;
        if rows.is_empty() {
            return Ok(used);
        }
        for mut row in rows {
            last = row.take(0)?;
            if !candidates.contains(&last) {
                used.extend(references(&row.take::<String>(1)?)?);
            }
        }
    }
}

/// The ids that an object has in it, without its own.
fn references(body: &str) -> Result<BTreeSet<String>, StoreError> {
    let mut body: serde_json::Value = from_json("a shared object", body)?;
    if let Some(fields) = body.as_object_mut() {
        fields.remove("id");
    }
    let mut used = BTreeSet::new();
    take_references(&body, &mut used);
    Ok(used)
}

fn take_references(value: &serde_json::Value, used: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::String(text) if text.contains("--") => drop(used.insert(text.clone())),
        serde_json::Value::Array(items) => items.iter().for_each(|item| take_references(item, used)),
        serde_json::Value::Object(fields) => fields.values().for_each(|field| take_references(field, used)),
        _ => {}
    }
}
