use coordination::{Cluster, Finding};
use expect_test::expect;
use messages::fixtures::{self, Shape};
use serde_json::{Value, json};

use super::*;
use crate::shortened;

mod contradictions;

/// Three accounts were proposed and one was found afterwards. One text, one link and one tag were
/// repeated.
///
/// By hand: gains are ln 4 and ln 9 of the text within 10 minutes and 2 hours, ln 8 and ln 9 within
/// a day, ln 10 of the link, and 4 of the tag, for ln 90 is more. So the windows have 9.886104,
/// 9.886104 and 4.276666 of gains, and with their losses 8.386104, 7.886104 and 3.776666 nats; ln
/// of the mean of e^nats is 7.767748. Without the tag the windows have 4.386104, 3.886104 and
/// 3.776666, which gives 4.053047: less than without the text. The threshold of the first group is
/// ln(2.11 x 2 x ln(2)^2 / 0.05) = 3.702542.
///
/// Everybody else's rates, with 20 imagined accounts, are 1, 0.6, 0.6, 22 and 975.8 of 1,000. To
/// account d, which was found afterwards, own words add ln(0.2 / 0.002), which is more than 4, a
/// common thing ln(0.102439 / 0.044) = 0.845078, and nothing ln(0.492683 / 0.9758) = -0.683392.
/// With 2, 1 and 1 of them, less 4 of a dropped text, it has 4.161686 nats, and 1 / (1 + 99
/// e^-4.161686) is 0.393307. Without the own posts of account a, the group has 15, 8, 9, 9 and 47
/// of 88: own words, rare and middling objects add 4 each, a common one ln(9.5 / 90.5 / 0.044) =
/// 0.869508 and nothing ln(47.5 / 90.5 / 0.9758) = -0.620123. With 5, 2, 1, 1 and 3 of them, less
/// 8, it has 23.009140.
fn by_hand() -> Value {
    let gain =
        |window: usize, outcome: &str, g: f64, h: f64| json!({ "window": window, "outcome": outcome, "g": g, "h": h });
    let post = |account: &str, second: u32, gains: Value| {
        json!({ "id": format!("{account}{second}"), "platform": "chirp", "account_id": account,
            "created_at": format!("2026-11-02T10:00:0{second}Z"), "gains": gains })
    };
    let key = |kind: &str, key: &str, source: &str, by_window: [f64; 3], posts: Value| {
        json!({ "kind": kind, "key": key, "source": source, "source_kind": kind, "nats": by_window[0], "by_window": by_window,
            "posts": posts })
    };
    #[allow(clippy::approx_constant, reason = "written to 1e-9, as a message is")]
    let (text, link, tag) = ([3.583518938, 3.583518938, 4.276666119], [2.302585093, 2.302585093, 0.0], [4.0, 4.0, 0.0]);
    let source = |kind: &str, source: &str, nats: [f64; 3]| json!({ "kind": kind, "source": source, "nats": nats[0], "by_window": nats });
    let account = |id: &str| {
        json!({ "platform": "chirp", "account_id": id, "account_name": id, "log_e": 23.009140069, "posterior": 1.0,
            "outcomes": [5, 2, 1, 1, 3], "proposed": true, "naming": 0, "posts": 20,
            "dropped": [{ "kind": "text", "source": "t-1", "nats": 4.0 }, { "kind": "hashtags", "source": "#x", "nats": 4.0 }] })
    };
    let found = json!({ "platform": "chirp", "account_id": "d", "account_name": "d", "log_e": 4.161686273,
        "posterior": 0.393306724, "outcomes": [2, 0, 0, 1, 1], "proposed": false, "naming": 0, "posts": 9,
        "dropped": [{ "kind": "text", "source": "t-1", "nats": 4.0 }] });
    let window = |seconds: u32, nats: f64, losses: f64, group: [u32; 5]| {
        json!({ "seconds": seconds, "nats": nats, "losses": losses, "group": group,
            "crowd": [10, 10, 10, 20, 1_900], "near": [5, 0, 0, 0, 45] })
    };
    json!({
        "schema_version": 2, "cluster_id": "c-01", "version": 1, "status": "coordinated",
        "accounts": [account("a"), account("b"), account("c"), found],
        "first_seen": "2026-11-02T10:00:00Z", "last_seen": "2026-11-02T10:00:07Z",
        "log_e": 7.767747683, "log_e_leave_one_source_out": 4.053046570, "candidates_tested": 4,
        "test": { "alpha": 0.05, "safety": 2.0, "proposed": 3, "born": "2026-11-02T09:45:00Z", "number": 0, "discoveries": 0,
            "bar": 3.702541560 },
        "history_hours": 30.0,
        "windows": [window(600, 8.386104031, -1.5, [20, 20, 20, 0, 40]), window(7_200, 7.886104031, -2.0, [20, 20, 20, 0, 40]),
            window(86_400, 3.776666119, -0.5, [20, 0, 0, 0, 80])],
        "namings": [{ "from": "2026-11-01T10:00:00Z", "until": "2026-11-03T10:00:07Z", "group": [20, 10, 10, 10, 50],
            "crowd": [0.0, 0.0, 0.0, 20.0, 960.0], "share_proposed": 0.95, "share_others": 0.01, "others": 980 }],
        "traces": { "hashtags": 4.0, "text": text[0], "url": link[0] },
        "sources": [source("hashtags", "#x", tag), source("text", "t-1", text), source("url", "x.example", link)],
        "score": 0.25, "intercept": -1.0, "probability": 0.562176501,
        "reasons": [{ "feature": "own_words_share", "value": 0.2, "contribution": 1.5, "text": "" },
            { "feature": "repost_lag", "value": null, "contribution": 0.0, "text": "" },
            { "feature": "size", "value": 2.0, "contribution": -0.25, "text": "" }], "model": { "name": "none", "version": "0" },
        "evidence": [
            key("hashtags", "#x", "#x", tag, json!([post("a", 0, json!([])),
                post("c", 7, json!([gain(0, "rare", 0.9, 0.01), gain(1, "rare", 0.9, 0.01)]))])),
            key("text", "t-1", "t-1", text, json!([post("a", 1, json!([])),
                post("b", 2, json!([gain(0, "own_words", 0.5, 0.125), gain(1, "own_words", 0.5, 0.125), gain(2, "own_words", 0.8, 0.1)])),
                post("c", 3, json!([gain(0, "own_words", 0.9, 0.1), gain(1, "own_words", 0.9, 0.1), gain(2, "own_words", 0.9, 0.1)]))])),
            key("url", "https://x.example/1", "x.example", link, json!([post("b", 4, json!([])),
                post("a", 5, json!([gain(0, "middling", 0.6, 0.06), gain(1, "middling", 0.6, 0.06)]))])),
        ],
        "unlisted": { "trials": 0, "nats": [0.0, 0.0, 0.0] },
        "ties": [{ "a": 0, "b": 1, "kind": "text", "co_acts": 2, "expected": 0.1, "nats": 5.364705029, "median_lag_s": 3.0 }],
        "topics": [], "targets": []
    })
}

fn message(value: &Value) -> ClusterMessage {
    ClusterMessage::decode(value.to_string().as_bytes()).unwrap()
}

fn explained(value: &Value) -> Explanation {
    Explanation::of(&message(value)).unwrap()
}

/// A cluster of the engine as a written and decoded message.
fn written(cluster: &Cluster) -> ClusterMessage {
    let verdict = ClusterMessage::takes_verdict(cluster).then(|| fixtures::verdict(cluster.flagged));
    ClusterMessage::new(cluster, verdict.as_ref(), Vec::new(), Vec::new()).unwrap()
}

#[test]
fn what_was_reckoned_by_hand_is_what_comes_out() {
    let explained = explained(&by_hand());
    assert_eq!(explained.contradictions, [""; 0]);
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a} is not {b}");
    close(explained.keys[0].posts[1].gains[0].nats, 4.0);
    close(explained.keys[1].posts[2].gains[2].nats, 9f64.ln());
    close(explained.windows[2].nats.recomputed.unwrap(), 3.776_666_119);
    close(explained.log_e.recomputed.unwrap(), 7.767_747_683);
    assert_eq!((explained.best_window, explained.left_out), (0, Some(0)));
    close(explained.log_e_leave_one_source_out.recomputed.unwrap(), 4.053_046_570);
    close(explained.sources[1].without, 4.181_144_039);
    let bar = explained.bar.unwrap();
    close(bar.bar.recomputed.unwrap(), 3.702_541_560);
    close(bar.above, 0.350_505_010);
    close(explained.members[3].log_e.recomputed.unwrap(), 4.161_686_273);
    close(explained.members[3].posterior.unwrap().recomputed.unwrap(), 0.393_306_724);
    close(explained.members[0].log_e.recomputed.unwrap(), 23.009_140_069);
    close(explained.members[0].adds[3], 0.869_507_593);
    let json = serde_json::to_value(&explained).unwrap();
    assert_eq!((&json["log_e"]["recorded"], &json["intercept"]), (&json!(7.767747683), &json!(-1.0)));
}

/// By hand, with half of the posts cover: own words add ln(e^4 / 2 + 1/2) = 3.325003 to account d,
/// a common object ln(e^0.845078 / 2 + 1/2) = 0.509272 and nothing ln(e^-0.683392 / 2 + 1/2) =
/// -0.284420. With 2, 1 and 1 of them, less one text, it has 3.549855 nats.
#[test]
fn cover_takes_weight_from_every_post() {
    let mut value = by_hand();
    value["namings"][0]["cover"] = json!(0.5);
    let explained = explained(&value);
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a} is not {b}");
    close(explained.namings[0].adds[0], 3.325_002_747);
    close(explained.members[3].adds[4], -0.284_419_704);
    // The text was dropped at 4 nats, which is 0.674997 more than with cover.
    close(explained.members[3].log_e.recomputed.unwrap(), 3.549_855_355 - 0.674_997_253);
    assert!(explained.contradictions.iter().any(|line| line.contains("account chirp:d")));
    value["namings"][0]["cover"] = json!(1.5);
    let explained = self::explained(&value);
    assert!(explained.contradictions.iter().any(|line| line == "naming 1: a cover of 1.5 is not a share"));
}

#[test]
fn people_can_follow_it() {
    let mut whole = explained(&by_hand());
    whole.narrow(Some("t-1"), Some("b")).unwrap();
    expect![[r#"
        Cluster c-01, version 1: coordinated, 2026-11-02T10:00:00Z to 2026-11-02T10:00:07Z
        Evidence is in nats: ln of an e-value against "these accounts repeat each other at most twice as often as everybody else
        does, and as the accounts around them do". Each number is recomputed from the cluster's own line.
        Where nothing else is said, it equals the recorded number to 0.000001 nats.

        TEST: how often do posts repeat what a member of the group did shortly before?
          The group was proposed at 2026-11-02T09:45:00Z, with 3 accounts. Of each later post, the rarest object counts that another member used within the
          window before it: own words, or a tag, link, repost or mention that is rare, middling or common outside the group. The accounts
          around the group are those that repeated its words before and are not tied to it.

          within 10 minutes                     members       everybody else      accounts around
            own words                     20    20.00 %        10     0.51 %         5    10.00 %
            rare                          20    20.00 %        10     0.51 %         0     0.00 %
            middling                      20    20.00 %        10     0.51 %         0     0.00 %
            common                         0     0.00 %        20     1.03 %         0     0.00 %
            nothing                       40    40.00 %      1900    97.44 %        45    90.00 %
            Members repeat each other in 60.0 % of their 100 posts; everybody else repeats them in 2.6 %; the accounts around them do in 10.0 %.
            gains +9.8861, losses -1.5000: 8.3861 nats, the best window

          within 2 hours                        members       everybody else      accounts around
            own words                     20    20.00 %        10     0.51 %         5    10.00 %
            rare                          20    20.00 %        10     0.51 %         0     0.00 %
            middling                      20    20.00 %        10     0.51 %         0     0.00 %
            common                         0     0.00 %        20     1.03 %         0     0.00 %
            nothing                       40    40.00 %      1900    97.44 %        45    90.00 %
            Members repeat each other in 60.0 % of their 100 posts; everybody else repeats them in 2.6 %; the accounts around them do in 10.0 %.
            gains +9.8861, losses -2.0000: 7.8861 nats

          within a day                          members       everybody else      accounts around
            own words                     20    20.00 %        10     0.51 %         5    10.00 %
            rare                           0     0.00 %        10     0.51 %         0     0.00 %
            middling                       0     0.00 %        10     0.51 %         0     0.00 %
            common                         0     0.00 %        20     1.03 %         0     0.00 %
            nothing                       80    80.00 %      1900    97.44 %        45    90.00 %
            Members repeat each other in 20.0 % of their 100 posts; everybody else repeats them in 2.6 %; the accounts around them do in 10.0 %.
            gains +4.2767, losses -0.5000: 3.7767 nats

        KEYS: which posts repeated what?
          A post gives ln(g / h) nats, at most 4: g is the group's own rate of this outcome before, h is 2 times the rate of others.
          A post without numbers came first, gave its gain to another key, had no bet, or was made before the group was proposed.

        2. text t-1, its own source
           post by  at                                          outcome            g         h      nats
           chirp:a  2026-11-02T10:00:01Z
           chirp:b  2026-11-02T10:00:02Z     within 10 minutes  own words     0.5000    0.1250   +1.3863
                                             within 2 hours     own words     0.5000    0.1250   +1.3863
                                             within a day       own words     0.8000    0.1000   +2.0794
           chirp:c  2026-11-02T10:00:03Z     within 10 minutes  own words     0.9000    0.1000   +2.1972
                                             within 2 hours     own words     0.9000    0.1000   +2.1972
                                             within a day       own words     0.9000    0.1000   +2.1972
           within 10 minutes (the best): 3.5835; within 2 hours: 3.5835; within a day: 4.2767

        SUMS, nats in the best window (within 10 minutes)
          source                      keys      listed         all  log_e without it
          hashtags #x                    1     +4.0000     +4.0000            4.0530  the best: left out
          text t-1                       1     +3.5835     +3.5835            4.1811
          url x.example                  1     +2.3026     +2.3026            5.5191
          trace                       keys      listed         all
          hashtags                       1     +4.0000     +4.0000
          text                           1     +3.5835     +3.5835
          url                            1     +2.3026     +2.3026
          all evidence (log_e), ln of the mean of e^nats over the windows: 7.7677
          without the best source (log_e_leave_one_source_out): 4.0530
          threshold of group number 0 (from 0), after 0 discoveries, at a false discovery rate of 0.05: 3.7025
          it is reached without the best source

        MEMBERS: how much more likely are the acts of an account if it belongs to the group?
          A post has v = ln(g / 2 h), limited to -4 to 4; a post that repeats nothing has ln(g / h), at most 0. g is the rate of the outcome
          among the proposed accounts without the account's own posts, h the rate among everybody else. Real members also post other
          things: with a share of cover, a post adds ln((1 - cover) x e^v + cover). The evidence of an account's best source is dropped; for
          a proposed account, also that of a second source before the proposal. The probability comes from a statistical model:
          1 / (1 + (1 - share) / share x e^-evidence).
          naming 1, by the cluster's own group: posts from 2026-11-01T10:00:00Z to 2026-11-03T10:00:07Z; 0.9500 of the proposed are members, 0.0100 of 980 others; cover 0.00
            outcome        posts         g         h        adds
            own words         20    0.2000    0.0010     +4.0000
            rare              10    0.1024    0.0006     +4.0000
            middling          10    0.1024    0.0006     +4.0000
            common            10    0.1024    0.0220     +0.8451
            nothing           50    0.4927    0.9758     -0.6834
          account own words   rare middl.   common   none  naming   dropped  evidence, nats; probability
          chirp:b         5      2      1        1      3       1    8.0000  23.0091; 1.0000
            own words       5 x +4.0000 = +20.0000
            rare            2 x +4.0000 = +8.0000
            middling        1 x +4.0000 = +4.0000
            common          1 x +0.8695 = +0.8695
            nothing         3 x -0.6201 = -1.8604
            dropped: text t-1, -4.0000
            dropped: hashtags #x, -4.0000

        SCORE: is the coordination inauthentic? The model's log-odds, nats
          intercept                          -1.0000
          own_words_share       0.200000     +1.5000
          repost_lag           not known     +0.0000
          size                  2.000000     -0.2500
          score, their sum: 0.2500
          probability, 1 / (1 + e^-score): 0.5622

        Every number that can be recomputed from this line equals the recorded one.
    "#]].assert_eq(&whole.to_string());
    let error = whole.narrow(None, Some("z")).unwrap_err();
    expect![[r#"cluster c-01 has no account "z""#]].assert_eq(&error.to_string());
    let error = whole.narrow(Some("z.example"), None).unwrap_err();
    expect![[r#"cluster c-01 has no key that contains "z.example""#]].assert_eq(&error.to_string());
    // All accounts have one line each, without details.
    let whole = explained(&by_hand()).to_string();
    assert!(whole.contains("chirp:d ") && whole.contains("; found afterwards"), "{whole}");
}

#[test]
fn a_near_miss_and_one_text_are_called_what_they_are() {
    let text = |cluster: &Cluster| {
        let explained = Explanation::of(&written(cluster)).unwrap();
        assert_eq!(explained.contradictions, [""; 0], "{explained}");
        explained.to_string()
    };
    expect![[r#"
        Cluster c-02, version 1: single_source, 2026-11-02T10:00:00Z to 2026-11-02T10:14:00Z
        ONE TEXT BY MANY ACCOUNTS: 3 accounts wrote nearly the same text. This is a count, not a test: it has no e-value and no
        probability, no model has judged it, and it is never flagged. A greeting, a slogan or a share button has the same effect.

        POSTS

        1. text subscribe to my channel, its own source
           chirp:1000  2026-11-02T10:00:00Z
           chirp:1001  2026-11-02T10:07:00Z
           chirp:1002  2026-11-02T10:14:00Z

        ACCOUNTS: 3 wrote the text
          chirp:1000 Account No. 0
          chirp:1001 Account No. 1
          chirp:1002 Account No. 2

        Every number that can be recomputed from this line equals the recorded one.
    "#]].assert_eq(&text(&fixtures::one_text(3)));
    let shape = Shape { seed: 1, members: 6, keys: 16 };
    let near_miss = text(&fixtures::near_miss(shape));
    expect![[r#"
        Cluster c-01, version 2: near_miss, 2026-11-02T10:02:38Z to 2026-11-02T20:54:32Z
        NEAR MISS: this group did NOT pass the test. Nothing is claimed about these accounts: they were proposed as a group, nobody is
        named, and no model has judged them. Its evidence without the best source is 5.4981 nats, and the threshold is 7.7481.
        2.2500 nats are missing. It passes if its members repeat each other often enough on other sources than the best one to gain
        them; one post gives at most 4.
        Evidence is in nats: ln of an e-value against "these accounts repeat each other at most twice as often as everybody else
        does, and as the accounts around them do". Each number is recomputed from the cluster's own line.
        Where nothing else is said, it equals the recorded number to 0.000001 nats.

    "#]].assert_eq(near_miss.split("TEST:").next().unwrap());
    expect![[r#"
          all evidence (log_e), ln of the mean of e^nats over the windows: 22.8773
          without the best source (log_e_leave_one_source_out): 5.4981
          threshold of group number 17 (from 0), after 2 discoveries, at a false discovery rate of 0.05: 7.7481
          it is NOT reached, so nothing is claimed

        ACCOUNTS: 5 are the group as proposed
          chirp:1003 Account No. 3
          chirp:1004 Account No. 4
          chirp:1002 Account No. 2
          chirp:1001 Account No. 1
          chirp:1000 Account No. 0

        Every number that can be recomputed from this line equals the recorded one.
    "#]]
    .assert_eq(&near_miss[near_miss.find("  all evidence (log_e)").unwrap()..]);
    let best_source = text(&fixtures::best_source(shape));
    assert!(
        best_source.contains("ON ITS BEST SOURCE ONLY") && best_source.contains("it is reached only with all sources")
    );
    let faded = text(&Cluster { finding: Finding::Faded, ..fixtures::coordinated(shape, false) });
    assert!(faded.contains("FADED: the group passed once"), "{faded}");
}

#[test]
fn every_number_of_every_kind_of_cluster_comes_out_again() {
    for seed in 0..20 {
        let shape = Shape { seed, members: 3 + seed as usize, keys: 1 + 3 * seed as usize };
        for cluster in [
            fixtures::coordinated(shape, true),
            fixtures::coordinated(shape, false),
            fixtures::best_source(shape),
            fixtures::near_miss(shape),
            fixtures::one_text(30),
        ] {
            let message = written(&cluster);
            let explained = Explanation::of(&message).unwrap();
            assert_eq!(explained.contradictions, [""; 0], "{explained}");
            // Shortened as far as possible, the sums are still right.
            let size = message.encode().unwrap().len();
            for percent in [99, 90, 70, 50, 40] {
                let Ok(cut) = shortened(message.clone(), size * percent / 100) else { continue };
                let explained = Explanation::of(&cut).unwrap();
                assert_eq!(explained.contradictions, [""; 0], "{percent} %: {explained}");
                assert_eq!(explained.left_out.is_some(), !explained.windows.is_empty());
            }
        }
    }
}

#[test]
fn a_group_that_passed_has_passed_whatever_it_comes_to_later() {
    let mut later = by_hand();
    for window in 0..3 {
        for number in ["nats", "losses"] {
            let at = format!("/windows/{window}/{number}");
            let less = later.pointer(&at).unwrap().as_f64().unwrap() - 1.0;
            set(&mut later, &at, json!(less));
        }
    }
    set(&mut later, "/log_e", json!(6.767747683));
    set(&mut later, "/log_e_leave_one_source_out", json!(3.053046570));
    let explained = explained(&later);
    assert_eq!(explained.contradictions, [""; 0]);
    let text = explained.to_string();
    assert!(text.contains("it is not reached now; it was reached when the group passed"), "{text}");
}

#[test]
fn a_message_that_came_from_version_1_has_no_arithmetic_left() {
    let mut line = by_hand();
    for field in ["windows", "namings"] {
        set(&mut line, &format!("/{field}"), json!([]));
    }
    set(&mut line, "/test", json!(null));
    let error = Explanation::of(&message(&line)).unwrap_err().to_string();
    assert!(error.contains("older version of Lockstep; run `lockstep detect` again"), "{error}");
}

#[test]
fn the_chance_of_a_tie_is_poisson() {
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9 * b.abs().max(1.0), "{a} is not {b}");
    close(log_tail(0.1, 1), (1.0 - (-0.1f64).exp()).ln());
    close(log_tail(3.0, 2), (1.0 - 4.0 * (-3.0f64).exp()).ln());
    close(log_tail(0.1, 0), 0.0);
    // The same large number of keys by Stirling's series and one by one.
    let one_by_one: f64 = (2..=100).map(|k| f64::from(k).ln()).sum();
    close(log_factorial(100.0), one_by_one);
    close(
        log_tail(1.0, 100),
        -1.0 - one_by_one + (1.0 + 1.0 / 101.0 + 1.0 / (101.0 * 102.0) + 1.0 / (101.0 * 102.0 * 103.0f64)).ln(),
    );
    assert!(log_tail(2.0, u32::MAX).is_finite());
}

/// Numbers from the engine, not from a fixture.
#[test]
fn every_number_of_what_the_engine_tells_comes_out_again() {
    // So few posts are kept as evidence that most gains are reported as their sum.
    let params = coordination::Params { max_evidence: 20, one_text_accounts: 10, ..coordination::Params::default() };
    let mut engine = coordination::Engine::new(params).unwrap();
    let mut clusters = Vec::new();
    for post in simulator::World::named("demo").unwrap().generate(7).posts {
        let post = post.as_post();
        engine.on_post(post.created_at, &post, &mut clusters);
    }
    engine.finish(&mut clusters);
    let (mut coordinated, mut unlisted, mut elsewhere) = (0, 0, 0);
    for cluster in &clusters {
        let message = ClusterMessage::decode(&written(cluster).encode().unwrap()).unwrap();
        let explained = Explanation::of(&message).unwrap();
        assert_eq!(explained.contradictions, [""; 0], "{explained}");
        coordinated += usize::from(message.status == Status::Coordinated);
        unlisted += message.unlisted.trials;
        elsewhere += message.accounts.iter().filter(|account| account.elsewhere).count();
        let size = message.encode().unwrap().len();
        if let Ok(half) = shortened(message, size / 2) {
            let explained = Explanation::of(&half).unwrap();
            assert_eq!(explained.contradictions, [""; 0], "{explained}");
        }
    }
    assert!(coordinated > 5 && unlisted > 100 && elsewhere > 0, "{coordinated} {unlisted} {elsewhere}");
}

/// Sets a value at an existing place, or at a place of an optional field.
fn set(line: &mut Value, pointer: &str, value: Value) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match line.pointer_mut(parent).unwrap() {
        Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
        object => object[name] = value,
    }
}
