//! One labelled cluster or account: its features and its origin.

use std::collections::BTreeMap;

use coordination::Cluster;

use crate::features::{self, SuspectAccount};

/// The label of a row, as text.
pub(crate) const INAUTHENTIC: &str = "inauthentic";
pub(crate) const ORGANIC: &str = "organic";

/// Who labelled a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LabelSource {
    /// The simulator, which planted it.
    Simulator,
    /// The labels of a collection of real posts.
    Posts,
    /// A platform partner's feedback.
    Partner,
    /// A reviewer's verdict.
    Reviewer,
}

impl LabelSource {
    /// All of them.
    pub const ALL: [LabelSource; 4] =
        [LabelSource::Simulator, LabelSource::Posts, LabelSource::Partner, LabelSource::Reviewer];

    /// The name in a dataset.
    pub fn name(self) -> &'static str {
        match self {
            LabelSource::Simulator => "simulator",
            LabelSource::Posts => "posts",
            LabelSource::Partner => "partner",
            LabelSource::Reviewer => "reviewer",
        }
    }
}

/// Origin of a labelled cluster: everything known about it except its features. No model uses any
/// of it; splits and breakdowns do.
#[derive(Debug, Clone, PartialEq)]
pub struct Origin {
    /// Whether the coordination was inauthentic.
    pub inauthentic: bool,
    /// Who labelled it.
    pub label_source: LabelSource,
    /// The weight of the row in a fit; 1 is a row of full trust.
    pub weight: f64,
    /// The campaign, or the organic group, that the cluster belongs to.
    pub campaign: String,
    /// The kind of organic group, for example `fandom`; empty if it is not an organic group or not
    /// known.
    pub benign_class: String,
    /// The simulator's world, or the collection of real posts.
    pub world: String,
    /// The world's seed; 0 for real posts.
    pub seed: u64,
    /// The language of most of its accounts' posts; empty if not known.
    pub language: String,
}

/// A row's fold in each split of its dataset: rows of one fold are held out together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Folds {
    /// All rows of one campaign or organic group are in one fold; there are at most ten folds.
    pub campaign: u32,
    /// A world or collection is a fold.
    pub collection: u32,
    /// By event time within each collection, earliest first: held-out rows are judged by a model
    /// trained on earlier ones.
    pub time: u32,
}

/// One labelled cluster, or one labelled account.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The cluster's id; for an account `platform:account_id`.
    pub cluster_id: String,
    /// Its origin and label.
    pub origin: Origin,
    /// Event time of its last act, ms since the epoch.
    pub at_ms: i64,
    /// Number of accounts.
    pub accounts: u64,
    /// The platform of most of its accounts.
    pub platform: String,
    /// Its fold in each split; [`Dataset::split`](crate::Dataset::split) assigns them.
    pub folds: Folds,
    /// Feature values in the order of the subject's [features](crate::features::Subject::features);
    /// `None` if not known.
    pub values: Vec<Option<f64>>,
}

impl Row {
    /// Computes the features of a labelled cluster with the code that scores in service.
    pub fn new(cluster: &Cluster, origin: Origin) -> Row {
        let mut platforms: BTreeMap<&str, usize> = BTreeMap::new();
        for member in &cluster.members {
            *platforms.entry(&member.account.platform).or_insert(0) += 1;
        }
        // The last name of equally frequent ones.
        let platform = platforms.into_iter().max_by_key(|(_, n)| *n).map_or("", |(name, _)| name);
        Row {
            cluster_id: cluster.id.clone(),
            origin,
            at_ms: cluster.last_seen,
            accounts: cluster.members.len() as u64,
            platform: platform.to_owned(),
            folds: Folds::default(),
            values: features::values(cluster),
        }
    }

    /// Computes the features of a labelled account with the code that ranks accounts in service.
    pub fn of_account(account: &SuspectAccount, origin: Origin) -> Row {
        let name = &account.evidence.account;
        Row {
            cluster_id: format!("{}:{}", name.platform, name.account_id),
            origin,
            at_ms: account.evidence.last_post,
            accounts: 1,
            platform: name.platform.clone(),
            folds: Folds::default(),
            values: features::account_values(account),
        }
    }

    /// Identifies the campaign among all worlds and seeds. It must not be on both sides of a split.
    pub fn campaign_key(&self) -> (&str, u64, &str) {
        (&self.origin.world, self.origin.seed, &self.origin.campaign)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn row(values: Vec<Option<f64>>) -> Row {
        Row {
            cluster_id: "c, \"1\"".into(),
            origin: Origin {
                inauthentic: true,
                label_source: LabelSource::Simulator,
                weight: 0.5,
                campaign: "planted".into(),
                benign_class: String::new(),
                world: "mixed".into(),
                seed: 7,
                language: "de".into(),
            },
            at_ms: 1_400_000_000_000,
            accounts: 12,
            platform: "x".into(),
            folds: Folds { campaign: 3, collection: 1, time: 9 },
            values,
        }
    }
}
