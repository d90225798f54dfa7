use coordination::{
    AccountRef, Behaviour, Cluster, Evidence, Finding, KeyTest, KeyTrial, Manner, Member, PostRef, SilentKeys,
    SourceNats, Step, Terms, Tie, TraceKind, Trial, TrialSum, Trials,
};
use expect_test::expect;
use messages::cluster::{
    ClusterError, ClusterMessage, Evidence as EvidenceOf, KeyTrial as KeyTrialOf, Status, Step as StepOf, Tie as TieOf,
};
use scoring::{Reason, Verdict};

fn account(id: &str) -> AccountRef {
    AccountRef { platform: "twitter".into(), account_id: id.into() }
}

/// On a key whose only post in the evidence is that of account 7.
fn trial(key: &str, took_part: bool) -> KeyTrial {
    KeyTrial {
        kind: TraceKind::Text,
        key: key.into(),
        source: "a.example".into(),
        source_kind: TraceKind::Url,
        trial: Trial { took_part, share: 0.02, acts: 5 },
    }
}

fn member(id: &str) -> Member {
    Member {
        account: account(id),
        account_name: format!("name of {id}"),
        log_e: 4.25,
        elsewhere: id == "8",
        trials: (id == "8").then(|| Trials {
            proposed: 5,
            named: 3,
            keys: vec![
                trial("https://a.example/x", true),
                trial("https://a.example/x", false),
                trial("unlisted", true),
            ],
            rest: Some(TrialSum { trials: 2, log_lr: [0.1 + 0.2, -0.5, -1.0] }),
        }),
        rest: (id == "7").then_some(TrialSum { trials: 0, log_lr: [0.0; 3] }),
        behaviour: Behaviour { posts: 12, ..Behaviour::default() },
    }
}

fn cluster() -> Cluster {
    Cluster {
        id: "c-01".into(),
        version: 2,
        lineage: vec!["c-00".into()],
        finding: Finding::Coordinated,
        members: vec![member("7"), member("8")],
        first_seen: 1_793_613_600_000,
        last_seen: 1_793_613_660_500,
        log_e: 0.1 + 0.2,
        log_e_leave_one_source_out: 7.0,
        candidates_tested: 3,
        terms: Terms { alpha: 0.05, safety: 2.0, proposed: 3 },
        history: 5_400_000,
        nats_by_kind: vec![(TraceKind::Url, 0.3), (TraceKind::Repost, 0.0)],
        nats_by_source: vec![
            SourceNats { kind: TraceKind::Url, source: "a.example".into(), nats: 0.3 },
            SourceNats { kind: TraceKind::Text, source: "en".into(), nats: -9.7e-17 },
        ],
        silent_keys: SilentKeys { keys: 2, followed: 0, nats: -0.1 },
        evidence: vec![Evidence {
            kind: TraceKind::Text,
            key: "https://a.example/x".into(),
            source: "a.example".into(),
            source_kind: TraceKind::Url,
            nats: 0.3,
            posts: vec![PostRef {
                created_at: 1_793_613_600_000,
                id: "p1".into(),
                account: account("7"),
                manner: Manner::Wording(7),
            }],
            test: Some(KeyTest {
                epsilon: 0.05,
                steps: vec![
                    Step { member: Some(0), others: 0, chance: 0.0 },
                    Step { member: None, others: 2, chance: 0.25 },
                ],
                others_after: 1,
                chance_after: 0.125,
                shares: vec![Some(0.01), None],
            }),
        }],
        ties: vec![Tie {
            a: account("7"),
            b: account("8"),
            kind: TraceKind::Url,
            co_acts: 4,
            distinct_keys: 3,
            nats: 5.5,
            median_lag_s: 1.5,
        }],
    }
}

fn verdict(inauthentic: bool) -> Verdict {
    Verdict {
        score: 1.0,
        intercept: 1.5,
        probability: 0.73,
        inauthentic,
        reasons: vec![Reason {
            feature: "night_share",
            value: None,
            contribution: -0.5,
            text: "hours not known".into(),
        }],
        model: "baseline".into(),
        version: "1".into(),
    }
}

fn message() -> ClusterMessage {
    ClusterMessage::new(&cluster(), &verdict(true), vec!["elections".into()], vec![]).unwrap()
}

#[test]
fn these_exact_bytes() {
    let bytes = message().encode().unwrap();
    expect![[r#"{"schema_version":1,"cluster_id":"c-01","version":2,"lineage":["c-00"],"status":"flagged","accounts":[{"platform":"twitter","account_id":"7","account_name":"name of 7","log_e":4.25,"rest":{"trials":0,"log_lr":[0.0,0.0,0.0]},"posts":12},{"platform":"twitter","account_id":"8","account_name":"name of 8","log_e":4.25,"elsewhere":true,"trials":{"proposed":5,"named":3,"keys":[{"key":{"kind":"text","key":"https://a.example/x","source":"a.example"},"took_part":true,"share":0.02,"acts":5},{"evidence":0,"share":0.02,"acts":5},{"key":{"kind":"text","key":"unlisted","source":"a.example"},"took_part":true,"share":0.02,"acts":5}],"rest":{"trials":2,"log_lr":[0.3,-0.5,-1.0]}},"posts":12}],"first_seen":"2026-11-02T10:00:00Z","last_seen":"2026-11-02T10:01:00.5Z","log_e":0.3,"log_e_leave_one_source_out":7.0,"candidates_tested":3,"test":{"alpha":0.05,"safety":2.0,"proposed":3},"history_hours":1.5,"traces":{"repost":0.0,"url":0.3},"sources":[{"kind":"url","source":"a.example","nats":0.3},{"kind":"text","source":"en","nats":0.0}],"score":1.0,"intercept":1.5,"probability":0.73,"reasons":[{"feature":"night_share","value":null,"contribution":-0.5,"text":"hours not known"}],"features":{"client_homogeneity":null,"creation_burst":null,"creation_spread":null,"cross_platform_share":0.0,"default_profile_share":null,"delay_p10":null,"delay_p50":null,"delay_p90":null,"deletion_rate":null,"fast_repost_share":null,"handle_pattern_entropy":null,"hour_agreement":null,"hour_entropy":null,"key_entropy":0.0,"log_e":0.262364264,"log_e_leave_one_source_out":2.079441542,"nats_share_hashtags":0.0,"nats_share_media":0.0,"nats_share_mention":0.0,"nats_share_reply":0.0,"nats_share_repost":0.0,"nats_share_text":0.0,"nats_share_url":1.0,"repost_lag":null,"repost_share":0.0,"share_on_cluster_keys":0.0,"size":0.693147181,"source_entropy":0.0,"text_spread":null,"tie_density":1.0,"trace_diversity":1.0},"model":{"name":"baseline","version":"1"},"evidence":[{"kind":"text","key":"https://a.example/x","source":"a.example","source_kind":"url","nats":0.3,"posts":[{"id":"p1","platform":"twitter","account_id":"7","created_at":"2026-11-02T10:00:00Z"}],"test":{"epsilon":0.05,"steps":[{"member":0,"others":0,"chance":0.0},{"member":null,"others":2,"chance":0.25}],"others_after":1,"chance_after":0.125,"shares":[0.01,null]}}],"unlisted":{"keys":2,"nats":-0.1},"ties":[{"a":0,"b":1,"kind":"url","co_acts":4,"nats":5.5,"median_lag_s":1.5}],"topics":["elections"],"targets":[]}"#]].assert_eq(std::str::from_utf8(&bytes).unwrap());
    assert_eq!(ClusterMessage::decode(&bytes), Ok(message()), "every digit comes back");
    let nats = message().sources[1].nats;
    assert!(nats == 0.0 && nats.is_sign_positive(), "the dust of adding is not written: {nats:e}");
}

#[test]
fn status_follows_finding_and_verdict() {
    let status = |finding, inauthentic| {
        let cluster = Cluster { finding, ..cluster() };
        ClusterMessage::new(&cluster, &verdict(inauthentic), vec![], vec![]).unwrap().status
    };
    assert_eq!(status(Finding::Coordinated, true), Status::Flagged);
    assert_eq!(status(Finding::Coordinated, false), Status::Coordinated);
    assert_eq!(status(Finding::SingleSource, true), Status::SingleSource);
    assert_eq!(status(Finding::SingleSource, false), Status::SingleSource);
    assert_eq!(status(Finding::Faded, true), Status::Faded);
}

#[test]
fn no_number_that_json_lacks_gets_out() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut broken = cluster();
        broken.ties[0].median_lag_s = bad;
        assert_eq!(
            ClusterMessage::new(&broken, &verdict(true), vec![], vec![]),
            Err(ClusterError::NotFinite { cluster_id: "c-01".into(), path: "ties[0].median_lag_s".into() })
        );
        let mut later = message();
        later.reasons[0].value = Some(bad);
        let error = later.encode().unwrap_err();
        expect!["cluster c-01: reasons[0].value is not a finite number"].assert_eq(&error.to_string());
    }
}

#[test]
fn a_tie_or_a_time_that_cannot_be_written_is_an_error() {
    let mut outside = cluster();
    outside.ties[0].b = account("99");
    let error = ClusterMessage::new(&outside, &verdict(true), vec![], vec![]).unwrap_err();
    expect!["cluster c-01: a tie names twitter:99, which is not a member"].assert_eq(&error.to_string());
    let error =
        ClusterMessage::new(&Cluster { last_seen: i64::MAX, ..cluster() }, &verdict(true), vec![], vec![]).unwrap_err();
    expect!["cluster c-01: last_seen is outside the years -9999 to 9999: 9223372036854775807 ms"]
        .assert_eq(&error.to_string());
}

#[test]
fn what_is_too_big_loses_the_keys_that_say_least_and_has_them_as_sums() {
    let mut full = message();
    for n in 1..8 {
        let mut weaker = full.evidence[0].clone();
        weaker.nats -= f64::from(n) / 100.0;
        // A second one besides account 7, so that the key asks something of it.
        weaker.test.as_mut().unwrap().steps.push(StepOf { member: None, others: 1, chance: 0.1 });
        full.evidence.push(weaker);
    }
    // A key that speaks against the group, and one that only the trials of account 8 are on.
    full.evidence[6].nats = -0.25;
    (full.evidence[4].nats, full.evidence[4].test) = (0.0, None);
    let mut on_it = full.accounts[1].trials.clone().unwrap();
    (on_it.keys[1].evidence, on_it.keys[1].took_part) = (Some(4), true);
    on_it.keys.push(KeyTrialOf { evidence: Some(7), key: None, took_part: false, share: 0.001, acts: 3 });
    full.accounts[1].trials = Some(on_it);
    full.evidence.push(EvidenceOf { nats: 0.0, test: None, ..full.evidence[0].clone() });

    let written = |message: &ClusterMessage| message.encode().unwrap().len();
    let smaller = |message: &ClusterMessage| message.clone().within(written(message) - 1).unwrap();
    let nats = |message: &ClusterMessage| message.evidence.iter().map(|e| e.nats).collect::<Vec<_>>();
    assert_eq!(full.clone().within(written(&full)), Ok(full.clone()));

    let fewer_sources = smaller(&full);
    assert_eq!((fewer_sources.sources.len(), fewer_sources.unlisted.sources), (1, 1), "the one without a listed key");
    assert_eq!((&fewer_sources.accounts, &fewer_sources.evidence), (&full.accounts, &full.evidence));

    let no_idle_key = smaller(&fewer_sources);
    assert_eq!(no_idle_key.evidence[..], full.evidence[..8], "the key that is there for its posts only");
    assert_eq!((no_idle_key.unlisted.of_others, no_idle_key.unlisted.keys), (1, 2));
    assert_eq!(no_idle_key.accounts, full.accounts);

    let mut cut = no_idle_key.clone();
    while cut.evidence.len() > 4 {
        cut = smaller(&cut);
    }
    let near = |found: f64, by_hand: f64| assert!((found - by_hand).abs() < 1e-8, "{found} is not {by_hand}");
    let left: Vec<i64> = nats(&cut).iter().map(|nats| (nats * 100.0).round() as i64).collect();
    assert_eq!(left, [30, 29, 28, 0], "least first, for or against; the trial on the one at 0 says more than that");
    assert_eq!((cut.unlisted.keys, cut.unlisted.followed), (2 + 4, 4));
    near(cut.unlisted.nats, -0.1 + 0.27 + 0.25 - 0.25 + 0.23);
    // Account 7 took part with two others: 0 + 2 + 1 others and the two steps after the first, and two more.
    let p = 1.0 - (-2.0 * f64::from(0.01f32) * 8.0).exp();
    let rest = cut.accounts[0].rest.unwrap();
    assert_eq!(rest.trials, 4);
    near(rest.log_lr[1], 4.0 * (0.5 / p).ln());
    assert_eq!(cut.accounts[1].rest, None, "account 8 is not in the group");
    // Of account 8, the trial on the last key was summed, and the other one on a listed key has that key's new place.
    let trials = cut.accounts[1].trials.as_ref().unwrap();
    assert_eq!(trials.keys.iter().map(|key| key.evidence).collect::<Vec<_>>(), [None, Some(3), None]);
    let p = 1.0 - (-2.0 * f64::from(0.001f32) * 3.0).exp();
    let rest = trials.rest.unwrap();
    assert_eq!(rest.trials, 3);
    near(rest.log_lr[0], 0.3 + (0.8 / (1.0 - p)).ln());
    assert!(cut.evidence[..3].iter().all(|evidence| evidence.test.is_some()), "what is there has its arithmetic");

    let nothing = full.within(0).unwrap();
    assert!(nothing.evidence.is_empty() && nothing.ties.is_empty() && nothing.accounts.len() == 2);
    assert_eq!(nothing.unlisted.of_others, 2);
    let trials = nothing.accounts[1].trials.as_ref().unwrap();
    assert_eq!((trials.keys.len(), trials.rest.unwrap().trials), (0, 6));
}

/// 300 accounts have so many ties that they alone would fill a record.
#[test]
fn ties_that_fill_a_message_go_before_its_evidence() {
    let mut full = message();
    full.ties = (0..44_850).map(|n| TieOf { nats: 50.0 - f64::from(n) / 1_000.0, ..full.ties[0].clone() }).collect();
    let cut = full.clone().within(900 * 1024).unwrap();
    assert!(cut.encode().unwrap().len() <= 900 * 1024);
    assert_eq!(cut.evidence, full.evidence);
    let strongest = cut.ties.len();
    assert!(strongest > 1_000 && cut.ties[..] == full.ties[..strongest], "{strongest}");
}

/// The sample is a message as version 1 was first written. It is never regenerated: a change that cannot read it breaks readers.
#[test]
fn a_message_of_the_first_version_is_still_read() {
    let sample = include_bytes!("../samples/cluster.v1.json");
    let read = ClusterMessage::decode(sample).unwrap();
    assert_eq!((read.cluster_id.as_str(), read.status, read.accounts.len()), ("c-01", Status::Flagged, 2));
    assert_eq!(read.traces["url"], 0.3);
    assert!(read.test.is_none() && read.evidence[0].test.is_none(), "it has no arithmetic");
    assert!(read.lineage.is_empty(), "an absent optional field has its default");
}

#[test]
fn a_newer_version_is_refused_in_plain_words() {
    let error = ClusterMessage::decode(br#"{"schema_version":2,"anything":[]}"#).unwrap_err();
    expect![[r#"`schema_version`: is 2, and the newest known here is 1: upgrade Lockstep to read this message, near "{\"schema_version\":2,\"anything\":[]}""#]]
        .assert_eq(&error.to_string());
    assert_eq!(ClusterMessage::decode(b"{}").unwrap_err().reason, "missing field `schema_version` at column 2");
}
