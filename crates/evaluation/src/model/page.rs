//! The page of a model's figures: one HTML file without external files.

use askama::Template;

use super::{Ablation, Comparison, Contender, Difference, FalsePositives, Figures, ModelReport, Split, drawings};
use crate::{
    plot::{self, Series, shares},
    stats::Estimate,
};

#[derive(Template)]
#[template(path = "model.html")]
struct Page<'r> {
    report: &'r ModelReport,
    style: &'static str,
    title: String,
    data: Vec<(&'static str, String)>,
    contenders: Vec<ContenderRow>,
    legend: Vec<(String, String)>,
    curves: Vec<(String, String)>,
    calibration: Vec<(String, String, String)>,
    base_rates: Vec<String>,
    expected: Vec<(String, Vec<String>)>,
    wrong: Vec<Wrong<'r>>,
    differences: Vec<(String, String)>,
    comparisons: Vec<Held<'r>>,
    folds: Vec<(String, Vec<FoldRow>)>,
    ablations: Vec<Ablated<'r>>,
}

/// One row of the table of all judges.
struct ContenderRow {
    title: String,
    rows: String,
    average_precision: String,
    roc_auc: String,
    brier: String,
    calibration_error: String,
    flagged: String,
    precision: String,
    recall: String,
    false_positives: String,
    at_budget: String,
    evidence: String,
    size: String,
}

struct Wrong<'r> {
    title: String,
    collections: Vec<[String; 6]>,
    parts: Vec<(&'static str, Vec<WrongRow<'r>>)>,
}

struct WrongRow<'r> {
    of: &'r FalsePositives,
    share: String,
}

struct Held<'r> {
    of: &'r Comparison,
    lines: Vec<(String, String, String, String)>,
}

struct FoldRow {
    name: String,
    trained_on: String,
    held_out: String,
    note: String,
}

struct Ablated<'r> {
    of: &'r Ablation,
    svg: String,
    rows: Vec<[String; 7]>,
}

impl ModelReport {
    /// The page.
    pub fn html(&self) -> String {
        let names = self.names();
        let page = Page {
            report: self,
            style: crate::page::STYLE,
            title: match &self.contenders[..] {
                [first, ..] if first.split.is_none() => format!("How well model {} tells", first.name),
                _ => "How well learners tell".to_owned(),
            },
            data: self.data(),
            contenders: self.contenders.iter().map(row).collect(),
            legend: names.iter().enumerate().map(|(at, name)| ((*name).to_owned(), plot::legend(at % 4))).collect(),
            curves: self.curves(),
            calibration: self
                .contenders
                .iter()
                .map(|contender| calibration(self.place(contender), contender))
                .collect(),
            base_rates: self.contenders.first().map_or_else(Vec::new, |first| {
                first.figures.expected.iter().map(|e| format!("{} %", 100.0 * e.base_rate)).collect()
            }),
            expected: self
                .contenders
                .iter()
                .map(|c| (c.title(), c.figures.expected.iter().map(|e| short(e.precision)).collect()))
                .collect(),
            wrong: self.contenders.iter().map(wrong).collect(),
            differences: self.differences(),
            comparisons: self.comparisons.iter().map(held).collect(),
            folds: self
                .contenders
                .iter()
                .filter(|contender| !contender.folds.is_empty())
                .map(|contender| (contender.title(), folds(contender)))
                .collect(),
            ablations: self.ablations.iter().map(ablated).collect(),
        };
        // A template fails only if a value's Display fails, and ours do not.
        page.render().unwrap_or_default()
    }

    /// Names of the judges, without the split: each has a colour and a mark.
    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for contender in &self.contenders {
            if !names.contains(&contender.name.as_str()) {
                names.push(&contender.name);
            }
        }
        names
    }

    fn place(&self, contender: &Contender) -> usize {
        self.names().iter().position(|name| *name == contender.name).unwrap_or_default()
    }

    fn data(&self) -> Vec<(&'static str, String)> {
        let data = &self.data;
        let listed = |names: &mut dyn Iterator<Item = (&str, usize)>| {
            names.map(|(name, n)| format!("{name} {n}")).collect::<Vec<_>>().join(", ")
        };
        vec![
            ("Rows (states of clusters)", data.rows.to_string()),
            ("Inauthentic", data.inauthentic.to_string()),
            ("Campaigns and organic groups", data.campaigns.to_string()),
            ("Worlds and collections, rows", listed(&mut data.collections.iter().map(|(name, n)| (name.as_str(), *n)))),
            ("Labelled by, rows", listed(&mut data.label_sources.iter().map(|(name, n)| (*name, *n)))),
            ("Fingerprint", data.fingerprint.clone()),
        ]
    }

    /// One drawing for stored models, and one for each split.
    fn curves(&self) -> Vec<(String, String)> {
        let mut splits: Vec<Option<Split>> = self.contenders.iter().map(|contender| contender.split).collect();
        splits.dedup();
        splits
            .into_iter()
            .map(|split| {
                let of_split = self.contenders.iter().filter(|contender| contender.split == split);
                let series: Vec<Series<'_, (f64, f64)>> = of_split
                    .clone()
                    .map(|c| Series { name: &c.name, place: self.place(c), points: c.figures.curve.clone() })
                    .collect();
                let chance = of_split.map(|c| chance(&c.figures)).next().unwrap_or_default();
                let title = split.map_or_else(|| "stored models".to_owned(), |split| split.description().to_owned());
                let svg = shares::recall_precision(&format!("precision over recall, {title}"), chance, &series);
                (title, svg)
            })
            .collect()
    }

    /// Differences in average precision between models and from single numbers.
    fn differences(&self) -> Vec<(String, String)> {
        let difference = |comparison: &Comparison| comparison.average_precision.map(|d| d.difference);
        let mut drawings = Vec::new();
        if !self.comparisons.is_empty() {
            let rows: Vec<_> = self
                .comparisons
                .iter()
                .map(|c| (format!("{} less {}", c.candidate, plain(&c.against)), 0, difference(c)))
                .collect();
            let label = "difference in average precision between models";
            drawings.push(("Between models".to_owned(), shares::rows(label, 0.0, "no difference", &rows)));
        }
        let rows: Vec<_> = self
            .contenders
            .iter()
            .flat_map(|contender| contender.baselines.iter().map(move |baseline| (contender, baseline)))
            .map(|(c, baseline)| {
                (format!("{} less {}", c.title(), baseline.against), self.place(c), difference(baseline))
            })
            .collect();
        let label = "difference in average precision from bare figures";
        drawings.push(("From bare figures".to_owned(), shares::rows(label, 0.0, "no difference", &rows)));
        drawings
    }
}

/// The name without the split, which the title already contains.
fn plain(name: &str) -> &str {
    name.split(',').next().unwrap_or(name)
}

fn chance(figures: &Figures) -> f64 {
    figures.inauthentic as f64 / figures.rows.max(1) as f64
}

fn long(estimate: Option<Estimate>) -> String {
    estimate.map_or_else(|| "none".to_owned(), |estimate| format!("{estimate:.3}"))
}

fn short(estimate: Option<Estimate>) -> String {
    estimate.map_or_else(|| "none".to_owned(), |estimate| format!("{estimate:.2}"))
}

fn row(contender: &Contender) -> ContenderRow {
    let figures = &contender.figures;
    let (at, budget) = (&figures.at_threshold, &figures.at_budget);
    let baseline = |place: usize| {
        let difference = contender.baselines.get(place).and_then(|baseline| baseline.average_precision);
        difference.map_or_else(|| "none".to_owned(), |difference: Difference| format!("{:.3}", difference.against))
    };
    ContenderRow {
        title: contender.title(),
        rows: match contender.unjudged {
            0 => format!("{} ({} inauthentic)", figures.rows, figures.inauthentic),
            n => format!("{} ({} inauthentic); {n} not judged", figures.rows, figures.inauthentic),
        },
        average_precision: long(figures.average_precision),
        roc_auc: long(figures.roc_auc),
        brier: long(figures.brier),
        calibration_error: long(figures.calibration_error),
        flagged: format!("{} of {}, {} wrongly", at.flagged, figures.clusters, at.wrong),
        precision: short(at.precision),
        recall: short(at.recall),
        false_positives: short(at.false_positives),
        at_budget: match budget.takes_all {
            true => format!("takes all {}", figures.clusters),
            false => format!("{} of {:.0} clusters", short(budget.precision), budget.alerts),
        },
        evidence: baseline(0),
        size: baseline(1),
    }
}

fn calibration(place: usize, contender: &Contender) -> (String, String, String) {
    let title = contender.title();
    let reliability = drawings::reliability(&format!("{title}: reliability"), place, &contender.figures.reliability);
    let histogram = drawings::histogram(&format!("{title}: probabilities by label"), &contender.figures.histogram);
    (title, reliability, histogram)
}

fn wrong(contender: &Contender) -> Wrong<'_> {
    let figures = &contender.figures;
    fn rows(of: &[FalsePositives]) -> Vec<WrongRow<'_>> {
        of.iter().map(|of| WrongRow { of, share: short(of.share) }).collect()
    }
    let collections = figures.by_collection.iter().map(|collection| {
        let organic = &collection.organic;
        let few = if organic.few && organic.clusters > 0 { ", few" } else { "" };
        [
            collection.name.clone(),
            collection.rows.to_string(),
            long(collection.average_precision),
            format!("{} of {}", short(collection.recall), collection.inauthentic),
            format!("{} of {}{few}", organic.wrong, organic.clusters),
            short(organic.share),
        ]
    });
    Wrong {
        title: contender.title(),
        collections: collections.collect(),
        parts: vec![
            ("Platform", rows(&figures.by_platform)),
            ("Language", rows(&figures.by_language)),
            ("Kind of organic group", rows(&figures.by_benign_class)),
        ],
    }
}

fn held(comparison: &Comparison) -> Held<'_> {
    let mut lines: Vec<(String, Option<Difference>)> = [
        ("Average precision", comparison.average_precision),
        ("ROC AUC", comparison.roc_auc),
        ("Brier score (less is better)", comparison.brier),
        ("Organic clusters flagged (less is better)", comparison.false_positives),
        ("Inauthentic clusters flagged", comparison.recall),
    ]
    .map(|(name, difference)| (name.to_owned(), difference))
    .to_vec();
    let within = comparison.by_collection.iter();
    lines.extend(within.map(|within| {
        let name = format!("Average precision in {} ({} rows)", within.collection, within.rows);
        (name, Some(within.average_precision))
    }));
    let lines = lines.into_iter().map(|(name, difference)| match difference {
        Some(d) => (name, format!("{:.3}", d.candidate), format!("{:.3}", d.against), format!("{:.4}", d.difference)),
        None => (name, "none".to_owned(), "none".to_owned(), "none".to_owned()),
    });
    Held { of: comparison, lines: lines.collect() }
}

fn folds(contender: &Contender) -> Vec<FoldRow> {
    let folds = contender.folds.iter().map(|fold| FoldRow {
        name: fold.name.clone(),
        trained_on: format!("{} ({} inauthentic)", fold.trained_on, fold.trained_on_inauthentic),
        held_out: format!("{} ({} inauthentic)", fold.held_out, fold.inauthentic),
        note: fold.refused.as_ref().map_or_else(String::new, |why| format!("not judged: {why}")),
    });
    folds.collect()
}

fn ablated(ablation: &Ablation) -> Ablated<'_> {
    let all = ablation.variants.first().and_then(|all| all.average_precision);
    let rows: Vec<_> =
        ablation.variants.iter().map(|variant| (variant.name.clone(), 0, variant.average_precision)).collect();
    let label = format!("{}: average precision by what is seen", ablation.learner);
    let table = ablation.variants.iter().map(|variant| {
        [
            variant.name.clone(),
            variant.features.to_string(),
            long(variant.average_precision),
            long(variant.difference.map(|d| d.difference)),
            long(variant.brier),
            format!("{} of {}", variant.found, variant.inauthentic),
            format!("{} of {}", variant.wrong, variant.organic),
        ]
    });
    Ablated {
        of: ablation,
        svg: all.map_or_else(String::new, |all| shares::rows(&label, all.value, "all features", &rows)),
        rows: table.collect(),
    }
}
