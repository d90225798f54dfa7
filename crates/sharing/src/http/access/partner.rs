//! Which partner asks: by API key, as HTTP Basic or Bearer, or by client certificate.

use std::net::{IpAddr, Ipv4Addr};

use axum::http::{HeaderMap, header};
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use subtle::ConstantTimeEq;

use super::{Access, limits::TooMany};
use crate::config::access::plain_fingerprint;
use crate::{key, service::Inner, store::StoreError};
use runtime::http::{Certificate, Peer, Subject};

/// A partner that has shown who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Its name.
    pub partner: String,
}

/// Why a request is not a partner's.
#[derive(Debug)]
pub(crate) enum Denied {
    /// No key, a wrong one, one that has ended: all the same.
    Unknown,
    /// Too many requests.
    TooMany(TooMany),
    /// The store failed.
    Failed(StoreError),
}

impl Access {
    /// The partner behind a request. Blocks on the store.
    pub(crate) fn caller(&self, inner: &Inner, headers: &HeaderMap, peer: Option<&Peer>) -> Result<Caller, Denied> {
        match Self::known(inner, headers, peer, Timestamp::now()).map_err(Denied::Failed)? {
            Some(caller) => match self.limits.partner(&caller.partner) {
                Ok(()) => Ok(caller),
                Err(refused) => Err(too_many(inner, refused)),
            },
            None => {
                let address = peer
                    .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.client(headers, inner.config.behind_proxy));
                self.limits.stranger(address).map_err(|refused| too_many(inner, refused))?;
                Err(Denied::Unknown)
            }
        }
    }

    fn known(
        inner: &Inner,
        headers: &HeaderMap,
        peer: Option<&Peer>,
        now: Timestamp,
    ) -> Result<Option<Caller>, StoreError> {
        let certified = match peer.and_then(|peer| peer.certificate.as_deref()) {
            Some(certificate) => owner(inner, certificate)?,
            None => None,
        };
        let Some(given) = headers.get(header::AUTHORIZATION) else {
            return Ok(certified);
        };
        // A wrong key is wrong, whatever else the request has; and one partner's key is of no use with another's certificate.
        let Some((user, key)) = given.to_str().ok().and_then(credentials) else { return Ok(None) };
        let Some((key_id, secret)) = key::parse(&key) else { return Ok(None) };
        let row = inner.store.key(key_id, now)?;
        // Compared in any case, so that an unknown key takes as long as a wrong secret.
        let right = key::matches(secret, row.as_ref().map_or(&[0; 32], |row| &row.hash));
        let Some(row) = row.filter(|_| right) else { return Ok(None) };
        let same = |name: &str| bool::from(name.as_bytes().ct_eq(row.partner.as_bytes()));
        if !user.is_none_or(|user| same(&user)) || !certified.is_none_or(|certified| same(&certified.partner)) {
            return Ok(None);
        }
        inner.used_keys.note(key_id, now);
        Ok(Some(Caller { partner: row.partner }))
    }
}

pub(super) fn too_many(inner: &Inner, refused: TooMany) -> Denied {
    inner.metrics.limited.with_label_values(&[refused.whose]).inc();
    Denied::TooMany(refused)
}

/// The partner in use whose certificate that is.
fn owner(inner: &Inner, certificate: &Certificate) -> Result<Option<Caller>, StoreError> {
    let is_it = |wanted: &String| match wanted.strip_prefix("sha256:") {
        Some(wanted) => bool::from(plain_fingerprint(wanted).as_bytes().ct_eq(certificate.fingerprint.as_bytes())),
        None => wanted.parse().is_ok_and(|wanted: Subject| wanted == certificate.subject),
    };
    let clients = &inner.config.tls.clients;
    let Some((name, _)) = clients.iter().find(|(_, wanted)| wanted.iter().any(is_it)) else { return Ok(None) };
    let partners = inner.store.partners()?;
    Ok(partners.into_iter().find(|partner| partner.name == *name).map(|partner| Caller { partner: partner.name }))
}

/// User name, where there is one, and key.
pub(crate) fn credentials(header: &str) -> Option<(Option<String>, String)> {
    let (scheme, rest) = header.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some((None, rest.to_owned()));
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let text = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
        let (user, key) = text.split_once(':')?;
        return Some((Some(user.to_owned()), key.to_owned()));
    }
    None
}
