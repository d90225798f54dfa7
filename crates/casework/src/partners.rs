//! What partners have of a case: since when each account, platform and technique is shared, and how
//! often each was withdrawn.

use std::collections::BTreeSet;

use jiff::Timestamp;
use messages::cluster::ClusterMessage;

use crate::{
    accounts::key_of_account,
    case::Case,
    techniques::{Technique, techniques},
};

/// Records since when accounts, platforms and techniques are shared, because an object's `created`
/// never changes.
pub fn note_shared(case: &mut Case, cluster: &ClusterMessage, now: Timestamp) {
    for key in keys(cluster) {
        case.shared_since.entry(key).or_insert(now);
    }
}

/// Counts the accounts, platforms and techniques that the version `next` no longer has. They get
/// new ids if they are shared again.
pub fn note_withdrawn(case: &mut Case, before: &ClusterMessage, next: Option<&ClusterMessage>) {
    let kept = next.map(keys).unwrap_or_default();
    for key in keys(before) {
        if !kept.contains(&key) {
            case.shared_since.remove(&key);
            *case.withdrawn.entry(key).or_insert(0) += 1;
        }
    }
}

/// Keys of everything that can be withdrawn separately.
fn keys(cluster: &ClusterMessage) -> BTreeSet<String> {
    let accounts =
        cluster.accounts.iter().flat_map(|account| [key_of_account(account), platform_key(&account.platform)]);
    accounts.chain(techniques(cluster).into_iter().map(technique_key)).collect()
}

/// The key of a platform in [`Case::withdrawn`] and [`Case::shared_since`].
pub fn platform_key(platform: &str) -> String {
    format!("\u{1f}platform\u{1f}{platform}")
}

/// The key of a technique in the same maps.
pub fn technique_key(technique: Technique) -> String {
    format!("\u{1f}technique\u{1f}{}", technique.number())
}
