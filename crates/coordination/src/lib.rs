//! The pure detection engine (being rewritten).

mod accounts;
mod bursts;
mod campaigns;
mod cluster;
mod communities;
mod engine;
mod error_control;
mod findings;
mod floods;
mod group;
mod hash;
mod identity;
mod naming;
mod network;
mod order;
mod params;
pub mod peers;
mod post;
mod ranking;
mod shard;
mod snapshot;
mod stats;
mod trace;
mod tracer;
mod uses;

pub use cluster::{
    AccountRef, Behaviour, Cluster, DroppedSource, Evidence, Finding, Gain, Manner, Member, Naming, PostRef,
    SingleSource, SourceNats, Terms, Tie, TraceKind, TrialOutcome, Unlisted, WINDOWS, WindowSum,
};
pub use engine::{Engine, Executor, Job, Judge};
pub use params::{Limits, Params, ParamsError};
pub use post::{Millis, Post};
pub use snapshot::SnapshotError;
pub use stats::{AccountEvidence, Evicted, Outcome, Sizes, Stats};
pub use tracer::{ReadPost, Reader};
