//! One self-contained HTML file for researchers: what a run of the detector found, with the same drawings as the console.

use askama::Template;
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use messages::cluster::{ClusterMessage, Status};
use sha2::{Digest, Sha256};

use crate::{
    view::{self, Badge, Limits},
    words,
};

/// Clusters with timeline and graph; a page with more of them is too heavy to scroll.
const DRAWN: usize = 40;
/// Clusters with a section of their own.
const SECTIONS: usize = 200;

/// What a run of the detector found, and in what.
#[derive(Debug, Clone, Default)]
pub struct ReportInput {
    /// Heading, for example the name of the data set.
    pub title: String,
    /// Names of the files read.
    pub files: Vec<String>,
    /// Posts read.
    pub posts: u64,
    /// Accounts seen.
    pub accounts: u64,
    /// Lines that could not be read.
    pub rejected: u64,
    /// Candidate groups tested.
    pub candidates_tested: u64,
    /// Time of the first and of the last post; `None` where there was no post.
    pub period: Option<(Timestamp, Timestamp)>,
    /// Posts over time.
    pub histogram: Histogram,
    /// Clusters found, in any order.
    pub clusters: Vec<ClusterMessage>,
    /// Remarks for the reader, for example about the model.
    pub notes: Vec<String>,
}

/// Posts per bin of time.
#[derive(Debug, Clone, Default)]
pub struct Histogram {
    /// Start of the first bin; `None` where there is no bin.
    pub start: Option<Timestamp>,
    /// Seconds a bin.
    pub bin_seconds: u64,
    /// Posts per bin, without gaps.
    pub counts: Vec<u64>,
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    title: String,
    style: &'static str,
    style_hash: String,
    summary: String,
    figures: Vec<(&'static str, String, String)>,
    notes: Vec<String>,
    periods: Option<String>,
    bin: String,
    clusters_drawn: usize,
    clusters_not_drawn: usize,
    nothing: String,
    entries: Vec<Entry>,
    drawn: usize,
    files: String,
}

struct Entry {
    number: usize,
    anchor: String,
    badge: Badge,
    short: String,
    body: String,
    drawn: bool,
}

/// The report as one HTML file that needs no network.
pub fn render(input: &ReportInput) -> String {
    let mut clusters = input.clusters.clone();
    // The order of clusters.jsonl, so that the numbers here are its lines.
    let place = |status| match status {
        Status::Flagged => 0,
        Status::Coordinated => 1,
        Status::SingleSource => 2,
        Status::Faded => 3,
    };
    clusters.sort_by(|a, b| {
        place(a.status)
            .cmp(&place(b.status))
            .then(b.log_e_leave_one_source_out.total_cmp(&a.log_e_leave_one_source_out))
            .then(a.cluster_id.cmp(&b.cluster_id))
    });
    let entries: Vec<Entry> = clusters
        .iter()
        .take(SECTIONS)
        .enumerate()
        .map(|(index, cluster)| {
            let anchor = format!("c{}", index + 1);
            let drawn = index < DRAWN;
            let limits = Limits {
                drawings: drawn,
                dots: 800,
                keys: if drawn { 40 } else { 10 },
                posts: if drawn { 40 } else { 10 },
                posts_in_all: usize::MAX,
                accounts: 200,
                graph: view::graph::Size { nodes: 60, edges: 600 },
            };
            Entry {
                number: index + 1,
                badge: view::badge(cluster.status),
                short: short(cluster),
                body: view::body(cluster, &anchor, limits, None),
                anchor,
                drawn,
            }
        })
        .collect();
    let mut notes: Vec<String> = input.notes.iter().map(|n| words::shorten(n, 600)).collect();
    if clusters.len() > SECTIONS {
        notes.push(format!(
            "The first {SECTIONS} of {} clusters have a section here; clusters.jsonl has all of them.",
            words::thousands(clusters.len() as u64)
        ));
    }
    let files: Vec<String> = input.files.iter().take(6).map(|f| words::shorten(f, 120)).collect();
    let more = input.files.len().saturating_sub(files.len());
    let page = Page {
        title: words::shorten(&input.title, 120),
        style: view::STYLE,
        style_hash: STANDARD.encode(Sha256::digest(view::STYLE.as_bytes())),
        summary: summary(input),
        figures: figures(input),
        notes,
        periods: view::periods(&input.histogram, &clusters),
        bin: bin(input.histogram.bin_seconds),
        clusters_drawn: view::PERIODS_DRAWN.min(clusters.len()),
        clusters_not_drawn: clusters.len().saturating_sub(view::PERIODS_DRAWN),
        nothing: nothing(input),
        drawn: DRAWN,
        entries,
        files: match (files.is_empty(), more) {
            (true, _) => "no file".to_owned(),
            (false, 0) => words::list(&files),
            (false, more) => format!("{} and {more} more files", files.join(", ")),
        },
    };
    page.render().unwrap_or_default()
}

fn summary(input: &ReportInput) -> String {
    let flagged = of(input, Status::Flagged);
    let posts = words::count(input.posts, "post");
    let accounts = words::count(input.accounts, "account");
    let candidates = words::count(input.candidates_tested, "candidate group");
    let found = match (flagged, input.clusters.len()) {
        (_, 0) if input.candidates_tested == 0 => {
            "No group of accounts acted together often enough to be tested.".to_owned()
        }
        (_, 0) => format!("{candidates} tested; none acted in lockstep by the test."),
        (0, n) => format!(
            "{} of accounts acted in lockstep; none is flagged. {candidates} tested.",
            words::count(n as u64, "group")
        ),
        (flagged, n) => {
            let named: usize =
                input.clusters.iter().filter(|c| c.status == Status::Flagged).map(|c| c.accounts.len()).sum();
            format!(
                "{} of accounts acted in lockstep; {flagged} {} flagged as inauthentic, with {} in all. {candidates} tested.",
                words::count(n as u64, "group"),
                if flagged == 1 { "is" } else { "are" },
                words::count(named as u64, "account"),
            )
        }
    };
    format!("{posts} by {accounts} were read. {found}")
}

fn figures(input: &ReportInput) -> Vec<(&'static str, String, String)> {
    let (span, period) = match input.period {
        Some((from, to)) => {
            (words::span_in_words(from, to), format!("{} to {} UTC", words::minute(from), words::minute(to)))
        }
        None => ("none".to_owned(), "there was no post".to_owned()),
    };
    let share = if input.posts + input.rejected > 0 {
        input.rejected as f64 / (input.posts + input.rejected) as f64
    } else {
        0.0
    };
    vec![
        (
            "Posts",
            words::thousands(input.posts),
            match input.rejected {
                0 => "every line could be read".to_owned(),
                n => format!("{} could not be read ({})", words::count(n, "line"), words::percent(share)),
            },
        ),
        (
            "Accounts",
            words::thousands(input.accounts),
            format!("in {}", words::count(input.files.len() as u64, "file")),
        ),
        ("Period", span, period),
        ("Flagged", words::thousands(of(input, Status::Flagged) as u64), "coordinated and inauthentic".to_owned()),
        (
            "Coordinated",
            words::thousands(of(input, Status::Coordinated) as u64),
            "but not found inauthentic".to_owned(),
        ),
        (
            "Single source",
            words::thousands(of(input, Status::SingleSource) as u64),
            "reported apart, never flagged".to_owned(),
        ),
    ]
}

fn nothing(input: &ReportInput) -> String {
    if input.posts == 0 {
        return "There was no post to look at. Check the files and the lines that could not be read.".to_owned();
    }
    format!(
        "Looked for: accounts that share the same links, repost the same posts, use the same hashtags or write nearly the same \
         texts, at nearly the same moments, more often than their habits explain. {}",
        match input.candidates_tested {
            0 => "No accounts did so often enough to be proposed as a group, so there was nothing to test.".to_owned(),
            1 => "1 candidate group was proposed and tested on what it did afterwards; it had not enough evidence."
                .to_owned(),
            n => format!(
                "{} candidate groups were proposed and tested on what they did afterwards; none had enough evidence.",
                words::thousands(n)
            ),
        },
    )
}

fn short(cluster: &ClusterMessage) -> String {
    format!(
        "{}, {} nats ({} without the strongest source), {}, {}",
        words::count(cluster.accounts.len() as u64, "account"),
        words::number(cluster.log_e),
        words::number(cluster.log_e_leave_one_source_out),
        words::list(&words::platforms(cluster)),
        words::day(cluster.first_seen),
    )
}

fn bin(seconds: u64) -> String {
    match seconds {
        s if s < 60 => format!("{s} seconds"),
        60 => "one minute".to_owned(),
        s if s < 3600 => format!("{} minutes", s / 60),
        3600 => "one hour".to_owned(),
        s if s < 86_400 => format!("{} hours", s / 3600),
        86_400 => "one day".to_owned(),
        s => format!("{} days", s / 86_400),
    }
}

fn of(input: &ReportInput, status: Status) -> usize {
    input.clusters.iter().filter(|c| c.status == status).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    fn input(clusters: Vec<ClusterMessage>) -> ReportInput {
        let from = Timestamp::from_second(1_475_884_800).unwrap();
        let to = Timestamp::from_second(1_476_662_400).unwrap();
        let mut dice = fixtures::Dice::new(3);
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
                        (day * 400.0 + burst + 120.0 * dice.roll()) as u64
                    })
                    .collect(),
            },
            clusters,
            notes: Vec::new(),
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
        for banned in ["http://", "<script", "src=", "@import", "url("] {
            assert!(!html.contains(banned), "{banned}");
        }
    }

    #[test]
    fn no_cluster_says_what_was_looked_for() {
        let html = render(&input(vec![]));
        look("empty.html", &html);
        assert!(html.contains("No cluster was found"));
        assert!(html.contains("214 candidate groups were proposed and tested"));
        assert!(render(&ReportInput::default()).contains("There was no post to look at"));
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
        for banned in ["<script", "<img", "<h1>x", "\u{202E}", "</style></svg>"] {
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
}
