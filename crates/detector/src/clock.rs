//! Event time over several partitions.
//!
//! Event time is the least of the partitions' newest post times. A partition that was read to its
//! end and is silent does not hold event time back. But a burst that comes after a silence reaches
//! the partitions one after the other, and is read one after the other: event time that ran ahead
//! with the first would make the posts of the others too late. So beside a silent partition, event
//! time goes only as far as posts that arrived [`GRACE`] before the partition was last seen at its
//! end.
//!
//! The driver passes in the times: how long it has run, and the wall clock.

use std::{collections::BTreeMap, time::Duration};

use coordination::Millis;
use runtime::Record;
use serde::{Deserialize, Serialize};

/// A partition that was read to its end and then silent for this long does not hold back event
/// time.
const IDLE: Duration = Duration::from_secs(30);

/// A post that arrived in one partition shows that posts of the same burst have arrived in the
/// others after this time.
const GRACE: Millis = 5_000;

/// Most seconds of arrivals that are kept apart.
const SECONDS: usize = 1_024;

/// Event time. A checkpoint stores the parts that are needed to find the same posts late: event
/// time itself, and each partition's newest post. Silence is not stored and begins again after a
/// start.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct EventClock {
    now: Millis,
    partitions: BTreeMap<i32, Progress>,
    /// In a replay: event time at the commit of the replayed posts.
    #[serde(skip)]
    until: Option<Millis>,
    /// The newest post time of what arrived until the end of each second, of all partitions.
    #[serde(skip)]
    arrived: BTreeMap<i64, Millis>,
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
    /// Nothing.
    Nothing {
        /// How long the driver had run when that began.
        since: Duration,
        /// The wall clock when it was last so.
        seen: Millis,
    },
    /// Nothing in this replay.
    NothingHere,
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

    /// The newest post time of a partition.
    pub(crate) fn newest(&self, partition: i32) -> Millis {
        self.partitions.get(&partition).map_or(Millis::MIN, |partition| partition.newest)
    }

    /// There are this many partitions, and each of them holds back event time until it is read or
    /// silent.
    pub(crate) fn partitions(&mut self, partitions: usize) {
        for number in 0..partitions {
            self.partition(number as i32);
        }
    }

    /// Records how many records were left to read in each partition when the wall clock said `wall`.
    pub(crate) fn lags(&mut self, running: Duration, wall: Millis, lags: &[(i32, u64)]) {
        for (number, lag) in lags {
            let left = &mut self.partition(*number).left;
            *left = match (*lag, *left) {
                (0, Left::Nothing { since, .. }) => Left::Nothing { since, seen: wall },
                (0, _) => Left::Nothing { since: running, seen: wall },
                _ => Left::More,
            };
        }
        self.merge_arrivals();
    }

    pub(crate) fn read(&mut self, record: &Record) {
        let partition = self.partition(record.partition);
        partition.next = record.offset + 1;
        partition.left = Left::More;
    }

    /// A post of a partition that arrived at a time of the wall clock.
    pub(crate) fn see(&mut self, partition: i32, at: Millis, arrived: Millis) {
        let partition = self.partition(partition);
        partition.newest = partition.newest.max(at);
        if self.until.is_none() {
            let second = arrived.div_euclid(1_000) * 1_000 + 999;
            let newest = self.arrived.entry(second).or_insert(at);
            *newest = (*newest).max(at);
        }
    }

    /// Event time never goes back, and in a replay never beyond its committed value.
    pub(crate) fn advance(&mut self, running: Duration) {
        let bounds = self.partitions.values().filter_map(|partition| match partition.left {
            Left::More => Some(partition.newest),
            Left::Nothing { since, .. } if running.saturating_sub(since) < IDLE => Some(partition.newest),
            Left::Nothing { seen, .. } => Some(partition.newest.max(self.newest_until(seen - GRACE))),
            Left::NothingHere => None,
        });
        if let Some(least) = bounds.min() {
            self.now = self.now.max(self.until.map_or(least, |until| least.min(until)));
        }
    }

    /// Begins a replay of the posts that were committed when event time was `until`, in this number
    /// of partitions.
    pub(crate) fn replay(&mut self, until: Option<Millis>, partitions: usize) {
        self.until = until;
        // Every partition holds back event time from the start, not only from its first post on.
        self.partitions(partitions);
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
        // What was read again arrived before this start.
        let newest = self.partitions.values().map(|partition| partition.newest).max();
        self.arrived = newest.map(|newest| (Millis::MIN, newest)).into_iter().collect();
    }

    /// The newest post time of what had arrived at a time.
    fn newest_until(&self, time: Millis) -> Millis {
        let until = self.arrived.range(..=time).map(|(_, newest)| *newest);
        until.max().unwrap_or(Millis::MIN)
    }

    /// Forgets the order of arrivals that every silent partition may count already.
    fn merge_arrivals(&mut self) {
        let waits = self.partitions.values().filter_map(|partition| match partition.left {
            Left::Nothing { seen, .. } => Some(seen - GRACE),
            Left::More | Left::NothingHere => None,
        });
        let counted = waits.min().unwrap_or(Millis::MIN);
        let later = self.arrived.split_off(&counted.saturating_add(1));
        let counted = std::mem::replace(&mut self.arrived, later);
        if let (Some(last), Some(newest)) = (counted.keys().next_back(), counted.values().max()) {
            self.arrived.insert(*last, *newest);
        }
        // Counted as of a later second, an arrival only waits longer.
        while self.arrived.len() > SECONDS {
            let first = self.arrived.pop_first();
            if let (Some((_, newest)), Some(mut next)) = (first, self.arrived.first_entry()) {
                *next.get_mut() = newest.max(*next.get());
            }
        }
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

    const SECOND: Millis = 1_000;

    /// Reads a record of a post that has just arrived, `running` seconds after the start.
    fn read_at(clock: &mut EventClock, running: u64, partition: i32, offset: i64, at: Millis) {
        let (key, value, headers) = (Vec::new(), None, Vec::new());
        clock.read(&Record { topic: Arc::from("posts"), partition, offset, key, value, headers, timestamp: 0 });
        clock.see(partition, at, wall(running));
        clock.advance(Duration::from_secs(running));
    }

    fn read(clock: &mut EventClock, partition: i32, offset: i64, at: Millis) {
        read_at(clock, 0, partition, offset, at);
    }

    fn wall(running: u64) -> Millis {
        1_767_225_600_000 + running as Millis * SECOND
    }

    fn lags(clock: &mut EventClock, running: u64, lags: &[u64]) {
        let lags: Vec<(i32, u64)> = (0..).zip(lags.iter().copied()).collect();
        clock.lags(Duration::from_secs(running), wall(running), &lags);
    }

    #[test]
    fn event_time_waits_for_the_partition_that_is_read_last() {
        let mut clock = EventClock::default();
        clock.partitions(3);
        lags(&mut clock, 0, &[2, 1, 0]);
        read_at(&mut clock, 29, 0, 0, 10);
        lags(&mut clock, 29, &[1, 1, 0]);
        read_at(&mut clock, 29, 0, 1, 20);
        assert_eq!(clock.now, 0, "the second has not been read, and the third may have a post yet");
        read_at(&mut clock, 30, 1, 0, 12);
        assert_eq!(clock.now, 0, "the third has been silent for half a minute, and a burst may have begun in it");
        lags(&mut clock, 36, &[0, 0, 0]);
        read_at(&mut clock, 37, 0, 2, 30);
        assert_eq!(clock.now, 12, "no burst had begun in the third, and the second is not silent for long");
        lags(&mut clock, 60, &[0, 0, 0]);
        lags(&mut clock, 70, &[0, 0, 0]);
        read_at(&mut clock, 71, 0, 3, 40);
        assert_eq!(clock.now, 30, "the second is silent as well");
        read_at(&mut clock, 72, 1, 1, 25);
        assert_eq!(clock.now, 30, "it never goes back");
    }

    #[test]
    fn a_burst_after_a_silence_is_waited_for_in_every_partition() {
        let mut clock = EventClock::default();
        clock.partitions(3);
        for (partition, at) in [(0, 100), (1, 101), (2, 102)] {
            read_at(&mut clock, 1, partition, 0, at);
        }
        (2..100).for_each(|running| lags(&mut clock, running, &[0, 0, 0]));
        // A day of posts comes at once. The first partition is read to its end before the others are
        // looked at.
        for n in 1..100 {
            read_at(&mut clock, 100, 0, n, 100 + n * 900 * SECOND);
        }
        assert_eq!(clock.now, 102, "event time does not run ahead with the first");
        lags(&mut clock, 101, &[0, 99, 99]);
        read_at(&mut clock, 102, 0, 100, 90_000 * SECOND);
        assert_eq!(clock.now, 102, "the others are not read");
        for n in 1..100 {
            read_at(&mut clock, 103, 1, n, 101 + n * 900 * SECOND);
            read_at(&mut clock, 103, 2, n, 102 + n * 900 * SECOND);
        }
        assert_eq!(clock.now, 101 + 99 * 900 * SECOND, "no partition is silent");
        // The third is silent from here on, and the others go on.
        for running in 103..200 {
            lags(&mut clock, running, &[0, 0, 0]);
            for partition in [0, 1] {
                read_at(&mut clock, running, partition, running as i64, running as Millis * 1_000 * SECOND);
            }
        }
        assert_eq!(clock.now, 193_000 * SECOND, "what arrived before the third was seen at its end, and the grace");
        assert!(clock.arrived.len() < 20, "{:?}", clock.arrived);
    }

    #[test]
    fn the_order_of_arrivals_is_bounded() {
        let mut clock = EventClock::default();
        clock.partitions(2);
        for n in 0..5_000 {
            read_at(&mut clock, n, 0, n as i64, n as Millis);
            lags(&mut clock, n, &[1, 1]);
        }
        assert_eq!(clock.arrived.len(), SECONDS);
        assert_eq!((clock.now, clock.newest_until(wall(4_999))), (0, 4_998), "nothing is forgotten but the order");
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
        lags(&mut clock, 0, &[0, 0, 0]);
        lags(&mut clock, 31, &[0, 0, 0]);
        read_at(&mut clock, 31, 0, 3, 70);
        assert_eq!(clock.now, 60);
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
        clock.partitions(2);
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
