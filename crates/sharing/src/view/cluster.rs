//! One cluster as people see it, the same in the console and in the report.

use std::collections::{BTreeSet, HashMap};

use askama::Template;
use messages::cluster::{ClusterMessage, Status};

use super::{graph, svg, timeline};
use crate::words;

/// How much of a cluster is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Whether timeline and graph are drawn.
    pub drawings: bool,
    pub dots: usize,
    pub keys: usize,
    pub posts: usize,
    pub accounts: usize,
}

impl Limits {
    pub const CONSOLE: Limits = Limits { drawings: true, dots: 2000, keys: 200, posts: 100, accounts: 500 };
}

#[derive(Template)]
#[template(path = "cluster.html")]
pub(crate) struct ClusterView {
    /// Makes anchors on a page with many clusters unique.
    anchor: String,
    headline: String,
    strength: String,
    history: String,
    little_history: bool,
    badge: Badge,
    figures: Vec<(&'static str, String, String)>,
    reasons: Vec<ReasonView>,
    lesser_reasons: Vec<ReasonView>,
    model: String,
    kinds: Vec<BarView>,
    sources: Vec<BarView>,
    more_sources: usize,
    without_best: Vec<BarView>,
    overview: Option<timeline::Drawing>,
    zoom: Option<timeline::Drawing>,
    graph: Option<timeline::Drawing>,
    keys: Vec<KeyView>,
    more_keys: usize,
    unlisted: Option<(String, String)>,
    accounts: Vec<AccountView>,
    more_accounts: usize,
    cluster_id: String,
    version: u32,
    lineage: Vec<String>,
    topics: Vec<String>,
    targets: Vec<String>,
}

/// Reasons shown at once; the others on demand.
const REASONS: usize = 8;
/// Sources shown.
const SOURCES: usize = 10;

/// A status with its colour.
pub(crate) struct Badge {
    pub class: &'static str,
    pub label: &'static str,
}

struct ReasonView {
    text: String,
    value: String,
    contribution: String,
    bar: String,
}

struct BarView {
    label: String,
    nats: String,
    bar: String,
}

struct KeyView {
    colour: String,
    kind: String,
    key: String,
    source: String,
    nats: String,
    accounts: usize,
    count: String,
    span: String,
    posts: Vec<PostView>,
    more_posts: usize,
}

struct PostView {
    time: String,
    lag: String,
    account: String,
    platform: String,
    id: String,
}

struct AccountView {
    name: String,
    id: String,
    platform: String,
    nats: String,
    posts: String,
    bar: String,
}

pub(crate) fn badge(status: Status) -> Badge {
    let class = match status {
        Status::Flagged => "flagged",
        Status::SingleSource | Status::Faded => "single",
        Status::Coordinated => "coordinated",
    };
    Badge { class, label: words::status(status) }
}

/// The body of a page about one cluster.
pub(crate) fn body(cluster: &ClusterMessage, anchor: &str, limits: Limits) -> String {
    let view = view(cluster, anchor, limits);
    // A template over strings that are already there has no way to fail but the writer, which is a string.
    view.render().unwrap_or_default()
}

fn view(c: &ClusterMessage, anchor: &str, limits: Limits) -> ClusterView {
    let largest_reason = largest(c.reasons.iter().map(|r| r.contribution));
    let largest_kind = largest(c.traces.values().copied());
    let largest_source = largest(c.sources.iter().map(|s| s.nats));
    let mut kinds: Vec<(&String, &f64)> = c.traces.iter().collect();
    kinds.sort_by(|a, b| b.1.total_cmp(a.1).then(a.0.cmp(b.0)));
    let bar = |label: String, nats: f64, most: f64| BarView {
        label,
        nats: words::number(nats),
        bar: svg::bar(nats, most, false),
    };
    let mut reasons: Vec<ReasonView> = c
        .reasons
        .iter()
        .take(40)
        .map(|reason| ReasonView {
            text: words::shorten(&reason.text, 240),
            value: match reason.value {
                Some(value) => format!("{} = {}", words::shorten(&reason.feature, 60), words::number(value)),
                None => format!("{} is not known", words::shorten(&reason.feature, 60)),
            },
            contribution: signed(reason.contribution),
            bar: svg::bar(reason.contribution, largest_reason, true),
        })
        .collect();
    let lesser_reasons = reasons.split_off(REASONS.min(reasons.len()));
    // The largest always, others where they are more than a rounded zero.
    let telling = c.sources.iter().enumerate().filter(|(index, s)| *index == 0 || s.nats.abs() >= 0.005);
    let telling: Vec<_> = telling.map(|(_, s)| s).take(SOURCES).collect();
    let total = c.log_e.abs().max(c.log_e_leave_one_source_out.abs());
    ClusterView {
        anchor: anchor.to_owned(),
        headline: words::headline(c),
        strength: words::strength(c),
        history: words::history(c),
        little_history: c.history_hours < 24.0,
        badge: badge(c.status),
        figures: figures(c),
        reasons,
        lesser_reasons,
        model: format!(
            "the model “{}”, version {}",
            words::shorten(&c.model.name, 60),
            words::shorten(&c.model.version, 40)
        ),
        kinds: kinds
            .into_iter()
            .take(12)
            .map(|(kind, nats)| bar(words::kind_label(kind), *nats, largest_kind))
            .collect(),
        sources: telling
            .iter()
            .map(|s| {
                let label = format!("{} · {}", words::kind_label(&s.kind), words::shorten(&s.source, 60));
                bar(label, s.nats, largest_source)
            })
            .collect(),
        more_sources: c.sources.len() - telling.len(),
        without_best: vec![
            bar("All sources".to_owned(), c.log_e, total),
            bar("Without the strongest source".to_owned(), c.log_e_leave_one_source_out, total),
        ],
        overview: limits.drawings.then(|| timeline::overview(c, limits.dots)).flatten(),
        zoom: limits.drawings.then(|| timeline::zoom(c)).flatten(),
        graph: limits.drawings.then(|| graph::draw(c)).flatten(),
        keys: keys(c, limits),
        more_keys: c.evidence.len().saturating_sub(limits.keys),
        unlisted: (c.unlisted.keys > 0).then(|| (words::count(c.unlisted.keys, "more key"), signed(c.unlisted.nats))),
        accounts: accounts(c, limits),
        more_accounts: c.accounts.len().saturating_sub(limits.accounts),
        cluster_id: words::shorten(&c.cluster_id, 80),
        version: c.version,
        lineage: tamed(&c.lineage),
        topics: tamed(&c.topics),
        targets: tamed(&c.targets),
    }
}

fn figures(c: &ClusterMessage) -> Vec<(&'static str, String, String)> {
    let posts: usize = c.evidence.iter().map(|e| e.posts.len()).sum();
    vec![
        ("Probability", words::percent(c.probability), "that the coordination is inauthentic, by the model".to_owned()),
        (
            "Evidence",
            format!("{} nats", words::number(c.log_e)),
            format!("{} without the strongest source", words::number(c.log_e_leave_one_source_out)),
        ),
        ("Accounts", words::thousands(c.accounts.len() as u64), format!("on {}", words::list(&words::platforms(c)))),
        (
            "Acted together on",
            words::count(c.evidence.len() as u64, "key"),
            format!("in {}", words::count(posts as u64, "post")),
        ),
        (
            "Seen",
            words::span_in_words(c.first_seen, c.last_seen),
            format!("{} to {} UTC", words::minute(c.first_seen), words::minute(c.last_seen)),
        ),
        (
            "One of",
            words::thousands(c.candidates_tested),
            format!("candidate groups tested so far, with {} of history", words::hours_in_words(c.history_hours)),
        ),
    ]
}

fn keys(c: &ClusterMessage, limits: Limits) -> Vec<KeyView> {
    let names: HashMap<(&str, &str), &str> =
        c.accounts.iter().map(|a| ((&*a.platform, &*a.account_id), &*a.account_name)).collect();
    c.evidence
        .iter()
        .take(limits.keys)
        .enumerate()
        .map(|(index, evidence)| {
            let accounts: BTreeSet<(&str, &str)> =
                evidence.posts.iter().map(|post| (&*post.platform, &*post.account_id)).collect();
            let first = evidence.posts.iter().map(|post| post.created_at).min();
            let last = evidence.posts.iter().map(|post| post.created_at).max();
            KeyView {
                colour: timeline::colour(index),
                kind: words::shorten(&evidence.kind, 24),
                key: words::shorten(&evidence.key, 160),
                source: words::shorten(&evidence.source, 80),
                nats: words::number(evidence.nats),
                accounts: accounts.len(),
                count: words::count(evidence.posts.len() as u64, "post"),
                span: match (first, last) {
                    (Some(first), Some(last)) => {
                        let span = last.as_millisecond() - first.as_millisecond();
                        words::seconds_in_words(span as f64 / 1000.0)
                    }
                    _ => "no time".to_owned(),
                },
                posts: evidence
                    .posts
                    .iter()
                    .take(limits.posts)
                    .map(|post| {
                        let name = names.get(&(&*post.platform, &*post.account_id));
                        let name = name.filter(|name| !name.is_empty());
                        let lag = first.map_or(0, |first| post.created_at.as_millisecond() - first.as_millisecond());
                        PostView {
                            time: words::second(post.created_at),
                            lag: format!("+{}", words::seconds_in_words(lag as f64 / 1000.0)),
                            account: words::shorten(name.copied().unwrap_or(&post.account_id), 40),
                            platform: words::shorten(&post.platform, 24),
                            id: words::shorten(&post.id, 48),
                        }
                    })
                    .collect(),
                more_posts: evidence.posts.len().saturating_sub(limits.posts),
            }
        })
        .collect()
}

fn accounts(c: &ClusterMessage, limits: Limits) -> Vec<AccountView> {
    let most = largest(c.accounts.iter().map(|account| account.log_e));
    c.accounts
        .iter()
        .take(limits.accounts)
        .map(|account| AccountView {
            name: words::shorten(&account.account_name, 40),
            id: words::shorten(&account.account_id, 48),
            platform: words::shorten(&account.platform, 24),
            nats: words::number(account.log_e),
            posts: words::thousands(account.posts),
            bar: svg::bar(account.log_e, most, false),
        })
        .collect()
}

fn tamed(texts: &[String]) -> Vec<String> {
    texts.iter().take(20).map(|text| words::shorten(text, 80)).collect()
}

fn signed(value: f64) -> String {
    if value > 0.0 { format!("+{}", words::number(value)) } else { words::number(value) }
}

fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.filter(|value| value.is_finite()).map(f64::abs).fold(0.0, f64::max)
}
