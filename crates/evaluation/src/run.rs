//! Runs many worlds and seeds on several threads; the order of the results does not depend on the
//! threads.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use simulator::World;

use crate::{EvaluationError, Judge, Method, Run};

/// One world with one seed, for one method.
#[derive(Clone, Copy)]
pub struct Job<'w> {
    /// The world.
    pub world: &'w World,
    /// Its seed.
    pub seed: u64,
    /// The method.
    pub method: Method,
}

/// Runs all jobs on this number of threads. `on_done` is called for each finished job, from any
/// thread; the runs are returned in the order of the jobs. The first error ends the work.
pub fn run_all(
    judge: &Judge,
    jobs: &[Job<'_>],
    threads: usize,
    on_done: &(dyn Fn(&Job<'_>) + Sync),
) -> Result<Vec<Run>, EvaluationError> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let done: Mutex<Vec<(usize, Result<Run, EvaluationError>)>> = Mutex::new(Vec::new());
    let work = || {
        while let Some((place, job)) = {
            let place = next.fetch_add(1, Ordering::Relaxed);
            jobs.get(place).map(|job| (place, job))
        } {
            if failed.load(Ordering::Relaxed) {
                return;
            }
            let truth = || job.world.stream(job.seed).1;
            let run = judge.find(job.method, job.world, job.seed).map(|found| Run::measure(&found, &truth(), job.seed));
            failed.fetch_or(run.is_err(), Ordering::Relaxed);
            // If a thread panics, the others' results are lost only when the scope ends.
            done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((place, run));
            on_done(job);
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads.clamp(1, jobs.len().max(1)) {
            scope.spawn(work);
        }
    });
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, run)| run).collect()
}

/// Does this number of pieces of work on this number of threads, and returns the results in their
/// order.
pub(crate) fn in_order<T: Send>(pieces: usize, threads: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, T)>> = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..threads.clamp(1, pieces.max(1)) {
            scope.spawn(|| {
                while let Some(place) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|place| *place < pieces) {
                    let result = work(place);
                    done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((place, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}
