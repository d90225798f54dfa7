//! Files that are too long to read in one go: none may come, and those that are there may only get shorter.

use std::{collections::BTreeMap, fs};

use crate::architecture::{root, rust_files};

/// The most lines of a file.
const MOST_LINES: usize = 500;

/// Files that are longer, with the lines that they may have. This list may only get shorter, and so may its numbers.
const LONGER: &[(&str, usize)] = &[
    ("crates/casework/src/policy/decide.rs", 600),
    ("crates/casework/src/policy/tests.rs", 580),
    ("crates/coordination/src/peers/coortweet.rs", 750),
    ("crates/detection/src/detect/mod.rs", 540),
    ("crates/detection/src/explain/v2/tests.rs", 560),
    ("crates/detection/src/input/mod.rs", 610),
    ("crates/detection/src/input/read.rs", 570),
    ("crates/detection/src/input/tests.rs", 670),
    ("crates/detection/src/lexicon.rs", 550),
    ("crates/detection/src/peers.rs", 640),
    ("crates/detector/src/machine.rs", 600),
    ("crates/evaluation/src/figures.rs", 600),
    ("crates/evaluation/src/posts.rs", 620),
    ("crates/lockstep/src/open.rs", 510),
    ("crates/lockstep/tests/cli/main.rs", 900),
    ("crates/messages/src/cluster.rs", 870),
    ("crates/messages/src/dialect/csv/mod.rs", 560),
    ("crates/messages/src/times.rs", 660),
    ("crates/presentation/src/cluster.rs", 580),
    ("crates/presentation/src/report/mod.rs", 580),
    ("crates/runtime/src/log.rs", 580),
    ("crates/runtime/tests/conformance.rs", 580),
    ("crates/scoring/src/features/cluster.rs", 610),
    ("crates/scoring/src/fit.rs", 590),
    ("crates/scoring/src/model.rs", 620),
    ("crates/sharing/src/http/api/mod.rs", 620),
    ("crates/sharing/src/http/console/review.rs", 640),
    ("crates/sharing/src/http/console/tests.rs", 510),
    ("crates/sharing/src/http/taxii/tests.rs", 560),
    ("crates/sharing/src/publish/documents/tests.rs", 640),
    ("crates/sharing/src/publish/stix/mod.rs", 640),
    ("crates/sharing/src/publish/stix/tests.rs", 570),
    ("crates/sharing/src/service/tests/feedback.rs", 550),
    ("crates/sharing/src/store/cases.rs", 550),
    ("crates/sharing/src/store/objects.rs", 550),
    ("crates/simulator/src/group.rs", 510),
    ("crates/simulator/src/load.rs", 810),
    ("crates/simulator/src/world.rs", 760),
    ("tests/tests/chain.rs", 520),
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
