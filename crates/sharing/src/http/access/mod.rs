//! Who may do what: people at the console, partners at their feed.
//!
//! A handler says what it needs by what it takes: [`Person`] for whoever is logged in, [`Posted`] for whoever sends a form that
//! this console made. [`Person::may`] says whether the person may do it.

mod check_files;
mod csrf;
#[cfg(test)]
pub(crate) mod fixtures;
mod limits;
mod login;
mod partner;
#[cfg(feature = "openid")]
mod provider;
#[cfg(not(feature = "openid"))]
#[path = "without_openid.rs"]
mod provider;
mod responses;
mod session;
#[cfg(feature = "openid")]
mod signatures;
#[cfg(test)]
mod tests;
mod token;

use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock},
};

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, FromRequestParts, OptionalFromRequestParts, Request, State as Shared},
    http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, request::Parts},
    middleware::Next,
};
use casework::{Act, Holding, Reviewers, Role, Task};
use jiff::{SignedDuration, Timestamp};
use runtime::http::Certificates;
use sha2::{Digest, Sha256};

pub(crate) use csrf::Posted;
pub(crate) use partner::{Denied, credentials};
pub(crate) use responses::redirect;

use responses::SetupPage;

use super::{
    Server,
    respond::{failed, html, json_error, json_failed},
};
use crate::{
    service::{Inner, SharingError, users},
    store::SessionRow,
    token::Scope,
};

/// The largest body of a login form, in bytes.
const LARGEST_FORM: usize = 16 * 1024;

/// How stale the time of the last request may be: not every request should write.
const SEEN_EVERY: SignedDuration = SignedDuration::from_secs(60);

/// Somebody who may look. With `reviewers = "demo"` on loopback everybody may, without a role and so without doing anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    /// As in the audit log; empty for a visitor of the demo.
    pub name: String,
    /// What the person may do.
    pub roles: BTreeSet<Role>,
    /// In which roles the person may sign off.
    pub sign_off_roles: BTreeSet<String>,
    /// Goes into every form, as the hidden field `csrf`.
    pub csrf: String,
    /// What the request may do if a token made it instead of a session. `roles` are the owner's then, and a service has none.
    pub token: Option<BTreeSet<Scope>>,
}

impl Person {
    /// Whether the person has the role, and logged in: a token alone never has a role.
    pub fn may(&self, role: Role) -> bool {
        self.token.is_none() && self.roles.contains(&role)
    }

    /// Whether the person holds that, and logged in.
    pub fn holds(&self, what: Holding<'_>) -> bool {
        match what {
            Holding::Role(role) => self.may(role),
            Holding::SignOffRole(role) => self.token.is_none() && self.sign_off_roles.contains(role),
        }
    }

    /// Whether the person has a role that may do it, or a token for it.
    pub fn can(&self, task: Task) -> bool {
        match &self.token {
            None => task.roles().iter().any(|role| self.roles.contains(role)),
            Some(scopes) => task == Task::ManageDeliveries && scopes.contains(&Scope::Deliveries),
        }
    }

    /// Whether the person may take that step. With a token: only record a handover.
    pub fn may_take(&self, act: &Act) -> bool {
        match (&self.token, act.needs()) {
            (None, needed) => self.holds(needed),
            (Some(scopes), Holding::Role(role)) => {
                let handover = matches!(act, Act::RecordHandover(_)) && scopes.contains(&Scope::Handovers);
                handover && self.roles.contains(&role)
            }
            (Some(_), Holding::SignOffRole(_)) => false,
        }
    }

    fn visitor() -> Person {
        Person {
            name: String::new(),
            roles: BTreeSet::new(),
            sign_off_roles: BTreeSet::new(),
            csrf: String::new(),
            token: None,
        }
    }
}

impl FromRequestParts<Server> for Person {
    type Rejection = Response<Body>;

    async fn from_request_parts(parts: &mut Parts, server: &Server) -> Result<Self, Self::Rejection> {
        let found = <Person as OptionalFromRequestParts<Server>>::from_request_parts(parts, server).await?;
        found.ok_or_else(|| login_first(parts, server))
    }
}

impl OptionalFromRequestParts<Server> for Person {
    type Rejection = Response<Body>;

    async fn from_request_parts(parts: &mut Parts, server: &Server) -> Result<Option<Self>, Self::Rejection> {
        if let Some(person) = parts.extensions.get::<Person>() {
            return Ok(Some(person.clone()));
        }
        if is_api(parts) && parts.headers.contains_key(header::AUTHORIZATION) {
            return token::owner(parts, server).await.map(Some);
        }
        who(parts, server).await.map_err(|error| match is_api(parts) {
            true => json_failed(&server.sharing, &error),
            false => failed(&server.sharing, &error),
        })
    }
}

/// The routes of login and logout.
pub(crate) fn routes() -> Router<Server> {
    login::routes().merge(provider::routes()).layer(DefaultBodyLimit::max(LARGEST_FORM))
}

/// Stands before every page and every call of the API, so that no handler can forget to ask: lets pass who is logged in, and
/// nothing that another site sent. Styles and the like are for everybody.
pub(crate) async fn gate(Shared(server): Shared<Server>, request: Request, next: Next) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    if parts.uri.path().starts_with("/assets/") {
        return next.run(Request::from_parts(parts, body)).await;
    }
    if !parts.method.is_safe() && !csrf::is_ours(&server.sharing, &parts.headers) {
        return csrf::refuse(&parts, StatusCode::FORBIDDEN, csrf::FOREIGN);
    }
    match <Person as FromRequestParts<Server>>::from_request_parts(&mut parts, &server).await {
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
    certificates: OnceLock<Arc<Certificates>>,
    provider: Option<provider::Provider>,
}

impl Access {
    pub fn new(config: &crate::config::Config) -> Self {
        Self {
            users: users::UsersFile::new(&config.login.users),
            hashing: tokio::sync::Semaphore::new(2),
            limits: limits::Limits::new(&config.limits),
            certificates: OnceLock::new(),
            provider: provider::Provider::new(&config.login.provider, &config.public_url),
        }
    }

    /// Reads what serving needs; says which file is not in order. Blocks.
    pub fn prepare(&self, config: &crate::config::Config) -> Result<(), SharingError> {
        self.users.check()?;
        if let Some(files) = config.tls.files() {
            let certificates = Arc::new(Certificates::open(files).map_err(SharingError::Config)?);
            self.certificates.get_or_init(|| certificates);
        }
        Ok(())
    }

    /// The certificates of the listener, where it has TLS and is ready.
    pub fn certificates(&self) -> Option<Arc<Certificates>> {
        self.certificates.get().cloned()
    }
}

async fn who(parts: &Parts, server: &Server) -> Result<Option<Person>, SharingError> {
    let Server { sharing, access } = server;
    if let Some(id) = session::session_id(sharing, &parts.headers) {
        let (hash, access) = (Sha256::digest(id.as_bytes()), Arc::clone(access));
        let person = sharing.blocking(move |inner| access.person(inner, &hash, Timestamp::now())).await?;
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

impl Access {
    /// Forgets sessions and limits that have ended, and brings the metrics of keys and certificates up to date.
    pub fn maintain(&self, inner: &Inner, now: Timestamp) -> Result<(), SharingError> {
        self.limits.forget();
        let login = &inner.config.login;
        let ago = |minutes: u32| now - SignedDuration::from_mins(minutes.into());
        inner.store.forget_sessions(ago(login.longest_h * 60), ago(login.idle_min))?;
        inner.write_used()?;
        inner.show_keys(now);
        let expires = self.certificates.get().map_or(0, |certificates| certificates.expires());
        inner.metrics.certificate_expires.set(expires);
        Ok(())
    }

    /// Whose session that is, if it is one.
    fn person(&self, inner: &Inner, hash: &[u8], now: Timestamp) -> Result<Option<Person>, SharingError> {
        let Some(session) = inner.store.session(hash)? else { return Ok(None) };
        let login = &inner.config.login;
        let too_old = now.duration_since(session.began_at) > SignedDuration::from_hours(login.longest_h.into());
        let idle = now.duration_since(session.seen_at) > SignedDuration::from_mins(login.idle_min.into());
        if too_old || idle {
            return Ok(None);
        }
        let Some((roles, sign_off_roles)) = self.roles(&session) else { return Ok(None) };
        if now.duration_since(session.seen_at) > SEEN_EVERY {
            inner.store.touch_session(hash, now)?;
        }
        Ok(Some(Person { name: session.person, roles, sign_off_roles, csrf: session.csrf, token: None }))
    }

    /// Whether nobody can log in at all.
    fn is_empty(&self) -> bool {
        self.users.now().is_empty() && self.provider_name().is_none()
    }

    /// Who holds a sign-off role, as far as the file of users says; and the provider, which may know others.
    pub fn holders(&self, role: &str) -> (Vec<String>, Option<String>) {
        (self.users.now().holders(role), self.provider_name())
    }

    fn provider_name(&self) -> Option<String> {
        self.provider.as_ref().map(|provider| provider.name().to_owned())
    }

    /// What the person of a session may do now; `None` where the session ended because the person was removed or has another
    /// password.
    fn roles(&self, session: &SessionRow) -> Option<(BTreeSet<Role>, BTreeSet<String>)> {
        let Some(stamp) = &session.stamp else {
            let roles = || session.roles.split(',').filter_map(|role| role.parse().ok()).collect();
            let given = || (roles(), session.sign_off_roles.iter().cloned().collect());
            return self.provider.is_some().then(given);
        };
        let users = self.users.now();
        let unchanged = Some(stamp) == users.stamp(&session.person).as_ref();
        let (roles, sign_off_roles) = users.roles(&session.person).filter(|_| unchanged)?;
        Some((roles.clone(), sign_off_roles.clone()))
    }
}

/// What whoever is not logged in gets.
fn login_first(parts: &Parts, server: &Server) -> Response<Body> {
    if is_api(parts) {
        let mut response = json_error(StatusCode::UNAUTHORIZED, "log in at /login first, or send a token");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(token::CHALLENGE));
        return response;
    }
    if server.access.is_empty() {
        return html(StatusCode::FORBIDDEN, &SetupPage { users: server.sharing.config().login.users.clone() });
    }
    let mut to = "/login".to_owned();
    if parts.method == Method::GET
        && let Some(path) = parts.uri.path_and_query().map(|path| path.as_str()).filter(|path| *path != "/")
    {
        to.push_str("?next=");
        to.extend(url::form_urlencoded::byte_serialize(path.as_bytes()));
    }
    redirect(&to)
}

fn is_api(parts: &Parts) -> bool {
    parts.uri.path().starts_with("/api/")
}

/// Tells browsers to come with TLS only.
pub(crate) async fn only_tls(request: Request, next: Next) -> Response<Body> {
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    response
}
