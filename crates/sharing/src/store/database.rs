//! Where the tables are: one SQLite file, or PostgreSQL. One set of migrations and one set of statements serve both.
//!
//! Statements are written in the part of SQL that both read, with `?1`, `?2`, … for values. Whole numbers have 64 bits, times are
//! microseconds since the Unix epoch, truth is 0 or 1. Writers come one at a time, on both: what reads while one writes sees
//! nothing of it or all.

mod pool;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(not(feature = "postgres"))]
#[path = "database/without_postgres.rs"]
mod postgres;
mod sqlite;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::StoreError;
use crate::config::database_url::is_postgres;

/// A migration set: each brings the tables from one version to the next. Lines between `--@sqlite` or `--@postgres` and the next
/// `--@` are for that database only; `--@all` is for both.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("migrations/1.sql"),
    include_str!("migrations/2.sql"),
    include_str!("migrations/3.sql"),
    include_str!("migrations/4.sql"),
    include_str!("migrations/5.sql"),
    include_str!("migrations/6.sql"),
    include_str!("migrations/7.sql"),
    include_str!("migrations/8.sql"),
    include_str!("migrations/9.sql"),
    include_str!("migrations/10.sql"),
    include_str!("migrations/11.sql"),
    include_str!("migrations/12.sql"),
    include_str!("migrations/13.sql"),
    include_str!("migrations/14.sql"),
    include_str!("migrations/15.sql"),
    include_str!("migrations/16.sql"),
    include_str!("migrations/17.sql"),
    include_str!("migrations/18.sql"),
    include_str!("migrations/19.sql"),
    include_str!("migrations/20.sql"),
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
    /// The columns that were not taken out.
    pub fn values(&self) -> &[Value] {
        &self.0
    }

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
    /// Overwrites what was deleted in its files.
    fn scrub(&self) -> Result<(), StoreError>;
    /// Whether the database is still where it was opened.
    fn is_in_place(&self) -> Result<(), StoreError>;
}

/// Opens what `place` names, a file or `postgres://…`, with at most so many connections, and brings its tables up to date.
pub(crate) fn open(place: &str, connections: usize) -> Result<Box<dyn Database>, StoreError> {
    if is_postgres(place) {
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
pub(super) fn part_for(dialect: Dialect, migration: &str) -> String {
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
pub(crate) mod tests;
