//! The state that the machine stores in a checkpoint, and how it continues from one.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use coordination::{Millis, Stats};
use messages::cluster::Status;
use runtime::Record;
use scoring::Model;

use super::{Machine, Now};
use crate::published::PublishedState;
use crate::state::{Ends, Note, State, StateError};

/// Creating a checkpoint, and continuing from one.
impl Machine {
    /// The whole state, with the offsets up to which posts were read. `ends` are the end offsets of
    /// the topics of clusters.
    pub(crate) fn state(&mut self, ends: Ends) -> Result<(BTreeMap<i32, i64>, Vec<u8>), StateError> {
        self.ends = ends;
        let state = State {
            lineage: self.lineage,
            threads: self.settings.threads,
            clock: Cow::Borrowed(&self.clock),
            published: Cow::Borrowed(&self.published),
            window: Cow::Borrowed(&self.window),
            ends: Cow::Borrowed(&self.ends),
        };
        Ok((self.clock.offsets(), state.write(self.pipeline.snapshot()?)?))
    }

    /// Restores a checkpoint's state if it fits the committed offsets (each partition's next one).
    /// After an error the machine is unchanged.
    pub(crate) fn restore(
        &mut self,
        state: &[u8],
        offsets: &BTreeMap<i32, i64>,
        committed: &[i64],
    ) -> Result<(), StateError> {
        let (state, pipeline) = State::read(state)?;
        let beyond = |(partition, next): (&i32, &i64)| committed.get(*partition as usize).is_none_or(|end| next > end);
        if state.lineage != self.lineage {
            return Err(StateError::Lineage);
        }
        if offsets.iter().any(beyond) {
            return Err(StateError::Ahead);
        }
        if state.threads != self.settings.threads {
            return Err(StateError::Threads(state.threads));
        }
        self.pipeline.restore(pipeline)?;
        self.clock = state.clock.into_owned();
        self.published = state.published.into_owned();
        self.ends = state.ends.into_owned();
        self.window = state.window.into_owned().again();
        self.changed = true;
        Ok(())
    }

    /// Continues the lineage of this note, with which the offsets were committed.
    pub(crate) fn continue_from(&mut self, note: &Note) {
        self.lineage = note.lineage;
    }

    /// Lets this model judge the posts that are read again. Returns the model that it replaces.
    pub(crate) fn judge_by(&mut self, model: Arc<Model>) -> Arc<Model> {
        self.pipeline.set_model(model)
    }

    /// Begins a replay of the posts that were committed when event time was `until`, in this number
    /// of partitions. Returns the offsets from which to read.
    pub(crate) fn begin_replay(&mut self, until: Option<Millis>, partitions: usize) -> BTreeMap<i32, i64> {
        self.clock.replay(until, partitions);
        self.clock.offsets()
    }

    /// Processes records again. Their findings are already published.
    pub(crate) fn replay(&mut self, now: Now, records: &[Record]) {
        self.take_in(now, records, None);
        self.pipeline.discard();
    }

    /// The replay of this partition is complete.
    pub(crate) fn replayed(&mut self, partition: i32) {
        self.clock.replayed(partition);
    }

    /// The replay of this number of posts is over: the state is that of the last commit.
    pub(crate) fn end_replay(&mut self, now: Now, posts: usize) {
        self.clock.live();
        self.pipeline.time(self.clock.now());
        self.pipeline.discard();
        self.unsaved = (posts > 0).then_some(now.running);
    }

    /// Offsets from which to continue reading the topics of clusters.
    pub(crate) fn ends(&self) -> &Ends {
        &self.ends
    }

    /// Records that `clusters.flagged` contains this cluster.
    pub(crate) fn flagged_before(&mut self, id: String) {
        self.published.flagged_before(id);
    }

    /// Records the state of a cluster in `clusters`; `None` if it was removed. Call it in the order
    /// of the topic.
    pub(crate) fn published_before(&mut self, id: String, state: Option<PublishedState>) {
        self.published.published_before(id, state);
    }

    /// Number of clusters with each status.
    pub(crate) fn by_status(&self) -> BTreeMap<Status, usize> {
        self.published.by_status()
    }

    /// Adds a cluster as if the engine had found it.
    #[cfg(test)]
    pub(crate) fn find(&mut self, cluster: coordination::Cluster) {
        self.pipeline.find(cluster);
    }

    /// The status of each cluster, and the clusters that readers of `clusters.flagged` know.
    #[cfg(test)]
    pub(crate) fn statuses_and_flagged(&self) -> (BTreeMap<String, Status>, std::collections::BTreeSet<String>) {
        self.published.statuses_and_flagged()
    }

    /// The engine's counts.
    pub(crate) fn stats(&self) -> Stats {
        self.pipeline.stats()
    }
}
