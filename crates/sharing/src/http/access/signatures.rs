//! How signatures of ID tokens are checked: by ring, which TLS uses as well. jsonwebtoken takes its cryptography from whoever has it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey, DecodingKeyKind,
    crypto::{CryptoProvider, JwtVerifier, KeyUtils},
    errors::{Error, ErrorKind},
    jwk::{AlgorithmParameters, Jwk},
};
use ring::signature::{self as ring_signature, RsaPublicKeyComponents, UnparsedPublicKey};

/// Algorithms by which a provider may sign. None with a shared secret: whoever can check such a token can make one.
pub(super) const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

static RING: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(Error::from(ErrorKind::InvalidAlgorithm)),
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

/// Once for the process, however often it is asked.
pub(super) fn install() {
    let _ = RING.install_default();
}

struct Verifier {
    algorithm: Algorithm,
    key: DecodingKey,
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    if !ALGORITHMS.contains(algorithm) {
        return Err(ErrorKind::InvalidAlgorithm.into());
    }
    Ok(Box::new(Verifier { algorithm: *algorithm, key: key.clone() }))
}

impl JwtVerifier for Verifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl signature::Verifier<Vec<u8>> for Verifier {
    fn verify(&self, message: &[u8], given: &Vec<u8>) -> Result<(), signature::Error> {
        let checked = match (self.algorithm, self.key.kind()) {
            (Algorithm::ES256, DecodingKeyKind::SecretOrDer(point)) => {
                UnparsedPublicKey::new(&ring_signature::ECDSA_P256_SHA256_FIXED, point).verify(message, given)
            }
            (Algorithm::ES384, DecodingKeyKind::SecretOrDer(point)) => {
                UnparsedPublicKey::new(&ring_signature::ECDSA_P384_SHA384_FIXED, point).verify(message, given)
            }
            (Algorithm::EdDSA, DecodingKeyKind::SecretOrDer(point)) => {
                UnparsedPublicKey::new(&ring_signature::ED25519, point).verify(message, given)
            }
            (algorithm, DecodingKeyKind::RsaModulusExponent { n, e }) => {
                let by = match algorithm {
                    Algorithm::RS256 => &ring_signature::RSA_PKCS1_2048_8192_SHA256,
                    Algorithm::RS384 => &ring_signature::RSA_PKCS1_2048_8192_SHA384,
                    Algorithm::RS512 => &ring_signature::RSA_PKCS1_2048_8192_SHA512,
                    Algorithm::PS256 => &ring_signature::RSA_PSS_2048_8192_SHA256,
                    Algorithm::PS384 => &ring_signature::RSA_PSS_2048_8192_SHA384,
                    Algorithm::PS512 => &ring_signature::RSA_PSS_2048_8192_SHA512,
                    _ => return Err(signature::Error::new()),
                };
                RsaPublicKeyComponents { n, e }.verify(by, message, given)
            }
            // A key of another kind than the algorithm needs.
            _ => return Err(signature::Error::new()),
        };
        checked.map_err(|_| signature::Error::new())
    }
}

/// A published key, in the form that ring reads; `None` for kinds that do not sign.
pub(super) fn key(published: &Jwk) -> Option<DecodingKey> {
    match &published.algorithm {
        AlgorithmParameters::RSA(rsa) => {
            // Some providers pad base64, or put a zero before the number; ring takes neither.
            let number = |text: &str| {
                let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
                bytes.iter().position(|byte| *byte != 0).map(|start| bytes[start..].to_vec())
            };
            Some(DecodingKey::from_rsa_raw_components(&number(&rsa.n)?, &number(&rsa.e)?))
        }
        AlgorithmParameters::EllipticCurve(_) | AlgorithmParameters::OctetKeyPair(_) => {
            DecodingKey::from_jwk(published).ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_a_key_are_read_with_padding_and_leading_zeros() {
        let published = |n: &str, e: &str| -> Jwk {
            serde_json::from_value(serde_json::json!({"kty": "RSA", "n": n, "e": e})).unwrap()
        };
        for (n, e) in [("wP8", "AQAB"), ("AMD_", "AQAB"), ("wP8=", "AAEAAQ==")] {
            let key = key(&published(n, e)).unwrap();
            let DecodingKeyKind::RsaModulusExponent { n, e } = key.kind() else { panic!("no number") };
            assert_eq!((n.as_slice(), e.as_slice()), (&[0xc0, 0xff][..], &[1, 0, 1][..]));
        }
        assert!(key(&published("AAAA", "AQAB")).is_none(), "zero is no modulus");
        assert!(key(&published("?", "AQAB")).is_none());
    }

    #[test]
    fn a_key_of_another_kind_than_the_algorithm_checks_nothing() {
        let number = DecodingKey::from_rsa_raw_components(&[0xc0; 256], &[1, 0, 1]);
        let bytes = DecodingKey::from_rsa_der(&[0x30, 0x00]);
        for algorithm in ALGORITHMS {
            for key in [&number, &bytes] {
                let verifier = verifier(&algorithm, key).unwrap();
                assert!(verifier.verify(b"said", &vec![0; 256]).is_err(), "{algorithm:?}");
            }
        }
        assert!(verifier(&Algorithm::HS256, &bytes).is_err());
    }
}
