//! Recognises posts that were read before.

use std::collections::HashSet;

use coordination::Post;
use xxhash_rust::xxh3::Xxh3Default;

/// The posts read so far, as hashes.
pub(super) struct Seen {
    hashes: HashSet<u64, foldhash::fast::FixedState>,
    keep: bool,
}

impl Seen {
    pub(super) fn new(keep: bool) -> Self {
        Seen { hashes: HashSet::default(), keep }
    }

    /// Records a post. `object` is what the post acts on, if that is part of its identity.
    pub(super) fn see<'o>(&mut self, post: &Post<'_>, object: Option<&'o str>) -> Sight<'o> {
        if self.keep {
            return Sight::First;
        }
        let hash = |parts: &[&str]| {
            let mut hash = Xxh3Default::new();
            for part in parts {
                hash.update(part.as_bytes());
                // A separator that no UTF-8 text contains keeps neighbouring parts apart.
                hash.update(&[0xFF]);
            }
            hash.digest()
        };
        let first = self.hashes.insert(hash(&[&post.platform, &post.id]));
        let Some(object) = object else {
            return if first { Sight::First } else { Sight::Again };
        };
        match (self.hashes.insert(hash(&[&post.platform, &post.id, object])), first) {
            (false, _) => Sight::Again,
            (true, true) => Sight::First,
            (true, false) => Sight::OtherObject(object),
        }
    }
}

/// Whether a post was seen before.
pub(super) enum Sight<'o> {
    /// No.
    First,
    /// Yes.
    Again,
    /// Yes, with another object than this one.
    OtherObject(&'o str),
}
