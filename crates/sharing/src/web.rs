//! One listener for console, JSON API and TAXII: routes, and what answers have in common.

use std::time::{Duration, Instant};

use askama::Template;
use axum::{
    Router,
    body::Body,
    extract::{Request, State as Shared},
    http::{HeaderValue, Response, StatusCode, header},
    middleware::{self, Next},
    routing::any,
};
use futures::StreamExt;
use serde_json::json;

use crate::{
    access, api, console,
    service::{Sharing, SharingError},
    taxii,
};

/// Styles, one script and an icon from here, nothing else from anywhere; nobody frames us.
const CSP: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; \
                   frame-ancestors 'none'";

/// How long the body of a request may take.
const BODY_TIME: Duration = Duration::from_secs(20);

/// Console, JSON API and TAXII on one listener.
pub(crate) fn router(sharing: Sharing) -> Router {
    Router::new()
        .merge(console::routes())
        .merge(api::routes())
        .layer(middleware::from_fn_with_state(sharing.clone(), access::gate))
        .merge(access::routes())
        .route("/taxii2", any(taxii))
        .route("/taxii2/", any(taxii))
        .route("/taxii2/{*path}", any(taxii))
        .fallback(console::lost)
        .with_state(sharing)
}

async fn taxii(Shared(sharing): Shared<Sharing>, request: Request) -> Response<Body> {
    let began = Instant::now();
    let (parts, body) = request.into_parts();
    let awaited = parts.headers.contains_key(header::EXPECT);
    let step = sharing
        .blocking(move |inner| {
            let query = parts.uri.query().unwrap_or("");
            let peer = parts.extensions.get::<access::Peer>();
            Ok(taxii::begin(inner, &parts.method, parts.uri.path(), query, &parts.headers, peer))
        })
        .await;
    let answered = match step {
        Ok(taxii::Step::Body(posting)) => {
            let read = read_body(body, posting.max_content, awaited).await;
            sharing.blocking(move |inner| Ok(taxii::finish(inner, &posting, read))).await
        }
        Ok(taxii::Step::Answered(answered)) => {
            drop_body(body, answered.response.status(), awaited).await;
            Ok(answered)
        }
        Err(error) => Err(error),
    };
    let answered = answered.unwrap_or_else(|error| {
        report(&sharing, &error);
        taxii::failed(StatusCode::INTERNAL_SERVER_ERROR)
    });
    counted(&sharing, "taxii", answered.endpoint, began, answered.response)
}

/// Reads what nobody wants, for a while: a client that is still sending would not see the answer, and its connection would end.
/// Strangers get less of it.
async fn drop_body(body: Body, answered: StatusCode, awaited: bool) {
    if awaited || http_body::Body::is_end_stream(&body) {
        return;
    }
    let (most, time) = match answered {
        StatusCode::UNAUTHORIZED => (64 * 1024, Duration::from_millis(300)),
        _ => (16 * 1024 * 1024, Duration::from_secs(3)),
    };
    let mut chunks = body.into_data_stream();
    let dropping = async {
        let mut length = 0;
        while let Some(Ok(chunk)) = chunks.next().await {
            length += chunk.len();
            if length > most {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(time, dropping).await;
}

/// Reads a body, if it is not too long and comes in time.
async fn read_body(body: Body, most: u64, awaited: bool) -> Result<Vec<u8>, taxii::NoBody> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let told = usize::try_from(http_body::Body::size_hint(&body).lower()).unwrap_or(usize::MAX);
    if told > most && awaited {
        // It was not sent yet, and need not be.
        return Err(taxii::NoBody::TooLong);
    }
    let mut kept = Vec::with_capacity(told.min(most));
    let mut length = 0usize;
    let mut chunks = body.into_data_stream();
    let reading = async {
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| taxii::NoBody::BrokenOff)?;
            length = length.saturating_add(chunk.len());
            if length.max(told) <= most {
                kept.extend_from_slice(&chunk);
            } else if length > most.saturating_mul(8) {
                break;
            }
            // What is too long is read on for a while, and dropped: a client that is still sending would not see the answer.
        }
        Ok(())
    };
    tokio::time::timeout(BODY_TIME, reading).await.unwrap_or(Err(taxii::NoBody::TooSlow))?;
    if length.max(told) > most { Err(taxii::NoBody::TooLong) } else { Ok(kept) }
}

/// Refusals of the plumbing below `/taxii2/`, too many requests and too slow ones, look like TAXII's own.
async fn taxii_refusals(request: Request, next: Next) -> Response<Body> {
    let below = request.uri().path().starts_with("/taxii2");
    let response = next.run(request).await;
    let plain = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_none_or(|media| !media.as_bytes().starts_with(b"application/taxii"));
    if below && plain { taxii::failed(response.status()).response } else { response }
}

/// What [`Sharing::serve`](crate::Sharing::serve) puts around everything else.
pub(crate) fn outermost(router: Router) -> Router {
    router.layer(middleware::from_fn(taxii_refusals))
}

pub(crate) fn counted(
    sharing: &Sharing,
    surface: &str,
    endpoint: &str,
    began: Instant,
    response: Response<Body>,
) -> Response<Body> {
    let metrics = &sharing.inner.metrics;
    metrics.requests.with_label_values(&[surface, endpoint, response.status().as_str()]).inc();
    metrics.seconds.with_label_values(&[surface, endpoint]).observe(began.elapsed().as_secs_f64());
    response
}

pub(crate) fn failed(sharing: &Sharing, error: &SharingError) -> Response<Body> {
    report(sharing, error);
    html(
        StatusCode::INTERNAL_SERVER_ERROR,
        &console::MessagePage {
            title: "This page could not be made",
            text: "The reason is in the service's log. Try again in a moment.".into(),
        },
    )
}

pub(crate) fn json_failed(sharing: &Sharing, error: &SharingError) -> Response<Body> {
    report(sharing, error);
    json_error(StatusCode::INTERNAL_SERVER_ERROR, "the reason is in the service's log")
}

pub(crate) fn report(sharing: &Sharing, error: &SharingError) {
    sharing.inner.metrics.errors.with_label_values(&["http"]).inc();
    tracing::error!(%error, "a request failed");
}

pub(crate) fn html(status: StatusCode, page: &impl Template) -> Response<Body> {
    match page.render() {
        Ok(text) => respond(status, "text/html; charset=utf-8", text),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            respond(
                StatusCode::INTERNAL_SERVER_ERROR,
                "text/plain; charset=utf-8",
                "this page could not be made\n".to_owned(),
            )
        }
    }
}

pub(crate) fn json_error(status: StatusCode, why: &str) -> Response<Body> {
    let next = match status {
        StatusCode::UNAUTHORIZED => "log in, and send the session's cookie",
        StatusCode::FORBIDDEN => "ask for the role, or send the token of the session in X-CSRF-Token",
        StatusCode::NOT_FOUND => "look it up in /api/clusters",
        StatusCode::INTERNAL_SERVER_ERROR => "try again in a moment",
        _ => "mend the request: /api/openapi.json says what it may be",
    };
    json_response(status, &json!({"error": why, "next": next}))
}

pub(crate) fn json_response(status: StatusCode, value: &serde_json::Value) -> Response<Body> {
    respond(status, "application/json", value.to_string())
}

pub(crate) fn respond(status: StatusCode, media: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, media),
        (header::CONTENT_SECURITY_POLICY, CSP),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A cluster id as one segment of a path.
pub(crate) fn path_segment(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-_~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&crate::audit::hex(&[byte]).to_uppercase());
        }
        out
    })
}
