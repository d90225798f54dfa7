//! One suite for both homes of the log. The Kafka half is ignored unless asked for, and needs LOCKSTEP_TEST_BROKERS; `tests/kafka/kafka.sh`
//! starts a broker and prints what to set.
#![allow(clippy::print_stdout)] // test binaries talk on stdout
mod reading;
mod retention;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use futures::TryStreamExt;
use runtime::{Cleanup, Consumer, Log, LogError, MAX_NOTE_BYTES, MAX_RECORD_BYTES, NewRecord, Record, TopicSpec};

use reading::{
    a_range_is_read_exactly, a_reader_goes_on_after_the_end, records_are_found_by_their_places,
    the_last_record_of_each_key_can_be_rebuilt,
};

const WAIT: Duration = Duration::from_millis(200);
/// Kafka takes its time to form a group on a small machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A log to test, and what keeps it alive.
struct Home {
    log: Log,
    _dir: Option<tempfile::TempDir>,
}

async fn embedded() -> Home {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open_embedded(dir.path()).await.unwrap();
    Home { log, _dir: Some(dir) }
}

async fn kafka() -> Home {
    let brokers = std::env::var("LOCKSTEP_TEST_BROKERS").expect("the address of a broker in LOCKSTEP_TEST_BROKERS");
    let log = Log::connect_kafka(&brokers, &[]).await.unwrap();
    Home { log, _dir: None }
}

/// Each test once per home.
macro_rules! conformance {
    ($($test:ident),* $(,)?) => {
        mod on_the_embedded_log {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let home = super::embedded().await;
                super::$test(home.log.clone()).await;
            })*
        }
        mod on_apache_kafka {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "needs Apache Kafka: tests/kafka/kafka.sh start"]
            async fn $test() {
                super::$test(super::kafka().await.log).await;
            })*
        }
    };
}

conformance!(
    a_key_keeps_its_order_and_its_partition,
    headers_times_and_tombstones_come_back,
    groups_are_independent,
    a_group_resumes_from_what_it_committed,
    a_note_is_kept_with_the_offsets,
    uncommitted_records_come_again,
    publish_and_commit_is_atomic,
    a_cancelled_commit_is_settled,
    outputs_of_a_failed_commit_are_invisible,
    a_lost_partition_fails_the_commit,
    large_values_pass_and_larger_ones_are_refused,
    an_empty_poll_waits_and_wakes,
    two_members_share_and_take_over,
    lag_counts_down_to_nothing,
    the_last_record_of_each_key_can_be_rebuilt,
    a_reader_goes_on_after_the_end,
    a_range_is_read_exactly,
    records_are_found_by_their_places,
    unknown_topics_are_named,
    a_closed_log_says_so,
);

fn unique(name: &str) -> &'static str {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("test.{name}.{now}.{}.{count}", std::process::id()).leak()
}

async fn topic(log: &Log, partitions: i32, cleanup: Cleanup) -> &'static str {
    let name = unique("topic");
    let spec = TopicSpec { name, partitions, cleanup, retention: None };
    log.create_topics(std::slice::from_ref(&spec)).await.unwrap();
    log.create_topics(&[spec]).await.unwrap();
    name
}

fn record(topic: &str, key: impl ToString, value: impl ToString) -> NewRecord {
    NewRecord::new(topic, key.to_string(), value.to_string())
}

fn numbered(topic: &str, keys: usize, n: usize) -> Vec<NewRecord> {
    (0..n).map(|i| record(topic, format!("key-{}", i % keys), i)).collect()
}

fn value(record: &Record) -> String {
    String::from_utf8(record.value.clone().unwrap()).unwrap()
}

fn values(records: &[Record]) -> Vec<String> {
    records.iter().map(value).collect()
}

/// Polls until `n` records are there.
async fn poll_n(consumer: &mut Consumer, n: usize) -> Vec<Record> {
    let start = Instant::now();
    let mut records = Vec::new();
    while records.len() < n {
        assert!(start.elapsed() < PATIENCE, "only {} of {n} records came", records.len());
        records.extend(consumer.poll(n - records.len(), WAIT).await.unwrap());
    }
    records
}

/// Everything in the topic, once there are `n`: Kafka shows a transaction's records a moment after its commit.
async fn all_n(log: &Log, topic: &str, n: usize) -> Vec<Record> {
    let start = Instant::now();
    loop {
        let records = all(log, topic).await;
        if records.len() >= n || start.elapsed() > PATIENCE {
            return records;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn all(log: &Log, topic: &str) -> Vec<Record> {
    log.read_all(topic, &[]).await.unwrap().try_collect().await.unwrap()
}

async fn a_key_keeps_its_order_and_its_partition(log: Log) {
    let topic = topic(&log, 4, Cleanup::Delete).await;
    for batch in numbered(topic, 7, 700).chunks(100) {
        log.append(batch.to_vec()).await.unwrap();
    }
    let mut consumer = log.consumer(unique("group"), &[topic]).await.unwrap();
    let mut by_key: BTreeMap<Vec<u8>, Vec<usize>> = BTreeMap::new();
    let mut partitions: BTreeMap<Vec<u8>, BTreeSet<i32>> = BTreeMap::new();
    for record in poll_n(&mut consumer, 700).await {
        by_key.entry(record.key.clone()).or_default().push(value(&record).parse().unwrap());
        partitions.entry(record.key).or_default().insert(record.partition);
    }
    for (key, numbers) in by_key {
        assert_eq!(numbers.len(), 100);
        assert!(numbers.is_sorted(), "{key:?} came out of order: {numbers:?}");
    }
    // The same in both homes: murmur2 of the key over four partitions.
    let placed: Vec<i32> = partitions.into_values().map(|p| *p.first().unwrap()).collect();
    assert_eq!(placed, PLACED);
}

/// Where key-0 to key-6 go among four partitions, as Apache Kafka's default partitioner has it.
const PLACED: [i32; 7] = [1, 0, 2, 3, 1, 0, 0];

async fn headers_times_and_tombstones_come_back(log: Log) {
    let topic = topic(&log, 1, Cleanup::Delete).await;
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    let headers = vec![
        ("reason".to_owned(), b"no date".to_vec()),
        ("empty".to_owned(), Vec::new()),
        ("reason".to_owned(), vec![0, 255]),
    ];
    let full = NewRecord { headers: headers.clone(), ..record(topic, "a", "1") };
    let tombstone = NewRecord { value: None, ..record(topic, "b", "") };
    let empty = record(topic, "", "");
    log.append(vec![full, tombstone, empty]).await.unwrap();
    let records = all(&log, topic).await;
    assert_eq!(records[0].headers, headers);
    assert_eq!(records[0].key, b"a");
    assert!((before - 1000..before + 60_000).contains(&records[0].timestamp));
    assert_eq!(records[1].value, None);
    assert_eq!(records[2].value, Some(Vec::new()));
    assert_eq!(records[2].key, b"");
    let offsets: Vec<i64> = records.iter().map(|r| r.offset).collect();
    assert_eq!(offsets, [0, 1, 2]);
}

async fn groups_are_independent(log: Log) {
    let topic = topic(&log, 2, Cleanup::Delete).await;
    log.append(numbered(topic, 5, 50)).await.unwrap();
    let mut one = log.consumer(unique("group"), &[topic]).await.unwrap();
    let mut two = log.consumer(unique("group"), &[topic]).await.unwrap();
    assert_eq!(poll_n(&mut one, 50).await.len(), 50);
    one.publish_and_commit(vec![]).await.unwrap();
    assert_eq!(poll_n(&mut two, 50).await.len(), 50);
}

async fn a_group_resumes_from_what_it_committed(log: Log) {
    let topic = topic(&log, 1, Cleanup::Delete).await;
    let group = unique("group");
    log.append(numbered(topic, 1, 30)).await.unwrap();
    let mut consumer = log.consumer(group, &[topic]).await.unwrap();
    poll_n(&mut consumer, 10).await;
    consumer.publish_and_commit(vec![]).await.unwrap();
    poll_n(&mut consumer, 5).await;
    consumer.close().await.unwrap();
    assert_eq!(log.committed(group, topic).await.unwrap(), [Some(10)]);
    let mut consumer = log.consumer(group, &[topic]).await.unwrap();
    let records = poll_n(&mut consumer, 20).await;
    assert_eq!(value(&records[0]), "10");
}

async fn a_note_is_kept_with_the_offsets(log: Log) {
    let (topic, group) = (topic(&log, 2, Cleanup::Delete).await, unique("group"));
    let (here, there) = (numbered(topic, 1, 5), unique("elsewhere"));
    log.append(here).await.unwrap();
    let mut consumer = log.consumer(group, &[topic]).await.unwrap();
    let partition = poll_n(&mut consumer, 2).await[0].partition as usize;
    consumer.publish_and_commit_noting(vec![], "first").await.unwrap();
    let noted = || async {
        let committed = log.committed_noted(group, topic).await.unwrap();
        assert_eq!(committed[1 - partition], None);
        let committed = committed[partition].clone().unwrap();
        (committed.next, committed.note)
    };
    assert_eq!(noted().await, (2, "first".to_owned()));
    poll_n(&mut consumer, 1).await;
    let nowhere = vec![record(there, "k", "v")];
    consumer.publish_and_commit_noting(nowhere, "refused").await.unwrap_err();
    let long = "x".repeat(MAX_NOTE_BYTES + 1);
    poll_n(&mut consumer, 1).await;
    let error = consumer.publish_and_commit_noting(vec![], &long).await.unwrap_err();
    assert!(matches!(error, LogError::TooLarge { .. }), "{error:?}");
    assert_eq!(noted().await, (2, "first".to_owned()));
    poll_n(&mut consumer, 3).await;
    consumer.publish_and_commit_noting(vec![], &long[1..]).await.unwrap();
    assert_eq!(noted().await, (5, long[1..].to_owned()));
}

async fn uncommitted_records_come_again(log: Log) {
    let topic = topic(&log, 1, Cleanup::Delete).await;
    log.append(numbered(topic, 1, 20)).await.unwrap();
    let mut consumer = log.consumer(unique("group"), &[topic]).await.unwrap();
    poll_n(&mut consumer, 8).await;
    consumer.publish_and_commit(vec![]).await.unwrap();
    let first = poll_n(&mut consumer, 7).await;
    consumer.rewind().await.unwrap();
    let again = poll_n(&mut consumer, 12).await;
    assert_eq!(first, again[..7]);
    assert_eq!(value(&again[11]), "19");
    assert!(consumer.poll(10, WAIT).await.unwrap().is_empty());
}

async fn publish_and_commit_is_atomic(log: Log) {
    let input = topic(&log, 2, Cleanup::Delete).await;
    let output = topic(&log, 2, Cleanup::Delete).await;
    let group = unique("group");
    log.append(numbered(input, 10, 100)).await.unwrap();

    // Dropped before the commit: neither outputs nor offsets.
    let mut consumer = log.consumer(group, &[input]).await.unwrap();
    poll_n(&mut consumer, 60).await;
    consumer.close().await.unwrap();
    assert!(all(&log, output).await.is_empty());
    assert_eq!(log.committed(group, input).await.unwrap(), [None, None]);

    // After it: both, each input handled once.
    let mut consumer = log.consumer(group, &[input]).await.unwrap();
    for n in [30, 50, 20] {
        let outputs = poll_n(&mut consumer, n).await.iter().map(|r| record(output, value(r), "seen")).collect();
        consumer.publish_and_commit(outputs).await.unwrap();
    }
    consumer.close().await.unwrap();
    let seen: BTreeSet<Vec<u8>> = all_n(&log, output, 100).await.into_iter().map(|r| r.key).collect();
    assert_eq!(seen.len(), 100);
    assert_eq!(all(&log, output).await.len(), 100);
    let committed = log.committed(group, input).await.unwrap();
    assert_eq!(committed.into_iter().flatten().sum::<i64>(), 100);
}

async fn a_cancelled_commit_is_settled(log: Log) {
    let input = topic(&log, 1, Cleanup::Delete).await;
    let output = topic(&log, 1, Cleanup::Delete).await;
    let group = unique("group");
    log.append(numbered(input, 1, 10)).await.unwrap();
    let mut consumer = log.consumer(group, &[input]).await.unwrap();
    // Given up at its first wait, wherever that is; the next poll settles it.
    for i in 0..10 {
        let records = poll_n(&mut consumer, 1).await;
        assert_eq!(value(&records[0]), i.to_string());
        let commit = consumer.publish_and_commit(vec![record(output, "", i)]);
        let patience = if i % 3 == 2 { PATIENCE } else { Duration::ZERO };
        match tokio::time::timeout(patience, commit).await {
            Ok(result) => result.unwrap(),
            Err(_) => assert!(i % 3 != 2),
        }
    }
    assert!(consumer.poll(1, WAIT).await.unwrap().is_empty());
    let expected: Vec<String> = (0..10).map(|i| i.to_string()).collect();
    assert_eq!(values(&all_n(&log, output, 10).await), expected);
    assert_eq!(log.committed(group, input).await.unwrap(), [Some(10)]);
}

async fn outputs_of_a_failed_commit_are_invisible(log: Log) {
    let input = topic(&log, 1, Cleanup::Delete).await;
    let output = topic(&log, 1, Cleanup::Delete).await;
    let group = unique("group");
    log.append(numbered(input, 1, 10)).await.unwrap();
    let mut consumer = log.consumer(group, &[input]).await.unwrap();
    let first = poll_n(&mut consumer, 5).await;
    let nowhere = unique("nowhere");
    let outputs = vec![record(output, "a", 1), record(nowhere, "a", 2), record(output, "a", 3)];
    let error = consumer.publish_and_commit(outputs).await.unwrap_err();
    assert!(error.to_string().contains(nowhere) || error.is_retryable(), "{error}");
    assert_eq!(log.committed(group, input).await.unwrap(), [None]);
    // The caller goes on: the same records, and this time it works.
    assert_eq!(poll_n(&mut consumer, 5).await, first);
    consumer.publish_and_commit(vec![record(output, "a", 4)]).await.unwrap();
    assert_eq!(values(&all_n(&log, output, 1).await), ["4"]);
    assert_eq!(log.committed(group, input).await.unwrap(), [Some(5)]);
}

async fn a_lost_partition_fails_the_commit(log: Log) {
    let input = topic(&log, 2, Cleanup::Delete).await;
    let output = topic(&log, 1, Cleanup::Delete).await;
    let group = unique("group");
    log.append(numbered(input, 20, 100)).await.unwrap();
    let mut one = log.consumer(group, &[input]).await.unwrap();
    poll_n(&mut one, 100).await;
    assert_eq!(one.assignment().len(), 2);
    // A second member comes; the first one polls on without committing until it has lost a partition.
    let mut two = log.consumer(group, &[input]).await.unwrap();
    let start = Instant::now();
    let mut second = Vec::new();
    while one.assignment().len() == 2 || two.assignment().is_empty() {
        assert!(start.elapsed() < PATIENCE);
        assert!(one.poll(100, WAIT).await.unwrap().is_empty());
        second.extend(two.poll(100, WAIT).await.unwrap());
    }
    let error = one.publish_and_commit(vec![record(output, "a", "stale")]).await.unwrap_err();
    assert!(matches!(error, LogError::Revoked { .. }), "{error}");
    assert!(error.is_retryable());
    // Between them they get everything again, once.
    let mut records: Vec<Record> = Vec::new();
    let mut done = second.len();
    records.extend(second);
    while done < 100 {
        assert!(start.elapsed() < PATIENCE, "{done} of 100");
        for member in [&mut one, &mut two] {
            let polled = member.poll(100, WAIT).await.unwrap();
            done += polled.len();
            records.extend(polled);
        }
    }
    one.publish_and_commit(vec![record(output, "a", "one")]).await.unwrap();
    two.publish_and_commit(vec![record(output, "a", "two")]).await.unwrap();
    let distinct: BTreeSet<String> = records.iter().map(value).collect();
    assert_eq!((records.len(), distinct.len()), (100, 100));
    assert_eq!(values(&all_n(&log, output, 2).await), ["one", "two"]);
}

async fn large_values_pass_and_larger_ones_are_refused(log: Log) {
    let topic = topic(&log, 1, Cleanup::Delete).await;
    let noise = |n: usize| {
        let mut x = 0x2545_f491_4f6c_dd1d_u64;
        let mut next = || {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            x as u8
        };
        (0..n).map(|_| next()).collect::<Vec<u8>>()
    };
    let mib = noise(1024 * 1024);
    let largest = noise(MAX_RECORD_BYTES - 1);
    log.append(vec![NewRecord::new(topic, "a", mib.clone()), NewRecord::new(topic, "b", largest.clone())])
        .await
        .unwrap();
    let too_large = NewRecord::new(topic, "c", noise(MAX_RECORD_BYTES));
    let error = log.append(vec![too_large]).await.unwrap_err();
    assert!(matches!(error, LogError::TooLarge { .. }));
    assert!(error.to_string().contains("over the limit of 2097152 bytes"), "{error}");
    let mut consumer = log.consumer(unique("group"), &[topic]).await.unwrap();
    let records = poll_n(&mut consumer, 2).await;
    assert_eq!(records[0].value.as_ref(), Some(&mib));
    assert_eq!(records[1].value.as_ref(), Some(&largest));
}

async fn an_empty_poll_waits_and_wakes(log: Log) {
    let topic = topic(&log, 2, Cleanup::Delete).await;
    let mut consumer = log.consumer(unique("group"), &[topic]).await.unwrap();
    log.append(vec![record(topic, "a", "warm up")]).await.unwrap();
    poll_n(&mut consumer, 1).await;
    let start = Instant::now();
    assert!(consumer.poll(10, Duration::from_millis(300)).await.unwrap().is_empty());
    assert!(start.elapsed() >= Duration::from_millis(290), "{:?}", start.elapsed());

    let appender = log.clone();
    let append = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        appender.append(vec![record(topic, "a", "now")]).await.unwrap();
    });
    // A poll that did not wake would wait much longer than the test does.
    let poll = consumer.poll(10, 60 * PATIENCE);
    let records = tokio::time::timeout(PATIENCE, poll).await.expect("the record wakes the poll").unwrap();
    assert_eq!(values(&records), ["now"]);
    append.await.unwrap();
}

async fn two_members_share_and_take_over(log: Log) {
    let topic = topic(&log, 4, Cleanup::Delete).await;
    let group = unique("group");
    let mut one = log.consumer(group, &[topic]).await.unwrap();
    let mut two = log.consumer(group, &[topic]).await.unwrap();
    let start = Instant::now();
    while one.assignment().len() != 2 || two.assignment().len() != 2 {
        assert!(start.elapsed() < PATIENCE);
        one.poll(1, WAIT).await.unwrap();
        two.poll(1, WAIT).await.unwrap();
    }
    let held: BTreeSet<_> = one.assignment().into_iter().chain(two.assignment()).collect();
    assert_eq!(held.len(), 4);
    log.append(numbered(topic, 40, 400)).await.unwrap();
    let (mut first, mut second) = (Vec::new(), Vec::new());
    while first.len() + second.len() < 400 {
        assert!(start.elapsed() < PATIENCE);
        first.extend(one.poll(50, WAIT).await.unwrap());
        one.publish_and_commit(vec![]).await.unwrap();
        second.extend(two.poll(50, WAIT).await.unwrap());
    }
    assert!(!first.is_empty() && !second.is_empty());
    // The second goes without having committed: the first gets its records.
    two.close().await.unwrap();
    let again = poll_n(&mut one, second.len()).await;
    let key = |r: &Record| (r.partition, r.offset);
    let expected: BTreeSet<_> = second.iter().map(key).collect();
    assert_eq!(again.iter().map(key).collect::<BTreeSet<_>>(), expected);
    assert_eq!(one.assignment().len(), 4);
}

async fn lag_counts_down_to_nothing(log: Log) {
    let input = topic(&log, 2, Cleanup::Delete).await;
    let output = topic(&log, 2, Cleanup::Delete).await;
    log.append(numbered(input, 10, 100)).await.unwrap();
    let mut consumer = log.consumer(unique("group"), &[input]).await.unwrap();
    poll_n(&mut consumer, 40).await;
    assert_eq!(consumer.lag().await.unwrap(), 60);
    let rest = poll_n(&mut consumer, 60).await;
    assert_eq!(consumer.lag().await.unwrap(), 0);
    // Behind the records of a transaction Kafka keeps a marker that is never polled: it must not count for ever.
    let outputs = rest.iter().map(|r| record(output, value(r), "")).collect();
    consumer.publish_and_commit(outputs).await.unwrap();
    let mut next = log.consumer(unique("group"), &[output]).await.unwrap();
    poll_n(&mut next, 60).await;
    let start = Instant::now();
    while next.lag().await.unwrap() > 0 {
        assert!(start.elapsed() < PATIENCE, "lag stays at {}", next.lag().await.unwrap());
        next.poll(10, WAIT).await.unwrap();
    }
    let ends = log.end_offsets(input).await.unwrap();
    assert_eq!(ends.into_iter().sum::<i64>(), 100);
}

async fn unknown_topics_are_named(log: Log) {
    let nowhere = unique("nowhere");
    let error = log.consumer(unique("group"), &[nowhere]).await.err().unwrap();
    assert!(matches!(&error, LogError::UnknownTopic { topic } if topic == nowhere), "{error}");
    let error = log.append(vec![record(nowhere, "a", 1)]).await.unwrap_err();
    assert!(matches!(&error, LogError::UnknownTopic { topic } if topic == nowhere), "{error}");
    let spec = TopicSpec { name: "no spaces please", partitions: 1, cleanup: Cleanup::Delete, retention: None };
    let error = log.create_topics(&[spec]).await.unwrap_err();
    assert!(matches!(error, LogError::BadTopic { .. }), "{error}");
}

async fn a_closed_log_says_so(log: Log) {
    let topic = topic(&log, 1, Cleanup::Delete).await;
    log.check().await.unwrap();
    log.append(vec![record(topic, "a", 1)]).await.unwrap();
    log.shutdown().await.unwrap();
    log.shutdown().await.unwrap();
    let error = log.append(vec![record(topic, "a", 2)]).await.unwrap_err();
    assert!(matches!(error, LogError::Closed), "{error}");
}
