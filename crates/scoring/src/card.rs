//! The model card: what a person should know before trusting a model.

use crate::boost::Boosted;
use crate::{Manifest, Metrics, Model, Subject};

/// Markdown that is generated from model and manifest, so that it is never outdated.
pub(crate) fn card(model: &Model, manifest: &Manifest) -> String {
    let training = &manifest.training;
    let settings = &manifest.settings;
    let held_out = &manifest.held_out;
    let share = 100.0 * training.inauthentic as f64 / training.rows as f64;
    let prior = match settings.prior {
        Some(prior) => format!("corrected to {:.1} % inauthentic {}s in service", 100.0 * prior, model.subject),
        None => format!("that of the training data, {share:.1} % inauthentic"),
    };
    let worlds = match &manifest.held_out_worlds {
        Some(metrics) => figures("Whole worlds held out", metrics),
        None => "| Whole worlds held out | one world only: not measured | | | | | | |\n".to_owned(),
    };
    let learner_settings = match (&settings.alpha, &settings.boosting) {
        (Some(alpha), _) => format!("penalty {alpha}"),
        (None, Some(trees)) => format!(
            "at most {} trees of depth {}, learning rate {}, penalty {}, at least {} of curvature a leaf",
            trees.rounds, trees.depth, trees.learning_rate, trees.l2, trees.least_weight
        ),
        (None, None) => "settings not recorded".to_owned(),
    };
    let splits = model.trees.as_ref().map(Boosted::splits);
    let part = |at: usize| splits.as_ref().map_or(model.terms[at].weight.abs(), |splits| splits[at] as f64);
    let features = model.subject.features();
    let mut terms: Vec<usize> = (0..features.len().min(model.terms.len())).collect();
    terms.sort_by(|&a, &b| part(b).total_cmp(&part(a)).then(features[a].name.cmp(features[b].name)));
    let weights: String = terms
        .into_iter()
        .map(|at| {
            let (feature, term) = (&features[at], &model.terms[at]);
            let formula = feature.formula.replace('|', "\\|");
            let Some(mean) = Some(term.mean).filter(|_| term.least < term.most) else {
                return format!("| `{}` | {} | not used | never varied in training |\n", feature.name, feature.formula);
            };
            let name = feature.name;
            let weight = match &splits {
                Some(splits) => splits[at].to_string(),
                None => format!("{:+.3}", term.weight),
            };
            format!("| `{name}` | {formula} | {weight} | {} |\n", (feature.show)(mean))
        })
        .collect();
    format!(
        "# Model card: {name} {version}

Made by training; do not edit.

## Intended use
{purpose}

## Data
{description}.

- Labelled {subject}s: {rows}, {inauthentic} of them inauthentic, from {campaigns} campaigns and organic groups
- Worlds: {worlds_list}
- Seeds: {seeds}
- Fingerprint: `{fingerprint}`

## Method
- Learner: {learner}, {learner_settings}
- Calibration: on rows held out by world and seed; base rate {prior}
- Threshold: {threshold:.3}, the least of 0.5 and above that keeps {precision:.0} % precision on rows held out

{unknown}

## Figures
| Rows | {subjects} | Average precision | ROC AUC | Brier | Calibration error | Precision | Recall |
| --- | --- | --- | --- | --- | --- | --- | --- |
{by_seed}{worlds}
For comparison, average precision of {evidence_name} alone is {evidence:.3}{rule}{size}, and of
chance {chance:.3}. Threshold and calibration were chosen on the first line's rows, so its calibration error, precision
and recall are a little too good.

## Limits
- Figures hold for data like the training data. On other data expect worse, above all more false positives.
- Groups that coordinate openly (parliaments, parties' supporters, campaign volunteers, newsrooms, fan clubs) are the
  likeliest false positives.
{label}
- Weights say how the model reads a feature beside the others, not what causes what.

## Features
{scale}

| Feature | Formula | {column} | Mean in training |
| --- | --- | --- | --- |
{weights}",
        name = manifest.name,
        version = manifest.version,
        description = sentence(&training.description),
        rows = training.rows,
        inauthentic = training.inauthentic,
        campaigns = training.campaigns,
        worlds_list = training.worlds.join(", "),
        seeds = training.seeds,
        fingerprint = training.fingerprint,
        learner = manifest.learner,
        unknown = match splits {
            None =>
                "A value that is not known counts neither way; a value beyond those seen in training counts as the nearest one seen.",
            Some(_) =>
                "A value that is not known goes the way it went in training, and so may count; the reasons of a verdict say so.",
        },
        scale = match splits {
            None => "Weights in nats per standard deviation; positive speaks for inauthentic.",
            Some(_) =>
                "Splits are how often the trees ask for a feature; what an answer did is in each verdict's reasons.",
        },
        column = if splits.is_some() { "Splits" } else { "Weight" },
        threshold = manifest.threshold,
        precision = 100.0 * settings.precision,
        by_seed = figures("Worlds and seeds held out", held_out),
        evidence = manifest.baseline_evidence,
        evidence_name = match model.subject {
            Subject::Cluster => "the evidence for each post",
            Subject::Account => "the evidence",
        },
        rule = match (model.subject, manifest.baseline_rule) {
            (Subject::Cluster, Some(rule)) => format!(", of the share of own words repeated alone {rule:.3}"),
            (Subject::Account, Some(rule)) => format!(", of the engine's ranking alone {rule:.3}"),
            (_, None) => String::new(),
        },
        size = match model.subject {
            Subject::Cluster => format!(", of the number of accounts alone {:.3}", manifest.baseline_size),
            Subject::Account => String::new(),
        },
        subject = model.subject,
        subjects = match model.subject {
            Subject::Cluster => "Clusters",
            Subject::Account => "Accounts",
        },
        purpose = intended_use(model.subject),
        label = match model.subject {
            Subject::Cluster =>
                "- Labels of clusters that mix planted and organic accounts follow the majority of their members.",
            Subject::Account =>
                "- It knows an account by what it does with others: an operation's account that acts alone looks like anybody.",
        },
        chance = held_out.inauthentic as f64 / held_out.rows as f64,
    )
}

fn intended_use(subject: Subject) -> &'static str {
    match subject {
        Subject::Cluster => {
            "Says of a group of accounts that the engine found to act together how likely it is that the coordination is inauthentic,
and why, for a person who reviews the group. It is not meant to decide anything by itself, to judge a single account, or
to judge what anybody says: it reads which texts repeat others and how much of them, no word of a text, no number of
followers, and not how often links or hashtags are used. A group that stands on a single source must not be flagged,
whatever this model says."
        }
        Subject::Account => {
            "Says of an account with any evidence against it how likely it is to be inauthentic, so that a researcher can look at the
likeliest first. It is not meant to decide anything: no account is flagged, named to a partner or acted on because of it,
which is for the groups that the engine finds and for people. It reads what the account does with others; no text, no name,
no age, no empty profile, no number of followers, and not how much it posts."
        }
    }
}

fn figures(rows: &str, m: &Metrics) -> String {
    let (n, positives) = (m.rows, m.inauthentic);
    let (ap, auc, brier, error) = (m.average_precision, m.roc_auc, m.brier, m.calibration_error);
    let (precision, recall) = (m.precision, m.recall);
    format!(
        "| {rows} | {n}, {positives} inauthentic | {ap:.3} | {auc:.3} | {brier:.3} | {error:.3} | {precision:.3} | \
         {recall:.3} |\n"
    )
}

fn sentence(text: &str) -> String {
    let text = text.trim().trim_end_matches('.');
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
