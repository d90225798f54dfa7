//! Withdrawing single accounts, and deciding what a partner's rejection asks for.
//!
//! A withdrawal is the safe direction: one person suffices. What was withdrawn by people stays out of every later version of the case.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use messages::cluster::{ClusterAccount, ClusterMessage};

use crate::{
    audit::Entry,
    case::{Case, Illegal, State},
};

/// What people make of a retraction case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The partner is right: the accounts, or the whole case, are withdrawn from everybody.
    Withdraw,
    /// What was said stands.
    Keep {
        /// Why.
        reason: String,
    },
}

impl Case {
    /// Takes accounts out of a case that is shared, for good.
    pub fn withdraw_accounts(
        &mut self,
        shared: Option<&ClusterMessage>,
        accounts: &BTreeSet<String>,
        reason: &str,
        by: &str,
        now: Timestamp,
    ) -> Result<Entry, Illegal> {
        let refuse = |why: &str| {
            Err(Illegal {
                case: self.id.clone(),
                verb: "withdraw accounts from",
                why: why.to_owned(),
                allowed: self.allowed(),
            })
        };
        let Some(shared) = shared.filter(|_| matches!(self.state, State::Released | State::Updated)) else {
            return refuse(&format!("it is {}", self.state));
        };
        if reason.trim().is_empty() {
            return refuse("a withdrawal needs a reason");
        }
        let known: BTreeSet<String> = shared.accounts.iter().map(key_of).collect();
        if accounts.is_empty() {
            return refuse("no account is named");
        }
        if let Some(other) = accounts.iter().find(|key| !known.contains(*key)) {
            return refuse(&format!("partners were not told of account {}", other.replace('\u{1f}', ":")));
        }
        if accounts.len() == known.len() {
            return refuse("no account would be left: retract the whole case");
        }
        self.left_out.extend(accounts.iter().cloned());
        self.changed_at = now;
        let names: Vec<String> = accounts.iter().map(|key| key.replace('\u{1f}', ":")).collect();
        let text = format!("{}: {}", text_format::shorten(&names.join(", "), 400), reason);
        Ok(self.entry(by, "accounts_withdrawn", text, now))
    }
}

/// Platform and id as one key, the one of [`Case::withdrawn`] and [`Case::left_out`].
pub fn account_key(platform: &str, id: &str) -> String {
    format!("{platform}\u{1f}{id}")
}

/// The finding without these accounts, as far as partners see it.
pub fn without(cluster: &ClusterMessage, accounts: &BTreeSet<String>) -> ClusterMessage {
    keep(cluster, |key| !accounts.contains(key))
}

/// The finding with these accounts and no others.
pub fn only(cluster: &ClusterMessage, accounts: &BTreeSet<String>) -> ClusterMessage {
    keep(cluster, |key| accounts.contains(key))
}

fn keep(cluster: &ClusterMessage, kept: impl Fn(&str) -> bool) -> ClusterMessage {
    let mut cluster = cluster.clone();
    let mut places = BTreeMap::new();
    for (index, account) in cluster.accounts.iter().enumerate() {
        if kept(&key_of(account)) {
            places.insert(index, places.len());
        }
    }
    cluster.accounts.retain(|account| kept(&key_of(account)));
    for evidence in &mut cluster.evidence {
        evidence.posts.retain(|post| kept(&account_key(&post.platform, &post.account_id)));
    }
    // Ties name accounts by their place.
    cluster.ties.retain_mut(|tie| match (places.get(&tie.a), places.get(&tie.b)) {
        (Some(a), Some(b)) => {
            (tie.a, tie.b) = (*a, *b);
            true
        }
        _ => false,
    });
    cluster
}

fn key_of(account: &ClusterAccount) -> String {
    account_key(&account.platform, &account.account_id)
}
