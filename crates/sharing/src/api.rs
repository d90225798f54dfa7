//! The JSON API of the console.

use std::time::Instant;

use axum::{
    Router,
    body::Body,
    extract::{Path, Query, State as Shared},
    http::{Response, StatusCode},
    routing::get,
};
use serde_json::json;

use crate::{
    console::Wanted,
    service::Sharing,
    web::{counted, json_error, json_failed, json_response},
};

/// Its routes.
pub(crate) fn routes() -> Router<Sharing> {
    Router::new().route("/api/clusters", get(api_list)).route("/api/clusters/{id}", get(api_page))
}

async fn api_list(
    Shared(sharing): Shared<Sharing>,
    wanted: Result<Query<Wanted>, axum::extract::rejection::QueryRejection>,
) -> Response<Body> {
    let began = Instant::now();
    let response = match wanted {
        Err(rejection) => json_error(StatusCode::BAD_REQUEST, &rejection.body_text()),
        Ok(Query(wanted)) => {
            let (query, _) = wanted.query(sharing.config().console_page);
            match sharing.blocking(move |inner| Ok(inner.store.cases(&query)?)).await {
                Ok((rows, total)) => json_response(StatusCode::OK, &json!({"total": total, "clusters": rows})),
                Err(error) => json_failed(&sharing, &error),
            }
        }
    };
    counted(&sharing, "api", "list", began, response)
}

async fn api_page(Shared(sharing): Shared<Sharing>, Path(id): Path<String>) -> Response<Body> {
    let began = Instant::now();
    let found = sharing
        .blocking(move |inner| {
            let Some(stored) = inner.store.case(&id)? else {
                return Ok(None);
            };
            let history = inner.store.history(&stored.case.id)?;
            let feedback = inner.store.feedback_of(&stored.case.id)?;
            let retractions = inner.store.retractions_of(&stored.case.id)?;
            let cases = inner.store.retraction_cases_of(&stored.case.id)?;
            Ok(Some((stored, history, feedback, retractions, cases)))
        })
        .await;
    let response = match found {
        Ok(Some((stored, history, feedback, retractions, cases))) => {
            let page = json!({
                "case": stored.case,
                "cluster": stored.cluster,
                "history": history,
                "feedback": feedback,
                "retractions": retractions,
                "retraction_cases": cases,
            });
            json_response(StatusCode::OK, &page)
        }
        Ok(None) => json_error(StatusCode::NOT_FOUND, "there is no such cluster"),
        Err(error) => json_failed(&sharing, &error),
    };
    counted(&sharing, "api", "cluster", began, response)
}
