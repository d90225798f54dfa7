//! The graph of ties: a node per account, an edge per tie, wider for more evidence.
//!
//! Placed by the force-directed method of Fruchterman and Reingold (1991) from a fixed start, so the same cluster always
//! looks the same.

use std::collections::BTreeMap;

use messages::cluster::ClusterMessage;

use super::layout::{Forces, layout};
use super::svg::Svg;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 520.0;
const ROUNDS: usize = 240;

/// A tie: two accounts by their places in the list, and the strength.
type Edge = ((usize, usize), Tied);

/// Strength of a tie.
#[derive(Debug, Clone, Copy, Default)]
struct Tied {
    nats: f64,
    /// Keys in common, and the number expected by chance, if it is known.
    keys: u64,
    expected: Option<f64>,
}

impl Tied {
    fn description(self) -> String {
        let chance = match self.expected {
            Some(expected) => format!(", {} by chance", text_format::number(expected)),
            None => String::new(),
        };
        format!("{} nats, {} in common{chance}", text_format::number(self.nats), text_format::count(self.keys, "key"))
    }
}

/// Limits of the drawing. The layout's cost is quadratic in the number of nodes.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Maximum number of accounts.
    pub nodes: usize,
    /// Maximum number of ties.
    pub edges: usize,
}

/// The drawing with its caption. `None` if there is no tie. The account `chosen`, by its place in the
/// list, and the accounts tied to it are always drawn, and highlighted.
pub(crate) fn draw(cluster: &ClusterMessage, size: Size, chosen: Option<usize>) -> Option<crate::timeline::Drawing> {
    let members = cluster.accounts.len();
    let chosen = chosen.filter(|place| *place < members);
    let mut pairs: BTreeMap<(usize, usize), Tied> = BTreeMap::new();
    for tie in &cluster.ties {
        let (a, b) = (tie.a.min(tie.b), tie.a.max(tie.b));
        if a != b && b < members && tie.nats.is_finite() {
            let pair = pairs.entry((a, b)).or_default();
            pair.nats += tie.nats;
            pair.keys += u64::from(tie.co_acts);
            pair.expected = tie.expected.map(|expected| expected + pair.expected.unwrap_or(0.0));
        }
    }
    let beside = |place: usize| {
        chosen.is_some_and(|chosen| place == chosen || pairs.contains_key(&(place.min(chosen), place.max(chosen))))
    };
    let mut shown: Vec<usize> = (0..members).collect();
    shown.sort_by_key(|place| (Some(*place) != chosen, !beside(*place), *place));
    shown.truncate(size.nodes);
    shown.sort_unstable();
    let nodes = shown.len();
    let node_of: BTreeMap<usize, usize> = shown.iter().enumerate().map(|(node, place)| (*place, node)).collect();
    let mut edges: Vec<Edge> =
        pairs.iter().filter_map(|((a, b), weight)| Some(((*node_of.get(a)?, *node_of.get(b)?), *weight))).collect();
    edges.sort_by(|a, b| b.1.nats.total_cmp(&a.1.nats).then(a.0.cmp(&b.0)));
    let strongest = edges.first()?.1.nats.max(f64::MIN_POSITIVE);
    let chosen_node = chosen.and_then(|place| node_of.get(&place).copied());
    let of_chosen = |edge: &Edge| chosen_node.is_some_and(|node| edge.0.0 == node || edge.0.1 == node);
    let tied = edges.len();
    let mut rank = 0;
    edges.retain(|edge| {
        rank += 1;
        rank <= size.edges || of_chosen(edge)
    });

    let places = places(nodes, &edges, strongest);
    let mut svg = Svg::new(WIDTH, HEIGHT + 30.0);
    let name = |node: usize| {
        let account = &cluster.accounts[shown[node]];
        let name = if account.account_name.is_empty() { &account.account_id } else { &account.account_name };
        text_format::shorten(name, 18)
    };
    for edge in edges.iter().rev() {
        let ((a, b), tied) = edge;
        let share = (tied.nats / strongest).clamp(0.0, 1.0);
        let on = if of_chosen(edge) { " on" } else { "" };
        svg.tie(
            &format!("{on}\" data-a=\"{}\" data-b=\"{}\"", shown[*a], shown[*b]),
            places[*a],
            places[*b],
            0.8 + 5.2 * share,
            0.16 + 0.44 * share,
            &format!("{} and {}: {}", name(*a), name(*b), tied.description()),
        );
    }
    let most = cluster
        .accounts
        .iter()
        .map(|account| account.log_e)
        .filter(|nats| nats.is_finite())
        .fold(f64::MIN_POSITIVE, f64::max);
    for (node, place) in places.iter().enumerate() {
        let account = &cluster.accounts[shown[node]];
        let share = (account.log_e / most).clamp(0.0, 1.0);
        let class = if chosen_node == Some(node) {
            "node on"
        } else if beside(shown[node]) {
            "node near"
        } else {
            "node"
        };
        svg.circle(
            class,
            &format!(" data-a=\"{}\"", shown[node]),
            *place,
            5.0 + 7.0 * if share.is_finite() { share.sqrt() } else { 0.0 },
            &format!(
                "{} ({}): {}, {}",
                name(node),
                text_format::shorten(&account.platform, 20),
                match account.posterior {
                    Some(posterior) => format!("membership probability {}", text_format::percent(posterior)),
                    None => format!("{} nats", text_format::number(account.log_e)),
                },
                text_format::count(account.posts, "post")
            ),
        );
    }
    for (node, (x, y)) in places.iter().enumerate() {
        if nodes <= 40 || beside(shown[node]) {
            svg.text_with("label", &format!(" data-a=\"{}\"", shown[node]), (*x, y + 24.0), &name(node));
        }
    }
    legend(&mut svg, strongest);
    let mut caption = format!(
        "Each circle is an account; a larger circle has more of the evidence. Each line joins two accounts that acted together; a wider line \
         has more evidence. {} of {} possible pairs have a tie.",
        text_format::thousands(tied as u64),
        text_format::thousands((nodes * nodes.saturating_sub(1) / 2) as u64),
    );
    if members > nodes {
        caption.push_str(&format!(" {nodes} of {members} accounts are drawn, those with most evidence first."));
    }
    let class = if chosen_node.is_some() { "graph chosen" } else { "graph" };
    Some(crate::timeline::Drawing {
        svg: svg.finish(class, "Graph of the accounts and the strength of their ties"),
        caption,
    })
}

fn legend(svg: &mut Svg, strongest: f64) {
    let mut x = 20.0;
    for share in [0.1, 0.5, 1.0] {
        let y = HEIGHT + 12.0;
        svg.tie("\"", (x, y), (x + 40.0, y), 0.8 + 5.2 * share, 0.16 + 0.44 * share, "");
        let text = format!("{} nats", text_format::number(strongest * share));
        svg.text("legend", (x + 48.0, y + 4.0), &text);
        x += 150.0;
    }
}

/// Positions of the accounts in the drawing.
fn places(nodes: usize, edges: &[Edge], strongest: f64) -> Vec<(f64, f64)> {
    let ideal = 1.0 / (nodes as f64).sqrt();
    let forces = Forces { rounds: ROUNDS, heat: 0.12, ideal, weakest: 0.05, pull: 0.6, gravity: 0.4 };
    let ties: Vec<(usize, usize, f64)> = edges.iter().map(|((a, b), tied)| (*a, *b, tied.nats / strongest)).collect();
    let push = |places: &[(f64, f64)], moves: &mut [(f64, f64)]| {
        for a in 0..nodes {
            for b in 0..a {
                let (dx, dy) = (places[a].0 - places[b].0, places[a].1 - places[b].1);
                let distance = dx.hypot(dy).max(1e-3);
                let push = ideal * ideal / distance / distance;
                moves[a].0 += dx * push;
                moves[a].1 += dy * push;
                moves[b].0 -= dx * push;
                moves[b].1 -= dy * push;
            }
        }
    };
    let places = layout(nodes, &ties, &forces, push);
    places.iter().map(|(x, y)| (80.0 + x * (WIDTH - 160.0), 26.0 + y * (HEIGHT - 76.0))).collect()
}
