//! SVG elements. Colours are classes, so that the style sheet can change them in dark mode.

use std::fmt::Write;

/// A drawing.
pub struct Svg {
    body: String,
    width: f64,
    height: f64,
}

/// A coordinate rounded to tenths, without a trailing `.0`, because a report has a hundred thousand of them.
struct Tenths(f64);

impl std::fmt::Display for Tenths {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tenths = (self.0 * 10.0).round() / 10.0;
        if tenths.fract() == 0.0 { write!(f, "{tenths:.0}") } else { write!(f, "{tenths:.1}") }
    }
}

impl Svg {
    pub fn new(width: f64, height: f64) -> Self {
        Self { body: String::new(), width, height }
    }

    pub fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        self.push(format_args!(
            r#"<line class="{class}" x1="{}" y1="{}" x2="{}" y2="{}"/>"#,
            Tenths(from.0),
            Tenths(from.1),
            Tenths(to.0),
            Tenths(to.1)
        ));
    }

    /// A line with its own width and opacity, for ties. `mark` has the rest of the class and further attributes.
    pub fn tie(&mut self, mark: &str, from: (f64, f64), to: (f64, f64), width: f64, opacity: f64, title: &str) {
        self.push(format_args!(
            r#"<line class="tie{mark} x1="{}" y1="{}" x2="{}" y2="{}" stroke-width="{width:.1}" stroke-opacity="{opacity:.2}">"#,
            Tenths(from.0), Tenths(from.1), Tenths(to.0), Tenths(to.1)
        ));
        self.title(title);
        self.body.push_str("</line>");
    }

    pub fn rect(&mut self, class: &str, at: (f64, f64), size: (f64, f64), title: &str) {
        self.push(format_args!(
            r#"<rect class="{class}" x="{}" y="{}" width="{}" height="{}" rx="1""#,
            Tenths(at.0),
            Tenths(at.1),
            Tenths(size.0),
            Tenths(size.1)
        ));
        self.close("rect", title);
    }

    /// `data` has attributes for the page's script, already escaped.
    pub fn circle(&mut self, class: &str, data: &str, at: (f64, f64), radius: f64, title: &str) {
        self.push(format_args!(
            r#"<circle class="{class}"{data} cx="{}" cy="{}" r="{}""#,
            Tenths(at.0),
            Tenths(at.1),
            Tenths(radius)
        ));
        self.close("circle", title);
    }

    pub fn path(&mut self, class: &str, data: &str, points: &[(f64, f64)]) {
        let mut d = String::new();
        for (index, (x, y)) in points.iter().enumerate() {
            let _ = write!(d, "{}{} {}", if index == 0 { 'M' } else { 'L' }, Tenths(*x), Tenths(*y));
        }
        self.push(format_args!(r#"<path class="{class}"{data} d="{d}"/>"#));
    }

    pub fn text(&mut self, class: &str, at: (f64, f64), text: &str) {
        self.text_with(class, "", at, text);
    }

    pub fn text_with(&mut self, class: &str, data: &str, at: (f64, f64), text: &str) {
        self.push(format_args!(r#"<text class="{class}"{data} x="{}" y="{}">"#, Tenths(at.0), Tenths(at.1)));
        text_format::escape_into(&mut self.body, text);
        self.body.push_str("</text>");
    }

    /// Wraps what `draw` draws in a link to an anchor. `label` is the link's name for screen readers.
    pub fn labelled_link(&mut self, anchor: &str, label: &str, draw: impl FnOnce(&mut Svg)) {
        self.push(format_args!(r##"<a href="#{anchor}" aria-label=""##));
        text_format::escape_into(&mut self.body, label);
        self.body.push_str("\">");
        draw(self);
        self.body.push_str("</a>");
    }

    /// The whole drawing, if it has links: a group with a name and a description instead of one image.
    pub fn finish_as_group(self, class: &str, title: &str, about: &str) -> String {
        let mut out = String::new();
        let _ = write!(
            out,
            r#"<svg class="{class}" viewBox="0 0 {:.0} {:.0}" role="group" aria-labelledby="{class}-title" aria-describedby="{class}-about"><title id="{class}-title">"#,
            self.width, self.height
        );
        text_format::escape_into(&mut out, title);
        let _ = write!(out, r#"</title><desc id="{class}-about">"#);
        text_format::escape_into(&mut out, about);
        out.push_str("</desc>");
        out.push_str(&self.body);
        out.push_str("</svg>");
        out
    }

    /// The whole drawing. `label` describes it for screen readers.
    pub fn finish(self, class: &str, label: &str) -> String {
        self.finish_with(class, "", label)
    }

    pub fn finish_with(self, class: &str, data: &str, label: &str) -> String {
        let mut out = String::new();
        let _ = write!(
            out,
            r#"<svg class="{class}"{data} viewBox="0 0 {:.0} {:.0}" role="img" aria-label=""#,
            self.width, self.height
        );
        text_format::escape_into(&mut out, label);
        out.push_str("\">");
        out.push_str(&self.body);
        out.push_str("</svg>");
        out
    }

    fn push(&mut self, text: std::fmt::Arguments) {
        // Writing into a string cannot fail.
        let _ = self.body.write_fmt(text);
    }

    fn title(&mut self, title: &str) {
        self.body.push_str("<title>");
        text_format::escape_into(&mut self.body, title);
        self.body.push_str("</title>");
    }

    fn close(&mut self, element: &str, title: &str) {
        if title.is_empty() {
            self.body.push_str("/>");
        } else {
            self.body.push('>');
            self.title(title);
            self.push(format_args!("</{element}>"));
        }
    }
}

/// A bar from zero. Negative values extend to the left.
pub fn bar(value: f64, largest: f64, diverging: bool) -> String {
    let share = if largest > 0.0 && value.is_finite() { (value / largest).clamp(-1.0, 1.0) } else { 0.0 };
    let mut svg = Svg::new(200.0, 10.0);
    let (zero, room) = if diverging { (100.0, 100.0) } else { (0.0, 200.0) };
    let length = (share.abs() * room).max(if value == 0.0 { 0.0 } else { 1.0 });
    if share < 0.0 {
        svg.rect("against", ((zero - length).max(0.0), 0.0), (length, 10.0), "");
    } else {
        svg.rect("for", (zero, 0.0), (length, 10.0), "");
    }
    if diverging {
        svg.line("zero", (zero, 0.0), (zero, 10.0));
    }
    beside_its_number(svg)
}

/// Parts of a whole, side by side; the rest is empty. Each part has a class and a share from 0 to 1.
pub fn parts(parts: impl IntoIterator<Item = (&'static str, f64)>) -> String {
    let mut svg = Svg::new(200.0, 10.0);
    let mut from: f64 = 0.0;
    for (class, share) in parts.into_iter().filter(|(_, share)| *share > 0.0) {
        // A share above zero is always visible.
        let length = (share * 200.0).max(1.0).min(200.0 - from);
        svg.rect(class, (from, 0.0), (length, 10.0), "");
        from += length;
    }
    beside_its_number(svg)
}

/// A bar that screen readers ignore, because the text next to it has the same content.
fn beside_its_number(svg: Svg) -> String {
    svg.finish("bar", "").replace("role=\"img\" aria-label=\"\"", "aria-hidden=\"true\" preserveAspectRatio=\"none\"")
}

/// Round steps of time, in seconds, that give at most `most` ticks over `span`.
pub fn time_step(span: f64, most: f64) -> f64 {
    const STEPS: [f64; 24] = [
        1.0,
        2.0,
        5.0,
        10.0,
        20.0,
        30.0,
        60.0,
        120.0,
        300.0,
        600.0,
        1200.0,
        1800.0,
        3600.0,
        7200.0,
        10_800.0,
        21_600.0,
        43_200.0,
        86_400.0,
        172_800.0,
        604_800.0,
        1_209_600.0,
        2_592_000.0,
        7_776_000.0,
        31_536_000.0,
    ];
    STEPS
        .into_iter()
        .find(|step| span / step <= most)
        .unwrap_or_else(|| (span / most / 31_536_000.0).ceil() * 31_536_000.0)
}
