//! A member of a group on the embedded log.
use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{
    sync::{oneshot, watch},
    time::Instant,
};

use super::{
    Embedded,
    group::{MemberId, SlotId},
    reader::{Cursor, changed, round_robin},
    store::Slot,
    writer::{Commit, Holding, Offset, Op},
};
use crate::log::{LogError, NewRecord, Partition, Record};

/// A member of a group.
pub(in crate::log) struct GroupMember {
    log: Embedded,
    group: Arc<str>,
    id: MemberId,
    view: watch::Receiver<Vec<Holding>>,
    changes: watch::Receiver<u64>,
    held: BTreeMap<SlotId, Held>,
    /// A lost partition from which records were polled but not committed.
    lost: Option<Partition>,
    /// The result of the commit in progress. Cancelling its caller does not cancel it.
    pending: Option<oneshot::Receiver<Result<(), LogError>>>,
    turn: usize,
}

struct Held {
    slot: Arc<Slot>,
    tenure: u64,
    /// The committed offset, as far as this member knows.
    committed: i64,
    next: i64,
}

impl GroupMember {
    pub(super) fn new(
        log: Embedded,
        group: Arc<str>,
        id: MemberId,
        view: watch::Receiver<Vec<Holding>>,
    ) -> GroupMember {
        let mut member = GroupMember {
            changes: log.shared.changes.subscribe(),
            log,
            group,
            id,
            view,
            held: BTreeMap::new(),
            lost: None,
            pending: None,
            turn: 0,
        };
        member.reconcile();
        member
    }

    pub(in crate::log) async fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<Record>, LogError> {
        let deadline = Instant::now() + wait;
        self.settle().await?;
        loop {
            self.changes.borrow_and_update();
            self.log.shared.check_open()?;
            self.reconcile();
            let ids: Vec<i64> = self.held.keys().copied().collect();
            let cursors: Vec<Cursor> = round_robin(ids.len(), &mut self.turn)
                .filter_map(|i| {
                    let held = self.held.get(&ids[i])?;
                    let to = i64::MAX;
                    let slot = held.slot.clone();
                    Some(Cursor { slot, next: held.next, to, target: to })
                })
                .filter(Cursor::has_more)
                .collect();
            if !cursors.is_empty() && max > 0 {
                let slots: Vec<i64> = cursors.iter().map(|c| c.slot.id).collect();
                let fetched = self.log.fetch(cursors, max).await?;
                let mut records = Vec::new();
                for (id, (batch, next)) in slots.into_iter().zip(fetched) {
                    if let Some(held) = self.held.get_mut(&id) {
                        held.next = next;
                        records.extend(batch);
                    }
                }
                if !records.is_empty() {
                    return Ok(records);
                }
                continue;
            }
            if !changed(&mut self.changes, deadline).await? {
                return Ok(Vec::new());
            }
        }
    }

    pub(in crate::log) async fn publish_and_commit(
        &mut self,
        outputs: Vec<NewRecord>,
        note: &str,
    ) -> Result<(), LogError> {
        self.settle().await?;
        if let Some(lost) = self.lost.take() {
            self.go_back();
            return Err(LogError::Revoked {
                group: self.group.to_string(),
                topic: lost.topic.to_string(),
                partition: lost.number,
            });
        }
        let offsets: Vec<Offset> = self
            .held
            .values()
            .filter(|held| held.next > held.committed)
            .map(|held| Offset { slot: held.slot.clone(), tenure: held.tenure, next: held.next })
            .collect();
        if outputs.is_empty() && offsets.is_empty() {
            return Ok(());
        }
        let commit = Commit { group: self.group.clone(), member: self.id, offsets, note: note.to_owned() };
        match self.log.submit(outputs, Some(commit)) {
            Ok(pending) => self.pending = Some(pending),
            Err(error) => {
                self.go_back();
                return Err(error);
            }
        }
        self.settle().await
    }

    pub(in crate::log) async fn rewind(&mut self) -> Result<(), LogError> {
        self.settle().await?;
        self.go_back();
        Ok(())
    }

    fn go_back(&mut self) {
        self.lost = None;
        for held in self.held.values_mut() {
            held.next = held.committed;
        }
    }

    pub(in crate::log) fn assignment(&self) -> Vec<Partition> {
        let mut partitions: Vec<Partition> = self.held.values().map(|held| partition_of(&held.slot)).collect();
        partitions.sort();
        partitions
    }

    pub(in crate::log) fn lags(&self) -> Vec<(Partition, u64)> {
        let left = |held: &Held| (held.slot.end() - held.next.max(held.slot.start())).max(0) as u64;
        self.held.values().map(|held| (partition_of(&held.slot), left(held))).collect()
    }

    pub(in crate::log) async fn close(self) -> Result<(), LogError> {
        let (group, member) = (self.group.clone(), self.id);
        self.log.ask(|reply| Op::Leave { group, member, reply: Some(reply) }).await
    }

    /// Waits for the commit in progress, even if its caller was cancelled. After a failure, goes
    /// back to the committed offsets.
    async fn settle(&mut self) -> Result<(), LogError> {
        let Some(pending) = &mut self.pending else {
            return Ok(());
        };
        let result = pending.await.unwrap_or(Err(LogError::Closed));
        self.pending = None;
        match &result {
            Ok(()) => {
                for held in self.held.values_mut() {
                    held.committed = held.next;
                }
            }
            Err(_) => self.go_back(),
        }
        result
    }

    /// Applies the group's current assignment to this member.
    fn reconcile(&mut self) {
        let holdings = self.view.borrow_and_update().clone();
        let mut before = std::mem::take(&mut self.held);
        for holding in holdings {
            let id = holding.slot.id;
            let held = match before.remove(&id) {
                Some(held) if held.tenure == holding.tenure => held,
                gone => {
                    self.record_lost(gone);
                    Held { slot: holding.slot, tenure: holding.tenure, committed: holding.from, next: holding.from }
                }
            };
            self.held.insert(id, held);
        }
        for gone in before.into_values() {
            self.record_lost(Some(gone));
        }
    }

    fn record_lost(&mut self, gone: Option<Held>) {
        if let Some(gone) = gone.filter(|held| held.next > held.committed) {
            self.lost = Some(partition_of(&gone.slot));
        }
    }
}

impl Drop for GroupMember {
    fn drop(&mut self) {
        let leave = Op::Leave { group: self.group.clone(), member: self.id, reply: None };
        // If the log is closed, there is no group to leave.
        drop(self.log.ops.send(leave));
    }
}

fn partition_of(slot: &Slot) -> Partition {
    Partition { topic: slot.topic.clone(), number: slot.partition }
}
