//! The operator's HTTP endpoints `/metrics`, `/live` and `/ready`, on their own listener.
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{http, metrics::Metrics};

/// Number of requests at the same time, and the time for each. Monitoring tools send few and small
/// requests.
const AT_ONCE: usize = 16;
const LIMIT: Duration = Duration::from_secs(10);

/// Readiness of a service: ready if every named check is ready. Cheap to clone; all clones share
/// one state.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<String, Result<(), String>>>>);

impl Readiness {
    /// Readiness without checks, which counts as ready.
    pub fn new() -> Readiness {
        Readiness::default()
    }

    /// Adds a check that is not ready yet. If the name exists already, returns a handle of the
    /// existing check.
    pub fn check(&self, name: &str) -> Check {
        self.lock().entry(name.to_owned()).or_insert_with(|| Err("starting".to_owned()));
        Check { readiness: self.clone(), name: name.to_owned() }
    }

    /// Whether every check is ready.
    pub fn is_ready(&self) -> bool {
        self.lock().values().all(Result::is_ok)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Result<(), String>>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn report(&self) -> (bool, serde_json::Value) {
        let checks = self.lock();
        let ready = checks.values().all(Result::is_ok);
        let checks: serde_json::Map<String, serde_json::Value> = checks
            .iter()
            .map(|(name, state)| match state {
                Ok(()) => (name.clone(), json!({ "ready": true })),
                Err(reason) => (name.clone(), json!({ "ready": false, "reason": reason })),
            })
            .collect();
        (ready, json!({ "ready": ready, "checks": checks }))
    }
}

/// One condition for the service to be ready.
#[derive(Debug, Clone)]
pub struct Check {
    readiness: Readiness,
    name: String,
}

impl Check {
    /// Marks the check as ready.
    pub fn ready(&self) {
        self.set(Ok(()));
    }

    /// Marks the check as not ready, with the reason.
    pub fn not_ready(&self, reason: impl Into<String>) {
        self.set(Err(reason.into()));
    }

    fn set(&self, state: Result<(), String>) {
        self.readiness.lock().insert(self.name.clone(), state);
    }
}

/// The fewest characters of a token; whoever can reach the listener can try tokens.
const SHORTEST_TOKEN: usize = 16;

/// The token for `/metrics`, in a file of its own, which is read at every request: a new token needs
/// no restart. Line ends after the token do not count.
#[derive(Debug, Clone)]
pub struct TokenFile(PathBuf);

impl TokenFile {
    /// Reads the file once. An error says what is wrong with it.
    pub fn open(path: impl Into<PathBuf>) -> Result<TokenFile, String> {
        let file = TokenFile(path.into());
        file.read()?;
        Ok(file)
    }

    fn read(&self) -> Result<String, String> {
        let path = self.0.display();
        let text = std::fs::read_to_string(&self.0).map_err(|error| {
            format!(
                "cannot read the token in {path}: {error}; make one with `(umask 077; openssl rand -hex 32 > {path})`"
            )
        })?;
        let token = text.trim_end_matches(['\r', '\n']).to_owned();
        let plain = token.len() >= SHORTEST_TOKEN && token.bytes().all(|b| b.is_ascii_graphic());
        if !plain {
            return Err(format!(
                "the token in {path} cannot be used: it must be one line of at least {SHORTEST_TOKEN} letters, digits and signs \
                 without spaces; make one with `(umask 077; openssl rand -hex 32 > {path})`"
            ));
        }
        Ok(token)
    }

    /// The refusal of a request without the token; `None` for a request with the token.
    fn refusal(&self, headers: &HeaderMap) -> Option<Response> {
        let token = match self.read() {
            Ok(token) => token,
            Err(why) => {
                tracing::error!(%why, "nobody can read /metrics until this is corrected");
                return Some(
                    (StatusCode::SERVICE_UNAVAILABLE, "the token cannot be read, see the log\n").into_response(),
                );
            }
        };
        let given = http::bearer(headers).unwrap_or_default();
        // Hashes have one length, whatever was given.
        if Sha256::digest(given)[..].ct_eq(&Sha256::digest(token)[..]).into() {
            return None;
        }
        let text =
            "a token is needed, as `Authorization: Bearer TOKEN`; it is in the file that admin.token_file names\n";
        Some((StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], text).into_response())
    }
}

/// The admin routes. `/metrics` is in Prometheus' text format, for clients with the token if there
/// is one. `/live` answers 200 while the process runs. `/ready` answers 200, or 503 with the
/// reasons as JSON until all checks are ready.
pub fn router(metrics: Metrics, readiness: Readiness, token: Option<TokenFile>) -> Router {
    let routes = Router::new()
        .route(
            "/metrics",
            get(move |headers: HeaderMap| async move {
                if let Some(refusal) = token.and_then(|token| token.refusal(&headers)) {
                    return refusal;
                }
                let kind = "text/plain; version=0.0.4; charset=utf-8";
                ([(header::CONTENT_TYPE, kind)], metrics.text()).into_response()
            }),
        )
        .route("/live", get(|| async { Json(json!({ "live": true })) }))
        .route(
            "/ready",
            get(move || async move {
                let (ready, report) = readiness.report();
                let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
                (status, Json(report)).into_response()
            }),
        );
    http::bounded(routes, AT_ONCE, LIMIT)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::shutdown::Shutdown;

    async fn get(address: SocketAddr, path: &str) -> (u16, String) {
        let url = format!("http://{address}{path}");
        tokio::task::spawn_blocking(move || {
            let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
            let mut response = agent.get(&url).call().unwrap();
            (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
        })
        .await
        .unwrap()
    }

    #[tokio::test]
    async fn the_routes_answer_and_the_server_stops() {
        let metrics = Metrics::new().unwrap();
        metrics.counter("hits_total", "Hits").unwrap().inc();
        let readiness = Readiness::new();
        let (log, state) = (readiness.check("log"), readiness.check("state"));
        let listener = http::listen(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = Shutdown::new();
        let server = tokio::spawn(http::serve(
            router(metrics, readiness.clone(), None),
            listener,
            http::Serving::default(),
            shutdown.clone(),
        ));

        let (status, text) = get(address, "/metrics").await;
        assert_eq!(status, 200);
        assert!(text.contains("hits_total 1") && text.contains("process_"), "{text}");
        assert_eq!(get(address, "/live").await, (200, r#"{"live":true}"#.to_owned()));
        log.ready();
        state.not_ready("replaying, 40 of 100");
        assert_eq!(
            get(address, "/ready").await,
            (
                503,
                r#"{"checks":{"log":{"ready":true},"state":{"ready":false,"reason":"replaying, 40 of 100"}},"ready":false}"#
                    .to_owned()
            )
        );
        assert!(!readiness.is_ready());
        state.ready();
        assert_eq!(get(address, "/ready").await.0, 200);
        assert_eq!(get(address, "/else").await.0, 404);

        let error = http::listen(address).await.unwrap_err();
        let told = error.to_string();
        assert!(
            told.starts_with(&format!(
                "cannot listen on {address}: the address is in use; stop the program that listens"
            )),
            "{told}"
        );
        let free = told.rsplit(": ").next().and_then(|free| free.strip_suffix(" is free")).unwrap();
        assert!(http::is_free(free.parse().unwrap()), "{told}");
        shutdown.stop();
        server.await.unwrap();
    }

    #[tokio::test]
    async fn with_a_token_metrics_are_for_those_who_have_it_and_health_is_for_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        assert!(TokenFile::open(&path).unwrap_err().contains("openssl rand"));
        std::fs::write(&path, "too short\n").unwrap();
        assert!(TokenFile::open(&path).unwrap_err().contains("at least 16"));
        std::fs::write(&path, "0123456789abcdef\n").unwrap();
        let token = TokenFile::open(&path).unwrap();
        let listener = http::listen(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = Shutdown::new();
        let routes = router(Metrics::new().unwrap(), Readiness::new(), Some(token));
        let server = tokio::spawn(http::serve(routes, listener, http::Serving::default(), shutdown.clone()));
        let with = |authorization: &'static str| {
            tokio::task::spawn_blocking(move || {
                let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
                let request = agent.get(format!("http://{address}/metrics")).header("authorization", authorization);
                request.call().unwrap().status().as_u16()
            })
        };
        assert_eq!(get(address, "/metrics").await.0, 401);
        assert_eq!(with("Bearer 0123456789abcdef").await.unwrap(), 200);
        assert_eq!(with("Bearer 0123456789abcdeg").await.unwrap(), 401);
        assert_eq!(get(address, "/live").await.0, 200);
        assert_eq!(get(address, "/ready").await.0, 200);
        std::fs::write(&path, "another token, longer".replace([' ', ','], "-")).unwrap();
        assert_eq!(with("Bearer 0123456789abcdef").await.unwrap(), 401, "the file was changed");
        assert_eq!(with("Bearer another-token--longer").await.unwrap(), 200);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(with("Bearer another-token--longer").await.unwrap(), 503);
        shutdown.stop();
        server.await.unwrap();
    }
}
