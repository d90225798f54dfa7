use jiff::Timestamp;

use super::*;
use crate::{fixtures, periods::Histogram};

fn input(clusters: Vec<ClusterMessage>) -> ReportInput {
    let from = Timestamp::from_second(1_475_884_800).unwrap();
    let to = Timestamp::from_second(1_476_662_400).unwrap();
    let mut dice = fastrand::Rng::with_seed(3);
    ReportInput {
        title: "debates_2016".to_owned(),
        files: vec!["debates_2016.jsonl.gz".to_owned()],
        posts: 184_233,
        accounts: 41_002,
        rejected: 12,
        candidates_tested: 214,
        period: Some((from, to)),
        histogram: Histogram {
            start: Some(from),
            bin_seconds: 3600,
            counts: (0..216)
                .map(|h| {
                    let day = (f64::from(h) * std::f64::consts::TAU / 24.0).sin() + 1.3;
                    let burst = if (40..44).contains(&h) { 2200.0 } else { 0.0 };
                    (day * 400.0 + burst + 120.0 * dice.f64()) as u64
                })
                .collect(),
        },
        clusters,
        ..ReportInput::default()
    }
}

/// Writes the pages where `LOCKSTEP_LOOK` says, for people to look at.
fn look(name: &str, html: &str) {
    if let Some(folder) = std::env::var_os("LOCKSTEP_LOOK") {
        std::fs::write(std::path::Path::new(&folder).join(name), html).unwrap();
    }
}

#[test]
fn a_report_shows_every_cluster_and_loads_nothing() {
    let mut single = fixtures::sized("b", 1, 5, 9);
    single.status = Status::SingleSource;
    single.history_hours = 7.0;
    let mut organic = fixtures::sized("c", 1, 34, 25);
    organic.status = Status::Coordinated;
    let html = render(&input(vec![single, fixtures::cluster("a", 1), organic]));
    look("report.html", &html);
    assert_eq!(html.matches("<article").count(), 3);
    assert_eq!(html.matches("class=\"timeline\"").count(), 6);
    assert_eq!(html.matches("class=\"graph\"").count(), 3);
    let first = html.find("badge flagged").unwrap();
    assert!(first < html.find("badge single").unwrap());
    for banned in ["http://", " src=", "@import", "url("] {
        assert!(!html.contains(banned), "{banned}");
    }
    // The one script is the page's own, known by its hash.
    assert_eq!(html.matches("<script").count(), 1);
    let hash = STANDARD.encode(Sha256::digest(SCRIPT.as_bytes()));
    assert!(html.contains(&format!("script-src 'sha256-{hash}'")));
    assert!(html.contains(&format!("<script>{SCRIPT}</script>")) && !SCRIPT.contains('<'));
}

#[test]
fn near_misses_have_a_section_of_their_own() {
    let mut nearer = fixtures::near_miss("nearer");
    nearer.windows.iter_mut().for_each(|window| window.losses += 3.0);
    fixtures::settle(&mut nearer);
    let clusters = vec![fixtures::near_miss("farther"), fixtures::cluster("a", 1), nearer.clone()];
    let html = render(&input(clusters));
    look("near.html", &html);
    assert!(html.contains("1 group of accounts found; 1 is flagged") && html.contains("2 groups came close."));
    assert_eq!(html.matches("<article").count(), 1, "a near miss is no cluster found");
    let section = html.split("id=\"near\"").nth(1).unwrap();
    let (first, second) = (section.find(">nearer<").unwrap(), section.find(">farther<").unwrap());
    assert!(first < second, "the nearest to its bar first");
    for number in [nearer.log_e_leave_one_source_out, nearer.log_e, nearer.test.unwrap().bar] {
        assert!(section.contains(&format!("<td class=\"n\">{}</td>", text_format::number(number))), "{number}");
    }
    assert_eq!(section.matches("What it needs to pass the test").count(), 2);
    // Nobody is named in it, and no model spoke of it.
    assert!(!section.contains("Membership probability</th>") && section.contains("no model has judged the group"));

    let nothing = render(&input(vec![fixtures::near_miss("n")]));
    assert!(nothing.contains("No cluster was found") && nothing.contains("id=\"near\""));
    assert!(!render(&input(vec![fixtures::cluster("a", 1)])).contains("id=\"near\""));
}

#[test]
fn findings_without_a_test_say_so() {
    let html = render(&input(vec![fixtures::one_text("t", 34), fixtures::of_version_1()]));
    look("counts.html", &html);
    for part in
        ["badge single\">one text<", "a count, not a test", "1 of them one text by many accounts", "An older test"]
    {
        assert!(html.contains(part), "{part}");
    }
    // Neither was counted by outcomes, so no such table stands there.
    assert!(!html.contains("Do these accounts repeat each other") && !html.contains("not known nats"));
}

#[test]
fn no_cluster_says_what_was_looked_for() {
    let html = render(&input(vec![]));
    look("empty.html", &html);
    assert!(html.contains("No cluster was found"));
    assert!(html.contains("214 candidate groups were proposed and tested"));
    assert!(render(&ReportInput::default()).contains("No post was read"));
}

#[test]
fn two_hundred_clusters_stay_usable() {
    let clusters = (0..230).map(|n| fixtures::sized(&format!("c{n}"), 1, 10, 20)).collect();
    let html = render(&input(clusters));
    look("many.html", &html);
    assert_eq!(html.matches("<article").count(), SECTIONS);
    assert_eq!(html.matches("class=\"graph\"").count(), DRAWN);
    assert!(html.contains("The first 200 of 230 clusters"));
    assert!(html.len() < 12_000_000, "{}", html.len());
}

#[test]
fn hostile_names_cannot_break_out() {
    let html = render(&input(vec![fixtures::hostile("<b>\u{202E}")]));
    look("hostile.html", &html);
    assert_eq!(html.matches("<script").count(), 1);
    for banned in ["<img", "<h1>x", "\u{202E}", "</style></svg>"] {
        assert!(!html.contains(banned), "{banned}");
    }
    // Every one of the ten thousand letters was cut before it reached the page.
    assert!(!html.contains(&"W".repeat(300)));
}

#[test]
fn the_same_input_gives_the_same_report() {
    let once = render(&input(vec![fixtures::cluster("a", 1)]));
    assert_eq!(once, render(&input(vec![fixtures::cluster("a", 1)])));
}
