//! Common parts of all responses: headers, metrics, error pages.

use std::{borrow::Cow, time::Instant};

use askama::Template;
use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::service::{Sharing, SharingError};

/// Pages load only their own styles, script and icon, and no page may be shown in a frame.
const CSP: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; \
                   frame-ancestors 'none'";

#[derive(Template)]
#[template(path = "message.html")]
pub(crate) struct MessagePage {
    pub title: &'static str,
    pub text: Cow<'static, str>,
}

/// An error: what, where, and what to do next.
#[derive(Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    /// What.
    pub error: String,
    /// In which part of the request.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// What to do next, or which steps are allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

pub(crate) fn counted(
    sharing: &Sharing,
    surface: &str,
    endpoint: &str,
    began: Instant,
    response: Response<Body>,
) -> Response<Body> {
    let metrics = &sharing.inner.metrics;
    metrics.requests.with_label_values(&[surface, endpoint, response.status().as_str()]).inc();
    metrics.seconds.with_label_values(&[surface, endpoint]).observe(began.elapsed().as_secs_f64());
    response
}

pub(crate) fn failed(sharing: &Sharing, error: &SharingError) -> Response<Body> {
    report(sharing, error);
    html(
        StatusCode::INTERNAL_SERVER_ERROR,
        &MessagePage {
            title: "This page could not be shown",
            text: "The reason is in the log of the service. Try again in a moment.".into(),
        },
    )
}

pub(crate) fn json_failed(sharing: &Sharing, error: &SharingError) -> Response<Body> {
    report(sharing, error);
    json_error(StatusCode::INTERNAL_SERVER_ERROR, "the reason is in the service's log")
}

pub(crate) fn report(sharing: &Sharing, error: &SharingError) {
    sharing.inner.metrics.errors.with_label_values(&["http"]).inc();
    tracing::error!(%error, "a request failed");
}

pub(crate) fn html(status: StatusCode, page: &impl Template) -> Response<Body> {
    match page.render() {
        Ok(text) => respond(status, "text/html; charset=utf-8", text),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            respond(
                StatusCode::INTERNAL_SERVER_ERROR,
                "text/plain; charset=utf-8",
                "this page could not be shown\n".to_owned(),
            )
        }
    }
}

pub(crate) fn json_error(status: StatusCode, why: &str) -> Response<Body> {
    let next = match status {
        StatusCode::UNAUTHORIZED => "log in, and send the cookie of the session",
        StatusCode::FORBIDDEN => "ask for the role, or send the token of the session in X-CSRF-Token",
        StatusCode::NOT_FOUND => "search in /api/clusters",
        StatusCode::TOO_MANY_REQUESTS => "wait for the seconds of Retry-After, then repeat the request",
        StatusCode::INTERNAL_SERVER_ERROR => "try again in a moment",
        _ => "correct the request: /api/openapi.json describes it",
    };
    json_response(status, &json!({"error": why, "next": next}))
}

pub(crate) fn json_response(status: StatusCode, value: &serde_json::Value) -> Response<Body> {
    respond(status, "application/json", value.to_string())
}

pub(crate) fn fault(status: StatusCode, error: &str, at: Option<String>, next: Option<String>) -> Response<Body> {
    let body = ErrorBody { error: error.to_owned(), at, next };
    json_response(status, &json!(body))
}

pub(crate) fn respond(status: StatusCode, media: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, media),
        (header::CONTENT_SECURITY_POLICY, CSP),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The page for an id of no cluster.
pub(crate) fn no_case() -> Response<Body> {
    html(
        StatusCode::NOT_FOUND,
        &MessagePage {
            title: "There is no such cluster",
            text: "It may have been merged into another cluster. The list of cases shows all clusters.".into(),
        },
    )
}

/// The cluster id of a [`path_segment`], as forms send it.
pub(crate) fn from_path_segment(text: &str) -> String {
    url::form_urlencoded::parse(text.as_bytes()).next().map_or_else(String::new, |(id, _)| id.into_owned())
}

/// A cluster id as one segment of a path, and as a value of a form: without characters that change how
/// the page is read.
pub(crate) fn path_segment(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-_~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&text_format::hex(&[byte]).to_uppercase());
        }
        out
    })
}
