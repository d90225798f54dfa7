//! Data older than the retention, for a stream with an end.

use crate::{
    accounts::AccountId,
    hash::Map,
    tie::{Edge, Pair},
};

/// Data older than the retention, kept for a report on a whole stream at its end.
#[derive(Default)]
pub(crate) struct Past {
    /// Ties whose accounts have had too few common keys since, each with its greatest strength.
    pub ties: Map<Pair, Edge>,
    /// Own texts of accounts, and the number that repeat another account's.
    pub copies: Map<AccountId, (u32, u32)>,
}

impl Past {
    /// Keeps a tie in its present state, if it was never stronger.
    pub(crate) fn keep(&mut self, pair: Pair, edge: Edge) {
        let known = self.ties.entry(pair).or_insert(edge);
        if edge.nats > known.nats {
            *known = edge;
        }
    }

    /// Drops the weakest ties if there are too many; returns how many.
    pub(crate) fn bound(&mut self, most: usize) -> u64 {
        if self.ties.len() <= most {
            return 0;
        }
        let surplus = self.ties.len() - (most - most / 10);
        let mut order: Vec<(f64, Pair)> = self.ties.iter().map(|(pair, edge)| (edge.nats, *pair)).collect();
        order.sort_unstable_by(|x, y| x.0.total_cmp(&y.0).then(x.1.cmp(&y.1)));
        for (_, pair) in order.iter().take(surplus) {
            self.ties.remove(pair);
        }
        surplus as u64
    }
}
