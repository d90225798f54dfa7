//! Documents for people: what each recipient of a case receives, to view and to download.

use std::time::Instant;

use axum::{
    body::Body,
    extract::{Path, Query, State as Shared, rejection::QueryRejection},
    http::{HeaderValue, Response, StatusCode, header},
};
use jiff::Timestamp;
use serde::Deserialize;

use crate::{
    http::respond::{MessagePage, counted, failed, html, no_case, path_segment, respond},
    publish::documents::{self, Document},
    service::{self, Sharing, SharingError},
};
use casework::CaseRecord;
use casework::{
    case::State,
    policy::{Decision, Policy, Product, Rendered},
};

/// A document that a recipient receives, or would receive.
pub(super) struct Link {
    pub what: String,
    /// The path without the file name extension and the query string.
    address: String,
    query: &'static str,
    pub draft: bool,
}

impl Link {
    /// The URL of the `html` or `pdf` file.
    fn of(&self, ending: &str) -> String {
        format!("{}.{ending}{}", self.address, self.query)
    }

    pub fn view(&self) -> String {
        self.of("html")
    }

    /// The URL of the PDF, if this build can make PDF files.
    pub fn pdf(&self) -> Option<String> {
        cfg!(feature = "pdf").then(|| self.of("pdf"))
    }
}

/// The documents of a case for one recipient: of the released version, and a draft of a newer version.
pub(super) fn links(stored: &CaseRecord, decision: &Decision, policy: &Policy) -> Vec<Link> {
    let case = &stored.case;
    if matches!(case.state, State::Dismissed | State::Closed) {
        return Vec::new();
    }
    let Some(recipient) = policy.recipients.iter().find(|known| known.name == decision.recipient) else {
        return Vec::new();
    };
    let was_notified = case.notified.as_ref().is_some_and(|notified| notified.contains_key(&recipient.name));
    if !was_notified && !decision.notified {
        return Vec::new();
    }
    let newer = stored.released.as_ref().is_some_and(|released| released.version < stored.cluster.version);
    let gone = case.state == State::Retracted;
    let mut links = Vec::new();
    for (product, slug) in PRODUCTS {
        if !policy.rules.class(recipient.class).products.contains(&product) {
            continue;
        }
        let address =
            format!("/clusters/{}/documents/{}/{slug}", path_segment(&case.cluster_id), path_segment(&recipient.name));
        let version = stored.released.as_ref().map_or(stored.cluster.version, |released| released.version);
        let what = match gone {
            true => format!("withdrawal of the {}", product.label()),
            false => format!("{}, version {version}", product.label()),
        };
        let draft = stored.released.is_none() && !gone;
        links.push(Link { what, address: address.clone(), query: "", draft });
        if newer && !gone {
            let what = format!("{}, version {}", product.label(), stored.cluster.version);
            links.push(Link { what, address, query: "?newest=1", draft: true });
        }
    }
    links
}

/// The STIX objects that a platform would get by a release.
pub(super) struct SentObjects {
    pub address: String,
    pub sha256: String,
    /// Whether the approval is of the same objects; `None` where there is no approval.
    pub as_approved: Option<bool>,
}

/// What a platform would get, if it would get anything.
pub(super) fn sent(stored: &CaseRecord, decision: &Decision, rendered: &Rendered) -> Option<SentObjects> {
    let case = &stored.case;
    let sha256 = rendered.get(&decision.recipient)?.clone();
    let approved = case.approved.as_ref().filter(|statement| statement.version == case.version);
    Some(SentObjects {
        address: format!("/clusters/{}/objects/{}", path_segment(&case.cluster_id), path_segment(&decision.recipient)),
        as_approved: approved.map(|_| case.approved_objects.get(&decision.recipient) == Some(&sha256)),
        sha256,
    })
}

/// The objects themselves, one a line, as a platform would get them by a release now.
pub(super) async fn objects(
    Shared(sharing): Shared<Sharing>,
    Path((id, recipient)): Path<(String, String)>,
) -> Response<Body> {
    let began = Instant::now();
    let found = sharing.blocking(move |inner| {
        let stored = inner.store.case(&id)?.ok_or(SharingError::NoCase(id))?;
        let sent = inner.would_send(&stored, Timestamp::now())?;
        Ok(sent.into_iter().find(|(name, _)| *name == recipient).map(|(_, objects)| objects))
    });
    let response = match found.await {
        Ok(Some(objects)) => {
            let lines: String = objects.into_iter().map(|object| object.body + "\n").collect();
            let mut response = respond(StatusCode::OK, "text/plain; charset=utf-8", lines);
            set(&mut response, header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; sandbox");
            response
        }
        Ok(None) => no_document(StatusCode::NOT_FOUND, "This recipient would get no objects.".to_owned()),
        Err(SharingError::NoCase(_)) => no_case(),
        Err(error) => failed(&sharing, &error),
    };
    counted(&sharing, "console", "objects", began, response)
}

/// Products that are documents, by their names in URLs.
const PRODUCTS: [(Product, &str); 3] = [
    (Product::NotificationLetter, "notification_letter"),
    (Product::DefensiveBriefing, "defensive_briefing"),
    (Product::PublicNotice, "public_notice"),
];

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    newest: Option<String>,
}

/// One document: HTML to view, PDF to download.
pub(super) async fn file(
    Shared(sharing): Shared<Sharing>,
    Path((id, recipient, file)): Path<(String, String, String)>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response<Body> {
    let began = Instant::now();
    let newest = asked.is_ok_and(|Query(asked)| asked.newest.as_deref() == Some("1"));
    let named = file.rsplit_once('.').and_then(|(slug, ending)| {
        let (product, slug) = PRODUCTS.into_iter().find(|(_, known)| *known == slug)?;
        (ending == "html" || ending == "pdf" && cfg!(feature = "pdf")).then(|| (product, slug, ending == "pdf"))
    });
    let response = match named {
        None => {
            no_document(StatusCode::NOT_FOUND, "There is no such document: the page of the case links to each.".into())
        }
        Some((product, slug, pdf)) => made(&sharing, id, recipient, product, slug, pdf, newest).await,
    };
    counted(&sharing, "console", "document", began, response)
}

async fn made(
    sharing: &Sharing,
    id: String,
    recipient: String,
    product: Product,
    slug: &str,
    pdf: bool,
    newest: bool,
) -> Response<Body> {
    let to = recipient.clone();
    let found = sharing.blocking(move |inner| {
        let stored = inner.store.case(&id)?.ok_or(SharingError::NoCase(id))?;
        let reference = inner.store.reference_for(&recipient, &stored.case.id)?;
        let now = Timestamp::now();
        let made = service::documents_of(
            &inner.config,
            &inner.policy,
            (&stored, &reference),
            &recipient,
            Some(product),
            newest,
            now,
        )?;
        Ok(made.into_iter().next().map(|(_, document)| (reference, document)))
    });
    answer(sharing, found.await, &format!("{to}-{slug}"), pdf)
}

/// A document that was made, or why not.
fn answer(
    sharing: &Sharing,
    made: Result<Option<(String, Document)>, SharingError>,
    name: &str,
    pdf: bool,
) -> Response<Body> {
    match made {
        Ok(Some((reference, document))) if pdf => as_pdf(&format!("{reference}-{name}"), document),
        Ok(Some((_, document))) => {
            let mut response = respond(StatusCode::OK, "text/html; charset=utf-8", document.html);
            // Only the document's own style is allowed, and nothing of the console.
            let policy = format!(
                "default-src 'none'; style-src {}; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; sandbox",
                documents::style_source()
            );
            set(&mut response, header::CONTENT_SECURITY_POLICY, &policy);
            response
        }
        Ok(None) => no_document(StatusCode::NOT_FOUND, "There is no such document.".to_owned()),
        Err(SharingError::NoCase(_)) => no_case(),
        Err(SharingError::Unknown(why)) => no_document(StatusCode::NOT_FOUND, text_format::shorten(&why, 600)),
        Err(SharingError::Document(error)) => {
            no_document(StatusCode::UNPROCESSABLE_ENTITY, text_format::shorten(&error.to_string(), 600))
        }
        Err(error) => failed(sharing, &error),
    }
}

/// Parameters of an explanation.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ExplanationAsked {
    /// Of the newest version, even if an earlier one was released.
    newest: Option<String>,
    /// With the id under which this recipient knows the case.
    recipient: Option<String>,
}

/// The case in plain words: HTML to view, PDF to download.
pub(super) async fn explanation(
    Shared(sharing): Shared<Sharing>,
    Path((id, file)): Path<(String, String)>,
    asked: Result<Query<ExplanationAsked>, QueryRejection>,
) -> Response<Body> {
    let began = Instant::now();
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    let pdf = file == "explanation.pdf" && cfg!(feature = "pdf");
    let response = match pdf || file == "explanation.html" {
        false => {
            no_document(StatusCode::NOT_FOUND, "There is no such document: the page of the case links to each.".into())
        }
        true => {
            let found = sharing.blocking(move |inner| {
                let stored = inner.store.case(&id)?.ok_or(SharingError::NoCase(id))?;
                let reference = match asked.recipient.as_deref().filter(|name| !name.contains('\0')) {
                    Some(recipient) => inner.store.reference_for(recipient, &stored.case.id)?,
                    None => stored.case.id.clone(),
                };
                let newest = asked.newest.as_deref() == Some("1");
                let document = documents::render_explanation(&documents::Explained {
                    identity: &inner.config.identity,
                    contact: &inner.config.contact,
                    case: &stored.case,
                    reference: &reference,
                    cluster: stored.released.as_ref().filter(|_| !newest).unwrap_or(&stored.cluster),
                    tlp: inner.config.tlp,
                })?;
                Ok(Some((reference, document)))
            });
            answer(&sharing, found.await, "explanation", pdf)
        }
    };
    counted(&sharing, "console", "explanation", began, response)
}

/// A document as a download.
#[cfg(feature = "pdf")]
fn as_pdf(name: &str, document: Document) -> Response<Body> {
    let draft = if document.draft { "-draft" } else { "" };
    let name: String = format!("{name}{draft}")
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '-' })
        .take(150)
        .collect();
    let mut response = respond(StatusCode::OK, "application/pdf", String::new());
    *response.body_mut() = Body::from(document.pdf);
    set(&mut response, header::CONTENT_DISPOSITION, &format!("attachment; filename=\"{name}.pdf\""));
    set(&mut response, header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; sandbox");
    response
}

#[cfg(not(feature = "pdf"))]
fn as_pdf(_: &str, _: Document) -> Response<Body> {
    no_document(StatusCode::NOT_FOUND, "This build of the program makes documents as HTML only.".to_owned())
}

fn set(response: &mut Response<Body>, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn no_document(status: StatusCode, why: String) -> Response<Body> {
    html(status, &MessagePage { title: "This document cannot be made", text: why.into() })
}
