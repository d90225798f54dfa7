//! What was said, and the clusters it is about, from the log.

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

use super::ClustersWithFeedback;
use crate::{config::Config, progress};

/// Reads the configuration's log, or the one that is named.
pub(super) fn read(config: &Config, dir: Option<&Path>, brokers: Option<&str>) -> Result<ClustersWithFeedback> {
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

async fn of_log(config: &Config) -> Result<ClustersWithFeedback> {
    let log = if config.log.brokers.is_empty() {
        let dir = &config.log.dir;
        let opened = Log::open_embedded_to_read(dir).await;
        opened.with_context(|| {
            format!("no log to read in {}: name its folder with --dir, or Apache Kafka with --brokers", dir.display())
        })?
    } else {
        config.open_log().await?
    };
    let bar = progress::bar(None, "reading   {human_pos} records of the log {msg}");
    let mut told = ClustersWithFeedback::default();
    let mut words = BTreeMap::new();
    let mut records = log.read_all(FEEDBACK, &[]).await?;
    while let Some(record) = records.try_next().await? {
        bar.inc(1);
        match record.value.as_deref().map(Feedback::decode) {
            // Taken back.
            None => drop(words.remove(&record.key)),
            Some(Ok(word)) => drop(words.insert(record.key, word)),
            Some(Err(_)) => told.unreadable += 1,
        }
    }
    told.feedback = words.into_values().collect();
    let mentioned: BTreeSet<String> = told.feedback.iter().map(|word| word.cluster_id.clone()).collect();
    // Clusters that became part of others are gone from `clusters`; what was flagged is kept
    // longer.
    for topic in [CLUSTERS_FLAGGED, CLUSTERS] {
        let mut records = log.read_all(topic, &[]).await?;
        while let Some(record) = records.try_next().await? {
            bar.inc(1);
            let known = std::str::from_utf8(&record.key).is_ok_and(|id| mentioned.contains(id));
            let Some(value) = record.value.filter(|_| known) else { continue };
            match ClusterMessage::decode(&value) {
                Ok(cluster) => told.see(cluster),
                Err(_) => told.unreadable += 1,
            }
        }
    }
    bar.finish_and_clear();
    log.shutdown().await.ok();
    Ok(told)
}
