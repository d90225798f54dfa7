//! Decides which of many e-values are discoveries at a false discovery rate, when each discovery is
//! reported as soon as it is made: e-LOND (Xu and Ramdas 2024, "Online multiple testing with
//! e-values").

/// ln of the threshold of hypothesis number `t`, from 0, at level `alpha`, after `found`
/// discoveries.
///
/// 1 / (alpha gamma_t (found + 1)), where the gamma_t sum to at most one: gamma_t = 1 / (2.11 m
/// ln(m)^2), m = t + 2. The proof only requires that the time of a discovery does not depend on the
/// future, so each hypothesis may be tested whenever there are new data.
pub(crate) fn e_lond_bar(t: u64, found: u64, alpha: f64) -> f64 {
    /// Sum of 1 / (m ln(m)^2) from m = 2 on, rounded up.
    const SUM: f64 = 2.11;
    let m = t as f64 + 2.0;
    (SUM * m * m.ln().powi(2) / (alpha * (found as f64 + 1.0))).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_levels_of_a_stream_sum_to_at_most_alpha() {
        let sum: f64 = (0..2_000_000).map(|t| (-e_lond_bar(t, 0, 0.05)).exp()).sum();
        // The rest of the sum is at most the integral, 1 / (2.11 ln m).
        let rest = 0.05 / (2.11 * 2_000_001f64.ln());
        assert!(sum + rest <= 0.05 && sum + rest > 0.0499, "{}", sum + rest);
    }

    #[test]
    fn each_discovery_makes_the_next_easier() {
        let bar = |found| e_lond_bar(100, found, 0.05);
        assert!((bar(0) - bar(1) - 2f64.ln()).abs() < 1e-12);
        assert!(e_lond_bar(0, 0, 0.05) < e_lond_bar(1, 0, 0.05));
    }
}
