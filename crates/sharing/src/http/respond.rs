//! What all answers have in common: headers, metrics, error pages.

use std::{borrow::Cow, time::Instant};

use askama::Template;
use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};
use serde_json::json;

use crate::service::{Sharing, SharingError};

/// Styles, one script and an icon from here, nothing else from anywhere; nobody frames us.
const CSP: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; \
                   frame-ancestors 'none'";

#[derive(Template)]
#[template(path = "message.html")]
pub(crate) struct MessagePage {
    pub title: &'static str,
    pub text: Cow<'static, str>,
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
            title: "This page could not be made",
            text: "The reason is in the service's log. Try again in a moment.".into(),
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
                "this page could not be made\n".to_owned(),
            )
        }
    }
}

pub(crate) fn json_error(status: StatusCode, why: &str) -> Response<Body> {
    let next = match status {
        StatusCode::UNAUTHORIZED => "log in, and send the session's cookie",
        StatusCode::FORBIDDEN => "ask for the role, or send the token of the session in X-CSRF-Token",
        StatusCode::NOT_FOUND => "look it up in /api/clusters",
        StatusCode::INTERNAL_SERVER_ERROR => "try again in a moment",
        _ => "mend the request: /api/openapi.json says what it may be",
    };
    json_response(status, &json!({"error": why, "next": next}))
}

pub(crate) fn json_response(status: StatusCode, value: &serde_json::Value) -> Response<Body> {
    respond(status, "application/json", value.to_string())
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

/// A cluster id as one segment of a path.
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
