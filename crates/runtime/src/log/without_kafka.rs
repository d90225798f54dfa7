//! Replaces the Kafka log in a build without the feature `kafka`. No value of these types can
//! exist, so nothing here is ever called.

use std::{ops::Range, time::Duration};

use super::{Committed, Copies, LogError, Membership, NewRecord, Outage, Partition, Record, TopicSpec};

#[derive(Clone)]
pub(super) enum Kafka {}

pub(super) enum GroupMember {}

pub(super) enum Reader {}

pub(super) fn check_properties(properties: &[(String, String)]) -> Result<(), LogError> {
    if properties.is_empty() { Ok(()) } else { Err(LogError::NoKafka) }
}

impl Kafka {
    pub(super) async fn connect(_brokers: &str, _properties: &[(String, String)]) -> Result<Kafka, LogError> {
        Err(LogError::NoKafka)
    }

    pub(super) async fn create_topics(&self, _specs: &[TopicSpec], _copies: Copies) -> Result<(), LogError> {
        match *self {}
    }

    pub(super) async fn append(&self, _records: Vec<NewRecord>) -> Result<(), LogError> {
        match *self {}
    }

    pub(super) async fn consumer(&self, _group: &str, _topics: &[&str]) -> Result<GroupMember, LogError> {
        match *self {}
    }

    pub(super) async fn reader(&self, _topic: &str, _spans: Vec<(i32, Range<i64>)>) -> Result<Reader, LogError> {
        match *self {}
    }

    pub(super) async fn end_offsets(&self, _topic: &str) -> Result<Vec<i64>, LogError> {
        match *self {}
    }

    pub(super) async fn take_over(&self, _group: &str) -> Result<(), LogError> {
        match *self {}
    }

    pub(super) async fn committed(&self, _group: &str, _topic: &str) -> Result<Vec<Option<Committed>>, LogError> {
        match *self {}
    }

    pub(super) async fn members(&self, _group: &str) -> Result<Vec<Membership>, LogError> {
        match *self {}
    }

    pub(super) fn outage(&self) -> Option<Outage> {
        match *self {}
    }

    pub(super) async fn check(&self) -> Result<(), LogError> {
        match *self {}
    }

    pub(super) async fn shutdown(&self) -> Result<(), LogError> {
        match *self {}
    }
}

impl GroupMember {
    pub(super) async fn poll(&mut self, _max: usize, _wait: Duration) -> Result<Vec<Record>, LogError> {
        match *self {}
    }

    pub(super) async fn publish_and_commit(&mut self, _outputs: Vec<NewRecord>, _note: &str) -> Result<(), LogError> {
        match *self {}
    }

    pub(super) async fn rewind(&mut self) -> Result<(), LogError> {
        match *self {}
    }

    pub(super) fn assignment(&self) -> Vec<Partition> {
        match *self {}
    }

    pub(super) async fn lags(&mut self) -> Result<Vec<(Partition, u64)>, LogError> {
        match *self {}
    }

    pub(super) async fn close(self) -> Result<(), LogError> {
        match self {}
    }
}

impl Reader {
    pub(super) fn turn_to(&mut self, _spans: Vec<(i32, Range<i64>)>, _ends: &[i64]) -> Result<(), LogError> {
        match *self {}
    }

    pub(super) async fn poll(&mut self, _max: usize, _wait: Duration) -> Result<Vec<Record>, LogError> {
        match *self {}
    }

    pub(super) fn at_end(&self) -> bool {
        match *self {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn brokers_and_properties_are_refused_with_the_feature_to_build_with() {
        let connected = Kafka::connect("localhost:9092", &[]).await.err().unwrap().to_string();
        assert!(
            connected.contains("this build has no Apache Kafka: build Lockstep with `--features kafka`"),
            "{connected}"
        );
        assert!(check_properties(&[]).is_ok());
        let property = ("security.protocol".to_owned(), "SSL".to_owned());
        assert_eq!(check_properties(&[property]).unwrap_err().to_string(), connected);
    }
}
