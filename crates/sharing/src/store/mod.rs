//! What is kept: cases, partners and their keys, collections, objects, the audit log.
//!
//! [`Store`] is the whole interface, one file per kind of thing; its methods block. One [`Change`] is one transaction: a case, what
//! the audit log says of it and the objects that partners get are stored together or not at all.

mod appeals;
mod audit_events;
mod audit_log;
mod case_references;
mod cases;
mod contents;
pub(crate) mod database;
mod deliveries;
mod digests;
mod duties;
mod encryption;
mod endpoints;
mod erasure;
mod evidence;
mod feed;
mod feedback;
mod health;
pub(crate) mod objects;
mod partners;
pub(crate) mod precision;
mod published;
mod releases;
mod retention;
mod retractions;
mod search_terms;
mod sessions;
mod tokens;
mod verification;
pub(crate) mod watch;

pub use audit_log::AuditLog;
pub(crate) use audit_log::PAGE as AUDIT_PAGE;
pub(crate) use audit_log::kept;
pub(crate) use sessions::SessionRow;
pub(crate) use tokens::TokenRow;

use database::{Database, Session};
pub(crate) use deliveries::{Attempted, Claimed};
pub use deliveries::{Delivery, DeliveryQuery, DeliveryState};
pub use erasure::{ErasedFromStore, HeldCase};
pub use evidence::Erased;
pub(crate) use feed::FeedState;
pub use feedback::FeedbackRow;
pub(crate) use feedback::{Inbox, ReadObject};
pub(crate) use health::id_file;
use jiff::{SignedDuration, Timestamp};
pub use retractions::{Retraction, RetractionCase};

use crate::object::NewObject;
use casework::{CaseRecord, Label, audit::Entry, case::State};

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database said no.
    #[error("{}", sqlite_sentence(.0))]
    Sqlite(#[from] rusqlite::Error),
    /// The database server said no, or is not there.
    #[cfg(feature = "postgres")]
    #[error("{}", postgres_sentence(.0))]
    Postgres(#[from] postgres::Error),
    /// Something in the database cannot be read.
    #[error("the sharing database holds {what} that cannot be read: {why}")]
    Unreadable {
        /// What it is.
        what: &'static str,
        /// Why not.
        why: String,
    },
    /// Somebody else changed the case in the meantime.
    #[error("case {0} was changed by somebody else in the meantime: load it again and repeat the step")]
    Conflict(String),
    /// The file is not usable.
    #[error("cannot use {path} as the sharing database: {why}")]
    Open {
        /// The file.
        path: String,
        /// Why not, and what to do.
        why: String,
    },
    /// Every connection was in use for too long.
    #[error(
        "the {connections} connections to the sharing database that may be shared were in use for {seconds} s: \
         raise sharing.database_connections, or look for what keeps the database busy"
    )]
    Busy {
        /// How many there are.
        connections: usize,
        /// How long was waited.
        seconds: u64,
    },
    /// Connections cannot be handed out.
    #[error("the connections to the sharing database cannot be used: {0}")]
    Pool(String),
    /// Only an empty database can be filled from a seed.
    #[error(
        "the sharing database is not empty, its table {0} has rows: a seed is for tests and goes into a new database only; name a new file with --database"
    )]
    NotEmpty(&'static str),
    /// The database was read whole, and part of it cannot be used.
    #[error("the sharing database is damaged: {0}; {hint}", hint = DAMAGED)]
    Damaged(String),
    /// The database is not the one that was opened any more.
    #[error("{0}")]
    Replaced(String),
    /// Secrets cannot be encrypted or decrypted.
    #[error("{0}")]
    Locked(String),
    /// A partner's entry contradicts what is stored.
    #[error("{0}")]
    Partner(String),
}

/// A case in a list.
#[derive(Debug, Clone, PartialEq, serde::Serialize, utoipa::ToSchema)]
pub(crate) struct CaseRow {
    pub cluster_id: String,
    pub case_id: String,
    pub state: String,
    pub status: String,
    pub demo: bool,
    /// Whether it waits for people.
    pub attention: bool,
    /// That the coordination is inauthentic, 0 to 1; null where no model has judged the finding.
    pub probability: Option<f64>,
    pub log_e: f64,
    pub accounts: i64,
    pub platforms: String,
    pub kinds: String,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    pub changed_at: Timestamp,
}

/// Which cases to list.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct CaseQuery {
    pub state: Option<State>,
    pub status: Option<String>,
    pub platform: Option<String>,
    /// Only cases that wait for people.
    pub attention: bool,
    pub demo: Option<bool>,
    /// Words that it has to be found by, each whole or its beginning.
    pub search: Option<String>,
    pub order: Order,
    pub ascending: bool,
    pub offset: usize,
    pub limit: usize,
}

/// By what cases are ordered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Order {
    #[default]
    Changed,
    Seen,
    Evidence,
    Probability,
    Accounts,
}

/// One transaction.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub stored: CaseRecord,
    pub entries: Vec<Entry>,
    /// What collections get.
    pub publish: Vec<Published>,
    /// What a reviewer says of the finding by it.
    pub label: Option<Label>,
}

/// What one collection gets of a case.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    /// Number of the collection.
    pub collection: i64,
    /// Under which id its partner knows the case.
    pub reference: String,
    pub objects: Vec<NewObject>,
}

/// A partner as stored.
#[derive(Debug, Clone)]
pub(crate) struct PartnerRow {
    pub name: String,
    pub platform: String,
    pub pseudonym_key: Vec<u8>,
    /// Number of its collection.
    pub collection: i64,
}

/// A collection as stored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CollectionRow {
    pub number: i64,
    pub id: String,
    pub title: String,
    pub description: String,
    pub demo: bool,
    pub alias: Option<String>,
    pub media_types: Vec<String>,
    /// What the asking partner may do with it.
    pub can_read: bool,
    pub can_write: bool,
}

/// An API key as stored.
#[derive(Debug, Clone)]
pub(crate) struct KeyRow {
    pub partner: String,
    pub hash: Vec<u8>,
}

/// Which versions of an object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Versions {
    /// Every one.
    All,
    /// Any of these.
    Some { first: bool, last: bool, at: Vec<i64> },
}

/// A place in the order of a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub date_added: i64,
    /// Tells objects of a seed apart that share a date.
    pub number: i64,
}

impl Position {
    /// Before everything.
    pub const START: Position = Position { date_added: i64::MIN, number: i64::MIN };

    /// After everything that was added at that instant.
    pub fn after(date_added: i64) -> Self {
        Self { date_added, number: i64::MAX }
    }
}

/// Which objects of a collection, by `date_added`.
#[derive(Debug, Clone)]
pub(crate) struct ObjectQuery {
    pub ids: Vec<String>,
    pub kinds: Vec<String>,
    pub spec_versions: Vec<String>,
    pub versions: Versions,
    /// Only objects after this one.
    pub after: Position,
    pub limit: usize,
}

#[cfg(test)]
impl ObjectQuery {
    /// Every version of the objects of these kinds, or of all where none is named.
    pub fn every_version(kinds: &[&str]) -> ObjectQuery {
        ObjectQuery {
            ids: Vec::new(),
            kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
            spec_versions: Vec::new(),
            versions: Versions::All,
            after: Position::START,
            limit: 10_000,
        }
    }
}

/// An object as read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ObjectRow {
    pub number: i64,
    pub id: String,
    pub date_added: i64,
    pub version: i64,
    pub spec_version: String,
    pub body: String,
}

/// The store. Every method blocks: call it off the async threads.
pub(crate) struct Store {
    database: Box<dyn Database>,
    /// Encrypts and decrypts secrets; without keys before [`Store::unlock`].
    locker: encryption::Locker,
    /// How long a partner may take to know of a withdrawal.
    pub retraction_due: SignedDuration,
}

impl Store {
    /// Opens what `place` names, a file (made where missing) or `postgres://…`, with at most so many connections (two at least), and
    /// brings its tables up to date.
    pub fn open(place: &str, connections: usize) -> Result<Self, StoreError> {
        Ok(Self {
            database: database::open(place, connections)?,
            locker: encryption::Locker::default(),
            retraction_due: SignedDuration::from_hours(24),
        })
    }

    /// One transaction with no other writer beside it.
    fn write<T>(&self, work: impl FnOnce(&mut dyn Session) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let (mut work, mut done) = (Some(work), None);
        self.database.write(&mut |tx| {
            if let Some(work) = work.take() {
                done = Some(work(tx)?);
            }
            Ok(())
        })?;
        done.ok_or(StoreError::Unreadable { what: "nothing", why: "the work was not done".to_owned() })
    }

    /// Reading; every statement sees all that was committed before it.
    pub(crate) fn read<T>(
        &self,
        work: impl FnOnce(&mut dyn Session) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let (mut work, mut done) = (Some(work), None);
        self.database.read(&mut |session| {
            if let Some(work) = work.take() {
                done = Some(work(session)?);
            }
            Ok(())
        })?;
        done.ok_or(StoreError::Unreadable { what: "nothing", why: "the work was not done".to_owned() })
    }
}

/// Version of the tables that this program makes, and the newest that it opens (`pragma user_version` of a SQLite file).
pub fn schema_version() -> i64 {
    database::MIGRATIONS.len() as i64
}

fn to_json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Unreadable { what: "a value", why: e.to_string() })
}

fn from_json<T: serde::de::DeserializeOwned>(what: &'static str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|e| StoreError::Unreadable { what, why: e.to_string() })
}

const DAMAGED: &str =
    "stop the service, keep a copy of the damaged database, and restore a backup; `lockstep audit verify` checks it";
const FULL: &str = "free space where it is stored; nothing that was stored is lost";
const READ_ONLY: &str = "check the permissions of its file and folder, the mount, and whether the server is a standby";

/// What is wrong with the database, and what to do.
fn sqlite_sentence(error: &rusqlite::Error) -> String {
    use rusqlite::ErrorCode;
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            format!("the sharing database is damaged: {error}; {DAMAGED}")
        }
        Some(ErrorCode::DiskFull) => format!("the sharing database is full: {error}; {FULL}"),
        Some(ErrorCode::ReadOnly) => format!("the sharing database is read-only: {error}; {READ_ONLY}"),
        Some(ErrorCode::SystemIoFailure) => {
            format!("the sharing database cannot be read or written: {error}; check its disk")
        }
        _ => format!("the sharing database failed: {error}"),
    }
}

/// The same for a server.
#[cfg(feature = "postgres")]
fn postgres_sentence(error: &postgres::Error) -> String {
    use postgres::error::SqlState;
    let said = in_full(error);
    match error.code() {
        Some(code) if [&SqlState::DATA_CORRUPTED, &SqlState::INDEX_CORRUPTED].contains(&code) => {
            format!("the sharing database is damaged: {said}; {DAMAGED}")
        }
        Some(code) if *code == SqlState::DISK_FULL => format!("the sharing database is full: {said}; {FULL}"),
        Some(code) if *code == SqlState::READ_ONLY_SQL_TRANSACTION => {
            format!("the sharing database is read-only: {said}; {READ_ONLY}")
        }
        Some(code) if *code == SqlState::UNDEFINED_TABLE => {
            format!("the sharing database is empty or another, its tables are gone: {said}; restore a backup")
        }
        _ => format!("the sharing database failed: {said}"),
    }
}

/// With what lies behind an error of the database server: its own words stand there.
#[cfg(feature = "postgres")]
fn in_full(error: &postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
