//! The methods compared: this engine, and what peers publish.

use std::{fmt, str::FromStr};

use coordination::{Cluster, Millis};
use messages::cluster::{ClusterMessage, Status};
use scoring::Model;
use serde::Serialize;
use simulator::{AccountKey, World};

use crate::{EvaluationError, truth::key};

/// A way of finding groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// This engine and its model.
    Lockstep,
}

impl Method {
    /// All of them.
    pub const ALL: [Method; 1] = [Method::Lockstep];

    /// Its name in options and output.
    pub fn name(self) -> &'static str {
        match self {
            Method::Lockstep => "lockstep",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Method {
    type Err = String;

    fn from_str(name: &str) -> Result<Method, String> {
        Method::ALL.into_iter().find(|method| method.name() == name).ok_or_else(|| {
            let known: Vec<&str> = Method::ALL.map(Method::name).to_vec();
            format!("there is no method `{name}`; there are: {}", known.join(", "))
        })
    }
}

/// What a method says of a world.
#[derive(Debug, Default)]
pub struct Found {
    /// Every cluster it ever told of, by id.
    pub clusters: Vec<FoundCluster>,
    /// Posts read.
    pub posts: u64,
    /// Hypotheses tested, where the method tests any.
    pub candidates_tested: Option<u64>,
    /// Whether the method has a model that flags.
    pub judged: bool,
    /// Pairs of accounts said to act together, where the method publishes any; each once.
    pub pairs: Option<Vec<(AccountKey, AccountKey)>>,
}

/// A cluster with all that was ever said of it.
#[derive(Debug)]
pub struct FoundCluster {
    /// Stable over its life.
    pub id: String,
    /// Its states by time, at least one.
    pub states: Vec<State>,
    /// Whether it still stands at the end of the stream.
    pub stands: bool,
}

/// A cluster as it was told.
#[derive(Debug)]
pub struct State {
    /// Event time that the stream had come to.
    pub at: Millis,
    /// What was said of it.
    pub status: Status,
    /// Its accounts.
    pub accounts: Vec<AccountKey>,
}

/// The methods, set up once and used on many worlds.
pub struct Judge {
    config: detector::Config,
    model: Model,
}

impl Judge {
    /// Methods by the detector's configuration: the engine's parameters and the model in service.
    pub fn new(config: detector::Config) -> Result<Judge, EvaluationError> {
        config.engine()?;
        Ok(Judge { model: config.model()?, config })
    }

    /// The detector's configuration.
    pub fn config(&self) -> &detector::Config {
        &self.config
    }

    /// The model that flags.
    pub fn model(&self) -> String {
        format!("{} {}", self.model.name(), self.model.version())
    }

    /// What a method finds in a world.
    pub fn find(&self, method: Method, world: &World, seed: u64) -> Result<Found, EvaluationError> {
        match method {
            Method::Lockstep => self.lockstep(world, seed),
        }
    }

    fn lockstep(&self, world: &World, seed: u64) -> Result<Found, EvaluationError> {
        let mut engine = self.config.engine()?;
        let mut found = Found { judged: true, ..Found::default() };
        let mut told = Vec::new();
        let mut now = Millis::MIN;
        for post in world.stream(seed).0 {
            now = post.created_at;
            engine.on_post(now, &post.as_post(), &mut told);
            found.posts += 1;
            for cluster in told.drain(..) {
                self.record(&mut found, &cluster, now)?;
            }
        }
        // Every cluster that still stands is told at the end.
        engine.finish(&mut told);
        for cluster in &told {
            let place = self.record(&mut found, cluster, now)?;
            let cluster = &mut found.clusters[place];
            cluster.stands = cluster.states.last().is_some_and(|state| state.status != Status::Faded);
        }
        found.candidates_tested = Some(engine.stats().candidates_proposed);
        found.clusters.sort_by(|x, y| x.id.cmp(&y.id));
        Ok(found)
    }

    /// Notes a cluster's state; returns its place.
    fn record(&self, found: &mut Found, cluster: &Cluster, at: Millis) -> Result<usize, EvaluationError> {
        // The status is the wire's, so that it is the one that users see.
        let message = ClusterMessage::new(cluster, &self.model.verdict(cluster), Vec::new(), Vec::new())?;
        let place = found.clusters.iter().position(|known| known.id == cluster.id).unwrap_or_else(|| {
            found.clusters.push(FoundCluster { id: cluster.id.clone(), states: Vec::new(), stands: false });
            found.clusters.len() - 1
        });
        let accounts = cluster.members.iter().map(|member| key(&member.account)).collect();
        found.clusters[place].states.push(State { at, status: message.status, accounts });
        Ok(place)
    }
}
