//! Deliveries to webhooks, and the actions of an admin on failed deliveries.

use std::time::Instant;

use askama::Template;
use axum::{
    body::Body,
    extract::{Path, Query, State as Shared, rejection::QueryRejection},
    http::{Response, StatusCode},
};

use super::{Shell, review::Sent};
use crate::{
    http::{
        access::{self, Person, Posted},
        filters::{DELIVERIES_ON_A_PAGE, WantedDeliveries},
        respond::{counted, failed, html, path_segment},
    },
    service::{Inner, Sharing, SharingError},
    store::{Delivery, DeliveryQuery, DeliveryState, StoreError},
};
use casework::Task;

#[derive(Template)]
#[template(path = "deliveries.html")]
struct DeliveriesPage {
    shell: Shell,
    admin: bool,
    partners: Vec<(String, bool)>,
    states: Vec<(&'static str, bool)>,
    filtered: bool,
    /// The filter, so that a form leads back to the same list.
    partner: String,
    state: &'static str,
    page: usize,
    done: Option<&'static str>,
    refused: Option<Refusal>,
    without_secret: Vec<String>,
    disabled: i64,
    rows: Vec<RowView>,
    previous: Option<String>,
    next: Option<String>,
}

struct Refusal {
    id: String,
    why: String,
    /// Whether its row is on the page and shows the reason.
    in_row: bool,
}

struct RowView {
    id: String,
    action: String,
    partner: String,
    /// URL of the case's page, if the case is known.
    href: Option<String>,
    case: String,
    objects: String,
    state: &'static str,
    badge: &'static str,
    attempts: String,
    created: String,
    last: String,
    next: String,
    again: &'static str,
    /// Whether it may be discarded.
    given_up: bool,
}

pub(super) async fn page(
    Shared(sharing): Shared<Sharing>,
    person: Person,
    asked: Result<Query<WantedDeliveries>, QueryRejection>,
) -> Response<Body> {
    let began = Instant::now();
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    let response = show(&sharing, person, asked, None).await;
    counted(&sharing, "console", "deliveries", began, response)
}

/// Resends or discards a delivery. If that is refused, shows the page with the reason.
pub(super) async fn change(
    Shared(sharing): Shared<Sharing>,
    Path(id): Path<String>,
    Posted { person, form }: Posted<Vec<(String, String)>>,
) -> Response<Body> {
    let began = Instant::now();
    let sent = Sent(form);
    let back = |name: &str| Some(sent.get(name).to_owned()).filter(|text| !text.is_empty());
    let asked =
        WantedDeliveries { partner: back("partner"), state: back("state"), page: back("page"), done: back("do") };
    let done = match (person.can(Task::ManageDeliveries), sent.get("do")) {
        (_, _) if id.contains('\0') => Err(SharingError::Refused("there is no such delivery".to_owned())),
        (false, _) => Err(SharingError::Refused("this needs the role admin, which you do not have".to_owned())),
        (_, "resend") => sharing.resend_by(&id, &person.name).await,
        (_, "discard") => sharing.discard_by(&id, &person.name).await,
        _ => Err(SharingError::Refused("the form asks for nothing: use the buttons of this page".to_owned())),
    };
    let response = match done {
        Ok(()) => access::redirect(&address(&asked.query().0, asked.done.as_deref())),
        Err(SharingError::Refused(why) | SharingError::Store(StoreError::Partner(why))) => {
            show(&sharing, person, asked, Some((id, why))).await
        }
        Err(error) => failed(&sharing, &error),
    };
    counted(&sharing, "console", "delivery", began, response)
}

async fn show(
    sharing: &Sharing,
    person: Person,
    asked: WantedDeliveries,
    refused: Option<(String, String)>,
) -> Response<Body> {
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    match sharing.blocking(move |inner| deliveries_page(inner, &person, &asked, refused)).await {
        Ok(page) => html(status, &page),
        Err(error) => failed(sharing, &error),
    }
}

fn deliveries_page(
    inner: &Inner,
    person: &Person,
    asked: &WantedDeliveries,
    refused: Option<(String, String)>,
) -> Result<DeliveriesPage, SharingError> {
    let (query, _) = asked.query();
    let mut found = inner.store.deliveries(&query)?;
    let more = found.len() > DELIVERIES_ON_A_PAGE;
    found.truncate(DELIVERIES_ON_A_PAGE);
    let cases: Vec<String> = found.iter().map(|one| one.case.clone()).collect();
    let clusters = inner.store.clusters_of(&cases)?;
    let rows: Vec<RowView> = found
        .into_iter()
        .map(|one| {
            let cluster = clusters.get(&one.case).cloned();
            row_view(one, cluster)
        })
        .collect();
    let chosen = |name: &str| query.partner.as_deref() == Some(name);
    let mut partners: Vec<(String, bool)> = inner.policy.partners().into_iter().map(|p| (p.name, false)).collect();
    if let Some(name) = &query.partner
        && !partners.iter().any(|(known, _)| known == name)
    {
        // A former partner.
        partners.push((text_format::shorten(name, 64), false));
    }
    for (name, on) in &mut partners {
        *on = chosen(name);
    }
    let at = |offset: usize| address(&DeliveryQuery { offset, ..query.clone() }, None);
    let (_, _, disabled) = inner.store.delivery_counts()?;
    Ok(DeliveriesPage {
        shell: Shell::new(inner, person, "deliveries")?,
        admin: person.can(Task::ManageDeliveries),
        states: DeliveryState::ALL.map(|state| (state.name(), query.state == Some(state))).to_vec(),
        filtered: query.partner.is_some() || query.state.is_some(),
        partner: query.partner.clone().unwrap_or_default(),
        state: query.state.map_or("", DeliveryState::name),
        page: query.offset / DELIVERIES_ON_A_PAGE + 1,
        done: match asked.done.as_deref().filter(|_| refused.is_none()) {
            Some("resend") => Some("It is sent again, at once."),
            Some("discard") => Some("It is taken off the alert. The audit log says so."),
            _ => None,
        },
        refused: refused.map(|(id, why)| Refusal {
            in_row: rows.iter().any(|row| row.id == id),
            id: text_format::shorten(&id, 80),
            why: text_format::shorten(&why, 400),
        }),
        without_secret: inner.store.webhooks_without_secret()?,
        disabled,
        previous: (query.offset > 0).then(|| at(query.offset.saturating_sub(DELIVERIES_ON_A_PAGE))),
        next: more.then(|| at(query.offset + DELIVERIES_ON_A_PAGE)),
        partners,
        rows,
    })
}

/// The URL of a query.
fn address(query: &DeliveryQuery, done: Option<&str>) -> String {
    let mut pairs = url::form_urlencoded::Serializer::new(String::new());
    if let Some(partner) = &query.partner {
        pairs.append_pair("partner", partner);
    }
    if let Some(state) = query.state {
        pairs.append_pair("state", state.name());
    }
    if query.offset > 0 {
        pairs.append_pair("page", &(query.offset / DELIVERIES_ON_A_PAGE + 1).to_string());
    }
    if let Some(done) = done {
        pairs.append_pair("done", done);
    }
    let pairs = pairs.finish();
    if pairs.is_empty() { "/deliveries".to_owned() } else { format!("/deliveries?{pairs}") }
}

fn row_view(one: Delivery, cluster: Option<String>) -> RowView {
    let last = match (one.last_at, &one.last_outcome) {
        (Some(at), Some(outcome)) => format!("{}: {}", text_format::second(at), text_format::shorten(outcome, 200)),
        (Some(at), None) => text_format::second(at),
        (None, _) => "not tried yet".to_owned(),
    };
    RowView {
        action: format!("/deliveries/{}", path_segment(&one.id)),
        id: one.id,
        partner: text_format::shorten(&one.partner, 64),
        href: cluster.map(|cluster| format!("/clusters/{}", path_segment(&cluster))),
        case: text_format::shorten(&one.case, 60),
        objects: text_format::count(one.objects.max(0) as u64, "object"),
        state: one.state.name(),
        badge: match one.state {
            DeliveryState::Pending => "single",
            DeliveryState::Delivered => "good",
            DeliveryState::Dead | DeliveryState::Disabled => "state-retracted",
            DeliveryState::Discarded => "",
        },
        attempts: text_format::thousands(one.attempts.max(0) as u64),
        created: text_format::minute(one.created_at),
        last,
        next: one.next_at.map_or_else(|| "none".to_owned(), text_format::second),
        again: if one.state == DeliveryState::Pending { "Try now" } else { "Send again" },
        given_up: matches!(one.state, DeliveryState::Dead | DeliveryState::Disabled),
    }
}
