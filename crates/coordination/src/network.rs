//! The network of ties, and the groups that it proposes.
//!
//! **Ties.** Two accounts are tied if the number n of keys that both used within a day of each other, over seven days, beats a Poisson
//! variable of mean a b sum(d^2) / sum(d)^2 at p < 1e-5, with a and b the uses of either account and d the accounts of each key: both
//! margins. Keys of more than 400 accounts are not counted in n, and n is two or more. Connected components, their communities and their
//! cores are groups.
//!
//! **Copiers** (`copiers`): accounts that repeat others' own words, linked where they used one text; components are groups.

mod bounds;
mod common;

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::hash_map::Entry;
use serde::{Deserialize, Serialize};

use self::common::{Common, InCommon};
use crate::{
    account_set::AccountSet,
    accounts::AccountId,
    communities::Graph,
    copiers::Copiers,
    hash::{Map, Set},
    params::Params,
    past::Past,
    post::{DAY, HOUR, Millis},
    tie::{Edge, Pair, poisson_nats},
    trace::TraceKind,
    uses::{Trial, Uses},
};

/// Keys in common that are remembered per pair: a pair that has so many is tied in any case.
const MOST_KEYS: usize = 64;
/// Least keys in common of a tie.
const LEAST: usize = 2;
/// Strengths of ties, nats, whose components are groups too.
const STRONG: [f64; 3] = [20.0, 40.0, 80.0];
/// Accounts of a large component, and the part of it, one in so many, that must have changed for it to be looked at again.
const LARGE: usize = 200;
const WAITS: usize = 10;
/// Neighbours that each account of a core has in it.
const CORE: usize = 3;

/// An account that another is tied to. Of a tie the lesser account knows its strength; in a snapshot nobody does.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(from = "AccountId", into = "AccountId")]
pub(crate) struct Neighbour {
    pub account: AccountId,
    keys: u32,
    pub nats: f64,
}

impl From<AccountId> for Neighbour {
    fn from(account: AccountId) -> Neighbour {
        Neighbour { account, keys: 0, nats: 0.0 }
    }
}

impl From<Neighbour> for AccountId {
    fn from(neighbour: Neighbour) -> AccountId {
        neighbour.account
    }
}

/// The tie network.
#[derive(Serialize, Deserialize)]
pub(crate) struct Network {
    pairs: Map<Pair, InCommon>,
    /// Pairs with a new key in common since groups were last proposed.
    fresh: Set<Pair>,
    edges: Map<Pair, Edge>,
    /// In order.
    neighbours: Map<AccountId, Vec<Neighbour>>,
    copiers: Copiers,
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

impl Network {
    pub(crate) fn new() -> Network {
        Network {
            pairs: Map::default(),
            fresh: Set::default(),
            edges: Map::default(),
            neighbours: Map::default(),
            copiers: Copiers::default(),
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
            if text && self.copiers.text(at, account, key.uses.iter().rev().take(params.ring + 1)) {
                self.changed.insert(account);
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
                        pair.insert(InCommon::One(common));
                    }
                    Entry::Occupied(mut pair) => {
                        let known = pair.get_mut();
                        if known.len() < MOST_KEYS && known.as_slice().iter().all(|known| known.key != used.key) {
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

    /// The groups of both networks in which something has changed, each in order.
    pub(crate) fn propose(&mut self, now: Millis, uses: &Uses, params: &Params) -> Vec<Vec<AccountId>> {
        self.settle_edges(now, uses, params);
        self.settle_copiers(params);
        if self.changed.is_empty() && !self.changed_copiers {
            return Vec::new();
        }
        let mut groups = Vec::new();
        // Components of ties with a changed account.
        let mut seen = AccountSet::default();
        let changed = std::mem::take(&mut self.changed);
        let mut has_changed = AccountSet::default();
        for &account in &changed {
            has_changed.insert(account);
        }
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
                    if seen.insert(other.account) {
                        component.push(other.account);
                    }
                }
            }
            // A large component waits until a part of it has changed, or for two hours: most of what it proposes would not be new.
            let moved: Vec<AccountId> =
                component.iter().filter(|account| has_changed.contains(**account)).copied().collect();
            if component.len() > LARGE && moved.len() * WAITS < component.len() && !long {
                self.changed.extend(moved);
                continue;
            }
            self.next_component += 1;
            for account in &component {
                self.tied.insert(*account, self.next_component);
            }
            component.sort_unstable();
            let graph = Graph::new(component, |account, later| {
                let others = self.neighbours.get(&account).map_or(&[][..], Vec::as_slice);
                let others = &others[others.partition_point(|other| other.account < account)..];
                later.extend(others.iter().map(|other| (other.account, f64::from(other.keys), other.nats)));
            });
            let parts = graph.communities().into_iter().chain([graph.all()]).chain(graph.cores(CORE));
            groups.extend(parts.map(|part| graph.accounts(&part)));
            // Who act together often are held together by their strongest ties, whatever weak ones chain them to.
            for least in STRONG {
                let strong = graph.strong_components(least);
                if strong.is_empty() {
                    break;
                }
                groups.extend(strong.iter().map(|part| graph.accounts(part)));
            }
        }
        // Components of copiers, all of them: the network is small.
        if std::mem::take(&mut self.changed_copiers) {
            self.linked.clear();
            let graph = self.copiers.graph();
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
                common.forget(oldest);
                if let (Some(past), Some(edge)) = (&mut self.past, self.edges.get(&pair))
                    && common.len() < before
                {
                    past.keep(pair, *edge);
                }
                let counted = || common.as_slice().iter().filter(|common| uses.degree(common.key) <= params.popular);
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
                    self.know(pair.0, Neighbour { account: pair.1, keys: edge.keys, nats: edge.nats });
                    if before.is_none() {
                        self.know(pair.1, pair.0.into());
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

    fn know(&mut self, account: AccountId, neighbour: Neighbour) {
        let known = self.neighbours.entry(account).or_default();
        match known.binary_search_by_key(&neighbour.account, |known| known.account) {
            Ok(place) => known[place] = neighbour,
            Err(place) => known.insert(place, neighbour),
        }
    }

    /// Works out what a snapshot does not hold.
    pub(crate) fn restored(&mut self) {
        let Network { neighbours, edges, .. } = self;
        for (account, neighbours) in neighbours {
            neighbours.sort_unstable_by_key(|other| other.account);
            for other in neighbours {
                if let Some(edge) = edges.get(&(*account, other.account)) {
                    (other.keys, other.nats) = (edge.keys, edge.nats);
                }
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
                known.get_mut().retain(|other| other.account != two);
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
            self.changed_copiers |= self.copiers.settle(*account, params);
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

    /// Accounts tied to an account, in order.
    pub(crate) fn neighbours(&self, account: AccountId) -> &[Neighbour] {
        self.neighbours.get(&account).map_or(&[], Vec::as_slice)
    }

    /// Own texts of every account, and how many of them repeat another's, by account.
    pub(crate) fn copying(&self) -> Vec<(AccountId, u32, u32)> {
        let mut all: BTreeMap<AccountId, (u32, u32)> = self.copiers.counts().collect();
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

#[cfg(test)]
mod tests;
