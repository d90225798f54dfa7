//! Reading the embedded log: positions in partitions, and a reader without a group.
use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{Embedded, store::Slot};
use crate::log::{LogError, Record};

/// The position in a partition from which reading continues.
#[derive(Clone)]
pub(super) struct Cursor {
    pub(super) slot: Arc<Slot>,
    pub(super) next: i64,
    /// The offset at which to stop.
    pub(super) to: i64,
    /// The end of the partition when the reader was opened.
    pub(super) target: i64,
}

impl Cursor {
    pub(super) fn has_more(&self) -> bool {
        self.next < self.slot.end().min(self.to)
    }
}

/// A reader without a group.
pub(in crate::log) struct Reader {
    log: Embedded,
    changes: watch::Receiver<u64>,
    cursors: Vec<Cursor>,
    turn: usize,
}

impl Reader {
    pub(super) fn new(log: Embedded, cursors: Vec<Cursor>) -> Reader {
        Reader { changes: log.shared.changes.subscribe(), log, cursors, turn: 0 }
    }

    pub(in crate::log) async fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<Record>, LogError> {
        let deadline = Instant::now() + wait;
        loop {
            self.changes.borrow_and_update();
            self.log.shared.check_open()?;
            let ready: Vec<usize> =
                round_robin(self.cursors.len(), &mut self.turn).filter(|i| self.cursors[*i].has_more()).collect();
            let cursors = ready.iter().map(|i| self.cursors[*i].clone()).collect();
            let mut records = Vec::new();
            if !ready.is_empty() && max > 0 {
                for (i, (batch, next)) in ready.iter().zip(self.log.fetch(cursors, max).await?) {
                    self.cursors[*i].next = next;
                    records.extend(batch);
                }
            }
            if !records.is_empty() {
                return Ok(records);
            }
            // Compaction may have removed the remaining records: then look again immediately.
            if self.cursors.iter().any(Cursor::has_more) && max > 0 {
                continue;
            }
            if !changed(&mut self.changes, deadline).await? {
                return Ok(records);
            }
        }
    }

    pub(in crate::log) fn at_end(&self) -> bool {
        self.cursors.iter().all(|cursor| cursor.next >= cursor.target)
    }
}

/// The indices 0..n, starting at the next index on each call, so that no partition is always read
/// first.
pub(super) fn round_robin(n: usize, turn: &mut usize) -> impl Iterator<Item = usize> + use<> {
    *turn = turn.wrapping_add(1);
    let start = *turn;
    (0..n).map(move |i| start.wrapping_add(i) % n)
}

/// Waits for an append or a rebalance; false if the deadline came first.
pub(super) async fn changed(changes: &mut watch::Receiver<u64>, deadline: Instant) -> Result<bool, LogError> {
    match timeout_at(deadline, changes.changed()).await {
        Ok(Ok(())) => Ok(true),
        Ok(Err(_)) => Err(LogError::Closed),
        Err(_) => Ok(false),
    }
}
