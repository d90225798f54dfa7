//! The bundled models are made again from the simulator, bit for bit, as these commands make them:
//!
//! ```sh
//! lockstep train --version 2 --seeds 8 --models models
//! lockstep models promote cluster 2 --models models
//! lockstep train --name cluster-boosted --learner boosted --version 1 --seeds 8 --models models
//! lockstep train --subject account --version 1 --seeds 8 --models models
//! lockstep models promote account 1 --models models
//! ```
//!
//! The worlds run through the engine once for all three, on as many threads as there are cores.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use evaluation::dataset::{Seen, accounts::Accounts};
use scoring::{Learner, Options, Registry, Row, train};
use simulator::World;

const WORLDS: [&str; 3] = ["training", "lookalikes", "innocents"];
const SEEDS: u64 = 8;

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models")
}

/// What all worlds and seeds show, in order.
fn seen() -> Vec<(Vec<Row>, Accounts)> {
    let model = Registry::open(&models()).unwrap().load("cluster", "2").unwrap();
    let jobs: Vec<(&str, u64)> = WORLDS.iter().flat_map(|name| (1..=SEEDS).map(|seed| (*name, seed))).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some((name, seed)) = jobs.get(at).copied() else { return done };
            let seen = Seen::new(&World::named(name).unwrap(), name, seed).unwrap();
            done.push((at, (seen.clusters(), seen.accounts(&model).unwrap().thinned())));
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut all = thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, seen)| seen).collect()
}

/// Trains again and holds the files against those that are bundled.
fn again(rows: &[Row], options: &Options) {
    let dir = tempfile::tempdir().unwrap();
    let made = train(rows, options).unwrap().save(dir.path()).unwrap();
    let bundled = models().join(&options.name).join(&options.version);
    for file in ["model.json", "manifest.json", "card.md"] {
        let (made, bundled) = (fs::read_to_string(made.join(file)).unwrap(), bundled.join(file));
        let bundled_text = fs::read_to_string(&bundled).unwrap();
        assert!(made == bundled_text, "{} is not what training makes; it makes\n{made}", bundled.display());
    }
}

#[test]
fn the_bundled_models_are_made_again_bit_for_bit() {
    let (mut rows, mut accounts) = (Vec::new(), Accounts::default());
    for (clusters, more) in seen() {
        rows.extend(clusters);
        accounts.add(more);
    }
    let worlds = format!("the simulated worlds {}, seeds 1 to {SEEDS}", WORLDS.join(", "));
    let data = format!("synthetic: clusters that the engine found in {worlds}");
    again(&rows, &Options { data: data.clone(), ..Options::new("cluster", "2") });
    let boosted = Options { data, learner: Learner::boosted(), ..Options::new("cluster-boosted", "1") };
    again(&rows, &boosted);
    again(&accounts.rows, &accounts.options("1", &worlds));
}
