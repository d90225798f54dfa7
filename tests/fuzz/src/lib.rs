//! Fuzz targets: whatever the bytes, no parser panics, loops or takes unbounded memory, and what it accepts comes back the same.
//!
//! `run.sh` runs each under libFuzzer for a bounded time; `cargo test` replays the committed corpus and mutations of it.

mod engine;
mod files;
mod models;
mod posts;
mod settings;
mod traces;

/// Takes any bytes, and panics where a property is broken.
pub type Target = fn(&[u8]);

/// Every target by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("dialects", posts::dialects),
    ("rows", posts::rows),
    ("messages", posts::messages),
    ("files", files::files),
    ("models", models::models),
    ("datasets", models::datasets),
    ("traces", traces::traces),
    ("engine", engine::engine),
    ("snapshot", engine::snapshot),
    ("settings", settings::settings),
    ("taxii", settings::taxii),
];
