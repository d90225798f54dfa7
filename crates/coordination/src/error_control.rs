//! Which of many e-values may be believed at a false discovery rate: e-BH for a snapshot (Wang and Ramdas 2022, theorem 5.1), e-LOND
//! for a stream in which each discovery is told as it is made (Xu and Ramdas 2024, "Online multiple testing with e-values").

/// Numbers of the hypotheses that pass at level `alpha` out of `tested`, given the logs of their e-values in nats.
///
/// The k-th largest e-value passes when it is at least `tested / (alpha * k)`, for the greatest such k. Holds under any
/// dependence among the e-values. `tested` may exceed the number of e-values given: the rest count as zero.
pub(crate) fn e_bh(log_e: &[f64], tested: u64, alpha: f64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..log_e.len()).filter(|&i| log_e[i] > 0.0).collect();
    order.sort_by(|&a, &b| log_e[b].total_cmp(&log_e[a]).then(a.cmp(&b)));
    let tested = tested.max(log_e.len() as u64) as f64;
    let passes = |k: usize, i: usize| log_e[i] >= (tested / (alpha * k as f64)).ln();
    let last = order.iter().enumerate().rev().find(|&(rank, &i)| passes(rank + 1, i));
    order.truncate(last.map_or(0, |(rank, _)| rank + 1));
    order
}

/// e-BH in which hypotheses that are the `same` as a stronger one are no further discoveries.
///
/// It believes a part of what [`e_bh`] does, and each with an e-value of at least `tested / (alpha * k)` where `k` is no more than the
/// number believed, which is all that its proof asks.
pub(crate) fn e_bh_distinct(log_e: &[f64], tested: u64, alpha: f64, same: impl Fn(usize, usize) -> bool) -> Vec<usize> {
    let mut order = e_bh(log_e, tested, alpha);
    let tested = tested.max(log_e.len() as u64) as f64;
    let mut distinct: Vec<usize> = Vec::new();
    let mut believed = 0;
    for (rank, &i) in order.iter().enumerate() {
        if !distinct.iter().any(|&known| same(known, i)) {
            distinct.push(i);
        }
        if log_e[i] >= (tested / (alpha * distinct.len() as f64)).ln() {
            believed = rank + 1;
        }
    }
    order.truncate(believed);
    order
}

/// ln of what hypothesis number `t`, from 0, must reach at level `alpha` once `found` hypotheses have been believed.
///
/// 1 / (alpha gamma_t (found + 1)), where the gamma_t sum to at most one: gamma_t = 1 / (2.11 m ln(m)^2), m = t + 2. The proof
/// asks only that a hypothesis be believed at a time that does not look ahead, so each may be looked at whenever there is news.
pub(crate) fn e_lond_bar(t: u64, found: u64, alpha: f64) -> f64 {
    /// Sum of 1 / (m ln(m)^2) from m = 2 on, rounded up.
    const SUM: f64 = 2.11;
    let m = t as f64 + 2.0;
    (SUM * m * m.ln().powi(2) / (alpha * (found as f64 + 1.0))).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(e: &[f64], tested: u64, want: &[usize]) {
        let log_e: Vec<f64> = e.iter().map(|x| x.ln()).collect();
        assert_eq!(e_bh(&log_e, tested, 0.05), want, "{e:?}");
    }

    #[test]
    fn the_bar_falls_with_each_further_discovery() {
        check(&[20.1], 1, &[0]);
        check(&[19.9], 1, &[]);
        check(&[19.0, 39.0], 2, &[]);
        check(&[19.0, 41.0], 2, &[1]);
        check(&[25.0, 41.0], 2, &[1, 0]);
        check(&[21.0, 21.0], 2, &[0, 1]);
        check(&[], 0, &[]);
    }

    #[test]
    fn hypotheses_without_a_value_count_too() {
        check(&[21.0], 2, &[]);
        check(&[41.0], 2, &[0]);
    }

    #[test]
    fn the_same_found_again_does_not_lower_the_bar() {
        let log_e: Vec<f64> = [1_000.0f64, 900.0, 50.0].map(f64::ln).to_vec();
        let believed = |same: fn(usize, usize) -> bool| e_bh_distinct(&log_e, 5, 0.05, same);
        assert_eq!(believed(|_, _| false), [0, 1, 2], "5 / (0.05 x 3) = 33.3");
        assert_eq!(believed(|i, j| i + j == 1), [0, 1, 2], "5 / (0.05 x 2) = 50");
        assert_eq!(e_bh_distinct(&log_e, 6, 0.05, |i, j| i + j == 1), [0, 1]);
        assert_eq!(e_bh_distinct(&log_e, 6, 0.05, |_, _| false), [0, 1, 2]);
    }

    #[test]
    fn the_levels_of_a_stream_sum_to_at_most_alpha() {
        let sum: f64 = (0..2_000_000).map(|t| (-e_lond_bar(t, 0, 0.05)).exp()).sum();
        // What is beyond is at most the integral, 1 / (2.11 ln m).
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
