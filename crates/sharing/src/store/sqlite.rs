//! The store in one SQLite file.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use messages::cluster::Status;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params, types::Value as Sql};

use super::{
    CaseQuery, CaseRow, Change, CollectionRow, KeyRow, NewObject, ObjectQuery, ObjectRow, PartnerRow, Store,
    StoreError, StoredCase, Versions,
};
use crate::{
    audit::{self, Broken, Entry, Sealed},
    config::{self, Tlp},
};

const MIGRATIONS: &[&str] = &[include_str!("migrations/1.sql")];
const READERS: usize = 4;

/// One writer and a few readers on one file in WAL mode.
pub(crate) struct Sqlite {
    path: PathBuf,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
}

impl Sqlite {
    /// Opens the file, made where missing, and brings its tables up to date.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let refuse = |why: String| StoreError::Open { path: path.display().to_string(), why };
        if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|e| {
                refuse(format!("its folder cannot be made: {e}; set sharing.database to a place that can be written"))
            })?;
        }
        let mut writer = connect(path)?;
        writer.pragma_update(None, "journal_mode", "wal")?;
        // A case must be on the disk before the offset that brought it is committed, also when the power fails.
        writer.pragma_update(None, "synchronous", "full")?;
        let known = MIGRATIONS.len() as i64;
        let found: i64 = writer.query_row("pragma user_version", [], |row| row.get(0))?;
        if found > known {
            return Err(refuse(format!(
                "it is of version {found} and this program knows versions up to {known}; use a newer program"
            )));
        }
        for (index, migration) in MIGRATIONS.iter().enumerate().skip(found.max(0) as usize) {
            let tx = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
            tx.execute_batch(migration)?;
            tx.pragma_update(None, "user_version", index as i64 + 1)?;
            tx.commit()?;
        }
        Ok(Self { path: path.to_owned(), writer: Mutex::new(writer), readers: Mutex::new(Vec::new()) })
    }

    fn write<T>(&self, act: impl FnOnce(&Transaction) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut writer = lock(&self.writer);
        let tx = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = act(&tx)?;
        tx.commit()?;
        Ok(done)
    }

    fn read<T>(&self, act: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let kept = lock(&self.readers).pop();
        let reader = match kept {
            Some(reader) => reader,
            None => {
                let reader = connect(&self.path)?;
                reader.pragma_update(None, "query_only", true)?;
                reader
            }
        };
        let done = act(&reader);
        let mut readers = lock(&self.readers);
        if readers.len() < READERS {
            readers.push(reader);
        }
        done
    }
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(path).map_err(|e| StoreError::Open {
        path: path.display().to_string(),
        why: format!("{e}; check the path and its permissions"),
    })?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

// A panic elsewhere leaves the connection itself sound: its transaction was rolled back when it was dropped.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store for Sqlite {
    fn set_partners(&self, partners: &[config::Partner]) -> Result<(), StoreError> {
        self.write(|tx| {
            tx.execute("update partners set active = 0", [])?;
            for partner in partners {
                let ceiling = tlp_name(partner.tlp_ceiling);
                let platform: Option<String> = tx
                    .query_row(
                        "select platform from partners where name = ?1",
                        [&partner.name],
                        |row| row.get(0),
                    )
                    .optional()?;
                match platform {
                    Some(platform) if platform != partner.platform => {
                        // Its collection holds accounts of the old platform.
                        return Err(StoreError::Partner(format!(
                            "partner {:?} was set up for platform {platform:?} and is now {:?} in sharing.partners: give \
                             the new platform a partner with a name of its own",
                            partner.name, partner.platform
                        )));
                    }
                    Some(_) => {
                        tx.execute(
                            "update partners set active = 1, tlp_ceiling = ?2 where name = ?1",
                            params![partner.name, ceiling],
                        )?;
                    }
                    None => {
                        let id = uuid::Uuid::new_v4().to_string();
                        let title = format!("{}: accounts acting in lockstep", partner.platform);
                        let description = format!(
                            "Accounts of {} in released findings of coordinated inauthentic behaviour. One indicator per \
                             account. What is done about an account is the platform's own, voluntary decision.",
                            partner.platform
                        );
                        tx.execute(
                            "insert into collections (id, title, description) values (?1, ?2, ?3)",
                            params![id, title, description],
                        )?;
                        tx.execute(
                            "insert into partners (name, platform, tlp_ceiling, active, pseudonym_key, collection)
                             values (?1, ?2, ?3, 1, ?4, ?5)",
                            params![
                                partner.name,
                                partner.platform,
                                ceiling,
                                crate::keys::random_bytes(),
                                tx.last_insert_rowid()
                            ],
                        )?;
                    }
                }
            }
            Ok(())
        })
    }

    fn partners(&self) -> Result<Vec<PartnerRow>, StoreError> {
        self.read(|db| {
            let mut query = db.prepare_cached(
                "select name, platform, tlp_ceiling, pseudonym_key, collection from partners where active = 1 order by name",
            )?;
            let rows = query.query_map([], |row| {
                Ok((
                    PartnerRow {
                        name: row.get(0)?,
                        platform: row.get(1)?,
                        tlp_ceiling: Tlp::Clear,
                        pseudonym_key: row.get(3)?,
                        collection: row.get(4)?,
                    },
                    row.get::<_, String>(2)?,
                ))
            })?;
            rows.map(|row| {
                let (mut partner, ceiling) = row?;
                partner.tlp_ceiling = from_json("a TLP ceiling", &format!("{ceiling:?}"))?;
                Ok(partner)
            })
            .collect()
        })
    }

    fn add_key(&self, key_id: &str, partner: &str, hash: &[u8], entry: Entry) -> Result<(), StoreError> {
        self.write(|tx| {
            let known: Option<i64> = tx
                .query_row("select 1 from partners where name = ?1 and active = 1", [partner], |row| row.get(0))
                .optional()?;
            if known.is_none() {
                return Err(StoreError::Partner(format!(
                    "there is no partner {partner:?}: add it to sharing.partners first"
                )));
            }
            tx.execute(
                "insert into api_keys (key_id, partner, hash, created_at) values (?1, ?2, ?3, ?4)",
                params![key_id, partner, hash, entry.at.as_microsecond()],
            )?;
            append_audit(tx, vec![entry])
        })
    }

    fn key(&self, key_id: &str) -> Result<Option<KeyRow>, StoreError> {
        self.read(|db| {
            let mut query = db.prepare_cached(
                "select k.partner, k.hash, p.collection from api_keys k join partners p on p.name = k.partner
                 where k.key_id = ?1 and k.revoked_at is null and p.active = 1",
            )?;
            let row = query
                .query_row([key_id], |row| {
                    Ok(KeyRow { partner: row.get(0)?, hash: row.get(1)?, collection: row.get(2)? })
                })
                .optional()?;
            Ok(row)
        })
    }

    fn case(&self, cluster_id: &str) -> Result<Option<StoredCase>, StoreError> {
        self.read(|db| {
            let mut query =
                db.prepare_cached("select revision, life, cluster, released from cases where cluster_id = ?1")?;
            let row = query
                .query_row([cluster_id], |row| {
                    Ok((
                        row.get::<_, i64>(0)?,
                        row.get::<_, String>(1)?,
                        row.get::<_, String>(2)?,
                        row.get::<_, Option<String>>(3)?,
                    ))
                })
                .optional()?;
            let Some((revision, life, cluster, released)) = row else {
                return Ok(None);
            };
            Ok(Some(StoredCase {
                case: from_json("a case", &life)?,
                cluster: from_json("a cluster", &cluster)?,
                released: released.map(|text| from_json("a cluster", &text)).transpose()?,
                revision,
            }))
        })
    }

    fn cases(&self, query: &CaseQuery) -> Result<(Vec<CaseRow>, usize), StoreError> {
        let mut filter = Vec::new();
        let mut values: Vec<Sql> = Vec::new();
        if let Some(state) = query.state {
            values.push(Sql::Text(state.name().to_owned()));
            filter.push(format!("state = ?{}", values.len()));
        }
        if let Some(status) = &query.status {
            values.push(Sql::Text(status.clone()));
            filter.push(format!("status = ?{}", values.len()));
        }
        let filter = if filter.is_empty() { String::new() } else { format!("where {}", filter.join(" and ")) };
        self.read(|db| {
            let total: i64 = db
                .prepare_cached(&format!("select count(*) from cases {filter}"))?
                .query_row(rusqlite::params_from_iter(values.iter()), |row| row.get(0))?;
            let mut page = db.prepare_cached(&format!(
                "select cluster_id, case_id, state, status, demo, probability, log_e, accounts, platforms, kinds,
                        first_seen, last_seen, changed_at
                 from cases {filter} order by changed_at desc, cluster_id limit {} offset {}",
                query.limit, query.offset
            ))?;
            let rows = page
                .query_map(rusqlite::params_from_iter(values.iter()), |row| {
                    Ok(CaseRow {
                        cluster_id: row.get(0)?,
                        case_id: row.get(1)?,
                        state: row.get(2)?,
                        status: row.get(3)?,
                        demo: row.get(4)?,
                        probability: row.get(5)?,
                        log_e: row.get(6)?,
                        accounts: row.get(7)?,
                        platforms: row.get(8)?,
                        kinds: row.get(9)?,
                        first_seen: time(row, 10)?,
                        last_seen: time(row, 11)?,
                        changed_at: time(row, 12)?,
                    })
                })?
                .collect::<Result<Vec<_>, _>>()?;
            Ok((rows, total as usize))
        })
    }

    fn cases_by_state(&self) -> Result<Vec<(String, i64)>, StoreError> {
        self.read(|db| {
            let mut query = db.prepare_cached("select state, count(*) from cases group by state")?;
            let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    fn commit(&self, changes: &[Change], now: Timestamp) -> Result<usize, StoreError> {
        self.write(|tx| {
            let mut added = 0;
            for change in changes {
                put_case(tx, &change.stored)?;
                append_audit(tx, change.entries.clone())?;
                for (collection, objects) in &change.publish {
                    added += publish(tx, *collection, objects, change.stored.case.demo, now.as_microsecond())?;
                }
            }
            Ok(added)
        })
    }

    fn collection(&self, number: i64) -> Result<Option<CollectionRow>, StoreError> {
        self.read(|db| {
            let mut query =
                db.prepare_cached("select number, id, title, description, demo from collections where number = ?1")?;
            let row = query
                .query_row([number], |row| {
                    Ok(CollectionRow {
                        number: row.get(0)?,
                        id: row.get(1)?,
                        title: row.get(2)?,
                        description: row.get(3)?,
                        demo: row.get(4)?,
                    })
                })
                .optional()?;
            Ok(row)
        })
    }

    fn has_object(&self, collection: i64, id: &str) -> Result<bool, StoreError> {
        self.read(|db| {
            let mut query = db.prepare_cached("select 1 from objects where collection = ?1 and id = ?2 limit 1")?;
            Ok(query.exists(params![collection, id])?)
        })
    }

    fn objects(&self, collection: i64, query: &ObjectQuery) -> Result<Vec<ObjectRow>, StoreError> {
        let (sql, values) = object_sql(collection, query);
        self.read(|db| {
            let mut page = db.prepare_cached(&sql)?;
            let rows = page
                .query_map(rusqlite::params_from_iter(values.iter()), |row| {
                    Ok(ObjectRow { id: row.get(0)?, date_added: row.get(1)?, version: row.get(2)?, body: row.get(3)? })
                })?
                .collect::<Result<Vec<_>, _>>()?;
            Ok(rows)
        })
    }

    fn history(&self, subject: &str) -> Result<Vec<Sealed>, StoreError> {
        self.read(|db| {
            let mut query = db.prepare_cached(
                "select seq, at, actor, subject, action, text, seal from audit where subject = ?1 order by seq",
            )?;
            let rows = query.query_map([subject], sealed)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    fn verify_audit(&self) -> Result<Result<(i64, String), Broken>, StoreError> {
        self.read(|db| {
            let mut query =
                db.prepare_cached("select seq, at, actor, subject, action, text, seal from audit order by seq")?;
            let mut failed = None;
            let verdict = audit::verify(
                query.query_map([], sealed)?.map_while(|row| row.map_err(|error| failed = Some(error)).ok()),
            );
            match failed {
                Some(error) => Err(error.into()),
                None => Ok(verdict),
            }
        })
    }
}

fn put_case(tx: &Transaction, stored: &StoredCase) -> Result<(), StoreError> {
    let StoredCase { case, cluster, released, revision } = stored;
    let mut platforms: Vec<&str> = cluster.accounts.iter().map(|a| &*a.platform).collect();
    platforms.sort_unstable();
    platforms.dedup();
    let kinds = crate::words::kinds_by_nats(cluster);
    let changed = tx
        .prepare_cached(
            "insert into cases (cluster_id, case_id, revision, state, status, demo, probability, log_e, accounts, platforms,
                                kinds, first_seen, last_seen, changed_at, life, cluster, released)
             values (?1, ?2, 1, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)
             on conflict (cluster_id) do update set
                revision = revision + 1, state = ?4, status = ?5, demo = ?6, probability = ?7, log_e = ?8, accounts = ?9,
                platforms = ?10, kinds = ?11, first_seen = ?12, last_seen = ?13, changed_at = ?14, life = ?15,
                cluster = ?16, released = ?17
             where revision = ?3",
        )?
        .execute(params![
            case.cluster_id,
            case.id,
            revision,
            case.state.name(),
            status_name(cluster.status),
            case.demo,
            finite(cluster.probability),
            finite(cluster.log_e),
            cluster.accounts.len() as i64,
            platforms.join(", "),
            kinds.join(", "),
            cluster.first_seen.as_microsecond(),
            cluster.last_seen.as_microsecond(),
            case.changed_at.as_microsecond(),
            to_json(case)?,
            to_json(cluster)?,
            released.as_ref().map(to_json).transpose()?,
        ])?;
    if changed == 0 {
        return Err(StoreError::Conflict(case.id.clone()));
    }
    Ok(())
}

fn append_audit(tx: &Transaction, entries: Vec<Entry>) -> Result<(), StoreError> {
    let (mut seq, mut before) = tx
        .prepare_cached("select seq, seal from audit order by seq desc limit 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?
        .unwrap_or((0, audit::GENESIS.to_owned()));
    for entry in entries {
        seq += 1;
        let Sealed { entry, seal, .. } = audit::seal(&before, seq, entry);
        tx.prepare_cached(
            "insert into audit (seq, at, actor, subject, action, text, seal) values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            seq,
            entry.at.as_microsecond(),
            entry.actor,
            entry.subject,
            entry.action,
            entry.text,
            seal
        ])?;
        before = seal;
    }
    Ok(())
}

/// Adds objects, each at an instant of its own. One writer at a time, so a reader that pages by `date_added` never sees an
/// object appear behind its cursor.
fn publish(
    tx: &Transaction,
    collection: i64,
    objects: &[NewObject],
    demo: bool,
    now: i64,
) -> Result<usize, StoreError> {
    let mut last: i64 = tx
        .prepare_cached("select last_added from collections where number = ?1")?
        .query_row([collection], |row| row.get(0))?;
    let mut added = 0;
    for object in objects {
        let newest: Option<(i64, String)> = tx
            .prepare_cached(
                "select version, body from objects where collection = ?1 and id = ?2 order by version desc limit 1",
            )?
            .query_row(params![collection, object.id], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        if newest.as_ref().is_some_and(|(_, body)| *body == object.body) {
            continue;
        }
        let date_added = now.max(last + 1);
        let version = object.version.unwrap_or(date_added);
        let known = tx
            .prepare_cached("select 1 from objects where collection = ?1 and id = ?2 and version = ?3")?
            .exists(params![collection, object.id, version])?;
        if known {
            continue;
        }
        let is_last = newest.as_ref().is_none_or(|(newest, _)| version > *newest);
        let is_first = newest.is_none();
        if is_last && !is_first {
            tx.prepare_cached("update objects set is_last = 0 where collection = ?1 and id = ?2 and is_last = 1")?
                .execute(params![collection, object.id])?;
        }
        tx.prepare_cached(
            "insert into objects (collection, date_added, id, type, spec_version, version, is_first, is_last, body)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            collection,
            date_added,
            object.id,
            object.kind,
            object.spec_version,
            version,
            is_first,
            is_last,
            object.body
        ])?;
        last = date_added;
        added += 1;
    }
    tx.prepare_cached("update collections set last_added = ?2, demo = max(demo, ?3) where number = ?1")?
        .execute(params![collection, last, demo && added > 0])?;
    Ok(added)
}

fn object_sql(collection: i64, query: &ObjectQuery) -> (String, Vec<Sql>) {
    let mut values = vec![Sql::Integer(collection), Sql::Integer(query.after)];
    let mut filter = String::from("collection = ?1 and date_added > ?2");
    let mut any_of = |column: &str, wanted: Vec<Sql>| {
        let marks: Vec<String> = wanted
            .into_iter()
            .map(|value| {
                values.push(value);
                format!("?{}", values.len())
            })
            .collect();
        format!("{column} in ({})", marks.join(", "))
    };
    let texts = |wanted: &[String]| wanted.iter().cloned().map(Sql::Text).collect::<Vec<_>>();
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
            one_of.push(any_of("version", at.iter().copied().map(Sql::Integer).collect()));
        }
        filter.push_str(&format!(" and ({})", one_of.join(" or ")));
    }
    let body = if query.bodies { "body" } else { "''" };
    // Said outright: the planner cannot know that ids are few and that almost every object is of its last version.
    let only_last = matches!(&query.versions, Versions::Some { first: false, last: true, at } if at.is_empty());
    let index = match (query.ids.len(), query.kinds.len(), only_last) {
        (1.., _, _) => "objects_by_version",
        (0, 1, true) => "objects_last_by_type",
        (0, _, true) => "objects_last_by_date",
        (0, _, false) => "objects_by_date",
    };
    let sql = format!(
        "select id, date_added, version, {body} from objects indexed by {index} where {filter} order by date_added limit {}",
        query.limit
    );
    (sql, values)
}

fn sealed(row: &Row) -> rusqlite::Result<Sealed> {
    Ok(Sealed {
        seq: row.get(0)?,
        entry: Entry {
            at: time(row, 1)?,
            actor: row.get(2)?,
            subject: row.get(3)?,
            action: row.get(4)?,
            text: row.get(5)?,
        },
        seal: row.get(6)?,
    })
}

fn time(row: &Row, column: usize) -> rusqlite::Result<Timestamp> {
    let micros: i64 = row.get(column)?;
    Timestamp::from_microsecond(micros).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, micros))
}

fn finite(value: f64) -> f64 {
    // SQLite has no NaN: it would become null and break `not null`.
    if value.is_finite() { value } else { 0.0 }
}

fn to_json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Unreadable { what: "a value", why: e.to_string() })
}

fn from_json<T: serde::de::DeserializeOwned>(what: &'static str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|e| StoreError::Unreadable { what, why: e.to_string() })
}

fn tlp_name(tlp: Tlp) -> &'static str {
    match tlp {
        Tlp::Clear => "clear",
        Tlp::Green => "green",
        Tlp::Amber => "amber",
        Tlp::AmberStrict => "amber+strict",
        Tlp::Red => "red",
    }
}

pub(crate) fn status_name(status: Status) -> &'static str {
    match status {
        Status::Flagged => "flagged",
        Status::SingleSource => "single_source",
        Status::Coordinated => "coordinated",
        Status::Faded => "faded",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let store = Sqlite::open(&folder.path().join("s.sqlite")).unwrap();
        let plan = |query: &ObjectQuery| -> String {
            let (sql, values) = object_sql(1, query);
            let db = lock(&store.writer);
            let mut explain = db.prepare(&format!("explain query plan {sql}")).unwrap();
            let rows =
                explain.query_map(rusqlite::params_from_iter(values.iter()), |row| row.get::<_, String>(3)).unwrap();
            rows.map(Result::unwrap).collect::<Vec<_>>().join("; ")
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
    fn dates_are_unique_and_grow_also_when_the_clock_goes_back() {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&folder.path().join("s.sqlite")).unwrap();
        store
            .set_partners(&[config::Partner {
                name: "p".to_owned(),
                platform: "x".to_owned(),
                tlp_ceiling: Tlp::Amber,
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

    #[test]
    fn a_newer_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.sqlite");
        drop(Sqlite::open(&path).unwrap());
        let raw = Connection::open(&path).unwrap();
        raw.pragma_update(None, "user_version", 99).unwrap();
        drop(raw);
        let refused = Sqlite::open(&path).err().unwrap().to_string();
        assert!(refused.contains("version 99"), "{refused}");
    }
}
