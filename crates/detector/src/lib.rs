//! The service from posts to flagged clusters, and the same over files.
//!
//! The journey of one post here: a record of `posts` is decoded (what cannot be read goes to `posts.dead-letter` with the reason),
//! handed to the pure engine by the [`Pipeline`], and every cluster the engine tells of is scored by the model, described by the
//! [`lexicon`] and written to `clusters`, and to `clusters.flagged` if it is flagged. Outputs and offsets are committed together.
//! [`detect`] runs the same pipeline over files, with no service at all.
//!
//! The model in service can change while posts flow: a look-out reads which one the registry or the configuration asks for, and the driver takes it
//! between two batches. A second one may judge beside it without a say. How far the clusters told last lie from what the model was trained on is
//! measured as they are told.
//!
//! What is absent: HTTP for users, sharing rules, detection logic (that is `coordination`) and models (that is `scoring`).

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod clock;
mod config;
pub mod detect;
mod drift;
pub mod explain;
pub mod input;
pub mod intake;
pub mod lexicon;
mod metrics;
mod model_metrics;
mod models;
pub mod peers;
mod pipeline;
mod service;
mod shards;
mod state;
mod told;

pub use config::{Config, EngineConfig, RETIRED, StartError};
pub use metrics::DetectorMetrics;
pub use pipeline::{Pipeline, Read, Reading};
pub use service::{GROUP, Service, ServiceError, create_topics};
pub use shards::Threads;
