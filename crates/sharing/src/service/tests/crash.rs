//! A process that dies at a named place: in the next life nothing is lost and nothing doubled.
//!
//! The child is this test program itself, running [`child`] alone with an environment that says where it dies.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use futures::StreamExt;
use messages::feedback::Feedback;
use serde_json::{Value, json};

use super::super::{clusters::GROUP, *};
use crate::{
    object::NewObject,
    store::{
        DeliveryQuery, DeliveryState, ObjectQuery, Versions,
        database::tests::{Place, on_both_databases, postgres_place, sqlite_place},
    },
    webhooks::tests::{Endpoint, Got},
};
use casework::policy::Partner;
use messages::topics;
use presentation::fixtures;
use runtime::shutdown::Shutdown;
use std::time::Duration;

const PLACES: [&str; 9] = [
    "after poll",
    "after the case is stored",
    "before the offset is committed",
    "after the offset is committed",
    "after a release is stored",
    "before a webhook is sent",
    "after a webhook is answered",
    "after feedback is stored",
    "after feedback is published",
];
/// A case of that cluster is released by the child, step by step, as a person would.
const BY_PEOPLE: &str = "by-people";

fn config(place: &str, url: &str) -> Config {
    Config {
        database: place.to_owned(),
        reviewers: Reviewers::Demo,
        invented_recipients: true,
        partners: vec![Partner {
            name: "birds".to_owned(),
            platform: "twitter".to_owned(),
            webhook: Some(url.to_owned()),
            ..Partner::default()
        }],
        webhooks: crate::config::webhooks::Config { private: true, timeout_s: 1, ..Default::default() },
        ..Config::default()
    }
}

async fn open_log(folder: &Path) -> runtime::Log {
    let log = runtime::Log::open_embedded(&folder.join("log")).await.unwrap();
    let topic = |name| runtime::TopicSpec { name, partitions: 1, cleanup: runtime::Cleanup::Delete, retention: None };
    log.create_topics(&[topic(topics::FEEDBACK), topic(topics::CLUSTERS_FLAGGED), topic(topics::CLUSTERS)])
        .await
        .unwrap();
    log
}

fn all(sharing: &Sharing, kinds: &[&str], versions: Versions) -> Vec<Value> {
    let row = &sharing.inner.store.partners().unwrap()[0];
    let query = ObjectQuery { versions, ..ObjectQuery::every_version(kinds) };
    let rows = sharing.inner.store.objects(row.collection, &query).unwrap().0;
    rows.iter().map(|object| serde_json::from_str(&object.body).unwrap()).collect()
}

/// One life of the service: runs until all is done, or dies on the way.
#[test]
fn child() {
    let (Ok(folder), Ok(place), Ok(url)) =
        (std::env::var("CRASH_FOLDER"), std::env::var("CRASH_STORE"), std::env::var("CRASH_URL"))
    else {
        return;
    };
    tokio::runtime::Runtime::new().unwrap().block_on(life(Path::new(&folder), &place, &url));
}

async fn life(folder: &Path, place: &str, url: &str) {
    let sharing = Sharing::open(config(place, url), &runtime::metrics::Metrics::new().unwrap()).unwrap();
    let log = open_log(folder).await;
    let shutdown = Shutdown::new();
    let running = tokio::spawn({
        let (sharing, log, shutdown) = (sharing.clone(), log.clone(), shutdown.clone());
        async move { sharing.run(log, shutdown).await }
    });
    let store = &sharing.inner.store;
    let state = |id: &str| store.case(id).unwrap().map(|stored| stored.case.state);
    wait("cases are released", || ["a", "b"].iter().all(|id| state(id) == Some(State::Released))).await;
    // A person withdraws one of them: a step beside the stream.
    if state("b") == Some(State::Released) && !withdrawn(&sharing) {
        let keys = first_account(&sharing);
        sharing.withdraw_accounts("b", vec![keys], "not theirs", BY_PEOPLE).await.unwrap();
    }
    // The partner answers once, whatever happens to us.
    let inbox = store.inboxes().unwrap().remove(0);
    let about = all(&sharing, &["campaign"], Versions::Some { first: true, last: false, at: Vec::new() });
    for (n, campaign) in about.iter().enumerate() {
        let id = format!("opinion--00000000-0000-4000-8000-00000000000{n}");
        let object = json!({"type": "opinion", "id": id, "modified": "2026-11-01T00:00:00.000Z", "opinion": "agree",
                            "object_refs": [campaign["id"]]});
        let new = NewObject {
            id,
            kind: "opinion".to_owned(),
            spec_version: "2.1".to_owned(),
            version: Some(1),
            body: object.to_string(),
        };
        store.post_feedback(inbox.collection, &[new], Timestamp::now()).unwrap();
    }
    wait("feedback is published", || {
        store.unpublished_feedback(9).unwrap().is_empty() && feedback(&sharing) == about.len()
    })
    .await;
    wait("webhooks are delivered", || store.delivery_counts().unwrap() == (0, 0, 0)).await;
    for _ in 0..400 {
        let committed = log.committed(GROUP, topics::CLUSTERS_FLAGGED).await.unwrap();
        if committed
            == log.end_offsets(topics::CLUSTERS_FLAGGED).await.unwrap().into_iter().map(Some).collect::<Vec<_>>()
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    shutdown.stop();
    running.await.unwrap().unwrap();
    log.shutdown().await.unwrap();
}

async fn wait(what: &str, done: impl Fn() -> bool) {
    for _ in 0..1_200 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("waited half a minute: {what}");
}

fn withdrawn(sharing: &Sharing) -> bool {
    !sharing.inner.store.case("b").unwrap().unwrap().case.left_out.is_empty()
}

fn first_account(sharing: &Sharing) -> (String, String) {
    let stored = sharing.inner.store.case("b").unwrap().unwrap();
    let account = stored.cluster.accounts.iter().find(|account| account.platform == "twitter").unwrap();
    (account.platform.clone(), account.account_id.clone())
}

fn feedback(sharing: &Sharing) -> usize {
    let cases = ["a", "b"].map(|id| sharing.inner.store.case(id).unwrap().unwrap().case.id);
    cases.iter().map(|id| sharing.inner.store.feedback_of(id).unwrap().len()).sum()
}

/// Runs the child; whether it came to the end.
fn live(folder: &Path, store: &str, url: &str, dies: Option<&str>) -> bool {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "service::tests::crash::child", "--nocapture", "--test-threads=1"]);
    command.env("CRASH_FOLDER", folder).env("CRASH_STORE", store).env("CRASH_URL", url);
    command.env("LOCKSTEP_CRASH_AT", dies.unwrap_or_default());
    let out = command.output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() || dies.is_some() && !said.contains("panicked"), "{said}");
    out.status.success()
}

/// What must be the same after any life.
#[derive(Debug, PartialEq)]
struct Observed {
    /// What the audit log says of each case, in order.
    history: Vec<(String, Vec<String>)>,
    /// How many versions each object of the collection has, by kind.
    objects: BTreeMap<String, usize>,
    /// Objects that reached the endpoint, by kind, counting each delivery once.
    received: BTreeMap<String, usize>,
    /// The last word by key on the topic.
    feedback: BTreeMap<String, bool>,
    states: Vec<(DeliveryState, i64)>,
    acknowledged: usize,
}

async fn observe(folder: &Path, place: &str, url: &str, got: &[Got]) -> Observed {
    let sharing = Sharing::attach(config(place, url), &runtime::metrics::Metrics::new().unwrap()).unwrap();
    assert!(sharing.verify_audit().await.unwrap().is_ok());
    let store = &sharing.inner.store;
    let kinds = |objects: Vec<Value>| {
        objects.into_iter().fold(BTreeMap::new(), |mut kinds: BTreeMap<String, usize>, object| {
            *kinds.entry(object["type"].as_str().unwrap().to_owned()).or_default() += 1;
            kinds
        })
    };
    let history = ["a", "b"].map(|id| {
        let case = store.case(id).unwrap().unwrap().case;
        // What happens beside each other may be noted in either order.
        let mut actions: Vec<String> =
            store.history(&case.id).unwrap().into_iter().map(|sealed| sealed.entry.action).collect();
        actions.sort();
        (id.to_owned(), actions)
    });
    let mut ids = BTreeSet::new();
    let mut bodies: BTreeMap<&str, &[u8]> = BTreeMap::new();
    for one in got {
        assert_eq!(*bodies.entry(one.id()).or_insert(&one.body), &one.body[..], "one id, one body");
    }
    let once = got.iter().filter(|one| ids.insert(one.id().to_owned()));
    let received = kinds(once.flat_map(Got::objects).collect());
    let log = open_log(folder).await;
    let records: Vec<_> = log.read_all(topics::FEEDBACK, &[]).await.unwrap().collect().await;
    let mut feedback = BTreeMap::new();
    for record in records {
        let record = record.unwrap();
        let value = Feedback::decode(&record.value.unwrap()).unwrap();
        feedback.insert(String::from_utf8(record.key).unwrap(), value.verdict.inauthentic());
    }
    log.shutdown().await.unwrap();
    let deliveries = store.deliveries(&DeliveryQuery { limit: 100, ..DeliveryQuery::default() }).unwrap();
    let case = store.case("b").unwrap().unwrap().case;
    Observed {
        history: history.into(),
        objects: kinds(all(&sharing, &[], Versions::All)),
        received,
        feedback,
        states: deliveries.into_iter().map(|one| (one.state, one.objects)).collect(),
        acknowledged: store.retractions_of(&case.id).unwrap().iter().filter(|one| one.acked_at.is_some()).count(),
    }
}

/// A service's whole story with a death at that place, if any.
async fn story(folder: &Path, place: &str, dies: Option<&str>) -> Observed {
    let endpoint = Endpoint::start().await;
    let log = open_log(folder).await;
    let records = ["a", "b"].map(|id| {
        let cluster = fixtures::cluster(id, 1);
        runtime::NewRecord::new(topics::CLUSTERS_FLAGGED, id.as_bytes(), cluster.encode().unwrap())
    });
    log.append(records.to_vec()).await.unwrap();
    log.shutdown().await.unwrap();
    let sharing = Sharing::open(config(place, &endpoint.url), &runtime::metrics::Metrics::new().unwrap()).unwrap();
    let secret = sharing.webhook_secret("birds").await.unwrap();
    drop(sharing);
    let live = |dies: Option<&'static str>| {
        let (folder, place, url) = (folder.to_owned(), place.to_owned(), endpoint.url.clone());
        tokio::task::spawn_blocking(move || live(&folder, &place, &url, dies))
    };
    if let Some(dies) = dies {
        let dies = PLACES.into_iter().find(|place| *place == dies);
        assert!(!live(dies).await.unwrap(), "it did not die {dies:?}");
    }
    assert!(live(None).await.unwrap());
    let got = endpoint.got();
    assert!(got.iter().all(|one| one.verifies(&secret)));
    let ids: BTreeSet<&str> = got.iter().map(Got::id).collect();
    // At least once: only what was answered and not noted comes again, under its id.
    assert_eq!(got.len() - ids.len(), usize::from(dies == Some("after a webhook is answered")));
    observe(folder, place, &endpoint.url, &got).await
}

on_both_databases!(async fn wherever_the_process_dies_nothing_is_lost_and_nothing_doubled);

async fn wherever_the_process_dies_nothing_is_lost_and_nothing_doubled((folder, place): Place) {
    let fresh = if place.starts_with("postgres") { postgres_place } else { sqlite_place };
    let undisturbed = story(folder.path(), &place, None).await;
    assert_eq!(undisturbed.objects, undisturbed.received, "{undisturbed:?}");
    assert_eq!((undisturbed.feedback.len(), undisturbed.acknowledged), (2, 1), "{undisturbed:?}");
    assert!(undisturbed.states.iter().all(|(state, _)| *state == DeliveryState::Delivered));
    for dies in PLACES {
        let (folder, place) = fresh();
        let observed = story(folder.path(), &place, Some(dies)).await;
        assert_eq!(observed, undisturbed, "{dies}, {place}");
    }
}
