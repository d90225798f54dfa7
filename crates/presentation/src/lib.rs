//! Presentation of a cluster: texts, drawings, sections of pages, and the researcher's report.
//!
//! All text from outside passes [`text_format::shorten`] and an escaping template or drawing. The texts
//! describe behaviour, never opinions.
//!
//! Absent: cases, partners, a store, a server.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

pub mod cluster;
pub mod compare;
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
pub mod plain_words;
pub mod posts;
pub mod report;
mod svg;
mod timeline;

/// The terms *key*, *source* and *nats* in a few sentences, as HTML: for the first place on a page that
/// uses them.
pub const TERMS: &str = include_str!("../templates/terms.html");
/// How to read a finding, as paragraphs of HTML.
pub const READING: &str = include_str!("../templates/reading.html");

/// The style sheet of every page.
pub const STYLE: &str = include_str!("../assets/style.css");
