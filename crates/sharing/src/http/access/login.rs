//! Login and logout.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Instant,
};

use askama::Template;
use axum::{
    Extension, Form, Router,
    body::Body,
    extract::{
        DefaultBodyLimit, Query, State as Shared,
        rejection::{FormRejection, QueryRejection},
    },
    http::{HeaderMap, HeaderValue, Response, StatusCode, header},
    routing::{get, post},
};
use cookie::{Cookie, SameSite};
use jiff::Timestamp;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{Posted, csrf, limits::TooMany, provider};
use crate::{
    http::{
        Server,
        respond::{counted, failed, html, respond},
    },
    key,
    service::{Sharing, SharingError},
    store::SessionRow,
};
use casework::audit::Entry;
use runtime::http::Peer;
use text_format::hex;

/// A form of a name and a password is not larger.
const LARGEST: usize = 16 * 1024;
const TOO_OFTEN: &str = "Too many tries. Wait a few minutes before the next one.";
/// The same whatever was wrong: who there is, is nobody's business.
const WRONG: &str = "Incorrect name or password.";

/// Its routes.
pub(crate) fn routes() -> Router<Server> {
    Router::new()
        .route("/login", get(form).post(login))
        .merge(provider::routes())
        .route("/logout", post(logout))
        .layer(DefaultBodyLimit::max(LARGEST))
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    error: Option<&'static str>,
    name: String,
    next: String,
    /// Whether anybody has a password here.
    passwords: bool,
    /// What the provider is called, where there is one.
    provider: Option<String>,
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
pub(super) struct Next {
    #[serde(default)]
    pub next: String,
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

async fn form(Shared(server): Shared<Server>, next: Result<Query<Next>, QueryRejection>) -> Response<Body> {
    let began = Instant::now();
    let next = next.map(|Query(Next { next })| next).unwrap_or_default();
    let Server { sharing, access } = &server;
    let response = if access.is_empty() {
        html(StatusCode::FORBIDDEN, &SetupPage { users: sharing.config().login.users.clone() })
    } else {
        let (passwords, provider) = (!access.users.now().is_empty(), access.provider_name());
        html(StatusCode::OK, &LoginPage { error: None, name: String::new(), next, passwords, provider })
    };
    counted(sharing, "console", "login", began, response)
}

async fn login(
    Shared(server): Shared<Server>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    given: Result<Form<Given>, FormRejection>,
) -> Response<Body> {
    let began = Instant::now();
    let response = match given {
        Ok(Form(given)) => answer(&server, &headers, address(&server.sharing, &headers, peer), given).await,
        Err(rejection) => html(StatusCode::BAD_REQUEST, &RefusedPage { why: rejection.body_text() }),
    };
    counted(&server.sharing, "console", "login", began, response)
}

/// Whoever wants to go to the provider too often.
#[cfg_attr(not(feature = "openid"), expect(dead_code, reason = "only the way to a provider asks"))]
pub(super) fn too_often(sharing: &Sharing, refused: TooMany) -> Response<Body> {
    sharing.inner.metrics.logins.with_label_values(&["limited"]).inc();
    sharing.inner.metrics.limited.with_label_values(&[refused.whose]).inc();
    let mut response = html(StatusCode::TOO_MANY_REQUESTS, &RefusedPage { why: TOO_OFTEN.to_owned() });
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(refused.seconds()));
    response
}

/// Where a request comes from.
pub(super) fn address(sharing: &Sharing, headers: &HeaderMap, peer: Option<Extension<Peer>>) -> IpAddr {
    let behind_proxy = sharing.config().behind_proxy;
    peer.map_or(Ipv4Addr::UNSPECIFIED.into(), |Extension(peer)| peer.client(headers, behind_proxy))
}

async fn answer(server: &Server, headers: &HeaderMap, from: IpAddr, given: Given) -> Response<Body> {
    let Server { sharing, access } = server;
    if !csrf::is_ours(sharing, headers) {
        return html(
            StatusCode::FORBIDDEN,
            &RefusedPage { why: "This login did not come from this console.".to_owned() },
        );
    }
    let Given { name, password, next } = given;
    let page = |error, name, next| LoginPage {
        error: Some(error),
        name,
        next,
        passwords: true,
        provider: access.provider_name(),
    };
    let outcome = |outcome: &str| {
        sharing.inner.metrics.logins.with_label_values(&[outcome]).inc();
        tracing::info!(outcome, name = text_format::shorten(&name, 64), %from, "somebody tried to log in");
    };
    if let Err(refused) = access.limits.login(&name, from) {
        outcome("limited");
        sharing.inner.metrics.limited.with_label_values(&[refused.whose]).inc();
        let mut response = html(StatusCode::TOO_MANY_REQUESTS, &page(TOO_OFTEN, name, next));
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(refused.seconds()));
        return response;
    }
    let Ok(_turn) = access.hashing.acquire().await else {
        return failed(sharing, &SharingError::Config("no login is taken any more".to_owned()));
    };
    let checked = {
        let (name, access) = (name.clone(), Arc::clone(access));
        sharing
            .blocking(move |_| {
                let users = access.users.now();
                Ok(users.check(&name, &password).then(|| users.stamp(&name)).flatten())
            })
            .await
    };
    let begun = match checked {
        Ok(Some(stamp)) => begin(sharing, headers, name.clone(), (String::new(), Vec::new()), Some(stamp)).await,
        Ok(None) => {
            outcome("wrong");
            return html(StatusCode::UNAUTHORIZED, &page(WRONG, name, next));
        }
        Err(error) => Err(error),
    };
    match begun {
        Ok(cookie) => {
            outcome("ok");
            let mut response = redirect(local(&next));
            response.headers_mut().append(header::SET_COOKIE, cookie);
            response
        }
        Err(error) => {
            outcome("failed");
            failed(sharing, &error)
        }
    }
}

/// Begins a session with an id that nobody had before, and ends the one that the browser had; returns the cookie that carries it.
pub(super) async fn begin(
    sharing: &Sharing,
    headers: &HeaderMap,
    person: String,
    (roles, sign_off_roles): (String, Vec<String>),
    stamp: Option<String>,
) -> Result<HeaderValue, SharingError> {
    let id = hex(&key::random_bytes());
    let hash = Sha256::digest(id.as_bytes());
    let before = session_id(sharing, headers).map(|id| Sha256::digest(id.as_bytes()));
    let now = Timestamp::now();
    let row = SessionRow {
        person,
        roles,
        sign_off_roles,
        stamp,
        csrf: hex(&key::random_bytes()),
        began_at: now,
        seen_at: now,
    };
    sharing
        .blocking(move |inner| {
            if let Some(before) = before {
                inner.store.end_session(&before, entry(&row.person, "logged_out", "logged in anew"))?;
            }
            Ok(inner.store.add_session(&hash, &row, entry(&row.person, "logged_in", "logged in"))?)
        })
        .await?;
    Ok(set_cookie(sharing, &id))
}

async fn logout(Shared(sharing): Shared<Sharing>, headers: HeaderMap, posted: Posted<Nothing>) -> Response<Body> {
    let began = Instant::now();
    let Posted { person, form: Nothing {} } = posted;
    let ended = match session_id(&sharing, &headers) {
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
            response.headers_mut().append(header::SET_COOKIE, set_cookie(&sharing, ""));
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

/// The id in a request's cookie.
pub(super) fn session_id(sharing: &Sharing, headers: &HeaderMap) -> Option<String> {
    cookie(headers, &cookie_name(sharing, "lockstep"))
}

/// A cookie of a request.
pub(super) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| Cookie::split_parse(value.to_owned()))
        .filter_map(Result::ok)
        .find(|cookie| cookie.name() == name)
        .map(|cookie| cookie.value().to_owned())
}

/// With TLS a name that browsers take from this very host only, and never from plain HTTP.
pub(super) fn cookie_name(sharing: &Sharing, name: &str) -> String {
    if is_secure(sharing) { format!("__Host-{name}") } else { name.to_owned() }
}

/// Whether browsers come with TLS: ours, or the proxy's.
pub(super) fn is_secure(sharing: &Sharing) -> bool {
    sharing.config().tls.is_on() || sharing.config().behind_proxy
}

/// The header that gives a browser a cookie, or takes it away where the value is empty.
pub(super) fn give_cookie(sharing: &Sharing, name: &str, value: &str, same_site: SameSite) -> HeaderValue {
    let cookie = Cookie::build((cookie_name(sharing, name), value))
        .path("/")
        .http_only(true)
        .secure(is_secure(sharing))
        .same_site(same_site);
    let cookie = if value.is_empty() { cookie.max_age(cookie::time::Duration::ZERO) } else { cookie };
    HeaderValue::from_str(&cookie.build().to_string()).unwrap_or_else(|_| HeaderValue::from_static(""))
}

fn set_cookie(sharing: &Sharing, id: &str) -> HeaderValue {
    give_cookie(sharing, "lockstep", id, SameSite::Strict)
}

/// Where to go after login: a path of this console and nothing else.
pub(super) fn local(next: &str) -> &str {
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
