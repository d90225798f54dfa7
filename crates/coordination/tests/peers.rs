//! Compares the sweeps of the other tools' methods with the tools' own steps, written in a simple
//! form that needs quadratic time.

use std::collections::{BTreeMap, BTreeSet};

use coordination::peers::Shares;
use coordination::peers::cooccurrence::{Match, Messages};
use coordination::peers::coortweet::{Groups, Subgraph};
use proptest::prelude::*;

/// A row: object, account, content, time.
type Row = (u8, u8, u8, f64);

/// (object, older, newer, older's account, newer's account, seconds)
type Pair = (u8, u8, u8, u8, u8, f64);

fn object(n: u8) -> String {
    // Some objects are contents, as originals are.
    if n < 2 { format!("c{n}") } else { format!("o{n}") }
}

fn account(n: u8) -> String {
    // The order of names is not the order of appearance.
    format!("{}", (b'z' - n) as char)
}

fn content(n: u8) -> String {
    format!("c{n}")
}

/// Few values of each field, so that rows meet; times on a coarse grid, so that some are equal and
/// some are at the window's edge.
fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (0..5_u8, 0..5_u8, 0..16_u8, 0..120_u32).prop_map(|(o, a, c, t)| (o, a, c, f64::from(t) / 4.0));
    prop::collection::vec(row, 0..60)
}

fn shares(rows: &[Row]) -> Shares {
    let mut shares = Shares::default();
    for (o, a, c, t) in rows {
        shares.push(&object(*o), &account(*a), &content(*c), *t);
    }
    shares
}

fn participating(rows: &[Row], pairs: &[Pair], least: usize) -> Vec<Pair> {
    let contents: BTreeSet<u8> = pairs.iter().flat_map(|p| [p.1, p.2]).collect();
    let in_pair = |row: &&Row| contents.contains(&row.2);
    let rows_of = |a: u8| rows.iter().filter(in_pair).filter(|row| row.1 == a).count();
    let kept: BTreeSet<u8> =
        rows.iter().filter(in_pair).filter(|row| rows_of(row.1) >= least).map(|row| row.2).collect();
    pairs.iter().filter(|p| kept.contains(&p.1) || kept.contains(&p.2)).copied().collect()
}

fn detect_groups(rows: &[Row], window: f64, least: usize) -> Vec<Pair> {
    let mut accounts: Vec<u8> = Vec::new();
    rows.iter().for_each(|row| {
        if !accounts.contains(&row.1) {
            accounts.push(row.1)
        }
    });
    let mut x: Vec<Row> = Vec::new();
    for a in accounts {
        let own: Vec<Row> = rows.iter().filter(|row| row.1 == a).copied().collect();
        x.extend(if own.len() >= least { own } else { Vec::new() });
    }
    let mut pairs = Vec::new();
    for (j, y) in x.iter().enumerate() {
        for x in &x[..j] {
            if x.0 == y.0 && (x.3 - y.3).abs() <= window {
                let (old, new) = if x.3 > y.3 { (y, x) } else { (x, y) };
                pairs.push((x.0, old.2, new.2, old.1, new.1, new.3 - old.3));
            }
        }
    }
    pairs.retain(|p| object(p.0) != content(p.1) && object(p.0) != content(p.2) && p.1 != p.2 && p.3 != p.4);
    if least == 0 { pairs } else { participating(&x, &pairs, least) }
}

/// Weight, older contents, newer contents, objects, and the sum of the lags in quarters of a
/// second.
type Edge = (u32, usize, usize, usize, u32);

fn aggregate(pairs: &[Pair]) -> BTreeMap<(String, String), Edge> {
    let mut edges: BTreeMap<(String, String), Vec<Pair>> = BTreeMap::new();
    for pair in pairs {
        let (a, b) = (account(pair.3), account(pair.4));
        edges.entry((a.clone().min(b.clone()), a.max(b))).or_default().push(*pair);
    }
    let unique = |pairs: &[Pair], of: fn(&Pair) -> u8| pairs.iter().map(of).collect::<BTreeSet<_>>().len();
    edges
        .into_iter()
        .map(|(ends, p)| {
            let quarters: f64 = p.iter().map(|p| p.5 * 4.0).sum();
            (ends, (p.len() as u32, unique(&p, |p| p.1), unique(&p, |p| p.2), unique(&p, |p| p.0), quarters as u32))
        })
        .collect()
}

fn sorted(pairs: &[Pair]) -> Vec<String> {
    let mut shown: Vec<String> = pairs
        .iter()
        .map(|p| format!("{} {} {} {} {} {}", object(p.0), content(p.1), content(p.2), account(p.3), account(p.4), p.5))
        .collect();
    shown.sort();
    shown
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn coortweet_is_what_its_steps_say(
        rows in rows(), window in 0..32_u32, fast in 0..16_u32, least in 0..4_u32, p in 0..5_u32,
    ) {
        let (window, fast, p) = (f64::from(window) / 4.0, f64::from(fast) / 4.0, f64::from(p) / 4.0);
        let expected = detect_groups(&rows, window, least as usize);
        let quick: Vec<Pair> = expected.iter().filter(|p| p.5 <= fast).copied().collect();
        let quick: BTreeSet<(u8, u8)> = participating(&rows, &quick, least as usize).iter().map(|p| (p.1, p.2)).collect();
        let quick: Vec<Pair> = expected.iter().filter(|p| quick.contains(&(p.1, p.2))).copied().collect();

        let shares = shares(&rows);
        let mut groups = Groups::detect(&shares, window, least);
        groups.flag_speed_share(fast);
        let (mut found, mut found_quick) = (Vec::new(), Vec::new());
        groups.pairs(|p| {
            let shown = format!(
                "{} {} {} {} {} {}",
                p.object_id, p.content_id, p.content_id_y, p.account_id, p.account_id_y, p.time_delta
            );
            if p.fast == Some(true) {
                found_quick.push(shown.clone());
            }
            found.push(shown);
        });
        found.sort();
        found_quick.sort();
        prop_assert_eq!(&found, &sorted(&expected));
        prop_assert_eq!(&found_quick, &sorted(&quick));

        let (full, quick) = (aggregate(&expected), aggregate(&quick));
        let network = groups.network(p, Subgraph::Whole);
        let (mut found, mut found_quick) = (BTreeMap::new(), BTreeMap::new());
        let mut order = Vec::new();
        network.edges(true, |e| {
            let ends = (e.from.to_owned(), e.to.to_owned());
            let edge = |m: &coordination::peers::coortweet::Measures<'_>| {
                let quarters = (m.avg_time_delta * f64::from(m.weight) * 4.0).round() as u32;
                (m.weight, m.n_content_id as usize, m.n_content_id_y as usize, m.object_ids.len(), quarters)
            };
            assert_eq!(e.objects as usize, e.full.object_ids.len());
            found.insert(ends.clone(), edge(&e.full));
            if let Some(fast) = &e.fast {
                found_quick.insert(ends.clone(), edge(fast));
            }
            order.push(ends);
        });
        prop_assert_eq!(&found, &full);
        prop_assert_eq!(&found_quick, &quick);
        prop_assert!(order.is_sorted());
        prop_assert_eq!(network.pairs(), expected.len() as u64);

        // Thresholds and subgraphs, from the weights.
        let threshold = |edges: &BTreeMap<(String, String), Edge>| {
            let mut weights: Vec<f64> = edges.values().map(|e| f64::from(e.0)).collect();
            weights.sort_by(f64::total_cmp);
            let place = weights.len().checked_sub(1)? as f64 * p;
            let (low, high) = (weights[place.floor() as usize], weights[place.ceil() as usize]);
            Some(low + (place - place.floor()) * (high - low))
        };
        prop_assert_eq!(network.threshold(), threshold(&full));
        prop_assert_eq!(network.fast_threshold(), threshold(&quick));
        let part = |subgraph| {
            let mut ends = BTreeSet::new();
            groups.network(p, subgraph).edges(false, |e| {
                ends.insert((e.from.to_owned(), e.to.to_owned()));
            });
            ends
        };
        let above = |edges: &BTreeMap<(String, String), Edge>| -> BTreeSet<(String, String)> {
            let least = threshold(edges);
            edges.iter().filter(|(_, e)| least.is_some_and(|t| f64::from(e.0) > t)).map(|(ends, _)| ends.clone()).collect()
        };
        prop_assert_eq!(part(Subgraph::Weighted), above(&full));
        let core = above(&quick);
        prop_assert_eq!(&part(Subgraph::FastWeighted), &core);
        let core: BTreeSet<&String> = core.iter().flat_map(|(a, b)| [a, b]).collect();
        let near: BTreeSet<&String> = full
            .keys()
            .flat_map(|(a, b)| [core.contains(a).then_some(b), core.contains(b).then_some(a)])
            .flatten()
            .collect();
        let context: BTreeSet<_> = full.keys().filter(|(a, b)| near.contains(a) && near.contains(b)).cloned().collect();
        prop_assert_eq!(part(Subgraph::FastContext), context);
    }

    #[test]
    fn cooccurrence_is_what_its_query_says(rows in rows(), window in 0..32_u32, least in 0..3_u32, links: bool, loops: bool) {
        let window = f64::from(window) / 4.0;
        // The primary keys of the toolkit's two tables.
        let mut table: Vec<Row> = Vec::new();
        for row in &rows {
            if !table.iter().any(|old| old.2 == row.2 && (!links || old.0 == row.0)) {
                table.push(*row);
            }
        }
        let mut matches: BTreeMap<(String, String), BTreeSet<u8>> = BTreeMap::new();
        for x in &table {
            for y in &table {
                if x.0 == y.0 && (x.1 != y.1 || loops && x.2 != y.2) && x.3 - window <= y.3 && y.3 <= x.3 + window {
                    matches.entry((account(x.1), account(y.1))).or_default().insert(x.2);
                }
            }
        }
        let expected: Vec<((String, String), u32)> = matches
            .into_iter()
            .map(|(ends, messages)| (ends, messages.len() as u32))
            .filter(|(_, weight)| *weight >= least)
            .collect();

        let mut messages = Messages::default();
        for (o, a, c, t) in &rows {
            let (o, a, c) = (object(*o), account(*a), content(*c));
            if links { messages.push_each(&c, &a, *t, &[&o]) } else { messages.push(&c, &a, *t, &[&o]) }
        }
        let mut found = Vec::new();
        messages.ties(window, least, Match::Same, loops, |tie| {
            found.push(((tie.user_1.to_owned(), tie.user_2.to_owned()), tie.weight));
        });
        prop_assert_eq!(found, expected);
    }
}
