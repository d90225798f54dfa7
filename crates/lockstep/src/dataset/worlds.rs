//! Labelled clusters of simulated worlds, several worlds at a time.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, available_parallelism},
};

use anyhow::Result;
use clap::Args;
use scoring::Row;

use crate::{progress, simulate};

/// Which seeds of the worlds are run.
#[derive(Args)]
pub struct Worlds {
    /// How many seeds of each world
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first of them; figures are to be told of seeds that nothing was trained on
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    first_seed: u64,
    /// Threads; as many as there are processors if not given. The rows do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    jobs: Option<u32>,
}

impl Worlds {
    /// First and last seed.
    pub fn span(&self) -> [u64; 2] {
        [self.first_seed, self.first_seed.saturating_add(self.seeds - 1)]
    }

    /// Runs every world with every seed; rows come by world and then by seed.
    pub fn rows(&self, names: &[String]) -> Result<Vec<Row>> {
        let worlds = names.iter().map(|name| simulate::world(name)).collect::<Result<Vec<_>>>()?;
        let [first, last] = self.span();
        let jobs: Vec<(usize, u64)> =
            (0..worlds.len()).flat_map(|world| (first..=last).map(move |seed| (world, seed))).collect();
        let bar = progress::bar(Some(jobs.len() as u64), "simulating {bar:30} {pos}/{len} worlds, {eta} left {msg}");
        let (next, done) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
        let work = || {
            while let Some((at, (world, seed))) = {
                let at = next.fetch_add(1, Ordering::Relaxed);
                jobs.get(at).map(|job| (at, *job))
            } {
                let rows = evaluation::dataset::of_world(&worlds[world], &names[world], seed);
                done.lock().unwrap_or_else(|e| e.into_inner()).insert(at, rows);
                bar.inc(1);
                bar.set_message(format!("({} {seed})", names[world]));
            }
        };
        let threads = self.jobs.map_or_else(|| available_parallelism().map_or(1, usize::from), |n| n as usize);
        thread::scope(|scope| {
            for _ in 0..threads.min(jobs.len()) {
                scope.spawn(work);
            }
        });
        bar.finish_and_clear();
        let done = done.into_inner().unwrap_or_else(|e| e.into_inner());
        let mut all = Vec::new();
        for rows in done.into_values() {
            all.extend(rows?);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_change_nothing_and_seeds_begin_where_they_should() {
        let worlds = |seeds, first_seed, jobs| Worlds { seeds, first_seed, jobs: Some(jobs) };
        let names = ["demo".to_owned()];
        let all = worlds(3, 7, 1).rows(&names).unwrap();
        assert_eq!(worlds(3, 7, 1).span(), [7, 9]);
        assert_eq!(worlds(3, 7, 3).rows(&names).unwrap(), all);
        let last: Vec<Row> = all.iter().filter(|row| row.origin.seed == 9).cloned().collect();
        assert!(!last.is_empty() && all.iter().all(|row| (7..=9).contains(&row.origin.seed)));
        assert_eq!(worlds(1, 9, 2).rows(&names).unwrap(), last);
    }
}
