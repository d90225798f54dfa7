//! Each requirement, over real HTTP. Writing is in `writing`, what an attacker would send in `hostile`.

mod feed;
mod filtering;
mod hostile;
mod medallion;
mod scoreboard;
mod seeded;
mod writing;

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use runtime::shutdown::Shutdown;

use crate::{
    config::{Config, access::Limits},
    service::Sharing,
    store::database::tests::{Place, sqlite_place},
};
use casework::{Reviewers, Tlp, policy::Partner};
use presentation::fixtures;

const JSON: &str = "application/taxii+json;version=2.1";

/// A service on a loopback port, with two partners and findings already shared.
struct Server {
    base: String,
    key: String,
    other_key: String,
    collection: String,
    other_collection: String,
    sharing: Sharing,
    runtime: tokio::runtime::Runtime,
    agent: ureq::Agent,
    _folder: tempfile::TempDir,
}

struct Reply {
    status: u16,
    headers: ureq::http::HeaderMap,
    text: String,
}

impl Reply {
    fn of(mut response: ureq::http::Response<ureq::Body>) -> Self {
        Reply {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.body_mut().with_config().limit(64 << 20).read_to_string().unwrap(),
        }
    }
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
    fn ids(&self) -> Vec<String> {
        let objects = self.json()["objects"].as_array().cloned().unwrap_or_default();
        objects.iter().map(|o| o["id"].as_str().unwrap().to_owned()).collect()
    }
}

impl Server {
    fn start() -> Self {
        Self::at(sqlite_place())
    }
    fn at((folder, database): Place) -> Self {
        let partner = |name: &str, platform: &str| Partner {
            name: name.to_owned(),
            platform: platform.to_owned(),
            tlp_ceiling: Tlp::Amber,
            ..Partner::default()
        };
        let config = Config {
            database,
            listen: ([127, 0, 0, 1], 0).into(),
            reviewers: Reviewers::Demo,
            invented_recipients: true,
            partners: vec![partner("birds", "twitter"), partner("blue", "bluesky"), partner("empty", "nowhere")],
            taxii_page: 25,
            taxii_page_max: 200,
            limits: Limits { partner_per_minute: 1_000_000, ..Limits::default() },
            ..Config::default()
        };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let sharing = Sharing::open(config, &runtime::metrics::Metrics::new().unwrap()).unwrap();
        sharing.inner.store.record_shared_object("birds", writing::ABOUT).unwrap();
        let (base, key, other_key) = runtime.block_on(async {
            let serving = crate::Server::new(sharing.clone());
            let listener = serving.bind().await.unwrap();
            let base = format!("http://{}", listener.local_addr().unwrap());
            tokio::spawn(async move { serving.serve(listener, Shutdown::new()).await });
            let batch = (0..4).map(|n| fixtures::cluster(&format!("cluster-{n}"), 1)).collect();
            sharing.on_clusters(batch).await.unwrap();
            (base, sharing.issue_key("birds").await.unwrap(), sharing.issue_key("blue").await.unwrap())
        });
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut server = Server {
            base,
            key,
            other_key,
            collection: String::new(),
            other_collection: String::new(),
            sharing,
            runtime,
            agent,
            _folder: folder,
        };
        let id = |reply: Reply| reply.json()["collections"][0]["id"].as_str().unwrap().to_owned();
        server.collection = id(server.get("/taxii2/lockstep/collections/"));
        server.other_collection = id(server.get_as(&server.other_key, "/taxii2/lockstep/collections/"));
        server
    }

    fn call(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = match method {
            "POST" => self.agent.run(request.body("{}").unwrap()),
            _ => self.agent.run(request.body(()).unwrap()),
        };
        Reply::of(response.unwrap())
    }
    fn post(&self, path: &str, body: impl Into<Vec<u8>>) -> Reply {
        self.post_as(&self.key, path, JSON, body)
    }
    fn post_as(&self, key: &str, path: &str, media: &str, body: impl Into<Vec<u8>>) -> Reply {
        let request = ureq::http::Request::builder()
            .method("POST")
            .uri(format!("{}{path}", self.base))
            .header("authorization", format!("Bearer {key}"))
            .header("accept", JSON)
            .header("content-type", media);
        Reply::of(self.agent.run(request.body(body.into()).unwrap()).unwrap())
    }
    /// Without following where it is sent.
    fn get_once(&self, path: &str) -> Reply {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).build().into();
        let request = ureq::http::Request::builder().uri(format!("{}{path}", self.base));
        let request = request.header("authorization", format!("Bearer {}", self.key)).header("accept", JSON);
        Reply::of(agent.run(request.body(()).unwrap()).unwrap())
    }
    fn get_as(&self, key: &str, path: &str) -> Reply {
        self.call("GET", path, &[("authorization", &format!("Bearer {key}")), ("accept", JSON)])
    }
    fn get(&self, path: &str) -> Reply {
        self.get_as(&self.key, path)
    }
    fn method(&self, method: &str, path: &str) -> Reply {
        self.call(method, path, &[("authorization", &format!("Bearer {}", self.key)), ("accept", JSON)])
    }
    /// What a script of tests/stix says that reads everything.
    fn run_client(&self, script: &str) -> String {
        let python = std::env::var_os("LOCKSTEP_TAXII_PYTHON").expect("a Python in LOCKSTEP_TAXII_PYTHON");
        let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/stix").join(script);
        let output = std::process::Command::new(python)
            .arg(script)
            .args([&format!("{}/taxii2/", self.base), "birds", &self.key])
            .output()
            .unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{said}");
        said
    }
    /// Below the collection.
    fn col(&self, rest: &str) -> Reply {
        self.get(&format!("/taxii2/lockstep/collections/{}/{rest}", self.collection))
    }
    /// All objects by paging.
    fn all(&self, endpoint: &str, filter: &str, limit: usize) -> Vec<String> {
        self.all_after(endpoint, filter, limit, None)
    }
    /// The same from the page on that `next` stands for.
    fn all_after(&self, endpoint: &str, filter: &str, limit: usize, next: Option<&str>) -> Vec<String> {
        let mut ids = Vec::new();
        let mut next = next.map_or_else(String::new, |next| format!("&next={next}"));
        loop {
            let reply = self.col(&format!("{endpoint}/?limit={limit}{filter}{next}"));
            assert_eq!(reply.status, 200, "{}", reply.text);
            let page = reply.ids();
            assert!(page.len() <= limit);
            ids.extend(page);
            let body = reply.json();
            match body.get("next") {
                Some(cursor) => {
                    assert_eq!(body["more"], true);
                    next = format!("&next={}", cursor.as_str().unwrap());
                }
                None => {
                    // An empty envelope is {}.
                    assert_eq!(body.get("more"), (!body["objects"].is_null()).then_some(&false.into()));
                    return ids;
                }
            }
        }
    }
}

/// 1 (loopback by default), 2, 3, 9, 10, 11.
#[test]
fn points_2_3_9_10_11_discovery_to_collection() {
    let s = Server::start();
    assert!(Config::default().listen.ip().is_loopback());
    let discovery = s.get("/taxii2/").json();
    let roots = discovery["api_roots"].as_array().unwrap();
    assert!(roots.contains(&discovery["default"]));
    let root = s.get(discovery["default"].as_str().unwrap().strip_prefix(&s.base).unwrap()).json();
    assert!(root["title"].is_string());
    assert_eq!(root["versions"][0], JSON);
    assert!(root["max_content_length"].as_u64().unwrap() > 0);
    let collections = s.get("/taxii2/lockstep/collections/").json();
    assert_eq!(collections["collections"].as_array().unwrap().len(), 2);
    assert_eq!(collections, s.get("/taxii2/lockstep/collections/").json());
    let collection = s.col("").json();
    assert_eq!(collection, collections["collections"][0]);
    assert_eq!(collection["can_read"], true);
    assert_eq!(collection["can_write"], false);
    uuid::Uuid::parse_str(collection["id"].as_str().unwrap()).unwrap();
    assert!(collection["title"].as_str().unwrap().starts_with("DEMO"));
    assert!(collection["description"].as_str().unwrap().contains("no person looked"));
}

/// 10: an empty list is left out.
#[test]
fn point_10_empty_is_an_empty_object() {
    let s = Server::start();
    let key = s.runtime.block_on(s.sharing.issue_key("empty")).unwrap();
    let list = s.get_as(&key, "/taxii2/lockstep/collections/").json();
    let id = list["collections"][0]["id"].as_str().unwrap().to_owned();
    for endpoint in ["objects", "manifest"] {
        let reply = s.get_as(&key, &format!("/taxii2/lockstep/collections/{id}/{endpoint}/"));
        assert_eq!((reply.status, reply.text.as_str()), (200, "{}"));
        assert!(reply.header("x-taxii-date-added-first").is_none());
    }
}

/// 4: paths end in a slash; without it a client that may ask is sent to the path with it.
#[test]
fn point_4_paths_end_in_a_slash() {
    let s = Server::start();
    for (path, query) in [("/taxii2", ""), ("/taxii2/lockstep", ""), ("/taxii2/lockstep/collections", "?limit=1")] {
        let reply = s.get_once(&format!("{path}{query}"));
        assert_eq!((reply.status, reply.header("location")), (308, Some(&*format!("{path}/{query}"))), "{path}");
        assert_eq!(s.call("GET", path, &[]).status, 401, "{path}");
    }
    for path in [
        "/taxii2/nothing/",
        "/taxii2//",
        "/taxii2/lockstep/collections//objects/",
        &format!("/taxii2/lockstep/collections/{}/objects//", s.collection),
    ] {
        assert_eq!(s.get(path).status, 404, "{path}");
    }
}

/// 5, 29: the media type of every answer, and the shape of errors.
#[test]
fn points_5_29_every_answer_is_taxii_and_errors_have_title_and_status() {
    let s = Server::start();
    let replies = [
        s.get("/taxii2/"),
        s.col("objects/"),
        s.get("/taxii2/nowhere/"),
        s.col("objects/?limit=0"),
        s.call("GET", "/taxii2/", &[]),
        s.call("GET", "/taxii2/", &[("accept", "text/html"), ("authorization", &format!("Bearer {}", s.key))]),
        s.method("PUT", "/taxii2/"),
    ];
    for reply in replies {
        assert_eq!(reply.header("content-type"), Some(JSON));
        if reply.status >= 400 {
            let error = reply.json();
            assert!(error["title"].is_string());
            assert_eq!(error["http_status"], reply.status.to_string());
        }
    }
}

/// 6, 7: which media types are taken.
#[test]
fn points_6_7_media_types() {
    let s = Server::start();
    let bearer = format!("Bearer {}", s.key);
    let good = [
        JSON,
        "application/taxii+json",
        "application/taxii+json; version=2.1",
        "application/taxii+json;version=\"2.1\"",
        "*/*",
        "application/*",
        "text/html, application/taxii+json;q=0.5",
        "application/taxii+json;version=2.0, application/taxii+json;version=2.1",
    ];
    for accept in good {
        let reply = s.call("GET", "/taxii2/", &[("authorization", &bearer), ("accept", accept)]);
        assert_eq!((reply.status, reply.header("content-type")), (200, Some(JSON)), "{accept}");
    }
    for accept in ["text/html", "application/taxii+json;version=2.0", "application/json", "*/*;q=0"] {
        let reply = s.call("GET", "/taxii2/", &[("authorization", &bearer), ("accept", accept)]);
        assert_eq!(reply.status, 406, "{accept}");
    }
    let post = s.call(
        "POST",
        &format!("/taxii2/lockstep/collections/{}/objects/", s.collection),
        &[("authorization", &bearer), ("accept", JSON), ("content-type", JSON)],
    );
    assert!(![406, 415].contains(&post.status), "{}", post.status);
}

/// 8: who may ask.
#[test]
fn point_8_unauthorized_without_a_good_key() {
    let s = Server::start();
    let basic = |user: &str, key: &str| format!("Basic {}", STANDARD.encode(format!("{user}:{key}")));
    for good in [basic("birds", &s.key), format!("bearer {}", s.key)] {
        assert_eq!(s.call("GET", "/taxii2/", &[("authorization", &good)]).status, 200);
    }
    let mut flipped = s.key.clone();
    let last = if flipped.pop() == Some('0') { '1' } else { '0' };
    flipped.push(last);
    let bad = [
        String::new(),
        "Bearer".to_owned(),
        "Bearer x".to_owned(),
        "Basic !!!".to_owned(),
        format!("Bearer {flipped}"),
        basic("blue", &s.key),
        basic("birds", "password"),
        format!("Digest {}", s.key),
    ];
    for header in bad {
        for path in ["/taxii2/", "/taxii2/lockstep/collections/", "/taxii2/nowhere/"] {
            let reply = s.call("GET", path, &[("authorization", &header)]);
            assert_eq!(reply.status, 401, "{header} {path}");
            assert!(reply.header("www-authenticate").unwrap().contains("Basic"));
        }
    }
}

/// 12: another partner's collection is not there.
#[test]
fn point_12_no_read_right_is_404() {
    let s = Server::start();
    let id = s.col("objects/").ids()[0].clone();
    let nowhere = "91a7b528-80eb-42ed-a74d-c6fbd5a26116";
    for collection in [s.other_collection.as_str(), nowhere, "x"] {
        let mut said = BTreeSet::new();
        for rest in ["", "objects/", "manifest/", &format!("objects/{id}/"), &format!("objects/{id}/versions/")] {
            let reply = s.get(&format!("/taxii2/lockstep/collections/{collection}/{rest}"));
            assert_eq!(reply.status, 404);
            said.insert(reply.text);
        }
        assert_eq!(said.len(), 1);
    }
}

/// 13, 14: findings can be read, not written to or deleted from.
#[test]
fn points_13_14_no_write_right() {
    let s = Server::start();
    let own = format!("/taxii2/lockstep/collections/{}/objects/", s.collection);
    let other = format!("/taxii2/lockstep/collections/{}/objects/", s.other_collection);
    let id = s.col("objects/").ids()[0].clone();
    assert_eq!(s.method("POST", &own).status, 403);
    assert_eq!(s.method("POST", &other).status, 404);
    assert_eq!(s.method("DELETE", &format!("{own}{id}/")).status, 403);
    assert_eq!(s.method("DELETE", &format!("{other}{id}/")).status, 404);
    let put = s.method("PUT", &own);
    assert_eq!((put.status, put.header("allow")), (405, Some("GET, HEAD, POST")));
    assert_eq!(s.get(&format!("/taxii2/lockstep/status/{}/", uuid::Uuid::new_v4())).status, 404);
    let head = s.method("HEAD", &own);
    assert_eq!((head.status, head.text.len()), (200, 0));
}

/// The OASIS client pages through everything. `LOCKSTEP_TAXII_PYTHON` names a Python that has it.
#[test]
#[ignore = "needs Python packages: tests/stix/validate.sh"]
fn outside_the_oasis_client_reads_every_object_once() {
    let s = Server::start();
    let all = s.all("objects", "", 200).len();
    let said = s.run_client("taxii_client.py");
    assert!(said.contains(&format!("{all} objects")), "{said}");
}

/// Cyware's client, and the OASIS client in the way of OpenCTI's connector.
#[test]
#[ignore = "needs Python packages: tests/stix/validate.sh"]
fn outside_other_products_read_every_object_once() {
    let s = Server::start();
    let all = s.all("objects", "", 200).len();
    let said = s.run_client("taxii_other_clients.py");
    assert!(said.contains(&format!("{all} objects")), "{said}");
}

/// OpenCTI's connector reads all collections with one set of parameters: the first with `added_after` alone, and every next one with the last
/// `next` of the collection before it.
#[test]
fn opencti_reads_its_second_collection_too() {
    let s = Server::start();
    let collections = s.get("/taxii2/lockstep/collections/").json();
    let ids: Vec<&str> =
        collections["collections"].as_array().unwrap().iter().map(|c| c["id"].as_str().unwrap()).collect();
    assert_eq!(ids[0], s.collection);
    let note = serde_json::json!({"type": "note", "spec_version": "2.1", "id": format!("note--{}", uuid::Uuid::new_v4()),
        "created": "2026-01-01T00:00:00.000Z", "modified": "2026-01-01T00:00:00.000Z", "content": "seen",
        "labels": ["acknowledged"], "object_refs": [s.all("objects", "&match[type]=campaign", 200)[0]]});
    let objects = |id: &str| format!("/taxii2/lockstep/collections/{id}/objects/");
    assert_eq!(s.post(&objects(ids[1]), serde_json::json!({"objects": [note]}).to_string()).status, 202);
    let mut filters = "limit=50&added_after=2020-01-01T00:00:00Z".to_owned();
    let mut read = Vec::new();
    for id in &ids {
        loop {
            let reply = s.get(&format!("{}?{filters}", objects(id)));
            assert_eq!(reply.status, 200, "{filters}: {}", reply.text);
            read.extend(reply.ids());
            match reply.json().get("next") {
                Some(next) => filters = format!("limit=50&next={}", next.as_str().unwrap()),
                None => break,
            }
        }
    }
    assert!(filters.contains("next="), "one page only");
    let mut all = s.all("objects", "", 200);
    all.push(note["id"].as_str().unwrap().to_owned());
    assert_eq!(read, all);
    // Who may not read the collection of a `next` gets no page for it, nor does one who made it up.
    let stranger = s.get_as(&s.other_key, &format!("{}?{filters}", objects(&s.other_collection)));
    assert_eq!((stranger.status, s.col("objects/?next=AAAA").status), (400, 400));
    let other_filters = s.get(&format!("{}?{filters}&match[type]=note", objects(ids[1])));
    assert_eq!((other_filters.status, &other_filters.json()["title"]), (400, &"ProcessingError".into()));
}
