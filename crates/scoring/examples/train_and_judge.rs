//! From simulated posts to a model and its verdict.
//!
//! `cargo build --workspace --examples && target/debug/examples/train_and_judge`
//!
//! All posts are simulated. A real model is trained on more: see `models/README.md`.
#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
};

use coordination::{Cluster, Engine, Params};
use scoring::{LabelSource, Model, Options, Origin, Row, train};
use simulator::{Truth, World};

fn main() -> Result<(), Box<dyn Error>> {
    let world = World::named("demo")?;
    let mut rows = Vec::new();
    for seed in 1..=6 {
        let (clusters, truth) = find(&world, seed)?;
        rows.extend(clusters.iter().map(|cluster| Row::new(cluster, origin(cluster, &truth, seed))));
    }
    let inauthentic = rows.iter().filter(|row| row.origin.inauthentic).count();
    println!("{} clusters to learn from, {inauthentic} of them inauthentic", rows.len());

    // A model is a folder with the model, its manifest and its card. Reading it back checks its
    // checksum and its golden rows.
    let folder = tempfile::tempdir()?;
    let saved = train(&rows, &Options::new("example", "1"))?.save(folder.path())?;
    let model = Model::load(&saved)?;

    // Clusters of a seed that the model has not seen.
    let (clusters, truth) = find(&world, 7)?;
    for cluster in &clusters {
        let verdict = model.verdict(cluster);
        let expected = if origin(cluster, &truth, 7).inauthentic { "inauthentic" } else { "organic" };
        println!(
            "\n{}: {} accounts, {expected}, probability {:.3}",
            cluster.id,
            cluster.members.len(),
            verdict.probability
        );
        for reason in verdict.reasons.iter().take(3) {
            println!("  {:32} {:+.2} nats", reason.feature, reason.contribution);
        }
        let sum: f64 = verdict.reasons.iter().map(|reason| reason.contribution).sum();
        assert!((verdict.intercept + sum - verdict.score).abs() < 1e-9, "the contributions add up to the score");
    }
    assert!(!clusters.is_empty());
    Ok(())
}

/// The clusters that the engine finds in a world, each in its last state, and the truth about the
/// world.
fn find(world: &World, seed: u64) -> Result<(Vec<Cluster>, Truth), Box<dyn Error>> {
    let (posts, truth) = world.stream(seed);
    let mut engine = Engine::new(Params::default())?;
    let mut told = Vec::new();
    for post in posts {
        let post = post.as_post();
        engine.on_post(post.created_at, &post, &mut told);
    }
    engine.finish(&mut told);
    let last: BTreeMap<String, Cluster> = told.into_iter().map(|cluster| (cluster.id.clone(), cluster)).collect();
    Ok((last.into_values().filter(|cluster| !cluster.members.is_empty()).collect(), truth))
}

/// The origin of a cluster: the campaign or the organic group that most of its members belong to.
fn origin(cluster: &Cluster, truth: &Truth, seed: u64) -> Origin {
    let members: BTreeSet<(&str, &str)> =
        cluster.members.iter().map(|member| (&*member.account.platform, &*member.account.account_id)).collect();
    let share = |group: &simulator::GroupTruth| {
        group.members.iter().filter(|key| members.contains(&(key.platform.as_str(), key.account_id.as_str()))).count()
    };
    let campaign = truth.campaigns.iter().max_by_key(|group| share(group));
    let inauthentic = campaign.is_some_and(|group| 2 * share(group) > members.len());
    let name = campaign.filter(|_| inauthentic).map_or("organic", |group| group.name.as_str());
    Origin {
        inauthentic,
        label_source: LabelSource::Simulator,
        weight: 1.0,
        campaign: format!("{name} {seed}"),
        benign_class: String::new(),
        world: "demo".to_owned(),
        seed,
        language: String::new(),
    }
}
