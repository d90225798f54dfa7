//! Tables: what is said of their columns, and what is refused.

use super::*;

/// The table of [`posts`], with more columns.
fn table(header: &str, cells: &str) -> String {
    let mut text = format!("id,platform,account_id,created_at,text{header}\n");
    for line in posts().lines() {
        let post: Value = serde_json::from_str(line).unwrap();
        let cell = |name: &str| post[name].as_str().unwrap().to_owned();
        let text_cell = post["text"].as_str().unwrap_or("words");
        text.push_str(&format!(
            "{},{},{},{},{text_cell}{cells}\n",
            cell("id"),
            cell("platform"),
            cell("account_id"),
            cell("created_at")
        ));
    }
    text
}

#[test]
fn what_columns_are_taken_for_is_said_counted_and_shown() {
    let workspace = Workspace::new();
    workspace.write("posts.csv", table(",followers,mood", ",many,good"));
    workspace.run(&["detect", "posts.csv", "--out", "out"]).ends(0).says(&[
        "posts.csv: table of posts: id, platform, account_id, created_at, text, followers; not read: mood",
        "warning: posts.csv: column followers: 160 cells could not be read, and followers is not known there",
    ]);
    let summary: Value = serde_json::from_str(&workspace.read("out/summary.json")).unwrap();
    let count = |name: &str| summary[name].as_u64().unwrap();
    assert_eq!(count("rows"), 160);
    assert_eq!(count("rows"), count("posts") + count("duplicates") + count("rejected_lines") + count("passed_over"));
    let column = |name: &str| {
        summary["columns"].as_array().unwrap().iter().find(|entry| entry["column"] == name).unwrap().clone()
    };
    assert_eq!((&column("followers")["unreadable"], &column("id")["read"]), (&160.into(), &160.into()));
    assert_eq!((&column("mood")["taken_for"], &column("text")["by"]), (&"not read".into(), &"name".into()));

    let shown = workspace.run(&["detect", "posts.csv", "--show-mapping", "--out", "shown"]).ends(0);
    for words in
        ["posts.csv: table of posts", "followers (by name)", "mood", "not read", "good | good | good", "post: {\"id\":"]
    {
        assert!(shown.out.contains(words), "{words:?} is not in:\n{}", shown.out);
    }
    assert!(!workspace.path("shown").exists(), "nothing else is done");
}

#[test]
fn what_would_be_misread_is_refused_and_the_way_out_works() {
    let workspace = Workspace::new();
    workspace.write("parent.csv", table(",parent_post_id", ",5"));
    let refused = workspace.run(&["detect", "parent.csv", "--out", "out"]).ends(1).prints_nothing();
    refused.says(&[
        "parent_post_id looks like the id of a repost",
        "--column repost_of=parent_post_id",
        "--column ignore=parent_post_id",
    ]);
    assert!(!workspace.path("out/clusters.jsonl").exists());
    workspace
        .run(&["detect", "parent.csv", "--out", "out", "--column", "ignore=parent_post_id"])
        .ends(0)
        .says(&["ignored: parent_post_id"]);
    workspace.write("map.toml", "repost_of = \"parent_post_id\"\n");
    workspace
        .run(&["detect", "parent.csv", "--out", "out", "--map", "map.toml"])
        .ends(0)
        .says(&["repost_of from parent_post_id"]);

    workspace.write("two.csv", table(",full_text", ",other words"));
    workspace.run(&["detect", "two.csv", "--out", "out"]).ends(1).says(&["text and full_text", "--column text=NAME"]);
    workspace.write("rounded.csv", table("", "") + "1.25E+18,x,a,2026-11-02T10:00:00Z,words\n");
    workspace
        .run(&["detect", "rounded.csv", "--out", "other"])
        .ends(1)
        .says(&["rounded.csv:162: column `id`", "export the ids as text"]);
    assert!(!workspace.path("other/clusters.jsonl").exists());
}

#[test]
fn wrong_settings_of_tables_are_wrong_usage() {
    let workspace = Workspace::new();
    workspace.write("posts.csv", table("", ""));
    for (flag, value, words) in [
        ("--column", "text", "is not a pair"),
        ("--column", "txet=a", "is not a field of a post; expected id, platform"),
        ("--time-format", "noon", "is not a time format"),
        ("--timezone", "Mars", "is not a time zone"),
        ("--encoding", "klingon", "is no encoding"),
    ] {
        workspace.run(&["detect", "posts.csv", flag, value]).ends(2).says(&[flag, words]);
    }
    workspace.write("map.toml", "txet = \"a\"\n");
    workspace
        .run(&["detect", "posts.csv", "--map", "map.toml"])
        .ends(1)
        .says(&["the mapping map.toml", "\"txet\" is not a field of a post"]);
    workspace.run(&["detect", "posts.csv", "--map", "none.toml"]).ends(1).says(&["cannot read the mapping none.toml"]);
}

/// The demo world as CooRTweet's users have it: one row for each object of a post, and no word of where an object comes from.
#[test]
fn groups_in_coortweets_layout_are_not_all_on_one_source() {
    let workspace = Workspace::new();
    let world = workspace.run(&["simulate", "--world", "demo", "--seed", "1"]).ends(0).out;
    let mut table = "object_id,account_id,content_id,timestamp_share\n".to_owned();
    for post in lines(&world) {
        let objects = post["urls"].as_array().into_iter().flatten().chain([&post["repost_of"]]);
        for object in objects.filter_map(Value::as_str) {
            let at: jiff::Timestamp = post["created_at"].as_str().unwrap().parse().unwrap();
            let name =
                |field: &str| format!("{}-{}", post["platform"].as_str().unwrap(), post[field].as_str().unwrap());
            // Ids of objects are pseudonyms as often as not.
            let object = format!(
                "{:016x}",
                object.bytes().fold(7_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()))
            );
            table.push_str(&format!("{object},{},{},{}\n", name("account_id"), name("id"), at.as_second()));
        }
    }
    workspace.write("shares.csv", &table);
    workspace.run(&["detect", "shares.csv", "--out", "out"]).ends(0);
    let clusters = lines(&workspace.read("out/clusters.jsonl"));
    let on_several = clusters.iter().filter(|cluster| cluster["status"] != "single_source").count();
    assert!(on_several > 0, "{} clusters, all on a single source", clusters.len());
    for cluster in &clusters {
        for evidence in cluster["evidence"].as_array().unwrap() {
            assert!(evidence["source"].as_str().unwrap().contains(evidence["key"].as_str().unwrap()), "{evidence}");
        }
    }
}
