//! Recipients, the audit log, and help.

use std::time::Instant;

use askama::Template;
use axum::{
    body::Body,
    extract::{Query, State as Shared, rejection::QueryRejection},
    http::{Response, StatusCode},
};
use serde::Deserialize;

use super::Shell;
use crate::{
    http::{
        access::Person,
        respond::{counted, failed, html},
    },
    service::{Inner, Sharing, SharingError},
};
use casework::policy::{Class, NotifyWhen};

/// Entries of the audit log on a page.
const ENTRIES: i64 = 100;

#[derive(Template)]
#[template(path = "partners.html")]
struct PartnersPage {
    shell: Shell,
    recipients: Vec<RecipientView>,
    classes: Vec<ClassView>,
}

struct RecipientView {
    name: String,
    class: String,
    what: String,
    delivery: &'static str,
    ceiling: &'static str,
    contact: String,
}

struct ClassView {
    class: String,
    concerned: &'static str,
    otherwise: &'static str,
    products: String,
    sign_off: String,
    left_out: String,
}

pub(super) async fn partners(Shared(sharing): Shared<Sharing>, person: Person) -> Response<Body> {
    let began = Instant::now();
    let response = match sharing.blocking(move |inner| partners_page(inner, &person)).await {
        Ok(page) => html(StatusCode::OK, &page),
        Err(error) => failed(&sharing, &error),
    };
    counted(&sharing, "console", "partners", began, response)
}

fn partners_page(inner: &Inner, person: &Person) -> Result<PartnersPage, SharingError> {
    use casework::policy::Delivery;
    let recipients = inner.policy.recipients.iter().map(|recipient| RecipientView {
        name: recipient.name.clone(),
        class: recipient.class.to_string(),
        what: match (&recipient.platform, &recipient.state) {
            (Some(platform), _) => platform.clone(),
            (_, Some(state)) if recipient.chief_election_official => format!("{state}, chief election official"),
            (_, Some(state)) => state.clone(),
            _ => String::new(),
        },
        delivery: match recipient.delivery() {
            Delivery::Taxii => "fetches its TAXII collection",
            Delivery::Webhook => "receives webhook deliveries",
            Delivery::Document => "documents, delivered by a person",
        },
        ceiling: recipient.tlp_ceiling.label(),
        contact: recipient.contact.clone(),
    });
    let when = |when: NotifyWhen| match when {
        NotifyWhen::Always => "always",
        NotifyWhen::ByDefault => "by default",
        NotifyWhen::WhenChosen => "when chosen",
        NotifyWhen::Never => "never",
    };
    let classes = Class::ALL.map(|class| {
        let rule = inner.policy.rules.class(class);
        let products: Vec<&str> = rule.products.iter().map(|product| product.label()).collect();
        ClassView {
            class: class.to_string(),
            concerned: when(rule.concerned),
            otherwise: when(rule.otherwise),
            products: text_format::list(&products),
            sign_off: text_format::list(&rule.sign_off),
            left_out: text_format::list(&rule.shows.left_out()),
        }
    });
    Ok(PartnersPage {
        shell: Shell::new(inner, person, "partners")?,
        recipients: recipients.collect(),
        classes: classes.into(),
    })
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct AuditAsked {
    before: Option<String>,
    verify: Option<String>,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    shell: Shell,
    verified: Option<Result<(i64, String), (i64, String)>>,
    entries: Vec<EntryView>,
    earlier: Option<i64>,
    newest: bool,
}

struct EntryView {
    seq: i64,
    time: String,
    actor: String,
    subject: String,
    action: String,
    text: String,
    seal: String,
}

pub(super) async fn audit(
    Shared(sharing): Shared<Sharing>,
    person: Person,
    asked: Result<Query<AuditAsked>, QueryRejection>,
) -> Response<Body> {
    let began = Instant::now();
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    let response = match sharing.blocking(move |inner| audit_page(inner, &person, &asked)).await {
        Ok(page) => html(StatusCode::OK, &page),
        Err(error) => failed(&sharing, &error),
    };
    counted(&sharing, "console", "audit", began, response)
}

fn audit_page(inner: &Inner, person: &Person, asked: &AuditAsked) -> Result<AuditPage, SharingError> {
    let before = asked.before.as_deref().and_then(|text| text.parse().ok()).filter(|seq: &i64| *seq > 0);
    let verified = match asked.verify.as_deref() {
        Some("1") => Some(inner.store.verify_audit(None)?.map_err(|broken| (broken.seq, broken.to_string()))),
        _ => None,
    };
    let entries: Vec<EntryView> = inner
        .store
        .audit_before(before, ENTRIES)?
        .into_iter()
        .map(|sealed| EntryView {
            seq: sealed.seq,
            time: text_format::second(sealed.entry.at),
            actor: text_format::shorten(&sealed.entry.actor, 60),
            subject: text_format::shorten(&sealed.entry.subject, 60),
            action: text_format::shorten(&sealed.entry.action.replace('_', " "), 60),
            text: text_format::shorten(&sealed.entry.text, 300),
            seal: sealed.seal.chars().take(12).collect(),
        })
        .collect();
    Ok(AuditPage {
        shell: Shell::new(inner, person, "audit")?,
        verified,
        earlier: entries.last().map(|entry| entry.seq).filter(|seq| *seq > 1),
        newest: before.is_none(),
        entries,
    })
}

#[derive(Template)]
#[template(path = "help.html")]
struct HelpPage {
    shell: Shell,
}

pub(super) async fn help(Shared(sharing): Shared<Sharing>, person: Person) -> Response<Body> {
    let began = Instant::now();
    let response = match sharing.blocking(move |inner| Shell::new(inner, &person, "help")).await {
        Ok(shell) => html(StatusCode::OK, &HelpPage { shell }),
        Err(error) => failed(&sharing, &error),
    };
    counted(&sharing, "console", "help", began, response)
}
