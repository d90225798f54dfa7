//! The cost of a post: decoding alone, with its traces, the whole engine on one core and on two;
//! and memory per table entry.
//! `cargo bench -p detection --bench engine [-- FILE...]` measures the posts of the files (native
//! NDJSON, any compression); without a file, a simulated stream only. Every figure is the best of
//! three runs in this process. Compare the ratios, not the figures.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::{
    borrow::Cow,
    hint::black_box,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use coordination::{Engine, Millis, Params, Post, Stats};
use detection::{
    Threads,
    input::{Input, Options},
};
use messages::post::decode;
use simulator::World;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const RUNS: usize = 3;
const BATCH: usize = 1_024;

fn main() {
    if let Ok(table) = std::env::var(TABLE) {
        return grow(&table);
    }
    let files: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    println!("{:<44} {:>9} {:>12} {:>8}", "posts", "posts/s", "µs/post", "ratio");
    for file in &files {
        let name = file.rsplit('/').next().unwrap_or(file);
        costs(name, &read(file));
    }
    let world = World::named("debate").unwrap();
    costs("simulated: debate", &simulated(&world, 1));
    let dense = World::named("proto").unwrap();
    costs("simulated: proto (dense: candidates in thousands)", &simulated(&dense, 1));
    flat();
    hot();
    memory();
}

/// The posts of a file, sorted, as lines.
fn read(file: &str) -> Vec<Vec<u8>> {
    let input = Input::open(&[file.into()], Options::default()).unwrap();
    let mut sorted = input.sorted(&mut |_| {}, &mut |_| {}).unwrap();
    let mut lines = Vec::new();
    while let Some(raw) = sorted.advance().unwrap() {
        lines.push(raw.to_vec());
    }
    lines
}

fn simulated(world: &World, seed: u64) -> Vec<Vec<u8>> {
    let (stream, _) = world.stream(seed);
    stream
        .map(|post| {
            let mut line = Vec::new();
            post.write_ndjson(&mut line).unwrap();
            line
        })
        .collect()
}

/// The shortest of several runs. What a run returns is dropped after the clock has stopped.
fn best<T>(mut run: impl FnMut() -> T) -> Duration {
    (0..RUNS)
        .map(|_| {
            let began = Instant::now();
            let left = run();
            let took = began.elapsed();
            drop(left);
            took
        })
        .min()
        .unwrap_or_default()
}

fn row(name: &str, posts: usize, took: Duration, unit: Duration) {
    let seconds = took.as_secs_f64();
    println!(
        "{name:<44} {:>9.0} {:>12.2} {:>8.2}",
        posts as f64 / seconds,
        seconds * 1e6 / posts as f64,
        seconds / unit.as_secs_f64()
    );
}

fn costs(name: &str, lines: &[Vec<u8>]) {
    println!("{name}: {} posts", lines.len());
    let parse = best(|| lines.iter().for_each(|line| drop(black_box(decode(line).unwrap()))));
    row("  parse only", lines.len(), parse, parse);
    let reader = Engine::new(Params::default()).unwrap().reader();
    let traces = best(|| lines.iter().for_each(|line| drop(black_box(reader.read(&decode(line).unwrap())))));
    row("  parse and traces", lines.len(), traces, parse);
    row("  whole engine, one core", lines.len(), best(|| one_core(lines)), parse);
    row("  two threads: one reads, one detects", lines.len(), best(|| two_threads(lines, 1)), parse);
    row("  one thread reads, two detect", lines.len(), best(|| two_threads(lines, 2)), parse);
}

fn one_core(lines: &[Vec<u8>]) -> Engine {
    let mut engine = Engine::new(Params::default()).unwrap();
    let mut told = Vec::new();
    for line in lines {
        let post = decode(line).unwrap();
        engine.on_post(post.created_at, &post, &mut told);
    }
    engine.finish(&mut told);
    engine
}

fn two_threads(lines: &[Vec<u8>], threads: u16) -> Engine {
    let mut engine = Engine::with_threads(Params::default(), threads, Box::new(Threads)).unwrap();
    let reader = engine.reader();
    thread::scope(|scope| {
        let (send, receive) = mpsc::sync_channel(8);
        scope.spawn(move || {
            for batch in lines.chunks(BATCH) {
                let read = batch.iter().map(|line| {
                    let post = decode(line).unwrap();
                    (post.created_at, reader.read(&post))
                });
                send.send(read.collect::<Vec<_>>()).unwrap();
            }
        });
        let mut told = Vec::new();
        for batch in receive {
            for (at, post) in batch {
                engine.on_read(at, post, &mut told);
            }
        }
        engine.finish(&mut told);
    });
    engine
}

/// A post with nothing but an account and a link, each given by its number.
fn plain(i: u64, account: u64, link: u64, at: Millis) -> Post<'static> {
    Post {
        id: Cow::Owned(i.to_string()),
        platform: Cow::Borrowed("x"),
        account_id: Cow::Owned(format!("a{account}")),
        created_at: at,
        urls: vec![Cow::Owned(format!("https://site{}.example/{link}", link % 500))],
        ..Post::default()
    }
}

fn run(posts: impl Iterator<Item = Post<'static>>) -> (usize, Duration, Stats) {
    let mut engine = Engine::new(Params::default()).unwrap();
    let mut told = Vec::new();
    let (mut count, began) = (0, Instant::now());
    for post in posts {
        engine.on_post(post.created_at, &post, &mut told);
        count += 1;
    }
    engine.finish(&mut told);
    (count, began.elapsed(), engine.stats())
}

/// 20 posts per second from 50,000 accounts; every link is used for one hour.
fn stream(posts: u64) -> impl Iterator<Item = Post<'static>> {
    let mut dice = fastrand::Rng::with_seed(1);
    (0..posts).map(move |i| {
        let at = i as Millis * 50;
        let link = (at as u64 / 3_600_000) * 100_000 + dice.u64(..20_000);
        plain(i, dice.u64(..50_000), link, at)
    })
}

fn flat() {
    println!("cost per post in a stream ten times as long (plain links, no parsing)");
    let (short, unit, _) = run(stream(200_000));
    row("  200,000 posts", short, unit, unit);
    let (long, took, _) = run(stream(2_000_000));
    row("  2,000,000 posts", long, took, unit * 10);
}

/// A stream in which one link has half of all uses.
fn hot() {
    println!("cost per post where one key takes half of all uses");
    let (even, took, _) = run(stream(400_000));
    let unit = took;
    row("  even", even, took, unit);
    let half = stream(400_000).enumerate().map(|(i, mut post)| {
        if i % 2 == 0 {
            post.urls = vec![Cow::Borrowed("https://hot.example/1")];
        }
        post
    });
    let (count, took, _) = run(half);
    row("  one key has half", count, took, unit);
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    status.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4_096
}

/// Resident bytes per entry, of streams in which one table is by far the largest. Each runs in a
/// process of its own, because memory that was freed before would be reused.
fn memory() {
    println!("resident bytes per entry: growth of the process divided by the entries of its largest table");
    for table in ["uses", "accounts", "ties"] {
        let own = std::env::current_exe().unwrap();
        std::process::Command::new(own).env(TABLE, table).status().unwrap();
    }
}

const TABLE: &str = "LOCKSTEP_BENCH_TABLE";

fn grow(table: &str) {
    let mut dice = fastrand::Rng::with_seed(7);
    let posts: Box<dyn Iterator<Item = Post<'static>>> = match table {
        // A million links within the retention, of a hundred accounts.
        "uses" => Box::new((0..1_000_000).map(|i| plain(i, i % 100, i, i as Millis * 7))),
        // A million accounts on one link, a use a second: no ties.
        "accounts" => Box::new((0..1_000_000).map(|i| plain(i, i, 1, i as Millis * 1_000))),
        // Links that forty accounts share within a minute.
        _ => Box::new((0..400_000u64).map(move |i| plain(i, dice.u64(..100_000), i / 40, i as Millis * 1_500))),
    };
    let before = resident();
    let mut engine = Engine::new(Params::default()).unwrap();
    let mut told = Vec::new();
    posts.for_each(|post| {
        engine.on_post(post.created_at, &post, &mut told);
    });
    let sizes = engine.stats().sizes;
    let entries = match table {
        "uses" => sizes.uses,
        "accounts" => sizes.accounts,
        _ => sizes.ties,
    };
    let bytes = resident().saturating_sub(before);
    println!("  {table:<42} {entries:>9} {:>12.0}", bytes as f64 / entries.max(1) as f64);
}
