//! The bundled models are made again from the simulator, bit for bit, as these commands make them:
//!
//! ```sh
//! lockstep train --version 3 --seeds 8 --models models
//! lockstep models promote cluster 3 --models models
//! lockstep train --name cluster-boosted --learner boosted --version 2 --seeds 8 --models models
//! lockstep train --subject account --version 2 --seeds 8 --models models
//! lockstep models promote account 2 --models models
//! ```
//!
//! The worlds run through the engine once for all three, on as many threads as there are cores.
//! With `UPDATE_MODELS=1` the models are written instead of compared. Run it twice then, because
//! the model of accounts is trained with the scores of the model of clusters.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
};

use evaluation::dataset::{accounts::Accounts, of_worlds};
use scoring::{Learner, Options, Registry, Row, train};
use simulator::World;

const WORLDS: [&str; 7] =
    ["training", "lookalikes", "innocents", "operations", "openly", "operations-fortnight", "openly-fortnight"];
const SEEDS: u64 = 8;

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models")
}

/// The clusters and accounts of all worlds and seeds.
fn found() -> (Vec<Row>, Accounts) {
    let model = Registry::open(&models()).unwrap().load("cluster", "3").unwrap();
    let worlds = WORLDS.map(|name| (name.to_owned(), World::named(name).unwrap()));
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let made = of_worlds(
        &worlds,
        1..=SEEDS,
        cores,
        &|seen| (seen.clusters(), seen.accounts(&model).unwrap().thinned()),
        &|_, _| {},
    );
    let (mut rows, mut accounts) = (Vec::new(), Accounts::default());
    for (clusters, more) in made.unwrap() {
        rows.extend(clusters);
        accounts.add(more);
    }
    (rows, accounts)
}

/// Trains again and compares the files with the bundled ones.
fn again(rows: &[Row], options: &Options) {
    let dir = tempfile::tempdir().unwrap();
    let trained = train(rows, options).unwrap();
    if std::env::var_os("UPDATE_MODELS").is_some() {
        let old = models().join(&options.name).join(&options.version);
        fs::remove_dir_all(&old).unwrap();
        trained.save(&models()).unwrap();
        return;
    }
    let made = trained.save(dir.path()).unwrap();
    let bundled = models().join(&options.name).join(&options.version);
    for file in ["model.json", "manifest.json", "card.md"] {
        let (made, bundled) = (fs::read_to_string(made.join(file)).unwrap(), bundled.join(file));
        let bundled_text = fs::read_to_string(&bundled).unwrap();
        assert!(made == bundled_text, "{} is not what training makes; it makes\n{made}", bundled.display());
    }
}

#[test]
#[ignore = "takes minutes on all cores: .ci/run models"]
fn the_bundled_models_are_made_again_bit_for_bit() {
    let (rows, accounts) = found();
    let worlds = format!("the simulated worlds {}, seeds 1 to {SEEDS}", WORLDS.join(", "));
    let data = format!("synthetic: clusters that the engine found in {worlds}");
    again(&rows, &Options { data: data.clone(), ..Options::new("cluster", "3") });
    let boosted = Options { data, learner: Learner::boosted(), ..Options::new("cluster-boosted", "2") };
    again(&rows, &boosted);
    again(&accounts.rows, &accounts.options("2", &worlds));
}
