//! Tokens for the JSON API: what each scope opens, and what ends a token.

use std::collections::BTreeSet;

use super::*;
use crate::token::Scope;

const DAY: SignedDuration = SignedDuration::from_hours(24);

impl Server {
    fn token(&self, owner: &str, service: bool, scopes: &[Scope]) -> Result<String, String> {
        let scopes: BTreeSet<Scope> = scopes.iter().copied().collect();
        let issued = self.runtime.block_on(self.sharing.issue_token(owner, service, scopes, DAY, "operator"));
        issued.map_err(|error| error.to_string())
    }

    fn with_token(&self, method: &str, path: &str, token: &str, body: &str) -> Reply {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        self.request(method, path, if body.is_empty() { &headers[..1] } else { &headers }, body)
    }
}

#[test]
fn a_service_reads_with_its_token_and_decides_nothing() {
    let s = start(|_, _| {});
    let token = s.token("siem", true, &[Scope::Read]).unwrap();
    for path in ["/api/clusters", "/api/audit?after=0", "/api/openapi.json", "/api/recipients"] {
        assert_eq!(s.with_token("GET", path, &token, "").status, 200, "{path}");
    }
    let person: serde_json::Value = serde_json::from_str(&s.with_token("GET", "/api/person", &token, "").text).unwrap();
    let expected = serde_json::json!({
        "name": "service:siem", "roles": [], "sign_off_roles": [], "csrf": "", "scopes": ["read"],
    });
    assert_eq!(person, expected);
    let step = |step: &str| {
        let body = format!("{{\"revision\": 1, \"step\": {step}}}");
        s.with_token("POST", "/api/clusters/c-1/steps", &token, &body)
    };
    for decision in [
        "{\"take\": \"begin_review\"}",
        "{\"take\": \"approve\"}",
        "{\"take\": \"release\"}",
        "{\"take\": \"retract\", \"reason\": \"x\"}",
    ] {
        let refused = step(decision);
        assert_eq!(refused.status, 403, "{decision}: {}", refused.text);
        assert!(refused.text.contains("no scope of the token allows it"), "{}", refused.text);
    }
    assert_eq!(s.with_token("POST", "/api/deliveries/d-1/discard", &token, "").status, 403);
    // Pages are for people who log in, and partners have keys of their own.
    assert_eq!(s.with_token("GET", "/clusters/c-1", &token, "").status, 303);
    assert_eq!(s.taxii(&format!("Bearer {token}")).status, 401);
}

#[test]
fn scopes_open_what_they_name_and_no_more() {
    let s = start(|_, _| {});
    let deliveries = s.token("mailer", true, &[Scope::Deliveries]).unwrap();
    let refused = s.with_token("GET", "/api/clusters", &deliveries, "");
    assert_eq!((refused.status, refused.text.contains("scope read")), (403, true), "{}", refused.text);
    let unknown = s.with_token("POST", "/api/deliveries/d-1/discard", &deliveries, "");
    assert_eq!(unknown.status, 422, "it may, and there is no such delivery: {}", unknown.text);

    let handovers = s.token("eve", false, &[Scope::Read, Scope::Handovers]).unwrap();
    let handover = "{\"take\": \"record_handover\", \"handover\": {\"recipient\": \"fbi\", \"to\": \"A. Smith\", \
                    \"how\": \"by courier\", \"at\": \"2024-01-01T00:00:00Z\"}}";
    let take = |step: &str| {
        s.with_token("POST", "/api/clusters/c-1/steps", &handovers, &format!("{{\"revision\": 1, \"step\": {step}}}"))
    };
    let taken = take(handover);
    assert_eq!(taken.status, 404, "it may, and there is no such case: {}", taken.text);
    assert_eq!(take("{\"take\": \"approve\"}").status, 403, "what eve may do herself, her token may not");

    for (owner, service, scopes, why) in [
        ("siem", true, &[Scope::Handovers][..], "a handover is a person's record"),
        ("ann", false, &[Scope::Deliveries], "needs the role admin"),
        ("ann", false, &[Scope::Handovers], "needs the role approver"),
        ("nobody", false, &[Scope::Read], "there is no user \"nobody\""),
        ("a b", true, &[Scope::Read], "cannot be a user's name"),
        ("siem", true, &[], "needs a scope"),
    ] {
        let refused = s.token(owner, service, scopes).unwrap_err();
        assert!(refused.contains(why), "{owner}: {refused}");
    }
    for lasts in [SignedDuration::ZERO, DAY * 367] {
        let issued = s.sharing.issue_token("siem", true, [Scope::Read].into(), lasts, "operator");
        assert!(s.runtime.block_on(issued).unwrap_err().to_string().contains("366 days"));
    }
}

#[test]
fn a_token_ends_when_it_expires_is_revoked_or_its_owner_is_removed() {
    let s = start(|config, _| config.limits.stranger_per_minute = 1000);
    let opens = |token: &str| s.with_token("GET", "/api/person", token, "").status == 200;
    let (first, second) =
        (s.token("ann", false, &[Scope::Read]).unwrap(), s.token("ann", false, &[Scope::Read]).unwrap());
    assert!(opens(&first) && opens(&second));
    s.runtime.block_on(s.sharing.revoke_token(key::parse_token(&first).unwrap().0, "operator")).unwrap();
    assert!(!opens(&first) && opens(&second));
    let again = s.runtime.block_on(s.sharing.revoke_token(key::parse_token(&first).unwrap().0, "operator"));
    assert!(again.unwrap_err().to_string().contains("tokens list"));
    let expired = s.token("siem", true, &[Scope::Read]).unwrap();
    s.sql(&format!(
        "update api_tokens set expires_at = 1 where token_id = '{}'",
        key::parse_token(&expired).unwrap().0
    ));
    assert!(!opens(&expired));
    // Whoever is removed from the users' file is out with the next request.
    let path = Path::new(&s.sharing.config().login.users).to_owned();
    let mut users = Users::read(&path).unwrap();
    users.remove("ann").unwrap();
    users.write(&path).unwrap();
    assert!(!opens(&second));
    let wrong = s.with_token("GET", "/api/person", &format!("lockstepapi_{}_{}", "0".repeat(16), "0".repeat(64)), "");
    assert_eq!(wrong.status, 401);
    assert!(wrong.header("www-authenticate").starts_with("Bearer"));
    let entries = s.sharing.inner.store.history("user ann").unwrap();
    let actions: Vec<&str> = entries.iter().map(|sealed| sealed.entry.action.as_str()).collect();
    assert_eq!(actions, ["token_issued", "token_issued", "token_revoked"]);
    let shown = serde_json::to_string(&s.runtime.block_on(s.sharing.tokens()).unwrap()).unwrap();
    let database = std::fs::read(s.folder.path().join("sharing.sqlite")).unwrap();
    for token in [&first, &second, &expired] {
        let (id, secret) = key::parse_token(token).unwrap();
        assert!(shown.contains(id) && !shown.contains(secret));
        assert!(!database.windows(64).any(|window| window == secret.as_bytes()), "the secret is not stored");
    }
}

#[test]
fn a_wrong_token_is_not_saved_by_a_session_and_too_many_requests_are_refused() {
    let s = start(|config, _| (config.limits.partner_per_minute, config.limits.stranger_per_minute) = (3, 5));
    let cookie = fixtures::log_in(&s.base(), "ann");
    let both = [("cookie", cookie.as_str()), ("authorization", "Bearer lockstepapi_x")];
    assert_eq!(s.get("/api/person", &both[..1]).status, 200);
    assert_eq!(s.get("/api/person", &both).status, 401);
    let token = s.token("siem", true, &[Scope::Read]).unwrap();
    let replies: Vec<Reply> = (0..4).map(|_| s.with_token("GET", "/api/person", &token, "")).collect();
    let statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [200, 200, 200, 429]);
    assert!(!replies[3].header("retry-after").is_empty());
    assert!(replies[3].text.contains("wait for the seconds of Retry-After"), "{}", replies[3].text);
    assert_eq!(s.limited("token"), 1);
    let session = [("cookie", cookie.as_str())];
    let description: serde_json::Value = serde_json::from_str(&s.get("/api/openapi.json", &session).text).unwrap();
    let operations = description["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap());
    for (method, operation) in operations {
        assert!(operation["responses"]["429"].is_object(), "{method} {}", operation["operationId"]);
    }
    // A page of another site cannot use a token through a browser.
    let foreign = [("authorization", format!("Bearer {token}")), ("origin", "https://evil.example".to_owned())];
    let foreign: Vec<(&str, &str)> = foreign.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(s.request("POST", "/api/deliveries/d-1/discard", &foreign, "").status, 403);
}

#[test]
fn a_program_follows_the_audit_log_from_entry_to_entry() {
    let s = start(|_, _| {});
    let token = s.token("siem", true, &[Scope::Read]).unwrap();
    let entries = |query: &str| {
        let reply = s.with_token("GET", &format!("/api/audit{query}"), &token, "");
        assert_eq!(reply.status, 200, "{}", reply.text);
        let body: serde_json::Value = serde_json::from_str(&reply.text).unwrap();
        let seqs = body["entries"].as_array().unwrap().iter().map(|entry| entry["seq"].as_i64().unwrap());
        seqs.collect::<Vec<i64>>()
    };
    for _ in 0..3 {
        s.key("birds");
    }
    assert_eq!(entries("?after=0"), [1, 2, 3, 4]);
    assert_eq!(entries("?after=3"), [4]);
    assert!(entries("?after=4").is_empty());
    assert_eq!(entries("?before=3"), [2, 1]);
    assert_eq!(s.with_token("GET", "/api/audit?after=1&before=3", &token, "").status, 400);
}

#[test]
fn each_entry_of_the_audit_log_is_an_event_once() {
    let s = start(|_, _| {});
    let lines = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let subscriber = {
        let lines = std::sync::Arc::clone(&lines);
        tracing_subscriber::fmt().json().with_writer(move || Shared(std::sync::Arc::clone(&lines))).finish()
    };
    s.key("birds");
    tracing::subscriber::with_default(subscriber, || {
        s.sharing.inner.report_audit().unwrap();
        s.sharing.inner.report_audit().unwrap();
    });
    let text = String::from_utf8(lines.lock().unwrap().clone()).unwrap();
    let events: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), 1, "{text}");
    let fields = &events[0]["fields"];
    assert_eq!((&fields["event"], &fields["seq"]), (&"key_issued".into(), &1.into()));
    assert_eq!((&fields["subject"], &fields["actor"]), (&"partner birds".into(), &"lockstep".into()));
}

struct Shared(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
