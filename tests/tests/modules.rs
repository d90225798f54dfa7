//! Imports between the modules of a crate: no cycles, and in `sharing` one direction.
//!
//! Modules are compared with their siblings: those of one crate, and those of one module, each with everything below it. What a file
//! imports is read from its `use crate::…` and `use super::…` trees and from paths in the code; a name that a module re-exports counts as
//! the module that it comes from. Tests are left out: they may look at everything.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::architecture::{is_test_file, root, rust_files};

/// The layers of `sharing`, lowest first. A module imports from layers below its own, and from no module beside it.
const SHARING: &[&[&str]] = &[
    &["fault_injection", "object", "config", "kept", "seals", "token"],
    &["encryption", "key"],
    &["store", "publish"],
    &["metrics"],
    &["service"],
    &["webhooks", "http"],
    &["audit_watch"],
    &["run"],
];

#[test]
fn modules_do_not_import_each_other_in_a_cycle() {
    let mut wrong = Vec::new();
    for name in crates() {
        for (parent, uses) in imports(&root().join("crates").join(&name).join("src")) {
            let parent = parent.join("::");
            let found = in_cycles(&uses);
            let place = format!("crates/{name}, {}", if parent.is_empty() { "the crate" } else { &parent });
            for module in &found {
                let through: Vec<&str> =
                    uses[*module].iter().map(String::as_str).filter(|next| found.contains(next)).collect();
                wrong.push(format!("{place}: {module} is in a cycle, by its imports of {}", through.join(", ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn sharing_has_one_direction() {
    let uses = imports(&root().join("crates/sharing/src"));
    let wrong = against_order(&uses[&Vec::new()], SHARING);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_pages_of_sharing_and_its_json_api_do_not_import_each_other() {
    for (own, other) in [("api", "console"), ("console", "api")] {
        let files = rust_files(&root().join("crates/sharing/src/http").join(own));
        assert!(files.len() > 2, "{own}");
        for file in files.iter().filter(|path| !is_test_file(path)) {
            let code = code_of(&fs::read_to_string(file).unwrap());
            let path = format!("{other}::");
            assert!(!code.contains(&path), "{} imports {path}: what both need belongs below both", file.display());
        }
    }
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

/// The path of a module, from the root of its crate.
type Module = Vec<String>;

/// For each module that has modules inside, and for the crate, each of them with the siblings that it imports from.
type Imports = BTreeMap<Module, BTreeMap<String, BTreeSet<String>>>;

fn imports(src: &Path) -> Imports {
    let module = |file: &Path| -> Module {
        let relative = file.strip_prefix(src).unwrap().with_extension("");
        let mut path: Module =
            relative.components().map(|part| part.as_os_str().to_str().unwrap().to_owned()).collect();
        if path.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
            path.pop();
        }
        path
    };
    let files = rust_files(src).into_iter().filter(|path| !is_test_file(path));
    let code = files.map(|file| (module(&file), code_of(&fs::read_to_string(&file).unwrap()))).collect();
    imports_of(&code)
}

/// The same of the code of each module.
fn imports_of(code: &BTreeMap<Module, String>) -> Imports {
    let mut uses = Imports::new();
    for module in code.keys() {
        for depth in 0..module.len() {
            uses.entry(module[..depth].to_vec()).or_default().entry(module[depth].clone()).or_default();
        }
    }
    let modules: BTreeSet<Module> =
        (code.keys()).flat_map(|module| (0..=module.len()).map(|depth| module[..depth].to_vec())).collect();
    let names = names(code, &modules);
    for (module, code) in code {
        for (used, _) in paths_in(code, &["crate", "super"]) {
            let Some(found) = absolute(module, &used).map(|path| module_of(&path, &modules, &names)) else { continue };
            let same = module.iter().zip(&found).take_while(|(one, other)| one == other).count();
            if same < module.len() && same < found.len() {
                let siblings = uses.entry(module[..same].to_vec()).or_default();
                siblings.entry(module[same].clone()).or_default().insert(found[same].clone());
            }
        }
    }
    uses
}

/// What names stand for that a module imports or re-exports: what is below it may reach them through it.
fn names(code: &BTreeMap<Module, String>, modules: &BTreeSet<Module>) -> BTreeMap<Module, BTreeMap<String, Module>> {
    let mut names: BTreeMap<Module, BTreeMap<String, Module>> = BTreeMap::new();
    for (module, code) in code {
        for (mut used, alias) in paths_in(code, &["use"]) {
            // `use` itself.
            used.remove(0);
            if used.last().is_some_and(|last| last == "self") {
                used.pop();
            }
            let Some(first) = used.first() else { continue };
            let child: Module = module.iter().chain([first]).cloned().collect();
            let path = if modules.contains(&child) {
                Some(module.iter().chain(&used).cloned().collect())
            } else {
                absolute(module, &used)
            };
            let name = alias.or_else(|| used.last().cloned()).unwrap_or_default();
            if let Some(path) = path.filter(|path| *path != [&module[..], std::slice::from_ref(&name)].concat()) {
                names.entry(module.clone()).or_default().insert(name, path);
            }
        }
    }
    names
}

/// The path from the root of the crate, of one that begins with `crate`, `self` or `super` and is read in `module`.
fn absolute(module: &[String], used: &[String]) -> Option<Module> {
    let ups = used.iter().take_while(|part| *part == "super").count();
    let (kept, rest) = match used.first()?.as_str() {
        "crate" => (0, &used[1..]),
        "self" => (module.len(), &used[1..]),
        "super" => (module.len().checked_sub(ups)?, &used[ups..]),
        _ => return None,
    };
    Some(module[..kept].iter().chain(rest).cloned().collect())
}

/// The module that a path leads to, through names that modules on the way re-export.
fn module_of(
    path: &[String],
    modules: &BTreeSet<Module>,
    names: &BTreeMap<Module, BTreeMap<String, Module>>,
) -> Module {
    let mut path = path.to_vec();
    // Re-exports of re-exports end somewhere.
    for _ in 0..8 {
        let depth = (0..=path.len()).rev().find(|depth| modules.contains(&path[..*depth])).unwrap_or_default();
        let Some(target) = path.get(depth).and_then(|name| names.get(&path[..depth])?.get(name)) else {
            return path[..depth].to_vec();
        };
        path = target.iter().chain(&path[depth + 1..]).cloned().collect();
    }
    path
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

/// Paths that begin with one of these words, and the name that each gets in a `use`: every leaf of `use` trees, and those in the code.
fn paths_in(code: &str, starts: &[&str]) -> Vec<(Module, Option<String>)> {
    let mut paths = Vec::new();
    let bytes = code.as_bytes();
    for start in starts {
        for (at, _) in code.match_indices(start) {
            let before = at.checked_sub(1).map(|before| bytes[before]);
            let inside = before.is_some_and(|b| b.is_ascii_alphanumeric() || b"_:".contains(&b));
            let after = &code[at + start.len()..];
            if inside {
            } else if *start == "use" && after.starts_with(char::is_whitespace) {
                expand(&mut vec![(*start).to_owned()], after, &mut paths);
            } else if after.trim_start().starts_with("::") {
                expand(&mut Vec::new(), &code[at..], &mut paths);
            }
        }
    }
    paths
}

/// Reads one path or tree of paths at the beginning of `text`, and returns what comes after it.
fn expand<'a>(prefix: &mut Module, text: &'a str, paths: &mut Vec<(Module, Option<String>)>) -> &'a str {
    let depth = prefix.len();
    let mut rest = text.trim_start();
    loop {
        if let Some(inner) = rest.strip_prefix('{') {
            rest = inner.trim_start();
            while !rest.is_empty() && !rest.starts_with('}') {
                rest = expand(prefix, rest, paths).trim_start();
                let end = rest.find([',', '}']).unwrap_or(rest.len());
                rest = rest[end..].strip_prefix(',').unwrap_or(&rest[end..]).trim_start();
            }
            rest = rest.strip_prefix('}').unwrap_or(rest);
            break;
        }
        let word =
            |text: &str| text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '*')).unwrap_or(text.len());
        prefix.push(rest[..word(rest)].to_owned());
        rest = &rest[word(rest)..];
        match rest.trim_start().strip_prefix("::") {
            Some(next) => rest = next.trim_start(),
            None => {
                let alias = rest.trim_start().strip_prefix("as ").map(str::trim_start);
                paths.push((prefix.clone(), alias.map(|alias| alias[..word(alias)].to_owned())));
                break;
            }
        }
    }
    prefix.truncate(depth);
    rest
}

#[test]
fn imports_are_read_from_trees_and_paths() {
    let code = code_of(
        "use crate::{\n    a::{self, b::C}, // crate::no\n    d,\n};\nuse super::{super::e::F as G, h};\nfn f() { crate::i::j(super::k::l) }\n\
         #[cfg(test)]\nmod tests {\n    use crate::t;\n}\n",
    );
    let from = ["m".to_owned(), "n".to_owned()];
    let paths = paths_in(&code, &["crate", "super"]).into_iter().filter_map(|(path, _)| absolute(&from, &path));
    let tops: BTreeSet<String> = paths.map(|path| path[0].clone()).collect();
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

#[test]
fn siblings_are_found_below_modules_and_behind_names() {
    let path = |path: &str| -> Module { path.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect() };
    let code = [
        ("", "mod a;\nmod b;\npub use a::one::Thing as Other;"),
        ("a", "mod one;\nmod two;\nuse two::Number;"),
        ("a::one", "use super::Number;"),
        ("a::two", "use super::one::deep;"),
        ("b", "use crate::Other;"),
    ];
    let code = code.into_iter().map(|(module, code)| (path(module), code.to_owned())).collect();
    let uses = imports_of(&code);
    let siblings =
        |parent: &str, module: &str| -> Vec<&str> { uses[&path(parent)][module].iter().map(String::as_str).collect() };
    assert_eq!((siblings("", "a"), siblings("", "b")), (vec![], vec!["a"]), "a name of the root leads to its module");
    assert_eq!((siblings("a", "one"), siblings("a", "two")), (vec!["two"], vec!["one"]));
    assert_eq!(in_cycles(&uses[&path("a")]), ["one", "two"]);
}
