//! What a checkpoint holds, and the note that is committed with the offsets.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    time::{SystemTime, UNIX_EPOCH},
};

use coordination::{Millis, SnapshotError};
use messages::cluster::Status;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::{clock::EventClock, drift::Window};

/// Raised whenever the state changes its shape or its meaning.
const VERSION: u32 = 2;

/// Why a checkpoint's state cannot be used, or cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    #[error(transparent)]
    Engine(#[from] SnapshotError),
    #[error("the state cannot be {0}")]
    Bytes(&'static str),
    #[error("it has version {0}, and this program reads version {VERSION}")]
    Version(u32),
    #[error("it belongs to another log, or to a time before the group's offsets were reset")]
    Lineage,
    #[error("it stands beyond the committed offsets")]
    Ahead,
    #[error("it was taken with {0} engine shards, and the configuration says otherwise")]
    Shards(u16),
    #[error("it was taken with another lexicon")]
    Lexicon,
}

/// What is committed with the offsets: which line of commits this is, and event time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Note {
    /// Made when a group begins; a checkpoint of another log, or of this one before it was emptied, has another.
    pub(crate) lineage: u64,
    /// Event time.
    pub(crate) now: Millis,
}

impl Note {
    /// The first of a new line.
    pub(crate) fn first() -> Note {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        Note { lineage: xxh3_64(format!("{} {time}", std::process::id()).as_bytes()), now: 0 }
    }

    /// As it is committed.
    pub(crate) fn text(self) -> String {
        format!("{:016x} {}", self.lineage, self.now)
    }

    /// `None` where somebody else wrote it, or nobody.
    pub(crate) fn parse(text: &str) -> Option<Note> {
        let (lineage, now) = text.split_once(' ')?;
        Some(Note { lineage: u64::from_str_radix(lineage, 16).ok()?, now: now.parse().ok()? })
    }
}

/// All that the service knows but for the pipeline's state, which follows it in a checkpoint.
#[derive(Serialize, Deserialize)]
pub(crate) struct State<'a> {
    pub(crate) lineage: u64,
    pub(crate) shards: u16,
    pub(crate) clock: Cow<'a, EventClock>,
    pub(crate) flagged: Cow<'a, BTreeSet<String>>,
    pub(crate) statuses: Cow<'a, BTreeMap<String, Status>>,
    pub(crate) window: Cow<'a, Window>,
    /// Where the topics of clusters end: what is told in them from there on is not in this.
    pub(crate) told: Cow<'a, Told>,
}

/// The end of each partition of the topics that clusters are told in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) clusters: Vec<i64>,
    pub(crate) flagged: Vec<i64>,
}

impl State<'_> {
    /// This and the pipeline's state as bytes.
    pub(crate) fn write(&self, pipeline: Vec<u8>) -> Result<Vec<u8>, StateError> {
        let state = postcard::to_allocvec(&(VERSION, self)).map_err(|_| StateError::Bytes("written"))?;
        Ok([state, pipeline].concat())
    }

    /// What was written: this and the pipeline's bytes.
    pub(crate) fn read(bytes: &[u8]) -> Result<(State<'static>, &[u8]), StateError> {
        let unreadable = |_| StateError::Bytes("read");
        let (version, bytes) = postcard::take_from_bytes(bytes).map_err(unreadable)?;
        if version != VERSION {
            return Err(StateError::Version(version));
        }
        postcard::take_from_bytes(bytes).map_err(unreadable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_as_written_and_others_are_not() {
        let note = Note { now: -5, ..Note::first() };
        assert_eq!(Note::parse(&note.text()), Some(note));
        for other in ["", "x", "12", "zz 5", "00ff five"] {
            assert_eq!(Note::parse(other), None, "{other:?}");
        }
    }

    #[test]
    fn a_state_is_read_as_written() {
        let flagged = BTreeSet::from(["c-1".to_owned()]);
        let statuses = BTreeMap::from([("c-1".to_owned(), Status::Flagged), ("c-2".to_owned(), Status::Faded)]);
        let mut window = Window::default();
        window.tell("c-1", vec![Some(0.5), None]);
        let told = Told { clusters: vec![3, 0], flagged: vec![1] };
        let (clock, lineage, shards) = (EventClock::default(), 7, 2);
        let state = State {
            lineage,
            shards,
            clock: Cow::Borrowed(&clock),
            flagged: Cow::Borrowed(&flagged),
            statuses: Cow::Borrowed(&statuses),
            window: Cow::Borrowed(&window),
            told: Cow::Borrowed(&told),
        };
        let mut bytes = state.write(b"engine".to_vec()).unwrap();
        let (read, pipeline) = State::read(&bytes).unwrap();
        assert_eq!((read.lineage, read.shards, pipeline), (7, 2, &b"engine"[..]));
        assert_eq!((read.flagged.as_ref(), read.statuses.as_ref()), (&flagged, &statuses));
        assert_eq!((read.window.as_ref(), read.told.as_ref()), (&window, &told));
        bytes[0] = 9;
        assert!(matches!(State::read(&bytes), Err(StateError::Version(9))));
        assert!(matches!(State::read(&[]), Err(StateError::Bytes("read"))));
    }
}
