//! Messages of version 1. Question of the test: who acts next on a key, in proportion to activity?
//!
//! First the keys and their sums; then the accounts (an account that only another of the merged
//! candidates names is explained by the trials in the message); then the model's score. The
//! formulas are those that [`messages::cluster::v1`] documents.

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
    arithmetic::{
        ExplainError, Figure, Score, TOLERANCE, check_times, check_wanted, is, log_mean_exp, log_sum_exp, same,
    },
    text::shown,
};

pub use members::{Member, Summed, Trial};

/// Chances by habit and shares are recorded in full. A larger difference than this is a
/// contradiction.
const CHANCE_TOLERANCE: f64 = 1e-9;
/// Probabilities of "the next actor is a member" if members act together.
const NEXT: [f64; 3] = [0.1, 0.3, 0.7];
/// Acts by others after a member's act on which each of them bets.
const PATIENCE: [u32; 3] = [20, 6, 2];
/// The chance if no member is left to act: no bet is made then.
const NOBODY: f64 = 1e-9;

/// A cluster's numbers, recomputed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The cluster.
    pub cluster_id: String,
    /// Which of its published states.
    pub version: u32,
    /// The status of the cluster.
    pub status: Status,
    /// Time of the first post in the evidence.
    pub first_seen: Timestamp,
    /// Time of the last post in the evidence.
    pub last_seen: Timestamp,
    /// The parameters of the tests.
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
    /// Index into `sources` of the source that is left out; `None` if no source is evidence for the
    /// cluster.
    pub left_out: Option<usize>,
    /// `log_e` without it.
    pub log_e_leave_one_source_out: Figure,
    /// The thresholds.
    pub bar: Bar,
    /// The ln e-value from which accounts are named, nats; `None` if no account passes, or if an
    /// older version wrote the message and did not list all tests.
    pub member_bar: Option<f64>,
    /// Accounts in the order of the message.
    pub members: Vec<Member>,
    /// The model's score.
    #[serde(flatten)]
    pub score: Score,
    /// The contradictions, as text. Empty if every number that can be recomputed equals the
    /// recorded one.
    pub contradictions: Vec<String>,
}

/// A key on which members acted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KeyArithmetic {
    /// Number among the keys of the message, from 1.
    pub number: usize,
    /// Trace kind.
    pub kind: TraceKind,
    /// The object of the acts.
    pub key: String,
    /// Trace kind of its source.
    pub source_kind: TraceKind,
    /// Source of the key.
    pub source: String,
    /// Its evidence.
    pub nats: Figure,
    /// The arithmetic; `None` if the message does not have it.
    pub test: Option<Test>,
}

/// The arithmetic of one key.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Test {
    /// Weight of "they act together".
    pub epsilon: f64,
    /// Members' first acts by time; the last step is the time in which no member followed any more.
    pub steps: Vec<TrialLine>,
    /// ln LR for q = 0.1, 0.3 and 0.7: the sums over the steps.
    pub log_lr: [f64; 3],
    /// ln of the mean of the three.
    pub log_mean_lr: f64,
}

/// One step of a key's arithmetic.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrialLine {
    /// `opens`, `follows` or `after`.
    pub what: &'static str,
    /// `platform:account_id`; `None` for an account of the group that is not named, and in the last
    /// step.
    pub account: Option<String>,
    /// Time of the account's first post that is listed for the key.
    pub at: Option<Timestamp>,
    /// Acts by accounts outside the group before this step.
    pub others: u32,
    /// Probability that the next act would be a member's by habit.
    pub chance: f64,
    /// Its contribution to ln LR for q = 0.1, 0.3 and 0.7.
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
    /// Sum of the keys that are not listed: the recorded sum minus `listed`.
    pub unlisted: f64,
    /// The recorded sum.
    pub recorded: f64,
}

/// The thresholds of the cluster's statistic, nats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bar {
    /// The statistic that is compared with the threshold; `None` for a faded cluster, about which
    /// nothing is claimed.
    pub statistic: Option<f64>,
    /// ln(1 / alpha): the cluster remains valid while the statistic is not below this.
    pub to_stand: f64,
    /// The highest threshold that it may have had to reach when it was first reported: e-LOND's
    /// threshold for the last of the tested candidates, without any earlier discovery. Each
    /// discovery lowers the threshold, and the end of a stream is judged by e-BH, which needs less.
    pub to_be_told_at_most: f64,
}

impl Explanation {
    /// Recomputes all numbers of a message.
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
                "status: is {}, but {statistic:.9} nats are below its threshold of {:.9} nats",
                message.status.name(),
                bar.to_stand
            ));
        }
        let posts = message.evidence.iter().flat_map(|evidence| &evidence.posts).map(|post| post.created_at);
        let all = message.unlisted.followed == 0 && message.unlisted.of_others == 0;
        check_times([message.first_seen, message.last_seen], posts, all, &mut contradictions);
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

    /// Keeps only keys that contain this text and on which this account (an id, or `platform:id`)
    /// acted, and only this account among the members. Sums and contradictions remain those of the
    /// whole cluster.
    pub fn narrow(&mut self, key: Option<&str>, account: Option<&str>) -> Result<(), ExplainError> {
        check_wanted(
            &self.cluster_id,
            (self.keys.iter().map(|entry| entry.key.as_str()), key),
            (self.members.iter().map(|member| member.account.as_str()), account),
        )?;
        self.members.retain(|member| account.is_none_or(|account| is(&member.account, account)));
        self.keys.retain(|entry| {
            let acted = |account| {
                entry.test.iter().flat_map(|t| &t.steps).flat_map(|s| &s.account).any(|name| is(name, account))
            };
            // Members by another candidate's tests acted on keys that are not in this cluster's
            // evidence.
            let trials = self.members.iter().flat_map(|member| &member.trials);
            let took_part = trials.filter(|trial| trial.took_part).any(|trial| trial.key == Some(entry.number));
            key.is_none_or(|part| entry.key.contains(part)) && account.is_none_or(|name| acted(name) || took_part)
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
            // ln((1 - epsilon) + epsilon x mean LR), where LR may be too large for a number.
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

/// Contradictions inside a key's arithmetic, whatever its nats: its chances must follow from the
/// shares, if these are known.
fn flaws(test: &KeyTest, message: &ClusterMessage, terms: Terms) -> Vec<String> {
    let accounts = message.accounts.len();
    if test.shares.len() != accounts {
        return vec![format!("has {} shares for {accounts} accounts", test.shares.len())];
    }
    let mut waiting: Vec<Option<f64>> = test.shares.iter().map(|share| share.map(f64::from)).collect();
    let unnamed = terms.proposed.saturating_sub(waiting.iter().flatten().count());
    let mut flaws = Vec::new();
    // The chance at the step before, minus the share of the account that acted in it.
    let mut expected: Option<f64> = None;
    let held = |chance: f64| chance.clamp(1e-9, 0.9);
    let steps = test.steps.iter().map(|step| (Some(step.member), step.chance));
    for (place, (member, chance)) in steps.chain([(None, test.chance_after)]).enumerate() {
        if place > 0 {
            let named = held(terms.safety * waiting.iter().flatten().sum::<f64>());
            let expected = if unnamed == 0 { Some(named) } else { expected };
            let differs = expected.is_some_and(|expected| (expected - chance).abs() > CHANCE_TOLERANCE);
            // Written so that NaN does not pass.
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
                    flaws.push(format!("step {}: account {member} has no share, or acts twice", place + 1));
                }
                share
            }
            _ => None,
        };
        // A chance at one of its bounds says less than the shares do.
        let free = place > 0 && chance > 1e-9 && chance < 0.9;
        expected = share.filter(|_| free).map(|share| held(chance - terms.safety * share));
    }
    flaws
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

/// The sums by source and by kind must equal `log_e`, and their surplus over the listed keys must
/// equal `unlisted`. A key that nobody followed is never evidence for a cluster.
fn check_sums(
    what: &str,
    sums: &[Sum],
    keys: &[KeyArithmetic],
    message: &ClusterMessage,
    contradictions: &mut Vec<String>,
) {
    // In the sums by kind, no kind is cut.
    let (cut, nats) = match what {
        "sources" => (message.unlisted.sources, message.unlisted.source_nats),
        _ => (0, 0.0),
    };
    let all: f64 = sums.iter().map(|sum| sum.recorded).sum::<f64>() + nats;
    contradictions.extend(Figure::new(message.log_e, all).contradiction(&format!("log_e as the sum of {what}")));
    let beyond: f64 = sums.iter().map(|sum| sum.unlisted).sum::<f64>() + nats;
    let figure = Figure::new(message.unlisted.nats, beyond);
    contradictions
        .extend(figure.contradiction(&format!("unlisted.nats as the surplus of {what} over the listed keys")));
    let counted: usize = sums.iter().map(|sum| sum.keys).sum();
    let here = |key: &&KeyArithmetic| key.test.is_some() || key.nats.recorded != 0.0;
    if counted < keys.iter().filter(here).count() {
        contradictions.push(format!("{what}: a listed key belongs to none of them"));
    }
    if !same(nats, 0.0) && (cut == 0 || (message.unlisted.followed == 0 && nats > TOLERANCE)) {
        contradictions
            .push(format!("unlisted.source_nats: {nats:.9} nats are recorded for {cut} sources without a listed key"));
    }
    for sum in sums.iter().filter(|_| message.unlisted.followed == 0) {
        let possible = sum.unlisted <= TOLERANCE && (message.unlisted.keys > 0 || same(sum.unlisted, 0.0));
        if !possible {
            contradictions.push(format!(
                "{what}: {} has {:.9} nats recorded, but its listed keys sum to {:.9}, and no other key adds to it",
                shown(sum.source.as_deref().unwrap_or(sum.kind.name())),
                sum.recorded,
                sum.listed
            ));
        }
    }
}

fn bar(message: &ClusterMessage, terms: Terms) -> Bar {
    // gamma_t = 1 / (2.11 m ln(m)^2) with m = t + 2 for candidate number t from 0: Xu and Ramdas
    // 2024.
    let m = message.candidates_tested.max(1) as f64 + 1.0;
    Bar {
        statistic: match message.status {
            Status::Flagged | Status::Coordinated => Some(message.log_e_leave_one_source_out),
            Status::SingleSource => Some(message.log_e),
            // Version 1 did not report near misses.
            Status::Faded | Status::NearMiss => None,
        },
        to_stand: -terms.alpha.ln(),
        to_be_told_at_most: (2.11 * m * m.ln().powi(2) / terms.alpha).ln(),
    }
}

#[cfg(test)]
mod tests;
