//! Nats are written to 1e-9, so that sums agree and what comes to nothing is 0.

/// Nats to 1e-9: what is left of a sum that comes to nothing is nothing.
pub fn rounded_nats(nats: f64) -> f64 {
    const STEP: f64 = 1e9;
    let rounded = (nats * STEP).round() / STEP;
    // Numbers too great to be multiplied have no such digits; and there is one zero.
    if rounded.is_finite() { rounded + 0.0 } else { nats }
}
