//! The report: one self-contained HTML file with the findings of a run and the same drawings as the console.
//!
//! The page loads nothing, works without scripts, and prints with all parts open. Its script adds two
//! things: the network zooms, and closed parts open before printing.

mod input;

use askama::Template;
use base64::{Engine, engine::general_purpose::STANDARD};
use messages::cluster::{ClusterMessage, Status, Tally};

pub use input::{OtherMethod, ReportInput, Suspect};
use sha2::{Digest, Sha256};

use crate::{
    STYLE,
    cluster::{self, Badge, Limits},
    description, graph, near_miss, network, periods,
    posts::Posts,
};

/// Number of clusters with timeline and graph. A page with more drawings scrolls too slowly.
const DRAWN: usize = 40;
/// Number of clusters with a section.
const SECTIONS: usize = 200;
/// Number of near misses listed, those closest to their threshold first.
const NEAR: usize = 100;
/// Number of accounts listed if nothing is flagged.
const SUSPECTS: usize = 20;
/// The script of the page.
const SCRIPT: &str = include_str!("../../assets/report.js");

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
    script: &'static str,
    script_hash: String,
    network: Option<network::Drawing>,
    /// Suspects, other methods and hints, if nothing is flagged.
    next_steps: Option<NextSteps>,
    entries: Vec<Entry>,
    near: Vec<Near>,
    more_near: usize,
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

/// The section of a report in which nothing is flagged.
struct NextSteps {
    suspects: Vec<SuspectView>,
    /// `None` if the other methods were not run.
    others: Option<Vec<OtherView>>,
    near: usize,
    hints: Vec<String>,
}

struct SuspectView {
    name: String,
    id: String,
    platform: String,
    suspicion: String,
    tie: String,
    copies: String,
    posts: String,
    status: String,
}

struct OtherView {
    title: String,
    accounts: String,
    ties: String,
    strongest: String,
    command: String,
}

/// A group that came close.
struct Near {
    number: usize,
    anchor: String,
    group: String,
    accounts: String,
    /// The number of accounts with its noun.
    size: String,
    nats: String,
    all_nats: String,
    bar: String,
    lacks: String,
    first: String,
    body: String,
}

/// The report as one HTML file that needs no network.
pub fn render(input: &ReportInput) -> String {
    let tally = Tally::of(&input.clusters);
    let (near, mut clusters): (Vec<_>, Vec<_>) =
        input.clusters.iter().cloned().partition(|cluster| cluster.status == Status::NearMiss);
    // The order of clusters.jsonl, so that the numbers of the clusters are its line numbers.
    let place = |status| match status {
        Status::Flagged => 0,
        Status::Coordinated => 1,
        Status::SingleSource => 2,
        Status::Faded => 3,
        Status::NearMiss => 4,
    };
    clusters.sort_by(|a, b| {
        place(a.status)
            .cmp(&place(b.status))
            .then(b.log_e_leave_one_source_out.total_cmp(&a.log_e_leave_one_source_out))
            .then(b.accounts.len().cmp(&a.accounts.len()))
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
                keys: if drawn { 40 } else { 6 },
                posts: if drawn { 40 } else { 3 },
                posts_in_all: usize::MAX,
                accounts: if drawn { 200 } else { 50 },
                graph: graph::Size { nodes: 60, edges: 600 },
            };
            Entry {
                number: index + 1,
                badge: cluster::badge(cluster),
                short: short(cluster),
                body: cluster::body(cluster, &anchor, limits, None, &input.posted),
                anchor,
                drawn,
            }
        })
        .collect();
    let mut notes: Vec<String> = input.notes.iter().map(|n| text_format::shorten(n, 600)).collect();
    if clusters.len() > SECTIONS {
        notes.push(format!(
            "The first {SECTIONS} of {} clusters have a section here; clusters.jsonl has all of them.",
            text_format::thousands(clusters.len() as u64)
        ));
    }
    let files: Vec<String> = input.files.iter().take(6).map(|f| text_format::shorten(f, 120)).collect();
    let more = input.files.len().saturating_sub(files.len());
    let page = Page {
        title: text_format::shorten(&input.title, 120),
        style: STYLE,
        style_hash: STANDARD.encode(Sha256::digest(STYLE.as_bytes())),
        summary: summary(input, &tally),
        figures: figures(input, &tally),
        notes,
        periods: periods::draw(&input.histogram, &clusters),
        bin: bin(input.histogram.bin_seconds),
        clusters_drawn: periods::MOST.min(clusters.len()),
        clusters_not_drawn: clusters.len().saturating_sub(periods::MOST),
        nothing: nothing(input),
        script: SCRIPT,
        script_hash: STANDARD.encode(Sha256::digest(SCRIPT.as_bytes())),
        network: network(input, &clusters),
        next_steps: (input.posts > 0 && tally.flagged.groups == 0).then(|| next_steps(input)),
        drawn: DRAWN,
        entries,
        more_near: near.len().saturating_sub(NEAR),
        near: near_misses(near, &input.posted),
        files: match (files.is_empty(), more) {
            (true, _) => "no file".to_owned(),
            (false, 0) => text_format::list(&files),
            (false, more) => format!("{} and {more} more files", files.join(", ")),
        },
    };
    page.render().unwrap_or_default()
}

/// The near misses, those closest to their threshold first.
fn near_misses(mut near: Vec<ClusterMessage>, posts: &Posts) -> Vec<Near> {
    let lacks = |c: &ClusterMessage| near_miss::lacks(c).unwrap_or(f64::INFINITY);
    near.sort_by(|a, b| lacks(a).total_cmp(&lacks(b)).then(a.cluster_id.cmp(&b.cluster_id)));
    let limits = Limits {
        drawings: false,
        dots: 0,
        keys: 10,
        posts: 10,
        posts_in_all: usize::MAX,
        accounts: 100,
        graph: graph::Size { nodes: 0, edges: 0 },
    };
    let entry = |(index, c): (usize, &ClusterMessage)| {
        let anchor = format!("n{}", index + 1);
        Near {
            number: index + 1,
            group: text_format::shorten(&c.cluster_id, 80),
            accounts: text_format::thousands(c.accounts.len() as u64),
            size: text_format::count(c.accounts.len() as u64, "account"),
            nats: text_format::number(c.log_e_leave_one_source_out),
            all_nats: text_format::number(c.log_e),
            bar: c.test.map_or_else(|| "not known".to_owned(), |test| text_format::number(test.bar)),
            lacks: near_miss::lacks(c).map_or_else(|| "not known".to_owned(), text_format::number),
            first: text_format::minute(c.first_seen),
            body: cluster::body(c, &anchor, limits, None, posts),
            anchor,
        }
    };
    near.iter().take(NEAR).enumerate().map(entry).collect()
}

/// The whole network, with the groups.
fn network(input: &ReportInput, clusters: &[ClusterMessage]) -> Option<network::Drawing> {
    let groups: Vec<network::Group<'_>> = clusters
        .iter()
        .enumerate()
        .map(|(index, cluster)| network::Group {
            anchor: (index < SECTIONS).then(|| format!("c{}", index + 1)),
            number: index + 1,
            class: cluster::badge(cluster).class,
            status: cluster::badge(cluster).label.to_owned(),
            accounts: cluster
                .accounts
                .iter()
                .map(|account| (&*account.platform, &*account.account_id, &*account.account_name))
                .collect(),
        })
        .collect();
    network::draw(&input.ties, &groups)
}

fn next_steps(input: &ReportInput) -> NextSteps {
    let suspects = input.suspects.iter().take(SUSPECTS).map(|suspect| SuspectView {
        name: text_format::shorten(if suspect.name.is_empty() { &suspect.account_id } else { &suspect.name }, 40),
        id: text_format::shorten(&suspect.account_id, 48),
        platform: text_format::shorten(&suspect.platform, 24),
        suspicion: text_format::number(suspect.suspicion),
        tie: text_format::number(suspect.tie_nats),
        copies: format!("{} of {}", text_format::thousands(suspect.copies), text_format::thousands(suspect.texts)),
        posts: text_format::thousands(suspect.posts),
        status: suspect.status.clone(),
    });
    let other = |other: &OtherMethod| OtherView {
        title: text_format::shorten(&other.title, 80),
        accounts: text_format::thousands(other.accounts),
        ties: text_format::thousands(other.ties),
        strongest: other
            .strongest
            .iter()
            .map(|(a, b, weight)| {
                format!("{} – {} ({weight})", text_format::shorten(a, 30), text_format::shorten(b, 30))
            })
            .collect::<Vec<_>>()
            .join(", "),
        command: text_format::shorten(&other.command, 200),
    };
    let mut hints = vec![
        "Add posts over a longer time, which gives the test more evidence. A group is proposed from its earlier posts and tested on its later \
         posts, so a file of a few hours has little to test with."
            .to_owned(),
        "Do not collect by one keyword or hashtag: then all accounts in the file look alike, and there is no crowd to compare them with.".to_owned(),
        "Use --trace KIND (--trace url, --trace text) to look at one kind of trace. See objects.csv for what accounts had in common.".to_owned(),
        "Sort and filter accounts.csv: for every account it has the ties, the copied texts and the suspicion.".to_owned(),
    ];
    if input.period.is_some_and(|(from, to)| to.duration_since(from).as_hours() < 24) {
        hints.insert(
            0,
            "The posts cover less than a day, which is too short to know what is usual among these accounts."
                .to_owned(),
        );
    }
    NextSteps {
        suspects: suspects.collect(),
        others: input.others.as_ref().map(|others| others.iter().map(other).collect()),
        near: of(input, Status::NearMiss),
        hints,
    }
}

fn summary(input: &ReportInput, tally: &Tally) -> String {
    let posts = text_format::count(input.posts, "post");
    let accounts = text_format::count(input.accounts, "account");
    let candidates = text_format::count(input.candidates_tested, "candidate group");
    let found = match (tally.flagged.groups, tally.found.groups) {
        (_, 0) if input.candidates_tested == 0 => {
            "No group of accounts acted together often enough to be tested.".to_owned()
        }
        (_, 0) => format!("{candidates} tested; none passed."),
        (0, n) => {
            format!("{} of accounts found; none is flagged. {candidates} tested.", text_format::count(n, "group"))
        }
        (flagged, n) => format!(
            "{} of accounts found; {flagged} {} flagged as inauthentic, with {} in all. {candidates} tested.",
            text_format::count(n, "group"),
            if flagged == 1 { "is" } else { "are" },
            text_format::count(tally.flagged.accounts, "account"),
        ),
    };
    let near = match tally.near_miss.groups {
        0 => String::new(),
        n => format!(" {} came close.", text_format::count(n, "group")),
    };
    format!("{posts} by {accounts} were read. {found}{near}")
}

fn figures(input: &ReportInput, tally: &Tally) -> Vec<(&'static str, String, String)> {
    let (span, period) = match input.period {
        Some((from, to)) => (
            text_format::span_in_words(from, to),
            format!("{} to {} UTC", text_format::minute(from), text_format::minute(to)),
        ),
        None => ("none".to_owned(), "there was no post".to_owned()),
    };
    let share = if input.posts + input.rejected > 0 {
        input.rejected as f64 / (input.posts + input.rejected) as f64
    } else {
        0.0
    };
    let mut figures = vec![
        (
            "Posts",
            text_format::thousands(input.posts),
            match input.rejected {
                0 => "every line was read".to_owned(),
                n => format!("{} could not be read ({})", text_format::count(n, "line"), text_format::percent(share)),
            },
        ),
        (
            "Accounts",
            text_format::thousands(input.accounts),
            format!("in {}", text_format::count(input.files.len() as u64, "file")),
        ),
        ("Period", span, period),
        (
            "Flagged",
            text_format::thousands(tally.flagged.groups),
            format!("coordinated and inauthentic; {}", text_format::count(tally.flagged.accounts, "account")),
        ),
        (
            "Coordinated",
            text_format::thousands(tally.coordinated.groups),
            format!("not found inauthentic; {}", text_format::count(tally.coordinated.accounts, "account")),
        ),
        (
            "Single source",
            text_format::thousands(tally.single_source.groups),
            match tally.one_text.groups {
                0 => "never flagged".to_owned(),
                n => format!("never flagged; {n} of them one text by many accounts"),
            },
        ),
    ];
    if tally.faded.groups > 0 {
        let note = "passed once; later posts contradict it".to_owned();
        figures.push(("Faded", text_format::thousands(tally.faded.groups), note));
    }
    figures.push((
        "Near misses",
        text_format::thousands(tally.near_miss.groups),
        "did not pass, but came close".to_owned(),
    ));
    figures
}

fn nothing(input: &ReportInput) -> String {
    if input.posts == 0 {
        return "No post was read. Check the files and the lines that could not be read.".to_owned();
    }
    format!(
        "The test looks for groups whose members repeat each other (nearly the same texts, the same links, reposts, hashtags or mentions) far \
         more often than everybody else and the people near the group repeat them. {}",
        match input.candidates_tested {
            0 => "No accounts did so often enough to be proposed as a group, so no group was tested.".to_owned(),
            1 => "1 candidate group was proposed and tested on its later posts; it did not have enough evidence."
                .to_owned(),
            n => format!(
                "{} candidate groups were proposed and tested on their later posts; none had enough evidence.",
                text_format::thousands(n)
            ),
        },
    )
}

fn short(cluster: &ClusterMessage) -> String {
    let evidence = if description::is_count(cluster) {
        "one text, counted and not tested".to_owned()
    } else {
        format!(
            "{} nats ({} without the strongest source)",
            text_format::number(cluster.log_e),
            text_format::number(cluster.log_e_leave_one_source_out)
        )
    };
    format!(
        "{}, {evidence}, {}, {}",
        text_format::count(description::size(cluster), "account"),
        text_format::list(&description::platforms(cluster)),
        text_format::day(cluster.first_seen),
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
mod tests;
