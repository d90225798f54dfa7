//! How signatures of ID tokens are checked: by ring, which TLS uses as well. jsonwebtoken takes its cryptography from whoever has it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    crypto::{CryptoProvider, JwtVerifier, KeyUtils},
    errors::{Error, ErrorKind},
    jwk::{AlgorithmParameters, Jwk},
};
use ring::signature::{self as ring_signature, UnparsedPublicKey};

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
        let by: &'static dyn ring_signature::VerificationAlgorithm = match self.algorithm {
            Algorithm::RS256 => &ring_signature::RSA_PKCS1_2048_8192_SHA256,
            Algorithm::RS384 => &ring_signature::RSA_PKCS1_2048_8192_SHA384,
            Algorithm::RS512 => &ring_signature::RSA_PKCS1_2048_8192_SHA512,
            Algorithm::PS256 => &ring_signature::RSA_PSS_2048_8192_SHA256,
            Algorithm::PS384 => &ring_signature::RSA_PSS_2048_8192_SHA384,
            Algorithm::PS512 => &ring_signature::RSA_PSS_2048_8192_SHA512,
            Algorithm::ES256 => &ring_signature::ECDSA_P256_SHA256_FIXED,
            Algorithm::ES384 => &ring_signature::ECDSA_P384_SHA384_FIXED,
            Algorithm::EdDSA => &ring_signature::ED25519,
            _ => return Err(signature::Error::new()),
        };
        let key = self.key.try_get_as_bytes().map_err(signature::Error::from_source)?;
        UnparsedPublicKey::new(by, key).verify(message, given).map_err(|_| signature::Error::new())
    }
}

/// A published key, in the form that ring reads; `None` for kinds that do not sign.
pub(super) fn key(published: &Jwk) -> Option<DecodingKey> {
    match &published.algorithm {
        AlgorithmParameters::RSA(rsa) => {
            let number = |text: &str| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok();
            Some(DecodingKey::from_rsa_der(&pkcs1(&number(&rsa.n)?, &number(&rsa.e)?)))
        }
        AlgorithmParameters::EllipticCurve(_) | AlgorithmParameters::OctetKeyPair(_) => {
            DecodingKey::from_jwk(published).ok()
        }
        _ => None,
    }
}

/// PKCS #1's RSAPublicKey in DER: a sequence of modulus and exponent.
fn pkcs1(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let both = [integer(modulus), integer(exponent)].concat();
    tagged(0x30, &both)
}

fn integer(big_endian: &[u8]) -> Vec<u8> {
    let start = big_endian.iter().position(|byte| *byte != 0).unwrap_or(big_endian.len());
    let digits = &big_endian[start..];
    // A first bit that is set would make it negative.
    let sign: &[u8] = if digits.first().is_none_or(|byte| byte & 0x80 != 0) { &[0] } else { &[] };
    tagged(0x02, &[sign, digits].concat())
}

fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length = &length[length.iter().position(|byte| *byte != 0).unwrap_or(length.len() - 1)..];
    let mut out = vec![tag];
    match length {
        [short] if *short < 0x80 => out.push(*short),
        long => {
            out.push(0x80 | long.len() as u8);
            out.extend_from_slice(long);
        }
    }
    out.extend_from_slice(content);
    out
}
