//! The requests of the test suite of medallion, the OASIS reference server
//! (oasis-open/cti-taxii-server, `medallion/test/test_backends.py`), made to this server with
//! objects of our own in the shape of the suite's.
//!
//! The suite of medallion 3.0 has 81 tests. Seven of them read medallion's own configuration and
//! files, the other 74 make requests. All 74 are repeated here. The numbers in the comments on the
//! tests below count them. A later revision of the suite adds filters of the TAXII interoperability
//! profile, which the standard does not have: five tests expect that a server without this profile
//! ignores them, and these are repeated as well. That revision also picks the newest version of an
//! object before it looks at `match[spec_version]`. The standard (section 3.4) has the other order,
//! as medallion 3.0 has, and so has this server.

use serde_json::{Value, json};

use super::{Reply, seeded::Seeded};
use crate::store::database::tests::sqlite_place;

const RELATIONSHIP: &str = "relationship--a0d1b5a1-0c11-4d8e-8f8b-6b1a3c1f0001";
const HASH: &str = "indicator--a0d1b5a1-0c11-4d8e-8f8b-6b1a3c1f0002";
const SITE: &str = "indicator--a0d1b5a1-0c11-4d8e-8f8b-6b1a3c1f0003";
const MARKING: &str = "marking-definition--a0d1b5a1-0c11-4d8e-8f8b-6b1a3c1f0004";
const MALWARE: &str = "malware--a0d1b5a1-0c11-4d8e-8f8b-6b1a3c1f0005";
const ACTION: &str = "course-of-action--a0d1b5a1-0c11-4d8e-8f8b-6b1a3c1f0006";
const ARTIFACT: &str = "artifact--a0d1b5a1-0c11-4d8e-8f8b-6b1a3c1f0007";
const STATUS: &str = "a0d1b5a1-0c11-4d8e-8f8b-6b1a3c1f0008";

const READ: &str = "/taxii2/trust/collections/a0d1b5a1-0c11-4d8e-8f8b-6b1a3c1f0010/";
const ADD: &str = "/taxii2/trust/collections/a0d1b5a1-0c11-4d8e-8f8b-6b1a3c1f0011/";
const FORBIDDEN: &str = "/taxii2/trust/collections/a0d1b5a1-0c11-4d8e-8f8b-6b1a3c1f0012/";
const UNKNOWN: &str = "/taxii2/trust/collections/a0d1b5a1-0c11-4d8e-8f8b-6b1a3c1f0099/";

const FIRST: &str = "2018-05-08T09:00:00.000000Z";
const LAST: &str = "2021-12-31T13:49:53.935000Z";

fn relationship() -> Value {
    json!({"type": "relationship", "spec_version": "2.1", "id": RELATIONSHIP, "created": "2018-05-08T09:00:00.000Z",
        "modified": "2018-05-08T09:00:00.000Z", "relationship_type": "indicates", "source_ref": HASH, "target_ref": MALWARE})
}

fn site(modified: &str) -> Value {
    json!({"type": "indicator", "spec_version": "2.1", "id": SITE, "created": "2020-11-03T12:30:59.000Z", "modified": modified,
        "pattern": "[url:value = 'https://example.org/a']", "pattern_type": "stix", "valid_from": "2020-11-03T12:30:59.000Z"})
}

fn seed() -> String {
    let both = json!(["application/stix+json;version=2.1", "application/stix+json;version=2.0"]);
    let at = |date_added: &str, object: Value| json!({"date_added": date_added, "object": object});
    let malware = |modified: &str| {
        json!({"type": "malware", "id": MALWARE, "created": "2021-01-27T13:49:53.997Z", "modified": modified, "name": "ivy",
            "is_family": true})
    };
    let mut later = malware("2021-01-27T13:49:53.997Z");
    later["spec_version"] = json!("2.1");
    let objects = [
        at(FIRST, relationship()),
        at(
            "2020-11-01T03:04:05.000000Z",
            json!({"type": "indicator", "spec_version": "2.1", "id": HASH, "created": "2018-05-08T09:00:00.000Z",
                "modified": "2018-05-08T09:00:00.000Z", "pattern": "[file:name = 'a']", "pattern_type": "stix",
                "valid_from": "2018-05-08T09:00:00.000000Z"}),
        ),
        at("2020-11-03T12:30:59.001000Z", site("2020-11-03T12:30:59.000Z")),
        at("2020-12-27T13:49:59.000000Z", site("2020-12-25T12:30:59.444Z")),
        at(
            "2021-01-20T00:00:00.000000Z",
            json!({"type": "marking-definition", "spec_version": "2.1", "id": MARKING, "created": "2021-01-20T00:00:00.000Z",
                "definition_type": "tlp", "definition": {"tlp": "green"}, "name": "TLP:GREEN"}),
        ),
        at("2021-01-27T13:49:59.997000Z", later),
        at("2021-01-27T13:49:59.997000Z", malware("2022-02-23T18:30:00.000Z")),
        at(LAST, site("2021-01-27T13:49:53.935Z")),
    ];
    let collection = |path: &str, read: bool, write: bool, objects: &[Value]| {
        let id = path.trim_end_matches('/').rsplit('/').next();
        json!({"id": id, "title": "a collection", "media_types": both, "can_read": read, "can_write": write, "objects": objects})
    };
    json!({
        "discovery": {"title": "Some TAXII server", "contact": "somebody", "default": "trust"},
        "users": [{"name": "suite", "password": "only for tests"}],
        "page_size": 20, "max_page_size": 20,
        "api_roots": [
            {"path": "api1", "title": "one"},
            {"path": "api2", "title": "two"},
            {"path": "trust", "title": "a trust group", "collections": [
                collection(READ, true, true, &objects),
                collection(ADD, true, true, &[]),
                collection(FORBIDDEN, false, false, &[]),
                collection("a0d1b5a1-0c11-4d8e-8f8b-6b1a3c1f0013", false, true, &[]),
                collection("a0d1b5a1-0c11-4d8e-8f8b-6b1a3c1f0014", true, false, &[]),
            ], "statuses": [{"status": {
                "id": STATUS, "status": "pending", "request_timestamp": "2020-11-02T12:34:34.123456Z", "total_count": 3,
                "success_count": 1, "successes": [{"id": HASH, "version": "2018-05-08T09:00:00.000Z"}],
                "failure_count": 1, "failures": [{"id": SITE, "version": "2018-05-08T09:00:00.000Z", "message": "no"}],
                "pending_count": 1, "pendings": [{"id": MALWARE, "version": "2018-05-08T09:00:00.000Z"}],
            }}]},
        ],
    })
    .to_string()
}

fn start() -> (tempfile::TempDir, Seeded) {
    let (folder, place) = sqlite_place();
    (folder, Seeded::start(&place, &seed()))
}

fn texts(list: &Value, field: &str) -> Vec<String> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().map(|item| item[field].as_str().unwrap_or_default().to_owned()).collect()
}

/// An answer of 200 with a page, all of it or not.
fn page(reply: &Reply, more: bool) -> Value {
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(reply.header("content-type"), Some(super::JSON));
    let page = reply.json();
    assert_eq!(page["more"], more, "{page}");
    assert_eq!(page["next"].is_string(), more, "{page}");
    page
}

fn dates(reply: &Reply) -> [&str; 2] {
    ["x-taxii-date-added-first", "x-taxii-date-added-last"].map(|name| reply.header(name).unwrap_or_default())
}

/// 4 tests of the suite.
#[test]
fn discovery_api_root_status_and_collections() {
    let (_folder, s) = start();
    let discovery = s.get("/taxii2/").json();
    assert_eq!(discovery["api_roots"][0], format!("{}/taxii2/api1/", s.base));
    assert_eq!(s.get("/taxii2/trust/").json()["title"], "a trust group");
    // Without the slash at the end, too.
    let status = s.get(&format!("/taxii2/trust/status/{STATUS}"));
    assert_eq!((status.status, status.header("content-type")), (200, Some(super::JSON)), "{}", status.text);
    for list in ["successes", "failures", "pendings"] {
        assert!(status.json()[list].is_array(), "{list}");
    }
    let collections = s.get("/taxii2/trust/collections/").json();
    assert_eq!(collections["collections"].as_array().unwrap().len(), 5);
}

/// 26 tests of the suite: 14 of objects and 12 of the manifest.
#[test]
fn objects_and_manifests_by_every_filter() {
    let (_folder, s) = start();
    let order = [RELATIONSHIP, HASH, MARKING, MALWARE, SITE];
    for endpoint in ["objects", "manifest"] {
        // The query, and the ids that it finds.
        for (query, ids) in [
            ("", &order[..]),
            ("?match[spec_version]=2.1", &order),
            ("?match[spec_version]=2.0", &[MALWARE]),
            ("?match[spec_version]=2.0,2.1", &order),
            ("?match[type]=indicator", &[HASH, SITE]),
            ("?match[type]=indicator&match[spec_version]=2.1", &[HASH, SITE]),
            (&format!("?match[id]={MALWARE}"), &[MALWARE]),
            ("?match[version]=first", &[RELATIONSHIP, HASH, SITE, MARKING, MALWARE]),
            ("?match[version]=last", &order),
            ("?match[version]=all", &[RELATIONSHIP, HASH, SITE, SITE, MARKING, MALWARE, SITE]),
            ("?match[version]=2020-12-25T12:30:59.444Z", &[SITE]),
            ("?added_after=2020-11-03T12:30:59Z", &[MARKING, MALWARE, SITE]),
            ("?added_after=2021-01-20T00:00:00.000Z", &[MALWARE, SITE]),
            ("?match[pattern_type]=stix", &order),
            ("?match[malware_types]=remote-access-trojan", &order),
            ("?match[tlp]=green", &order),
            (&format!("?match[relationships-all]={MALWARE}"), &order),
            ("?match[confidence-gte]=10", &order),
        ] {
            let reply = s.get(&format!("{READ}{endpoint}/{query}"));
            let page = page(&reply, false);
            assert_eq!(texts(&page["objects"], "id"), ids, "{endpoint}{query}");
        }
        let reply = s.get(&format!("{READ}{endpoint}/"));
        assert_eq!(dates(&reply), [FIRST, LAST]);
        let nothing = s.get(&format!("{READ}{endpoint}/?match[type]=incident&match[version]=2020-01-01T01:01:01.000Z"));
        assert_eq!((nothing.status, nothing.text.as_str()), (200, "{}"));
    }
    let versions = |query: &str, field: &str, endpoint: &str| {
        let page = s.get(&format!("{READ}{endpoint}/?{query}")).json();
        let list = page["objects"].as_array().unwrap().clone();
        let of = |id: &str| list.iter().find(|o| o["id"] == id).map(|o| o[field].as_str().unwrap().to_owned()).unwrap();
        (of(SITE), of(MALWARE))
    };
    for (endpoint, field) in [("objects", "modified"), ("manifest", "version")] {
        let one = |site: &str, malware: &str| (site.to_owned(), malware.to_owned());
        let (first, last) = ("2020-11-03T12:30:59.000Z", "2021-01-27T13:49:53.935Z");
        let (newer, older) = ("2021-01-27T13:49:53.997Z", "2022-02-23T18:30:00.000Z");
        assert_eq!(versions("match[version]=first", field, endpoint), one(first, newer));
        assert_eq!(versions("match[version]=last", field, endpoint), one(last, newer));
        assert_eq!(versions("match[spec_version]=2.0,2.1", field, endpoint), one(last, older));
    }
    let media = |query: &str| texts(&s.get(&format!("{READ}manifest/{query}")).json()["objects"], "media_type");
    assert_eq!(media("?match[spec_version]=2.0"), ["application/stix+json;version=2.0"]);
    assert_eq!(media(""), ["application/stix+json;version=2.1"; 5]);
    let added = texts(&s.get(&format!("{READ}manifest/")).json()["objects"], "date_added");
    assert!(added.windows(2).all(|two| two[0] < two[1]), "{added:?}");
}

/// 12 tests of the suite.
#[test]
fn one_object_by_every_filter() {
    let (_folder, s) = start();
    let first = "2020-11-03T12:30:59.000Z";
    let (second, last) = ("2020-12-25T12:30:59.444Z", "2021-01-27T13:49:53.935Z");
    let (newer, older) = ("2021-01-27T13:49:53.997Z", "2022-02-23T18:30:00.000Z");
    for (path, versions) in [
        (format!("{MALWARE}/"), &[newer][..]),
        (format!("{MALWARE}?match[spec_version]=2.0"), &[older]),
        (format!("{MALWARE}?match[spec_version]=2.1"), &[newer]),
        (format!("{MALWARE}?match[spec_version]=2.0,2.1"), &[older]),
        (format!("{MALWARE}?added_after=2021-01-27T13:49:59Z"), &[newer]),
        (format!("{SITE}?limit=1"), &[last]),
        (format!("{SITE}?match[version]={second}"), &[second]),
        (format!("{SITE}?match[version]=first"), &[first]),
        (format!("{SITE}?match[version]=last"), &[last]),
        (format!("{SITE}?match[version]=all"), &[first, second, last]),
    ] {
        let page = page(&s.get(&format!("{READ}objects/{path}")), false);
        assert_eq!(texts(&page["objects"], "modified"), versions, "{path}");
    }
    assert_eq!(dates(&s.get(&format!("{READ}objects/{MALWARE}/"))), ["2021-01-27T13:49:59.997000Z"; 2]);
    let empty = s.get(&format!("{READ}objects/{MALWARE}?added_after=2022-01-27T13:49:59.997000Z"));
    assert_eq!((empty.status, empty.text.as_str()), (200, "{}"));
    assert_eq!(s.get(&format!("{READ}objects/malware--a0d1b5a1-0c11-4d8e-8f8b-6b1a3c1f0077/")).status, 404);
}

/// 6 tests of the suite.
#[test]
fn versions_by_every_filter() {
    let (_folder, s) = start();
    let (newer, older) = ("2021-01-27T13:49:53.997Z", "2022-02-23T18:30:00.000Z");
    for (path, versions) in [
        (format!("{RELATIONSHIP}/versions"), &["2018-05-08T09:00:00.000Z"][..]),
        (format!("{RELATIONSHIP}/versions?added_after=2018-05-08T08:00:00Z"), &["2018-05-08T09:00:00.000Z"]),
        (format!("{MALWARE}/versions"), &[newer]),
        (format!("{MALWARE}/versions?match[spec_version]=2.1"), &[newer]),
        (format!("{MALWARE}/versions?match[spec_version]=2.0"), &[older]),
        (format!("{MALWARE}/versions?match[spec_version]=2.0,2.1"), &[newer, older]),
    ] {
        let page = page(&s.get(&format!("{READ}objects/{path}")), false);
        assert_eq!(page["versions"], json!(versions), "{path}");
    }
    let reply = s.get(&format!("{READ}objects/{RELATIONSHIP}/versions/"));
    assert_eq!(dates(&reply), [FIRST, FIRST]);
    let empty = s.get(&format!("{READ}objects/{RELATIONSHIP}/versions?added_after=2018-05-08T09:00:00Z"));
    assert_eq!((empty.status, empty.text.as_str()), (200, "{}"));
}

/// 6 tests of the suite: of limits, and of a cursor with other parameters.
#[test]
fn pages_of_every_list() {
    let (_folder, s) = start();
    // The list, its name, the limit, the fields of each page, and the dates of each page's ends.
    let site = format!("objects/{SITE}");
    let versions = ["2020-11-03T12:30:59.001000Z", "2020-12-27T13:49:59.000000Z", LAST];
    for (path, limit, pages) in [
        ("objects/?", 3, &[[FIRST, "2021-01-20T00:00:00.000000Z"], ["2021-01-27T13:49:59.997000Z", LAST]][..]),
        (
            "manifest/?",
            2,
            &[
                [FIRST, "2020-11-01T03:04:05.000000Z"],
                ["2021-01-20T00:00:00.000000Z", "2021-01-27T13:49:59.997000Z"],
                [LAST, LAST],
            ],
        ),
        (&format!("{site}?match[version]=all&"), 2, &[[versions[0], versions[1]], [LAST, LAST]]),
        (&format!("{site}/versions?"), 1, &versions.map(|version| [version; 2])),
    ] {
        let mut next = String::new();
        for (n, ends) in pages.iter().enumerate() {
            let reply = s.get(&format!("{READ}{path}limit={limit}{next}"));
            let page = page(&reply, n + 1 < pages.len());
            assert_eq!(dates(&reply), *ends, "{path} {n}");
            next = format!("&next={}", page["next"].as_str().unwrap_or_default());
        }
    }
    assert_eq!(s.get(&format!("{READ}objects/?limit=-20")).status, 400);
    let all = format!("{READ}objects/?match[version]=all&limit=2");
    let first = page(&s.get(&all), true);
    let next = first["next"].as_str().unwrap();
    let second = page(&s.get(&format!("{all}&next={next}")), true);
    let next = second["next"].as_str().unwrap();
    let changed = s.get(&format!("{READ}objects/?match[version]=first&limit=2&next={next}"));
    assert_eq!((changed.status, &changed.json()["title"]), (400, &json!("ProcessingError")), "{}", changed.text);
}

fn action(created: &str, modified: &str) -> Value {
    json!({"type": "course-of-action", "spec_version": "2.1", "id": ACTION, "created": created, "modified": modified, "name": "act"})
}

fn post(s: &Seeded, objects: &[Value]) -> Value {
    let reply =
        s.call("POST", "suite:only for tests", &format!("{ADD}objects/"), &json!({"objects": objects}).to_string());
    assert_eq!((reply.status, reply.header("content-type")), (202, Some(super::JSON)), "{}", reply.text);
    reply.json()
}

fn delete(s: &Seeded, path: &str) {
    let reply = s.call("DELETE", "suite:only for tests", &format!("{ADD}objects/{path}"), "");
    assert_eq!((reply.status, reply.header("content-type")), (200, Some(super::JSON)), "{}", reply.text);
}

/// 1 test of the suite.
#[test]
fn an_object_is_added_read_and_deleted() {
    let (_folder, s) = start();
    let status = post(&s, &[action("2021-01-27T13:49:53.935Z", "2021-01-27T13:49:53.935Z")]);
    assert_eq!(texts(&page(&s.get(&format!("{ADD}objects/")), false)["objects"], "id"), [ACTION]);
    assert_eq!(texts(&page(&s.get(&format!("{ADD}objects/?match[id]={ACTION}")), false)["objects"], "id"), [ACTION]);
    let status = s.get(&format!("/taxii2/trust/status/{}/", status["id"].as_str().unwrap()));
    assert_eq!(status.json()["success_count"], 1);
    assert_eq!(texts(&page(&s.get(&format!("{ADD}manifest/?match[id]={ACTION}")), false)["objects"], "id"), [ACTION]);
    delete(&s, &format!("{ACTION}/"));
    let gone = s.get(&format!("{ADD}objects/{ACTION}"));
    assert_eq!((gone.status, gone.header("content-type")), (404, Some(super::JSON)));
    assert_eq!(s.get(&format!("{ADD}manifest/{ACTION}")).status, 404);
}

/// 2 tests of the suite.
#[test]
fn versions_are_deleted_one_by_one() {
    let (_folder, s) = start();
    let versions = || s.get(&format!("{ADD}objects/{ACTION}/versions")).json()["versions"].clone();
    let years = ["2017", "2018", "2019", "2020", "2021"].map(|year| format!("{year}-01-27T13:49:53.935Z"));
    let objects: Vec<Value> = years.iter().map(|year| action(&years[0], year)).collect();
    assert_eq!(post(&s, &objects)["success_count"], 5);
    assert_eq!(versions(), json!(years));
    for (query, left) in [
        (format!("?match[version]={}", years[3]), &[0, 1, 2, 4][..]),
        ("?match[version]=first".to_owned(), &[1, 2, 4]),
        ("?match[version]=last".to_owned(), &[1, 2]),
    ] {
        delete(&s, &format!("{ACTION}/{query}"));
        assert_eq!(versions(), json!(left.iter().map(|n| &years[*n]).collect::<Vec<_>>()), "{query}");
    }
    delete(&s, &format!("{ACTION}/?match[version]=all"));
    assert_eq!(s.get(&format!("{ADD}objects/{ACTION}/versions")).status, 404);

    let mut older = action(&years[0], &years[4]);
    older["spec_version"] = json!("2.0");
    assert_eq!(post(&s, &[action(&years[0], &years[0]), older])["success_count"], 2);
    delete(&s, &format!("{ACTION}/?match[spec_version]=2.0"));
    assert_eq!(versions(), json!([years[0]]));
    delete(&s, &format!("{ACTION}/?match[spec_version]=2.1"));
    assert_eq!(s.get(&format!("{ADD}objects/{ACTION}/versions")).status, 404);
}

/// 1 test of the suite.
#[test]
fn an_object_without_a_time_has_the_version_of_its_date() {
    let (_folder, s) = start();
    post(&s, &[json!({"type": "artifact", "spec_version": "2.1", "id": ARTIFACT, "mime_type": "application/zip"})]);
    for query in
        ["match[version]=all", "match[version]=first", "match[version]=last", "added_after=2021-01-27T13:49:53.935Z"]
    {
        let page = page(&s.get(&format!("{ADD}objects/{ARTIFACT}?{query}")), false);
        assert_eq!(page["objects"].as_array().unwrap().len(), 1, "{query}");
    }
    let now = jiff::Timestamp::now();
    assert_eq!(s.get(&format!("{ADD}objects/{ARTIFACT}?added_after={now:.6}")).text, "{}");
    let manifest = s.get(&format!("{ADD}manifest/")).json();
    assert_eq!(manifest["objects"][0]["version"], manifest["objects"][0]["date_added"]);
}

/// 1 test of the suite.
#[test]
fn an_object_that_is_there_is_a_success() {
    let (_folder, s) = start();
    assert!(post(&s, &[relationship()]).get("failures").is_none());
    let mut without = relationship();
    without.as_object_mut().unwrap().remove("modified");
    let status = post(&s, &[relationship(), without]);
    assert!(status.get("failures").is_none(), "{status}");
    assert_eq!(status["successes"].as_array().unwrap().len(), 2);
    assert_eq!(status["successes"][0]["version"], "2018-05-08T09:00:00.000Z");
    assert_eq!(
        page(&s.get(&format!("{ADD}manifest/?match[version]=all")), false)["objects"].as_array().unwrap().len(),
        1
    );
}

/// 15 tests of the suite, and one check that the suite defines and does not run.
#[test]
fn refusals() {
    let (_folder, s) = start();
    let envelope = json!({"objects": [action("2021-01-27T13:49:53.935Z", "2021-01-27T13:49:53.935Z")]}).to_string();
    for (method, login, path, status) in [
        ("GET", true, "/taxii2/trust2/", 404),
        ("GET", true, UNKNOWN, 404),
        ("GET", false, "/taxii2/trust/collections/", 401),
        ("GET", true, "/taxii2/carbon1/collections/", 404),
        ("GET", true, "/taxii2/carbon1/collections/12345678-1234-1234-1234-123456789012/", 404),
        ("GET", false, "/taxii2/trust/status/2223/", 401),
        ("GET", true, "/taxii2/trust/status/22101993/", 404),
        ("GET", false, "/taxii2/trust/collections/24042009/manifest/", 401),
        ("GET", true, &format!("{FORBIDDEN}manifest/"), 403),
        ("GET", true, "/taxii2/trust/collections/24042009/manifest/", 404),
        ("GET", false, &format!("{READ}objects/{MALWARE}/"), 401),
        ("GET", true, &format!("{FORBIDDEN}objects/{SITE}/"), 403),
        ("GET", false, &format!("{ADD}objects/"), 401),
        ("POST", false, &format!("{ADD}objects/"), 401),
        ("GET", true, &format!("{FORBIDDEN}objects/"), 403),
        ("POST", true, &format!("{FORBIDDEN}objects/"), 403),
        ("GET", true, &format!("{UNKNOWN}objects/"), 404),
        ("POST", true, &format!("{UNKNOWN}objects/"), 404),
    ] {
        let login = if login { "suite:only for tests" } else { "" };
        assert_eq!(s.call(method, login, path, &envelope).status, status, "{method} {path}");
    }
    let object = action("2021-01-27T13:49:53.935Z", "2021-01-27T13:49:53.935Z").to_string();
    let malformed = s.call("POST", "suite:only for tests", &format!("{ADD}objects/"), &object);
    let said = malformed.json();
    assert_eq!((malformed.status, malformed.header("content-type")), (422, Some(super::JSON)));
    assert_eq!((&said["title"], &said["http_status"]), (&json!("ProcessingError"), &json!("422")));
    let description = said["description"].as_str().unwrap();
    assert!(description.starts_with("While processing supplied content, an error occurred"), "{description}");
}
