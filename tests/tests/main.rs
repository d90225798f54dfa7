//! end to end tests
mod architecture;
mod operations;
