//! The topics of all services: how they are created, and how long they keep their records.

use std::time::Duration;

use messages::topics::{CLUSTERS, CLUSTERS_DEAD_LETTER, CLUSTERS_FLAGGED, FEEDBACK, POSTS, POSTS_DEAD_LETTER};
use runtime::{Cleanup, Copies, Log, LogError, TopicSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const DAY: Duration = Duration::from_secs(86_400);

/// The `[topics]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Topics {
    /// Partitions of the topic of posts.
    #[schemars(range(min = 1, max = 1_000), extend("unit" = "partitions"))]
    pub posts_partitions: u16,
    /// How long posts are kept after they were received; 0 keeps them for ever. At least as long as
    /// detector.engine.retention_days: a detector without a checkpoint that fits reads them again, and
    /// the console takes texts of posts from here.
    #[schemars(range(min = 0, max = 36_500), extend("unit" = "days"))]
    pub posts_days: u32,
    /// How long posts that could not be read are kept; 0 keeps them for ever.
    #[schemars(range(min = 0, max = 36_500), extend("unit" = "days"))]
    pub posts_dead_letter_days: u32,
    /// How long the states of flagged clusters are kept; 0 keeps them for ever. A sharing service that
    /// was stopped for longer misses findings.
    #[schemars(range(min = 0, max = 36_500), extend("unit" = "days"))]
    pub clusters_flagged_days: u32,
    /// How long flagged clusters that could not be read are kept; 0 keeps them for ever.
    #[schemars(range(min = 0, max = 36_500), extend("unit" = "days"))]
    pub clusters_dead_letter_days: u32,
    /// Copies of each record on Kafka. With 0 the cluster's default.
    #[schemars(range(min = 0, max = 15), extend("unit" = "copies"))]
    pub replicas: u16,
    /// Copies that must exist before a record counts as written (min.insync.replicas). With 0 the cluster's
    /// default.
    #[schemars(range(min = 0, max = 15), extend("unit" = "copies"))]
    pub min_insync_replicas: u16,
}

impl Default for Topics {
    fn default() -> Topics {
        Topics {
            posts_partitions: 4,
            posts_days: 70,
            posts_dead_letter_days: 90,
            clusters_flagged_days: 3 * 365,
            clusters_dead_letter_days: 3 * 365,
            replicas: 0,
            min_insync_replicas: 0,
        }
    }
}

impl Topics {
    /// Checks the values against each other. An error names the key.
    pub fn check(&self) -> Result<(), String> {
        if self.replicas > 0 && self.min_insync_replicas > self.replicas {
            return Err(format!(
                "topics.min_insync_replicas is {}, but there are only {} copies (topics.replicas), so that nothing could be written",
                self.min_insync_replicas, self.replicas
            ));
        }
        Ok(())
    }

    /// A warning if posts are not kept for as long as the engine remembers.
    pub fn warning(&self, retention_days: f64) -> Option<String> {
        (self.posts_days > 0 && f64::from(self.posts_days) < retention_days).then(|| {
            format!(
                "topics.posts_days is {}, but the engine remembers {retention_days} days (detector.engine.retention_days): a detector that \
                 reads its posts from the log again forgets the older ones",
                self.posts_days
            )
        })
    }

    /// Creates the topics that are missing. Existing topics of the embedded log get these times of
    /// retention; existing topics of Kafka stay as they are, with a warning if they differ.
    pub async fn create(&self, log: &Log) -> Result<(), LogError> {
        let copies = |copies: u16| Some(i32::from(copies)).filter(|copies| *copies > 0);
        let copies = Copies { all: copies(self.replicas), min_in_sync: copies(self.min_insync_replicas) };
        log.create_topics_with(&self.specs(), copies).await
    }

    fn specs(&self) -> [TopicSpec; 6] {
        let topic = |name, partitions: u16, cleanup, days: u32| TopicSpec {
            name,
            partitions: partitions.into(),
            cleanup,
            retention: (days > 0).then(|| DAY * days),
        };
        [
            topic(POSTS, self.posts_partitions, Cleanup::Delete, self.posts_days),
            topic(POSTS_DEAD_LETTER, 1, Cleanup::Delete, self.posts_dead_letter_days),
            topic(CLUSTERS, 1, Cleanup::Compact, 0),
            topic(CLUSTERS_FLAGGED, 1, Cleanup::Delete, self.clusters_flagged_days),
            topic(CLUSTERS_DEAD_LETTER, 1, Cleanup::Delete, self.clusters_dead_letter_days),
            topic(FEEDBACK, 1, Cleanup::Compact, 0),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn the_guide_of_operators_says_how_topics_are_created_and_nothing_else_creates_them() {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        let guide = fs::read_to_string(root.join("docs/operator.md")).unwrap();
        for spec in Topics::default().specs() {
            let kept = match (spec.cleanup, spec.retention) {
                (Cleanup::Compact, _) => "the last of each key".to_owned(),
                (Cleanup::Delete, Some(time)) => format!("{} days", time.as_secs() / 86_400),
                (Cleanup::Delete, None) => "for ever".to_owned(),
            };
            let row = format!("| `{}` | {} | {kept} |", spec.name, spec.partitions);
            assert!(guide.contains(&row), "docs/operator.md has no row {row}");
        }
        let compose = fs::read_to_string(root.join("docker-compose.yml")).unwrap();
        assert!(!compose.contains("kafka-topics"), "the services create the topics");
    }

    #[test]
    fn posts_are_kept_for_as_long_as_the_engine_remembers_or_a_warning_says_so() {
        let topics = Topics::default();
        let engine = detection::Config::default().engine.retention_days;
        assert_eq!(topics.warning(engine), None, "with the defaults");
        let warning = Topics { posts_days: 7, ..topics.clone() }.warning(engine).unwrap();
        assert_eq!(Topics { posts_days: 0, ..topics }.warning(engine), None, "kept for ever");
        assert!(warning.contains("topics.posts_days is 7") && warning.contains("remembers 60 days"), "{warning}");
    }

    #[test]
    fn more_copies_than_there_are_cannot_be_asked_for() {
        let topics = |replicas, min_insync_replicas| Topics { replicas, min_insync_replicas, ..Topics::default() };
        assert_eq!((topics(3, 2).check(), topics(0, 2).check()), (Ok(()), Ok(())));
        assert!(topics(1, 2).check().unwrap_err().contains("topics.min_insync_replicas is 2"));
    }
}
