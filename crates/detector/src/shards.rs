//! The engine's shards on threads.

use std::thread;

use coordination::Executor;

/// Runs the shards' work at the same time, each on a thread of its own for as long as the work lasts.
pub struct Threads;

impl Executor for Threads {
    fn run(&self, jobs: Vec<Box<dyn FnOnce() + Send + '_>>) {
        thread::scope(|scope| {
            let mut jobs = jobs.into_iter();
            let own = jobs.next();
            jobs.for_each(|job| {
                scope.spawn(job);
            });
            if let Some(job) = own {
                job();
            }
        });
    }
}
