//! The feed of accounts beside the TAXII collection of the same partner.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::*;
use casework::case::Step;

const LINES: &str = "/feed/accounts.jsonl";
const TABLE: &str = "/feed/accounts.csv";

/// Indicator, account, name, case, whether it is withdrawn, links to posts.
type Expected = (String, String, Option<String>, String, bool, Vec<String>);

impl Server {
    fn rows(&self, path: &str) -> Vec<Value> {
        let reply = self.get(path);
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/x-ndjson")), "{}", reply.text);
        reply.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn table(&self, key: &str) -> Vec<BTreeMap<String, String>> {
        let reply = self.get_as(key, TABLE);
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (200, Some("text/csv; charset=utf-8; header=present"))
        );
        csv::Reader::from_reader(reply.text.as_bytes()).deserialize().map(Result::unwrap).collect()
    }

    /// All objects of the collection of a partner in their last versions, as TAXII gives them.
    fn fetched(&self) -> Vec<Value> {
        let objects = self.col("objects/?limit=200").json();
        let mut all = objects["objects"].as_array().unwrap().clone();
        let mut next = objects["next"].as_str().map(str::to_owned);
        while let Some(cursor) = next {
            let page = self.col(&format!("objects/?limit=200&next={cursor}")).json();
            all.extend(page["objects"].as_array().unwrap().iter().cloned());
            next = page["next"].as_str().map(str::to_owned);
        }
        all
    }

    /// What rows have to say by the objects of TAXII.
    fn expected(&self) -> Vec<Expected> {
        let objects = self.fetched();
        let of_type = |kind: &'static str| objects.iter().filter(move |object| object["type"] == kind);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let finding = |object: &Value, name: &str| {
            let extensions = object["extensions"].as_object().unwrap();
            extensions.values().find_map(|extension| extension.get(name).cloned())
        };
        let row = |indicator: &Value| {
            let account = indicator["pattern"].as_str().unwrap().split('\'').nth(1).unwrap().to_owned();
            let case = text(&finding(indicator, "case").unwrap());
            let named = of_type("user-account").find(|object| object["user_id"] == account.as_str()).unwrap();
            let mut posts = BTreeMap::new();
            for evidence in of_type("observed-data").filter(|object| object["revoked"] != true) {
                if finding(evidence, "case") != Some(case.as_str().into()) {
                    continue;
                }
                for post in finding(evidence, "posts").iter().flat_map(|posts| posts.as_array().unwrap()) {
                    if post["account_id"] == account.as_str() {
                        let references = evidence["external_references"].as_array().unwrap();
                        let reference = references.iter().find(|one| one["external_id"] == post["id"]).unwrap();
                        let url = reference["url"].as_str().map(str::to_owned);
                        posts.insert((text(&post["created_at"]), text(&post["id"])), url);
                    }
                }
            }
            let links = posts.into_values().flatten().take(20).collect();
            let name = named["display_name"].as_str().map(str::to_owned);
            (text(&indicator["id"]), account, name, case, indicator["revoked"] == true, links)
        };
        of_type("indicator").map(row).collect()
    }

    fn check(&self) -> Vec<Value> {
        let (rows, expected) = (self.rows(LINES), self.expected());
        let of_row = |row: &Value| {
            let text = |name: &str| row[name].as_str().map(str::to_owned);
            let links = row["evidence_links"].as_array().unwrap().iter().map(|link| link.as_str().unwrap().to_owned());
            (
                text("indicator").unwrap(),
                text("account_id").unwrap(),
                text("account_name"),
                text("case").unwrap(),
                row["status"] == "withdrawn",
                links.collect::<Vec<_>>(),
            )
        };
        assert_eq!(rows.iter().map(of_row).collect::<Vec<_>>(), expected);
        // The table says the same.
        let table = self.table(&self.key);
        assert_eq!(table.len(), rows.len());
        for (cells, row) in table.iter().zip(&rows) {
            for (name, value) in row.as_object().unwrap() {
                let value = match value {
                    Value::Null => String::new(),
                    Value::String(text) => text.clone(),
                    Value::Array(links) => {
                        links.iter().map(|link| link.as_str().unwrap()).collect::<Vec<_>>().join(" ")
                    }
                    other => other.to_string(),
                };
                assert_eq!(cells[name], value, "{name}");
            }
        }
        rows
    }
}

#[test]
fn rows_are_what_the_same_partner_fetches_by_taxii() {
    let server = Server::start();
    let rows = server.check();
    assert!(rows.len() > 8 && rows.iter().all(|row| row["status"] == "shared" && row["platform"] == "twitter"));
    assert!(rows.iter().any(|row| !row["evidence_links"].as_array().unwrap().is_empty()));
    assert!(rows.iter().all(|row| row["tlp"] == "TLP:AMBER" && row["review_state"] == "demo_policy_no_person_looked"));
    // The other partner has none of these accounts.
    let ids: BTreeSet<String> = rows.iter().map(|row| row["account_id"].as_str().unwrap().to_owned()).collect();
    let others = server.table(&server.other_key);
    assert!(!others.is_empty() && others.iter().all(|row| !ids.contains(&row["account_id"])));
    assert!(others.iter().all(|row| row["platform"] == "bluesky"));
    // A withdrawal is in it, and nothing else has changed.
    let step = Step::Retract { reason: "a fan club".to_owned() };
    server.runtime.block_on(server.sharing.step("cluster-1", step, "alice")).unwrap();
    let later = server.check();
    assert_eq!(later.len(), rows.len());
    let withdrawn = later.iter().filter(|row| row["status"] == "withdrawn").count();
    assert!(withdrawn > 0 && withdrawn < rows.len());
}

#[test]
fn it_goes_on_where_a_client_left_off_and_says_if_nothing_is_new() {
    let server = Server::start();
    let all = server.rows(LINES);
    let mut found = Vec::new();
    let mut after = String::new();
    loop {
        let page = server.rows(&format!("{LINES}?limit=3{after}"));
        assert!(page.len() <= 3);
        let Some(last) = page.last() else { break };
        after = format!("&added_after={}", last["date_added"].as_str().unwrap());
        found.extend(page);
    }
    assert_eq!(found, all);
    let reply = server.get(LINES);
    let etag = reply.header("etag").unwrap().to_owned();
    let authorization = format!("Bearer {}", server.key);
    let again = |path: &str| server.call("GET", path, &[("authorization", &authorization), ("if-none-match", &etag)]);
    let unchanged = again(LINES);
    assert_eq!((unchanged.status, unchanged.text.as_str(), unchanged.header("etag")), (304, "", Some(&*etag)));
    assert_eq!((again(TABLE).status, again(&format!("{LINES}?limit=1")).status), (200, 200));
    let step = Step::Retract { reason: "a fan club".to_owned() };
    server.runtime.block_on(server.sharing.step("cluster-1", step, "alice")).unwrap();
    assert_eq!(again(LINES).status, 200);
    let new = server.rows(&format!("{LINES}?added_after={}", all.last().unwrap()["date_added"].as_str().unwrap()));
    assert!(!new.is_empty() && new.iter().all(|row| row["status"] == "withdrawn"));
}

#[test]
fn whoever_reads_it_knows_of_a_withdrawal() {
    let server = Server::start();
    let step = Step::Retract { reason: "a fan club".to_owned() };
    server.runtime.block_on(server.sharing.step("cluster-1", step, "alice")).unwrap();
    let waiting = || {
        let due = server.sharing.inner.store.retractions_due(Timestamp::MAX).unwrap();
        due.into_iter().filter(|one| one.partner == "birds").count()
    };
    assert_eq!(waiting(), 1);
    // The first row is not withdrawn.
    server.rows(&format!("{LINES}?limit=1"));
    assert_eq!(waiting(), 1);
    server.rows(LINES);
    assert_eq!(waiting(), 0);
}

#[test]
fn access_is_as_with_taxii() {
    let server = Server::start();
    for path in [LINES, TABLE] {
        for headers in [&[][..], &[("authorization", "Bearer lks_nobody_nothing")]] {
            let reply = server.call("GET", path, headers);
            assert_eq!(reply.status, 401);
            assert!(reply.header("www-authenticate").unwrap().contains("Basic"));
            assert!(reply.json()["next"].as_str().unwrap().contains("API key"));
        }
        let basic = |name: &str| {
            let credentials = STANDARD.encode(format!("{name}:{}", server.key));
            server.call("GET", path, &[("authorization", &format!("Basic {credentials}"))]).status
        };
        assert_eq!((basic("birds"), basic("blue")), (200, 401));
        assert_eq!(server.get(&format!("{path}?limit=none")).status, 400);
        assert_eq!(server.get(&format!("{path}?added_before=2026-01-01T00:00:00Z")).status, 400);
        assert_eq!(server.method("POST", path).status, 405);
        let head = server.method("HEAD", path);
        assert_eq!((head.status, head.text.as_str()), (200, ""));
    }
}

#[test]
fn the_page_of_a_digest_has_counts_and_no_account() {
    let server = Server::start();
    let tomorrow = (Timestamp::now() + jiff::SignedDuration::from_hours(24)).to_zoned(jiff::tz::TimeZone::UTC).date();
    let path = format!("/feed/digest?days=1&until={tomorrow}");
    let page = server.get(&path);
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")), "{}", page.text);
    assert!(page.text.contains("<dt>cases shared with you for the first time</dt><dd><b>4</b>"), "{}", page.text);
    for row in server.rows(LINES) {
        assert!(!page.text.contains(row["account_id"].as_str().unwrap()));
    }
    assert_eq!(server.get("/feed/digest").status, 200);
    assert_eq!(server.call("GET", &path, &[]).status, 401);
    for wrong in ["days=2", "until=yesterday", "day=1"] {
        assert_eq!(server.get(&format!("/feed/digest?{wrong}")).status, 400, "{wrong}");
    }
}
