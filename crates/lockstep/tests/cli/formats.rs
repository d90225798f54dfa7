//! What a file is taken for, and what of it cannot be read.

use super::*;

/// Pages of the X API as a collector stores them, with fields that are not what they should be.
fn pages() -> String {
    let mut lines = String::new();
    for n in 0..3 {
        let at = jiff::Timestamp::from_second(1_677_664_800 + n).unwrap();
        let good = format!(
            "{{\"id\":\"{n}\",\"text\":\"a\",\"author_id\":\"7\",\"created_at\":\"{at}\",\"lang\":[],\"author\":{{\"id\":\"7\",\
             \"public_metrics\":{{\"followers_count\":\"many\"}}}}}}"
        );
        lines += &format!("{{\"data\":[{good},{{\"id\":\"x{n}\",\"text\":\"no author\"}}],\"meta\":{{}}}}\n");
    }
    lines + "{\"data\":null,\"meta\":{\"result_count\":0}}\n"
}

#[test]
fn detect_tells_what_it_took_a_file_for_and_what_of_it_it_could_not_read() {
    let workspace = Workspace::new();
    workspace.write("pages.jsonl", pages());
    workspace.run(&["detect", "pages.jsonl", "--out", "out"]).ends(0).prints_nothing().says(&[
        "pages.jsonl: taken for posts of the X (Twitter) API (--dialect x)",
        "pages.jsonl:1: `data[1].author_id`: is required, but missing or null",
        "warning: `lang` cannot be read in 3 posts, which count without this field; the first: pages.jsonl:1:",
        "`author.public_metrics.followers_count`",
    ]);
    let summary: Value = serde_json::from_str(&workspace.read("out/summary.json")).unwrap();
    let counts = ["posts", "rejected_lines", "duplicates", "passed_over"].map(|name| summary[name].as_u64().unwrap());
    assert_eq!(counts, [3, 3, 0, 1], "every record counts once");
    assert_eq!(summary["unreadable_fields"]["lang"], 3);
    assert_eq!(lines(&workspace.read("out/rejected.jsonl"))[2]["raw"], "{\"id\":\"x2\",\"text\":\"no author\"}");
    let old = "{\"id\":1,\"type\":\"personal_chat\",\"messages\":[{\"id\":2,\"date\":\"2020-08-10T20:54:05\",\"from_id\":\"user1\",\"text\":\"x\"}]}";
    workspace.write("result.json", old);
    workspace.run(&["detect", "result.json", "--out", "out"]).ends(0).says(&["were read as UTC", "--timezone"]);
    workspace.run(&["detect", "result.json", "--timezone", "Nowhere", "--out", "out"]).ends(2).says(&["Europe/Berlin"]);
    let told =
        workspace.run(&["detect", "result.json", "--timezone", "Europe/Moscow", "--json", "--out", "out"]).ends(0);
    assert_eq!(serde_json::from_str::<Value>(&told.out).unwrap()["first_post"], "2020-08-10T17:54:05Z");
}
