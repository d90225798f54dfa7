//! Who says whether a coordinated group is inauthentic: not the engine.

use crate::cluster::Cluster;

/// Says whether a coordinated group is inauthentic.
pub trait Judge: Send + Sync {
    /// Judges a group by the numbers of its cluster.
    fn inauthentic(&self, cluster: &Cluster) -> bool;
}

/// Finds nothing inauthentic: what an engine has before it is given a judge.
pub(crate) struct NoJudge;

impl Judge for NoJudge {
    fn inauthentic(&self, _: &Cluster) -> bool {
        false
    }
}
