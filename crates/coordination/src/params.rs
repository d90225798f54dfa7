//! What can be tuned, checked once into a valid value.

use std::collections::BTreeMap;

use crate::post::Millis;

const SECOND: Millis = 1_000;
const MINUTE: Millis = 60 * SECOND;
const HOUR: Millis = 60 * MINUTE;
const DAY: Millis = 24 * HOUR;

/// All parameters of the engine. `Params::default()` is what the accuracy figures are measured with.
#[derive(Debug, Clone, PartialEq)]
pub struct Params {
    /// How far behind the newest post a post may come and still be put in its place.
    pub allowed_lateness: Millis,
    /// Windows in which two acts on a key count as a co-act, narrowest first.
    pub windows: [Millis; 3],
    /// Acts remembered per key.
    pub ring: usize,
    /// How long an act is remembered on its key; later posts than this are too late to count.
    pub horizon: Millis,
    /// Safety factor on every account's expected share of acts.
    pub safety: f64,
    /// History younger than this is no baseline, so that a burst cannot explain itself.
    pub baseline_lag: Millis,
    /// Time in which the weight of old history falls by half.
    pub baseline_half_life: Millis,
    /// Time over which an account's present session is averaged.
    pub session: Millis,
    /// A co-act earns at least this many nats or is not counted.
    pub min_credit: f64,
    /// A pair earns at most one credit in this time: sessions clump.
    pub credit_interval: Millis,
    /// Credited co-acts, on as many distinct keys, that a tie needs to propose a candidate.
    pub propose_co_acts: u32,
    /// Nats that a tie needs to propose a candidate.
    pub propose_nats: f64,
    /// Ties not renewed for this long are forgotten.
    pub tie_retention: Millis,
    /// Fewest accounts of a candidate, and of a cluster.
    pub min_members: usize,
    /// Most accounts of a candidate; at most 64.
    pub max_members: usize,
    /// A candidate this alike (Jaccard) to a living one is not new.
    pub same_candidate: f64,
    /// Candidates that gathered no evidence for this long are dropped.
    pub candidate_retention: Millis,
    /// A candidate whose evidence falls below this, in nats, is tested no further ...
    pub give_up: f64,
    /// ... and may be proposed again after this long.
    pub give_up_rest: Millis,
    /// How long a test on a key stays open.
    pub test_window: Millis,
    /// Weight of the alternative in a key's e-value.
    pub epsilon: f64,
    /// False discovery rate for candidates, and for the members of one.
    pub alpha: f64,
    /// Event time between evaluations.
    pub tick: Millis,
    /// Clusters whose named members overlap by this share of the smaller one are one campaign.
    pub same_campaign: f64,
    /// Keys listed as evidence of one candidate; the nats of the rest are summed.
    pub max_evidence: usize,
    /// Estimated Jaccard similarity from which two texts are near-duplicates.
    pub text_similarity: f64,
    /// Shortest text, in words, that can be a near-duplicate.
    pub text_min_words: usize,
    /// A single hashtag is a key while the lagged baseline knows at most this many acts on it.
    pub rare_hashtag_acts: f64,
    /// Bounds of the tables: keys, ties, habits, candidates, accounts.
    pub limits: Limits,
    /// Canonical address by short link, host and path without scheme; resolved offline only.
    pub short_links: BTreeMap<String, String>,
}

/// Most entries of each table; what is evicted is counted in [`Stats`](crate::Stats).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Live keys; the longest idle go first.
    pub keys: usize,
    /// Ties; the weakest go first.
    pub ties: usize,
    /// Habits (account and source pairs); the weakest go first.
    pub habits: usize,
    /// Living candidates; those with the least evidence go first.
    pub candidates: usize,
    /// Accounts; of those in no living candidate, the longest silent go first.
    pub accounts: usize,
}

impl Default for Params {
    fn default() -> Params {
        Params {
            allowed_lateness: 5 * MINUTE,
            windows: [60 * SECOND, 10 * MINUTE, HOUR],
            ring: 64,
            horizon: 2 * HOUR,
            safety: 2.0,
            baseline_lag: DAY,
            baseline_half_life: 7 * DAY,
            session: HOUR,
            min_credit: 1.0,
            credit_interval: 30 * MINUTE,
            propose_co_acts: 2,
            propose_nats: 8.0,
            tie_retention: 14 * DAY,
            min_members: 3,
            max_members: 60,
            same_candidate: 0.95,
            candidate_retention: 14 * DAY,
            give_up: -3.0,
            give_up_rest: DAY,
            test_window: 2 * HOUR,
            epsilon: 0.05,
            alpha: 0.05,
            tick: 15 * MINUTE,
            same_campaign: 0.5,
            max_evidence: 500,
            text_similarity: 0.7,
            text_min_words: 4,
            rare_hashtag_acts: 5.0,
            limits: Limits {
                keys: 2_000_000,
                ties: 4_000_000,
                habits: 4_000_000,
                candidates: 20_000,
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
            ("allowed_lateness", self.allowed_lateness >= 0, "must not be negative"),
            ("windows", self.windows[0] > 0, positive),
            (
                "windows",
                self.windows[0] < self.windows[1] && self.windows[1] < self.windows[2],
                "must grow from the first to the last",
            ),
            ("horizon", self.horizon >= self.windows[2], "must be no shorter than the widest window"),
            ("ring", (4..=4096).contains(&self.ring), "must lie in 4 to 4096"),
            ("safety", self.safety >= 1.0, "must be 1 or more"),
            ("baseline_lag", self.baseline_lag >= 0, "must not be negative"),
            ("baseline_half_life", self.baseline_half_life > 0, positive),
            ("session", self.session > 0, positive),
            ("min_credit", self.min_credit > 0.0, positive),
            ("propose_co_acts", self.propose_co_acts >= 1, "must be 1 or more"),
            ("min_members", self.min_members >= 3, "must be 3 or more"),
            (
                "max_members",
                self.max_members >= self.min_members && self.max_members <= 64,
                "must lie in min_members to 64",
            ),
            ("same_candidate", in_unit(self.same_candidate), "must lie in 0 to 1"),
            ("give_up", self.give_up < 0.0, "must be less than zero"),
            ("test_window", self.test_window > 0, positive),
            ("epsilon", self.epsilon > 0.0 && self.epsilon < 1.0, "must lie between 0 and 1"),
            ("alpha", self.alpha > 0.0 && self.alpha < 1.0, "must lie between 0 and 1"),
            ("tick", self.tick > 0, positive),
            ("same_campaign", in_unit(self.same_campaign), "must lie in 0 to 1"),
            ("text_similarity", in_unit(self.text_similarity), "must lie in 0 to 1"),
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
