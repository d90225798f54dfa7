//! Service plumbing with no domain.
mod log;
pub use log::{Cleanup, Consumer, Log, LogError, NewRecord, Record, TopicSpec};
