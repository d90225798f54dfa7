//! What the server says of itself: title, API roots, page sizes. From the configuration, or from a seed.

use crate::{config::Config, key};

/// The API root of partners.
pub(crate) const ROOT: &str = "lockstep";
/// Bytes of a request; one within it is never 413. What a partner posts cannot be longer, so that a page of what it posted is
/// not long either.
const MAX_CONTENT: u64 = 2 * 1024 * 1024;

/// How long a status resource can be read, microseconds.
pub(crate) const STATUS_KEPT: i64 = 24 * 3600 * 1_000_000;

/// Discovery, and what holds for every request.
pub(crate) struct Site {
    pub title: String,
    pub description: Option<String>,
    pub contact: Option<String>,
    /// Path of the default API root.
    pub default: String,
    pub roots: Vec<Root>,
    /// Objects in a page when the client names no limit, and the most whatever it names.
    pub page: usize,
    pub page_max: usize,
    /// Users of a seed: none without one.
    pub users: Vec<TestUser>,
}

/// An API root.
pub(crate) struct Root {
    pub path: String,
    pub title: String,
    pub description: Option<String>,
    pub max_content: u64,
}

/// A user with a password, which only a seed can bring, for tests.
pub(crate) struct TestUser {
    pub name: String,
    pub hash: Vec<u8>,
}

impl Site {
    /// The site of a configuration without a seed.
    pub fn of(config: &Config) -> Self {
        Self {
            title: format!("{}: accounts acting in lockstep", config.identity),
            description: Some("Findings of coordinated inauthentic behaviour, released after review.".to_owned()),
            contact: None,
            default: ROOT.to_owned(),
            roots: vec![Root {
                path: ROOT.to_owned(),
                title: "Lockstep".to_owned(),
                description: Some(
                    "For each partner a collection with accounts of its own platform, and one for its feedback."
                        .to_owned(),
                ),
                max_content: MAX_CONTENT,
            }],
            page: config.taxii_page,
            page_max: config.taxii_page_max,
            users: Vec::new(),
        }
    }

    pub fn root(&self, path: &str) -> Option<&Root> {
        self.roots.iter().find(|root| root.path == path)
    }
}

impl TestUser {
    pub fn is(&self, name: &str, password: &str) -> bool {
        self.name == name && key::matches(password, &self.hash)
    }

    /// As in the table of grants.
    pub fn holder(&self) -> String {
        format!("test user {}", self.name)
    }
}
