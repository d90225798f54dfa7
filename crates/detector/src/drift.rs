//! The recently judged clusters, to be compared with the training data of the model.
//!
//! Training has two rows of every coordinated cluster: its first and its last report. The window
//! has the same two of the most recently reported clusters, so that differences come from the
//! clusters and not from the way of counting. A cluster counts once, however often it is reported.

use std::collections::BTreeMap;

use scoring::{Model, drift::Drift, features};
use serde::{Deserialize, Serialize};

/// Clusters in the window.
const CLUSTERS: usize = 500;

/// The most recently reported coordinated clusters.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Window {
    /// The feature list of the values.
    features: String,
    clusters: BTreeMap<String, ReportedCluster>,
    /// Number of reports so far.
    turn: u64,
}

/// A cluster in the window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct ReportedCluster {
    /// Number of its last report.
    turn: u64,
    /// Its features in its first report.
    first: Vec<Option<f64>>,
    /// Its features in its last report, if there were several.
    last: Option<Vec<Option<f64>>>,
}

impl Window {
    /// Adds a report of a coordinated cluster with these features.
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

    /// Restores the window after a restart; empty if the feature list has changed since.
    pub(crate) fn again(self) -> Window {
        if self.features == features::schema_hash() { self } else { Window::default() }
    }

    pub(crate) fn clusters(&self) -> usize {
        self.clusters.len()
    }

    /// How far the window differs from the model's training data; `None` if that is not known or
    /// the window has too few clusters. Scores are those of this model, whichever model was in
    /// service at the report.
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
