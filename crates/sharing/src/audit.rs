//! The audit log: append-only, and every entry sealed with the hash of the one before.
//!
//! A changed, removed or inserted entry breaks every seal after it. Entries cut off the end leave a valid shorter chain, so
//! whoever keeps a copy of the last seal elsewhere can notice that too: [`Chain::end`] gives it.

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// What somebody did to a case, not yet in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// Who: a person, a demo reviewer or `lockstep` itself.
    pub actor: String,
    /// The case, or the partner for a key.
    pub subject: String,
    /// What, in one word.
    pub action: String,
    /// In words.
    pub text: String,
}

/// An entry in its place in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Sealed {
    /// Place in the log, from 1, without gaps.
    pub seq: i64,
    /// What was done.
    #[serde(flatten)]
    pub entry: Entry,
    /// SHA-256 over the seal before, `seq` and the entry; hexadecimal.
    pub seal: String,
}

/// The seal before the first entry.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Seals an entry: SHA-256 of the JSON array `[before, seq, at, actor, subject, action, text]`, time in microseconds.
pub fn seal(before: &str, seq: i64, entry: Entry) -> Sealed {
    // An array of strings and integers has exactly one compact JSON form, so there is nothing to canonicalise.
    let sealed_text = serde_json::json!([
        before,
        seq,
        entry.at.as_microsecond(),
        entry.actor,
        entry.subject,
        entry.action,
        entry.text
    ])
    .to_string();
    let seal = hex(&Sha256::digest(sealed_text.as_bytes()));
    Sealed { seq, entry, seal }
}

/// Where the chain breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the audit log is broken at entry {seq}: {what}; compare it with a backup before trusting anything after it")]
pub struct Broken {
    /// Place of the first bad entry.
    pub seq: i64,
    /// What is wrong with it.
    pub what: &'static str,
}

/// A log being checked, first entry first.
#[derive(Debug, Clone)]
pub struct Chain {
    last: i64,
    seal: String,
}

impl Default for Chain {
    fn default() -> Self {
        Self::new()
    }
}

impl Chain {
    /// Before the first entry.
    pub fn new() -> Self {
        Self { last: 0, seal: GENESIS.to_owned() }
    }

    /// Checks the next entry.
    pub fn check(&mut self, found: Sealed) -> Result<(), Broken> {
        if found.seq != self.last + 1 {
            return Err(Broken { seq: self.last + 1, what: "an entry is missing here" });
        }
        let right = seal(&self.seal, found.seq, found.entry);
        if right.seal != found.seal {
            return Err(Broken { seq: found.seq, what: "its seal does not match its content and the seal before" });
        }
        self.seal = right.seal;
        self.last = found.seq;
        Ok(())
    }

    /// Entries checked.
    pub fn len(&self) -> i64 {
        self.last
    }

    /// Whether nothing has been checked.
    pub fn is_empty(&self) -> bool {
        self.last == 0
    }

    /// How many entries there are, and the last seal.
    pub fn end(self) -> (i64, String) {
        (self.last, self.seal)
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        out.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
        out.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verify(log: Vec<Sealed>) -> Result<(i64, String), Broken> {
        let mut chain = Chain::new();
        log.into_iter().try_for_each(|entry| chain.check(entry))?;
        Ok(chain.end())
    }

    fn log() -> Vec<Sealed> {
        let mut before = GENESIS.to_owned();
        (1..=5)
            .map(|seq| {
                let entry = Entry {
                    at: Timestamp::from_second(1_600_000_000 + seq).unwrap(),
                    actor: "ann".to_owned(),
                    subject: "case-1".to_owned(),
                    action: "approved".to_owned(),
                    text: format!("step {seq}"),
                };
                let sealed = seal(&before, seq, entry);
                before = sealed.seal.clone();
                sealed
            })
            .collect()
    }

    #[test]
    fn a_true_log_verifies() {
        let log = log();
        assert_eq!(verify(log.clone()), Ok((5, log[4].seal.clone())));
        assert_eq!(verify(vec![]), Ok((0, GENESIS.to_owned())));
    }

    #[test]
    fn tampering_with_any_field_of_any_entry_is_found() {
        for victim in 0..5 {
            let edits: [fn(&mut Sealed); 6] = [
                |s| s.entry.actor.push('x'),
                |s| s.entry.subject.push('x'),
                |s| s.entry.action.push('x'),
                |s| s.entry.text.push('x'),
                |s| s.entry.at = Timestamp::from_second(1).unwrap(),
                |s| s.seal.replace_range(0..1, "g"),
            ];
            for edit in edits {
                let mut log = log();
                edit(&mut log[victim]);
                assert_eq!(verify(log).unwrap_err().seq, victim as i64 + 1);
            }
        }
    }

    #[test]
    fn a_removed_or_swapped_entry_is_found() {
        let mut removed = log();
        removed.remove(2);
        assert_eq!(verify(removed).unwrap_err().seq, 3);
        let mut swapped = log();
        swapped.swap(1, 2);
        assert_eq!(verify(swapped).unwrap_err().seq, 2);
    }
}
