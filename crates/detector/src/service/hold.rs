//! Whether this process holds what it needs to detect: every partition of `posts`. A part of the
//! posts would give other findings, or none, so a process that holds a part publishes nothing.

use std::time::{Duration, Instant};

use runtime::{Membership, Partition, admin::Check, shutdown::Shutdown};

use super::{GROUP, Service};
use crate::{error::ServiceError, metrics::DetectorMetrics};

/// Time between two looks at the members of the group while another process detects.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Time to get all partitions. A process that does not have the first partition by then leaves the
/// group if there are others, so that of several processes that started together one goes on.
const SETTLE: Duration = Duration::from_secs(5);

/// What has become of the partitions since the last look.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// All of them are here, as before.
    Whole,
    /// All of them are here, and were not before.
    Gained,
    /// These are not here.
    Lacks(Vec<i32>),
}

/// The partitions that this process holds.
#[derive(Debug)]
pub(super) struct Hold {
    partitions: usize,
    lacks: Vec<i32>,
    /// Since when some are not here.
    since: Option<Instant>,
}

impl Hold {
    /// None of this number of partitions is here.
    pub(super) fn nothing_of(partitions: usize, now: Instant) -> Hold {
        Hold { partitions, lacks: (0..partitions as i32).collect(), since: Some(now) }
    }

    /// Compares with the partitions that are here now.
    pub(super) fn look(&mut self, assigned: &[Partition], now: Instant) -> Look {
        let here = |number: &i32| assigned.iter().any(|partition| partition.number == *number);
        self.lacks = (0..self.partitions as i32).filter(|number| !here(number)).collect();
        match (self.lacks.is_empty(), self.since) {
            (true, None) => Look::Whole,
            (true, Some(_)) => {
                self.since = None;
                Look::Gained
            }
            (false, since) => {
                self.since = Some(since.unwrap_or(now));
                Look::Lacks(self.lacks.clone())
            }
        }
    }

    /// Whether this process should leave the partitions to the others.
    pub(super) fn gives_way(&self, members: &[Membership], now: Instant) -> bool {
        let settled = self.since.is_some_and(|since| now.saturating_duration_since(since) >= SETTLE);
        settled && members.len() > 1 && self.lacks.first() == Some(&0)
    }

    /// What is lacking, for `/ready` and the log.
    pub(super) fn reason(&self) -> String {
        let numbers: Vec<String> = self.lacks.iter().map(i32::to_string).collect();
        format!(
            "lacks {} of {} partitions of posts ({}), so it detects nothing: one process needs all of them; stop the other members of \
             the consumer group {GROUP:?}",
            self.lacks.len(),
            self.partitions,
            numbers.join(", ")
        )
    }
}

impl Service {
    /// Waits until no other process detects. Returns whether it is this process's turn; otherwise
    /// the service is stopping.
    pub(super) async fn wait_for_turn(&self, ready: &Check, shutdown: &Shutdown) -> Result<bool, ServiceError> {
        let metrics: &DetectorMetrics = &self.observer.metrics;
        let mut told = false;
        while !shutdown.is_stopping() {
            let members = self.log.members(GROUP).await?;
            let Some(other) = members.iter().find(|member| !member.is_own) else {
                metrics.standby(false);
                return Ok(true);
            };
            metrics.standby(true);
            ready.not_ready(format!(
                "standby: {} detects, and one process does so at a time; this process goes on when that one has ended",
                other.name
            ));
            if !std::mem::replace(&mut told, true) {
                tracing::warn!(other = %other.name, "another process detects; this one is a standby until it has ended");
            }
            tokio::select! {
                () = shutdown.stopping() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(numbers: &[i32]) -> Vec<Partition> {
        numbers.iter().map(|&number| Partition { topic: "posts".into(), number }).collect()
    }

    #[test]
    fn only_all_partitions_are_enough() {
        let began = Instant::now();
        let mut hold = Hold::nothing_of(3, began);
        assert_eq!(hold.look(&held(&[]), began), Look::Lacks(vec![0, 1, 2]));
        assert_eq!(hold.look(&held(&[0, 2]), began), Look::Lacks(vec![1]));
        let reason = hold.reason();
        assert!(reason.contains("lacks 1 of 3 partitions of posts (1)"), "{reason}");
        assert_eq!(hold.look(&held(&[0, 1, 2]), began), Look::Gained);
        assert_eq!(hold.look(&held(&[0, 1, 2]), began), Look::Whole);
        assert_eq!(hold.look(&held(&[0]), began), Look::Lacks(vec![1, 2]));
        assert_eq!(hold.look(&held(&[2, 1, 0]), began), Look::Gained, "somebody else may have committed meanwhile");
    }

    #[test]
    fn of_several_processes_the_one_with_the_first_partition_stays() {
        let began = Instant::now();
        let (soon, later) = (began + SETTLE / 2, began + SETTLE);
        let members = |n: usize| vec![Membership { name: String::new(), is_own: false }; n];
        let gives_way = |numbers: &[i32], at, others| {
            let mut hold = Hold::nothing_of(4, began);
            hold.look(&held(numbers), at);
            hold.gives_way(&members(others), at)
        };
        assert!(!gives_way(&[2, 3], soon, 2), "the group is forming");
        assert!(gives_way(&[2, 3], later, 2));
        assert!(gives_way(&[], later, 3));
        assert!(!gives_way(&[0, 1], later, 2), "exactly one process has the first partition");
        assert!(!gives_way(&[], later, 1), "there is nobody to give way to");
        assert!(!gives_way(&[0, 1, 2, 3], later, 2));
    }
}
