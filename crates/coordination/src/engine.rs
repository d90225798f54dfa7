//! skeleton
use crate::{
    cluster::{Cluster, Tie},
    params::{Params, ParamsError},
    post::{Millis, Post},
    snapshot::SnapshotError,
    stats::{AccountEvidence, Outcome, Stats},
    tracer::{ReadPost, Reader},
};

/// Says whether a coordinated group is inauthentic.
pub trait Judge: Send + Sync {
    /// Judges a group by the numbers of its cluster; members that are `elsewhere` are no part of them.
    fn inauthentic(&self, cluster: &Cluster) -> bool;
}

/// Runs the shards' work, in any order or at the same time.
pub trait Executor: Send + Sync {
    /// Runs every job to its end. A job may hand in jobs of its own.
    fn run(&self, jobs: Vec<Job<'_>>);
}

/// A part of the engine's work that others do not touch meanwhile.
pub type Job<'w> = Box<dyn FnOnce() + Send + 'w>;

/// The detection engine.
pub struct Engine {
    reader: Reader,
}

impl Engine {
    /// An engine that has seen nothing, on one shard.
    pub fn new(params: Params) -> Result<Engine, ParamsError> {
        params.validate()?;
        Ok(Engine { reader: Reader::new(&params) })
    }
    /// The same on several shards.
    pub fn sharded(params: Params, _shards: u16, _executor: Box<dyn Executor>) -> Result<Engine, ParamsError> {
        Engine::new(params)
    }
    /// Puts a judge in service, from the next tick on. Without one nothing is flagged.
    pub fn set_judge(&mut self, _judge: Box<dyn Judge>) {}
    /// The state as bytes.
    pub fn snapshot(&self) -> Result<Vec<u8>, SnapshotError> {
        Ok(Vec::new())
    }
    /// Goes back to a snapshot.
    pub fn restore(&mut self, _snapshot: &[u8]) -> Result<(), SnapshotError> {
        Ok(())
    }
    /// What reads posts.
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }
    /// Takes in one post.
    pub fn on_post(&mut self, now: Millis, post: &Post<'_>, clusters: &mut Vec<Cluster>) -> Outcome {
        let post = self.reader.read(post);
        self.on_read(now, post, clusters)
    }
    /// The same for a post that has been read already.
    pub fn on_read(&mut self, _now: Millis, _post: ReadPost, _clusters: &mut Vec<Cluster>) -> Outcome {
        Outcome::Accepted
    }
    /// Event time has come to `now`.
    pub fn on_time(&mut self, _now: Millis, _clusters: &mut Vec<Cluster>) {}
    /// Ends the stream.
    pub fn finish(&mut self, _clusters: &mut Vec<Cluster>) {}
    /// Counts and table sizes.
    pub fn stats(&self) -> Stats {
        Stats::default()
    }
    /// All ties of the network, strongest first.
    pub fn ties(&mut self) -> Vec<Tie> {
        Vec::new()
    }
    /// Every account with any evidence, in order of platform and id.
    pub fn accounts(&mut self) -> Vec<AccountEvidence> {
        Vec::new()
    }
}
