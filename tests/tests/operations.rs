//! What operators rely on agrees with the code: metrics that dashboards and alerts read, runbooks that alerts name.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

#[test]
fn every_metric_on_a_dashboard_or_in_an_alert_is_registered() {
    let registered = sources().iter().map(|path| read(path)).collect::<String>();
    let mut missing = Vec::new();
    for file in ["config/alerts.yml", "config/grafana/dashboards/lockstep.json"] {
        for name in metric_names(&read(&root().join(file))) {
            let plain = ["_bucket", "_sum", "_count"].iter().find_map(|s| name.strip_suffix(s)).unwrap_or(&name);
            if !registered.contains(&format!("\"{plain}\"")) {
                missing.push(format!("{file} reads {name}, which no crate registers"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn every_alert_has_a_runbook_and_every_runbook_an_alert() {
    let alerts = read(&root().join("config/alerts.yml"));
    let named: BTreeSet<&str> = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let runbooks = read(&root().join("config/runbooks.md"));
    let written: BTreeSet<&str> = runbooks.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert!(!named.is_empty());
    assert_eq!(named, written);
    for name in named {
        let link = format!("runbook: config/runbooks.md#{}\n", name.to_lowercase());
        assert!(alerts.contains(&link), "{name} does not link its runbook: {link}");
    }
}

#[test]
fn the_dashboard_is_whole() {
    let dashboard: Value =
        serde_json::from_str(&read(&root().join("config/grafana/dashboards/lockstep.json"))).unwrap();
    let datasources = read(&root().join("config/grafana/provisioning/datasources/prometheus.yml"));
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title} has the id of another panel");
        if panel["type"] == "row" {
            continue;
        }
        assert!(panel["description"].as_str().is_some_and(|d| !d.is_empty()), "{title} does not say what it shows");
        let uid = panel["datasource"]["uid"].as_str().unwrap();
        assert!(datasources.contains(&format!("uid: {uid}")), "{title} reads {uid}, which is not provisioned");
        assert!(!panel["targets"].as_array().unwrap().is_empty(), "{title} has no query");
    }
}

/// Every word that starts with `lockstep_` and is not part of a longer one.
fn metric_names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
    words.filter(|word| word.starts_with("lockstep_")).map(str::to_owned).collect()
}

fn sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut open = vec![root().join("crates")];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("cannot read {}: {e}", path.display()))
}
