//! The scoreboard as metrics.

use casework::scoreboard::{Interval, Score};
use runtime::metrics::{IntGaugeVec, Label, MetricsError};

const STATES: [&str; 4] = ["released", "fetched", "acted_on", "disputed"];
const QUANTILES: [&str; 2] = ["0.5", "0.9"];
/// Stands for all partners together; no partner has such a name.
const ALL: &str = "*";

/// The metrics of the scoreboard, of releases of the last 90 days.
#[derive(Clone)]
pub(crate) struct ScoreboardMetrics {
    releases: IntGaugeVec,
    open: IntGaugeVec,
    /// A quantile of nothing has no series.
    seconds: IntGaugeVec,
}

impl ScoreboardMetrics {
    pub fn new(metrics: &runtime::metrics::Metrics) -> Result<Self, MetricsError> {
        let partner = || Label::open("partner", "name of a partner");
        let interval = || Label::listed("interval", Interval::ALL.map(Interval::name));
        Ok(Self {
            releases: metrics.gauges(
                "lockstep_sharing_releases",
                "Cases that were released to a partner in the last 90 days, and what became of them. The page Scoreboard of the console \
                 defines each.",
                &[partner(), Label::listed("state", STATES)],
            )?,
            open: metrics.gauges(
                "lockstep_sharing_release_open",
                "Releases of the last 90 days, or undecided cases, for which an interval has begun and not ended.",
                &[partner(), interval()],
            )?,
            seconds: metrics.gauges(
                "lockstep_sharing_release_seconds",
                "Seconds that an interval took, by quantile (nearest rank), of releases of the last 90 days for which it has ended; \
                 absent if there is none. The partner * is all partners together.",
                &[Label::open("partner", "name of a partner, or *"), interval(), Label::listed("quantile", QUANTILES)],
            )?,
        })
    }

    pub fn show(&self, all: &Score, partners: &[Score]) {
        for vec in [&self.releases, &self.open, &self.seconds] {
            // Of a partner that is gone, and of a quantile that is not known any more, nothing stays.
            vec.reset();
        }
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        for score in partners {
            let Some(name) = &score.partner else { continue };
            for (state, n) in STATES.into_iter().zip([score.released, score.fetched, score.acted_on, score.disputed]) {
                self.releases.with_label_values(&[name, state]).set(number(n));
            }
            for times in &score.times {
                self.open.with_label_values(&[name, times.interval.name()]).set(number(times.open));
            }
        }
        for score in partners.iter().chain([all]) {
            let name = score.partner.as_deref().unwrap_or(ALL);
            for times in &score.times {
                for (quantile, seconds) in QUANTILES.into_iter().zip([times.median_s, times.p90_s]) {
                    if let Some(seconds) = seconds {
                        self.seconds.with_label_values(&[name, times.interval.name(), quantile]).set(seconds);
                    }
                }
            }
        }
    }
}
