//! The pure detection engine (being rewritten).

mod accounts;
mod cluster;
mod engine;
mod error_control;
mod hash;
mod order;
mod params;
pub mod peers;
mod post;
mod snapshot;
mod stats;
mod trace;
mod tracer;

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
