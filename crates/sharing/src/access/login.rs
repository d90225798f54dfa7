//! Login and logout.

use std::time::Instant;

use askama::Template;
use axum::{
    Form, Router,
    body::Body,
    extract::{Query, State as Shared, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue, Response, StatusCode, header},
    routing::{get, post},
};
use cookie::{Cookie, SameSite};
use jiff::Timestamp;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{Posted, csrf};
use crate::{
    audit::{Entry, hex},
    keys,
    service::{Sharing, SharingError},
    store::SessionRow,
    web::{counted, failed, html, respond},
};

pub(super) const COOKIE: &str = "lockstep";
/// The same whatever was wrong: who there is, is nobody's business.
const WRONG: &str = "That name and password do not belong together. Check both and try again.";

/// Its routes.
pub(crate) fn routes() -> Router<Sharing> {
    Router::new().route("/login", get(form).post(login)).route("/logout", post(logout))
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    error: Option<&'static str>,
    name: String,
    next: String,
}

#[derive(Template)]
#[template(path = "setup.html")]
pub(super) struct SetupPage {
    pub users: String,
}

#[derive(Template)]
#[template(path = "refused.html")]
pub(crate) struct RefusedPage {
    pub why: String,
}

#[derive(Debug, Default, Deserialize)]
struct Next {
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
struct Given {
    name: String,
    password: String,
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
struct Nothing {}

async fn form(Shared(sharing): Shared<Sharing>, next: Result<Query<Next>, QueryRejection>) -> Response<Body> {
    let began = Instant::now();
    let next = next.map(|Query(Next { next })| next).unwrap_or_default();
    let response = html(StatusCode::OK, &LoginPage { error: None, name: String::new(), next });
    counted(&sharing, "console", "login", began, response)
}

async fn login(Shared(sharing): Shared<Sharing>, headers: HeaderMap, Form(given): Form<Given>) -> Response<Body> {
    let began = Instant::now();
    let response = answer(&sharing, &headers, given).await;
    counted(&sharing, "console", "login", began, response)
}

async fn answer(sharing: &Sharing, headers: &HeaderMap, given: Given) -> Response<Body> {
    if !csrf::is_ours(sharing, headers) {
        return html(
            StatusCode::FORBIDDEN,
            &RefusedPage { why: "This login did not come from this console.".to_owned() },
        );
    }
    let Given { name, password, next } = given;
    let Ok(_turn) = sharing.inner.access.hashing.acquire().await else {
        return failed(sharing, &SharingError::Config("no login is taken any more".to_owned()));
    };
    let checked = {
        let name = name.clone();
        sharing
            .blocking(move |inner| {
                let users = inner.access.users.now();
                Ok(users.check(&name, &password).then(|| users.stamp(&name)).flatten())
            })
            .await
    };
    let stamp = match checked {
        Ok(Some(stamp)) => stamp,
        Ok(None) => {
            return html(StatusCode::UNAUTHORIZED, &LoginPage { error: Some(WRONG), name, next });
        }
        Err(error) => return failed(sharing, &error),
    };
    match begin(sharing, name, String::new(), Some(stamp)).await {
        Ok(cookie) => {
            let mut response = redirect(local(&next));
            response.headers_mut().append(header::SET_COOKIE, cookie);
            response
        }
        Err(error) => failed(sharing, &error),
    }
}

/// Begins a session with an id that nobody had before; returns the cookie that carries it.
pub(super) async fn begin(
    sharing: &Sharing,
    person: String,
    roles: String,
    stamp: Option<String>,
) -> Result<HeaderValue, SharingError> {
    let id = hex(&keys::random_bytes());
    let hash = Sha256::digest(id.as_bytes());
    let now = Timestamp::now();
    let row = SessionRow { person, roles, stamp, csrf: hex(&keys::random_bytes()), began_at: now, seen_at: now };
    sharing
        .blocking(move |inner| {
            Ok(inner.store.add_session(&hash, &row, entry(&row.person, "logged_in", "logged in"))?)
        })
        .await?;
    Ok(set_cookie(&id))
}

async fn logout(Shared(sharing): Shared<Sharing>, headers: HeaderMap, posted: Posted<Nothing>) -> Response<Body> {
    let began = Instant::now();
    let Posted { person, form: Nothing {} } = posted;
    let ended = match super::session_id(&headers) {
        Some(id) => {
            let hash = Sha256::digest(id.as_bytes());
            let entry = entry(&person.name, "logged_out", "logged out");
            sharing.blocking(move |inner| Ok(inner.store.end_session(&hash, entry)?)).await
        }
        None => Ok(()),
    };
    let response = match ended {
        Ok(()) => {
            let mut response = redirect("/login");
            response.headers_mut().append(header::SET_COOKIE, set_cookie(""));
            response
        }
        Err(error) => failed(&sharing, &error),
    };
    counted(&sharing, "console", "logout", began, response)
}

fn entry(person: &str, action: &str, text: &str) -> Entry {
    Entry {
        at: Timestamp::now(),
        actor: person.to_owned(),
        subject: format!("user {person}"),
        action: action.to_owned(),
        text: text.to_owned(),
    }
}

fn set_cookie(id: &str) -> HeaderValue {
    let mut cookie = Cookie::build((COOKIE, id)).path("/").http_only(true).same_site(SameSite::Strict);
    if id.is_empty() {
        cookie = cookie.max_age(cookie::time::Duration::ZERO);
    }
    HeaderValue::from_str(&cookie.build().to_string()).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Where to go after login: a path of this console and nothing else.
fn local(next: &str) -> &str {
    let plain = next.starts_with('/')
        && !next.starts_with("//")
        && next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\' && b != b'"');
    if plain { next } else { "/" }
}

pub(crate) fn redirect(to: &str) -> Response<Body> {
    let mut response = respond(StatusCode::SEE_OTHER, "text/plain; charset=utf-8", String::new());
    if let Ok(to) = HeaderValue::from_str(to) {
        response.headers_mut().insert(header::LOCATION, to);
    }
    response
}
