//! Topics `clusters` and `clusters.flagged`, and a line of `clusters.jsonl`: one cluster with its evidence and verdict.
//!
//! Evidence is in nats: the natural logarithm of an e-value against "these accounts repeat each other no more than twice as often as
//! everybody else does, and as the people around them do". A message holds all that its numbers can be worked out again from, without the
//! posts and without Lockstep. Outcomes are in the order own words, rare, middling, common, nothing ([`Outcome`]); windows in that of
//! `windows`, the narrowest first; in a window of a day or more, only own words count.
//!
//! - **A gain**: each of a post's `gains` is ln(g / h) nats, or 4 if that is more, in its window. A key's `by_window` is the sum over its
//!   `posts`.
//! - **A window**: its `nats` are its `losses`, the gains of all `evidence` and those in `unlisted`; and also its `losses`, the gains of
//!   all `sources` and `unlisted.source_nats`, unless there are more than 3,072 of them: of so many, the engine does not tell all apart.
//! - **The best window** is the one with the most `nats`, the first of equal ones. Of sources and keys, `nats` is what they gave in it.
//!   `traces` are its gains by kind: with its `losses` they sum to its `nats`.
//! - `log_e` is ln of the mean of exp(`nats`) over the windows.
//! - `log_e_leave_one_source_out` is the least, over `sources`, of the same with the source's `by_window` taken off each window's nats; it
//!   is `log_e` if there is no source.
//! - `test.bar` is what `log_e_leave_one_source_out` had to reach for the group to pass: ln(2.11 m ln(m)^2 / (alpha (discoveries + 1))) with
//!   m = `number` + 2 (e-LOND, Xu and Ramdas 2024). A group that passed once has passed, whatever it comes to later. A cluster on its best
//!   source has reached it with `log_e` only.
//! - An account's `log_e` and `posterior` follow from its `outcomes` and its naming, as [`Naming`] says.
//! - A tie's `nats` are -ln of the chance that a Poisson number with mean `expected` is `co_acts` or more.
//! - `score` is the sum of `intercept` and the contributions of `reasons`, and `probability` is 1 / (1 + exp(-score)).
//!
//! A cluster that is *one text by many accounts* (`why` is `one_text`) carries no e-value and no probability: it is a count. Of a *near
//! miss*, which did not pass, `accounts` are those of the group as it was proposed: nobody is named, and no model has judged it.
//!
//! What there is no room for is told as a sum ([`Unlisted`], [`ClusterAccount::dropped_nats`]), so that all this holds of a message that
//! was cut, too.
//!
//! Nats are written to 1e-9, so that sums agree to 1e-6 and what comes to nothing is 0, not the dust of adding.

mod cut;
mod finite;
mod kinds;
pub mod positions;
mod tally;
pub mod v1;

pub use coordination::TraceKind;
pub use positions::LogPosition;
pub use tally::{StatusTally, Tally};

use std::collections::BTreeMap;

use coordination::{Cluster, Finding, Millis, SingleSource, TrialOutcome};
use jiff::Timestamp;
use scoring::{Verdict, features::FEATURES};
use serde::{Deserialize, Serialize};

use crate::error::DecodeError;
use crate::version;

/// The version of this schema that is written.
pub const SCHEMA_VERSION: u32 = 2;

/// What is said of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Coordinated, on more than one source, and the model finds it inauthentic.
    Flagged,
    /// Coordinated on one source only, or one text by many accounts; `why` says which. Reported apart, never flagged by itself.
    SingleSource,
    /// Coordinated, but the model does not find it inauthentic.
    Coordinated,
    /// Was one of the others once, but its last days alone would not be believed and it has no three members left to name. Whoever acted
    /// on it should look again.
    Faded,
    /// Did not pass the test, but came close. Nothing is claimed of it, and it is never on the topic of flagged clusters.
    NearMiss,
}

impl Status {
    /// All of them.
    pub const ALL: [Status; 5] =
        [Status::Flagged, Status::SingleSource, Status::Coordinated, Status::Faded, Status::NearMiss];

    /// The name on the wire and in all output.
    pub fn name(self) -> &'static str {
        match self {
            Status::Flagged => "flagged",
            Status::SingleSource => "single_source",
            Status::Coordinated => "coordinated",
            Status::Faded => "faded",
            Status::NearMiss => "near_miss",
        }
    }
}

/// Why a cluster has no higher status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It passes the test only with its best source in.
    BestSource,
    /// One text was written by many accounts, which is a count and no test: no e-value and no probability.
    OneText,
    /// Coordinated, and inauthentic by the model's threshold; but the group's behaviour is not plain enough to call it so, or it does not pass
    /// without the reposts whose authors are not known.
    NotPlain,
}

/// One cluster at one moment of its life.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ClusterMessage {
    /// Version of this schema.
    pub schema_version: u32,
    /// Stable over the cluster's life.
    pub cluster_id: String,
    /// Counts the published states of the cluster, from 1.
    pub version: u32,
    /// Clusters that became part of this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lineage: Vec<String>,
    /// The cluster that this one split from: most of its accounts were in that one, which goes on with others. Absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_from: Option<String>,
    /// Near misses, by their `cluster_id`, that this cluster's groups were reported as before they passed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub near_misses: Vec<String>,
    /// What is said of it.
    pub status: Status,
    /// Why it is `single_source`, or `coordinated` in spite of its probability; absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
    /// Named accounts, strongest first; of a near miss the proposed ones.
    pub accounts: Vec<ClusterAccount>,
    /// Time of the first post in the evidence.
    #[schemars(with = "String")]
    pub first_seen: Timestamp,
    /// Time of the last post in the evidence.
    #[schemars(with = "String")]
    pub last_seen: Timestamp,
    /// Event time at which a run over files first reported the group. Absent on topics, where each message is a report of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub first_reported: Option<Timestamp>,
    /// Event time at which a run over files last had something new to say of the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub last_reported: Option<Timestamp>,
    /// Of a run over files, whether an account of the group posted in the last `retention_days` before the last post. A group that is not
    /// active keeps its status: silence contradicts nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// Evidence, nats; 0 for one text by many accounts.
    pub log_e: f64,
    /// Evidence without the source whose loss costs most, nats: the statistic of the test.
    pub log_e_leave_one_source_out: f64,
    /// Groups that had been proposed when this was told.
    pub candidates_tested: u64,
    /// What the test went by; absent for one text by many accounts, and in messages of version 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<Terms>,
    /// Hours from the stream's first use of a key to the group's proposal.
    pub history_hours: f64,
    /// The test, window by window; empty for one text by many accounts, and in messages of version 1.
    #[serde(default)]
    pub windows: Vec<Window>,
    /// How accounts were named: the cluster's own group first, then other groups that were merged into the cluster. Empty where nobody
    /// was named: near misses, one text by many accounts, and messages of version 1.
    #[serde(default)]
    pub namings: Vec<Naming>,
    /// Gains per trace kind in the best window, nats.
    #[serde(serialize_with = "kinds::by_name")]
    #[schemars(with = "BTreeMap<String, f64>")]
    pub traces: BTreeMap<TraceKind, f64>,
    /// Gains per source, largest in the best window first.
    pub sources: Vec<SourceNats>,
    /// The model's log-odds, nats: `intercept` and the contributions of `reasons`. Absent, like all that a model says, for near misses
    /// and for one text by many accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// Where the model starts, before it knows anything of the cluster, nats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intercept: Option<f64>,
    /// Calibrated probability that the coordination is inauthentic: 1 / (1 + exp(-score)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// What moved the score, largest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
    /// Every feature that a model may read, by name; null where not known. A label that comes later makes a training row of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub features: BTreeMap<String, Option<f64>>,
    /// The model that scored it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelRef>,
    /// Keys that gave the group a gain, with the members' posts; most nats first.
    pub evidence: Vec<Evidence>,
    /// Gains that are not in `evidence`.
    #[serde(default)]
    pub unlisted: Unlisted,
    /// Ties among the members, strongest first.
    pub ties: Vec<Tie>,
    /// What the cluster's posts are about, for routing only.
    pub topics: Vec<String>,
    /// Who is spoken of, for routing only.
    pub targets: Vec<String>,
}

/// Why a cluster cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// JSON has no NaN and no infinity.
    #[error("cluster {cluster_id}: {path} is not a finite number")]
    NotFinite {
        /// The cluster.
        cluster_id: String,
        /// Which number.
        path: String,
    },
    /// RFC 3339 has no such time.
    #[error("cluster {cluster_id}: {path} is outside the years -9999 to 9999: {millis} ms")]
    Time {
        /// The cluster.
        cluster_id: String,
        /// Which time.
        path: &'static str,
        /// Milliseconds since the epoch.
        millis: Millis,
    },
    /// A tie to an account that is no member.
    #[error("cluster {cluster_id}: a tie names {account}, which is not a member")]
    TieOutside {
        /// The cluster.
        cluster_id: String,
        /// `platform:account`.
        account: String,
    },
    /// What the engine and the model say does not go together.
    #[error("cluster {cluster_id}: {problem}")]
    Inconsistent {
        /// The cluster.
        cluster_id: String,
        /// What does not.
        problem: &'static str,
    },
    /// The message cannot be written as JSON.
    #[error("cluster {cluster_id} cannot be written as JSON: {reason}")]
    Json {
        /// The cluster.
        cluster_id: String,
        /// Why.
        reason: String,
    },
    /// The accounts alone are too many for one message.
    #[error(
        "cluster {cluster_id}: its {accounts} accounts take {bytes} bytes with all else left out, and a message may have {limit}: raise the \
         bound of messages, or lower the largest group that the engine tests"
    )]
    TooLarge {
        /// The cluster.
        cluster_id: String,
        /// How many.
        accounts: usize,
        /// Bytes of the message.
        bytes: usize,
        /// Bytes that there is room for.
        limit: usize,
    },
}

impl ClusterMessage {
    /// Whether a model judges such a cluster: a near miss and one text by many accounts have no verdict, all others have one.
    pub fn takes_verdict(cluster: &Cluster) -> bool {
        cluster.finding != Finding::NearMiss && cluster.single_source != Some(SingleSource::OneText)
    }

    /// One state of a cluster, with what the model says of it if the cluster [takes a verdict](Self::takes_verdict). Nats are rounded to
    /// 1e-9. The verdict on a coordinated cluster must be that of the engine's judge.
    pub fn new(
        cluster: &Cluster,
        verdict: Option<&Verdict>,
        topics: Vec<String>,
        targets: Vec<String>,
    ) -> Result<ClusterMessage, ClusterError> {
        let status = status(cluster, verdict)
            .map_err(|problem| ClusterError::Inconsistent { cluster_id: cluster.id.clone(), problem })?;
        let held_back = status == Status::Coordinated && verdict.is_some_and(|verdict| verdict.held_back);
        let time = |path: &'static str, millis: Millis| {
            Timestamp::from_millisecond(millis).map_err(|_| ClusterError::Time {
                cluster_id: cluster.id.clone(),
                path,
                millis,
            })
        };
        let windows: Vec<Window> = cluster
            .windows
            .iter()
            .map(|window| Window {
                seconds: window.width / 1_000,
                nats: tidy(window.nats),
                losses: tidy(window.losses),
                group: window.group,
                crowd: window.crowd,
                near: window.near,
            })
            .collect();
        let best = best_window(&windows);
        let in_best = |by_window: &[f64; 3]| by_window.get(best).copied().unwrap_or_default();
        let naming = |naming: &coordination::Naming| {
            Ok(Naming {
                from: time("namings.from", naming.from)?,
                until: time("namings.until", naming.until)?,
                group: naming.group,
                crowd: naming.crowd,
                cover: naming.cover,
                share_proposed: naming.share_proposed,
                share_others: naming.share_others,
                others: naming.others,
            })
        };
        let named = !cluster.namings.is_empty();
        let account = |member: &coordination::Member| ClusterAccount {
            platform: member.account.platform.clone(),
            account_id: member.account.account_id.clone(),
            account_name: member.account_name.clone(),
            log_e: tidy(member.log_e),
            posterior: member.posterior.map(tidy),
            outcomes: member.outcomes,
            dropped: member.dropped.iter().map(Dropped::new).collect(),
            dropped_nats: None,
            proposed: member.proposed,
            naming: named.then_some(member.naming),
            elsewhere: member.elsewhere,
            posts: member.behaviour.posts,
        };
        let source = |source: &coordination::SourceNats| {
            let by_window = source.nats.map(tidy);
            SourceNats { kind: source.kind, source: source.source.clone(), nats: in_best(&by_window), by_window }
        };
        let post = |post: &coordination::PostRef| {
            let gains = (0..).zip(&post.gains).filter_map(|(window, gain)| Some((window, (*gain)?)));
            Ok(PostRef {
                id: post.id.clone(),
                platform: post.account.platform.clone(),
                account_id: post.account.account_id.clone(),
                created_at: time("evidence.posts.created_at", post.created_at)?,
                log: post.position.map(LogPosition::from),
                gains: gains
                    .map(|(window, gain)| Gain { window, outcome: gain.outcome.into(), g: gain.g, h: gain.h })
                    .collect(),
            })
        };
        let evidence = |evidence: &coordination::Evidence| {
            let by_window = evidence.nats.map(tidy);
            Ok(Evidence {
                kind: evidence.kind,
                key: evidence.key.clone(),
                source: evidence.source.clone(),
                source_kind: evidence.source_kind,
                nats: in_best(&by_window),
                by_window,
                posts: evidence.posts.iter().map(post).collect::<Result<_, _>>()?,
            })
        };
        let places: BTreeMap<&coordination::AccountRef, usize> =
            cluster.members.iter().zip(0..).map(|(member, place)| (&member.account, place)).collect();
        let place = |account: &coordination::AccountRef| {
            places.get(account).copied().ok_or_else(|| ClusterError::TieOutside {
                cluster_id: cluster.id.clone(),
                account: format!("{}:{}", account.platform, account.account_id),
            })
        };
        let tie = |tie: &coordination::Tie| {
            Ok(Tie {
                a: place(&tie.a)?,
                b: place(&tie.b)?,
                kind: tie.kind,
                co_acts: tie.co_acts,
                expected: Some(tie.expected),
                nats: tidy(tie.nats),
                median_lag_s: tie.median_lag_s,
            })
        };
        let values = || scoring::features::values(cluster).into_iter().map(|value| value.map(tidy));
        let message = ClusterMessage {
            schema_version: SCHEMA_VERSION,
            cluster_id: cluster.id.clone(),
            version: cluster.version,
            lineage: cluster.lineage.clone(),
            split_from: cluster.split_from.clone(),
            near_misses: cluster.near_misses.clone(),
            status,
            why: cluster.single_source.map(Why::from).or(held_back.then_some(Why::NotPlain)),
            accounts: cluster.members.iter().map(account).collect(),
            first_seen: time("first_seen", cluster.first_seen)?,
            last_seen: time("last_seen", cluster.last_seen)?,
            first_reported: None,
            last_reported: None,
            active: None,
            log_e: tidy(cluster.log_e),
            log_e_leave_one_source_out: tidy(cluster.log_e_leave_one_source_out),
            candidates_tested: cluster.candidates_tested,
            test: if windows.is_empty() {
                None
            } else {
                Some(Terms {
                    alpha: cluster.terms.alpha,
                    safety: cluster.terms.safety,
                    proposed: cluster.terms.proposed,
                    born: time("test.born", cluster.terms.born)?,
                    number: cluster.terms.number,
                    discoveries: cluster.terms.discoveries,
                    bar: tidy(cluster.terms.bar),
                })
            },
            history_hours: cluster.history as f64 / 3_600_000.0,
            windows,
            namings: cluster.namings.iter().map(naming).collect::<Result<_, _>>()?,
            traces: cluster.nats_by_kind.iter().map(|(kind, nats)| (*kind, tidy(*nats))).collect(),
            sources: cluster.nats_by_source.iter().map(source).collect(),
            score: verdict.map(|verdict| verdict.score),
            intercept: verdict.map(|verdict| verdict.intercept),
            probability: verdict.map(|verdict| verdict.probability),
            reasons: verdict.iter().flat_map(|verdict| &verdict.reasons).map(Reason::new).collect(),
            features: if verdict.is_some() {
                FEATURES.iter().map(|feature| feature.name.to_owned()).zip(values()).collect()
            } else {
                BTreeMap::new()
            },
            model: verdict.map(|verdict| ModelRef { name: verdict.model.clone(), version: verdict.version.clone() }),
            evidence: cluster.evidence.iter().map(evidence).collect::<Result<_, _>>()?,
            unlisted: Unlisted {
                trials: cluster.unlisted.trials,
                nats: cluster.unlisted.nats.map(tidy),
                sources: cluster.unlisted.sources,
                source_nats: cluster.unlisted.source_nats.map(tidy),
                accounts: match cluster.single_source {
                    // Of one text, the terms hold nothing but how many wrote it.
                    Some(SingleSource::OneText) => cluster.terms.proposed.saturating_sub(cluster.members.len()) as u64,
                    _ => 0,
                },
                ..Unlisted::default()
            },
            ties: cluster.ties.iter().map(tie).collect::<Result<_, _>>()?,
            topics,
            targets,
        };
        message.all_finite()?;
        Ok(message)
    }

    /// Writes the message, without a line end. Fails on NaN and infinity, for which JSON has no words.
    pub fn encode(&self) -> Result<Vec<u8>, ClusterError> {
        self.all_finite()?;
        serde_json::to_vec(self).map_err(|error| self.not_json(&error))
    }

    /// Reads a message of this schema version or an older one.
    ///
    /// One of version 1 becomes one of today's, as far as it goes. Its accounts, times, `log_e`, verdict and posts keep their places, and
    /// so do the nats of its sources and keys: they sum to `log_e`, and are not split by window. What it cannot tell is empty or absent:
    /// `test`, `windows`, `namings`, every `by_window` and `gains`, `unlisted`, and of accounts `posterior`, `outcomes` and `naming`. Its
    /// arithmetic is left out; [`v1::ClusterMessage`] has it.
    pub fn decode(value: &[u8]) -> Result<ClusterMessage, DecodeError> {
        AnyVersion::decode(value).map(ClusterMessage::from)
    }

    /// Index in `windows` of the window with the most nats; of equal ones the first. 0 where there are no windows.
    pub fn best_window(&self) -> usize {
        best_window(&self.windows)
    }

    fn not_json(&self, error: &serde_json::Error) -> ClusterError {
        ClusterError::Json { cluster_id: self.cluster_id.clone(), reason: error.to_string() }
    }
}

/// A message in the version that it was written in.
#[derive(Debug, Clone, PartialEq)]
pub enum AnyVersion {
    /// Version 1.
    V1(Box<v1::ClusterMessage>),
    /// Version 2.
    V2(Box<ClusterMessage>),
}

impl AnyVersion {
    /// Reads a message of this schema version or an older one.
    pub fn decode(value: &[u8]) -> Result<AnyVersion, DecodeError> {
        match version::of(value, SCHEMA_VERSION)? {
            1 => version::decode(value, 1).map(|message| AnyVersion::V1(Box::new(message))),
            _ => version::decode(value, SCHEMA_VERSION).map(|message| AnyVersion::V2(Box::new(message))),
        }
    }
}

impl From<AnyVersion> for ClusterMessage {
    fn from(message: AnyVersion) -> ClusterMessage {
        match message {
            AnyVersion::V1(old) => ClusterMessage::from(*old),
            AnyVersion::V2(message) => *message,
        }
    }
}

/// What is said of a cluster, or what does not go together.
fn status(cluster: &Cluster, verdict: Option<&Verdict>) -> Result<Status, &'static str> {
    if cluster.flagged && cluster.finding != Finding::Coordinated {
        return Err("is flagged, but its finding is not that it is coordinated");
    }
    if cluster.single_source.is_some() != (cluster.finding == Finding::SingleSource) {
        return Err("is single-source without a reason, or has a reason and is not");
    }
    match (ClusterMessage::takes_verdict(cluster), verdict) {
        (true, None) => return Err("has no verdict of a model, and its finding needs one"),
        (false, Some(_)) => {
            return Err("has a verdict of a model, which no near miss and no text by many accounts has");
        }
        _ => {}
    }
    Ok(match cluster.finding {
        Finding::Coordinated if verdict.is_some_and(|verdict| verdict.inauthentic != cluster.flagged) => {
            return Err("the verdict is not the engine's judge's: one finds it inauthentic and the other does not");
        }
        Finding::Coordinated if cluster.flagged => Status::Flagged,
        Finding::Coordinated => Status::Coordinated,
        Finding::SingleSource => Status::SingleSource,
        Finding::Faded => Status::Faded,
        Finding::NearMiss => Status::NearMiss,
    })
}

fn best_window(windows: &[Window]) -> usize {
    let nats = |at: usize| windows.get(at).map_or(f64::NEG_INFINITY, |window| window.nats);
    (1..windows.len()).fold(0, |best, at| if nats(at) > nats(best) { at } else { best })
}

/// Nats to 1e-9: what is left of a sum that comes to nothing is nothing.
fn tidy(nats: f64) -> f64 {
    const STEP: f64 = 1e9;
    let rounded = (nats * STEP).round() / STEP;
    // Numbers too great to be multiplied have no such digits; and there is one zero.
    if rounded.is_finite() { rounded + 0.0 } else { nats }
}

/// What the test of a cluster's group went by.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Terms {
    /// Rate of false discoveries, 0 to 1, among groups that are ever told.
    pub alpha: f64,
    /// Factor, 1 or more, on the higher of the crowd's and the near accounts' rate; each gain's `h` has it in.
    pub safety: f64,
    /// Accounts of the group as it was proposed, named in `accounts` or not.
    pub proposed: usize,
    /// When the group was proposed: only later posts are trials.
    #[schemars(with = "String")]
    pub born: Timestamp,
    /// Its number among all proposed groups, from 0: the bar grows with it.
    pub number: u64,
    /// Discoveries before it passed; of a near miss, before now.
    pub discoveries: u64,
    /// What `log_e_leave_one_source_out` must reach, nats: ln(2.11 m ln(m)^2 / (alpha (discoveries + 1))), m = number + 2.
    pub bar: f64,
}

/// What became of a post against the group: the rarest thing in it that another member used shortly before (in naming: shortly before or
/// after). Rarity counts the accounts outside the group that used the thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Another member's own words: a near-duplicate text.
    OwnWords,
    /// A thing that hardly anybody outside used.
    Rare,
    /// A thing that up to one account in a hundred outside used.
    Middling,
    /// A thing that more use.
    Common,
    /// Nothing that another member used.
    Nothing,
}

impl Outcome {
    /// All outcomes, in the order of every array of five counts.
    pub const ALL: [Outcome; 5] =
        [Outcome::OwnWords, Outcome::Rare, Outcome::Middling, Outcome::Common, Outcome::Nothing];
}

impl From<TrialOutcome> for Outcome {
    fn from(outcome: TrialOutcome) -> Outcome {
        match outcome {
            TrialOutcome::OwnWords => Outcome::OwnWords,
            TrialOutcome::Rare => Outcome::Rare,
            TrialOutcome::Middling => Outcome::Middling,
            TrialOutcome::Common => Outcome::Common,
            TrialOutcome::Nothing => Outcome::Nothing,
        }
    }
}

impl From<SingleSource> for Why {
    fn from(why: SingleSource) -> Why {
        match why {
            SingleSource::BestSource => Why::BestSource,
            SingleSource::OneText => Why::OneText,
        }
    }
}

/// One window of the test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Window {
    /// How long before a post another member must have used the same thing, seconds.
    pub seconds: i64,
    /// ln of the window's e-value: `losses` and all gains.
    pub nats: f64,
    /// Sum over the trials that lost, nats; never positive.
    pub losses: f64,
    /// Outcomes of the group's own trials: members' posts since the group was proposed.
    pub group: [u64; 5],
    /// The same of the posts of everybody else.
    pub crowd: [u64; 5],
    /// The same of the posts of the people around the group, who repeated its words before and are not tied to it.
    pub near: [u64; 5],
}

/// How the accounts of a group were named.
///
/// With o an outcome, own the account's `outcomes` if it is `proposed`, else zero, r = .05, .03, .03, .1, .79 and h(o) = (`crowd`(o) +
/// 20 r(o)) / (sum of `crowd` + 20), an account's post with outcome o has by itself v = ln(g / (safety h)), held in -4 to 4, and for
/// *nothing* min(ln(g / h), 0), held at -4 or more; with the share `cover` of real members' posts like everybody else's it adds ln((1 -
/// cover) exp(v) + cover). There g = (`group`(o) - own(o) + 1/2) / (sum of `group` - sum of own + 5/2). The account's `log_e` L is the
/// sum over its `outcomes` less what its `dropped` sources (and `dropped_nats`) would have added: the best one, and of a proposed
/// account what a second one gave before the proposal, for by that it was chosen.
///
/// Its `posterior` is 1 / (1 + (1 - pi) / pi exp(-L)), L held in -30 to 30, pi being `share_proposed` for a proposed account and
/// `share_others` for another. This is a model's probability, not a guarantee.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Naming {
    /// First moment of the posts that were judged.
    #[schemars(with = "String")]
    pub from: Timestamp,
    /// Last moment of the posts that were judged.
    #[schemars(with = "String")]
    pub until: Timestamp,
    /// Outcomes of the proposed accounts' posts.
    pub group: [u64; 5],
    /// Outcomes of everybody else's posts; each account weighs one.
    pub crowd: [f64; 5],
    /// Share of real members' posts that is taken to be cover, like everybody else's: 0 to 1.
    #[serde(default)]
    pub cover: f64,
    /// Share of real members among the proposed accounts, 0 to 1, by EM.
    pub share_proposed: f64,
    /// Share of real members among all other accounts, 0 to 1, by EM.
    pub share_others: f64,
    /// Accounts outside the group that were active then.
    pub others: u64,
}

/// A member of a cluster; of a near miss, an account of the group as it was proposed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ClusterAccount {
    /// Lower-case platform name.
    pub platform: String,
    /// The platform's id.
    pub account_id: String,
    /// Handle or display name last seen; empty where a message had no room for names.
    pub account_name: String,
    /// Evidence that this account belongs to the group, nats: see [`Naming`]. 0 where nobody was named.
    pub log_e: f64,
    /// Probability, by the model of [`Naming`], that it belongs to the group; absent where nobody was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posterior: Option<f64>,
    /// Outcomes of its judged posts.
    #[serde(default)]
    pub outcomes: [u32; 5],
    /// Sources whose gains are not in `log_e`, at most two: see [`Naming`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<Dropped>,
    /// What dropped sources that are not listed, for want of room, would have added, nats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped_nats: Option<f64>,
    /// Whether it was in the group as it was proposed, or was found afterwards.
    pub proposed: bool,
    /// Index into `namings` of the naming that its numbers are from; absent where nobody was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub naming: Option<usize>,
    /// Whether the cluster's own group does not name it, but another that was merged into the cluster does. The model has not looked at
    /// such accounts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub elsewhere: bool,
    /// Posts seen.
    pub posts: u64,
}

/// A source whose gains are not counted for an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Dropped {
    /// Trace kind of the source.
    #[schemars(with = "String")]
    pub kind: TraceKind,
    /// Whom the keys come from.
    pub source: String,
    /// What it would have added, nats.
    pub nats: f64,
}

impl Dropped {
    fn new(dropped: &coordination::DroppedSource) -> Dropped {
        Dropped { kind: dropped.kind, source: dropped.source.clone(), nats: tidy(dropped.nats) }
    }
}

/// Nats that one source gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SourceNats {
    /// Trace kind of the source: sources of different kinds are different sources.
    #[schemars(with = "String")]
    pub kind: TraceKind,
    /// Whom the keys come from: the registrable domain of a link, the author of a reposted post or else that post, and the key itself of a
    /// tag, a text and anything else.
    pub source: String,
    /// Gains in the best window, nats. In messages of version 1, all evidence.
    pub nats: f64,
    /// Gains in each window, nats; zeros in messages of version 1.
    #[serde(default)]
    pub by_window: [f64; 3],
}

/// One feature's part in a verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Reason {
    /// Feature name.
    pub feature: String,
    /// Value in the feature's unit; null where not known.
    pub value: Option<f64>,
    /// Signed contribution to the score, nats.
    pub contribution: f64,
    /// In words.
    pub text: String,
}

impl Reason {
    fn new(reason: &scoring::Reason) -> Reason {
        Reason {
            feature: reason.feature.to_owned(),
            value: reason.value,
            contribution: reason.contribution,
            text: reason.text.clone(),
        }
    }
}

/// Names a model in the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ModelRef {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
}

/// One key that gave the group a gain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Evidence {
    /// Trace kind.
    #[schemars(with = "String")]
    pub kind: TraceKind,
    /// The canonical thing acted on.
    pub key: String,
    /// Whom it comes from.
    pub source: String,
    /// Trace kind, in `sources`, of its source.
    #[schemars(with = "String")]
    pub source_kind: TraceKind,
    /// Gains in the best window, nats. In messages of version 1, all evidence.
    pub nats: f64,
    /// Gains in each window, nats: the sum over `posts`. Zeros in messages of version 1.
    #[serde(default)]
    pub by_window: [f64; 3],
    /// The members' posts on this key, by time.
    pub posts: Vec<PostRef>,
}

/// What is not listed in `evidence` and in `sources`: it was too much for the engine to keep, or for the message to hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Unlisted {
    /// Trials with a gain that are not in `evidence`.
    pub trials: u64,
    /// Their nats in each window.
    pub nats: [f64; 3],
    /// Posts without a gain that this message had no room for.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub posts: u64,
    /// Sources that are not in `sources`: the engine tells the 100 that gave most, and a message may have no room for all of these. The one
    /// that `log_e_leave_one_source_out` leaves out is not among those for which there was no room.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub sources: u64,
    /// Their nats in each window.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub source_nats: [f64; 3],
    /// Of one text by many accounts, accounts that wrote it and are not in `accounts`: the engine does not remember so many by name.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub accounts: u64,
    /// Ties that this message had no room for.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub ties: u64,
}

fn is_nothing<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Names one post.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PostRef {
    /// The post's id on its platform.
    pub id: String,
    /// Lower-case platform name.
    pub platform: String,
    /// Who posted it.
    pub account_id: String,
    /// When.
    #[schemars(with = "String")]
    pub created_at: Timestamp,
    /// Where it stands in the topic `posts`. Not on the topics of clusters, whose messages do not depend on the way that posts came: it is in
    /// the record's header [`positions::HEADER`] there, and whoever keeps the message puts it here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub log: Option<LogPosition>,
    /// What it gave to the group through this key; nothing where it came first, gave its gain to another key, was not bet on, or was
    /// posted before the group was proposed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gains: Vec<Gain>,
}

/// A trial that gained min(ln(g / h), 4) nats in one window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Gain {
    /// Index into `windows`.
    pub window: usize,
    /// What the post did; never *nothing*.
    pub outcome: Outcome,
    /// How often the group's own trials had this outcome before, 0 to 1.
    pub g: f64,
    /// How often it happens without coordination, 0 to 1: safety x the higher of the crowd's and the near accounts' rate.
    pub h: f64,
}

impl Gain {
    /// min(ln(g / h), 4).
    pub fn nats(self) -> f64 {
        (self.g / self.h).ln().min(4.0)
    }
}

/// A tie between two members: they used more keys in common than chance explains.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Tie {
    /// Index into `accounts`.
    pub a: usize,
    /// Index into `accounts`.
    pub b: usize,
    /// Trace kind of most of the keys in common.
    #[schemars(with = "String")]
    pub kind: TraceKind,
    /// Keys that both used within a day of each other, over seven days.
    pub co_acts: u32,
    /// Mean number of such keys by chance; absent in messages of version 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<f64>,
    /// Surprise, nats: -ln of the chance of so many keys or more. In messages of version 1, the sum over its keys.
    pub nats: f64,
    /// Median time between the two uses of a key, seconds.
    pub median_lag_s: f64,
}
