//! CooRTweet's `generate_coordinated_network`: edges from pairs, thresholds and subgraphs.

use super::{super::quantile, Detail, Groups, Part};
use crate::hash::Map;

/// Which part of the network is wanted: CooRTweet's `subgraph`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Subgraph {
    /// 0: all of it.
    #[default]
    Whole,
    /// 1: edges above the threshold.
    Weighted,
    /// 2: edges whose fast weight is above the fast threshold.
    FastWeighted,
    /// 3: the accounts on edges of 2, all their neighbours, and every edge among these.
    FastContext,
}

/// What is known of an edge within one of the two windows.
#[derive(Debug, Clone, PartialEq)]
pub struct Measures<'a> {
    /// Pairs.
    pub weight: u32,
    /// Mean seconds between the posts of a pair.
    pub avg_time_delta: f64,
    /// Unique older contents.
    pub n_content_id: u32,
    /// Unique newer contents.
    pub n_content_id_y: u32,
    /// Whether the weight is above the threshold.
    pub weight_threshold: bool,
    /// The objects shared, in the order of their first row; empty unless asked for.
    pub object_ids: Vec<&'a str>,
}

impl Measures<'_> {
    /// The lesser of the two counts of contents over the greater.
    pub fn edge_symmetry_score(&self) -> f64 {
        let (x, y) = (self.n_content_id, self.n_content_id_y);
        f64::from(x.min(y)) / f64::from(x.max(y))
    }
}

/// Two accounts that shared the same objects within the window.
#[derive(Debug, Clone, PartialEq)]
pub struct Edge<'a> {
    /// The account whose name comes first.
    pub from: &'a str,
    /// The other one.
    pub to: &'a str,
    /// Within the window.
    pub full: Measures<'a>,
    /// Within the narrower window; `None` if there is no such pair, or that was not asked for.
    pub fast: Option<Measures<'a>>,
    /// Different objects shared within the window.
    pub objects: u32,
    /// Median seconds between the posts of a pair, to the millisecond.
    pub median_lag_s: f64,
}

/// The network, to be swept as often as is needed.
#[derive(Debug)]
pub struct Network<'g, 's> {
    groups: &'g Groups<'s>,
    subgraph: Subgraph,
    pairs: u64,
    all_edges: u64,
    threshold: Option<f64>,
    fast_threshold: Option<f64>,
    core: Option<Core>,
}

#[derive(Debug)]
struct Core {
    coordinated: Vec<bool>,
    context: Vec<bool>,
}

impl Network<'_, '_> {
    /// The edges of the subgraph, by the bytes of both names. `objects` says whether the ids of what was shared are wanted.
    pub fn edges(&self, objects: bool, mut each: impl FnMut(Edge<'_>)) {
        let Groups { index, shares, .. } = self.groups;
        let account = |rank: u32| shares.accounts.name(index.accounts[rank as usize]);
        let measures = |part: &Part, threshold| Measures {
            weight: part.weight,
            avg_time_delta: part.seconds / f64::from(part.weight),
            n_content_id: part.older,
            n_content_id_y: part.newer,
            weight_threshold: above(part.weight, threshold),
            object_ids: part.object_ids.iter().map(|o| shares.objects.name(index.objects[*o as usize])).collect(),
        };
        self.groups.sweep(if objects { Detail::Objects } else { Detail::Edges }, |a, b, tally| {
            let wanted = match self.subgraph {
                Subgraph::Whole => true,
                Subgraph::Weighted => above(tally.full.weight, self.threshold),
                Subgraph::FastWeighted => above(tally.fast.weight, self.fast_threshold),
                Subgraph::FastContext => {
                    self.core.as_ref().is_some_and(|core| core.context[a as usize] && core.context[b as usize])
                }
            };
            if wanted {
                each(Edge {
                    from: account(a),
                    to: account(b),
                    full: measures(&tally.full, self.threshold),
                    fast: (tally.fast.weight > 0).then(|| measures(&tally.fast, self.fast_threshold)),
                    objects: tally.full.objects,
                    median_lag_s: tally.median_lag_s,
                });
            }
        });
    }

    /// Pairs of the whole network: the rows of `detect_groups`.
    pub fn pairs(&self) -> u64 {
        self.pairs
    }

    /// Edges of the whole network.
    pub fn all_edges(&self) -> u64 {
        self.all_edges
    }

    /// The quantile of the weights; `None` if there is no edge.
    pub fn threshold(&self) -> Option<f64> {
        self.threshold
    }

    /// The quantile of the fast weights; `None` if there is no fast edge.
    pub fn fast_threshold(&self) -> Option<f64> {
        self.fast_threshold
    }

    /// CooRTweet's `color_v` of [`Subgraph::FastContext`]: whether the account is on a fast edge above the threshold, not only beside one.
    /// `None` for the other subgraphs.
    pub fn coordinated(&self, account: &str) -> Option<bool> {
        let core = self.core.as_ref()?;
        let shares = self.groups.shares;
        let id = shares.accounts.get(account)?;
        let rank = self
            .groups
            .index
            .accounts
            .binary_search_by(|other| shares.accounts.name(*other).cmp(shares.accounts.name(id)));
        Some(core.coordinated[rank.ok()?])
    }
}

fn above(weight: u32, threshold: Option<f64>) -> bool {
    threshold.is_some_and(|threshold| f64::from(weight) > threshold)
}

impl<'s> Groups<'s> {
    /// `generate_coordinated_network(x, edge_weight, subgraph)`, with `fast_net` if [`Groups::flag_speed_share`] was asked for. `p` is the
    /// quantile, from 0 to 1. The fast subgraphs are empty where that was not asked for.
    pub fn network(&self, p: f64, subgraph: Subgraph) -> Network<'_, 's> {
        let mut weights = [Map::default(), Map::default()];
        let mut pairs = 0;
        self.sweep(Detail::Weights, |_, _, tally| {
            pairs += u64::from(tally.full.weight);
            for (weights, weight) in weights.iter_mut().zip([tally.full.weight, tally.fast.weight]) {
                if weight > 0 {
                    *weights.entry(weight).or_insert(0_u64) += 1;
                }
            }
        });
        let threshold = |weights: Map<u32, u64>| {
            let mut counts: Vec<(u32, u64)> = weights.into_iter().collect();
            counts.sort_unstable();
            quantile(&counts, p)
        };
        let edges = weights[0].values().sum();
        let [full, fast] = weights.map(threshold);
        let mut network = Network {
            groups: self,
            subgraph,
            pairs,
            all_edges: edges,
            threshold: full,
            fast_threshold: fast,
            core: None,
        };
        if subgraph == Subgraph::FastContext {
            let none = vec![false; self.index.accounts.len()];
            let mut core = Core { coordinated: none.clone(), context: none };
            self.sweep(Detail::Weights, |a, b, tally| {
                if above(tally.fast.weight, fast) {
                    core.coordinated[a as usize] = true;
                    core.coordinated[b as usize] = true;
                }
            });
            self.sweep(Detail::Weights, |a, b, _| {
                core.context[b as usize] |= core.coordinated[a as usize];
                core.context[a as usize] |= core.coordinated[b as usize];
            });
            network.core = Some(core);
        }
        network
    }
}
