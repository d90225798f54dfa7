//! What the topics hold in the end.

use std::collections::{BTreeMap, BTreeSet};

use messages::{
    cluster::{ClusterMessage, Status},
    dead_letter::{DeadLetter, Source},
    topics::POSTS,
};
use runtime::Record;

use super::Found;

/// Every bad line is there once, as it was, with field, reason and where it came from.
pub(super) fn check_dead_letters(records: &[Record], bad: &[(&str, &str, &str)]) {
    assert_eq!(records.len(), bad.len());
    for (line, field, reason) in bad {
        let mut of_line = records.iter().filter(|record| record.value.as_deref() == Some(line.as_bytes()));
        let record = of_line.next().unwrap_or_else(|| panic!("{line} is not among the dead letters"));
        assert!(of_line.next().is_none(), "{line} is there twice");
        let letter = DeadLetter::from_record(line.as_bytes(), &record.headers).unwrap();
        assert_eq!(letter.field, *field, "{line}");
        assert!(letter.reason.contains(reason) && !letter.reason.is_empty(), "{line}: {}", letter.reason);
        match letter.source {
            Source::Line { file, line } => {
                assert!((file == "POST /v1/posts" || file.ends_with(".jsonl")) && line > 0, "{file} {line}");
            }
            Source::Record { topic, .. } => assert_eq!(topic, POSTS),
        }
    }
}

/// The flagged clusters are those that have cases, and what is said of them is what was last published. One that became part of
/// another before its case was opened needs none, nor does one that was flagged no longer by then.
pub(super) fn check_topics(found: &Found, clusters: &[Record], flagged: &[Record]) {
    let absorbed: BTreeSet<String> = flagged.iter().flat_map(|record| decode(record).lineage).collect();
    let told: BTreeSet<String> = flagged.iter().map(|record| String::from_utf8(record.key.clone()).unwrap()).collect();
    assert!(found.cases.keys().all(|id| told.contains(id)));
    let last = latest(flagged);
    for without in told.iter().filter(|id| !found.cases.contains_key(*id)) {
        let moot = absorbed.contains(without) || last[without].status != Status::Flagged;
        assert!(moot, "{without} is flagged and has no case");
    }
    assert!(flagged.iter().any(|record| decode(record).status == Status::Flagged));
    let clusters = latest(clusters);
    let flagged = latest(flagged);
    for (id, cluster) in &flagged {
        if let Some(case) = found.cases.get(id).filter(|_| !absorbed.contains(id)) {
            assert_eq!(serde_json::to_value(cluster).unwrap(), case["cluster"], "{id}");
        }
        if let Some(now) = clusters.get(id) {
            assert_eq!(now, cluster);
        }
    }
}

/// The last state of every cluster that there still is.
pub(super) fn latest(records: &[Record]) -> BTreeMap<String, ClusterMessage> {
    let mut clusters = BTreeMap::new();
    for record in records {
        let id = String::from_utf8(record.key.clone()).unwrap();
        match &record.value {
            Some(_) => clusters.insert(id, decode(record)),
            None => clusters.remove(&id),
        };
    }
    clusters
}

/// What was told of the clusters, in order, for a failure's message.
pub(super) fn story(records: &[Record]) -> String {
    let line = |record: &Record| {
        let id = String::from_utf8_lossy(&record.key).into_owned();
        match &record.value {
            Some(_) => {
                let told = decode(record);
                let (members, lineage) = (told.accounts.len(), told.lineage);
                format!("\n{id} version {} {:?}, {members} members, lineage {lineage:?}", told.version, told.status)
            }
            None => format!("\n{id} gone"),
        }
    };
    records.iter().map(line).collect()
}

pub(super) fn decode(record: &Record) -> ClusterMessage {
    ClusterMessage::decode(record.value.as_deref().unwrap()).unwrap()
}

pub(super) fn members(clusters: &BTreeMap<String, ClusterMessage>) -> BTreeMap<&str, BTreeSet<(String, String)>> {
    clusters.iter().map(|(id, cluster)| (id.as_str(), members_of(cluster))).collect()
}

pub(super) fn members_of(cluster: &ClusterMessage) -> BTreeSet<(String, String)> {
    cluster.accounts.iter().map(|account| (account.platform.clone(), account.account_id.clone())).collect()
}
