//! Drawings of a model's probabilities.

use super::{Bar, Bin};
use crate::plot::{BOTTOM, HEIGHT, LEFT, RIGHT, Svg, TOP, WIDTH, shares::x, y};

/// A frame with shares on both axes.
fn square(unit: &str) -> Svg {
    let mut svg = Svg::frame(unit);
    for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
        svg.text("tick", x(tick), HEIGHT - BOTTOM + 15.0, &format!("{tick}"));
    }
    svg
}

/// Observed share over predicted probability; on the dashed line, both are equal.
pub(crate) fn reliability(label: &str, place: usize, bins: &[Bin]) -> String {
    let mut svg = square("mean probability of the bin");
    svg.line("nominal", (x(0.0), y(0.0)), (x(1.0), y(1.0)));
    for bin in bins {
        let Some(share) = bin.inauthentic else { continue };
        let at = x(bin.probability);
        if let (Some(low), Some(high)) = (share.low, share.high) {
            svg.line(&format!("whisker s{}", place % 4), (at, y(low)), (at, y(high)));
        }
        let title = format!("{:.1} to {:.1}: {} rows, {share} inauthentic", bin.from, bin.to, bin.rows);
        svg.mark(place % 4, (at, y(share.value)), &title);
    }
    svg.finish(label)
}

/// Distribution of probabilities: inauthentic rows upwards, organic rows downwards, each as a share
/// of its label.
pub(crate) fn histogram(label: &str, bars: &[Bar]) -> String {
    let mut svg = Svg { body: String::new(), height: HEIGHT };
    let sums = bars.iter().fold((0, 0), |sums, bar| (sums.0 + bar.inauthentic, sums.1 + bar.organic));
    let middle = f64::midpoint(TOP, HEIGHT - BOTTOM);
    let half = middle - TOP;
    svg.text("share", LEFT - 6.0, TOP + 8.0, "1");
    svg.text("share", LEFT - 6.0, middle + 4.0, "0");
    svg.text("share", LEFT - 6.0, HEIGHT - BOTTOM, "1");
    for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
        svg.text("tick", x(tick), HEIGHT - BOTTOM + 15.0, &format!("{tick}"));
        svg.line("grid", (x(tick), TOP), (x(tick), HEIGHT - BOTTOM));
    }
    svg.text("tick", f64::midpoint(LEFT, WIDTH - RIGHT), HEIGHT - 5.0, "probability");
    let width = (WIDTH - LEFT - RIGHT) / bars.len().max(1) as f64;
    for (i, bar) in bars.iter().enumerate() {
        let from = x(i as f64 / bars.len() as f64) + 0.6;
        let range = format!("{:.2} to {:.2}", i as f64 / bars.len() as f64, (i + 1) as f64 / bars.len() as f64);
        for (n, of, name, place, up) in
            [(bar.inauthentic, sums.0, "inauthentic", 2, true), (bar.organic, sums.1, "organic", 0, false)]
        {
            if n > 0 {
                // The least height, so that a single row is visible.
                let height = (half * n as f64 / of as f64).max(1.5);
                let top = if up { middle - height } else { middle };
                let title = format!("{range}: {n} of {of} {name} rows");
                svg.bar(place, (from, top), (width - 1.2, height), &title);
            }
        }
    }
    svg.line("axis", (x(0.0), middle), (x(1.0), middle));
    svg.finish(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_row_is_seen_among_thousands() {
        let mut bars = vec![Bar { organic: 0, inauthentic: 0 }; 20];
        bars[19] = Bar { organic: 1, inauthentic: 5_000 };
        bars[0] = Bar { organic: 9_999, inauthentic: 0 };
        let svg = histogram("l", &bars);
        assert_eq!(svg.matches("<rect").count(), 3);
        assert!(svg.contains("0.95 to 1.00: 1 of 10000 organic rows") && svg.contains("height=\"1.5\""), "{svg}");
    }
}
