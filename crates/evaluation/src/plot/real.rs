//! Drawings of the findings in files.

use super::{Svg, TOP, WIDTH};

/// One row: parts of a whole, side by side.
pub(crate) struct Stack {
    /// Its label.
    pub name: String,
    /// The total, which fills the whole width.
    pub of: u64,
    /// Its parts, from the left.
    pub parts: Vec<Part>,
}

/// A part of a row.
pub(crate) struct Part {
    /// Its colour.
    pub place: usize,
    /// Its size.
    pub n: u64,
    /// Its tooltip.
    pub title: String,
}

/// Rows of parts side by side, one a row.
pub(crate) fn stacks(label: &str, rows: &[Stack]) -> String {
    const ROW: f64 = 36.0;
    const BAR: f64 = 12.0;
    let mut svg = Svg { body: String::new(), height: TOP + ROW * rows.len() as f64 };
    for (i, row) in rows.iter().enumerate() {
        let top = TOP + ROW * i as f64;
        svg.text("name", 2.0, top + 10.0, &row.name);
        svg.line("grid", (2.0, top + 16.0 + BAR), (WIDTH - 2.0, top + 16.0 + BAR));
        let mut x = 2.0;
        for part in row.parts.iter().filter(|part| part.n > 0) {
            // The least width, so that a single account is visible.
            let width = ((WIDTH - 4.0) * part.n as f64 / row.of.max(1) as f64).max(1.5);
            svg.bar(part.place, (x, top + 16.0), (width, BAR), &part.title);
            x += width;
        }
    }
    svg.finish(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_lie_side_by_side_and_none_is_not_drawn() {
        let part = |place, n| Part { place, n, title: format!("{n} <of> {place}") };
        let rows = [
            Stack { name: "one".to_owned(), of: 4, parts: vec![part(2, 1), part(0, 0), part(3, 3)] },
            Stack { name: "none".to_owned(), of: 0, parts: vec![part(2, 0)] },
        ];
        let svg = stacks("l", &rows);
        assert_eq!(svg.matches("<rect").count(), 2, "{svg}");
        let (quarter, rest) = ((WIDTH - 4.0) / 4.0, (WIDTH - 4.0) * 0.75);
        assert!(svg.contains(&format!("bar s2\" x=\"2.0\" y=\"26.0\" width=\"{quarter:.1}\"")), "{svg}");
        assert!(svg.contains(&format!("bar s3\" x=\"{:.1}\" y=\"26.0\" width=\"{rest:.1}\"", 2.0 + quarter)), "{svg}");
        assert!(svg.contains("3 &lt;of&gt; 3") && !svg.contains("NaN"), "{svg}");
    }
}
