//! A value for each trace kind.

use std::{
    fmt,
    marker::PhantomData,
    ops::{Index, IndexMut},
};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor},
};

use crate::{snapshot, trace::TraceKind};

const KINDS: usize = TraceKind::ALL.len();
/// Number of kinds when snapshots were written without the number of kinds, and the last version
/// that did so.
const FIRST_KINDS: usize = 7;
const LAST_UNCOUNTED: u32 = 6;

/// One value for each trace kind, by the kind.
///
/// It is written as a sequence in the order of [`TraceKind::ALL`]. A kind that did not exist when
/// the value was written is read with its default value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByKind<T>([T; KINDS]);

impl<T> ByKind<T> {
    /// Every kind with its value, in the order of [`TraceKind::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (TraceKind, &T)> {
        TraceKind::ALL.into_iter().zip(&self.0)
    }
}

impl<T: Default> Default for ByKind<T> {
    fn default() -> ByKind<T> {
        ByKind(std::array::from_fn(|_| T::default()))
    }
}

impl<T> Index<TraceKind> for ByKind<T> {
    type Output = T;

    fn index(&self, kind: TraceKind) -> &T {
        &self.0[kind as usize]
    }
}

impl<T> IndexMut<TraceKind> for ByKind<T> {
    fn index_mut(&mut self, kind: TraceKind) -> &mut T {
        &mut self.0[kind as usize]
    }
}

impl<T: Serialize> Serialize for ByKind<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for ByKind<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ByKind<T>, D::Error> {
        struct Values<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for Values<T> {
            type Value = ByKind<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {KINDS} values, one for each trace kind")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<ByKind<T>, A::Error> {
                let mut all = ByKind::default();
                let mut read = 0;
                while let Some(value) = values.next_element()? {
                    *all.0.get_mut(read).ok_or_else(|| de::Error::invalid_length(read + 1, &self))? = value;
                    read += 1;
                }
                Ok(all)
            }
        }
        match snapshot::version() <= LAST_UNCOUNTED {
            true => deserializer.deserialize_tuple(FIRST_KINDS, Values(PhantomData)),
            false => deserializer.deserialize_seq(Values(PhantomData)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fewer_kinds_wrote_is_read_and_what_more_wrote_is_not() {
        let mut all = ByKind::<u64>::default();
        (all[TraceKind::Text], all[TraceKind::Mention]) = (300, 7);
        let bytes = postcard::to_allocvec(&all).unwrap();
        assert_eq!(postcard::from_bytes::<ByKind<u64>>(&bytes).unwrap(), all);
        let fewer = postcard::to_allocvec(&vec![1u64, 2]).unwrap();
        let read: ByKind<u64> = postcard::from_bytes(&fewer).unwrap();
        assert_eq!((read[TraceKind::Url], read[TraceKind::Repost], read[TraceKind::Text]), (1, 2, 0));
        let more = postcard::to_allocvec(&vec![0u64; KINDS + 1]).unwrap();
        assert!(postcard::from_bytes::<ByKind<u64>>(&more).is_err());
        let old = postcard::to_allocvec(&[1u64, 2, 3, 4, 5, 6, 700]).unwrap();
        let read: ByKind<u64> = snapshot::of_version(LAST_UNCOUNTED, || postcard::from_bytes(&old)).unwrap();
        assert_eq!((read[TraceKind::Url], read[TraceKind::Mention]), (1, 700));
        assert_eq!(postcard::from_bytes::<ByKind<u64>>(&bytes).unwrap(), all, "and only while such a version is read");
    }
}
