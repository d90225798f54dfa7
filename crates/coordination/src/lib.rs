//! The pure detection engine: posts in, clusters with evidence out.

mod cluster;
mod post;

pub use cluster::{
    AccountRef, Behaviour, Cluster, Evidence, Finding, Member, PostRef, SourceNats, Tie, TraceKind,
};
pub use post::{Millis, Post};
