//! What an earlier version of Lockstep has written is opened without loss:
//! `tests/upgrade/README.md` says how the fixtures were made.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use end_to_end::{Place, Service, root, run};
use futures::TryStreamExt;
use messages::{
    cluster::ClusterMessage,
    dead_letter::DeadLetter,
    feedback::Feedback,
    post,
    topics::{CLUSTERS, CLUSTERS_FLAGGED, FEEDBACK, POSTS, POSTS_DEAD_LETTER},
};
use runtime::{Log, Record};
use serde_json::{Value, json};

/// Of everybody in the fixture's file of users.
const PASSWORD: &str = "correct horse battery staple";
/// The last posts of the fixture's log, which the detector must know again.
const STRANGERS: u64 = 48;

#[test]
fn a_sqlite_store_is_opened_without_loss() {
    let place = place();
    unpack("sharing.sqlite", &place.path("sharing.sqlite"));
    check_store(&place, &expected()["sqlite"]);
}

#[test]
#[ignore = "needs PostgreSQL: tests/postgres/postgres.sh start"]
fn a_postgres_store_is_opened_without_loss() {
    let server = std::env::var("LOCKSTEP_TEST_POSTGRES").expect("the server in LOCKSTEP_TEST_POSTGRES");
    let name = format!("upgrade_{}", std::process::id());
    let (host, database) = server.rsplit_once('/').unwrap();
    let options = database.split_once('?').map_or(String::new(), |(_, options)| format!("?{options}"));
    let own = format!("{host}/{name}{options}");
    let sql = String::from_utf8(packed("sharing.sql")).unwrap();
    let mut client = postgres::Client::connect(&server, postgres::NoTls).unwrap();
    client.batch_execute(&format!("create database {name}")).unwrap();
    postgres::Client::connect(&own, postgres::NoTls).unwrap().batch_execute(&sql).unwrap();

    let place = place();
    let sqlite = format!("{:?}", place.path("sharing.sqlite").display().to_string());
    let config = fs::read_to_string(place.config()).unwrap();
    assert!(config.contains(&sqlite));
    fs::write(place.config(), config.replace(&sqlite, &format!("{own:?}"))).unwrap();
    check_store(&place, &expected()["postgres"]);
    client.batch_execute(&format!("drop database {name} with (force)")).unwrap();
}

#[test]
fn every_record_of_an_embedded_log_is_read() {
    let place = place();
    unpack("log.db", &place.path("log").join("log.db"));
    let expected = expected();
    let counts = expected["log"].as_object().unwrap();
    let topics: BTreeSet<&str> = counts.keys().map(String::as_str).collect();
    assert_eq!(topics, BTreeSet::from([POSTS, POSTS_DEAD_LETTER, CLUSTERS, CLUSTERS_FLAGGED, FEEDBACK]));
    for (topic, count) in counts {
        let records = read(&place.path("log"), topic);
        assert_eq!(records.len() as u64, count.as_u64().unwrap(), "{topic}");
        assert!(!records.is_empty(), "{topic}");
        records.iter().for_each(check_record);
    }
}

#[test]
fn a_checkpoint_is_taken_over_and_knows_every_post() {
    let place = place();
    unpack("sharing.sqlite", &place.path("sharing.sqlite"));
    unpack("log.db", &place.path("log").join("log.db"));
    unpack("detector.checkpoint", &place.path("checkpoints").join("0000000000000000.checkpoint"));
    let mut service = place.serve();
    service.settle(0);
    let said = service.said();
    assert!(said.contains("restored from a checkpoint"), "{said}");
    assert!(!said.contains("a checkpoint is not used"), "{said}");
    assert_eq!(service.sum("lockstep_posts_total"), 0, "no post is counted twice");

    // The last posts once more: whoever has lost the engine's memory takes them for new ones.
    let again: Vec<Vec<u8>> = (0..STRANGERS).map(stranger).collect();
    assert_eq!(service.post(&again).unwrap()["accepted"], STRANGERS);
    service.wait("the posts are read", |service| (service.sum("lockstep_posts_total") == STRANGERS).then_some(()));
    let metrics = service.metrics();
    assert_eq!(metrics.get(r#"lockstep_posts_total{outcome="duplicate"}"#), Some(&(STRANGERS as f64)), "{metrics:?}");
    assert_eq!(service.stop().code(), Some(0));
}

/// A folder with a configuration for people, and the fixture's people.
fn place() -> Place {
    let place = Place::new(None, &["chirp", "commons"].map(str::to_owned).into());
    let users = place.path("users.toml");
    fs::copy(fixtures().join("users.toml"), &users).unwrap();
    let config = fs::read_to_string(place.config()).unwrap();
    assert!(config.contains("reviewers = \"demo\"\n"));
    let key_file = place.path("sharing.key").display().to_string();
    let login = format!("[sharing.login]\nusers = {:?}\n", users.display().to_string());
    let login = login + &format!("[sharing.encryption]\nkey_file = {key_file:?}\n");
    let id_file = format!("[sharing]\ndatabase_id_file = {:?}\n", place.path("sharing.id").display().to_string());
    let config = config.replace("[sharing]\n", &id_file);
    fs::write(place.config(), config.replace("reviewers = \"demo\"\n", "reviewers = \"people\"\n") + &login).unwrap();
    for folder in ["log", "checkpoints"] {
        fs::create_dir(place.path(folder)).unwrap();
    }
    place
}

/// Everything that the fixture's store held is there: audit log, cases, what partners said and
/// have, deliveries.
fn check_store(place: &Place, expected: &Value) {
    let config = place.config();
    let config = config.to_str().unwrap();
    let seal = expected["audit"]["seal"].as_str().unwrap();
    let verify = || -> Value {
        let output = run(&["audit", "verify", "--expect", seal, "--json", "--config", config]);
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let before = verify();
    assert_eq!(before["entries"], expected["audit"]["entry"], "{before}");
    assert_eq!(before["seal"], expected["audit"]["seal"], "{before}");

    let service = place.serve();
    let session = service.log_in("eve", PASSWORD);
    let cases = expected["cases"].as_object().unwrap();
    let listed = service.json_as(&session, "/api/clusters");
    assert_eq!(listed["total"], cases.len());
    let states: BTreeSet<&str> = cases.values().map(|case| case["state"].as_str().unwrap()).collect();
    assert_eq!(states.len(), 8, "the fixture has a case in every state");
    for (cluster, case) in cases {
        check_case(&service.json_as(&session, &format!("/api/clusters/{cluster}")), case);
    }
    for (partner, has) in expected["partners"].as_object().unwrap() {
        check_collection(&service, partner, has);
    }
    let deliveries = service.json_as(&session, "/api/deliveries");
    let mut states: BTreeMap<&str, u64> = BTreeMap::new();
    for delivery in deliveries["deliveries"].as_array().unwrap() {
        *states.entry(delivery["state"].as_str().unwrap()).or_default() += 1;
    }
    // The endpoint answered 410. What waits for it was called pending at that time, and is disabled now.
    let mut called_now = expected["deliveries"].as_object().unwrap().clone();
    let waiting = called_now.remove("pending").unwrap();
    called_now.insert("disabled".to_owned(), waiting);
    assert_eq!(json!(states), json!(called_now));
    assert_eq!(service.stop().code(), Some(0));
    assert!(verify()["entries"].as_u64() >= expected["audit"]["entry"].as_u64());
    // The secrets, which that version stored in the clear, are encrypted with the key that the start made.
    let status = run(&["encryption", "status", "--json", "--config", config]);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(json!([status["encrypted_with"]]), status["keys"], "{status}");
    assert!(status["encrypted_with"].is_string(), "{status}");
}

/// The case is as it was, but that flags run out with time.
fn check_case(found: &Value, expected: &Value) {
    let count = |name: &str| found[name].as_array().unwrap().len();
    for name in ["feedback", "retractions", "retraction_cases"] {
        assert_eq!(count(name), expected[name], "{name}: {found}");
    }
    assert_eq!(found["case"]["version"], expected["version"], "{found}");
    assert_eq!(found["cluster"]["accounts"].as_array().unwrap().len(), expected["accounts"], "{found}");
    assert!(count("history") as u64 >= expected["history"].as_u64().unwrap(), "{found}");
    let ran_out = found["history"].as_array().unwrap().iter().any(|entry| entry["action"] == "expired");
    let state = if ran_out { &json!("closed") } else { &expected["state"] };
    assert_eq!(&found["case"]["state"], state, "{found}");
}

/// The partner's key still opens its collection, and every version of every object is there.
fn check_collection(service: &Service, partner: &str, expected: &Value) {
    let key = expected["key"].as_str();
    let path = format!("{}manifest/?match[version]=all&limit=1000", expected["collection"].as_str().unwrap());
    let (status, manifest) = service.taxii(&path, key);
    assert_eq!(status, 200, "{partner}: {manifest}");
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    let rows = manifest["objects"].as_array().unwrap().iter();
    // The fixture has six digits of a second, the server what the object has.
    let exact = |version: String| format!("{:.6}", version.parse::<jiff::Timestamp>().unwrap());
    let found: BTreeSet<String> = rows.map(|row| text(row, "id") + " " + &exact(text(row, "version"))).collect();
    let wanted = expected["versions"].as_array().unwrap().iter().map(|version| version.as_str().unwrap());
    let missing: Vec<&str> = wanted.filter(|version| !found.contains(*version)).collect();
    assert!(missing.is_empty(), "{partner} has lost {missing:?}");
    assert!(!found.is_empty());
}

/// A record is one of its topic.
fn check_record(record: &Record) {
    // A topic that is compacted also says what is gone.
    let Some(value) = record.value.as_deref() else {
        assert!([CLUSTERS, CLUSTERS_FLAGGED, FEEDBACK].contains(&&*record.topic), "{}", record.topic);
        return;
    };
    let read = match &*record.topic {
        POSTS => post::decode(value).map(drop),
        POSTS_DEAD_LETTER => DeadLetter::from_record(value, &record.headers).map(drop),
        CLUSTERS | CLUSTERS_FLAGGED => ClusterMessage::decode(value).map(drop),
        FEEDBACK => Feedback::decode(value).map(drop),
        topic => panic!("{topic} is none of ours"),
    };
    assert!(read.is_ok(), "{}: {read:?}: {}", record.topic, String::from_utf8_lossy(value));
}

/// As the story of tests/unchanged makes it.
fn stranger(n: u64) -> Vec<u8> {
    let (id, account, text) = (format!("later-{n}"), format!("stranger-{n}"), format!("good night number {n}"));
    json!({"id": id, "platform": "elsewhere", "account_id": account, "account_name": "stranger",
        "created_at": "2026-09-17T06:00:00Z", "text": text})
    .to_string()
    .into_bytes()
}

fn read(log: &Path, topic: &str) -> Vec<Record> {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let log = Log::open_embedded_to_read(log).await.unwrap();
        log.read_all(topic, &[]).await.unwrap().try_collect().await.unwrap()
    })
}

fn expected() -> Value {
    serde_json::from_slice(&fs::read(fixtures().join("expected.json")).unwrap()).unwrap()
}

fn unpack(name: &str, to: &Path) {
    fs::write(to, packed(name)).unwrap();
}

fn packed(name: &str) -> Vec<u8> {
    let file = fs::File::open(fixtures().join(format!("{name}.zst"))).unwrap();
    zstd::decode_all(file).unwrap()
}

fn fixtures() -> PathBuf {
    root().join("tests/upgrade/fixtures")
}
