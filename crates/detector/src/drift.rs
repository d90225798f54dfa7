//! What was judged lately, to be held against what the model was trained on.
//!
//! Training has two rows of every coordinated cluster: as it was first told and as it was last. The window has the same of the
//! clusters told last, so that what has changed is the clusters and not the way of counting them. A cluster counts once, however
//! often it is told.

use std::collections::BTreeMap;

use scoring::{Model, drift::Drift, features};
use serde::{Deserialize, Serialize};

/// Clusters in the window.
const CLUSTERS: usize = 500;

/// The coordinated clusters told last.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Window {
    /// The feature list that the values are of.
    features: String,
    clusters: BTreeMap<String, ReportedCluster>,
    /// Counts what was told.
    turn: u64,
}

/// A cluster in the window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct ReportedCluster {
    /// When it was last told.
    turn: u64,
    /// Its features as it was first told.
    first: Vec<Option<f64>>,
    /// As it was last told, where that was more than once.
    last: Option<Vec<Option<f64>>>,
}

impl Window {
    /// A coordinated cluster of these features was told.
    pub(crate) fn add(&mut self, cluster_id: &str, values: Vec<Option<f64>>) {
        self.features = features::schema_hash();
        self.turn += 1;
        let turn = self.turn;
        match self.clusters.get_mut(cluster_id) {
            Some(told) => (told.turn, told.last) = (turn, Some(values)),
            None => {
                self.clusters.insert(cluster_id.to_owned(), ReportedCluster { turn, first: values, last: None });
            }
        }
        if self.clusters.len() > CLUSTERS {
            let oldest = self.clusters.iter().min_by_key(|(_, told)| told.turn).map(|(id, _)| id.clone());
            oldest.and_then(|id| self.clusters.remove(&id));
        }
    }

    /// As it was before a restart; empty where the feature list has changed since.
    pub(crate) fn again(self) -> Window {
        if self.features == features::schema_hash() { self } else { Window::default() }
    }

    pub(crate) fn clusters(&self) -> usize {
        self.clusters.len()
    }

    /// How far it lies from what the model was trained on; `None` where that is not known or there is too little in it. Scores are this
    /// model's, whichever was in service when a cluster was told.
    pub(crate) fn drift(&self, model: &Model) -> Option<Drift> {
        let reference = model.reference()?;
        let values = self.clusters.values().flat_map(|told| std::iter::once(&told.first).chain(&told.last));
        let states: Vec<(&[Option<f64>], f64)> =
            values.map(|values| (values.as_slice(), model.verdict_on(values).score)).collect();
        reference.drift(states.iter().copied(), self.clusters.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(x: f64) -> Vec<Option<f64>> {
        vec![Some(x); features::FEATURES.len()]
    }

    #[test]
    fn a_cluster_is_in_it_as_first_and_as_last_told() {
        let mut window = Window::default();
        for x in [1.0, 2.0, 3.0] {
            window.add("a", values(x));
        }
        let told = &window.clusters["a"];
        assert_eq!((told.first[0], told.last.as_ref().map(|values| values[0])), (Some(1.0), Some(Some(3.0))));
        assert_eq!(window.clusters(), 1);
    }

    #[test]
    fn it_is_bounded_and_forgets_who_was_silent_longest() {
        let mut window = Window::default();
        for n in 0..CLUSTERS {
            window.add(&n.to_string(), values(0.0));
        }
        window.add("0", values(0.0));
        window.add("new", values(0.0));
        assert_eq!(window.clusters(), CLUSTERS);
        assert!(window.clusters.contains_key("0") && !window.clusters.contains_key("1"));
    }

    #[test]
    fn values_of_another_feature_list_are_dropped() {
        let mut window = Window::default();
        window.add("a", values(1.0));
        assert_eq!(window.clone().again(), window);
        let other = Window { features: "another".to_owned(), ..window };
        assert_eq!(other.again(), Window::default());
    }
}
