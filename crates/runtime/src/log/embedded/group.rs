//! Assignment of partitions to the members of a group. Pure; the writer thread owns the groups.
use std::collections::{BTreeMap, BTreeSet};

/// Id of a group member, unique in the process.
pub(super) type MemberId = u64;
/// Number of a partition in the file, unique over all topics.
pub(super) type SlotId = i64;

/// A group: its members with their subscriptions, and the holder of each partition.
#[derive(Debug, Default)]
pub(super) struct Group {
    members: BTreeMap<MemberId, BTreeSet<SlotId>>,
    /// The holder of each slot, with its tenure. A tenure number is used once: a slot that a member
    /// holds again has a new tenure.
    holders: BTreeMap<SlotId, (MemberId, u64)>,
    tenures: u64,
}

impl Group {
    pub(super) fn join(&mut self, member: MemberId, slots: BTreeSet<SlotId>) {
        self.members.insert(member, slots);
        self.share();
    }

    pub(super) fn leave(&mut self, member: MemberId) {
        self.members.remove(&member);
        self.share();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(super) fn members(&self) -> impl Iterator<Item = MemberId> {
        self.members.keys().copied()
    }

    /// The slots a member holds, each with its tenure.
    pub(super) fn held_by(&self, member: MemberId) -> impl Iterator<Item = (SlotId, u64)> {
        self.holders
            .iter()
            .filter(move |(_, (holder, _))| *holder == member)
            .map(|(slot, (_, tenure))| (*slot, *tenure))
    }

    /// Whether a member still holds a slot under this tenure.
    pub(super) fn holds(&self, member: MemberId, slot: SlotId, tenure: u64) -> bool {
        self.holders.get(&slot) == Some(&(member, tenure))
    }

    /// Assigns every slot to a member. Members' counts differ by at most one where subscriptions
    /// allow it, and no slot moves unnecessarily.
    fn share(&mut self) {
        let members = &self.members;
        let subscribed =
            |member: &MemberId, slot: &SlotId| members.get(member).is_some_and(|slots| slots.contains(slot));
        self.holders.retain(|slot, (member, _)| subscribed(member, slot));
        let mut load: BTreeMap<MemberId, usize> = members.keys().map(|m| (*m, 0)).collect();
        for (member, _) in self.holders.values() {
            *load.entry(*member).or_default() += 1;
        }
        let slots: BTreeSet<SlotId> = members.values().flatten().copied().collect();
        for slot in &slots {
            if self.holders.contains_key(slot) {
                continue;
            }
            let taker =
                members.keys().filter(|m| subscribed(m, slot)).min_by_key(|m| load.get(m).copied().unwrap_or_default());
            if let Some(taker) = taker {
                self.tenures += 1;
                self.holders.insert(*slot, (*taker, self.tenures));
                *load.entry(*taker).or_default() += 1;
            }
        }
        while let Some((slot, taker)) = self.holders.iter().find_map(|(slot, (holder, _))| {
            members
                .keys()
                .filter(|m| subscribed(m, slot))
                .min_by_key(|m| load.get(m))
                .filter(|m| load.get(m).map(|n| n + 1) < load.get(holder).copied())
                .map(|m| (*slot, *m))
        }) {
            self.tenures += 1;
            if let Some((old, _)) = self.holders.insert(slot, (taker, self.tenures)) {
                *load.entry(old).or_default() -= 1;
            }
            *load.entry(taker).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn held(group: &Group, member: MemberId) -> Vec<SlotId> {
        group.held_by(member).map(|(slot, _)| slot).collect()
    }

    #[test]
    fn the_second_member_takes_half_and_the_rest_stays() {
        let mut group = Group::default();
        group.join(1, (0..4).collect());
        assert_eq!(held(&group, 1), [0, 1, 2, 3]);
        group.join(2, (0..4).collect());
        assert_eq!(held(&group, 1).len(), 2);
        assert_eq!(held(&group, 2).len(), 2);
        group.leave(1);
        assert_eq!(held(&group, 2), [0, 1, 2, 3]);
    }

    #[test]
    fn a_slot_that_comes_back_has_a_new_tenure() {
        let mut group = Group::default();
        group.join(1, [7].into());
        let (_, tenure) = group.held_by(1).next().unwrap();
        group.leave(1);
        group.join(1, [7].into());
        assert!(!group.holds(1, 7, tenure));
    }

    proptest! {
        #[test]
        fn every_slot_has_one_holder_and_loads_are_even(
            steps in prop::collection::vec((any::<bool>(), 0u64..5), 1..20), slots in 1i64..20
        ) {
            let mut group = Group::default();
            for (joins, member) in steps {
                if joins { group.join(member, (0..slots).collect()) } else { group.leave(member) }
                let loads: Vec<usize> = group.members().map(|m| held(&group, m).len()).collect();
                if !loads.is_empty() {
                    prop_assert_eq!(loads.iter().sum::<usize>(), slots as usize);
                    prop_assert!(loads.iter().max().unwrap() - loads.iter().min().unwrap() <= 1);
                }
            }
        }
    }
}
