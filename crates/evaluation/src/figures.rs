//! The figures of one run, and those of many seeds together.

mod summary;

use std::collections::{BTreeMap, BTreeSet};

use coordination::Millis;
use messages::cluster::Status;
use serde::Serialize;
use simulator::{AccountKey, Label, Truth};

use crate::{
    found::{Found, FoundCluster, State},
    truth::Groups,
};

pub use summary::{Delay, PublishedSummary, Summary};

/// Which clusters count as published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    /// Coordinated by the statistics, whatever the model's verdict.
    Coordinated,
    /// Coordinated, and inauthentic by the model.
    Flagged,
}

impl Column {
    fn takes(self, status: Status) -> bool {
        match self {
            Column::Coordinated => matches!(status, Status::Coordinated | Status::Flagged),
            Column::Flagged => status == Status::Flagged,
        }
    }

    /// The states that count, by time.
    fn states(self, cluster: &FoundCluster) -> impl DoubleEndedIterator<Item = &State> {
        cluster.states.iter().filter(move |state| self.takes(state.status))
    }
}

/// The figures of one method on one world and seed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Run {
    /// The seed.
    pub seed: u64,
    /// Posts of the world.
    pub posts: u64,
    /// Accounts that posted.
    pub accounts: u64,
    /// Hypotheses tested, if the method tests any.
    pub candidates_tested: Option<u64>,
    /// Clusters published as coordinated, whatever the model's verdict.
    pub coordinated: Published,
    /// Clusters published as flagged: coordinated, and inauthentic by the model. `None` if the
    /// method has no model.
    pub flagged: Option<Published>,
    /// Clusters that never had a higher status than single-source.
    pub single_source: Tally,
    /// Pairs of accounts, if the method publishes any.
    pub pairs: Option<Pairs>,
    /// The campaigns that acted.
    pub campaigns: Vec<CampaignFigures>,
}

/// Clusters, and the number of false ones: those with fewer than half of their accounts in one
/// campaign.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Clusters.
    pub clusters: u64,
    /// False ones among them.
    #[serde(rename = "false")]
    pub wrong: u64,
}

impl Tally {
    fn add(&mut self, right: bool) {
        self.clusters += 1;
        self.wrong += u64::from(!right);
    }
}

/// Pairs of accounts that the method reports as acting together, and the number of false ones:
/// those that are not both in one campaign.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Pairs {
    /// Pairs.
    pub flagged: u64,
    /// False ones among them.
    #[serde(rename = "false")]
    pub wrong: u64,
}

/// The published clusters.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Published {
    /// Every cluster ever published, each in its last published state, even if it faded or was
    /// absorbed later.
    pub ever: Tally,
    /// Those that are active at the end of the stream.
    pub standing: Tally,
    /// The groups of the false ones: for each, the group that most of its accounts are in.
    pub false_groups: BTreeMap<String, u64>,
    /// Accounts named by any of them.
    pub accounts: u64,
    /// Accounts among those that belong to a campaign.
    pub accounts_right: u64,
    /// The other accounts, by kind: the kind of the innocent group in which they were planted, or
    /// `crowd`. Every kind of the world is listed.
    pub innocents: BTreeMap<String, Innocents>,
}

/// Accounts of one kind that are in no campaign.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Innocents {
    /// Accounts that posted.
    pub accounts: u64,
    /// Accounts that a published cluster names, by mistake or because they do act together.
    pub named: u64,
}

/// The results for one campaign.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CampaignFigures {
    /// Its name.
    pub name: String,
    /// Actions with at least one participant.
    pub actions: u64,
    /// Accounts that took part in at least one action.
    pub accounts: u64,
    /// Results for coordinated clusters.
    pub coordinated: Detection,
    /// Results for flagged clusters.
    pub flagged: Detection,
}

/// Whether a campaign was found, and when.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Detection {
    /// Its accounts that were named.
    pub accounts: u64,
    /// Whether a published cluster belongs to the campaign.
    pub found: bool,
    /// Actions that had begun when a cluster of the campaign was first published; `None` if the
    /// method needs all posts first.
    pub delay_actions: Option<u64>,
    /// Event time from the first action until then, hours.
    pub delay_hours: Option<f64>,
}

impl Run {
    /// Compares the findings with the truth.
    pub fn measure(found: &Found, truth: &Truth, seed: u64) -> Run {
        let groups = Groups::new(truth);
        let (coordinated, named) = published(found, truth, &groups, Column::Coordinated);
        let (flagged, named_flagged) = published(found, truth, &groups, Column::Flagged);
        let mut single_source = Tally::default();
        for cluster in &found.clusters {
            let last = cluster.states.iter().rev().find(|state| state.status == Status::SingleSource);
            if let Some(state) = last
                && Column::Coordinated.states(cluster).next().is_none()
            {
                single_source.add(groups.of(&state.accounts).campaign);
            }
        }
        let mut campaigns = Vec::new();
        for campaign in &truth.campaigns {
            let actions: Vec<Millis> =
                campaign.actions.iter().filter(|a| !a.participants.is_empty()).map(|a| a.at).collect();
            let acted: BTreeSet<&AccountKey> = campaign
                .actions
                .iter()
                .flat_map(|action| &action.participants)
                .filter_map(|place| campaign.members.get(*place as usize))
                .collect();
            if acted.is_empty() {
                continue;
            }
            let detection = |named: &BTreeSet<&AccountKey>, column| Detection {
                accounts: acted.intersection(named).count() as u64,
                ..detection(found, &groups, column, &campaign.name, &actions)
            };
            campaigns.push(CampaignFigures {
                name: campaign.name.clone(),
                actions: actions.len() as u64,
                accounts: acted.len() as u64,
                coordinated: detection(&named, Column::Coordinated),
                flagged: detection(&named_flagged, Column::Flagged),
            });
        }
        Run {
            seed,
            posts: found.posts,
            accounts: truth.accounts.len() as u64,
            candidates_tested: found.candidates_tested,
            coordinated,
            flagged: found.judged.then_some(flagged),
            single_source,
            pairs: found.pairs.as_ref().map(|pairs| {
                let campaigns: Vec<Option<&str>> = found.accounts.iter().map(|a| groups.campaign(a)).collect();
                let of = |account: u32| campaigns.get(account as usize).copied().flatten();
                let wrong = pairs.iter().filter(|(a, b)| of(*a).is_none() || of(*a) != of(*b));
                Pairs { flagged: pairs.len() as u64, wrong: wrong.count() as u64 }
            }),
            campaigns,
        }
    }
}

fn published<'f>(
    found: &'f Found,
    truth: &Truth,
    groups: &Groups<'_>,
    column: Column,
) -> (Published, BTreeSet<&'f AccountKey>) {
    let mut figures = Published::default();
    let mut named = BTreeSet::new();
    for cluster in &found.clusters {
        let Some(last) = column.states(cluster).next_back() else { continue };
        let origin = groups.of(&last.accounts);
        figures.ever.add(origin.campaign);
        if cluster.stands && cluster.states.last().is_some_and(|state| column.takes(state.status)) {
            figures.standing.add(origin.campaign);
        }
        if !origin.campaign {
            *figures.false_groups.entry(origin.group.to_owned()).or_insert(0) += 1;
        }
        named.extend(&last.accounts);
    }
    figures.accounts = named.len() as u64;
    figures.accounts_right = named.iter().filter(|account| groups.campaign(account).is_some()).count() as u64;
    for account in &truth.accounts {
        if let Some(kind) = groups.innocent(&account.account).filter(|_| account.label != Label::Inauthentic) {
            let of_kind = figures.innocents.entry(kind.to_owned()).or_default();
            of_kind.accounts += 1;
            of_kind.named += u64::from(named.contains(&account.account));
        }
    }
    (figures, named)
}

fn detection(found: &Found, groups: &Groups<'_>, column: Column, name: &str, actions: &[Millis]) -> Detection {
    let is_its = |state: &State| {
        let origin = groups.of(&state.accounts);
        origin.campaign && origin.group == name
    };
    let mut detection = Detection::default();
    let mut first: Option<Millis> = None;
    for cluster in &found.clusters {
        detection.found |= column.states(cluster).next_back().is_some_and(is_its);
        let at = column.states(cluster).find(|state| is_its(state)).and_then(|state| state.at);
        first = first.into_iter().chain(at).min();
    }
    if let (true, Some(at), Some(begin)) = (detection.found, first, actions.iter().min()) {
        detection.delay_actions = Some(actions.iter().filter(|action| **action <= at).count() as u64);
        detection.delay_hours = Some((at - begin) as f64 / 3_600_000.0);
    }
    detection
}

/// Kinds with a named account, as text.
pub(crate) fn innocents(by_kind: &BTreeMap<String, Innocents>) -> String {
    let named = by_kind.iter().filter(|(_, of)| of.named > 0);
    named.map(|(kind, of)| format!("{kind} {} of {}", of.named, of.accounts)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Estimate;
    use simulator::{AccountTruth, ActionTruth, GroupTruth, Mode};

    const HOUR: Millis = 3_600_000;

    fn accounts(ids: &str) -> Vec<AccountKey> {
        ids.chars().map(|id| AccountKey { platform: "x".to_owned(), account_id: id.to_string() }).collect()
    }

    fn action(hour: Millis, participants: &[u32]) -> ActionTruth {
        ActionTruth {
            at: hour * HOUR,
            mode: Mode::Url,
            keys: Vec::new(),
            source: String::new(),
            participants: participants.to_vec(),
            acts: Vec::new(),
        }
    }

    fn group(name: &str, ids: &str, actions: Vec<ActionTruth>) -> GroupTruth {
        GroupTruth { name: name.to_owned(), label: Label::Inauthentic, members: accounts(ids), actions }
    }

    /// Campaign `one` acts four times (d never does), `two` twice, `idle` not at all.
    fn truth() -> Truth {
        Truth {
            campaigns: vec![
                group("one", "abcd", vec![action(1, &[0, 1, 2]), action(2, &[0, 1]), action(5, &[1]), action(9, &[2])]),
                group("two", "ef", vec![action(3, &[0, 1]), action(4, &[])]),
                group("idle", "gh", vec![action(3, &[])]),
            ],
            ..Truth::default()
        }
    }

    fn cluster(id: &str, stands: bool, states: &[(Millis, Status, &str)]) -> FoundCluster {
        let states = states
            .iter()
            .map(|(hour, status, ids)| State { at: Some(hour * HOUR), status: *status, accounts: accounts(ids) })
            .collect();
        FoundCluster { id: id.to_owned(), states, stands }
    }

    #[test]
    fn a_run_by_hand() {
        let found = Found {
            clusters: vec![
                // Coordinated at hour 5, flagged at hour 9, faded at the end.
                cluster(
                    "1",
                    false,
                    &[
                        (3, Status::SingleSource, "abc"),
                        (5, Status::Coordinated, "ab"),
                        (9, Status::Flagged, "abz"),
                        (10, Status::Faded, "abz"),
                    ],
                ),
                cluster("2", true, &[(6, Status::Coordinated, "exyz")]),
                cluster("3", true, &[(6, Status::SingleSource, "efx"), (7, Status::SingleSource, "exyz")]),
            ],
            posts: 100,
            candidates_tested: Some(20),
            judged: true,
            pairs: Some(vec![(0, 1), (0, 2), (0, 3)]),
            accounts: accounts("abex"),
        };
        let run = Run::measure(&found, &truth(), 7);
        assert_eq!(run.coordinated.ever, Tally { clusters: 2, wrong: 1 });
        assert_eq!(run.coordinated.standing, Tally { clusters: 1, wrong: 1 });
        assert_eq!(run.coordinated.false_groups, BTreeMap::from([("crowd".to_owned(), 1)]));
        // abz and exyz: of a, b, e, x, y, z three belong to a campaign.
        assert_eq!((run.coordinated.accounts, run.coordinated.accounts_right), (6, 3));
        let flagged = run.flagged.as_ref().unwrap();
        assert_eq!((flagged.ever, flagged.standing), (Tally { clusters: 1, wrong: 0 }, Tally::default()));
        assert_eq!(run.single_source, Tally { clusters: 1, wrong: 1 });
        assert_eq!(run.pairs, Some(Pairs { flagged: 3, wrong: 2 }));
        let names: Vec<(&str, u64, u64)> =
            run.campaigns.iter().map(|c| (c.name.as_str(), c.actions, c.accounts)).collect();
        assert_eq!(names, [("one", 4, 3), ("two", 1, 2)]);
        let delayed = |accounts, actions, hours| Detection {
            accounts,
            found: true,
            delay_actions: Some(actions),
            delay_hours: Some(hours),
        };
        assert_eq!(run.campaigns[0].coordinated, delayed(2, 3, 4.0));
        assert_eq!(run.campaigns[0].flagged, delayed(2, 4, 8.0));
        assert_eq!(run.campaigns[1].coordinated, Detection { accounts: 1, ..Detection::default() });

        let summary = Summary::of(&[run.clone(), run]);
        let published = summary.coordinated.unwrap();
        let value = |estimate: Option<Estimate>| estimate.unwrap().value;
        assert_eq!(value(published.false_share), 0.5);
        assert_eq!(value(published.seeds_with_false), 1.0);
        assert_eq!(value(published.false_of_tested), 2.0 / 40.0);
        assert_eq!(value(published.precision), 0.5);
        assert_eq!(value(published.recall), 3.0 / 5.0);
        assert_eq!((value(published.campaigns), published.campaigns_acted), (0.5, 4));
        assert_eq!(published.delay.map(|delay| (delay.actions_median, delay.hours_p90)), Some((3.0, 4.0)));
        assert_eq!((summary.seeds, summary.posts, summary.pairs), (2, 200, Some(Pairs { flagged: 6, wrong: 4 })));
    }

    #[test]
    fn innocents_are_told_by_kind() {
        let fans = GroupTruth { label: Label::Fandom, ..group("fans", "uvw", Vec::new()) };
        // The campaign's voice is in no list of members, and is not innocent.
        let all = [
            ("abcdefgh", Label::Inauthentic),
            ("uvw", Label::Fandom),
            ("xyz", Label::Organic),
            ("o", Label::Inauthentic),
        ];
        let account = |(ids, label): (&str, Label)| {
            let known = |account| AccountTruth { account, label, group: None, posts: 1 };
            accounts(ids).into_iter().map(known).collect::<Vec<_>>()
        };
        let truth = Truth { accounts: all.into_iter().flat_map(account).collect(), lookalikes: vec![fans], ..truth() };
        let found = Found {
            clusters: vec![
                cluster("1", true, &[(1, Status::Flagged, "abu"), (2, Status::Coordinated, "abuvo")]),
                cluster("2", true, &[(1, Status::SingleSource, "wxyz")]),
                cluster("3", false, &[(1, Status::Coordinated, "xuv"), (2, Status::Faded, "xuv")]),
            ],
            judged: true,
            ..Found::default()
        };
        let run = Run::measure(&found, &truth, 1);
        let of = |named: [u64; 2]| {
            let kinds = ["crowd", "fandom"].map(str::to_owned).into_iter();
            kinds.zip(named.map(|named| Innocents { accounts: 3, named })).collect::<BTreeMap<_, _>>()
        };
        assert_eq!(run.coordinated.innocents, of([1, 2]));
        assert_eq!(run.flagged.as_ref().unwrap().innocents, of([0, 1]));
        let summary = Summary::of(&[run.clone(), run]).coordinated.unwrap();
        assert_eq!(summary.innocents["fandom"], Innocents { accounts: 6, named: 4 });
        assert_eq!(innocents(&summary.innocents), "crowd 2 of 6, fandom 4 of 6");
        assert_eq!(innocents(&of([0, 1])), "fandom 1 of 3");
    }

    #[test]
    fn nothing_found_is_no_proportion() {
        let found = Found { candidates_tested: Some(9), ..Found::default() };
        let summary = Summary::of(&[Run::measure(&found, &truth(), 1)]);
        let published = summary.coordinated.unwrap();
        assert_eq!((published.false_share, published.precision, published.delay), (None, None, None));
        assert_eq!(published.recall.unwrap().value, 0.0);
        assert_eq!(published.campaigns.unwrap().value, 0.0);
        assert_eq!(published.seeds_with_false.unwrap().value, 0.0);
        assert!(summary.flagged.is_none() && summary.pairs.is_none());
    }

    #[test]
    fn on_a_world_with_nothing_planted_every_cluster_is_false() {
        let found = Found { clusters: vec![cluster("1", true, &[(1, Status::Flagged, "abc")])], ..Found::default() };
        let summary = Summary::of(&[Run::measure(&found, &Truth::default(), 1)]);
        let published = summary.coordinated.unwrap();
        assert_eq!(published.false_share.unwrap().value, 1.0);
        assert_eq!((published.recall, published.campaigns, published.campaigns_acted), (None, None, 0));
    }
}
