//! Figures as plain text, for terminals.

use std::fmt;

use crate::{
    figures::{PublishedSummary, Summary, Tally, innocents},
    report::{MethodFigures, PointFigures, Report},
    stats::Estimate,
};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "suite {}, model {}; all figures are synthetic", self.suite, self.model)?;
        for world in &self.worlds {
            for MethodFigures { method, summary, .. } in &world.methods {
                write!(f, "{}, {method}\n{summary}", world.world)?;
            }
        }
        for sweep in &self.sweeps {
            writeln!(
                f,
                "{}, {}: recall of accounts, campaigns found, false clusters of all published",
                sweep.title, sweep.unit
            )?;
            for PointFigures { value, methods } in &sweep.points {
                write!(f, "  {value:>8}")?;
                for MethodFigures { method, summary, .. } in methods {
                    for (name, published) in summary.columns() {
                        let value = |estimate: Option<Estimate>| {
                            estimate.map_or_else(|| "none".to_owned(), |estimate| format!("{:.2}", estimate.value))
                        };
                        let (recall, found) = (value(published.recall), value(published.campaigns));
                        let Tally { clusters, wrong } = published.ever;
                        write!(f, "   {method} {name} {recall} {found} {wrong}/{clusters}")?;
                    }
                }
                writeln!(f)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tested = self.candidates_tested.map_or_else(String::new, |n| format!(", {n} candidates tested"));
        writeln!(f, "  {}, {} posts{tested}", seeds(self.seeds), self.posts)?;
        for (name, published) in self.columns() {
            write!(f, "  {name:<14} {published}")?;
        }
        let single = self.single_source;
        writeln!(f, "  single source  {} clusters, {} false", single.clusters, single.wrong)?;
        if let Some(pairs) = &self.pairs {
            writeln!(f, "  pairs          {} flagged, {} false", pairs.flagged, pairs.wrong)?;
        }
        Ok(())
    }
}

impl fmt::Display for PublishedSummary {
    /// One line, plus one if anything is false and one if innocent accounts are named.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} clusters, {} false", self.ever.clusters, self.ever.wrong)?;
        if self.campaigns_acted > 0 {
            write!(
                f,
                "; accounts: precision {}, recall {}; campaigns found {}",
                estimate(self.precision),
                estimate(self.recall),
                estimate(self.campaigns)
            )?;
        } else {
            write!(f, "; seeds with a false one {}", estimate(self.seeds_with_false))?;
        }
        if let Some(delay) = self.delay {
            write!(f, ", after {} actions and {:.1} h (median)", delay.actions_median, delay.hours_median)?;
        }
        writeln!(f)?;
        if self.ever.wrong > 0 {
            let groups: Vec<String> = self.false_groups.iter().map(|(group, n)| format!("{group} {n}")).collect();
            writeln!(f, "                 false discoveries {}: {}", estimate(self.false_share), groups.join(", "))?;
        }
        let innocents = innocents(&self.innocents);
        if !innocents.is_empty() {
            writeln!(f, "                 innocent accounts named: {innocents}")?;
        }
        Ok(())
    }
}

/// A number of seeds, as text.
pub(crate) fn seeds(n: u64) -> String {
    if n == 1 { "1 seed".to_owned() } else { format!("{n} seeds") }
}

/// An estimate, or `none`.
pub(crate) fn estimate(estimate: Option<Estimate>) -> String {
    estimate.map_or_else(|| "none".to_owned(), |estimate| estimate.to_string())
}
