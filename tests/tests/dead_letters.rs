//! `lockstep dead-letters` beside running services: what could not be read is listed, shown and put back.

use std::{collections::BTreeSet, process::Output, thread, time::Duration};

use end_to_end::{Place, Service, run};
use serde_json::Value;

/// A clock that runs ahead by this much more than `detector.future_tolerance_s` allows.
const AHEAD_S: i64 = 3;

#[test]
fn a_dead_letter_is_listed_shown_and_put_back_when_it_can_be_read() {
    let place = Place::new(None, &BTreeSet::from(["chirp".to_owned()]));
    let mut service = place.serve();
    let time = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(300 + AHEAD_S);
    let early = format!(
        r#"{{"id":"e1","platform":"chirp","account_id":"1","account_name":"one","created_at":"{time:.0}","text":"too early"}}"#
    );
    let bad = "no post at all";
    assert!(service.post(&[early.clone().into_bytes(), bad.as_bytes().to_vec()]).is_some());
    let dead = |service: &mut Service| {
        let metrics = service.metrics();
        (metrics[r#"lockstep_posts_total{outcome="dead_letter"}"#] == 1.0).then_some(())
    };
    service.wait("the early post is a dead letter", dead);

    let config = place.config();
    let letters = |args: &[&str]| -> Output {
        let mut all = vec!["dead-letters"];
        all.extend(args);
        all.extend(["--config", config.to_str().unwrap()]);
        run(&all)
    };
    let listed = letters(&["list", "--json"]);
    let rows: Vec<Value> =
        String::from_utf8(listed.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 2, "{rows:?}");
    let said = String::from_utf8(listed.stderr).unwrap();
    assert!(said.contains("2 dead letters") && said.contains("not a JSON object"), "{said}");
    let of = |field: &str| rows.iter().find(|row| row["field"] == field).unwrap_or_else(|| panic!("{rows:?}"));
    assert!(of("created_at")["reason"].as_str().unwrap().contains("future"));
    let shown = letters(&["show", of("created_at")["place"].as_str().unwrap()]);
    assert_eq!(String::from_utf8(shown.stdout).unwrap(), early, "unchanged");

    let intake = format!("http://{}", service.intake());
    let all = letters(&["replay", "--dry-run", "--to", &intake]);
    let said = String::from_utf8(all.stderr).unwrap();
    assert!(
        said.contains("still cannot be read") && said.contains("1 dead letter would be replayed to posts"),
        "{said}"
    );
    thread::sleep(Duration::from_secs(AHEAD_S as u64 + 1));
    let replayed = letters(&["replay", "--reason", "future", "--to", &intake]);
    let said = String::from_utf8(replayed.stderr).unwrap();
    assert!(said.contains("1 dead letter replayed to posts"), "{said}");
    let accepted = |service: &mut Service| {
        let metrics = service.metrics();
        (metrics[r#"lockstep_posts_total{outcome="accepted"}"#] == 1.0).then_some(())
    };
    service.wait("the early post is accepted", accepted);
    assert_eq!(service.stop().code(), Some(0));
}
