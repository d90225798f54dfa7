//! Files that are too long to read in one go: none may come, and those that are there may only get shorter.

use std::{collections::BTreeMap, fs};

use crate::architecture::{root, rust_files};

/// The most lines of a file.
const MOST_LINES: usize = 500;

/// Files that are longer, with the lines that they may have. This list may only get shorter, and so may its numbers.
const LONGER: &[(&str, usize)] = &[
    ("crates/coordination/src/peers/coortweet.rs", 560),
    ("crates/detection/src/input/tests.rs", 550),
    ("crates/scoring/src/features/cluster.rs", 610),
];

#[test]
fn no_file_is_too_long_to_read() {
    let mut longer: BTreeMap<&str, usize> = LONGER.iter().copied().collect();
    let mut wrong = Vec::new();
    for path in ["crates", "tests"].into_iter().flat_map(|folder| rust_files(&root().join(folder))) {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap();
        match longer.remove(name) {
            Some(_) if lines <= MOST_LINES => wrong.push(format!("{name} has {lines} lines: take it off the list")),
            Some(most) if lines > most => wrong.push(format!("{name} has {lines} lines, at most {most}: split it")),
            None if lines > MOST_LINES => {
                wrong.push(format!("{name} has {lines} lines, at most {MOST_LINES}: split it"))
            }
            _ => {}
        }
    }
    wrong.extend(longer.into_keys().map(|name| format!("{name} is no file any more: take it off the list")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
