//! Cases about flagged clusters: who may be told what, when, and what is taken back.
//!
//! Pure: a case takes the time and an event, and returns what follows. Whoever calls stores it, publishes and tells.
//!
//! Absent here: a store, a server, the clock, STIX, and anything that reads an opinion.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

pub mod attention;
pub mod audit;
pub mod case;
pub mod demo;
pub mod feedback;
pub mod policy;
pub mod retraction;
mod reviewers;
mod role;
mod tlp;

#[cfg(any(test, feature = "fixtures"))]
pub mod fixtures;

pub use reviewers::Reviewers;
pub use role::Role;
pub use tlp::Tlp;
