//! The section of one cluster, the same in the console and in the report.

mod figures;
mod keys;
mod shown;

use std::collections::BTreeMap;

use askama::Template;
use messages::cluster::{ClusterAccount, ClusterMessage, Status, TraceKind};

use figures::{figures, naming, not_named};
pub use keys::quoted;
use keys::{KeyView, keys};
pub use shown::{AccountOrder, Shown, Sort};

use crate::{description, doubts, graph, near_miss, outcomes, posts::Posts, svg, timeline};

/// Limits on what is shown of a cluster.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Whether timeline and graph are drawn.
    pub drawings: bool,
    /// Maximum number of dots in the timeline.
    pub dots: usize,
    /// Maximum number of keys.
    pub keys: usize,
    /// Maximum number of posts of one key.
    pub posts: usize,
    /// Maximum number of posts of all keys together: with many keys, each key shows fewer posts.
    pub posts_in_all: usize,
    /// Maximum number of accounts.
    pub accounts: usize,
    /// Limits of the graph.
    pub graph: graph::Size,
}

impl Limits {
    /// The limits of a page of the console.
    pub const CONSOLE: Limits = Limits {
        drawings: true,
        dots: 2000,
        keys: 200,
        posts: 100,
        posts_in_all: 3000,
        accounts: 500,
        graph: graph::Size { nodes: 120, edges: 900 },
    };

    fn posts_of(&self, keys: usize) -> usize {
        (self.posts_in_all / keys.max(1)).clamp(5.min(self.posts), self.posts)
    }
}

/// The choices of the console. They work without a script, and faster with the script.
struct Tools {
    accounts: Vec<(usize, String, bool)>,
    kinds: Vec<(&'static str, &'static str, bool)>,
    sorts: Vec<(&'static str, &'static str, bool)>,
    orders: Vec<(&'static str, &'static str, bool)>,
    chosen: Option<String>,
    key: Option<usize>,
    filtered: bool,
}

#[derive(Template)]
#[template(path = "cluster.html")]
struct ClusterView {
    /// Prefix that makes ids unique on a page with many clusters.
    anchor: String,
    headline: String,
    strength: String,
    history: String,
    little_history: bool,
    doubts: Vec<doubts::Doubt>,
    innocents: Vec<doubts::Innocent>,
    tools: Option<Tools>,
    badge: Badge,
    figures: Vec<(&'static str, String, String)>,
    /// What a near miss needs to pass the test.
    wanting: Vec<String>,
    /// Whether the finding is one text by many accounts, without a test and without nats.
    count: bool,
    /// Whether the finding is by the test of version 1, without windows and outcomes.
    old: bool,
    rates: String,
    windows: Vec<outcomes::WindowView>,
    /// Whether the longest window counts only own words.
    own_words_only: bool,
    legend: Vec<outcomes::Legend>,
    headings: [&'static str; 4],
    reasons: Vec<ReasonView>,
    lesser_reasons: Vec<ReasonView>,
    model: Option<String>,
    kinds: Vec<BarView>,
    sources: Vec<BarView>,
    test: Vec<BarView>,
    best_window: String,
    overview: Option<timeline::Drawing>,
    zoom: Option<timeline::Drawing>,
    graph: Option<timeline::Drawing>,
    keys: Vec<KeyView>,
    /// A remark on the content of the posts.
    texts_remark: Option<String>,
    more_keys: usize,
    /// The nats of the keys shown, of the others, and the total.
    sum: Vec<BarView>,
    naming: Option<String>,
    /// How many accounts of the proposed group are not named, and why.
    not_named: Option<String>,
    accounts: Vec<AccountView>,
    account_count: String,
    /// Name of their order. `None` if they are in no particular order.
    order: Option<&'static str>,
    more_accounts: usize,
    /// Number of accounts whose names were not kept.
    nameless: Option<String>,
    accounts_open: bool,
    cluster_id: String,
    /// When it was reported, and whether it is active.
    reported: Option<String>,
    version: u32,
    relations: Vec<(&'static str, Vec<String>)>,
    topics: Vec<String>,
    targets: Vec<String>,
}

/// Number of reasons that are shown without opening the list of lesser reasons.
const REASONS: usize = 8;
/// Sources shown.
const SOURCES: usize = 10;
/// Characters of a post's text.
const QUOTED: usize = 400;
/// Links, and picture hashes, shown of a post.
const ATTACHED: usize = 8;

/// A status with its colour.
pub struct Badge {
    /// Class in the style sheet.
    pub class: &'static str,
    /// Name for people.
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

struct AccountView {
    place: usize,
    on: bool,
    name: String,
    id: String,
    platform: String,
    posterior: String,
    nats: String,
    posts: String,
    /// Its own posts, as a bar and in words.
    bar: String,
    outcomes: String,
    came: &'static str,
    /// Its strongest sources, which are left out of its evidence.
    dropped: String,
}

/// The badge of a cluster's status.
pub fn badge(c: &ClusterMessage) -> Badge {
    let class = match c.status {
        Status::Flagged => "flagged",
        Status::SingleSource => "single",
        Status::Faded => "faded",
        Status::Coordinated => "coordinated",
        Status::NearMiss => "near",
    };
    Badge { class, label: if description::is_count(c) { "one text" } else { description::status(c.status) } }
}

/// The HTML of a cluster's section. With `shown` it is the console's section, with choices.
///
/// `posts` has the content of the cluster's posts, as far as it is known.
pub fn body(cluster: &ClusterMessage, anchor: &str, limits: Limits, shown: Option<&Shown>, posts: &Posts) -> String {
    let view = view(cluster, anchor, limits, shown, posts);
    // Rendering into a string cannot fail.
    view.render().unwrap_or_default()
}

fn view(c: &ClusterMessage, anchor: &str, limits: Limits, shown: Option<&Shown>, posts: &Posts) -> ClusterView {
    let nobody = Shown::default();
    let asked = shown.unwrap_or(&nobody);
    let link = |platform: &str, id: &str| match shown {
        Some(shown) => shown.links.then(|| super::links::post(platform, id)).flatten(),
        None => super::links::post_anywhere(platform, id),
    };
    let (keys, more_keys) = keys(c, limits, asked, posts, &link);
    let largest_reason = largest(c.reasons.iter().map(|r| r.contribution));
    let largest_kind = largest(c.traces.values().copied());
    let largest_source = largest(c.sources.iter().map(|s| s.nats));
    let mut kinds: Vec<(&TraceKind, &f64)> = c.traces.iter().collect();
    kinds.sort_by(|a, b| b.1.total_cmp(a.1).then(a.0.name().cmp(b.0.name())));
    let bar = |label: String, nats: f64, most: f64| BarView {
        label,
        nats: text_format::number(nats),
        bar: svg::bar(nats, most, false),
    };
    let mut reasons: Vec<ReasonView> = c
        .reasons
        .iter()
        .take(40)
        .map(|reason| ReasonView {
            text: text_format::shorten(&reason.text, 240),
            value: match reason.value {
                Some(value) => {
                    format!("{} = {}", text_format::shorten(&reason.feature, 60), text_format::number(value))
                }
                None => format!("{} is not known", text_format::shorten(&reason.feature, 60)),
            },
            contribution: signed(reason.contribution),
            bar: svg::bar(reason.contribution, largest_reason, true),
        })
        .collect();
    let lesser_reasons = reasons.split_off(REASONS.min(reasons.len()));
    // The largest source, and all others that are not zero after rounding.
    let telling = c.sources.iter().enumerate().filter(|(index, s)| *index == 0 || s.nats.abs() >= 0.005);
    let telling: Vec<_> = telling.map(|(_, s)| s).take(SOURCES).collect();
    ClusterView {
        anchor: anchor.to_owned(),
        headline: description::headline(c),
        strength: description::strength(c),
        history: description::history(c),
        little_history: c.history_hours < 24.0 && !description::is_count(c),
        doubts: doubts::doubts(c),
        innocents: doubts::innocents(c),
        tools: shown.map(|shown| tools(c, limits, shown)),
        badge: badge(c),
        figures: figures(c),
        wanting: near_miss::wanting(c),
        count: description::is_count(c),
        old: description::is_old(c),
        rates: description::rates(c).unwrap_or_default(),
        windows: outcomes::windows(c),
        own_words_only: outcomes::only_own_words(c),
        legend: outcomes::legend(),
        headings: outcomes::headings(),
        reasons,
        lesser_reasons,
        model: c.model.as_ref().map(|model| {
            format!(
                "the model “{}”, version {}",
                text_format::shorten(&model.name, 60),
                text_format::shorten(&model.version, 40)
            )
        }),
        kinds: kinds
            .into_iter()
            .map(|(kind, nats)| bar(description::trace_kind(*kind).things.to_owned(), *nats, largest_kind))
            .chain(closing(c).into_iter().map(|(label, nats)| bar(label, nats, largest_kind)))
            .collect(),
        sources: telling
            .iter()
            .map(|s| {
                let label =
                    format!("{} · {}", description::trace_kind(s.kind).things, text_format::shorten(&s.source, 60));
                bar(label, s.nats, largest_source)
            })
            .chain(
                other_sources(c, telling.iter().map(|s| s.nats).sum())
                    .map(|(label, nats)| bar(label, nats, largest_source)),
            )
            .chain(closing(c).into_iter().map(|(label, nats)| bar(label, nats, largest_source)))
            .collect(),
        test: test(c),
        best_window: description::best_window(c).map_or_else(String::new, |window| description::window(window.seconds)),
        overview: limits.drawings.then(|| timeline::overview(c, limits.dots, asked.account)).flatten(),
        zoom: limits.drawings.then(|| timeline::zoom(c, asked.key, asked.account)).flatten(),
        graph: limits.drawings.then(|| graph::draw(c, limits.graph, asked.account)).flatten(),
        sum: sum(c, &keys),
        keys,
        texts_remark: posts.remark().map(str::to_owned),
        more_keys,
        naming: naming(c),
        not_named: not_named(c),
        accounts: accounts(c, limits, asked),
        account_count: text_format::count(c.accounts.len() as u64, "account"),
        order: (!c.namings.is_empty() || description::is_old(c) || asked.order != AccountOrder::Finding)
            .then(|| asked.order.label()),
        more_accounts: c.accounts.len().saturating_sub(limits.accounts),
        nameless: (c.unlisted.accounts > 0).then(|| text_format::count(c.unlisted.accounts, "more account")),
        accounts_open: c.accounts.len() <= 15 || asked.account.is_some() || asked.order != AccountOrder::Finding,
        cluster_id: text_format::shorten(&c.cluster_id, 80),
        reported: description::reported(c),
        version: c.version,
        relations: description::relations(c),
        topics: tamed(&c.topics),
        targets: tamed(&c.targets),
    }
}

/// The results of the test: each window, all windows, without the strongest source, and the threshold.
fn test(c: &ClusterMessage) -> Vec<BarView> {
    let mut rows: Vec<(String, f64)> = c
        .windows
        .iter()
        .map(|window| (format!("Within {}", description::window(window.seconds)), window.nats))
        .collect();
    let all = if rows.is_empty() { "All sources" } else { "All windows together" };
    rows.push((all.to_owned(), c.log_e));
    rows.push(("Without the strongest source".to_owned(), c.log_e_leave_one_source_out));
    rows.extend(c.test.map(|test| ("The threshold for this group".to_owned(), test.bar)));
    let most = largest(rows.iter().map(|(_, nats)| *nats));
    rows.into_iter()
        .map(|(label, nats)| BarView { label, nats: text_format::number(nats), bar: svg::bar(nats, most, false) })
        .collect()
}

/// The last rows of a list of gains in the best window: the loss by posts that repeat nobody, and the
/// total.
fn closing(c: &ClusterMessage) -> Vec<(String, f64)> {
    let Some(best) = description::best_window(c) else { return Vec::new() };
    vec![
        ("Lost by posts that repeat no member".to_owned(), best.losses),
        (format!("Total within {}", description::window(best.seconds)), best.nats),
    ]
}

/// The gains of all sources without a row of their own, in the best window. It is the difference to the
/// sum of all gains.
fn other_sources(c: &ClusterMessage, shown: f64) -> Option<(String, f64)> {
    let best = description::best_window(c)?;
    let rest = best.nats - best.losses - shown;
    (rest.abs() >= 0.005).then(|| ("Other sources".to_owned(), rest))
}

/// The gains of the keys on the page and of all others, with the total, so that the sum is complete.
fn sum(c: &ClusterMessage, keys: &[KeyView]) -> Vec<BarView> {
    let Some(best) = description::best_window(c) else { return Vec::new() };
    let shown: f64 = keys.iter().map(|key| key.raw).sum();
    let all: f64 = c.evidence.iter().map(|evidence| evidence.nats).sum();
    let others = c.evidence.len().saturating_sub(keys.len());
    let unlisted = c.unlisted.nats.get(c.best_window()).copied().unwrap_or_default();
    let mut rows = vec![(format!("{} shown here", text_format::count(keys.len() as u64, "key")), shown)];
    if others > 0 {
        rows.push((format!("{} not shown here", text_format::count(others as u64, "other key")), all - shown));
    }
    if c.unlisted.trials > 0 {
        let posts = text_format::count(c.unlisted.trials, "post");
        rows.push((format!("{posts} not listed, for lack of space"), unlisted));
    }
    rows.extend(closing(c));
    let most = largest(rows.iter().map(|(_, nats)| *nats).chain([best.nats]));
    rows.into_iter()
        .map(|(label, nats)| BarView { label, nats: text_format::number(nats), bar: svg::bar(nats, most, false) })
        .collect()
}

fn tools(c: &ClusterMessage, limits: Limits, shown: &Shown) -> Tools {
    let name = |place: usize| {
        let account = &c.accounts[place];
        let name = if account.account_name.is_empty() { &account.account_id } else { &account.account_name };
        format!("{} ({})", text_format::shorten(name, 40), text_format::shorten(&account.platform, 24))
    };
    let kinds: BTreeMap<&str, TraceKind> =
        c.evidence.iter().map(|evidence| (evidence.kind.name(), evidence.kind)).collect();
    Tools {
        accounts: (0..c.accounts.len().min(limits.accounts))
            .map(|place| (place, name(place), shown.account == Some(place)))
            .collect(),
        kinds: kinds
            .into_iter()
            .map(|(name, kind)| (name, description::trace_kind(kind).things, shown.kind == Some(kind)))
            .collect(),
        sorts: Sort::ALL.iter().map(|(sort, value, label)| (*value, *label, *sort == shown.sort)).collect(),
        orders: AccountOrder::ALL.iter().map(|(order, value, label)| (*value, *label, *order == shown.order)).collect(),
        chosen: shown.account.filter(|place| *place < c.accounts.len()).map(name),
        key: shown.key.filter(|key| *key < c.evidence.len()),
        filtered: shown.account.is_some() || shown.kind.is_some() || shown.key.is_some() || shown.sort != Sort::Nats,
    }
}

fn accounts(c: &ClusterMessage, limits: Limits, shown: &Shown) -> Vec<AccountView> {
    let dropped = |account: &ClusterAccount| {
        let mut all: Vec<String> = account
            .dropped
            .iter()
            .map(|source| {
                format!(
                    "{} {} ({})",
                    source.kind,
                    text_format::shorten(&source.source, 40),
                    text_format::number(source.nats)
                )
            })
            .collect();
        all.extend(account.dropped_nats.map(|nats| format!("others ({})", text_format::number(nats))));
        text_format::list(&all)
    };
    shown
        .order
        .places(c)
        .into_iter()
        .enumerate()
        .filter(|(rank, place)| *rank < limits.accounts || shown.account == Some(*place))
        .map(|(_, place)| {
            let account = &c.accounts[place];
            let (bar, outcomes) = outcomes::of_account(account).unwrap_or_default();
            AccountView {
                place,
                on: shown.account == Some(place),
                name: text_format::shorten(&account.account_name, 40),
                id: text_format::shorten(&account.account_id, 48),
                platform: text_format::shorten(&account.platform, 24),
                posterior: account.posterior.map(text_format::percent).unwrap_or_default(),
                nats: text_format::number(account.log_e),
                posts: text_format::thousands(account.posts),
                bar,
                outcomes,
                came: description::came(c, account),
                dropped: dropped(account),
            }
        })
        .collect()
}

fn tamed(texts: &[String]) -> Vec<String> {
    texts.iter().take(20).map(|text| text_format::shorten(text, 80)).collect()
}

fn signed(value: f64) -> String {
    if value > 0.0 { format!("+{}", text_format::number(value)) } else { text_format::number(value) }
}

fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.filter(|value| value.is_finite()).map(f64::abs).fold(0.0, f64::max)
}
