//! From the engine's cluster and the model's verdict to the message.

use std::collections::BTreeMap;

use coordination::{Cluster, Finding, Millis, SingleSource};
use jiff::Timestamp;
use scoring::{Verdict, features::FEATURES};

use super::error::ClusterError;
use super::parts::{
    ClusterAccount, Dropped, Evidence, Gain, LogPosition, ModelRef, Naming, PostRef, Reason, SourceNats, Terms, Tie,
    Unlisted, Window,
};
use super::rounding::rounded_nats;
use super::status::{Status, Why};
use super::{ClusterMessage, SCHEMA_VERSION, best_window};

impl ClusterMessage {
    /// Whether a model judges such a cluster: near misses and one text by many accounts have no
    /// verdict, all others have one.
    pub fn takes_verdict(cluster: &Cluster) -> bool {
        cluster.finding != Finding::NearMiss && cluster.single_source != Some(SingleSource::OneText)
    }

    /// One state of a cluster, with the model's verdict if the cluster [takes a
    /// verdict](Self::takes_verdict). Nats are rounded to 1e-9. The verdict on a coordinated
    /// cluster must be that of the engine's judge.
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
                nats: rounded_nats(window.nats),
                losses: rounded_nats(window.losses),
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
            log_e: rounded_nats(member.log_e),
            posterior: member.posterior.map(rounded_nats),
            outcomes: member.outcomes,
            dropped: member.dropped.iter().map(Dropped::new).collect(),
            dropped_nats: None,
            proposed: member.proposed,
            naming: named.then_some(member.naming),
            elsewhere: member.elsewhere,
            posts: member.behaviour.posts,
        };
        let source = |source: &coordination::SourceNats| {
            let by_window = source.nats.map(rounded_nats);
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
            let by_window = evidence.nats.map(rounded_nats);
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
                nats: rounded_nats(tie.nats),
                median_lag_s: tie.median_lag_s,
            })
        };
        let values = || scoring::features::values(cluster).into_iter().map(|value| value.map(rounded_nats));
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
            log_e: rounded_nats(cluster.log_e),
            log_e_leave_one_source_out: rounded_nats(cluster.log_e_leave_one_source_out),
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
                    bar: rounded_nats(cluster.terms.bar),
                })
            },
            history_hours: cluster.history as f64 / 3_600_000.0,
            windows,
            namings: cluster.namings.iter().map(naming).collect::<Result<_, _>>()?,
            traces: cluster.nats_by_kind.iter().map(|(kind, nats)| (*kind, rounded_nats(*nats))).collect(),
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
                nats: cluster.unlisted.nats.map(rounded_nats),
                sources: cluster.unlisted.sources,
                source_nats: cluster.unlisted.source_nats.map(rounded_nats),
                accounts: match cluster.single_source {
                    // For one text, the terms only hold the number of accounts that wrote it.
                    Some(SingleSource::OneText) => cluster.terms.proposed.saturating_sub(cluster.members.len()) as u64,
                    _ => 0,
                },
                ..Unlisted::default()
            },
            ties: cluster.ties.iter().map(tie).collect::<Result<_, _>>()?,
            topics,
            targets,
        };
        message.check()?;
        Ok(message)
    }
}

/// The status of a cluster, or a contradiction.
fn status(cluster: &Cluster, verdict: Option<&Verdict>) -> Result<Status, &'static str> {
    if cluster.flagged && cluster.finding != Finding::Coordinated {
        return Err("is flagged, but the finding is not `coordinated`");
    }
    if cluster.single_source.is_some() != (cluster.finding == Finding::SingleSource) {
        return Err("is single-source without a reason, or has a reason without being single-source");
    }
    match (ClusterMessage::takes_verdict(cluster), verdict) {
        (true, None) => return Err("has no model's verdict, but the finding needs one"),
        (false, Some(_)) => {
            return Err("has a model's verdict, which near misses and one text by many accounts never have");
        }
        _ => {}
    }
    Ok(match cluster.finding {
        Finding::Coordinated if verdict.is_some_and(|verdict| verdict.inauthentic != cluster.flagged) => {
            return Err(
                "the verdict contradicts the engine's judge: one finds the cluster inauthentic and the other does not",
            );
        }
        Finding::Coordinated if cluster.flagged => Status::Flagged,
        Finding::Coordinated => Status::Coordinated,
        Finding::SingleSource => Status::SingleSource,
        Finding::Faded => Status::Faded,
        Finding::NearMiss => Status::NearMiss,
    })
}
