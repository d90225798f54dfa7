//! The bounds of the network's tables.

use super::{LEAST, Network, common::InCommon};
use crate::{accounts::AccountId, params::Params, post::Millis, tie::Pair};

impl Network {
    /// Keeps the tables in bounds and forgets what is older than retention; returns nothing that changes a group.
    pub(crate) fn tidy(&mut self, now: Millis, params: &Params) {
        let full = self.pairs.len() > params.limits.ties;
        if now < self.next_sweep && !full {
            return;
        }
        self.next_sweep = now + params.retention / 8;
        let oldest = now - params.retention;
        let mut gone: Vec<Pair> = Vec::new();
        let edges = &self.edges;
        self.pairs.retain(|pair, common| {
            common.forget(oldest);
            if common.len() < LEAST && edges.contains_key(pair) {
                gone.push(*pair);
            }
            common.len() > 0
        });
        gone.sort_unstable();
        gone.into_iter().for_each(|pair| self.leave(pair));
        if self.pairs.len() > params.limits.ties {
            self.evict(self.pairs.len() - (params.limits.ties - params.limits.ties / 10));
        }
        self.evicted += self.past.as_mut().map_or(0, |past| past.bound(params.limits.ties));
        self.changed_copiers |= self.copiers.tidy(oldest, &mut self.past);
    }

    /// Forgets so many pairs: first those with one key in common, the oldest of them first, of equal ones the least.
    pub(super) fn evict(&mut self, surplus: usize) {
        let several = |common: &InCommon| common.len() >= LEAST;
        let ages_of = |with_several: bool| -> Vec<Millis> {
            self.pairs.values().filter(|common| several(common) == with_several).map(InCommon::newest).collect()
        };
        let mut ages = ages_of(false);
        let single = ages.len();
        // Whether all pairs with one key go, and how many of those that may stay.
        let (all_single, most) = if surplus <= single { (false, surplus) } else { (true, surplus - single) };
        if all_single {
            ages = ages_of(true);
        }
        let (older, cut, _) = ages.select_nth_unstable(most - 1);
        let (cut, older) = (*cut, older.iter().filter(|at| **at < *cut).count());
        drop(ages);
        let as_old = |common: &InCommon| several(common) == all_single && common.newest() == cut;
        let as_old = self.pairs.iter().filter(|(_, common)| as_old(common));
        let mut as_old: Vec<Pair> = as_old.map(|(pair, _)| *pair).collect();
        as_old.sort_unstable();
        as_old.truncate(most - older);
        let mut gone: Vec<Pair> = Vec::new();
        let edges = &self.edges;
        self.pairs.retain(|pair, common| {
            let newest = common.newest();
            let goes = match several(common) == all_single {
                true => newest < cut || (newest == cut && as_old.binary_search(pair).is_ok()),
                false => all_single,
            };
            if goes && edges.contains_key(pair) {
                gone.push(*pair);
            }
            !goes
        });
        gone.sort_unstable();
        gone.into_iter().for_each(|pair| self.leave(pair));
        self.evicted += surplus as u64;
    }

    /// Forgets accounts that are forgotten; in order.
    pub(crate) fn forget(&mut self, accounts: &[AccountId]) {
        if accounts.is_empty() {
            return;
        }
        let gone = |account: &AccountId| accounts.binary_search(account).is_ok();
        let mut pairs: Vec<Pair> = self.pairs.keys().filter(|(a, b)| gone(a) || gone(b)).copied().collect();
        pairs.sort_unstable();
        for pair in pairs {
            self.pairs.remove(&pair);
            self.fresh.remove(&pair);
            self.cut(pair);
        }
        for account in accounts {
            self.tied.remove(account);
            self.linked.remove(account);
        }
        self.changed_copiers |= self.copiers.forget(accounts);
    }
}
