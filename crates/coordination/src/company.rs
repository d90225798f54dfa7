//! The company an account keeps: a rank for every account, tested or not, from who acts on the same rare things within the hour.
//!
//! A post has keys: what it reposts, each of its hashtags (a repost's too), the class of its words, its links, mentions and reply
//! target. Where account b acted on one of them up to an hour before account a, the pair earns ln(N / n) nats for the rarest such
//! key that has earned it nothing yet: n accounts have acted on the key so far, of N accounts in all; a key of fewer than 3 nats
//! earns nothing. A post earns a pair one key.
//!
//! With S the pair's nats, L those without its best key (one key proves nothing), v the number of an account's posts that
//! have a key, and e(X) = v_a v_b times the sum of X over all pairs, divided by the sum of v v' over all pairs:
//!
//! tie(a, b) = g(L, e(L)) + 0.1 g(S, e(S)), where g(x, e) = x ln(x / e) - (x - e) if x > e, else 0
//!
//! g is a Poisson log-likelihood ratio: two busy accounts meet often by chance and earn little. An account's score is the sum of its
//! three best ties, because a group is more than a pair. It ranks; it is not a probability and has no error control.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::{
    hash::{Map, Set},
    history::AccountId,
    params::Params,
    post::Millis,
    stage::KeyId,
    ties::{Pair, communities, strongest_first},
};

/// Weight of a pair's best key, which alone proves nothing.
const ALONE: f64 = 0.1;
/// How close a tie must be to propose a group.
const CLOSE: f64 = 2.0;
/// Ties that speak for an account.
const BEST: usize = 3;
/// Least nats of a key that earns anything: what more than one account in twenty has acted on brings nobody together.
const LEAST: f64 = 3.0;
/// Nats are added up in millionths, so that their order cannot matter.
const MILLION: f64 = 1e6;
/// Keys remembered per pair.
const KEYS: usize = 16;

#[derive(Serialize, Deserialize)]
pub(crate) struct Company {
    window: Millis,
    ring: usize,
    most_keys: usize,
    most_pairs: usize,
    next_sweep: Millis,
    keys: Map<KeyId, Key>,
    /// Acts of late by key, as far as anybody acted on it within the window.
    rings: Map<KeyId, VecDeque<Act>>,
    pairs: Map<Pair, Earned>,
    /// Posts with a key, per account; their sum, and the sum of their squares.
    posts: Map<AccountId, u32>,
    sum: f64,
    squares: f64,
    /// Sums over all pairs, millionths of a nat.
    all: u64,
    without_best: u64,
    /// Pairs that were tied closely enough to propose when they last earned something.
    close: BTreeSet<Pair>,
    /// Accounts of pairs that were found close since groups were last formed.
    changed: Set<AccountId>,
    /// Empty between posts.
    #[serde(skip)]
    served: Set<AccountId>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Key {
    /// Accounts that acted; one that comes back after the ring forgot it counts again.
    accounts: u32,
    last: Millis,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Act {
    at: Millis,
    account: AccountId,
}

#[derive(Default, Serialize, Deserialize)]
struct Earned {
    /// Most pairs never meet again.
    keys: SmallVec<[KeyId; 2]>,
    /// Millionths of a nat, of all keys and of the best.
    all: u32,
    best: u32,
}

impl Earned {
    fn without_best(&self) -> u32 {
        self.all - self.best
    }
}

impl Company {
    pub(crate) fn new(params: &Params) -> Company {
        Company {
            window: params.windows[2],
            ring: params.ring,
            most_keys: params.limits.keys,
            most_pairs: params.limits.ties,
            next_sweep: Millis::MIN,
            keys: Map::default(),
            rings: Map::default(),
            pairs: Map::default(),
            posts: Map::default(),
            sum: 0.0,
            squares: 0.0,
            all: 0,
            without_best: 0,
            close: BTreeSet::new(),
            changed: Set::default(),
            served: Set::default(),
        }
    }

    /// One post with its keys, in order of time. Costs time in proportion to the rings of its keys.
    pub(crate) fn post(&mut self, at: Millis, account: AccountId, keys: &[KeyId]) {
        if keys.is_empty() {
            return;
        }
        let posts = self.posts.entry(account).or_insert(0);
        *posts += 1;
        self.sum += 1.0;
        self.squares += 2.0 * f64::from(*posts) - 1.0;
        let mut near: Vec<(u32, KeyId)> = Vec::with_capacity(keys.len());
        for id in keys {
            let key = self.keys.entry(*id).or_insert(Key { accounts: 0, last: at });
            let ring = self.rings.entry(*id).or_default();
            while ring.front().is_some_and(|act| at - act.at > self.window) {
                ring.pop_front();
            }
            key.accounts += u32::from(ring.iter().all(|act| act.account != account));
            key.last = key.last.max(at);
            near.push((key.accounts, *id));
        }
        near.sort_unstable();
        near.dedup();
        // A pair's credit is the rarest key that is new to it, so keys go rarest first and a pair is served once.
        let mut served = std::mem::take(&mut self.served);
        let several = near.len() > 1;
        let mut met: Vec<Pair> = Vec::new();
        for (n, id) in &near {
            let nats = (self.posts.len() as f64 / f64::from(*n)).ln();
            let Some(ring) = self.rings.get_mut(id).filter(|_| nats >= LEAST) else {
                continue;
            };
            let nats = (nats * MILLION) as u32;
            for &Act { account: other, .. } in &*ring {
                if other == account {
                    continue;
                }
                if several && served.contains(&other) {
                    continue;
                }
                let earned = self.pairs.entry((account.min(other), account.max(other))).or_default();
                if earned.keys.len() >= KEYS || earned.keys.contains(id) {
                    continue;
                }
                if several {
                    served.insert(other);
                }
                let before = earned.without_best();
                earned.keys.push(*id);
                earned.all += nats;
                earned.best = earned.best.max(nats);
                let now = earned.without_best();
                self.all += u64::from(nats);
                self.without_best += u64::from(now - before);
                if now > 0 {
                    met.push((account.min(other), account.max(other)));
                }
            }
            if ring.len() >= self.ring {
                ring.pop_front();
            }
            ring.push_back(Act { at, account });
        }
        served.clear();
        self.served = served;
        for pair in met {
            if self.is_close(pair).is_some() {
                self.close.insert(pair);
                self.changed.extend([pair.0, pair.1]);
            }
        }
    }

    /// Strength of a tie that is close enough to propose: twice ln N or more once its nats are counted in units of ln N, without the
    /// best key.
    fn is_close(&self, pair: Pair) -> Option<f64> {
        let unit = (self.posts.len().max(2) as f64).ln();
        let without_best = self.pairs.get(&pair)?.without_best();
        let tie = ratio(f64::from(without_best) / MILLION, self.expected(self.without_best, pair));
        (tie >= CLOSE * unit * unit).then_some(tie)
    }

    /// What a pair would have earned by chance, given the sum over all pairs, in millionths.
    fn expected(&self, sum: u64, (a, b): Pair) -> f64 {
        let posts = |account| f64::from(self.posts.get(&account).copied().unwrap_or(0));
        let meetings = ((self.sum * self.sum - self.squares) / 2.0).max(1.0);
        posts(a) * posts(b) * sum as f64 / MILLION / meetings
    }

    /// Groups of accounts that keep close company, as far as any of theirs was seen since the last call.
    pub(crate) fn groups(&mut self, least: usize, most: usize) -> Vec<Vec<AccountId>> {
        let changed = std::mem::take(&mut self.changed);
        if changed.is_empty() {
            return Vec::new();
        }
        let mut ties = Vec::with_capacity(self.close.len());
        let mut apart = Vec::new();
        for pair in &self.close {
            match self.is_close(*pair) {
                Some(tie) => ties.push((tie, *pair)),
                None => apart.push(*pair),
            }
        }
        apart.iter().for_each(|pair| {
            self.close.remove(pair);
        });
        ties.sort_unstable_by(strongest_first);
        let mut groups = communities(&ties, least, most);
        groups.retain(|group| group.iter().any(|account| changed.contains(account)));
        groups
    }

    /// Forgets accounts that are forgotten; in order.
    pub(crate) fn forget(&mut self, accounts: &[AccountId]) {
        if accounts.is_empty() {
            return;
        }
        let gone = |account: &AccountId| accounts.binary_search(account).is_ok();
        for account in accounts {
            if let Some(posts) = self.posts.remove(account) {
                self.sum -= f64::from(posts);
                self.squares -= f64::from(posts).powi(2);
            }
        }
        let pairs: Vec<Pair> = self.pairs.keys().filter(|(a, b)| gone(a) || gone(b)).copied().collect();
        pairs.into_iter().for_each(|pair| self.remove(pair));
    }

    fn remove(&mut self, pair: Pair) {
        if let Some(earned) = self.pairs.remove(&pair) {
            self.all -= u64::from(earned.all);
            self.without_best -= u64::from(earned.without_best());
            self.close.remove(&pair);
        }
    }

    /// Keeps the tables in bounds: the longest idle keys and the weakest pairs go first. Returns how many of each went.
    pub(crate) fn tidy(&mut self, now: Millis) -> (u64, u64) {
        let mut gone = (0, 0);
        if now >= self.next_sweep {
            self.next_sweep = now + self.window;
            let window = self.window;
            self.rings.retain(|_, ring| ring.back().is_some_and(|act| now - act.at <= window));
        }
        if self.keys.len() > self.most_keys {
            let mut idle: Vec<(Millis, KeyId)> = self.keys.iter().map(|(id, key)| (key.last, *id)).collect();
            let keep = self.most_keys - self.most_keys / 10;
            idle.select_nth_unstable_by(keep, |x, y| y.cmp(x));
            for (_, id) in &idle[keep..] {
                self.keys.remove(id);
                self.rings.remove(id);
                gone.0 += 1;
            }
        }
        if self.pairs.len() > self.most_pairs {
            let mut weak: Vec<(u32, Pair)> = self.pairs.iter().map(|(pair, e)| (e.all, *pair)).collect();
            let keep = self.most_pairs - self.most_pairs / 10;
            weak.select_nth_unstable_by(keep, |x, y| y.0.cmp(&x.0).then(x.1.cmp(&y.1)));
            for (_, pair) in &weak[keep..] {
                self.remove(*pair);
                gone.1 += 1;
            }
        }
        gone
    }

    /// The score of every account that has a tie.
    pub(crate) fn scores(&self) -> Map<AccountId, f64> {
        let mut best: Map<AccountId, [f64; BEST]> = Map::default();
        let mut pairs: Vec<Pair> = self.pairs.keys().copied().collect();
        pairs.sort_unstable();
        for pair @ (a, b) in pairs {
            let tie = self.tie(pair);
            if tie == 0.0 {
                continue;
            }
            for account in [a, b] {
                let best = best.entry(account).or_default();
                if let Some(place) = best.iter().position(|known| tie > *known) {
                    best[place..].rotate_right(1);
                    best[place] = tie;
                }
            }
        }
        best.into_iter().map(|(account, best)| (account, best.iter().sum())).collect()
    }

    fn tie(&self, pair: Pair) -> f64 {
        let (all, without_best) = self.pairs.get(&pair).map_or((0, 0), |earned| (earned.all, earned.without_best()));
        ratio(f64::from(without_best) / MILLION, self.expected(self.without_best, pair))
            + ALONE * ratio(f64::from(all) / MILLION, self.expected(self.all, pair))
    }
}

/// The Poisson log-likelihood ratio of `x` where `e` is expected, for more than expected only.
fn ratio(x: f64, e: f64) -> f64 {
    if x > e && e > 0.0 { x * (x / e).ln() - (x - e) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Millis = 60_000;

    /// A hundred bystanders, each on a key of its own and on key 1.
    fn crowd() -> Company {
        let mut company = Company::new(&Params::default());
        for account in 100..200 {
            company.post(0, account, &[u64::from(account)]);
            company.post(0, account, &[1]);
        }
        company
    }

    #[test]
    fn three_accounts_on_rare_keys_outrank_the_crowd_on_a_common_one() {
        let mut company = crowd();
        for (minute, key) in [(10, 1_001), (20, 1_002), (30, 1_003)] {
            for account in 1..4 {
                company.post(minute * MINUTE, account, &[key]);
            }
        }
        let scores = company.scores();
        let least = (1..4).map(|a| scores[&a]).fold(f64::INFINITY, f64::min);
        assert!((100..200).all(|a| scores.get(&a).is_none_or(|s| *s < least)), "{scores:?}");
    }

    #[test]
    fn a_post_earns_a_pair_one_key_and_a_key_earns_once() {
        let mut company = crowd();
        for account in [1, 2] {
            company.post(MINUTE, account, &[500, 501, 502]);
        }
        assert_eq!(company.pairs[&(1, 2)].keys.len(), 1);
        company.post(2 * MINUTE, 1, &[company.pairs[&(1, 2)].keys[0]]);
        assert_eq!(company.pairs[&(1, 2)].keys.len(), 1);
        company.post(3 * MINUTE, 1, &[500, 501, 502]);
        assert_eq!(company.pairs[&(1, 2)].keys.len(), 2);
    }

    #[test]
    fn more_than_an_hour_apart_is_not_together() {
        let mut company = crowd();
        company.post(0, 1, &[700]);
        company.post(61 * MINUTE, 2, &[700]);
        assert!(!company.pairs.contains_key(&(1, 2)));
    }

    #[test]
    fn one_key_with_many_posts_is_one_key() {
        let mut company = crowd();
        for minute in 0..50 {
            for account in [1, 2, 3] {
                company.post(minute * MINUTE, account, &[900]);
            }
        }
        let earned = &company.pairs[&(1, 2)];
        assert_eq!(earned.without_best(), 0);
    }

    #[test]
    fn busy_accounts_that_meet_as_often_score_less() {
        let together = |chatter: u64| {
            let mut company = crowd();
            for account in [1, 2] {
                for key in 0..chatter {
                    company.post(0, account, &[10_000 + u64::from(account) * 1_000 + key]);
                }
                company.post(MINUTE, account, &[500]);
                company.post(MINUTE, account, &[501]);
            }
            company.scores()[&1]
        };
        assert!(together(0) > together(100));
    }

    #[test]
    fn tables_stay_in_bounds() {
        let limits = crate::Limits { keys: 50, ties: 20, ..Params::default().limits };
        let mut company = Company::new(&Params { limits, ..Params::default() });
        for account in 1_000..2_000 {
            company.post(0, account, &[9]);
        }
        for account in 0..30 {
            company.post(0, account, &[1, 100 + u64::from(account) * 2, 101 + u64::from(account) * 2]);
        }
        let (keys, pairs) = company.tidy(0);
        assert_eq!((company.keys.len(), company.pairs.len()), (45, 18));
        assert_eq!((keys, pairs), (62 - 45, 30 * 29 / 2 - 18));
    }
}
