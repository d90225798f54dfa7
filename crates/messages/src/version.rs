//! Versions of messages: an older or equal one is read, a newer one is refused before its fields are looked at.

use serde::Deserialize;

use crate::error::{DecodeError, from_json};

#[derive(Deserialize)]
struct Version {
    schema_version: u32,
}

/// Reads a message whose schema version is at most `newest`.
pub(crate) fn decode<'de, T: Deserialize<'de>>(value: &'de [u8], newest: u32) -> Result<T, DecodeError> {
    let version = from_json::<Version>(value)?.schema_version;
    if version == 0 || version > newest {
        return Err(DecodeError::new(
            "schema_version",
            format!("is {version}, and the newest known here is {newest}: upgrade Lockstep to read this message"),
            value,
        ));
    }
    from_json(value)
}
