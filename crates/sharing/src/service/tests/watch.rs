//! The watch list on a log.

use super::*;
use crate::{service::watch::GROUP, store::watch::GroupQuery};

on_both_databases!(async fn groups_come_from_the_log_and_bad_records_hold_up_nothing);

async fn groups_come_from_the_log_and_bad_records_hold_up_nothing((folder, place): Place) {
    let sharing = open(&place, Reviewers::People, Tlp::Amber);
    let log = runtime::Log::open_embedded(&folder.path().join("log")).await.unwrap();
    let topic = |name| runtime::TopicSpec { name, partitions: 1, cleanup: runtime::Cleanup::Delete, retention: None };
    log.create_topics(&[
        topic(topics::CLUSTERS),
        topic(topics::CLUSTERS_FLAGGED),
        topic(topics::CLUSTERS_DEAD_LETTER),
        topic(topics::FEEDBACK),
    ])
    .await
    .unwrap();
    let of = |id: &str, status, version| ClusterMessage { status, ..fixtures::cluster(id, version) };
    let record = |topic, cluster: &ClusterMessage| {
        runtime::NewRecord::new(topic, cluster.cluster_id.as_bytes(), cluster.encode().unwrap())
    };
    let gone = runtime::NewRecord { value: None, ..runtime::NewRecord::new(topics::CLUSTERS, "gone", "") };
    let flagged = of("flagged", Status::Flagged, 1);
    log.append(vec![
        record(topics::CLUSTERS, &of("stays", Status::Coordinated, 1)),
        runtime::NewRecord::new(topics::CLUSTERS, "x", "{\"cluster_id\": 7}"),
        record(topics::CLUSTERS, &of("gone", Status::NearMiss, 1)),
        record(topics::CLUSTERS, &flagged),
        record(topics::CLUSTERS_FLAGGED, &flagged),
        gone,
        record(topics::CLUSTERS, &of("stays", Status::SingleSource, 2)),
    ])
    .await
    .unwrap();
    // The second time everything is known.
    for _ in 0..2 {
        let shutdown = Shutdown::new();
        let running = tokio::spawn({
            let (sharing, log, shutdown) = (sharing.clone(), log.clone(), shutdown.clone());
            async move { sharing.run(log, shutdown).await }
        });
        for _ in 0..200 {
            let read = log.committed(GROUP, topics::CLUSTERS).await.unwrap();
            let cases = log.committed(super::super::clusters::GROUP, topics::CLUSTERS_FLAGGED).await.unwrap();
            if (read, cases) == (vec![Some(6)], vec![Some(1)]) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        shutdown.stop();
        running.await.unwrap().unwrap();
        let store = &sharing.inner.store;
        let (rows, _) = store.groups(&GroupQuery { limit: 10, ..GroupQuery::default() }).unwrap();
        let listed: Vec<(&str, u32)> = rows.iter().map(|row| (&*row.group.cluster_id, row.group.version)).collect();
        assert_eq!(listed, [("stays", 2)]);
        let (cases, total) = store.cases(&crate::store::CaseQuery { limit: 10, ..Default::default() }).unwrap();
        assert_eq!(
            (total, cases[0].cluster_id.as_str()),
            (1, "flagged"),
            "only what is flagged opens a case by itself"
        );
        assert_eq!(log.end_offsets(topics::CLUSTERS_DEAD_LETTER).await.unwrap(), [1]);
    }
    let (letters, _) = log.records_at(topics::CLUSTERS_DEAD_LETTER, &[(0, 0)], Duration::from_secs(5)).await.unwrap();
    let letter = messages::dead_letter::DeadLetter::from_record(b"", &letters[0].headers).unwrap();
    let messages::dead_letter::Source::Record { topic, .. } = letter.source else { panic!("{letter:?}") };
    assert_eq!(topic, topics::CLUSTERS);
}
