//! Login by an OpenID Connect provider: authorization code with PKCE, state and nonce.
//!
//! What has to come back with the browser travels in a cookie of its own, so that any instance can take the end of a login that
//! another began. The ID token's signature is checked against the provider's published keys although it came from the provider
//! itself over TLS: a proxy in between gains nothing.

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
    login::{self, RefusedPage},
    signatures,
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

/// The cookie that a login carries to the provider and back.
const COOKIE: &str = "lockstep-login";
/// How long the provider may take to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// The most that an answer may have.
const LARGEST: u64 = 1024 * 1024;
/// How long what the provider says of itself holds.
const HOLDS: Duration = Duration::from_secs(60 * 60);
/// How often its keys are asked for at most because a token names one that is not known.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// The provider's clock may differ from ours by so many seconds.
const LEEWAY: u64 = 60;

const WITHOUT_COOKIE: &str =
    "This login was begun in another browser, too long ago, or was ended already. Begin again.";

/// A provider, and what it says of itself.
pub(super) struct Provider {
    config: Config,
    redirect: String,
    agent: ureq::Agent,
    said: Mutex<Option<Arc<Said>>>,
}

struct Said {
    at: Instant,
    about: About,
    keys: JwkSet,
}

#[derive(Deserialize)]
struct About {
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
struct Back {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

/// Somebody whom the provider knows.
struct Found {
    name: String,
    roles: BTreeSet<Role>,
    sign_off_roles: Vec<String>,
}

/// A login under way.
struct Begun {
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

/// Its routes: to the provider, and back.
pub(super) fn routes() -> Router<Server> {
    Router::new().route("/login/provider", get(leave)).route("/login/return", get(arrive))
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
        Some(Self { config: config.clone(), redirect, agent, said: Mutex::new(None) })
    }

    /// What the login page calls it.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// What the provider says of itself, not older than `HOLDS`; asks for it where it is. Blocks.
    fn said(&self, younger_than: Duration) -> Result<Arc<Said>, String> {
        if let Some(said) = lock(&self.said).as_ref().filter(|said| said.at.elapsed() < younger_than) {
            return Ok(Arc::clone(said));
        }
        let at = format!("{}/.well-known/openid-configuration", self.config.issuer.trim_end_matches('/'));
        let about: About = self.get(&at)?;
        if about.issuer != self.config.issuer {
            return Err(format!(
                "it calls itself {:?} and sharing.login.provider.issuer is {:?}: they have to be the same",
                about.issuer, self.config.issuer
            ));
        }
        for url in [&about.authorization_endpoint, &about.token_endpoint, &about.jwks_uri] {
            crate::config::access::safe_url(url).map_err(|why| format!("it names {url:?}, and {why}"))?;
        }
        // A provider may publish keys of kinds that nobody here knows, beside those that sign.
        let Keys { keys } = self.get(&about.jwks_uri)?;
        let keys = keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect();
        let said = Arc::new(Said { at: Instant::now(), about, keys: JwkSet { keys } });
        *lock(&self.said) = Some(Arc::clone(&said));
        Ok(said)
    }

    fn get<T: DeserializeOwned>(&self, url: &str) -> Result<T, String> {
        let answer = self.agent.get(url).header("accept", "application/json").call();
        read(answer).map_err(|why| format!("{url}: {why}"))
    }

    /// Where a browser goes to log in.
    fn authorize(&self, begun: &Begun) -> Result<String, String> {
        let said = self.said(HOLDS)?;
        let mut url = url::Url::parse(&said.about.authorization_endpoint).map_err(|error| error.to_string())?;
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(begun.verifier.as_bytes()));
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.config.client_id)
            .append_pair("redirect_uri", &self.redirect)
            .append_pair("scope", &self.config.scopes)
            .append_pair("state", &begun.state)
            .append_pair("nonce", &begun.nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        Ok(url.into())
    }

    /// Who stands behind a code: name and roles. `asked_for` are the roles in which the rules ask for sign-offs.
    fn person(&self, code: &str, begun: &Begun, asked_for: &BTreeSet<&str>) -> Result<Found, String> {
        let said = self.said(HOLDS)?;
        let token = self.redeem(&said.about, code, begun)?;
        let claims = self.claims(&token, begun)?;
        let name = find(&claims, &self.config.name_claim).and_then(Value::as_str).unwrap_or_default();
        // Anybody may claim an address; only one that the provider has checked says who it is.
        if self.config.name_claim == "email" && claims.get("email_verified").is_some_and(|v| !is_true(v)) {
            return Err(format!("the address {name:?} is not verified with the provider"));
        }
        crate::service::users::check_name(name)
            .map_err(|error| format!("claim {:?} of the ID token: {error}", self.config.name_claim))?;
        let (roles, sign_off_roles) = self.roles(&claims, asked_for);
        Ok(Found { name: name.to_owned(), roles, sign_off_roles })
    }

    fn redeem(&self, about: &About, code: &str, begun: &Begun) -> Result<String, String> {
        let Config { client_id, client_secret, .. } = &self.config;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect),
            ("code_verifier", &begun.verifier),
        ];
        let mut request = self.agent.post(&about.token_endpoint).header("accept", "application/json");
        let supported = &about.token_endpoint_auth_methods_supported;
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
        let tokens: Tokens = read(request.send_form(form)).map_err(|why| format!("{}: {why}", about.token_endpoint))?;
        Ok(tokens.id_token)
    }

    /// The claims of an ID token that this provider signed, for us, for this login, and that has not ended.
    fn claims(&self, token: &str, begun: &Begun) -> Result<Value, String> {
        let bad = |error: jsonwebtoken::errors::Error| format!("the ID token cannot be trusted: {error}");
        let header = jsonwebtoken::decode_header(token).map_err(bad)?;
        if !signatures::ALGORITHMS.contains(&header.alg) {
            return Err(format!("the ID token is signed with {:?}, which is not taken", header.alg));
        }
        let kid = header.kid.as_deref();
        let candidates = |said: &Said| -> Vec<DecodingKey> {
            let named = said.keys.keys.iter().filter(|key| kid.is_none() || key.common.key_id.as_deref() == kid);
            named.filter_map(signatures::key).collect()
        };
        let mut keys = candidates(&*self.said(HOLDS)?);
        if keys.is_empty() {
            // Providers change their keys.
            keys = candidates(&*self.said(ASK_AGAIN)?);
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
        if !bool::from(nonce.as_bytes().ct_eq(begun.nonce.as_bytes())) {
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

/// A claim, or one inside another: `realm_access.roles`. A claim with that very name goes first.
fn find<'a>(claims: &'a Value, path: &str) -> Option<&'a Value> {
    claims.get(path).or_else(|| path.split('.').try_fold(claims, |value, part| value.get(part)))
}

fn is_true(value: &Value) -> bool {
    matches!(value, Value::Bool(true)) || value.as_str() == Some("true")
}

impl Begun {
    fn new(next: &str) -> Self {
        let fresh = || hex(&key::random_bytes());
        Self { state: fresh(), nonce: fresh(), verifier: fresh(), next: login::local(next).to_owned() }
    }

    fn write(&self) -> String {
        format!("{}.{}.{}.{}", self.state, self.nonce, self.verifier, URL_SAFE_NO_PAD.encode(&self.next))
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(str::to_owned);
        let (state, nonce, verifier) = (parts.next()?, parts.next()?, parts.next()?);
        let next = String::from_utf8(URL_SAFE_NO_PAD.decode(parts.next()?).ok()?).ok()?;
        [&state, &nonce, &verifier].iter().all(|part| part.len() == 64).then_some(())?;
        Some(Self { state, nonce, verifier, next: login::local(&next).to_owned() })
    }
}

/// Sends a browser to the provider.
async fn leave(
    Shared(server): Shared<Server>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    next: Result<Query<login::Next>, QueryRejection>,
) -> Response<Body> {
    let began = Instant::now();
    let next = next.map(|Query(next)| next.next).unwrap_or_default();
    if server.access.provider.is_none() {
        return lost(&server, began);
    }
    let Server { sharing, access } = server;
    let from = login::address(&sharing, &headers, peer);
    let response = if let Err(refused) = access.limits.login("", from) {
        login::too_often(&sharing, refused)
    } else {
        let begun = Begun::new(&next);
        let cookie = login::give_cookie(&sharing, COOKIE, &begun.write(), SameSite::Lax);
        let to = sharing
            .blocking(move |_| match &access.provider {
                Some(provider) => Ok(provider.authorize(&begun)),
                None => Ok(Err("no provider is configured".to_owned())),
            })
            .await;
        match to {
            Ok(Ok(to)) => {
                let mut response = login::redirect(&to);
                response.headers_mut().append(header::SET_COOKIE, cookie);
                response
            }
            Ok(Err(why)) => unavailable(&sharing, &why),
            Err(error) => failed(&sharing, &error),
        }
    };
    counted(&sharing, "console", "login", began, response)
}

/// Takes a browser back from the provider.
async fn arrive(
    Shared(server): Shared<Server>,
    headers: HeaderMap,
    back: Result<Query<Back>, QueryRejection>,
) -> Response<Body> {
    let began = Instant::now();
    if server.access.provider.is_none() {
        return lost(&server, began);
    }
    let back = back.map(|Query(back)| back).unwrap_or_default();
    let mut response = arrived(&server, &headers, back).await;
    let sharing = server.sharing;
    let gone = login::give_cookie(&sharing, COOKIE, "", SameSite::Lax);
    response.headers_mut().append(header::SET_COOKIE, gone);
    counted(&sharing, "console", "login", began, response)
}

async fn arrived(server: &Server, headers: &HeaderMap, back: Back) -> Response<Body> {
    let sharing = &server.sharing;
    let refused = |status, why: &str| html(status, &RefusedPage { why: why.to_owned() });
    let outcome = |outcome: &str| sharing.inner.metrics.logins.with_label_values(&[outcome]).inc();
    let begun = login::cookie(headers, &login::cookie_name(sharing, COOKIE)).as_deref().and_then(Begun::read);
    let Some(begun) = begun.filter(|begun| {
        back.state.as_ref().is_some_and(|state| bool::from(state.as_bytes().ct_eq(begun.state.as_bytes())))
    }) else {
        outcome("wrong");
        return refused(StatusCode::BAD_REQUEST, WITHOUT_COOKIE);
    };
    if let Some(error) = back.error {
        outcome("wrong");
        let why = format!("The provider did not log you in: {}.", text_format::shorten(&error, 80));
        return refused(StatusCode::FORBIDDEN, &why);
    }
    let next = begun.next.clone();
    let access = Arc::clone(&server.access);
    let found = sharing
        .blocking(move |inner| {
            let Some(provider) = &access.provider else { return Ok(Err("no provider is configured".to_owned())) };
            // Another provider's answer must not be handed to this one.
            if back.iss.is_some_and(|issuer| issuer != provider.config.issuer) {
                return Ok(Err("the answer is from another provider".to_owned()));
            }
            Ok(provider.person(&back.code.unwrap_or_default(), &begun, &inner.policy.rules.sign_off_roles()))
        })
        .await;
    let Found { name, roles, sign_off_roles } = match found {
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
    let begun: Result<_, SharingError> = login::begin(sharing, headers, name, (roles, sign_off_roles), None).await;
    match begun {
        Ok(cookie) => {
            outcome("ok");
            // Not a redirect: the browser came from another site, and would not send a strict cookie along.
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

/// Without a provider there is nothing here.
fn lost(server: &Server, began: Instant) -> Response<Body> {
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
