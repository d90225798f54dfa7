//! Living groups, and which of them a post touches.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::{
    accounts::AccountId,
    group::{Components, Group, GroupId, Touches},
    hash::Map,
    network::Network,
    params::Params,
    ticks::Ticks,
    trace::TraceKind,
    uses::{KeyId, Trial},
};

/// The living groups that one thread works on. A post touches only groups that hold one of its keys, and those that its account is in or near.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct ThreadGroups {
    groups: Map<GroupId, Box<Group>>,
    of: Map<AccountId, SmallVec<[GroupId; 2]>>,
    holders: Map<KeyId, SmallVec<[GroupId; 2]>>,
    near: Map<AccountId, SmallVec<[GroupId; 2]>>,
    /// Groups with a trial that was not judged yet.
    fresh: Vec<GroupId>,
    /// Accounts of the largest group.
    largest: usize,
}

impl Components for Network {
    fn components(&self, account: AccountId) -> [Option<u64>; 2] {
        Network::components(self, account)
    }

    fn generation(&self) -> u64 {
        Network::generation(self)
    }
}

impl ThreadGroups {
    /// Takes in posts in the order of their turns.
    pub(crate) fn posts(&mut self, trials: &[Trial], ticks: &Ticks, network: &Network, params: &Params) {
        if self.groups.is_empty() {
            return;
        }
        let ThreadGroups { groups, of, holders, near, fresh, largest } = self;
        let mut touched: Vec<(GroupId, Touches)> = Vec::new();
        for trial in trials {
            touched.clear();
            let mut member = Touches::MEMBER;
            for (place, used) in trial.uses.iter().enumerate() {
                let holds = Touches::holds(place);
                // A text is somebody's own words, however many use it.
                if used.name.kind == TraceKind::Text || used.recent as usize <= params.popular + *largest {
                    touched.extend(holders.get(&used.key).into_iter().flatten().map(|id| (*id, holds)));
                } else {
                    // More accounts outside any group than can say anything: only a member's groups look at it.
                    member = member.and(holds);
                }
            }
            touched.extend(of.get(&trial.account).into_iter().flatten().map(|id| (*id, member)));
            for id in near.get(&trial.account).into_iter().flatten() {
                if let Some(group) = groups.get_mut(id) {
                    group.near_post(ticks).into_iter().for_each(|key| release(holders, key, *id));
                }
            }
            touched.sort_unstable_by_key(|(id, _)| *id);
            touched.dedup_by(|later, first| {
                let same = later.0 == first.0;
                if same {
                    first.1 = first.1.and(later.1);
                }
                same
            });
            for (id, touches) in &touched {
                let Some(group) = groups.get_mut(id) else { continue };
                let was_fresh = group.fresh;
                let changed = group.post(trial, *touches, ticks, network, params);
                if group.fresh && !was_fresh {
                    fresh.push(*id);
                }
                changed.gone.into_iter().for_each(|key| release(holders, key, *id));
                for key in changed.held {
                    holders.entry(key).or_default().push(*id);
                }
                if changed.near {
                    near.entry(trial.account).or_default().push(*id);
                }
            }
        }
    }

    pub(crate) fn insert(&mut self, id: GroupId, group: Group) {
        for member in group.members.iter() {
            self.of.entry(*member).or_default().push(id);
        }
        for key in group.held() {
            self.holders.entry(key).or_default().push(id);
        }
        self.largest = self.largest.max(group.members.len());
        self.groups.insert(id, Box::new(group));
    }

    pub(crate) fn remove(&mut self, id: GroupId) {
        let Some(group) = self.groups.remove(&id) else { return };
        for member in group.members.iter() {
            release(&mut self.of, *member, id);
        }
        for key in group.held() {
            release(&mut self.holders, key, id);
        }
        for account in group.near() {
            release(&mut self.near, account, id);
        }
        self.largest = self.groups.values().map(|group| group.members.len()).max().unwrap_or(0);
    }

    /// How many groups there are.
    pub(crate) fn len(&self) -> usize {
        self.groups.len()
    }

    pub(crate) fn group_mut(&mut self, id: GroupId) -> Option<&mut Group> {
        self.groups.get_mut(&id).map(|group| &mut **group)
    }

    /// Groups that an account is in.
    pub(crate) fn of(&self, account: AccountId) -> &[GroupId] {
        self.of.get(&account).map_or(&[], SmallVec::as_slice)
    }
}

/// Takes a group off an entry, whose groups are in no order.
fn release<K: std::hash::Hash + Eq>(table: &mut Map<K, SmallVec<[GroupId; 2]>>, entry: K, id: GroupId) {
    if let hashbrown::hash_map::Entry::Occupied(mut ids) = table.entry(entry) {
        if let Some(place) = ids.get().iter().position(|known| *known == id) {
            ids.get_mut().swap_remove(place);
        }
        if ids.get().is_empty() {
            ids.remove();
        }
    }
}

/// The living groups of all threads.
pub(crate) struct Groups<'g>(pub &'g mut [ThreadGroups]);

impl Groups<'_> {
    /// The thread that works on a group.
    fn thread(&self, id: GroupId) -> usize {
        (id % self.0.len() as u64) as usize
    }

    pub(crate) fn get(&self, id: GroupId) -> Option<&Group> {
        self.0[self.thread(id)].groups.get(&id).map(|group| &**group)
    }

    pub(crate) fn get_mut(&mut self, id: GroupId) -> Option<&mut Group> {
        let thread = self.thread(id);
        self.0[thread].group_mut(id)
    }

    /// All numbers, in order.
    pub(crate) fn ids(&self) -> Vec<GroupId> {
        let mut ids: Vec<GroupId> = self.0.iter().flat_map(|thread| thread.groups.keys().copied()).collect();
        ids.sort_unstable();
        ids
    }

    /// Those with a new trial since this was last asked, in order.
    pub(crate) fn take_fresh(&mut self) -> Vec<GroupId> {
        let mut ids: Vec<GroupId> = self.0.iter_mut().flat_map(|thread| std::mem::take(&mut thread.fresh)).collect();
        ids.sort_unstable();
        ids.retain(|id| match self.get_mut(*id) {
            Some(group) => std::mem::take(&mut group.fresh),
            None => false,
        });
        ids
    }

    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|thread| thread.len()).sum()
    }

    pub(crate) fn insert(&mut self, id: GroupId, group: Group) {
        let thread = self.thread(id);
        self.0[thread].insert(id, group);
    }

    pub(crate) fn remove(&mut self, id: GroupId) {
        let thread = self.thread(id);
        self.0[thread].remove(id);
    }

    /// The living group of the least number with about these accounts.
    fn like(&self, members: &[AccountId], jaccard: f64) -> Option<GroupId> {
        let mut both: Map<GroupId, usize> = Map::default();
        for member in members {
            for id in self.0.iter().flat_map(|thread| thread.of(*member)) {
                *both.entry(*id).or_insert(0) += 1;
            }
        }
        let alike = both.into_iter().filter(|(id, both)| {
            let size = self.get(*id).map_or(0, |group| group.members.len());
            *both as f64 >= jaccard * (size + members.len() - both) as f64
        });
        alike.map(|(id, _)| id).min()
    }

    pub(crate) fn is_member(&self, account: AccountId) -> bool {
        self.0.iter().any(|thread| !thread.of(account).is_empty())
    }
}

/// Proposals that were like a living group, with that group: the same parts of the network are proposed again and again. No part of a
/// snapshot, because it saves a search and changes no answer.
#[derive(Default)]
pub(crate) struct Repeated {
    known: Map<Vec<AccountId>, GroupId>,
    accounts: usize,
}

/// Accounts of all proposals remembered.
const MOST_REPEATED: usize = 1_000_000;

impl Repeated {
    /// Whether there is a living group with about the accounts of a proposal.
    pub(crate) fn is_like_one(&mut self, proposal: &[AccountId], groups: &Groups<'_>, jaccard: f64) -> bool {
        if self.known.get(proposal).is_some_and(|id| groups.get(*id).is_some()) {
            return true;
        }
        let Some(id) = groups.like(proposal, jaccard) else { return false };
        self.accounts += proposal.len();
        if self.accounts > MOST_REPEATED {
            *self = Repeated { accounts: proposal.len(), ..Repeated::default() };
        }
        self.known.insert(proposal.to_vec(), id);
        true
    }
}

/// The members of a group, shared.
pub(crate) type Members = Arc<[AccountId]>;
