//! Why the log could not do it.
use std::path::PathBuf;

#[cfg(feature = "kafka")]
use rdkafka::error::KafkaError;

/// Why the log could not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The embedded log's folder is held by another process, or by another [`crate::Log`] of this one.
    #[error(
        "the log in {} is in use by {holder}; stop it, choose another folder, or hand records in over http", dir.display()
    )]
    InUse {
        /// The folder.
        dir: PathBuf,
        /// Who has it, for example `process 4711`.
        holder: String,
    },
    /// The topic does not exist.
    #[error("no topic {topic:?} in the log; create it first")]
    UnknownTopic {
        /// The topic.
        topic: String,
    },
    /// The topic cannot be created as asked.
    #[error("topic {topic:?} cannot be created: {problem}")]
    BadTopic {
        /// The topic.
        topic: String,
        /// What is wrong.
        problem: String,
    },
    /// A record is over [`crate::MAX_RECORD_BYTES`], or over what the broker takes.
    #[error("a record of {bytes} bytes for topic {topic:?} is over the limit of {max} bytes")]
    TooLarge {
        /// The topic.
        topic: String,
        /// Key, value and headers together.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// A partition went to another member of the group before its records were committed. Nothing was published.
    #[error(
        "nothing was published: partition {partition} of {topic:?} has gone to another member of group {group:?}; drop what \
         came of its records and poll again"
    )]
    Revoked {
        /// The group.
        group: String,
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
    /// The transaction was aborted. Nothing was published.
    #[error("nothing was published, the transaction was aborted: {reason}; poll again for the same records")]
    Aborted {
        /// Kafka's reason.
        reason: String,
    },
    /// The log was shut down.
    #[error("the log is closed")]
    Closed,
    /// The embedded log's storage failed.
    #[error("cannot {action}: {source}")]
    Storage {
        /// What was being done.
        action: String,
        /// Why it failed.
        source: rusqlite::Error,
    },
    /// A file or a thread failed.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was being done.
        action: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// Apache Kafka is named, and the feature `kafka` is off.
    #[cfg(any(test, not(feature = "kafka")))]
    #[error(
        "this build has no Apache Kafka: build Lockstep with `--features kafka`, or name no brokers to use the embedded log"
    )]
    NoKafka,
    /// Kafka failed.
    #[cfg(feature = "kafka")]
    #[error("cannot {action}: {source}")]
    Kafka {
        /// What was being done.
        action: String,
        /// Why it failed.
        source: KafkaError,
    },
}

impl LogError {
    /// Whether polling again may succeed: true for a rebalance and an aborted transaction, false where something is wrong
    /// that will not pass by itself.
    pub fn is_retryable(&self) -> bool {
        matches!(self, LogError::Revoked { .. } | LogError::Aborted { .. })
    }

    pub(crate) fn storage(action: impl Into<String>) -> impl FnOnce(rusqlite::Error) -> LogError {
        let action = action.into();
        move |source| LogError::Storage { action, source }
    }

    pub(crate) fn io(action: impl Into<String>) -> impl FnOnce(std::io::Error) -> LogError {
        let action = action.into();
        move |source| LogError::Io { action, source }
    }

    #[cfg(feature = "kafka")]
    pub(crate) fn kafka(action: impl Into<String>) -> impl FnOnce(KafkaError) -> LogError {
        let action = action.into();
        move |source| LogError::Kafka { action, source }
    }
}
