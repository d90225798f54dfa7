//! The compared methods: this engine, and the methods of published tools.

use std::{fmt, str::FromStr, sync::Arc};

use coordination::{Cluster, Millis, Post};
use messages::cluster::{ClusterMessage, Status};
use scoring::{Model, ModelJudge};
use serde::Serialize;
use simulator::World;

use crate::{
    EvaluationError,
    found::{Found, FoundCluster, State},
    peers::{CooRTweet, Cooccurrence},
    truth::key,
};

/// A way of finding groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// This engine and its model.
    Lockstep,
    /// CooRTweet: accounts that share the same objects within a window, above a quantile of the
    /// edge weights.
    Coortweet,
    /// coordination-network-toolkit: the same counted by message, above a fixed weight.
    Cooccurrence,
}

impl Method {
    /// All of them.
    pub const ALL: [Method; 3] = [Method::Lockstep, Method::Coortweet, Method::Cooccurrence];

    /// Its name in options and output.
    pub fn name(self) -> &'static str {
        match self {
            Method::Lockstep => "lockstep",
            Method::Coortweet => "coortweet",
            Method::Cooccurrence => "cooccurrence",
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

/// The methods, prepared once and used on many worlds.
pub struct Judge {
    config: detection::Config,
    model: Arc<Model>,
    peer_window_s: f64,
}

impl Judge {
    /// Methods with the detector's configuration (the engine's parameters and the model in service)
    /// and the window of the other tools' methods in seconds.
    pub fn new(config: detection::Config, peer_window_s: f64) -> Result<Judge, EvaluationError> {
        config.engine()?;
        Ok(Judge { model: Arc::new(config.model()?), config, peer_window_s })
    }

    /// The window of the other tools' methods, seconds.
    pub fn peer_window_s(&self) -> f64 {
        self.peer_window_s
    }

    /// The detector's configuration.
    pub fn config(&self) -> &detection::Config {
        &self.config
    }

    /// The model that flags.
    pub fn model(&self) -> String {
        format!("{} {}", self.model.name(), self.model.version())
    }

    /// The findings of a method in a world.
    pub fn find(&self, method: Method, world: &World, seed: u64) -> Result<Found, EvaluationError> {
        match method {
            Method::Lockstep => self.lockstep(world, seed),
            Method::Coortweet => {
                let mut peer = CooRTweet::default();
                let posts = each(world, seed, |post| peer.post(post));
                Ok(Found { posts, ..peer.found(self.peer_window_s) })
            }
            Method::Cooccurrence => {
                let mut peer = Cooccurrence::default();
                let posts = each(world, seed, |post| peer.post(post));
                Ok(Found { posts, ..peer.found(self.peer_window_s) })
            }
        }
    }

    fn lockstep(&self, world: &World, seed: u64) -> Result<Found, EvaluationError> {
        let mut engine = self.config.engine()?;
        engine.set_judge(Box::new(ModelJudge(self.model.clone())));
        let mut found = Found { judged: true, ..Found::default() };
        let mut reported = Vec::new();
        let mut now = Millis::MIN;
        for post in world.stream(seed).0 {
            now = post.created_at;
            engine.on_post(now, &post.as_post(), &mut reported);
            found.posts += 1;
            for cluster in reported.drain(..) {
                self.record(&mut found, &cluster, now)?;
            }
        }
        // Every active cluster is reported at the end.
        engine.finish(&mut reported);
        for cluster in &reported {
            let place = self.record(&mut found, cluster, now)?;
            let cluster = &mut found.clusters[place];
            cluster.stands = cluster.states.last().is_some_and(|state| state.status != Status::Faded);
        }
        found.candidates_tested = Some(engine.stats().candidates_proposed);
        found.clusters.sort_by(|x, y| x.id.cmp(&y.id));
        Ok(found)
    }

    /// Records a cluster's state; returns its index.
    fn record(&self, found: &mut Found, cluster: &Cluster, at: Millis) -> Result<usize, EvaluationError> {
        // The status comes from the message, so it is the one that users see.
        let verdict = ClusterMessage::takes_verdict(cluster).then(|| self.model.verdict(cluster));
        let message = ClusterMessage::new(cluster, verdict.as_ref(), Vec::new(), Vec::new())?;
        let place = found.clusters.iter().position(|known| known.id == cluster.id).unwrap_or_else(|| {
            found.clusters.push(FoundCluster { id: cluster.id.clone(), states: Vec::new(), stands: false });
            found.clusters.len() - 1
        });
        let accounts = cluster.members.iter().map(|member| key(&member.account)).collect();
        found.clusters[place].states.push(State { at: Some(at), status: message.status, accounts });
        Ok(place)
    }
}

/// Passes on the posts of a world, and counts them.
fn each(world: &World, seed: u64, mut to: impl FnMut(&Post<'_>)) -> u64 {
    let mut posts = 0;
    for post in world.stream(seed).0 {
        to(&post.as_post());
        posts += 1;
    }
    posts
}
