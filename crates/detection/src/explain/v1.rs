//! Messages of version 1: who acts next on a key, in proportion to activity?
//!
//! Keys and their sums first, then the accounts, those that only another of the united candidates names from the trials that the message
//! has of them, then the model's score. The formulas are those that [`messages::cluster::v1`] documents.

mod members;
mod parts;
mod text;

use coordination::TraceKind;
use jiff::Timestamp;
use messages::cluster::{
    Status,
    v1::{ClusterMessage, Evidence, KeyTest, Terms, Unlisted},
};
use serde::Serialize;

use self::parts::{NO_ROOM, name, total};
use super::{
    arithmetic::{ExplainError, Figure, Score, TOLERANCE, is, log_mean_exp, log_sum_exp, same},
    text::shown,
};

pub use members::{Member, Summed, Trial};

/// Chances by habit and shares are recorded in full; further apart than this is a contradiction.
const CHANCE_TOLERANCE: f64 = 1e-9;
/// Probabilities of "the next actor is a member" if members act together.
const NEXT: [f64; 3] = [0.1, 0.3, 0.7];
/// Acts by others after a member's on which each of them is staked.
const PATIENCE: [u32; 3] = [20, 6, 2];
/// The chance where no member is left to act: nothing is staked then.
const NOBODY: f64 = 1e-9;

/// A cluster's numbers, worked out again.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The cluster.
    pub cluster_id: String,
    /// Which of its published states.
    pub version: u32,
    /// What is said of it.
    pub status: Status,
    /// Time of the first post in the evidence.
    pub first_seen: Timestamp,
    /// Time of the last.
    pub last_seen: Timestamp,
    /// What the tests went by.
    pub terms: Terms,
    /// Keys in the order of the message.
    pub keys: Vec<KeyArithmetic>,
    /// Keys that are not listed.
    pub unlisted: Unlisted,
    /// Sources in the order of the message.
    pub sources: Vec<Sum>,
    /// The same by trace kind.
    pub traces: Vec<Sum>,
    /// All evidence: the sum over `keys` and `unlisted`.
    pub log_e: Figure,
    /// Index into `sources` of the one that is left out; `None` where no source speaks for the cluster.
    pub left_out: Option<usize>,
    /// `log_e` without it.
    pub log_e_leave_one_source_out: Figure,
    /// What had to be reached.
    pub bar: Bar,
    /// The ln e-value from which accounts are named, nats; `None` where none passes, or where not all tests are listed and an older
    /// version wrote the message.
    pub member_bar: Option<f64>,
    /// Accounts in the order of the message.
    pub members: Vec<Member>,
    /// What the model says.
    #[serde(flatten)]
    pub score: Score,
    /// What does not agree, in words. Empty if every number that can be worked out again is the recorded one.
    pub contradictions: Vec<String>,
}

/// A key on which members acted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KeyArithmetic {
    /// Place among the keys of the message, from 1.
    pub number: usize,
    /// Trace kind.
    pub kind: TraceKind,
    /// What was acted on.
    pub key: String,
    /// Trace kind of its source.
    pub source_kind: TraceKind,
    /// Whom it comes from.
    pub source: String,
    /// What it gives.
    pub nats: Figure,
    /// How that comes about; `None` where the message does not tell.
    pub test: Option<Test>,
}

/// The arithmetic of one key.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Test {
    /// Weight of "they act together".
    pub epsilon: f64,
    /// Members' first acts by time, and at the end what nobody followed any more.
    pub steps: Vec<TrialLine>,
    /// ln LR for q = 0.1, 0.3 and 0.7: the sums over the steps.
    pub log_lr: [f64; 3],
    /// ln of the mean of the three.
    pub log_mean_lr: f64,
}

/// One line of a key's arithmetic.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrialLine {
    /// `opens`, `follows` or `after`.
    pub what: &'static str,
    /// `platform:account_id`; `None` for one of the group who is not named, and at the end.
    pub account: Option<String>,
    /// When the account's first post listed for the key was made.
    pub at: Option<Timestamp>,
    /// Acts by accounts outside the group before this.
    pub others: u32,
    /// Probability that the next act would be a member's by habit.
    pub chance: f64,
    /// What it adds to ln LR for q = 0.1, 0.3 and 0.7.
    pub log_lr: [f64; 3],
}

/// A sum over the keys of one source, or of one trace kind, nats.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sum {
    /// Trace kind.
    pub kind: TraceKind,
    /// Source; `None` in a sum by kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Keys listed.
    pub keys: usize,
    /// Their sum.
    pub listed: f64,
    /// What keys that are not listed add: the recorded sum less `listed`.
    pub unlisted: f64,
    /// The recorded sum.
    pub recorded: f64,
}

/// What the cluster's statistic had to reach, nats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bar {
    /// What is held against the bar; `None` in a faded cluster, of which nothing is claimed.
    pub statistic: Option<f64>,
    /// ln(1 / alpha): the cluster stands while the statistic is not below this.
    pub to_stand: f64,
    /// What it may have had to reach at most to be told the first time: e-LOND's bar for the last of the candidates tested, with no
    /// discovery before it. Each discovery lowered it, and an end of the stream is judged by e-BH, which asks for less.
    pub to_be_told_at_most: f64,
}

impl Explanation {
    /// Works all numbers of a message out again.
    pub fn of(message: &ClusterMessage) -> Result<Explanation, ExplainError> {
        let terms = message.test.ok_or_else(|| ExplainError::Older(message.cluster_id.clone()))?;
        let mut contradictions = Vec::new();
        let keys: Vec<KeyArithmetic> = message
            .evidence
            .iter()
            .enumerate()
            .map(|(place, evidence)| key(place + 1, evidence, message, terms, &mut contradictions))
            .collect();
        let nats = |key: &KeyArithmetic| key.nats.recomputed.unwrap_or(key.nats.recorded);

        let sources = message.sources.iter().map(|s| (s.kind, Some(s.source.as_str()), s.nats));
        let of_source =
            |key: &KeyArithmetic, sum: &Sum| key.source_kind == sum.kind && Some(&key.source) == sum.source.as_ref();
        let sources = sums(sources, &keys, of_source);
        let traces = message.traces.iter().map(|(kind, nats)| (*kind, None, *nats));
        let traces = sums(traces, &keys, |key, sum| key.kind == sum.kind);
        for (what, sums) in [("sources", &sources), ("traces", &traces)] {
            check_sums(what, sums, &keys, message, &mut contradictions);
        }

        let total = keys.iter().map(nats).sum::<f64>() + message.unlisted.nats;
        let log_e = Figure::new(message.log_e, total);
        let best = message.sources.iter().map(|s| s.nats).fold(0.0, f64::max);
        let left_out = message.sources.iter().position(|s| s.nats > 0.0 && s.nats == best);
        let log_e_leave_one_source_out = Figure::new(message.log_e_leave_one_source_out, total - best);
        for (what, figure) in [("log_e", log_e), ("log_e_leave_one_source_out", log_e_leave_one_source_out)] {
            contradictions.extend(figure.contradiction(what));
        }
        let bar = bar(message, terms);
        if let Some(statistic) = bar.statistic
            && statistic < bar.to_stand - TOLERANCE
        {
            contradictions.push(format!(
                "status: is {}, but {statistic:.9} nats are less than the {:.9} nats it has to reach",
                message.status.name(),
                bar.to_stand
            ));
        }
        check_times(message, &mut contradictions);
        let (members, member_bar) = members::members(message, terms, &mut contradictions);
        let recorded = (message.score, message.intercept, message.probability);
        let score = Score::of(recorded, &message.reasons, &mut contradictions);
        Ok(Explanation {
            cluster_id: message.cluster_id.clone(),
            version: message.version,
            status: message.status,
            first_seen: message.first_seen,
            last_seen: message.last_seen,
            terms,
            keys,
            unlisted: message.unlisted,
            sources,
            traces,
            log_e,
            left_out,
            log_e_leave_one_source_out,
            bar,
            member_bar,
            members,
            score,
            contradictions,
        })
    }

    /// Keeps only keys with these words in them and on which this account (an id, or `platform:id`) acted, and only this account
    /// among the members. Sums and contradictions stay those of the whole.
    pub fn narrow(&mut self, key: Option<&str>, account: Option<&str>) -> Result<(), ExplainError> {
        let not_there = |what| ExplainError::NotThere { cluster_id: self.cluster_id.clone(), what };
        if let Some(account) = account {
            if !self.members.iter().any(|member| is(&member.account, account)) {
                return Err(not_there(format!("account {account:?}")));
            }
            self.members.retain(|member| is(&member.account, account));
        }
        if let Some(words) = key
            && !self.keys.iter().any(|key| key.key.contains(words))
        {
            return Err(not_there(format!("key with {words:?} in it")));
        }
        self.keys.retain(|entry| {
            let acted = |account| {
                entry.test.iter().flat_map(|t| &t.steps).flat_map(|s| &s.account).any(|name| is(name, account))
            };
            // Those who are members by another candidate's tests acted on keys that are none of this one's.
            let trials = self.members.iter().flat_map(|member| &member.trials);
            let took_part = trials.filter(|trial| trial.took_part).any(|trial| trial.key == Some(entry.number));
            key.is_none_or(|words| entry.key.contains(words)) && account.is_none_or(|name| acted(name) || took_part)
        });
        Ok(())
    }
}

fn key(
    number: usize,
    evidence: &Evidence,
    message: &ClusterMessage,
    terms: Terms,
    contradictions: &mut Vec<String>,
) -> KeyArithmetic {
    let what = format!("key {number} ({} {})", evidence.kind, shown(&evidence.key));
    let (nats, test) = match &evidence.test {
        None if evidence.nats == 0.0 => (Figure::new(0.0, 0.0), None),
        None => (Figure::unknown(evidence.nats, NO_ROOM), None),
        Some(recorded) => {
            contradictions.extend(flaws(recorded, message, terms).into_iter().map(|flaw| format!("{what}: {flaw}")));
            let test = test(recorded, evidence, message);
            // ln((1 - epsilon) + epsilon x mean LR), where LR may be beyond what a number holds.
            let (apart, together) = ((1.0 - test.epsilon).ln(), test.epsilon.ln() + test.log_mean_lr);
            (Figure::new(evidence.nats, log_sum_exp([apart, together])), Some(test))
        }
    };
    contradictions.extend(nats.contradiction(&what));
    KeyArithmetic {
        number,
        kind: evidence.kind,
        key: evidence.key.clone(),
        source_kind: evidence.source_kind.unwrap_or(evidence.kind),
        source: evidence.source.clone(),
        nats,
        test,
    }
}

fn test(recorded: &KeyTest, evidence: &Evidence, message: &ClusterMessage) -> Test {
    let others = |others: u32, chance: f64, place: usize| {
        if chance <= NOBODY {
            return 0.0;
        }
        f64::from(others.min(PATIENCE[place])) * ((1.0 - NEXT[place].max(chance)) / (1.0 - chance)).ln()
    };
    let each = |log_lr: &dyn Fn(usize) -> f64| [log_lr(0), log_lr(1), log_lr(2)];
    let mut steps = Vec::with_capacity(recorded.steps.len() + 1);
    for (place, step) in recorded.steps.iter().enumerate() {
        let account = step.member.and_then(|member| message.accounts.get(member));
        let post = account.and_then(|account| {
            evidence.posts.iter().find(|p| p.account_id == account.account_id && p.platform == account.platform)
        });
        let follows = |place: usize| {
            let staked = step.others < PATIENCE[place] && step.chance > NOBODY;
            let won = if staked { (NEXT[place].max(step.chance) / step.chance).ln() } else { 0.0 };
            others(step.others, step.chance, place) + won
        };
        steps.push(TrialLine {
            what: if place == 0 { "opens" } else { "follows" },
            account: step.member.and_then(|member| name(message, member)),
            at: post.map(|post| post.created_at),
            others: step.others,
            chance: step.chance,
            log_lr: if place == 0 { [0.0; 3] } else { each(&follows) },
        });
    }
    steps.push(TrialLine {
        what: "after",
        account: None,
        at: None,
        others: recorded.others_after,
        chance: recorded.chance_after,
        log_lr: each(&|place| others(recorded.others_after, recorded.chance_after, place)),
    });
    let log_lr = total(steps.iter().map(|step| step.log_lr));
    Test { epsilon: recorded.epsilon, steps, log_lr, log_mean_lr: log_mean_exp(log_lr) }
}

/// What cannot be so in a key's arithmetic, whatever its nats: its chances must follow from the shares, as far as these are known.
fn flaws(test: &KeyTest, message: &ClusterMessage, terms: Terms) -> Vec<String> {
    let accounts = message.accounts.len();
    if test.shares.len() != accounts {
        return vec![format!("has {} shares for {accounts} accounts", test.shares.len())];
    }
    let mut waiting: Vec<Option<f64>> = test.shares.iter().map(|share| share.map(f64::from)).collect();
    let unnamed = terms.proposed.saturating_sub(waiting.iter().flatten().count());
    let mut flaws = Vec::new();
    // The chance at the step before, less the share of whoever made it.
    let mut expected: Option<f64> = None;
    let held = |chance: f64| chance.clamp(1e-9, 0.9);
    let steps = test.steps.iter().map(|step| (Some(step.member), step.chance));
    for (place, (member, chance)) in steps.chain([(None, test.chance_after)]).enumerate() {
        if place > 0 {
            let named = held(terms.safety * waiting.iter().flatten().sum::<f64>());
            let expected = if unnamed == 0 { Some(named) } else { expected };
            let differs = expected.is_some_and(|expected| (expected - chance).abs() > CHANCE_TOLERANCE);
            // Written so that a chance that is no number does not pass.
            let possible = chance >= named - CHANCE_TOLERANCE && chance <= 0.9 + CHANCE_TOLERANCE;
            if differs || !possible {
                let step = if member.is_some() { format!("step {}", place + 1) } else { "chance_after".to_owned() };
                flaws.push(match expected {
                    Some(expected) => {
                        format!("{step}: a chance of {chance} is recorded, but the shares give {expected}")
                    }
                    None => format!("{step}: a chance of {chance} is recorded, but the shares give {named} to 0.9"),
                });
            }
        }
        let share = match member {
            Some(Some(member)) if member >= accounts => {
                flaws.push(format!("step {}: there is no account {member}", place + 1));
                None
            }
            Some(Some(member)) => {
                let share = waiting[member].take();
                if share.is_none() {
                    flaws.push(format!("step {}: account {member} has no share or acts twice", place + 1));
                }
                share
            }
            _ => None,
        };
        // A chance that is held says less than the shares do.
        let free = place > 0 && chance > 1e-9 && chance < 0.9;
        expected = share.filter(|_| free).map(|share| held(chance - terms.safety * share));
    }
    flaws
}

/// The cluster was seen while its posts were made: from the first to the last of them, where all that it was told with are there.
fn check_times(message: &ClusterMessage, contradictions: &mut Vec<String>) {
    let times = || message.evidence.iter().flat_map(|evidence| evidence.posts.iter().map(|post| post.created_at));
    let (Some(first), Some(last)) = (times().min(), times().max()) else { return };
    let all = message.unlisted.followed == 0 && message.unlisted.of_others == 0;
    let (seen_first, seen_last) = (message.first_seen, message.last_seen);
    if seen_first > first || (all && seen_first != first) {
        contradictions.push(format!("first_seen: {seen_first} is recorded, but the first post was made at {first}"));
    }
    if seen_last < last || (all && seen_last != last) {
        contradictions.push(format!("last_seen: {seen_last} is recorded, but the last post was made at {last}"));
    }
}

fn sums<'m>(
    recorded: impl Iterator<Item = (TraceKind, Option<&'m str>, f64)>,
    keys: &[KeyArithmetic],
    belongs: impl Fn(&KeyArithmetic, &Sum) -> bool,
) -> Vec<Sum> {
    let sum = |(kind, source, recorded): (TraceKind, Option<&str>, f64)| {
        let source = source.map(str::to_owned);
        let mut sum = Sum { kind, source, keys: 0, listed: 0.0, unlisted: 0.0, recorded };
        for key in keys.iter().filter(|key| belongs(key, &sum)).collect::<Vec<_>>() {
            sum.keys += 1;
            sum.listed += key.nats.recomputed.unwrap_or(key.nats.recorded);
        }
        sum.unlisted = recorded - sum.listed;
        sum
    };
    recorded.map(sum).collect()
}

/// Sums by source or kind must come to `log_e`, what they have beyond the listed keys must come to `unlisted`, and a key that nobody
/// followed never speaks for a cluster.
fn check_sums(
    what: &str,
    sums: &[Sum],
    keys: &[KeyArithmetic],
    message: &ClusterMessage,
    contradictions: &mut Vec<String>,
) {
    // By kind, none is left out.
    let (cut, nats) = match what {
        "sources" => (message.unlisted.sources, message.unlisted.source_nats),
        _ => (0, 0.0),
    };
    let all: f64 = sums.iter().map(|sum| sum.recorded).sum::<f64>() + nats;
    contradictions.extend(Figure::new(message.log_e, all).contradiction(&format!("log_e as the sum of {what}")));
    let beyond: f64 = sums.iter().map(|sum| sum.unlisted).sum::<f64>() + nats;
    let figure = Figure::new(message.unlisted.nats, beyond);
    contradictions.extend(figure.contradiction(&format!("unlisted.nats as what {what} have beyond the listed keys")));
    let counted: usize = sums.iter().map(|sum| sum.keys).sum();
    let here = |key: &&KeyArithmetic| key.test.is_some() || key.nats.recorded != 0.0;
    if counted < keys.iter().filter(here).count() {
        contradictions.push(format!("{what}: a listed key has none of them"));
    }
    if !same(nats, 0.0) && (cut == 0 || (message.unlisted.followed == 0 && nats > TOLERANCE)) {
        contradictions
            .push(format!("unlisted.source_nats: {nats:.9} nats are recorded for {cut} sources without a listed key"));
    }
    for sum in sums.iter().filter(|_| message.unlisted.followed == 0) {
        let possible = sum.unlisted <= TOLERANCE && (message.unlisted.keys > 0 || same(sum.unlisted, 0.0));
        if !possible {
            contradictions.push(format!(
                "{what}: {} has {:.9} nats recorded, but its listed keys come to {:.9}, and none that is not listed adds to that",
                shown(sum.source.as_deref().unwrap_or(sum.kind.name())),
                sum.recorded,
                sum.listed
            ));
        }
    }
}

fn bar(message: &ClusterMessage, terms: Terms) -> Bar {
    // gamma_t = 1 / (2.11 m ln(m)^2) with m = t + 2 for candidate number t from 0: Xu and Ramdas 2024.
    let m = message.candidates_tested.max(1) as f64 + 1.0;
    Bar {
        statistic: match message.status {
            Status::Flagged | Status::Coordinated => Some(message.log_e_leave_one_source_out),
            Status::SingleSource => Some(message.log_e),
            // Version 1 told of no near misses.
            Status::Faded | Status::NearMiss => None,
        },
        to_stand: -terms.alpha.ln(),
        to_be_told_at_most: (2.11 * m * m.ln().powi(2) / terms.alpha).ln(),
    }
}

#[cfg(test)]
mod tests;
