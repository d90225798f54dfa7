//! STIX objects as JSON: their ids, times and markings.

use jiff::{Timestamp, tz::TimeZone};
use messages::cluster::ClusterAccount;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::object::NewObject;
use casework::Tlp;

/// The namespace of ids of cyber-observable objects (STIX 2.1, section 2.9).
pub(super) const OBSERVABLES: Uuid = Uuid::from_u128(0x00abedb4_aa42_466c_9c01_fed23315a9b7);
/// The OASIS property extension that carries TLP 2.0.
pub(super) const TLP_EXTENSION: &str = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d";

pub(super) fn user_account_id(account: &ClusterAccount) -> String {
    account_object_id(&account.platform, &account.account_id)
}

/// Id of the `user-account` of an account: UUIDv5 over the canonical JSON of the contributing properties (STIX 2.1, sections 2.9 and
/// 6.15).
pub(crate) fn account_object_id(platform: &str, account_id: &str) -> String {
    let name = format!(r#"{{"account_type":{},"user_id":{}}}"#, Value::from(platform), Value::from(account_id));
    format!("user-account--{}", Uuid::new_v5(&OBSERVABLES, name.as_bytes()))
}

/// The TLP marking that a reference means.
pub(crate) fn marked_with(reference: &str) -> Option<Tlp> {
    Tlp::ALL.into_iter().find(|tlp| id_of(&marking(*tlp)) == reference)
}

/// The OASIS marking definitions for TLP 2.0.
pub(super) fn marking(tlp: Tlp) -> Value {
    let (id, value) = match tlp {
        Tlp::Clear => ("94868c89-83c2-464b-929b-a1a8aa3c8487", "clear"),
        Tlp::Green => ("bab4a63c-aed9-4cf5-a766-dfca5abac2bb", "green"),
        Tlp::Amber => ("55d920b0-5e8b-4f79-9ee9-91f868d9b421", "amber"),
        Tlp::AmberStrict => ("939a9414-2ddd-4d32-a0cd-375ea402b003", "amber+strict"),
        Tlp::Red => ("e828b379-4e03-4974-9ac4-e53a884c97c1", "red"),
    };
    json!({
        "type": "marking-definition",
        "spec_version": "2.1",
        "id": format!("marking-definition--{id}"),
        "created": "2022-10-01T00:00:00.000Z",
        "name": tlp.label(),
        "extensions": {
            TLP_EXTENSION: {"extension_type": "property-extension", "tlp_2_0": value}
        },
    })
}

/// Text inside quotes in a STIX pattern.
pub(super) fn pattern_text(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}

pub(super) fn millis(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// JSON has no NaN, and STIX no null: what is not known is left out.
pub(super) fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

pub(super) fn revoke(object: &mut Value, revoked: bool) {
    if revoked {
        object["revoked"] = json!(true);
    }
}

/// Ids of the objects of one type.
pub(super) fn ids(objects: &[Value], kind: &str) -> Vec<String> {
    objects.iter().filter(|object| object["type"] == kind).map(id_of).collect()
}

pub(super) fn id_of(object: &Value) -> String {
    object["id"].as_str().unwrap_or_default().to_owned()
}

pub(super) fn stored(object: Value) -> NewObject {
    let time = |name: &str| {
        let text = object[name].as_str()?;
        Some(text.parse::<Timestamp>().ok()?.as_microsecond())
    };
    NewObject {
        id: id_of(&object),
        kind: object["type"].as_str().unwrap_or_default().to_owned(),
        spec_version: object["spec_version"].as_str().unwrap_or("2.0").to_owned(),
        version: time("modified").or_else(|| time("created")),
        body: object.to_string(),
    }
}
