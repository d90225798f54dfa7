//! Whether the database can be used: whole, writable, and the one that this service used last.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use atomic_file::Kind;
use jiff::Timestamp;

use super::{
    Store, StoreError,
    database::{Dialect, Session, values},
};

/// Bytes that a check writes and takes back, so that a full database is noticed although it still has room for a small change.
const ROOM: usize = 8 * 1024;

impl Store {
    /// The id of the database: made once, copied with every backup.
    pub fn database_id(&self) -> Result<String, StoreError> {
        if let Some(id) = self.read(|db| db.value("select id from store_identity", values![]))? {
            return Ok(id);
        }
        self.write(|tx| {
            let id = uuid::Uuid::new_v4().to_string();
            tx.run("insert into store_identity (one, id) values (1, ?1) on conflict (one) do nothing", values![id])?;
            tx.value("select id from store_identity", values![])?.ok_or_else(empty)
        })
    }

    /// Refuses a database that is not the one whose id stands in the file; without a file the id is written to it. An empty database
    /// has a new id, so it is refused, too.
    pub fn check_remembered_id(&self, file: &Path, place: &str) -> Result<(), StoreError> {
        let refuse = |why: String| StoreError::Open { path: place.to_owned(), why };
        let id = self.database_id()?;
        let remembered = match fs::read_to_string(file) {
            Ok(text) => text.trim().to_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let fail = |error: io::Error| {
                    refuse(format!("its id cannot be written to {}: {error}; make the folder writable", file.display()))
                };
                if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                    fs::create_dir_all(folder).map_err(fail)?;
                }
                return atomic_file::write(file, Kind::Secret, |out| writeln!(out, "{id}")).map_err(fail);
            }
            Err(error) => {
                return Err(refuse(format!("the file with its id, {}, cannot be read: {error}", file.display())));
            }
        };
        if remembered == id {
            return Ok(());
        }
        let cases: i64 = self.read(|db| db.value("select count(*) from cases", values![]))?.unwrap_or_default();
        let what = match cases {
            0 => "it is empty".to_owned(),
            n => format!("it is another database, with {n} cases"),
        };
        Err(refuse(format!(
            "{what}: its id is {id}, and this service used the database {remembered} last (it stands in {}). Restore that database \
             or correct sharing.database; if this database is meant to take its place, remove {}",
            file.display(),
            file.display()
        )))
    }

    /// Checks that the database is still the one that was opened, and that it can be read and written.
    pub fn check(&self, id: &str, now: Timestamp) -> Result<(), StoreError> {
        self.database.is_in_place()?;
        self.write(|tx| {
            let found: String = tx.value("select id from store_identity", values![])?.ok_or_else(empty)?;
            if found != id {
                return Err(StoreError::Replaced(format!(
                    "the sharing database was replaced while the service runs: its id is {found}, and was {id}; restart the service, \
                     which checks it"
                )));
            }
            tx.run("update store_identity set room = ?1", values![vec![0u8; ROOM]])?;
            tx.run("update store_identity set room = null, checked_at = ?1", values![now]).map(drop)
        })
    }

    /// Reads the whole database, and says where it is damaged.
    pub fn check_whole(&self) -> Result<(), StoreError> {
        self.read(|db| match db.dialect() {
            Dialect::Sqlite => {
                let found: Option<String> = db.value("pragma quick_check(1)", values![])?;
                match found.as_deref() {
                    Some("ok") => Ok(()),
                    found => Err(StoreError::Damaged(found.unwrap_or("the check says nothing").replace('\n', ", "))),
                }
            }
            Dialect::Postgres => every_row(db),
        })
    }
}

/// Reads every row of every table: the server reports what it cannot read.
fn every_row(db: &mut dyn Session) -> Result<(), StoreError> {
    let tables = db.rows(
        "select quote_ident(table_name) from information_schema.tables
         where table_schema = current_schema() and table_type = 'BASE TABLE' order by table_name",
        values![],
    )?;
    for mut row in tables {
        let table: String = row.take(0)?;
        db.rows(&format!("select sum(length(t::text)) is null from {table} t"), values![])?;
    }
    Ok(())
}

fn empty() -> StoreError {
    StoreError::Replaced(
        "the sharing database is empty: its tables have lost their rows while the service runs; stop the service and restore a backup"
            .to_owned(),
    )
}

/// The file that remembers a database, unless the configuration names one.
pub(crate) fn id_file(named: &str, place: &str, is_postgres: bool) -> Option<PathBuf> {
    match (named.is_empty(), is_postgres) {
        (false, _) => Some(PathBuf::from(named)),
        (true, false) => Some(PathBuf::from(format!("{place}.id"))),
        // Tests on a server use a schema each, and leave no file in the folder in which they run.
        (true, true) if cfg!(test) => None,
        (true, true) => Some(PathBuf::from(".lockstep/sharing.id")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::database::tests::{Place, on_both_databases, sqlite_place};

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    /// A database with some pages, and its id.
    fn filled(place: &str) -> (Store, String) {
        let store = Store::open_unlocked(place);
        store
            .write(|tx| {
                for n in 1..400i64 {
                    tx.run(
                        "insert into collections (number, id, title, description) values (?1, ?2, ?3, '')",
                        values![n, format!("collection-{n}"), "x".repeat(500)],
                    )?;
                }
                Ok(())
            })
            .unwrap();
        let id = store.database_id().unwrap();
        store.check(&id, now()).unwrap();
        store.check_whole().unwrap();
        (store, id)
    }

    on_both_databases!(fn the_id_of_a_database_stays_and_another_one_or_an_empty_one_is_refused, tables_that_lost_their_rows_or_are_another_databases_are_noticed_while_the_service_runs);

    fn the_id_of_a_database_stays_and_another_one_or_an_empty_one_is_refused((folder, place): Place) {
        let file = folder.path().join("remembered/id");
        let (store, id) = filled(&place);
        store.check_remembered_id(&file, &place).unwrap();
        drop(store);
        let store = Store::open_unlocked(&place);
        assert_eq!(store.database_id().unwrap(), id);
        store.check_remembered_id(&file, &place).unwrap();
        // What an empty database has: another id, no cases.
        store.write(|tx| tx.run("delete from store_identity", values![])).unwrap();
        let said = store.check_remembered_id(&file, &place).unwrap_err().to_string();
        for part in ["it is empty", &id, &file.display().to_string(), "Restore that database", "remove"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        fs::remove_file(&file).unwrap();
        store.check_remembered_id(&file, &place).unwrap();
    }

    fn tables_that_lost_their_rows_or_are_another_databases_are_noticed_while_the_service_runs(
        (_folder, place): Place,
    ) {
        let (store, id) = filled(&place);
        store.write(|tx| tx.run("update store_identity set id = 'another'", values![])).unwrap();
        let said = store.check(&id, now()).unwrap_err().to_string();
        assert!(said.contains("was replaced while the service runs") && said.contains(&id), "{said}");
        store.write(|tx| tx.run("delete from store_identity", values![])).unwrap();
        assert!(store.check(&id, now()).unwrap_err().to_string().contains("is empty"));
        store.write(|tx| tx.script("drop table store_identity")).unwrap();
        assert!(store.check(&id, now()).is_err());
    }

    #[test]
    fn a_damaged_file_is_said_to_be_damaged() {
        let (_folder, place) = sqlite_place();
        drop(filled(&place));
        // The pages in the middle are overwritten, as by a failing disk.
        let mut bytes = fs::read(&place).unwrap();
        let (from, until) = (bytes.len() / 3 / 4096 * 4096, bytes.len() * 2 / 3);
        bytes[from..until].fill(0x5a);
        fs::write(&place, &bytes).unwrap();
        // Opening reads some of the pages, and may meet the damage already.
        let said = Store::open(&place, 4).and_then(|store| store.check_whole()).unwrap_err().to_string();
        assert!(said.contains("the sharing database is damaged") && said.contains("restore a backup"), "{said}");

        fs::write(&place, "this is no database, although it is long enough for the header of one".repeat(100)).unwrap();
        let said = Store::open(&place, 4).err().unwrap().to_string();
        assert!(said.contains("the sharing database is damaged"), "{said}");
    }

    #[test]
    fn a_full_database_is_said_to_be_full() {
        let (_folder, place) = sqlite_place();
        let (store, id) = filled(&place);
        store
            .write(|tx| {
                let pages: i64 = tx.value("pragma page_count", values![])?.unwrap();
                tx.rows(&format!("pragma max_page_count = {pages}"), values![]).map(drop)
            })
            .unwrap();
        let fill = || {
            store.write(|tx| {
                tx.run(
                    "insert into collections (number, id, title, description)
                     select max(number) + 1, max(number) + 1, ?1, '' from collections",
                    values!["x".repeat(2_000)],
                )
            })
        };
        while fill().is_ok() {}
        let said = store.check(&id, now()).unwrap_err().to_string();
        assert!(said.contains("the sharing database is full") && said.contains("free space"), "{said}");
        store.write(|tx| tx.rows("pragma max_page_count = 1000000", values![])).unwrap();
        store.check(&id, now()).unwrap();
    }

    #[test]
    fn a_read_only_database_is_said_to_be_read_only() {
        let (_folder, place) = sqlite_place();
        drop(filled(&place));
        // A newer format that this SQLite may read and not write. It holds for the superuser, too, who may write every file.
        let mut bytes = fs::read(&place).unwrap();
        bytes[18] = 3;
        fs::write(&place, &bytes).unwrap();
        let said = Store::open(&place, 4).err().unwrap().to_string();
        assert!(said.contains("the sharing database is read-only") && said.contains("permissions"), "{said}");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_is_gone_or_was_replaced_is_noticed_while_the_service_runs() {
        let (folder, place) = sqlite_place();
        let (store, id) = filled(&place);
        fs::rename(&place, folder.path().join("away")).unwrap();
        let said = store.check(&id, now()).unwrap_err().to_string();
        assert!(said.contains("is gone") && said.contains(&place), "{said}");
        let other = folder.path().join("other").display().to_string();
        drop(filled(&other));
        fs::rename(&other, &place).unwrap();
        let said = store.check(&id, now()).unwrap_err().to_string();
        assert!(said.contains("was replaced") && said.contains(&place), "{said}");
        fs::rename(folder.path().join("away"), &place).unwrap();
        store.check(&id, now()).unwrap();
    }

    #[cfg(feature = "postgres")]
    #[test]
    #[ignore = "needs PostgreSQL: tests/postgres/postgres.sh start"]
    fn a_postgres_server_that_only_reads_is_said_to_be_read_only() {
        let (_folder, place) = crate::store::database::tests::postgres_place();
        let (store, id) = filled(&place);
        let read_only = format!("{place}%20-c%20default_transaction_read_only%3Don");
        let said = Store::open(&read_only, 4).err().unwrap().to_string();
        assert!(said.contains("the sharing database is read-only"), "{said}");
        store.check(&id, now()).unwrap();
        store.write(|tx| tx.script("drop table store_identity")).unwrap();
        let said = store.check(&id, now()).unwrap_err().to_string();
        assert!(said.contains("the sharing database is empty or another"), "{said}");
    }

    #[test]
    fn the_remembered_id_is_beside_the_database_unless_a_file_is_named() {
        assert_eq!(id_file("", "a/s.sqlite", false), Some("a/s.sqlite.id".into()));
        assert_eq!(id_file("b/id", "a/s.sqlite", false), Some("b/id".into()));
        assert_eq!(id_file("b/id", "postgres://h/d", true), Some("b/id".into()));
    }
}
