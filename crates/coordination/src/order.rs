//! Event-time order: posts wait here until the watermark has passed them.

use std::{cmp::Ordering, collections::BinaryHeap};

use crate::post::Millis;

/// Releases items by time, then by name, once nothing earlier is expected.
#[derive(Debug)]
pub(crate) struct Reorder<T> {
    waiting: BinaryHeap<Waiting<T>>,
    allowed_lateness: Millis,
    newest: Millis,
}

#[derive(Debug)]
struct Waiting<T> {
    at: Millis,
    name: Box<str>,
    item: T,
}

impl<T> Reorder<T> {
    pub(crate) fn new(allowed_lateness: Millis) -> Reorder<T> {
        Reorder { waiting: BinaryHeap::new(), allowed_lateness, newest: Millis::MIN }
    }

    /// Everything before this has been released.
    pub(crate) fn watermark(&self) -> Millis {
        self.newest.saturating_sub(self.allowed_lateness)
    }

    /// Takes note that event time has come to `now`.
    pub(crate) fn advance(&mut self, now: Millis) {
        self.newest = self.newest.max(now);
    }

    pub(crate) fn push(&mut self, at: Millis, name: &str, item: T) {
        self.waiting.push(Waiting { at, name: name.into(), item });
    }

    /// The next item behind the watermark.
    pub(crate) fn pop(&mut self) -> Option<(Millis, T)> {
        if self.waiting.peek()?.at >= self.watermark() {
            return None;
        }
        self.waiting.pop().map(|w| (w.at, w.item))
    }

    /// The next item, whatever the watermark.
    pub(crate) fn drain_next(&mut self) -> Option<(Millis, T)> {
        self.waiting.pop().map(|w| (w.at, w.item))
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}

impl<T> Ord for Waiting<T> {
    // The heap gives the greatest first, and the earliest is wanted first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, &other.name).cmp(&(self.at, &self.name))
    }
}

impl<T> PartialOrd for Waiting<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Waiting<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Waiting<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_out_by_time_then_name_behind_the_watermark() {
        let mut order = Reorder::new(10);
        for (at, name) in [(5, "b"), (3, "z"), (5, "a"), (14, "c")] {
            order.advance(at);
            order.push(at, name, name);
        }
        assert_eq!(order.watermark(), 4);
        assert_eq!(order.pop(), Some((3, "z")));
        assert_eq!(order.pop(), None);
        order.advance(16);
        assert_eq!(order.pop(), Some((5, "a")));
        assert_eq!(order.pop(), Some((5, "b")));
        assert_eq!(order.pop(), None);
        assert_eq!(order.drain_next(), Some((14, "c")));
    }
}
