//! What posts say, where it is known.

use std::collections::HashMap;

/// What posts say, by platform and id.
#[derive(Debug, Clone, Default)]
pub struct Posts {
    texts: HashMap<(String, String), PostText>,
    remark: Option<String>,
}

impl Posts {
    /// The same with a remark for the reader, for example why some are not known.
    pub fn with_remark(self, remark: String) -> Posts {
        Posts { remark: Some(remark), ..self }
    }

    /// The remark.
    pub fn remark(&self) -> Option<&str> {
        self.remark.as_deref()
    }

    /// Adds a post.
    pub fn insert(&mut self, platform: &str, id: &str, post: PostText) {
        self.texts.insert((platform.to_owned(), id.to_owned()), post);
    }

    /// What a post says; `None` where it is not known.
    pub fn get(&self, platform: &str, id: &str) -> Option<&PostText> {
        // Most callers have none at all.
        if self.texts.is_empty() {
            return None;
        }
        self.texts.get(&(platform.to_owned(), id.to_owned()))
    }
}

/// What one post says.
#[derive(Debug, Clone, Default)]
pub struct PostText {
    /// Its text; may be empty.
    pub text: String,
}
