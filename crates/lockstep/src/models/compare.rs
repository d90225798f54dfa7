//! `lockstep models compare`: whether one model is better than another.

use std::io::Write;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use evaluation::model::{self, Comparison, ComparisonOutcome, MARGIN};
use scoring::Registry;

use crate::{
    Usage,
    detect::println_json,
    evaluate::model::{Clusters, Stored},
};

/// Compares a model with another, on labelled clusters that neither was trained on
///
/// Both models score the same clusters. Differences of average precision, Brier score and flagged
/// clusters have intervals from the same resamples of campaigns. The last line is the outcome:
///   better        the interval of average precision is above 0, and no other interval shows
///                 that the candidate is worse
///   no worse      not better, but the intervals exclude that any figure is worse by more than
///                 --margin
///   worse         an interval shows that a figure is worse, and average precision is not better
///   not decided   too few campaigns, or better in one figure and worse in another
/// The exit code is 0 for all four outcomes, unless --require is given.
#[derive(Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  lockstep models compare cluster/2 --dataset clusters.csv                against the model in service
  lockstep models compare cluster/2 cluster/1 --dataset clusters.csv
  lockstep models compare cluster 2 cluster 1 --world demo --world evasion --seeds 5
  lockstep models compare cluster/2 --dataset clusters.csv --require no-worse && lockstep models promote cluster 2"
)]
pub struct Compare {
    /// The candidate and the model to compare it with, each as NAME/VERSION or NAME VERSION;
    /// default for the second: the model in service
    #[arg(value_name = "MODEL", num_args = 1..=4, required = true)]
    compared: Vec<String>,
    #[command(flatten)]
    clusters: Clusters,
    /// Largest loss in each figure that still counts as no worse
    #[arg(long, value_name = "X", default_value_t = MARGIN, value_parser = margin)]
    margin: f64,
    /// Exit with 1 unless the candidate has this outcome
    #[arg(long, value_name = "OUTCOME")]
    require: Option<Required>,
    /// Print all figures as JSON on standard output, instead of a table
    #[arg(long)]
    json: bool,
}

/// The outcome that a candidate must have.
#[derive(Clone, Copy, ValueEnum)]
enum Required {
    Better,
    NoWorse,
}

fn margin(text: &str) -> Result<f64, String> {
    let margin = text.parse().ok().filter(|margin| (0.0..=1.0).contains(margin));
    margin.ok_or_else(|| format!("`{text}` is not a number from 0 to 1"))
}

impl Compare {
    pub fn run(self, registry: &Registry) -> Result<()> {
        let named = named(&self.compared)?;
        let mut models = named.iter().map(|(name, version)| Stored::load(registry, name, version));
        let candidate = models.next().context("no model is given")??;
        let against = match models.next() {
            Some(model) => model?,
            None => Stored::active(registry).context("no second model is given, and no model is in service")?,
        };
        if candidate.name == against.name {
            bail!("{} is compared with itself: give another model", candidate.name);
        }
        let pair = [candidate, against];
        let found = self.clusters.find(&pair)?;
        for warning in &found.warnings {
            eprintln!("warning: {warning}");
        }
        let [candidate, against] = &pair;
        let said = [candidate, against].map(|stored| model::judge(&stored.model, &found.rows));
        let comparison =
            Comparison::of(&found.rows, (&candidate.name, &said[0]), (&against.name, &said[1]), self.margin);
        if self.json {
            let mut json = serde_json::to_value(&comparison)?;
            json["data"] = found.description.into();
            json["warnings"] = found.warnings.into();
            println_json(&json)?;
        } else {
            write!(std::io::stdout(), "{}\n{comparison}", found.description)
                .context("cannot write to standard output")?;
        }
        let fulfilled = match self.require {
            None => true,
            Some(Required::Better) => comparison.outcome == ComparisonOutcome::Better,
            Some(Required::NoWorse) => {
                matches!(comparison.outcome, ComparisonOutcome::Better | ComparisonOutcome::NoWorse)
            }
        };
        if !fulfilled {
            bail!("{} does not have the outcome that --require demands: {}", comparison.candidate, comparison.outcome);
        }
        Ok(())
    }
}

/// One or two models, each NAME/VERSION or NAME VERSION.
fn named(words: &[String]) -> Result<Vec<(&str, &str)>> {
    let mut models = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match (word.split_once('/'), words.len()) {
            (Some(model), _) => models.push(model),
            (None, 0) => return Err(Usage(format!("`{word}` has no version: use {word}/VERSION")).into()),
            (None, _) => models.extend(words.next().map(|version| (word.as_str(), version.as_str()))),
        }
    }
    if models.len() > 2 {
        return Err(Usage(format!("{} models are given: at most two can be compared", models.len())).into());
    }
    Ok(models)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_named_in_two_ways() {
        let parse = |text: &str| {
            let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
            let models = named(&words).map(|models| models.iter().map(|(n, v)| format!("{n} {v}")).collect::<Vec<_>>());
            models.map_err(|error| error.to_string())
        };
        assert_eq!(parse("a/1"), Ok(vec!["a 1".to_owned()]));
        let both = Ok(vec!["a 1".to_owned(), "b 2".to_owned()]);
        for text in ["a/1 b/2", "a 1 b 2", "a/1 b 2", "a 1 b/2"] {
            assert_eq!(parse(text), both, "{text}");
        }
        assert_eq!(parse("a/1 b"), Err("`b` has no version: use b/VERSION".to_owned()));
        assert_eq!(parse("a/1 b/2 c/3"), Err("3 models are given: at most two can be compared".to_owned()));
    }
}
