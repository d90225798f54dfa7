use std::ops::ControlFlow;
use std::path::PathBuf;

use expect_test::{ExpectFile, expect_file};
use messages::dialect::csv::{Columns, Layout};
use messages::dialect::{ArchiveAccount, Context, Dialect, Layering, UnknownDialect};
use messages::post;

fn sample(name: &str) -> Vec<u8> {
    std::fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/samples").join(name)).unwrap()
}

/// Decodes an invented sample of a dialect, and recognises it: one value per line, or a document if
/// its name says so. Every outcome is a line, with its notes in the lines after it.
fn outcomes(dialect: Dialect, name: &str, expected: ExpectFile) {
    outcomes_of(dialect, name, &Context::default(), expected);
}

fn outcomes_of(dialect: Dialect, name: &str, context: &Context, expected: ExpectFile) {
    let bytes = sample(name);
    assert_eq!(Dialect::recognise(&bytes), Some(dialect), "{name} is recognised");
    assert_eq!(
        Dialect::recognise(&bytes[..bytes.len() * 2 / 3]),
        Some(dialect),
        "{name} is recognised by its beginning"
    );
    let layering = if name.contains(".document.") { Layering::Document } else { Layering::Lines };
    assert_eq!(Layering::of(&bytes, true), layering, "{name}");
    let values: Vec<&[u8]> = match layering {
        Layering::Document => messages::dialect::values(&bytes).collect(),
        Layering::Lines => bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty()).collect(),
    };
    let mut text = String::new();
    for value in values {
        let before = text.len();
        let _ = dialect.decode(value, context, &mut |record| {
            assert!(value.as_ptr_range().contains(&record.raw.as_ptr()), "a record is a part of its value");
            match record.outcome {
                Ok(Some(post)) => {
                    let encoded = post::encode(&post);
                    assert_eq!(post::decode(&encoded).as_ref(), Ok(&post), "the native dialect holds all of it");
                    text.push_str(std::str::from_utf8(&encoded).unwrap());
                }
                Ok(None) => text.push_str("no post"),
                Err(error) => {
                    let words = ["struct", "i64", "u64", "f64", "invalid type", "expected value", "str "];
                    assert!(words.iter().all(|word| !error.reason.contains(word)), "{error}");
                    text.push_str(&format!("error: {error}"));
                }
            }
            text.push('\n');
            for error in record.unreadable {
                text.push_str(&format!("    unreadable: {error}\n"));
            }
            if record.local_time {
                text.push_str("    its time is taken as UTC\n");
            }
            ControlFlow::Continue(())
        });
        assert!(text.len() > before, "every value has an outcome");
    }
    expected.assert_eq(&text);
}

#[test]
fn x() {
    outcomes(Dialect::X, "x.jsonl", expect_file!["../samples/x.expected"]);
    outcomes(Dialect::X, "x.search.document.json", expect_file!["../samples/x.search.expected"]);
}

#[test]
fn an_archive_of_x() {
    let account = ArchiveAccount::of_archive(&sample("account.js")).unwrap();
    assert_eq!((account.id.as_str(), account.name.as_str()), ("77", "ann"));
    let context = Context { account: Some(account), ..Context::default() };
    let expected = expect_file!["../samples/twitter-archive.expected"];
    outcomes_of(Dialect::TwitterArchive, "twitter-archive.document.js", &context, expected);
    let told: ArchiveAccount = "77:@ann".parse().unwrap();
    assert_eq!((told.id.as_str(), told.name.as_str()), ("77", "ann"));
    assert!(":ann".parse::<ArchiveAccount>().is_err());
    let without = sample("twitter-archive.document.js");
    let _ = Dialect::TwitterArchive.decode(&without, &Context::default(), &mut |record| {
        assert!(record.outcome.unwrap_err().reason.contains("account.js"));
        ControlFlow::Break(())
    });
}

#[test]
fn bluesky() {
    outcomes(Dialect::Bluesky, "bluesky.jsonl", expect_file!["../samples/bluesky.expected"]);
    outcomes(Dialect::Bluesky, "bluesky.old.jsonl", expect_file!["../samples/bluesky.old.expected"]);
    outcomes(Dialect::Bluesky, "bluesky.feed.document.json", expect_file!["../samples/bluesky.feed.expected"]);
    outcomes(Dialect::Bluesky, "bluesky.thread.document.json", expect_file!["../samples/bluesky.thread.expected"]);
}

#[test]
fn mastodon() {
    outcomes(Dialect::Mastodon, "mastodon.jsonl", expect_file!["../samples/mastodon.expected"]);
    outcomes(Dialect::Mastodon, "mastodon.search.document.json", expect_file!["../samples/mastodon.search.expected"]);
    outcomes(Dialect::Mastodon, "mastodon.outbox.document.json", expect_file!["../samples/mastodon.outbox.expected"]);
}

#[test]
fn telegram_export() {
    outcomes(Dialect::Telegram, "telegram.document.json", expect_file!["../samples/telegram.document.expected"]);
    let account = "telegram.account.document.json";
    outcomes(Dialect::Telegram, account, expect_file!["../samples/telegram.account.expected"]);
}

#[test]
fn local_times_of_an_export_are_of_the_zone_that_is_told() {
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(3));
    let context = Context { timezone: Some(zone), ..Context::default() };
    let export = sample("telegram.account.document.json");
    let mut times = Vec::new();
    let _ = Dialect::Telegram.decode(&export, &context, &mut |record| {
        assert!(!record.local_time);
        times.extend(record.outcome.ok().flatten().map(|post| post.created_at));
        ControlFlow::Continue(())
    });
    assert!(times.iter().all(|time| *time == 1_691_690_045_000), "{times:?}");
}

#[test]
fn telegram_messages() {
    outcomes(Dialect::Telegram, "telegram.jsonl", expect_file!["../samples/telegram.expected"]);
    outcomes(Dialect::Telegram, "telegram.clients.jsonl", expect_file!["../samples/telegram.clients.expected"]);
}

#[test]
fn tools() {
    outcomes(Dialect::Zeeschuimer, "zeeschuimer.jsonl", expect_file!["../samples/zeeschuimer.expected"]);
    outcomes(Dialect::FourCat, "4cat.jsonl", expect_file!["../samples/4cat.expected"]);
    outcomes(Dialect::Snscrape, "snscrape.jsonl", expect_file!["../samples/snscrape.expected"]);
    outcomes(Dialect::Twint, "twint.jsonl", expect_file!["../samples/twint.expected"]);
    outcomes(Dialect::Apify, "apify.document.json", expect_file!["../samples/apify.expected"]);
}

#[test]
fn the_dialect_of_x_takes_what_the_tools_for_x_write() {
    let posts = |dialect: Dialect, name: &str| {
        let context = Context { account: Some("77".parse().unwrap()), ..Context::default() };
        let mut ids = Vec::new();
        for value in messages::dialect::values(&sample(name)) {
            let _ = dialect.decode(value, &context, &mut |record| {
                ids.extend(record.outcome.ok().flatten().map(|post| post.id.into_owned()));
                ControlFlow::Continue(())
            });
        }
        ids
    };
    for (dialect, name) in [
        (Dialect::TwitterArchive, "twitter-archive.document.js"),
        (Dialect::Zeeschuimer, "zeeschuimer.jsonl"),
        (Dialect::Snscrape, "snscrape.jsonl"),
        (Dialect::Twint, "twint.jsonl"),
        (Dialect::Apify, "apify.document.json"),
    ] {
        assert_eq!(posts(Dialect::X, name), posts(dialect, name), "{name}");
    }
}

#[test]
fn how_values_lie_in_a_file_is_told_from_its_beginning() {
    use Layering::{Document, Lines};
    for (head, whole, expected) in [
        ("{\"a\":1}\n{\"a\":2}\n", true, Lines),
        ("{\"a\":1}\n{\"a\":2", false, Lines),
        ("[{\"a\":1},\n{\"a\":2}]\n", true, Document),
        ("[{\"a\":1},{\"a\":2}]\n", true, Document),
        ("[{\"a\":1}]\n[{\"a\":2}]\n", true, Lines),
        ("{\n \"a\": 1\n}\n{\n \"a\": 2\n}\n", true, Document),
        ("{ \"a\": 1,\n  \"b\": 2 }\n", true, Document),
        ("{\"a\":1}{\"a\":2}\n", true, Document),
        ("{\"a\":1,\"long", false, Lines),
        ("{\"posts\":[\n{\"a\":1},\n{\"a\":2}\n]}\n", true, Document),
        ("{\"a\":\n{\"a\":1}\n{\"a\":2}\n", true, Lines),
        ("\0\0\0\n{\"a\":1}\n", true, Lines),
        ("not json\n{\"a\":1}\n", true, Lines),
        ("window.YTD.tweets.part0 = [\n {", false, Document),
        ("", true, Lines),
    ] {
        assert_eq!(Layering::of(head.as_bytes(), whole), expected, "{head:?}");
    }
}

fn rows(header: &str, rows: &[&str]) -> (Layout, Vec<String>) {
    let columns = Columns::new(header.split(';'), None).unwrap();
    let outcome = |row: &&str| match columns.post(&row.split(';').collect::<Vec<_>>()) {
        Ok(post) => String::from_utf8(post::encode(&post)).unwrap(),
        Err(error) => format!("error: {error}"),
    };
    (columns.layout(), rows.iter().map(outcome).collect())
}

#[test]
fn csv() {
    let mut text = String::new();
    for (header, lines) in [
        (
            "ID;Platform;user_id;screen_name;tweet_time;tweet_text;urls;hashtags;retweet_tweetid;follower_count;default_profile",
            &[
                "1;Twitter;7;ann;2016-10-05 01:02;hi #a @b;;;;12;true",
                "2;twitter;7;;2016-10-05T01:02:03+02:00;hi;[\"https://a.example/x,y\"];['a', 'b'];99;;",
                "3;twitter;7;;1475629323;hi;https://a.example/x,1 http://b.example,http://c.example;#a|b, c;;3.0;f",
                "4;twitter;;;1475629323;hi;;;;;",
                "5;twitter;7;;soon;hi;;;;;",
                "6;twitter;7;;1475629323;hi;;;;many;",
                "7;twitter;7;;1475629323;hi;;;;;perhaps",
                "8;twitter",
            ][..],
        ),
        (
            "object_id;account_id;content_id;timestamp_share",
            &["abc;7;1;1475629323", "https://a.example/x;7;2;1475629323", "#tag;7;2;1475629323", ";7;3;1475629323"][..],
        ),
        (
            "message_id;user_id;username;repost_id;reply_id;message;timestamp;urls",
            &[
                "1;7;ann;9;;RT @bob: see https://a.example;1475629323;",
                "2;7;ann;;1;see;1475629323;https://a.example https://b.example",
            ][..],
        ),
        (
            "id;platform;account_id;created_at;text;retweet_id;quoted_status_id;quoted_user_id",
            &["1;twitter;7;1475629323;see;;5;9", "2;twitter;8;1475629323;see;1;5;9"][..],
        ),
    ] {
        let (layout, outcomes) = rows(header, lines);
        text.push_str(&format!("{layout:?}\n{}\n", outcomes.join("\n")));
    }
    expect_file!["../samples/csv.expected"].assert_eq(&text);
}

#[test]
fn a_header_without_a_required_column_is_an_error() {
    let error = Columns::new(["id", "account_id", "created_at"], None).unwrap_err();
    assert_eq!(error.path, "platform");
    assert!(Columns::new(["id", "account_id", "created_at"], Some("vk")).is_ok());
    assert_eq!(Columns::new(["a", "b"], Some("vk")).unwrap_err().path, "id");
}

#[test]
fn dialects_have_names() {
    for dialect in Dialect::ALL {
        assert_eq!(dialect.to_string().parse(), Ok(dialect));
    }
    assert_eq!("tiktok".parse::<Dialect>(), Err(UnknownDialect("tiktok".into())));
}
