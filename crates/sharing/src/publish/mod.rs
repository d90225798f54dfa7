//! What partners and reviewers get to see of a case: STIX objects, documents, and what a recipient will see beside what is known.
//!
//! Rendering only: the same case, cluster, recipient and time give the same bytes. No store and no server.

pub(crate) mod digest;
pub(crate) mod documents;
pub(crate) mod evidence;
pub(crate) mod feed;
mod hidden;
pub(crate) mod redaction;
pub(crate) mod stix;
