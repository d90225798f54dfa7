//! Cases about flagged clusters: who is notified of what, when, and what is withdrawn.
//!
//! Pure: a case takes the time and an event, and returns effects. The caller stores, publishes and
//! notifies.
//!
//! Absent: a database, a server, a clock, STIX, and anything that reads an opinion.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

pub mod accounts;
mod act;
pub mod appeal;
pub mod attention;
pub mod audit;
pub mod audit_formats;
pub mod case;
pub mod demo;
pub mod digest;
mod duties;
mod facts;
pub mod feedback;
#[cfg(any(test, feature = "fixtures"))]
pub mod fixtures;
pub mod handover;
mod hold;
pub mod partners;
pub mod policy;
mod recipients;
mod record;
pub mod retraction;
mod reviewers;
mod role;
pub mod scoreboard;
mod steps;
pub mod techniques;
mod tlp;
mod typed;
pub mod watch;

pub use act::Act;
pub use case::Undo;
pub use record::{CaseRecord, Effects, Notice, Publish, Settings};
pub use reviewers::{DEMO_NOTICE, Reviewers};
pub use role::{Holding, Role, Task};
pub use steps::Label;
pub use tlp::Tlp;
