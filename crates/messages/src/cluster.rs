//! Topics `clusters` and `clusters.flagged`, and a line of `clusters.jsonl`: one cluster with its evidence and verdict.
//!
//! Evidence is in nats: the natural logarithm of an e-value against "these accounts act independently". A message holds all that
//! its evidence can be reckoned again from, without the posts and without Lockstep:
//! - a key's `nats` from its `test`, as [`KeyTest`] says;
//! - `log_e` is the sum of `evidence` and `unlisted`, and also that of `sources`, and of `traces`;
//! - `log_e_leave_one_source_out` is `log_e` less the first of `sources`, if that is positive; each of them is the sum of the
//!   evidence with its `source` and `source_kind`, and of keys that are not listed;
//! - `test.alpha` is what it had to stand up to: a cluster stands while its statistic is at least ln(1 / alpha) nats, which is
//!   `log_e_leave_one_source_out` for one that is flagged or coordinated and `log_e` for one on a single source;
//! - `score` is the sum of `intercept` and the contributions of `reasons`, and `probability` is 1 / (1 + exp(-score));
//! - an account's `log_e` from its part in every test, as [`ClusterAccount`] says.
//!
//! What there is no room for is told as a sum ([`Unlisted`], [`TrialSum`]), so that all this holds of a message that was cut, too.
//!
//! Nats are written to 1e-9, so that sums agree to 1e-6 and what comes to nothing is 0, not the dust of adding.

use std::collections::{BTreeMap, BTreeSet};

use coordination::{Cluster, Finding, Member, Millis, TraceKind, Trial};
use jiff::Timestamp;
use scoring::{Verdict, features::FEATURES};
use serde::{Deserialize, Serialize};

use crate::error::DecodeError;
use crate::version;

/// The version of this schema that is written.
pub const SCHEMA_VERSION: u32 = 1;

/// What is said of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Coordinated, on more than one source, and the model finds it inauthentic.
    Flagged,
    /// Coordinated on one source only: reported apart, never flagged by itself.
    SingleSource,
    /// Coordinated, but the model does not find it inauthentic.
    Coordinated,
    /// Was one of the others once, but what its accounts did since then speaks against it. Whoever acted on it should look again.
    Faded,
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
    /// Clusters absorbed or split from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lineage: Vec<String>,
    /// What is said of it.
    pub status: Status,
    /// Members, strongest first.
    pub accounts: Vec<ClusterAccount>,
    /// Time of the first post in the evidence.
    #[schemars(with = "String")]
    pub first_seen: Timestamp,
    /// Time of the last post in the evidence.
    #[schemars(with = "String")]
    pub last_seen: Timestamp,
    /// Total evidence, nats.
    pub log_e: f64,
    /// Evidence without the best source, nats.
    pub log_e_leave_one_source_out: f64,
    /// Candidates tested beside this one.
    pub candidates_tested: u64,
    /// What the tests went by; absent in messages that were written without their arithmetic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<Terms>,
    /// Hours of baseline behind the verdict when the candidate was born.
    pub history_hours: f64,
    /// Nats per trace kind.
    pub traces: BTreeMap<String, f64>,
    /// Nats per source, largest first: the first, if positive, is the one that `log_e_leave_one_source_out` leaves out.
    pub sources: Vec<SourceNats>,
    /// The model's log-odds, nats: `intercept` and the contributions of `reasons`.
    pub score: f64,
    /// Where the model starts, before it knows anything of the cluster, nats; absent in messages of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intercept: Option<f64>,
    /// Calibrated probability that the coordination is inauthentic: 1 / (1 + exp(-score)).
    pub probability: f64,
    /// What moved the score, largest first.
    pub reasons: Vec<Reason>,
    /// Every feature that a model may read, by name; null where not known. A label that comes later makes a training row of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub features: BTreeMap<String, Option<f64>>,
    /// The model that scored it.
    pub model: ModelRef,
    /// Keys on which members acted together, with their posts.
    pub evidence: Vec<Evidence>,
    /// Keys that were tested too: `log_e` is the sum of `evidence` and of these.
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
}

/// Where a key with this kind, name, kind of source and source is in the evidence; twice if it was tested again.
type Places<'c> = BTreeMap<(TraceKind, &'c str, TraceKind, &'c str), Vec<usize>>;

impl ClusterMessage {
    /// One state of a cluster, with what the model says of it. Nats are rounded to 1e-9.
    pub fn new(
        cluster: &Cluster,
        verdict: &Verdict,
        topics: Vec<String>,
        targets: Vec<String>,
    ) -> Result<ClusterMessage, ClusterError> {
        let time = |path: &'static str, millis: Millis| {
            Timestamp::from_millisecond(millis).map_err(|_| ClusterError::Time {
                cluster_id: cluster.id.clone(),
                path,
                millis,
            })
        };
        let member = |account: &coordination::AccountRef| {
            cluster.members.iter().position(|member| member.account == *account).ok_or_else(|| {
                ClusterError::TieOutside {
                    cluster_id: cluster.id.clone(),
                    account: format!("{}:{}", account.platform, account.account_id),
                }
            })
        };
        let evidence = |evidence: &coordination::Evidence| {
            let posts: Result<Vec<PostRef>, ClusterError> = evidence
                .posts
                .iter()
                .map(|post| {
                    Ok(PostRef {
                        id: post.id.clone(),
                        platform: post.account.platform.clone(),
                        account_id: post.account.account_id.clone(),
                        created_at: time("evidence.posts.created_at", post.created_at)?,
                    })
                })
                .collect();
            Ok(Evidence {
                kind: evidence.kind.name().to_owned(),
                key: evidence.key.clone(),
                source: evidence.source.clone(),
                source_kind: (evidence.source_kind != evidence.kind).then(|| evidence.source_kind.name().to_owned()),
                nats: tidy(evidence.nats),
                posts: posts?,
                test: evidence.test.as_ref().map(|test| KeyTest {
                    epsilon: test.epsilon,
                    steps: test
                        .steps
                        .iter()
                        .map(|step| Step { member: step.member, others: step.others, chance: step.chance })
                        .collect(),
                    others_after: test.others_after,
                    chance_after: test.chance_after,
                    shares: test.shares.clone(),
                }),
            })
        };
        let mut places = Places::new();
        for (place, e) in cluster.evidence.iter().enumerate() {
            places.entry((e.kind, &e.key, e.source_kind, &e.source)).or_default().push(place);
        }
        let message = ClusterMessage {
            schema_version: SCHEMA_VERSION,
            cluster_id: cluster.id.clone(),
            version: cluster.version,
            lineage: cluster.lineage.clone(),
            status: match (cluster.finding, verdict.inauthentic) {
                (Finding::Faded, _) => Status::Faded,
                (Finding::SingleSource, _) => Status::SingleSource,
                (Finding::Coordinated, true) => Status::Flagged,
                (Finding::Coordinated, false) => Status::Coordinated,
            },
            accounts: cluster
                .members
                .iter()
                .map(|member| ClusterAccount {
                    platform: member.account.platform.clone(),
                    account_id: member.account.account_id.clone(),
                    account_name: member.account_name.clone(),
                    log_e: tidy(member.log_e),
                    elsewhere: member.elsewhere,
                    trials: member.trials.as_ref().map(|trials| Trials::new(trials, cluster, member, &places)),
                    rest: member.rest.map(TrialSum::from),
                    posts: member.behaviour.posts,
                })
                .collect(),
            first_seen: time("first_seen", cluster.first_seen)?,
            last_seen: time("last_seen", cluster.last_seen)?,
            log_e: tidy(cluster.log_e),
            log_e_leave_one_source_out: tidy(cluster.log_e_leave_one_source_out),
            candidates_tested: cluster.candidates_tested,
            test: Some(Terms {
                alpha: cluster.terms.alpha,
                safety: cluster.terms.safety,
                proposed: cluster.terms.proposed,
            }),
            history_hours: cluster.history as f64 / 3_600_000.0,
            traces: cluster.nats_by_kind.iter().map(|(kind, nats)| (kind.name().to_owned(), tidy(*nats))).collect(),
            sources: cluster
                .nats_by_source
                .iter()
                .map(|source| SourceNats {
                    kind: source.kind.name().to_owned(),
                    source: source.source.clone(),
                    nats: tidy(source.nats),
                })
                .collect(),
            score: verdict.score,
            intercept: Some(verdict.intercept),
            probability: verdict.probability,
            reasons: verdict
                .reasons
                .iter()
                .map(|reason| Reason {
                    feature: reason.feature.to_owned(),
                    value: reason.value,
                    contribution: reason.contribution,
                    text: reason.text.clone(),
                })
                .collect(),
            features: FEATURES
                .iter()
                .map(|feature| feature.name.to_owned())
                .zip(scoring::features::values(cluster).into_iter().map(|value| value.map(tidy)))
                .collect(),
            model: ModelRef { name: verdict.model.clone(), version: verdict.version.clone() },
            unlisted: Unlisted {
                keys: cluster.silent_keys.keys,
                followed: cluster.silent_keys.followed,
                nats: tidy(cluster.silent_keys.nats),
                ..Unlisted::default()
            },
            evidence: cluster.evidence.iter().map(evidence).collect::<Result<_, _>>()?,
            ties: cluster
                .ties
                .iter()
                .map(|tie| {
                    Ok(Tie {
                        a: member(&tie.a)?,
                        b: member(&tie.b)?,
                        kind: tie.kind.name().to_owned(),
                        co_acts: tie.co_acts,
                        nats: tidy(tie.nats),
                        median_lag_s: tie.median_lag_s,
                    })
                })
                .collect::<Result<_, _>>()?,
            topics,
            targets,
        };
        message.all_finite()?;
        Ok(message)
    }

    /// Writes the message, without a line end. Fails on NaN and infinity, for which JSON has no words.
    pub fn encode(&self) -> Result<Vec<u8>, ClusterError> {
        self.all_finite()?;
        // Beside finite numbers there are only text and times in it, which JSON can hold.
        Ok(serde_json::to_vec(self).unwrap_or_default())
    }

    /// The message with only so much in it that it takes at most `bytes` when written. What remains has all its arithmetic, and what goes
    /// is summed, so that everything still adds up: first sources without a listed key; then ties, while they take more than a quarter
    /// of the room; then keys, those that say least before the others; and if need be all that can go. See [`Unlisted`] and
    /// [`TrialSum`].
    pub fn within(mut self, bytes: usize) -> Result<ClusterMessage, ClusterError> {
        let many_ties = |message: &mut ClusterMessage| {
            let size = serde_json::to_vec(&message.ties).map_or(0, |ties| ties.len());
            size > bytes / 4 && message.cut_ties()
        };
        let cuts: [&dyn Fn(&mut ClusterMessage) -> bool; 6] = [
            &ClusterMessage::sum_sources,
            &many_ties,
            &ClusterMessage::sum_keys,
            &ClusterMessage::sum_sources,
            &ClusterMessage::sum_trials,
            &ClusterMessage::cut_ties,
        ];
        for cut in cuts {
            while self.encode()?.len() > bytes && cut(&mut self) {}
        }
        Ok(self)
    }

    /// Sums the weakest quarter of the sources that no listed key is of. Whether there was any; the same below.
    fn sum_sources(&mut self) -> bool {
        let of = |e: &Evidence| (e.source_kind.clone().unwrap_or_else(|| e.kind.clone()), e.source.clone());
        let listed: BTreeSet<(String, String)> = self.evidence.iter().map(of).collect();
        let nats = |place: &usize| self.sources[*place].nats;
        // The best is the one that is left out of `log_e_leave_one_source_out`: it stays. Those that say least, for or against, go.
        let mut silent: Vec<usize> = (1..self.sources.len())
            .filter(|&place| !listed.contains(&(self.sources[place].kind.clone(), self.sources[place].source.clone())))
            .collect();
        silent.sort_by(|x, y| nats(y).abs().total_cmp(&nats(x).abs()).then(x.cmp(y)));
        let weakest: BTreeSet<usize> = silent.split_off(silent.len() - silent.len().div_ceil(4)).into_iter().collect();
        self.unlisted.sources += weakest.len() as u64;
        self.unlisted.source_nats = tidy(weakest.iter().map(nats).sum::<f64>() + self.unlisted.source_nats);
        let mut places = 0..;
        self.sources.retain(|_| places.next().is_some_and(|place| !weakest.contains(&place)));
        !weakest.is_empty()
    }

    /// Takes out the tenth of the keys that says least: for or against the cluster, or for one who acted on it and is named by another
    /// candidate.
    fn sum_keys(&mut self) -> bool {
        let safety = self.test.map_or(1.0, |terms| terms.safety);
        let mut says: Vec<f64> = self.evidence.iter().map(|evidence| evidence.nats.abs()).collect();
        for key in self.accounts.iter().flat_map(|account| &account.trials).flat_map(|trials| &trials.keys) {
            if let Some(says) = key.evidence.and_then(|place| says.get_mut(place)).filter(|_| key.took_part) {
                let [_, even, _] = key.trial().log_lr(safety);
                *says = says.max(even.abs());
            }
        }
        let mut order: Vec<usize> = (0..says.len()).collect();
        order.sort_by(|&x, &y| says[y].total_cmp(&says[x]).then(x.cmp(&y)));
        let gone: BTreeSet<usize> = order.split_off(order.len() - order.len().div_ceil(10)).into_iter().collect();
        order.sort_unstable();
        let now: BTreeMap<usize, usize> = order.into_iter().zip(0..).collect();

        for evidence in gone.iter().map(|&place| &self.evidence[place]) {
            // A key that counts nothing is here for other candidates' sake, and has no part in the sums.
            if evidence.test.is_none() && evidence.nats == 0.0 {
                self.unlisted.of_others += 1;
                continue;
            }
            self.unlisted.keys += 1;
            self.unlisted.followed += 1;
            self.unlisted.nats = tidy(self.unlisted.nats + evidence.nats);
        }
        for (account, ClusterAccount { trials, rest, .. }) in self.accounts.iter_mut().enumerate() {
            for test in gone.iter().filter_map(|&place| self.evidence[place].test.as_ref()) {
                if test.shares.get(account).is_some_and(Option::is_some) {
                    // Also where the key asks nothing of it: an account that is in the group is known by its `rest`.
                    let rest = rest.get_or_insert_default();
                    test.trial(account).into_iter().for_each(|trial| rest.add(trial, safety));
                }
            }
            if let Some(Trials { keys, rest, .. }) = trials {
                for key in keys.iter().filter(|key| key.evidence.is_some_and(|place| gone.contains(&place))) {
                    rest.get_or_insert_default().add(key.trial(), safety);
                }
                keys.retain(|key| key.evidence.is_none_or(|place| !gone.contains(&place)));
                for place in keys.iter_mut().filter_map(|key| key.evidence.as_mut()) {
                    *place = now.get(place).copied().unwrap_or(*place);
                }
            }
        }
        let mut places = 0..;
        self.evidence.retain(|_| places.next().is_some_and(|place| !gone.contains(&place)));
        self.tidy_rests();
        !gone.is_empty()
    }

    /// Sums all accounts' trials by other candidates.
    fn sum_trials(&mut self) -> bool {
        let safety = self.test.map_or(1.0, |terms| terms.safety);
        let mut some = false;
        for Trials { keys, rest, .. } in self.accounts.iter_mut().filter_map(|account| account.trials.as_mut()) {
            some |= !keys.is_empty();
            keys.drain(..).for_each(|key| rest.get_or_insert_default().add(key.trial(), safety));
        }
        self.tidy_rests();
        some
    }

    fn tidy_rests(&mut self) {
        for ClusterAccount { trials, rest, .. } in &mut self.accounts {
            let others = trials.as_mut().and_then(|trials| trials.rest.as_mut());
            rest.iter_mut().chain(others).for_each(|rest| rest.log_lr = rest.log_lr.map(tidy));
        }
    }

    /// Takes the weakest quarter of the ties out.
    fn cut_ties(&mut self) -> bool {
        let left = self.ties.len() - self.ties.len().div_ceil(4);
        let some = left < self.ties.len();
        self.ties.truncate(left);
        some
    }

    /// Reads a message of this schema version or an older one.
    pub fn decode(value: &[u8]) -> Result<ClusterMessage, DecodeError> {
        version::decode(value, SCHEMA_VERSION)
    }

    fn all_finite(&self) -> Result<(), ClusterError> {
        let check = |number: f64, path: &dyn Fn() -> String| {
            if number.is_finite() {
                Ok(())
            } else {
                Err(ClusterError::NotFinite { cluster_id: self.cluster_id.clone(), path: path() })
            }
        };
        for (number, name) in [
            (self.log_e, "log_e"),
            (self.log_e_leave_one_source_out, "log_e_leave_one_source_out"),
            (self.history_hours, "history_hours"),
            (self.unlisted.nats, "unlisted.nats"),
            (self.unlisted.source_nats, "unlisted.source_nats"),
            (self.score, "score"),
            (self.intercept.unwrap_or_default(), "intercept"),
            (self.probability, "probability"),
        ] {
            check(number, &|| name.to_owned())?;
        }
        for (kind, nats) in &self.traces {
            check(*nats, &|| format!("traces.{kind}"))?;
        }
        for (at, account) in self.accounts.iter().enumerate() {
            check(account.log_e, &|| format!("accounts[{at}].log_e"))?;
            for number in account.rest.iter().flat_map(|rest| rest.log_lr) {
                check(number, &|| format!("accounts[{at}].rest"))?;
            }
            let Some(trials) = &account.trials else { continue };
            let rest = trials.rest.iter().flat_map(|rest| rest.log_lr);
            for number in trials.keys.iter().map(|key| f64::from(key.share)).chain(rest) {
                check(number, &|| format!("accounts[{at}].trials"))?;
            }
        }
        for (at, source) in self.sources.iter().enumerate() {
            check(source.nats, &|| format!("sources[{at}].nats"))?;
        }
        for (at, reason) in self.reasons.iter().enumerate() {
            check(reason.value.unwrap_or_default(), &|| format!("reasons[{at}].value"))?;
            check(reason.contribution, &|| format!("reasons[{at}].contribution"))?;
        }
        if let Some(Terms { alpha, safety, .. }) = self.test {
            check(alpha, &|| "test.alpha".to_owned())?;
            check(safety, &|| "test.safety".to_owned())?;
        }
        for (at, evidence) in self.evidence.iter().enumerate() {
            check(evidence.nats, &|| format!("evidence[{at}].nats"))?;
            if let Some(KeyTest { epsilon, steps, chance_after, shares, .. }) = &evidence.test {
                let numbers = [*epsilon, *chance_after].into_iter().chain(steps.iter().map(|step| step.chance));
                for number in numbers.chain(shares.iter().flatten().map(|share| f64::from(*share))) {
                    check(number, &|| format!("evidence[{at}].test"))?;
                }
            }
        }
        for (at, tie) in self.ties.iter().enumerate() {
            check(tie.nats, &|| format!("ties[{at}].nats"))?;
            check(tie.median_lag_s, &|| format!("ties[{at}].median_lag_s"))?;
        }
        Ok(())
    }
}

/// Nats to 1e-9: what is left of a sum that comes to nothing is nothing.
fn tidy(nats: f64) -> f64 {
    const STEP: f64 = 1e9;
    let rounded = (nats * STEP).round() / STEP;
    // Numbers too great to be multiplied have no such digits; and there is one zero.
    if rounded.is_finite() { rounded + 0.0 } else { nats }
}

/// What the tests of a cluster went by.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Terms {
    /// Rate of false discoveries, 0 to 1, among candidates and among the members of one.
    pub alpha: f64,
    /// Factor, 1 or more, on every share of acts that is expected of an account by habit.
    pub safety: f64,
    /// Accounts of the group as it was proposed, named in `accounts` or not.
    pub proposed: usize,
}

/// A member of a cluster.
///
/// Its `log_e` is ln of the mean, over pi = 0.2, 0.5 and 0.8, of the product of its trials. A trial is a key with a `test` in whose
/// `steps` at least two others appear: pi / p if it appears in them itself, else (1 - pi) / (1 - p), with p in place of a pi that is
/// less. There p = 1 - exp(-safety x share x acts), held in 1e-9 to 0.99; `share` is its own in the key's `shares`, and `acts` is two
/// and all that count after the act that opened the test: `others_after`, and for every later step its `others` and one. Of trials
/// on keys that are not listed, `rest` has the logs of the products. It is named if it passes e-BH (Wang and Ramdas 2022) within the
/// group: with k accounts named, `log_e` is at least ln(proposed / (alpha x k)).
///
/// Where `elsewhere` is true, the same holds of its `trials` in place of the keys' tests: a cluster unites candidates that have members
/// in common, and an account that several of them name has the `log_e` of the one that speaks most for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ClusterAccount {
    /// Lower-case platform name.
    pub platform: String,
    /// The platform's id.
    pub account_id: String,
    /// Handle or display name last seen.
    pub account_name: String,
    /// Evidence that this account acts with the others, nats.
    pub log_e: f64,
    /// Whether `log_e` comes from tests that are not in `evidence`: those of another candidate that was united with this cluster, or,
    /// in a faded cluster, none: then it is 0, and nothing is claimed of the account.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub elsewhere: bool,
    /// The trials by that other candidate. Absent where `elsewhere` is false, where nothing is claimed of the account, and in messages of
    /// older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trials: Option<Trials>,
    /// The sum of its trials by the cluster's own candidate on keys that are not in `evidence`. Absent where all are, and for an account
    /// that was not in the group as it was proposed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest: Option<TrialSum>,
    /// Posts seen.
    pub posts: u64,
}

/// An account's trials by another candidate than the one that the cluster's numbers are of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Trials {
    /// Accounts of that candidate as it was proposed.
    pub proposed: usize,
    /// How many of them it names; all of them are in `accounts`. `log_e` is at least ln(proposed / (alpha x named)).
    pub named: usize,
    /// One for each of its keys on which at least two others of it acted, the key that spoke most for it first.
    pub keys: Vec<KeyTrial>,
    /// The sum of its trials on keys that are not listed; absent where all are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest: Option<TrialSum>,
}

/// One trial of an account: see [`ClusterAccount`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct KeyTrial {
    /// Index into `evidence` of the key, with a post of the account if it took part; absent for a key that is not there, because those
    /// who acted on it are not named, this account apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<usize>,
    /// That key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyName>,
    /// Whether the account acted on it, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub took_part: bool,
    /// Share, 0 to 1, of acts on this key's source that is expected of the account by habit.
    pub share: f32,
    /// Acts on the key among which it could have been, and two more.
    pub acts: u32,
}

/// What a key is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct KeyName {
    /// Trace kind.
    pub kind: String,
    /// The canonical thing acted on.
    pub key: String,
    /// Whom it comes from.
    pub source: String,
}

/// Trials that are not told one by one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TrialSum {
    /// How many.
    pub trials: u32,
    /// What they add to ln of the product for pi = 0.2, 0.5 and 0.8, nats.
    pub log_lr: [f64; 3],
}

impl Trials {
    fn new(trials: &coordination::Trials, cluster: &Cluster, member: &Member, places: &Places<'_>) -> Trials {
        let key = |key: &coordination::KeyTrial| {
            let name = (key.kind, key.key.as_str(), key.source_kind, key.source.as_str());
            // Whoever took part has a post there to show.
            let shows = |place: &&usize| {
                !key.trial.took_part
                    || cluster.evidence[**place].posts.iter().any(|post| post.account == member.account)
            };
            let evidence = places.get(&name).and_then(|places| places.iter().find(shows)).copied();
            let name =
                || KeyName { kind: key.kind.name().to_owned(), key: key.key.clone(), source: key.source.clone() };
            KeyTrial {
                evidence,
                key: if evidence.is_none() { Some(name()) } else { None },
                took_part: key.trial.took_part,
                share: key.trial.share,
                acts: key.trial.acts,
            }
        };
        Trials {
            proposed: trials.proposed,
            named: trials.named,
            keys: trials.keys.iter().map(key).collect(),
            rest: trials.rest.map(TrialSum::from),
        }
    }
}

impl KeyTrial {
    fn trial(&self) -> Trial {
        Trial { took_part: self.took_part, share: self.share, acts: self.acts }
    }
}

impl From<coordination::TrialSum> for TrialSum {
    fn from(sum: coordination::TrialSum) -> TrialSum {
        TrialSum { trials: sum.trials, log_lr: sum.log_lr.map(tidy) }
    }
}

impl TrialSum {
    fn add(&mut self, trial: Trial, safety: f64) {
        self.trials += 1;
        self.log_lr.iter_mut().zip(trial.log_lr(safety)).for_each(|(sum, nats)| *sum += nats);
    }
}

/// Nats that one source gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SourceNats {
    /// Trace kind.
    pub kind: String,
    /// Whom the keys come from.
    pub source: String,
    /// Evidence, nats.
    pub nats: f64,
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

/// Names a model in the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ModelRef {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
}

/// One key on which members acted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Evidence {
    /// Trace kind.
    pub kind: String,
    /// The canonical thing acted on.
    pub key: String,
    /// Whom it comes from.
    pub source: String,
    /// Trace kind in `sources` of its source, where that is not `kind`: a text beside a link comes from the link's site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_kind: Option<String>,
    /// Evidence, nats.
    pub nats: f64,
    /// The members' posts on this key, by time.
    pub posts: Vec<PostRef>,
    /// The arithmetic of `nats`. Absent for a key that counts nothing, which is listed because members named by other candidates acted
    /// on it; and in messages of older versions, or where those had no room for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<KeyTest>,
}

/// The arithmetic of one key: how likely were these acts if members act together, and how likely by habit?
///
/// For q = 0.1, 0.3 and 0.7, each raised to the `chance` at hand where that is greater, ln LR_q is the sum over all `steps` but the
/// first, which opened the test, of others x ln((1 - q) / (1 - chance)) + ln(q / chance), and of others_after x ln((1 - q) / (1 -
/// chance_after)). Of the others at each place, only the first 20, 6 and 2 count for the three q; where there were so many, the member's
/// act after them adds nothing. Nor does anything where the chance is 1e-9: no member is left then. The key's nats are
/// ln((1 - epsilon) + epsilon x mean of the LR_q).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct KeyTest {
    /// Weight, 0 to 1, of "they act together", fixed before the test began.
    pub epsilon: f64,
    /// First acts of members of the proposed group on this key, by time.
    pub steps: Vec<Step>,
    /// Acts by accounts outside the group after the last step.
    pub others_after: u32,
    /// Probability that, by habit, the next act would have been a first one by a member.
    pub chance_after: f64,
    /// By index into `accounts`: the share, 0 to 1, of acts on this key's source that is expected of the account by habit; null for an
    /// account that was not in the proposed group.
    pub shares: Vec<Option<f32>>,
}

impl KeyTest {
    /// What the key asks of an account, as [`ClusterAccount`] says.
    fn trial(&self, account: usize) -> Option<Trial> {
        let share = self.shares.get(account).copied().flatten()?;
        let took_part = self.steps.iter().any(|step| step.member == Some(account));
        let asked = self.steps.len() >= 2 + usize::from(took_part);
        let acts =
            self.steps.iter().skip(1).fold(2, |acts: u32, step| acts.saturating_add(step.others).saturating_add(1));
        let acts = acts.saturating_add(self.others_after);
        asked.then_some(Trial { took_part, share, acts })
    }
}

/// A member's first act on a key.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Step {
    /// Index into `accounts`; null for one of the proposed group who is not named.
    pub member: Option<usize>,
    /// Acts by accounts outside the group since the step before.
    pub others: u32,
    /// Probability that, by habit, the next act would be a first one by a member: safety x the shares of all who had not acted yet,
    /// held in 1e-9 to 0.9. 0 for the step that opened the test.
    pub chance: f64,
}

/// Keys that were tested but are not listed as evidence: nobody followed the member who acted first, or there was no room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Unlisted {
    /// How many.
    pub keys: u64,
    /// How many of them a second member acted on, so that the accounts' `log_e` rest on them too.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub followed: u64,
    /// Their evidence, nats; mostly negative.
    pub nats: f64,
    /// Keys beside these that would count nothing, and are not listed for want of room: of other candidates.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub of_others: u64,
    /// Sources that are not in `sources` for want of room: of no listed key, and none of them the best.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub sources: u64,
    /// Their evidence, nats: `log_e` is the sum of `sources` and of this.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub source_nats: f64,
}

fn is_nothing(nats: &f64) -> bool {
    *nats == 0.0
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Names one post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
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
}

/// A tie between two members.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Tie {
    /// Index into `accounts`.
    pub a: usize,
    /// Index into `accounts`.
    pub b: usize,
    /// Trace kind.
    pub kind: String,
    /// Credited co-acts.
    pub co_acts: u32,
    /// Evidence, nats.
    pub nats: f64,
    /// Median time between the two acts, seconds.
    pub median_lag_s: f64,
}
