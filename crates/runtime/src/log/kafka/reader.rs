//! A reader of a topic without a group, on Kafka.
use std::{collections::BTreeMap, ops::Range, sync::Arc, time::Duration};

use futures::FutureExt;
use rdkafka::{
    ClientContext, Message, Offset, TopicPartitionList,
    consumer::{Consumer, ConsumerContext, StreamConsumer},
    error::{KafkaError, RDKafkaErrorCode},
};
use tokio::time::{Instant, timeout_at};

use super::{Kafka, consumer_settings, is_transient, to_record};
use crate::log::{LogError, MAX_POLL_BYTES, Record};

/// Reads the given partitions. It joins no group and commits nothing.
pub(in crate::log) struct Reader {
    topic: Arc<str>,
    consumer: StreamConsumer<ReaderContext>,
    spans: BTreeMap<i32, Span>,
}

/// Consumer context of a reader: the end of a partition is an event that the reader asked for, not
/// an error to log.
struct ReaderContext;

impl ConsumerContext for ReaderContext {}

impl ClientContext for ReaderContext {
    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::PartitionEOF) {
            tracing::trace!(%error, reason, "end of a partition");
        } else {
            tracing::error!(%error, reason, "librdkafka");
        }
    }
}

struct Span {
    next: i64,
    to: i64,
    /// The end of the partition when the reader was opened.
    end: i64,
}

impl Span {
    fn is_done(&self) -> bool {
        let target = if self.to == i64::MAX { self.end } else { self.to };
        self.next >= target
    }
}

impl Reader {
    pub(super) fn open(
        kafka: &Kafka,
        topic: &str,
        spans: Vec<(i32, Range<i64>)>,
        ends: &[i64],
    ) -> Result<Reader, LogError> {
        let failed = || LogError::kafka(format!("read topic {topic:?}"));
        let mut config = kafka.client_config();
        consumer_settings(&mut config);
        // librdkafka needs a group name to deliver messages; the reader never joins that group and
        // commits nothing to it.
        let consumer: StreamConsumer<ReaderContext> = config
            .set("group.id", kafka.new_transactional_id("lockstep-reader"))
            .set("enable.partition.eof", "true")
            .create_with_context(ReaderContext)
            .map_err(failed())?;
        let mut reader = Reader { topic: topic.into(), consumer, spans: BTreeMap::new() };
        reader.turn_to(spans, ends)?;
        Ok(reader)
    }

    /// Continues with other ranges of offsets.
    pub(in crate::log) fn turn_to(&mut self, spans: Vec<(i32, Range<i64>)>, ends: &[i64]) -> Result<(), LogError> {
        let failed = || LogError::kafka(format!("read topic {:?}", self.topic));
        self.spans = spans
            .into_iter()
            .filter_map(|(partition, span)| {
                let end = *ends.get(usize::try_from(partition).ok()?)?;
                let next = span.start.max(0);
                Some((partition, Span { next, to: span.end, end }))
            })
            .collect();
        let mut list = TopicPartitionList::new();
        for (partition, span) in self.spans.iter().filter(|(_, span)| span.next < span.to) {
            let from = match span.next {
                0 => Offset::Beginning,
                next => Offset::Offset(next),
            };
            list.add_partition_offset(&self.topic, *partition, from).map_err(failed())?;
        }
        self.consumer.assign(&list).map_err(failed())
    }

    pub(in crate::log) async fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<Record>, LogError> {
        let deadline = Instant::now() + wait;
        let mut records = Vec::new();
        let mut bytes = 0;
        while records.len() < max && bytes < MAX_POLL_BYTES {
            let received = if records.is_empty() {
                timeout_at(deadline, self.consumer.recv()).await.ok()
            } else {
                self.consumer.recv().now_or_never()
            };
            match received {
                None => break,
                Some(Ok(message)) => {
                    let Some(span) = self.spans.get_mut(&message.partition()) else {
                        continue;
                    };
                    span.next = span.next.max(message.offset() + 1);
                    if message.offset() < span.to {
                        let record = to_record(self.topic.clone(), &message);
                        bytes += record.size();
                        records.push(record);
                    }
                }
                // The end of a partition: do not wait for markers and compacted records before the
                // end.
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    if let Some(span) = self.spans.get_mut(&partition) {
                        span.next = span.next.max(span.end.min(span.to));
                    }
                    if records.is_empty() && self.at_end() && self.is_bounded() {
                        break;
                    }
                }
                Some(Err(error)) if is_transient(&error) => {
                    tracing::warn!(topic = %self.topic, %error, "kafka reader error, continuing");
                }
                Some(Err(source)) => {
                    let action = format!("read topic {:?}", self.topic);
                    return Err(LogError::Kafka { action, source });
                }
            }
        }
        Ok(records)
    }

    pub(in crate::log) fn at_end(&self) -> bool {
        self.spans.values().all(Span::is_done)
    }

    fn is_bounded(&self) -> bool {
        self.spans.values().all(|span| span.to < i64::MAX)
    }
}
