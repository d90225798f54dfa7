//! What the server says of itself and of its collections.

use serde_json::{Value, json};

use super::answer::{Answer, MEDIA, ok};
use crate::{
    object::{self, micros},
    service::site::{self, Site},
    store::{CollectionRow, ObjectRow},
};

/// The version as the object writes it; when it was added, of an object without a time of its own.
pub(super) fn version_text(object: &ObjectRow) -> String {
    object::version_text(&object.body).unwrap_or_else(|| micros(object.version))
}

pub(super) fn discovery(site: &Site, base: &str) -> Answer {
    let path = |root: &str| format!("{base}/taxii2/{root}/");
    let mut body = json!({
        "title": site.title,
        "default": path(&site.default),
        "api_roots": site.roots.iter().map(|root| path(&root.path)).collect::<Vec<_>>(),
    });
    optional(&mut body, "description", &site.description);
    optional(&mut body, "contact", &site.contact);
    ok(body)
}

pub(super) fn api_root(root: &site::Root) -> Answer {
    let mut body = json!({"title": root.title, "versions": [MEDIA], "max_content_length": root.max_content});
    optional(&mut body, "description", &root.description);
    ok(body)
}

pub(super) fn resource(row: &CollectionRow) -> Value {
    let (title, description) = if row.demo {
        (format!("DEMO: {}", row.title), format!("{}. {}", casework::DEMO_NOTICE, row.description))
    } else {
        (row.title.clone(), row.description.clone())
    };
    let mut body = json!({
        "id": row.id,
        "title": title,
        "can_read": row.can_read,
        "can_write": row.can_write,
        "media_types": row.media_types,
    });
    optional(&mut body, "description", &Some(description).filter(|text| !text.is_empty()));
    optional(&mut body, "alias", &row.alias);
    body
}

fn optional(body: &mut Value, name: &str, value: &Option<String>) {
    if let Some(value) = value {
        body[name] = json!(value);
    }
}
