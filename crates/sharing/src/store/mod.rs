//! What is kept: cases, partners and their keys, collections, objects, the audit log.
//!
//! [`Store`] is the whole interface; its methods block. One [`Change`] is one transaction: a case, what the audit log says of
//! it and the objects that partners get are stored together or not at all.

mod sqlite;

use jiff::Timestamp;
use messages::cluster::ClusterMessage;

use crate::{
    audit::{Broken, Entry, Sealed},
    case::{Case, State},
    config::{self, Tlp},
};

pub(crate) use sqlite::Sqlite;

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database said no.
    #[error("the sharing database failed: {0}")]
    Database(#[from] rusqlite::Error),
    /// Something in the database cannot be read.
    #[error("the sharing database holds {what} that cannot be read: {why}")]
    Unreadable {
        /// What it is.
        what: &'static str,
        /// Why not.
        why: String,
    },
    /// Somebody else changed the case meanwhile.
    #[error("case {0} was changed by somebody else meanwhile: load it again and repeat the step")]
    Conflict(String),
    /// The file is not usable.
    #[error("cannot use {path} as the sharing database: {why}")]
    Open {
        /// The file.
        path: String,
        /// Why not, and what to do.
        why: String,
    },
    /// A partner's entry contradicts what is stored.
    #[error("{0}")]
    Partner(String),
}

/// A case with its finding.
#[derive(Debug, Clone)]
pub(crate) struct StoredCase {
    pub case: Case,
    /// The newest version.
    pub cluster: ClusterMessage,
    /// The version that partners have.
    pub released: Option<ClusterMessage>,
    /// As read; 0 for a case not stored yet.
    pub revision: i64,
}

/// A case in a list.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub(crate) struct CaseRow {
    pub cluster_id: String,
    pub case_id: String,
    pub state: String,
    pub status: String,
    pub demo: bool,
    pub probability: f64,
    pub log_e: f64,
    pub accounts: i64,
    pub platforms: String,
    pub kinds: String,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    pub changed_at: Timestamp,
}

/// Which cases to list; newest change first.
#[derive(Debug, Clone, Default)]
pub(crate) struct CaseQuery {
    pub state: Option<State>,
    pub status: Option<String>,
    pub offset: usize,
    pub limit: usize,
}

/// An object for a collection.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NewObject {
    pub id: String,
    pub kind: String,
    pub spec_version: String,
    /// Microseconds; `None` for an object without a time of its own, which gets its `date_added`.
    pub version: Option<i64>,
    pub body: String,
}

/// One transaction.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub stored: StoredCase,
    pub entries: Vec<Entry>,
    /// Per collection number.
    pub publish: Vec<(i64, Vec<NewObject>)>,
}

/// A partner as stored.
#[derive(Debug, Clone)]
pub(crate) struct PartnerRow {
    pub name: String,
    pub platform: String,
    pub tlp_ceiling: Tlp,
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
}

/// An API key as stored.
#[derive(Debug, Clone)]
pub(crate) struct KeyRow {
    pub partner: String,
    pub hash: Vec<u8>,
    /// Number of the partner's collection.
    pub collection: i64,
}

/// Which versions of an object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Versions {
    /// Every one.
    All,
    /// Any of these.
    Some { first: bool, last: bool, at: Vec<i64> },
}

/// Which objects of a collection, by `date_added`.
#[derive(Debug, Clone)]
pub(crate) struct ObjectQuery {
    pub ids: Vec<String>,
    pub kinds: Vec<String>,
    pub spec_versions: Vec<String>,
    pub versions: Versions,
    /// Only objects added after this instant.
    pub after: i64,
    pub limit: usize,
    /// Whether `body` is wanted.
    pub bodies: bool,
}

/// An object as read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ObjectRow {
    pub id: String,
    pub date_added: i64,
    pub version: i64,
    pub body: String,
}

/// The store's whole interface. Every method blocks: call it off the async threads.
pub(crate) trait Store: Send + Sync {
    /// Makes the partners those of the configuration; one that is gone loses access but keeps its history.
    fn set_partners(&self, partners: &[config::Partner]) -> Result<(), StoreError>;
    fn partners(&self) -> Result<Vec<PartnerRow>, StoreError>;
    fn add_key(&self, key_id: &str, partner: &str, hash: &[u8], entry: Entry) -> Result<(), StoreError>;
    /// The key, if it and its partner are in use.
    fn key(&self, key_id: &str) -> Result<Option<KeyRow>, StoreError>;

    fn case(&self, cluster_id: &str) -> Result<Option<StoredCase>, StoreError>;
    /// Cases, and how many there are without paging.
    fn cases(&self, query: &CaseQuery) -> Result<(Vec<CaseRow>, usize), StoreError>;
    fn cases_by_state(&self) -> Result<Vec<(String, i64)>, StoreError>;
    /// Stores changes in one transaction; returns how many objects were added.
    fn commit(&self, changes: &[Change], now: Timestamp) -> Result<usize, StoreError>;

    fn collection(&self, number: i64) -> Result<Option<CollectionRow>, StoreError>;
    fn has_object(&self, collection: i64, id: &str) -> Result<bool, StoreError>;
    fn objects(&self, collection: i64, query: &ObjectQuery) -> Result<Vec<ObjectRow>, StoreError>;

    /// The history of a case, oldest first.
    fn history(&self, subject: &str) -> Result<Vec<Sealed>, StoreError>;
    /// Checks the whole audit log.
    fn verify_audit(&self) -> Result<Result<(i64, String), Broken>, StoreError>;
}
