//! Groups of a network: connected components, cores, and communities by modularity.

use crate::{accounts::AccountId, hash::Map};

/// A part of the network: accounts in order, and for each the places of its neighbours with the weight of the tie.
pub(crate) struct Graph {
    pub nodes: Vec<AccountId>,
    pub edges: Vec<Vec<(u32, f64)>>,
}

impl Graph {
    /// The network of these edges, each given once.
    pub(crate) fn new(edges: impl Iterator<Item = (AccountId, AccountId, f64)>) -> Graph {
        let edges: Vec<(AccountId, AccountId, f64)> = edges.collect();
        let mut nodes: Vec<AccountId> = edges.iter().flat_map(|(a, b, _)| [*a, *b]).collect();
        nodes.sort_unstable();
        nodes.dedup();
        let place: Map<AccountId, u32> = nodes.iter().copied().zip(0..).collect();
        let mut graph = Graph { edges: vec![Vec::new(); nodes.len()], nodes };
        for (a, b, weight) in edges {
            let (a, b) = (place[&a], place[&b]);
            graph.edges[a as usize].push((b, weight));
            graph.edges[b as usize].push((a, weight));
        }
        graph.edges.iter_mut().for_each(|edges| edges.sort_unstable_by_key(|(other, _)| *other));
        graph
    }

    /// Connected components, each in order, by their first account.
    pub(crate) fn components(&self) -> Vec<Vec<u32>> {
        self.components_of(&vec![true; self.nodes.len()])
    }

    fn components_of(&self, within: &[bool]) -> Vec<Vec<u32>> {
        let mut seen: Vec<bool> = within.iter().map(|within| !within).collect();
        let mut components = Vec::new();
        for start in 0..self.nodes.len() as u32 {
            if std::mem::replace(&mut seen[start as usize], true) {
                continue;
            }
            let mut component = vec![start];
            let mut next = 0;
            while let Some(&node) = component.get(next) {
                next += 1;
                for &(other, _) in &self.edges[node as usize] {
                    if !std::mem::replace(&mut seen[other as usize], true) {
                        component.push(other);
                    }
                }
            }
            component.sort_unstable();
            components.push(component);
        }
        components
    }

    /// Components of what is left when nodes with fewer than `k` neighbours are taken away until there are none.
    pub(crate) fn cores(&self, k: usize) -> Vec<Vec<u32>> {
        let mut degree: Vec<usize> = self.edges.iter().map(Vec::len).collect();
        let mut within = vec![true; self.nodes.len()];
        let mut weak: Vec<u32> = (0..self.nodes.len() as u32).filter(|node| degree[*node as usize] < k).collect();
        while let Some(node) = weak.pop() {
            if !std::mem::replace(&mut within[node as usize], false) {
                continue;
            }
            for &(other, _) in &self.edges[node as usize] {
                degree[other as usize] -= 1;
                if within[other as usize] && degree[other as usize] < k {
                    weak.push(other);
                }
            }
        }
        self.components_of(&within)
    }

    /// Communities by the Louvain method (Blondel, Guillaume, Lambiotte and Lefebvre 2008): nodes move to the neighbouring community that
    /// raises modularity most, in order of their numbers, until none does; then communities are nodes, and so on. Of equal gains the
    /// community with the least number counts.
    pub(crate) fn communities(&self) -> Vec<Vec<u32>> {
        let mut members: Vec<Vec<u32>> = (0..self.nodes.len() as u32).map(|node| vec![node]).collect();
        let mut edges: Vec<Vec<(u32, f64)>> = self.edges.clone();
        let mut inner: Vec<f64> = vec![0.0; edges.len()];
        loop {
            let strength: Vec<f64> = edges
                .iter()
                .zip(&inner)
                .map(|(edges, inner)| edges.iter().map(|(_, w)| w).sum::<f64>() + 2.0 * inner)
                .collect();
            let twice: f64 = strength.iter().sum();
            if twice == 0.0 {
                break;
            }
            let mut community: Vec<u32> = (0..edges.len() as u32).collect();
            let mut total = strength.clone();
            let mut moved_ever = false;
            // The communities around a node, with the weight of its ties to each, and the place of each there.
            let mut near: Vec<(u32, f64)> = Vec::new();
            let mut place: Vec<u32> = vec![u32::MAX; edges.len()];
            // Modularity rises with every move, so this ends; the bound is for sums that differ in the last bit only.
            for _ in 0..100 {
                let mut moved = false;
                for node in 0..edges.len() {
                    let own = community[node];
                    near.clear();
                    near.push((own, 0.0));
                    place[own as usize] = 0;
                    for &(other, weight) in &edges[node] {
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
                    total[own as usize] -= strength[node];
                    let gain = |(of, weight): (u32, f64)| weight - total[of as usize] * strength[node] / twice;
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
                    total[best.0 as usize] += strength[node];
                    if best.0 != own {
                        community[node] = best.0;
                        moved = true;
                    }
                }
                moved_ever |= moved;
                if !moved {
                    break;
                }
            }
            if !moved_ever {
                break;
            }
            let mut names: Vec<u32> = community.clone();
            names.sort_unstable();
            names.dedup();
            let place = |of: u32| names.binary_search(&of).unwrap_or_default();
            let mut joined: Vec<Vec<u32>> = vec![Vec::new(); names.len()];
            let mut weights: Vec<Map<u32, f64>> = vec![Map::default(); names.len()];
            let mut inside = vec![0.0; names.len()];
            for (node, of) in community.iter().enumerate() {
                let at = place(*of);
                joined[at].append(&mut members[node]);
                inside[at] += inner[node];
                for &(other, weight) in &edges[node] {
                    let to = place(community[other as usize]);
                    if to == at {
                        inside[at] += weight / 2.0;
                    } else {
                        *weights[at].entry(to as u32).or_insert(0.0) += weight;
                    }
                }
            }
            members = joined;
            inner = inside;
            edges = weights
                .into_iter()
                .map(|weights| {
                    let mut edges: Vec<(u32, f64)> = weights.into_iter().collect();
                    edges.sort_unstable_by_key(|(other, _)| *other);
                    edges
                })
                .collect();
        }
        members.iter_mut().for_each(|members| members.sort_unstable());
        members.sort_unstable();
        members
    }

    /// The accounts at these places.
    pub(crate) fn accounts(&self, places: &[u32]) -> Vec<AccountId> {
        places.iter().map(|place| self.nodes[*place as usize]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(u32, u32)]) -> Graph {
        Graph::new(edges.iter().map(|(a, b)| (*a, *b, 1.0)))
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
    }
}
