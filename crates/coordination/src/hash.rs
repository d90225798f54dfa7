//! Hashing with fixed seeds, so that the same posts always give the same bytes out.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Hasher of every table in the engine.
pub(crate) type FixedState = foldhash::fast::FixedState;
/// A hash map with fixed seeds.
pub(crate) type Map<K, V> = hashbrown::HashMap<K, V, FixedState>;

/// A hash set with fixed seeds.
pub(crate) type Set<T> = hashbrown::HashSet<T, FixedState>;

/// Hash of some strings, with their boundaries.
pub(crate) fn hash_strs(seed: u64, parts: &[&str]) -> u64 {
    parts.iter().fold(seed, |hash, part| xxh3_64_with_seed(part.as_bytes(), hash ^ part.len() as u64))
}

#[cfg(test)]
mod tests {
    use std::{hash::BuildHasher, time::Instant};

    use super::*;

    /// Seeds are fixed, so anyone can construct keys that collide in a table. Colliding keys are
    /// searched sixteen entries at a time: `n` of them cost n^2/32 steps. Each key needs a post, so
    /// this stays small compared with the cost of the posts.
    #[test]
    fn keys_chosen_to_collide_cost_little() {
        const CHOSEN: usize = 2_000;
        let state = FixedState::default();
        let table = || Map::<u64, ()>::with_capacity_and_hasher(14_000, state.clone());
        assert!(table().capacity() < 1 << 14, "the bits below are all that choose a place among 16,384");
        let place = |key: &u64| state.hash_one(key) & 0x3fff;
        let chosen: Vec<u64> = (0..).filter(|key| place(key) == 7).take(CHOSEN).collect();
        let time = |keys: &[u64]| {
            let mut table = table();
            let start = Instant::now();
            table.extend(keys.iter().map(|key| (*key, ())));
            assert_eq!(table.len(), CHOSEN);
            start.elapsed()
        };
        let ordinary: Vec<u64> = (0..CHOSEN as u64).collect();
        let (slow, fast) = ((0..3).map(|_| time(&chosen)).min(), (0..3).map(|_| time(&ordinary)).min());
        // A search one by one would take 2,000,000 steps.
        assert!(slow.unwrap() < 500 * fast.unwrap(), "{slow:?} beside {fast:?}");
    }
}
