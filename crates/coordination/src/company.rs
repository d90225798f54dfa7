//! The company an account keeps: a rank for every account, tested or not, from who acts on the same rare things within the hour.
//!
//! A post has keys: what it reposts, each of its hashtags (a repost's too), the class of its words, its links, mentions and reply
//! target. Where account b acted on one of them up to an hour before account a, the pair earns ln(N / n) nats for the rarest such
//! key that has earned it nothing yet: n accounts have acted on the key so far, of N accounts in all. A post earns a pair one key.
//!
//! With S the pair's nats, L those without its best key (one key proves nothing), v the number of an account's posts that
//! have a key, and e(X) = v_a v_b times the sum of X over all pairs, divided by the sum of v v' over all pairs:
//!
//! tie(a, b) = g(L, e(L)) + 0.1 g(S, e(S)), where g(x, e) = x ln(x / e) - (x - e) if x > e, else 0
//!
//! g is a Poisson log-likelihood ratio: two busy accounts meet often by chance and earn little. An account's score is the sum of its
//! three best ties, because a group is more than a pair. It ranks; it is not a probability and has no error control.

use std::collections::VecDeque;

use hashbrown::hash_map::Entry;
use serde::{Deserialize, Serialize};

use crate::{hash::Map, history::AccountId, params::Params, post::Millis, stage::KeyId, ties::Pair};

/// Weight of a pair's best key, which alone proves nothing.
const ALONE: f64 = 0.1;
/// Ties that speak for an account.
const BEST: usize = 3;
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
    pairs: Map<Pair, Earned>,
    /// Posts with a key, per account.
    posts: Vec<u32>,
    accounts: u32,
}

#[derive(Default, Serialize, Deserialize)]
struct Key {
    /// Accounts that acted; one that comes back after the ring forgot it counts again.
    accounts: u32,
    ring: VecDeque<(Millis, AccountId)>,
}

#[derive(Default, Serialize, Deserialize)]
struct Earned {
    keys: Vec<KeyId>,
    nats: f64,
    best: f64,
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
            pairs: Map::default(),
            posts: Vec::new(),
            accounts: 0,
        }
    }

    /// One post with its keys, in order of time. Costs time in proportion to the rings of its keys.
    pub(crate) fn post(&mut self, at: Millis, account: AccountId, keys: &[KeyId]) {
        let place = account as usize;
        if self.posts.len() <= place {
            self.posts.resize(place + 1, 0);
        }
        if keys.is_empty() {
            return;
        }
        self.accounts += u32::from(self.posts[place] == 0);
        self.posts[place] += 1;
        let mut near: Vec<(u32, KeyId)> = Vec::with_capacity(keys.len());
        for id in keys {
            let key = self.keys.entry(*id).or_default();
            while key.ring.front().is_some_and(|act| at - act.0 > self.window) {
                key.ring.pop_front();
            }
            key.accounts += u32::from(key.ring.iter().all(|act| act.1 != account));
            near.push((key.accounts, *id));
        }
        near.sort_unstable();
        near.dedup();
        // A pair's credit is the rarest key that is new to it, so keys go rarest first and a pair is served once.
        let mut served: Map<AccountId, ()> = Map::default();
        for (n, id) in &near {
            let nats = (f64::from(self.accounts) / f64::from(*n)).ln();
            let Some(key) = self.keys.get_mut(id) else {
                continue;
            };
            for &(_, other) in &key.ring {
                if other == account {
                    continue;
                }
                let Entry::Vacant(first) = served.entry(other) else {
                    continue;
                };
                let earned = self.pairs.entry((account.min(other), account.max(other))).or_default();
                if earned.keys.len() >= KEYS || earned.keys.contains(id) {
                    continue;
                }
                first.insert(());
                earned.keys.push(*id);
                if nats > 0.0 {
                    earned.nats += nats;
                    earned.best = earned.best.max(nats);
                }
            }
            if key.ring.len() >= self.ring {
                key.ring.pop_front();
            }
            key.ring.push_back((at, account));
        }
    }

    /// Keeps the tables in bounds: the longest idle keys and the weakest pairs go first. Returns how many of each went.
    pub(crate) fn tidy(&mut self, now: Millis) -> (u64, u64) {
        let mut gone = (0, 0);
        if now >= self.next_sweep {
            self.next_sweep = now + self.window;
            let window = self.window;
            for key in self.keys.values_mut().filter(|key| key.ring.back().is_some_and(|act| now - act.0 > window)) {
                key.ring = VecDeque::new();
            }
        }
        if self.keys.len() > self.most_keys {
            let mut idle: Vec<(Millis, KeyId)> =
                self.keys.iter().map(|(id, k)| (k.ring.back().map_or(Millis::MIN, |act| act.0), *id)).collect();
            let keep = self.most_keys - self.most_keys / 10;
            idle.select_nth_unstable_by(keep, |x, y| y.cmp(x));
            for (_, id) in &idle[keep..] {
                self.keys.remove(id);
                gone.0 += 1;
            }
        }
        if self.pairs.len() > self.most_pairs {
            let mut weak: Vec<(f64, Pair)> = self.pairs.iter().map(|(pair, e)| (e.nats, *pair)).collect();
            let keep = self.most_pairs - self.most_pairs / 10;
            weak.select_nth_unstable_by(keep, |x, y| y.0.total_cmp(&x.0).then(x.1.cmp(&y.1)));
            for (_, pair) in &weak[keep..] {
                self.pairs.remove(pair);
                gone.1 += 1;
            }
        }
        gone
    }

    /// Every tie above what chance gives, by pair.
    fn ties(&self) -> Vec<(f64, Pair)> {
        let mut pairs: Vec<(Pair, f64, f64)> =
            self.pairs.iter().map(|(pair, e)| (*pair, e.nats, e.nats - e.best)).collect();
        pairs.sort_unstable_by_key(|(pair, ..)| *pair);
        let (sum, squares) = self.posts.iter().fold((0.0, 0.0), |(sum, squares), v| {
            let v = f64::from(*v);
            (sum + v, squares + v * v)
        });
        let meetings: f64 = ((sum * sum - squares) / 2.0f64).max(1.0);
        let per_meeting = |of: fn(&(Pair, f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / meetings;
        let (all, rest) = (per_meeting(|p| p.1), per_meeting(|p| p.2));
        let posts = |account: AccountId| f64::from(self.posts.get(account as usize).copied().unwrap_or(0));
        pairs
            .into_iter()
            .filter_map(|((a, b), nats, without_best)| {
                let v = posts(a) * posts(b);
                let tie = ratio(without_best, rest * v) + ALONE * ratio(nats, all * v);
                (tie > 0.0).then_some((tie, (a, b)))
            })
            .collect()
    }

    /// The score of every account that has a tie.
    pub(crate) fn scores(&self) -> Map<AccountId, f64> {
        let mut best: Map<AccountId, [f64; BEST]> = Map::default();
        for (tie, (a, b)) in self.ties() {
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
        assert!((earned.nats - earned.best).abs() < 1e-12);
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
        for account in 0..30 {
            company.post(0, account, &[1, 2 + u64::from(account) * 2, 3 + u64::from(account) * 2]);
        }
        let (keys, pairs) = company.tidy(0);
        assert_eq!((company.keys.len(), company.pairs.len()), (45, 18));
        assert_eq!((keys, pairs), (61 - 45, 30 * 29 / 2 - 18));
    }
}
