//! Posts in, clusters out, without any service: no log, no network, no database.
//!
//! The path of a post: [`input`] reads it, whatever the format of its file; the [`Pipeline`] hands
//! it to the pure engine ([`coordination`]), scores every cluster that the engine finds with the
//! model ([`scoring`]) and describes it with the [`lexicon`]; [`detect`] does this with all posts
//! of some files and keeps the results. [`explain`] recomputes a cluster's numbers from its line
//! alone, [`shortened`] makes a message fit into a record, and [`peers`] runs the methods of
//! published tools on the same posts.
//!
//! The command line, the evaluation and the Python package use [`detect`]; the service uses the
//! [`Pipeline`].
//!
//! ```
//! use coordination::Post;
//! use detection::{
//!     Config,
//!     detect::detect,
//!     input::{Input, Options},
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Forty accounts post the same text, half a minute apart.
//! let post = |n: i64| Post {
//!     id: format!("{n}").into(),
//!     platform: "example".into(),
//!     account_id: format!("account-{n}").into(),
//!     account_name: format!("Account {n}").into(),
//!     created_at: 1_790_000_000_000 + 30_000 * n,
//!     text: "The new bridge on the river closes for good, write to your mayor before Friday".into(),
//!     ..Post::default()
//! };
//! let input = Input::posts((0..40).map(post), Options::default());
//! let found = detect(
//!     input,
//!     &Config::default(),
//!     &mut |bad| eprintln!("not read: {bad}"),
//!     &mut |_progress| {},
//! )?;
//! for cluster in &found.clusters {
//!     println!("{}: {}, {} accounts", cluster.cluster_id, cluster.status.name(), cluster.accounts.len());
//! }
//! assert_eq!((found.clusters.len(), found.clusters[0].accounts.len()), (1, 40));
//! // One text by many accounts is told, and never flagged: it may be a share button's.
//! assert_eq!(found.clusters[0].status.name(), "single_source");
//! # Ok(())
//! # }
//! ```

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod config;
pub mod detect;
pub mod explain;
mod files;
#[cfg(any(test, feature = "fixtures"))]
#[allow(clippy::unwrap_used, reason = "for tests only")]
pub mod fixtures;
pub mod input;
pub mod lexicon;
pub mod peers;
mod pipeline;
mod shorten;
mod threads;

pub use config::{Config, EngineConfig, RENAMED, RETIRED, SERVICE_KEYS, StartError, parse_model_name, settings};
pub use files::WriteError;
pub use pipeline::{Judged, Judgement, Pipeline, Read, Reading, StateError};
pub use shorten::shortened;
pub use threads::Threads;
