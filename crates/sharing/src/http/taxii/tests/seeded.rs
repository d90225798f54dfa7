//! Seeds for conformance suites.

use base64::{Engine, engine::general_purpose::STANDARD};
use runtime::shutdown::Shutdown;
use serde_json::{Value, json};

use super::{JSON, Reply};
use crate::{
    config::Config,
    service::{Sharing, SharingError},
    store::database::tests::{Place, on_both_databases, sqlite_place},
};

const EXAMPLE: &str = include_str!("../../../../../../config/taxii-seed.example.json");
const MAIN: &str = "/taxii2/main/collections/91a7b528-80eb-42ed-a74d-c6fbd5a26116/";

/// A server with a seed, asked by a user with a password.
pub(super) struct Seeded {
    pub base: String,
    agent: ureq::Agent,
    _runtime: tokio::runtime::Runtime,
}

fn open(place: &str, seed: &str) -> Result<Sharing, SharingError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("seed.json");
    std::fs::write(&file, seed).unwrap();
    let listen = ([127, 0, 0, 1], 0).into();
    let config = Config { database: place.to_owned(), seed: Some(file), listen, ..Config::default() };
    Sharing::open(config, &runtime::metrics::Metrics::new().unwrap())
}

impl Seeded {
    pub fn start(place: &str, seed: &str) -> Self {
        let sharing = open(place, seed).unwrap_or_else(|error| panic!("{error}"));
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let base = runtime.block_on(async {
            let server = crate::Server::new(sharing);
            let listener = server.bind().await.unwrap();
            let base = format!("http://{}", listener.local_addr().unwrap());
            tokio::spawn(async move { server.serve(listener, Shutdown::new()).await });
            base
        });
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .redirect_auth_headers(ureq::config::RedirectAuthHeaders::SameHost)
            .build()
            .into();
        Seeded { base, agent, _runtime: runtime }
    }

    pub fn call(&self, method: &str, login: &str, path: &str, body: &str) -> Reply {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("authorization", format!("Basic {}", STANDARD.encode(login)))
            .header("content-type", JSON);
        Reply::of(match method {
            "POST" => self.agent.run(request.body(body.to_owned()).unwrap()).unwrap(),
            _ => self.agent.run(request.body(()).unwrap()).unwrap(),
        })
    }
    pub fn get(&self, path: &str) -> Reply {
        self.call("GET", "suite:only for tests", path, "")
    }
    fn as_reader(&self, method: &str, path: &str) -> Reply {
        self.call(method, "reader:also only for tests", path, "{}")
    }
}

on_both_databases!(fn the_example_is_served_as_it_says, point_22_two_spec_versions_of_an_object, a_seed_goes_into_an_empty_database_only);

fn the_example_is_served_as_it_says((_folder, place): Place) {
    let s = Seeded::start(&place, EXAMPLE);
    let seed: Value = serde_json::from_str(EXAMPLE).unwrap();
    for login in ["", "suite", "suite:", "suite:also only for tests", "nobody:only for tests", ":only for tests"] {
        assert_eq!(s.call("GET", login, "/taxii2/", "").status, 401, "{login}");
    }
    // 2, 3, 9: several API roots, in their order.
    let discovery = s.get("/taxii2/").json();
    assert_eq!(discovery["title"], seed["discovery"]["title"]);
    assert_eq!(discovery["contact"], "admin@example.org");
    let root = |path: &str| json!(format!("{}/taxii2/{path}/", s.base));
    assert_eq!(discovery["default"], root("main"));
    assert_eq!(discovery["api_roots"], json!([root("main"), root("second")]));
    assert_eq!(s.get("/taxii2/main/").json()["max_content_length"], 9_765_625);
    assert_eq!(s.get("/taxii2/second/collections/").text, "{}");
    assert_eq!(s.get("/taxii2/lockstep/").status, 404);
    // 10, 11: what each user may do.
    let list = s.get("/taxii2/main/collections/").json()["collections"].clone();
    assert_eq!(list.as_array().unwrap().len(), 4);
    for (n, given) in seed["api_roots"][0]["collections"].as_array().unwrap().iter().enumerate() {
        assert_eq!(
            (&list[n]["id"], &list[n]["title"], &list[n]["alias"]),
            (&given["id"], &given["title"], &given["alias"])
        );
    }
    assert_eq!(list[0]["media_types"], seed["api_roots"][0]["collections"][0]["media_types"]);
    assert_eq!(s.get("/taxii2/main/collections/everything/").json(), list[0]);
    assert_eq!(s.get("/taxii2/second/collections/everything/").status, 404);
    // 15, 16, 23, 25: dates and versions of the file, also where two objects share a date.
    let given = &seed["api_roots"][0]["collections"][0]["objects"];
    let all = s.get(&format!("{MAIN}objects/?match[version]=all&limit=1"));
    assert_eq!(all.json()["objects"][0], given[0]["object"]);
    assert_eq!(all.header("x-taxii-date-added-first"), given[0]["date_added"].as_str());
    let mut path = format!("{MAIN}manifest/?match[version]=all&limit=1");
    let mut records = Vec::new();
    loop {
        let page = s.get(&path).json();
        records.extend(page["objects"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => path = format!("{MAIN}manifest/?match[version]=all&limit=1&next={next}"),
            None => break,
        }
    }
    assert_eq!(records.len(), 3);
    for (record, given) in records.iter().zip(given.as_array().unwrap()) {
        assert_eq!((&record["id"], &record["date_added"]), (&given["object"]["id"], &given["date_added"]));
    }
    assert_eq!(records[1]["version"], "2017-01-27T13:49:53.935Z");
    assert_eq!(records[2]["version"], records[2]["date_added"]);
    let last = s.get(&format!("{MAIN}objects/")).json();
    assert_eq!(last["objects"], json!([given[1]["object"], given[2]["object"]]));
    // 26: a status of the file, for its user.
    let status = "/taxii2/main/status/2d086da7-4bdc-4f91-900e-d77486753710/";
    assert_eq!(s.get(status).json(), seed["api_roots"][0]["statuses"][0]["status"]);
    assert_eq!(s.as_reader("GET", status).status, 404);
}

/// 12, 13, 14: which rights allow what.
#[test]
fn points_12_13_14_rights() {
    let (_folder, place) = sqlite_place();
    let s = Seeded::start(&place, EXAMPLE);
    let object = "objects/indicator--6770298f-0fd8-471a-ab8c-1c658a46574e/";
    let rest = ["objects/", "manifest/", object, &format!("{object}versions/")];
    for (collection, readable, post, delete) in [
        ("52892447-4d7e-4f70-b94d-d7f22742ff63", 0, 403, 403),
        ("472c94ae-3113-4e3e-a4dd-a9f4ac7471d4", 403, 422, 403),
        ("365fed99-08fa-fdcd-a1b3-fb247eb41d01", 403, 403, 404),
        ("everything", 0, 422, 200),
    ] {
        let path = format!("/taxii2/main/collections/{collection}/");
        assert_eq!(s.as_reader("GET", &path).status, 200);
        for rest in rest {
            let status = s.as_reader("GET", &format!("{path}{rest}")).status;
            assert!(status == readable || readable == 0 && [200, 404].contains(&status), "{path}{rest}: {status}");
        }
        assert_eq!(s.as_reader("POST", &format!("{path}objects/")).status, post, "{path}");
        assert_eq!(s.as_reader("DELETE", &format!("{path}{object}")).status, delete, "{path}");
    }
}

/// 22, 26: STIX 2.0 beside 2.1 where the collection takes both.
fn point_22_two_spec_versions_of_an_object((_folder, place): Place) {
    two_spec_versions(&place);
}

fn two_spec_versions(place: &str) {
    let s = Seeded::start(place, EXAMPLE);
    let id = format!("note--{}", uuid::Uuid::new_v4());
    let note = |spec: &str, day: u32| {
        let time = format!("2026-01-0{day}T00:00:00.000Z");
        json!({"type": "note", "id": id, "spec_version": spec, "created": "2026-01-01T00:00:00.000Z", "modified": time})
    };
    let body = json!({"objects": [note("2.0", 1), note("2.1", 2), note("2.1", 3)]}).to_string();
    let posted = s.call("POST", "suite:only for tests", &format!("{MAIN}objects/"), &body);
    assert_eq!((posted.status, &posted.json()["failure_count"]), (202, &json!(0)), "{}", posted.text);
    let days = |query: &str| -> Vec<String> {
        let list = s.get(&format!("{MAIN}manifest/?match[id]={id}{query}")).json()["objects"].as_array().cloned();
        list.unwrap_or_default().iter().map(|r| r["version"].as_str().unwrap()[9..10].to_owned()).collect()
    };
    assert_eq!(days(""), ["3"]);
    assert_eq!(days("&match[spec_version]=2.0"), ["1"]);
    assert_eq!(days("&match[spec_version]=2.1"), ["3"]);
    assert_eq!(days("&match[spec_version]=2.1&match[version]=first"), ["2"]);
    // Without a filter, what is of the latest spec_version that the object has.
    assert_eq!(days("&match[version]=first"), ["2"]);
    assert_eq!(days("&match[version]=all"), ["2", "3"]);
    let both = "&match[spec_version]=2.0,2.1";
    assert_eq!(days(&format!("{both}&match[version]=first")), ["1"]);
    assert_eq!(days(&format!("{both}&match[version]=all")), ["1", "2", "3"]);
    let record = s.get(&format!("{MAIN}manifest/?match[id]={id}{both}&match[version]=first")).json();
    assert_eq!(record["objects"][0]["media_type"], "application/stix+json;version=2.0");
    let only = format!("{MAIN}objects/{id}/?match[spec_version]=2.0");
    assert_eq!(s.call("DELETE", "suite:only for tests", &only, "").status, 200);
    assert_eq!(days(&format!("{both}&match[version]=all")), ["2", "3"]);
}

fn a_seed_goes_into_an_empty_database_only((_folder, place): Place) {
    drop(open(&place, EXAMPLE).unwrap_or_else(|error| panic!("{error}")));
    let refused = open(&place, EXAMPLE).err().unwrap().to_string();
    assert!(refused.contains("not empty") && refused.contains("--database"), "{refused}");
    // Started again without the seed, nobody gets in.
    let config = Config { database: place, ..Config::default() };
    let sharing = Sharing::open(config, &runtime::metrics::Metrics::new().unwrap()).unwrap();
    assert!(sharing.inner.site.users.is_empty());
    assert_eq!(sharing.inner.site.roots.len(), 1);
}

#[test]
fn a_wrong_seed_is_refused_with_the_place_and_leaves_nothing() {
    let (_folder, place) = sqlite_place();
    let wrong = |pointer: &str, value: Value| {
        let mut seed: Value = serde_json::from_str(EXAMPLE).unwrap();
        match seed.pointer_mut(pointer) {
            Some(found) => *found = value,
            None => {
                let (parent, name) = pointer.rsplit_once('/').unwrap();
                seed.pointer_mut(parent).unwrap()[name] = value;
            }
        }
        seed.to_string()
    };
    let root = "/api_roots/0";
    for (seed, at) in [
        ("{".to_owned(), "EOF"),
        (format!("{EXAMPLE} x"), "after the end"),
        (wrong("/colour", json!("red")), "unknown field `colour`"),
        (wrong("/api_roots", json!([])), "at api_roots"),
        (wrong("/users", json!([])), "at users"),
        (wrong("/users/0/name", json!("a:b")), "at users[0].name"),
        (wrong("/users/1/name", json!("suite")), "at users[1].name"),
        (wrong("/discovery/default", json!("third")), "at discovery.default"),
        (wrong("/page_size", json!(0)), "at page_size"),
        (wrong("/page_size", json!("ten")), "at page_size"),
        (wrong(&format!("{root}/path"), json!("a/b")), "at api_roots[0].path"),
        (wrong("/api_roots/1/path", json!("main")), "at api_roots[1].path"),
        (wrong(&format!("{root}/max_content_length"), json!(0)), "at api_roots[0].max_content_length"),
        (wrong(&format!("{root}/collections/1/id"), json!("x")), "at api_roots[0].collections[1].id"),
        (wrong(&format!("{root}/collections/1/alias"), json!("everything")), "at api_roots[0].collections[1].alias"),
        (
            wrong(&format!("{root}/collections/1/users/nobody"), json!({"can_read": true, "can_write": true})),
            "\"nobody\"",
        ),
        (
            wrong(&format!("{root}/collections/0/objects/0/date_added"), json!("now")),
            "collections[0].objects[0].date_added",
        ),
        (wrong(&format!("{root}/collections/0/objects/0/object/id"), json!("x")), "collections[0].objects[0].object"),
        (
            wrong(&format!("{root}/collections/0/objects/1/object/modified"), json!("2016-11-03T12:30:59.000Z")),
            "there already",
        ),
        (wrong(&format!("{root}/statuses/0/status/total_count"), json!(9)), "statuses[0].status.total_count"),
        (wrong(&format!("{root}/statuses/0/user"), json!("nobody")), "statuses[0].user"),
    ] {
        let refused = open(&place, &seed).err().unwrap_or_else(|| panic!("taken: {at}")).to_string();
        assert!(refused.contains(at) && refused.contains("seed.json"), "{at}: {refused}");
    }
    // The database is still empty.
    drop(open(&place, EXAMPLE).unwrap_or_else(|error| panic!("{error}")));
}

#[test]
fn a_seed_does_not_go_with_partners() {
    let (folder, place) = sqlite_place();
    let partner = casework::policy::Partner {
        name: "p".to_owned(),
        platform: "x".to_owned(),
        tlp_ceiling: casework::Tlp::Amber,
        webhook: None,
    };
    let seed = Some(folder.path().join("none.json"));
    let config = Config { database: place, seed, partners: vec![partner], ..Config::default() };
    let refused = Sharing::open(config, &runtime::metrics::Metrics::new().unwrap()).err().unwrap().to_string();
    assert!(refused.contains("sharing.recipients"), "{refused}");
}
