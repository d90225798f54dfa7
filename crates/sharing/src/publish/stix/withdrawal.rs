//! What a partner gets when accounts leave what it was told.

use messages::cluster::ClusterMessage;

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
        !renews || object.body.contains("\"revoked\":true")
    });
    let of_gone = Publication { cluster: gone, before: Some(gone), ..*publication };
    let says_so = |object: &NewObject| object.kind == "note" && object.body.contains("\"abstract\":\"Withdrawn\"");
    if !objects.iter().any(says_so) {
        objects.extend(of_gone.retraction().into_iter().filter(says_so));
    }
    objects
}
