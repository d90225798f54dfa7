//! Dates, parameters, paging, filters and versions.

use super::*;

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
    let rest = s.all_after("objects", "", 200, first["next"].as_str());
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
