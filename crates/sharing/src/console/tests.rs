//! The console over real HTTP.

use messages::cluster::ClusterMessage;

use runtime::shutdown::Shutdown;

use crate::{Config, Login, Partner, Reviewers, Sharing, Tlp, access::fixtures as people, fixtures};

struct Server {
    base: String,
    cookie: String,
    agent: ureq::Agent,
    _runtime: tokio::runtime::Runtime,
    _folder: tempfile::TempDir,
}

fn server(reviewers: Reviewers, ids: &[&str]) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        database: folder.path().join("sharing.sqlite").display().to_string(),
        listen: ([127, 0, 0, 1], 0).into(),
        reviewers,
        partners: vec![Partner { name: "birds".to_owned(), platform: "twitter".to_owned(), tlp_ceiling: Tlp::Amber, ..Partner::default() }],
        console_page: 5,
        login: Login { users: people::users(folder.path()), ..Login::default() },
        ..Config::default()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sharing = Sharing::open(config, &runtime::metrics::Metrics::new().unwrap()).unwrap();
    let batch = ids
        .iter()
        .map(|id| match id.starts_with('<') {
            true => finite(fixtures::hostile(id)),
            false => fixtures::cluster(id, 1),
        })
        .collect();
    let base = runtime.block_on(async {
        sharing.on_clusters(batch).await.unwrap();
        let listener = sharing.bind().await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { sharing.serve(listener, Shutdown::new()).await });
        base
    });
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let cookie = people::log_in(&base, "ann");
    Server { base, cookie, agent, _runtime: runtime, _folder: folder }
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
        let mut response =
            self.agent.get(format!("{}{path}", self.base)).header("cookie", &self.cookie).call().unwrap();
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
    assert!(page.contains("not built yet"));
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
    for part in ["class=\"timeline\"", "class=\"graph\"", "demo reviewer 2 (automatic)", "<details>", "patriot_"] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn cases_wait_for_people() {
    let s = server(Reviewers::People, &["a"]);
    let (_, page) = s.get("/clusters/a");
    look("console-waiting.html", &page);
    assert!(page.contains("Nobody has looked at this case."));
    assert!(!page.contains("class=\"banner\""));
}

#[test]
fn lists_filter_and_page() {
    let ids: Vec<String> = (0..12).map(|n| format!("c{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let s = server(Reviewers::Demo, &ids);
    let count = |path: &str| s.get(path).1.matches("<li>\n    <h3>").count();
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
    let href = list.split("<h3><a href=\"").nth(1).unwrap().split('"').next().unwrap();
    let (status, page) = s.get(href);
    look("console-hostile.html", &page);
    assert_eq!(status, 200);
    for text in [&list, &page] {
        for banned in ["<script", "<img", "<b>/", "\u{202E}", "<h1>x"] {
            assert!(!text.contains(banned), "{banned}");
        }
    }
}

#[test]
fn json_says_the_same() {
    let s = server(Reviewers::Demo, &["a", "b"]);
    let list: serde_json::Value = serde_json::from_str(&s.get("/api/clusters").1).unwrap();
    assert_eq!(list["total"], 2);
    assert_eq!(list["clusters"][0]["state"], "released");
    let one: serde_json::Value = serde_json::from_str(&s.get("/api/clusters/a").1).unwrap();
    assert_eq!(one["cluster"]["accounts"].as_array().unwrap().len(), 12);
    assert_eq!(one["case"]["state"], "released");
    assert_eq!(one["history"].as_array().unwrap().len(), 8);
    assert_eq!(s.get("/api/clusters/none").0, 404);
    assert_eq!(s.get("/api/clusters?page=x").0, 400);
    assert_eq!(s.get("/clusters/none").0, 404);
    assert_eq!(s.get("/nothing").0, 404);
}
