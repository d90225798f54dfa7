//! What is appended and read, and what describes the log.
use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

/// How a topic's old records are cleaned up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleanup {
    /// Records are deleted after the retention time.
    Delete,
    /// The last record of each key is kept.
    Compact,
}

/// A topic to be created.
#[derive(Debug, Clone)]
pub struct TopicSpec {
    /// Name of the topic.
    pub name: &'static str,
    /// Number of partitions.
    pub partitions: i32,
    /// How old records are cleaned up.
    pub cleanup: Cleanup,
    /// How long records are kept under [`Cleanup::Delete`]; `None` keeps them.
    pub retention: Option<Duration>,
}

/// How many copies of the records of new topics a Kafka cluster keeps; `None` for its own default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Copies {
    /// All copies.
    pub all: Option<i32>,
    /// Copies that must exist before a record counts as written.
    pub min_in_sync: Option<i32>,
}

/// A record to be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// The topic.
    pub topic: Arc<str>,
    /// The key, which decides the partition.
    pub key: Vec<u8>,
    /// The value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Headers, for example a dead letter's reason.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl NewRecord {
    /// A record without headers.
    pub fn new(topic: impl Into<Arc<str>>, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        NewRecord { topic: topic.into(), key: key.into(), value: Some(value.into()), headers: Vec::new() }
    }

    /// Bytes of key, value and headers: what [`crate::MAX_RECORD_BYTES`] limits.
    pub fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(k, v)| k.len() + v.len()).sum();
        self.key.len() + self.value.as_ref().map_or(0, Vec::len) + headers
    }
}

/// A record that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// Offset in the partition.
    pub offset: i64,
    /// The key.
    pub key: Vec<u8>,
    /// The value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Time of the append, ms since the epoch.
    pub timestamp: i64,
}

impl Record {
    /// Bytes of key, value and headers.
    pub fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(k, v)| k.len() + v.len()).sum();
        self.key.len() + self.value.as_ref().map_or(0, Vec::len) + headers
    }
}

/// The committed position of a group in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The next offset that the group reads.
    pub next: i64,
    /// The note given to [`crate::Consumer::publish_and_commit_noting`]; otherwise empty.
    pub note: String,
}

/// One partition of one topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition {
    /// The topic.
    pub topic: Arc<str>,
    /// Number of the partition, from 0.
    pub number: i32,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The member's name in the group and the address of its machine.
    pub name: String,
    /// Whether it is this instance: now, or before it was restarted.
    pub is_own: bool,
}

/// A time in which no broker answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// The first check without an answer.
    pub since: Timestamp,
    /// Why the last check failed.
    pub reason: String,
}
