//! Copiers: accounts that repeat others' own words.
//!
//! An account is a copier if at least two and at least a fifth of its own texts repeat a text of
//! another account from the day before. Two copiers are linked if they used one text.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::{
    accounts::AccountId,
    communities::Graph,
    hash::Map,
    params::Params,
    past::Past,
    post::{DAY, Millis},
};

/// Accounts linked to one copier that are remembered, the newest.
const MOST_LINKS: usize = 256;
/// Least copies of a copier.
const LEAST: u32 = 2;

/// Own texts of an account by day, and the number that repeat another account's.
#[derive(Default, Serialize, Deserialize)]
struct Copying {
    /// Day, texts, copies.
    days: SmallVec<[(i64, u32, u32); 1]>,
    links: SmallVec<[(AccountId, Millis); 2]>,
}

impl Copying {
    fn counts(&self) -> (u32, u32) {
        self.days.iter().fold((0, 0), |(texts, copies), day| (texts + day.1, copies + day.2))
    }
}

/// Own texts of all accounts, and the copiers.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Copiers {
    copying: Map<AccountId, Copying>,
    copiers: BTreeSet<AccountId>,
}

impl Copiers {
    /// Processes an account's own text; `users` are its users, the newest first. Returns whether it
    /// repeats another account's.
    pub(crate) fn text<'u>(
        &mut self,
        at: Millis,
        account: AccountId,
        users: impl Iterator<Item = &'u (Millis, AccountId)>,
    ) -> bool {
        let others: Vec<AccountId> = users
            .take_while(|(then, _)| at - then <= DAY)
            .filter(|(then, other)| *other != account && *then <= at)
            .map(|(_, other)| *other)
            .collect();
        let day = at.div_euclid(DAY);
        let known = self.copying.entry(account).or_default();
        match known.days.last_mut().filter(|known| known.0 == day) {
            Some(today) => {
                today.1 += 1;
                today.2 += u32::from(!others.is_empty());
            }
            None => known.days.push((day, 1, u32::from(!others.is_empty()))),
        }
        for &other in &others {
            for (one, two) in [(account, other), (other, account)] {
                let links = &mut self.copying.entry(one).or_default().links;
                match links.iter_mut().find(|(known, _)| *known == two) {
                    Some((_, last)) => *last = at,
                    None => {
                        if links.len() == MOST_LINKS {
                            links.remove(0);
                        }
                        links.push((two, at));
                    }
                }
            }
        }
        !others.is_empty()
    }

    /// Decides whether an account is a copier. Returns whether the network of copiers has changed.
    pub(crate) fn settle(&mut self, account: AccountId, params: &Params) -> bool {
        let (texts, copies) = self.copying.get(&account).map_or((0, 0), Copying::counts);
        let copier = copies >= LEAST && f64::from(copies) >= params.copier_share * f64::from(texts);
        let changed = if copier { self.copiers.insert(account) } else { self.copiers.remove(&account) };
        // New links of a copier change the network as well.
        changed || copier
    }

    /// The network of copiers.
    pub(crate) fn graph(&self) -> Graph {
        Graph::new(self.copiers.iter().copied().collect(), |account, later| {
            let links = self.copying.get(&account).into_iter().flat_map(|known| &known.links);
            later.extend(links.filter(|(other, _)| account < *other).map(|(other, _)| (*other, 1.0, 0.0)));
        })
    }

    /// Forgets older texts and links; their number is kept if the past is kept. Returns whether a
    /// copier is not a copier any more.
    pub(crate) fn tidy(&mut self, oldest: Millis, past: &mut Option<Past>) -> bool {
        let day = oldest.div_euclid(DAY);
        let Copiers { copying, copiers } = self;
        let mut changed = false;
        copying.retain(|account, known| {
            if let Some(past) = past {
                for (_, texts, copies) in known.days.iter().filter(|known| known.0 < day) {
                    let sum = past.copies.entry(*account).or_default();
                    *sum = (sum.0 + texts, sum.1 + copies);
                }
            }
            known.days.retain(|known| known.0 >= day);
            known.links.retain(|(_, last)| *last >= oldest);
            if known.days.is_empty() {
                changed |= copiers.remove(account);
            }
            !known.days.is_empty() || !known.links.is_empty()
        });
        changed
    }

    /// Forgets accounts, which are sorted. Returns whether one of them was a copier.
    pub(crate) fn forget(&mut self, accounts: &[AccountId]) -> bool {
        let mut changed = false;
        for account in accounts {
            self.copying.remove(account);
            changed |= self.copiers.remove(account);
        }
        for known in self.copying.values_mut() {
            known.links.retain(|(other, _)| accounts.binary_search(other).is_err());
        }
        changed
    }

    /// Own texts of every account, and how many of them repeat another account's, in no order.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (AccountId, (u32, u32))> {
        self.copying.iter().map(|(account, known)| (*account, known.counts()))
    }
}
