//! Service plumbing with no domain.
mod log;

pub use log::{Cleanup, Consumer, Log, LogError, MAX_RECORD_BYTES, NewRecord, Partition, Reader, Record, TopicSpec};
