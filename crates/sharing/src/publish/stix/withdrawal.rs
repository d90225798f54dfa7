//! What a partner gets when accounts leave what it was told.

use casework::policy::VOLUNTARY;
use messages::cluster::ClusterMessage;
use serde_json::{Value, json};

use super::Publication;
use crate::object::NewObject;

/// What a partner gets when accounts leave what it was told: their revoked indicators, what says so, and the new picture of the rest.
/// The other accounts' indicators stay as they are: a withdrawal renews nothing.
pub(crate) fn withdrawal(publication: &Publication, gone: &ClusterMessage) -> Vec<NewObject> {
    if gone.accounts.iter().all(|account| account.platform != publication.platform) {
        return Vec::new();
    }
    let mut objects = publication.objects();
    objects.retain(|object| {
        let renews = matches!(object.kind.as_str(), "indicator" | "relationship");
        !renews || object.is_revoked()
    });
    let of_gone = Publication { cluster: gone, before: Some(gone), ..*publication };
    // Every note that says what is withdrawn has one of these ids.
    let notes = [publication.left_seed(), publication.retraction_seed()].map(|seed| publication.id("note", &seed));
    let says_so = |object: &NewObject| notes.contains(&object.id);
    if !objects.iter().any(says_so) {
        objects.extend(of_gone.retraction().into_iter().filter(says_so));
    }
    objects
}

impl Publication<'_> {
    /// The seed of the note that says which accounts left with this version.
    pub(super) fn left_seed(&self) -> String {
        format!("left\u{1f}{}", self.cluster.version)
    }

    /// The seed of the note that says that everything is withdrawn.
    pub(super) fn retraction_seed(&self) -> String {
        self.platform_seed("retraction")
    }

    /// Meaning that indicators are withdrawn.
    pub(super) fn withdrawn(&self, accounts: usize, seed: &str, objects: Vec<String>) -> Value {
        self.object(
            "note",
            seed,
            self.now,
            json!({
                "abstract": "Withdrawn",
                "content": format!(
                    "What was said of {} in {} is withdrawn: please undo what rests on it. {}",
                    text_format::count(accounts as u64, "account"), self.reference, VOLUNTARY
                ),
                "object_refs": objects,
            }),
        )
    }
}
