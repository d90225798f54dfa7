//! The command line as people and scripts meet it: what is written where, in which words, with which exit code.

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

mod backup;
mod configuration;
mod database;
mod erase;
mod formats;
mod intake;
mod models;
mod open;
mod peers;
mod real;
mod results;
#[cfg(unix)]
mod secrets;
mod sharing;
mod tables;
mod vignette;

/// A folder of a test's own, in which the program runs.
struct Workspace {
    folder: tempfile::TempDir,
}

/// What came of a run.
struct Run {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Workspace {
    fn new() -> Workspace {
        Workspace { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lockstep"));
        command.args(arguments).current_dir(self.folder.path()).env("RUST_BACKTRACE", "0");
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LOCKSTEP")) {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, arguments: &[&str]) -> Run {
        Run::of(self.command(arguments).stdin(Stdio::null()).output().unwrap())
    }

    fn run_with_stdin(&self, arguments: &[&str], stdin: &[u8]) -> Run {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(stdin).unwrap();
        Run::of(child.wait_with_output().unwrap())
    }
}

impl Run {
    fn of(output: Output) -> Run {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Run { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    #[track_caller]
    fn ends(self, code: i32) -> Run {
        assert_eq!(self.code, Some(code), "standard error:\n{}", self.err);
        self
    }

    /// Every text is on standard error.
    #[track_caller]
    fn says(self, texts: &[&str]) -> Run {
        for text in texts {
            assert!(self.err.contains(text), "{text:?} is not in:\n{}", self.err);
        }
        self
    }

    #[track_caller]
    fn prints_nothing(self) -> Run {
        assert_eq!(self.out, "");
        self
    }
}

/// Posts of three accounts that share links together and of forty that do not: enough to read, too little to find anything.
fn posts() -> String {
    let mut lines = String::new();
    for n in 0..40 {
        for (second, account) in [(0, "a"), (3, "b"), (7, "c")] {
            lines.push_str(&post(&format!("{n}-{account}"), account, n * 600 + second, &format!("story-{n}")));
        }
        lines.push_str(&post(&format!("{n}-x"), &format!("x{n}"), n * 600 + 60, &format!("other-{n}")));
    }
    lines
}

fn post(id: &str, account: &str, second: i64, link: &str) -> String {
    let at = jiff::Timestamp::from_second(1_790_000_000 + second).unwrap();
    format!(
        "{{\"id\":\"{id}\",\"platform\":\"chirp\",\"account_id\":\"{account}\",\"account_name\":\"{account}\",\"created_at\":\"{at}\",\
         \"text\":\"look\",\"urls\":[\"https://news.example/{link}\"]}}\n"
    )
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Everything that a run promises byte for byte.
fn results(workspace: &Workspace, out: &str) -> [String; 7] {
    let files = [
        "clusters.jsonl",
        "near_misses.jsonl",
        "ties.csv",
        "accounts.csv",
        "objects.csv",
        "network.graphml",
        "network.gexf",
    ];
    files.map(|file| workspace.read(&format!("{out}/{file}")))
}

/// A small and quick sort in which every line lands somewhere else.
fn shuffled(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_by_key(|line| line.bytes().fold(17_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into())));
    lines.join("\n") + "\n"
}

#[track_caller]
fn near(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-6, "{a} is not {b}");
}

/// What `clusters.jsonl`, `ties.csv` and `accounts.csv` promise, for any input. Gives back how many clusters there are.
fn check_contract(workspace: &Workspace, out: &str) -> usize {
    let [clusters, _, ties, accounts, ..] = results(workspace, out);
    let clusters = lines(&clusters);
    for cluster in &clusters {
        for field in ["cluster_id", "status", "accounts", "first_seen", "last_seen", "evidence", "topics", "targets"] {
            assert!(!cluster[field].is_null(), "{field} is missing");
        }
        let status = cluster["status"].as_str().unwrap();
        assert!(["flagged", "single_source", "coordinated"].contains(&status), "{status}");
        let evidence = cluster["evidence"].as_array().unwrap();
        let sources = cluster["sources"].as_array().unwrap();
        let windows = cluster["windows"].as_array().unwrap();
        let one_text = cluster["why"] == "one_text";
        assert_eq!(windows.is_empty(), one_text, "a text that many wrote is a count and no test");
        for field in ["test", "score", "probability", "reasons", "model"] {
            assert_eq!(cluster[field].is_null(), one_text, "{field}");
        }
        // In each window, gains by key and by source are those of the test.
        let nats = |window: &Value, field: &str| window[field].as_f64().unwrap();
        let all: Vec<f64> = windows.iter().map(|window| nats(window, "nats")).collect();
        for (place, window) in windows.iter().enumerate() {
            let gains = nats(window, "nats") - nats(window, "losses");
            let by = |list: &[Value]| list.iter().map(|of| of["by_window"][place].as_f64().unwrap()).sum::<f64>();
            near(by(evidence) + cluster["unlisted"]["nats"][place].as_f64().unwrap(), gains);
            let unlisted_sources = cluster["unlisted"]["source_nats"][place].as_f64().unwrap_or(0.0);
            near(by(sources) + unlisted_sources, gains);
        }
        if let Some(most) = all.iter().copied().reduce(f64::max) {
            let mean = |nats: Vec<f64>| (nats.iter().map(|nats| (nats - most).exp()).sum::<f64>() / 3.0).ln() + most;
            near(mean(all.clone()), cluster["log_e"].as_f64().unwrap());
            let without = |source: &Value| {
                let left = all.iter().zip(source["by_window"].as_array().unwrap());
                mean(left.map(|(nats, gains)| nats - gains.as_f64().unwrap()).collect())
            };
            let least = sources.iter().map(without).fold(f64::INFINITY, f64::min);
            near(least, cluster["log_e_leave_one_source_out"].as_f64().unwrap());
        }
        let account = |value: &Value| (value["platform"].to_string(), value["account_id"].to_string());
        let members: BTreeSet<_> = cluster["accounts"].as_array().unwrap().iter().map(account).collect();
        let time = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        let seen = time(&cluster["first_seen"])..=time(&cluster["last_seen"]);
        let mut others = BTreeSet::new();
        for key in evidence {
            assert!(key["kind"].is_string() && key["key"].is_string() && key["source"].is_string(), "{key}");
            for post in key["posts"].as_array().unwrap() {
                assert!(post["id"].is_string(), "{post}");
                if !members.contains(&account(post)) {
                    others.insert(account(post));
                }
                assert!(seen.contains(&time(&post["created_at"])), "{post}");
            }
        }
        // The test is of the group as it was proposed; of its accounts some may not be named.
        let proposed = cluster["accounts"].as_array().unwrap().iter().filter(|one| one["proposed"] == true);
        let proposed = proposed.filter(|one| one["elsewhere"] != true).count();
        let most = cluster["test"]["proposed"].as_u64().unwrap_or(proposed as u64);
        assert!((others.len() + proposed) as u64 <= most, "{others:?} are of no group");
    }
    assert_eq!(
        ties.lines().next(),
        Some("account_a,account_b,kind,co_acts,distinct_keys,nats,median_lag_s,expected,account_a_name,account_b_name")
    );
    let header = accounts.lines().next().unwrap();
    assert!(header.starts_with("platform,account_id,posts,log_e,probability,cluster_id,status"), "{header}");
    let named: BTreeSet<&str> = accounts.lines().skip(1).filter_map(|line| line.split(',').nth(1)).collect();
    for account in clusters.iter().flat_map(|cluster| cluster["accounts"].as_array().unwrap()) {
        assert!(named.contains(account["account_id"].as_str().unwrap()), "{account} is not in accounts.csv");
    }
    clusters.len()
}

#[test]
fn help_has_examples_and_wrong_usage_ends_with_2() {
    let workspace = Workspace::new();
    for command in [
        "demo",
        "detect",
        "explain",
        "ingest",
        "serve",
        "partners",
        "policy",
        "users",
        "tokens",
        "train",
        "dataset",
        "models",
        "simulate",
        "config",
        "completions",
    ] {
        let help = workspace.run(&[command, "--help"]).ends(0);
        assert!(help.out.contains("Example") && help.out.contains(&format!("  lockstep {command}")), "{}", help.out);
        assert_eq!(help.err, "");
    }
    workspace.run(&[]).ends(2).prints_nothing().says(&["Usage", "lockstep demo"]);
    workspace.run(&["detct"]).ends(2).prints_nothing().says(&["unrecognized subcommand", "'detect'"]);
    workspace.run(&["detect"]).ends(2).says(&["<FILES>"]);
    workspace.run(&["detect", "x", "--memory", "0"]).ends(2).says(&["--memory"]);
    workspace.run(&["detect", "x", "--dialect", "mastadon"]).ends(2).says(&["mastadon", "mastodon"]);
    workspace.run(&["completions", "bsh"]).ends(2).says(&["bash"]);
    assert!(workspace.run(&["completions", "bash"]).ends(0).out.contains("lockstep"));
}

#[test]
fn data_goes_to_standard_output_and_words_to_standard_error() {
    let workspace = Workspace::new();
    workspace.write("posts.jsonl", posts());
    let run = workspace.run(&["detect", "posts.jsonl", "--out", "out"]).ends(0).prints_nothing();
    run.says(&["160 posts of 43 accounts", "candidate group", "results: out/report.html"]);
    let run = workspace.run(&["detect", "posts.jsonl", "--out", "out", "--json"]).ends(0);
    assert_eq!(run.err, "");
    let summary: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!((&summary["posts"], &summary["accounts"]), (&160.into(), &43.into()));
    let shown: Value = serde_json::from_str(&workspace.read("out/summary.json")).unwrap();
    assert_eq!(summary, shown);
    assert!(workspace.read("out/report.html").contains("posts.jsonl"));
    check_contract(&workspace, "out");
    // An earlier run's files are not left beside the new ones.
    workspace
        .run(&["detect", "posts.jsonl", "--out", "out", "--no-report"])
        .ends(0)
        .says(&["results: out/clusters.jsonl"]);
    assert!(!workspace.path("out/report.html").exists());
    workspace.run(&["detect", "posts.jsonl", "--out", "out", "--report"]).ends(0);
    assert!(workspace.path("out/report.html").exists());
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let workspace = Workspace::new();
    workspace.write("posts.jsonl", posts());
    for arguments in [
        &["detect", "posts.jsonl", "--json"][..],
        &["completions", "bash"],
        &["config", "show"],
        &["simulate", "--world", "demo"],
        &["simulate", "--list"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = workspace.command(arguments).stdin(Stdio::null()).stdout(writer).output().unwrap();
        let run = Run::of(output).ends(0);
        assert!(!run.err.contains("error") && !run.err.contains("panic"), "{arguments:?}: {}", run.err);
    }
}

#[test]
fn the_same_posts_in_any_form_and_order_give_the_same_results() {
    let workspace = Workspace::new();
    let world = workspace.run(&["simulate", "--world", "demo", "--seed", "1"]).ends(0).out;
    workspace.write("posts.jsonl", &world);
    workspace.run(&["detect", "posts.jsonl", "--out", "once"]).ends(0);
    assert!(check_contract(&workspace, "once") > 0, "nothing is found in the demo world");
    assert!(workspace.read("once/ties.csv").lines().count() > 100, "hardly a tie in the demo world");
    workspace.run(&["detect", "posts.jsonl", "--out", "twice", "--memory", "1"]).ends(0);
    assert!(results(&workspace, "once") == results(&workspace, "twice"), "a second run differs");
    let mixed = shuffled(&world);
    assert!(mixed != world && mixed.len() == world.len());
    // Byte order mark, Windows line ends and another order at once; compressed, in two files, through a pipe.
    workspace.write("windows.jsonl", format!("\u{feff}{}", mixed.replace('\n', "\r\n")));
    workspace.run(&["detect", "windows.jsonl", "--out", "windows"]).ends(0);
    assert!(results(&workspace, "once") == results(&workspace, "windows"), "line ends or order matter");
    let (half, rest) = mixed.split_at(mixed[..mixed.len() / 2].rfind('\n').unwrap() + 1);
    workspace.write("half.jsonl.zst", zstd::encode_all(half.as_bytes(), 1).unwrap());
    let run = workspace.run_with_stdin(&["detect", "half.jsonl.zst", "-", "--out", "parts"], rest.as_bytes()).ends(0);
    run.says(&["25,838 posts"]);
    assert!(results(&workspace, "once") == results(&workspace, "parts"), "parts matter");
}

#[test]
fn a_file_that_is_no_posts_says_which_and_why() {
    let workspace = Workspace::new();
    workspace.write("empty.jsonl", "");
    workspace.write("picture.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR");
    workspace.write("table.csv", "a,b\n1,2\n");
    workspace.write("pairs.csv", "id,account_id,created_at\n");
    workspace.write("wrong.jsonl", "{\"foo\":1}\n");
    workspace.write("blank.jsonl", "\n\n");
    workspace.write("cut.parquet", b"PAR1 and nothing that would be a footer");
    fs::create_dir(workspace.path("folder")).unwrap();
    for (file, words) in [
        ("missing.jsonl", "cannot open missing.jsonl: No such file"),
        ("empty.jsonl", "empty.jsonl is empty: expected posts as NDJSON, CSV, Excel or Parquet"),
        ("-", "standard input is empty"),
        ("picture.png", "picture.png is a binary file of an unknown kind"),
        ("folder", "folder is a folder: name the files in it"),
        ("table.csv", "column `id`: is required, but the header has no such column"),
        ("pairs.csv", "--platform"),
        (
            "wrong.jsonl",
            "see out/rejected.jsonl for the reasons; for a table, --show-mapping shows how its columns are read; for posts in the format of a \
             platform, give the format with --dialect",
        ),
        ("cut.parquet", "no post could be read: cut.parquet breaks off"),
        ("blank.jsonl", "only blank lines or a header"),
    ] {
        workspace.run(&["detect", file, "--out", "out"]).ends(1).prints_nothing().says(&["error: ", words]);
        assert!(!workspace.path("out/clusters.jsonl").exists(), "{file} gave results");
    }
}

#[test]
fn bad_lines_are_kept_with_their_reasons_and_the_rest_is_read() {
    let workspace = Workspace::new();
    let bad = "not json\n{\"id\":1,\"platform\":\"x\",\"account_id\":\"a\",\"account_name\":\"a\",\"created_at\":\"yesterday\"}\n";
    workspace.write("posts.jsonl", format!("{}{bad}{}", posts(), "{}\n".repeat(8)));
    workspace.run(&["detect", "posts.jsonl", "--out", "out"]).ends(0).says(&[
        "warning: posts.jsonl:161: is not a JSON object, near \"not json\"",
        "warning: posts.jsonl:162: `created_at`: is not a time: expected RFC 3339",
        "warning: 10 lines could not be read, see out/rejected.jsonl",
        "160 posts",
    ]);
    let rejected = lines(&workspace.read("out/rejected.jsonl"));
    assert_eq!(rejected.len(), 10);
    assert_eq!((&rejected[1]["line"], &rejected[1]["field"]), (&162.into(), &"created_at".into()));
    // A file that breaks off gives what was before the break, and is an error all the same.
    let whole = zstd::encode_all(posts().as_bytes(), 1).unwrap();
    workspace.write("cut.jsonl.zst", &whole[..whole.len() - 20]);
    workspace.write("good.jsonl", posts());
    let run = workspace.run(&["detect", "cut.jsonl.zst", "good.jsonl", "--out", "out"]).ends(1);
    run.says(&["cut.jsonl.zst breaks off in line", "the results cover the rest"]);
    // What an earlier run rejected is gone.
    workspace.run(&["detect", "good.jsonl", "--out", "out"]).ends(0);
    assert!(!workspace.path("out/rejected.jsonl").exists());
}

#[test]
fn results_that_cannot_be_written_are_told_before_the_work() {
    let workspace = Workspace::new();
    workspace.write("posts.jsonl", posts());
    let run = workspace.run(&["detect", "posts.jsonl", "--out", "posts.jsonl"]).ends(1);
    run.says(&["--out posts.jsonl is a file: give a folder"]);
    workspace
        .run(&["detect", "posts.jsonl", "--out", "posts.jsonl/x"])
        .ends(1)
        .says(&["cannot create the folder posts.jsonl/x"]);
    if Path::new("/dev/full").exists() {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = workspace.command(&["detect", "posts.jsonl", "--json"]).stdout(full).output().unwrap();
        Run::of(output).ends(1).says(&["cannot write to standard output"]);
    }
}

#[test]
fn the_arithmetic_of_a_cluster_is_printed_and_checked() {
    let workspace = Workspace::new();
    let world = workspace.run(&["simulate", "--world", "demo", "--seed", "1", "--out", "world"]).ends(0);
    world.prints_nothing();
    workspace.run(&["detect", "world/posts.jsonl.zst", "--no-report"]).ends(0);
    let written = workspace.read("lockstep-out/clusters.jsonl");
    let clusters = lines(&written);
    assert!(clusters.len() > 3, "{}", clusters.len());
    let id = |cluster: &Value| cluster["cluster_id"].as_str().unwrap().to_owned();
    for cluster in &clusters {
        let run = workspace.run(&["explain", &id(cluster)]).ends(0);
        assert!(
            run.out.contains("Every number that can be recomputed from this line equals the recorded one."),
            "{}",
            run.out
        );
        assert_eq!(run.err, "");
    }
    let first = id(&clusters[0]);
    let account = clusters[0]["accounts"][0]["account_id"].as_str().unwrap();
    let run = workspace
        .run_with_stdin(&["explain", &first[..9], "--from", "-", "--json", "--account", account], written.as_bytes());
    let json: Value = serde_json::from_str(&run.ends(0).out).unwrap();
    assert_eq!((&json["cluster_id"], json["members"].as_array().unwrap().len()), (&first.clone().into(), 1));
    near(json["log_e"]["recomputed"].as_f64().unwrap(), clusters[0]["log_e"].as_f64().unwrap());
    assert_eq!(json["members"][0]["outcomes"], clusters[0]["accounts"][0]["outcomes"]);

    let mut tampered = clusters[0].clone();
    tampered["evidence"][0]["nats"] = (tampered["evidence"][0]["nats"].as_f64().unwrap() + 1.0).into();
    workspace.write("tampered.jsonl", format!("{tampered}\n"));
    let run = workspace.run(&["explain", &first, "--from", "tampered.jsonl"]).ends(1);
    assert!(run.out.contains("NOT AS RECORDED"), "{}", run.out);
    run.says(&["not as recorded: key 1 ("]);
    tampered["windows"] = Value::Array(Vec::new());
    workspace.write("older.jsonl", format!("{tampered}\n"));
    workspace
        .run(&["explain", &first, "--from", "older.jsonl"])
        .ends(1)
        .prints_nothing()
        .says(&["older version", "detect` again"]);

    // Only some of them are listed, in order.
    let ids = clusters.iter().filter_map(|cluster| cluster["cluster_id"].as_str());
    let least = ids.filter(|id| id.starts_with("c-")).min().unwrap();
    workspace.run(&["explain", "c-", "--from", "lockstep-out"]).ends(1).says(&[
        "clusters.jsonl has",
        "begin with \"c-\"",
        least,
    ]);
    workspace.run(&["explain", "x"]).ends(1).says(&["has no cluster \"x\": it has"]);
    workspace.run(&["explain", "x", "--from", "nowhere"]).ends(1).says(&["cannot open nowhere", "--from"]);
    workspace.run(&["explain", &first, "--account", "nobody"]).ends(1).says(&["has no account \"nobody\""]);
    workspace.run(&["explain"]).ends(2).says(&["<CLUSTER>"]);
}

#[test]
fn ingest_says_at_once_that_nobody_takes_the_posts() {
    let workspace = Workspace::new();
    workspace.write("posts.jsonl", posts());
    workspace.run(&["ingest", "posts.jsonl"]).ends(2).says(&["--brokers", "--to"]);
    for url in ["127.0.0.1:8081", "nonsense", "http://", "ftp://a"] {
        workspace
            .run(&["ingest", "posts.jsonl", "--to", url])
            .ends(2)
            .says(&["is not the URL of an intake", "http://127.0.0.1:8081"]);
    }
    // Port 1 is nobody's.
    let run = workspace.run(&["ingest", "posts.jsonl", "--to", "http://127.0.0.1:1"]).ends(1);
    run.says(&["http://127.0.0.1:1/v1/posts does not accept the posts", "lockstep serve"]);
}

#[test]
#[ignore = "needs the real posts: a folder of them in LOCKSTEP_TEST_POSTS"]
fn real_posts_keep_the_contract() {
    let data = std::env::var_os("LOCKSTEP_TEST_POSTS").expect("the folder in LOCKSTEP_TEST_POSTS");
    let file = Path::new(&data).join("ira_episodes.jsonl.gz");
    let workspace = Workspace::new();
    let file = file.to_str().unwrap();
    workspace.run(&["detect", file, "--out", "once"]).ends(0);
    workspace.run(&["detect", file, "--out", "twice", "--memory", "1"]).ends(0);
    check_contract(&workspace, "once");
    assert!(results(&workspace, "once") == results(&workspace, "twice"), "a second run differs");
}
