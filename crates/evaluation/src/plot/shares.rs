//! Drawings of shares: one over another, and rows of figures with their intervals.

use super::{BOTTOM, HEIGHT, LEFT, RIGHT, Series, Svg, TOP, WIDTH, y};
use crate::stats::Estimate;

/// The horizontal position of a share.
pub(crate) fn x(share: f64) -> f64 {
    LEFT + (WIDTH - LEFT - RIGHT) * share.clamp(0.0, 1.0)
}

/// Precision over recall. The axis of precision begins below the lowest point.
pub(crate) fn recall_precision(label: &str, chance: f64, series: &[Series<'_, (f64, f64)>]) -> String {
    let lowest = series.iter().flat_map(|one| &one.points).map(|point| point.1).fold(chance, f64::min);
    let least = ((lowest * 10.0).floor() / 10.0).clamp(0.0, 0.9);
    let y = |precision: f64| y((precision - least) / (1.0 - least));
    let mut svg = Svg { body: String::new(), height: HEIGHT };
    for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
        svg.text("tick", x(tick), HEIGHT - BOTTOM + 15.0, &format!("{tick}"));
    }
    for tick in ticks(least, 1.0) {
        svg.line("grid", (LEFT, y(tick)), (WIDTH - RIGHT, y(tick)));
        svg.text("share", LEFT - 6.0, y(tick) + 4.0, &format!("{tick}"));
    }
    svg.text("tick", f64::midpoint(LEFT, WIDTH - RIGHT), HEIGHT - 5.0, "recall");
    svg.line("nominal", (x(0.0), y(chance)), (x(1.0), y(chance)));
    for one in series {
        let line: Vec<(f64, f64)> = one.points.iter().map(|(recall, precision)| (x(*recall), y(*precision))).collect();
        svg.path(&format!("curve s{}", one.place % 4), &line);
        // The mark is at half of the recall. It distinguishes series of the same colour.
        let half = one.points.iter().find(|(recall, _)| *recall >= 0.5);
        if let Some((recall, precision)) = half {
            let title = format!("{}: precision {precision:.3} at recall {recall:.3}", one.name);
            svg.mark(one.place % 4, (x(*recall), y(*precision)), &title);
        }
    }
    svg.finish(label)
}

/// Figures with their intervals, one per row, on their own axis; `nominal` is drawn as a dashed
/// line.
pub(crate) fn rows(label: &str, nominal: f64, said: &str, rows: &[(String, usize, Option<Estimate>)]) -> String {
    const ROW: f64 = 32.0;
    let ends = rows.iter().filter_map(|(_, _, estimate)| *estimate);
    let ends = ends.flat_map(|e| [Some(e.value), e.low, e.high]).flatten().chain([nominal]);
    let (least, most) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, m), v| (l.min(v), m.max(v)));
    let room = ((most - least) * 0.06).max(1e-3);
    let (least, most) = (least - room, most + room);
    let at_x = |value: f64| 12.0 + (WIDTH - 24.0) * (value - least) / (most - least);
    let bottom = TOP + ROW * rows.len() as f64;
    let mut svg = Svg { body: String::new(), height: bottom + 34.0 };
    for tick in ticks(least, most) {
        svg.line("grid", (at_x(tick), TOP), (at_x(tick), bottom));
        svg.text("tick", at_x(tick), bottom + 14.0, &format!("{tick}"));
    }
    svg.line("nominal", (at_x(nominal), TOP - 4.0), (at_x(nominal), bottom + 2.0));
    let anchor = if at_x(nominal) > WIDTH * 0.6 { "share" } else { "nominal-label" };
    svg.text(anchor, at_x(nominal) + if anchor == "share" { -4.0 } else { 4.0 }, bottom + 29.0, said);
    for (i, (name, place, estimate)) in rows.iter().enumerate() {
        let at = TOP + ROW * i as f64 + 23.0;
        let Some(estimate) = estimate else {
            svg.text("name", 14.0, at - 10.0, &format!("{name}: no figure"));
            continue;
        };
        svg.text("name", 14.0, at - 10.0, name);
        if let (Some(low), Some(high)) = (estimate.low, estimate.high) {
            svg.line(&format!("whisker s{}", place % 4), (at_x(low), at), (at_x(high), at));
        }
        svg.mark(place % 4, (at_x(estimate.value), at), &format!("{name}: {estimate}"));
    }
    svg.finish(label)
}

/// Round values between two others, about five of them.
fn ticks(least: f64, most: f64) -> Vec<f64> {
    let rough = (most - least) / 5.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|s| s * power).find(|s| *s >= rough).unwrap_or(rough);
    let first = (least / step).ceil() as i64;
    let last = (most / step).floor() as i64;
    // Rounded, so that 3 * 0.1 reads 0.3.
    (first..=last).map(|i| (i as f64 * step * 1e9).round() / 1e9 + 0.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(ticks(-0.013, 0.042), [-0.0, 0.02, 0.04].map(|t| t + 0.0));
        assert_eq!(ticks(0.31, 1.02), [0.4, 0.6, 0.8, 1.0]);
    }

    #[test]
    fn precision_begins_below_the_lowest_point() {
        let one = |points| [Series { name: "a", place: 0, points }];
        let high = recall_precision("l", 0.88, &one(vec![(0.4, 1.0), (0.6, 0.95), (1.0, 0.88)]));
        assert!(high.contains(">0.8<") && high.contains(">0.95<") && !high.contains(">0.6<"), "{high}");
        assert!(high.contains("a: precision 0.950 at recall 0.600"), "{high}");
        let low = recall_precision("l", 0.05, &one(vec![(0.1, 0.2), (1.0, 0.05)]));
        assert!(low.contains(">0.2<") && low.contains(">0<"), "{low}");
        assert!(recall_precision("l", 0.0, &one(Vec::new())).ends_with("</svg>"));
    }

    #[test]
    fn what_has_no_figure_is_said() {
        let svg = rows("l", 0.0, "no difference", &[("a".to_owned(), 0, None), ("b".to_owned(), 5, None)]);
        assert!(svg.contains("a: no figure") && svg.contains("no difference"), "{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
