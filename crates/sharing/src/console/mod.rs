//! The review console: server-rendered pages.

use std::time::Instant;

use askama::Template;
use axum::{
    Router,
    body::Body,
    extract::{Path, Query, State as Shared},
    http::{Response, StatusCode},
    routing::get,
};
use serde::Deserialize;

use crate::{
    audit::Sealed,
    case::{Case, State},
    config::Reviewers,
    demo,
    service::{Inner, Sharing, SharingError},
    store::{CaseQuery, CaseRow},
    view,
    web::{counted, failed, html, path_segment, respond},
    words,
};

/// Its routes.
pub(crate) fn routes() -> Router<Sharing> {
    Router::new().route("/", get(list)).route("/clusters/{id}", get(page)).route("/assets/style.css", get(style))
}

/// Which clusters to show.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Wanted {
    pub state: Option<String>,
    pub status: Option<String>,
    pub page: Option<usize>,
}

impl Wanted {
    pub fn query(&self, limit: usize) -> CaseQuery {
        let page = self.page.unwrap_or(1).clamp(1, 1_000_000);
        CaseQuery {
            state: self.state.as_deref().and_then(State::from_name),
            status: self.status.clone().filter(|s| ["flagged", "single_source", "coordinated"].contains(&s.as_str())),
            offset: (page - 1) * limit,
            limit,
        }
    }
}

#[derive(Template)]
#[template(path = "list.html")]
struct ListPage {
    demo: Option<&'static str>,
    waiting: bool,
    filters: Vec<(String, String, bool)>,
    filtered: bool,
    total: usize,
    rows: Vec<RowView>,
    previous: Option<String>,
    next: Option<String>,
}

struct RowView {
    href: String,
    title: String,
    badge: &'static str,
    status: String,
    state: String,
    demo: bool,
    facts: Vec<String>,
}

#[derive(Template)]
#[template(path = "case.html")]
struct CasePage {
    demo: Option<&'static str>,
    title: String,
    state: String,
    advice: String,
    case_id: String,
    body: String,
    history: Vec<StepView>,
}

struct StepView {
    time: String,
    actor: String,
    action: String,
    text: String,
}

#[derive(Template)]
#[template(path = "message.html")]
pub(crate) struct MessagePage {
    pub title: &'static str,
    pub text: &'static str,
}

async fn list(
    Shared(sharing): Shared<Sharing>,
    wanted: Result<Query<Wanted>, axum::extract::rejection::QueryRejection>,
) -> Response<Body> {
    let began = Instant::now();
    let wanted = wanted.map(|Query(wanted)| wanted).unwrap_or_default();
    let limit = sharing.config().console_page;
    let query = wanted.query(limit);
    let found = {
        let query = query.clone();
        sharing.blocking(move |inner| Ok(inner.store.cases(&query)?)).await
    };
    let response = match found {
        Ok((rows, total)) => html(StatusCode::OK, &list_page(&sharing, &query, rows, total)),
        Err(error) => failed(&sharing, &error),
    };
    counted(&sharing, "console", "list", began, response)
}

fn list_page(sharing: &Sharing, query: &CaseQuery, rows: Vec<CaseRow>, total: usize) -> ListPage {
    let demo = demo_of(sharing).or(rows.iter().any(|row| row.demo).then_some(demo::NOTICE));
    let page = query.offset / query.limit + 1;
    let link = |page: usize| {
        let mut link = format!("/?page={page}");
        if let Some(state) = query.state {
            link.push_str(&format!("&state={}", state.name()));
        }
        if let Some(status) = &query.status {
            link.push_str(&format!("&status={status}"));
        }
        link
    };
    let mut filters = vec![("All".to_owned(), "/".to_owned(), query.state.is_none() && query.status.is_none())];
    for state in State::ALL {
        filters.push((state.to_string(), format!("/?state={}", state.name()), query.state == Some(state)));
    }
    ListPage {
        demo,
        waiting: sharing.config().reviewers == Reviewers::People,
        filters,
        filtered: query.state.is_some() || query.status.is_some(),
        total,
        previous: (page > 1).then(|| link(page - 1)),
        next: (page * query.limit < total).then(|| link(page + 1)),
        rows: rows.into_iter().map(row_view).collect(),
    }
}

fn row_view(row: CaseRow) -> RowView {
    let kinds: Vec<String> = row.kinds.split(", ").map(words::kind_label).collect();
    RowView {
        href: format!("/clusters/{}", path_segment(&row.cluster_id)),
        title: format!(
            "{} on {}",
            words::count(row.accounts.max(0) as u64, "account"),
            words::shorten(&row.platforms.replace(", ", " and "), 80)
        ),
        badge: match row.status.as_str() {
            "flagged" => "flagged",
            "single_source" => "single",
            _ => "coordinated",
        },
        status: row.status.replace('_', " "),
        state: row.state.replace('_', " "),
        demo: row.demo,
        facts: vec![
            format!("probability {}", words::percent(row.probability)),
            format!("{} nats", words::number(row.log_e)),
            format!("same {}", words::shorten(&words::list(&kinds), 80)),
            format!("{} to {} UTC", words::minute(row.first_seen), words::minute(row.last_seen)),
            words::shorten(&row.cluster_id, 24),
        ],
    }
}

async fn page(Shared(sharing): Shared<Sharing>, Path(id): Path<String>) -> Response<Body> {
    let began = Instant::now();
    let found = sharing.blocking(move |inner| case_page(inner, &id)).await;
    let response = match found {
        Ok(Some(page)) => html(StatusCode::OK, &page),
        Ok(None) => html(
            StatusCode::NOT_FOUND,
            &MessagePage {
                title: "There is no such cluster",
                text: "It may have been merged into another one. The list shows all that there are.",
            },
        ),
        Err(error) => failed(&sharing, &error),
    };
    counted(&sharing, "console", "cluster", began, response)
}

/// Draws the page here, on the blocking side: a graph costs milliseconds.
fn case_page(inner: &Inner, id: &str) -> Result<Option<CasePage>, SharingError> {
    let Some(stored) = inner.store.case(id)? else {
        return Ok(None);
    };
    let history = inner.store.history(&stored.case.id)?;
    let demo = (inner.config.reviewers == Reviewers::Demo || stored.case.demo).then_some(demo::NOTICE);
    Ok(Some(CasePage {
        demo,
        title: words::count(stored.cluster.accounts.len() as u64, "account") + " in lockstep",
        state: stored.case.state.to_string(),
        advice: advice(&stored.case, inner.config.reviewers) + &attention(&stored.case),
        case_id: stored.case.id.clone(),
        body: view::body(&stored.cluster, "cluster", view::Limits::CONSOLE),
        history: history.into_iter().map(step_view).collect(),
    }))
}

fn step_view(Sealed { entry, .. }: Sealed) -> StepView {
    StepView {
        time: words::second(entry.at),
        actor: words::shorten(&entry.actor, 60),
        action: words::shorten(&entry.action.replace('_', " "), 60),
        text: words::shorten(&entry.text, 600),
    }
}

/// What people should look at again.
fn attention(case: &Case) -> String {
    let texts: Vec<&str> = case.attention.iter().map(|attention| attention.text.as_str()).collect();
    if texts.is_empty() { String::new() } else { format!(" Needs attention: {}.", texts.join("; ")) }
}

/// What the policy says of the case now.
fn advice(case: &Case, reviewers: Reviewers) -> String {
    let waits = match reviewers {
        Reviewers::People => {
            " It waits for people. Approving in this console is not built yet: reviewers read the evidence here, and nothing \
             leaves until two of them have decided."
        }
        Reviewers::Demo => "",
    };
    match case.state {
        State::Nominated => format!("Nobody has looked at this case.{waits}"),
        State::InReview => format!("This case is being looked at; nothing has been shared.{waits}"),
        State::Approved => {
            "One reviewer approved it; a second, different one has to release it. Nothing has been shared.".to_owned()
        }
        State::Dismissed => "This case was dismissed. Nothing was shared.".to_owned(),
        State::Released | State::Updated => match case.released_version {
            Some(version) if version == case.version => format!(
                "Version {version} is shared: each partner gets the accounts of its own platform. What it does about them is \
                 its own, voluntary decision."
            ),
            Some(version) => {
                format!("Partners have version {version}; version {} is newer and waits for review.", case.version)
            }
            None => String::new(),
        },
        State::Retracted => "What was shared has been withdrawn from every partner.".to_owned(),
        State::Closed => "This case is closed.".to_owned(),
    }
}

async fn style() -> Response<Body> {
    respond(StatusCode::OK, "text/css; charset=utf-8", view::STYLE.to_owned())
}

/// No such page.
pub(crate) async fn lost() -> Response<Body> {
    html(
        StatusCode::NOT_FOUND,
        &MessagePage { title: "There is no such page", text: "The list of clusters is a good place to go on from." },
    )
}

fn demo_of(sharing: &Sharing) -> Option<&'static str> {
    (sharing.config().reviewers == Reviewers::Demo).then_some(demo::NOTICE)
}

#[cfg(test)]
mod tests;
