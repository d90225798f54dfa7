//! Login against a provider that is real in everything that counts: it checks the code, the verifier and the secret, and signs with
//! RSA and with an elliptic curve. Its answers can be made wrong.

use std::sync::{Arc, Mutex};

use axum::{
    Form, Json, Router,
    extract::{Query, State as Shared},
    http::{HeaderMap, StatusCode},
    routing::{get, post},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use serde_json::{Value, json};

use super::*;

/// Made for these tests, and used by nobody: `openssl genpkey -algorithm RSA`.
const RSA: &[u8] = include_bytes!("rsa.pk8");

type Fields = std::collections::BTreeMap<String, String>;

#[derive(Clone)]
struct Idp(Arc<Inside>);

struct Inside {
    issuer: String,
    rsa: RsaKeyPair,
    curve: EcdsaKeyPair,
    /// Codes given out, with what was asked for.
    codes: Mutex<Vec<Fields>>,
    /// What to change in the next tokens.
    wrong: Mutex<Wrong>,
    asked_for_keys: Mutex<u32>,
}

/// How a token is made; as it should be by default.
#[derive(Clone, Default)]
struct Wrong {
    claims: Vec<(&'static str, Value)>,
    algorithm: Option<&'static str>,
    kid: Option<&'static str>,
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

impl Idp {
    fn start(runtime: &tokio::runtime::Runtime) -> Self {
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let idp = Idp(Arc::new(Inside {
            issuer: format!("http://{}/realm", listener.local_addr().unwrap()),
            rsa: RsaKeyPair::from_pkcs8(RSA).unwrap(),
            curve: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap(),
            codes: Mutex::default(),
            wrong: Mutex::default(),
            asked_for_keys: Mutex::default(),
        }));
        let router = Router::new()
            .route("/realm/.well-known/openid-configuration", get(about))
            .route("/realm/keys", get(published))
            .route("/realm/authorize", get(authorize))
            .route("/realm/token", post(token))
            .with_state(idp.clone());
        runtime.spawn(async move { axum::serve(listener, router).await });
        idp
    }

    fn next_is(&self, wrong: Wrong) {
        *self.0.wrong.lock().unwrap() = wrong;
    }

    fn sign(&self, claims: &Value, wrong: &Wrong) -> String {
        let algorithm = wrong.algorithm.unwrap_or("RS256");
        let kid = wrong.kid.unwrap_or(if algorithm == "ES256" { "curve" } else { "rsa" });
        let said = format!("{}.{}", encode(&json!({"alg": algorithm, "kid": kid, "typ": "JWT"})), encode(claims));
        let random = SystemRandom::new();
        let signature = match algorithm {
            "RS256" => {
                let mut signature = vec![0; self.0.rsa.public().modulus_len()];
                self.0.rsa.sign(&RSA_PKCS1_SHA256, &random, said.as_bytes(), &mut signature).unwrap();
                signature
            }
            "ES256" => self.0.curve.sign(&random, said.as_bytes()).unwrap().as_ref().to_vec(),
            // The oldest trick: the public key as a shared secret.
            "HS256" => {
                let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, self.0.rsa.public().as_ref());
                ring::hmac::sign(&secret, said.as_bytes()).as_ref().to_vec()
            }
            _ => Vec::new(),
        };
        format!("{said}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

async fn about(Shared(Idp(idp)): Shared<Idp>) -> Json<Value> {
    let at = |path: &str| format!("{}/{path}", idp.issuer);
    Json(json!({
        "issuer": idp.issuer,
        "authorization_endpoint": at("authorize"),
        "token_endpoint": at("token"),
        "jwks_uri": at("keys"),
    }))
}

async fn published(Shared(Idp(idp)): Shared<Idp>) -> Json<Value> {
    *idp.asked_for_keys.lock().unwrap() += 1;
    let components: ring::signature::RsaPublicKeyComponents<Vec<u8>> = idp.rsa.public().into();
    let point = idp.curve.public_key().as_ref();
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    Json(json!({"keys": [
        {"kty": "quantum", "kid": "of another age"},
        {"kty": "RSA", "kid": "rsa", "use": "sig", "alg": "RS256", "n": text(&components.n), "e": text(&components.e)},
        {"kty": "EC", "kid": "curve", "use": "sig", "crv": "P-256", "x": text(&point[1..33]), "y": text(&point[33..])},
    ]}))
}

async fn authorize(Shared(Idp(idp)): Shared<Idp>, Query(asked): Query<Fields>) -> (StatusCode, HeaderMap) {
    assert_eq!((asked["response_type"].as_str(), asked["code_challenge_method"].as_str()), ("code", "S256"));
    assert_eq!((asked["client_id"].as_str(), asked["scope"].as_str()), ("lockstep client", "openid email profile"));
    let to = format!("{}?code={}&state={}", asked["redirect_uri"], idp.codes.lock().unwrap().len(), asked["state"]);
    idp.codes.lock().unwrap().push(asked);
    (StatusCode::FOUND, [(axum::http::header::LOCATION, to.parse().unwrap())].into_iter().collect())
}

async fn token(
    Shared(idp): Shared<Idp>,
    headers: HeaderMap,
    Form(form): Form<Fields>,
) -> Result<Json<Value>, StatusCode> {
    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if authorization != format!("Basic {}", STANDARD.encode("lockstep+client:s3cret%26")) {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let index: usize = form["code"].parse().map_err(|_| StatusCode::BAD_REQUEST)?;
    let asked = idp.0.codes.lock().unwrap().get_mut(index).map(std::mem::take).unwrap_or_default();
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(form["code_verifier"].as_bytes()));
    if asked.get("code_challenge") != Some(&challenge) || asked["redirect_uri"] != form["redirect_uri"] {
        return Err(StatusCode::BAD_REQUEST);
    }
    let now = Timestamp::now().as_second();
    let mut claims = json!({
        "iss": idp.0.issuer,
        "sub": "7f0c",
        "aud": "lockstep client",
        "iat": now,
        "exp": now + 300,
        "nonce": asked["nonce"],
        "email": "ann@example.org",
        "email_verified": true,
        "realm": {"groups": ["trust", "reviewers"]},
    });
    let wrong = idp.0.wrong.lock().unwrap().clone();
    for (name, value) in &wrong.claims {
        claims[*name] = value.clone();
    }
    let id_token = idp.sign(&claims, &wrong);
    Ok(Json(json!({"access_token": "x", "token_type": "Bearer", "id_token": id_token})))
}

/// A service that lets people in by a provider, and that provider.
fn with_provider() -> (Server, Idp, tokio::runtime::Runtime) {
    with_provider_and(|_| ())
}

fn with_provider_and(change: impl FnOnce(&mut Provider)) -> (Server, Idp, tokio::runtime::Runtime) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let idp = Idp::start(&runtime);
    let s = start(|config, _| {
        config.public_url = "http://localhost:8080".to_owned();
        config.limits.logins_per_quarter_hour = 1000;
        config.login.provider = Provider {
            issuer: idp.0.issuer.clone(),
            client_id: "lockstep client".to_owned(),
            client_secret: "s3cret&".to_owned(),
            roles_claim: "realm.groups".to_owned(),
            roles: [("reviewers".to_owned(), Role::Reviewer), ("releasers".to_owned(), Role::Approver)].into(),
            ..Provider::default()
        };
        change(&mut config.login.provider);
    });
    (s, idp, runtime)
}

fn cookie_of(reply: &Reply) -> String {
    let all =
        reply.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap().split(';').next().unwrap());
    all.filter(|cookie| !cookie.ends_with('=')).collect::<Vec<_>>().join("; ")
}

impl Server {
    /// Goes to the provider; returns where it sends the browser back to, and the cookie that goes along.
    fn leave(&self, next: &str) -> (String, String) {
        let left = self.get(&format!("/login/provider?next={next}"), &[]);
        assert_eq!(left.status, 303, "{}", left.text);
        let cookie = left.header("set-cookie");
        assert!(cookie.contains("SameSite=Lax") && cookie.contains("HttpOnly"), "{cookie}");
        let agent: ureq::Agent = ureq::Agent::config_builder().max_redirects(0).build().into();
        let there = reply(agent.get(left.header("location")).call().unwrap());
        let back = there.header("location").strip_prefix("http://localhost:8080").unwrap().to_owned();
        (back, cookie_of(&left))
    }

    fn by_provider(&self) -> Reply {
        let (back, cookie) = self.leave("/clusters/x");
        self.get(&back, &[("cookie", &cookie)])
    }
}

#[test]
fn a_provider_lets_people_in_with_their_roles() {
    let (s, idp, _runtime) = with_provider();
    assert!(s.get("/login", &[]).text.contains("Log in with single sign-on"));
    for algorithm in ["RS256", "ES256"] {
        idp.next_is(Wrong { algorithm: Some(algorithm), ..Wrong::default() });
        let arrived = s.by_provider();
        assert_eq!(arrived.status, 200, "{}", arrived.text);
        assert!(arrived.text.contains("url=/clusters/x\""), "not a redirect, and to where it was going");
        let cookies: Vec<&str> = arrived.headers.get_all("set-cookie").iter().map(|v| v.to_str().unwrap()).collect();
        assert!(cookies.iter().any(|c| c.starts_with("lockstep-login=;") && c.contains("Max-Age=0")), "{cookies:?}");
        assert!(cookies.iter().any(|c| c.starts_with("lockstep=") && c.contains("SameSite=Strict")), "{cookies:?}");
        let cookie = cookie_of(&arrived);
        assert_eq!(s.get("/", &[("cookie", &cookie)]).status, 200);
        let hash = Sha256::digest(cookie.split_once('=').unwrap().1.as_bytes());
        let person =
            Access::new(s.sharing.config()).person(&s.sharing.inner, &hash, Timestamp::now()).unwrap().unwrap();
        assert_eq!(person.name, "ann@example.org");
        assert!(person.may(Role::Reviewer) && !person.may(Role::Approver) && !person.may(Role::Admin));
    }
    assert_eq!(*idp.0.asked_for_keys.lock().unwrap(), 1, "what the provider says of itself is remembered");
}

#[test]
fn a_provider_says_in_which_roles_a_person_signs_off() {
    let groups = |groups: Value| Wrong { claims: vec![("realm", json!({"groups": groups}))], ..Wrong::default() };
    let roles = |s: &Server| {
        let arrived = s.by_provider();
        assert_eq!(arrived.status, 200, "{}", arrived.text);
        let cookie = cookie_of(&arrived);
        let person: Value = serde_json::from_str(&s.get("/api/person", &[("cookie", &cookie)]).text).unwrap();
        person["sign_off_roles"].clone()
    };
    // Without a table, values that the rules ask for are these roles.
    let (s, idp, _runtime) = with_provider();
    idp.next_is(groups(json!(["reviewers", "public affairs", "accounting"])));
    assert_eq!(roles(&s), json!(["public affairs"]));
    // Somebody who signs off need not review.
    idp.next_is(groups(json!(["public affairs"])));
    assert_eq!(roles(&s), json!(["public affairs"]));
    // With one, only what it names; a role that no rule asks for is none.
    let (s, idp, _runtime) = with_provider_and(|provider| {
        let role = |value: &str, role: &str| (value.to_owned(), role.to_owned());
        provider.sign_off_roles = [role("press", "public affairs"), role("books", "accounting")].into();
    });
    idp.next_is(groups(json!(["reviewers", "press", "books", "congressional affairs"])));
    assert_eq!(roles(&s), json!(["public affairs"]));
}

#[test]
fn whoever_has_no_role_stays_out() {
    let (s, idp, _runtime) = with_provider();
    for groups in [json!([]), json!(["trust"]), json!("trust"), json!(null), json!(7), json!(["reviewer"])] {
        idp.next_is(Wrong { claims: vec![("realm", json!({"groups": groups}))], ..Wrong::default() });
        let refused = s.by_provider();
        assert_eq!(refused.status, 403, "{groups}");
        assert!(refused.text.contains("no role here"));
        assert_eq!(cookie_of(&refused), "");
    }
}

#[test]
fn a_token_that_is_wrong_in_any_way_lets_nobody_in() {
    let (s, idp, _runtime) = with_provider();
    let now = Timestamp::now().as_second();
    let claims = |name, value| Wrong { claims: vec![(name, value)], ..Wrong::default() };
    let wrongs = [
        ("nonce", claims("nonce", json!("another login"))),
        ("no nonce", claims("nonce", json!(null))),
        ("audience", claims("aud", json!("another client"))),
        ("no audience", claims("aud", json!(null))),
        ("two audiences", claims("aud", json!(["lockstep client", "another"]))),
        ("another party", claims("azp", json!("another"))),
        ("issuer", claims("iss", json!("https://evil.example"))),
        ("ended", claims("exp", json!(now - 120))),
        ("no end", claims("exp", json!(null))),
        ("an end in words", claims("exp", json!("tomorrow"))),
        ("not yet", claims("nbf", json!(now + 600))),
        ("not yet, in words", claims("nbf", json!("later"))),
        ("address not verified", claims("email_verified", json!(false))),
        ("no name", claims("email", json!(null))),
        ("the service's own name", claims("email", json!("lockstep"))),
        ("a hostile name", claims("email", json!("<script>"))),
        ("unsigned", Wrong { algorithm: Some("none"), ..Wrong::default() }),
        ("public key as secret", Wrong { algorithm: Some("HS256"), ..Wrong::default() }),
        ("another key", Wrong { kid: Some("curve"), ..Wrong::default() }),
        ("a key of another kind", Wrong { algorithm: Some("ES256"), kid: Some("rsa"), ..Wrong::default() }),
        ("unknown key", Wrong { kid: Some("nobody's"), ..Wrong::default() }),
    ];
    for (what, wrong) in wrongs {
        idp.next_is(wrong);
        let refused = s.by_provider();
        assert_eq!(refused.status, 502, "{what}");
        assert_eq!(cookie_of(&refused), "", "{what}");
    }
    idp.next_is(Wrong::default());
    assert_eq!(s.by_provider().status, 200);
    assert!(*idp.0.asked_for_keys.lock().unwrap() <= 2, "unknown keys are no way to make us ask again and again");
}

#[test]
fn a_login_ends_in_the_browser_that_began_it_and_only_once() {
    let (s, _idp, _runtime) = with_provider();
    let (back, cookie) = s.leave("//evil.example");
    let (_, others) = s.leave("/");
    assert_eq!(s.get(&back, &[]).status, 400, "without the cookie");
    assert_eq!(s.get(&back, &[("cookie", &others)]).status, 400, "with another login's");
    assert_eq!(s.get("/login/return", &[("cookie", &cookie)]).status, 400);
    let foreign = format!("{back}&iss=https%3A%2F%2Fevil.example");
    assert_eq!(s.get(&foreign, &[("cookie", &cookie)]).status, 502, "another provider's answer");
    let arrived = s.get(&back, &[("cookie", &cookie)]);
    assert_eq!(arrived.status, 200);
    assert!(arrived.text.contains("url=/\""), "never to another site");
    assert_eq!(s.get(&back, &[("cookie", &cookie)]).status, 502, "a code is good for once");
    let state = back.split("state=").nth(1).unwrap();
    let denied = s.get(&format!("/login/return?error=access_denied&state={state}"), &[("cookie", &cookie)]);
    assert_eq!(denied.status, 403);
    assert!(denied.text.contains("access_denied"));
}

#[test]
fn a_provider_that_is_not_itself_or_not_there_is_not_used() {
    let (s, idp, runtime) = with_provider();
    drop(runtime);
    assert_eq!(s.get("/login/provider", &[]).status, 502);
    assert_eq!(s.log_in("ann", fixtures::PASSWORD).status, 303, "who has a password is not locked out by it");

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let other = Idp::start(&runtime);
    let s = start(|config, _| {
        config.public_url = "http://localhost:8080".to_owned();
        // The same server under another name.
        let issuer = other.0.issuer.replace("127.0.0.1", "localhost");
        config.login.provider = Provider { issuer, client_id: "x".to_owned(), ..Provider::default() };
    });
    assert_eq!(s.get("/login/provider", &[]).status, 502);
    drop(idp);

    let mut config = Config::default();
    config.login.provider.issuer = "http://idp.example".to_owned();
    assert!(config.check().unwrap_err().contains("https://"));
    config.login.provider.issuer = "https://idp.example".to_owned();
    assert!(config.check().unwrap_err().contains("client_id"));
    config.login.provider.client_id = "lockstep".to_owned();
    assert!(config.check().unwrap_err().contains("sharing.public_url"));
}
