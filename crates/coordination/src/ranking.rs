//! A rank for every account, tested or not.

use std::collections::BTreeMap;

use crate::{accounts::AccountId, network::Network, uses::Uses};

/// What is known of an account by itself.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Suspect {
    /// Nats of its strongest tie.
    pub tie_nats: f64,
    /// Own texts, and those that repeat another's.
    pub texts: u32,
    pub copies: u32,
    pub suspicion: f64,
}

/// Ties that speak for an account.
const BEST: usize = 3;

/// Every account with a tie or a copy.
pub(crate) fn suspicion(network: &Network, _uses: &Uses) -> BTreeMap<AccountId, Suspect> {
    let mut best: BTreeMap<AccountId, [f64; BEST]> = BTreeMap::new();
    for ((a, b), edge) in network.edges() {
        for account in [a, b] {
            let best = best.entry(account).or_default();
            if let Some(place) = best.iter().position(|known| edge.nats > *known) {
                best[place..].rotate_right(1);
                best[place] = edge.nats;
            }
        }
    }
    let mut all: BTreeMap<AccountId, Suspect> = BTreeMap::new();
    for (account, best) in best {
        all.insert(account, Suspect { tie_nats: best[0], suspicion: best.iter().sum(), ..Suspect::default() });
    }
    for (account, texts, copies) in network.copying() {
        if copies > 0 || all.contains_key(&account) {
            let suspect = all.entry(account).or_default();
            (suspect.texts, suspect.copies) = (texts, copies);
            suspect.suspicion += 10.0 * f64::from(copies) / f64::from(texts + 5);
        }
    }
    all
}
