//! Appeals of accounts that a case names.

use std::time::Instant;

use askama::Template;
use axum::{
    body::Body,
    extract::{Path, Query, State as Shared, rejection::QueryRejection},
    http::{Response, StatusCode},
};
use jiff::Timestamp;
use serde::Deserialize;

use super::{Shell, review::Sent};
use crate::{
    http::{
        access::{self, Person, Posted},
        respond::{counted, failed, html, path_segment},
    },
    service::{Inner, Sharing, SharingError},
    store::StoreError,
};
use casework::{
    Task,
    appeal::{Appeal, LONGEST_TEXT, NewAppeal},
};

/// Decided appeals on the page.
const DECIDED: usize = 200;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    /// The cluster that the form is about.
    case: Option<String>,
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "appeals.html")]
struct AppealsPage {
    shell: Shell,
    records: bool,
    decides: bool,
    done: Option<&'static str>,
    refused: Option<Refusal>,
    open: Vec<AppealView>,
    decided: Vec<AppealView>,
    days: u32,
    longest: usize,
    cluster: String,
}

/// A refused form, with what was typed.
struct Refusal {
    form: String,
    why: String,
    typed: Sent,
}

impl AppealsPage {
    fn error(&self, form: &str) -> Option<&Refusal> {
        self.refused.as_ref().filter(|refused| refused.form == form)
    }

    fn kept(&self, form: &str, field: &str) -> &str {
        self.error(form).map_or("", |refused| refused.typed.get(field))
    }
}

struct AppealView {
    form: String,
    number: i64,
    href: String,
    case: String,
    account: String,
    from: String,
    text: String,
    by: String,
    at: String,
    due: String,
    overdue: bool,
    outcome: String,
}

pub(super) async fn page(
    Shared(sharing): Shared<Sharing>,
    person: Person,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response<Body> {
    let began = Instant::now();
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    let response = show(&sharing, person, asked, (StatusCode::OK, None)).await;
    counted(&sharing, "console", "appeals", began, response)
}

pub(super) async fn record(
    Shared(sharing): Shared<Sharing>,
    Posted { person, form }: Posted<Vec<(String, String)>>,
) -> Response<Body> {
    let began = Instant::now();
    let sent = Sent(form);
    let text = |field: &str| sent.get(field).trim().to_owned();
    let appeal = NewAppeal {
        platform: text("platform"),
        account_id: text("account_id"),
        from: text("from"),
        text: text("text"),
    };
    let done = match person.can(Task::RecordAppeal) {
        true => sharing.record_appeal(&text("case"), appeal, &person.name).await.map(drop),
        false => {
            Err(SharingError::Refused("this needs the role reviewer or approver, which you do not have".to_owned()))
        }
    };
    let response = after(&sharing, person, done, "record".to_owned(), sent, "recorded").await;
    counted(&sharing, "console", "appeal_record", began, response)
}

pub(super) async fn decide(
    Shared(sharing): Shared<Sharing>,
    Path(number): Path<String>,
    Posted { person, form }: Posted<Vec<(String, String)>>,
) -> Response<Body> {
    let began = Instant::now();
    let sent = Sent(form);
    let upheld = match sent.get("do") {
        "uphold" => Ok(true),
        "reject" => Ok(false),
        _ => Err(SharingError::Refused("choose to uphold or to reject the appeal".to_owned())),
    };
    let done = match (person.can(Task::DecideAppeal), number.parse(), upheld) {
        (false, ..) => Err(SharingError::Refused("this needs the role approver, which you do not have".to_owned())),
        (_, Err(_), _) => Err(SharingError::Refused("there is no such appeal".to_owned())),
        (_, _, Err(error)) => Err(error),
        (_, Ok(number), Ok(upheld)) => sharing.decide_appeal(number, upheld, sent.get("reason"), &person.name).await,
    };
    let form = format!("appeal-{}", text_format::shorten(&number, 20));
    let response = after(&sharing, person, done, form, sent, "decided").await;
    counted(&sharing, "console", "appeal_decide", began, response)
}

/// Redirects to the page, or shows the page with the reason for the refusal.
async fn after(
    sharing: &Sharing,
    person: Person,
    done: Result<(), SharingError>,
    form: String,
    typed: Sent,
    said: &str,
) -> Response<Body> {
    let (status, why) = match done {
        Ok(()) => return access::redirect(&format!("/appeals?done={said}")),
        Err(SharingError::Refused(why)) => (StatusCode::UNPROCESSABLE_ENTITY, why),
        Err(error @ (SharingError::NoCase(_) | SharingError::Illegal(_))) => {
            (StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
        }
        Err(SharingError::Store(error @ StoreError::Conflict(_))) => (StatusCode::CONFLICT, error.to_string()),
        Err(error) => return failed(sharing, &error),
    };
    let refused = Refusal { form, why: text_format::shorten(&why, 600), typed };
    show(sharing, person, Asked::default(), (status, Some(refused))).await
}

async fn show(
    sharing: &Sharing,
    person: Person,
    asked: Asked,
    (status, refused): (StatusCode, Option<Refusal>),
) -> Response<Body> {
    match sharing.blocking(move |inner| appeals_page(inner, &person, &asked, refused)).await {
        Ok(page) => html(status, &page),
        Err(error) => failed(sharing, &error),
    }
}

fn appeals_page(
    inner: &Inner,
    person: &Person,
    asked: &Asked,
    refused: Option<Refusal>,
) -> Result<AppealsPage, SharingError> {
    let now = Timestamp::now();
    let (open, mut decided): (Vec<Appeal>, Vec<Appeal>) =
        inner.store.appeals(true)?.into_iter().partition(|appeal| appeal.outcome.is_none());
    decided.sort_by_key(|appeal| std::cmp::Reverse(appeal.outcome.as_ref().map(|outcome| outcome.at)));
    let cluster = match &refused {
        Some(refused) => refused.typed.get("case").to_owned(),
        None => asked.case.clone().unwrap_or_default(),
    };
    Ok(AppealsPage {
        shell: Shell::new(inner, person, "appeals")?,
        records: person.can(Task::RecordAppeal),
        decides: person.can(Task::DecideAppeal),
        done: match asked.done.as_deref().filter(|_| refused.is_none()) {
            Some("recorded") => Some("Recorded. Nothing more of the case is shared before the appeal is decided."),
            Some("decided") => Some("Decided. The audit log has the reason."),
            _ => None,
        },
        refused,
        open: open.iter().map(|appeal| view(appeal, now)).collect(),
        decided: decided.iter().take(DECIDED).map(|appeal| view(appeal, now)).collect(),
        days: inner.config.appeal_due_days,
        longest: LONGEST_TEXT,
        cluster,
    })
}

fn view(appeal: &Appeal, now: Timestamp) -> AppealView {
    AppealView {
        form: format!("appeal-{}", appeal.number),
        number: appeal.number,
        href: format!("/clusters/{}", path_segment(&appeal.cluster_id)),
        case: text_format::shorten(&appeal.case, 60),
        account: text_format::shorten(&format!("{}:{}", appeal.platform, appeal.account_id), 120),
        from: text_format::shorten(&appeal.from, LONGEST_TEXT),
        text: text_format::shorten(&appeal.text, LONGEST_TEXT),
        by: text_format::shorten(&appeal.recorded_by, 60),
        at: text_format::minute(appeal.at),
        due: text_format::minute(appeal.due),
        overdue: appeal.is_overdue(now),
        outcome: appeal.outcome.as_ref().map_or_else(String::new, |outcome| {
            format!(
                "{} by {}, {} UTC: {}",
                if outcome.upheld { "upheld" } else { "rejected" },
                text_format::shorten(&outcome.by, 60),
                text_format::minute(outcome.at),
                text_format::shorten(&outcome.reason, 600)
            )
        }),
    }
}
