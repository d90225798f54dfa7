//! Collections and the objects in them.

use super::{
    CollectionRow, NewObject, ObjectQuery, ObjectRow, Store, StoreError, Versions,
    database::{Dialect, Session, Value, values},
};

impl Store {
    /// The collection of that number.
    pub fn collection(&self, number: i64) -> Result<Option<CollectionRow>, StoreError> {
        self.read(|db| {
            let row = db.row(
                "select number, id, title, description, demo from collections where number = ?1",
                values![number],
            )?;
            row.map(|mut row| {
                Ok(CollectionRow {
                    number: row.take(0)?,
                    id: row.take(1)?,
                    title: row.take(2)?,
                    description: row.take(3)?,
                    demo: row.take(4)?,
                })
            })
            .transpose()
        })
    }

    /// Whether a collection has an object of that id, in any version.
    pub fn has_object(&self, collection: i64, id: &str) -> Result<bool, StoreError> {
        self.read(|db| {
            let sql = "select collection from objects where collection = ?1 and id = ?2 limit 1";
            Ok(db.row(sql, values![collection, id])?.is_some())
        })
    }

    /// A page of a collection, by `date_added`.
    pub fn objects(&self, collection: i64, query: &ObjectQuery) -> Result<Vec<ObjectRow>, StoreError> {
        self.read(|db| {
            let (sql, values) = object_sql(db.dialect(), collection, query);
            let rows = db.rows(&sql, &values)?.into_iter().map(|mut row| {
                Ok(ObjectRow { id: row.take(0)?, date_added: row.take(1)?, version: row.take(2)?, body: row.take(3)? })
            });
            rows.collect()
        })
    }
}

/// Adds objects, each at an instant of its own. One writer at a time, so a reader that pages by `date_added` never sees an
/// object appear behind its cursor.
pub(super) fn publish(
    tx: &mut dyn Session,
    collection: i64,
    objects: &[NewObject],
    demo: bool,
    now: i64,
) -> Result<usize, StoreError> {
    let mut last: i64 =
        tx.value("select last_added from collections where number = ?1", values![collection])?.unwrap_or(0);
    let mut number: i64 = tx.value("select coalesce(max(number), 0) from objects", values![])?.unwrap_or(0);
    let mut added = 0;
    for object in objects {
        let newest = tx.row(
            "select version, body from objects where collection = ?1 and id = ?2 order by version desc limit 1",
            values![collection, &object.id],
        )?;
        let newest: Option<(i64, String)> =
            newest.map(|mut row| Ok::<_, StoreError>((row.take(0)?, row.take(1)?))).transpose()?;
        if newest.as_ref().is_some_and(|(_, body)| *body == object.body) {
            continue;
        }
        let date_added = now.max(last + 1);
        let version = object.version.unwrap_or(date_added);
        let known = tx.row(
            "select version from objects where collection = ?1 and id = ?2 and version = ?3",
            values![collection, &object.id, version],
        )?;
        if known.is_some() {
            continue;
        }
        let is_last = newest.as_ref().is_none_or(|(newest, _)| version > *newest);
        let is_first = newest.is_none();
        if is_last && !is_first {
            tx.run(
                "update objects set is_last = 0 where collection = ?1 and id = ?2 and is_last = 1",
                values![collection, &object.id],
            )?;
        }
        number += 1;
        tx.run(
            "insert into objects (number, collection, date_added, id, type, spec_version, version, is_first, is_last, body)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            values![
                number,
                collection,
                date_added,
                &object.id,
                &object.kind,
                &object.spec_version,
                version,
                is_first,
                is_last,
                &object.body
            ],
        )?;
        last = date_added;
        added += 1;
    }
    tx.run("update collections set last_added = ?2 where number = ?1", values![collection, last])?;
    if demo && added > 0 {
        tx.run("update collections set demo = 1 where number = ?1", values![collection])?;
    }
    Ok(added)
}

fn object_sql(dialect: Dialect, collection: i64, query: &ObjectQuery) -> (String, Vec<Value>) {
    let mut values = vec![Value::Int(collection), Value::Int(query.after)];
    let mut filter = String::from("collection = ?1 and date_added > ?2");
    let mut any_of = |column: &str, wanted: Vec<Value>| {
        let marks: Vec<String> = wanted
            .into_iter()
            .map(|value| {
                values.push(value);
                format!("?{}", values.len())
            })
            .collect();
        format!("{column} in ({})", marks.join(", "))
    };
    let texts = |wanted: &[String]| wanted.iter().map(Value::from).collect::<Vec<_>>();
    for (column, wanted) in [("id", &query.ids), ("type", &query.kinds), ("spec_version", &query.spec_versions)] {
        if !wanted.is_empty() {
            filter.push_str(" and ");
            filter.push_str(&any_of(column, texts(wanted)));
        }
    }
    if let Versions::Some { first, last, at } = &query.versions {
        let mut one_of = Vec::new();
        if *first {
            one_of.push("is_first = 1".to_owned());
        }
        if *last {
            one_of.push("is_last = 1".to_owned());
        }
        if !at.is_empty() {
            one_of.push(any_of("version", at.iter().copied().map(Value::Int).collect()));
        }
        filter.push_str(&format!(" and ({})", one_of.join(" or ")));
    }
    let body = if query.bodies { "body" } else { "''" };
    // Said outright: SQLite's planner cannot know that ids are few and that almost every object is of its last version.
    let only_last = matches!(&query.versions, Versions::Some { first: false, last: true, at } if at.is_empty());
    let index = match (query.ids.len(), query.kinds.len(), only_last) {
        (1.., _, _) => "objects_by_version",
        (0, 1, true) => "objects_last_by_type",
        (0, _, true) => "objects_last_by_date",
        (0, _, false) => "objects_by_date",
    };
    let index = match dialect {
        Dialect::Sqlite => format!("indexed by {index}"),
        Dialect::Postgres => String::new(),
    };
    let sql = format!(
        "select id, date_added, version, {body} from objects {index} where {filter} order by date_added limit {}",
        query.limit
    );
    (sql, values)
}

#[cfg(test)]
mod tests {
    use super::{super::database::tests::places, *};
    use crate::config::{self, Tlp};

    fn query(versions: Versions) -> ObjectQuery {
        ObjectQuery {
            ids: Vec::new(),
            kinds: Vec::new(),
            spec_versions: Vec::new(),
            versions,
            after: 5,
            limit: 101,
            bodies: true,
        }
    }

    fn last() -> Versions {
        Versions::Some { first: false, last: true, at: Vec::new() }
    }

    #[test]
    fn a_page_is_read_from_an_index_without_sorting() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("s.sqlite").display().to_string()).unwrap();
        let plan = |query: &ObjectQuery| -> String {
            let (sql, values) = object_sql(Dialect::Sqlite, 1, query);
            let rows = store.read(|db| db.rows(&format!("explain query plan {sql}"), &values)).unwrap();
            rows.into_iter().map(|mut row| row.take::<String>(3).unwrap()).collect::<Vec<_>>().join("; ")
        };
        let one_kind = ObjectQuery { kinds: vec!["indicator".to_owned()], ..query(last()) };
        let one_id = ObjectQuery { ids: vec!["x".to_owned()], ..query(Versions::All) };
        for (query, index) in [
            (query(last()), "objects_last_by_date (collection=? AND date_added>?)"),
            (query(Versions::All), "objects_by_date (collection=? AND date_added>?)"),
            (one_kind, "objects_last_by_type (collection=? AND type=? AND date_added>?)"),
        ] {
            let plan = plan(&query);
            assert!(plan.contains(index) && !plan.contains("SCAN") && !plan.contains("B-TREE"), "{plan}");
        }
        let plan = plan(&one_id);
        assert!(plan.contains("objects_by_version (collection=? AND id=?)"), "{plan}");
    }

    #[test]
    fn dates_are_unique_and_grow_also_when_the_clock_goes_back_on_postgres_too() {
        for (_folder, place) in places() {
            let store = Store::open(&place).unwrap();
            store
                .set_partners(&[config::Partner {
                    name: "p".to_owned(),
                    platform: "x".to_owned(),
                    tlp_ceiling: Tlp::Amber,
                    ..config::Partner::default()
                }])
                .unwrap();
            let collection = store.partners().unwrap()[0].collection;
            let objects = |from: usize| -> Vec<NewObject> {
                (from..from + 50)
                    .map(|n| NewObject {
                        id: format!("indicator--{n}"),
                        kind: "indicator".to_owned(),
                        spec_version: "2.1".to_owned(),
                        version: Some(1),
                        body: format!("{{\"n\":{n}}}"),
                    })
                    .collect()
            };
            for (from, now) in [(0, 1_000), (50, 1_000), (100, 10), (100, 2_000)] {
                store.write(|tx| publish(tx, collection, &objects(from), false, now)).unwrap();
            }
            let page = ObjectQuery { after: i64::MIN, limit: 1000, ..query(Versions::All) };
            let rows = store.objects(collection, &page).unwrap();
            assert_eq!(rows.len(), 150);
            assert!(rows.windows(2).all(|pair| pair[0].date_added < pair[1].date_added));
        }
    }
}
