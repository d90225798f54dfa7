//! The accounts of a cluster. Question: how much more likely are the acts of an account if it
//! belongs to the group?

use coordination::TraceKind;
use jiff::Timestamp;
use messages::cluster::{ClusterAccount, ClusterMessage};
use serde::Serialize;

use super::{
    super::{
        arithmetic::{Figure, TOLERANCE},
        text::shown,
    },
    outcomes::IMAGINED,
};

/// How the accounts of one group were named.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Naming {
    /// First and last moment of the posts that were judged.
    pub from: Timestamp,
    /// See `from`.
    pub until: Timestamp,
    /// Outcomes of the proposed accounts' posts.
    pub group: [u64; 5],
    /// How often the group has each outcome, 0 to 1: (count + 1/2) / (all + 5/2).
    pub g: [f64; 5],
    /// How often everybody else has it, 0 to 1; each account has a weight of one, and 20 are
    /// imagined.
    pub h: [f64; 5],
    /// What a post with each outcome adds to an account that was not proposed, nats.
    pub adds: [f64; 5],
    /// Share of real members' posts that is assumed to be cover.
    pub cover: f64,
    /// Share of real members among the proposed accounts.
    pub share_proposed: f64,
    /// The same among all other accounts.
    pub share_others: f64,
    /// Accounts outside the group that were active in this period.
    pub others: u64,
}

/// An account of the cluster.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Member {
    /// `platform:account_id`.
    pub account: String,
    /// Handle or display name.
    pub account_name: String,
    /// Whether it was in the group as proposed; otherwise it was found afterwards.
    pub proposed: bool,
    /// Whether only another group, which was merged into the cluster, names it.
    pub elsewhere: bool,
    /// Index into `namings`; `None` if the account was not named by any.
    pub naming: Option<usize>,
    /// Outcomes of its judged posts.
    pub outcomes: [u32; 5],
    /// What each of these posts adds, by outcome, nats.
    pub adds: [f64; 5],
    /// Its best sources, which do not count.
    pub dropped: Vec<Dropped>,
    /// Sum of what further dropped sources would have added, nats; the line has only this sum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropped_nats: Option<f64>,
    /// Its evidence: the sum over its posts minus what the dropped sources would have added.
    pub log_e: Figure,
    /// The probability that it belongs to the group; `None` without a naming.
    pub posterior: Option<Figure>,
}

/// A source that is not counted for an account.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Dropped {
    /// Trace kind of the source.
    pub kind: TraceKind,
    /// Source of the keys.
    pub source: String,
    /// What it would have added, nats.
    pub nats: f64,
}

/// The namings, and the accounts with their evidence.
pub(super) fn members(message: &ClusterMessage, contradictions: &mut Vec<String>) -> (Vec<Naming>, Vec<Member>) {
    let safety = message.test.map_or(2.0, |terms| terms.safety);
    let namings: Vec<Naming> = message.namings.iter().map(|recorded| naming(recorded, safety)).collect();
    for (place, naming) in namings.iter().enumerate() {
        let shares = [naming.share_proposed, naming.share_others];
        if !shares.iter().all(|share| (0.0005 - TOLERANCE..=0.99 + TOLERANCE).contains(share)) {
            contradictions.push(format!("naming {}: shares of {shares:?} are not between 0.0005 and 0.99", place + 1));
        }
        if !(0.0..=1.0).contains(&naming.cover) {
            contradictions.push(format!("naming {}: a cover of {} is not a share", place + 1, naming.cover));
        }
        if naming.from > naming.until {
            contradictions.push(format!("naming {}: ends before it begins", place + 1));
        }
        let of_it = message.accounts.iter().filter(|account| account.proposed && account.naming == Some(place));
        let own =
            of_it.fold([0u64; 5], |sum, account| std::array::from_fn(|o| sum[o] + u64::from(account.outcomes[o])));
        if (0..5).any(|o| own[o] > naming.group[o]) {
            contradictions.push(format!(
                "naming {}: its proposed accounts have outcomes {own:?}, but the group has {:?}",
                place + 1,
                naming.group
            ));
        }
    }
    let members = message.accounts.iter().map(|account| member(account, message, &namings, contradictions)).collect();
    (namings, members)
}

fn naming(naming: &messages::cluster::Naming, safety: f64) -> Naming {
    let (g, h) = (group_rates(naming.group, [0; 5]), crowd_rates(naming.crowd));
    Naming {
        from: naming.from,
        until: naming.until,
        group: naming.group,
        g,
        h,
        adds: adds(g, h, safety, naming.cover),
        cover: naming.cover,
        share_proposed: naming.share_proposed,
        share_others: naming.share_others,
        others: naming.others,
    }
}

/// How often a group has each outcome, without an account's own posts.
fn group_rates(group: [u64; 5], own: [u64; 5]) -> [f64; 5] {
    let left: [f64; 5] = std::array::from_fn(|o| group[o] as f64 - own[o] as f64);
    let all: f64 = left.iter().sum();
    left.map(|count| (count + 0.5) / (all + 2.5))
}

fn crowd_rates(crowd: [f64; 5]) -> [f64; 5] {
    let all: f64 = crowd.iter().sum();
    std::array::from_fn(|o| (crowd[o] + 20.0 * IMAGINED[o]) / (all + 20.0))
}

/// What a post with each outcome adds: ln((1 - cover) e^v + cover), with v = ln(g / (safety h))
/// held in -4 to 4, and for nothing ln(g / h) held in -4 to 0.
fn adds(g: [f64; 5], h: [f64; 5], safety: f64, cover: f64) -> [f64; 5] {
    std::array::from_fn(|o| {
        let alone = match o {
            4 => (g[o] / h[o]).ln().clamp(-4.0, 0.0),
            _ => (g[o] / (safety * h[o])).ln().clamp(-4.0, 4.0),
        };
        ((1.0 - cover) * alone.exp() + cover).ln()
    })
}

fn member(
    account: &ClusterAccount,
    message: &ClusterMessage,
    namings: &[Naming],
    contradictions: &mut Vec<String>,
) -> Member {
    let name = format!("{}:{}", account.platform, account.account_id);
    let what = format!("account {}", shown(&name));
    let mut wrong = |flaw: String| contradictions.push(format!("{what}: {flaw}"));
    let safety = message.test.map_or(2.0, |terms| terms.safety);
    let by = account.naming.and_then(|place| Some((message.namings.get(place)?, namings.get(place)?)));
    let own = account.outcomes.map(|count| if account.proposed { u64::from(count) } else { 0 });
    let adds = by
        .map_or([0.0; 5], |(recorded, naming)| adds(group_rates(recorded.group, own), naming.h, safety, naming.cover));
    let all: f64 = adds.iter().zip(account.outcomes).map(|(nats, count)| nats * f64::from(count)).sum();
    let listed = account.dropped.iter().map(|dropped| dropped.nats);
    let dropped: f64 = listed.clone().sum::<f64>() + account.dropped_nats.unwrap_or_default();
    let log_e = Figure::new(account.log_e, if by.is_some() { all - dropped } else { 0.0 });
    let posterior = match (by, account.posterior) {
        (Some((_, naming)), Some(recorded)) => {
            let pi = if account.proposed { naming.share_proposed } else { naming.share_others };
            let odds = (1.0 - pi) / pi * (-account.log_e.clamp(-30.0, 30.0)).exp();
            Some(Figure::new(recorded, 1.0 / (1.0 + odds)))
        }
        (_, recorded) => {
            if recorded.is_some() != by.is_some() {
                wrong("has a posterior without a naming, or a naming without one".to_owned());
            }
            None
        }
    };
    match account.naming {
        Some(place) if place >= namings.len() => wrong(format!("there is no naming {}", place.saturating_add(1))),
        Some(0) if account.elsewhere => wrong("is from elsewhere, but the cluster's own group names it".to_owned()),
        None if !namings.is_empty() => wrong("has no naming".to_owned()),
        None if account.outcomes != [0; 5] || !account.dropped.is_empty() => {
            wrong("has outcomes, but nobody was named".to_owned());
        }
        _ => {}
    }
    let most = if account.proposed { 2 } else { 1 };
    if account.dropped.len() > most {
        wrong(format!("{} of its sources are dropped, at most {most} can be", account.dropped.len()));
    }
    if !listed.chain(account.dropped_nats).all(|nats| nats >= -TOLERANCE) {
        wrong("a source that is evidence against it is dropped".to_owned());
    }
    if let Some(figure) = posterior.filter(|figure| !figure.agrees()) {
        let comes_to = figure.recomputed.unwrap_or_default();
        wrong(format!("a posterior of {:.9} is recorded, but the recomputed value is {comes_to:.9}", figure.recorded));
    }
    contradictions.extend(log_e.contradiction(&what));
    Member {
        account: name,
        account_name: account.account_name.clone(),
        proposed: account.proposed,
        elsewhere: account.elsewhere,
        naming: account.naming,
        outcomes: account.outcomes,
        adds,
        dropped: account
            .dropped
            .iter()
            .map(|dropped| Dropped { kind: dropped.kind, source: dropped.source.clone(), nats: dropped.nats })
            .collect(),
        dropped_nats: account.dropped_nats,
        log_e,
        posterior,
    }
}
