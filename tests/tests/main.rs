//! end to end tests
mod architecture;
mod chain;
mod kills;
mod modules;
mod operations;
mod retraining;
