//! `lockstep detect`: files of posts to clusters, ties and accounts, with no service at all.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use coordination::{AccountEvidence, AccountRef, Cluster, Finding, Millis, SingleSource, Stats, Tie};
use jiff::Timestamp;
use messages::cluster::{ClusterError, ClusterMessage, Status, Why};
use scoring::{Account, Model, Named};
use serde_json::json;

use crate::{
    config::{Config, StartError},
    input::{BadLine, Counts, Input, InputError, Progress, SortedPosts},
    pipeline::{Pipeline, Read},
};

/// Posts handed from the reading thread to the detecting one at a time, and such batches that may wait.
const BATCH: usize = 1_024;
const AHEAD: usize = 8;
/// Bins of the overview of posts over time.
const BINS: usize = 240;
/// Posts of others below which a group has hardly a crowd to be compared with: the imagined one of the test weighs as much.
const CROWD: u64 = 50;

/// How far the work is.
#[derive(Debug, Clone, Copy)]
pub enum Stage {
    /// Files are being read.
    Reading(Progress),
    /// Posts have gone through the engine.
    Detecting {
        /// So many ...
        posts: u64,
        /// ... of so many.
        of: u64,
    },
}

/// What was found, and in what.
#[derive(Debug)]
pub struct Detection {
    /// Clusters in their last state: flagged first, then coordinated, then single-source; strongest first.
    pub clusters: Vec<ClusterMessage>,
    /// Groups that did not pass and came close, as of the end: nearest to their bar first.
    pub near_misses: Vec<ClusterMessage>,
    /// What the engine told on the way and in the end, in order.
    pub tellings: Vec<Telling>,
    /// All ties, strongest first.
    pub ties: Vec<Tie>,
    /// Every account with any evidence, the most suspect first.
    pub accounts: Vec<RankedAccount>,
    /// What was read.
    pub counts: Counts,
    /// Accounts seen.
    pub accounts_seen: u64,
    /// First and last post.
    pub period: Option<(Timestamp, Timestamp)>,
    /// Posts in equal steps over the period.
    pub histogram: Vec<u64>,
    /// What the engine counted.
    pub stats: Stats,
    /// Time from the first byte to the last cluster.
    pub took: Duration,
}

/// That the engine told a state of a cluster: who was named when.
#[derive(Debug, Clone, PartialEq)]
pub struct Telling {
    /// Event time; of what is told at the end, that of the last post.
    pub at: Millis,
    /// The cluster.
    pub cluster_id: String,
    /// Counts its states.
    pub version: u32,
    /// Flagged, coordinated or single-source.
    pub status: Status,
    /// Who is named.
    pub accounts: Vec<AccountRef>,
}

impl Telling {
    /// `None` for what names nobody: a near miss, and a cluster that has faded.
    fn new(at: Millis, cluster: &Cluster) -> Option<Telling> {
        let status = match cluster.finding {
            Finding::Coordinated if cluster.flagged => Status::Flagged,
            Finding::Coordinated => Status::Coordinated,
            Finding::SingleSource => Status::SingleSource,
            Finding::Faded | Finding::NearMiss => return None,
        };
        let accounts = cluster.members.iter().map(|member| member.account.clone()).collect();
        Some(Telling { at, cluster_id: cluster.id.clone(), version: cluster.version, status, accounts })
    }
}

/// An account and what speaks against it.
#[derive(Debug, Clone, PartialEq)]
pub struct RankedAccount {
    /// Ties, naming and behaviour.
    pub account: Account,
    /// The cluster that names it, and its status; near misses name nobody.
    pub cluster: Option<(String, Status)>,
    /// Probability that the account is inauthentic, where there is a model of accounts.
    pub probability: Option<f64>,
}

/// Why nothing could be detected.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// The input cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The configuration or the model is at fault.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A cluster cannot be written.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// An output file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Reads posts and finds what acts in lockstep. Bad lines are handed over one by one; reading goes on.
pub fn detect(
    input: Input,
    config: &Config,
    on_bad: &mut dyn FnMut(BadLine),
    on_stage: &mut dyn FnMut(Stage),
) -> Result<Detection, DetectError> {
    let began = Instant::now();
    let mut pipeline = Pipeline::new(config)?;
    let account_model = config.account_model()?;
    let mut posts = input.sorted(on_bad, &mut |progress| on_stage(Stage::Reading(progress)))?;
    let of = posts.counts().posts;
    let mut times: Vec<Millis> = Vec::new();
    let mut tellings = Vec::new();
    let mut done = 0;
    let reading = pipeline.reading();
    let posts = thread::scope(|scope| {
        // One thread decodes and reads the posts, this one detects.
        let (batches, read) = mpsc::sync_channel::<Vec<(Millis, Read)>>(AHEAD);
        let reader = scope.spawn(move || -> Result<SortedPosts, InputError> {
            let mut batch = Vec::with_capacity(BATCH);
            while let Some(raw) = posts.advance()? {
                // What was sorted has been decoded once before.
                let Ok(post) = messages::post::decode(raw) else { continue };
                batch.push((post.created_at, reading.read(&post)));
                if batch.len() == BATCH
                    && batches.send(std::mem::replace(&mut batch, Vec::with_capacity(BATCH))).is_err()
                {
                    break;
                }
            }
            // Nobody is there to take it only if nobody wants it.
            let _ = batches.send(batch);
            Ok(posts)
        });
        for batch in read {
            done += batch.len() as u64;
            for (at, post) in batch {
                pipeline.read(at, post);
                times.push(at);
                tellings.extend(pipeline.found().iter().filter_map(|cluster| Telling::new(at, cluster)));
                pipeline.discard();
            }
            on_stage(Stage::Detecting { posts: done, of });
        }
        reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    // Every cluster that still stands is told at the end, whatever was said of it on the way.
    pipeline.finish();
    let end = times.last().copied().unwrap_or_default();
    tellings.extend(pipeline.found().iter().filter_map(|cluster| Telling::new(end, cluster)));
    let (mut clusters, accounts) = ranked(pipeline.take()?, pipeline.accounts(), account_model.as_ref());
    let near_misses = clusters.split_off(clusters.partition_point(|cluster| cluster.status != Status::NearMiss));
    on_stage(Stage::Detecting { posts: done, of });
    let stats = pipeline.stats();
    Ok(Detection {
        accounts,
        ties: pipeline.ties(),
        clusters,
        near_misses,
        tellings,
        counts: posts.into_counts(),
        accounts_seen: stats.sizes.accounts as u64,
        period: period(&times),
        histogram: histogram(&times),
        stats,
        took: began.elapsed(),
    })
}

/// What was found at the end of a stream, in order: the clusters that stand, flagged first and the strongest first, then near misses, nearest
/// to their bar first; and every account with any evidence, the most suspect first. With a model of accounts, each has a probability.
pub fn ranked(
    mut clusters: Vec<ClusterMessage>,
    accounts: Vec<AccountEvidence>,
    model: Option<&Model>,
) -> (Vec<ClusterMessage>, Vec<RankedAccount>) {
    clusters.retain(|cluster| cluster.status != Status::Faded);
    clusters.sort_by(|x, y| {
        let strength = match x.status {
            Status::NearMiss => short_of_bar(x).total_cmp(&short_of_bar(y)),
            _ => y.log_e_leave_one_source_out.total_cmp(&x.log_e_leave_one_source_out),
        };
        class(x.status)
            .cmp(&class(y.status))
            .then(strength)
            // One text by many accounts has no evidence in nats.
            .then(y.accounts.len().cmp(&x.accounts.len()))
            .then_with(|| x.cluster_id.cmp(&y.cluster_id))
    });
    let accounts = rank(accounts, &clusters, model);
    (clusters, accounts)
}

fn class(status: Status) -> usize {
    match status {
        Status::Flagged => 0,
        Status::Coordinated => 1,
        Status::SingleSource => 2,
        Status::NearMiss => 3,
        Status::Faded => 4,
    }
}

/// Nats that a group lacks to pass.
pub fn short_of_bar(cluster: &ClusterMessage) -> f64 {
    let bar = cluster.test.map_or(f64::INFINITY, |terms| terms.bar);
    bar - cluster.log_e_leave_one_source_out
}

/// Whether a group was tested where hardly anybody else posted, so that imagined rates of copying stood in for a crowd.
pub fn without_crowd(cluster: &ClusterMessage) -> bool {
    cluster.windows.iter().any(|window| window.crowd.iter().sum::<u64>() < CROWD)
}

/// By probability, where there is a model of accounts. Of equals, and without a model: those in a cluster first, by status, then by the
/// evidence of naming, and by suspicion.
fn rank(accounts: Vec<AccountEvidence>, clusters: &[ClusterMessage], model: Option<&Model>) -> Vec<RankedAccount> {
    let mut named = HashMap::new();
    for cluster in clusters {
        for account in &cluster.accounts {
            let name = AccountRef { platform: account.platform.clone(), account_id: account.account_id.clone() };
            named.entry(name).or_insert((cluster, account));
        }
    }
    let mut ranked: Vec<RankedAccount> = accounts
        .into_iter()
        .map(|mut evidence| {
            let found = named.get(&evidence.account);
            if let Some((_, account)) = found.filter(|(_, account)| account.naming.is_some()) {
                (evidence.log_e, evidence.posterior) = (Some(account.log_e), account.posterior);
            }
            let cluster = found.map(|(cluster, _)| Named {
                finding: match cluster.status {
                    Status::Flagged | Status::Coordinated => Finding::Coordinated,
                    Status::SingleSource => Finding::SingleSource,
                    Status::Faded => Finding::Faded,
                    Status::NearMiss => Finding::NearMiss,
                },
                single_source: cluster.why.map(|why| match why {
                    Why::BestSource => SingleSource::BestSource,
                    Why::OneText => SingleSource::OneText,
                }),
                // Only coordinated clusters have a score that is read, and all of them have one.
                score: cluster.score.unwrap_or_default(),
            });
            let account = Account { evidence, cluster };
            let names = found.filter(|(cluster, _)| cluster.status != Status::NearMiss);
            let cluster = names.map(|(cluster, _)| (cluster.cluster_id.clone(), cluster.status));
            let probability = model.map(|model| model.verdict_on_account(&account).probability);
            RankedAccount { account, cluster, probability }
        })
        .collect();
    ranked.sort_by(|x, y| {
        let probability = y.probability.unwrap_or(0.0).total_cmp(&x.probability.unwrap_or(0.0));
        let status = |ranked: &RankedAccount| ranked.cluster.as_ref().map_or(usize::MAX, |(_, status)| class(*status));
        let status = status(x).cmp(&status(y));
        let (x, y) = (&x.account.evidence, &y.account.evidence);
        let log_e = |account: &AccountEvidence| account.log_e.unwrap_or(0.0);
        probability
            .then(status)
            .then(log_e(y).total_cmp(&log_e(x)))
            .then(y.suspicion.total_cmp(&x.suspicion))
            .then_with(|| x.account.cmp(&y.account))
    });
    ranked
}

fn period(times: &[Millis]) -> Option<(Timestamp, Timestamp)> {
    let time = |at: Option<&Millis>| Timestamp::from_millisecond(*at?).ok();
    Some((time(times.first())?, time(times.last())?))
}

fn histogram(times: &[Millis]) -> Vec<u64> {
    let (Some(&first), Some(&last)) = (times.first(), times.last()) else { return Vec::new() };
    let span = (last - first).max(1) as f64;
    let mut bins = vec![0; BINS];
    for at in times {
        let bin = ((at - first) as f64 / span * BINS as f64) as usize;
        bins[bin.min(BINS - 1)] += 1;
    }
    bins
}

impl Detection {
    /// Clusters of a status.
    pub fn count(&self, status: Status) -> usize {
        self.clusters.iter().filter(|cluster| cluster.status == status).count()
    }

    /// Single-source clusters of this sort.
    pub fn count_single_source(&self, why: Why) -> usize {
        self.clusters.iter().filter(|cluster| cluster.why == Some(why)).count()
    }

    /// Clusters that were tested [without a crowd](without_crowd).
    pub fn without_crowd(&self) -> usize {
        self.clusters.iter().filter(|cluster| without_crowd(cluster)).count()
    }

    /// Writes `clusters.jsonl`, `near_misses.jsonl`, `ties.csv`, `accounts.csv` and `summary.json` into a folder, made where missing.
    pub fn write(&self, dir: &Path) -> Result<(), DetectError> {
        std::fs::create_dir_all(dir).map_err(|source| DetectError::Write { path: dir.to_owned(), source })?;
        for (file, clusters) in [("clusters.jsonl", &self.clusters), ("near_misses.jsonl", &self.near_misses)] {
            create(&dir.join(file), |out| {
                for cluster in clusters {
                    let line = cluster.encode().map_err(io::Error::other)?;
                    out.write_all(&line)?;
                    out.write_all(b"\n")?;
                }
                Ok(())
            })?;
        }
        create(&dir.join("ties.csv"), |out| self.write_ties(out))?;
        create(&dir.join("accounts.csv"), |out| self.write_accounts(out))?;
        create(&dir.join("summary.json"), |out| {
            serde_json::to_writer_pretty(&mut *out, &self.summary())?;
            out.write_all(b"\n")
        })
    }

    /// Accounts are written as `platform:account_id` here, because a tie may join two platforms. A key counts once, so that there are as
    /// many distinct keys as co-acts.
    fn write_ties(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record([
            "account_a",
            "account_b",
            "kind",
            "co_acts",
            "distinct_keys",
            "nats",
            "median_lag_s",
            "expected",
        ])?;
        for tie in &self.ties {
            csv.write_record([
                &name(&tie.a),
                &name(&tie.b),
                tie.kind.name(),
                &tie.co_acts.to_string(),
                &tie.co_acts.to_string(),
                &format!("{:.4}", tie.nats),
                &format!("{:.3}", tie.median_lag_s),
                // Mostly far below one.
                &format!("{:.3e}", tie.expected),
            ])?;
        }
        csv.flush()
    }

    fn write_accounts(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record([
            "platform",
            "account_id",
            "posts",
            "log_e",
            "probability",
            "cluster_id",
            "status",
            "posterior",
            "suspicion",
            "strongest_tie_nats",
            "texts",
            "copies",
        ])?;
        for RankedAccount { account: Account { evidence, .. }, cluster, probability } in &self.accounts {
            let (id, status) = match cluster {
                Some((id, status)) => (id.as_str(), status.name()),
                None => ("", ""),
            };
            let known = |probability: Option<f64>| probability.map_or_else(String::new, |known| format!("{known:.6}"));
            csv.write_record([
                &evidence.account.platform,
                &evidence.account.account_id,
                &evidence.posts.to_string(),
                &format!("{:.4}", evidence.log_e.unwrap_or(0.0)),
                &known(*probability),
                id,
                status,
                &known(evidence.posterior),
                &format!("{:.4}", evidence.suspicion),
                &format!("{:.4}", evidence.tie_nats),
                &evidence.texts.to_string(),
                &evidence.copies.to_string(),
            ])?;
        }
        csv.flush()
    }

    /// What was read and found, in numbers.
    pub fn summary(&self) -> serde_json::Value {
        let named: usize = self.clusters.iter().map(|cluster| cluster.accounts.len()).sum();
        let evicted = &self.stats.evicted;
        json!({
            "posts": self.counts.posts,
            "accounts": self.accounts_seen,
            "rejected_lines": self.counts.bad,
            "duplicates": self.counts.duplicates,
            "first_post": self.period.map(|(first, _)| first.to_string()),
            "last_post": self.period.map(|(_, last)| last.to_string()),
            "candidates_tested": self.stats.candidates_proposed,
            "flagged": self.count(Status::Flagged),
            "coordinated": self.count(Status::Coordinated),
            "single_source": self.count(Status::SingleSource),
            "one_text": self.count_single_source(Why::OneText),
            "near_misses": self.near_misses.len(),
            "groups_too_large": self.stats.too_large,
            "groups_without_crowd": self.without_crowd(),
            "evicted": {
                "uses": evicted.uses,
                "ties": evicted.ties,
                "texts": evicted.texts,
                "candidates": evicted.candidates,
                "accounts": evicted.accounts,
            },
            "accounts_in_clusters": named,
            "seconds": self.took.as_secs_f64(),
            "posts_per_second": self.counts.posts as f64 / self.took.as_secs_f64().max(1e-9),
        })
    }
}

fn name(account: &AccountRef) -> String {
    format!("{}:{}", account.platform, account.account_id)
}

/// Writes a file whole or not at all.
pub(crate) fn create(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), DetectError> {
    let fail = |source| DetectError::Write { path: path.to_owned(), source };
    let unfinished = path.with_extension("unfinished");
    let mut out = BufWriter::new(File::create(&unfinished).map_err(fail)?);
    write(&mut out).and_then(|()| out.flush()).map_err(fail)?;
    std::fs::rename(&unfinished, path).map_err(fail)
}
