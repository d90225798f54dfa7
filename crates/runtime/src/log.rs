//! The log: topics with partitions, keyed append, consumer groups, atomic publish-and-commit; two homes behind one face.
use std::{path::Path, sync::Arc, time::Duration};

/// Why the log could not do it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct LogError(pub String);

/// What becomes of a topic's old records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleanup {
    /// Dropped after the retention time.
    Delete,
    /// The last record of each key is kept.
    Compact,
}

/// A topic to be created.
#[derive(Debug, Clone)]
pub struct TopicSpec {
    /// Its name.
    pub name: &'static str,
    /// How many partitions.
    pub partitions: i32,
    /// What becomes of old records.
    pub cleanup: Cleanup,
    /// How long records are kept under [`Cleanup::Delete`]; `None` keeps them.
    pub retention: Option<Duration>,
}

/// A record to be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// The topic.
    pub topic: Arc<str>,
    /// Decides the partition.
    pub key: Vec<u8>,
    /// `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Headers, for example a dead letter's reason.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// A record as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// Its place in the partition.
    pub offset: i64,
    /// The key.
    pub key: Vec<u8>,
    /// `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// When it was appended, ms since the epoch.
    pub timestamp: i64,
}

/// A log in one of its homes. Cheap to clone.
#[derive(Clone)]
pub struct Log {}

impl Log {
    /// Opens the embedded log in a folder, made where missing. One process only: a second one gets an error.
    pub async fn open_embedded(_dir: &Path) -> Result<Log, LogError> {
        todo!()
    }
    /// Connects to Apache Kafka.
    pub async fn connect_kafka(_brokers: &str, _properties: &[(String, String)]) -> Result<Log, LogError> {
        todo!()
    }
    /// Creates the topics that are not there; those that are stay as they are.
    pub async fn create_topics(&self, _topics: &[TopicSpec]) -> Result<(), LogError> {
        todo!()
    }
    /// Appends records, in order per key; returns when they are durable.
    pub async fn append(&self, _records: Vec<NewRecord>) -> Result<(), LogError> {
        todo!()
    }
    /// Joins a consumer group. A new group starts at the beginning.
    pub async fn consumer(&self, _group: &str, _topics: &[&str]) -> Result<Consumer, LogError> {
        todo!()
    }
}

/// A member of a consumer group.
pub struct Consumer {}

impl Consumer {
    /// Up to `max` records; as soon as there are some, or none after `wait`.
    pub async fn poll(&mut self, _max: usize, _wait: Duration) -> Result<Vec<Record>, LogError> {
        todo!()
    }
    /// Publishes `outputs` and commits every record polled so far, atomically: both or neither, also over a crash.
    pub async fn publish_and_commit(&mut self, _outputs: Vec<NewRecord>) -> Result<(), LogError> {
        todo!()
    }
    /// Records appended but not yet polled, over the partitions assigned to this member.
    pub async fn lag(&mut self) -> Result<u64, LogError> {
        todo!()
    }
}
