//! Who reads a log: members of consumer groups, and readers without a group.

use std::time::Duration;

#[cfg(doc)]
use super::{Log, MAX_NOTE_BYTES};
use super::{LogError, NewRecord, Partition, Record, check_note, check_sizes, embedded, kafka};

/// A member of a consumer group. Dropped, it leaves the group; what it polled and did not commit goes to another member.
pub struct Consumer(pub(super) Member);

pub(super) enum Member {
    Embedded(embedded::GroupMember),
    Kafka(Box<kafka::GroupMember>),
}

impl Consumer {
    /// Up to `max` records; as soon as there are some, or none after `wait`. At least every five minutes, or Kafka takes the
    /// member for dead. May be cancelled: no record is lost.
    pub async fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<Record>, LogError> {
        match &mut self.0 {
            Member::Embedded(member) => member.poll(max, wait).await,
            Member::Kafka(member) => member.poll(max, wait).await,
        }
    }

    /// Publishes `outputs` and commits every record polled so far, atomically: both or neither, also over a crash.
    ///
    /// On Kafka readers may see the outputs a moment after this returns: the brokers mark a transaction's end in each partition
    /// on their own time.
    ///
    /// After an error nothing is published or committed, and the member is rewound: the uncommitted records come again
    /// (from this or another member), so whatever was derived from them has to be thrown away.
    /// [`LogError::is_retryable`] tells whether polling again is of use. Cancelled, it goes on by itself: the next call on
    /// this member waits for it and returns its error where it failed.
    pub async fn publish_and_commit(&mut self, outputs: Vec<NewRecord>) -> Result<(), LogError> {
        self.publish_and_commit_noting(outputs, "").await
    }

    /// The same, with a note of at most [`MAX_NOTE_BYTES`] that is kept with the offsets, on each partition with records in this
    /// commit, until its next commit: what must agree with the offsets to the record, even over a crash. Longer ones are
    /// refused as [`LogError::TooLarge`]. Read by [`Log::committed_noted`].
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

    /// Goes back to the committed offsets: the next poll gives again what was polled and not committed.
    pub async fn rewind(&mut self) -> Result<(), LogError> {
        match &mut self.0 {
            Member::Embedded(member) => member.rewind().await,
            Member::Kafka(member) => member.rewind().await,
        }
    }

    /// The partitions this member holds, as of its last poll, in order. Compare between polls to learn of a rebalance.
    pub fn assignment(&self) -> Vec<Partition> {
        match &self.0 {
            Member::Embedded(member) => member.assignment(),
            Member::Kafka(member) => member.assignment(),
        }
    }

    /// Records appended but not yet polled, over the partitions assigned to this member. On Kafka an upper bound: offsets
    /// taken by transaction markers and compacted records count until they have been passed.
    pub async fn lag(&mut self) -> Result<u64, LogError> {
        match &mut self.0 {
            Member::Embedded(member) => Ok(member.lag()),
            Member::Kafka(member) => member.lag().await,
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
    /// Up to `max` records; as soon as there are some, or none after `wait`.
    pub async fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<Record>, LogError> {
        match &mut self.0 {
            AnyReader::Embedded(reader) => reader.poll(max, wait).await,
            AnyReader::Kafka(reader) => reader.poll(max, wait).await,
        }
    }

    /// Whether everything that was in the topic when the reader was opened has been read.
    pub fn at_end(&self) -> bool {
        match &self.0 {
            AnyReader::Embedded(reader) => reader.at_end(),
            AnyReader::Kafka(reader) => reader.at_end(),
        }
    }
}
