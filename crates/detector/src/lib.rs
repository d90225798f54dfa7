//! detector

pub mod input;
