//! Why a cluster cannot be written.

use coordination::Millis;

/// Why a cluster cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// A number is NaN or infinite, which JSON does not have.
    #[error("cluster {cluster_id}: {path} is not a finite number")]
    NotFinite {
        /// The cluster.
        cluster_id: String,
        /// Which number.
        path: String,
    },
    /// A time that RFC 3339 cannot express.
    #[error("cluster {cluster_id}: {path} is outside the years -9999 to 9999: {millis} ms")]
    Time {
        /// The cluster.
        cluster_id: String,
        /// Which time.
        path: &'static str,
        /// Milliseconds since the epoch.
        millis: Millis,
    },
    /// A tie to an account that is not a member.
    #[error("cluster {cluster_id}: a tie names {account}, which is not a member")]
    TieOutside {
        /// The cluster.
        cluster_id: String,
        /// `platform:account`.
        account: String,
    },
    /// The results of the engine and of the model contradict each other.
    #[error("cluster {cluster_id}: {problem}")]
    Inconsistent {
        /// The cluster.
        cluster_id: String,
        /// The contradiction.
        problem: &'static str,
    },
    /// The message cannot be written as JSON.
    #[error("cluster {cluster_id} cannot be written as JSON: {reason}")]
    Json {
        /// The cluster.
        cluster_id: String,
        /// The reason.
        reason: String,
    },
    /// The accounts alone do not fit into one message.
    #[error(
        "cluster {cluster_id}: its {accounts} accounts take {bytes} bytes with all else left out, and a message may have {limit}: raise the \
         bound of messages, or lower the largest group that the engine tests"
    )]
    TooLarge {
        /// The cluster.
        cluster_id: String,
        /// How many.
        accounts: usize,
        /// Bytes of the message.
        bytes: usize,
        /// The most bytes of a message.
        limit: usize,
    },
}
