//! Imports between the modules of a crate: no cycles, and in `sharing` one direction.
//!
//! A module here is a top-level module of a crate, with everything below it. What a file imports is read from its `use crate::…` and
//! `use super::…` trees and from paths in the code. Tests are left out: they may look at everything.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::architecture::{is_test_file, root, rust_files};

/// The layers of `sharing`, lowest first. A module imports from layers below its own, and from no module beside it.
const SHARING: &[&[&str]] = &[
    &["fault_injection", "object", "config"],
    &["key"],
    &["store", "publish"],
    &["metrics"],
    &["service"],
    &["webhooks", "http"],
    &["run"],
];

/// Modules that import each other in a cycle, by crate. The list may only get shorter.
const CYCLES: &[(&str, &[&str])] = &[
    ("evaluation", &["figures", "method", "model", "page", "peers", "plot", "table", "truth"]),
    ("messages", &["dialect", "post"]),
];

#[test]
fn modules_do_not_import_each_other_in_a_cycle() {
    let mut wrong = Vec::new();
    for name in crates() {
        let uses = imports(&root().join("crates").join(&name).join("src"));
        let known: BTreeSet<&str> =
            CYCLES.iter().filter(|(of, _)| *of == name).flat_map(|(_, modules)| modules.iter().copied()).collect();
        let found: BTreeSet<&str> = in_cycles(&uses).into_iter().collect();
        for module in found.difference(&known) {
            let through: Vec<&str> =
                uses[*module].iter().map(String::as_str).filter(|next| found.contains(next)).collect();
            wrong.push(format!("crates/{name}: {module} is in a cycle, by its imports of {}", through.join(", ")));
        }
        for module in known.difference(&found) {
            wrong.push(format!("crates/{name}: {module} is in no cycle any more: take it off the list"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn sharing_has_one_direction() {
    let uses = imports(&root().join("crates/sharing/src"));
    let wrong = against_order(&uses, SHARING);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is imported against the order of layers, or from a module of no layer.
fn against_order(uses: &BTreeMap<String, BTreeSet<String>>, layers: &[&[&str]]) -> Vec<String> {
    let layer = |module: &str| layers.iter().position(|modules| modules.contains(&module));
    let mut wrong = Vec::new();
    for (module, imported) in uses {
        let Some(own) = layer(module) else {
            wrong.push(format!("{module} is in no layer: give it one"));
            continue;
        };
        let upwards = imported.iter().filter(|other| layer(other).is_none_or(|other| other >= own));
        wrong.extend(upwards.map(|other| format!("{module} imports {other}, which is not below it")));
    }
    wrong
}

/// Modules that can reach themselves.
fn in_cycles(uses: &BTreeMap<String, BTreeSet<String>>) -> Vec<&str> {
    let reaches = |from: &str| {
        let mut reached: BTreeSet<&str> = BTreeSet::new();
        let mut open = vec![from];
        while let Some(module) = open.pop() {
            for next in uses.get(module).into_iter().flatten() {
                if reached.insert(next) {
                    open.push(next);
                }
            }
        }
        reached
    };
    uses.keys().map(String::as_str).filter(|module| reaches(module).contains(module)).collect()
}

/// Names of the crates.
fn crates() -> Vec<String> {
    let folders = fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<String> = folders
        .filter(|path| path.join("Cargo.toml").is_file())
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert!(names.len() > 8, "{names:?}");
    names
}

/// For each top-level module of a crate the others that it imports from.
fn imports(src: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let files: Vec<_> = rust_files(src).into_iter().filter(|path| !is_test_file(path)).collect();
    let path_of = |file: &Path| -> Vec<String> {
        let relative = file.strip_prefix(src).unwrap().with_extension("");
        let mut path: Vec<String> =
            relative.components().map(|part| part.as_os_str().to_str().unwrap().to_owned()).collect();
        if path.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
            path.pop();
        }
        path
    };
    for file in &files {
        if let Some(module) = path_of(file).first() {
            uses.entry(module.clone()).or_default();
        }
    }
    let modules: BTreeSet<String> = uses.keys().cloned().collect();
    for file in &files {
        let path = path_of(file);
        // The root names modules to declare and re-export them.
        let Some(module) = path.first() else { continue };
        let code = code_of(&fs::read_to_string(file).unwrap());
        let imported = paths_in(&code).into_iter().filter_map(|used| top_module(&path, &used));
        let imported = imported.filter(|other| other != module && modules.contains(other));
        uses.get_mut(module).unwrap().extend(imported);
    }
    uses
}

/// The source without comments, strings and the tests at its end.
fn code_of(source: &str) -> String {
    let mut code = String::new();
    let lines: Vec<&str> = source.lines().collect();
    for (number, line) in lines.iter().enumerate() {
        let inline_tests = line.trim() == "#[cfg(test)]"
            && lines.get(number + 1).is_some_and(|next| next.starts_with("mod ") && next.trim().ends_with('{'));
        if inline_tests {
            break;
        }
        // Macros' own `$crate` is a path as well.
        code.push_str(&line.split("//").next().unwrap_or_default().replace("$crate", "crate"));
        code.push('\n');
    }
    code
}

/// Paths that begin with `crate` or `super`: every leaf of `use` trees, and those in the code.
fn paths_in(code: &str) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    let bytes = code.as_bytes();
    for start in ["crate", "super"] {
        for (at, _) in code.match_indices(start) {
            let before = at.checked_sub(1).map(|before| bytes[before]);
            let inside = before.is_some_and(|b| b.is_ascii_alphanumeric() || b"_:".contains(&b));
            if !inside && code[at + start.len()..].trim_start().starts_with("::") {
                expand(&mut Vec::new(), &code[at..], &mut paths);
            }
        }
    }
    paths
}

/// Reads one path or tree of paths at the beginning of `text`, and returns what comes after it.
fn expand<'a>(prefix: &mut Vec<String>, text: &'a str, paths: &mut Vec<Vec<String>>) -> &'a str {
    let depth = prefix.len();
    let mut rest = text.trim_start();
    loop {
        if let Some(inner) = rest.strip_prefix('{') {
            rest = inner.trim_start();
            while !rest.is_empty() && !rest.starts_with('}') {
                rest = expand(prefix, rest, paths).trim_start();
                // An alias is of no interest.
                let end = rest.find([',', '}']).unwrap_or(rest.len());
                rest = rest[end..].strip_prefix(',').unwrap_or(&rest[end..]).trim_start();
            }
            rest = rest.strip_prefix('}').unwrap_or(rest);
            break;
        }
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '*')).unwrap_or(rest.len());
        prefix.push(rest[..end].to_owned());
        rest = &rest[end..];
        match rest.trim_start().strip_prefix("::") {
            Some(next) => rest = next.trim_start(),
            None => {
                paths.push(prefix.clone());
                break;
            }
        }
    }
    prefix.truncate(depth);
    rest
}

/// The top-level module that a path leads to, read in the module `from`.
fn top_module(from: &[String], used: &[String]) -> Option<String> {
    let ups = used.iter().take_while(|part| *part == "super").count();
    if ups == 0 {
        return used.get(1).cloned();
    }
    let kept = from.len().checked_sub(ups)?;
    from[..kept].iter().chain(&used[ups..]).next().cloned()
}

#[test]
fn imports_are_read_from_trees_and_paths() {
    let code = code_of(
        "use crate::{\n    a::{self, b::C}, // crate::no\n    d,\n};\nuse super::{super::e::F as G, h};\nfn f() { crate::i::j(super::k::l) }\n\
         #[cfg(test)]\nmod tests {\n    use crate::t;\n}\n",
    );
    let from = ["m".to_owned(), "n".to_owned()];
    let tops: BTreeSet<String> = paths_in(&code).iter().filter_map(|path| top_module(&from, path)).collect();
    let expected = ["a", "d", "e", "i", "m"].map(str::to_owned);
    assert_eq!(tops, BTreeSet::from(expected), "h and k are in m itself");
    let uses = BTreeMap::from([
        ("a".to_owned(), BTreeSet::from(["b".to_owned()])),
        ("b".to_owned(), BTreeSet::from(["c".to_owned()])),
        ("c".to_owned(), BTreeSet::from(["a".to_owned(), "d".to_owned()])),
        ("d".to_owned(), BTreeSet::new()),
    ]);
    assert_eq!(in_cycles(&uses), ["a", "b", "c"]);
    assert_eq!(against_order(&uses, &[&["d"], &["c"], &["b"], &["a"]]), ["c imports a, which is not below it"]);
}
