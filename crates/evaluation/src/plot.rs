//! Drawings for the page, as SVG. Colours are classes, so that the style sheet can change them for
//! a dark screen. Every series has its own mark in addition to its colour.

pub(crate) mod real;
pub(crate) mod shares;

use std::fmt::{Arguments, Write};

use crate::stats::Estimate;

/// One line of a drawing.
pub(crate) struct Series<'a, P> {
    /// Its name.
    pub name: &'a str,
    /// Its index in the legend, which gives colour and mark.
    pub place: usize,
    /// Its points.
    pub points: Vec<P>,
}

pub(crate) const WIDTH: f64 = 340.0;
pub(crate) const HEIGHT: f64 = 210.0;
pub(crate) const LEFT: f64 = 34.0;
pub(crate) const RIGHT: f64 = 12.0;
pub(crate) const TOP: f64 = 10.0;
pub(crate) const BOTTOM: f64 = 38.0;

/// Shares from 0 to 1 over evenly spaced values, with their intervals. A point without a value is a
/// gap.
pub(crate) fn curve(label: &str, unit: &str, values: &[&str], series: &[Series<'_, Option<Estimate>>]) -> String {
    let mut svg = Svg::frame(unit);
    let step = (WIDTH - LEFT - RIGHT) / values.len().max(1) as f64;
    let x = |i: usize| LEFT + step * (i as f64 + 0.5);
    for (i, value) in values.iter().enumerate() {
        svg.text("tick", x(i), HEIGHT - BOTTOM + 15.0, value);
    }
    for one in series {
        // Moved sideways, so that equal figures are all visible.
        let aside = (one.place as f64 - 1.5) * 4.0;
        let at = |i: usize, share: f64| (x(i) + aside, y(share));
        for (i, point) in one.points.iter().enumerate() {
            if let Some(Estimate { low: Some(low), high: Some(high), .. }) = point {
                svg.line(&format!("whisker s{}", one.place), at(i, *low), at(i, *high));
            }
        }
        let known = one.points.iter().enumerate().map(|(i, point)| point.map(|e| at(i, e.value)));
        for stretch in known.collect::<Vec<_>>().split(Option::is_none) {
            svg.path(&format!("curve s{}", one.place), &stretch.iter().flatten().copied().collect::<Vec<_>>());
        }
        for (i, point) in one.points.iter().enumerate() {
            if let Some(estimate) = point {
                svg.mark(one.place, at(i, estimate.value), &format!("{}, {}: {estimate}", one.name, values[i]));
            }
        }
    }
    svg.finish(label)
}

/// Shares from 0 to 1 that grow in steps: each point is a place on the axis and the share reached
/// there.
pub(crate) fn steps(label: &str, unit: &str, most: f64, series: &[Series<'_, (f64, f64)>]) -> String {
    let mut svg = Svg::frame(unit);
    let most = most.max(1.0);
    let x = |at: f64| LEFT + (WIDTH - LEFT - RIGHT) * at / most;
    let gap = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0].into_iter().find(|gap| most / gap <= 8.0).unwrap_or(most / 4.0);
    for i in 0..=(most / gap) as usize {
        svg.text("tick", x(i as f64 * gap), HEIGHT - BOTTOM + 15.0, &format!("{}", i as f64 * gap));
    }
    for one in series {
        let mut share = 0.0;
        let mut line = vec![(x(0.0), y(0.0))];
        for (at, reached) in &one.points {
            line.extend([(x(*at), y(share)), (x(*at), y(*reached))]);
            share = *reached;
        }
        line.push((x(most), y(share)));
        svg.path(&format!("curve s{}", one.place), &line);
        svg.mark(one.place, (x(most), y(share)), &format!("{}: {share:.2} in the end", one.name));
    }
    svg.finish(label)
}

/// Shares with their intervals, one per row, against a nominal level.
pub(crate) fn intervals(label: &str, nominal: f64, rows: &[(String, usize, Option<Estimate>)]) -> String {
    const ROW: f64 = 34.0;
    let bottom = TOP + ROW * rows.len() as f64;
    let mut svg = Svg { body: String::new(), height: bottom + 34.0 };
    let x = |share: f64| 12.0 + (WIDTH - 24.0) * share;
    for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
        svg.line("grid", (x(tick), TOP), (x(tick), bottom));
        svg.text("tick", x(tick), bottom + 14.0, &format!("{tick}"));
    }
    svg.line("nominal", (x(nominal), TOP - 4.0), (x(nominal), bottom + 2.0));
    svg.text("nominal-label", x(nominal) + 4.0, bottom + 29.0, &format!("nominal {nominal}"));
    for (i, (name, place, estimate)) in rows.iter().enumerate() {
        let at = TOP + ROW * i as f64 + 23.0;
        let Some(estimate) = estimate else {
            svg.text("name", 14.0, at - 10.0, &format!("{name}: nothing published"));
            continue;
        };
        svg.text("name", 14.0, at - 10.0, name);
        if let (Some(low), Some(high)) = (estimate.low, estimate.high) {
            svg.line(&format!("whisker s{place}"), (x(low), at), (x(high), at));
        }
        svg.mark(*place, (x(estimate.value), at), &format!("{name}: {estimate}"));
    }
    svg.finish(label)
}

/// A mark by itself, for the legend.
pub(crate) fn legend(place: usize) -> String {
    let mut svg = Svg { body: String::new(), height: 12.0 };
    svg.line(&format!("curve s{place}"), (0.0, 6.0), (28.0, 6.0));
    svg.mark(place, (14.0, 6.0), "");
    format!("<svg class=\"key\" viewBox=\"0 0 28 12\" aria-hidden=\"true\">{}</svg>", svg.body)
}

/// A colour by itself, for the legend of bars.
pub(crate) fn swatch(place: usize) -> String {
    let mut svg = Svg { body: String::new(), height: 12.0 };
    svg.bar(place, (0.0, 1.0), (28.0, 10.0), "");
    format!("<svg class=\"key\" viewBox=\"0 0 28 12\" aria-hidden=\"true\">{}</svg>", svg.body)
}

/// The vertical position of a share.
pub(crate) fn y(share: f64) -> f64 {
    HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share.clamp(0.0, 1.0)
}

/// A drawing while it is made.
pub(crate) struct Svg {
    pub(crate) body: String,
    pub(crate) height: f64,
}

impl Svg {
    /// Axes for shares, and the unit of the other axis.
    pub(crate) fn frame(unit: &str) -> Svg {
        let mut svg = Svg { body: String::new(), height: HEIGHT };
        for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
            svg.line("grid", (LEFT, y(tick)), (WIDTH - RIGHT, y(tick)));
            svg.text("share", LEFT - 6.0, y(tick) + 4.0, &format!("{tick}"));
        }
        svg.text("tick", (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 5.0, unit);
        svg
    }

    pub(crate) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        self.push(format_args!(
            "<line class=\"{class}\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
            from.0, from.1, to.0, to.1
        ));
    }

    pub(crate) fn path(&mut self, class: &str, points: &[(f64, f64)]) {
        if points.len() < 2 {
            return;
        }
        let mut d = String::new();
        for (i, (x, y)) in points.iter().enumerate() {
            let _ = write!(d, "{}{x:.1} {y:.1}", if i == 0 { 'M' } else { 'L' });
        }
        self.push(format_args!("<path class=\"{class}\" d=\"{d}\"/>"));
    }

    pub(crate) fn mark(&mut self, place: usize, (x, y): (f64, f64), title: &str) {
        let d = match place % 4 {
            0 => format!("M{:.1} {y:.1}a3.6 3.6 0 1 0 7.2 0a3.6 3.6 0 1 0 -7.2 0Z", x - 3.6),
            1 => format!("M{:.1} {:.1}h6.4v6.4h-6.4Z", x - 3.2, y - 3.2),
            2 => format!("M{x:.1} {:.1}l4 7h-8Z", y - 4.4),
            _ => format!("M{x:.1} {:.1}l4.4 4.4l-4.4 4.4l-4.4 -4.4Z", y - 4.4),
        };
        self.push(format_args!("<path class=\"mark s{place}\" d=\"{d}\"><title>{}</title></path>", escaped(title)));
    }

    pub(crate) fn bar(&mut self, place: usize, (x, y): (f64, f64), (width, height): (f64, f64), title: &str) {
        self.push(format_args!(
            "<rect class=\"bar s{place}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"><title>{}</title></rect>",
            escaped(title)
        ));
    }

    pub(crate) fn text(&mut self, class: &str, x: f64, y: f64, text: &str) {
        self.push(format_args!("<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escaped(text)));
    }

    fn push(&mut self, text: Arguments<'_>) {
        // Writing into a string cannot fail.
        let _ = self.body.write_fmt(text);
    }

    pub(crate) fn finish(self, label: &str) -> String {
        format!(
            "<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\" aria-label=\"{}\">{}</svg>",
            self.height,
            escaped(label),
            self.body
        )
    }
}

/// A text escaped for SVG.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text_format::escape_into(&mut out, text);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(value: f64) -> Option<Estimate> {
        Some(Estimate { value, low: Some(value / 2.0), high: Some(value) })
    }

    #[test]
    fn a_point_without_a_value_is_a_gap() {
        let points = vec![share(0.1), share(0.2), None, share(0.3), share(0.4)];
        let svg = curve("l", "u", &["1", "2", "3", "4", "5"], &[Series { name: "a<b", place: 0, points }]);
        assert_eq!(svg.matches("class=\"curve s0\"").count(), 2);
        assert_eq!(svg.matches("class=\"mark s0\"").count(), 4);
        assert_eq!(svg.matches("class=\"whisker s0\"").count(), 4);
        assert!(svg.contains("a&lt;b, 1: 0.100 (0.050 to 0.100)"), "{svg}");
    }

    #[test]
    fn nothing_published_is_said_in_words() {
        let svg = intervals("l", 0.05, &[("one".to_owned(), 0, None), ("two".to_owned(), 1, share(0.5))]);
        assert!(svg.contains("one: nothing published") && svg.contains("nominal 0.05"));
        assert_eq!(svg.matches("class=\"mark").count(), 1);
    }

    #[test]
    fn steps_stay_inside_their_frame() {
        let svg = steps("l", "u", 8.0, &[Series { name: "a", place: 0, points: vec![(2.0, 0.5), (8.0, 1.0)] }]);
        assert!(svg.contains(&format!("L{:.1} {:.1}", WIDTH - RIGHT, TOP)), "{svg}");
    }
}
