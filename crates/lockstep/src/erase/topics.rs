//! Topics without an account: what is on them, and what can be done about it.

use std::collections::BTreeMap;

use anyhow::Result;
use detector::Topics;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use jiff::{SignedDuration, Timestamp};
use messages::{
    erasure::{Erasure, Fate},
    topics::{CLUSTERS, CLUSTERS_DEAD_LETTER, CLUSTERS_FLAGGED, FEEDBACK, POSTS, POSTS_DEAD_LETTER},
};
use runtime::{Change, Log, LogError, NewRecord, Record};

const ALL: [&str; 6] = [POSTS, POSTS_DEAD_LETTER, CLUSTERS, CLUSTERS_FLAGGED, CLUSTERS_DEAD_LETTER, FEEDBACK];

/// What a topic has of the account.
#[derive(Default)]
pub struct Found {
    /// Records that are about the account only.
    pub own: u64,
    /// Records that name it.
    pub naming: u64,
    /// When the newest of both was appended.
    newest: Option<Timestamp>,
    /// For a compacted topic: the new record of each key whose last record has the account.
    successors: BTreeMap<Vec<u8>, NewRecord>,
}

impl Found {
    pub fn records(&self) -> u64 {
        self.own + self.naming
    }

    /// The records that replace those of a compacted topic.
    pub fn into_successors(self) -> Vec<NewRecord> {
        self.successors.into_values().collect()
    }
}

/// Whether only the last record of each key stays on a topic.
pub fn is_compacted(topic: &str) -> bool {
    topic == CLUSTERS || topic == FEEDBACK
}

async fn records(log: &Log, topic: &str) -> Result<BoxStream<'static, Result<Record, LogError>>> {
    match log.read_all(topic, &[]).await {
        // Topics that no service has created yet.
        Err(LogError::UnknownTopic { .. }) => Ok(futures::stream::empty().boxed()),
        other => Ok(other?),
    }
}

/// Learns the account's names from its posts and from clusters.
pub async fn learn(log: &Log, erasure: &mut Erasure) -> Result<()> {
    for topic in [POSTS, CLUSTERS, CLUSTERS_FLAGGED] {
        let mut records = records(log, topic).await?;
        while let Some(record) = records.try_next().await? {
            erasure.learn(topic, record.value.as_deref().unwrap_or_default());
        }
    }
    Ok(())
}

/// What every topic has of the account.
pub async fn survey(log: &Log, erasure: &Erasure) -> Result<BTreeMap<&'static str, Found>> {
    let mut all = BTreeMap::new();
    for topic in ALL {
        let mut found = Found::default();
        let mut records = records(log, topic).await?;
        while let Some(record) = records.try_next().await? {
            let fate = erasure.in_record(topic, &record.key, record.value.as_deref(), &record.headers)?;
            // A later record of a key stands for all earlier ones.
            found.successors.remove(&record.key);
            let successor = match fate {
                Fate::Keep => continue,
                Fate::Delete => {
                    found.own += 1;
                    (None, Vec::new())
                }
                Fate::Replace { value, headers } => {
                    found.naming += 1;
                    (Some(value), headers)
                }
            };
            found.newest = found.newest.max(Timestamp::from_millisecond(record.timestamp).ok());
            // A tombstone is needed only where there is something to delete.
            if is_compacted(topic) && record.value.is_some() {
                let (value, headers) = successor;
                let new = NewRecord { topic: topic.into(), key: record.key.clone(), value, headers };
                found.successors.insert(record.key, new);
            }
        }
        all.insert(topic, found);
    }
    Ok(all)
}

/// What happens to a record of the embedded log. [`survey`] has looked at all of them, so that none is left unreadable.
pub fn change(erasure: &Erasure, record: &Record) -> Change {
    match erasure.in_record(&record.topic, &record.key, record.value.as_deref(), &record.headers) {
        Ok(Fate::Keep) | Err(_) => Change::Keep,
        Ok(Fate::Delete) => Change::Delete,
        Ok(Fate::Replace { value, headers }) => Change::Replace { value, headers },
    }
}

/// The key of the configuration that says how long a topic keeps records, and the days.
fn retention<'a>(topics: &Topics, topic: &str) -> Option<(&'a str, u32)> {
    match topic {
        POSTS => Some(("topics.posts_days", topics.posts_days)),
        POSTS_DEAD_LETTER => Some(("topics.posts_dead_letter_days", topics.posts_dead_letter_days)),
        CLUSTERS_FLAGGED => Some(("topics.clusters_flagged_days", topics.clusters_flagged_days)),
        CLUSTERS_DEAD_LETTER => Some(("topics.clusters_dead_letter_days", topics.clusters_dead_letter_days)),
        _ => None,
    }
}

/// When a topic of Kafka that cannot be rewritten loses the account. `None` if it does not have it.
pub fn expiry(topics: &Topics, topic: &str, found: &Found) -> Option<String> {
    let (key, days) = retention(topics, topic).filter(|_| found.records() > 0)?;
    if days == 0 {
        return Some(format!(
            "{key} is 0, so the topic keeps it for ever: set a number of days, there and at the broker"
        ));
    }
    let kept = SignedDuration::from_hours(24 * i64::from(days));
    let last = found.newest.and_then(|newest| newest.checked_add(kept).ok())?;
    Some(format!("the last copy expires on {} ({key} = {days})", last.strftime("%Y-%m-%d")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_of_the_last_copy_is_that_of_the_newest_record() {
        let found = Found { own: 1, newest: "2026-12-01T10:00:00Z".parse().ok(), ..Found::default() };
        let topics = Topics { posts_days: 70, clusters_flagged_days: 0, ..Topics::default() };
        let said = |topic| expiry(&topics, topic, &found).unwrap_or_default();
        assert_eq!(said(POSTS), "the last copy expires on 2027-02-09 (topics.posts_days = 70)");
        assert!(said(CLUSTERS_FLAGGED).contains("keeps it for ever"), "{}", said(CLUSTERS_FLAGGED));
        assert_eq!(said(CLUSTERS), "", "compacted");
        assert_eq!(expiry(&topics, CLUSTERS_FLAGGED, &Found::default()), None, "nothing is there");
    }
}
