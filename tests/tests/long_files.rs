//! No file is too long to read at once.

use std::fs;

use crate::architecture::{root, rust_files};

/// The most lines of a file.
const MOST_LINES: usize = 500;

#[test]
fn no_file_is_too_long_to_read() {
    let mut wrong = Vec::new();
    for path in ["crates", "tests"].into_iter().flat_map(|folder| rust_files(&root().join(folder))) {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap();
        if lines > MOST_LINES {
            wrong.push(format!("{name} has {lines} lines, at most {MOST_LINES}: split it"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
