//! Every wrong number in a message is found and named.

use super::*;

/// Paths of all numbers of a value.
fn numbers(value: &Value, path: String, found: &mut Vec<String>) {
    match value {
        Value::Number(_) => found.push(path),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| numbers(item, format!("{path}/{at}"), found));
        }
        Value::Object(fields) => {
            fields.iter().for_each(|(name, item)| numbers(item, format!("{path}/{name}"), found));
        }
        _ => {}
    }
}

/// Numbers that follow from no other number of the message.
fn is_free(path: &str) -> bool {
    let steps: Vec<&str> = path.split('/').skip(1).collect();
    matches!(
        steps.as_slice(),
        ["schema_version" | "version" | "candidates_tested" | "history_hours"]
            | ["test", "proposed" | "safety"]
            | ["windows", _, "seconds"]
            | ["unlisted", "trials"]
            | ["namings", _, "others"]
            | ["accounts", _, "posts"]
            // The accounts of a tie.
            | ["ties", _, "a" | "b" | "median_lag_s"]
            | ["reasons", _, "value"]
            | ["features", _]
    )
}

#[test]
fn whatever_number_is_changed_is_found() {
    for cluster in [
        fixtures::coordinated(Shape { seed: 5, members: 12, keys: 12 }, true),
        fixtures::near_miss(Shape { seed: 6, members: 4, keys: 9 }),
    ] {
        let line = serde_json::to_value(written(&cluster)).unwrap();
        let mut paths = Vec::new();
        numbers(&line, String::new(), &mut paths);
        let (mut changed, mut missed) = (0, Vec::new());
        for path in paths.iter().filter(|path| !is_free(path)) {
            let mut line = line.clone();
            let number = line.pointer_mut(path).unwrap();
            *number = match number.as_u64() {
                Some(count) => json!(count + 1),
                None => json!(number.as_f64().unwrap() + 0.001),
            };
            changed += 1;
            // If the line does not decode as a cluster any more, the error was found as well.
            if let Ok(message) = ClusterMessage::decode(line.to_string().as_bytes()) {
                let found = Explanation::of(&message).unwrap();
                if found.contradictions.is_empty() || !found.to_string().contains("NOT AS RECORDED") {
                    missed.push(path);
                }
            }
        }
        assert!(missed.is_empty(), "{missed:#?}");
        assert!(changed > 150, "{changed} of {}", paths.len());
    }
}

#[test]
fn what_is_wrong_is_named() {
    for (pointer, tampered, names) in [
        ("/log_e", json!(12.3), "log_e: 12.3"),
        ("/log_e_leave_one_source_out", json!(4.1), "log_e_leave_one_source_out: 4.1"),
        ("/windows/1/nats", json!(8.0), "window 2: 8.0"),
        ("/windows/1/nats", json!(8.0), "window 2 as the sum of sources"),
        ("/windows/0/losses", json!(0.5), "window 1: losses of 0.5"),
        ("/windows/1/seconds", json!(600), "window 2: is 600 s wide, and the one before it 600 s"),
        ("/windows/2/crowd/4", json!(1_901), "window 3: crowd has 1951 posts, and 1950 in the first window"),
        ("/windows/0/group", json!([1, 20, 20, 0, 59]), "window 1: 2 posts gained with own words, but the group has 1"),
        ("/evidence/1/nats", json!(2.46), "key 2 (text t-1): 2.46"),
        ("/evidence/1/by_window/2", json!(2.46), "key 2 (text t-1) in window 3: 2.46"),
        ("/evidence/1/posts/1/gains/0/g", json!(0.6), "key 2 (text t-1) in window 1"),
        ("/evidence/1/posts/1/gains/0/g", json!(0.1), "key 2 (text t-1): post 2: g 0.1 and h 0.125"),
        ("/evidence/1/posts/1/gains/0/g", json!(0.99), "is more than 20 such posts of the group can give"),
        ("/evidence/1/posts/1/gains/0/h", json!(0.001), "is less than the imagined crowd alone gives"),
        ("/evidence/1/posts/1/gains/0/window", json!(1), "post 2: has two gains in one window"),
        ("/evidence/1/posts/1/gains/0/window", json!(u64::MAX), "post 2: there is no window"),
        ("/evidence/1/posts/1/gains/0/outcome", json!("rare"), "rare is not an outcome of a key of kind text"),
        (
            "/evidence/0/posts/1/gains/0/outcome",
            json!("nothing"),
            "nothing is not an outcome of a key of kind hashtags",
        ),
        ("/evidence/0/source", json!("#y"), "source hashtags #x in window 1: 4.0"),
        ("/sources/2/nats", json!(2.0), "source url x.example: 2.0"),
        ("/sources/2/by_window/0", json!(2.0), "window 1 as the sum of sources"),
        ("/traces/url", json!(2.4), "traces: url: 2.4"),
        ("/unlisted/nats/1", json!(0.5), "unlisted.nats: 0.5"),
        ("/unlisted/source_nats", json!([0.5, 0.0, 0.0]), "unlisted.source_nats: 0.5"),
        ("/test/bar", json!(3.6), "test.bar: 3.6"),
        ("/test/number", json!(9), "test.bar: 3.7"),
        ("/test/alpha", json!(0.01), "test.bar: 3.7"),
        ("/test/discoveries", json!(5), "test.discoveries: are 5"),
        ("/test/safety", json!(0.5), "test.safety: is 0.5"),
        ("/test/proposed", json!(2), "test.proposed: is 2, but 3 of the accounts"),
        ("/test", json!(null), "but its test lacks its three windows or its parameters"),
        ("/candidates_tested", json!(0), "candidates_tested: is 0"),
        ("/accounts/1/log_e", json!(23.1), "account chirp:b: 23.1"),
        ("/accounts/3/posterior", json!(0.9), "account chirp:d: a posterior of 0.9"),
        ("/accounts/3/posterior", json!(null), "account chirp:d: has a posterior without a naming"),
        ("/accounts/3/proposed", json!(true), "account chirp:d: 4.1"),
        ("/accounts/3/outcomes/0", json!(3), "account chirp:d: 4.1"),
        ("/accounts/0/outcomes/0", json!(15), "naming 1: its proposed accounts have outcomes [25"),
        ("/accounts/3/dropped", json!([]), "account chirp:d: 4.1"),
        ("/accounts/3/dropped_nats", json!(0.5), "account chirp:d: 4.1"),
        ("/accounts/3/dropped/0/nats", json!(-4.0), "a source that is evidence against it is dropped"),
        ("/accounts/1/naming", json!(1), "account chirp:b: there is no naming 2"),
        ("/accounts/1/naming", json!(null), "account chirp:b: has no naming"),
        ("/accounts/1/elsewhere", json!(true), "is from elsewhere, but"),
        ("/namings/0/share_others", json!(0.02), "account chirp:d: a posterior"),
        ("/namings/0/share_proposed", json!(1.5), "naming 1: shares of"),
        ("/namings/0/group/0", json!(21), "account chirp:a: 23.0"),
        ("/namings/0/from", json!("2026-12-01T10:00:00Z"), "naming 1: ends before it begins"),
        ("/ties/0/nats", json!(5.4), "tie 1: 5.4"),
        ("/ties/0/co_acts", json!(3), "tie 1: 5.3"),
        ("/ties/0/a", json!(9), "tie 1: is between accounts 9 and 1"),
        ("/first_seen", json!("2026-11-02T10:00:01Z"), "first_seen: 2026-11-02T10:00:01Z is recorded"),
        ("/last_seen", json!("2026-11-02T15:00:00Z"), "the last post was made at 2026-11-02T10:00:07Z"),
        ("/score", json!(0.26), "score: 0.26"),
        ("/reasons/2/contribution", json!(-0.5), "score: 0.25"),
        ("/probability", json!(0.6), "probability: 0.6"),
        ("/score", json!(null), "status: is coordinated, but no model's verdict is recorded"),
        ("/status", json!("near_miss"), "status: is near_miss, but a verdict is recorded"),
        ("/status", json!("single_source"), "which contradicts its `why`"),
        ("/why", json!("one_text"), "a count of one text, but has an e-value"),
    ] {
        let mut line = by_hand();
        set(&mut line, pointer, tampered);
        let found = explained(&line);
        assert!(found.contradictions.iter().any(|c| c.contains(names)), "{pointer}: {:#?}", found.contradictions);
        assert!(found.to_string().contains("NOT AS RECORDED"));
    }
}
