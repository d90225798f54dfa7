//! Where the tables are: one SQLite file, or PostgreSQL. One set of migrations and one set of statements serve both.
//!
//! Statements are written in the part of SQL that both read, with `?1`, `?2`, … for values. Whole numbers have 64 bits, times are
//! microseconds since the Unix epoch, truth is 0 or 1. Writers come one at a time, on both: what reads while one writes sees
//! nothing of it or all.

mod pool;
mod postgres;
mod sqlite;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::StoreError;

/// A migration set: each brings the tables from one version to the next. Lines between `--@sqlite` or `--@postgres` and the next
/// `--@` are for that database only; `--@all` is for both.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/1.sql"),
    include_str!("migrations/2.sql"),
    include_str!("migrations/3.sql"),
    include_str!("migrations/4.sql"),
    include_str!("migrations/5.sql"),
    include_str!("migrations/6.sql"),
    include_str!("migrations/7.sql"),
];

/// A value in a statement or in a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

macro_rules! value_from {
    ($($from:ty => |$v:ident| $to:expr;)*) => {
        $(impl From<$from> for Value {
            fn from($v: $from) -> Value {
                $to
            }
        })*
    };
}

value_from! {
    i64 => |v| Value::Int(v);
    u32 => |v| Value::Int(i64::from(v));
    usize => |v| Value::Int(i64::try_from(v).unwrap_or(i64::MAX));
    bool => |v| Value::Int(i64::from(v));
    // No NaN in SQLite: it would become null and break `not null`.
    f64 => |v| Value::Real(if v.is_finite() { v } else { 0.0 });
    &str => |v| Value::Text(v.to_owned());
    String => |v| Value::Text(v);
    &String => |v| Value::Text(v.clone());
    &[u8] => |v| Value::Blob(v.to_vec());
    Vec<u8> => |v| Value::Blob(v);
    Timestamp => |v| Value::Int(v.as_microsecond());
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

/// A list of [`Value`]s, for the parameters of a statement.
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::store::database::Value::from($value)),*] };
}
pub(crate) use values;

/// What a column can be read as.
pub(crate) trait Column: Sized {
    const IS: &'static str;
    fn from_value(value: Value) -> Option<Self>;
}

macro_rules! column {
    ($($type:ty, $is:literal, $pattern:pat => $out:expr;)*) => {
        $(impl Column for $type {
            const IS: &'static str = $is;
            fn from_value(value: Value) -> Option<Self> {
                match value {
                    $pattern => $out,
                    _ => None,
                }
            }
        })*
    };
}

column! {
    i64, "a whole number", Value::Int(v) => Some(v);
    bool, "0 or 1", Value::Int(v @ (0 | 1)) => Some(v == 1);
    String, "text", Value::Text(v) => Some(v);
    Vec<u8>, "bytes", Value::Blob(v) => Some(v);
    Timestamp, "a time", Value::Int(v) => Timestamp::from_microsecond(v).ok();
}

impl Column for f64 {
    const IS: &'static str = "a number";
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Real(v) => Some(v),
            Value::Int(v) => Some(v as f64),
            _ => None,
        }
    }
}

impl<T: Column> Column for Option<T> {
    const IS: &'static str = T::IS;
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}

/// A row as read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row(Vec<Value>);

impl Row {
    /// Takes the column of that number, from 0, out of the row.
    pub fn take<T: Column>(&mut self, column: usize) -> Result<T, StoreError> {
        let value = self.0.get_mut(column).map(|value| std::mem::replace(value, Value::Null)).unwrap_or(Value::Null);
        // Most values can be read, so nothing is written about them beforehand.
        let (kind, number) = match &value {
            Value::Null => ("null", None),
            Value::Int(v) => ("the number ", Some(*v)),
            Value::Real(_) => ("a number with a fraction", None),
            Value::Text(_) => ("text", None),
            Value::Blob(_) => ("bytes", None),
        };
        T::from_value(value).ok_or_else(|| {
            let number = number.map(|n| n.to_string()).unwrap_or_default();
            StoreError::Unreadable {
                what: "a value",
                why: format!("column {column} is {kind}{number} and should be {}", T::IS),
            }
        })
    }
}

/// Which database it is, for the few statements that differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

/// A connection, inside a transaction or for single reads.
pub(crate) trait Session {
    fn dialect(&self) -> Dialect;
    /// How many rows were changed.
    fn run(&mut self, sql: &str, values: &[Value]) -> Result<u64, StoreError>;
    fn rows(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, StoreError>;
    /// Several statements without values, as in a migration.
    fn script(&mut self, sql: &str) -> Result<(), StoreError>;
}

impl dyn Session + '_ {
    /// The only row, or none.
    pub fn row(&mut self, sql: &str, values: &[Value]) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, values)?.into_iter().next())
    }

    /// The first column of the only row.
    pub fn value<T: Column>(&mut self, sql: &str, values: &[Value]) -> Result<Option<T>, StoreError> {
        self.row(sql, values)?.map(|mut row| row.take(0)).transpose()
    }
}

/// Work on a session.
pub(crate) type Work<'a> = &'a mut dyn FnMut(&mut dyn Session) -> Result<(), StoreError>;

/// A database. Its methods block.
pub(crate) trait Database: Send + Sync {
    /// A transaction with no other writer beside it; undone where the work fails.
    fn write(&self, work: Work<'_>) -> Result<(), StoreError>;
    /// Reading; every statement sees all that was committed before it.
    fn read(&self, work: Work<'_>) -> Result<(), StoreError>;
}

/// Opens what `place` names, a file or `postgres://…`, with at most so many connections, and brings its tables up to date.
pub(crate) fn open(place: &str, connections: usize) -> Result<Box<dyn Database>, StoreError> {
    if place.starts_with("postgres://") || place.starts_with("postgresql://") {
        return Ok(Box::new(postgres::Postgres::open(place, connections)?));
    }
    Ok(Box::new(sqlite::Sqlite::open(std::path::Path::new(place), connections)?))
}

/// Brings tables of version `found` up to date, one migration at a time; returns the version they have then. Runs in the
/// transaction of a writer, so that two programs that start at the same time do not both migrate.
///
/// The checksum of each migration is kept beside the tables. Tables that another text of a migration made are refused.
fn migrate(session: &mut dyn Session, found: i64, place: &str) -> Result<i64, StoreError> {
    let known = MIGRATIONS.len() as i64;
    let refuse = |why: String| StoreError::Open { path: place.to_owned(), why };
    if found > known {
        return Err(refuse(format!(
            "it is of version {found} and this program knows versions up to {known}; use a newer program"
        )));
    }
    session.script(
        "create table if not exists lockstep_migrations (version bigint primary key, checksum text not null)",
    )?;
    let rows = session.rows("select version, checksum from lockstep_migrations order by version", &[])?;
    let recorded =
        rows.into_iter().map(|mut row| Ok((row.take(0)?, row.take(1)?))).collect::<Result<Vec<_>, StoreError>>()?;
    let made: Vec<(i64, String)> = (1..=found).zip(MIGRATIONS).map(|(n, text)| (n, checksum(text))).collect();
    if recorded.is_empty() {
        // New, or made before checksums were kept.
        made.iter().try_for_each(|(version, checksum)| record(session, *version, checksum))?;
    } else if recorded != made {
        let other =
            made.iter().find(|migration| !recorded.contains(migration)).map_or(found + 1, |(version, _)| *version);
        return Err(refuse(format!(
            "its tables were made by a migration {other} that is not this program's; use the program that made them, or restore \
             a backup"
        )));
    }
    for (version, migration) in (1..).zip(MIGRATIONS).skip(found.max(0) as usize) {
        session.script(&part_for(session.dialect(), migration))?;
        record(session, version, &checksum(migration))?;
    }
    Ok(known)
}

fn checksum(migration: &str) -> String {
    text_format::hex(&Sha256::digest(migration.as_bytes()))
}

fn record(session: &mut dyn Session, version: i64, checksum: &str) -> Result<(), StoreError> {
    let sql = "insert into lockstep_migrations (version, checksum) values (?1, ?2)";
    session.run(sql, values![version, checksum]).map(drop)
}

/// The lines of a migration that are for this database, with its names of types.
fn part_for(dialect: Dialect, migration: &str) -> String {
    let mut out = String::new();
    let mut ours = true;
    for line in migration.lines() {
        match line.strip_prefix("--@") {
            Some("all") => ours = true,
            Some("sqlite") => ours = dialect == Dialect::Sqlite,
            Some("postgres") => ours = dialect == Dialect::Postgres,
            _ if ours => {
                let words = match (dialect, line.trim_start().starts_with("--")) {
                    (Dialect::Postgres, false) => line
                        .replace(" integer", " bigint")
                        .replace(" real", " double precision")
                        .replace(" blob", " bytea"),
                    _ => line.to_owned(),
                };
                out.push_str(&words);
                out.push('\n');
            }
            _ => {}
        }
    }
    out
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A place for a store of its own: a file, and where LOCKSTEP_TEST_POSTGRES says so a new schema of that server.
    pub(crate) fn places() -> Vec<(tempfile::TempDir, String)> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("s.sqlite").display().to_string();
        let mut places = vec![(folder, file)];
        places.extend(postgres::tests::place().map(|place| (tempfile::tempdir().unwrap(), place)));
        places
    }

    #[test]
    fn every_kind_of_value_comes_back_as_it_went_in_on_postgres_too() {
        for (_folder, place) in places() {
            let database = open(&place, 4).unwrap();
            let given = [
                Value::Int(i64::MIN),
                Value::Real(-0.1),
                Value::Text("ünï – \u{202e}'quoted' ?1 $1".to_owned()),
                Value::Blob(vec![0, 1, 255]),
                Value::Null,
            ];
            database
                .write(&mut |tx| {
                    tx.script("create table t (a bigint, b double precision, c text, d bytea, e text)")?;
                    tx.run("insert into t (a, b, c, d, e) values (?1, ?2, ?3, ?4, ?5)", &given).map(drop)
                })
                .unwrap();
            let mut found = Vec::new();
            database
                .read(&mut |tx| {
                    found = tx.rows("select a, b, c, d, e from t where a = ?1 and e is null", values![i64::MIN])?;
                    Ok(())
                })
                .unwrap();
            assert_eq!(found, [Row(given.to_vec())]);
        }
    }

    #[test]
    fn failed_work_leaves_nothing_on_postgres_too() {
        for (_folder, place) in places() {
            let database = open(&place, 4).unwrap();
            let failed = database.write(&mut |tx| {
                tx.run("insert into collections (number, id, title, description) values (7, 'x', '', '')", values![])?;
                Err(StoreError::Partner("no".to_owned()))
            });
            assert!(failed.is_err());
            let count = |sql: &str| {
                let mut n = 0;
                database.read(&mut |tx| tx.value(sql, values![]).map(|v| n = v.unwrap_or(-1i64))).unwrap();
                n
            };
            assert_eq!(count("select count(*) from collections where number = 7"), 0);
        }
    }

    #[test]
    fn a_newer_database_is_refused_on_postgres_too() {
        for (_folder, place) in places() {
            drop(open(&place, 4).unwrap());
            if place.starts_with("postgres") {
                open(&place, 4).unwrap().write(&mut |tx| tx.script("update lockstep_schema set version = 99")).unwrap();
            } else {
                rusqlite::Connection::open(&place).unwrap().pragma_update(None, "user_version", 99).unwrap();
            }
            let refused = open(&place, 4).err().unwrap().to_string();
            assert!(refused.contains("version 99"), "{refused}");
        }
    }

    #[test]
    fn a_changed_migration_is_noticed_and_a_store_without_checksums_is_taken_over_on_postgres_too() {
        for (_folder, place) in places() {
            let recorded = || {
                let mut found = Vec::new();
                let sql = "select version, checksum from lockstep_migrations order by version";
                open(&place, 4).unwrap().read(&mut |db| db.rows(sql, &[]).map(|rows| found = rows)).unwrap();
                found
            };
            let made = recorded();
            assert_eq!(made.len(), MIGRATIONS.len());
            open(&place, 4).unwrap().write(&mut |tx| tx.script("drop table lockstep_migrations")).unwrap();
            assert_eq!(recorded(), made, "as an earlier version left it");
            for (change, named) in [
                ("update lockstep_migrations set checksum = 'another' where version = 3", "migration 3 "),
                ("delete from lockstep_migrations where version = 5", "migration 5 "),
                ("insert into lockstep_migrations (version, checksum) values (99, 'x')", "migration 8 "),
            ] {
                let database = open(&place, 4).unwrap();
                database.write(&mut |tx| tx.script(change)).unwrap();
                let refused = open(&place, 4).err().unwrap().to_string();
                assert!(refused.contains(named) && refused.contains("backup"), "{refused}");
                database.write(&mut |tx| tx.script("delete from lockstep_migrations")).unwrap();
            }
        }
    }

    /// Connections on which so many readers at once read, in a pool of so many.
    fn connections_used(place: &str, readers: usize, connections: usize) -> usize {
        use std::{collections::BTreeSet, sync::Mutex, time::Duration};
        let database = open(place, connections).unwrap();
        let seen = Mutex::new((BTreeSet::new(), 0));
        std::thread::scope(|scope| {
            for _ in 0..readers {
                scope.spawn(|| {
                    let work: Work<'_> = &mut |db| {
                        std::thread::sleep(Duration::from_millis(30));
                        let mut seen = seen.lock().unwrap();
                        match db.dialect() {
                            Dialect::Postgres => {
                                seen.0.insert(db.value::<i64>("select pg_backend_pid()", &[])?);
                            }
                            Dialect::Sqlite => seen.1 = seen.1.max(open_files(place)),
                        }
                        Ok(())
                    };
                    database.read(work).unwrap();
                });
            }
        });
        let seen = seen.into_inner().unwrap();
        seen.0.len().max(seen.1)
    }

    /// How often this process has a file open.
    fn open_files(path: &str) -> usize {
        let all = std::fs::read_dir("/proc/self/fd").unwrap();
        let targets = all.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
        targets.filter(|target| target == std::path::Path::new(path)).count()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_hundred_readers_share_the_connections_that_are_configured_on_postgres_too() {
        for (_folder, place) in places() {
            let used = connections_used(&place, 100, 4);
            assert!((2..=4).contains(&used), "{used} connections to {place}");
        }
    }

    #[test]
    fn who_waits_too_long_for_a_connection_is_told_on_postgres_too() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        for (_folder, place) in places() {
            let _inside = runtime.enter();
            let database = open(&place, 2).unwrap();
            let mut waited = None;
            // Two are open at most, one of them for writing in a file: inside of these reads there is none left.
            database
                .read(&mut |db| match db.dialect() {
                    Dialect::Sqlite => {
                        waited = Some(database.read(&mut |_| Ok(())));
                        Ok(())
                    }
                    Dialect::Postgres => database.read(&mut |_| {
                        waited = Some(database.read(&mut |_| Ok(())));
                        Ok(())
                    }),
                })
                .unwrap();
            let told = waited.unwrap().unwrap_err().to_string();
            assert!(told.contains("in use") && told.contains("sharing.database_connections"), "{told}");
            // They are given back, and serve again.
            database.read(&mut |_| Ok(())).unwrap();
        }
    }

    #[test]
    fn what_partners_said_outlives_the_table_it_was_in_on_postgres_too() {
        let before =
            MIGRATIONS[3].split("create table feedback (").nth(1).unwrap().split("create table watched").next();
        let before = format!("create table feedback ({}", before.unwrap().rsplit_once("-- ").unwrap().0);
        for (_folder, place) in places() {
            let database = open(&place, 4).unwrap();
            let mut after = Vec::new();
            database
                .write(&mut |tx| {
                    let dialect = tx.dialect();
                    tx.script("drop table feedback")?;
                    tx.script(&part_for(dialect, &before))?;
                    tx.run("insert into collections (number, id, title, description) values (7, 'x', '', '')", values![])?;
                    tx.run(
                        "insert into feedback values (1, 7, 'o', 2, 'birds', 'case-a', 'a', 'twitter', '9', 'confirmed', 5, 'seen', 1)",
                        values![],
                    )?;
                    tx.script(&part_for(dialect, MIGRATIONS[5]))?;
                    let reviewer = "insert into feedback (number, partner, case_id, cluster_id, verdict, said_at, published)
                                    values (2, 'reviewer:ann', 'case-a', 'a', 'rejected', 6, 0)";
                    tx.run(reviewer, values![])?;
                    after = tx.rows("select number, collection, object, partner, account, note from feedback order by number", values![])?;
                    Ok(())
                })
                .unwrap();
            let text = |text: &str| Value::Text(text.to_owned());
            let of_partner = [Value::Int(1), Value::Int(7), text("o"), text("birds"), text("9"), text("seen")];
            let of_reviewer = [Value::Int(2), Value::Null, Value::Null, text("reviewer:ann"), Value::Null, Value::Null];
            assert_eq!(after, [Row(of_partner.to_vec()), Row(of_reviewer.to_vec())]);
        }
    }

    #[test]
    fn probabilities_outlive_the_column_they_were_in_on_postgres_too() {
        for (_folder, place) in places() {
            let database = open(&place, 4).unwrap();
            let mut after = Vec::new();
            database
                .write(&mut |tx| {
                    let dialect = tx.dialect();
                    // Terms refer to cases, and PostgreSQL keeps a table that others refer to.
                    tx.script("drop table case_terms; drop table cases")?;
                    let table = MIGRATIONS[0].split("create table collections").next().unwrap_or_default();
                    tx.script(&part_for(dialect, table))?;
                    let case = "insert into cases values
                        ('c', 'case-c', 1, 'released', 'flagged', 0, 0.75, 12.5, 3, 'x', 'url', 1, 2, 3, '{}', '{}', null)";
                    tx.run(case, values![])?;
                    tx.script(&part_for(dialect, MIGRATIONS[6]))?;
                    tx.run("update cases set log_e = 0.0, probability = null where probability = 0.75", values![])?;
                    after = tx.rows("select cluster_id, probability, log_e, accounts from cases", values![])?;
                    Ok(())
                })
                .unwrap();
            assert_eq!(after, [Row(vec![Value::Text("c".to_owned()), Value::Null, Value::Real(0.0), Value::Int(3)])]);
        }
    }

    #[test]
    fn a_migration_has_its_part_for_each() {
        let text = "create table a (n integer);\n--@sqlite\nS\n--@postgres\nP\n--@all\n-- an integer stays\nB";
        assert_eq!(part_for(Dialect::Sqlite, text), "create table a (n integer);\nS\n-- an integer stays\nB\n");
        assert_eq!(part_for(Dialect::Postgres, text), "create table a (n bigint);\nP\n-- an integer stays\nB\n");
    }
}
