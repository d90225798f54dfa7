use super::*;

fn shares(rows: &[(&str, &str, &str, f64)]) -> Shares {
    let mut shares = Shares::default();
    rows.iter().for_each(|(object, account, content, at)| shares.push(object, account, content, *at));
    shares
}

/// Pairs as `object:older>newer`.
fn pairs(groups: &Groups<'_>) -> Vec<String> {
    let mut found = Vec::new();
    groups.pairs(|p| {
        let fast = p.fast.map_or("", |fast| if fast { " fast" } else { " slow" });
        found.push(format!("{}:{}>{}{fast}", p.object_id, p.content_id, p.content_id_y));
    });
    found
}

/// Edges as `from-to weight older/newer`, with a star above the threshold.
fn edges(network: &Network<'_, '_>) -> Vec<String> {
    let mut found = Vec::new();
    let show = |m: &Measures<'_>| {
        format!("{}{} {}/{}", m.weight, if m.weight_threshold { "*" } else { "" }, m.n_content_id, m.n_content_id_y)
    };
    network.edges(false, |e| {
        let fast = e.fast.as_ref().map_or(String::new(), |fast| format!(" fast {}", show(fast)));
        found.push(format!("{}-{} {}{fast}", e.from, e.to, show(&e.full)));
    });
    found
}

fn check_pairs(rows: &[(&str, &str, &str, f64)], min_participation: u32, expected: &[&str]) {
    assert_eq!(pairs(&Groups::detect(&shares(rows), 10.0, min_participation)), expected, "{rows:?}");
}

#[test]
fn the_window_is_inclusive() {
    check_pairs(&[("x", "a", "1", 0.0), ("x", "b", "2", 10.0), ("x", "c", "3", 20.1)], 1, &["x:1>2"]);
    check_pairs(&[("x", "a", "1", 0.25), ("x", "b", "2", 10.25), ("x", "c", "3", 10.5)], 1, &["x:1>2", "x:2>3"]);
}

#[test]
fn at_equal_times_the_account_that_appeared_first_is_older() {
    // b appeared first, with a row on another object, so its row 4 is older than row 2, although
    // row 2 comes before it.
    let rows = [("z", "b", "1", 500.0), ("x", "a", "2", 0.0), ("z", "a", "3", 900.0), ("x", "b", "4", 0.0)];
    check_pairs(&rows, 1, &["x:4>2"]);
    check_pairs(&rows[1..], 1, &["x:2>4"]);
}

#[test]
fn an_older_post_is_older_wherever_it_stands() {
    check_pairs(&[("x", "a", "1", 5.0), ("x", "b", "2", 1.0)], 1, &["x:2>1"]);
}

#[test]
fn loops_are_dropped() {
    // A share with its original; an account with itself; one post twice; and two accounts with one
    // post's id are not a pair either.
    check_pairs(&[("1", "a", "1", 0.0), ("1", "b", "2", 1.0)], 1, &[]);
    check_pairs(&[("x", "a", "1", 0.0), ("x", "a", "2", 1.0)], 1, &[]);
    check_pairs(&[("x", "a", "1", 0.0), ("x", "b", "1", 1.0)], 1, &[]);
}

#[test]
fn equal_rows_count_again() {
    check_pairs(&[("x", "a", "1", 0.0), ("x", "b", "2", 1.0), ("x", "b", "2", 1.0)], 1, &["x:1>2", "x:1>2"]);
}

#[test]
fn participation_is_asked_of_either_side() {
    // Every account has two rows. Only a has two that are in a pair; so the pair of c and d goes,
    // and those of a stay.
    let rows = [
        ("x", "a", "1", 0.0),
        ("x", "b", "2", 1.0),
        ("y", "a", "3", 100.0),
        ("y", "c", "4", 101.0),
        ("z", "d", "5", 200.0),
        ("z", "e", "6", 201.0),
        ("o", "b", "7", 300.0),
        ("p", "c", "8", 400.0),
        ("q", "d", "9", 500.0),
        ("r", "e", "10", 600.0),
    ];
    check_pairs(&rows, 2, &["x:1>2", "y:3>4"]);
    check_pairs(&rows, 1, &["x:1>2", "y:3>4", "z:5>6"]);
    check_pairs(&rows, 0, &["x:1>2", "y:3>4", "z:5>6"]);
    // Without its last row, c has fewer than two rows and is left out at once, which leaves a with
    // one pair only.
    check_pairs(&rows[..7], 2, &[]);
}

#[test]
fn an_original_counts_for_participation_and_makes_no_pair() {
    // b's post 2 is an original that it also shares under its own id: rows of content 2 are two.
    let rows = [("x", "a", "1", 0.0), ("x", "b", "2", 1.0), ("2", "b", "2", 1.0), ("y", "a", "3", 99.0)];
    check_pairs(&rows, 2, &["x:1>2"]);
}

#[test]
fn contents_are_counted_by_age() {
    // a before b on x, b before a on y; c twice near a's post 1 with one post, through two objects.
    let rows = [
        ("x", "a", "1", 0.0),
        ("x", "b", "2", 1.0),
        ("y", "b", "3", 100.0),
        ("y", "a", "4", 104.0),
        ("x", "c", "5", 20.0),
        ("z", "a", "1", 18.0),
        ("z", "c", "5", 20.0),
        ("w", "a", "1", 18.0),
        ("w", "c", "5", 20.0),
    ];
    let shares = shares(&rows);
    let groups = Groups::detect(&shares, 10.0, 1);
    let network = groups.network(0.5, Subgraph::Whole);
    assert_eq!(edges(&network), ["a-b 2 2/2", "a-c 2 1/1"]);
    network.edges(true, |edge| match edge.to {
        "b" => {
            assert_eq!((edge.full.avg_time_delta, edge.median_lag_s, edge.objects), (2.5, 2.5, 2));
            assert_eq!(edge.full.object_ids, ["x", "y"]);
        }
        _ => assert_eq!(edge.full.object_ids, ["z", "w"], "in the order of their first rows"),
    });
}

#[test]
fn symmetry_is_the_lesser_over_the_greater() {
    let shares = shares(&[("x", "a", "1", 0.0), ("x", "b", "2", 1.0), ("x", "b", "3", 2.0)]);
    Groups::detect(&shares, 10.0, 1)
        .network(0.5, Subgraph::Whole)
        .edges(false, |edge| assert_eq!(edge.full.edge_symmetry_score(), 0.5));
}

/// Weights: a-b 3 (deltas 1, 1, 8), a-c 1 (delta 9), b-c 1 (delta 1).
const TRIANGLE: [(&str, &str, &str, f64); 10] = [
    ("u", "a", "1", 0.0),
    ("u", "b", "2", 1.0),
    ("v", "a", "3", 100.0),
    ("v", "b", "4", 101.0),
    ("w", "a", "5", 200.0),
    ("w", "b", "6", 208.0),
    ("x", "a", "7", 300.0),
    ("x", "c", "8", 309.0),
    ("y", "b", "9", 400.0),
    ("y", "c", "10", 401.0),
];

#[test]
fn the_threshold_is_strict() {
    let shares = shares(&TRIANGLE);
    let groups = Groups::detect(&shares, 10.0, 1);
    let network = groups.network(0.5, Subgraph::Whole);
    assert_eq!((network.pairs(), network.all_edges(), network.threshold()), (5, 3, Some(1.0)));
    assert_eq!(edges(&network), ["a-b 3* 3/3", "a-c 1 1/1", "b-c 1 1/1"]);
    assert_eq!(edges(&groups.network(1.0, Subgraph::Whole))[0], "a-b 3 3/3", "no weight is above the greatest one");
    assert_eq!(edges(&groups.network(0.5, Subgraph::Weighted)), ["a-b 3* 3/3"]);
    assert_eq!(edges(&groups.network(0.5, Subgraph::FastWeighted)), [""; 0], "no fast window was named");
}

#[test]
fn the_fast_network_has_its_own_weights_and_threshold() {
    let shares = shares(&TRIANGLE);
    let mut groups = Groups::detect(&shares, 10.0, 1);
    groups.flag_speed_share(2.0);
    assert_eq!(pairs(&groups), ["u:1>2 fast", "v:3>4 fast", "w:5>6 slow", "x:7>8 slow", "y:9>10 fast"]);
    let network = groups.network(0.5, Subgraph::Whole);
    // Fast weights 2 and 1: their median is 1.5.
    assert_eq!((network.threshold(), network.fast_threshold()), (Some(1.0), Some(1.5)));
    assert_eq!(edges(&network), ["a-b 3* 3/3 fast 2* 2/2", "a-c 1 1/1", "b-c 1 1/1 fast 1 1/1"]);
    assert_eq!(edges(&groups.network(0.5, Subgraph::FastWeighted)), ["a-b 3* 3/3 fast 2* 2/2"]);
    // c is a neighbour of both, so that the context is everything, with c beside it.
    let context = groups.network(0.5, Subgraph::FastContext);
    assert_eq!(edges(&context).len(), 3);
    assert_eq!(["a", "b", "c", "?"].map(|a| context.coordinated(a)), [Some(true), Some(true), Some(false), None]);
}

#[test]
fn the_fast_network_asks_for_participation_anew() {
    // Within 10 s, a is in two pairs; within 2 s, in one.
    let rows = [("x", "a", "1", 0.0), ("x", "b", "2", 1.0), ("y", "a", "3", 100.0), ("y", "b", "4", 109.0)];
    let shares = shares(&rows);
    let mut groups = Groups::detect(&shares, 10.0, 2);
    groups.flag_speed_share(2.0);
    assert_eq!(pairs(&groups), ["x:1>2 slow", "y:3>4 slow"]);
}

#[test]
fn a_fast_pair_of_contents_is_fast_on_every_object() {
    // The same two posts, 1 s apart on x and, by a second time of post 2, 8 s on y.
    let shares = shares(&[("x", "a", "1", 0.0), ("x", "b", "2", 1.0), ("y", "a", "1", 0.0), ("y", "b", "2", 8.0)]);
    let mut groups = Groups::detect(&shares, 10.0, 1);
    groups.flag_speed_share(2.0);
    assert_eq!(pairs(&groups), ["x:1>2 fast", "y:1>2 fast"]);
}
