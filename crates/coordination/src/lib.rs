//! The pure detection engine: posts in, clusters with evidence out.
//!
//! The journey of one post: [`Engine::on_post`] reads its *traces* (what it did that others could do too), lets it wait until
//! the watermark has passed it, and then takes its *acts* in event-time order. An act first speaks in the open *tests* on its
//! key (stage B), then earns *ties* with those who acted on the key shortly before (stage A), then becomes part of the *history*
//! by which later acts are judged. At every tick, tests that are over are closed, candidates that pass are told as *clusters*,
//! and strong ties propose new *candidates*, frozen at birth: only what their members do afterwards counts.
//!
//! What is absent: I/O, clocks, threads, randomness, metrics, and any reading of what opinion a post holds.

mod accounts;
mod candidate;
mod cluster;
mod engine;
mod error_control;
mod hash;
mod history;
mod identity;
mod order;
mod params;
mod post;
mod stats;
mod ties;
mod trace;

pub use cluster::{
    AccountRef, Behaviour, Cluster, Evidence, Finding, Member, PostRef, SilentKeys, SourceNats, Tie, TraceKind,
};
pub use engine::Engine;
pub use params::{Limits, Params, ParamsError};
pub use post::{Millis, Post};
pub use stats::{AccountEvidence, Evicted, Outcome, Sizes, Stats};
