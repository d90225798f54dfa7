//! `lockstep detect`: from files of posts to clusters, ties and accounts, without any service.

mod network;
mod posted;
mod rank;
mod record;
mod times;
mod write;

use std::{
    collections::HashMap,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use coordination::{AccountRef, Cluster, Finding, Millis, Object, Stats, Tie, TraceKind};
use jiff::Timestamp;
use messages::cluster::{ClusterAccount, ClusterError, ClusterMessage, Status};

use self::{
    posted::Wanted,
    record::{End, Record},
    times::{apart, histogram, period},
};
pub use self::{
    posted::{Posted, Said},
    rank::{RankedAccount, ranked, short_of_threshold, without_crowd},
    times::Apart,
};
use crate::{
    config::{Config, StartError},
    input::{BadLine, Counts, Input, InputError, Progress, SortedPosts},
    peers::{MOST_POSTS_VIEWED, PeerView, PeersError, views},
    pipeline::{Pipeline, Read},
};

/// Posts that the reading thread hands to the detecting thread at a time, and how many such batches
/// may wait.
const BATCH: usize = 1_024;
const AHEAD: usize = 8;
/// Objects that are counted for `objects.csv`: about 200 bytes each.
const OBJECTS: usize = 2_000_000;

/// The progress of the run.
#[derive(Debug, Clone, Copy)]
pub enum Phase {
    /// Files are being read.
    Reading(Progress),
    /// Posts have gone through the engine.
    Detecting {
        /// Posts so far.
        posts: u64,
        /// Posts in total.
        of: u64,
    },
}

/// The results of a run and the counts of its input.
#[derive(Debug, Default)]
pub struct Detection {
    /// Every group that was ever reported, in its last state, however long it has been inactive:
    /// flagged first, then coordinated, then single-source, then faded; strongest first. A group
    /// that became part of another one is in that one's `lineage`.
    pub clusters: Vec<ClusterMessage>,
    /// Groups that almost passed and never did: nearest to their threshold first.
    pub near_misses: Vec<ClusterMessage>,
    /// Near misses that did not fit: those farthest from their threshold.
    pub near_misses_dropped: u64,
    /// Every report of the engine, during the run and at its end, in order.
    pub tellings: Vec<Telling>,
    /// All ties that were found, each with its greatest strength, strongest first.
    pub ties: Vec<Tie>,
    /// Every account: those of flagged clusters first, then by suspicion.
    pub accounts: Vec<RankedAccount>,
    /// Objects that at least two accounts used, those of the most accounts first.
    pub objects: Vec<Object>,
    /// Objects that did not fit into the table: those of the fewest accounts.
    pub objects_dropped: u64,
    /// Texts of the posts in evidence.
    pub posted: Posted,
    /// Results of the published tools' methods on the same posts, if nothing is flagged and there
    /// are not too many posts.
    pub peers: Option<Vec<PeerView>>,
    /// A few posts whose times are far from all others.
    pub apart: Vec<Apart>,
    /// Counts of the input.
    pub counts: Counts,
    /// Accounts seen.
    pub accounts_seen: u64,
    /// Time of the first and of the last post.
    pub period: Option<(Timestamp, Timestamp)>,
    /// Posts per time bin over the period; all bins have the same length.
    pub histogram: Vec<u64>,
    /// The engine's counters.
    pub stats: Stats,
    /// Time from the first byte to the last cluster.
    pub took: Duration,
}

/// One report of a cluster by the engine: which accounts were named, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Telling {
    /// Event time; for a report at the end of the run, the time of the last post.
    pub at: Millis,
    /// The cluster.
    pub cluster_id: String,
    /// Number of this state of the cluster.
    pub version: u32,
    /// Flagged, coordinated or single-source.
    pub status: Status,
    /// The named accounts.
    pub accounts: Vec<AccountRef>,
}

impl Telling {
    /// `None` for a cluster that names nobody: a near miss, or a faded cluster.
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

/// An object, and who used it.
#[derive(Debug, Clone)]
pub struct UsedObject<'d> {
    /// The object.
    pub object: &'d Object,
    /// The groups in whose evidence it is; empty if only the crowd used it.
    pub clusters: Vec<&'d str>,
    /// The text of its first post, if the object is a text and the post is known.
    pub text: Option<&'d str>,
}

impl UsedObject<'_> {
    /// `group`, or `crowd` if it is in the evidence of no group.
    pub fn used_by(&self) -> &'static str {
        if self.clusters.is_empty() { "crowd" } else { "group" }
    }
}

/// Why nothing could be detected.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// The input cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The configuration or the model is invalid.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A cluster cannot be written.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Another method cannot read the posts.
    #[error(transparent)]
    Peers(#[from] Box<PeersError>),
}

/// Reads posts and finds groups that act in lockstep. Bad lines are handed over one by one, and
/// reading goes on. Results that only people look at are left out: `objects`, `posted` and `peers`
/// are empty.
pub fn detect(
    input: Input,
    config: &Config,
    on_bad: &mut dyn FnMut(BadLine),
    on_phase: &mut dyn FnMut(Phase),
) -> Result<Detection, DetectError> {
    run(input, config, false, on_bad, on_phase)
}

/// As [`detect`], with everything that people look at. Reads the sorted posts a second time for the
/// texts of the posts in evidence and, if nothing is flagged, a few times more for the methods of
/// other tools.
pub fn detect_and_describe(
    input: Input,
    config: &Config,
    on_bad: &mut dyn FnMut(BadLine),
    on_phase: &mut dyn FnMut(Phase),
) -> Result<Detection, DetectError> {
    run(input, config, true, on_bad, on_phase)
}

fn run(
    input: Input,
    config: &Config,
    describe: bool,
    on_bad: &mut dyn FnMut(BadLine),
    on_phase: &mut dyn FnMut(Phase),
) -> Result<Detection, DetectError> {
    let began = Instant::now();
    let mut pipeline = Pipeline::new(config)?;
    pipeline.tell_all(if describe { OBJECTS } else { 0 });
    let account_model = config.account_model()?;
    let mut posts = input.sorted(on_bad, &mut |progress| on_phase(Phase::Reading(progress)))?;
    let of = posts.counts().posts;
    let mut times: Vec<Millis> = Vec::new();
    let (mut tellings, mut record) = (Vec::new(), Record::default());
    let mut done = 0;
    let reading = pipeline.reading();
    let mut posts = thread::scope(|scope| -> Result<SortedPosts, DetectError> {
        // Another thread decodes and reads the posts; this thread detects.
        let (batches, read) = mpsc::sync_channel::<Vec<(Millis, Read)>>(AHEAD);
        let reader = scope.spawn(move || -> Result<SortedPosts, InputError> {
            let mut batch = Vec::with_capacity(BATCH);
            while let Some(raw) = posts.advance()? {
                // Sorted posts were decoded once before.
                let Ok(post) = messages::post::decode(raw) else { continue };
                batch.push((post.created_at, reading.read(&post)));
                if batch.len() == BATCH
                    && batches.send(std::mem::replace(&mut batch, Vec::with_capacity(BATCH))).is_err()
                {
                    break;
                }
            }
            // The receiver is gone only if this thread stopped, and then nobody needs the batch.
            let _ = batches.send(batch);
            Ok(posts)
        });
        for batch in read {
            done += batch.len() as u64;
            for (at, post) in batch {
                pipeline.read(at, post);
                times.push(at);
                report(&mut pipeline, at, &mut tellings, &mut record)?;
            }
            on_phase(Phase::Detecting { posts: done, of });
        }
        reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).map_err(DetectError::from)
    })?;
    posts.stop().check()?;
    // Every active cluster is reported once more at the end.
    pipeline.finish();
    let end = times.last().copied().unwrap_or_default();
    report(&mut pipeline, end, &mut tellings, &mut record)?;
    posts.stop().check()?;
    let evidence = pipeline.accounts();
    let last_posts: HashMap<&AccountRef, Millis> =
        evidence.iter().map(|known| (&known.account, known.last_post)).collect();
    let last_post = |account: &ClusterAccount| {
        let account = AccountRef { platform: account.platform.clone(), account_id: account.account_id.clone() };
        last_posts.get(&account).copied()
    };
    let params = config.engine.params();
    let near_misses_dropped = record.near_misses_dropped();
    let found =
        record.close(&End { at: end, retention: params.retention, same: params.same_campaign, last_post: &last_post });
    let (mut clusters, accounts) = ranked(found, evidence, account_model.as_ref());
    let near_misses = clusters.split_off(clusters.partition_point(|cluster| cluster.status != Status::NearMiss));
    let (objects, objects_dropped) = pipeline.objects();
    let mut wanted = Wanted::default();
    if describe {
        clusters.iter().chain(&near_misses).for_each(|cluster| wanted.evidence_of(cluster));
        for object in objects.iter().filter(|object| object.kind == TraceKind::Text) {
            wanted.post(&object.first_account.platform, &object.first_post);
        }
    }
    let posted = wanted.look_up(&mut posts)?;
    let flagged = clusters.iter().any(|cluster| cluster.status == Status::Flagged);
    let peers =
        if !describe || flagged || of > MOST_POSTS_VIEWED { None } else { Some(views(&mut posts).map_err(Box::new)?) };
    on_phase(Phase::Detecting { posts: done, of });
    let stats = pipeline.stats();
    Ok(Detection {
        accounts,
        ties: pipeline.ties(),
        clusters,
        near_misses,
        near_misses_dropped,
        tellings,
        objects,
        objects_dropped,
        posted,
        peers,
        apart: apart(&times),
        counts: posts.into_counts(),
        accounts_seen: stats.sizes.accounts as u64,
        period: period(&times),
        histogram: histogram(&times),
        stats,
        took: began.elapsed(),
    })
}

/// Records what the engine has just found.
fn report(
    pipeline: &mut Pipeline,
    at: Millis,
    tellings: &mut Vec<Telling>,
    record: &mut Record,
) -> Result<(), ClusterError> {
    tellings.extend(pipeline.found().iter().filter_map(|cluster| Telling::new(at, cluster)));
    for judged in pipeline.judge() {
        let judged = judged?;
        record.tell(at, judged.message, &judged.absorbed);
    }
    Ok(())
}

/// The one spelling of an account in all tables and networks.
fn name(account: &AccountRef) -> String {
    format!("{}:{}", account.platform, account.account_id)
}

#[cfg(test)]
pub(crate) mod tests;
