//! Accounts of a cluster, and clusters reduced to some of their accounts.

use std::collections::{BTreeMap, BTreeSet};

use messages::cluster::{ClusterAccount, ClusterMessage};

/// Platform and id as one key, as used in [`withdrawn`](crate::case::Case::withdrawn) and
/// [`left_out`](crate::case::Case::left_out).
pub fn account_key(platform: &str, id: &str) -> String {
    format!("{platform}\u{1f}{id}")
}

/// The finding without these accounts, in the parts that partners see.
pub fn without(cluster: &ClusterMessage, accounts: &BTreeSet<String>) -> ClusterMessage {
    keep(cluster, |key| !accounts.contains(key))
}

/// The finding with only these accounts.
pub fn only(cluster: &ClusterMessage, accounts: &BTreeSet<String>) -> ClusterMessage {
    keep(cluster, |key| accounts.contains(key))
}

fn keep(cluster: &ClusterMessage, kept: impl Fn(&str) -> bool) -> ClusterMessage {
    let mut cluster = cluster.clone();
    let mut places = BTreeMap::new();
    for (index, account) in cluster.accounts.iter().enumerate() {
        if kept(&key_of_account(account)) {
            places.insert(index, places.len());
        }
    }
    cluster.accounts.retain(|account| kept(&key_of_account(account)));
    for evidence in &mut cluster.evidence {
        evidence.posts.retain(|post| kept(&account_key(&post.platform, &post.account_id)));
    }
    // Ties name accounts by their index.
    cluster.ties.retain_mut(|tie| match (places.get(&tie.a), places.get(&tie.b)) {
        (Some(a), Some(b)) => {
            (tie.a, tie.b) = (*a, *b);
            true
        }
        _ => false,
    });
    cluster
}

/// The key of an account in a cluster.
pub fn key_of_account(account: &ClusterAccount) -> String {
    account_key(&account.platform, &account.account_id)
}
