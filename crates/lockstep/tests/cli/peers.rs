//! The methods of published tools.

use super::*;

const SHARES: &str = "object_id,account_id,content_id,timestamp_share\n\
    x,ann,1,0\nx,bob,2,5\ny,ann,3,100\ny,bob,4,101\nz,ann,5,200\nz,cat,6,209\n\"q,1\",cat,7,300\n";

#[test]
fn the_published_methods_write_their_ties() {
    let workspace = Workspace::new();
    workspace.write("shares.csv", SHARES);
    // What an earlier run of another method left would be taken for a result of this one.
    fs::create_dir(workspace.path("out")).unwrap();
    workspace.write("out/clusters.jsonl", "{}");
    let run = workspace.run(&["detect", "shares.csv", "--method", "coortweet", "--out", "out"]).ends(0);
    run.says(&["7 shares of 3 accounts", "2 ties, 1 above the threshold of 1.5 pairs", "out/ties.csv"]);
    assert_eq!(
        workspace.read("out/ties.csv"),
        "account_a,account_b,kind,co_acts,distinct_keys,nats,median_lag_s,\
         weight,avg_time_delta,n_content_id,n_content_id_y,edge_symmetry_score,weight_threshold\n\
         ann,bob,object,2,2,,3,2,3,2,2,1,1\n\
         ann,cat,object,1,1,,9,1,9,1,1,1,0\n"
    );
    assert_eq!(
        workspace.read("out/accounts.csv"),
        "platform,account_id,posts,log_e,probability,cluster_id,status,degree,strength,weight_max\n\
         unknown,ann,3,,,,,2,3,2\nunknown,bob,2,,,,,1,2,2\nunknown,cat,2,,,,,1,1,1\n"
    );
    assert!(!workspace.path("out/clusters.jsonl").exists() && !workspace.path("out/pairs.csv").exists());

    let fast = [
        "detect",
        "shares.csv",
        "--method",
        "coortweet",
        "--fast",
        "1",
        "--pairs",
        "--objects",
        "--json",
        "--out",
        "out",
    ];
    let run = workspace.run(&fast).ends(0);
    let summary: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(summary, serde_json::from_str::<Value>(&workspace.read("out/summary.json")).unwrap());
    assert_eq!((&summary["pairs"], &summary["fast_time_window"]), (&Value::from(3), &Value::from(1.0)));
    assert_eq!(
        workspace.read("out/pairs.csv").lines().nth(2),
        Some("y,3,4,1,ann,bob,0"),
        "one fast pair is too little participation"
    );
    assert!(workspace.read("out/ties.csv").contains("\"x,y\""));

    let run = workspace
        .run(&[
            "detect",
            "shares.csv",
            "--method",
            "cooccurrence",
            "--time-window",
            "5",
            "--min-edge-weight",
            "1",
            "--out",
            "out",
        ])
        .ends(0);
    run.says(&["2 ties", "cooccurrence (object)"]);
    assert_eq!(workspace.read("out/ties.csv").lines().nth(2), Some("bob,ann,object,2,2,,3,2,"));
    assert!(!workspace.path("out/pairs.csv").exists(), "of the run before");
}

#[test]
fn what_the_published_methods_do_not_have_is_wrong_usage() {
    let workspace = Workspace::new();
    workspace.write("shares.csv", SHARES);
    workspace.write(
        "posts.jsonl",
        r#"{"id":"1","platform":"x","account_id":"a","created_at":"2026-01-01T00:00:00Z","urls":["u"],"reply_to":"2"}"#,
    );
    for (file, arguments, words) in [
        (
            "shares.csv",
            &["--time-window", "5"][..],
            &["--time-window belongs to --method coortweet and --method cooccurrence"][..],
        ),
        (
            "shares.csv",
            &["--method", "cooccurrence", "--edge-weight", "0.5"],
            &["--edge-weight belongs to --method coortweet, not to cooccurrence"],
        ),
        (
            "shares.csv",
            &["--method", "coortweet", "--min-edge-weight", "2"],
            &["--min-edge-weight belongs to --method cooccurrence"],
        ),
        ("shares.csv", &["--method", "coortweet", "--time-window", "-1"], &["--time-window", "0 or more"]),
        ("shares.csv", &["--method", "coortweet", "--edge-weight", "50"], &["--edge-weight", "from 0 to 1"]),
        ("shares.csv", &["--method", "coortweet", "--trace", "emoji"], &["is no trace", "url, repost, hashtags"]),
        (
            "shares.csv",
            &["--method", "coortweet", "--trace", "post"],
            &["choose another trace, or --method cooccurrence"],
        ),
        ("shares.csv", &["--method", "coortweet", "--subgraph", "2"], &["add --fast SECONDS"]),
        ("shares.csv", &["--method", "coortweet", "--subgraph", "1", "--fast", "5"], &["omit --fast"]),
        (
            "shares.csv",
            &["--method", "coortweet", "--fast", "60"],
            &["must not be wider than --time-window, which is 10 s"],
        ),
        ("shares.csv", &["--method", "coortweet", "--report"], &["--report belongs to --method lockstep"]),
        (
            "shares.csv",
            &["--method", "cooccurrence", "--trace", "url", "--similarity", "0.9"],
            &["--similarity compares texts"],
        ),
        ("shares.csv", &["--method", "synchrotrap"], &["coortweet", "cooccurrence"]),
        ("posts.jsonl", &["--method", "coortweet"], &["several traces (url and reply)", "--trace"]),
    ] {
        let run = workspace.run(&[&["detect", file, "--out", "out"], arguments].concat()).ends(2);
        run.says(words);
        assert!(!workspace.path("out/ties.csv").exists());
    }
    workspace
        .run(&["detect", "posts.jsonl", "--method", "coortweet", "--trace", "repost", "--out", "out"])
        .ends(1)
        .says(&["none of the 1 post has a trace of repost", "--trace"]);
}
