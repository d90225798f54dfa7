//! The tables of the network, apart from the engine.

use proptest::prelude::*;

use super::*;

fn common(key: u64, at: Millis) -> Common {
    Common { key, at, lag: 60, kind: TraceKind::Url }
}

fn edge(nats: f64) -> Edge {
    Edge { keys: 2, expected: 0.1, nats, kind: TraceKind::Url, lag: 60.0 }
}

proptest! {
    #[test]
    fn pairs_with_one_key_are_evicted_first_then_the_oldest_then_the_least(
        pairs in proptest::collection::btree_map((0u32..6, 6u32..40), (1usize..4, 0i64..12), 1..80),
        share in 0.0f64..1.0,
    ) {
        let mut network = Network::new();
        for (pair, (keys, at)) in &pairs {
            let mut keys = (0..*keys as u64).map(|key| common(key, *at));
            let mut in_common = InCommon::One(keys.next().unwrap());
            keys.for_each(|key| in_common.push(key));
            network.pairs.insert(*pair, in_common);
        }
        let surplus = 1 + (share * (pairs.len() - 1) as f64) as usize;
        let mut order: Vec<(bool, Millis, Pair)> =
            pairs.iter().map(|(pair, (keys, at))| (*keys >= LEAST, *at, *pair)).collect();
        order.sort_unstable();
        let mut kept: Vec<Pair> = order[surplus..].iter().map(|(.., pair)| *pair).collect();
        kept.sort_unstable();
        network.evict(surplus);
        let mut left: Vec<Pair> = network.pairs.keys().copied().collect();
        left.sort_unstable();
        prop_assert_eq!(left, kept);
        prop_assert_eq!(network.evicted(), surplus as u64);
    }
}

/// Earlier versions wrote neighbours in the order in which they became so.
#[test]
fn neighbours_of_an_earlier_snapshot_are_put_in_order_with_the_strength_of_their_ties() {
    let mut before = Network::new();
    for (other, nats) in [(7, 30.0), (5, 20.0), (9, 40.0)] {
        before.edges.insert((1, other), edge(nats));
        before.neighbours.entry(1).or_default().push(other.into());
        before.neighbours.entry(other).or_default().push(1.into());
    }
    let mut after: Network = postcard::from_bytes(&postcard::to_extend(&before, Vec::new()).unwrap()).unwrap();
    after.restored();
    let known = |of: AccountId| after.neighbours(of).iter().map(|one| (one.account, one.nats)).collect::<Vec<_>>();
    assert_eq!(known(1), [(5, 20.0), (7, 30.0), (9, 40.0)]);
    assert_eq!(known(7)[0].0, 1);
    let keys: Vec<u32> = after.neighbours(1).iter().map(|one| one.keys).collect();
    assert_eq!(keys, [2, 2, 2]);
    after.cut((1, 7));
    assert_eq!(after.neighbours(1).iter().map(|one| one.account).collect::<Vec<_>>(), [5, 9]);
    assert!(after.neighbours(7).is_empty());
}
