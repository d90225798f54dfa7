//! Event time over several partitions.
//!
//! Which partitions are silent goes by the time that the driver hands in: how long it has run.

use std::{collections::BTreeMap, time::Duration};

use coordination::Millis;
use runtime::Record;
use serde::{Deserialize, Serialize};

/// A partition read to its end and silent for this long no longer holds event time back.
const IDLE: Duration = Duration::from_secs(30);

/// The least of the partitions' newest post times. What a checkpoint keeps of it is what it takes
/// to go on judging the same posts late: event time itself, and each partition's newest post;
/// silence is not kept and begins anew.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct EventClock {
    now: Millis,
    partitions: BTreeMap<i32, Progress>,
    /// In a replay: where event time stood when what is replayed was committed.
    #[serde(skip)]
    until: Option<Millis>,
}

/// How far a partition has been read.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Progress {
    /// Time of its newest post.
    newest: Millis,
    /// Offset of its next record.
    next: i64,
    #[serde(skip)]
    left: Left,
}

/// What there is still to read of a partition.
#[derive(Debug, Default, Clone, Copy)]
enum Left {
    #[default]
    More,
    /// Nothing, since then.
    NothingSince(Duration),
    /// Nothing, in this replay.
    NothingHere,
}

impl Left {
    fn holds_back(self, running: Duration) -> bool {
        match self {
            Left::More => true,
            Left::NothingSince(since) => running.saturating_sub(since) < IDLE,
            Left::NothingHere => false,
        }
    }

    fn end(&mut self, running: Duration) {
        if let Left::More = self {
            *self = Left::NothingSince(running);
        }
    }
}

impl EventClock {
    /// Event time.
    pub(crate) fn now(&self) -> Millis {
        self.now
    }

    /// Where the reading stands: the next offset of each partition.
    pub(crate) fn offsets(&self) -> BTreeMap<i32, i64> {
        self.partitions.iter().map(|(number, partition)| (*number, partition.next)).collect()
    }

    /// Takes note of where the partitions end.
    pub(crate) fn ends(&mut self, running: Duration, ends: &[i64]) {
        for (number, end) in (0..).zip(ends) {
            let partition = self.partition(number);
            if partition.next >= *end {
                partition.left.end(running);
            }
        }
    }

    /// Nothing came although it was waited for. Ends alone would not tell: on Kafka they also count
    /// what is no record.
    pub(crate) fn nothing_left(&mut self, running: Duration) {
        self.partitions.values_mut().for_each(|partition| partition.left.end(running));
    }

    pub(crate) fn read(&mut self, record: &Record) {
        let partition = self.partition(record.partition);
        partition.next = record.offset + 1;
        partition.left = Left::More;
    }

    pub(crate) fn see(&mut self, partition: i32, at: Millis) {
        let partition = self.partition(partition);
        partition.newest = partition.newest.max(at);
    }

    /// Never back, and in a replay never beyond where it was.
    pub(crate) fn advance(&mut self, running: Duration) {
        let active = self.partitions.values().filter(|partition| partition.left.holds_back(running));
        if let Some(least) = active.map(|partition| partition.newest).min() {
            self.now = self.now.max(self.until.map_or(least, |until| least.min(until)));
        }
    }

    /// What was committed when event time was `until` is read again, of so many partitions.
    pub(crate) fn replay(&mut self, until: Option<Millis>, partitions: usize) {
        self.until = until;
        // All hold back from the start, not from their first post on.
        for number in 0..partitions {
            self.partition(number as i32);
        }
    }

    /// Nothing more of this partition comes in the replay, so that it need not be waited for. Only
    /// where it is known how far event time may go: further than it was, and clusters would be
    /// found in the replay that were never published.
    pub(crate) fn replayed(&mut self, partition: i32) {
        if self.until.is_some() {
            self.partition(partition).left = Left::NothingHere;
        }
    }

    /// The replay is over: event time is where it was.
    pub(crate) fn live(&mut self) {
        self.now = self.now.max(self.until.take().unwrap_or(Millis::MIN));
        self.partitions.values_mut().for_each(|partition| partition.left = Left::More);
    }

    fn partition(&mut self, number: i32) -> &mut Progress {
        let unread = Progress { newest: Millis::MIN, next: 0, left: Left::More };
        self.partitions.entry(number).or_insert(unread)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// Reads a record with a post, `running` seconds after the start.
    fn read_at(clock: &mut EventClock, running: u64, partition: i32, offset: i64, at: Millis) {
        let (key, value, headers) = (Vec::new(), None, Vec::new());
        clock.read(&Record { topic: Arc::from("posts"), partition, offset, key, value, headers, timestamp: 0 });
        clock.see(partition, at);
        clock.advance(Duration::from_secs(running));
    }

    fn read(clock: &mut EventClock, partition: i32, offset: i64, at: Millis) {
        read_at(clock, 0, partition, offset, at);
    }

    #[test]
    fn event_time_waits_for_the_partition_that_is_read_last() {
        let seconds = Duration::from_secs;
        let mut clock = EventClock::default();
        clock.ends(seconds(0), &[2, 1, 0]);
        read_at(&mut clock, 29, 0, 0, 10);
        read_at(&mut clock, 29, 0, 1, 20);
        assert_eq!(clock.now, 0, "the second has not been read, and the third may have a post yet");
        read_at(&mut clock, 30, 1, 0, 12);
        assert_eq!(clock.now, 12, "the third has been silent for half a minute");
        clock.ends(seconds(31), &[9, 1, 0]);
        read_at(&mut clock, 60, 0, 2, 30);
        assert_eq!(clock.now, 12, "the second ended 29 seconds ago");
        clock.nothing_left(seconds(60));
        read_at(&mut clock, 61, 0, 3, 40);
        assert_eq!(clock.now, 40, "it has been silent since the 31st second, however often that was seen");
        read_at(&mut clock, 62, 1, 1, 35);
        assert_eq!(clock.now, 40, "it never goes back");
    }

    #[test]
    fn a_replay_ends_where_event_time_was() {
        // The second was silent and held nothing back when event time was 30.
        let mut clock = EventClock::default();
        clock.replay(Some(30), 3);
        clock.replayed(1);
        read(&mut clock, 0, 0, 20);
        assert_eq!(clock.now, 0, "the third has not been read");
        read(&mut clock, 2, 0, 25);
        assert_eq!(clock.now, 20);
        clock.replayed(2);
        read(&mut clock, 0, 1, 50);
        assert_eq!(clock.now, 30, "what comes after was not told yet");
        clock.replayed(0);
        clock.live();
        assert_eq!(clock.now, 30);
        read(&mut clock, 0, 2, 60);
        assert_eq!(clock.now, 30, "the second holds back again until it has been silent for long enough");
        // Nobody knows how far it was: nobody is left out.
        let mut clock = EventClock::default();
        clock.replay(None, 2);
        read(&mut clock, 0, 0, 20);
        clock.replayed(0);
        clock.live();
        assert_eq!(clock.now, 0);
        read(&mut clock, 1, 0, 12);
        assert_eq!(clock.now, 12);
    }

    #[test]
    fn it_goes_on_from_what_was_kept() {
        let mut clock = EventClock::default();
        clock.ends(Duration::ZERO, &[9, 9]);
        read(&mut clock, 0, 6, 20);
        read(&mut clock, 1, 3, 12);
        let mut kept: EventClock = postcard::from_bytes(&postcard::to_allocvec(&clock).unwrap()).unwrap();
        assert_eq!(kept.offsets(), BTreeMap::from([(0, 7), (1, 4)]));
        for clock in [&mut clock, &mut kept] {
            assert_eq!(clock.now, 12);
            read(clock, 1, 4, 18);
            assert_eq!(clock.now, 18);
            read(clock, 1, 5, 28);
            assert_eq!(clock.now, 20);
        }
    }
}
