//! Topics `clusters` and `clusters.flagged`, and a line of `clusters.jsonl`: one cluster with its evidence and verdict.

use std::collections::BTreeMap;

use coordination::{Cluster, Finding, Millis};
use jiff::Timestamp;
use scoring::Verdict;
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
    /// Hours of baseline behind the verdict when the candidate was born.
    pub history_hours: f64,
    /// Nats per trace kind.
    pub traces: BTreeMap<String, f64>,
    /// Nats per source, largest first.
    pub sources: Vec<SourceNats>,
    /// The model's log-odds, nats.
    pub score: f64,
    /// Calibrated probability that the coordination is inauthentic.
    pub probability: f64,
    /// What moved the score, largest first.
    pub reasons: Vec<Reason>,
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

impl ClusterMessage {
    /// One state of a cluster, with what the model says of it. Numbers keep their full precision.
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
                nats: evidence.nats,
                posts: posts?,
            })
        };
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
                    log_e: member.log_e,
                    posts: member.behaviour.posts,
                })
                .collect(),
            first_seen: time("first_seen", cluster.first_seen)?,
            last_seen: time("last_seen", cluster.last_seen)?,
            log_e: cluster.log_e,
            log_e_leave_one_source_out: cluster.log_e_leave_one_source_out,
            candidates_tested: cluster.candidates_tested,
            history_hours: cluster.history as f64 / 3_600_000.0,
            traces: cluster.nats_by_kind.iter().map(|(kind, nats)| (kind.name().to_owned(), *nats)).collect(),
            sources: cluster
                .nats_by_source
                .iter()
                .map(|source| SourceNats {
                    kind: source.kind.name().to_owned(),
                    source: source.source.clone(),
                    nats: source.nats,
                })
                .collect(),
            score: verdict.score,
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
            model: ModelRef { name: verdict.model.clone(), version: verdict.version.clone() },
            unlisted: Unlisted { keys: cluster.silent_keys.keys, nats: cluster.silent_keys.nats },
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
                        nats: tie.nats,
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

    /// The message with only so much evidence that it takes at most `bytes` when written: the weakest keys go first, and are counted
    /// in [`unlisted`](Self::unlisted).
    pub fn within(mut self, bytes: usize) -> Result<ClusterMessage, ClusterError> {
        while self.encode()?.len() > bytes && !self.evidence.is_empty() {
            let dropped = self.evidence.len().div_ceil(4);
            for evidence in self.evidence.drain(self.evidence.len() - dropped..) {
                self.unlisted.keys += 1;
                self.unlisted.nats += evidence.nats;
            }
        }
        Ok(self)
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
            (self.score, "score"),
            (self.probability, "probability"),
        ] {
            check(number, &|| name.to_owned())?;
        }
        for (kind, nats) in &self.traces {
            check(*nats, &|| format!("traces.{kind}"))?;
        }
        for (at, account) in self.accounts.iter().enumerate() {
            check(account.log_e, &|| format!("accounts[{at}].log_e"))?;
        }
        for (at, source) in self.sources.iter().enumerate() {
            check(source.nats, &|| format!("sources[{at}].nats"))?;
        }
        for (at, reason) in self.reasons.iter().enumerate() {
            check(reason.value.unwrap_or_default(), &|| format!("reasons[{at}].value"))?;
            check(reason.contribution, &|| format!("reasons[{at}].contribution"))?;
        }
        for (at, evidence) in self.evidence.iter().enumerate() {
            check(evidence.nats, &|| format!("evidence[{at}].nats"))?;
        }
        for (at, tie) in self.ties.iter().enumerate() {
            check(tie.nats, &|| format!("ties[{at}].nats"))?;
            check(tie.median_lag_s, &|| format!("ties[{at}].median_lag_s"))?;
        }
        Ok(())
    }
}

/// A member of a cluster.
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
    /// Posts seen.
    pub posts: u64,
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
    /// Evidence, nats.
    pub nats: f64,
    /// The members' posts on this key, by time.
    pub posts: Vec<PostRef>,
}

/// Keys that were tested but are not listed as evidence: nobody followed the member who acted first, or there was no room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Unlisted {
    /// How many.
    pub keys: u64,
    /// Their evidence, nats; mostly negative.
    pub nats: f64,
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
