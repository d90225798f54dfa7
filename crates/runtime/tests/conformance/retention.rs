//! Records that are too old, on the embedded log. Kafka's broker deletes by itself.

use super::*;

async fn keep(log: &Log, name: &'static str, retention: Option<Duration>) {
    log.create_topics(&[TopicSpec { name, partitions: 2, cleanup: Cleanup::Delete, retention }]).await.unwrap();
}

async fn left(log: &Log, topic: &str) -> usize {
    // Older than a millisecond.
    tokio::time::sleep(Duration::from_millis(20)).await;
    log.compact().await.unwrap();
    log.read_all(topic, &[]).await.unwrap().try_collect::<Vec<_>>().await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_records_go_and_are_counted_and_a_changed_retention_holds_for_an_existing_topic() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open_embedded(dir.path()).await.unwrap();
    let (topic, millisecond) = (unique("retention"), Some(Duration::from_millis(1)));
    keep(&log, topic, Some(Duration::from_secs(3_600))).await;
    log.append(numbered(topic, 4, 10)).await.unwrap();
    assert_eq!(left(&log, topic).await, 10, "younger than an hour");
    assert_eq!(log.deleted_records(), []);
    keep(&log, topic, millisecond).await;
    assert_eq!(left(&log, topic).await, 0);
    assert_eq!(log.deleted_records(), [(topic.into(), "retention", 10)]);
    log.shutdown().await.unwrap();

    // The time is kept with the topic, and offsets go on.
    let log = Log::open_embedded(dir.path()).await.unwrap();
    log.append(numbered(topic, 4, 3)).await.unwrap();
    assert_eq!(left(&log, topic).await, 0);
    assert_eq!(log.deleted_records(), [(topic.into(), "retention", 3)]);
    assert_eq!(log.end_offsets(topic).await.unwrap().iter().sum::<i64>(), 13);
    keep(&log, topic, None).await;
    log.append(numbered(topic, 4, 5)).await.unwrap();
    assert_eq!(left(&log, topic).await, 5, "kept for ever");

    // A newer record of the same key replaces the older one, which is another reason.
    let name = unique("compacted");
    log.create_topics(&[TopicSpec { name, partitions: 1, cleanup: Cleanup::Compact, retention: None }]).await.unwrap();
    log.append(numbered(name, 2, 7)).await.unwrap();
    assert_eq!(left(&log, name).await, 2);
    assert!(log.deleted_records().contains(&(name.into(), "compaction", 5)));
}
