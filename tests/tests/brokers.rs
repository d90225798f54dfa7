//! What the services do when brokers are away and when several detectors run: on a real Apache Kafka.

use std::{
    thread,
    time::{Duration, Instant},
};

use end_to_end::{Broker, Place, Service};
use messages::topics::{CLUSTERS, CLUSTERS_FLAGGED, POSTS};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    producer::{BaseProducer, Producer},
};

use crate::chain::{World, read};

/// Posts in one request.
const REQUEST: usize = 1_000;
/// Longer than a partition is silent before it holds nothing back.
const SILENCE: Duration = Duration::from_secs(33);
/// Longer than every time that a request to a broker may take.
const OUTAGE: Duration = Duration::from_secs(75);

/// The published messages of each cluster, in their order.
fn published(place: &Place, brokers: Option<&str>, topic: &str) -> Vec<(String, Option<String>)> {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    read(place, brokers, topic).into_iter().map(|record| (text(record.key), record.value.map(text))).collect()
}

/// The last message of each cluster.
fn last(published: &[(String, Option<String>)]) -> std::collections::BTreeMap<&str, Option<&str>> {
    published.iter().map(|(id, message)| (&**id, message.as_deref())).collect()
}

/// What an undisturbed run on the embedded log publishes.
fn undisturbed(world: &World) -> Vec<(String, Option<String>)> {
    let place = Place::new(None, &world.platforms);
    let mut service = place.serve();
    world.posts.chunks(REQUEST).for_each(|request| assert!(service.post(request).is_some()));
    world.gone_through(&mut service);
    assert_eq!(service.stop().code(), Some(0));
    published(&place, None, CLUSTERS)
}

/// That each version of a cluster was published once.
fn check_versions(published: &[(String, Option<String>)]) {
    let mut seen = std::collections::BTreeSet::new();
    for message in published.iter().filter_map(|(_, message)| message.as_deref()) {
        let message: serde_json::Value = serde_json::from_str(message).unwrap();
        let version = (message["cluster_id"].to_string(), message["version"].as_u64().unwrap());
        assert!(seen.insert(version.clone()), "{version:?} was published twice");
    }
}

/// A second detector takes nothing while the first one lives, and goes on when the first was killed.
#[test]
#[ignore = "needs Apache Kafka: tests/kafka/kafka.sh start"]
fn a_second_detector_on_kafka_is_a_standby() {
    let broker = Broker::start();
    let brokers = broker.address();
    let world = World::demo();
    let expected = undisturbed(&world);

    let places = [Place::new(Some(brokers), &world.platforms), Place::new(Some(brokers), &world.platforms)];
    let intake_place = Place::new(Some(brokers), &world.platforms);
    let mut intake = intake_place.start("intake");
    intake.ready();
    let mut first = places[0].start("detect");
    first.ready();
    let mut second = places[1].start("detect");
    let reason = second.wait("the second is a standby", |service| {
        let (status, text) = service.readiness()?;
        (status == 503 && text.contains("standby")).then_some(text)
    });
    assert!(reason.contains("lockstep-detect-"), "it says who detects: {reason}");
    assert_eq!(second.metrics()["lockstep_detector_standby"], 1.0);
    assert_eq!(first.metrics()["lockstep_detector_standby"], 0.0);
    let (before, after) = world.posts.split_at(world.posts.len() / 2);
    before.chunks(REQUEST).for_each(|request| assert!(intake.post(request).is_some()));
    let half = |service: &mut Service| (service.sum("lockstep_posts_total") > before.len() as u64 / 2).then_some(());
    first.wait("half of them are read", half);
    assert_eq!(second.sum("lockstep_posts_total"), 0);
    first.kill();
    let killed = Instant::now();
    second.ready();
    eprintln!("a standby has taken over {:.1} s after the kill", killed.elapsed().as_secs_f64());
    after.chunks(REQUEST).for_each(|request| assert!(intake.post(request).is_some()));
    world.detected(&mut second);
    assert_eq!(second.stop().code(), Some(0));
    assert_eq!(intake.stop().code(), Some(0));
    let found = published(&places[0], Some(brokers), CLUSTERS);
    check_versions(&found);
    assert_eq!(last(&found), last(&expected));
}

/// What a killed detector left open is ended at the next start, which does not wait for time limits.
#[test]
#[ignore = "needs Apache Kafka: tests/kafka/kafka.sh start"]
fn a_start_after_a_kill_in_mid_transaction_on_kafka_does_not_wait() {
    let broker = Broker::start();
    let brokers = broker.address();
    let world = World::demo();
    let place = Place::new(Some(brokers), &world.platforms);
    let mut service = place.serve();
    world.posts[..REQUEST].chunks(REQUEST).for_each(|request| assert!(service.post(request).is_some()));
    service.wait("they are read", |service| (service.sum("lockstep_posts_total") == REQUEST as u64).then_some(()));
    service.settle(REQUEST as u64);
    service.kill();
    // What a kill in mid-transaction leaves: an open transaction with offsets of the group.
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    let producer: BaseProducer = config
        .clone()
        .set("transactional.id", "lockstep-detector")
        .set("transaction.timeout.ms", "30000")
        .create()
        .unwrap();
    let member: BaseConsumer = config.set("group.id", "detector").create().unwrap();
    producer.init_transactions(Duration::from_secs(30)).unwrap();
    producer.begin_transaction().unwrap();
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset(POSTS, 0, Offset::Offset(1)).unwrap();
    let no_member = member.group_metadata().unwrap();
    producer.send_offsets_to_transaction(&offsets, &no_member, Duration::from_secs(30)).unwrap();
    let began = Instant::now();
    let service = place.serve();
    let took = began.elapsed();
    eprintln!("ready {:.1} s after a kill in mid-transaction", took.as_secs_f64());
    assert!(took < Duration::from_secs(15), "{took:?}\n{}", service.said());
    assert_eq!(service.stop().code(), Some(0));
}

/// Two processes with one name: the older one ends, and says why in one sentence.
#[test]
#[ignore = "needs Apache Kafka: tests/kafka/kafka.sh start"]
fn of_two_sharing_services_with_one_name_on_kafka_the_older_ends_with_one_sentence() {
    let broker = Broker::start();
    let brokers = broker.address();
    let world = World::demo();
    let places = [Place::new(Some(brokers), &world.platforms), Place::new(Some(brokers), &world.platforms)];
    for place in &places {
        let config = std::fs::read_to_string(place.config()).unwrap();
        std::fs::write(place.config(), format!("{config}\n[log.properties]\n\"group.instance.id\" = \"same\"\n"))
            .unwrap();
    }
    let mut first = places[0].start("share");
    first.ready();
    // In both groups, before the second one comes.
    let member = |service: &mut Service| {
        let metrics = service.metrics();
        let lag = |group: &str| metrics.contains_key(&format!("lockstep_consumer_lag_records{{group=\"{group}\"}}"));
        (lag("sharing") && lag("sharing-watch")).then_some(())
    };
    first.wait("it is a member", member);
    let mut second = places[1].start("share");
    second.ready();
    first.wait("the first ends", |service| (!service.is_running()).then_some(()));
    let said = first.said();
    let errors: Vec<&str> =
        said.lines().filter(|line| line.contains("another process took the place of this one")).collect();
    assert_eq!(errors.len(), 1, "{said}");
    assert!(!said.contains("panicked") && !said.contains("stack backtrace"), "{said}");
    assert!(second.is_running());
    assert_eq!(second.stop().code(), Some(0));
}

/// Days of posts come at once after half a minute of silence.
#[test]
#[ignore = "needs Apache Kafka: tests/kafka/kafka.sh start"]
fn a_burst_after_a_silence_on_kafka_loses_nothing() {
    let broker = Broker::start();
    let brokers = broker.address();
    let world = World::demo();
    let expected = undisturbed(&world);
    let place = Place::new(Some(brokers), &world.platforms);
    let mut service = place.serve();
    let (first, burst) = world.posts.split_at(REQUEST);
    assert!(service.post(first).is_some());
    service.wait("they are read", |service| (service.sum("lockstep_posts_total") == REQUEST as u64).then_some(()));
    thread::sleep(SILENCE);
    let file = place.path("burst.jsonl");
    std::fs::write(&file, burst.join(&b'\n')).unwrap();
    end_to_end::run(&["ingest", file.to_str().unwrap(), "--brokers", brokers]);
    world.gone_through(&mut service);
    let metrics = service.metrics();
    for outcome in ["too_late", "late", "dead_letter"] {
        assert_eq!(metrics[&format!(r#"lockstep_posts_total{{outcome="{outcome}"}}"#)], 0.0, "{outcome}");
    }
    assert_eq!(service.stop().code(), Some(0));
    let found = published(&place, Some(brokers), CLUSTERS);
    check_versions(&found);
    assert_eq!(last(&found), last(&expected));
}

/// A broker that answers nobody for longer than every request may take.
#[test]
#[ignore = "needs Apache Kafka: tests/kafka/kafka.sh start"]
fn services_wait_for_a_frozen_broker_of_kafka_and_go_on() {
    let broker = Broker::start();
    let brokers = broker.address();
    let world = World::demo();
    let expected = undisturbed(&world);
    let place = Place::new(Some(brokers), &world.platforms);
    let mut service = place.serve();
    let (before, after) = world.posts.split_at(world.posts.len() / 2);
    before.chunks(REQUEST).for_each(|request| assert!(service.post(request).is_some()));
    // In the middle of the work.
    service.wait("some are read", |service| (service.sum("lockstep_posts_total") > REQUEST as u64).then_some(()));
    let frozen = broker.freeze();
    let began = Instant::now();
    let (status, retry, text) = service.try_post(&after[..1]);
    assert_eq!((status, retry.as_deref()), (503, Some("5")), "{text}");
    assert!(began.elapsed() < Duration::from_secs(25), "the intake answers after {:?}", began.elapsed());
    let reason = service.wait("it says so", |service| {
        let (status, text) = service.readiness()?;
        (status == 503 && text.contains("kafka does not answer")).then_some(text)
    });
    assert!(reason.contains("since 20"), "{reason}");
    // One request in a while looks whether the outage is over.
    assert_eq!(service.try_post(&after[..1]).0, 503);
    let asked = Instant::now();
    assert_eq!(service.try_post(&after[..1]).0, 503);
    assert!(asked.elapsed() < Duration::from_secs(1), "known to be away: {:?}", asked.elapsed());
    assert_eq!(service.get("/").0, 200, "the console shows what there is");
    thread::sleep(OUTAGE.saturating_sub(began.elapsed()));
    assert!(service.is_running(), "{}", service.said());
    drop(frozen);
    let back = Instant::now();
    service.ready();
    eprintln!("ready {:.1} s after the broker was back", back.elapsed().as_secs_f64());
    after.chunks(REQUEST).for_each(|request| {
        service.wait("the intake takes posts", |service| (service.try_post(request).0 == 200).then_some(()));
    });
    world.gone_through(&mut service);
    assert_eq!(service.stop().code(), Some(0));
    let found = published(&place, Some(brokers), CLUSTERS);
    check_versions(&found);
    assert_eq!(last(&found), last(&expected));
    assert!(!published(&place, Some(brokers), CLUSTERS_FLAGGED).is_empty());
}
