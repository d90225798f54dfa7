//! The audit log. It is append-only, and the seal of each entry covers the seal of the entry
//! before.
//!
//! A changed, removed or inserted entry breaks every seal after it. If entries are cut off at the
//! end, a shorter valid chain remains; only a copy of the last seal, kept elsewhere, shows that.
//! [`Chain::end`] returns the last seal.
//!
//! An entry from which an account was erased keeps its seal. The entry about the erasure covers
//! what is left of it ([`Redacted`]); without that entry the chain is broken there.

mod redaction;

use std::{
    borrow::Cow,
    io::{self, BufRead, Write},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use redaction::Redactions;
pub use redaction::{ERASED, Redacted};

/// An action on a case, not yet in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Entry {
    /// Time of the action.
    pub at: Timestamp,
    /// The actor: a person, a demo reviewer, or `lockstep` itself.
    pub actor: String,
    /// The case; for a key, the partner.
    pub subject: String,
    /// The action, in one word.
    pub action: String,
    /// Description for people.
    pub text: String,
}

/// An entry with its position in the log and its seal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Sealed {
    /// Position in the log, from 1, without gaps.
    pub seq: i64,
    /// The action.
    #[serde(flatten)]
    pub entry: Entry,
    /// Digests of what the entry covers: cases, shared objects, keys. JSON, as the store wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covers: Option<String>,
    /// SHA-256 over the seal of the entry before, `seq`, the entry and what it covers; hexadecimal.
    pub seal: String,
}

/// The value used as the seal before the first entry.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Seals an entry: SHA-256 of the JSON array `[before, seq, at, actor, subject, action, text]`,
/// with the time in microseconds, and with `covers` at the end if the entry covers anything.
pub fn seal(before: &str, seq: i64, entry: Entry, covers: Option<String>) -> Sealed {
    // An array of strings and integers has exactly one compact JSON form, so no canonical form is
    // needed.
    let mut sealed_text = serde_json::json!([
        before,
        seq,
        entry.at.as_microsecond(),
        entry.actor,
        entry.subject,
        entry.action,
        entry.text
    ]);
    if let (Some(array), Some(covers)) = (sealed_text.as_array_mut(), &covers) {
        array.push(covers.as_str().into());
    }
    let seal = text_format::hex(&Sha256::digest(sealed_text.to_string().as_bytes()));
    Sealed { seq, entry, covers, seal }
}

/// The position at which the chain is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the audit log is broken at entry {seq}: {what}; compare it with a backup before trusting anything after it")]
pub struct Broken {
    /// Position of the first bad entry.
    pub seq: i64,
    /// What is wrong with the entry, or with what it covers.
    pub what: Cow<'static, str>,
}

/// Verification of a log, from the first entry to the last.
#[derive(Debug, Clone)]
pub struct Chain {
    last: i64,
    seal: String,
    expected: Option<String>,
    found_expected: bool,
    redactions: Redactions,
}

impl Default for Chain {
    fn default() -> Self {
        Self::new()
    }
}

impl Chain {
    /// A chain before the first entry.
    pub fn new() -> Self {
        Self::after(0, GENESIS.to_owned())
    }

    /// A chain after the entry with this position and seal.
    pub fn after(seq: i64, seal: String) -> Self {
        Self { last: seq, seal, expected: None, found_expected: false, redactions: Redactions::default() }
    }

    /// Sets a seal that the log must contain: the last seal of an earlier verification, kept
    /// elsewhere. Nothing else can show that entries were cut off at the end.
    pub fn expecting(mut self, seal: Option<&str>) -> Self {
        self.expected = seal.map(|seal| seal.trim().to_lowercase());
        self.found_expected = self.expected.as_deref() == Some(&*self.seal);
        self
    }

    /// Checks the next entry. Whether a seal that does not match is explained by a later erasure is
    /// known at the end.
    pub fn check(&mut self, found: Sealed) -> Result<(), Broken> {
        if found.seq != self.last + 1 {
            return Err(Broken { seq: self.last + 1, what: "an entry is missing here".into() });
        }
        let right = seal(&self.seal, found.seq, found.entry.clone(), found.covers.clone());
        match right.seal == found.seal {
            true => self.redactions.add_sealed(&found),
            false => self.redactions.add_unsealed(&found),
        }
        self.seal = found.seal;
        self.last = found.seq;
        self.found_expected |= self.expected.as_deref() == Some(&*self.seal);
        Ok(())
    }

    /// Number of entries verified.
    pub fn len(&self) -> i64 {
        self.last
    }

    /// Whether no entry was verified yet.
    pub fn is_empty(&self) -> bool {
        self.last == 0
    }

    /// Number of entries that lost an account, or the first entry whose seal does not match and
    /// from which no entry erased anything.
    pub fn redacted(&self) -> Result<u64, Broken> {
        self.redactions.settled()
    }

    /// Number of entries and the last seal, or an error if an entry was changed or the expected seal
    /// was not found.
    pub fn end(self) -> Result<(i64, String), Broken> {
        self.redacted()?;
        if self.expected.is_some() && !self.found_expected {
            return Err(Broken {
                seq: self.last + 1,
                what: "the expected seal is not in the log: entries were cut off at the end, or this is another log"
                    .into(),
            });
        }
        Ok((self.last, self.seal))
    }
}

/// The first line of an exported log.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    /// Name and version of the format.
    log: String,
    /// Position of the entry before the first entry of the export.
    since: i64,
    /// Seal of that entry.
    before: String,
}

const FORMAT: &str = "lockstep audit log 1";

/// Error of writing or verifying an export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The file cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The content is not what was exported.
    #[error(transparent)]
    Broken(#[from] Broken),
}

/// Writes the first line of an export of the entries after `since`; `before` is the seal of entry
/// `since`.
pub fn export_header(out: &mut impl Write, since: i64, before: &str) -> io::Result<()> {
    line(out, &Header { log: FORMAT.to_owned(), since, before: before.to_owned() })
}

/// Writes one entry of an export.
pub fn export_entry(out: &mut impl Write, entry: &Sealed) -> io::Result<()> {
    line(out, entry)
}

/// What an export holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedExport {
    /// Position of the entry before the first entry of the export.
    pub since: i64,
    /// Position of its last entry.
    pub last: i64,
    /// The last seal.
    pub seal: String,
    /// Number of entries from which an account was erased.
    pub redacted: u64,
}

/// Verifies an export without a database.
///
/// Every line must have exactly the bytes that the export writes for its content. So nothing in the
/// file can change unnoticed, not even to another spelling of the same JSON value.
pub fn verify_export(file: &mut impl BufRead, expected: Option<&str>) -> Result<VerifiedExport, ExportError> {
    let mut read = Vec::new();
    let broken = |seq, what: &'static str| Err(ExportError::Broken(Broken { seq, what: what.into() }));
    file.read_until(b'\n', &mut read)?;
    let header = match canonical::<Header>(&read) {
        Some(header) if header.log == FORMAT => header,
        _ => return broken(0, "the first line is not the header of an exported audit log"),
    };
    if header.since < 0 || (header.since == 0 && header.before != GENESIS) {
        return broken(0, "the header does not say where the log begins");
    }
    let since = header.since;
    let mut chain = Chain::after(since, header.before).expecting(expected);
    loop {
        read.clear();
        if file.read_until(b'\n', &mut read)? == 0 {
            let redacted = chain.redacted()?;
            let (last, seal) = chain.end()?;
            return Ok(VerifiedExport { since, last, seal, redacted });
        }
        // A seal covers microseconds, and the log holds nothing finer.
        match canonical::<Sealed>(&read) {
            Some(entry) if entry.entry.at.subsec_nanosecond() % 1_000 == 0 => chain.check(entry)?,
            _ => return broken(chain.len() + 1, "its line was changed after it was written"),
        }
    }
}

fn line<T: Serialize>(out: &mut impl Write, value: &T) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

/// The value of a line, if serialising the value gives the same bytes again.
fn canonical<T: Serialize + serde::de::DeserializeOwned>(read: &[u8]) -> Option<T> {
    let value: T = serde_json::from_slice(read).ok()?;
    let mut written = Vec::with_capacity(read.len());
    line(&mut written, &value).ok()?;
    (written == read).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verify(log: Vec<Sealed>) -> Result<(i64, String), Broken> {
        let mut chain = Chain::new();
        log.into_iter().try_for_each(|entry| chain.check(entry))?;
        chain.end()
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
                let sealed = seal(&before, seq, entry, None);
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

    fn exported(since: usize) -> Vec<u8> {
        let log = log();
        let mut out = Vec::new();
        let before = since.checked_sub(1).map_or(GENESIS, |last| &log[last].seal);
        export_header(&mut out, since as i64, before).unwrap();
        log[since..].iter().for_each(|entry| export_entry(&mut out, entry).unwrap());
        out
    }

    fn verify_file(mut file: &[u8], expected: Option<&str>) -> Result<(i64, String), ExportError> {
        verify_export(&mut file, expected).map(|export| (export.last, export.seal))
    }

    #[test]
    fn an_export_verifies_by_itself_from_the_beginning_and_from_later() {
        let end = (5, log()[4].seal.clone());
        for since in 0..=5 {
            assert_eq!(verify_file(&exported(since), None).unwrap(), end);
            assert_eq!(verify_file(&exported(since), Some(&end.1)).unwrap(), end);
        }
        for not_one in [&b""[..], b"{}\n", b"\n", b"hello"] {
            assert!(verify_file(not_one, None).is_err());
        }
    }

    #[test]
    fn every_flipped_bit_of_an_export_is_found() {
        for since in [0, 2] {
            let whole = exported(since);
            for at in 0..whole.len() {
                for bit in 0..8 {
                    let mut file = whole.clone();
                    file[at] ^= 1 << bit;
                    // The header of a later export has the seal of the entry before, and the first
                    // entry's seal covers that seal.
                    assert!(verify_file(&file, None).is_err(), "byte {at} bit {bit}");
                }
            }
        }
    }

    #[test]
    fn what_is_cut_off_shows_by_the_seal_that_was_kept() {
        let whole = exported(0);
        let ends: Vec<usize> = whole.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1).collect();
        let kept = log()[4].seal.clone();
        for end in 0..whole.len() {
            let cut = verify_file(&whole[..end], None);
            // After whole lines are cut off, a valid shorter log remains; only the kept seal shows
            // the loss.
            assert_eq!(cut.is_ok(), ends.contains(&end), "{end}");
            assert!(verify_file(&whole[..end], Some(&kept)).is_err());
        }
        assert!(verify_file(&whole, Some(&log()[2].seal)).is_ok(), "the log has grown since");
    }

    #[test]
    fn a_time_is_not_made_finer_than_it_was_sealed() {
        let whole = String::from_utf8(exported(0)).unwrap();
        let finer = whole.replace("41Z\"", "41.000000001Z\"");
        assert_ne!(whole, finer);
        assert!(verify_file(finer.as_bytes(), None).is_err());
    }

    proptest::proptest! {
        #[test]
        fn an_edited_export_never_passes_as_another(
            texts in proptest::collection::vec(".{0,20}", 1..6),
            victim in 0usize..6,
            with in 0usize..6,
            kind in 0usize..4,
            byte: u8,
            place: proptest::sample::Index,
        ) {
            let mut before = GENESIS.to_owned();
            let mut lines = vec![Vec::new()];
            export_header(&mut lines[0], 0, GENESIS).unwrap();
            for (text, seq) in texts.iter().zip(1..) {
                let at = Timestamp::from_microsecond(1_600_000_000_123_456 + seq).unwrap();
                let entry = Entry { at, actor: text.clone(), subject: "s".into(), action: "a".into(), text: text.clone() };
                let sealed = seal(&before, seq, entry, None);
                before = sealed.seal.clone();
                lines.push(Vec::new());
                export_entry(lines.last_mut().unwrap(), &sealed).unwrap();
            }
            let whole = lines.concat();
            proptest::prop_assert!(verify_file(&whole, Some(&before)).is_ok());
            let (victim, with) = (victim % lines.len(), with % lines.len());
            match kind {
                0 => drop(lines.remove(victim)),
                1 => lines.swap(victim, with),
                2 => {
                    let copy = lines[victim].clone();
                    lines.insert(with, copy);
                }
                _ => {
                    let line = &mut lines[victim];
                    let at = place.index(line.len());
                    line[at] = byte;
                }
            }
            let edited = lines.concat();
            if edited != whole {
                proptest::prop_assert!(verify_file(&edited, Some(&before)).is_err());
            }
        }
    }
}
