//! Answers before they become HTTP, and what refusals look like.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Response, StatusCode, header},
};
use serde_json::{Value, json};

use super::query::{Asked, Malformed};
use crate::{
    object::micros,
    service::SharingError,
    store::{CollectionRow, ObjectRow},
};

/// The media type of every answer.
pub(super) const MEDIA: &str = "application/taxii+json;version=2.1";

/// The title of refusals that medallion, the reference server, gives this title.
pub(super) const PROCESSING_ERROR: &str = "ProcessingError";

/// An answer before it becomes HTTP.
pub(super) struct Answer {
    pub status: StatusCode,
    pub body: String,
    pub headers: Vec<(&'static str, String)>,
}

/// Why there is none, or another than expected.
pub(super) enum Problem {
    Refused(Box<Answer>),
    Failed(SharingError),
}

impl<E: Into<SharingError>> From<E> for Problem {
    fn from(error: E) -> Self {
        Problem::Failed(error.into())
    }
}

pub(super) fn refuse<T>(status: StatusCode, title: &str, description: &str) -> Result<T, Problem> {
    Err(Problem::Refused(Box::new(refusal(status, title, description))))
}

pub(super) fn not_found<T>() -> Result<T, Problem> {
    refuse(
        StatusCode::NOT_FOUND,
        "Not found",
        "There is nothing here that you may see. Paths end in '/'; GET /taxii2/ says where to begin.",
    )
}

pub(super) fn refusal(status: StatusCode, title: &str, description: &str) -> Answer {
    let body = json!({"title": title, "description": description, "http_status": status.as_str()});
    Answer { status, body: body.to_string(), headers: Vec::new() }
}

pub(super) fn ok(body: Value) -> Answer {
    Answer { status: StatusCode::OK, body: body.to_string(), headers: Vec::new() }
}

/// With the dates of a page.
fn dated(body: String, page: &[ObjectRow]) -> Answer {
    let mut headers = Vec::new();
    if let (Some(first), Some(last)) = (page.first(), page.last()) {
        headers.push(("x-taxii-date-added-first", micros(first.date_added)));
        headers.push(("x-taxii-date-added-last", micros(last.date_added)));
    }
    Answer { status: StatusCode::OK, body, headers }
}

impl Answer {
    pub fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        response
    }
}

/// Whether some media range of `Accept` takes TAXII 2.1; no header takes everything.
pub(super) fn acceptable(headers: &HeaderMap) -> bool {
    let mut ranges = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|range| !range.is_empty())
        .peekable();
    ranges.peek().is_none() || ranges.any(|range| is_taxii(range, &["application/*", "*/*"]))
}

/// Whether `Content-Type` is TAXII 2.1, with or without its version.
pub(super) fn is_taxii_content(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    match (types.next().and_then(|value| value.to_str().ok()), types.next()) {
        (Some(one), None) => is_taxii(one, &[]),
        _ => false,
    }
}

fn is_taxii(range: &str, wider: &[&str]) -> bool {
    let mut parts = range.split(';').map(|part| part.trim().to_ascii_lowercase());
    let media = parts.next().unwrap_or_default();
    let mut version = true;
    let mut wanted = true;
    for part in parts {
        match part.split_once('=').map(|(name, value)| (name.trim(), value.trim())) {
            Some(("version", value)) => version = value.trim_matches('"') == "2.1",
            Some(("q", value)) => wanted = value.parse::<f32>().is_ok_and(|q| q > 0.0),
            _ => {}
        }
    }
    (media == "application/taxii+json" || wider.contains(&media.as_str())) && version && wanted
}

/// An envelope with a page.
pub(super) fn list(
    row: &CollectionRow,
    asked: &Asked,
    page: &[ObjectRow],
    more: bool,
    name: &str,
    bytes: usize,
    write: impl Fn(&ObjectRow, &mut String),
) -> Answer {
    let mut body = String::with_capacity(bytes + 128);
    body.push('{');
    match page.last() {
        Some(last) if more => {
            body.push_str(&format!("\"more\":true,\"next\":\"{}\",", asked.next(&row.id, last)));
        }
        Some(_) => body.push_str("\"more\":false,"),
        None => {}
    }
    for (index, object) in page.iter().enumerate() {
        match index {
            0 => body.push_str(&format!("\"{name}\":[")),
            _ => body.push(','),
        }
        write(object, &mut body);
    }
    body.push_str(if page.is_empty() { "}" } else { "]}" });
    dated(body, page)
}

/// The answer to a query string that cannot be read.
pub(super) fn malformed<T>(why: Malformed) -> Result<T, Problem> {
    let (title, why) = match why {
        Malformed::Parameter(why) => ("Malformed parameter", why),
        Malformed::UnknownNext => ("Malformed parameter", "next is not one that this collection gave out".to_owned()),
        Malformed::OtherFilters => (
            PROCESSING_ERROR,
            "next belongs to a page with other filters: repeat match[…] of the first request.".to_owned(),
        ),
    };
    refuse(StatusCode::BAD_REQUEST, title, &why)
}
