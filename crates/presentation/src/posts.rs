//! The content of posts: texts, links and picture hashes, as far as it is known.

use std::collections::HashMap;

/// Content of posts, by platform and id.
#[derive(Debug, Clone, Default)]
pub struct Posts {
    contents: HashMap<(String, String), PostContent>,
    missing: HashMap<(String, String), &'static str>,
    remark: Option<String>,
}

impl Posts {
    /// Adds a remark for the reader, for example why some posts are not known.
    pub fn with_remark(self, remark: String) -> Posts {
        Posts { remark: Some(remark), ..self }
    }

    /// The remark.
    pub fn remark(&self) -> Option<&str> {
        self.remark.as_deref()
    }

    /// Adds a post.
    pub fn insert(&mut self, platform: &str, id: &str, post: PostContent) {
        self.contents.insert((platform.to_owned(), id.to_owned()), post);
    }

    /// Adds a post without content, and what stands in its place.
    pub fn insert_missing(&mut self, platform: &str, id: &str, what: &'static str) {
        self.missing.insert((platform.to_owned(), id.to_owned()), what);
    }

    /// What stands in place of the content of a post, where this is known.
    pub fn missing(&self, platform: &str, id: &str) -> Option<&'static str> {
        if self.missing.is_empty() {
            return None;
        }
        self.missing.get(&(platform.to_owned(), id.to_owned())).copied()
    }

    /// Content of a post. `None` if it is not known.
    pub fn get(&self, platform: &str, id: &str) -> Option<&PostContent> {
        // Most callers have no contents.
        if self.contents.is_empty() {
            return None;
        }
        self.contents.get(&(platform.to_owned(), id.to_owned()))
    }
}

/// Content of one post.
#[derive(Debug, Clone, Default)]
pub struct PostContent {
    /// Its text; may be empty.
    pub text: String,
    /// Links in the post.
    pub links: Vec<String>,
    /// Perceptual hashes of its pictures and videos.
    pub media: Vec<String>,
}
