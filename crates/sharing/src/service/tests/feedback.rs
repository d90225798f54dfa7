//! Feedback, withdrawals and their acknowledgement, flags that run out.

mod retractions;

use messages::feedback::{Feedback, Verdict};
use serde_json::{Value, json};

use std::time::Duration;

use casework::{case::AttentionReason, retraction::Decision};
use messages::{
    cluster::{ClusterMessage, Status},
    topics,
};
use runtime::shutdown::Shutdown;

use super::super::*;
use crate::{
    object::NewObject,
    store::{
        ObjectQuery, Versions,
        database::tests::{Place, on_both_databases, sqlite_place},
    },
};
use casework::{feedback::Outcome, policy::Partner};
use presentation::fixtures;

const DAY: i64 = 24 * 3_600;

fn open(place: &str, reviewers: Reviewers) -> Sharing {
    let partner = |name: &str, platform: &str| Partner {
        name: name.to_owned(),
        platform: platform.to_owned(),
        ..Partner::default()
    };
    let config = Config {
        database: place.to_owned(),
        reviewers,
        invented_recipients: true,
        partners: vec![partner("birds", "twitter"), partner("blue", "bluesky")],
        ..Config::default()
    };
    Sharing::open(config, &runtime::metrics::Metrics::new().unwrap()).unwrap()
}

async fn release(sharing: &Sharing, id: &str) {
    sharing.on_clusters(vec![fixtures::cluster(id, 1)]).await.unwrap();
    let check = Step::CheckSourcesAndMethods { finding: "public posts only".to_owned() };
    sharing.step(id, Step::BeginReview, "ann").await.unwrap();
    sharing.step(id, check, "ann").await.unwrap();
    record(sharing, id).await;
    sharing.step(id, Step::Approve { comment: "clear".to_owned() }, "ann").await.unwrap();
    sharing.step(id, Step::Release, "bob").await.unwrap();
    // What the two said by it is told elsewhere.
    sharing.inner.store.feedback_published(i64::MAX).unwrap();
}

async fn what_reviewers_decide_is_a_label_until_somebody_looks_again((_folder, place): Place) {
    let said = |sharing: &Sharing| -> Vec<(String, Option<Verdict>)> {
        let rows = sharing.inner.store.unpublished_feedback(99).unwrap();
        sharing.inner.store.feedback_published(i64::MAX).unwrap();
        assert!(rows.iter().all(|row| row.message.account.is_none()), "the whole case");
        rows.into_iter().map(|row| (row.message.partner, (!row.taken_back).then_some(row.message.verdict))).collect()
    };
    let (ann, bob, cat) = ("reviewer:ann".to_owned(), "reviewer:bob".to_owned(), "reviewer:cat".to_owned());
    let dismiss = || Step::Dismiss { reason: "a fan club".to_owned(), authentic: true };
    let sharing = open(&place, Reviewers::People);
    // Dismissed by one who approved before, then looked at again.
    sharing.on_clusters(vec![fixtures::cluster("a", 1)]).await.unwrap();
    sharing.step("a", Step::BeginReview, "ann").await.unwrap();
    assert_eq!(said(&sharing), []);
    sharing.step("a", Step::Approve { comment: "clear".to_owned() }, "ann").await.unwrap();
    assert_eq!(said(&sharing), [(ann.clone(), Some(Verdict::Confirmed))]);
    sharing.step("a", dismiss(), "bob").await.unwrap();
    let note = sharing.inner.store.unpublished_feedback(9).unwrap().pop().unwrap().message.note;
    assert_eq!(note.as_deref(), Some("a fan club"));
    assert_eq!(said(&sharing), [(ann.clone(), None), (bob.clone(), Some(Verdict::Rejected))]);
    sharing.step("a", Step::ReturnToReview { reason: "new evidence".to_owned() }, "cat").await.unwrap();
    assert_eq!(said(&sharing), [(bob.clone(), None)]);
    // Dismissed for want of time: nobody says anything any longer.
    sharing.step("a", Step::Approve { comment: "clear".to_owned() }, "ann").await.unwrap();
    let away = Step::Dismiss { reason: "not ours to share".to_owned(), authentic: false };
    sharing.step("a", away, "ann").await.unwrap();
    assert_eq!(said(&sharing), [(ann.clone(), Some(Verdict::Confirmed)), (ann.clone(), None)]);
    // A step that is refused says nothing.
    assert!(sharing.step("a", Step::Release, "bob").await.is_err());
    assert_eq!(said(&sharing), []);
    // Released by two, withdrawn by a third: nobody vouches for it any longer.
    release(&sharing, "b").await;
    sharing.step("b", Step::Retract { reason: "asked to".to_owned() }, "cat").await.unwrap();
    assert_eq!(said(&sharing), [(ann.clone(), None), (bob.clone(), None)]);
    let case = sharing.inner.store.case("b").unwrap().unwrap().case;
    assert_eq!(sharing.inner.store.feedback_of(&case.id).unwrap(), [], "partners said nothing");
    // Dismissed by the very one who approved.
    sharing.on_clusters(vec![fixtures::cluster("c", 1)]).await.unwrap();
    sharing.step("c", Step::BeginReview, "cat").await.unwrap();
    sharing.step("c", Step::Approve { comment: String::new() }, "cat").await.unwrap();
    sharing.step("c", dismiss(), "cat").await.unwrap();
    let confirmed_then_rejected = [(cat.clone(), Some(Verdict::Confirmed)), (cat.clone(), Some(Verdict::Rejected))];
    assert_eq!(said(&sharing), confirmed_then_rejected);
    // It comes to the topic like a partner's.
    let key = "c|reviewer:cat";
    let folder = tempfile::tempdir().unwrap();
    let log = log(&folder).await;
    sharing.step("c", Step::ReturnToReview { reason: "too quick".to_owned() }, "cat").await.unwrap();
    crate::service::feedback::turn(&sharing, &log).await.unwrap();
    assert_eq!(on_topic(&log).await, [(key.to_owned(), None)]);
    sharing.step("c", dismiss(), "cat").await.unwrap();
    crate::service::feedback::turn(&sharing, &log).await.unwrap();
    let last = on_topic(&log).await.pop().unwrap();
    assert_eq!((last.0.as_str(), last.1.unwrap().verdict), (key, Verdict::Rejected));
    log.shutdown().await.unwrap();
    // The demo's reviewers are no people.
    let (_folder, place) = sqlite_place();
    let sharing = open(&place, Reviewers::Demo);
    sharing.on_clusters(vec![fixtures::cluster("a", 1)]).await.unwrap();
    assert_eq!(sharing.inner.store.case("a").unwrap().unwrap().case.state, State::Released);
    assert_eq!(said(&sharing), []);
}

/// What the rules ask for of every version.
async fn record(sharing: &Sharing, id: &str) {
    for fact in casework::fixtures::facts() {
        sharing.step(id, Step::Record(fact), "ann").await.unwrap();
    }
}

/// The newest versions of the objects of a kind that a partner sees.
fn seen(sharing: &Sharing, partner: &str, kind: &str) -> Vec<Value> {
    let row = sharing.inner.store.partners().unwrap().into_iter().find(|row| row.name == partner).unwrap();
    let query = ObjectQuery {
        versions: Versions::Some { first: false, last: true, at: Vec::new() },
        ..ObjectQuery::every_version(&[kind])
    };
    let objects = sharing.inner.store.objects(row.collection, &query).unwrap().0;
    objects.iter().map(|object| serde_json::from_str(&object.body).unwrap()).collect()
}

fn indicator(sharing: &Sharing, partner: &str, n: usize) -> (String, String) {
    let object = &seen(sharing, partner, "indicator")[n];
    let account = crate::object::account_of_pattern(object["pattern"].as_str().unwrap()).unwrap();
    (object["id"].as_str().unwrap().to_owned(), account)
}

/// Puts an object into a partner's inbox, as a POST does.
fn says(sharing: &Sharing, partner: &str, kind: &str, about: &str, properties: Value) {
    let inbox = sharing.inner.store.inboxes().unwrap().into_iter().find(|inbox| inbox.partner == partner).unwrap();
    let now = Timestamp::now();
    let id = format!("{kind}--{}", uuid::Uuid::new_v4());
    let mut object = json!({"type": kind, "id": id, "spec_version": "2.1", "modified": now.to_string()});
    match kind {
        "sighting" => object["sighting_of_ref"] = json!(about),
        _ => object["object_refs"] = json!([about]),
    }
    object.as_object_mut().unwrap().extend(properties.as_object().unwrap().clone());
    let new = NewObject {
        id: object["id"].as_str().unwrap().to_owned(),
        kind: kind.to_owned(),
        spec_version: "2.1".to_owned(),
        version: Some(now.as_microsecond()),
        body: object.to_string(),
    };
    sharing.inner.store.post_feedback(inbox.collection, &[new], now).unwrap();
}

fn counted(sharing: &Sharing, outcome: Outcome) -> u64 {
    sharing.inner.metrics.feedback.with_label_values(&[outcome.name()]).get()
}

fn actions(sharing: &Sharing, id: &str) -> Vec<String> {
    let case = sharing.inner.store.case(id).unwrap().unwrap().case;
    sharing.inner.store.history(&case.id).unwrap().into_iter().map(|sealed| sealed.entry.action).collect()
}

async fn on_topic(log: &runtime::Log) -> Vec<(String, Option<Feedback>)> {
    use futures::StreamExt;
    let records: Vec<_> = log.read_all(topics::FEEDBACK, &[]).await.unwrap().collect().await;
    let read = |record: runtime::Record| {
        let value = record.value.map(|value| Feedback::decode(&value).unwrap());
        (String::from_utf8(record.key).unwrap(), value)
    };
    records.into_iter().map(|record| read(record.unwrap())).collect()
}

async fn log(folder: &tempfile::TempDir) -> runtime::Log {
    let log = runtime::Log::open_embedded(&folder.path().join("log")).await.unwrap();
    let topic = |name| runtime::TopicSpec { name, partitions: 1, cleanup: runtime::Cleanup::Compact, retention: None };
    log.create_topics(&[topic(topics::FEEDBACK), topic(topics::CLUSTERS_FLAGGED), topic(topics::CLUSTERS)])
        .await
        .unwrap();
    log
}

async fn until(what: &str, done: impl Fn() -> bool) {
    for _ in 0..200 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("waited ten seconds: {what}");
}

on_both_databases!(async fn what_reviewers_decide_is_a_label_until_somebody_looks_again, feedback_becomes_labels_once, what_was_said_can_be_taken_back, flags_ask_for_attention_are_renewed_by_two_and_else_run_out, reviewers_are_told_when_a_shared_case_is_flagged_no_longer_or_absorbed, what_partners_say_in_the_end_is_counted_by_cluster);

async fn feedback_becomes_labels_once((folder, place): Place) {
    let sharing = open(&place, Reviewers::People);
    release(&sharing, "a").await;
    let ((first, account), (second, other)) = (indicator(&sharing, "birds", 0), indicator(&sharing, "birds", 1));
    let campaign = seen(&sharing, "birds", "campaign")[0]["id"].as_str().unwrap().to_owned();
    let not_theirs = indicator(&sharing, "blue", 0).0;
    says(&sharing, "birds", "sighting", &first, json!({"description": "seen again"}));
    says(&sharing, "birds", "note", &second, json!({"content": "suspended", "labels": ["actioned"]}));
    says(&sharing, "birds", "opinion", &campaign, json!({"opinion": "agree"}));
    says(&sharing, "birds", "opinion", &campaign, json!({"opinion": "neutral"}));
    says(&sharing, "birds", "opinion", &not_theirs, json!({"opinion": "disagree"}));
    says(&sharing, "birds", "opinion", &first, json!({"opinion": 7}));
    let log = log(&folder).await;
    for _ in 0..2 {
        let shutdown = Shutdown::new();
        let running = tokio::spawn({
            let (sharing, log, shutdown) = (sharing.clone(), log.clone(), shutdown.clone());
            async move { sharing.run(log, shutdown).await }
        });
        let store = &sharing.inner.store;
        until("all is read and published", || {
            store.unpublished_feedback(9).unwrap().is_empty()
                && Outcome::ALL.into_iter().map(|outcome| counted(&sharing, outcome)).sum::<u64>() == 6
        })
        .await;
        shutdown.stop();
        running.await.unwrap().unwrap();
        let counts = Outcome::ALL.map(|outcome| counted(&sharing, outcome));
        assert_eq!(counts, [3, 0, 0, 1, 1, 1]);
        let messages = on_topic(&log).await;
        assert_eq!(messages.len(), 3, "{messages:?}");
        assert_eq!(messages[0].0, format!("a|birds|twitter:{account}"));
        let said = |n: usize| messages[n].1.as_ref().unwrap();
        assert_eq!((said(0).verdict, said(0).note.as_deref()), (Verdict::Confirmed, Some("seen again")));
        assert_eq!((said(1).verdict, &said(1).account.as_ref().unwrap().account_id), (Verdict::Actioned, &other));
        assert_eq!((said(2).verdict, &said(2).account, &*messages[2].0), (Verdict::Confirmed, &None, "a|birds"));
    }
    let case = sharing.inner.store.case("a").unwrap().unwrap().case;
    assert_eq!(sharing.inner.store.feedback_of(&case.id).unwrap().len(), 3);
    assert_eq!(actions(&sharing, "a").iter().filter(|action| *action == "feedback").count(), 3);
    assert!(sharing.verify_audit().await.unwrap().is_ok());
    log.shutdown().await.unwrap();
}

async fn what_was_said_can_be_taken_back((_folder, place): Place) {
    let sharing = open(&place, Reviewers::People);
    release(&sharing, "a").await;
    let (id, _) = indicator(&sharing, "birds", 0);
    let mine = json!({"opinion": "agree", "id": "opinion--0f4b0a58-ef71-4b4c-8b2c-5a1c7b2f7f10"});
    says(&sharing, "birds", "opinion", &id, mine.clone());
    let mut revoked = mine;
    revoked["revoked"] = json!(true);
    says(&sharing, "birds", "opinion", &id, revoked);
    sharing.inner.read_inboxes(Timestamp::now()).unwrap();
    let waiting = sharing.inner.store.unpublished_feedback(9).unwrap();
    assert_eq!(waiting.iter().map(|row| row.taken_back).collect::<Vec<_>>(), [false, true]);
    assert_eq!(waiting[0].message.key(), waiting[1].message.key());
}

async fn flags_ask_for_attention_are_renewed_by_two_and_else_run_out((_folder, place): Place) {
    let sharing = open(&place, Reviewers::People);
    release(&sharing, "a").await;
    release(&sharing, "b").await;
    let inner = &sharing.inner;
    let case = |id: &str| inner.store.case(id).unwrap().unwrap().case;
    let days = |n: i64| Timestamp::now() + SignedDuration::from_secs(n * DAY);
    inner.look_at_ends(days(22)).unwrap();
    assert_eq!(case("a").attention, []);
    inner.look_at_ends(days(24)).unwrap();
    inner.look_at_ends(days(24)).unwrap();
    assert_eq!(case("a").attention.len(), 1, "asked once");
    assert_eq!(sharing.needing_attention().await.unwrap(), ["a", "b"]);
    assert_eq!(actions(&sharing, "a").iter().filter(|action| *action == "needs_attention").count(), 1);

    assert!(sharing.renew("a", "bob").await.is_err(), "nobody has proposed it");
    assert!(sharing.propose_renewal("a", " ", "ann").await.is_err());
    sharing.propose_renewal("a", "they still do it", "ann").await.unwrap();
    let refused = sharing.renew("a", "ann").await.unwrap_err().to_string();
    assert!(refused.contains("two different people"), "{refused}");
    let before = seen(&sharing, "birds", "indicator");
    inner.act("a", None, Act::Renew, "bob", days(25)).unwrap();
    let after = seen(&sharing, "birds", "indicator");
    let of_a: Vec<&Value> = after.iter().filter(|new| !before.contains(new)).collect();
    assert_eq!((of_a.len(), after.len()), (10, before.len()), "new versions under the same ids");
    let ends = of_a[0]["valid_until"].as_str().unwrap().parse::<Timestamp>().unwrap();
    assert!(ends > days(54) && ends < days(56));
    let until = case("a").valid_until.unwrap();
    assert_eq!(until.as_millisecond(), ends.as_millisecond(), "the case ends when the flags do");
    assert_eq!((case("a").attention.len(), case("a").state), (0, State::Updated));

    inner.look_at_ends(days(31)).unwrap();
    assert_eq!((case("a").state, case("b").state), (State::Updated, State::Closed));
    assert_eq!(actions(&sharing, "b").last().unwrap(), "expired");
    assert_eq!(sharing.needing_attention().await.unwrap(), Vec::<String>::new());
    assert!(sharing.propose_renewal("b", "too late", "ann").await.is_err());
    assert!(sharing.verify_audit().await.unwrap().is_ok());
}

async fn reviewers_are_told_when_a_shared_case_is_flagged_no_longer_or_absorbed((_folder, place): Place) {
    let sharing = open(&place, Reviewers::People);
    for id in ["a", "b", "c"] {
        release(&sharing, id).await;
    }
    let attention = |id: &str| -> Vec<AttentionReason> {
        let case = sharing.inner.store.case(id).unwrap().unwrap().case;
        assert!(matches!(case.state, State::Released), "people withdraw, nobody else");
        case.attention.into_iter().map(|attention| attention.why).collect()
    };
    let faded = |version| ClusterMessage { status: Status::Faded, ..fixtures::cluster("a", version) };
    sharing.on_clusters(vec![faded(2)]).await.unwrap();
    sharing.on_clusters(vec![faded(3)]).await.unwrap();
    assert_eq!(attention("a"), [AttentionReason::NotFlagged]);
    assert!(actions(&sharing, "a").contains(&"needs_attention".to_owned()));
    sharing.on_clusters(vec![fixtures::cluster("a", 4)]).await.unwrap();
    assert_eq!(attention("a"), [], "flagged again");
    // The last word of the absorbed one comes along with the word that it was absorbed.
    let whole = ClusterMessage { lineage: vec!["b".to_owned(), "never-seen".to_owned()], ..fixtures::cluster("c", 2) };
    let last = ClusterMessage { status: Status::Faded, ..fixtures::cluster("b", 2) };
    sharing.on_clusters(vec![last, whole.clone()]).await.unwrap();
    sharing.on_clusters(vec![whole]).await.unwrap();
    assert_eq!(attention("b"), [AttentionReason::NotFlagged, AttentionReason::Absorbed]);
    assert_eq!(attention("c"), []);
    assert!(sharing.attend("b", "", "ann").await.is_err());
    sharing.attend("b", "c tells of them", "ann").await.unwrap();
    assert_eq!(attention("b"), []);
    assert!(sharing.verify_audit().await.unwrap().is_ok());
}

async fn what_partners_say_in_the_end_is_counted_by_cluster((_folder, place): Place) {
    let sharing = open(&place, Reviewers::People);
    let mut campaigns = Vec::new();
    for id in ["a", "b", "c", "d", "e"] {
        release(&sharing, id).await;
        let all: Vec<String> = seen(&sharing, "birds", "campaign").iter().map(|o| o["id"].to_string()).collect();
        campaigns.push(all.into_iter().find(|id| !campaigns.contains(id)).unwrap());
    }
    let campaign = |n: usize| campaigns[n].trim_matches('"').to_owned();
    let accounts: Vec<String> = (0..3).map(|n| indicator(&sharing, "birds", n).0).collect();
    // Of three accounts of one cluster, two are so.
    for (account, verdict) in accounts.iter().zip(["confirmed", "rejected", "actioned"]) {
        says(&sharing, "birds", "note", account, json!({"labels": [verdict]}));
    }
    // The last word counts.
    says(&sharing, "birds", "note", &campaign(1), json!({"labels": ["confirmed"]}));
    says(&sharing, "birds", "note", &campaign(1), json!({"labels": ["rejected"]}));
    // One says so, the other not.
    says(&sharing, "birds", "note", &campaign(2), json!({"labels": ["already_known"]}));
    let theirs = seen(&sharing, "blue", "campaign")[2]["id"].as_str().unwrap().to_owned();
    says(&sharing, "blue", "note", &theirs, json!({"labels": ["rejected"]}));
    // Taken back: nothing was said.
    let note = format!("note--{}", uuid::Uuid::new_v4());
    says(&sharing, "birds", "note", &campaign(3), json!({"labels": ["confirmed"], "id": note}));
    says(&sharing, "birds", "note", &campaign(3), json!({"labels": ["confirmed"], "id": note, "revoked": true}));
    // So long ago that it says nothing of the model in service.
    let modified = (Timestamp::now() - jiff::SignedDuration::from_hours(31 * 24)).to_string();
    says(&sharing, "birds", "note", &campaign(4), json!({"labels": ["confirmed"], "modified": modified}));
    while sharing.inner.read_inboxes(Timestamp::now()).unwrap() > 0 {}
    sharing.inner.count_judged(Timestamp::now()).unwrap();
    let counted = ["confirmed", "rejected", "disputed"]
        .map(|verdict| sharing.inner.metrics.judged.with_label_values(&["partner", verdict]).get());
    assert_eq!(counted, [1, 1, 1]);
}
