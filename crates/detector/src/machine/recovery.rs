//! What the machine keeps for a checkpoint, and how it continues from one.

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

/// A checkpoint: taking one, and going on from one.
impl Machine {
    /// Everything that is known, with the offsets at which it stands. `ends` is where the topics of
    /// clusters end.
    pub(crate) fn state(&mut self, ends: Ends) -> Result<(BTreeMap<i32, i64>, Vec<u8>), StateError> {
        self.ends = ends;
        let state = State {
            lineage: self.lineage,
            shards: self.settings.shards,
            clock: Cow::Borrowed(&self.clock),
            published: Cow::Borrowed(&self.published),
            window: Cow::Borrowed(&self.window),
            ends: Cow::Borrowed(&self.ends),
        };
        Ok((self.clock.offsets(), state.write(self.pipeline.snapshot()?)?))
    }

    /// Goes back to a checkpoint's state, if it fits what is committed: each partition's next
    /// offset. After an error everything is as before.
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
        if state.shards != self.settings.shards {
            return Err(StateError::Shards(state.shards));
        }
        self.pipeline.restore(pipeline)?;
        self.clock = state.clock.into_owned();
        self.published = state.published.into_owned();
        self.ends = state.ends.into_owned();
        self.window = state.window.into_owned().again();
        self.changed = true;
        Ok(())
    }

    /// What is committed was committed with this note.
    pub(crate) fn continue_from(&mut self, note: &Note) {
        self.lineage = note.lineage;
    }

    /// Lets this model judge what is read again; returns the one whose place it takes.
    pub(crate) fn judge_by(&mut self, model: Arc<Model>) -> Arc<Model> {
        self.pipeline.set_model(model)
    }

    /// What was committed when event time was `until` is read again, of so many partitions. Returns
    /// where to begin.
    pub(crate) fn begin_replay(&mut self, until: Option<Millis>, partitions: usize) -> BTreeMap<i32, i64> {
        self.clock.replay(until, partitions);
        self.clock.offsets()
    }

    /// Takes in records again; what is found in them is published already.
    pub(crate) fn replay(&mut self, now: Now, records: &[Record]) {
        self.take_in(now, records, None);
        self.pipeline.discard();
    }

    /// Nothing more of this partition is read again.
    pub(crate) fn replayed(&mut self, partition: i32) {
        self.clock.replayed(partition);
    }

    /// The replay of so many posts is over: everything is where it was.
    pub(crate) fn end_replay(&mut self, now: Now, posts: usize) {
        self.clock.live();
        self.pipeline.time(self.clock.now());
        self.pipeline.discard();
        self.unsaved = (posts > 0).then_some(now.running);
    }

    /// Where to read on in the topics of clusters.
    pub(crate) fn ends(&self) -> &Ends {
        &self.ends
    }

    /// `clusters.flagged` speaks of this cluster.
    pub(crate) fn flagged_before(&mut self, id: String) {
        self.published.flagged_before(id);
    }

    /// What `clusters` says of a cluster; `None` where it was taken out. In the order of the topic.
    pub(crate) fn published_before(&mut self, id: String, state: Option<PublishedState>) {
        self.published.published_before(id, state);
    }

    /// How many clusters have each status.
    pub(crate) fn by_status(&self) -> BTreeMap<Status, usize> {
        self.published.by_status()
    }

    /// As if the engine had found a cluster.
    #[cfg(test)]
    pub(crate) fn find(&mut self, cluster: coordination::Cluster) {
        self.pipeline.find(cluster);
    }

    /// What is said of each cluster, and those of which readers of `clusters.flagged` know.
    #[cfg(test)]
    pub(crate) fn statuses_and_flagged(&self) -> (BTreeMap<String, Status>, std::collections::BTreeSet<String>) {
        self.published.statuses_and_flagged()
    }

    /// The engine's counts.
    pub(crate) fn stats(&self) -> Stats {
        self.pipeline.stats()
    }
}
