//! `lockstep train`: a model from simulated worlds.

use std::{collections::BTreeMap, fs::File, path::PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use coordination::{Cluster, Engine, Finding, Params};
use scoring::{Dataset, Options, Row, train};
use simulator::{AccountKey, Truth, World};

use crate::{progress, simulate};

/// A cluster is a campaign's if at least this share of its accounts are the campaign's.
const MAJORITY: f64 = 0.5;

/// Trains the model that says whether coordination is inauthentic, on clusters found in simulated worlds.
///
/// Every world is run through the engine with each seed; what it finds is labelled by the world's truth. The model goes to
/// a new version in the registry and is not in service until `lockstep models promote`.
#[derive(Args)]
#[command(after_help = "\
Example (the bundled model):
  lockstep train --world training --world lookalikes --seeds 12 --version 1 --models models")]
pub struct Train {
    /// Built-in worlds or world files
    #[arg(long = "world", value_name = "WORLD", default_values_t = ["training".to_owned(), "lookalikes".to_owned()])]
    worlds: Vec<String>,
    /// How many seeds of each world, from 1
    #[arg(long, default_value_t = 12)]
    seeds: u64,
    /// Name of the model
    #[arg(long, default_value = "cluster")]
    name: String,
    /// Its version
    #[arg(long)]
    version: String,
    /// Folder of the model registry
    #[arg(long, default_value = "models")]
    models: PathBuf,
    /// Also write the labelled clusters to this CSV file
    #[arg(long, value_name = "FILE")]
    dataset: Option<PathBuf>,
}

impl Train {
    pub fn run(self) -> Result<()> {
        let mut rows = Vec::new();
        let bar =
            progress::bar(Some(self.worlds.len() as u64 * self.seeds), "training {bar:30} {pos}/{len} worlds {msg}");
        for name in &self.worlds {
            let world = simulate::world(name)?;
            for seed in 1..=self.seeds {
                rows.extend(label(&world, name, seed)?);
                bar.inc(1);
                bar.set_message(format!("{} clusters", rows.len()));
            }
        }
        bar.finish_and_clear();
        if let Some(path) = &self.dataset {
            let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
            Dataset { rows: rows.clone() }.write_csv(file)?;
        }
        let mut options = Options::new(&self.name, &self.version);
        options.data = format!(
            "synthetic: clusters that the engine found in the simulated worlds {}, seeds 1 to {}",
            self.worlds.join(", "),
            self.seeds
        );
        let trained = train(&rows, &options)?;
        let dir = trained.save(&self.models)?;
        let inauthentic = rows.iter().filter(|row| row.inauthentic).count();
        eprintln!(
            "trained on {} clusters, {inauthentic} of them inauthentic (synthetic); {} holds the model, its manifest and card",
            rows.len(),
            dir.display()
        );
        Ok(())
    }
}

/// The clusters that the engine finds in a world, with what they are.
fn label(world: &World, name: &str, seed: u64) -> Result<Vec<Row>> {
    let (posts, truth) = world.stream(seed);
    let mut engine = Engine::new(Params::default())?;
    let mut found = Vec::new();
    for post in posts {
        engine.on_post(post.created_at, &post.as_post(), &mut found);
    }
    engine.finish(&mut found);
    // Only coordinated clusters are judged: a single-source one is never flagged, whatever the model says. Each is two rows, as it
    // was first told and as it was last: in service, the model judges young clusters too.
    let mut states: BTreeMap<&str, (&Cluster, &Cluster)> = BTreeMap::new();
    for cluster in found.iter().filter(|cluster| cluster.finding == Finding::Coordinated) {
        states.entry(&cluster.id).and_modify(|(_, last)| *last = cluster).or_insert((cluster, cluster));
    }
    let groups = Groups::new(&truth);
    let rows = states.into_values().flat_map(|(first, last)| {
        let last = (last.version != first.version).then_some(last);
        std::iter::once(first).chain(last)
    });
    Ok(rows
        .map(|cluster| {
            let (inauthentic, group) = groups.of(cluster);
            Row::new(cluster, inauthentic, &group, name, seed)
        })
        .collect())
}

/// Which group each account was planted in.
struct Groups<'t> {
    of_account: BTreeMap<&'t AccountKey, (bool, &'t str)>,
}

impl<'t> Groups<'t> {
    fn new(truth: &'t Truth) -> Groups<'t> {
        let group = |groups: &'t [simulator::GroupTruth], inauthentic: bool| {
            groups.iter().flat_map(move |g| g.members.iter().map(move |m| (m, (inauthentic, g.name.as_str()))))
        };
        // An account in both is the campaign's.
        Groups { of_account: group(&truth.lookalikes, false).chain(group(&truth.campaigns, true)).collect() }
    }

    /// Whether a campaign has the majority, and the name of the group that most members are in.
    fn of(&self, cluster: &Cluster) -> (bool, String) {
        let mut counts: BTreeMap<(bool, &str), usize> = BTreeMap::new();
        for member in &cluster.members {
            let key =
                AccountKey { platform: member.account.platform.clone(), account_id: member.account.account_id.clone() };
            *counts.entry(self.of_account.get(&key).copied().unwrap_or((false, "crowd"))).or_insert(0) += 1;
        }
        let most = counts.into_iter().max_by_key(|(_, n)| *n);
        let Some(((inauthentic, name), n)) = most else { return (false, "crowd".to_owned()) };
        (inauthentic && n as f64 >= MAJORITY * cluster.members.len() as f64, name.to_owned())
    }
}
