//! Groups of a network: connected components, cores, and communities by modularity.

use crate::{accounts::AccountId, hash::Map};

/// A tie from one account of a [`Graph`] to another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GraphTie {
    /// Index of the other account.
    other: u32,
    /// Weight when communities are determined.
    weight: f64,
    /// Strength, which [`Graph::strong_components`] compares.
    nats: f64,
}

/// A part of the network: accounts in order, and for each its ties, by the indexes of the others.
pub(crate) struct Graph {
    nodes: Vec<AccountId>,
    ties: Rows<GraphTie>,
}

/// One row for each node, one after another in one table.
struct Rows<T> {
    /// The start of each row, and the end of the last one.
    start: Vec<u32>,
    all: Vec<T>,
}

impl<T> Rows<T> {
    fn of(&self, row: u32) -> &[T] {
        &self.all[self.start[row as usize] as usize..self.start[row as usize + 1] as usize]
    }
}

impl Graph {
    /// The network among these accounts, which are sorted. `later` pushes an account's ties to
    /// accounts after it, with weight and nats; ties to accounts outside `nodes` are ignored.
    pub(crate) fn new(
        nodes: Vec<AccountId>,
        mut later: impl FnMut(AccountId, &mut Vec<(AccountId, f64, f64)>),
    ) -> Graph {
        let places: Map<AccountId, u32> = nodes.iter().copied().zip(0..).collect();
        let mut found: Vec<(u32, GraphTie)> = Vec::new();
        let mut degree = vec![0u32; nodes.len()];
        let mut row: Vec<(AccountId, f64, f64)> = Vec::new();
        for (place, &node) in (0u32..).zip(&nodes) {
            row.clear();
            later(node, &mut row);
            row.sort_unstable_by_key(|(other, ..)| *other);
            for &(other, weight, nats) in &row {
                let Some(&other) = places.get(&other) else { continue };
                degree[place as usize] += 1;
                degree[other as usize] += 1;
                found.push((place, GraphTie { other, weight, nats }));
            }
        }
        // Ties are found in order of both ends, so every row becomes sorted: first the ties to
        // earlier accounts, then the others.
        let mut start = vec![0u32];
        degree.iter().for_each(|of| start.push(start.last().copied().unwrap_or_default() + of));
        let mut next = start.clone();
        let mut all = vec![GraphTie { other: 0, weight: 0.0, nats: 0.0 }; 2 * found.len()];
        for (one, tie) in found {
            for (from, to) in [(one, tie.other), (tie.other, one)] {
                let place = &mut next[from as usize];
                all[*place as usize] = GraphTie { other: to, ..tie };
                *place += 1;
            }
        }
        Graph { nodes, ties: Rows { start, all } }
    }

    fn len(&self) -> u32 {
        self.nodes.len() as u32
    }

    /// All indexes.
    pub(crate) fn all(&self) -> Vec<u32> {
        (0..self.len()).collect()
    }

    /// Connected components of at least two accounts, each sorted, by their first account.
    pub(crate) fn components(&self) -> Vec<Vec<u32>> {
        self.components_by(|_, _| true)
    }

    /// The same over ties of at least `least` nats.
    pub(crate) fn strong_components(&self, least: f64) -> Vec<Vec<u32>> {
        self.components_by(|_, tie| tie.nats >= least)
    }

    fn components_by(&self, counts: impl Fn(u32, &GraphTie) -> bool) -> Vec<Vec<u32>> {
        let mut seen = vec![false; self.nodes.len()];
        let mut components = Vec::new();
        for start in 0..self.len() {
            if std::mem::replace(&mut seen[start as usize], true) {
                continue;
            }
            let mut component = vec![start];
            let mut next = 0;
            while let Some(&node) = component.get(next) {
                next += 1;
                for tie in self.ties.of(node).iter().filter(|tie| counts(node, tie)) {
                    if !std::mem::replace(&mut seen[tie.other as usize], true) {
                        component.push(tie.other);
                    }
                }
            }
            if component.len() > 1 {
                component.sort_unstable();
                components.push(component);
            }
        }
        components
    }

    /// Components that remain when nodes with fewer than `k` neighbours are removed repeatedly
    /// until there are none.
    pub(crate) fn cores(&self, k: usize) -> Vec<Vec<u32>> {
        let mut degree: Vec<usize> = (0..self.len()).map(|node| self.ties.of(node).len()).collect();
        let mut within = vec![true; self.nodes.len()];
        let mut weak: Vec<u32> = (0..self.len()).filter(|node| degree[*node as usize] < k).collect();
        while let Some(node) = weak.pop() {
            if !std::mem::replace(&mut within[node as usize], false) {
                continue;
            }
            for tie in self.ties.of(node) {
                let other = tie.other as usize;
                degree[other] -= 1;
                if within[other] && degree[other] < k {
                    weak.push(tie.other);
                }
            }
        }
        self.components_by(|node, tie| within[node as usize] && within[tie.other as usize])
    }

    /// Communities by the Louvain method (Blondel, Guillaume, Lambiotte and Lefebvre 2008): nodes
    /// move to the neighbouring community that raises modularity most, in order of their numbers,
    /// until no move raises it; then communities become nodes, and so on. Of equal gains the
    /// community with the lowest number is chosen.
    pub(crate) fn communities(&self) -> Vec<Vec<u32>> {
        let mut members: Vec<Vec<u32>> = (0..self.len()).map(|node| vec![node]).collect();
        let all = self.ties.all.iter().map(|tie| (tie.other, tie.weight)).collect();
        let mut level = Level { ties: Rows { start: self.ties.start.clone(), all }, inner: vec![0.0; members.len()] };
        while let Some(community) = level.move_nodes() {
            let mut names: Vec<u32> = community.clone();
            names.sort_unstable();
            names.dedup();
            let of: Vec<u32> = community.iter().map(|of| names.binary_search(of).unwrap_or_default() as u32).collect();
            let (mut nodes, mut joined) = (vec![Vec::new(); names.len()], vec![Vec::new(); names.len()]);
            for (node, of) in (0u32..).zip(&of) {
                nodes[*of as usize].push(node);
                joined[*of as usize].append(&mut members[node as usize]);
            }
            level = level.joined(&of, &nodes);
            members = joined;
        }
        members.iter_mut().for_each(|members| members.sort_unstable());
        members.sort_unstable();
        members
    }

    /// The accounts at these indexes.
    pub(crate) fn accounts(&self, places: &[u32]) -> Vec<AccountId> {
        places.iter().map(|place| self.nodes[*place as usize]).collect()
    }
}

/// A level of the Louvain method: its nodes are communities of the level below, with the weights of
/// ties between and inside them.
struct Level {
    ties: Rows<(u32, f64)>,
    inner: Vec<f64>,
}

impl Level {
    /// The community of every node, by the number of one of its nodes, when no move raises
    /// modularity any more; `None` if no move raises it at all.
    fn move_nodes(&self) -> Option<Vec<u32>> {
        let nodes = self.inner.len() as u32;
        let weights = |node: u32| self.ties.of(node).iter().map(|(_, weight)| weight).sum::<f64>();
        let strength: Vec<f64> = (0..nodes).map(|node| weights(node) + 2.0 * self.inner[node as usize]).collect();
        let twice: f64 = strength.iter().sum();
        if twice == 0.0 {
            return None;
        }
        let mut community: Vec<u32> = (0..nodes).collect();
        let mut total = strength.clone();
        let mut moved_ever = false;
        // The communities around a node, with the weight of its ties to each, and the index of each
        // in this list.
        let mut near: Vec<(u32, f64)> = Vec::new();
        let mut place: Vec<u32> = vec![u32::MAX; nodes as usize];
        // Modularity rises with every move, so this ends; the bound is for sums that differ only in
        // the last bit.
        for _ in 0..100 {
            let mut moved = false;
            for node in 0..nodes {
                let own = community[node as usize];
                near.clear();
                near.push((own, 0.0));
                place[own as usize] = 0;
                for &(other, weight) in self.ties.of(node) {
                    let of = community[other as usize];
                    match near.get_mut(place[of as usize] as usize) {
                        Some((_, sum)) => *sum += weight,
                        None => {
                            place[of as usize] = near.len() as u32;
                            near.push((of, weight));
                        }
                    }
                }
                near.iter().for_each(|(of, _)| place[*of as usize] = u32::MAX);
                total[own as usize] -= strength[node as usize];
                let gain = |(of, weight): (u32, f64)| weight - total[of as usize] * strength[node as usize] / twice;
                let stay = gain(near[0]);
                let mut best = (own, stay);
                for &candidate in &near[1..] {
                    let gained = gain(candidate);
                    if gained > best.1 + 1e-12
                        || (gained > stay + 1e-12 && gained >= best.1 - 1e-12 && candidate.0 < best.0)
                    {
                        best = (candidate.0, gained);
                    }
                }
                total[best.0 as usize] += strength[node as usize];
                if best.0 != own {
                    community[node as usize] = best.0;
                    moved = true;
                }
            }
            moved_ever |= moved;
            if !moved {
                break;
            }
        }
        moved_ever.then_some(community)
    }

    /// The next level: one node for each community. `of` is the community of a node, `nodes` are
    /// the nodes of a community.
    fn joined(&self, of: &[u32], nodes: &[Vec<u32>]) -> Level {
        let mut above =
            Level { ties: Rows { start: vec![0], all: Vec::new() }, inner: Vec::with_capacity(nodes.len()) };
        // Weights of a community's ties to each of the communities that it has ties to.
        let mut sums: Vec<f64> = vec![0.0; nodes.len()];
        let mut others: Vec<u32> = Vec::new();
        for (community, nodes) in (0u32..).zip(nodes) {
            let mut inside = 0.0;
            for &node in nodes {
                inside += self.inner[node as usize];
                for &(other, weight) in self.ties.of(node) {
                    let to = of[other as usize];
                    if to == community {
                        inside += weight / 2.0;
                        continue;
                    }
                    if sums[to as usize] == 0.0 {
                        others.push(to);
                    }
                    sums[to as usize] += weight;
                }
            }
            others.sort_unstable();
            above.ties.all.extend(others.drain(..).map(|to| (to, std::mem::take(&mut sums[to as usize]))));
            above.ties.start.push(above.ties.all.len() as u32);
            above.inner.push(inside);
        }
        above
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(u32, u32)]) -> Graph {
        let mut nodes: Vec<AccountId> = edges.iter().flat_map(|(a, b)| [*a, *b]).collect();
        nodes.sort_unstable();
        nodes.dedup();
        Graph::new(nodes, |node, later| {
            let ends = edges.iter().map(|(a, b)| (*a.min(b), *a.max(b))).filter(|(a, _)| *a == node);
            later.extend(ends.map(|(a, b)| (b, 1.0, f64::from(a.min(30)))));
        })
    }

    fn found(graph: &Graph, groups: Vec<Vec<u32>>) -> Vec<Vec<AccountId>> {
        groups.iter().map(|group| graph.accounts(group)).collect()
    }

    #[test]
    fn two_rings_joined_by_one_tie_are_two_communities_and_one_component() {
        let clique = |from: u32| (from..from + 5).flat_map(move |a| (a + 1..from + 5).map(move |b| (a, b)));
        let edges: Vec<(u32, u32)> = clique(10).chain(clique(20)).chain([(14, 20), (24, 30)]).collect();
        let graph = graph(&edges);
        assert_eq!(graph.components().len(), 1);
        let communities = found(&graph, graph.communities());
        assert_eq!(communities, [vec![10, 11, 12, 13, 14], vec![20, 21, 22, 23, 24, 30]]);
        assert_eq!(found(&graph, graph.cores(3)), [(10..15).chain(20..25).collect::<Vec<_>>()]);
        assert_eq!(graph.cores(5), [[0u32; 0]; 0]);
    }

    #[test]
    fn components_are_apart() {
        let graph = graph(&[(1, 2), (5, 4), (2, 3)]);
        assert_eq!(found(&graph, graph.components()), [vec![1, 2, 3], vec![4, 5]]);
        assert_eq!(found(&graph, graph.strong_components(2.0)), [vec![2, 3], vec![4, 5]]);
        assert_eq!(found(&graph, graph.strong_components(5.0)), [[0u32; 0]; 0]);
    }
}
