//! Whose token for the JSON API a request carries, as `Authorization: Bearer`.

use std::net::{IpAddr, Ipv4Addr};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Response, StatusCode, header, request::Parts},
};
use jiff::Timestamp;
use runtime::http::Peer;

use super::{
    super::{
        Server,
        respond::{json_error, json_failed},
    },
    Access, Denied, Person, credentials,
    partner::too_many,
};
use crate::{
    key,
    service::{Inner, SharingError},
    store::StoreError,
    token::{Scope, Token},
};

/// What an answer of status 401 says about how to ask.
pub(super) const CHALLENGE: &str = "Bearer realm=\"Lockstep JSON API\"";

/// The owner of the token that the request carries; an answer if it carries none that is valid, or one without the scope to read.
pub(super) async fn owner(parts: &Parts, server: &Server) -> Result<Person, Response<Body>> {
    let access = std::sync::Arc::clone(&server.access);
    let (headers, peer) = (parts.headers.clone(), parts.extensions.get::<Peer>().cloned());
    let asked = server.sharing.blocking(move |inner| Ok(access.token_owner(inner, &headers, peer.as_ref()))).await;
    let failed = |error: SharingError| json_failed(&server.sharing, &error);
    match asked.map_err(failed)? {
        Ok(person) if parts.method.is_safe() && !allows(&person, Scope::Read) => {
            Err(json_error(StatusCode::FORBIDDEN, "the token does not have the scope read"))
        }
        Ok(person) => Ok(person),
        Err(Denied::Unknown) => {
            let why = "the token is unknown, expired or revoked, or its owner may no longer log in";
            let mut response = json_error(StatusCode::UNAUTHORIZED, why);
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
            Err(response)
        }
        Err(Denied::TooMany(refused)) => {
            let mut response = json_error(StatusCode::TOO_MANY_REQUESTS, "too many requests");
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(refused.seconds()));
            Err(response)
        }
        Err(Denied::Failed(error)) => Err(failed(error.into())),
    }
}

fn allows(person: &Person, scope: Scope) -> bool {
    person.token.as_ref().is_some_and(|scopes| scopes.contains(&scope))
}

impl Access {
    /// The owner of a request's token. Blocks on the store.
    fn token_owner(&self, inner: &Inner, headers: &HeaderMap, peer: Option<&Peer>) -> Result<Person, Denied> {
        if let Some(token) = valid(inner, headers, Timestamp::now()).map_err(Denied::Failed)? {
            self.limits.token(&token.id).map_err(|refused| too_many(inner, refused))?;
            // A person who was removed or has other roles is known to be so with the next request, as with a session.
            let roles = match token.service {
                true => Some(Default::default()),
                false => self.users.now().roles(&token.owner).map(|(roles, _)| roles.clone()),
            };
            if let Some(roles) = roles {
                let admin = token.service || roles.contains(&casework::Role::Admin);
                let mut scopes = token.scopes.clone();
                scopes.retain(|scope| *scope != Scope::Deliveries || admin);
                let (name, sign_off_roles) = (token.actor(), Default::default());
                return Ok(Person { name, roles, sign_off_roles, csrf: String::new(), token: Some(scopes) });
            }
        }
        let unknown = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let address = peer.map_or(unknown, |peer| peer.client(headers, inner.config.behind_proxy));
        self.limits.stranger(address).map_err(|refused| too_many(inner, refused))?;
        Err(Denied::Unknown)
    }
}

/// The token of a request, if it is valid now.
fn valid(inner: &Inner, headers: &HeaderMap, now: Timestamp) -> Result<Option<Token>, StoreError> {
    let given = headers.get(header::AUTHORIZATION).and_then(|given| given.to_str().ok()).and_then(credentials);
    let Some((None, shown)) = given else { return Ok(None) };
    let Some((id, secret)) = key::parse_token(&shown) else { return Ok(None) };
    let row = inner.store.token(id)?;
    // Compared in any case, so that an unknown token takes as long as a wrong secret.
    let right = key::matches(secret, row.as_ref().map_or(&[0; 32], |row| &row.hash));
    let token = row.filter(|_| right).map(|row| row.token);
    let token = token.filter(|token| token.revoked_at.is_none() && token.expires_at > now);
    if let Some(token) = &token {
        inner.used_tokens.note(&token.id, now);
    }
    Ok(token)
}
