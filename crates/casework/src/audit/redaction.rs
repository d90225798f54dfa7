//! Entries from which an account was erased. Their seals stay, so the chain after them holds, but
//! no longer match what is left of the entries. A later entry, the one about the erasure, is sealed
//! over the digests of what is left.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Broken, Entry, Sealed};

/// The action of the entry about an erasure. Only such an entry can change earlier entries.
pub const ERASED: &str = "account_erased";

/// What is left of an entry from which an account was erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redacted {
    /// Position of the entry.
    pub seq: i64,
    /// SHA-256 of the JSON array `[seq, at, actor, subject, action, text, covers, seal]`, with the
    /// time in microseconds; hexadecimal.
    pub sha256: String,
}

impl Redacted {
    /// The entry as it is now.
    pub fn of(sealed: &Sealed) -> Redacted {
        let Sealed { seq, entry: Entry { at, actor, subject, action, text }, covers, seal } = sealed;
        let array = serde_json::json!([seq, at.as_microsecond(), actor, subject, action, text, covers, seal]);
        Redacted { seq: *seq, sha256: text_format::hex(&Sha256::digest(array.to_string().as_bytes())) }
    }
}

/// The entries of a chain whose seal does not match, and the erasures that explain it.
#[derive(Debug, Clone, Default)]
pub(super) struct Redactions {
    unsealed: BTreeMap<i64, Redacted>,
    /// What each entry about an erasure says of earlier entries.
    erasures: BTreeMap<i64, Vec<Redacted>>,
}

/// The part of what an entry covers that is about other entries.
#[derive(Deserialize)]
struct Covers {
    #[serde(default)]
    redacted: Vec<Redacted>,
}

impl Redactions {
    /// An entry whose seal does not match.
    pub(super) fn add_unsealed(&mut self, sealed: &Sealed) {
        self.unsealed.insert(sealed.seq, Redacted::of(sealed));
        self.add_erasure(sealed);
    }

    /// An entry whose seal matches.
    pub(super) fn add_sealed(&mut self, sealed: &Sealed) {
        self.add_erasure(sealed);
    }

    /// An entry that may tell of an erasure.
    fn add_erasure(&mut self, sealed: &Sealed) {
        if sealed.entry.action != ERASED {
            return;
        }
        // Covers that cannot be read explain nothing.
        let covers = sealed.covers.as_deref().and_then(|covers| serde_json::from_str::<Covers>(covers).ok());
        let earlier = covers.into_iter().flat_map(|covers| covers.redacted).filter(|one| one.seq < sealed.seq);
        self.erasures.insert(sealed.seq, earlier.collect());
    }

    /// The number of entries that lost an account, or the first entry whose change no erasure
    /// explains.
    pub(super) fn settled(&self) -> Result<u64, Broken> {
        let mut explained: BTreeMap<i64, &Redacted> = BTreeMap::new();
        // From the last: an erasure whose own entry lost an account counts only if a later one explains that.
        for (seq, covers) in self.erasures.iter().rev() {
            if self.unsealed.get(seq).is_none_or(|found| explained.get(seq) == Some(&found)) {
                for one in covers {
                    explained.entry(one.seq).or_insert(one);
                }
            }
        }
        match self.unsealed.iter().find(|(seq, found)| explained.get(seq) != Some(found)) {
            None => Ok(self.unsealed.len() as u64),
            Some((seq, _)) => {
                Err(Broken { seq: *seq, what: "its seal does not match its content and the seal before".into() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::audit::{Chain, GENESIS, seal};

    fn entry(action: &str, text: &str) -> Entry {
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        Entry { at, actor: "ann".into(), subject: "s".into(), action: action.into(), text: text.into() }
    }

    /// Three entries; the account is erased from the second, as the fourth says.
    fn log(action: &str) -> Vec<Sealed> {
        let mut log: Vec<Sealed> = Vec::new();
        for text in ["one", "x:77 is withdrawn", "three"] {
            let before = log.last().map_or(GENESIS, |sealed| &sealed.seal).to_owned();
            log.push(seal(&before, log.len() as i64 + 1, entry("step", text), None));
        }
        log[1].entry.text = "erased-1 is withdrawn".into();
        let covers = serde_json::json!({ "cases": {}, "redacted": [Redacted::of(&log[1])] }).to_string();
        log.push(seal(&log[2].seal.clone(), 4, entry(action, "erased"), Some(covers)));
        log
    }

    fn verify(log: &[Sealed]) -> Result<u64, i64> {
        let mut chain = Chain::new();
        log.iter().try_for_each(|sealed| chain.check(sealed.clone())).map_err(|broken| broken.seq)?;
        let redacted = chain.redacted().map_err(|broken| broken.seq)?;
        chain.end().map(|_| redacted).map_err(|broken| broken.seq)
    }

    #[test]
    fn an_entry_that_lost_an_account_verifies_only_as_the_erasure_left_it() {
        let log = log(ERASED);
        assert_eq!(verify(&log), Ok(1));
        assert_eq!(verify(&log[..3]), Err(2), "without the entry about the erasure");
        let edits: [fn(&mut Sealed); 5] = [
            |s| s.entry.text.push('x'),
            |s| s.entry.actor.push('x'),
            |s| s.entry.at = Timestamp::from_second(1).unwrap(),
            |s| s.covers = Some("{}".into()),
            |s| s.seal.replace_range(0..1, "g"),
        ];
        for (n, edit) in edits.into_iter().enumerate() {
            for victim in 0..4 {
                let mut edited = log.clone();
                edit(&mut edited[victim]);
                assert!(verify(&edited).is_err(), "edit {n} of {victim}");
            }
        }
    }

    #[test]
    fn nothing_but_an_erasure_explains_a_change() {
        assert_eq!(verify(&log("approved")), Err(2));
        let mut second = log(ERASED);
        second[1].entry.text = "erased-1 is erased-2".into();
        let covers = serde_json::json!({ "redacted": [Redacted::of(&second[1])] }).to_string();
        let last = second[3].seal.clone();
        second.push(seal(&last, 5, entry(ERASED, "again"), Some(covers)));
        assert_eq!(verify(&second), Ok(1), "a later erasure replaces the earlier");
    }

    #[test]
    fn the_entry_about_an_erasure_may_lose_an_account_itself() {
        let mut log = log(ERASED);
        log[3].entry.actor = "erased-2".into();
        assert_eq!(verify(&log), Err(2), "nothing explains the fourth");
        let covers = serde_json::json!({ "redacted": [Redacted::of(&log[3])] }).to_string();
        let last = log[3].seal.clone();
        log.push(seal(&last, 5, entry(ERASED, "again"), Some(covers)));
        assert_eq!(verify(&log), Ok(2));
    }
}
