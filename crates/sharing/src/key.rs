//! API keys of partners, tokens for the JSON API, `lockstepapi_<token id>_<secret>`, and the secrets of webhooks. The form of keys and
//! tokens is that of [`runtime::keys`].

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
pub(crate) use runtime::keys::{generate, matches, parse, random_bytes};
use runtime::keys::{generate_with, parse_with};
use serde::Serialize;
use sha2::Sha256;

/// Another prefix than that of partners' keys, so that people, and scanners for leaked secrets, can tell the two apart.
const TOKEN_PREFIX: &str = "lockstepapi_";

/// An API key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Key {
    /// Names the key; also its part before the secret.
    pub id: String,
    /// Whose it is.
    pub partner: String,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the quarter of an hour.
    pub last_used_at: Option<Timestamp>,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
}

impl Key {
    /// Whether it opens anything.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| end > now)
    }
}

/// A new token for the JSON API: its id, the whole token to be shown once, and the hash to be kept.
pub(crate) fn generate_token() -> (String, String, Vec<u8>) {
    generate_with(TOKEN_PREFIX)
}

/// Id and secret of a token as presented; `None` if the text is not such a token.
pub(crate) fn parse_token(token: &str) -> Option<(&str, &str)> {
    parse_with(TOKEN_PREFIX, token)
}

/// The id under which a partner knows a case, made with the partner's own key: from two partners' ids nobody can tell whether they
/// have the same case, nor how many cases there are.
pub(crate) fn case_reference(pseudonym_key: &[u8], case_id: &str) -> String {
    // Hmac takes keys of any length, so there is always one.
    let mac = Hmac::<Sha256>::new_from_slice(pseudonym_key).map(|mut mac| {
        mac.update(format!("case reference\u{1f}{case_id}").as_bytes());
        mac.finalize().into_bytes()
    });
    let mut bytes = [0; 16];
    if let Ok(mac) = mac {
        bytes.copy_from_slice(&mac[..16]);
    }
    format!("case-{}", uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

/// How a secret begins where people see it.
const WEBHOOK_PREFIX: &str = "whsec_";

/// A new secret of 32 bytes for a webhook.
pub(crate) fn new_webhook_secret() -> [u8; 32] {
    random_bytes()
}

/// A secret of a webhook as the partner gets it.
pub(crate) fn shown_webhook_secret(secret: &[u8]) -> String {
    format!("{WEBHOOK_PREFIX}{}", STANDARD.encode(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_recognised_and_a_key_is_no_token() {
        let (_, key, _) = generate();
        let (id, token, hash) = generate_token();
        let (found, secret) = parse_token(&token).unwrap();
        assert!(found == id && matches(secret, &hash));
        assert_eq!((parse(&token), parse_token(&key)), (None, None), "a key is not a token");
    }
}
