//! Login by an OpenID Connect provider: authorization code with PKCE, state and nonce.
//!
//! State, nonce and verifier travel in a cookie, so that any instance can finish a login that
//! another instance began. The signature of the ID token is checked against the keys that the
//! provider publishes, although the token comes over TLS: a proxy in between cannot forge one.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use askama::Template;
use axum::{
    Extension, Router,
    body::Body,
    extract::{Query, State as Shared, rejection::QueryRejection},
    http::{HeaderMap, Response, StatusCode, header},
    routing::get,
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use cookie::SameSite;
use jsonwebtoken::{DecodingKey, Validation, jwk::JwkSet};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{
    responses::{self, Next, RefusedPage, redirect},
    session, signatures,
};
use crate::config::access::Provider as Config;
use crate::{
    http::{
        Server,
        respond::{MessagePage, counted, failed, html},
    },
    key,
    service::{Sharing, SharingError},
};
use casework::Role;
use runtime::http::Peer;
use text_format::hex;

/// The cookie that holds the state of a login while the browser is at the provider.
const COOKIE: &str = "lockstep-login";
/// The time within which the provider has to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// The largest answer that is read, in bytes.
const LARGEST: u64 = 1024 * 1024;
/// How long the metadata of the provider is cached.
const HOLDS: Duration = Duration::from_secs(60 * 60);
/// The shortest time between two requests for the keys that a token with an unknown key causes.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// The largest difference between the clocks of the provider and of this service, in seconds.
const LEEWAY: u64 = 60;

const WITHOUT_COOKIE: &str =
    "This login was begun in another browser, too long ago, or was ended already. Begin again.";

/// A provider, with its cached metadata.
pub(super) struct Provider {
    config: Config,
    redirect: String,
    agent: ureq::Agent,
    metadata: Mutex<Option<Arc<Metadata>>>,
}

/// What the provider publishes about itself.
struct Metadata {
    fetched_at: Instant,
    endpoints: Endpoints,
    keys: JwkSet,
}

#[derive(Deserialize)]
struct Endpoints {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

#[derive(Debug, Default, Deserialize)]
struct Callback {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

/// A person, as the ID token names them.
struct Identity {
    name: String,
    roles: BTreeSet<Role>,
    sign_off_roles: Vec<String>,
}

/// A login that has begun and is not finished.
struct PendingLogin {
    state: String,
    nonce: String,
    verifier: String,
    next: String,
}

#[derive(Template)]
#[template(path = "arrived.html")]
struct ArrivedPage {
    next: String,
}

/// The routes of provider login.
pub(super) fn routes() -> Router<Server> {
    Router::new().route("/login/provider", get(start)).route("/login/return", get(finish))
}

impl Provider {
    pub fn new(config: &Config, public_url: &str) -> Option<Self> {
        if !config.is_on() {
            return None;
        }
        signatures::install();
        let found = rustls_native_certs::load_native_certs();
        let roots: Vec<_> = found.certs.iter().map(|der| ureq::tls::Certificate::from_der(der).to_owned()).collect();
        let tls = ureq::tls::TlsConfig::builder().root_certs(ureq::tls::RootCerts::new_with_certs(&roots)).build();
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(ANSWER))
            .max_redirects(0)
            .max_redirects_will_error(true)
            .tls_config(tls)
            .build()
            .into();
        let redirect = format!("{}/login/return", public_url.trim_end_matches('/'));
        Some(Self { config: config.clone(), redirect, agent, metadata: Mutex::new(None) })
    }

    /// What the login page calls it.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// The metadata of the provider. Fetches it if the cached metadata is older than
    /// `younger_than`. Blocks.
    fn metadata(&self, younger_than: Duration) -> Result<Arc<Metadata>, String> {
        if let Some(metadata) =
            lock(&self.metadata).as_ref().filter(|metadata| metadata.fetched_at.elapsed() < younger_than)
        {
            return Ok(Arc::clone(metadata));
        }
        let at = format!("{}/.well-known/openid-configuration", self.config.issuer.trim_end_matches('/'));
        let endpoints: Endpoints = self.get(&at)?;
        if endpoints.issuer != self.config.issuer {
            return Err(format!(
                "it calls itself {:?} and sharing.login.provider.issuer is {:?}: they have to be the same",
                endpoints.issuer, self.config.issuer
            ));
        }
        for url in [&endpoints.authorization_endpoint, &endpoints.token_endpoint, &endpoints.jwks_uri] {
            crate::config::access::safe_url(url).map_err(|why| format!("it names {url:?}, and {why}"))?;
        }
        // A provider may also publish keys of unknown kinds.
        let Keys { keys } = self.get(&endpoints.jwks_uri)?;
        let keys = keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect();
        let metadata = Arc::new(Metadata { fetched_at: Instant::now(), endpoints, keys: JwkSet { keys } });
        *lock(&self.metadata) = Some(Arc::clone(&metadata));
        Ok(metadata)
    }

    fn get<T: DeserializeOwned>(&self, url: &str) -> Result<T, String> {
        let answer = self.agent.get(url).header("accept", "application/json").call();
        read(answer).map_err(|why| format!("{url}: {why}"))
    }

    /// The URL at the provider at which a browser logs in.
    fn authorize(&self, pending: &PendingLogin) -> Result<String, String> {
        let metadata = self.metadata(HOLDS)?;
        let mut url = url::Url::parse(&metadata.endpoints.authorization_endpoint).map_err(|error| error.to_string())?;
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(pending.verifier.as_bytes()));
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.config.client_id)
            .append_pair("redirect_uri", &self.redirect)
            .append_pair("scope", &self.config.scopes)
            .append_pair("state", &pending.state)
            .append_pair("nonce", &pending.nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        Ok(url.into())
    }

    /// The person to whom the provider gave a code. `asked_for` are the roles whose sign-offs the
    /// rules need.
    fn person(&self, code: &str, pending: &PendingLogin, asked_for: &BTreeSet<&str>) -> Result<Identity, String> {
        let metadata = self.metadata(HOLDS)?;
        let token = self.redeem(&metadata.endpoints, code, pending)?;
        let claims = self.claims(&token, pending)?;
        let name = find(&claims, &self.config.name_claim).and_then(Value::as_str).unwrap_or_default();
        // Anybody can claim an address. Only a verified address identifies a person.
        if self.config.name_claim == "email" && claims.get("email_verified").is_some_and(|v| !is_true(v)) {
            return Err(format!("the address {name:?} is not verified with the provider"));
        }
        crate::service::users::check_name(name)
            .map_err(|error| format!("claim {:?} of the ID token: {error}", self.config.name_claim))?;
        let (roles, sign_off_roles) = self.roles(&claims, asked_for);
        Ok(Identity { name: name.to_owned(), roles, sign_off_roles })
    }

    fn redeem(&self, endpoints: &Endpoints, code: &str, pending: &PendingLogin) -> Result<String, String> {
        let Config { client_id, client_secret, .. } = &self.config;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect),
            ("code_verifier", &pending.verifier),
        ];
        let mut request = self.agent.post(&endpoints.token_endpoint).header("accept", "application/json");
        let supported = &endpoints.token_endpoint_auth_methods_supported;
        let in_form = !supported.is_empty()
            && !supported.iter().any(|way| way == "client_secret_basic")
            && supported.iter().any(|way| way == "client_secret_post");
        if client_secret.is_empty() {
            form.push(("client_id", client_id));
        } else if in_form {
            form.extend([("client_id", client_id.as_str()), ("client_secret", client_secret.as_str())]);
        } else {
            let part = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let pair = STANDARD.encode(format!("{}:{}", part(client_id), part(client_secret)));
            request = request.header("authorization", format!("Basic {pair}"));
        }
        let tokens: Tokens =
            read(request.send_form(form)).map_err(|why| format!("{}: {why}", endpoints.token_endpoint))?;
        Ok(tokens.id_token)
    }

    /// The claims of an ID token. Refuses a token that another provider signed, that is for another
    /// client or another login, or that has expired.
    fn claims(&self, token: &str, pending: &PendingLogin) -> Result<Value, String> {
        let bad = |error: jsonwebtoken::errors::Error| format!("the ID token cannot be trusted: {error}");
        let header = jsonwebtoken::decode_header(token).map_err(bad)?;
        if !signatures::ALGORITHMS.contains(&header.alg) {
            return Err(format!("the ID token is signed with {:?}, which is not taken", header.alg));
        }
        let kid = header.kid.as_deref();
        let candidates = |metadata: &Metadata| -> Vec<DecodingKey> {
            let named = metadata.keys.keys.iter().filter(|key| kid.is_none() || key.common.key_id.as_deref() == kid);
            named.filter_map(signatures::key).collect()
        };
        let mut keys = candidates(&*self.metadata(HOLDS)?);
        if keys.is_empty() {
            // Providers rotate their keys.
            keys = candidates(&*self.metadata(ASK_AGAIN)?);
        }
        let mut checks = Validation::new(header.alg);
        checks.set_audience(&[&self.config.client_id]);
        checks.set_issuer(&[&self.config.issuer]);
        checks.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        checks.leeway = LEEWAY;
        checks.validate_nbf = true;
        let mut claims = Err("the provider has no key that the ID token names".to_owned());
        for key in keys {
            claims = jsonwebtoken::decode::<Value>(token, &key, &checks).map(|data| data.claims).map_err(bad);
            if claims.is_ok() {
                break;
            }
        }
        let claims = claims?;
        let nonce = claims.get("nonce").and_then(Value::as_str).unwrap_or_default();
        if !bool::from(nonce.as_bytes().ct_eq(pending.nonce.as_bytes())) {
            return Err("the ID token is from another login".to_owned());
        }
        let several = claims.get("aud").and_then(Value::as_array).is_some_and(|all| all.len() > 1);
        let party = claims.get("azp").and_then(Value::as_str);
        if (several || party.is_some()) && party != Some(&self.config.client_id) {
            return Err("the ID token is for another client".to_owned());
        }
        Ok(claims)
    }

    fn roles(&self, claims: &Value, asked_for: &BTreeSet<&str>) -> (BTreeSet<Role>, Vec<String>) {
        let given = match find(claims, &self.config.roles_claim) {
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(one)) => one.split([' ', ',']).collect(),
            _ => Vec::new(),
        };
        let role = |given: &str| match self.config.roles.is_empty() {
            true => given.parse().ok(),
            false => self.config.roles.get(given).copied(),
        };
        let own = &self.config.sign_off_roles;
        let sign_off_role = |given: &&str| match own.is_empty() {
            true => Some((*given).to_owned()),
            false => own.get(*given).cloned(),
        };
        let sign_off_roles: BTreeSet<String> = given.iter().filter_map(sign_off_role).collect();
        let sign_off_roles = sign_off_roles.into_iter().filter(|role| asked_for.contains(role.as_str())).collect();
        (given.into_iter().filter_map(role).collect(), sign_off_roles)
    }
}

#[derive(Deserialize)]
struct Keys {
    keys: Vec<Value>,
}

fn read<T: DeserializeOwned>(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<T, String> {
    let mut answer = answer.map_err(|error| error.to_string())?;
    let bytes = answer.body_mut().with_config().limit(LARGEST).read_to_vec().map_err(|error| error.to_string())?;
    serde_json::from_slice(&bytes).map_err(|error| format!("the answer cannot be read: {error}"))
}

/// A claim, or a nested claim such as `realm_access.roles`. A claim with the full name takes
/// precedence.
fn find<'a>(claims: &'a Value, path: &str) -> Option<&'a Value> {
    claims.get(path).or_else(|| path.split('.').try_fold(claims, |value, part| value.get(part)))
}

fn is_true(value: &Value) -> bool {
    matches!(value, Value::Bool(true)) || value.as_str() == Some("true")
}

impl PendingLogin {
    fn new(next: &str) -> Self {
        let fresh = || hex(&key::random_bytes());
        Self { state: fresh(), nonce: fresh(), verifier: fresh(), next: responses::local(next).to_owned() }
    }

    fn write(&self) -> String {
        format!("{}.{}.{}.{}", self.state, self.nonce, self.verifier, URL_SAFE_NO_PAD.encode(&self.next))
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(str::to_owned);
        let (state, nonce, verifier) = (parts.next()?, parts.next()?, parts.next()?);
        let next = String::from_utf8(URL_SAFE_NO_PAD.decode(parts.next()?).ok()?).ok()?;
        [&state, &nonce, &verifier].iter().all(|part| part.len() == 64).then_some(())?;
        Some(Self { state, nonce, verifier, next: responses::local(&next).to_owned() })
    }
}

/// Redirects a browser to the provider.
async fn start(
    Shared(server): Shared<Server>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    next: Result<Query<Next>, QueryRejection>,
) -> Response<Body> {
    let began = Instant::now();
    let next = next.map(|Query(next)| next.next).unwrap_or_default();
    if server.access.provider.is_none() {
        return not_found(&server, began);
    }
    let Server { sharing, access } = server;
    let from = session::address(&sharing, &headers, peer);
    let response = if let Err(refused) = access.limits.login("", from) {
        responses::too_often(&sharing, refused)
    } else {
        let pending = PendingLogin::new(&next);
        let cookie = session::give_cookie(&sharing, COOKIE, &pending.write(), SameSite::Lax);
        let to = sharing
            .blocking(move |_| match &access.provider {
                Some(provider) => Ok(provider.authorize(&pending)),
                None => Ok(Err("no provider is configured".to_owned())),
            })
            .await;
        match to {
            Ok(Ok(to)) => {
                let mut response = redirect(&to);
                response.headers_mut().append(header::SET_COOKIE, cookie);
                response
            }
            Ok(Err(why)) => unavailable(&sharing, &why),
            Err(error) => failed(&sharing, &error),
        }
    };
    counted(&sharing, "console", "login", began, response)
}

/// Handles the redirect of the provider back to this service.
async fn finish(
    Shared(server): Shared<Server>,
    headers: HeaderMap,
    callback: Result<Query<Callback>, QueryRejection>,
) -> Response<Body> {
    let began = Instant::now();
    if server.access.provider.is_none() {
        return not_found(&server, began);
    }
    let callback = callback.map(|Query(callback)| callback).unwrap_or_default();
    let mut response = finished(&server, &headers, callback).await;
    let sharing = server.sharing;
    let gone = session::give_cookie(&sharing, COOKIE, "", SameSite::Lax);
    response.headers_mut().append(header::SET_COOKIE, gone);
    counted(&sharing, "console", "login", began, response)
}

async fn finished(server: &Server, headers: &HeaderMap, callback: Callback) -> Response<Body> {
    let sharing = &server.sharing;
    let refused = |status, why: &str| html(status, &RefusedPage { why: why.to_owned() });
    let outcome = |outcome: &str| sharing.inner.metrics.logins.with_label_values(&[outcome]).inc();
    let pending =
        session::cookie(headers, &session::cookie_name(sharing, COOKIE)).as_deref().and_then(PendingLogin::read);
    let Some(pending) = pending.filter(|pending| {
        callback.state.as_ref().is_some_and(|state| bool::from(state.as_bytes().ct_eq(pending.state.as_bytes())))
    }) else {
        outcome("wrong");
        return refused(StatusCode::BAD_REQUEST, WITHOUT_COOKIE);
    };
    if let Some(error) = callback.error {
        outcome("wrong");
        let why = format!("The provider did not log you in: {}.", text_format::shorten(&error, 80));
        return refused(StatusCode::FORBIDDEN, &why);
    }
    let next = pending.next.clone();
    let access = Arc::clone(&server.access);
    let found = sharing
        .blocking(move |inner| {
            let Some(provider) = &access.provider else { return Ok(Err("no provider is configured".to_owned())) };
            // The answer of another provider must not be sent to this one.
            if callback.iss.is_some_and(|issuer| issuer != provider.config.issuer) {
                return Ok(Err("the answer is from another provider".to_owned()));
            }
            Ok(provider.person(&callback.code.unwrap_or_default(), &pending, &inner.policy.rules.sign_off_roles()))
        })
        .await;
    let Identity { name, roles, sign_off_roles } = match found {
        Ok(Ok(found)) => found,
        Ok(Err(why)) => {
            outcome("wrong");
            return unavailable(sharing, &why);
        }
        Err(error) => return failed(sharing, &error),
    };
    if roles.is_empty() && sign_off_roles.is_empty() {
        outcome("no_role");
        tracing::warn!(name, "somebody without a role here was turned away");
        let why = "The provider knows you, and you have no role here: reviewer, approver or admin. Ask whoever runs this service.";
        return refused(StatusCode::FORBIDDEN, why);
    }
    let roles = roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(",");
    let cookie: Result<_, SharingError> = session::begin(sharing, headers, name, (roles, sign_off_roles), None).await;
    match cookie {
        Ok(cookie) => {
            outcome("ok");
            // No redirect: the browser came from another site, so it would not send a cookie with
            // SameSite=Strict.
            let mut response = html(StatusCode::OK, &ArrivedPage { next });
            response.headers_mut().append(header::SET_COOKIE, cookie);
            response
        }
        Err(error) => {
            outcome("failed");
            failed(sharing, &error)
        }
    }
}

/// The page for a service without a provider.
fn not_found(server: &Server, began: Instant) -> Response<Body> {
    let page = MessagePage {
        title: "There is no such page",
        text: "This service has no login by a provider. The page /login says how to log in.".into(),
    };
    counted(&server.sharing, "console", "login", began, html(StatusCode::NOT_FOUND, &page))
}

fn unavailable(sharing: &Sharing, why: &str) -> Response<Body> {
    sharing.inner.metrics.errors.with_label_values(&["provider"]).inc();
    tracing::warn!(why, "a login by the provider failed");
    let why = "The login by the provider failed. Begin again; if it fails again, the reason is in the service's log.";
    html(StatusCode::BAD_GATEWAY, &RefusedPage { why: why.to_owned() })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
