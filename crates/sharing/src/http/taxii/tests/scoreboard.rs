//! What the scoreboard counts of a partner that fetches and answers.

use casework::scoreboard::{Interval, Score, Times};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use casework::case::Step;

impl Server {
    fn score(&self) -> Score {
        let board = self.sharing.inner.scoreboard(90, Timestamp::now()).unwrap();
        board.partners.into_iter().find(|score| score.partner.as_deref() == Some("birds")).unwrap()
    }

    fn says(&self, about: &Value, label: &str) {
        let at = Timestamp::now().to_string();
        let note = json!({
            "type": "note",
            "spec_version": "2.1",
            "id": format!("note--{}", uuid::Uuid::new_v4()),
            "created": at,
            "modified": at,
            "content": "looked at it",
            "labels": [label],
            "object_refs": [about],
        });
        let path = "/taxii2/lockstep/collections/feedback-birds/objects/";
        assert_eq!(self.post(path, json!({"objects": [note]}).to_string()).status, 202);
        while self.sharing.inner.read_inboxes(Timestamp::now()).unwrap() > 0 {}
    }
}

fn counts(score: &Score) -> [u64; 4] {
    [score.released, score.fetched, score.acted_on, score.disputed]
}

fn times(score: &Score, interval: Interval) -> (u64, u64) {
    let Times { ended, open, .. } = score.times.iter().find(|times| times.interval == interval).unwrap();
    (*ended, *open)
}

#[test]
fn a_release_is_fetched_with_its_last_account_and_acted_on_by_feedback() {
    let server = Server::start();
    assert_eq!(counts(&server.score()), [4, 0, 0, 0]);
    assert!(server.score().accounts > 8);
    // Neither other objects nor a part of the accounts are the release.
    server.col("objects/?match[type]=note&limit=200");
    server.get("/feed/accounts.jsonl?limit=1");
    server.method("HEAD", "/feed/accounts.jsonl");
    server.method("HEAD", &format!("/taxii2/lockstep/collections/{}/objects/?limit=200", server.collection));
    assert_eq!(counts(&server.score()), [4, 0, 0, 0]);
    // All accounts are.
    let objects = server.col("objects/?match[type]=indicator&limit=200").json();
    let indicators = objects["objects"].as_array().unwrap();
    assert_eq!(counts(&server.score()), [4, 4, 0, 0]);
    server.says(&indicators[0]["id"], "actioned");
    server.says(&indicators.last().unwrap()["id"], "rejected");
    let score = server.score();
    assert_eq!(counts(&score), [4, 4, 1, 1]);
    assert_eq!(Interval::ALL.map(|interval| times(&score, interval)), [(4, 0), (4, 0), (1, 3), (1, 3)]);
    // An action that is taken back as a mistake is none.
    server.says(&indicators[0]["id"], "rejected");
    assert_eq!(counts(&server.score()), [4, 4, 0, 2]);
    let page = server.call("GET", "/api/scoreboard?days=7", &[]).json();
    assert_eq!((&page["all"]["partner"], &page["all"]["fetched"]), (&Value::Null, &json!(4)));
    assert_eq!(page["intervals"].as_array().unwrap().len(), 4);
    assert_eq!(server.call("GET", "/api/scoreboard?days=0", &[]).status, 400);
    let page = server.call("GET", "/scoreboard", &[]).text;
    assert!(page.contains("Release to first fetch") && page.contains("<circle") && page.contains("birds"));
    // Metrics say the same.
    server.sharing.inner.count_releases(Timestamp::now()).unwrap();
    let metrics = server.sharing.inner.metrics.shared.text();
    assert!(metrics.contains(r#"lockstep_sharing_releases{partner="birds",state="fetched"} 4"#), "{metrics}");
    assert!(
        metrics.contains(r#"lockstep_sharing_release_seconds{interval="release_to_fetch",partner="*",quantile="0.9"}"#)
    );
}

#[test]
fn what_is_withdrawn_before_it_is_fetched_counts_once_it_is_fetched_withdrawn() {
    let server = Server::start();
    let step = Step::Retract { reason: "a fan club".to_owned() };
    server.runtime.block_on(server.sharing.step("cluster-1", step, "alice")).unwrap();
    assert_eq!(counts(&server.score()), [4, 0, 0, 0]);
    server.get("/feed/accounts.csv");
    assert_eq!(counts(&server.score()), [4, 4, 0, 0]);
}

#[test]
fn a_page_of_other_objects_is_no_sign_that_a_withdrawal_is_known() {
    let server = Server::start();
    let step = Step::Retract { reason: "a fan club".to_owned() };
    server.runtime.block_on(server.sharing.step("cluster-1", step, "alice")).unwrap();
    let waiting = || {
        let due = server.sharing.inner.store.retractions_due(Timestamp::MAX).unwrap();
        due.into_iter().filter(|one| one.partner == "birds").count()
    };
    server.col("objects/?match[type]=note&limit=200");
    assert_eq!(waiting(), 1);
    server.col("objects/?match[type]=indicator&limit=200");
    assert_eq!(waiting(), 0);
}
