//! A cluster as people see it: in words, as drawings, as a section of a page, and the researcher's report.
//!
//! Everything that comes from outside passes [`text_format::shorten`] and an escaping template or drawing. Says how accounts behave,
//! never what opinion a post holds.
//!
//! Absent here: cases, partners, a store, a server. Whoever shows a cluster, in the console or in a file, uses this.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

pub mod cluster;
pub mod description;
mod doubts;
#[cfg(any(test, feature = "fixtures"))]
#[allow(clippy::unwrap_used)]
pub mod fixtures;
pub mod graph;
mod layout;
pub mod links;
mod near_miss;
pub mod network;
mod outcomes;
pub mod periods;
pub mod posts;
pub mod report;
mod svg;
mod timeline;

/// The style sheet of every page.
pub const STYLE: &str = include_str!("../assets/style.css");
