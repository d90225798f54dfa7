//! Near misses: groups that almost passed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::terms;
use crate::{
    accounts::AccountId,
    cluster::{Cluster, Finding},
    described::{Moment, member, numbers, proposed, ties},
    error_control::e_lond_bar,
    group::{Group, GroupId},
    groups::{Groups, Members},
    hash::hash_strs,
    passed::Discovered,
};

/// Most near misses reported at a tick, the greatest distance to the threshold in nats, and by how
/// many nats nearer a near miss must be to be reported again.
const MOST: usize = 100;
const FURTHEST: f64 = 5.0;
const NEARER: f64 = 1.0;

/// The near misses reported so far.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct NearMisses {
    /// The distance of each group to the threshold when it was reported.
    distance: BTreeMap<GroupId, f64>,
    reported: u64,
}

impl NearMisses {
    /// Reports those of some groups that almost passed, the nearest first. None of these groups has
    /// passed, and a group that is part of one that did is left out.
    pub(super) fn report(
        &mut self,
        moment: &Moment<'_>,
        tested: &[GroupId],
        groups: &Groups<'_>,
        discoveries: u64,
        discovered: &Discovered,
        clusters: &mut Vec<Cluster>,
    ) {
        let params = moment.params;
        let mut near: Vec<(f64, GroupId)> = Vec::new();
        for &id in tested {
            let Some(group) = groups.get(id) else { continue };
            let bar = e_lond_bar(id, discoveries, params.alpha);
            let log_e = group.log_e();
            if log_e <= 0.0 || (!moment.last && bar - log_e > FURTHEST) {
                continue;
            }
            let short = bar - group.leave_one_out();
            let before = self.distance.get(&id);
            let nearer = before.is_none_or(|before| before - short >= NEARER);
            if (moment.last && short < bar) || (short <= FURTHEST && nearer) {
                near.push((short, id));
            }
        }
        near.sort_unstable_by(|x, y| x.0.total_cmp(&y.0).then(x.1.cmp(&y.1)));
        let mut reported: Vec<Members> = Vec::new();
        for (short, id) in near {
            if reported.len() == MOST {
                break;
            }
            let Some(group) = groups.get(id) else { continue };
            let shadow = discovered.knows(&group.members, params.same_campaign)
                || reported.iter().any(|other| overlap(other, &group.members) >= params.same_campaign);
            if shadow {
                continue;
            }
            reported.push(group.members.clone());
            self.distance.insert(id, short);
            self.reported += 1;
            let terms = terms(group, id, discoveries, params);
            let mut cluster = numbers(group, terms, Finding::NearMiss, moment);
            cluster.id = near_miss_id(group, moment);
            cluster.members = group
                .members
                .iter()
                .filter_map(|account| member(&proposed(*account), 0, false, moment.accounts))
                .collect();
            cluster.members.sort_by(|x, y| x.account.cmp(&y.account));
            cluster.ties = ties(&group.members, moment);
            clusters.push(cluster);
        }
    }

    /// Whether a living group was reported as a near miss.
    pub(super) fn contains(&self, id: GroupId) -> bool {
        self.distance.contains_key(&id)
    }

    pub(super) fn remove(&mut self, id: GroupId) {
        self.distance.remove(&id);
    }

    pub(super) fn reported(&self) -> u64 {
        self.reported
    }
}

/// A near miss gets its id from the accounts with which its group was proposed, so that the same
/// posts always give the same id.
pub(super) fn near_miss_id(group: &Group, moment: &Moment<'_>) -> String {
    let name = |member: &AccountId| {
        let account = moment.accounts.name(*member);
        format!("{}:{}", account.platform, account.account_id)
    };
    let names: Vec<String> = group.members.iter().map(name).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    format!("n-{:016x}", hash_strs(group.born as u64, &names))
}

fn overlap(a: &[AccountId], b: &[AccountId]) -> f64 {
    let both = a.iter().filter(|account| b.binary_search(account).is_ok()).count();
    both as f64 / a.len().min(b.len()).max(1) as f64
}
