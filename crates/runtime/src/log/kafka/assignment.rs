//! The partitions that a group member is assigned.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use rdkafka::{
    ClientContext, Statistics, TopicPartitionList,
    consumer::{BaseConsumer, ConsumerContext, Rebalance},
};

use crate::log::Partition;

/// Tracks librdkafka's rebalances. Its callbacks run inside the member's poll.
#[derive(Default)]
pub(super) struct AssignmentContext {
    pub(super) state: Mutex<AssignedState>,
    /// Counts rebalances, so that a poll does not have to lock for each record.
    pub(super) rebalances: AtomicU64,
}

#[derive(Default)]
pub(super) struct AssignedState {
    pub(super) partitions: BTreeSet<Partition>,
    pub(super) revoked: Vec<Partition>,
    /// Per partition, the position of the fetcher, markers included, if every fetched record was
    /// handed out.
    pub(super) passed: HashMap<Partition, i64>,
}

impl ClientContext for AssignmentContext {
    fn stats(&self, statistics: Statistics) {
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        for (name, topic) in statistics.topics {
            let name: Arc<str> = name.into();
            for (number, partition) in topic.partitions {
                let key = Partition { topic: name.clone(), number };
                if partition.fetchq_cnt == 0 && partition.next_offset >= 0 {
                    state.passed.insert(key, partition.next_offset);
                } else {
                    state.passed.remove(&key);
                }
            }
        }
    }
}

impl ConsumerContext for AssignmentContext {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let Rebalance::Revoke(list) = rebalance else {
            return;
        };
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        for partition in partitions_of(list) {
            state.partitions.remove(&partition);
            state.passed.remove(&partition);
            state.revoked.push(partition);
        }
        self.rebalances.fetch_add(1, Ordering::Release);
    }

    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let Rebalance::Assign(list) = rebalance else {
            return;
        };
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        state.partitions.extend(partitions_of(list));
        self.rebalances.fetch_add(1, Ordering::Release);
    }
}

fn partitions_of(list: &TopicPartitionList) -> impl Iterator<Item = Partition> {
    list.elements()
        .into_iter()
        .map(|e| Partition { topic: e.topic().into(), number: e.partition() })
        .collect::<Vec<_>>()
        .into_iter()
}
