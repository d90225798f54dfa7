//! The evidence of a finding on the recipient's platform: one `observed-data` a key, with the posts on it.
//!
//! What STIX has no property for is in an extension of ours. Links are no `url` objects: importers would block the sites that a group
//! shared, which are accused of nothing. A withdrawn object holds neither key nor posts.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Publication, hmac,
    object::{finite, id_of, millis, revoke},
};
use crate::publish::evidence::{SelectedKey, SelectedPost, Selection, Text};
use messages::cluster::{ClusterMessage, PostRef};
use presentation::links;

/// Our property extension of `observed-data`.
pub(crate) const EXTENSION: &str = "extension-definition--9d2b6f0c-3c7e-4a58-8f21-6e0b7d1c5a93";
/// Names the schema of its properties.
pub(super) const SCHEMA: &str = "urn:lockstep:stix:evidence:1";
/// Semantic version of the extension: the major number is the schema's.
const VERSION: &str = "1.0.0";
/// When this version was defined; part of the definition's content.
const DEFINED: &str = "2026-12-01T00:00:00.000Z";
/// Most characters of a text or a link, and most links of a post.
const TEXT_CHARS: usize = 5_000;
const LINKS: usize = 20;

/// By which posts a finding can be checked. What is absent is not known, is not shown to the recipient's class, or would name an
/// account or a post on another platform.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("$id" = "urn:lockstep:stix:evidence:1", "title" = "Lockstep evidence"))]
pub(crate) struct Evidence {
    /// As STIX wants it.
    #[schemars(extend("const" = "property-extension"))]
    pub extension_type: String,
    /// Names the case; quote it in questions.
    pub case: String,
    /// Version of the finding, from 1; a later one replaces the earlier.
    #[schemars(range(min = 1))]
    pub cluster_version: u32,
    /// On the object about all evidence: keys on which accounts of the recipient's platform acted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys_in_all: Option<usize>,
    /// On the object about all evidence: how many of them are shared, each in an object of its own. The strongest are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys_shared: Option<usize>,
    /// Posts of these accounts on the key, or on all keys; a post counts once for each key.
    pub posts_in_all: usize,
    /// How many of them are shared. Those that gave the most evidence are.
    pub posts_shared: usize,
    /// Kind of the key: `url`, `repost`, `hashtags`, `text`, `media`, `reply`, `quote` or `mention`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What the accounts have in common: the link, the post that was reposted, the hashtags, the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Whom the key comes from: the domain of a link, the author of a reposted post. The source is accused of nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Evidence that the key gave to the whole group, nats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nats: Option<f64>,
    /// Posts of accounts on the recipient's platform with this key, by time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub posts: Vec<Post>,
}

/// One post with the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Post {
    /// The platform's id of the post.
    pub id: String,
    /// The platform's id of the account that posted it.
    pub account_id: String,
    /// When it was posted.
    pub created_at: String,
    /// What there is of its text and links. Absent in objects from before texts were kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_status: Option<TextStatus>,
    /// Its text, as it was when Lockstep read it. A longer one ends after 5,000 characters with an ellipsis; a NUL is written
    /// as U+FFFD.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The first 20 of its links.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<String>,
    /// SHA-256, in hex, of the record as the producer received it: the producer can show later that it is the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_sha256: Option<String>,
}

/// What there is of a post's text and links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TextStatus {
    /// They are here.
    Shown,
    /// The recipient's class does not see them, or they would name an account or a post on another platform.
    Withheld,
    /// The text is gone: it was not kept when the sharing of this version was approved, or it was deleted since.
    Gone,
}

impl Post {
    fn new(SelectedPost { post, text }: &SelectedPost) -> Post {
        let made = Post {
            id: post.id.clone(),
            account_id: post.account_id.clone(),
            created_at: millis(post.created_at),
            text_status: None,
            text: None,
            links: Vec::new(),
            record_sha256: None,
        };
        match text {
            Text::Withheld => Post { text_status: Some(TextStatus::Withheld), ..made },
            Text::Gone => Post { text_status: Some(TextStatus::Gone), ..made },
            Text::Shown(kept) => Post {
                text_status: Some(TextStatus::Shown),
                text: Some(written(&kept.text)),
                links: kept.links.iter().take(LINKS).map(|link| written(link)).collect(),
                record_sha256: Some(kept.record_sha256.clone()),
                ..made
            },
        }
    }
}

/// A text for the feed. Databases of readers refuse a NUL.
fn written(text: &str) -> String {
    let mut chars = text.chars().map(|c| if c == '\0' { '\u{fffd}' } else { c });
    let mut written: String = chars.by_ref().take(TEXT_CHARS).collect();
    if chars.next().is_some() {
        written.push('…');
    }
    written
}

/// A shared object without the texts, links and digests of an account's posts. `None` if it has none of
/// them.
pub(crate) fn without_texts_of_account(body: &str, account_id: &str) -> Option<String> {
    without_texts(body, |post| post.get("account_id").is_some_and(|id| id == account_id))
}

/// The same for posts, by their ids on the platform.
pub(crate) fn without_texts_of_posts(body: &str, ids: &BTreeSet<String>) -> Option<String> {
    without_texts(body, |post| post.get("id").and_then(Value::as_str).is_some_and(|id| ids.contains(id)))
}

/// A shared object without an account's posts. How many there are in all stays. `None` if it has none of them.
pub(crate) fn without_posts_of_account(body: &str, account_id: &str) -> Option<String> {
    let mut object: Value = serde_json::from_str(body).ok()?;
    let evidence = object.get_mut("extensions")?.get_mut(EXTENSION)?.as_object_mut()?;
    let posts = evidence.get_mut("posts")?.as_array_mut()?;
    let is_gone = |post: &Value| post.get("account_id").is_some_and(|id| id == account_id);
    let gone: Vec<Value> =
        posts.iter().filter(|post| is_gone(post)).filter_map(|post| post.get("id").cloned()).collect();
    posts.retain(|post| !is_gone(post));
    let shared = posts.len();
    let none_left = posts.is_empty();
    if evidence.get("posts_shared").and_then(Value::as_u64) == Some(shared as u64) {
        return None;
    }
    if none_left {
        evidence.remove("posts");
    }
    evidence.insert("posts_shared".to_owned(), json!(shared));
    if let Some(references) = object.get_mut("external_references").and_then(Value::as_array_mut) {
        references.retain(|one| one.get("external_id").is_none_or(|id| !gone.contains(id)));
        if references.is_empty() {
            object.as_object_mut()?.remove("external_references");
        }
    }
    Some(object.to_string())
}

fn without_texts(body: &str, is_gone: impl Fn(&serde_json::Map<String, Value>) -> bool) -> Option<String> {
    let mut object: Value = serde_json::from_str(body).ok()?;
    let posts = object.get_mut("extensions")?.get_mut(EXTENSION)?.get_mut("posts")?.as_array_mut()?;
    let mut changed = false;
    for post in posts.iter_mut().filter_map(Value::as_object_mut).filter(|post| is_gone(post)) {
        let taken = ["text", "links", "record_sha256"].map(|name| post.remove(name).is_some());
        if taken.contains(&true) {
            post.insert("text_status".to_owned(), json!(TextStatus::Gone));
            changed = true;
        }
    }
    changed.then(|| object.to_string())
}

impl Publication<'_> {
    /// What the recipient gets of the evidence.
    pub(super) fn selection(&self) -> Selection<'_> {
        Selection::new(self.cluster, self.before, self.platform, &self.shows, self.kept)
    }

    /// All posts of the evidence on the platform, as one object.
    pub(super) fn observed(&self, accounts: Vec<String>, selection: &Selection) -> Value {
        let posts = || {
            let posts = self.cluster.evidence.iter().flat_map(|e| &e.posts);
            posts.filter(|post| post.platform == self.platform).map(|post| post.created_at)
        };
        let first = posts().min().unwrap_or(self.cluster.first_seen);
        let last = posts().max().unwrap_or(self.cluster.last_seen).max(first);
        self.platform_object(
            "observed-data",
            "observed",
            json!({
                "first_observed": millis(first),
                "last_observed": millis(last),
                "number_observed": selection.posts_in_all.clamp(1, 999_999_999),
                "object_refs": accounts,
                "extensions": { EXTENSION: self.of_all_evidence(selection) },
            }),
        )
    }

    /// The keys, each with its posts.
    pub(super) fn evidence(&self) -> Vec<Value> {
        self.selection().keys.iter().map(|key| self.of_key(key, false)).collect()
    }

    /// Withdraws the keys of a version that the recipient had, apart from those that it still gets.
    pub(super) fn withdrawn_evidence(&self, had: &ClusterMessage, still: &[Value]) -> Vec<Value> {
        let keys = Selection::of_keys(had, self.platform).keys;
        let withdrawn = keys.iter().map(|key| self.of_key(key, true));
        withdrawn.filter(|object| still.iter().all(|kept| kept["id"] != object["id"])).collect()
    }

    /// How much of the evidence is shared.
    fn of_all_evidence(&self, selection: &Selection) -> Value {
        json!(Evidence {
            keys_in_all: Some(selection.keys_in_all),
            keys_shared: Some(selection.keys.len()),
            ..self.extension(selection.posts_in_all, selection.posts())
        })
    }

    fn of_key(&self, key: &SelectedKey, revoked: bool) -> Value {
        let SelectedKey { evidence, own_posts, .. } = key;
        let times = || own_posts.iter().map(|post| post.created_at);
        let first = times().min().unwrap_or(self.cluster.first_seen);
        let last = times().max().unwrap_or(self.cluster.last_seen);
        let accounts = self.cluster.accounts.iter().chain(self.before.iter().flat_map(|before| &before.accounts));
        let mut actors: Vec<String> = Vec::new();
        for account in accounts.filter(|account| account.platform == self.platform) {
            let id = super::user_account_id(account);
            if own_posts.iter().any(|post| post.account_id == account.account_id) && !actors.contains(&id) {
                actors.push(id);
            }
        }
        // A key may name somebody on another platform, and whoever guesses it must not find the guess confirmed by the id.
        let name = format!("evidence\u{1f}{}\u{1f}{}", evidence.kind.name(), evidence.key);
        let seed = format!("evidence\u{1f}{}", hmac(self.pseudonym_key, &name));
        let posts: Vec<Post> = key.posts.iter().map(Post::new).collect();
        let mut object = self.platform_object(
            "observed-data",
            &seed,
            json!({
                "first_observed": millis(first),
                "last_observed": millis(last),
                "number_observed": own_posts.len().clamp(1, 999_999_999),
                "object_refs": actors,
            }),
        );
        if !posts.is_empty() {
            object["external_references"] = key.posts.iter().map(|selected| reference(selected.post)).collect();
        }
        let extension = Evidence {
            kind: Some(evidence.kind.name().to_owned()),
            key: key.key.map(str::to_owned),
            source: key.source.map(str::to_owned),
            nats: finite(evidence.nats).filter(|_| self.shows.model_internals && !revoked),
            posts,
            ..self.extension(own_posts.len(), key.posts.len())
        };
        object["extensions"] = json!({ EXTENSION: extension });
        revoke(&mut object, revoked);
        object
    }

    fn extension(&self, posts_in_all: usize, posts_shared: usize) -> Evidence {
        Evidence {
            extension_type: "property-extension".to_owned(),
            case: self.reference.to_owned(),
            cluster_version: self.cluster.version,
            keys_in_all: None,
            keys_shared: None,
            posts_in_all,
            posts_shared,
            kind: None,
            key: None,
            source: None,
            nats: None,
            posts: Vec::new(),
        }
    }
}

/// The post for readers that do not know our extension.
fn reference(post: &PostRef) -> Value {
    let mut reference = json!({"source_name": post.platform, "external_id": post.id});
    if let Some(url) = links::post(&post.platform, &post.id) {
        reference["url"] = json!(url);
    }
    reference
}

/// The definition of the extension.
pub(super) fn definition(project: &str, marking: &Value) -> Value {
    json!({
        "type": "extension-definition",
        "spec_version": "2.1",
        "id": EXTENSION,
        "created_by_ref": project,
        "created": DEFINED,
        "modified": DEFINED,
        "name": "Lockstep evidence",
        "description": "The posts by which a finding of coordinated accounts can be checked, and what they have in common. Its JSON Schema is \
                        crates/sharing/schemas/stix-evidence.v1.json in Lockstep's source.",
        "schema": SCHEMA,
        "version": VERSION,
        "extension_types": ["property-extension"],
        "object_marking_refs": [id_of(marking)],
    })
}

#[cfg(test)]
mod tests {
    use super::{super::check_schema, *};

    #[test]
    fn the_committed_schema_is_that_of_the_type() {
        check_schema("stix-evidence.v1.json", SCHEMA, &schemars::schema_for!(Evidence));
    }
}
