//! Who may do what: people at the console, partners at their feed.
//!
//! A handler says what it needs by what it takes: [`Person`] for whoever is logged in, [`Posted`] for whoever sends a form that
//! this console made. [`Person::may`] says whether the person may do it.

mod config;
mod csrf;
#[cfg(test)]
pub(crate) mod fixtures;
mod limits;
pub(crate) mod listener;
mod login;
mod partner;
mod provider;
mod signatures;
#[cfg(test)]
mod tests;
mod users;

use std::{collections::BTreeSet, fmt, str::FromStr, sync::OnceLock, time::Duration};

use axum::{
    body::Body,
    extract::{FromRequestParts, OptionalFromRequestParts, Request, State as Shared},
    http::{HeaderMap, Method, Response, StatusCode, header, request::Parts},
    middleware::Next,
};
use jiff::{SignedDuration, Timestamp};
use runtime::shutdown::Shutdown;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

pub use config::{Limits, Login, Provider, Tls};
pub(crate) use config::{check, check_files};
pub(crate) use csrf::Posted;
pub(crate) use listener::Peer;
pub(crate) use login::{redirect, routes};
pub(crate) use partner::{Denied, credentials};
pub use users::{SHORTEST_PASSWORD, Users, UsersError};

use crate::{
    config::Reviewers,
    keys,
    service::{Inner, Sharing, SharingError},
    store::SessionRow,
    web::{failed, html, json_error, json_failed},
};

/// How stale the time of the last request may be: not every request should write.
const SEEN_EVERY: SignedDuration = SignedDuration::from_secs(60);

/// What a person may do. No role has another in it: who decides is not who lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Records facts, begins review, approves, dismisses and returns cases.
    Reviewer,
    /// Releases, updates and retracts. Two different people are needed all the same.
    Approver,
    /// Manages partners, users and deliveries.
    Admin,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 3] = [Role::Reviewer, Role::Approver, Role::Admin];

    /// In configuration, in the store and on pages.
    pub fn name(self) -> &'static str {
        match self {
            Role::Reviewer => "reviewer",
            Role::Approver => "approver",
            Role::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Role, String> {
        Role::ALL
            .into_iter()
            .find(|role| role.name() == text)
            .ok_or_else(|| "roles are reviewer, approver and admin".to_owned())
    }
}

/// Somebody who may look. With `reviewers = "demo"` on loopback everybody may, without a role and so without doing anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    /// As in the audit log; empty for a visitor of the demo.
    pub name: String,
    /// What the person may do.
    pub roles: BTreeSet<Role>,
    /// Goes into every form, as the hidden field `csrf`.
    pub csrf: String,
}

impl Person {
    /// Whether the person has the role.
    pub fn may(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    fn visitor() -> Person {
        Person { name: String::new(), roles: BTreeSet::new(), csrf: String::new() }
    }
}

impl FromRequestParts<Sharing> for Person {
    type Rejection = Response<Body>;

    async fn from_request_parts(parts: &mut Parts, sharing: &Sharing) -> Result<Self, Self::Rejection> {
        let found = <Person as OptionalFromRequestParts<Sharing>>::from_request_parts(parts, sharing).await?;
        found.ok_or_else(|| login_first(parts, sharing))
    }
}

impl OptionalFromRequestParts<Sharing> for Person {
    type Rejection = Response<Body>;

    async fn from_request_parts(parts: &mut Parts, sharing: &Sharing) -> Result<Option<Self>, Self::Rejection> {
        if let Some(person) = parts.extensions.get::<Person>() {
            return Ok(Some(person.clone()));
        }
        who(parts, sharing).await.map_err(|error| match is_api(parts) {
            true => json_failed(sharing, &error),
            false => failed(sharing, &error),
        })
    }
}

/// Stands before every page and every call of the API, so that no handler can forget to ask: lets pass who is logged in, and
/// nothing that another site sent. Styles and the like are for everybody.
pub(crate) async fn gate(Shared(sharing): Shared<Sharing>, request: Request, next: Next) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    if parts.uri.path().starts_with("/assets/") {
        return next.run(Request::from_parts(parts, body)).await;
    }
    if !parts.method.is_safe() && !csrf::is_ours(&sharing, &parts.headers) {
        return csrf::refuse(&parts, StatusCode::FORBIDDEN, csrf::FOREIGN);
    }
    match <Person as FromRequestParts<Sharing>>::from_request_parts(&mut parts, &sharing).await {
        Ok(person) => {
            parts.extensions.insert(person);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(response) => response,
    }
}

/// What access needs beside the store.
pub(crate) struct Access {
    users: users::UsersFile,
    /// Few at a time: each costs 19 MiB.
    hashing: tokio::sync::Semaphore,
    limits: limits::Limits,
    /// Read when the service begins to listen: whoever only manages partners may not even see the key.
    certificates: OnceLock<listener::Certificates>,
    provider: Option<provider::Provider>,
    /// Keys of partners used lately.
    pub used: keys::Used,
}

impl Access {
    pub fn new(config: &crate::Config) -> Self {
        Self {
            users: users::UsersFile::new(&config.login.users),
            hashing: tokio::sync::Semaphore::new(2),
            limits: limits::Limits::new(&config.limits),
            certificates: OnceLock::new(),
            provider: provider::Provider::new(&config.login.provider, &config.public_url),
            used: keys::Used::default(),
        }
    }

    /// Reads what serving needs; says which file is not in order. Blocks.
    pub fn prepare(&self, config: &crate::Config) -> Result<(), SharingError> {
        self.users.check()?;
        if let Some(certificates) = listener::Certificates::open(&config.tls).map_err(SharingError::Config)? {
            self.certificates.get_or_init(|| certificates);
        }
        Ok(())
    }
}

/// Serves until `shutdown`, within the limits of the configuration, and keeps house meanwhile.
pub(crate) async fn serve(sharing: Sharing, listener: TcpListener, shutdown: Shutdown) {
    let config = sharing.config();
    let limits = &config.limits;
    let time = Duration::from_secs(limits.request_s.into());
    let mut router = runtime::http::bounded(sharing.router(), limits.requests as usize, time);
    if config.tls.is_on() || config.behind_proxy {
        router = router.layer(axum::middleware::from_fn(listener::only_tls));
    }
    let keeping = tokio::spawn(keep_house(sharing.clone(), shutdown.clone()));
    let router = crate::web::outermost(router);
    listener::serve(sharing, router, listener, shutdown).await;
    drop(keeping.await);
}

/// Once a minute, and at the end.
async fn keep_house(sharing: Sharing, shutdown: Shutdown) {
    while !shutdown.is_stopping() {
        let kept = sharing.blocking(|inner| inner.keep_house(Timestamp::now())).await;
        if let Err(error) = kept {
            sharing.inner.metrics.errors.with_label_values(&["store"]).inc();
            tracing::warn!(%error, "cannot keep house, trying again in a minute");
        }
        tokio::select! {
            () = shutdown.stopping() => {}
            () = tokio::time::sleep(Duration::from_secs(60)) => {}
        }
    }
    drop(sharing.blocking(|inner| Ok(inner.write_used()?)).await);
}

async fn who(parts: &Parts, sharing: &Sharing) -> Result<Option<Person>, SharingError> {
    if let Some(id) = login::session_id(sharing, &parts.headers) {
        let hash = Sha256::digest(id.as_bytes());
        let person = sharing.blocking(move |inner| inner.person(&hash, Timestamp::now())).await?;
        if person.is_some() {
            return Ok(person);
        }
    }
    let config = sharing.config();
    let open =
        config.reviewers == Reviewers::Demo && config.listen.ip().is_loopback() && is_for_loopback(&parts.headers);
    Ok(open.then(Person::visitor))
}

/// Whether the request was meant for this machine: a page elsewhere whose name was made to lead here has that name as its host.
fn is_for_loopback(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let Ok(url) = url::Url::parse(&format!("http://{host}")) else { return false };
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

impl Inner {
    fn keep_house(&self, now: Timestamp) -> Result<(), SharingError> {
        self.access.limits.forget();
        let login = &self.config.login;
        let ago = |minutes: u32| now - SignedDuration::from_mins(minutes.into());
        self.store.forget_sessions(ago(login.longest_h * 60), ago(login.idle_min))?;
        self.write_used()?;
        self.show_keys(now);
        let expires = self.access.certificates.get().map_or(0, listener::Certificates::expires);
        self.metrics.certificate_expires.set(expires);
        Ok(())
    }

    /// Whose session that is, if it is one.
    fn person(&self, hash: &[u8], now: Timestamp) -> Result<Option<Person>, SharingError> {
        let Some(session) = self.store.session(hash)? else { return Ok(None) };
        let login = &self.config.login;
        let too_old = now.duration_since(session.began_at) > SignedDuration::from_hours(login.longest_h.into());
        let idle = now.duration_since(session.seen_at) > SignedDuration::from_mins(login.idle_min.into());
        if too_old || idle {
            return Ok(None);
        }
        let Some(roles) = self.access.roles(&session) else { return Ok(None) };
        if now.duration_since(session.seen_at) > SEEN_EVERY {
            self.store.touch_session(hash, now)?;
        }
        Ok(Some(Person { name: session.person, roles, csrf: session.csrf }))
    }
}

impl Access {
    /// Whether nobody can log in at all.
    fn is_empty(&self) -> bool {
        self.users.now().is_empty() && self.provider_name().is_none()
    }

    fn provider_name(&self) -> Option<String> {
        self.provider.as_ref().map(|provider| provider.config.name.clone())
    }

    /// What the person of a session may do now; `None` where the session ended because the person was removed or has another
    /// password.
    fn roles(&self, session: &SessionRow) -> Option<BTreeSet<Role>> {
        let Some(stamp) = &session.stamp else {
            let given = || session.roles.split(',').filter_map(|role| role.parse().ok()).collect();
            return self.provider.is_some().then(given);
        };
        let users = self.users.now();
        (Some(stamp) == users.stamp(&session.person).as_ref()).then(|| users.roles(&session.person).cloned()).flatten()
    }
}

/// What whoever is not logged in gets.
fn login_first(parts: &Parts, sharing: &Sharing) -> Response<Body> {
    if is_api(parts) {
        return json_error(StatusCode::UNAUTHORIZED, "log in at /login first");
    }
    if sharing.inner.access.is_empty() {
        return html(StatusCode::FORBIDDEN, &login::SetupPage { users: sharing.config().login.users.clone() });
    }
    let mut to = "/login".to_owned();
    if parts.method == Method::GET
        && let Some(path) = parts.uri.path_and_query().map(|path| path.as_str()).filter(|path| *path != "/")
    {
        to.push_str("?next=");
        to.extend(url::form_urlencoded::byte_serialize(path.as_bytes()));
    }
    login::redirect(&to)
}

fn is_api(parts: &Parts) -> bool {
    parts.uri.path().starts_with("/api/")
}
