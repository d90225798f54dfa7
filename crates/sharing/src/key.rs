//! API keys of partners, `lockstep_<key id>_<secret>`, and the secrets of webhooks.
//!
//! The secret has 244 random bits, so a fast hash is enough: there is nothing to guess. The key id finds the row; the secret
//! is compared in constant time.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const PREFIX: &str = "lockstep_";

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

/// A new key: its id, the whole key to be shown once, and the hash to be kept.
pub(crate) fn generate() -> (String, String, Vec<u8>) {
    let id = text_format::hex(&random_bytes()[..8]);
    let secret = text_format::hex(&random_bytes());
    let hash = Sha256::digest(secret.as_bytes()).to_vec();
    (id.clone(), format!("{PREFIX}{id}_{secret}"), hash)
}

/// Key id and secret of a key as presented; `None` where it is no key of ours.
pub(crate) fn parse(key: &str) -> Option<(&str, &str)> {
    let (id, secret) = key.strip_prefix(PREFIX)?.split_once('_')?;
    let hex = |text: &str, length| text.len() == length && text.bytes().all(|b| b.is_ascii_hexdigit());
    (hex(id, 16) && hex(secret, 64)).then_some((id, secret))
}

/// Whether the secret is the one that was hashed.
pub(crate) fn matches(secret: &str, hash: &[u8]) -> bool {
    Sha256::digest(secret.as_bytes())[..].ct_eq(hash).into()
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

/// 32 bytes from the operating system's generator, 244 bits of them random.
pub(crate) fn random_bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    bytes[16..].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    bytes
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
    fn a_key_is_recognised_and_another_is_not() {
        let (id, key, hash) = generate();
        let (found, secret) = parse(&key).unwrap();
        assert_eq!(found, id);
        assert!(matches(secret, &hash));
        let (_, other, _) = generate();
        assert!(!matches(parse(&other).unwrap().1, &hash));
        for bad in ["", "lockstep_", "lockstep_x_y", "lockstep__", &key[..key.len() - 1]] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
