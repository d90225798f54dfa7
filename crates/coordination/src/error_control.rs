//! e-BH: which of many e-values may be believed at a false discovery rate (Wang and Ramdas 2022, theorem 5.1).

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
}
