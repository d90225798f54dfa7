//! Finds a group in a small invented stream.
//!
//! `cargo build --workspace --examples && target/debug/examples/find_groups`
//!
//! 400 people share articles of the hour and write something of their own. Eight accounts post the
//! same texts within minutes of each other.
#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use std::error::Error;

use coordination::{Engine, Millis, Outcome, Params, Post};

const MINUTE: Millis = 60_000;
const HOUR: Millis = 60 * MINUTE;

fn main() -> Result<(), Box<dyn Error>> {
    let mut posts = crowd();
    posts.extend(campaign());
    // The engine expects posts in order of time; posts that come a little late are reordered.
    posts.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));

    let mut engine = Engine::new(Params::default())?;
    let mut clusters = Vec::new();
    for post in &posts {
        // The caller decides the event time; here it is the time of the newest post.
        let outcome = engine.on_post(post.created_at, post, &mut clusters);
        assert_eq!(outcome, Outcome::Accepted, "every post has one outcome");
    }
    engine.finish(&mut clusters);

    // Every state of a cluster is reported; the last one counts.
    clusters.sort_by(|a, b| (&a.id, a.version).cmp(&(&b.id, b.version)));
    clusters
        .dedup_by(|later, earlier| later.id == earlier.id && std::mem::replace(earlier, later.clone()).id == later.id);
    for cluster in &clusters {
        let members: Vec<&str> = cluster.members.iter().map(|member| &*member.account.account_id).collect();
        println!(
            "{} {:?}: {:.1} nats, {:.1} without the best source, {} accounts: {}",
            cluster.id,
            cluster.finding,
            cluster.log_e,
            cluster.log_e_leave_one_source_out,
            members.len(),
            members.join(" ")
        );
        assert!(members.iter().all(|name| name.starts_with("writer")), "no account of the crowd is named");
    }
    assert_eq!(clusters.len(), 1, "the writers are one group");
    Ok(())
}

/// Articles that people share in the same hour, and words of their own.
fn crowd() -> Vec<Post<'static>> {
    (0..8_000_u64)
        .map(|n| {
            let at = (spread(n, 1) % (60 * 60)) as Millis * MINUTE;
            let site = spread(n, 2) % 40;
            Post {
                urls: vec![format!("https://site{site}.example/{}", at / HOUR).into()],
                ..post(format!("crowd-{n}"), format!("reader{}", spread(n, 3) % 400), at, words(n, 8))
            }
        })
        .collect()
}

/// Eight accounts post each of sixteen texts, two minutes apart, and other words in between.
fn campaign() -> Vec<Post<'static>> {
    let mut posts = Vec::new();
    for text in 0..16_u64 {
        for writer in 0..8_u64 {
            let (account, number) = (format!("writer{writer}"), text * 8 + writer);
            let at = (20 + 2 * text) as Millis * HOUR + 2 * writer as Millis * MINUTE;
            posts.push(post(format!("copy-{number}"), account.clone(), at, words(1_000_000 + text, 12)));
            posts.push(post(format!("own-{number}"), account, at + 30 * MINUTE, words(2_000_000 + number, 8)));
        }
    }
    posts
}

fn post(id: String, account: String, at: Millis, text: String) -> Post<'static> {
    Post {
        id: id.into(),
        platform: "x".into(),
        account_id: account.into(),
        created_at: at,
        text: text.into(),
        ..Post::default()
    }
}

/// Words that nobody writes by chance.
fn words(seed: u64, count: u64) -> String {
    let letter = |n: u64| char::from(b'a' + (n % 26) as u8);
    let word = |n: u64| (0..6).map(|place| letter(spread(seed * 64 + n, 10 + place))).collect::<String>();
    (0..count).map(word).collect::<Vec<_>>().join(" ")
}

/// A number that looks random and is the same on every machine (the finalizer of SplitMix64).
fn spread(n: u64, of: u64) -> u64 {
    let mut z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ of.wrapping_mul(0xd1b5_4a32_d192_ed03);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
