//! API keys of partners, whose form is [`runtime::keys`]', and the secrets of webhooks.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
pub(crate) use runtime::keys::{generate, matches, parse, random_bytes};
use serde::Serialize;

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
