//! What the peers' methods cost, beside the engine on the same shares: `cargo bench -p coordination
//! --bench peers`.
//!
//! Each run is a process of its own, so that its peak of memory (Linux only) is its own; it
//! includes the shares, which lie in memory before the clock starts. Real shares are used where
//! they are present; all others are generated, from fixed seeds.

#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use coordination::peers::Shares;
use coordination::peers::cooccurrence::{Match, Messages};
use coordination::peers::coortweet::{Groups, Subgraph};
use coordination::{Engine, Millis, Params, Post};
use fastrand::Rng;

/// (name, what it is, window in seconds)
const CASES: [(&str, &str, f64); 6] = [
    ("russian", "real reposts", 10.0),
    ("german", "real links", 60.0),
    ("million", "generated: 1 M shares, 50 k accounts, 200 k objects, 3 days", 10.0),
    ("hot", "generated: one object, 10 k shares of 5 k accounts in 1 h", 10.0),
    ("hot-window", "generated: one object, 10 k shares of 5 k accounts, all within the window", 10.0),
    ("hot-few", "generated: one object, 10 k shares of 100 accounts, all within the window", 10.0),
];
const METHODS: [&str; 3] = ["engine", "coortweet", "cooccurrence"];

/// object, account, content, seconds
type Share = (String, String, String, i64);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if let [case, method] = &arguments[..] {
        return run(case, method);
    }
    println!("{:<12}{:<14}{:>10}{:>12}{:>10}{:>10}{:>12}", "shares", "method", "n", "ties", "s", "MiB", "s / engine's");
    for (case, what, window) in CASES {
        if matches!(case, "russian" | "german") && real(case).is_none() {
            println!("{case}: skipped: no real data here");
            continue;
        }
        println!("{what}, {window} s");
        let mut of_engine = f64::NAN;
        for method in METHODS {
            let output = Command::new(std::env::current_exe().unwrap()).args([case, method]).output().unwrap();
            let line = String::from_utf8(output.stdout).unwrap();
            let [n, ties, seconds, memory] = line.split_whitespace().collect::<Vec<_>>()[..] else {
                println!("{case} {method} failed: {}", String::from_utf8_lossy(&output.stderr));
                continue;
            };
            let took: f64 = seconds.parse().unwrap();
            if method == "engine" {
                of_engine = took;
            }
            println!("{case:<12}{method:<14}{n:>10}{ties:>12}{seconds:>10}{memory:>10}{:>12.2}", took / of_engine);
        }
    }
}

/// One method on one case; prints shares, ties, seconds and the peak of memory.
fn run(case: &str, method: &str) {
    let window = CASES.iter().find(|(name, ..)| *name == case).unwrap().2;
    let mut rows = shares(case);
    if method == "engine" {
        rows.sort_by(|x, y| x.3.cmp(&y.3).then_with(|| x.2.cmp(&y.2)));
    }
    let began = Instant::now();
    let mut ties = 0_u64;
    match method {
        "engine" => {
            let mut engine = Engine::new(Params::default()).unwrap();
            let mut clusters = Vec::new();
            for (object, account, content, at) in &rows {
                let at = *at as Millis * 1_000;
                let mut post = Post {
                    id: content.into(),
                    platform: "x".into(),
                    account_id: account.into(),
                    created_at: at,
                    ..Post::default()
                };
                if object.starts_with("url") {
                    post.urls = vec![format!("https://{object}.example/").into()];
                } else {
                    post.repost_of = Some(object.into());
                }
                engine.on_post(at, &post, &mut clusters);
            }
            engine.finish(&mut clusters);
            ties += engine.ties().len() as u64;
        }
        "coortweet" => {
            let mut shares = Shares::default();
            rows.iter().for_each(|(object, account, content, at)| shares.push(object, account, content, *at as f64));
            Groups::detect(&shares, window, 2).network(0.5, Subgraph::Whole).edges(false, |_| ties += 1);
        }
        _ => {
            let mut messages = Messages::default();
            rows.iter().for_each(|(object, account, content, at)| {
                messages.push(content, account, *at as f64, &[object]);
            });
            messages.ties(window, 1, Match::Same, false, |_| ties += 1);
        }
    }
    println!(
        "{} {ties} {:.2} {}",
        rows.len(),
        began.elapsed().as_secs_f64(),
        peak().map_or("-".to_owned(), |mib| mib.to_string())
    );
}

fn shares(case: &str) -> Vec<Share> {
    let mut dice = Rng::with_seed(7);
    let share = |n: u64, object: String, account: u64, at: u64| {
        (object, format!("account-{account:06}"), format!("post-{n:08}"), at as i64)
    };
    match case {
        "million" => (0..1_000_000)
            .map(|n| {
                // Few objects are shared often, and each most often soon after it came up.
                let object = (dice.u64(..450) * dice.u64(..450)).min(199_999);
                let late = dice.u64(..120);
                let at = object * 97 % 259_200 + late * late;
                share(n, format!("url{object:06}"), dice.u64(..50_000), at)
            })
            .collect(),
        "hot" => (0..10_000).map(|n| share(n, "one".to_owned(), dice.u64(..5_000), dice.u64(..3_600))).collect(),
        "hot-window" => (0..10_000).map(|n| share(n, "one".to_owned(), dice.u64(..5_000), dice.u64(..11))).collect(),
        "hot-few" => (0..10_000).map(|n| share(n, "one".to_owned(), dice.u64(..100), dice.u64(..11))).collect(),
        real_data => read(&real(real_data).unwrap()),
    }
}

fn real(case: &str) -> Option<PathBuf> {
    let name = if case == "russian" { "russian_coord_tweets.csv.gz" } else { "german_url.csv.gz" };
    let folder = PathBuf::from(std::env::var_os("LOCKSTEP_TEST_POSTS")?);
    Some(folder.join("parity").join(name)).filter(|file| file.exists())
}

fn read(file: &Path) -> Vec<Share> {
    let content = flate2::read::GzDecoder::new(std::fs::File::open(file).unwrap());
    let mut reader = csv::Reader::from_reader(content);
    reader.deserialize().map(Result::unwrap).collect()
}

/// The greatest resident memory so far, in MiB.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1_024)
}
