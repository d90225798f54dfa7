//! Reads posts of three platforms into one form, and prints what cannot be read.
//!
//! `cargo build --workspace --examples && target/debug/examples/read_dialects`
#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use std::{error::Error, ops::ControlFlow};

use messages::{
    dialect::{Context, Dialect},
    post,
};

const VALUES: [(Dialect, &str); 4] = [
    (
        Dialect::Mastodon,
        r##"{"id":"1","created_at":"2026-09-14T08:00:00.000Z","content":"<p>Read <a href=\"https://news.example/a\">this</a> #vote</p>",
        "account":{"id":"7","acct":"ann","url":"https://social.example/@ann"},"uri":"https://social.example/users/ann/statuses/1"}"##,
    ),
    (
        Dialect::Bluesky,
        r#"{"did":"did:plc:bob","kind":"commit","commit":{"operation":"create","collection":"app.bsky.feed.repost","rkey":"r1",
        "record":{"createdAt":"2026-09-14T08:00:05Z","subject":{"uri":"at://did:plc:ann/app.bsky.feed.post/p1"}}}}"#,
    ),
    (
        Dialect::Lockstep,
        r#"{"id":"2","platform":"x","account_id":"8","account_name":"cleo","created_at":"2026-09-14T08:00:09Z","text":"Read this",
        "followers":"many"}"#,
    ),
    (Dialect::Lockstep, r#"{"id":"3","platform":"x","account_id":"8","created_at":"yesterday"}"#),
];

fn main() -> Result<(), Box<dyn Error>> {
    let (mut read, mut refused) = (0, 0);
    for (dialect, value) in VALUES {
        // A value may hold many records; each has its own outcome.
        let flow = dialect.decode(value.as_bytes(), &Context::default(), &mut |record| {
            match record.outcome {
                Ok(Some(post)) => {
                    read += 1;
                    println!("{}: {}", dialect.name(), String::from_utf8_lossy(&post::encode(&post)));
                    for field in &record.unreadable {
                        println!("  left out {}: {}", field.path, field.reason);
                    }
                }
                Ok(None) => println!("{}: no post", dialect.name()),
                Err(error) => {
                    refused += 1;
                    println!("{}: {} cannot be read: {}", dialect.name(), error.path, error.reason);
                }
            }
            ControlFlow::Continue(())
        });
        assert!(flow.is_continue());
    }
    assert_eq!((read, refused), (3, 1), "each record is read or refused");
    Ok(())
}
