//! The clients that one process keeps for all its requests.
//!
//! A client of librdkafka can lose all its brokers for ever: when a broker that comes back answers
//! that there are no brokers yet, the client forgets the addresses that it was given, too
//! (<https://github.com/confluentinc/librdkafka/issues/5301>). So after an outage all clients are
//! made anew.
use std::sync::{
    Arc, RwLock,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use rdkafka::{consumer::BaseConsumer, producer::FutureProducer};

use super::{
    APPEND_TIMEOUT,
    settings::{client_config, producer_settings, set_default},
};
use crate::log::LogError;

/// The shared clients, and the number of the outage after which they were made.
pub(super) struct Clients {
    brokers: String,
    properties: Vec<(String, String)>,
    /// `None` after shutdown.
    shared: RwLock<Option<Shared>>,
    generation: AtomicU64,
    /// Whether brokers were away since the clients were made.
    suspected: AtomicBool,
}

#[derive(Clone)]
struct Shared {
    /// For [`crate::Log::append`]: idempotent, without transactions.
    producer: FutureProducer,
    /// For requests about topics; a member of no group.
    metadata: Arc<BaseConsumer>,
}

impl Clients {
    pub(super) fn new(brokers: &str, properties: &[(String, String)]) -> Result<Clients, LogError> {
        let clients = Clients {
            brokers: brokers.to_owned(),
            properties: properties.to_vec(),
            shared: RwLock::default(),
            generation: AtomicU64::new(0),
            suspected: AtomicBool::new(false),
        };
        *clients.shared.write().unwrap_or_else(|e| e.into_inner()) = Some(clients.make()?);
        Ok(clients)
    }

    fn make(&self) -> Result<Shared, LogError> {
        let failed = || LogError::kafka(format!("connect to kafka at {}", self.brokers));
        let config = || client_config(&self.brokers, &self.properties);
        let mut producer = config();
        producer_settings(&mut producer);
        // An append fails while its caller still waits for it, and what failed does not fill the
        // memory during an outage.
        set_default(&mut producer, "message.timeout.ms", &APPEND_TIMEOUT.as_millis().to_string());
        Ok(Shared {
            producer: producer.create().map_err(failed())?,
            metadata: Arc::new(config().set("isolation.level", "read_committed").create().map_err(failed())?),
        })
    }

    /// The clients, of which one may have lost its brokers.
    fn shared(&self) -> Result<Shared, LogError> {
        self.shared.read().unwrap_or_else(|e| e.into_inner()).clone().ok_or(LogError::Closed)
    }

    pub(super) fn producer(&self) -> Result<FutureProducer, LogError> {
        Ok(self.shared()?.producer)
    }

    pub(super) fn metadata(&self) -> Result<Arc<BaseConsumer>, LogError> {
        Ok(self.shared()?.metadata)
    }

    /// Takes the clients away: no request is made any more. Returns the producer of appends.
    pub(super) fn close(&self) -> Option<FutureProducer> {
        let shared = self.shared.write().unwrap_or_else(|e| e.into_inner()).take();
        shared.map(|shared| shared.producer)
    }

    /// How often the clients were made anew. A client that was made for an earlier number is to be
    /// replaced by its owner.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Notes that brokers are away.
    pub(super) fn suspect(&self) {
        self.suspected.store(true, Ordering::Release);
    }

    /// Makes a client that has met no outage, if there was one.
    pub(super) fn fresh(&self) -> Result<Fresh, LogError> {
        match self.suspected.load(Ordering::Acquire) {
            true => Ok(Fresh { shared: self.make()?, is_new: true }),
            false => Ok(Fresh { shared: self.shared()?, is_new: false }),
        }
    }

    /// Puts new clients, which have reached the brokers, in the place of all others.
    pub(super) fn accept(&self, fresh: Fresh) {
        if !fresh.is_new {
            return;
        }
        let mut shared = self.shared.write().unwrap_or_else(|e| e.into_inner());
        if shared.is_some() {
            *shared = Some(fresh.shared);
            self.suspected.store(false, Ordering::Release);
            let generation = self.generation.fetch_add(1, Ordering::AcqRel) + 1;
            tracing::info!(generation, "the brokers were away; all clients of kafka are made anew");
        }
    }
}

/// Clients that no outage has touched.
pub(super) struct Fresh {
    shared: Shared,
    is_new: bool,
}

impl Fresh {
    pub(super) fn metadata(&self) -> Arc<BaseConsumer> {
        self.shared.metadata.clone()
    }
}
