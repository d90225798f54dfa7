//! The five outcomes of a post.

use messages::cluster::Outcome;

/// The name of an outcome, for people.
pub(super) fn words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::OwnWords => "own words",
        Outcome::Rare => "rare",
        Outcome::Middling => "middling",
        Outcome::Common => "common",
        Outcome::Nothing => "nothing",
    }
}

/// Rates of the imagined crowd, in the order of outcomes. They are used where few others were seen.
pub(super) const IMAGINED: [f64; 5] = [0.05, 0.03, 0.03, 0.1, 0.79];
