//! Cluster identity: the same campaign keeps its id while members come and go, and is published once.

use serde::{Deserialize, Serialize};

use crate::{cluster::Finding, hash::hash_strs, history::AccountId, post::Millis, ties::Groups};

/// A candidate that has passed, as it stands at a tick.
#[derive(Debug, Clone)]
pub(crate) struct Passed {
    pub candidate: u32,
    pub finding: Finding,
    /// Evidence without the best source, nats; the total for any other than a coordinated finding.
    pub strength: f64,
    /// Proposed by several bursts together, which may be of several campaigns that met on one popular key.
    pub wide: bool,
    /// Members that pass the member test with their ln e-values, in order of their numbers.
    pub members: Vec<(AccountId, f64)>,
}

/// One campaign: candidates whose named members overlap.
#[derive(Debug, Clone)]
pub(crate) struct Campaign {
    pub finding: Finding,
    /// Candidates behind it, the strongest first. All of its own finding.
    pub candidates: Vec<u32>,
    /// Named members with the best of their ln e-values, in order of their numbers.
    pub members: Vec<(AccountId, f64)>,
    strength: f64,
}

/// Unites candidates whose named members overlap by `same_campaign` of the smaller one.
///
/// A wide candidate over others that have no member in common, not even through a third, is a bridge between campaigns and left out.
/// A candidate that overlaps one of a better finding is its shadow: it adds no member and is not told apart.
pub(crate) fn campaigns(mut passed: Vec<Passed>, same_campaign: f64) -> Vec<Campaign> {
    passed.sort_by(|x, y| y.strength.total_cmp(&x.strength).then(x.candidate.cmp(&y.candidate)));
    let mut bridges = bridges(&passed, same_campaign).into_iter();
    passed.retain(|_| bridges.next() == Some(false));
    let mut groups = Groups::default();
    for i in 0..passed.len() {
        for j in 0..i {
            if overlap(&passed[i].members, &passed[j].members) >= same_campaign {
                groups.join(j as u32, i as u32, usize::MAX);
            }
        }
    }
    let mut grouped = vec![false; passed.len()];
    let mut sets = groups.sets(1);
    sets.iter().flatten().for_each(|&i| grouped[i as usize] = true);
    sets.extend((0..passed.len()).filter(|&i| !grouped[i]).map(|i| vec![i as u32]));
    let mut campaigns: Vec<Campaign> = sets
        .into_iter()
        .map(|set| {
            let all = || set.iter().map(|&i| &passed[i as usize]);
            let finding = all().map(|p| p.finding).min().unwrap_or(Finding::Faded);
            let mut members: Vec<(AccountId, f64)> =
                all().filter(|p| p.finding == finding).flat_map(|p| p.members.iter().copied()).collect();
            members.sort_by(|x, y| x.0.cmp(&y.0).then(y.1.total_cmp(&x.1)));
            members.dedup_by_key(|m| m.0);
            Campaign {
                finding,
                candidates: all().filter(|p| p.finding == finding).map(|p| p.candidate).collect(),
                members,
                strength: all().filter(|p| p.finding == finding).map(|p| p.strength).fold(f64::NEG_INFINITY, f64::max),
            }
        })
        .collect();
    campaigns.sort_by(|x, y| {
        x.finding.cmp(&y.finding).then(y.strength.total_cmp(&x.strength)).then(x.candidates.cmp(&y.candidates))
    });
    campaigns
}

/// Which candidates are wide and lie over others that have nothing to do with each other.
fn bridges(passed: &[Passed], same_campaign: f64) -> Vec<bool> {
    let narrow: Vec<usize> =
        (0..passed.len()).filter(|&i| !passed[i].wide && passed[i].finding != Finding::Faded).collect();
    let mut related = Groups::default();
    for (place, &i) in narrow.iter().enumerate() {
        for &j in &narrow[..place] {
            if overlap(&passed[i].members, &passed[j].members) > 0.0 {
                related.join(j as u32, i as u32, usize::MAX);
            }
        }
    }
    let over = |one: &Passed| -> Vec<u32> {
        let under = narrow.iter().filter(|&&i| overlap(&one.members, &passed[i].members) >= same_campaign);
        under.map(|&i| i as u32).collect()
    };
    passed
        .iter()
        .map(|one| {
            let under = if one.wide { over(one) } else { Vec::new() };
            let mut sets: Vec<u32> = under.into_iter().map(|i| related.root(i)).collect();
            sets.sort_unstable();
            sets.dedup();
            sets.len() > 1
        })
        .collect()
}

/// Share of the smaller set that is in both.
fn overlap(a: &[(AccountId, f64)], b: &[(AccountId, f64)]) -> f64 {
    let both = a.iter().filter(|(m, _)| b.binary_search_by_key(m, |(n, _)| *n).is_ok()).count();
    both as f64 / a.len().min(b.len()).max(1) as f64
}

fn jaccard(a: &[(AccountId, f64)], b: &[(AccountId, f64)]) -> f64 {
    let both = a.iter().filter(|(m, _)| b.binary_search_by_key(m, |(n, _)| *n).is_ok()).count();
    both as f64 / (a.len() + b.len() - both).max(1) as f64
}

/// A cluster's identity and what was last said of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub id: String,
    pub version: u32,
    /// Ids of clusters that became part of this one, in order.
    pub lineage: Vec<String>,
    finding: Finding,
    members: Vec<(AccountId, f64)>,
    strength: f64,
    /// Became part of another cluster.
    merged: bool,
}

/// All identities ever given.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Identities {
    known: Vec<Identity>,
}

/// Evidence must grow by this factor before a cluster with about the same members is told again ...
const MORE_EVIDENCE: f64 = 1.25;
/// ... and these are about the same members: Jaccard similarity to those last told. Members on the verge of passing come and go
/// with every evaluation, and a reader is not to be told each time.
const SAME_MEMBERS: f64 = 0.8;

impl Identities {
    /// Gives each campaign its identity and returns those of which there is something new to say, as places in `campaigns`; all of
    /// them the `last` time.
    pub(crate) fn update(
        &mut self,
        campaigns: &[Campaign],
        same_campaign: f64,
        now: Millis,
        last: bool,
        name: impl Fn(AccountId) -> String,
    ) -> Vec<(usize, Identity)> {
        let mut taken = vec![false; self.known.len()];
        let mut news = Vec::new();
        for (place, campaign) in campaigns.iter().enumerate() {
            let matching: Vec<usize> = (0..taken.len())
                .filter(|&i| {
                    !taken[i]
                        && !self.known[i].merged
                        && overlap(&self.known[i].members, &campaign.members) >= same_campaign
                })
                .collect();
            // The oldest identity goes on; the others are absorbed.
            let Some((&oldest, absorbed)) = matching.split_first() else {
                let identity = Identity {
                    id: self.new_id(campaign, now, &name),
                    version: 1,
                    lineage: Vec::new(),
                    finding: campaign.finding,
                    members: campaign.members.clone(),
                    strength: campaign.strength,
                    merged: false,
                };
                self.known.push(identity.clone());
                news.push((place, identity));
                continue;
            };
            taken[oldest] = true;
            let mut lineage = Vec::new();
            for &other in absorbed {
                taken[other] = true;
                self.known[other].merged = true;
                lineage.push(self.known[other].id.clone());
            }
            let identity = &mut self.known[oldest];
            let same_members = jaccard(&identity.members, &campaign.members) > SAME_MEMBERS;
            if !last
                && lineage.is_empty()
                && same_members
                && identity.finding == campaign.finding
                && campaign.strength < identity.strength * MORE_EVIDENCE
            {
                continue;
            }
            identity.lineage.extend(lineage);
            identity.version += 1;
            identity.finding = campaign.finding;
            identity.members.clone_from(&campaign.members);
            identity.strength = campaign.strength;
            news.push((place, identity.clone()));
        }
        news
    }

    /// Named by what it was born with, so that the same posts always give the same id.
    fn new_id(&self, campaign: &Campaign, now: Millis, name: impl Fn(AccountId) -> String) -> String {
        let mut members: Vec<String> = campaign.members.iter().map(|(m, _)| name(*m)).collect();
        members.sort_unstable();
        let members: Vec<&str> = members.iter().map(String::as_str).collect();
        let mut seed = now as u64;
        loop {
            let id = format!("c-{:016x}", hash_strs(seed, &members));
            if self.known.iter().all(|known| known.id != id) {
                return id;
            }
            seed = seed.wrapping_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(candidate: u32, finding: Finding, strength: f64, members: &[u32]) -> Passed {
        Passed { candidate, finding, strength, wide: false, members: members.iter().map(|&m| (m, strength)).collect() }
    }

    fn members(campaign: &Campaign) -> Vec<u32> {
        campaign.members.iter().map(|m| m.0).collect()
    }

    #[test]
    fn overlapping_candidates_are_one_campaign() {
        let found = campaigns(
            vec![
                passed(0, Finding::Coordinated, 20.0, &[1, 2, 3, 4]),
                passed(1, Finding::Coordinated, 30.0, &[3, 4, 5]),
                passed(2, Finding::Coordinated, 10.0, &[7, 8, 9]),
                passed(3, Finding::SingleSource, 90.0, &[1, 2, 6]),
            ],
            0.5,
        );
        assert_eq!(found.len(), 2);
        assert_eq!(members(&found[0]), [1, 2, 3, 4, 5], "the shadow's member 6 is not named");
        assert_eq!(found[0].candidates, [1, 0]);
        assert_eq!(found[0].members[2], (3, 30.0));
        assert_eq!(members(&found[1]), [7, 8, 9]);
    }

    #[test]
    fn a_wide_candidate_does_not_bridge_two_campaigns() {
        let found = |narrow: &[&[u32]], wide: &[u32]| -> Vec<Vec<u32>> {
            let all =
                narrow.iter().enumerate().map(|(i, m)| passed(i as u32, Finding::Coordinated, 20.0 + i as f64, m));
            let wide = Passed { wide: true, ..passed(9, Finding::Coordinated, 90.0, wide) };
            campaigns(all.chain([wide]).collect(), 0.5).iter().map(members).collect()
        };
        assert_eq!(found(&[&[1, 2, 3], &[7, 8, 9]], &[1, 2, 3, 7, 8, 9]), [[7, 8, 9], [1, 2, 3]]);
        assert_eq!(found(&[&[1, 2, 3], &[7, 8, 9]], &[1, 2, 3, 4]), [vec![1, 2, 3, 4], vec![7, 8, 9]]);
        let parts: [&[u32]; 3] = [&[1, 2, 3], &[3, 4, 5, 6, 7], &[7, 8, 9]];
        assert_eq!(found(&parts, &[1, 2, 3, 4, 5, 6, 7, 8, 9]), [[1, 2, 3, 4, 5, 6, 7, 8, 9]], "one campaign in parts");
    }

    #[test]
    fn an_identity_lasts_while_members_come_and_go() {
        let mut known = Identities::default();
        let name = |m: u32| m.to_string();
        let mut see = |now, sets: &[&[u32]]| -> Vec<(String, u32, Vec<String>)> {
            let all = sets.iter().enumerate().map(|(i, s)| passed(i as u32, Finding::Coordinated, 20.0, s)).collect();
            let found = campaigns(all, 0.5);
            let news = known.update(&found, 0.5, now, false, name);
            news.into_iter().map(|(_, i)| (i.id, i.version, i.lineage)).collect()
        };
        let first = see(1, &[&[1, 2, 3, 4], &[11, 12, 13]]);
        let (a, b) = (first[0].0.clone(), first[1].0.clone());
        assert_ne!(a, b);
        assert_eq!(see(2, &[&[1, 2, 3, 4], &[11, 12, 13]]), [], "nothing new to say");
        assert_eq!(see(3, &[&[2, 3, 4, 5], &[11, 12, 13]]), [(a.clone(), 2, vec![])], "one left, one joined");
        assert_eq!(see(4, &[&[2, 3, 4, 11, 12, 13]]), [(a.clone(), 3, vec![b])]);
        let split = see(5, &[&[2, 3, 4], &[11, 12, 13]]);
        assert_eq!(split.len(), 2, "a split-off part is a new cluster");
        assert!(split.iter().any(|s| s.0 == a));
    }

    #[test]
    fn what_has_faded_is_told_once_and_names_nobody_beside_a_standing_candidate() {
        let mut known = Identities::default();
        let mut see = |now, finding| {
            let all = vec![passed(0, finding, 20.0, &[1, 2, 3]), passed(1, Finding::Faded, 1.0, &[7, 8, 9])];
            let found = campaigns(all, 0.5);
            let news = known.update(&found, 0.5, now, false, |m| m.to_string());
            news.into_iter().map(|(place, i)| (found[place].finding, i.version)).collect::<Vec<_>>()
        };
        assert_eq!(see(1, Finding::Coordinated), [(Finding::Coordinated, 1), (Finding::Faded, 1)]);
        assert_eq!(see(2, Finding::Coordinated), []);
        assert_eq!(see(3, Finding::Faded), [(Finding::Faded, 2)]);
        assert_eq!(see(4, Finding::Faded), []);
        let shadow = campaigns(
            vec![passed(0, Finding::Coordinated, 20.0, &[1, 2, 3]), passed(1, Finding::Faded, 1.0, &[2, 3, 4])],
            0.5,
        );
        assert_eq!((shadow.len(), members(&shadow[0])), (1, vec![1, 2, 3]));
    }
}
