//! The posts behind findings, as they were when they were kept.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A post as it was kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptPost {
    pub platform: String,
    pub id: String,
    pub account_id: String,
    pub created_at: Timestamp,
    pub text: String,
    pub links: Vec<String>,
    /// SHA-256 of the record on the topic of posts, in hex.
    #[serde(skip)]
    pub record_sha256: String,
}

/// Kept posts, by platform and id.
pub(crate) type KeptPosts = BTreeMap<(String, String), KeptPost>;
