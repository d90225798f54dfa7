//! Hands the target named by `LOCKSTEP_FUZZ` to libFuzzer; `run.sh` builds and runs it.
#![no_main]

use std::panic::{self, AssertUnwindSafe};
use std::sync::LazyLock;

use fuzzing::{TARGETS, Target};

// A panic that a parser catches itself, as it must where a library panics on damaged files, is none of ours; libFuzzer's own hook would
// end the run at it.
static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let _ = panic::take_hook();
    let wanted = std::env::var("LOCKSTEP_FUZZ").unwrap_or_default();
    let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    let target = TARGETS.iter().find(|(name, _)| *name == wanted);
    target.unwrap_or_else(|| panic!("LOCKSTEP_FUZZ is {wanted:?}: set it to one of {}", names.join(", "))).1
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let target = *TARGET;
    if panic::catch_unwind(AssertUnwindSafe(|| target(data))).is_err() {
        std::process::abort();
    }
});
