use scoring::{Folds, Options, Origin, features::FEATURES, train};

use super::*;
use crate::stats::Estimate;

/// An inauthentic or organic row of a campaign; everything else is equal.
fn row(cluster: &str, campaign: &str, inauthentic: bool) -> Row {
    Row {
        cluster_id: cluster.to_owned(),
        origin: Origin {
            inauthentic,
            label_source: LabelSource::Simulator,
            weight: 1.0,
            campaign: campaign.to_owned(),
            benign_class: if inauthentic { String::new() } else { "fandom".to_owned() },
            world: "w".to_owned(),
            seed: 101,
            language: "en".to_owned(),
        },
        at_ms: 0,
        accounts: 5,
        platform: "x".to_owned(),
        folds: Folds::default(),
        values: vec![None; FEATURES.len()],
    }
}

fn said(probability: f64) -> Judged {
    let score = (probability / (1.0 - probability)).ln();
    Judged { score, probability, inauthentic: probability >= 0.5 }
}

fn figures(rows: &[Row], judged: &[Judged], budget: &str) -> Figures {
    Figures::of(&Judgement::new(rows.iter().collect(), judged.to_vec()), budget.parse().unwrap())
}

fn value(estimate: Option<Estimate>) -> f64 {
    estimate.unwrap().value
}

fn near(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-9, "{a} is not {b}");
}

/// Rows that a learner can separate: by the first feature, up to noise; three worlds with two seeds
/// each.
pub(crate) fn learnable(noise: f64) -> Vec<Row> {
    let rows: Vec<Row> = (0..120u64)
        .map(|n| {
            let inauthentic = n.is_multiple_of(3);
            let mut row = row(&format!("c{n}"), &format!("g{}", n % 30), inauthentic);
            row.origin.world = format!("w{}", n % 3 % 2 + n % 2);
            row.origin.seed = n / 2 % 2;
            row.at_ms = (n * 7_919 % 1_000) as i64;
            // A fixed deviation from -1 to 1.
            let scatter = (n * 2_654_435_761 % 1_000) as f64 / 500.0 - 1.0;
            row.values[0] = Some(f64::from(u8::from(inauthentic)) + noise * scatter);
            row.values[1] = Some(scatter);
            row
        })
        .collect();
    Dataset::split(&rows).rows
}

#[test]
fn figures_match_values_worked_by_hand() {
    // Cluster a has two states: flagged in the first only, which is enough.
    let rows =
        [row("a", "p", true), row("a", "p", true), row("b", "q", true), row("c", "r", false), row("d", "s", false)];
    let judged = [0.9, 0.4, 0.2, 0.6, 0.1].map(said);
    let figures = figures(&rows, &judged, "500/1000");
    assert_eq!((figures.rows, figures.inauthentic, figures.clusters, figures.inauthentic_clusters), (5, 3, 4, 2));
    assert_eq!(figures.campaigns, 4);
    // Ranks: T F T T F, so AP = (1 + 2/3 + 3/4) / 3; of six pairs, four are in order.
    near(value(figures.average_precision), (1.0 + 2.0 / 3.0 + 0.75) / 3.0);
    near(value(figures.roc_auc), 4.0 / 6.0);
    near(value(figures.brier), (0.01 + 0.36 + 0.64 + 0.36 + 0.01) / 5.0);
    // Every row is alone in its bin.
    near(value(figures.calibration_error), (0.1 + 0.6 + 0.8 + 0.6 + 0.1) / 5.0);
    let at = &figures.at_threshold;
    assert_eq!((at.flagged, at.wrong), (2, 1));
    assert_eq!((value(at.precision), value(at.recall), value(at.false_positives)), (0.5, 0.5, 0.5));
    // Half of four clusters: a and c.
    let budget = &figures.at_budget;
    assert_eq!(
        (budget.alerts, value(budget.precision), value(budget.recall), budget.takes_all),
        (2.0, 0.5, 0.5, false)
    );
    // Recall and false positives are equal, so precision is the base rate.
    for expected in &figures.expected {
        near(value(expected.precision), expected.base_rate);
    }
    assert_eq!(figures.reliability.iter().map(|bin| bin.rows).collect::<Vec<_>>(), [0, 1, 1, 0, 1, 0, 1, 0, 0, 1]);
    near(value(figures.reliability[9].inauthentic), 1.0);
    assert_eq!(figures.reliability[0].inauthentic, None);
    assert_eq!(figures.histogram[12], Bar { organic: 1, inauthentic: 0 });
    let fandom = &figures.by_benign_class[0];
    assert_eq!(
        (fandom.name.as_str(), fandom.clusters, fandom.groups, fandom.wrong, fandom.few),
        ("fandom", 2, 2, 1, true)
    );
    // R: binom.test(1, 2)$conf.int
    assert!((fandom.share.unwrap().low.unwrap() - 0.012579).abs() < 1e-5);
    assert_eq!(figures.curve.last(), Some(&(1.0, 0.6)));
}

#[test]
fn a_cluster_whose_label_changed_counts_under_each() {
    let rows = [row("a", "crowd", false), row("a", "p", true)];
    let figures = figures(&rows, &[said(0.7), said(0.9)], "2/day");
    assert_eq!((figures.clusters, figures.inauthentic_clusters), (2, 1));
    assert_eq!((figures.at_threshold.flagged, figures.at_threshold.wrong), (2, 1));
}

#[test]
fn one_label_alone_has_no_ranking_but_false_positives() {
    let rows = [row("a", "r", false), row("b", "s", false)];
    let figures = figures(&rows, &[said(0.7), said(0.2)], "1/day");
    assert_eq!((figures.average_precision, figures.roc_auc), (None, None));
    assert_eq!(figures.at_threshold.recall, None);
    assert_eq!(value(figures.at_threshold.false_positives), 0.5);
    assert!(figures.curve.is_empty() && figures.brier.is_some());
    // Both are of one day: one of the two clusters.
    assert_eq!((figures.at_budget.days, figures.at_budget.alerts), (1, 1.0));
    assert_eq!(figures.at_budget.recall, None);
    let empty = self::figures(&[], &[], "1/day");
    assert_eq!((empty.rows, empty.brier, empty.at_budget.precision), (0, None, None));
    assert!(empty.by_collection.is_empty());
}

#[test]
fn equal_scores_share_the_budget_and_one_campaign_has_no_interval() {
    let rows = [row("a", "p", true), row("b", "p", true), row("c", "p", false), row("d", "p", false)];
    let figures = figures(&rows, &[said(0.5); 4], "250/1000");
    assert_eq!(value(figures.at_budget.precision), 0.5);
    assert_eq!(figures.average_precision, Some(Estimate { value: 0.5, low: None, high: None }));
}

#[test]
fn each_day_of_each_stream_has_its_own_queue() {
    let day = 86_400_000;
    let mut rows =
        vec![row("a", "p", true), row("b", "p", true), row("c", "q", false), row("d", "r", false), row("e", "s", true)];
    rows[2].at_ms = day - 1;
    rows[3].at_ms = day;
    rows[4].origin.seed = 102;
    let judged = [0.9, 0.3, 0.8, 0.7, 0.6].map(said);
    let figures = figures(&rows, &judged, "1/day");
    // a before b and c; d alone on the next day; e alone in its stream.
    let budget = &figures.at_budget;
    assert_eq!((budget.days, budget.alerts, budget.takes_all), (3, 3.0, false));
    near(value(budget.precision), 2.0 / 3.0);
    near(value(budget.recall), 2.0 / 3.0);
    let all = self::figures(&rows, &judged, "3/day").at_budget;
    assert_eq!((all.alerts, all.takes_all, value(all.recall)), (5.0, true, 1.0));
}

#[test]
fn budgets_are_read_as_they_are_written() {
    assert_eq!("5/day".parse(), Ok(Budget::PerDay(5.0)));
    assert_eq!("0.5 / 1000".parse(), Ok(Budget::PerThousand(0.5)));
    for wrong in ["5", "x/day", "0/day", "-1/day", "5/week", "NaN/day", ""] {
        assert!(wrong.parse::<Budget>().is_err(), "{wrong}");
    }
}

#[test]
fn comparisons_are_paired_and_decided_by_their_intervals() {
    // Forty campaigns; one model has all of them right, the other guesses.
    let rows: Vec<Row> = (0..80).map(|n| row(&format!("c{n}"), &format!("g{n}"), n % 2 == 0)).collect();
    let right: Judgements = (0..80).map(|n| Some(said(if n % 2 == 0 { 0.9 } else { 0.1 }))).collect();
    let chance: Judgements = (0..80).map(|n| Some(said(if n / 2 % 2 == 0 { 0.9 } else { 0.1 }))).collect();
    let of = |a: &Judgements, b: &Judgements| Comparison::of(&rows, ("a", a), ("b", b), MARGIN);
    let better = of(&right, &chance);
    assert_eq!(better.outcome, ComparisonOutcome::Better);
    let precision = better.average_precision.unwrap();
    near(precision.candidate, 1.0);
    near(precision.against, 0.5);
    near(precision.difference.value, 0.5);
    near(better.false_positives.unwrap().difference.value, -0.5);
    let worse = of(&chance, &right);
    assert_eq!(worse.outcome, ComparisonOutcome::Worse);
    let (there, back) = (precision.difference, worse.average_precision.unwrap().difference);
    near(there.low.unwrap(), -back.high.unwrap());
    // The same model twice: no difference in any resample.
    let same = of(&right, &right);
    assert_eq!(same.outcome, ComparisonOutcome::NoWorse);
    let none = Estimate { value: 0.0, low: Some(0.0), high: Some(0.0) };
    assert_eq!(same.average_precision.unwrap().difference, none);
    assert_eq!(of(&right, &right), same, "the same draws again");
    // A better order together with more false positives decides nothing.
    let bold: Judgements = right.iter().map(|said| Some(Judged { inauthentic: true, ..(*said)? })).collect();
    assert_eq!(of(&bold, &chance).outcome, ComparisonOutcome::NotDecided);
    assert_eq!(of(&bold, &right).outcome, ComparisonOutcome::Worse);
    // A single campaign decides nothing either.
    let one: Vec<Row> = rows.iter().map(|of| row(&of.cluster_id, "g", of.origin.inauthentic)).collect();
    assert_eq!(Comparison::of(&one, ("a", &right), ("b", &chance), MARGIN).outcome, ComparisonOutcome::NotDecided);
    // Only rows that both judged are compared.
    let mut half = right.clone();
    half.iter_mut().take(40).for_each(|said| *said = None);
    assert_eq!(of(&half, &chance).rows, 40);
    // Within collections, only those with both labels.
    assert!(better.by_collection.is_empty(), "there is one collection");
    let mut apart = rows.clone();
    for (n, row) in apart.iter_mut().enumerate() {
        row.origin.world = ["one", "two", "three"][if n < 40 { 0 } else { 1 + n % 2 }].to_owned();
    }
    let split = Comparison::of(&apart, ("a", &right), ("b", &chance), MARGIN);
    let within: Vec<_> = split.by_collection.iter().map(|w| (w.collection.as_str(), w.rows)).collect();
    assert_eq!(within, [("one", 40)], "in two and three all rows have one label");
    near(split.by_collection[0].average_precision.difference.value, 0.5);
    let text = better.to_string();
    assert!(text.ends_with("a: better\n"), "{text}");
}

#[test]
fn a_model_near_enough_is_no_worse_within_the_margin_only() {
    let rows: Vec<Row> = (0..2_000).map(|n| row(&format!("c{n}"), &format!("g{n}"), n % 2 == 0)).collect();
    let of =
        |at: f64| -> Judgements { (0..2_000).map(|n| Some(said(if n % 2 == 0 { at } else { 1.0 - at }))).collect() };
    // The order is the same; Brier scores are 0.01 and 0.0121.
    let compare = |margin| Comparison::of(&rows, ("a", &of(0.89)), ("b", &of(0.9)), margin);
    near(compare(0.1).brier.unwrap().difference.value, 0.0021);
    assert_eq!(compare(0.1).outcome, ComparisonOutcome::Worse, "by little, but surely");
    let less = |margin| Comparison::of(&rows, ("a", &of(0.9)), ("b", &of(0.89)), margin);
    assert_eq!(less(0.0).outcome, ComparisonOutcome::NoWorse, "a better Brier score alone is not a better order");
}

#[test]
fn what_a_learner_is_judged_on_it_has_not_seen() {
    let rows = learnable(0.8);
    for split in Split::WITHIN {
        let seen = std::sync::Mutex::new(Vec::new());
        // Several threads would mix the parts in the record.
        let (_, folds) = splits::hold_out(
            &rows,
            &Learner::default(),
            split,
            &|row| {
                seen.lock().unwrap().push(row.clone());
                row.clone()
            },
            1,
        );
        let mut seen = seen.into_inner().unwrap().into_iter();
        for fold in &folds {
            let taught: Vec<Row> = seen.by_ref().take(fold.trained_on).collect();
            let judged = if fold.refused.is_some() { 0 } else { fold.held_out };
            for held in seen.by_ref().take(judged) {
                for row in &taught {
                    assert_ne!(row.campaign_key(), held.campaign_key(), "{split:?}");
                    assert!(split != Split::Collection || row.origin.world != held.origin.world);
                    assert!(split != Split::Time || row.folds.time < held.folds.time);
                }
            }
        }
        assert_eq!(folds.iter().map(|fold| fold.held_out).sum::<usize>(), rows.len());
        assert!(folds.iter().any(|fold| fold.refused.is_none()), "{folds:?}");
    }
    // Nothing comes before the first tenth.
    let (said, folds) = splits::hold_out(&rows, &Learner::default(), Split::Time, &Row::clone, 2);
    assert!(folds[0].refused.is_some() && folds[0].trained_on == 0);
    assert!(rows.iter().zip(&said).all(|(row, said)| row.folds.time != 0 || said.is_none()));
}

#[test]
fn learners_are_read_as_they_are_written() {
    assert_eq!(learner("logistic"), Ok(Learner::default()));
    assert_eq!(learner("logistic:alpha=3"), Ok(Learner::Logistic { alpha: 3.0 }));
    assert_eq!(learner("boosted"), Ok(Learner::boosted()));
    let Ok(Learner::Boosted(boosting)) = learner("boosted:depth=2,rounds=50,rate=0.05") else { panic!() };
    assert_eq!((boosting.depth, boosting.rounds, boosting.learning_rate), (2, 50, 0.05));
    for (wrong, why) in [
        ("forest", "there are: logistic, boosted"),
        ("logistic:depth=2", "no setting `depth`"),
        ("boosted:depth", "write it as"),
        ("boosted:depth=x", "not a number"),
    ] {
        assert!(learner(wrong).unwrap_err().contains(why), "{wrong}");
    }
}

#[test]
fn rows_that_a_model_was_trained_on_are_known() {
    let rows = learnable(0.8);
    let manifest = train(&rows, &Options::new("cluster", "7")).unwrap().manifest;
    let error = seen_in_training(&rows, &manifest).unwrap_err().to_string();
    assert!(error.contains("cluster 7 was trained on exactly these rows"), "{error}");
    let mut unsplit = rows.clone();
    unsplit.iter_mut().for_each(|row| row.folds = Folds::default());
    assert!(seen_in_training(&unsplit, &manifest).is_err(), "the same rows without their folds");
    let mut others = rows[..4].to_vec();
    others[1].origin.seed = 101;
    others[2].origin.world = "elsewhere".to_owned();
    // A collection of real posts has seed 0.
    others[3].origin.seed = 0;
    assert_eq!(seen_in_training(&others, &manifest).unwrap(), [true, false, false, true]);
}

#[test]
fn every_feature_has_a_group_and_every_group_a_feature() {
    let groups: BTreeSet<Group> = FEATURES.iter().map(Group::of).collect();
    assert_eq!(groups.into_iter().collect::<Vec<_>>(), {
        let mut all = Group::ALL.to_vec();
        all.sort();
        all
    });
    let of = |name: &str| Group::of(FEATURES.iter().find(|feature| feature.name == name).unwrap());
    assert_eq!([of("nats_per_trial"), of("own_words_share"), of("share_on_cluster_keys")], [Group::Evidence; 3]);
    assert_eq!([of("nats_share_url"), of("key_evenness")], [Group::Composition; 2]);
    assert_eq!(of("delay_p50"), Group::Timing);
    assert_eq!(of("hour_entropy"), Group::Timing);
    assert_eq!([of("repost_share"), of("deletion_rate")], [Group::Activity; 2]);
    assert_eq!([of("found_share"), of("tie_density")], [Group::Shape; 2]);
    assert_eq!(of("creation_burst"), Group::Profile);
    assert_eq!(of("client_homogeneity"), Group::Profile);
}

fn plan(threads: usize) -> Plan {
    let mut rows = learnable(0.9);
    for row in rows.iter_mut().filter(|row| row.origin.world == "w2") {
        row.origin.label_source = LabelSource::Posts;
    }
    let model = train(&rows[..80], &Options::new("cluster", "7")).unwrap().model;
    let other = train(&rows[40..], &Options::new("cluster", "6")).unwrap().model;
    Plan {
        description: "Labelled clusters of <nothing>".to_owned(),
        warnings: vec!["made & made up".to_owned()],
        taught_by: Some(rows[..100].to_vec()),
        rows,
        stored: vec![("cluster 7".to_owned(), model), ("cluster 6".to_owned(), other)],
        learners: ["logistic", "boosted:rounds=5"].map(|name| (name.to_owned(), learner(name).unwrap())).to_vec(),
        splits: Split::WITHIN.to_vec(),
        ablation: true,
        budget: Budget::PerDay(2.0),
        margin: MARGIN,
        threads,
    }
}

/// The report of the tests, made once, and its number of steps.
fn report() -> &'static (ModelReport, usize) {
    static REPORT: std::sync::OnceLock<(ModelReport, usize)> = std::sync::OnceLock::new();
    REPORT.get_or_init(|| {
        let steps = std::sync::atomic::AtomicUsize::new(0);
        let report = ModelReport::run(&plan(3), &|_| {
            steps.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        });
        (report, steps.into_inner())
    })
}

#[test]
fn a_report_does_not_depend_on_threads() {
    let plan = plan(1);
    let (report, steps) = report();
    assert_eq!(*steps, plan.steps());
    assert_eq!(*report, ModelReport::run(&plan, &|_| {}));
}

#[test]
fn a_report_is_whole() {
    let (report, _) = report();
    // Two stored models and two learners under four splits; all but the first of each kind are
    // compared with another.
    assert_eq!((report.contenders.len(), report.comparisons.len(), report.ablations.len()), (10, 5, 4));
    assert_eq!(
        (report.comparisons[0].candidate.as_str(), report.comparisons[0].against.as_str()),
        ("cluster 7", "cluster 6")
    );
    assert!(report.comparisons[1].candidate.starts_with("boosted"));
    let first = &report.contenders[2];
    assert_eq!((first.name.as_str(), first.split, first.folds.len()), ("logistic", Some(Split::Campaign), 10));
    assert!(value(first.figures.average_precision) > 0.6, "{first}");
    // The only informative feature belongs to the evidence: without it, hardly anything remains.
    let variant = |name: &str| report.ablations[0].variants.iter().find(|variant| variant.name == name).unwrap();
    let (all, without) = (variant("all features"), variant("without evidence"));
    assert!(all.rows > 0 && all.difference.unwrap().difference.value == 0.0, "{}", report.ablations[0]);
    assert!(
        without.average_precision.is_none_or(|e| e.value < value(all.average_precision)),
        "{}",
        report.ablations[0]
    );
    assert!(!report.data.synthetic && report.ablations[1].real);

    let json = serde_json::to_value(report).unwrap();
    assert_eq!(json["contenders"][2]["split"], "campaign");
    assert!(json["comparisons"][0]["average_precision"]["difference"]["low"].is_number());
    let text = report.to_string();
    for part in ["average precision", "the evidence alone", "boosted:rounds=5, collections held out: ", "warning: made"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn the_page_is_whole_and_loads_nothing() {
    let html = report().0.html();
    assert!(html.contains("How well model cluster 7 tells inauthentic clusters"), "{}", &html[..2_000]);
    assert_eq!(html.matches("<svg").count(), html.matches("</svg>").count());
    for tag in ["section", "table", "thead", "tbody", "tr", "td", "th", "figure", "details", "dl", "main", "div", "ul"]
    {
        let open = html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count();
        assert_eq!(open, html.matches(&format!("</{tag}>")).count(), "{tag}");
    }
    assert!(html.contains("&#60;nothing&#62;") && html.contains("made &#38; made up"), "texts are escaped");
    for loads in ["http://", "https://", "<script", "src=", "url(", "@import", "NaN", ">inf"] {
        assert!(!html.contains(loads), "{loads}");
    }
    for anchor in ["figures", "curves", "calibration", "wrong", "differences", "folds", "ablation", "reading"] {
        assert!(
            html.contains(&format!("id=\"{anchor}\"")) && html.contains(&format!("href=\"#{anchor}\"")),
            "{anchor}"
        );
    }
}

/// A configuration with its own registry in this folder. The model in service there knows nothing
/// about real clusters.
pub(crate) fn config(dir: &std::path::Path) -> detection::Config {
    let rows = learnable(0.1);
    scoring::train(&rows, &scoring::Options::new("cluster", "1")).unwrap().save(dir).unwrap();
    scoring::Registry::open(dir).unwrap().promote("cluster", "1", jiff::Timestamp::UNIX_EPOCH).unwrap();
    detection::Config { models: dir.to_owned(), ..detection::Config::default() }
}
