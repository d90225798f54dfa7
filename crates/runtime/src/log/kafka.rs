//! Apache Kafka as the log's home, through librdkafka.
//!
//! Exactly once: a group member's outputs and offsets go in one transaction with the group's metadata, so that Kafka refuses
//! a member that lost its partitions (KIP-447). Readers are `read_committed`. Rebalances are cooperative: a member keeps
//! what it may keep, and partitions change hands only once their holder let go.
//!
//! A transaction costs some tens of milliseconds however small it is (measured: 43 ms a commit of 500 outputs, one node,
//! busy two-core machine), so throughput comes from the size of the batches, up to thousands of records.
mod member;
mod reader;
mod transaction;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex, RwLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures::future::try_join_all;
use rdkafka::{
    ClientConfig, Message, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedMessage, Header, Headers, OwnedHeaders},
    producer::{FutureProducer, FutureRecord, Producer},
    util::Timeout,
};

use super::{Cleanup, Committed, LogError, MAX_RECORD_BYTES, NewRecord, Record, TopicSpec, blocking};

pub(super) use {member::GroupMember, reader::Reader};

/// How long one question to the brokers may take.
const ASK: Duration = Duration::from_secs(10);
/// Messages may be this large on the way: a record and what Kafka puts around it.
const MAX_MESSAGE_BYTES: usize = MAX_RECORD_BYTES + 64 * 1024;

/// A Kafka cluster.
#[derive(Clone)]
pub(super) struct Kafka(Arc<Cluster>);

struct Cluster {
    brokers: String,
    properties: Vec<(String, String)>,
    /// For [`super::Log::append`]: idempotent, without transactions. `None` after shutdown.
    producer: RwLock<Option<FutureProducer>>,
    admin: AdminClient<DefaultClientContext>,
    /// Answers questions about topics; in no group.
    asker: Arc<BaseConsumer>,
    /// How many members of each group there have been in this process.
    members: Mutex<HashMap<String, u64>>,
    /// Topics that have been seen: librdkafka would wait half a minute for an unknown one to appear.
    known: RwLock<HashSet<Arc<str>>>,
}

impl Kafka {
    pub(super) async fn connect(brokers: &str, properties: &[(String, String)]) -> Result<Kafka, LogError> {
        let config = |group: Option<&str>| {
            let mut config = client_config(brokers, properties);
            if let Some(group) = group {
                config.set("group.id", group);
            }
            config
        };
        let failed = || LogError::kafka(format!("connect to kafka at {brokers}"));
        let mut producer = config(None);
        producer_settings(&mut producer);
        let cluster = Cluster {
            brokers: brokers.to_owned(),
            properties: properties.to_vec(),
            producer: RwLock::new(Some(producer.create().map_err(failed())?)),
            admin: config(None).create().map_err(failed())?,
            asker: Arc::new(config(None).set("isolation.level", "read_committed").create().map_err(failed())?),
            members: Mutex::default(),
            known: RwLock::default(),
        };
        let kafka = Kafka(Arc::new(cluster));
        kafka.check().await?;
        Ok(kafka)
    }

    pub(super) async fn create_topics(&self, specs: &[TopicSpec]) -> Result<(), LogError> {
        let max_bytes = MAX_MESSAGE_BYTES.to_string();
        let retention: Vec<String> =
            specs.iter().map(|s| s.retention.map_or("-1".to_owned(), |keep| keep.as_millis().to_string())).collect();
        let topics: Vec<NewTopic<'_>> = specs
            .iter()
            .zip(&retention)
            .map(|(spec, retention)| {
                // -1: the cluster's own default of replicas.
                let topic = NewTopic::new(spec.name, spec.partitions, TopicReplication::Fixed(-1))
                    .set("max.message.bytes", &max_bytes);
                match spec.cleanup {
                    Cleanup::Delete => topic.set("cleanup.policy", "delete").set("retention.ms", retention),
                    Cleanup::Compact => topic.set("cleanup.policy", "compact"),
                }
            })
            .collect();
        let options = AdminOptions::new().request_timeout(Some(3 * ASK)).operation_timeout(Some(3 * ASK));
        let results = self.0.admin.create_topics(&topics, &options).await.map_err(LogError::kafka("create topics"))?;
        for result in results {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((topic, code)) => {
                    return Err(LogError::BadTopic { topic, problem: code.to_string() });
                }
            }
        }
        // Created is not yet known to every broker: wait until the topics answer.
        let deadline = tokio::time::Instant::now() + 3 * ASK;
        for spec in specs {
            while let Err(error) = self.end_offsets(spec.name).await {
                if tokio::time::Instant::now() > deadline {
                    return Err(error);
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }

    pub(super) async fn append(&self, records: Vec<NewRecord>) -> Result<(), LogError> {
        self.check_topics(&records).await?;
        let producer = {
            let producer = self.0.producer.read().unwrap_or_else(|e| e.into_inner());
            producer.clone().ok_or(LogError::Closed)?
        };
        let mut deliveries = Vec::with_capacity(records.len());
        for record in &records {
            loop {
                let mut message = FutureRecord::<[u8], [u8]>::to(&record.topic).key(&record.key);
                message.payload = record.value.as_deref();
                message.headers = to_headers(record);
                match producer.send_result(message) {
                    Ok(delivery) => {
                        deliveries.push(delivery);
                        break;
                    }
                    Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                    Err((error, _)) => return Err(append_error(record, error)),
                }
            }
        }
        let deliveries = deliveries.into_iter().zip(&records).map(async |(delivery, record)| match delivery.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err((error, _))) => Err(append_error(record, error)),
            Err(_) => Err(LogError::Closed),
        });
        try_join_all(deliveries).await.map(drop)
    }

    pub(super) async fn consumer(&self, group: &str, topics: &[&str]) -> Result<GroupMember, LogError> {
        for topic in topics {
            self.partitions(topic).await?;
        }
        GroupMember::join(self.clone(), group, topics)
    }

    pub(super) async fn reader(
        &self,
        topic: &str,
        spans: Vec<(i32, std::ops::Range<i64>)>,
    ) -> Result<Reader, LogError> {
        let ends = self.end_offsets(topic).await?;
        Reader::open(self, topic, spans, &ends)
    }

    pub(super) async fn end_offsets(&self, topic: &str) -> Result<Vec<i64>, LogError> {
        let partitions = self.partitions(topic).await?;
        let numbers = (0..partitions).map(|p| (topic.to_owned(), p)).collect();
        let marks = self.watermarks(numbers).await?;
        Ok(marks.into_iter().map(|(_, end)| end).collect())
    }

    pub(super) async fn take_over(&self, group: &str) -> Result<(), LogError> {
        if self.0.properties.iter().any(|(key, _)| key == "transactional.id") {
            let id = self.transactional_id(group, self.members_of(group));
            transaction::Transactor::new(self.clone(), id).take_over().await?;
        }
        Ok(())
    }

    pub(super) async fn committed(&self, group: &str, topic: &str) -> Result<Vec<Option<Committed>>, LogError> {
        let partitions = self.partitions(topic).await?;
        let asker: BaseConsumer = self
            .client_config()
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .create()
            .map_err(LogError::kafka("ask for committed offsets"))?;
        let topic = topic.to_owned();
        blocking("ask for committed offsets", move || {
            let mut list = TopicPartitionList::new();
            list.add_partition_range(&topic, 0, partitions - 1);
            // The group's coordinator may just be moving, or not yet be chosen where the group is the broker's first; or a killed
            // member's transaction is still open, which Kafka answers with silence until it has timed out and been cleaned up.
            let until = std::time::Instant::now() + transaction::TRANSACTION_TIMEOUT + 2 * ASK;
            let committed = loop {
                match asker.committed_offsets(list.clone(), ASK) {
                    Ok(committed) => break committed,
                    Err(error) if is_moving(&error) && std::time::Instant::now() < until => {
                        std::thread::sleep(Duration::from_millis(200));
                    }
                    Err(error) => return Err(LogError::kafka("ask for committed offsets")(error)),
                }
            };
            Ok((0..partitions)
                .map(|p| {
                    let found = committed.find_partition(&topic, p)?;
                    let next = found.offset().to_raw().filter(|next| *next >= 0)?;
                    Some(Committed { next, note: found.metadata().to_owned() })
                })
                .collect())
        })
        .await
    }

    pub(super) async fn check(&self) -> Result<(), LogError> {
        let asker = self.0.asker.clone();
        let action = format!("reach kafka at {}", self.0.brokers);
        blocking("reach kafka", move || {
            // The broker list alone would do, but rdkafka asks for one topic or for all.
            asker.fetch_metadata(Some("__consumer_offsets"), ASK).map(drop).map_err(LogError::kafka(action))
        })
        .await
    }

    pub(super) async fn shutdown(&self) -> Result<(), LogError> {
        let producer = {
            let mut producer = self.0.producer.write().unwrap_or_else(|e| e.into_inner());
            producer.take()
        };
        let Some(producer) = producer else {
            return Ok(());
        };
        blocking("flush to kafka", move || {
            producer.flush(Timeout::After(3 * ASK)).map_err(LogError::kafka("flush to kafka"))
        })
        .await
    }

    /// Fails where a record's topic does not exist.
    async fn check_topics(&self, records: &[NewRecord]) -> Result<(), LogError> {
        let unknown: BTreeSet<Arc<str>> = {
            let known = self.0.known.read().unwrap_or_else(|e| e.into_inner());
            let topics = records.iter().map(|record| &record.topic);
            topics.filter(|t| !known.contains(*t)).cloned().collect()
        };
        for topic in unknown {
            self.partitions(&topic).await?;
            let mut known = self.0.known.write().unwrap_or_else(|e| e.into_inner());
            known.insert(topic);
        }
        Ok(())
    }

    /// How many partitions a topic has.
    async fn partitions(&self, topic: &str) -> Result<i32, LogError> {
        let asker = self.0.asker.clone();
        let topic = topic.to_owned();
        blocking("ask for a topic", move || {
            let metadata =
                asker.fetch_metadata(Some(&topic), ASK).map_err(LogError::kafka(format!("ask for topic {topic:?}")))?;
            let found = metadata.topics().iter().find(|t| t.name() == topic);
            match found {
                Some(found) if found.error().is_none() && !found.partitions().is_empty() => {
                    Ok(found.partitions().len() as i32)
                }
                _ => Err(LogError::UnknownTopic { topic }),
            }
        })
        .await
    }

    /// The first offset and the one after the last committed record, of each partition asked for.
    async fn watermarks(&self, partitions: Vec<(String, i32)>) -> Result<Vec<(i64, i64)>, LogError> {
        let asker = self.0.asker.clone();
        blocking("ask for offsets", move || {
            partitions
                .iter()
                .map(|(topic, partition)| {
                    asker
                        .fetch_watermarks(topic, *partition, ASK)
                        .map_err(LogError::kafka(format!("ask for the offsets of {topic:?}/{partition}")))
                })
                .collect()
        })
        .await
    }

    fn client_config(&self) -> ClientConfig {
        client_config(&self.0.brokers, &self.0.properties)
    }

    /// How many members of a group there have been in this process.
    fn members_of(&self, group: &str) -> u64 {
        self.0.members.lock().unwrap_or_else(|e| e.into_inner()).get(group).copied().unwrap_or(0)
    }

    /// A transactional id for a new member.
    fn new_transactional_id(&self, group: &str) -> String {
        let number = {
            let mut members = self.0.members.lock().unwrap_or_else(|e| e.into_inner());
            let count = members.entry(group.to_owned()).or_default();
            *count += 1;
            *count - 1
        };
        self.transactional_id(group, number)
    }

    /// Under the configured prefix, where there is one, with the group and the member's number in it in this process, so that it
    /// is the same after a restart whatever other groups there are; else unique.
    fn transactional_id(&self, group: &str, number: u64) -> String {
        match self.0.properties.iter().find(|(key, _)| key == "transactional.id") {
            Some((_, prefix)) => format!("{prefix}-{group}-{number}"),
            None => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                format!("{group}-{}-{}-{number}", std::process::id(), now.as_nanos())
            }
        }
    }
}

/// Whether a group's coordinator is on its way from one broker to another, or waits itself.
fn is_moving(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{CoordinatorLoadInProgress, CoordinatorNotAvailable, NotCoordinator, OperationTimedOut};
    let code = error.rdkafka_error_code();
    let moving = [NotCoordinator, CoordinatorNotAvailable, CoordinatorLoadInProgress, OperationTimedOut];
    code.is_some_and(|code| moving.contains(&code))
}

/// One property at a time, so that each is named that is wrong.
pub(super) fn check_properties(properties: &[(String, String)]) -> Result<(), LogError> {
    for (name, value) in properties {
        let mut config = ClientConfig::new();
        config.set(name, value);
        config.create_native_config().map_err(LogError::kafka(format!("take the property {name:?}")))?;
    }
    Ok(())
}

fn client_config(brokers: &str, properties: &[(String, String)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        .set("client.id", "lockstep")
        .set("topic.metadata.refresh.interval.ms", "30000")
        .set("allow.auto.create.topics", "false");
    for (key, value) in properties.iter().filter(|(key, _)| key != "transactional.id") {
        config.set(key, value);
    }
    config
}

/// What the promises of the log need is set whatever the properties say; the rest are defaults.
fn producer_settings(config: &mut ClientConfig) {
    // The consumers' own.
    config.remove("group.instance.id");
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("partitioner", "murmur2_random")
        .set("message.max.bytes", MAX_MESSAGE_BYTES.to_string());
    set_default(config, "compression.type", "zstd");
    set_default(config, "linger.ms", "5");
}

fn consumer_settings(config: &mut ClientConfig) {
    config
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "earliest");
    // Latency: ask again soon where nothing was there.
    set_default(config, "fetch.wait.max.ms", "20");
    set_default(config, "fetch.error.backoff.ms", "50");
    set_default(config, "session.timeout.ms", "15000");
}

fn set_default(config: &mut ClientConfig, key: &str, value: &str) {
    if config.get(key).is_none() {
        config.set(key, value);
    }
}

fn to_headers(record: &NewRecord) -> Option<OwnedHeaders> {
    (!record.headers.is_empty()).then(|| {
        let headers = OwnedHeaders::new_with_capacity(record.headers.len());
        record.headers.iter().fold(headers, |headers, (key, value)| headers.insert(Header { key, value: Some(value) }))
    })
}

fn to_record(topic: Arc<str>, message: &BorrowedMessage<'_>) -> Record {
    Record {
        topic,
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().unwrap_or_default().to_vec(),
        value: message.payload().map(<[u8]>::to_vec),
        headers: message
            .headers()
            .map(|headers| headers.iter().map(|h| (h.key.to_owned(), h.value.unwrap_or_default().to_vec())).collect())
            .unwrap_or_default(),
        timestamp: message.timestamp().to_millis().unwrap_or_default(),
    }
}

fn append_error(record: &NewRecord, error: KafkaError) -> LogError {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownTopicOrPartition) => {
            LogError::UnknownTopic { topic: record.topic.to_string() }
        }
        Some(RDKafkaErrorCode::MessageSizeTooLarge) => LogError::Kafka {
            action: format!(
                "append a record of {} bytes to {:?} (its max.message.bytes should be {MAX_MESSAGE_BYTES})",
                record.size(),
                record.topic
            ),
            source: error,
        },
        _ => LogError::Kafka { action: format!("append to {:?}", record.topic), source: error },
    }
}

/// Errors librdkafka recovers from by itself: worth a line in the operator's log, not an end of polling.
fn is_passing(error: &KafkaError) -> bool {
    !matches!(error, KafkaError::MessageConsumptionFatal(_))
        && !matches!(
            error.rdkafka_error_code(),
            Some(
                RDKafkaErrorCode::UnknownTopicOrPartition
                    | RDKafkaErrorCode::UnknownTopic
                    | RDKafkaErrorCode::TopicAuthorizationFailed
                    | RDKafkaErrorCode::GroupAuthorizationFailed
                    | RDKafkaErrorCode::Authentication
            )
        )
}
