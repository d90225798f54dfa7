//! TAXII 2.1 for partners: reading of findings, writing of feedback.
//!
//! [`begin`] answers every request below `/taxii2/`: who asks, whether the answer can be read, what is asked. Only a POST of
//! objects that may be made goes on, with its body, to [`finish`]. Numbers in the comments of the tests are those of the
//! requirements they check.

mod answer;
mod feedback;
mod query;
mod resources;
#[cfg(test)]
mod tests;
mod write;

use axum::{
    body::Body,
    http::{HeaderMap, Method, Response, StatusCode, header},
};
use jiff::Timestamp;
use serde_json::{Value, json};

pub(crate) use self::write::{NoBody, Posting};
use self::{
    answer::{Answer, Problem, acceptable, list, malformed, not_found, ok, refusal, refuse},
    query::{Asked, Cursor, Malformed},
    resources::{api_root, discovery, resource, version_text},
};
use super::access::{Access, Denied, credentials};
use crate::{
    object::{self, micros},
    service::{Inner, site},
    store::{CollectionRow, ObjectQuery, ObjectRow, Position},
};
use runtime::http::Peer;

/// What is asked, for the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// Reads an envelope and its objects as a POST would, for fuzzing: that must not panic, and what is taken can be told of.
pub fn check_taxii_envelope(body: &[u8]) {
    for text in write::read(body).into_iter().flatten() {
        if let Ok(object) = object::read(text.get(), &["application/stix+json".to_owned()]) {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
            assert!(object.id.chars().all(plain), "{} would have to be escaped", object.id);
            assert!(object.version.is_none_or(|version| Timestamp::from_microsecond(version).is_ok()));
        }
    }
}

/// What becomes of a request.
pub(crate) enum Step {
    Answered(Answered),
    /// The body is wanted, see [`finish`].
    Body(Box<Posting>),
}

/// A response, and what the metrics say of it.
pub(crate) struct Answered {
    pub endpoint: &'static str,
    pub response: Response<Body>,
}

/// Answers a request, or says that its body is wanted. Blocks on the store.
pub(crate) fn begin(
    inner: &Inner,
    access: &Access,
    method: &Method,
    path: &str,
    raw_query: &str,
    headers: &HeaderMap,
    peer: Option<&Peer>,
) -> Step {
    let parts: Option<Vec<String>> = path.split('/').skip(2).map(segment).collect();
    let parts: Option<Vec<&str>> = parts.as_ref().map(|parts| parts.iter().map(String::as_str).collect());
    // A path without the slash at its end is redirected to the one with it.
    let (names, slash) = match parts.as_deref() {
        Some([names @ .., ""]) => (Some(names), true),
        names => (names, false),
    };
    // Nothing has an empty name.
    let names = names.filter(|names| !names.contains(&"")).unwrap_or(&["", ""]);
    let (endpoint, root, collection, object) = match names {
        [] => (Endpoint::Discovery, "", "", ""),
        [root] => (Endpoint::ApiRoot, *root, "", ""),
        [root, "status", id] => (Endpoint::Status, *root, "", *id),
        [root, "collections"] => (Endpoint::Collections, *root, "", ""),
        [root, "collections", id] => (Endpoint::Collection, *root, *id, ""),
        [root, "collections", id, "manifest"] => (Endpoint::Manifest, *root, *id, ""),
        [root, "collections", id, "objects"] => (Endpoint::Objects, *root, *id, ""),
        [root, "collections", id, "objects", object] => (Endpoint::Object, *root, *id, *object),
        [root, "collections", id, "objects", object, "versions"] => (Endpoint::Versions, *root, *id, *object),
        _ => (Endpoint::Unknown, "", "", ""),
    };
    let request = Request {
        inner,
        access,
        method,
        endpoint,
        root,
        collection,
        object,
        path: (!slash).then_some(path),
        raw_query,
        headers,
        peer,
        now: Timestamp::now(),
    };
    match request.answer() {
        Ok(Next::Answer(answer)) => Step::Answered(answered(inner, endpoint, Ok(answer))),
        Ok(Next::Body(posting)) => Step::Body(posting),
        Err(problem) => Step::Answered(answered(inner, endpoint, Err(problem))),
    }
}

/// Answers a POST of objects with its body, or with why there is none. Blocks on the store.
pub(crate) fn finish(inner: &Inner, posting: &Posting, body: Result<Vec<u8>, NoBody>) -> Answered {
    answered(inner, Endpoint::Objects, write::add(inner, posting, body, Timestamp::now()))
}

/// The answer to a request that could not be answered.
pub(crate) fn failed(status: StatusCode) -> Answered {
    let title = status.canonical_reason().unwrap_or("The server failed");
    // What went wrong inside is not for a partner.
    Answered {
        endpoint: Endpoint::Unknown.name(),
        response: refusal(status, title, "Try again later.").into_response(),
    }
}

fn answered(inner: &Inner, endpoint: Endpoint, answer: Result<Answer, Problem>) -> Answered {
    let answer = answer.unwrap_or_else(|problem| match problem {
        Problem::Refused(answer) => *answer,
        Problem::Failed(error) => {
            inner.metrics.errors.with_label_values(&["http"]).inc();
            tracing::error!(%error, endpoint = endpoint.name(), "a taxii request failed");
            refusal(StatusCode::INTERNAL_SERVER_ERROR, "The server failed", "Try again later.")
        }
    });
    Answered { endpoint: endpoint.name(), response: answer.into_response() }
}

/// A part of a path; `None` where it is nothing that a name could be.
fn segment(raw: &str) -> Option<String> {
    let text = percent_encoding::percent_decode_str(raw).decode_utf8().ok()?;
    (!text.chars().any(char::is_control)).then(|| text.into_owned())
}

/// Who asks.
struct Caller {
    /// As in the table of grants: the partner's name.
    holder: String,
}

/// Who sent the request.
fn authenticate(inner: &Inner, access: &Access, headers: &HeaderMap, peer: Option<&Peer>) -> Result<Caller, Problem> {
    // Passwords exist in seeds for tests only.
    if !inner.site.users.is_empty() {
        let presented = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(credentials);
        let is_it = |test: &&site::TestUser| {
            presented.as_ref().is_some_and(|(user, key)| user.as_ref().is_some_and(|user| test.is(user, key)))
        };
        if let Some(test) = inner.site.users.iter().find(is_it) {
            return Ok(Caller { holder: test.holder() });
        }
    }
    match access.caller(inner, headers, peer) {
        Ok(caller) => Ok(Caller { holder: caller.partner }),
        Err(Denied::Unknown) => unauthorized(),
        Err(Denied::Failed(error)) => Err(error.into()),
        Err(Denied::TooMany(refused)) => {
            let why = "You ask more often than agreed. Wait as long as Retry-After says.";
            let mut answer = refusal(StatusCode::TOO_MANY_REQUESTS, "Too many requests", why);
            answer.headers.push(("retry-after", refused.seconds().to_string()));
            Err(Problem::Refused(Box::new(answer)))
        }
    }
}

/// What a request leads to.
enum Next {
    Answer(Answer),
    Body(Box<Posting>),
}

struct Request<'a> {
    inner: &'a Inner,
    access: &'a Access,
    method: &'a Method,
    endpoint: Endpoint,
    root: &'a str,
    collection: &'a str,
    /// Or the id of a status.
    object: &'a str,
    /// Where it has no slash at its end.
    path: Option<&'a str>,
    raw_query: &'a str,
    headers: &'a HeaderMap,
    peer: Option<&'a Peer>,
    now: Timestamp,
}

impl Request<'_> {
    fn answer(&self) -> Result<Next, Problem> {
        let caller = authenticate(self.inner, self.access, self.headers, self.peer)?;
        if !acceptable(self.headers) {
            return refuse(StatusCode::NOT_ACCEPTABLE, "Not acceptable", "Ask for application/taxii+json;version=2.1.");
        }
        if let (Some(path), false) = (self.path, self.endpoint == Endpoint::Unknown) {
            return redirect(path, self.raw_query);
        }
        let site = &self.inner.site;
        let root = match (self.endpoint, site.root(self.root)) {
            (Endpoint::Unknown, _) => return not_found(),
            (Endpoint::Discovery, _) => None,
            (_, Some(root)) => Some(root),
            (_, None) => return not_found(),
        };
        // Another partner's collection is no different from one that does not exist.
        let collection = match self.collection {
            "" => None,
            name => match self.inner.store.collection(&caller.holder, self.root, name)? {
                Some(row) => Some(row),
                None => return not_found(),
            },
        };
        let writes = self.check_method()?;
        if let (true, Some(row), Some(root)) = (writes, &collection, root) {
            return self.write(caller, root, row);
        }
        let needs_right = !matches!(self.endpoint, Endpoint::Collection);
        if let Some(row) = collection.as_ref().filter(|row| needs_right && !row.can_read) {
            let why = if row.can_write {
                "This collection can be written to, not read."
            } else {
                "You may neither read this collection nor write to it."
            };
            return refuse(StatusCode::FORBIDDEN, "Forbidden", why);
        }
        let answer = match (self.endpoint, collection) {
            (Endpoint::Discovery, _) => discovery(site, &self.base()),
            (Endpoint::ApiRoot, _) => match root {
                Some(root) => api_root(root),
                None => return not_found(),
            },
            (Endpoint::Status, _) => self.status(&caller)?,
            (Endpoint::Collections, _) => self.collections(&caller)?,
            (Endpoint::Collection, Some(row)) => ok(resource(&row)),
            (Endpoint::Objects | Endpoint::Object, Some(row)) => self.objects(&caller, &row)?,
            (Endpoint::Manifest, Some(row)) => self.manifest(&caller, &row)?,
            (Endpoint::Versions, Some(row)) => self.versions(&caller, &row)?,
            _ => return not_found(),
        };
        Ok(Next::Answer(answer))
    }

    /// Whether it is one of the two methods that write.
    fn check_method(&self) -> Result<bool, Problem> {
        let writing = match self.endpoint {
            Endpoint::Objects => Some("POST"),
            Endpoint::Object => Some("DELETE"),
            _ => None,
        };
        match self.method.as_str() {
            "GET" | "HEAD" => Ok(false),
            method if Some(method) == writing => Ok(true),
            _ => {
                let allow = writing.map_or("GET, HEAD".to_owned(), |method| format!("GET, HEAD, {method}"));
                let mut answer =
                    refusal(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed", &format!("Use {allow} here."));
                answer.headers.push(("allow", allow));
                Err(Problem::Refused(Box::new(answer)))
            }
        }
    }

    fn write(&self, caller: Caller, root: &site::Root, row: &CollectionRow) -> Result<Next, Problem> {
        if self.endpoint == Endpoint::Object {
            // The standard has 404 here for a client without any right.
            if !(row.can_write || row.can_read) {
                return not_found();
            }
            if !(row.can_write && row.can_read) {
                let why = "Deleting takes the right to read this collection and to write to it.";
                return refuse(StatusCode::FORBIDDEN, "Forbidden", why);
            }
            return write::delete(self.inner, row, self.object, self.raw_query).map(Next::Answer);
        }
        if !row.can_write {
            return refuse(StatusCode::FORBIDDEN, "Forbidden", "You may not write to this collection.");
        }
        Posting::begin(caller, root, row, self.headers).map(|posting| Next::Body(Box::new(posting)))
    }

    fn status(&self, caller: &Caller) -> Result<Answer, Problem> {
        let now = self.now.as_microsecond();
        match self.inner.store.status(self.object, self.root, &caller.holder, now)? {
            Some(body) => Ok(Answer { status: StatusCode::OK, body, headers: Vec::new() }),
            None => not_found(),
        }
    }

    fn collections(&self, caller: &Caller) -> Result<Answer, Problem> {
        let rows = self.inner.store.collections(&caller.holder, self.root)?;
        let list: Vec<Value> = rows.iter().map(resource).collect();
        Ok(ok(if list.is_empty() { json!({}) } else { json!({"collections": list}) }))
    }

    fn objects(&self, caller: &Caller, row: &CollectionRow) -> Result<Answer, Problem> {
        let (asked, page, more) = self.page(caller, row)?;
        // The objects are spliced in as they were stored: a page costs no parsing.
        let bytes: usize = page.iter().map(|object| object.body.len() + 1).sum();
        if self.method != Method::HEAD {
            let indicators = page.iter().filter(|object| object.id.starts_with("indicator--"));
            let indicators: Vec<i64> = indicators.map(|object| object.date_added).collect();
            self.inner.note_handed(row.number, &indicators, Timestamp::now());
        }
        Ok(list(row, &asked, &page, more, "objects", bytes, |object, body| body.push_str(&object.body)))
    }

    fn manifest(&self, caller: &Caller, row: &CollectionRow) -> Result<Answer, Problem> {
        let (asked, page, more) = self.page(caller, row)?;
        Ok(list(row, &asked, &page, more, "objects", page.len() * 220, |object, body| {
            // Ids and versions are checked when they are added: there is nothing to escape in one.
            let (id, added, version) = (&object.id, micros(object.date_added), version_text(object));
            let media = object::media_type(&object.spec_version);
            for part in [
                r#"{"id":""#,
                id,
                r#"","date_added":""#,
                &added,
                r#"","version":""#,
                &version,
                r#"","media_type":""#,
                media,
            ] {
                body.push_str(part);
            }
            body.push_str(r#""}"#);
        }))
    }

    fn versions(&self, caller: &Caller, row: &CollectionRow) -> Result<Answer, Problem> {
        let (asked, page, more) = self.page(caller, row)?;
        Ok(list(row, &asked, &page, more, "versions", page.len() * 30, |object, body| {
            body.push('"');
            body.push_str(&version_text(object));
            body.push('"');
        }))
    }

    /// What is asked for, a page of it, and whether there are more.
    fn page(&self, caller: &Caller, row: &CollectionRow) -> Result<(Asked, Vec<ObjectRow>, bool), Problem> {
        let site = &self.inner.site;
        let asked = match query::read(self.raw_query, self.endpoint, &row.id) {
            Err(Malformed::UnknownNext) => self.first_page(caller, row)?,
            asked => asked,
        };
        let asked = match asked {
            Ok(asked) => asked,
            Err(why) => return malformed(why),
        };
        if !self.object.is_empty() && !self.inner.store.has_object(row.number, self.object)? {
            return not_found();
        }
        let query = ObjectQuery {
            ids: match self.object {
                "" => asked.ids.clone(),
                object => vec![object.to_owned()],
            },
            kinds: asked.kinds.clone(),
            spec_versions: asked.spec_versions.clone(),
            versions: asked.versions.clone(),
            after: self.start(row, &asked)?,
            limit: asked.limit.unwrap_or(site.page).min(site.page_max),
        };
        let (page, more) = self.inner.store.objects(row.number, &query)?;
        Ok((asked, page, more))
    }

    /// What is asked for where `next` is another collection's that the caller may read, too: the first page. Clients that read one
    /// collection after the other with the same parameters, as OpenCTI's connector does, send the last `next` of the one before.
    fn first_page(&self, caller: &Caller, row: &CollectionRow) -> Result<Result<Asked, Malformed>, Problem> {
        let collections = self.inner.store.collections(&caller.holder, self.root)?;
        let others = collections.iter().filter(|other| other.can_read && other.id != row.id);
        let asked = others.map(|other| query::read(self.raw_query, self.endpoint, &other.id));
        let known = asked.into_iter().find(|asked| *asked != Err(Malformed::UnknownNext));
        Ok(known.unwrap_or(Err(Malformed::UnknownNext)).map(|asked| Asked { cursor: None, ..asked }))
    }

    /// Where a page begins: after the later of `added_after` and the last object of the page before.
    fn start(&self, row: &CollectionRow, asked: &Asked) -> Result<Position, Problem> {
        let Some(cursor) = asked.cursor else { return Ok(asked.after) };
        let there = self.inner.store.objects_added_at(row.number, cursor.date_added)?;
        // Where the object was deleted meanwhile, others that were added at the same instant come again.
        let after = there
            .iter()
            .find(|object| Cursor::of(object) == cursor)
            .map_or(Position { date_added: cursor.date_added, number: i64::MIN }, ObjectRow::position);
        Ok(after.max(asked.after))
    }

    /// The URL below which the client reaches this server: as configured, else as the client wrote it.
    fn base(&self) -> String {
        let configured = self.inner.config.public_url.trim_end_matches('/');
        if !configured.is_empty() {
            return configured.to_owned();
        }
        let host = self.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = host.filter(|host| host.parse::<axum::http::uri::Authority>().is_ok());
        let scheme = if self.inner.config.tls.is_on() || self.inner.config.behind_proxy { "https" } else { "http" };
        host.map_or(String::new(), |host| format!("{scheme}://{host}"))
    }
}

fn unauthorized<T>() -> Result<T, Problem> {
    let mut answer = refusal(
        StatusCode::UNAUTHORIZED,
        "Unauthorized",
        "Send your API key: HTTP Basic with your partner name and the key as password, or as a Bearer token.",
    );
    answer
        .headers
        .push(("www-authenticate", r#"Basic realm="lockstep", charset="UTF-8", Bearer realm="lockstep""#.to_owned()));
    Err(Problem::Refused(Box::new(answer)))
}

/// Sends a client that left out the slash at the end of a path to the path with it.
fn redirect<T>(path: &str, raw_query: &str) -> Result<T, Problem> {
    let query = if raw_query.is_empty() { String::new() } else { format!("?{raw_query}") };
    let mut answer = refusal(StatusCode::PERMANENT_REDIRECT, "Permanent redirect", "Paths end in '/'.");
    answer.headers.push(("location", format!("{path}/{query}")));
    Err(Problem::Refused(Box::new(answer)))
}
