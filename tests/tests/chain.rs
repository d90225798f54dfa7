//! The whole chain as its users meet it, from posted lines to partners' feeds, on both homes of the log.

mod topics;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use end_to_end::{Broker, Place, Service, free_port, run, simulate};
use futures::TryStreamExt;
use messages::{
    dead_letter::{DeadLetter, Source},
    topics::{CLUSTERS, CLUSTERS_FLAGGED, POSTS, POSTS_DEAD_LETTER},
};
use runtime::{Log, NewRecord, Record};
use serde_json::Value;

use crate::metrics_page;
use topics::{check_dead_letters, check_topics, latest, members, members_of, story};

/// Posts in one request.
const REQUEST: usize = 1_000;

#[test]
fn posts_become_cases_and_feeds_on_the_embedded_log() {
    let world = World::demo();
    let place = Place::new(None, &world.platforms);
    let mut service = place.serve();

    // Lines that are no posts, each with what is said of it: field and part of the reason. The last is told from a post by its
    // time alone, which only the detector looks at.
    let bad: [(&str, &str, &str); 6] = [
        ("not json at all", "", "not a JSON object"),
        (r#"["an","array"]"#, "", "not a JSON object"),
        (r#"{"platform":"chirp","account_id":"1","created_at":"2026-09-14T00:00:00Z"}"#, "id", "missing"),
        (r#"{"id":"b1","platform":" ","account_id":"1","created_at":"2026-09-14T00:00:00Z"}"#, "platform", "empty"),
        (r#"{"id":"b2","platform":"chirp","account_id":"1","created_at":"yesterday"}"#, "created_at", ""),
        (
            r#"{"id":"b3","platform":"chirp","account_id":"1","created_at":"2999-01-01T00:00:00Z"}"#,
            "created_at",
            "future",
        ),
    ];
    let mut lines = world.posts.clone();
    for (i, (line, _, _)) in bad.iter().enumerate() {
        lines.insert(lines.len() / 7 * (i + 1), line.as_bytes().to_vec());
    }
    let (mut accepted, mut rejected) = (0, 0);
    for chunk in lines.chunks(REQUEST) {
        let answer = service.post(chunk).unwrap();
        accepted += answer["accepted"].as_u64().unwrap();
        rejected += answer["rejected"].as_u64().unwrap();
    }
    assert_eq!((accepted, rejected), (world.posts.len() as u64 + 1, 5));
    world.gone_through(&mut service);
    service.settle(accepted);

    // Every line is counted once where it came in, and every post once where it was read.
    let lines = service.metrics();
    assert_eq!(lines[r#"lockstep_intake_lines_total{outcome="accepted"}"#], accepted as f64);
    assert_eq!(lines[r#"lockstep_intake_lines_total{outcome="rejected"}"#], rejected as f64);
    let outcomes = outcomes(&service);
    assert_eq!(outcomes.values().sum::<u64>(), accepted);
    assert_eq!(outcomes["dead_letter"], 1, "{outcomes:?}");
    assert_eq!(outcomes["accepted"] + outcomes["late"], world.posts.len() as u64, "{outcomes:?}");
    assert_eq!((outcomes["too_late"], outcomes["duplicate"]), (0, 0));
    let found = Found::look(&place, &service, &world);
    found.check(&service, &world);

    // The same posts again change nothing: they are known, or too old to matter.
    let again = &world.posts[world.posts.len() - 3 * REQUEST..];
    for chunk in again.chunks(REQUEST) {
        service.post(chunk).unwrap();
    }
    let all = accepted + again.len() as u64;
    service.settle(all);
    let twice = self::outcomes(&service);
    assert_eq!(twice["duplicate"] + twice["too_late"], again.len() as u64, "{twice:?}");
    assert_eq!(twice.values().sum::<u64>(), all);
    assert_eq!(found, Found::look(&place, &service, &world));
    assert_eq!(service.stop().code(), Some(0));

    let clusters = read(&place, None, CLUSTERS);
    check_dead_letters(&read(&place, None, POSTS_DEAD_LETTER), &bad);
    check_topics(&found, &clusters, &read(&place, None, CLUSTERS_FLAGGED));

    // A restart rebuilds the engine from the log and does nothing else.
    let mut service = place.serve();
    service.settle(0);
    assert_eq!(service.sum("lockstep_posts_total"), 0, "nothing is counted twice");
    assert_eq!(found, Found::look(&place, &service, &world));
    assert_eq!(service.stop().code(), Some(0));
    assert_eq!(clusters, read(&place, None, CLUSTERS), "a restart publishes nothing");
}

#[test]
fn a_killed_service_goes_on_as_if_nothing_had_happened() {
    let world = World::demo();
    let place = Place::new(None, &world.platforms);
    let mut service = place.serve();
    for chunk in world.posts.chunks(REQUEST) {
        service.post(chunk).unwrap();
    }
    world.gone_through(&mut service);
    let found = Found::look(&place, &service, &world);
    assert_eq!(service.stop().code(), Some(0));
    let undisturbed = latest(&read(&place, None, CLUSTERS));
    assert!(!undisturbed.is_empty());

    let place = Place::new(None, &world.platforms);
    let mut service = place.serve();
    let chunks: Vec<_> = world.posts.chunks(REQUEST).collect();
    for (i, chunk) in chunks.iter().enumerate() {
        service.post(chunk).unwrap();
        // In the middle of the work: the posts are on the log, and the detector has not read them all.
        if [chunks.len() / 3, chunks.len() * 4 / 5].contains(&i) {
            service.kill();
            service = place.serve();
        }
    }
    world.gone_through(&mut service);
    let after = Found::look(&place, &service, &world);
    assert_eq!(service.stop().code(), Some(0));
    let told = read(&place, None, CLUSTERS);
    assert_eq!(members(&undisturbed), members(&latest(&told)), "{}", story(&told));
    assert_eq!(found.accounts(), after.accounts());
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/kafka.sh start"]
fn kafka_carries_the_same_chain_and_a_kill() {
    let broker = Broker::start();
    let brokers = broker.address();
    let world = World::demo();

    let place = Place::new(None, &world.platforms);
    let mut service = place.serve();
    for chunk in world.posts.chunks(REQUEST) {
        service.post(chunk).unwrap();
    }
    world.gone_through(&mut service);
    let embedded = Found::look(&place, &service, &world);
    assert_eq!(service.stop().code(), Some(0));
    let undisturbed = latest(&read(&place, None, CLUSTERS));

    let place = Place::new(Some(brokers), &world.platforms);
    let bad = [
        ("not json at all", "", ""),
        (r#"{"id":"b2","platform":"chirp","account_id":"1","created_at":"yesterday"}"#, "created_at", ""),
    ];
    let (first, second) = world.posts.split_at(world.posts.len() / 2);
    let ingest = |name: &str, posts: &[Vec<u8>], bad: &str| {
        let file = place.path(name);
        fs::write(&file, [&posts.join(&b'\n')[..], b"\n", bad.as_bytes(), b"\n"].concat()).unwrap();
        run(&["ingest", file.to_str().unwrap(), "--brokers", brokers]);
    };
    // A backlog, then a service that is killed in the middle of it, then the rest while another one runs.
    ingest("first.jsonl", first, bad[0].0);
    let service = place.serve();
    service.kill();
    let mut service = place.serve();
    ingest("second.jsonl", second, bad[1].0);
    // Somebody else's record on the topic itself.
    let raw = b"\xff\x00 no post at all";
    append(brokers, NewRecord::new(POSTS, "chirp:raw", &raw[..]));
    world.gone_through(&mut service);
    service.wait("the raw record is a dead letter", |service| (outcomes(service)["dead_letter"] > 0).then_some(()));
    let outcomes = outcomes(&service);
    assert_eq!((outcomes["dead_letter"], outcomes["too_late"]), (1, 0), "{outcomes:?}");
    assert!(outcomes.values().sum::<u64>() <= world.posts.len() as u64 + 1, "{outcomes:?}");
    let found = Found::look(&place, &service, &world);
    found.check(&service, &world);
    assert_eq!(service.stop().code(), Some(0));

    let clusters = read(&place, Some(brokers), CLUSTERS);
    assert_eq!(members(&undisturbed), members(&latest(&clusters)));
    assert_eq!(embedded.accounts(), found.accounts());
    check_topics(&found, &clusters, &read(&place, Some(brokers), CLUSTERS_FLAGGED));
    let (raws, lines): (Vec<Record>, Vec<Record>) =
        read(&place, Some(brokers), POSTS_DEAD_LETTER).into_iter().partition(|r| r.value.as_deref() == Some(&raw[..]));
    check_dead_letters(&lines, &bad);
    assert_eq!(raws.len(), 1);
    let letter = DeadLetter::from_record(raw, &raws[0].headers).unwrap();
    assert!(matches!(letter.source, Source::Record { topic, .. } if topic == POSTS));
    assert_eq!(raws[0].key, b"chirp:raw");

    let mut service = place.serve();
    service.settle(0);
    assert_eq!(service.sum("lockstep_posts_total"), 0, "nothing is counted twice");
    assert_eq!(found, Found::look(&place, &service, &world));
    assert_eq!(service.stop().code(), Some(0));
    assert_eq!(clusters.len(), read(&place, Some(brokers), CLUSTERS).len(), "a restart publishes nothing");
}

#[test]
fn the_demo_runs_through_and_says_so() {
    let ports = [(); 3].map(|()| format!("127.0.0.1:{}", free_port()));
    let output = run(&["demo", "--once", "--json", "--listen", &ports[0], "--admin", &ports[1], "--intake", &ports[2]]);
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    let number = |name: &str| summary[name].as_u64().unwrap_or_else(|| panic!("{name}: {summary}"));
    assert!(number("posts") > 10_000);
    assert_eq!(number("accepted"), number("posts"));
    assert_eq!(number("dead_letters"), 0);
    for name in ["candidates", "cases", "objects_published"] {
        assert!(number(name) > 0, "{name}: {summary}");
    }
    assert!(summary["seconds"].as_f64().unwrap() > 0.0);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("no person looked") && said.contains("synthetic"), "{said}");
    assert!(said.contains(&format!("http://{}", ports[0])), "{said}");
}

/// The demo world, with what ends its last tests.
pub struct World {
    pub posts: Vec<Vec<u8>>,
    /// Time of the last post.
    end: jiff::Timestamp,
    pub platforms: BTreeSet<String>,
    /// Accounts by platform.
    accounts: BTreeMap<String, BTreeSet<String>>,
}

impl World {
    pub fn demo() -> World {
        let mut posts = simulate("demo", 1);
        let mut accounts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let text = |post: &Value, field: &str| post[field].as_str().unwrap().to_owned();
        let mut last = String::new();
        for line in &posts {
            let post: Value = serde_json::from_slice(line).unwrap();
            accounts.entry(text(&post, "platform")).or_default().insert(text(&post, "account_id"));
            last = last.max(text(&post, "created_at"));
        }
        // Event time moves with posts only: strangers who post hours later, enough of them to reach every partition, close the
        // tests that are open.
        let later = last.parse::<jiff::Timestamp>().unwrap() + jiff::SignedDuration::from_hours(4);
        posts.extend((0..48).map(|i| {
            let text = format!("good night number {i}");
            serde_json::json!({"id": format!("later-{i}"), "platform": "elsewhere", "account_id": format!("stranger-{i}"),
                "account_name": "stranger", "created_at": later, "text": text})
            .to_string()
            .into_bytes()
        }));
        World { posts, end: later, platforms: accounts.keys().cloned().collect(), accounts }
    }

    /// Waits until event time has come to the end and everything that follows is done. After a kill the number of posts does not
    /// tell: those that were read and not committed are read again.
    pub fn gone_through(&self, service: &mut Service) {
        self.detected(service);
        service.settle(0);
    }

    /// Waits until event time has come to the end and everything that was read is committed.
    pub fn detected(&self, service: &mut Service) {
        let end = self.end.as_second() as f64 - 301.0;
        service.wait("event time has come to the end", |service| {
            service.metrics().get("lockstep_watermark_seconds").is_some_and(|at| *at >= end).then_some(())
        });
    }
}

/// What reviewers and partners see.
#[derive(Debug, PartialEq)]
struct Found {
    /// Case by cluster, as the API gives it, with its history.
    cases: BTreeMap<String, Value>,
    /// STIX objects by platform, in the order of the feed.
    feeds: BTreeMap<String, Vec<Value>>,
}

impl Found {
    fn look(place: &Place, service: &Service, world: &World) -> Found {
        // First what partners fetch: that acknowledges withdrawals, and shows in the cases.
        let feeds = world.platforms.iter().map(|p| (p.clone(), feed(service, &place.key(p)))).collect();
        let list = service.json("/api/clusters");
        let rows = list["clusters"].as_array().unwrap();
        assert_eq!(rows.len() as u64, list["total"].as_u64().unwrap(), "all of them are on one page");
        let ids = rows.iter().map(|row| row["cluster_id"].as_str().unwrap().to_owned());
        let cases = ids.map(|id| (id.clone(), service.json(&format!("/api/clusters/{id}")))).collect();
        Found { cases, feeds }
    }

    /// Cluster to its accounts, of the cases that stand. Whether a case was opened for a cluster that was flagged for a moment, or
    /// became part of another, depends on how many messages were read at a time: what is withdrawn does not count.
    fn accounts(&self) -> BTreeMap<String, BTreeSet<(String, String)>> {
        let cases = self.cases.iter().filter(|(_, page)| page["case"]["state"] != "retracted");
        cases
            .map(|(id, page)| (id.clone(), members_of(&serde_json::from_value(page["cluster"].clone()).unwrap())))
            .collect()
    }

    /// That it hangs together, and is shown.
    fn check(&self, service: &Service, world: &World) {
        assert!(!self.cases.is_empty(), "nothing was flagged: {}", service.said());
        for (id, page) in &self.cases {
            assert_eq!(page["cluster"]["cluster_id"], **id);
            assert_eq!(page["case"]["demo"], true, "{page}");
            // On more evidence the model may change its mind: then what was shared is withdrawn.
            // What became part of another cluster is shared as part of that one.
            let absorbed =
                |other: &Value| other["cluster"]["lineage"].as_array().is_some_and(|l| l.contains(&id.as_str().into()));
            let flagged = page["cluster"]["status"] == "flagged" && !self.cases.values().any(absorbed);
            let states = if flagged { ["released", "updated"] } else { ["retracted", "retracted"] };
            assert!(states.contains(&page["case"]["state"].as_str().unwrap()), "{}", page["case"]);
            let history = page["history"].to_string();
            assert!(history.contains("demo reviewer 1") && history.contains("no person looked"), "{history}");
            let (status, html) = service.get(&format!("/clusters/{id}"));
            assert_eq!(status, 200);
            assert!(html.contains("DEMO: approved by the demo policy, no person looked") && html.contains("</html>"));
            // What was posted is read from the log.
            assert!(html.contains("<q><bdi>") && !html.contains("no longer on the log"), "{html}");
        }
        let (status, html) = service.get("/");
        assert_eq!(status, 200);
        assert!(self.cases.keys().all(|id| html.contains(&format!("/clusters/{id}"))), "{html}");
        assert_eq!(service.get("/clusters/c-0000000000000000").0, 404);

        for (platform, objects) in &self.feeds {
            let own = &world.accounts[platform];
            let mut shared = BTreeSet::new();
            for account in objects.iter().filter(|object| object["type"] == "user-account") {
                assert_eq!(account["account_type"], **platform);
                shared.insert(account["user_id"].as_str().unwrap().to_owned());
            }
            assert!(shared.is_subset(own), "{platform} is told of accounts that it does not have");
            // Not in any text either.
            let text = Value::Array(objects.clone()).to_string();
            let words: BTreeSet<&str> = text.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
            for (other, theirs) in world.accounts.iter().filter(|(other, _)| *other != platform) {
                let told: Vec<&String> =
                    theirs.iter().filter(|id| words.contains(id.as_str()) && !own.contains(*id)).collect();
                assert!(told.is_empty(), "{platform} is told of {told:?} of {other}");
            }
            // And everybody in a flagged cluster is there.
            let flagged =
                self.accounts().into_iter().filter(|(id, _)| self.cases[id]["cluster"]["status"] == "flagged");
            let members = flagged.flat_map(|(_, members)| members);
            let due: BTreeSet<String> = members.filter(|(at, _)| at == platform).map(|(_, account)| account).collect();
            assert!(due.is_subset(&shared), "{platform} is not told of {:?}", due.difference(&shared));
        }
        let flagged = self.cases.values().filter(|page| page["cluster"]["status"] == "flagged").count();
        assert!(flagged > 0, "nothing is flagged in the end");
        let published: usize = self.feeds.values().map(Vec::len).sum();
        assert_eq!(service.sum("lockstep_sharing_objects_published_total") >= published as u64, published > 0);

        let metrics = service.metrics();
        let value = |name: &str| *metrics.get(name).unwrap_or_else(|| panic!("{name} is missing"));
        for table in ["waiting", "keys", "uses", "ties", "texts", "accounts", "candidates"] {
            assert!(value(&format!(r#"lockstep_table_entries{{table="{table}"}}"#)) >= 0.0);
        }
        assert!(value(r#"lockstep_table_entries{table="accounts"}"#) > 1_000.0);
        assert!(value("lockstep_watermark_seconds") > 1.7e9);
        assert!(service.sum("lockstep_candidates_total") > 0);
        assert_eq!(service.sum("lockstep_sharing_cases"), self.cases.len() as u64);
        assert_eq!(value("lockstep_ready"), 1.0);
        assert_eq!(metrics_page::contradictions(&metrics), Vec::<String>::new());
    }
}

/// What one partner reads, from discovery to the last page of its collection.
pub fn feed(service: &Service, key: &str) -> Vec<Value> {
    assert_eq!(service.taxii("/taxii2/", None).0, 401);
    assert_eq!(service.taxii("/taxii2/", Some("lockstep_0000000000000000_00")).0, 401);
    let ok = |path: &str| {
        let (status, body) = service.taxii(path, Some(key));
        assert_eq!(status, 200, "{path}: {body}");
        body
    };
    let root = ok("/taxii2/")["api_roots"][0].as_str().unwrap().to_owned();
    assert_eq!(ok(&root)["versions"][0], "application/taxii+json;version=2.1");
    let collections = ok(&format!("{root}collections/"))["collections"].as_array().unwrap().clone();
    assert_eq!(collections.len(), 2, "a partner sees its own findings and feedback only");
    let findings = collections.iter().find(|collection| collection["can_write"] == false).unwrap();
    let objects = format!("{root}collections/{}/objects/?limit=50", findings["id"].as_str().unwrap());
    let (mut found, mut next) = (Vec::new(), String::new());
    loop {
        let page = ok(&format!("{objects}{next}"));
        found.extend(page["objects"].as_array().cloned().unwrap_or_default());
        match page["next"].as_str() {
            Some(cursor) if page["more"] == true => next = format!("&next={cursor}"),
            _ => return found,
        }
    }
}

fn outcomes(service: &Service) -> BTreeMap<&'static str, u64> {
    let metrics = service.metrics();
    let names = ["accepted", "late", "too_late", "duplicate", "dead_letter"];
    names.map(|name| (name, metrics[&format!(r#"lockstep_posts_total{{outcome="{name}"}}"#)] as u64)).into()
}

/// All records of a topic; on the embedded log only while no service runs.
pub fn read(place: &Place, brokers: Option<&str>, topic: &str) -> Vec<Record> {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let log = match brokers {
            Some(brokers) => Log::connect_kafka(brokers, &[]).await.unwrap(),
            None => Log::open_embedded(&place.path("log")).await.unwrap(),
        };
        let records = log.read_all(topic, &[]).await.unwrap().try_collect().await.unwrap();
        log.shutdown().await.unwrap();
        records
    })
}

fn append(brokers: &str, record: NewRecord) {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let log = Log::connect_kafka(brokers, &[]).await.unwrap();
        log.append(vec![record]).await.unwrap();
        log.shutdown().await.unwrap();
    });
}
