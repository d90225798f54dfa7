//! Why a post touches a group.

/// Why a post touches a group: its account is a member, and the group holds keys that it uses.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Touches(u32);

impl Touches {
    /// Its account is a member.
    pub(crate) const MEMBER: Touches = Touches(1);
    /// Uses that are told apart; the others count together.
    const USES: usize = 30;

    /// The group holds, or may hold, the key of the post's use at this place.
    pub(crate) fn holds(place: usize) -> Touches {
        Touches(2 << place.min(Touches::USES))
    }

    pub(crate) fn and(self, other: Touches) -> Touches {
        Touches(self.0 | other.0)
    }

    pub(super) fn is_member(self) -> bool {
        self.0 & Touches::MEMBER.0 != 0
    }

    pub(super) fn may_hold(self, place: usize) -> bool {
        self.0 & Touches::holds(place).0 != 0
    }
}
