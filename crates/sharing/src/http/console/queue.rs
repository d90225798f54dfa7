//! The list of cases: filters, search, order, pages.

use std::time::Instant;

use askama::Template;
use axum::{
    body::Body,
    extract::{Query, State as Shared, rejection::QueryRejection},
    http::{HeaderValue, Response, StatusCode, header},
};

use super::{
    Shell,
    many::{ManyStep, STEPS},
};
use crate::{
    http::{
        access::Person,
        filters::{ORDERS, WantedCases},
        respond::{counted, failed, html, path_segment},
    },
    service::{Inner, Sharing, SharingError},
    store::{CaseQuery, CaseRow, Order},
};
use casework::{Reviewers, Role, case::State};
use messages::cluster::Status;
use presentation::description;

#[derive(Template)]
#[template(path = "queue.html")]
struct QueuePage {
    shell: Shell,
    people: bool,
    tabs: Vec<Tab>,
    search: String,
    statuses: Vec<(&'static str, &'static str, bool)>,
    platforms: Vec<(String, bool)>,
    attention: bool,
    demos: Option<Vec<(&'static str, &'static str, bool)>>,
    sorts: Vec<(&'static str, &'static str, bool)>,
    /// The chosen state, for the form.
    state: Option<&'static str>,
    columns: Vec<Column>,
    filtered: bool,
    /// The list of a demonstration updates itself, unless it is filtered.
    refreshes: bool,
    total: usize,
    from: usize,
    to: usize,
    rows: Vec<RowView>,
    /// Steps that the person can take on several cases. Empty if the person's roles allow none.
    steps: &'static [ManyStep],
    previous: Option<String>,
    next: Option<String>,
}

struct Tab {
    label: String,
    href: String,
    n: i64,
    current: bool,
}

struct Column {
    label: &'static str,
    href: String,
    /// For `aria-sort`.
    sorted: Option<&'static str>,
}

struct RowView {
    href: String,
    /// The value of the checkbox.
    cluster_id: String,
    title: String,
    detail: String,
    id: String,
    badge: &'static str,
    status: String,
    state: String,
    state_class: String,
    attention: bool,
    demo: bool,
    probability: String,
    evidence: String,
    accounts: String,
    seen: String,
    changed: String,
}

pub(super) async fn page(
    Shared(sharing): Shared<Sharing>,
    person: Person,
    wanted: Result<Query<WantedCases>, QueryRejection>,
) -> Response<Body> {
    let began = Instant::now();
    let wanted = wanted.map(|Query(wanted)| wanted).unwrap_or_default();
    let (query, _) = wanted.query(sharing.config().console_page);
    let response = match sharing.blocking(move |inner| queue(inner, &person, &query)).await {
        Ok(page) => {
            let waits = page.refreshes && page.total == 0;
            let mut response = html(StatusCode::OK, &page);
            if waits {
                // For browsers without scripts, until the first case appears. After that the script updates the list.
                response.headers_mut().insert(header::REFRESH, HeaderValue::from_static("3"));
            }
            response
        }
        Err(error) => failed(&sharing, &error),
    };
    counted(&sharing, "console", "list", began, response)
}

fn queue(inner: &Inner, person: &Person, query: &CaseQuery) -> Result<QueuePage, SharingError> {
    let (rows, total) = inner.store.cases(query)?;
    let counts = inner.store.counted(query)?;
    let count = |state: State| counts.iter().find(|(name, _)| name == state.name()).map_or(0, |(_, n)| *n);
    let any_demo = inner.config.reviewers == Reviewers::Demo || query.demo.is_some() || rows.iter().any(|row| row.demo);
    let tab = |label: String, state: Option<State>, n| Tab {
        label,
        href: address(&CaseQuery { state, offset: 0, ..query.clone() }),
        n,
        current: query.state == state,
    };
    let mut tabs = vec![tab("all".to_owned(), None, counts.iter().map(|(_, n)| n).sum())];
    tabs.extend(State::ALL.into_iter().map(|state| tab(state.to_string(), Some(state), count(state))));
    let at = |offset: usize| address(&CaseQuery { offset, ..query.clone() });
    let filtered = query.state.is_some()
        || query.status.is_some()
        || query.platform.is_some()
        || query.attention
        || query.demo.is_some()
        || query.search.is_some();
    Ok(QueuePage {
        shell: Shell::new(inner, person, "queue")?,
        people: inner.config.reviewers == Reviewers::People,
        tabs,
        search: query.search.clone().unwrap_or_default(),
        statuses: Status::ALL
            .map(|status| (status.name(), description::status(status), query.status.as_deref() == Some(status.name())))
            .to_vec(),
        platforms: inner
            .store
            .case_platforms()?
            .into_iter()
            .take(100)
            .map(|name| {
                let on = query.platform.as_ref() == Some(&name);
                (name, on)
            })
            .collect(),
        attention: query.attention,
        demos: any_demo.then(|| {
            vec![("0", "people's only", query.demo == Some(false)), ("1", "demo only", query.demo == Some(true))]
        }),
        sorts: ORDERS.map(|(name, order, label)| (name, label, order == query.order)).to_vec(),
        state: query.state.map(State::name),
        columns: ORDERS.map(|(_, order, label)| column(query, order, label)).into(),
        filtered,
        refreshes: inner.config.reviewers == Reviewers::Demo && !filtered,
        total,
        from: query.offset + 1,
        to: query.offset + rows.len(),
        previous: (query.offset > 0).then(|| at(query.offset.saturating_sub(query.limit))),
        next: (query.offset + rows.len() < total).then(|| at(query.offset + query.limit)),
        rows: rows.into_iter().map(row_view).collect(),
        steps: if person.may(Role::Reviewer) { &STEPS } else { &[] },
    })
}

fn column(query: &CaseQuery, order: Order, label: &'static str) -> Column {
    let current = query.order == order;
    let ascending = current && !query.ascending;
    Column {
        label,
        href: address(&CaseQuery { order, ascending, offset: 0, ..query.clone() }),
        sorted: current.then_some(if query.ascending { "ascending" } else { "descending" }),
    }
}

/// The URL of a query.
fn address(query: &CaseQuery) -> String {
    let mut pairs = url::form_urlencoded::Serializer::new(String::new());
    if let Some(text) = &query.search {
        pairs.append_pair("q", text);
    }
    if let Some(state) = query.state {
        pairs.append_pair("state", state.name());
    }
    if let Some(status) = &query.status {
        pairs.append_pair("status", status);
    }
    if let Some(platform) = &query.platform {
        pairs.append_pair("platform", platform);
    }
    if query.attention {
        pairs.append_pair("attention", "1");
    }
    if let Some(demo) = query.demo {
        pairs.append_pair("demo", if demo { "1" } else { "0" });
    }
    if query.order != Order::default() {
        let name = ORDERS.iter().find(|(_, order, _)| *order == query.order).map_or("changed", |(name, ..)| name);
        pairs.append_pair("sort", name);
    }
    if query.ascending {
        pairs.append_pair("dir", "asc");
    }
    if query.offset > 0 {
        pairs.append_pair("page", &(query.offset / query.limit.max(1) + 1).to_string());
    }
    let pairs = pairs.finish();
    if pairs.is_empty() { "/".to_owned() } else { format!("/?{pairs}") }
}

fn row_view(row: CaseRow) -> RowView {
    let kinds: Vec<String> =
        row.kinds.split(", ").filter(|kind| !kind.is_empty()).map(description::stored_trace_kind).collect();
    RowView {
        href: format!("/clusters/{}", path_segment(&row.cluster_id)),
        cluster_id: path_segment(&row.cluster_id),
        title: format!(
            "{} on {}",
            text_format::count(row.accounts.max(0) as u64, "account"),
            text_format::shorten(&row.platforms.replace(", ", " and "), 60)
        ),
        detail: match kinds.is_empty() {
            true => "no evidence by kind".to_owned(),
            false => format!("same {}", text_format::shorten(&text_format::list(&kinds), 80)),
        },
        id: text_format::shorten(&row.cluster_id, 24),
        badge: match row.status.as_str() {
            "flagged" => "flagged",
            "single_source" | "faded" => "single",
            "near_miss" => "near",
            _ => "coordinated",
        },
        status: row.status.replace('_', " "),
        state_class: row.state.clone(),
        state: row.state.replace('_', " "),
        attention: row.attention,
        demo: row.demo,
        probability: row.probability.map_or_else(|| "none".to_owned(), text_format::percent),
        evidence: text_format::number(row.log_e),
        accounts: text_format::thousands(row.accounts.max(0) as u64),
        seen: text_format::minute(row.last_seen),
        changed: text_format::minute(row.changed_at),
    }
}
