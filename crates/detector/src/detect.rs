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
    /// Every account: those of flagged clusters first, then the most suspect.
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
/// to their bar first; and every account, those of flagged clusters first, then the most suspect.
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

/// Those that a flagged cluster names first, then by suspicion, from which activity is divided out. A model of accounts gives those a
/// probability of which there is anything to say.
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
                single_source: match cluster.why {
                    Some(Why::BestSource) => Some(SingleSource::BestSource),
                    Some(Why::OneText) => Some(SingleSource::OneText),
                    Some(Why::NotPlain) | None => None,
                },
                // Only coordinated clusters have a score that is read, and all of them have one.
                score: cluster.score.unwrap_or_default(),
            });
            let account = Account { evidence, cluster };
            let names = found.filter(|(cluster, _)| cluster.status != Status::NearMiss);
            let cluster = names.map(|(cluster, _)| (cluster.cluster_id.clone(), cluster.status));
            let model = model.filter(|_| account.evidence.any() || account.cluster.is_some());
            let probability = model.map(|model| model.verdict_on_account(&account).probability);
            RankedAccount { account, cluster, probability }
        })
        .collect();
    ranked.sort_by(|x, y| {
        let flagged =
            |ranked: &RankedAccount| ranked.cluster.as_ref().is_some_and(|(_, status)| *status == Status::Flagged);
        let flagged = flagged(y).cmp(&flagged(x));
        let (x, y) = (&x.account.evidence, &y.account.evidence);
        flagged.then(y.suspicion.total_cmp(&x.suspicion)).then_with(|| x.account.cmp(&y.account))
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

#[cfg(test)]
mod tests {
    use messages::fixtures::{self, Shape};

    use super::*;

    fn message(cluster: &Cluster) -> ClusterMessage {
        let verdict = ClusterMessage::takes_verdict(cluster).then(|| fixtures::verdict(cluster.flagged));
        ClusterMessage::new(cluster, verdict.as_ref(), Vec::new(), Vec::new()).unwrap()
    }

    fn called(id: &str, cluster: Cluster) -> Cluster {
        Cluster { id: id.to_owned(), ..cluster }
    }

    fn near(id: &str, short: f64) -> Cluster {
        let mut cluster = called(id, fixtures::near_miss(Shape { seed: 7, ..Shape::default() }));
        cluster.log_e_leave_one_source_out = cluster.terms.bar - short;
        cluster
    }

    fn evidence(account: &AccountRef, suspicion: f64) -> AccountEvidence {
        AccountEvidence {
            account: account.clone(),
            posts: 9,
            last_post: 0,
            tie_nats: 14.5,
            texts: 6,
            copies: 4,
            suspicion,
            log_e: None,
            posterior: None,
        }
    }

    fn outsider(id: &str) -> AccountRef {
        AccountRef { platform: "x".to_owned(), account_id: id.to_owned() }
    }

    fn detection() -> Detection {
        let shape = Shape::default();
        let flagged = called("flagged", fixtures::coordinated(shape, true));
        let found = [
            near("far", 4.0),
            called("one-text", fixtures::one_text(40)),
            called("faded", Cluster { finding: Finding::Faded, ..fixtures::coordinated(shape, false) }),
            near("near", 1.5),
            called("best-source", fixtures::best_source(Shape { seed: 3, ..shape })),
            called("coordinated", fixtures::coordinated(Shape { seed: 2, ..shape }, false)),
            flagged.clone(),
        ];
        let accounts = vec![
            evidence(&outsider("quiet"), 0.5),
            evidence(&outsider("loud"), 3.0),
            evidence(&flagged.members[0].account, 0.0),
        ];
        let (mut clusters, accounts) = ranked(found.iter().map(message).collect(), accounts, None);
        let near_misses = clusters.split_off(clusters.partition_point(|cluster| cluster.status != Status::NearMiss));
        Detection {
            clusters,
            near_misses,
            tellings: found.iter().filter_map(|cluster| Telling::new(5, cluster)).collect(),
            ties: flagged.ties,
            accounts,
            counts: Counts::default(),
            accounts_seen: 3,
            period: None,
            histogram: Vec::new(),
            stats: Stats { too_large: 2, ..Stats::default() },
            took: Duration::from_secs(1),
        }
    }

    fn ids(clusters: &[ClusterMessage]) -> Vec<&str> {
        clusters.iter().map(|cluster| cluster.cluster_id.as_str()).collect()
    }

    #[test]
    fn clusters_come_by_status_and_near_misses_apart_nearest_to_their_bar_first() {
        let detection = detection();
        assert_eq!(ids(&detection.clusters), ["flagged", "coordinated", "best-source", "one-text"]);
        assert_eq!(ids(&detection.near_misses), ["near", "far"]);
        assert!((short_of_bar(&detection.near_misses[0]) - 1.5).abs() < 1e-6);
        let told: Vec<(&str, Status)> =
            detection.tellings.iter().map(|telling| (telling.cluster_id.as_str(), telling.status)).collect();
        assert_eq!(
            told,
            [
                ("one-text", Status::SingleSource),
                ("best-source", Status::SingleSource),
                ("coordinated", Status::Coordinated),
                ("flagged", Status::Flagged),
            ]
        );
    }

    #[test]
    fn accounts_come_by_cluster_then_by_suspicion_and_near_misses_name_nobody() {
        let detection = detection();
        let names: Vec<&str> =
            detection.accounts.iter().map(|ranked| ranked.account.evidence.account.account_id.as_str()).collect();
        assert_eq!(names[1..], ["loud", "quiet"]);
        let first = &detection.accounts[0];
        assert_eq!(first.cluster, Some(("flagged".to_owned(), Status::Flagged)));
        let told = &detection.clusters[0].accounts;
        let told = told.iter().find(|account| account.account_id == names[0]).unwrap();
        assert_eq!(first.account.evidence.log_e, Some(told.log_e));
        assert_eq!(first.account.evidence.posterior, told.posterior);

        let near = near("near", 1.0);
        let accounts = vec![evidence(&near.members[0].account, 1.0)];
        let (_, accounts) = ranked(vec![message(&near)], accounts, None);
        assert_eq!(accounts[0].cluster, None);
        assert_eq!(accounts[0].account.cluster.unwrap().finding, Finding::NearMiss, "its model may know");
        assert_eq!((accounts[0].account.evidence.log_e, accounts[0].account.evidence.posterior), (None, None));
    }

    #[test]
    fn files_have_the_columns_that_are_promised() {
        let detection = detection();
        let dir = tempfile::tempdir().unwrap();
        detection.write(dir.path()).unwrap();
        let read = |file: &str| std::fs::read_to_string(dir.path().join(file)).unwrap();
        let ties = read("ties.csv");
        let mut lines = ties.lines();
        assert_eq!(lines.next(), Some("account_a,account_b,kind,co_acts,distinct_keys,nats,median_lag_s,expected"));
        let tie: Vec<&str> = lines.next().unwrap().split(',').collect();
        assert_eq!(tie[3], tie[4], "a key counts once");
        let expected: f64 = tie[7].parse().unwrap();
        assert!((expected / detection.ties[0].expected - 1.0).abs() < 1e-3, "{tie:?}");
        let accounts = read("accounts.csv");
        let mut lines = accounts.lines();
        assert_eq!(
            lines.next(),
            Some(
                "platform,account_id,posts,log_e,probability,cluster_id,status,posterior,suspicion,strongest_tie_nats,texts,copies"
            )
        );
        assert!(lines.next().unwrap().contains(",flagged,flagged,"), "{accounts}");
        assert_eq!(lines.next(), Some("x,loud,9,0.0000,,,,,3.0000,14.5000,6,4"));
        for (file, clusters) in [("clusters.jsonl", &detection.clusters), ("near_misses.jsonl", &detection.near_misses)]
        {
            let told: Vec<ClusterMessage> =
                read(file).lines().map(|line| ClusterMessage::decode(line.as_bytes()).unwrap()).collect();
            assert_eq!(ids(&told), ids(clusters), "{file}");
        }
        let summary: serde_json::Value = serde_json::from_str(&read("summary.json")).unwrap();
        for (name, count) in [
            ("flagged", 1),
            ("coordinated", 1),
            ("single_source", 2),
            ("one_text", 1),
            ("near_misses", 2),
            ("groups_too_large", 2),
        ] {
            assert_eq!(summary[name], count, "{name}");
        }
    }

    #[test]
    fn a_group_without_a_crowd_is_known_by_its_windows() {
        let mut cluster = fixtures::coordinated(Shape::default(), false);
        for (posts, without) in [(49, true), (50, false)] {
            cluster.windows.iter_mut().for_each(|window| window.crowd = [0, 0, 0, 1, posts - 1]);
            assert_eq!(without_crowd(&message(&cluster)), without, "{posts}");
        }
        assert!(!without_crowd(&message(&fixtures::one_text(40))), "a count is compared with nobody");
    }
}
