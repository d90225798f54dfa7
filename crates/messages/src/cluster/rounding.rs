//! Nats are rounded to 1e-9, so that sums agree, and a sum that should be 0 is exactly 0.

/// Rounds nats to 1e-9, which turns the rounding errors of a sum of 0 into exactly 0.
pub fn rounded_nats(nats: f64) -> f64 {
    const STEP: f64 = 1e9;
    let rounded = (nats * STEP).round() / STEP;
    // A number that is too large to be multiplied has no such digits. Adding 0.0 turns -0.0 into
    // 0.0.
    if rounded.is_finite() { rounded + 0.0 } else { nats }
}
