//! The published states of clusters, and the next states to publish. No I/O.
//!
//! `clusters` is compacted: it holds the last state of each cluster. A cluster that became part of
//! another one is removed from it once, when the merge is published; a near miss is removed when a
//! thousand others were published after it. `clusters.flagged` also receives the later states of
//! its clusters: that a cluster is no longer flagged, has faded, or became part of a cluster that
//! is not flagged. Near misses are never in `clusters.flagged`.

use std::collections::{BTreeMap, BTreeSet};

use messages::cluster::{ClusterMessage, Status, positions::Positions};
use serde::{Deserialize, Serialize};

/// The most near misses in `clusters`.
const NEAR_MISSES: usize = 1_000;

/// The published states.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Published {
    /// The last state of each cluster in `clusters`, except near misses.
    standing: BTreeMap<String, Standing>,
    /// Clusters that readers of `clusters.flagged` know.
    flagged: BTreeSet<String>,
    /// Near misses in `clusters`.
    near: BTreeMap<String, Near>,
    /// Number of published near misses.
    turn: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Standing {
    status: Status,
    version: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Near {
    /// Number of its last publication.
    turn: u64,
    version: u32,
}

/// The next state of a cluster to publish.
#[derive(Debug)]
pub(crate) struct Publication {
    pub(crate) message: ClusterMessage,
    /// Positions of its posts on the log.
    pub(crate) positions: Positions,
    /// The status that it had before.
    pub(crate) before: Option<Status>,
    /// Clusters to remove from `clusters`, with their last status.
    pub(crate) removed: Vec<(String, Status)>,
    /// Whether it is also published to `clusters.flagged`.
    pub(crate) to_flagged: bool,
}

/// The fields of a cluster's message that are needed here.
#[derive(Debug, Deserialize)]
pub(crate) struct PublishedState {
    status: Status,
    version: u32,
}

impl Published {
    /// The next state of a cluster, into which those `absorbed` have just been merged. Its version
    /// is that of the last published state plus one, not the engine's number: after the engine was
    /// rebuilt with another model, the two may differ, and consumers skip versions that they have
    /// seen.
    ///
    /// `None` for a near miss that was published with a higher status before, which is possible
    /// after such a rebuild: the earlier state remains.
    pub(crate) fn publish_state(
        &mut self,
        mut message: ClusterMessage,
        positions: Positions,
        absorbed: &[String],
    ) -> Option<Publication> {
        let id = message.cluster_id.clone();
        let near_miss = message.status == Status::NearMiss;
        let last = self.standing.get(&id);
        if near_miss && last.is_some() {
            return None;
        }
        let near = self.near.remove(&id);
        if let Some(version) = last.map(|last| last.version).or(near.as_ref().map(|near| near.version)) {
            message.version = version + 1;
        }
        let before = last.map(|last| last.status).or(near.map(|_| Status::NearMiss));
        let to_flagged = !near_miss
            && (message.status == Status::Flagged
                || self.flagged.contains(&id)
                || absorbed.iter().any(|other| self.flagged.contains(other)));
        let mut removed: Vec<(String, Status)> =
            absorbed.iter().filter_map(|other| Some((other.clone(), self.standing.remove(other)?.status))).collect();
        if near_miss {
            self.remember_near_miss(id, message.version);
            while self.near.len() > NEAR_MISSES {
                let oldest = self.near.iter().min_by_key(|(_, near)| near.turn).map(|(id, _)| id.clone());
                let Some(oldest) = oldest else { break };
                self.near.remove(&oldest);
                removed.push((oldest, Status::NearMiss));
            }
        } else {
            if to_flagged {
                self.flagged.insert(id.clone());
            }
            self.standing.insert(id, Standing { status: message.status, version: message.version });
        }
        Some(Publication { message, positions, before, removed, to_flagged })
    }

    fn remember_near_miss(&mut self, id: String, version: u32) {
        self.turn += 1;
        self.near.insert(id, Near { turn: self.turn, version });
    }

    /// Records the state of a cluster in `clusters`; `None` if it was removed. Call it in the order
    /// of the topic.
    pub(crate) fn published_before(&mut self, id: String, state: Option<PublishedState>) {
        self.standing.remove(&id);
        self.near.remove(&id);
        match state {
            None => {}
            Some(state) if state.status == Status::NearMiss => self.remember_near_miss(id, state.version),
            Some(PublishedState { status, version }) => {
                self.standing.insert(id, Standing { status, version });
            }
        }
    }

    /// Records that `clusters.flagged` contains this cluster.
    pub(crate) fn flagged_before(&mut self, id: String) {
        self.flagged.insert(id);
    }

    /// The status of each cluster, and the clusters that readers of `clusters.flagged` know.
    #[cfg(test)]
    pub(crate) fn statuses_and_flagged(&self) -> (BTreeMap<String, Status>, BTreeSet<String>) {
        let standing = self.standing.iter().map(|(id, standing)| (id.clone(), standing.status));
        let near = self.near.keys().map(|id| (id.clone(), Status::NearMiss));
        (standing.chain(near).collect(), self.flagged.clone())
    }

    /// Number of clusters with each status.
    pub(crate) fn by_status(&self) -> BTreeMap<Status, usize> {
        let mut counts = BTreeMap::from([(Status::NearMiss, self.near.len())]);
        for standing in self.standing.values() {
            *counts.entry(standing.status).or_default() += 1;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str, status: Status) -> ClusterMessage {
        let value = serde_json::json!({
            "schema_version": messages::cluster::SCHEMA_VERSION, "cluster_id": id, "version": 1, "status": status.name(),
            "accounts": [], "first_seen": "2026-09-14T00:00:00Z", "last_seen": "2026-09-14T01:00:00Z", "log_e": 20.0,
            "log_e_leave_one_source_out": 12.0, "candidates_tested": 3, "history_hours": 1.0, "traces": {}, "sources": [], "evidence": [],
            "ties": [], "topics": [], "targets": []
        });
        ClusterMessage::decode(value.to_string().as_bytes()).unwrap()
    }

    fn owned(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|&id| id.to_owned()).collect()
    }

    /// A publication as one line: version, status before, topics, and removed clusters.
    fn publish_state(published: &mut Published, id: &str, status: Status, absorbed: &[&str]) -> String {
        let Some(Publication { message, before, removed, to_flagged, .. }) =
            published.publish_state(message(id, status), Positions::default(), &owned(absorbed))
        else {
            return "nothing".to_owned();
        };
        let removed: Vec<String> = removed.iter().map(|(id, status)| format!("{id} {}", status.name())).collect();
        format!(
            "v{} was {}{}{}",
            message.version,
            before.map_or("new", Status::name),
            if to_flagged { ", flagged topic" } else { "" },
            if removed.is_empty() { String::new() } else { format!(", removes {}", removed.join(" and ")) }
        )
    }

    use Status::{Coordinated, Faded, Flagged, NearMiss, SingleSource};

    #[test]
    fn whoever_was_told_that_a_cluster_is_flagged_is_told_all_that_follows() {
        let mut published = Published::default();
        assert_eq!(publish_state(&mut published, "a", Coordinated, &[]), "v1 was new");
        assert_eq!(publish_state(&mut published, "a", Flagged, &[]), "v2 was coordinated, flagged topic");
        assert_eq!(publish_state(&mut published, "a", Coordinated, &[]), "v3 was flagged, flagged topic");
        assert_eq!(publish_state(&mut published, "a", Faded, &[]), "v4 was coordinated, flagged topic");
        assert_eq!(publish_state(&mut published, "b", SingleSource, &[]), "v1 was new");
    }

    #[test]
    fn an_absorbed_cluster_is_removed_once() {
        let mut published = Published::default();
        for id in ["a", "b", "c"] {
            publish_state(&mut published, id, Coordinated, &[]);
        }
        assert_eq!(
            publish_state(&mut published, "a", Coordinated, &["b"]),
            "v2 was coordinated, removes b coordinated"
        );
        assert_eq!(publish_state(&mut published, "a", Coordinated, &[]), "v3 was coordinated");
        let again = publish_state(&mut published, "a", Coordinated, &["b", "c", "never-told"]);
        assert_eq!(again, "v4 was coordinated, removes c coordinated", "a removed cluster is not removed again");
        assert_eq!(published.by_status()[&Coordinated], 1);
    }

    #[test]
    fn readers_of_flagged_clusters_learn_that_one_became_part_of_one_that_is_not() {
        let mut published = Published::default();
        publish_state(&mut published, "a", Coordinated, &[]);
        publish_state(&mut published, "b", Flagged, &[]);
        assert_eq!(
            publish_state(&mut published, "a", Coordinated, &["b"]),
            "v2 was coordinated, flagged topic, removes b flagged"
        );
        assert_eq!(publish_state(&mut published, "a", Faded, &[]), "v3 was coordinated, flagged topic");
    }

    #[test]
    fn near_misses_are_never_on_the_flagged_topic_and_the_oldest_give_way() {
        let mut published = Published::default();
        for n in 0..NEAR_MISSES {
            assert_eq!(publish_state(&mut published, &format!("n{n}"), NearMiss, &[]), "v1 was new");
        }
        assert_eq!(publish_state(&mut published, "n0", NearMiss, &[]), "v2 was near_miss");
        assert_eq!(publish_state(&mut published, "late", NearMiss, &[]), "v1 was new, removes n1 near_miss");
        assert_eq!(published.by_status()[&NearMiss], NEAR_MISSES);
        // A near miss that passes later is not a near miss any more.
        assert_eq!(publish_state(&mut published, "n2", Flagged, &[]), "v2 was near_miss, flagged topic");
        assert_eq!(published.by_status()[&NearMiss], NEAR_MISSES - 1);
        assert_eq!(publish_state(&mut published, "n2", NearMiss, &[]), "nothing", "the earlier state remains");
        assert_eq!(published.by_status()[&Flagged], 1);
    }

    #[test]
    fn what_the_topics_say_is_as_good_as_what_is_remembered() {
        let mut published = Published::default();
        let mut topic: Vec<(String, Option<ClusterMessage>)> = Vec::new();
        let mut flagged = Vec::new();
        for (id, status, absorbed) in [
            ("n", NearMiss, &[][..]),
            ("a", Coordinated, &[]),
            ("b", Flagged, &[]),
            ("c", Coordinated, &[]),
            ("m", NearMiss, &[]),
            ("a", Coordinated, &["b"]),
            ("n", NearMiss, &[]),
        ] {
            let publication =
                published.publish_state(message(id, status), Positions::default(), &owned(absorbed)).unwrap();
            flagged.extend(publication.to_flagged.then(|| id.to_owned()));
            topic.push((id.to_owned(), Some(publication.message)));
            topic.extend(publication.removed.into_iter().map(|(id, _)| (id, None)));
        }
        // As after compaction: the last state of each.
        let compacted: Vec<_> =
            (0..topic.len()).filter(|&at| topic[at + 1..].iter().all(|(id, _)| *id != topic[at].0)).collect();
        let places = [(0..topic.len()).collect(), compacted];
        for places in places {
            let mut again = Published::default();
            flagged.iter().for_each(|id| again.flagged_before(id.clone()));
            for place in places {
                let (id, message) = &topic[place];
                let state = message.as_ref().map(|message| serde_json::from_slice(&message.encode().unwrap()).unwrap());
                again.published_before(id.clone(), state);
            }
            assert_eq!((&again.standing, &again.flagged), (&published.standing, &published.flagged));
            assert_eq!(again.by_status(), published.by_status());
            for (id, status) in [("a", Coordinated), ("c", Flagged), ("n", NearMiss), ("m", NearMiss)] {
                assert_eq!(
                    publish_state(&mut again, id, status, &[]),
                    publish_state(&mut published.clone(), id, status, &[])
                );
            }
        }
    }
}
