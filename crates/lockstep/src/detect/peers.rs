//! `lockstep detect --method coortweet|cooccurrence`: the published tools' methods.

use std::{fmt::Display, path::PathBuf};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use coordination::{Millis, peers::coortweet::Subgraph};
use detection::{
    input::{Input, Options},
    peers::{Method, PeersError, PeersRun, Trace},
};

use super::{Detect, Rejects, prepare, println_json, remove, why_no_posts};
use crate::{
    Usage,
    progress::{self, count, counted},
};
use coordination::TraceKind;

/// Method that finds the ties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MethodName {
    /// Groups tested against how often their accounts would repeat each other by chance
    Lockstep,
    /// CooRTweet 2.1.3: accounts that shared the same objects within a time window
    Coortweet,
    /// coordination-network-toolkit: the same counted per message, directed
    Cooccurrence,
}

/// Parameters of the published tools' methods, with the tools' names and defaults.
#[derive(Args)]
#[command(next_help_heading = "Parameters of --method coortweet and cooccurrence")]
pub struct PeerArgs {
    /// Seconds within which two posts count as together [default: coortweet 10, cooccurrence 1]
    #[arg(long, value_name = "S", value_parser = seconds, allow_negative_numbers = true)]
    time_window: Option<f64>,
    /// coortweet: smallest number of posts that an account must have in pairs [default: 2]
    #[arg(long, value_name = "N")]
    min_participation: Option<u32>,
    /// coortweet: quantile of the weights above which a tie is flagged, from 0 to 1 [default: 0.5]
    #[arg(long, value_name = "Q", value_parser = fraction, allow_negative_numbers = true)]
    edge_weight: Option<f64>,
    /// coortweet: compare with the network of a narrower window of S seconds [without a number: the
    /// same window]
    #[arg(long, value_name = "S", num_args = 0..=1, value_parser = fast, allow_negative_numbers = true)]
    fast: Option<Option<f64>>,
    /// coortweet: 0 all ties, 1 ties above the threshold, 2 ties above it in the fast network, 3
    /// these with their neighbours
    #[arg(long, value_name = "0-3", value_parser = clap::value_parser!(u8).range(0..=3))]
    subgraph: Option<u8>,
    /// coortweet: also write the ids of the shared objects to ties.csv
    #[arg(long)]
    objects: bool,
    /// coortweet: write the pairs of posts to pairs.csv
    #[arg(long)]
    pairs: bool,
    /// cooccurrence: smallest weight of a tie [default: 2]
    #[arg(long, value_name = "N")]
    min_edge_weight: Option<u32>,
    /// cooccurrence: match texts whose words have at least this Jaccard similarity [default with
    /// --trace similar: 0.8]
    #[arg(long, value_name = "J", value_parser = fraction, allow_negative_numbers = true)]
    similarity: Option<f64>,
    /// cooccurrence: also write ties of an account with itself
    #[arg(long)]
    include_self_loops: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds >= 0.0 && seconds.is_finite() => Ok(seconds),
        _ => Err("is not a number of seconds, 0 or more".to_owned()),
    }
}

fn fast(text: &str) -> Result<f64, String> {
    seconds(text).map_err(|reason| format!("{reason}; give files before --fast"))
}

pub fn fraction(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(fraction) if (0.0..=1.0).contains(&fraction) => Ok(fraction),
        _ => Err("is not a number from 0 to 1".to_owned()),
    }
}

impl PeerArgs {
    /// The method and the trace; `None` for Lockstep's own method. Options that do not fit together
    /// are usage errors.
    pub fn method(&self, name: MethodName, traces: &[Trace]) -> Result<Option<(Method, Option<Trace>)>> {
        use MethodName::{Cooccurrence, Coortweet, Lockstep};
        let given = [
            ("--time-window", self.time_window.is_some(), &[Coortweet, Cooccurrence][..]),
            ("--min-participation", self.min_participation.is_some(), &[Coortweet]),
            ("--edge-weight", self.edge_weight.is_some(), &[Coortweet]),
            ("--fast", self.fast.is_some(), &[Coortweet]),
            ("--subgraph", self.subgraph.is_some(), &[Coortweet]),
            ("--objects", self.objects, &[Coortweet]),
            ("--pairs", self.pairs, &[Coortweet]),
            ("--min-edge-weight", self.min_edge_weight.is_some(), &[Cooccurrence]),
            ("--include-self-loops", self.include_self_loops, &[Cooccurrence]),
            ("--similarity", self.similarity.is_some(), &[Cooccurrence]),
        ];
        let misplaced = given.iter().find(|(_, given, methods)| *given && !methods.contains(&name));
        if let Some((flag, _, methods)) = misplaced {
            let names: Vec<String> = methods.iter().map(|m| format!("--method {}", m.shown())).collect();
            return usage(format!("{flag} belongs to {}, not to {}", names.join(" and "), name.shown()));
        }
        if name != Lockstep && traces.len() > 1 {
            return usage(format!("{} allows only one --trace", name.shown()));
        }
        let trace = match (traces.first().copied(), self.similarity) {
            (None | Some(Trace::Kind(TraceKind::Text)), Some(_)) => Some(Trace::Similar),
            (trace, _) => trace,
        };
        match name {
            Lockstep => Ok(None),
            Cooccurrence if self.similarity.is_some() && trace != Some(Trace::Similar) => {
                usage("--similarity compares texts: omit --trace, or use --trace similar")
            }
            Cooccurrence => {
                let method = Method::Cooccurrence {
                    time_window: self.time_window.unwrap_or(1.0),
                    min_edge_weight: self.min_edge_weight.unwrap_or(2),
                    similarity: self.similarity.unwrap_or(0.8),
                    include_self_loops: self.include_self_loops,
                };
                Ok(Some((method, trace)))
            }
            Coortweet if matches!(trace, Some(Trace::Similar | Trace::Post)) => usage(
                "coortweet has neither --trace similar nor --trace post: choose another trace, or --method cooccurrence",
            ),
            Coortweet => {
                let time_window = self.time_window.unwrap_or(10.0);
                let fast = self.fast.map(|fast| fast.unwrap_or(time_window));
                if fast.is_some_and(|fast| fast > time_window) {
                    return usage(format!("--fast must not be wider than --time-window, which is {time_window} s"));
                }
                let subgraph = match (self.subgraph.unwrap_or(0), fast) {
                    (1, Some(_)) => {
                        return usage("--subgraph 1 does not use the fast network: choose 2 or 3, or omit --fast");
                    }
                    (n @ (2 | 3), None) => {
                        return usage(format!("--subgraph {n} uses the fast network: add --fast SECONDS"));
                    }
                    (0, _) => Subgraph::Whole,
                    (1, _) => Subgraph::Weighted,
                    (2, _) => Subgraph::FastWeighted,
                    _ => Subgraph::FastContext,
                };
                let method = Method::CooRTweet {
                    time_window,
                    min_participation: self.min_participation.unwrap_or(2),
                    edge_weight: self.edge_weight.unwrap_or(0.5),
                    fast,
                    subgraph,
                    objects: self.objects,
                    pairs: self.pairs,
                };
                Ok(Some((method, trace)))
            }
        }
    }
}

impl MethodName {
    pub fn shown(self) -> &'static str {
        match self {
            MethodName::Lockstep => "lockstep",
            MethodName::Coortweet => "coortweet",
            MethodName::Cooccurrence => "cooccurrence",
        }
    }
}

pub fn usage<T>(message: impl Display) -> Result<T> {
    Err(Usage(message.to_string()).into())
}

/// Files of all methods. They are removed first, so that no file of an earlier run is mistaken for
/// a result of this run.
const OTHERS: [&str; 10] = [
    "clusters.jsonl",
    "near_misses.jsonl",
    "objects.csv",
    "network.graphml",
    "network.gexf",
    "report.html",
    "pairs.csv",
    "ties.csv",
    "accounts.csv",
    "summary.json",
];

pub fn run(detect: &Detect, method: &Method, trace: Option<Trace>, latest: Millis) -> Result<()> {
    if detect.report {
        return usage("--report belongs to --method lockstep: the other methods only write tables");
    }
    let bar = progress::bar(None, "reading   {bar:30} {bytes}/{total_bytes} {msg}");
    let options = Options { keep_duplicates: true, latest: Some(latest), ..detect.input.options(&bar)? };
    let input = Input::open(&detect.files, options)?;
    prepare(&detect.out)?;
    OTHERS.iter().try_for_each(|name| remove(&detect.out.join(name)))?;
    if let Some(total) = input.total_bytes() {
        bar.set_length(total);
    }
    let mut rejects = Rejects::new(detect.out.join("rejected.jsonl"));
    let found = detection::peers::detect(
        input,
        method,
        trace,
        &detect.out,
        &mut |bad| {
            if rejects.keep(&bad) {
                bar.suspend(|| eprintln!("warning: {bad}"));
            }
        },
        &mut |now| bar.set_position(now.bytes),
    );
    bar.finish_and_clear();
    rejects.finish()?;
    let found = match found {
        Err(PeersError::Ambiguous(..)) => return usage(found.err().map(|error| error.to_string()).unwrap_or_default()),
        found => found?,
    };
    let counts = &found.counts;
    crate::input::print_warnings(counts);
    if counts.posts == 0 {
        if let Some(damage) = counts.damaged.first() {
            bail!("no post could be read: {damage}");
        }
        bail!("no post could be read: {}", why_no_posts(&detect.out, &detect.input, counts.bad, counts.not_posts));
    }
    if found.shares == 0 {
        let what = if found.kind.is_empty() { "url, repost, hashtags or reply" } else { found.kind };
        bail!("none of the {} has a trace of {what}: choose another kind with --trace", counted(counts.posts, "post"));
    }
    if detect.json {
        println_json(&found.summary)?;
    } else {
        print_results(&found, method, &detect.out);
    }
    for damage in &counts.damaged {
        eprintln!("error: {damage}");
    }
    if !counts.damaged.is_empty() {
        bail!("part of the input could not be read; the results cover the rest");
    }
    Ok(())
}

fn print_results(found: &PeersRun, method: &Method, out: &std::path::Path) {
    eprintln!(
        "{} of {} from {} in {:.1} s by {} ({})",
        counted(found.shares, "share"),
        counted(found.accounts, "account"),
        counted(found.counts.posts, "post"),
        found.took.as_secs_f64(),
        method.name(),
        found.kind,
    );
    let above = match (found.above, found.summary["threshold"].as_f64()) {
        (Some(above), Some(threshold)) => format!(", {} above the threshold of {threshold} pairs", count(above)),
        _ => String::new(),
    };
    eprintln!("{}{above}", counted(found.ties, "tie"));
    if found.on_several_platforms > 0 {
        eprintln!(
            "warning: {} occur on several platforms; each was treated as one account, as the tool does",
            counted(found.on_several_platforms, "account id")
        );
    }
    let path: PathBuf = out.join("ties.csv");
    eprintln!("results: {}", path.display());
}
