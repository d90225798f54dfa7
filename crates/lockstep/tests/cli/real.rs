//! `lockstep evaluate real`, as people and scripts meet it.

use serde_json::Value;

use crate::{Workspace, post};

/// Posts of two labelled accounts that write the same, and of one that does not.
fn labelled() -> String {
    let text =
        |of: &str, text: &str, label: &str| of.replace("\"text\":\"look\"", &format!("\"text\":\"{text}\",{label}"));
    let mut lines = String::new();
    for n in 0..3 {
        for account in ["a", "b"] {
            let one = post(&format!("{n}{account}"), account, n * 60, &format!("own-{n}{account}"));
            lines += &text(
                &one,
                &format!("the very same words {}", ["one", "two", "three"][n as usize]),
                "\"label\":\"inauthentic\",\"campaign\":\"op\"",
            );
        }
        let one = post(&format!("{n}o"), "o", n * 60, &format!("own-{n}o"));
        lines += &text(&one, &format!("other words {n}"), "\"label\":\"organic\"");
    }
    lines
}

#[test]
fn its_help_has_examples_and_wrong_usage_ends_with_2() {
    let workspace = Workspace::new();
    let help = workspace.run(&["evaluate", "real", "--help"]).ends(0);
    for part in [
        "Examples:",
        "lockstep evaluate real *.jsonl.gz --out evaluation",
        "posts.accounts.tsv",
        "--labels",
        "--no-peers",
    ] {
        assert!(help.out.contains(part), "{part} is not in:\n{}", help.out);
    }
    workspace.run(&["evaluate", "real"]).ends(2).says(&["FILE"]).prints_nothing();
}

#[test]
fn a_file_without_figures_is_named_and_the_others_are_measured() {
    let workspace = Workspace::new();
    workspace.write("plain.jsonl", post("1", "a", 0, "x"));
    workspace.write("good.jsonl", labelled());
    let run =
        workspace.run(&["evaluate", "real", "none.jsonl", "plain.jsonl", "good.jsonl", "--out", "o"]).ends(1).says(&[
            "cannot open none.jsonl",
            "plain.jsonl: no post has a label",
            "plain.accounts.tsv",
            "2 of 3 files could not be measured",
        ]);
    for part in ["What Lockstep found", "good.jsonl", "op", "CooRTweet", "rule: two same texts within an hour"] {
        assert!(run.out.contains(part), "{part} is not in:\n{}", run.out);
    }
    let json: Value = serde_json::from_str(&workspace.read("o/real.json")).unwrap();
    assert_eq!((json["files"].as_array().unwrap().len(), json["failed"].as_array().unwrap().len()), (1, 2));
    let html = workspace.read("o/real.html");
    assert!(html.contains("good.jsonl") && html.contains("plain.jsonl has no figures"));
}

#[test]
fn labels_come_from_the_table_that_is_named_or_lies_beside() {
    let workspace = Workspace::new();
    workspace.write("good.jsonl", labelled());
    workspace.write("other.tsv", "account_id\tlabel\na\torganic\n");
    let figures = |arguments: &[&str]| {
        let run =
            workspace.run(&[&["evaluate", "real", "good.jsonl", "--json", "--no-peers"], arguments].concat()).ends(0);
        let json: Value = serde_json::from_str(&run.out).unwrap();
        (json["files"][0].clone(), run.err)
    };
    let (own, err) = figures(&[]);
    assert_eq!(
        (&own["labels"][0], &own["accounts"]["inauthentic"], err.as_str()),
        (&Value::from("posts"), &Value::from(2), "")
    );
    assert_eq!(own["methods"].as_array().unwrap().len(), 1);
    let (named, _) = figures(&["--labels", "other.tsv"]);
    assert_eq!((&named["labels"][0], &named["accounts"]["organic"]), (&Value::from("other.tsv"), &Value::from(1)));
    workspace.write("good.accounts.tsv", "account_id\tlabel\tcampaign\na\tinauthentic\top\n");
    let (beside, err) = figures(&[]);
    assert_eq!(
        (&beside["labels"][0], &beside["accounts"]["unknown"]),
        (&Value::from("good.accounts.tsv"), &Value::from(2))
    );
    assert!(err.contains("good.jsonl: labels of good.accounts.tsv"), "{err}");
    let (named, _) = figures(&["--labels", "other.tsv"]);
    assert_eq!(named["labels"][0], "other.tsv");
}
