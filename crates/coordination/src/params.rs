//! What can be tuned, checked once into a valid value.

use std::collections::BTreeMap;

use crate::{
    post::{DAY, HOUR, MINUTE, Millis},
    trace::TraceKind,
};

/// All parameters of the engine. `Params::default()` is what the accuracy figures are measured with.
#[derive(Debug, Clone, PartialEq)]
pub struct Params {
    /// Kinds of traces that count. What a post did by others is as if it had not been done.
    pub traces: Vec<TraceKind>,
    /// How far behind the newest post a post may come and still be put in its place.
    pub allowed_lateness: Millis,
    /// Later posts than this are too late to count; for as long a post's id is remembered, so that none counts twice.
    pub horizon: Millis,
    /// Event time between evaluations: groups are proposed, judged, named and told then.
    pub tick: Millis,
    /// An account's use of a key counts once in this time.
    pub repeat: Millis,
    /// How long uses of keys are remembered, for ties and for naming.
    pub retention: Millis,
    /// The newest users of a key with whom a further user is paired.
    pub ring: usize,
    /// Keys of more accounts than this, over `retention`, tie nobody; more accounts than this outside a group, in six hours, give the
    /// outcome *nothing*.
    pub popular: usize,
    /// Chance (Poisson) below which two accounts are tied.
    pub tie_chance: f64,
    /// Least share of an account's own texts that repeat another account's for it to be a copier.
    pub copier_share: f64,
    /// Fewest accounts of a candidate, and of a cluster.
    pub min_members: usize,
    /// Most accounts of a candidate; larger groups are counted and not tested.
    pub max_members: usize,
    /// A candidate this alike (Jaccard) to a living one is not new.
    pub same_candidate: f64,
    /// Candidates without a post for this long are dropped.
    pub candidate_retention: Millis,
    /// Safety factor on the rate at which others repeat the group.
    pub safety: f64,
    /// False discovery rate for groups.
    pub alpha: f64,
    /// Local false discovery rate for the accounts that a group's naming finds.
    pub naming_rate: f64,
    /// Clusters whose named members overlap by this share of the smaller one are one campaign.
    pub same_campaign: f64,
    /// Posts kept as evidence of one candidate; the gains of others are summed.
    pub max_evidence: usize,
    /// Least net surprise, in nats, of a text that repeats another.
    pub text_nats: f64,
    /// Accounts that must have written one text for it to be told as such.
    pub one_text_accounts: usize,
    /// Bounds of the tables.
    pub limits: Limits,
    /// Canonical address by short link, host and path without scheme; resolved offline only.
    pub short_links: BTreeMap<String, String>,
}

/// Most entries of each table; what is evicted is counted in [`Stats`](crate::Stats).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Remembered uses of a key by an account; the oldest go first.
    pub uses: usize,
    /// Pairs of accounts with a key in common; those with one key go first, the oldest before the others.
    pub ties: usize,
    /// Texts that can be found repeated; the oldest go first.
    pub texts: usize,
    /// Living candidates; of those that have not passed, those with the least evidence go first. So many that have passed may stay besides;
    /// of them the longest silent go first.
    pub candidates: usize,
    /// Accounts; of those in no living candidate, the longest silent go first.
    pub accounts: usize,
}

impl Default for Params {
    fn default() -> Params {
        Params {
            traces: TraceKind::ALL.into_iter().filter(|kind| kind.counts_by_default()).collect(),
            allowed_lateness: 5 * MINUTE,
            horizon: 2 * HOUR,
            tick: 15 * MINUTE,
            repeat: 7 * DAY,
            retention: 60 * DAY,
            ring: 64,
            popular: 400,
            tie_chance: 1e-5,
            copier_share: 0.2,
            min_members: 3,
            max_members: 5_000,
            same_candidate: 0.7,
            candidate_retention: 14 * DAY,
            safety: 2.0,
            alpha: 0.05,
            naming_rate: 0.03,
            same_campaign: 0.5,
            max_evidence: 200,
            text_nats: 22.0,
            one_text_accounts: 30,
            limits: Limits {
                uses: 20_000_000,
                ties: 4_000_000,
                texts: 1_000_000,
                candidates: 2_000,
                accounts: 5_000_000,
            },
            short_links: BTreeMap::new(),
        }
    }
}

/// A parameter that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{parameter} {problem}")]
pub struct ParamsError {
    /// Its name.
    pub parameter: &'static str,
    /// What is wrong, and what is allowed.
    pub problem: &'static str,
}

impl Params {
    /// Checks the values against each other.
    pub fn validate(&self) -> Result<(), ParamsError> {
        let positive = "must be greater than zero";
        let rules = [
            ("traces", !self.traces.is_empty(), "must name a kind or more"),
            ("allowed_lateness", self.allowed_lateness >= 0, "must not be negative"),
            ("horizon", self.horizon > 0, positive),
            ("tick", self.tick > 0, positive),
            ("repeat", self.repeat >= DAY, "must be a day or more"),
            ("retention", self.retention >= self.repeat, "must be no less than repeat"),
            ("ring", (4..=4096).contains(&self.ring), "must lie in 4 to 4096"),
            ("popular", self.popular >= 1, "must be 1 or more"),
            ("tie_chance", self.tie_chance > 0.0 && self.tie_chance < 1.0, "must lie between 0 and 1"),
            ("copier_share", in_unit(self.copier_share), "must lie in 0 to 1"),
            ("min_members", self.min_members >= 3, "must be 3 or more"),
            ("max_members", self.max_members >= self.min_members, "must be no less than min_members"),
            ("same_candidate", in_unit(self.same_candidate), "must lie in 0 to 1"),
            ("candidate_retention", self.candidate_retention > 0, positive),
            ("safety", self.safety >= 1.0, "must be 1 or more"),
            ("alpha", self.alpha > 0.0 && self.alpha < 1.0, "must lie between 0 and 1"),
            ("naming_rate", self.naming_rate > 0.0 && self.naming_rate < 1.0, "must lie between 0 and 1"),
            ("same_campaign", in_unit(self.same_campaign), "must lie in 0 to 1"),
            ("text_nats", self.text_nats > 0.0, positive),
            ("one_text_accounts", self.one_text_accounts >= 3, "must be 3 or more"),
        ];
        match rules.into_iter().find(|(_, holds, _)| !holds) {
            Some((parameter, _, problem)) => Err(ParamsError { parameter, problem }),
            None => Ok(()),
        }
    }
}

fn in_unit(x: f64) -> bool {
    x > 0.0 && x <= 1.0
}
