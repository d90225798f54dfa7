//! end to end tests
mod alone;
mod architecture;
mod brokers;
mod chain;
mod dead_letters;
mod documents;
mod guides;
mod ignored;
mod kills;
mod long_files;
mod metrics_page;
mod modules;
mod operations;
mod outages;
mod retraining;
mod upgrade;
mod viewpoint;
