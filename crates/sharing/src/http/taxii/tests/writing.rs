//! POST, status resources and DELETE.

use crate::store::database::tests::{Place, on_both_databases};
use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
};

use serde_json::{Value, json};

use super::{JSON, Server};

impl Server {
    /// The path of the asking partner's feedback collection, by its alias.
    fn feedback(&self) -> String {
        "/taxii2/lockstep/collections/feedback-birds/".to_owned()
    }
    fn send(&self, objects: &[Value]) -> Value {
        let reply = self.post(&format!("{}objects/", self.feedback()), json!({"objects": objects}).to_string());
        assert_eq!((reply.status, reply.header("content-type")), (202, Some(JSON)), "{}", reply.text);
        reply.json()
    }
    fn sent(&self, rest: &str) -> super::Reply {
        self.get(&format!("{}{rest}", self.feedback()))
    }
}

fn opinion(version: &str) -> Value {
    json!({
        "type": "opinion",
        "spec_version": "2.1",
        "id": format!("opinion--{}", uuid::Uuid::new_v4()),
        "created": "2026-01-01T00:00:00.000Z",
        "modified": version,
        "opinion": "strongly-disagree",
        "object_refs": [ABOUT],
    })
}

/// What the feedback of these tests is about: the partner was told of it.
pub(super) const ABOUT: &str = "indicator--91a7b528-80eb-42ed-a74d-c6fbd5a26117";
const FIRST: &str = "2026-01-01T00:00:00.000Z";

/// 11: a partner's two collections, by id and by alias.
#[test]
fn point_11_a_partner_has_findings_to_read_and_feedback_to_write() {
    let s = Server::start();
    let list = s.get("/taxii2/lockstep/collections/").json()["collections"].clone();
    let rights = |n: usize| (list[n]["alias"].clone(), list[n]["can_read"].clone(), list[n]["can_write"].clone());
    assert_eq!(rights(0), (json!("findings-birds"), json!(true), json!(false)));
    assert_eq!(rights(1), (json!("feedback-birds"), json!(true), json!(true)));
    for n in 0..2 {
        let by = |name: &Value| s.get(&format!("/taxii2/lockstep/collections/{}/", name.as_str().unwrap())).json();
        assert_eq!(by(&list[n]["id"]), list[n]);
        assert_eq!(by(&list[n]["alias"]), list[n]);
    }
    let ids: BTreeSet<String> = [&s.key, &s.other_key]
        .iter()
        .flat_map(|key| {
            s.get_as(key, "/taxii2/lockstep/collections/").json()["collections"].as_array().unwrap().clone()
        })
        .map(|collection| collection["id"].to_string())
        .collect();
    assert_eq!(ids.len(), 4);
}

/// 13: nobody writes to another partner's collection, or learns of it.
#[test]
fn point_13_feedback_of_another_partner_is_not_there() {
    let s = Server::start();
    let nowhere = "/taxii2/lockstep/collections/feedback-nobody/objects/";
    let other = format!("{}objects/", s.feedback());
    let body = json!({"objects": [opinion(FIRST)]}).to_string();
    for path in [nowhere, &other] {
        let reply = s.post_as(&s.other_key, path, JSON, body.clone());
        assert_eq!(reply.status, 404, "{}", reply.text);
        assert_eq!(s.get_as(&s.other_key, path).status, 404);
    }
    assert_eq!(s.sent("objects/").text, "{}");
}

/// 26: 202 with a status resource that can be read again, by its owner only.
#[test]
fn point_26_a_post_is_answered_by_a_status_resource() {
    let s = Server::start();
    let (first, second) = (opinion(FIRST), opinion(FIRST));
    let bad = json!({"type": "opinion", "spec_version": "2.1", "id": "opinion--1"});
    let status = s.send(&[first.clone(), bad, second.clone()]);
    let id = status["id"].as_str().unwrap();
    uuid::Uuid::parse_str(id).unwrap();
    assert_eq!(status["status"], "complete");
    for (count, n) in [("total_count", 3), ("success_count", 2), ("failure_count", 1), ("pending_count", 0)] {
        assert_eq!(status[count], n, "{count}");
    }
    assert_eq!(status["successes"][0]["id"], first["id"]);
    assert_eq!(status["successes"][0]["version"], first["modified"]);
    assert_eq!(status["failures"][0]["id"], "opinion--1");
    assert!(status["failures"][0]["message"].as_str().unwrap().contains("UUID"));
    assert!(status.get("pendings").is_none());
    let path = format!("/taxii2/lockstep/status/{id}/");
    assert_eq!(s.get(&path).json(), status);
    assert_eq!(s.get_as(&s.other_key, &path).status, 404);
    // What was posted comes back as it was, in order.
    assert_eq!(s.sent("objects/").json()["objects"], json!([first, second]));
    assert_eq!(s.sent("manifest/").json()["objects"][1]["id"], second["id"]);
}

on_both_databases!(fn feedback_that_is_not_taken_is_a_failure, point_26_a_duplicate_is_no_failure, points_14_28_delete, points_19_20_readers_see_every_object_once_while_four_post);

/// Ids that the partner did not receive, labels that are not known and other kinds of objects fail one by one, with the reason; what
/// others received is not told.
fn feedback_that_is_not_taken_is_a_failure(place: Place) {
    let s = Server::at(place);
    let one_of = |key: &str, collection: &str, kind: &str| {
        let path = format!("/taxii2/lockstep/collections/{collection}/objects/?match[type]={kind}&limit=1");
        s.get_as(key, &path).ids()[0].clone()
    };
    let own = one_of(&s.key, &s.collection, "indicator");
    let foreign = one_of(&s.other_key, &s.other_collection, "indicator");
    let foreign_account = one_of(&s.other_key, &s.other_collection, "user-account");
    let nobodys = "indicator--91a7b528-80eb-42ed-a74d-c6fbd5a26116";
    // Everybody has these, so they are about no finding.
    let common = one_of(&s.key, &s.collection, "extension-definition");
    let note = |about: &[&str], labels: Value| {
        let mut note = json!({
            "type": "note",
            "spec_version": "2.1",
            "id": format!("note--{}", uuid::Uuid::new_v4()),
            "created": FIRST,
            "modified": FIRST,
            "content": "ours",
            "object_refs": about,
        });
        if !labels.is_null() {
            note["labels"] = labels;
        }
        note
    };
    let message = |object: &Value| {
        let status = s.send(std::slice::from_ref(object));
        assert_eq!((&status["success_count"], &status["failure_count"]), (&json!(0), &json!(1)), "{object}");
        assert_eq!((&status["failures"][0]["id"], &status["failures"][0]["version"]), (&object["id"], &json!(FIRST)));
        status["failures"][0]["message"].as_str().unwrap().to_owned()
    };
    let actioned = || json!(["actioned"]);
    let of_others = message(&note(&[&foreign], actioned()));
    assert!(of_others.contains(&format!("it is about {foreign}, which you did not receive")), "{of_others}");
    assert_eq!(
        message(&note(&[nobodys], actioned())),
        of_others.replace(&foreign, nobodys),
        "nothing is told of others"
    );
    for (about, labels, why) in [
        (vec![foreign_account.as_str()], actioned(), "did not receive"),
        (vec![common.as_str()], actioned(), "did not receive"),
        (vec!["indicator--\u{0}"], actioned(), "did not receive"),
        // A known id does not carry an unknown one with it.
        (vec![own.as_str(), foreign.as_str()], actioned(), "did not receive"),
        (
            vec![own.as_str()],
            json!(["actoned"]),
            "labels has \"actoned\", which is not known here: use confirmed, rejected",
        ),
        (vec![own.as_str()], json!(["actioned", "ticket-7"]), "labels has \"ticket-7\""),
        (vec![own.as_str()], Value::Null, "labels is missing"),
    ] {
        let text = message(&note(&about, labels));
        assert!(text.contains(why), "{text}");
    }
    let mut malware = note(&[&own], Value::Null);
    malware["type"] = json!("malware");
    malware["id"] = json!(format!("malware--{}", uuid::Uuid::new_v4()));
    assert!(message(&malware).contains("feedback is a sighting, an opinion or a note"));
    assert_eq!(s.sent("objects/").text, "{}", "nothing of it is kept");
    // What can be understood is taken beside what cannot, and so is the identity of the author.
    let mut author = note(&[], Value::Null);
    author["type"] = json!("identity");
    author["id"] = json!(format!("identity--{}", uuid::Uuid::new_v4()));
    let status = s.send(&[author, note(&[nobodys], actioned()), note(&[&own], actioned())]);
    assert_eq!((&status["success_count"], &status["failure_count"]), (&json!(2), &json!(1)));
    let outcomes = |name: &str| s.sharing.inner.metrics.feedback.with_label_values(&[name]).get();
    assert_eq!((outcomes("unknown"), outcomes("unreadable"), outcomes("no_verdict")), (7, 3, 1));
    let refused = s.sharing.inner.store.audit_before(None, 1).unwrap().remove(0).entry;
    assert_eq!((refused.actor.as_str(), refused.action.as_str()), ("partner birds", "feedback_not_taken"));
    assert!(refused.text.contains(nobodys), "{}", refused.text);
    // The reader finds only what can be taken.
    assert_eq!(s.sharing.inner.read_inboxes(jiff::Timestamp::now()).unwrap(), 2);
    assert_eq!((outcomes("taken"), outcomes("no_verdict"), outcomes("unknown")), (1, 2, 7));
}

/// 26: an exact duplicate is no failure; something else under the same id and version is.
fn point_26_a_duplicate_is_no_failure(place: Place) {
    duplicate_at(&Server::at(place));
}

fn duplicate_at(s: &Server) {
    let one = opinion(FIRST);
    let mut other = one.clone();
    other["opinion"] = json!("agree");
    assert_eq!(s.send(&[one.clone(), one.clone()])["success_count"], 2);
    let again = s.send(&[one.clone(), other.clone()]);
    assert_eq!((&again["success_count"], &again["failure_count"]), (&json!(1), &json!(1)));
    assert_eq!(s.sent("objects/?match[version]=all").json()["objects"], json!([one]));
    other["modified"] = json!("2026-01-02T00:00:00.000Z");
    assert_eq!(s.send(&[other.clone()])["failure_count"], 0);
    assert_eq!(s.sent("objects/").json()["objects"], json!([other]));
    assert_eq!(s.sent("objects/?match[version]=all").ids().len(), 2);
}

/// 26: after 24 hours a status resource is gone.
#[test]
fn point_26_a_status_is_kept_for_a_day() {
    let s = Server::start();
    let status = s.send(&[opinion(FIRST)]);
    let asked: jiff::Timestamp = status["request_timestamp"].as_str().unwrap().parse().unwrap();
    let at = |hours: i64, micros: i64| {
        let now = asked.as_microsecond() + hours * 3_600_000_000 + micros;
        s.sharing.inner.store.status(status["id"].as_str().unwrap(), "lockstep", "birds", now).unwrap().is_some()
    };
    assert!(at(0, 0) && at(24, -1));
    assert!(!at(24, 0));
    for nobody in [("lockstep", "blue"), ("other", "birds")] {
        let found = s.sharing.inner.store.status(status["id"].as_str().unwrap(), nobody.0, nobody.1, 0).unwrap();
        assert_eq!(found, None);
    }
    for id in ["x", "91a7b528-80eb-42ed-a74d-c6fbd5a26116", "%00", "..%2f.."] {
        assert_eq!(s.get(&format!("/taxii2/lockstep/status/{id}/")).status, 404, "{id}");
    }
}

/// 27: which requests are refused as a whole.
#[test]
fn point_27_errors_of_a_post() {
    let s = Server::start();
    let path = format!("{}objects/", s.feedback());
    let deep = format!("{{\"objects\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    for (body, status) in [
        ("", 400),
        ("{", 400),
        ("{\"objects\":[{]}", 400),
        ("\u{feff}{}", 400),
        ("{} {}", 422),
        ("{}", 422),
        ("[]", 422),
        ("7", 422),
        ("[[{}]]", 422),
        ("{\"objects\":[]}", 422),
        ("{\"objects\":7}", 422),
        ("{\"objects\":[7]}", 422),
        ("{\"objects\":[[]]}", 422),
        (&deep, 422),
        (&format!("{{\"objects\":[{}]}}", vec!["{}"; 10_001].join(",")), 422),
    ] {
        let reply = s.post(&path, body);
        let start = &body[..body.len().min(30)];
        assert!(
            reply.status == status || status == 422 && reply.status == 400,
            "{start}: {} {}",
            reply.status,
            reply.text
        );
        assert_eq!(reply.json()["http_status"], reply.status.to_string());
    }
    assert_eq!(s.post(&path, b"{\"objects\":[{\"id\":\"\xff\"}]}".to_vec()).status, 400);
    let body = json!({"objects": [opinion(FIRST)]}).to_string();
    for media in [
        "application/json",
        "application/stix+json;version=2.1",
        "text/plain",
        "application/taxii+json;version=2.0",
        "*/*",
    ] {
        assert_eq!(s.post_as(&s.key, &path, media, body.clone()).status, 415, "{media}");
    }
    assert_eq!(s.sent("objects/").text, "{}");
    // 6: a defined media type is taken.
    for media in [JSON, "application/taxii+json", "Application/TAXII+json; version=\"2.1\""] {
        assert_eq!(s.post_as(&s.key, &path, media, body.clone()).status, 202, "{media}");
    }
}

/// 9, 27: up to max_content_length nothing is 413, beyond it everything.
#[test]
fn points_9_27_the_bound_on_content_is_the_one_that_is_told() {
    let s = Server::start();
    let most = s.get("/taxii2/lockstep/").json()["max_content_length"].as_u64().unwrap() as usize;
    let path = format!("{}objects/", s.feedback());
    let fill = |length: usize| {
        let mut one = opinion(FIRST);
        one["explanation"] = json!("");
        let bare = json!({"objects": [one]}).to_string().len();
        one["explanation"] = json!("x".repeat(length - bare));
        json!({"objects": [one]}).to_string()
    };
    assert_eq!(s.post(&path, fill(most)).status, 202);
    for length in [most + 1, 5 * most] {
        let reply = s.post(&path, fill(length));
        assert_eq!((reply.status, reply.header("content-type")), (413, Some(JSON)), "{length}");
    }
    // Without a Content-Length too.
    for (length, status) in [(most, 202), (most + 1, 413)] {
        let text = fill(length);
        let request = ureq::http::Request::builder()
            .method("POST")
            .uri(format!("{}{path}", s.base))
            .header("authorization", format!("Bearer {}", s.key))
            .header("content-type", JSON);
        let mut reader = text.as_bytes();
        let body = ureq::SendBody::from_reader(&mut reader);
        assert_eq!(s.agent.run(request.body(body).unwrap()).unwrap().status(), status, "{length}");
    }
    assert_eq!(s.sent("objects/").ids().len(), 2);
}

/// 14, 28: DELETE is 200, then 404; of one version, of all.
fn points_14_28_delete(place: Place) {
    delete_at(&Server::at(place));
}

fn delete_at(s: &Server) {
    let delete = |rest: &str| {
        let reply = s.method("DELETE", &format!("{}{rest}", s.feedback()));
        assert_eq!(reply.header("content-type"), Some(JSON));
        reply.status
    };
    let one = opinion(FIRST);
    let id = one["id"].as_str().unwrap();
    let mut versions = vec![one.clone()];
    for day in 2..6 {
        let mut next = one.clone();
        next["modified"] = json!(format!("2026-01-0{day}T00:00:00.000Z"));
        versions.push(next);
    }
    s.send(&versions);
    let left = || -> Vec<String> {
        let list = s.sent(&format!("objects/{id}/versions/")).json()["versions"].as_array().unwrap().clone();
        list.iter().map(|version| version.as_str().unwrap()[8..10].to_owned()).collect()
    };
    assert_eq!(left(), ["01", "02", "03", "04", "05"]);
    assert_eq!(delete(&format!("objects/{id}/?match[version]=2026-01-03T00:00:00.000Z")), 200);
    assert_eq!(delete(&format!("objects/{id}/?match[version]=2026-01-03T00:00:00.000Z")), 404);
    assert_eq!(delete(&format!("objects/{id}/?match[version]=first")), 200);
    assert_eq!(delete(&format!("objects/{id}/?match[version]=last")), 200);
    assert_eq!(delete(&format!("objects/{id}/?match[spec_version]=2.0")), 404);
    assert_eq!(delete(&format!("objects/{id}/?match[version]=latest")), 400);
    assert_eq!(left(), ["02", "04"]);
    assert_eq!(s.sent("objects/").json()["objects"], json!([versions[3]]));
    assert_eq!(delete(&format!("objects/{id}/")), 200);
    for path in [format!("objects/{id}/"), format!("objects/{id}/versions/")] {
        assert_eq!(s.sent(&path).status, 404);
    }
    assert_eq!(delete(&format!("objects/{id}/")), 404);
    assert_eq!(delete("objects/opinion--91a7b528-80eb-42ed-a74d-c6fbd5a26116/"), 404);
    assert_eq!(s.sent("objects/").text, "{}");
}

/// HEAD answers as GET does, without the body.
#[test]
fn head_has_the_headers_of_get() {
    let s = Server::start();
    s.send(&[opinion(FIRST)]);
    for path in [format!("{}objects/", s.feedback()), format!("{}manifest/", s.feedback()), "/taxii2/".to_owned()] {
        let (get, head) = (s.get(&path), s.method("HEAD", &path));
        assert_eq!((head.status, head.text.as_str()), (200, ""));
        for name in ["content-type", "x-taxii-date-added-first", "x-taxii-date-added-last", "content-length"] {
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
    }
}

/// 19, 20 and the own rule on dates: while others post, a reader gets every object once, by cursor and by date.
fn points_19_20_readers_see_every_object_once_while_four_post(place: Place) {
    read_while_four_post(&Server::at(place));
}

fn read_while_four_post(s: &Server) {
    let ended = AtomicBool::new(false);
    let read = |by_date: bool| {
        let (mut seen, mut after, mut idle) = (Vec::new(), String::new(), 0);
        while idle < 2 {
            // What is committed before the writers' end is seen by the request after it.
            idle += usize::from(ended.load(Ordering::SeqCst));
            loop {
                let reply = s.sent(&format!("objects/?limit=7{after}"));
                assert_eq!(reply.status, 200, "{}", reply.text);
                seen.extend(reply.ids());
                let next = reply.json()["next"].as_str().map(str::to_owned);
                match (reply.header("x-taxii-date-added-last"), &next) {
                    (_, Some(next)) if !by_date => after = format!("&next={next}"),
                    (Some(last), _) => after = format!("&added_after={last}"),
                    (None, _) => {}
                }
                if next.is_none() {
                    break;
                }
            }
        }
        seen
    };
    std::thread::scope(|scope| {
        let readers = [scope.spawn(|| read(true)), scope.spawn(|| read(false))];
        let post = || -> Vec<String> {
            let mut ids = Vec::new();
            for _ in 0..15 {
                let objects: Vec<Value> = (0..5).map(|_| opinion(FIRST)).collect();
                ids.extend(objects.iter().map(|object| object["id"].as_str().unwrap().to_owned()));
                assert_eq!(s.send(&objects)["success_count"], 5);
            }
            ids
        };
        let writers: Vec<_> = (0..4).map(|_| scope.spawn(post)).collect();
        let posted: BTreeSet<String> = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
        ended.store(true, Ordering::SeqCst);
        assert_eq!(posted.len(), 300);
        for reader in readers {
            let seen = reader.join().unwrap();
            assert_eq!(seen.len(), 300, "an object came twice or never");
            assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), posted);
        }
    });
}
