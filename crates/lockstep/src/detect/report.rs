//! `report.html`: the data of a run for the report.

use std::path::PathBuf;

use coordination::AccountRef;
use detection::{
    detect::{Detection, RankedAccount},
    peers::PeerView,
};
use presentation::{
    network::{NetworkEnd, NetworkTie},
    periods::Histogram,
    posts::{PostContent, Posts},
    report::{OtherMethod, Suspect},
};

use super::terminal::remarks;

/// Number of accounts that the report names if nothing is flagged.
const SUSPECTS: usize = 20;

/// The report for people.
pub(super) fn report(files: &[PathBuf], detection: &Detection) -> String {
    let names: Vec<String> =
        files.iter().map(|f| f.file_name().unwrap_or(f.as_os_str()).to_string_lossy().into_owned()).collect();
    let bins = detection.histogram.len().max(1) as f64;
    let seconds = detection.period.map_or(1.0, |(first, last)| last.duration_since(first).as_secs_f64());
    presentation::report::render(&presentation::report::ReportInput {
        title: names.join(", "),
        files: names,
        posts: detection.counts.posts,
        accounts: detection.accounts_seen,
        rejected: detection.counts.bad,
        candidates_tested: detection.stats.candidates_proposed,
        period: detection.period,
        histogram: Histogram {
            start: detection.period.map(|(first, _)| first),
            bin_seconds: (seconds / bins).ceil().max(1.0) as u64,
            counts: detection.histogram.clone(),
        },
        clusters: detection.clusters.iter().chain(&detection.near_misses).cloned().collect(),
        notes: remarks(detection),
        posted: posted(detection),
        ties: ties(detection),
        suspects: detection.suspects().take(SUSPECTS).map(suspect).collect(),
        others: detection.peers.as_ref().map(|views| views.iter().map(|view| other(view, files)).collect()),
    })
}

/// The texts of the posts in evidence, and of the posts that they repeat.
fn posted(detection: &Detection) -> Posts {
    let mut posts = Posts::default();
    for (platform, id, said) in detection.posted.iter() {
        posts.insert(platform, id, PostContent { text: said.text.clone(), ..PostContent::default() });
    }
    posts
}

fn ties(detection: &Detection) -> Vec<NetworkTie> {
    let names = detection.account_names();
    let end = |account: &AccountRef| NetworkEnd {
        platform: account.platform.clone(),
        account_id: account.account_id.clone(),
        name: names.get(account).copied().unwrap_or_default().to_owned(),
    };
    detection.ties.iter().map(|tie| NetworkTie { a: end(&tie.a), b: end(&tie.b), nats: tie.nats }).collect()
}

fn suspect(ranked: &RankedAccount) -> Suspect {
    let known = &ranked.account.evidence;
    Suspect {
        platform: known.account.platform.clone(),
        account_id: known.account.account_id.clone(),
        name: known.account_name.clone(),
        posts: known.posts,
        suspicion: known.suspicion,
        tie_nats: known.tie_nats,
        texts: known.texts.into(),
        copies: known.copies.into(),
        status: ranked.cluster.as_ref().map_or("", |(_, status)| status.name()).replace('_', " "),
    }
}

fn other(view: &PeerView, files: &[PathBuf]) -> OtherMethod {
    OtherMethod {
        title: view.title(),
        accounts: view.accounts,
        ties: view.ties,
        strongest: view.strongest.clone(),
        command: view.command(files),
    }
}
