//! An account is erased from all files and topics of the services, and the services go on.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::{Command, Output},
};

use end_to_end::{Broker, Place, Service, lockstep};
use messages::topics::{CLUSTERS, CLUSTERS_DEAD_LETTER, CLUSTERS_FLAGGED, FEEDBACK, POSTS, POSTS_DEAD_LETTER};
use serde_json::Value;

use crate::chain::{World, feed, read};

/// Posts in one request.
const REQUEST: usize = 1_000;
const TOPICS: [&str; 6] = [POSTS, POSTS_DEAD_LETTER, CLUSTERS, CLUSTERS_FLAGGED, CLUSTERS_DEAD_LETTER, FEEDBACK];

/// The account that is erased.
struct Account {
    platform: String,
    id: String,
    name: String,
}

impl Account {
    fn is_in(&self, bytes: &[u8]) -> bool {
        let bytes = bytes.to_ascii_lowercase();
        [&self.id, &self.name].iter().any(|text| {
            let text = text.to_ascii_lowercase().into_bytes();
            bytes.windows(text.len()).any(|window| window == text)
        })
    }

    fn argument(&self) -> String {
        format!("{}:{}", self.platform, self.id)
    }
}

/// Files of a place that have the account in any part of them, also in free pages and write-ahead logs. The services' own
/// output is no store.
fn files_with(place: &Place, account: &Account) -> BTreeSet<String> {
    fn look(root: &Path, folder: &Path, account: &Account, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                look(root, &path, account, found);
            } else if account.is_in(&fs::read(&path).unwrap()) {
                found.insert(path.strip_prefix(root).unwrap().display().to_string());
            }
        }
    }
    let mut found = BTreeSet::new();
    look(&place.path(""), &place.path(""), account, &mut found);
    found
}

/// Topics that have the account in a record: in its key, its value or its headers.
fn topics_with(place: &Place, account: &Account) -> BTreeSet<&'static str> {
    let named = |topic: &&str| {
        read(place, None, topic).into_iter().any(|record| {
            let headers = record.headers.into_iter().flat_map(|(_, value)| value);
            account.is_in(&record.key)
                || account.is_in(&record.value.unwrap_or_default())
                || account.is_in(&headers.collect::<Vec<u8>>())
        })
    };
    TOPICS.into_iter().filter(named).collect()
}

fn command(place: &Place, brokers: Option<&str>, args: &[&str]) -> Output {
    let mut command = Command::new(lockstep());
    command.args(args).args(["--config", place.config().to_str().unwrap()]);
    if let Some(brokers) = brokers {
        command.env("LOCKSTEP__LOG__BROKERS", brokers);
    }
    command.output().unwrap()
}

/// Standard output of a command that ends with this code.
#[track_caller]
fn says(place: &Place, brokers: Option<&str>, code: i32, args: &[&str]) -> String {
    let output = command(place, brokers, args);
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(code), "{args:?}: {out}{err}");
    out + &err
}

/// Services that shared a case; the cluster of the case, and one of its accounts. Somebody else writes about this account, and a
/// post of its own cannot be read.
fn shared_case(place: &Place, world: &World) -> (Service, String, Account) {
    let mut service = place.serve();
    for chunk in world.posts.chunks(REQUEST) {
        service.post(chunk).unwrap();
    }
    world.gone_through(&mut service);
    let id = service.wait("a case is shared", |service| {
        let cases = service.json("/api/clusters?state=released");
        Some(cases["clusters"][0]["cluster_id"].as_str()?.to_owned())
    });
    let cluster = service.json(&format!("/api/clusters/{id}"));
    let text = |field: &str| cluster["cluster"]["accounts"][0][field].as_str().unwrap().to_owned();
    let account = Account { platform: text("platform"), id: text("account_id"), name: text("account_name") };
    let own = world.posts.iter().rev().map(|line| serde_json::from_slice::<Value>(line).unwrap());
    let mut about = own.into_iter().find(|post| post["account_id"] == *account.id).unwrap();
    let mut unreadable = about.clone();
    (unreadable["id"], unreadable["created_at"]) = ("two".into(), "2999-01-01T00:00:00Z".into());
    (about["id"], about["account_id"], about["account_name"]) = ("one".into(), "somebody".into(), "somebody".into());
    (about["text"], about["mentions"]) =
        (format!("look at @{} and {}", account.name, account.id).into(), vec![account.name.clone()].into());
    service.post(&[about.to_string().into_bytes(), unreadable.to_string().into_bytes()]).unwrap();
    service.settle(0);
    (service, id, account)
}

#[test]
fn an_erased_account_is_in_no_file_and_no_topic_and_all_goes_on() {
    let world = World::demo();
    let place = Place::new(None, &world.platforms);
    let (service, case, account) = shared_case(&place, &world);
    let argument = account.argument();
    let erase = ["erase", "account", &argument];
    let refused = says(&place, None, 1, &erase);
    assert!(refused.contains("stop the services first") && refused.contains("is in use by process"), "{refused}");
    let before = service.json(&format!("/api/clusters/{case}"));
    assert_eq!(service.stop().code(), Some(0));

    let files = files_with(&place, &account);
    for file in ["log/log.db", "sharing.sqlite"] {
        assert!(files.contains(file), "{files:?}");
    }
    assert!(files.iter().any(|file| file.starts_with("checkpoints/")), "{files:?}");
    assert_eq!(topics_with(&place, &account), [POSTS, POSTS_DEAD_LETTER, CLUSTERS, CLUSTERS_FLAGGED].into());
    let dry = says(&place, None, 0, &[&erase[..], &["--dry-run"]].concat());
    for topic in topics_with(&place, &account) {
        assert!(dry.contains(&format!("topic {topic} ")), "{topic} is not in {dry}");
    }
    for text in ["would be erased from", "checkpoints", "sharing.database", "would be withdrawn from partners in"] {
        assert!(dry.contains(text), "{text:?} is not in {dry}");
    }
    assert!(files_with(&place, &account).is_superset(&files), "a dry run changes nothing");
    let verified = says(&place, None, 0, &["audit", "verify", "--json"]);
    let verified: Value = serde_json::from_str(&verified).unwrap();
    let seal = verified["seal"].as_str().unwrap();

    let report: Value = serde_json::from_str(&says(&place, None, 0, &[&erase[..], &["--json"]].concat())).unwrap();
    assert!(report["withdrawn"].as_u64() > Some(0) && report["left"] == Value::Array(vec![]), "{report}");
    assert_eq!(report["received"][0], end_to_end::partner(&account.platform), "{report}");
    assert_eq!(files_with(&place, &account), BTreeSet::new());
    assert_eq!(topics_with(&place, &account), BTreeSet::new());
    let verified = says(&place, None, 0, &["audit", "verify", "--expect", seal]);
    assert!(verified.contains("lost an account by an erasure"), "{verified}");
    let export = place.path("audit.ndjson");
    let export = export.to_str().unwrap();
    says(&place, None, 0, &["audit", "export", "--out", export]);
    says(&place, None, 0, &["audit", "verify", "--file", export]);
    let again = says(&place, None, 0, &erase);
    assert!(again.contains("nothing that can be erased names"), "{again}");

    // The services read the log again, take posts, and bring nothing back.
    let mut service = place.serve();
    service.settle(0);
    let after = service.json(&format!("/api/clusters/{case}"));
    let accounts = |page: &Value| page["cluster"]["accounts"].as_array().unwrap().len();
    assert!(accounts(&after) > 0 && accounts(&after) < accounts(&before), "{after}");
    let later: Vec<Vec<u8>> = (0..48)
        .map(|n| {
            serde_json::json!({"id": format!("much-later-{n}"), "platform": "elsewhere", "account_id": format!("new-{n}"),
                "created_at": "2026-10-20T00:00:00Z", "text": format!("good morning {n}")})
            .to_string()
            .into_bytes()
        })
        .collect();
    assert!(service.post(&later).is_some());
    service.settle(48);
    assert!(service.json("/api/audit/verification")["whole"].as_bool().unwrap());
    let objects = feed(&service, &place.key(&account.platform));
    let token = report["token"].as_str().unwrap();
    let withdrawn = |object: &&Value| object["revoked"] == true && object.to_string().contains(token);
    assert!(objects.iter().any(|object| withdrawn(&object)), "the partner learns of the withdrawal");
    assert_eq!(service.stop().code(), Some(0));
    says(&place, None, 0, &["audit", "verify"]);
    assert_eq!(files_with(&place, &account), BTreeSet::new());
    assert_eq!(topics_with(&place, &account), BTreeSet::new());
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/kafka.sh start"]
fn on_kafka_compacted_topics_lose_the_account_and_the_others_name_the_day() {
    let broker = Broker::start();
    let brokers = broker.address();
    let world = World::demo();
    let place = Place::new(Some(brokers), &world.platforms);
    let (service, _, account) = shared_case(&place, &world);
    let argument = account.argument();
    let erase = ["erase", "account", &argument];
    let refused = says(&place, Some(brokers), 1, &erase);
    assert!(refused.contains("stop the services first"), "{refused}");
    assert_eq!(service.stop().code(), Some(0));

    let erased = says(&place, Some(brokers), 1, &erase);
    for text in [
        "not erased: topic posts: ",
        "the last copy expires on ",
        "(topics.posts_days = 70)",
        "not erased: topic clusters: the old records go",
        "not everything is erased",
    ] {
        assert!(erased.contains(text), "{text:?} is not in {erased}");
    }
    assert_eq!(files_with(&place, &account), BTreeSet::new());
    let clusters = read(&place, Some(brokers), CLUSTERS);
    let last: BTreeMap<_, _> = clusters.into_iter().map(|record| (record.key, record.value)).collect();
    for (key, value) in last {
        assert!(!account.is_in(&value.unwrap_or_default()), "{}", String::from_utf8_lossy(&key));
    }
    says(&place, Some(brokers), 0, &["audit", "verify"]);
    says(&place, Some(brokers), 1, &erase);
}
