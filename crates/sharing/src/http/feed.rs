//! The accounts of a partner's collection as CSV or JSON Lines, for partners that read tables, and the page of a digest. Access is as
//! with TAXII.

pub(crate) mod digest;

use std::time::Instant;

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State as Shared},
    http::{HeaderValue, Response, StatusCode, header, request::Parts},
    routing::get,
};
use runtime::http::Peer;
use sha2::{Digest, Sha256};

use super::{
    Server,
    access::{Access, Denied},
    respond::{ErrorBody, counted, fault, json_failed, report, respond},
};
use crate::{
    object::time,
    publish::feed::{AccountRow, Format},
    service::{Inner, Sharing, SharingError, feed::Reader},
    store::{FeedState, StoreError},
};

/// Most rows that can be asked for at once.
const MOST_ROWS: u32 = 1_000_000_000;

/// Its routes.
pub(crate) fn routes() -> Router<Server> {
    Router::new()
        .route("/feed/accounts.csv", get(csv))
        .route("/feed/accounts.jsonl", get(json_lines))
        .route("/feed/digest", get(digest::page))
}

/// The accounts of the partner's collection as CSV (RFC 4180): one row for each account in each case, in the order in which the
/// indicators were added, withdrawn ones too.
///
/// A cell that a spreadsheet could take for a formula begins with an apostrophe. Columns are the fields of `AccountRow`; links
/// are separated by spaces, and what is null is empty. The answer is complete if the connection ends without an error.
#[utoipa::path(get, path = "/feed/accounts.csv", params(
    ("added_after" = Option<String>, Query, description = "only what was added after it: date_added of the last row that you have", format = DateTime),
    ("limit" = Option<i64>, Query, description = "at most so many rows", minimum = 1, maximum = 1000000000),
    ("If-None-Match" = Option<String>, Header, description = "ETag of an earlier answer to the same request"),
), responses(
    (status = 200, body = String, content_type = "text/csv", description = "the rows", headers(("ETag" = String))),
    (status = 304, description = "nothing has changed"),
    (status = 400, body = ErrorBody, description = "a parameter is unknown or has a value that is not allowed"),
    (status = 401, body = ErrorBody, description = "no valid key of a partner"),
), security(("partner_password" = []), ("partner_key" = [])))]
pub(crate) async fn csv(Shared(server): Shared<Server>, request: Request) -> Response<Body> {
    accounts(server, Format::Csv, request.into_parts().0).await
}

/// The same as JSON Lines: one `AccountRow` a line.
#[utoipa::path(get, path = "/feed/accounts.jsonl", params(
    ("added_after" = Option<String>, Query, description = "only what was added after it: date_added of the last row that you have", format = DateTime),
    ("limit" = Option<i64>, Query, description = "at most so many rows", minimum = 1, maximum = 1000000000),
    ("If-None-Match" = Option<String>, Header, description = "ETag of an earlier answer to the same request"),
), responses(
    (status = 200, body = AccountRow, content_type = "application/x-ndjson", description = "one such object a line", headers(("ETag" = String))),
    (status = 304, description = "nothing has changed"),
    (status = 400, body = ErrorBody, description = "a parameter is unknown or has a value that is not allowed"),
    (status = 401, body = ErrorBody, description = "no valid key of a partner"),
), security(("partner_password" = []), ("partner_key" = [])))]
pub(crate) async fn json_lines(Shared(server): Shared<Server>, request: Request) -> Response<Body> {
    accounts(server, Format::JsonLines, request.into_parts().0).await
}

async fn accounts(server: Server, format: Format, parts: Parts) -> Response<Body> {
    let began = Instant::now();
    let Server { sharing, access } = server;
    let response = match sharing.blocking(move |inner| open(inner, &access, format, &parts)).await {
        Ok(Opened::Rows { etag, reader }) => {
            let mut response = respond(StatusCode::OK, media(format), String::new());
            *response.body_mut() = rows(&sharing, format, reader);
            tagged(response, &etag)
        }
        Ok(Opened::Unchanged { etag }) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            tagged(response, &etag)
        }
        Ok(Opened::Refused(response)) => *response,
        Err(error) => json_failed(&sharing, &error),
    };
    let endpoint = match format {
        Format::Csv => "csv",
        Format::JsonLines => "jsonl",
    };
    counted(&sharing, "feed", endpoint, began, response)
}

fn media(format: Format) -> &'static str {
    match format {
        Format::Csv => "text/csv; charset=utf-8; header=present",
        Format::JsonLines => "application/x-ndjson",
    }
}

fn tagged(mut response: Response<Body>, etag: &str) -> Response<Body> {
    // Kept by nobody on the way, and compared with this server whenever it is used.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Ok(etag) = HeaderValue::from_str(etag) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

enum Opened {
    Rows { etag: String, reader: Reader },
    Unchanged { etag: String },
    Refused(Box<Response<Body>>),
}

fn open(inner: &Inner, access: &Access, format: Format, parts: &Parts) -> Result<Opened, SharingError> {
    let refused = |response| Ok(Opened::Refused(Box::new(response)));
    let partner = match caller(inner, access, parts)? {
        Ok(partner) => partner,
        Err(response) => return refused(*response),
    };
    let asked = match Asked::read(parts.uri.query().unwrap_or_default()) {
        Ok(asked) => asked,
        Err((parameter, why)) => {
            let next = "see docs/partner.md, or /api/openapi.json".to_owned();
            return refused(fault(
                StatusCode::BAD_REQUEST,
                &format!("{parameter} {why}"),
                Some(format!("query: {parameter}")),
                Some(next),
            ));
        }
    };
    let Some(state) = inner.store.feed_state(&partner)? else {
        // Its entry was removed since the key was checked.
        return refused(unauthorized());
    };
    let etag = etag(&state, format, &asked);
    let known = parts.headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    if known.flat_map(|value| value.split(',')).any(|known| known.trim() == etag) {
        return Ok(Opened::Unchanged { etag });
    }
    Ok(Opened::Rows { etag, reader: Reader::new(state, asked.added_after, asked.limit) })
}

/// The partner that asks, or the refusal.
fn caller(inner: &Inner, access: &Access, parts: &Parts) -> Result<Result<String, Box<Response<Body>>>, SharingError> {
    let refused = |response| Ok(Err(Box::new(response)));
    match access.caller(inner, &parts.headers, parts.extensions.get::<Peer>()) {
        Ok(caller) => Ok(Ok(caller.partner)),
        Err(Denied::Unknown) => refused(unauthorized()),
        Err(Denied::Failed(error)) => Err(error.into()),
        Err(Denied::TooMany(too_many)) => {
            let next = Some("wait for the seconds of Retry-After, then repeat the request".to_owned());
            let mut response = fault(StatusCode::TOO_MANY_REQUESTS, "you ask more often than agreed", None, next);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(too_many.seconds()));
            refused(response)
        }
    }
}

fn unauthorized() -> Response<Body> {
    let mut response = fault(
        StatusCode::UNAUTHORIZED,
        "no valid key of a partner",
        None,
        Some(
            "send your API key: HTTP Basic with your partner name and the key as password, or as a Bearer token"
                .to_owned(),
        ),
    );
    let how = HeaderValue::from_static(r#"Basic realm="lockstep", charset="UTF-8", Bearer realm="lockstep""#);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, how);
    response
}

/// The parameters.
#[derive(Debug, Default, PartialEq)]
struct Asked {
    added_after: Option<i64>,
    limit: Option<usize>,
}

impl Asked {
    /// Reads a query string. A parameter that there is not is refused: misspelt, it would give more than was wanted.
    fn read(raw: &str) -> Result<Asked, (String, &'static str)> {
        let mut asked = Asked::default();
        for (name, value) in url::form_urlencoded::parse(raw.as_bytes()) {
            let wrong = |why| Err((name.to_string(), why));
            match &*name {
                "added_after" if asked.added_after.is_some() => return wrong("is there twice"),
                "limit" if asked.limit.is_some() => return wrong("is there twice"),
                "added_after" => match time(&value) {
                    Some(after) => asked.added_after = Some(after),
                    None => return wrong("is no timestamp like 2026-01-31T12:00:00.000000Z"),
                },
                "limit" => match value.parse::<u32>() {
                    Ok(limit) if (1..=MOST_ROWS).contains(&limit) => asked.limit = Some(limit as usize),
                    _ => return wrong("is no whole number from 1 to 1000000000"),
                },
                _ => return wrong("is no parameter of the feed: there are added_after and limit"),
            }
        }
        Ok(asked)
    }
}

/// Names the answer: it changes with what was added to the collection or deleted from it.
fn etag(state: &FeedState, format: Format, asked: &Asked) -> String {
    let FeedState { id, last_added, indicators, .. } = state;
    let named = Sha256::digest(format!("{id}\u{1f}{last_added}\u{1f}{indicators}\u{1f}{format:?}\u{1f}{asked:?}"));
    format!("W/\"{}\"", &text_format::hex(&named)[..32])
}

/// The rows as a body. It asks for the next page when the last one is sent, so a slow reader costs one page of memory.
fn rows(sharing: &Sharing, format: Format, reader: Reader) -> Body {
    let begin = Some((sharing.clone(), reader, true));
    Body::from_stream(futures::stream::try_unfold(begin, move |place| async move {
        let Some((sharing, mut reader, is_first)) = place else { return Ok(None) };
        let read = sharing.blocking(move |inner| {
            let rows = reader.next(inner)?;
            let unwritten = |why| SharingError::from(StoreError::Unreadable { what: "a row of the feed", why });
            let mut text = if is_first { format.head().map_err(unwritten)? } else { Vec::new() };
            text.extend(format.write(&rows).map_err(unwritten)?);
            Ok((Bytes::from(text), rows.is_empty(), reader))
        });
        match read.await {
            Ok((text, true, _)) => Ok(Some((text, None))),
            Ok((text, false, reader)) => Ok(Some((text, Some((sharing, reader, false))))),
            Err(error) => {
                // The answer has begun: breaking it off is the only way to say that it is not whole.
                report(&sharing, &error);
                Err(std::io::Error::other("the feed could not be read to its end"))
            }
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_that_cannot_be_read_is_refused() {
        assert_eq!(Asked::read(""), Ok(Asked::default()));
        let asked = Asked::read("added_after=2026-01-31T12:00:00.000001Z&limit=3").unwrap();
        assert_eq!((asked.added_after, asked.limit), (Some(1_769_860_800_000_001), Some(3)));
        for raw in [
            "limit=0",
            "limit=-1",
            "limit=",
            "added_after=yesterday",
            "added_before=2026-01-31T12:00:00Z",
            "limit=1&limit=2",
        ] {
            assert!(Asked::read(raw).is_err(), "{raw}");
        }
    }
}
