//! Sessions of people: begin, cookie, audit entries.

use std::net::{IpAddr, Ipv4Addr};

use axum::{
    Extension,
    http::{HeaderMap, HeaderValue, header},
};
use casework::audit::Entry;
use cookie::{Cookie, SameSite};
use jiff::Timestamp;
use runtime::http::Peer;
use sha2::{Digest, Sha256};
use text_format::hex;

use crate::{
    key,
    service::{Sharing, SharingError},
    store::SessionRow,
};

/// Begins a session with a new random id, and ends the session that the browser had before. Returns
/// the header that sets the cookie.
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

/// The audit entry of a login or logout.
pub(super) fn entry(person: &str, action: &str, text: &str) -> Entry {
    Entry {
        at: Timestamp::now(),
        actor: person.to_owned(),
        subject: format!("user {person}"),
        action: action.to_owned(),
        text: text.to_owned(),
    }
}

/// The session id in the cookie of a request.
pub(super) fn session_id(sharing: &Sharing, headers: &HeaderMap) -> Option<String> {
    cookie(headers, &cookie_name(sharing, "lockstep"))
}

/// The value of a cookie of a request.
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

/// The full name of a cookie. With TLS it has the prefix `__Host-`: browsers accept such a cookie
/// from this host only, and never over plain HTTP.
pub(super) fn cookie_name(sharing: &Sharing, name: &str) -> String {
    if is_secure(sharing) { format!("__Host-{name}") } else { name.to_owned() }
}

/// Whether browsers connect by TLS, to this service or to the proxy in front of it.
fn is_secure(sharing: &Sharing) -> bool {
    sharing.config().tls.is_on() || sharing.config().behind_proxy
}

/// The header that sets a cookie, or deletes the cookie if the value is empty.
pub(super) fn give_cookie(sharing: &Sharing, name: &str, value: &str, same_site: SameSite) -> HeaderValue {
    let cookie = Cookie::build((cookie_name(sharing, name), value))
        .path("/")
        .http_only(true)
        .secure(is_secure(sharing))
        .same_site(same_site);
    let cookie = if value.is_empty() { cookie.max_age(cookie::time::Duration::ZERO) } else { cookie };
    HeaderValue::from_str(&cookie.build().to_string()).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The header that sets the session cookie.
pub(super) fn set_cookie(sharing: &Sharing, id: &str) -> HeaderValue {
    give_cookie(sharing, "lockstep", id, SameSite::Strict)
}

/// The address of the client that sent a request.
pub(super) fn address(sharing: &Sharing, headers: &HeaderMap, peer: Option<Extension<Peer>>) -> IpAddr {
    let behind_proxy = sharing.config().behind_proxy;
    peer.map_or(Ipv4Addr::UNSPECIFIED.into(), |Extension(peer)| peer.client(headers, behind_proxy))
}
