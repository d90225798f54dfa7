use std::path::PathBuf;

use expect_test::{ExpectFile, expect_file};
use messages::dialect::csv::{Columns, Layout};
use messages::dialect::{Dialect, UnknownDialect};
use messages::post;

/// Decodes an invented sample of a dialect: one value a line, or the whole file if it is named `.document.json`. Every outcome is a line.
fn outcomes(dialect: Dialect, sample: &str, expected: ExpectFile) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/samples").join(sample);
    let bytes = std::fs::read(path).unwrap();
    let values: Vec<&[u8]> = if sample.ends_with(".document.json") {
        vec![&bytes]
    } else {
        bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty()).collect()
    };
    let mut text = String::new();
    for value in values {
        let all = dialect.decode(value);
        if all.is_empty() {
            text.push_str("no post\n");
        }
        for outcome in all {
            match outcome {
                Ok(post) => {
                    let encoded = post::encode(&post);
                    assert_eq!(post::decode(&encoded).as_ref(), Ok(&post), "the native dialect holds all of it");
                    text.push_str(std::str::from_utf8(&encoded).unwrap());
                }
                Err(error) => text.push_str(&format!("error: {error}")),
            }
            text.push('\n');
        }
    }
    expected.assert_eq(&text);
}

#[test]
fn x() {
    outcomes(Dialect::X, "x.jsonl", expect_file!["../samples/x.expected"]);
}

#[test]
fn bluesky() {
    outcomes(Dialect::Bluesky, "bluesky.jsonl", expect_file!["../samples/bluesky.expected"]);
}

#[test]
fn mastodon() {
    outcomes(Dialect::Mastodon, "mastodon.jsonl", expect_file!["../samples/mastodon.expected"]);
}

#[test]
fn telegram_export() {
    outcomes(Dialect::Telegram, "telegram.document.json", expect_file!["../samples/telegram.document.expected"]);
}

#[test]
fn telegram_messages() {
    outcomes(Dialect::Telegram, "telegram.jsonl", expect_file!["../samples/telegram.expected"]);
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
