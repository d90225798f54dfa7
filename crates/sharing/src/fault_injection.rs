//! Named places where a test lets the process die, as a power cut would. Nothing of it is in the program that people run.

/// Ends the process at once where the test named this place.
#[cfg(test)]
pub(crate) fn crash_at(place: &str) {
    if std::env::var("LOCKSTEP_CRASH_AT").is_ok_and(|at| at == place) {
        std::process::abort();
    }
}

/// Nothing.
#[cfg(not(test))]
#[inline(always)]
pub(crate) fn crash_at(_: &str) {}
