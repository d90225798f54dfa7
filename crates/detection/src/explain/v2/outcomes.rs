//! The five outcomes of a post.

use messages::cluster::Outcome;

/// An outcome in words.
pub(super) fn words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::OwnWords => "own words",
        Outcome::Rare => "rare",
        Outcome::Middling => "middling",
        Outcome::Common => "common",
        Outcome::Nothing => "nothing",
    }
}

/// Rates of an imagined crowd, in the order of outcomes: they stand in where few others were seen.
pub(super) const IMAGINED: [f64; 5] = [0.05, 0.03, 0.03, 0.1, 0.79];
