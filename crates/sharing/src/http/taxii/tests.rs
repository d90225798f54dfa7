//! Each requirement, over real HTTP. Writing is in `writing`, what an attacker would send in `hostile`.

mod hostile;
mod medallion;
mod seeded;
mod writing;

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use runtime::shutdown::Shutdown;

use crate::{
    config::{Config, access::Limits},
    service::Sharing,
    store::database::tests::places,
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
        Self::everywhere(1).remove(0)
    }
    /// One over SQLite, and one over PostgreSQL where there is a server.
    fn everywhere(most: usize) -> Vec<Self> {
        places().into_iter().take(most).map(|(folder, place)| Self::at(folder, place)).collect()
    }
    fn at(folder: tempfile::TempDir, database: String) -> Self {
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
            partners: vec![partner("birds", "twitter"), partner("blue", "bluesky"), partner("empty", "nowhere")],
            taxii_page: 25,
            taxii_page_max: 200,
            limits: Limits { partner_per_minute: 1_000_000, ..Limits::default() },
            ..Config::default()
        };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let sharing = Sharing::open(config, &runtime::metrics::Metrics::new().unwrap()).unwrap();
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
    /// Below the collection.
    fn col(&self, rest: &str) -> Reply {
        self.get(&format!("/taxii2/lockstep/collections/{}/{rest}", self.collection))
    }
    /// All objects by paging.
    fn all(&self, endpoint: &str, filter: &str, limit: usize) -> Vec<String> {
        let (mut ids, mut next) = (Vec::new(), String::new());
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

/// 15, 16, 17: order, date headers, microseconds.
#[test]
fn points_15_16_17_dates() {
    let s = Server::start();
    let manifest = s.col("manifest/?limit=50");
    let records = manifest.json()["objects"].as_array().unwrap().clone();
    let added: Vec<&str> = records.iter().map(|r| r["date_added"].as_str().unwrap()).collect();
    assert!(added.windows(2).all(|pair| pair[0] < pair[1]));
    let ids: Vec<&str> = records.iter().map(|r| r["id"].as_str().unwrap()).collect();
    assert_eq!(ids, s.col("objects/?limit=50").ids());
    let object = format!("objects/{}/", ids[7]);
    for (reply, first, last) in [
        (&manifest, 0, 49),
        (&s.col("objects/?limit=50"), 0, 49),
        (&s.col(&object), 7, 7),
        (&s.col(&format!("{object}versions/")), 7, 7),
    ] {
        assert_eq!(reply.header("x-taxii-date-added-first"), Some(added[first]));
        assert_eq!(reply.header("x-taxii-date-added-last"), Some(added[last]));
    }
    for time in added {
        assert_eq!(time.len(), "2026-01-01T00:00:00.000000Z".len(), "{time}");
        assert!(time.ends_with('Z'));
    }
}

/// 18: malformed parameters are 400.
#[test]
fn point_18_malformed_parameters() {
    let s = Server::start();
    let bad = [
        "limit=0",
        "limit=-20",
        "limit=abc",
        "limit=",
        "limit=1.5",
        "limit=+3",
        "limit=3&limit=4",
        "next=garbage",
        "next=",
        "next=AAAAAAAAAAA",
        "next=%00",
        "added_after=yesterday",
        "added_after=",
        "added_after=2026-01-01",
        "added_after=2026-01-01T00:00:00",
        "added_after=2026-01-01T00:00:00%2B01:00",
        "added_after=2026-13-01T00:00:00Z",
        "match[version]=newest",
        "match[version]=all,last",
        "match[id]=",
        "match[type]=a,,b",
    ];
    for endpoint in ["objects", "manifest"] {
        for query in bad {
            let reply = s.col(&format!("{endpoint}/?{query}"));
            assert_eq!(reply.status, 400, "{query}");
        }
    }
    for fine in ["limit=99999999999999999999999", "unknown=1", "match[colour]=red", "added_after=2026-01-01T00:00:00Z"]
    {
        assert_eq!(s.col(&format!("objects/?{fine}")).status, 200, "{fine}");
    }
    // A cursor of another collection is garbage here.
    let next = s.col("objects/?limit=1").json()["next"].as_str().unwrap().to_owned();
    let path = format!("/taxii2/lockstep/collections/{}/objects/?next={next}", s.other_collection);
    assert_eq!(s.get_as(&s.other_key, &path).status, 400);
}

/// 19: paging gives every object once, also while more are added.
#[test]
fn point_19_paging() {
    let s = Server::start();
    let all = s.all("objects", "", 200);
    assert!(all.len() > 80, "{}", all.len());
    for limit in [1, 7, 100] {
        assert_eq!(s.all("objects", "", limit), all);
        assert_eq!(s.all("manifest", "", limit), all);
    }
    let defaulted = s.col("objects/");
    assert_eq!(defaulted.ids().len(), 25);
    assert_eq!(s.col("objects/?limit=100000").ids().len(), all.len().min(200));

    let first = s.col("objects/?limit=30").json();
    let batch = vec![fixtures::cluster("late", 1)];
    let published = s.runtime.block_on(s.sharing.on_clusters(batch)).unwrap().published;
    assert!(published > 0);
    let mut ids: Vec<String> = first["objects"].as_array().unwrap().iter().map(|o| o["id"].to_string()).collect();
    let rest = s.all("objects", &format!("&next={}", first["next"].as_str().unwrap()), 200);
    ids.extend(rest.into_iter().map(|id| Value::from(id).to_string()));
    let unique: BTreeSet<&String> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len());
    assert!(ids.len() > all.len());
}

/// 20: added_after is strict.
#[test]
fn point_20_added_after_is_strict() {
    let s = Server::start();
    let records = s.col("manifest/?limit=10").json()["objects"].as_array().unwrap().clone();
    let third = records[2]["date_added"].as_str().unwrap();
    let after = s.col(&format!("objects/?limit=7&added_after={third}")).ids();
    let expected: Vec<&str> = records[3..].iter().map(|r| r["id"].as_str().unwrap()).collect();
    assert_eq!(after, expected);
    let all = s.all("objects", "", 200);
    let rest = s.all("objects", &format!("&added_after={third}"), 5);
    assert_eq!(rest, all[3..]);
    let none = s.col("objects/?added_after=2999-01-01T00:00:00Z");
    assert_eq!((none.status, none.text.as_str()), (200, "{}"));
}

/// 21, 22: filters.
#[test]
fn points_21_22_filters() {
    let s = Server::start();
    let of = |filter: &str| s.all("objects", filter, 200);
    let indicators = of("&match[type]=indicator");
    assert_eq!(indicators.len(), 40);
    assert!(indicators.iter().all(|id| id.starts_with("indicator--")));
    let campaigns = of("&match[type]=campaign");
    assert_eq!(of("&match[type]=campaign,indicator").len(), indicators.len() + campaigns.len());
    let two = format!("&match[id]={},{}", indicators[3], campaigns[1]);
    assert_eq!(of(&two).len(), 2);
    assert_eq!(of(&format!("{two}&match[type]=campaign")), [campaigns[1].clone()]);
    assert_eq!(of("&match[type]=malware"), [""; 0]);
    assert_eq!(of("&match[spec_version]=2.0"), [""; 0]);
    assert_eq!(of("&match[spec_version]=2.1,2.0").len(), of("").len());
    assert_eq!(s.all("manifest", "&match[type]=indicator", 200), indicators);
    let one = format!("objects/{}/", indicators[0]);
    assert_eq!(s.col(&format!("{one}?match[spec_version]=2.0")).text, "{}");
    assert_eq!(s.col(&format!("{one}?match[spec_version]=2.1")).ids().len(), 1);
    assert_eq!(s.col(&format!("{one}versions/?match[spec_version]=2.0")).text, "{}");
    assert_eq!(
        s.col(&format!("{one}versions/?match[spec_version]=2.1")).json()["versions"].as_array().unwrap().len(),
        1
    );
    // match[type] is not defined for one object, and a percent-encoded name is the same name.
    assert_eq!(s.col(&format!("{one}?match[type]=campaign")).ids().len(), 1);
    assert_eq!(of("&match%5Btype%5D=indicator"), indicators);
    assert_eq!(s.col("objects/indicator--91a7b528-80eb-42ed-a74d-c6fbd5a26116/").status, 404);
    assert_eq!(s.col("objects/x/versions/").status, 404);
}

/// 23, 24, 25: versions.
#[test]
fn points_23_24_25_versions() {
    let s = Server::start();
    let id = s.all("objects", "&match[type]=campaign", 200)[0].clone();
    let before = s.col(&format!("objects/{id}/")).json()["objects"][0].clone();
    let batch = (0..4).map(|n| fixtures::cluster(&format!("cluster-{n}"), 2)).collect();
    s.runtime.block_on(s.sharing.on_clusters(batch)).unwrap();
    let last = s.col(&format!("objects/{id}/")).json()["objects"][0].clone();
    assert!(last["modified"].as_str() > before["modified"].as_str());
    assert_eq!(last["created"], before["created"]);

    let get = |version: &str| s.col(&format!("objects/{id}/?match[version]={version}")).json();
    assert_eq!(get("last")["objects"], Value::from(vec![last.clone()]));
    assert_eq!(get("first")["objects"], Value::from(vec![before.clone()]));
    assert_eq!(get("all")["objects"].as_array().unwrap().len(), 2);
    assert_eq!(get("first,last")["objects"].as_array().unwrap().len(), 2);
    let exact = before["modified"].as_str().unwrap();
    assert_eq!(get(exact)["objects"], Value::from(vec![before.clone()]));
    assert_eq!(get("2001-01-01T00:00:00Z"), serde_json::json!({}));

    let versions = s.col(&format!("objects/{id}/versions/")).json();
    let versions = versions["versions"].as_array().unwrap();
    assert_eq!(versions.len(), 2);
    assert!(versions[0].as_str() < versions[1].as_str());
    assert!(versions[0].as_str().unwrap().starts_with(exact.trim_end_matches('Z')));

    let records = s.col("manifest/?limit=200&match[version]=all").json();
    for record in records["objects"].as_array().unwrap() {
        assert_eq!(record.as_object().unwrap().len(), 4);
        assert_eq!(record["media_type"], "application/stix+json;version=2.1");
        if record["id"].as_str().unwrap().starts_with("user-account--") {
            // It has no time of its own.
            assert_eq!(record["version"], record["date_added"]);
        }
        if record["id"].as_str().unwrap().starts_with("marking-definition--") {
            // Those of TLP 2.0, and of DISARM 1.6: it has `created` alone.
            let made = ["2022-10-01T00:00:00.000Z", "2024-11-22T16:43:58.073969Z"];
            assert!(made.iter().any(|at| record["version"] == *at), "{record}");
        }
    }
}

/// The OASIS client pages through everything. `LOCKSTEP_TAXII_PYTHON` names a Python that has it.
#[test]
#[ignore = "needs Python packages: tests/stix/validate.sh"]
fn outside_the_oasis_client_reads_every_object_once() {
    let python = std::env::var_os("LOCKSTEP_TAXII_PYTHON").expect("a Python in LOCKSTEP_TAXII_PYTHON");
    let s = Server::start();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/stix/taxii_client.py");
    let output = std::process::Command::new(python)
        .arg(script)
        .args([&format!("{}/taxii2/", s.base), "birds", &s.key])
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    let all = s.all("objects", "", 200).len();
    assert!(said.contains(&format!("{all} objects")), "{said}");
}
