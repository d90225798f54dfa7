//! Readers of a log: members of consumer groups, and readers without a group.

use std::time::Duration;

#[cfg(doc)]
use super::{Log, MAX_NOTE_BYTES};
use super::{LogError, NewRecord, Partition, Record, check_note, check_sizes, embedded, kafka};

/// A member of a consumer group. When it is dropped, it leaves the group; records that it polled
/// and did not commit go to another member.
pub struct Consumer(pub(super) Member);

pub(super) enum Member {
    Embedded(embedded::GroupMember),
    Kafka(Box<kafka::GroupMember>),
}

impl Consumer {
    /// Up to `max` records: returns as soon as there are any, or none after `wait`. Call it at
    /// least every five minutes, or Kafka treats the member as dead. May be cancelled without
    /// losing a record.
    pub async fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<Record>, LogError> {
        match &mut self.0 {
            Member::Embedded(member) => member.poll(max, wait).await,
            Member::Kafka(member) => member.poll(max, wait).await,
        }
    }

    /// Publishes `outputs` and commits every record polled so far, atomically: either both happen
    /// or neither, even after a crash.
    ///
    /// On Kafka, readers may see the outputs a moment after this returns: the brokers mark the end
    /// of a transaction in each partition asynchronously.
    ///
    /// After an error nothing is published or committed, and the member is rewound: the uncommitted
    /// records come again, from this or another member, so their outputs have to be discarded.
    /// [`LogError::is_retryable`] says whether polling again can succeed. If the call is cancelled,
    /// the transaction continues: the next call on this member waits for it and returns its error.
    pub async fn publish_and_commit(&mut self, outputs: Vec<NewRecord>) -> Result<(), LogError> {
        self.publish_and_commit_noting(outputs, "").await
    }

    /// The same, with a note of at most [`MAX_NOTE_BYTES`] that is stored with the offsets, on each
    /// partition with records in this commit, until its next commit. The note always agrees exactly
    /// with the offsets, even after a crash. Longer notes are refused with [`LogError::TooLarge`].
    /// [`Log::committed_noted`] reads the note.
    pub async fn publish_and_commit_noting(&mut self, outputs: Vec<NewRecord>, note: &str) -> Result<(), LogError> {
        if let Err(error) = check_sizes(&outputs).and_then(|()| check_note(note)) {
            self.rewind().await?;
            return Err(error);
        }
        match &mut self.0 {
            Member::Embedded(member) => member.publish_and_commit(outputs, note).await,
            Member::Kafka(member) => member.publish_and_commit(outputs, note).await,
        }
    }

    /// Goes back to the committed offsets: the next poll returns the records again that were polled
    /// and not committed.
    pub async fn rewind(&mut self) -> Result<(), LogError> {
        match &mut self.0 {
            Member::Embedded(member) => member.rewind().await,
            Member::Kafka(member) => member.rewind().await,
        }
    }

    /// The partitions of this member at its last poll, in order. A difference between polls shows a
    /// rebalance.
    pub fn assignment(&self) -> Vec<Partition> {
        match &self.0 {
            Member::Embedded(member) => member.assignment(),
            Member::Kafka(member) => member.assignment(),
        }
    }

    /// Number of records appended but not yet polled in the partitions of this member.
    pub async fn lag(&mut self) -> Result<u64, LogError> {
        Ok(self.lags().await?.into_iter().map(|(_, lag)| lag).sum())
    }

    /// The same for each partition of this member. On Kafka an upper bound: offsets of transaction
    /// markers and compacted records count until they were passed.
    pub async fn lags(&mut self) -> Result<Vec<(Partition, u64)>, LogError> {
        match &mut self.0 {
            Member::Embedded(member) => Ok(member.lags()),
            Member::Kafka(member) => member.lags().await,
        }
    }

    /// Leaves the group and returns when that is done.
    pub async fn close(self) -> Result<(), LogError> {
        match self.0 {
            Member::Embedded(member) => member.close().await,
            Member::Kafka(member) => member.close().await,
        }
    }
}

/// Reads a topic without a group; see [`Log::reader`].
pub struct Reader(pub(super) AnyReader);

pub(super) enum AnyReader {
    Embedded(embedded::Reader),
    Kafka(Box<kafka::Reader>),
}

impl Reader {
    /// Up to `max` records: returns as soon as there are any, or none after `wait`.
    pub async fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<Record>, LogError> {
        match &mut self.0 {
            AnyReader::Embedded(reader) => reader.poll(max, wait).await,
            AnyReader::Kafka(reader) => reader.poll(max, wait).await,
        }
    }

    /// Whether all records that the topic had when the reader was opened have been read.
    pub fn at_end(&self) -> bool {
        match &self.0 {
            AnyReader::Embedded(reader) => reader.at_end(),
            AnyReader::Kafka(reader) => reader.at_end(),
        }
    }
}
