use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, response::Response};
use serde_json::Value;

use super::*;
use crate::{
    config::{Config as Whole, webhooks::Config},
    store::{
        DeliveryQuery, DeliveryState, Store,
        database::tests::{Place, on_both_databases},
    },
};
use casework::{Reviewers, Tlp, case::Step, policy::Partner};
use presentation::fixtures;

/// A partner's endpoint: takes what comes, and answers as told, else with 204.
#[derive(Clone, Default)]
pub(crate) struct Endpoint {
    pub url: String,
    pub got: Arc<Mutex<Vec<Got>>>,
    pub answers: Arc<Mutex<VecDeque<Reply>>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub headers: HeaderMap,
    pub body: Bytes,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub after: Duration,
    pub body: Vec<u8>,
}

impl Endpoint {
    pub async fn start() -> Endpoint {
        Self::start_on(std::net::SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    pub async fn start_on(address: std::net::SocketAddr) -> Endpoint {
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let endpoint = Endpoint { url, ..Endpoint::default() };
        let router = Router::new().fallback(take).with_state(endpoint.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        endpoint
    }

    fn will(&self, status: u16) {
        self.answers.lock().unwrap().push_back(Reply { status, ..Reply::default() });
    }

    pub fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }
}

async fn take(State(endpoint): State<Endpoint>, headers: HeaderMap, body: Bytes) -> Response {
    let reply = endpoint.answers.lock().unwrap().pop_front().unwrap_or(Reply { status: 204, ..Reply::default() });
    tokio::time::sleep(reply.after).await;
    endpoint.got.lock().unwrap().push(Got { headers, body });
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    response.body(reply.body.into()).unwrap()
}

impl Got {
    pub fn id(&self) -> &str {
        self.headers["webhook-id"].to_str().unwrap()
    }

    pub fn verifies(&self, secret: &str) -> bool {
        standardwebhooks::Webhook::new(secret).unwrap().verify(&self.body, &self.headers).is_ok()
    }

    pub fn objects(&self) -> Vec<Value> {
        let body: Value = serde_json::from_slice(&self.body).unwrap();
        let objects = body["data"]["objects"].as_array().unwrap().clone();
        let withdraws = objects.iter().any(|object| object["revoked"] == true);
        assert_eq!(body["type"], if withdraws { "objects.withdrawn" } else { "objects.added" });
        objects
    }
}

fn partner(name: &str, platform: &str, webhook: Option<&str>) -> Partner {
    Partner {
        name: name.to_owned(),
        platform: platform.to_owned(),
        webhook: webhook.map(str::to_owned),
        ..Partner::default()
    }
}

fn open(place: &str, reviewers: Reviewers, partners: Vec<Partner>) -> Sharing {
    let config = Whole {
        database: place.to_owned(),
        reviewers,
        invented_recipients: true,
        tlp: Tlp::Amber,
        partners,
        webhooks: Config { private: true, timeout_s: 1, ..Config::default() },
        ..Whole::default()
    };
    Sharing::open(config, &runtime::metrics::Metrics::new().unwrap()).unwrap()
}

/// A sender with a clock of its own.
struct Sending {
    sharing: Sharing,
    sender: send::Sender,
    now: Mutex<Timestamp>,
}

impl Sending {
    fn new(sharing: &Sharing) -> Arc<Self> {
        let sender = send::Sender::new(Duration::from_secs(1), true).unwrap();
        // Some seconds on, so that what was just stored is due.
        let now = Timestamp::now() + SignedDuration::from_secs(2);
        Arc::new(Self { sharing: sharing.clone(), sender, now: Mutex::new(now) })
    }

    fn pass(&self, time: SignedDuration) {
        let mut now = self.now.lock().unwrap();
        *now = now.checked_add(time).unwrap();
    }

    async fn next(self: &Arc<Self>, partner: &str) -> bool {
        let (this, partner) = (Arc::clone(self), partner.to_owned());
        let clock = move |this: &Self| *this.now.lock().unwrap();
        tokio::task::spawn_blocking(move || {
            this.sharing.inner.send_next(&this.sender, &partner, &|| clock(&this)).unwrap()
        })
        .await
        .unwrap()
    }
}

fn states(store: &Store) -> Vec<(DeliveryState, i64, String)> {
    let query = DeliveryQuery { limit: 100, ..DeliveryQuery::default() };
    let mut all = store.deliveries(&query).unwrap();
    all.reverse();
    all.into_iter().map(|one| (one.state, one.attempts, one.last_outcome.unwrap_or_default())).collect()
}

on_both_databases!(async fn what_is_added_to_a_collection_reaches_the_endpoint_signed, failures_are_tried_again_in_order_with_the_same_id_and_bytes, after_three_days_a_delivery_is_given_up_and_the_next_one_goes, gone_disables_until_there_is_a_new_secret_and_retry_after_is_honoured, an_endpoint_that_took_a_withdrawal_has_acknowledged_it, two_instances_send_each_delivery_once_and_in_order);

async fn what_is_added_to_a_collection_reaches_the_endpoint_signed((_folder, place): Place) {
    let endpoint = Endpoint::start().await;
    let partners = vec![partner("birds", "twitter", Some(&endpoint.url)), partner("blue", "bluesky", None)];
    let sharing = open(&place, Reviewers::Demo, partners);
    sharing.on_clusters(vec![fixtures::cluster("a", 1)]).await.unwrap();
    let sending = Sending::new(&sharing);
    assert!(!sending.next("birds").await, "nothing goes out unsigned");
    assert_eq!(endpoint.got().len(), 0);

    let secret = sharing.webhook_secret("birds").await.unwrap();
    assert!(secret.starts_with("whsec_"));
    sending.pass(SignedDuration::from_secs(1));
    assert!(sending.next("birds").await);
    assert!(!sending.next("birds").await, "and no more");
    let got = endpoint.got();
    assert_eq!(got.len(), 1);
    assert!(got[0].verifies(&secret));
    assert_eq!(got[0].headers["content-type"], "application/json");

    // The very objects of its collection, of its own platform only.
    let row = &sharing.inner.store.partners().unwrap()[0];
    let query = crate::store::ObjectQuery::every_version(&[]);
    let stored = sharing.inner.store.objects(row.collection, &query).unwrap().0;
    let stored: Vec<Value> = stored.iter().map(|object| serde_json::from_str(&object.body).unwrap()).collect();
    assert!(!stored.is_empty());
    assert_eq!(got[0].objects(), stored);
    assert!(stored.iter().all(|object| object["account_type"] != "bluesky"));
    assert_eq!(states(&sharing.inner.store), [(DeliveryState::Delivered, 1, "204".to_owned())]);
    let case = sharing.inner.store.case("a").unwrap().unwrap().case;
    let history = sharing.inner.store.history(&case.id).unwrap();
    assert_eq!(history.last().unwrap().entry.action, "delivered");
}

async fn failures_are_tried_again_in_order_with_the_same_id_and_bytes((_folder, place): Place) {
    let endpoint = Endpoint::start().await;
    let sharing = open(&place, Reviewers::Demo, vec![partner("birds", "twitter", Some(&endpoint.url))]);
    let secret = sharing.webhook_secret("birds").await.unwrap();
    for version in 1..=2 {
        sharing.on_clusters(vec![fixtures::cluster("a", version)]).await.unwrap();
    }
    let sending = Sending::new(&sharing);
    endpoint.will(500);
    assert!(!sending.next("birds").await);
    assert!(!sending.next("birds").await, "the second does not overtake the first");
    assert_eq!(endpoint.got().len(), 1);
    // A redirect is no way to get us elsewhere.
    let elsewhere = Endpoint::start().await;
    endpoint.answers.lock().unwrap().push_back(Reply {
        status: 307,
        headers: vec![("location", elsewhere.url.clone())],
        ..Reply::default()
    });
    sending.pass(SignedDuration::from_secs(6));
    assert!(!sending.next("birds").await);
    assert_eq!(elsewhere.got().len(), 0);
    // Too slow: the request is broken off.
    endpoint.answers.lock().unwrap().push_back(Reply {
        status: 200,
        after: Duration::from_secs(24 * 3600),
        ..Reply::default()
    });
    sending.pass(SignedDuration::from_secs(21));
    assert!(!sending.next("birds").await);
    // A long answer is not read to its end.
    let long = Reply { status: 200, body: vec![b'x'; 8 << 20], ..Reply::default() };
    endpoint.answers.lock().unwrap().push_back(long);
    sending.pass(SignedDuration::from_secs(81));
    assert!(sending.next("birds").await);
    assert!(sending.next("birds").await);
    let states = states(&sharing.inner.store);
    assert_eq!((states[0].0, states[0].1), (DeliveryState::Delivered, 4));
    assert_eq!((states[1].0, states[1].1), (DeliveryState::Delivered, 1));
    // The slow answer was noted by the endpoint before or after the last one; ids tell them apart.
    let got = endpoint.got();
    let first = got[0].id().to_owned();
    let of_first: Vec<&Got> = got.iter().filter(|got| got.id() == first).collect();
    assert!(of_first.len() >= 3);
    assert!(of_first.iter().all(|one| one.body == got[0].body && one.verifies(&secret)));
    assert_ne!(got.last().unwrap().id(), first);
}

async fn after_three_days_a_delivery_is_given_up_and_the_next_one_goes((_folder, place): Place) {
    let endpoint = Endpoint::start().await;
    let sharing = open(&place, Reviewers::Demo, vec![partner("birds", "twitter", Some(&endpoint.url))]);
    sharing.webhook_secret("birds").await.unwrap();
    sharing.on_clusters(vec![fixtures::cluster("a", 1)]).await.unwrap();
    let sending = Sending::new(&sharing);
    let mut attempts = 0;
    let began = *sending.now.lock().unwrap();
    while states(&sharing.inner.store)[0].0 == DeliveryState::Pending {
        endpoint.will(500);
        sending.next("birds").await;
        attempts += 1;
        let query = DeliveryQuery { limit: 1, ..DeliveryQuery::default() };
        if let Some(next) = sharing.inner.store.deliveries(&query).unwrap()[0].next_at {
            *sending.now.lock().unwrap() = next;
        }
    }
    let lasted = sending.now.lock().unwrap().duration_since(began);
    assert!(attempts > 12 && attempts < 40, "{attempts}");
    assert!(lasted > SignedDuration::from_hours(71) && lasted <= SignedDuration::from_hours(72), "{lasted}");
    assert_eq!(sharing.inner.store.delivery_counts().unwrap(), (0, 1, 0));

    sharing.on_clusters(vec![fixtures::cluster("a", 2)]).await.unwrap();
    *sending.now.lock().unwrap() = Timestamp::now() + SignedDuration::from_secs(2);
    assert!(sending.next("birds").await);
    // A person sends the dead one again, with its id.
    let dead = DeliveryQuery { state: Some(DeliveryState::Dead), limit: 9, ..DeliveryQuery::default() };
    let dead = sharing.deliveries(dead).await.unwrap().remove(0);
    sharing.resend(&dead.id).await.unwrap();
    sending.pass(SignedDuration::from_secs(2));
    assert!(sending.next("birds").await);
    assert_eq!(endpoint.got().last().unwrap().id(), dead.id);
    assert_eq!(sharing.inner.store.delivery_counts().unwrap(), (0, 0, 0));
    assert!(sharing.discard_delivery(&dead.id).await.is_err(), "it is not dead");
    assert!(sharing.resend("msg_x").await.unwrap_err().to_string().contains("deliveries lists"));
    assert!(sharing.verify_audit().await.unwrap().is_ok());
}

/// What the audit log says of an action.
fn audit_texts(sharing: &Sharing, action: &str) -> Vec<String> {
    let entries = sharing.inner.store.audit_before(None, 1_000).unwrap();
    entries.into_iter().filter(|one| one.entry.action == action).map(|one| one.entry.text).collect()
}

async fn gone_disables_until_there_is_a_new_secret_and_retry_after_is_honoured((_folder, place): Place) {
    let endpoint = Endpoint::start().await;
    let sharing = open(&place, Reviewers::Demo, vec![partner("birds", "twitter", Some(&endpoint.url))]);
    let old = sharing.webhook_secret("birds").await.unwrap();
    sharing.on_clusters(vec![fixtures::cluster("a", 1)]).await.unwrap();
    let sending = Sending::new(&sharing);
    for (status, asked) in [(503, 7_200), (429, 600)] {
        endpoint.answers.lock().unwrap().push_back(Reply {
            status,
            headers: vec![("retry-after", asked.to_string())],
            ..Reply::default()
        });
        let n = endpoint.got().len();
        assert!(!sending.next("birds").await);
        assert_eq!(endpoint.got().len(), n + 1);
        sending.pass(SignedDuration::from_secs(asked - 1));
        sending.next("birds").await;
        assert_eq!(endpoint.got().len(), n + 1, "not before it asked for");
        sending.pass(SignedDuration::from_secs(1));
    }
    // One more waits behind it, and one comes later.
    sharing.on_clusters(vec![fixtures::cluster("b", 1)]).await.unwrap();
    endpoint.will(410);
    sending.next("birds").await;
    sharing.on_clusters(vec![fixtures::cluster("c", 1)]).await.unwrap();
    sending.pass(SignedDuration::from_hours(100));
    sending.next("birds").await;
    assert_eq!(endpoint.got().len(), 3);
    assert_eq!(sharing.inner.store.delivery_counts().unwrap(), (0, 0, 1), "nothing is pending any more");
    let state_of_all = states(&sharing.inner.store);
    assert_eq!(state_of_all.iter().map(|(state, ..)| *state).collect::<Vec<_>>(), [DeliveryState::Disabled; 3]);
    assert!(state_of_all[0].2.starts_with("410") && state_of_all[1].2.is_empty());
    let texts: Vec<String> = audit_texts(&sharing, "webhook_disabled");
    assert_eq!(texts.len(), 1, "it is said once: {texts:?}");
    assert!(texts[0].contains("1 later delivery"), "{texts:?}");
    let ids = DeliveryQuery { limit: 9, ..DeliveryQuery::default() };
    let ids: Vec<String> = sharing.deliveries(ids).await.unwrap().into_iter().map(|one| one.id).collect();
    let refused = sharing.resend(&ids[2]).await.unwrap_err().to_string();
    assert!(refused.contains("is gone"), "{refused}");
    // The newest one need not be sent any more.
    sharing.discard_delivery(&ids[0]).await.unwrap();

    let new = sharing.webhook_secret("birds").await.unwrap();
    *sending.now.lock().unwrap() = Timestamp::now() + SignedDuration::from_secs(2);
    assert!(sending.next("birds").await);
    let got = endpoint.got();
    // For a day both secrets serve.
    assert!(got[3].verifies(&old) && got[3].verifies(&new) && old != new);
    assert!(sending.next("birds").await, "what waited behind it goes on");
    assert!(!sending.next("birds").await);
    sharing.on_clusters(vec![fixtures::cluster("a", 2)]).await.unwrap();
    sending.pass(SignedDuration::from_hours(24));
    assert!(sending.next("birds").await);
    let late = &endpoint.got()[5];
    assert!(!late.headers["webhook-signature"].to_str().unwrap().contains(' '), "the old one has ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_partner_that_is_down_holds_up_nobody_else_and_a_large_change_comes_in_parts() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::start().await;
    let partners = vec![
        partner("birds", "twitter", Some(&endpoint.url)),
        // Nobody listens there.
        partner("blue", "bluesky", Some("http://127.0.0.1:9/")),
    ];
    let place = folder.path().join("s.sqlite").display().to_string();
    let sharing = open(&place, Reviewers::Demo, partners);
    let secret = sharing.webhook_secret("birds").await.unwrap();
    sharing.webhook_secret("blue").await.unwrap();
    sharing.on_clusters(vec![fixtures::sized("big", 1, 600, 10)]).await.unwrap();
    let shutdown = Shutdown::new();
    let running = tokio::spawn({
        let (sharing, shutdown) = (sharing.clone(), shutdown.clone());
        async move { run(&sharing, &shutdown).await }
    });
    for _ in 0..200 {
        let (pending, ..) = sharing.inner.store.delivery_counts().unwrap();
        if states(&sharing.inner.store).iter().filter(|(state, ..)| *state == DeliveryState::Delivered).count() > 1
            && pending <= 1
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    shutdown.stop();
    running.await.unwrap().unwrap();
    let got = endpoint.got();
    assert!(got.len() > 1, "{}", got.len());
    assert!(got.iter().all(|part| part.verifies(&secret) && part.body.len() < 700 * 1024));
    let ids: BTreeSet<&str> = got.iter().map(Got::id).collect();
    assert_eq!(ids.len(), got.len());
    let indicators = got.iter().flat_map(Got::objects).filter(|object| object["type"] == "indicator").count();
    assert_eq!(indicators, 500, "each account of its platform once");
    let blue = DeliveryQuery { partner: Some("blue".to_owned()), limit: 9, ..DeliveryQuery::default() };
    let blue = sharing.deliveries(blue).await.unwrap();
    assert!(blue.iter().all(|one| one.state == DeliveryState::Pending), "{blue:?}");
    assert!(blue.last().unwrap().last_outcome.as_ref().unwrap().to_lowercase().contains("refused"), "{blue:?}");
}

async fn an_endpoint_that_took_a_withdrawal_has_acknowledged_it((_folder, place): Place) {
    let endpoint = Endpoint::start().await;
    let sharing = open(&place, Reviewers::Demo, vec![partner("birds", "twitter", Some(&endpoint.url))]);
    sharing.webhook_secret("birds").await.unwrap();
    sharing.on_clusters(vec![fixtures::cluster("a", 1)]).await.unwrap();
    sharing.step("a", Step::Retract { reason: "a fan club".to_owned() }, "ann").await.unwrap();
    let sending = Sending::new(&sharing);
    assert!(sending.next("birds").await);
    assert_eq!(sharing.retractions_waiting(false).await.unwrap().len(), 1, "only the flags have arrived");
    assert!(sending.next("birds").await);
    assert_eq!(sharing.retractions_waiting(false).await.unwrap(), []);
    let case = sharing.inner.store.case("a").unwrap().unwrap().case;
    let all = sharing.inner.store.retractions_of(&case.id).unwrap();
    assert_eq!((all[0].accounts.len(), all[0].acked_by.as_deref()), (10, Some("webhook")));
    // A withdrawal is an event of its own kind, and both name the case by the id that this partner has for it.
    let bodies: Vec<Value> = endpoint.got().iter().map(|got| serde_json::from_slice(&got.body).unwrap()).collect();
    let kinds: Vec<&str> = bodies.iter().map(|body| body["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["objects.added", "objects.withdrawn"]);
    let reference = sharing.inner.store.reference_for("birds", &case.id).unwrap();
    assert!(bodies.iter().all(|body| body["data"]["case"] == *reference), "{reference}");
    assert!(endpoint.got().iter().all(|got| !String::from_utf8_lossy(&got.body).contains(&case.id)));
    // A delivery from before there was this event, and before there were these ids, keeps its bytes.
    let old = r#"{"type":"objects.added","timestamp":"2026-11-01T00:00:00Z","data":{"case":"case-1","collection":"c","objects":[]}}"#;
    let at: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    let claimed = Claimed {
        number: 1,
        id: "msg_1".to_owned(),
        partner: "birds".to_owned(),
        case_id: "case-1".to_owned(),
        reference: "case-1".to_owned(),
        event: "objects.added".to_owned(),
        collection: 1,
        after_added: 0,
        until_added: 1,
        attempts: 1,
        since: at,
        created_at: at,
        url: String::new(),
        secrets: Vec::new(),
    };
    assert_eq!(super::body(&claimed, "c", &[]), old);
}

async fn two_instances_send_each_delivery_once_and_in_order((_folder, place): Place) {
    let endpoint = Endpoint::start().await;
    let instances: Vec<Sharing> =
        (0..2).map(|_| open(&place, Reviewers::Demo, vec![partner("birds", "twitter", Some(&endpoint.url))])).collect();
    instances[0].webhook_secret("birds").await.unwrap();
    let shutdown = Shutdown::new();
    let running: Vec<_> = instances
        .iter()
        .map(|sharing| {
            let (sharing, shutdown) = (sharing.clone(), shutdown.clone());
            tokio::spawn(async move { run(&sharing, &shutdown).await })
        })
        .collect();
    for n in 0..12 {
        instances[n % 2].on_clusters(vec![fixtures::cluster(&format!("c{n}"), 1)]).await.unwrap();
    }
    for _ in 0..400 {
        if instances[0].inner.store.delivery_counts().unwrap().0 == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    shutdown.stop();
    for one in running {
        one.await.unwrap().unwrap();
    }
    let query = DeliveryQuery { limit: 99, ..DeliveryQuery::default() };
    let made: Vec<String> =
        instances[0].deliveries(query).await.unwrap().into_iter().rev().map(|delivery| delivery.id).collect();
    let got: Vec<String> = endpoint.got().iter().map(|got| got.id().to_owned()).collect();
    assert_eq!((got.len(), got), (12, made));
    let sent = |sharing: &Sharing| sharing.inner.metrics.webhook_attempts.with_label_values(&["delivered"]).get();
    assert_eq!(instances.iter().map(sent).sum::<u64>(), 12);
}

#[test]
fn pauses_grow_to_hours_and_are_spread() {
    let seconds = |attempts, random| pause(attempts, random).as_secs_f64();
    assert_eq!((seconds(1, 0.0), seconds(1, 1.0)), (2.5, 5.0));
    assert_eq!((seconds(2, 1.0), seconds(3, 1.0)), (20.0, 80.0));
    for attempts in 1..100 {
        assert!(seconds(attempts, 1.0) <= 6.0 * 3_600.0);
        assert!(seconds(attempts, 0.3) <= seconds(attempts + 1, 0.3));
    }
    assert_eq!(seconds(99, 1.0), 6.0 * 3_600.0);
    assert!((0.0..=1.0).contains(&random()));
}
