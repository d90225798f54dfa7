//! What stands before the routes of a listener that has no login page: requests of foreign web
//! pages are refused, and, if the listener has a file of keys, requests without a key.
//!
//! A web page that somebody on this machine opens can make the browser send requests to loopback.
//! It can also let its own name point to 127.0.0.1 (DNS rebinding); then the browser takes the
//! answers for the page's own. The browser says where a request comes from (`Origin`,
//! `Sec-Fetch-Site`), and the name under which the listener was asked is in `Host`.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderMap, StatusCode, Version, header, uri::Authority},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use futures::StreamExt;
use jiff::Timestamp;

use crate::keys::KeyFile;

/// How many bytes of a refused request are read, and for how long: a client that is still sending
/// would not see the answer.
const READ_ON: (usize, Duration) = (16 * 1024 * 1024, Duration::from_secs(1));

/// What stands before the routes of a listener. Cheap to clone.
#[derive(Clone)]
pub struct Guard {
    /// The table of the configuration, for the text of a refusal: `intake`.
    pub table: &'static str,
    /// Names under which clients may ask the listener, besides IP addresses and localhost.
    pub hosts: Arc<[String]>,
    /// The keys; `None` if the listener needs no key.
    pub keys: Option<Arc<KeyFile>>,
    /// Called for every refused request with the reason: `host`, `site` or `key`.
    pub refused: Arc<dyn Fn(&'static str) + Send + Sync>,
}

/// Why a request is refused.
struct Refusal {
    why: &'static str,
    status: StatusCode,
    text: String,
}

impl Guard {
    /// The routes with the guard before them.
    pub fn protect(self, router: Router) -> Router {
        router.layer(middleware::from_fn(move |request: Request, next: Next| {
            let guard = self.clone();
            async move {
                match guard.refusal(&request) {
                    None => next.run(request).await,
                    Some(refusal) => guard.refuse(refusal, request.into_body()).await,
                }
            }
        }))
    }

    async fn refuse(&self, refusal: Refusal, body: Body) -> Response {
        (self.refused)(refusal.why);
        read_on(body).await;
        let mut response = (refusal.status, format!("{}\n", refusal.text)).into_response();
        if refusal.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        }
        response
    }

    fn refusal(&self, request: &Request) -> Option<Refusal> {
        let headers = request.headers();
        let host = match host(headers) {
            Ok(host) => host,
            // A program that speaks HTTP/1.0 need not say whom it asks; no browser speaks it.
            Err(Missing) if request.version() == Version::HTTP_10 && !headers.contains_key(header::HOST) => None,
            Err(Missing) => {
                let text = "a request needs one Host header with the name and port that it asks".to_owned();
                return Some(Refusal { why: "host", status: StatusCode::BAD_REQUEST, text });
            }
        };
        if let Some(host) = &host
            && !self.is_ours(host.host())
        {
            let text = format!(
                "this listener is not asked as {:?}: use its IP address or localhost, or add the name to {}.hosts",
                host.host(),
                self.table
            );
            return Some(Refusal { why: "host", status: StatusCode::MISDIRECTED_REQUEST, text });
        }
        if !self.is_from_here(request, host.as_ref()) {
            let text = "a page of another site made the browser send this; nothing was done".to_owned();
            return Some(Refusal { why: "site", status: StatusCode::FORBIDDEN, text });
        }
        let keys = self.keys.as_ref()?.now();
        if bearer(headers).is_some_and(|key| keys.owner(key, Timestamp::now()).is_some()) {
            return None;
        }
        let text = format!(
            "a valid key is needed, as `Authorization: Bearer KEY`: the operator makes one with `lockstep producers add NAME` \
             ({}.producers in the configuration)",
            self.table
        );
        Some(Refusal { why: "key", status: StatusCode::UNAUTHORIZED, text })
    }

    fn is_ours(&self, name: &str) -> bool {
        let plain = name.trim_start_matches('[').trim_end_matches(']');
        let name = plain.trim_end_matches('.').to_ascii_lowercase();
        // No page can be under an IP address that is not its own.
        plain.parse::<IpAddr>().is_ok()
            || name == "localhost"
            || name.ends_with(".localhost")
            || self.hosts.iter().any(|host| host.eq_ignore_ascii_case(&name))
    }

    /// Whether no page of another site is behind the request. Opening a link is not refused:
    /// it changes nothing, and only the person sees the answer.
    fn is_from_here(&self, request: &Request, host: Option<&Authority>) -> bool {
        let text = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or("?"));
        let opened = request.method().is_safe()
            && text("sec-fetch-mode") == Some("navigate")
            && text("sec-fetch-dest") == Some("document");
        if let Some(site) = text("sec-fetch-site") {
            return opened || matches!(site, "same-origin" | "none");
        }
        let Some(origin) = text("origin") else { return true };
        let Some(origin) = origin.split_once("://").and_then(|(_, origin)| origin.parse::<Authority>().ok()) else {
            return false;
        };
        host.is_some_and(|host| host.as_str().eq_ignore_ascii_case(origin.as_str()))
            || self.hosts.iter().any(|host| host.eq_ignore_ascii_case(origin.host()))
    }
}

/// There is no `Host` header, or two, or one that cannot be read.
struct Missing;

fn host(headers: &HeaderMap) -> Result<Option<Authority>, Missing> {
    let mut all = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (all.next(), all.next()) else { return Err(Missing) };
    let host = host.to_str().ok().filter(|host| !host.contains('@'));
    host.and_then(|host| host.parse().ok()).map(Some).ok_or(Missing)
}

/// The key or token of a request, as `Authorization: Bearer KEY`.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

async fn read_on(body: Body) {
    let (most, time) = READ_ON;
    let mut chunks = body.into_data_stream();
    let reading = async {
        let mut length = 0;
        while let Some(Ok(chunk)) = chunks.next().await {
            length += chunk.len();
            if length > most {
                break;
            }
        }
    };
    // Whether the client has sent everything by then changes nothing about the answer.
    drop(tokio::time::timeout(time, reading).await);
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;
    use crate::keys::Keys;

    fn guard(hosts: &[&str], keys: Option<Arc<KeyFile>>) -> Guard {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        Guard { table: "intake", hosts, keys, refused: Arc::new(|_| ()) }
    }

    /// Status with which a request is refused; 200 if it is not.
    fn status(guard: &Guard, method: &str, headers: &[(&'static str, &str)]) -> u16 {
        let mut request = Request::builder().method(method).uri("/").body(Body::empty()).unwrap();
        for (name, value) in headers {
            request.headers_mut().append(*name, HeaderValue::from_str(value).unwrap());
        }
        guard.refusal(&request).map_or(200, |refusal| refusal.status.as_u16())
    }

    #[test]
    fn a_listener_is_asked_by_its_address_or_by_a_name_that_it_knows() {
        let guard = guard(&["intake", "posts.example.org"], None);
        for (host, expected) in [
            ("127.0.0.1:8081", 200),
            ("[::1]:8081", 200),
            ("10.1.2.3", 200),
            ("localhost:8081", 200),
            ("LOCALHOST.:8081", 200),
            ("app.localhost", 200),
            ("intake:8081", 200),
            ("Posts.Example.org", 200),
            ("evil.example:8081", 421),
            ("localhost.evil.example", 421),
            ("notlocalhost", 421),
            ("127.0.0.1.evil.example", 421),
            ("0x7f.1", 421),
            ("localhost@evil.example", 400),
            ("a b", 400),
            ("", 400),
        ] {
            for method in ["GET", "POST"] {
                assert_eq!(status(&guard, method, &[("host", host)]), expected, "{method} {host:?}");
            }
        }
        assert_eq!(status(&guard, "GET", &[]), 400);
        assert_eq!(status(&guard, "GET", &[("host", "localhost"), ("host", "localhost")]), 400);
    }

    #[test]
    fn a_page_of_another_site_sends_nothing_and_reads_nothing() {
        let guard = guard(&["posts.example.org"], None);
        let own = ("host", "127.0.0.1:8081");
        for (headers, expected) in [
            (vec![own], 200),
            (vec![own, ("origin", "http://127.0.0.1:8081")], 200),
            (vec![own, ("origin", "https://posts.example.org")], 200),
            (vec![own, ("sec-fetch-site", "same-origin"), ("origin", "http://127.0.0.1:8081")], 200),
            (vec![own, ("sec-fetch-site", "none")], 200),
            (vec![own, ("origin", "http://evil.example")], 403),
            (vec![own, ("origin", "http://127.0.0.1:3000")], 403),
            (vec![own, ("origin", "null")], 403),
            (vec![own, ("sec-fetch-site", "cross-site")], 403),
            (vec![own, ("sec-fetch-site", "same-site")], 403),
            (vec![own, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")], 403),
            (vec![("host", "evil.example:8081"), ("sec-fetch-site", "same-origin")], 421),
        ] {
            for method in ["GET", "POST"] {
                assert_eq!(status(&guard, method, &headers), expected, "{method} {headers:?}");
            }
        }
        let link =
            [own, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
        assert_eq!(status(&guard, "GET", &link), 200, "a person opens a link");
        assert_eq!(status(&guard, "POST", &link), 403, "a page sends a form");
        let frame = [own, link[1], link[2], ("sec-fetch-dest", "iframe")];
        assert_eq!(status(&guard, "GET", &frame), 403);
    }

    #[test]
    fn with_a_file_of_keys_only_a_valid_key_gives_access() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("producers.toml");
        let mut keys = Keys::default();
        let key = keys.add("collector", Timestamp::now(), None).unwrap();
        keys.write(&path, "lockstep producers").unwrap();
        let guard = guard(&[], Some(Arc::new(KeyFile::open(&path).unwrap())));
        let with = |value: &str| status(&guard, "POST", &[("host", "localhost"), ("authorization", value)]);
        assert_eq!(status(&guard, "POST", &[("host", "localhost")]), 401);
        assert_eq!(with(&format!("Bearer {key}")), 200);
        assert_eq!(with(&format!("bearer  {key}")), 200);
        assert_eq!(with(&format!("Basic {key}")), 401);
        assert_eq!(with(&format!("Bearer {key}0")), 401);
        assert_eq!(with("Bearer "), 401);
        let foreign = [("host", "localhost"), ("origin", "http://evil.example"), ("authorization", "x")];
        assert_eq!(status(&guard, "POST", &foreign), 403);
    }
}
