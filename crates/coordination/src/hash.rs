//! Hashing with fixed seeds, so that the same posts always give the same bytes out.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Hasher of every table in the engine.
pub(crate) type FixedState = foldhash::quality::FixedState;
/// A hash map with fixed seeds.
pub(crate) type Map<K, V> = hashbrown::HashMap<K, V, FixedState>;

/// Hash of some strings, with their boundaries.
pub(crate) fn hash_strs(seed: u64, parts: &[&str]) -> u64 {
    parts.iter().fold(seed, |hash, part| xxh3_64_with_seed(part.as_bytes(), hash ^ part.len() as u64))
}
