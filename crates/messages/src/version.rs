//! Versions of messages: an older or equal one is read, a newer one is refused before its fields
//! are read.

use serde::Deserialize;

use crate::error::{DecodeError, from_json};

#[derive(Deserialize)]
struct Version {
    schema_version: u32,
}

/// The schema version of a message, which is at most `newest`.
pub(crate) fn of(value: &[u8], newest: u32) -> Result<u32, DecodeError> {
    let version = from_json::<Version>(value)?.schema_version;
    if version == 0 || version > newest {
        return Err(DecodeError::new(
            "schema_version",
            format!("is {version}, but the newest known version is {newest}: upgrade Lockstep to read this message"),
            value,
        ));
    }
    Ok(version)
}

/// Reads a message whose schema version is at most `newest`.
pub(crate) fn decode<'de, T: Deserialize<'de>>(value: &'de [u8], newest: u32) -> Result<T, DecodeError> {
    of(value, newest)?;
    from_json(value)
}
