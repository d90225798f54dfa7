//! The runs of one method on one world, combined over all seeds.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{CampaignFigures, Column, Detection, Innocents, Pairs, Published, Run, Tally};
use crate::stats::{Estimate, bootstrap, median_and_p90, proportion};

/// The runs of one method on one world, over all seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Seeds.
    pub seeds: u64,
    /// Posts of all seeds.
    pub posts: u64,
    /// Hypotheses tested, if the method tests any.
    pub candidates_tested: Option<u64>,
    /// Clusters published as coordinated, whatever the model's verdict.
    pub coordinated: Option<PublishedSummary>,
    /// Clusters published as flagged. `None` if the method has no model.
    pub flagged: Option<PublishedSummary>,
    /// Clusters that never had a higher status than single-source.
    pub single_source: Tally,
    /// Pairs of accounts, if the method publishes any.
    pub pairs: Option<Pairs>,
}

/// The published clusters, over all seeds. Proportions have the interval of Clopper and Pearson,
/// the others a bootstrap over seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PublishedSummary {
    /// Clusters ever published.
    pub ever: Tally,
    /// Those that are active at the end.
    pub standing: Tally,
    /// The groups of the false ones.
    pub false_groups: BTreeMap<String, u64>,
    /// Accounts of no campaign, by kind, and the number of named ones.
    pub innocents: BTreeMap<String, Innocents>,
    /// Share of false clusters among the published ones: the false discovery proportion. `None` if
    /// nothing was published.
    pub false_share: Option<Estimate>,
    /// Share of seeds with any false publication. In a world with nothing planted this is the false
    /// discovery rate, to be compared with the nominal level.
    pub seeds_with_false: Option<Estimate>,
    /// Share of false clusters among the tested hypotheses.
    pub false_of_tested: Option<Estimate>,
    /// Share of accounts of a campaign among the named accounts.
    pub precision: Option<Estimate>,
    /// Share of named accounts among the accounts of campaigns that took part in an action.
    pub recall: Option<Estimate>,
    /// Share of campaigns with a published cluster, among those that acted.
    pub campaigns: Option<Estimate>,
    /// Number of campaigns that acted.
    pub campaigns_acted: u64,
    /// Delay of the found campaigns.
    pub delay: Option<Delay>,
}

/// Delay until the first publication, over the campaigns found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Delay {
    /// Actions begun until the first publication: the median.
    pub actions_median: f64,
    /// The value that nine of ten campaigns do not exceed.
    pub actions_p90: f64,
    /// Hours of event time: the median.
    pub hours_median: f64,
    /// The value that nine of ten campaigns do not exceed.
    pub hours_p90: f64,
}

impl Summary {
    /// The publications of the method, by name: flagged clusters, if it has a model, and
    /// coordinated ones.
    pub fn columns(&self) -> impl Iterator<Item = (&'static str, &PublishedSummary)> {
        let columns = [("flagged", &self.flagged), ("coordinated", &self.coordinated)];
        columns.into_iter().filter_map(|(name, published)| published.as_ref().map(|published| (name, published)))
    }

    /// Combines the seeds of one method on one world.
    pub fn of(runs: &[Run]) -> Summary {
        let tested: Option<u64> = runs.iter().map(|run| run.candidates_tested).sum();
        let pairs: Option<Vec<Pairs>> = runs.iter().map(|run| run.pairs).collect();
        Summary {
            seeds: runs.len() as u64,
            posts: runs.iter().map(|run| run.posts).sum(),
            candidates_tested: tested,
            coordinated: PublishedSummary::of(runs, tested, Column::Coordinated),
            flagged: PublishedSummary::of(runs, tested, Column::Flagged),
            single_source: sum(runs.iter().map(|run| run.single_source)),
            pairs: pairs.map(|pairs| Pairs {
                flagged: pairs.iter().map(|p| p.flagged).sum(),
                wrong: pairs.iter().map(|p| p.wrong).sum(),
            }),
        }
    }
}

/// One column of a run.
struct View<'r> {
    published: &'r Published,
    campaigns: Vec<(&'r CampaignFigures, Detection)>,
}

impl<'r> View<'r> {
    /// `None` if the method has no such column.
    fn of(run: &'r Run, column: Column) -> Option<View<'r>> {
        Some(match column {
            Column::Coordinated => View {
                published: &run.coordinated,
                campaigns: run.campaigns.iter().map(|campaign| (campaign, campaign.coordinated)).collect(),
            },
            Column::Flagged => View {
                published: run.flagged.as_ref()?,
                campaigns: run.campaigns.iter().map(|campaign| (campaign, campaign.flagged)).collect(),
            },
        })
    }
}

impl PublishedSummary {
    /// `None` if the method has no such column.
    fn of(runs: &[Run], tested: Option<u64>, column: Column) -> Option<PublishedSummary> {
        let views: Vec<View<'_>> = runs.iter().map(|run| View::of(run, column)).collect::<Option<_>>()?;
        let ever = sum(views.iter().map(|view| view.published.ever));
        let mut false_groups = BTreeMap::new();
        for (group, n) in views.iter().flat_map(|view| &view.published.false_groups) {
            *false_groups.entry(group.clone()).or_insert(0) += n;
        }
        let mut innocents: BTreeMap<String, Innocents> = BTreeMap::new();
        for (kind, of_seed) in views.iter().flat_map(|view| &view.published.innocents) {
            let of_kind = innocents.entry(kind.clone()).or_default();
            of_kind.accounts += of_seed.accounts;
            of_kind.named += of_seed.named;
        }
        // A ratio of sums over seeds; the bootstrap draws whole seeds.
        let ratio = |part: fn(&View<'_>) -> u64, whole: fn(&View<'_>) -> u64| {
            bootstrap(views.len(), |drawn| {
                let sum = |of: fn(&View<'_>) -> u64| drawn.iter().map(|i| of(&views[*i])).sum::<u64>() as f64;
                let of = sum(whole);
                (of > 0.0).then(|| sum(part) / of)
            })
        };
        let campaigns = || views.iter().flat_map(|view| &view.campaigns).map(|(_, detection)| detection);
        let actions: Vec<f64> = campaigns().filter_map(|d| d.delay_actions).map(|n| n as f64).collect();
        let hours: Vec<f64> = campaigns().filter_map(|d| d.delay_hours).collect();
        let delay = median_and_p90(&actions).zip(median_and_p90(&hours)).map(|(actions, hours)| Delay {
            actions_median: actions.0,
            actions_p90: actions.1,
            hours_median: hours.0,
            hours_p90: hours.1,
        });
        let with_false = views.iter().filter(|view| view.published.ever.wrong > 0).count() as u64;
        Some(PublishedSummary {
            ever,
            standing: sum(views.iter().map(|view| view.published.standing)),
            false_groups,
            innocents,
            false_share: proportion(ever.wrong, ever.clusters),
            seeds_with_false: proportion(with_false, views.len() as u64),
            false_of_tested: tested.and_then(|tested| proportion(ever.wrong.min(tested), tested)),
            precision: ratio(|view| view.published.accounts_right, |view| view.published.accounts),
            recall: ratio(
                |view| view.campaigns.iter().map(|(_, detection)| detection.accounts).sum(),
                |view| view.campaigns.iter().map(|(campaign, _)| campaign.accounts).sum(),
            ),
            campaigns: ratio(
                |view| view.campaigns.iter().filter(|(_, detection)| detection.found).count() as u64,
                |view| view.campaigns.len() as u64,
            ),
            campaigns_acted: campaigns().count() as u64,
            delay,
        })
    }
}

fn sum(tallies: impl Iterator<Item = Tally>) -> Tally {
    tallies.fold(Tally::default(), |sum, tally| Tally {
        clusters: sum.clusters + tally.clusters,
        wrong: sum.wrong + tally.wrong,
    })
}
