//! Service plumbing without a domain: what every service needs.
//!
//! # The journey of one record
//!
//! A producer [appends](Log::append) the record under a key. The key decides the partition, in the
//! same way in both implementations of the [log](Log). A member of a [group](Log::consumer) polls
//! the record, in order per key, computes outputs from it, and passes them to
//! [`Consumer::publish_and_commit`]: outputs and offsets become visible together or not at all.
//! After a kill, an abort, or the reassignment of the partition to another member, the record is
//! polled again, and no reader ever sees the outputs of the failed attempt. A [reader](Log::reader)
//! reads the outputs without joining a group, for example to rebuild state from a compacted topic.
//! Finally retention or compaction deletes the record.
//!
//! State that is expensive to rebuild is saved as a [`checkpoint`] with its offsets, so that a
//! start does not have to read everything again.
//!
//! Other modules: [`copies`] copies databases while they are written to; [`metrics`] are created from an injected registry; [`admin`] serves them and the
//! readiness of the service; [`http`] is the HTTP server with graceful shutdown, and the
//! guard of listeners without a login page; [`keys`] are API keys and files of them; [`shutdown`] tells
//! all tasks to stop; [`telemetry`] writes log lines.
//!
//! # Invariants
//!
//! - No domain words: this crate knows bytes, keys and names, and not what a record is about.
//! - Readers never see the outputs of a commit that failed.
//! - A commit never covers a record of a partition that the member lost after polling the record.
//! - No globals except the log lines' subscriber: registry, shutdown and readiness are passed in.
//! - Every wait has a limit, and no input from outside causes a panic.
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

pub mod admin;
pub mod checkpoint;
pub mod copies;
pub mod http;
pub mod keys;
mod log;
pub mod metrics;
pub mod shutdown;
pub mod telemetry;

pub use log::{
    Change, Changed, Cleanup, Committed, Consumer, Copies, DELETIONS, FolderLock, Identity, LOG_FILE, LOG_LAYOUT, Log,
    LogError, MAX_NOTE_BYTES, MAX_RECORD_BYTES, Membership, NewRecord, Outage, Partition, Reader, Record, StoppedLog,
    TopicSpec,
};
