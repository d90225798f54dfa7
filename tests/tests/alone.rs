//! `cargo test -p CRATE` compiles all tests of the crate.
//!
//! For one crate, Cargo enables only the features that this crate and its dependencies ask for, and not those that other members of the
//! workspace add. So a crate enables its own optional features for its own tests: a dev-dependency on itself.

use std::{collections::BTreeMap, fs, process::Command};

use crate::architecture::root;

/// Fixtures are for the tests of other crates: a crate's own tests have them in any case.
const FOR_OTHERS: &str = "fixtures";

#[test]
fn every_crate_has_all_its_features_in_its_own_tests() {
    let together = features(&["--workspace"]);
    assert!(together["sharing"].contains(&"postgres".to_owned()), "{together:?}");
    let mut wrong = Vec::new();
    for (name, wanted) in &together {
        // Most crates have no features.
        if wanted.is_empty() {
            continue;
        }
        let alone = features(&["-p", name]);
        for missing in wanted.iter().filter(|feature| *feature != FOR_OTHERS && !alone[name].contains(feature)) {
            wrong.push(format!(
                "{name}: `cargo test -p {name}` lacks the feature {missing}; add {name} itself to its [dev-dependencies], with this feature"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The features of each of our crates when these packages are tested.
fn features(packages: &[&str]) -> BTreeMap<String, Vec<String>> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["tree", "--offline", "--locked", "--edges", "normal,dev", "--prefix", "none", "--format", "{p}|{f}"]);
    let output = cargo.args(packages).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let crates = fs::canonicalize(root().join("crates")).unwrap();
    let mut features: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let Some((package, enabled)) = line.split_once('|') else { continue };
        if !package.contains(&format!("({}", crates.display())) {
            continue;
        }
        let name = package.split(' ').next().unwrap_or_default();
        let known = features.entry(name.to_owned()).or_default();
        known.extend(enabled.trim_end_matches(" (*)").split(',').filter(|f| !f.is_empty()).map(str::to_owned));
    }
    features
}
