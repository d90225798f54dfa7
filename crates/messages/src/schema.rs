//! JSON Schemas of the messages, generated from their types. They are committed under
//! `crates/messages/schemas/`, and a test compares them.

use schemars::{Schema, schema_for};

/// File name and schema of every message that has a schema. The number is the schema version.
pub fn all() -> Vec<(String, Schema)> {
    vec![
        ("post.v1.json".to_owned(), schema_for!(crate::post::WirePost<'static>)),
        (format!("cluster.v{}.json", crate::cluster::SCHEMA_VERSION), schema_for!(crate::cluster::ClusterMessage)),
        (format!("feedback.v{}.json", crate::feedback::SCHEMA_VERSION), schema_for!(crate::feedback::Feedback)),
    ]
}
