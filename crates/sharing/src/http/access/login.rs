//! Login and logout.

use std::{net::IpAddr, sync::Arc, time::Instant};

use askama::Template;
use axum::{
    Extension, Form, Router,
    body::Body,
    extract::{
        Query, State as Shared,
        rejection::{FormRejection, QueryRejection},
    },
    http::{HeaderMap, HeaderValue, Response, StatusCode, header},
    routing::{get, post},
};
use runtime::http::Peer;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{
    Posted, csrf,
    responses::{Next, RefusedPage, SetupPage, TOO_OFTEN, local, redirect},
    session::{address, begin, entry, session_id, set_cookie},
};
use crate::{
    http::{
        Server,
        respond::{counted, failed, html},
    },
    service::{Sharing, SharingError},
};

/// Shown for an unknown name and for a wrong password: the message does not reveal which names exist.
const WRONG: &str = "Incorrect name or password.";

/// The routes of password login and logout.
pub(super) fn routes() -> Router<Server> {
    Router::new().route("/login", get(form).post(login)).route("/logout", post(logout))
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

#[derive(Deserialize)]
struct LoginForm {
    name: String,
    password: String,
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
struct EmptyForm {}

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
    given: Result<Form<LoginForm>, FormRejection>,
) -> Response<Body> {
    let began = Instant::now();
    let response = match given {
        Ok(Form(given)) => answer(&server, &headers, address(&server.sharing, &headers, peer), given).await,
        Err(rejection) => html(StatusCode::BAD_REQUEST, &RefusedPage { why: rejection.body_text() }),
    };
    counted(&server.sharing, "console", "login", began, response)
}

async fn answer(server: &Server, headers: &HeaderMap, from: IpAddr, given: LoginForm) -> Response<Body> {
    let Server { sharing, access } = server;
    if !csrf::is_ours(sharing, headers) {
        return html(
            StatusCode::FORBIDDEN,
            &RefusedPage { why: "This login did not come from this console.".to_owned() },
        );
    }
    let LoginForm { name, password, next } = given;
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

async fn logout(Shared(sharing): Shared<Sharing>, headers: HeaderMap, posted: Posted<EmptyForm>) -> Response<Body> {
    let began = Instant::now();
    let Posted { person, form: EmptyForm {} } = posted;
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
