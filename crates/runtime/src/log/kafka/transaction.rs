//! A group member's transactions on Kafka.
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rdkafka::{
    TopicPartitionList,
    consumer::{Consumer, StreamConsumer},
    error::{KafkaError, RDKafkaErrorCode},
    producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer},
};

use super::{Kafka, REQUEST_TIMEOUT, append_error, assignment::AssignmentContext, producer_settings, to_headers};
use crate::log::{LogError, NewRecord, blocking, error::is_outage};

/// Longest time of a transaction. A dead member's open transaction blocks readers no longer than
/// this.
pub(super) const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(30);

/// Time between two questions what became of a commit.
const PAUSE: Duration = Duration::from_secs(1);

type Transactions = ThreadedProducer<DefaultProducerContext>;

/// Runs transactions, one at a time, under one transactional id.
pub(super) struct Transactor {
    kafka: Kafka,
    id: String,
    producer: Option<Arc<Transactions>>,
    /// See [`super::clients::Clients::generation`].
    generation: u64,
}

impl Transactor {
    pub(super) fn new(kafka: Kafka, id: String) -> Transactor {
        Transactor { generation: kafka.generation(), kafka, id, producer: None }
    }

    /// Publishes `outputs` and commits `offsets` of the consumer's group; either both happen or
    /// neither.
    pub(super) async fn run(
        &mut self,
        consumer: Arc<StreamConsumer<AssignmentContext>>,
        offsets: TopicPartitionList,
        outputs: Vec<NewRecord>,
    ) -> Result<(), LogError> {
        self.kafka.check_topics(&outputs).await?;
        let producer = self.start().await?;
        let work = {
            let (consumer, offsets) = (consumer.clone(), offsets.clone());
            move || Ok(run_transaction(&producer, &consumer, &offsets, &outputs))
        };
        match blocking("run a transaction", work).await? {
            Outcome::Committed => Ok(()),
            Outcome::Aborted(error) => {
                // After a refused record librdkafka also fails the next transaction, because of
                // skipped sequence numbers.
                self.producer = None;
                Err(error)
            }
            Outcome::Broken(error) => {
                // An open transaction of the old producer would block readers until it times out.
                self.producer = None;
                if let Err(error) = self.start().await {
                    tracing::warn!(id = %self.id, %error, "replacing the transactional producer failed");
                }
                Err(error)
            }
            Outcome::Unknown(error) => {
                if self.find_out(consumer, offsets).await? {
                    Ok(())
                } else {
                    Err(error)
                }
            }
        }
    }

    /// Whether an unanswered commit took place. A new producer with the same id ends the open
    /// transaction of the old one; the offsets then show what became of it. Waits for the brokers,
    /// because a wrong answer would lose the outputs or double them.
    async fn find_out(
        &mut self,
        consumer: Arc<StreamConsumer<AssignmentContext>>,
        offsets: TopicPartitionList,
    ) -> Result<bool, LogError> {
        loop {
            self.producer = None;
            let found = match self.start().await {
                Ok(_) => is_committed(consumer.clone(), offsets.clone()).await,
                Err(error) => Err(error),
            };
            match found {
                Err(error) if error.is_unreachable() => {
                    tracing::warn!(id = %self.id, %error, "a commit was not answered; waiting to learn what became of it");
                    tokio::time::sleep(PAUSE).await;
                }
                found => return found,
            }
        }
    }

    /// Ends an open transaction that an earlier producer with the same id left.
    pub(super) async fn take_over(mut self) -> Result<(), LogError> {
        self.start().await.map(drop)
    }

    /// The producer, created if there is none. Its creation ends an open transaction of an earlier
    /// producer with the same id.
    async fn start(&mut self) -> Result<Arc<Transactions>, LogError> {
        let generation = self.kafka.generation();
        if let Some(producer) = self.producer.as_ref().filter(|_| self.generation == generation) {
            return Ok(producer.clone());
        }
        self.producer = None;
        let failed = || LogError::kafka("start a transactional producer");
        let mut config = self.kafka.client_config();
        producer_settings(&mut config);
        let producer: Transactions = config
            .set("transactional.id", &self.id)
            .set("transaction.timeout.ms", TRANSACTION_TIMEOUT.as_millis().to_string())
            // All outputs are available when they are sent, so there is nothing to wait for.
            .set("linger.ms", "0")
            // The brokers finish a transaction after they have answered, and reject the next one
            // until then. With the default of 100 ms between retries a busy member would mostly
            // wait.
            .set("retry.backoff.ms", "10")
            .create()
            .map_err(failed())?;
        let producer = Arc::new(producer);
        let starting = producer.clone();
        blocking("start a transactional producer", move || {
            let deadline = Instant::now() + TRANSACTION_TIMEOUT;
            retry_until(deadline, || starting.init_transactions(REQUEST_TIMEOUT)).map_err(failed())
        })
        .await?;
        self.producer = Some(producer.clone());
        self.generation = generation;
        Ok(producer)
    }
}

/// Whether the group's committed offsets equal these.
async fn is_committed(
    consumer: Arc<StreamConsumer<AssignmentContext>>,
    offsets: TopicPartitionList,
) -> Result<bool, LogError> {
    blocking("read the committed offsets", move || {
        let committed = consumer
            .committed_offsets(offsets.clone(), REQUEST_TIMEOUT)
            .map_err(LogError::kafka("read the committed offsets"))?;
        let equal = |wanted: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
            committed
                .find_partition(wanted.topic(), wanted.partition())
                .is_some_and(|found| found.offset() == wanted.offset())
        };
        Ok(offsets.count() > 0 && offsets.elements().iter().all(equal))
    })
    .await
}

enum Outcome {
    Committed,
    /// Nothing was published; Kafka confirmed it.
    Aborted(LogError),
    /// Nothing was published, but the transaction may still be open.
    Broken(LogError),
    /// The commit was sent, but not answered.
    Unknown(LogError),
}

fn run_transaction(
    producer: &Transactions,
    consumer: &StreamConsumer<AssignmentContext>,
    offsets: &TopicPartitionList,
    outputs: &[NewRecord],
) -> Outcome {
    let deadline = Instant::now() + TRANSACTION_TIMEOUT;
    if let Err(error) = producer.begin_transaction() {
        return Outcome::Broken(aborted(error));
    }
    let sent = (|| {
        for record in outputs {
            send(producer, record, deadline)?;
        }
        if offsets.count() > 0 {
            let metadata = consumer
                .group_metadata()
                .ok_or_else(|| LogError::Aborted { reason: "the consumer is in no group".to_owned() })?;
            retry_until(deadline, || producer.send_offsets_to_transaction(offsets, &metadata, REQUEST_TIMEOUT))
                .map_err(aborted)?;
        }
        Ok(())
    })();
    let (failed, needs_abort) = match sent {
        Err(error) => (error, true),
        Ok(()) => match retry_until(deadline, || producer.commit_transaction(REQUEST_TIMEOUT)) {
            Ok(()) => return Outcome::Committed,
            Err(KafkaError::Transaction(e)) if e.is_retriable() => {
                return Outcome::Unknown(aborted(KafkaError::Transaction(e)));
            }
            Err(KafkaError::Transaction(e)) => {
                let needs_abort = e.txn_requires_abort();
                (aborted(KafkaError::Transaction(e)), needs_abort)
            }
            Err(error) => (aborted(error), false),
        },
    };
    let deadline = Instant::now() + TRANSACTION_TIMEOUT;
    match needs_abort && retry_until(deadline, || producer.abort_transaction(REQUEST_TIMEOUT)).is_ok() {
        true => Outcome::Aborted(failed),
        false => Outcome::Broken(failed),
    }
}

fn send(producer: &Transactions, record: &NewRecord, deadline: Instant) -> Result<(), LogError> {
    let mut message = BaseRecord::<[u8], [u8]>::to(&record.topic).key(&record.key);
    message.payload = record.value.as_deref();
    message.headers = to_headers(record);
    loop {
        match producer.send(message) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) if Instant::now() < deadline => {
                message = back;
                std::thread::sleep(Duration::from_millis(5));
            }
            Err((error, _)) => return Err(append_error(record, error)),
        }
    }
}

/// Repeats a step that Kafka reports as retriable, until the deadline.
fn retry_until(deadline: Instant, mut step: impl FnMut() -> Result<(), KafkaError>) -> Result<(), KafkaError> {
    loop {
        match step() {
            Err(KafkaError::Transaction(e)) if e.is_retriable() && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(50));
            }
            other => return other,
        }
    }
}

fn aborted(error: KafkaError) -> LogError {
    let outage = error.rdkafka_error_code().is_some_and(is_outage);
    let reason = match error {
        KafkaError::Transaction(e) => e.string(),
        other => other.to_string(),
    };
    match outage {
        true => LogError::Unreachable { action: "commit, and nothing was published".to_owned(), reason },
        false => LogError::Aborted { reason },
    }
}
