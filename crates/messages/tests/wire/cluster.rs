use coordination::{AccountRef, Cluster, Finding, SingleSource, TraceKind};
use expect_test::expect;
use messages::{
    cluster::{AnyVersion, ClusterError, ClusterMessage, Outcome, Status, Why},
    fixtures::{self, Shape},
};

fn small() -> Cluster {
    fixtures::coordinated(Shape { seed: 1, members: 4, keys: 3 }, true)
}

fn written(cluster: &Cluster) -> Result<ClusterMessage, ClusterError> {
    let verdict = ClusterMessage::takes_verdict(cluster).then(|| fixtures::verdict(cluster.flagged));
    ClusterMessage::new(cluster, verdict.as_ref(), vec!["elections".into()], vec![])
}

fn message() -> ClusterMessage {
    written(&small()).unwrap()
}

#[test]
fn these_exact_bytes() {
    // Features have a snapshot of their own, next to their table.
    let plain = |cluster: &Cluster| {
        let message = ClusterMessage { features: Default::default(), ..written(cluster).unwrap() };
        let bytes = message.encode().unwrap();
        assert_eq!(ClusterMessage::decode(&bytes), Ok(message), "every digit comes back");
        String::from_utf8(bytes).unwrap()
    };
    expect![[r#"{"schema_version":2,"cluster_id":"c-01","version":2,"lineage":["c-00"],"status":"flagged","accounts":[{"platform":"chirp","account_id":"1001","account_name":"Account No. 1","log_e":16.345536452,"posterior":0.999999997,"outcomes":[5,3,2,2,5],"dropped":[{"kind":"text","source":"text 0","nats":6.650005495},{"kind":"hashtags","source":"hashtags 1","nats":2.4492258}],"proposed":true,"naming":0,"posts":21},{"platform":"chirp","account_id":"1002","account_name":"Account No. 2","log_e":11.659539272,"posterior":0.997854182,"outcomes":[4,2,0,1,1],"dropped":[{"kind":"text","source":"text 0","nats":6.650005495}],"proposed":false,"naming":0,"posts":22},{"platform":"chirp","account_id":"1000","account_name":"Account No. 0","log_e":0.353406081,"posterior":0.971569766,"outcomes":[2,1,1,0,2],"dropped":[{"kind":"text","source":"text 0","nats":6.650005495},{"kind":"hashtags","source":"hashtags 1","nats":2.450440071}],"proposed":true,"naming":0,"posts":20},{"platform":"chirp","account_id":"1003","account_name":"Account No. 3","log_e":-0.885774126,"posterior":0.908235626,"outcomes":[2,1,1,0,2],"dropped":[{"kind":"text","source":"text 0","nats":6.670545775},{"kind":"hashtags","source":"hashtags 1","nats":3.20057938}],"proposed":true,"naming":1,"elsewhere":true,"posts":23}],"first_seen":"2026-11-02T10:02:38Z","last_seen":"2026-11-02T10:04:50Z","log_e":2.159007175,"log_e_leave_one_source_out":-0.709314523,"candidates_tested":40,"test":{"alpha":0.05,"safety":2.0,"proposed":4,"born":"2026-11-02T09:45:00Z","number":17,"discoveries":2,"bar":7.748083511},"history_hours":1.5,"windows":[{"seconds":600,"nats":2.561232402,"losses":-5.470158092,"group":[2,2,2,0,6],"crowd":[4,4,4,4,464],"near":[0,0,0,0,36]},{"seconds":7200,"nats":2.561232402,"losses":-5.470158092,"group":[2,2,2,0,6],"crowd":[4,4,4,4,464],"near":[0,0,0,0,36]},{"seconds":86400,"nats":-2.476218487,"losses":-5.154112603,"group":[2,0,0,0,10],"crowd":[4,4,4,4,464],"near":[0,0,0,0,36]}],"namings":[{"from":"2026-11-01T10:00:00Z","until":"2026-11-04T10:00:00Z","group":[17,10,7,6,16],"crowd":[1.5833333333333333,3.5,10.0,20.333333333333332,950.0],"cover":0.5,"share_proposed":0.96,"share_others":0.004,"others":985},{"from":"2026-11-01T10:00:00Z","until":"2026-11-04T10:00:00Z","group":[2,1,1,0,2],"crowd":[2.583333333333333,3.5,10.0,20.333333333333332,950.0],"cover":0.0,"share_proposed":0.96,"share_others":0.004,"others":985}],"traces":{"hashtags":2.923721738,"text":2.677894116,"url":2.429774639},"sources":[{"kind":"hashtags","source":"hashtags 1","nats":2.923721738,"by_window":[2.923721738,2.923721738,0.0]},{"kind":"text","source":"text 0","nats":2.677894116,"by_window":[2.677894116,2.677894116,2.677894116]},{"kind":"url","source":"site2.example","nats":2.429774639,"by_window":[2.429774639,2.429774639,0.0]}],"score":1.75,"intercept":-1.25,"probability":0.8519528019683106,"reasons":[{"feature":"own_words_share","value":0.625,"contribution":3.5,"text":"why own_words_share"},{"feature":"hour_agreement","value":0.5,"contribution":-0.5,"text":"why hour_agreement"},{"feature":"deletion_rate","value":null,"contribution":0.0,"text":"why deletion_rate"}],"model":{"name":"cluster","version":"3"},"evidence":[{"kind":"text","key":"text 0","source":"text 0","source_kind":"text","nats":2.677894116,"by_window":[2.677894116,2.677894116,2.677894116],"posts":[{"id":"0-0","platform":"chirp","account_id":"1000","created_at":"2026-11-02T10:02:38Z"},{"id":"0-1","platform":"chirp","account_id":"1001","created_at":"2026-11-02T10:04:47Z","gains":[{"window":0,"outcome":"own_words","g":0.14285714285714285,"h":0.06444444444444444},{"window":1,"outcome":"own_words","g":0.14285714285714285,"h":0.06444444444444444},{"window":2,"outcome":"own_words","g":0.14285714285714285,"h":0.06444444444444444}]},{"id":"0-4","platform":"chirp","account_id":"1004","created_at":"2026-11-02T10:04:50Z","gains":[{"window":0,"outcome":"own_words","g":0.3333333333333333,"h":0.05076923076923077},{"window":1,"outcome":"own_words","g":0.3333333333333333,"h":0.05076923076923077},{"window":2,"outcome":"own_words","g":0.3333333333333333,"h":0.05076923076923077}]}]}],"unlisted":{"trials":4,"nats":[5.353496377,5.353496377,0.0]},"ties":[{"a":2,"b":3,"kind":"text","co_acts":5,"expected":0.046875,"nats":20.127886361,"median_lag_s":42.5},{"a":2,"b":1,"kind":"text","co_acts":4,"expected":0.03125,"nats":17.065984397,"median_lag_s":42.5},{"a":0,"b":1,"kind":"text","co_acts":3,"expected":0.015625,"nats":14.280122888,"median_lag_s":42.5}],"topics":["elections"],"targets":[]}"#]].assert_eq(&plain(&small()));
    expect![[r#"{"schema_version":2,"cluster_id":"c-02","version":1,"status":"single_source","why":"one_text","accounts":[{"platform":"chirp","account_id":"1000","account_name":"Account No. 0","log_e":0.0,"outcomes":[0,0,0,0,0],"proposed":true,"posts":20},{"platform":"chirp","account_id":"1001","account_name":"Account No. 1","log_e":0.0,"outcomes":[0,0,0,0,0],"proposed":true,"posts":21},{"platform":"chirp","account_id":"1002","account_name":"Account No. 2","log_e":0.0,"outcomes":[0,0,0,0,0],"proposed":true,"posts":22}],"first_seen":"2026-11-02T10:00:00Z","last_seen":"2026-11-02T10:14:00Z","log_e":0.0,"log_e_leave_one_source_out":0.0,"candidates_tested":3,"history_hours":0.0,"windows":[],"namings":[],"traces":{},"sources":[],"evidence":[{"kind":"text","key":"subscribe to my channel","source":"subscribe to my channel","source_kind":"text","nats":0.0,"by_window":[0.0,0.0,0.0],"posts":[{"id":"p0","platform":"chirp","account_id":"1000","created_at":"2026-11-02T10:00:00Z"},{"id":"p1","platform":"chirp","account_id":"1001","created_at":"2026-11-02T10:07:00Z"},{"id":"p2","platform":"chirp","account_id":"1002","created_at":"2026-11-02T10:14:00Z"}]}],"unlisted":{"trials":0,"nats":[0.0,0.0,0.0]},"ties":[],"topics":["elections"],"targets":[]}"#]].assert_eq(&plain(&fixtures::one_text(3)));
    expect![[r#"{"schema_version":2,"cluster_id":"c-01","version":2,"lineage":["c-00"],"status":"near_miss","accounts":[{"platform":"chirp","account_id":"1001","account_name":"Account No. 1","log_e":0.0,"outcomes":[0,0,0,0,0],"proposed":true,"posts":21},{"platform":"chirp","account_id":"1002","account_name":"Account No. 2","log_e":0.0,"outcomes":[0,0,0,0,0],"proposed":true,"posts":22},{"platform":"chirp","account_id":"1000","account_name":"Account No. 0","log_e":0.0,"outcomes":[0,0,0,0,0],"proposed":true,"posts":20}],"first_seen":"2026-11-02T10:00:49Z","last_seen":"2026-11-02T10:07:35Z","log_e":3.065076569,"log_e_leave_one_source_out":-1.958678624,"candidates_tested":40,"test":{"alpha":0.05,"safety":2.0,"proposed":4,"born":"2026-11-02T09:45:00Z","number":17,"discoveries":2,"bar":7.748083511},"history_hours":1.5,"windows":[{"seconds":600,"nats":3.065076569,"losses":-1.958678624,"group":[3,0,0,0,2],"crowd":[2,2,2,2,192],"near":[0,0,0,0,15]},{"seconds":7200,"nats":3.065076569,"losses":-1.958678624,"group":[3,0,0,0,2],"crowd":[2,2,2,2,192],"near":[0,0,0,0,15]},{"seconds":86400,"nats":3.065076569,"losses":-1.958678624,"group":[3,0,0,0,2],"crowd":[2,2,2,2,192],"near":[0,0,0,0,15]}],"namings":[],"traces":{"text":5.023755193},"sources":[{"kind":"text","source":"text 0","nats":5.023755193,"by_window":[5.023755193,5.023755193,5.023755193]}],"evidence":[{"kind":"text","key":"text 0","source":"text 0","source_kind":"text","nats":5.023755193,"by_window":[5.023755193,5.023755193,5.023755193],"posts":[{"id":"0-0","platform":"chirp","account_id":"1000","created_at":"2026-11-02T10:00:49Z"},{"id":"0-1","platform":"chirp","account_id":"1001","created_at":"2026-11-02T10:04:29Z","gains":[{"window":0,"outcome":"own_words","g":0.14285714285714285,"h":0.06444444444444444},{"window":1,"outcome":"own_words","g":0.14285714285714285,"h":0.06444444444444444},{"window":2,"outcome":"own_words","g":0.14285714285714285,"h":0.06444444444444444}]},{"id":"0-2","platform":"chirp","account_id":"1002","created_at":"2026-11-02T10:06:04Z","gains":[{"window":0,"outcome":"own_words","g":0.3333333333333333,"h":0.05076923076923077},{"window":1,"outcome":"own_words","g":0.3333333333333333,"h":0.05076923076923077},{"window":2,"outcome":"own_words","g":0.3333333333333333,"h":0.05076923076923077}]},{"id":"0-3","platform":"chirp","account_id":"1003","created_at":"2026-11-02T10:07:35Z","gains":[{"window":0,"outcome":"own_words","g":0.45454545454545453,"h":0.043529411764705886},{"window":1,"outcome":"own_words","g":0.45454545454545453,"h":0.043529411764705886},{"window":2,"outcome":"own_words","g":0.45454545454545453,"h":0.043529411764705886}]}]}],"unlisted":{"trials":0,"nats":[0.0,0.0,0.0]},"ties":[{"a":2,"b":1,"kind":"text","co_acts":4,"expected":0.03125,"nats":17.065984397,"median_lag_s":42.5},{"a":0,"b":1,"kind":"text","co_acts":3,"expected":0.015625,"nats":14.280122888,"median_lag_s":42.5}],"topics":["elections"],"targets":[]}"#]].assert_eq(&plain(&fixtures::near_miss(Shape { seed: 2, members: 3, keys: 1 })));
    let whole = message();
    assert!(whole.features.len() > 10, "{:?}", whole.features);
    assert_eq!(ClusterMessage::decode(&whole.encode().unwrap()), Ok(whole));
}

#[test]
fn nats_are_written_to_a_billionth() {
    let mut cluster = small();
    cluster.nats_by_source[0].nats = [0.1 + 0.2, -9.7e-17, 1e300];
    let nats = written(&cluster).unwrap().sources[0].by_window;
    assert_eq!(nats, [0.3, 0.0, 1e300]);
    assert!(nats[1].is_sign_positive(), "rounding errors of a sum are not written");
}

#[test]
fn status_follows_the_finding_and_what_the_judge_said() {
    let shape = Shape::default();
    let told = |cluster: &Cluster| {
        let message = written(cluster).unwrap();
        (message.status, message.why, message.probability.is_some(), message.score.is_some(), message.model.is_some())
    };
    assert_eq!(told(&fixtures::coordinated(shape, true)), (Status::Flagged, None, true, true, true));
    assert_eq!(told(&fixtures::coordinated(shape, false)), (Status::Coordinated, None, true, true, true));
    assert_eq!(told(&fixtures::best_source(shape)), (Status::SingleSource, Some(Why::BestSource), true, true, true));
    assert_eq!(told(&fixtures::one_text(3)), (Status::SingleSource, Some(Why::OneText), false, false, false));
    assert_eq!(told(&fixtures::near_miss(shape)), (Status::NearMiss, None, false, false, false));
    let faded = Cluster { finding: Finding::Faded, ..fixtures::coordinated(shape, false) };
    assert_eq!(told(&faded), (Status::Faded, None, true, true, true));
    for status in Status::ALL {
        assert_eq!(serde_json::to_value(status).unwrap(), status.name());
    }
}

#[test]
fn what_does_not_go_together_is_not_written() {
    let yes = fixtures::verdict(true);
    let refused = |cluster: Cluster, verdict: Option<&scoring::Verdict>| {
        ClusterMessage::new(&cluster, verdict, vec![], vec![]).unwrap_err().to_string()
    };
    let shape = Shape::default();
    expect!["cluster c-01: the verdict contradicts the engine's judge: one finds the cluster inauthentic and the other does not"]
        .assert_eq(&refused(fixtures::coordinated(shape, false), Some(&yes)));
    expect!["cluster c-01: has no model's verdict, but the finding needs one"]
        .assert_eq(&refused(fixtures::coordinated(shape, true), None));
    expect!["cluster c-01: has a model's verdict, which near misses and one text by many accounts never have"]
        .assert_eq(&refused(fixtures::near_miss(shape), Some(&yes)));
    assert!(refused(fixtures::one_text(3), Some(&yes)).contains("which near misses"));
    expect!["cluster c-01: is flagged, but the finding is not `coordinated`"]
        .assert_eq(&refused(Cluster { flagged: true, ..fixtures::best_source(shape) }, Some(&yes)));
    let no_reason = Cluster { single_source: None, ..fixtures::best_source(shape) };
    expect!["cluster c-01: is single-source without a reason, or has a reason without being single-source"]
        .assert_eq(&refused(no_reason, Some(&yes)));
    let reason = Cluster { single_source: Some(SingleSource::BestSource), ..small() };
    assert!(refused(reason, Some(&yes)).contains("without a reason"));
}

#[test]
fn no_number_that_json_lacks_gets_out() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut broken = small();
        broken.ties[0].median_lag_s = bad;
        assert_eq!(
            written(&broken),
            Err(ClusterError::NotFinite { cluster_id: "c-01".into(), path: "ties[0].median_lag_s".into() })
        );
        // Every number that there is, one after another: none is written as null.
        let whole = serde_json::to_value(message()).unwrap();
        let mut count = 0;
        spoil(&whole, &mut String::new(), &mut |path| {
            let mut later = message();
            if set(&mut later, path, bad) {
                count += 1;
                assert!(matches!(later.encode(), Err(ClusterError::NotFinite { .. })), "{path}");
                assert!(matches!(later.check(), Err(ClusterError::NotFinite { .. })), "{path}");
            }
        });
        assert!(count > 20, "{count}");
    }
    let mut later = message();
    later.reasons[0].value = Some(f64::NAN);
    expect!["cluster c-01: reasons[0].value is not a finite number"]
        .assert_eq(&later.encode().unwrap_err().to_string());
}

/// Paths of all numbers of a value.
fn spoil(value: &serde_json::Value, path: &mut String, found: &mut impl FnMut(&str)) {
    let end = path.len();
    match value {
        serde_json::Value::Number(_) => found(path),
        serde_json::Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                path.push_str(&format!("/{at}"));
                spoil(item, path, found);
                path.truncate(end);
            }
        }
        serde_json::Value::Object(fields) => {
            for (name, item) in fields {
                path.push_str(&format!("/{name}"));
                spoil(item, path, found);
                path.truncate(end);
            }
        }
        _ => {}
    }
}

/// Sets a number at a path of the message's JSON, if the number is a float.
fn set(message: &mut ClusterMessage, path: &str, number: f64) -> bool {
    let steps: Vec<&str> = path.split('/').skip(1).collect();
    let at = |step: usize| steps[step].parse::<usize>().unwrap();
    let place = match steps.as_slice() {
        ["log_e"] => &mut message.log_e,
        ["log_e_leave_one_source_out"] => &mut message.log_e_leave_one_source_out,
        ["history_hours"] => &mut message.history_hours,
        ["score"] => message.score.as_mut().unwrap(),
        ["intercept"] => message.intercept.as_mut().unwrap(),
        ["probability"] => message.probability.as_mut().unwrap(),
        ["test", "alpha"] => &mut message.test.as_mut().unwrap().alpha,
        ["test", "safety"] => &mut message.test.as_mut().unwrap().safety,
        ["test", "bar"] => &mut message.test.as_mut().unwrap().bar,
        ["windows", _, "nats"] => &mut message.windows[at(1)].nats,
        ["windows", _, "losses"] => &mut message.windows[at(1)].losses,
        ["namings", _, "crowd", _] => &mut message.namings[at(1)].crowd[at(3)],
        ["namings", _, "cover"] => &mut message.namings[at(1)].cover,
        ["namings", _, "share_proposed"] => &mut message.namings[at(1)].share_proposed,
        ["namings", _, "share_others"] => &mut message.namings[at(1)].share_others,
        ["traces", kind] => message.traces.get_mut(&kind.parse().unwrap()).unwrap(),
        ["features", name] => message.features.get_mut(*name).unwrap().as_mut().unwrap(),
        ["sources", _, "nats"] => &mut message.sources[at(1)].nats,
        ["sources", _, "by_window", _] => &mut message.sources[at(1)].by_window[at(3)],
        ["accounts", _, "log_e"] => &mut message.accounts[at(1)].log_e,
        ["accounts", _, "posterior"] => message.accounts[at(1)].posterior.as_mut().unwrap(),
        ["accounts", _, "dropped", _, "nats"] => &mut message.accounts[at(1)].dropped[at(3)].nats,
        ["reasons", _, "value"] => message.reasons[at(1)].value.as_mut().unwrap(),
        ["reasons", _, "contribution"] => &mut message.reasons[at(1)].contribution,
        ["evidence", _, "nats"] => &mut message.evidence[at(1)].nats,
        ["evidence", _, "by_window", _] => &mut message.evidence[at(1)].by_window[at(3)],
        ["evidence", _, "posts", _, "gains", _, "g"] => &mut message.evidence[at(1)].posts[at(3)].gains[at(5)].g,
        ["evidence", _, "posts", _, "gains", _, "h"] => &mut message.evidence[at(1)].posts[at(3)].gains[at(5)].h,
        ["unlisted", "nats", _] => &mut message.unlisted.nats[at(2)],
        ["ties", _, "nats"] => &mut message.ties[at(1)].nats,
        ["ties", _, "expected"] => message.ties[at(1)].expected.as_mut().unwrap(),
        ["ties", _, "median_lag_s"] => &mut message.ties[at(1)].median_lag_s,
        // Whole numbers cannot be NaN.
        ["schema_version" | "version" | "candidates_tested"]
        | ["test", "proposed" | "number" | "discoveries"]
        | ["windows", _, "seconds"]
        | ["windows", _, "group" | "crowd" | "near", _]
        | ["namings", _, "group", _]
        | ["namings", _, "others"]
        | ["accounts", _, "posts" | "naming"]
        | ["accounts", _, "outcomes", _]
        | ["evidence", _, "posts", _, "gains", _, "window"]
        | ["unlisted", "trials"]
        | ["ties", _, "a" | "b" | "co_acts"] => return false,
        other => panic!("is this number checked before it is written? {other:?}"),
    };
    *place = number;
    true
}

#[test]
fn a_tie_or_a_time_that_cannot_be_written_is_an_error() {
    let mut outside = small();
    outside.ties[0].b = AccountRef { platform: "chirp".into(), account_id: "99".into() };
    expect!["cluster c-01: a tie names chirp:99, which is not a member"]
        .assert_eq(&written(&outside).unwrap_err().to_string());
    let error = written(&Cluster { last_seen: i64::MAX, ..small() }).unwrap_err();
    expect!["cluster c-01: last_seen is outside the years -9999 to 9999: 9223372036854775807 ms"]
        .assert_eq(&error.to_string());
    let mut late = small();
    late.evidence[0].posts[0].created_at = 1_000_000_000_000_000;
    assert!(matches!(written(&late), Err(ClusterError::Time { path: "evidence.posts.created_at", .. })));
}

#[test]
fn a_gain_is_of_its_window_and_the_best_window_is_the_one_of_nats() {
    let cluster = small();
    let message = written(&cluster).unwrap();
    let best = cluster.best_window();
    assert_eq!(message.best_window(), best);
    for (told, evidence) in message.evidence.iter().zip(&cluster.evidence) {
        assert_eq!(told.nats, told.by_window[best]);
        for (told, post) in told.posts.iter().zip(&evidence.posts) {
            let windows: Vec<usize> = told.gains.iter().map(|gain| gain.window).collect();
            let gained: Vec<usize> = (0..3).filter(|&window| post.gains[window].is_some()).collect();
            assert_eq!(windows, gained);
            let outcome = match evidence.kind {
                TraceKind::Text => Outcome::OwnWords,
                TraceKind::Hashtags => Outcome::Rare,
                _ => Outcome::Middling,
            };
            assert!(told.gains.iter().all(|gain| gain.outcome == outcome));
        }
    }
    let seconds: Vec<i64> = message.windows.iter().map(|window| window.seconds).collect();
    assert_eq!(seconds, [600, 7_200, 86_400]);
}

/// The samples are the first and the last form in which version 1 was written. Never regenerate
/// them: a change that cannot read them breaks readers.
#[test]
fn messages_of_version_1_are_still_read() {
    for sample in
        [&include_bytes!("../samples/cluster.v1.json")[..], include_bytes!("../samples/cluster.v1.arithmetic.json")]
    {
        let AnyVersion::V1(old) = AnyVersion::decode(sample).unwrap() else { panic!("another version") };
        let read = ClusterMessage::decode(sample).unwrap();
        assert_eq!((read.cluster_id.as_str(), read.status, read.accounts.len()), ("c-01", Status::Flagged, 2));
        assert_eq!(
            (read.traces[&TraceKind::Url], read.probability, read.model.clone()),
            (0.3, Some(0.73), Some(old.model.clone()))
        );
        assert_eq!(
            (read.sources[0].nats, read.evidence[0].nats),
            (0.3, 0.3),
            "the nats of keys and sources stay theirs"
        );
        assert_eq!(read.evidence[0].posts[0].id, "p1");
        assert_eq!((read.ties[0].co_acts, read.ties[0].expected), (4, None));
        assert!(read.test.is_none() && read.windows.is_empty() && read.namings.is_empty(), "what it cannot tell");
        let bytes = read.encode().unwrap();
        assert!(bytes.starts_with(br#"{"schema_version":2,"#), "it is one of today's now");
        assert_eq!(ClusterMessage::decode(&bytes), Ok(read));
        assert_eq!(old.evidence[0].test.is_some(), old.test.is_some());
    }
    let single = String::from_utf8_lossy(include_bytes!("../samples/cluster.v1.json"))
        .replace(r#""status":"flagged""#, r#""status":"single_source""#);
    assert_eq!(ClusterMessage::decode(single.as_bytes()).unwrap().why, Some(Why::BestSource));
}

#[test]
fn a_newer_version_is_refused_in_plain_words() {
    let error = ClusterMessage::decode(br#"{"schema_version":3,"anything":[]}"#).unwrap_err();
    expect![[r#"`schema_version`: is 3, but the newest known version is 2: upgrade Lockstep to read this message, near "{\"schema_version\":3,\"anything\":[]}""#]]
        .assert_eq(&error.to_string());
    assert!(ClusterMessage::decode(br#"{"schema_version":0}"#).is_err());
    assert_eq!(
        ClusterMessage::decode(b"{}").unwrap_err().reason,
        "the field \"schema_version\" is required, but missing at column 2"
    );
    // The missing field is named, in either version.
    for version in [1, 2] {
        let error = ClusterMessage::decode(format!(r#"{{"schema_version":{version}}}"#).as_bytes()).unwrap_err();
        assert!(error.reason.contains(r#"the field "cluster_id" is required"#), "{error}");
    }
}

#[test]
fn a_text_by_more_accounts_than_are_known_by_name_is_counted_in_full() {
    let mut cluster = fixtures::one_text(3);
    assert_eq!(written(&cluster).unwrap().unlisted.accounts, 0);
    cluster.terms.proposed = 7_000;
    assert_eq!(written(&cluster).unwrap().unlisted.accounts, 6_997);
}
