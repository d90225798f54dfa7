//! Labelled clusters to train models with: from simulated worlds, from labelled files of posts, and
//! from the feedback of partners and reviewers on clusters that were found in service.
//!
//! All three use the features of the code that scores in service: they are computed for the
//! engine's clusters, and messages contain them.

pub mod accounts;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use coordination::{AccountEvidence, Cluster, Engine, Finding, Params, ParamsError};
use detection::detect::detect;
use detection::input::{Input, Options};
use messages::cluster::{ClusterMessage, Status};
use messages::feedback::Feedback;
use scoring::features;
use scoring::{Folds, LabelSource, Origin, Row};
use simulator::{AccountKey, Truth, World};

use crate::EvaluationError;
use crate::posts::Labels;
use crate::run::in_order;
use crate::truth::{Groups, MAJORITY, key};

/// The clusters that the engine finds in a simulated world, and the truth about the world.
pub struct Seen {
    world: String,
    seed: u64,
    truth: Truth,
    languages: Languages,
    /// Every state of every cluster.
    found: Vec<Cluster>,
    /// Number of these states that were reported before the stream ended.
    before_the_end: usize,
    accounts: Vec<AccountEvidence>,
}

impl Seen {
    /// Runs a world through the engine.
    ///
    /// The facts that a platform gives about accounts (their profile, their application, deletions)
    /// differ from seed to seed; seed 1 is the unchanged world. Campaigns and innocent groups
    /// prefer different platforms, so a missing fact would otherwise distinguish them, and trees
    /// would learn that instead of behaviour.
    pub fn new(world: &World, name: &str, seed: u64) -> Result<Seen, ParamsError> {
        let world = telling_in_turn(world, seed);
        let (posts, truth) = world.stream(seed);
        let mut engine = Engine::new(Params::default())?;
        let mut found = Vec::new();
        let mut languages = Languages::default();
        for post in posts {
            let read = post.as_post();
            languages.add(
                AccountKey { platform: read.platform.to_string(), account_id: read.account_id.to_string() },
                read.lang.as_deref(),
            );
            engine.on_post(post.created_at, &read, &mut found);
        }
        let before_the_end = found.len();
        engine.finish(&mut found);
        let accounts = engine.accounts();
        Ok(Seen { world: name.to_owned(), seed, truth, languages, found, before_the_end, accounts })
    }

    /// The coordinated clusters, with their labels.
    ///
    /// Only these are judged: models are not used for clusters with another finding, so there are
    /// none among them. A cluster is two rows, its first and its last report: in service, the model
    /// judges young clusters as well.
    pub fn clusters(&self) -> Vec<Row> {
        let mut states: BTreeMap<&str, (&Cluster, &Cluster)> = BTreeMap::new();
        for cluster in self.found.iter().filter(|cluster| cluster.finding == Finding::Coordinated) {
            states.entry(&cluster.id).and_modify(|(_, last)| *last = cluster).or_insert((cluster, cluster));
        }
        let groups = Groups::new(&self.truth);
        let clusters = states.into_values().flat_map(|(first, last)| {
            let last = (last.version != first.version).then_some(last);
            std::iter::once(first).chain(last)
        });
        let row = |cluster: &Cluster| {
            // Its features are those of its own group, so its label is as well.
            let own = cluster.members.iter().filter(|member| !member.elsewhere);
            let members: Vec<AccountKey> = own.map(|member| key(&member.account)).collect();
            let origin = groups.of(&members);
            let benign_class = match groups.label(origin.group) {
                Some(label) if !origin.campaign => name_of(label),
                _ => String::new(),
            };
            let origin = Origin {
                inauthentic: origin.campaign,
                label_source: LabelSource::Simulator,
                weight: 1.0,
                campaign: origin.group.to_owned(),
                benign_class,
                world: self.world.clone(),
                seed: self.seed,
                language: self.languages.of(&members),
            };
            Row::new(cluster, origin)
        };
        clusters.map(row).collect()
    }
}

fn telling_in_turn(world: &World, seed: u64) -> World {
    let mut world = world.clone();
    let tell: Vec<[bool; 3]> = world.platforms.iter().map(|p| [p.profile, p.client, p.deletions]).collect();
    let by = (seed.wrapping_sub(1) % tell.len().max(1) as u64) as usize;
    for (platform, [profile, client, deletions]) in world.platforms.iter_mut().zip(tell.into_iter().cycle().skip(by)) {
        (platform.profile, platform.client, platform.deletions) = (profile, client, deletions);
    }
    world
}

/// Runs each of these worlds with each of the seeds, on this number of threads, and applies a
/// function to each. Results are sorted by world and then by seed. `on_done` is called for each,
/// from any thread.
///
/// # Errors
/// As [`Seen::new`].
pub fn of_worlds<T: Send>(
    worlds: &[(String, World)],
    seeds: RangeInclusive<u64>,
    threads: usize,
    make: &(dyn Fn(Seen) -> T + Sync),
    on_done: &(dyn Fn(&str, u64) + Sync),
) -> Result<Vec<T>, ParamsError> {
    let jobs: Vec<(&(String, World), u64)> =
        worlds.iter().flat_map(|world| seeds.clone().map(move |seed| (world, seed))).collect();
    let made = in_order(jobs.len(), threads, |at| {
        let ((name, world), seed) = jobs[at];
        let made = Seen::new(world, name, seed).map(make);
        on_done(name, seed);
        made
    });
    made.into_iter().collect()
}

/// The [clusters](Seen::clusters) that the engine finds in a world.
pub fn of_world(world: &World, name: &str, seed: u64) -> Result<Vec<Row>, ParamsError> {
    Ok(Seen::new(world, name, seed)?.clusters())
}

/// The name of a label in the truth that `lockstep simulate` writes.
fn name_of(label: simulator::Label) -> String {
    serde_json::to_value(label).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The coordinated clusters that the detector finds in a labelled collection, with the label of
/// most of their accounts. Clusters without a labelled account are left out.
pub fn of_posts(
    files: &[PathBuf],
    options: Options,
    labels: &Labels,
    collection: &str,
    config: &detection::Config,
) -> Result<Vec<Row>, EvaluationError> {
    let mut languages = Languages::default();
    Input::open(files, options.clone())?.each::<detection::input::InputError>(
        &mut |post, _| {
            let key = AccountKey { platform: post.platform.to_string(), account_id: post.account_id.to_string() };
            languages.add(key, post.lang.as_deref());
            Ok(())
        },
        &mut |_| {},
        &mut |_| {},
    )?;
    let found = detect(Input::open(files, options)?, config, &mut |_| {}, &mut |_| {})?;
    let judged =
        found.clusters.iter().filter(|cluster| matches!(cluster.status, Status::Flagged | Status::Coordinated));
    Ok(judged
        .filter_map(|cluster| {
            let members = members_of(cluster);
            let known: Vec<bool> = members.iter().filter_map(|member| labels.inauthentic(member)).collect();
            let inauthentic = known.iter().filter(|known| **known).count() as f64 >= MAJORITY * known.len() as f64;
            let campaign = match inauthentic {
                true => labels.campaign_of(&members).unwrap_or_else(|| cluster.cluster_id.clone()),
                false => format!("organic {}", cluster.cluster_id),
            };
            let origin = Origin {
                inauthentic,
                label_source: LabelSource::Posts,
                weight: 1.0,
                campaign,
                benign_class: String::new(),
                world: collection.to_owned(),
                seed: 0,
                language: languages.of(&members),
            };
            if known.is_empty() { None } else { row_of(cluster, origin) }
        })
        .collect())
}

/// Weights of feedback on clusters in training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trust {
    /// Weight of a reviewer's verdict on a cluster.
    pub reviewer: f64,
    /// Weight of a partner's verdict on a cluster.
    pub partner: f64,
    /// The greatest weight of all rows of one partner together, as a share of the weight of all
    /// rows that do not come from partners. With it, one partner alone cannot reverse a model, not
    /// even for groups that are identical to those with its wrong verdicts (a test checks this;
    /// with a tenth and 31 features it could).
    pub cap: f64,
}

impl Default for Trust {
    fn default() -> Self {
        Trust { reviewer: 1.0, partner: 0.5, cap: 0.05 }
    }
}

/// Feedback as rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// One row for each cluster with a verdict that remains after adding up all feedback.
    pub rows: Vec<Row>,
    /// By partner: the factor, below 1, by which the weight of its feedback was reduced to the cap.
    pub capped: BTreeMap<String, f64>,
    /// Clusters in the feedback that are not among the given ones, or that have no features.
    pub unknown: BTreeSet<String>,
    /// Clusters whose features were written by a version with another list. They are left out, with
    /// their feedback.
    pub older: BTreeSet<String>,
    /// Clusters for which the feedback cancels out.
    pub undecided: BTreeSet<String>,
}

/// Verdicts on clusters as rows. `others` is the weight of the rows from other sources.
///
/// Each author has one vote per cluster: the last verdict on the whole cluster, or else the balance
/// of the last verdicts on its accounts. Votes for and against are subtracted. `collection` is the
/// world of the rows.
pub fn of_feedback(
    clusters: &BTreeMap<String, ClusterMessage>,
    feedback: &[Feedback],
    trust: &Trust,
    others: f64,
    collection: &str,
) -> Heard {
    let mut last: BTreeMap<String, &Feedback> = BTreeMap::new();
    for word in feedback {
        let kept = last.entry(word.key()).or_insert(word);
        if word.at >= kept.at {
            *kept = word;
        }
    }
    // By author and cluster: verdict on the whole cluster, and accounts for and against.
    let mut said: BTreeMap<(&str, &str), (Option<bool>, f64, f64)> = BTreeMap::new();
    let (mut unknown, mut older) = (BTreeSet::new(), BTreeSet::new());
    for word in last.values() {
        let Some(cluster) = clusters.get(&word.cluster_id).filter(|cluster| !cluster.features.is_empty()) else {
            unknown.insert(word.cluster_id.clone());
            continue;
        };
        if features::values_by_name(&cluster.features).is_none() {
            older.insert(word.cluster_id.clone());
            continue;
        }
        let voice = said.entry((&word.partner, &word.cluster_id)).or_default();
        let inauthentic = word.verdict.inauthentic();
        match word.account {
            None => voice.0 = Some(inauthentic),
            Some(_) if inauthentic => voice.1 += 1.0,
            Some(_) => voice.2 += 1.0,
        }
    }
    let mut voices: Vec<(&str, &str, f64)> = Vec::new();
    for ((speaker, cluster), (whole, for_it, against)) in said {
        let opinion = match whole {
            Some(inauthentic) => {
                if inauthentic {
                    1.0
                } else {
                    -1.0
                }
            }
            None => (for_it - against) / (for_it + against),
        };
        let weight = if speaker.starts_with(REVIEWER) { trust.reviewer } else { trust.partner };
        voices.push((speaker, cluster, opinion * weight));
    }
    let is_partner = |speaker: &str| !speaker.starts_with(REVIEWER);
    let of = |wanted: &dyn Fn(&str) -> bool| -> f64 { voices.iter().filter(|v| wanted(v.0)).map(|v| v.2.abs()).sum() };
    let most = trust.cap * (others + of(&|speaker| !is_partner(speaker)));
    let mut capped = BTreeMap::new();
    for (speaker, _, _) in voices.iter().filter(|voice| is_partner(voice.0)) {
        let weight = of(&|other| other == *speaker);
        if weight > most {
            capped.insert((*speaker).to_owned(), most / weight);
        }
    }
    let mut sums: BTreeMap<&str, (f64, bool)> = BTreeMap::new();
    for (speaker, cluster, voice) in voices {
        let sum = sums.entry(cluster).or_insert((0.0, false));
        sum.0 += voice * capped.get(speaker).copied().unwrap_or(1.0);
        sum.1 |= !is_partner(speaker);
    }
    let mut rows = Vec::new();
    let mut undecided = BTreeSet::new();
    for (id, (sum, reviewed)) in sums {
        if sum.abs() < 1e-9 {
            undecided.insert(id.to_owned());
            continue;
        }
        let Some(cluster) = clusters.get(id) else { continue };
        let origin = Origin {
            inauthentic: sum > 0.0,
            label_source: if reviewed { LabelSource::Reviewer } else { LabelSource::Partner },
            weight: sum.abs().min(1.0),
            campaign: id.to_owned(),
            benign_class: String::new(),
            world: collection.to_owned(),
            seed: 0,
            language: String::new(),
        };
        rows.extend(row_of(cluster, origin));
    }
    Heard { rows, capped, unknown, older, undecided }
}

/// Prefix of a reviewer's name in the author field of feedback.
const REVIEWER: &str = "reviewer:";

/// The accounts that the cluster's own group names: its features come from these.
fn members_of(cluster: &ClusterMessage) -> Vec<AccountKey> {
    let accounts = cluster.accounts.iter().filter(|account| !account.elsewhere);
    accounts.map(|a| AccountKey { platform: a.platform.clone(), account_id: a.account_id.clone() }).collect()
}

/// `None` if another version wrote the message's features.
fn row_of(cluster: &ClusterMessage, origin: Origin) -> Option<Row> {
    let mut platforms: BTreeMap<&str, usize> = BTreeMap::new();
    for account in &cluster.accounts {
        *platforms.entry(&account.platform).or_insert(0) += 1;
    }
    let platform = platforms.into_iter().max_by_key(|(_, n)| *n).map_or("", |(name, _)| name);
    Some(Row {
        cluster_id: cluster.cluster_id.clone(),
        origin,
        at_ms: cluster.last_seen.as_millisecond(),
        accounts: cluster.accounts.len() as u64,
        platform: platform.to_owned(),
        folds: Folds::default(),
        values: features::values_by_name(&cluster.features)?,
    })
}

/// The languages of each account's posts.
#[derive(Default)]
struct Languages(BTreeMap<AccountKey, BTreeMap<String, u32>>);

impl Languages {
    fn add(&mut self, account: AccountKey, language: Option<&str>) {
        if let Some(language) = language {
            let languages = self.0.entry(account).or_default();
            match languages.get_mut(language) {
                Some(posts) => *posts += 1,
                None => drop(languages.insert(language.to_owned(), 1)),
            }
        }
    }

    /// The most frequent language in the posts of these accounts.
    fn of(&self, accounts: &[AccountKey]) -> String {
        let mut posts: BTreeMap<&str, u32> = BTreeMap::new();
        for (language, n) in accounts.iter().filter_map(|account| self.0.get(account)).flatten() {
            *posts.entry(language).or_insert(0) += n;
        }
        posts.into_iter().max_by_key(|(_, n)| *n).map_or_else(String::new, |(language, _)| language.to_owned())
    }
}

#[cfg(test)]
mod tests;
