//! Appeals of named accounts over real HTTP.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    retractions::{call, json_of, post, released, with_partner},
    *,
};
use casework::case::State;

/// The first account of the fixtures: platform and id.
fn account() -> (String, String) {
    let cluster = fixtures::cluster("a", 1);
    (cluster.accounts[0].platform.clone(), cluster.accounts[0].account_id.clone())
}

fn form<'a>(platform: &'a str, id: &'a str) -> Vec<(&'static str, &'a str)> {
    vec![
        ("case", "a"),
        ("platform", platform),
        ("account_id", id),
        ("from", "Jo <jo@example.org>"),
        ("text", "my own account"),
    ]
}

fn case(s: &Server) -> casework::CaseRecord {
    s.sharing.inner.store.case("a").unwrap().unwrap()
}

#[test]
fn an_appeal_suspends_a_pending_release_and_a_second_person_ends_it() {
    let s = with_partner(&["a"]);
    let (ann, bob, eve) = (s.cookie.clone(), people::log_in(&s.base, "bob"), people::log_in(&s.base, "eve"));
    let (platform, id) = account();
    assert_eq!(send(&s, &ann, "a", &[("step", "begin")]).0, 303);
    for record in RECORDS {
        assert_eq!(send(&s, &ann, "a", record).0, 303);
    }
    assert_eq!(send(&s, &ann, "a", &[("step", "approve"), ("comment", "clear")]).0, 303);
    assert_eq!(case(&s).case.state, State::Approved);
    let (status, page) = post(&s, &ann, "/appeals", &form(&platform, "nobody"));
    assert_eq!(status, 422);
    assert!(
        page.contains("does not name account") && page.contains("my own account"),
        "what was typed is kept: {page}"
    );
    assert_eq!(post(&s, &ann, "/appeals", &form(&platform, &id)).0, 303);
    assert_eq!((case(&s).case.state, case(&s).case.approved), (State::InReview, None), "the approval is void at once");
    let page = s.get("/appeals").1;
    look("appeals.html", &page);
    assert!(page.contains("Jo &#60;jo@example.org&#62;") && page.contains("due "), "{page}");
    // Even a new approval releases nothing as long as the appeal is open.
    assert_eq!(send(&s, &ann, "a", &[("step", "approve"), ("comment", "again")]).0, 303);
    let (status, page) = send(&s, &bob, "a", &[("step", "release"), ("seen", "yes")]);
    assert_eq!(status, 422);
    assert!(page.contains("appeal 1 for"), "{page}");
    // Neither who recorded it, nor who is no approver.
    let (status, page) = post(&s, &ann, "/appeals/1", &[("do", "reject"), ("reason", "x")]);
    assert_eq!(status, 422);
    assert!(page.contains("needs the role approver"), "{page}");
    assert_eq!(post(&s, &eve, "/appeals/1", &[("do", "reject"), ("reason", " ")]).0, 422);
    assert_eq!(post(&s, &eve, "/appeals/1", &[("do", "reject"), ("reason", "it posts with the others")]).0, 303);
    assert!(s.get("/appeals").1.contains("rejected by eve"));
    let (status, page) = send(&s, &bob, "a", &[("step", "release"), ("seen", "yes")]);
    assert_eq!(status, 303, "{page}");
    assert!(s.runtime.block_on(s.sharing.verify_audit()).unwrap().is_ok());
}

#[test]
fn an_upheld_appeal_withdraws_the_account_from_the_partner() {
    let s = with_partner(&["a"]);
    released(&s, "a");
    let (platform, id) = account();
    let dee = people::log_in(&s.base, "bob");
    let body = json!({"cluster_id": "a", "platform": platform, "account_id": id, "from": "Jo", "text": "mine"});
    let (status, recorded) = call(&s, &s.cookie, "/api/appeals", Some(body.clone()));
    assert_eq!((status, recorded["number"].as_i64()), (200, Some(1)));
    assert_eq!(case(&s).case.state, State::Released, "what partners have stays until somebody decides");
    // Overdue appeals are counted.
    let inner = &s.sharing.inner;
    assert_eq!(inner.store.appeal_counts(Timestamp::now()).unwrap(), (1, 0));
    assert_eq!(inner.store.appeal_counts(Timestamp::now() + SignedDuration::from_hours(24 * 400)).unwrap(), (1, 1));
    let decision = json!({"upheld": true, "reason": "a person of that name"});
    let (status, why) = call(&s, &dee, "/api/appeals/1/decision", Some(decision.clone()));
    assert_eq!(status, 422, "bob released the case: {why}");
    assert_eq!(call(&s, &s.cookie, "/api/appeals/1/decision", Some(decision.clone())).0, 403);
    assert_eq!(call(&s, &dee, "/api/appeals/x/decision", Some(decision)).0, 400);
    // Eve approved, so it takes a third person: for this test one who is not in the file of users.
    s.runtime.block_on(s.sharing.decide_appeal(1, true, "a person of that name", "zoe")).unwrap();
    let after = case(&s);
    assert!(after.released.unwrap().accounts.iter().all(|account| account.account_id != id));
    let waiting = json_of(&s, "/api/retractions");
    let named = |row: &Value| row["accounts"].as_array().unwrap().iter().any(|account| account == &json!(id));
    let row = waiting["retractions"].as_array().unwrap().iter().find(|row| named(row)).unwrap();
    assert!(row["reason"].as_str().unwrap().contains("appeal 1: a person of that name"), "{row}");
    assert_eq!(json_of(&s, "/api/appeals")["appeals"][0]["outcome"]["upheld"], true);
    assert_eq!(call(&s, &s.cookie, "/api/appeals", Some(body)).0, 422, "it is withdrawn already");
    assert!(s.runtime.block_on(s.sharing.verify_audit()).unwrap().is_ok());
}
