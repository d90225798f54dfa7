//! Stopping a run from outside.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::InputError;

/// A request to stop, shared by a run and by the code that may end it.
///
/// The run ends with [`InputError::Stopped`] at the next post or line that it reads.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Requests that the run stop.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn check(&self) -> Result<(), InputError> {
        if self.0.load(Ordering::Relaxed) { Err(InputError::Stopped) } else { Ok(()) }
    }
}
