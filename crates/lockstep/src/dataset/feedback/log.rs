//! Feedback and its clusters, read from the log.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::{Context, Result};
use futures::TryStreamExt;
use messages::{
    cluster::ClusterMessage,
    feedback::Feedback,
    topics::{CLUSTERS, CLUSTERS_FLAGGED, FEEDBACK},
};
use runtime::Log;

use super::FeedbackData;
use crate::{config::Config, progress};

/// Reads the log of the configuration, or the log given by the options.
pub(super) fn read(config: &Config, dir: Option<&Path>, brokers: Option<&str>) -> Result<FeedbackData> {
    let mut config = config.clone();
    if let Some(brokers) = brokers {
        config.log.brokers = brokers.to_owned();
    }
    if let Some(dir) = dir {
        config.log.brokers.clear();
        config.log.dir = dir.to_owned();
    }
    let runtime = tokio::runtime::Runtime::new().context("cannot start")?;
    runtime.block_on(of_log(&config))
}

async fn of_log(config: &Config) -> Result<FeedbackData> {
    let log = if config.log.brokers.is_empty() {
        let dir = &config.log.dir;
        let opened = Log::open_embedded_to_read(dir).await;
        opened.with_context(|| {
            format!(
                "{} has no log: give its folder with --dir, or the addresses of Apache Kafka with --brokers",
                dir.display()
            )
        })?
    } else {
        config.open_log().await?
    };
    let bar = progress::bar(None, "reading   {human_pos} records of the log {msg}");
    let mut data = FeedbackData::default();
    let mut verdicts = BTreeMap::new();
    let mut records = log.read_all(FEEDBACK, &[]).await?;
    while let Some(record) = records.try_next().await? {
        bar.inc(1);
        match record.value.as_deref().map(Feedback::decode) {
            // The feedback was taken back.
            None => drop(verdicts.remove(&record.key)),
            Some(Ok(verdict)) => drop(verdicts.insert(record.key, verdict)),
            Some(Err(_)) => data.unreadable += 1,
        }
    }
    data.feedback = verdicts.into_values().collect();
    let mentioned: BTreeSet<String> = data.feedback.iter().map(|verdict| verdict.cluster_id.clone()).collect();
    // Clusters that were merged into others are no longer in `clusters`; the topic of flagged
    // clusters keeps them longer.
    for topic in [CLUSTERS_FLAGGED, CLUSTERS] {
        let mut records = log.read_all(topic, &[]).await?;
        while let Some(record) = records.try_next().await? {
            bar.inc(1);
            let known = std::str::from_utf8(&record.key).is_ok_and(|id| mentioned.contains(id));
            let Some(value) = record.value.filter(|_| known) else { continue };
            match ClusterMessage::decode(&value) {
                Ok(cluster) => data.add_cluster(cluster),
                Err(_) => data.unreadable += 1,
            }
        }
    }
    bar.finish_and_clear();
    log.shutdown().await.ok();
    Ok(data)
}
