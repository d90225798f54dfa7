//! The page of metrics holds in service: a process has no metric and no value of a label that is not on the page.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use end_to_end::root;

/// A row of the page: type, and the values of each label where they are listed.
struct Metric {
    kind: String,
    labels: BTreeMap<String, Option<BTreeSet<String>>>,
}

/// What a process that runs all services has on `/metrics` and the page does not say, and the other way round.
pub fn contradictions(rows: &BTreeMap<String, f64>) -> Vec<String> {
    let page = page();
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for row in rows.keys() {
        let (name, labels) = row.split_once('{').unwrap_or((row, ""));
        let histogram = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        let histogram = histogram.filter(|name| page.get(*name).is_some_and(|metric| metric.kind == "histogram"));
        let name = histogram.unwrap_or(name);
        let Some(metric) = page.get(name) else {
            wrong.push(format!("{name} is not on the page"));
            continue;
        };
        seen.insert(name);
        for (label, value) in labels.trim_end_matches('}').split("\",").filter_map(|label| label.split_once("=\"")) {
            let value = value.trim_end_matches('"');
            match metric.labels.get(label) {
                _ if label == "le" && histogram.is_some() => {}
                None => wrong.push(format!("{name} has the label {label}, which is not on the page")),
                Some(Some(values)) if !values.contains(value) => {
                    wrong.push(format!("{name} has {label}=\"{value}\", which is not on the page"));
                }
                Some(_) => {}
            }
        }
    }
    // A metric with labels may have no row yet.
    let missing = page.iter().filter(|(name, metric)| metric.labels.is_empty() && !seen.contains(name.as_str()));
    wrong.extend(missing.map(|(name, _)| format!("{name} is on the page, and the process does not have it")));
    wrong
}

fn page() -> BTreeMap<String, Metric> {
    let text = fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let mut page = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [name, kind, labels, _] = cells[..] else { panic!("a row of the page has not four cells: {line}") };
        let labels = labels.split("; ").filter_map(|label| label.split_once(": ")).map(|(label, values)| {
            let values = values.starts_with('`').then(|| values.split(", ").map(plain).collect());
            (plain(label), values)
        });
        page.insert(plain(name), Metric { kind: kind.to_owned(), labels: labels.collect() });
    }
    assert!(page.len() > 50, "only {} metrics are on the page", page.len());
    page
}

fn plain(code: &str) -> String {
    code.trim_matches('`').to_owned()
}

#[test]
fn a_foreign_metric_label_or_value_is_noticed() {
    let found = |row: &str| {
        let wrong = contradictions(&BTreeMap::from([(row.to_owned(), 1.0)]));
        wrong.into_iter().filter(|line| line.ends_with("not on the page")).collect::<Vec<_>>()
    };
    assert_eq!(found("lockstep_posts_total{outcome=\"accepted\"}"), Vec::<String>::new());
    assert_eq!(found("lockstep_batch_seconds_bucket{le=\"0.5\"}"), Vec::<String>::new());
    assert_eq!(found("lockstep_consumer_lag_records{group=\"any\"}"), Vec::<String>::new());
    assert_eq!(found("lockstep_nothing"), ["lockstep_nothing is not on the page"]);
    assert_eq!(
        found("lockstep_posts_total{outcome=\"lost\"}"),
        ["lockstep_posts_total has outcome=\"lost\", which is not on the page"]
    );
    assert_eq!(
        found("lockstep_posts_total{other=\"accepted\"}"),
        ["lockstep_posts_total has the label other, which is not on the page"]
    );
}
