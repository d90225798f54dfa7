//! What keys and accounts have in common.

use messages::cluster::v1::{ClusterMessage, Evidence};

pub(super) const NO_ROOM: &str =
    "an older version of Lockstep left out its arithmetic, which did not fit into the line";

pub(super) fn name(message: &ClusterMessage, member: usize) -> Option<String> {
    let account = message.accounts.get(member)?;
    Some(format!("{}:{}", account.platform, account.account_id))
}

/// Whether the numbers of a key come from this cluster's own tests. Other keys are listed for their
/// posts only.
pub(super) fn counts(evidence: &Evidence) -> bool {
    evidence.test.is_some() || evidence.nats != 0.0
}

pub(super) fn total(parts: impl Iterator<Item = [f64; 3]>) -> [f64; 3] {
    parts.fold([0.0; 3], |sum, part| std::array::from_fn(|i| sum[i] + part[i]))
}
