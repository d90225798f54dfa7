//! Why the detector stops.

use messages::cluster::ClusterError;
use runtime::LogError;

use crate::config::StartError;

/// Why the detector stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// It could not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The log failed, and trying again did not help.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A cluster cannot be written.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}
