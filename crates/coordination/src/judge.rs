//! The interface of a judge, which decides whether a coordinated group is inauthentic. The engine
//! does not decide this.

use crate::cluster::Cluster;

/// Decides whether a coordinated group is inauthentic.
pub trait Judge: Send + Sync {
    /// Judges a group by the numbers of its cluster.
    fn inauthentic(&self, cluster: &Cluster) -> bool;
}

/// Finds nothing inauthentic: the judge of an engine until another one is set.
pub(crate) struct NoJudge;

impl Judge for NoJudge {
    fn inauthentic(&self, _: &Cluster) -> bool {
        false
    }
}
