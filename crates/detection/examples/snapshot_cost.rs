//! How large the engine's snapshot is and what it costs: `cargo run --release -p detection --example snapshot_cost -- FILE...`
#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use coordination::{Engine, Params};
use detection::input::{Input, Options};

fn main() -> Result<(), Box<dyn Error>> {
    for file in std::env::args_os().skip(1).map(PathBuf::from) {
        let input = Input::open(std::slice::from_ref(&file), Options::default())?;
        let mut posts = input.sorted(&mut |_| {}, &mut |_| {})?;
        let (mut engine, mut found) = (Engine::new(Params::default())?, Vec::new());
        let start = Instant::now();
        while let Some(raw) = posts.advance()? {
            let post = messages::post::decode(raw)?;
            engine.on_post(post.created_at, &post, &mut found);
        }
        println!("{}: {} posts in {:.2?}", file.display(), posts.counts().posts, start.elapsed());
        let start = Instant::now();
        let snapshot = engine.snapshot()?;
        let taken = start.elapsed();
        let start = Instant::now();
        Engine::new(Params::default())?.restore(&snapshot)?;
        println!("  snapshot {} bytes, taken in {taken:.1?}, restored in {:.1?}", snapshot.len(), start.elapsed());
    }
    Ok(())
}
