//! Bursts: who acted on one key in the narrowest window, as a group that this key alone proposes.
//!
//! A tie needs two keys and a group of ties needs most of its pairs, which takes a campaign several actions, and more where its accounts
//! post much besides or take part now and then. Many accounts at once on one key are a proposal already: the future tests it. Bursts that
//! two accounts or more have in common are proposed together, too: so a campaign is whole although no action has all of its accounts.

use serde::{Deserialize, Serialize};

use crate::{
    hash::Map,
    history::AccountId,
    params::Params,
    post::Millis,
    stage::{CoAct, KeyId},
};

/// Fewest accounts of a burst that proposes.
const LEAST: usize = 5;
/// Nats per account, and per pair, that the pairs of a burst must have earned on its key: many at once, and not a chain of a few each.
const FORCE: f64 = 12.0;
const CLOSE: f64 = 2.5;
/// Accounts that two bursts must share to be proposed together.
const SHARED: u32 = 2;
/// Bursts remembered per account, the latest ones.
const MOST: usize = 64;

/// Bursts that may still grow, and those that have ended.
#[derive(Serialize, Deserialize)]
pub(crate) struct Bursts {
    window: Millis,
    retention: Millis,
    most_members: usize,
    most: usize,
    open: Map<KeyId, Burst>,
    ended: Map<KeyId, Ended>,
    /// Ended bursts by account, in the order in which they ended.
    by_account: Map<AccountId, Vec<KeyId>>,
}

#[derive(Serialize, Deserialize)]
struct Burst {
    last: Millis,
    /// In order; none where there were too many.
    members: Option<Vec<AccountId>>,
    /// What their pairs earned here.
    nats: f64,
}

#[derive(Serialize, Deserialize)]
struct Ended {
    last: Millis,
    /// In order.
    members: Vec<AccountId>,
}

impl Bursts {
    pub(crate) fn new(params: &Params) -> Bursts {
        Bursts {
            window: params.windows[0],
            retention: params.tie_retention,
            most_members: params.max_members,
            most: params.limits.candidates,
            open: Map::default(),
            ended: Map::default(),
            by_account: Map::default(),
        }
    }

    /// Takes note of a co-act.
    pub(crate) fn met(&mut self, co_act: &CoAct) {
        if co_act.lag > self.window {
            return;
        }
        let burst = self.open.entry(co_act.key).or_insert_with(|| Burst {
            last: co_act.at,
            members: Some(Vec::with_capacity(2)),
            nats: 0.0,
        });
        burst.last = burst.last.max(co_act.at);
        let Some(members) = &mut burst.members else {
            return;
        };
        burst.nats += co_act.nats;
        for account in [co_act.pair.0, co_act.pair.1] {
            if let Err(place) = members.binary_search(&account) {
                members.insert(place, account);
            }
        }
        if members.len() > self.most_members {
            burst.members = None;
        }
    }

    /// The groups that bursts propose which have ended since the last call: each by itself, and with those that it shares accounts with;
    /// whether the group is of several.
    pub(crate) fn groups(&mut self, now: Millis) -> Vec<(Vec<AccountId>, bool)> {
        let window = self.window;
        let mut over: Vec<(Millis, KeyId, Vec<AccountId>)> = Vec::new();
        self.open.retain(|key, burst| {
            let open = now - burst.last <= window;
            if !open && let Some(members) = burst.members.take() {
                let n = members.len() as f64;
                let enough = burst.nats >= f64::max(FORCE * n, CLOSE * n * (n - 1.0) / 2.0);
                over.extend((enough && members.len() >= LEAST).then_some((burst.last, *key, members)));
            }
            open
        });
        over.sort_unstable();
        let mut groups = Vec::new();
        for (last, key, members) in over {
            let together = self.together(&members);
            let wide = together.len() > members.len() && together.len() <= self.most_members;
            groups.extend(wide.then_some((together, true)));
            for account in &members {
                let bursts = self.by_account.entry(*account).or_default();
                bursts.retain(|known| *known != key);
                if bursts.len() >= MOST {
                    bursts.remove(0);
                }
                bursts.push(key);
            }
            groups.push((members.clone(), false));
            self.ended.insert(key, Ended { last, members });
        }
        groups
    }

    /// These accounts and those of all ended bursts that share some with them, in order.
    fn together(&self, members: &[AccountId]) -> Vec<AccountId> {
        let mut shared: Map<KeyId, u32> = Map::default();
        for key in members.iter().flat_map(|account| self.by_account.get(account).into_iter().flatten()) {
            *shared.entry(*key).or_insert(0) += 1;
        }
        let others = shared.into_iter().filter(|(_, shared)| *shared >= SHARED);
        let mut all = members.to_vec();
        all.extend(others.filter_map(|(key, _)| self.ended.get(&key)).flat_map(|burst| &burst.members));
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Forgets accounts that are forgotten; in order.
    pub(crate) fn forget(&mut self, accounts: &[AccountId]) {
        if accounts.is_empty() {
            return;
        }
        let stays = |account: &AccountId| accounts.binary_search(account).is_err();
        self.by_account.retain(|account, _| stays(account));
        self.ended.values_mut().for_each(|burst| burst.members.retain(stays));
        self.open.values_mut().filter_map(|burst| burst.members.as_mut()).for_each(|members| members.retain(stays));
    }

    /// Forgets old bursts, and the oldest beyond the bound.
    pub(crate) fn tidy(&mut self, now: Millis) {
        let mut ages: Vec<(Millis, KeyId)> = self.ended.iter().map(|(key, burst)| (burst.last, *key)).collect();
        ages.sort_unstable();
        let old = ages.partition_point(|(last, _)| now - last > self.retention);
        let gone = if ages.len() > self.most { old.max(ages.len() - (self.most - self.most / 10)) } else { old };
        if gone == 0 {
            return;
        }
        for (_, key) in &ages[..gone] {
            self.ended.remove(key);
        }
        let ended = &self.ended;
        self.by_account.retain(|_, bursts| {
            bursts.retain(|key| ended.contains_key(key));
            !bursts.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::TraceKind;

    const MINUTE: Millis = 60_000;

    fn meet(bursts: &mut Bursts, accounts: &[AccountId], key: KeyId, at: Millis, nats: f64) {
        for (i, a) in accounts.iter().enumerate() {
            for b in &accounts[i + 1..] {
                bursts.met(&CoAct { turn: 0, at, pair: (*b, *a), kind: TraceKind::Url, key, lag: 1_000, nats });
            }
        }
    }

    fn bursts() -> Bursts {
        Bursts::new(&Params::default())
    }

    #[test]
    fn a_burst_is_proposed_once_when_it_has_ended() {
        let mut b = bursts();
        meet(&mut b, &[1, 2, 3, 4, 5], 7, 0, 6.0); // ten pairs
        assert!(b.groups(MINUTE).is_empty(), "it may go on");
        assert_eq!(b.groups(2 * MINUTE), [(vec![1, 2, 3, 4, 5], false)]);
        assert!(b.groups(3 * MINUTE).is_empty());
    }

    #[test]
    fn few_or_unsurprising_accounts_and_crowds_propose_nothing() {
        let mut b = bursts();
        meet(&mut b, &[1, 2, 3, 4], 1, 0, 50.0);
        meet(&mut b, &[1, 2, 3, 4, 5], 2, 0, 5.9);
        meet(&mut b, &(0..61).collect::<Vec<_>>(), 3, 0, 9.0);
        for a in 0..40 {
            meet(&mut b, &[a, a + 1, a + 2], 5, 0, 9.0); // a chain
        }
        b.met(&CoAct { turn: 0, at: 0, pair: (1, 2), kind: TraceKind::Url, key: 4, lag: 2 * MINUTE, nats: 90.0 });
        assert!(b.groups(5 * MINUTE).is_empty());
        assert!(b.open.is_empty());
    }

    #[test]
    fn bursts_that_share_accounts_are_proposed_together() {
        let mut b = bursts();
        meet(&mut b, &[1, 2, 3, 4, 5], 1, 0, 6.0);
        meet(&mut b, &[9, 10, 11, 12, 13], 2, 0, 6.0);
        b.groups(2 * MINUTE);
        meet(&mut b, &[4, 5, 6, 7, 8, 9], 3, 60 * MINUTE, 6.0); // shares two with the first, one with the second
        let both = (vec![1, 2, 3, 4, 5, 6, 7, 8, 9], true);
        assert_eq!(b.groups(62 * MINUTE), [both, (vec![4, 5, 6, 7, 8, 9], false)]);
        b.forget(&[1, 4]);
        meet(&mut b, &[2, 3, 20, 21, 22], 4, 120 * MINUTE, 6.0);
        assert_eq!(b.groups(122 * MINUTE)[0], (vec![2, 3, 5, 20, 21, 22], true));
    }

    #[test]
    fn old_bursts_are_forgotten_and_the_table_is_bounded() {
        let limits = crate::Limits { candidates: 20, ..Params::default().limits };
        let mut b = Bursts::new(&Params { limits, ..Params::default() });
        for key in 0..30u32 {
            let first = 100 * key;
            meet(&mut b, &[first, first + 1, first + 2, first + 3, first + 4], u64::from(key), 0, 9.0);
        }
        assert_eq!(b.groups(2 * MINUTE).len(), 30);
        b.tidy(2 * MINUTE);
        assert_eq!((b.ended.len(), b.by_account.len()), (18, 90));
        b.tidy(15 * 24 * 60 * MINUTE);
        assert_eq!((b.ended.len(), b.by_account.len()), (0, 0));
    }
}
