//! The order in which groups and accounts are reported.

use std::collections::{HashMap, HashSet};

use coordination::{AccountEvidence, AccountRef, Finding, SingleSource};
use messages::cluster::{ClusterMessage, Status, Why};
use scoring::{Model, Named, SuspectAccount};

/// With fewer posts by others than this, a group has hardly a crowd to be compared with: the test's
/// imagined crowd has the same weight.
const CROWD: u64 = 50;

/// An account and the evidence against it.
#[derive(Debug, Clone, PartialEq)]
pub struct RankedAccount {
    /// Ties, naming and behaviour.
    pub account: SuspectAccount,
    /// The cluster that names it, and its status. Near misses name nobody.
    pub cluster: Option<(String, Status)>,
    /// Probability that the account is inauthentic, if there is a model of accounts.
    pub probability: Option<f64>,
}

/// The results at the end of a stream, in order: clusters, flagged first and the strongest first,
/// faded ones last; then near misses, nearest to their threshold first; then every account, those
/// of flagged clusters first, then by suspicion.
pub fn ranked(
    mut clusters: Vec<ClusterMessage>,
    accounts: Vec<AccountEvidence>,
    model: Option<&Model>,
) -> (Vec<ClusterMessage>, Vec<RankedAccount>) {
    clusters.sort_by(|x, y| {
        let strength = match x.status {
            Status::NearMiss => short_of_threshold(x).total_cmp(&short_of_threshold(y)),
            _ => y.log_e_leave_one_source_out.total_cmp(&x.log_e_leave_one_source_out),
        };
        class(x.status)
            .cmp(&class(y.status))
            .then(strength)
            // A group of one text has no evidence in nats, so the number of accounts decides.
            .then(y.accounts.len().cmp(&x.accounts.len()))
            .then_with(|| x.cluster_id.cmp(&y.cluster_id))
    });
    let accounts = rank(accounts, &clusters, model);
    (clusters, accounts)
}

fn class(status: Status) -> usize {
    match status {
        Status::Flagged => 0,
        Status::Coordinated => 1,
        Status::SingleSource => 2,
        Status::Faded => 3,
        Status::NearMiss => 4,
    }
}

/// Nats that a group lacks to reach its threshold.
pub fn short_of_threshold(cluster: &ClusterMessage) -> f64 {
    let bar = cluster.test.map_or(f64::INFINITY, |terms| terms.bar);
    bar - cluster.log_e_leave_one_source_out
}

/// Whether hardly anybody else posted when a group was tested, so that imagined rates of copying
/// replaced a crowd.
pub fn without_crowd(cluster: &ClusterMessage) -> bool {
    cluster.windows.iter().any(|window| window.crowd.iter().sum::<u64>() < CROWD)
}

/// Accounts that a flagged cluster names come first, then the others by suspicion, which is
/// corrected for activity. A model of accounts gives a probability to each account with any
/// evidence.
fn rank(accounts: Vec<AccountEvidence>, clusters: &[ClusterMessage], model: Option<&Model>) -> Vec<RankedAccount> {
    let mut named = HashMap::new();
    for cluster in clusters {
        for account in &cluster.accounts {
            let name = AccountRef { platform: account.platform.clone(), account_id: account.account_id.clone() };
            named.entry(name).or_insert((cluster, account));
        }
    }
    // An account that a cluster names has a row even if the engine has forgotten it for lack of
    // memory.
    let known: HashSet<&AccountRef> = accounts.iter().map(|evidence| &evidence.account).collect();
    let mut forgotten: Vec<AccountEvidence> = named
        .iter()
        .filter(|(name, (cluster, _))| cluster.status != Status::NearMiss && !known.contains(name))
        .map(|(name, (cluster, account))| AccountEvidence {
            account: name.clone(),
            account_name: account.account_name.clone(),
            posts: account.posts,
            last_post: cluster.last_seen.as_millisecond(),
            tie_nats: 0.0,
            texts: 0,
            copies: 0,
            suspicion: account.log_e.max(0.0),
            log_e: None,
            posterior: None,
        })
        .collect();
    forgotten.sort_by(|x, y| x.account.cmp(&y.account));
    let mut ranked: Vec<RankedAccount> = accounts
        .into_iter()
        .chain(forgotten)
        .map(|mut evidence| {
            let found = named.get(&evidence.account);
            if let Some((_, account)) = found.filter(|(_, account)| account.naming.is_some()) {
                (evidence.log_e, evidence.posterior) = (Some(account.log_e), account.posterior);
            }
            let cluster = found.map(|(cluster, _)| Named {
                finding: match cluster.status {
                    Status::Flagged | Status::Coordinated => Finding::Coordinated,
                    Status::SingleSource => Finding::SingleSource,
                    Status::Faded => Finding::Faded,
                    Status::NearMiss => Finding::NearMiss,
                },
                single_source: match cluster.why {
                    Some(Why::BestSource) => Some(SingleSource::BestSource),
                    Some(Why::OneText) => Some(SingleSource::OneText),
                    Some(Why::NotPlain) | None => None,
                },
                // Only the score of a coordinated cluster is read, and every coordinated cluster
                // has one.
                score: cluster.score.unwrap_or_default(),
            });
            let account = SuspectAccount { evidence, cluster };
            let names = found.filter(|(cluster, _)| cluster.status != Status::NearMiss);
            let cluster = names.map(|(cluster, _)| (cluster.cluster_id.clone(), cluster.status));
            let model = model.filter(|_| account.evidence.any() || account.cluster.is_some());
            let probability = model.map(|model| model.verdict_on_account(&account).probability);
            RankedAccount { account, cluster, probability }
        })
        .collect();
    ranked.sort_by(|x, y| {
        let flagged =
            |ranked: &RankedAccount| ranked.cluster.as_ref().is_some_and(|(_, status)| *status == Status::Flagged);
        let flagged = flagged(y).cmp(&flagged(x));
        let (x, y) = (&x.account.evidence, &y.account.evidence);
        flagged.then(y.suspicion.total_cmp(&x.suspicion)).then_with(|| x.account.cmp(&y.account))
    });
    ranked
}
