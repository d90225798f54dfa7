//! Throwaway.
#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used)]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
use detection::{
    Config,
    input::{Input, Options},
};
use std::path::PathBuf;
fn main() {
    let args: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let input = Input::open(&args[..1], Options::default()).unwrap();
    let detection =
        detection::detect::detect_and_describe(input, &Config::default(), &mut |_| {}, &mut |_| {}).unwrap();
    detection.write(&args[1]).unwrap();
    println!("{}", detection.summary());
}
