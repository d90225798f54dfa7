//! The keys that a group's members used recently.

use std::sync::Arc;

use hashbrown::hash_map::Entry;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::{
    accounts::AccountId,
    cluster::Manner,
    hash::Map,
    post::{DAY, Millis, PostName},
    trace::TraceKind,
    uses::{KeyId, KeyName, RECENT},
};

/// Keys of a group.
const MOST: usize = 4_096;
/// Keys of a group from which on those that are no longer live are looked for.
const FEW: usize = 64;

/// A key that members used recently.
#[derive(Serialize, Deserialize)]
pub(super) struct Live {
    pub name: Arc<KeyName>,
    /// The two newest uses by different members, the newest first.
    pub newest: SmallVec<[MemberUse; 2]>,
    /// Times of members' uses of the last six hours, in order.
    pub times: SmallVec<[Millis; 3]>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct MemberUse {
    pub at: Millis,
    pub account: AccountId,
    /// Not known for uses before the group's birth.
    pub post: Option<PostName>,
    pub manner: Manner,
}

/// The keys that a group's members used recently.
#[derive(Serialize, Deserialize)]
pub(super) struct LiveKeys {
    keys: Map<KeyId, Live>,
    next_sweep: usize,
}

impl Default for LiveKeys {
    fn default() -> LiveKeys {
        LiveKeys { keys: Map::default(), next_sweep: FEW }
    }
}

impl LiveKeys {
    /// All keys, in no order.
    pub(super) fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.keys.keys().copied()
    }

    pub(super) fn get(&self, key: KeyId) -> Option<&Live> {
        self.keys.get(&key)
    }

    /// Remembers a member's use of a key; returns whether the group holds it from now on.
    pub(super) fn remember(&mut self, key: KeyId, name: &Arc<KeyName>, used: MemberUse) -> bool {
        let (live, is_new) = match self.keys.entry(key) {
            Entry::Occupied(live) => (live.into_mut(), false),
            Entry::Vacant(place) => {
                let live = Live { name: name.clone(), newest: SmallVec::new(), times: SmallVec::new() };
                (place.insert(live), true)
            }
        };
        let old = live.times.iter().take_while(|at| used.at - **at > RECENT).count();
        if old > 0 {
            live.times.drain(..old);
        }
        // Late posts come out of their turn.
        let place = live.times.iter().rposition(|known| *known <= used.at).map_or(0, |place| place + 1);
        live.times.insert(place, used.at);
        live.newest.retain(|known| known.account != used.account);
        let place = live.newest.iter().position(|known| known.at <= used.at).unwrap_or(live.newest.len());
        live.newest.insert(place, used);
        live.newest.truncate(2);
        is_new
    }

    /// Forgets keys that are no longer live, and returns them in order. They do no harm: they are
    /// looked for when the table has doubled.
    pub(super) fn sweep(&mut self, now: Millis) -> Vec<KeyId> {
        let mut gone: Vec<KeyId> = Vec::new();
        if self.keys.len() < self.next_sweep {
            return gone;
        }
        self.keys.retain(|id, live| {
            let age = live.newest.first().map_or(Millis::MAX, |newest| now - newest.at);
            let kept = age <= if live.name.kind == TraceKind::Text { DAY } else { RECENT };
            if !kept {
                gone.push(*id);
            }
            kept
        });
        if self.keys.len() > MOST {
            let newest = |live: &Live| live.newest.first().map_or(Millis::MIN, |newest| newest.at);
            let mut order: Vec<(Millis, KeyId)> = self.keys.iter().map(|(id, live)| (newest(live), *id)).collect();
            order.sort_unstable();
            for (_, id) in &order[..self.keys.len() - MOST] {
                self.keys.remove(id);
                gone.push(*id);
            }
        }
        self.next_sweep = (2 * self.keys.len()).clamp(FEW, MOST);
        gone.sort_unstable();
        gone
    }
}
