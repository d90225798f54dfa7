//! A member of a consumer group on Kafka.
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures::FutureExt;
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{Consumer, StreamConsumer},
    error::RDKafkaErrorCode,
};
use tokio::{task::JoinHandle, time::timeout_at};

use super::{
    Kafka, REQUEST_TIMEOUT, assignment::AssignmentContext, consumer_settings, is_transient, to_record,
    transaction::Transactor,
};
use crate::log::{LogError, MAX_POLL_BYTES, NewRecord, Partition, Record, blocking};

/// A member of a group.
pub(in crate::log) struct GroupMember {
    kafka: Kafka,
    group: Arc<str>,
    topics: Vec<Arc<str>>,
    transactor: Arc<tokio::sync::Mutex<Transactor>>,
    /// The transaction in progress. Cancelling its caller does not cancel it.
    running: Option<JoinHandle<Result<(), LogError>>>,
    /// Error of the last transaction, until the member has gone back to the committed offsets.
    failed: Option<LogError>,
    /// The consumer; `None` only while it is being replaced or closed.
    consumer: Option<Arc<StreamConsumer<AssignmentContext>>>,
    /// Offsets that were polled and not committed, by partition.
    polled: BTreeMap<Partition, Polled>,
    /// The next offset of each polled partition.
    next: BTreeMap<Partition, i64>,
    lost: Option<Partition>,
    /// The last rebalance that this member has processed.
    seen: u64,
    /// See [`super::clients::Clients::generation`].
    generation: u64,
}

#[derive(Clone, Copy)]
struct Polled {
    first: i64,
    next: i64,
}

impl GroupMember {
    pub(super) fn join(kafka: Kafka, group: &str, topics: &[&str]) -> Result<GroupMember, LogError> {
        let transactor = Transactor::new(kafka.clone(), kafka.new_transactional_id(group));
        let mut member = GroupMember {
            generation: kafka.generation(),
            kafka,
            group: group.into(),
            topics: topics.iter().map(|t| Arc::from(*t)).collect(),
            transactor: Arc::new(tokio::sync::Mutex::new(transactor)),
            running: None,
            failed: None,
            consumer: None,
            polled: BTreeMap::new(),
            next: BTreeMap::new(),
            lost: None,
            seen: 0,
        };
        member.subscribe()?;
        Ok(member)
    }

    fn subscribe(&mut self) -> Result<Arc<StreamConsumer<AssignmentContext>>, LogError> {
        if let Some(consumer) = &self.consumer {
            return Ok(consumer.clone());
        }
        let failed = || LogError::kafka(format!("join group {:?}", self.group));
        let mut config = self.kafka.client_config();
        consumer_settings(&mut config);
        config
            .set("partition.assignment.strategy", "cooperative-sticky")
            // Needed for the lag; see `AssignmentContext::stats`.
            .set("statistics.interval.ms", "1000");
        let consumer: StreamConsumer<AssignmentContext> =
            config.set("group.id", &*self.group).create_with_context(AssignmentContext::default()).map_err(failed())?;
        let topics: Vec<&str> = self.topics.iter().map(|t| &**t).collect();
        consumer.subscribe(&topics).map_err(failed())?;
        let consumer = Arc::new(consumer);
        self.consumer = Some(consumer.clone());
        self.seen = 0;
        self.polled.clear();
        self.next.clear();
        Ok(consumer)
    }

    pub(in crate::log) async fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<Record>, LogError> {
        let deadline = tokio::time::Instant::now() + wait;
        self.settle().await?;
        self.renew().await?;
        let consumer = self.subscribe()?;
        let mut records = Vec::new();
        let mut bytes = 0;
        while records.len() < max && bytes < MAX_POLL_BYTES {
            let received = if records.is_empty() {
                timeout_at(deadline, consumer.recv()).await.ok()
            } else {
                consumer.recv().now_or_never()
            };
            self.note_rebalance(&consumer, &mut records);
            match received {
                None => break,
                Some(Ok(message)) => {
                    let topic = self.topics.iter().find(|t| ***t == *message.topic());
                    let Some(topic) = topic.cloned() else {
                        continue;
                    };
                    let record = to_record(topic, &message);
                    bytes += record.size();
                    self.count(&record);
                    records.push(record);
                }
                Some(Err(error)) if is_transient(&error) => {
                    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
                        self.kafka.suspect();
                    }
                    tracing::warn!(group = %self.group, %error, "kafka consumer error, continuing");
                }
                Some(Err(source)) => {
                    let fatal = consumer.client().fatal_error();
                    if let Some((RDKafkaErrorCode::FencedInstanceId, _)) = fatal {
                        let instance = self.kafka.property("group.instance.id").unwrap_or_default().to_owned();
                        return Err(LogError::Fenced { group: self.group.to_string(), instance });
                    }
                    let action = format!("poll in group {:?}", self.group);
                    self.rewind().await?;
                    return Err(LogError::Kafka { action, source });
                }
            }
        }
        Ok(records)
    }

    /// After an outage: joins the group again with a consumer that knows the brokers. What was polled and not committed comes again.
    async fn renew(&mut self) -> Result<(), LogError> {
        let generation = self.kafka.generation();
        if self.generation == generation {
            return Ok(());
        }
        tracing::info!(group = %self.group, "rejoining the group, because brokers were away");
        self.generation = generation;
        self.lost = self.polled.keys().next().cloned();
        // A consumer without brokers may not be able to leave; Kafka then notices that it is gone.
        match tokio::time::timeout(REQUEST_TIMEOUT, self.leave()).await {
            Ok(left) => left,
            Err(_) => Ok(()),
        }
    }

    fn count(&mut self, record: &Record) {
        let partition = Partition { topic: record.topic.clone(), number: record.partition };
        let next = record.offset + 1;
        self.next.insert(partition.clone(), next);
        self.polled
            .entry(partition)
            .and_modify(|polled| polled.next = next)
            .or_insert(Polled { first: record.offset, next });
    }

    /// Processes a revocation. Records of revoked partitions are removed from this poll and left to
    /// the next holder. Records of earlier polls can no longer be committed.
    fn note_rebalance(&mut self, consumer: &StreamConsumer<AssignmentContext>, records: &mut Vec<Record>) {
        let context = consumer.context();
        let rebalances = context.rebalances.load(Ordering::Acquire);
        if rebalances == self.seen {
            return;
        }
        self.seen = rebalances;
        let revoked = {
            let mut state = context.state.lock().unwrap_or_else(|e| e.into_inner());
            std::mem::take(&mut state.revoked)
        };
        for partition in revoked {
            self.next.remove(&partition);
            let Some(polled) = self.polled.remove(&partition) else {
                continue;
            };
            let of_it = |r: &Record| r.topic == partition.topic && r.partition == partition.number;
            let here = records.iter().find(|r| of_it(r)).map(|r| r.offset);
            if here != Some(polled.first) {
                self.lost = Some(partition.clone());
            }
            records.retain(|r| !of_it(r));
        }
    }

    pub(in crate::log) async fn publish_and_commit(
        &mut self,
        outputs: Vec<NewRecord>,
        note: &str,
    ) -> Result<(), LogError> {
        self.settle().await?;
        if let Some(lost) = self.lost.take() {
            self.failed = Some(LogError::Revoked {
                group: self.group.to_string(),
                topic: lost.topic.to_string(),
                partition: lost.number,
            });
        } else if !(outputs.is_empty() && self.polled.is_empty()) {
            let consumer = self.subscribe()?;
            let mut offsets = TopicPartitionList::new();
            for (partition, polled) in &self.polled {
                let next = Offset::Offset(polled.next);
                let mut named = offsets.add_partition(&partition.topic, partition.number);
                named.set_offset(next).map_err(LogError::kafka("set the offsets to commit"))?;
                if !note.is_empty() {
                    named.set_metadata(note);
                }
            }
            let transactor = self.transactor.clone();
            self.running =
                Some(tokio::spawn(async move { transactor.lock().await.run(consumer, offsets, outputs).await }));
        }
        self.settle().await
    }

    /// Waits for the transaction in progress, even if its caller was cancelled. After a failure,
    /// goes back to the committed offsets.
    async fn settle(&mut self) -> Result<(), LogError> {
        if let Some(running) = &mut self.running {
            let result = running.await;
            self.running = None;
            match result {
                Ok(Ok(())) => self.polled.clear(),
                Ok(Err(error)) => self.failed = Some(error),
                Err(error) => {
                    self.failed = Some(LogError::Io {
                        action: "run a transaction".to_owned(),
                        source: std::io::Error::other(error),
                    });
                }
            }
        }
        if self.failed.is_some() {
            self.go_back().await?;
        }
        self.failed.take().map_or(Ok(()), Err)
    }

    pub(in crate::log) async fn rewind(&mut self) -> Result<(), LogError> {
        self.settle().await?;
        self.go_back().await
    }

    async fn go_back(&mut self) -> Result<(), LogError> {
        let Some(consumer) = self.consumer.clone() else {
            self.polled.clear();
            return Ok(());
        };
        self.note_rebalance(&consumer, &mut Vec::new());
        self.lost = None;
        let mut list = TopicPartitionList::new();
        for (partition, polled) in &self.polled {
            let first = Offset::Offset(polled.first);
            list.add_partition_offset(&partition.topic, partition.number, first)
                .map_err(LogError::kafka("set the offsets to go back to"))?;
        }
        if list.count() == 0 {
            return Ok(());
        }
        let sought = blocking("go back to the committed offsets", move || {
            let result = consumer.seek_partitions(list, REQUEST_TIMEOUT);
            Ok(result.is_ok_and(|list| list.elements().iter().all(|e| e.error().is_ok())))
        })
        .await?;
        if !sought {
            // During a rebalance seeking is not possible: join the group again, which starts at the
            // committed offsets.
            tracing::info!(group = %self.group, "rejoining the group to go back to its committed offsets");
            self.leave().await?;
            self.subscribe()?;
        }
        for (partition, polled) in std::mem::take(&mut self.polled) {
            self.next.insert(partition, polled.first);
        }
        Ok(())
    }

    pub(in crate::log) fn assignment(&self) -> Vec<Partition> {
        let Some(consumer) = &self.consumer else {
            return Vec::new();
        };
        let state = consumer.context().state.lock().unwrap_or_else(|e| e.into_inner());
        state.partitions.iter().cloned().collect()
    }

    pub(in crate::log) async fn lags(&mut self) -> Result<Vec<(Partition, u64)>, LogError> {
        let consumer = self.subscribe()?;
        let partitions = self.assignment();
        let asked = partitions.iter().map(|p| (p.topic.to_string(), p.number)).collect();
        let marks = self.kafka.watermarks(asked).await?;
        let committed = self.committed_where_not_polled(&partitions).await?;
        let state = consumer.context().state.lock().unwrap_or_else(|e| e.into_inner());
        let lag = |partition: &Partition, (start, end): (i64, i64)| {
            let next = self.next.get(partition).or_else(|| committed.get(partition));
            let next = next.copied().unwrap_or(start).max(start);
            // After the last record there may be markers, which are never polled.
            match state.passed.get(partition) {
                Some(passed) if *passed >= end => 0,
                _ => (end - next).max(0) as u64,
            }
        };
        let lags = partitions.iter().zip(marks).map(|(partition, marks)| (partition.clone(), lag(partition, marks)));
        Ok(lags.collect())
    }

    async fn committed_where_not_polled(&self, partitions: &[Partition]) -> Result<HashMap<Partition, i64>, LogError> {
        let mut list = TopicPartitionList::new();
        for partition in partitions.iter().filter(|p| !self.next.contains_key(p)) {
            list.add_partition(&partition.topic, partition.number);
        }
        let Some(consumer) = self.consumer.clone().filter(|_| list.count() > 0) else {
            return Ok(HashMap::new());
        };
        let list = blocking("read the committed offsets", move || {
            consumer.committed_offsets(list, REQUEST_TIMEOUT).map_err(LogError::kafka("read the committed offsets"))
        })
        .await?;
        Ok(list
            .elements()
            .iter()
            .filter_map(|e| {
                let offset = e.offset().to_raw().filter(|offset| *offset >= 0)?;
                let partition = Partition { topic: e.topic().into(), number: e.partition() };
                Some((partition, offset))
            })
            .collect())
    }

    pub(in crate::log) async fn close(mut self) -> Result<(), LogError> {
        self.leave().await
    }

    /// Closes the consumer. Closing takes part in the group's protocol and may wait for the broker.
    async fn leave(&mut self) -> Result<(), LogError> {
        let consumer = self.consumer.take();
        blocking("leave the group", move || {
            drop(consumer);
            Ok(())
        })
        .await
    }
}

impl Drop for GroupMember {
    fn drop(&mut self) {
        if let Some(consumer) = self.consumer.take() {
            // Closing waits for the broker, so it runs on a thread that nothing else waits for.
            std::thread::spawn(move || drop(consumer));
        }
    }
}
