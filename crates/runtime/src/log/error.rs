//! Errors of the log.
use std::path::PathBuf;

#[cfg(feature = "kafka")]
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// An error of the log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The embedded log's folder is in use by another process, or by another [`crate::Log`] of this
    /// process.
    #[error(
        "the log in {} is in use by {holder}; stop it, choose another folder, or send the records over HTTP", dir.display()
    )]
    InUse {
        /// The folder.
        dir: PathBuf,
        /// The user of the folder, for example `process 4711`.
        holder: String,
    },
    /// The topic does not exist.
    #[error("the log has no topic {topic:?}; create it first")]
    UnknownTopic {
        /// The topic.
        topic: String,
    },
    /// The topic cannot be created.
    #[error("topic {topic:?} cannot be created: {problem}")]
    BadTopic {
        /// The topic.
        topic: String,
        /// What is wrong.
        problem: String,
    },
    /// A record is larger than [`crate::MAX_RECORD_BYTES`], or larger than the broker accepts.
    #[error("a record of {bytes} bytes for topic {topic:?} is over the limit of {max} bytes")]
    TooLarge {
        /// The topic.
        topic: String,
        /// Size of key, value and headers together.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// A partition was reassigned to another member of the group before its records were committed.
    /// Nothing was published.
    #[error(
        "nothing was published: partition {partition} of {topic:?} was reassigned to another member of group {group:?}; drop the \
         outputs of its records and poll again"
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
    /// Apache Kafka does not answer, or the broker that is needed is not there. Nothing was
    /// committed by this call. It passes when the brokers are back.
    #[error("kafka does not answer: cannot {action}: {reason}")]
    Unreachable {
        /// The action that failed.
        action: String,
        /// Kafka's reason.
        reason: String,
    },
    /// Another process has joined the group under the same `group.instance.id`.
    #[error(
        "another process took the place of this one in group {group:?}, because both have the group.instance.id {instance:?}: \
         stop one of them, or give each its own log.properties.\"group.instance.id\""
    )]
    Fenced {
        /// The group.
        group: String,
        /// The `group.instance.id`.
        instance: String,
    },
    /// The log was shut down.
    #[error("the log is closed")]
    Closed,
    /// The embedded log's storage failed.
    #[error("cannot {action}: {source}")]
    Storage {
        /// The action that failed.
        action: String,
        /// Cause of the failure.
        source: rusqlite::Error,
    },
    /// A file or a thread failed.
    #[error("cannot {action}: {source}")]
    Io {
        /// The action that failed.
        action: String,
        /// Cause of the failure.
        source: std::io::Error,
    },
    /// Apache Kafka is configured, but the feature `kafka` is off.
    #[cfg(any(test, not(feature = "kafka")))]
    #[error(
        "this build has no Apache Kafka: build Lockstep with `--features kafka`, or configure no brokers to use the embedded log"
    )]
    NoKafka,
    /// TLS for Kafka is configured, but the feature `kafka-tls` is off.
    #[error(
        "{property} needs TLS for Apache Kafka, which is not in this build: build Lockstep with `--features kafka-tls` (it needs OpenSSL)"
    )]
    NoTls {
        /// The property with its value.
        property: String,
    },
    /// Kafka failed.
    #[cfg(feature = "kafka")]
    #[error("cannot {action}: {source}")]
    Kafka {
        /// The action that failed.
        action: String,
        /// Cause of the failure.
        source: KafkaError,
    },
}

impl LogError {
    /// Whether polling again may succeed: true after a rebalance, an aborted transaction or while
    /// Kafka does not answer, false for errors that do not pass by themselves.
    pub fn is_retryable(&self) -> bool {
        matches!(self, LogError::Revoked { .. } | LogError::Aborted { .. } | LogError::Unreachable { .. })
    }

    /// Whether Kafka does not answer: the same call succeeds when the brokers are back.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, LogError::Unreachable { .. })
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
        move |source| match source.rdkafka_error_code() {
            Some(code) if is_outage(code) => LogError::Unreachable { action, reason: code.to_string() },
            _ => LogError::Kafka { action, source },
        }
    }
}

/// Whether this code says that brokers are away, slow or changing their roles: librdkafka's local errors of connections, and the
/// errors that Kafka's protocol calls retriable (<https://kafka.apache.org/protocol#protocol_error_codes>). Among them is a
/// partition that the client does not know, since it forgets partitions whose broker is away; not among them is an unknown topic,
/// which has an error of its own.
#[cfg(feature = "kafka")]
pub(crate) fn is_outage(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::AllBrokersDown
            | Code::BrokerDestroy
            | Code::BrokerNotAvailable
            | Code::BrokerTransportFailure
            | Code::ConcurrentTransactions
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::DestroyBroker
            | Code::EligibleLeadersNotAvailable
            | Code::FencedLeaderEpoch
            | Code::ISRInsufficient
            | Code::KafkaStorageError
            | Code::LeaderNotAvailable
            | Code::ListenerNotFound
            | Code::MessageTimedOut
            | Code::NetworkException
            | Code::NotController
            | Code::NotCoordinator
            | Code::NotEnoughReplicas
            | Code::NotEnoughReplicasAfterAppend
            | Code::NotLeaderForPartition
            | Code::OffsetNotAvailable
            | Code::OperationTimedOut
            | Code::Partial
            | Code::PreferredLeaderNotAvailable
            | Code::PurgeInflight
            | Code::PurgeQueue
            | Code::RebootstrapRequired
            | Code::ReplicaNotAvailable
            | Code::RequestTimedOut
            | Code::Resolve
            | Code::Retry
            | Code::StaleControllerEpoch
            | Code::ThrottlingQuotaExceeded
            | Code::TimedOutQueue
            | Code::UnknownBroker
            | Code::UnknownLeaderEpoch
            | Code::UnknownPartition
            | Code::UnstableOffsetCommit
            | Code::WaitingForCoordinator
    )
}
