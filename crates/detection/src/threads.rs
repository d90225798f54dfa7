//! The engine's work on threads.

use coordination::{Executor, Job};

/// Runs jobs at the same time, on a pool with one thread per processor. Creating threads for every
/// tick would cost more than many of the jobs.
pub struct Threads;

impl Executor for Threads {
    fn run(&self, jobs: Vec<Job<'_>>) {
        // Waking the pool for one job costs more than a tick's work, so the caller runs it.
        if jobs.len() == 1 {
            return jobs.into_iter().for_each(|job| job());
        }
        rayon::scope(|scope| {
            let mut jobs = jobs.into_iter();
            let own = jobs.next();
            jobs.for_each(|job| scope.spawn(|_| job()));
            if let Some(job) = own {
                job();
            }
        });
    }
}
