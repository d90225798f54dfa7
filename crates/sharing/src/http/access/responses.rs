//! Pages and redirects that password login, provider login and the CSRF check share.

use askama::Template;
use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};
use serde::Deserialize;

use super::limits::TooMany;
use crate::{
    http::respond::{html, respond},
    service::Sharing,
};

/// Shown after too many attempts to log in.
pub(super) const TOO_OFTEN: &str = "Too many tries. Wait a few minutes before the next one.";

/// The page of a service in which nobody can log in yet.
#[derive(Template)]
#[template(path = "setup.html")]
pub(super) struct SetupPage {
    pub users: String,
}

/// The page of a refused request.
#[derive(Template)]
#[template(path = "refused.html")]
pub(super) struct RefusedPage {
    pub why: String,
}

/// Where the browser goes after login.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Next {
    #[serde(default)]
    pub next: String,
}

/// The response to too many provider logins from one address.
#[cfg_attr(not(feature = "openid"), expect(dead_code, reason = "only provider login calls it"))]
pub(super) fn too_often(sharing: &Sharing, refused: TooMany) -> Response<Body> {
    sharing.inner.metrics.logins.with_label_values(&["limited"]).inc();
    sharing.inner.metrics.limited.with_label_values(&[refused.whose]).inc();
    let mut response = html(StatusCode::TOO_MANY_REQUESTS, &RefusedPage { why: TOO_OFTEN.to_owned() });
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(refused.seconds()));
    response
}

/// The path to open after login. Anything but a path of this console becomes `/`.
pub(super) fn local(next: &str) -> &str {
    let plain = next.starts_with('/')
        && !next.starts_with("//")
        && next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\' && b != b'"');
    if plain { next } else { "/" }
}

/// A redirect that the browser follows with GET.
pub(crate) fn redirect(to: &str) -> Response<Body> {
    let mut response = respond(StatusCode::SEE_OTHER, "text/plain; charset=utf-8", String::new());
    if let Ok(to) = HeaderValue::from_str(to) {
        response.headers_mut().insert(header::LOCATION, to);
    }
    response
}
