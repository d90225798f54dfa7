//! Results of the published tools' methods on posts in which Lockstep flagged nothing: places to
//! look at next.
//!
//! Both methods run with the tools' own defaults, except for a window of ten seconds, once for each
//! kind of trace that is fast to compare. Neither method asks how often accounts meet by chance, so
//! its ties are a place to look at, and not a finding.

use std::{borrow::Cow, path::PathBuf};

use coordination::peers::{
    cooccurrence::{Match, Tie},
    coortweet::{Edge, Groups, Subgraph},
};

use super::{Intake, Method, PeersError, Trace};
use crate::input::SortedPosts;
use coordination::TraceKind;

/// With more posts than this nothing is compared: the shares would need more memory than everything
/// else.
pub const MOST_POSTS: u64 = 1_000_000;
/// Seconds within which two posts are together.
const WINDOW_S: f64 = 10.0;
/// Ties that are listed one by one.
const STRONGEST: usize = 5;

/// A method of a published tool on one kind of trace.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerView {
    /// Its name on the command line.
    pub method: &'static str,
    /// The kind of trace.
    pub trace: Trace,
    /// Seconds within which two posts were together.
    pub time_window: f64,
    /// Accounts with a tie that the method keeps.
    pub accounts: u64,
    /// Ties that it keeps; for CooRTweet those above the threshold.
    pub ties: u64,
    /// The heaviest of them: two account ids and the weight.
    pub strongest: Vec<(String, String, u32)>,
}

impl PeerView {
    /// The tool, the trace and the window, for people.
    pub fn title(&self) -> String {
        let tool = if self.method == "coortweet" { "CooRTweet" } else { "coordination-network-toolkit" };
        format!("{tool}, {}, {} s", self.trace, self.time_window)
    }

    /// The command that writes its ties.
    pub fn command(&self, files: &[PathBuf]) -> String {
        let file = files.first().map_or(Cow::Borrowed("FILE"), |file| file.to_string_lossy());
        let file = if file.contains([' ', '\'', '"', '$']) { Cow::Borrowed("FILE") } else { file };
        format!(
            "lockstep detect {file} --method {} --trace {} --time-window {}",
            self.method, self.trace, self.time_window
        )
    }
}

/// The heaviest ties so far, and the accounts with a tie.
#[derive(Default)]
struct Kept {
    accounts: std::collections::BTreeSet<String>,
    ties: u64,
    strongest: Vec<(String, String, u32)>,
}

impl Kept {
    fn tie(&mut self, a: &str, b: &str, weight: u32) {
        self.ties += 1;
        for account in [a, b] {
            if !self.accounts.contains(account) {
                self.accounts.insert(account.to_owned());
            }
        }
        if self.strongest.len() < STRONGEST || self.strongest.last().is_some_and(|(.., least)| weight > *least) {
            let place = self.strongest.partition_point(|(.., known)| *known >= weight);
            self.strongest.insert(place, (a.to_owned(), b.to_owned(), weight));
            self.strongest.truncate(STRONGEST);
        }
    }

    fn view(self, method: &'static str, trace: Trace) -> PeerView {
        let accounts = self.accounts.len() as u64;
        PeerView { method, trace, time_window: WINDOW_S, accounts, ties: self.ties, strongest: self.strongest }
    }
}

/// Every method on every fast trace that joins any accounts, sorted so that the view with the most
/// accounts comes last. Reads the posts again for each.
pub(crate) fn views(posts: &mut SortedPosts) -> Result<Vec<PeerView>, PeersError> {
    let mut views = Vec::new();
    for trace in [
        Trace::Kind(TraceKind::Url),
        Trace::Kind(TraceKind::Repost),
        Trace::Kind(TraceKind::Hashtags),
        Trace::Kind(TraceKind::Text),
    ] {
        let coortweet = Method::CooRTweet {
            time_window: WINDOW_S,
            min_participation: 2,
            edge_weight: 0.5,
            fast: None,
            subgraph: Subgraph::Weighted,
            objects: false,
            pairs: false,
        };
        let mut kept = Kept::default();
        let taken = intake(posts, &coortweet, trace)?;
        let groups = Groups::detect(&taken.shares, WINDOW_S, 2);
        groups.network(0.5, Subgraph::Weighted).edges(false, |edge: Edge<'_>| {
            kept.tie(edge.from, edge.to, edge.full.weight);
        });
        views.push(kept.view(coortweet.name(), trace));
        // The toolkit has no hashtags of its own.
        if trace == Trace::Kind(TraceKind::Hashtags) {
            continue;
        }
        let toolkit = Method::Cooccurrence {
            time_window: WINDOW_S,
            min_edge_weight: 2,
            similarity: 0.8,
            include_self_loops: false,
        };
        let mut kept = Kept::default();
        let taken = intake(posts, &toolkit, trace)?;
        taken.messages.ties(WINDOW_S, 2, Match::Same, false, |tie: Tie<'_>| {
            // The toolkit writes each tie in both directions; it is counted once.
            if tie.user_1 < tie.user_2 {
                kept.tie(tie.user_1, tie.user_2, tie.weight);
            }
        });
        views.push(kept.view(toolkit.name(), trace));
    }
    views.retain(|view| view.ties > 0);
    views.sort_by_key(|view| (view.accounts, view.method, view.trace.name()));
    Ok(views)
}

fn intake(posts: &mut SortedPosts, method: &Method, trace: Trace) -> Result<Intake, PeersError> {
    let mut intake = Intake::new(method, Some(trace));
    posts.rewind()?;
    while let Some(raw) = posts.advance()? {
        // Sorted posts were decoded once before.
        if let Ok(post) = messages::post::decode(raw) {
            intake.take(&post, None)?;
        }
    }
    Ok(intake)
}
