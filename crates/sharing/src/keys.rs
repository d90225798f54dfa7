//! API keys of partners: `lockstep_<key id>_<secret>`.
//!
//! The secret has 244 random bits, so a fast hash is enough: there is nothing to guess. The key id finds the row; the secret
//! is compared in constant time.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const PREFIX: &str = "lockstep_";

/// A new key: its id, the whole key to be shown once, and the hash to be kept.
pub(crate) fn generate() -> (String, String, Vec<u8>) {
    let id = crate::audit::hex(&random_bytes()[..8]);
    let secret = crate::audit::hex(&random_bytes());
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

/// 32 bytes from the operating system's generator, 244 bits of them random.
pub(crate) fn random_bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    bytes[16..].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    bytes
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
