//! What is counted about the watch list.

use casework::watch::{
    Outcome, Outcomes, Standing,
    estimate::{Estimate, Figures},
};
use runtime::metrics::{GaugeVec, IntCounterVec, IntGaugeVec, Label, MetricsError};

const FIGURES: [&str; 2] = ["precision", "recall"];
const BOUNDS: [&str; 3] = ["low", "estimate", "high"];
const ANSWERS: [&str; 3] = ["waiting", "answered", "unclear"];

/// The metrics of the watch list.
#[derive(Clone)]
pub(crate) struct WatchMetrics {
    /// News of groups, and what became of them.
    news: IntCounterVec,
    /// Groups by standing.
    groups: IntGaugeVec,
    /// Groups of the sample by answer.
    sample: IntGaugeVec,
    /// Precision and recall. A figure that is not known has no series.
    flag: GaugeVec,
}

impl WatchMetrics {
    pub fn new(metrics: &runtime::metrics::Metrics) -> Result<Self, MetricsError> {
        let made = Self {
            news: metrics.counters(
                "lockstep_sharing_watch_news_total",
                "News of groups for the watch list, by outcome. added, updated: on the list; known: nothing new; flagged, has_case, withdrawn: \
                 not on the list, or not any more; expired: no news for sharing.watch.days; evicted: the table was full; deleted: it had \
                 left the list long ago; unreadable: kept in clusters.dead-letter.",
                &[Label::listed("outcome", Outcome::ALL.map(Outcome::name))],
            )?,
            groups: metrics.gauges(
                "lockstep_sharing_watch_groups",
                "Groups that are kept for the watch list, by standing. open and watched ones are on the list.",
                &[Label::listed("standing", Standing::ALL.map(Standing::name))],
            )?,
            sample: metrics.gauges(
                "lockstep_sharing_watch_sample",
                "Groups of the sample that reviewers are asked about, by what they answered.",
                &[Label::listed("answer", ANSWERS)],
            )?,
            flag: metrics.float_gauges(
                "lockstep_sharing_watch_estimate",
                "Precision and recall of the flag among the groups that the detector reported, estimated from the sample, with the bounds \
                 of an interval of 95 %. Groups that were never proposed do not count. Absent where there are too few answers.",
                &[Label::listed("figure", FIGURES), Label::listed("bound", BOUNDS)],
            )?,
        };
        for outcome in Outcome::ALL {
            made.news.with_label_values(&[outcome.name()]);
        }
        made.show_groups(&[]);
        made.show_sample(0, 0, 0);
        Ok(made)
    }

    pub fn count(&self, outcomes: &Outcomes) {
        for (outcome, n) in outcomes {
            self.news.with_label_values(&[outcome.name()]).inc_by(*n);
        }
    }

    pub fn show_groups(&self, counts: &[(Standing, i64)]) {
        for standing in Standing::ALL {
            let n = counts.iter().find(|(found, _)| *found == standing).map_or(0, |(_, n)| *n);
            self.groups.with_label_values(&[standing.name()]).set(n);
        }
    }

    pub fn show_sample(&self, waiting: u64, answered: u64, unclear: u64) {
        for (answer, n) in ANSWERS.into_iter().zip([waiting, answered, unclear]) {
            self.sample.with_label_values(&[answer]).set(i64::try_from(n).unwrap_or(i64::MAX));
        }
    }

    pub fn show_figures(&self, figures: &Figures) {
        for (name, estimate) in FIGURES.into_iter().zip([figures.precision, figures.recall]) {
            let Some(Estimate { low, value, high }) = estimate else {
                for bound in BOUNDS {
                    // There was none: nothing to remove.
                    let _ = self.flag.remove_label_values(&[name, bound]);
                }
                continue;
            };
            for (bound, value) in BOUNDS.into_iter().zip([low, value, high]) {
                self.flag.with_label_values(&[name, bound]).set(value);
            }
        }
    }
}
