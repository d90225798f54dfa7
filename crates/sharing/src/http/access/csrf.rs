//! No request changes anything that a page of another site made the browser send.
//!
//! Two checks, each enough by itself: what the browser says about where the request comes from, and the session's token, which no
//! other site can read.

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, Response, StatusCode, header, request::Parts},
};
use serde::de::DeserializeOwned;
use subtle::ConstantTimeEq;

use super::{
    super::{
        Server,
        respond::{html, json_error},
    },
    Person,
    responses::RefusedPage,
};
use crate::service::Sharing;

/// The header that carries the token where there is no form.
const HEADER: &str = "x-csrf-token";
/// The most that a form or a JSON body may have, in bytes.
const LARGEST: usize = 256 * 1024;
pub(super) const FOREIGN: &str = "This did not come from a page of this console, or you have logged in anew since. Load the page again and repeat it.";

/// A form (with the token in a field `csrf`) or a JSON body (with the token in the header `X-CSRF-Token`), and who sent it. `T`
/// must not deny unknown fields: `csrf` is one of them.
pub(crate) struct Posted<T> {
    /// Who.
    pub person: Person,
    /// What.
    pub form: T,
}

impl<T: DeserializeOwned> FromRequest<Server> for Posted<T> {
    type Rejection = Response<Body>;

    async fn from_request(request: Request, server: &Server) -> Result<Self, Self::Rejection> {
        let (mut parts, body) = request.into_parts();
        let person = Person::from_request_parts(&mut parts, server).await?;
        let Ok(bytes) = axum::body::to_bytes(body, LARGEST).await else {
            return Err(refuse(&parts, StatusCode::PAYLOAD_TOO_LARGE, "What was sent is too large."));
        };
        let json = parts
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.split(';').next().is_some_and(|media| media.trim() == "application/json"));
        let in_form = || {
            let field = url::form_urlencoded::parse(&bytes).find(|(name, _)| name == "csrf");
            field.map(|(_, token)| token.into_owned())
        };
        let in_header = parts.headers.get(HEADER).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let token = if json { in_header } else { in_header.or_else(in_form) };
        // A browser does not add a token for the API to another site's request by itself, as it does with a session's cookie.
        let intended = person.token.is_some() || token.is_some_and(|token| person.owns(&token));
        if !is_ours(&server.sharing, &parts.headers) || !intended {
            return Err(refuse(&parts, StatusCode::FORBIDDEN, FOREIGN));
        }
        // No body at all, as calls of the API may have that say everything in their path, is JSON's nothing.
        let nothing = bytes.is_empty() && !parts.headers.contains_key(header::CONTENT_TYPE);
        let form = if json || nothing {
            serde_json::from_slice(if nothing { b"null" } else { &bytes })
                .map_err(|error| refuse(&parts, StatusCode::BAD_REQUEST, &error.to_string()))?
        } else {
            let again = Request::from_parts(parts.clone(), Body::from(bytes));
            let form = axum::Form::<T>::from_request(again, server).await;
            form.map_err(|rejection| refuse(&parts, StatusCode::BAD_REQUEST, &rejection.body_text()))?.0
        };
        Ok(Posted { person, form })
    }
}

impl Person {
    /// Whether that is the token of this person's session.
    fn owns(&self, token: &str) -> bool {
        !self.csrf.is_empty() && bool::from(self.csrf.as_bytes().ct_eq(token.as_bytes()))
    }
}

/// Whether the browser does not say that another site is behind the request. What says nothing is no browser of this decade.
pub(crate) fn is_ours(sharing: &Sharing, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = text("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text("origin") else { return true };
    let public = url::Url::parse(&sharing.config().public_url).map(|url| url.origin().ascii_serialization());
    let host = text("host").unwrap_or_default();
    public.is_ok_and(|public| origin == public)
        || origin.split_once("://").is_some_and(|(_, origin)| origin.eq_ignore_ascii_case(host))
}

/// A refusal, in the words of whatever was asked.
pub(super) fn refuse(parts: &Parts, status: StatusCode, why: &str) -> Response<Body> {
    if super::is_api(parts) {
        return json_error(status, why);
    }
    html(status, &RefusedPage { why: why.to_owned() })
}
