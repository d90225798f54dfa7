//! The console over real HTTP.

mod appeals;
mod duties;
mod explanation;
mod hold;
mod many;
mod objects;
mod retractions;
mod sign_offs;
mod steps;
mod watch;

use futures::TryStreamExt;
use messages::cluster::{ClusterMessage, LogPosition, PostRef};

use runtime::shutdown::Shutdown;

use crate::{Login, config::Config, http::access::fixtures as people, service::Sharing};
use casework::{Reviewers, Tlp, policy::Partner};
use presentation::fixtures;
use steps::{RECORDS, field, send, send_seen};

struct Server {
    base: String,
    cookie: String,
    agent: ureq::Agent,
    posting: ureq::Agent,
    sharing: Sharing,
    runtime: tokio::runtime::Runtime,
    _folder: tempfile::TempDir,
}

fn server(reviewers: Reviewers, ids: &[&str]) -> Server {
    server_with(reviewers, ids, |_, _| ())
}

/// With a configuration of its own; the folder is for files that it names.
fn server_with(reviewers: Reviewers, ids: &[&str], change: impl FnOnce(&mut Config, &std::path::Path)) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config {
        database: folder.path().join("sharing.sqlite").display().to_string(),
        listen: ([127, 0, 0, 1], 0).into(),
        reviewers,
        invented_recipients: true,
        partners: vec![Partner {
            name: "birds".to_owned(),
            platform: "twitter".to_owned(),
            tlp_ceiling: Tlp::Amber,
            ..Partner::default()
        }],
        console_page: 5,
        login: Login { users: people::users(folder.path()), ..Login::default() },
        ..Config::default()
    };
    change(&mut config, folder.path());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sharing = Sharing::open(config, &runtime::metrics::Metrics::new().unwrap()).unwrap();
    let batch = ids
        .iter()
        .map(|id| match id.starts_with('<') {
            true => finite(fixtures::hostile(id)),
            false if *id == "old" => {
                ClusterMessage { cluster_id: "old".to_owned(), version: 1, ..fixtures::of_version_1() }
            }
            false if *id == "great" => fixtures::sized(id, 1, 500, 200),
            false => fixtures::cluster(id, 1),
        })
        .collect();
    let base = runtime.block_on(async {
        sharing.on_clusters(batch).await.unwrap();
        let server = crate::Server::new(sharing.clone());
        let listener = server.bind().await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { server.serve(listener, Shutdown::new()).await });
        base
    });
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let posting = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).build().into();
    let cookie = people::log_in(&base, "ann");
    Server { base, cookie, agent, posting, sharing, runtime, _folder: folder }
}

/// JSON on the way here could not have carried the others.
fn finite(mut cluster: ClusterMessage) -> ClusterMessage {
    cluster.log_e = 1e300;
    for reason in &mut cluster.reasons {
        reason.contribution = -1e300;
    }
    cluster
}

impl Server {
    fn get(&self, path: &str) -> (u16, String) {
        self.get_as(&self.cookie, path)
    }

    fn get_as(&self, cookie: &str, path: &str) -> (u16, String) {
        let mut response = self.agent.get(format!("{}{path}", self.base)).header("cookie", cookie).call().unwrap();
        let csp = response.headers().get("content-security-policy").unwrap();
        assert!(csp.to_str().unwrap().starts_with("default-src 'none'"));
        (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
    }
}

/// Writes pages where `LOCKSTEP_LOOK` says, for people to look at.
fn look(name: &str, html: &str) {
    if let Some(folder) = std::env::var_os("LOCKSTEP_LOOK") {
        std::fs::write(std::path::Path::new(&folder).join(name), html).unwrap();
    }
}

#[test]
fn an_empty_console_says_what_to_do() {
    let s = server(Reviewers::People, &[]);
    let (status, page) = s.get("/");
    look("console-empty.html", &page);
    assert_eq!(status, 200);
    assert!(page.contains("lockstep ingest"));
    assert!(page.contains("before one person approves"));
    assert!(!page.contains("class=\"banner\""));
}

#[test]
fn a_demo_is_marked_on_every_page() {
    let s = server(Reviewers::Demo, &["a", "b"]);
    for path in ["/", "/clusters/a", "/?state=released"] {
        let (status, page) = s.get(path);
        assert_eq!(status, 200);
        assert!(page.contains("class=\"banner\""), "{path}");
        assert!(page.contains("no person looked"), "{path}");
    }
    look("console-list.html", &s.get("/").1);
    let (_, page) = s.get("/clusters/a");
    look("console-case.html", &page);
    for part in ["class=\"timeline\"", "class=\"graph\"", "demo reviewer 2 (automatic)", "<details ", "patriot_"] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn cases_wait_for_people() {
    let s = server(Reviewers::People, &["a"]);
    let (_, page) = s.get("/clusters/a");
    look("console-waiting.html", &page);
    assert!(page.contains("Nobody has reviewed this case yet."));
    assert!(!page.contains("class=\"banner\""));
}

#[test]
fn what_was_posted_is_read_from_the_log_when_somebody_looks() {
    let s = server(Reviewers::People, &["old"]);
    let said = |n: usize| format!("wording number {n} <b>&");
    let mut cluster = fixtures::cluster("told", 1);
    let folder = tempfile::tempdir().unwrap();
    let log = s.runtime.block_on(async {
        let log = runtime::Log::open_embedded(folder.path()).await.unwrap();
        let name = messages::topics::POSTS;
        let topic = runtime::TopicSpec { name, partitions: 3, cleanup: runtime::Cleanup::Delete, retention: None };
        log.create_topics(&[topic]).await.unwrap();
        let mut records = Vec::new();
        for (n, post) in cluster.evidence.iter().flat_map(|evidence| &evidence.posts).enumerate() {
            let text = serde_json::to_string(&said(n)).unwrap();
            let value = format!(
                r#"{{"id":"{}","platform":"{}","account_id":"{}","created_at":"{}","text":{text}}}"#,
                post.id, post.platform, post.account_id, post.created_at
            );
            records.push(runtime::NewRecord::new(name, post.account_id.as_str(), value));
        }
        log.append(records).await.unwrap();
        let there: Vec<runtime::Record> = log.read_all(name, &[]).await.unwrap().try_collect().await.unwrap();
        for record in there {
            let post = messages::post::decode(record.value.as_deref().unwrap()).unwrap();
            for named in cluster.evidence.iter_mut().flat_map(|evidence| &mut evidence.posts) {
                if named.id == post.id {
                    named.log = Some(LogPosition { partition: record.partition, offset: record.offset });
                }
            }
        }
        log
    });
    let posts: usize = cluster.evidence.iter().map(|evidence| evidence.posts.len()).sum();
    assert!((4..=crate::service::posts::MOST).contains(&posts), "{posts}");
    // One stands where another post is, one is gone, and of one it is not known where it stands.
    let mut named: Vec<&mut PostRef> = cluster.evidence.iter_mut().flat_map(|evidence| &mut evidence.posts).collect();
    named[0].id = "another post".to_owned();
    named[1].log = Some(LogPosition { partition: 1, offset: 1 << 30 });
    named[2].log = None;
    s.runtime.block_on(s.sharing.on_clusters(vec![cluster])).unwrap();
    let quoted = |n: usize| format!("<q><bdi>wording number {n} &#60;b&#62;&#38;</bdi></q>");

    let (_, page) = s.get("/clusters/told");
    assert!(page.contains("the service is still starting") && !page.contains("wording number"));
    assert!(s.sharing.inner.log.set(log.clone()).is_ok());
    let (_, page) = s.get("/clusters/told");
    look("console-texts.html", &page);
    let shown: Vec<usize> = (0..posts).filter(|n| page.contains(&quoted(*n))).collect();
    assert!(shown.len() > posts / 3 && (0..3).all(|n| !shown.contains(&n)), "{shown:?} of {posts}");
    assert!(page.contains("The text of 2 of these") && page.contains("it is no longer on the log."), "{page}");
    assert_eq!(page.matches("<small>Text is gone</small>").count(), 2);
    // What is kept is shown without the log.
    s.runtime.block_on(s.sharing.keep_evidence(&log)).unwrap();
    let (_, kept) = s.get("/clusters/told");
    assert!((0..posts).all(|n| page.contains(&quoted(n)) == kept.contains(&quoted(n))));
    // A finding of before, and a log that is closed.
    let (_, page) = s.get("/clusters/old");
    assert!(page.contains("does not say where they are on the log"));
    s.runtime.block_on(log.shutdown()).unwrap();
    let (status, page) = s.get("/clusters/told");
    assert!(status == 200 && page.contains("cannot be read from the log"), "{page}");
    assert!((0..posts).all(|n| page.contains(&quoted(n)) == kept.contains(&quoted(n))));
}

#[test]
fn lists_filter_and_page() {
    let ids: Vec<String> = (0..12).map(|n| format!("c{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let s = server(Reviewers::Demo, &ids);
    let count = |path: &str| s.get(path).1.matches("<td class=\"group\">").count();
    assert_eq!((count("/"), count("/?page=2"), count("/?page=3"), count("/?page=4")), (5, 5, 2, 0));
    assert_eq!(count("/?state=released&page=3"), 2);
    assert_eq!(count("/?state=nominated"), 0);
    assert_eq!(count("/?status=flagged"), 5);
    for odd in ["/?page=x", "/?page=-1", "/?page=0", "/?state=%00", "/?status='", "/?page=99999999999999999999"] {
        assert_eq!(s.get(odd).0, 200, "{odd}");
    }
}

#[test]
fn hostile_findings_are_shown_safely() {
    let id = "<b>/\"?#%\u{202E}";
    let s = server(Reviewers::Demo, &[id]);
    let (_, list) = s.get("/");
    let href = list.split("class=\"group\"><a href=\"").nth(1).unwrap().split('"').next().unwrap();
    let (status, page) = s.get(href);
    look("console-hostile.html", &page);
    assert_eq!(status, 200);
    for text in [&list, &page] {
        for banned in ["<script>", "<img", "<b>/", "\u{202E}", "<h1>x"] {
            assert!(!text.contains(banned), "{banned}");
        }
    }
}

#[test]
fn json_says_the_same() {
    let s = server(Reviewers::Demo, &["a", "b"]);
    let list: serde_json::Value = serde_json::from_str(&s.get("/api/clusters").1).unwrap();
    assert_eq!((&list["total"], &list["states"]["released"]), (&2.into(), &2.into()));
    assert_eq!(list["clusters"][0]["state"], "released");
    let one: serde_json::Value = serde_json::from_str(&s.get("/api/clusters/a").1).unwrap();
    assert_eq!(one["cluster"]["accounts"].as_array().unwrap().len(), 12);
    assert_eq!(one["case"]["state"], "released");
    assert_eq!(one["history"].as_array().unwrap().len(), 8);
    let outcome: serde_json::Value = serde_json::from_str(&s.get("/api/clusters/a/outcome").1).unwrap();
    assert_eq!(outcome["outcome"]["recipients"][0]["recipient"], "birds");
    assert_eq!(outcome["beside"]["birds"][0]["extent"], "part");
    for (path, status) in [
        ("/api/clusters/none", 404),
        ("/api/clusters/none/outcome", 404),
        ("/api/clusters/%ff", 400),
        ("/api/clusters?page=x", 400),
        ("/api/clusters?state=nowhere", 400),
        ("/api/audit?before=x", 400),
        ("/api/audit/verification", 200),
        ("/api/recipients", 200),
        ("/clusters/none", 404),
        ("/nothing", 404),
    ] {
        let (found, body) = s.get(path);
        assert_eq!(found, status, "{path}");
        if status != 200 && path.starts_with("/api") {
            let error: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert!(error["error"].is_string() && error["next"].is_string(), "{path}: {body}");
        }
    }
}

#[test]
fn the_description_is_openapi_and_complete() {
    let s = server(Reviewers::People, &[]);
    let document: serde_json::Value = serde_json::from_str(&s.get("/api/openapi.json").1).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let text = document.to_string();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for reference in text.split("\"$ref\":\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        let name = reference.strip_prefix("#/components/schemas/").unwrap();
        assert!(schemas.contains_key(name), "{reference} leads nowhere");
    }
    assert!(schemas["Finding"]["properties"]["accounts"].is_object());
}

/// A finding of the older test, and one that is no longer what it was: the console shows what there is and claims no more.
#[test]
fn every_kind_of_finding_has_its_page() {
    let s = server(Reviewers::People, &["a", "b", "c", "old"]);
    let page = s.get("/clusters/a").1;
    look("console-outcomes.html", &page);
    for part in
        ["Do these accounts repeat each other", "scope=\"rowgroup\"", "Membership probability</th>", "found later"]
    {
        assert!(page.contains(part), "{part}");
    }
    let old = s.get("/clusters/old").1;
    look("console-old.html", &old);
    assert!(
        old.contains("An older test")
            && !old.contains("Do these accounts repeat")
            && !old.contains("Membership probability</th>")
    );

    let next = |id: &str, cluster: ClusterMessage| ClusterMessage { cluster_id: id.to_owned(), version: 2, ..cluster };
    let batch = vec![next("a", fixtures::near_miss("a")), next("b", fixtures::one_text("b", 34))];
    s.runtime.block_on(s.sharing.on_clusters(batch)).unwrap();
    let near = s.get("/clusters/a").1;
    look("console-near.html", &near);
    assert!(near.contains("badge near\">near miss<") && near.contains("What it needs to pass the test"));
    assert!(!near.contains("Why the model gives") && !near.contains("#reasons"));
    assert!(near.contains("5 accounts that came close") && near.contains("<a href=\"#outcomes\">"));
    let count = s.get("/clusters/b").1;
    look("console-count.html", &count);
    assert!(count.contains(">one text<") && count.contains("a count, not a test"));
    let list = s.get("/?sort=probability&dir=desc").1;
    assert!(list.contains("near miss") && list.contains(">none<"), "{list}");
    let listed: serde_json::Value = serde_json::from_str(&s.get("/api/clusters?status=near_miss").1).unwrap();
    assert_eq!((&listed["total"], &listed["clusters"][0]["probability"]), (&1.into(), &serde_json::Value::Null));
    let one: serde_json::Value = serde_json::from_str(&s.get("/api/clusters/old").1).unwrap();
    assert_eq!((&one["cluster"]["schema_version"], &one["cluster"]["windows"]), (&2.into(), &serde_json::json!([])));
    // Nobody opens a case about what never passed.
    let batch = vec![fixtures::near_miss("d"), fixtures::one_text("e", 34)];
    s.runtime.block_on(s.sharing.on_clusters(batch)).unwrap();
    assert_eq!((s.get("/clusters/d").0, s.get("/clusters/e").0), (404, 404));
}

#[test]
fn the_queue_is_searched_and_a_row_that_waits_is_marked() {
    let s = server(Reviewers::People, &["alpha", "beta"]);
    let (_, page) = s.get("/?q=alph&attention=1&platform=twitter&sort=evidence&dir=asc");
    assert!(page.contains("/clusters/alpha") && !page.contains("/clusters/beta"));
    assert!(page.contains("class=\"attention\"") && page.contains("aria-sort=\"ascending\""));
    assert!(page.contains("value=\"alph\""));
    assert!(s.get("/?q=gamma").1.contains("No case matches"));
    let long = "x".repeat(10_000);
    for odd in [&long, "%3Cscript%3Ealert(1)%3C/script%3E", "%E2%80%AE", "%00", "%27%22%3E%3Cimg"] {
        for path in [
            format!("/?q={odd}"),
            format!("/?platform={odd}"),
            format!("/?sort={odd}"),
            format!("/clusters/a?kind={odd}"),
        ] {
            let (status, page) = s.get(&path);
            assert!(status == 200 || status == 404 || status == 414, "{path}: {status}");
            assert!(!page.contains("<script>alert") && !page.contains("<img"), "{path}");
        }
        let expected = if odd.len() > 400 { 400 } else { 200 };
        assert_eq!(s.get(&format!("/api/clusters?q={odd}")).0, expected);
    }
}

#[test]
fn choices_stand_out_without_a_script() {
    let s = server(Reviewers::People, &["a"]);
    let (_, page) = s.get("/clusters/a?account=2&kind=url&sort=time&key=5");
    assert!(page.contains("class=\"graph chosen\"") && page.contains("class=\"timeline chosen\""));
    assert!(page.contains("is highlighted below") && page.contains("Close view of the burst on this key"));
    assert!(page.matches("data-kind=\"url\"").count() > 2);
    assert!(page.matches("data-kind=\"text\"").count() <= 1);
    assert!(page.contains("https://x.com/i/status/784"));
    for odd in ["account=-1", "account=999999", "key=999999", "kind=%00", "sort=x", "account=x&key=y&done=%3Cb%3E"] {
        assert_eq!(s.get(&format!("/clusters/a?{odd}")).0, 200, "{odd}");
    }
    let demo = server(Reviewers::Demo, &["a"]);
    assert!(!demo.get("/clusters/a").1.contains("https://x.com/"), "invented posts have no place on a platform");
}

#[test]
fn other_pages_list_recipients_and_verify_the_audit_log() {
    let s = server(Reviewers::People, &["a"]);
    assert!(s.get("/partners").1.contains("birds"));
    assert!(s.get("/audit").1.contains("nominated"));
    assert!(s.get("/audit?verify=1").1.contains("The log is intact"));
    assert!(s.get("/help").1.contains("What is tested"));
    for asset in ["/assets/style.css", "/assets/console.css", "/assets/console.js", "/assets/icon.svg"] {
        assert_eq!(s.get(asset).0, 200);
    }
    for odd in ["/audit?before=x", "/audit?before=-5", "/audit?before=99999999999999999999"] {
        assert_eq!(s.get(odd).0, 200);
    }
}

#[test]
fn the_page_of_a_great_cluster_is_bounded() {
    let s = server(Reviewers::People, &["great"]);
    let (status, page) = s.get("/clusters/great");
    look("console-great.html", &page);
    assert_eq!(status, 200);
    assert!(page.len() < 4_000_000, "{} bytes", page.len());
    assert!(page.matches("class=\"node\"").count() <= 120);
}
