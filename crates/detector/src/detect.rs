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

use coordination::{AccountEvidence, AccountRef, Finding, Millis, Stats, Tie};
use jiff::Timestamp;
use messages::cluster::{ClusterError, ClusterMessage, Status};
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
/// Ties with fewer co-acts are not written: one coincidence is none.
const TIE_CO_ACTS: u32 = 2;

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
    /// Ties with at least two co-acts, strongest first.
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

/// An account and what speaks against it.
#[derive(Debug, Clone, PartialEq)]
pub struct RankedAccount {
    /// Ties, member tests and behaviour.
    pub account: Account,
    /// The cluster that names it, and its status.
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
            }
            on_stage(Stage::Detecting { posts: done, of });
            pipeline.discard();
        }
        reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    // Every cluster that still stands is told at the end, whatever was said of it on the way.
    pipeline.discard();
    pipeline.finish();
    let (clusters, accounts) = ranked(pipeline.take()?, pipeline.accounts(), account_model.as_ref());
    on_stage(Stage::Detecting { posts: done, of });
    let stats = pipeline.stats();
    Ok(Detection {
        accounts,
        ties: pipeline.ties(TIE_CO_ACTS),
        clusters,
        counts: posts.into_counts(),
        accounts_seen: stats.sizes.accounts as u64,
        period: period(&times),
        histogram: histogram(&times),
        stats,
        took: began.elapsed(),
    })
}

/// What was found at the end of a stream, in order: the clusters that stand, flagged first and the strongest first, and every account with
/// any evidence, the most suspect first. With a model of accounts, each has a probability.
pub fn ranked(
    mut clusters: Vec<ClusterMessage>,
    accounts: Vec<AccountEvidence>,
    model: Option<&Model>,
) -> (Vec<ClusterMessage>, Vec<RankedAccount>) {
    clusters.retain(|cluster| cluster.status != Status::Faded);
    let order = |status| match status {
        Status::Flagged => 0,
        Status::Coordinated => 1,
        Status::SingleSource => 2,
        Status::Faded => 3,
    };
    clusters.sort_by(|x, y| {
        order(x.status)
            .cmp(&order(y.status))
            .then(y.log_e_leave_one_source_out.total_cmp(&x.log_e_leave_one_source_out))
            .then_with(|| x.cluster_id.cmp(&y.cluster_id))
    });
    let accounts = rank(accounts, &clusters, model);
    (clusters, accounts)
}

/// By probability, where there is a model of accounts. Of equals, and without a model: those in a cluster first, by status, then by the
/// evidence of the member test, by company, and by the strongest tie.
fn rank(accounts: Vec<AccountEvidence>, clusters: &[ClusterMessage], model: Option<&Model>) -> Vec<RankedAccount> {
    let mut named: HashMap<AccountRef, (&ClusterMessage, f64)> = HashMap::new();
    for cluster in clusters {
        for account in &cluster.accounts {
            let name = AccountRef { platform: account.platform.clone(), account_id: account.account_id.clone() };
            named.entry(name).or_insert((cluster, account.log_e));
        }
    }
    let mut ranked: Vec<(RankedAccount, Option<Status>)> = accounts
        .into_iter()
        .map(|mut evidence| {
            let found = named.get(&evidence.account);
            if let Some((_, log_e)) = found {
                evidence.log_e = Some(*log_e);
            }
            let cluster = found.map(|(cluster, _)| Named {
                finding: match cluster.status {
                    Status::Flagged | Status::Coordinated => Finding::Coordinated,
                    Status::SingleSource => Finding::SingleSource,
                    Status::Faded => Finding::Faded,
                },
                score: cluster.score,
            });
            let account = Account { evidence, cluster };
            let cluster = found.map(|(cluster, _)| (cluster.cluster_id.clone(), cluster.status));
            let status = cluster.as_ref().map(|(_, status)| *status);
            let probability = model.map(|model| model.verdict_on_account(&account).probability);
            (RankedAccount { account, cluster, probability }, status)
        })
        .collect();
    let class = |status: &Option<Status>| match status {
        Some(Status::Flagged) => 0,
        Some(Status::Coordinated) => 1,
        Some(Status::SingleSource) => 2,
        Some(Status::Faded) | None => 3,
    };
    ranked.sort_by(|(x, x_status), (y, y_status)| {
        let probability = y.probability.unwrap_or(0.0).total_cmp(&x.probability.unwrap_or(0.0));
        let (x, y) = (&x.account.evidence, &y.account.evidence);
        let log_e = |account: &AccountEvidence| account.log_e.unwrap_or(0.0).max(0.0);
        probability
            .then(class(x_status).cmp(&class(y_status)))
            .then(log_e(y).total_cmp(&log_e(x)))
            .then(y.company.total_cmp(&x.company))
            .then(y.tie_nats.total_cmp(&x.tie_nats))
            .then_with(|| x.account.cmp(&y.account))
    });
    ranked.into_iter().map(|(account, _)| account).collect()
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

    /// Writes `clusters.jsonl`, `ties.csv`, `accounts.csv` and `summary.json` into a folder, made where missing.
    pub fn write(&self, dir: &Path) -> Result<(), DetectError> {
        std::fs::create_dir_all(dir).map_err(|source| DetectError::Write { path: dir.to_owned(), source })?;
        create(&dir.join("clusters.jsonl"), |out| {
            for cluster in &self.clusters {
                let line = cluster.encode().map_err(io::Error::other)?;
                out.write_all(&line)?;
                out.write_all(b"\n")?;
            }
            Ok(())
        })?;
        create(&dir.join("ties.csv"), |out| self.write_ties(out))?;
        create(&dir.join("accounts.csv"), |out| self.write_accounts(out))?;
        create(&dir.join("summary.json"), |out| {
            serde_json::to_writer_pretty(&mut *out, &self.summary())?;
            out.write_all(b"\n")
        })
    }

    /// Accounts are written as `platform:account_id` here, because a tie may join two platforms.
    fn write_ties(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(["account_a", "account_b", "kind", "co_acts", "distinct_keys", "nats", "median_lag_s"])?;
        for tie in &self.ties {
            csv.write_record([
                &name(&tie.a),
                &name(&tie.b),
                tie.kind.name(),
                &tie.co_acts.to_string(),
                &tie.distinct_keys.to_string(),
                &format!("{:.4}", tie.nats),
                &format!("{:.3}", tie.median_lag_s),
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
            "strongest_tie_nats",
            "company",
        ])?;
        for RankedAccount { account: Account { evidence, .. }, cluster, probability } in &self.accounts {
            let (id, status) = match cluster {
                Some((id, status)) => (id.as_str(), status_name(*status)),
                None => ("", ""),
            };
            let probability = probability.map_or_else(String::new, |probability| format!("{probability:.6}"));
            csv.write_record([
                &evidence.account.platform,
                &evidence.account.account_id,
                &evidence.posts.to_string(),
                &format!("{:.4}", evidence.log_e.unwrap_or(0.0)),
                &probability,
                id,
                status,
                &format!("{:.4}", evidence.tie_nats),
                &format!("{:.4}", evidence.company),
            ])?;
        }
        csv.flush()
    }

    /// What was read and found, in numbers.
    pub fn summary(&self) -> serde_json::Value {
        let named: usize = self.clusters.iter().map(|cluster| cluster.accounts.len()).sum();
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
            "accounts_in_clusters": named,
            "seconds": self.took.as_secs_f64(),
            "posts_per_second": self.counts.posts as f64 / self.took.as_secs_f64().max(1e-9),
        })
    }
}

/// The wire's name of a status.
pub fn status_name(status: Status) -> &'static str {
    match status {
        Status::Flagged => "flagged",
        Status::SingleSource => "single_source",
        Status::Faded => "faded",
        Status::Coordinated => "coordinated",
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
