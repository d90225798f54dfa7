//! Signatures by the Standard Webhooks scheme: HMAC-SHA256 over `id.timestamp.body`, in base64, with the version before it.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The value of `webhook-signature`: one signature for each secret, the newest first.
pub(crate) fn signatures(secrets: &[Vec<u8>], id: &str, timestamp: i64, body: &[u8]) -> String {
    let signed = secrets.iter().filter_map(|secret| {
        // Hmac takes keys of any length, so there is always one.
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    });
    signed.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use standardwebhooks::Webhook;

    use super::*;
    use crate::key::{new_webhook_secret, shown_webhook_secret};

    /// What a receiver with the reference library says.
    fn verifies(secret: &[u8], body: &[u8], id: &str, timestamp: i64, signatures: &str) -> bool {
        let mut headers = ureq::http::HeaderMap::new();
        for (name, value) in
            [("webhook-id", id), ("webhook-timestamp", &timestamp.to_string()), ("webhook-signature", signatures)]
        {
            headers.insert(name.parse::<ureq::http::HeaderName>().unwrap(), value.parse().unwrap());
        }
        Webhook::new(&shown_webhook_secret(secret)).unwrap().verify(body, &headers).is_ok()
    }

    #[test]
    fn the_reference_library_takes_what_we_sign_and_nothing_else() {
        let now = jiff::Timestamp::now().as_second();
        let (old, new, other) = (new_webhook_secret(), new_webhook_secret(), new_webhook_secret());
        let body = r#"{"type":"objects.added","data":{"ü":1}}"#.as_bytes();
        let one = signatures(&[new.to_vec()], "msg_1", now, body);
        assert!(verifies(&new, body, "msg_1", now, &one));
        assert!(!verifies(&other, body, "msg_1", now, &one));
        assert!(!verifies(&new, b"{}", "msg_1", now, &one));
        assert!(!verifies(&new, body, "msg_2", now, &one));
        assert!(!verifies(&new, body, "msg_1", now + 1, &one));
        let late = signatures(&[new.to_vec()], "msg_1", now - 3_600, body);
        assert!(!verifies(&new, body, "msg_1", now - 3_600, &late), "a replay an hour later");
        // While a secret is rotated, receivers with either of them are served.
        let both = signatures(&[new.to_vec(), old.to_vec()], "msg_1", now, body);
        assert!(verifies(&new, body, "msg_1", now, &both) && verifies(&old, body, "msg_1", now, &both));
        assert!(!verifies(&other, body, "msg_1", now, &both));
    }

    #[test]
    fn the_example_of_the_scheme_comes_out() {
        // From the specification's own libraries.
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = signatures(&[secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
