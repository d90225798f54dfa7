//! `lockstep open` and the demo's ports: what somebody meets who has just built it.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use super::{Workspace, posts};

/// A running page, ended with its test.
struct Opened {
    child: Child,
    url: String,
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn open(workspace: &Workspace, arguments: &[&str]) -> Opened {
    let mut command = workspace.command(&[&["open", "--no-browser"], arguments].concat());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("http://") {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "it ended without an address");
    }
    let url =
        line.split_whitespace().find(|word| word.starts_with("http://")).unwrap().trim_end_matches(';').to_owned();
    // What it says later has to go somewhere.
    std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
    Opened { child, url }
}

/// Status, where it leads, and what it says.
fn ask(request: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> (u16, String, String) {
    let mut response = request.unwrap();
    let leads = response.headers().get("location").map(|to| to.to_str().unwrap().to_owned()).unwrap_or_default();
    let status = response.status().as_u16();
    (status, leads, response.body_mut().read_to_string().unwrap())
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).build().into()
}

/// The posts as a table whose text nobody would recognise.
fn table() -> String {
    let mut table = "id,platform,account_id,created_at,wording,urls\n".to_owned();
    for line in posts().lines() {
        let post: serde_json::Value = serde_json::from_str(line).unwrap();
        let cell = |name: &str| post[name].as_str().unwrap().to_owned();
        let [id, account, at, text] = ["id", "account_id", "created_at", "text"].map(cell);
        table.push_str(&format!("{id},chirp,{account},{at},{text},{}\n", post["urls"][0].as_str().unwrap()));
    }
    table
}

#[test]
fn a_file_is_opened_corrected_and_looked_through() {
    let workspace = Workspace::new();
    workspace.write("posts.csv", table());
    let opened = open(&workspace, &["posts.csv", "--out", "out"]);
    let agent = agent();
    let at = |path: &str| format!("{}{path}", opened.url);
    let (status, _, page) = ask(agent.get(&opened.url).call());
    assert_eq!(status, 200);
    assert!(page.contains("wording") && page.contains("as recognised (not read)"), "{page}");
    let token = page.split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap();

    // A form of anybody else's starts nothing, and a name from elsewhere reads nothing.
    assert_eq!(ask(agent.post(at("run")).send_form([("token", "guessed")])).0, 403);
    assert_eq!(ask(agent.get(&opened.url).header("host", "evil.example").call()).0, 403);
    assert_eq!(ask(agent.get(at("out/..%2Fposts.csv")).call()).0, 404);
    assert!(!workspace.path("out/report.html").exists());

    let mut choices = vec![("token", token)];
    for column in ["id", "platform", "account_id", "created_at", "wording", "urls"] {
        choices.extend([("name", column), ("taken", if column == "wording" { "text" } else { "" })]);
    }
    assert_eq!(ask(agent.post(at("mapping")).send_form(choices.clone())).0, 303);
    let (_, _, page) = ask(agent.get(&opened.url).call());
    assert!(page.contains("value=\"text\" selected"), "{page}");

    assert_eq!(ask(agent.post(at("run")).send_form(choices)).0, 303);
    let until = Instant::now() + Duration::from_secs(120);
    let leads = loop {
        let (status, leads, page) = ask(agent.get(at("run")).call());
        if status == 303 {
            break leads;
        }
        assert!(page.contains("<progress") && Instant::now() < until, "{page}");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(leads, "/out/report.html");
    let (status, _, report) = ask(agent.get(at("out/report.html")).call());
    assert!(status == 200 && report.contains("160"), "the report does not say how many posts there were");
    let summary: serde_json::Value = serde_json::from_str(&workspace.read("out/summary.json")).unwrap();
    assert_eq!(summary["posts"], 160);
    let (_, _, page) = ask(agent.get(&opened.url).call());
    assert!(page.contains("160 posts were read and looked through"), "{page}");
}

#[test]
fn a_page_that_others_could_reach_is_refused() {
    let workspace = Workspace::new();
    workspace.write("posts.jsonl", posts());
    workspace
        .run(&["open", "posts.jsonl", "--listen", "0.0.0.0:0"])
        .ends(2)
        .prints_nothing()
        .says(&["for this machine only"]);
    workspace.run(&["open", "-"]).ends(2).says(&["give a file"]);
    workspace.run(&["open", "none.csv"]).ends(1).says(&["none.csv"]);
}

#[test]
fn the_demo_uses_no_port_with_once_and_names_what_is_busy() {
    let workspace = Workspace::new();
    workspace.write("posts.jsonl", posts());
    // Whether these ports can be taken or are in use already, they are busy now.
    let _busy: Vec<_> = [8080, 8081, 9464].iter().map(|port| TcpListener::bind(("127.0.0.1", *port))).collect();
    let run = workspace.run(&["demo", "--once", "--posts", "posts.jsonl"]).ends(0);
    assert!(!run.err.contains("note:") && !run.err.contains("http://"), "{}", run.err);

    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = busy.local_addr().unwrap().to_string();
    let run = workspace.run(&["demo", "--once", "--posts", "posts.jsonl", "--listen", &address]).ends(1);
    run.says(&[&format!("--listen {address}"), "is in use", "is free"]);
}
