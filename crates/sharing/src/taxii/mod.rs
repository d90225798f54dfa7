//! TAXII 2.1, the reading side, for partners.
//!
//! One function answers every request below `/taxii2/`: who asks, whether the answer can be read, what is asked. Numbers in
//! the comments of the tests are those of the requirements they check.

mod query;
#[cfg(test)]
mod tests;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header},
};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};

use crate::{
    access::{Denied, Peer},
    demo,
    service::{Inner, SharingError},
    store::{CollectionRow, ObjectQuery, ObjectRow},
};

const MEDIA: &str = "application/taxii+json;version=2.1";
const STIX: &str = "application/stix+json;version=2.1";
/// Bytes; a request within it is never 413.
const MAX_CONTENT: u64 = 10 * 1024 * 1024;
/// The one API root.
const ROOT: &str = "lockstep";

/// An answer before it becomes HTTP.
struct Answer {
    status: StatusCode,
    body: String,
    headers: Vec<(&'static str, String)>,
}

/// What is asked, for the metrics.
#[derive(Clone, Copy)]
enum Endpoint {
    Discovery,
    ApiRoot,
    Collections,
    Collection,
    Objects,
    Object,
    Versions,
    Manifest,
    Status,
    Unknown,
}

impl Endpoint {
    fn name(self) -> &'static str {
        match self {
            Endpoint::Discovery => "discovery",
            Endpoint::ApiRoot => "api_root",
            Endpoint::Collections => "collections",
            Endpoint::Collection => "collection",
            Endpoint::Objects => "objects",
            Endpoint::Object => "object",
            Endpoint::Versions => "versions",
            Endpoint::Manifest => "manifest",
            Endpoint::Status => "status",
            Endpoint::Unknown => "unknown",
        }
    }
}

/// Reads a query string as every endpoint would, for fuzzing: that must not panic.
pub fn check_taxii_query(raw_query: &str) {
    for endpoint in [Endpoint::Objects, Endpoint::Object, Endpoint::Versions, Endpoint::Manifest] {
        let _ = query::read(raw_query, endpoint, "collection");
    }
}

/// Answers a request. Blocks on the store.
pub(crate) fn answer(
    inner: &Inner,
    method: &Method,
    path: &str,
    raw_query: &str,
    headers: &HeaderMap,
    peer: Option<&Peer>,
) -> (&'static str, Response<Body>) {
    let parts: Vec<&str> = path.split('/').skip(2).collect();
    let (endpoint, collection, object) = match parts.as_slice() {
        [""] => (Endpoint::Discovery, "", ""),
        [ROOT, ""] => (Endpoint::ApiRoot, "", ""),
        [ROOT, "status", _, ""] => (Endpoint::Status, "", ""),
        [ROOT, "collections", ""] => (Endpoint::Collections, "", ""),
        [ROOT, "collections", id, ""] => (Endpoint::Collection, *id, ""),
        [ROOT, "collections", id, "manifest", ""] => (Endpoint::Manifest, *id, ""),
        [ROOT, "collections", id, "objects", ""] => (Endpoint::Objects, *id, ""),
        [ROOT, "collections", id, "objects", object, ""] => (Endpoint::Object, *id, *object),
        [ROOT, "collections", id, "objects", object, "versions", ""] => (Endpoint::Versions, *id, *object),
        _ => (Endpoint::Unknown, "", ""),
    };
    let request = Request { inner, method, endpoint, collection, object, raw_query, headers, peer };
    let answer = request.answer().unwrap_or_else(|problem| match problem {
        Problem::Refused(answer) => *answer,
        Problem::Failed(error) => {
            inner.metrics.errors.with_label_values(&["http"]).inc();
            tracing::error!(%error, endpoint = endpoint.name(), "a taxii request failed");
            // What went wrong inside is not for a partner.
            refusal(StatusCode::INTERNAL_SERVER_ERROR, "The server failed", "Try again later.")
        }
    });
    (endpoint.name(), answer.into_response())
}

enum Problem {
    Refused(Box<Answer>),
    Failed(SharingError),
}

impl<E: Into<SharingError>> From<E> for Problem {
    fn from(error: E) -> Self {
        Problem::Failed(error.into())
    }
}

fn refuse<T>(status: StatusCode, title: &str, description: &str) -> Result<T, Problem> {
    Err(Problem::Refused(Box::new(refusal(status, title, description))))
}

fn not_found<T>() -> Result<T, Problem> {
    refuse(
        StatusCode::NOT_FOUND,
        "Not found",
        "There is nothing here that you may see. Paths end in '/'; GET /taxii2/ says where to begin.",
    )
}

struct Request<'a> {
    inner: &'a Inner,
    method: &'a Method,
    endpoint: Endpoint,
    collection: &'a str,
    object: &'a str,
    raw_query: &'a str,
    headers: &'a HeaderMap,
    peer: Option<&'a Peer>,
}

impl Request<'_> {
    fn answer(&self) -> Result<Answer, Problem> {
        let own = self.authenticate()?;
        if !acceptable(self.headers) {
            return refuse(StatusCode::NOT_ACCEPTABLE, "Not acceptable", "Ask for application/taxii+json;version=2.1.");
        }
        // Another partner's collection is no different from one that does not exist.
        let collection = if self.collection.is_empty() {
            None
        } else {
            match self.inner.store.collection(own)? {
                Some(row) if row.id == self.collection => Some(row),
                _ => return not_found(),
            }
        };
        self.check_method()?;
        match (self.endpoint, collection) {
            (Endpoint::Discovery, _) => Ok(self.discovery()),
            (Endpoint::ApiRoot, _) => Ok(self.api_root()),
            (Endpoint::Collections, _) => self.collections(own),
            (Endpoint::Collection, Some(row)) => Ok(ok(self.resource(&row))),
            (Endpoint::Objects | Endpoint::Object, Some(row)) => self.objects(&row),
            (Endpoint::Manifest, Some(row)) => self.manifest(&row),
            (Endpoint::Versions, Some(row)) => self.versions(&row),
            _ => not_found(),
        }
    }

    /// Number of the asking partner's collection.
    fn authenticate(&self) -> Result<i64, Problem> {
        let mut answer = match self.inner.caller(self.headers, self.peer) {
            Ok(caller) => return Ok(caller.collection),
            Err(Denied::Failed(error)) => return Err(error.into()),
            Err(Denied::TooMany(refused)) => {
                let why = "You ask more often than agreed. Wait as long as Retry-After says.";
                let mut answer = refusal(StatusCode::TOO_MANY_REQUESTS, "Too many requests", why);
                answer.headers.push(("retry-after", refused.seconds().to_string()));
                answer
            }
            Err(Denied::Unknown) => refusal(
                StatusCode::UNAUTHORIZED,
                "Unauthorized",
                "Send your API key: HTTP Basic with your partner name and the key as password, or as a Bearer token.",
            ),
        };
        if answer.status == StatusCode::UNAUTHORIZED {
            answer.headers.push((
                "www-authenticate",
                r#"Basic realm="lockstep", charset="UTF-8", Bearer realm="lockstep""#.to_owned(),
            ));
        }
        Err(Problem::Refused(Box::new(answer)))
    }

    fn check_method(&self) -> Result<(), Problem> {
        let allow = "GET, HEAD";
        match (self.method.as_str(), self.endpoint) {
            ("GET" | "HEAD", _) => Ok(()),
            (_, Endpoint::Unknown | Endpoint::Status) => not_found(),
            // The partner may read these but not write to them.
            ("POST", Endpoint::Objects) | ("DELETE", Endpoint::Object) => {
                refuse(StatusCode::FORBIDDEN, "Forbidden", "This collection can be read, not written to.")
            }
            _ => {
                let mut answer = refusal(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed", "Use GET here.");
                answer.headers.push(("allow", allow.to_owned()));
                Err(Problem::Refused(Box::new(answer)))
            }
        }
    }

    fn discovery(&self) -> Answer {
        let root = format!("/taxii2/{ROOT}/");
        ok(json!({
            "title": format!("{}: accounts acting in lockstep", self.inner.config.identity),
            "description": "Findings of coordinated inauthentic behaviour, released after review.",
            "default": root,
            "api_roots": [root],
        }))
    }

    fn api_root(&self) -> Answer {
        ok(json!({
            "title": "Lockstep",
            "description": "One collection for each partner, with accounts of its own platform.",
            "versions": [MEDIA],
            "max_content_length": MAX_CONTENT,
        }))
    }

    fn collections(&self, own: i64) -> Result<Answer, Problem> {
        Ok(match self.inner.store.collection(own)? {
            Some(row) => ok(json!({"collections": [self.resource(&row)]})),
            None => ok(json!({})),
        })
    }

    fn resource(&self, row: &CollectionRow) -> Value {
        let (title, description) = if row.demo {
            (format!("DEMO: {}", row.title), format!("{}. {}", demo::NOTICE, row.description))
        } else {
            (row.title.clone(), row.description.clone())
        };
        json!({
            "id": row.id,
            "title": title,
            "description": description,
            "can_read": true,
            "can_write": false,
            "media_types": [STIX],
        })
    }

    fn objects(&self, row: &CollectionRow) -> Result<Answer, Problem> {
        let (page, more) = self.page(row, true)?;
        if page.is_empty() {
            return Ok(ok(json!({})));
        }
        // The objects are spliced in as they were stored: a page costs no parsing.
        let mut body = String::with_capacity(page.iter().map(|o| o.body.len() + 1).sum::<usize>() + 96);
        body.push('{');
        body.push_str(&self.more(row, &page, more));
        body.push_str("\"objects\":[");
        for (index, object) in page.iter().enumerate() {
            if index > 0 {
                body.push(',');
            }
            body.push_str(&object.body);
        }
        body.push_str("]}");
        Ok(dated(body, &page))
    }

    fn manifest(&self, row: &CollectionRow) -> Result<Answer, Problem> {
        let (page, more) = self.page(row, false)?;
        if page.is_empty() {
            return Ok(ok(json!({})));
        }
        let records: Vec<Value> = page
            .iter()
            .map(|object| {
                json!({
                    "id": object.id,
                    "date_added": micros(object.date_added),
                    "version": micros(object.version),
                    "media_type": STIX,
                })
            })
            .collect();
        let body = format!("{{{}\"objects\":{}}}", self.more(row, &page, more), Value::Array(records));
        Ok(dated(body, &page))
    }

    fn versions(&self, row: &CollectionRow) -> Result<Answer, Problem> {
        let (page, more) = self.page(row, false)?;
        if page.is_empty() {
            return Ok(ok(json!({})));
        }
        let versions: Vec<Value> = page.iter().map(|object| json!(micros(object.version))).collect();
        let body = format!("{{{}\"versions\":{}}}", self.more(row, &page, more), Value::Array(versions));
        Ok(dated(body, &page))
    }

    /// A page of objects and whether there are more.
    fn page(&self, row: &CollectionRow, bodies: bool) -> Result<(Vec<ObjectRow>, bool), Problem> {
        let config = &self.inner.config;
        let asked = match query::read(self.raw_query, self.endpoint, &row.id) {
            Ok(asked) => asked,
            Err(why) => return refuse(StatusCode::BAD_REQUEST, "Malformed parameter", &why),
        };
        if !self.object.is_empty() && !self.inner.store.has_object(row.number, self.object)? {
            return not_found();
        }
        let limit = asked.limit.unwrap_or(config.taxii_page).min(config.taxii_page_max);
        let mut page = self.inner.store.objects(
            row.number,
            &ObjectQuery {
                ids: match self.object {
                    "" => asked.ids,
                    object => vec![object.to_owned()],
                },
                kinds: asked.kinds,
                spec_versions: asked.spec_versions,
                versions: asked.versions,
                after: asked.after,
                limit: limit + 1,
                bodies,
            },
        )?;
        let more = page.len() > limit;
        page.truncate(limit);
        Ok((page, more))
    }

    fn more(&self, row: &CollectionRow, page: &[ObjectRow], more: bool) -> String {
        match page.last() {
            Some(last) if more => format!("\"more\":true,\"next\":\"{}\",", query::cursor(&row.id, last.date_added)),
            _ => String::new(),
        }
    }
}

impl Answer {
    fn into_response(self) -> Response<Body> {
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

fn ok(body: Value) -> Answer {
    Answer { status: StatusCode::OK, body: body.to_string(), headers: Vec::new() }
}

fn dated(body: String, page: &[ObjectRow]) -> Answer {
    let mut headers = Vec::new();
    if let (Some(first), Some(last)) = (page.first(), page.last()) {
        headers.push(("x-taxii-date-added-first", micros(first.date_added)));
        headers.push(("x-taxii-date-added-last", micros(last.date_added)));
    }
    Answer { status: StatusCode::OK, body, headers }
}

fn refusal(status: StatusCode, title: &str, description: &str) -> Answer {
    Answer {
        status,
        body: json!({
            "title": title,
            "description": description,
            "http_status": status.as_str(),
        })
        .to_string(),
        headers: Vec::new(),
    }
}

/// Whether some media range of `Accept` takes TAXII 2.1; no header takes everything.
fn acceptable(headers: &HeaderMap) -> bool {
    let mut ranges = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|range| !range.is_empty())
        .peekable();
    if ranges.peek().is_none() {
        return true;
    }
    ranges.any(|range| {
        let mut parts = range.split(';').map(|part| part.trim().to_ascii_lowercase());
        let media = parts.next().unwrap_or_default();
        let mut version = true;
        let mut wanted = true;
        for part in parts {
            match part.split_once('=') {
                Some(("version", value)) => version = value.trim_matches('"') == "2.1",
                Some(("q", value)) => wanted = value.parse::<f32>().is_ok_and(|q| q > 0.0),
                _ => {}
            }
        }
        let known = matches!(media.as_str(), "application/taxii+json" | "application/*" | "*/*");
        known && version && wanted
    })
}

/// RFC 3339 with exactly six digits of fraction and `Z`.
fn micros(time: i64) -> String {
    Timestamp::from_microsecond(time)
        .unwrap_or_default()
        .to_zoned(TimeZone::UTC)
        .strftime("%Y-%m-%dT%H:%M:%S.%6fZ")
        .to_string()
}
