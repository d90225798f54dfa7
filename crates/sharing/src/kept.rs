//! The posts behind findings, as they were when they were kept.

use std::collections::BTreeMap;

use jiff::Timestamp;
use messages::cluster::PostRef;
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
    /// Perceptual hashes of its pictures and videos.
    pub media: Vec<String>,
    /// SHA-256 of the record on the topic of posts, in hex.
    #[serde(skip)]
    pub record_sha256: String,
    /// When it was kept; not known before it is stored.
    #[serde(skip)]
    pub kept_at: Timestamp,
}

/// Kept posts, by platform and id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KeptPosts(BTreeMap<(String, String), KeptPost>);

impl KeptPosts {
    /// Nothing is kept.
    pub const NONE: &'static KeptPosts = &KeptPosts(BTreeMap::new());

    /// What is kept of a post that a finding names.
    pub fn of(&self, post: &PostRef) -> Option<&KeptPost> {
        self.get(&post.platform, &post.id)
    }

    pub fn get(&self, platform: &str, id: &str) -> Option<&KeptPost> {
        // Often nothing is kept.
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&(platform.to_owned(), id.to_owned()))
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &KeptPost> {
        self.0.values()
    }

    /// Only those that were kept by then.
    pub fn until(mut self, time: Timestamp) -> KeptPosts {
        self.0.retain(|_, post| post.kept_at <= time);
        self
    }
}

impl FromIterator<KeptPost> for KeptPosts {
    fn from_iter<I: IntoIterator<Item = KeptPost>>(posts: I) -> KeptPosts {
        KeptPosts(posts.into_iter().map(|post| ((post.platform.clone(), post.id.clone()), post)).collect())
    }
}
