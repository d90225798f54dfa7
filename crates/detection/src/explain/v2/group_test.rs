//! The test: windows, keys, sources, the source that is left out, and the threshold.

use std::collections::BTreeMap;

use coordination::TraceKind;
use jiff::Timestamp;
use messages::cluster::{ClusterMessage, Evidence, Gain, Outcome, Terms};
use serde::Serialize;

use super::{
    super::{
        arithmetic::{Figure, TOLERANCE, log_mean_exp, same},
        text::shown,
    },
    outcomes::{IMAGINED, words},
};

/// One window of the test.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Window {
    /// Another member must have used the same object at most this long before a post, seconds.
    pub seconds: i64,
    /// Gains of the listed keys.
    pub listed: f64,
    /// Sum of the gains that are not listed.
    pub unlisted: f64,
    /// Sum of the losses.
    pub losses: f64,
    /// ln of the window's e-value: the sum of the three.
    pub nats: Figure,
    /// Outcomes of the group's own trials.
    pub group: [u64; 5],
    /// Outcomes of everybody else's posts.
    pub crowd: [u64; 5],
    /// Outcomes of the posts of accounts near the group.
    pub near: [u64; 5],
}

/// A key on which members posted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KeyArithmetic {
    /// Number among the keys of the message, from 1.
    pub number: usize,
    /// Trace kind.
    pub kind: TraceKind,
    /// The object.
    pub key: String,
    /// Trace kind of its source.
    pub source_kind: TraceKind,
    /// Source of the key.
    pub source: String,
    /// Its gain in the best window.
    pub nats: Figure,
    /// Its gain in each window: the sums over the posts.
    pub by_window: Vec<Figure>,
    /// The members' posts, by time.
    pub posts: Vec<Post>,
}

/// A post on a key.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Post {
    /// Its id.
    pub id: String,
    /// `platform:account_id`.
    pub account: String,
    /// When it was made.
    pub at: Timestamp,
    /// Its gains; empty if there is none.
    pub gains: Vec<Gained>,
}

/// The gain of a post in one window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Gained {
    /// Index of the window.
    pub window: usize,
    /// The outcome of the post.
    pub outcome: Outcome,
    /// How often the group's own earlier posts had this outcome.
    pub g: f64,
    /// How often it happens without coordination, with the safety factor.
    pub h: f64,
    /// min(ln(g / h), 4).
    pub nats: f64,
}

/// The gains of one source.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Source {
    /// Trace kind of the source.
    pub kind: TraceKind,
    /// Source of the keys.
    pub source: String,
    /// Number of its listed keys.
    pub keys: usize,
    /// Their gains, by window.
    pub listed: [f64; 3],
    /// All its gains, by window, as recorded.
    pub recorded: [f64; 3],
    /// The cluster's evidence without it: ln of the mean of e^(nats - recorded) over the windows.
    pub without: f64,
}

/// Gains of one trace kind in the best window.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Kind {
    /// Trace kind.
    pub kind: TraceKind,
    /// Listed keys of it.
    pub keys: usize,
    /// Their gains.
    pub listed: f64,
    /// All its gains, as recorded.
    pub recorded: f64,
}

/// The threshold of the group's statistic, nats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bar {
    /// ln(2.11 m ln(m)^2 / (alpha (discoveries + 1))), m = number + 2.
    pub bar: Figure,
    /// The evidence without the best source.
    pub statistic: f64,
    /// The statistic minus the threshold; negative if it is below.
    pub above: f64,
}

/// If a group has more sources than this, the engine does not distinguish all of them, and the
/// reported ones need not sum to the gains.
const DISTINGUISHED: u64 = 3_072;

pub(super) struct Test {
    pub(super) windows: Vec<Window>,
    pub(super) keys: Vec<KeyArithmetic>,
    pub(super) sources: Vec<Source>,
    pub(super) traces: Vec<Kind>,
    pub(super) log_e: Figure,
    pub(super) left_out: Option<usize>,
    pub(super) log_e_leave_one_source_out: Figure,
    pub(super) bar: Option<Bar>,
}

impl Test {
    pub(super) fn of(message: &ClusterMessage, contradictions: &mut Vec<String>) -> Test {
        let best = message.best_window();
        let keys: Vec<KeyArithmetic> = message
            .evidence
            .iter()
            .enumerate()
            .map(|(place, evidence)| key(place + 1, evidence, best, message, contradictions))
            .collect();
        let windows: Vec<Window> =
            (0..message.windows.len()).map(|at| window(at, message, &keys, contradictions)).collect();
        let nats: [f64; 3] = std::array::from_fn(|at| {
            windows.get(at).map_or(f64::NEG_INFINITY, |window| window.nats.recomputed.unwrap_or(window.nats.recorded))
        });
        let sources = sources(message, &keys, nats);
        check_sources(message, &sources, &keys, best, contradictions);
        let traces = traces(message, &keys, best, contradictions);

        // Without a test there is no evidence.
        let log_e = if windows.is_empty() { 0.0 } else { log_mean_exp(nats) };
        let least = sources.iter().enumerate().min_by(|(_, x), (_, y)| x.without.total_cmp(&y.without));
        let left_out = least.filter(|(_, source)| source.without < log_e).map(|(place, _)| place);
        let left = left_out.map_or(log_e, |place| sources[place].without);
        let test = Test {
            log_e: Figure::new(message.log_e, log_e),
            log_e_leave_one_source_out: Figure::new(message.log_e_leave_one_source_out, left),
            bar: message.test.map(|terms| bar(message, terms, contradictions)),
            windows,
            keys,
            sources,
            traces,
            left_out,
        };
        contradictions.extend(test.log_e.contradiction("log_e"));
        contradictions.extend(test.log_e_leave_one_source_out.contradiction("log_e_leave_one_source_out"));
        test
    }
}

fn key(
    number: usize,
    evidence: &Evidence,
    best: usize,
    message: &ClusterMessage,
    contradictions: &mut Vec<String>,
) -> KeyArithmetic {
    let what = format!("key {number} ({} {})", evidence.kind, shown(&evidence.key));
    let mut sums = [0.0; 3];
    let mut posts = Vec::with_capacity(evidence.posts.len());
    for (place, post) in evidence.posts.iter().enumerate() {
        let mut gains: Vec<Gained> = Vec::with_capacity(post.gains.len());
        for gain in &post.gains {
            let again = gains.iter().any(|known| known.window == gain.window);
            let flaw =
                if again { Some("has two gains in one window".to_owned()) } else { flaw(gain, evidence, message) };
            contradictions.extend(flaw.map(|flaw| format!("{what}: post {}: {flaw}", place + 1)));
            let nats = (gain.g / gain.h).ln().min(4.0);
            if let Some(sum) = sums.get_mut(gain.window) {
                *sum += nats;
            }
            gains.push(Gained { window: gain.window, outcome: gain.outcome, g: gain.g, h: gain.h, nats });
        }
        posts.push(Post {
            id: post.id.clone(),
            account: format!("{}:{}", post.platform, post.account_id),
            at: post.created_at,
            gains,
        });
    }
    let by_window: Vec<Figure> =
        evidence.by_window.into_iter().zip(sums).map(|(recorded, sum)| Figure::new(recorded, sum)).collect();
    for (at, figure) in by_window.iter().enumerate() {
        contradictions.extend(figure.contradiction(&format!("{what} in window {}", at + 1)));
    }
    let nats = Figure::new(evidence.nats, sums.get(best).copied().unwrap_or_default());
    contradictions.extend(nats.contradiction(&what));
    KeyArithmetic {
        number,
        kind: evidence.kind,
        key: evidence.key.clone(),
        source_kind: evidence.source_kind,
        source: evidence.source.clone(),
        nats,
        by_window,
        posts,
    }
}

/// Contradictions inside a gain.
fn flaw(gain: &Gain, evidence: &Evidence, message: &ClusterMessage) -> Option<String> {
    let Some(window) = message.windows.get(gain.window) else {
        return Some(format!("there is no window {}", gain.window.saturating_add(1)));
    };
    let outcome = gain.outcome as usize;
    let own_words = gain.outcome == Outcome::OwnWords;
    if gain.outcome == Outcome::Nothing || own_words != (evidence.kind == TraceKind::Text) {
        return Some(format!("{} is not an outcome of a key of kind {}", words(gain.outcome), evidence.kind));
    }
    // Written so that NaN does not pass.
    let possible = gain.g > gain.h && gain.h > 0.0 && gain.g <= 1.0;
    if !possible {
        return Some(format!("g {} and h {} are not rates that give a gain", gain.g, gain.h));
    }
    // g = (earlier trials with the outcome + 1/2) / (earlier trials + 5/2): at most all with it
    // came before this one.
    let with = window.group[outcome].saturating_sub(1) as f64;
    if gain.g > (with + 0.5) / (with + 2.5) + TOLERANCE {
        return Some(format!("g {} is more than {} such posts of the group can give", gain.g, window.group[outcome]));
    }
    // c = (x of n posts with the outcome + 50 r) / (n + 50) is smallest if all others' posts came
    // before and none had the outcome.
    let least = message.test.map_or(0.0, |terms| {
        let others = window.crowd.iter().sum::<u64>() as f64;
        terms.safety * 50.0 * IMAGINED[outcome] / (others + 50.0)
    });
    (gain.h < least - TOLERANCE).then(|| format!("h {} is less than the imagined crowd alone gives: {least}", gain.h))
}

fn window(at: usize, message: &ClusterMessage, keys: &[KeyArithmetic], contradictions: &mut Vec<String>) -> Window {
    let recorded = &message.windows[at];
    let what = format!("window {}", at + 1);
    let listed: f64 = keys.iter().filter_map(|key| key.by_window.get(at)?.recomputed).sum();
    let unlisted = message.unlisted.nats.get(at).copied().unwrap_or_default();
    let nats = Figure::new(recorded.nats, recorded.losses + listed + unlisted);
    contradictions.extend(nats.contradiction(&what));
    if recorded.losses > TOLERANCE {
        contradictions.push(format!("{what}: losses of {:.9} nats are positive", recorded.losses));
    }
    if unlisted < -TOLERANCE || (message.unlisted.trials == 0 && !same(unlisted, 0.0)) {
        contradictions.push(format!(
            "unlisted.nats: {unlisted:.9} nats in {what} are recorded for {} trials",
            message.unlisted.trials
        ));
    }
    let narrower = at.checked_sub(1).map_or(0, |before| message.windows[before].seconds);
    if recorded.seconds <= narrower {
        contradictions.push(format!("{what}: is {} s wide, and the one before it {narrower} s", recorded.seconds));
    }
    // Each post has one outcome in every window, so all windows have equally many.
    let total = |counts: [u64; 5]| counts.into_iter().fold(0, u64::saturating_add);
    let first = &message.windows[0];
    for (who, here, there) in [
        ("group", recorded.group, first.group),
        ("crowd", recorded.crowd, first.crowd),
        ("near", recorded.near, first.near),
    ] {
        if total(here) != total(there) {
            let (here, there) = (total(here), total(there));
            contradictions.push(format!("{what}: {who} has {here} posts, and {there} in the first window"));
        }
    }
    for outcome in Outcome::ALL {
        let gains = keys.iter().flat_map(|key| &key.posts).flat_map(|post| &post.gains);
        let gained = gains.filter(|gain| gain.window == at && gain.outcome == outcome).count() as u64;
        let posts = recorded.group[outcome as usize];
        if gained > posts {
            contradictions.push(format!(
                "{what}: {gained} posts gained with {}, but the group has {posts} of them",
                words(outcome)
            ));
        }
    }
    Window {
        seconds: recorded.seconds,
        listed,
        unlisted,
        losses: recorded.losses,
        nats,
        group: recorded.group,
        crowd: recorded.crowd,
        near: recorded.near,
    }
}

fn sources(message: &ClusterMessage, keys: &[KeyArithmetic], nats: [f64; 3]) -> Vec<Source> {
    let source = |source: &messages::cluster::SourceNats| {
        let (mut count, mut listed) = (0, [0.0; 3]);
        for key in keys.iter().filter(|key| key.source_kind == source.kind && key.source == source.source) {
            count += 1;
            listed.iter_mut().zip(&key.by_window).for_each(|(sum, nats)| *sum += nats.recomputed.unwrap_or_default());
        }
        Source {
            kind: source.kind,
            source: source.source.clone(),
            keys: count,
            listed,
            recorded: source.by_window,
            without: log_mean_exp(std::array::from_fn(|at| nats[at] - source.by_window[at])),
        }
    };
    message.sources.iter().map(source).collect()
}

/// The gains by source must sum to those of the windows, and no source has less than its listed
/// keys.
fn check_sources(
    message: &ClusterMessage,
    sources: &[Source],
    keys: &[KeyArithmetic],
    best: usize,
    contradictions: &mut Vec<String>,
) {
    let distinguished = sources.len() as u64 + message.unlisted.sources < DISTINGUISHED;
    for (at, window) in message.windows.iter().enumerate() {
        let cut = message.unlisted.source_nats[at];
        let sum = window.losses + sources.iter().map(|source| source.recorded[at]).sum::<f64>() + cut;
        let figure = Figure::new(window.nats, sum);
        if distinguished {
            contradictions.extend(figure.contradiction(&format!("window {} as the sum of sources", at + 1)));
        }
        if cut < -TOLERANCE || (message.unlisted.sources == 0 && !same(cut, 0.0)) {
            let sources = message.unlisted.sources;
            contradictions.push(format!("unlisted.source_nats: {cut:.9} nats are recorded for {sources} sources"));
        }
    }
    for (source, recorded) in sources.iter().zip(&message.sources) {
        let what = format!("source {} {}", source.kind, shown(&source.source));
        let nats = Figure::new(recorded.nats, source.recorded.get(best).copied().unwrap_or_default());
        contradictions.extend(nats.contradiction(&what));
        for at in 0..message.windows.len() {
            check_sum(
                &format!("{what} in window {}", at + 1),
                source.recorded[at],
                source.listed[at],
                message,
                contradictions,
            );
        }
    }
    let known: usize = sources.iter().map(|source| source.keys).sum();
    let gained = keys.iter().filter(|key| key.by_window.iter().any(|figure| figure.recorded != 0.0)).count();
    if distinguished && message.unlisted.sources == 0 && known < gained {
        contradictions.push("sources: a listed key belongs to none of them".to_owned());
    }
}

fn traces(
    message: &ClusterMessage,
    keys: &[KeyArithmetic],
    best: usize,
    contradictions: &mut Vec<String>,
) -> Vec<Kind> {
    let mut traces = Vec::with_capacity(message.traces.len());
    let by_name: BTreeMap<&str, (TraceKind, f64)> =
        message.traces.iter().map(|(kind, nats)| (kind.name(), (*kind, *nats))).collect();
    for (kind, recorded) in by_name.into_values() {
        let of_kind = keys.iter().filter(|key| key.kind == kind);
        let listed = of_kind.clone().filter_map(|key| key.nats.recomputed).sum();
        check_sum(&format!("traces: {}", kind), recorded, listed, message, contradictions);
        traces.push(Kind { kind, keys: of_kind.count(), listed, recorded });
    }
    if let Some(window) = message.windows.get(best) {
        let sum = window.losses + traces.iter().map(|kind| kind.recorded).sum::<f64>();
        contradictions.extend(Figure::new(window.nats, sum).contradiction("the best window as the sum of traces"));
    }
    traces
}

/// Keys that are not listed can only add gains to a sum; if all are listed, they add nothing.
fn check_sum(what: &str, recorded: f64, listed: f64, message: &ClusterMessage, contradictions: &mut Vec<String>) {
    let more = recorded - listed;
    if more < -TOLERANCE || (message.unlisted.trials == 0 && !same(more, 0.0)) {
        contradictions.push(format!("{what}: {recorded:.9} nats are recorded, but its listed keys sum to {listed:.9}"));
    }
}

/// e-LOND's threshold (Xu and Ramdas 2024), and the distance of the statistic from it.
fn bar(message: &ClusterMessage, terms: Terms, contradictions: &mut Vec<String>) -> Bar {
    let m = terms.number as f64 + 2.0;
    let bar = (2.11 * m * m.ln().powi(2) / (terms.alpha * (terms.discoveries as f64 + 1.0))).ln();
    let bar = Figure::new(terms.bar, bar);
    contradictions.extend(bar.contradiction("test.bar"));
    let statistic = message.log_e_leave_one_source_out;
    let above = statistic - terms.bar;
    if message.candidates_tested <= terms.number {
        let (tested, number) = (message.candidates_tested, terms.number);
        contradictions.push(format!("candidates_tested: is {tested}, but this is number {number}, counted from 0"));
    }
    if terms.discoveries > terms.number.max(message.candidates_tested) {
        contradictions.push(format!("test.discoveries: are {}, more than the proposed groups", terms.discoveries));
    }
    if terms.safety < 1.0 {
        contradictions.push(format!("test.safety: is {}", terms.safety));
    }
    let proposed = message.accounts.iter().filter(|account| account.proposed && !account.elsewhere).count();
    if proposed > terms.proposed {
        let all = terms.proposed;
        contradictions.push(format!("test.proposed: is {all}, but {proposed} of the accounts are of the group"));
    }
    Bar { bar, statistic, above }
}
