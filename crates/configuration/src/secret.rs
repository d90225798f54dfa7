//! A secret that does not print.
use std::{fmt, fs};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, Visitor},
};

/// A secret string. Debug and Serialize show `***`.
///
/// In a configuration: `key = "text"`, `key = { file = "/run/secrets/key" }` (trailing line ends are dropped; a relative
/// path is relative to the working directory) or `key = { env = "NAME" }`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret from a text.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_struct("Secret", &["file", "env"], SecretVisitor)
    }
}

struct SecretVisitor;

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, { file = \"...\" } or { env = \"...\" }")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Secret, E> {
        Ok(Secret(text.to_owned()))
    }

    // The defaults would put the value into the message.
    fn visit_i64<E: Error>(self, _: i64) -> Result<Secret, E> {
        Err(E::custom("a secret must be written in quotes"))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Secret, E> {
        Err(E::custom("a secret must be written in quotes"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
        let source: Option<(String, String)> = map.next_entry()?;
        let (kind, place) = match source {
            Some(source) if map.next_key::<String>()?.is_none() => source,
            _ => return Err(A::Error::custom("a secret has either a file or an env")),
        };
        match kind.as_str() {
            "file" => {
                let text = fs::read_to_string(&place)
                    .map_err(|error| A::Error::custom(format!("cannot read the secret in {place}: {error}")))?;
                Ok(Secret(text.trim_end_matches(['\r', '\n']).to_owned()))
            }
            "env" => std::env::var(&place)
                .map(Secret)
                .map_err(|_| A::Error::custom(format!("the variable {place} for the secret is not set"))),
            other => Err(A::Error::unknown_field(other, &["file", "env"])),
        }
    }
}
