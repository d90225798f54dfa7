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

use super::{ASK, Kafka, append_error, member::Assigned, producer_settings, to_headers};
use crate::log::{LogError, NewRecord, blocking};

/// A transaction may take this long; one left open by a dead member holds up readers no longer than this.
pub(super) const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(30);

type Transactions = ThreadedProducer<DefaultProducerContext>;

/// Runs transactions, one at a time, under one transactional id.
pub(super) struct Transactor {
    kafka: Kafka,
    id: String,
    producer: Option<Arc<Transactions>>,
}

impl Transactor {
    pub(super) fn new(kafka: Kafka, id: String) -> Transactor {
        Transactor { kafka, id, producer: None }
    }

    /// Publishes `outputs` and commits `offsets` for the consumer's group, both or neither.
    pub(super) async fn run(
        &mut self,
        consumer: Arc<StreamConsumer<Assigned>>,
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
                // After a refused record librdkafka fails the next transaction too, for skipped sequence numbers.
                self.producer = None;
                Err(error)
            }
            Outcome::Broken(error) => {
                // What it left open would hold up readers until it times out.
                self.producer = None;
                if let Err(error) = self.start().await {
                    tracing::warn!(id = %self.id, %error, "replacing the transactional producer failed");
                }
                Err(error)
            }
            Outcome::Unknown(error) => {
                // A new producer under the same id ends what the old one left open; then the offsets tell.
                self.producer = None;
                self.start().await?;
                if has_arrived(consumer, offsets).await? { Ok(()) } else { Err(error) }
            }
        }
    }

    /// Ends what an earlier one of the same id left open.
    pub(super) async fn take_over(mut self) -> Result<(), LogError> {
        self.start().await.map(drop)
    }

    /// The producer, made where there is none; making it ends what an earlier one of the same id left open.
    async fn start(&mut self) -> Result<Arc<Transactions>, LogError> {
        if let Some(producer) = &self.producer {
            return Ok(producer.clone());
        }
        let failed = || LogError::kafka("start a transactional producer");
        let mut config = self.kafka.client_config();
        producer_settings(&mut config);
        let producer: Transactions = config
            .set("transactional.id", &self.id)
            .set("transaction.timeout.ms", TRANSACTION_TIMEOUT.as_millis().to_string())
            // Outputs are all there when they are sent: no need to wait for more.
            .set("linger.ms", "0")
            // The brokers end a transaction behind the producer's back, and until then the next one is told to come back:
            // with the default of 100 ms a busy member would mostly wait.
            .set("retry.backoff.ms", "10")
            .create()
            .map_err(failed())?;
        let producer = Arc::new(producer);
        let starting = producer.clone();
        blocking("start a transactional producer", move || {
            let deadline = Instant::now() + TRANSACTION_TIMEOUT;
            until(deadline, || starting.init_transactions(ASK)).map_err(failed())
        })
        .await?;
        self.producer = Some(producer.clone());
        Ok(producer)
    }
}

/// Whether the group's committed offsets are these.
async fn has_arrived(consumer: Arc<StreamConsumer<Assigned>>, offsets: TopicPartitionList) -> Result<bool, LogError> {
    blocking("ask for committed offsets", move || {
        let committed =
            consumer.committed_offsets(offsets.clone(), ASK).map_err(LogError::kafka("ask for committed offsets"))?;
        let arrived = |wanted: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
            committed
                .find_partition(wanted.topic(), wanted.partition())
                .is_some_and(|found| found.offset() == wanted.offset())
        };
        Ok(offsets.count() > 0 && offsets.elements().iter().all(arrived))
    })
    .await
}

enum Outcome {
    Committed,
    /// Nothing published, and Kafka knows.
    Aborted(LogError),
    /// Nothing published, but the transaction may still be open.
    Broken(LogError),
    /// The commit was sent and nobody answered.
    Unknown(LogError),
}

fn run_transaction(
    producer: &Transactions,
    consumer: &StreamConsumer<Assigned>,
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
            until(deadline, || producer.send_offsets_to_transaction(offsets, &metadata, ASK)).map_err(aborted)?;
        }
        Ok(())
    })();
    let (failed, needs_abort) = match sent {
        Err(error) => (error, true),
        Ok(()) => match until(deadline, || producer.commit_transaction(ASK)) {
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
    match needs_abort && until(deadline, || producer.abort_transaction(ASK)).is_ok() {
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

/// Repeats what Kafka says may be repeated, until the deadline.
fn until(deadline: Instant, mut step: impl FnMut() -> Result<(), KafkaError>) -> Result<(), KafkaError> {
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
    let reason = match error {
        KafkaError::Transaction(e) => e.string(),
        other => other.to_string(),
    };
    LogError::Aborted { reason }
}
