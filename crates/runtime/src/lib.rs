//! Service plumbing with no domain: what every service needs and none is about.
//!
//! # The journey of one record
//!
//! A producer [appends](Log::append) it under a key; the key decides the partition, the same one in either home of the
//! [log](Log). A member of a [group](Log::consumer) polls it, in order per key, derives what there is to derive, and hands
//! the outputs to [`Consumer::publish_and_commit`]: they and the offsets become visible together or not at all. Whatever comes
//! in between (a kill, an abort, a partition gone to another member) the record comes again and what was derived from it never
//! was. A [reader](Log::reader) sees the outputs without being in a group, for instance to rebuild state from a
//! compacted topic. In time retention or compaction takes the record away.
//!
//! State that took long to gather is kept as a [`checkpoint`] with the offsets it stands at, so that a start need not read
//! everything again.
//!
//! Around that: [`metrics`] are made from an injected registry; [`admin`] shows them and whether the service is ready;
//! [`http`] serves and ends gracefully; [`shutdown`] tells everybody to stop; [`telemetry`] writes log lines.
//!
//! # Invariants
//!
//! - No domain words: this crate knows bytes, keys and names, never what a record is about.
//! - Readers never see the outputs of a commit that failed.
//! - A commit never covers a record of a partition that its member lost since polling it.
//! - No globals but the log lines' subscriber: registry, shutdown and readiness are handed in.
//! - Nothing waits without a bound, and nothing panics on what comes from outside.
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

pub mod admin;
pub mod checkpoint;
pub mod http;
mod log;
pub mod metrics;
pub mod shutdown;
pub mod telemetry;

pub use log::{
    Cleanup, Committed, Consumer, Log, LogError, MAX_NOTE_BYTES, MAX_RECORD_BYTES, NewRecord, Partition, Reader,
    Record, TopicSpec,
};
