//! Outcomes of posts: the outcome of a key, the rates of an imagined crowd, and the bound of a
//! gain.

use crate::{cluster::TrialOutcome, trace::TraceKind};

/// Rates of an imagined crowd, above those of most organic files: own words, rare, middling and
/// common keys, and nothing.
pub(crate) const REFERENCE: [f64; 5] = [0.05, 0.03, 0.03, 0.1, 0.79];
/// A gain's bound, nats.
pub(crate) const CAP: f64 = 4.0;

/// The outcome of a key: `outside` of `accounts` accounts outside the group used it.
pub(crate) fn rarity(kind: TraceKind, outside: usize, accounts: f64, popular: usize) -> TrialOutcome {
    let outside_f = outside as f64;
    if kind == TraceKind::Text {
        TrialOutcome::OwnWords
    } else if outside_f <= (0.001 * accounts).clamp(2.0, 10.0) {
        TrialOutcome::Rare
    } else if outside_f <= f64::min(100.0, 0.01 * accounts) {
        TrialOutcome::Middling
    } else if outside <= popular {
        TrialOutcome::Common
    } else {
        TrialOutcome::Nothing
    }
}
