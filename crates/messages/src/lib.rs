//! The wire formats: one module per Kafka topic, one per input dialect.
//!
//! Values are JSON with a `schema_version`; times are RFC 3339 UTC. Domain types
//! (`coordination::Cluster`) and wire types ([`cluster::ClusterMessage`]) are different types on
//! purpose: the engine may change without breaking a reader.
//!
//! Input from outside is a [`post`] in the native dialect, or in one of the other [`dialect`]s. A
//! value that cannot be read becomes a [`dead_letter`] with a [`DecodeError`]'s field and reason.
//! Nothing here panics on any input, and reading never loses a value: it is a post, not a post in
//! its dialect, or an error. [`schema`] has the JSON Schemas.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod cluster;
pub mod dead_letter;
pub mod dialect;
pub mod erasure;
mod error;
mod extract;
pub mod feedback;
#[cfg(feature = "fixtures")]
pub mod fixtures;
mod json_fields;
mod normalise;
pub mod post;
pub mod schema;
mod times;
mod values;
mod version;

pub use error::{DecodeError, excerpt};

/// Names of the topics.
pub mod topics {
    /// Posts, keyed by `platform:account`.
    pub const POSTS: &str = "posts";
    /// Posts that could not be read, unchanged, with the reason.
    pub const POSTS_DEAD_LETTER: &str = "posts.dead-letter";
    /// Every state of every cluster, keyed by cluster; compacted.
    pub const CLUSTERS: &str = "clusters";
    /// Flagged clusters, keyed by cluster.
    pub const CLUSTERS_FLAGGED: &str = "clusters.flagged";
    /// Records of `clusters` and `clusters.flagged` that sharing could not read, unchanged, with the
    /// reason.
    pub const CLUSTERS_DEAD_LETTER: &str = "clusters.dead-letter";
    /// Findings of partners and reviewers about clusters, keyed by cluster; compacted.
    pub const FEEDBACK: &str = "feedback";
}
