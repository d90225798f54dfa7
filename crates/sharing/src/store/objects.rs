//! Collections, who may use them, and the objects in them.

mod page_query;

use std::collections::BTreeMap;

use super::{
    CollectionRow, ObjectQuery, ObjectRow, Position, Store, StoreError, Versions,
    audit_log::append_audit,
    database::{Row, Session, values},
};
use crate::object::NewObject;
use casework::audit::Entry;
use page_query::object_sql;

/// Rows read at once where bodies are wanted: what is in memory of one page is bounded by it and by [`PAGE_BYTES`].
const CHUNK: usize = 128;
/// A page ends early when its bodies are longer than this together.
const PAGE_BYTES: usize = 8 * 1024 * 1024;

/// Versions of one object that may be posted: what one id has is read whole where a filter names it, and at every new version.
const MOST_VERSIONS: i64 = 1_000;

/// A new collection.
pub(crate) struct NewCollection<'a> {
    pub root: &'a str,
    pub id: &'a str,
    pub title: &'a str,
    pub description: &'a str,
    pub alias: Option<&'a str>,
    /// Joined by commas.
    pub media_types: &'a str,
}

/// What became of an object that was to be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Added {
    /// It is new; its version.
    New(i64),
    /// It is there already; its version.
    Known(i64),
    /// Something else is there under the same id and version.
    Differs(i64),
    /// There are as many versions as there may be; the version that it would have had.
    TooMany(i64),
}

/// An answer to a POST, to be kept for a while.
pub(crate) struct NewStatus {
    pub id: String,
    pub root: String,
    pub holder: String,
    pub expires_at: i64,
    pub body: String,
}

const COLLECTION: &str =
    "select c.number, c.id, c.title, c.description, c.demo, c.alias, c.media_types, g.can_read, g.can_write
     from grants g join collections c on c.number = g.collection where g.holder = ?1 and c.root = ?2";

fn collection(mut row: Row) -> Result<CollectionRow, StoreError> {
    Ok(CollectionRow {
        number: row.take(0)?,
        id: row.take(1)?,
        title: row.take(2)?,
        description: row.take(3)?,
        demo: row.take(4)?,
        alias: row.take(5)?,
        media_types: row.take::<String>(6)?.split(',').map(|media| media.trim().to_owned()).collect(),
        can_read: row.take(7)?,
        can_write: row.take(8)?,
    })
}

impl Store {
    /// The collections below an API root that somebody may know of, always in the same order.
    pub fn collections(&self, holder: &str, root: &str) -> Result<Vec<CollectionRow>, StoreError> {
        self.read(|db| {
            let rows = db.rows(&format!("{COLLECTION} order by c.number"), values![holder, root])?;
            rows.into_iter().map(collection).collect()
        })
    }

    /// The collection of that id or alias, where somebody may know of it.
    pub fn collection(&self, holder: &str, root: &str, name: &str) -> Result<Option<CollectionRow>, StoreError> {
        self.read(|db| {
            let sql = format!("{COLLECTION} and (c.id = ?3 or c.alias = ?3) order by c.id = ?3 desc");
            db.row(&sql, values![holder, root, name])?.map(collection).transpose()
        })
    }

    /// Whether a collection has an object of that id, in any version.
    pub fn has_object(&self, collection: i64, id: &str) -> Result<bool, StoreError> {
        self.read(|db| {
            let sql = "select collection from objects where collection = ?1 and id = ?2 limit 1";
            Ok(db.row(sql, values![collection, id])?.is_some())
        })
    }

    /// A page of a collection, by `date_added`, and whether there is more.
    pub fn objects(&self, collection: i64, query: &ObjectQuery) -> Result<(Vec<ObjectRow>, bool), StoreError> {
        self.read(|db| {
            let mut page: Vec<ObjectRow> = Vec::new();
            let (mut query, wanted, mut bytes) = (query.clone(), query.limit, 0);
            loop {
                // One more than wanted tells whether there is more.
                let missing = (wanted - page.len()).saturating_add(1);
                query.limit = missing.min(CHUNK);
                let Some((sql, values)) = object_sql(db.dialect(), collection, &query) else {
                    return Ok((page, false));
                };
                let rows = db.rows(&sql, &values)?;
                let ended = rows.len() < query.limit;
                for row in rows {
                    if page.len() == wanted || bytes > PAGE_BYTES {
                        return Ok((page, true));
                    }
                    let row = object(row)?;
                    bytes += row.body.len();
                    query.after = row.position();
                    page.push(row);
                }
                if ended {
                    return Ok((page, false));
                }
            }
        })
    }

    /// What was added to a collection at an instant: of a seed it may be several objects.
    pub fn objects_added_at(&self, collection: i64, date_added: i64) -> Result<Vec<ObjectRow>, StoreError> {
        self.read(|db| {
            let sql = "select number, id, date_added, version, spec_version, '' from objects
                       where collection = ?1 and date_added = ?2 order by number";
            db.rows(sql, values![collection, date_added])?.into_iter().map(object).collect()
        })
    }

    /// Adds what somebody posted, each object at an instant of its own, and keeps the answer that `status` makes of it, in one
    /// transaction with what the audit log says of it. Answers that have expired go.
    pub fn post(
        &self,
        collection: i64,
        objects: &[NewObject],
        entry: Option<Entry>,
        now: i64,
        status: impl FnOnce(&[Added]) -> NewStatus,
    ) -> Result<NewStatus, StoreError> {
        self.write(|tx| {
            let mut adding = Adding::begin(tx, collection)?;
            let mut added = Vec::with_capacity(objects.len());
            for object in objects {
                added.push(adding.add_within(tx, object, now, MOST_VERSIONS)?);
            }
            adding.end(tx)?;
            append_audit(tx, entry.into_iter().collect())?;
            let status = status(&added);
            tx.run("delete from statuses where expires_at <= ?1", values![now])?;
            put_status(tx, &status)?;
            Ok(status)
        })
    }

    /// An answer to a POST of that holder, unless it has expired.
    pub fn status(&self, id: &str, root: &str, holder: &str, now: i64) -> Result<Option<String>, StoreError> {
        self.read(|db| {
            db.value(
                "select body from statuses where id = ?1 and root = ?2 and holder = ?3 and expires_at > ?4",
                values![id, root, holder, now],
            )
        })
    }

    /// Deletes versions of an object; how many there were.
    pub fn delete_object(
        &self,
        collection: i64,
        id: &str,
        versions: &Versions,
        spec_versions: &[String],
    ) -> Result<usize, StoreError> {
        self.write(|tx| {
            let rows = tx.rows(
                "select number, version, spec_version from objects where collection = ?1 and id = ?2 order by version",
                values![collection, id],
            )?;
            let mut found = Vec::new();
            for mut row in rows {
                let spec: String = row.take(2)?;
                if spec_versions.is_empty() || spec_versions.contains(&spec) {
                    found.push((row.take::<i64>(0)?, row.take::<i64>(1)?));
                }
            }
            let ends = (found.first().map(|f| f.0), found.last().map(|l| l.0));
            found.retain(|(number, version)| match versions {
                Versions::All => true,
                Versions::Some { first, last, at } => {
                    *first && ends.0 == Some(*number) || *last && ends.1 == Some(*number) || at.contains(version)
                }
            });
            for (number, _) in &found {
                tx.run("delete from objects where number = ?1", values![*number])?;
            }
            mark_ends(tx, collection, id)?;
            Ok(found.len())
        })
    }

    /// Fills an empty database, in one transaction; refuses one that is not.
    pub fn seed(&self, fill: impl FnOnce(&mut dyn Session) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.write(|tx| {
            for table in ["cases", "partners", "collections", "audit"] {
                if tx.row(&format!("select 1 from {table} limit 1"), values![])?.is_some() {
                    return Err(StoreError::NotEmpty(table));
                }
            }
            fill(tx)
        })
    }
}

/// Adds a collection; returns its number.
pub(crate) fn add_collection(tx: &mut dyn Session, new: &NewCollection<'_>) -> Result<i64, StoreError> {
    let number: i64 = tx.value("select coalesce(max(number), 0) + 1 from collections", values![])?.unwrap_or(1);
    tx.run(
        "insert into collections (number, id, root, title, description, alias, media_types)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        values![number, new.id, new.root, new.title, new.description, new.alias, new.media_types],
    )?;
    Ok(number)
}

/// Says what somebody may do with a collection.
pub(crate) fn grant(
    tx: &mut dyn Session,
    holder: &str,
    collection: i64,
    can_read: bool,
    can_write: bool,
) -> Result<(), StoreError> {
    tx.run(
        "insert into grants (holder, collection, can_read, can_write) values (?1, ?2, ?3, ?4)
         on conflict (holder, collection) do update set can_read = ?3, can_write = ?4",
        values![holder, collection, can_read, can_write],
    )
    .map(drop)
}

pub(crate) fn put_status(tx: &mut dyn Session, status: &NewStatus) -> Result<(), StoreError> {
    tx.run(
        "insert into statuses (id, root, holder, expires_at, body) values (?1, ?2, ?3, ?4, ?5)",
        values![&status.id, &status.root, &status.holder, status.expires_at, &status.body],
    )
    .map(drop)
}

/// Adds objects of a release, each at an instant of its own. One writer at a time, so a reader that pages by `date_added` never
/// sees an object appear behind its cursor.
pub(super) fn publish(
    tx: &mut dyn Session,
    collection: i64,
    objects: &[NewObject],
    demo: bool,
    now: i64,
) -> Result<usize, StoreError> {
    let mut adding = Adding::begin(tx, collection)?;
    let mut added = 0;
    for object in objects {
        added += usize::from(matches!(adding.add(tx, object, now)?, Added::New(_)));
    }
    adding.end(tx)?;
    if demo && added > 0 {
        tx.run("update collections set demo = 1 where number = ?1", values![collection])?;
    }
    Ok(added)
}

/// Objects on their way into a collection, inside one transaction.
pub(crate) struct Adding {
    collection: i64,
    /// The newest date_added given out.
    last: i64,
    number: i64,
    /// Ids that have more than one version now, and how many.
    versioned: BTreeMap<String, i64>,
}

impl Adding {
    pub fn begin(tx: &mut dyn Session, collection: i64) -> Result<Self, StoreError> {
        Ok(Self {
            collection,
            last: tx.value("select last_added from collections where number = ?1", values![collection])?.unwrap_or(0),
            number: tx.value("select coalesce(max(number), 0) from objects", values![])?.unwrap_or(0),
            versioned: BTreeMap::new(),
        })
    }

    /// Adds an object after all that are there.
    pub fn add(&mut self, tx: &mut dyn Session, object: &NewObject, now: i64) -> Result<Added, StoreError> {
        self.add_within(tx, object, now, i64::MAX)
    }

    /// The same, unless there are so many versions of it already.
    fn add_within(
        &mut self,
        tx: &mut dyn Session,
        object: &NewObject,
        now: i64,
        most: i64,
    ) -> Result<Added, StoreError> {
        self.put(tx, object, now.max(self.last + 1), most)
    }

    /// Adds an object with a date of its own, as only a seed may.
    pub fn add_at(&mut self, tx: &mut dyn Session, object: &NewObject, date_added: i64) -> Result<Added, StoreError> {
        self.put(tx, object, date_added, i64::MAX)
    }

    fn put(
        &mut self,
        tx: &mut dyn Session,
        object: &NewObject,
        date_added: i64,
        most: i64,
    ) -> Result<Added, StoreError> {
        let known = |mut row: Row| Ok::<(i64, String), StoreError>((row.take(0)?, row.take(1)?));
        let newest = tx.row(
            "select version, body from objects where collection = ?1 and id = ?2 order by version desc limit 1",
            values![self.collection, &object.id],
        )?;
        let newest = newest.map(known).transpose()?;
        let is_alone = newest.is_none();
        let same = match (object.version, newest) {
            (Some(version), Some((newest, _))) if newest != version => {
                let row = tx.row(
                    "select version, body from objects where collection = ?1 and id = ?2 and version = ?3",
                    values![self.collection, &object.id, version],
                )?;
                row.map(known).transpose()?
            }
            (_, newest) => newest,
        };
        if let Some((version, body)) = same {
            if is_same(&body, &object.body) {
                return Ok(Added::Known(version));
            }
            if object.version.is_some() {
                return Ok(Added::Differs(version));
            }
        }
        let version = object.version.unwrap_or(date_added);
        if !is_alone {
            if !self.versioned.contains_key(&object.id) {
                let sql = "select count(*) from objects where collection = ?1 and id = ?2";
                let versions = tx.value(sql, values![self.collection, &object.id])?.unwrap_or(0);
                self.versioned.insert(object.id.clone(), versions);
            }
            let versions = self.versioned.entry(object.id.clone()).or_default();
            if *versions >= most {
                return Ok(Added::TooMany(version));
            }
            *versions += 1;
        }
        self.number += 1;
        tx.run(
            "insert into objects (number, collection, date_added, id, type, spec_version, version, is_first, is_last, body)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9)",
            values![
                self.number,
                self.collection,
                date_added,
                &object.id,
                &object.kind,
                &object.spec_version,
                version,
                is_alone,
                &object.body
            ],
        )?;
        self.last = self.last.max(date_added);
        Ok(Added::New(version))
    }

    pub fn end(self, tx: &mut dyn Session) -> Result<(), StoreError> {
        for id in self.versioned.keys() {
            mark_ends(tx, self.collection, id)?;
        }
        tx.run("update collections set last_added = ?2 where number = ?1", values![self.collection, self.last])?;
        Ok(())
    }
}

/// The same JSON, however it is written. An object without `modified` is as it was created.
fn is_same(a: &str, b: &str) -> bool {
    let parse = |text: &str| {
        let mut value = serde_json::from_str::<serde_json::Value>(text).ok()?;
        if let (None, Some(created)) = (value.get("modified"), value.get("created").cloned()) {
            value["modified"] = created;
        }
        Some(value)
    };
    a == b || parse(a).is_some_and(|a| Some(a) == parse(b))
}

/// Marks the first and last version of an object, of all and of each spec_version.
pub(super) fn mark_ends(tx: &mut dyn Session, collection: i64, id: &str) -> Result<(), StoreError> {
    let mut rows = Vec::new();
    for mut row in tx.rows(
        "select number, spec_version, is_first, is_last from objects where collection = ?1 and id = ?2 order by version",
        values![collection, id],
    )? {
        rows.push((row.take::<i64>(0)?, row.take::<String>(1)?, row.take::<i64>(2)?, row.take::<i64>(3)?));
    }
    let mark = |found: Option<usize>, index: usize, end: bool| match (found == Some(index), end) {
        (true, true) => 1,
        (true, false) => 2,
        (false, _) => 0,
    };
    for (index, (number, spec, is_first, is_last)) in rows.iter().enumerate() {
        let first = mark(rows.iter().position(|row| row.1 == *spec), index, index == 0);
        let last = mark(rows.iter().rposition(|row| row.1 == *spec), index, index + 1 == rows.len());
        if (first, last) != (*is_first, *is_last) {
            tx.run("update objects set is_first = ?2, is_last = ?3 where number = ?1", values![*number, first, last])?;
        }
    }
    Ok(())
}

fn object(mut row: Row) -> Result<ObjectRow, StoreError> {
    Ok(ObjectRow {
        number: row.take(0)?,
        id: row.take(1)?,
        date_added: row.take(2)?,
        version: row.take(3)?,
        spec_version: row.take(4)?,
        body: row.take(5)?,
    })
}

impl ObjectRow {
    /// Where it stands in its collection.
    pub fn position(&self) -> Position {
        Position { date_added: self.date_added, number: self.number }
    }
}

#[cfg(test)]
mod tests;
