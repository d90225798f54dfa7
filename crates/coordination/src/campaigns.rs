//! One campaign is reported once: groups of one verdict with overlapping named accounts are one
//! cluster.

use smallvec::SmallVec;

use crate::{accounts::AccountId, cluster::Finding, group::GroupId, hash::Map};

/// A group that has passed, at a tick.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub group: GroupId,
    pub finding: Finding,
    pub flagged: bool,
    /// Evidence without the best source, nats; for other findings than a coordinated one, all
    /// evidence.
    pub strength: f64,
    /// Whether it is mixed: naming finds that too few of its proposed accounts are real members for
    /// it to be merged with others.
    pub mixed: bool,
    /// Named accounts, sorted.
    pub members: Vec<AccountId>,
}

impl Standing {
    /// The better verdict first.
    fn rank(&self) -> (bool, Finding) {
        (!self.flagged, self.finding)
    }
}

/// One campaign.
#[derive(Debug, Clone)]
pub(crate) struct Campaign {
    pub finding: Finding,
    pub flagged: bool,
    /// Its groups, the strongest first. All have one verdict.
    pub groups: Vec<GroupId>,
    /// Accounts that any of them names, sorted.
    pub members: Vec<AccountId>,
}

/// Merges groups of one verdict whose named accounts overlap by `same` of the smaller one.
///
/// A group with this overlap with a cluster of a better verdict is a shadow of it: it adds no name
/// and is not reported separately. The same applies to a mixed group that overlaps with another
/// group of its verdict: a campaign and bystanders together may pass as a group, and the bystanders
/// must not become part of the campaign.
pub(crate) fn campaigns(mut standings: Vec<Standing>, same: f64) -> Vec<Campaign> {
    standings.sort_by(|x, y| {
        let by_verdict = x.rank().cmp(&y.rank()).then(x.mixed.cmp(&y.mixed));
        by_verdict.then(y.strength.total_cmp(&x.strength)).then(x.group.cmp(&y.group))
    });
    let mut campaigns: Vec<Campaign> = Vec::new();
    let (mut in_campaigns, mut in_groups) = (Counts::default(), Counts::default());
    let mut of: Map<AccountId, SmallVec<[u32; 4]>> = Map::default();
    let mut start = 0;
    while start < standings.len() {
        let rank = standings[start].rank();
        let end = start + standings[start..].iter().take_while(|standing| standing.rank() == rank).count();
        let better = campaigns.len();
        // The groups of this verdict that name an account.
        let mut by: Map<AccountId, SmallVec<[u32; 4]>> = Map::default();
        let mut parent: Vec<u32> = Vec::new();
        let mut kept: Vec<&Standing> = Vec::new();
        for standing in &standings[start..end] {
            let least = |other: usize| same * standing.members.len().min(other) as f64;
            let shared = in_campaigns.of(&standing.members, &of);
            if shared.into_iter().any(|(_, both)| f64::from(both) >= same * standing.members.len() as f64) {
                continue;
            }
            let mut alike: Vec<u32> = in_groups
                .of(&standing.members, &by)
                .into_iter()
                .filter(|(other, both)| f64::from(*both) >= least(kept[*other as usize].members.len()))
                .map(|(other, _)| other)
                .collect();
            if standing.mixed && !alike.is_empty() {
                continue;
            }
            alike.sort_unstable();
            let place = kept.len() as u32;
            parent.push(place);
            for other in alike {
                let (x, y) = (root(&parent, place), root(&parent, other));
                parent[x.max(y) as usize] = x.min(y);
            }
            standing.members.iter().for_each(|member| by.entry(*member).or_default().push(place));
            kept.push(standing);
        }
        let mut place_of: Map<u32, usize> = Map::default();
        for (place, standing) in kept.iter().enumerate() {
            let top = root(&parent, place as u32);
            let at = *place_of.entry(top).or_insert_with(|| {
                campaigns.push(Campaign {
                    finding: standing.finding,
                    flagged: standing.flagged,
                    groups: Vec::new(),
                    members: Vec::new(),
                });
                campaigns.len() - 1
            });
            campaigns[at].groups.push(standing.group);
            campaigns[at].members.extend(&standing.members);
        }
        for (place, campaign) in campaigns.iter_mut().enumerate().skip(better) {
            campaign.members.sort_unstable();
            campaign.members.dedup();
            campaign.members.iter().for_each(|member| of.entry(*member).or_default().push(place as u32));
        }
        start = end;
    }
    campaigns
}

/// How many accounts of a group each of some others has, by its place. Nothing between two groups.
#[derive(Default)]
struct Counts(Vec<u32>);

impl Counts {
    /// Those that have any, in no order.
    fn of(&mut self, members: &[AccountId], places: &Map<AccountId, SmallVec<[u32; 4]>>) -> Vec<(u32, u32)> {
        let mut found: Vec<u32> = Vec::new();
        for place in members.iter().filter_map(|member| places.get(member)).flatten() {
            if self.0.len() <= *place as usize {
                self.0.resize(*place as usize + 1, 0);
            }
            let count = &mut self.0[*place as usize];
            if *count == 0 {
                found.push(*place);
            }
            *count += 1;
        }
        found.into_iter().map(|place| (place, std::mem::take(&mut self.0[place as usize]))).collect()
    }
}

fn root(parent: &[u32], mut place: u32) -> u32 {
    while parent[place as usize] != place {
        place = parent[place as usize];
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(group: GroupId, finding: Finding, flagged: bool, strength: f64, members: &[u32]) -> Standing {
        Standing { group, finding, flagged, strength, mixed: false, members: members.to_vec() }
    }

    #[test]
    fn overlapping_groups_of_one_verdict_are_one_campaign() {
        let found = campaigns(
            vec![
                standing(0, Finding::Coordinated, true, 20.0, &[1, 2, 3, 4]),
                standing(1, Finding::Coordinated, true, 30.0, &[3, 4, 5]),
                standing(2, Finding::Coordinated, true, 10.0, &[7, 8, 9]),
                standing(3, Finding::SingleSource, false, 90.0, &[1, 2, 6]),
            ],
            0.5,
        );
        assert_eq!(found.len(), 2, "the shadow's account 6 is not named");
        assert_eq!((&found[0].members[..], &found[0].groups[..]), (&[1, 2, 3, 4, 5][..], &[1, 0][..]));
        assert_eq!(found[1].members, [7, 8, 9]);
    }

    #[test]
    fn a_mixed_group_adds_no_bystanders_and_joins_no_campaigns() {
        let of = |mixed: bool| {
            campaigns(
                vec![
                    Standing { mixed, ..standing(0, Finding::Coordinated, true, 90.0, &[1, 2, 3, 4, 5, 6, 7, 8]) },
                    standing(1, Finding::Coordinated, true, 20.0, &[1, 2, 3]),
                    standing(2, Finding::Coordinated, true, 10.0, &[4, 5, 6]),
                ],
                0.5,
            )
        };
        let members = |mixed: bool| of(mixed).into_iter().map(|campaign| campaign.members).collect::<Vec<_>>();
        assert_eq!(members(false), [[1, 2, 3, 4, 5, 6, 7, 8]]);
        assert_eq!(members(true), [[1, 2, 3], [4, 5, 6]]);
    }

    #[test]
    fn a_coordinated_group_lends_no_names_to_a_flagged_one() {
        let found = campaigns(
            vec![
                standing(0, Finding::Coordinated, true, 20.0, &[1, 2, 3, 4]),
                standing(1, Finding::Coordinated, false, 90.0, &[3, 4, 5, 6]),
                standing(2, Finding::Coordinated, false, 90.0, &[4, 7, 8, 9]),
                standing(3, Finding::Faded, false, 1.0, &[1, 2, 3]),
            ],
            0.5,
        );
        let members: Vec<&[u32]> = found.iter().map(|campaign| &campaign.members[..]).collect();
        assert_eq!(members, [&[1, 2, 3, 4][..], &[4, 7, 8, 9]]);
        assert_eq!((found[0].flagged, found[1].flagged), (true, false));
    }
}
