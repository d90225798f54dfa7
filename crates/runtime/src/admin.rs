//! The operator's HTTP endpoints `/metrics`, `/live` and `/ready`, on their own listener.
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use serde_json::json;

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

/// The admin routes. `/metrics` is in Prometheus' text format. `/live` answers 200 while the
/// process runs. `/ready` answers 200, or 503 with the reasons as JSON until all checks are ready.
pub fn router(metrics: Metrics, readiness: Readiness) -> Router {
    let routes = Router::new()
        .route(
            "/metrics",
            get(move || async move {
                let kind = "text/plain; version=0.0.4; charset=utf-8";
                ([(header::CONTENT_TYPE, kind)], metrics.text())
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
            router(metrics, readiness.clone()),
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
}
