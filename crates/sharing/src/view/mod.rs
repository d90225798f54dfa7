//! What people see: the console's pages and the report, drawn by the same code.
//!
//! Everything that comes from outside passes [`crate::words::shorten`] and an escaping template or drawing.

mod against;
pub(crate) mod cluster;
pub(crate) mod graph;
mod links;
pub(crate) mod near;
mod network;
mod outcomes;
mod periods;
mod redaction;
mod svg;
mod timeline;

pub(crate) use cluster::{Badge, Limits, Shown, Sort, badge, body, quoted};
pub(crate) use network::{Drawing as NetworkDrawing, Group as NetworkGroup, draw as network};
pub(crate) use periods::{MOST as PERIODS_DRAWN, draw as periods};
pub(crate) use redaction::{Beside, beside};

/// The style sheet of every page.
pub(crate) const STYLE: &str = include_str!("../../assets/style.css");
