//! end to end tests
mod architecture;
mod chain;
mod documents;
mod kills;
mod modules;
mod operations;
mod retraining;
mod upgrade;
