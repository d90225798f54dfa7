//! The engine's state as bytes: what is needed to go on as if nothing had happened.
//!
//! A header (magic, version, a hash of the parameters, a checksum), then the state in postcard. A
//! snapshot is taken between two posts and holds everything: posts that wait, uses, texts, ties, groups, findings, identities.

use std::cell::Cell;

use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::params::Params;

const MAGIC: &[u8; 8] = b"lockstep";
/// Raised whenever the state changes its shape or its meaning.
const VERSION: u32 = 8;
/// The oldest version that is read, too.
const OLDEST: u32 = 6;
const HEADER: usize = MAGIC.len() + 4 + 8 + 8;

/// Why a snapshot cannot be used. Whoever has the posts can always start anew from them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// These bytes are something else.
    #[error("this is no snapshot of the engine")]
    NotOne,
    /// Written by another version of the engine.
    #[error("the snapshot has version {found}, and this engine reads the versions {OLDEST} to {VERSION}")]
    Version {
        /// The snapshot's.
        found: u32,
    },
    /// Taken with other parameters; evidence gathered under one set of rules must not be judged by another.
    #[error("the snapshot was taken with other engine parameters than the present ones")]
    Params,
    /// The checksum does not fit.
    #[error("the snapshot is damaged: its checksum does not fit")]
    Damaged,
    /// The state cannot be written or read.
    #[error("the engine's state cannot be {0}")]
    State(&'static str),
}

pub(crate) fn write<T: Serialize>(params: &Params, state: &T) -> Result<Vec<u8>, SnapshotError> {
    let bytes = vec![0; HEADER];
    let mut bytes = postcard::to_extend(state, bytes).map_err(|_| SnapshotError::State("written"))?;
    let checksum = xxh3_64(&bytes[HEADER..]);
    let mut header = Vec::with_capacity(HEADER);
    header.extend(MAGIC);
    header.extend(VERSION.to_le_bytes());
    header.extend(fingerprint(params, VERSION).to_le_bytes());
    header.extend(checksum.to_le_bytes());
    bytes[..HEADER].copy_from_slice(&header);
    Ok(bytes)
}

pub(crate) fn read<T: DeserializeOwned>(params: &Params, bytes: &[u8]) -> Result<T, SnapshotError> {
    let (header, state) = bytes.split_at_checked(HEADER).ok_or(SnapshotError::NotOne)?;
    let (magic, header) = header.split_at(MAGIC.len());
    if magic != MAGIC {
        return Err(SnapshotError::NotOne);
    }
    let number = |at: usize, length: usize| {
        let mut number = [0; 8];
        number[..length].copy_from_slice(&header[at..at + length]);
        u64::from_le_bytes(number)
    };
    let found = number(0, 4) as u32;
    if !(OLDEST..=VERSION).contains(&found) {
        return Err(SnapshotError::Version { found });
    }
    if number(12, 8) != xxh3_64(state) {
        return Err(SnapshotError::Damaged);
    }
    if number(4, 8) != fingerprint(params, found) {
        return Err(SnapshotError::Params);
    }
    of_version(found, || postcard::from_bytes(state).map_err(|_| SnapshotError::State("read")))
}

thread_local! {
    /// Version of the snapshot that this thread reads.
    static READS: Cell<u32> = const { Cell::new(VERSION) };
}

/// Reads what a snapshot of a version holds.
pub(crate) fn of_version<R>(version: u32, read: impl FnOnce() -> R) -> R {
    struct Restore;
    impl Drop for Restore {
        fn drop(&mut self) {
            READS.set(VERSION);
        }
    }
    READS.set(version);
    let _restore = Restore;
    read()
}

/// Version of the snapshot that is being read.
pub(crate) fn version() -> u32 {
    READS.get()
}

/// Reads a field that snapshots have since version 8; of earlier ones it is the default value.
pub(crate) fn since_8<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    if version() < 8 { Ok(T::default()) } else { T::deserialize(deserializer) }
}

/// Two sets of parameters that differ in anything differ in this.
fn fingerprint(params: &Params, version: u32) -> u64 {
    xxh3_64_with_seed(format!("{params:?}").as_bytes(), u64::from(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Grown {
        first: u64,
        #[serde(deserialize_with = "since_8")]
        since: Option<u32>,
        last: String,
    }

    #[test]
    fn a_field_that_an_older_snapshot_does_not_have_is_its_default() {
        let grown = |since| Grown { first: 300, since, last: "last".to_owned() };
        let older = postcard::to_allocvec(&(300u64, "last")).unwrap();
        let newer = postcard::to_allocvec(&grown(Some(7))).unwrap();
        for version in OLDEST..VERSION {
            let read = of_version(version, || postcard::from_bytes(&older));
            assert_eq!(read, Ok(grown(None)), "version {version}");
        }
        assert_eq!(postcard::from_bytes(&newer), Ok(grown(Some(7))));
    }

    #[test]
    fn what_was_written_is_read_and_nothing_else() {
        let params = Params::default();
        let state = (7u64, "seven".to_owned());
        let bytes = write(&params, &state).unwrap();
        assert_eq!(read::<(u64, String)>(&params, &bytes).unwrap(), state);
        let other = Params { alpha: 0.01, ..Params::default() };
        assert_eq!(read::<(u64, String)>(&other, &bytes), Err(SnapshotError::Params));
        assert_eq!(read::<(u64, String)>(&params, b"short"), Err(SnapshotError::NotOne));
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1;
            assert!(read::<(u64, String)>(&params, &damaged).is_err(), "byte {place}");
        }
        assert!(read::<(u64, String)>(&params, &bytes[..bytes.len() - 1]).is_err());
    }
}
