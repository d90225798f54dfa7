use std::collections::{BTreeMap, BTreeSet};

use coordination::{AccountRef, Cluster, Finding, Manner, PostRef, SourceNats, TraceKind};
use proptest::prelude::*;

use super::{values::handle_shape, *};
use crate::features::{log10_1p, values, values_by_name};
use crate::sample::cluster;

fn value(cluster: &Cluster, name: &str) -> Option<f64> {
    let at = FEATURES.iter().position(|feature| feature.name == name).unwrap();
    values(cluster)[at]
}

fn close(found: Option<f64>, expected: f64) {
    assert!(found.is_some_and(|f| (f - expected).abs() < 1e-9), "{found:?}, not {expected}");
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
    // A member's second post on a key is not a delay between members.
    let mut again = c.evidence[0].posts[1].clone();
    again.created_at = 12_000;
    c.evidence[0].posts.push(again);
    for (n, member) in c.members.iter_mut().enumerate() {
        member.behaviour.created_at = Some([0, 2, 6, 40][n] * 86_400_000);
        member.behaviour.default_profile = [Some(true), Some(false), None, Some(false)][n];
        member.behaviour.client = Some(["a", "a", "b", "a"][n].to_owned());
        member.behaviour.posts = 10;
        member.behaviour.reposts = 5;
        member.behaviour.deleted = [0, 0, 4, 0][n];
        member.behaviour.hours = std::array::from_fn(|hour| u32::from(hour == 3 || hour == 4));
        member.account_name = ["Anna123", "bob456", "carl_7", "dora_8"][n].to_owned();
    }
    c.ties.truncate(3);

    close(value(&c, "nats_share_url"), 0.75);
    close(value(&c, "nats_share_repost"), 0.0);
    close(value(&c, "trace_diversity"), (-(0.75f64.ln() * 0.75 + 0.25f64.ln() * 0.25)).exp());
    // Delays between members: 9, 10 and 99 s.
    close(value(&c, "delay_p50"), 11f64.log10());
    close(value(&c, "delay_p90"), (1.0 + 10.0 + 0.8 * 89.0f64).log10());
    // Four posts on one key and two on the other.
    let entropy = -(4.0 / 6.0 * (4.0 / 6.0f64).ln() + 2.0 / 6.0 * (2.0 / 6.0f64).ln());
    close(value(&c, "key_evenness"), entropy.exp() / 2.0);
    // Three of four members on one key and two on the other.
    close(value(&c, "members_per_key"), 0.625);
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
fn the_test_s_counts_are_read_as_by_hand() {
    let mut c = cluster(true, 0.0, 1);
    // The second window has the most nats, the third the most own words.
    for (window, (nats, group)) in
        c.windows.iter_mut().zip([(5.0, [10, 40, 20, 20, 10]), (40.0, [30, 25, 20, 15, 10]), (20.0, [60, 0, 0, 0, 40])])
    {
        (window.nats, window.group) = (nats, group);
        (window.crowd, window.near) = ([40, 20, 0, 0, 1_940], [4, 20, 0, 0, 26]);
    }
    close(value(&c, "nats_per_trial"), 0.4);
    close(value(&c, "own_words_share"), 0.6);
    close(value(&c, "rare_share"), 0.25);
    close(value(&c, "middling_share"), 0.2);
    close(value(&c, "common_share"), 0.15);
    close(value(&c, "nothing_share"), 0.1);
    close(value(&c, "own_words_over_crowd"), (0.61f64 / 0.03).ln());
    close(value(&c, "own_words_over_near"), (0.61f64 / 0.09).ln());
    close(value(&c, "rare_over_crowd"), (0.26f64 / 0.02).ln());
    close(value(&c, "rare_over_near"), (0.26f64 / 0.41).ln());
    // With one post less, the rates of the accounts near the group are not known.
    c.windows.iter_mut().for_each(|window| window.near[4] -= 1);
    assert_eq!((value(&c, "own_words_over_near"), value(&c, "rare_over_near")), (None, None));

    let source = |nats| SourceNats { kind: TraceKind::Url, source: String::new(), nats };
    c.nats_by_source = vec![source([9.0, 1.0, 0.0]), source([0.0, 3.0, 9.0]), source([7.0, 0.0, 0.0])];
    close(value(&c, "best_source_share"), 0.75);
    close(value(&c, "source_evenness"), (-(0.25 * 0.25f64.ln() + 0.75 * 0.75f64.ln())).exp() / 2.0);
    c.nats_by_source.truncate(1);
    assert_eq!((value(&c, "best_source_share"), value(&c, "source_evenness")), (Some(1.0), None));
}

#[test]
fn members_parts_and_lives_are_measured_as_by_hand() {
    let mut c = cluster(true, 0.0, 1);
    c.members.truncate(3);
    for (n, member) in c.members.iter_mut().enumerate() {
        member.outcomes = [[1, 1, 1, 1, 0], [5, 0, 0, 0, 15], [0, 0, 0, 5, 5]][n];
        member.proposed = n != 2;
        member.behaviour.posts = [4, 240, 30][n];
        member.behaviour.first_post = 0;
        member.behaviour.last_post = [600, 86_400, 36_000][n] * 1_000;
    }
    c.terms.proposed = 8;
    (c.terms.born, c.history, c.last_seen) = (100_000_000, 72_000_000, 172_000_000);
    close(value(&c, "share_on_cluster_keys"), 0.5);
    // A quarter, a quarter and none.
    close(value(&c, "own_words_typical"), 0.25);
    close(value(&c, "named_share"), 0.25);
    close(value(&c, "found_share"), 1.0 / 3.0);
    // 10 minutes, 24 and 10 hours, out of 40 observed hours.
    close(value(&c, "account_life"), 36_001f64.log10());
    close(value(&c, "account_life_share"), 0.25);
    // Four (because an hour is the least), ten and three per hour.
    close(value(&c, "posting_rate"), 4f64.log10());
    // Lives and observed times over a week all count as a week.
    c.members.iter_mut().for_each(|member| member.behaviour.last_post = i64::MAX);
    c.history = i64::MAX;
    close(value(&c, "account_life"), 604_801f64.log10());
    close(value(&c, "account_life_share"), 1.0);

    c.namings.clear();
    c.finding = Finding::NearMiss;
    assert_eq!((value(&c, "named_share"), value(&c, "found_share")), (None, None), "a near miss names nobody");
}

#[test]
fn one_loud_member_does_not_speak_for_all() {
    let mut c = cluster(true, 0.0, 1);
    for (n, member) in c.members.iter_mut().enumerate() {
        member.outcomes = if n == 0 { [900, 0, 0, 0, 0] } else { [0, 0, 0, 0, 20] };
    }
    close(value(&c, "own_words_typical"), 0.0);
}

#[test]
fn how_posts_are_on_their_keys_is_measured_as_by_hand() {
    let mut c = cluster(true, 0.0, 1);
    c.nats_by_kind = TraceKind::ALL.into_iter().zip([6.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0]).collect();
    close(value(&c, "nats_share_media"), 1.0 / 12.0);
    close(value(&c, "nats_share_reply"), 1.0 / 6.0);
    close(value(&c, "nats_share_mention"), 0.25);

    c.evidence.truncate(3);
    for (evidence, manners) in c.evidence.iter_mut().zip([
        vec![Manner::Plain, Manner::Copied(1_000), Manner::Copied(500)],
        vec![Manner::Plain, Manner::Copied(800)],
        vec![Manner::After(9_000), Manner::Plain, Manner::After(99_000), Manner::After(999_000)],
    ]) {
        evidence.posts.truncate(manners.len());
        for (post, manner) in evidence.posts.iter_mut().zip(manners) {
            post.manner = manner;
        }
    }
    close(value(&c, "copy_coverage"), 0.8);
    close(value(&c, "repost_lag"), 2.0);
    c.evidence.iter_mut().for_each(|evidence| evidence.posts.retain(|post| post.manner == Manner::Plain));
    assert_eq!((value(&c, "copy_coverage"), value(&c, "repost_lag")), (None, None));
}

#[test]
fn only_the_cluster_s_own_group_is_measured() {
    for seed in 1..40 {
        let before = cluster(seed % 2 == 0, 0.0, seed);
        // Another group is merged into it, with its members, its ties and its naming; everything
        // else remains the first group's. One of them had been proposed in the first group as well,
        // and so posted on its keys.
        let other = cluster(true, 0.0, seed + 1_000);
        let mut after = before.clone();
        after.namings.extend(other.namings);
        after.ties.extend(other.ties);
        let elsewhere = other.members.iter().cloned().map(|mut member| {
            (member.elsewhere, member.naming) = (true, 1);
            member
        });
        after.members.extend(elsewhere);
        for evidence in &mut after.evidence {
            let mut post = evidence.posts[0].clone();
            post.account = other.members[0].account.clone();
            post.created_at += 77;
            evidence.posts.push(post);
        }
        assert_eq!(values(&before), values(&after));
    }
}

/// The same group when it is observed for twice as long: everything happens again, on the same keys
/// or on new ones.
fn twice(before: &Cluster, new_keys: bool) -> Cluster {
    let mut after = before.clone();
    let span = before.last_seen - before.terms.born + before.history;
    let double = |counts: &mut [u64; 5]| counts.iter_mut().for_each(|n| *n *= 2);
    for window in &mut after.windows {
        (window.nats, window.losses) = (2.0 * window.nats, 2.0 * window.losses);
        double(&mut window.group);
        double(&mut window.crowd);
        double(&mut window.near);
    }
    (after.log_e, after.log_e_leave_one_source_out) = (2.0 * before.log_e, 2.0 * before.log_e_leave_one_source_out);
    after.nats_by_kind.iter_mut().for_each(|(_, nats)| *nats *= 2.0);
    after.last_seen += span;
    (after.version, after.candidates_tested) = (7, 10_000);
    (after.terms.number, after.terms.discoveries, after.terms.bar) = (9_999, 40, 15.0);
    for member in &mut after.members {
        member.outcomes.iter_mut().for_each(|n| *n *= 2);
        (member.log_e, member.naming) = (2.0 * member.log_e, 0);
        let known = &mut member.behaviour;
        known.last_post += known.last_post - known.first_post;
        known.hours.iter_mut().for_each(|n| *n *= 2);
        for count in [
            &mut known.posts,
            &mut known.reposts,
            &mut known.posts_on_cluster_keys,
            &mut known.deleted,
            &mut known.timed_reposts,
            &mut known.fast_reposts,
        ] {
            *count *= 2;
        }
    }
    let again =
        |post: &PostRef| PostRef { created_at: post.created_at + span, id: format!("{}-2", post.id), ..post.clone() };
    for evidence in &before.evidence {
        let posts: Vec<PostRef> = evidence.posts.iter().map(again).collect();
        if new_keys {
            let source = format!("{}-2", evidence.source);
            after.evidence.push(coordination::Evidence {
                key: format!("{}-2", evidence.key),
                source,
                posts,
                ..evidence.clone()
            });
        } else {
            let known = after.evidence.iter_mut().find(|known| known.key == evidence.key).unwrap();
            known.posts.extend(posts);
        }
    }
    if new_keys {
        let more = before.nats_by_source.iter().map(|s| SourceNats { source: format!("{}-2", s.source), ..s.clone() });
        after.nats_by_source.extend(more);
    } else {
        after.nats_by_source.iter_mut().for_each(|source| source.nats = source.nats.map(|nats| 2.0 * nats));
    }
    after
}

#[test]
fn no_feature_grows_with_the_time_watched() {
    for seed in 1..60 {
        let mut before = cluster(seed % 2 == 0, 0.0, seed);
        // The hours of a day are known, and lives are beyond the week at which they stop.
        for member in &mut before.members {
            member.behaviour.last_post = member.behaviour.first_post + 8 * 86_400_000;
        }
        for new_keys in [false, true] {
            let after = twice(&before, new_keys);
            assert!(new_keys == (after.evidence.len() > before.evidence.len()));
            for ((feature, before), after) in FEATURES.iter().zip(values(&before)).zip(values(&after)) {
                let name = feature.name;
                assert_eq!(before.is_some(), after.is_some(), "{name}");
                let change = before.zip(after).map_or(0.0, |(before, after)| after - before);
                // Quantiles of twice as many delays are interpolated at other places between two of
                // them.
                let least = if name.starts_with("delay_") { 0.1 } else { 1e-9 };
                // New sources lower the share of the best one, and never raise it.
                let falls = new_keys && name == "best_source_share" && change < 0.0;
                assert!(change.abs() <= least || falls, "{name}: {before:?} became {after:?}");
            }
        }
    }
}

#[test]
fn a_young_stream_says_nothing_of_the_hours_and_stops_no_life_short() {
    let mut c = cluster(true, 0.0, 1);
    for member in &mut c.members {
        (member.behaviour.first_post, member.behaviour.last_post) = (c.terms.born - 5_400_000, c.terms.born);
    }
    let watch = |c: &mut Cluster, hours: i64| {
        (c.history, c.last_seen) = (hours * 3_600_000, c.terms.born);
    };
    watch(&mut c, 25);
    assert!(value(&c, "hour_entropy").is_some() && value(&c, "hour_agreement").is_some());
    watch(&mut c, 23);
    assert_eq!((value(&c, "hour_entropy"), value(&c, "hour_agreement")), (None, None));
    // Accounts that were present from the first post to the last may have existed for years.
    c.history = 5_400_000;
    close(value(&c, "account_life_share"), 1.0);
    c.history = 0;
    assert_eq!(value(&c, "account_life_share"), None);
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
    // At 6, at 6 and at 12 o'clock. The fourth is active at opposite hours equally and has no
    // direction.
    for (member, at) in c.members.iter_mut().zip([&[6][..], &[6], &[12], &[0, 12]]) {
        member.behaviour.hours = hours(at);
        (member.behaviour.timed_reposts, member.behaviour.fast_reposts) = (0, 0);
    }
    close(value(&c, "hour_agreement"), 5f64.sqrt() / 3.0);
    c.members[2].behaviour.hours = hours(&[6]);
    close(value(&c, "hour_agreement"), 1.0);
    c.members.iter_mut().for_each(|member| member.behaviour.hours = hours(&[3, 15]));
    assert_eq!(value(&c, "hour_agreement"), None, "accounts that post around the clock have no time zone");

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
    c.members.iter_mut().for_each(|member| member.outcomes = [0; 5]);
    c.nats_by_kind = vec![(TraceKind::Url, -4.0)];
    c.nats_by_source.clear();
    c.evidence.clear();
    // One text by many accounts has no test and no naming.
    c.windows.clear();
    c.namings.clear();
    c.history = 0;
    c.last_seen = c.terms.born;
    let unknown: Vec<&str> =
        FEATURES.iter().zip(values(&c)).filter(|(_, value)| value.is_none()).map(|(feature, _)| feature.name).collect();
    let known = ["tie_density", "account_life", "cross_platform_share"];
    let expected: Vec<&str> = FEATURES.iter().map(|f| f.name).filter(|name| !known.contains(name)).collect();
    assert_eq!(unknown, expected);

    c.members.clear();
    c.ties.clear();
    assert_eq!(values(&c), vec![None; FEATURES.len()]);
}

#[test]
fn values_written_by_another_version_are_no_values() {
    let own = values(&cluster(true, 0.0, 3));
    assert!(own.contains(&None), "unknown values are written as well");
    let named: BTreeMap<String, Option<f64>> =
        FEATURES.iter().map(|feature| feature.name.to_owned()).zip(own.iter().copied()).collect();
    assert_eq!(values_by_name(&named), Some(own.clone()));
    // A surplus name does no harm, a missing name does.
    let more = named.iter().map(|(name, value)| (name.clone(), *value)).chain([("log_e".to_owned(), Some(4.0))]);
    assert_eq!(values_by_name(&more.collect()), Some(own));
    for feature in &FEATURES {
        let mut older = named.clone();
        older.remove(feature.name);
        assert_eq!(values_by_name(&older), None, "{}", feature.name);
    }
}

#[test]
fn values_are_shown_in_a_reviewers_units() {
    let shown = |name: &str, v: f64| (FEATURES.iter().find(|f| f.name == name).unwrap().show)(v);
    assert_eq!(shown("nats_per_trial", 0.512), "0.51 nats");
    assert_eq!(shown("nats_per_trial", -0.001), "0.00 nats");
    assert_eq!(shown("own_words_over_crowd", 12f64.ln()), "12 times");
    assert_eq!(shown("own_words_over_crowd", 0.25f64.ln()), "0.25 times");
    assert_eq!(shown("posting_rate", 2.5f64.log10()), "2.5 posts an hour");
    assert_eq!(shown("account_life", log10_1p(600.0)), "10 min");
    assert_eq!(shown("delay_p50", log10_1p(0.2)), "under 1 s");
    assert_eq!(shown("delay_p50", log10_1p(90.0)), "90 s");
    assert_eq!(shown("delay_p50", log10_1p(600.0)), "10 min");
    assert_eq!(shown("creation_spread", log10_1p(40.0)), "40 days");
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
        let mut dice = fastrand::Rng::with_seed(seed ^ 77);
        let before = cluster(inauthentic, 0.5, seed);
        let mut after = before.clone();
        dice.shuffle(&mut after.members);
        dice.shuffle(&mut after.evidence);
        dice.shuffle(&mut after.ties);
        dice.shuffle(&mut after.nats_by_kind);
        dice.shuffle(&mut after.nats_by_source);
        for evidence in &mut after.evidence {
            dice.shuffle(&mut evidence.posts);
        }
        prop_assert_eq!(values(&before), values(&after));
    }

    /// Other words, keys, sources, names and ids of the same shape: the behaviour is the same, and
    /// so is every value.
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
    fn every_value_is_finite(seed in 1u64..500, losses in proptest::num::f64::ANY, nats in proptest::num::f64::ANY) {
        let mut c = cluster(true, 0.5, seed);
        c.windows[0].nats = losses;
        c.windows[1].group = [u64::MAX; 5];
        c.nats_by_kind[0].1 = nats;
        c.nats_by_source[0].nats = [nats; 3];
        c.evidence[0].posts[0].created_at = i64::MIN;
        c.evidence[0].posts[1].created_at = i64::MAX;
        c.last_seen = i64::MAX;
        c.terms.born = i64::MIN;
        c.members[0].behaviour.created_at = Some(i64::MIN);
        c.members[1].behaviour.posts = u64::MAX / 64;
        prop_assert!(values(&c).into_iter().flatten().all(f64::is_finite));
    }
}
