//! The description of the JSON API in OpenAPI 3.1.

use messages::cluster::ClusterMessage;
use serde_json::{Value, json};
use utoipa::OpenApi;

use crate::http::respond::ErrorBody;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Lockstep review console",
        description = "Cases, the policy's outcome, and the steps that people take. The session's cookie says who asks; whatever \
                       changes something carries the session's token (GET /api/person) in the header X-CSRF-Token. Scripts and \
                       services send a token of `lockstep tokens` as Authorization: Bearer instead, without X-CSRF-Token; its \
                       scopes allow reading, managing deliveries and recording handovers, and no decision about a case. Every \
                       error says what went wrong and what to do next.",
        license(name = "Apache-2.0")
    ),
    paths(
        super::description, super::person, super::list, super::one, super::outcome, super::step,
        super::partners::deliveries, super::partners::resend, super::partners::discard, super::partners::retractions,
        super::partners::acknowledgement, super::partners::retraction_cases, super::partners::decision,
        super::watch::groups, super::watch::group, super::watch::decide_group, super::watch::sample,
        super::appeals::appeals, super::appeals::record_appeal, super::appeals::decide_appeal,
        super::scoreboard::scoreboard, super::recipients, super::audit, super::verification,
        crate::http::feed::csv, crate::http::feed::json_lines, crate::http::feed::digest::page
    ),
    components(schemas(ErrorBody)),
    modifiers(&Session),
    security(("session" = []), ("token" = []))
)]
struct Api;

struct Session;

impl utoipa::Modify for Session {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
        let components = openapi.components.get_or_insert_default();
        let cookie = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new("lockstep")));
        components.add_security_scheme("session", cookie);
        components.add_security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
        // Of partners: the name and the key, or the key alone.
        components.add_security_scheme("partner_password", SecurityScheme::Http(Http::new(HttpAuthScheme::Basic)));
        components.add_security_scheme("partner_key", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

/// The description, with the schema of a finding as `messages` has it.
pub(super) fn openapi() -> Value {
    let mut document = serde_json::to_value(Api::openapi()).unwrap_or_default();
    let mut schema = schemars::schema_for!(ClusterMessage).to_value();
    let parts = schema.as_object_mut().and_then(|schema| schema.remove("$defs"));
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("$schema");
    }
    let mut found = vec![("Finding".to_owned(), schema)];
    if let Some(Value::Object(parts)) = parts {
        found.extend(parts.into_iter().map(|(name, part)| (format!("Finding{name}"), part)));
    }
    for (name, mut part) in found {
        refer(&mut part);
        document["components"]["schemas"][name] = part;
    }
    every_operation_may_be_too_many(&mut document);
    document["webhooks"] = webhooks();
    document
}

/// The limits of requests hold for every operation: `sharing.limits`.
fn every_operation_may_be_too_many(document: &mut Value) {
    let paths = document["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut());
    for operation in paths.filter_map(Value::as_object_mut).flat_map(|operations| operations.values_mut()) {
        if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
            let refused = json!({
                "description": "too many requests of the token, or without a valid one (sharing.limits); Retry-After has the seconds to wait",
                "headers": {"Retry-After": {"schema": {"type": "integer"}}},
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}},
            });
            responses.insert("429".to_owned(), refused);
        }
    }
}

/// What goes to the endpoints of partners.
fn webhooks() -> Value {
    let header = |name: &str, description: &str| json!({"name": name, "in": "header", "required": true, "description": description, "schema": {"type": "string"}});
    let text = |description: &str| json!({"type": "string", "description": description});
    let event = |kind: &str, summary: &str| {
        json!({"post": {
            "operationId": kind,
            "summary": summary,
            "security": [],
            "parameters": [
                header("webhook-id", "the same over all attempts of a delivery: ignore an id that you have already processed"),
                header("webhook-timestamp", "seconds since the Unix epoch"),
                header("webhook-signature", "v1,BASE64 of HMAC-SHA256 over id.timestamp.body; two while a secret is rotated"),
            ],
            "requestBody": {"required": true, "content": {"application/json": {"schema": {
                "type": "object",
                "required": ["type", "timestamp", "data"],
                "properties": {
                    "type": {"const": kind},
                    "timestamp": {"type": "string", "format": "date-time", "description": "when the objects were added"},
                    "data": {
                        "type": "object",
                        "required": ["case", "collection", "objects"],
                        "properties": {
                            "case": text("the case, under this partner's id for it"),
                            "collection": text("id of the partner's TAXII collection"),
                            "objects": {"type": "array", "items": {"type": "object"}, "description": "STIX 2.1 objects of that collection"},
                        },
                    },
                },
            }}}},
            "responses": {
                "2XX": {"description": "taken; for a withdrawal also that the partner knows of it"},
                "410": {"description": "the endpoint is gone: nothing more is sent"},
                "default": {"description": "tried again, for sharing.webhooks.give_up_h"},
            },
        }})
    };
    json!({
        "objects.added": event("objects.added", "Objects were added to a partner's collection, none of them withdrawn"),
        "objects.withdrawn": event("objects.withdrawn", "Objects were added to a partner's collection, some of them withdrawn"),
    })
}

/// Makes references inside one schema such within the description, and leaves out formats of schemars' own.
fn refer(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::String(to)) = fields.get_mut("$ref") {
                *to = to.replace("#/$defs/", "#/components/schemas/Finding");
            }
            fields.remove("format");
            fields.values_mut().for_each(refer);
        }
        Value::Array(items) => items.iter_mut().for_each(refer),
        _ => {}
    }
}
