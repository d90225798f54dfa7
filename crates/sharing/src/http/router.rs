//! One router for console, JSON API and TAXII.

use std::time::{Duration, Instant};

use axum::{
    Router,
    body::Body,
    extract::{Request, State as Shared},
    http::{Response, StatusCode, header},
    middleware::{self, Next},
    routing::any,
};
use futures::StreamExt;
use runtime::http::Peer;

use super::{
    Server, access, api, console, feed,
    respond::{counted, report},
    taxii,
};

/// Time limit for the body of a request.
const BODY_TIME: Duration = Duration::from_secs(20);

/// Console, JSON API and TAXII on one listener.
pub(crate) fn router(server: Server) -> Router {
    Router::new()
        .merge(console::routes())
        .merge(api::routes())
        .layer(middleware::from_fn_with_state(server.clone(), access::gate))
        .merge(access::routes())
        .merge(feed::routes())
        .route("/taxii2", any(taxii))
        .route("/taxii2/", any(taxii))
        .route("/taxii2/{*path}", any(taxii))
        .fallback(console::lost)
        .with_state(server)
}

async fn taxii(Shared(server): Shared<Server>, request: Request) -> Response<Body> {
    let Server { sharing, access } = server;
    let began = Instant::now();
    let (parts, body) = request.into_parts();
    let awaited = parts.headers.contains_key(header::EXPECT);
    let step = sharing
        .blocking(move |inner| {
            let query = parts.uri.query().unwrap_or("");
            let peer = parts.extensions.get::<Peer>();
            Ok(taxii::begin(inner, &access, &parts.method, parts.uri.path(), query, &parts.headers, peer))
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

/// Reads and discards the rest of a body for a limited time: otherwise a client that is still sending would not see the response.
/// The limits are lower for clients that are not logged in.
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
    let declared = usize::try_from(http_body::Body::size_hint(&body).lower()).unwrap_or(usize::MAX);
    if declared > most && awaited {
        // It was not sent yet, and need not be.
        return Err(taxii::NoBody::TooLong);
    }
    let mut kept = Vec::with_capacity(declared.min(most));
    let mut length = 0usize;
    let mut chunks = body.into_data_stream();
    let reading = async {
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| taxii::NoBody::BrokenOff)?;
            length = length.saturating_add(chunk.len());
            if length.max(declared) <= most {
                kept.extend_from_slice(&chunk);
            } else if length > most.saturating_mul(8) {
                break;
            }
            // What is too long is read on for a while, and dropped: a client that is still sending would not see the answer.
        }
        Ok(())
    };
    tokio::time::timeout(BODY_TIME, reading).await.unwrap_or(Err(taxii::NoBody::TooSlow))?;
    if length.max(declared) > most { Err(taxii::NoBody::TooLong) } else { Ok(kept) }
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

/// What [`Sharing::serve`](crate::service::Sharing::serve) puts around everything else.
pub(crate) fn outermost(router: Router) -> Router {
    router.layer(middleware::from_fn(taxii_refusals))
}
