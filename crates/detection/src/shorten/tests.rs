use std::collections::BTreeSet;

use coordination::Cluster;
use expect_test::expect;
use messages::{
    cluster::{ClusterError, ClusterMessage, Tie},
    fixtures::{self, Shape},
};
use proptest::prelude::*;

use super::shortened;

fn written(cluster: &Cluster) -> Result<ClusterMessage, ClusterError> {
    let verdict = ClusterMessage::takes_verdict(cluster).then(|| fixtures::verdict(cluster.flagged));
    ClusterMessage::new(cluster, verdict.as_ref(), vec!["elections".into()], vec![])
}

fn message() -> ClusterMessage {
    written(&fixtures::coordinated(Shape { seed: 1, members: 4, keys: 3 }, true)).unwrap()
}

/// Tolerance of a sum of numbers that are rounded to 1e-9.
fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-6
}

/// Checks all sums of a message, window by window.
fn adds_up(message: &ClusterMessage) {
    for (at, window) in message.windows.iter().enumerate() {
        let listed: f64 = message.evidence.iter().map(|evidence| evidence.by_window[at]).sum();
        let comes_to = window.losses + listed + message.unlisted.nats[at];
        assert!(close(window.nats, comes_to), "window {at}: {} is not {comes_to}", window.nats);
        let sources: f64 = message.sources.iter().map(|source| source.by_window[at]).sum();
        let comes_to = window.losses + sources + message.unlisted.source_nats[at];
        assert!(close(window.nats, comes_to), "window {at} by source: {} is not {comes_to}", window.nats);
    }
    for evidence in &message.evidence {
        for (at, nats) in evidence.by_window.iter().enumerate() {
            let gains = evidence.posts.iter().flat_map(|post| &post.gains);
            let gained: f64 = gains.filter(|gain| gain.window == at).map(|gain| gain.nats()).sum();
            assert!(close(*nats, gained), "{} in window {at}: {nats} is not {gained}", evidence.key);
        }
    }
    let without = |gains: [f64; 3]| {
        let mean: f64 = message.windows.iter().zip(gains).map(|(window, gain)| (window.nats - gain).exp()).sum();
        (mean / message.windows.len() as f64).ln()
    };
    if !message.windows.is_empty() {
        let least = message.sources.iter().map(|source| without(source.by_window)).fold(without([0.0; 3]), f64::min);
        assert!(close(message.log_e_leave_one_source_out, least), "{least}: the source that is left out stays");
    }
    for account in &message.accounts {
        let Some(naming) = account.naming else { continue };
        assert!(naming < message.namings.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_cut_adds_up_and_fits(
        seed in 0u64..1_000, members in 3usize..14, keys in 1usize..40, share in 0.0f64..1.0, kind in 0usize..4
    ) {
        let shape = Shape { seed, members, keys };
        let full = written(&match kind {
            0 => fixtures::coordinated(shape, true),
            1 => fixtures::best_source(shape),
            2 => fixtures::near_miss(shape),
            _ => fixtures::one_text(members * 10),
        }).unwrap();
        adds_up(&full);
        let size = full.encode().unwrap().len();
        prop_assert_eq!(shortened(full.clone(), size).unwrap(), full.clone(), "what fits is not touched");
        let room = (size as f64 * share) as usize;
        let cut = match shortened(full.clone(), room) {
            Ok(cut) => cut,
            Err(ClusterError::TooLarge { bytes, limit, accounts, .. }) => {
                prop_assert_eq!((limit, accounts), (room, full.accounts.len()));
                // The limit is large enough.
                prop_assert!(bytes > room);
                shortened(full.clone(), bytes).unwrap()
            }
            Err(error) => panic!("{error}"),
        };
        let bytes = cut.encode().unwrap();
        prop_assert!(bytes.len() <= room.max(bytes.len()));
        prop_assert_eq!(ClusterMessage::decode(&bytes).unwrap(), cut.clone());
        adds_up(&cut);
        // Every post is listed or counted.
        let posts = |message: &ClusterMessage| message.evidence.iter().map(|e| e.posts.len() as u64).sum::<u64>();
        let gone = cut.unlisted.trials - full.unlisted.trials + cut.unlisted.posts;
        prop_assert_eq!(posts(&cut) + gone, posts(&full));
        prop_assert_eq!(cut.sources.len() as u64 + cut.unlisted.sources, full.sources.len() as u64);
        prop_assert_eq!(cut.ties.len() as u64 + cut.unlisted.ties, full.ties.len() as u64);
        prop_assert_eq!(cut.accounts.len(), full.accounts.len());
        for (cut, full) in cut.accounts.iter().zip(&full.accounts) {
            let dropped: f64 = full.dropped.iter().map(|dropped| dropped.nats).sum();
            let kept: f64 = cut.dropped.iter().map(|dropped| dropped.nats).sum();
            prop_assert!(close(kept + cut.dropped_nats.unwrap_or_default(), dropped));
        }
        // The strongest keys remain complete.
        let strongest = cut.evidence.iter().map(|e| &e.key).zip(full.evidence.iter().map(|e| &e.key));
        prop_assert!(strongest.into_iter().all(|(cut, full)| cut == full), "{:?}", cut.evidence);
    }
}

#[test]
fn weak_keys_go_first_and_a_strong_one_only_as_far_as_it_must() {
    let full = written(&fixtures::coordinated(Shape { seed: 3, members: 12, keys: 40 }, false)).unwrap();
    let size = full.encode().unwrap().len();
    let cut = shortened(full.clone(), size - 1).unwrap();
    let changed: Vec<usize> =
        (0..full.evidence.len()).filter(|&at| cut.evidence.get(at) != Some(&full.evidence[at])).collect();
    assert_eq!(changed, [full.evidence.len() - 1], "one key gives room for one byte");
    assert_eq!((&cut.sources, &cut.ties, &cut.accounts), (&full.sources, &full.ties, &full.accounts));

    // A single flood of one tag: some of its posts are cut, the first one remains.
    let mut flood = full.clone();
    flood.evidence.truncate(1);
    let post = flood.evidence[0].posts.last().unwrap().clone();
    flood.evidence[0].posts.extend(std::iter::repeat_n(post, 5_000));
    let room = flood.encode().unwrap().len() / 2;
    let cut = shortened(flood.clone(), room).unwrap();
    let (kept, all) = (cut.evidence[0].posts.len(), flood.evidence[0].posts.len());
    assert!(kept > all / 3 && kept < all, "{kept} of {all}");
    assert_eq!(cut.evidence[0].posts[0], flood.evidence[0].posts[0]);
    let size = cut.encode().unwrap().len();
    assert!(size <= room && size > room - 1_000, "{size} of {room}");
}

/// 300 accounts have so many ties and sources that these alone would fill a record.
#[test]
fn ties_and_sources_that_fill_a_message_go_before_its_evidence() {
    let mut full = written(&fixtures::coordinated(Shape { seed: 3, members: 12, keys: 40 }, false)).unwrap();
    full.ties = (0..44_850).map(|n| Tie { nats: 50.0 - f64::from(n) / 1_000.0, ..full.ties[0].clone() }).collect();
    let few = full.sources.len();
    for n in 0..20_000 {
        let mut weak = full.sources[few - 1].clone();
        (weak.source, weak.by_window) = (format!("tag {n}"), [1e-6 * f64::from(n % 100), 0.0, 0.0]);
        full.sources.push(weak);
    }
    let cut = shortened(full.clone(), 900 * 1024).unwrap();
    assert!(cut.encode().unwrap().len() <= 900 * 1024);
    assert_eq!(cut.evidence, full.evidence);
    let strongest = cut.ties.len();
    assert!(strongest > 1_000 && cut.ties[..] == full.ties[..strongest], "{strongest}");
    assert_eq!((cut.ties.len() as u64 + cut.unlisted.ties, cut.sources[..few] == full.sources[..few]), (44_850, true));
    let names: BTreeSet<&str> = cut.sources.iter().map(|source| source.source.as_str()).collect();
    assert!(names.len() > 1_000 && !names.contains("tag 0") && names.contains("tag 99"), "the weakest go");
}

#[test]
fn accounts_that_do_not_fit_are_an_error_and_not_left_out() {
    let error = shortened(message(), 900).unwrap_err();
    let ClusterError::TooLarge { accounts: 4, bytes, limit: 900, .. } = error else { panic!("{error}") };
    expect!["cluster c-01: its 4 accounts take 3993 bytes with all else left out, and a message may have 900: raise the bound of messages, or lower the largest group that the engine tests"].assert_eq(&error.to_string());
    let least = shortened(message(), bytes).unwrap();
    assert!(least.evidence.is_empty() && least.ties.is_empty() && least.sources.len() == 1);
    assert!(least.accounts.iter().all(|account| account.dropped.is_empty() && account.account_name.is_empty()));
    adds_up(&least);
}
