use coordination::{AccountRef, Cluster};
use proptest::prelude::*;

use super::*;
use crate::features::values;
use crate::sample::{Dice, cluster};

fn value(cluster: &Cluster, name: &str) -> Option<f64> {
    let at = FEATURES.iter().position(|feature| feature.name == name).unwrap();
    values(cluster)[at]
}

fn close(found: Option<f64>, expected: f64) {
    assert!(found.is_some_and(|f| (f - expected).abs() < 1e-9), "{found:?}, not {expected}");
}

fn shuffle<T>(items: &mut [T], dice: &mut Dice) {
    for at in (1..items.len()).rev() {
        items.swap(at, dice.below(at as u64 + 1) as usize);
    }
}

#[test]
fn names_are_unique_and_fit_for_columns() {
    let names: BTreeSet<&str> = FEATURES.iter().map(|feature| feature.name).collect();
    assert_eq!(names.len(), FEATURES.len());
    assert!(names.iter().all(|n| { n.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') }));
}

#[test]
fn no_feature_reads_text_or_followers() {
    for feature in &FEATURES {
        assert!(!feature.reads.contains("followers") && !feature.reads.contains("key)"), "{}", feature.name);
    }
    let before = cluster(true, 0.0, 5);
    let mut after = before.clone();
    for member in &mut after.members {
        member.behaviour.followers = Some(9_999_999);
        member.behaviour.following = Some(1);
    }
    assert_eq!(values(&before), values(&after));
}

#[test]
fn values_match_those_worked_by_hand() {
    let mut c = cluster(true, 0.0, 1);
    c.members.truncate(4);
    c.log_e = -(1f64.exp() - 1.0);
    c.nats_by_kind = vec![(TraceKind::Url, 6.0), (TraceKind::Text, 2.0), (TraceKind::Repost, -3.0)];
    c.evidence.truncate(2);
    let accounts: Vec<AccountRef> = c.members.iter().map(|m| m.account.clone()).collect();
    for (evidence, times) in c.evidence.iter_mut().zip([vec![0, 9, 19], vec![100, 199]]) {
        evidence.posts.truncate(times.len());
        for ((post, time), account) in evidence.posts.iter_mut().zip(times).zip(&accounts) {
            post.created_at = time * 1_000;
            post.account = account.clone();
        }
    }
    // A member's second post on a key is no delay between members.
    let mut again = c.evidence[0].posts[1].clone();
    again.created_at = 12_000;
    c.evidence[0].posts.push(again);
    for (n, member) in c.members.iter_mut().enumerate() {
        member.behaviour.created_at = Some([0, 2, 6, 40][n] * 86_400_000);
        member.behaviour.default_profile = [Some(true), Some(false), None, Some(false)][n];
        member.behaviour.client = Some(["a", "a", "b", "a"][n].to_owned());
        member.behaviour.posts = 10;
        member.behaviour.posts_on_cluster_keys = [1, 2, 4, 9][n];
        member.behaviour.reposts = 5;
        member.behaviour.deleted = [0, 0, 4, 0][n];
        member.behaviour.hours = std::array::from_fn(|hour| u32::from(hour == 3 || hour == 4));
        member.account_name = ["Anna123", "bob456", "carl_7", "dora_8"][n].to_owned();
    }
    c.ties.truncate(3);

    close(value(&c, "log_e"), -1.0);
    close(value(&c, "nats_share_url"), 0.75);
    close(value(&c, "nats_share_repost"), 0.0);
    close(value(&c, "trace_diversity"), (-(0.75f64.ln() * 0.75 + 0.25f64.ln() * 0.25)).exp());
    // Delays between members: 9, 10 and 99 s.
    close(value(&c, "delay_p50"), 11f64.log10());
    close(value(&c, "delay_p90"), (1.0 + 10.0 + 0.8 * 89.0f64).log10());
    close(value(&c, "key_entropy"), -(4.0 / 6.0 * (4.0 / 6.0f64).ln() + 2.0 / 6.0 * (2.0 / 6.0f64).ln()));
    close(value(&c, "share_on_cluster_keys"), 0.3);
    close(value(&c, "size"), 4f64.ln());
    close(value(&c, "tie_density"), 0.5);
    close(value(&c, "creation_spread"), (1.0 + (14.5 - 1.5f64)).log10());
    close(value(&c, "creation_burst"), 0.75);
    close(value(&c, "default_profile_share"), 1.0 / 3.0);
    close(value(&c, "client_homogeneity"), 0.75);
    close(value(&c, "repost_share"), 0.5);
    close(value(&c, "deletion_rate"), 0.1);
    close(value(&c, "hour_entropy"), 2f64.ln() / 24f64.ln());
    close(value(&c, "handle_pattern_entropy"), 0.5);
}

#[test]
fn how_posts_are_on_their_keys_is_measured_as_by_hand() {
    let mut c = cluster(true, 0.0, 1);
    c.nats_by_kind = TraceKind::ALL.into_iter().zip([6.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0]).collect();
    close(value(&c, "nats_share_media"), 1.0 / 12.0);
    close(value(&c, "nats_share_reply"), 1.0 / 6.0);
    close(value(&c, "nats_share_mention"), 0.25);

    // Two texts: 0, 8 and 8 unequal bits between three wordings; 40 between two, more than unlike texts have.
    c.evidence.truncate(3);
    for (evidence, manners) in c.evidence.iter_mut().zip([
        vec![Manner::Wording(0), Manner::Wording(0), Manner::Wording(0xff)],
        vec![Manner::Wording(0), Manner::Wording(0xff_ffff_ffff)],
        vec![Manner::After(9_000), Manner::Plain, Manner::After(99_000), Manner::After(999_000)],
    ]) {
        let repost = manners.contains(&Manner::Plain);
        evidence.kind = if repost { TraceKind::Repost } else { TraceKind::Text };
        evidence.posts.truncate(manners.len());
        for (post, manner) in evidence.posts.iter_mut().zip(manners) {
            post.manner = manner;
        }
    }
    close(value(&c, "text_spread"), ((0.25 + 0.25) / 3.0 + 1.0) / 2.0);
    close(value(&c, "repost_lag"), 2.0);
    c.evidence.retain(|evidence| evidence.kind == TraceKind::Text);
    c.evidence.iter_mut().for_each(|evidence| evidence.posts.truncate(1));
    assert_eq!((value(&c, "text_spread"), value(&c, "repost_lag")), (None, None));
}

#[test]
fn hours_platforms_and_fast_reposts_are_measured_as_by_hand() {
    let mut c = cluster(true, 0.0, 1);
    c.members.truncate(4);
    let hours = |at: &[usize]| {
        let mut hours = [0; 24];
        at.iter().for_each(|hour| hours[*hour] += 5);
        hours
    };
    // At 6, at 6 and at 12 o'clock; the fourth is awake at opposite hours alike and says nothing.
    for (member, at) in c.members.iter_mut().zip([&[6][..], &[6], &[12], &[0, 12]]) {
        member.behaviour.hours = hours(at);
        (member.behaviour.timed_reposts, member.behaviour.fast_reposts) = (0, 0);
    }
    close(value(&c, "hour_agreement"), 5f64.sqrt() / 3.0);
    c.members[2].behaviour.hours = hours(&[6]);
    close(value(&c, "hour_agreement"), 1.0);
    c.members.iter_mut().for_each(|member| member.behaviour.hours = hours(&[3, 15]));
    assert_eq!(value(&c, "hour_agreement"), None, "who posts round the clock lives nowhere");

    assert_eq!(value(&c, "fast_repost_share"), None);
    (c.members[0].behaviour.timed_reposts, c.members[0].behaviour.fast_reposts) = (1, 1);
    assert_eq!(value(&c, "fast_repost_share"), None, "one is too few");
    c.members[1].behaviour.timed_reposts = 3;
    close(value(&c, "fast_repost_share"), 0.25);

    close(value(&c, "cross_platform_share"), 0.0);
    c.members[3].account.platform = "y".into();
    close(value(&c, "cross_platform_share"), 0.25);
}

#[test]
fn what_is_not_known_is_none_and_never_zero() {
    let mut c = cluster(true, 0.0, 1);
    for member in &mut c.members {
        member.account_name.clear();
        member.behaviour = coordination::Behaviour::default();
    }
    c.nats_by_kind = vec![(TraceKind::Url, -4.0)];
    c.nats_by_source.clear();
    c.evidence.clear();
    let unknown: Vec<&str> =
        FEATURES.iter().zip(values(&c)).filter(|(_, value)| value.is_none()).map(|(feature, _)| feature.name).collect();
    let known = ["log_e", "log_e_leave_one_source_out", "size", "tie_density", "cross_platform_share"];
    let expected: Vec<&str> = FEATURES.iter().map(|f| f.name).filter(|name| !known.contains(name)).collect();
    assert_eq!(unknown, expected);

    c.members.clear();
    c.ties.clear();
    c.log_e = f64::NAN;
    c.log_e_leave_one_source_out = f64::INFINITY;
    assert_eq!(values(&c), vec![None; FEATURES.len()]);
}

#[test]
fn values_are_shown_in_a_reviewers_units() {
    let shown = |name: &str, v: f64| (FEATURES.iter().find(|f| f.name == name).unwrap().show)(v);
    assert_eq!(shown("log_e", signed_log1p(-1234.0)), "-1234 nats");
    assert_eq!(shown("delay_p50", log10_1p(0.2)), "under 1 s");
    assert_eq!(shown("delay_p50", log10_1p(90.0)), "90 s");
    assert_eq!(shown("delay_p50", log10_1p(600.0)), "10 min");
    assert_eq!(shown("creation_spread", log10_1p(40.0)), "40 days");
    assert_eq!(shown("size", 12f64.ln()), "12");
    assert_eq!(shown("tie_density", 0.5), "50 %");
}

#[test]
fn handles_of_one_pattern_have_one_shape() {
    assert_eq!(handle_shape("Anna_Berg84721"), "a_a00000");
    assert_eq!(handle_shape("joe_x10293"), "a_a00000");
    assert_eq!(handle_shape("Жанна_Б84721"), "a_a00000");
    assert_ne!(handle_shape("anna8"), handle_shape("anna84"));
}

proptest! {
    #[test]
    fn order_changes_no_bit(seed in 1u64..500, inauthentic: bool) {
        let mut dice = Dice(seed ^ 77);
        let before = cluster(inauthentic, 0.5, seed);
        let mut after = before.clone();
        shuffle(&mut after.members, &mut dice);
        shuffle(&mut after.evidence, &mut dice);
        shuffle(&mut after.ties, &mut dice);
        shuffle(&mut after.nats_by_kind, &mut dice);
        shuffle(&mut after.nats_by_source, &mut dice);
        for evidence in &mut after.evidence {
            shuffle(&mut evidence.posts, &mut dice);
        }
        prop_assert_eq!(values(&before), values(&after));
    }

    /// Other words, keys, sources, names and ids of the same shape: the behaviour is the same, so is every value.
    #[test]
    fn what_is_said_changes_no_bit(seed in 1u64..500, inauthentic: bool) {
        let before = cluster(inauthentic, 0.5, seed);
        let mut after = before.clone();
        let turn = |text: &str| -> String {
            let letter = |c: char| if c.is_ascii_lowercase() { ((c as u8 - b'a' + 13) % 26 + b'a') as char } else { c };
            text.chars().map(|c| if c.is_ascii_digit() { (b'9' - (c as u8 - b'0')) as char } else { letter(c) }).collect()
        };
        let turn_account = |account: &mut AccountRef| account.account_id = turn(&account.account_id);
        for member in &mut after.members {
            turn_account(&mut member.account);
            member.account_name = turn(&member.account_name);
            member.behaviour.client = member.behaviour.client.as_deref().map(turn);
        }
        for evidence in &mut after.evidence {
            evidence.key = turn(&evidence.key);
            evidence.source = turn(&evidence.source);
            for post in &mut evidence.posts {
                post.id = turn(&post.id);
                turn_account(&mut post.account);
            }
        }
        for source in &mut after.nats_by_source {
            source.source = turn(&source.source);
        }
        for tie in &mut after.ties {
            turn_account(&mut tie.a);
            turn_account(&mut tie.b);
        }
        prop_assert_ne!(&before, &after);
        prop_assert_eq!(values(&before), values(&after));
    }

    #[test]
    fn every_value_is_finite(seed in 1u64..500, log_e in proptest::num::f64::ANY, nats in proptest::num::f64::ANY) {
        let mut c = cluster(true, 0.5, seed);
        c.log_e = log_e;
        c.nats_by_kind[0].1 = nats;
        c.nats_by_source[0].nats = nats;
        c.members[0].behaviour.created_at = Some(i64::MIN);
        c.members[1].behaviour.posts = u64::MAX / 64;
        prop_assert!(values(&c).into_iter().flatten().all(f64::is_finite));
    }
}
