//! Apache Kafka as the implementation of the log, through librdkafka.
//!
//! Exactly once: a group member's outputs and offsets are one transaction with the group's
//! metadata, so Kafka refuses a member that lost its partitions (KIP-447). Readers are
//! `read_committed`. Rebalances are cooperative: a member keeps the partitions that it may keep,
//! and others change their holder only after the old holder gave them up.
//!
//! A transaction of any size takes some tens of milliseconds (measured: 43 ms for a commit of 500
//! outputs, one node, busy two-core machine). Throughput therefore depends on the size of the
//! batches, which is up to thousands of records.
mod assignment;
mod clients;
mod member;
mod reader;
mod settings;
mod transaction;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex, RwLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures::future::try_join_all;
use rdkafka::{
    ClientConfig, Message, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedMessage, Header, Headers, OwnedHeaders},
    producer::{FutureRecord, Producer},
    util::Timeout,
};

use super::{
    Cleanup, Committed, Copies, LogError, MAX_RECORD_BYTES, Membership, NewRecord, Outage, Record, TopicSpec, blocking,
    error::is_outage,
};

use clients::Clients;
use settings::{client_config, consumer_settings, producer_settings};
pub(super) use {member::GroupMember, reader::Reader, settings::check_properties};

/// Longest time of one request to the brokers.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time of an append, if the properties do not say otherwise.
const APPEND_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest message in transit: a record and what Kafka adds to it.
const MAX_MESSAGE_BYTES: usize = MAX_RECORD_BYTES + 64 * 1024;

/// What a broker says that has just come back.
const NO_BROKERS_YET: &str = "the broker that answers knows of no brokers yet";

/// A Kafka cluster.
#[derive(Clone)]
pub(super) struct Kafka(Arc<Cluster>);

struct Cluster {
    brokers: String,
    properties: Vec<(String, String)>,
    clients: Clients,
    /// For the topics at the start.
    admin: AdminClient<DefaultClientContext>,
    /// Number of members of each group that this process has created.
    members: Mutex<HashMap<String, u64>>,
    /// Topics known to exist. librdkafka would wait half a minute for an unknown topic to appear.
    known: RwLock<HashSet<Arc<str>>>,
    /// Groups that have one member at a time; see [`super::Log::take_over`].
    alone: Mutex<HashSet<String>>,
    /// Since when no broker answers, by the last check.
    outage: Mutex<Option<Outage>>,
}

impl Kafka {
    pub(super) async fn connect(brokers: &str, properties: &[(String, String)]) -> Result<Kafka, LogError> {
        let failed = LogError::kafka(format!("connect to kafka at {brokers}"));
        let cluster = Cluster {
            brokers: brokers.to_owned(),
            properties: properties.to_vec(),
            clients: Clients::new(brokers, properties)?,
            admin: client_config(brokers, properties).create().map_err(failed)?,
            members: Mutex::default(),
            known: RwLock::default(),
            alone: Mutex::default(),
            outage: Mutex::default(),
        };
        let kafka = Kafka(Arc::new(cluster));
        kafka.check().await?;
        Ok(kafka)
    }

    pub(super) async fn create_topics(&self, specs: &[TopicSpec], copies: Copies) -> Result<(), LogError> {
        let max_bytes = MAX_MESSAGE_BYTES.to_string();
        let retention: Vec<String> =
            specs.iter().map(|s| s.retention.map_or("-1".to_owned(), |keep| keep.as_millis().to_string())).collect();
        let min_in_sync = copies.min_in_sync.map(|copies| copies.to_string());
        let topics: Vec<NewTopic<'_>> = specs
            .iter()
            .zip(&retention)
            .map(|(spec, retention)| {
                // -1: the cluster's default number of replicas.
                let topic =
                    NewTopic::new(spec.name, spec.partitions, TopicReplication::Fixed(copies.all.unwrap_or(-1)))
                        .set("max.message.bytes", &max_bytes);
                let topic = match &min_in_sync {
                    Some(copies) => topic.set("min.insync.replicas", copies),
                    None => topic,
                };
                match spec.cleanup {
                    Cleanup::Delete => topic.set("cleanup.policy", "delete").set("retention.ms", retention),
                    Cleanup::Compact => topic.set("cleanup.policy", "compact"),
                }
            })
            .collect();
        let options =
            AdminOptions::new().request_timeout(Some(3 * REQUEST_TIMEOUT)).operation_timeout(Some(3 * REQUEST_TIMEOUT));
        let results = self.0.admin.create_topics(&topics, &options).await.map_err(LogError::kafka("create topics"))?;
        let mut existing = Vec::new();
        for result in results {
            match result {
                Ok(_) => {}
                Err((topic, RDKafkaErrorCode::TopicAlreadyExists)) => existing.push(topic),
                Err((topic, code)) => {
                    return Err(LogError::BadTopic { topic, problem: code.to_string() });
                }
            }
        }
        self.compare_retention(specs, &existing, &options).await;
        // A new topic is not known to every broker immediately: wait until the topics answer.
        let deadline = tokio::time::Instant::now() + 3 * REQUEST_TIMEOUT;
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

    /// Warns of each existing topic that keeps its records for another time than configured. Whoever
    /// made the topic decides, so nothing is changed.
    async fn compare_retention(&self, specs: &[TopicSpec], existing: &[String], options: &AdminOptions) {
        let deleting = specs.iter().filter(|spec| spec.cleanup == Cleanup::Delete);
        for spec in deleting.filter(|spec| existing.iter().any(|topic| topic == spec.name)) {
            let wanted = spec.retention.map_or(-1, |keep| i64::try_from(keep.as_millis()).unwrap_or(i64::MAX));
            let asked = self.0.admin.describe_configs(&[ResourceSpecifier::Topic(spec.name)], options).await;
            let found = asked.ok().and_then(|resources| {
                let resource = resources.into_iter().next()?.ok()?;
                resource.get("retention.ms")?.value.clone()?.parse::<i64>().ok()
            });
            match found {
                Some(found) if found == wanted => {}
                Some(found) => tracing::warn!(
                    topic = spec.name,
                    retention_ms = found,
                    configured_ms = wanted,
                    "the topic keeps its records for another time than the configuration says; to change it: kafka-configs.sh --alter \
                     --entity-type topics --entity-name {} --add-config retention.ms={wanted}",
                    spec.name
                ),
                // A user of Kafka without the right to ask.
                None => tracing::debug!(topic = spec.name, "cannot ask how long the topic keeps its records"),
            }
        }
    }

    pub(super) async fn append(&self, records: Vec<NewRecord>) -> Result<(), LogError> {
        self.check_topics(&records).await?;
        let producer = self.0.clients.producer()?;
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
        try_join_all(deliveries).await?;
        *self.0.outage.lock().unwrap_or_else(|e| e.into_inner()) = None;
        Ok(())
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
        self.0.alone.lock().unwrap_or_else(|e| e.into_inner()).insert(group.to_owned());
        let id = self.transactional_id(group, 0);
        transaction::Transactor::new(self.clone(), id).take_over().await
    }

    pub(super) async fn members(&self, group: &str) -> Result<Vec<Membership>, LogError> {
        let instance = self.property("group.instance.id").map(|instance| format!("{instance}-"));
        let metadata_client = self.0.clients.metadata()?;
        let group = group.to_owned();
        blocking("list the members of a group", move || {
            let groups = metadata_client
                .client()
                .fetch_group_list(Some(&group), REQUEST_TIMEOUT)
                .map_err(LogError::kafka(format!("list the members of group {group:?}")))?;
            let members = groups.groups().iter().filter(|of| of.name() == group).flat_map(|of| of.members());
            // Kafka names a member with a group.instance.id after it.
            let member = |of: &rdkafka::groups::GroupMemberInfo| Membership {
                name: format!("{} at {}", of.id(), of.client_host().trim_start_matches('/')),
                is_own: instance.as_ref().is_some_and(|instance| of.id().starts_with(instance)),
            };
            Ok(members.map(member).collect())
        })
        .await
    }

    fn generation(&self) -> u64 {
        self.0.clients.generation()
    }

    fn suspect(&self) {
        self.0.clients.suspect();
    }

    pub(super) fn outage(&self) -> Option<Outage> {
        self.0.outage.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }

    pub(super) async fn committed(&self, group: &str, topic: &str) -> Result<Vec<Option<Committed>>, LogError> {
        let partitions = self.partitions(topic).await?;
        let metadata_client: BaseConsumer = self
            .client_config()
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .create()
            .map_err(LogError::kafka("read the committed offsets"))?;
        let topic = topic.to_owned();
        blocking("read the committed offsets", move || {
            let mut list = TopicPartitionList::new();
            list.add_partition_range(&topic, 0, partitions - 1);
            // The group's coordinator may be moving, or may not be elected yet if this is the
            // broker's first group. Or a killed member's transaction is still open; Kafka then does
            // not answer until the transaction has timed out and was cleaned up.
            let until = std::time::Instant::now() + transaction::TRANSACTION_TIMEOUT + 2 * REQUEST_TIMEOUT;
            let committed = loop {
                match metadata_client.committed_offsets(list.clone(), REQUEST_TIMEOUT) {
                    Ok(committed) => break committed,
                    Err(error) if is_moving(&error) && std::time::Instant::now() < until => {
                        std::thread::sleep(Duration::from_millis(200));
                    }
                    Err(error) => return Err(LogError::kafka("read the committed offsets")(error)),
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
        let fresh = self.0.clients.fresh()?;
        let metadata_client = fresh.metadata();
        let action = format!("reach kafka at {}", self.0.brokers);
        let checked = blocking("reach kafka", move || {
            // The list of brokers would be enough, but rdkafka can only ask for one topic or for
            // all.
            let metadata = metadata_client
                .fetch_metadata(Some("__consumer_offsets"), REQUEST_TIMEOUT)
                .map_err(LogError::kafka(&*action))?;
            match metadata.brokers().is_empty() {
                false => Ok(()),
                true => Err(LogError::Unreachable { action, reason: NO_BROKERS_YET.to_owned() }),
            }
        })
        .await;
        match &checked {
            Ok(()) => self.0.clients.accept(fresh),
            Err(_) => self.0.clients.suspect(),
        }
        let mut outage = self.0.outage.lock().unwrap_or_else(|e| e.into_inner());
        match &checked {
            Ok(()) => *outage = None,
            Err(error) => {
                let since = outage.take().map_or_else(jiff::Timestamp::now, |outage| outage.since);
                *outage = Some(Outage { since, reason: error.to_string() });
            }
        }
        drop(outage);
        checked
    }

    pub(super) async fn shutdown(&self) -> Result<(), LogError> {
        let Some(producer) = self.0.clients.close() else {
            return Ok(());
        };
        blocking("flush to kafka", move || {
            producer.flush(Timeout::After(3 * REQUEST_TIMEOUT)).map_err(LogError::kafka("flush to kafka"))
        })
        .await
    }

    /// Fails if a record's topic does not exist.
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

    /// The number of partitions of a topic.
    async fn partitions(&self, topic: &str) -> Result<i32, LogError> {
        let metadata_client = self.0.clients.metadata()?;
        let topic = topic.to_owned();
        blocking("read the metadata of a topic", move || {
            let metadata = metadata_client
                .fetch_metadata(Some(&topic), REQUEST_TIMEOUT)
                .map_err(LogError::kafka(format!("read the metadata of topic {topic:?}")))?;
            let found = metadata.topics().iter().find(|t| t.name() == topic);
            let away = |reason: String| {
                Err(LogError::Unreachable { action: format!("read the metadata of topic {topic:?}"), reason })
            };
            match found.and_then(|found| found.error()).map(RDKafkaErrorCode::from) {
                Some(code) if is_outage(code) => return away(code.to_string()),
                _ if metadata.brokers().is_empty() => return away(NO_BROKERS_YET.to_owned()),
                _ => {}
            }
            match found {
                Some(found) if found.error().is_none() && !found.partitions().is_empty() => {
                    Ok(found.partitions().len() as i32)
                }
                _ => Err(LogError::UnknownTopic { topic }),
            }
        })
        .await
    }

    /// For each partition: the first offset, and the offset after the last committed record.
    async fn watermarks(&self, partitions: Vec<(String, i32)>) -> Result<Vec<(i64, i64)>, LogError> {
        let metadata_client = self.0.clients.metadata()?;
        blocking("read the offsets of partitions", move || {
            partitions
                .iter()
                .map(|(topic, partition)| {
                    metadata_client
                        .fetch_watermarks(topic, *partition, REQUEST_TIMEOUT)
                        .map_err(LogError::kafka(format!("read the offsets of {topic:?}/{partition}")))
                })
                .collect()
        })
        .await
    }

    fn client_config(&self) -> ClientConfig {
        client_config(&self.0.brokers, &self.0.properties)
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

    /// A transactional id. With a configured prefix, or a name of this instance, it consists of the prefix, the group and the
    /// member's number within the process, so it is the same after a restart whatever other groups
    /// exist. Without a prefix it is unique. In a group with one member at a time it is the same in
    /// every process and every life of it.
    fn transactional_id(&self, group: &str, number: u64) -> String {
        let prefix = self.property("transactional.id");
        if self.0.alone.lock().unwrap_or_else(|e| e.into_inner()).contains(group) {
            return format!("{}-{group}", prefix.unwrap_or("lockstep"));
        }
        match prefix.or_else(|| self.property("group.instance.id")) {
            Some(prefix) => format!("{prefix}-{group}-{number}"),
            None => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                format!("{group}-{}-{}-{number}", std::process::id(), now.as_nanos())
            }
        }
    }

    /// A configured property.
    fn property(&self, name: &str) -> Option<&str> {
        self.0.properties.iter().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }
}

/// Whether a group's coordinator is moving between brokers, or is not available yet.
fn is_moving(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{CoordinatorLoadInProgress, CoordinatorNotAvailable, NotCoordinator, OperationTimedOut};
    let code = error.rdkafka_error_code();
    let moving = [NotCoordinator, CoordinatorNotAvailable, CoordinatorLoadInProgress, OperationTimedOut];
    code.is_some_and(|code| moving.contains(&code))
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
                "append a record of {} bytes to {:?} (set its max.message.bytes to {MAX_MESSAGE_BYTES})",
                record.size(),
                record.topic
            ),
            source: error,
        },
        _ => LogError::kafka(format!("append to {:?}", record.topic))(error),
    }
}

/// Errors from which librdkafka recovers by itself: they are logged, and polling continues.
fn is_transient(error: &KafkaError) -> bool {
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
