//! Keys of partners: what opens, what ends, what is too much.

use super::*;

#[test]
fn a_key_opens_as_basic_and_as_bearer_and_every_wrong_one_is_answered_alike() {
    let s = start(|config, _| config.limits.stranger_per_minute = 1000);
    let (key, other) = (s.key("birds"), s.key("blue"));
    for good in [basic("birds", &key), format!("Bearer {key}"), format!("bearer  {key}")] {
        assert_eq!(s.taxii(&good).status, 200, "{good}");
    }
    let wrong_secret = format!("{}{}", &key[..key.len() - 1], if key.ends_with('0') { '1' } else { '0' });
    let unknown = key::generate().1;
    let refused = s.get("/taxii2/", &[]);
    assert_eq!(refused.status, 401);
    assert!(refused.header("www-authenticate").contains("Basic"));
    for bad in [
        basic("birds", &wrong_secret),
        basic("birds", &unknown),
        basic("birds", &other),
        basic("blue", &key),
        basic("nobody", &key),
        basic("", &key),
        format!("Bearer {wrong_secret}"),
        "Bearer".to_owned(),
        "Basic !!!".to_owned(),
        "Digest x".to_owned(),
        basic("ann", fixtures::PASSWORD),
    ] {
        let reply = s.taxii(&bad);
        assert_eq!((reply.status, &reply.text), (401, &refused.text), "{bad}");
    }
}

#[test]
fn a_rotated_key_goes_on_for_a_while_and_a_revoked_one_ends_at_once() {
    let s = start(|_, _| {});
    let opens = |key: &str| s.taxii(&format!("Bearer {key}")).status == 200;
    let revoke = |id: &str| s.runtime.block_on(s.sharing.revoke_key(id, "operator"));
    let year = Some(SignedDuration::from_hours(24 * 365));
    let first = s.runtime.block_on(s.sharing.first_key("birds", year, "operator")).unwrap();
    let again = s.runtime.block_on(s.sharing.first_key("birds", year, "operator")).unwrap_err().to_string();
    assert!(again.contains("partners rotate birds") && again.contains(&id_of(&first)), "{again}");
    assert!(!again.contains(first.rsplit('_').next().unwrap()), "an error never has a secret");

    let week = SignedDuration::from_hours(24 * 7);
    let second = s.runtime.block_on(s.sharing.rotate_key("birds", year, week, "operator")).unwrap();
    assert!(opens(&first) && opens(&second));
    s.sql(&format!("update api_keys set expires_at = 1 where key_id = '{}'", id_of(&first)));
    assert!(!opens(&first) && opens(&second));
    let third = s.runtime.block_on(s.sharing.rotate_key("birds", None, SignedDuration::ZERO, "operator")).unwrap();
    assert!(!opens(&second) && opens(&third));

    let unknown = revoke("0000000000000000").unwrap_err().to_string();
    assert!(unknown.contains("partners list"), "{unknown}");
    let gone = revoke(&id_of(&third)).unwrap();
    assert_eq!(gone.partner, "birds");
    assert!(!opens(&third));
    assert!(revoke(&id_of(&third)).is_err(), "once is enough");

    let keys = s.runtime.block_on(s.sharing.keys()).unwrap();
    let shown = serde_json::to_string(&keys).unwrap();
    for key in [&first, &second, &third] {
        let (id, secret) = key::parse(key).unwrap();
        assert!(shown.contains(id) && !shown.contains(secret));
    }
    let history = s.sharing.inner.store.history("partner birds").unwrap();
    let actions: Vec<&str> = history.iter().map(|sealed| sealed.entry.action.as_str()).collect();
    assert_eq!(actions, ["key_issued", "key_issued", "key_replaced", "key_issued", "key_replaced", "key_revoked"]);
    assert!(history.iter().all(|sealed| sealed.entry.actor == "operator"));
    assert!(s.runtime.block_on(s.sharing.verify_audit()).unwrap().is_ok());
}

#[test]
fn the_last_use_of_a_key_is_written_now_and_then() {
    let s = start(|_, _| {});
    let key = s.key("birds");
    let last = || s.sharing.inner.store.all_keys().unwrap()[0].last_used_at;
    assert_eq!(s.taxii(&format!("Bearer {key}")).status, 200);
    assert_eq!(last(), None, "a request writes nothing");
    s.sharing.inner.write_used().unwrap();
    let first = last().unwrap();
    assert!(Timestamp::now().duration_since(first) < SignedDuration::from_secs(60));
    assert_eq!(s.taxii(&format!("Bearer {key}")).status, 200);
    s.sharing.inner.write_used().unwrap();
    assert_eq!(last(), Some(first), "nor does it matter to the second");
    s.sql("update api_keys set last_used_at = 1");
    assert_eq!(s.taxii(&format!("Bearer {key}")).status, 200);
    s.shutdown.stop();
    let until = Instant::now() + Duration::from_secs(10);
    while last() < Some(first) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(last() >= Some(first), "what is known at the end is written");
}

#[test]
fn keys_that_end_show_on_the_metrics() {
    let s = start(|_, _| {});
    let expires = |partner: &str| s.sharing.inner.metrics.key_expires.with_label_values(&[partner]).get();
    let day = SignedDuration::from_hours(24);
    s.runtime.block_on(s.sharing.extra_key("birds", Some(day), "operator")).unwrap();
    let left = expires("birds") - Timestamp::now().as_second();
    assert!((86_390..=86_400).contains(&left), "{left}");
    s.runtime.block_on(s.sharing.extra_key("birds", Some(day * 2), "operator")).unwrap();
    assert!(expires("birds") - Timestamp::now().as_second() > 86_400, "the last one counts");
    s.key("birds");
    assert_eq!(expires("birds"), 0, "a key without an end never leaves a partner without one");
}

#[test]
fn who_asks_too_often_is_told_when_to_come_back() {
    let s = start(|config, _| {
        config.limits.partner_per_minute = 3;
        config.limits.stranger_per_minute = 2;
    });
    let (key, other) = (s.key("birds"), s.key("blue"));
    let statuses: Vec<u16> = (0..4).map(|_| s.taxii(&format!("Bearer {key}")).status).collect();
    assert_eq!(statuses, [200, 200, 200, 429]);
    let refused = s.taxii(&basic("birds", &key));
    assert_eq!(refused.status, 429);
    assert!((1..=20).contains(&refused.header("retry-after").parse().unwrap()));
    assert!(refused.text.contains("\"http_status\":\"429\""));
    assert_eq!(s.taxii(&format!("Bearer {other}")).status, 200, "another partner has its own limit");
    let statuses: Vec<u16> = (0..3).map(|_| s.taxii("Bearer x").status).collect();
    assert_eq!(statuses, [401, 401, 429]);
    assert_eq!(s.taxii(&format!("Bearer {other}")).status, 200, "a right key is never a stranger's");
    assert_eq!((s.limited("partner"), s.limited("stranger")), (2, 1));
}

// TLS.
