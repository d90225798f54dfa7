//! The origin of a group's gains: keys and posts, sources, and kinds of trace.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    accounts::AccountId,
    by_kind::ByKind,
    cluster::{Gain, Manner, Unlisted},
    hash::Map,
    post::{Millis, PostName},
    uses::{KeyId, KeyName, SourceId, Use},
};

/// Most sources that are distinguished.
const MOST_SOURCES: usize = 4_096;

/// ln of the mean of exp over the windows: the total of their nats.
pub fn log_mean_exp(nats: [f64; 3]) -> f64 {
    let most = nats.into_iter().fold(f64::NEG_INFINITY, f64::max);
    most + (nats.into_iter().map(|x| (x - most).exp()).sum::<f64>() / 3.0).ln()
}

/// A post in the evidence.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct EvidencePost {
    pub at: Millis,
    pub account: AccountId,
    pub post: PostName,
    pub manner: Manner,
    pub gains: [Option<Gain>; 3],
}

/// The gains of one key.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct KeyEvidence {
    pub name: Arc<KeyName>,
    pub nats: [f64; 3],
    pub posts: Vec<EvidencePost>,
}

/// Gains of one source.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct SourceGains {
    pub name: Arc<KeyName>,
    pub nats: [f64; 3],
}

/// Gains whose posts are not listed, because the list is bounded. In a snapshot it is an
/// [`Unlisted`], whose sources are counted when a cluster is reported.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(from = "Unlisted", into = "Unlisted")]
pub(crate) struct NotListed {
    /// Trials with a gain.
    pub trials: u64,
    pub nats: [f64; 3],
}

impl From<Unlisted> for NotListed {
    fn from(Unlisted { trials, nats, .. }: Unlisted) -> NotListed {
        NotListed { trials, nats }
    }
}

impl From<NotListed> for Unlisted {
    fn from(NotListed { trials, nats }: NotListed) -> Unlisted {
        Unlisted { trials, nats, ..Unlisted::default() }
    }
}

/// All gains of a group.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Gains {
    sources: Map<SourceId, SourceGains>,
    /// The largest gains of a source that is not distinguished any more: it may come back.
    forgotten: [f64; 3],
    /// The statistic without its best source; `None` since the last trial.
    without_best: Option<f64>,
    pub kinds: ByKind<[f64; 3]>,
    evidence: BTreeMap<KeyId, KeyEvidence>,
    listed: usize,
    pub not_listed: NotListed,
}

impl Gains {
    /// Begins a new trial, with or without a gain.
    pub(crate) fn begin(&mut self) {
        self.without_best = None;
    }

    /// Records the gain of a post through a key, and the posts that it repeats. At most about
    /// `most` posts are listed.
    pub(crate) fn add(
        &mut self,
        used: &Use,
        repeated: impl Iterator<Item = EvidencePost>,
        post: EvidencePost,
        most_listed: usize,
    ) {
        let nats = post.gains.map(|gain| gain.map_or(0.0, Gain::nats));
        let add = |sum: &mut [f64; 3]| sum.iter_mut().zip(nats).for_each(|(sum, nats)| *sum += nats);
        add(&mut self.kinds[used.name.kind]);
        let source_id = used.name.source_id();
        if self.sources.len() >= MOST_SOURCES && !self.sources.contains_key(&source_id) {
            self.forget_sources();
        }
        let source = self
            .sources
            .entry(source_id)
            .or_insert_with(|| SourceGains { name: used.name.clone(), nats: self.forgotten });
        add(&mut source.nats);
        let key = self.evidence.entry(used.key).or_insert_with(|| KeyEvidence {
            name: used.name.clone(),
            nats: [0.0; 3],
            posts: Vec::new(),
        });
        add(&mut key.nats);
        let before = key.posts.len();
        for repeated in repeated {
            if key.posts.iter().all(|known| known.post != repeated.post || known.account != repeated.account) {
                key.posts.push(repeated);
            }
        }
        key.posts.push(post);
        self.listed += key.posts.len() - before;
        if self.listed > most_listed + most_listed / 4 {
            self.cut_evidence(most_listed);
        }
    }

    /// Stops distinguishing the sources with the smallest gains: none of them is the best.
    fn forget_sources(&mut self) {
        let most = |source: &SourceGains| source.nats.into_iter().fold(0.0, f64::max);
        let mut order: Vec<(f64, SourceId)> = self.sources.iter().map(|(id, source)| (most(source), *id)).collect();
        order.sort_unstable_by(|x, y| x.0.total_cmp(&y.0).then(x.1.cmp(&y.1)));
        for (_, id) in &order[..order.len() / 4] {
            if let Some(source) = self.sources.remove(id) {
                self.forgotten.iter_mut().zip(source.nats).for_each(|(most, nats)| *most = most.max(nats));
            }
        }
    }

    /// Keeps the keys with the largest gains.
    fn cut_evidence(&mut self, most: usize) {
        let gave = |key: &KeyEvidence| key.nats.into_iter().fold(0.0, f64::max) / key.posts.len().max(1) as f64;
        let mut order: Vec<(f64, KeyId)> = self.evidence.iter().map(|(id, key)| (gave(key), *id)).collect();
        order.sort_unstable_by(|x, y| x.0.total_cmp(&y.0).then(y.1.cmp(&x.1)));
        for (_, id) in order {
            if self.listed <= most {
                return;
            }
            if let Some(key) = self.evidence.remove(&id) {
                self.listed -= key.posts.len();
                self.not_listed.trials +=
                    key.posts.iter().filter(|post| post.gains.iter().any(Option::is_some)).count() as u64;
                self.not_listed.nats.iter_mut().zip(key.nats).for_each(|(sum, nats)| *sum += nats);
            }
        }
    }

    /// ln of the group's e-value without one source's gains, the least over all sources; `nats` are
    /// the group's nats in each window.
    pub(crate) fn without_best(&self, nats: [f64; 3]) -> f64 {
        self.without_best.unwrap_or_else(|| self.work_out_without_best(nats))
    }

    /// Computes that after new trials.
    pub(crate) fn settle(&mut self, nats: [f64; 3]) {
        self.without_best = Some(self.work_out_without_best(nats));
    }

    fn work_out_without_best(&self, all: [f64; 3]) -> f64 {
        let mut least: (f64, Option<SourceId>) = (log_mean_exp(all), None);
        let mut most = [0.0; 3];
        for (id, source) in &self.sources {
            if least.1.is_some() && source.nats.iter().zip(most).all(|(nats, most)| *nats < most) {
                continue; // it leaves more than the one that leaves least so far
            }
            let mut nats = all;
            nats.iter_mut().zip(source.nats).for_each(|(sum, nats)| *sum -= nats);
            let without = log_mean_exp(nats);
            if without < least.0 || (without == least.0 && least.1.is_some_and(|known| *id < known)) {
                least = (without, Some(*id));
                most = source.nats;
            }
        }
        least.0
    }

    /// Gains by source, in no order.
    pub(crate) fn sources(&self) -> impl Iterator<Item = (SourceId, &SourceGains)> {
        self.sources.iter().map(|(id, source)| (*id, source))
    }

    /// The gains of each key, in order of their ids.
    pub(crate) fn evidence(&self) -> impl Iterator<Item = &KeyEvidence> {
        self.evidence.values()
    }
}
