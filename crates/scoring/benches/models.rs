//! The cost of models: clusters scored per second on one core, time of a fit, size of the artefact,
//! time of a reload.
//!
//! `cargo bench -p scoring --bench models [-- ROWS]` measures a fit on this number of generated
//! rows, 100,000 if not given, and a whole training, which is thirteen fits, on a tenth of them.
//! Scores and loads are the best of five runs, fits are one run each. Times are processor times if
//! the system gives them (Linux), so that a loaded machine does not change them; else clock times.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

#[allow(dead_code)]
#[path = "../src/sample.rs"]
mod sample;

use std::{
    fs,
    hint::black_box,
    sync::LazyLock,
    time::{Duration, Instant},
};

use coordination::Cluster;
use linfa::traits::Fit;
use linfa_logistic::LogisticRegression;
use ndarray::{Array1, Array2};
use scoring::{
    LabelSource,
    Learner,
    Model,
    Named,
    Options,
    Origin,
    Row,
    // Used by the included sample.
    SuspectAccount,
    TrainedModel,
    features::{self, FEATURES},
    train,
};

const RUNS: usize = 5;
/// The system gives times in steps of a few milliseconds, so short work is repeated.
const LOADS: u32 = 200;
const CLUSTERS: u64 = 2_000;
const ROWS: u64 = 100_000;
/// About as many labelled clusters as for the bundled models.
const FEW_ROWS: u64 = 1_000;
/// How similar inauthentic and organic clusters are: no learner gets all of them right.
const OVERLAP: f64 = 0.3;

fn main() {
    let rows = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(ROWS);
    let learners = [("logistic", Learner::default()), ("boosted", Learner::boosted())];

    println!("{:<34}{:>12}{:>12}", "scoring, one core", "clusters/s", "µs each");
    let clusters: Vec<Cluster> = (0..CLUSTERS).map(|n| sample::cluster(n % 3 == 0, OVERLAP, n)).collect();
    let values: Vec<Vec<Option<f64>>> = clusters.iter().map(features::values).collect();
    speed("features alone", best(|| clusters.iter().for_each(|cluster| drop(black_box(features::values(cluster))))));
    let few = generated(FEW_ROWS);
    let models: Vec<(&str, TrainedModel)> =
        learners.iter().map(|(name, learner)| (*name, fit(&few, learner))).collect();
    for (name, trained) in &models {
        let model = &trained.model;
        let took = best(|| values.iter().for_each(|values| drop(black_box(model.verdict_on(values)))));
        speed(&format!("{name}, verdict with reasons"), took);
        let took = best(|| clusters.iter().for_each(|cluster| drop(black_box(model.verdict(cluster)))));
        speed(&format!("{name}, features and verdict"), took);
    }

    println!();
    println!("{:<34}{:>12}{:>12}{:>12}", "artefact", "rows", "bytes", "load ms");
    for (name, trained) in &models {
        artefact(name, FEW_ROWS, trained);
    }

    println!();
    println!("{:<34}{:>12}{:>12}", "fit, one core", "rows", "s");
    let many = generated(rows);
    for (name, learner) in &learners {
        let took = one_fit(&many, learner);
        println!("{:<34}{rows:>12}{:>12.2}", format!("{name}, one fit"), took.as_secs_f64());
    }
    let rows = rows / 10;
    let many = &many[..rows as usize];
    for (name, learner) in &learners {
        let began = clock();
        let trained = fit(many, learner);
        let took = clock() - began;
        let what = format!("{name}, whole training (13 fits)");
        println!("{what:<34}{rows:>12}{:>12.2}", took.as_secs_f64());
        artefact(&format!("{name}, its artefact"), rows, &trained);
    }
}

/// Labelled rows of two worlds with five seeds each.
fn generated(rows: u64) -> Vec<Row> {
    let row = |n: u64| {
        let inauthentic = n.is_multiple_of(3);
        let origin = Origin {
            inauthentic,
            label_source: LabelSource::Simulator,
            weight: 1.0,
            campaign: format!("group-{}", n / 20),
            benign_class: String::new(),
            world: ["mixed", "debate"][(n % 2) as usize].to_owned(),
            seed: n / 2 % 5,
            language: String::new(),
        };
        Row::new(&sample::cluster(inauthentic, OVERLAP, n + 1), origin)
    };
    (0..rows).map(row).collect()
}

/// Training as in `lockstep train`: fits without the held-out worlds and seeds, calibration, and
/// the fit itself.
fn fit(rows: &[Row], learner: &Learner) -> TrainedModel {
    train(rows, &Options { learner: learner.clone(), ..Options::new("bench", "1") }).unwrap()
}

/// One fit alone, through linfa's traits.
fn one_fit(rows: &[Row], learner: &Learner) -> Duration {
    let labels: Array1<bool> = rows.iter().map(|row| row.origin.inauthentic).collect();
    let records =
        Array2::from_shape_fn((rows.len(), FEATURES.len()), |(row, at)| rows[row].values[at].unwrap_or(f64::NAN));
    match learner {
        Learner::Logistic { alpha } => {
            let mut records = records;
            let began = clock();
            for mut column in records.columns_mut() {
                let known: Vec<f64> = column.iter().copied().filter(|value| !value.is_nan()).collect();
                let mean = known.iter().sum::<f64>() / known.len().max(1) as f64;
                let variance =
                    known.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / known.len().max(1) as f64;
                let scale = if variance > 1e-18 { variance.sqrt() } else { 1.0 };
                column.mapv_inplace(|value| if value.is_nan() { 0.0 } else { (value - mean) / scale });
            }
            let parameters = LogisticRegression::default().alpha(*alpha).max_iterations(1_000).gradient_tolerance(1e-6);
            black_box(parameters.fit(&linfa::Dataset::new(records, labels)).unwrap());
            clock() - began
        }
        Learner::Boosted(boosting) => {
            let began = clock();
            black_box(boosting.clone().check().unwrap().fit(&linfa::Dataset::new(records, labels)).unwrap());
            clock() - began
        }
    }
}

fn artefact(name: &str, rows: u64, trained: &TrainedModel) {
    let folder = tempfile::tempdir().unwrap();
    let version = trained.save(folder.path()).unwrap();
    let bytes = fs::metadata(version.join("model.json")).unwrap().len();
    let took = best(|| (0..LOADS).for_each(|_| drop(black_box(Model::load(&version).unwrap()))));
    println!("{name:<34}{rows:>12}{bytes:>12}{:>12.3}", took.as_secs_f64() * 1e3 / f64::from(LOADS));
}

/// The processor time of this thread, which is the only one; else the elapsed time.
fn clock() -> Duration {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let spent = fs::read_to_string("/proc/self/schedstat").ok();
    let spent = spent.and_then(|text| text.split_whitespace().next()?.parse().ok());
    spent.map_or_else(|| BEGAN.elapsed(), Duration::from_nanos)
}

fn best(mut run: impl FnMut()) -> Duration {
    let time = |_| {
        let began = clock();
        run();
        clock() - began
    };
    (0..RUNS).map(time).min().unwrap_or_default()
}

fn speed(name: &str, took: Duration) {
    let each = took.as_secs_f64() / CLUSTERS as f64;
    println!("{name:<34}{:>12.0}{:>12.2}", 1.0 / each, each * 1e6);
}
