//! What an attacker, or a broken client, would send: nothing is a 5xx.

use crate::store::database::tests::{Place, on_both_databases};
use serde_json::json;

use super::{JSON, Server};

const UUID: &str = "91a7b528-80eb-42ed-a74d-c6fbd5a26116";

/// Never a 5xx, and always TAXII.
fn calm(reply: &super::Reply, what: &str) {
    let shown: String = what.chars().take(120).collect();
    assert!(reply.status < 500, "{shown}: {} {}", reply.status, reply.text);
    assert_eq!(reply.header("content-type"), Some(JSON), "{shown}");
}

on_both_databases!(fn no_path_or_query_is_a_5xx, no_body_is_a_5xx);

fn no_path_or_query_is_a_5xx(place: Place) {
    paths_and_queries(&Server::at(place));
}

fn paths_and_queries(s: &Server) {
    let long = "x".repeat(30_000);
    let list = vec!["indicator--1"; 500].join(",");
    let queries = [
        "limit=-20".to_owned(),
        "limit=0".to_owned(),
        "limit=18446744073709551616".to_owned(),
        "limit=%F0%9F%98%80".to_owned(),
        "next=garbage".to_owned(),
        "next=%00".to_owned(),
        "next=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        format!("next={long}"),
        "added_after=9999-12-31T23:59:59.999999Z".to_owned(),
        "added_after=9999-12-31T23:59:60Z".to_owned(),
        "added_after=-9999-01-01T00:00:00Z".to_owned(),
        "added_after=0000-00-00T00:00:00Z".to_owned(),
        "added_after=99999-01-01T00:00:00Z".to_owned(),
        "match[version]=0000-01-01T00:00:00Z,9999-12-31T23:59:59Z".to_owned(),
        format!("match[id]={list}"),
        format!("match[id]={}", (0..200).map(|n| format!("i--{n}")).collect::<Vec<_>>().join(",")),
        format!("match[type]={}", (0..100).map(|n| format!("t-{n}")).collect::<Vec<_>>().join(",")),
        format!("match[type]={}", (0..101).map(|n| format!("t-{n}")).collect::<Vec<_>>().join(",")),
        // As many ranges of an index as one request can ask for.
        format!(
            "match[type]={}&match[version]=first,last,{}&match[spec_version]=2.1,2.0",
            (0..100).map(|n| format!("t-{n}")).collect::<Vec<_>>().join(","),
            (0..190).map(|n| format!("2026-01-01T00:00:00.{n:03}Z")).collect::<Vec<_>>().join(",")
        ),
        "match[id]=%00".to_owned(),
        "match[type]=%00,indicator".to_owned(),
        "match[id]=' or 1=1 --".replace(' ', "%20"),
        format!("match[type]={}", &long[..9_000]),
        "match[spec_version]=%FF".to_owned(),
        "match[]=x&match[id][]=y&[=]".to_owned(),
        "&&&===&%".to_owned(),
    ];
    let col = format!("/taxii2/lockstep/collections/{}/", s.collection);
    for query in &queries {
        for endpoint in [
            "objects/",
            "manifest/",
            &format!("objects/indicator--{UUID}/"),
            &format!("objects/indicator--{UUID}/versions/"),
        ] {
            calm(&s.get(&format!("{col}{endpoint}?{query}")), query);
        }
        calm(&s.method("DELETE", &format!("/taxii2/lockstep/collections/feedback-birds/objects/x/?{query}")), query);
    }
    let names = [
        "%00",
        "..%2f..%2f",
        "%2e%2e",
        "a%2fb",
        "%FF",
        "%",
        "%zz",
        "'",
        "%F0%9F%98%80",
        "%0d%0aset-cookie:x",
        ";",
        &long[..5_000],
    ];
    for name in names {
        for path in [
            format!("/taxii2/{name}/"),
            format!("/taxii2/{name}/collections/"),
            format!("/taxii2/lockstep/collections/{name}/"),
            format!("{col}objects/{name}/"),
            format!("{col}objects/{name}/versions/"),
            format!("/taxii2/lockstep/status/{name}/"),
        ] {
            let reply = s.get(&path);
            calm(&reply, &path);
            assert_eq!(reply.status, 404, "{path}");
        }
    }
}

#[test]
fn no_method_or_header_is_a_5xx() {
    let s = Server::start();
    let bearer = format!("Bearer {}", s.key);
    for method in ["PUT", "PATCH", "OPTIONS", "TRACE"] {
        for path in ["/taxii2/", "/taxii2/lockstep/collections/feedback-birds/objects/"] {
            let reply = s.call(method, path, &[("authorization", &bearer)]);
            calm(&reply, method);
            assert_eq!(reply.status, 405);
        }
    }
    let long = "a".repeat(8_000);
    for (name, value) in [
        ("accept", ";;;,,,q="),
        ("accept", "application/taxii+json;version="),
        ("accept", &long),
        ("content-type", ""),
        ("content-encoding", "gzip"),
        ("authorization", "Basic OjpudWxsAA=="),
        ("authorization", "Basic ////"),
        ("authorization", &long),
        ("range", "bytes=0-1"),
    ] {
        calm(&s.call("GET", "/taxii2/", &[("authorization", &bearer), (name, value)]), value);
        let feedback = "/taxii2/lockstep/collections/feedback-birds/objects/";
        calm(&s.call("POST", feedback, &[("authorization", &bearer), ("content-type", JSON), (name, value)]), value);
    }
}

fn no_body_is_a_5xx(place: Place) {
    bodies_at(&Server::at(place));
}

fn bodies_at(s: &Server) {
    let path = "/taxii2/lockstep/collections/feedback-birds/objects/";
    // About something that the partner received, so that the rest of each object decides.
    s.sharing.inner.store.record_shared_object("birds", &format!("campaign--{UUID}")).unwrap();
    let object = |more: &str| {
        let about = format!(r#""labels":["actioned"],"object_refs":["campaign--{UUID}"]"#);
        format!(r#"{{"objects":[{{"type":"note","id":"note--{UUID}","spec_version":"2.1",{about}{more}}}]}}"#)
    };
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(20_000), close.repeat(20_000));
    let bodies = [
        "x".repeat(10 * 1024 * 1024),
        "[".repeat(1_000_000),
        "{\"objects\":[".repeat(10_000),
        object(&format!(",\"x\":{}", deep("[", "]"))),
        object(&format!(",\"x\":{}", deep("{\"a\":", "}"))),
        object(",\"modified\":\"99999-01-01T00:00:00Z\""),
        object(",\"modified\":\"0000-01-01T00:00:00Z\""),
        object(",\"modified\":\"-009999-01-01T00:00:00Z\""),
        object(",\"modified\":7"),
        object(",\"modified\":\"9999-12-31T23:59:59.999999999Z\""),
        object(",\"id\":\"note--x\",\"x\":\"\\u0000\\ud800\""),
        object(",\"x\":\"\\u0000\""),
        object(",\"x\":1e999"),
        object(",\"x\":123456789012345678901234567890"),
        // Markings of every kind, also without what they need: a peer fails on any.
        json!({"objects": [
            {"type": "marking-definition", "id": format!("marking-definition--{UUID}"), "spec_version": "2.1",
             "created": "2022-10-01T00:00:00.000Z", "definition_type": "statement", "definition": {"statement": "x"}},
            {"type": "marking-definition", "id": "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487", "spec_version": "2.1",
             "created": "2022-10-01T00:00:00.000Z", "name": "TLP:CLEAR", "extensions": {}},
            {"type": "marking-definition", "id": format!("marking-definition--{UUID}")},
            {"type": "marking-definition"},
        ]}).to_string(),
        json!({"objects": [{"id": "x".repeat(1_000_000), "type": "y".repeat(100_000)}]}).to_string(),
        json!({"objects": [{"id": "a\u{0}b", "type": null}, {"id": {}, "type": []}]}).to_string(),
        json!({"objects": vec![json!({}); 10_000]}).to_string(),
        json!({"type": "bundle", "id": format!("bundle--{UUID}"), "objects": []}).to_string(),
    ];
    for body in &bodies {
        calm(&s.post(path, body.as_bytes()), body);
    }
    assert_eq!(s.post(path, bodies[0].as_bytes()).status, 413);
    // What was taken can be read again, all of it.
    for read in ["objects/?match[version]=all", "manifest/?match[version]=all"] {
        let reply = s.get(&format!("/taxii2/lockstep/collections/feedback-birds/{read}"));
        assert_eq!(reply.status, 200);
        assert!(reply.ids().len() >= 3);
        calm(&reply, read);
    }
}

#[test]
fn a_body_that_does_not_come_is_no_5xx() {
    use std::io::{Read, Write};
    let s = Server::start();
    let mut stream = std::net::TcpStream::connect(s.base.trim_start_matches("http://")).unwrap();
    let head = format!(
        "POST /taxii2/lockstep/collections/feedback-birds/objects/ HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
         content-type: {JSON}\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        s.key
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut said = String::new();
    let _ = stream.read_to_string(&mut said);
    assert!(!said.starts_with("HTTP/1.1 5"), "{said}");
}

/// 5: also what the plumbing refuses has the media type.
#[test]
fn point_5_too_many_requests_are_told_so_as_taxii() {
    let s = Server::start();
    let base = s.runtime.block_on(async {
        let full = runtime::http::bounded(
            crate::Server::new(s.sharing.clone()).router(),
            0,
            std::time::Duration::from_secs(1),
        );
        let listener = crate::Server::new(s.sharing.clone()).bind().await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = crate::http::router::outermost(full);
        tokio::spawn(runtime::http::serve(
            router,
            listener,
            runtime::http::Serving::default(),
            runtime::shutdown::Shutdown::new(),
        ));
        base
    });
    let reply = super::Reply::of(s.agent.get(format!("{base}/taxii2/")).call().unwrap());
    assert_eq!((reply.status, reply.header("content-type")), (503, Some(JSON)));
    assert_eq!(reply.json()["http_status"], "503");
    let reply = super::Reply::of(s.agent.get(format!("{base}/")).call().unwrap());
    assert_eq!(reply.status, 503);
    assert_ne!(reply.header("content-type"), Some(JSON));
}
