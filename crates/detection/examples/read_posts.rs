//! How fast posts are read: `cargo run --release -p detection --example read_posts -- FILE...`
#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use detection::input::{Input, Options};

fn main() -> Result<(), Box<dyn Error>> {
    for file in std::env::args_os().skip(1).map(PathBuf::from) {
        // 1 MiB shows the cost of spilling to disk.
        for memory_mib in [256, 1] {
            let options = Options { memory_mib, ..Options::default() };
            let start = Instant::now();
            let input = Input::open(std::slice::from_ref(&file), options)?;
            let mut bad = 0_u64;
            let mut posts = input.sorted(&mut |_| bad += 1, &mut |_| {})?;
            let mut raw_bytes = 0;
            let mut all = Vec::new();
            while let Some(raw) = posts.advance()? {
                raw_bytes += raw.len();
                all.push(raw.to_vec());
            }
            let sorted = start.elapsed().as_secs_f64();
            let start = Instant::now();
            let mut text = 0;
            for raw in &all {
                text += messages::post::decode(raw)?.text.len();
            }
            let decoded = start.elapsed().as_secs_f64();
            let count = all.len() as f64;
            println!(
                "{}: {} posts ({} B each, {text} B of text), {bad} bad, {} duplicates; {memory_mib} MiB, {} runs: sorted reading {:.0} posts/s, \
                 decode {:.0} posts/s",
                file.display(),
                all.len(),
                raw_bytes / all.len().max(1),
                posts.counts().duplicates,
                posts.spilled_runs(),
                count / sorted,
                count / decoded,
            );
        }
    }
    Ok(())
}
