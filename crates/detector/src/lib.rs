//! The service from posts to flagged clusters.
//!
//! The path of a post: a record of `posts` is decoded (a record that cannot be read goes to
//! `posts.dead-letter` with the reason) and handed to the [pipeline](detection::Pipeline). Every
//! cluster that the pipeline reports is written to `clusters`, and to `clusters.flagged` if it is
//! flagged. Outputs and offsets are committed together.
//!
//! All decisions are in a pure machine (`machine`): it takes an event and the time of the event,
//! and returns effects. One loop around it (`service`) reads the log, the clock and the registry,
//! and carries out the effects.
//!
//! The model in service can change while posts are processed: a watcher reads which model the
//! registry or the configuration names, and the driver passes it to the machine between two
//! batches. A second model may judge the same clusters without effect on the results. Drift (how
//! far the last reported clusters differ from the model's training data) is measured with each
//! report.
//!
//! This crate has no HTTP for users, no rules of sharing, no detection (that is `detection` around
//! `coordination`) and no models (those are in `scoring`).

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod clock;
mod config;
mod drift;
mod error;
pub mod intake;
mod machine;
mod metrics;
mod model_metrics;
mod models;
mod observe;
mod published;
mod service;
mod state;
mod topics;

pub use config::{Config, StartError};
pub use error::ServiceError;
pub use metrics::DetectorMetrics;
pub use service::{GROUP, Service};
pub use topics::Topics;
