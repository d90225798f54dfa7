//! What metrics mean: their names, types, labels and texts, for the page of all metrics.

use std::fmt::Write as _;

/// A label of a metric, with the values that it can take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// Its values.
    pub values: Values,
}

/// Values of a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Values {
    /// All values that the label can take.
    Listed(Vec<&'static str>),
    /// The values are not known in advance; what they are.
    Open(&'static str),
}

impl Label {
    /// A label with these values, and no others.
    pub fn listed(name: &'static str, values: impl IntoIterator<Item = &'static str>) -> Label {
        Label { name, values: Values::Listed(values.into_iter().collect()) }
    }

    /// A label whose values are not known in advance.
    pub fn open(name: &'static str, meaning: &'static str) -> Label {
        Label { name, values: Values::Open(meaning) }
    }
}

/// Type of a metric, as in Prometheus' text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number that only rises.
    Counter,
    /// A number that rises and falls.
    Gauge,
    /// A distribution: rows with `_bucket`, `_sum` and `_count`.
    Histogram,
}

/// A registered metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: Kind,
    /// Its labels, in the order in which the code names them.
    pub labels: Vec<Label>,
    /// What it counts or measures.
    pub help: String,
}

/// A table of metrics in Markdown.
pub(super) fn table(metrics: &[Description]) -> String {
    let mut text = "| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n".to_owned();
    for Description { name, kind, labels, help } in metrics {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let labels: Vec<String> = labels.iter().map(cell).collect();
        // Cannot fail: a string takes everything.
        let _ = writeln!(text, "| `{name}` | {kind} | {} | {help} |", labels.join("; "));
    }
    text
}

fn cell(label: &Label) -> String {
    let values = match &label.values {
        Values::Listed(values) => values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", "),
        Values::Open(meaning) => (*meaning).to_owned(),
    };
    format!("`{}`: {values}", label.name)
}
