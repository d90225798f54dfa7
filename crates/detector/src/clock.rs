//! Event time over several partitions.
//!
//! Whether a partition is silent is decided by the time that the driver passes in: how long it has
//! run.

use std::{collections::BTreeMap, time::Duration};

use coordination::Millis;
use runtime::Record;
use serde::{Deserialize, Serialize};

/// A partition that was read to its end and then silent for this long does not hold back event
/// time.
const IDLE: Duration = Duration::from_secs(30);

/// Event time: the minimum over the partitions of their newest post times. A checkpoint stores the
/// parts that are needed to find the same posts late: event time itself, and each partition's
/// newest post. Silence is not stored and begins again after a start.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct EventClock {
    now: Millis,
    partitions: BTreeMap<i32, Progress>,
    /// In a replay: event time at the commit of the replayed posts.
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

/// What remains to be read of a partition.
#[derive(Debug, Default, Clone, Copy)]
enum Left {
    #[default]
    More,
    /// Nothing, since this time.
    NothingSince(Duration),
    /// Nothing in this replay.
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

    /// How far the posts have been read: the next offset of each partition.
    pub(crate) fn offsets(&self) -> BTreeMap<i32, i64> {
        self.partitions.iter().map(|(number, partition)| (*number, partition.next)).collect()
    }

    /// Records the end offsets of the partitions.
    pub(crate) fn ends(&mut self, running: Duration, ends: &[i64]) {
        for (number, end) in (0..).zip(ends) {
            let partition = self.partition(number);
            if partition.next >= *end {
                partition.left.end(running);
            }
        }
    }

    /// No record came during a wait. End offsets alone do not show this: on Kafka they also count
    /// entries that are not records.
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

    /// Event time never goes back, and in a replay never beyond its committed value.
    pub(crate) fn advance(&mut self, running: Duration) {
        let active = self.partitions.values().filter(|partition| partition.left.holds_back(running));
        if let Some(least) = active.map(|partition| partition.newest).min() {
            self.now = self.now.max(self.until.map_or(least, |until| least.min(until)));
        }
    }

    /// Begins a replay of the posts that were committed when event time was `until`, in this number
    /// of partitions.
    pub(crate) fn replay(&mut self, until: Option<Millis>, partitions: usize) {
        self.until = until;
        // Every partition holds back event time from the start, not only from its first post on.
        for number in 0..partitions {
            self.partition(number as i32);
        }
    }

    /// The replay of this partition is complete, so it does not hold back event time any more. Only
    /// done if the committed event time is known: beyond it, the replay would find clusters that
    /// were never published.
    pub(crate) fn replayed(&mut self, partition: i32) {
        if self.until.is_some() {
            self.partition(partition).left = Left::NothingHere;
        }
    }

    /// The replay is over: event time is the committed one.
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

    /// Reads a record of a post, `running` seconds after the start.
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
        assert_eq!(clock.now, 30, "event time does not go beyond the committed one");
        clock.replayed(0);
        clock.live();
        assert_eq!(clock.now, 30);
        read(&mut clock, 0, 2, 60);
        assert_eq!(clock.now, 30, "the second holds back again until it has been silent for long enough");
        // The committed event time is not known, so every partition is waited for.
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
