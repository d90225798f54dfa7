//! Event-time order: posts wait here until the watermark has passed them.

use std::{cmp::Ordering, collections::BinaryHeap};

use serde::{Deserialize, Serialize};

use crate::post::Millis;

/// Releases items by time, then by their own order, when nothing earlier is expected.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound(deserialize = "T: Ord + Deserialize<'de>"))]
pub(crate) struct Reorder<T: Ord> {
    waiting: BinaryHeap<Waiting<T>>,
    allowed_lateness: Millis,
    newest: Millis,
}

#[derive(Debug, Serialize, Deserialize)]
struct Waiting<T> {
    at: Millis,
    /// Sorting moves entries, so an item is boxed.
    item: Box<T>,
}

impl<T: Ord> Reorder<T> {
    pub(crate) fn new(allowed_lateness: Millis) -> Reorder<T> {
        Reorder { waiting: BinaryHeap::new(), allowed_lateness, newest: Millis::MIN }
    }

    /// Everything before this has been released.
    pub(crate) fn watermark(&self) -> Millis {
        self.watermark_at(self.newest)
    }

    /// The watermark of a stream whose posts have reached this event time.
    pub(crate) fn watermark_at(&self, newest: Millis) -> Millis {
        newest.saturating_sub(self.allowed_lateness)
    }

    /// Records that event time has reached `now`.
    pub(crate) fn advance(&mut self, now: Millis) {
        self.newest = self.newest.max(now);
    }

    pub(crate) fn push(&mut self, at: Millis, item: T) {
        self.waiting.push(Waiting { at, item: Box::new(item) });
    }

    /// The time of the next item, if it is behind the watermark, or at the `end` of the stream.
    pub(crate) fn next_at(&self, end: bool) -> Option<Millis> {
        let at = self.waiting.peek()?.at;
        (end || at < self.watermark()).then_some(at)
    }

    /// The next item, whatever the watermark.
    pub(crate) fn pop(&mut self) -> Option<(Millis, T)> {
        self.waiting.pop().map(|w| (w.at, *w.item))
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}

impl<T: Ord> Ord for Waiting<T> {
    // The heap returns the greatest item first, and the earliest is needed first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, &other.item).cmp(&(self.at, &self.item))
    }
}

impl<T: Ord> PartialOrd for Waiting<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Ord> PartialEq for Waiting<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T: Ord> Eq for Waiting<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_out_by_time_then_name_behind_the_watermark() {
        let mut order = Reorder::new(10);
        for (at, name) in [(5, "b"), (3, "z"), (5, "a"), (14, "c")] {
            order.advance(at);
            order.push(at, name);
        }
        assert_eq!(order.watermark(), 4);
        assert_eq!((order.next_at(false), order.pop()), (Some(3), Some((3, "z"))));
        assert_eq!(order.next_at(false), None);
        order.advance(16);
        assert_eq!((order.next_at(false), order.pop()), (Some(5), Some((5, "a"))));
        assert_eq!((order.next_at(false), order.pop()), (Some(5), Some((5, "b"))));
        assert_eq!(order.next_at(false), None);
        assert_eq!((order.next_at(true), order.pop()), (Some(14), Some((14, "c"))));
    }
}
