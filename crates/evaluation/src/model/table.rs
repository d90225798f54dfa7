//! Figures of models as plain text, for terminals.

use std::fmt;

use super::{Ablation, Contender, ModelReport};
use crate::table::estimate;

impl fmt::Display for ModelReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let synthetic = if self.data.synthetic { "; all of it is synthetic" } else { "" };
        writeln!(f, "{}{synthetic}", self.data.description)?;
        writeln!(
            f,
            "{} states of clusters, {} inauthentic, of {} campaigns and organic groups",
            self.data.rows, self.data.inauthentic, self.data.campaigns
        )?;
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        for contender in &self.contenders {
            write!(f, "\n{contender}")?;
        }
        for comparison in &self.comparisons {
            write!(f, "\n{comparison}")?;
        }
        for ablation in &self.ablations {
            write!(f, "\n{ablation}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = &self.figures;
        writeln!(f, "{}", self.title())?;
        for fold in &self.folds {
            if let Some(why) = &fold.refused {
                writeln!(f, "  {} not judged ({} rows): {why}", fold.name, fold.held_out)?;
            }
        }
        let at = &figures.at_threshold;
        let budget = &figures.at_budget;
        let all = if budget.takes_all { ", which are all there are" } else { "" };
        let lines = [
            ("rows, inauthentic", format!("{}, {}", figures.rows, figures.inauthentic)),
            ("average precision", estimate(figures.average_precision)),
            ("ROC AUC", estimate(figures.roc_auc)),
            ("Brier score", estimate(figures.brier)),
            ("calibration error", estimate(figures.calibration_error)),
            ("clusters flagged, wrongly", format!("{}, {}", at.flagged, at.wrong)),
            ("precision at the threshold", estimate(at.precision)),
            ("recall at the threshold", estimate(at.recall)),
            ("organic clusters flagged", estimate(at.false_positives)),
            ("precision at the budget", estimate(budget.precision)),
            ("  the budget", format!("{}: {:.0} clusters{all}", budget.budget, budget.alerts)),
        ];
        for (name, value) in lines {
            writeln!(f, "  {name:<30}{value}")?;
        }
        for baseline in &self.baselines {
            if let Some(difference) = baseline.average_precision {
                writeln!(
                    f,
                    "  {:<30}{:.3}; average precision higher by {}",
                    baseline.against,
                    difference.against,
                    estimate(Some(difference.difference))
                )?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Ablation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: {}; {} rows, {} inauthentic, of {} campaigns and organic groups",
            self.learner, self.about, self.rows, self.inauthentic, self.campaigns
        )?;
        for variant in &self.variants {
            let difference = variant.difference.map(|d| d.difference);
            writeln!(
                f,
                "  {:<22}{:>3}  AP {:<24} by {:<26} flags {} of {} inauthentic, {} of {} organic{}",
                variant.name,
                variant.features,
                estimate(variant.average_precision),
                estimate(difference),
                variant.found,
                variant.inauthentic,
                variant.wrong,
                variant.organic,
                if variant.refused.is_some() { " (some rows not judged)" } else { "" }
            )?;
        }
        Ok(())
    }
}
