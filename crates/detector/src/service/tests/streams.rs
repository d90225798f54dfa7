//! The findings do not depend on how fast which partition is read.

use messages::topics::POSTS;

use super::*;
use crate::machine::Observation;

const PARTITIONS: usize = 4;
/// Records read at a time.
const BATCH: usize = 200;

/// One way to read the partitions: how many records of which partition come next.
type Schedule = Vec<(usize, usize)>;

/// The partitions of a world's posts. Some posts come late, by up to hours of their own partition.
fn partitions(stand: &Stand, disorder: bool) -> Vec<Vec<Record>> {
    let mut partitions: Vec<Vec<NewRecord>> = vec![Vec::new(); PARTITIONS];
    for post in &stand.posts {
        partitions[partition_of(post)].push(post.clone());
    }
    let mut dice = fastrand::Rng::with_seed(5);
    for posts in partitions.iter_mut().filter(|_| disorder) {
        for at in (0..posts.len()).step_by(40) {
            let to = (at + dice.usize(..400)).min(posts.len() - 1);
            posts[at..=to].rotate_left(1);
        }
    }
    let record = |partition: usize, offset: usize, post: NewRecord| Record {
        topic: POSTS.into(),
        partition: partition as i32,
        offset: offset as i64,
        key: post.key,
        value: post.value,
        headers: Vec::new(),
        timestamp: 0,
    };
    let of = |(partition, posts): (usize, Vec<NewRecord>)| {
        posts.into_iter().enumerate().map(|(offset, post)| record(partition, offset, post)).collect()
    };
    partitions.into_iter().enumerate().map(of).collect()
}

fn partition_of(post: &NewRecord) -> usize {
    post.key.iter().map(|byte| usize::from(*byte)).sum::<usize>() % PARTITIONS
}

/// What a machine published, by its topics, and the outcome of each post.
#[derive(Debug, PartialEq)]
struct Told {
    clusters: Vec<(String, String)>,
    outcomes: BTreeMap<(i32, i64), String>,
}

impl Told {
    fn count(&self, outcome: &str) -> usize {
        self.outcomes.values().filter(|other| *other == outcome).count()
    }
}

/// Reads the partitions in this way, a second for each batch. The log is asked for the lags every
/// second batch.
fn read(stand: &Stand, partitions: &[Vec<Record>], schedule: Schedule) -> Told {
    let (service, _) = stand.service();
    let mut machine = service.machine;
    let (mut running, mut next) = (0, vec![0; PARTITIONS]);
    let mut told = Told { clusters: Vec::new(), outcomes: BTreeMap::new() };
    let wall = Timestamp::now();
    let mut on = |running: u64, event, read: &[Record]| {
        let elapsed = Duration::from_secs(running);
        let effects = machine.on(Now { wall: wall + elapsed, running: elapsed }, event);
        let mut places = read.iter().map(|record| (record.partition, record.offset));
        for effect in effects {
            match effect {
                Effect::Observe(Observation::Post { outcome, .. }) => {
                    told.outcomes.insert(places.next().unwrap(), format!("{outcome:?}"));
                }
                Effect::Commit { records, .. } => told.clusters.extend(records.into_iter().map(|record| {
                    let value = record.value.as_deref().unwrap_or_default();
                    (record.topic.to_string(), String::from_utf8_lossy(value).into_owned())
                })),
                Effect::GiveUp(error) => panic!("{error}"),
                _ => {}
            }
        }
        machine.on(Now { wall: wall + elapsed, running: elapsed }, Event::Committed);
    };
    on(0, Event::Partitions(PARTITIONS), &[]);
    for (partition, records) in schedule {
        running += 1;
        if records == 0 {
            // Silence: everything there is was read.
            for _ in 0..40 {
                running += 1;
                on(running, Event::Lags((0..PARTITIONS as i32).map(|partition| (partition, 0)).collect()), &[]);
            }
            continue;
        }
        let posts = &partitions[partition];
        let to = (next[partition] + records).min(posts.len());
        let batch = posts[next[partition]..to].to_vec();
        next[partition] = to;
        on(running, Event::Read(batch.clone()), &batch);
        if running % 2 == 0 {
            let lag = |partition: usize| (partition as i32, (partitions[partition].len() - next[partition]) as u64);
            on(running, Event::Lags((0..PARTITIONS).map(lag).collect()), &[]);
        }
    }
    assert!(next.iter().zip(partitions).all(|(next, posts)| *next == posts.len()), "all is read");
    on(running + 1, Event::StreamEnded, &[]);
    told
}

/// A batch of each in turn.
fn in_turn(partitions: &[Vec<Record>]) -> Schedule {
    let most = partitions.iter().map(|posts| posts.len().div_ceil(BATCH)).max().unwrap();
    (0..most).flat_map(|_| (0..PARTITIONS).map(|partition| (partition, BATCH))).collect()
}

/// One after the other.
fn one_by_one(partitions: &[Vec<Record>]) -> Schedule {
    let batches = |partition: usize| vec![(partition, BATCH); partitions[partition].len().div_ceil(BATCH)];
    (0..PARTITIONS).rev().flat_map(batches).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_findings_do_not_depend_on_the_speed_at_which_partitions_are_read() {
    let stand = Stand::new().await;
    let partitions = partitions(&stand, true);
    let told = read(&stand, &partitions, in_turn(&partitions));
    assert!(told.clusters.iter().any(|(topic, _)| topic == CLUSTERS_FLAGGED), "something is found");
    let counts = ["Late", "TooLate"].map(|outcome| told.count(outcome));
    assert!(counts.iter().all(|count| *count > 20), "the posts are in disorder: {counts:?}");
    let other = read(&stand, &partitions, one_by_one(&partitions));
    assert_eq!(told.outcomes, other.outcomes);
    assert!(told.clusters == other.clusters, "the same messages in the same order");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_after_a_silence_loses_nothing() {
    let stand = Stand::new().await;
    let partitions = partitions(&stand, false);
    let expected = read(&stand, &partitions, in_turn(&partitions));
    // A few posts, a silence of 40 seconds, then days of posts at once, one partition after the other.
    let mut schedule: Schedule = (0..PARTITIONS).map(|partition| (partition, 0)).collect();
    stand.posts[..400].iter().for_each(|post| schedule[partition_of(post)].1 += 1);
    schedule.push((0, 0));
    schedule.extend(one_by_one(&partitions));
    let told = read(&stand, &partitions, schedule);
    assert_eq!((told.count("TooLate"), told.count("Late")), (0, 0));
    assert_eq!(told.count("Accepted"), stand.posts.len());
    assert!(told.clusters == expected.clusters, "the same messages in the same order");
}
