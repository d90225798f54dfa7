//! Tests that need more than the machine: each says what it needs, and has the word in its path by which `.ci/run` runs it.

use std::{collections::BTreeSet, fs};

use crate::architecture::{root, rust_files};

/// What a test may need, and the word in the path of each test that needs it.
const NEEDS: &[(&str, &str)] = &[
    ("needs Apache Kafka: tests/kafka/kafka.sh start", "kafka"),
    ("needs PostgreSQL: tests/postgres/postgres.sh start", "postgres"),
    ("needs the real posts: a folder of them in LOCKSTEP_TEST_POSTS", "real_posts"),
    ("needs Python packages: tests/stix/validate.sh", "outside_"),
    ("needs curl, Python and its packages: .ci/run guides", "guide_"),
    ("takes minutes on all cores: .ci/run models", "bundled_models"),
];

#[test]
fn ignored_tests_say_what_they_need_and_are_run_by_the_ci() {
    let mut wrong = Vec::new();
    let mut found = BTreeSet::new();
    for path in ["crates", "tests"].into_iter().flat_map(|folder| rust_files(&root().join(folder))) {
        if path.ends_with("tests/tests/ignored.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for (n, line) in lines.iter().enumerate().filter(|(_, line)| line.starts_with("#[ignore")) {
            let at = format!("{}:{}", path.strip_prefix(root()).unwrap().display(), n + 1);
            let reason = line.strip_prefix("#[ignore = \"").and_then(|line| line.strip_suffix("\"]"));
            let Some((needs, word)) = NEEDS.iter().find(|(needs, _)| Some(*needs) == reason) else {
                wrong.push(format!("{at}: the reason is none of those in this test: {line}"));
                continue;
            };
            found.insert(*needs);
            let name = lines[n..].iter().find_map(|line| line.split_once("fn ")).map_or("", |(_, name)| name);
            // The macros that make a test for each server have the server in the name of the module.
            let module = lines[..n].iter().rev().find_map(|line| line.strip_prefix("mod ")).unwrap_or_default();
            let path = if name.starts_with('$') { module } else { name.split('(').next().unwrap_or(name) };
            if !path.contains(word) {
                wrong.push(format!("{at}: no {word} in the path of {name}, so that the CI does not run it"));
            }
        }
    }
    for (needs, _) in NEEDS.iter().filter(|(needs, _)| !found.contains(needs)) {
        wrong.push(format!("no test {needs}: take it off the list"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_test_passes_because_something_is_missing() {
    let mut wrong = Vec::new();
    for path in ["crates", "tests"].into_iter().flat_map(|folder| rust_files(&root().join(folder))) {
        if path.ends_with("tests/tests/ignored.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for (n, line) in text.lines().enumerate().filter(|(_, line)| line.contains("ln!(\"skipped")) {
            wrong.push(format!("{}:{}: {}", path.strip_prefix(root()).unwrap().display(), n + 1, line.trim()));
        }
    }
    assert!(wrong.is_empty(), "tests that pass without testing:\n{}", wrong.join("\n"));
}

#[test]
fn the_ci_runs_each_word() {
    let ci = fs::read_to_string(root().join(".ci/run")).unwrap();
    let stix = fs::read_to_string(root().join("tests/stix/validate.sh")).unwrap();
    for (_, word) in NEEDS {
        assert!(
            ci.contains(&format!("tests_of {word}"))
                || stix.contains(&format!("cargo test --workspace {word} -- --ignored")),
            "nothing runs the ignored tests with {word} in their path"
        );
    }
}
