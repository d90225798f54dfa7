//! What consumers have been told of clusters, and what they are to be told next. No I/O.
//!
//! `clusters` is compacted: it holds the last word on each cluster. A cluster that became part of another is taken out of it, once, when that
//! is told; a near miss is taken out when a thousand others were told after it. Whoever reads `clusters.flagged` is told when a cluster of
//! which it knows is flagged no longer, has faded, or became part of one that is not flagged. Near misses are never told there.

use std::collections::{BTreeMap, BTreeSet};

use messages::cluster::{ClusterMessage, Status, positions::Positions};
use serde::{Deserialize, Serialize};

/// Near misses that `clusters` holds at most.
const NEAR_MISSES: usize = 1_000;

/// What has been told.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Told {
    /// The last word on each cluster that `clusters` holds, near misses apart.
    standing: BTreeMap<String, Standing>,
    /// Clusters of which readers of `clusters.flagged` know.
    flagged: BTreeSet<String>,
    /// Near misses that `clusters` holds.
    near: BTreeMap<String, Near>,
    /// Counts near misses told.
    turn: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Standing {
    status: Status,
    version: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Near {
    /// When it was told last.
    turn: u64,
    version: u32,
}

/// The next word on a cluster.
#[derive(Debug)]
pub(crate) struct Publication {
    pub(crate) message: ClusterMessage,
    /// Where its posts stand on the log.
    pub(crate) positions: Positions,
    /// The status that it had before.
    pub(crate) before: Option<Status>,
    /// Clusters that `clusters` is to hold no longer, with the status that they had.
    pub(crate) removed: Vec<(String, Status)>,
    /// Whether it goes to `clusters.flagged`, too.
    pub(crate) to_flagged: bool,
}

/// Of a cluster's message, what it says of the cluster.
#[derive(Debug, Deserialize)]
pub(crate) struct Word {
    status: Status,
    version: u32,
}

impl Told {
    /// The next word on a cluster, into which those `absorbed` have just gone. Its version is one more than that of the last word, whatever
    /// the engine counts: after the engine was rebuilt under another model, the two may differ, and consumers pass over a version that they
    /// had.
    ///
    /// `None` for a near miss of which more was said before, as may be after such a rebuilding: that word stands.
    pub(crate) fn tell(
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

    /// What `clusters` says of a cluster; `None` where it was taken out. In the order of the topic.
    pub(crate) fn told_before(&mut self, id: String, word: Option<Word>) {
        self.standing.remove(&id);
        self.near.remove(&id);
        match word {
            None => {}
            Some(word) if word.status == Status::NearMiss => self.remember_near_miss(id, word.version),
            Some(Word { status, version }) => {
                self.standing.insert(id, Standing { status, version });
            }
        }
    }

    /// `clusters.flagged` speaks of this cluster.
    pub(crate) fn flagged_before(&mut self, id: String) {
        self.flagged.insert(id);
    }

    /// The status of each cluster, and those of which readers of `clusters.flagged` know.
    #[cfg(test)]
    pub(crate) fn words(&self) -> (BTreeMap<String, Status>, BTreeSet<String>) {
        let standing = self.standing.iter().map(|(id, standing)| (id.clone(), standing.status));
        let near = self.near.keys().map(|id| (id.clone(), Status::NearMiss));
        (standing.chain(near).collect(), self.flagged.clone())
    }

    /// How many clusters have each status.
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

    /// What comes of a message in a line: version, status before, where it goes, and what is removed.
    fn tell(told: &mut Told, id: &str, status: Status, absorbed: &[&str]) -> String {
        let Some(Publication { message, before, removed, to_flagged, .. }) =
            told.tell(message(id, status), Positions::default(), &owned(absorbed))
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
        let mut told = Told::default();
        assert_eq!(tell(&mut told, "a", Coordinated, &[]), "v1 was new");
        assert_eq!(tell(&mut told, "a", Flagged, &[]), "v2 was coordinated, flagged topic");
        assert_eq!(tell(&mut told, "a", Coordinated, &[]), "v3 was flagged, flagged topic");
        assert_eq!(tell(&mut told, "a", Faded, &[]), "v4 was coordinated, flagged topic");
        assert_eq!(tell(&mut told, "b", SingleSource, &[]), "v1 was new");
    }

    #[test]
    fn an_absorbed_cluster_is_removed_once() {
        let mut told = Told::default();
        for id in ["a", "b", "c"] {
            tell(&mut told, id, Coordinated, &[]);
        }
        assert_eq!(tell(&mut told, "a", Coordinated, &["b"]), "v2 was coordinated, removes b coordinated");
        assert_eq!(tell(&mut told, "a", Coordinated, &[]), "v3 was coordinated");
        let again = tell(&mut told, "a", Coordinated, &["b", "c", "never-told"]);
        assert_eq!(again, "v4 was coordinated, removes c coordinated", "what is gone is not removed again");
        assert_eq!(told.by_status()[&Coordinated], 1);
    }

    #[test]
    fn readers_of_flagged_clusters_learn_that_one_became_part_of_one_that_is_not() {
        let mut told = Told::default();
        tell(&mut told, "a", Coordinated, &[]);
        tell(&mut told, "b", Flagged, &[]);
        assert_eq!(tell(&mut told, "a", Coordinated, &["b"]), "v2 was coordinated, flagged topic, removes b flagged");
        assert_eq!(tell(&mut told, "a", Faded, &[]), "v3 was coordinated, flagged topic");
    }

    #[test]
    fn near_misses_are_never_on_the_flagged_topic_and_the_oldest_give_way() {
        let mut told = Told::default();
        for n in 0..NEAR_MISSES {
            assert_eq!(tell(&mut told, &format!("n{n}"), NearMiss, &[]), "v1 was new");
        }
        assert_eq!(tell(&mut told, "n0", NearMiss, &[]), "v2 was near_miss");
        assert_eq!(tell(&mut told, "late", NearMiss, &[]), "v1 was new, removes n1 near_miss");
        assert_eq!(told.by_status()[&NearMiss], NEAR_MISSES);
        // One that passes at last is a near miss no longer.
        assert_eq!(tell(&mut told, "n2", Flagged, &[]), "v2 was near_miss, flagged topic");
        assert_eq!(told.by_status()[&NearMiss], NEAR_MISSES - 1);
        assert_eq!(tell(&mut told, "n2", NearMiss, &[]), "nothing", "what was said of it stands");
        assert_eq!(told.by_status()[&Flagged], 1);
    }

    #[test]
    fn what_the_topics_say_is_as_good_as_what_is_remembered() {
        let mut told = Told::default();
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
            let publication = told.tell(message(id, status), Positions::default(), &owned(absorbed)).unwrap();
            flagged.extend(publication.to_flagged.then(|| id.to_owned()));
            topic.push((id.to_owned(), Some(publication.message)));
            topic.extend(publication.removed.into_iter().map(|(id, _)| (id, None)));
        }
        // As compaction leaves it: the last word on each.
        let compacted: Vec<_> =
            (0..topic.len()).filter(|&at| topic[at + 1..].iter().all(|(id, _)| *id != topic[at].0)).collect();
        let places = [(0..topic.len()).collect(), compacted];
        for places in places {
            let mut again = Told::default();
            flagged.iter().for_each(|id| again.flagged_before(id.clone()));
            for place in places {
                let (id, message) = &topic[place];
                let word = message.as_ref().map(|message| serde_json::from_slice(&message.encode().unwrap()).unwrap());
                again.told_before(id.clone(), word);
            }
            assert_eq!((&again.standing, &again.flagged), (&told.standing, &told.flagged));
            assert_eq!(again.by_status(), told.by_status());
            for (id, status) in [("a", Coordinated), ("c", Flagged), ("n", NearMiss), ("m", NearMiss)] {
                assert_eq!(tell(&mut again, id, status, &[]), tell(&mut told.clone(), id, status, &[]));
            }
        }
    }
}
