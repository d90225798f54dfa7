//! The random sample of groups that reviewers are asked about: drawn from the dismissed and the
//! unflagged groups too, so that labels exist for more than what the model liked.

use std::collections::BTreeMap;

use messages::cluster::Status;
use messages::feedback::Verdict;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Group, LabelChange, Standing};

/// A part of the groups from which a sample of its own is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stratum {
    /// Flagged by the detector.
    Flagged,
    /// Coordinated, not flagged.
    Coordinated,
    /// Of a single source.
    SingleSource,
    /// Near misses.
    NearMiss,
    /// Dismissed from the watch list by a reviewer.
    Dismissed,
}

impl Stratum {
    /// All of them.
    pub const ALL: [Stratum; 5] =
        [Stratum::Flagged, Stratum::Coordinated, Stratum::SingleSource, Stratum::NearMiss, Stratum::Dismissed];

    /// The name in the database and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Stratum::Flagged => "flagged",
            Stratum::Coordinated => "coordinated",
            Stratum::SingleSource => "single_source",
            Stratum::NearMiss => "near_miss",
            Stratum::Dismissed => "dismissed",
        }
    }

    /// The stratum with this name.
    pub fn from_name(name: &str) -> Option<Stratum> {
        Stratum::ALL.into_iter().find(|stratum| stratum.name() == name)
    }

    /// The stratum of a group. `None` for one that the detector withdrew or that expired.
    pub fn of(group: &Group) -> Option<Stratum> {
        match (group.standing, group.status) {
            (Standing::Gone, _) | (_, Status::Faded) => None,
            (Standing::Dismissed, _) => Some(Stratum::Dismissed),
            (Standing::Flagged, _) | (_, Status::Flagged) => Some(Stratum::Flagged),
            (_, Status::Coordinated) => Some(Stratum::Coordinated),
            (_, Status::SingleSource) => Some(Stratum::SingleSource),
            (_, Status::NearMiss) => Some(Stratum::NearMiss),
        }
    }
}

/// What a reviewer answers about a group of the sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SampleAnswer)]
pub enum Answer {
    /// The accounts hide that they act together.
    Inauthentic,
    /// The accounts are what they seem.
    Authentic,
    /// The evidence does not suffice.
    CannotTell,
}

impl Answer {
    /// All of them.
    pub const ALL: [Answer; 3] = [Answer::Inauthentic, Answer::Authentic, Answer::CannotTell];

    /// The name in the database and in forms.
    pub fn name(self) -> &'static str {
        match self {
            Answer::Inauthentic => "inauthentic",
            Answer::Authentic => "authentic",
            Answer::CannotTell => "cannot_tell",
        }
    }

    /// The answer with this name.
    pub fn from_name(name: &str) -> Option<Answer> {
        Answer::ALL.into_iter().find(|answer| answer.name() == name)
    }

    /// The training label that follows.
    pub fn label(self) -> LabelChange {
        match self {
            Answer::Inauthentic => LabelChange::Give(Verdict::Confirmed),
            Answer::Authentic => LabelChange::Give(Verdict::Rejected),
            Answer::CannotTell => LabelChange::TakeBackOwn,
        }
    }
}

/// What was drawn from one stratum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawn {
    /// The stratum.
    pub stratum: Stratum,
    /// Groups in it at the time of the draw.
    pub population: usize,
    /// The groups drawn, in the order of the draw.
    pub chosen: Vec<String>,
}

impl Drawn {
    /// The inverse of the probability with which each group of the stratum was drawn.
    pub fn weight(&self) -> f64 {
        self.population as f64 / self.chosen.len().max(1) as f64
    }
}

/// Draws at most `most` groups of every stratum, each with the same probability. The same seed,
/// number and groups give the same sample: the order is that of SHA-256 over the seed, the number of
/// the draw and the id, so anybody can repeat it.
pub fn draw(groups: &[(String, Stratum)], seed: u64, number: u32, most: usize) -> Vec<Drawn> {
    let mut strata: BTreeMap<Stratum, Vec<(String, &str)>> = BTreeMap::new();
    for (cluster_id, stratum) in groups {
        let place = Sha256::digest(format!("{seed}\u{1f}{number}\u{1f}{cluster_id}").as_bytes());
        strata.entry(*stratum).or_default().push((text_format::hex(&place), cluster_id));
    }
    strata
        .into_iter()
        .map(|(stratum, mut groups)| {
            groups.sort_unstable();
            let chosen = groups.iter().take(most).map(|(_, id)| (*id).to_owned()).collect();
            Drawn { stratum, population: groups.len(), chosen }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(n: usize) -> Vec<(String, Stratum)> {
        (0..n).map(|i| (format!("c{i}"), Stratum::ALL[i % 3])).collect()
    }

    #[test]
    fn a_draw_can_be_repeated_and_depends_on_seed_and_number_only() {
        let all = groups(300);
        let mut shuffled = all.clone();
        shuffled.reverse();
        assert_eq!(draw(&all, 1, 1, 5), draw(&shuffled, 1, 1, 5));
        assert_ne!(draw(&all, 1, 1, 5), draw(&all, 1, 2, 5));
        assert_ne!(draw(&all, 1, 1, 5), draw(&all, 2, 1, 5));
        let drawn = draw(&all, 1, 1, 5);
        assert_eq!(drawn.len(), 3);
        for stratum in &drawn {
            assert_eq!((stratum.population, stratum.chosen.len(), stratum.weight()), (100, 5, 20.0));
        }
        let few = draw(&groups(6), 1, 1, 5);
        assert!(few.iter().all(|stratum| stratum.chosen.len() == 2 && stratum.weight() == 1.0));
    }

    #[test]
    fn every_group_of_a_stratum_is_drawn_equally_often() {
        let all = groups(60);
        let mut times: BTreeMap<String, u32> = BTreeMap::new();
        for number in 0..2_000 {
            for id in draw(&all, 7, number, 5).into_iter().flat_map(|stratum| stratum.chosen) {
                *times.entry(id).or_default() += 1;
            }
        }
        // 2,000 draws of 5 in 20: 500 each, with a standard deviation of 19.
        assert_eq!(times.len(), 60);
        assert!(times.values().all(|n| (410..590).contains(n)), "{times:?}");
    }
}
