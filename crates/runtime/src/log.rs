//! The log: topics with partitions, keyed append, consumer groups, atomic publish-and-commit. Two
//! implementations of one interface.
//!
//! | | embedded | Apache Kafka |
//! | --- | --- | --- |
//! | where | one folder, one process | a cluster, any number of processes |
//! | opened by | [`Log::open_embedded`] | [`Log::connect_kafka`] |
//! | [`Log::append`] | all or nothing | per record: after an error some may be appended |
//! | [`Consumer::publish_and_commit`] | one SQLite transaction | one Kafka transaction |
//! | offsets | without gaps | transaction markers take offsets, so there are gaps |
//! | compaction | in the background and by [`Log::compact`] | the broker's cleaner |
//!
//! In both implementations a key goes to the same partition (Kafka's murmur2), records of one key
//! keep their order, a new group starts at the beginning, readers see only committed records, and
//! records that were polled but not committed come again after a crash, an error or a rebalance.
mod consumer;
mod embedded;
mod error;
mod identity;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(not(feature = "kafka"))]
#[path = "log/without_kafka.rs"]
mod kafka;
mod partition;
mod record;
#[cfg(all(test, feature = "kafka"))]
#[allow(dead_code, reason = "in a build with Kafka, only its test uses it")]
mod without_kafka;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::Range,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::stream::{self, BoxStream, StreamExt};

use consumer::{AnyReader, Member};
pub use consumer::{Consumer, Reader};
pub use embedded::{Change, Changed, DELETIONS, FILE as LOG_FILE, FolderLock, LAYOUT as LOG_LAYOUT, StoppedLog};
pub use error::LogError;
pub use identity::Identity;
pub use record::{Cleanup, Committed, Copies, Membership, NewRecord, Outage, Partition, Record, TopicSpec};

/// Largest size of a record in bytes: key, value and headers together. Larger records are refused
/// with [`LogError::TooLarge`] before anything is sent.
pub const MAX_RECORD_BYTES: usize = 2 * 1024 * 1024;

/// Largest size of a note in bytes; half of Kafka's default limit.
pub const MAX_NOTE_BYTES: usize = 2_048;

/// Offsets in a partition that are at most this far apart are read together.
const CLOSE: i64 = 100;

/// Number of bytes at which a poll stops collecting, so that a large `max` cannot exhaust the
/// memory.
const MAX_POLL_BYTES: usize = 16 * 1024 * 1024;

/// A log in one of its implementations. Cheap to clone.
///
/// ```
/// use std::time::Duration;
/// use runtime::{Cleanup, Log, NewRecord, TopicSpec};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = tempfile::tempdir()?;
/// let log = Log::open_embedded(folder.path()).await?;
/// log.create_topics(&[TopicSpec { name: "words", partitions: 1, cleanup: Cleanup::Delete, retention: None }]).await?;
/// log.append(vec![NewRecord::new("words", "key", "hello")]).await?;
///
/// let mut consumer = log.consumer("readers", &["words"]).await?;
/// let records = consumer.poll(10, Duration::from_secs(5)).await?;
/// assert_eq!(records[0].value.as_deref(), Some(&b"hello"[..]));
/// consumer.publish_and_commit(Vec::new()).await?;
/// consumer.close().await?;
/// assert_eq!(log.committed("readers", "words").await?, [Some(1)]);
/// log.shutdown().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Log(Home);

#[derive(Clone)]
enum Home {
    Embedded(embedded::Embedded),
    Kafka(kafka::Kafka),
}

impl Log {
    /// Opens the embedded log in a folder, and creates it if it is missing. Only one process can
    /// open it: a second one gets [`LogError::InUse`], which names the first.
    pub async fn open_embedded(dir: &Path) -> Result<Log, LogError> {
        let dir = dir.to_owned();
        let log = blocking("open the embedded log", move || embedded::Embedded::open(&dir)).await?;
        Ok(Log(Home::Embedded(log)))
    }

    /// Opens an existing embedded log to read its current records, even if another process uses it.
    /// Writing and joining a group give [`LogError::Closed`]; later records are not seen.
    pub async fn open_embedded_to_read(dir: &Path) -> Result<Log, LogError> {
        let dir = dir.to_owned();
        let log = blocking("open the embedded log", move || embedded::Embedded::open_to_read(&dir)).await?;
        Ok(Log(Home::Embedded(log)))
    }

    /// Connects to Apache Kafka. `brokers` is `host:port,host:port`. `properties` are librdkafka's,
    /// for example `security.protocol`, and apply to every client. A `group.instance.id`, one per
    /// instance and stable over restarts (see [`Identity`]), gives a restarted instance its place in
    /// its groups again, and lets it end its own open transaction immediately instead of after the
    /// transaction timeout. A `transactional.id` replaces it as the prefix of the transactional ids.
    /// Fails if no broker answers within ten seconds, and in a build without the feature `kafka`.
    pub async fn connect_kafka(brokers: &str, properties: &[(String, String)]) -> Result<Log, LogError> {
        Ok(Log(Home::Kafka(kafka::Kafka::connect(brokers, properties).await?)))
    }

    /// Checks that librdkafka knows these properties and accepts their values, without connecting.
    pub fn check_kafka_properties(properties: &[(String, String)]) -> Result<(), LogError> {
        kafka::check_properties(properties)
    }

    /// `"embedded"` or `"kafka"`, for messages and metrics.
    pub fn home(&self) -> &'static str {
        match &self.0 {
            Home::Embedded(_) => "embedded",
            Home::Kafka(_) => "kafka",
        }
    }

    /// Creates the topics that do not exist. Existing topics of the embedded log get the retention
    /// time. Existing topics of Kafka are not changed; a warning names each that has another one.
    pub async fn create_topics(&self, topics: &[TopicSpec]) -> Result<(), LogError> {
        self.create_topics_with(topics, Copies::default()).await
    }

    /// The same with a number of copies; the embedded log keeps one.
    pub async fn create_topics_with(&self, topics: &[TopicSpec], copies: Copies) -> Result<(), LogError> {
        for spec in topics {
            check_spec(spec)?;
        }
        match &self.0 {
            Home::Embedded(log) => log.create_topics(topics.to_vec()).await,
            Home::Kafka(log) => log.create_topics(topics, copies).await,
        }
    }

    /// Appends records, in order per key. Returns when they are durable.
    ///
    /// The embedded log appends all records or none. On Kafka some may be appended despite an
    /// error, and appending the same records again may duplicate those; if this matters, use
    /// [`Consumer::publish_and_commit`].
    pub async fn append(&self, records: Vec<NewRecord>) -> Result<(), LogError> {
        check_sizes(&records)?;
        match &self.0 {
            Home::Embedded(log) => log.append(records).await,
            Home::Kafka(log) => log.append(records).await,
        }
    }

    /// Joins a consumer group. A new group starts at the beginning.
    ///
    /// All members of a group subscribe to the same topics, which must exist.
    pub async fn consumer(&self, group: &str, topics: &[&str]) -> Result<Consumer, LogError> {
        Ok(Consumer(match &self.0 {
            Home::Embedded(log) => Member::Embedded(log.consumer(group, topics).await?),
            Home::Kafka(log) => Member::Kafka(Box::new(log.consumer(group, topics).await?)),
        }))
    }

    /// The offset after the last committed record of each partition of a topic, by partition number.
    pub async fn end_offsets(&self, topic: &str) -> Result<Vec<i64>, LogError> {
        match &self.0 {
            Home::Embedded(log) => log.end_offsets(topic),
            Home::Kafka(log) => log.end_offsets(topic).await,
        }
    }

    /// The next offset that a group reads in each partition of a topic, by partition number; `None`
    /// if it has committed nothing there. Joins no group: any process may ask about any group.
    pub async fn committed(&self, group: &str, topic: &str) -> Result<Vec<Option<i64>>, LogError> {
        let noted = self.committed_noted(group, topic).await?;
        Ok(noted.into_iter().map(|committed| Some(committed?.next)).collect())
    }

    /// The members of a group, with those that are about to leave or to time out.
    pub async fn members(&self, group: &str) -> Result<Vec<Membership>, LogError> {
        match &self.0 {
            Home::Embedded(log) => log.members(group).await,
            Home::Kafka(log) => log.members(group).await,
        }
    }

    /// Since when the log does not answer, by the last [`check`](Log::check).
    pub fn outage(&self) -> Option<Outage> {
        match &self.0 {
            Home::Embedded(_) => None,
            Home::Kafka(log) => log.outage(),
        }
    }

    /// Ends immediately what a killed member of this group left open. Otherwise the group's
    /// committed offsets are not available until its transaction times out after half a minute.
    /// From here on the members that this log makes in the group have one `transactional.id` in all
    /// processes. So only the group's single member may call it, before it asks for the offsets: a
    /// running member of another process is fenced off.
    pub async fn take_over(&self, group: &str) -> Result<(), LogError> {
        match &self.0 {
            Home::Embedded(_) => Ok(()),
            Home::Kafka(log) => log.take_over(group).await,
        }
    }

    /// The same, with the note of each partition's last commit.
    pub async fn committed_noted(&self, group: &str, topic: &str) -> Result<Vec<Option<Committed>>, LogError> {
        match &self.0 {
            Home::Embedded(log) => log.committed(group, topic).await,
            Home::Kafka(log) => log.committed(group, topic).await,
        }
    }

    /// Every record of a topic, from the given (partition, offset) pairs on, in other partitions
    /// from their beginning, up to the end at the time of the call; then the stream ends. It joins
    /// no group: for rebuilding state from a compacted topic, and for tests. Records are in order
    /// within a partition.
    pub async fn read_all(
        &self,
        topic: &str,
        from: &[(i32, i64)],
    ) -> Result<BoxStream<'static, Result<Record, LogError>>, LogError> {
        let spans = self
            .end_offsets(topic)
            .await?
            .into_iter()
            .zip(0..)
            .map(|(end, partition)| {
                let start = from.iter().find(|(p, _)| *p == partition);
                (partition, start.map_or(0, |(_, offset)| *offset)..end)
            })
            .collect();
        self.read_spans(topic, spans).await
    }

    /// The records of one partition within a range of offsets, for example from a snapshot's offset
    /// up to the committed offset; then the stream ends. If the range extends beyond the end, the
    /// stream waits for the records.
    pub async fn read_range(
        &self,
        topic: &str,
        partition: i32,
        offsets: Range<i64>,
    ) -> Result<BoxStream<'static, Result<Record, LogError>>, LogError> {
        self.read_spans(topic, vec![(partition, offsets)]).await
    }

    /// The records at these (partition, offset) positions of a topic that still exist, in no
    /// particular order; and whether all positions were read before `patience` ended. Costs one
    /// seek for every range of nearby positions.
    pub async fn records_at(
        &self,
        topic: &str,
        places: &[(i32, i64)],
        patience: Duration,
    ) -> Result<(Vec<Record>, bool), LogError> {
        let deadline = Instant::now() + patience;
        let ends = self.end_offsets(topic).await?;
        let is_there = |(partition, offset): &(i32, i64)| {
            let end = usize::try_from(*partition).ok().and_then(|partition| ends.get(partition));
            end.is_some_and(|end| (0..*end).contains(offset))
        };
        let wanted: BTreeSet<(i32, i64)> = places.iter().copied().filter(is_there).collect();
        let mut stretches: BTreeMap<i32, VecDeque<Range<i64>>> = BTreeMap::new();
        for &(partition, offset) in &wanted {
            let of_partition = stretches.entry(partition).or_default();
            match of_partition.back_mut() {
                Some(last) if offset - last.end < CLOSE => last.end = offset + 1,
                _ => of_partition.push_back(offset..offset + 1),
            }
        }
        let mut found = Vec::with_capacity(wanted.len());
        let mut reader: Option<Reader> = None;
        loop {
            // One range of every partition at a time.
            let spans: Vec<(i32, Range<i64>)> = stretches
                .iter_mut()
                .filter_map(|(partition, stretches)| Some((*partition, stretches.pop_front()?)))
                .collect();
            if spans.is_empty() {
                return Ok((found, true));
            }
            let turned = match reader.take() {
                // A Kafka consumer needs time to connect.
                Some(Reader(AnyReader::Kafka(mut kafka))) => {
                    kafka.turn_to(spans, &ends)?;
                    Reader(AnyReader::Kafka(kafka))
                }
                _ => self.open_reader(topic, spans).await?,
            };
            let turned = reader.insert(turned);
            while !turned.at_end() {
                if Instant::now() >= deadline {
                    return Ok((found, false));
                }
                let records = turned.poll(1000, Duration::from_millis(200)).await?;
                found.extend(records.into_iter().filter(|record| wanted.contains(&(record.partition, record.offset))));
            }
        }
    }

    /// Reads a topic without a group, from the given (partition, offset) pairs on, in other
    /// partitions from their beginning, and continues with new records: for a broadcast topic that
    /// every process reads completely.
    pub async fn reader(&self, topic: &str, from: &[(i32, i64)]) -> Result<Reader, LogError> {
        let spans = (0..self.end_offsets(topic).await?.len() as i32)
            .map(|partition| {
                let start = from.iter().find(|(p, _)| *p == partition);
                (partition, start.map_or(0, |(_, offset)| *offset)..i64::MAX)
            })
            .collect();
        self.open_reader(topic, spans).await
    }

    /// Compacts every [`Cleanup::Compact`] topic and deletes records past their retention,
    /// immediately. On Kafka the broker's cleaner does this, and the call does nothing.
    pub async fn compact(&self) -> Result<(), LogError> {
        match &self.0 {
            Home::Embedded(log) => log.clean().await,
            Home::Kafka(_) => Ok(()),
        }
    }

    /// How many records the embedded log has deleted since it was opened, by topic and by one of
    /// [`DELETIONS`]. Kafka deletes by itself and says nothing of it.
    pub fn deleted_records(&self) -> Vec<(Arc<str>, &'static str, u64)> {
        match &self.0 {
            Home::Embedded(log) => log.deleted_records(),
            Home::Kafka(_) => Vec::new(),
        }
    }

    /// Checks that the log answers, for a readiness check.
    pub async fn check(&self) -> Result<(), LogError> {
        match &self.0 {
            Home::Embedded(log) => log.check(),
            Home::Kafka(log) => log.check().await,
        }
    }

    /// Writes everything in progress and closes the log; every clone gets [`LogError::Closed`] from
    /// then on. When this returns, another process can open the embedded log's folder.
    pub async fn shutdown(&self) -> Result<(), LogError> {
        match &self.0 {
            Home::Embedded(log) => log.shutdown().await,
            Home::Kafka(log) => log.shutdown().await,
        }
    }

    async fn open_reader(&self, topic: &str, spans: Vec<(i32, Range<i64>)>) -> Result<Reader, LogError> {
        Ok(Reader(match &self.0 {
            Home::Embedded(log) => AnyReader::Embedded(log.reader(topic, spans)?),
            Home::Kafka(log) => AnyReader::Kafka(Box::new(log.reader(topic, spans).await?)),
        }))
    }

    async fn read_spans(
        &self,
        topic: &str,
        spans: Vec<(i32, Range<i64>)>,
    ) -> Result<BoxStream<'static, Result<Record, LogError>>, LogError> {
        let reader = self.open_reader(topic, spans).await?;
        let batches = stream::unfold(Some(reader), |reader| async move {
            let mut reader = reader?;
            while !reader.at_end() {
                match reader.poll(1000, Duration::from_millis(200)).await {
                    Ok(records) if records.is_empty() => continue,
                    Ok(records) => {
                        let records = records.into_iter().map(Ok).collect();
                        return Some((records, Some(reader)));
                    }
                    Err(error) => return Some((vec![Err(error)], None)),
                }
            }
            None
        });
        Ok(batches.flat_map(stream::iter).boxed())
    }
}

fn check_spec(spec: &TopicSpec) -> Result<(), LogError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let problem = if spec.name.is_empty() || spec.name.len() > 249 || !spec.name.chars().all(legal) {
        "its name must have 1 to 249 of the characters a-z A-Z 0-9 . _ -"
    } else if !(1..=10_000).contains(&spec.partitions) {
        "it must have 1 to 10000 partitions"
    } else {
        return Ok(());
    };
    Err(LogError::BadTopic { topic: spec.name.to_owned(), problem: problem.to_owned() })
}

fn check_sizes(records: &[NewRecord]) -> Result<(), LogError> {
    match records.iter().find(|r| r.size() > MAX_RECORD_BYTES) {
        None => Ok(()),
        Some(record) => {
            Err(LogError::TooLarge { topic: record.topic.to_string(), bytes: record.size(), max: MAX_RECORD_BYTES })
        }
    }
}

fn check_note(note: &str) -> Result<(), LogError> {
    if note.len() <= MAX_NOTE_BYTES {
        return Ok(());
    }
    Err(LogError::TooLarge { topic: "(the commit's note)".to_owned(), bytes: note.len(), max: MAX_NOTE_BYTES })
}

/// Runs blocking work outside of the async threads.
async fn blocking<T: Send + 'static>(
    what: &'static str,
    work: impl FnOnce() -> Result<T, LogError> + Send + 'static,
) -> Result<T, LogError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(LogError::Io { action: what.to_owned(), source: std::io::Error::other(error) }))
}
