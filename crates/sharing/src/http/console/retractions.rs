//! Withdrawals that partners have not acknowledged, and findings that partners rejected.

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
    service::{Inner, Sharing, SharingError, retraction::LONGEST_NOTE},
    store::{Retraction, RetractionCase, StoreError},
};
use casework::{Task, retraction::Decision};

/// Number of withdrawals, and of retraction cases, on the page.
const SHOWN: usize = 300;
/// Number of accounts named for each.
const NAMED: usize = 40;
/// Parameters of the query string.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    all: Option<String>,
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "retractions.html")]
struct RetractionsPage {
    shell: Shell,
    acknowledges: bool,
    decides: bool,
    all: bool,
    done: Option<&'static str>,
    refused: Option<Refusal>,
    cases: Vec<CaseView>,
    decided: Vec<CaseView>,
    waiting: Vec<WaitingView>,
    overdue: usize,
    /// Number of withdrawals that are not shown.
    further: usize,
    further_cases: usize,
}

/// A refused form.
struct Refusal {
    /// Its id on the page.
    form: String,
    why: String,
    typed: String,
    /// Whether the form is on the page, with the reason next to it.
    shown: bool,
}

impl RetractionsPage {
    fn error(&self, form: &str) -> Option<&Refusal> {
        self.refused.as_ref().filter(|refused| refused.form == form)
    }

    fn kept(&self, form: &str) -> &str {
        self.error(form).map_or("", |refused| &refused.typed)
    }
}

pub(super) struct CaseView {
    pub number: i64,
    pub form: String,
    pub href: String,
    pub case: String,
    pub what: String,
    pub accounts: String,
    pub by: String,
    pub at: String,
    pub reason: String,
    pub state: String,
    pub decided: String,
}

pub(super) struct WaitingView {
    pub number: i64,
    pub form: String,
    pub href: String,
    pub case: String,
    pub partner: String,
    pub what: String,
    pub accounts: String,
    pub reason: String,
    pub at: String,
    pub due: String,
    pub overdue: Option<String>,
    pub known: Option<String>,
}

pub(super) async fn page(
    Shared(sharing): Shared<Sharing>,
    person: Person,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response<Body> {
    let began = Instant::now();
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    let response = show(&sharing, person, asked, None).await;
    counted(&sharing, "console", "retractions", began, response)
}

pub(super) async fn acknowledge(
    Shared(sharing): Shared<Sharing>,
    Path(number): Path<String>,
    Posted { person, form }: Posted<Vec<(String, String)>>,
) -> Response<Body> {
    let began = Instant::now();
    let note = Sent(form).get("note").to_owned();
    let done = match (person.can(Task::AcknowledgeWithdrawal), number.parse()) {
        (false, _) => {
            Err(SharingError::Refused("this needs the role approver or admin, which you do not have".to_owned()))
        }
        (_, Err(_)) => Err(SharingError::Refused("there is no such withdrawal".to_owned())),
        (_, Ok(number)) => sharing.acknowledge_retraction(number, &note, &person.name).await,
    };
    let response = after(&sharing, person, done, ("withdrawal", &number), note, "acknowledged").await;
    counted(&sharing, "console", "acknowledge", began, response)
}

pub(super) async fn decide(
    Shared(sharing): Shared<Sharing>,
    Path(number): Path<String>,
    Posted { person, form }: Posted<Vec<(String, String)>>,
) -> Response<Body> {
    let began = Instant::now();
    let sent = Sent(form);
    let reason = sent.get("reason").to_owned();
    let (decision, said) = match sent.get("do") {
        "withdraw" => (Ok(Decision::Withdraw), "withdrawn"),
        "keep" => (Ok(Decision::Keep { reason: reason.trim().to_owned() }), "kept"),
        _ => (Err("choose to withdraw or to keep the finding"), ""),
    };
    let done = match (person.can(Task::DecideRejection), number.parse(), decision) {
        (false, ..) => Err(SharingError::Refused("this needs the role approver, which you do not have".to_owned())),
        (_, Err(_), _) => Err(SharingError::Refused("there is no such retraction case".to_owned())),
        (_, _, Err(why)) => Err(SharingError::Refused(why.to_owned())),
        (_, Ok(number), Ok(decision)) => sharing.decide_retraction(number, decision, &person.name).await,
    };
    let response = after(&sharing, person, done, ("case", &number), reason, said).await;
    counted(&sharing, "console", "decide", began, response)
}

/// Redirects to the page, or shows the page with the reason for the refusal.
async fn after(
    sharing: &Sharing,
    person: Person,
    done: Result<(), SharingError>,
    (what, number): (&str, &str),
    typed: String,
    said: &str,
) -> Response<Body> {
    let (status, why) = match done {
        Ok(()) => return access::redirect(&format!("/retractions?done={said}")),
        Err(SharingError::Refused(why)) => (StatusCode::UNPROCESSABLE_ENTITY, why),
        Err(SharingError::Illegal(illegal)) => {
            let why = format!("cannot {} the case: {}; allowed now: {}", illegal.verb, illegal.why, illegal.allowed);
            (StatusCode::UNPROCESSABLE_ENTITY, why)
        }
        Err(SharingError::NoRetractionCase(number)) => {
            (StatusCode::CONFLICT, format!("retraction case {number} is not open any more, or there is none"))
        }
        Err(SharingError::Store(StoreError::Partner(why))) => (StatusCode::CONFLICT, why),
        Err(SharingError::Store(error @ StoreError::Conflict(_))) => (StatusCode::CONFLICT, error.to_string()),
        Err(error) => return failed(sharing, &error),
    };
    let form = format!("{what}-{}", text_format::shorten(number, 20));
    let refused = Refusal { form, why: text_format::shorten(&why, 600), typed, shown: false };
    show(sharing, person, Asked::default(), Some((status, refused))).await
}

async fn show(
    sharing: &Sharing,
    person: Person,
    asked: Asked,
    refused: Option<(StatusCode, Refusal)>,
) -> Response<Body> {
    let (status, refused) = match refused {
        Some((status, refused)) => (status, Some(refused)),
        None => (StatusCode::OK, None),
    };
    match sharing.blocking(move |inner| retractions_page(inner, &person, &asked, refused)).await {
        Ok(page) => html(status, &page),
        Err(error) => failed(sharing, &error),
    }
}

fn retractions_page(
    inner: &Inner,
    person: &Person,
    asked: &Asked,
    mut refused: Option<Refusal>,
) -> Result<RetractionsPage, SharingError> {
    let now = Timestamp::now();
    let all = asked.all.as_deref() == Some("1");
    let waiting = inner.store.retractions_due(Timestamp::MAX)?;
    let overdue = waiting.iter().filter(|one| one.due <= now).count();
    let (open, mut decided): (Vec<_>, Vec<_>) =
        inner.store.retraction_cases(all)?.into_iter().partition(|case| case.state == "open");
    // The newest decisions first.
    decided.sort_by_key(|case| std::cmp::Reverse((case.decided_at, case.number)));
    let (further, further_cases) = (waiting.len().saturating_sub(SHOWN), open.len().saturating_sub(SHOWN));
    let waiting: Vec<WaitingView> = waiting.into_iter().take(SHOWN).map(|one| waiting_view(one, now)).collect();
    let cases: Vec<CaseView> = open.into_iter().take(SHOWN).map(case_view).collect();
    let (acknowledges, decides) = (person.can(Task::AcknowledgeWithdrawal), person.can(Task::DecideRejection));
    if let Some(refused) = &mut refused {
        refused.shown = (decides && cases.iter().any(|case| case.form == refused.form))
            || (acknowledges && waiting.iter().any(|one| one.form == refused.form));
    }
    Ok(RetractionsPage {
        shell: Shell::new(inner, person, "retractions")?,
        acknowledges,
        decides,
        all,
        done: match asked.done.as_deref().filter(|_| refused.is_none()) {
            Some("acknowledged") => Some("Recorded: the partner knows of the withdrawal."),
            Some("withdrawn") => Some("Withdrawn from every partner that received it."),
            Some("kept") => Some("Kept. The audit log has the reason."),
            _ => None,
        },
        refused,
        cases,
        decided: decided.into_iter().take(SHOWN).map(case_view).collect(),
        waiting,
        overdue,
        further,
        further_cases,
    })
}

pub(super) fn case_view(one: RetractionCase) -> CaseView {
    let decided = match (one.decided_at, &one.decided_by) {
        (Some(at), Some(by)) => format!(
            "by {}, {} UTC: {}",
            text_format::shorten(by, 60),
            text_format::minute(at),
            text_format::shorten(one.decision.as_deref().unwrap_or_default(), 600)
        ),
        _ => String::new(),
    };
    CaseView {
        number: one.number,
        form: format!("case-{}", one.number),
        href: format!("/clusters/{}", path_segment(&one.cluster_id)),
        case: text_format::shorten(&one.case, 60),
        what: match one.accounts.len() {
            0 => "the whole case".to_owned(),
            n => format!("{} on {}", text_format::count(n as u64, "account"), text_format::shorten(&one.platform, 40)),
        },
        accounts: names(&one.accounts),
        by: text_format::shorten(&one.opened_by, 80),
        at: text_format::minute(one.opened_at),
        reason: text_format::shorten(&one.reason, LONGEST_NOTE),
        state: one.state,
        decided,
    }
}

pub(super) fn waiting_view(one: Retraction, now: Timestamp) -> WaitingView {
    let late = now.duration_since(one.due).as_secs_f64();
    WaitingView {
        number: one.number,
        form: format!("withdrawal-{}", one.number),
        href: format!("/clusters/{}", path_segment(&one.cluster_id)),
        case: text_format::shorten(&one.case, 60),
        partner: text_format::shorten(&one.partner, 64),
        what: text_format::count(one.accounts.len() as u64, "account"),
        accounts: names(&one.accounts),
        reason: text_format::shorten(&one.reason, 600),
        at: text_format::minute(one.at),
        due: text_format::minute(one.due),
        overdue: (late >= 0.0 && one.acked_at.is_none())
            .then(|| format!("overdue by {}", text_format::seconds_in_words(late.max(1.0)))),
        known: one.acked_at.map(|at| {
            let how = match one.acked_by.as_deref() {
                Some("taxii") => "the partner fetched the withdrawal",
                Some("webhook") => "the endpoint accepted the withdrawal",
                Some("feedback") => "the partner confirmed it in feedback",
                Some("operator") => "a person recorded it",
                _ => "the way is not recorded",
            };
            format!("acknowledged {} UTC: {how}", text_format::minute(at))
        }),
    }
}

/// Ids of accounts as text, at most [`NAMED`] of them.
fn names(accounts: &[String]) -> String {
    let mut names: Vec<String> = accounts.iter().take(NAMED).map(|id| text_format::shorten(id, 60)).collect();
    if accounts.len() > NAMED {
        names.push(format!("and {} more", text_format::thousands((accounts.len() - NAMED) as u64)));
    }
    names.join(", ")
}
