//! Measures which features decide, with learners that see only some of them.

use std::{collections::BTreeSet, fmt};

use scoring::{
    LabelSource, Learner, Row,
    features::{FEATURES, Feature},
};
use serde::Serialize;

use super::{
    Budget, Judged, Judgements,
    compare::{Comparison, Difference, MARGIN},
    figures::{Figures, Judgement},
    splits::{Split, hold_out, taught_elsewhere},
};
use crate::{run::in_order, stats::Estimate};

/// Features of one kind, which are left out or kept together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// How much the accounts' posts repeat each other, how rare the repeated objects are, and how
    /// much evidence that gives.
    Evidence,
    /// The composition of the evidence: kinds of trace, sources, keys.
    Composition,
    /// When the accounts act, and how soon after each other.
    Timing,
    /// The other activity of the accounts.
    Activity,
    /// How densely the accounts are tied, and how many were found afterwards.
    Shape,
    /// Properties of the accounts: age, profile, client, names.
    Profile,
}

impl Group {
    /// All of them.
    pub const ALL: [Group; 6] =
        [Group::Evidence, Group::Composition, Group::Timing, Group::Activity, Group::Shape, Group::Profile];

    /// The group of a feature, derived from the fields that it uses, so that later features are
    /// assigned automatically.
    pub fn of(feature: &Feature) -> Group {
        let reads = |part: &str| feature.reads.contains(part);
        match () {
            () if feature.reads.starts_with("windows") || reads("outcomes") => Group::Evidence,
            () if reads("time") || reads("hours") || feature.name.contains("lag") => Group::Timing,
            () if reads("evidence") || reads("nats") => Group::Composition,
            () if reads("posts") => Group::Activity,
            () if reads("ties") || reads("proposed") || reads("members (count)") => Group::Shape,
            () => Group::Profile,
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Group::Evidence => "evidence",
            Group::Composition => "composition",
            Group::Timing => "timing",
            Group::Activity => "activity",
            Group::Shape => "shape",
            Group::Profile => "profile",
        })
    }
}

/// Features that depend on how a collection was made as much as on the behaviour of its accounts:
/// which kinds of trace its posts can have, and whether it contains reposts, deleted posts and
/// clients. On collections that were made in different ways, they may distinguish the collections.
const OF_FORMAT: [&str; 4] = ["trace_diversity", "repost_share", "deletion_rate", "client_homogeneity"];

fn of_format(feature: &Feature) -> bool {
    feature.name.starts_with("nats_share_") || OF_FORMAT.contains(&feature.name)
}

/// One learner with different sets of features, in one kind of split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ablation {
    /// The learner.
    pub learner: String,
    /// The judged rows, and what the learner has not seen of them, as text.
    pub about: String,
    /// Whether the rows are real posts.
    pub real: bool,
    /// Rows judged with all features.
    pub rows: usize,
    /// Inauthentic ones among them.
    pub inauthentic: usize,
    /// Campaigns and organic groups.
    pub campaigns: usize,
    /// The variants; the first has all features.
    pub variants: Vec<Variant>,
}

/// A learner that sees some of the features.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Variant {
    /// Name of the set of features.
    pub name: String,
    /// Number of features.
    pub features: usize,
    /// Judged rows: fewer than with all features if some fold could not be trained.
    pub rows: usize,
    /// Why training failed, if it did.
    pub refused: Option<String>,
    /// Average precision; `None` unless both labels occur.
    pub average_precision: Option<Estimate>,
    /// Average precision with all features, with these features, and the paired difference between
    /// them.
    pub difference: Option<Difference>,
    /// Brier score.
    pub brier: Option<Estimate>,
    /// Inauthentic clusters flagged.
    pub found: usize,
    /// Inauthentic clusters.
    pub inauthentic: usize,
    /// Organic clusters flagged.
    pub wrong: usize,
    /// Organic clusters.
    pub organic: usize,
}

/// The features of a variant.
struct View {
    name: String,
    kept: BTreeSet<usize>,
}

fn views() -> Vec<View> {
    let view = |name: String, keep: &dyn Fn(&Feature) -> bool| View {
        name,
        kept: (0..FEATURES.len()).filter(|at| keep(&FEATURES[*at])).collect(),
    };
    let mut views =
        vec![view("all features".to_owned(), &|_| true), view("without format".to_owned(), &|f| !of_format(f))];
    for group in Group::ALL {
        views.push(view(format!("without {group}"), &|f| Group::of(f) != group));
    }
    for group in Group::ALL {
        views.push(view(format!("{group} only"), &|f| Group::of(f) == group));
    }
    views
}

/// Number of variants of each ablation.
pub(crate) fn variants() -> usize {
    views().len()
}

impl Ablation {
    /// On simulated rows, collection by collection; and on real rows, if there are any, after
    /// training on all simulated rows.
    pub(crate) fn run(
        rows: &[Row],
        (name, learner): (&str, &Learner),
        threads: usize,
        on_done: &(dyn Fn(&str) + Sync),
    ) -> Vec<Ablation> {
        let is_real = |row: &&Row| row.origin.label_source != LabelSource::Simulator;
        let real: Vec<Row> = rows.iter().filter(is_real).cloned().collect();
        let simulated: Vec<Row> = rows.iter().filter(|row| !is_real(row)).cloned().collect();
        let mut ablations = Vec::new();
        let mut run = |judged: &[Row], about: &str, real: bool, judge: &(dyn Fn(&View) -> Said + Sync)| {
            let views = views();
            let said = in_order(views.len(), threads, |at| {
                let said = judge(&views[at]);
                on_done(&views[at].name);
                said
            });
            ablations.push(Ablation::of(name, about, real, judged, &views, &said));
        };
        if !simulated.is_empty() {
            run(&simulated, "simulated worlds, each judged after training on the others", false, &|view| {
                let (said, folds) = hold_out(&simulated, learner, Split::Collection, &|row| view.of(row), 1);
                (said, folds.into_iter().find_map(|fold| fold.refused))
            });
        }
        if !real.is_empty() && !simulated.is_empty() {
            run(&real, "real posts, judged after training on all simulated worlds", true, &|view| {
                let (said, fold) = taught_elsewhere(&real, &simulated, learner, &|row| view.of(row));
                (said, fold.refused)
            });
        }
        ablations
    }

    fn of(learner: &str, about: &str, real: bool, rows: &[Row], views: &[View], said: &[Said]) -> Ablation {
        let whole = said.first().map_or(&[][..], |(judged, _)| judged);
        let mut variants = Vec::new();
        for (view, (judged, refused)) in views.iter().zip(said) {
            let both: (Vec<&Row>, Vec<Judged>) =
                rows.iter().zip(judged).filter_map(|(row, said)| Some((row, (*said)?))).unzip();
            // The budget has no effect on these figures.
            let figures = Figures::of(&Judgement::new(both.0, both.1), Budget::PerThousand(1_000.0));
            let comparison = Comparison::of(rows, (&view.name, judged), ("all features", whole), MARGIN);
            variants.push(Variant {
                name: view.name.clone(),
                features: view.kept.len(),
                rows: figures.rows,
                refused: refused.clone(),
                average_precision: figures.average_precision,
                difference: comparison.average_precision,
                brier: figures.brier,
                found: figures.at_threshold.flagged - figures.at_threshold.wrong,
                inauthentic: figures.inauthentic_clusters,
                wrong: figures.at_threshold.wrong,
                organic: figures.clusters - figures.inauthentic_clusters,
            });
        }
        let judged: Vec<&Row> = rows.iter().zip(whole).filter(|(_, said)| said.is_some()).map(|(row, _)| row).collect();
        let campaigns: BTreeSet<_> = judged.iter().map(|row| row.campaign_key()).collect();
        Ablation {
            learner: learner.to_owned(),
            about: about.to_owned(),
            real,
            rows: judged.len(),
            inauthentic: judged.iter().filter(|row| row.origin.inauthentic).count(),
            campaigns: campaigns.len(),
            variants,
        }
    }
}

/// The judgements of the rows, and why some are missing.
type Said = (Judgements, Option<String>);

impl View {
    /// A row as the learner sees it: left-out features are not known.
    fn of(&self, row: &Row) -> Row {
        let mut seen = row.clone();
        for (at, value) in seen.values.iter_mut().enumerate() {
            if !self.kept.contains(&at) {
                *value = None;
            }
        }
        seen
    }
}
