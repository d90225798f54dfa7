//! Keys that two accounts have in common.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::{post::Millis, trace::TraceKind, uses::KeyId};

/// A key that two accounts used within a day of each other.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct Common {
    pub key: KeyId,
    pub at: Millis,
    /// Time between the two uses, seconds.
    pub lag: u32,
    pub kind: TraceKind,
}

/// Keys that two accounts have in common. Most pairs have one, which lies in the table itself.
#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "SmallVec<[Common; 1]>", into = "SmallVec<[Common; 1]>")]
pub(super) enum InCommon {
    One(Common),
    #[expect(clippy::box_collection, reason = "a pair with one key is smaller so")]
    Any(Box<Vec<Common>>),
}

const _: () = assert!(size_of::<InCommon>() == size_of::<Common>());

impl From<SmallVec<[Common; 1]>> for InCommon {
    fn from(all: SmallVec<[Common; 1]>) -> InCommon {
        match all[..] {
            [one] => InCommon::One(one),
            _ => InCommon::Any(Box::new(all.into_vec())),
        }
    }
}

impl From<InCommon> for SmallVec<[Common; 1]> {
    fn from(all: InCommon) -> SmallVec<[Common; 1]> {
        SmallVec::from_slice(all.as_slice())
    }
}

impl InCommon {
    pub(super) fn as_slice(&self) -> &[Common] {
        match self {
            InCommon::One(one) => std::slice::from_ref(one),
            InCommon::Any(all) => all,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.as_slice().len()
    }

    pub(super) fn push(&mut self, common: Common) {
        match self {
            InCommon::One(one) => *self = InCommon::Any(Box::new(vec![*one, common])),
            InCommon::Any(all) => all.push(common),
        }
    }

    /// Forgets keys that were used last before a time.
    pub(super) fn forget(&mut self, oldest: Millis) {
        match self {
            InCommon::One(one) if one.at < oldest => *self = InCommon::Any(Box::default()),
            InCommon::One(_) => {}
            InCommon::Any(all) => all.retain(|common| common.at >= oldest),
        }
    }

    /// When the newest of them was used.
    pub(super) fn newest(&self) -> Millis {
        self.as_slice().last().map_or(Millis::MIN, |common| common.at)
    }
}
