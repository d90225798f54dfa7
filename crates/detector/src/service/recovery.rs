//! Restores the state of the last commit.

use std::{sync::Arc, time::Instant};

use messages::topics::{CLUSTERS, CLUSTERS_FLAGGED, POSTS};
use runtime::{Record, checkpoint::Checkpoint, shutdown::Shutdown};
use scoring::{Model, ModelError, ModelName, Registry, Subject};

use super::{GROUP, Service};
use crate::{error::ServiceError, state::Note};

impl Service {
    /// Restores the state of the last commit: from a checkpoint and the posts after it, or from all
    /// posts.
    pub(super) async fn recover(&mut self, shutdown: &Shutdown) -> Result<(), ServiceError> {
        let began = Instant::now();
        self.log.take_over(GROUP).await?;
        let committed = self.log.committed_noted(GROUP, POSTS).await?;
        let ends: Vec<i64> = committed.iter().map(|end| end.as_ref().map_or(0, |end| end.next)).collect();
        self.committed.clone_from(&ends);
        if ends.iter().all(|end| *end == 0) {
            // Versions continue even if posts are read again from the start.
            return self.recall().await;
        }
        let notes = committed.iter().flatten().filter_map(|end| Note::parse(&end.note));
        let note = notes.max_by_key(|note| note.now);
        let restored = note.as_ref().is_some_and(|note| {
            self.machine.continue_from(note);
            tokio::task::block_in_place(|| self.restore(&ends))
        });
        let judged_by = note.as_ref().and_then(|note| note.model.as_ref());
        let in_service = judged_by.and_then(|name| tokio::task::block_in_place(|| self.judge_by(name)));
        let posts = self.replay(note.as_ref(), &ends, shutdown).await?;
        if shutdown.is_stopping() {
            return Ok(());
        }
        let now = self.now();
        tokio::task::block_in_place(|| self.machine.end_replay(now, posts));
        if let Some(model) = in_service {
            self.machine.judge_by(model);
        }
        self.recall().await?;
        self.observer.passed_over(self.machine.stats());
        let (from, seconds) = (if restored { "checkpoint" } else { "log" }, began.elapsed().as_secs_f64());
        self.observer.metrics.restored(from, seconds);
        tracing::info!(from, posts, seconds, "the state of the last commit is restored");
        Ok(())
    }

    /// Restores the newest checkpoint that fits, if there is one.
    fn restore(&mut self, ends: &[i64]) -> bool {
        let Some(checkpoints) = &self.checkpoints else {
            tracing::info!("rebuilding the engine from the log: checkpoints are turned off");
            return false;
        };
        let found = match checkpoints.newest_first() {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "rebuilding the engine from the log");
                return false;
            }
        };
        for Checkpoint { offsets, state, written, path } in found {
            let (file, age_s) = (path.display(), written.elapsed().map_or(0, |age| age.as_secs()));
            match self.machine.restore(&state, &offsets, ends) {
                Ok(()) => {
                    tracing::info!(%file, age_s, "restored from a checkpoint");
                    return true;
                }
                Err(reason) => tracing::warn!(%file, age_s, %reason, "a checkpoint is not used"),
            }
        }
        tracing::info!("rebuilding the engine from the log: there is no checkpoint");
        false
    }

    /// Puts the model in service that judged the committed posts. Returns the model that it
    /// replaces, if that is another one.
    pub(super) fn judge_by(&mut self, name: &ModelName) -> Option<Arc<Model>> {
        if self.machine.model().full_name() == *name {
            return None;
        }
        let load = || -> Result<Model, ModelError> {
            Registry::open(&self.config.models)?.load(&name.name, &name.version)?.of(Subject::Cluster)
        };
        match load() {
            Ok(model) => Some(self.machine.judge_by(Arc::new(model))),
            Err(error) => {
                tracing::warn!(
                    model = %name,
                    %error,
                    "the model that judged before this start cannot be used: what is read again is judged by the one in service, and groups \
                     that it sees otherwise may be told under other ids"
                );
                None
            }
        }
    }

    /// Reads the committed posts again, from the machine's offsets on. Returns the number of
    /// records.
    async fn replay(&mut self, note: Option<&Note>, ends: &[i64], shutdown: &Shutdown) -> Result<usize, ServiceError> {
        let offsets = self.machine.begin_replay(note.map(|note| note.now), ends.len());
        let mut readers = Vec::new();
        for (partition, end) in (0..).zip(ends) {
            let from = offsets.get(&partition).copied().unwrap_or(0);
            if from < *end {
                readers.push((partition, self.log.read_range(POSTS, partition, from..*end).await?));
            } else {
                self.machine.replayed(partition);
            }
        }
        let mut count = 0;
        // A batch of each partition in turn, as in the first reading.
        while !readers.is_empty() && !shutdown.is_stopping() {
            let mut open = Vec::with_capacity(readers.len());
            for (partition, mut stream) in readers {
                let mut records = Vec::new();
                let mut more = true;
                while records.len() < self.batch {
                    match futures::StreamExt::next(&mut stream).await {
                        Some(record) => records.push(record?),
                        None => {
                            more = false;
                            break;
                        }
                    }
                }
                count += records.len();
                let now = self.now();
                tokio::task::block_in_place(|| self.machine.replay(now, &records));
                match more {
                    true => open.push((partition, stream)),
                    false => self.machine.replayed(partition),
                }
            }
            readers = open;
        }
        Ok(count)
    }

    /// Reads the published states of clusters. These count, and not what would be published now:
    /// another model may have come into service since then.
    async fn recall(&mut self) -> Result<(), ServiceError> {
        let ends = self.machine.ends().clone();
        let mut published = self.log.read_all(CLUSTERS_FLAGGED, &numbered(&ends.flagged)).await?;
        while let Some(record) = futures::StreamExt::next(&mut published).await {
            self.machine.flagged_before(String::from_utf8_lossy(&record?.key).into_owned());
        }
        let mut published = self.log.read_all(CLUSTERS, &numbered(&ends.clusters)).await?;
        while let Some(record) = futures::StreamExt::next(&mut published).await {
            let Record { key, value, offset, .. } = record?;
            let id = String::from_utf8_lossy(&key).into_owned();
            match value.map(|value| serde_json::from_slice(&value)).transpose() {
                Ok(state) => self.machine.published_before(id, state),
                Err(error) => {
                    tracing::warn!(topic = CLUSTERS, offset, %error, "the published state of a cluster cannot be read")
                }
            }
        }
        self.observer.standing(self.machine.by_status());
        Ok(())
    }
}

/// Partition numbers with their offsets.
fn numbered(offsets: &[i64]) -> Vec<(i32, i64)> {
    (0..).zip(offsets.iter().copied()).collect()
}
