//! What the log promises when a process is killed, and what only one of its homes does.
//!
//! The process to be killed is this test binary itself, run with one test and told by the environment what to do.
#![allow(clippy::print_stdout)] // test binaries talk on stdout
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures::TryStreamExt;
use runtime::{Cleanup, Log, LogError, NewRecord, Record, TopicSpec};

const RECORDS: usize = 5000;
const BATCH: usize = 20;
/// Set in the process to be killed: the embedded log's folder, or `kafka`.
const VICTIM: &str = "LOCKSTEP_TEST_VICTIM";
const TOPICS: &str = "LOCKSTEP_TEST_TOPICS";

fn brokers() -> String {
    std::env::var("LOCKSTEP_TEST_BROKERS").expect("the address of a broker in LOCKSTEP_TEST_BROKERS")
}

async fn open(home: &str) -> Log {
    match home {
        "kafka" => Log::connect_kafka(&brokers(), &[("session.timeout.ms".into(), "6000".into())]).await.unwrap(),
        dir => Log::open_embedded(Path::new(dir)).await.unwrap(),
    }
}

/// Copies input to output in batches and says so after each, until it is killed.
#[tokio::test]
async fn victim() {
    let (Ok(home), Ok(topics)) = (std::env::var(VICTIM), std::env::var(TOPICS)) else {
        return;
    };
    let log = open(&home).await;
    let (input, output) = topics.split_once(',').unwrap();
    let mut consumer = log.consumer("copy", &[input]).await.unwrap();
    loop {
        let records = consumer.poll(BATCH, Duration::from_secs(1)).await.unwrap();
        let outputs = records.iter().map(|r| NewRecord::new(output, r.key.clone(), r.key.clone()));
        consumer.publish_and_commit(outputs.collect()).await.unwrap();
        println!("committed {}", records.len());
    }
}

/// Runs the victim until it has committed `n` records, and kills it with SIGKILL wherever it is.
fn kill_after(n: usize, home: &str, topics: &str) -> usize {
    let mut child: Child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "victim", "--nocapture"])
        .envs([(VICTIM, home), (TOPICS, topics)])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let of = |line: String| line.strip_prefix("committed ").map_or(0, |n| n.parse::<usize>().unwrap());
    let mut committed = 0;
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while committed < n {
        committed += of(lines.next().expect("the victim goes on until it is killed").unwrap());
    }
    if home != "kafka" {
        assert_locked(home, child.id());
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What it said before the kill came.
    committed + lines.map(|line| of(line.unwrap())).sum::<usize>()
}

fn assert_locked(dir: &str, holder: u32) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let error = runtime.block_on(Log::open_embedded(Path::new(dir))).err().unwrap();
    assert!(error.to_string().contains(&format!("is in use by process {holder}; stop it")), "{error}");
}

async fn read(log: &Log, topic: &str) -> Vec<Record> {
    log.read_all(topic, &[]).await.unwrap().try_collect().await.unwrap()
}

async fn survives_kills(home: String) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    let spec = |name: String| TopicSpec { name: name.leak(), partitions: 2, cleanup: Cleanup::Delete, retention: None };
    let (input, output) = (spec(format!("test.in.{now}")), spec(format!("test.out.{now}")));
    let topics = format!("{},{}", input.name, output.name);
    let log = open(&home).await;
    log.create_topics(&[input.clone(), output.clone()]).await.unwrap();
    let records = (0..RECORDS).map(|i| NewRecord::new(input.name, i.to_string(), "")).collect();
    log.append(records).await.unwrap();
    log.shutdown().await.unwrap();

    let mut said = 0;
    for _ in 0..3 {
        let (home, topics) = (home.clone(), topics.clone());
        said += tokio::task::spawn_blocking(move || kill_after(500, &home, &topics)).await.unwrap();
    }

    // What the victims said is there; what is there was copied once; and outputs and offsets agree.
    let log = open(&home).await;
    let mut consumer = log.consumer("copy", &[input.name]).await.unwrap();
    let committed = || async {
        let committed = log.committed("copy", input.name).await.unwrap();
        committed.into_iter().flatten().sum::<i64>() as usize
    };
    let copied = committed().await;
    assert!((said..=said + 3 * BATCH).contains(&copied), "{said} said, {copied} copied");
    let mut done = copied;
    while done < RECORDS {
        let records = consumer.poll(500, Duration::from_secs(1)).await.unwrap();
        done += records.len();
        let outputs = records.iter().map(|r| NewRecord::new(output.name, r.key.clone(), r.key.clone()));
        consumer.publish_and_commit(outputs.collect()).await.unwrap();
    }
    let mut outputs = read(&log, output.name).await;
    for _ in 0..100 {
        if outputs.len() >= RECORDS {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        outputs = read(&log, output.name).await;
    }
    let mut numbers: Vec<usize> = outputs.iter().map(|r| String::from_utf8_lossy(&r.key).parse().unwrap()).collect();
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(0..RECORDS), "{} outputs", numbers.len());
    log.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_log_survives_kills() {
    let dir = tempfile::tempdir().unwrap();
    survives_kills(dir.path().to_str().unwrap().to_owned()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Apache Kafka: tests/kafka/kafka.sh start"]
async fn a_group_on_kafka_survives_kills() {
    survives_kills("kafka".to_owned()).await;
}

#[tokio::test]
async fn the_embedded_log_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let spec = TopicSpec { name: "t", partitions: 3, cleanup: Cleanup::Compact, retention: None };
    let log = Log::open_embedded(dir.path()).await.unwrap();
    log.create_topics(&[spec]).await.unwrap();
    log.append((0..30).map(|i| NewRecord::new("t", i.to_string(), "x")).collect()).await.unwrap();
    let before = read(&log, "t").await;
    let error = Log::open_embedded(dir.path()).await.err().unwrap();
    assert!(matches!(&error, LogError::InUse { holder, .. } if holder == "this process"), "{error}");
    let mut consumer = log.consumer("g", &["t"]).await.unwrap();
    consumer.poll(10, Duration::ZERO).await.unwrap();
    consumer.publish_and_commit(vec![]).await.unwrap();
    log.shutdown().await.unwrap();
    assert!(matches!(consumer.poll(1, Duration::ZERO).await, Err(LogError::Closed)));

    drop(consumer);

    let log = Log::open_embedded(dir.path()).await.unwrap();
    assert_eq!(read(&log, "t").await, before);
    // Dropped without a shutdown it lets go as well.
    drop(log);
    let log = Log::open_embedded(dir.path()).await.unwrap();
    let mut consumer = log.consumer("g", &["t"]).await.unwrap();
    assert_eq!(consumer.poll(100, Duration::ZERO).await.unwrap().len(), 20);
}

#[tokio::test]
async fn others_read_the_embedded_log_while_it_is_held_and_after() {
    let dir = tempfile::tempdir().unwrap();
    let none = Log::open_embedded_to_read(dir.path()).await.err().unwrap();
    assert!(none.to_string().contains("log.db"), "{none}");
    let log = Log::open_embedded(dir.path()).await.unwrap();
    let spec = TopicSpec { name: "t", partitions: 2, cleanup: Cleanup::Compact, retention: None };
    log.create_topics(std::slice::from_ref(&spec)).await.unwrap();
    log.append((0..9).map(|i| NewRecord::new("t", i.to_string(), "x")).collect()).await.unwrap();
    let written = read(&log, "t").await;
    let reading = Log::open_embedded_to_read(dir.path()).await.unwrap();
    assert_eq!(read(&reading, "t").await, written);
    // Whoever reads changes nothing, and sees what there was.
    log.append(vec![NewRecord::new("t", "later", "x")]).await.unwrap();
    assert_eq!(read(&reading, "t").await, written);
    assert!(matches!(reading.append(vec![NewRecord::new("t", "k", "v")]).await, Err(LogError::Closed)));
    assert!(matches!(reading.create_topics(&[spec]).await, Err(LogError::Closed)));
    assert!(matches!(reading.consumer("g", &["t"]).await, Err(LogError::Closed)));
    log.shutdown().await.unwrap();
    assert_eq!(read(&Log::open_embedded_to_read(dir.path()).await.unwrap(), "t").await.len(), 10);
}

#[tokio::test]
async fn a_strange_file_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("log.db");
    std::fs::write(&file, "not a log, and longer than a header, which has one hundred bytes".repeat(4)).unwrap();
    let error = Log::open_embedded(dir.path()).await.err().unwrap();
    assert!(error.to_string().contains("log.db"), "{error}");
    assert!(std::fs::read(&file).unwrap().starts_with(b"not a log"));
}

#[tokio::test]
async fn retention_drops_old_records_of_the_embedded_log() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open_embedded(dir.path()).await.unwrap();
    let hour = Duration::from_secs(3600);
    let retention = Some(hour);
    let spec = TopicSpec { name: "t", partitions: 1, cleanup: Cleanup::Delete, retention };
    log.create_topics(std::slice::from_ref(&spec)).await.unwrap();
    let numbered = |n: std::ops::Range<usize>| n.map(|i| NewRecord::new("t", "k", i.to_string())).collect();
    log.append(numbered(0..20_500)).await.unwrap();
    log.compact().await.unwrap();
    assert_eq!(read(&log, "t").await.len(), 20_500);
    drop(log);
    // The records become two hours old.
    let file = rusqlite::Connection::open(dir.path().join("log.db")).unwrap();
    let older = file.execute("update record set at = at - ?1", [2 * hour.as_millis() as i64]).unwrap();
    assert_eq!(older, 20_500);
    drop(file);
    let log = Log::open_embedded(dir.path()).await.unwrap();
    log.create_topics(&[spec]).await.unwrap();
    log.append(numbered(0..5)).await.unwrap();
    log.compact().await.unwrap();
    let left = read(&log, "t").await;
    assert_eq!(left.len(), 5);
    assert_eq!(left[0].offset, 20_500);
    // A new group starts at what is left, and its lag counts that only.
    let mut consumer = log.consumer("g", &["t"]).await.unwrap();
    assert_eq!(consumer.lag().await.unwrap(), 5);
    assert_eq!(consumer.poll(10, Duration::ZERO).await.unwrap().len(), 5);
}

/// The broker refuses the second output, so Kafka has the first one of an aborted transaction: nobody may see it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Apache Kafka: tests/kafka/kafka.sh start"]
async fn a_transaction_that_kafka_refuses_is_invisible() {
    use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
    let brokers = brokers();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    let small = format!("test.small.{now}");
    let admin: AdminClient<_> = rdkafka::ClientConfig::new().set("bootstrap.servers", &brokers).create().unwrap();
    let topic = NewTopic::new(&small, 1, TopicReplication::Fixed(1)).set("max.message.bytes", "1000");
    admin.create_topics([&topic], &AdminOptions::new()).await.unwrap();

    let log = Log::connect_kafka(&brokers, &[]).await.unwrap();
    let input: &str = format!("test.input.{now}").leak();
    let spec = TopicSpec { name: input, partitions: 1, cleanup: Cleanup::Delete, retention: None };
    log.create_topics(&[spec]).await.unwrap();
    log.append(vec![NewRecord::new(input, "k", "v")]).await.unwrap();
    let mut consumer = log.consumer(&format!("group.{now}"), &[input]).await.unwrap();
    let first = consumer.poll(10, Duration::from_secs(30)).await.unwrap();
    assert_eq!(first.len(), 1);
    let noise: Vec<u8> = (0..50_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let outputs = vec![NewRecord::new(&*small, "k", "fine"), NewRecord::new(&*small, "k", noise)];
    let error = consumer.publish_and_commit(outputs).await.unwrap_err();
    assert!(matches!(error, LogError::Aborted { .. }), "{error:?}");
    assert_eq!(read(&log, &small).await, []);

    assert_eq!(consumer.poll(10, Duration::from_secs(30)).await.unwrap(), first);
    consumer.publish_and_commit(vec![NewRecord::new(&*small, "k", "again")]).await.unwrap();
    let mut seen = Vec::new();
    while seen.is_empty() {
        seen = read(&log, &small).await;
    }
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].value.as_deref(), Some(b"again".as_slice()));
}

/// Two processes by mistake under one transactional id: the older one's next commit is refused, nothing is doubled, and both
/// can go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Apache Kafka: tests/kafka/kafka.sh start"]
async fn a_fenced_member_on_kafka_can_go_on() {
    let brokers = brokers();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    let properties = [("transactional.id".to_owned(), format!("test.{now}"))];
    let group = format!("group.{now}");
    let one = Log::connect_kafka(&brokers, &properties).await.unwrap();
    let spec = |name: String| TopicSpec { name: name.leak(), partitions: 1, cleanup: Cleanup::Delete, retention: None };
    let (input, output) = (spec(format!("test.in.{now}")), spec(format!("test.out.{now}")));
    one.create_topics(&[input.clone(), output.clone()]).await.unwrap();
    let records = (0..10).map(|i| NewRecord::new(input.name, "k", i.to_string()));
    one.append(records.collect()).await.unwrap();
    let mut first = one.consumer(&group, &[input.name]).await.unwrap();
    let mut polled = first.poll(4, Duration::from_secs(30)).await.unwrap();
    first.publish_and_commit(vec![NewRecord::new(output.name, "k", "a")]).await.unwrap();
    let at = polled.len();
    polled = first.poll(2, Duration::from_secs(30)).await.unwrap();

    let two = Log::connect_kafka(&brokers, &properties).await.unwrap();
    let mut second = two.consumer(&group, &[input.name]).await.unwrap();
    second.publish_and_commit(vec![NewRecord::new(output.name, "k", "b")]).await.unwrap();

    let stale = vec![NewRecord::new(output.name, "k", "stale")];
    let error = first.publish_and_commit(stale).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    let again = first.poll(polled.len(), Duration::from_secs(30)).await.unwrap();
    assert_eq!(again, polled);
    assert_eq!(again[0].offset, at as i64);
    first.publish_and_commit(vec![NewRecord::new(output.name, "k", "c")]).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 3 {
        seen = read(&one, output.name).await;
    }
    let seen: Vec<&[u8]> = seen.iter().filter_map(|r| r.value.as_deref()).collect();
    assert_eq!(seen, [b"a", b"b", b"c"]);
}
