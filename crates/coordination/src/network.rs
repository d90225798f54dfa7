//! The network of ties, and the groups that it proposes.
//!
//! **Ties.** Two accounts are tied if the number n of keys that both used within a day of each other, over seven days, beats a Poisson
//! variable of mean a b sum(d^2) / sum(d)^2 at p < 1e-5, with a and b the uses of either account and d the accounts of each key: both
//! margins. Keys of more than 400 accounts are not counted in n, and n is two or more. Connected components, their communities and their
//! cores are groups.
//!
//! **Copiers.** An account at least two and at least a fifth of whose own texts repeat another account's of the day before is a copier.
//! Copiers are linked where they used one text; components are groups.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::hash_map::Entry;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::{
    accounts::AccountId,
    communities::Graph,
    hash::{Map, Set},
    params::Params,
    post::{DAY, HOUR, Millis},
    trace::TraceKind,
    uses::{KeyId, Trial, Uses},
};

/// Two accounts, the lesser first.
pub(crate) type Pair = (AccountId, AccountId);

/// Keys in common that are remembered per pair: a pair that has so many is tied in any case.
const MOST_KEYS: usize = 64;
/// Accounts linked to one copier that are remembered, the newest.
const MOST_LINKS: usize = 256;
/// Least keys in common of a tie, and least copies of a copier.
const LEAST: usize = 2;
/// Strengths of ties, nats, whose components are groups too.
const STRONG: [f64; 3] = [20.0, 40.0, 80.0];
/// Accounts of a large component, and the part of it, one in so many, that must have changed for it to be looked at again.
const LARGE: usize = 200;
const WAITS: usize = 10;
/// Neighbours that each account of a core has in it.
const CORE: usize = 3;

/// A key that two accounts used within a day of each other.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Common {
    key: KeyId,
    at: Millis,
    /// Time between the two uses, seconds.
    lag: u32,
    kind: TraceKind,
}

/// A tie of the network.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Edge {
    /// Keys in common.
    pub keys: u32,
    /// Their mean number by chance.
    pub expected: f64,
    /// -ln of the chance of so many or more.
    pub nats: f64,
    pub kind: TraceKind,
    /// Median time between the two uses, seconds.
    pub lag: f64,
}

/// Own texts of an account by day, and those that repeat another's.
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

/// The tie network.
#[derive(Serialize, Deserialize)]
pub(crate) struct Network {
    pairs: Map<Pair, SmallVec<[Common; 1]>>,
    /// Pairs with a new key in common since groups were last proposed.
    fresh: Set<Pair>,
    edges: Map<Pair, Edge>,
    neighbours: Map<AccountId, Vec<AccountId>>,
    copying: Map<AccountId, Copying>,
    copiers: BTreeSet<AccountId>,
    /// Accounts whose place in either network has changed since groups were last proposed.
    changed: BTreeSet<AccountId>,
    changed_copiers: bool,
    /// The component of every account in the network of ties, and in that of copiers.
    tied: Map<AccountId, u64>,
    linked: Map<AccountId, u64>,
    next_component: u64,
    too_large: u64,
    evicted: u64,
    next_sweep: Millis,
    /// When large components were last looked at whatever had changed of them.
    looked_at: Millis,
    /// `None` where the past is forgotten, as in service. No part of a snapshot.
    #[serde(skip)]
    past: Option<Past>,
}

/// What is older than retention, kept for whoever tells of a whole stream at its end.
#[derive(Default)]
struct Past {
    /// Ties whose accounts have had too few keys in common since, each as it was at its strongest.
    ties: Map<Pair, Edge>,
    /// Own texts of accounts, and those that repeat another's.
    copies: Map<AccountId, (u32, u32)>,
}

impl Past {
    fn keep(&mut self, pair: Pair, edge: Edge) {
        let known = self.ties.entry(pair).or_insert(edge);
        if edge.nats > known.nats {
            *known = edge;
        }
    }

    /// Drops the weakest ties where there are too many; returns how many.
    fn bound(&mut self, most: usize) -> u64 {
        if self.ties.len() <= most {
            return 0;
        }
        let surplus = self.ties.len() - (most - most / 10);
        let mut order: Vec<(f64, Pair)> = self.ties.iter().map(|(pair, edge)| (edge.nats, *pair)).collect();
        order.sort_unstable_by(|x, y| x.0.total_cmp(&y.0).then(x.1.cmp(&y.1)));
        for (_, pair) in order.iter().take(surplus) {
            self.ties.remove(pair);
        }
        surplus as u64
    }
}

impl Network {
    pub(crate) fn new() -> Network {
        Network {
            pairs: Map::default(),
            fresh: Set::default(),
            edges: Map::default(),
            neighbours: Map::default(),
            copying: Map::default(),
            copiers: BTreeSet::new(),
            changed: BTreeSet::new(),
            changed_copiers: false,
            tied: Map::default(),
            linked: Map::default(),
            next_component: 0,
            too_large: 0,
            evicted: 0,
            next_sweep: Millis::MIN,
            looked_at: 0,
            past: None,
        }
    }

    /// Keeps ties and counts of copies that are older than retention from here on.
    pub(crate) fn keep_past(&mut self) {
        self.past.get_or_insert_default();
    }

    /// Takes in a post that [`Uses`] has just taken in. Costs time in proportion to the rings of its keys.
    pub(crate) fn trial(&mut self, trial: &Trial, uses: &Uses, params: &Params) {
        let (at, account) = (trial.at, trial.account);
        for used in &trial.uses {
            let Some(key) = uses.key(used.key) else { continue };
            let text = used.name.kind == TraceKind::Text;
            if text {
                self.copy(at, account, key.uses.iter().rev().take(params.ring + 1));
            }
            if key.uses.len() > params.popular {
                continue;
            }
            for &(then, other) in key.uses.iter().rev().take(params.ring + 1) {
                let lag = (at - then).abs();
                if lag > DAY {
                    break;
                }
                if other == account {
                    continue;
                }
                let common =
                    Common { key: used.key, at: at.max(then), lag: (lag / 1_000) as u32, kind: used.name.kind };
                match self.pairs.entry((account.min(other), account.max(other))) {
                    Entry::Vacant(pair) => {
                        pair.insert(SmallVec::from_buf([common]));
                    }
                    Entry::Occupied(mut pair) => {
                        let known = pair.get_mut();
                        if known.len() < MOST_KEYS && known.iter().all(|known| known.key != used.key) {
                            known.push(common);
                            // A pair with many keys in common is tied: it is looked at again when their number has doubled.
                            if known.len() < 8 || known.len().is_power_of_two() {
                                self.fresh.insert(*pair.key());
                            }
                        }
                    }
                }
            }
        }
    }

    fn copy<'u>(&mut self, at: Millis, account: AccountId, users: impl Iterator<Item = &'u (Millis, AccountId)>) {
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
        if !others.is_empty() {
            self.changed.insert(account);
        }
        for other in others {
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
    }

    /// The groups of both networks in which something has changed, each in order.
    pub(crate) fn propose(&mut self, now: Millis, uses: &Uses, params: &Params) -> Vec<Vec<AccountId>> {
        self.settle_edges(now, uses, params);
        self.settle_copiers(params);
        if self.changed.is_empty() && !self.changed_copiers {
            return Vec::new();
        }
        let mut groups = Vec::new();
        // Components of ties with a changed account.
        let mut seen: Set<AccountId> = Set::default();
        let changed = std::mem::take(&mut self.changed);
        let long = now - self.looked_at >= 2 * HOUR;
        if long {
            self.looked_at = now;
        }
        for &start in &changed {
            if !self.neighbours.contains_key(&start) || !seen.insert(start) {
                continue;
            }
            let mut component = vec![start];
            let mut next = 0;
            while let Some(account) = component.get(next).copied() {
                next += 1;
                for other in self.neighbours.get(&account).into_iter().flatten() {
                    if seen.insert(*other) {
                        component.push(*other);
                    }
                }
            }
            // A large component waits until a part of it has changed, or for two hours: most of what it proposes would not be new.
            let moved: Vec<AccountId> = component.iter().filter(|account| changed.contains(account)).copied().collect();
            if component.len() > LARGE && moved.len() * WAITS < component.len() && !long {
                self.changed.extend(moved);
                continue;
            }
            self.next_component += 1;
            for account in &component {
                self.tied.insert(*account, self.next_component);
            }
            let pairs = component.iter().flat_map(|account| {
                let others = self.neighbours.get(account).into_iter().flatten();
                others.filter(move |other| account < other).map(move |other| (*account, *other))
            });
            let pairs: Vec<Pair> = pairs.collect();
            let edge = |pair: &Pair| self.edges.get(pair).copied();
            let weighted = |pair: &Pair| (pair.0, pair.1, edge(pair).map_or(0.0, |edge| f64::from(edge.keys)));
            let graph = Graph::new(pairs.iter().map(weighted));
            let all: Vec<u32> = (0..graph.nodes.len() as u32).collect();
            let parts = graph.communities().into_iter().chain([all]).chain(graph.cores(CORE));
            groups.extend(parts.map(|part| graph.accounts(&part)));
            // Who act together often are held together by their strongest ties, whatever weak ones chain them to.
            for least in STRONG {
                let strong = pairs.iter().filter(|pair| edge(pair).is_some_and(|edge| edge.nats >= least));
                let graph = Graph::new(strong.map(weighted));
                if graph.nodes.is_empty() {
                    break;
                }
                groups.extend(graph.components().iter().map(|part| graph.accounts(part)));
            }
        }
        // Components of copiers, all of them: the network is small.
        if std::mem::take(&mut self.changed_copiers) {
            self.linked.clear();
            let mut linked: Vec<(AccountId, AccountId, f64)> = Vec::new();
            for account in &self.copiers {
                let links = self.copying.get(account).into_iter().flat_map(|known| &known.links);
                let others = links.map(|(other, _)| *other).filter(|other| self.copiers.contains(other));
                linked.extend(others.filter(|other| account < other).map(|other| (*account, other, 1.0)));
            }
            let graph = Graph::new(linked.into_iter());
            for part in graph.components() {
                let accounts = graph.accounts(&part);
                self.next_component += 1;
                for account in &accounts {
                    self.linked.insert(*account, self.next_component);
                }
                groups.push(accounts);
            }
        }
        groups.retain(|group| group.len() >= params.min_members);
        self.too_large += groups.iter().filter(|group| group.len() > params.max_members).count() as u64;
        groups.retain(|group| group.len() <= params.max_members);
        groups
    }

    fn settle_edges(&mut self, now: Millis, uses: &Uses, params: &Params) {
        let coincidence = uses.coincidence();
        let mut fresh: Vec<Pair> = self.fresh.drain().collect();
        fresh.sort_unstable();
        let oldest = now - params.retention;
        for pair in fresh {
            let edge = self.pairs.get_mut(&pair).and_then(|common| {
                let before = common.len();
                common.retain(|common| common.at >= oldest);
                if let (Some(past), Some(edge)) = (&mut self.past, self.edges.get(&pair))
                    && common.len() < before
                {
                    past.keep(pair, *edge);
                }
                let counted = || common.iter().filter(|common| uses.degree(common.key) <= params.popular);
                let keys = counted().count();
                let expected = f64::from(uses.activity(pair.0)) * f64::from(uses.activity(pair.1)) * coincidence;
                let nats = (keys >= LEAST && expected < keys as f64).then(|| poisson_nats(keys as u32, expected))?;
                if nats <= -params.tie_chance.ln() {
                    return None;
                }
                let mut lags: Vec<u32> = counted().map(|common| common.lag).collect();
                lags.sort_unstable();
                let lag = f64::from(lags[(keys - 1) / 2] + lags[keys / 2]) / 2.0;
                let of = |kind: TraceKind| counted().filter(|common| common.kind == kind).count();
                let kind = TraceKind::ALL.into_iter().rev().max_by_key(|kind| of(*kind))?;
                Some(Edge { keys: keys as u32, expected, nats, kind, lag })
            });
            match edge {
                Some(edge) => {
                    let before = self.edges.insert(pair, edge);
                    if before.is_none() {
                        self.neighbours.entry(pair.0).or_default().push(pair.1);
                        self.neighbours.entry(pair.1).or_default().push(pair.0);
                    }
                    // A tie that is only a little stronger changes no group.
                    let class = |edge: &Edge| {
                        (edge.keys.ilog2(), STRONG.iter().take_while(|least| edge.nats >= **least).count())
                    };
                    if before.is_none_or(|before| class(&before) != class(&edge)) {
                        self.changed.extend([pair.0, pair.1]);
                    }
                }
                None => self.cut(pair),
            }
        }
    }

    /// Two accounts are tied no longer.
    fn cut(&mut self, pair: Pair) {
        if self.edges.remove(&pair).is_none() {
            return;
        }
        for (one, two) in [pair, (pair.1, pair.0)] {
            if let Entry::Occupied(mut known) = self.neighbours.entry(one) {
                known.get_mut().retain(|other| *other != two);
                if known.get().is_empty() {
                    known.remove();
                    self.tied.remove(&one);
                }
            }
            self.changed.insert(one);
        }
    }

    /// Two accounts have had too few keys in common of late.
    fn leave(&mut self, pair: Pair) {
        if let (Some(past), Some(edge)) = (&mut self.past, self.edges.get(&pair)) {
            past.keep(pair, *edge);
        }
        self.cut(pair);
    }

    fn settle_copiers(&mut self, params: &Params) {
        for account in &self.changed {
            let (texts, copies) = self.copying.get(account).map_or((0, 0), Copying::counts);
            let copier = copies as usize >= LEAST && f64::from(copies) >= params.copier_share * f64::from(texts);
            let changed = if copier { self.copiers.insert(*account) } else { self.copiers.remove(account) };
            // New links of a copier change the network too.
            self.changed_copiers |= changed || copier;
        }
    }

    /// The account's components, of ties and of copiers, as of the last proposal.
    pub(crate) fn components(&self, account: AccountId) -> [Option<u64>; 2] {
        [self.tied.get(&account).copied(), self.linked.get(&account).copied()]
    }

    /// Raised whenever a component has changed.
    pub(crate) fn generation(&self) -> u64 {
        self.next_component
    }

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
            common.retain(|common| common.at >= oldest);
            let kept = !common.is_empty();
            if common.len() < LEAST && edges.contains_key(pair) {
                gone.push(*pair);
            }
            kept
        });
        gone.sort_unstable();
        gone.into_iter().for_each(|pair| self.leave(pair));
        if self.pairs.len() > params.limits.ties {
            let age = |common: &SmallVec<[Common; 1]>| common.last().map_or(Millis::MIN, |common| common.at);
            let mut order: Vec<(bool, Millis, Pair)> =
                self.pairs.iter().map(|(pair, common)| (common.len() >= LEAST, age(common), *pair)).collect();
            let surplus = self.pairs.len() - (params.limits.ties - params.limits.ties / 10);
            order.select_nth_unstable(surplus - 1);
            let mut gone: Vec<Pair> = order[..surplus].iter().map(|(.., pair)| *pair).collect();
            gone.sort_unstable();
            self.evicted += gone.len() as u64;
            for pair in gone {
                self.pairs.remove(&pair);
                self.leave(pair);
            }
        }
        self.evicted += self.past.as_mut().map_or(0, |past| past.bound(params.limits.ties));
        let day = oldest.div_euclid(DAY);
        let mut quiet: Vec<AccountId> = Vec::new();
        let past = &mut self.past;
        self.copying.retain(|account, known| {
            if let Some(past) = past {
                for (_, texts, copies) in known.days.iter().filter(|known| known.0 < day) {
                    let sum = past.copies.entry(*account).or_default();
                    *sum = (sum.0 + texts, sum.1 + copies);
                }
            }
            known.days.retain(|known| known.0 >= day);
            known.links.retain(|(_, last)| *last >= oldest);
            if known.days.is_empty() {
                quiet.push(*account);
            }
            !known.days.is_empty() || !known.links.is_empty()
        });
        quiet.sort_unstable();
        for account in quiet {
            self.changed_copiers |= self.copiers.remove(&account);
        }
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
            self.copying.remove(account);
            self.changed_copiers |= self.copiers.remove(account);
            self.tied.remove(account);
            self.linked.remove(account);
        }
        for known in self.copying.values_mut() {
            known.links.retain(|(other, _)| !gone(other));
        }
    }

    /// All ties, by pair; with those of the [past](Self::keep_past) where it is kept, each as it was at its strongest.
    pub(crate) fn edges(&self) -> Vec<(Pair, Edge)> {
        let past = self.past.iter().flat_map(|past| &past.ties);
        let stronger = |pair: &Pair, edge: &Edge| self.edges.get(pair).is_none_or(|now| edge.nats > now.nats);
        let past = past.filter(|(pair, edge)| stronger(pair, edge)).map(|(pair, edge)| (*pair, *edge));
        let weaker = |pair: &Pair, edge: &Edge| {
            self.past.iter().any(|past| past.ties.get(pair).is_some_and(|then| then.nats > edge.nats))
        };
        let now = self.edges.iter().filter(|(pair, edge)| !weaker(pair, edge)).map(|(pair, edge)| (*pair, *edge));
        let mut edges: Vec<(Pair, Edge)> = now.chain(past).collect();
        edges.sort_unstable_by_key(|(pair, _)| *pair);
        edges
    }

    /// The tie of two accounts.
    pub(crate) fn edge(&self, pair: Pair) -> Option<&Edge> {
        self.edges.get(&pair)
    }

    /// Accounts tied to an account.
    pub(crate) fn neighbours(&self, account: AccountId) -> &[AccountId] {
        self.neighbours.get(&account).map_or(&[], Vec::as_slice)
    }

    /// Own texts of every account, and how many of them repeat another's, by account.
    pub(crate) fn copying(&self) -> Vec<(AccountId, u32, u32)> {
        let mut all: BTreeMap<AccountId, (u32, u32)> =
            self.copying.iter().map(|(account, known)| (*account, known.counts())).collect();
        for (account, (texts, copies)) in self.past.iter().flat_map(|past| &past.copies) {
            let sum = all.entry(*account).or_default();
            *sum = (sum.0 + texts, sum.1 + copies);
        }
        all.into_iter().map(|(account, (texts, copies))| (account, texts, copies)).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.pairs.len()
    }

    pub(crate) fn too_large(&self) -> u64 {
        self.too_large
    }

    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }
}

/// -ln of the chance that a Poisson variable of this mean is `n` or more, where the mean is below `n`.
pub(crate) fn poisson_nats(n: u32, mean: f64) -> f64 {
    let mean = mean.max(1e-300);
    let n = f64::from(n);
    let ln_factorial: f64 = (2..=n as u32).map(|k| f64::from(k).ln()).sum();
    // The first term, and the sum of all as a multiple of it.
    let (mut sum, mut term, mut k) = (1.0, 1.0, n);
    while term > sum * 1e-15 {
        k += 1.0;
        term *= mean / k;
        sum += term;
    }
    mean - n * mean.ln() + ln_factorial - f64::ln(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_are_those_of_the_tables() {
        for (n, mean, chance) in [(2, 0.1, 0.00467884), (3, 1.0, 0.0803014), (10, 4.0, 0.00813224), (2, 1e-6, 5e-13)] {
            let got = (-poisson_nats(n, mean)).exp();
            assert!((got / chance - 1.0).abs() < 1e-4, "{n} {mean}: {got}");
        }
    }
}
