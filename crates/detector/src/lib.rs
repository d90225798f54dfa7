//! The service from posts to flagged clusters.
//!
//! The journey of one post here: a record of `posts` is decoded (what cannot be read goes to
//! `posts.dead-letter` with the reason), handed to the [pipeline](detection::Pipeline), and every
//! cluster that it tells of is written to `clusters`, and to `clusters.flagged` if it is flagged.
//! Outputs and offsets are committed together.
//!
//! All decisions are a pure machine's (`machine`): an event in, with the time at which it happened,
//! and effects out. One loop around it (`service`) reads the log, the clock and the registry, and
//! does what the machine asks for.
//!
//! The model in service can change while posts flow: a look-out reads which one the registry or the
//! configuration asks for, and the driver hands it to the machine between two batches. A second one
//! may judge beside it without a say. How far the clusters told last lie from what the model was
//! trained on is measured as they are told.
//!
//! What is absent: HTTP for users, sharing rules, detection itself (that is `detection` around
//! `coordination`) and models (that is `scoring`).

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

pub use config::{Config, StartError};
pub use error::ServiceError;
pub use metrics::DetectorMetrics;
pub use service::{GROUP, Service, create_topics};
