//! Force-directed layout: accounts repel each other, and ties attract them (Fruchterman and Reingold
//! 1991).

/// A position or a move: x to the right, y downwards.
pub(crate) type Point = (f64, f64);

/// Strength of each force.
pub(crate) struct Forces {
    /// Number of rounds. The moves get smaller from round to round.
    pub(crate) rounds: usize,
    /// Maximum length of a move in the first round.
    pub(crate) heat: f64,
    /// Distance of two tied accounts without any other force.
    pub(crate) ideal: f64,
    /// Attraction of the weakest tie, as a share of that of the strongest.
    pub(crate) weakest: f64,
    /// Strength of the attraction by ties.
    pub(crate) pull: f64,
    /// Attraction by the centre, which keeps parts without ties in the drawing.
    pub(crate) gravity: f64,
}

/// Positions in the unit square. Ties have strengths from 0 to 1. `push` adds the repulsion by the other
/// accounts to each account's move.
pub(crate) fn layout(
    nodes: usize,
    ties: &[(usize, usize, f64)],
    forces: &Forces,
    push: impl Fn(&[Point], &mut [Point]),
) -> Vec<Point> {
    let mut places = spiral(nodes);
    for round in 0..forces.rounds {
        let heat = forces.heat * (1.0 - round as f64 / forces.rounds as f64);
        let mut moves = vec![(0.0, 0.0); nodes];
        push(&places, &mut moves);
        for (a, b, strength) in ties {
            let (dx, dy) = (places[*a].0 - places[*b].0, places[*a].1 - places[*b].1);
            let strength = forces.weakest + (1.0 - forces.weakest) * strength.clamp(0.0, 1.0);
            let pull = dx.hypot(dy) / forces.ideal * strength * forces.pull;
            moves[*a].0 -= dx * pull;
            moves[*a].1 -= dy * pull;
            moves[*b].0 += dx * pull;
            moves[*b].1 += dy * pull;
        }
        for (place, step) in places.iter_mut().zip(&moves) {
            let (dx, dy) = (step.0 - place.0 * forces.gravity, step.1 - place.1 * forces.gravity);
            let length = dx.hypot(dy).max(1e-9);
            let stride = length.min(heat) / length;
            place.0 += dx * stride;
            place.1 += dy * stride;
        }
    }
    in_unit_square(&places)
}

/// Start positions on a sunflower spiral: evenly spread, and all different.
fn spiral(nodes: usize) -> Vec<Point> {
    let golden = std::f64::consts::PI * (3.0 - 5f64.sqrt());
    (0..nodes)
        .map(|index| {
            let radius = ((index as f64 + 0.5) / nodes as f64).sqrt() * 0.5;
            let angle = index as f64 * golden;
            (radius * angle.cos(), radius * angle.sin())
        })
        .collect()
}

fn in_unit_square(places: &[Point]) -> Vec<Point> {
    let span = |pick: fn(&Point) -> f64| {
        let low = places.iter().map(pick).fold(f64::INFINITY, f64::min);
        let high = places.iter().map(pick).fold(f64::NEG_INFINITY, f64::max);
        (low, (high - low).max(1e-6))
    };
    let ((left, wide), (top, tall)) = (span(|p| p.0), span(|p| p.1));
    places.iter().map(|(x, y)| ((x - left) / wide, (y - top) / tall)).collect()
}
