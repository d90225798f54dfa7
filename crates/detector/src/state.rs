//! The content of a checkpoint, and the note that is committed with the offsets.

use std::{
    borrow::Cow,
    time::{SystemTime, UNIX_EPOCH},
};

use coordination::Millis;
use scoring::ModelName;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::{clock::EventClock, drift::Window, published::Published};

/// Increased whenever the form or the meaning of the state changes.
const VERSION: u32 = 3;

/// Why a checkpoint's state cannot be used or created.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    #[error(transparent)]
    Pipeline(#[from] detection::StateError),
    #[error("the state cannot be {0}")]
    Bytes(&'static str),
    #[error("it has version {0}, and this program reads version {VERSION}")]
    Version(u32),
    #[error("it belongs to another log, or to a time before the group's offsets were reset")]
    Lineage,
    #[error("it is ahead of the committed offsets")]
    Ahead,
    #[error("it was taken with {0} threads of the engine, but the configuration has another number")]
    Threads(u16),
}

/// Committed with the offsets: the lineage of commits, event time, and the model that judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    /// Created when a group begins. A checkpoint of another log, or of this log before it was
    /// emptied, has another lineage.
    pub(crate) lineage: u64,
    /// Event time.
    pub(crate) now: Millis,
    /// The model that was in service; `None` in notes of older versions.
    pub(crate) model: Option<ModelName>,
}

impl Note {
    /// The name of a new lineage.
    pub(crate) fn new_lineage() -> u64 {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        xxh3_64(format!("{} {time}", std::process::id()).as_bytes())
    }

    /// The note as committed text.
    pub(crate) fn text(&self) -> String {
        let note = format!("{:016x} {}", self.lineage, self.now);
        self.model.as_ref().map_or_else(|| note.clone(), |model| format!("{note} {model}"))
    }

    /// `None` if somebody else wrote the text, or nobody.
    pub(crate) fn parse(text: &str) -> Option<Note> {
        let (lineage, rest) = text.split_once(' ')?;
        let (now, model) = match rest.split_once(' ') {
            Some((now, model)) => (now, Some(model.parse().ok()?)),
            None => (rest, None),
        };
        Some(Note { lineage: u64::from_str_radix(lineage, 16).ok()?, now: now.parse().ok()?, model })
    }
}

/// The state of the service except for the pipeline's state, which follows it in a checkpoint.
#[derive(Serialize, Deserialize)]
pub(crate) struct State<'a> {
    pub(crate) lineage: u64,
    pub(crate) threads: u16,
    pub(crate) clock: Cow<'a, EventClock>,
    pub(crate) published: Cow<'a, Published>,
    pub(crate) window: Cow<'a, Window>,
    /// End offsets of the topics of clusters. States that were published later are not included.
    pub(crate) ends: Cow<'a, Ends>,
}

/// The end offset of each partition of the topics of clusters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ends {
    pub(crate) clusters: Vec<i64>,
    pub(crate) flagged: Vec<i64>,
}

impl State<'_> {
    /// This and the pipeline's state as bytes.
    pub(crate) fn write(&self, pipeline: Vec<u8>) -> Result<Vec<u8>, StateError> {
        let state = postcard::to_allocvec(&(VERSION, self)).map_err(|_| StateError::Bytes("written"))?;
        Ok([state, pipeline].concat())
    }

    /// Reads the bytes of [`write`](State::write): this and the pipeline's bytes.
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
        for model in [None, Some("cluster/2.b".parse().unwrap())] {
            let note = Note { lineage: Note::new_lineage(), now: -5, model };
            assert_eq!(Note::parse(&note.text()), Some(note));
        }
        for other in ["", "x", "12", "zz 5", "00ff five", "00ff 5 cluster", "00ff 5 cluster/2 more"] {
            assert_eq!(Note::parse(other), None, "{other:?}");
        }
    }

    #[test]
    fn a_state_is_read_as_written() {
        let mut window = Window::default();
        window.add("c-1", vec![Some(0.5), None]);
        let mut published = Published::default();
        published.flagged_before("c-1".to_owned());
        let ends = Ends { clusters: vec![3, 0], flagged: vec![1] };
        let (clock, lineage, threads) = (EventClock::default(), 7, 2);
        let state = State {
            lineage,
            threads,
            clock: Cow::Borrowed(&clock),
            published: Cow::Borrowed(&published),
            window: Cow::Borrowed(&window),
            ends: Cow::Borrowed(&ends),
        };
        let mut bytes = state.write(b"engine".to_vec()).unwrap();
        let (read, pipeline) = State::read(&bytes).unwrap();
        assert_eq!((read.lineage, read.threads, pipeline), (7, 2, &b"engine"[..]));
        assert_eq!((read.published.as_ref(), read.ends.as_ref(), read.window.as_ref()), (&published, &ends, &window));
        bytes[0] = 9;
        assert!(matches!(State::read(&bytes), Err(StateError::Version(9))));
        assert!(matches!(State::read(&[]), Err(StateError::Bytes("read"))));
    }
}
