//! Reading a topic without a group.

use super::*;

pub(super) async fn the_last_record_of_each_key_can_be_rebuilt(log: Log) {
    let topic = topic(&log, 3, Cleanup::Compact).await;
    for round in 0..5 {
        log.append((0..20).map(|k| record(topic, k, format!("{k}-{round}"))).collect()).await.unwrap();
    }
    log.append(vec![NewRecord { value: None, ..record(topic, 7, "") }]).await.unwrap();
    log.compact().await.unwrap();
    let records = all(&log, topic).await;
    let mut last: BTreeMap<Vec<u8>, Option<Vec<u8>>> = BTreeMap::new();
    for record in &records {
        last.insert(record.key.clone(), record.value.clone());
    }
    assert_eq!(last.len(), 20);
    for (key, value) in last {
        let key = String::from_utf8(key).unwrap();
        let expected = (key != "7").then(|| format!("{key}-4").into_bytes());
        assert_eq!(value, expected, "{key}");
    }
    if log.home() == "embedded" {
        assert_eq!(records.len(), 20, "older records are gone, the tombstone is there");
        assert_eq!(log.end_offsets(topic).await.unwrap().into_iter().sum::<i64>(), 101);
    }
    // Offsets go on after the compaction, and a group reads what is left.
    log.append(vec![record(topic, 7, "back")]).await.unwrap();
    let mut consumer = log.consumer(unique("group"), &[topic]).await.unwrap();
    let seen = poll_n(&mut consumer, records.len() + 1).await;
    assert!(seen.iter().any(|r| r.value.as_deref() == Some(b"back")));
}

pub(super) async fn a_reader_goes_on_after_the_end(log: Log) {
    let topic = topic(&log, 2, Cleanup::Compact).await;
    log.append(numbered(topic, 4, 10)).await.unwrap();
    let mut reader = log.reader(topic, &[]).await.unwrap();
    assert!(!reader.at_end());
    let start = Instant::now();
    let mut seen = 0;
    while !reader.at_end() {
        assert!(start.elapsed() < PATIENCE);
        seen += reader.poll(3, WAIT).await.unwrap().len();
    }
    assert_eq!(seen, 10);
    log.append(vec![record(topic, "a", "later")]).await.unwrap();
    let mut later = Vec::new();
    while later.is_empty() {
        assert!(start.elapsed() < PATIENCE);
        later = reader.poll(3, WAIT).await.unwrap();
    }
    assert_eq!(values(&later), ["later"]);
}

pub(super) async fn a_range_is_read_exactly(log: Log) {
    let topic = topic(&log, 2, Cleanup::Delete).await;
    log.append(vec![record(topic, "a", 0)]).await.unwrap();
    let partition = all(&log, topic).await[0].partition;
    log.append((1..50).map(|i| record(topic, "a", i)).collect()).await.unwrap();
    let read = log.read_range(topic, partition, 10..20).await.unwrap();
    let records: Vec<Record> = read.try_collect().await.unwrap();
    assert_eq!(values(&records), (10..20).map(|i| i.to_string()).collect::<Vec<_>>());
    let from = log.read_all(topic, &[(partition, 45)]).await.unwrap();
    let records: Vec<Record> = from.try_collect().await.unwrap();
    assert_eq!(values(&records), ["45", "46", "47", "48", "49"]);
    let none = log.read_range(topic, partition, 20..20).await.unwrap();
    assert_eq!(none.try_collect::<Vec<_>>().await.unwrap(), []);
}

pub(super) async fn records_are_found_by_their_places(log: Log) {
    let topic = topic(&log, 3, Cleanup::Delete).await;
    log.append(numbered(topic, 7, 3_000)).await.unwrap();
    let mut there = all_n(&log, topic, 3_000).await;
    there.sort_by_key(|record| (record.partition, record.offset));
    // Neighbours, near ones, far ones, the first and the last of each partition.
    let step = [1, 2, 97, 150, 400];
    let mut wanted: Vec<Record> = Vec::new();
    let mut at = 0;
    for (n, record) in there.iter().enumerate() {
        let edge = n == 0
            || there.get(n + 1).is_none_or(|next| next.partition != record.partition)
            || there[n - 1].partition != record.partition;
        if edge || n == at {
            wanted.push(record.clone());
            at = n + step[wanted.len() % step.len()];
        }
    }
    let places: Vec<(i32, i64)> = wanted.iter().map(|record| (record.partition, record.offset)).collect();
    // What is not there, in the future, in no partition, is left out and waited for by nobody.
    let asked = [&places[..], &[(0, 1 << 40), (99, 0), (-1, 0), (0, -1)], &places[..3]].concat();
    let (mut found, all) = log.records_at(topic, &asked, PATIENCE).await.unwrap();
    let order = |record: &Record| (record.partition, record.offset);
    found.sort_by_key(order);
    wanted.sort_by_key(order);
    assert_eq!((found, all), (wanted, true));
    assert_eq!(log.records_at(topic, &[], PATIENCE).await.unwrap(), (Vec::new(), true));
    assert!(!log.records_at(topic, &asked, Duration::ZERO).await.unwrap().1);
}
