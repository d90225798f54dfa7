//! Who may use whom, and what must be absent: the table in `ARCHITECTURE.md` as a test.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What one of our crates may use.
struct Rule {
    name: &'static str,
    /// Crates of ours that it may name directly.
    ours: &'static [&'static str],
    /// Crates that must not be reached from it by any way.
    never: &'static [&'static [&'static str]],
}

/// Whatever talks to a network or a database, or needs a runtime of its own.
const SERVICES: &[&str] = &[
    "axum",
    "hyper",
    "mio",
    "postgres",
    "prometheus",
    "rdkafka",
    "rdkafka-sys",
    "reqwest",
    "rusqlite",
    "socket2",
    "tokio",
    "tokio-postgres",
    "ureq",
];

/// What cases are written with once they are decided: documents, and what tells operators.
const PURE: &[&str] = &["askama", "krilla", "rustls", "tracing"];

const RULES: &[Rule] = &[
    Rule { name: "atomic-file", ours: &[], never: &[SERVICES] },
    Rule { name: "configuration", ours: &[], never: &[SERVICES] },
    Rule { name: "coordination", ours: &[], never: &[SERVICES] },
    Rule { name: "scoring", ours: &["atomic-file", "coordination", "text-format"], never: &[SERVICES] },
    Rule { name: "messages", ours: &["coordination", "scoring"], never: &[SERVICES] },
    Rule { name: "runtime", ours: &["atomic-file", "text-format"], never: &[&["linfa"]] },
    Rule {
        name: "detection",
        ours: &["atomic-file", "configuration", "coordination", "scoring", "messages"],
        never: &[SERVICES],
    },
    Rule { name: "detector", ours: &["coordination", "scoring", "messages", "runtime", "detection"], never: &[] },
    Rule { name: "text-format", ours: &[], never: &[SERVICES] },
    Rule { name: "presentation", ours: &["messages", "text-format"], never: &[SERVICES] },
    Rule { name: "casework", ours: &["messages", "text-format"], never: &[SERVICES, PURE] },
    Rule {
        name: "sharing",
        ours: &["atomic-file", "casework", "configuration", "messages", "presentation", "runtime", "text-format"],
        never: &[],
    },
    Rule { name: "simulator", ours: &["coordination"], never: &[SERVICES] },
    Rule {
        name: "evaluation",
        ours: &["coordination", "scoring", "messages", "detection", "simulator", "text-format"],
        never: &[SERVICES, &["clap", "indicatif"]],
    },
    Rule {
        name: "python",
        ours: &["configuration", "coordination", "scoring", "messages", "detection"],
        never: &[SERVICES],
    },
    Rule {
        name: "lockstep",
        ours: &[
            "atomic-file",
            "configuration",
            "coordination",
            "scoring",
            "messages",
            "runtime",
            "detection",
            "detector",
            "presentation",
            "casework",
            "sharing",
            "simulator",
            "evaluation",
            "text-format",
        ],
        never: &[],
    },
];

#[test]
fn dependencies_point_one_way() {
    let graph = Graph::read();
    let crates: BTreeSet<&str> =
        graph.ours.iter().map(String::as_str).filter(|name| !["end-to-end", "fuzzing"].contains(name)).collect();
    let ruled: BTreeSet<&str> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(crates, ruled, "every crate needs a rule here and a line in ARCHITECTURE.md");

    assert!(graph.reached("sharing").contains("tokio"), "the graph does not see what it should");

    let mut broken = Vec::new();
    for rule in RULES {
        let direct = graph.direct(rule.name).filter(|name| graph.ours.contains(*name));
        let forbidden = direct.filter(|name| !rule.ours.contains(name));
        broken.extend(forbidden.map(|name| format!("{} must not use {name}", rule.name)));
        let reached = graph.reached(rule.name);
        let forbidden = rule.never.iter().copied().flatten().filter(|name| reached.contains(**name));
        broken.extend(
            forbidden.map(|name| format!("{} must not reach {name}: cargo tree -e normal -i {name}", rule.name)),
        );
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_engine_has_no_clock_no_files_no_threads() {
    forbid(
        "crates/coordination/src",
        Part::Product,
        &[
            ("SystemTime", "the engine takes event time and has no clock"),
            ("std::time::Instant", "the engine takes event time and has no clock"),
            ("std::fs", "the engine does no I/O"),
            ("std::io", "the engine does no I/O"),
            ("std::net", "the engine does no I/O"),
            ("std::env", "the engine is configured by its caller"),
            ("std::thread", "a driver decides about threads"),
            ("println!", "the engine returns effects and prints nothing"),
            ("RandomState", "seeds are fixed, or output would differ between runs"),
        ],
    );
}

#[test]
fn cases_are_decided_without_a_clock_or_files() {
    forbid(
        "crates/casework/src",
        Part::Product,
        &[
            ("Timestamp::now", "a case takes the time and has no clock"),
            ("SystemTime", "a case takes the time and has no clock"),
            ("std::time::Instant", "a case takes the time and has no clock"),
            ("std::fs", "whoever calls reads and stores"),
            ("std::net", "whoever calls publishes and tells"),
            ("std::env", "a case is configured by its caller"),
            ("std::thread", "a driver decides about threads"),
            ("new_v4", "what follows from a step is the same every time"),
        ],
    );
}

#[test]
fn the_detectors_machine_has_no_clock_and_does_nothing_itself() {
    for file in ["machine.rs", "clock.rs", "published.rs", "drift.rs"] {
        forbid(
            &format!("crates/detector/src/{file}"),
            Part::Product,
            &[
                ("SystemTime", "the driver hands the time in"),
                ("Instant", "the driver hands the time in"),
                ("Timestamp::now", "the driver hands the time in"),
                ("Zoned::now", "the driver hands the time in"),
                ("elapsed()", "the driver hands the time in"),
                ("async ", "the driver does what the machine asks for"),
                ("std::fs", "the driver does what the machine asks for"),
                ("tracing::", "the driver tells operators"),
                ("etrics", "the driver counts"),
            ],
        );
    }
}

#[test]
fn models_and_messages_do_not_talk_to_the_network() {
    for folder in ["crates/scoring/src", "crates/messages/src"] {
        forbid(folder, Part::Product, &[("std::net", "models and messages are files and bytes")]);
    }
}

#[test]
fn there_are_no_globals_for_metrics() {
    let why = "metrics are registered once into the registry that is passed in";
    forbid(
        "crates",
        Part::All,
        &[
            ("lazy_static!", "no globals: pass state in"),
            ("default_registry(", why),
            ("prometheus::gather", why),
            ("prometheus::register(", why),
            ("register_int_counter", why),
            ("register_int_gauge", why),
            ("register_counter", why),
            ("register_gauge", why),
            ("register_histogram", why),
        ],
    );
}

#[test]
fn nothing_is_left_to_do_or_ignored() {
    for folder in ["crates", "tests"] {
        forbid(
            folder,
            Part::All,
            &[
                (concat!("todo", "!("), "finish it"),
                (concat!("unimplemented", "!("), "finish it"),
                (concat!("dbg", "!("), "take it out"),
                (
                    concat!("#[", "ignore]"),
                    "a test that does not run tests nothing: say what it needs, as tests/tests/ignored.rs has it",
                ),
            ],
        );
    }
}

/// The dependency graph, over normal dependencies only: what ends up in a binary.
struct Graph {
    ours: BTreeSet<String>,
    uses: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    fn read() -> Graph {
        let version = run(Command::new("rustc").arg("-vV"));
        let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["metadata", "--offline", "--locked", "--format-version", "1", "--filter-platform", host]);
        let metadata: Value = serde_json::from_str(&run(cargo.current_dir(root()))).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let list = |value: &Value| value.as_array().unwrap().clone();

        let names: BTreeMap<String, String> =
            list(&metadata["packages"]).iter().map(|p| (text(&p["id"]), text(&p["name"]))).collect();
        let ours = list(&metadata["workspace_members"]).iter().map(|id| names[&text(id)].clone()).collect();
        let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for node in list(&metadata["resolve"]["nodes"]) {
            let used = uses.entry(names[&text(&node["id"])].clone()).or_default();
            for dependency in list(&node["deps"]) {
                if list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"].is_null()) {
                    used.insert(names[&text(&dependency["pkg"])].clone());
                }
            }
        }
        Graph { ours, uses }
    }

    fn direct<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.uses[name].iter().map(String::as_str)
    }

    fn reached(&self, name: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&str> = self.direct(name).collect();
        while let Some(next) = open.pop() {
            if reached.insert(next) {
                open.extend(self.direct(next));
            }
        }
        reached
    }
}

/// Which lines of the sources a rule is about.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    /// Without tests.
    Product,
    All,
}

/// Fails with every line under `folder`, or in that file, that holds one of `patterns`, and why it must not.
fn forbid(folder: &str, part: Part, patterns: &[(&str, &str)]) {
    let this_file = Path::new(file!()).file_name();
    let mut found = Vec::new();
    let place = root().join(folder);
    let files = if place.is_file() { vec![place] } else { rust_files(&place) };
    assert!(!files.is_empty(), "there are no sources in {folder}");
    for path in files {
        if path.file_name() == this_file || (part == Part::Product && is_test_file(&path)) {
            continue;
        }
        let source = fs::read_to_string(&path).unwrap();
        for (number, line) in source.lines().enumerate() {
            if part == Part::Product && line.trim() == "#[cfg(test)]" && starts_inline_module(&source, number + 1) {
                break;
            }
            let code = line.split("//").next().unwrap_or_default();
            for (pattern, why) in patterns {
                if code.contains(pattern) {
                    found.push(format!("{}:{}: {pattern}: {why}", path.display(), number + 1));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Test modules stand at the end of a file, or in a file of their own.
fn starts_inline_module(source: &str, line: usize) -> bool {
    source.lines().nth(line).is_some_and(|next| next.trim().starts_with("mod ") && next.trim().ends_with('{'))
}

pub(crate) fn is_test_file(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs")
}

pub(crate) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|e| panic!("cannot list {}: {e}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

pub(crate) fn root() -> &'static Path {
    // Not `tests/..`: every path would have a folder `tests` in it, and pass for that of a test.
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("cannot run {command:?}: {e}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
