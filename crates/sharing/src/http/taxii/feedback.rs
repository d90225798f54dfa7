//! Where feedback goes on from here.
//!
//! What a partner posts is in its feedback collection before it is answered. The collection is the queue: whoever reads on from
//! the [`Position`](crate::store::Position) it has reached, with all versions, sees every object once and in order, also after a
//! crash.

use crate::{service::Inner, store::CollectionRow};

/// Tells that new objects are in a collection that somebody may write to.
pub(super) fn on_objects(inner: &Inner, holder: &str, collection: &CollectionRow, added: usize) {
    inner.metrics.posted.inc_by(added as u64);
    if added > 0 {
        tracing::debug!(partner = holder, collection = collection.id, objects = added, "feedback came in");
    }
}
