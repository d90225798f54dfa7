//! Drawing of the whole network of ties: every connected part separately, the largest first.
//!
//! Layout by the method of Fruchterman and Reingold (1991) from fixed start positions, with repulsion
//! only between neighbours in a grid: the same ties give the same drawing, and thousands of accounts take
//! at most seconds. All accounts of a group are one link to its section, so that the tab key stops once
//! per group.

use std::collections::{BTreeMap, HashMap};

use super::layout::{Forces, layout};
use super::svg::Svg;

/// A tie of the network.
#[derive(Debug, Clone)]
pub struct NetworkTie {
    /// One account.
    pub a: NetworkEnd,
    /// The other.
    pub b: NetworkEnd,
    /// Evidence of the tie, nats.
    pub nats: f64,
}

/// An account of the network.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NetworkEnd {
    /// Platform.
    pub platform: String,
    /// Id on the platform.
    pub account_id: String,
    /// Handle or display name; may be empty.
    pub name: String,
}

impl NetworkEnd {
    fn key(&self) -> (&str, &str) {
        (&self.platform, &self.account_id)
    }
}

const WIDTH: f64 = 1_200.0;
/// Side of the square that an account takes on average.
const ROOM: f64 = 26.0;
/// Gap between two parts.
const GAP: f64 = 18.0;
const ROUNDS: usize = 160;
/// Limits of the drawing, so that a browser can still zoom it.
const MOST_NODES: usize = 1_500;
const MOST_TIES: usize = 6_000;

/// A group: its accounts are coloured and link to its section.
pub(crate) struct Group<'a> {
    /// Anchor of its section, if it has one.
    pub anchor: Option<String>,
    /// Number on the page.
    pub number: usize,
    /// Its colour.
    pub class: &'static str,
    /// Its status, in words.
    pub status: String,
    /// Platform, account id and account name.
    pub accounts: Vec<(&'a str, &'a str, &'a str)>,
}

/// The drawing with its caption.
pub(crate) struct Drawing {
    pub svg: String,
    pub caption: String,
}

type AccountName<'a> = (&'a str, &'a str);

/// Draws the network. `None` if there is no tie. The most important group comes first: an account has the
/// colour of the first group that names it.
pub(crate) fn draw(ties: &[NetworkTie], groups: &[Group<'_>]) -> Option<Drawing> {
    let mut of: HashMap<AccountName<'_>, usize> = HashMap::new();
    let mut called: HashMap<AccountName<'_>, &str> = HashMap::new();
    for (place, group) in groups.iter().enumerate() {
        for (platform, id, name) in &group.accounts {
            of.entry((platform, id)).or_insert(place);
            called.entry((platform, id)).or_insert(name);
        }
    }
    let mut order: Vec<&NetworkTie> = ties.iter().filter(|tie| tie.nats.is_finite() && tie.a != tie.b).collect();
    // Ties of the groups first, then the strongest ties.
    let inside = |tie: &NetworkTie| [&tie.a, &tie.b].iter().filter(|end| of.contains_key(&end.key())).count();
    order.sort_by(|x, y| {
        inside(y).cmp(&inside(x)).then(y.nats.total_cmp(&x.nats)).then_with(|| (&x.a, &x.b).cmp(&(&y.a, &y.b)))
    });
    let mut node_of: HashMap<AccountName<'_>, usize> = HashMap::new();
    let mut nodes: Vec<AccountName<'_>> = Vec::new();
    let mut edges: Vec<(usize, usize, f64)> = Vec::new();
    for tie in order {
        let ends = [tie.a.key(), tie.b.key()];
        let new = ends.iter().filter(|end| !node_of.contains_key(*end)).count();
        if edges.len() == MOST_TIES || nodes.len() + new > MOST_NODES {
            continue;
        }
        let [a, b] = ends.map(|end| {
            *node_of.entry(end).or_insert_with(|| {
                nodes.push(end);
                nodes.len() - 1
            })
        });
        for (end, name) in [(ends[0], &tie.a.name), (ends[1], &tie.b.name)] {
            called.entry(end).or_insert(name);
        }
        edges.push((a.min(b), a.max(b), tie.nats));
    }
    if edges.is_empty() {
        return None;
    }
    edges.sort_by_key(|edge| (edge.0, edge.1));
    let strongest = edges.iter().map(|(.., nats)| *nats).fold(f64::MIN_POSITIVE, f64::max);
    let (places, height) = pack(nodes.len(), &edges, strongest);

    let mut svg = Svg::new(WIDTH, height);
    let links: [&str; 3] = ["link weak", "link middling", "link strong"];
    for (class, range) in links.iter().zip([(0.0, 0.1), (0.1, 0.4), (0.4, 1.1)]) {
        for (a, b, nats) in &edges {
            let share = nats / strongest;
            if share >= range.0 && share < range.1 {
                svg.line(class, places[*a], places[*b]);
            }
        }
    }
    let label = |account: &AccountName<'_>| {
        let name = called.get(account).copied().filter(|name| !name.is_empty()).unwrap_or(account.1);
        format!("{} ({})", text_format::shorten(name, 30), text_format::shorten(account.0, 20))
    };
    let mut tied: BTreeMap<usize, usize> = BTreeMap::new();
    for (a, b, _) in &edges {
        *tied.entry(*a).or_default() += 1;
        *tied.entry(*b).or_default() += 1;
    }
    let radius = |node: usize| 3.5 + 1.1 * (tied.get(&node).copied().unwrap_or(1) as f64).ln();
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (node, account) in nodes.iter().enumerate() {
        match of.get(account) {
            Some(group) => members.entry(*group).or_default().push(node),
            None => svg.circle("node alone", "", places[node], radius(node), &label(account)),
        }
    }
    for (place, own) in &members {
        let group = &groups[*place];
        let about = format!("cluster {}, {}", group.number, group.status);
        let draw = |svg: &mut Svg| {
            for node in own {
                let title = format!("{}: {about}", label(&nodes[*node]));
                svg.circle(&format!("node {}", group.class), "", places[*node], radius(*node), &title);
            }
            // The number is at the account with the most ties: the centre of a group in several parts can be empty.
            let most = own.iter().max_by_key(|node| (tied.get(*node).copied().unwrap_or(0), std::cmp::Reverse(**node)));
            if let Some(node) = most {
                svg.text("label", (places[*node].0, places[*node].1 - 9.0), &group.number.to_string());
            }
        };
        match &group.anchor {
            Some(anchor) => {
                let label = format!(
                    "To cluster {}: {}, {}",
                    group.number,
                    group.status,
                    text_format::count(own.len() as u64, "account")
                );
                svg.labelled_link(anchor, &label, draw);
            }
            None => draw(&mut svg),
        }
    }
    let mut caption = format!(
        "{} and {}. Each circle is an account; a larger circle has ties to more accounts. Coloured circles are members of the cluster whose number \
         is next to them; the number is a link to its section. Connected parts are drawn separately, the largest first; positions have no meaning.",
        text_format::count(nodes.len() as u64, "account"),
        text_format::count(edges.len() as u64, "tie"),
    );
    let accounts: std::collections::BTreeSet<AccountName<'_>> =
        ties.iter().flat_map(|tie| [tie.a.key(), tie.b.key()]).collect();
    if accounts.len() > nodes.len() || ties.len() > edges.len() {
        caption.push_str(&format!(
            " Not drawn: {} and {}, the weakest outside the clusters. network.graphml and network.gexf have all accounts and ties.",
            text_format::count((accounts.len() - nodes.len()) as u64, "account"),
            text_format::count((ties.len() - edges.len()) as u64, "tie"),
        ));
    }
    let about = format!(
        "{} in {}; one link to each cluster",
        text_format::count(nodes.len() as u64, "account"),
        text_format::count(edges.len() as u64, "tie")
    );
    Some(Drawing { svg: svg.finish_as_group("network", "Network of all ties", &about), caption })
}

/// Positions of all nodes, and the height of the drawing. The parts are arranged in rows.
fn pack(nodes: usize, edges: &[(usize, usize, f64)], strongest: f64) -> (Vec<(f64, f64)>, f64) {
    let mut parent: Vec<usize> = (0..nodes).collect();
    fn root(parent: &mut [usize], mut node: usize) -> usize {
        while parent[node] != node {
            parent[node] = parent[parent[node]];
            node = parent[node];
        }
        node
    }
    for (a, b, _) in edges {
        let (x, y) = (root(&mut parent, *a), root(&mut parent, *b));
        parent[x.max(y)] = x.min(y);
    }
    let mut parts: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for node in 0..nodes {
        let top = root(&mut parent, node);
        parts.entry(top).or_default().push(node);
    }
    let mut inner: BTreeMap<usize, Vec<(usize, usize, f64)>> = BTreeMap::new();
    for edge in edges {
        inner.entry(root(&mut parent, edge.0)).or_default().push(*edge);
    }
    let mut order: Vec<(usize, Vec<usize>)> = parts.into_iter().collect();
    order.sort_by(|x, y| y.1.len().cmp(&x.1.len()).then(x.0.cmp(&y.0)));
    let mut places = vec![(0.0, 0.0); nodes];
    let (mut x, mut y, mut row) = (GAP, GAP, 0.0_f64);
    for (top, own) in order {
        let side = ((own.len() as f64).sqrt() * ROOM).min(WIDTH - 2.0 * GAP);
        let number: HashMap<usize, usize> = own.iter().enumerate().map(|(at, node)| (*node, at)).collect();
        let inner: Vec<(usize, usize, f64)> = inner
            .remove(&top)
            .unwrap_or_default()
            .into_iter()
            .map(|(a, b, nats)| (number[&a], number[&b], nats / strongest))
            .collect();
        let inside = inside(own.len(), &inner);
        if x + side > WIDTH - GAP && x > GAP {
            (x, y, row) = (GAP, y + row + GAP, 0.0);
        }
        for (node, (u, v)) in own.iter().zip(inside) {
            places[*node] = (x + u * side, y + v * side);
        }
        x += side + GAP;
        row = row.max(side);
    }
    (places, y + row + GAP)
}

/// Positions in the unit square. Ties have strengths from 0 to 1.
fn inside(nodes: usize, ties: &[(usize, usize, f64)]) -> Vec<(f64, f64)> {
    let ideal = 0.8 / (nodes as f64).sqrt();
    let forces = Forces { rounds: ROUNDS, heat: 0.1, ideal, weakest: 0.1, pull: 0.3, gravity: 0.2 };
    // Beyond this distance, repulsion is negligible.
    let reach = 3.0 * ideal;
    let cell = |(x, y): (f64, f64)| ((x / reach).floor() as i64, (y / reach).floor() as i64);
    layout(nodes, ties, &forces, |places, moves| {
        let mut grid: HashMap<(i64, i64), Vec<usize>> = HashMap::new();
        places.iter().enumerate().for_each(|(node, place)| grid.entry(cell(*place)).or_default().push(node));
        for (node, place) in places.iter().enumerate() {
            let (column, line) = cell(*place);
            for near in (-1..=1).flat_map(|i| (-1..=1).map(move |j| (column + i, line + j))) {
                for other in grid.get(&near).into_iter().flatten().filter(|other| **other != node) {
                    let (dx, dy) = (place.0 - places[*other].0, place.1 - places[*other].1);
                    let distance = dx.hypot(dy).max(1e-4);
                    // Repulsion falls to zero at this distance. Otherwise nodes would line up along the grid.
                    let push = ideal * ideal / distance / distance * (1.0 - distance / reach).max(0.0);
                    moves[node].0 += dx * push;
                    moves[node].1 += dy * push;
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tie(a: usize, b: usize, nats: f64) -> NetworkTie {
        let end =
            |n: usize| NetworkEnd { platform: "x".to_owned(), account_id: format!("a{n}"), name: format!("name {n}") };
        NetworkTie { a: end(a), b: end(b), nats }
    }

    #[test]
    fn the_same_ties_look_the_same_in_any_order_and_every_group_is_one_link() {
        let mut ties: Vec<NetworkTie> = (0..40).map(|n| tie(n, (n + 1) % 20 + 20 * (n / 20), 5.0 + n as f64)).collect();
        let names: Vec<String> = (0..20).map(|n| format!("a{n}")).collect();
        let groups = [Group {
            anchor: Some("c1".to_owned()),
            number: 1,
            class: "flagged",
            status: "flagged".to_owned(),
            accounts: names.iter().map(|name| ("x", name.as_str(), "")).collect(),
        }];
        let first = draw(&ties, &groups).unwrap();
        ties.reverse();
        assert_eq!(draw(&ties, &groups).unwrap().svg, first.svg);
        assert_eq!(first.svg.matches("<a href=\"#c1\"").count(), 1);
        assert_eq!(first.svg.matches("node flagged").count(), 20);
        assert!(!first.svg.contains("NaN") && first.caption.contains("40 accounts and 40 ties"), "{}", first.caption);
        assert!(draw(&[], &groups).is_none());
    }

    #[test]
    fn what_is_not_drawn_is_said() {
        let ties: Vec<NetworkTie> = (0..2_000).map(|n| tie(2 * n, 2 * n + 1, 12.0)).collect();
        let drawing = draw(&ties, &[]).unwrap();
        assert!(drawing.caption.contains("Not drawn: 2,500 accounts and 1,250 ties"), "{}", drawing.caption);
    }
}
