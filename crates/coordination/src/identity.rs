//! Cluster identity: a campaign keeps its id when accounts join and leave, and a change is reported
//! once.

use serde::{Deserialize, Serialize};

use crate::{
    accounts::AccountId,
    campaigns::Campaign,
    cluster::Finding,
    hash::{Map, Set, hash_strs},
    params::Params,
    post::{DAY, Millis},
    snapshot::since_8,
};

/// Jaccard similarity from which on a cluster has about the same accounts as in its last report.
/// Then it is reported again only after a day, or after a week if it is not flagged.
const SAME_MEMBERS: f64 = 0.8;

/// The identity of a campaign in a report, in addition to its numbers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Identity {
    pub id: String,
    pub version: u32,
    /// Clusters that became part of this one, sorted.
    pub lineage: Vec<String>,
    /// Clusters that became part of it just now.
    pub absorbed: Vec<String>,
    /// The cluster that it split from.
    pub split_from: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Known {
    id: String,
    version: u32,
    lineage: Vec<String>,
    finding: Finding,
    flagged: bool,
    members: Vec<AccountId>,
    told_at: Millis,
    /// Whether it became part of another cluster.
    absorbed: bool,
    /// The identity that it split from.
    #[serde(deserialize_with = "since_8")]
    split_from: Option<u32>,
}

/// All identities ever given.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Identities {
    known: Vec<Known>,
    /// Identities by the accounts in their last report, without absorbed ones.
    of: Map<AccountId, Vec<u32>>,
    ids: Set<u64>,
}

impl Identities {
    /// Gives each campaign its identity, and returns the indexes in `campaigns` of those with
    /// something new to report; at the end of the stream (`last`), all of them. Any change of a
    /// campaign that is `leaving` is reported, because there is no later time for it.
    pub(crate) fn update(
        &mut self,
        campaigns: &[Campaign],
        params: &Params,
        now: Millis,
        last: bool,
        leaving: impl Fn(&Campaign) -> bool,
        name: impl Fn(AccountId) -> String,
    ) -> Vec<(usize, Identity)> {
        let alike: Vec<Vec<(u32, usize)>> = campaigns.iter().map(|campaign| self.alike(campaign, params)).collect();
        // Each identity goes to the most similar campaign, so that overlapping campaigns do not
        // take identities from each other.
        let mut pairs: Vec<(f64, u32, usize)> = Vec::new();
        for (place, alike) in alike.iter().enumerate() {
            let size = campaigns[place].members.len();
            pairs.extend(alike.iter().map(|&(known, both)| {
                let either = self.known[known as usize].members.len() + size - both;
                (both as f64 / either as f64, known, place)
            }));
        }
        pairs.sort_by(|x, y| y.0.total_cmp(&x.0).then(x.1.cmp(&y.1)).then(x.2.cmp(&y.2)));
        let mut owner: Map<u32, usize> = Map::default();
        let mut has: Set<usize> = Set::default();
        for (_, known, place) in pairs {
            if !owner.contains_key(&known) && has.insert(place) {
                owner.insert(known, place);
            }
        }
        let mut taken: Set<u32> = Set::default();
        let mut news = Vec::new();
        for (place, campaign) in campaigns.iter().enumerate() {
            // Of the identities that belong to this campaign or to none, the oldest continues and
            // the others are absorbed. A campaign that split from an identity that continues
            // elsewhere gets a new one.
            let mine = |known: &u32| owner.get(known).is_none_or(|of| *of == place) && !taken.contains(known);
            let free: Vec<(u32, usize)> = alike[place].iter().filter(|(known, _)| mine(known)).copied().collect();
            let Some((&(oldest, both), absorbed)) = free.split_first() else {
                // Most of its accounts are in an identity that continues: it split from the
                // identity with the most of them, or from the oldest of equal ones.
                let parts = alike[place].iter().filter(|(_, both)| 2 * both > campaign.members.len());
                let split_from = parts.max_by_key(|(known, both)| (*both, std::cmp::Reverse(*known)));
                let id = self.new_id(campaign, now, &name);
                let known = Known {
                    id,
                    version: 1,
                    lineage: Vec::new(),
                    finding: campaign.finding,
                    flagged: campaign.flagged,
                    members: Vec::new(),
                    told_at: now,
                    absorbed: false,
                    split_from: split_from.map(|(known, _)| *known),
                };
                let number = self.known.len() as u32;
                self.known.push(known);
                taken.insert(number);
                self.remember(number, &campaign.members);
                news.push((place, self.identity(number, Vec::new())));
                continue;
            };
            taken.insert(oldest);
            let mut gone = Vec::new();
            for &(other, _) in absorbed {
                taken.insert(other);
                gone.push(self.known[other as usize].id.clone());
                self.forget(other);
                self.known[other as usize].absorbed = true;
            }
            let known = &mut self.known[oldest as usize];
            let either = known.members.len() + campaign.members.len() - both;
            let wait = if campaign.flagged { DAY } else { 7 * DAY };
            let due = now - known.told_at >= wait || leaving(campaign);
            let same = both == either || (both as f64 >= SAME_MEMBERS * either as f64 && !due);
            let verdict = (known.finding, known.flagged) == (campaign.finding, campaign.flagged);
            if same && verdict && gone.is_empty() && !last {
                continue;
            }
            for id in &gone {
                if !known.lineage.contains(id) {
                    known.lineage.push(id.clone());
                }
            }
            known.version += 1;
            known.told_at = now;
            (known.finding, known.flagged) = (campaign.finding, campaign.flagged);
            self.remember(oldest, &campaign.members);
            news.push((place, self.identity(oldest, gone)));
        }
        news
    }

    /// Identities that share at least half of the smaller one's accounts with a campaign, and the
    /// number of shared accounts; the oldest first.
    fn alike(&self, campaign: &Campaign, params: &Params) -> Vec<(u32, usize)> {
        let mut both: Map<u32, usize> = Map::default();
        for member in &campaign.members {
            self.of.get(member).into_iter().flatten().for_each(|known| *both.entry(*known).or_insert(0) += 1);
        }
        let mut alike: Vec<(u32, usize)> = both.into_iter().collect();
        alike.retain(|(known, both)| {
            let smaller = self.known[*known as usize].members.len().min(campaign.members.len());
            *both as f64 >= params.same_campaign * smaller as f64
        });
        alike.sort_unstable();
        alike
    }

    fn identity(&self, number: u32, absorbed: Vec<String>) -> Identity {
        let Known { id, version, lineage, split_from, .. } = &self.known[number as usize];
        let split_from = split_from.map(|number| self.known[number as usize].id.clone());
        Identity { id: id.clone(), version: *version, lineage: lineage.clone(), absorbed, split_from }
    }

    fn remember(&mut self, number: u32, members: &[AccountId]) {
        self.forget(number);
        members.iter().for_each(|member| self.of.entry(*member).or_default().push(number));
        self.known[number as usize].members = members.to_vec();
    }

    fn forget(&mut self, number: u32) {
        for member in std::mem::take(&mut self.known[number as usize].members) {
            if let hashbrown::hash_map::Entry::Occupied(mut of) = self.of.entry(member) {
                of.get_mut().retain(|known| *known != number);
                if of.get().is_empty() {
                    of.remove();
                }
            }
        }
    }

    /// Whether a flagged or coordinated cluster names an account, as last reported.
    pub(crate) fn names(&self, account: AccountId) -> bool {
        let of = self.of.get(&account).into_iter().flatten();
        of.map(|number| &self.known[*number as usize]).any(|known| known.finding == Finding::Coordinated)
    }

    /// The id comes from the accounts with which it was created, so that the same posts always give
    /// the same id.
    fn new_id(&mut self, campaign: &Campaign, now: Millis, name: impl Fn(AccountId) -> String) -> String {
        let mut members: Vec<String> = campaign.members.iter().map(|member| name(*member)).collect();
        members.sort_unstable();
        let members: Vec<&str> = members.iter().map(String::as_str).collect();
        let mut seed = now as u64;
        loop {
            let hash = hash_strs(seed, &members);
            if self.ids.insert(hash) {
                return format!("c-{hash:016x}");
            }
            seed = seed.wrapping_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn campaign(finding: Finding, members: &[u32]) -> Campaign {
        Campaign { finding, flagged: false, groups: vec![0], members: members.to_vec() }
    }

    #[test]
    fn an_identity_lasts_while_accounts_come_and_go() {
        let mut known = Identities::default();
        let params = Params::default();
        let mut splits = Vec::new();
        let mut see = |now, sets: &[&[u32]]| -> Vec<(String, u32, Vec<String>)> {
            let all: Vec<Campaign> = sets.iter().map(|set| campaign(Finding::Coordinated, set)).collect();
            let news = known.update(&all, &params, now, false, |_| false, |m| m.to_string());
            splits.extend(news.iter().filter_map(|(_, i)| Some((i.id.clone(), i.split_from.clone()?))));
            news.into_iter().map(|(_, i)| (i.id, i.version, i.lineage)).collect()
        };
        let first = see(1, &[&[1, 2, 3, 4, 5, 6, 7, 8, 9], &[11, 12, 13]]);
        let (a, b) = (first[0].0.clone(), first[1].0.clone());
        assert_ne!(a, b);
        assert_eq!(see(2, &[&[1, 2, 3, 4, 5, 6, 7, 8, 10], &[11, 12, 13]]), [], "about the same accounts");
        assert_eq!(see(3, &[&[2, 3, 4, 5, 20, 21], &[11, 12, 13]]), [(a.clone(), 2, vec![])]);
        assert_eq!(see(4, &[&[2, 3, 4, 5, 11, 12, 13]]), [(a.clone(), 3, vec![b.clone()])]);
        let split = see(5, &[&[2, 3, 4, 5], &[11, 12, 13]]);
        assert_eq!((split[0].0.as_str(), split[0].1), (a.as_str(), 4));
        assert_ne!(split[1].0, b);
        assert_eq!(see(6, &[&[2, 3, 4, 5], &[11, 12, 13]]), [], "nothing new to say");
        let part = split[1].0.clone();
        assert_eq!(see(7, &[&[2, 3, 4, 5], &[11, 12, 13, 14, 15]])[0].0, part);
        assert_eq!(splits, [(part.clone(), a.clone()), (part, a)], "it says so for life, and nobody else does");
    }

    #[test]
    fn campaigns_that_overlap_keep_their_identities() {
        let mut known = Identities::default();
        let params = Params::default();
        let mut see = |now, sets: &[&[u32]]| -> Vec<(String, u32)> {
            let all: Vec<Campaign> = sets.iter().map(|set| campaign(Finding::Coordinated, set)).collect();
            let news = known.update(&all, &params, now, false, |_| false, |m| m.to_string());
            news.into_iter().map(|(_, i)| (i.id, i.version)).collect()
        };
        let (part, whole): (&[u32], &[u32]) = (&[1, 2, 3, 4], &[1, 2, 3, 4, 5, 6, 7, 8]);
        let first = see(1, &[part]);
        let both = see(2, &[part, whole]);
        assert_eq!(both.len(), 1, "the whole is new beside its part");
        assert_ne!(both[0].0, first[0].0);
        for now in 3..6 {
            assert_eq!(see(now, &[part, whole]), [], "neither takes the other's");
            assert_eq!(see(now, &[whole, part]), [], "in whatever order they come");
        }
        // When one of them is gone, the oldest continues.
        assert_eq!(see(6, &[whole]), [(first[0].0.clone(), 2)]);
    }

    #[test]
    fn a_changed_verdict_is_told_and_what_has_faded_is_told_once() {
        let mut known = Identities::default();
        let params = Params::default();
        let mut see = |finding, flagged| {
            let found = vec![Campaign { flagged, ..campaign(finding, &[1, 2, 3]) }];
            known
                .update(&found, &params, 1, false, |_| false, |m| m.to_string())
                .into_iter()
                .map(|(_, i)| i.version)
                .collect::<Vec<_>>()
        };
        assert_eq!(see(Finding::Coordinated, false), [1]);
        assert_eq!(see(Finding::Coordinated, true), [2]);
        assert_eq!(see(Finding::Coordinated, true), [0u32; 0]);
        assert_eq!(see(Finding::Faded, false), [3]);
        assert_eq!(see(Finding::Faded, false), [0u32; 0]);
    }
}
