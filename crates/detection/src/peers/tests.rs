//! Equality with the output of the published tools, and what the methods use of each layout and
//! trace.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use super::*;
use crate::input::Options;
use coordination::TraceKind;

const COORTWEET: Method = Method::CooRTweet {
    time_window: 10.0,
    min_participation: 2,
    edge_weight: 0.5,
    fast: None,
    subgraph: Subgraph::Whole,
    objects: true,
    pairs: true,
};

fn cooccurrence(time_window: f64) -> Method {
    Method::Cooccurrence { time_window, min_edge_weight: 1, similarity: 0.8, include_self_loops: false }
}

struct Results {
    dir: tempfile::TempDir,
    outcome: PeersRun,
}

fn run(file: PathBuf, method: &Method, trace: Option<Trace>) -> Result<Results, PeersError> {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { keep_duplicates: true, ..Options::default() };
    let input = Input::open(&[file], options).unwrap();
    let outcome = detect(input, method, trace, dir.path(), &mut |bad| panic!("{bad}"), &mut |_| {})?;
    Ok(Results { dir, outcome })
}

fn run_on(content: &str, method: &Method, trace: Option<Trace>) -> Result<Results, PeersError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), content).unwrap();
    run(file.path().to_owned(), method, trace)
}

/// A table's rows by column name.
fn rows(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.deserialize().map(Result::unwrap).collect()
}

impl Results {
    fn rows(&self, name: &str) -> Vec<BTreeMap<String, String>> {
        rows(&fs::read_to_string(self.dir.path().join(name)).unwrap())
    }

    /// Ties as `a>b weight`.
    fn ties(&self) -> Vec<String> {
        self.rows("ties.csv")
            .iter()
            .map(|t| format!("{}>{} {}", t["account_a"], t["account_b"], t["co_acts"]))
            .collect()
    }
}

/// The folder with the output of the tools: `parity` in the folder of real posts.
fn parity() -> PathBuf {
    PathBuf::from(std::env::var_os("LOCKSTEP_TEST_POSTS").expect("the folder in LOCKSTEP_TEST_POSTS")).join("parity")
}

fn printed(path: PathBuf) -> Vec<BTreeMap<String, String>> {
    let mut text = String::new();
    io::Read::read_to_string(&mut flate2::read::GzDecoder::new(fs::File::open(path).unwrap()), &mut text).unwrap();
    rows(&text)
}

/// Some cells of each row, sorted.
fn cells(rows: &[BTreeMap<String, String>], names: &[&str]) -> Vec<Vec<String>> {
    let mut cells: Vec<Vec<String>> =
        rows.iter().map(|row| names.iter().map(|name| row[*name].clone()).collect()).collect();
    cells.sort();
    cells
}

/// Undirected edges with all of CooRTweet's attributes. R's `fwrite` printed the mean, rounded to
/// 16 digits and then to 15.
fn edges(rows: &[BTreeMap<String, String>], from: &str, to: &str) -> Vec<Vec<String>> {
    let mut edges: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let (a, b) = (row[from].clone(), row[to].clone());
            let mut edge = vec![a.clone().min(b.clone()), a.max(b)];
            let names = ["weight", "avg_time_delta", "n_content_id", "n_content_id_y", "edge_symmetry_score"];
            edge.extend(names.map(|name| match name {
                "avg_time_delta" => format!("{:.9}", row[name].parse::<f64>().unwrap()),
                _ => row[name].clone(),
            }));
            edge.push(row["weight_threshold"].clone());
            edge.push(row["object_ids"].clone());
            edge
        })
        .collect();
    edges.sort();
    edges
}

#[test]
#[ignore = "needs the real posts: a folder of them in LOCKSTEP_TEST_POSTS"]
fn coortweet_prints_the_same_edges_of_real_posts() {
    let parity = parity();
    for (data, window, expected) in [
        ("russian_coord_tweets", 10.0, "coortweet_russian_tw10_mp2"),
        ("german_url", 60.0, "coortweet_german_url_tw60_mp2"),
    ] {
        let Method::CooRTweet { min_participation, edge_weight, fast, subgraph, objects, pairs, .. } = COORTWEET else {
            unreachable!()
        };
        let method =
            Method::CooRTweet { time_window: window, min_participation, edge_weight, fast, subgraph, objects, pairs };
        let results = run(parity.join(format!("{data}.csv.gz")), &method, None).unwrap();
        let expected_edges = printed(parity.join(format!("{expected}_edges.csv.gz")));
        assert!(
            edges(&results.rows("ties.csv"), "account_a", "account_b") == edges(&expected_edges, "from", "to"),
            "edges of {data}"
        );
        let pairs = parity.join(format!("{expected}_pairs.csv.gz"));
        if pairs.exists() {
            let names = ["object_id", "content_id", "content_id_y", "time_delta", "account_id", "account_id_y"];
            assert!(cells(&results.rows("pairs.csv"), &names) == cells(&printed(pairs), &names), "pairs of {data}");
        }
    }
}

#[test]
#[ignore = "needs the real posts: a folder of them in LOCKSTEP_TEST_POSTS"]
fn cooccurrence_prints_the_same_edges_of_real_posts() {
    let parity = parity();
    let mut stored = printed(parity.join("cnt_russian_coretweet_tw10_mw1.csv.gz"));
    let names = ["user_1", "user_2", "weight"];
    let all = Method::Cooccurrence { time_window: 10.0, min_edge_weight: 1, similarity: 0.8, include_self_loops: true };
    let ties = |method: &Method, trace| {
        let results = run(parity.join("cnt_russian.csv.gz"), method, trace).unwrap();
        cells(&results.rows("ties.csv"), &["account_a", "account_b", "weight"])
    };
    assert!(ties(&all, Some(Trace::Kind(TraceKind::Repost))) == cells(&stored, &names), "with loops");
    stored.retain(|tie| tie["user_1"] != tie["user_2"]);
    assert!(ties(&cooccurrence(10.0), None) == cells(&stored, &names), "without");
    stored.retain(|tie| tie["weight"].parse::<u32>().unwrap() >= 2);
    let heavy =
        Method::Cooccurrence { time_window: 10.0, min_edge_weight: 2, similarity: 0.8, include_self_loops: false };
    assert!(ties(&heavy, None) == cells(&stored, &names), "of weight 2");
}

#[test]
#[ignore = "needs the real posts: a folder of them in LOCKSTEP_TEST_POSTS"]
fn native_real_posts_give_what_their_rows_give() {
    let parity = parity();
    let posts = parity.join("../coortweet_russian_2021.jsonl.gz");
    let weights = |results: &Results| cells(&results.rows("ties.csv"), &["account_a", "account_b", "weight"]).len();
    let native = run(posts, &COORTWEET, None).unwrap();
    assert_eq!(native.outcome.kind, "repost");
    assert_eq!(weights(&native), printed(parity.join("coortweet_russian_tw10_mp2_edges.csv.gz")).len());
}

#[test]
fn objects_of_coortweets_layout_are_compared_as_they_stand() {
    // A link, two spellings of a tag, quotes and a comma; times with fractions of a millisecond, at
    // the window's edge.
    let rows = "object_id,account_id,content_id,timestamp_share\n\
        https://a.example/x,ann,1,10.0001\n\
        https://a.example/x,bob,2,20.0001\n\
        https://a.example/x,cat,3,30.00015\n\
        #Tag,ann,4,100\n\
        tag,bob,5,100\n\
        \"say \"\"hi\"\", you\",ann,6,200\n\
        \"say \"\"hi\"\", you\",bob,7,201\n";
    let results = run_on(rows, &COORTWEET, None).unwrap();
    assert_eq!(results.ties(), ["ann>bob 2"]);
    assert_eq!(results.rows("ties.csv")[0]["object_ids"], "https://a.example/x,say \"hi\", you");
    assert_eq!((results.outcome.kind, results.outcome.shares), ("object", 7));
    let named = run_on(rows, &COORTWEET, Some(Trace::Kind(TraceKind::Url))).unwrap();
    assert_eq!((named.outcome.kind, named.ties()), ("url", results.ties()));
}

const TOOLKIT: &str = "message_id,user_id,username,repost_id,reply_id,message,timestamp,urls\n\
    1,ann,Ann,,,Same  words here,0,http://a.example/?q=a|b,c\n\
    2,bob,Bob,,,@x SAME words here,0.5,http://a.example/?q=a|b,c\n";

#[test]
fn links_of_the_toolkits_layout_are_split_by_spaces_only() {
    let table = |rows: &str| format!("message_id,user_id,username,repost_id,reply_id,message,timestamp,urls\n{rows}");
    let rows = table(
        "1,ann,,,,,0,\"http://a.example/|b,http://c.example  http://d.example\"\n\
         2,bob,,,,,1,\"http://a.example/|b,http://c.example\"\n\
         3,cat,,,,,1,http://c.example\n\
         4,dan,,,,,1,\n\
         5,eve,,,,,1,\n\
         6,fay,,9,,,1,http://d.example\n",
    );
    let results = run_on(&rows, &cooccurrence(1.0), Some(Trace::Kind(TraceKind::Url))).unwrap();
    assert_eq!(results.ties(), ["ann>bob 1", "bob>ann 1"], "no link is no link, and a repost's links are not its own");
    assert_eq!(results.rows("ties.csv")[0]["edge_type"], "co_link");
}

#[test]
fn texts_match_after_the_tools_own_tidying() {
    let rows = TOOLKIT.replace(",http://a.example/?q=a|b,c", ",");
    let texts = run_on(&rows, &cooccurrence(1.0), Some(Trace::Kind(TraceKind::Text))).unwrap();
    assert_eq!(texts.ties(), ["ann>bob 1", "bob>ann 1"]);
    let words = run_on(&rows, &cooccurrence(0.4), Some(Trace::Similar)).unwrap();
    assert_eq!(words.ties(), [""; 0], "too far apart");
    // Two messages that consist of mentions have the same text, and no words.
    let mentions = rows.replace("Same  words here", "@a").replace("@x SAME words here", "@b");
    assert_eq!(run_on(&mentions, &cooccurrence(1.0), Some(Trace::Kind(TraceKind::Text))).unwrap().ties().len(), 2);
    assert_eq!(run_on(&mentions, &cooccurrence(1.0), Some(Trace::Similar)).unwrap().ties().len(), 0);
}

const NATIVE: &str = r#"{"id":"1","platform":"x","account_id":"a","created_at":"2026-01-01T00:00:00Z","hashtags":["t","u"],"reply_to":"9"}
{"id":"2","platform":"x","account_id":"b","created_at":"2026-01-01T00:00:01Z","hashtags":["t","u"],"reply_to":"9"}
{"id":"2","platform":"x","account_id":"b","created_at":"2026-01-01T00:00:01Z","hashtags":["t"]}
"#;

#[test]
fn native_posts_act_by_the_trace_that_is_named() {
    let tags = run_on(NATIVE, &COORTWEET, Some(Trace::Kind(TraceKind::Hashtags))).unwrap();
    assert_eq!(tags.ties(), ["a>b 3"], "two tags of one post are two pairs, and a repeated post counts again");
    let tie = &tags.rows("ties.csv")[0];
    assert_eq!(
        (tie["distinct_keys"].as_str(), tie["n_content_id"].as_str(), tie["kind"].as_str()),
        ("2", "1", "hashtags")
    );
    let replies = run_on(NATIVE, &cooccurrence(1.0), Some(Trace::Kind(TraceKind::Reply))).unwrap();
    assert_eq!(replies.ties(), ["a>b 1", "b>a 1"]);
    let any = run_on(NATIVE, &cooccurrence(1.0), Some(Trace::Post)).unwrap();
    assert_eq!(any.ties(), ["a>b 1", "b>a 1"], "a repeated id is ignored");
    let error = run_on(NATIVE, &COORTWEET, None).err().map(|error| error.to_string());
    assert_eq!(
        error.as_deref(),
        Some("the posts have several traces (hashtags and reply): name the one to use with --trace")
    );
    assert_eq!(
        run_on(NATIVE, &COORTWEET, Some(Trace::Kind(TraceKind::Text))).unwrap().outcome.shares,
        0,
        "no text is no trace"
    );
}

#[test]
fn the_fast_network_has_columns_of_its_own() {
    let rows = "object_id,account_id,content_id,timestamp_share\n\
        x,a,1,0\nx,b,2,1\ny,a,3,100\ny,b,4,101\nz,a,5,200\nz,c,6,209\nw,c,7,300\n";
    let Method::CooRTweet { time_window, min_participation, edge_weight, .. } = COORTWEET else { unreachable!() };
    let method = |subgraph| Method::CooRTweet {
        time_window,
        min_participation,
        edge_weight,
        fast: Some(1.5),
        subgraph,
        objects: false,
        pairs: true,
    };
    let results = run_on(rows, &method(Subgraph::Whole), None).unwrap();
    let ties = results.rows("ties.csv");
    let of = |n: usize| {
        [
            "weight_full",
            "weight_fast",
            "avg_time_delta_full",
            "avg_time_delta_fast",
            "weight_threshold_full",
            "weight_threshold_fast",
        ]
        .map(|name| ties[n][name].as_str())
    };
    assert_eq!(of(0), ["2", "2", "1", "1", "1", "0"], "a and b");
    assert_eq!(of(1), ["1", "", "9", "", "0", ""], "a and c");
    let flags: Vec<String> = results.rows("pairs.csv").iter().map(|pair| pair["time_window_1.5"].clone()).collect();
    assert_eq!(flags, ["1", "1", "0"]);
    let summary = &results.outcome.summary;
    assert_eq!(
        (&summary["threshold"], &summary["fast_threshold"], &summary["pairs"]),
        (&json!(1.5), &json!(2.0), &json!(3))
    );
    assert_eq!(run_on(rows, &method(Subgraph::FastWeighted), None).unwrap().ties(), [""; 0]);
    let accounts: BTreeSet<String> = results.rows("accounts.csv").iter().map(|row| row["account_id"].clone()).collect();
    assert_eq!(accounts.len(), 3);
}

#[test]
fn numbers_have_the_digits_of_r() {
    assert_eq!([86.0 / 3.0, 1.0, 0.1 + 0.2, 10.0].map(significant), ["28.6666666666667", "1", "0.3", "10"]);
}
