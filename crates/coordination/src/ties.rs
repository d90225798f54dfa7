//! Stage A: pairs of accounts with accumulated co-act evidence, and the groups that they propose.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::{
    cluster::TraceKind,
    hash::{Map, Set},
    history::AccountId,
    params::Params,
    post::Millis,
    stage::{self, KeyId},
};

/// Two accounts, the lesser first.
pub(crate) type Pair = (AccountId, AccountId);

/// Credited co-acts remembered per pair. At one credit in 30 minutes this is more than a day of doing nothing else, and a
/// pair that has so many is proposed already; further ones are not counted.
const MOST: usize = 64;
/// Share of the pairs between two groups that must be strong ties for the groups to be one. Those who act together are tied to most
/// of the others sooner or later; chance ties make chains.
const DENSITY: f64 = 0.34;
/// The table is swept for old ties this often in one retention time.
const SWEEPS: Millis = 28;

/// One credited co-act of a pair, as it is kept.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct CoAct {
    key: KeyId,
    nats: f32,
    /// Milliseconds between the two acts.
    lag: u32,
    kind: TraceKind,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Tie {
    last: Millis,
    pub nats: f64,
    /// Most pairs never meet again.
    co_acts: SmallVec<[CoAct; 1]>,
}

/// The tie table.
#[derive(Serialize, Deserialize)]
pub(crate) struct Ties {
    ties: Map<Pair, Tie>,
    /// Ties that are strong enough to propose, strongest first, as they were when groups were last formed ...
    strong: Vec<(f64, Pair)>,
    /// ... and those that have changed since then.
    changed: Map<Pair, f64>,
    min_credit: f64,
    credit_interval: Millis,
    propose_co_acts: u32,
    propose_nats: f64,
    retention: Millis,
    most: usize,
    next_sweep: Millis,
}

impl Ties {
    pub(crate) fn new(params: &Params) -> Ties {
        Ties {
            ties: Map::default(),
            strong: Vec::new(),
            changed: Map::default(),
            min_credit: params.min_credit,
            credit_interval: params.credit_interval,
            propose_co_acts: params.propose_co_acts,
            propose_nats: params.propose_nats,
            retention: params.tie_retention,
            most: params.limits.ties,
            next_sweep: Millis::MIN,
        }
    }

    /// Credits a pair with a co-act, unless it earns too little or the pair was credited of late.
    pub(crate) fn credit(&mut self, co_act: &stage::CoAct) {
        let (a, b) = co_act.pair;
        if a == b || co_act.nats < self.min_credit {
            return;
        }
        let pair = (a.min(b), a.max(b));
        let tie = self.ties.entry(pair).or_insert(Tie { last: Millis::MIN, nats: 0.0, co_acts: SmallVec::new() });
        if co_act.at.saturating_sub(tie.last) < self.credit_interval || tie.co_acts.len() >= MOST {
            return;
        }
        tie.last = co_act.at;
        tie.nats += f64::from(co_act.nats as f32);
        tie.co_acts.push(CoAct {
            key: co_act.key,
            nats: co_act.nats as f32,
            lag: u32::try_from(co_act.lag).unwrap_or(u32::MAX),
            kind: co_act.kind,
        });
        if tie.proposes(self.propose_co_acts, self.propose_nats) {
            self.changed.insert(pair, tie.nats);
        }
    }

    /// Forgets the ties of accounts that are forgotten; `accounts` in order.
    pub(crate) fn forget(&mut self, accounts: &[AccountId]) {
        if accounts.is_empty() {
            return;
        }
        let gone = |account: &AccountId| accounts.binary_search(account).is_ok();
        self.ties.retain(|(a, b), _| !gone(a) && !gone(b));
        self.strong.retain(|(_, (a, b))| !gone(a) && !gone(b));
        self.changed.retain(|(a, b), _| !gone(a) && !gone(b));
    }

    /// Groups of accounts joined by strong ties, as far as a tie of theirs has changed since the last call.
    pub(crate) fn groups(&mut self, least: usize, most: usize) -> Vec<Vec<AccountId>> {
        let changed = std::mem::take(&mut self.changed);
        if changed.is_empty() {
            return Vec::new();
        }
        let mut newer: Vec<(f64, Pair)> = changed.iter().map(|(pair, nats)| (*nats, *pair)).collect();
        newer.sort_unstable_by(strongest_first);
        self.strong.retain(|(_, pair)| !changed.contains_key(pair));
        self.strong.extend(newer);
        self.strong.sort_by(strongest_first); // two runs in order, which this merges
        let mut groups = communities(&self.strong, least, most);
        let accounts: Set<AccountId> = changed.keys().flat_map(|(a, b)| [*a, *b]).collect();
        groups.retain(|group| group.iter().any(|account| accounts.contains(account)));
        groups
    }

    /// Forgets old ties and keeps the table within its bound; returns how many were evicted for want of room.
    pub(crate) fn tidy(&mut self, now: Millis) -> u64 {
        if now < self.next_sweep && self.ties.len() <= self.most {
            return 0;
        }
        self.next_sweep = now + self.retention / SWEEPS;
        let (ties, retention) = (&mut self.ties, self.retention);
        ties.retain(|_, tie| now - tie.last <= retention);
        let mut evicted = 0;
        if ties.len() > self.most {
            let mut all: Vec<(f64, Pair)> = ties.iter().map(|(pair, tie)| (tie.nats, *pair)).collect();
            let keep = self.most - self.most / 10;
            all.select_nth_unstable_by(keep, |x, y| y.0.total_cmp(&x.0).then(x.1.cmp(&y.1)));
            evicted = (all.len() - keep) as u64;
            for (_, pair) in &all[keep..] {
                ties.remove(pair);
            }
        }
        self.strong.retain(|(_, pair)| ties.contains_key(pair));
        self.changed.retain(|pair, _| ties.contains_key(pair));
        evicted
    }

    /// In how much force a group acted: nats per member, over all its pairs, on its second best key. A group that chance has put
    /// together owes its ties to one key, and to a pair here and there on others.
    pub(crate) fn force(&self, members: &[AccountId]) -> f64 {
        let mut keys: Vec<(KeyId, f32)> = Vec::new();
        for (i, a) in members.iter().enumerate() {
            let ties = members[i + 1..].iter().filter_map(|b| self.get(*a, *b));
            keys.extend(ties.flat_map(|tie| tie.co_acts.iter().map(|co_act| (co_act.key, co_act.nats))));
        }
        keys.sort_unstable_by(|x, y| x.0.cmp(&y.0).then(x.1.total_cmp(&y.1)));
        let (mut best, mut second) = (0.0f64, 0.0f64);
        for key in keys.chunk_by(|x, y| x.0 == y.0) {
            let nats: f64 = key.iter().map(|(_, nats)| f64::from(*nats)).sum();
            second = second.max(nats.min(best));
            best = best.max(nats);
        }
        second / members.len() as f64
    }

    pub(crate) fn len(&self) -> usize {
        self.ties.len()
    }

    pub(crate) fn get(&self, a: AccountId, b: AccountId) -> Option<&Tie> {
        self.ties.get(&(a.min(b), a.max(b)))
    }

    /// All ties, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Pair, &Tie)> {
        self.ties.iter().map(|(pair, tie)| (*pair, tie))
    }
}

/// One kind's part of a tie.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct KindTie {
    pub kind: TraceKind,
    pub co_acts: u32,
    pub distinct_keys: u32,
    pub nats: f64,
    pub median_lag_s: f64,
}

impl Tie {
    fn proposes(&self, co_acts: u32, nats: f64) -> bool {
        self.nats >= nats && distinct(self.co_acts.iter().map(|c| c.key).collect()) >= co_acts
    }

    /// Credited co-acts.
    pub(crate) fn co_acts(&self) -> usize {
        self.co_acts.len()
    }

    /// The tie's co-acts by kind.
    pub(crate) fn by_kind(&self) -> impl Iterator<Item = KindTie> + '_ {
        TraceKind::ALL.into_iter().filter_map(|kind| {
            let of_kind = || self.co_acts.iter().filter(move |c| c.kind == kind);
            let mut lags: Vec<u32> = of_kind().map(|c| c.lag).collect();
            lags.sort_unstable();
            let middle = lags.len().checked_sub(1)?;
            Some(KindTie {
                kind,
                co_acts: lags.len() as u32,
                distinct_keys: distinct(of_kind().map(|c| c.key).collect()),
                nats: of_kind().map(|c| f64::from(c.nats)).sum(),
                median_lag_s: (f64::from(lags[middle / 2]) + f64::from(lags[middle.div_ceil(2)])) / 2_000.0,
            })
        })
    }
}

/// The order in which ties join groups.
pub(crate) fn strongest_first(x: &(f64, Pair), y: &(f64, Pair)) -> std::cmp::Ordering {
    y.0.total_cmp(&x.0).then(x.1.cmp(&y.1))
}

/// Groups of at least `least` and at most `most` accounts joined by ties, which come strongest first. Two groups are joined where ties run
/// between at least [`DENSITY`] of their pairs (average linkage). Each in order, in the order of their least members.
pub(crate) fn communities(ties: &[(f64, Pair)], least: usize, most: usize) -> Vec<Vec<AccountId>> {
    let mut places: Map<AccountId, u32> = Map::default();
    let mut accounts = Vec::new();
    let mut place = |account: AccountId| {
        *places.entry(account).or_insert_with(|| {
            accounts.push(account);
            accounts.len() as u32 - 1
        })
    };
    let ties: Vec<(u32, u32)> = ties.iter().map(|(_, (a, b))| (place(*a), place(*b))).collect();
    let mut linkage = Linkage::new(accounts.len(), &ties);
    for &(a, b) in &ties {
        linkage.join(a, b, most);
    }
    let mut groups: Vec<Vec<AccountId>> = (0..accounts.len() as u32)
        .filter(|&group| linkage.group_of[group as usize] == group && linkage.sizes[group as usize] as usize >= least)
        .map(|group| {
            let mut members: Vec<AccountId> = linkage.members(group).map(|member| accounts[member as usize]).collect();
            members.sort_unstable();
            members
        })
        .collect();
    groups.sort_unstable();
    groups
}

/// Accounts, by place, in groups, and the ties of each. A group is named by one of its members.
struct Linkage {
    group_of: Vec<u32>,
    /// The next member of each one's group, in a circle.
    next: Vec<u32>,
    /// By group: members, and the ends of their ties.
    sizes: Vec<u32>,
    ends: Vec<u32>,
    /// Whom each is tied to: from where in `others` to where the next one's begin.
    begins: Vec<u32>,
    others: Vec<u32>,
}

impl Linkage {
    /// Every account in a group of its own.
    fn new(accounts: usize, ties: &[(u32, u32)]) -> Linkage {
        let mut ends = vec![0; accounts];
        for &(a, b) in ties {
            ends[a as usize] += 1;
            ends[b as usize] += 1;
        }
        let begins: Vec<u32> = std::iter::once(0)
            .chain(ends.iter().scan(0, |sum, count| {
                *sum += count;
                Some(*sum)
            }))
            .collect();
        let mut filled = begins.clone();
        let mut others = vec![0; 2 * ties.len()];
        for &(a, b) in ties {
            for (one, other) in [(a, b), (b, a)] {
                let place = &mut filled[one as usize];
                others[*place as usize] = other;
                *place += 1;
            }
        }
        let names: Vec<u32> = (0..accounts as u32).collect();
        Linkage { group_of: names.clone(), next: names, sizes: vec![1; accounts], ends, begins, others }
    }

    /// Joins the groups of two accounts where they have ties enough.
    fn join(&mut self, a: u32, b: u32, most: usize) {
        let (a, b) = (self.group_of[a as usize], self.group_of[b as usize]);
        let (many, few) = (self.sizes[a as usize] as usize, self.sizes[b as usize] as usize);
        if a == b || few + many > most || f64::from(self.between(a, b)) < DENSITY * (few * many) as f64 {
            return;
        }
        let (small, large) = if few <= many { (b, a) } else { (a, b) };
        let mut member = small;
        loop {
            self.group_of[member as usize] = large;
            member = self.next[member as usize];
            if member == small {
                break;
            }
        }
        self.next.swap(small as usize, large as usize);
        self.sizes[large as usize] += self.sizes[small as usize];
        self.ends[large as usize] += self.ends[small as usize];
    }

    /// Ties between two groups, counted from the side that has fewer.
    fn between(&self, a: u32, b: u32) -> u32 {
        let (from, to) = if self.ends[a as usize] <= self.ends[b as usize] { (a, b) } else { (b, a) };
        let ties = self.members(from).flat_map(|member| {
            let member = member as usize;
            &self.others[self.begins[member] as usize..self.begins[member + 1] as usize]
        });
        ties.filter(|other| self.group_of[**other as usize] == to).count() as u32
    }

    fn members(&self, group: u32) -> impl Iterator<Item = u32> + '_ {
        let mut at = Some(group);
        std::iter::from_fn(move || {
            let member = at?;
            at = Some(self.next[member as usize]).filter(|next| *next != group);
            Some(member)
        })
    }
}

fn distinct(mut keys: Vec<KeyId>) -> u32 {
    keys.sort_unstable();
    keys.dedup();
    keys.len() as u32
}

/// Disjoint sets (union by size). A number never seen is a set of its own.
#[derive(Default)]
pub(crate) struct Groups {
    parents: Map<u32, u32>,
    sizes: Map<u32, usize>,
}

impl Groups {
    /// The member that stands for a number's set.
    pub(crate) fn root(&mut self, member: u32) -> u32 {
        let mut root = member;
        while let Some(&parent) = self.parents.get(&root) {
            root = parent;
        }
        let mut at = member;
        while at != root {
            at = self.parents.insert(at, root).unwrap_or(root);
        }
        root
    }

    fn size(&self, root: u32) -> usize {
        self.sizes.get(&root).copied().unwrap_or(1)
    }

    /// Unites two sets, unless the union would have more than `most` members.
    pub(crate) fn join(&mut self, a: u32, b: u32, most: usize) {
        let (a, b) = (self.root(a), self.root(b));
        let together = self.size(a) + self.size(b);
        if a != b && together <= most {
            let (child, root) = if self.size(a) < self.size(b) { (a, b) } else { (b, a) };
            self.parents.insert(child, root);
            self.sizes.insert(root, together);
        }
    }

    /// The united sets of at least `least` members, each in order, in the order of their least members.
    pub(crate) fn sets(mut self, least: usize) -> Vec<Vec<u32>> {
        let mut members: Vec<u32> = self.parents.keys().chain(self.sizes.keys()).copied().collect();
        members.sort_unstable();
        members.dedup();
        let mut sets: Map<u32, Vec<u32>> = Map::default();
        for member in members {
            let root = self.root(member);
            sets.entry(root).or_default().push(member);
        }
        let mut sets: Vec<Vec<u32>> = sets.into_values().filter(|set| set.len() >= least).collect();
        sets.sort_unstable();
        sets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Millis = 60_000;

    fn ties() -> Ties {
        Ties::new(&Params::default())
    }

    fn credit(t: &mut Ties, pair: Pair, at: Millis, key: KeyId, nats: f64, lag: Millis) {
        t.credit(&stage::CoAct { turn: 0, at, pair, kind: TraceKind::Url, key, lag, nats });
    }

    #[test]
    fn a_pair_earns_once_in_thirty_minutes() {
        let mut t = ties();
        credit(&mut t, (2, 1), 0, 1, 5.0, 2_000);
        credit(&mut t, (1, 2), 29 * MINUTE, 2, 50.0, 0);
        credit(&mut t, (1, 2), 30 * MINUTE, 3, 4.0, 5_000);
        credit(&mut t, (1, 2), 90 * MINUTE, 3, 0.9, 0);
        let kinds: Vec<KindTie> = t.get(2, 1).expect("a tie").by_kind().collect();
        assert_eq!(
            kinds,
            [KindTie { kind: TraceKind::Url, co_acts: 2, distinct_keys: 2, nats: 9.0, median_lag_s: 3.5 }]
        );
    }

    #[test]
    fn strong_ties_on_distinct_keys_propose_a_group_once() {
        let mut t = ties();
        for (n, pair) in [(1, 2), (2, 3), (8, 9)].into_iter().enumerate() {
            for key in 0..2 {
                credit(&mut t, (pair.0, pair.1), key as Millis * 40 * MINUTE, key + 10 * n as u64, 5.0, 0);
            }
        }
        for _ in 0..3 {
            credit(&mut t, (3, 4), 0, 7, 9.0, 0); // strong, but all on one key
        }
        assert_eq!(t.groups(3, 60), [[1, 2, 3]]);
        assert_eq!(t.groups(3, 60), Vec::<Vec<AccountId>>::new());
    }

    /// Ties every pair of these accounts strongly, with so many nats a key.
    fn clique(t: &mut Ties, accounts: &[u32], nats: f64) {
        for (i, a) in accounts.iter().enumerate() {
            for b in &accounts[i + 1..] {
                for key in 0..2 {
                    credit(t, (*a, *b), key * 40 * MINUTE, key as u64, nats, 0);
                }
            }
        }
    }

    #[test]
    fn groups_stop_growing_at_the_bound_strongest_first() {
        let mut t = ties();
        clique(&mut t, &[0, 1, 2], 5.0);
        clique(&mut t, &[3, 4, 5], 9.0);
        clique(&mut t, &[2, 3, 4, 5], 7.0);
        assert_eq!(t.groups(3, 4), [vec![2, 3, 4, 5]]);
    }

    #[test]
    fn a_chain_of_chance_ties_is_no_group() {
        let mut t = ties();
        for a in 0..30 {
            clique(&mut t, &[a, a + 1], 5.0);
        }
        clique(&mut t, &[40, 41, 42, 43, 44], 5.0);
        let groups = t.groups(3, 60);
        assert!(groups.contains(&vec![40, 41, 42, 43, 44]));
        assert!(groups.iter().all(|group| group.len() <= 5), "{groups:?}");
    }

    #[test]
    fn force_is_what_a_group_did_on_its_second_key() {
        let mut t = ties();
        clique(&mut t, &[0, 1, 2], 5.0); // three pairs on each of two keys
        credit(&mut t, (0, 1), 200 * MINUTE, 9, 90.0, 0);
        assert!((t.force(&[0, 1, 2]) - 5.0).abs() < 1e-6);
        assert!(t.force(&[0, 9]).abs() < 1e-12);
    }

    #[test]
    fn the_weakest_ties_go_first() {
        let mut t =
            Ties::new(&Params { limits: crate::Limits { ties: 10, ..Params::default().limits }, ..Params::default() });
        for i in 0..20 {
            credit(&mut t, (i, i + 100), 0, 1, f64::from(i + 1), 0);
        }
        assert_eq!(t.tidy(0), 11);
        assert_eq!(t.len(), 9);
        assert!(t.get(19, 119).is_some() && t.get(3, 103).is_none());
        t.tidy(15 * 24 * 60 * MINUTE);
        assert_eq!(t.len(), 0);
    }
}
