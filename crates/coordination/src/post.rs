//! One message by one account on one platform at an event time.

use std::{borrow::Cow, num::NonZeroU64, sync::Arc};

use serde::{Deserialize, Serialize};

/// Event time: milliseconds since the Unix epoch, UTC.
pub type Millis = i64;

pub(crate) const MINUTE: Millis = 60_000;
pub(crate) const HOUR: Millis = 60 * MINUTE;
pub(crate) const DAY: Millis = 24 * HOUR;

/// Times further than this from 1970 (about 285,000 years) are replaced by this, so that the engine
/// can add and subtract any of them.
const FURTHEST: Millis = 1 << 53;

/// The nearest time that the engine can use.
pub(crate) fn within_reach(at: Millis) -> Millis {
    at.clamp(-FURTHEST, FURTHEST)
}

/// A decoded post, borrowing from the bytes it was read from where it can.
///
/// `urls`, `hashtags` and `mentions` are complete: the decoder of a post takes them from the text
/// if the input has no such field. Every `None` means "not known", never "no" or zero.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Post<'a> {
    /// Unique on its platform.
    pub id: Cow<'a, str>,
    /// Lower-case name of the platform, for example `twitter`.
    pub platform: Cow<'a, str>,
    /// Unique on its platform; never reused.
    pub account_id: Cow<'a, str>,
    /// Handle or display name.
    pub account_name: Cow<'a, str>,
    /// When it was posted.
    pub created_at: Millis,
    /// Its text, without any quoted post.
    pub text: Cow<'a, str>,
    /// BCP 47 language tag, if the platform gives one.
    pub lang: Option<Cow<'a, str>>,
    /// Links, in order.
    pub urls: Vec<Cow<'a, str>>,
    /// Hashtags without `#`, in order.
    pub hashtags: Vec<Cow<'a, str>>,
    /// Mentioned accounts without `@`, in order.
    pub mentions: Vec<Cow<'a, str>>,
    /// Perceptual hashes of attached media.
    pub media: Vec<Cow<'a, str>>,
    /// Id of the post that this one reposts.
    pub repost_of: Option<Cow<'a, str>>,
    /// Author of the post that this one reposts.
    pub repost_of_account: Option<Cow<'a, str>>,
    /// Id of the post that this one answers.
    pub reply_to: Option<Cow<'a, str>>,
    /// Author of the post that this one answers.
    pub reply_to_account: Option<Cow<'a, str>>,
    /// Id of the post that this one quotes; `None` for a repost.
    pub quote_of: Option<Cow<'a, str>>,
    /// Author of the post that this one quotes.
    pub quote_of_account: Option<Cow<'a, str>>,
    /// The application it was posted from.
    pub client: Option<Cow<'a, str>>,
    /// Accounts following this one, at the time.
    pub followers: Option<u64>,
    /// Accounts that this one follows, at the time.
    pub following: Option<u64>,
    /// When the account was created.
    pub account_created_at: Option<Millis>,
    /// Number of posts that the account had made by then.
    pub account_posts: Option<u64>,
    /// Whether the profile was never filled in.
    pub default_profile: Option<bool>,
    /// When the post was deleted.
    pub deleted_at: Option<Millis>,
    /// Its position in the log that it was read from, if it was read from one.
    pub position: Option<Position>,
}

/// Position of a post in a partitioned log. The engine does not use it, and returns it with the
/// evidence.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position(NonZeroU64);

impl Position {
    const OFFSET_BITS: u32 = 48;

    /// `None` if the partition has more than 15 bits or the offset more than 48: then the post's
    /// position is not known.
    pub fn new(partition: i32, offset: i64) -> Option<Position> {
        let (partition, offset) = (u64::try_from(partition).ok()?, u64::try_from(offset).ok()?);
        if partition >> 15 != 0 || offset >> Self::OFFSET_BITS != 0 {
            return None;
        }
        // Plus one, so that the value is never zero.
        NonZeroU64::new(((partition << Self::OFFSET_BITS) | offset) + 1).map(Position)
    }

    /// The number of its partition.
    pub fn partition(self) -> i32 {
        ((self.0.get() - 1) >> Self::OFFSET_BITS) as i32
    }

    /// Its offset in the partition.
    pub fn offset(self) -> i64 {
        ((self.0.get() - 1) & ((1 << Self::OFFSET_BITS) - 1)) as i64
    }
}

impl std::fmt::Debug for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Position({}, {})", self.partition(), self.offset())
    }
}

/// The name of a post that was read, and its position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PostName {
    pub id: Arc<str>,
    pub position: Option<Position>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_what_it_was_made_of() {
        let last = (1 << 48) - 1;
        for (partition, offset) in [(0, 0), (0, last), (7, 123_456_789), (i32::from(i16::MAX), last)] {
            let position = Position::new(partition, offset).unwrap();
            assert_eq!((position.partition(), position.offset()), (partition, offset));
        }
        for (partition, offset) in [(-1, 0), (0, -1), (1 << 15, 0), (0, 1 << 48)] {
            assert_eq!(Position::new(partition, offset), None);
        }
    }
}
