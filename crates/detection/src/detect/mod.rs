//! `lockstep detect`: files of posts to clusters, ties and accounts, with no service at all.

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
    rank::{RankedAccount, ranked, short_of_bar, without_crowd},
    times::Apart,
};
use crate::{
    config::{Config, StartError},
    input::{BadLine, Counts, Input, InputError, Progress, SortedPosts},
    peers::{MOST_POSTS_VIEWED, PeerView, PeersError, views},
    pipeline::{Pipeline, Read},
};

/// Posts handed from the reading thread to the detecting one at a time, and such batches that may wait.
const BATCH: usize = 1_024;
const AHEAD: usize = 8;
/// Things that are counted for `objects.csv`: about 200 bytes each.
const OBJECTS: usize = 2_000_000;

/// How far the work is.
#[derive(Debug, Clone, Copy)]
pub enum Phase {
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
#[derive(Debug, Default)]
pub struct Detection {
    /// Every group that was ever reported, in its last state, however long it has been silent: flagged first, then coordinated, then
    /// single-source, then faded; strongest first. What became part of another stands in that one's `lineage`.
    pub clusters: Vec<ClusterMessage>,
    /// Groups that came close and never passed: nearest to their bar first.
    pub near_misses: Vec<ClusterMessage>,
    /// Near misses that there was no room for: the farthest from their bar.
    pub near_misses_dropped: u64,
    /// What the engine told on the way and in the end, in order.
    pub tellings: Vec<Telling>,
    /// All ties that were found, each as it was at its strongest, strongest first.
    pub ties: Vec<Tie>,
    /// Every account: those of flagged clusters first, then the most suspect.
    pub accounts: Vec<RankedAccount>,
    /// Things that two accounts or more used, those of the most accounts first.
    pub objects: Vec<Object>,
    /// Things that there was no room to count: those of the fewest accounts.
    pub objects_dropped: u64,
    /// What the posts say that are in evidence.
    pub posted: Posted,
    /// What the published tools' methods say of the same posts, where nothing is flagged and there are not too many posts.
    pub peers: Option<Vec<PeerView>>,
    /// A few posts that lie far from all others in time.
    pub apart: Vec<Apart>,
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
    /// Another method cannot look at the posts.
    #[error(transparent)]
    Peers(#[from] Box<PeersError>),
}

/// Reads posts and finds what acts in lockstep. Bad lines are handed over one by one; reading goes on. What only people look at is left out:
/// `objects`, `posted` and `peers` are empty.
pub fn detect(
    input: Input,
    config: &Config,
    on_bad: &mut dyn FnMut(BadLine),
    on_phase: &mut dyn FnMut(Phase),
) -> Result<Detection, DetectError> {
    run(input, config, false, on_bad, on_phase)
}

/// The same with all that people look at. Reads the sorted posts a second time for what those in evidence say, and where nothing is flagged
/// some times more for what other methods say of them.
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
                report(&mut pipeline, at, &mut tellings, &mut record)?;
            }
            on_phase(Phase::Detecting { posts: done, of });
        }
        reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).map_err(DetectError::from)
    })?;
    // Every cluster that still stands is told at the end once more.
    pipeline.finish();
    let end = times.last().copied().unwrap_or_default();
    report(&mut pipeline, end, &mut tellings, &mut record)?;
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

/// Takes note of what the engine has just found.
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
pub(crate) mod tests {
    use coordination::AccountEvidence;
    use messages::fixtures::{self, Shape};

    use super::*;

    pub(super) fn message(cluster: &Cluster) -> ClusterMessage {
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
            account_name: format!("name of {}", account.account_id),
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

    pub(super) fn detection() -> Detection {
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
            accounts_seen: 3,
            stats: Stats { too_large: 2, ..Stats::default() },
            took: Duration::from_secs(1),
            ..Detection::default()
        }
    }

    fn ids(clusters: &[ClusterMessage]) -> Vec<&str> {
        clusters.iter().map(|cluster| cluster.cluster_id.as_str()).collect()
    }

    #[test]
    fn clusters_come_by_status_and_near_misses_apart_nearest_to_their_bar_first() {
        let detection = detection();
        assert_eq!(ids(&detection.clusters), ["flagged", "coordinated", "best-source", "one-text", "faded"]);
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
        // Those of groups have numbers for names here; they have rows even where the engine has forgotten them.
        let others: Vec<&str> = names.iter().copied().filter(|name| name.parse::<u32>().is_err()).collect();
        assert_eq!(others, ["loud", "quiet"]);
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
        assert_eq!(
            lines.next(),
            Some(
                "account_a,account_b,kind,co_acts,distinct_keys,nats,median_lag_s,expected,account_a_name,account_b_name"
            )
        );
        let tie: Vec<&str> = lines.next().unwrap().split(',').collect();
        assert_eq!(tie[3], tie[4], "a key counts once");
        let expected: f64 = tie[7].parse().unwrap();
        assert!((expected / detection.ties[0].expected - 1.0).abs() < 1e-3, "{tie:?}");
        let accounts = read("accounts.csv");
        let mut lines = accounts.lines();
        assert_eq!(
            lines.next(),
            Some(
                "platform,account_id,posts,log_e,probability,cluster_id,status,posterior,suspicion,strongest_tie_nats,texts,copies,account,account_name"
            )
        );
        assert!(lines.next().unwrap().contains(",flagged,flagged,"), "{accounts}");
        let loud = lines.find(|line| line.starts_with("x,loud,"));
        assert_eq!(loud, Some("x,loud,9,0.0000,,,,,3.0000,14.5000,6,4,x:loud,name of loud"));
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
            ("faded", 1),
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
