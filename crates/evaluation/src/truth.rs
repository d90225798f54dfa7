//! Compares clusters with the truth of a simulated world.

use std::collections::BTreeMap;

use coordination::AccountRef;
use simulator::{AccountKey, GroupTruth, Label, Truth};

/// A cluster belongs to a campaign if at least this share of its accounts do; else it is false.
pub const MAJORITY: f64 = 0.5;

/// The name of the group of accounts that were not planted.
const CROWD: &str = "crowd";

/// The group in which each account was planted.
pub struct Groups<'t> {
    of_account: BTreeMap<&'t AccountKey, (bool, &'t str)>,
    labels: BTreeMap<&'t str, Label>,
}

/// The origin of a set of accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin<'t> {
    /// The group that most of the accounts are in: a campaign, a look-alike, or the crowd.
    pub group: &'t str,
    /// Whether that is a campaign with the [majority](MAJORITY).
    pub campaign: bool,
}

impl<'t> Groups<'t> {
    /// The groups of a world.
    pub fn new(truth: &'t Truth) -> Groups<'t> {
        let group = |groups: &'t [GroupTruth], inauthentic: bool| {
            groups.iter().flat_map(move |g| g.members.iter().map(move |m| (m, (inauthentic, g.name.as_str()))))
        };
        // An account in both belongs to the campaign.
        Groups {
            of_account: group(&truth.lookalikes, false).chain(group(&truth.campaigns, true)).collect(),
            labels: truth.lookalikes.iter().chain(&truth.campaigns).map(|g| (g.name.as_str(), g.label)).collect(),
        }
    }

    /// The campaign of an account.
    pub fn campaign(&self, account: &AccountKey) -> Option<&'t str> {
        self.of_account.get(account).filter(|(campaign, _)| *campaign).map(|(_, name)| *name)
    }

    /// The kind of an innocent account: that of its group, or `crowd`. `None` for an account of a
    /// campaign.
    pub fn innocent(&self, account: &AccountKey) -> Option<&'static str> {
        match self.of_account.get(account) {
            Some((true, _)) => None,
            Some((false, group)) => Some(self.label(group).map_or(CROWD, Label::as_str)),
            None => Some(CROWD),
        }
    }

    /// The kind of a group; `None` for the crowd.
    pub fn label(&self, group: &str) -> Option<Label> {
        self.labels.get(group).copied()
    }

    /// The origin of these accounts. Of groups with equal shares, a campaign comes first.
    pub fn of(&self, accounts: &[AccountKey]) -> Origin<'t> {
        let mut counts: BTreeMap<(bool, &str), usize> = BTreeMap::new();
        for account in accounts {
            *counts.entry(self.of_account.get(account).copied().unwrap_or((false, CROWD))).or_insert(0) += 1;
        }
        match counts.into_iter().max_by_key(|(_, n)| *n) {
            Some(((campaign, group), n)) => {
                Origin { group, campaign: campaign && n as f64 >= MAJORITY * accounts.len() as f64 }
            }
            None => Origin { group: CROWD, campaign: false },
        }
    }
}

/// The truth's name of an account.
pub(crate) fn key(account: &AccountRef) -> AccountKey {
    AccountKey { platform: account.platform.clone(), account_id: account.account_id.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use simulator::Label;

    fn account(id: &str) -> AccountKey {
        AccountKey { platform: "x".to_owned(), account_id: id.to_owned() }
    }

    fn group(name: &str, label: Label, members: &[&str]) -> GroupTruth {
        let members = members.iter().map(|id| account(id)).collect();
        GroupTruth { name: name.to_owned(), label, members, actions: Vec::new() }
    }

    #[test]
    fn half_of_the_accounts_make_a_cluster_a_campaigns() {
        let truth = Truth {
            campaigns: vec![
                group("c1", Label::Inauthentic, &["a", "b", "c"]),
                group("c2", Label::Inauthentic, &["d", "e"]),
            ],
            lookalikes: vec![group("fans", Label::Fandom, &["a", "f", "g", "h"])],
            ..Truth::default()
        };
        let groups = Groups::new(&truth);
        let of = |ids: &str| {
            let accounts: Vec<AccountKey> = ids.chars().map(|c| account(&c.to_string())).collect();
            let origin = groups.of(&accounts);
            (origin.group, origin.campaign)
        };
        assert_eq!(of("abc"), ("c1", true));
        assert_eq!(of("abfg"), ("c1", true), "half is enough, and a campaign comes first");
        assert_eq!(of("abdexyz"), (CROWD, false));
        assert_eq!(of("abdez"), ("c2", false), "two campaigns together are neither's");
        assert_eq!(of("fghx"), ("fans", false));
        assert_eq!(of(""), (CROWD, false));
        assert_eq!((groups.campaign(&account("a")), groups.campaign(&account("f"))), (Some("c1"), None));
        let innocent = |id: &str| groups.innocent(&account(id));
        assert_eq!((innocent("a"), innocent("f"), innocent("z")), (None, Some("fandom"), Some("crowd")));
    }
}
