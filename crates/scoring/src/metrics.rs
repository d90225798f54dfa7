//! How well scores separate inauthentic clusters from organic ones.

use serde::{Deserialize, Serialize};

/// Figures of scores against labels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Rows scored.
    pub rows: usize,
    /// Inauthentic rows among them.
    pub inauthentic: usize,
    /// Area under the precision-recall curve, as average precision; compare it with the share of
    /// inauthentic rows.
    pub average_precision: f64,
    /// Area under the ROC curve; 0.5 is chance.
    pub roc_auc: f64,
    /// Mean squared difference of probability and label.
    pub brier: f64,
    /// Expected calibration error over ten bins of equal width.
    pub calibration_error: f64,
    /// Share of flagged rows that are inauthentic; 1 if nothing is flagged.
    pub precision: f64,
    /// Share of inauthentic rows that are flagged.
    pub recall: f64,
}

/// Compares probabilities (or any numbers from 0 to 1 that rise with suspicion) with labels; rows
/// at or above `threshold` are flagged. `None` unless both labels occur.
pub(crate) fn measure(scored: &[(f64, bool)], threshold: f64) -> Option<Metrics> {
    let rows = scored.len();
    let inauthentic = scored.iter().filter(|s| s.1).count();
    if inauthentic == 0 || inauthentic == rows {
        return None;
    }
    let brier = scored.iter().map(|&(p, y)| (p - f64::from(u8::from(y))).powi(2)).sum::<f64>();
    let flagged = scored.iter().filter(|s| s.0 >= threshold).count();
    let hits = scored.iter().filter(|s| s.0 >= threshold && s.1).count();
    Some(Metrics {
        rows,
        inauthentic,
        average_precision: average_precision(scored),
        roc_auc: roc_auc(scored),
        brier: brier / rows as f64,
        calibration_error: calibration_error(scored),
        precision: if flagged == 0 { 1.0 } else { hits as f64 / flagged as f64 },
        recall: hits as f64 / inauthentic as f64,
    })
}

/// The least threshold, of at least 0.5, at which the share of inauthentic rows among the flagged
/// ones is at least `precision`; if there is none, the threshold that comes nearest. It is midway
/// between the lowest flagged score and the next lower score. An inauthentic row counts `weight`
/// times, an organic one once.
pub(crate) fn threshold_for_precision(scored: &[(f64, bool)], precision: f64, weight: f64) -> f64 {
    let groups = by_falling_score(scored);
    let mut best = (0.0, 0.5);
    let (mut organic, mut hits) = (0usize, 0usize);
    for (at, group) in groups.iter().enumerate() {
        let score = group[0].0;
        if score < 0.5 {
            break;
        }
        let new_hits = group.iter().filter(|s| s.1).count();
        hits += new_hits;
        organic += group.len() - new_hits;
        let weighted = weight * hits as f64;
        let reached = (weighted / (weighted + organic as f64)).min(precision);
        if reached >= best.0 {
            let below = groups.get(at + 1).map_or(score, |next| next[0].0);
            best = (reached, f64::midpoint(score, below).max(0.5));
        }
    }
    best.1
}

/// Groups of equal score, highest first.
fn by_falling_score(scored: &[(f64, bool)]) -> Vec<Vec<(f64, bool)>> {
    let mut sorted = scored.to_vec();
    sorted.sort_by(|a, b| b.0.total_cmp(&a.0));
    sorted.chunk_by(|a, b| a.0 == b.0).map(<[_]>::to_vec).collect()
}

fn average_precision(scored: &[(f64, bool)]) -> f64 {
    let inauthentic = scored.iter().filter(|s| s.1).count() as f64;
    let (mut seen, mut hits, mut area) = (0.0, 0.0, 0.0);
    for group in by_falling_score(scored) {
        let new_hits = group.iter().filter(|s| s.1).count() as f64;
        seen += group.len() as f64;
        hits += new_hits;
        area += new_hits / inauthentic * hits / seen;
    }
    area
}

/// The chance that an inauthentic row scores above an organic one, ties counting half
/// (Mann-Whitney).
fn roc_auc(scored: &[(f64, bool)]) -> f64 {
    let inauthentic = scored.iter().filter(|s| s.1).count() as f64;
    let (mut hits, mut area) = (0.0, 0.0);
    for group in by_falling_score(scored) {
        let new_hits = group.iter().filter(|s| s.1).count() as f64;
        area += (group.len() as f64 - new_hits) * (hits + new_hits / 2.0);
        hits += new_hits;
    }
    area / (inauthentic * (scored.len() as f64 - inauthentic))
}

fn calibration_error(scored: &[(f64, bool)]) -> f64 {
    let mut bins = [(0.0, 0.0); 10];
    for &(p, y) in scored {
        let bin = &mut bins[((p * 10.0) as usize).min(9)];
        bin.0 += p;
        bin.1 += f64::from(u8::from(y));
    }
    bins.iter().map(|(p, y)| (p - y).abs()).sum::<f64>() / scored.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_match_values_worked_by_hand() {
        // Ranks: T F T F. AP = 1/2 * 1/1 + 1/2 * 2/3; AUC = 3 of 4 pairs in order.
        let scored = [(0.9, true), (0.8, false), (0.7, true), (0.1, false)];
        let metrics = measure(&scored, 0.75).unwrap();
        assert!((metrics.average_precision - 5.0 / 6.0).abs() < 1e-12);
        assert!((metrics.roc_auc - 0.75).abs() < 1e-12);
        assert!((metrics.brier - (0.01 + 0.64 + 0.09 + 0.01) / 4.0).abs() < 1e-12);
        assert_eq!((metrics.precision, metrics.recall), (0.5, 0.5));
    }

    #[test]
    fn equal_scores_are_chance() {
        let scored = [(0.4, true), (0.4, false), (0.4, false), (0.4, true)];
        let metrics = measure(&scored, 0.5).unwrap();
        assert_eq!((metrics.roc_auc, metrics.average_precision), (0.5, 0.5));
        assert_eq!((metrics.precision, metrics.recall), (1.0, 0.0));
    }

    #[test]
    fn one_label_alone_has_no_figures() {
        assert_eq!(measure(&[(0.4, true)], 0.5), None);
    }

    #[test]
    fn the_threshold_is_the_least_that_keeps_the_precision() {
        let scored = [(0.9, true), (0.8, true), (0.7, false), (0.6, true), (0.4, false)];
        assert!((threshold_for_precision(&scored, 0.95, 1.0) - 0.75).abs() < 1e-12);
        assert_eq!(threshold_for_precision(&scored, 0.7, 1.0), 0.5);
        // If inauthentic clusters are rarer in service than in training, the same precision costs
        // more recall.
        assert!((threshold_for_precision(&scored, 0.7, 0.5) - 0.75).abs() < 1e-12);
        assert_eq!(threshold_for_precision(&[(0.3, true), (0.2, false)], 0.95, 1.0), 0.5);
    }
}
