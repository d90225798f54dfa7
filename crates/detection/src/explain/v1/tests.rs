use expect_test::expect;
use messages::cluster::AnyVersion;
use serde_json::{Value, json};

use super::*;

/// Five similar keys, three of one source and two of another, and one that nobody followed.
///
/// By hand, with shares of 2^-7 and a safety of 2: when b follows a, the chance is 2 x 2 x 2^-7 =
/// 0.03125; when c does, 0.015625; after that no chance is left. LR_0.1 = (0.1 / 0.03125) x (0.9 /
/// 0.984375) x (0.1 / 0.015625) = 18.724571, LR_0.3 = 131.072000 and LR_0.7 = 305.834667 in the
/// same way: the key gives ln(0.5 + 0.5 x 151.877079) = 4.336487 nats, and the key without a
/// follower ln 0.95. Each member is one of 8 acts (a margin of 2 included) with p = 1 - exp(-0.125)
/// = 0.117503, five times: ln of the mean of (pi / p)^5 is 8.584104, and the threshold of e-BH is
/// ln(3 / (0.05 x 3)) = 2.995732.
fn by_hand() -> Value {
    let key = |number: u32| {
        let site = if number < 3 { "x.example" } else { "y.example" };
        let post = |account: &str, second: u32| {
            json!({ "id": format!("{account}{number}"), "platform": "chirp", "account_id": account,
                "created_at": format!("2026-11-02T1{number}:00:0{second}Z") })
        };
        json!({ "kind": "url", "key": format!("https://{site}/{number}"), "source": site, "nats": 4.336487015,
            "posts": [post("a", 0), post("b", 3), post("c", 7)],
            "test": { "epsilon": 0.5, "others_after": 3, "chance_after": 1e-9,
                "shares": [0.0078125, 0.0078125, 0.0078125],
                "steps": [{ "member": 0, "others": 0, "chance": 0.0 }, { "member": 1, "others": 0, "chance": 0.03125 },
                    { "member": 2, "others": 1, "chance": 0.015625 }] } })
    };
    let account = |id: &str| json!({ "platform": "chirp", "account_id": id, "account_name": id, "log_e": 8.584103881, "posts": 9 });
    json!({
        "schema_version": 1, "cluster_id": "c-01", "version": 1, "status": "coordinated",
        "accounts": [account("a"), account("b"), account("c")],
        "first_seen": "2026-11-02T10:00:00Z", "last_seen": "2026-11-02T14:00:07Z",
        "log_e": 21.631141781, "log_e_leave_one_source_out": 8.621680736, "candidates_tested": 4,
        "test": { "alpha": 0.05, "safety": 2.0, "proposed": 3 }, "history_hours": 30.0,
        "traces": { "url": 21.631141781 },
        "sources": [{ "kind": "url", "source": "x.example", "nats": 13.009461045 },
            { "kind": "url", "source": "y.example", "nats": 8.621680736 }],
        "score": 0.25, "intercept": -1.0, "probability": 0.562176501,
        "reasons": [{ "feature": "size", "value": 3.0, "contribution": 1.5, "text": "" },
            { "feature": "repost_lag", "value": null, "contribution": 0.0, "text": "" },
            { "feature": "log_e", "value": 2.0, "contribution": -0.25, "text": "" }], "model": { "name": "none", "version": "0" },
        "evidence": (0..5).map(key).collect::<Vec<_>>(), "unlisted": { "keys": 1, "nats": -0.051293294 },
        "ties": [], "topics": [], "targets": []
    })
}

fn message(value: &Value) -> ClusterMessage {
    match AnyVersion::decode(value.to_string().as_bytes()).unwrap() {
        AnyVersion::V1(message) => *message,
        AnyVersion::V2(_) => panic!("of version 1"),
    }
}

#[test]
fn what_was_reckoned_by_hand_is_what_comes_out() {
    let explained = Explanation::of(&message(&by_hand())).unwrap();
    assert_eq!(explained.contradictions, [""; 0]);
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a} is not {b}");
    let test = explained.keys[0].test.as_ref().unwrap();
    for (log_lr, lr) in test.log_lr.iter().zip([18.724_571_4, 131.072_000_0, 305.834_666_7]) {
        close(log_lr.exp() / lr, 1.0);
    }
    close(explained.keys[0].nats.recomputed.unwrap(), 4.336_487_015);
    close(explained.log_e.recomputed.unwrap(), 21.631_141_781);
    assert_eq!(explained.left_out, Some(0));
    close(explained.log_e_leave_one_source_out.recomputed.unwrap(), 8.621_680_736);
    close(explained.bar.to_stand, 2.995_732_274);
    close(explained.member_bar.unwrap(), 2.995_732_274);
    close(explained.members[0].trials[0].p, 0.117_503_097);
    close(explained.members[2].log_e.recomputed.unwrap(), 8.584_103_881);
    assert!(serde_json::to_string(&explained).unwrap().contains("\"recomputed\":"));
}

#[test]
fn people_can_follow_it() {
    let mut explained = Explanation::of(&message(&by_hand())).unwrap();
    explained.narrow(Some("y.example/3"), Some("b")).unwrap();
    expect![[r#"
        Cluster c-01, version 1: coordinated, 2026-11-02T10:00:00Z to 2026-11-02T14:00:07Z
        Evidence is in nats: ln of an e-value against "these accounts act independently". Each number is recomputed from the cluster's own line.
        Where nothing else is said, it equals the recorded number to 0.000001 nats.

        KEYS: how much more likely are these acts if members act together than if they act by habit?
          q is the probability that the next act is a member's first act on the key, and at least the chance by habit. A step adds
          others x ln((1 - q) / (1 - chance)) + ln(q / chance) to ln LR. Only the first 20, 6 and 2 of the others count; after that many,
          the member's act adds nothing. At a chance of 1e-9 no member is left, and nothing is added.
          The key gives ln((1 - epsilon) + epsilon x mean LR).
          The chance is 2 (safety) x the expected shares of acts of the members who have not acted yet.

        4. url https://y.example/3, source y.example
           act by           at                        others      chance  ln LR q=0.1  ln LR q=0.3  ln LR q=0.7
           chirp:a          2026-11-02T13:00:00Z     opens the test
           chirp:b          2026-11-02T13:00:03Z           0    3.125e-2      +1.1632      +2.2618      +3.1091
           chirp:c          2026-11-02T13:00:07Z           1    1.562e-2      +1.7667      +2.6140      +2.6140
           no other member                                 3    1.000e-9      +0.0000      +0.0000      +0.0000
           sum                                                                +2.9298      +4.8757      +5.7230
           ln mean LR 5.0231; epsilon 0.500000; ln(0.500000 + 0.500000 x e^5.0231) = 4.3365

        SUMS, nats
          1 more keys are not listed, 0 of them followed by a second member: -0.0513 together
          source                      keys      listed  not listed         sum
          url x.example                  3    +13.0095     +0.0000    +13.0095  the best: left out
          url y.example                  2     +8.6730     -0.0513     +8.6217
          trace                       keys      listed  not listed         sum
          url                            5    +21.6824     -0.0513    +21.6311
          all evidence (log_e): 21.6311
          without the best source (log_e_leave_one_source_out): 8.6217
          threshold to remain valid, without the best source: ln(1 / 0.05) = 2.9957 nats. It has 8.6217, which reaches it
          threshold of its first report, among all tested candidates: at most 6.3036; it is above this now as well

        MEMBERS: did each take part where at least two others did?
          p = 1 - exp(-2 x share x acts) is the probability of taking part by habit, and pi, at least p, the probability of taking part
          with the others. A trial adds ln(pi / p) to ln LR if the account took part, else ln((1 - pi) / (1 - p)).
          Its evidence is ln of the mean LR.
          Accounts with at least 2.9957 nats are named: e-BH at 0.05 among the 3 accounts of the proposed group.
          account trials  part  ln LR 0.2  ln LR 0.5  ln LR 0.8  evidence, nats
          chirp:b      5     5    +2.6593    +7.2407    +9.5907  8.5841
               key  part       share     acts           p  ln LR 0.2  ln LR 0.5  ln LR 0.8
                 1   yes    7.812e-3        8    1.175e-1    +0.5319    +1.4481    +1.9181
                 2   yes    7.812e-3        8    1.175e-1    +0.5319    +1.4481    +1.9181
                 3   yes    7.812e-3        8    1.175e-1    +0.5319    +1.4481    +1.9181
                 4   yes    7.812e-3        8    1.175e-1    +0.5319    +1.4481    +1.9181
                 5   yes    7.812e-3        8    1.175e-1    +0.5319    +1.4481    +1.9181

        SCORE: is the coordination inauthentic? The model's log-odds, nats
          intercept                     -1.0000
          size             3.000000     +1.5000
          repost_lag      not known     +0.0000
          log_e            2.000000     -0.2500
          score, their sum: 0.2500
          probability, 1 / (1 + e^-score): 0.5622

        Every number that can be recomputed from this line equals the recorded one.
    "#]].assert_eq(&explained.to_string());
    let error = explained.narrow(None, Some("z")).unwrap_err();
    expect![[r#"cluster c-01 has no account "z""#]].assert_eq(&error.to_string());
    let error = explained.narrow(Some("z.example"), None).unwrap_err();
    expect![[r#"cluster c-01 has no key that contains "z.example""#]].assert_eq(&error.to_string());
}

/// Sets a value at an existing place, or at a place of an optional field.
fn set(line: &mut Value, pointer: &str, value: Value) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match line.pointer_mut(parent).unwrap() {
        Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
        object => object[name] = value,
    }
}

/// Another candidate of six names b and two more. On two keys of its own b took part, on one it did
/// not, and two are a sum.
///
/// By hand, with a safety of 2: the shares of 2^-6 give p = 1 - exp(-0.25) = 0.221199 where there
/// were 8 acts and p = 1 - exp(-0.125) = 0.117503 where there were 4. ln LR for pi = 0.2, which is
/// less than the first p: 2 ln 1 + ln(0.8 / 0.882497) + 0.5; for 0.5: 2 ln(0.5 / 0.221199) + ln(0.5
/// / 0.882497) + 1.5; for 0.8: 2 ln(0.8 / 0.221199) + ln(0.2 / 0.882497) + 3. These are 0.401856,
/// 2.562942 and 4.086658, and ln of the mean of the three LR is 3.205576. With three of six named
/// at an alpha of 0.1, e-BH asks for ln(6 / (0.1 x 3)) = 2.995732.
fn by_another() -> Value {
    let mut line = by_hand();
    line["test"]["alpha"] = json!(0.1);
    line["accounts"][1]["elsewhere"] = json!(true);
    line["accounts"][1]["log_e"] = json!(3.205575780);
    line["accounts"][1]["trials"] = json!({ "proposed": 6, "named": 3, "keys": [
        { "evidence": 3, "took_part": true, "share": 0.015625, "acts": 8 },
        { "key": { "kind": "text", "key": "t-1", "source": "en" }, "took_part": true, "share": 0.015625, "acts": 8 },
        { "evidence": 4, "share": 0.015625, "acts": 4 },
    ], "rest": { "trials": 2, "log_lr": [0.5, 1.5, 3.0] } });
    line
}

#[test]
fn a_member_whom_another_candidate_names_has_its_numbers_from_there() {
    let mut explained = Explanation::of(&message(&by_another())).unwrap();
    let member = &explained.members[1];
    assert_eq!(explained.contradictions, [""; 0]);
    assert_eq!((member.named_of, member.summed.map(|summed| summed.trials)), (Some((3, 6)), Some(2)));
    assert!((member.bar.unwrap() - 20f64.ln()).abs() < 1e-9 && (member.here.unwrap() - 8.584_103_881).abs() < 1e-6);
    explained.narrow(Some("y.example/3"), Some("b")).unwrap();
    let text = explained.to_string();
    expect![[r#"
        MEMBERS: did each take part where at least two others did?
          p = 1 - exp(-2 x share x acts) is the probability of taking part by habit, and pi, at least p, the probability of taking part
          with the others. A trial adds ln(pi / p) to ln LR if the account took part, else ln((1 - pi) / (1 - p)).
          Its evidence is ln of the mean LR.
          Accounts with at least 2.3026 nats are named: e-BH at 0.1 among the 3 accounts of the proposed group.
          The cluster was merged from several candidates with common members. An account for which another candidate has more evidence is
          shown with that candidate's trials and threshold. The threshold follows from how many of its accounts that candidate names.
          account trials  part  ln LR 0.2  ln LR 0.5  ln LR 0.8  evidence, nats
          chirp:b      3     2    +0.4019    +2.5629    +4.0867  3.2056; with 2 more trials as one sum; by another candidate, which names 3 of 6 accounts, from 2.9957 nats on
               key  part       share     acts           p  ln LR 0.2  ln LR 0.5  ln LR 0.8
                 4   yes    1.562e-2        8    2.212e-1    +0.0000    +0.8155    +1.2855
                 -   yes    1.562e-2        8    2.212e-1    +0.0000    +0.8155    +1.2855  text t-1
                 5    no    1.562e-2        4    1.175e-1    -0.0981    -0.5681    -1.4844
            sum of 2 more, not listed                        +0.5000    +1.5000    +3.0000

        SCORE: is the coordination inauthentic? The model's log-odds, nats
          intercept                     -1.0000
          size             3.000000     +1.5000
          repost_lag      not known     +0.0000
          log_e            2.000000     -0.2500
          score, their sum: 0.2500
          probability, 1 / (1 + e^-score): 0.5622

        Every number that can be recomputed from this line equals the recorded one.
        Trials of members of which this line has only the sum, because they did not fit: 2.
    "#]].assert_eq(&text[text.find("MEMBERS").unwrap()..]);

    for (pointer, tampered, names) in [
        ("/accounts/1/log_e", json!(3.3), "account chirp:b: 3.3"),
        ("/accounts/1/elsewhere", json!(false), "but is not from elsewhere"),
        ("/accounts/1/trials/proposed", json!(600), "is named, but does not pass e-BH"),
        ("/accounts/1/trials/named", json!(4), "4 of 6 are named, in a cluster of 3 accounts"),
        ("/accounts/1/trials/named", json!(0), "0 of 6 are named"),
        ("/accounts/1/trials/keys/0/share", json!(0.0156), "account chirp:b: 3.2"),
        ("/accounts/1/trials/keys/0/share", json!(1.5), "trial 1: a share of 1.5"),
        ("/accounts/1/trials/keys/0/acts", json!(3), "trial 1: 3 acts are fewer than 4"),
        ("/accounts/1/trials/keys/0/evidence", json!(5), "trial 1: there is no key 6"),
        ("/accounts/1/trials/keys/0/evidence", json!(u64::MAX), "trial 1: there is no key"),
        ("/accounts/1/trials/keys/1/key", json!(null), "trial 2: is on no key"),
        ("/accounts/1/trials/keys/2/took_part", json!(true), "account chirp:b: 3.2"),
        ("/accounts/1/trials/rest/trials", json!(0), "has no trials, but a sum"),
        ("/accounts/1/trials/rest/log_lr/2", json!(3.1), "account chirp:b: 3.2"),
        ("/evidence/3/posts/1/account_id", json!("c"), "trial 1: no post of it is on key 4"),
    ] {
        let mut line = by_another();
        set(&mut line, pointer, tampered);
        let found = Explanation::of(&message(&line)).unwrap().contradictions;
        assert!(found.iter().any(|c| c.contains(names)), "{pointer}: {found:#?}");
    }
}

#[test]
fn whatever_number_is_tampered_with_is_found() {
    for (pointer, tampered, names) in [
        ("/log_e", json!(12.3), "log_e: 12.3"),
        ("/log_e_leave_one_source_out", json!(8.6217), "log_e_leave_one_source_out: 8.6217"),
        ("/evidence/1/nats", json!(2.46), "key 2 (url https://x.example/1): 2.46"),
        ("/evidence/1/test/epsilon", json!(0.4), "key 2"),
        ("/evidence/1/test/others_after", json!(4), "account chirp:a"),
        ("/evidence/1/test/chance_after", json!(0.01), "chance_after: a chance of 0.01"),
        ("/evidence/1/test/steps/1/others", json!(1), "key 2"),
        ("/evidence/1/test/steps/1/chance", json!(0.03), "step 2: a chance of 0.03"),
        ("/evidence/1/test/steps/1/member", json!(2), "acts twice"),
        ("/evidence/1/test/steps/1/member", json!(7), "there is no account 7"),
        ("/evidence/1/test/steps/1/member", json!(null), "chance"),
        ("/evidence/1/test/shares/2", json!(0.01), "step 2: a chance of 0.03125 is recorded, but the shares give 0.0"),
        ("/evidence/1/test/shares", json!([]), "has 0 shares for 3 accounts"),
        ("/evidence/1/source", json!("y.example"), "sources: x.example has 13.009"),
        ("/evidence/1/source", json!("z.example"), "a listed key belongs to none of them"),
        ("/evidence/1/kind", json!("repost"), "traces: "),
        ("/sources/0/nats", json!(13.5), "log_e as the sum of sources"),
        ("/traces/url", json!(12.0), "log_e as the sum of traces"),
        ("/unlisted/nats", json!(-0.06), "unlisted.nats"),
        ("/accounts/1/log_e", json!(8.6), "account chirp:b: 8.6"),
        ("/test/safety", json!(2.1), "chance"),
        ("/test/alpha", json!(0.000_01), "status: is coordinated, but 8.6"),
        ("/test/proposed", json!(3_000), "is named, but does not pass e-BH"),
        ("/first_seen", json!("2026-11-02T10:00:01Z"), "first_seen: 2026-11-02T10:00:01Z is recorded"),
        ("/last_seen", json!("2026-11-02T15:00:00Z"), "the last post was made at 2026-11-02T14:00:07Z"),
        ("/score", json!(0.26), "score: 0.26"),
        ("/reasons/2/contribution", json!(-0.5), "score: 0.25"),
        ("/probability", json!(0.6), "probability: 0.6"),
        ("/accounts/0/rest", json!({ "trials": 1, "log_lr": [1, 1, 1] }), "account chirp:a: has a rest, but every key"),
        ("/unlisted/source_nats", json!(-1.0), "unlisted.source_nats: -1.0"),
        ("/status", json!("single_source"), ""),
    ] {
        let mut line = by_hand();
        set(&mut line, pointer, tampered);
        let found = Explanation::of(&message(&line)).unwrap();
        if names.is_empty() {
            // A weaker claim than the numbers allow is not a contradiction.
            assert_eq!(found.contradictions, [""; 0]);
            continue;
        }
        assert!(found.contradictions.iter().any(|c| c.contains(names)), "{pointer}: {:#?}", found.contradictions);
        assert!(found.to_string().contains("NOT AS RECORDED"));
    }
}

#[test]
fn what_a_line_does_not_hold_is_said_and_not_guessed() {
    let mut older = by_hand();
    older.as_object_mut().unwrap().remove("test");
    let error = Explanation::of(&message(&older)).unwrap_err().to_string();
    assert!(error.contains("older version of Lockstep; run `lockstep detect` again"), "{error}");

    let mut elsewhere = by_hand();
    elsewhere["accounts"][1]["log_e"] = json!(9.5);
    elsewhere["accounts"][1]["elsewhere"] = json!(true);
    elsewhere.as_object_mut().unwrap().remove("intercept");
    let explained = Explanation::of(&message(&elsewhere)).unwrap();
    assert_eq!((explained.contradictions.len(), explained.members[1].log_e.recomputed), (0, None));
    let text = explained.to_string();
    for words in [
        "9.5000 recorded; from another candidate, whose trials are not in this line: an older version of Lockstep wrote it; the trials \
         here sum to 8.5841",
        "score, their sum: 0.2500 recorded; the model's intercept is not in this line",
        "could not be recomputed here: 2;",
    ] {
        assert!(text.contains(words), "{text}");
    }

    // Nothing is claimed about a faded cluster.
    let mut faded = by_hand();
    faded["status"] = json!("faded");
    for account in 0..3 {
        faded["accounts"][account]["log_e"] = json!(0.0);
        faded["accounts"][account]["elsewhere"] = json!(true);
    }
    let explained = Explanation::of(&message(&faded)).unwrap();
    assert_eq!(explained.contradictions, [""; 0]);
    assert!(explained.members.iter().all(|member| member.log_e.recomputed == Some(0.0)));
    assert!(explained.to_string().contains("0.0000; nothing is claimed about it: the cluster has faded"));

    // An older version dropped the arithmetic of weak keys first if it did not fit, ...
    let mut bare = by_hand();
    bare["evidence"][4].as_object_mut().unwrap().remove("test");
    let explained = Explanation::of(&message(&bare)).unwrap();
    assert_eq!(explained.contradictions, [""; 0]);
    assert_eq!((explained.member_bar, explained.members[0].log_e.recomputed), (None, None));
    assert!(explained.to_string().contains("4.3365 recorded; an older version of Lockstep left out its arithmetic"));

    // ... and then the keys: the accounts' trials on them are not in the message.
    let mut cut = by_hand();
    cut["unlisted"] = json!({ "keys": 2, "followed": 1, "nats": 4.336487015 - 0.051293294 });
    cut["evidence"].as_array_mut().unwrap().pop();
    let explained = Explanation::of(&message(&cut)).unwrap();
    assert_eq!((explained.member_bar, explained.members[0].log_e.recomputed), (None, None));
    assert!(
        explained
            .to_string()
            .contains("8.5841 recorded; depends on keys that an older version of Lockstep did not list")
    );
}
