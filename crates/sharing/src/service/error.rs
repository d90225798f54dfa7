//! Why sharing could not do it.

use casework::case::Illegal;
use runtime::{http::HttpError, metrics::MetricsError};

use super::users::UsersError;
use crate::{publish::documents::DocumentError, store::StoreError};

/// Why sharing could not do it.
#[derive(Debug, thiserror::Error)]
pub enum SharingError {
    /// The configuration is wrong.
    #[error("{0}")]
    Config(String),
    /// The seed is wrong.
    #[error("{0}")]
    Seed(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log failed.
    #[error("the log failed: {0}")]
    Log(#[from] runtime::LogError),
    /// A metric could not be registered.
    #[error("{0}; open sharing once per registry")]
    Metrics(#[from] MetricsError),
    /// The file of users is not in order.
    #[error(transparent)]
    Users(#[from] UsersError),
    /// A step was refused.
    #[error(transparent)]
    Illegal(#[from] Illegal),
    /// There is no such case.
    #[error("there is no case about cluster {0:?}")]
    NoCase(String),
    /// There is no such case, recipient or document, or more than one.
    #[error("{0}")]
    Unknown(String),
    /// A document cannot be made.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// There is no such retraction case, or it is decided.
    #[error("there is no open retraction case {0}")]
    NoRetractionCase(i64),
    /// It makes no sense as asked.
    #[error("{0}")]
    Refused(String),
    /// Requests over TLS cannot be made.
    #[error("TLS for webhooks cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// Cannot listen or serve.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The service has stopped and takes no more work.
    #[error("the service has stopped")]
    Stopped,
    /// The work was stopped by a panic or by the end of the program.
    #[error("the work was broken off: {0}")]
    Broken(#[from] tokio::task::JoinError),
}
