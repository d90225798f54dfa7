//! Labelled clusters of simulated worlds, with several worlds at the same time.

use std::thread::available_parallelism;

use anyhow::Result;
use clap::Args;
use evaluation::dataset::{Seen, of_worlds};
use scoring::Row;

use crate::{progress, simulate};

/// The seeds of the worlds to run.
#[derive(Args)]
pub struct Worlds {
    /// Number of seeds per world
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first seed; use seeds that nothing was trained on for figures
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    first_seed: u64,
    /// Number of threads; default: the number of processors. The rows do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    jobs: Option<u32>,
}

impl Worlds {
    /// The first and the last seed.
    pub fn span(&self) -> [u64; 2] {
        [self.first_seed, self.first_seed.saturating_add(self.seeds - 1)]
    }

    /// The labelled clusters of every world with every seed, by world and then by seed.
    pub fn rows(&self, names: &[String]) -> Result<Vec<Row>> {
        Ok(self.each(names, &|seen| seen.clusters())?.into_iter().flatten().collect())
    }

    /// Runs every world with every seed and applies `make` to each result; ordered by world, then
    /// by seed.
    pub fn each<T: Send>(&self, names: &[String], make: &(dyn Fn(Seen) -> T + Sync)) -> Result<Vec<T>> {
        let worlds = names.iter().map(|name| Ok((name.clone(), simulate::world(name)?))).collect::<Result<Vec<_>>>()?;
        let [first, last] = self.span();
        let bar = progress::bar(
            Some(worlds.len() as u64 * self.seeds),
            "simulating {bar:30} {pos}/{len} worlds, {eta} left {msg}",
        );
        let threads = self.jobs.map_or_else(|| available_parallelism().map_or(1, usize::from), |n| n as usize);
        let made = of_worlds(&worlds, first..=last, threads, make, &|name, seed| {
            bar.inc(1);
            bar.set_message(format!("({name} {seed})"));
        })?;
        bar.finish_and_clear();
        Ok(made)
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
