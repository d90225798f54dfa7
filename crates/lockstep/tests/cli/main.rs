//! The command line as people and scripts meet it: what is written where, in which words, with which exit code.

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

mod models;
mod open;
mod real;
mod settings;
mod tables;
mod told;
mod vignette;

/// A folder of a test's own, in which the program runs.
struct Desk {
    folder: tempfile::TempDir,
}

/// What came of a run.
struct Run {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Desk {
    fn new() -> Desk {
        Desk { folder: tempfile::tempdir().unwrap() }
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
fn results(desk: &Desk, out: &str) -> [String; 7] {
    let files = [
        "clusters.jsonl",
        "near_misses.jsonl",
        "ties.csv",
        "accounts.csv",
        "objects.csv",
        "network.graphml",
        "network.gexf",
    ];
    files.map(|file| desk.read(&format!("{out}/{file}")))
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
fn check_contract(desk: &Desk, out: &str) -> usize {
    let [clusters, _, ties, accounts, ..] = results(desk, out);
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
    let desk = Desk::new();
    for command in [
        "demo",
        "detect",
        "explain",
        "ingest",
        "serve",
        "partners",
        "policy",
        "users",
        "train",
        "dataset",
        "models",
        "simulate",
        "config",
        "completions",
    ] {
        let help = desk.run(&[command, "--help"]).ends(0);
        assert!(help.out.contains("Example") && help.out.contains(&format!("  lockstep {command}")), "{}", help.out);
        assert_eq!(help.err, "");
    }
    desk.run(&[]).ends(2).prints_nothing().says(&["Usage", "lockstep demo"]);
    desk.run(&["detct"]).ends(2).prints_nothing().says(&["unrecognized subcommand", "'detect'"]);
    desk.run(&["detect"]).ends(2).says(&["<FILES>"]);
    desk.run(&["detect", "x", "--memory", "0"]).ends(2).says(&["--memory"]);
    desk.run(&["detect", "x", "--dialect", "mastadon"]).ends(2).says(&["mastadon", "mastodon"]);
    desk.run(&["completions", "bsh"]).ends(2).says(&["bash"]);
    assert!(desk.run(&["completions", "bash"]).ends(0).out.contains("lockstep"));
}

#[test]
fn data_goes_to_standard_output_and_words_to_standard_error() {
    let desk = Desk::new();
    desk.write("posts.jsonl", posts());
    let run = desk.run(&["detect", "posts.jsonl", "--out", "out"]).ends(0).prints_nothing();
    run.says(&["160 posts of 43 accounts", "candidate group", "results: out/report.html"]);
    let run = desk.run(&["detect", "posts.jsonl", "--out", "out", "--json"]).ends(0);
    assert_eq!(run.err, "");
    let summary: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!((&summary["posts"], &summary["accounts"]), (&160.into(), &43.into()));
    let shown: Value = serde_json::from_str(&desk.read("out/summary.json")).unwrap();
    assert_eq!(summary, shown);
    assert!(desk.read("out/report.html").contains("posts.jsonl"));
    check_contract(&desk, "out");
    // An earlier run's files are not left beside the new ones.
    desk.run(&["detect", "posts.jsonl", "--out", "out", "--no-report"]).ends(0).says(&["results: out/clusters.jsonl"]);
    assert!(!desk.path("out/report.html").exists());
    desk.run(&["detect", "posts.jsonl", "--out", "out", "--report"]).ends(0);
    assert!(desk.path("out/report.html").exists());
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let desk = Desk::new();
    desk.write("posts.jsonl", posts());
    for arguments in [
        &["detect", "posts.jsonl", "--json"][..],
        &["completions", "bash"],
        &["config", "show"],
        &["simulate", "--world", "demo"],
        &["simulate", "--list"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = desk.command(arguments).stdin(Stdio::null()).stdout(writer).output().unwrap();
        let run = Run::of(output).ends(0);
        assert!(!run.err.contains("error") && !run.err.contains("panic"), "{arguments:?}: {}", run.err);
    }
}

#[test]
fn the_same_posts_in_any_form_and_order_give_the_same_results() {
    let desk = Desk::new();
    let world = desk.run(&["simulate", "--world", "demo", "--seed", "1"]).ends(0).out;
    desk.write("posts.jsonl", &world);
    desk.run(&["detect", "posts.jsonl", "--out", "once"]).ends(0);
    assert!(check_contract(&desk, "once") > 0, "nothing is found in the demo world");
    assert!(desk.read("once/ties.csv").lines().count() > 100, "hardly a tie in the demo world");
    desk.run(&["detect", "posts.jsonl", "--out", "twice", "--memory", "1"]).ends(0);
    assert!(results(&desk, "once") == results(&desk, "twice"), "a second run differs");
    let mixed = shuffled(&world);
    assert!(mixed != world && mixed.len() == world.len());
    // Byte order mark, Windows line ends and another order at once; compressed, in two files, through a pipe.
    desk.write("windows.jsonl", format!("\u{feff}{}", mixed.replace('\n', "\r\n")));
    desk.run(&["detect", "windows.jsonl", "--out", "windows"]).ends(0);
    assert!(results(&desk, "once") == results(&desk, "windows"), "line ends or order matter");
    let (half, rest) = mixed.split_at(mixed[..mixed.len() / 2].rfind('\n').unwrap() + 1);
    desk.write("half.jsonl.zst", zstd::encode_all(half.as_bytes(), 1).unwrap());
    let run = desk.run_with_stdin(&["detect", "half.jsonl.zst", "-", "--out", "parts"], rest.as_bytes()).ends(0);
    run.says(&["25,838 posts"]);
    assert!(results(&desk, "once") == results(&desk, "parts"), "parts matter");
}

#[test]
fn a_file_that_is_no_posts_says_which_and_why() {
    let desk = Desk::new();
    desk.write("empty.jsonl", "");
    desk.write("picture.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR");
    desk.write("table.csv", "a,b\n1,2\n");
    desk.write("pairs.csv", "id,account_id,created_at\n");
    desk.write("wrong.jsonl", "{\"foo\":1}\n");
    desk.write("blank.jsonl", "\n\n");
    desk.write("cut.parquet", b"PAR1 and nothing that would be a footer");
    fs::create_dir(desk.path("folder")).unwrap();
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
            "see out/rejected.jsonl for the reasons; of a table, --show-mapping shows what its columns are taken for; if the posts are written as \
             a platform gives them, name it with --dialect",
        ),
        ("cut.parquet", "no post could be read: cut.parquet breaks off"),
        ("blank.jsonl", "only blank lines or a header"),
    ] {
        desk.run(&["detect", file, "--out", "out"]).ends(1).prints_nothing().says(&["error: ", words]);
        assert!(!desk.path("out/clusters.jsonl").exists(), "{file} gave results");
    }
}

#[test]
fn bad_lines_are_kept_with_their_reasons_and_the_rest_is_read() {
    let desk = Desk::new();
    let bad = "not json\n{\"id\":1,\"platform\":\"x\",\"account_id\":\"a\",\"account_name\":\"a\",\"created_at\":\"yesterday\"}\n";
    desk.write("posts.jsonl", format!("{}{bad}{}", posts(), "{}\n".repeat(8)));
    desk.run(&["detect", "posts.jsonl", "--out", "out"]).ends(0).says(&[
        "warning: posts.jsonl:161: is not a JSON object, near \"not json\"",
        "warning: posts.jsonl:162: `created_at`: is not a time: expected RFC 3339",
        "warning: 10 lines could not be read, see out/rejected.jsonl",
        "160 posts",
    ]);
    let rejected = lines(&desk.read("out/rejected.jsonl"));
    assert_eq!(rejected.len(), 10);
    assert_eq!((&rejected[1]["line"], &rejected[1]["field"]), (&162.into(), &"created_at".into()));
    // A file that breaks off gives what was before the break, and is an error all the same.
    let whole = zstd::encode_all(posts().as_bytes(), 1).unwrap();
    desk.write("cut.jsonl.zst", &whole[..whole.len() - 20]);
    desk.write("good.jsonl", posts());
    let run = desk.run(&["detect", "cut.jsonl.zst", "good.jsonl", "--out", "out"]).ends(1);
    run.says(&["cut.jsonl.zst breaks off in line", "the results cover the rest"]);
    // What an earlier run rejected is gone.
    desk.run(&["detect", "good.jsonl", "--out", "out"]).ends(0);
    assert!(!desk.path("out/rejected.jsonl").exists());
}

#[test]
fn results_that_cannot_be_written_are_told_before_the_work() {
    let desk = Desk::new();
    desk.write("posts.jsonl", posts());
    let run = desk.run(&["detect", "posts.jsonl", "--out", "posts.jsonl"]).ends(1);
    run.says(&["--out posts.jsonl is a file: give a folder"]);
    desk.run(&["detect", "posts.jsonl", "--out", "posts.jsonl/x"])
        .ends(1)
        .says(&["cannot create the folder posts.jsonl/x"]);
    if Path::new("/dev/full").exists() {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = desk.command(&["detect", "posts.jsonl", "--json"]).stdout(full).output().unwrap();
        Run::of(output).ends(1).says(&["cannot write to standard output"]);
    }
}

#[test]
fn the_arithmetic_of_a_cluster_is_printed_and_checked() {
    let desk = Desk::new();
    let world = desk.run(&["simulate", "--world", "demo", "--seed", "1", "--out", "world"]).ends(0);
    world.prints_nothing();
    desk.run(&["detect", "world/posts.jsonl.zst", "--no-report"]).ends(0);
    let written = desk.read("lockstep-out/clusters.jsonl");
    let clusters = lines(&written);
    assert!(clusters.len() > 3, "{}", clusters.len());
    let id = |cluster: &Value| cluster["cluster_id"].as_str().unwrap().to_owned();
    for cluster in &clusters {
        let run = desk.run(&["explain", &id(cluster)]).ends(0);
        assert!(
            run.out.contains("Every number that can be worked out from this line is the one recorded."),
            "{}",
            run.out
        );
        assert_eq!(run.err, "");
    }
    let first = id(&clusters[0]);
    let account = clusters[0]["accounts"][0]["account_id"].as_str().unwrap();
    let run = desk
        .run_with_stdin(&["explain", &first[..9], "--from", "-", "--json", "--account", account], written.as_bytes());
    let json: Value = serde_json::from_str(&run.ends(0).out).unwrap();
    assert_eq!((&json["cluster_id"], json["members"].as_array().unwrap().len()), (&first.clone().into(), 1));
    near(json["log_e"]["recomputed"].as_f64().unwrap(), clusters[0]["log_e"].as_f64().unwrap());
    assert_eq!(json["members"][0]["outcomes"], clusters[0]["accounts"][0]["outcomes"]);

    let mut tampered = clusters[0].clone();
    tampered["evidence"][0]["nats"] = (tampered["evidence"][0]["nats"].as_f64().unwrap() + 1.0).into();
    desk.write("tampered.jsonl", format!("{tampered}\n"));
    let run = desk.run(&["explain", &first, "--from", "tampered.jsonl"]).ends(1);
    assert!(run.out.contains("NOT AS RECORDED"), "{}", run.out);
    run.says(&["not as recorded: key 1 ("]);
    tampered["windows"] = Value::Array(Vec::new());
    desk.write("older.jsonl", format!("{tampered}\n"));
    desk.run(&["explain", &first, "--from", "older.jsonl"])
        .ends(1)
        .prints_nothing()
        .says(&["older version", "detect` again"]);

    // Only some of them are listed, in order.
    let ids = clusters.iter().filter_map(|cluster| cluster["cluster_id"].as_str());
    let least = ids.filter(|id| id.starts_with("c-")).min().unwrap();
    desk.run(&["explain", "c-", "--from", "lockstep-out"]).ends(1).says(&[
        "clusters.jsonl has",
        "begin with \"c-\"",
        least,
    ]);
    desk.run(&["explain", "x"]).ends(1).says(&["has no cluster \"x\": there is"]);
    desk.run(&["explain", "x", "--from", "nowhere"]).ends(1).says(&["cannot open nowhere", "--from"]);
    desk.run(&["explain", &first, "--account", "nobody"]).ends(1).says(&["has no account \"nobody\""]);
    desk.run(&["explain"]).ends(2).says(&["<CLUSTER>"]);
}

#[test]
fn the_policy_explains_a_case_by_either_id() {
    let desk = Desk::new();
    desk.run(&["policy", "explain", "x"]).ends(1).prints_nothing().says(&["no sharing database", "--config"]);
    let free = "127.0.0.1:0";
    let demo = ["demo", "--once", "--data", "d", "--listen", free, "--admin", free, "--intake", free];
    desk.run(&demo).ends(0);
    desk.write("c.toml", "[sharing]\ndatabase = \"d/sharing.sqlite\"\nrecipients = \"d/sharing.toml\"\n");
    desk.run(&["config", "check", "--config", "c.toml"]).ends(0);
    let explain =
        |case: &str, more: &[&str]| desk.run(&[&["policy", "explain", case, "--config", "c.toml"], more].concat());
    let unknown = explain("nobody", &[]).ends(1).prints_nothing();
    let unknown = unknown.says(&["there is no case \"nobody\"", "the newest about c-"]);
    let cluster = unknown.err.split("about ").nth(1).unwrap().split(',').next().unwrap().trim().to_owned();
    explain("c-", &[]).ends(1).prints_nothing().says(&["cases begin with \"c-\"", "give more of the id"]);

    let run = explain(&cluster, &[]).ends(0);
    for said in
        ["Recipients", "-trust-and-safety (platform): told", "demo-public (public): not told", "Who must approve"]
    {
        assert!(run.out.contains(said), "{}", run.out);
    }
    let json: Value = serde_json::from_str(&explain(&cluster, &["--json"]).ends(0).out).unwrap();
    let case = json["case_id"].as_str().unwrap();
    assert_eq!(explain(case, &[]).ends(0).out, run.out);
    assert_eq!(explain(&case[..18], &[]).ends(0).out, run.out);
}

#[test]
fn documents_are_what_the_policy_lets_a_recipient_have() {
    let desk = Desk::new();
    let free = "127.0.0.1:0";
    let demo = ["demo", "--once", "--data", "d", "--listen", free, "--admin", free, "--intake", free];
    desk.run(&demo).ends(0);
    let sharing = "[sharing]\ndatabase = \"d/sharing.sqlite\"\nrecipients = \"d/sharing.toml\"\n";
    desk.write("c.toml", sharing);
    let documents = |case: &str, to: &str, more: &[&str]| {
        desk.run(&[&["documents", case, "--recipient", to, "--out", "letters", "--config", "c.toml"], more].concat())
    };
    let unknown = documents("nobody", "demo-public", &[]).ends(1).prints_nothing();
    let case = unknown.err.split("about ").nth(1).unwrap().split(',').next().unwrap().trim().to_owned();
    documents(&case, "nobody", &[]).ends(1).says(&["there is no recipient \"nobody\"", "demo-public"]);
    documents(&case, "demo-public", &[]).ends(1).says(&["demo-public is not told", "policy explain"]);
    let recipients = desk.read("d/sharing.toml");
    // Of the demo's platforms, one that the case concerns.
    let policy = desk.run(&["policy", "explain", &case, "--config", "c.toml"]).ends(0).out;
    let told =
        policy.lines().find_map(|line| line.split(" (platform): told").next().filter(|name| name.len() < line.len()));
    let platform = told.unwrap().trim();
    documents(&case, platform, &[]).ends(1).says(&["gets platform feed", "classes.platform.products"]);

    let products = "[classes.platform]\nproducts = [\"platform_feed\", \"notification_letter\"]\n";
    desk.write("d/sharing.toml", format!("{recipients}\n{products}"));
    documents(&case, platform, &[]).ends(1).says(&["sharing.contact is empty"]);
    desk.write("c.toml", format!("{sharing}contact = \"desk@clearing.example\"\n"));
    documents(&case, platform, &["--product", "briefing"])
        .ends(1)
        .says(&["gets platform feed and notification letter"]);
    let sums = documents(&case, platform, &["--product", "letter"]).ends(0).out;
    assert_eq!(documents(&case, platform, &[]).ends(0).out, sums);
    let files: Vec<&str> = sums.lines().map(|line| line.split_once("  ").unwrap().1).collect();
    assert_eq!(files.len(), 2);
    let html = desk.read(files[0]);
    assert!(html.contains("voluntary") && html.contains("no person looked"), "{html}");
    let json: Value = serde_json::from_str(&documents(&case, platform, &["--json"]).ends(0).out).unwrap();
    assert!(sums.contains(json[0]["pdf"]["sha256"].as_str().unwrap()), "{sums}");
    assert_eq!(json[0]["draft"], false);
}

#[test]
fn partners_get_keys_that_are_shown_once_and_users_a_file_of_their_own() {
    let desk = Desk::new();
    desk.write(
        "c.toml",
        "[sharing]\ndatabase = \"s.sqlite\"\n[[sharing.partners]]\nname = \"birds\"\nplatform = \"twitter\"\n\
         [sharing.login]\nusers = \"config/users.toml\"\n",
    );
    let run = |arguments: &[&str]| desk.run(&[arguments, &["--config", "c.toml"]].concat());
    run(&["partners", "add", "blue"]).ends(1).prints_nothing().says(&["no partner \"blue\"", "sharing.partners"]);
    assert!(run(&["partners", "list"]).ends(0).out.contains("no key: lockstep partners add birds"));
    let first = run(&["partners", "add", "birds"]).ends(0).out.trim().to_owned();
    assert!(first.starts_with("lockstep_"));
    run(&["partners", "add", "birds"]).ends(1).prints_nothing().says(&["partners rotate birds"]);
    let second = run(&["partners", "rotate", "birds", "--overlap", "2d", "--expires", "never"]).ends(0);
    let second = second.says(&["the other keys of birds end "]).out.trim().to_owned();
    run(&["partners", "rotate", "birds", "--overlap", "soon"]).ends(2).says(&["7d"]);
    let list = run(&["partners", "list"]).ends(0).out;
    assert!(list.contains("valid until") && list.contains("without an end") && list.contains("never used"), "{list}");
    run(&["partners", "revoke", &first]).ends(0).says(&["is no longer valid"]);
    run(&["partners", "revoke", &first]).ends(1).says(&["partners list"]);
    let json = run(&["partners", "list", "--json"]).ends(0).out;
    assert_eq!(json.lines().count(), 2);
    for secret in [&first, &second] {
        let secret = secret.rsplit('_').next().unwrap();
        assert!(!list.contains(secret) && !json.contains(secret));
    }

    let typed = |arguments: &[&str], password: &str| {
        desk.write("password", format!("{password}\n"));
        let mut command = desk.command(&[arguments, &["--config", "c.toml"]].concat());
        Run::of(command.stdin(fs::File::open(desk.path("password")).unwrap()).output().unwrap())
    };
    run(&["config", "check"]).ends(0).says(&["warning: nobody is in config/users.toml"]);
    typed(&["users", "add", "ann", "--role", "reviewer"], "short").ends(1).says(&["12 characters"]);
    typed(&["users", "add", "ann", "--role", "reader"], "correct horse battery")
        .ends(2)
        .says(&["reviewer, approver and admin"]);
    typed(&["users", "add", "ann", "--role", "reviewer"], "correct horse battery").ends(0).prints_nothing();
    typed(&["users", "add", "ann", "--role", "reviewer"], "correct horse battery")
        .ends(1)
        .says(&["users password ann"]);
    typed(&["users", "add", "ann b", "--role", "reviewer"], "correct horse battery")
        .ends(1)
        .says(&["cannot be a user's name"]);
    typed(&["users", "add", "bob", "--role", "reviewer", "--role", "approver"], "another good password").ends(0);
    assert_eq!(run(&["users", "list"]).ends(0).out, "ann  reviewer\nbob  reviewer, approver\n");
    let file = desk.read("config/users.toml");
    assert!(file.contains("$argon2id$") && !file.contains("battery"), "{file}");
    let run_check = run(&["config", "check"]).ends(0);
    assert!(!run_check.err.contains("warning"), "{}", run_check.err);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let path = desk.path("config/users.toml");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        run(&["config", "check"])
            .ends(0)
            .says(&["warning: config/users.toml (sharing.login.users) is open to every user"]);
    }
    typed(&["users", "password", "ann"], "yet another password").ends(0);
    assert_ne!(desk.read("config/users.toml"), file);
    typed(&["users", "password", "eve"], "yet another password").ends(1).says(&["no user \"eve\""]);
    run(&["users", "roles", "bob", "--role", "admin"]).ends(0);
    run(&["users", "remove", "ann"]).ends(0);
    assert_eq!(run(&["users", "list"]).ends(0).out, "bob  admin\n");
    desk.run(&["users", "list"]).ends(1).says(&["[sharing.login]", "--config"]);
}

#[test]
fn models_and_worlds_that_are_not_there_name_those_that_are() {
    let desk = Desk::new();
    desk.run(&["models", "list"]).ends(1).says(&["no model registry in models", "--models"]);
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models");
    assert!(desk.run(&["models", "--models", models, "list"]).ends(0).out.contains("in service"));
    let list = desk.run(&["models", "--models", models, "list", "--json"]).ends(0).out;
    let list: Value = serde_json::from_str(&list).unwrap();
    let in_service = list.as_array().unwrap().iter().filter(|model| model["active"] == true);
    assert_eq!(in_service.map(|model| model["name"].as_str().unwrap()).collect::<Vec<_>>(), ["account", "cluster"]);
    desk.run(&["models", "--models", models, "show", "cluster", "none"]).ends(1).says(&["cluster none", "there are: "]);
    desk.run(&["models", "--models", models, "promote", "../x", "1"]).ends(1).says(&["cannot be a model's name"]);
    let version = list.as_array().unwrap().iter().find(|model| model["name"] == "cluster").unwrap()["version"].as_str();
    let card = desk.run(&["models", "--models", models, "show", "cluster", version.unwrap(), "--card"]).ends(0).out;
    assert!(card.starts_with("# Model card: cluster"), "{card}");
    assert!(desk.run(&["simulate", "--list"]).ends(0).out.lines().any(|world| world == "demo"));
    desk.run(&["simulate"]).ends(2).says(&["--world"]);
    desk.run(&["simulate", "--world", "dmeo"]).ends(1).says(&["did you mean `demo`?"]);
    desk.run(&["simulate", "--world", "no.toml"]).ends(1).says(&["cannot read the world no.toml"]);
}

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
    let desk = Desk::new();
    desk.write("pages.jsonl", pages());
    desk.run(&["detect", "pages.jsonl", "--out", "out"]).ends(0).prints_nothing().says(&[
        "pages.jsonl: taken for posts of the X (Twitter) API (--dialect x)",
        "pages.jsonl:1: `data[1].author_id`: is required, but missing or null",
        "warning: `lang` cannot be read in 3 posts, which count without this field; the first: pages.jsonl:1:",
        "`author.public_metrics.followers_count`",
    ]);
    let summary: Value = serde_json::from_str(&desk.read("out/summary.json")).unwrap();
    let counts = ["posts", "rejected_lines", "duplicates", "passed_over"].map(|name| summary[name].as_u64().unwrap());
    assert_eq!(counts, [3, 3, 0, 1], "every record counts once");
    assert_eq!(summary["unreadable_fields"]["lang"], 3);
    assert_eq!(lines(&desk.read("out/rejected.jsonl"))[2]["raw"], "{\"id\":\"x2\",\"text\":\"no author\"}");
    let old = "{\"id\":1,\"type\":\"personal_chat\",\"messages\":[{\"id\":2,\"date\":\"2020-08-10T20:54:05\",\"from_id\":\"user1\",\"text\":\"x\"}]}";
    desk.write("result.json", old);
    desk.run(&["detect", "result.json", "--out", "out"]).ends(0).says(&["were read as UTC", "--timezone"]);
    desk.run(&["detect", "result.json", "--timezone", "Nowhere", "--out", "out"]).ends(2).says(&["Europe/Berlin"]);
    let told = desk.run(&["detect", "result.json", "--timezone", "Europe/Moscow", "--json", "--out", "out"]).ends(0);
    assert_eq!(serde_json::from_str::<Value>(&told.out).unwrap()["first_post"], "2020-08-10T17:54:05Z");
}

#[test]
fn ingest_says_at_once_that_nobody_takes_the_posts() {
    let desk = Desk::new();
    desk.write("posts.jsonl", posts());
    desk.run(&["ingest", "posts.jsonl"]).ends(2).says(&["--brokers", "--to"]);
    for url in ["127.0.0.1:8081", "nonsense", "http://", "ftp://a"] {
        desk.run(&["ingest", "posts.jsonl", "--to", url])
            .ends(2)
            .says(&["is not the URL of an intake", "http://127.0.0.1:8081"]);
    }
    // Port 1 is nobody's.
    let run = desk.run(&["ingest", "posts.jsonl", "--to", "http://127.0.0.1:1"]).ends(1);
    run.says(&["http://127.0.0.1:1/v1/posts does not accept the posts", "lockstep serve"]);
}

const SHARES: &str = "object_id,account_id,content_id,timestamp_share\n\
    x,ann,1,0\nx,bob,2,5\ny,ann,3,100\ny,bob,4,101\nz,ann,5,200\nz,cat,6,209\n\"q,1\",cat,7,300\n";

#[test]
fn the_published_methods_write_their_ties() {
    let desk = Desk::new();
    desk.write("shares.csv", SHARES);
    // What an earlier run of another method left would be taken for a result of this one.
    fs::create_dir(desk.path("out")).unwrap();
    desk.write("out/clusters.jsonl", "{}");
    let run = desk.run(&["detect", "shares.csv", "--method", "coortweet", "--out", "out"]).ends(0);
    run.says(&["7 shares of 3 accounts", "2 ties, 1 above the threshold of 1.5 pairs", "out/ties.csv"]);
    assert_eq!(
        desk.read("out/ties.csv"),
        "account_a,account_b,kind,co_acts,distinct_keys,nats,median_lag_s,\
         weight,avg_time_delta,n_content_id,n_content_id_y,edge_symmetry_score,weight_threshold\n\
         ann,bob,object,2,2,,3,2,3,2,2,1,1\n\
         ann,cat,object,1,1,,9,1,9,1,1,1,0\n"
    );
    assert_eq!(
        desk.read("out/accounts.csv"),
        "platform,account_id,posts,log_e,probability,cluster_id,status,degree,strength,weight_max\n\
         unknown,ann,3,,,,,2,3,2\nunknown,bob,2,,,,,1,2,2\nunknown,cat,2,,,,,1,1,1\n"
    );
    assert!(!desk.path("out/clusters.jsonl").exists() && !desk.path("out/pairs.csv").exists());

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
    let run = desk.run(&fast).ends(0);
    let summary: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(summary, serde_json::from_str::<Value>(&desk.read("out/summary.json")).unwrap());
    assert_eq!((&summary["pairs"], &summary["fast_time_window"]), (&Value::from(3), &Value::from(1.0)));
    assert_eq!(
        desk.read("out/pairs.csv").lines().nth(2),
        Some("y,3,4,1,ann,bob,0"),
        "one fast pair is too little participation"
    );
    assert!(desk.read("out/ties.csv").contains("\"x,y\""));

    let run = desk
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
    assert_eq!(desk.read("out/ties.csv").lines().nth(2), Some("bob,ann,object,2,2,,3,2,"));
    assert!(!desk.path("out/pairs.csv").exists(), "of the run before");
}

#[test]
fn what_the_published_methods_do_not_have_is_wrong_usage() {
    let desk = Desk::new();
    desk.write("shares.csv", SHARES);
    desk.write(
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
        let run = desk.run(&[&["detect", file, "--out", "out"], arguments].concat()).ends(2);
        run.says(words);
        assert!(!desk.path("out/ties.csv").exists());
    }
    desk.run(&["detect", "posts.jsonl", "--method", "coortweet", "--trace", "repost", "--out", "out"])
        .ends(1)
        .says(&["none of the 1 post has a trace of repost", "--trace"]);
}

#[test]
#[ignore = "needs the real posts: a folder of them in LOCKSTEP_TEST_POSTS"]
fn real_posts_keep_the_contract() {
    let data = std::env::var_os("LOCKSTEP_TEST_POSTS").expect("the folder in LOCKSTEP_TEST_POSTS");
    let file = Path::new(&data).join("ira_episodes.jsonl.gz");
    let desk = Desk::new();
    let file = file.to_str().unwrap();
    desk.run(&["detect", file, "--out", "once"]).ends(0);
    desk.run(&["detect", file, "--out", "twice", "--memory", "1"]).ends(0);
    check_contract(&desk, "once");
    assert!(results(&desk, "once") == results(&desk, "twice"), "a second run differs");
}

#[test]
fn the_audit_log_is_checked_and_exported_and_an_edited_export_is_told() {
    let desk = Desk::new();
    desk.write(
        "c.toml",
        r#"sharing = { database = "s.sqlite", partners = [
            { name = "birds", platform = "twitter", webhook = "https://hooks.example.org/x" } ] }"#,
    );
    let run = desk.run(&["audit", "verify", "--config", "c.toml"]);
    run.ends(1).says(&["there is no such file"]);
    desk.run(&["partners", "key", "birds", "--config", "c.toml"]).ends(0);
    let secret = desk.run(&["partners", "webhook-secret", "birds", "--config", "c.toml"]);
    assert!(secret.out.starts_with("whsec_"), "{}", secret.out);
    desk.run(&["partners", "deliveries", "--state", "dead", "--config", "c.toml"]).ends(0);
    let run = desk.run(&["partners", "deliveries", "--state", "lost", "--config", "c.toml"]);
    run.ends(2).says(&["pending, delivered, disabled, dead, discarded"]);
    let run = desk.run(&["partners", "resend", "msg_1", "--config", "c.toml"]);
    run.ends(1).says(&["lockstep partners deliveries lists them"]);

    let run = desk.run(&["audit", "verify", "--json", "--config", "c.toml"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let said: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!((&said["unbroken"], &said["entries"]), (&Value::Bool(true), &Value::from(2)));
    let seal = said["seal"].as_str().unwrap();
    desk.run(&["audit", "export", "--out", "log.ndjson", "--config", "c.toml"]).ends(0);
    desk.run(&["audit", "verify", "--file", "log.ndjson", "--expect", seal]).ends(0);
    let whole = desk.read("log.ndjson");
    desk.write("log.ndjson", whole.replace("webhook", "webHook"));
    let run = desk.run(&["audit", "verify", "--file", "log.ndjson"]);
    run.ends(1).says(&["broken at entry 2"]);
    // Cut off the end, it is a shorter log in order; the seal that was kept tells.
    let cut: Vec<&str> = whole.lines().take(2).collect();
    desk.write("log.ndjson", cut.join("\n") + "\n");
    desk.run(&["audit", "verify", "--file", "log.ndjson"]).ends(0);
    let run = desk.run(&["audit", "verify", "--file", "log.ndjson", "--expect", seal]);
    run.ends(1).says(&["cut off at the end"]);
}
